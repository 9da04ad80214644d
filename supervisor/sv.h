/* supervisor/sv.h - the supervisor's own structures. */
#ifndef KK_SUPERVISOR_SV_H
#define KK_SUPERVISOR_SV_H

#include <sys/types.h>

#include <kukeon/buf.h>
#include <kukeon/chan.h>
#include <kukeon/config.h>
#include <kukeon/loop.h>
#include <kukeon/msg.h>
#include <kukeon/rpc.h>
#include <kukeon/supervisor.h>

#include "backoff.h"

enum {
	SV_PING_MS = 1000, /* at the most; several pings fit into a heartbeat limit */
	SV_PINGS_PER_LIMIT = 5,
	SV_ABORT_MS = 500,      /* from SIGABRT to SIGKILL */
	SV_HANG_UP_MS = 100,    /* from the end of its channel to SIGKILL, should it still live */
	SV_STOP_MS = 5000,      /* what a worker has for its drain */
	SV_FLIGHTS_MAX = 16384, /* requests under way, over all workers */
	SV_POISON_DEATHS = 3,   /* own crashes of its worker that a request survives */
	SV_POISON_KILLS = 30,   /* deaths by someone else's SIGKILL that it survives */
};

/* A request that is not answered yet, kept whole so that it can be sent again. */
struct sv_flight {
	struct sv_flight *next;
	struct kk_envelope env; /* body points to the bytes behind this struct */
	unsigned source_generation;
	unsigned sent_generation; /* incarnation of the target that has it; 0: none yet */
	int n_deaths;
	int n_kills;
};

struct sv_worker {
	struct kk_supervisor *sv;
	enum kk_role role;
	pid_t pid; /* 0: none */
	unsigned generation;
	struct kk_chan *chan;
	struct kk_watch *stderr_watch;
	int stderr_fd;
	struct kk_buf stderr_buf;
	bool is_ready;
	bool is_wanted;
	bool is_stopping;
	bool is_condemned; /* we sent the signal ourselves */
	bool is_waiting;   /* for the restart timer */
	bool was_useful;   /* answered something since it was ready */
	struct sv_backoff backoff;
	struct kk_timer *restart_timer;
	struct kk_timer *ping_timer;
	struct kk_timer *kill_timer;
	int64_t started_ms;
	int64_t ready_ms;
	int64_t died_us;
	int64_t pinged_ms;  /* when the ping went out that has no answer yet; 0: none */
	unsigned last_type; /* message it was sent last, for the obituary */
	uint64_t n_stale;   /* messages of older incarnations and late ones, dropped */
};

struct kk_supervisor {
	struct kk_loop *loop;
	const struct kk_config *config;
	bool is_embedded;
	bool is_stopping;
	int exe_fd; /* O_PATH on the running image */
	char *instance;
	char *runtime_dir;
	char *nft_table;
	char *faults;                       /* what new workers are to arm; NULL: nothing */
	struct sv_worker workers[KK_ROLES]; /* [0] unused */
	struct sv_flight *flights;          /* oldest first */
	struct sv_flight **flights_end;
	size_t n_flights;
	struct kk_rpc *rpc; /* the supervisor's own requests */
	struct kk_watch *child_watch;
	uint64_t last_op;
	void (*stopped_fn)(void *arg);
	void *stopped_arg;
};

/* spawn.c: start the role in a process of its own; fills pid, chan and stderr of @worker. */
int sv_spawn(struct sv_worker *worker, struct kk_err *err);
int sv_spawn_open_image(struct kk_err *err);     /* a descriptor */
void sv_spawn_release(struct sv_worker *worker); /* channel and log of a dead one */

/* reap.c: deaths, and what follows from them. */
void sv_reap_all(struct kk_supervisor *sv);
void sv_worker_kill(struct sv_worker *worker, int signo, const char *why);

/* supervisor.c */
void sv_worker_start(struct sv_worker *worker);
void sv_worker_start_later(struct sv_worker *worker, int64_t delay_ms);
void sv_worker_on_message(struct kk_chan *chan, const struct kk_envelope *env, void *arg);

/* route.c: requests, replies and events on their way. */
int sv_route_own(const struct kk_envelope *env, void *arg);
void sv_route_from_worker(struct sv_worker *worker, const struct kk_envelope *env);
void sv_route_ready(struct sv_worker *worker);
void sv_route_dead(struct sv_worker *worker, bool is_own_fault, const char *how);
void sv_route_garbled(enum kk_role role, unsigned generation, void *arg); /* for its own rpc */
void sv_route_release(struct kk_supervisor *sv);

#endif
