/* client/cmd/service.c - kuke daemon start, stop, kill, restart, recreate, reset, logs: kukeond as a thing that runs. */
#include "../setup/setup.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <kukeon/clock.h>
#include <kukeon/fd.h>
#include <kukeon/mem.h>
#include <kukeon/notify.h>

enum {
	NOT_YET_MS = 5000,
	STOPPED_LOOK_MS = 1000, /* for what a stop writes behind the end of kukeond */
	LOOK_MS = 50,
};

/* What is acted upon, as the messages have it. */
static const char *place(const struct setup *setup)
{
	return setup_form_get(setup) == SETUP_ON_HOST ?
		"on the host" :
		"cell \"kukeond\" in realm \"" KK_SYSTEM_REALM "\"";
}

static int begin(struct cli *cli, struct setup *setup, struct kk_err *err)
{
	if (cli_root_check(cli, err) < 0 || setup_load(cli, setup, err) < 0)
		return kk_failed(err);
	return setup_initialized_check(setup, err);
}

/* Nobody else sets up, starts or stops meanwhile. A unit is asked by somebody who has it. */
static int begin_alone(struct cli *cli, struct setup *setup, int *ret_lock, struct kk_err *err)
{
	bool is_unit = (cli_has(cli, "foreground") && cli_bool(cli, "foreground")) ||
		(cli_has(cli, "no-systemd") && cli_bool(cli, "no-systemd"));

	if (begin(cli, setup, err) < 0)
		return kk_failed(err);
	return is_unit ? 0 : setup_lock(setup, ret_lock, err);
}

static int timeout_get(const struct cli *cli, int64_t *ret_ms, struct kk_err *err)
{
	const char *text = cli_string(cli, "timeout");

	if (kk_duration_parse(text, ret_ms) < 0)
		return kk_fail(err, KK_E_USAGE,
			"invalid argument \"%s\" for \"--timeout\" flag: time: invalid duration \"%s\"",
			text, text);
	if (*ret_ms <= 0)
		*ret_ms = SETUP_TIMEOUT_MS;
	return 0;
}

/* --- start --- */

/* Before a unit is told: it could only try again and again. One that was to be made anew is, whoever died over that. */
static int cell_check(const struct setup *setup, struct kk_err *err)
{
	kk_auto_json *cell = NULL;
	kk_auto_free char *digest = NULL, *action = NULL;
	const char *image = setup_image_name(setup);
	int r = setup_form_get(setup) == SETUP_ON_HOST ? 1 : setup_cell_get(setup, &cell, err);

	if (r != 0)
		return r;
	if (!setup_is_remaking(setup))
		return kk_fail(err, KK_E_CELL_NOT_FOUND,
			"kukeond has no cell, run `sudo kuke init`");
	return cli_local_open(setup->cli, err) < 0 ||
			setup_image_provide(setup, image, &digest, err) < 0 ||
			setup_dirs_make(setup, err) < 0 ||
			setup_cell_apply(setup, image, digest, &action, err) < 0 ?
		kk_failed(err) :
		0;
}

static int start_quietly(const struct setup *setup, bool is_in_front, struct kk_err *err)
{
	if (cell_check(setup, err) < 0 || setup_dirs_make(setup, err) < 0)
		return kk_failed(err);
	if (setup_is_unit(setup) && !is_in_front)
		return setup_unit_do("start", err);
	if (setup_form_get(setup) == SETUP_ON_HOST)
		return setup_serve(setup, is_in_front, err);
	/* Whatever its record says, it does not run. */
	return setup_cell_call(setup, "RestartCell", SETUP_TIMEOUT_MS, err);
}

static int start(const struct setup *setup, struct kk_err *err)
{
	if (start_quietly(setup, false, err) < 0 || setup_wait_ready(setup, err) < 0)
		return kk_failed(err);
	printf("kukeond started (%s)\n", place(setup));
	return 0;
}

/* Until kukeond ends, telling systemd how it is. Somebody who stopped it wants it stopped. */
static int watch(const struct setup *setup, struct kk_err *err)
{
	pid_t pid = setup_pid(setup);
	kk_auto_fd int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	struct pollfd watched = {.fd = fd, .events = POLLIN};
	int64_t watchdog_ms = kk_notify_watchdog_ms(), end_ms;

	if (fd < 0)
		return kk_fail(err, KK_E_STATE, "kukeond has ended (%s)", place(setup));
	/* For as long as it may take, no workers are needed. */
	cli_disconnect(setup->cli);
	kk_notify("READY=1");
	while (poll(&watched, 1, watchdog_ms > 0 ? (int)watchdog_ms : -1) == 0) {
		if (setup_is_reachable(setup))
			kk_notify("WATCHDOG=1");
	}
	end_ms = kk_clock_ms() + STOPPED_LOOK_MS;
	while (kk_clock_ms() < end_ms) {
		kk_auto_json *cell = NULL;
		struct kk_err ignored = {0};
		int r = setup_cell_get(setup, &cell, &ignored);

		if (setup_form_get(setup) == SETUP_IN_CELL &&
			(r == 0 || (r == 1 && setup_cell_is_stopped(cell)))) {
			setup->cli->status = SETUP_STATUS_STOPPED;
			return 0;
		}
		cli_pause(LOOK_MS);
	}
	return kk_fail(err, KK_E_STATE, "kukeond has ended (%s)", place(setup));
}

static int start_in_front(const struct setup *setup, struct kk_err *err)
{
	if (!setup_is_reachable(setup) && start_quietly(setup, true, err) < 0)
		return kk_failed(err);
	if (setup_wait_ready(setup, err) < 0)
		return kk_failed(err);
	return watch(setup, err);
}

/* Where kukeond has no cell nothing comes of trying again. Where nothing is set up the file system that it is on may come yet, so
 * a service manager goes on trying, but not as fast as it can. */
static int in_front_failed(const struct setup *setup, const struct kk_err *err)
{
	if (err->code == KK_E_CELL_NOT_FOUND)
		setup->cli->status = SETUP_STATUS_STOPPED;
	else if (setup->run_path && !setup_is_initialized(setup) && getenv("NOTIFY_SOCKET"))
		cli_pause(NOT_YET_MS);
	return kk_failed(err);
}

static int start_run(struct cli *cli, struct kk_err *err)
{
	kk_auto(setup_release) struct setup setup = {.cli = cli};
	bool is_in_front = cli_bool(cli, "foreground");
	kk_auto_fd int lock = -1;

	if (begin_alone(cli, &setup, &lock, err) < 0)
		return is_in_front ? in_front_failed(&setup, err) : kk_failed(err);
	if (is_in_front)
		return start_in_front(&setup, err) < 0 ? in_front_failed(&setup, err) : 0;
	if (setup_is_reachable(&setup)) {
		printf("kukeond is already running (%s)\n", place(&setup));
		return 0;
	}
	if (setup_pid(&setup) > 0) {
		printf("kukeond metadata reports Ready but socket %s is unreachable; restarting %s\n",
			setup.socket, setup_form_get(&setup) == SETUP_IN_CELL ? "cell" : "it");
		if (setup_halt(&setup, false, SETUP_TIMEOUT_MS, err) < 0)
			return kk_failed(err);
	}
	return start(&setup, err);
}

/* --- stop, kill --- */

/* Does it run, or is it to be started again? */
static bool is_up(const struct setup *setup)
{
	kk_auto_json *cell = NULL;
	struct kk_err ignored = {0};

	if (setup_pid(setup) > 0)
		return true;
	return setup_form_get(setup) == SETUP_IN_CELL &&
		setup_cell_get(setup, &cell, &ignored) == 1 && setup_cell_runs(cell);
}

static int stop(const struct setup *setup, bool is_kill, int64_t timeout_ms, struct kk_err *err)
{
	int r = setup_halt(setup, is_kill, timeout_ms, err);

	if (r < 0)
		return r;
	if (is_kill)
		printf("kukeond force-killed (%s)\n", place(setup));
	else if (r == 1)
		printf("kukeond force-killed after %llds grace period expired (%s)\n",
			(long long)timeout_ms / 1000, place(setup));
	else
		printf("kukeond stopped (%s)\n", place(setup));
	return 0;
}

/* --- cells, where the host goes down --- */

static bool is_host_going_down(void)
{
	static const char *const argv[] = {"systemctl", "is-system-running", NULL};
	kk_auto_buf output = {.max = 256};

	return setup_has_systemd() && setup_command(argv, &output) >= 0 &&
		kk_str_equal((char *)output.data, "stopping");
}

static int cells_mode_get(const struct cli *cli, bool *ret_halt, struct kk_err *err)
{
	const char *mode = cli_string(cli, "cells");

	*ret_halt = strcmp(mode, "halt") == 0 ||
		(strcmp(mode, "auto") == 0 && is_host_going_down());
	if (*ret_halt || strcmp(mode, "keep") == 0 || strcmp(mode, "auto") == 0)
		return 0;
	return kk_fail(err, KK_E_USAGE, "invalid --cells \"%s\": want keep, halt or auto", mode);
}

/* Behind the end of kukeond, which would start them again. */
static int cells_halt(const struct setup *setup, struct kk_err *err)
{
	kk_auto_json *reply = NULL;

	if (cli_call(setup->cli, "HaltCells", json_object(), &reply, err) < 0)
		return kk_wrap(err, "halt the cells");
	printf("%lld cell(s) halted; they run again when kukeond is started\n",
		(long long)json_integer_value(json_object_get(json_object_get(reply, "Result"),
			"Halted")));
	return 0;
}

static int stop_or_kill(struct cli *cli, bool is_kill, struct kk_err *err)
{
	kk_auto(setup_release) struct setup setup = {0};
	kk_auto_fd int lock = -1;
	int64_t timeout_ms = SETUP_TIMEOUT_MS;
	bool is_halting = false;

	if ((!is_kill &&
		    (timeout_get(cli, &timeout_ms, err) < 0 ||
			    cells_mode_get(cli, &is_halting, err) < 0)) ||
		begin_alone(cli, &setup, &lock, err) < 0)
		return kk_failed(err);
	if (!is_up(&setup))
		printf("kukeond is already stopped (%s)\n", place(&setup));
	else if (stop(&setup, is_kill, timeout_ms, err) < 0)
		return kk_failed(err);
	return is_halting ? cells_halt(&setup, err) : 0;
}

static int stop_run(struct cli *cli, struct kk_err *err)
{
	return stop_or_kill(cli, false, err);
}

static int kill_run(struct cli *cli, struct kk_err *err)
{
	return stop_or_kill(cli, true, err);
}

/* --- reset, recreate --- */

static void file_remove(const char *path)
{
	if (unlink(path) == 0)
		printf("removed %s\n", path);
}

/* Its cell goes, and what a daemon that was killed leaves. */
static int tear_down(const struct setup *setup, int64_t timeout_ms, struct kk_err *err)
{
	kk_auto_free char *pid_path = kk_xprintf("%s/kukeond.pid", setup->socket_dir);
	kk_auto_json *cell = NULL;
	int r = setup_cell_get(setup, &cell, err);

	if (r < 0)
		return r;
	if (!is_up(setup))
		printf("kukeond was already stopped (%s)\n", place(setup));
	else if (stop(setup, false, timeout_ms, err) < 0)
		return kk_failed(err);
	if (r == 0) {
		printf("kukeond cell already torn down (%s)\n", place(setup));
	} else {
		if (setup_cell_call(setup, "DeleteCell", 0, err) < 0)
			return kk_failed(err);
		printf("kukeond cell deleted (%s)\n", place(setup));
	}
	file_remove(setup->socket);
	file_remove(pid_path);
	return 0;
}

static int system_purge(const struct setup *setup, struct kk_err *err)
{
	const struct kk_scope scope = {.realm = KK_SYSTEM_REALM};
	json_t *args = cli_doc_args(KK_KIND_REALM, &scope, NULL);
	kk_auto_json *reply = NULL;

	json_object_set_new(args, "Force", json_true());
	json_object_set_new(args, "Cascade", json_true());
	if (cli_call(setup->cli, "PurgeRealm", args, &reply, err) < 0)
		return kk_failed(err);
	printf("removed %s/data/" KK_SYSTEM_REALM "\n", setup->run_path);
	return 0;
}

static int reset_run(struct cli *cli, struct kk_err *err)
{
	kk_auto(setup_release) struct setup setup = {0};
	kk_auto_fd int lock = -1;
	int64_t timeout_ms;

	if (timeout_get(cli, &timeout_ms, err) < 0 || cli_root_check(cli, err) < 0 ||
		setup_load(cli, &setup, err) < 0)
		return kk_failed(err);
	if (!setup_is_initialized(&setup)) {
		printf("kukeond cell already torn down (%s)\n", place(&setup));
		return 0;
	}
	if (setup_lock(&setup, &lock, err) < 0 || tear_down(&setup, timeout_ms, err) < 0)
		return kk_failed(err);
	setup_remake_end(&setup);
	return cli_bool(cli, "purge-system") ? system_purge(&setup, err) : 0;
}

/* @digest: of the image that it is to have: what can't be had must not cost the one that runs. */
static int cell_remake(const struct setup *setup, const char *digest, int64_t timeout_ms,
	struct kk_err *err)
{
	kk_auto_free char *action = NULL;

	return setup_remake_begin(setup, err) < 0 || tear_down(setup, timeout_ms, err) < 0 ||
			setup_dirs_make(setup, err) < 0 ||
			kk_instance_kukeond_set(&setup->cli->config, SETUP_FORM_CELL, err) < 0 ||
			setup_cell_apply(setup, setup_image_name(setup), digest, &action, err) < 0 ?
		kk_failed(err) :
		0;
}

static int unit_follow(const struct setup *setup, struct kk_err *err)
{
	return setup_wait_ready(setup, err) < 0 ||
			(setup_is_unit(setup) && setup_unit_do("start", err) < 0) ?
		kk_failed(err) :
		0;
}

static int recreate_run(struct cli *cli, struct kk_err *err)
{
	kk_auto(setup_release) struct setup setup = {0};
	kk_auto_free char *digest = NULL;
	kk_auto_fd int lock = -1;
	const char *image;
	int64_t timeout_ms;

	if (timeout_get(cli, &timeout_ms, err) < 0 || begin_alone(cli, &setup, &lock, err) < 0)
		return kk_failed(err);
	image = setup_image_name(&setup);
	if (cli_local_open(cli, err) < 0 || setup_image_provide(&setup, image, &digest, err) < 0 ||
		cell_remake(&setup, digest, timeout_ms, err) < 0)
		return kk_failed(err);
	printf("kukeond recreated (%s, image %s)\n", place(&setup), image);
	if (unit_follow(&setup, err) < 0)
		return kk_failed(err);
	printf("kukeond socket \"%s\": chown root:" SETUP_GROUP " mode 0660\n", setup.socket);
	printf("kukeond is ready (unix://%s)\n", setup.socket);
	return 0;
}

/* 1: its cell has another binary than this one in it, and *@ret_digest is that of the image that it should have. */
static int is_outdated(const struct setup *setup, char **ret_digest, struct kk_err *err)
{
	const char *image = setup_image_name(setup);
	kk_auto_json *cell = NULL;
	int r;

	if (setup_form_get(setup) == SETUP_ON_HOST || strcmp(image, SETUP_LOCAL_IMAGE) != 0)
		return 0;
	r = cli_local_open(setup->cli, err) < 0 ? kk_failed(err) :
						  setup_cell_get(setup, &cell, err);
	/* One that was made of another image, which is named nowhere else, keeps it. */
	if (r <= 0 || strcmp(setup_cell_image(cell), image) != 0)
		return r < 0 ? r : 0;
	if (setup_image_provide(setup, image, ret_digest, err) < 0)
		return kk_failed(err);
	return strcmp(setup_cell_digest(cell), *ret_digest) != 0;
}

static int restart_run(struct cli *cli, struct kk_err *err)
{
	kk_auto(setup_release) struct setup setup = {0};
	kk_auto_free char *digest = NULL;
	kk_auto_fd int lock = -1;
	int64_t timeout_ms;
	int r;

	if (timeout_get(cli, &timeout_ms, err) < 0 || begin_alone(cli, &setup, &lock, err) < 0)
		return kk_failed(err);
	r = is_outdated(&setup, &digest, err);
	if (r < 0)
		return r;
	if (r == 1) {
		if (cell_remake(&setup, digest, timeout_ms, err) < 0 ||
			unit_follow(&setup, err) < 0)
			return kk_failed(err);
		printf("kukeond started (%s, from this binary)\n", place(&setup));
		return 0;
	}
	if (!is_up(&setup))
		printf("kukeond was already stopped (%s)\n", place(&setup));
	else if (stop(&setup, false, timeout_ms, err) < 0)
		return kk_failed(err);
	return start(&setup, err);
}

/* --- logs --- */

static int logs_run(struct cli *cli, struct kk_err *err)
{
	kk_auto(setup_release) struct setup setup = {0};
	const struct kk_scope scope = setup_cell();

	if (begin(cli, &setup, err) < 0)
		return kk_failed(err);
	/* Why it does not run is what one wants to read. */
	if (setup_pid(&setup) == 0)
		fprintf(stderr,
			"Warning: kukeond is not running (%s); run `kuke daemon start` to start it\n",
			place(&setup));
	if (setup_form_get(&setup) == SETUP_IN_CELL)
		return cli_log_show(cli, &scope, scope.cell, err);
	return setup_log_show(&setup, cli_bool(cli, "follow"), err);
}

#define FLAG_TIMEOUT                                                                        \
	{                                                                                   \
		"timeout", 0, CLI_STRING, "10s", NULL, "what kukeond has to end by itself", \
			"duration"                                                          \
	}

static const struct cli_flag start_flags[] = {
	SETUP_FLAG_CONFIGURATION,
	{"foreground", 0, CLI_BOOL, NULL, NULL,
		"stay until kukeond ends, for a service manager: exit status 3 where it was stopped, or has no cell",
		NULL},
	CLI_FLAGS_END,
};
static const struct cli_flag kill_flags[] = {SETUP_FLAG_CONFIGURATION, CLI_FLAGS_END};
static const struct cli_flag restart_flags[] = {
	SETUP_FLAG_CONFIGURATION, FLAG_TIMEOUT, CLI_FLAGS_END};
static const struct cli_flag stop_flags[] = {
	SETUP_FLAG_CONFIGURATION,
	FLAG_TIMEOUT,
	{"cells", 0, CLI_STRING, "keep", NULL,
		"keep: they run on; halt: they end, and run again with the next start; auto: halt where the host "
		"goes down",
		"mode"},
	{"no-systemd", 0, CLI_BOOL, NULL, NULL,
		"do not leave it to systemd, whose unit calls this itself", NULL},
	CLI_FLAGS_END,
};
static const struct cli_flag reset_flags[] = {
	SETUP_FLAG_CONFIGURATION,
	FLAG_TIMEOUT,
	{"purge-system", 0, CLI_BOOL, NULL, NULL, "and all of realm " KK_SYSTEM_REALM, NULL},
	CLI_FLAGS_END,
};
static const struct cli_flag recreate_flags[] = {
	SETUP_FLAG_CONFIGURATION,
	FLAG_TIMEOUT,
	{"kukeond-image", 0, CLI_STRING, NULL, NULL,
		"image of kukeond (default: one that is made of this binary)", "ref"},
	CLI_FLAGS_END,
};
static const struct cli_flag logs_flags[] = {
	SETUP_FLAG_CONFIGURATION,
	{"follow", 'f', CLI_BOOL, NULL, NULL, "go on with what comes", NULL},
	CLI_FLAGS_END,
};

const struct cli_command cli_cmd_daemon_start = {
	.name = "start",
	.usage = "[flags]",
	.summary = "Start kukeond",
	.flags = start_flags,
	.route = CLI_ROUTE_LOCAL,
	.run = start_run,
};
const struct cli_command cli_cmd_daemon_stop = {
	.name = "stop",
	.usage = "[flags]",
	.summary = "Stop kukeond; cells run on",
	.flags = stop_flags,
	.route = CLI_ROUTE_LOCAL,
	.run = stop_run,
};
const struct cli_command cli_cmd_daemon_kill = {
	.name = "kill",
	.usage = "[flags]",
	.summary = "End kukeond at once; cells run on",
	.flags = kill_flags,
	.route = CLI_ROUTE_LOCAL,
	.run = kill_run,
};
const struct cli_command cli_cmd_daemon_restart = {
	.name = "restart",
	.usage = "[flags]",
	.summary = "Stop kukeond and start it",
	.flags = restart_flags,
	.route = CLI_ROUTE_LOCAL,
	.run = restart_run,
};
const struct cli_command cli_cmd_daemon_recreate = {
	.name = "recreate",
	.usage = "[flags]",
	.summary = "Make the cell of kukeond anew, from another image or this binary",
	.flags = recreate_flags,
	.route = CLI_ROUTE_LOCAL,
	.run = recreate_run,
};
const struct cli_command cli_cmd_daemon_reset = {
	.name = "reset",
	.usage = "[flags]",
	.summary = "Stop kukeond and remove its cell; all other cells stay",
	.flags = reset_flags,
	.route = CLI_ROUTE_LOCAL,
	.run = reset_run,
};
const struct cli_command cli_cmd_daemon_logs = {
	.name = "logs",
	.aliases = "log",
	.usage = "[flags]",
	.summary = "Show what kukeond has written",
	.flags = logs_flags,
	.route = CLI_ROUTE_LOCAL,
	.is_reading = true,
	.run = logs_run,
};
