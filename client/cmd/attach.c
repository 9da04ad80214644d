/* client/cmd/attach.c - kuke attach: sit down at the terminal of a container. */
#include "../cli.h"

#include <string.h>

#include <kukeon/mem.h>

/* Nothing is there to sit down at. */
static int state_check(const struct kk_scope *scope, const char *state, struct kk_err *err)
{
	if (strcmp(state, "Ready") == 0 || strcmp(state, "Degraded") == 0)
		return 0;
	if (strcmp(state, "Stopped") == 0 || strcmp(state, "Exited") == 0 ||
		strcmp(state, "Error") == 0)
		return kk_fail(err, KK_E_STATE,
			"cell \"%s\" is in state %s (no work container is running); start it first with "
			"`kuke start %s`",
			scope->cell, state, scope->cell);
	return kk_fail(err, KK_E_STATE,
		"cell \"%s\" is in state %s; %sdelete it with `kuke delete cell %s` before re-running",
		scope->cell, state, cli_cell_hope(state), scope->cell);
}

static int attach_run(struct cli *cli, struct kk_err *err)
{
	const struct kk_scope scope = cli_scope(cli, KK_KIND_CELL, cli_arg(cli, 0));
	kk_auto_json *cell = NULL;
	enum cli_attach_end end;
	const char *container;
	int r;

	if (cli_scope_check(cli, KK_KIND_CELL, err) < 0)
		return kk_failed(err);
	r = cli_cell_get(cli, &scope, &cell, err);
	if (r < 0)
		return r;
	if (r == 0)
		return kk_fail(err, KK_E_CELL_NOT_FOUND,
			"cell \"%s\" does not exist; create it first with `kuke apply -f` or `kuke run "
			"--image`",
			scope.cell);
	if (state_check(&scope, cli_json_string(json_object_get(cell, "status"), "state"), err) <
			0 ||
		cli_attachable_pick(cli, &scope, cell, false, &container, err) < 0)
		return kk_failed(err);
	return cli_attach(cli, &scope, container, &end, err);
}

static const struct cli_flag flags[] = {
	CLI_FLAG_REALM,
	CLI_FLAG_SPACE,
	CLI_FLAG_STACK,
	{"container", 0, CLI_STRING, NULL, NULL, "whose terminal, where the cell has several",
		"name"},
	CLI_FLAGS_END,
};

const struct cli_command cli_cmd_attach = {
	.name = "attach",
	.aliases = "att",
	.usage = "<cell> [flags]",
	.summary = "Sit down at the terminal of a container; ^] twice leaves it",
	.flags = flags,
	.min_args = 1,
	.max_args = 1,
	.route = CLI_ROUTE_BOTH,
	.is_on_host = true,
	.is_terminal = true,
	.is_reading = true,
	.names_object = true,
	.kind = KK_KIND_CELL,
	.run = attach_run,
};
