/* include/kukeon/envelope.h - the frame of every message between processes.
 *
 * On the wire: 4 bytes length, big-endian, then the msgpack array
 * [version, kind, type, id, op, source, target, generation, deadline_ms, body]. */
#ifndef KK_ENVELOPE_H
#define KK_ENVELOPE_H

#include <stddef.h>
#include <stdint.h>

#include <kukeon/err.h>

struct kk_buf;

enum {
	KK_ENVELOPE_VERSION = 1,
	KK_FRAME_HEADER = 4,
	KK_FRAME_MAX = 16 * 1024 * 1024, /* bytes behind the header */
	KK_ENVELOPE_OVERHEAD = 128,      /* what the envelope adds to its body, at most */
};

enum kk_envelope_kind {
	KK_ENVELOPE_REQUEST,
	KK_ENVELOPE_REPLY,
	KK_ENVELOPE_ERROR,
	KK_ENVELOPE_EVENT,
	KK_ENVELOPE_CANCEL,
	KK_ENVELOPE_PING,
	KK_ENVELOPE_PONG,
	KK_ENVELOPE_KINDS,
};

struct kk_envelope {
	unsigned kind;
	unsigned type;   /* enum kk_msg_id; 0 for cancel, ping and pong */
	uint64_t id;     /* of the request, unique per sender; a reply repeats it */
	uint64_t op;     /* the client request that all this belongs to */
	unsigned source; /* enum kk_role */
	unsigned target;
	unsigned generation; /* incarnation of the worker that a request is for, or that answers */
	int64_t deadline_ms; /* on kk_clock_ms; 0: none */
	const uint8_t *body; /* borrowed */
	size_t body_len;
};

const char *kk_envelope_kind_name(unsigned kind);

/* Append header and envelope. Fails with KK_E_NOMEM or KK_E_TOO_BIG. */
int kk_envelope_encode(const struct kk_envelope *env, struct kk_buf *buf);

/* Read the envelope of a frame (without its header). The body points into @data. Fails with
 * KK_E_PROTOCOL or KK_E_NOMEM. */
int kk_envelope_decode(const uint8_t *data, size_t len, struct kk_envelope *ret_env,
	struct kk_err *err);

/* Is there a whole frame at the start of @data? Returns 1 and the length behind the header, 0 if
 * bytes are missing, KK_E_TOO_BIG when it is longer than allowed or empty. */
int kk_frame_peek(const uint8_t *data, size_t len, size_t *ret_len);

#endif
