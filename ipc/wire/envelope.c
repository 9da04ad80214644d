/* ipc/wire/envelope.c */
#include <kukeon/envelope.h>

#include <string.h>

#include <msgpack.h>

#include <kukeon/buf.h>
#include <kukeon/msg.h>

#include "bound.h"

enum { ENVELOPE_FIELDS = 10 };

static const char *const kind_names[KK_ENVELOPE_KINDS] = {
	[KK_ENVELOPE_REQUEST] = "request",
	[KK_ENVELOPE_REPLY] = "reply",
	[KK_ENVELOPE_ERROR] = "error",
	[KK_ENVELOPE_EVENT] = "event",
	[KK_ENVELOPE_CANCEL] = "cancel",
	[KK_ENVELOPE_PING] = "ping",
	[KK_ENVELOPE_PONG] = "pong",
};

const char *kk_envelope_kind_name(unsigned kind)
{
	return kind < KK_ENVELOPE_KINDS ? kind_names[kind] : "unknown";
}

static int buf_write(void *data, const char *bytes, size_t len)
{
	return kk_buf_append(data, bytes, len);
}

int kk_envelope_encode(const struct kk_envelope *env, struct kk_buf *buf)
{
	size_t start = buf->len, len = KK_FRAME_HEADER + KK_ENVELOPE_OVERHEAD + env->body_len;
	msgpack_packer pk;

	if (env->body_len > KK_FRAME_MAX - KK_ENVELOPE_OVERHEAD)
		return KK_E_TOO_BIG;
	/* All in one reservation: the packing below can't fail half-way. */
	if (!kk_buf_reserve(buf, len))
		return buf->max && start + len > buf->max ? KK_E_TOO_BIG : KK_E_NOMEM;
	kk_buf_added(buf, KK_FRAME_HEADER);
	msgpack_packer_init(&pk, buf, buf_write);
	msgpack_pack_array(&pk, ENVELOPE_FIELDS);
	msgpack_pack_uint8(&pk, KK_ENVELOPE_VERSION);
	msgpack_pack_unsigned_int(&pk, env->kind);
	msgpack_pack_unsigned_int(&pk, env->type);
	msgpack_pack_uint64(&pk, env->id);
	msgpack_pack_uint64(&pk, env->op);
	msgpack_pack_unsigned_int(&pk, env->source);
	msgpack_pack_unsigned_int(&pk, env->target);
	msgpack_pack_unsigned_int(&pk, env->generation);
	msgpack_pack_int64(&pk, env->deadline_ms);
	msgpack_pack_bin(&pk, env->body_len);
	msgpack_pack_bin_body(&pk, env->body, env->body_len);
	len = buf->len - start - KK_FRAME_HEADER;
	for (int i = 0; i < KK_FRAME_HEADER; i++)
		buf->data[start + (size_t)i] = (uint8_t)(len >> (24 - 8 * i));
	return 0;
}

int kk_frame_peek(const uint8_t *data, size_t len, size_t *ret_len)
{
	size_t frame = 0;

	if (len < KK_FRAME_HEADER)
		return 0;
	for (int i = 0; i < KK_FRAME_HEADER; i++)
		frame = frame << 8 | data[i];
	if (frame == 0 || frame > KK_FRAME_MAX)
		return KK_E_TOO_BIG;
	*ret_len = frame;
	return len - KK_FRAME_HEADER >= frame;
}

static int read_uint(const msgpack_object *in, uint64_t max, uint64_t *ret)
{
	if (in->type != MSGPACK_OBJECT_POSITIVE_INTEGER || in->via.u64 > max)
		return -1;
	*ret = in->via.u64;
	return 0;
}

static int envelope_read(const msgpack_object *in, struct kk_envelope *env)
{
	uint64_t version, kind, type, source, target, generation, deadline;
	const msgpack_object *f = in->via.array.ptr;

	if (in->type != MSGPACK_OBJECT_ARRAY || in->via.array.size != ENVELOPE_FIELDS)
		return -1;
	if (read_uint(&f[0], KK_ENVELOPE_VERSION, &version) < 0 || version != KK_ENVELOPE_VERSION)
		return -1;
	if (read_uint(&f[1], KK_ENVELOPE_KINDS - 1, &kind) < 0 ||
		read_uint(&f[2], UINT16_MAX, &type) < 0 ||
		read_uint(&f[3], UINT64_MAX, &env->id) < 0 ||
		read_uint(&f[4], UINT64_MAX, &env->op) < 0 ||
		read_uint(&f[5], KK_ROLES - 1, &source) < 0 ||
		read_uint(&f[6], KK_ROLES - 1, &target) < 0 ||
		read_uint(&f[7], UINT32_MAX, &generation) < 0 ||
		read_uint(&f[8], INT64_MAX, &deadline) < 0 || f[9].type != MSGPACK_OBJECT_BIN)
		return -1;
	env->kind = (unsigned)kind;
	env->type = (unsigned)type;
	env->source = (unsigned)source;
	env->target = (unsigned)target;
	env->generation = (unsigned)generation;
	env->deadline_ms = (int64_t)deadline;
	return 0;
}

int kk_envelope_decode(const uint8_t *data, size_t len, struct kk_envelope *ret_env,
	struct kk_err *err)
{
	msgpack_unpack_return unpacked = MSGPACK_UNPACK_PARSE_ERROR;
	struct kk_envelope env = {0};
	msgpack_unpacked result;
	size_t offset = 0;
	int r = -1;

	msgpack_unpacked_init(&result);
	if (kk_msgpack_fits(data, len))
		unpacked = msgpack_unpack_next(&result, (const char *)data, len, &offset);
	if (unpacked == MSGPACK_UNPACK_SUCCESS && offset == len &&
		envelope_read(&result.data, &env) == 0) {
		/* The body is the last field, so it ends where the frame ends. */
		env.body_len = result.data.via.array.ptr[ENVELOPE_FIELDS - 1].via.bin.size;
		env.body = data + len - env.body_len;
		r = 0;
	}
	msgpack_unpacked_destroy(&result);
	if (unpacked == MSGPACK_UNPACK_NOMEM_ERROR)
		return kk_fail(err, KK_E_NOMEM, "no memory for a frame of %zu bytes", len);
	if (r < 0)
		return kk_fail(err, KK_E_PROTOCOL, "a frame of %zu bytes is no envelope", len);
	*ret_env = env;
	return 0;
}
