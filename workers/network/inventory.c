/* workers/network/inventory.c - what of ours is there that nobody owns any more. */
#include "net.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <kukeon/fd.h>
#include <kukeon/mem.h>

enum { PIN_AGE_S = 60 }; /* a younger one may be of a cell that is just being made */

/* The owner is in the alias: "kukeon:<instance>:<path>[@<space joined>]". */
static void links_list(const struct net_links *links, const struct kk_strs *owners,
	struct kk_map *ret_things)
{
	kk_auto_free char *mark = kk_xprintf("kukeon:%s:", net_instance.id);

	for (size_t i = 0; i < links->n; i++) {
		const struct net_link *link = &links->items[i];
		kk_auto_free char *owner = NULL, *thing = NULL;

		if (!kk_str_starts(link->alias, mark))
			continue;
		owner = kk_xstrdup(link->alias + strlen(mark));
		owner[strcspn(owner, "@")] = '\0';
		thing = kk_xprintf("link %s", link->name);
		if (!kk_strs_has(owners, owner))
			kk_map_set(ret_things, thing, owner);
	}
}

/* "<space>_<stack>_<cell>_root" of a cell of this space. False: it is something else. */
static bool owner_path(const struct net_space *space, const char *owner, char **ret_path)
{
	kk_auto_free char *text = kk_xstrdup(owner);
	char *rest = text;
	const char *name = kk_str(strsep(&rest, "_")), *stack = kk_str(strsep(&rest, "_"));
	const char *cell = kk_str(strsep(&rest, "_"));

	if (!kk_str_equal(rest, "root") || !*stack || !*cell)
		return false;
	*ret_path = kk_xprintf("%s/%s/%s/%s", space->realm, name, stack, cell);
	return true;
}

static int leases_list(const char *path, const struct kk_strs *cells, struct kk_map *ret_things,
	struct kk_err *err)
{
	kk_auto(net_space_release) struct net_space space = {0};
	kk_auto(kk_strs_release) struct kk_strs owners = {0};
	int r = net_space_at(path, &space, err);

	if (r == 1)
		r = net_lease_owners(&space, &owners, err);
	for (size_t i = 0; i < owners.n && r == 0; i++) {
		kk_auto_free char *owner = NULL, *thing = NULL;

		if (!owner_path(&space, owners.items[i], &owner) || kk_strs_has(cells, owner))
			continue;
		thing = kk_xprintf("lease of %s in network %s", owners.items[i], space.network);
		kk_map_set(ret_things, thing, owner);
	}
	return r < 0 ? r : 0;
}

static bool is_old(const char *dir, const char *name)
{
	kk_auto_free char *path = kk_xprintf("%s/%s", dir, name);
	struct stat st;

	return stat(path, &st) == 0 && time(NULL) - st.st_ctime > PIN_AGE_S;
}

/* The name of a pin is made of its owner, and does not tell it. */
static void pins_list(const struct kk_strs *cells, struct kk_map *ret_things)
{
	kk_auto_free char *dir = kk_xprintf("%s/netns", net_instance.runtime_dir);
	kk_auto(kk_strs_release) struct kk_strs known = {0};
	const struct dirent *entry;
	kk_auto_dir handle = opendir(dir);

	for (size_t i = 0; i < cells->n; i++)
		kk_strs_take(&known, net_cell_pin(cells->items[i]));
	while (handle && kk_dir_next(handle, &entry) == 1) {
		kk_auto_free char *thing = kk_xprintf("namespaces %s", entry->d_name);

		if (entry->d_name[0] == 'k' && !strchr(entry->d_name, '.') &&
			!kk_strs_has(&known, entry->d_name) && is_old(dir, entry->d_name))
			kk_map_set(ret_things, thing, "");
	}
}

int net_inventory(const struct kk_strs *spaces, const struct kk_strs *cells,
	struct kk_map *ret_things, struct kk_err *err)
{
	kk_auto(net_socket_closep) struct nl_sock *socket = NULL;
	kk_auto(net_links_release) struct net_links links = {0};
	kk_auto(kk_strs_release) struct kk_strs owners = {0};
	int r;

	if (net_socket_open(&socket, err) < 0 || net_links_read(socket, &links, err) < 0)
		return kk_failed(err);
	for (size_t i = 0; i < spaces->n; i++)
		kk_strs_add(&owners, spaces->items[i]);
	for (size_t i = 0; i < cells->n; i++)
		kk_strs_add(&owners, cells->items[i]);
	links_list(&links, &owners, ret_things);
	for (size_t i = 0; i < spaces->n; i++) {
		r = leases_list(spaces->items[i], cells, ret_things, err);
		if (r < 0)
			return r;
	}
	pins_list(cells, ret_things);
	return 0;
}

int net_pin_drop(const char *name, struct kk_err *err)
{
	kk_auto_free char *dir = kk_xprintf("%s/netns", net_instance.runtime_dir);
	struct net_ns_paths paths = {0};
	bool was_present;
	int r = 0;

	if (name[0] != 'k' || strpbrk(name, "/."))
		return kk_fail(err, KK_E_INVALID, "\"%s\" is no name of namespaces", name);
	net_ns_paths_make(name, &paths);
	if (is_old(dir, name))
		r = net_ns_remove(&paths, &was_present, err);
	net_ns_paths_release(&paths);
	return r;
}
