/* client/cmd/exec.c - kuke exec: a further process in a container, with our input, output and exit status. The pipes
 * lead to containerd's shim: the session outlives the daemon, and us only as far as its output fits them. */
#include "../cli.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kukeon/fd.h>
#include <kukeon/mem.h>

enum { CHUNK = 64 * 1024, DROPS = 64, STATUS_KILLED = 137 };

/* One of the pipes. */
struct pipe {
	char *path;
	int fd;         /* our end; -1: there is none, or no more */
	int deaf_errno; /* why nobody hears any more what comes out of it; 0: somebody does */
};

struct session {
	struct cli *cli;
	struct kk_scope scope;
	const char *container;
	char id[17];
	char *dir;
	struct pipe input, output, errors;
	bool is_tty, is_interactive, is_started;
};

static const int passed_on[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};

/* --- calls --- */

/* @more, taken over: further arguments. */
static int call(struct session *session, const char *method, json_t *more, json_t **ret_result,
	struct kk_err *err)
{
	json_t *args = cli_doc_args(KK_KIND_CONTAINER, &session->scope, session->container);
	kk_auto_json *reply = NULL;

	json_object_set_new(args, "ExecID", json_string(session->id));
	json_object_update(args, more);
	json_decref(more);
	if (cli_call(session->cli, method, args, &reply, err) < 0)
		return kk_failed(err);
	if (ret_result)
		*ret_result = json_incref(json_object_get(reply, "Result"));
	return 0;
}

static void resize(struct session *session)
{
	struct kk_err ignored = {0};
	uint16_t rows, columns;

	cli_is_resized = 0;
	if (cli_terminal_size(&rows, &columns) < 0)
		return;
	(void)call(session, "ResizeExec", json_pack("{s:i, s:i}", "Width", columns, "Height", rows),
		NULL, &ignored);
}

static void signal_pass_on(struct session *session)
{
	struct kk_err ignored = {0};
	int signo = cli_caught;

	cli_caught = 0;
	(void)call(session, "SignalExec", json_pack("{s:i}", "Signal", signo), NULL, &ignored);
}

/* --- pipes --- */

static int pipe_make(struct session *session, struct pipe *pipe, const char *name, int flags,
	struct kk_err *err)
{
	pipe->path = kk_xprintf("%s/%s", session->dir, name);
	if (mkfifo(pipe->path, 0600) < 0)
		return kk_fail_errno(err, KK_E_IO, "make pipe %s", pipe->path);
	pipe->fd = open(pipe->path, flags | O_NONBLOCK | O_CLOEXEC);
	return pipe->fd < 0 ? kk_fail_errno(err, KK_E_IO, "open pipe %s", pipe->path) : 0;
}

static int pipes_make(struct session *session, struct kk_err *err)
{
	const char *top = getenv("TMPDIR");

	session->dir = kk_xprintf("%s/kuke-exec-XXXXXX", kk_str_empty(top) ? "/tmp" : top);
	if (!mkdtemp(session->dir)) {
		kk_fail_errno(err, KK_E_IO, "make directory %s", session->dir);
		free(session->dir);
		session->dir = NULL;
		return kk_failed(err);
	}
	/* Who writes to a pipe that nobody reads yet must be a reader too. */
	if ((session->is_interactive &&
		    pipe_make(session, &session->input, "in", O_RDWR, err) < 0) ||
		pipe_make(session, &session->output, "out", O_RDONLY, err) < 0 ||
		(!session->is_tty &&
			pipe_make(session, &session->errors, "err", O_RDONLY, err) < 0))
		return kk_failed(err);
	return 0;
}

/* Their names are needed until both sides have them open. */
static void names_remove(struct session *session)
{
	struct pipe *const pipes[] = {&session->input, &session->output, &session->errors};

	for (size_t i = 0; i < KK_COUNT(pipes); i++) {
		if (pipes[i]->path)
			unlink(pipes[i]->path);
		free(pipes[i]->path);
		pipes[i]->path = NULL;
	}
	if (session->dir)
		rmdir(session->dir);
	free(session->dir);
	session->dir = NULL;
}

static void input_close(struct session *session)
{
	struct kk_err ignored = {0};

	kk_closep(&session->input.fd);
	session->input.fd = -1;
	(void)call(session, "CloseExec", json_object(), NULL, &ignored);
}

/* --- the session --- */

/* What we read goes to the process. It may take less than that: the rest waits. */
static struct kk_buf waiting;

static void input_read(struct session *session)
{
	char chunk[CHUNK];
	ssize_t n = read(STDIN_FILENO, chunk, sizeof chunk);

	if (n > 0)
		kk_buf_append(&waiting, chunk, (size_t)n);
	else if (n == 0 || (errno != EINTR && errno != EAGAIN))
		input_close(session);
}

static void input_write(struct session *session)
{
	ssize_t n = write(session->input.fd, waiting.data, waiting.len);

	if (n > 0)
		kk_buf_consume(&waiting, (size_t)n);
	else if (n < 0 && errno != EINTR && errno != EAGAIN)
		input_close(session);
}

static void output_copy(struct pipe *pipe, int to)
{
	char chunk[CHUNK];
	ssize_t n = read(pipe->fd, chunk, sizeof chunk);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		kk_closep(&pipe->fd);
		pipe->fd = -1;
	} else if (!pipe->deaf_errno && kk_fd_write_wait(to, chunk, (size_t)n) < 0) {
		pipe->deaf_errno = errno;
	}
}

/* As a pipe would do it. The shim, which stands between, would wait for us. */
static void deafness_tell(struct session *session)
{
	struct kk_err ignored = {0};

	if (session->input.fd >= 0)
		input_close(session);
	(void)call(session, "SignalExec", json_pack("{s:i}", "Signal", SIGPIPE), NULL, &ignored);
}

static void output_drop(struct session *session)
{
	const int fds[] = {session->output.fd, session->errors.fd};
	char chunk[CHUNK];

	for (size_t i = 0; i < KK_COUNT(fds); i++) {
		for (int n = 0; fds[i] >= 0 && n < DROPS && read(fds[i], chunk, sizeof chunk) > 0;
			n++)
			;
	}
}

/* Until the process, and all that has its output, is at an end. */
static void pump(struct session *session)
{
	/* No terminal tells us when the other side of ssh is gone. */
	int watched = cli_is_over_ssh() ? STDOUT_FILENO : -1;

	while (!session->output.deaf_errno &&
		(session->output.fd >= 0 || session->errors.fd >= 0)) {
		bool is_reading = session->input.fd >= 0 && waiting.len == 0;
		struct pollfd fds[] = {
			{session->output.fd, POLLIN, 0},
			{session->errors.fd, POLLIN, 0},
			{is_reading ? STDIN_FILENO : -1, POLLIN, 0},
			{session->input.fd >= 0 && waiting.len ? session->input.fd : -1, POLLOUT,
				0},
			{watched, 0, 0},
		};

		if (cli_caught)
			signal_pass_on(session);
		if (cli_is_resized)
			resize(session);
		if (cli_signals_poll(fds, KK_COUNT(fds)) < 0)
			continue;
		if (fds[0].revents)
			output_copy(&session->output, STDOUT_FILENO);
		if (fds[1].revents)
			output_copy(&session->errors, STDERR_FILENO);
		if (fds[2].revents)
			input_read(session);
		if (fds[3].revents)
			input_write(session);
		if (fds[4].revents) {
			cli_caught = SIGHUP;
			watched = -1;
		}
	}
}

static int status_get(struct session *session, struct kk_err *err)
{
	struct kk_err ignored = {0};

	for (;;) {
		kk_auto_json *result = NULL;

		if (cli_caught)
			signal_pass_on(session);
		if (session->output.deaf_errno)
			output_drop(session);
		if (call(session, "WaitExec", json_object(), &result, err) < 0)
			return kk_failed(err);
		if (!json_is_true(json_object_get(result, "Ended")))
			continue;
		/* It went with its container. */
		session->cli->status = json_is_true(json_object_get(result, "Gone")) ?
			STATUS_KILLED :
			(int)json_integer_value(json_object_get(result, "ExitCode"));
		(void)call(session, "RemoveExec", json_object(), NULL, &ignored);
		return 0;
	}
}

static int start(struct session *session, struct kk_err *err)
{
	json_t *args = json_array(), *env = json_array();
	const char *entry;

	for (size_t i = 1; cli_arg(session->cli, i); i++)
		json_array_append_new(args, kk_json_string(cli_arg(session->cli, i)));
	for (size_t i = 0; (entry = cli_nth(session->cli, "env", i)); i++)
		json_array_append_new(env, kk_json_string(entry));
	return call(session, "StartExec",
		json_pack("{s:o, s:o, s:s, s:s, s:s, s:s, s:s, s:b}", "Args", args, "Env", env,
			"User", cli_string(session->cli, "user"), "Cwd",
			cli_string(session->cli, "workdir"), "Stdin", kk_str(session->input.path),
			"Stdout", session->output.path, "Stderr", kk_str(session->errors.path),
			"Tty", session->is_tty),
		NULL, err);
}

static int session_run(struct session *session, struct kk_err *err)
{
	signal(SIGPIPE, SIG_IGN);
	/* A new size of a terminal that the process does not have is nothing to it. */
	cli_signals_catch(passed_on, KK_COUNT(passed_on) - !session->is_tty);
	if (pipes_make(session, err) < 0 || start(session, err) < 0)
		return kk_failed(err);
	names_remove(session);
	if (session->is_tty) {
		resize(session);
		if (session->is_interactive)
			cli_terminal_raw();
	}
	pump(session);
	cli_terminal_restore();
	if (session->output.deaf_errno)
		deafness_tell(session);
	if (status_get(session, err) < 0)
		return kk_failed(err);
	errno = session->output.deaf_errno ? session->output.deaf_errno :
					     session->errors.deaf_errno;
	if (!errno || errno == EPIPE)
		return 0;
	session->cli->status = 0;
	return kk_fail_errno(err, KK_E_IO, "write what the command says");
}

static void session_release(struct session *session)
{
	names_remove(session);
	kk_closep(&session->input.fd);
	kk_closep(&session->output.fd);
	kk_closep(&session->errors.fd);
	kk_buf_release(&waiting);
}

static void id_make(char *id, size_t size)
{
	uint64_t number = 0;

	if (getrandom(&number, sizeof number, 0) != sizeof number)
		number = (uint64_t)getpid();
	snprintf(id, size, "%016llx", (unsigned long long)number);
}

static int usage_check(const struct cli *cli, struct kk_err *err)
{
	const char *entry;

	if (!cli_arg(cli, 1))
		return kk_fail(err, KK_E_USAGE,
			"a command is required: kuke exec <cell> -- <command> [argument]…");
	for (size_t i = 0; (entry = cli_nth(cli, "env", i)); i++) {
		if (!strchr(entry, '=') || *entry == '=')
			return kk_fail(err, KK_E_USAGE, "invalid --env \"%s\": want NAME=value",
				entry);
	}
	if (cli_bool(cli, "tty") && cli_bool(cli, "stdin") && !isatty(STDIN_FILENO))
		return kk_fail(err, KK_E_USAGE,
			"standard input is no terminal: leave out -t/--tty");
	return cli_scope_check(cli, KK_KIND_CELL, err);
}

static int run(struct cli *cli, struct kk_err *err)
{
	kk_auto(session_release) struct session session = {
		.cli = cli,
		.scope = cli_scope(cli, KK_KIND_CELL, cli_arg(cli, 0)),
		.input.fd = -1,
		.output.fd = -1,
		.errors.fd = -1,
		.is_tty = cli_bool(cli, "tty"),
		.is_interactive = cli_bool(cli, "stdin"),
	};
	kk_auto_json *cell = NULL;
	int r;

	if (usage_check(cli, err) < 0)
		return kk_failed(err);
	r = cli_cell_get(cli, &session.scope, &cell, err);
	if (r < 0)
		return r;
	if (r == 0)
		return cli_cell_missing_fail(&session.scope, err);
	if (cli_container_pick(cli, &session.scope, cell, &session.container, err) < 0)
		return kk_failed(err);
	id_make(session.id, sizeof session.id);
	return session_run(&session, err);
}

static const struct cli_flag flags[] = {
	CLI_FLAG_REALM,
	CLI_FLAG_SPACE,
	CLI_FLAG_STACK,
	{"container", 'c', CLI_STRING, NULL, NULL, "which one, where the cell has several", "name"},
	{"stdin", 'i', CLI_BOOL, NULL, NULL, "pass on standard input", NULL},
	{"tty", 't', CLI_BOOL, NULL, NULL, "give it a terminal", NULL},
	{"user", 'u', CLI_STRING, NULL, NULL, "user[:group], by name or number", "user"},
	{"workdir", 'w', CLI_STRING, NULL, NULL, "directory to start in", "path"},
	{"env", 'e', CLI_STRINGS, NULL, NULL, "variable to set, may be repeated", "NAME=value"},
	CLI_FLAGS_END,
};

const struct cli_command cli_cmd_exec = {
	.name = "exec",
	.usage = "<cell> [flags] -- <command> [argument]…",
	.summary = "Run a command in a container that runs",
	.flags = flags,
	.min_args = 1,
	.max_args = CLI_ARGS_MAX,
	.n_mixed = 2,
	.route = CLI_ROUTE_BOTH,
	.is_on_host = true,
	.names_object = true,
	.kind = KK_KIND_CELL,
	.run = run,
};
