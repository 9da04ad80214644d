/* client/cmd/wait.c - kuke wait: until cells are what they are waited for to be. */
#include "../cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kukeon/clock.h>
#include <kukeon/mem.h>

/* What is waited for. */
struct condition {
	const char *name;
	const char *states; /* one of these */
};

static const struct condition conditions[] = {
	{"ready", " Ready "},
	{"stopped", " Stopped Exited Error Failed "},
	{"gone", ""},
};

static const struct condition *condition_find(const char *name, struct kk_err *err)
{
	for (size_t i = 0; i < KK_COUNT(conditions); i++) {
		if (strcmp(conditions[i].name, name) == 0)
			return &conditions[i];
	}
	kk_fail(err, KK_E_USAGE, "invalid --for \"%s\": want ready, stopped or gone", name);
	return NULL;
}

/* Does it hold? Then 1; else 0, with what is the case instead. */
static int condition_check(struct cli *cli, const struct condition *condition,
	const struct kk_scope *scope, char **ret_instead, struct kk_err *err)
{
	kk_auto_json *cell = NULL;
	const json_t *status;
	const char *state, *message;
	kk_auto_free char *word = NULL;
	int r = cli_cell_get(cli, scope, &cell, err);

	if (r < 0)
		return r;
	free(*ret_instead);
	*ret_instead = NULL;
	if (r == 0) {
		*ret_instead = kk_xstrdup("there is none");
		return !*condition->states;
	}
	status = json_object_get(cell, "status");
	state = cli_json_string(status, "state");
	message = cli_json_string(status, "message");
	*ret_instead = kk_xprintf("it is %s%s%s", state, *message ? ": " : "", message);
	word = kk_xprintf(" %s ", state);
	return *condition->states && strstr(condition->states, word);
}

static int one_wait(struct cli *cli, const struct condition *condition, const char *name,
	int64_t deadline_ms, struct kk_err *err)
{
	const struct kk_scope scope = cli_scope(cli, KK_KIND_CELL, name);
	struct cli_follow follow = {.scope = scope};
	kk_auto_free char *instead = NULL;
	int r;

	if (cli_follow_start(cli, &follow, err) < 0)
		return kk_failed(err);
	while ((r = condition_check(cli, condition, &scope, &instead, err)) == 0) {
		kk_auto_json *events = NULL;

		if (kk_clock_ms() >= deadline_ms)
			return kk_fail(err, KK_E_TIMEOUT,
				"timed out after %s waiting for cell \"%s\" to be %s: %s",
				cli_string(cli, "timeout"), name, condition->name, instead);
		if (cli_follow_next(cli, &follow, deadline_ms - kk_clock_ms(), &events, err) < 0)
			return kk_failed(err);
	}
	if (r < 0)
		return r;
	printf("Cell \"%s\" is %s\n", name, condition->name);
	return 0;
}

static int run(struct cli *cli, struct kk_err *err)
{
	const struct condition *condition = condition_find(cli_string(cli, "for"), err);
	int64_t timeout_ms;

	if (!condition)
		return kk_failed(err);
	if (kk_duration_parse(cli_string(cli, "timeout"), &timeout_ms) < 0 || timeout_ms < 0)
		return kk_fail(err, KK_E_USAGE, "invalid --timeout \"%s\": want a duration, as 30s",
			cli_string(cli, "timeout"));
	if (cli_scope_check(cli, KK_KIND_CELL, err) < 0)
		return kk_failed(err);
	timeout_ms += kk_clock_ms();
	for (size_t i = 0; cli_arg(cli, i); i++) {
		if (one_wait(cli, condition, cli_arg(cli, i), timeout_ms, err) < 0)
			return kk_failed(err);
	}
	return 0;
}

static const struct cli_flag flags[] = {
	CLI_FLAG_REALM,
	CLI_FLAG_SPACE,
	CLI_FLAG_STACK,
	{"for", 0, CLI_STRING, "ready", NULL, "ready, stopped or gone", "what"},
	{"timeout", 0, CLI_STRING, "30s", NULL, "for all of them together", "duration"},
	CLI_FLAGS_END,
};

const struct cli_command cli_cmd_wait = {
	.name = "wait",
	.usage = "<name>… [flags]",
	.summary = "Wait until cells are ready, stopped or gone",
	.flags = flags,
	.min_args = 1,
	.max_args = CLI_ARGS_MAX,
	.route = CLI_ROUTE_BOTH,
	.is_reading = true,
	.names_object = true,
	.kind = KK_KIND_CELL,
	.run = run,
};
