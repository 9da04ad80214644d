/* supervisor/jsonrpc.c */
#include "jsonrpc.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <kukeon/auto.h>
#include <kukeon/buf.h>
#include <kukeon/mem.h>
#include <kukeon/utf8.h>

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

static json_t *json_read(const uint8_t *data, size_t len)
{
	kk_auto_buf repaired = {0};
	json_t *root = json_loadb((const char *)data, len, JSON_ALLOW_NUL, NULL);

	if (root || kk_utf8_repair(data, len, &repaired) < 0 || repaired.len == len)
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

char *sv_request_string(const struct sv_request *request, const char *key)
{
	kk_auto(json_free) json_t *params =
		request->params ? json_loadb(request->params, request->params_len, 0, NULL) : NULL;
	const char *text = json_string_value(json_object_get(params, key));

	return text ? strdup(text) : NULL;
}

static int text_write(struct kk_buf *out, const char *text)
{
	kk_auto_buf repaired = {0};
	kk_auto(json_free) json_t *string = NULL;
	kk_auto_free char *dump = NULL;

	if (kk_utf8_repair(text, strlen(text), &repaired) == 0)
		string = json_stringn(repaired.len ? (char *)repaired.data : "", repaired.len);
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
