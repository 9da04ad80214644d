/* client/cmd/delete.c - kuke delete <kind> <name>, kuke delete -f, kuke purge <kind> <name>. */
#include "../cli.h"

#include <stdio.h>
#include <string.h>

#include <kukeon/mem.h>

/* @verb begins the method as well as the line that is printed. */
static int remove_one(struct cli *cli, const char *verb, json_t **ret_reply, struct kk_err *err)
{
	enum kk_kind kind = cli_leaf(cli)->kind;
	struct kk_scope scope = cli_scope(cli, kind, cli_arg(cli, 0));
	kk_auto_free char *method = kk_xprintf("%s%s", verb, kk_kind_name(kind));
	json_t *args;

	if (cli_scope_check(cli, kind, err) < 0)
		return kk_failed(err);
	args = cli_doc_args(kind, &scope, NULL);
	json_object_set_new(args, "Force", json_boolean(cli_bool(cli, "force")));
	json_object_set_new(args, "Cascade", json_boolean(cli_bool(cli, "cascade")));
	if (cli_call(cli, method, args, ret_reply, err) < 0)
		return kk_failed(err);
	switch (kind) {
	case KK_KIND_REALM:
		printf("%sd realm \"%s\"\n", verb, scope.realm);
		break;
	case KK_KIND_SPACE:
		printf("%sd space \"%s\" from realm \"%s\"\n", verb, scope.space, scope.realm);
		break;
	case KK_KIND_STACK:
		printf("%sd stack \"%s\" from space \"%s\"\n", verb, scope.stack, scope.space);
		break;
	default:
		printf("%sd cell \"%s\" from stack \"%s\"\n", verb, scope.cell, scope.stack);
		break;
	}
	return 0;
}

static int delete_run(struct cli *cli, struct kk_err *err)
{
	kk_auto_json *reply = NULL;

	return remove_one(cli, "Delete", &reply, err);
}

static void resource_print(const json_t *resource)
{
	const json_t *details = json_object_get(resource, "details");
	size_t i;
	json_t *line;

	printf("%s \"%s\": %s\n", cli_json_string(resource, "kind"),
		cli_json_string(resource, "name"), cli_json_string(resource, "action"));
	json_array_foreach (json_object_get(resource, "cascaded"), i, line)
		printf("  - %s (cascade)\n", kk_str(json_string_value(line)));
	if (json_object_get(details, "containers"))
		printf("  - containers: %s\n", cli_json_string(details, "containers"));
	if (json_object_get(resource, "error"))
		printf("  Error: %s\n", cli_json_string(resource, "error"));
}

static int file_run(struct cli *cli, struct kk_err *err)
{
	const char *file = cli_string(cli, "file"), *output = cli_string(cli, "output");
	kk_auto_buf yaml = {0};
	kk_auto_free char *encoded = NULL;
	kk_auto_json *reply = NULL, *shown = NULL;
	bool is_failed = false;
	size_t i;
	json_t *item;

	if (!*file) {
		cli_help_print(cli);
		return 0;
	}
	if (cli_input_read(file, &yaml, err) < 0)
		return kk_failed(err);
	encoded = cli_base64(yaml.data ? (char *)yaml.data : "", yaml.len);
	if (cli_call(cli, "DeleteDocuments",
		    json_pack("{s:s, s:b, s:b}", "RawYAML", encoded, "Cascade",
			    cli_bool(cli, "cascade"), "Force", cli_bool(cli, "force")),
		    &reply, err) < 0)
		return kk_failed(err);
	shown = json_pack("{s:O}", "resources",
		json_object_get(json_object_get(reply, "Result"), "Resources"));
	json_array_foreach (json_object_get(shown, "resources"), i, item) {
		is_failed |= strcmp(cli_json_string(item, "action"), "failed") == 0;
		if (strcmp(output, "json") != 0 && strcmp(output, "yaml") != 0)
			resource_print(item);
	}
	if (strcmp(output, "json") == 0)
		cli_json_print(shown);
	else if (strcmp(output, "yaml") == 0)
		cli_yaml_print_any(shown);
	return is_failed ? kk_fail(err, KK_E_API, "config error: some resources failed to delete") :
			   0;
}

static const struct cli_flag space_flags[] = {CLI_FLAG_REALM, CLI_FLAGS_END};
static const struct cli_flag stack_flags[] = {CLI_FLAG_REALM, CLI_FLAG_SPACE, CLI_FLAGS_END};
static const struct cli_flag cell_flags[] = {
	CLI_FLAG_REALM, CLI_FLAG_SPACE, CLI_FLAG_STACK, CLI_FLAGS_END};
static const struct cli_flag file_flags[] = {
	{"file", 'f', CLI_STRING, NULL, NULL,
		"manifest whose objects are deleted, - for standard input", "path"},
	{"output", 'o', CLI_STRING, NULL, NULL, "json or yaml", "format"},
	CLI_FLAGS_END,
};
static const struct cli_flag group_flags[] = {
	{"cascade", 0, CLI_BOOL, NULL, NULL, "delete the children as well", NULL},
	{"force", 0, CLI_BOOL, NULL, NULL, "do not refuse because of children", NULL},
	CLI_FLAGS_END,
};

static const struct cli_command realm = {
	.name = "realm",
	.aliases = "r",
	.usage = "<name> [flags]",
	.summary = "Delete a realm",
	.min_args = 1,
	.max_args = 1,
	.route = CLI_ROUTE_BOTH,
	.names_object = true,
	.kind = KK_KIND_REALM,
	.is_long = true,
	.run = delete_run,
};
static const struct cli_command space = {
	.name = "space",
	.aliases = "sp",
	.usage = "<name> [flags]",
	.summary = "Delete a space",
	.flags = space_flags,
	.min_args = 1,
	.max_args = 1,
	.route = CLI_ROUTE_BOTH,
	.names_object = true,
	.kind = KK_KIND_SPACE,
	.is_long = true,
	.run = delete_run,
};
static const struct cli_command stack = {
	.name = "stack",
	.aliases = "st",
	.usage = "<name> [flags]",
	.summary = "Delete a stack",
	.flags = stack_flags,
	.min_args = 1,
	.max_args = 1,
	.route = CLI_ROUTE_BOTH,
	.names_object = true,
	.kind = KK_KIND_STACK,
	.is_long = true,
	.run = delete_run,
};
static const struct cli_command cell = {
	.name = "cell",
	.aliases = "ce",
	.usage = "<name> [flags]",
	.summary = "Stop a cell and delete it",
	.flags = cell_flags,
	.min_args = 1,
	.max_args = 1,
	.route = CLI_ROUTE_BOTH,
	.names_object = true,
	.kind = KK_KIND_CELL,
	.is_long = true,
	.run = delete_run,
};

static const struct cli_command *const children[] = {&realm, &space, &stack, &cell, NULL};

const struct cli_command cli_cmd_delete = {
	.name = "delete",
	.aliases = "d",
	.usage = "<kind> <name> | -f <file>",
	.summary = "Delete objects by name or manifest",
	.flags = file_flags,
	.persistent_flags = group_flags,
	.children = children,
	.route = CLI_ROUTE_BOTH,
	.is_long = true,
	.run = file_run,
};

/* --- purge --- */

static const char *yes_no(const json_t *result, const char *key)
{
	return json_is_true(json_object_get(result, key)) ? "true" : "false";
}

static int purge_run(struct cli *cli, struct kk_err *err)
{
	kk_auto_json *reply = NULL;
	const json_t *result, *purged;
	size_t i;
	json_t *tag;

	if (remove_one(cli, "Purge", &reply, err) < 0)
		return kk_failed(err);
	result = json_object_get(reply, "Result");
	purged = json_object_get(result, "Purged");
	if (cli_leaf(cli)->kind == KK_KIND_SPACE)
		printf("Deleted resources -> metadata:%s cgroup:%s cni:%s\n",
			yes_no(result, "MetadataDeleted"), yes_no(result, "CgroupDeleted"),
			yes_no(result, "CNINetworkDeleted"));
	if (json_array_size(purged) == 0)
		return 0;
	fputs("Additional resources purged: ", stdout);
	json_array_foreach (purged, i, tag)
		printf("%c%s", i ? ' ' : '[', kk_str(json_string_value(tag)));
	puts("]");
	return 0;
}

static const struct cli_flag purge_flags[] = {
	{"cascade", 0, CLI_BOOL, NULL, NULL, "purge the children as well", NULL},
	{"force", 0, CLI_BOOL, NULL, NULL, "do not refuse because of children", NULL},
	{"no-daemon", 0, CLI_BOOL, NULL, NULL, "work in-process, without kukeond", NULL},
	CLI_FLAGS_END,
};

static const struct cli_command purge_realm = {
	.name = "realm",
	.aliases = "r",
	.usage = "<name> [flags]",
	.summary = "Purge a realm, also one of which only leftovers are there",
	.min_args = 1,
	.max_args = 1,
	.route = CLI_ROUTE_BOTH,
	.names_object = true,
	.kind = KK_KIND_REALM,
	.is_long = true,
	.run = purge_run,
};
static const struct cli_command purge_space = {
	.name = "space",
	.aliases = "sp",
	.usage = "<name> [flags]",
	.summary = "Purge a space",
	.flags = space_flags,
	.min_args = 1,
	.max_args = 1,
	.route = CLI_ROUTE_BOTH,
	.names_object = true,
	.kind = KK_KIND_SPACE,
	.is_long = true,
	.run = purge_run,
};
static const struct cli_command purge_stack = {
	.name = "stack",
	.aliases = "st",
	.usage = "<name> [flags]",
	.summary = "Purge a stack",
	.flags = stack_flags,
	.min_args = 1,
	.max_args = 1,
	.route = CLI_ROUTE_BOTH,
	.names_object = true,
	.kind = KK_KIND_STACK,
	.is_long = true,
	.run = purge_run,
};
static const struct cli_command purge_cell = {
	.name = "cell",
	.aliases = "ce",
	.usage = "<name> [flags]",
	.summary = "Purge a cell",
	.flags = cell_flags,
	.min_args = 1,
	.max_args = 1,
	.route = CLI_ROUTE_BOTH,
	.names_object = true,
	.kind = KK_KIND_CELL,
	.is_long = true,
	.run = purge_run,
};

static const struct cli_command *const purge_children[] = {
	&purge_realm, &purge_space, &purge_stack, &purge_cell, NULL};

const struct cli_command cli_cmd_purge = {
	.name = "purge",
	.aliases = "p",
	.usage = "<kind> <name>",
	.summary = "Delete objects and all that can be found of them",
	.persistent_flags = purge_flags,
	.children = purge_children,
};
