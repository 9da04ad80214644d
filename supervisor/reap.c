/* supervisor/reap.c - SIGCHLD to obituary to restart decision. */
#include "sv.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <kukeon/auto.h>
#include <kukeon/clock.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>
#include <kukeon/worker.h>

static void death_describe(int status, char *buf, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(buf, size, "signal %d (%s)", WTERMSIG(status),
			sigdescr_np(WTERMSIG(status)));
	else
		snprintf(buf, size, "exit status %d", WEXITSTATUS(status));
}

static enum sv_death death_judge(const struct sv_worker *worker, int status)
{
	if (!worker->was_useful)
		return SV_DEATH_UNBORN;
	/* SIGKILL is never a worker's own doing, unless it was ours for its silence. */
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && !worker->is_condemned)
		return SV_DEATH_KILLED;
	return SV_DEATH_CRASH;
}

static void obituary(const struct sv_worker *worker, pid_t pid, const char *how, const char *report,
	int64_t delay_ms)
{
	const struct kk_msg_row *row = kk_msg_row(worker->last_type);

	kk_warning("the %s worker died: %s, restarting in %lld ms pid=%d worker_gen=%u "
		   "uptime_ms=%lld last_msg=%s restarts=%u report=%s",
		kk_role_name(worker->role), how, (long long)delay_ms, (int)pid, worker->generation,
		(long long)(kk_clock_ms() - worker->started_ms), row ? row->name : "none",
		worker->backoff.n_restarts, report ? report : "none");
}

static void death_remember(struct sv_worker *worker, const char *how, const char *report)
{
	free(worker->last_death);
	worker->last_death = report ? kk_printf("%s, report %s", how, report) : kk_strdup(how);
}

static void worker_bury(struct sv_worker *worker, enum sv_blame blame, const char *how)
{
	worker->is_ready = false;
	worker->is_condemned = false;
	worker->is_innocent = false;
	worker->is_replaced = false;
	worker->pinged_ms = 0;
	sv_route_dead(worker, blame, how);
}

static void worker_buried(struct sv_worker *worker, int status)
{
	struct kk_supervisor *sv = worker->sv;
	int64_t now = kk_clock_ms(), delay;
	pid_t pid = worker->pid;
	kk_auto_free char *report = NULL;
	enum sv_death death;
	char how[96];

	death_describe(status, how, sizeof how);
	/* What it said before it died counts. */
	worker->pid = 0;
	if (worker->chan)
		kk_chan_drain(worker->chan);
	sv_spawn_release(worker);
	death = death_judge(worker, status);
	kk_timer_stop(worker->ping_timer);
	kk_timer_stop(worker->kill_timer);
	worker->died_us = kk_clock_us();
	if (worker->is_stopping || sv->is_stopping) {
		kk_debug("the %s worker ended: %s", kk_role_name(worker->role), how);
		worker->is_ready = false;
		sv_route_dead(worker, SV_BLAME_NOBODY, how);
		return;
	}
	if (worker->is_replaced) {
		kk_info("the %s worker makes room for its successor: %s pid=%d worker_gen=%u",
			kk_role_name(worker->role), how, (int)pid, worker->generation);
		worker_bury(worker, SV_BLAME_NOBODY, how);
		sv_worker_start(worker);
		return;
	}
	delay = sv_backoff_decide(&worker->backoff, death, now - worker->started_ms, now);
	/* This build can't work with us: no haste will change that. */
	if (WIFEXITED(status) && WEXITSTATUS(status) == KK_WORKER_INCOMPATIBLE)
		delay = SV_BACKOFF_MAX_MS;
	report = sv_crash_report(worker, pid, how);
	obituary(worker, pid, how, report, delay);
	death_remember(worker, how, report);
	worker_bury(worker,
		death == SV_DEATH_KILLED || worker->is_innocent ? SV_BLAME_KILLER : SV_BLAME_WORKER,
		worker->last_death ? worker->last_death : how);
	if (delay == 0)
		sv_worker_start(worker);
	else
		sv_worker_start_later(worker, delay);
}

void sv_reap_all(struct kk_supervisor *sv)
{
	for (int i = 1; i < KK_ROLES; i++) {
		struct sv_worker *worker = &sv->workers[i];
		int status;

		/* By pid: an embedding program has children of its own. */
		if (worker->pid > 0 && waitpid(worker->pid, &status, WNOHANG) == worker->pid)
			worker_buried(worker, status);
	}
}

void sv_worker_kill(struct sv_worker *worker, int signo, const char *why)
{
	if (worker->pid <= 0)
		return;
	kk_warning("sending %s to the %s worker: %s pid=%d",
		signo == SIGKILL ? "SIGKILL" : "SIGABRT", kk_role_name(worker->role), why,
		(int)worker->pid);
	worker->is_condemned = true;
	worker->is_ready = false;
	kill(worker->pid, signo);
	/* Stopped, it would take any other signal only when it goes on. */
	kill(worker->pid, SIGCONT);
}
