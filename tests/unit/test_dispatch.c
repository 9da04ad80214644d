/* tests/unit/test_dispatch.c */
#include <string.h>

#include <kukeon/buf.h>
#include <kukeon/dispatch.h>
#include <kukeon/log.h>

#include "../support/check.h"

enum { SENT_MAX = 16, BODY_MAX = 4096 };

/* What the dispatcher sent, and what the handlers did. */
static struct {
	struct kk_envelope sent[SENT_MAX];
	uint8_t bodies[SENT_MAX][BODY_MAX];
	unsigned n_sent;
	unsigned n_refused;
	int send_result;       /* of every send */
	int reply_send_result; /* of replies that are no errors */
	unsigned n_runs;
	struct kk_call *later; /* the last call that was kept */
	unsigned n_submitted;
	struct kk_call *submitted;
} test;

static KK_HANDLES(cgroup_get)
{
	ck_assert_ptr_eq(call->req, req);
	ck_assert_ptr_eq(call->rep, rep);
	ck_assert_ptr_eq(&call->err, err);
	ck_assert_uint_eq(rep->memory_bytes, 0);
	test.n_runs++;
	if (!req->path)
		return KK_E_INTERNAL;
	if (strcmp(req->path, "/missing") == 0) {
		kk_fail(err, KK_E_CGROUP_NOT_FOUND, "cgroup '%s' does not exist", req->path);
		return kk_wrap(err, "look up");
	}
	rep->exists = true;
	kk_strs_add(&rep->controllers, req->path);
	return 0;
}

static KK_HANDLES(cgroup_ensure)
{
	(void)req;
	(void)rep;
	(void)err;
	test.n_runs++;
	test.later = call;
	return KK_LATER;
}

/* Ends its own call: with an error where there is no path. */
static KK_HANDLES(cgroup_remove)
{
	struct kk_err own = {0};

	(void)err;
	test.n_runs++;
	if (req->path) {
		rep->was_present = true;
		kk_call_end(call, NULL);
	} else {
		kk_fail(&own, KK_E_INVALID, "no path");
		kk_call_end(call, &own);
	}
	return KK_LATER;
}

static KK_HANDLES(worker_stop)
{
	(void)call;
	(void)req;
	(void)rep;
	(void)err;
	test.n_runs++;
	return 0;
}

static KK_HANDLES_EVENT(worker_level)
{
	(void)call;
	ck_assert_ptr_null(rep);
	test.n_runs++;
	if (kk_level_parse(kk_str(req->level)) < 0)
		return kk_fail(err, KK_E_INVALID, "unknown log level");
	return 0;
}

static KK_HANDLES_EVENT(cgroup_oom)
{
	(void)call;
	(void)req;
	(void)rep;
	(void)err;
	test.n_runs++;
	return 0;
}

static struct kk_handler handlers[] = {
	KK_HANDLER(worker_stop),
	KK_HANDLER(worker_level),
	KK_HANDLER(cgroup_get),
	KK_HANDLER(cgroup_ensure),
	KK_HANDLER(cgroup_remove),
	KK_HANDLER(cgroup_oom),
};

static int test_send(const struct kk_envelope *env, void *arg)
{
	int r = test.send_result;

	ck_assert_ptr_eq(arg, &test);
	if (r == 0 && env->kind == KK_ENVELOPE_REPLY)
		r = test.reply_send_result;
	if (r < 0) {
		test.n_refused++;
		return r;
	}
	ck_assert_uint_lt(test.n_sent, SENT_MAX);
	ck_assert_uint_le(env->body_len, BODY_MAX);
	test.sent[test.n_sent] = *env;
	if (env->body_len)
		memcpy(test.bodies[test.n_sent], env->body, env->body_len);
	test.sent[test.n_sent].body = test.bodies[test.n_sent];
	test.n_sent++;
	return 0;
}

static void test_submit(struct kk_call *call, void *arg)
{
	ck_assert_ptr_eq(arg, &test);
	test.n_submitted++;
	test.submitted = call;
}

static struct kk_dispatch dispatch_of(size_t max_calls)
{
	kk_log_open("test", 0, -1);
	handlers[0].is_control = true;
	return (struct kk_dispatch){
		.handlers = handlers,
		.n_handlers = KK_COUNT(handlers),
		.self = KK_ROLE_cgroup,
		.send = test_send,
		.arg = &test,
		.max_calls = max_calls,
	};
}

/* Have a message of any type taken, as if @source had sent it; all bodies here have one string or none. */
static void take(struct kk_dispatch *dispatch, unsigned type, unsigned source, uint64_t id,
	const char *string)
{
	const struct kk_msg_row *row = kk_msg_row(type);
	struct kk_envelope env = {
		.kind = row->is_event ? KK_ENVELOPE_EVENT : KK_ENVELOPE_REQUEST,
		.type = type,
		.id = id,
		.op = 0xabc,
		.source = source,
		.target = KK_ROLE_cgroup,
		.generation = 3,
		.deadline_ms = 123456,
	};
	kk_auto_free void *req = kk_xalloc(row->req()->size + 1);
	kk_auto_buf body = {0};

	kk_schema_init(row->req(), req);
	if (row->req()->n_fields)
		*(char **)req = kk_xstrdup(string);
	check_code(kk_schema_encode(row->req(), req, &body), 0);
	kk_schema_release(row->req(), req);
	env.body = body.data;
	env.body_len = body.len;
	kk_dispatch_take(dispatch, &env);
}

static void cancel(struct kk_dispatch *dispatch, unsigned source, uint64_t id)
{
	struct kk_envelope env = {.kind = KK_ENVELOPE_CANCEL, .source = source, .id = id};

	kk_dispatch_take(dispatch, &env);
}

/* The @n-th answer is an error of this code and text to the request @id. */
static void check_answer_error(unsigned n, uint64_t id, int code, const char *text)
{
	struct kk_err err = {0};

	ck_assert_uint_gt(test.n_sent, n);
	ck_assert_uint_eq(test.sent[n].kind, KK_ENVELOPE_ERROR);
	ck_assert_uint_eq(test.sent[n].id, id);
	kk_error_decode(&test.sent[n], &err);
	check_error(&err, code, text);
}

START_TEST(handler_answers_whoever_asked)
{
	struct kk_dispatch dispatch = dispatch_of(0);
	struct kk_rep_cgroup_get rep;
	struct kk_err err = {0};

	take(&dispatch, KK_MSG_cgroup_get, KK_ROLE_reconciler, 42, "/kukeon/a");
	ck_assert_uint_eq(test.n_runs, 1);
	ck_assert_uint_eq(test.n_sent, 1);
	ck_assert_uint_eq(test.sent[0].kind, KK_ENVELOPE_REPLY);
	ck_assert_uint_eq(test.sent[0].type, KK_MSG_cgroup_get);
	ck_assert_uint_eq(test.sent[0].id, 42);
	ck_assert_uint_eq(test.sent[0].op, 0xabc);
	ck_assert_uint_eq(test.sent[0].source, KK_ROLE_cgroup);
	ck_assert_uint_eq(test.sent[0].target, KK_ROLE_reconciler);
	ck_assert_uint_eq(test.sent[0].generation, 3);
	ck_assert_int_eq(test.sent[0].deadline_ms, 123456);
	check_ok(kk_schema_decode(kk_rep_schema_cgroup_get(), test.sent[0].body,
			 test.sent[0].body_len, &rep, &err),
		&err);
	ck_assert(rep.exists);
	ck_assert_str_eq(rep.controllers.items[0], "/kukeon/a");
	kk_schema_release(kk_rep_schema_cgroup_get(), &rep);
	ck_assert_uint_eq(dispatch.n_calls, 0);
	ck_assert_ptr_null(dispatch.calls);
}
END_TEST

START_TEST(failure_is_answered_with_code_and_whole_text)
{
	struct kk_dispatch dispatch = dispatch_of(0);

	take(&dispatch, KK_MSG_cgroup_get, KK_ROLE_reconciler, 42, "/missing");
	check_answer_error(0, 42, KK_E_CGROUP_NOT_FOUND,
		"look up: cgroup '/missing' does not exist");
	ck_assert_uint_eq(test.n_sent, 1);
	ck_assert_uint_eq(dispatch.n_calls, 0);
}
END_TEST

START_TEST(bare_code_is_answered_with_its_meaning)
{
	struct kk_dispatch dispatch = dispatch_of(0);

	take(&dispatch, KK_MSG_cgroup_get, KK_ROLE_reconciler, 42, NULL);
	check_answer_error(0, 42, KK_E_INTERNAL, "a bug: an answer that must not exist");
}
END_TEST

START_TEST(wrong_sender_is_refused)
{
	struct kk_dispatch dispatch = dispatch_of(0);

	take(&dispatch, KK_MSG_cgroup_get, KK_ROLE_network, 42, "/kukeon/a");
	take(&dispatch, KK_MSG_cgroup_get, KK_ROLE_supervisor, 43, "/kukeon/a");
	take(&dispatch, KK_MSG_worker_stop, KK_ROLE_reconciler, 44, NULL);
	ck_assert_uint_eq(test.n_runs, 0);
	check_answer_error(0, 42, KK_E_PROTOCOL,
		"message 'cgroup_get' must not come from the network");
	check_answer_error(1, 43, KK_E_PROTOCOL,
		"message 'cgroup_get' must not come from the supervisor");
	check_answer_error(2, 44, KK_E_PROTOCOL,
		"message 'worker_stop' must not come from the reconciler");
	ck_assert_uint_eq(dispatch.n_calls, 0);
}
END_TEST

START_TEST(message_of_another_worker_is_refused)
{
	struct kk_dispatch dispatch = dispatch_of(0);

	take(&dispatch, KK_MSG_space_network_get, KK_ROLE_reconciler, 42, "lab");
	ck_assert_uint_eq(test.n_runs, 0);
	check_answer_error(0, 42, KK_E_PROTOCOL,
		"message 'space_network_get' is not for the cgroup worker");
}
END_TEST

START_TEST(unknown_type_is_dropped)
{
	struct kk_dispatch dispatch = dispatch_of(0);
	struct kk_envelope env = {.type = 0x7fff, .id = 42, .source = KK_ROLE_reconciler};

	kk_dispatch_take(&dispatch, &env);
	env.type = 0;
	kk_dispatch_take(&dispatch, &env);
	ck_assert_uint_eq(test.n_runs, 0);
	ck_assert_uint_eq(test.n_sent, 0);
	ck_assert_uint_eq(dispatch.n_calls, 0);
}
END_TEST

START_TEST(body_that_does_not_follow_its_table_is_refused)
{
	static const uint8_t number[] = {0x91, 0x01}, cut[] = {0x91}, more[] = {0x92, 0xa0, 0xa0};
	struct kk_dispatch dispatch = dispatch_of(0);
	struct kk_envelope env = {.type = KK_MSG_cgroup_get, .id = 1, .source = KK_ROLE_reconciler};

	env.body = number;
	env.body_len = sizeof number;
	kk_dispatch_take(&dispatch, &env);
	env.body = cut;
	env.body_len = sizeof cut;
	kk_dispatch_take(&dispatch, &env);
	env.body = more;
	env.body_len = sizeof more;
	kk_dispatch_take(&dispatch, &env);
	ck_assert_uint_eq(test.n_runs, 0);
	check_answer_error(0, 1, KK_E_PROTOCOL, "field 'path' is not a string");
	check_answer_error(1, 1, KK_E_PROTOCOL, "'kk_req_cgroup_get' is not one msgpack value");
	check_answer_error(2, 1, KK_E_PROTOCOL, "'kk_req_cgroup_get' is not an array of 1 fields");
	ck_assert_uint_eq(dispatch.n_calls, 0);
}
END_TEST

START_TEST(call_may_be_ended_later)
{
	struct kk_dispatch dispatch = dispatch_of(0);
	struct kk_rep_cgroup_ensure rep;
	struct kk_err err = {0};

	take(&dispatch, KK_MSG_cgroup_ensure, KK_ROLE_reconciler, 42, "/kukeon/a");
	ck_assert_uint_eq(test.n_sent, 0);
	ck_assert_uint_eq(dispatch.n_calls, 1);
	/* What it asked for is still there. */
	ck_assert_str_eq(((struct kk_req_cgroup_ensure *)test.later->req)->path, "/kukeon/a");
	((struct kk_rep_cgroup_ensure *)test.later->rep)->is_created = true;
	kk_call_end(test.later, NULL);
	ck_assert_uint_eq(test.n_sent, 1);
	ck_assert_uint_eq(test.sent[0].kind, KK_ENVELOPE_REPLY);
	ck_assert_uint_eq(test.sent[0].id, 42);
	check_ok(kk_schema_decode(kk_rep_schema_cgroup_ensure(), test.sent[0].body,
			 test.sent[0].body_len, &rep, &err),
		&err);
	ck_assert(rep.is_created);
	ck_assert_uint_eq(dispatch.n_calls, 0);
}
END_TEST

START_TEST(call_may_be_ended_later_with_an_error)
{
	struct kk_dispatch dispatch = dispatch_of(0);
	struct kk_err err = {0};

	take(&dispatch, KK_MSG_cgroup_ensure, KK_ROLE_reconciler, 42, "/kukeon/a");
	kk_fail(&err, KK_E_CGROUP, "no");
	kk_call_end(test.later, &err);
	check_answer_error(0, 42, KK_E_CGROUP, "no");
	ck_assert_uint_eq(test.n_sent, 1);
	ck_assert_uint_eq(dispatch.n_calls, 0);
}
END_TEST

START_TEST(calls_end_in_any_order)
{
	struct kk_dispatch dispatch = dispatch_of(0);
	struct kk_call *calls[3];

	for (unsigned i = 0; i < 3; i++) {
		take(&dispatch, KK_MSG_cgroup_ensure, KK_ROLE_reconciler, i + 1, "/kukeon/a");
		calls[i] = test.later;
	}
	ck_assert_uint_eq(dispatch.n_calls, 3);
	kk_call_end(calls[1], NULL);
	kk_call_end(calls[0], NULL);
	kk_call_end(calls[2], NULL);
	ck_assert_uint_eq(test.sent[0].id, 2);
	ck_assert_uint_eq(test.sent[1].id, 1);
	ck_assert_uint_eq(test.sent[2].id, 3);
	ck_assert_uint_eq(dispatch.n_calls, 0);
	ck_assert_ptr_null(dispatch.calls);
}
END_TEST

START_TEST(handler_may_end_its_own_call)
{
	struct kk_dispatch dispatch = dispatch_of(0);
	struct kk_rep_cgroup_remove rep;
	struct kk_err err = {0};

	take(&dispatch, KK_MSG_cgroup_remove, KK_ROLE_reconciler, 42, "/kukeon/a");
	ck_assert_uint_eq(test.n_sent, 1);
	check_ok(kk_schema_decode(kk_rep_schema_cgroup_remove(), test.sent[0].body,
			 test.sent[0].body_len, &rep, &err),
		&err);
	ck_assert(rep.was_present);
	take(&dispatch, KK_MSG_cgroup_remove, KK_ROLE_reconciler, 43, NULL);
	ck_assert_uint_eq(test.n_sent, 2);
	check_answer_error(1, 43, KK_E_INVALID, "no path");
	ck_assert_uint_eq(dispatch.n_calls, 0);
}
END_TEST

START_TEST(too_many_requests_are_refused_but_control_passes)
{
	struct kk_dispatch dispatch = dispatch_of(2);

	take(&dispatch, KK_MSG_cgroup_ensure, KK_ROLE_reconciler, 1, "/kukeon/a");
	take(&dispatch, KK_MSG_cgroup_ensure, KK_ROLE_reconciler, 2, "/kukeon/b");
	take(&dispatch, KK_MSG_cgroup_ensure, KK_ROLE_reconciler, 3, "/kukeon/c");
	take(&dispatch, KK_MSG_cgroup_get, KK_ROLE_reconciler, 4, "/kukeon/d");
	ck_assert_uint_eq(test.n_runs, 2);
	ck_assert_uint_eq(dispatch.n_calls, 2);
	check_answer_error(0, 3, KK_E_BUSY, "the cgroup worker has too many requests");
	check_answer_error(1, 4, KK_E_BUSY, "the cgroup worker has too many requests");
	take(&dispatch, KK_MSG_worker_stop, KK_ROLE_supervisor, 5, NULL);
	ck_assert_uint_eq(test.n_runs, 3);
	ck_assert_uint_eq(test.sent[2].kind, KK_ENVELOPE_REPLY);
	ck_assert_uint_eq(test.sent[2].id, 5);
	/* One ends, one more may come. */
	kk_call_end(test.later, NULL);
	take(&dispatch, KK_MSG_cgroup_get, KK_ROLE_reconciler, 6, "/kukeon/d");
	ck_assert_uint_eq(test.sent[4].kind, KK_ENVELOPE_REPLY);
	ck_assert_uint_eq(test.sent[4].id, 6);
	kk_call_end(dispatch.calls, NULL);
	ck_assert_uint_eq(dispatch.n_calls, 0);
}
END_TEST

START_TEST(cancel_marks_its_call_alone)
{
	struct kk_dispatch dispatch = dispatch_of(0);
	struct kk_call *calls[2];

	for (unsigned i = 0; i < 2; i++) {
		take(&dispatch, KK_MSG_cgroup_ensure, KK_ROLE_reconciler, i + 1, "/kukeon/a");
		calls[i] = test.later;
	}
	cancel(&dispatch, KK_ROLE_reconciler, 3);
	cancel(&dispatch, KK_ROLE_network, 1);
	ck_assert(!calls[0]->is_cancelled);
	cancel(&dispatch, KK_ROLE_reconciler, 1);
	ck_assert(calls[0]->is_cancelled);
	ck_assert(!calls[1]->is_cancelled);
	ck_assert_uint_eq(test.n_sent, 0);
	ck_assert_uint_eq(dispatch.n_calls, 2);
	/* It is still its handler that ends it. */
	kk_call_end(calls[0], NULL);
	kk_call_end(calls[1], NULL);
	ck_assert_uint_eq(test.n_sent, 2);
	cancel(&dispatch, KK_ROLE_reconciler, 1);
	ck_assert_uint_eq(test.n_sent, 2);
}
END_TEST

START_TEST(events_are_not_answered)
{
	struct kk_dispatch dispatch = dispatch_of(0);

	take(&dispatch, KK_MSG_worker_level, KK_ROLE_supervisor, 0, "debug");
	ck_assert_uint_eq(test.n_runs, 1);
	take(&dispatch, KK_MSG_worker_level, KK_ROLE_supervisor, 0, "loud");
	ck_assert_uint_eq(test.n_runs, 2);
	take(&dispatch, KK_MSG_worker_level, KK_ROLE_reconciler, 0, "debug");
	take(&dispatch, KK_MSG_task_exited, KK_ROLE_containerd, 0, "x");
	ck_assert_uint_eq(test.n_runs, 2);
	ck_assert_uint_eq(test.n_sent, 0);
	ck_assert_uint_eq(dispatch.n_calls, 0);
}
END_TEST

/* Nobody repeats an event, and it ends at once: refusing it gains nothing. */
START_TEST(event_is_not_lost_among_many_requests)
{
	struct kk_dispatch dispatch = dispatch_of(1);

	take(&dispatch, KK_MSG_cgroup_ensure, KK_ROLE_reconciler, 1, "/kukeon/a");
	take(&dispatch, KK_MSG_cgroup_oom, KK_ROLE_cgroup, 0, "/kukeon/a");
	ck_assert_uint_eq(test.n_runs, 2);
	kk_call_end(test.later, NULL);
}
END_TEST

START_TEST(requests_are_submitted_events_and_control_are_not)
{
	struct kk_dispatch dispatch = dispatch_of(0);

	dispatch.submit = test_submit;
	dispatch.submit_arg = &test;
	take(&dispatch, KK_MSG_cgroup_get, KK_ROLE_reconciler, 1, "/kukeon/a");
	ck_assert_uint_eq(test.n_submitted, 1);
	ck_assert_uint_eq(test.n_runs, 0);
	take(&dispatch, KK_MSG_worker_level, KK_ROLE_supervisor, 0, "debug");
	take(&dispatch, KK_MSG_worker_stop, KK_ROLE_supervisor, 2, NULL);
	ck_assert_uint_eq(test.n_submitted, 1);
	ck_assert_uint_eq(test.n_runs, 2);
	ck_assert_uint_eq(test.n_sent, 1);
	/* What must be refused does not get that far. */
	take(&dispatch, KK_MSG_cgroup_get, KK_ROLE_network, 3, "/kukeon/a");
	ck_assert_uint_eq(test.n_submitted, 1);
	ck_assert_uint_eq(test.n_sent, 2);
	kk_call_run(test.submitted);
	ck_assert_uint_eq(test.n_runs, 3);
	ck_assert_uint_eq(test.n_sent, 2);
	kk_call_finish(test.submitted);
	ck_assert_uint_eq(test.n_sent, 3);
	ck_assert_uint_eq(test.sent[2].kind, KK_ENVELOPE_REPLY);
	ck_assert_uint_eq(test.sent[2].id, 1);
	ck_assert_uint_eq(dispatch.n_calls, 0);
}
END_TEST

START_TEST(reply_too_large_becomes_an_error)
{
	struct kk_dispatch dispatch = dispatch_of(0);

	test.reply_send_result = KK_E_TOO_BIG;
	take(&dispatch, KK_MSG_cgroup_get, KK_ROLE_reconciler, 42, "/kukeon/a");
	ck_assert_uint_eq(test.n_refused, 1);
	ck_assert_uint_eq(test.n_sent, 1);
	check_answer_error(0, 42, KK_E_TOO_BIG,
		"the reply to 'cgroup_get' is larger than a message may be");
	ck_assert_uint_eq(dispatch.n_calls, 0);
}
END_TEST

START_TEST(reply_without_room_becomes_an_error)
{
	struct kk_dispatch dispatch = dispatch_of(0);

	test.reply_send_result = KK_E_BUSY;
	take(&dispatch, KK_MSG_cgroup_get, KK_ROLE_reconciler, 42, "/kukeon/a");
	ck_assert_uint_eq(test.n_sent, 1);
	check_answer_error(0, 42, KK_E_BUSY,
		"the reply to 'cgroup_get' had to go: too many are not read yet");
	ck_assert_uint_eq(dispatch.n_calls, 0);
}
END_TEST

START_TEST(answer_that_cannot_be_sent_ends_the_call_all_the_same)
{
	static const int results[] = {KK_E_BUSY, KK_E_NOMEM, KK_E_TOO_BIG};

	for (size_t i = 0; i < KK_COUNT(results); i++) {
		struct kk_dispatch dispatch = dispatch_of(0);

		test.send_result = results[i];
		take(&dispatch, KK_MSG_cgroup_get, KK_ROLE_reconciler, 42, "/kukeon/a");
		take(&dispatch, KK_MSG_cgroup_get, KK_ROLE_reconciler, 43, "/missing");
		ck_assert_uint_eq(test.n_sent, 0);
		ck_assert_uint_eq(dispatch.n_calls, 0);
	}
}
END_TEST

CHECK_MAIN("dispatch", handler_answers_whoever_asked, failure_is_answered_with_code_and_whole_text,
	bare_code_is_answered_with_its_meaning, wrong_sender_is_refused,
	message_of_another_worker_is_refused, unknown_type_is_dropped,
	body_that_does_not_follow_its_table_is_refused, call_may_be_ended_later,
	call_may_be_ended_later_with_an_error, calls_end_in_any_order, handler_may_end_its_own_call,
	too_many_requests_are_refused_but_control_passes, cancel_marks_its_call_alone,
	events_are_not_answered, event_is_not_lost_among_many_requests,
	requests_are_submitted_events_and_control_are_not, reply_too_large_becomes_an_error,
	reply_without_room_becomes_an_error, answer_that_cannot_be_sent_ends_the_call_all_the_same)
