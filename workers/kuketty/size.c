/* workers/kuketty/size.c - the size of the terminal. The shim has its other end, and containerd would have to ask it: but the
 * container's own end takes a size as well, and we find it by way of the first process there. */
#include "kuketty.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <kukeon/auto.h>
#include <kukeon/mem.h>

/* runc's, in the bundle */
#define PID_FILE "init.pid"

enum { PTY_MAJOR = 136, PTY_MAJORS = 8 };

/* Bundles lie beside each other. A shim stays in that of its first container, which may have gone since. */
static char *pid_path(void)
{
	const char *id = getenv("CONTAINER_ID");
	char here[PATH_MAX] = "", *slash;

	if (!id || readlink("/proc/self/cwd", here, sizeof here - 1) <= 0)
		return NULL;
	slash = strrchr(here, '/');
	return slash ? kk_xprintf("%.*s/%s/" PID_FILE, (int)(slash - here), here, id) : NULL;
}

static int pid_read(void)
{
	kk_auto_free char *path = pid_path();
	kk_auto_fd int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	char text[16] = "";

	if (fd < 0 || read(fd, text, sizeof text - 1) < 0)
		return -1;
	return (int)strtol(text, NULL, 10);
}

/* What a container has made of its descriptors is its own matter: only a terminal is opened. */
static int terminal_open(int pid, int number)
{
	kk_auto_fd int path = -1;
	char name[64];
	struct stat st;

	snprintf(name, sizeof name, "/proc/%d/fd/%d", pid, number);
	path = open(name, O_PATH | O_CLOEXEC);
	if (path < 0 || fstat(path, &st) < 0)
		return -1;
	if (!S_ISCHR(st.st_mode) || major(st.st_rdev) < PTY_MAJOR ||
		major(st.st_rdev) >= PTY_MAJOR + PTY_MAJORS) {
		errno = ENOTTY;
		return -1;
	}
	snprintf(name, sizeof name, "/proc/self/fd/%d", path);
	return open(name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
}

int tty_size_set(const struct kk_tty_size *size)
{
	const struct winsize window = {.ws_row = size->rows, .ws_col = size->columns};
	int pid = pid_read();

	if (pid <= 0)
		return -1;
	for (int number = 0; number < 3; number++) {
		kk_auto_fd int fd = terminal_open(pid, number);

		if (fd >= 0)
			return ioctl(fd, TIOCSWINSZ, &window);
	}
	return -1;
}
