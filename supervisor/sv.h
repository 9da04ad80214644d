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
#include "handover.h"

enum {
	SV_PING_MS = 1000, /* at the most; several pings fit into a heartbeat limit */
	SV_PINGS_PER_LIMIT = 5,
	SV_ABORT_MS = 500,      /* from SIGABRT to SIGKILL */
	SV_HANG_UP_MS = 100,    /* from the end of its channel to SIGKILL, should it still live */
	SV_STOP_MS = 5000,      /* what a worker has for its drain */
	SV_REPLACE_MS = 200,    /* the same, of one that its successor waits for */
	SV_FLIGHTS_MAX = 16384, /* requests under way, over all workers */
	SV_TRACES = 32,         /* last messages of a worker that are remembered */
	SV_TAIL = 8192,         /* last bytes of its log */
	SV_LAST_WORDS_MAX = 16384,
	SV_POISON_DEATHS = 3, /* own crashes of its worker that a request survives */
	/* Deaths by someone else's SIGKILL that it survives: a lack of memory is no such death, since each worker
	 * has a limit of its own and tells when it is met. */
	SV_POISON_KILLS = 100,
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

/* A message to or from a worker, for its obituary. */
struct sv_trace {
	int64_t at_us;
	uint64_t id;
	uint64_t op;
	uint16_t type;
	uint8_t kind;
	uint8_t peer;
	bool is_sent; /* to the worker */
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
	bool is_stopping;
	bool is_condemned; /* we sent the signal ourselves */
	bool is_innocent;  /* and what is under way has no part in it */
	bool is_waiting;   /* for the restart timer */
	bool was_useful;   /* answered something since it was ready */
	bool is_old;       /* a supervisor before us started it, from another image perhaps */
	bool is_replaced;  /* we end it to start its successor */
	char *last_death;  /* how and when an earlier incarnation ended; NULL: none did */
	bool is_behind;    /* requests wait for room in its channel */
	struct sv_backoff backoff;
	struct kk_timer *restart_timer;
	struct kk_timer *ping_timer;
	struct kk_timer *kill_timer;
	int64_t started_ms;
	int64_t ready_ms;
	int64_t died_us;
	int64_t pinged_ms;  /* when the ping went out that has no answer yet; 0: none */
	unsigned last_type; /* message it was sent last, for the obituary */
	struct sv_trace traces[SV_TRACES]; /* ring */
	unsigned n_traces;
	char tail[SV_TAIL]; /* ring */
	size_t n_tail;
	struct kk_buf last_words; /* of what it says when a fault ends it */
	uint64_t n_stale;         /* messages of older incarnations and late ones, dropped */
};

struct kk_supervisor {
	struct kk_loop *loop;
	struct kk_config *config;
	int64_t started_ms;  /* the first of this process */
	unsigned generation; /* of this process: one more with each reload */
	bool is_embedded;
	bool is_stopping;
	int exe_fd;  /* O_PATH on the running image */
	int lent_fd; /* that workers inherit; -1: none */
	char *instance;
	char *runtime_dir;
	char *nft_table;
	char *crash_dir;
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
	void (*followed_fn)(void *arg);
	void *followed_arg;
};

/* spawn.c: signals as a program expects to find them, in a child before its exec. */
void sv_signals_reset(void);
/* Start the role in a process of its own; fills pid, chan and stderr of @worker. */
int sv_spawn(struct sv_worker *worker, struct kk_err *err);
int sv_spawn_open_image(struct kk_err *err);     /* a descriptor */
void sv_spawn_release(struct sv_worker *worker); /* channel and log of a dead one */
/* Channel and log of a worker that runs already. Takes both descriptors over. */
int sv_spawn_adopt(struct sv_worker *worker, int line_fd, int log_fd, struct kk_err *err);

/* reap.c: deaths, and what follows from them. */
void sv_reap_all(struct kk_supervisor *sv);
void sv_worker_kill(struct sv_worker *worker, int signo, const char *why);

/* crash.c */
void sv_trace_add(struct sv_worker *worker, const struct kk_envelope *env, bool is_sent);
void sv_tail_add(struct sv_worker *worker, const char *line, size_t len);
/* Write the report of a death: its path, which the caller frees; NULL: it could not be written. */
char *sv_crash_report(const struct sv_worker *worker, pid_t pid, const char *how);

/* supervisor.c */
void sv_worker_start(struct sv_worker *worker);
void sv_worker_start_pings(struct sv_worker *worker);
void sv_reply_ignore(const void *rep, const struct kk_err *err, void *arg);
void sv_worker_start_later(struct sv_worker *worker, int64_t delay_ms);
void sv_worker_on_message(struct kk_chan *chan, const struct kk_envelope *env, void *arg);

/* route.c: requests, replies and events on their way. */
int sv_route_own(const struct kk_envelope *env, void *arg);
void sv_route_from_worker(struct sv_worker *worker, const struct kk_envelope *env);
void sv_route_ready(struct sv_worker *worker);
/* Whose doing the death was: what a request that had its part in several is blamed for. */
enum sv_blame { SV_BLAME_NOBODY, SV_BLAME_KILLER, SV_BLAME_WORKER };
void sv_route_dead(struct sv_worker *worker, enum sv_blame blame, const char *how);
void sv_route_garbled(enum kk_role role, unsigned generation, void *arg); /* for its own rpc */
void sv_route_release(struct kk_supervisor *sv);
/* A request that is under way; NULL: none of @source has this id. */
const struct sv_flight *sv_route_find(const struct kk_supervisor *sv, unsigned source, uint64_t id);
int sv_route_export(const struct kk_supervisor *sv, struct sv_handover *handover);
void sv_route_describe(const struct sv_flight *flight, struct kk_handover_flight *ret_flight);
/* Go on with one. Fails with KK_E_NOMEM. */
int sv_route_resume(struct kk_supervisor *sv, const struct kk_handover_flight *from,
	const void *body, size_t len);

/* succession.c: workers of a supervisor before us. */

/* The next one has its turn, or all had it. */
void sv_follow_next(struct kk_supervisor *sv);

#endif
