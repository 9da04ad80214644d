/* include/kukeon/worker.h - what every worker is: one start-up order, one loop, a table of handlers. */
#ifndef KK_WORKER_H
#define KK_WORKER_H

#include <kukeon/dispatch.h>
#include <kukeon/loop.h>
#include <kukeon/msg.h>
#include <kukeon/rpc.h>

/* The line to the supervisor, and what is lent to all workers: by kuke a file, by a kukeond that has another root the
 * root of the host. */
enum { KK_WORKER_FD = 3, KK_WORKER_LENT_FD };

/* The exit status of a worker that can't work with this supervisor: their builds differ. */
enum { KK_WORKER_INCOMPATIBLE = 78 };

struct kk_worker {
	const struct kk_worker_def *def;
	struct kk_loop *loop;
	struct kk_chan *chan;
	struct kk_rpc *rpc;
	struct kk_dispatch dispatch;
	struct kk_req_worker_start config;
	struct kk_call *stopping; /* a worker_stop that waits for the other calls */
	bool is_started;
};

struct kk_worker_def {
	enum kk_role role;
	const struct kk_handler *handlers;
	size_t n_handlers;
	size_t max_calls;
	/* Called once worker->config is there, before READY is sent. A failure ends the process. */
	int (*start)(struct kk_worker *worker, struct kk_err *err);
	/* Called when worker_stop came and the last call has ended; may be NULL. */
	void (*stop)(struct kk_worker *worker);
};

/* Run a worker until its supervisor ends it. Returns the exit status. */
int kk_worker_main(const struct kk_worker_def *def);

#endif
