/* tests/fuzz/fuzz_document.c - documents as they travel between processes: the first byte chooses
 * the table. What came over the wire is written to disk and answered as JSON, so it must have such
 * a form too. */
#include "fuzz.h"

/* One trip may repair what JSON can't hold; a second must change nothing. */
static void json_trip(const struct kk_schema *schema, const void *object, enum kk_json_form form)
{
	void *read = kk_xalloc(schema->size), *again = kk_xalloc(schema->size);
	kk_auto_json *first = kk_json_encode(schema, object, form);
	kk_auto_json *second = NULL;
	struct kk_err err = {0};

	/* U+FFFD takes three bytes where one was that is no UTF-8, and may lead beyond a limit. */
	if (kk_json_decode(schema, first, read, &err) < 0) {
		fuzz_require(strstr(err.frames[0].text, " is longer than "));
		free(read);
		free(again);
		return;
	}
	second = kk_json_encode(schema, read, form);
	fuzz_require(kk_json_decode(schema, second, again, &err) == 0);
	fuzz_require(kk_schema_equal(schema, read, again, 0));
	fuzz_object_free(schema, read);
	fuzz_object_free(schema, again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct kk_schema *schema;
	void *object;

	if (size < 1 || data[0] >= KK_COUNT(fuzz_documents))
		return 0;
	schema = fuzz_documents[data[0]]();
	object = fuzz_wire(schema, data + 1, size - 1);
	if (!object)
		return 0;
	json_trip(schema, object, KK_JSON_API);
	json_trip(schema, object, KK_JSON_DISK);
	json_trip(schema, object, KK_JSON_REQUEST);
	fuzz_object_free(schema, object);
	return 0;
}
