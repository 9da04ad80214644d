/* include/kukeon/json.h - the JSON form of whatever a schema describes, on jansson's trees. */
#ifndef KK_JSON_H
#define KK_JSON_H

#include <jansson.h>

#include <kukeon/schema.h>

/* Which fields are written. */
enum kk_json_form {
	KK_JSON_API,     /* replies: what users may see */
	KK_JSON_DISK,    /* the store: with the internal fields */
	KK_JSON_REQUEST, /* requests: with the fields that are only input */
};

static inline void kk_json_free(json_t **json)
{
	json_decref(*json);
}

#define kk_auto_json kk_auto(kk_json_free) json_t

/* kk_mem_set_vital for this process, and the same for all that is made of JSON. */
void kk_json_set_vital(void);

/* A string of any bytes, "" for NULL: a new reference. json_string() has nothing for what is no UTF-8. These
 * four return NULL when out of memory. */
json_t *kk_json_string(const char *s);

/* An array of them: a new reference. */
json_t *kk_json_strings(const struct kk_strs *strs);

/* A new reference. */
json_t *kk_json_encode(const struct kk_schema *schema, const void *object, enum kk_json_form form);
json_t *kk_json_encode_list(const struct kk_schema *schema, const struct kk_list *list,
	enum kk_json_form form);

/* What json_loadb does, but when out of memory, where that writes beyond its buffer. Returns 0, KK_E_PARSE (with
 * @ret_error, which may be NULL) or KK_E_NOMEM. */
int kk_json_load(const char *data, size_t len, size_t flags, json_t **ret_json,
	json_error_t *ret_error);

/* What json_dumps does, but NULL when out of memory, where that leaves keys out. The caller's. */
char *kk_json_text(const json_t *json, size_t flags);

/* Read an object as Go does: keys in any case, unknown ones ignored, null and absent alike. Fails
 * with KK_E_CONVERSION, naming the field, or KK_E_NOMEM; then @ret_object owns nothing. */
int kk_json_decode(const struct kk_schema *schema, const json_t *json, void *ret_object,
	struct kk_err *err);

/* Member of an object, its key in any case; NULL where absent or null. Borrowed. */
json_t *kk_json_get(const json_t *object, const char *key);

#endif
