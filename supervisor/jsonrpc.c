/* supervisor/jsonrpc.c */
#include "jsonrpc.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <kukeon/auto.h>
#include <kukeon/buf.h>
#include <kukeon/err.h>
#include <kukeon/json.h>
#include <kukeon/mem.h>
#include <kukeon/text.h>
#include <kukeon/utf8.h>

enum { NUMBER_MAX = 320 }; /* digits that a double may have before its point, and some */

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
				return SV_SCAN_BROKEN;
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
		if ((c == ',' || c == '{' || c == '[') && ++scanner->n_values > SV_VALUES_MAX)
			return SV_SCAN_TOO_LARGE;
		if (c == '"')
			scanner->in_string = 1;
		else if ((c == '{' || c == '[') && ++scanner->depth > SV_DEPTH_MAX)
			return SV_SCAN_BROKEN;
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

/* The four digits at @text as a number, or -1. sscanf would measure all that follows, each time. */
static int hex_read(const char *text)
{
	static const char digits[] = "0123456789abcdef";
	int value = 0;

	for (int i = 0; i < 4; i++) {
		const char *digit = text[i] ? strchr(digits, tolower((unsigned char)text[i])) :
					      NULL;

		if (!digit)
			return -1;
		value = value << 4 | (int)(digit - digits);
	}
	return value;
}

/* `\\ud800` without its other half becomes `\\ufffd`, in place, as in Go. @text is JSON. */
static void surrogates_repair(char *text, size_t len)
{
	for (size_t i = 0; i + 6 <= len; i++) {
		int unit, next = -1;

		if (text[i] != '\\')
			continue;
		if (text[i + 1] != 'u') {
			i++;
			continue;
		}
		unit = hex_read(text + i + 2);
		if (unit < 0xd800 || unit > 0xdfff)
			continue;
		if (unit < 0xdc00 && i + 12 <= len && memcmp(text + i + 6, "\\u", 2) == 0)
			next = hex_read(text + i + 8);
		if (next >= 0xdc00 && next <= 0xdfff)
			i += 11;
		else
			memcpy(text + i + 2, "fffd", 4);
	}
}

static size_t digits_len(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len && isdigit((unsigned char)text[n]))
		n++;
	return n;
}

/* Length of the JSON number at @text, 0 where there is none. */
static size_t number_len(const char *text, size_t len)
{
	size_t i = len && text[0] == '-', n = digits_len(text + i, len - i);

	if (n == 0 || (text[i] == '0' && n > 1))
		return 0;
	i += n;
	if (i < len && text[i] == '.') {
		n = digits_len(text + i + 1, len - i - 1);
		if (n == 0)
			return 0;
		i += 1 + n;
	}
	if (i < len && (text[i] == 'e' || text[i] == 'E')) {
		i += 1 + (i + 1 < len && (text[i + 1] == '+' || text[i + 1] == '-'));
		n = digits_len(text + i, len - i);
		if (n == 0)
			return 0;
		i += n;
	}
	return i;
}

/* Does jansson take it: an integer of 64 bits, or what a double holds? */
static bool number_is_readable(const char *text, size_t len)
{
	char copy[NUMBER_MAX + 1];

	if (len > NUMBER_MAX)
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	errno = 0;
	if (strpbrk(copy, ".eE"))
		return isfinite(strtod(copy, NULL));
	(void)strtoll(copy, NULL, 10);
	return errno == 0;
}

/* A number that no field of ours takes becomes 0.0, which none does either, in place. @text is JSON. */
static void numbers_repair(char *text, size_t len)
{
	bool in_string = false;

	for (size_t i = 0, n; i < len; i += n) {
		n = 1;
		if (text[i] == '"')
			in_string = !in_string;
		else if (text[i] == '\\')
			n = 2;
		if (in_string || (text[i] != '-' && !isdigit((unsigned char)text[i])))
			continue;
		n = strspn(text + i, "+-.0123456789Ee");
		if (number_len(text + i, n) == n && !number_is_readable(text + i, n)) {
			memset(text + i, ' ', n);
			text[i] = text[i + 2] = '0';
			text[i + 1] = '.';
		}
	}
}

/* What Go takes and jansson does not: bytes that are no UTF-8, half surrogate pairs, numbers of any
 * size. */
static int json_read(const uint8_t *data, size_t len, json_t **ret_root)
{
	kk_auto_buf repaired = {0};
	int r = kk_json_load((const char *)data, len, JSON_ALLOW_NUL, ret_root, NULL);

	if (r == KK_E_PARSE)
		r = kk_utf8_repair(data, len, &repaired) < 0 ? KK_E_NOMEM : KK_E_PARSE;
	if (r != KK_E_PARSE)
		return r;
	surrogates_repair((char *)repaired.data, repaired.len);
	numbers_repair((char *)repaired.data, repaired.len);
	return kk_json_load((char *)repaired.data, repaired.len, JSON_ALLOW_NUL, ret_root, NULL);
}

#define NOT_ARRAY(what) "json: cannot unmarshal " what " into Go value of type [1]interface {}"

static const char *not_array(const json_t *params)
{
	if (json_is_object(params))
		return NOT_ARRAY("object");
	if (json_is_string(params))
		return NOT_ARRAY("string");
	return json_is_number(params) ? NOT_ARRAY("number") : NOT_ARRAY("bool");
}

static const char *params_read(const json_t *params, struct sv_request *request)
{
	const json_t *first;

	if (!params || json_is_null(params))
		return "jsonrpc: request body missing params";
	if (!json_is_array(params))
		return not_array(params);
	first = json_array_get(params, 0);
	if (!first || json_is_null(first))
		return NULL;
	request->params = kk_json_text(first, JSON_COMPACT);
	if (!request->params)
		return "out of memory";
	request->params_len = strlen(request->params);
	return NULL;
}

/* The id goes back to the letter, but for bytes that are no UTF-8: some clients compare it as text. It is
 * blanked out of @copy, since no number is too large for an id. */
static char *id_take(struct kk_buf *copy)
{
	const struct kk_text request = {(const char *)copy->data, copy->len};
	kk_auto_buf id = {0};
	struct kk_text text;

	if (!kk_text_member(&request, "id", &text))
		return kk_strdup("null");
	if (kk_utf8_repair(text.data, text.len, &id) < 0)
		return NULL;
	if (text.len > 4 && number_len((char *)id.data, id.len) == id.len) {
		memset((char *)text.data, ' ', text.len);
		memcpy((char *)text.data, "null", 4);
	}
	return kk_strdup((char *)id.data);
}

/* Of a request that writes the key with escapes. */
static void id_of(const json_t *root, char **id)
{
	const json_t *found = json_object_get(root, "id");

	if (!found)
		return;
	free(*id);
	*id = kk_json_text(found, JSON_COMPACT);
}

/* `"op":"<16 hexadecimal digits>"`, a key of ours that net/rpc passes over. */
static const char *op_read(const json_t *op, uint64_t *ret_op)
{
	const char *text = kk_str(json_string_value(op));

	if (!op || json_is_null(op))
		return NULL;
	if (strlen(text) != 16 || text[strspn(text, "0123456789abcdef")])
		return "jsonrpc: op is not an operation id of 16 hexadecimal digits";
	*ret_op = strtoull(text, NULL, 16);
	return NULL;
}

int sv_request_parse(const uint8_t *data, size_t len, struct sv_request *ret_request)
{
	kk_auto_json *root = NULL;
	struct sv_request request = {0};
	kk_auto_buf copy = {0};
	const json_t *method;

	if (kk_buf_append(&copy, data, len) < 0)
		return -1;
	request.id = id_take(&copy);
	if (json_read(copy.data, copy.len, &root) < 0)
		goto refused;
	if (request.id && strcmp(request.id, "null") == 0)
		id_of(root, &request.id);
	method = json_object_get(root, "method");
	if (!json_is_object(root) || (method && !json_is_string(method) && !json_is_null(method)))
		goto refused;
	request.method = kk_strdup(json_is_string(method) ? json_string_value(method) : "");
	if (!request.method || !request.id)
		goto refused;
	request.error = params_read(json_object_get(root, "params"), &request);
	if (!request.error)
		request.error = op_read(json_object_get(root, "op"), &request.op);
	if (strlen(request.method) != json_string_length(method))
		request.error = "rpc: can't find method: its name has a zero byte";
	*ret_request = request;
	return 0;
refused:
	sv_request_release(&request);
	return -1;
}

char *sv_request_string(const struct sv_request *request, const char *key)
{
	kk_auto_json *params = NULL;
	const char *text;

	if (!request->params ||
		kk_json_load(request->params, request->params_len, 0, &params, NULL) < 0)
		return NULL;
	text = json_string_value(json_object_get(params, key));
	return text ? kk_strdup(text) : NULL;
}

static int text_write(struct kk_buf *out, const char *text)
{
	kk_auto_buf repaired = {0};
	kk_auto_json *string = NULL;
	kk_auto_free char *dump = NULL;

	if (kk_utf8_repair(text, strlen(text), &repaired) == 0)
		string = json_stringn(repaired.len ? (char *)repaired.data : "", repaired.len);
	dump = string ? kk_json_text(string, 0) : NULL;
	return kk_buf_str(out, dump ? dump : "\"out of memory\"");
}

int sv_response_write(struct kk_buf *out, const char *id, const void *result, size_t result_len,
	const char *error)
{
	size_t before = out->len;
	int r = kk_buf_printf(out, "{\"id\":%s,\"result\":", id);

	if (r == 0)
		r = result && result_len ? kk_buf_append(out, result, result_len) :
					   kk_buf_str(out, "null");
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
