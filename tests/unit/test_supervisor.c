/* tests/unit/test_supervisor.c - the supervisor over workers that misbehave on demand.
 *
 * A worker is this program again, under a worker's name: see fake_main. What it shall do is told by the
 * method of an API request, and for its start by files in the directory that KUKEON_FAULTS names. */
#include "../../supervisor/sv.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kukeon/auto.h>
#include <kukeon/clock.h>
#include <kukeon/fd.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>
#include <kukeon/worker.h>

#include "../support/check.h"
#include "../support/dir.h"
#include "../support/fake.h"

/* --- the fake worker --- */

enum { FAKE_EXIT = 7, LINGER_MS = 20, LONG_REPLY = 150 * 1024 };

static struct {
	struct kk_worker *worker;
	struct kk_call *kept; /* a request that stays unanswered until it is let go */
	struct kk_timer *linger_timer;
	unsigned n_events;
	char *fds;
} fake;

static void result_set(void *rep, const char *text)
{
	struct kk_rep_api_request *reply = rep;

	reply->result.data = (uint8_t *)kk_xstrdup(text);
	reply->result.len = strlen(text);
}

static void result_set_generation(const struct kk_call *call, void *rep)
{
	char text[16];

	snprintf(text, sizeof text, "%u", call->generation);
	result_set(rep, text);
}

static _Noreturn void wait_for_the_end(void)
{
	for (;;)
		pause();
}

static void say(const struct kk_call *call, const struct kk_envelope *env)
{
	(void)call->dispatch->send(env, call->dispatch->arg);
}

static void do_kill(const struct kk_call *call)
{
	(void)call;
	raise(SIGKILL);
}

static void do_crash(const struct kk_call *call)
{
	(void)call;
	signal(SIGABRT, SIG_DFL);
	raise(SIGABRT);
}

static void do_exit(const struct kk_call *call)
{
	(void)call;
	_exit(FAKE_EXIT);
}

static void do_garbage(const struct kk_call *call)
{
	(void)call;
	(void)!write(KK_WORKER_FD, "\0\0\0\4what", 8);
	wait_for_the_end();
}

static void do_hang_up(const struct kk_call *call)
{
	(void)call;
	close(KK_WORKER_FD);
	wait_for_the_end();
}

static void do_impersonate(const struct kk_call *call)
{
	const struct kk_envelope env = {.kind = KK_ENVELOPE_REPLY,
		.type = KK_MSG_cgroup_get,
		.id = call->id,
		.source = KK_ROLE_cgroup};

	say(call, &env);
	wait_for_the_end();
}

/* A message that is the supervisor's alone. */
static void do_command(const struct kk_call *call)
{
	const struct kk_envelope env = {.kind = KK_ENVELOPE_REQUEST,
		.type = KK_MSG_worker_stop,
		.id = 1,
		.source = KK_ROLE_reconciler,
		.target = KK_ROLE_network};

	say(call, &env);
	wait_for_the_end();
}

static void do_ask_the_supervisor(const struct kk_call *call)
{
	const struct kk_envelope env = {.kind = KK_ENVELOPE_REQUEST,
		.type = KK_MSG_cgroup_get,
		.id = 1,
		.source = KK_ROLE_reconciler,
		.target = KK_ROLE_supervisor};

	say(call, &env);
	wait_for_the_end();
}

static void do_request_as_event(const struct kk_call *call)
{
	const struct kk_envelope env = {.kind = KK_ENVELOPE_EVENT,
		.type = KK_MSG_cgroup_get,
		.source = KK_ROLE_reconciler,
		.target = KK_ROLE_cgroup};

	say(call, &env);
	wait_for_the_end();
}

static void do_invent(const struct kk_call *call)
{
	const struct kk_envelope env = {.kind = KK_ENVELOPE_REQUEST,
		.type = 0x7777,
		.id = 1,
		.source = KK_ROLE_reconciler,
		.target = KK_ROLE_cgroup};

	say(call, &env);
	wait_for_the_end();
}

static void do_ping(const struct kk_call *call)
{
	const struct kk_envelope env = {.kind = KK_ENVELOPE_PING,
		.source = KK_ROLE_reconciler,
		.target = KK_ROLE_supervisor};

	say(call, &env);
	wait_for_the_end();
}

static void on_abort(int signo)
{
	char path[128];

	(void)signo;
	snprintf(path, sizeof path, "%s/aborted", getenv("KUKEON_FAULTS") + strlen("dir="));
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static void do_hang(const struct kk_call *call)
{
	(void)call;
	signal(SIGABRT, on_abort);
	wait_for_the_end();
}

static const struct misdeed {
	const char *method;
	void (*run)(const struct kk_call *call);
} misdeeds[] = {
	{"kill", do_kill},
	{"crash", do_crash},
	{"exit", do_exit},
	{"garbage", do_garbage},
	{"hang up", do_hang_up},
	{"impersonate", do_impersonate},
	{"command", do_command},
	{"ask the supervisor", do_ask_the_supervisor},
	{"request as event", do_request_as_event},
	{"invent", do_invent},
	{"ping", do_ping},
	{"hang", do_hang},
};

/* More than one read takes, then the end. */
static _Noreturn void answer_and_die(const struct kk_call *call)
{
	kk_auto_free char *text = kk_xalloc(LONG_REPLY + 1);
	struct kk_rep_api_request rep = {.result = {(uint8_t *)text, LONG_REPLY}};
	struct kk_buf body = {0};
	struct kk_envelope env = {.kind = KK_ENVELOPE_REPLY,
		.type = KK_MSG_api_request,
		.id = call->id,
		.source = KK_ROLE_reconciler,
		.target = KK_ROLE_supervisor,
		.generation = call->generation};

	memset(text, '0' + (int)call->generation, LONG_REPLY);
	kk_schema_encode(kk_rep_schema_api_request(), &rep, &body);
	env.body = body.data;
	env.body_len = body.len;
	say(call, &env);
	_exit(FAKE_EXIT);
}

static void answer_twice(struct kk_call *call, void *rep)
{
	struct kk_rep_api_request first = {0};
	struct kk_buf body = {0};
	struct kk_envelope env = {.kind = KK_ENVELOPE_REPLY,
		.type = KK_MSG_api_request,
		.id = call->id,
		.source = KK_ROLE_reconciler,
		.target = KK_ROLE_supervisor,
		.generation = call->generation};

	result_set(&first, "first");
	kk_schema_encode(kk_rep_schema_api_request(), &first, &body);
	env.body = body.data;
	env.body_len = body.len;
	say(call, &env);
	kk_schema_release(kk_rep_schema_api_request(), &first);
	kk_buf_release(&body);
	result_set(rep, "second");
}

/* What is open before the worker opens anything itself. */
static char *list_fds(void)
{
	struct kk_buf text = {0};
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	char link[64], target[256];
	ssize_t n;

	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(dir))
			continue;
		snprintf(link, sizeof link, "/proc/self/fd/%.8s", entry->d_name);
		n = readlink(link, target, sizeof target - 1);
		target[n > 0 ? n : 0] = '\0';
		/* Without the numbers of pipes and sockets. */
		target[strcspn(target, ":")] = '\0';
		kk_buf_printf(&text, "%s=%s ", entry->d_name, target);
	}
	closedir(dir);
	return kk_buf_take(&text);
}

static void list_environment(void *rep)
{
	struct kk_buf text = {0};

	for (char **entry = environ; *entry; entry++)
		kk_buf_printf(&text, "%s\n", *entry);
	result_set(rep, (char *)text.data);
	kk_buf_release(&text);
}

static void list_signals(void *rep)
{
	kk_auto_buf status = {0};
	struct kk_err err = {0};
	const char *blocked;

	if (kk_file_read("/proc/self/status", &status, &err) < 0)
		return;
	blocked = strstr((char *)status.data, "SigBlk:");
	result_set(rep, kk_str_starts(blocked, "SigBlk:\t0000000000000000\n") ? "none" : "some");
}

static void ask_on_reply(const void *reply, const struct kk_err *err, void *arg)
{
	const struct kk_rep_cgroup_get *rep = reply;
	struct kk_call *call = arg;
	char text[32];

	if (rep) {
		snprintf(text, sizeof text, "cgroup %llu", (unsigned long long)rep->pids);
		result_set(call->rep, text);
	}
	kk_call_end(call, err);
}

/* Ask the cgroup worker; @text is what it shall do. */
static int ask_cgroup(struct kk_call *call, const char *text)
{
	struct kk_req_cgroup_get req = {.path = (char *)text};

	kk_rpc_call(fake.worker->rpc, KK_ROLE_cgroup, KK_MSG_cgroup_get, &req, call->op,
		ask_on_reply, call);
	return KK_LATER;
}

static void linger_on_timer(void *arg)
{
	struct kk_call *call = arg;

	result_set(call->rep, "lingered");
	kk_call_end(call, NULL);
}

static int linger(struct kk_call *call)
{
	fake.linger_timer = kk_timer_new(fake.worker->loop, "linger", linger_on_timer, call);
	kk_timer_start(fake.linger_timer, LINGER_MS);
	return KK_LATER;
}

static int keep(struct kk_call *call)
{
	fake.kept = call;
	return KK_LATER;
}

static void count_events(void *rep)
{
	char text[16];

	snprintf(text, sizeof text, "%u", fake.n_events);
	result_set(rep, text);
}

static KK_HANDLES(api_request)
{
	kk_auto_free char *text = kk_xstrndup((char *)req->params.data, req->params.len);
	const char *method = req->method;

	/* A misdeed is done by the incarnations up to the one that is named. */
	for (size_t i = 0; i < KK_COUNT(misdeeds); i++) {
		if (strcmp(method, misdeeds[i].method) != 0)
			continue;
		if (call->generation <= strtoul(text, NULL, 10))
			misdeeds[i].run(call);
		result_set_generation(call, rep);
		return 0;
	}
	if (strcmp(method, "ask") == 0)
		return ask_cgroup(call, text);
	if (strcmp(method, "ask and die") == 0) {
		ask_cgroup(call, text);
		if (call->generation == 1)
			raise(SIGKILL);
		return KK_LATER;
	}
	if (strcmp(method, "answer and die") == 0)
		answer_and_die(call);
	if (strcmp(method, "keep") == 0)
		return keep(call);
	if (strcmp(method, "linger") == 0)
		return linger(call);
	if (strcmp(method, "fail") == 0)
		return kk_fail(err, KK_E_CELL_NOT_FOUND, "no such luck");
	if (strcmp(method, "kept") == 0)
		result_set(rep,
			!fake.kept                      ? "nothing" :
				fake.kept->is_cancelled ? "cancelled" :
							  "waiting");
	else if (strcmp(method, "twice") == 0)
		answer_twice(call, rep);
	else if (strcmp(method, "fds") == 0)
		result_set(rep, fake.fds);
	else if (strcmp(method, "environment") == 0)
		list_environment(rep);
	else if (strcmp(method, "signals") == 0)
		list_signals(rep);
	else if (strcmp(method, "events") == 0)
		count_events(rep);
	else if (strcmp(method, "level") == 0)
		result_set(rep, kk_level_name(kk_log_level()));
	else if (strcmp(method, "print") == 0)
		(void)!write(STDERR_FILENO, text, strlen(text));
	else
		result_set_generation(call, rep);
	return 0;
}

static KK_HANDLES_EVENT(task_exited)
{
	(void)call;
	(void)req;
	(void)rep;
	(void)err;
	fake.n_events++;
	return 0;
}

static void second_on_timer(void *arg)
{
	kk_call_end(arg, NULL);
}

/* The first request is answered when the second one is there, and that one later. */
static int answer_in_turn(struct kk_call *call, struct kk_rep_cgroup_get *rep)
{
	rep->pids = fake.kept ? 200 : 100;
	if (!fake.kept) {
		fake.kept = call;
		return KK_LATER;
	}
	kk_call_end(fake.kept, NULL);
	fake.linger_timer = kk_timer_new(fake.worker->loop, "second", second_on_timer, call);
	kk_timer_start(fake.linger_timer, LINGER_MS);
	return KK_LATER;
}

static KK_HANDLES(cgroup_get)
{
	(void)err;
	if (strcmp(kk_str(req->path), "in turn") == 0)
		return answer_in_turn(call, rep);
	if (strcmp(kk_str(req->path), "kill") == 0 && call->generation == 1)
		raise(SIGKILL);
	rep->pids = call->generation;
	return 0;
}

/* A file of the test's directory as a number; 0 when it is not there. */
static unsigned long number_in(const char *name)
{
	kk_auto_free char *path =
		kk_xprintf("%s/%s", getenv("KUKEON_FAULTS") + strlen("dir="), name);
	kk_auto_buf text = {0};
	struct kk_err err = {0};

	return kk_file_read(path, &text, &err) < 0 ? 0 : strtoul((char *)text.data, NULL, 10);
}

/* Starts go wrong while the number in the file is not used up. */
static bool goes_wrong(const char *how, enum kk_role role)
{
	kk_auto_free char *name = kk_xprintf("%s.%s", how, kk_role_name(role));
	kk_auto_free char *path =
		kk_xprintf("%s/%s", getenv("KUKEON_FAULTS") + strlen("dir="), name);
	unsigned long left = number_in(name);
	char text[32];
	struct kk_err err = {0};

	if (left == 0)
		return false;
	snprintf(text, sizeof text, "%lu", left - 1);
	return kk_file_write(path, text, strlen(text), 0600, &err) == 0;
}

static int fake_start(struct kk_worker *worker, struct kk_err *err)
{
	fake.worker = worker;
	if (goes_wrong("exit", worker->def->role))
		_exit(FAKE_EXIT);
	if (goes_wrong("refuse", worker->def->role))
		return kk_fail(err, KK_E_CONFIG, "it does not want to");
	return 0;
}

static void fake_stop(struct kk_worker *worker)
{
	if (goes_wrong("stay", worker->def->role))
		wait_for_the_end();
}

static int fake_main(const char *role)
{
	static const struct kk_handler handlers[] = {
		KK_HANDLER(api_request),
		KK_HANDLER(task_exited),
		KK_HANDLER(cgroup_get),
	};
	struct kk_worker_def def = fake_worker(role, handlers, KK_COUNT(handlers));

	def.start = fake_start;
	def.stop = fake_stop;
	fake.fds = list_fds();
	return kk_worker_main(&def);
}

/* --- the test's side --- */

enum { WATCHDOG_MS = 12000 };

static struct {
	struct kk_loop *loop;
	struct kk_timer *watchdog;
	struct kk_config config;
	struct kk_supervisor *sv;
	struct sv_worker *reconciler;
	int n_answers;
	bool is_stopped;
} rig;

static void watchdog_on_timer(void *arg)
{
	(void)arg;
	ck_abort_msg("it takes too long");
}

/* The one variable of ours that reaches a worker; what it says is a specification that arms nothing. */
static void faults_set(void)
{
	kk_auto_free char *specification = kk_xprintf("dir=%s", dir_path);

	setenv("KUKEON_FAULTS", specification, 1);
}

static void rig_make(bool is_embedded)
{
	struct kk_err err = {0};

	dir_setup();
	faults_set();
	kk_log_open("supervisor", 0, KK_LEVEL_ERROR);
	rig.config = fake_config(dir_path);
	rig.loop = kk_loop_new();
	rig.watchdog = kk_timer_new(rig.loop, "watchdog", watchdog_on_timer, NULL);
	kk_timer_start(rig.watchdog, WATCHDOG_MS);
	rig.sv = kk_supervisor_new(rig.loop, &rig.config, is_embedded, &err);
	ck_assert_ptr_nonnull(rig.sv);
	rig.reconciler = &rig.sv->workers[KK_ROLE_reconciler];
}

/* Workers start when they are needed. */
static void embedded_setup(void)
{
	rig_make(true);
}

static void daemon_setup(void)
{
	rig_make(false);
}

static void teardown(void)
{
	kk_supervisor_free(rig.sv);
	kk_timer_free(rig.watchdog);
	kk_loop_free(rig.loop);
	kk_config_release(&rig.config);
	dir_teardown();
}

struct answer {
	int n;
	int place; /* among all that came */
	char text[8192];
	struct kk_err err;
};

static void answer_on_reply(const void *reply, const struct kk_err *err, void *arg)
{
	const struct kk_rep_api_request *rep = reply;
	struct answer *answer = arg;

	answer->n++;
	answer->place = rig.n_answers++;
	if (err)
		answer->err = *err;
	else
		snprintf(answer->text, sizeof answer->text, "%.*s", (int)rep->result.len,
			kk_str((char *)rep->result.data));
}

static uint64_t ask(struct answer *answer, const char *method, const char *text)
{
	const struct kk_peer peer = {.pid = getpid(), .is_local = true};

	*answer = (struct answer){0};
	return kk_supervisor_call(rig.sv, kk_supervisor_op(rig.sv), method, text, strlen(text),
		&peer, answer_on_reply, answer);
}

static void wait_for(const struct answer *answer)
{
	while (!answer->n)
		kk_loop_run_once(rig.loop);
}

/* Ask and wait for an answer that is no error. */
static void expect(const char *method, const char *text, const char *result)
{
	struct answer answer;

	ask(&answer, method, text);
	wait_for(&answer);
	ck_assert_int_eq(answer.err.code, 0);
	ck_assert_str_eq(answer.text, result);
}

/* Where the report of a death lies changes from run to run: that it lies there is what counts. */
static void report_take_out(char *text)
{
	char *begin = strstr(text, ", report "), *end = begin ? strstr(begin, ".txt") : NULL;
	kk_auto_free char *path = NULL;

	if (!end)
		return;
	begin[0] = '\0';
	path = kk_xstrndup(begin + 9, (size_t)(end + 4 - begin - 9));
	ck_assert_int_eq(access(path, R_OK), 0);
	memmove(begin, end + 4, strlen(end + 4) + 1);
}

static void expect_error(const struct answer *answer, int code, const char *text)
{
	char found[KK_ERR_TEXT];

	wait_for(answer);
	kk_err_format(&answer->err, found, sizeof found);
	report_take_out(found);
	ck_assert_int_eq(answer->err.code, code);
	ck_assert_str_eq(found, text);
	ck_assert_int_eq(answer->n, 1);
}

static void run_until_generation(const struct sv_worker *worker, unsigned generation)
{
	while (worker->generation < generation)
		kk_loop_run_once(rig.loop);
}

/* Standard error goes to a file of the directory from now on. */
static void stderr_catch(void)
{
	kk_auto_free char *path = kk_xprintf("%s/stderr", dir_path);
	kk_auto_fd int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	ck_assert_int_ge(dup2(fd, STDERR_FILENO), 0);
}

static bool stderr_has(const char *text)
{
	kk_auto_free char *path = kk_xprintf("%s/stderr", dir_path);
	kk_auto_buf caught = {0};
	struct kk_err err = {0};

	ck_assert_int_eq(kk_file_read(path, &caught, &err), 0);
	return strstr((char *)caught.data, text);
}

/* --- requests and deaths --- */

START_TEST(a_request_is_answered)
{
	expect("generation", "", "1");
	ck_assert_uint_eq(rig.sv->n_flights, 0);
	ck_assert_uint_eq(rig.reconciler->backoff.n_restarts, 0);
}
END_TEST

START_TEST(an_error_of_the_worker_arrives_with_code_and_text)
{
	struct answer answer;

	ask(&answer, "fail", "");
	expect_error(&answer, KK_E_CELL_NOT_FOUND, "no such luck");
}
END_TEST

START_TEST(an_embedded_supervisor_starts_what_is_needed)
{
	expect("generation", "", "1");
	ck_assert_int_eq(rig.sv->workers[KK_ROLE_cgroup].pid, 0);
	expect("ask", "", "cgroup 1");
	ck_assert_int_gt(rig.sv->workers[KK_ROLE_cgroup].pid, 0);
	ck_assert_int_eq(rig.sv->workers[KK_ROLE_containerd].pid, 0);
	ck_assert_int_eq(rig.sv->workers[KK_ROLE_network].pid, 0);
}
END_TEST

START_TEST(a_killed_worker_is_replaced_and_its_request_answered_once)
{
	struct answer answer;

	ask(&answer, "kill", "1");
	wait_for(&answer);
	ck_assert_int_eq(answer.err.code, 0);
	ck_assert_str_eq(answer.text, "2");
	/* Whatever else might come has come when a later request is answered. */
	expect("generation", "", "2");
	ck_assert_int_eq(answer.n, 1);
	ck_assert_uint_eq(rig.sv->n_flights, 0);
	ck_assert_uint_eq(rig.reconciler->backoff.n_restarts, 1);
	ck_assert_uint_eq(rig.reconciler->backoff.n_deaths, 0);
}
END_TEST

START_TEST(requests_are_answered_in_their_order_across_a_restart)
{
	struct answer answers[20];

	for (size_t i = 0; i < KK_COUNT(answers); i++)
		ask(&answers[i], i == 7 ? "kill" : "generation", "1");
	expect("generation", "", "2");
	for (size_t i = 0; i < KK_COUNT(answers); i++) {
		ck_assert_int_eq(answers[i].n, 1);
		ck_assert_int_eq(answers[i].err.code, 0);
		ck_assert_int_eq(answers[i].place, (int)i);
		if (i >= 7)
			ck_assert_str_eq(answers[i].text, "2");
	}
}
END_TEST

START_TEST(a_reply_from_before_the_restart_is_dropped)
{
	struct answer answer;
	struct kk_envelope late = {.kind = KK_ENVELOPE_REPLY,
		.type = KK_MSG_api_request,
		.source = KK_ROLE_reconciler,
		.target = KK_ROLE_supervisor,
		.generation = 1};

	late.id = ask(&answer, "kill", "1");
	run_until_generation(rig.reconciler, 2);
	sv_route_from_worker(rig.reconciler, &late);
	ck_assert_int_eq(answer.n, 0);
	ck_assert_uint_eq(rig.reconciler->n_stale, 1);
	wait_for(&answer);
	ck_assert_str_eq(answer.text, "2");
}
END_TEST

START_TEST(a_reply_of_another_role_is_dropped)
{
	struct answer answer;
	struct kk_envelope foreign = {.kind = KK_ENVELOPE_REPLY,
		.type = KK_MSG_api_request,
		.source = KK_ROLE_cgroup,
		.target = KK_ROLE_supervisor,
		.generation = 1};
	struct sv_worker *cgroup = &rig.sv->workers[KK_ROLE_cgroup];

	expect("ask", "", "cgroup 1");
	foreign.id = ask(&answer, "generation", "");
	sv_route_from_worker(cgroup, &foreign);
	ck_assert_int_eq(answer.n, 0);
	ck_assert_uint_eq(cgroup->n_stale, 1);
	wait_for(&answer);
	ck_assert_str_eq(answer.text, "1");
}
END_TEST

START_TEST(a_second_reply_is_dropped)
{
	struct answer answer;

	ask(&answer, "twice", "");
	wait_for(&answer);
	expect("generation", "", "1");
	ck_assert_str_eq(answer.text, "first");
	ck_assert_int_eq(answer.n, 1);
	ck_assert_uint_eq(rig.reconciler->n_stale, 1);
}
END_TEST

static const struct {
	const char *method;
	const char *how;
} crashes[] = {
	{"crash", "signal 6 (Aborted)"},
	{"exit", "exit status 7"},
	{"impersonate", "signal 9 (Killed)"},
};

START_TEST(three_crashes_quarantine_a_request_and_spare_the_others)
{
	kk_auto_free char *text =
		kk_xprintf("the reconciler worker ended (%s) each time it worked on this request",
			crashes[_i].how);
	struct answer poison, other;

	ask(&poison, crashes[_i].method, "1000");
	/* The other one is under way at two of the three deaths. */
	run_until_generation(rig.reconciler, 2);
	ask(&other, "generation", "");
	expect_error(&poison, KK_E_WORKER_CRASHED, text);
	wait_for(&other);
	ck_assert_int_eq(other.err.code, 0);
	ck_assert_str_eq(other.text, "4");
	expect("generation", "", "4");
	ck_assert_int_eq(poison.n, 1);
}
END_TEST

START_TEST(two_crashes_are_survived)
{
	expect("crash", "2", "3");
}
END_TEST

START_TEST(kills_from_outside_are_forgiven_longer)
{
	struct answer answer;

	expect("kill", "99", "100");
	ask(&answer, "kill", "1000");
	expect_error(&answer, KK_E_WORKER_CRASHED,
		"the reconciler worker ended (signal 9 (Killed)) each time it worked on this "
		"request");
	ck_assert_uint_eq(rig.reconciler->backoff.n_restarts, 199);
	ck_assert_uint_eq(rig.reconciler->backoff.n_deaths, 0);
}
END_TEST

static const char *const offences[] = {"garbage", "hang up", "impersonate", "command",
	"ask the supervisor", "request as event", "invent", "ping"};

START_TEST(a_worker_that_breaks_the_protocol_is_replaced)
{
	struct answer answer;

	ask(&answer, offences[_i], "1");
	wait_for(&answer);
	ck_assert_int_eq(answer.err.code, 0);
	ck_assert_str_eq(answer.text, "2");
	expect("generation", "", "2");
	ck_assert_int_eq(answer.n, 1);
	ck_assert_uint_eq(rig.reconciler->backoff.n_restarts, 1);
}
END_TEST

START_TEST(a_worker_that_oversteps_is_to_blame_itself)
{
	expect(offences[_i], "1", "2");
	ck_assert_uint_eq(rig.reconciler->backoff.n_deaths, 1);
}
END_TEST

START_TEST(a_worker_that_hangs_is_aborted_then_killed_then_replaced)
{
	kk_auto_free char *aborted = kk_xprintf("%s/aborted", dir_path);
	int64_t asked_ms;

	expect("generation", "", "1");
	asked_ms = kk_clock_ms();
	expect("hang", "1", "2");
	ck_assert_int_ge(kk_clock_ms() - asked_ms, kk_role_heartbeat_ms(KK_ROLE_reconciler));
	ck_assert_int_eq(access(aborted, F_OK), 0);
	ck_assert_uint_eq(rig.reconciler->backoff.n_deaths, 1);
	ck_assert_uint_eq(rig.reconciler->backoff.n_restarts, 1);
}
END_TEST

START_TEST(a_question_between_workers_survives_the_one_that_was_asked)
{
	expect("ask", "kill", "cgroup 2");
	ck_assert_uint_eq(rig.reconciler->generation, 1);
}
END_TEST

START_TEST(a_question_between_workers_dies_with_the_one_that_asked)
{
	struct answer answer;

	ask(&answer, "ask and die", "");
	wait_for(&answer);
	ck_assert_int_eq(answer.err.code, 0);
	ck_assert_str_eq(answer.text, "cgroup 1");
	expect("generation", "", "2");
	ck_assert_int_eq(answer.n, 1);
	ck_assert_uint_eq(rig.sv->n_flights, 0);
}
END_TEST

/* --- starts that fail --- */

START_TEST(a_worker_that_ends_before_it_is_ready_is_tried_again_with_patience)
{
	int64_t asked_ms = kk_clock_ms();

	dir_write("exit.reconciler", "2");
	expect("generation", "", "3");
	ck_assert_uint_eq(rig.reconciler->backoff.n_restarts, 2);
	/* 50 and 100 ms. */
	ck_assert_int_ge(kk_clock_ms() - asked_ms, 150);
}
END_TEST

START_TEST(a_worker_that_refuses_to_start_is_told_of_and_tried_again)
{
	stderr_catch();
	dir_write("refuse.reconciler", "2");
	expect("generation", "", "3");
	ck_assert_uint_eq(rig.reconciler->backoff.n_restarts, 2);
	ck_assert(stderr_has("the reconciler worker could not start: it does not want to\n"));
}
END_TEST

static void run_until_degraded(const struct sv_worker *worker)
{
	while (worker->is_ready || !sv_backoff_is_degraded(&worker->backoff, kk_clock_ms()))
		kk_loop_run_once(rig.loop);
}

START_TEST(a_degraded_worker_fails_new_requests_at_once)
{
	struct answer waiting, refused;
	int64_t asked_ms;

	dir_write("exit.reconciler", "1000");
	ask(&waiting, "generation", "");
	run_until_degraded(rig.reconciler);
	asked_ms = kk_clock_ms();
	ask(&refused, "generation", "");
	ck_assert_int_eq(refused.n, 0); /* never from within the call */
	expect_error(&refused, KK_E_WORKER_DOWN,
		"request 'api_request' could not be sent to the reconciler worker: "
		"the worker that is needed does not run");
	ck_assert_int_lt(kk_clock_ms() - asked_ms, 1000);
	ck_assert_int_eq(waiting.n, 0);
}
END_TEST

START_TEST(a_worker_hears_that_another_one_is_degraded)
{
	struct answer answer;

	expect("generation", "", "1");
	dir_write("exit.cgroup", "1000");
	sv_worker_start(&rig.sv->workers[KK_ROLE_cgroup]);
	run_until_degraded(&rig.sv->workers[KK_ROLE_cgroup]);
	ask(&answer, "ask", "");
	expect_error(&answer, KK_E_WORKER_DOWN,
		"the cgroup worker keeps crashing and is out of service for now");
	expect("generation", "", "1");
}
END_TEST

/* Make the supervisor exec something that can't be, and back. */
static void image_break(void)
{
	kk_auto_fd int fd = open("/dev/null", O_PATH | O_CLOEXEC);

	ck_assert_int_ge(dup3(fd, rig.sv->exe_fd, O_CLOEXEC), 0);
}

static void image_repair(void)
{
	kk_auto_fd int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);

	ck_assert_int_ge(dup3(fd, rig.sv->exe_fd, O_CLOEXEC), 0);
}

START_TEST(a_failed_exec_is_an_error_with_its_cause)
{
	struct kk_err err = {0};
	char text[KK_ERR_TEXT];

	image_break();
	ck_assert_int_eq(sv_spawn(rig.reconciler, &err), KK_E_IO);
	kk_err_format(&err, text, sizeof text);
	ck_assert_str_eq(text, "exec the reconciler worker: permission denied");
	ck_assert_int_eq(err.sys_errno, EACCES);
	ck_assert_int_eq(rig.reconciler->pid, 0);
	ck_assert_ptr_null(rig.reconciler->chan);
	/* And no zombie stays. */
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}
END_TEST

START_TEST(a_failed_exec_is_told_and_tried_again)
{
	struct answer answer;

	stderr_catch();
	image_break();
	ask(&answer, "generation", "");
	ck_assert(
		stderr_has("exec the reconciler worker: permission denied, trying again in 50 ms"));
	image_repair();
	wait_for(&answer);
	ck_assert_str_eq(answer.text, "2");
}
END_TEST

/* --- what a worker is given --- */

START_TEST(a_worker_has_its_line_its_log_and_nothing_else)
{
	struct answer answer;

	/* Descriptors that a careless library left open in this process. */
	ck_assert_int_ge(dup(STDERR_FILENO), 0);
	ck_assert_int_ge(fcntl(STDERR_FILENO, F_DUPFD, 77), 77);
	ask(&answer, "fds", "");
	wait_for(&answer);
	ck_assert_str_eq(answer.text, "0=/dev/null 1=/dev/null 2=pipe 3=socket ");
}
END_TEST

START_TEST(a_worker_has_no_environment_but_what_it_needs)
{
	struct answer answer;

	setenv("SECRET_TOKEN", "hidden", 1);
	setenv("LD_PRELOAD_NOT", "x", 1);
	setenv("PATHOLOGY", "x", 1);
	setenv("PATH", "/somewhere", 1);
	setenv("TZ", "UTC", 1);
	ask(&answer, "environment", "");
	wait_for(&answer);
	ck_assert_ptr_nonnull(strstr(answer.text, "PATH=/somewhere\n"));
	ck_assert_ptr_nonnull(strstr(answer.text, "TZ=UTC\n"));
	ck_assert_ptr_nonnull(strstr(answer.text, "KUKEON_FAULTS="));
	ck_assert_ptr_null(strstr(answer.text, "SECRET_TOKEN"));
	ck_assert_ptr_null(strstr(answer.text, "LD_PRELOAD_NOT"));
	ck_assert_ptr_null(strstr(answer.text, "PATHOLOGY"));
}
END_TEST

START_TEST(a_worker_has_no_signal_blocked)
{
	sigset_t some;

	sigemptyset(&some);
	sigaddset(&some, SIGTERM);
	sigaddset(&some, SIGUSR1);
	sigprocmask(SIG_BLOCK, &some, NULL);
	expect("signals", "", "none");
}
END_TEST

START_TEST(a_cancel_reaches_the_worker)
{
	struct answer answer;
	uint64_t id = ask(&answer, "keep", "");

	expect("kept", "", "waiting");
	kk_rpc_cancel(rig.sv->rpc, id);
	expect("kept", "", "cancelled");
	ck_assert_int_eq(answer.n, 0);
	ck_assert_uint_eq(rig.sv->n_flights, 0);
}
END_TEST

START_TEST(a_request_that_is_cancelled_in_time_is_never_sent)
{
	struct answer answer;
	uint64_t id = ask(&answer, "keep", "");

	kk_rpc_cancel(rig.sv->rpc, id);
	expect("kept", "", "nothing");
	ck_assert_int_eq(answer.n, 0);
}
END_TEST

static void event_send(void)
{
	const struct kk_req_task_exited event = {0};
	struct kk_buf body = {0};
	struct kk_envelope env = {.kind = KK_ENVELOPE_EVENT,
		.type = KK_MSG_task_exited,
		.source = KK_ROLE_containerd,
		.target = KK_ROLE_reconciler};

	kk_schema_encode(kk_req_schema_task_exited(), &event, &body);
	env.body = body.data;
	env.body_len = body.len;
	sv_route_from_worker(&rig.sv->workers[KK_ROLE_containerd], &env);
	kk_buf_release(&body);
}

START_TEST(events_reach_a_worker_that_is_ready_and_no_other)
{
	struct answer answer;

	event_send(); /* not started */
	ask(&answer, "generation", "");
	ck_assert_int_gt(rig.reconciler->pid, 0);
	ck_assert(!rig.reconciler->is_ready);
	event_send(); /* not ready */
	wait_for(&answer);
	expect("events", "", "0");
	event_send();
	event_send();
	expect("events", "", "2");
}
END_TEST

START_TEST(a_change_of_log_levels_reaches_the_worker)
{
	expect("level", "", "error");
	rig.config.log_levels[KK_ROLE_reconciler] = KK_LEVEL_TRACE;
	kk_supervisor_levels_apply(rig.sv);
	expect("level", "", "trace");
}
END_TEST

/* --- as a daemon --- */

static bool all_are_ready(void)
{
	for (int i = 1; i < KK_ROLES; i++) {
		if (!rig.sv->workers[i].is_ready)
			return false;
	}
	return true;
}

static void start_all(void)
{
	struct kk_err err = {0};

	ck_assert_int_eq(kk_supervisor_start(rig.sv, &err), 0);
	while (!all_are_ready())
		kk_loop_run_once(rig.loop);
}

static void stopped(void *arg)
{
	(void)arg;
	rig.is_stopped = true;
}

START_TEST(a_daemon_starts_all_workers)
{
	start_all();
	for (int i = 1; i < KK_ROLES; i++) {
		ck_assert_uint_eq(rig.sv->workers[i].generation, 1);
		ck_assert_uint_eq(rig.sv->workers[i].backoff.n_restarts, 0);
	}
	ck_assert_uint_eq(rig.sv->n_flights, 0);
}
END_TEST

START_TEST(what_a_worker_prints_is_stamped_and_escaped)
{
	stderr_catch();
	start_all();
	expect("print", "half a line, ", "");
	expect("print", "then\x1b the rest\nnext", "");
	expect("exit", "1", "2");
	/* Its last words, which have no end of line, are not waited for. */
	ck_assert(stderr_has(" warning reconciler gen=1 half a line, then\\x1b the rest\n"));
}
END_TEST

/* Those that are gone are the last of the row. */
static int n_alive(void)
{
	int n = 0;

	for (int i = 1; i < KK_ROLES; i++) {
		if (rig.sv->workers[i].pid == 0)
			continue;
		ck_assert_int_eq(n, i - 1);
		n = i;
	}
	return n;
}

START_TEST(a_stop_drains_and_ends_the_workers_in_reverse_order)
{
	struct answer answer;
	int n;

	start_all();
	ask(&answer, "linger", "");
	kk_supervisor_stop(rig.sv, stopped, NULL);
	for (n = KK_ROLES - 1; !rig.is_stopped;) {
		int left;

		kk_loop_run_once(rig.loop);
		left = n_alive();
		/* The one that lingers has answered before it goes. */
		ck_assert(left == KK_ROLES - 1 || answer.n == 1);
		ck_assert_int_le(left, n);
		ck_assert_int_ge(left, n - 1);
		n = left;
	}
	ck_assert_int_eq(n, 0);
	ck_assert_int_eq(answer.err.code, 0);
	ck_assert_str_eq(answer.text, "lingered");
}
END_TEST

START_TEST(a_stop_of_nothing_is_done_at_once)
{
	kk_supervisor_stop(rig.sv, stopped, NULL);
	ck_assert(rig.is_stopped);
}
END_TEST

START_TEST(a_worker_that_does_not_stop_is_killed)
{
	dir_write("stay.network", "1");
	start_all();
	kk_supervisor_stop(rig.sv, stopped, NULL);
	while (!rig.is_stopped) {
		struct sv_worker *network = &rig.sv->workers[KK_ROLE_network];

		/* The limit is 5 s; this one needs no more than the proof. */
		if (network->is_stopping && network->pid > 0)
			kk_timer_start(network->kill_timer, 50);
		kk_loop_run_once(rig.loop);
	}
	ck_assert_int_eq(n_alive(), 0);
}
END_TEST

START_TEST(a_worker_that_dies_during_the_stop_is_not_started_again)
{
	start_all();
	kk_supervisor_stop(rig.sv, stopped, NULL);
	kill(rig.sv->workers[KK_ROLE_cgroup].pid, SIGKILL);
	while (!rig.is_stopped)
		kk_loop_run_once(rig.loop);
	for (int i = 1; i < KK_ROLES; i++) {
		ck_assert_int_eq(rig.sv->workers[i].pid, 0);
		ck_assert_uint_eq(rig.sv->workers[i].generation, 1);
	}
}
END_TEST

START_TEST(all_workers_killed_together_come_back)
{
	struct answer answer;

	start_all();
	ask(&answer, "ask", "");
	for (int i = 1; i < KK_ROLES; i++)
		kill(rig.sv->workers[i].pid, SIGKILL);
	wait_for(&answer);
	ck_assert_int_eq(answer.err.code, 0);
	while (!all_are_ready())
		kk_loop_run_once(rig.loop);
	for (int i = 1; i < KK_ROLES; i++)
		ck_assert_uint_eq(rig.sv->workers[i].generation, 2);
}
END_TEST

/* --- regressions --- */

enum { REGRESSION_WATCHDOG_MS = 4000 };

static void known_setup(void)
{
	rig_make(true);
	kk_timer_start(rig.watchdog, REGRESSION_WATCHDOG_MS);
}

START_TEST(a_degraded_worker_comes_back_and_serves_what_waited)
{
	struct answer waiting;

	dir_write("exit.reconciler", "3");
	ask(&waiting, "generation", "");
	run_until_degraded(rig.reconciler);
	wait_for(&waiting);
	ck_assert_int_eq(waiting.err.code, 0);
	ck_assert_str_eq(waiting.text, "4");
}
END_TEST

START_TEST(a_worker_that_crashed_too_often_comes_back)
{
	/* Each request crashes its worker twice, which it survives. */
	expect("crash", "2", "3");
	expect("crash", "4", "5");
	expect("crash", "6", "7");
}
END_TEST

START_TEST(a_worker_that_refuses_to_start_is_tried_again_with_patience)
{
	int64_t asked_ms = kk_clock_ms();

	dir_write("refuse.reconciler", "2");
	expect("generation", "", "3");
	/* 50 and 100 ms, as for one that ends by itself before it is ready. */
	ck_assert_int_ge(kk_clock_ms() - asked_ms, 150);
}
END_TEST

START_TEST(a_new_request_does_not_shorten_the_wait)
{
	struct answer first, second;

	dir_write("exit.reconciler", "1000");
	ask(&first, "generation", "");
	while (rig.reconciler->backoff.n_restarts < 1)
		kk_loop_run_once(rig.loop);
	ck_assert_int_eq(rig.reconciler->pid, 0); /* for 50 ms */
	ask(&second, "generation", "");
	ck_assert_int_eq(rig.reconciler->pid, 0);
	ck_assert_uint_eq(rig.reconciler->generation, 1);
}
END_TEST

START_TEST(garbage_and_hanging_up_are_the_workers_own_fault)
{
	expect(_i ? "hang up" : "garbage", "1", "2");
	ck_assert_uint_eq(rig.reconciler->backoff.n_deaths, 1);
}
END_TEST

START_TEST(three_answers_of_garbage_quarantine_a_request)
{
	struct answer answer;

	ask(&answer, "garbage", "1000");
	wait_for(&answer);
	ck_assert_int_eq(answer.err.code, KK_E_WORKER_CRASHED);
	ck_assert_uint_eq(rig.reconciler->backoff.n_restarts, 3);
}
END_TEST

START_TEST(a_burst_of_requests_is_answered_without_another_push)
{
	struct answer answers[200];
	int64_t asked_ms;

	expect("generation", "", "1");
	kill(rig.reconciler->pid, SIGSTOP);
	for (size_t i = 0; i < KK_COUNT(answers); i++)
		ask(&answers[i], "generation", "");
	kill(rig.reconciler->pid, SIGCONT);
	asked_ms = kk_clock_ms();
	for (size_t i = 0; i < KK_COUNT(answers); i++)
		wait_for(&answers[i]);
	/* The next ping, a second later, must not be what gets them going. */
	ck_assert_int_lt(kk_clock_ms() - asked_ms, 500);
}
END_TEST

START_TEST(a_long_answer_counts_even_if_it_was_the_last)
{
	struct answer answer;
	siginfo_t info;

	expect("generation", "", "1");
	ask(&answer, "answer and die", "");
	/* Death and answer are both there before the loop looks. */
	waitid(P_PID, (id_t)rig.reconciler->pid, &info, WEXITED | WNOWAIT);
	wait_for(&answer);
	ck_assert_int_eq(answer.err.code, 0);
	ck_assert_int_eq(answer.text[0], '1'); /* of the first incarnation */
}
END_TEST

START_TEST(requests_beyond_a_full_queue_are_sent_when_it_has_emptied)
{
	enum { N = 9, BYTES = 8 * 1024 * 1024 }; /* the queue holds 64 MiB */
	kk_auto_free char *text = kk_xalloc(BYTES + 1);
	struct answer answers[N];

	memset(text, '0', BYTES);
	expect("generation", "", "1");
	kill(rig.reconciler->pid, SIGSTOP);
	for (size_t i = 0; i < N; i++)
		ask(&answers[i], "generation", text);
	kill(rig.reconciler->pid, SIGCONT);
	for (size_t i = 0; i < N; i++) {
		wait_for(&answers[i]);
		ck_assert_int_eq(answers[i].err.code, 0);
	}
}
END_TEST

/* Both are the first question of their incarnation. */
START_TEST(an_answer_to_the_dead_is_not_their_successors)
{
	start_all();
	expect("ask and die", "in turn", "cgroup 200");
	ck_assert_uint_eq(rig.reconciler->generation, 2);
}
END_TEST

START_TEST(requests_leave_room_for_answers_and_events)
{
	enum { N = 64, BYTES = 1024 * 1024 }; /* the queue holds 64 MiB */
	kk_auto_free char *text = kk_xalloc(BYTES + 1);
	kk_auto_free struct answer *answers = kk_xalloc(N * sizeof answers[0]);

	memset(text, '0', BYTES);
	expect("generation", "", "1");
	kill(rig.reconciler->pid, SIGSTOP);
	for (size_t i = 0; i < N; i++)
		ask(&answers[i], "generation", text);
	rig.config.log_levels[KK_ROLE_reconciler] = KK_LEVEL_DEBUG;
	for (size_t i = 0; i < 50000; i++)
		kk_supervisor_levels_apply(rig.sv);
	rig.config.log_levels[KK_ROLE_reconciler] = KK_LEVEL_TRACE;
	kk_supervisor_levels_apply(rig.sv);
	kill(rig.reconciler->pid, SIGCONT);
	for (size_t i = 0; i < N; i++) {
		wait_for(&answers[i]);
		ck_assert_int_eq(answers[i].err.code, 0);
		ck_assert_uint_eq(answers[i].place, answers[0].place + i);
	}
	expect("level", "", "trace");
}
END_TEST

START_TEST(a_request_whose_deadline_has_passed_is_not_sent_again)
{
	struct answer answer;

	ask(&answer, "keep", "");
	expect("kept", "", "waiting");
	rig.sv->flights->env.deadline_ms = kk_clock_ms() - 1;
	kill(rig.reconciler->pid, SIGKILL);
	run_until_generation(rig.reconciler, 2);
	expect("kept", "", "nothing");
}
END_TEST

/* It takes no signal but SIGKILL until it goes on. */
START_TEST(a_stopped_worker_dies_of_the_abort)
{
	stderr_catch();
	kk_log_set_level(KK_LEVEL_WARNING);
	rig.config.heartbeat_limit_ms = 200;
	start_all();
	expect("generation", "", "1");
	kill(rig.reconciler->pid, SIGSTOP);
	expect("generation", "", "2");
	ck_assert(stderr_has("the reconciler worker died: signal 6 (Aborted)"));
}
END_TEST

START_TEST(last_words_without_an_end_of_line_are_kept)
{
	stderr_catch();
	start_all();
	expect("print", "assertion failed", "");
	expect("exit", "1", "2");
	ck_assert(stderr_has(" warning reconciler gen=1 assertion failed\n"));
}
END_TEST

int main(int argc, char **argv)
{
	const struct rlimit no_core = {0, 0};
	const char *role = argc > 0 ? strstr(argv[0], ": ") : NULL;
	Suite *suite;
	TCase *request, *start, *given, *daemon;

	if (role)
		return fake_main(role + 2);
	setrlimit(RLIMIT_CORE, &no_core);
	suite = suite_create("supervisor");
	request = tcase_create("request");
	tcase_add_checked_fixture(request, embedded_setup, teardown);
	tcase_set_timeout(request, WATCHDOG_MS / 1000.0 + 2);
	tcase_add_test(request, a_request_is_answered);
	tcase_add_test(request, an_error_of_the_worker_arrives_with_code_and_text);
	tcase_add_test(request, an_embedded_supervisor_starts_what_is_needed);
	tcase_add_test(request, a_killed_worker_is_replaced_and_its_request_answered_once);
	tcase_add_test(request, requests_are_answered_in_their_order_across_a_restart);
	tcase_add_test(request, a_reply_from_before_the_restart_is_dropped);
	tcase_add_test(request, a_reply_of_another_role_is_dropped);
	tcase_add_test(request, a_second_reply_is_dropped);
	tcase_add_loop_test(request, three_crashes_quarantine_a_request_and_spare_the_others, 0,
		(int)KK_COUNT(crashes));
	tcase_add_test(request, two_crashes_are_survived);
	tcase_add_test(request, kills_from_outside_are_forgiven_longer);
	tcase_add_loop_test(request, a_worker_that_breaks_the_protocol_is_replaced, 0,
		(int)KK_COUNT(offences));
	tcase_add_loop_test(request, a_worker_that_oversteps_is_to_blame_itself, 2,
		(int)KK_COUNT(offences));
	tcase_add_test(request, a_worker_that_hangs_is_aborted_then_killed_then_replaced);
	tcase_add_test(request, a_question_between_workers_survives_the_one_that_was_asked);
	tcase_add_test(request, a_question_between_workers_dies_with_the_one_that_asked);
	suite_add_tcase(suite, request);
	start = tcase_create("start");
	tcase_add_checked_fixture(start, embedded_setup, teardown);
	tcase_set_timeout(start, WATCHDOG_MS / 1000.0 + 2);
	tcase_add_test(start, a_worker_that_ends_before_it_is_ready_is_tried_again_with_patience);
	tcase_add_test(start, a_worker_that_refuses_to_start_is_told_of_and_tried_again);
	tcase_add_test(start, a_degraded_worker_fails_new_requests_at_once);
	tcase_add_test(start, a_worker_hears_that_another_one_is_degraded);
	tcase_add_test(start, a_failed_exec_is_an_error_with_its_cause);
	tcase_add_test(start, a_failed_exec_is_told_and_tried_again);
	suite_add_tcase(suite, start);
	given = tcase_create("given");
	tcase_add_checked_fixture(given, embedded_setup, teardown);
	tcase_set_timeout(given, WATCHDOG_MS / 1000.0 + 2);
	tcase_add_test(given, a_worker_has_its_line_its_log_and_nothing_else);
	tcase_add_test(given, a_worker_has_no_environment_but_what_it_needs);
	tcase_add_test(given, a_worker_has_no_signal_blocked);
	tcase_add_test(given, a_cancel_reaches_the_worker);
	tcase_add_test(given, a_request_that_is_cancelled_in_time_is_never_sent);
	tcase_add_test(given, events_reach_a_worker_that_is_ready_and_no_other);
	tcase_add_test(given, a_change_of_log_levels_reaches_the_worker);
	suite_add_tcase(suite, given);
	daemon = tcase_create("daemon");
	tcase_add_checked_fixture(daemon, daemon_setup, teardown);
	tcase_set_timeout(daemon, WATCHDOG_MS / 1000.0 + 2);
	tcase_add_test(daemon, a_daemon_starts_all_workers);
	tcase_add_test(daemon, what_a_worker_prints_is_stamped_and_escaped);
	tcase_add_test(daemon, a_stop_drains_and_ends_the_workers_in_reverse_order);
	tcase_add_test(daemon, a_stop_of_nothing_is_done_at_once);
	tcase_add_test(daemon, a_worker_that_does_not_stop_is_killed);
	tcase_add_test(daemon, a_worker_that_dies_during_the_stop_is_not_started_again);
	tcase_add_test(daemon, all_workers_killed_together_come_back);
	suite_add_tcase(suite, daemon);
	{
		TCase *regressions = tcase_create("regressions"),
		      *known_daemon = tcase_create("regressions");

		tcase_add_checked_fixture(regressions, known_setup, teardown);
		tcase_set_timeout(regressions, WATCHDOG_MS / 1000.0 + 2);
		tcase_add_test(regressions, a_degraded_worker_comes_back_and_serves_what_waited);
		tcase_add_test(regressions, a_worker_that_crashed_too_often_comes_back);
		tcase_add_test(regressions,
			a_worker_that_refuses_to_start_is_tried_again_with_patience);
		tcase_add_test(regressions, a_new_request_does_not_shorten_the_wait);
		tcase_add_loop_test(regressions, garbage_and_hanging_up_are_the_workers_own_fault,
			0, 2);
		tcase_add_test(regressions, three_answers_of_garbage_quarantine_a_request);
		tcase_add_test(regressions, a_burst_of_requests_is_answered_without_another_push);
		tcase_add_test(regressions, a_long_answer_counts_even_if_it_was_the_last);
		tcase_add_test(regressions,
			requests_beyond_a_full_queue_are_sent_when_it_has_emptied);
		tcase_add_test(regressions, requests_leave_room_for_answers_and_events);
		tcase_add_test(regressions, a_request_whose_deadline_has_passed_is_not_sent_again);
		suite_add_tcase(suite, regressions);
		tcase_add_checked_fixture(known_daemon, daemon_setup, teardown);
		tcase_set_timeout(known_daemon, WATCHDOG_MS / 1000.0 + 2);
		tcase_add_test(known_daemon, an_answer_to_the_dead_is_not_their_successors);
		tcase_add_test(known_daemon, a_stopped_worker_dies_of_the_abort);
		tcase_add_test(known_daemon, last_words_without_an_end_of_line_are_kept);
		suite_add_tcase(suite, known_daemon);
	}
	return check_main(suite);
}
