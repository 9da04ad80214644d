/* tests/fuzz/fuzz.h - what the fuzz targets share: properties, and the trip through the wire form.
 *
 * Each target states what must hold for every input, beyond not crashing. */
#ifndef KK_FUZZ_FUZZ_H
#define KK_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kukeon/buf.h>
#include <kukeon/err.h>
#include <kukeon/json.h>
#include <kukeon/mem.h>
#include <kukeon/model.h>
#include <kukeon/schema.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define fuzz_require(condition)                                                           \
	do {                                                                              \
		if (!(condition)) {                                                       \
			fprintf(stderr, "%s: does not hold: %s\n", KK_WHERE, #condition); \
			abort();                                                          \
		}                                                                         \
	} while (0)

/* The tables of all documents. */
static const struct kk_schema *(*const fuzz_documents[])(void) = {
#define KK_DOC(name, ...) kk_schema_of_##name,
#include <kukeon/model.def>
#include <kukeon/undef.h>
};

/* Memory of one object, released by the caller with kk_schema_release and free. */
static inline void *fuzz_object_new(const struct kk_schema *schema)
{
	void *object = kk_xalloc(schema->size);

	kk_schema_init(schema, object);
	return object;
}

static inline void fuzz_object_free(const struct kk_schema *schema, void *object)
{
	kk_schema_release(schema, object);
	free(object);
}

/* Texts of errors go to clients inside JSON, so they must be UTF-8 whatever they quote. */
static inline void fuzz_error_check(const struct kk_err *err)
{
	char text[KK_ERR_FRAMES * KK_ERR_TEXT];
	kk_auto_json *json = NULL;

	fuzz_require(err->code < 0 && err->n_frames > 0);
	kk_err_format(err, text, sizeof text);
	json = json_string(text);
	fuzz_require(json);
}

static inline void fuzz_same_bytes(const struct kk_buf *a, const struct kk_buf *b)
{
	fuzz_require(a->len == b->len && memcmp(a->data, b->data, a->len) == 0);
}

/* Decode @data; what decodes is encoded, decoded and copied, and must stay what it is. Returns the
 * object, or NULL where @data is none. */
static inline void *fuzz_wire(const struct kk_schema *schema, const uint8_t *data, size_t size)
{
	void *object, *again;
	kk_auto_buf first = {0}, second = {0}, third = {0};
	struct kk_err err = {0};

	object = fuzz_object_new(schema);
	again = fuzz_object_new(schema);
	if (kk_schema_decode(schema, data, size, object, &err) < 0) {
		fuzz_require(err.code == KK_E_PROTOCOL);
		fuzz_require(kk_schema_is_empty(schema, object));
		fuzz_error_check(&err);
		free(again);
		free(object);
		return NULL;
	}
	fuzz_require(kk_schema_encode(schema, object, &first) == 0);
	fuzz_require(kk_schema_decode(schema, first.data, first.len, again, &err) == 0);
	fuzz_require(kk_schema_equal(schema, object, again, 0));
	fuzz_require(kk_schema_encode(schema, again, &second) == 0);
	fuzz_same_bytes(&first, &second);
	kk_schema_release(schema, again);
	fuzz_require(kk_schema_is_empty(schema, again));

	kk_schema_copy(schema, object, again);
	fuzz_require(kk_schema_equal(schema, object, again, 0));
	fuzz_require(kk_schema_encode(schema, again, &third) == 0);
	fuzz_same_bytes(&first, &third);
	fuzz_object_free(schema, again);
	return object;
}

#endif
