/* supervisor/spawn.c - socketpair, fork, exec: a worker gets its line, its log pipe and nothing else. */
#include "sv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kukeon/auto.h>
#include <kukeon/crash.h>
#include <kukeon/fd.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>
#include <kukeon/worker.h>

enum { EXEC_ERROR_FD = KK_WORKER_LENT_FD + 1, EXE_FD, FIRST_FOREIGN_FD };

int sv_spawn_open_image(struct kk_err *err)
{
	/* A file that is replaced on disk never runs under an old supervisor. */
	int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);

	return fd < 0 ? kk_fail_errno(err, KK_E_IO, "open /proc/self/exe") : fd;
}

/* The environment a worker may see. That of the containerd worker is kukeond's, since secrets may come from there; what
 * tells libraries how to behave is for none of them. */
static bool env_is_passed(const char *entry, enum kk_role role)
{
	static const char *const kept[] = {"LD_", "GRPC_", "GLIBC_", "MALLOC_", "SSL_", "OPENSSL_"};

	static const char *const passed[] = {
		"PATH=", "TZ=", "LANG=", "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "TSAN_OPTIONS=",
		"LSAN_OPTIONS=", "GCOV_PREFIX=", "KUKEON_FAULTS="};

	for (size_t i = 0; i < KK_COUNT(passed); i++) {
		if (kk_str_starts(entry, passed[i]))
			return true;
	}
	for (size_t i = 0; i < KK_COUNT(kept); i++) {
		if (kk_str_starts(entry, kept[i]))
			return false;
	}
	return role == KK_ROLE_containerd;
}

static char **env_make(enum kk_role role)
{
	size_t n = 0;
	char **env;

	while (environ[n])
		n++;
	env = kk_alloc((n + 1) * sizeof env[0]);
	if (!env)
		return NULL;
	n = 0;
	for (char **entry = environ; *entry; entry++) {
		if (env_is_passed(*entry, role))
			env[n++] = *entry;
	}
	return env;
}

/* Move @fd to @wanted without losing what is there; the sources are above all targets. */
static int fd_place(int fd, int wanted, bool is_inherited)
{
	return dup3(fd, wanted, is_inherited ? 0 : O_CLOEXEC);
}

void sv_signals_reset(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int signo = 1; signo < 32; signo++)
		signal(signo, SIG_DFL);
}

static _Noreturn void child_run(int line, int log, int error_fd, int exe, int lent, char *name,
	char **env, pid_t parent)
{
	char *argv[] = {name, NULL};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int *const sources[] = {&line, &log, &error_fd, &exe, &null, &lent};
	size_t n = lent < 0 ? KK_COUNT(sources) - 1 : KK_COUNT(sources);

	for (size_t i = 0; i < n; i++) {
		*sources[i] = fcntl(*sources[i], F_DUPFD_CLOEXEC, FIRST_FOREIGN_FD);
		if (*sources[i] < 0)
			_exit(127);
	}
	sv_signals_reset();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fd_place(null, STDIN_FILENO, true) < 0 || fd_place(null, STDOUT_FILENO, true) < 0 ||
		fd_place(log, STDERR_FILENO, true) < 0 || fd_place(line, KK_WORKER_FD, true) < 0 ||
		(lent >= 0 && fd_place(lent, KK_WORKER_LENT_FD, true) < 0) ||
		fd_place(error_fd, EXEC_ERROR_FD, false) < 0 || fd_place(exe, EXE_FD, false) < 0 ||
		syscall(SYS_close_range, FIRST_FOREIGN_FD, ~0U, 0) < 0)
		goto failed;
	/* The parent may have died before the death signal was asked for. */
	if (getppid() != parent)
		_exit(0);
	syscall(SYS_execveat, EXE_FD, "", argv, env, AT_EMPTY_PATH);
failed:
	(void)!write(EXEC_ERROR_FD, &errno, sizeof errno);
	_exit(127);
}

/* Wait until the child has exec'd (end of file) or failed (its errno). */
static int exec_result(int fd)
{
	int error = 0;
	ssize_t n;

	do
		n = read(fd, &error, sizeof error);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof error ? error : 0;
}

static void stderr_on_ready(int fd, unsigned what, void *arg);

static int spawn_fds(int line[2], int log[2], int error[2], struct kk_err *err)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line) < 0)
		return kk_fail_errno(err, KK_E_IO, "create the line of a worker");
	if (pipe2(log, O_CLOEXEC) < 0)
		return kk_fail_errno(err, KK_E_IO, "create the log pipe of a worker");
	if (pipe2(error, O_CLOEXEC) < 0)
		return kk_fail_errno(err, KK_E_IO, "create the exec pipe of a worker");
	return 0;
}

static void pair_close(int (*pair)[2])
{
	kk_closep(&(*pair)[0]);
	kk_closep(&(*pair)[1]);
}

int sv_spawn(struct sv_worker *worker, struct kk_err *err)
{
	kk_auto(pair_close) int line[2] = {-1, -1};
	kk_auto(pair_close) int log[2] = {-1, -1};
	kk_auto(pair_close) int error[2] = {-1, -1};
	kk_auto_free char **env = env_make(worker->role);
	struct kk_supervisor *sv = worker->sv;
	char name[64];
	pid_t pid, parent = getpid();
	int r = spawn_fds(line, log, error, err);

	if (r < 0)
		return r;
	if (!env)
		return kk_fail(err, KK_E_NOMEM, "no memory for a worker's environment");
	snprintf(name, sizeof name, "%s: %s", sv->is_embedded ? "kuke" : "kukeond",
		kk_role_name(worker->role));
	pid = fork();
	if (pid < 0)
		return kk_fail_errno(err, KK_E_IO, "fork the %s worker",
			kk_role_name(worker->role));
	if (pid == 0)
		child_run(line[1], log[1], error[1], sv->exe_fd, sv->lent_fd, name, env, parent);
	kk_closep(&error[1]);
	error[1] = -1;
	errno = exec_result(error[0]);
	if (errno) {
		kk_fail_errno(err, KK_E_IO, "exec the %s worker", kk_role_name(worker->role));
		waitpid(pid, NULL, 0);
		return KK_E_IO;
	}
	worker->pid = pid;
	return sv_spawn_adopt(worker, kk_steal_fd(&line[0]), kk_steal_fd(&log[0]), err);
}

int sv_spawn_adopt(struct sv_worker *worker, int line_fd, int log_fd, struct kk_err *err)
{
	struct kk_loop *loop = worker->sv->loop;

	worker->chan = kk_chan_new(loop, kk_role_name(worker->role), line_fd, sv_worker_on_message,
		worker);
	worker->stderr_fd = log_fd;
	kk_fd_nonblock(log_fd);
	kk_buf_init(&worker->stderr_buf, 65536);
	worker->stderr_watch =
		kk_watch_new(loop, "worker log", log_fd, KK_READ, stderr_on_ready, worker);
	if (worker->chan && worker->stderr_watch)
		return 0;
	sv_worker_kill(worker, SIGKILL, "no memory for its channel");
	return kk_fail(err, KK_E_NOMEM, "no memory for the channel of the %s worker",
		kk_role_name(worker->role));
}

/* A line that a worker wrote through its own log is complete; anything else is a library's. */
static bool line_is_ours(const char *line, size_t len)
{
	return len > 24 && len < PIPE_BUF && line[4] == '-' && line[10] == 'T' &&
		memchr(line, 'Z', 40);
}

/* @line is followed by its newline. */
static void line_store(struct sv_worker *worker, const char *line, size_t len)
{
	if (len >= strlen(KK_CRASH_MARK) &&
		memcmp(line, KK_CRASH_MARK, strlen(KK_CRASH_MARK)) == 0) {
		/* For the report; beyond its limit nobody wants to read it. */
		(void)kk_buf_append(&worker->last_words, line, len + 1);
		return;
	}
	sv_tail_add(worker, line, len + 1);
	/* An in-process command says nothing but its result, unless it was asked to. */
	if (worker->sv->is_embedded && !kk_log_is_on(KK_LEVEL_INFO))
		return;
	if (line_is_ours(line, len))
		kk_log_pass(line, len + 1);
	else
		kk_log_foreign(KK_LEVEL_WARNING, kk_role_name(worker->role), worker->generation,
			line, len);
}

static void stderr_on_ready(int fd, unsigned what, void *arg)
{
	struct sv_worker *worker = arg;
	struct kk_buf *buf = &worker->stderr_buf;
	uint8_t *room = kk_buf_reserve(buf, 4096), *newline;
	ssize_t n;

	(void)what;
	if (!room) {
		/* A line without an end, or no memory for more of it: pass it on as it is. */
		if (buf->len)
			kk_log_foreign(KK_LEVEL_WARNING, kk_role_name(worker->role),
				worker->generation, (char *)buf->data, buf->len);
		kk_buf_clear(buf);
		return;
	}
	n = read(fd, room, 4096);
	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			kk_watch_set(worker->stderr_watch, 0);
		return;
	}
	kk_buf_added(buf, (size_t)n);
	while ((newline = memchr(buf->data, '\n', buf->len))) {
		line_store(worker, (char *)buf->data, (size_t)(newline - buf->data));
		kk_buf_consume(buf, (size_t)(newline - buf->data) + 1);
	}
}

void sv_spawn_release(struct sv_worker *worker)
{
	/* Last words may still be in the pipe. */
	if (worker->stderr_watch) {
		for (int i = 0; i < 16; i++)
			stderr_on_ready(worker->stderr_fd, KK_READ, worker);
		if (worker->stderr_buf.len)
			kk_log_foreign(KK_LEVEL_WARNING, kk_role_name(worker->role),
				worker->generation, (char *)worker->stderr_buf.data,
				worker->stderr_buf.len);
	}
	kk_watch_free(worker->stderr_watch);
	worker->stderr_watch = NULL;
	kk_closep(&worker->stderr_fd);
	worker->stderr_fd = -1;
	kk_buf_release(&worker->stderr_buf);
	kk_chan_free(worker->chan);
	worker->chan = NULL;
}
