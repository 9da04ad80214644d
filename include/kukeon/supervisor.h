/* include/kukeon/supervisor.h - the supervisor as kukeond runs it and as kuke embeds it. */
#ifndef KK_SUPERVISOR_H
#define KK_SUPERVISOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kukeon/config.h>
#include <kukeon/rpc.h>

struct kk_handover_call;
struct kk_handover_flight;
struct kk_loop;
struct kk_supervisor;
struct sv_handover;

/* @config is borrowed for the whole life, only its log levels are written. Workers of an embedded supervisor start when a request
 * first needs them; otherwise kk_supervisor_start starts all. NULL with @err set on failure. */
struct kk_supervisor *kk_supervisor_new(struct kk_loop *loop, struct kk_config *config,
	bool is_embedded, struct kk_err *err);
int kk_supervisor_start(struct kk_supervisor *sv, struct kk_err *err);

/* Workers that start from now on inherit @fd as KK_WORKER_LENT_FD. It stays the caller's. */
void kk_supervisor_lend(struct kk_supervisor *sv, int fd);

/* A new operation id. */
uint64_t kk_supervisor_op(struct kk_supervisor *sv);

/* One API call, which is the operation @op. @params is JSON, borrowed. @fn gets struct kk_rep_api_request;
 * where that is noted, follow with kk_supervisor_answered. Returns its id; 0: out of memory, and @fn will not be
 * called. */
struct kk_peer {
	int64_t pid;
	int64_t uid;
	bool is_local; /* the embedding process itself */
};
uint64_t kk_supervisor_call(struct kk_supervisor *sv, uint64_t op, const char *method,
	const void *params, size_t len, const struct kk_peer *peer, kk_reply_f fn, void *arg);

/* Whoever asked has the answer of @op: what was noted for its repetition can go. */
void kk_supervisor_answered(struct kk_supervisor *sv, uint64_t op);
/* No more calls will come: those that wait for something to happen need not wait. */
void kk_supervisor_draining(struct kk_supervisor *sv);

/* Ask the workers to finish and end, in reverse order of their start; @fn is called when all are
 * gone (killed, if they have not gone within the limit). */
void kk_supervisor_stop(struct kk_supervisor *sv, void (*fn)(void *arg), void *arg);

/* Append a struct kk_worker_info for the supervisor and each worker. Fails with KK_E_NOMEM. */
int kk_supervisor_describe(const struct kk_supervisor *sv, struct kk_list *list);

/* Another log level for one process, until the configuration is read again. */
void kk_supervisor_level_set(struct kk_supervisor *sv, enum kk_role role, int level);

/* Tell all workers the log levels that the configuration now states. */
void kk_supervisor_levels_apply(struct kk_supervisor *sv);

/* Arm faults in this process, in all workers and in those to come, see <kukeon/fault.h>. @specification is
 * copied. Fails with KK_E_USAGE; then all is as before. */
int kk_supervisor_faults_arm(struct kk_supervisor *sv, const char *specification,
	struct kk_err *err);

/* Bury those who are dead, or about to be. */
void kk_supervisor_settle(struct kk_supervisor *sv);

/* Describe the workers and all that is under way between them. Fails with KK_E_NOMEM. */
int kk_supervisor_export(const struct kk_supervisor *sv, struct sv_handover *handover);

/* Describe the request @id of kk_supervisor_call; one that is answered already has no id then. Fails with
 * KK_E_NOMEM. */
int kk_supervisor_export_call(const struct kk_supervisor *sv, uint64_t id,
	struct kk_handover_flight *ret_flight, struct sv_handover *handover);

/* Instead of kk_supervisor_start: go on with what another supervisor has described. */
int kk_supervisor_resume(struct kk_supervisor *sv, struct sv_handover *handover,
	struct kk_err *err);

/* Wait for the answer of a call that another supervisor has taken. Fails with KK_E_NOMEM or KK_E_BUSY; then
 * @fn is not called. */
int kk_supervisor_resume_call(struct kk_supervisor *sv, const struct kk_handover_call *call,
	const void *params, const struct kk_peer *peer, kk_reply_f fn, void *arg);

/* Replace the workers that were taken over, one at a time; @fn is called when the last is ready. */
void kk_supervisor_follow(struct kk_supervisor *sv, void (*fn)(void *arg), void *arg);

void kk_supervisor_free(struct kk_supervisor *sv);

#endif
