/* client/cmd/daemon.c - kuke daemon: kukeond itself, its workers and their logs. What these
 * verbs are about is there in the daemon alone. */
#include "../setup/setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kukeon/fd.h>
#include <kukeon/mem.h>

/* --- reload --- */

static int reload_call(struct cli *cli, struct kk_err *err)
{
	kk_auto_json *reply = NULL;
	const json_t *result;

	if (cli_call_json(cli, cli_call_daemon, "ReloadDaemon", json_object(), &reply, err) < 0)
		return kk_failed(err);
	result = json_object_get(reply, "Result");
	printf("kukeond reloaded (version %s, pid %lld)\n", cli_json_string(result, "Version"),
		(long long)json_integer_value(json_object_get(result, "Pid")));
	return 0;
}

/* Of which image its cell is, as it says itself. */
static int image_ask(const struct setup *setup, char **ret_image, struct kk_err *err)
{
	const struct kk_scope scope = setup_cell();
	kk_auto_json *reply = NULL;

	if (cli_call_json(setup->cli, cli_call_daemon, "GetCell",
		    cli_doc_args(KK_KIND_CELL, &scope, NULL), &reply, err) < 0)
		return kk_failed(err);
	*ret_image = kk_xstrdup(setup_cell_image(json_object_get(json_object_get(reply, "Result"),
		"Cell")));
	return 0;
}

/* A kukeond in its cell finds the binary on disk in its own root, where it has to be put first. Should it be refused,
 * the old one goes back there; else it is what the cell's image is from now on. */
static int cell_reload(const struct setup *setup, pid_t pid, struct kk_err *err)
{
	struct setup_renewal renewal;
	kk_auto_free char *image = NULL, *digest = NULL;
	int r = image_ask(setup, &image, err);

	if (r < 0)
		return r;
	if (strcmp(image, SETUP_LOCAL_IMAGE) != 0)
		return reload_call(setup->cli, err);
	r = setup_rootfs_renew(pid, &renewal, err);
	if (r == 0)
		r = reload_call(setup->cli, err);
	setup_rootfs_settle(&renewal, r == 0);
	if (r < 0)
		return r;
	if (setup_image_provide(setup, SETUP_LOCAL_IMAGE, &digest, err) < 0)
		return kk_failed(err);
	return setup_cell_label(setup, digest, err);
}

static int reload_run(struct cli *cli, struct kk_err *err)
{
	kk_auto(setup_release) struct setup setup = {0};
	kk_auto_fd int lock = -1;
	/* A file of settings has the usual socket in it, which is not meant where a run path is named. */
	bool is_elsewhere = cli_is_given(cli, "host") || !kk_str_empty(getenv("KUKEON_HOST")) ||
		kk_str_starts(cli_host(cli), CLI_SSH);
	pid_t pid;

	if (is_elsewhere || geteuid() != 0)
		return reload_call(cli, err);
	if (setup_load(cli, &setup, err) < 0)
		return kk_failed(err);
	pid = setup_is_initialized(&setup) ? setup_pid(&setup) : 0;
	if (pid <= 0 || !setup_has_own_root(pid))
		return reload_call(cli, err);
	return setup_lock(&setup, &lock, err) < 0 ? kk_failed(err) : cell_reload(&setup, pid, err);
}

static const struct cli_flag reload_flags[] = {SETUP_FLAG_CONFIGURATION, CLI_FLAGS_END};

static const struct cli_command reload = {
	.name = "reload",
	.usage = "[flags]",
	.summary = "Replace the running kukeond by the binary on disk; no client is disconnected",
	.flags = reload_flags,
	.route = CLI_ROUTE_LOCAL,
	.run = reload_run,
};

/* --- log-level --- */

static int level_run(struct cli *cli, struct kk_err *err)
{
	const char *arg = cli_arg(cli, 0), *equals = strchr(arg, '=');
	kk_auto_free char *role = equals ? kk_xstrndup(arg, (size_t)(equals - arg)) : NULL;
	kk_auto_json *reply = NULL;

	if (!equals)
		return kk_fail(err, KK_E_USAGE, "\"%s\" is not <role>=<level>, as in network=debug",
			arg);
	if (cli_call(cli, "SetLogLevel", json_pack("{s:s, s:s}", "Role", role, "Level", equals + 1),
		    &reply, err) < 0)
		return kk_failed(err);
	printf("Log level of %s set to %s\n", role, equals + 1);
	return 0;
}

static const struct cli_command level = {
	.name = "log-level",
	.usage = "<role>=<level> [flags]",
	.summary = "Turn the log of one process up or down until kukeond.yaml is read again",
	.min_args = 1,
	.max_args = 1,
	.run = level_run,
};

/* --- workers --- */

static int64_t number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static char *duration(int64_t ms)
{
	int64_t s = ms / 1000;

	if (s < 60)
		return kk_xprintf("%llds", (long long)s);
	if (s < 3600)
		return kk_xprintf("%lldm%llds", (long long)s / 60, (long long)s % 60);
	if (s < 86400)
		return kk_xprintf("%lldh%lldm", (long long)s / 3600, (long long)s / 60 % 60);
	return kk_xprintf("%lldd%lldh", (long long)s / 86400, (long long)s / 3600 % 24);
}

static void number_cell(struct cli_table *table, const json_t *worker, const char *key)
{
	kk_auto_free char *text = kk_xprintf("%lld", (long long)number(worker, key));

	cli_table_cell(table, text);
}

static void worker_row(struct cli_table *table, const json_t *worker)
{
	kk_auto_free char *uptime = duration(number(worker, "uptimeMs"));
	kk_auto_free char *rss = cli_size(number(worker, "rssBytes"));
	const char *death = cli_json_string(worker, "lastDeath");
	bool is_running = number(worker, "pid") > 0;

	cli_table_cell(table, cli_json_string(worker, "role"));
	if (is_running)
		number_cell(table, worker, "pid");
	else
		cli_table_cell(table, "-");
	cli_table_cell(table, cli_json_string(worker, "state"));
	number_cell(table, worker, "generation");
	cli_table_cell(table, is_running ? uptime : "-");
	number_cell(table, worker, "restarts");
	number_cell(table, worker, "inFlight");
	number_cell(table, worker, "queued");
	cli_table_cell(table, is_running ? rss : "-");
	cli_table_cell(table, cli_json_string(worker, "logLevel"));
	cli_table_cell(table, *death ? death : "-");
}

static int workers_run(struct cli *cli, struct kk_err *err)
{
	static const char *const columns[] = {"ROLE", "PID", "STATE", "GEN", "UPTIME", "RESTARTS",
		"IN-FLIGHT", "QUEUED", "RSS", "LOG-LEVEL", "LAST DEATH"};
	kk_auto_json *reply = NULL;
	const json_t *workers, *worker;
	struct cli_table table;
	enum cli_format format;
	size_t i;

	if (cli_format_parse(cli_string(cli, "output"), &format, err) < 0 ||
		cli_call(cli, "ListWorkers", json_object(), &reply, err) < 0)
		return kk_failed(err);
	workers = json_object_get(reply, "Workers");
	if (format == CLI_JSON) {
		cli_json_print(workers);
		return 0;
	}
	if (format == CLI_YAML) {
		cli_yaml_print_any(workers);
		return 0;
	}
	cli_table_init(&table, columns, KK_COUNT(columns));
	json_array_foreach (workers, i, worker)
		worker_row(&table, worker);
	cli_table_print(&table);
	cli_table_release(&table);
	return 0;
}

static const struct cli_flag workers_flags[] = {
	{"output", 'o', CLI_STRING, "table", NULL, "table, wide, yaml or json", "format"},
	CLI_FLAGS_END,
};

static const struct cli_command workers = {
	.name = "workers",
	.usage = "[flags]",
	.summary = "Show the processes of kukeond: their lives, their load, their last death",
	.flags = workers_flags,
	.run = workers_run,
};

static const struct cli_command *const children[] = {
	&cli_cmd_daemon_kill,
	&level,
	&cli_cmd_daemon_logs,
	&cli_cmd_daemon_recreate,
	&reload,
	&cli_cmd_daemon_reset,
	&cli_cmd_daemon_restart,
	&cli_cmd_daemon_start,
	&cli_cmd_daemon_stop,
	&workers,
	NULL,
};

const struct cli_command cli_cmd_daemon = {
	.name = "daemon",
	.usage = "<command> [flags]",
	.summary = "Start, stop, reload kukeond, look at it and its workers",
	.children = children,
};
