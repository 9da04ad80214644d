/* workers/network/netns.c */
#include "net.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <kukeon/fd.h>
#include <kukeon/mem.h>

void net_ns_paths_release(struct net_ns_paths *paths)
{
	free(paths->net);
	free(paths->uts);
	free(paths->ipc);
	*paths = (struct net_ns_paths){0};
}

void net_ns_paths_make(const char *name, struct net_ns_paths *ret_paths)
{
	ret_paths->net = kk_xprintf("%s/netns/%s", net_instance.runtime_dir, name);
	ret_paths->uts = kk_xprintf("%s/netns/%s.uts", net_instance.runtime_dir, name);
	ret_paths->ipc = kk_xprintf("%s/netns/%s.ipc", net_instance.runtime_dir, name);
}

static bool is_namespace(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == NSFS_MAGIC;
}

bool net_ns_exists(const struct net_ns_paths *paths)
{
	return is_namespace(paths->net);
}

bool net_ns_is_shared(const struct net_ns_paths *paths)
{
	return is_namespace(paths->uts) && is_namespace(paths->ipc);
}

/* The directory is a shared mount of its own, or processes in other mount namespaces (containerd, a
 * kukeond in a container) would not see what is mounted in it later. */
static int dir_share(struct kk_err *err)
{
	kk_auto_free char *dir = kk_xprintf("%s/netns", net_instance.runtime_dir);
	int r = kk_dir_make(dir, 0755, err);

	if (r < 0)
		return r;
	if (mount("none", dir, NULL, MS_SHARED | MS_REC, NULL) == 0)
		return 0;
	if (errno != EINVAL)
		return kk_fail_errno(err, KK_E_NETWORK, "share mount %s", dir);
	/* Where kukeond runs in a container, the directory above is one, on the host as well. */
	if (mount("none", net_instance.runtime_dir, NULL, MS_SHARED | MS_REC, NULL) == 0)
		return 0;
	/* Not shared with what it lies on: each would be there twice. */
	if (mount(dir, dir, NULL, MS_BIND | MS_REC, NULL) < 0 ||
		mount("none", dir, NULL, MS_PRIVATE | MS_REC, NULL) < 0 ||
		mount("none", dir, NULL, MS_SHARED | MS_REC, NULL) < 0)
		return kk_fail_errno(err, KK_E_NETWORK, "make %s a shared mount", dir);
	return 0;
}

/* What a helper thread is to do in its own namespaces, and what came of it. */
struct helper {
	const struct net_ns_paths *paths;
	const char *hostname;
	bool is_shared;
	const char *netns_path;
	struct nl_sock *socket;
	struct kk_err *err;
	int result;
};

static int ns_pin(const char *kind, const char *path, struct kk_err *err)
{
	char source[64];
	kk_auto_fd int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0444);

	if (fd < 0)
		return kk_fail_errno(err, KK_E_IO, "create %s", path);
	snprintf(source, sizeof source, "/proc/thread-self/ns/%s", kind);
	if (is_namespace(path))
		umount2(path, MNT_DETACH);
	if (mount(source, path, NULL, MS_BIND, NULL) < 0)
		return kk_fail_errno(err, KK_E_NETWORK, "pin a %s namespace at %s", kind, path);
	return 0;
}

static int ns_make_shared(const struct helper *helper)
{
	struct kk_err *err = helper->err;

	if (unshare(CLONE_NEWUTS | CLONE_NEWIPC) < 0)
		return kk_fail_errno(err, KK_E_NETWORK, "create namespaces");
	if (sethostname(helper->hostname, strlen(helper->hostname)) < 0)
		return kk_fail_errno(err, KK_E_NETWORK, "set the host name '%s'", helper->hostname);
	return ns_pin("uts", helper->paths->uts, err) < 0 ? kk_failed(err) :
							    ns_pin("ipc", helper->paths->ipc, err);
}

static int ns_make(const struct helper *helper)
{
	struct kk_err *err = helper->err;

	if (helper->is_shared && !net_ns_is_shared(helper->paths) && ns_make_shared(helper) < 0)
		return kk_failed(err);
	if (net_ns_exists(helper->paths))
		return 0;
	if (unshare(CLONE_NEWNET) < 0)
		return kk_fail_errno(err, KK_E_NETWORK, "create a network namespace");
	return ns_pin("net", helper->paths->net, err);
}

static void *create_run(void *arg)
{
	struct helper *helper = arg;

	helper->result = ns_make(helper);
	return NULL;
}

static void *socket_run(void *arg)
{
	struct helper *helper = arg;
	kk_auto_fd int fd = open(helper->netns_path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		helper->result = kk_fail_errno(helper->err, KK_E_NETWORK,
			"enter network namespace %s", helper->netns_path);
	else
		helper->result = net_socket_open(&helper->socket, helper->err);
	return NULL;
}

/* Only ever a thread of its own leaves the host's namespaces; sockets keep the one they were opened
 * in. */
static int helper_run(void *(*run)(void *), struct helper *helper)
{
	pthread_t thread;
	int r = pthread_create(&thread, NULL, run, helper);

	if (r != 0) {
		errno = r;
		return kk_fail_errno(helper->err, KK_E_NETWORK, "start a helper thread");
	}
	pthread_join(thread, NULL);
	return helper->result;
}

/* Whoever makes or unmakes the shared directory keeps the others waiting, in this process or another. */
static int dir_lock(struct kk_err *err)
{
	kk_auto_fd int fd = -1;

	if (kk_dir_make(net_instance.runtime_dir, 0755, err) < 0)
		return kk_failed(err);
	fd = open(net_instance.runtime_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return kk_fail_errno(err, KK_E_IO, "lock %s", net_instance.runtime_dir);
	return kk_steal_fd(&fd);
}

static int unpin(const char *path, bool *was_present, struct kk_err *err)
{
	if (is_namespace(path)) {
		*was_present = true;
		if (umount2(path, MNT_DETACH) < 0)
			return kk_fail_errno(err, KK_E_NETWORK, "unmount %s", path);
	}
	if (unlink(path) < 0 && errno != ENOENT)
		return kk_fail_errno(err, KK_E_IO, "remove %s", path);
	return 0;
}

int net_ns_ensure(const struct net_ns_paths *paths, const char *hostname, bool is_shared,
	struct kk_err *err)
{
	struct helper helper = {
		.paths = paths, .hostname = hostname, .is_shared = is_shared, .err = err};
	kk_auto_fd int lock = dir_lock(err);

	bool ignored;

	if (lock < 0 || dir_share(err) < 0 ||
		(!is_shared &&
			(unpin(paths->uts, &ignored, err) < 0 ||
				unpin(paths->ipc, &ignored, err) < 0)))
		return kk_failed(err);
	return helper_run(create_run, &helper);
}

int net_ns_socket(const char *netns_path, struct nl_sock **ret_socket, struct kk_err *err)
{
	struct helper helper = {.netns_path = netns_path, .err = err};
	int r = helper_run(socket_run, &helper);

	if (r == 0)
		*ret_socket = helper.socket;
	return r;
}

/* The directory goes with the last namespace in it. */
static void dir_unshare(void)
{
	kk_auto_free char *dir = kk_xprintf("%s/netns", net_instance.runtime_dir);
	const struct dirent *entry;
	DIR *handle = opendir(dir);
	size_t n = 0;

	while (handle && (entry = readdir(handle)))
		n += entry->d_name[0] != '.';
	if (handle)
		closedir(handle);
	if (n == 0 && handle) {
		umount2(dir, MNT_DETACH);
		rmdir(dir);
	}
}

int net_ns_remove(const struct net_ns_paths *paths, bool *ret_was_present, struct kk_err *err)
{
	kk_auto_fd int lock = dir_lock(err);

	*ret_was_present = false;
	if (lock < 0 || unpin(paths->net, ret_was_present, err) < 0 ||
		unpin(paths->uts, ret_was_present, err) < 0 ||
		unpin(paths->ipc, ret_was_present, err) < 0)
		return kk_failed(err);
	dir_unshare();
	return 0;
}
