/* workers/network/file.c */
#include "net.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <kukeon/buf.h>
#include <kukeon/fd.h>
#include <kukeon/host.h>
#include <kukeon/mem.h>

enum { MAKE_TRIES = 3 };

char *net_files_space_dir(const char *realm, const char *space)
{
	return kk_xprintf("%s/cells/%s/%s", net_instance.runtime_dir, realm, space);
}

char *net_files_dir(const struct net_cell_key *key)
{
	kk_auto_free char *space = net_files_space_dir(key->realm, key->space);

	return kk_xprintf("%s/%s/%s", space, key->stack, key->cell);
}

/* The directory of a realm goes with its last space, maybe just now. What is above is for others as well. */
static int dir_make(const char *path, struct kk_err *err)
{
	struct kk_err cause = {0};
	int r = kk_dir_make(net_instance.runtime_dir, 0755, err);

	if (r < 0)
		return r;
	r = KK_E_IO;
	for (int i = 0; i < MAKE_TRIES && r < 0; i++) {
		kk_err_clear(&cause);
		r = kk_dir_make(path, 0750, &cause);
	}
	if (r < 0)
		*err = cause;
	return r;
}

int net_files_space_make(const struct net_space *space, struct kk_err *err)
{
	kk_auto_free char *dir = net_files_space_dir(space->realm, space->name);

	return dir_make(dir, err);
}

/* Loopback resolvers of the host can't be reached from a cell. */
static bool has_reachable_server(const char *text)
{
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, "nameserver", 10) == 0 && !strstr(line, "127.") &&
			!strstr(line, "::1"))
			return true;
	}
	return false;
}

static int resolv_write(const char *dir, struct kk_err *err)
{
	static const char *const sources[] = {
		"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"};
	kk_auto_free char *path = kk_xprintf("%s/etc-resolv.conf", dir);
	kk_auto_buf text = {.max = 65536};

	for (size_t i = 0; i < KK_COUNT(sources); i++) {
		struct kk_err cause = {0};

		kk_buf_clear(&text);
		if (kk_host_file_read(sources[i], &text, &cause) == 0 && text.data &&
			has_reachable_server((char *)text.data))
			break;
		/* A host without one is no error, a cell without that of its host is. */
		if (cause.code == KK_E_IO && cause.sys_errno != ENOENT) {
			*err = cause;
			return kk_wrap(err, "copy the name servers of the host");
		}
	}
	return kk_file_write(path, text.data ? (char *)text.data : "", text.len, 0644, err);
}

int net_files_write(const struct net_cell_key *key, const char *hostname, struct kk_err *err)
{
	kk_auto_free char *dir = net_files_dir(key), *path = kk_xprintf("%s/etc-hostname", dir);
	kk_auto_buf text = {0};

	if (dir_make(dir, err) < 0)
		return kk_failed(err);
	kk_buf_printf(&text, "%s\n", hostname);
	if (kk_file_write(path, text.data, text.len, 0644, err) < 0)
		return kk_failed(err);
	return resolv_write(dir, err);
}

/* A neighbour may write its hosts file once more just now. */
int net_files_remove(const struct net_cell_key *key, struct kk_err *err)
{
	kk_auto_free char *dir = net_files_dir(key);
	struct kk_err ignored = {0};

	return kk_tree_remove(dir, &ignored) == 0 ? 0 : kk_tree_remove(dir, err);
}

/* What its cells and guests have left, which is nothing where all went well. */
void net_files_space_remove(const struct net_space *space)
{
	kk_auto_free char *dir = net_files_space_dir(space->realm, space->name);
	kk_auto_free char *realm =
		kk_xprintf("%s/cells/%s", net_instance.runtime_dir, space->realm);
	kk_auto_dir stacks = opendir(dir);
	const struct dirent *stack;

	while (stacks && (stack = readdir(stacks))) {
		kk_auto_free char *path = kk_xprintf("%s/%s", dir, stack->d_name);

		if (stack->d_type == DT_DIR)
			rmdir(path);
		else
			unlink(path);
	}
	rmdir(dir);
	rmdir(realm);
}
