/* workers/network/space.c */
#include "net.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <kukeon/buf.h>
#include <kukeon/fault.h>
#include <kukeon/fd.h>
#include <kukeon/json.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>

enum { NAME_TRIES = 64, RECORD_MAX = 4 * 1024 * 1024 };

void net_space_release(struct net_space *space)
{
	free(space->realm);
	free(space->name);
	free(space->dir);
	free(space->network);
	kk_egress_release(&space->egress);
	kk_map_release(&space->hosts);
	*space = (struct net_space){0};
}

static void space_names(const char *realm, const char *name, struct net_space *space)
{
	space->realm = kk_xstrdup(realm);
	space->name = kk_xstrdup(name);
	space->dir = kk_xprintf("%s/data/%s/%s", net_instance.run_path, realm, name);
	snprintf(space->alias, sizeof space->alias, "kukeon:%s:%s/%s", net_instance.id, realm,
		name);
}

/* It names a directory of CNI's. */
static bool is_name(const char *network)
{
	return *network && *network != '.' && !strchr(network, '/');
}

/* They go into rules as they are. */
static bool hosts_parse(json_t *json, struct kk_map *ret_hosts)
{
	const char *host;
	json_t *value;

	json_object_foreach (json, host, value) {
		const char *addresses = kk_str(json_string_value(value));

		if (!*addresses || addresses[strspn(addresses, "0123456789., ")])
			return false;
		kk_map_set(ret_hosts, host, addresses);
	}
	return true;
}

static int record_parse(const char *path, const struct kk_buf *text, struct net_space *space,
	struct kk_err *err)
{
	kk_auto_json *json = json_loadb((char *)text->data, text->len, 0, NULL);
	const char *subnet = json_string_value(json_object_get(json, "subnetCIDR"));
	const char *network = json_string_value(json_object_get(json, "network"));
	const char *bridge = json_string_value(json_object_get(json, "bridge"));
	const json_t *egress = json_object_get(json, "egress");
	struct kk_err cause = {0};

	/* Guessing would hand one subnet to two spaces. */
	if (!subnet || net_cidr_parse(subnet, &space->subnet) < 0 ||
		(bridge && strlen(bridge) >= NET_NAME_MAX) || (network && !is_name(network)) ||
		(egress &&
			kk_json_decode(kk_schema_of_egress(), egress, &space->egress, &cause) <
				0) ||
		!hosts_parse(json_object_get(json, "hosts"), &space->hosts))
		return kk_fail(err, KK_E_NETWORK,
			"%s is damaged; restore it, or remove it once no "
			"cell of the space runs",
			path);
	if (network)
		kk_str_set(&space->network, network);
	if (bridge)
		snprintf(space->bridge, sizeof space->bridge, "%s", bridge);
	return 0;
}

int net_space_load(const char *realm, const char *name, struct net_space *ret_space,
	struct kk_err *err)
{
	kk_auto_free char *path = NULL;
	kk_auto_buf text = {.max = RECORD_MAX};
	struct net_space space = {0};
	struct kk_err cause = {0};

	space_names(realm, name, &space);
	path = kk_xprintf("%s/network.json", space.dir);
	/* What the record of an older release leaves out derives from the names. */
	space.network = kk_xprintf("%s-%s", realm, name);
	snprintf(space.bridge, sizeof space.bridge, "k-%08x", net_hash32(space.network));
	if (kk_file_read(path, &text, &cause) < 0) {
		int r = cause.sys_errno == ENOENT || cause.sys_errno == ENOTDIR ?
			0 :
			kk_fail(err, KK_E_IO, "read %s: %s", path,
				cause.sys_errno ? kk_errno_text(cause.sys_errno) :
						  cause.frames[0].text);

		if (r == 0)
			*ret_space = space;
		else
			net_space_release(&space);
		return r;
	}
	if (record_parse(path, &text, &space, err) < 0) {
		net_space_release(&space);
		return kk_failed(err);
	}
	*ret_space = space;
	return 1;
}

int net_space_at(const char *path, struct net_space *ret_space, struct kk_err *err)
{
	kk_auto_free char *copy = kk_xstrdup(kk_str(path));
	char *name = copy;
	const char *realm = strsep(&name, "/");

	return net_space_load(realm, kk_str(name), ret_space, err);
}

static int record_write(const struct net_space *space, struct kk_err *err)
{
	kk_auto_free char *path = kk_xprintf("%s/network.json", space->dir);
	kk_auto_json *egress = kk_json_encode(kk_schema_of_egress(), &space->egress, KK_JSON_API);
	kk_auto_json *hosts = json_object();
	kk_auto_free char *egress_text = json_dumps(egress, JSON_COMPACT);
	kk_auto_free char *hosts_text = NULL, *text = NULL;
	char subnet[32];

	for (size_t i = 0; i < space->hosts.n; i++)
		json_object_set_new(hosts, space->hosts.items[i].key,
			json_string(space->hosts.items[i].value));
	hosts_text = json_dumps(hosts, JSON_COMPACT);
	net_cidr_format(&space->subnet, subnet, sizeof subnet);
	text = kk_xprintf("{\"version\":\"v1\",\"subnetCIDR\":\"%s\",\"network\":\"%s\","
			  "\"bridge\":\"%s\",\"egress\":%s,\"hosts\":%s}\n",
		subnet, space->network, space->bridge, egress_text, hosts_text);
	kk_leftovers_remove(path);
	if (kk_dir_make(space->dir, 02750, err) < 0)
		return kk_failed(err);
	return kk_file_replace(path, text, strlen(text), 0600, err);
}

/* Is the subnet, the network name or the bridge in the record of another space of this instance? */
struct claim {
	const struct net_cidr *subnet;
	const char *network;
	bool subnet_taken;
	bool network_taken;
};

static int claim_check(const char *realm, const char *name, void *arg, struct kk_err *err)
{
	kk_auto(net_space_release) struct net_space other = {0};
	struct claim *claim = arg;
	int r = net_space_load(realm, name, &other, err);

	if (r <= 0)
		return r;
	if (claim->subnet && net_cidr_overlaps(claim->subnet, &other.subnet))
		claim->subnet_taken = true;
	if (claim->network && strcmp(claim->network, other.network) == 0)
		claim->network_taken = true;
	return 0;
}

static int spaces_each_below(const char *realm, net_space_f fn, void *arg, struct kk_err *err)
{
	kk_auto_free char *path =
		kk_xprintf("%s/data%s%s", net_instance.run_path, realm ? "/" : "", kk_str(realm));
	const struct dirent *entry;
	kk_auto_dir dir = opendir(path);
	int r = 0, next;

	if (!dir)
		return errno == ENOENT ? 0 : kk_fail_errno(err, KK_E_IO, "open %s", path);
	while (r == 0 && (next = kk_dir_next(dir, &entry)) != 0) {
		if (next < 0)
			return kk_fail_errno(err, KK_E_IO, "read %s", path);
		if (entry->d_name[0] == '.' || entry->d_type == DT_REG)
			continue;
		r = realm ? fn(realm, entry->d_name, arg, err) :
			    spaces_each_below(entry->d_name, fn, arg, err);
	}
	return r;
}

int net_spaces_each(net_space_f fn, void *arg, struct kk_err *err)
{
	return spaces_each_below(NULL, fn, arg, err);
}

/* A directory that can't be read may hold what would be handed out twice. */
static int claims_check(struct claim *claim, struct kk_err *err)
{
	return net_spaces_each(claim_check, claim, err);
}

static int subnet_choose(struct nl_sock *socket, struct net_cidr *ret_subnet, struct kk_err *err)
{
	struct net_cidr pool;

	if (net_cidr_parse(net_instance.pool_cidr, &pool) < 0 || pool.bits > 24)
		return kk_fail(err, KK_E_CONFIG,
			"podSubnetCIDR '%s' is no network of /24 or larger",
			net_instance.pool_cidr);
	for (uint64_t i = 0; i < 1ULL << (24 - pool.bits); i++) {
		struct net_cidr subnet = {pool.address + (uint32_t)(i << 8), 24};
		struct claim claim = {.subnet = &subnet};
		bool overlaps;

		if (claims_check(&claim, err) < 0 ||
			net_route_overlaps(socket, &subnet, &overlaps, err) < 0)
			return kk_failed(err);
		if (!claim.subnet_taken && !overlaps) {
			*ret_subnet = subnet;
			return 0;
		}
	}
	return kk_fail(err, KK_E_SUBNET_EXHAUSTED,
		"every /24 of podSubnetCIDR %s is taken by a space "
		"or a route of the host",
		net_instance.pool_cidr);
}

/* `a-b`+`c` and `a`+`b-c` would share a network, and two names may share a hash: later ones get another
 * name, which the record keeps. */
static int names_choose(struct nl_sock *socket, struct net_space *space, struct kk_err *err)
{
	kk_auto_free char *base = kk_xstrdup(space->network);

	for (int i = 0; i < NAME_TRIES; i++) {
		struct claim claim = {.network = space->network};
		struct net_link link;
		int there;

		snprintf(space->bridge, sizeof space->bridge, "k-%08x", net_hash32(space->network));
		there = net_link_get(socket, space->bridge, &link, err);
		if (there < 0 || claims_check(&claim, err) < 0)
			return kk_failed(err);
		if (!claim.network_taken && (!there || strcmp(link.alias, space->alias) == 0))
			return 0;
		free(space->network);
		space->network = kk_xprintf("%s-%04x", base,
			(unsigned)(net_hash64(space->alias) + (unsigned)i) & 0xffff);
	}
	return kk_fail(err, KK_E_NETWORK, "no free bridge name was found for network '%s'", base);
}

static int bridge_ensure(struct nl_sock *socket, const struct net_space *space, struct kk_err *err)
{
	struct net_link link;
	int r = net_link_get(socket, space->bridge, &link, err);

	if (r < 0)
		return r;
	if (r == 0 &&
		(net_bridge_create(socket, space->bridge, err) < 0 ||
			kk_fault(KK_FAULT_network_bridge_unowned, err) < 0))
		return kk_failed(err);
	if (r == 0 && net_link_get(socket, space->bridge, &link, err) <= 0)
		return kk_fail(err, KK_E_NETWORK, "bridge '%s' vanished", space->bridge);
	/* The record names it, so it was made for this space. */
	if (!link.alias[0] && net_link_own(socket, space->bridge, space->alias, err) < 0)
		return kk_failed(err);
	if (link.alias[0] && strcmp(link.alias, space->alias) != 0)
		return kk_fail(err, KK_E_NETWORK, "bridge '%s' belongs to '%s'", space->bridge,
			link.alias);
	if (!link.is_up && net_link_up(socket, link.index, err) < 0)
		return kk_failed(err);
	return net_address_add(socket, link.index, space->subnet.address + 1, space->subnet.bits,
		err);
}

static int space_allocate(struct nl_sock *socket, struct net_space *space, struct kk_err *err)
{
	/* All instances of the host choose one after the other, until the kernel shows the choice.
	 * A directory that is always there can be locked without leaving a lock file behind. */
	kk_auto_fd int lock = open("/run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (lock < 0 || flock(lock, LOCK_EX) < 0)
		return kk_fail_errno(err, KK_E_IO, "lock /run");
	if (names_choose(socket, space, err) < 0 ||
		subnet_choose(socket, &space->subnet, err) < 0 || record_write(space, err) < 0 ||
		kk_fault(KK_FAULT_network_record_written, err) < 0)
		return kk_failed(err);
	return bridge_ensure(socket, space, err);
}

static int forwarding_enable(struct kk_err *err)
{
	static const char path[] = "/proc/sys/net/ipv4/ip_forward";
	kk_auto_buf text = {.max = 64};

	if (kk_file_read(path, &text, NULL) == 0 && text.len && text.data[0] == '1')
		return 0;
	return kk_file_write(path, "1\n", 2, 0644, err);
}

static char *conflist_text(const struct net_space *space)
{
	char subnet[32];

	net_cidr_format(&space->subnet, subnet, sizeof subnet);
	return kk_xprintf("{\n"
			  "  \"cniVersion\": \"0.4.0\",\n"
			  "  \"name\": \"%s\",\n"
			  "  \"plugins\": [\n"
			  "    {\n"
			  "      \"type\": \"bridge\",\n"
			  "      \"bridge\": \"%s\",\n"
			  "      \"isGateway\": true,\n"
			  "      \"ipMasq\": true,\n"
			  "      \"ipam\": {\n"
			  "        \"type\": \"host-local\",\n"
			  "        \"ranges\": [[{\"subnet\": \"%s\"}]],\n"
			  "        \"routes\": [{\"dst\": \"0.0.0.0/0\"}]\n"
			  "      }\n"
			  "    },\n"
			  "    {\"type\": \"loopback\"}\n"
			  "  ]\n"
			  "}\n",
		space->network, space->bridge, subnet);
}

static char *conflist_path(const struct net_space *space)
{
	return kk_xprintf("%s/network.conflist", space->dir);
}

static bool conflist_is_current(const struct net_space *space)
{
	kk_auto_free char *path = conflist_path(space), *text = conflist_text(space);
	kk_auto_buf old = {.max = 65536};

	return kk_file_read(path, &old, NULL) == 0 && old.data &&
		strcmp((char *)old.data, text) == 0;
}

static int conflist_write(const struct net_space *space, struct kk_err *err)
{
	kk_auto_free char *path = conflist_path(space), *text = conflist_text(space);

	if (conflist_is_current(space))
		return 0;
	kk_leftovers_remove(path);
	return kk_file_replace(path, text, strlen(text), 0600, err);
}

/* It is in the record, so that whoever repairs the rules knows it, and needs nobody to resolve names. */
static int egress_record(struct net_space *space, const struct kk_egress *egress, bool is_new,
	struct kk_err *err)
{
	kk_auto(kk_map_release) struct kk_map hosts = {0};

	if (!egress)
		return 0;
	if (net_resolve_policy(egress, &space->hosts, &hosts, err) < 0)
		return kk_failed(err);
	if (kk_schema_equal(kk_schema_of_egress(), &space->egress, egress, 0) &&
		kk_map_equal(&space->hosts, &hosts))
		return 0;
	kk_egress_release(&space->egress);
	kk_schema_copy(kk_schema_of_egress(), egress, &space->egress);
	kk_map_release(&space->hosts);
	space->hosts = hosts;
	hosts = (struct kk_map){0};
	return is_new ? 0 : record_write(space, err);
}

/* What is recorded will do until the daemon hears otherwise: no repair waits for a name server. */
bool net_space_later(const char *realm, const char *name, const struct kk_egress *egress,
	net_resolved_f fn, void *arg)
{
	kk_auto(net_space_release) struct net_space space = {0};
	struct kk_err ignored = {0};

	if (net_space_load(realm, name, &space, &ignored) == 1 &&
		kk_schema_equal(kk_schema_of_egress(), &space.egress, egress, 0))
		return false;
	return net_resolve_later(egress, &space.hosts, fn, arg);
}

int net_space_ensure(const char *realm, const char *name, const struct kk_egress *egress,
	struct net_space *ret_space, bool *ret_created, struct kk_err *err)
{
	kk_auto(net_socket_closep) struct nl_sock *socket = NULL;
	kk_auto(net_space_release) struct net_space space = {0};
	int r = net_space_load(realm, name, &space, err);

	if (r < 0 || net_socket_open(&socket, err) < 0 ||
		egress_record(&space, egress, r == 0, err) < 0)
		return kk_failed(err);
	if (r == 0 && space_allocate(socket, &space, err) < 0)
		return kk_wrap(err, "give space '%s' a network", name);
	if (bridge_ensure(socket, &space, err) < 0 ||
		kk_fault(KK_FAULT_network_bridge_made, err) < 0 ||
		net_rule_ensure(&space, err) < 0 ||
		kk_fault(KK_FAULT_network_rules_made, err) < 0 || forwarding_enable(err) < 0 ||
		conflist_write(&space, err) < 0)
		return kk_wrap(err, "set up network '%s'", space.network);
	net_watch_space(&space);
	*ret_created = r == 0;
	*ret_space = space;
	space = (struct net_space){0};
	return 0;
}

const char *net_space_fault(const struct net_space *space, const struct net_view *view)
{
	const struct net_link *bridge = net_links_find(&view->links, space->bridge);

	if (!bridge || strcmp(bridge->alias, space->alias) != 0)
		return "its bridge";
	if (!bridge->is_up ||
		!net_address_has(view->socket, bridge->index, space->subnet.address + 1))
		return "the address of its bridge";
	if (!net_rule_is_whole(space, &view->rules))
		return "its rules";
	if (!net_resolve_is_current(&space->egress, &space->hosts))
		return KK_SURVEY_HOSTS;
	return conflist_is_current(space) ? NULL : "its network.conflist";
}

/* The record goes last: until then a repetition finds what is left to do. A power cut knows no such order. */
static int files_remove(const struct net_space *space, struct kk_err *err)
{
	kk_auto_free char *conflist = conflist_path(space);
	kk_auto_free char *record = kk_xprintf("%s/network.json", space->dir);

	if ((unlink(conflist) < 0 && errno != ENOENT && errno != ENOTDIR) ||
		(unlink(record) < 0 && errno != ENOENT && errno != ENOTDIR))
		return kk_fail_errno(err, KK_E_IO, "remove the records of network '%s' in %s",
			space->network, space->dir);
	return kk_name_sync(record, err);
}

int net_space_remove(const char *realm, const char *name, bool *ret_was_present, struct kk_err *err)
{
	kk_auto(net_socket_closep) struct nl_sock *socket = NULL;
	kk_auto(net_space_release) struct net_space space = {0};
	struct net_link link;
	int r = net_space_load(realm, name, &space, err);

	if (r < 0 || net_socket_open(&socket, err) < 0)
		return kk_failed(err);
	*ret_was_present = r == 1;
	if (r == 0)
		return files_remove(&space, err);
	if (net_rule_remove(&space, err) < 0 || kk_fault(KK_FAULT_network_rules_gone, err) < 0)
		return kk_failed(err);
	r = net_link_get(socket, space.bridge, &link, err);
	if (r < 0)
		return r;
	if (r == 1 && strcmp(link.alias, space.alias) == 0 &&
		net_link_remove(socket, space.bridge, err) < 0)
		return kk_failed(err);
	if (kk_fault(KK_FAULT_network_bridge_gone, err) < 0 ||
		net_lease_remove_all(&space, err) < 0)
		return kk_failed(err);
	net_files_space_remove(&space);
	return files_remove(&space, err);
}
