/* workers/network/nic.c */
#include "net.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <kukeon/fault.h>
#include <kukeon/mem.h>

void net_nic_release(struct net_nic *nic)
{
	net_space_release(&nic->space);
}

/* What is inside the namespace: loopback, address, route. */
static int inside_ensure(const struct net_nic *nic, const char *netns_path, struct kk_err *err)
{
	kk_auto(net_socket_closep) struct nl_sock *socket = NULL;
	const struct net_cidr *subnet = &nic->space.subnet;
	struct net_link link;
	int r;

	if (net_ns_socket(netns_path, &socket, err) < 0 || net_link_up(socket, 1, err) < 0)
		return kk_failed(err);
	r = net_link_get(socket, nic->ifname, &link, err);
	if (r < 0)
		return r;
	if (r == 0)
		return kk_fail(err, KK_E_NETWORK, "the namespace has no %s", nic->ifname);
	if (net_link_up(socket, link.index, err) < 0 ||
		net_address_add(socket, link.index, nic->address, subnet->bits, err) < 0)
		return kk_failed(err);
	return nic->is_first ? net_default_route_add(socket, link.index, subnet->address + 1, err) :
			       0;
}

static bool link_find(const char *netns_path, const char *ifname, struct nl_sock **ret_socket,
	struct net_link *ret_link)
{
	struct kk_err err = {0};

	return net_ns_socket(netns_path, ret_socket, &err) == 0 &&
		net_link_get(*ret_socket, ifname, ret_link, &err) == 1;
}

uint32_t net_nic_address(const char *netns_path, const char *ifname)
{
	kk_auto(net_socket_closep) struct nl_sock *socket = NULL;
	struct net_link link;

	return link_find(netns_path, ifname, &socket, &link) ? net_address_get(socket, link.index) :
							       0;
}

static bool is_inside(const char *netns_path, const char *ifname)
{
	kk_auto(net_socket_closep) struct nl_sock *socket = NULL;
	struct net_link link;

	return link_find(netns_path, ifname, &socket, &link);
}

static int veth_ensure(const struct net_nic *nic, const char *netns_path, struct kk_err *err)
{
	kk_auto(net_socket_closep) struct nl_sock *socket = NULL;
	kk_auto_fd int netns_fd = -1;
	struct net_link bridge, veth;
	int r;

	if (net_socket_open(&socket, err) < 0)
		return kk_failed(err);
	r = net_link_get(socket, nic->space.bridge, &bridge, err);
	if (r <= 0)
		return r < 0 ? r :
			       kk_fail(err, KK_E_NETWORK, "bridge '%s' is gone", nic->space.bridge);
	r = net_link_get(socket, nic->veth, &veth, err);
	if (r < 0)
		return r;
	if (r == 1 && is_inside(netns_path, nic->ifname)) {
		if ((veth.master != bridge.index || !veth.is_up) &&
			net_link_attach(socket, veth.index, bridge.index, err) < 0)
			return kk_failed(err);
		return strcmp(veth.alias, nic->alias) == 0 ?
			0 :
			net_link_own(socket, nic->veth, nic->alias, err);
	}
	/* Left over from a namespace that is going away. */
	if (r == 1 && net_link_remove(socket, nic->veth, err) < 0)
		return kk_failed(err);
	netns_fd = open(netns_path, O_RDONLY | O_CLOEXEC);
	if (netns_fd < 0)
		return kk_fail_errno(err, KK_E_NETWORK, "open %s", netns_path);
	if (net_veth_create(socket, nic->veth, bridge.index, nic->ifname, netns_fd, nic->address,
		    err) < 0 ||
		kk_fault(KK_FAULT_network_link_unowned, err) < 0)
		return kk_failed(err);
	return net_link_own(socket, nic->veth, nic->alias, err);
}

int net_nic_ensure(struct net_nic *nic, const char *owner, const char *netns_path, bool is_new,
	struct kk_err *err)
{
	if (net_lease_take(&nic->space, owner,
		    is_new ? 0 : net_nic_address(netns_path, nic->ifname), &nic->address, err) < 0)
		return kk_failed(err);
	if (kk_fault(KK_FAULT_network_lease_taken, err) < 0 ||
		veth_ensure(nic, netns_path, err) < 0 ||
		kk_fault(KK_FAULT_network_link_made, err) < 0 ||
		inside_ensure(nic, netns_path, err) < 0)
		return kk_failed(err);
	return kk_fault(KK_FAULT_network_address_set, err);
}

int net_nic_remove(const struct net_nic *nic, const char *owner, struct kk_err *err)
{
	kk_auto(net_socket_closep) struct nl_sock *socket = NULL;

	if (net_socket_open(&socket, err) < 0 || net_link_remove(socket, nic->veth, err) < 0)
		return kk_failed(err);
	return net_lease_drop(&nic->space, owner, err);
}

bool net_nic_is_whole(const struct net_nic *nic, const struct net_view *view)
{
	const struct net_link *bridge = net_links_find(&view->links, nic->space.bridge);
	const struct net_link *veth = net_links_find(&view->links, nic->veth);

	return veth && veth->is_up && bridge && veth->master == bridge->index;
}
