/* ipc/base/host.c */
#include <kukeon/host.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <kukeon/auto.h>
#include <kukeon/fd.h>

static int root_fd = -1;

void kk_host_set_root(int fd)
{
	root_fd = fd;
}

int kk_host_open(const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};

	if (root_fd < 0)
		return open(path, flags | O_CLOEXEC);
	return (int)syscall(SYS_openat2, root_fd, path, &how, sizeof how);
}

int kk_host_stat(const char *path, struct stat *ret_st)
{
	kk_auto_fd int fd = kk_host_open(path, O_PATH);

	return fd < 0 ? -1 : fstat(fd, ret_st);
}

DIR *kk_host_opendir(const char *path)
{
	kk_auto_fd int fd = kk_host_open(path, O_RDONLY | O_DIRECTORY);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir)
		(void)kk_steal_fd(&fd);
	return dir;
}

int kk_host_file_read(const char *path, struct kk_buf *buf, struct kk_err *err)
{
	kk_auto_fd int fd = kk_host_open(path, O_RDONLY);

	return fd < 0 ? kk_fail_errno(err, KK_E_IO, "open %s", path) :
			kk_fd_read(fd, path, buf, err);
}
