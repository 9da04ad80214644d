/* client/cmd/cp.c - kuke cp: files out of a container and into it. A process of ours goes into its mount namespace, so that each
 * path means what it means there, and no link of a container leads out of it. It is root of the host: nothing of the container
 * may come to run in it. */
#include "../cli.h"

#include <errno.h>
#include <fcntl.h>
#include <iconv.h>
#include <langinfo.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <seccomp.h>

#include <kukeon/fd.h>
#include <kukeon/mem.h>

/* How the process there ends. */
enum { INSIDE_FAILED = 1, INSIDE_UNREAD };

/* One side of it. */
struct place {
	char *cell; /* NULL: it is on this machine */
	char *path; /* "-": a stream of tar, on this machine */
};

struct copy {
	struct cli *cli;
	struct place from, to;
	struct cli_copy_how how;
	bool follows_link;
	int mount_ns; /* of the container */
};

static void copy_release(struct copy *copy)
{
	free(copy->from.cell);
	free(copy->from.path);
	free(copy->to.cell);
	free(copy->to.path);
	kk_closep(&copy->mount_ns);
}

/* "cell:path", or a path: one that begins with '/' or '.' is never the other. */
static struct place place_parse(const char *text)
{
	const char *colon = strchr(text, ':');

	if (!colon || colon == text || *text == '/' || *text == '.')
		return (struct place){NULL, kk_xstrdup(text)};
	return (struct place){kk_xstrndup(text, (size_t)(colon - text)), kk_xstrdup(colon + 1)};
}

static int places_parse(struct copy *copy, struct kk_err *err)
{
	copy->from = place_parse(cli_arg(copy->cli, 0));
	copy->to = place_parse(cli_arg(copy->cli, 1));
	if (!copy->from.cell == !copy->to.cell)
		return kk_fail(err, KK_E_USAGE,
			"one side must be <cell>:<path>, the other one a path of this machine, or - for "
			"a stream of tar");
	if (!*copy->from.path || !*copy->to.path)
		return kk_fail(err, KK_E_USAGE, "a path is missing in \"%s\"",
			cli_arg(copy->cli, !*copy->from.path ? 0 : 1));
	copy->how.is_dir_demanded = strcmp(copy->from.path, "-") == 0;
	return 0;
}

/* The mount namespace of the container. */
static int container_open(struct copy *copy, struct kk_err *err)
{
	const struct kk_scope scope = cli_scope(copy->cli, KK_KIND_CELL,
		copy->from.cell ? copy->from.cell : copy->to.cell);
	kk_auto_json *cell = NULL, *reply = NULL;
	kk_auto_free char *path = NULL;
	const char *container;
	int r = cli_cell_get(copy->cli, &scope, &cell, err);

	if (r < 0)
		return r;
	if (r == 0)
		return cli_cell_missing_fail(&scope, err);
	if (cli_container_pick(copy->cli, &scope, cell, &container, err) < 0 ||
		cli_call(copy->cli, "LocateContainer",
			cli_doc_args(KK_KIND_CONTAINER, &scope, container), &reply, err) < 0)
		return kk_failed(err);
	path = kk_xprintf("/proc/%lld/ns/mnt",
		(long long)json_integer_value(json_object_get(json_object_get(reply, "Result"),
			"Pid")));
	copy->mount_ns = open(path, O_RDONLY | O_CLOEXEC);
	if (copy->mount_ns >= 0)
		return 0;
	if (errno == EACCES || errno == EPERM)
		return kk_fail_errno(err, KK_E_PERMISSION,
			"enter container \"%s\": run this with sudo", container);
	return kk_fail_errno(err, KK_E_STATE, "container \"%s\" has just ended", container);
}

/* --- there --- */

/* From here on no code is loaded: what would be, by a library that is in us, would be the container's. */
static int code_forbid(struct kk_err *err)
{
	static const int runs[] = {SCMP_SYS(execve), SCMP_SYS(execveat)};
	static const int maps[] = {SCMP_SYS(mmap), SCMP_SYS(mprotect), SCMP_SYS(pkey_mprotect)};
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int r = filter ? 0 : -ENOMEM;

	for (size_t i = 0; i < KK_COUNT(runs) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), runs[i], 0);
	for (size_t i = 0; i < KK_COUNT(maps) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), maps[i], 1,
			SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	errno = -r;
	return r == 0 ? 0 : kk_fail_errno(err, KK_E_IO, "forbid that code is loaded");
}

/* libc looks for its tables when they are needed first: that must be here. Whoever converts has them then. */
static void tables_load(void)
{
	const char *ours = nl_langinfo(CODESET);

	(void)iconv_open("UTF-8", ours);
	(void)iconv_open(ours, "UTF-8");
}

static int inside_run(const struct copy *copy, int fd, struct kk_err *err)
{
	tables_load();
	if (code_forbid(err) < 0)
		return kk_failed(err);
	if (setns(copy->mount_ns, CLONE_NEWNS) < 0)
		return kk_fail_errno(err, KK_E_PERMISSION, "enter the container");
	if (chdir("/") < 0)
		return kk_fail_errno(err, KK_E_IO, "enter its root");
	return copy->from.cell ? cli_copy_send(copy->from.path, copy->follows_link, fd, err) :
				 cli_copy_receive(fd, copy->to.path, &copy->how, err);
}

/* @fd: of the stream. What goes wrong is told at @told. */
_Noreturn static void inside(const struct copy *copy, int fd, int told)
{
	struct kk_err err = {0};
	char text[KK_ERR_TEXT];

	signal(SIGPIPE, SIG_IGN);
	if (inside_run(copy, fd, &err) == 0)
		_exit(EXIT_SUCCESS);
	kk_err_format(&err, text, sizeof text);
	(void)kk_fd_write_all(told, text, strlen(text));
	_exit(err.sys_errno == EPIPE ? INSIDE_UNREAD : INSIDE_FAILED);
}

/* --- here --- */

static int outside(const struct copy *copy, int fd, struct kk_err *err)
{
	return copy->from.cell ? cli_copy_receive(fd, copy->to.path, &copy->how, err) :
				 cli_copy_send(copy->from.path, copy->follows_link, fd, err);
}

/* @told: by the process there, if it has failed. Of two errors that of the sender is the cause, unless it is that nobody reads
 * any more. */
static int inside_end(const struct copy *copy, pid_t pid, int told, int r, struct kk_err *err)
{
	kk_auto_buf text = {.max = KK_ERR_TEXT};
	int status = 0;

	(void)kk_fd_read(told, "pipe", &text, &(struct kk_err){0});
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return r;
	if (r < 0 &&
		(copy->from.cell ? WIFEXITED(status) && WEXITSTATUS(status) == INSIDE_UNREAD :
				   err->sys_errno != EPIPE))
		return r;
	kk_err_clear(err);
	return kk_fail(err, KK_E_IO, "in the container: %s",
		text.len ? (char *)text.data : "the process there was killed");
}

static int copy_run(const struct copy *copy, struct kk_err *err)
{
	bool is_stream = strcmp(copy->from.cell ? copy->to.path : copy->from.path, "-") == 0;
	int theirs = copy->from.cell ? 1 : 0, stream[2] = {0, 1}, told[2], r = 0;
	pid_t pid;

	if (pipe2(told, O_CLOEXEC) < 0 || (!is_stream && pipe2(stream, O_CLOEXEC) < 0))
		return kk_fail_errno(err, KK_E_IO, "make a pipe");
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (!is_stream)
			close(stream[!theirs]);
		inside(copy, stream[theirs], told[1]);
	}
	close(told[1]);
	signal(SIGPIPE, SIG_IGN);
	if (!is_stream)
		close(stream[theirs]);
	if (pid < 0)
		r = kk_fail_errno(err, KK_E_IO, "fork");
	else if (!is_stream)
		r = outside(copy, stream[!theirs], err);
	if (!is_stream)
		close(stream[!theirs]);
	if (pid > 0)
		r = inside_end(copy, pid, told[0], r, err);
	close(told[0]);
	return r;
}

static int cp_run(struct cli *cli, struct kk_err *err)
{
	kk_auto(copy_release) struct copy copy = {
		.cli = cli,
		.how = {.keeps_owner = cli_bool(cli, "archive")},
		.follows_link = cli_bool(cli, "follow-link"),
		.mount_ns = -1,
	};

	if (places_parse(&copy, err) < 0 || cli_scope_check(cli, KK_KIND_CELL, err) < 0 ||
		cli_root_check(cli, err) < 0 || container_open(&copy, err) < 0)
		return kk_failed(err);
	cli_disconnect(cli);
	return copy_run(&copy, err);
}

static const struct cli_flag flags[] = {
	CLI_FLAG_REALM,
	CLI_FLAG_SPACE,
	CLI_FLAG_STACK,
	{"container", 'c', CLI_STRING, NULL, NULL, "which one, where the cell has several", "name"},
	{"archive", 'a', CLI_BOOL, NULL, NULL, "keep owners, attributes and access lists", NULL},
	{"follow-link", 'L', CLI_BOOL, NULL, NULL, "copy what a source that is a link leads to",
		NULL},
	CLI_FLAGS_END,
};

const struct cli_command cli_cmd_cp = {
	.name = "cp",
	.usage = "<cell>:<path> <path>|- | <path>|- <cell>:<path>",
	.summary = "Copy files out of a container that runs, or into it",
	.flags = flags,
	.min_args = 2,
	.max_args = 2,
	.route = CLI_ROUTE_BOTH,
	.is_on_host = true,
	.is_reading = true,
	.run = cp_run,
};
