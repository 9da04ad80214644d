/* workers/common/worker.c - the one start-up order: line home, configuration, domain, READY, loop. */
#include <kukeon/worker.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <kukeon/chan.h>
#include <kukeon/clock.h>
#include <kukeon/crash.h>
#include <kukeon/fault.h>
#include <kukeon/host.h>
#include <kukeon/json.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>

#include "sandbox.h"

enum { STUCK_MS = 2000 };

static struct kk_worker worker;

static int on_worker_start(struct kk_call *call, const struct kk_req_worker_start *req,
	struct kk_rep_worker_start *rep, struct kk_err *err)
{
	int r;

	if (worker.is_started)
		return kk_fail(err, KK_E_PROTOCOL, "the worker was started already");
	if (req->schema_hash != kk_msg_hash()) {
		kk_error("supervisor and worker are of different builds");
		exit(KK_WORKER_INCOMPATIBLE);
	}
	kk_log_open(kk_role_name(worker.def->role), call->generation, kk_log_level());
	kk_schema_copy(kk_req_schema_worker_start(), req, &worker.config);
	if (req->has_host_root)
		kk_host_set_root(KK_WORKER_LENT_FD);
	r = kk_sandbox_enter(worker.def->role,
		kk_str_empty(worker.config.sandbox) ? "off" : worker.config.sandbox, err);
	if (r == 0 && worker.def->start)
		r = worker.def->start(&worker, err);
	if (r < 0)
		return r;
	worker.is_started = true;
	rep->pid = getpid();
	return 0;
}

static int on_worker_stop(struct kk_call *call, const struct kk_req_worker_stop *req,
	struct kk_rep_worker_stop *rep, struct kk_err *err)
{
	(void)req;
	(void)rep;
	(void)err;
	worker.stopping = call;
	return KK_LATER;
}

static int on_worker_level(struct kk_call *call, const struct kk_req_worker_level *req, void *rep,
	struct kk_err *err)
{
	int level = kk_level_parse(kk_str(req->level));

	(void)call;
	(void)rep;
	if (level < 0)
		return kk_fail(err, KK_E_INVALID, "unknown log level '%s'", kk_str(req->level));
	kk_log_set_level(level);
	return 0;
}

static int on_worker_fault(struct kk_call *call, const struct kk_req_worker_fault *req, void *rep,
	struct kk_err *err)
{
	(void)call;
	(void)req;
	(void)rep;
	return kk_fault_arm(kk_str(req->specification), err);
}

static const struct kk_handler common_handlers[] = {
	KK_HANDLER(worker_start),
	KK_HANDLER(worker_stop),
	KK_HANDLER(worker_level),
	KK_HANDLER(worker_fault),
};

static int worker_send(const struct kk_envelope *env, void *arg)
{
	(void)arg;
	return kk_chan_send(worker.chan, env);
}

static void rpc_on_garbled(enum kk_role role, unsigned generation, void *arg)
{
	const struct kk_req_reply_garbled garbled = {.role = role, .generation = generation};

	(void)arg;
	(void)kk_rpc_event(worker.rpc, KK_ROLE_supervisor, KK_MSG_reply_garbled, &garbled, 0);
}

/* A thread that is stuck beyond the deadline of its call, which nobody waits for any more, never comes
 * back: only a new process helps. */
static void stuck_check(void)
{
	int64_t now = kk_clock_ms();

	for (const struct kk_call *call = worker.dispatch.calls; call; call = call->next) {
		if (call->deadline_ms && now > call->deadline_ms + STUCK_MS) {
			kk_error("'%s' is stuck %lld ms beyond its deadline", call->row->name,
				(long long)(now - call->deadline_ms));
			abort();
		}
	}
}

static void pong(const struct kk_envelope *ping)
{
	struct kk_envelope env = *ping;

	stuck_check();
	env.kind = KK_ENVELOPE_PONG;
	env.source = worker.def->role;
	env.target = ping->source;
	(void)kk_chan_send(worker.chan, &env);
}

/* Only the stop itself is left: the drain is done. */
static void stop_if_drained(void)
{
	if (!worker.stopping || worker.dispatch.n_calls > 1)
		return;
	if (worker.def->stop)
		worker.def->stop(&worker);
	kk_call_end(kk_steal(&worker.stopping), NULL);
	kk_chan_flush(worker.chan, 1000);
	exit(0);
}

/* While the supervisor has much to read, nothing new is taken: what there is no room for is lost. */
static void chan_balance(void)
{
	kk_chan_pause(worker.chan, kk_chan_is_full(worker.chan));
}

static void chan_on_message(struct kk_chan *chan, const struct kk_envelope *env, void *arg)
{
	(void)chan;
	(void)arg;
	if (!env) {
		/* The supervisor is gone. What is under way is its successor's to repeat. */
		_exit(0);
	}
	switch ((enum kk_envelope_kind)env->kind) {
	case KK_ENVELOPE_PING:
		pong(env);
		break;
	case KK_ENVELOPE_REPLY:
	case KK_ENVELOPE_ERROR:
		kk_rpc_take(worker.rpc, env);
		break;
	case KK_ENVELOPE_REQUEST:
	case KK_ENVELOPE_EVENT:
	case KK_ENVELOPE_CANCEL:
		if (!worker.is_started && env->type != KK_MSG_worker_start &&
			env->type != KK_MSG_worker_level && env->type != KK_MSG_worker_fault) {
			kk_warning("a message came before the start, dropped");
			break;
		}
		kk_dispatch_take(&worker.dispatch, env);
		break;
	case KK_ENVELOPE_PONG:
	case KK_ENVELOPE_KINDS:
		break;
	}
	chan_balance();
}

static struct kk_handler *handlers_join(const struct kk_worker_def *def, size_t *ret_n)
{
	struct kk_handler *all =
		kk_xalloc((def->n_handlers + KK_COUNT(common_handlers)) * sizeof all[0]);
	size_t n = 0;

	for (size_t i = 0; i < KK_COUNT(common_handlers); i++) {
		all[n] = common_handlers[i];
		all[n++].is_control = true;
	}
	for (size_t i = 0; i < def->n_handlers; i++)
		all[n++] = def->handlers[i];
	*ret_n = n;
	return all;
}

int kk_worker_main(const struct kk_worker_def *def)
{
	char name[16];

	worker.def = def;
	kk_json_set_vital();
	snprintf(name, sizeof name, "kk-%s", kk_role_name(def->role));
	prctl(PR_SET_NAME, name);
	kk_crash_install();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	kk_log_open(kk_role_name(def->role), 0, KK_LEVEL_INFO);
	worker.loop = kk_loop_new();
	if (!worker.loop)
		return EXIT_FAILURE;
	worker.chan = kk_chan_new(worker.loop, "supervisor", KK_WORKER_FD, chan_on_message, NULL);
	worker.rpc = kk_rpc_new(worker.loop, def->role, worker_send, NULL);
	if (!worker.chan || !worker.rpc)
		return EXIT_FAILURE;
	kk_rpc_on_garbled(worker.rpc, rpc_on_garbled, NULL);
	worker.dispatch = (struct kk_dispatch){
		.self = def->role,
		.send = worker_send,
		.max_calls = def->max_calls,
	};
	worker.dispatch.handlers = handlers_join(def, &worker.dispatch.n_handlers);
	for (;;) {
		kk_loop_run_once(worker.loop);
		chan_balance();
		stop_if_drained();
	}
}
