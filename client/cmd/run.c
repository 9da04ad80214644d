/* client/cmd/run.c - kuke run: make a cell where there is none, and have it up. */
#include "../cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kukeon/clock.h>
#include <kukeon/mem.h>

#define LATER_SOURCES "--from-blueprint/--from-config/--clone"

/* --- what was asked for --- */

static const char *const flag_sources[] = {
	"clone", "file", "from-blueprint", "from-config", "image"};

static int sources_check(const struct cli *cli, struct kk_err *err)
{
	kk_auto_buf given = {0};
	size_t n = 0;

	for (size_t i = 0; i < KK_COUNT(flag_sources); i++) {
		if (cli_is_given(cli, flag_sources[i]))
			kk_buf_printf(&given, "%s%s", n++ ? " " : "", flag_sources[i]);
	}
	if (cli_arg(cli, 0) && n)
		return kk_fail(err, KK_E_USAGE,
			"the <cell> positional argument is mutually exclusive with -f/--file, --image and " LATER_SOURCES);
	if (n > 1)
		return kk_fail(err, KK_E_USAGE,
			"if any flags in the group [file image from-blueprint from-config clone] are set "
			"none of the others can be; [%s] were all set",
			(char *)given.data);
	if (!cli_arg(cli, 0) && n == 0)
		return kk_fail(err, KK_E_USAGE,
			"a source is required: <cell>, -f/--file, --image or " LATER_SOURCES);
	if (n && !cli_is_given(cli, "image") && !cli_is_given(cli, "file"))
		return kk_fail(err, KK_E_USAGE,
			"--%s is not supported yet; use -f/--file or --image", (char *)given.data);
	return 0;
}

static int env_check(const struct cli *cli, struct kk_err *err)
{
	const char *text;

	for (size_t i = 0; (text = cli_nth(cli, "env", i)); i++) {
		const char *equals = strchr(text, '=');

		if (!equals)
			return kk_fail(err, KK_E_USAGE, "--env requires KEY=VALUE (got: \"%s\")",
				text);
		if (equals == text)
			return kk_fail(err, KK_E_USAGE, "--env KEY must be non-empty (got: \"%s\")",
				text);
		for (size_t k = 0; k < i; k++) {
			const char *other = cli_nth(cli, "env", k);
			size_t len = (size_t)(equals - text) + 1;

			if (strncmp(other, text, len) == 0 && strcmp(other, text) != 0)
				return kk_fail(err, KK_E_USAGE,
					"--env %.*s supplied twice with different values (\"%s\" vs "
					"\"%s\"); pick one",
					(int)len - 1, text, other + len, text + len);
		}
	}
	return 0;
}

/* What makes no sense with what. */
static int flags_check(const struct cli *cli, struct kk_err *err)
{
	bool is_detached = cli_bool(cli, "detach");
	enum cli_format format;

	if (cli_is_given(cli, "profile"))
		return kk_fail(err, KK_E_USAGE,
			"-p/--profile is gone: profiles became blueprints, see --from-blueprint");
	if (sources_check(cli, err) < 0 || env_check(cli, err) < 0)
		return kk_failed(err);
	if (cli_is_given(cli, "name") && !cli_is_given(cli, "image"))
		return kk_fail(err, KK_E_USAGE,
			"--name is only valid with --image/--from-blueprint/--from-config/--clone, not %s",
			cli_arg(cli, 0) ? "the <cell> positional" : "-f/--file");
	if (cli_is_given(cli, "command") && !cli_is_given(cli, "image"))
		return kk_fail(err, KK_E_USAGE, "--command is only valid with --image");
	if (cli_is_given(cli, "require-synced") && !cli_is_given(cli, "file"))
		return kk_fail(err, KK_E_USAGE, "--require-synced is only valid with -f/--file");
	if (is_detached && cli_is_given(cli, "container"))
		return kk_fail(err, KK_E_USAGE, "--container is incompatible with -d/--detach");
	if (!is_detached && cli_is_given(cli, "output"))
		return kk_fail(err, KK_E_USAGE,
			"--output is incompatible with attach mode (pass -d/--detach)");
	if (cli_is_given(cli, "output") &&
		(cli_format_parse(cli_string(cli, "output"), &format, err) < 0 ||
			format == CLI_TABLE || format == CLI_WIDE))
		return kk_fail(err, KK_E_USAGE, "invalid --output \"%s\": want json or yaml",
			cli_string(cli, "output"));
	/* Before anything is made. */
	return is_detached ? 0 : cli_attach_check(err);
}

/* --- the cell --- */

/* The one document of a manifest, as call arguments; its scope points into it. */
static int manifest_read(struct cli *cli, json_t **ret_args, struct kk_err *err)
{
	const struct kk_scope blanks = {
		cli_string(cli, "realm"), cli_string(cli, "space"), cli_string(cli, "stack"), NULL};
	struct kk_manifests manifests = {0};
	kk_auto_buf yaml = {0};
	const struct kk_manifest *first;
	int r;

	if (cli_input_read(cli_string(cli, "file"), &yaml, err) < 0 ||
		kk_yaml_parse_within(yaml.data ? (char *)yaml.data : "", yaml.len, &blanks,
			&manifests, err) < 0)
		return kk_failed(err);
	for (size_t i = 0; i < manifests.warnings.n; i++)
		fprintf(stderr, "Warning: %s\n", manifests.warnings.items[i]);
	first = &manifests.items[0];
	if (manifests.n != 1)
		r = kk_fail(err, KK_E_USAGE,
			"expected a single Cell document, got %zu (use `kuke apply -f` for several)",
			manifests.n);
	else if (first->kind != KK_KIND_CELL)
		r = kk_fail(err, KK_E_USAGE,
			"expected kind \"Cell\", got \"%s\" (use `kuke apply -f` for it)",
			kk_kind_name(first->kind));
	else
		r = 0;
	if (r == 0)
		*ret_args = json_pack("{s:o}", "Doc",
			kk_json_encode(kk_schema_of_cell(), &first->doc.cell, KK_JSON_REQUEST));
	kk_manifests_release(&manifests);
	return r;
}

static struct kk_scope scope_of(const json_t *args)
{
	const json_t *doc = json_object_get(args, "Doc"), *spec = json_object_get(doc, "spec");

	return (struct kk_scope){cli_json_string(spec, "realmId"), cli_json_string(spec, "spaceId"),
		cli_json_string(spec, "stackId"),
		cli_json_string(json_object_get(doc, "metadata"), "name")};
}

static int args_make(struct cli *cli, json_t **ret_args, struct kk_err *err)
{
	kk_auto_free char *name = NULL;
	struct kk_scope scope;

	if (cli_is_given(cli, "file"))
		return manifest_read(cli, ret_args, err);
	if (cli_scope_check(cli, KK_KIND_CELL, err) < 0)
		return kk_failed(err);
	name = kk_xstrdup(cli_arg(cli, 0) ? cli_arg(cli, 0) : cli_string(cli, "name"));
	if (!*name) {
		free(kk_steal(&name));
		if (cli_cell_name_choose(cli, cli_string(cli, "image"), &name, err) < 0)
			return kk_failed(err);
	}
	scope = cli_scope(cli, KK_KIND_CELL, name);
	*ret_args = cli_is_given(cli, "image") ? cli_cell_of_image(cli, &scope) :
						 cli_doc_args(KK_KIND_CELL, &scope, NULL);
	return 0;
}

/* What is said for this run alone, and never stored. */
static void run_flags_add(const struct cli *cli, json_t *args)
{
	json_t *spec = json_object_get(json_object_get(args, "Doc"), "spec"), *env;
	const char *text;

	if (cli_bool(cli, "rm"))
		json_object_set_new(spec, "autoDelete", json_true());
	if (cli_bool(cli, "ignore-disk-pressure"))
		json_object_set_new(spec, "ignoreDiskPressure", json_true());
	if (!cli_is_given(cli, "env"))
		return;
	env = json_array();
	for (size_t i = 0; (text = cli_nth(cli, "env", i)); i++)
		json_array_append_new(env, kk_json_string(text));
	json_object_set_new(spec, "runtimeEnv", env);
}

/* --- a cell that differs from its manifest --- */

static bool is_compared(const struct kk_field *field)
{
	return !(field->flags & (KK_NO_DIFF | KK_INPUT_ONLY | KK_INTERNAL));
}

/* A value as it is shown: strings bare, so that they stand in one pair of quotes. */
static char *value_text(const json_t *value)
{
	kk_auto_free char *text = NULL;

	if (!value || json_is_null(value))
		return kk_xstrdup("");
	if (json_is_string(value))
		return kk_xstrdup(json_string_value(value));
	text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
	return kk_xstrdup(text);
}

static void container_compare(const json_t *actual, const json_t *desired, struct kk_buf *fields)
{
	const struct kk_schema *schema = kk_schema_of_container_spec();

	for (unsigned i = 0; i < schema->n_fields; i++) {
		const char *name = schema->fields[i].name;
		kk_auto_free char *a = value_text(json_object_get(actual, name));
		kk_auto_free char *d = value_text(json_object_get(desired, name));

		if (!is_compared(&schema->fields[i]) || strcmp(a, d) == 0 ||
			strcmp(name, "root") == 0)
			continue;
		kk_buf_printf(fields,
			"%sspec.containers[\"%s\"].%s (actual=\"%s\", desired=\"%s\")",
			fields->len ? ", " : "", cli_json_string(desired, "id"), name, a, d);
	}
}

static size_t members(const json_t *containers)
{
	size_t i, n = 0;
	json_t *container;

	json_array_foreach (containers, i, container)
		n += !json_is_true(json_object_get(container, "root"));
	return n;
}

/* Of the containers that do the work: a root may have been added. */
static void cells_compare(const json_t *actual, const json_t *desired, struct kk_buf *fields)
{
	const json_t *there = json_object_get(json_object_get(actual, "spec"), "containers");
	const json_t *wanted = json_object_get(json_object_get(desired, "spec"), "containers");
	size_t i;
	json_t *container;

	if (members(there) != members(wanted))
		kk_buf_printf(fields, "spec.containers (count: actual=%zu, desired=%zu)",
			members(there), members(wanted));
	json_array_foreach (wanted, i, container) {
		const json_t *same = cli_json_find(there, "id", cli_json_string(container, "id"));

		if (json_is_true(json_object_get(container, "root")))
			continue;
		if (same)
			container_compare(same, container, fields);
		else
			kk_buf_printf(fields, "%sspec.containers[\"%s\"] (missing)",
				fields->len ? ", " : "", cli_json_string(container, "id"));
	}
}

static int drift_check(struct cli *cli, const json_t *actual, const json_t *args,
	struct kk_err *err)
{
	const struct kk_scope scope = scope_of(args);
	kk_auto_buf fields = {0};

	cells_compare(actual, json_object_get(args, "Doc"), &fields);
	if (!fields.len)
		return 0;
	if (cli_bool(cli, "require-synced"))
		return kk_fail(err, KK_E_STATE,
			"live cell \"%s\" spec differs from on-disk spec (%s) — refusing to attach "
			"(--require-synced); run `kuke apply -f %s` first",
			scope.cell, (char *)fields.data, cli_string(cli, "file"));
	fprintf(stderr,
		"notice: cell \"%s\" is OutOfSync with on-disk spec (diverging: %s); run `kuke apply "
		"-f %s` to bring it in line\n",
		scope.cell, (char *)fields.data, cli_string(cli, "file"));
	return 0;
}

/* --- what is done --- */

/* As the creation of a cell reports it, for one that is there. */
static json_t *result_of(const json_t *cell, bool is_started)
{
	json_t *containers = json_array(), *container;
	size_t i;

	json_array_foreach (json_object_get(json_object_get(cell, "spec"), "containers"), i,
		container)
		json_array_append_new(containers,
			json_pack("{s:s, s:b, s:b}", "Name", cli_json_string(container, "id"),
				"Created", 0, "ExistsPost", 1));
	return json_pack("{s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:o}", "Created", 0,
		"MetadataExistsPre", 1, "MetadataExistsPost", 1, "CgroupCreated", 0,
		"CgroupExistsPost", 1, "RootContainerCreated", 0, "RootContainerExistsPost", 1,
		"Started", is_started, "StartedPost", 1, "Containers", containers);
}

static int existing_run(struct cli *cli, const json_t *cell, json_t *args, json_t **ret_result,
	struct kk_err *err)
{
	const struct kk_scope scope = scope_of(args);
	const char *state = cli_json_string(json_object_get(cell, "status"), "state");
	kk_auto_json *reply = NULL;
	bool is_up = strcmp(state, "Ready") == 0;

	if (cli_is_given(cli, "image"))
		return cli_cell_taken_fail(&scope, "run", err);
	if (cli_bool(cli, "rm"))
		return kk_fail(err, KK_E_STATE,
			"cell \"%s\" is there already, and --rm is for one that is made: run it without "
			"--rm, or put autoDelete into its manifest",
			scope.cell);
	if (strcmp(state, "Pending") == 0 || strcmp(state, "Unknown") == 0)
		return kk_fail(err, KK_E_STATE,
			"cell \"%s\" exists in %s state; %sdelete it with `kuke delete cell %s` before "
			"re-running",
			scope.cell, state, cli_cell_hope(state), scope.cell);
	if (cli_is_given(cli, "file") && drift_check(cli, cell, args, err) < 0)
		return kk_failed(err);
	if (!is_up && cli_call(cli, "StartCell", json_incref(args), &reply, err) < 0)
		return kk_failed(err);
	*ret_result = result_of(cell, !is_up);
	return 0;
}

static int new_run(struct cli *cli, json_t *args, json_t **ret_result, struct kk_err *err)
{
	const struct kk_scope scope = scope_of(args);
	kk_auto_json *reply = NULL;

	if (cli_arg(cli, 0))
		return kk_fail(err, KK_E_CELL_NOT_FOUND,
			"cell not found (cell \"%s\" in realm=\"%s\" space=\"%s\" stack=\"%s\"); create it "
			"first with `kuke apply -f`, `kuke run -f` or `kuke run --image`",
			scope.cell, scope.realm, scope.space, scope.stack);
	if (cli_bool(cli, "rm") && cli_is_local(cli) && cli_bool(cli, "detach"))
		return kk_fail(err, KK_E_USAGE,
			"-d --rm needs kukeond, which deletes the cell when its work is over: in-process "
			"nobody would");
	if (cli_call(cli, "CreateCell", json_incref(args), &reply, err) < 0)
		return kk_failed(err);
	*ret_result = json_incref(json_object_get(reply, "Result"));
	return 0;
}

static void result_print(const struct cli *cli, const json_t *result, const struct kk_scope *scope)
{
	kk_auto_json *shown = NULL, *containers = json_array();
	const char *output = cli_string(cli, "output");
	size_t i;
	json_t *container;

	if (!*output) {
		cli_cell_print(result, scope);
		return;
	}
	json_array_foreach (json_object_get(result, "Containers"), i, container)
		json_array_append_new(containers,
			json_pack("{s:O, s:O, s:O}", "name", json_object_get(container, "Name"),
				"created", json_object_get(container, "Created"), "existsPost",
				json_object_get(container, "ExistsPost")));
	shown = json_pack("{s:{s:s, s:s, s:s, s:s}, s:O, s:O, s:O, s:O, s:O, s:O, s:O, s:O}",
		"cell", "name", scope->cell, "realmId", scope->realm, "spaceId", scope->space,
		"stackId", scope->stack, "created", json_object_get(result, "Created"),
		"metadataExistsPost", json_object_get(result, "MetadataExistsPost"),
		"cgroupCreated", json_object_get(result, "CgroupCreated"), "cgroupExistsPost",
		json_object_get(result, "CgroupExistsPost"), "rootContainerCreated",
		json_object_get(result, "RootContainerCreated"), "rootContainerExistsPost",
		json_object_get(result, "RootContainerExistsPost"), "started",
		json_object_get(result, "Started"), "containers", containers);
	if (strcmp(output, "json") == 0)
		cli_json_print(shown);
	else
		cli_yaml_print_any(shown);
}

/* Is it over, for all that we know? Whoever was at a terminal elsewhere may have left it, or may have ended what ran there. */
static bool is_over(struct cli *cli, const struct kk_scope *scope)
{
	kk_auto_json *cell = NULL;
	struct kk_err ignored = {0};
	int r = cli_cell_get(cli, scope, &cell, &ignored);
	const char *state = cli_json_string(json_object_get(cell, "status"), "state");

	return r == 0 || (r == 1 && strcmp(state, "Ready") != 0 && strcmp(state, "Degraded") != 0);
}

/* What was made for this session alone goes with it. kukeond may have been faster. */
static void rm_clean(struct cli *cli, const struct kk_scope *scope)
{
	static const char *const methods[] = {"KillCell", "DeleteCell"};

	for (size_t i = 0; i < KK_COUNT(methods); i++) {
		kk_auto_json *reply = NULL;
		struct kk_err err = {0};
		char text[KK_ERR_TEXT];
		int r = cli_call(cli, methods[i], cli_doc_args(KK_KIND_CELL, scope, NULL), &reply,
			&err);

		if (r >= 0 || r == KK_E_CELL_NOT_FOUND || strstr(err.frames[0].text, "not found"))
			continue;
		kk_err_format(&err, text, sizeof text);
		fprintf(stderr, "kuke run: --rm cleanup: failed to %s cell \"%s\": %s\n",
			i ? "delete" : "kill", scope->cell, text);
		return;
	}
}

/* Its clock may be another one than ours: how long ago it began is said. */
static int log_there(struct cli *cli, const struct kk_scope *scope, const char *container,
	int64_t began, struct kk_err *err)
{
	long long ago_ms = (kk_time_now() - began) / 1000000 + 1;
	kk_auto_free char *since = kk_xprintf("%lldms", ago_ms);
	const char *words[] = {"kuke", "log", "--host", cli_host(cli), "--realm", scope->realm,
		"--space", scope->space, "--stack", scope->stack, "--container", container,
		"--since", since, scope->cell};

	if (cli_ssh_do(cli, words, KK_COUNT(words), err) < 0)
		return kk_failed(err);
	return cli->status ? KK_E_IO : 0;
}

/* It was so quick that nobody could sit down: what it had to say is kept, unless the cell is gone with it. */
static int quick_end(struct cli *cli, const struct kk_scope *scope, const char *container,
	int64_t began, struct kk_err *err)
{
	int r;

	kk_err_clear(err);
	r = cli_is_elsewhere(cli) ? log_there(cli, scope, container, began, err) :
				    cli_log_since(cli, scope, container, began, err);
	if (r == 0 || !cli_bool(cli, "rm"))
		return r;
	kk_err_clear(err);
	cli->status = 0;
	fprintf(stderr,
		"kuke run: it ended before its terminal could be attached, and --rm keeps nothing of it\n");
	return 0;
}

/* @began: when that was, which was started for it. */
static int terminal_run(struct cli *cli, const struct kk_scope *scope, const char *container,
	int64_t began, struct kk_err *err)
{
	enum cli_attach_end end = CLI_ATTACH_LOST;
	/* There it is another kuke that would tell why it can't. */
	bool is_late = cli_is_elsewhere(cli) && is_over(cli, scope);
	int r = is_late ? 0 : cli_attach(cli, scope, container, &end, err);

	if (is_late || r == KK_E_ATTACH_NOT_RUNNING ||
		(end == CLI_ATTACH_LOST && (r < 0 || cli->status) && is_over(cli, scope)))
		r = quick_end(cli, scope, container, began, err);
	if (cli_bool(cli, "rm") && (end != CLI_ATTACH_LEFT || is_over(cli, scope)))
		rm_clean(cli, scope);
	return r;
}

/* Whose terminal it is about. A cell that has none is not started for one. */
static int target_pick(struct cli *cli, const json_t *cell, const json_t *args,
	const char **ret_container, struct kk_err *err)
{
	const struct kk_scope scope = scope_of(args);

	return cli_attachable_pick(cli, &scope, cell ? cell : json_object_get(args, "Doc"), true,
		ret_container, err);
}

static int run_run(struct cli *cli, struct kk_err *err)
{
	kk_auto_json *args = NULL, *cell = NULL, *result = NULL;
	int64_t began = kk_time_now();
	const char *container = NULL;
	struct kk_scope scope;
	int r;

	if (flags_check(cli, err) < 0 || args_make(cli, &args, err) < 0)
		return kk_failed(err);
	run_flags_add(cli, args);
	scope = scope_of(args);
	r = cli_cell_get(cli, &scope, &cell, err);
	if (r >= 0 && !cli_bool(cli, "detach") && (r == 1 || !cli_arg(cli, 0)) &&
		target_pick(cli, cell, args, &container, err) < 0)
		return kk_failed(err);
	if (r == 1)
		r = existing_run(cli, cell, args, &result, err);
	else if (r == 0)
		r = new_run(cli, args, &result, err);
	if (r < 0)
		return r;
	result_print(cli, result, &scope);
	fflush(stdout);
	return cli_bool(cli, "detach") ? 0 : terminal_run(cli, &scope, container, began, err);
}

static const struct cli_flag flags[] = {
	CLI_FLAG_REALM,
	CLI_FLAG_SPACE,
	CLI_FLAG_STACK,
	{"file", 'f', CLI_STRING, NULL, NULL, "manifest of the cell, - for standard input", "path"},
	{"image", 0, CLI_STRING, NULL, NULL, "image of the one container of a new cell", "ref"},
	{"command", 0, CLI_STRING, "/bin/sh", NULL, "what that container runs", "path"},
	{"name", 0, CLI_STRING, NULL, NULL, "of the new cell (default: from the image)", "name"},
	{"detach", 'd', CLI_BOOL, NULL, NULL, "do not attach a terminal", NULL},
	{"container", 0, CLI_STRING, NULL, NULL, "whose terminal is attached", "name"},
	{"output", 'o', CLI_STRING, NULL, NULL, "json or yaml, with -d", "format"},
	{"rm", 0, CLI_BOOL, NULL, NULL, "delete the cell when its work is over", NULL},
	{"require-synced", 0, CLI_BOOL, NULL, NULL, "refuse a cell that differs from its manifest",
		NULL},
	{"env", 0, CLI_STRINGS, NULL, NULL, "for this start alone; may be repeated", "K=V"},
	{"ignore-disk-pressure", 0, CLI_BOOL, NULL, NULL, "create although the disk is nearly full",
		NULL},
	{"from-blueprint", 0, CLI_STRING, NULL, NULL, "not supported yet", "name"},
	{"from-config", 0, CLI_STRING, NULL, NULL, "not supported yet", "name"},
	{"clone", 0, CLI_STRING, NULL, NULL, "not supported yet", "cell"},
	{"profile", 'p', CLI_STRING, NULL, NULL, "gone: see --from-blueprint", "name"},
	CLI_FLAGS_END,
};

const struct cli_command cli_cmd_run = {
	.name = "run",
	.usage = "[cell] | -f <file> | --image <ref>",
	.summary = "Make a cell where there is none, have it up, and sit down at its terminal",
	.flags = flags,
	.max_args = 1,
	.route = CLI_ROUTE_BOTH,
	.names_object = true,
	.kind = KK_KIND_CELL,
	.is_long = true,
	.run = run_run,
};
