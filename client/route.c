/* client/route.c - daemon or in-process: one decision, made here alone. */
#include "cli.h"

#include <string.h>

static bool is_true(const char *text)
{
	static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};

	for (size_t i = 0; i < KK_COUNT(yes); i++) {
		if (strcmp(yes[i], text) == 0)
			return true;
	}
	return false;
}

bool cli_route_is_local(const struct cli_routing *routing)
{
	if (routing->route != CLI_ROUTE_BOTH)
		return routing->route == CLI_ROUTE_LOCAL;
	if (routing->no_daemon_flag)
		return is_true(routing->no_daemon_flag);
	if (routing->no_daemon_env)
		return is_true(routing->no_daemon_env);
	/* The daemon does not know the client's run path: asking it would show another tree. */
	return routing->is_run_path_given;
}
