/* tests/fuzz/fuzz_frame.c - a stream of frames: what decodes can be sent on unchanged. */
#include "fuzz.h"

#include <kukeon/envelope.h>

static void same_envelope(const struct kk_envelope *a, const struct kk_envelope *b)
{
	fuzz_require(a->kind == b->kind && a->type == b->type);
	fuzz_require(a->id == b->id && a->op == b->op);
	fuzz_require(a->source == b->source && a->target == b->target);
	fuzz_require(a->generation == b->generation && a->deadline_ms == b->deadline_ms);
	fuzz_require(a->body_len == b->body_len);
	fuzz_require(a->body_len == 0 || memcmp(a->body, b->body, a->body_len) == 0);
}

static void envelope_check(const uint8_t *data, size_t len)
{
	struct kk_envelope env, again;
	kk_auto_buf frame = {0};
	struct kk_err err = {0};
	size_t frame_len = 0;

	if (kk_envelope_decode(data, len, &env, &err) < 0) {
		fuzz_require(err.code == KK_E_PROTOCOL);
		return;
	}
	fuzz_require(env.body_len <= len && env.body >= data &&
		env.body + env.body_len <= data + len);
	fuzz_require(kk_envelope_encode(&env, &frame) == 0);
	fuzz_require(frame.len <= KK_FRAME_HEADER + KK_ENVELOPE_OVERHEAD + env.body_len);
	fuzz_require(kk_frame_peek(frame.data, frame.len, &frame_len) == 1);
	fuzz_require(frame_len == frame.len - KK_FRAME_HEADER);
	fuzz_require(kk_frame_peek(frame.data, frame.len - 1, &frame_len) == 0);
	fuzz_require(kk_envelope_decode(frame.data + KK_FRAME_HEADER, frame_len, &again, &err) ==
		0);
	same_envelope(&env, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len;

	while (kk_frame_peek(data, size, &len) == 1) {
		fuzz_require(len > 0 && len <= size - KK_FRAME_HEADER);
		envelope_check(data + KK_FRAME_HEADER, len);
		data += KK_FRAME_HEADER + len;
		size -= KK_FRAME_HEADER + len;
	}
	return 0;
}
