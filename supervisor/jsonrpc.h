/* supervisor/jsonrpc.h - requests out of a stream of JSON values, as net/rpc/jsonrpc sends them. */
#ifndef KK_SUPERVISOR_JSONRPC_H
#define KK_SUPERVISOR_JSONRPC_H

#include <stddef.h>
#include <stdint.h>

struct kk_buf;

/* Finds where a JSON value ends, however it is cut into reads. Start zeroed. */
struct sv_json_scanner {
	size_t scanned; /* bytes seen of the current value */
	unsigned depth;
	unsigned n_values; /* a comma or an opening bracket is before each */
	int in_string;
	int escaped;
	int began; /* something other than blanks was seen */
};

enum {
	SV_SCAN_BROKEN = -1,     /* no JSON object can come of it, or none that is read */
	SV_SCAN_TOO_LARGE = -2,  /* more values than a request may have */
	SV_DEPTH_MAX = 2048,     /* as deep as jansson goes */
	SV_VALUES_MAX = 1 << 18, /* a tree of them takes up to 100 times the memory of the text */
};

/* Look at @data, which begins with the current value; bytes that were seen before are passed over.
 * Returns the length of the complete value (leading blanks included), 0 while bytes are missing, or
 * what is wrong with it. */
int64_t sv_json_scan(struct sv_json_scanner *scanner, const uint8_t *data, size_t len);

/* One request; strings are owned. */
struct sv_request {
	char *method; /* "KukeonV1.Ping" */
	char *id;     /* JSON, to be echoed */
	char *params; /* JSON of the first parameter, NULL when there is none */
	size_t params_len;
	uint64_t op;       /* the client's own id of the operation; 0: it has none */
	const char *error; /* set: answer with this text, the call can't be made */
};

void sv_request_release(struct sv_request *request);

/* Returns 0, or -1 when the connection must be closed without an answer. */
int sv_request_parse(const uint8_t *data, size_t len, struct sv_request *ret_request);

/* A string out of the parameters; the caller frees it. NULL where there is none of this name. */
char *sv_request_string(const struct sv_request *request, const char *key);

/* Append a response; @result is JSON or NULL, @error text or NULL. */
int sv_response_write(struct kk_buf *out, const char *id, const void *result, size_t result_len,
	const char *error);

/* Append `{"Err":{"Kind":…,"Message":…}}`, the reply that any method may give. */
int sv_err_write(struct kk_buf *out, const char *kind, const char *message);

#endif
