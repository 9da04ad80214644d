/* client/cmd/explain.c - kuke explain: the fields of documents, out of the tables that read them. */
#include "../cli.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <kukeon/mem.h>

static const struct {
	const char *schema, *field, *text;
} texts[] = {
#define KK_EXPLAIN(schema, field, text) {schema, field, text},
#include "explain.def"
#undef KK_EXPLAIN
};

const char *cli_explain(const struct kk_schema *schema, const struct kk_field *field)
{
	const char *const names[] = {schema->name, "*"};

	for (size_t k = 0; k < KK_COUNT(names); k++) {
		for (size_t i = 0; i < KK_COUNT(texts); i++) {
			if (strcmp(texts[i].schema, names[k]) == 0 &&
				strcmp(texts[i].field, field->name) == 0)
				return texts[i].text;
		}
	}
	return NULL;
}

static bool is_shown(const struct kk_field *field)
{
	return !(field->flags & KK_INTERNAL);
}

static const char *type_name(const struct kk_field *field)
{
	switch (field->type) {
	case KK_T_BOOL:
	case KK_T_OPT_BOOL:
		return "boolean";
	case KK_T_I64:
	case KK_T_U64:
	case KK_T_OPT_I64:
		return "number";
	case KK_T_TIME:
		return "time";
	case KK_T_STRS:
		return "list of strings";
	case KK_T_INTS:
		return "list of numbers";
	case KK_T_MAP:
		return "map of strings";
	case KK_T_OBJ:
		return "object";
	case KK_T_LIST:
		return "list of objects";
	default:
		return "string";
	}
}

/* What else is to be known of it. */
static char *remarks(const struct kk_field *field)
{
	struct kk_buf text = {0};

	if (field->flags & KK_REQUIRED)
		kk_buf_printf(&text, ", required");
	if (field->flags & KK_BREAKING)
		kk_buf_printf(&text, ", can't be changed");
	else if (field->flags & KK_BAKED)
		kk_buf_printf(&text, ", a change recreates the container");
	if (field->flags & KK_JSON_ONLY)
		kk_buf_printf(&text, ", not in manifests");
	return kk_buf_take(&text);
}

static void values_print(const struct kk_field *field)
{
	printf("    one of:");
	for (unsigned i = 0; i < field->names->n; i++)
		printf("%s %s", i ? "," : "", field->names->names[i]);
	putchar('\n');
}

static void field_print(const struct kk_schema *schema, const struct kk_field *field)
{
	kk_auto_free char *more = remarks(field);

	printf("  %s <%s%s>\n    %s\n", field->name, type_name(field), kk_str(more),
		kk_str(cli_explain(schema, field)));
	if (field->names)
		values_print(field);
}

static void fields_print(const struct kk_schema *schema)
{
	printf("\nFields:\n");
	for (unsigned i = 0; i < schema->n_fields; i++) {
		if (is_shown(&schema->fields[i]))
			field_print(schema, &schema->fields[i]);
	}
}

static const struct kk_field *field_find(const struct kk_schema *schema, const char *name,
	size_t len)
{
	for (unsigned i = 0; schema && i < schema->n_fields; i++) {
		const struct kk_field *field = &schema->fields[i];

		if (strlen(field->name) == len && strncasecmp(field->name, name, len) == 0 &&
			is_shown(field))
			return field;
	}
	return NULL;
}

/* A kind by its name, also in the plural. */
static int kind_parse(const char *word, size_t len)
{
	for (int kind = 0; kind < KK_KINDS; kind++) {
		const char *name = kk_kind_name((enum kk_kind)kind);
		size_t n = strlen(name);

		if (strncasecmp(word, name, n) == 0 &&
			(len == n || (len == n + 1 && tolower((unsigned char)word[n]) == 's')))
			return kind;
	}
	return -1;
}

static int names_fail(const char *path, const struct kk_schema *schema, const char *word,
	size_t len, struct kk_err *err)
{
	kk_auto_buf names = {0};

	for (unsigned i = 0; schema && i < schema->n_fields; i++) {
		if (is_shown(&schema->fields[i]))
			kk_buf_printf(&names, "%s%s", names.len ? ", " : "",
				schema->fields[i].name);
	}
	if (!names.len)
		return kk_fail(err, KK_E_USAGE, "\"%s\": nothing is below \"%.*s\"", path,
			(int)(word > path ? word - path - 1 : 0), path);
	return kk_fail(err, KK_E_USAGE, "\"%s\": there is no field \"%.*s\"; there are %s", path,
		(int)len, word, (char *)names.data);
}

static int run(struct cli *cli, struct kk_err *err)
{
	const char *path = cli_arg(cli, 0), *word = path;
	size_t len = strcspn(word, ".");
	int kind = kind_parse(word, len);
	const struct kk_schema *schema, *of;
	const struct kk_field *field = NULL;

	if (kind < 0)
		return kk_fail(err, KK_E_USAGE,
			"unknown kind \"%.*s\": want realm, space, stack, cell or container",
			(int)len, word);
	schema = of = kk_kind_schema((enum kk_kind)kind);
	while (word[len] == '.') {
		word += len + 1;
		len = strcspn(word, ".");
		field = field_find(schema, word, len);
		if (!field)
			return names_fail(path, schema, word, len, err);
		of = schema;
		schema = field->sub ? field->sub() : NULL;
	}
	if (field) {
		kk_auto_free char *more = remarks(field);

		printf("%s <%s%s>\n  %s\n", path, type_name(field), kk_str(more),
			kk_str(cli_explain(of, field)));
		if (field->names)
			values_print(field);
	} else {
		printf("%s (apiVersion %s)\n", kk_kind_name((enum kk_kind)kind), KK_API_VERSION);
	}
	if (schema)
		fields_print(schema);
	return 0;
}

static const struct cli_flag flags[] = {CLI_FLAGS_END};

const struct cli_command cli_cmd_explain = {
	.name = "explain",
	.usage = "<kind>[.field]…",
	.summary = "Tell what the fields of a document are for",
	.flags = flags,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
