/* workers/network/cell.c */
#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kukeon/fault.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>

/* The names that a cell's objects have in the kernel and on disk. */
struct names {
	struct net_ns_paths ns;
	char veth[NET_NAME_MAX];
	char alias[NET_ALIAS_MAX];
	char *owner; /* of the lease: the id that the reference release uses */
	char *files_dir;
};

static void names_release(struct names *names)
{
	net_ns_paths_release(&names->ns);
	free(names->owner);
	free(names->files_dir);
}

static void names_make(const struct net_cell_key *key, struct names *ret_names)
{
	kk_auto_free char *path =
		kk_xprintf("%s/%s/%s/%s", key->realm, key->space, key->stack, key->cell);
	kk_auto_free char *unique = kk_xprintf("%s:%s", net_instance.id, path);
	char ns_name[32];
	uint64_t hash = net_hash64(unique);

	snprintf(ns_name, sizeof ns_name, "k%016llx", (unsigned long long)hash);
	snprintf(ret_names->veth, sizeof ret_names->veth, "kv%011llx",
		(unsigned long long)(hash & 0xfffffffffffULL));
	snprintf(ret_names->alias, sizeof ret_names->alias, "kukeon:%.240s", unique);
	net_ns_paths_make(ns_name, &ret_names->ns);
	ret_names->owner = kk_xprintf("%s_%s_%s_root", key->space, key->stack, key->cell);
	ret_names->files_dir = kk_xprintf("%s/data/%s", net_instance.run_path, path);
}

void net_cell_release(struct net_cell *cell)
{
	free(cell->netns_path);
	free(cell->utsns_path);
	free(cell->ipcns_path);
	free(cell->files_dir);
	*cell = (struct net_cell){0};
}

/* What is inside the namespace: loopback, address, route. */
static int inside_ensure(const struct net_space *space, const char *netns_path, uint32_t address,
	struct kk_err *err)
{
	kk_auto(net_socket_closep) struct nl_sock *socket = NULL;
	struct net_link eth0;
	int r;

	if (net_ns_socket(netns_path, &socket, err) < 0 || net_link_up(socket, 1, err) < 0)
		return kk_failed(err);
	r = net_link_get(socket, "eth0", &eth0, err);
	if (r < 0)
		return r;
	if (r == 0)
		return kk_fail(err, KK_E_NETWORK, "the namespace has no eth0");
	if (net_link_up(socket, eth0.index, err) < 0 ||
		net_address_add(socket, eth0.index, address, space->subnet.bits, err) < 0)
		return kk_failed(err);
	return net_default_route_add(socket, eth0.index, space->subnet.address + 1, err);
}

static bool eth0_find(const char *netns_path, struct nl_sock **ret_socket,
	struct net_link *ret_eth0)
{
	struct kk_err err = {0};

	return net_ns_socket(netns_path, ret_socket, &err) == 0 &&
		net_link_get(*ret_socket, "eth0", ret_eth0, &err) == 1;
}

/* The address that the cell has, whatever became of its lease; 0: none. */
static uint32_t inside_address(const char *netns_path)
{
	kk_auto(net_socket_closep) struct nl_sock *socket = NULL;
	struct net_link eth0;

	return eth0_find(netns_path, &socket, &eth0) ? net_address_get(socket, eth0.index) : 0;
}

/* Left by a former space of this name, which had another subnet. */
static bool is_foreign(const struct net_space *space, const char *netns_path)
{
	const struct net_cidr inside = {.address = inside_address(netns_path), .bits = 32};

	return inside.address && !net_cidr_overlaps(&space->subnet, &inside);
}

static bool has_eth0(const char *netns_path)
{
	kk_auto(net_socket_closep) struct nl_sock *socket = NULL;
	struct net_link eth0;

	return eth0_find(netns_path, &socket, &eth0);
}

static int veth_ensure(const struct net_space *space, const struct names *names, uint32_t address,
	struct kk_err *err)
{
	kk_auto(net_socket_closep) struct nl_sock *socket = NULL;
	kk_auto_fd int netns_fd = -1;
	struct net_link bridge, veth;
	int r;

	if (net_socket_open(&socket, err) < 0)
		return kk_failed(err);
	r = net_link_get(socket, space->bridge, &bridge, err);
	if (r <= 0)
		return r < 0 ? r : kk_fail(err, KK_E_NETWORK, "bridge '%s' is gone", space->bridge);
	r = net_link_get(socket, names->veth, &veth, err);
	if (r < 0)
		return r;
	if (r == 1 && has_eth0(names->ns.net)) {
		if ((veth.master != bridge.index || !veth.is_up) &&
			net_link_attach(socket, veth.index, bridge.index, err) < 0)
			return kk_failed(err);
		return strcmp(veth.alias, names->alias) == 0 ?
			0 :
			net_link_own(socket, names->veth, names->alias, err);
	}
	/* Left over from a namespace that is going away. */
	if (r == 1 && net_link_remove(socket, names->veth, err) < 0)
		return kk_failed(err);
	netns_fd = open(names->ns.net, O_RDONLY | O_CLOEXEC);
	if (netns_fd < 0)
		return kk_fail_errno(err, KK_E_NETWORK, "open %s", names->ns.net);
	if (net_veth_create(socket, names->veth, bridge.index, netns_fd, address, err) < 0 ||
		kk_fault(KK_FAULT_network_link_unowned, err) < 0)
		return kk_failed(err);
	return net_link_own(socket, names->veth, names->alias, err);
}

static void cell_fill(const struct names *names, const struct net_space *space, uint32_t address,
	struct net_cell *cell)
{
	net_ip_format(address, cell->ip, sizeof cell->ip);
	net_ip_format(space->subnet.address + 1, cell->gateway, sizeof cell->gateway);
	memcpy(cell->bridge, space->bridge, sizeof cell->bridge);
	cell->netns_path = kk_xstrdup(names->ns.net);
	cell->utsns_path = kk_xstrdup(names->ns.uts);
	cell->ipcns_path = kk_xstrdup(names->ns.ipc);
	cell->files_dir = kk_xstrdup(names->files_dir);
}

/* A cell on the host's network has its files, and no namespace of its own. */
static int host_ensure(const struct names *names, struct net_cell *ret_cell, struct kk_err *err)
{
	char hostname[256] = "";

	gethostname(hostname, sizeof hostname - 1);
	if (net_files_write(names->files_dir, hostname, "", err) < 0)
		return kk_failed(err);
	*ret_cell = (struct net_cell){.files_dir = kk_xstrdup(names->files_dir)};
	return 0;
}

int net_cell_ensure(const struct net_cell_key *key, bool is_host, struct net_cell *ret_cell,
	struct kk_err *err)
{
	kk_auto(net_space_release) struct net_space space = {0};
	kk_auto(names_release) struct names names = {0};
	struct net_cell cell = {0};
	struct kk_err ignored = {0};
	bool ignored_bool, had_ns;
	uint32_t address;

	names_make(key, &names);
	if (is_host)
		return host_ensure(&names, ret_cell, err);
	if (net_space_ensure(key->realm, key->space, NULL, &space, &ignored_bool, err) < 0)
		return kk_failed(err);
	had_ns = net_ns_exists(&names.ns);
	if (had_ns && is_foreign(&space, names.ns.net)) {
		kk_warning("the namespace of cell '%s' is of another network, made anew",
			key->cell);
		if (net_ns_remove(&names.ns, &ignored_bool, err) < 0 ||
			net_lease_drop(&space, names.owner, err) < 0)
			return kk_wrap(err, "connect cell '%s'", key->cell);
		had_ns = false;
	}
	if (!had_ns && net_ns_create(&names.ns, key->cell, err) < 0)
		goto undo_ns;
	if (kk_fault(KK_FAULT_network_namespaces_pinned, err) < 0 ||
		net_lease_take(&space, names.owner, had_ns ? inside_address(names.ns.net) : 0,
			&address, err) < 0)
		goto undo_ns;
	if (kk_fault(KK_FAULT_network_lease_taken, err) < 0 ||
		veth_ensure(&space, &names, address, err) < 0 ||
		kk_fault(KK_FAULT_network_link_made, err) < 0 ||
		inside_ensure(&space, names.ns.net, address, err) < 0 ||
		kk_fault(KK_FAULT_network_address_set, err) < 0)
		goto undo_lease;
	cell_fill(&names, &space, address, &cell);
	cell.is_created = !had_ns;
	if (net_files_write(names.files_dir, key->cell, cell.ip, err) < 0) {
		net_cell_release(&cell);
		goto undo_lease;
	}
	*ret_cell = cell;
	return 0;
undo_lease:
	if (!had_ns)
		net_lease_drop(&space, names.owner, &ignored);
undo_ns:
	if (!had_ns) {
		kk_err_clear(&ignored);
		net_ns_remove(&names.ns, &ignored_bool, &ignored);
	}
	return kk_wrap(err, "connect cell '%s'", key->cell);
}

int net_cell_get(const struct net_cell_key *key, struct net_cell *ret_cell, bool *ret_exists,
	struct kk_err *err)
{
	kk_auto(net_space_release) struct net_space space = {0};
	kk_auto(names_release) struct names names = {0};
	uint32_t address = 0;
	int r = net_space_load(key->realm, key->space, &space, err);

	if (r < 0)
		return r;
	names_make(key, &names);
	if (r == 1)
		r = net_ns_exists(&names.ns) ? net_lease_find(&space, names.owner, &address, err) :
					       0;
	*ret_exists = r == 1;
	if (*ret_exists)
		cell_fill(&names, &space, address, ret_cell);
	return r < 0 ? r : 0;
}

const char *net_cell_fault(const struct net_cell_key *key, const struct net_space *space,
	const struct net_view *view)
{
	kk_auto(names_release) struct names names = {0};
	const struct net_link *bridge = net_links_find(&view->links, space->bridge), *veth;

	names_make(key, &names);
	veth = net_links_find(&view->links, names.veth);
	if (!net_ns_exists(&names.ns))
		return "its namespaces";
	if (!veth || !veth->is_up || !bridge || veth->master != bridge->index)
		return "its link";
	return kk_strs_has(&view->owners, names.owner) ? NULL : "the lease of its address";
}

bool net_cell_is_known(const struct net_cell_key *key)
{
	kk_auto(names_release) struct names names = {0};
	kk_auto_free char *document = NULL;

	names_make(key, &names);
	document = kk_xprintf("%s/metadata.json", names.files_dir);
	return net_ns_exists(&names.ns) || access(document, F_OK) == 0 || errno != ENOENT;
}

int net_cell_remove(const struct net_cell_key *key, bool *ret_was_present, struct kk_err *err)
{
	kk_auto(net_space_release) struct net_space space = {0};
	kk_auto(names_release) struct names names = {0};
	int r = net_space_load(key->realm, key->space, &space, err);

	if (r < 0)
		return r;
	names_make(key, &names);
	/* The namespace takes its link with it, in the kernel's own time: deleting the link by hand
	 * would wait 30 ms for the same. */
	if (net_ns_remove(&names.ns, ret_was_present, err) < 0 ||
		kk_fault(KK_FAULT_network_namespaces_gone, err) < 0)
		return kk_failed(err);
	return net_lease_drop(&space, names.owner, err);
}
