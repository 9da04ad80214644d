/* client/out/doc.c - documents as JSON and YAML. */
#include "../cli.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kukeon/mem.h>

#define JSONPATH "jsonpath="

int cli_output_parse(const char *name, struct cli_output *ret_output, struct kk_err *err)
{
	struct kk_err other = {0};

	*ret_output = (struct cli_output){0};
	if (kk_str_starts(name, JSONPATH)) {
		ret_output->format = CLI_JSONPATH;
		ret_output->path = name + strlen(JSONPATH);
		return cli_jsonpath_check(ret_output->path, err);
	}
	if (strcmp(name, "name") == 0) {
		ret_output->format = CLI_NAME;
		return 0;
	}
	if (cli_format_parse(name, &ret_output->format, &other) == 0)
		return 0;
	return kk_fail(err, KK_E_USAGE,
		"invalid output format: %s (supported: yaml, json, table, wide), or name, or jsonpath=…",
		name);
}

int cli_format_parse(const char *name, enum cli_format *ret_format, struct kk_err *err)
{
	static const char *const names[] = {"table", "wide", "yaml", "json"};
	kk_auto_free char *word = kk_xstrdup(name);
	char *start = word;
	size_t len;

	while (isspace((unsigned char)*start))
		start++;
	len = strlen(start);
	while (len && isspace((unsigned char)start[len - 1]))
		start[--len] = '\0';
	for (char *p = start; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	for (size_t i = 0; i < KK_COUNT(names); i++) {
		if (strcmp(names[i], start) == 0 || (!*start && i == 0)) {
			*ret_format = (enum cli_format)i;
			return 0;
		}
	}
	return kk_fail(err, KK_E_USAGE,
		"invalid output format: %s (supported: yaml, json, table, wide)", name);
}

/* json_dumpf would lock and unlock the stream for every brace. */
static int piece_write(const char *piece, size_t len, void *stream)
{
	return fwrite_unlocked(piece, 1, len, stream) == len ? 0 : -1;
}

void cli_json_print(const json_t *json)
{
	json_dump_callback(json, piece_write, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	putchar('\n');
}

int cli_yaml_print(const struct kk_schema *schema, const json_t *json, struct kk_err *err)
{
	size_t n = json_is_array(json) ? json_array_size(json) : 1;
	kk_auto_free char *objects = kk_xalloc((n + 1) * schema->size);
	kk_auto_buf text = {0};
	size_t done = 0;
	int r = 0;

	for (; done < n && r == 0; done++)
		r = kk_json_decode(schema, json_is_array(json) ? json_array_get(json, done) : json,
			objects + done * schema->size, err);
	if (r == 0 && json_is_array(json))
		r = kk_yaml_write_list(schema, objects, n, &text);
	else if (r == 0)
		r = kk_yaml_write(schema, objects, &text);
	for (size_t i = 0; i < done; i++)
		kk_schema_release(schema, objects + i * schema->size);
	if (r == 0)
		fwrite(text.data, 1, text.len, stdout);
	return r;
}

static void any_print(const json_t *json, int indent, bool is_inline);

static void scalar_print(const json_t *json)
{
	kk_auto_free char *text = json_dumps(json, JSON_ENCODE_ANY | JSON_COMPACT);
	const char *s = json_string_value(json);
	bool is_plain = s && *s && isalpha((unsigned char)*s) &&
		!strpbrk(s, ":#\n\"'\\{}[],&*!|>%@`") && s[strlen(s) - 1] != ' ';

	/* JSON's strings are YAML's double-quoted ones. */
	fputs(is_plain ? s : text, stdout);
	putchar('\n');
}

static void object_print(const json_t *json, int indent, bool is_inline)
{
	const char *key;
	json_t *value;
	bool is_first = true;

	json_object_foreach ((json_t *)json, key, value) {
		printf("%*s%s:", is_first && is_inline ? 0 : indent, "", key);
		is_first = false;
		any_print(value, indent + 4, false);
	}
}

static void any_print(const json_t *json, int indent, bool is_inline)
{
	size_t i;
	json_t *item;

	if (json_is_object(json) && json_object_size(json)) {
		if (!is_inline && indent > 0)
			putchar('\n');
		object_print(json, indent, is_inline);
		return;
	}
	if (json_is_array(json) && json_array_size(json)) {
		putchar('\n');
		json_array_foreach (json, i, item) {
			printf("%*s- ", indent, "");
			any_print(item, indent + 2, true);
		}
		return;
	}
	if (!is_inline)
		putchar(' ');
	scalar_print(json);
}

void cli_yaml_print_any(const json_t *json)
{
	any_print(json, 0, true);
}

const char *cli_doc_name(const json_t *doc)
{
	const char *name = cli_json_string(json_object_get(doc, "metadata"), "name");

	/* What stands in a list of containers is no document. */
	return *name ? name : cli_json_string(doc, "id");
}

int cli_doc_print(const struct cli_output *output, const struct kk_schema *schema,
	const json_t *doc, struct kk_err *err)
{
	kk_auto_free char *text = NULL;

	switch (output->format) {
	case CLI_YAML:
		return cli_yaml_print(schema, doc, err) < 0 ? kk_failed(err) : 1;
	case CLI_JSON:
		cli_json_print(doc);
		return 1;
	case CLI_NAME:
		puts(cli_doc_name(doc));
		return 1;
	case CLI_JSONPATH:
		text = cli_jsonpath_render(output->path, doc);
		fputs(text, stdout);
		return 1;
	case CLI_TABLE:
	case CLI_WIDE:
		break;
	}
	return 0;
}
