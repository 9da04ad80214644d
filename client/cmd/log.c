/* client/cmd/log.c - kuke log: the output of a container, out of the file that it is kept in. */
#include "../cli.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kukeon/buf.h>
#include <kukeon/clock.h>
#include <kukeon/fd.h>
#include <kukeon/logtime.h>
#include <kukeon/mem.h>

enum { CHUNK = 64 * 1024, INDEX_MAX = 2 * KK_LOGTIME_MAX };

/* --- the file --- */

/* Go to the start of the last @n lines. A last one without its end counts. */
static int tail_seek(int fd, long long n)
{
	char chunk[CHUNK];
	off_t end = lseek(fd, 0, SEEK_END);
	bool is_first = true;

	while (end > 0) {
		off_t start = end > CHUNK ? end - CHUNK : 0;
		ssize_t got = pread(fd, chunk, (size_t)(end - start), start);

		if (got <= 0)
			return -1;
		for (ssize_t i = got; i-- > 0;) {
			bool is_end = chunk[i] == '\n' && !is_first;

			is_first = false;
			if (is_end && --n <= 0)
				return lseek(fd, start + i + 1, SEEK_SET) < 0 ? -1 : 0;
		}
		end = start;
	}
	return lseek(fd, 0, SEEK_SET) < 0 ? -1 : 0;
}

/* Go to what was written since @time, or up to a second before; where its index does not tell, that is all. */
static int since_seek(int fd, const char *path, int64_t time, struct kk_err *err)
{
	kk_auto_free char *index = kk_xprintf("%s" KK_LOGTIME_SUFFIX, path);
	kk_auto_buf text = {.max = INDEX_MAX};
	char chunk[CHUNK];
	const char *newline;
	struct stat st;
	int64_t from = 0, start;
	ssize_t got;

	if (kk_file_read(index, &text, NULL) == 0 && text.data)
		from = kk_logtime_find((char *)text.data, text.len, time);
	/* Somebody has emptied it since. */
	if (fstat(fd, &st) == 0 && st.st_size < from)
		from = 0;
	/* It may have been noted amid a line; one that is very long is cut. */
	start = from > CHUNK ? from - CHUNK : 0;
	got = pread(fd, chunk, (size_t)(from - start), start);
	newline = got > 0 ? memrchr(chunk, '\n', (size_t)got) : NULL;
	if (newline)
		from = start + (newline - chunk) + 1;
	else if (start == 0)
		from = 0;
	return lseek(fd, from, SEEK_SET) < 0 ? kk_fail_errno(err, KK_E_IO, "read %s", path) : 0;
}

/* All that is there by now. */
static int copy(int fd, struct kk_err *err)
{
	char chunk[CHUNK];
	struct stat st;
	ssize_t n;

	/* Somebody has emptied it. */
	if (fstat(fd, &st) == 0 && st.st_size < lseek(fd, 0, SEEK_CUR))
		lseek(fd, 0, SEEK_SET);
	while ((n = read(fd, chunk, sizeof chunk)) > 0) {
		if (kk_fd_write_all(STDOUT_FILENO, chunk, (size_t)n) < 0)
			return kk_fail_errno(err, KK_E_IO, "write to standard output");
	}
	return n < 0 ? kk_fail_errno(err, KK_E_IO, "read the log") : 0;
}

/* Nothing is kept back: it is the regular end of a look. */
static void interrupt(int signo)
{
	(void)signo;
	_exit(EXIT_SUCCESS);
}

static bool is_deleted(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_nlink == 0;
}

/* Until a signal, the end of the reader, or the end of the file itself. */
static int follow(int fd, const char *path, struct kk_err *err)
{
	const struct sigaction action = {.sa_handler = interrupt};
	kk_auto_fd int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct pollfd fds[] = {{.fd = watch, .events = POLLIN}, {.fd = STDOUT_FILENO}};
	char events[4096];

	/* The link of an open file that goes is a change of its attributes. */
	if (watch < 0 || inotify_add_watch(watch, path, IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF) < 0)
		return kk_fail_errno(err, KK_E_IO, "watch %s", path);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		bool is_last = is_deleted(fd);

		if (copy(fd, err) < 0)
			return err->sys_errno == EPIPE ? 0 : kk_failed(err);
		if (is_last || (poll(fds, KK_COUNT(fds), -1) > 0 && fds[1].revents & POLLERR))
			return 0;
		while (read(watch, events, sizeof events) > 0)
			;
	}
}

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
};

/* To where it begins: the later of both. */
static int part_seek(int fd, const char *path, const struct part *part, struct kk_err *err)
{
	off_t from = 0;

	if (part->since != KK_TIME_ZERO && since_seek(fd, path, part->since, err) < 0)
		return kk_failed(err);
	from = lseek(fd, 0, SEEK_CUR);
	if ((part->n_lines == 0 && lseek(fd, 0, SEEK_END) < 0) ||
		(part->n_lines > 0 && tail_seek(fd, part->n_lines) < 0) ||
		(lseek(fd, 0, SEEK_CUR) < from && lseek(fd, from, SEEK_SET) < 0))
		return kk_fail_errno(err, KK_E_IO, "read %s", path);
	return 0;
}

static int part_parse(const struct cli *cli, struct part *ret_part, struct kk_err *err)
{
	const char *since = cli_string(cli, "since");

	ret_part->since = KK_TIME_ZERO;
	return lines_parse(cli, &ret_part->n_lines, err) < 0 ||
			(*since && cli_since_parse(since, &ret_part->since, err) < 0) ?
		kk_failed(err) :
		0;
}

static int part_show(struct cli *cli, int fd, const char *path, const struct part *part,
	struct kk_err *err)
{
	if (part_seek(fd, path, part, err) < 0)
		return kk_failed(err);
	if (!cli_bool(cli, "follow"))
		return copy(fd, err);
	/* It may be for long: nobody is needed any more. */
	cli_close(cli);
	return follow(fd, path, err);
}

static int container_show(struct cli *cli, const struct kk_scope *scope, const char *container,
	const struct part *part, struct kk_err *err)
{
	kk_auto_json *reply = NULL;
	kk_auto_fd int fd = -1;
	const json_t *result;
	const char *path;

	if (cli_call(cli, "LogContainer", cli_doc_args(KK_KIND_CONTAINER, scope, container), &reply,
		    err) < 0)
		return kk_failed(err);
	result = json_object_get(reply, "Result");
	path = cli_json_string(result, "HostLogPath");
	if (!*path)
		path = cli_json_string(result, "HostCapturePath");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return kk_fail(err, KK_E_IO,
			"cell \"%s\" container \"%s\" has no log file at %s (it was never started)",
			scope->cell, container, path);
	if (fd < 0)
		return kk_fail_errno(err, KK_E_IO, "open %s", path);
	return part_show(cli, fd, path, part, err);
}

static const struct part whole = {.n_lines = -1, .since = KK_TIME_ZERO};

int cli_log_show(struct cli *cli, const struct kk_scope *scope, const char *container,
	struct kk_err *err)
{
	return container_show(cli, scope, container, &whole, err);
}

int cli_log_file_show(struct cli *cli, const char *path, struct kk_err *err)
{
	kk_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? kk_fail_errno(err, KK_E_IO, "open %s", path) :
			part_show(cli, fd, path, &whole, err);
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
		"begin with what was written since: 10m, or a time as 2006-01-02T15:04:05Z; to the second, "
		"if kukeond ran",
		"when"},
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
