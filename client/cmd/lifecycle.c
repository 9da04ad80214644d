/* client/cmd/lifecycle.c - kuke start, restart, stop, kill. */
#include "../cli.h"

#include <stdio.h>
#include <string.h>

#include <kukeon/mem.h>

struct verb {
	const char *method;
	const char *past;
	const char *word;
};

static const struct verb start_verb = {"StartCell", "Started", "start"};
static const struct verb stop_verb = {"StopCell", "Stopped", "stop"};
static const struct verb kill_verb = {"KillCell", "Killed", "kill"};
static const struct verb restart_verb = {"RestartCell", "Restarted", "restart"};

static int cell_do(struct cli *cli, const struct verb *verb, const struct kk_scope *scope,
	struct kk_err *err)
{
	kk_auto_json *reply = NULL;
	const char *past = verb->past;

	if (cli_call(cli, verb->method, cli_doc_args(KK_KIND_CELL, scope, NULL), &reply, err) < 0)
		return kk_failed(err);
	/* It did not run. */
	if (verb == &restart_verb &&
		!json_is_true(json_object_get(json_object_get(reply, "Result"), "Restarted")))
		past = start_verb.past;
	printf("%s cell \"%s\" from stack \"%s\"\n", past, scope->cell, scope->stack);
	return 0;
}

static int named_do(struct cli *cli, const struct verb *verb, struct kk_err *err)
{
	struct kk_scope scope = cli_scope(cli, KK_KIND_CELL, cli_arg(cli, 0));

	if (cli_scope_check(cli, KK_KIND_CELL, err) < 0)
		return kk_failed(err);
	return cell_do(cli, verb, &scope, err);
}

static int selected_do(struct cli *cli, const struct verb *verb, const char *text,
	struct kk_err *err)
{
	kk_auto(cli_selector_freep) struct cli_selector *selector = NULL;
	kk_auto_json *reply = NULL;
	kk_auto_buf failures = {0};
	size_t i, n = 0;
	json_t *cell;

	if (cli_selector_parse(text, &selector, err) < 0)
		return kk_failed(err);
	if (cli_call(cli, "ListCells",
		    json_pack("{s:s, s:s, s:s}", "RealmName", cli_filter(cli, "realm"), "SpaceName",
			    cli_filter(cli, "space"), "StackName", cli_filter(cli, "stack")),
		    &reply, err) < 0)
		return kk_failed(err);
	json_array_foreach (json_object_get(reply, "Cells"), i, cell) {
		const json_t *metadata = json_object_get(cell, "metadata");
		const json_t *spec = json_object_get(cell, "spec");
		const struct kk_scope scope = {cli_json_string(spec, "realmId"),
			cli_json_string(spec, "spaceId"), cli_json_string(spec, "stackId"),
			cli_json_string(metadata, "name")};
		struct kk_err one = {0};
		char why[KK_ERR_TEXT];

		if (!cli_selector_match(selector, json_object_get(metadata, "labels")))
			continue;
		n++;
		if (cell_do(cli, verb, &scope, &one) == 0)
			continue;
		kk_err_format(&one, why, sizeof why);
		kk_buf_printf(&failures, "%s%s cell \"%s\": %s", failures.len ? "\n" : "",
			verb->word, scope.cell, why);
	}
	if (n == 0)
		printf("No cells matched the selector.\n");
	return failures.len ? kk_fail(err, KK_E_API, "%s", (char *)failures.data) : 0;
}

static int verb_do(struct cli *cli, const struct verb *verb, struct kk_err *err)
{
	const char *selector = cli_string(cli, "selector");

	if (cli_arg(cli, 0) && cli_is_given(cli, "selector"))
		return kk_fail(err, KK_E_USAGE,
			"--selector cannot be combined with a resource name");
	if (!cli_arg(cli, 0) && !cli_is_given(cli, "selector"))
		return kk_fail(err, KK_E_CELL_NAME_REQUIRED, "cell name is required");
	return cli_arg(cli, 0) ? named_do(cli, verb, err) : selected_do(cli, verb, selector, err);
}

static int start_run(struct cli *cli, struct kk_err *err)
{
	return verb_do(cli, &start_verb, err);
}

static int restart_run(struct cli *cli, struct kk_err *err)
{
	return verb_do(cli, &restart_verb, err);
}

static int stop_run(struct cli *cli, struct kk_err *err)
{
	return verb_do(cli, &stop_verb, err);
}

static int kill_run(struct cli *cli, struct kk_err *err)
{
	return verb_do(cli, &kill_verb, err);
}

static const struct cli_flag flags[] = {
	CLI_FLAG_REALM,
	CLI_FLAG_SPACE,
	CLI_FLAG_STACK,
	{"selector", 'l', CLI_STRING, NULL, NULL, "instead of a name: all cells with these labels",
		"k=v,…"},
	CLI_FLAGS_END,
};

const struct cli_command cli_cmd_start = {
	.name = "start",
	.aliases = "sta",
	.usage = "[name] [flags]",
	.summary = "Start a stopped cell",
	.flags = flags,
	.max_args = 1,
	.route = CLI_ROUTE_BOTH,
	.names_object = true,
	.kind = KK_KIND_CELL,
	.run = start_run,
};
const struct cli_command cli_cmd_restart = {
	.name = "restart",
	.aliases = "res",
	.usage = "[name] [flags]",
	.summary = "Stop a cell and start it, or start a stopped one",
	.flags = flags,
	.max_args = 1,
	.route = CLI_ROUTE_BOTH,
	.names_object = true,
	.kind = KK_KIND_CELL,
	.run = restart_run,
};
const struct cli_command cli_cmd_stop = {
	.name = "stop",
	.aliases = "sto",
	.usage = "[name] [flags]",
	.summary = "Stop a cell: its stop signal, 5 s, then SIGKILL",
	.flags = flags,
	.min_args = 1,
	.max_args = 1,
	.route = CLI_ROUTE_BOTH,
	.names_object = true,
	.kind = KK_KIND_CELL,
	.run = stop_run,
};
const struct cli_command cli_cmd_kill = {
	.name = "kill",
	.aliases = "k",
	.usage = "[name] [flags]",
	.summary = "Stop a cell by SIGKILL",
	.flags = flags,
	.min_args = 1,
	.max_args = 1,
	.route = CLI_ROUTE_BOTH,
	.names_object = true,
	.kind = KK_KIND_CELL,
	.run = kill_run,
};
