/* tests/support/worker.c */
#include "worker.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kukeon/buf.h>
#include <kukeon/chan.h>
#include <kukeon/clock.h>
#include <kukeon/config.h>
#include <kukeon/loop.h>
#include <kukeon/mem.h>
#include <kukeon/rpc.h>
#include <kukeon/worker.h>

#include "sandbox.h"

enum {
	GENERATION = 1,
	GRACE_MS = 5000, /* for an answer, behind the deadline of its request */
};

/* Something the worker sent. */
struct mail {
	struct mail *next;
	unsigned kind;
	unsigned type;
	uint64_t id;
	void *body;
	size_t body_len;
};

struct sent {
	struct sent *next;
	uint64_t id;
	unsigned msg;
	int64_t deadline_ms;
};

struct ts_worker {
	enum kk_role role;
	pid_t pid;
	struct kk_loop *loop;
	struct kk_chan *chan;
	struct kk_timer *timer;
	struct mail *first; /* oldest first */
	struct mail **end;
	struct sent *sent;
	uint64_t last_id;
	bool is_gone;
	bool is_late;
};

/* Bodies that were handed out: they stay. */
static struct decoded {
	struct decoded *next;
	void *object;
} * decoded;

static void chan_on_message(struct kk_chan *chan, const struct kk_envelope *env, void *arg)
{
	struct ts_worker *worker = arg;
	struct mail *mail;

	(void)chan;
	if (!env) {
		worker->is_gone = true;
		return;
	}
	mail = kk_xalloc(sizeof *mail);
	*mail = (struct mail){
		.kind = env->kind,
		.type = env->type,
		.id = env->id,
		.body = kk_xalloc(env->body_len + 1),
		.body_len = env->body_len,
	};
	if (env->body_len)
		memcpy(mail->body, env->body, env->body_len);
	*worker->end = mail;
	worker->end = &mail->next;
}

static void limit_on_timer(void *arg)
{
	struct ts_worker *worker = arg;

	worker->is_late = true;
}

static bool is_answer(const struct mail *mail, uint64_t id)
{
	return mail->id == id &&
		(mail->kind == KK_ENVELOPE_REPLY || mail->kind == KK_ENVELOPE_ERROR);
}

static bool is_event(const struct mail *mail, unsigned msg)
{
	return mail->kind == KK_ENVELOPE_EVENT && mail->type == msg;
}

/* The first that matches, out of the queue; NULL when none came within @limit_ms. */
static struct mail *mail_take(struct ts_worker *worker, uint64_t id, unsigned msg, int64_t limit_ms)
{
	worker->is_late = false;
	kk_timer_start(worker->timer, limit_ms);
	for (;;) {
		struct mail **link = &worker->first;

		while (*link && !(id ? is_answer(*link, id) : is_event(*link, msg)))
			link = &(*link)->next;
		if (*link) {
			struct mail *mail = *link;

			*link = mail->next;
			if (!mail->next)
				worker->end = link;
			kk_timer_stop(worker->timer);
			return mail;
		}
		if (worker->is_gone || worker->is_late)
			return NULL;
		kk_loop_run_once(worker->loop);
	}
}

static void mail_free(struct mail *mail)
{
	free(mail->body);
	free(mail);
}

static const void *body_decode(const struct kk_schema *schema, const struct mail *mail)
{
	void *object = kk_xalloc(schema->size);
	struct kk_err err = {0};
	struct decoded *entry = kk_xalloc(sizeof *entry);
	int r = kk_schema_decode(schema, mail->body, mail->body_len, object, &err);

	ck_assert_msg(r == 0, "a body can't be decoded: %s", ts_err_text(&err));
	*entry = (struct decoded){decoded, object};
	decoded = entry;
	return object;
}

struct kk_req_worker_start ts_worker_config(void)
{
	return (struct kk_req_worker_start){
		.schema_hash = kk_msg_hash(),
		.instance = ts_run()->instance,
		.run_path = ts_text("%s/rp", ts_run()->dir),
		.runtime_dir = ts_text("%s/rp/run", ts_run()->dir),
		.containerd_socket = ts_text("%s/containerd.sock", ts_run()->dir),
		.namespace_suffix = ts_run()->suffix,
		.cgroup_root = ts_run()->cgroup,
		.pod_subnet_cidr = S("10.200.0.0/16"),
		.nft_table = ts_text("kukeon_%s", ts_run()->instance),
		.sandbox = (char *)KK_DEFAULT_SANDBOX,
		.reconcile_interval_ms = 30000,
	};
}

/* kukeond of the build that this program belongs to, or of KUKE_BIN. */
static char *program_path(void)
{
	const char *dir = getenv("KUKE_BIN");
	char self[PATH_MAX] = "", *end = self;

	if (dir)
		return ts_text("%s/kukeond", dir);
	ck_assert_int_gt(readlink("/proc/self/exe", self, sizeof self - 1), 0);
	end = strstr(self, "/tests/integration/");
	ck_assert_ptr_nonnull(end);
	return ts_text("%.*s/kukeond", (int)(end - self), self);
}

/* KUKE_TEST_LEVEL: what a worker says, on standard error. */
static void level_send(struct ts_worker *worker)
{
	const struct kk_req_worker_level req = {.level = getenv("KUKE_TEST_LEVEL")};
	kk_auto_buf body = {0};
	struct kk_envelope env = {
		.kind = KK_ENVELOPE_EVENT,
		.type = KK_MSG_worker_level,
		.source = KK_ROLE_supervisor,
		.target = worker->role,
		.generation = GENERATION,
	};

	if (!req.level)
		return;
	ck_assert_int_eq(kk_schema_encode(kk_req_schema_worker_level(), &req, &body), 0);
	env.body = body.data;
	env.body_len = body.len;
	ck_assert_int_eq(kk_chan_send(worker->chan, &env), 0);
}

struct ts_worker *ts_worker_start(enum kk_role role, const struct kk_req_worker_start *config)
{
	struct ts_worker *worker = kk_xalloc(sizeof *worker);
	const struct kk_req_worker_start usual = ts_worker_config();
	const struct kk_rep_worker_start *ready;
	char *program = program_path(), *name = ts_text("kukeond: %s", kk_role_name(role));
	int line[2];

	worker->role = role;
	worker->end = &worker->first;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line), 0);
	fflush(NULL);
	worker->pid = fork();
	ck_assert_int_ge(worker->pid, 0);
	if (worker->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(line[1], KK_WORKER_FD);
		if (line[1] == KK_WORKER_FD)
			dup2(dup(line[1]), KK_WORKER_FD);
		execl(program, name, (char *)NULL);
		_exit(127);
	}
	close(line[1]);
	worker->loop = kk_loop_new();
	worker->chan = kk_chan_new(worker->loop, "worker", line[0], chan_on_message, worker);
	worker->timer = kk_timer_new(worker->loop, "limit", limit_on_timer, worker);
	ck_assert(worker->loop && worker->chan && worker->timer);
	level_send(worker);
	ready = ts_worker_wait(worker,
		ts_worker_send(worker, KK_MSG_worker_start, config ? config : &usual, 0), NULL);
	ck_assert_int_eq(ready->pid, worker->pid);
	return worker;
}

pid_t ts_worker_pid(const struct ts_worker *worker)
{
	return worker->pid;
}

static void worker_free(struct ts_worker *worker)
{
	kk_chan_free(worker->chan);
	kk_timer_free(worker->timer);
	kk_loop_free(worker->loop);
	while (worker->first) {
		struct mail *mail = worker->first;

		worker->first = mail->next;
		mail_free(mail);
	}
	while (worker->sent) {
		struct sent *sent = worker->sent;

		worker->sent = sent->next;
		free(sent);
	}
	free(worker);
}

void ts_worker_stop(struct ts_worker *worker)
{
	int status;

	TS_ASK(worker, worker_stop);
	status = ts_child_status(worker->pid);
	/* With a sanitizer this is where leaks show. */
	ck_assert_msg(status == 0, "the %s worker ended with %d", kk_role_name(worker->role),
		status);
	worker_free(worker);
}

void ts_worker_kill(struct ts_worker *worker)
{
	kill(worker->pid, SIGKILL);
	ts_child_status(worker->pid);
	worker_free(worker);
}

uint64_t ts_worker_send(struct ts_worker *worker, unsigned msg, const void *req, int64_t limit_ms)
{
	const struct kk_msg_row *row = kk_msg_row(msg);
	kk_auto_buf body = {0};
	struct sent *sent = kk_xalloc(sizeof *sent);
	struct kk_envelope env = {
		.kind = KK_ENVELOPE_REQUEST,
		.type = msg,
		.id = ++worker->last_id,
		.op = worker->last_id,
		.source = (unsigned)row->from,
		.target = worker->role,
		.generation = GENERATION,
		.deadline_ms = kk_clock_ms() + (limit_ms ? limit_ms : row->timeout_ms),
	};

	ck_assert_int_eq(kk_schema_encode(row->req(), req, &body), 0);
	env.body = body.data;
	env.body_len = body.len;
	ck_assert_int_eq(kk_chan_send(worker->chan, &env), 0);
	*sent = (struct sent){worker->sent, env.id, msg, env.deadline_ms};
	worker->sent = sent;
	return env.id;
}

static struct sent *sent_find(const struct ts_worker *worker, uint64_t id)
{
	struct sent *sent = worker->sent;

	while (sent->id != id)
		sent = sent->next;
	return sent;
}

const void *ts_worker_wait(struct ts_worker *worker, uint64_t id, struct kk_err *err)
{
	const struct sent *sent = sent_find(worker, id);
	const struct kk_msg_row *row = kk_msg_row(sent->msg);
	struct mail *mail = mail_take(worker, id, 0, sent->deadline_ms - kk_clock_ms() + GRACE_MS);
	struct kk_envelope env = {.kind = KK_ENVELOPE_ERROR};
	struct kk_err error = {0};
	const void *rep = NULL;

	ck_assert_msg(mail != NULL, "no answer to '%s': %s", row->name,
		worker->is_gone ? "the worker is gone" : "not even at its deadline");
	if (mail->kind == KK_ENVELOPE_REPLY) {
		rep = body_decode(row->rep(), mail);
	} else {
		env.body = mail->body;
		env.body_len = mail->body_len;
		kk_error_decode(&env, &error);
		ck_assert_msg(err != NULL, "'%s' failed: %s: %s", row->name,
			kk_code_name(error.code), ts_err_text(&error));
		*err = error;
	}
	mail_free(mail);
	return rep;
}

bool ts_worker_has(struct ts_worker *worker, uint64_t id)
{
	const struct mail *mail;

	kk_timer_start(worker->timer, 0);
	kk_loop_run_once(worker->loop);
	mail = worker->first;
	while (mail && !is_answer(mail, id))
		mail = mail->next;
	return mail != NULL;
}

int ts_worker_refused(struct ts_worker *worker, uint64_t id, struct kk_err *err)
{
	const void *rep = ts_worker_wait(worker, id, err);

	ck_assert_msg(rep == NULL, "'%s' succeeded", kk_msg_row(sent_find(worker, id)->msg)->name);
	return err->code;
}

const void *ts_worker_event(struct ts_worker *worker, unsigned msg, int64_t limit_ms)
{
	struct mail *mail = mail_take(worker, 0, msg, limit_ms);
	const void *event;

	if (!mail)
		return NULL;
	event = body_decode(kk_msg_row(msg)->req(), mail);
	mail_free(mail);
	return event;
}

const char *ts_err_text(const struct kk_err *err)
{
	char text[KK_ERR_TEXT * 2];

	kk_err_format(err, text, sizeof text);
	return ts_text("%s", text);
}
