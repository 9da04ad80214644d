/* supervisor/route.c - the star: every message passes here, by its envelope, its body unread. */
#include "sv.h"

#include <signal.h>

#include <stdlib.h>
#include <string.h>

#include <kukeon/clock.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>

static struct sv_flight **flight_find(struct kk_supervisor *sv, unsigned source, uint64_t id)
{
	struct sv_flight **link = &sv->flights;

	while (*link && ((*link)->env.source != source || (*link)->env.id != id))
		link = &(*link)->next;
	return link;
}

static struct sv_flight *flight_remove(struct kk_supervisor *sv, struct sv_flight **link)
{
	struct sv_flight *flight = *link;

	*link = flight->next;
	if (!flight->next)
		sv->flights_end = link;
	sv->n_flights--;
	return flight;
}

/* At the end of the list; NULL: too many, or out of memory. */
static struct sv_flight *flight_add(struct kk_supervisor *sv, const struct kk_envelope *env)
{
	struct sv_flight *flight;

	if (sv->n_flights >= SV_FLIGHTS_MAX)
		return NULL;
	flight = kk_alloc(sizeof *flight + env->body_len);
	if (!flight)
		return NULL;
	flight->env = *env;
	flight->env.body = (uint8_t *)(flight + 1);
	if (env->body_len)
		memcpy(flight + 1, env->body, env->body_len);
	flight->source_generation = sv->workers[env->source].generation;
	*sv->flights_end = flight;
	sv->flights_end = &flight->next;
	sv->n_flights++;
	return flight;
}

/* Back to whoever asked, if that incarnation still lives. */
static void answer_deliver(struct kk_supervisor *sv, const struct sv_flight *flight,
	const struct kk_envelope *env)
{
	struct sv_worker *source = &sv->workers[flight->env.source];
	struct kk_envelope out = *env;

	/* It keeps the generation of who answered. */
	if (flight->env.source == KK_ROLE_supervisor) {
		kk_rpc_take(sv->rpc, &out);
		return;
	}
	if (!source->chan || source->generation != flight->source_generation) {
		source->n_stale++;
		return;
	}
	sv_trace_add(source, &out, true);
	if (kk_chan_send(source->chan, &out) < 0)
		sv_worker_kill(source, SIGKILL, "it does not read what it asked for");
}

static void flight_fail(struct kk_supervisor *sv, const struct sv_flight *flight,
	const struct kk_err *error)
{
	kk_auto_buf body = {0};
	struct kk_envelope env = {
		.kind = KK_ENVELOPE_ERROR,
		.type = flight->env.type,
		.id = flight->env.id,
		.op = flight->env.op,
		.source = flight->env.target,
		.target = flight->env.source,
	};

	if (kk_error_encode(error, &body) < 0)
		return; /* the deadline will tell */
	env.body = body.data;
	env.body_len = body.len;
	answer_deliver(sv, flight, &env);
}

static void flight_send(struct sv_worker *target, struct sv_flight *flight)
{
	struct kk_envelope env = flight->env;

	env.generation = target->generation;
	/* Above that there is room for answers and events. What is kept goes out when the worker has read
	 * some of what it has. */
	if (kk_chan_is_full(target->chan) || kk_chan_send(target->chan, &env) < 0) {
		target->is_behind = true;
		return;
	}
	sv_trace_add(target, &env, true);
	flight->sent_generation = target->generation;
	target->last_type = env.type;
}

static bool is_start(const struct kk_envelope *env)
{
	return env->type == KK_MSG_worker_start;
}

/* It is about this incarnation: the next one must not get it. */
static bool is_personal(const struct kk_envelope *env)
{
	return is_start(env) || env->type == KK_MSG_worker_stop;
}

/* Take a request on board and send it, now or when its target is ready. */
static int request_take(struct kk_supervisor *sv, const struct kk_envelope *env)
{
	struct sv_worker *target = &sv->workers[env->target];
	struct sv_flight *flight, **link;

	/* Its own start is what may end that. */
	if (!target->is_ready && !is_start(env) &&
		sv_backoff_is_degraded(&target->backoff, kk_clock_ms()))
		return KK_E_WORKER_DOWN;
	flight = flight_add(sv, env);
	if (!flight)
		return KK_E_BUSY;
	if (sv->is_embedded && !target->pid && !target->is_waiting && !sv->is_stopping)
		sv_worker_start(target);
	if (target->is_behind && target->is_ready && !kk_chan_is_full(target->chan))
		sv_route_ready(target);
	else if (target->chan &&
		(target->is_ready || is_start(env) || (is_personal(env) && target->is_replaced)))
		flight_send(target, flight);
	/* A worker that is not ready yet gets nothing with its pings, so that its start can't wait for one. */
	if (!is_start(env) || flight->sent_generation == target->generation)
		return 0;
	link = flight_find(sv, env->source, env->id);
	if (*link)
		free(flight_remove(sv, link));
	return KK_E_NOMEM;
}

static int event_take(struct kk_supervisor *sv, const struct kk_envelope *env)
{
	struct sv_worker *target = &sv->workers[env->target];
	struct kk_envelope out = *env;

	/* Events tell of the world; who comes later looks at the world itself. */
	if (!target->chan || (!target->is_ready && env->source != KK_ROLE_supervisor))
		return 0;
	out.generation = target->generation;
	sv_trace_add(target, &out, true);
	return kk_chan_send(target->chan, &out);
}

static void cancel_take(struct kk_supervisor *sv, const struct kk_envelope *env)
{
	struct sv_flight **link = flight_find(sv, env->source, env->id);
	struct sv_worker *target = &sv->workers[env->target];

	if (!*link)
		return;
	if ((*link)->sent_generation == target->generation && target->chan) {
		sv_trace_add(target, env, true);
		(void)kk_chan_send(target->chan, env);
	}
	free(flight_remove(sv, link));
}

int sv_route_own(const struct kk_envelope *env, void *arg)
{
	struct kk_supervisor *sv = arg;

	switch ((enum kk_envelope_kind)env->kind) {
	case KK_ENVELOPE_REQUEST:
		return request_take(sv, env);
	case KK_ENVELOPE_EVENT:
		return event_take(sv, env);
	case KK_ENVELOPE_CANCEL:
		cancel_take(sv, env);
		return 0;
	case KK_ENVELOPE_REPLY:
	case KK_ENVELOPE_ERROR:
	case KK_ENVELOPE_PING:
	case KK_ENVELOPE_PONG:
	case KK_ENVELOPE_KINDS:
		break;
	}
	return KK_E_PROTOCOL;
}

static void answer_take(struct sv_worker *worker, const struct kk_envelope *env)
{
	struct kk_supervisor *sv = worker->sv;
	struct sv_flight **link = flight_find(sv, env->target, env->id), *flight;

	if (!*link || (*link)->env.target != (unsigned)worker->role ||
		(*link)->sent_generation != worker->generation) {
		worker->n_stale++;
		return;
	}
	worker->was_useful |= env->kind == KK_ENVELOPE_REPLY || !is_start(&(*link)->env);
	flight = flight_remove(sv, link);
	answer_deliver(sv, flight, env);
	free(flight);
}

void sv_route_garbled(enum kk_role role, unsigned generation, void *arg)
{
	struct kk_supervisor *sv = arg;
	struct sv_worker *worker = &sv->workers[role];

	if (worker->generation != generation)
		return;
	/* Whoever asked counts such replies; the other requests have no part in it. */
	worker->is_innocent = true;
	sv_worker_kill(worker, SIGKILL, "a reply of it can't be read");
}

static void garbled_take(struct kk_supervisor *sv, const struct kk_envelope *env)
{
	struct kk_req_reply_garbled garbled;
	struct kk_err ignored = {0};

	if (kk_schema_decode(kk_req_schema_reply_garbled(), env->body, env->body_len, &garbled,
		    &ignored) == 0 &&
		garbled.role > 0 && garbled.role < KK_ROLES)
		sv_route_garbled((enum kk_role)garbled.role, (unsigned)garbled.generation, sv);
}

void sv_route_from_worker(struct sv_worker *worker, const struct kk_envelope *env)
{
	struct kk_supervisor *sv = worker->sv;
	const struct kk_msg_row *row = kk_msg_row(env->type);
	struct kk_err err = {0};
	int r = 0;

	sv_trace_add(worker, env, false);
	if (env->source != (unsigned)worker->role) {
		sv_worker_kill(worker, SIGKILL, "it spoke for another");
		return;
	}
	if (env->kind == KK_ENVELOPE_REPLY || env->kind == KK_ENVELOPE_ERROR) {
		answer_take(worker, env);
		return;
	}
	if (env->kind == KK_ENVELOPE_CANCEL) {
		cancel_take(sv, env);
		return;
	}
	if (env->type == KK_MSG_reply_garbled && env->kind == KK_ENVELOPE_EVENT &&
		row->from == (int)worker->role) {
		garbled_take(sv, env);
		return;
	}
	if (!row || row->from != (int)worker->role || env->target == KK_ROLE_supervisor ||
		row->is_event != (env->kind == KK_ENVELOPE_EVENT)) {
		sv_worker_kill(worker, SIGKILL, "it sent what it may not send");
		return;
	}
	r = env->kind == KK_ENVELOPE_EVENT ? event_take(sv, env) : request_take(sv, env);
	if (r < 0 && env->kind == KK_ENVELOPE_REQUEST) {
		struct sv_flight refused = {.env = *env};

		refused.source_generation = worker->generation;
		if (r == KK_E_WORKER_DOWN)
			kk_fail(&err, r,
				"the %s worker keeps crashing and is out of service for now",
				kk_role_name(env->target));
		else
			kk_fail(&err, r, "%s", kk_code_meaning(r));
		flight_fail(sv, &refused, &err);
	}
}

void sv_route_ready(struct sv_worker *worker)
{
	struct kk_supervisor *sv = worker->sv;
	int64_t now = kk_clock_ms();

	worker->is_behind = false;
	for (struct sv_flight **link = &sv->flights; *link;) {
		struct sv_flight *flight = *link;
		int64_t deadline_ms = flight->env.deadline_ms;

		if (flight->env.target != (unsigned)worker->role ||
			flight->sent_generation == worker->generation) {
			link = &flight->next;
		} else if (deadline_ms && deadline_ms < now) {
			/* Whoever asked has given up. */
			free(flight_remove(sv, link));
		} else {
			flight_send(worker, flight);
			link = &flight->next;
		}
	}
}

static bool is_poison(struct sv_flight *flight, enum sv_blame blame)
{
	flight->n_deaths += blame == SV_BLAME_WORKER;
	flight->n_kills += blame == SV_BLAME_KILLER;
	return flight->n_deaths >= SV_POISON_DEATHS || flight->n_kills >= SV_POISON_KILLS;
}

void sv_route_dead(struct sv_worker *worker, enum sv_blame blame, const char *how)
{
	struct kk_supervisor *sv = worker->sv;
	struct sv_flight **link = &sv->flights;

	while (*link) {
		struct sv_flight *flight = *link;
		bool was_asked = flight->env.target == (unsigned)worker->role;
		bool was_asking = flight->env.source == (unsigned)worker->role &&
			flight->source_generation == worker->generation;
		bool is_lost = was_asked && flight->sent_generation == worker->generation;
		struct kk_err err = {0};

		/* Its questions die with it: who comes next asks anew. */
		if (was_asking || (is_lost && is_personal(&flight->env))) {
			if (flight->env.source == KK_ROLE_supervisor)
				kk_rpc_cancel(sv->rpc, flight->env.id);
			else
				free(flight_remove(sv, link));
			link = &sv->flights;
			continue;
		}
		if (is_lost && (sv->is_stopping || is_poison(flight, blame))) {
			flight_remove(sv, link);
			if (sv->is_stopping)
				kk_fail(&err, KK_E_SHUTDOWN, "the daemon is going down");
			else
				kk_fail(&err, KK_E_WORKER_CRASHED,
					"the %s worker ended (%s) each time it worked on this "
					"request",
					kk_role_name(worker->role), how);
			flight_fail(sv, flight, &err);
			free(flight);
			link = &sv->flights;
			continue;
		}
		if (is_lost)
			flight->sent_generation = 0;
		link = &flight->next;
	}
}

const struct sv_flight *sv_route_find(const struct kk_supervisor *sv, unsigned source, uint64_t id)
{
	const struct sv_flight *flight = sv->flights;

	while (flight && (flight->env.source != source || flight->env.id != id))
		flight = flight->next;
	return flight;
}

void sv_route_describe(const struct sv_flight *flight, struct kk_handover_flight *ret_flight)
{
	const struct kk_envelope *env = &flight->env;

	*ret_flight = (struct kk_handover_flight){
		.type = env->type,
		.id = (int64_t)env->id,
		.op = (int64_t)env->op,
		.source = env->source,
		.target = env->target,
		.deadline_ms = env->deadline_ms,
		.source_generation = flight->source_generation,
		.sent_generation = flight->sent_generation,
		.n_deaths = flight->n_deaths,
		.n_kills = flight->n_kills,
		.n_body = (int64_t)env->body_len,
	};
}

/* The supervisor's own go with what they are for. */
int sv_route_export(const struct kk_supervisor *sv, struct sv_handover *handover)
{
	for (const struct sv_flight *flight = sv->flights; flight; flight = flight->next) {
		struct kk_handover_flight *doc;

		if (flight->env.source == KK_ROLE_supervisor)
			continue;
		doc = kk_list_push((struct kk_list *)&handover->doc.flights,
			kk_schema_of_handover_flight());
		if (!doc)
			return KK_E_NOMEM;
		sv_route_describe(flight, doc);
		if (sv_handover_put(handover, flight->env.body, flight->env.body_len) < 0)
			return KK_E_NOMEM;
	}
	return 0;
}

int sv_route_resume(struct kk_supervisor *sv, const struct kk_handover_flight *from,
	const void *body, size_t len)
{
	const struct kk_envelope env = {
		.kind = KK_ENVELOPE_REQUEST,
		.type = (unsigned)from->type,
		.id = (uint64_t)from->id,
		.op = (uint64_t)from->op,
		.source = (unsigned)from->source,
		.target = (unsigned)from->target,
		.deadline_ms = from->deadline_ms,
		.body = body,
		.body_len = len,
	};
	struct sv_flight *flight = flight_add(sv, &env);

	if (!flight)
		return KK_E_NOMEM;
	flight->source_generation = (unsigned)from->source_generation;
	flight->sent_generation = (unsigned)from->sent_generation;
	flight->n_deaths = (int)from->n_deaths;
	flight->n_kills = (int)from->n_kills;
	return 0;
}

void sv_route_release(struct kk_supervisor *sv)
{
	while (sv->flights)
		free(flight_remove(sv, &sv->flights));
}
