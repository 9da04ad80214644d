/* tests/fuzz/fuzz_selector.c - label selectors. The input is the selector, a zero byte, then
 * labels `key=value` with a zero byte behind each. A selector is the conjunction of its clauses,
 * and `!` is the opposite. */
#include "fuzz.h"

#include <ctype.h>

#include "../../client/cli.h"

static json_t *labels_read(const char *text, size_t len)
{
	json_t *labels = json_object();

	while (len) {
		size_t n = strnlen(text, len);
		const char *equals = memchr(text, '=', n);
		kk_auto_free char *key = kk_xstrndup(text, equals ? (size_t)(equals - text) : n);
		kk_auto_free char *value = equals ?
			kk_xstrndup(equals + 1, n - 1 - (size_t)(equals - text)) :
			kk_xstrdup("");

		json_object_set_new_nocheck(labels, key, json_string_nocheck(value));
		text += n < len ? n + 1 : n;
		len -= n < len ? n + 1 : n;
	}
	return labels;
}

/* 1 or 0: does it match; -1: no selector. */
static int match(const char *text, const json_t *labels)
{
	kk_auto(cli_selector_freep) struct cli_selector *selector = NULL;
	struct kk_err err = {0};

	if (cli_selector_parse(text, &selector, &err) < 0) {
		fuzz_require(err.code == KK_E_USAGE && !selector);
		return -1;
	}
	return cli_selector_match(selector, labels);
}

/* `!key` and `key`, `key!=value` and `key=value`: exactly one of both matches. */
static void opposite_check(const char *clause, int is_match, const json_t *labels)
{
	const char *differs = strstr(clause, "!="), *equals = strchr(clause, '=');
	kk_auto_free char *opposite = NULL;

	while (isspace((unsigned char)*clause))
		clause++;
	if (clause[0] == '!') {
		if (!equals && !strchr(clause + 1, '!'))
			opposite = kk_xstrdup(clause + 1);
	} else if (differs && equals == differs + 1 && differs[2] != '=' &&
		!memchr(clause, '!', (size_t)(differs - clause)) && !strstr(differs + 2, "!=")) {
		opposite = kk_xprintf("%.*s%s", (int)(differs - clause), clause, differs + 1);
	}
	if (opposite)
		fuzz_require(match(opposite, labels) == !is_match);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	kk_auto_free char *text = kk_xstrndup((const char *)data, size);
	size_t len = strlen(text);
	kk_auto_json *labels = labels_read(text + len + (len < size), size - len - (len < size));
	int whole = match(text, labels), clauses = 1;
	kk_auto_free char *copy = kk_xstrdup(text);
	char *rest = copy, *clause;

	while (*text && (clause = strsep(&rest, ","))) {
		int one = *clause ? match(clause, labels) : -1;

		if (one >= 0)
			opposite_check(clause, one, labels);
		if (one < clauses)
			clauses = one;
	}
	fuzz_require(whole == clauses);
	return 0;
}
