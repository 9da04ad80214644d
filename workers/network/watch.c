/* workers/network/watch.c - noticing what others do to our links, rules and files. It only says that something happened:
 * what that has broken is for a survey to find, once it is quiet again. */
#include "net.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#include <kukeon/fd.h>
#include <kukeon/log.h>
#include <kukeon/loop.h>
#include <kukeon/mem.h>
#include <kukeon/worker.h>

enum { SETTLE_MS = 50, BUFFER_SIZE = 65536 };

static struct {
	struct kk_worker *worker;
	struct kk_timer *timer;
	bool is_due;
	int inotify_fd;
	struct nl_sock *route;
	struct nl_sock *nft;
} watch = {.inotify_fd = -1};

static void changed_on_timer(void *arg)
{
	static const struct kk_req_network_changed event;

	(void)arg;
	watch.is_due = false;
	(void)kk_rpc_event(watch.worker->rpc, KK_ROLE_reconciler, KK_MSG_network_changed, &event,
		0);
}

/* Not moved by what follows: who changes things all the time must not keep us from looking. */
void net_watch_note(void)
{
	if (watch.is_due || !watch.timer)
		return;
	watch.is_due = true;
	kk_timer_start(watch.timer, SETTLE_MS);
}

/* --- links and addresses --- */

static bool is_ours(struct nlattr *attrs[])
{
	const char *alias = attrs[IFLA_IFALIAS] ? nla_get_string(attrs[IFLA_IFALIAS]) : "";
	size_t len = strlen("kukeon:"), id_len = strlen(net_instance.id);

	return strncmp(alias, "kukeon:", len) == 0 &&
		strncmp(alias + len, net_instance.id, id_len) == 0 && alias[len + id_len] == ':';
}

static bool link_is_hurt(struct nlmsghdr *header)
{
	const struct ifinfomsg *link = nlmsg_data(header);
	struct nlattr *attrs[IFLA_MAX + 1];
	bool is_bridge;

	if (nlmsg_parse(header, sizeof *link, attrs, IFLA_MAX, NULL) < 0 || !is_ours(attrs))
		return false;
	is_bridge = attrs[IFLA_IFNAME] && kk_str_starts(nla_get_string(attrs[IFLA_IFNAME]), "k-");
	return header->nlmsg_type == RTM_DELLINK || !(link->ifi_flags & IFF_UP) ||
		(!is_bridge && !attrs[IFLA_MASTER]);
}

static bool address_is_ours(struct nlmsghdr *header)
{
	struct nlattr *attrs[IFA_MAX + 1];

	return nlmsg_parse(header, sizeof(struct ifaddrmsg), attrs, IFA_MAX, NULL) == 0 &&
		attrs[IFA_LABEL] && kk_str_starts(nla_get_string(attrs[IFA_LABEL]), "k-");
}

static bool route_is_change(struct nlmsghdr *header)
{
	switch (header->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return link_is_hurt(header);
	case RTM_DELADDR:
		return address_is_ours(header);
	default:
		return false;
	}
}

/* --- rules --- */

/* Each transaction ends with its number and who made it. */
static bool nft_is_change(struct nlmsghdr *header)
{
	struct nlattr *attrs[NFTA_GEN_MAX + 1];

	if (header->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN) ||
		nlmsg_parse(header, sizeof(struct nfgenmsg), attrs, NFTA_GEN_MAX, NULL) < 0)
		return false;
	return !attrs[NFTA_GEN_PROC_PID] ||
		ntohl(nla_get_u32(attrs[NFTA_GEN_PROC_PID])) != (uint32_t)getpid();
}

static void netlink_on_read(int fd, unsigned what, void *arg)
{
	bool (*is_change)(struct nlmsghdr * header) = arg == &watch.nft ? nft_is_change :
									  route_is_change;
	static char buffer[BUFFER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	ssize_t n;

	(void)what;
	while ((n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT)) > 0) {
		struct nlmsghdr *header = (struct nlmsghdr *)buffer;

		for (int left = (int)n; nlmsg_ok(header, left);
			header = nlmsg_next(header, &left)) {
			if (is_change(header))
				net_watch_note();
		}
	}
	/* More happened than the kernel keeps for us. */
	if (n < 0 && errno == ENOBUFS)
		net_watch_note();
}

static int netlink_open(struct nl_sock **socket, int protocol, const int *groups, size_t n,
	struct kk_err *err)
{
	int r;

	*socket = nl_socket_alloc();
	r = *socket ? nl_connect(*socket, protocol) : -NLE_NOMEM;
	for (size_t i = 0; i < n && r == 0; i++)
		r = nl_socket_add_membership(*socket, groups[i]);
	if (r < 0)
		return kk_fail(err, KK_E_NETWORK, "listen to the kernel's network events: %s",
			nl_geterror(r));
	if (!kk_watch_new(watch.worker->loop, "netlink", nl_socket_get_fd(*socket), KK_READ,
		    netlink_on_read, socket))
		return kk_fail(err, KK_E_NOMEM, "no memory for a watch");
	return 0;
}

/* --- files --- */

enum { FILES = IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR };

/* Beside the conflist the store keeps its document, and each cell its directory. */
static bool file_is_change(const struct inotify_event *event)
{
	if (event->mask & (IN_IGNORED | IN_ISDIR) || !event->len)
		return false;
	if (strcmp(event->name, "network.conflist") == 0)
		return true;
	/* A namespace, or an address. */
	return event->mask & (IN_DELETE | IN_MOVED_FROM) &&
		(event->name[0] == 'k' || (event->name[0] >= '1' && event->name[0] <= '9'));
}

static void file_on_event(const struct inotify_event *event, void *arg)
{
	(void)arg;
	if (event->mask & IN_Q_OVERFLOW || file_is_change(event))
		net_watch_note();
}

static void inotify_on_read(int fd, unsigned what, void *arg)
{
	(void)what;
	kk_inotify_each(fd, file_on_event, arg);
}

/* One that is not there yet is watched from the next time on. */
static void dir_watch(const char *path)
{
	if (inotify_add_watch(watch.inotify_fd, path, FILES) < 0 && errno != ENOENT)
		kk_debug("%s is not watched: %m", path);
}

void net_watch_space(const struct net_space *space)
{
	kk_auto_free char *leases = NULL, *namespaces = NULL;

	if (watch.inotify_fd < 0)
		return;
	leases = net_lease_dir(space);
	namespaces = kk_xprintf("%s/netns", net_instance.runtime_dir);
	dir_watch(space->dir);
	dir_watch(leases);
	dir_watch(namespaces);
}

int net_watch_start(struct kk_worker *worker, struct kk_err *err)
{
	static const int route_groups[] = {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR};
	static const int nft_groups[] = {NFNLGRP_NFTABLES};

	watch.worker = worker;
	watch.timer = kk_timer_new(worker->loop, "network", changed_on_timer, NULL);
	watch.inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch.inotify_fd < 0)
		return kk_fail_errno(err, KK_E_NETWORK, "watch files");
	if (!watch.timer ||
		!kk_watch_new(worker->loop, "files", watch.inotify_fd, KK_READ, inotify_on_read,
			NULL))
		return kk_fail(err, KK_E_NOMEM, "no memory for a watch");
	if (netlink_open(&watch.route, NETLINK_ROUTE, route_groups, KK_COUNT(route_groups), err) <
			0 ||
		netlink_open(&watch.nft, NETLINK_NETFILTER, nft_groups, KK_COUNT(nft_groups), err) <
			0)
		return kk_failed(err);
	/* What happened before is not known. */
	net_watch_note();
	return 0;
}
