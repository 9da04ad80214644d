/* tests/fuzz/fuzz_json.c - documents in requests and in the store: what is read can be written in
 * all forms and read again, and can be sent on. */
#include "fuzz.h"

static const struct {
	enum kk_json_form form;
	unsigned but; /* what this form leaves out */
} forms[] = {
	{KK_JSON_API, KK_INTERNAL | KK_INPUT_ONLY},
	{KK_JSON_DISK, KK_INPUT_ONLY},
	{KK_JSON_REQUEST, KK_INTERNAL},
};

static void form_check(const struct kk_schema *schema, const void *object, size_t i)
{
	kk_auto_json *json = kk_json_encode(schema, object, forms[i].form);
	kk_auto_free char *text = json_dumps(json, 0);
	kk_auto_json *loaded = text ? json_loads(text, 0, NULL) : NULL;
	void *again = kk_xalloc(schema->size);
	struct kk_err err = {0};

	fuzz_require(loaded && json_equal(json, loaded));
	fuzz_require(kk_json_decode(schema, loaded, again, &err) == 0);
	fuzz_require(kk_schema_equal(schema, object, again, forms[i].but));
	fuzz_object_free(schema, again);
}

/* Documents go to the workers: the bounds of both forms must agree. */
static void wire_check(const struct kk_schema *schema, const void *object)
{
	void *again = fuzz_object_new(schema);
	kk_auto_buf wire = {0};
	struct kk_err err = {0};

	fuzz_require(kk_schema_encode(schema, object, &wire) == 0);
	fuzz_require(kk_schema_decode(schema, wire.data, wire.len, again, &err) == 0);
	fuzz_require(kk_schema_equal(schema, object, again, 0));
	fuzz_object_free(schema, again);
}

static void kind_check(const struct kk_schema *schema, const json_t *json)
{
	void *object = fuzz_object_new(schema);
	struct kk_err err = {0};

	if (kk_json_decode(schema, json, object, &err) < 0) {
		fuzz_require(err.code == KK_E_CONVERSION);
		fuzz_require(kk_schema_is_empty(schema, object));
		fuzz_error_check(&err);
	} else {
		for (size_t i = 0; i < KK_COUNT(forms); i++)
			form_check(schema, object, i);
		wire_check(schema, object);
	}
	fuzz_object_free(schema, object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* As the reconciler loads what a client sent. */
	kk_auto_json *json = json_loadb((const char *)data, size, JSON_ALLOW_NUL, NULL);

	if (!json)
		return 0;
	for (int kind = 0; kind < KK_KINDS; kind++)
		kind_check(kk_kind_schema((enum kk_kind)kind), json);
	return 0;
}
