/* ipc/chan/rpc.c */
#include <kukeon/rpc.h>

#include <stdlib.h>

#include <kukeon/buf.h>
#include <kukeon/clock.h>
#include <kukeon/log.h>
#include <kukeon/loop.h>
#include <kukeon/mem.h>

struct pending {
	struct pending *next;
	uint64_t id;
	uint64_t op;
	unsigned target;
	const struct kk_msg_row *row;
	int64_t deadline_ms;
	kk_reply_f fn;
	void *arg;
	struct kk_buf body; /* as it was sent */
	unsigned n_garbled; /* replies that could not be read */
	int failure;        /* code of why it could not be sent, delivered from the loop */
};

struct kk_rpc {
	struct kk_timer *timer;
	enum kk_role self;
	kk_send_f send;
	void *arg;
	kk_garbled_f garbled;
	void *garbled_arg;
	struct pending *pending;
	size_t n_pending;
	uint64_t last_id;
	uint64_t n_dropped;
};

static void pending_free(struct pending *p)
{
	kk_buf_release(&p->body);
	free(p);
}

static void timer_arm(struct kk_rpc *rpc)
{
	int64_t first = INT64_MAX, now = kk_clock_ms();

	for (struct pending *p = rpc->pending; p; p = p->next) {
		int64_t when = p->failure ? now : p->deadline_ms;

		if (when < first)
			first = when;
	}
	if (first == INT64_MAX)
		kk_timer_stop(rpc->timer);
	else
		kk_timer_start(rpc->timer, first > now ? first - now : 0);
}

static struct pending *pending_remove(struct kk_rpc *rpc, struct pending **link)
{
	struct pending *p = *link;

	*link = p->next;
	rpc->n_pending--;
	return p;
}

/* Nobody waits for it any more: it must not be sent to a later incarnation either. */
static void cancel_send(struct kk_rpc *rpc, const struct pending *p)
{
	struct kk_envelope env = {
		.kind = KK_ENVELOPE_CANCEL,
		.id = p->id,
		.op = p->op,
		.source = rpc->self,
		.target = p->target,
	};

	(void)rpc->send(&env, rpc->arg);
}

/* A callback may start and cancel requests, so each round begins anew. */
static struct pending *overdue_take(struct kk_rpc *rpc)
{
	int64_t now = kk_clock_ms();

	for (struct pending **link = &rpc->pending; *link; link = &(*link)->next) {
		if ((*link)->failure || (*link)->deadline_ms <= now)
			return pending_remove(rpc, link);
	}
	return NULL;
}

static void rpc_on_timer(void *arg)
{
	struct kk_rpc *rpc = arg;
	struct pending *p;

	while ((p = overdue_take(rpc))) {
		struct kk_err err = {0};

		if (p->failure) {
			kk_fail(&err, p->failure,
				"request '%s' could not be sent to the %s worker: %s", p->row->name,
				kk_role_name(p->target), kk_code_meaning(p->failure));
		} else {
			cancel_send(rpc, p);
			kk_fail(&err, KK_E_TIMEOUT,
				"the %s worker did not answer '%s' within %lld s",
				kk_role_name(p->target), p->row->name,
				(long long)p->row->timeout_ms / 1000);
		}
		p->fn(NULL, &err, p->arg);
		pending_free(p);
	}
	timer_arm(rpc);
}

struct kk_rpc *kk_rpc_new(struct kk_loop *loop, enum kk_role self, kk_send_f send, void *arg)
{
	struct kk_rpc *rpc = kk_alloc(sizeof *rpc);

	if (!rpc)
		return NULL;
	*rpc = (struct kk_rpc){.self = self, .send = send, .arg = arg};
	/* A successor must not take what its predecessor's questions are answered with: its numbers begin
	 * behind all of those, for nobody asks oftener than once in a microsecond. */
	rpc->last_id = (uint64_t)kk_clock_us();
	rpc->timer = kk_timer_new(loop, "request deadline", rpc_on_timer, rpc);
	if (!rpc->timer) {
		free(rpc);
		return NULL;
	}
	return rpc;
}

void kk_rpc_free(struct kk_rpc *rpc)
{
	if (!rpc)
		return;
	while (rpc->pending)
		pending_free(pending_remove(rpc, &rpc->pending));
	kk_timer_free(rpc->timer);
	free(rpc);
}

void kk_rpc_on_garbled(struct kk_rpc *rpc, kk_garbled_f fn, void *arg)
{
	rpc->garbled = fn;
	rpc->garbled_arg = arg;
}

static int request_send(struct kk_rpc *rpc, const struct pending *p)
{
	const struct kk_envelope env = {
		.kind = KK_ENVELOPE_REQUEST,
		.type = p->row->id,
		.id = p->id,
		.op = p->op,
		.source = rpc->self,
		.target = p->target,
		.deadline_ms = p->deadline_ms,
		.body = p->body.data,
		.body_len = p->body.len,
	};

	return rpc->send(&env, rpc->arg);
}

uint64_t kk_rpc_call(struct kk_rpc *rpc, enum kk_role target, unsigned msg, const void *req,
	uint64_t op, kk_reply_f fn, void *arg)
{
	struct pending *p = kk_alloc(sizeof *p);
	int r;

	if (!p)
		return 0;
	*p = (struct pending){
		.next = rpc->pending,
		.id = ++rpc->last_id,
		.op = op,
		.target = target,
		.row = kk_msg_row(msg),
		.fn = fn,
		.arg = arg,
	};
	p->deadline_ms = kk_clock_ms() + p->row->timeout_ms;
	rpc->pending = p;
	rpc->n_pending++;
	r = rpc->n_pending > KK_RPC_PENDING_MAX ? KK_E_BUSY :
						  kk_schema_encode(p->row->req(), req, &p->body);
	if (r == 0)
		r = request_send(rpc, p);
	if (r < 0)
		p->failure = r;
	timer_arm(rpc);
	return p->id;
}

int kk_rpc_resume(struct kk_rpc *rpc, const struct kk_envelope *env, kk_reply_f fn, void *arg)
{
	struct pending *p = kk_alloc(sizeof *p);

	if (!p)
		return KK_E_NOMEM;
	*p = (struct pending){
		.id = env->id,
		.op = env->op,
		.target = env->target,
		.row = kk_msg_row(env->type),
		.deadline_ms = env->deadline_ms,
		.fn = fn,
		.arg = arg,
	};
	if (kk_buf_append(&p->body, env->body, env->body_len) < 0) {
		pending_free(p);
		return KK_E_NOMEM;
	}
	p->next = rpc->pending;
	rpc->pending = p;
	rpc->n_pending++;
	if (rpc->last_id < env->id)
		rpc->last_id = env->id;
	timer_arm(rpc);
	return 0;
}

uint64_t kk_rpc_last_id(const struct kk_rpc *rpc)
{
	return rpc->last_id;
}

void kk_rpc_set_last_id(struct kk_rpc *rpc, uint64_t id)
{
	rpc->last_id = id;
}

static struct pending **find(struct kk_rpc *rpc, uint64_t id)
{
	struct pending **link = &rpc->pending;

	while (*link && (*link)->id != id)
		link = &(*link)->next;
	return link;
}

void kk_rpc_cancel(struct kk_rpc *rpc, uint64_t id)
{
	struct pending **link = find(rpc, id), *p;

	if (!*link)
		return;
	p = pending_remove(rpc, link);
	cancel_send(rpc, p);
	pending_free(p);
}

int kk_rpc_event(struct kk_rpc *rpc, enum kk_role target, unsigned msg, const void *req,
	uint64_t op)
{
	const struct kk_msg_row *row = kk_msg_row(msg);
	kk_auto_buf body = {0};
	struct kk_envelope env = {
		.kind = KK_ENVELOPE_EVENT,
		.type = msg,
		.op = op,
		.source = rpc->self,
		.target = target,
	};
	int r = kk_schema_encode(row->req(), req, &body);

	if (r < 0)
		return r;
	env.body = body.data;
	env.body_len = body.len;
	return rpc->send(&env, rpc->arg);
}

int kk_error_encode(const struct kk_err *error, struct kk_buf *buf)
{
	char text[KK_ERR_TEXT * 2];
	struct kk_remote_error remote = {.code = error->code, .message = text};

	kk_err_format(error, text, sizeof text);
	return kk_schema_encode(kk_schema_of_remote_error(), &remote, buf);
}

void kk_error_decode(const struct kk_envelope *env, struct kk_err *ret_error)
{
	struct kk_remote_error remote;
	struct kk_err err = {0};

	if (kk_schema_decode(kk_schema_of_remote_error(), env->body, env->body_len, &remote, &err) <
		0) {
		kk_fail(ret_error, err.code, "an error reply could not be read");
		return;
	}
	if (remote.code <= KK_CODE_BASE || remote.code >= KK_CODE_END)
		remote.code = KK_E_INTERNAL;
	kk_fail(ret_error, (int)remote.code, "%s", kk_str(remote.message));
	kk_remote_error_release(&remote);
}

/* Ask again, someone else: who garbles one reply may have garbled more than that. */
static bool garbled_retry(struct kk_rpc *rpc, struct pending **link, unsigned generation)
{
	struct pending *p = *link;
	int r;

	if (!rpc->garbled || ++p->n_garbled >= KK_RPC_GARBLED_MAX)
		return false;
	rpc->garbled(p->target, generation, rpc->garbled_arg);
	r = request_send(rpc, p);
	if (r < 0)
		p->failure = r;
	return true;
}

static void reply_take(struct kk_rpc *rpc, struct pending **link, const struct kk_envelope *env)
{
	const struct kk_schema *schema = (*link)->row->rep();
	kk_auto_free void *rep = kk_alloc(schema->size);
	struct kk_err err = {0};
	struct pending *p;
	int r = rep ?
		kk_schema_decode(schema, env->body, env->body_len, rep, &err) :
		kk_fail(&err, KK_E_NOMEM, "no memory for the reply to '%s'", (*link)->row->name);

	if (r < 0) {
		if (r != KK_E_NOMEM && garbled_retry(rpc, link, env->generation))
			return;
		p = pending_remove(rpc, link);
		p->fn(NULL, &err, p->arg);
	} else {
		p = pending_remove(rpc, link);
		p->fn(rep, NULL, p->arg);
		kk_schema_release(schema, rep);
	}
	pending_free(p);
}

void kk_rpc_take(struct kk_rpc *rpc, const struct kk_envelope *env)
{
	struct pending **link = find(rpc, env->id), *p;
	struct kk_err err = {0};

	if (!*link) {
		rpc->n_dropped++;
		kk_debug("dropped a late %s id=%llu", kk_envelope_kind_name(env->kind),
			(unsigned long long)env->id);
		return;
	}
	if (env->kind == KK_ENVELOPE_ERROR) {
		p = pending_remove(rpc, link);
		kk_error_decode(env, &err);
		p->fn(NULL, &err, p->arg);
		pending_free(p);
	} else {
		reply_take(rpc, link, env);
	}
	timer_arm(rpc);
}

size_t kk_rpc_pending(const struct kk_rpc *rpc)
{
	return rpc->n_pending;
}

uint64_t kk_rpc_dropped(const struct kk_rpc *rpc)
{
	return rpc->n_dropped;
}
