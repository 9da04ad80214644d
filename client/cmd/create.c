/* client/cmd/create.c - kuke create realm|space|stack|cell. */
#include "../cli.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kukeon/mem.h>

static int name_get(const struct cli *cli, enum kk_kind kind, const char **ret_name,
	struct kk_err *err)
{
	static const int codes[] = {KK_E_REALM_NAME_REQUIRED, KK_E_SPACE_NAME_REQUIRED,
		KK_E_STACK_NAME_REQUIRED, KK_E_CELL_NAME_REQUIRED};
	const char *name = kk_str(cli_arg(cli, 0));

	while (isspace((unsigned char)*name))
		name++;
	if (!*name)
		return kk_fail(err, codes[kind],
			"%s name is required (usage: kuke create %s [name] [flags])",
			kk_kind_word(kind), kk_kind_word(kind));
	*ret_name = name;
	return 0;
}

static int create(struct cli *cli, enum kk_kind kind, json_t *args, json_t **ret_result,
	struct kk_err *err)
{
	static const char *const methods[] = {"CreateRealm", "CreateSpace", "CreateStack"};
	kk_auto_json *reply = NULL;

	if (cli_call(cli, methods[kind], args, &reply, err) < 0)
		return kk_failed(err);
	*ret_result = json_incref(json_object_get(reply, "Result"));
	return 0;
}

static int realm_run(struct cli *cli, struct kk_err *err)
{
	kk_auto_json *result = NULL;
	const char *name, *namespace = cli_string(cli, "namespace");
	json_t *args;

	if (name_get(cli, KK_KIND_REALM, &name, err) < 0)
		return kk_failed(err);
	args = cli_doc_args(KK_KIND_REALM, &(struct kk_scope){.realm = name}, NULL);
	json_object_set_new(json_object_get(json_object_get(args, "Doc"), "spec"), "namespace",
		kk_json_string(namespace));
	if (create(cli, KK_KIND_REALM, args, &result, err) < 0)
		return kk_failed(err);
	printf("Realm \"%s\" (namespace \"%s\")\n", name,
		cli_json_string(json_object_get(json_object_get(result, "Realm"), "spec"),
			"namespace"));
	printf("  - metadata: %s\n", cli_metadata_outcome(result));
	printf("  - containerd namespace: %s\n",
		cli_outcome(result, "ContainerdNamespaceCreated", "ContainerdNamespaceExistsPost"));
	printf("  - cgroup: %s\n", cli_outcome(result, "CgroupCreated", "CgroupExistsPost"));
	return 0;
}

static int space_run(struct cli *cli, struct kk_err *err)
{
	kk_auto_json *result = NULL;
	const char *name, *realm = cli_string(cli, "realm");
	struct kk_scope scope;

	if (name_get(cli, KK_KIND_SPACE, &name, err) < 0 ||
		cli_scope_check(cli, KK_KIND_SPACE, err) < 0)
		return kk_failed(err);
	scope = cli_scope(cli, KK_KIND_SPACE, name);
	if (create(cli, KK_KIND_SPACE, cli_doc_args(KK_KIND_SPACE, &scope, NULL), &result, err) < 0)
		return kk_failed(err);
	printf("Space \"%s\" (realm \"%s\", network \"%s-%s\")\n", name, realm, realm, name);
	printf("  - metadata: %s\n", cli_metadata_outcome(result));
	printf("  - network: %s\n",
		cli_outcome(result, "CNINetworkCreated", "CNINetworkExistsPost"));
	printf("  - cgroup: %s\n", cli_outcome(result, "CgroupCreated", "CgroupExistsPost"));
	return 0;
}

static int stack_run(struct cli *cli, struct kk_err *err)
{
	kk_auto_json *result = NULL;
	const char *name;
	struct kk_scope scope;

	if (name_get(cli, KK_KIND_STACK, &name, err) < 0 ||
		cli_scope_check(cli, KK_KIND_STACK, err) < 0)
		return kk_failed(err);
	scope = cli_scope(cli, KK_KIND_STACK, name);
	if (create(cli, KK_KIND_STACK, cli_doc_args(KK_KIND_STACK, &scope, NULL), &result, err) < 0)
		return kk_failed(err);
	printf("Stack \"%s\" (realm \"%s\", space \"%s\")\n", name, scope.realm, scope.space);
	printf("  - metadata: %s\n", cli_metadata_outcome(result));
	printf("  - cgroup: %s\n", cli_outcome(result, "CgroupCreated", "CgroupExistsPost"));
	return 0;
}

/* --- cell --- */

static int cell_flags_check(const struct cli *cli, struct kk_err *err)
{
	static const char *const sources[] = {"image", "from-blueprint", "from-config", "clone"};
	static const char *const not_with_image[] = {"param", "param-file", "env"};
	kk_auto_buf given = {0};
	size_t n = 0;

	for (size_t i = 0; i < KK_COUNT(sources); i++) {
		static const char *const sorted[] = {
			"clone", "from-blueprint", "from-config", "image"};

		if (!cli_is_given(cli, sorted[i]))
			continue;
		kk_buf_printf(&given, "%s%s", n++ ? " " : "", sorted[i]);
	}
	if (n > 1)
		return kk_fail(err, KK_E_USAGE,
			"if any flags in the group [image from-blueprint from-config "
			"clone] are set none of the others can be; [%s] were all set",
			(char *)given.data);
	if (cli_is_given(cli, "command") && !cli_is_given(cli, "image"))
		return kk_fail(err, KK_E_USAGE, "--command is only valid with --image");
	if (n == 0)
		return kk_fail(err, KK_E_USAGE,
			"kuke create cell requires --image, --from-blueprint, "
			"--from-config, or --clone; to create a cell from a manifest use `kuke apply -f`");
	if (!cli_is_given(cli, "image"))
		return kk_fail(err, KK_E_USAGE,
			"--%s is not supported yet; use --image or `kuke apply -f`",
			(char *)given.data);
	for (size_t i = 0; i < KK_COUNT(not_with_image); i++) {
		if (cli_is_given(cli, not_with_image[i]))
			return kk_fail(err, KK_E_USAGE,
				"--%s is not valid with --image; put it into a "
				"manifest and use `kuke apply -f`",
				not_with_image[i]);
	}
	return 0;
}

static int cell_run(struct cli *cli, struct kk_err *err)
{
	kk_auto_free char *name = kk_xstrdup(cli_arg(cli, 0));
	kk_auto_json *reply = NULL, *cell = NULL;
	struct kk_scope scope;
	int r;

	if (cell_flags_check(cli, err) < 0 || cli_scope_check(cli, KK_KIND_CELL, err) < 0)
		return kk_failed(err);
	if (kk_str_empty(name) &&
		cli_cell_name_choose(cli, cli_string(cli, "image"), &name, err) < 0)
		return kk_failed(err);
	scope = cli_scope(cli, KK_KIND_CELL, name);
	r = cli_cell_get(cli, &scope, &cell, err);
	if (r < 0)
		return r;
	if (r == 1)
		return cli_cell_taken_fail(&scope, "start", err);
	if (cli_call(cli, "MaterializeCell", cli_cell_of_image(cli, &scope), &reply, err) < 0)
		return kk_failed(err);
	cli_cell_print(json_object_get(reply, "Result"), &scope);
	return 0;
}

static const struct cli_flag realm_flags[] = {
	{"namespace", 0, CLI_STRING, NULL, NULL, "containerd namespace (default <realm>.<suffix>)",
		"name"},
	CLI_FLAGS_END,
};
static const struct cli_flag space_flags[] = {CLI_FLAG_REALM, CLI_FLAGS_END};
static const struct cli_flag stack_flags[] = {CLI_FLAG_REALM, CLI_FLAG_SPACE, CLI_FLAGS_END};
static const struct cli_flag cell_flags[] = {
	CLI_FLAG_REALM,
	CLI_FLAG_SPACE,
	CLI_FLAG_STACK,
	{"image", 0, CLI_STRING, NULL, NULL, "image of the one container", "ref"},
	{"command", 0, CLI_STRING, "/bin/sh", NULL, "what the container runs", "path"},
	{"from-blueprint", 0, CLI_STRING, NULL, NULL, "not supported yet", "name"},
	{"from-config", 0, CLI_STRING, NULL, NULL, "not supported yet", "name"},
	{"clone", 0, CLI_STRING, NULL, NULL, "not supported yet", "cell"},
	{"param", 0, CLI_STRING, NULL, NULL, "not valid with --image", "K=V"},
	{"param-file", 0, CLI_STRING, NULL, NULL, "not valid with --image", "path"},
	{"env", 0, CLI_STRING, NULL, NULL, "not valid with --image", "K=V"},
	{"ignore-disk-pressure", 0, CLI_BOOL, NULL, NULL, "create although the disk is nearly full",
		NULL},
	CLI_FLAGS_END,
};

static const struct cli_command realm = {
	.name = "realm",
	.aliases = "r",
	.usage = "[name] [flags]",
	.summary = "Create a realm",
	.flags = realm_flags,
	.max_args = 1,
	.route = CLI_ROUTE_BOTH,
	.run = realm_run,
};
static const struct cli_command space = {
	.name = "space",
	.aliases = "sp",
	.usage = "[name] [flags]",
	.summary = "Create a space",
	.flags = space_flags,
	.max_args = 1,
	.route = CLI_ROUTE_BOTH,
	.run = space_run,
};
static const struct cli_command stack = {
	.name = "stack",
	.aliases = "st",
	.usage = "[name] [flags]",
	.summary = "Create a stack",
	.flags = stack_flags,
	.max_args = 1,
	.route = CLI_ROUTE_BOTH,
	.run = stack_run,
};
static const struct cli_command cell = {
	.name = "cell",
	.aliases = "ce",
	.usage = "[name] --image <ref> [flags]",
	.summary = "Create a cell, not started",
	.flags = cell_flags,
	.max_args = 1,
	.route = CLI_ROUTE_BOTH,
	.run = cell_run,
};

static const struct cli_command *const children[] = {&realm, &space, &stack, &cell, NULL};

const struct cli_command cli_cmd_create = {
	.name = "create",
	.aliases = "c",
	.usage = "<kind> [name] [flags]",
	.summary = "Create a realm, space, stack or cell",
	.children = children,
};
