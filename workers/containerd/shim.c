/* workers/containerd/shim.c - shims: their place in the kernel's order of killing, and those that are of no use
 * to anyone.
 *
 * When its caller dies at the wrong moment, containerd kills the program that starts a shim, but the shim is
 * there already: it waits for ever for containerd to read its log, and whatever is said to it by way of its
 * socket. The next one of the same name is taken for grouped with it, so that each later try hangs as well. */
#include "ct.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kukeon/fd.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>
#include <kukeon/oom.h>

enum { FILE_BYTES = 4096 };

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

/* Is there an argument @flag with @value behind it? */
static bool has_flag(const char *args, size_t len, const char *flag, const char *value)
{
	const char *end = args + len;

	for (const char *arg = args; arg < end; arg += strlen(arg) + 1) {
		const char *next = arg + strlen(arg) + 1;

		if (strcmp(arg, flag) == 0 && next < end)
			return strcmp(next, value) == 0;
	}
	return false;
}

static bool is_shim_of(long pid, const char *namespace, const char *id)
{
	char args[FILE_BYTES];
	size_t len = proc_read(pid, "cmdline", args, sizeof args);
	const char *slash = strrchr(args, '/');

	return kk_str_starts(slash ? slash + 1 : args, "containerd-shim") &&
		has_flag(args, len, "-namespace", namespace) && has_flag(args, len, "-id", id) &&
		has_flag(args, len, "-address", ct_client_address());
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
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	long found = 0;

	while (proc && !found && (entry = readdir(proc))) {
		long pid = strtol(entry->d_name, NULL, 10);

		if (pid > 0 && match(pid, arg))
			found = pid;
	}
	if (proc)
		closedir(proc);
	return found;
}

struct shim_name {
	const char *namespace;
	const char *id;
};

static bool shim_match(long pid, const void *arg)
{
	const struct shim_name *name = arg;

	return is_shim_of(pid, name->namespace, name->id);
}

static bool child_match(long pid, const void *arg)
{
	const long *parent = arg;

	return parent_of(pid) == *parent;
}

bool ct_shim_clear(const char *namespace, const char *id)
{
	const struct shim_name name = {namespace, id};
	long pid = pid_find(shim_match, &name);

	/* With a child it has a container to look after. */
	if (!pid || pid_find(child_match, &pid) || !shim_match(pid, &name))
		return false;
	kk_warning("a shim of '%s' is left that containerd does not know, killing it pid=%ld", id,
		pid);
	return kill((pid_t)pid, SIGKILL) == 0;
}

void ct_shim_yield(long task_pid)
{
	long pid = parent_of(task_pid);
	char comm[64];

	if (pid > 1 && proc_read(pid, "comm", comm, sizeof comm) &&
		kk_str_starts(comm, "containerd-shim"))
		kk_oom_score_raise((int)pid, KK_OOM_SHIM);
}
