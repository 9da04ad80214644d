/* supervisor/backoff.h - when a dead worker is started again; no clock and no I/O of its own. */
#ifndef KK_SUPERVISOR_BACKOFF_H
#define KK_SUPERVISOR_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

enum {
	SV_BACKOFF_FIRST_MS = 50,
	SV_BACKOFF_MAX_MS = 5000,
	SV_BACKOFF_HEALTHY_MS = 30000, /* alive for so long: all is forgotten */
	SV_BACKOFF_WINDOW_MS = 30000,
	SV_BACKOFF_BURST = 5, /* more deaths in the window: degraded */
};

struct sv_backoff {
	int64_t deaths_ms[SV_BACKOFF_BURST + 1]; /* ring of the last ones that counted */
	unsigned n_deaths;
	int64_t delay_ms; /* before the start that follows the next death */
	unsigned n_restarts;
};

enum sv_death {
	SV_DEATH_CRASH,  /* its own doing, after it was ready */
	SV_DEATH_UNBORN, /* before it was ready */
	SV_DEATH_KILLED, /* someone else's SIGKILL hit a worker that was doing its job */
};

/* A worker that lived for @lived_ms died at @now_ms. Returns the delay in ms until it is started. */
int64_t sv_backoff_decide(struct sv_backoff *backoff, enum sv_death death, int64_t lived_ms,
	int64_t now_ms);

/* More than the burst of deaths lie in the window. */
bool sv_backoff_is_degraded(const struct sv_backoff *backoff, int64_t now_ms);

#endif
