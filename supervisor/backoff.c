/* supervisor/backoff.c */
#include "backoff.h"

#include <string.h>

static void death_record(struct sv_backoff *backoff, int64_t now_ms)
{
	backoff->deaths_ms[backoff->n_deaths % (SV_BACKOFF_BURST + 1)] = now_ms;
	backoff->n_deaths++;
}

int64_t sv_backoff_decide(struct sv_backoff *backoff, enum sv_death death, int64_t lived_ms,
	int64_t now_ms)
{
	int64_t delay;

	if (lived_ms >= SV_BACKOFF_HEALTHY_MS) {
		backoff->delay_ms = 0;
		backoff->n_deaths = 0;
		memset(backoff->deaths_ms, 0, sizeof backoff->deaths_ms);
	}
	backoff->n_restarts++;
	/* Whoever kills healthy workers from outside learns nothing about the worker: no patience
	 * is needed, and requests must not suffer from it. */
	if (death == SV_DEATH_KILLED)
		return 0;
	death_record(backoff, now_ms);
	if (death == SV_DEATH_UNBORN)
		death_record(backoff, now_ms);
	delay = backoff->delay_ms;
	if (delay == 0 && death == SV_DEATH_UNBORN)
		delay = SV_BACKOFF_FIRST_MS;
	backoff->delay_ms = delay ? delay * 2 : SV_BACKOFF_FIRST_MS;
	if (backoff->delay_ms > SV_BACKOFF_MAX_MS)
		backoff->delay_ms = SV_BACKOFF_MAX_MS;
	return delay;
}

bool sv_backoff_is_degraded(const struct sv_backoff *backoff, int64_t now_ms)
{
	int64_t oldest;

	if (backoff->n_deaths <= SV_BACKOFF_BURST)
		return false;
	oldest = backoff->deaths_ms[backoff->n_deaths % (SV_BACKOFF_BURST + 1)];
	return now_ms - oldest < SV_BACKOFF_WINDOW_MS;
}
