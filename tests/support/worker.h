/* tests/support/worker.h - one worker process, talked to as the supervisor and the reconciler do. */
#ifndef KK_SUPPORT_WORKER_H
#define KK_SUPPORT_WORKER_H

#include <stdint.h>
#include <sys/types.h>

#include <kukeon/err.h>
#include <kukeon/msg.h>

struct ts_worker;

/* What a worker of this run is started with; a test may change it. */
struct kk_req_worker_start ts_worker_config(void);

/* Start the process as role, give it its configuration (NULL: as above), wait until it is ready. All
 * failures of these functions are failures of the test. */
struct ts_worker *ts_worker_start(enum kk_role role, const struct kk_req_worker_start *config);
void ts_worker_stop(struct ts_worker *worker); /* worker_stop; it must end with status 0 */
void ts_worker_kill(struct ts_worker *worker); /* SIGKILL */
pid_t ts_worker_pid(const struct ts_worker *worker);

/* Send a request in the name of whoever may send it. @limit_ms: its deadline; 0: as the table has it. */
uint64_t ts_worker_send(struct ts_worker *worker, unsigned msg, const void *req, int64_t limit_ms);

/* Wait for its answer. The reply is kept until the program ends. NULL: an error, in @err, which may be
 * NULL where an error fails the test. */
const void *ts_worker_wait(struct ts_worker *worker, uint64_t id, struct kk_err *err);
bool ts_worker_has(struct ts_worker *worker, uint64_t id); /* without waiting */

/* The oldest event of this kind that was not taken yet; waits @limit_ms for one. NULL: none came. */
const void *ts_worker_event(struct ts_worker *worker, unsigned msg, int64_t limit_ms);

/* TS_ASK(worker, cgroup_get, .path = path): the reply to a request that must succeed. */
#define TS_ASK(worker, name, ...)                                                                 \
	((const struct kk_rep_##name *)ts_worker_wait((worker),                                   \
		ts_worker_send((worker), KK_MSG_##name, &(struct kk_req_##name){__VA_ARGS__}, 0), \
		NULL))

/* The code of one that must fail; its text is in *@err. */
#define TS_REFUSED(worker, err, name, ...)                                                        \
	ts_worker_refused((worker),                                                               \
		ts_worker_send((worker), KK_MSG_##name, &(struct kk_req_##name){__VA_ARGS__}, 0), \
		(err))
int ts_worker_refused(struct ts_worker *worker, uint64_t id, struct kk_err *err);

#define TS_SEND(worker, name, ...) \
	ts_worker_send((worker), KK_MSG_##name, &(struct kk_req_##name){__VA_ARGS__}, 0)

#define TS_EVENT(worker, name, limit_ms) \
	((const struct kk_req_##name *)ts_worker_event((worker), KK_MSG_##name, (limit_ms)))

/* A request's strings are never written to. */
#define S(text) ((char *)(text))

/* Text of an error, frames joined. */
const char *ts_err_text(const struct kk_err *err);

#endif
