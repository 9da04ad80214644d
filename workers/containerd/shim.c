/* workers/containerd/shim.c - shims: their place in the kernel's order of killing, those that are of no use to
 * anyone, and when containerd has done with them.
 *
 * When its caller dies at the wrong moment, containerd kills the program that starts a shim, but the shim is
 * there already: it waits for ever for containerd to read its log, and whatever is said to it by way of its
 * socket. The next one of the same name is taken for grouped with it, so that each later try hangs as well.
 *
 * containerd clears up behind such a caller by itself, in its own time, by the name of the container: it takes
 * away what the next try has made meanwhile. It does so with programs, which can be seen. */
#include "ct.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <kukeon/clock.h>
#include <kukeon/fd.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>
#include <kukeon/oom.h>

enum {
	FILE_BYTES = 4096,
	GLANCE_MS = 20,
	QUIET_MS = 150,    /* from the end of a program to that of what containerd does behind it */
	SETTLE_MS = 12000, /* two of containerd's own limits, and a bit */
};

/* Returns the length of what was read, 0 when there is nothing. */
static size_t proc_read(long pid, const char *name, char *buf, size_t size)
{
	char path[64];
	kk_auto_fd int fd = -1;
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%ld/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf, size - 1);
	buf[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

struct args {
	char text[FILE_BYTES]; /* each with its NUL */
	size_t len;
};

/* What is behind the argument @flag; NULL: there is no such argument. */
static const char *flag_of(const struct args *args, const char *flag)
{
	const char *end = args->text + args->len;

	for (const char *arg = args->text; arg < end; arg += strlen(arg) + 1) {
		if (strcmp(arg, flag) == 0)
			return arg + strlen(arg) + 1 < end ? arg + strlen(arg) + 1 : "";
	}
	return NULL;
}

struct shim_name {
	const char *namespace;
	const char *id;
};

/* The shim itself, or a program that starts one or clears up behind it. */
static bool is_shim_of(long pid, const struct shim_name *name, struct args *args)
{
	const char *slash;

	args->len = proc_read(pid, "cmdline", args->text, sizeof args->text);
	slash = strrchr(args->text, '/');
	return kk_str_starts(slash ? slash + 1 : args->text, "containerd-shim") &&
		kk_str_equal(flag_of(args, "-namespace"), name->namespace) &&
		kk_str_equal(flag_of(args, "-id"), name->id) &&
		kk_str_equal(flag_of(args, "-address"), ct_client_address());
}

static long parent_of(long pid)
{
	char stat[FILE_BYTES];
	const char *behind_name;
	long parent = 0;

	proc_read(pid, "stat", stat, sizeof stat);
	behind_name = strrchr(stat, ')');
	if (behind_name)
		(void)sscanf(behind_name, ") %*c %ld", &parent);
	return parent;
}

typedef bool (*pid_match_f)(long pid, const void *arg);

/* The first process that @match is true of; 0: none. */
static long pid_find(pid_match_f match, const void *arg)
{
	kk_auto_dir proc = opendir("/proc");
	const struct dirent *entry;
	long found = 0;

	while (proc && !found && kk_dir_next(proc, &entry) == 1) {
		long pid = strtol(entry->d_name, NULL, 10);

		if (pid > 0 && match(pid, arg))
			found = pid;
	}
	return found;
}

static bool any_match(long pid, const void *arg)
{
	struct args args;

	return is_shim_of(pid, arg, &args);
}

/* Only those programs know how to reach containerd. */
static bool shim_match(long pid, const void *arg)
{
	struct args args;

	return is_shim_of(pid, arg, &args) && !flag_of(&args, "-publish-binary");
}

static bool child_match(long pid, const void *arg)
{
	const long *parent = arg;

	return parent_of(pid) == *parent;
}

bool ct_shim_exists(const char *namespace, const char *id)
{
	return pid_find(any_match, &(struct shim_name){namespace, id}) != 0;
}

/* Until there has been no such program for a while. */
static void settle(const char *namespace, const char *id, int64_t deadline_ms)
{
	const struct timespec pause = {.tv_nsec = GLANCE_MS * 1000000L};
	int64_t now = kk_clock_ms(), end = now + SETTLE_MS, quiet_since = now;

	if (end > deadline_ms)
		end = deadline_ms;
	for (; now < end && now - quiet_since < QUIET_MS; now = kk_clock_ms()) {
		if (ct_shim_exists(namespace, id))
			quiet_since = now;
		nanosleep(&pause, NULL);
	}
}

bool ct_shim_clear(const char *namespace, const char *id, int64_t deadline_ms)
{
	const struct shim_name name = {namespace, id};
	long pid = pid_find(shim_match, &name);

	/* With a child it has a container to look after. */
	if (pid && pid_find(child_match, &pid))
		return false;
	if (pid && shim_match(pid, &name)) {
		kk_warning("a shim of '%s' is left that containerd does not know, killing it "
			   "pid=%ld",
			id, pid);
		kill((pid_t)pid, SIGKILL);
	}
	settle(namespace, id, deadline_ms);
	return true;
}

/* Never into a directory: what is mounted there is somebody's. */
static void dir_clear(const char *path)
{
	kk_auto_dir dir = opendir(path);
	const struct dirent *entry;

	while (dir && kk_dir_next(dir, &entry) == 1)
		(void)unlinkat(dirfd(dir), entry->d_name,
			entry->d_type == DT_DIR ? AT_REMOVEDIR : 0);
	if (rmdir(path) == 0)
		kk_warning("containerd could not remove %s, done for it", path);
}

/* containerd gives a directory a dot, then removes it. What is written into it at this moment keeps it, and no
 * later one can be given the name. */
void ct_shim_bundle_clear(const char *path)
{
	kk_auto_free char *parent = kk_xstrdup(path), *dotted = NULL;
	char *slash = strrchr(parent, '/');

	if (!slash)
		return;
	*slash = '\0';
	dotted = kk_xprintf("%s/.%s", parent, slash + 1);
	dir_clear(dotted);
	dir_clear(path);
}

void ct_shim_yield(long task_pid)
{
	long pid = parent_of(task_pid);
	char comm[64];

	if (pid > 1 && proc_read(pid, "comm", comm, sizeof comm) &&
		kk_str_starts(comm, "containerd-shim"))
		kk_oom_score_raise((int)pid, KK_OOM_SHIM);
}
