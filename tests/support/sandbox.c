/* tests/support/sandbox.c */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <kukeon/buf.h>
#include <kukeon/clock.h>
#include <kukeon/fd.h>
#include <kukeon/mem.h>

enum {
	FILE_MAX = 64 * 1024 * 1024,
	POLL_NS = 5000000,
	CHILD_LIMIT_MS = 20000,
	EXIT_SETUP = 3,
};

static struct ts_run run;

static volatile sig_atomic_t is_told_to_end;

/* What ts_text and others hand out. */
static struct kept {
	struct kept *next;
	void *p;
} * kept;

struct ts_run *ts_run(void)
{
	return &run;
}

static void *keep(void *p)
{
	struct kept *entry = kk_xalloc(sizeof *entry);

	*entry = (struct kept){kept, p};
	kept = entry;
	return p;
}

static char *text_of(const char *format, va_list ap)
{
	char *text = NULL;

	if (vasprintf(&text, format, ap) < 0)
		abort();
	return keep(text);
}

char *ts_text(const char *format, ...)
{
	va_list ap;
	char *text;

	va_start(ap, format);
	text = text_of(format, ap);
	va_end(ap);
	return text;
}

/* Uses nothing of Check: it also runs where no test does. */
static int shell(const char *command, char **ret_output)
{
	kk_auto_buf output = {0};
	FILE *pipe;
	char piece[4096];
	size_t n;
	int status;

	fflush(NULL);
	pipe = popen(command, "re");
	if (!pipe)
		abort();
	while ((n = fread(piece, 1, sizeof piece, pipe)) > 0)
		kk_buf_append(&output, piece, n);
	status = pclose(pipe);
	kk_buf_str(&output, "");
	*ret_output = keep(output.data ? kk_buf_take(&output) : kk_xstrdup(""));
	return status;
}

char *ts_shell(const char *format, ...)
{
	va_list ap;
	char *command, *output;
	int status;

	va_start(ap, format);
	command = text_of(format, ap);
	va_end(ap);
	status = shell(command, &output);
	ck_assert_msg(status == 0, "'%s' ended with %d: %s", command, status, output);
	return output;
}

bool ts_shell_ok(const char *format, ...)
{
	va_list ap;
	char *output;
	int status;

	va_start(ap, format);
	status = shell(text_of(format, ap), &output);
	va_end(ap);
	return status == 0;
}

json_t *ts_shell_json(const char *format, ...)
{
	va_list ap;
	char *command, *output;
	json_t *json;
	int status;

	va_start(ap, format);
	command = text_of(format, ap);
	va_end(ap);
	status = shell(command, &output);
	ck_assert_msg(status == 0, "'%s' ended with %d: %s", command, status, output);
	json = json_loads(output, JSON_DISABLE_EOF_CHECK, NULL);
	ck_assert_msg(json != NULL, "'%s' wrote no JSON: %s", command, output);
	return keep(json);
}

char *ts_file(const char *path)
{
	kk_auto_buf text = {.max = FILE_MAX};
	int r = kk_file_read(path, &text, NULL);

	ck_assert_msg(r == 0, "%s can't be read", path);
	return keep(text.data ? kk_buf_take(&text) : kk_xstrdup(""));
}

void ts_file_put(const char *path, const char *text)
{
	struct kk_err err = {0};
	int r = kk_file_write(path, text, strlen(text), 0644, &err);

	ck_assert_msg(r == 0, "%s can't be written", path);
}

bool ts_exists(const char *path)
{
	return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool ts_until(bool (*check)(void *arg), void *arg, int64_t limit_ms)
{
	const struct timespec pause = {.tv_nsec = POLL_NS};
	int64_t end_ms = kk_clock_ms() + limit_ms;

	while (!check(arg)) {
		if (kk_clock_ms() > end_ms)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

pid_t ts_child(int (*fn)(void *arg), void *arg)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(fn(arg));
	}
	return pid;
}

static bool cgroups_swept(void *arg)
{
	const char *group = run.cgroup;
	char *output;

	(void)arg;
	return shell(ts_text("find /sys/fs/cgroup/*%s /sys/fs/cgroup%s -depth -type d "
			     "-exec rmdir {} + 2>/dev/null; "
			     "! ls -d /sys/fs/cgroup/*%s /sys/fs/cgroup%s 2>/dev/null | grep -q .",
			     group, group, group, group),
		       &output) == 0;
}

bool ts_cgroups_sweep(void)
{
	return ts_until(cgroups_swept, NULL, CHILD_LIMIT_MS);
}

struct ended {
	pid_t pid;
	int status;
};

static bool has_ended(void *arg)
{
	struct ended *ended = arg;

	return waitpid(ended->pid, &ended->status, WNOHANG) == ended->pid;
}

int ts_child_status(pid_t pid)
{
	struct ended ended = {.pid = pid};

	ck_assert_msg(ts_until(has_ended, &ended, CHILD_LIMIT_MS), "process %d goes on", (int)pid);
	return ended.status;
}

static void names_make(void)
{
	uint32_t number = 0;

	if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
		abort();
	snprintf(run.id, sizeof run.id, "i%06x", number & 0xffffff);
	snprintf(run.instance, sizeof run.instance, "%08x", number);
	snprintf(run.dir, sizeof run.dir, "/tmp/kuke-%s", run.id);
	snprintf(run.cgroup, sizeof run.cgroup, "/kuke-%s", run.id);
	snprintf(run.suffix, sizeof run.suffix, "%s.test", run.id);
}

void ts_sandbox_net(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNET | CLONE_NEWNS), 0);
	ck_assert(mkdir("/var/lib/cni", 0755) == 0 || errno == EEXIST);
	ck_assert_int_eq(mount("cni", "/var/lib/cni", "tmpfs", 0, "mode=755"), 0);
	ts_shell("ip link set lo up");
}

void ts_sandbox_run_dir(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	ck_assert_int_eq(mount("run", "/run", "tmpfs", 0, "mode=755"), 0);
	/* It names a directory there. */
	unsetenv("XDG_RUNTIME_DIR");
}

static int suite_run(Suite *(*make)(void))
{
	SRunner *runner = srunner_create(make());
	int n_failed;

	srunner_run_all(runner, CK_ENV);
	n_failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return n_failed ? 1 : 0;
}

/* The first process of the namespace: it starts the suite and buries the orphans of others. */
static _Noreturn void init_run(Suite *(*make)(void))
{
	int status;
	pid_t suite, pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0) {
		fprintf(stderr, "the mounts of the test could not be made: %s\n", strerror(errno));
		_exit(EXIT_SETUP);
	}
	suite = fork();
	if (suite == 0)
		exit(suite_run(make));
	do
		pid = wait(&status);
	while (pid != suite && (pid > 0 || errno == EINTR));
	_exit(pid == suite && WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_SETUP);
}

static void end_on_signal(int signo)
{
	(void)signo;
	is_told_to_end = 1;
}

int ts_sandbox_run(Suite *(*make)(void))
{
	const struct sigaction action = {.sa_handler = end_on_signal};
	int status = 0;
	struct kk_err err = {0};
	pid_t pid;

	if (geteuid() != 0) {
		printf("skipped %s: all of it (needs root)\ncounted 0 0 1\n",
			program_invocation_short_name);
		return 0;
	}
	names_make();
	if (mkdir(run.dir, 0755) < 0)
		return EXIT_SETUP;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	fflush(NULL);
	pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, NULL, NULL, NULL,
		NULL);
	if (pid == 0)
		init_run(make);
	while (pid > 0 && waitpid(pid, &status, 0) < 0) {
		if (errno == EINTR && is_told_to_end)
			kill(pid, SIGKILL);
	}
	if (!ts_cgroups_sweep())
		fprintf(stderr, "cgroup %s could not be removed\n", run.cgroup);
	kk_tree_remove(run.dir, &err);
	return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_SETUP;
}
