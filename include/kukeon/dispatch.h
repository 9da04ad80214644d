/* include/kukeon/dispatch.h - answering: the one place where requests become handler calls. */
#ifndef KK_DISPATCH_H
#define KK_DISPATCH_H

#include <stdbool.h>
#include <stddef.h>

#include <kukeon/envelope.h>
#include <kukeon/msg.h>
#include <kukeon/rpc.h>

/* A handler that will answer later returns this; it keeps the call and ends it with kk_call_end. */
enum { KK_LATER = 1 };

/* One request or event under way. */
struct kk_call {
	struct kk_call *next;
	struct kk_dispatch *dispatch;
	const struct kk_msg_row *row;
	const struct kk_handler *handler;
	void *req; /* decoded and checked, valid until the call ends */
	void *rep; /* zeroed; the handler fills it and the call releases it */
	struct kk_err err;
	int result;
	unsigned source;
	unsigned generation;
	uint64_t id;
	uint64_t op;
	int64_t deadline_ms;
	int64_t began_us;
	bool is_cancelled;
	bool is_running; /* its handler is */
	bool is_ended;   /* by its handler, while that ran */
	bool is_corrupt; /* a fault: its reply is to be garbled */
};

typedef int (*kk_handler_f)(struct kk_call *call, const void *req, void *rep, struct kk_err *err);

struct kk_handler {
	unsigned msg;
	kk_handler_f run;
	bool is_control; /* of the process itself: never refused as too much, never submitted */
};

struct kk_dispatch {
	const struct kk_handler *handlers;
	size_t n_handlers;
	enum kk_role self;
	kk_send_f send;
	void *arg;
	/* Where handlers run: NULL for right here; else it must run kk_call_run elsewhere and
	 * kk_call_finish in the loop's thread. Events and control always run right here. */
	void (*submit)(struct kk_call *call, void *arg);
	void *submit_arg;
	struct kk_call *calls; /* under way */
	size_t n_calls;
	size_t max_calls;
};

/* Take a request, event or cancel that came in. */
void kk_dispatch_take(struct kk_dispatch *dispatch, const struct kk_envelope *env);

/* For a submit function. */
void kk_call_run(struct kk_call *call);
void kk_call_finish(struct kk_call *call);

/* End a call whose handler returned KK_LATER: @err NULL for success with call->rep as filled. */
void kk_call_end(struct kk_call *call, const struct kk_err *err);

/* Rows of a handler table: declare, then list. The prototype makes a wrong type not compile. */
#define KK_HANDLER(name)                                               \
	{                                                              \
		KK_MSG_##name, (kk_handler_f)(void (*)(void))on_##name \
	}
#define KK_HANDLES(name)                                                     \
	int on_##name(struct kk_call *call, const struct kk_req_##name *req, \
		struct kk_rep_##name *rep, struct kk_err *err)
#define KK_HANDLES_EVENT(name)                                                          \
	int on_##name(struct kk_call *call, const struct kk_req_##name *req, void *rep, \
		struct kk_err *err)

#endif
