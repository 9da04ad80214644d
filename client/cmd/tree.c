/* client/cmd/tree.c - kuke tree: the hierarchy as a picture. */
#include "../cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kukeon/mem.h>

static const char *const columns[] = {"NAME", "STATE", "IP", "MEMORY"};
static const char *const words[] = {"realm", "space", "stack", "cell"};

/* Lists of all kinds, and what the cells use. */
struct forest {
	json_t *docs[4];
	json_t *usage;
	struct cli_table table;
};

static void forest_release(struct forest *forest)
{
	for (size_t i = 0; i < KK_COUNT(forest->docs); i++)
		json_decref(forest->docs[i]);
	json_decref(forest->usage);
	cli_table_release(&forest->table);
}

static int forest_read(struct cli *cli, struct forest *forest, struct kk_err *err)
{
	const struct kk_scope scope = cli_filters(cli);
	static const struct cli_view *const views[] = {
		&cli_view_realm, &cli_view_space, &cli_view_stack, &cli_view_cell};
	kk_auto_json *reply = NULL;

	for (size_t i = 0; i < KK_COUNT(views); i++) {
		kk_auto_json *list = NULL;

		if (cli_call(cli, views[i]->list_method, cli_scope_args(&scope), &list, err) < 0)
			return kk_failed(err);
		forest->docs[i] = json_incref(json_object_get(list, views[i]->list_key));
	}
	if (cli_call(cli, "ListUsage", cli_scope_args(&scope), &reply, err) < 0)
		return kk_failed(err);
	forest->usage = json_incref(json_object_get(json_object_get(reply, "Result"), "Usage"));
	return 0;
}

static const char *parent_of(const json_t *doc, int level)
{
	static const char *const keys[] = {"realmId", "spaceId", "stackId"};

	return cli_json_string(json_object_get(doc, "spec"), keys[level]);
}

/* Is it below @path, the names of @level objects? */
static bool is_child(const json_t *doc, const char *const *path, int level)
{
	for (int i = 0; i < level; i++) {
		if (strcmp(parent_of(doc, i), path[i]) != 0)
			return false;
	}
	return true;
}

static char *memory_of(const struct forest *forest, const char *const *path)
{
	size_t i;
	json_t *usage;

	json_array_foreach (forest->usage, i, usage) {
		bool is_it = true;

		for (int level = 0; level < 4; level++)
			is_it = is_it &&
				strcmp(cli_json_string(usage, words[level]), path[level]) == 0;
		if (is_it)
			return cli_size(json_integer_value(json_object_get(usage, "memoryBytes")));
	}
	return kk_xstrdup("-");
}

static void containers_draw(struct forest *forest, const json_t *cell, const char *stem)
{
	const json_t *list = json_object_get(json_object_get(cell, "status"), "containers");
	size_t i;
	json_t *status;

	json_array_foreach (list, i, status) {
		bool is_last = i + 1 == json_array_size(list);
		kk_auto_free char *name = kk_xprintf("%s%scontainer %s", stem,
			is_last ? "└─ " : "├─ ", cli_json_string(status, "id"));

		cli_table_cell(&forest->table, name);
		cli_table_cell(&forest->table, cli_json_string(status, "state"));
		cli_table_cell(&forest->table, "");
		cli_table_cell(&forest->table, "");
	}
}

static void row_draw(struct forest *forest, const json_t *doc, const char *const *path, int level,
	const char *stem, const char *branch)
{
	const json_t *status = json_object_get(doc, "status");
	const char *ip = cli_json_string(json_object_get(status, "network"), "ip");
	kk_auto_free char *name = kk_xprintf("%s%s%s %s", stem, branch, words[level], path[level]);
	kk_auto_free char *memory = level == 3 ? memory_of(forest, path) : kk_xstrdup("");

	cli_table_cell(&forest->table, name);
	cli_table_cell(&forest->table, cli_json_string(status, "state"));
	cli_table_cell(&forest->table, level == 3 && !*ip ? "-" : ip);
	cli_table_cell(&forest->table, memory);
}

static void draw(struct forest *forest, const char **path, int level, const char *stem)
{
	size_t i, n = 0, nth = 0;
	json_t *doc;

	json_array_foreach (forest->docs[level], i, doc)
		n += is_child(doc, path, level);
	json_array_foreach (forest->docs[level], i, doc) {
		kk_auto_free char *below = NULL;
		bool is_last;

		if (!is_child(doc, path, level))
			continue;
		is_last = ++nth == n;
		path[level] = cli_json_string(json_object_get(doc, "metadata"), "name");
		row_draw(forest, doc, path, level, stem, level == 0 ? "" : is_last ? "└─ " : "├─ ");
		below = kk_xprintf("%s%s", stem, level == 0 ? "" : is_last ? "   " : "│  ");
		if (level < 3)
			draw(forest, path, level + 1, below);
		else
			containers_draw(forest, doc, below);
	}
}

static int run(struct cli *cli, struct kk_err *err)
{
	kk_auto(forest_release) struct forest forest = {0};
	const char *path[4] = {0};

	cli_table_init(&forest.table, columns, KK_COUNT(columns));
	if (forest_read(cli, &forest, err) < 0)
		return kk_failed(err);
	draw(&forest, path, 0, "");
	if (forest.table.cells.n > forest.table.n_columns)
		cli_table_print(&forest.table);
	else
		printf("No realms found.\n");
	return 0;
}

static const struct cli_flag flags[] = {
	CLI_FLAG_REALM,
	CLI_FLAG_SPACE,
	CLI_FLAG_STACK,
	CLI_FLAGS_END,
};

const struct cli_command cli_cmd_tree = {
	.name = "tree",
	.usage = "[flags]",
	.summary = "Show all objects as a tree, with states, addresses and memory",
	.flags = flags,
	.route = CLI_ROUTE_BOTH,
	.is_reading = true,
	.run = run,
};
