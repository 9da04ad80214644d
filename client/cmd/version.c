/* client/cmd/version.c - kuke version. */
#include "../cli.h"

#include <stdio.h>
#include <string.h>

#include <kukeon/entry.h>

static int run(struct cli *cli, struct kk_err *err)
{
	kk_auto_json *reply = NULL;
	struct kk_err cause = {0};
	struct kk_text answer;
	char text[KK_ERR_TEXT];
	const char *daemon;

	printf("Client: %s\n", KK_VERSION);
	fflush(stdout);
	if (cli_bool(cli, "no-daemon"))
		return 0;
	if (cli_call_daemon(cli, "Ping", json_object(), &answer, &cause) < 0) {
		if (cause.code == KK_E_USAGE) {
			*err = cause;
			return cause.code;
		}
		kk_err_format(&cause, text, sizeof text);
		fprintf(stderr, "Warning: daemon unreachable: %s\n", text);
		return 0;
	}
	reply = cli_text_load(&answer);
	daemon = cli_json_string(reply, "Version");
	printf("Daemon: %s\n", daemon);
	if (strcmp(daemon, KK_VERSION) == 0)
		return 0;
	fprintf(stderr, "Warning: version mismatch (client: %s, daemon: %s)\n", KK_VERSION, daemon);
	/* The warning tells it; a failure adds no line of its own. */
	return cli_bool(cli, "strict") ? KK_E_STATE : 0;
}

static const struct cli_flag flags[] = {
	{"no-daemon", 0, CLI_BOOL, NULL, NULL, "do not ask the daemon", NULL},
	{"strict", 0, CLI_BOOL, NULL, NULL, "fail when client and daemon differ", NULL},
	CLI_FLAGS_END,
};

const struct cli_command cli_cmd_version = {
	.name = "version",
	.usage = "[flags]",
	.summary = "Show the versions of client and daemon",
	.flags = flags,
	.max_args = -1,
	.run = run,
};
