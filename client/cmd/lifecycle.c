/* client/cmd/lifecycle.c - kuke start, restart, stop, kill. */
#include "../cli.h"

#include <stdio.h>
#include <stdlib.h>
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
	json_t *args = cli_doc_args(KK_KIND_CELL, scope, NULL);
	kk_auto_json *reply = NULL;
	const char *past = verb->past;

	json_object_set_new(args, "Force", json_boolean(cli_bool(cli, "force")));
	if (cli_call(cli, verb->method, args, &reply, err) < 0)
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

/* The cells that are meant. */
struct selection {
	const struct verb *verb;
	struct kk_scope *scopes; /* point into the reply */
	size_t n;
};

static void selection_release(struct selection *selection)
{
	free(selection->scopes);
}

static int one_of_many_do(struct cli *cli, size_t i, void *arg, struct kk_err *err)
{
	const struct selection *selection = arg;

	return cell_do(cli, selection->verb, &selection->scopes[i], err);
}

/* Those of the system are never meant by the way. */
static void cells_select(struct cli *cli, const json_t *reply, const struct cli_selector *selector,
	struct selection *selection)
{
	const json_t *cells = json_object_get(reply, "Cells");
	size_t i;
	json_t *cell;

	selection->scopes = kk_xalloc((json_array_size(cells) + 1) * sizeof *selection->scopes);
	json_array_foreach (cells, i, cell) {
		const json_t *metadata = json_object_get(cell, "metadata");
		const json_t *spec = json_object_get(cell, "spec");
		const struct kk_scope scope = {cli_json_string(spec, "realmId"),
			cli_json_string(spec, "spaceId"), cli_json_string(spec, "stackId"),
			cli_json_string(metadata, "name")};
		bool is_systems = strcmp(scope.realm, KK_SYSTEM_REALM) == 0;

		if ((!is_systems || cli_bool(cli, "force")) &&
			(!selector ||
				cli_selector_match(selector, json_object_get(metadata, "labels"))))
			selection->scopes[selection->n++] = scope;
	}
}

/* In order, whoever was first. */
static int results_tell(const struct selection *selection, struct cli_result *results,
	struct kk_err *err)
{
	kk_auto_buf failures = {0};

	for (size_t i = 0; i < selection->n; i++) {
		if (results[i].out.len)
			fwrite(results[i].out.data, 1, results[i].out.len, stdout);
		if (results[i].is_failed)
			kk_buf_printf(&failures, "%s%s cell \"%s\": %s", failures.len ? "\n" : "",
				selection->verb->word, selection->scopes[i].cell,
				results[i].errors.len ? (char *)results[i].errors.data : "");
		cli_result_release(&results[i]);
	}
	return failures.len ? kk_fail(err, KK_E_API, "%s", (char *)failures.data) : 0;
}

/* @text: NULL for all. */
static int selected_do(struct cli *cli, const struct verb *verb, const char *text,
	struct kk_err *err)
{
	kk_auto(cli_selector_freep) struct cli_selector *selector = NULL;
	kk_auto_json *reply = NULL;
	kk_auto(selection_release) struct selection selection = {.verb = verb};
	kk_auto_free struct cli_result *results = NULL;
	const struct kk_scope scope = cli_filters(cli);
	int r;

	if (text && cli_selector_parse(text, &selector, err) < 0)
		return kk_failed(err);
	if (cli_call(cli, "ListCells", cli_scope_args(&scope), &reply, err) < 0)
		return kk_failed(err);
	cells_select(cli, reply, selector, &selection);
	if (selection.n == 0) {
		printf("No cells %s.\n", text ? "matched the selector" : "found");
		return 0;
	}
	results = kk_xalloc((selection.n + 1) * sizeof *results);
	r = cli_each(cli, selection.n, one_of_many_do, &selection, results, err);
	return r < 0 ? r : results_tell(&selection, results, err);
}

static int verb_do(struct cli *cli, const struct verb *verb, struct kk_err *err)
{
	const char *selector = cli_string(cli, "selector");

	if (cli_arg(cli, 0) && cli_is_given(cli, "selector"))
		return kk_fail(err, KK_E_USAGE,
			"--selector cannot be combined with a resource name");
	if (cli_arg(cli, 0) && cli_bool(cli, "all"))
		return kk_fail(err, KK_E_USAGE, "--all cannot be combined with a resource name");
	if (cli_bool(cli, "all") && cli_is_given(cli, "selector"))
		return kk_fail(err, KK_E_USAGE, "--all cannot be combined with --selector");
	if (cli_bool(cli, "all"))
		return selected_do(cli, verb, NULL, err);
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
	{"all", 'A', CLI_BOOL, NULL, NULL,
		"instead of a name: all cells, or all of the given scope", NULL},
	{"force", 0, CLI_BOOL, NULL, NULL, "also what is kukeond's own", NULL},
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
	.is_long = true,
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
	.is_long = true,
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
	.is_long = true,
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
	.is_long = true,
	.run = kill_run,
};
