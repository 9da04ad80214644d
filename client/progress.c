/* client/progress.c - long work, told to a person at a terminal: how long it takes, and what happened last. A process of its
 * own tells it, over a connection of its own, and nothing within the first second. */
#include "cli.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kukeon/buf.h>
#include <kukeon/clock.h>
#include <kukeon/mem.h>

enum { QUIET_MS = 1000, LOOK_MS = 1000, COLUMNS = 80 };

static volatile sig_atomic_t is_painted;

/* A job in the background of a shell leaves its terminal alone. */
static bool is_watched(void)
{
	pid_t foreground = tcgetpgrp(STDERR_FILENO);

	return isatty(STDERR_FILENO) && (foreground < 0 || foreground == getpgrp());
}

/* The end of the work, or a user who has enough of it. */
static void end_on_signal(int signo)
{
	(void)signo;
	if (is_painted)
		(void)!write(STDERR_FILENO, CLI_LINE_CLEAR, strlen(CLI_LINE_CLEAR));
	_exit(EXIT_SUCCESS);
}

static size_t columns(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col :
										 COLUMNS;
}

/* One line, no wider than the terminal, and nothing that would move the cursor. */
static void paint(int64_t began_ms, const char *what)
{
	kk_auto_free char *text =
		kk_xprintf("%lld s  %s", (long long)((kk_clock_ms() - began_ms) / 1000), what);
	kk_auto_buf line = {0};
	size_t n = strlen(text), max = columns() - 1;

	n = n < max ? n : max;
	while (n < strlen(text) && n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			text[i] = ' ';
	}
	kk_buf_printf(&line, CLI_LINE_CLEAR "%.*s", (int)n, text);
	is_painted = true;
	(void)!write(STDERR_FILENO, line.data, line.len);
}

static void what_set(const json_t *events, char **what)
{
	const json_t *event = json_array_get(events, json_array_size(events) - 1);
	const char *cell = cli_json_string(event, "cell");
	const char *container = cli_json_string(event, "container");

	if (!event)
		return;
	free(*what);
	*what = kk_xprintf("%s%s%s%s%s %s", cell, *cell ? "" : cli_json_string(event, "space"),
		*container ? "/" : "", container,
		*cell || *container || *cli_json_string(event, "space") ? ":" : "",
		cli_json_string(event, "reason"));
}

/* Never returns. In-process, and without kukeond, there is just the time. */
static void tell(struct cli *cli)
{
	struct cli_follow follow = {
		.since = -1,
		.scope = cli_has(cli, "space") ? cli_filters(cli) : (struct kk_scope){0},
	};
	int64_t began_ms = kk_clock_ms();
	kk_auto_free char *what = kk_xstrdup("");
	struct kk_err err = {0};
	bool is_following;

	cli_pause(QUIET_MS);
	is_following = !cli_is_local(cli) && cli_follow_start(cli, &follow, &err) == 0;
	for (;;) {
		kk_auto_json *events = NULL;

		paint(began_ms, what);
		if (!is_following)
			cli_pause(LOOK_MS);
		else if (cli_follow_next(cli, &follow, LOOK_MS, &events, &err) == 0)
			what_set(events, &what);
		else
			is_following = false;
	}
}

pid_t cli_progress_begin(const struct cli *cli)
{
	pid_t parent = getpid(), pid;

	if (!cli_leaf(cli)->is_long || cli->is_quiet || !is_watched())
		return 0;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		struct cli own = *cli;

		own.fd = -1;
		own.ssh_pid = 0;
		own.in = (struct kk_buf){0};
		own.is_quiet = true;
		signal(SIGTERM, end_on_signal);
		signal(SIGINT, end_on_signal);
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() == parent)
			tell(&own);
		_exit(EXIT_SUCCESS);
	}
	return pid > 0 ? pid : 0;
}

void cli_progress_end(pid_t pid)
{
	if (!pid)
		return;
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
}
