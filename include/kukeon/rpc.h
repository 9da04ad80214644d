/* include/kukeon/rpc.h - asking: requests that wait for their replies, with deadlines and cancel. */
#ifndef KK_RPC_H
#define KK_RPC_H

#include <stddef.h>
#include <stdint.h>

#include <kukeon/envelope.h>
#include <kukeon/msg.h>

struct kk_loop;
struct kk_rpc;

enum {
	KK_RPC_PENDING_MAX = 65536,
	KK_RPC_GARBLED_MAX = 3,
};

/* Exactly one of @rep and @err is not NULL; both are borrowed. */
typedef void (*kk_reply_f)(const void *rep, const struct kk_err *err, void *arg);

/* How envelopes leave: a channel, or in the supervisor its router. 0 or a negative code. */
typedef int (*kk_send_f)(const struct kk_envelope *env, void *arg);

/* NULL: out of memory. */
struct kk_rpc *kk_rpc_new(struct kk_loop *loop, enum kk_role self, kk_send_f send, void *arg);
void kk_rpc_free(struct kk_rpc *rpc); /* pending callbacks are not called */

/* A reply of this incarnation of @role can't be read. The request is sent again behind the call, to
 * whoever takes its place, until KK_RPC_GARBLED_MAX replies were of no use. */
typedef void (*kk_garbled_f)(enum kk_role role, unsigned generation, void *arg);
void kk_rpc_on_garbled(struct kk_rpc *rpc, kk_garbled_f fn, void *arg);

/* Send the request @msg with body @req (struct kk_req_…) to @target. @fn is called exactly once,
 * later; also when sending failed or the deadline passed. Returns the request's id; 0: out of memory, and
 * @fn will not be called. */
uint64_t kk_rpc_call(struct kk_rpc *rpc, enum kk_role target, unsigned msg, const void *req,
	uint64_t op, kk_reply_f fn, void *arg);

/* Wait for the reply to a request that an earlier process of this role has sent: its id is @env's, which
 * also has the body, should it have to be sent again. Later requests have higher ids. Fails with KK_E_NOMEM;
 * then @fn is not called. */
int kk_rpc_resume(struct kk_rpc *rpc, const struct kk_envelope *env, kk_reply_f fn, void *arg);

/* The highest id that was used. */
uint64_t kk_rpc_last_id(const struct kk_rpc *rpc);
void kk_rpc_set_last_id(struct kk_rpc *rpc, uint64_t id);

/* Forget the request and tell the target; its callback is not called. */
void kk_rpc_cancel(struct kk_rpc *rpc, uint64_t id);

/* Send the event @msg. Returns 0 or a negative code. */
int kk_rpc_event(struct kk_rpc *rpc, enum kk_role target, unsigned msg, const void *req,
	uint64_t op);

/* Give it a reply or error that came in. Late and unknown ones are dropped and counted. */
void kk_rpc_take(struct kk_rpc *rpc, const struct kk_envelope *env);

size_t kk_rpc_pending(const struct kk_rpc *rpc);
uint64_t kk_rpc_dropped(const struct kk_rpc *rpc);

/* Encode and decode the body of an error envelope. */
int kk_error_encode(const struct kk_err *error, struct kk_buf *buf);
void kk_error_decode(const struct kk_envelope *env, struct kk_err *ret_error);

#endif
