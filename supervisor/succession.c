/* supervisor/succession.c - workers of the supervisor before us: taken over as they run, then replaced one at
 * a time, so that at each moment only one of them is away. */
#include "sv.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <kukeon/log.h>
#include <kukeon/mem.h>

static int worker_export(const struct sv_worker *worker, struct sv_handover *handover)
{
	struct kk_handover_worker *doc = kk_list_push((struct kk_list *)&handover->doc.workers,
		kk_schema_of_handover_worker());
	struct kk_chan_rest rest = {.fd = -1};

	if (!doc)
		return KK_E_NOMEM;
	if (worker->chan)
		kk_chan_rest(worker->chan, &rest);
	*doc = (struct kk_handover_worker){
		.role = kk_strdup(kk_role_name(worker->role)),
		.pid = worker->pid,
		.generation = worker->generation,
		.is_ready = worker->is_ready,
		.started_ms = worker->started_ms,
		.n_restarts = worker->backoff.n_restarts,
		.last_death = kk_strdup(worker->last_death),
		.line_fd = rest.fd,
		.log_fd = worker->stderr_fd,
		.n_in = (int64_t)rest.n_in,
		.n_out = (int64_t)rest.n_out,
		.n_log = (int64_t)worker->stderr_buf.len,
	};
	if (!doc->role || sv_handover_put(handover, rest.in, rest.n_in) < 0 ||
		sv_handover_put(handover, rest.out, rest.n_out) < 0 ||
		sv_handover_put(handover, worker->stderr_buf.data, worker->stderr_buf.len) < 0)
		return KK_E_NOMEM;
	return 0;
}

void kk_supervisor_settle(struct kk_supervisor *sv)
{
	for (int i = 1; i < KK_ROLES; i++) {
		siginfo_t info;

		/* One that has hung up is of no use any more. */
		if (sv->workers[i].pid > 0 && !sv->workers[i].chan) {
			kill(sv->workers[i].pid, SIGKILL);
			(void)waitid(P_PID, (id_t)sv->workers[i].pid, &info, WEXITED | WNOWAIT);
		}
	}
	sv_reap_all(sv);
}

int kk_supervisor_export(const struct kk_supervisor *sv, struct sv_handover *handover)
{
	struct kk_handover *doc = &handover->doc;
	int r = 0;

	doc->version = kk_strdup(KK_VERSION);
	doc->generation = sv->generation;
	doc->started_ms = sv->started_ms;
	doc->schema_hash = (int64_t)kk_msg_hash();
	doc->last_op = (int64_t)sv->last_op;
	doc->last_id = (int64_t)kk_rpc_last_id(sv->rpc);
	doc->faults = kk_strdup(sv->faults);
	if (!doc->version || (sv->faults && !doc->faults))
		return KK_E_NOMEM;
	for (int i = 1; i < KK_ROLES && r == 0; i++)
		r = worker_export(&sv->workers[i], handover);
	return r == 0 ? sv_route_export(sv, handover) : r;
}

/* End it, to start its successor behind it. */
static void worker_replace(struct sv_worker *worker)
{
	static const struct kk_req_worker_stop stop;

	worker->is_ready = false;
	worker->is_replaced = true;
	kk_rpc_call(worker->sv->rpc, worker->role, KK_MSG_worker_stop, &stop, 0, sv_reply_ignore,
		NULL);
	kk_timer_start(worker->kill_timer, SV_REPLACE_MS);
}

static int worker_resume(struct sv_worker *worker, const struct kk_handover_worker *doc,
	struct sv_handover *handover, bool is_same_build, struct kk_err *err)
{
	const void *in = sv_handover_take(handover, doc->n_in);
	const void *out = sv_handover_take(handover, doc->n_out);
	const void *log = sv_handover_take(handover, doc->n_log);

	worker->pid = (pid_t)doc->pid;
	worker->generation = (unsigned)doc->generation;
	worker->started_ms = doc->started_ms;
	worker->backoff.n_restarts = (unsigned)doc->n_restarts;
	kk_str_set(&worker->last_death, doc->last_death);
	/* One that is not there is started. */
	if (worker->pid <= 0)
		return 0;
	worker->is_old = true;
	worker->was_useful = true;
	worker->is_behind = true;
	if (sv_spawn_adopt(worker, (int)doc->line_fd, (int)doc->log_fd, err) < 0)
		return kk_failed(err);
	sv_handover_keep_fd(doc->line_fd, false);
	sv_handover_keep_fd(doc->log_fd, false);
	if (!in || !out || !log ||
		kk_chan_resume(worker->chan, in, (size_t)doc->n_in, out, (size_t)doc->n_out) < 0 ||
		kk_buf_append(&worker->stderr_buf, log, (size_t)doc->n_log) < 0)
		return kk_fail(err, KK_E_PROTOCOL, "the handover ends within the %s worker",
			doc->role);
	worker->is_ready = doc->is_ready && is_same_build;
	if (worker->is_ready) {
		sv_worker_start_pings(worker);
		return 0;
	}
	/* Who was on the way up, or does not speak as we do, makes room at once. */
	worker->is_replaced = true;
	kill(worker->pid, SIGKILL);
	return 0;
}

int kk_supervisor_resume(struct kk_supervisor *sv, struct sv_handover *handover, struct kk_err *err)
{
	const struct kk_handover *doc = &handover->doc;
	bool is_same_build = doc->schema_hash == (int64_t)kk_msg_hash();

	kk_info("taking over from version=%s", kk_str(doc->version));
	sv->generation = (unsigned)doc->generation + 1;
	sv->started_ms = doc->started_ms;
	sv->last_op = (uint64_t)doc->last_op;
	kk_rpc_set_last_id(sv->rpc, (uint64_t)doc->last_id);
	kk_str_set(&sv->faults, kk_str_empty(doc->faults) ? NULL : doc->faults);
	for (size_t i = 0; i < doc->workers.n; i++) {
		int role = kk_role_parse(kk_str(doc->workers.items[i].role));

		if (role <= 0)
			return kk_fail(err, KK_E_PROTOCOL, "the handover has a worker '%s'",
				kk_str(doc->workers.items[i].role));
		if (worker_resume(&sv->workers[role], &doc->workers.items[i], handover,
			    is_same_build, err) < 0)
			return kk_failed(err);
	}
	for (size_t i = 0; i < doc->flights.n; i++) {
		const struct kk_handover_flight *flight = &doc->flights.items[i];
		const void *body = sv_handover_take(handover, flight->n_body);

		if (!body || flight->source <= 0 || flight->source >= KK_ROLES ||
			flight->target <= 0 || flight->target >= KK_ROLES)
			return kk_fail(err, KK_E_PROTOCOL, "the handover ends within a request");
		/* Asked in other words than ours: who asked is replaced, and asks anew. */
		if (is_same_build && sv_route_resume(sv, flight, body, (size_t)flight->n_body) < 0)
			return kk_fail(err, KK_E_NOMEM, "no memory for the requests under way");
	}
	for (int i = 1; i < KK_ROLES; i++)
		sv_worker_start(&sv->workers[i]);
	return 0;
}

int kk_supervisor_export_call(const struct kk_supervisor *sv, uint64_t id,
	struct kk_handover_flight *ret_flight, struct sv_handover *handover)
{
	const struct sv_flight *flight = id ? sv_route_find(sv, KK_ROLE_supervisor, id) : NULL;
	struct kk_req_api_request req;
	struct kk_err err = {0};
	int r;

	*ret_flight = (struct kk_handover_flight){0};
	if (!flight)
		return 0;
	/* Its parameters, whose form does not change with the messages. */
	if (kk_schema_decode(kk_req_schema_api_request(), flight->env.body, flight->env.body_len,
		    &req, &err) < 0)
		return kk_failed(&err);
	sv_route_describe(flight, ret_flight);
	ret_flight->n_body = (int64_t)req.params.len;
	r = sv_handover_put(handover, req.params.data, req.params.len);
	kk_schema_release(kk_req_schema_api_request(), &req);
	return r;
}

int kk_supervisor_resume_call(struct kk_supervisor *sv, const struct kk_handover_call *call,
	const void *params, const struct kk_peer *peer, kk_reply_f fn, void *arg)
{
	const struct kk_req_api_request req = {
		.method = call->method,
		.params = {.data = (uint8_t *)params, .len = (size_t)call->flight.n_body},
		.peer_pid = peer->pid,
		.peer_uid = peer->uid,
	};
	kk_auto_buf body = {0};
	struct kk_envelope env = {
		.type = KK_MSG_api_request,
		.id = (uint64_t)call->flight.id,
		.op = (uint64_t)call->op,
		.target = KK_ROLE_reconciler,
		.deadline_ms = call->flight.deadline_ms,
	};
	int r = kk_schema_encode(kk_req_schema_api_request(), &req, &body);

	if (r < 0)
		return r;
	env.body = body.data;
	env.body_len = body.len;
	r = sv_route_resume(sv, &call->flight, body.data, body.len);
	return r == 0 ? kk_rpc_resume(sv->rpc, &env, fn, arg) : r;
}

void sv_follow_next(struct kk_supervisor *sv)
{
	void (*fn)(void *arg) = sv->followed_fn;

	if (!fn)
		return;
	for (int i = 1; i < KK_ROLES; i++) {
		struct sv_worker *worker = &sv->workers[i];

		if (worker->is_old && worker->is_ready)
			worker_replace(worker);
		if (worker->is_old || !worker->is_ready)
			return;
	}
	sv->followed_fn = NULL;
	fn(sv->followed_arg);
}

void kk_supervisor_follow(struct kk_supervisor *sv, void (*fn)(void *arg), void *arg)
{
	sv->followed_fn = fn;
	sv->followed_arg = arg;
	/* Who died meanwhile sent its signal to nobody. */
	sv_reap_all(sv);
	sv_follow_next(sv);
}
