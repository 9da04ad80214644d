/* tests/fuzz/fuzz_request.c - the client socket: the first bytes say how the rest is cut into
 * reads. However it is cut, the same requests come out, and what is answered is JSON that holds
 * what went in. */
#include "fuzz.h"

#include "../../supervisor/jsonrpc.h"

enum { PIECES = 8, REQUESTS_MAX = 64 };

/* What came out of a stream. */
struct seen {
	int64_t lengths[REQUESTS_MAX]; /* of the requests; -1 where the connection ends */
	size_t n;
};

static void member_check(const json_t *response, const char *key, const char *text)
{
	kk_auto_json *want = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

	fuzz_require(want && json_equal(want, json_object_get(response, key)));
}

static json_t *response_load(const struct kk_buf *out)
{
	json_t *response = json_loadb((char *)out->data, out->len, JSON_ALLOW_NUL, NULL);

	fuzz_require(json_is_object(response) && out->data[out->len - 1] == '\n');
	return response;
}

static void answer_check(const struct sv_request *request)
{
	kk_auto_buf result = {0}, with_result = {0}, with_error = {0};
	kk_auto_json *response = NULL, *failure = NULL;

	fuzz_require(sv_response_write(&with_result, request->id, request->params,
			     request->params_len, NULL) == 0);
	response = response_load(&with_result);
	member_check(response, "id", request->id);
	member_check(response, "result", request->params ? request->params : "null");
	member_check(response, "error", "null");

	fuzz_require(sv_err_write(&result, "Unknown", request->method) == 0);
	fuzz_require(sv_response_write(&with_error, request->id, result.data, result.len,
			     request->method) == 0);
	failure = response_load(&with_error);
	fuzz_require(strcmp(kk_str(json_string_value(json_object_get(failure, "error"))),
			     request->method) == 0);
}

/* What is called is what was asked for. */
static void method_check(const uint8_t *data, size_t len, const struct sv_request *request)
{
	kk_auto_json *json = json_loadb((const char *)data, len, JSON_ALLOW_NUL, NULL);
	const json_t *method = json_object_get(json, "method");

	if (request->error)
		return;
	if (method)
		fuzz_require(strcmp(kk_str(json_string_value(method)), request->method) == 0);
}

/* As front.c takes requests out of its input. False when the connection ends. */
static bool requests_take(struct sv_json_scanner *scanner, struct kk_buf *in, struct seen *seen)
{
	while (in->len && seen->n < REQUESTS_MAX) {
		int64_t n = sv_json_scan(scanner, in->data, in->len);
		struct sv_request request;

		if (n == 0)
			return true;
		fuzz_require(n == SV_SCAN_BROKEN || n == SV_SCAN_TOO_LARGE ||
			(n > 0 && (size_t)n <= in->len));
		seen->lengths[seen->n++] = n;
		if (n < 0 || sv_request_parse(in->data, (size_t)n, &request) < 0)
			return false;
		fuzz_require(request.method && request.id);
		method_check(in->data, (size_t)n, &request);
		answer_check(&request);
		sv_request_release(&request);
		kk_buf_consume(in, (size_t)n);
	}
	return seen->n < REQUESTS_MAX;
}

static void stream_read(const uint8_t *sizes, const uint8_t *data, size_t size, struct seen *seen)
{
	struct sv_json_scanner scanner = {0};
	kk_auto_buf in = {0};
	bool is_open = true;

	for (size_t i = 0; size && is_open; i++) {
		size_t want = sizes ? 1 + (size_t)sizes[i % PIECES] : size;
		size_t n = want < size ? want : size;

		fuzz_require(kk_buf_append(&in, data, n) == 0);
		data += n;
		size -= n;
		is_open = requests_take(&scanner, &in, seen);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole = {0}, cut = {0};
	kk_auto_json *first = NULL;
	json_error_t where;

	if (size < PIECES)
		return 0;
	/* The first value ends where jansson says. */
	first = json_loadb((const char *)data + PIECES, size - PIECES,
		JSON_ALLOW_NUL | JSON_DISABLE_EOF_CHECK, &where);
	stream_read(NULL, data + PIECES, size - PIECES, &whole);
	/* jansson swallows a zero byte behind a number and does not count it. */
	if (json_is_object(first) && !memchr(data + PIECES, 0, size - PIECES))
		fuzz_require(whole.n > 0 && whole.lengths[0] == where.position);
	stream_read(data, data + PIECES, size - PIECES, &cut);
	fuzz_require(whole.n == cut.n);
	fuzz_require(memcmp(whole.lengths, cut.lengths, sizeof whole.lengths) == 0);
	return 0;
}
