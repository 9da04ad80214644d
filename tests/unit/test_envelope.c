/* tests/unit/test_envelope.c */
#include <string.h>

#include <kukeon/buf.h>
#include <kukeon/envelope.h>
#include <kukeon/msg.h>

#include "../support/check.h"
#include "../support/sample.h"

enum { SEED = 20260102, RANDOM_FRAMES = 20000 };

static const uint8_t body[] = {0x93, 0x01, 0xa2, 'h', 'i', 0xc0};

static const struct kk_envelope typical = {
	.kind = KK_ENVELOPE_REQUEST,
	.type = KK_MSG_cgroup_ensure,
	.id = 4711,
	.op = 0x123456789abcdefULL,
	.source = KK_ROLE_reconciler,
	.target = KK_ROLE_cgroup,
	.generation = 3,
	.deadline_ms = 123456789,
	.body = body,
	.body_len = sizeof body,
};

static void check_same(const struct kk_envelope *got, const struct kk_envelope *want)
{
	ck_assert_uint_eq(got->kind, want->kind);
	ck_assert_uint_eq(got->type, want->type);
	ck_assert_uint_eq(got->id, want->id);
	ck_assert_uint_eq(got->op, want->op);
	ck_assert_uint_eq(got->source, want->source);
	ck_assert_uint_eq(got->target, want->target);
	ck_assert_uint_eq(got->generation, want->generation);
	ck_assert_int_eq(got->deadline_ms, want->deadline_ms);
	ck_assert_uint_eq(got->body_len, want->body_len);
	if (want->body_len)
		ck_assert_mem_eq(got->body, want->body, want->body_len);
}

/* Decode what must be one whole frame. */
static void unframe(const struct kk_buf *buf, struct kk_envelope *ret_env)
{
	struct kk_err err = {0};
	size_t len = 0;

	ck_assert_int_eq(kk_frame_peek(buf->data, buf->len, &len), 1);
	ck_assert_uint_eq(len, buf->len - KK_FRAME_HEADER);
	check_ok(kk_envelope_decode(buf->data + KK_FRAME_HEADER, len, ret_env, &err), &err);
}

START_TEST(every_kind_goes_both_ways)
{
	static const char *const names[KK_ENVELOPE_KINDS] = {
		"request", "reply", "error", "event", "cancel", "ping", "pong"};

	for (unsigned kind = 0; kind < KK_ENVELOPE_KINDS; kind++) {
		struct kk_envelope env = typical, got;
		kk_auto_buf buf = {0};

		env.kind = kind;
		check_code(kk_envelope_encode(&env, &buf), 0);
		unframe(&buf, &got);
		check_same(&got, &env);
		ck_assert_str_eq(kk_envelope_kind_name(kind), names[kind]);
	}
	ck_assert_str_eq(kk_envelope_kind_name(KK_ENVELOPE_KINDS), "unknown");
}
END_TEST

START_TEST(smallest_and_largest_values_go_both_ways)
{
	static const struct kk_envelope least = {0};
	const struct kk_envelope most = {
		.kind = KK_ENVELOPE_KINDS - 1,
		.type = UINT16_MAX,
		.id = UINT64_MAX,
		.op = UINT64_MAX,
		.source = KK_ROLES - 1,
		.target = KK_ROLES - 1,
		.generation = UINT32_MAX,
		.deadline_ms = INT64_MAX,
		.body = body,
		.body_len = sizeof body,
	};
	struct kk_envelope got;
	kk_auto_buf buf = {0};

	check_code(kk_envelope_encode(&least, &buf), 0);
	unframe(&buf, &got);
	check_same(&got, &least);
	kk_buf_clear(&buf);
	check_code(kk_envelope_encode(&most, &buf), 0);
	ck_assert_uint_le(buf.len, KK_FRAME_HEADER + KK_ENVELOPE_OVERHEAD + sizeof body);
	unframe(&buf, &got);
	check_same(&got, &most);
}
END_TEST

START_TEST(largest_body_fits_one_frame)
{
	struct kk_envelope env = typical, got;
	kk_auto_free uint8_t *large = kk_xalloc(KK_FRAME_MAX);
	kk_auto_buf buf = {0};

	memset(large, 0xab, KK_FRAME_MAX);
	env.body = large;
	env.body_len = KK_FRAME_MAX - KK_ENVELOPE_OVERHEAD;
	check_code(kk_envelope_encode(&env, &buf), 0);
	ck_assert_uint_le(buf.len, KK_FRAME_HEADER + KK_FRAME_MAX);
	unframe(&buf, &got);
	check_same(&got, &env);
	kk_buf_clear(&buf);
	env.body_len++;
	check_code(kk_envelope_encode(&env, &buf), KK_E_TOO_BIG);
	ck_assert_uint_eq(buf.len, 0);
}
END_TEST

START_TEST(envelope_that_does_not_fit_leaves_the_buffer_as_before)
{
	kk_auto_buf buf;

	kk_buf_init(&buf, KK_FRAME_HEADER + KK_ENVELOPE_OVERHEAD + sizeof body);
	check_code(kk_envelope_encode(&typical, &buf), 0);
	check_code(kk_buf_append(&buf, "rest", 4), 0);
	for (int i = 0; i < 3; i++) {
		size_t len = buf.len;

		check_code(kk_envelope_encode(&typical, &buf), KK_E_TOO_BIG);
		ck_assert_uint_eq(buf.len, len);
		ck_assert_mem_eq(buf.data + len - 4, "rest", 4);
	}
}
END_TEST

START_TEST(frames_line_up_behind_each_other)
{
	kk_auto_buf buf = {0};
	size_t done = 0;

	for (unsigned i = 0; i < 5; i++) {
		struct kk_envelope env = typical;

		env.id = i;
		env.body_len = i;
		check_code(kk_envelope_encode(&env, &buf), 0);
	}
	for (unsigned i = 0; i < 5; i++) {
		struct kk_envelope got;
		struct kk_err err = {0};
		size_t len;

		ck_assert_int_eq(kk_frame_peek(buf.data + done, buf.len - done, &len), 1);
		check_ok(kk_envelope_decode(buf.data + done + KK_FRAME_HEADER, len, &got, &err),
			&err);
		ck_assert_uint_eq(got.id, i);
		ck_assert_uint_eq(got.body_len, i);
		done += KK_FRAME_HEADER + len;
	}
	ck_assert_uint_eq(done, buf.len);
	ck_assert_int_eq(kk_frame_peek(buf.data + done, 0, &done), 0);
}
END_TEST

START_TEST(cut_frame_waits_for_more)
{
	kk_auto_buf buf = {0};
	size_t len = 4711;

	check_code(kk_envelope_encode(&typical, &buf), 0);
	for (size_t cut = 0; cut < buf.len; cut++)
		ck_assert_int_eq(kk_frame_peek(buf.data, cut, &len), 0);
	ck_assert_int_eq(kk_frame_peek(buf.data, buf.len, &len), 1);
	ck_assert_uint_eq(len, buf.len - KK_FRAME_HEADER);
	check_code(kk_buf_append(&buf, "more", 4), 0);
	ck_assert_int_eq(kk_frame_peek(buf.data, buf.len, &len), 1);
	ck_assert_uint_eq(len, buf.len - KK_FRAME_HEADER - 4);
}
END_TEST

START_TEST(length_out_of_range_is_told_from_the_header_alone)
{
	static const struct {
		uint8_t header[KK_FRAME_HEADER];
		int want;
	} frames[] = {
		{{0, 0, 0, 0}, KK_E_TOO_BIG},
		{{0, 0, 0, 1}, 0},
		{{0x01, 0, 0, 0}, 0},
		{{0x01, 0, 0, 1}, KK_E_TOO_BIG},
		{{0x40, 0, 0, 0}, KK_E_TOO_BIG},
		{{0x80, 0, 0, 0}, KK_E_TOO_BIG},
		{{0xff, 0xff, 0xff, 0xff}, KK_E_TOO_BIG},
		{{'G', 'E', 'T', ' '}, KK_E_TOO_BIG},
	};
	size_t len;

	for (size_t i = 0; i < KK_COUNT(frames); i++)
		check_code(kk_frame_peek(frames[i].header, KK_FRAME_HEADER, &len), frames[i].want);
}
END_TEST

START_TEST(cut_envelope_is_refused)
{
	kk_auto_buf buf = {0};

	check_code(kk_envelope_encode(&typical, &buf), 0);
	for (size_t cut = 0; cut < buf.len - KK_FRAME_HEADER; cut++) {
		kk_auto_free uint8_t *data = kk_xalloc(cut);
		kk_auto_free char *want = kk_xprintf("a frame of %zu bytes is no envelope", cut);
		struct kk_envelope got = {.id = 42};
		struct kk_err err = {0};

		memcpy(data, buf.data + KK_FRAME_HEADER, cut);
		check_code(kk_envelope_decode(data, cut, &got, &err), KK_E_PROTOCOL);
		check_error(&err, KK_E_PROTOCOL, want);
		ck_assert_uint_eq(got.id, 42);
	}
}
END_TEST

START_TEST(bytes_behind_the_envelope_are_refused)
{
	struct kk_envelope got;
	struct kk_err err = {0};
	kk_auto_buf buf = {0};

	check_code(kk_envelope_encode(&typical, &buf), 0);
	check_code(kk_buf_char(&buf, '\xc0'), 0);
	check_code(kk_envelope_decode(buf.data + KK_FRAME_HEADER, buf.len - KK_FRAME_HEADER, &got,
			   &err),
		KK_E_PROTOCOL);
}
END_TEST

START_TEST(values_out_of_range_are_refused)
{
	struct kk_envelope wrong[6];

	for (size_t i = 0; i < KK_COUNT(wrong); i++)
		wrong[i] = typical;
	wrong[0].kind = KK_ENVELOPE_KINDS;
	wrong[1].type = UINT16_MAX + 1;
	wrong[2].source = KK_ROLES;
	wrong[3].target = KK_ROLES;
	wrong[4].deadline_ms = -1;
	wrong[5].kind = UINT32_MAX;
	for (size_t i = 0; i < KK_COUNT(wrong); i++) {
		struct kk_envelope got;
		struct kk_err err = {0};
		kk_auto_buf buf = {0};

		check_code(kk_envelope_encode(&wrong[i], &buf), 0);
		check_code(kk_envelope_decode(buf.data + KK_FRAME_HEADER, buf.len - KK_FRAME_HEADER,
				   &got, &err),
			KK_E_PROTOCOL);
	}
}
END_TEST

/* The second byte of the envelope is the version. */
START_TEST(other_versions_are_refused)
{
	kk_auto_buf buf = {0};

	check_code(kk_envelope_encode(&typical, &buf), 0);
	ck_assert_uint_eq(buf.data[KK_FRAME_HEADER + 1], KK_ENVELOPE_VERSION);
	for (unsigned version = 0; version < 0x80; version++) {
		struct kk_envelope got;
		struct kk_err err = {0};

		buf.data[KK_FRAME_HEADER + 1] = (uint8_t)version;
		check_code(kk_envelope_decode(buf.data + KK_FRAME_HEADER, buf.len - KK_FRAME_HEADER,
				   &got, &err),
			version == KK_ENVELOPE_VERSION ? 0 : KK_E_PROTOCOL);
	}
}
END_TEST

/* Whatever a peer sends is either an envelope within its bounds or refused. */
static void check_decode(const uint8_t *data, size_t len)
{
	kk_auto_free uint8_t *exact = kk_xalloc(len);
	struct kk_envelope got;
	struct kk_err err = {0};

	/* Its own allocation, so that reading behind the end is found. */
	memcpy(exact, data, len);
	if (kk_envelope_decode(exact, len, &got, &err) < 0) {
		check_code(err.code, KK_E_PROTOCOL);
		return;
	}
	check_code(err.code, 0);
	ck_assert_uint_lt(got.kind, KK_ENVELOPE_KINDS);
	ck_assert_uint_lt(got.source, KK_ROLES);
	ck_assert_uint_lt(got.target, KK_ROLES);
	ck_assert_int_ge(got.deadline_ms, 0);
	ck_assert_uint_le(got.body_len, len);
	ck_assert_ptr_eq(got.body + got.body_len, exact + len);
}

START_TEST(any_byte_may_be_any_other)
{
	kk_auto_buf buf = {0};

	check_code(kk_envelope_encode(&typical, &buf), 0);
	for (size_t i = KK_FRAME_HEADER; i < buf.len; i++) {
		uint8_t right = buf.data[i];

		for (unsigned wrong = 0; wrong < 256; wrong++) {
			if (sample_byte_is_dear(wrong))
				continue;
			buf.data[i] = (uint8_t)wrong;
			check_decode(buf.data + KK_FRAME_HEADER, buf.len - KK_FRAME_HEADER);
		}
		buf.data[i] = right;
	}
}
END_TEST

START_TEST(random_bytes_are_refused)
{
	struct sample sample = {.state = SEED};
	uint8_t data[64];

	for (unsigned i = 0; i < RANDOM_FRAMES; i++) {
		size_t len = sample_below(&sample, sizeof data + 1);

		for (size_t k = 0; k < len; k++)
			data[k] = sample_byte(&sample);
		check_decode(data, len);
	}
}
END_TEST

/* The right number of fields, of any type. */
START_TEST(random_fields_are_refused)
{
	struct sample sample = {.state = SEED};
	uint8_t data[64];

	for (unsigned i = 0; i < RANDOM_FRAMES; i++) {
		size_t len = 2 + sample_below(&sample, sizeof data - 1);

		data[0] = 0x9a;
		data[1] = KK_ENVELOPE_VERSION;
		for (size_t k = 2; k < len; k++)
			data[k] = sample_byte(&sample);
		check_decode(data, len);
	}
}
END_TEST

/* The library asks for the memory of all items before it looks for the first. */
START_TEST(huge_counts_are_refused)
{
	static const uint8_t frames[][6] = {
		{0xdd, 0xff, 0xff, 0xff, 0xff, 0x01},
		{0xdf, 0xff, 0xff, 0xff, 0xff, 0x01},
		{0xdd, 0x80, 0x00, 0x00, 0x00, 0x01},
		{0xdd, 0x00, 0xff, 0xff, 0xff, 0x01},
		{0x9a, 0xdd, 0xff, 0xff, 0xff, 0xff},
		{0x9a, 0xc6, 0xff, 0xff, 0xff, 0xff},
		{0x9a, 0xdb, 0xff, 0xff, 0xff, 0xff},
	};

	for (size_t i = 0; i < KK_COUNT(frames); i++) {
		struct kk_envelope got;
		struct kk_err err = {0};

		check_code(kk_envelope_decode(frames[i], sizeof frames[i], &got, &err),
			KK_E_PROTOCOL);
	}
}
END_TEST

START_TEST(deep_nesting_is_refused)
{
	kk_auto_free uint8_t *data = kk_xalloc(100000);

	memset(data, 0x91, 100000);
	check_decode(data, 100000);
}
END_TEST

CHECK_MAIN("envelope", every_kind_goes_both_ways, smallest_and_largest_values_go_both_ways,
	largest_body_fits_one_frame, envelope_that_does_not_fit_leaves_the_buffer_as_before,
	frames_line_up_behind_each_other, cut_frame_waits_for_more,
	length_out_of_range_is_told_from_the_header_alone, cut_envelope_is_refused,
	bytes_behind_the_envelope_are_refused, values_out_of_range_are_refused,
	other_versions_are_refused, any_byte_may_be_any_other, random_bytes_are_refused,
	random_fields_are_refused, huge_counts_are_refused, deep_nesting_is_refused)
