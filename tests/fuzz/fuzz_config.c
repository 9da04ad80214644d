/* tests/fuzz/fuzz_config.c - configuration files of server and client. */
#include "fuzz.h"

static void config_check(const struct kk_schema *schema, const uint8_t *data, size_t size)
{
	void *object = fuzz_object_new(schema), *again = fuzz_object_new(schema);
	struct kk_err err = {0};
	kk_auto_buf text = {0};

	if (kk_yaml_read(schema, (const char *)data, size, object, &err) < 0) {
		fuzz_require(err.code == KK_E_PARSE || err.code == KK_E_INVALID);
		fuzz_require(kk_schema_is_empty(schema, object));
		fuzz_error_check(&err);
	} else {
		fuzz_require(kk_yaml_write(schema, object, &text) == 0);
		fuzz_require(kk_yaml_read(schema, (char *)text.data, text.len, again, &err) == 0);
		fuzz_require(kk_schema_equal(schema, object, again, 0));
	}
	fuzz_object_free(schema, object);
	fuzz_object_free(schema, again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	config_check(kk_schema_of_server_configuration(), data, size);
	config_check(kk_schema_of_client_configuration(), data, size);
	return 0;
}
