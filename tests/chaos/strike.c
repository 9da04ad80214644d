/* tests/chaos/strike.c - kill several processes of a daemon at one moment: when one of them has come to a
 * point that `stop` is armed at, and has left its note.
 *
 * usage: strike DIRECTORY PID ROLE…   PID is the daemon's, ROLE one of its workers or `supervisor`
 * Waits for the first file in DIRECTORY, then sends SIGKILL to all of them; fails when one is not there. */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include <kukeon/clock.h>
#include <kukeon/mem.h>

enum {
	VICTIMS_MAX = 5,
	LIMIT_MS = 1000, /* for a worker that is just being replaced */
};

static bool has_file(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	bool found = false;

	while (dir && !found && (entry = readdir(dir)))
		found = entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return found;
}

static int note_wait(const char *path)
{
	int fd = inotify_init1(IN_CLOEXEC);
	char events[4096];

	if (fd < 0 || inotify_add_watch(fd, path, IN_CREATE) < 0)
		return -1;
	/* It may have come before the watch. */
	while (!has_file(path)) {
		if (read(fd, events, sizeof events) < 0)
			return -1;
	}
	close(fd);
	return 0;
}

/* Is @pid a child of @parent, and called @comm? */
static bool is_worker(long pid, long parent, const char *comm)
{
	char path[64], line[512], name[32];
	long its_parent;
	FILE *file;
	bool is_it;

	snprintf(path, sizeof path, "/proc/%ld/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	is_it = fgets(line, sizeof line, file) &&
		sscanf(line, "%*d (%31[^)]) %*c %ld", name, &its_parent) == 2 &&
		its_parent == parent && strcmp(name, comm) == 0;
	fclose(file);
	return is_it;
}

/* 0 when there is none. */
static pid_t worker_find(long parent, const char *role)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	char comm[16];
	long pid = 0;

	snprintf(comm, sizeof comm, "kk-%s", role);
	while (proc && (entry = readdir(proc))) {
		pid = strtol(entry->d_name, NULL, 10);
		if (pid > 0 && is_worker(pid, parent, comm))
			break;
		pid = 0;
	}
	if (proc)
		closedir(proc);
	return (pid_t)pid;
}

static pid_t victim_find(long parent, const char *role)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	int64_t end_ms = kk_clock_ms() + LIMIT_MS;
	pid_t pid;

	if (strcmp(role, "supervisor") == 0)
		return (pid_t)parent;
	while ((pid = worker_find(parent, role)) == 0 && kk_clock_ms() < end_ms)
		nanosleep(&pause, NULL);
	return pid;
}

int main(int argc, char **argv)
{
	long parent = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
	size_t n = argc > 3 ? (size_t)argc - 3 : 0;
	pid_t victims[VICTIMS_MAX];

	if (parent <= 0 || n == 0 || n > VICTIMS_MAX) {
		fprintf(stderr, "usage: strike DIRECTORY PID ROLE...\n");
		return 2;
	}
	if (note_wait(argv[1]) < 0) {
		perror("strike: wait for a note");
		return 1;
	}
	for (size_t i = 0; i < n; i++) {
		victims[i] = victim_find(parent, argv[i + 3]);
		if (victims[i] == 0) {
			fprintf(stderr, "strike: there is no %s worker\n", argv[i + 3]);
			return 1;
		}
	}
	for (size_t i = 0; i < n; i++)
		kill(victims[i], SIGKILL);
	return 0;
}
