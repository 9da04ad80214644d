/* ipc/chan/dispatch.c */
#include <kukeon/dispatch.h>

#include <stdlib.h>

#include <kukeon/buf.h>
#include <kukeon/clock.h>
#include <kukeon/fault.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>

static void call_unlink(struct kk_call *call)
{
	struct kk_call **link = &call->dispatch->calls;

	while (*link != call)
		link = &(*link)->next;
	*link = call->next;
	call->dispatch->n_calls--;
}

static void call_free(struct kk_call *call)
{
	if (call->req)
		kk_schema_release(call->row->req(), call->req);
	if (call->rep)
		kk_schema_release(call->row->rep(), call->rep);
	free(call->req);
	free(call->rep);
	free(call);
}

static void answer_send(struct kk_call *call, const struct kk_err *error)
{
	struct kk_dispatch *dispatch = call->dispatch;
	kk_auto_buf body = {0};
	struct kk_envelope env = {
		.kind = error ? KK_ENVELOPE_ERROR : KK_ENVELOPE_REPLY,
		.type = call->row->id,
		.id = call->id,
		.op = call->op,
		.source = dispatch->self,
		.target = call->source,
		.generation = call->generation,
		.deadline_ms = call->deadline_ms,
	};
	int r = error ? kk_error_encode(error, &body) :
			kk_schema_encode(call->row->rep(), call->rep, &body);

	if (r == 0 && call->is_corrupt && body.len)
		body.data[0] ^= 0xff;
	env.body = body.data;
	env.body_len = body.len;
	if (r == 0)
		r = dispatch->send(&env, dispatch->arg);
	/* An error has room where its reply has none; without an answer, it is waited for in vain. */
	if ((r == KK_E_TOO_BIG || r == KK_E_BUSY || r == KK_E_NOMEM) && !error) {
		struct kk_err err = {0};

		if (r == KK_E_TOO_BIG)
			kk_fail(&err, r, "the reply to '%s' is larger than a message may be",
				call->row->name);
		else if (r == KK_E_NOMEM)
			kk_fail(&err, r, "no memory for the reply to '%s'", call->row->name);
		else
			kk_fail(&err, r, "the reply to '%s' had to go: too many are not read yet",
				call->row->name);
		answer_send(call, &err);
		return;
	}
	if (r < 0)
		kk_error("no answer to '%s' could be sent: %s", call->row->name,
			kk_code_meaning(r));
}

/* The end of an error's travel within a worker: here it is logged, and nowhere else. */
static void error_log(const struct kk_call *call, const struct kk_err *err)
{
	char text[KK_ERR_TEXT * 2];

	kk_err_format(err, text, sizeof text);
	kk_warning("%s failed msg=%s code=%s errno=%d at=%s", text, call->row->name,
		kk_code_name(err->code), err->sys_errno, kk_err_origin(err));
}

static int fault_pass(struct kk_call *call, const char *when)
{
	int r = kk_fault_message(kk_role_name(call->dispatch->self), call->row->name, when,
		&call->err);

	(void)when;
	call->is_corrupt |= kk_fault_corrupts();
	return r;
}

void kk_call_run(struct kk_call *call)
{
	call->is_running = true;
	call->result = fault_pass(call, "begin");
	if (call->result == 0)
		call->result = call->handler->run(call, call->req, call->rep, &call->err);
	call->is_running = false;
	if (call->result == 0)
		call->result = fault_pass(call, "end");
	if (call->result < 0 && call->err.code == 0)
		kk_fail(&call->err, call->result, "%s", kk_code_meaning(call->result));
}

void kk_call_finish(struct kk_call *call)
{
	const struct kk_err *error = call->err.code ? &call->err : NULL;

	kk_log_set_op(call->op);
	if (error)
		error_log(call, error);
	else
		kk_debug("done msg=%s us=%lld", call->row->name,
			(long long)(kk_clock_us() - call->began_us));
	if (!call->row->is_event)
		answer_send(call, error);
	kk_log_set_op(0);
	call_unlink(call);
	call_free(call);
}

void kk_call_end(struct kk_call *call, const struct kk_err *err)
{
	if (err)
		call->err = *err;
	else
		(void)fault_pass(call, "end");
	/* Its own handler may end it before it returns: then it is finished behind the handler. */
	if (call->is_running)
		call->is_ended = true;
	else
		kk_call_finish(call);
}

static const struct kk_handler *handler_of(const struct kk_dispatch *dispatch, unsigned msg)
{
	for (size_t i = 0; i < dispatch->n_handlers; i++) {
		if (dispatch->handlers[i].msg == msg)
			return &dispatch->handlers[i];
	}
	return NULL;
}

static void cancel_take(struct kk_dispatch *dispatch, const struct kk_envelope *env)
{
	for (struct kk_call *call = dispatch->calls; call; call = call->next) {
		if (call->id == env->id && call->source == env->source)
			call->is_cancelled = true;
	}
}

static int call_prepare(struct kk_call *call, const struct kk_envelope *env)
{
	const struct kk_handler *handler = handler_of(call->dispatch, env->type);
	const struct kk_schema *schema = call->row->req();
	const struct kk_schema *rep = call->row->rep ? call->row->rep() : NULL;

	if (!handler)
		return kk_fail(&call->err, KK_E_PROTOCOL, "message '%s' is not for the %s worker",
			call->row->name, kk_role_name(call->dispatch->self));
	if ((unsigned)call->row->from != env->source)
		return kk_fail(&call->err, KK_E_PROTOCOL, "message '%s' must not come from the %s",
			call->row->name, kk_role_name(env->source));
	/* An event is over at once; refused, it would be lost. */
	if (!handler->is_control && !call->row->is_event && call->dispatch->max_calls &&
		call->dispatch->n_calls > call->dispatch->max_calls)
		return kk_fail(&call->err, KK_E_BUSY, "the %s worker has too many requests",
			kk_role_name(call->dispatch->self));
	call->handler = handler;
	call->req = kk_alloc(schema->size);
	call->rep = rep ? kk_alloc(rep->size) : NULL;
	if (!call->req || (rep && !call->rep))
		return kk_fail(&call->err, KK_E_NOMEM, "no memory for the request '%s'",
			call->row->name);
	if (rep)
		kk_schema_init(rep, call->rep);
	return kk_schema_decode(schema, env->body, env->body_len, call->req, &call->err);
}

static struct kk_call call_of(struct kk_dispatch *dispatch, const struct kk_msg_row *row,
	const struct kk_envelope *env)
{
	return (struct kk_call){
		.dispatch = dispatch,
		.row = row,
		.source = env->source,
		.generation = env->generation,
		.id = env->id,
		.op = env->op,
		.deadline_ms = env->deadline_ms,
		.began_us = kk_clock_us(),
	};
}

/* There is not even a call that could fail. */
static void nomem_send(struct kk_dispatch *dispatch, const struct kk_msg_row *row,
	const struct kk_envelope *env)
{
	struct kk_call call = call_of(dispatch, row, env);

	kk_fail(&call.err, KK_E_NOMEM, "no memory for the request '%s'", row->name);
	error_log(&call, &call.err);
	if (!row->is_event)
		answer_send(&call, &call.err);
}

void kk_dispatch_take(struct kk_dispatch *dispatch, const struct kk_envelope *env)
{
	const struct kk_msg_row *row = kk_msg_row(env->type);
	struct kk_call *call;

	if (env->kind == KK_ENVELOPE_CANCEL) {
		cancel_take(dispatch, env);
		return;
	}
	if (!row) {
		kk_warning("dropped a message of unknown type %u", env->type);
		return;
	}
	kk_trace("got msg=%s kind=%s id=%llu bytes=%zu", row->name,
		kk_envelope_kind_name(env->kind), (unsigned long long)env->id, env->body_len);
	call = kk_alloc(sizeof *call);
	if (!call) {
		nomem_send(dispatch, row, env);
		return;
	}
	*call = call_of(dispatch, row, env);
	call->next = dispatch->calls;
	dispatch->calls = call;
	dispatch->n_calls++;
	if (call_prepare(call, env) < 0) {
		kk_call_finish(call);
		return;
	}
	if (dispatch->submit && !row->is_event && !call->handler->is_control) {
		dispatch->submit(call, dispatch->submit_arg);
		return;
	}
	kk_log_set_op(env->op);
	kk_call_run(call);
	kk_log_set_op(0);
	if (call->result != KK_LATER || call->is_ended)
		kk_call_finish(call);
}
