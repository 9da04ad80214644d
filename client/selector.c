/* client/selector.c - label selectors: k=v, k==v, k!=v, k, !k, joined by commas. */
#include "cli.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <kukeon/mem.h>

enum operation { EQUALS, DIFFERS, EXISTS, MISSING };

struct clause {
	enum operation operation;
	char *key;
	char *value;
};

struct cli_selector {
	struct clause *clauses;
	size_t n;
};

void cli_selector_free(struct cli_selector *selector)
{
	if (!selector)
		return;
	for (size_t i = 0; i < selector->n; i++) {
		free(selector->clauses[i].key);
		free(selector->clauses[i].value);
	}
	free(selector->clauses);
	free(selector);
}

static char *trimmed(const char *s, size_t len)
{
	while (len && isspace((unsigned char)*s)) {
		s++;
		len--;
	}
	while (len && isspace((unsigned char)s[len - 1]))
		len--;
	return kk_xstrndup(s, len);
}

static int clause_fail(const char *text, const char *why, struct kk_err *err)
{
	return kk_fail(err, KK_E_USAGE, "invalid selector clause \"%s\": %s", text, why);
}

static int clause_parse(const char *text, struct clause *clause, struct kk_err *err)
{
	const char *differs = strstr(text, "!="), *equals = strchr(text, '=');
	const char *value = NULL;

	if (text[0] == '!' && text[1] != '=') {
		clause->operation = MISSING;
		clause->key = trimmed(text + 1, strlen(text + 1));
		return *clause->key ? 0 : clause_fail(text, "empty key after '!'", err);
	}
	if (differs) {
		clause->operation = DIFFERS;
		clause->key = trimmed(text, (size_t)(differs - text));
		value = differs + 2;
	} else if (equals) {
		clause->operation = EQUALS;
		clause->key = trimmed(text, (size_t)(equals - text));
		value = equals + (equals[1] == '=' ? 2 : 1);
	} else {
		clause->operation = EXISTS;
		clause->key = trimmed(text, strlen(text));
	}
	if (!*clause->key)
		return clause_fail(text, "empty key", err);
	if (!value)
		return 0;
	clause->value = trimmed(value, strlen(value));
	if (!*clause->value)
		return clause_fail(text,
			differs ? "empty value after '!='" : "empty value after '='", err);
	return 0;
}

int cli_selector_parse(const char *text, struct cli_selector **ret_selector, struct kk_err *err)
{
	kk_auto(cli_selector_freep) struct cli_selector *selector = kk_xalloc(sizeof *selector);
	kk_auto_free char *copy = kk_xstrdup(text);
	char *rest = copy, *part;

	while (*text && (part = strsep(&rest, ","))) {
		kk_auto_free char *clause = trimmed(part, strlen(part));
		int r;

		if (!*clause)
			return kk_fail(err, KK_E_USAGE, "invalid selector \"%s\": empty clause",
				text);
		selector->clauses = kk_xrealloc(selector->clauses,
			(selector->n + 1) * sizeof selector->clauses[0]);
		selector->clauses[selector->n] = (struct clause){0};
		r = clause_parse(clause, &selector->clauses[selector->n++], err);
		if (r < 0)
			return r;
	}
	*ret_selector = kk_steal(&selector);
	return 0;
}

bool cli_selector_match(const struct cli_selector *selector, const json_t *labels)
{
	for (size_t i = 0; i < selector->n; i++) {
		const struct clause *clause = &selector->clauses[i];
		const char *value = json_string_value(json_object_get(labels, clause->key));
		bool is_equal = value && clause->value && strcmp(value, clause->value) == 0;

		switch (clause->operation) {
		case EQUALS:
			if (!is_equal)
				return false;
			break;
		case DIFFERS:
			if (is_equal)
				return false;
			break;
		case EXISTS:
			if (!value)
				return false;
			break;
		case MISSING:
			if (value)
				return false;
			break;
		}
	}
	return true;
}
