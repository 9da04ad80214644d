/* supervisor/jsonrpc.c */
#include "jsonrpc.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <kukeon/auto.h>
#include <kukeon/buf.h>
#include <kukeon/mem.h>

static void json_free(json_t **json)
{
	json_decref(*json);
}

static int is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

int64_t sv_json_scan(struct sv_json_scanner *scanner, const uint8_t *data, size_t len)
{
	size_t i = scanner->scanned;

	for (; i < len; i++) {
		uint8_t c = data[i];

		if (!scanner->began) {
			if (is_blank(c))
				continue;
			/* Batches and bare values have no meaning in this dialect. */
			if (c != '{')
				return -1;
			scanner->began = 1;
		}
		if (scanner->in_string) {
			if (scanner->escaped)
				scanner->escaped = 0;
			else if (c == '\\')
				scanner->escaped = 1;
			else if (c == '"')
				scanner->in_string = 0;
			continue;
		}
		if (c == '"')
			scanner->in_string = 1;
		else if (c == '{' || c == '[')
			scanner->depth++;
		else if ((c == '}' || c == ']') && --scanner->depth == 0) {
			*scanner = (struct sv_json_scanner){0};
			return (int64_t)i + 1;
		}
	}
	scanner->scanned = i;
	return 0;
}

void sv_request_release(struct sv_request *request)
{
	free(request->method);
	free(request->id);
	free(request->params);
	*request = (struct sv_request){0};
}

/* Length of the valid UTF-8 sequence at @p, 0 where there is none. */
static size_t utf8_len(const uint8_t *p, size_t left)
{
	size_t n = p[0] < 0x80              ? 1 :
		p[0] >= 0xc2 && p[0] < 0xe0 ? 2 :
		p[0] >= 0xe0 && p[0] < 0xf0 ? 3 :
		p[0] >= 0xf0 && p[0] < 0xf5 ? 4 :
					      0;

	if (n == 0 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
		(p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

/* As Go does: what is no UTF-8 becomes U+FFFD. */
static int utf8_repair(const uint8_t *data, size_t len, struct kk_buf *out)
{
	int r = 0;

	for (size_t i = 0; i < len && r == 0;) {
		size_t n = utf8_len(data + i, len - i);

		r = n ? kk_buf_append(out, data + i, n) : kk_buf_str(out, "\xef\xbf\xbd");
		i += n ? n : 1;
	}
	return r;
}

static json_t *json_read(const uint8_t *data, size_t len)
{
	kk_auto_buf repaired = {0};
	json_t *root = json_loadb((const char *)data, len, JSON_ALLOW_NUL, NULL);

	if (root || utf8_repair(data, len, &repaired) < 0 || repaired.len == len)
		return root;
	return json_loadb((const char *)repaired.data, repaired.len, JSON_ALLOW_NUL, NULL);
}

static const char *params_read(const json_t *params, struct sv_request *request)
{
	const json_t *first;

	if (!params || json_is_null(params))
		return "jsonrpc: request body missing params";
	if (!json_is_array(params))
		return "json: cannot unmarshal non-array into Go value of type [1]interface {}";
	first = json_array_get(params, 0);
	if (!first || json_is_null(first))
		return NULL;
	request->params = json_dumps(first, JSON_COMPACT | JSON_ENCODE_ANY);
	if (!request->params)
		return "out of memory";
	request->params_len = strlen(request->params);
	return NULL;
}

int sv_request_parse(const uint8_t *data, size_t len, struct sv_request *ret_request)
{
	kk_auto(json_free) json_t *root = json_read(data, len);
	struct sv_request request = {0};
	const json_t *method, *id;

	if (!json_is_object(root))
		return -1;
	method = json_object_get(root, "method");
	if (method && !json_is_string(method) && !json_is_null(method))
		return -1;
	id = json_object_get(root, "id");
	request.method = strdup(json_is_string(method) ? json_string_value(method) : "");
	request.id = id ? json_dumps(id, JSON_COMPACT | JSON_ENCODE_ANY) : strdup("null");
	if (!request.method || !request.id) {
		sv_request_release(&request);
		return -1;
	}
	request.error = params_read(json_object_get(root, "params"), &request);
	*ret_request = request;
	return 0;
}

static int text_write(struct kk_buf *out, const char *text)
{
	kk_auto(json_free) json_t *string = json_string(text);
	kk_auto_free char *dump = NULL;

	if (!string)
		string = json_string("(text that is no UTF-8)");
	dump = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
	return kk_buf_str(out, dump ? dump : "\"out of memory\"");
}

int sv_response_write(struct kk_buf *out, const char *id, const void *result, size_t result_len,
	const char *error)
{
	size_t before = out->len;
	int r = kk_buf_printf(out, "{\"id\":%s,\"result\":", id);

	if (r == 0)
		r = result ? kk_buf_append(out, result, result_len) : kk_buf_str(out, "null");
	if (r == 0)
		r = kk_buf_str(out, ",\"error\":");
	if (r == 0)
		r = error ? text_write(out, error) : kk_buf_str(out, "null");
	if (r == 0)
		r = kk_buf_str(out, "}\n");
	/* Whole or not at all: half a response would garble what follows. */
	if (r < 0)
		out->len = before;
	return r;
}

int sv_err_write(struct kk_buf *out, const char *kind, const char *message)
{
	int r = kk_buf_str(out, "{\"Err\":{\"Kind\":");

	if (r == 0)
		r = text_write(out, kind);
	if (r == 0)
		r = kk_buf_str(out, ",\"Message\":");
	if (r == 0)
		r = text_write(out, message);
	if (r == 0)
		r = kk_buf_str(out, "}}");
	return r;
}
