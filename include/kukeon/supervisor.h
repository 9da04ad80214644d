/* include/kukeon/supervisor.h - the supervisor as kukeond runs it and as kuke embeds it. */
#ifndef KK_SUPERVISOR_H
#define KK_SUPERVISOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kukeon/config.h>
#include <kukeon/rpc.h>

struct kk_loop;
struct kk_supervisor;

/* @config is borrowed for the whole life. Workers of an embedded supervisor start when a request
 * first needs them; otherwise kk_supervisor_start starts all. NULL with @err set on failure. */
struct kk_supervisor *kk_supervisor_new(struct kk_loop *loop, const struct kk_config *config,
	bool is_embedded, struct kk_err *err);
int kk_supervisor_start(struct kk_supervisor *sv, struct kk_err *err);

/* A new operation id. */
uint64_t kk_supervisor_op(struct kk_supervisor *sv);

/* One API call, which is the operation @op. @params is JSON, borrowed. @fn gets struct kk_rep_api_request;
 * where that is noted, follow with kk_supervisor_answered. */
struct kk_peer {
	int64_t pid;
	int64_t uid;
	bool is_local; /* the embedding process itself */
};
uint64_t kk_supervisor_call(struct kk_supervisor *sv, uint64_t op, const char *method,
	const void *params, size_t len, const struct kk_peer *peer, kk_reply_f fn, void *arg);

/* Whoever asked has the answer of @op: what was noted for its repetition can go. */
void kk_supervisor_answered(struct kk_supervisor *sv, uint64_t op);

/* Ask the workers to finish and end, in reverse order of their start; @fn is called when all are
 * gone (killed, if they have not gone within the limit). */
void kk_supervisor_stop(struct kk_supervisor *sv, void (*fn)(void *arg), void *arg);

/* Tell all workers the log levels that the configuration now states. */
void kk_supervisor_levels_apply(struct kk_supervisor *sv);

/* Arm faults in this process, in all workers and in those to come, see <kukeon/fault.h>. @specification is
 * copied. Fails with KK_E_USAGE; then all is as before. */
int kk_supervisor_faults_arm(struct kk_supervisor *sv, const char *specification,
	struct kk_err *err);

void kk_supervisor_free(struct kk_supervisor *sv);

#endif
