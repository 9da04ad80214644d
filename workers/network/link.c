/* workers/network/link.c */
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/bridge.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/route.h>

#include <kukeon/mem.h>

KK_DEFINE_FREEP(struct rtnl_link, rtnl_link_put)
KK_DEFINE_FREEP(struct rtnl_addr, rtnl_addr_put)
KK_DEFINE_FREEP(struct rtnl_route, rtnl_route_put)
KK_DEFINE_FREEP(struct nl_addr, nl_addr_put)
KK_DEFINE_FREEP(struct nl_cache, nl_cache_free)

/* What libnl has no words for; of the last answer of the kernel. */
static int last_errno;

static int answer_on_error(struct sockaddr_nl *from, struct nlmsgerr *answer, void *arg)
{
	(void)from;
	(void)arg;
	last_errno = -answer->error;
	return -nl_syserr2nlerr(answer->error);
}

static const char *reason(int r)
{
	return r == -NLE_FAILURE ? kk_errno_text(last_errno) : nl_geterror(r);
}

int net_socket_open(struct nl_sock **ret_socket, struct kk_err *err)
{
	struct nl_sock *socket = nl_socket_alloc();
	int r = socket ? nl_connect(socket, NETLINK_ROUTE) : -NLE_NOMEM;

	if (r < 0) {
		nl_socket_free(socket);
		return kk_fail(err, KK_E_NETWORK, "open a route socket: %s", nl_geterror(r));
	}
	nl_socket_modify_err_cb(socket, NL_CB_CUSTOM, answer_on_error, NULL);
	*ret_socket = socket;
	return 0;
}

void net_socket_close(struct nl_sock *socket)
{
	nl_socket_free(socket);
}

static void link_fill(struct rtnl_link *link, struct net_link *ret_link)
{
	const char *alias = rtnl_link_get_ifalias(link);

	*ret_link = (struct net_link){
		.index = rtnl_link_get_ifindex(link),
		.master = rtnl_link_get_master(link),
		.is_up = rtnl_link_get_flags(link) & IFF_UP,
	};
	strncpy(ret_link->name, rtnl_link_get_name(link), sizeof ret_link->name - 1);
	strncpy(ret_link->alias, alias ? alias : "", sizeof ret_link->alias - 1);
}

static int links_compare(const void *a, const void *b)
{
	return strcmp(((const struct net_link *)a)->name, ((const struct net_link *)b)->name);
}

int net_links_read(struct nl_sock *socket, struct net_links *ret_links, struct kk_err *err)
{
	kk_auto(nl_cache_freep) struct nl_cache *cache = NULL;
	int r = rtnl_link_alloc_cache(socket, AF_UNSPEC, &cache);

	if (r < 0)
		return kk_fail(err, KK_E_NETWORK, "list links: %s", reason(r));
	*ret_links = (struct net_links){
		.items = kk_xalloc((size_t)(nl_cache_nitems(cache) + 1) * sizeof(struct net_link))};
	for (struct nl_object *o = nl_cache_get_first(cache); o; o = nl_cache_get_next(o))
		link_fill((struct rtnl_link *)o, &ret_links->items[ret_links->n++]);
	qsort(ret_links->items, ret_links->n, sizeof(struct net_link), links_compare);
	return 0;
}

const struct net_link *net_links_find(const struct net_links *links, const char *name)
{
	struct net_link key = {0};

	snprintf(key.name, sizeof key.name, "%s", name);
	return bsearch(&key, links->items, links->n, sizeof key, links_compare);
}

void net_links_release(struct net_links *links)
{
	free(links->items);
	*links = (struct net_links){0};
}

int net_link_get(struct nl_sock *socket, const char *name, struct net_link *ret_link,
	struct kk_err *err)
{
	kk_auto(rtnl_link_putp) struct rtnl_link *link = NULL;
	int r = rtnl_link_get_kernel(socket, 0, name, &link);

	if (r == -NLE_NODEV || r == -NLE_OBJ_NOTFOUND)
		return 0;
	if (r < 0)
		return kk_fail(err, KK_E_NETWORK, "look up link '%s': %s", name, reason(r));
	link_fill(link, ret_link);
	return 1;
}

/* A bridge without an address of its own takes that of one of its ports, another one whenever they change, and
 * whoever knows its gateway by the former one sends into the void until he asks again. */
static struct nl_addr *hardware_address(const char *name)
{
	uint64_t hash = net_hash64(name);
	uint8_t address[6] = {0x02}; /* of one interface, locally administered */

	memcpy(address + 1, &hash, sizeof address - 1);
	return nl_addr_build(AF_LLC, address, sizeof address);
}

int net_bridge_create(struct nl_sock *socket, const char *name, struct kk_err *err)
{
	kk_auto(rtnl_link_putp) struct rtnl_link *link = rtnl_link_bridge_alloc();
	kk_auto(nl_addr_putp) struct nl_addr *address = hardware_address(name);
	int r;

	if (!link || !address)
		return kk_fail(err, KK_E_NOMEM, "no memory for bridge '%s'", name);
	rtnl_link_set_name(link, name);
	rtnl_link_set_addr(link, address);
	rtnl_link_set_flags(link, IFF_UP);
	r = rtnl_link_add(socket, link, NLM_F_CREATE | NLM_F_EXCL);
	if (r < 0)
		return kk_fail(err, KK_E_NETWORK, "create bridge '%s': %s", name, reason(r));
	return 0;
}

int net_link_own(struct nl_sock *socket, const char *name, const char *alias, struct kk_err *err)
{
	kk_auto(rtnl_link_putp) struct rtnl_link *link = rtnl_link_alloc();
	int r;

	if (!link)
		return kk_fail(err, KK_E_NOMEM, "no memory for link '%s'", name);
	rtnl_link_set_name(link, name);
	rtnl_link_set_ifalias(link, alias);
	r = rtnl_link_add(socket, link, 0);
	if (r < 0)
		return kk_fail(err, KK_E_NETWORK, "name the owner of link '%s': %s", name,
			reason(r));
	return 0;
}

static int link_change(struct nl_sock *socket, int index, struct rtnl_link *change,
	const char *what, struct kk_err *err)
{
	kk_auto(rtnl_link_putp) struct rtnl_link *which = rtnl_link_alloc();
	int r;

	if (!which || !change)
		return kk_fail(err, KK_E_NOMEM, "no memory for a link");
	rtnl_link_set_ifindex(which, index);
	rtnl_link_set_family(which, rtnl_link_get_family(change));
	r = rtnl_link_change(socket, which, change, 0);
	if (r < 0)
		return kk_fail(err, KK_E_NETWORK, "%s link %d: %s", what, index, reason(r));
	return 0;
}

int net_link_up(struct nl_sock *socket, int index, struct kk_err *err)
{
	kk_auto(rtnl_link_putp) struct rtnl_link *change = rtnl_link_alloc();

	if (change)
		rtnl_link_set_flags(change, IFF_UP);
	return link_change(socket, index, change, "set up", err);
}

int net_link_attach(struct nl_sock *socket, int index, int bridge_index, struct kk_err *err)
{
	kk_auto(rtnl_link_putp) struct rtnl_link *change = rtnl_link_alloc();

	if (change) {
		rtnl_link_set_master(change, bridge_index);
		rtnl_link_set_flags(change, IFF_UP);
	}
	return link_change(socket, index, change, "attach to its bridge", err);
}

int net_link_hairpin_set(struct nl_sock *socket, int index, bool is_on, struct kk_err *err)
{
	kk_auto(rtnl_link_putp) struct rtnl_link *change = rtnl_link_alloc();

	if (change) {
		rtnl_link_set_family(change, AF_BRIDGE);
		if (is_on)
			rtnl_link_bridge_set_flags(change, RTNL_BRIDGE_HAIRPIN_MODE);
		else
			rtnl_link_bridge_unset_flags(change, RTNL_BRIDGE_HAIRPIN_MODE);
	}
	return link_change(socket, index, change, "set the hairpin mode of", err);
}

int net_link_remove(struct nl_sock *socket, const char *name, struct kk_err *err)
{
	kk_auto(rtnl_link_putp) struct rtnl_link *link = rtnl_link_alloc();
	int r;

	if (!link)
		return kk_fail(err, KK_E_NOMEM, "no memory for link '%s'", name);
	rtnl_link_set_name(link, name);
	r = rtnl_link_delete(socket, link);
	if (r < 0 && r != -NLE_NODEV && r != -NLE_OBJ_NOTFOUND)
		return kk_fail(err, KK_E_NETWORK, "remove link '%s': %s", name, reason(r));
	return 0;
}

/* Of whoever has the address: who knows it by a former link, or a former cell, still reaches it. */
static struct nl_addr *hardware_address_of_ip(uint32_t ip)
{
	uint32_t wire = htonl(ip);
	uint8_t address[6] = {0x0a, 0x58}; /* as CNI's bridge does */

	memcpy(address + 2, &wire, sizeof wire);
	return nl_addr_build(AF_LLC, address, sizeof address);
}

int net_veth_create(struct nl_sock *socket, const char *name, int bridge_index, const char *inside,
	int netns_fd, uint32_t ip, struct kk_err *err)
{
	kk_auto(rtnl_link_putp) struct rtnl_link *link = rtnl_link_veth_alloc();
	kk_auto(nl_addr_putp) struct nl_addr *address = hardware_address_of_ip(ip);
	struct rtnl_link *peer;
	int r;

	if (!link || !address)
		return kk_fail(err, KK_E_NOMEM, "no memory for link '%s'", name);
	peer = rtnl_link_veth_get_peer(link);
	rtnl_link_set_name(link, name);
	rtnl_link_set_master(link, bridge_index);
	rtnl_link_set_flags(link, IFF_UP);
	/* Only named and moved here: IFF_UP on the peer in the same message fails with ENOTCONN. */
	rtnl_link_set_name(peer, inside);
	rtnl_link_set_addr(peer, address);
	rtnl_link_set_ns_fd(peer, netns_fd);
	r = rtnl_link_add(socket, link, NLM_F_CREATE | NLM_F_EXCL);
	rtnl_link_put(peer);
	if (r < 0)
		return kk_fail(err, KK_E_NETWORK, "create link '%s': %s", name, reason(r));
	return 0;
}

static struct nl_addr *address_build(uint32_t address, unsigned bits)
{
	uint32_t wire = htonl(address);
	struct nl_addr *nl = nl_addr_build(AF_INET, &wire, sizeof wire);

	if (nl)
		nl_addr_set_prefixlen(nl, (int)bits);
	return nl;
}

int net_address_add(struct nl_sock *socket, int index, uint32_t address, unsigned bits,
	struct kk_err *err)
{
	kk_auto(rtnl_addr_putp) struct rtnl_addr *addr = rtnl_addr_alloc();
	kk_auto(nl_addr_putp) struct nl_addr *local = address_build(address, bits);
	kk_auto(nl_addr_putp) struct nl_addr *broadcast =
		address_build(address | (bits < 32 ? ~0u >> bits : 0), 32);
	char text[NET_IP_MAX];
	int r;

	if (!addr || !local || !broadcast)
		return kk_fail(err, KK_E_NOMEM, "no memory for an address");
	rtnl_addr_set_ifindex(addr, index);
	rtnl_addr_set_local(addr, local);
	rtnl_addr_set_broadcast(addr, broadcast);
	r = rtnl_addr_add(socket, addr, 0);
	if (r < 0 && r != -NLE_EXIST) {
		net_ip_format(address, text, sizeof text);
		return kk_fail(err, KK_E_NETWORK, "add address %s: %s", text, reason(r));
	}
	return 0;
}

bool net_address_has(struct nl_sock *socket, int index, uint32_t address)
{
	kk_auto(nl_cache_freep) struct nl_cache *cache = NULL;
	kk_auto(nl_addr_putp) struct nl_addr *local = address_build(address, 24);
	struct rtnl_addr *found;

	if (!local || rtnl_addr_alloc_cache(socket, &cache) < 0)
		return false;
	found = rtnl_addr_get(cache, index, local);
	if (found)
		rtnl_addr_put(found);
	return found != NULL;
}

uint32_t net_address_get(struct nl_sock *socket, int index)
{
	kk_auto(nl_cache_freep) struct nl_cache *cache = NULL;
	uint32_t address = 0;

	if (rtnl_addr_alloc_cache(socket, &cache) < 0)
		return 0;
	for (struct nl_object *object = nl_cache_get_first(cache); object && !address;
		object = nl_cache_get_next(object)) {
		struct rtnl_addr *found = (struct rtnl_addr *)object;

		if (rtnl_addr_get_ifindex(found) == index && rtnl_addr_get_family(found) == AF_INET)
			memcpy(&address, nl_addr_get_binary_addr(rtnl_addr_get_local(found)),
				sizeof address);
	}
	return ntohl(address);
}

int net_default_route_add(struct nl_sock *socket, int index, uint32_t gateway, struct kk_err *err)
{
	kk_auto(rtnl_route_putp) struct rtnl_route *route = rtnl_route_alloc();
	kk_auto(nl_addr_putp) struct nl_addr *any = address_build(0, 0);
	kk_auto(nl_addr_putp) struct nl_addr *via = address_build(gateway, 32);
	struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
	int r;

	if (!route || !any || !via || !hop)
		return kk_fail(err, KK_E_NOMEM, "no memory for a route");
	rtnl_route_set_family(route, AF_INET);
	rtnl_route_set_dst(route, any);
	rtnl_route_nh_set_ifindex(hop, index);
	rtnl_route_nh_set_gateway(hop, via);
	rtnl_route_add_nexthop(route, hop);
	r = rtnl_route_add(socket, route, 0);
	if (r < 0 && r != -NLE_EXIST)
		return kk_fail(err, KK_E_NETWORK, "add the default route: %s", reason(r));
	return 0;
}

int net_route_overlaps(struct nl_sock *socket, const struct net_cidr *cidr, bool *ret_overlaps,
	struct kk_err *err)
{
	kk_auto(nl_cache_freep) struct nl_cache *cache = NULL;
	int r = rtnl_route_alloc_cache(socket, AF_INET, 0, &cache);

	if (r < 0)
		return kk_fail(err, KK_E_NETWORK, "list routes: %s", reason(r));
	*ret_overlaps = false;
	for (struct nl_object *o = nl_cache_get_first(cache); o; o = nl_cache_get_next(o)) {
		const struct nl_addr *dst = rtnl_route_get_dst((struct rtnl_route *)o);
		struct net_cidr route = {.bits = nl_addr_get_prefixlen(dst)};
		uint32_t wire;

		/* A default route overlaps everything and means nothing. */
		if (route.bits == 0 || nl_addr_get_len(dst) != sizeof wire)
			continue;
		memcpy(&wire, nl_addr_get_binary_addr(dst), sizeof wire);
		route.address = ntohl(wire);
		if (net_cidr_overlaps(cidr, &route))
			*ret_overlaps = true;
	}
	return 0;
}
