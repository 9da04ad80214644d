/* workers/network/ipam.c - the directory of CNI's host-local: a file per address, its owner inside. */
#include "net.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <arpa/inet.h>

#include <kukeon/buf.h>
#include <kukeon/fd.h>
#include <kukeon/mem.h>

#define LEASE_ROOT "/var/lib/cni/networks"
#define LEASE_LAST "last_reserved_ip.0"

static char *dir_of(const struct net_space *space)
{
	return kk_xprintf(LEASE_ROOT "/%s", space->network);
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

static bool lease_is_of(const char *dir, const char *ip, const char *owner)
{
	kk_auto_free char *path = kk_xprintf("%s/%s", dir, ip);
	kk_auto_buf text = {.max = 4096};
	size_t len = strlen(owner);

	if (kk_file_read(path, &text, NULL) < 0 || text.len < len)
		return false;
	return memcmp(text.data, owner, len) == 0 &&
		(text.len == len || text.data[len] == '\r' || text.data[len] == '\n');
}

int net_lease_find(const struct net_space *space, const char *owner, uint32_t *ret_address)
{
	kk_auto_free char *dir = dir_of(space);
	const struct dirent *entry;
	DIR *handle = opendir(dir);
	int found = 0;

	while (handle && !found && (entry = readdir(handle))) {
		struct in_addr in;

		if (inet_pton(AF_INET, entry->d_name, &in) == 1 &&
			lease_is_of(dir, entry->d_name, owner)) {
			*ret_address = ntohl(in.s_addr);
			found = 1;
		}
	}
	if (handle)
		closedir(handle);
	return found;
}

static uint32_t last_read(const char *dir)
{
	kk_auto_free char *path = kk_xprintf("%s/" LEASE_LAST, dir);
	kk_auto_buf text = {.max = 4096};
	struct in_addr in;

	if (kk_file_read(path, &text, NULL) < 0 || inet_pton(AF_INET, (char *)text.data, &in) != 1)
		return 0;
	return ntohl(in.s_addr);
}

/* Whoever makes a lease holds the lock until its owner is in it: an empty one is of someone who died
 * between the two, or lost power. */
static bool lease_is_empty(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_size == 0;
}

/* Create the lease file; 1 when it is ours now, 0 when someone has the address. */
static int lease_try(const char *dir, uint32_t address, const char *owner, struct kk_err *err)
{
	char ip[NET_IP_MAX];
	kk_auto_free char *path = NULL, *text = kk_xprintf("%s\r\neth0", owner);
	kk_auto_fd int fd = -1;

	net_ip_format(address, ip, sizeof ip);
	path = kk_xprintf("%s/%s", dir, ip);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 && errno == EEXIST && lease_is_empty(path))
		fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == EEXIST ? 0 : kk_fail_errno(err, KK_E_IO, "create %s", path);
	if (kk_fd_write_all(fd, text, strlen(text)) < 0) {
		kk_fail_errno(err, KK_E_IO, "write %s", path);
		unlink(path);
		return kk_failed(err);
	}
	kk_str_set(&path, NULL);
	path = kk_xprintf("%s/" LEASE_LAST, dir);
	return kk_file_write(path, ip, strlen(ip), 0644, err) < 0 ? err->code : 1;
}

int net_lease_take(const struct net_space *space, const char *owner, uint32_t wanted,
	uint32_t *ret_address, struct kk_err *err)
{
	kk_auto_free char *dir = dir_of(space);
	kk_auto_fd int lock = -1;
	/* .1 is the bridge, the last one the broadcast address. */
	uint32_t first = space->subnet.address + 2;
	uint32_t n = (~0u >> space->subnet.bits) - 2, last;

	if (dir_lock(dir, &lock, err) < 0)
		return kk_failed(err);
	if (net_lease_find(space, owner, ret_address))
		return 0;
	if (wanted >= first && wanted < first + n) {
		int r = lease_try(dir, wanted, owner, err);

		*ret_address = wanted;
		if (r != 0)
			return r < 0 ? r : 0;
	}
	/* Round robin: an address that was just given back rests as long as possible. */
	last = last_read(dir);
	last = last >= first && last < first + n ? last - first + 1 : 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t address = first + (last + i) % n;
		int r = lease_try(dir, address, owner, err);

		if (r < 0)
			return r;
		if (r > 0) {
			*ret_address = address;
			return 0;
		}
	}
	return kk_fail(err, KK_E_SUBNET_EXHAUSTED, "all %u addresses of network '%s' are taken", n,
		space->network);
}

int net_lease_drop(const struct net_space *space, const char *owner, struct kk_err *err)
{
	kk_auto_free char *dir = dir_of(space), *path = NULL;
	kk_auto_fd int lock = -1;
	char ip[NET_IP_MAX];
	uint32_t address;

	if (access(dir, F_OK) < 0)
		return 0;
	if (dir_lock(dir, &lock, err) < 0)
		return kk_failed(err);
	while (net_lease_find(space, owner, &address)) {
		net_ip_format(address, ip, sizeof ip);
		free(path);
		path = kk_xprintf("%s/%s", dir, ip);
		if (unlink(path) < 0)
			return kk_fail_errno(err, KK_E_IO, "remove %s", path);
	}
	return 0;
}

int net_lease_remove_all(const struct net_space *space, struct kk_err *err)
{
	kk_auto_free char *dir = dir_of(space);

	return kk_tree_remove(dir, err);
}
