/* client/main.c - kuke: the command table, and the end of every error's travel. */
#include <kukeon/entry.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <kukeon/log.h>
#include <kukeon/mem.h>

#include "cli.h"

static const struct cli_flag global_flags[] = {
	{"configuration", 0, CLI_STRING, NULL, "KUKE_CONFIGURATION",
		"client settings (default ~/.kuke/kuke.yaml)", "path"},
	{"run-path", 0, CLI_STRING, NULL, NULL,
		"state to work on in-process (default " KK_DEFAULT_RUN_PATH
		", env KUKEON_RUN_PATH)",
		"path"},
	{"containerd-socket", 0, CLI_STRING, NULL, NULL,
		"for in-process commands (default " KK_DEFAULT_CONTAINERD_SOCKET
		", env KUKEON_CONTAINERD_SOCKET)",
		"path"},
	{"host", 0, CLI_STRING, NULL, NULL,
		"where kukeond listens, or ssh://[user@]host[:port][/socket] (default "
		"unix://" KK_DEFAULT_SOCKET ", env KUKEON_HOST)",
		"url"},
	{"verbose", 'v', CLI_BOOL, NULL, NULL, "tell what is done, on standard error", NULL},
	{"log-level", 0, CLI_STRING, "info", "KUKEON_LOG_LEVEL", "how much -v tells", "level"},
	CLI_FLAGS_END,
};

static int help_run(struct cli *cli, struct kk_err *err)
{
	struct cli shown = {.fd = -1};
	char *words[CLI_ARGS_MAX + 1] = {(char *)"kuke"};
	bool is_help = false;

	for (size_t i = 0; i < cli->n_args; i++)
		words[i + 1] = (char *)cli->args[i];
	if (cli_parse(&shown, (int)cli->n_args + 1, words, &is_help, err) < 0)
		kk_err_clear(err); /* help for "create" must not fail for want of a name */
	cli_help_print(&shown);
	return 0;
}

static const struct cli_command help = {
	.name = "help",
	.usage = "[command]",
	.summary = "Show help for a command",
	.max_args = -1,
	.run = help_run,
};

static const struct cli_command *const commands[] = {
	&cli_cmd_complete,
	&cli_cmd_dial,
	&cli_cmd_file,
	&cli_cmd_apply,
	&cli_cmd_attach,
	&cli_cmd_autocomplete,
	&cli_cmd_cp,
	&cli_cmd_create,
	&cli_cmd_daemon,
	&cli_cmd_delete,
	&cli_cmd_diff,
	&cli_cmd_doctor,
	&cli_cmd_events,
	&cli_cmd_exec,
	&cli_cmd_explain,
	&cli_cmd_get,
	&cli_cmd_image,
	&cli_cmd_init,
	&cli_cmd_kill,
	&cli_cmd_log,
	&cli_cmd_purge,
	&cli_cmd_refresh,
	&cli_cmd_restart,
	&cli_cmd_run,
	&cli_cmd_start,
	&cli_cmd_status,
	&cli_cmd_stop,
	&cli_cmd_top,
	&cli_cmd_tree,
	&cli_cmd_uninstall,
	&cli_cmd_version,
	&cli_cmd_wait,
	&help,
	NULL,
};

const struct cli_command cli_root = {
	.name = "kuke",
	.usage = "<command> [flags]",
	.summary = "kuke runs cells of containers on this host",
	.persistent_flags = global_flags,
	.children = commands,
};

static void log_setup(const struct cli *cli)
{
	int level = kk_level_parse(cli_string(cli, "log-level"));

	kk_log_open("kuke", 0, KK_LEVEL_ERROR);
	if (cli_bool(cli, "verbose"))
		kk_log_set_level(level < 0 ? KK_LEVEL_INFO : level);
}

/* A word below a group that is no command of it shows what there is, and is no error to scripts of the Go release. */
static void unknown_tell(const struct cli *cli)
{
	kk_auto_free char *path = cli_command_path(cli, cli->depth);
	kk_auto_free char *near = cli_suggestions(cli_leaf(cli), cli_arg(cli, 0));

	fprintf(stderr, "Warning: unknown command \"%s\" for \"%s\"%s\n", cli_arg(cli, 0), path,
		near);
}

static int leaf_run(struct cli *cli, struct kk_err *err)
{
	const struct cli_command *leaf = cli_leaf(cli);
	kk_auto(cli_host_release) struct cli_host host = {0};

	if (!leaf->is_on_host || cli_is_local(cli))
		return leaf->run(cli, err);
	if (cli_host_find(cli, &host, err) < 0)
		return kk_failed(err);
	return host.is_ssh ? cli_try(cli, cli_ssh_run, err) : leaf->run(cli, err);
}

static int command_run(struct cli *cli, struct kk_err *err)
{
	log_setup(cli);
	if (cli_setting_load(cli, err) < 0)
		return kk_failed(err);
	if (cli_leaf(cli)->run)
		return leaf_run(cli, err);
	if (cli->n_args)
		unknown_tell(cli);
	cli_help_print(cli);
	return 0;
}

int kuke_main(int argc, char **argv)
{
	struct cli cli = {.fd = -1};
	struct kk_err err = {0};
	char text[KK_ERR_TEXT * 2];
	bool is_help = false;
	int r;

	kk_json_set_vital();
	if (cli_complete_is_asked(argc, argv))
		return cli_complete(argc, argv);
	r = cli_parse(&cli, argc, argv, &is_help, &err);
	if (r == 0 && is_help)
		cli_help_print(&cli);
	else if (r == 0)
		r = command_run(&cli, &err);
	else if (cli_leaf(&cli)->children && cli.depth > 1)
		cli_help_print(&cli);
	if (r < 0 && err.code) {
		fflush(stdout);
		kk_err_format(&err, text, sizeof text);
		fprintf(stderr, "Error: %s\n", text);
	}
	/* A reader that has seen enough, as head, is no failure. */
	if (fflush(stdout) != 0 && errno != EPIPE && r == 0) {
		fprintf(stderr, "Error: write to standard output: %s\n", kk_errno_text(errno));
		r = KK_E_IO;
		cli.status = 0;
	}
	cli_close(&cli);
	return r < 0 && !cli.status ? kk_code_exit(r) : cli.status;
}
