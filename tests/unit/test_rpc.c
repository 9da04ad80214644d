/* tests/unit/test_rpc.c */
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include <kukeon/buf.h>
#include <kukeon/chan.h>
#include <kukeon/clock.h>
#include <kukeon/dispatch.h>
#include <kukeon/log.h>
#include <kukeon/loop.h>
#include <kukeon/rpc.h>

#include "../support/check.h"

/* No message has a deadline that a test could wait for, so all clocks of this program can be put on. */
static int64_t ahead_ms;

int clock_gettime(clockid_t id, struct timespec *now)
{
	int r = (int)syscall(SYS_clock_gettime, id, now);

	now->tv_sec += ahead_ms / 1000;
	now->tv_nsec += ahead_ms % 1000 * 1000000;
	if (now->tv_nsec >= 1000000000) {
		now->tv_nsec -= 1000000000;
		now->tv_sec++;
	}
	return r;
}

enum { SENT_MAX = 64 };

/* The asking side; what it sends is kept, and answered by the test. */
struct asker {
	struct kk_loop *loop;
	struct kk_rpc *rpc;
	struct kk_envelope sent[SENT_MAX];
	uint8_t bodies[SENT_MAX][256];
	unsigned n_sent;
	int send_result;
};

/* What came of one request. */
struct outcome {
	unsigned n;
	bool is_reply;
	struct kk_err err;
	uint64_t memory_bytes;
	char controllers[64];
	/* What the callback does about another request. */
	struct asker *asker;
	uint64_t cancel_id;
	struct outcome *again;
};

static int asker_on_send(const struct kk_envelope *env, void *arg)
{
	struct asker *asker = arg;

	if (asker->send_result < 0)
		return asker->send_result;
	ck_assert_uint_lt(asker->n_sent, SENT_MAX);
	ck_assert_uint_le(env->body_len, sizeof asker->bodies[0]);
	asker->sent[asker->n_sent] = *env;
	if (env->body_len)
		memcpy(asker->bodies[asker->n_sent], env->body, env->body_len);
	asker->sent[asker->n_sent].body = asker->bodies[asker->n_sent];
	asker->n_sent++;
	return 0;
}

static void asker_open(struct asker *asker)
{
	kk_log_open("test", 0, KK_LEVEL_ERROR);
	*asker = (struct asker){.loop = kk_loop_new()};
	asker->rpc = kk_rpc_new(asker->loop, KK_ROLE_reconciler, asker_on_send, asker);
}

static void asker_close(struct asker *asker)
{
	kk_rpc_free(asker->rpc);
	kk_loop_free(asker->loop);
}

static void on_reply(const void *rep, const struct kk_err *err, void *arg)
{
	const struct kk_rep_cgroup_get *usage = rep;
	struct outcome *outcome = arg;

	ck_assert(!rep != !err);
	outcome->n++;
	outcome->is_reply = rep != NULL;
	if (err) {
		outcome->err = *err;
	} else {
		outcome->memory_bytes = usage->memory_bytes;
		snprintf(outcome->controllers, sizeof outcome->controllers, "%s",
			usage->controllers.n ? usage->controllers.items[0] : "");
	}
	if (outcome->cancel_id)
		kk_rpc_cancel(outcome->asker->rpc, outcome->cancel_id);
	if (outcome->again) {
		struct kk_req_cgroup_get req = {.path = (char *)"/again"};

		kk_rpc_call(outcome->asker->rpc, KK_ROLE_cgroup, KK_MSG_cgroup_get, &req, 0,
			on_reply, kk_steal(&outcome->again));
	}
}

static uint64_t ask(struct asker *asker, struct outcome *outcome)
{
	struct kk_req_cgroup_get req = {.path = (char *)"/kukeon/a"};

	return kk_rpc_call(asker->rpc, KK_ROLE_cgroup, KK_MSG_cgroup_get, &req, 0xabc, on_reply,
		outcome);
}

static uint64_t ask_longer(struct asker *asker, struct outcome *outcome)
{
	struct kk_req_cgroup_remove req = {.path = (char *)"/kukeon/a"};

	return kk_rpc_call(asker->rpc, KK_ROLE_cgroup, KK_MSG_cgroup_remove, &req, 0, on_reply,
		outcome);
}

static struct kk_envelope answer_of(unsigned kind, uint64_t id, const struct kk_buf *body)
{
	return (struct kk_envelope){
		.kind = kind,
		.type = KK_MSG_cgroup_get,
		.id = id,
		.source = KK_ROLE_cgroup,
		.target = KK_ROLE_reconciler,
		.body = body->data,
		.body_len = body->len,
	};
}

static void reply(struct asker *asker, uint64_t id, uint64_t memory_bytes)
{
	struct kk_rep_cgroup_get rep = {.exists = true, .memory_bytes = memory_bytes};
	struct kk_envelope env;
	kk_auto_buf body = {0};

	kk_strs_add(&rep.controllers, "memory");
	check_code(kk_schema_encode(kk_rep_schema_cgroup_get(), &rep, &body), 0);
	kk_schema_release(kk_rep_schema_cgroup_get(), &rep);
	env = answer_of(KK_ENVELOPE_REPLY, id, &body);
	kk_rpc_take(asker->rpc, &env);
}

static void reply_raw(struct asker *asker, unsigned kind, uint64_t id, const void *data, size_t len)
{
	struct kk_envelope env;
	kk_auto_buf body = {0};

	check_code(kk_buf_append(&body, data, len), 0);
	env = answer_of(kind, id, &body);
	kk_rpc_take(asker->rpc, &env);
}

static void flag_on_timer(void *arg)
{
	*(bool *)arg = true;
}

/* Let the loop handle whatever is due now. */
static void turn(struct kk_loop *loop)
{
	bool is_over = false;
	struct kk_timer *timer = kk_timer_new(loop, "turn", flag_on_timer, &is_over);

	kk_timer_start(timer, 0);
	while (!is_over)
		kk_loop_run_once(loop);
	kk_timer_free(timer);
}

/* Wait for the timer of @asker to have fired; its clock is coarse, so now may be a little later. */
static void wait_for(struct asker *asker, const struct outcome *outcome)
{
	while (outcome->n == 0)
		kk_loop_run_once(asker->loop);
}

START_TEST(request_leaves_at_once)
{
	struct asker asker;
	struct outcome outcome = {0};
	struct kk_req_cgroup_get req;
	struct kk_err err = {0};
	int64_t before, after;
	uint64_t id;

	asker_open(&asker);
	before = kk_clock_ms();
	id = ask(&asker, &outcome);
	after = kk_clock_ms();
	ck_assert_uint_eq(asker.n_sent, 1);
	ck_assert_uint_eq(asker.sent[0].kind, KK_ENVELOPE_REQUEST);
	ck_assert_uint_eq(asker.sent[0].type, KK_MSG_cgroup_get);
	ck_assert_uint_eq(asker.sent[0].id, id);
	ck_assert_uint_eq(asker.sent[0].op, 0xabc);
	ck_assert_uint_eq(asker.sent[0].source, KK_ROLE_reconciler);
	ck_assert_uint_eq(asker.sent[0].target, KK_ROLE_cgroup);
	ck_assert_int_ge(asker.sent[0].deadline_ms, before + 5000);
	ck_assert_int_le(asker.sent[0].deadline_ms, after + 5000);
	check_ok(kk_schema_decode(kk_req_schema_cgroup_get(), asker.sent[0].body,
			 asker.sent[0].body_len, &req, &err),
		&err);
	ck_assert_str_eq(req.path, "/kukeon/a");
	kk_schema_release(kk_req_schema_cgroup_get(), &req);
	ck_assert_uint_eq(outcome.n, 0);
	ck_assert_uint_eq(kk_rpc_pending(asker.rpc), 1);
	asker_close(&asker);
	ck_assert_uint_eq(outcome.n, 0);
}
END_TEST

START_TEST(ids_are_unique_and_never_0)
{
	struct asker asker;
	struct outcome outcome = {0};
	uint64_t last = 0;

	asker_open(&asker);
	for (int i = 0; i < 10; i++) {
		uint64_t id = ask(&asker, &outcome);

		ck_assert_uint_gt(id, last);
		last = id;
	}
	ck_assert_uint_eq(kk_rpc_pending(asker.rpc), 10);
	asker_close(&asker);
}
END_TEST

START_TEST(reply_reaches_whoever_asked)
{
	struct asker asker;
	struct outcome first = {0}, second = {0}, third = {0};
	uint64_t ids[3];

	asker_open(&asker);
	ids[0] = ask(&asker, &first);
	ids[1] = ask(&asker, &second);
	ids[2] = ask(&asker, &third);
	reply(&asker, ids[1], 22);
	ck_assert_uint_eq(first.n, 0);
	ck_assert_uint_eq(second.n, 1);
	ck_assert_uint_eq(third.n, 0);
	ck_assert(second.is_reply);
	ck_assert_uint_eq(second.memory_bytes, 22);
	ck_assert_str_eq(second.controllers, "memory");
	ck_assert_uint_eq(kk_rpc_pending(asker.rpc), 2);
	reply(&asker, ids[0], 11);
	reply(&asker, ids[2], 33);
	ck_assert_uint_eq(first.memory_bytes, 11);
	ck_assert_uint_eq(third.memory_bytes, 33);
	ck_assert_uint_eq(kk_rpc_pending(asker.rpc), 0);
	ck_assert_uint_eq(kk_rpc_dropped(asker.rpc), 0);
	asker_close(&asker);
}
END_TEST

START_TEST(error_keeps_its_code_and_text)
{
	struct asker asker;
	struct outcome outcome = {0};
	struct kk_err err = {0};
	kk_auto_buf body = {0};
	struct kk_envelope env;

	kk_fail(&err, KK_E_CGROUP_NOT_FOUND, "cgroup '%s' does not exist", "/kukeon/a");
	kk_wrap(&err, "look up");
	check_code(kk_error_encode(&err, &body), 0);
	asker_open(&asker);
	env = answer_of(KK_ENVELOPE_ERROR, ask(&asker, &outcome), &body);
	kk_rpc_take(asker.rpc, &env);
	ck_assert_uint_eq(outcome.n, 1);
	ck_assert(!outcome.is_reply);
	check_error(&outcome.err, KK_E_CGROUP_NOT_FOUND,
		"look up: cgroup '/kukeon/a' does not exist");
	ck_assert_uint_eq(kk_rpc_pending(asker.rpc), 0);
	asker_close(&asker);
}
END_TEST

START_TEST(every_code_goes_both_ways)
{
	for (int code = KK_CODE_BASE + 1; code < KK_CODE_END; code++) {
		struct kk_err err = {0}, back = {0};
		kk_auto_buf body = {0};
		struct kk_envelope env;

		kk_fail(&err, code, "x");
		check_code(kk_error_encode(&err, &body), 0);
		env = answer_of(KK_ENVELOPE_ERROR, 1, &body);
		kk_error_decode(&env, &back);
		check_error(&back, code, "x");
	}
}
END_TEST

START_TEST(code_of_another_build_is_internal)
{
	static const int64_t codes[] = {0, 1, -1, KK_CODE_BASE, KK_CODE_END, INT64_MIN, INT64_MAX,
		(INT64_C(1) << 32) + KK_E_BUSY};

	for (size_t i = 0; i < KK_COUNT(codes); i++) {
		struct kk_remote_error remote = {.code = codes[i], .message = (char *)"odd"};
		struct kk_err back = {0};
		kk_auto_buf body = {0};
		struct kk_envelope env;

		check_code(kk_schema_encode(kk_schema_of_remote_error(), &remote, &body), 0);
		env = answer_of(KK_ENVELOPE_ERROR, 1, &body);
		kk_error_decode(&env, &back);
		check_error(&back, KK_E_INTERNAL, "odd");
	}
}
END_TEST

START_TEST(error_of_many_long_frames_can_be_sent)
{
	struct kk_err err = {0}, back = {0};
	char text[KK_ERR_TEXT];
	kk_auto_buf body = {0};
	struct kk_envelope env;

	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	kk_fail(&err, KK_E_IO, "%s", text);
	for (int i = 0; i < 10; i++)
		kk_wrap(&err, "%s", text);
	check_code(kk_error_encode(&err, &body), 0);
	env = answer_of(KK_ENVELOPE_ERROR, 1, &body);
	kk_error_decode(&env, &back);
	check_error(&back, KK_E_IO, text);
}
END_TEST

START_TEST(unreadable_answers_are_protocol_errors)
{
	struct asker asker;
	struct outcome outcome = {0};

	asker_open(&asker);
	reply_raw(&asker, KK_ENVELOPE_REPLY, ask(&asker, &outcome), "\xc0", 1);
	ck_assert_uint_eq(outcome.n, 1);
	check_error(&outcome.err, KK_E_PROTOCOL, "'kk_rep_cgroup_get' is not an array of 7 fields");
	reply_raw(&asker, KK_ENVELOPE_REPLY, ask(&asker, &outcome), "", 0);
	ck_assert_uint_eq(outcome.n, 2);
	check_error(&outcome.err, KK_E_PROTOCOL, "'kk_rep_cgroup_get' is not one msgpack value");
	reply_raw(&asker, KK_ENVELOPE_ERROR, ask(&asker, &outcome), "\x92\x01", 2);
	ck_assert_uint_eq(outcome.n, 3);
	check_error(&outcome.err, KK_E_PROTOCOL, "an error reply could not be read");
	ck_assert_uint_eq(kk_rpc_pending(asker.rpc), 0);
	asker_close(&asker);
}
END_TEST

START_TEST(late_and_unknown_answers_are_dropped_and_counted)
{
	struct asker asker;
	struct outcome outcome = {0};
	uint64_t id;

	asker_open(&asker);
	id = ask(&asker, &outcome);
	reply(&asker, id + 1, 1);
	reply(&asker, 0, 1);
	ck_assert_uint_eq(kk_rpc_dropped(asker.rpc), 2);
	reply(&asker, id, 1);
	reply(&asker, id, 2);
	reply_raw(&asker, KK_ENVELOPE_ERROR, id, "", 0);
	ck_assert_uint_eq(outcome.n, 1);
	ck_assert_uint_eq(outcome.memory_bytes, 1);
	ck_assert_uint_eq(kk_rpc_dropped(asker.rpc), 4);
	asker_close(&asker);
}
END_TEST

START_TEST(deadline_ends_the_wait)
{
	struct asker asker;
	struct outcome outcome = {0};
	uint64_t id;

	asker_open(&asker);
	id = ask(&asker, &outcome);
	ahead_ms += 4000;
	turn(asker.loop);
	ck_assert_uint_eq(outcome.n, 0);
	ahead_ms += 1000;
	wait_for(&asker, &outcome);
	ck_assert_uint_eq(outcome.n, 1);
	check_error(&outcome.err, KK_E_TIMEOUT,
		"the cgroup worker did not answer 'cgroup_get' within 5 s");
	ck_assert_uint_eq(kk_rpc_pending(asker.rpc), 0);
	reply(&asker, id, 1);
	ck_assert_uint_eq(outcome.n, 1);
	ck_assert_uint_eq(kk_rpc_dropped(asker.rpc), 1);
	asker_close(&asker);
}
END_TEST

START_TEST(each_request_has_its_own_deadline)
{
	struct asker asker;
	struct outcome longer = {0}, shorter = {0};

	asker_open(&asker);
	ask_longer(&asker, &longer);
	ask(&asker, &shorter);
	ahead_ms += 5000;
	wait_for(&asker, &shorter);
	turn(asker.loop);
	ck_assert_uint_eq(longer.n, 0);
	ck_assert_uint_eq(kk_rpc_pending(asker.rpc), 1);
	ahead_ms += 5000;
	wait_for(&asker, &longer);
	check_error(&longer.err, KK_E_TIMEOUT,
		"the cgroup worker did not answer 'cgroup_remove' within 10 s");
	ck_assert_uint_eq(shorter.n, 1);
	asker_close(&asker);
}
END_TEST

START_TEST(answered_request_has_no_deadline_any_more)
{
	struct asker asker;
	struct outcome outcome = {0}, other = {0};

	asker_open(&asker);
	reply(&asker, ask(&asker, &outcome), 1);
	ask(&asker, &other);
	ahead_ms += 60000;
	wait_for(&asker, &other);
	ck_assert_uint_eq(outcome.n, 1);
	ck_assert(outcome.is_reply);
	asker_close(&asker);
}
END_TEST

START_TEST(cancelled_request_is_forgotten_and_its_target_told)
{
	struct asker asker;
	struct outcome outcome = {0}, other = {0};
	uint64_t id;

	asker_open(&asker);
	id = ask(&asker, &outcome);
	ask(&asker, &other);
	kk_rpc_cancel(asker.rpc, id);
	ck_assert_uint_eq(asker.n_sent, 3);
	ck_assert_uint_eq(asker.sent[2].kind, KK_ENVELOPE_CANCEL);
	ck_assert_uint_eq(asker.sent[2].type, 0);
	ck_assert_uint_eq(asker.sent[2].id, id);
	ck_assert_uint_eq(asker.sent[2].op, 0xabc);
	ck_assert_uint_eq(asker.sent[2].source, KK_ROLE_reconciler);
	ck_assert_uint_eq(asker.sent[2].target, KK_ROLE_cgroup);
	ck_assert_uint_eq(asker.sent[2].body_len, 0);
	ck_assert_uint_eq(kk_rpc_pending(asker.rpc), 1);
	reply(&asker, id, 1);
	ck_assert_uint_eq(kk_rpc_dropped(asker.rpc), 1);
	ahead_ms += 60000;
	wait_for(&asker, &other);
	ck_assert_uint_eq(outcome.n, 0);
	asker_close(&asker);
}
END_TEST

START_TEST(cancel_of_nothing_is_silent)
{
	struct asker asker;
	struct outcome outcome = {0};
	uint64_t id;

	asker_open(&asker);
	id = ask(&asker, &outcome);
	kk_rpc_cancel(asker.rpc, id + 1);
	kk_rpc_cancel(asker.rpc, 0);
	ck_assert_uint_eq(asker.n_sent, 1);
	kk_rpc_cancel(asker.rpc, id);
	kk_rpc_cancel(asker.rpc, id);
	ck_assert_uint_eq(asker.n_sent, 2);
	asker_close(&asker);
}
END_TEST

START_TEST(failed_send_is_told_later_and_once)
{
	struct asker asker;
	struct outcome outcome = {0};

	asker_open(&asker);
	asker.send_result = KK_E_BUSY;
	ask(&asker, &outcome);
	ck_assert_uint_eq(outcome.n, 0);
	ck_assert_uint_eq(kk_rpc_pending(asker.rpc), 1);
	wait_for(&asker, &outcome);
	check_error(&outcome.err, KK_E_BUSY,
		"request 'cgroup_get' could not be sent to the cgroup worker: too many requests are "
		"waiting");
	turn(asker.loop);
	ck_assert_uint_eq(outcome.n, 1);
	ck_assert_uint_eq(kk_rpc_pending(asker.rpc), 0);
	asker_close(&asker);
}
END_TEST

START_TEST(failed_request_can_be_cancelled)
{
	struct asker asker;
	struct outcome outcome = {0};
	uint64_t id;

	asker_open(&asker);
	asker.send_result = KK_E_WORKER_DOWN;
	id = ask(&asker, &outcome);
	kk_rpc_cancel(asker.rpc, id);
	turn(asker.loop);
	ck_assert_uint_eq(outcome.n, 0);
	asker_close(&asker);
}
END_TEST

START_TEST(callback_of_a_reply_may_ask_and_cancel)
{
	struct asker asker;
	struct outcome again = {0}, other = {0};
	struct outcome outcome = {.again = &again};
	uint64_t id;

	asker_open(&asker);
	outcome.asker = &asker;
	id = ask(&asker, &outcome);
	outcome.cancel_id = ask(&asker, &other);
	reply(&asker, id, 1);
	ck_assert_uint_eq(outcome.n, 1);
	ck_assert_uint_eq(kk_rpc_pending(asker.rpc), 1);
	ck_assert_uint_eq(asker.n_sent, 4);
	reply(&asker, asker.sent[3].id, 2);
	ck_assert_uint_eq(again.memory_bytes, 2);
	ck_assert_uint_eq(other.n, 0);
	asker_close(&asker);
}
END_TEST

START_TEST(callback_of_a_timeout_may_ask_and_cancel)
{
	struct asker asker;
	struct outcome again = {0}, other = {0};
	struct outcome outcome = {.again = &again};

	asker_open(&asker);
	outcome.asker = &asker;
	outcome.cancel_id = ask_longer(&asker, &other);
	ask(&asker, &outcome);
	ahead_ms += 5000;
	wait_for(&asker, &outcome);
	ck_assert_uint_eq(again.n, 0);
	ck_assert_uint_eq(kk_rpc_pending(asker.rpc), 1);
	ahead_ms += 5000;
	wait_for(&asker, &again);
	check_code(again.err.code, KK_E_TIMEOUT);
	ck_assert_uint_eq(outcome.n, 1);
	ck_assert_uint_eq(other.n, 0);
	asker_close(&asker);
}
END_TEST

START_TEST(events_are_not_waited_for)
{
	struct asker asker;
	struct kk_req_cgroup_oom event = {.path = (char *)"/kukeon/a", .oom_kills = 3};
	struct kk_req_cgroup_oom back;
	struct kk_err err = {0};

	asker_open(&asker);
	check_code(kk_rpc_event(asker.rpc, KK_ROLE_network, KK_MSG_cgroup_oom, &event, 7), 0);
	ck_assert_uint_eq(asker.n_sent, 1);
	ck_assert_uint_eq(asker.sent[0].kind, KK_ENVELOPE_EVENT);
	ck_assert_uint_eq(asker.sent[0].type, KK_MSG_cgroup_oom);
	ck_assert_uint_eq(asker.sent[0].id, 0);
	ck_assert_uint_eq(asker.sent[0].op, 7);
	ck_assert_uint_eq(asker.sent[0].source, KK_ROLE_reconciler);
	ck_assert_uint_eq(asker.sent[0].target, KK_ROLE_network);
	ck_assert_int_eq(asker.sent[0].deadline_ms, 0);
	ck_assert_uint_eq(kk_rpc_pending(asker.rpc), 0);
	check_ok(kk_schema_decode(kk_req_schema_cgroup_oom(), asker.sent[0].body,
			 asker.sent[0].body_len, &back, &err),
		&err);
	ck_assert_uint_eq(back.oom_kills, 3);
	kk_schema_release(kk_req_schema_cgroup_oom(), &back);
	asker.send_result = KK_E_BUSY;
	check_code(kk_rpc_event(asker.rpc, KK_ROLE_network, KK_MSG_cgroup_oom, &event, 7),
		KK_E_BUSY);
	asker_close(&asker);
}
END_TEST

START_TEST(free_forgets_what_is_pending)
{
	struct asker asker;
	struct outcome outcome = {0};

	asker_open(&asker);
	ask(&asker, &outcome);
	asker.send_result = KK_E_BUSY;
	ask(&asker, &outcome);
	asker_close(&asker);
	ck_assert_uint_eq(outcome.n, 0);
	kk_rpc_free(NULL);
}
END_TEST

/* --- both sides over a real line --- */

static KK_HANDLES(cgroup_get)
{
	(void)call;
	if (strcmp(req->path, "/missing") == 0)
		return kk_fail(err, KK_E_CGROUP_NOT_FOUND, "cgroup '%s' does not exist", req->path);
	rep->memory_bytes = 4711;
	return 0;
}

struct line {
	struct kk_loop *loop;
	struct kk_chan *asker_chan;
	struct kk_chan *worker_chan;
	struct kk_rpc *rpc;
	struct kk_dispatch dispatch;
};

static int chan_send(const struct kk_envelope *env, void *arg)
{
	return kk_chan_send(*(struct kk_chan **)arg, env);
}

static void asker_on_message(struct kk_chan *chan, const struct kk_envelope *env, void *arg)
{
	struct line *line = arg;

	(void)chan;
	ck_assert_ptr_nonnull(env);
	kk_rpc_take(line->rpc, env);
}

static void worker_on_message(struct kk_chan *chan, const struct kk_envelope *env, void *arg)
{
	struct line *line = arg;

	(void)chan;
	ck_assert_ptr_nonnull(env);
	kk_dispatch_take(&line->dispatch, env);
}

START_TEST(request_crosses_a_line_and_comes_back)
{
	static const struct kk_handler handlers[] = {KK_HANDLER(cgroup_get)};
	static const char *const paths[] = {"/kukeon/a", "/missing"};
	struct line line = {.loop = kk_loop_new()};
	int pair[2];

	kk_log_open("test", 0, KK_LEVEL_ERROR);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	line.asker_chan = kk_chan_new(line.loop, "worker", pair[0], asker_on_message, &line);
	line.worker_chan = kk_chan_new(line.loop, "asker", pair[1], worker_on_message, &line);
	line.rpc = kk_rpc_new(line.loop, KK_ROLE_reconciler, chan_send, &line.asker_chan);
	line.dispatch = (struct kk_dispatch){
		.handlers = handlers,
		.n_handlers = 1,
		.self = KK_ROLE_cgroup,
		.send = chan_send,
		.arg = &line.worker_chan,
	};
	for (size_t i = 0; i < KK_COUNT(paths); i++) {
		struct kk_req_cgroup_get req = {.path = (char *)paths[i]};
		struct outcome outcome = {0};

		kk_rpc_call(line.rpc, KK_ROLE_cgroup, KK_MSG_cgroup_get, &req, 0, on_reply,
			&outcome);
		while (!outcome.n)
			kk_loop_run_once(line.loop);
		ck_assert_uint_eq(line.dispatch.n_calls, 0);
		if (i == 0)
			ck_assert_uint_eq(outcome.memory_bytes, 4711);
		else
			check_error(&outcome.err, KK_E_CGROUP_NOT_FOUND,
				"cgroup '/missing' does not exist");
	}
	kk_rpc_free(line.rpc);
	kk_chan_free(line.asker_chan);
	kk_chan_free(line.worker_chan);
	kk_loop_free(line.loop);
}
END_TEST

CHECK_MAIN("rpc", request_leaves_at_once, ids_are_unique_and_never_0, reply_reaches_whoever_asked,
	error_keeps_its_code_and_text, every_code_goes_both_ways, code_of_another_build_is_internal,
	error_of_many_long_frames_can_be_sent, unreadable_answers_are_protocol_errors,
	late_and_unknown_answers_are_dropped_and_counted, deadline_ends_the_wait,
	each_request_has_its_own_deadline, answered_request_has_no_deadline_any_more,
	cancelled_request_is_forgotten_and_its_target_told, cancel_of_nothing_is_silent,
	failed_send_is_told_later_and_once, failed_request_can_be_cancelled,
	callback_of_a_reply_may_ask_and_cancel, callback_of_a_timeout_may_ask_and_cancel,
	events_are_not_waited_for, free_forgets_what_is_pending,
	request_crosses_a_line_and_comes_back)
