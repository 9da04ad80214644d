/* workers/network/ipam.c - the directory of CNI's host-local: a file per address, its owner inside.
 *
 * A lease lives as long as the namespace that it is for, and neither outlives a power cut: nothing is synced
 * here. A lease that lost its text by one is free, and one that came back is found when addresses end. */
#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <arpa/inet.h>

#include <kukeon/buf.h>
#include <kukeon/config.h>
#include <kukeon/fd.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>

#define LEASE_LAST "last_reserved_ip.0"

enum { LEASE_MAX = 4096 };

char *net_lease_dir(const struct net_space *space)
{
	return kk_xprintf(KK_LEASE_ROOT "/%s", space->network);
}

/* host-local's own lock, a file in the directory. */
static int dir_lock(const char *dir, int *ret_fd, struct kk_err *err)
{
	kk_auto_free char *path = kk_xprintf("%s/lock", dir);
	kk_auto_fd int fd = -1;

	if (kk_dir_make(dir, 0755, err) < 0)
		return kk_failed(err);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return kk_fail_errno(err, KK_E_IO, "lock %s", path);
	*ret_fd = kk_steal_fd(&fd);
	return 0;
}

/* The owner in the lease file; "" for one that a power cut took the text of, or that is gone again. */
static int owner_read(const char *dir, const char *ip, char **ret_owner, struct kk_err *err)
{
	kk_auto_free char *path = kk_xprintf("%s/%s", dir, ip);
	kk_auto_buf text = {.max = LEASE_MAX};
	struct kk_err cause = {0};

	if (kk_file_read(path, &text, &cause) == KK_E_IO && cause.sys_errno != ENOENT) {
		*err = cause;
		return KK_E_IO;
	}
	*ret_owner = kk_buf_take(&text);
	(*ret_owner)[strcspn(*ret_owner, "\r\n")] = '\0';
	return 0;
}

typedef int (*lease_f)(const char *dir, const char *ip, const char *owner, void *arg,
	struct kk_err *err);

/* Call @fn for each lease until it returns anything but 0, which is the result. Another instance may have a network
 * of this name, and keeps its addresses in the same directory: those are none of ours. */
static int leases_each(const struct net_space *space, lease_f fn, void *arg, struct kk_err *err)
{
	kk_auto_free char *dir = net_lease_dir(space);
	const struct dirent *entry;
	kk_auto_dir handle = opendir(dir);
	int r = 0, next;

	if (!handle)
		return errno == ENOENT ? 0 : kk_fail_errno(err, KK_E_IO, "open %s", dir);
	while (r == 0 && (next = kk_dir_next(handle, &entry)) != 0) {
		kk_auto_free char *owner = NULL;
		struct net_cidr address = {.bits = 32};
		struct in_addr in;

		if (next < 0)
			return kk_fail_errno(err, KK_E_IO, "read %s", dir);
		if (inet_pton(AF_INET, entry->d_name, &in) != 1)
			continue;
		address.address = ntohl(in.s_addr);
		if (!net_cidr_overlaps(&space->subnet, &address))
			continue;
		r = owner_read(dir, entry->d_name, &owner, err);
		if (r == 0)
			r = fn(dir, entry->d_name, owner, arg, err);
	}
	return r;
}

struct search {
	const char *owner;
	uint32_t address;
};

static int lease_match(const char *dir, const char *ip, const char *owner, void *arg,
	struct kk_err *err)
{
	struct search *search = arg;
	struct in_addr in;

	(void)dir;
	(void)err;
	if (strcmp(owner, search->owner) != 0 || inet_pton(AF_INET, ip, &in) != 1)
		return 0;
	search->address = ntohl(in.s_addr);
	return 1;
}

int net_lease_find(const struct net_space *space, const char *owner, uint32_t *ret_address,
	struct kk_err *err)
{
	struct search search = {.owner = owner};
	int r = leases_each(space, lease_match, &search, err);

	if (r == 1)
		*ret_address = search.address;
	return r;
}

static uint32_t last_read(const char *dir)
{
	kk_auto_free char *path = kk_xprintf("%s/" LEASE_LAST, dir);
	kk_auto_buf text = {.max = LEASE_MAX};
	struct in_addr in;

	if (kk_file_read(path, &text, NULL) < 0 || !text.data ||
		inet_pton(AF_INET, (char *)text.data, &in) != 1)
		return 0;
	return ntohl(in.s_addr);
}

/* A hint, which no address depends on. */
static void last_write(const char *dir, const char *ip)
{
	kk_auto_free char *path = kk_xprintf("%s/" LEASE_LAST, dir);
	struct kk_err ignored = {0};

	if (kk_file_write(path, ip, strlen(ip), 0644, &ignored) < 0)
		kk_debug("%s stays as it is", path);
}

/* The file of a free address, empty; -1 with errno, EEXIST where somebody has it. */
static int lease_create(const char *dir, const char *ip)
{
	kk_auto_free char *path = kk_xprintf("%s/%s", dir, ip), *owner = NULL;
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	struct kk_err err = {0};

	if (fd >= 0 || errno != EEXIST)
		return fd;
	if (owner_read(dir, ip, &owner, &err) < 0) {
		errno = err.sys_errno;
		return -1;
	}
	if (*owner || (unlink(path) < 0 && errno != ENOENT)) {
		errno = *owner ? EEXIST : errno;
		return -1;
	}
	return open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
}

/* Take the lease; 1 when it is ours now, 0 when someone has the address. */
static int lease_try(const char *dir, uint32_t address, const char *owner, struct kk_err *err)
{
	char ip[NET_IP_MAX];
	kk_auto_free char *path = NULL, *text = kk_xprintf("%s\r\neth0", owner);
	kk_auto_fd int fd = -1;

	net_ip_format(address, ip, sizeof ip);
	path = kk_xprintf("%s/%s", dir, ip);
	fd = lease_create(dir, ip);
	if (fd < 0)
		return errno == EEXIST ? 0 : kk_fail_errno(err, KK_E_IO, "create %s", path);
	if (kk_fd_write_all(fd, text, strlen(text)) < 0) {
		kk_fail_errno(err, KK_E_IO, "write %s", path);
		unlink(path);
		return kk_failed(err);
	}
	last_write(dir, ip);
	return 1;
}

/* Round robin: an address that was just given back rests as long as possible. */
static int lease_choose(const char *dir, const struct net_space *space, const char *owner,
	uint32_t *ret_address, struct kk_err *err)
{
	/* .1 is the bridge, the last one the broadcast address. */
	uint32_t first = space->subnet.address + 2;
	uint32_t n = (~0u >> space->subnet.bits) - 2, last = last_read(dir);

	last = last >= first && last < first + n ? last - first + 1 : 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t address = first + (last + i) % n;
		int r = lease_try(dir, address, owner, err);

		if (r > 0)
			*ret_address = address;
		if (r != 0)
			return r;
	}
	return 0;
}

/* A lease that was given back and is there again after a power cut: its cell is gone. */
static int lease_reclaim(const char *dir, const char *ip, const char *owner, void *arg,
	struct kk_err *err)
{
	kk_auto_free char *copy = kk_xstrdup(owner), *path = kk_xprintf("%s/%s", dir, ip);
	const struct net_space *space = arg;
	struct net_cell_key key = {.realm = space->realm};
	char *rest = copy;

	key.space = strsep(&rest, "_");
	key.stack = strsep(&rest, "_");
	key.cell = strsep(&rest, "_");
	if (!kk_str_equal(rest, "root") || strcmp(key.space, space->name) != 0 ||
		net_cell_is_known(&key))
		return 0;
	kk_info("taking address %s back from cell '%s', which is gone", ip, key.cell);
	if (unlink(path) < 0 && errno != ENOENT)
		return kk_fail_errno(err, KK_E_IO, "remove %s", path);
	return 0;
}

int net_lease_take(const struct net_space *space, const char *owner, uint32_t wanted,
	uint32_t *ret_address, struct kk_err *err)
{
	kk_auto_free char *dir = net_lease_dir(space);
	kk_auto_fd int lock = -1;
	uint32_t first = space->subnet.address + 2, n = (~0u >> space->subnet.bits) - 2;
	int r;

	if (dir_lock(dir, &lock, err) < 0)
		return kk_failed(err);
	r = net_lease_find(space, owner, ret_address, err);
	if (r == 0 && wanted >= first && wanted < first + n) {
		*ret_address = wanted;
		r = lease_try(dir, wanted, owner, err);
	}
	if (r == 0)
		r = lease_choose(dir, space, owner, ret_address, err);
	if (r == 0) {
		r = leases_each(space, lease_reclaim, (void *)space, err);
		if (r == 0)
			r = lease_choose(dir, space, owner, ret_address, err);
	}
	if (r != 0)
		return r < 0 ? r : 0;
	return kk_fail(err, KK_E_SUBNET_EXHAUSTED, "all %u addresses of network '%s' are taken", n,
		space->network);
}

static int lease_collect(const char *dir, const char *ip, const char *owner, void *arg,
	struct kk_err *err)
{
	(void)dir;
	(void)ip;
	(void)err;
	kk_strs_add(arg, owner);
	return 0;
}

int net_lease_owners(const struct net_space *space, struct kk_strs *ret_owners, struct kk_err *err)
{
	return leases_each(space, lease_collect, ret_owners, err);
}

int net_lease_drop(const struct net_space *space, const char *owner, struct kk_err *err)
{
	kk_auto_free char *dir = net_lease_dir(space);
	kk_auto_fd int lock = -1;
	uint32_t address;
	int r;

	if (access(dir, F_OK) < 0)
		return errno == ENOENT ? 0 : kk_fail_errno(err, KK_E_IO, "open %s", dir);
	if (dir_lock(dir, &lock, err) < 0)
		return kk_failed(err);
	while ((r = net_lease_find(space, owner, &address, err)) == 1) {
		char ip[NET_IP_MAX];
		kk_auto_free char *path = NULL;

		net_ip_format(address, ip, sizeof ip);
		path = kk_xprintf("%s/%s", dir, ip);
		if (unlink(path) < 0)
			return kk_fail_errno(err, KK_E_IO, "remove %s", path);
	}
	return r;
}

static int lease_remove(const char *dir, const char *ip, const char *owner, void *arg,
	struct kk_err *err)
{
	kk_auto_free char *path = kk_xprintf("%s/%s", dir, ip);

	(void)owner;
	(void)arg;
	if (unlink(path) < 0 && errno != ENOENT)
		return kk_fail_errno(err, KK_E_IO, "remove %s", path);
	return 0;
}

/* Does somebody still have an address in this directory? */
static bool is_in_use(const char *path)
{
	const struct dirent *entry;
	kk_auto_dir dir = opendir(path);
	struct in_addr in;

	while (dir && (entry = readdir(dir))) {
		if (inet_pton(AF_INET, entry->d_name, &in) == 1)
			return true;
	}
	return false;
}

int net_lease_remove_all(const struct net_space *space, struct kk_err *err)
{
	kk_auto_free char *dir = net_lease_dir(space);

	if (leases_each(space, lease_remove, NULL, err) < 0)
		return kk_failed(err);
	return is_in_use(dir) ? 0 : kk_tree_remove(dir, err);
}
