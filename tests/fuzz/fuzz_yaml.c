/* tests/fuzz/fuzz_yaml.c - manifests: what is accepted can be written and read again as the same. */
#include "fuzz.h"

/* What `kuke get -o yaml` does not write. */
enum { NOT_IN_YAML = KK_JSON_ONLY | KK_INTERNAL | KK_INPUT_ONLY };

static void manifest_check(const struct kk_manifest *manifest)
{
	const struct kk_schema *schema = kk_kind_schema(manifest->kind);
	struct kk_manifests again = {0};
	kk_auto_buf first = {0}, second = {0};
	struct kk_err err = {0};

	fuzz_require(kk_yaml_write(schema, &manifest->doc, &first) == 0);
	if (kk_yaml_parse((char *)first.data, first.len, &again, &err) < 0)
		fprintf(stderr, "%s\n%s\n", err.frames[0].text, first.data);
	fuzz_require(err.code == 0 && again.n == 1 && again.warnings.n == 0);
	fuzz_require(again.items[0].kind == manifest->kind);
	fuzz_require(kk_schema_equal(schema, &manifest->doc, &again.items[0].doc, NOT_IN_YAML));
	fuzz_require(kk_yaml_write(schema, &again.items[0].doc, &second) == 0);
	fuzz_same_bytes(&first, &second);
	kk_manifests_release(&again);
}

/* What a manifest becomes must be in proportion to its text. */
static void growth_check(const struct kk_manifests *manifests, const uint8_t *data, size_t size)
{
	/* What aliases stand for is bounded for each document. */
	size_t each = memchr(data, '*', size) ? 64u << 20 : 4096;
	kk_auto_buf wire = {0};

	for (size_t i = 0; i < manifests->n; i++)
		fuzz_require(kk_schema_encode(kk_kind_schema(manifests->items[i].kind),
				     &manifests->items[i].doc, &wire) == 0);
	fuzz_require(wire.len <= each * manifests->n + 64 * size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kk_manifests manifests = {0};
	struct kk_err err = {0};

	if (kk_yaml_parse((const char *)data, size, &manifests, &err) < 0) {
		fuzz_require(err.code == KK_E_PARSE || err.code == KK_E_INVALID);
		fuzz_require(!manifests.items && manifests.n == 0);
		fuzz_error_check(&err);
		return 0;
	}
	fuzz_require(manifests.n > 0);
	growth_check(&manifests, data, size);
	for (size_t i = 0; i < manifests.n; i++)
		manifest_check(&manifests.items[i]);
	kk_manifests_release(&manifests);
	return 0;
}
