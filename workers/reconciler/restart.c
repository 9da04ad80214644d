/* workers/reconciler/restart.c - restart policies: which container is owed a restart, and when. Pure.
 *
 * The first restart is due at once, the next ones after 1, 2, 4, … seconds, up to restartBackoffSeconds. Whoever ran
 * for HEALTHY_S begins anew. All of it is in the status of the container, so that it outlives this process. */
#include "rc.h"

#include <string.h>

#include <kukeon/clock.h>
#include <kukeon/mem.h>

enum { HEALTHY_S = 10, BACKOFF_S = 30, RETRIES = 5, DOUBLINGS_MAX = 30 };

#define SECOND INT64_C(1000000000)

/* With no limit: 0. */
static int64_t retries_max(const struct kk_container_spec *spec)
{
	if (!kk_str_equal(spec->restart_policy, "on-failure"))
		return 0;
	return spec->restart_max_retries.is_set ? spec->restart_max_retries.value : RETRIES;
}

static int64_t backoff_max(const struct kk_container_spec *spec)
{
	return (spec->restart_backoff_seconds.is_set ? spec->restart_backoff_seconds.value :
						       BACKOFF_S) *
		SECOND;
}

/* Documents of former versions may have any policy: what is not known is "always". */
static bool is_wanted_up(const struct kk_container_spec *spec,
	const struct kk_container_status *status)
{
	const char *policy = kk_str(spec->restart_policy);
	bool is_after_failure = *policy && strcmp(policy, "never") != 0;

	switch ((enum kk_container_state)status->state) {
	case KK_CONTAINER_EXITED:
		return is_after_failure && strcmp(policy, "on-failure") != 0;
	case KK_CONTAINER_ERROR:
	case KK_CONTAINER_STOPPED:
	case KK_CONTAINER_NOT_CREATED:
		return is_after_failure;
	case KK_CONTAINER_PENDING:
		/* A restart that was cut off. */
		return rc_restart_is_owed(status);
	default:
		return false;
	}
}

static int64_t delay_of(int64_t n_tries, int64_t max)
{
	int64_t delay;

	if (n_tries == 0)
		return 0;
	delay = SECOND << (n_tries - 1 < DOUBLINGS_MAX ? n_tries - 1 : DOUBLINGS_MAX);
	return delay < max ? delay : max;
}

static void owe(const struct kk_container_spec *spec, struct kk_container_status *status,
	int64_t now)
{
	struct kk_container_backoff *backoff = &status->backoff;
	int64_t began = status->start_time > status->restart_time ? status->start_time :
								    status->restart_time;
	/* No end is known of what somebody else took away. */
	int64_t ended = status->finish_time < began || status->finish_time == KK_TIME_ZERO ?
		now :
		status->finish_time;
	int64_t delay;

	backoff->next_time = KK_TIME_ZERO;
	if (began != KK_TIME_ZERO && ended - began >= HEALTHY_S * SECOND)
		backoff->n_tries = 0;
	backoff->max_tries = retries_max(spec);
	if (backoff->max_tries && backoff->n_tries >= backoff->max_tries)
		return;
	delay = delay_of(backoff->n_tries, backoff_max(spec));
	backoff->next_time = ended + delay;
	/* The clock may have been set since. */
	if (backoff->next_time > now + delay)
		backoff->next_time = now + delay;
}

/* A restart stays owed until the container was seen up, or has ended anew: whoever carries it out may die. */
static bool is_end_new(const struct kk_container_status *status)
{
	return status->backoff.next_time <= status->restart_time &&
		status->finish_time >= status->restart_time;
}

void rc_restart_update(struct kk_cell *cell, int64_t now)
{
	bool is_running = kk_str_equal(cell->intent.want, "running");

	for (size_t i = 0; i < cell->status.containers.n; i++) {
		struct kk_container_status *status = &cell->status.containers.items[i];
		const struct kk_container_spec *spec = kk_cell_container(cell, status->id);
		struct kk_container_backoff *backoff = &status->backoff;

		if (!is_running || !spec || !is_wanted_up(spec, status))
			backoff->next_time = KK_TIME_ZERO;
		else if (backoff->next_time == KK_TIME_ZERO || is_end_new(status) ||
			backoff->next_time > now + backoff_max(spec))
			owe(spec, status, now);
	}
}

bool rc_restart_is_owed(const struct kk_container_status *status)
{
	return status->backoff.next_time != KK_TIME_ZERO;
}

int64_t rc_restart_next(const struct kk_cell *cell)
{
	int64_t next = KK_TIME_ZERO;

	for (size_t i = 0; i < cell->status.containers.n; i++) {
		const struct kk_container_status *status = &cell->status.containers.items[i];

		if (rc_restart_is_owed(status) &&
			(next == KK_TIME_ZERO || status->backoff.next_time < next))
			next = status->backoff.next_time;
	}
	return next;
}

void rc_restart_take(struct kk_cell *cell, int64_t now, struct kk_strs *ids)
{
	for (size_t i = 0; i < cell->status.containers.n; i++) {
		struct kk_container_status *status = &cell->status.containers.items[i];

		if (!rc_restart_is_owed(status) || status->backoff.next_time > now)
			continue;
		status->backoff.n_tries++;
		status->restart_count++;
		status->restart_time = now;
		kk_strs_add(ids, status->id);
	}
}

void rc_restart_forget(struct kk_cell *cell)
{
	for (size_t i = 0; i < cell->status.containers.n; i++) {
		struct kk_container_backoff *backoff = &cell->status.containers.items[i].backoff;

		kk_container_backoff_release(backoff);
	}
}
