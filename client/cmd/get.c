/* client/cmd/get.c - kuke get <kind> [name]. */
#include "../cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kukeon/clock.h>
#include <kukeon/mem.h>

/* What all kinds share: output format, selector. */
struct options {
	struct cli_output output;
	struct cli_selector *selector;
};

static void options_release(struct options *options)
{
	cli_selector_free(options->selector);
}

static int options_get(const struct cli *cli, struct options *options, struct kk_err *err)
{
	if (cli_output_parse(cli_string(cli, "output"), &options->output, err) < 0)
		return kk_failed(err);
	if (cli_arg(cli, 0) && cli_is_given(cli, "selector"))
		return kk_fail(err, KK_E_USAGE,
			"--selector cannot be combined with a resource name");
	if (cli_arg(cli, 0) && cli_bool(cli, "all"))
		return kk_fail(err, KK_E_USAGE, "--all cannot be combined with a resource name");
	return cli_selector_parse(cli_string(cli, "selector"), &options->selector, err);
}

static int missing_fail(enum kk_kind kind, const struct kk_scope *s, struct kk_err *err)
{
	switch (kind) {
	case KK_KIND_REALM:
		return kk_fail(err, KK_E_REALM_NOT_FOUND, "realm \"%s\" not found", s->realm);
	case KK_KIND_SPACE:
		return kk_fail(err, KK_E_SPACE_NOT_FOUND, "space \"%s\" not found in realm \"%s\"",
			s->space, s->realm);
	case KK_KIND_STACK:
		return kk_fail(err, KK_E_STACK_NOT_FOUND,
			"stack \"%s\" not found in realm \"%s\", space \"%s\"", s->stack, s->realm,
			s->space);
	default:
		return cli_cell_missing_fail(s, err);
	}
}

static void table_start(struct cli_table *table, const struct cli_view *view, bool is_wide)
{
	cli_table_init(table, view->columns, view->n_columns + (is_wide ? view->n_wide : 0));
}

static void table_end(struct cli_table *table)
{
	cli_table_print(table);
	cli_table_release(table);
}

static int doc_print(const struct cli_view *view, const json_t *doc,
	const struct cli_output *output, struct kk_err *err)
{
	struct cli_table table;
	int r = cli_doc_print(output, kk_kind_schema(view->kind), doc, err);

	if (r)
		return r < 0 ? r : 0;
	table_start(&table, view, output->format == CLI_WIDE);
	view->row(&table, doc, output->format == CLI_WIDE);
	table_end(&table);
	return 0;
}

static int get_one(struct cli *cli, const struct cli_view *view, const struct cli_output *output,
	struct kk_err *err)
{
	struct kk_scope scope = cli_scope(cli, view->kind, cli_arg(cli, 0));
	kk_auto_json *reply = NULL;
	const json_t *result;

	if (cli_scope_check(cli, view->kind, err) < 0 ||
		cli_call(cli, view->get_method, cli_doc_args(view->kind, &scope, NULL), &reply,
			err) < 0)
		return kk_failed(err);
	result = json_object_get(reply, "Result");
	if (!json_is_true(json_object_get(result, "MetadataExists")))
		return missing_fail(view->kind, &scope, err);
	return doc_print(view, json_object_get(result, kk_kind_name(view->kind)), output, err);
}

static json_t *list_args(const struct cli *cli)
{
	struct kk_scope scope = cli_filters(cli);

	/* Also where variables stand for the flags. */
	if (cli_bool(cli, "all"))
		return json_object();
	scope.cell = cli_filter(cli, "cell");
	return cli_scope_args(&scope);
}

/* Documents of a list, one after the other; NULL @selector: all. */
static bool doc_next(struct kk_text *rest, const struct cli_selector *selector,
	struct kk_text *ret_doc)
{
	while (kk_text_next(rest, ret_doc)) {
		kk_auto_json *doc = NULL;

		if (!selector)
			return true;
		doc = cli_text_load(ret_doc);
		if (cli_selector_match(selector,
			    json_object_get(json_object_get(doc, "metadata"), "labels")))
			return true;
	}
	return false;
}

static void list_print_json(struct kk_text docs, const struct cli_selector *selector)
{
	const char *before = "[\n  ";
	struct kk_text doc;

	while (doc_next(&docs, selector, &doc)) {
		fputs(before, stdout);
		cli_text_print(&doc, 1);
		before = ",\n  ";
	}
	puts(*before == '[' ? "[]" : "\n]");
}

static int list_print_yaml(const struct kk_schema *schema, struct kk_text docs,
	const struct cli_selector *selector, struct kk_err *err)
{
	kk_auto_json *chosen = json_array();
	struct kk_text doc;

	while (doc_next(&docs, selector, &doc))
		json_array_append_new(chosen, cli_text_load(&doc));
	return cli_yaml_print(schema, chosen, err);
}

static void list_print_names(struct kk_text docs, const struct cli_selector *selector)
{
	struct kk_text text;

	while (doc_next(&docs, selector, &text)) {
		kk_auto_json *doc = cli_text_load(&text);

		puts(cli_doc_name(doc));
	}
}

static void list_print_path(const char *path, struct kk_text docs,
	const struct cli_selector *selector)
{
	kk_auto_json *root = json_pack("{s:[]}", "items");
	kk_auto_free char *shown = NULL;
	struct kk_text text;

	while (doc_next(&docs, selector, &text))
		json_array_append_new(json_object_get(root, "items"), cli_text_load(&text));
	shown = cli_jsonpath_render(path, root);
	fputs(shown, stdout);
}

/* As cli_doc_print. */
static int list_print(const struct cli_output *output, const struct kk_schema *schema,
	struct kk_text docs, const struct cli_selector *selector, struct kk_err *err)
{
	switch (output->format) {
	case CLI_JSON:
		list_print_json(docs, selector);
		return 1;
	case CLI_YAML:
		return list_print_yaml(schema, docs, selector, err) < 0 ? kk_failed(err) : 1;
	case CLI_NAME:
		list_print_names(docs, selector);
		return 1;
	case CLI_JSONPATH:
		list_print_path(output->path, docs, selector);
		return 1;
	case CLI_TABLE:
	case CLI_WIDE:
		break;
	}
	return 0;
}

static void list_print_table(const struct cli_view *view, struct kk_text docs,
	const struct cli_selector *selector, bool is_wide)
{
	struct cli_table table;
	struct kk_text text;

	table_start(&table, view, is_wide);
	while (doc_next(&docs, selector, &text)) {
		kk_auto_json *doc = cli_text_load(&text);

		view->row(&table, doc, is_wide);
	}
	if (table.cells.n > table.n_columns)
		cli_table_print(&table);
	else
		printf("No %s found.\n", view->plural);
	cli_table_release(&table);
}

static int list_call(struct cli *cli, const char *method, const char *key, struct kk_text *ret_docs,
	struct kk_err *err)
{
	struct kk_text reply;
	int r = cli_call_text(cli, method, list_args(cli), &reply, err);

	if (r < 0)
		return r;
	if (!kk_text_member(&reply, key, ret_docs))
		return kk_fail(err, KK_E_PROTOCOL, "the reply to %s has no \"%s\"", method, key);
	return 0;
}

static int get_list(struct cli *cli, const struct cli_view *view, const struct options *options,
	struct kk_err *err)
{
	const struct cli_selector *selector = cli_is_given(cli, "selector") ? options->selector :
									      NULL;
	struct kk_text docs;
	int r;

	if (list_call(cli, view->list_method, view->list_key, &docs, err) < 0)
		return kk_failed(err);
	r = list_print(&options->output, kk_kind_schema(view->kind), docs, selector, err);
	if (r == 0)
		list_print_table(view, docs, selector, options->output.format == CLI_WIDE);
	return r < 0 ? r : 0;
}

static int get(struct cli *cli, const struct cli_view *view, struct kk_err *err)
{
	kk_auto(options_release) struct options options = {0};

	if (options_get(cli, &options, err) < 0)
		return kk_failed(err);
	if (cli_bool(cli, "watch"))
		return cli_watch(cli, view, &options.output, options.selector, err);
	if (cli_arg(cli, 0))
		return get_one(cli, view, &options.output, err);
	return get_list(cli, view, &options, err);
}

static int realm_run(struct cli *cli, struct kk_err *err)
{
	return get(cli, &cli_view_realm, err);
}

static int space_run(struct cli *cli, struct kk_err *err)
{
	return get(cli, &cli_view_space, err);
}

static int stack_run(struct cli *cli, struct kk_err *err)
{
	return get(cli, &cli_view_stack, err);
}

static int cell_run(struct cli *cli, struct kk_err *err)
{
	return get(cli, &cli_view_cell, err);
}

/* --- containers: the list has specifications alone, the states come from their cells --- */

static char *cell_key(const json_t *spec, const char *name)
{
	return kk_xprintf("%s/%s/%s/%s", cli_json_string(spec, "realmId"),
		cli_json_string(spec, "spaceId"), cli_json_string(spec, "stackId"), name);
}

/* The statuses of all listed cells, by the key of the cell. */
static int statuses_get(struct cli *cli, json_t *statuses, struct kk_err *err)
{
	struct kk_text cells, text;

	if (list_call(cli, "ListCells", "Cells", &cells, err) < 0)
		return kk_failed(err);
	while (kk_text_next(&cells, &text)) {
		kk_auto_json *cell = cli_text_load(&text);
		kk_auto_free char *key = cell_key(json_object_get(cell, "spec"),
			cli_json_string(json_object_get(cell, "metadata"), "name"));

		json_object_set(statuses, key,
			json_object_get(json_object_get(cell, "status"), "containers"));
	}
	return 0;
}

static void ncli_doc_print(struct cli *cli)
{
	static const char *const flags[] = {"cell", "stack", "space", "realm"};
	bool is_filtered = false;
	kk_auto_json *reply = NULL;
	struct kk_err ignored = {0};
	size_t i;
	json_t *cell;

	printf("No containers found");
	for (i = 0; i < KK_COUNT(flags); i++) {
		if (!cli_is_given(cli, flags[i]))
			continue;
		printf("%s %s \"%s\"", is_filtered ? "" : " for", flags[i],
			cli_string(cli, flags[i]));
		is_filtered = true;
	}
	printf(".\n");
	if (!cli_is_given(cli, "cell") ||
		cli_call(cli, "ListCells", json_object(), &reply, &ignored) < 0)
		return;
	json_array_foreach (json_object_get(reply, "Cells"), i, cell) {
		const json_t *spec = json_object_get(cell, "spec");

		if (strcmp(cli_json_string(json_object_get(cell, "metadata"), "name"),
			    cli_string(cli, "cell")) != 0)
			continue;
		printf("Hint: cell \"%s\" exists in realm \"%s\" space \"%s\" stack \"%s\" — pass "
		       "--realm/--space/--stack to filter there.\n",
			cli_string(cli, "cell"), cli_json_string(spec, "realmId"),
			cli_json_string(spec, "spaceId"), cli_json_string(spec, "stackId"));
		return;
	}
}

static int containers_list(struct cli *cli, const struct cli_output *output, struct kk_err *err)
{
	bool is_wide = output->format == CLI_WIDE;
	kk_auto_json *specs = json_array(), *statuses = json_object();
	struct kk_text list, text;
	struct cli_table table;
	size_t i;
	json_t *spec;
	int r;

	if (list_call(cli, "ListContainers", "Containers", &list, err) < 0)
		return kk_failed(err);
	r = list_print(output, kk_schema_of_container_spec(), list, NULL, err);
	if (r)
		return r < 0 ? r : 0;
	while (kk_text_next(&list, &text))
		json_array_append_new(specs, cli_text_load(&text));
	if (json_array_size(specs) == 0) {
		ncli_doc_print(cli);
		return 0;
	}
	if (statuses_get(cli, statuses, err) < 0)
		return kk_failed(err);
	cli_table_init(&table, cli_view_container.columns,
		is_wide ? CLI_CONTAINER_WIDE : CLI_CONTAINER_COLUMNS);
	json_array_foreach (specs, i, spec) {
		kk_auto_free char *key = cell_key(spec, cli_json_string(spec, "cellId"));

		cli_container_row(&table, spec,
			cli_json_find(json_object_get(statuses, key), "id",
				cli_json_string(spec, "id")),
			is_wide);
	}
	table_end(&table);
	return 0;
}

static int container_one(struct cli *cli, const struct cli_output *output, struct kk_err *err)
{
	bool is_wide = output->format == CLI_WIDE;
	const char *name = cli_arg(cli, 0);
	struct kk_scope scope = cli_scope(cli, KK_KIND_CONTAINER, name);
	kk_auto_json *reply = NULL;
	const json_t *doc;
	struct cli_table table;
	int r;

	if (!*cli_string(cli, "cell"))
		return kk_fail(err, KK_E_CELL_NAME_REQUIRED, "cell name is required (--cell)");
	if (cli_scope_check(cli, KK_KIND_CONTAINER, err) < 0 ||
		cli_call(cli, "GetContainer", cli_doc_args(KK_KIND_CONTAINER, &scope, name), &reply,
			err) < 0)
		return kk_failed(err);
	doc = json_object_get(json_object_get(reply, "Result"), "Container");
	r = cli_doc_print(output, kk_schema_of_container(), doc, err);
	if (r)
		return r < 0 ? r : 0;
	cli_table_init(&table, cli_view_container.columns,
		is_wide ? CLI_CONTAINER_WIDE : CLI_CONTAINER_COLUMNS);
	cli_container_row(&table, json_object_get(doc, "spec"), json_object_get(doc, "status"),
		is_wide);
	table_end(&table);
	return 0;
}

static int container_run(struct cli *cli, struct kk_err *err)
{
	kk_auto(options_release) struct options options = {0};

	if (options_get(cli, &options, err) < 0)
		return kk_failed(err);
	if (cli_bool(cli, "watch"))
		return cli_watch(cli, &cli_view_container, &options.output, NULL, err);
	if (cli_arg(cli, 0))
		return container_one(cli, &options.output, err);
	return containers_list(cli, &options.output, err);
}

/* --- images --- */

static const char *const image_columns[] = {"NAME", "REALM", "SIZE", "AGE", "CREATED", "DIGEST"};
enum { IMAGE_COLUMNS = 4, IMAGE_WIDE = 6 };

static void image_row(struct cli_table *table, const json_t *image, const char *realm, bool is_wide)
{
	const char *created = cli_json_string(image, "createdAt");
	kk_auto_free char *size = cli_size(json_integer_value(json_object_get(image, "size")));
	kk_auto_free char *age = cli_age(created), *stamp = NULL;

	cli_table_cell(table, cli_json_string(image, "name"));
	cli_table_cell(table, realm);
	cli_table_cell(table, size);
	cli_table_cell(table, age);
	if (!is_wide)
		return;
	stamp = strlen(created) > 19 ? kk_xprintf("%.19sZ", created) : kk_xstrdup("-");
	cli_table_cell(table, stamp);
	cli_cell_or_dash(table, cli_json_string(image, "digest"));
}

static int realm_images(struct cli *cli, const char *realm, json_t *groups, struct kk_err *err)
{
	kk_auto_json *reply = NULL;

	if (cli_call(cli, "ListImages", json_pack("{s:s}", "RealmName", realm), &reply, err) < 0)
		return kk_failed(err);
	json_array_append(groups, json_object_get(reply, "Result"));
	return 0;
}

static int images_collect(struct cli *cli, json_t *groups, struct kk_err *err)
{
	kk_auto_json *reply = NULL;
	size_t i;
	json_t *realm;

	if (cli_arg(cli, 0) || cli_is_given(cli, "realm"))
		return realm_images(cli,
			cli_is_given(cli, "realm") ? cli_string(cli, "realm") : "default", groups,
			err);
	if (cli_call(cli, "ListRealms", json_object(), &reply, err) < 0)
		return kk_failed(err);
	json_array_foreach (json_object_get(reply, "Realms"), i, realm) {
		const char *name = cli_json_string(json_object_get(realm, "metadata"), "name");

		if (realm_images(cli, name, groups, err) < 0)
			return kk_wrap(err, "realm \"%s\"", name);
	}
	return 0;
}

/* `busybox` names docker.io/library/busybox:latest. */
static bool ref_matches(const char *name, const char *ref)
{
	kk_auto_free char *tagged = kk_xprintf("%s:latest", ref);
	const char *forms[] = {name, name + (kk_str_starts(name, "docker.io/") ? 10 : 0),
		name + (kk_str_starts(name, "docker.io/library/") ? 18 : 0)};

	for (size_t i = 0; i < KK_COUNT(forms); i++) {
		if (strcmp(forms[i], ref) == 0 || strcmp(forms[i], tagged) == 0)
			return true;
	}
	return false;
}

static const json_t *image_find(const json_t *groups, const char *ref)
{
	size_t i, k;
	json_t *group, *image;

	json_array_foreach (groups, i, group) {
		json_array_foreach (json_object_get(group, "Images"), k, image) {
			if (ref_matches(cli_json_string(image, "name"), ref))
				return image;
		}
	}
	return NULL;
}

static void images_table(const json_t *groups, const json_t *only, bool is_wide)
{
	struct cli_table table;
	size_t i, k, n = 0;
	json_t *group, *image;

	cli_table_init(&table, image_columns, is_wide ? IMAGE_WIDE : IMAGE_COLUMNS);
	json_array_foreach (groups, i, group) {
		json_array_foreach (json_object_get(group, "Images"), k, image) {
			if (only && image != only)
				continue;
			image_row(&table, image, cli_json_string(group, "Realm"), is_wide);
			n++;
		}
	}
	if (n)
		cli_table_print(&table);
	else
		printf("No images found.\n");
	cli_table_release(&table);
}

/* As cli_doc_print; the name of an image is at its top. */
static int image_print(const struct cli_output *output, const json_t *image, struct kk_err *err)
{
	if (output->format != CLI_NAME)
		return cli_doc_print(output, kk_schema_of_image_info(), image, err);
	puts(cli_json_string(image, "name"));
	return 1;
}

static int images_print(const struct cli_output *output, json_t *groups)
{
	kk_auto_free char *shown = NULL;
	kk_auto_json *root = NULL;
	size_t i, k;
	json_t *group, *image;

	switch (output->format) {
	case CLI_JSON:
		cli_json_print(groups);
		return 1;
	case CLI_YAML:
		cli_yaml_print_any(groups);
		return 1;
	case CLI_NAME:
		json_array_foreach (groups, i, group) {
			json_array_foreach (json_object_get(group, "Images"), k, image)
				puts(cli_json_string(image, "name"));
		}
		return 1;
	case CLI_JSONPATH:
		root = json_pack("{s:O}", "items", groups);
		shown = cli_jsonpath_render(output->path, root);
		fputs(shown, stdout);
		return 1;
	case CLI_TABLE:
	case CLI_WIDE:
		break;
	}
	return 0;
}

static int image_run(struct cli *cli, struct kk_err *err)
{
	kk_auto(options_release) struct options options = {0};
	kk_auto_json *groups = json_array();
	const char *ref = cli_arg(cli, 0);
	const json_t *only = NULL;
	int r;

	if (options_get(cli, &options, err) < 0 || images_collect(cli, groups, err) < 0)
		return kk_failed(err);
	if (ref) {
		only = image_find(groups, ref);
		if (!only)
			return kk_fail(err, KK_E_IMAGE_NOT_FOUND,
				"image \"%s\" not found in realm \"%s\": image not found", ref,
				cli_is_given(cli, "realm") ? cli_string(cli, "realm") : "default");
	}
	if (only)
		r = image_print(&options.output, only, err);
	else
		r = images_print(&options.output, groups);
	if (r == 0)
		images_table(groups, only, options.output.format == CLI_WIDE);
	return r < 0 ? r : 0;
}

/* --- the table --- */

#define FLAG_SELECTOR                                                                                \
	{                                                                                            \
		"selector", 'l', CLI_STRING, NULL, NULL, "only objects with these labels", "k=v,…" \
	}
#define FLAG_WATCH                                                                                \
	{                                                                                         \
		"watch", 'w', CLI_BOOL, NULL, NULL, "go on: show them again as they change", NULL \
	}
#define FLAG_CELL                                                                  \
	{                                                                          \
		"cell", 0, CLI_STRING, NULL, NULL, "cell of the container", "name" \
	}

static const struct cli_flag realm_flags[] = {FLAG_SELECTOR, FLAG_WATCH, CLI_FLAGS_END};
static const struct cli_flag space_flags[] = {
	FLAG_SELECTOR, FLAG_WATCH, CLI_FLAG_REALM, CLI_FLAGS_END};
static const struct cli_flag stack_flags[] = {
	FLAG_SELECTOR, FLAG_WATCH, CLI_FLAG_REALM, CLI_FLAG_SPACE, CLI_FLAGS_END};
static const struct cli_flag cell_flags[] = {
	FLAG_SELECTOR, FLAG_WATCH, CLI_FLAG_REALM, CLI_FLAG_SPACE, CLI_FLAG_STACK, CLI_FLAGS_END};
static const struct cli_flag container_flags[] = {FLAG_SELECTOR, FLAG_WATCH, CLI_FLAG_REALM,
	CLI_FLAG_SPACE, CLI_FLAG_STACK, FLAG_CELL, CLI_FLAGS_END};
static const struct cli_flag image_flags[] = {CLI_FLAG_REALM, CLI_FLAGS_END};
static const struct cli_flag group_flags[] = {
	{"output", 'o', CLI_STRING, "table", "KUKE_GET_OUTPUT",
		"table, wide, yaml, json, name or jsonpath={…} (of a list: {.items[*]…})",
		"format"},
	{"no-daemon", 0, CLI_BOOL, NULL, NULL, "read the state in-process, without kukeond", NULL},
	{"all", 'A', CLI_BOOL, NULL, NULL, "of all realms, whatever flags and variables say", NULL},
	CLI_FLAGS_END,
};

static const struct cli_command realm = {
	.name = "realm",
	.aliases = "realms r",
	.usage = "[name] [flags]",
	.summary = "Show realms",
	.flags = realm_flags,
	.max_args = 1,
	.route = CLI_ROUTE_BOTH,
	.is_reading = true,
	.names_object = true,
	.kind = KK_KIND_REALM,
	.run = realm_run,
};
static const struct cli_command space = {
	.name = "space",
	.aliases = "spaces sp",
	.usage = "[name] [flags]",
	.summary = "Show spaces",
	.flags = space_flags,
	.max_args = 1,
	.route = CLI_ROUTE_BOTH,
	.is_reading = true,
	.names_object = true,
	.kind = KK_KIND_SPACE,
	.run = space_run,
};
static const struct cli_command stack = {
	.name = "stack",
	.aliases = "stacks st",
	.usage = "[name] [flags]",
	.summary = "Show stacks",
	.flags = stack_flags,
	.max_args = 1,
	.route = CLI_ROUTE_BOTH,
	.is_reading = true,
	.names_object = true,
	.kind = KK_KIND_STACK,
	.run = stack_run,
};
static const struct cli_command cell = {
	.name = "cell",
	.aliases = "cells ce",
	.usage = "[name] [flags]",
	.summary = "Show cells",
	.flags = cell_flags,
	.max_args = 1,
	.route = CLI_ROUTE_BOTH,
	.is_reading = true,
	.names_object = true,
	.kind = KK_KIND_CELL,
	.run = cell_run,
};
static const struct cli_command container = {
	.name = "container",
	.aliases = "containers co",
	.usage = "[name] [flags]",
	.summary = "Show containers",
	.flags = container_flags,
	.max_args = 1,
	.route = CLI_ROUTE_BOTH,
	.is_reading = true,
	.names_object = true,
	.kind = KK_KIND_CONTAINER,
	.run = container_run,
};
static const struct cli_command image = {
	.name = "image",
	.aliases = "images img",
	.usage = "[ref] [flags]",
	.summary = "Show images",
	.flags = image_flags,
	.max_args = 1,
	.route = CLI_ROUTE_LOCAL,
	.is_reading = true,
	.run = image_run,
};

static const struct cli_command *const children[] = {
	&realm, &space, &stack, &cell, &container, &image, NULL};

const struct cli_command cli_cmd_get = {
	.name = "get",
	.aliases = "g",
	.usage = "<kind> [name] [flags]",
	.summary = "Show objects",
	.persistent_flags = group_flags,
	.children = children,
};
