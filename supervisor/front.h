/* supervisor/front.h - the API socket: accept, peer credentials, limits, requests and responses. */
#ifndef KK_SUPERVISOR_FRONT_H
#define KK_SUPERVISOR_FRONT_H

#include <stdint.h>

#include <kukeon/err.h>

struct kk_loop;
struct kk_supervisor;
struct sv_front;
struct sv_handover;

enum {
	SV_CLIENTS_MAX = 1000,
	SV_FDS_RESERVED = 32,      /* that no client gets: a worker that dies must be replaced */
	SV_CLIENT_CALLS_MAX = 128, /* of one connection, at once */
	SV_CALLS_MANY = 256,       /* of all connections: from here on, each has one at a time */
	SV_REQUEST_MAX = 12 * 1024 * 1024, /* bytes of one request */
	SV_METHOD_MAX = 512,               /* bytes of a method's name, as in msg_reconciler.def */
	SV_REQUEST_SMALL = 16 * 1024, /* a larger one waits for its turn, when there are many */
	SV_CALLS_BYTES_MAX = 16 * 1024 * 1024, /* bytes of those under way; one may be alone */
	SV_RESPONSES_MAX = 64 * 1024 * 1024,   /* bytes a client may leave unread */
	SV_BUFFERS_MAX = 256 * 1024 * 1024,    /* bytes of all clients' buffers */
	SV_HALF_REQUEST_MS = 30000,            /* from a request's first byte to its last */
};

/* Listen at @path, readable by root and, when positive, the group @gid. NULL with @err set. */
struct sv_front *sv_front_new(struct kk_loop *loop, struct kk_supervisor *sv, const char *path,
	int64_t gid, struct kk_err *err);

/* Describe the listener, the connections and the calls. Fails with KK_E_NOMEM. */
int sv_front_export(const struct sv_front *front, struct sv_handover *handover);

/* Instead of sv_front_new: go on with what another supervisor has described. @path is where it listens. */
struct sv_front *sv_front_resume(struct kk_loop *loop, struct kk_supervisor *sv, const char *path,
	struct sv_handover *handover, struct kk_err *err);

/* @fn is called when a client asks for a reload; it is answered by sv_front_reloaded. */
void sv_front_on_reload(struct sv_front *front, void (*fn)(void *arg), void *arg);

/* Answer all who asked for a reload: with @err, or as done when it is NULL. */
void sv_front_reloaded(struct sv_front *front, const struct kk_err *err);

/* Take no new connections and requests; @fn is called when the last response is out, or at once. */
void sv_front_drain(struct sv_front *front, void (*fn)(void *arg), void *arg);

void sv_front_free(struct sv_front *front); /* removes the socket */

#endif
