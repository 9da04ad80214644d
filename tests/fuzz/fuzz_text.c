/* tests/fuzz/fuzz_text.c - replies as text: where jansson reads the text too, both must find the
 * same parts, and what is printed must mean the same. */
#include "fuzz.h"

#include "../../client/cli.h"

/* What cli_text_print writes. */
static char *printed(const struct kk_text *text, unsigned depth)
{
	FILE *saved = stdout;
	char *out = NULL;
	size_t len = 0;

	stdout = open_memstream(&out, &len);
	fuzz_require(stdout);
	cli_text_print(text, depth);
	fclose(stdout);
	stdout = saved;
	return out;
}

/* @json: what jansson makes of it, or NULL. */
static void value_check(const struct kk_text *text, const json_t *json)
{
	kk_auto_json *loaded = cli_text_load(text), *again = NULL;
	kk_auto_free char *out = printed(text, 1);

	if (!json)
		return;
	fuzz_require(loaded && json_equal(loaded, json));
	again = json_loads(out, JSON_DECODE_ANY, NULL);
	fuzz_require(again && json_equal(again, json));
}

static void array_check(const struct kk_text *text, const json_t *json)
{
	struct kk_text rest = *text, item;
	size_t n = 0;

	while (kk_text_next(&rest, &item)) {
		fuzz_require(item.len > 0 && item.data >= text->data &&
			item.data + item.len <= text->data + text->len);
		value_check(&item, json_array_get(json, n));
		n++;
	}
	fuzz_require(!json_is_array(json) || n == json_array_size(json));
}

static void object_check(const struct kk_text *text, const json_t *json)
{
	static const char *const keys[] = {"id", "result", "error", "Err", "Docs", "metadata", ""};

	for (size_t i = 0; i < KK_COUNT(keys); i++) {
		const json_t *want = json_object_get(json, keys[i]);
		struct kk_text value;

		if (kk_text_member(text, keys[i], &value)) {
			fuzz_require(value.len > 0 && value.data >= text->data &&
				value.data + value.len <= text->data + text->len);
			fuzz_require(!json || want);
			value_check(&value, want);
			array_check(&value, want);
		} else {
			/* Keys written with escapes are passed over. */
			fuzz_require(!want || memchr(text->data, '\\', text->len));
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kk_text text = {(const char *)data, size};
	/* jansson swallows a zero byte behind a number. */
	kk_auto_json *json = memchr(data, 0, size) ?
		NULL :
		json_loadb(text.data, size, JSON_REJECT_DUPLICATES, NULL);

	object_check(&text, json);
	array_check(&text, json);
	if (json)
		value_check(&text, json);
	return 0;
}
