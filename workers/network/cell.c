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
	char *path;  /* realm/space/stack/cell */
	char *owner; /* of the lease: the id that the reference release uses */
};

static void names_release(struct names *names)
{
	net_ns_paths_release(&names->ns);
	free(names->path);
	free(names->owner);
}

char *net_cell_pin(const char *path)
{
	kk_auto_free char *unique = kk_xprintf("%s:%s", net_instance.id, path);

	return kk_xprintf("k%016llx", (unsigned long long)net_hash64(unique));
}

static void names_make(const struct net_cell_key *key, struct names *ret_names)
{
	char *path = kk_xprintf("%s/%s/%s/%s", key->realm, key->space, key->stack, key->cell);
	kk_auto_free char *ns_name = net_cell_pin(path);

	net_ns_paths_make(ns_name, &ret_names->ns);
	ret_names->path = path;
	ret_names->owner = kk_xprintf("%s_%s_%s_root", key->space, key->stack, key->cell);
}

/* @joined: the space of a further network, realm/space; NULL: that of the cell itself. */
static void nic_name(struct net_nic *nic, const struct names *names, const char *joined, size_t nth)
{
	kk_auto_free char *unique = kk_xprintf("%s:%s%s%s", net_instance.id, names->path,
		joined ? "@" : "", kk_str(joined));

	snprintf(nic->veth, sizeof nic->veth, "kv%011llx",
		(unsigned long long)(net_hash64(unique) & 0xfffffffffffULL));
	snprintf(nic->alias, sizeof nic->alias, "kukeon:%.240s", unique);
	snprintf(nic->ifname, sizeof nic->ifname, "eth%zu", nth);
	nic->is_first = !joined;
}

void net_cell_release(struct net_cell *cell)
{
	free(cell->netns_path);
	free(cell->utsns_path);
	free(cell->ipcns_path);
	free(cell->files_dir);
	*cell = (struct net_cell){0};
}

static void cell_fill(const struct net_cell_key *key, const struct names *names,
	const struct net_space *space, uint32_t address, struct net_cell *cell)
{
	net_ip_format(address, cell->ip, sizeof cell->ip);
	net_ip_format(space->subnet.address + 1, cell->gateway, sizeof cell->gateway);
	memcpy(cell->bridge, space->bridge, sizeof cell->bridge);
	cell->netns_path = kk_xstrdup(names->ns.net);
	if (net_ns_is_shared(&names->ns)) {
		cell->utsns_path = kk_xstrdup(names->ns.uts);
		cell->ipcns_path = kk_xstrdup(names->ns.ipc);
	}
	cell->files_dir = net_files_dir(key);
}

/* A cell on the host's network has its files, and no namespace of its own. */
static int host_ensure(const struct net_cell_key *key, struct net_cell *ret_cell,
	struct kk_err *err)
{
	const struct kk_connection nothing = {0};
	char hostname[256] = "";

	gethostname(hostname, sizeof hostname - 1);
	if (net_files_write(key, hostname, err) < 0 || net_hosts_write(key, &nothing, err) < 0)
		return kk_failed(err);
	*ret_cell = (struct net_cell){.files_dir = net_files_dir(key)};
	return 0;
}

/* --- further networks --- */

/* The path of a space as @key's cell calls it. */
static char *joined_path(const struct net_cell_key *key, const char *name)
{
	return strchr(name, '/') ? kk_xstrdup(name) : kk_xprintf("%s/%s", key->realm, name);
}

static int extra_remove(const struct names *names, const char *path, struct kk_err *err)
{
	kk_auto(net_nic_release) struct net_nic nic = {0};
	int r = net_space_at(path, &nic.space, err);

	if (r <= 0)
		return r;
	nic_name(&nic, names, path, 0);
	if (net_nic_remove(&nic, names->owner, err) < 0 ||
		net_guest_remove(&nic.space, nic.veth, err) < 0)
		return kk_failed(err);
	net_hosts_refresh(&nic.space);
	return 0;
}

/* What its neighbours there are told, and where it is from. */
static int guest_write(const struct net_cell_key *key, const struct net_nic *nic,
	const struct kk_connection *record, const char *ip, struct kk_err *err)
{
	struct kk_connection guest = {.ip = (char *)ip, .names = record->names};
	kk_auto_free char *home = kk_xprintf("%s/%s", key->realm, key->space);
	struct kk_connection_extra from = {.space = home};

	guest.extras.items = &from;
	guest.extras.n = 1;
	guest.extras.is_set = true;
	return net_guest_write(&nic->space, nic->veth, &guest, err);
}

static int extra_ensure(const struct net_cell_key *key, const struct names *names, const char *path,
	struct kk_connection *record, struct kk_err *err)
{
	kk_auto(net_nic_release) struct net_nic nic = {0};
	struct kk_connection_extra *extra;
	char ip[NET_IP_MAX];
	int r = net_space_at(path, &nic.space, err);

	if (r < 0)
		return r;
	if (r == 0)
		return kk_fail(err, KK_E_NETWORK_NOT_FOUND,
			"network not found: there is no space '%s' to join", path);
	nic_name(&nic, names, path, record->extras.n + 1);
	if (net_nic_ensure(&nic, names->owner, names->ns.net, false, err) < 0)
		return kk_wrap(err, "join the network of space '%s'", path);
	net_ip_format(nic.address, ip, sizeof ip);
	extra = kk_list_add(KK_LIST(&record->extras), kk_schema_of_connection_extra());
	extra->space = kk_xstrdup(path);
	extra->ip = kk_xstrdup(ip);
	if (guest_write(key, &nic, record, ip, err) < 0)
		return kk_failed(err);
	net_hosts_refresh(&nic.space);
	return 0;
}

static bool has_extra(const struct kk_connection *record, const char *path)
{
	for (size_t i = 0; i < record->extras.n; i++) {
		if (kk_str_equal(record->extras.items[i].space, path))
			return true;
	}
	return false;
}

static int extras_ensure(const struct net_cell_key *key, const struct names *names,
	const struct net_wish *wish, const struct kk_connection *former,
	struct kk_connection *record, struct kk_err *err)
{
	int r = 0;

	for (size_t i = 0; i < wish->networks->n && r == 0; i++) {
		kk_auto_free char *path = joined_path(key, wish->networks->items[i]);
		kk_auto_free char *own = kk_xprintf("%s/%s", key->realm, key->space);

		if (strcmp(path, own) != 0 && !has_extra(record, path))
			r = extra_ensure(key, names, path, record, err);
	}
	for (size_t i = 0; i < former->extras.n && r == 0; i++) {
		if (!has_extra(record, former->extras.items[i].space))
			r = extra_remove(names, former->extras.items[i].space, err);
	}
	return r;
}

/* --- all of it --- */

static void record_fill(const struct net_cell_key *key, const struct net_wish *wish, const char *ip,
	struct kk_connection *record)
{
	record->ip = kk_xstrdup(ip);
	record->is_shared = wish->is_shared;
	kk_strs_add(&record->names, key->cell);
	for (size_t i = 0; i < wish->aliases->n; i++) {
		if (!kk_strs_has(&record->names, wish->aliases->items[i]))
			kk_strs_add(&record->names, wish->aliases->items[i]);
	}
	for (size_t i = 0; i < wish->ports->n; i++)
		kk_strs_add(&record->ports, wish->ports->items[i]);
}

/* Left by a former space of this name, which had another subnet. */
static bool is_foreign(const struct net_space *space, const char *netns_path)
{
	const struct net_cidr inside = {.address = net_nic_address(netns_path, "eth0"), .bits = 32};

	return inside.address && !net_cidr_overlaps(&space->subnet, &inside);
}

/* Everything behind the first link: ports, further networks, files, and the record of it all. */
static int rest_ensure(const struct net_cell_key *key, const struct names *names,
	const struct net_wish *wish, const struct net_nic *nic, bool is_new, struct kk_err *err)
{
	kk_auto(kk_connection_release) struct kk_connection record = {0}, former = {0};
	bool has_former = net_record_read(key, &former);
	/* Without a record, who died amid this may have left some. Most cells never have any. */
	bool may_have_ports = wish->ports->n || former.ports.n || (!has_former && !is_new);
	char ip[NET_IP_MAX];

	net_ip_format(nic->address, ip, sizeof ip);
	record_fill(key, wish, ip, &record);
	if (net_files_write(key, key->cell, err) < 0 ||
		(may_have_ports &&
			net_port_ensure(nic->space.bridge, nic->veth, ip, wish->ports, err) < 0) ||
		extras_ensure(key, names, wish, &former, &record, err) < 0 ||
		net_record_write(key, &record, err) < 0 || net_hosts_write(key, &record, err) < 0)
		return kk_failed(err);
	net_hosts_refresh(&nic->space);
	return 0;
}

/* Whatever says that it is this cell's, by whichever name. */
static int links_sweep(const struct names *names, struct kk_err *err)
{
	kk_auto(net_socket_closep) struct nl_sock *socket = NULL;
	kk_auto(net_links_release) struct net_links links = {0};
	kk_auto_free char *alias = kk_xprintf("kukeon:%s:%s", net_instance.id, names->path);
	size_t len = strlen(alias);

	if (net_socket_open(&socket, err) < 0 || net_links_read(socket, &links, err) < 0)
		return kk_failed(err);
	for (size_t i = 0; i < links.n; i++) {
		const char *of = links.items[i].alias;

		if (strncmp(of, alias, len) == 0 && (of[len] == '\0' || of[len] == '@') &&
			net_link_remove(socket, links.items[i].name, err) < 0)
			return kk_failed(err);
	}
	return 0;
}

static int rest_remove(const struct net_cell_key *key, const struct names *names,
	const struct net_nic *nic, struct kk_err *err)
{
	kk_auto(kk_connection_release) struct kk_connection record = {0};
	bool has_record = net_record_read(key, &record);

	for (size_t i = 0; i < record.extras.n; i++) {
		if (extra_remove(names, record.extras.items[i].space, err) < 0)
			return kk_failed(err);
	}
	/* Without a record it can't be told whether there are any. */
	if ((!has_record || record.ports.n) && net_port_drop(nic->veth, err) < 0)
		return kk_failed(err);
	if (!has_record && links_sweep(names, err) < 0)
		return kk_failed(err);
	return net_files_remove(key, err);
}

int net_cell_ensure(const struct net_cell_key *key, const struct net_wish *wish,
	struct net_cell *ret_cell, struct kk_err *err)
{
	kk_auto(net_nic_release) struct net_nic nic = {0};
	kk_auto(names_release) struct names names = {0};
	struct net_cell cell = {0};
	struct kk_err ignored = {0};
	bool ignored_bool, had_ns;

	names_make(key, &names);
	if (wish->is_host)
		return host_ensure(key, ret_cell, err);
	nic_name(&nic, &names, NULL, 0);
	if (net_space_ensure(key->realm, key->space, NULL, &nic.space, &ignored_bool, err) < 0)
		return kk_failed(err);
	had_ns = net_ns_exists(&names.ns);
	if (had_ns && is_foreign(&nic.space, names.ns.net)) {
		kk_warning("the namespace of cell '%s' is of another network, made anew",
			key->cell);
		if (net_ns_remove(&names.ns, &ignored_bool, err) < 0 ||
			net_lease_drop(&nic.space, names.owner, err) < 0)
			return kk_wrap(err, "connect cell '%s'", key->cell);
		had_ns = false;
	}
	if ((!had_ns || wish->is_shared != net_ns_is_shared(&names.ns)) &&
		net_ns_ensure(&names.ns, key->cell, wish->is_shared, err) < 0)
		goto undo_ns;
	if (kk_fault(KK_FAULT_network_namespaces_pinned, err) < 0)
		goto undo_ns;
	if (net_nic_ensure(&nic, names.owner, names.ns.net, !had_ns, err) < 0 ||
		rest_ensure(key, &names, wish, &nic, !had_ns, err) < 0)
		goto undo_lease;
	cell_fill(key, &names, &nic.space, nic.address, &cell);
	cell.is_created = !had_ns;
	*ret_cell = cell;
	return 0;
undo_lease:
	if (!had_ns) {
		(void)rest_remove(key, &names, &nic, &ignored);
		kk_err_clear(&ignored);
		net_lease_drop(&nic.space, names.owner, &ignored);
	}
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
		cell_fill(key, &names, &space, address, ret_cell);
	return r < 0 ? r : 0;
}

static bool extras_are_whole(const struct names *names, const struct kk_connection *record,
	const struct net_view *view)
{
	for (size_t i = 0; i < record->extras.n; i++) {
		kk_auto(net_nic_release) struct net_nic nic = {0};
		struct kk_err ignored = {0};
		const char *path = record->extras.items[i].space;

		/* Without its space there is nothing to be on. */
		if (net_space_at(path, &nic.space, &ignored) != 1)
			continue;
		nic_name(&nic, names, path, 0);
		if (!net_nic_is_whole(&nic, view))
			return false;
	}
	return true;
}

const char *net_cell_fault(const struct net_cell_key *key, const struct net_space *space,
	const struct net_view *view)
{
	kk_auto(names_release) struct names names = {0};
	kk_auto(kk_connection_release) struct kk_connection record = {0};
	struct net_nic nic = {.space = *space};
	bool has_record;

	names_make(key, &names);
	nic_name(&nic, &names, NULL, 0);
	has_record = net_record_read(key, &record);
	if (!net_ns_exists(&names.ns) || (record.is_shared && !net_ns_is_shared(&names.ns)))
		return "its namespaces";
	if (!net_nic_is_whole(&nic, view))
		return "its link";
	if (!kk_strs_has(&view->owners, names.owner))
		return "the lease of its address";
	if (!has_record)
		return "the record of its network";
	if (!net_port_are_whole(nic.veth, kk_str(record.ip), &record.ports, view->rules.own))
		return "its published ports";
	return extras_are_whole(&names, &record, view) ? NULL : "its link to a further network";
}

bool net_cell_is_known(const struct net_cell_key *key)
{
	kk_auto(names_release) struct names names = {0};
	kk_auto_free char *document = NULL;

	names_make(key, &names);
	document = kk_xprintf("%s/data/%s/metadata.json", net_instance.run_path, names.path);
	return net_ns_exists(&names.ns) || access(document, F_OK) == 0 || errno != ENOENT;
}

int net_cell_remove(const struct net_cell_key *key, bool *ret_was_present, struct kk_err *err)
{
	kk_auto(net_nic_release) struct net_nic nic = {0};
	kk_auto(names_release) struct names names = {0};
	int r = net_space_load(key->realm, key->space, &nic.space, err);

	if (r < 0)
		return r;
	names_make(key, &names);
	nic_name(&nic, &names, NULL, 0);
	if (rest_remove(key, &names, &nic, err) < 0)
		return kk_failed(err);
	/* The namespace takes its link with it, in the kernel's own time: deleting the link by hand
	 * would wait 30 ms for the same. */
	if (net_ns_remove(&names.ns, ret_was_present, err) < 0 ||
		kk_fault(KK_FAULT_network_namespaces_gone, err) < 0 ||
		net_lease_drop(&nic.space, names.owner, err) < 0)
		return kk_failed(err);
	if (r == 1)
		net_hosts_refresh(&nic.space);
	return 0;
}
