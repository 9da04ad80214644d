/* tests/e2e/harmless.c - run a command that may look, and change nothing: a system call that changes a file, a mount or
 * a namespace ends the process that makes it, and no file can be opened for writing. */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include <seccomp.h>

#define KILL SCMP_ACT_KILL_PROCESS

static const int changing[] = {
	SCMP_SYS(mkdir),
	SCMP_SYS(mkdirat),
	SCMP_SYS(rmdir),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(rename),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(link),
	SCMP_SYS(linkat),
	SCMP_SYS(symlink),
	SCMP_SYS(symlinkat),
	SCMP_SYS(mknod),
	SCMP_SYS(mknodat),
	SCMP_SYS(creat),
	SCMP_SYS(chmod),
	SCMP_SYS(fchmod),
	SCMP_SYS(fchmodat),
	SCMP_SYS(chown),
	SCMP_SYS(fchown),
	SCMP_SYS(lchown),
	SCMP_SYS(fchownat),
	SCMP_SYS(truncate),
	SCMP_SYS(ftruncate),
	SCMP_SYS(fallocate),
	SCMP_SYS(utimensat),
	SCMP_SYS(setxattr),
	SCMP_SYS(lsetxattr),
	SCMP_SYS(fsetxattr),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(setns),
	SCMP_SYS(unshare),
	SCMP_SYS(fsopen),
	SCMP_SYS(move_mount),
	SCMP_SYS(sethostname),
	SCMP_SYS(bpf),
	SCMP_SYS(openat2),
	SCMP_SYS(io_uring_setup),
};

/* A filter does not see which file an open is for: what is mounted, is for reading. */
static int mounts_shut(void)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY, .propagation = MS_PRIVATE};

	if (unshare(CLONE_NEWNS) < 0)
		return -1;
	return mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof attr);
}

int main(int argc, char **argv)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int r = filter && argc > 1 ? mounts_shut() : -1;

	for (size_t i = 0; i < sizeof changing / sizeof changing[0] && r == 0; i++)
		r = seccomp_rule_add(filter, KILL, changing[i], 0);
	if (r == 0)
		r = seccomp_load(filter);
	if (r < 0) {
		fprintf(stderr, "usage: harmless COMMAND…; or no filter: %d\n", r);
		return 125;
	}
	execvp(argv[1], argv + 1);
	perror(argv[1]);
	return 125;
}
