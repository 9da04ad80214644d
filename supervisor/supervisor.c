/* supervisor/supervisor.c - the life of the workers, as kukeond and as an in-process kuke see it. */
#include "sv.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kukeon/auto.h>
#include <kukeon/buf.h>
#include <kukeon/clock.h>
#include <kukeon/fault.h>
#include <kukeon/fd.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>

static int64_t heartbeat_limit_ms(const struct sv_worker *worker)
{
	int64_t limit_ms = worker->sv->config->heartbeat_limit_ms;

	return limit_ms ? limit_ms : kk_role_heartbeat_ms(worker->role);
}

void sv_worker_start_pings(struct sv_worker *worker)
{
	int64_t share_ms = heartbeat_limit_ms(worker) / SV_PINGS_PER_LIMIT;

	kk_timer_start(worker->ping_timer, share_ms < SV_PING_MS ? share_ms : SV_PING_MS);
}

static bool is_stopped(pid_t pid)
{
	kk_auto_buf text = {.max = 1024};
	const char *behind_name;
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if (kk_file_read(path, &text, NULL) < 0)
		return false;
	behind_name = strrchr((char *)text.data, ')');
	return behind_name &&
		(kk_str_starts(behind_name, ") T") || kk_str_starts(behind_name, ") t"));
}

static void ping_on_timer(void *arg)
{
	struct sv_worker *worker = arg;
	struct kk_envelope env = {
		.kind = KK_ENVELOPE_PING,
		.source = KK_ROLE_supervisor,
		.target = worker->role,
		.generation = worker->generation,
	};
	int64_t now = kk_clock_ms();

	if (!worker->chan)
		return;
	if (worker->pinged_ms && now - worker->pinged_ms >= heartbeat_limit_ms(worker)) {
		/* A hung backend is a dead backend. The abort leaves a trace of where it hung. One that
		 * somebody has stopped from outside hangs in nothing that is under way. */
		worker->is_innocent = is_stopped(worker->pid);
		sv_worker_kill(worker, SIGABRT, "no sign of life within the heartbeat limit");
		kk_timer_start(worker->kill_timer, SV_ABORT_MS);
		return;
	}
	/* What its channel had no room for, should it have nothing to say. */
	if (worker->is_ready)
		sv_route_ready(worker);
	/* A ping that did not even get into the queue for want of memory has no answer to wait for. */
	if (!worker->pinged_ms && kk_chan_send(worker->chan, &env) != KK_E_NOMEM)
		worker->pinged_ms = now;
	sv_worker_start_pings(worker);
}

static void kill_on_timer(void *arg)
{
	sv_worker_kill(arg, SIGKILL, "it did not end by itself");
}

static void restart_on_timer(void *arg)
{
	struct sv_worker *worker = arg;

	worker->is_waiting = false;
	sv_worker_start(worker);
}

void sv_worker_start_later(struct sv_worker *worker, int64_t delay_ms)
{
	worker->is_waiting = true;
	kk_timer_start(worker->restart_timer, delay_ms);
}

void sv_reply_ignore(const void *rep, const struct kk_err *err, void *arg)
{
	(void)rep;
	(void)err;
	(void)arg;
}

/* One after the other, last started first: who is still draining may need those below. */
static void stop_next(struct kk_supervisor *sv)
{
	static const struct kk_req_worker_stop stop;

	for (int i = KK_ROLES - 1; i > 0; i--) {
		struct sv_worker *worker = &sv->workers[i];

		if (worker->pid <= 0)
			continue;
		if (!worker->is_stopping) {
			worker->is_stopping = true;
			kk_rpc_call(sv->rpc, worker->role, KK_MSG_worker_stop, &stop, 0,
				sv_reply_ignore, NULL);
			kk_timer_start(worker->kill_timer, SV_STOP_MS);
		}
		return;
	}
	if (sv->stopped_fn) {
		void (*fn)(void *arg) = sv->stopped_fn;

		sv->stopped_fn = NULL;
		fn(sv->stopped_arg);
	}
}

static void child_on_signal(int signo, void *arg)
{
	struct kk_supervisor *sv = arg;

	(void)signo;
	sv_reap_all(sv);
	if (sv->is_stopping)
		stop_next(sv);
}

void sv_worker_on_message(struct kk_chan *chan, const struct kk_envelope *env, void *arg)
{
	struct sv_worker *worker = arg;

	if (!env) {
		/* SIGCHLD follows if it died; if it only hung up, it is of no use any more. */
		if (kk_chan_is_broken(chan))
			sv_worker_kill(worker, SIGKILL, "it sent bytes that are no message");
		else
			kk_timer_start(worker->kill_timer, SV_HANG_UP_MS);
		kk_chan_free(worker->chan);
		worker->chan = NULL;
		worker->is_ready = false;
		return;
	}
	/* Anything it says proves that its loop runs. */
	worker->pinged_ms = 0;
	if (env->kind != KK_ENVELOPE_PONG)
		sv_route_from_worker(worker, env);
	if (worker->is_behind && worker->is_ready && worker->chan && !kk_chan_is_full(worker->chan))
		sv_route_ready(worker);
}

static void ready_on_reply(const void *rep, const struct kk_err *err, void *arg)
{
	struct sv_worker *worker = arg;
	char text[KK_ERR_TEXT];

	(void)rep;
	if (err) {
		kk_err_format(err, text, sizeof text);
		kk_error("the %s worker could not start: %s", kk_role_name(worker->role), text);
		sv_worker_kill(worker, SIGKILL, "it could not start");
		return;
	}
	worker->is_ready = true;
	worker->was_useful = true;
	worker->ready_ms = kk_clock_ms();
	kk_info("the %s worker is ready pid=%d worker_gen=%u start_ms=%lld outage_ms=%lld",
		kk_role_name(worker->role), (int)worker->pid, worker->generation,
		(long long)(worker->ready_ms - worker->started_ms),
		(long long)(worker->died_us ? (kk_clock_us() - worker->died_us) / 1000 : 0));
	sv_route_ready(worker);
	sv_follow_next(worker->sv);
}

static void level_send(struct sv_worker *worker)
{
	struct kk_req_worker_level level = {
		.level = (char *)kk_level_name(worker->sv->config->log_levels[worker->role]),
	};

	(void)kk_rpc_event(worker->sv->rpc, worker->role, KK_MSG_worker_level, &level, 0);
}

static void faults_send(struct sv_worker *worker)
{
	struct kk_req_worker_fault fault = {.specification = worker->sv->faults};

	(void)kk_rpc_event(worker->sv->rpc, worker->role, KK_MSG_worker_fault, &fault, 0);
}

static void start_send(struct sv_worker *worker)
{
	struct kk_supervisor *sv = worker->sv;
	const struct kk_config *config = sv->config;
	struct kk_req_worker_start start = {
		.schema_hash = kk_msg_hash(),
		.instance = sv->instance,
		.run_path = config->run_path,
		.runtime_dir = sv->runtime_dir,
		.containerd_socket = config->containerd_socket,
		.namespace_suffix = config->namespace_suffix,
		.cgroup_root = config->cgroup_root,
		.pod_subnet_cidr = config->pod_subnet_cidr,
		.nft_table = sv->nft_table,
		.reconcile_interval_ms = config->reconcile_interval_ms,
		.default_memory_limit_bytes = config->default_memory_limit_bytes,
		.log_max_bytes = config->log_max_bytes,
		.log_max_files = config->log_max_files,
		.kuketty_log_level = config->kuketty_log_level,
		.is_embedded = sv->is_embedded,
		.has_host_root = !sv->is_embedded && sv->lent_fd >= 0,
		.sandbox = config->sandbox,
	};

	level_send(worker);
	if (sv->faults)
		faults_send(worker);
	if (!kk_rpc_call(sv->rpc, worker->role, KK_MSG_worker_start, &start, 0, ready_on_reply,
		    worker))
		sv_worker_kill(worker, SIGKILL, "no memory to start it");
}

void sv_worker_start(struct sv_worker *worker)
{
	struct kk_err err = {0};
	char text[KK_ERR_TEXT];
	int64_t now = kk_clock_ms(), delay;

	if (worker->pid > 0 || worker->sv->is_stopping)
		return;
	worker->generation++;
	worker->started_ms = now;
	worker->was_useful = false;
	worker->pinged_ms = 0;
	worker->last_type = 0;
	worker->is_old = false;
	worker->n_traces = 0;
	worker->n_tail = 0;
	kk_buf_clear(&worker->last_words);
	if (sv_spawn(worker, &err) < 0) {
		delay = sv_backoff_decide(&worker->backoff, SV_DEATH_UNBORN, 0, now);
		kk_err_format(&err, text, sizeof text);
		kk_error("%s, trying again in %lld ms", text, (long long)delay);
		sv_worker_start_later(worker, delay);
		return;
	}
	start_send(worker);
	sv_worker_start_pings(worker);
}

static int worker_init(struct kk_supervisor *sv, enum kk_role role)
{
	struct sv_worker *worker = &sv->workers[role];

	worker->sv = sv;
	worker->role = role;
	worker->stderr_fd = -1;
	kk_buf_init(&worker->last_words, SV_LAST_WORDS_MAX);
	worker->restart_timer = kk_timer_new(sv->loop, "restart", restart_on_timer, worker);
	worker->ping_timer = kk_timer_new(sv->loop, "ping", ping_on_timer, worker);
	worker->kill_timer = kk_timer_new(sv->loop, "kill", kill_on_timer, worker);
	return worker->restart_timer && worker->ping_timer && worker->kill_timer ? 0 : -1;
}

struct kk_supervisor *kk_supervisor_new(struct kk_loop *loop, struct kk_config *config,
	bool is_embedded, struct kk_err *err)
{
	struct kk_supervisor *sv = kk_alloc(sizeof *sv);
	int r = 0;

	if (!sv) {
		kk_fail(err, KK_E_NOMEM, "no memory for the supervisor");
		return NULL;
	}
	*sv = (struct kk_supervisor){.loop = loop, .config = config, .is_embedded = is_embedded};
	sv->flights_end = &sv->flights;
	sv->started_ms = kk_clock_ms();
	sv->generation = 1;
	sv->lent_fd = -1;
	sv->exe_fd = sv_spawn_open_image(err);
	sv->instance = kk_config_instance_id(config);
	sv->runtime_dir = kk_config_runtime_dir(config);
	sv->nft_table = kk_config_nft_table(config);
	sv->crash_dir = kk_config_crash_dir(config);
	sv->rpc = kk_rpc_new(loop, KK_ROLE_supervisor, sv_route_own, sv);
	if (sv->rpc)
		kk_rpc_on_garbled(sv->rpc, sv_route_garbled, sv);
	sv->child_watch = kk_signal_new(loop, SIGCHLD, child_on_signal, sv);
	for (int i = 1; i < KK_ROLES; i++)
		r |= worker_init(sv, i);
	/* Operation ids of several processes meet in one log and one journal. */
	if (getrandom(&sv->last_op, sizeof sv->last_op, 0) < 0)
		sv->last_op = (uint64_t)kk_time_now();
	if (sv->exe_fd < 0 || r < 0 || !sv->rpc || !sv->child_watch) {
		if (sv->exe_fd >= 0)
			kk_fail(err, KK_E_NOMEM, "no memory for the supervisor");
		kk_supervisor_free(sv);
		return NULL;
	}
	return sv;
}

void kk_supervisor_lend(struct kk_supervisor *sv, int fd)
{
	sv->lent_fd = fd;
}

int kk_supervisor_start(struct kk_supervisor *sv, struct kk_err *err)
{
	(void)err;
	for (int i = 1; i < KK_ROLES; i++)
		sv_worker_start(&sv->workers[i]);
	return 0;
}

void kk_supervisor_levels_apply(struct kk_supervisor *sv)
{
	for (int i = 1; i < KK_ROLES; i++)
		level_send(&sv->workers[i]);
}

void kk_supervisor_level_set(struct kk_supervisor *sv, enum kk_role role, int level)
{
	sv->config->log_levels[role] = level;
	if (role == KK_ROLE_supervisor)
		kk_log_set_level(level);
	else
		level_send(&sv->workers[role]);
	kk_info("log level changed role=%s level=%s", kk_role_name(role), kk_level_name(level));
}

static int64_t rss_of(pid_t pid)
{
	kk_auto_buf text = {.max = 256};
	long long pages = 0;
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
	if (kk_file_read(path, &text, NULL) < 0 ||
		sscanf((char *)text.data, "%*d %lld", &pages) != 1)
		return 0;
	return pages * sysconf(_SC_PAGESIZE);
}

static const char *worker_state(const struct sv_worker *worker)
{
	if (worker->is_stopping || worker->is_replaced)
		return "Stopping";
	if (worker->is_ready)
		return "Ready";
	if (sv_backoff_is_degraded(&worker->backoff, kk_clock_ms()))
		return "Degraded";
	return worker->is_waiting ? "Waiting" : "Starting";
}

/* A text that there is no memory for is not shown. */
static void worker_describe(const struct sv_worker *worker, struct kk_worker_info *ret_info)
{
	const struct kk_supervisor *sv = worker->sv;

	*ret_info = (struct kk_worker_info){
		.role = kk_strdup(kk_role_name(worker->role)),
		.pid = worker->pid,
		.state = kk_strdup(worker_state(worker)),
		.generation = worker->generation,
		.uptime_ms = worker->pid > 0 ? kk_clock_ms() - worker->started_ms : 0,
		.n_restarts = worker->backoff.n_restarts,
		.rss_bytes = worker->pid > 0 ? rss_of(worker->pid) : 0,
		.log_level = kk_strdup(kk_level_name(sv->config->log_levels[worker->role])),
		.n_stale = (int64_t)worker->n_stale,
		.last_death = kk_strdup(worker->last_death),
	};
	for (const struct sv_flight *f = sv->flights; f; f = f->next) {
		if (f->env.target != (unsigned)worker->role)
			continue;
		if (f->sent_generation == worker->generation)
			ret_info->n_in_flight++;
		else
			ret_info->n_queued++;
	}
}

int kk_supervisor_describe(const struct kk_supervisor *sv, struct kk_list *list)
{
	struct kk_worker_info *info = kk_list_push(list, kk_schema_of_worker_info());

	if (!info)
		return KK_E_NOMEM;
	*info = (struct kk_worker_info){
		.role = kk_strdup(kk_role_name(KK_ROLE_supervisor)),
		.pid = getpid(),
		.state = kk_strdup("Ready"),
		.generation = sv->generation,
		.uptime_ms = kk_clock_ms() - sv->started_ms,
		.n_in_flight = (int64_t)sv->n_flights,
		.rss_bytes = rss_of(getpid()),
		.log_level = kk_strdup(kk_level_name(kk_log_level())),
	};
	for (int i = 1; i < KK_ROLES; i++) {
		info = kk_list_push(list, kk_schema_of_worker_info());
		if (!info)
			return KK_E_NOMEM;
		worker_describe(&sv->workers[i], info);
	}
	return 0;
}

int kk_supervisor_faults_arm(struct kk_supervisor *sv, const char *specification,
	struct kk_err *err)
{
	if (kk_fault_arm(specification, err) < 0)
		return kk_failed(err);
	free(sv->faults);
	sv->faults = kk_strdup(specification);
	for (int i = 1; i < KK_ROLES; i++) {
		/* What one test did to a worker is not held against the next. */
		sv->workers[i].backoff = (struct sv_backoff){0};
		faults_send(&sv->workers[i]);
	}
	return 0;
}

uint64_t kk_supervisor_op(struct kk_supervisor *sv)
{
	return ++sv->last_op;
}

uint64_t kk_supervisor_call(struct kk_supervisor *sv, uint64_t op, const char *method,
	const void *params, size_t len, const struct kk_peer *peer, kk_reply_f fn, void *arg)
{
	const struct kk_req_api_request req = {
		.method = (char *)method,
		.params = {.data = (uint8_t *)params, .len = len},
		.peer_pid = peer->pid,
		.peer_uid = peer->uid,
		.is_local = peer->is_local,
	};

	return kk_rpc_call(sv->rpc, KK_ROLE_reconciler, KK_MSG_api_request, &req, op, fn, arg);
}

void kk_supervisor_answered(struct kk_supervisor *sv, uint64_t op)
{
	static const struct kk_req_api_answered answered;

	(void)kk_rpc_event(sv->rpc, KK_ROLE_reconciler, KK_MSG_api_answered, &answered, op);
}

void kk_supervisor_draining(struct kk_supervisor *sv)
{
	static const struct kk_req_api_draining draining;

	(void)kk_rpc_event(sv->rpc, KK_ROLE_reconciler, KK_MSG_api_draining, &draining, 0);
}

void kk_supervisor_stop(struct kk_supervisor *sv, void (*fn)(void *arg), void *arg)
{
	sv->stopped_fn = fn;
	sv->stopped_arg = arg;
	for (int i = 1; i < KK_ROLES; i++)
		kk_timer_stop(sv->workers[i].restart_timer);
	sv->is_stopping = true;
	stop_next(sv);
}

void kk_supervisor_free(struct kk_supervisor *sv)
{
	if (!sv)
		return;
	sv->is_stopping = true;
	for (int i = 1; i < KK_ROLES; i++) {
		struct sv_worker *worker = &sv->workers[i];

		if (worker->pid > 0) {
			kill(worker->pid, SIGKILL);
			waitpid(worker->pid, NULL, 0);
		}
		sv_spawn_release(worker);
		kk_timer_free(worker->restart_timer);
		kk_timer_free(worker->ping_timer);
		kk_timer_free(worker->kill_timer);
		free(worker->last_death);
		kk_buf_release(&worker->last_words);
	}
	sv_route_release(sv);
	kk_rpc_free(sv->rpc);
	kk_watch_free(sv->child_watch);
	kk_closep(&sv->exe_fd);
	free(sv->instance);
	free(sv->runtime_dir);
	free(sv->nft_table);
	free(sv->crash_dir);
	free(sv->faults);
	free(sv);
}
