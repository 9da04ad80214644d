/* client/cell.c - cells as `kuke create cell` and `kuke run` make and show them. */
#include "cli.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <kukeon/mem.h>

enum { NAME_TRIES = 64 };

const char *cli_outcome(const json_t *result, const char *created, const char *exists)
{
	if (json_is_true(json_object_get(result, created)))
		return "created";
	return json_is_true(json_object_get(result, exists)) ? "already existed" : "missing";
}

const char *cli_metadata_outcome(const json_t *result)
{
	return json_is_true(json_object_get(result, "MetadataExistsPre")) ? "already existed" :
									    "created";
}

int cli_cell_get(struct cli *cli, const struct kk_scope *scope, json_t **ret_cell,
	struct kk_err *err)
{
	kk_auto_json *reply = NULL;
	const json_t *result;

	if (cli_call(cli, "GetCell", cli_doc_args(KK_KIND_CELL, scope, NULL), &reply, err) < 0)
		return kk_failed(err);
	result = json_object_get(reply, "Result");
	if (!json_is_true(json_object_get(result, "MetadataExists")))
		return 0;
	*ret_cell = json_incref(json_object_get(result, "Cell"));
	return 1;
}

/* `docker.io/library/My_App:3` gives my-app-1a2b3c. */
static char *name_make(const char *image)
{
	const char *slash = strrchr(image, '/'), *base = slash ? slash + 1 : image;
	kk_auto_free char *prefix = kk_xstrndup(base, strcspn(base, ":@"));
	unsigned char random[3] = {0};
	char *start = prefix;
	size_t len;

	for (char *p = prefix; *p; p++)
		*p = isalnum((unsigned char)*p) ? (char)tolower((unsigned char)*p) : '-';
	while (*start == '-')
		start++;
	len = strlen(start);
	while (len && start[len - 1] == '-')
		start[--len] = '\0';
	if (getrandom(random, sizeof random, 0) < 0)
		memset(random, 0, sizeof random);
	return kk_xprintf("%.50s-%02x%02x%02x", *start ? start : "cell", random[0], random[1],
		random[2]);
}

int cli_cell_name_choose(struct cli *cli, const char *image, char **ret_name, struct kk_err *err)
{
	for (int i = 0; i < NAME_TRIES; i++) {
		kk_auto_free char *name = name_make(image);
		struct kk_scope scope = cli_scope(cli, KK_KIND_CELL, name);
		kk_auto_json *cell = NULL;
		int r = cli_cell_get(cli, &scope, &cell, err);

		if (r < 0)
			return r;
		if (r == 0) {
			*ret_name = kk_steal(&name);
			return 0;
		}
	}
	return kk_fail(err, KK_E_STATE, "no free cell name was found for image \"%s\"", image);
}

int cli_cell_taken_fail(const struct kk_scope *scope, const char *verb, struct kk_err *err)
{
	return kk_fail(err, KK_E_STATE,
		"cell \"%s\" already exists in realm=\"%s\" space=\"%s\" stack=\"%s\"; run `kuke %s %s` "
		"to have it up, or `kuke delete cell %s` to be rid of it",
		scope->cell, scope->realm, scope->space, scope->stack, verb, scope->cell,
		scope->cell);
}

json_t *cli_cell_of_image(const struct cli *cli, const struct kk_scope *scope)
{
	json_t *args = cli_doc_args(KK_KIND_CELL, scope, NULL);
	json_t *spec = json_object_get(json_object_get(args, "Doc"), "spec");
	struct kk_container_spec container;

	kk_schema_init(kk_schema_of_container_spec(), &container);
	container.id = kk_xstrdup("main");
	container.image = kk_xstrdup(cli_string(cli, "image"));
	container.command = kk_xstrdup(cli_string(cli, "command"));
	container.attachable = true;
	json_object_set_new(spec, "containers",
		json_pack("[o]",
			kk_json_encode(kk_schema_of_container_spec(), &container,
				KK_JSON_REQUEST)));
	kk_container_spec_release(&container);
	return args;
}

void cli_cell_print(const json_t *result, const struct kk_scope *scope)
{
	size_t i;
	json_t *container;

	printf("Cell \"%s\" (realm \"%s\", space \"%s\", stack \"%s\")\n", scope->cell,
		scope->realm, scope->space, scope->stack);
	printf("  - metadata: %s\n", cli_metadata_outcome(result));
	printf("  - cgroup: %s\n", cli_outcome(result, "CgroupCreated", "CgroupExistsPost"));
	printf("  - root container: %s\n",
		cli_outcome(result, "RootContainerCreated", "RootContainerExistsPost"));
	if (json_array_size(json_object_get(result, "Containers")) == 0)
		printf("  - containers: none defined\n");
	json_array_foreach (json_object_get(result, "Containers"), i, container)
		printf("  - container \"%s\": %s\n", cli_json_string(container, "Name"),
			cli_outcome(container, "Created", "ExistsPost"));
	printf("  - containers: %s\n",
		json_is_true(json_object_get(result, "Started")) ? "started" : "not started");
}

int cli_container_pick(const struct cli *cli, const struct kk_scope *scope, const json_t *cell,
	const char **ret_id, struct kk_err *err)
{
	const json_t *specs = json_object_get(json_object_get(cell, "spec"), "containers");
	const char *wanted = cli_string(cli, "container"), *only = NULL;
	kk_auto_buf names = {0};
	size_t i, n = 0;
	json_t *spec;

	json_array_foreach (specs, i, spec) {
		const char *id = cli_json_string(spec, "id");
		bool is_root = json_is_true(json_object_get(spec, "root"));

		if (*wanted && strcmp(id, wanted) == 0) {
			*ret_id = id;
			return 0;
		}
		if (is_root && json_array_size(specs) > 1)
			continue;
		kk_buf_printf(&names, "%s%s", n++ ? ", " : "", id);
		only = id;
	}
	if (*wanted)
		return kk_fail(err, KK_E_CONTAINER_NOT_FOUND,
			"container \"%s\" not found in cell \"%s\": container not found", wanted,
			scope->cell);
	if (n == 0)
		return kk_fail(err, KK_E_CONTAINER_NOT_FOUND, "no container in cell (cell \"%s\")",
			scope->cell);
	if (n > 1)
		return kk_fail(err, KK_E_INVALID,
			"multiple containers in cell; specify --container (cell \"%s\"): candidates: %s",
			scope->cell, (char *)names.data);
	*ret_id = only;
	return 0;
}

/* Those with a terminal, in the order of the document; for a message, sorted. */
static void attachables_list(const json_t *specs, struct kk_strs *names)
{
	size_t i;
	json_t *spec;

	json_array_foreach (specs, i, spec) {
		if (json_is_true(json_object_get(spec, "attachable")) &&
			(json_array_size(specs) == 1 ||
				!json_is_true(json_object_get(spec, "root"))))
			kk_strs_add(names, cli_json_string(spec, "id"));
	}
}

static char *names_join(struct kk_strs *names)
{
	struct kk_buf text = {0};

	kk_strs_sort(names);
	for (size_t i = 0; i < names->n; i++)
		kk_buf_printf(&text, "%s%s", i ? ", " : "", names->items[i]);
	return text.len ? kk_buf_take(&text) : kk_xstrdup("<none>");
}

static int attachable_named(const struct kk_scope *scope, const json_t *specs, const char *wanted,
	struct kk_strs *names, const char **ret_id, struct kk_err *err)
{
	const json_t *spec = cli_json_find(specs, "id", wanted);
	kk_auto_free char *others = names_join(names);

	if (!spec)
		return kk_fail(err, KK_E_CONTAINER_NOT_FOUND,
			"container \"%s\" not found in cell \"%s\": container not found; available "
			"attachable containers: %s",
			wanted, scope->cell, others);
	if (!json_is_true(json_object_get(spec, "attachable")))
		return kk_fail(err, KK_E_ATTACH_NOT_SUPPORTED,
			"container \"%s\" in cell \"%s\" is not attachable: container is not attachable; "
			"recreate with attachable=true; available attachable containers: %s",
			wanted, scope->cell, others);
	*ret_id = cli_json_string(spec, "id");
	return 0;
}

int cli_attachable_pick(const struct cli *cli, const struct kk_scope *scope, const json_t *cell,
	bool is_any, const char **ret_id, struct kk_err *err)
{
	const json_t *spec = json_object_get(cell, "spec");
	const json_t *specs = json_object_get(spec, "containers");
	const char *wanted = cli_string(cli, "container");
	kk_auto(kk_strs_release) struct kk_strs names = {0};
	kk_auto_free char *joined = NULL;

	attachables_list(specs, &names);
	if (!*wanted)
		wanted = cli_json_string(json_object_get(spec, "tty"), "default");
	if (*wanted)
		return attachable_named(scope, specs, wanted, &names, ret_id, err);
	if (names.n == 0)
		return kk_fail(err, KK_E_ATTACH_NOT_SUPPORTED,
			"no attachable container in cell (cell \"%s\"): none is attachable; recreate one "
			"with attachable=true%s",
			scope->cell, is_any ? ", or run it with -d/--detach" : "");
	*ret_id = cli_json_string(cli_json_find(specs, "id", names.items[0]), "id");
	if (names.n == 1 || is_any)
		return 0;
	joined = names_join(&names);
	return kk_fail(err, KK_E_INVALID,
		"multiple attachable containers in cell; specify --container (cell \"%s\"): "
		"candidates: %s",
		scope->cell, joined);
}

const char *cli_cell_hope(const char *state)
{
	return strcmp(state, "Unknown") == 0 || strcmp(state, "Failed") == 0 ?
		"it may come back by itself, see `kuke status`, else " :
		"";
}

int cli_cell_missing_fail(const struct kk_scope *scope, struct kk_err *err)
{
	return kk_fail(err, KK_E_CELL_NOT_FOUND,
		"cell \"%s\" not found in stack \"%s\"/\"%s\"/\"%s\"", scope->cell, scope->realm,
		scope->space, scope->stack);
}
