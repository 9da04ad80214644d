/* tests/torture/torture_ipc.c - ipc/ when an allocation fails, each in turn, alone and with all behind it.
 *
 * What is done then ends with KK_E_NOMEM, or as if nothing had happened; it is never half done, and it keeps
 * no memory. */
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kukeon/buf.h>
#include <kukeon/chan.h>
#include <kukeon/config.h>
#include <kukeon/dispatch.h>
#include <kukeon/envelope.h>
#include <kukeon/json.h>
#include <kukeon/log.h>
#include <kukeon/loop.h>
#include <kukeon/model.h>
#include <kukeon/rpc.h>

#include "../support/check.h"
#include "../support/memory.h"
#include "../support/sample.h"

enum { SEED = 20260309, ALL_BEHIND = 1 << 30, NOMEM_STATUS = 70 };

/* Do something, compare what came of it, give all back. Returns 0 or a code. */
typedef int (*work_f)(const void *arg);

static int yaml_read_work(const void *arg);

/* Of the leak sanitizer, where there is one. */
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

static size_t n_failed;

/* Where libyaml can't grow a stack it loses what it made for it. */
static bool may_lose_one(work_f work)
{
	return work == yaml_read_work;
}

static void work_through(const char *name, work_f work, const void *arg, size_t n_more)
{
	for (size_t nth = 1;; nth++) {
		bool has_failed;
		long kept;
		int r;

		if (may_lose_one(work) && __lsan_disable)
			__lsan_disable();
		memory_begin(nth, n_more);
		r = work(arg);
		has_failed = memory_end();
		kept = memory_kept();
		if (may_lose_one(work) && __lsan_enable)
			__lsan_enable();
		if (kept < 0 || kept > may_lose_one(work))
			ck_abort_msg("%s: allocation %zu failed, %ld blocks are kept", name, nth,
				kept);
		if (r != 0 && r != KK_E_NOMEM)
			ck_abort_msg("%s: allocation %zu failed, it says %s", name, nth,
				kk_code_name(r));
		if (!has_failed) {
			check_code(r, 0);
			return;
		}
		n_failed++;
	}
}

static void torture(const char *name, work_f work, const void *arg)
{
	kk_log_set_level(-1);
	work_through(name, work, arg, 0);
	work_through(name, work, arg, ALL_BEHIND);
}

static void tell(const char *what)
{
	printf("%s: %zu allocations failed\n", what, n_failed);
}

/* Check allocates too. */
#define must(condition)                     \
	do {                                \
		if (!(condition))           \
			(void)memory_end(); \
		check_must(condition);      \
	} while (0)

/* --- buffers --- */

static int buf_work(const void *arg)
{
	kk_auto_buf buf = {.max = 4096};
	kk_auto_free char *text = NULL;
	int r = kk_buf_str(&buf, "one");

	(void)arg;
	if (r == 0)
		r = kk_buf_printf(&buf, " %s %d", "two", 3);
	if (r == 0 && !kk_buf_reserve(&buf, 1000))
		r = KK_E_NOMEM;
	if (r == 0)
		r = kk_buf_char(&buf, '.');
	if (r < 0)
		return r;
	text = kk_buf_take(&buf);
	must(strcmp(text, "one two 3.") == 0);
	return 0;
}

START_TEST(buffers_are_as_before)
{
	torture("a buffer", buf_work, NULL);
	tell("buffers");
}
END_TEST

/* --- objects in their three forms --- */

struct object {
	const struct kk_schema *schema;
	void *object;
	char *json;
	char *yaml;
};

static int codec_work(const void *arg)
{
	const struct object *object = arg;
	kk_auto_buf buf = {0};
	kk_auto_free void *back = NULL;
	struct kk_err err = {0};
	int r = kk_schema_encode(object->schema, object->object, &buf);

	back = r == 0 ? kk_alloc(object->schema->size) : NULL;
	if (!back)
		return KK_E_NOMEM;
	r = kk_schema_decode(object->schema, buf.data, buf.len, back, &err);
	must(r == err.code);
	if (r < 0)
		return r;
	must(kk_schema_equal(object->schema, object->object, back, 0));
	kk_schema_release(object->schema, back);
	return 0;
}

static int json_write_work(const void *arg)
{
	const struct object *object = arg;
	kk_auto_json *json = kk_json_encode(object->schema, object->object, KK_JSON_DISK);
	kk_auto_free char *text = json ? kk_json_text(json, JSON_COMPACT) : NULL;

	if (!text)
		return KK_E_NOMEM;
	must(strcmp(text, object->json) == 0);
	return 0;
}

static int json_read_work(const void *arg)
{
	const struct object *object = arg;
	kk_auto_json *json = NULL, *again = NULL;
	kk_auto_free char *text = NULL;
	kk_auto_free void *back = NULL;
	struct kk_err err = {0};
	int r = kk_json_load(object->json, strlen(object->json), 0, &json, NULL);

	if (r < 0)
		return r;
	back = kk_alloc(object->schema->size);
	r = back ? kk_json_decode(object->schema, json, back, &err) : KK_E_NOMEM;
	if (r < 0)
		return r;
	again = kk_json_encode(object->schema, back, KK_JSON_DISK);
	text = again ? kk_json_text(again, JSON_COMPACT) : NULL;
	kk_schema_release(object->schema, back);
	if (!text)
		return KK_E_NOMEM;
	must(strcmp(text, object->json) == 0);
	return 0;
}

static int yaml_write_work(const void *arg)
{
	const struct object *object = arg;
	kk_auto_buf text = {0};
	int r = kk_yaml_write(object->schema, object->object, &text);

	if (r == 0)
		must(strcmp((char *)text.data, object->yaml) == 0);
	return r;
}

static int yaml_read_work(const void *arg)
{
	const struct object *object = arg;
	kk_auto_free void *back = kk_alloc(object->schema->size);
	kk_auto_buf text = {0};
	struct kk_err err = {0};
	int r = back ?
		kk_yaml_read(object->schema, object->yaml, strlen(object->yaml), back, &err) :
		KK_E_NOMEM;

	if (r < 0)
		return r;
	r = kk_yaml_write(object->schema, back, &text);
	kk_schema_release(object->schema, back);
	if (r == 0)
		must(strcmp((char *)text.data, object->yaml) == 0);
	return r;
}

static void object_make(struct sample *sample, const struct kk_schema *schema,
	struct object *ret_object)
{
	kk_auto_buf yaml = {0};
	kk_auto_json *json = NULL;

	*ret_object = (struct object){.schema = schema, .object = kk_xalloc(schema->size)};
	sample_fill(sample, schema, ret_object->object);
	json = kk_json_encode(schema, ret_object->object, KK_JSON_DISK);
	ret_object->json = json_dumps(json, JSON_COMPACT);
	ck_assert_int_eq(kk_yaml_write(schema, ret_object->object, &yaml), 0);
	ret_object->yaml = kk_buf_take(&yaml);
}

static void object_release(struct object *object)
{
	kk_schema_release(object->schema, object->object);
	free(object->object);
	free(object->json);
	free(object->yaml);
}

START_TEST(messages_are_packed_and_unpacked)
{
	struct sample sample = {.state = SEED, .text = SAMPLE_BYTES};

	for (unsigned i = 0; kk_msg_row_at(i); i++) {
		const struct kk_msg_row *row = kk_msg_row_at(i);
		const struct kk_schema *const schemas[] = {
			row->req(), row->rep ? row->rep() : NULL};

		for (size_t k = 0; k < KK_COUNT(schemas) && schemas[k]; k++) {
			struct object object = {schemas[k], kk_xalloc(schemas[k]->size)};

			sample_fill(&sample, schemas[k], object.object);
			torture(schemas[k]->name, codec_work, &object);
			object_release(&object);
		}
	}
	tell("messages");
}
END_TEST

START_TEST(documents_are_written_and_read)
{
	struct sample sample = {.state = SEED, .text = SAMPLE_UTF8};

	for (int kind = 0; kind < KK_KINDS; kind++) {
		const struct kk_schema *schema = kk_kind_schema((enum kk_kind)kind);
		struct object object;

		object_make(&sample, schema, &object);
		torture(schema->name, codec_work, &object);
		/* What is in a cell is in a container; its texts would take as long as all others. */
		if (kind == KK_KIND_CELL) {
			object_release(&object);
			continue;
		}
		torture(schema->name, json_write_work, &object);
		torture(schema->name, json_read_work, &object);
		torture(schema->name, yaml_write_work, &object);
		torture(schema->name, yaml_read_work, &object);
		object_release(&object);
	}
	tell("documents");
}
END_TEST

/* --- the daemon's configuration, which it reads again when it is told to --- */

static int config_work(const void *arg)
{
	struct kk_server_configuration file;
	struct kk_err err = {0};
	bool exists;
	int r = kk_server_configuration_read(arg, &file, &exists, &err);

	if (r < 0)
		return r;
	must(exists && strcmp(file.spec.log_level, "debug") == 0);
	kk_server_configuration_release(&file);
	return 0;
}

START_TEST(the_configuration_is_read_or_not)
{
	static const char text[] = "kind: ServerConfiguration\nspec:\n  logLevel: debug\n"
				   "  workers: {network: {logLevel: trace}}\n";
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = kk_xprintf("%s/kukeond.yaml", dir);
	struct kk_err err = {0};

	check_ok(kk_file_write(path, text, strlen(text), 0600, &err), &err);
	torture("kukeond.yaml", config_work, path);
	tell("configuration");
}
END_TEST

/* --- manifests: only processes that may end read them --- */

static const char manifests[] =
	"# two of them\napiVersion: v1beta1\nkind: Realm\nmetadata: {name: r, labels: {a: b}}\n"
	"spec: {namespace: ns, colour: blue}\n---\napiVersion: v1beta1\nkind: Cell\n"
	"metadata: {name: web}\nspec:\n  realmId: r\n  spaceId: s\n  stackId: t\n"
	"  containers: [{id: one, image: x, args: [a, b], env: [A=1], ports: [80]}]\n";

static int manifests_work(const void *arg)
{
	struct kk_manifests found;
	struct kk_err err = {0};
	int r = kk_yaml_parse(arg, strlen(arg), &found, &err);

	if (r < 0)
		return r;
	must(found.n == 2 && found.warnings.n == 1);
	must(strcmp(found.items[1].doc.cell.spec.containers.items[0].image, "x") == 0);
	kk_manifests_release(&found);
	return 0;
}

/* What it came to in a process that ends when memory is gone, and what that process said. */
static int run_vital(work_f work, const void *arg, size_t nth, char *ret_said, size_t size)
{
	int said[2], status;
	ssize_t n;
	pid_t pid;

	ck_assert_int_eq(pipe(said), 0);
	pid = fork();
	if (pid == 0) {
		dup2(said[1], STDERR_FILENO);
		kk_json_set_vital();
		memory_begin(nth, 0);
		_exit(work(arg) == 0 ? memory_end() : 2 + memory_end());
	}
	close(said[1]);
	n = read(said[0], ret_said, size - 1);
	ret_said[n > 0 ? n : 0] = '\0';
	close(said[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status), "allocation %zu: it ended with signal %d", nth,
		WTERMSIG(status));
	return WEXITSTATUS(status);
}

START_TEST(a_process_that_may_end_says_so_and_does)
{
	for (size_t nth = 1;; nth++) {
		char said[256];
		int status = run_vital(manifests_work, manifests, nth, said, sizeof said);

		if (status == 0)
			break;
		/* What libyaml has no memory for is an error. */
		ck_assert_msg(status == NOMEM_STATUS || status == 1 || status == 3,
			"allocation %zu: status %d", nth, status);
		ck_assert_str_eq(said, status == NOMEM_STATUS ? "kukeon: out of memory\n" : "");
		n_failed++;
	}
	tell("manifests");
}
END_TEST

/* --- loop --- */

static void flag_on_timer(void *arg)
{
	*(bool *)arg = true;
}

static void flag_on_ready(int fd, unsigned what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

static int loop_work(const void *arg)
{
	bool has_fired[2] = {false, false};
	struct kk_loop *loop = kk_loop_new();
	struct kk_timer *timer = NULL;
	struct kk_watch *watch = NULL;
	int pair[2], r = KK_E_NOMEM;

	(void)arg;
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	must(write(pair[1], "x", 1) == 1);
	if (loop)
		timer = kk_timer_new(loop, "timer", flag_on_timer, &has_fired[0]);
	if (timer)
		watch = kk_watch_new(loop, "watch", pair[0], KK_READ, flag_on_ready, &has_fired[1]);
	/* What was made works, whatever fails from here on. */
	if (watch) {
		kk_timer_start(timer, 0);
		kk_timer_stop(timer);
		kk_timer_start(timer, 1);
		kk_watch_set(watch, 0);
		kk_watch_set(watch, KK_READ);
		while (!has_fired[0] || !has_fired[1])
			kk_loop_run_once(loop);
		r = 0;
	}
	kk_watch_free(watch);
	kk_timer_free(timer);
	kk_loop_free(loop);
	close(pair[0]);
	close(pair[1]);
	return r;
}

START_TEST(what_is_in_a_loop_works)
{
	torture("a loop", loop_work, NULL);
	tell("loop");
}
END_TEST

/* Many timers: each has its place, also when all run and memory is gone. */
START_TEST(timers_need_no_memory_to_start)
{
	enum { TIMERS = 100 };
	struct kk_loop *loop = kk_loop_new();
	struct kk_timer *timers[TIMERS];
	bool has_fired[TIMERS] = {false};

	for (int i = 0; i < TIMERS; i++)
		timers[i] = kk_timer_new(loop, "timer", flag_on_timer, &has_fired[i]);
	memory_begin(1, ALL_BEHIND);
	for (int round = 0; round < 3; round++) {
		memset(has_fired, 0, sizeof has_fired);
		for (int i = 0; i < TIMERS; i++)
			kk_timer_start(timers[i], i % 3);
		for (int i = 0; i < TIMERS; i++) {
			while (!has_fired[i])
				kk_loop_run_once(loop);
		}
	}
	ck_assert(!memory_end());
	for (int i = 0; i < TIMERS; i++)
		kk_timer_free(timers[i]);
	kk_loop_free(loop);
}
END_TEST

/* --- channel --- */

enum { BODIES = 3 };

static const size_t body_lens[BODIES] = {10, 300000, 1000};
static uint8_t body[300000];

struct receiver {
	int n;
	bool is_gone;
};

static void receive(struct kk_chan *chan, const struct kk_envelope *env, void *arg)
{
	struct receiver *receiver = arg;

	(void)chan;
	if (!env) {
		receiver->is_gone = true;
		return;
	}
	must(receiver->n < BODIES);
	must(env->id == (uint64_t)receiver->n);
	must(env->body_len == body_lens[receiver->n]);
	must(memcmp(env->body, body, env->body_len) == 0);
	receiver->n++;
}

static int chan_work(const void *arg)
{
	struct kk_loop *loop = kk_loop_new();
	struct receiver ignored = {0}, receiver = {0};
	struct kk_chan *from = NULL, *to = NULL;
	int pair[2], r = 0;

	(void)arg;
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	if (loop)
		from = kk_chan_new(loop, "from", pair[0], receive, &ignored);
	else
		close(pair[0]);
	if (loop)
		to = kk_chan_new(loop, "to", pair[1], receive, &receiver);
	else
		close(pair[1]);
	if (!from || !to)
		r = KK_E_NOMEM;
	for (int i = 0; i < BODIES && r == 0; i++) {
		const struct kk_envelope env = {.kind = KK_ENVELOPE_EVENT,
			.id = (uint64_t)i,
			.body = body,
			.body_len = body_lens[i]};

		r = kk_chan_send(from, &env);
	}
	while (r == 0 && receiver.n < BODIES) {
		kk_loop_run_once(loop);
		if (receiver.is_gone)
			r = KK_E_NOMEM;
	}
	must(!to || !kk_chan_is_broken(to));
	kk_chan_free(from);
	kk_chan_free(to);
	kk_loop_free(loop);
	return r;
}

START_TEST(a_channel_carries_whole_messages_or_ends)
{
	for (size_t i = 0; i < sizeof body; i++)
		body[i] = (uint8_t)(i * 7);
	torture("a channel", chan_work, NULL);
	tell("channel");
}
END_TEST

/* --- request and answer --- */

static struct {
	struct kk_rpc *rpc;
	struct kk_dispatch dispatch;
	struct kk_envelope env; /* on its way to the worker */
	uint8_t body[256];
	bool has_env;
} line;

static KK_HANDLES(cgroup_get)
{
	(void)call;
	(void)err;
	must(strcmp(req->path, "/kukeon/a") == 0);
	rep->memory_bytes = 7;
	return kk_strs_push(&rep->controllers, kk_strdup("memory"));
}

/* It arrives later. */
static int to_worker(const struct kk_envelope *env, void *arg)
{
	(void)arg;
	must(env->body_len <= sizeof line.body);
	line.env = *env;
	line.env.body = line.body;
	memcpy(line.body, env->body, env->body_len);
	line.has_env = true;
	return 0;
}

static int to_asker(const struct kk_envelope *env, void *arg)
{
	(void)arg;
	kk_rpc_take(line.rpc, env);
	return 0;
}

struct outcome {
	int n;
	int code;
};

static void outcome_take(const void *reply, const struct kk_err *err, void *arg)
{
	const struct kk_rep_cgroup_get *rep = reply;
	struct outcome *outcome = arg;

	outcome->n++;
	outcome->code = err ? err->code : 0;
	must(!rep != !err);
	if (rep)
		must(rep->memory_bytes == 7 && rep->controllers.n == 1);
}

/* Garbled is what a worker sent wrong, not what we had no memory for. */
static void nobody_garbles(enum kk_role role, unsigned generation, void *arg)
{
	(void)role;
	(void)generation;
	(void)arg;
	must(false);
}

static int ask_work(const void *arg)
{
	static const struct kk_handler handlers[] = {KK_HANDLER(cgroup_get)};
	struct kk_req_cgroup_get req = {.path = (char *)"/kukeon/a"};
	struct kk_loop *loop = kk_loop_new();
	struct outcome outcome = {0};
	uint64_t id = 0;

	line.has_env = false;
	line.dispatch = (struct kk_dispatch){.self = KK_ROLE_cgroup,
		.handlers = handlers,
		.n_handlers = KK_COUNT(handlers),
		.send = to_asker};
	line.rpc = loop ? kk_rpc_new(loop, KK_ROLE_reconciler, to_worker, NULL) : NULL;
	if (line.rpc) {
		kk_rpc_on_garbled(line.rpc, nobody_garbles, NULL);
		id = kk_rpc_call(line.rpc, KK_ROLE_cgroup, KK_MSG_cgroup_get, &req, 1, outcome_take,
			&outcome);
	}
	if (line.has_env)
		kk_dispatch_take(&line.dispatch, &line.env);
	/* What could not be sent is told by the loop. When not even an error could be sent back, the
	 * deadline is left to tell. */
	if (id && !outcome.n && kk_rpc_pending(line.rpc) && *(const bool *)arg)
		kk_loop_run_once(loop);
	must(!*(const bool *)arg || outcome.n == (id ? 1 : 0));
	must(line.dispatch.n_calls == 0);
	kk_rpc_free(line.rpc);
	kk_loop_free(loop);
	return outcome.n && id ? outcome.code : KK_E_NOMEM;
}

START_TEST(a_request_is_answered_or_fails)
{
	static const bool is_answered = true, may_be_lost = false;

	kk_log_set_level(-1);
	work_through("a request", ask_work, &is_answered, 0);
	work_through("a request", ask_work, &may_be_lost, ALL_BEHIND);
	tell("requests");
}
END_TEST

CHECK_MAIN("torture_ipc", buffers_are_as_before, messages_are_packed_and_unpacked,
	documents_are_written_and_read, the_configuration_is_read_or_not,
	a_process_that_may_end_says_so_and_does, what_is_in_a_loop_works,
	timers_need_no_memory_to_start, a_channel_carries_whole_messages_or_ends,
	a_request_is_answered_or_fails)
