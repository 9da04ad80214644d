/* client/cmd/log.c - kuke log: the output of a container, out of the files that it is kept in. */
#include "../cli.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <kukeon/clock.h>
#include <kukeon/logtime.h>
#include <kukeon/mem.h>

/* --- going on --- */

/* Nothing is kept back: it is the regular end of a look. */
static void interrupt(int signo)
{
	(void)signo;
	_exit(EXIT_SUCCESS);
}

/* What happens to the file that is written, and that another one takes its place. */
static int watch_set(int watch, const struct cli_logfiles *files, struct kk_err *err)
{
	kk_auto_free char *dir = kk_xstrdup(files->path), *file = NULL;

	*strrchr(dir, '/') = '\0';
	file = kk_xprintf("/proc/self/fd/%d", files->items[0].fd);
	/* The link of an open file that goes is a change of its attributes. */
	if (inotify_add_watch(watch, dir, IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_ONLYDIR) < 0 ||
		inotify_add_watch(watch, file, IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF) < 0)
		return kk_fail_errno(err, KK_E_IO, "watch %s", files->path);
	return 0;
}

/* Until a signal, the end of the reader, or of the log itself. */
static int follow(struct cli_logfiles *files, struct cli_logview *view, struct kk_err *err)
{
	const struct sigaction action = {.sa_handler = interrupt};
	kk_auto_fd int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct pollfd fds[] = {{.fd = watch, .events = POLLIN}, {.fd = STDOUT_FILENO}};
	char events[4096];
	int next = CLI_LOG_NEXT;

	if (watch < 0)
		return kk_fail_errno(err, KK_E_IO, "watch %s", files->path);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	while (next != CLI_LOG_GONE) {
		if (next == CLI_LOG_NEXT && watch_set(watch, files, err) < 0)
			return kk_failed(err);
		if (cli_logfile_show(view, &files->items[0], err) < 0)
			return err->sys_errno == EPIPE ? 0 : kk_failed(err);
		next = cli_logfiles_next(files, view, err);
		if (next < 0)
			return err->sys_errno == EPIPE ? 0 : kk_failed(err);
		if (next != CLI_LOG_SAME)
			continue;
		if (poll(fds, KK_COUNT(fds), -1) > 0 &&
			fds[1].revents & (POLLERR | POLLHUP | POLLNVAL))
			return 0;
		while (read(watch, events, sizeof events) > 0)
			;
	}
	return 0;
}

/* --- what is asked for --- */

static int lines_parse(const struct cli *cli, long long *ret_n, struct kk_err *err)
{
	const char *text = cli_string(cli, "tail");
	char *end;

	*ret_n = -1;
	if (!*text || strcmp(text, "all") == 0)
		return 0;
	errno = 0;
	*ret_n = strtoll(text, &end, 10);
	if (errno || *end || *ret_n < 0)
		return kk_fail(err, KK_E_USAGE,
			"invalid argument \"%s\" for \"--tail\" flag: not a number of lines", text);
	return 0;
}

/* What of a log is shown. */
struct part {
	long long n_lines; /* at its end; -1: all */
	int64_t since;     /* KK_TIME_ZERO: ever */
	struct cli_logview view;
};

static const struct part whole = {
	.n_lines = -1, .since = KK_TIME_ZERO, .view = {.stream = CLI_BOTH_STREAMS}};

static int stream_parse(const struct cli *cli, int *ret_stream, struct kk_err *err)
{
	const char *text = cli_string(cli, "stream");

	if (strcmp(text, "out") == 0)
		*ret_stream = KK_STREAM_OUT;
	else if (strcmp(text, "err") == 0)
		*ret_stream = KK_STREAM_ERR;
	else if (*text)
		return kk_fail(err, KK_E_USAGE, "invalid --stream \"%s\": want out or err", text);
	return 0;
}

static int part_parse(const struct cli *cli, struct part *ret_part, struct kk_err *err)
{
	const char *since = cli_string(cli, "since");

	*ret_part = whole;
	ret_part->view.has_times = cli_bool(cli, "timestamps");
	return lines_parse(cli, &ret_part->n_lines, err) < 0 ||
			stream_parse(cli, &ret_part->view.stream, err) < 0 ||
			(*since && cli_since_parse(since, &ret_part->since, err) < 0) ?
		kk_failed(err) :
		0;
}

/* What there is by now, the oldest first, and with --follow what comes. */
static int part_show(struct cli *cli, struct cli_logfiles *files, const struct part *part,
	struct kk_err *err)
{
	struct cli_logview view = part->view;

	if (part->since != KK_TIME_ZERO)
		cli_logfiles_since(files, part->since);
	if (part->n_lines >= 0 && view.stream < 0)
		cli_logfiles_tail(files, part->n_lines);
	else if (part->n_lines >= 0 &&
		cli_logfiles_stream_tail(files, &view, part->n_lines, err) < 0)
		return kk_failed(err);
	for (size_t i = files->n; i-- > 1;) {
		if (cli_logfile_show(&view, &files->items[i], err) < 0)
			return kk_failed(err);
	}
	if (!cli_has(cli, "follow") || !cli_bool(cli, "follow"))
		return cli_logfile_show(&view, &files->items[0], err);
	/* It may be for long: nobody is needed any more. */
	cli_close(cli);
	return follow(files, &view, err);
}

static int container_show(struct cli *cli, const struct kk_scope *scope, const char *container,
	const struct part *part, struct kk_err *err)
{
	kk_auto(cli_logfiles_release) struct cli_logfiles files = {0};
	kk_auto_json *reply = NULL;
	const json_t *result;
	const char *path;

	if (cli_call(cli, "LogContainer", cli_doc_args(KK_KIND_CONTAINER, scope, container), &reply,
		    err) < 0)
		return kk_failed(err);
	result = json_object_get(reply, "Result");
	path = cli_json_string(result, "HostLogPath");
	if (!*path)
		path = cli_json_string(result, "HostCapturePath");
	if (cli_logfiles_open(path, &files) == 0)
		return part_show(cli, &files, part, err);
	if (errno == ENOENT)
		return kk_fail(err, KK_E_IO,
			"cell \"%s\" container \"%s\" has no log file at %s (it was never started)",
			scope->cell, container, path);
	return kk_fail_errno(err, KK_E_IO, "open %s", path);
}

int cli_log_show(struct cli *cli, const struct kk_scope *scope, const char *container,
	struct kk_err *err)
{
	return container_show(cli, scope, container, &whole, err);
}

int cli_log_since(struct cli *cli, const struct kk_scope *scope, const char *container,
	int64_t since, struct kk_err *err)
{
	struct part part = whole;

	part.since = since;
	return container_show(cli, scope, container, &part, err);
}

int cli_log_file_show(struct cli *cli, const char *path, struct kk_err *err)
{
	kk_auto(cli_logfiles_release) struct cli_logfiles files = {0};

	return cli_logfiles_open(path, &files) < 0 ? kk_fail_errno(err, KK_E_IO, "open %s", path) :
						     part_show(cli, &files, &whole, err);
}

static int log_run(struct cli *cli, struct kk_err *err)
{
	const struct kk_scope scope = cli_scope(cli, KK_KIND_CELL, cli_arg(cli, 0));
	kk_auto_json *cell = NULL;
	const char *container;
	struct part part;
	int r;

	if (part_parse(cli, &part, err) < 0 || cli_scope_check(cli, KK_KIND_CELL, err) < 0)
		return kk_failed(err);
	r = cli_cell_get(cli, &scope, &cell, err);
	if (r == 0)
		return cli_cell_missing_fail(&scope, err);
	if (r < 0 || cli_container_pick(cli, &scope, cell, &container, err) < 0)
		return kk_failed(err);
	return container_show(cli, &scope, container, &part, err);
}

static const struct cli_flag flags[] = {
	CLI_FLAG_REALM,
	CLI_FLAG_SPACE,
	CLI_FLAG_STACK,
	{"container", 0, CLI_STRING, NULL, NULL, "where the cell has several", "name"},
	{"follow", 'f', CLI_BOOL, NULL, NULL, "go on with what comes, until the cell is deleted",
		NULL},
	{"tail", 0, CLI_STRING, "all", NULL, "begin with that many of the last lines", "n"},
	{"since", 0, CLI_STRING, NULL, NULL,
		"begin with what was written since: 10m, or a time as 2006-01-02T15:04:05Z",
		"when"},
	{"timestamps", 0, CLI_BOOL, NULL, NULL, "tell of each line when it was written", NULL},
	{"stream", 0, CLI_STRING, NULL, NULL, "only what was written there: out or err", "name"},
	CLI_FLAGS_END,
};

const struct cli_command cli_cmd_log = {
	.name = "log",
	.aliases = "logs",
	.usage = "<cell> [flags]",
	.summary = "Show what a container has written",
	.flags = flags,
	.min_args = 1,
	.max_args = 1,
	.route = CLI_ROUTE_BOTH,
	.is_on_host = true,
	.is_reading = true,
	.names_object = true,
	.kind = KK_KIND_CELL,
	.run = log_run,
};
