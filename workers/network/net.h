/* workers/network/net.h - one network per space, one address per cell; the kernel does the rest. */
#ifndef KK_NETWORK_NET_H
#define KK_NETWORK_NET_H

#include <stdbool.h>
#include <stdint.h>

#include <kukeon/auto.h>
#include <kukeon/err.h>
#include <kukeon/model.h>

struct kk_buf;
struct kk_worker;
struct net_view;
struct nl_sock;

enum { NET_NAME_MAX = 16, NET_ALIAS_MAX = 256, NET_IP_MAX = 16 };

/* What this instance works with; set once at start. */
struct net_instance {
	const char *id;
	const char *run_path;
	const char *runtime_dir;
	const char *pool_cidr;
	const char *nft_table;
};
extern struct net_instance net_instance;

/* An IPv4 network, host byte order. */
struct net_cidr {
	uint32_t address;
	unsigned bits;
};

int net_cidr_parse(const char *text, struct net_cidr *ret_cidr); /* 0 or -1 */
void net_cidr_format(const struct net_cidr *cidr, char *buf, size_t size);
void net_ip_format(uint32_t address, char *buf, size_t size);
bool net_cidr_overlaps(const struct net_cidr *a, const struct net_cidr *b);

/* The network of a space, as recorded beside its document. */
struct net_space {
	char *realm;
	char *name;
	char *dir;     /* of the space in the store */
	char *network; /* CNI network name */
	char bridge[NET_NAME_MAX];
	char alias[NET_ALIAS_MAX]; /* marks the bridge as ours */
	struct net_cidr subnet;
	struct kk_egress egress;
	struct kk_map hosts; /* of that policy, each with its addresses: "192.0.2.1, 192.0.2.2" */
};
void net_space_release(struct net_space *space);

/* resolve.c: the host names of a policy that denies. @recorded: what is known of them by network.json. */
int net_resolve_start(struct kk_worker *worker, struct kk_err *err);
/* Ask for all of them; false: there is nothing to wait for. Else @fn is called once, when each has been answered, or
 * after seven seconds. */
typedef void (*net_resolved_f)(void *arg);
bool net_resolve_later(const struct kk_egress *policy, const struct kk_map *recorded,
	net_resolved_f fn, void *arg);
/* The addresses of all by the latest answers, or as recorded. Fails with KK_E_NETWORK where there are none. */
int net_resolve_policy(const struct kk_egress *policy, const struct kk_map *recorded,
	struct kk_map *ret_hosts, struct kk_err *err);
/* Are they still those? In the daemon it is asked again from time to time; what then changes is told to the
 * reconciler as network_changed. */
bool net_resolve_is_current(const struct kk_egress *policy, const struct kk_map *recorded);

/* space.c */

/* Read the record. Returns 1 when there is one, 0 when not. Fails with KK_E_IO, KK_E_NETWORK. */
int net_space_load(const char *realm, const char *name, struct net_space *ret_space,
	struct kk_err *err);

/* Call @fn for each directory of a space, until it returns anything but 0, which is the result. Fails with KK_E_IO. */
typedef int (*net_space_f)(const char *realm, const char *name, void *arg, struct kk_err *err);
int net_spaces_each(net_space_f fn, void *arg, struct kk_err *err);

/* The same for "realm/space". */
int net_space_at(const char *path, struct net_space *ret_space, struct kk_err *err);

/* Record, bridge, address, rules, conflist: whatever is missing is made. Safe to repeat. @egress: NULL for that of
 * the record. Fails with KK_E_SUBNET_EXHAUSTED, KK_E_NETWORK, KK_E_IO. */
int net_space_ensure(const char *realm, const char *name, const struct kk_egress *egress,
	struct net_space *ret_space, bool *ret_created, struct kk_err *err);
/* Is there a name in @egress to be resolved first? Then @fn is called once it is; else false. */
bool net_space_later(const char *realm, const char *name, const struct kk_egress *egress,
	net_resolved_f fn, void *arg);
/* What of the network of a space is not there, or not as it was made; NULL: nothing. */
const char *net_space_fault(const struct net_space *space, const struct net_view *view);
int net_space_remove(const char *realm, const char *name, bool *ret_was_present,
	struct kk_err *err);

/* cell.c */
struct net_cell {
	char ip[NET_IP_MAX];
	char gateway[NET_IP_MAX];
	char bridge[NET_NAME_MAX];
	char *netns_path;
	char *utsns_path; /* NULL, as the next: its one container has its own */
	char *ipcns_path;
	char *files_dir;
	bool is_created;
};
void net_cell_release(struct net_cell *cell);

struct net_cell_key {
	const char *realm;
	const char *space;
	const char *stack;
	const char *cell;
};

/* What a cell wants beside the network of its space. */
struct net_wish {
	bool is_host;
	bool is_shared; /* by several containers: they have UTS and IPC in common as well */
	const struct kk_strs *ports; /* of the host, see kk_port_parse */
	const struct kk_strs
		*networks; /* of other spaces: "space", of the same realm, or "realm/space" */
	const struct kk_strs *aliases; /* further names, for the cells around it */
};

/* Namespaces, links, addresses, route, ports, files. Safe to repeat. Fails with KK_E_NETWORK, KK_E_IO,
 * KK_E_NETWORK_NOT_FOUND, KK_E_INVALID for a port that is taken, KK_E_SUBNET_EXHAUSTED; then what was made here is
 * taken back. */
int net_cell_ensure(const struct net_cell_key *key, const struct net_wish *wish,
	struct net_cell *ret_cell, struct kk_err *err);
int net_cell_get(const struct net_cell_key *key, struct net_cell *ret_cell, bool *ret_exists,
	struct kk_err *err);
int net_cell_remove(const struct net_cell_key *key, bool *ret_was_present, struct kk_err *err);
char *net_cell_pin(const char
		*path); /* name of the namespaces of the cell at this path; the caller frees */
bool net_cell_is_known(const struct net_cell_key *key); /* has it a document, or a namespace? */

/* What of a cell is not there, or not as it was made; NULL: nothing. */
const char *net_cell_fault(const struct net_cell_key *key, const struct net_space *space,
	const struct net_view *view);

/* nic.c: one link of a cell: to the network of its own space, or to one that it has joined. */
struct net_nic {
	struct net_space space;
	char veth[NET_NAME_MAX];
	char alias[NET_ALIAS_MAX];
	char ifname[NET_NAME_MAX]; /* inside */
	uint32_t address;
	bool is_first; /* it has the default route */
};
void net_nic_release(struct net_nic *nic);
/* The link, its address, and what of a namespace goes with the first. @owner: of the lease. */
int net_nic_ensure(struct net_nic *nic, const char *owner, const char *netns_path, bool is_new,
	struct kk_err *err);
int net_nic_remove(const struct net_nic *nic, const char *owner, struct kk_err *err);
/* Is it there, up and on its bridge? */
bool net_nic_is_whole(const struct net_nic *nic, const struct net_view *view);
/* The address inside, whatever became of the lease; 0: none. */
uint32_t net_nic_address(const char *netns_path, const char *ifname);

/* file.c: what a cell finds as /etc/hostname and the like, and our record of it. It is made anew at each start, so it lives
 * in the runtime directory, below cells/ as the documents below data/. The caller frees the paths. */
#define NET_RECORD "connection.json"
char *net_files_dir(const struct net_cell_key *key);
char *net_files_space_dir(const char *realm, const char *space);
/* They fail with KK_E_IO. */
int net_files_space_make(const struct net_space *space, struct kk_err *err);
int net_files_write(const struct net_cell_key *key, const char *hostname, struct kk_err *err);
int net_files_remove(const struct net_cell_key *key, struct kk_err *err);
void net_files_space_remove(const struct net_space *space); /* as far as it is empty */

/* record.c: how a cell is connected. False: there is no record. Fails with KK_E_IO. */
bool net_record_read(const struct net_cell_key *key, struct kk_connection *ret_record);
int net_record_write(const struct net_cell_key *key, const struct kk_connection *record,
	struct kk_err *err);
/* A cell of another space that has joined this one; its networks name the space it is from. */
int net_guest_write(const struct net_space *space, const char *veth,
	const struct kk_connection *record, struct kk_err *err);
int net_guest_remove(const struct net_space *space, const char *veth, struct kk_err *err);
/* Each cell of a space that has its network; of guests the key is NULL. */
typedef void (*net_record_f)(const struct net_cell_key *key, const struct kk_connection *record,
	void *arg);
void net_records_each(const struct net_space *space, net_record_f fn, void *arg);

/* hosts.c: /etc/hosts knows all cells of a space. */
void net_hosts_open(struct kk_worker *worker);
/* The file of one cell: its own space, then those it has joined. */
int net_hosts_write(const struct net_cell_key *key, const struct kk_connection *record,
	struct kk_err *err);
/* Tell the others of this space, soon; in-process at once. */
void net_hosts_refresh(const struct net_space *space);

/* port.c: ports of the host that lead to a cell. Fails with KK_E_INVALID where somebody else has one. */
int net_port_ensure(const char *bridge, const char *veth, const char *ip,
	const struct kk_strs *ports, struct kk_err *err);
int net_port_drop(const char *veth, struct kk_err *err);
bool net_port_are_whole(const char *veth, const char *ip, const struct kk_strs *ports,
	const char *listing);

/* netns.c: namespaces pinned by bind mounts, so that no process has to live for them. Whoever starts a container reads
 * the table of all mounts, several times: there are no more than needed. */
struct net_ns_paths {
	char *net;
	char *uts;
	char *ipc;
};
void net_ns_paths_release(struct net_ns_paths *paths);
void net_ns_paths_make(const char *name, struct net_ns_paths *ret_paths);
bool net_ns_exists(const struct net_ns_paths *paths);    /* that of the network */
bool net_ns_is_shared(const struct net_ns_paths *paths); /* those of UTS and IPC as well */
/* Make those that are not there; the shared ones are taken away where nobody shares them any more. */
int net_ns_ensure(const struct net_ns_paths *paths, const char *hostname, bool is_shared,
	struct kk_err *err);
int net_ns_remove(const struct net_ns_paths *paths, bool *ret_was_present, struct kk_err *err);
/* A route socket that lives in the namespace. */
int net_ns_socket(const char *netns_path, struct nl_sock **ret_socket, struct kk_err *err);

/* link.c: links, addresses and routes through libnl. */
int net_socket_open(struct nl_sock **ret_socket, struct kk_err *err);
void net_socket_close(struct nl_sock *socket);
KK_DEFINE_FREEP(struct nl_sock, net_socket_close)

struct net_link {
	char name[NET_NAME_MAX];
	int index;
	int master;
	bool is_up;
	char alias[NET_ALIAS_MAX];
};
/* Returns 1 when the link is there, 0 when not, or a negative code. */
int net_link_get(struct nl_sock *socket, const char *name, struct net_link *ret_link,
	struct kk_err *err);
/* All links of the host, for who looks at many. Fails with KK_E_NETWORK. */
struct net_links {
	struct net_link *items; /* by name */
	size_t n;
};
int net_links_read(struct nl_sock *socket, struct net_links *ret_links, struct kk_err *err);
const struct net_link *net_links_find(const struct net_links *links,
	const char *name); /* or NULL */
void net_links_release(struct net_links *links);
int net_bridge_create(struct nl_sock *socket, const char *name, struct kk_err *err);
/* Say whose it is. The kernel ignores an alias in the message that creates: who dies between the two leaves
 * a link of nobody's. */
int net_link_own(struct nl_sock *socket, const char *name, const char *alias, struct kk_err *err);
int net_link_up(struct nl_sock *socket, int index, struct kk_err *err);
/* Make it a port of the bridge, and up. */
int net_link_attach(struct nl_sock *socket, int index, int bridge_index, struct kk_err *err);
/* May a port of a bridge have back what came from it? */
int net_link_hairpin_set(struct nl_sock *socket, int index, bool is_on, struct kk_err *err);
int net_link_remove(struct nl_sock *socket, const char *name, struct kk_err *err);
/* A pair: @name on the bridge here and up, @inside in the namespace of @netns_fd, with the hardware address for @ip. */
int net_veth_create(struct nl_sock *socket, const char *name, int bridge_index, const char *inside,
	int netns_fd, uint32_t ip, struct kk_err *err);
int net_address_add(struct nl_sock *socket, int index, uint32_t address, unsigned bits,
	struct kk_err *err);
bool net_address_has(struct nl_sock *socket, int index, uint32_t address);
uint32_t net_address_get(struct nl_sock *socket, int index); /* of IPv4, the first; 0: none */
int net_default_route_add(struct nl_sock *socket, int index, uint32_t gateway, struct kk_err *err);
/* Does any route or address of the host overlap? Links named @but do not count. */
int net_route_overlaps(struct nl_sock *socket, const struct net_cidr *cidr, bool *ret_overlaps,
	struct kk_err *err);

/* nft.c: one transaction. @ret_output, NULL or what was listed, stays valid until the next one. Fails with
 * KK_E_NETWORK and nft's own words. */
int net_nft_run(const char *text, const char **ret_output, struct kk_err *err);

/* rule.c: masquerading, isolation and egress policies, in one table of our own. */

/* What nft lists, "" where there is nothing: our table, and the one in which iptables and Docker filter. */
struct net_rules {
	char *own;
	char *foreign;
};
void net_rules_read(struct net_rules *ret_rules);
void net_rules_release(struct net_rules *rules);
int net_rule_ensure(const struct net_space *space, struct kk_err *err);
int net_rule_remove(const struct net_space *space, struct kk_err *err);
bool net_rule_is_whole(const struct net_space *space, const struct net_rules *rules);

/* forward.c: who else filters what is forwarded, and drops it. An accept of ours can't undo that, so each bridge has
 * two rules where that owner provides for them. @listing: net_rules.foreign. */
bool net_forward_is_open(const struct net_space *space, const char *listing);
void net_forward_append(struct kk_buf *text, const struct net_space *space, const char *listing);
void net_forward_remove_append(struct kk_buf *text, const struct net_space *space,
	const char *listing);

/* inventory.c: what of ours is there of others than these, by the path of its owner, "" for unknown. Fails with
 * KK_E_NETWORK, KK_E_IO. */
int net_inventory(const struct kk_strs *spaces, const struct kk_strs *cells,
	struct kk_map *ret_things, struct kk_err *err);
int net_pin_drop(const char *name, struct kk_err *err);

/* ipam.c: leases as host-local keeps them, so that its users never hand out the same address. */
char *net_lease_dir(const struct net_space *space); /* owned by the caller */
int net_lease_take(const struct net_space *space, const char *owner, uint32_t wanted,
	uint32_t *ret_address, struct kk_err *err);
int net_lease_find(const struct net_space *space, const char *owner, uint32_t *ret_address,
	struct kk_err *err); /* 1, 0 when there is none, or a negative code */
/* Who has a lease in this network. Fails with KK_E_IO. */
int net_lease_owners(const struct net_space *space, struct kk_strs *ret_owners, struct kk_err *err);
int net_lease_drop(const struct net_space *space, const char *owner, struct kk_err *err);
int net_lease_remove_all(const struct net_space *space, struct kk_err *err);

/* survey.c: looking at much at once. */

struct net_view {
	struct nl_sock *socket;
	struct net_links links;
	struct net_rules rules;
	struct kk_strs owners; /* of the leases of one space */
};

/* Of these spaces (realm/space) and cells (realm/space/stack/cell) those that miss something, and what.
 * Fails with KK_E_NETWORK, KK_E_IO. */
int net_survey(const struct kk_strs *spaces, const struct kk_strs *cells, struct kk_map *ret_spaces,
	struct kk_map *ret_cells, struct kk_err *err);

/* watch.c: what somebody else does to our links, rules and files is told to the reconciler as network_changed. */
int net_watch_start(struct kk_worker *worker, struct kk_err *err);
void net_watch_space(const struct net_space *space);
void net_watch_note(void); /* something has changed; told soon */

/* FNV-1a, as names derive from it. */
uint32_t net_hash32(const char *text);
uint64_t net_hash64(const char *text);

#endif
