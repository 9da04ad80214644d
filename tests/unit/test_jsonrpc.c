/* tests/unit/test_jsonrpc.c - requests out of a stream of JSON values, and the answers to them. */
#include "../../supervisor/jsonrpc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kukeon/auto.h>
#include <kukeon/buf.h>
#include <kukeon/err.h>
#include <kukeon/mem.h>

#include "../support/check.h"

#define MISSING_PARAMS "jsonrpc: request body missing params"
#define FFFD "\xef\xbf\xbd"

/* --- the scanner --- */

/* What a client may send one behind the other; blanks in front belong to the value. */
static const char *const values[] = {
	"{}",
	"{\"method\":\"KukeonV1.Ping\",\"params\":[{}],\"id\":0}",
	"\n{\"a\":\"}\"}",
	" \t\r\n{\"a\":\"\\\"}\",\"b\":\"\\\\\"}",
	"{\n  \"a\": [\n    {\n      \"b\": []\n    },\n    \"]{[\"\n  ]\n}",
	"{\"a\\\"}{\":\"\\\\\\\"\"}",
	"\n{\"a\":[[[{}]]],\"b\":\"\\u007d\"}",
	"{\"\":\"\"}",
};

struct stream {
	struct sv_json_scanner scanner;
	struct kk_buf in;
	size_t n_found;
};

/* More bytes have come: take out what is complete, as the front does. */
static void stream_feed(struct stream *stream, const char *data, size_t len)
{
	kk_buf_append(&stream->in, data, len);
	for (;;) {
		/* Of exactly the length that is known, so that a look beyond it is noticed. */
		kk_auto_free uint8_t *copy = kk_xalloc(stream->in.len);
		const char *value = values[stream->n_found % KK_COUNT(values)];
		int64_t n;

		memcpy(copy, kk_str((char *)stream->in.data), stream->in.len);
		n = sv_json_scan(&stream->scanner, copy, stream->in.len);
		if (n == 0)
			break;
		ck_assert_int_eq(n, (int64_t)strlen(value));
		ck_assert_int_eq(memcmp(copy, value, (size_t)n), 0);
		kk_buf_consume(&stream->in, (size_t)n);
		stream->n_found++;
	}
}

static char *stream_text(void)
{
	struct kk_buf text = {0};

	for (size_t i = 0; i < KK_COUNT(values); i++)
		kk_buf_str(&text, values[i]);
	return kk_buf_take(&text);
}

START_TEST(a_stream_may_be_cut_anywhere)
{
	kk_auto_free char *text = stream_text();
	size_t len = strlen(text);

	for (size_t cut = 0; cut <= len; cut++) {
		struct stream stream = {0};

		stream_feed(&stream, text, cut);
		stream_feed(&stream, text + cut, len - cut);
		ck_assert_uint_eq(stream.n_found, KK_COUNT(values));
		ck_assert_uint_eq(stream.in.len, 0);
		kk_buf_release(&stream.in);
	}
}
END_TEST

START_TEST(a_stream_may_come_in_pieces_of_any_size)
{
	kk_auto_free char *text = stream_text();
	size_t len = strlen(text);

	for (size_t size = 1; size <= len; size++) {
		struct stream stream = {0};

		for (size_t done = 0; done < len; done += size)
			stream_feed(&stream, text + done, len - done < size ? len - done : size);
		ck_assert_uint_eq(stream.n_found, KK_COUNT(values));
		kk_buf_release(&stream.in);
	}
}
END_TEST

static int64_t scan(struct sv_json_scanner *scanner, const char *text)
{
	return sv_json_scan(scanner, (const uint8_t *)text, strlen(text));
}

START_TEST(half_a_value_waits)
{
	static const char text[] = "{\"a\":[\"\\\"\",{\"b\":\"}\"}]}";

	for (size_t len = 0; len < sizeof text - 1; len++) {
		struct sv_json_scanner scanner = {0};
		kk_auto_free uint8_t *copy = kk_xalloc(len);

		memcpy(copy, text, len);
		ck_assert_int_eq(sv_json_scan(&scanner, copy, len), 0);
		ck_assert_uint_eq(scanner.scanned, len);
	}
}
END_TEST

START_TEST(what_was_seen_is_not_looked_at_again)
{
	struct sv_json_scanner scanner = {0};

	ck_assert_int_eq(scan(&scanner, "{\"a\":"), 0);
	/* The first five bytes are others now, which only a second look could notice. */
	ck_assert_int_eq(scan(&scanner, "]]]]]1}"), 7);
}
END_TEST

START_TEST(blanks_alone_are_no_value_yet)
{
	struct sv_json_scanner scanner = {0};

	ck_assert_int_eq(scan(&scanner, " \t\r\n"), 0);
	ck_assert_int_eq(scan(&scanner, " \t\r\n{}"), 6);
}
END_TEST

/* {"a":[{…},[],[],…]} with @n values or one less: what is in strings does not count. */
static char *flat(size_t n)
{
	struct kk_buf text = {0};

	kk_buf_str(&text, "{\"a\":[{\"s\":\",,,[[[{{{\"}");
	for (size_t i = 3; i + 2 <= n; i += 2)
		kk_buf_str(&text, ",[]");
	kk_buf_str(&text, "]}");
	return kk_buf_take(&text);
}

START_TEST(values_are_counted)
{
	kk_auto_free char *most = flat(SV_VALUES_MAX), *more = flat(SV_VALUES_MAX + 2);
	struct sv_json_scanner scanner = {0};

	ck_assert_int_eq(scan(&scanner, most), (int64_t)strlen(most));
	/* Each value of a stream anew. */
	ck_assert_int_eq(scan(&scanner, most), (int64_t)strlen(most));
	ck_assert_int_eq(scan(&scanner, more), SV_SCAN_TOO_LARGE);
}
END_TEST

static const char *const no_objects[] = {"[]", "[{}]", "\"x\"", "1", "-", "true", "null", "}", "]",
	"\xef\xbb\xbf{}", "\v{}", "GET / HTTP/1.1", ",{}", "\xff"};

START_TEST(a_value_that_is_no_object_is_refused)
{
	struct sv_json_scanner bare = {0}, behind_blanks = {0};
	kk_auto_free char *text = kk_xprintf(" \n%s", no_objects[_i]);

	ck_assert_int_eq(scan(&bare, no_objects[_i]), SV_SCAN_BROKEN);
	ck_assert_int_eq(scan(&behind_blanks, text), SV_SCAN_BROKEN);
}
END_TEST

START_TEST(a_zero_byte_is_no_blank)
{
	struct sv_json_scanner scanner = {0};

	ck_assert_int_eq(sv_json_scan(&scanner, (const uint8_t *)"\0{}", 3), SV_SCAN_BROKEN);
}
END_TEST

/* --- requests --- */

/* Parse exactly these bytes, from memory that ends with them. */
static int parse_bytes(const void *data, size_t len, struct sv_request *ret_request)
{
	kk_auto_free uint8_t *copy = kk_xalloc(len);

	memcpy(copy, data, len);
	return sv_request_parse(copy, len, ret_request);
}

static int parse(const char *text, struct sv_request *ret_request)
{
	return parse_bytes(text, strlen(text), ret_request);
}

START_TEST(a_request_has_method_id_and_first_parameter)
{
	struct sv_request request;

	ck_assert_int_eq(parse(" {\"method\":\"KukeonV1.GetRealm\",\"params\":[{\"Doc\": {}}],"
			       "\"id\":7}",
				 &request),
		0);
	ck_assert_str_eq(request.method, "KukeonV1.GetRealm");
	ck_assert_str_eq(request.id, "7");
	ck_assert_str_eq(request.params, "{\"Doc\":{}}");
	ck_assert_uint_eq(request.params_len, strlen(request.params));
	ck_assert_pstr_eq(request.error, NULL);
	sv_request_release(&request);
	ck_assert_ptr_null(request.method);
	sv_request_release(&request);
}
END_TEST

START_TEST(members_that_are_unknown_are_ignored)
{
	struct sv_request request;

	ck_assert_int_eq(parse("{\"jsonrpc\":\"2.0\",\"x\":[{}],\"params\":[{}],\"id\":1,"
			       "\"method\":\"A.B\"}",
				 &request),
		0);
	ck_assert_str_eq(request.method, "A.B");
	ck_assert_pstr_eq(request.error, NULL);
	sv_request_release(&request);
}
END_TEST

static const struct {
	const char *member;
	int result;
} methods[] = {
	{"", 0},
	{"\"method\":null,", 0},
	{"\"method\":\"\",", 0},
	{"\"method\":7,", -1},
	{"\"method\":true,", -1},
	{"\"method\":[\"A.B\"],", -1},
	{"\"method\":{},", -1},
};

START_TEST(a_method_is_a_string_or_nothing)
{
	kk_auto_free char *text = kk_xprintf("{%s\"params\":[{}],\"id\":1}", methods[_i].member);
	struct sv_request request = {0};

	ck_assert_int_eq(parse(text, &request), methods[_i].result);
	if (methods[_i].result == 0)
		ck_assert_str_eq(request.method, "");
	else
		ck_assert_ptr_null(request.id);
	sv_request_release(&request);
}
END_TEST

static const char *const ids[] = {"0", "1", "-1", "9223372036854775807", "-9223372036854775808",
	"1.5", "\"\"", "\"seven\"", "\"\xc3\xa9 \\\" \\\\ \\n \\u0001 \\u0000\"", "null", "true",
	"false", "[]", "[1,\"a\",null,[2]]", "{}", "{\"b\":{\"a\":[true]},\"a\":1}"};

START_TEST(an_id_comes_back_as_it_was)
{
	kk_auto_free char *text = kk_xprintf("{\"id\":%s,\"params\":[]}", ids[_i]);
	struct sv_request request;

	ck_assert_int_eq(parse(text, &request), 0);
	ck_assert_str_eq(request.id, ids[_i]);
	sv_request_release(&request);
}
END_TEST

START_TEST(an_id_that_misses_is_null)
{
	struct sv_request request;

	ck_assert_int_eq(parse("{\"method\":\"A.B\",\"params\":[]}", &request), 0);
	ck_assert_str_eq(request.id, "null");
	sv_request_release(&request);
}
END_TEST

static const struct {
	const char *member;
	const char *params;
	const char *error;
} params[] = {
	{"", NULL, MISSING_PARAMS},
	{",\"params\":null", NULL, MISSING_PARAMS},
	{",\"params\":[]", NULL, NULL},
	{",\"params\":[null]", NULL, NULL},
	{",\"params\":[null,{\"a\":1}]", NULL, NULL},
	{",\"params\":[{}]", "{}", NULL},
	{",\"params\":[ {\"a\" : 1 }, 2, [3]]", "{\"a\":1}", NULL},
	{",\"params\":[{\"b\":1,\"a\":2}]", "{\"b\":1,\"a\":2}", NULL},
	{",\"params\":[7]", "7", NULL},
	{",\"params\":[\"x\"]", "\"x\"", NULL},
	{",\"params\":[[1]]", "[1]", NULL},
	{",\"params\":[{\"a\":\"\\u003c\\u2028\"}]", "{\"a\":\"<\xe2\x80\xa8\"}", NULL},
	{",\"params\":[{\"a\":\"\\ud83d\\ude00\"}]", "{\"a\":\"\xf0\x9f\x98\x80\"}", NULL},
	{",\"params\":[{\"a\":\"x\\u0000y\"}]", "{\"a\":\"x\\u0000y\"}", NULL},
};

START_TEST(the_first_parameter_counts)
{
	kk_auto_free char *text = kk_xprintf("{\"method\":\"A.B\",\"id\":3%s}", params[_i].member);
	struct sv_request request;

	ck_assert_int_eq(parse(text, &request), 0);
	ck_assert_pstr_eq(request.params, params[_i].params);
	ck_assert_pstr_eq(request.error, params[_i].error);
	ck_assert_str_eq(request.id, "3");
	sv_request_release(&request);
}
END_TEST

static const char *const no_arrays[] = {"{}", "{\"a\":1}", "\"x\"", "1", "true"};

START_TEST(parameters_that_are_no_array_are_answered_with_an_error)
{
	kk_auto_free char *text =
		kk_xprintf("{\"method\":\"A.B\",\"id\":3,\"params\":%s}", no_arrays[_i]);
	struct sv_request request;

	ck_assert_int_eq(parse(text, &request), 0);
	ck_assert_ptr_null(request.params);
	ck_assert(kk_str_starts(request.error, "json: cannot unmarshal "));
	ck_assert(kk_str_ends(request.error, " into Go value of type [1]interface {}"));
	ck_assert_str_eq(request.id, "3");
	sv_request_release(&request);
}
END_TEST

static const struct {
	const char *bytes;
	const char *repaired;
} broken[] = {
	{"\xff", FFFD},
	{"a\x80z", "a" FFFD "z"},
	{"\xc3(", FFFD "("},
	{"\xe2\x82", FFFD FFFD},
	{"\xc0\xaf", FFFD FFFD},
	{"\xe0\x9f\xbf", FFFD FFFD FFFD},
	{"\xed\xa0\x80", FFFD FFFD FFFD},
	{"\xf0\x8f\xbf\xbf", FFFD FFFD FFFD FFFD},
	{"\xf4\x90\x80\x80", FFFD FFFD FFFD FFFD},
	{"\xf5\x80", FFFD FFFD},
	{"\xc3\xa9\xff\xf0\x9f\x98\x80", "\xc3\xa9" FFFD "\xf0\x9f\x98\x80"},
};

START_TEST(bytes_that_are_no_text_become_replacement_characters)
{
	const char *bytes = broken[_i].bytes, *repaired = broken[_i].repaired;
	kk_auto_free char *text =
		kk_xprintf("{\"method\":\"%s\",\"id\":\"%s\",\"params\":[{\"%s\":1}]}", bytes,
			bytes, bytes);
	kk_auto_free char *id = kk_xprintf("\"%s\"", repaired);
	kk_auto_free char *first = kk_xprintf("{\"%s\":1}", repaired);
	struct sv_request request;

	ck_assert_int_eq(parse(text, &request), 0);
	ck_assert_str_eq(request.method, repaired);
	ck_assert_str_eq(request.id, id);
	ck_assert_str_eq(request.params, first);
	sv_request_release(&request);
}
END_TEST

static const char *const no_requests[] = {"", "[]", "[{\"method\":\"A.B\"}]", "1", "null",
	"{\"method\":\"A.B\",}", "{'method':'A.B'}", "{\"method\" \"A.B\"}", "{]", "{\"a\":[}",
	"{\"a\":01}", "{\"a\":\"\n\"}", "{\"a\":\"\\x\"}", "{\"a\":\"\\u12\"}", "{\"a\":tru}",
	"{} {}", "{}x", "{\xff\"a\":1}", "{\"a\":1\xff}"};

START_TEST(what_is_no_request_closes_the_connection)
{
	struct sv_request request = {0};

	ck_assert_int_eq(parse(no_requests[_i], &request), -1);
	ck_assert_ptr_null(request.method);
	ck_assert_ptr_null(request.id);
	ck_assert_ptr_null(request.params);
}
END_TEST

START_TEST(a_raw_zero_byte_closes_the_connection)
{
	static const char text[] = "{\"method\":\"A\0B\",\"params\":[]}";
	struct sv_request request = {0};

	ck_assert_int_eq(parse_bytes(text, sizeof text - 1, &request), -1);
}
END_TEST

static char *nested(size_t depth)
{
	struct kk_buf text = {0};

	kk_buf_str(&text, "{\"method\":\"A.B\",\"id\":1,\"params\":[");
	for (size_t i = 0; i < depth; i++)
		kk_buf_char(&text, '[');
	for (size_t i = 0; i < depth; i++)
		kk_buf_char(&text, ']');
	kk_buf_str(&text, "]}");
	return kk_buf_take(&text);
}

START_TEST(nesting_beyond_reason_is_refused)
{
	/* A request has two levels of its own. */
	kk_auto_free char *deep = nested(SV_DEPTH_MAX - 1), *deepest = nested(1000000);
	struct sv_json_scanner scanner = {0}, deepest_scanner = {0};
	struct sv_request request = {0};

	ck_assert_int_eq(scan(&scanner, deep), SV_SCAN_BROKEN);
	ck_assert_int_eq(parse(deep, &request), -1);
	ck_assert_int_eq(scan(&deepest_scanner, deepest), SV_SCAN_BROKEN);
	ck_assert_int_eq(parse(deepest, &request), -1);
}
END_TEST

START_TEST(nesting_within_reason_is_taken)
{
	kk_auto_free char *text = nested(SV_DEPTH_MAX - 2);
	struct sv_json_scanner scanner = {0};
	struct sv_request request;

	ck_assert_int_eq(scan(&scanner, text), (int64_t)strlen(text));
	ck_assert_int_eq(parse(text, &request), 0);
	ck_assert_uint_eq(request.params_len, (size_t)2 * (SV_DEPTH_MAX - 2));
	sv_request_release(&request);
}
END_TEST

/* --- answers --- */

static const struct {
	const char *id;
	const char *result;
	const char *error;
	const char *text;
} responses[] = {
	{"0", "{\"OK\":true}", NULL, "{\"id\":0,\"result\":{\"OK\":true},\"error\":null}\n"},
	{"\"x\"", NULL, "no \"luck\"",
		"{\"id\":\"x\",\"result\":null,\"error\":\"no \\\"luck\\\"\"}\n"},
	{"null", NULL, "", "{\"id\":null,\"result\":null,\"error\":\"\"}\n"},
	{"null", NULL, "a\nb\\c\x01\xc3\xa9/",
		"{\"id\":null,\"result\":null,\"error\":\"a\\nb\\\\c\\u0001\xc3\xa9/\"}\n"},
	{"1", NULL, "\xff", "{\"id\":1,\"result\":null,\"error\":\"\xef\xbf\xbd\"}\n"},
};

START_TEST(a_response_has_id_result_and_error)
{
	const char *result = responses[_i].result;
	kk_auto_buf out = {0};

	ck_assert_int_eq(sv_response_write(&out, responses[_i].id, result,
				 result ? strlen(result) : 0, responses[_i].error),
		0);
	ck_assert_str_eq((char *)out.data, responses[_i].text);
}
END_TEST

START_TEST(responses_are_put_one_behind_the_other)
{
	kk_auto_buf out = {0};

	ck_assert_int_eq(sv_response_write(&out, "1", "{}", 2, NULL), 0);
	ck_assert_int_eq(sv_response_write(&out, "2", NULL, 0, "no"), 0);
	ck_assert_str_eq((char *)out.data,
		"{\"id\":1,\"result\":{},\"error\":null}\n"
		"{\"id\":2,\"result\":null,\"error\":\"no\"}\n");
}
END_TEST

START_TEST(a_response_is_written_whole_or_not_at_all)
{
	static const char before[] = "{\"id\":1,\"result\":{},\"error\":null}\n";
	static const char after[] = "{\"id\":22,\"result\":{\"a\":1},\"error\":\"x\"}\n";
	size_t full = strlen(before) + strlen(after);

	for (size_t max = strlen(before); max <= full; max++) {
		kk_auto_buf out = {.max = max};
		int r;

		ck_assert_int_eq(kk_buf_str(&out, before), 0);
		r = sv_response_write(&out, "22", "{\"a\":1}", 7, "x");
		ck_assert_int_eq(r, max < full ? KK_E_TOO_BIG : 0);
		ck_assert_uint_eq(out.len, max < full ? strlen(before) : full);
		ck_assert_int_eq(memcmp(out.data, before, strlen(before)), 0);
	}
}
END_TEST

START_TEST(an_error_reply_escapes_what_it_quotes)
{
	kk_auto_buf out = {0};

	ck_assert_int_eq(sv_err_write(&out, "CellNotFound", "cell \"a\\b\"\n\tis\x1f gone"), 0);
	ck_assert_str_eq((char *)out.data,
		"{\"Err\":{\"Kind\":\"CellNotFound\",\"Message\":"
		"\"cell \\\"a\\\\b\\\"\\n\\tis\\u001F gone\"}}");
}
END_TEST

START_TEST(an_error_reply_survives_bytes_that_are_no_text)
{
	kk_auto_buf out = {0};

	ck_assert_int_eq(sv_err_write(&out, "Unknown", "open /\xff: no"), 0);
	ck_assert_str_eq((char *)out.data,
		"{\"Err\":{\"Kind\":\"Unknown\",\"Message\":\"open /\xef\xbf\xbd: no\"}}");
}
END_TEST

START_TEST(an_error_reply_beyond_the_ceiling_fails)
{
	kk_auto_buf out = {.max = 40};

	ck_assert_int_eq(sv_err_write(&out, "Unknown", "much longer than forty bytes may hold"),
		KK_E_TOO_BIG);
}
END_TEST

/* --- regressions --- */

/* Go echoes the bytes of an id, and its own clients count without a sign. */
static const char *const long_ids[] = {
	"9223372036854775808", "18446744073709551615", "1e3", "0.1", "1E400", "-0", "1.50"};

START_TEST(a_number_comes_back_to_the_digit)
{
	kk_auto_free char *text = kk_xprintf("{\"id\":%s,\"params\":[]}", long_ids[_i]);
	struct sv_request request;

	ck_assert_int_eq(parse(text, &request), 0);
	ck_assert_str_eq(request.id, long_ids[_i]);
	sv_request_release(&request);
}
END_TEST

START_TEST(a_number_beyond_64_bits_does_not_close_the_connection)
{
	struct sv_request request;

	ck_assert_int_eq(
		parse("{\"method\":\"A.B\",\"id\":1,\"params\":[{\"a\":18446744073709551615}]}",
			&request),
		0);
	sv_request_release(&request);
}
END_TEST

/* jansson refuses them, although nobody asks for them: one out of range is as good as another. The text
 * around them stays. */
static const struct {
	const char *number;
	const char *taken;
} vast_numbers[] = {
	{"18446744073709551615", "0.0"},
	{"-9223372036854775809", "0.0"},
	{"-9223372036854775808", "-9223372036854775808"},
	{"1e400", "0.0"},
	{"-1.5E+999999999999999999999", "0.0"},
	{"-0", "0"},
	{"\"1e400\"", "\"1e400\""},
	{"\"\\\"1e400\"", "\"\\\"1e400\""},
};

START_TEST(a_number_that_is_too_large_harms_no_other)
{
	kk_auto_free char *text =
		kk_xprintf("{\"id\":1,\"params\":[{\"a\":%s,\"b\":1e400,\"c\":7}]}",
			vast_numbers[_i].number);
	kk_auto_free char *first =
		kk_xprintf("{\"a\":%s,\"b\":0.0,\"c\":7}", vast_numbers[_i].taken);
	struct sv_request request;

	ck_assert_int_eq(parse(text, &request), 0);
	ck_assert_str_eq(request.params, first);
	sv_request_release(&request);
}
END_TEST

START_TEST(a_number_may_have_any_number_of_digits)
{
	kk_auto_buf text = {0};
	struct sv_request request;

	kk_buf_str(&text, "{\"id\":1,\"params\":[{\"a\":");
	for (int i = 0; i < 100000; i++)
		kk_buf_char(&text, '9');
	kk_buf_str(&text, "}]}");
	ck_assert_int_eq(parse((char *)text.data, &request), 0);
	ck_assert_str_eq(request.params, "{\"a\":0.0}");
	sv_request_release(&request);
}
END_TEST

/* Nothing becomes a number by being taken for a large one. */
static const char *const no_numbers[] = {"--1e400", "01e400", "1e400e1", "1e400.5", "1.e400",
	"+1e400", ".5e400", "1e", "1e400x", "x1e400", "99999999999999999999-1"};

START_TEST(what_is_no_number_closes_the_connection)
{
	kk_auto_free char *text = kk_xprintf("{\"id\":1,\"params\":[{\"a\":%s}]}", no_numbers[_i]);
	struct sv_request request = {0};

	ck_assert_int_eq(parse(text, &request), -1);
}
END_TEST

/* Each escape was looked at with sscanf, which measures all the text behind it: 86 s for a request of
 * 12 MB. The limit of the test is what fails. */
START_TEST(many_escapes_are_repaired_in_one_go)
{
	enum { N = 1000000 };
	kk_auto_buf text = {0};
	struct sv_request request;

	kk_buf_str(&text, "{\"id\":1,\"params\":[{\"a\":\"\xff");
	for (int i = 0; i < N; i++)
		kk_buf_str(&text, "\\u0041");
	kk_buf_str(&text, "\"}]}");
	ck_assert_int_eq(parse((char *)text.data, &request), 0);
	ck_assert_uint_eq(request.params_len, strlen("{\"a\":\"" FFFD "\"}") + N);
	sv_request_release(&request);
}
END_TEST

static const struct {
	const char *escapes;
	const char *repaired;
} lone[] = {
	{"\\ud800", FFFD},
	{"\\udc00", FFFD},
	{"\\ud800x", FFFD "x"},
	{"\\ud800\\ud800", FFFD FFFD},
	{"\\ud800\\u0041", FFFD "A"},
	{"\\udc00\\ud800", FFFD FFFD},
	{"\\uD83D\\uDE00\\uD83D", "\xf0\x9f\x98\x80" FFFD},
	{"\\\\ud800\\ud800", "\\\\ud800" FFFD},
};

START_TEST(half_a_surrogate_pair_becomes_a_replacement_character)
{
	kk_auto_free char *text =
		kk_xprintf("{\"id\":1,\"params\":[{\"a\":\"%s\"}]}", lone[_i].escapes);
	kk_auto_free char *first = kk_xprintf("{\"a\":\"%s\"}", lone[_i].repaired);
	struct sv_request request;

	ck_assert_int_eq(parse(text, &request), 0);
	ck_assert_str_eq(request.params, first);
	sv_request_release(&request);
}
END_TEST

START_TEST(a_zero_byte_does_not_end_a_method)
{
	struct sv_request request = {0};

	/* Another method, if any: not this one. */
	if (parse("{\"method\":\"KukeonV1.Ping\\u0000x\",\"params\":[{}]}", &request) == 0)
		ck_assert(request.error || strcmp(request.method, "KukeonV1.Ping") != 0);
	sv_request_release(&request);
}
END_TEST

static const struct {
	const char *params;
	const char *word;
} wrong_params[] = {{"{}", "object"}, {"{\"a\":1}", "object"}, {"\"x\"", "string"}, {"1", "number"},
	{"true", "bool"}};

START_TEST(parameters_that_are_no_array_are_named_as_go_names_them)
{
	kk_auto_free char *text =
		kk_xprintf("{\"method\":\"A.B\",\"id\":3,\"params\":%s}", wrong_params[_i].params);
	kk_auto_free char *error =
		kk_xprintf("json: cannot unmarshal %s into Go value of type [1]interface {}",
			wrong_params[_i].word);
	struct sv_request request;

	ck_assert_int_eq(parse(text, &request), 0);
	ck_assert_str_eq(request.error, error);
	sv_request_release(&request);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("jsonrpc");
	TCase *regressions = tcase_create("regressions");
	TCase *scanner = tcase_create("scanner"), *request = tcase_create("request");
	TCase *answer = tcase_create("answer");

	tcase_add_test(scanner, a_stream_may_be_cut_anywhere);
	tcase_add_test(scanner, a_stream_may_come_in_pieces_of_any_size);
	tcase_add_test(scanner, half_a_value_waits);
	tcase_add_test(scanner, what_was_seen_is_not_looked_at_again);
	tcase_add_test(scanner, blanks_alone_are_no_value_yet);
	tcase_add_loop_test(scanner, a_value_that_is_no_object_is_refused, 0,
		(int)KK_COUNT(no_objects));
	tcase_add_test(scanner, a_zero_byte_is_no_blank);
	tcase_add_test(scanner, values_are_counted);
	suite_add_tcase(suite, scanner);
	tcase_add_test(request, a_request_has_method_id_and_first_parameter);
	tcase_add_test(request, members_that_are_unknown_are_ignored);
	tcase_add_loop_test(request, a_method_is_a_string_or_nothing, 0, (int)KK_COUNT(methods));
	tcase_add_loop_test(request, an_id_comes_back_as_it_was, 0, (int)KK_COUNT(ids));
	tcase_add_test(request, an_id_that_misses_is_null);
	tcase_add_loop_test(request, the_first_parameter_counts, 0, (int)KK_COUNT(params));
	tcase_add_loop_test(request, parameters_that_are_no_array_are_answered_with_an_error, 0,
		(int)KK_COUNT(no_arrays));
	tcase_add_loop_test(request, bytes_that_are_no_text_become_replacement_characters, 0,
		(int)KK_COUNT(broken));
	tcase_add_loop_test(request, what_is_no_request_closes_the_connection, 0,
		(int)KK_COUNT(no_requests));
	tcase_add_test(request, a_raw_zero_byte_closes_the_connection);
	tcase_add_test(request, nesting_beyond_reason_is_refused);
	tcase_add_test(request, nesting_within_reason_is_taken);
	suite_add_tcase(suite, request);
	tcase_add_loop_test(answer, a_response_has_id_result_and_error, 0,
		(int)KK_COUNT(responses));
	tcase_add_test(answer, responses_are_put_one_behind_the_other);
	tcase_add_test(answer, a_response_is_written_whole_or_not_at_all);
	tcase_add_test(answer, an_error_reply_escapes_what_it_quotes);
	tcase_add_test(answer, an_error_reply_survives_bytes_that_are_no_text);
	tcase_add_test(answer, an_error_reply_beyond_the_ceiling_fails);
	suite_add_tcase(suite, answer);
	tcase_add_loop_test(regressions, a_number_comes_back_to_the_digit, 0,
		(int)KK_COUNT(long_ids));
	tcase_add_test(regressions, a_number_beyond_64_bits_does_not_close_the_connection);
	tcase_add_loop_test(regressions, a_number_that_is_too_large_harms_no_other, 0,
		(int)KK_COUNT(vast_numbers));
	tcase_add_test(regressions, a_number_may_have_any_number_of_digits);
	tcase_add_loop_test(regressions, what_is_no_number_closes_the_connection, 0,
		(int)KK_COUNT(no_numbers));
	tcase_add_test(regressions, many_escapes_are_repaired_in_one_go);
	tcase_add_loop_test(regressions, half_a_surrogate_pair_becomes_a_replacement_character, 0,
		(int)KK_COUNT(lone));
	tcase_add_test(regressions, a_zero_byte_does_not_end_a_method);
	tcase_add_loop_test(regressions, parameters_that_are_no_array_are_named_as_go_names_them, 0,
		(int)KK_COUNT(wrong_params));
	suite_add_tcase(suite, regressions);
	return check_main(suite);
}
