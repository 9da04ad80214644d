/* tests/integration/test_network.c - the network worker on the kernel's links, namespaces and rules.
 *
 * Each test has a network of its own, with nothing in it but lo. */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

#include <kukeon/auto.h>
#include <kukeon/mem.h>

#include "../support/sandbox.h"
#include "../support/worker.h"

enum { LIMIT_MS = 10000 };

#define LEASES "/var/lib/cni/networks"

static struct ts_worker *worker;
static struct kk_req_worker_start config;

static void worker_begin(void)
{
	ts_sandbox_net();
	config = ts_worker_config();
	config.run_path = ts_text("%s/rp%d", ts_run()->dir, (int)getpid());
	config.runtime_dir = ts_text("%s/run", config.run_path);
	worker = ts_worker_start(KK_ROLE_network, &config);
}

static void worker_end(void)
{
	ts_worker_stop(worker);
}

static void worker_again(void)
{
	ts_worker_kill(worker);
	worker = ts_worker_start(KK_ROLE_network, &config);
}

/* --- what is asked for --- */

#define SPACE(r, s) .realm = S(r), .space = S(s)
#define CELL(c) .realm = S("r"), .space = S("s"), .stack = S("t"), .cell = S(c)

static const struct kk_rep_space_network_ensure *space_ensure(const char *space)
{
	return TS_ASK(worker, space_network_ensure, SPACE("r", space));
}

/* Of several containers, as it has all there is. */
static const struct kk_rep_cell_network_ensure *cell_ensure(const char *cell)
{
	return TS_ASK(worker, cell_network_ensure, CELL(cell), .is_shared = true);
}

/* --- what there is --- */

static char *space_file(const char *space, const char *name)
{
	return ts_text("%s/data/r/%s/%s", config.run_path, space, name);
}

static const char *string_at(const json_t *json, const char *key)
{
	return kk_str(json_string_value(json_object_get(json, key)));
}

static bool link_exists(const char *name)
{
	return ts_shell_ok("ip link show %s >/dev/null 2>&1", name);
}

/* @inside: a network namespace, or NULL for the one of the test. */
static const json_t *ip(const char *inside, const char *what)
{
	return inside ? ts_shell_json("nsenter --net=%s ip -j -d %s", inside, what) :
			ts_shell_json("ip -j -d %s", what);
}

static const json_t *link_of(const char *inside, const char *name)
{
	return json_array_get(ip(inside, ts_text("address show dev %s", name)), 0);
}

static json_int_t link_index(const char *inside, const char *name)
{
	return json_integer_value(json_object_get(link_of(inside, name), "ifindex"));
}

static bool link_is_up(const json_t *link)
{
	const json_t *flags = json_object_get(link, "flags"), *flag;
	size_t i;

	json_array_foreach (flags, i, flag) {
		if (strcmp(json_string_value(flag), "UP") == 0)
			return true;
	}
	return false;
}

/* The IPv4 addresses of a link, "10.200.0.1/24 …". */
static char *addresses_of(const char *inside, const char *name)
{
	const json_t *list = json_object_get(link_of(inside, name), "addr_info"), *entry;
	char *text = S("");
	size_t i;

	json_array_foreach (list, i, entry) {
		if (strcmp(string_at(entry, "family"), "inet") == 0)
			text = ts_text("%s%s%s/%d", text, *text ? " " : "",
				string_at(entry, "local"),
				(int)json_integer_value(json_object_get(entry, "prefixlen")));
	}
	return text;
}

/* The other end of the cell's eth0, on the host. */
static char *veth_of(const char *netns)
{
	json_int_t peer = json_integer_value(json_object_get(link_of(netns, "eth0"), "link_index"));
	const json_t *links = ip(NULL, "link show"), *link;
	size_t i;

	json_array_foreach (links, i, link) {
		if (json_integer_value(json_object_get(link, "ifindex")) == peer)
			return ts_text("%s", string_at(link, "ifname"));
	}
	ck_abort_msg("eth0 has no other end here");
	return NULL;
}

static char *default_route(const char *netns)
{
	const json_t *route = json_array_get(ip(netns, "route show default"), 0);

	return ts_text("%s dev %s", string_at(route, "gateway"), string_at(route, "dev"));
}

/* One object of our table: kind "set", "chain", …; NULL where it has none of that name. */
static const json_t *rule_object(const char *kind, const char *name)
{
	const json_t *list =
		json_object_get(ts_shell_json("nft -j list table inet %s", config.nft_table),
			"nftables");
	const json_t *entry;
	size_t i;

	json_array_foreach (list, i, entry) {
		const json_t *object = json_object_get(entry, kind);

		if (object && strcmp(string_at(object, "name"), name) == 0)
			return object;
	}
	return NULL;
}

static bool set_has(const char *set, const char *element)
{
	const json_t *elements = json_object_get(rule_object("set", set), "elem");
	kk_auto_free char *text = elements ? json_dumps(elements, 0) : NULL;

	return text && strstr(text, ts_text("\"%s\"", element));
}

static char *rules_text(void)
{
	return ts_shell("nft -a list table inet %s", config.nft_table);
}

static bool table_exists(void)
{
	return ts_shell_ok("nft list table inet %s >/dev/null 2>&1", config.nft_table);
}

static bool is_pinned(const char *path, const char *kind)
{
	const char *own = ts_text("/proc/self/ns/%s", kind);
	struct stat pinned, ours;

	/* Namespaces have an inode each, all on one device. */
	return stat(path, &pinned) == 0 && stat(own, &ours) == 0 && pinned.st_dev == ours.st_dev &&
		pinned.st_ino != ours.st_ino;
}

static char *lease_file(const char *network, const char *ip_text)
{
	return ts_text(LEASES "/%s/%s", network, ip_text);
}

static bool pings(const char *inside, const char *address)
{
	return ts_shell_ok("nsenter --net=%s ping -c 1 -W 2 %s >/dev/null", inside, address);
}

static bool mode_is(const char *path, mode_t mode)
{
	struct stat st;

	return stat(path, &st) == 0 && (st.st_mode & 07777) == mode;
}

static ino_t inode_of(const char *path)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	return st.st_ino;
}

/* --- spaces --- */

START_TEST(space_has_all)
{
	const struct kk_rep_space_network_ensure *made;
	const json_t *bridge, *plugin, *json;

	ts_file_put("/proc/sys/net/ipv4/ip_forward", "0\n");
	made = space_ensure("s");
	ck_assert(made->is_created);
	ck_assert_str_eq(made->network, "r-s");
	ck_assert_str_eq(made->subnet, "10.200.0.0/24");
	ck_assert_str_eq(made->conflist, space_file("s", "network.conflist"));
	bridge = link_of(NULL, made->bridge);
	ck_assert_str_eq(string_at(json_object_get(bridge, "linkinfo"), "info_kind"), "bridge");
	ck_assert_str_eq(string_at(bridge, "ifalias"), ts_text("kukeon:%s:r/s", config.instance));
	ck_assert(link_is_up(bridge));
	ck_assert_str_eq(addresses_of(NULL, made->bridge), "10.200.0.1/24");
	ck_assert_int_eq(ts_file("/proc/sys/net/ipv4/ip_forward")[0], '1');
	json = ts_shell_json("cat %s", space_file("s", "network.json"));
	ck_assert_str_eq(string_at(json, "version"), "v1");
	ck_assert_str_eq(string_at(json, "subnetCIDR"), "10.200.0.0/24");
	ck_assert_str_eq(string_at(json, "network"), "r-s");
	ck_assert_str_eq(string_at(json, "bridge"), made->bridge);
	ck_assert(mode_is(space_file("s", "network.json"), 0600));
	json = ts_shell_json("cat %s", made->conflist);
	ck_assert_str_eq(string_at(json, "name"), "r-s");
	plugin = json_array_get(json_object_get(json, "plugins"), 0);
	ck_assert_str_eq(string_at(plugin, "type"), "bridge");
	ck_assert_str_eq(string_at(plugin, "bridge"), made->bridge);
	json = json_object_get(plugin, "ipam");
	ck_assert_str_eq(string_at(json, "type"), "host-local");
	json = json_array_get(json_array_get(json_object_get(json, "ranges"), 0), 0);
	ck_assert_str_eq(string_at(json, "subnet"), "10.200.0.0/24");
	ck_assert(mode_is(made->conflist, 0600));
}
END_TEST

START_TEST(space_has_rules)
{
	const char *bridge = space_ensure("s")->bridge;
	const json_t *chain;

	ck_assert(set_has("subnets", "10.200.0.0"));
	ck_assert(set_has("bridges", bridge));
	ck_assert(set_has("within", bridge));
	chain = rule_object("chain", "outgoing");
	ck_assert_str_eq(string_at(chain, "type"), "nat");
	ck_assert_str_eq(string_at(chain, "hook"), "postrouting");
	chain = rule_object("chain", "between");
	ck_assert_str_eq(string_at(chain, "type"), "filter");
	ck_assert_str_eq(string_at(chain, "hook"), "forward");
	ck_assert_str_eq(string_at(chain, "policy"), "accept");
	ck_assert_ptr_nonnull(strstr(rules_text(), "masquerade"));
}
END_TEST

START_TEST(space_repeats)
{
	const struct kk_rep_space_network_ensure *first = space_ensure("s"), *again;
	json_int_t index = link_index(NULL, first->bridge);
	ino_t record = inode_of(space_file("s", "network.json"));
	ino_t conflist = inode_of(first->conflist);
	char *rules = rules_text();

	again = space_ensure("s");
	ck_assert(first->is_created && !again->is_created);
	ck_assert_str_eq(again->network, first->network);
	ck_assert_str_eq(again->bridge, first->bridge);
	ck_assert_str_eq(again->subnet, first->subnet);
	ck_assert_str_eq(again->conflist, first->conflist);
	ck_assert_int_eq(link_index(NULL, first->bridge), index);
	ck_assert_uint_eq(inode_of(space_file("s", "network.json")), record);
	ck_assert_uint_eq(inode_of(first->conflist), conflist);
	ck_assert_str_eq(rules_text(), rules);
	ck_assert_str_eq(addresses_of(NULL, first->bridge), "10.200.0.1/24");
	/* A worker that never heard of it does the same. */
	worker_again();
	again = space_ensure("s");
	ck_assert(!again->is_created);
	ck_assert_int_eq(link_index(NULL, first->bridge), index);
	ck_assert_str_eq(rules_text(), rules);
}
END_TEST

START_TEST(space_get_tells)
{
	const struct kk_rep_space_network_ensure *made;
	const struct kk_rep_space_network_get *got =
		TS_ASK(worker, space_network_get, SPACE("r", "s"));

	ck_assert(!got->exists);
	made = space_ensure("s");
	got = TS_ASK(worker, space_network_get, SPACE("r", "s"));
	ck_assert(got->exists);
	ck_assert_str_eq(got->network, made->network);
	ck_assert_str_eq(got->bridge, made->bridge);
	ck_assert_str_eq(got->subnet, made->subnet);
	ck_assert(!TS_ASK(worker, space_network_get, SPACE("r", "other"))->exists);
	ck_assert(!TS_ASK(worker, space_network_get, SPACE("other", "s"))->exists);
}
END_TEST

START_TEST(space_remove_takes_all)
{
	const struct kk_rep_space_network_ensure *one = space_ensure("s"), *two = space_ensure("u");

	ts_shell("mkdir -p " LEASES "/r-s && echo x >" LEASES "/r-s/10.200.0.9");
	ck_assert(TS_ASK(worker, space_network_remove, SPACE("r", "s"))->was_present);
	ck_assert(!link_exists(one->bridge));
	ck_assert(!ts_exists(one->conflist));
	ck_assert(!ts_exists(space_file("s", "network.json")));
	ck_assert(!ts_exists(LEASES "/r-s"));
	/* The other space does not notice. */
	ck_assert(link_exists(two->bridge));
	ck_assert(!set_has("bridges", one->bridge) && !set_has("within", one->bridge));
	ck_assert(!set_has("subnets", "10.200.0.0"));
	ck_assert(set_has("bridges", two->bridge) && set_has("subnets", "10.200.1.0"));
	ck_assert(!TS_ASK(worker, space_network_remove, SPACE("r", "s"))->was_present);
	ck_assert(!TS_ASK(worker, space_network_remove, SPACE("r", "never"))->was_present);
	ck_assert(TS_ASK(worker, space_network_remove, SPACE("r", "u"))->was_present);
	ck_assert(!table_exists());
	ck_assert(!link_exists(two->bridge));
}
END_TEST

/* Half of it went before: the removal takes the other half. */
START_TEST(space_remove_finishes)
{
	const struct kk_rep_space_network_ensure *made = space_ensure("s");

	ts_shell("ip link del %s && nft delete table inet %s && rm %s", made->bridge,
		config.nft_table, made->conflist);
	ck_assert(TS_ASK(worker, space_network_remove, SPACE("r", "s"))->was_present);
	ck_assert(!ts_exists(space_file("s", "network.json")));
}
END_TEST

/* --- choosing subnets and names --- */

START_TEST(spaces_have_subnets_of_their_own)
{
	ck_assert_str_eq(space_ensure("a")->subnet, "10.200.0.0/24");
	ck_assert_str_eq(space_ensure("b")->subnet, "10.200.1.0/24");
	ck_assert_str_eq(TS_ASK(worker, space_network_ensure, SPACE("q", "a"))->subnet,
		"10.200.2.0/24");
	TS_ASK(worker, space_network_remove, SPACE("r", "a"));
	ck_assert_str_eq(space_ensure("c")->subnet, "10.200.0.0/24");
	ck_assert_str_eq(space_ensure("b")->subnet, "10.200.1.0/24");
}
END_TEST

/* What is only in a record is taken as well: its bridge may be down. */
START_TEST(subnets_of_records_are_taken)
{
	const char *bridge = space_ensure("a")->bridge;

	ts_shell("ip link del %s", bridge);
	ck_assert_str_eq(space_ensure("b")->subnet, "10.200.1.0/24");
}
END_TEST

START_TEST(subnets_avoid_the_host)
{
	ts_shell("ip link add host0 type bridge && ip link set host0 up &&"
		 "ip address add 10.200.0.1/24 dev host0 &&"
		 "ip route add 10.200.1.128/25 dev host0 &&"
		 "ip route add 10.200.2.0/23 dev host0 &&"
		 "ip route add blackhole 10.200.4.7 &&"
		 "ip route add 10.200.5.0/24 dev host0 table 77 &&"
		 "ip route add default dev host0");
	ck_assert_str_eq(space_ensure("s")->subnet, "10.200.6.0/24");
	ts_shell("ip link del host0");
	/* What was chosen once stays. */
	ck_assert_str_eq(space_ensure("s")->subnet, "10.200.6.0/24");
}
END_TEST

/* An address is one although its link is down for the moment. */
START_TEST(subnets_avoid_addresses)
{
	ts_shell("ip link add host0 type bridge && ip address add 10.200.0.1/24 dev host0");
	ck_assert_str_eq(space_ensure("s")->subnet, "10.200.1.0/24");
}
END_TEST

static void pool_set(const char *cidr)
{
	ts_worker_stop(worker);
	config.pod_subnet_cidr = S(cidr);
	worker = ts_worker_start(KK_ROLE_network, &config);
}

START_TEST(pool_ends)
{
	struct kk_err err = {0};

	pool_set("10.201.8.0/23");
	ck_assert_str_eq(space_ensure("a")->subnet, "10.201.8.0/24");
	ck_assert_str_eq(space_ensure("b")->subnet, "10.201.9.0/24");
	ck_assert_int_eq(TS_REFUSED(worker, &err, space_network_ensure, SPACE("r", "c")),
		KK_E_SUBNET_EXHAUSTED);
	ck_assert_str_eq(ts_err_text(&err),
		"give space 'c' a network: every /24 of podSubnetCIDR 10.201.8.0/23 is taken by a "
		"space or a route of the host");
	ck_assert(!ts_exists(space_file("c", "network.json")));
	ck_assert(!TS_ASK(worker, space_network_get, SPACE("r", "c"))->exists);
	TS_ASK(worker, space_network_remove, SPACE("r", "a"));
	ck_assert_str_eq(space_ensure("c")->subnet, "10.201.8.0/24");
}
END_TEST

/* Names that would make the same network do not. */
START_TEST(networks_are_told_apart)
{
	const struct kk_rep_space_network_ensure *one, *two;

	one = TS_ASK(worker, space_network_ensure, SPACE("a-b", "c"));
	two = TS_ASK(worker, space_network_ensure, SPACE("a", "b-c"));
	ck_assert_str_eq(one->network, "a-b-c");
	ck_assert_str_ne(one->network, two->network);
	ck_assert_str_ne(one->bridge, two->bridge);
	ck_assert_str_ne(one->subnet, two->subnet);
	ck_assert_str_eq(TS_ASK(worker, space_network_ensure, SPACE("a", "b-c"))->network,
		two->network);
}
END_TEST

/* A bridge of that name belongs to somebody else: it is left alone. */
START_TEST(bridges_of_others_stay)
{
	const struct kk_rep_space_network_ensure *made = space_ensure("s");
	const char *taken = made->bridge;

	TS_ASK(worker, space_network_remove, SPACE("r", "s"));
	for (const char *const *alias = (const char *const[]){"someone", "", NULL}; *alias;
		alias++) {
		ts_shell("ip link add %s type bridge", taken);
		if (**alias)
			ts_shell("ip link set %s alias %s", taken, *alias);
		made = space_ensure("s");
		ck_assert_str_ne(made->bridge, taken);
		ck_assert(!space_ensure("s")->is_created);
		ck_assert_str_eq(space_ensure("s")->bridge, made->bridge);
		ck_assert_str_eq(addresses_of(NULL, taken), "");
		TS_ASK(worker, space_network_remove, SPACE("r", "s"));
		ck_assert(link_exists(taken) && !link_exists(made->bridge));
		ts_shell("ip link del %s", taken);
	}
}
END_TEST

/* --- repair of spaces --- */

START_TEST(space_repairs_its_bridge)
{
	const struct kk_rep_space_network_ensure *made = space_ensure("s"), *again;

	ts_shell("ip link del %s", made->bridge);
	again = space_ensure("s");
	ck_assert(!again->is_created);
	ck_assert_str_eq(again->bridge, made->bridge);
	ck_assert_str_eq(again->subnet, made->subnet);
	ck_assert_str_eq(addresses_of(NULL, made->bridge), "10.200.0.1/24");
	ck_assert_str_eq(string_at(link_of(NULL, made->bridge), "ifalias"),
		ts_text("kukeon:%s:r/s", config.instance));
	ts_shell("ip link set %s alias ''", made->bridge);
	space_ensure("s");
	ck_assert_str_eq(string_at(link_of(NULL, made->bridge), "ifalias"),
		ts_text("kukeon:%s:r/s", config.instance));
	ts_shell("ip address flush dev %s && ip link set %s down", made->bridge, made->bridge);
	space_ensure("s");
	ck_assert(link_is_up(link_of(NULL, made->bridge)));
	ck_assert_str_eq(addresses_of(NULL, made->bridge), "10.200.0.1/24");
}
END_TEST

START_TEST(space_repairs_its_table)
{
	const struct kk_rep_space_network_ensure *one = space_ensure("s"), *two = space_ensure("u");

	ts_shell("nft delete table inet %s", config.nft_table);
	space_ensure("s");
	ck_assert(set_has("bridges", one->bridge) && set_has("subnets", "10.200.0.0"));
	ck_assert_ptr_nonnull(strstr(rules_text(), "masquerade"));
	space_ensure("u");
	ck_assert(set_has("bridges", two->bridge) && set_has("subnets", "10.200.1.0"));
	ts_shell("nft delete element inet %s bridges '{ \"%s\" }'", config.nft_table, one->bridge);
	space_ensure("s");
	ck_assert(set_has("bridges", one->bridge));
}
END_TEST

START_TEST(space_repairs_its_conflist)
{
	const struct kk_rep_space_network_ensure *made = space_ensure("s");
	char *text = ts_file(made->conflist);

	ck_assert_int_eq(unlink(made->conflist), 0);
	space_ensure("s");
	ck_assert_str_eq(ts_file(made->conflist), text);
	ts_file_put(made->conflist, "{}");
	space_ensure("s");
	ck_assert_str_eq(ts_file(made->conflist), text);
	ck_assert(mode_is(made->conflist, 0600));
}
END_TEST

/* Guessing would hand one subnet to two spaces. */
START_TEST(damaged_records_are_refused)
{
	static const char *const texts[] = {"", "{", "null", "[]", "{}", "{\"subnetCIDR\":5}",
		"{\"subnetCIDR\":\"10.200.0.0\"}", "{\"subnetCIDR\":\"10.200.0.0/33\"}",
		"{\"subnetCIDR\":\"10.200.0/24\"}", "{\"subnetCIDR\":\"10.200.0.0/24x\"}",
		"{\"subnetCIDR\":\"10.200.0.0/24\",\"bridge\":\"k-0123456789abcdef\"}"};
	char *path = space_file("s", "network.json");
	struct kk_err err = {0};

	space_ensure("s");
	space_ensure("u");
	for (size_t i = 0; i < KK_COUNT(texts); i++) {
		ts_file_put(path, texts[i]);
		ck_assert_msg(TS_REFUSED(worker, &err, space_network_ensure, SPACE("r", "s")) ==
				KK_E_NETWORK,
			"%s", texts[i]);
		ck_assert_str_eq(ts_err_text(&err),
			ts_text("%s is damaged; restore it, or remove it once no cell of the "
				"space runs",
				path));
		ck_assert_int_eq(TS_REFUSED(worker, &err, space_network_get, SPACE("r", "s")),
			KK_E_NETWORK);
		ck_assert_int_eq(TS_REFUSED(worker, &err, space_network_remove, SPACE("r", "s")),
			KK_E_NETWORK);
		ck_assert_int_eq(TS_REFUSED(worker, &err, cell_network_ensure, CELL("c")),
			KK_E_NETWORK);
		/* Its subnet is unknown, so no new one can be given. */
		ck_assert_int_eq(TS_REFUSED(worker, &err, space_network_ensure, SPACE("r", "new")),
			KK_E_NETWORK);
		ck_assert_str_eq(ts_file(path), texts[i]);
		/* Who has one goes on. */
		ck_assert_str_eq(space_ensure("u")->subnet, "10.200.1.0/24");
	}
	/* As an older release wrote it. */
	ts_file_put(path, "{\"version\":\"v1\",\"subnetCIDR\":\"10.200.0.0/24\"}");
	ck_assert_str_eq(space_ensure("s")->network, "r-s");
}
END_TEST

/* --- cells --- */

START_TEST(cell_has_all)
{
	const struct kk_rep_cell_network_ensure *made = cell_ensure("c");
	const struct kk_rep_space_network_get *space =
		TS_ASK(worker, space_network_get, SPACE("r", "s"));
	const json_t *veth, *eth0;
	char *name;

	ck_assert(made->is_created && space->exists);
	ck_assert_str_eq(made->ip, "10.200.0.2");
	ck_assert_str_eq(made->gateway, "10.200.0.1");
	ck_assert_str_eq(made->bridge, space->bridge);
	ck_assert(is_pinned(made->netns_path, "net"));
	ck_assert(is_pinned(made->utsns_path, "uts"));
	ck_assert(is_pinned(made->ipcns_path, "ipc"));
	ck_assert_str_eq(ts_shell("nsenter --uts=%s hostname", made->utsns_path), "c\n");
	/* Processes in other mount namespaces (containerd, its shims) see what is pinned later. */
	ck_assert(ts_shell_ok("grep -q ' %s/netns .* shared:' /proc/self/mountinfo",
		config.runtime_dir));
	eth0 = link_of(made->netns_path, "eth0");
	ck_assert(link_is_up(eth0));
	ck_assert_str_eq(addresses_of(made->netns_path, "eth0"), "10.200.0.2/24");
	ck_assert_str_eq(string_at(json_array_get(json_object_get(eth0, "addr_info"), 0),
				 "broadcast"),
		"10.200.0.255");
	ck_assert_str_eq(default_route(made->netns_path), "10.200.0.1 dev eth0");
	ck_assert(link_is_up(link_of(made->netns_path, "lo")));
	name = veth_of(made->netns_path);
	veth = link_of(NULL, name);
	ck_assert(link_is_up(veth));
	ck_assert_str_eq(string_at(veth, "master"), made->bridge);
	ck_assert_str_eq(string_at(veth, "ifalias"), ts_text("kukeon:%s:r/s/t/c", config.instance));
	ck_assert(pings(made->netns_path, "10.200.0.1"));
}
END_TEST

static void cell_expect_whole(const struct kk_rep_cell_network_ensure *made, const char *why);

/* What nobody shares is not kept: each mount is read by whoever starts a container. */
START_TEST(a_single_container_has_its_own)
{
	const struct kk_rep_cell_network_ensure *made =
		TS_ASK(worker, cell_network_ensure, CELL("c"));

	ck_assert(is_pinned(made->netns_path, "net"));
	ck_assert_str_eq(kk_str(made->utsns_path), "");
	ck_assert_str_eq(kk_str(made->ipcns_path), "");
	ck_assert_str_eq(ts_shell("ls %s/netns | wc -l", config.runtime_dir), "1\n");
	cell_expect_whole(made, "as made");
	/* It gets company. */
	made = cell_ensure("c");
	ck_assert(!made->is_created);
	ck_assert(is_pinned(made->utsns_path, "uts") && is_pinned(made->ipcns_path, "ipc"));
	cell_expect_whole(made, "shared");
	/* And loses it. */
	made = TS_ASK(worker, cell_network_ensure, CELL("c"));
	ck_assert_str_eq(kk_str(made->utsns_path), "");
	ck_assert_str_eq(ts_shell("ls %s/netns | wc -l", config.runtime_dir), "1\n");
	TS_ASK(worker, cell_network_remove, CELL("c"));
	ck_assert(!ts_shell_ok("ls %s/netns/* >/dev/null 2>&1", config.runtime_dir));
}
END_TEST

START_TEST(cell_has_a_lease)
{
	cell_ensure("c");
	ck_assert_str_eq(ts_file(LEASES "/r-s/10.200.0.2"), "s_t_c_root\r\neth0");
	ck_assert_str_eq(ts_file(LEASES "/r-s/last_reserved_ip.0"), "10.200.0.2");
	ck_assert(ts_exists(LEASES "/r-s/lock"));
	ck_assert_str_eq(cell_ensure("d")->ip, "10.200.0.3");
	ck_assert_str_eq(ts_file(LEASES "/r-s/10.200.0.3"), "s_t_d_root\r\neth0");
	ck_assert_str_eq(ts_file(LEASES "/r-s/last_reserved_ip.0"), "10.200.0.3");
	/* An address that was given back rests while there are others. */
	TS_ASK(worker, cell_network_remove, CELL("c"));
	ck_assert(!ts_exists(LEASES "/r-s/10.200.0.2"));
	ck_assert_str_eq(cell_ensure("e")->ip, "10.200.0.4");
}
END_TEST

static void resolver_set(const char *text)
{
	char *path = ts_text("%s/resolv.conf", ts_run()->dir);

	ts_file_put(path, text);
	ck_assert_int_eq(mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL), 0);
}

START_TEST(cell_has_files)
{
	const struct kk_rep_cell_network_ensure *made;
	const char *dir;
	ino_t hosts;

	resolver_set("# made by the test\nnameserver 192.0.2.53\nsearch example.net\n");
	made = cell_ensure("c");
	dir = made->files_dir;
	ck_assert_str_eq(dir, ts_text("%s/cells/r/s/t/c", config.runtime_dir));
	ck_assert_str_eq(ts_file(ts_text("%s/etc-hostname", dir)), "c\n");
	ck_assert_str_eq(ts_file(ts_text("%s/etc-hosts", dir)),
		"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n10.200.0.2\tc\n");
	ck_assert_str_eq(ts_file(ts_text("%s/etc-resolv.conf", dir)),
		"# made by the test\nnameserver 192.0.2.53\nsearch example.net\n");
	ck_assert(mode_is(ts_text("%s/etc-hosts", dir), 0644));
	/* Mounted in containers: the file stays the same one. */
	hosts = inode_of(ts_text("%s/etc-hosts", dir));
	ts_file_put(ts_text("%s/etc-hosts", dir), "tampered");
	cell_ensure("c");
	ck_assert_uint_eq(inode_of(ts_text("%s/etc-hosts", dir)), hosts);
	ck_assert_ptr_nonnull(strstr(ts_file(ts_text("%s/etc-hosts", dir)), "10.200.0.2\tc\n"));
}
END_TEST

START_TEST(cell_repeats)
{
	const struct kk_rep_cell_network_ensure *first = cell_ensure("c"), *again;
	json_int_t index = link_index(NULL, veth_of(first->netns_path));
	ino_t netns = inode_of(first->netns_path);
	ino_t lease = inode_of(lease_file("r-s", first->ip));

	for (int i = 0; i < 2; i++) {
		again = cell_ensure("c");
		ck_assert(!again->is_created);
		ck_assert_str_eq(again->ip, first->ip);
		ck_assert_str_eq(again->gateway, first->gateway);
		ck_assert_str_eq(again->bridge, first->bridge);
		ck_assert_str_eq(again->netns_path, first->netns_path);
		ck_assert_str_eq(again->files_dir, first->files_dir);
		ck_assert_uint_eq(inode_of(first->netns_path), netns);
		ck_assert_uint_eq(inode_of(lease_file("r-s", first->ip)), lease);
		ck_assert_int_eq(link_index(NULL, veth_of(first->netns_path)), index);
		ck_assert_str_eq(addresses_of(first->netns_path, "eth0"), "10.200.0.2/24");
		worker_again();
	}
	ck_assert_str_eq(ts_shell("ls " LEASES "/r-s"), "10.200.0.2\nlast_reserved_ip.0\nlock\n");
}
END_TEST

static bool is_gone(void *arg)
{
	return !link_exists(arg);
}

START_TEST(cell_remove_takes_all)
{
	const struct kk_rep_cell_network_ensure *c = cell_ensure("c"), *d = cell_ensure("d");
	const struct kk_rep_cell_network_get *got = TS_ASK(worker, cell_network_get, CELL("c"));
	char *veth = veth_of(c->netns_path);

	ck_assert(got->exists);
	ck_assert_str_eq(got->ip, c->ip);
	ck_assert_str_eq(got->bridge, c->bridge);
	ck_assert(TS_ASK(worker, cell_network_remove, CELL("c"))->was_present);
	ck_assert(!ts_exists(c->netns_path) && !ts_exists(c->utsns_path) &&
		!ts_exists(c->ipcns_path));
	ck_assert(!ts_exists(lease_file("r-s", c->ip)));
	/* The link goes with its namespace, in the kernel's own time. */
	ck_assert(ts_until(is_gone, veth, LIMIT_MS));
	ck_assert(!TS_ASK(worker, cell_network_get, CELL("c"))->exists);
	ck_assert(!TS_ASK(worker, cell_network_remove, CELL("c"))->was_present);
	ck_assert(!TS_ASK(worker, cell_network_remove, CELL("never"))->was_present);
	ck_assert(pings(d->netns_path, "10.200.0.1"));
	/* The last one takes the shared directory with it. */
	ck_assert(TS_ASK(worker, cell_network_remove, CELL("d"))->was_present);
	ck_assert(!ts_shell_ok("grep -q %s /proc/self/mountinfo", config.run_path));
	ck_assert_str_eq(ts_shell("ls " LEASES "/r-s"), "last_reserved_ip.0\nlock\n");
	ck_assert(TS_ASK(worker, space_network_remove, SPACE("r", "s"))->was_present);
	ck_assert_str_eq(ts_shell("ls " LEASES), "");
}
END_TEST

START_TEST(cell_on_the_host)
{
	const struct kk_rep_cell_network_ensure *made =
		TS_ASK(worker, cell_network_ensure, CELL("c"), .is_host = true);

	ck_assert_str_eq(kk_str(made->ip), "");
	ck_assert_str_eq(kk_str(made->netns_path), "");
	ck_assert_str_eq(ts_file(ts_text("%s/etc-hostname", made->files_dir)),
		ts_shell("hostname"));
	ck_assert_str_eq(ts_file(ts_text("%s/etc-hosts", made->files_dir)),
		"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
	ck_assert(!TS_ASK(worker, cell_network_get, CELL("c"))->exists);
}
END_TEST

START_TEST(leases_of_others_are_respected)
{
	ts_shell("mkdir -p " LEASES "/r-s && cd " LEASES "/r-s &&"
		 "for i in 2 3 5; do printf 'podman_%%s\\r\\neth0' $i >10.200.0.$i; done");
	ck_assert_str_eq(cell_ensure("c")->ip, "10.200.0.4");
	ck_assert_str_eq(cell_ensure("d")->ip, "10.200.0.6");
	ck_assert_str_eq(ts_file(LEASES "/r-s/10.200.0.2"), "podman_2\r\neth0");
	/* Round robin from where anyone was last, as host-local does it. */
	ts_file_put(LEASES "/r-s/last_reserved_ip.0", "10.200.0.253");
	ck_assert_str_eq(cell_ensure("e")->ip, "10.200.0.254");
	ck_assert_str_eq(cell_ensure("f")->ip, "10.200.0.7");
	/* A lease that is ours already, from before the reboot or from the reference release. */
	ts_shell("printf 's_t_old_root\\r\\neth0' >" LEASES "/r-s/10.200.0.77");
	ck_assert_str_eq(cell_ensure("old")->ip, "10.200.0.77");
	TS_ASK(worker, cell_network_remove, CELL("c"));
	ck_assert(ts_exists(LEASES "/r-s/10.200.0.2") && ts_exists(LEASES "/r-s/10.200.0.5"));
}
END_TEST

/* What is left of someone who died between making the file and writing its owner into it. */
START_TEST(empty_leases_are_nobodys)
{
	ts_shell("mkdir -p " LEASES "/r-s && : >" LEASES "/r-s/10.200.0.2");
	ck_assert_str_eq(cell_ensure("c")->ip, "10.200.0.2");
	ck_assert_str_eq(ts_file(LEASES "/r-s/10.200.0.2"), "s_t_c_root\r\neth0");
}
END_TEST

START_TEST(addresses_end)
{
	struct kk_err err = {0};

	ts_shell("mkdir -p " LEASES "/r-s && cd " LEASES "/r-s &&"
		 "for i in $(seq 2 253); do echo other >10.200.0.$i; done");
	ck_assert_str_eq(cell_ensure("c")->ip, "10.200.0.254");
	ck_assert_int_eq(TS_REFUSED(worker, &err, cell_network_ensure, CELL("d")),
		KK_E_SUBNET_EXHAUSTED);
	ck_assert_str_eq(ts_err_text(&err),
		"connect cell 'd': all 253 addresses of network 'r-s' are taken");
	/* Nothing of the attempt is left. */
	ck_assert_str_eq(ts_shell("ls %s/netns | wc -l", config.runtime_dir), "3\n");
	ck_assert(!TS_ASK(worker, cell_network_get, CELL("d"))->exists);
	ck_assert_str_eq(ts_shell("ip -o link | grep -c kv"), "1\n");
	TS_ASK(worker, cell_network_remove, CELL("c"));
	ck_assert_str_eq(cell_ensure("d")->ip, "10.200.0.254");
}
END_TEST

/* --- repair of cells --- */

static void cell_expect_whole(const struct kk_rep_cell_network_ensure *made, const char *why)
{
	const struct kk_rep_cell_network_ensure *again = cell_ensure("c");

	ck_assert_msg(!again->is_created, "%s", why);
	ck_assert_str_eq(again->ip, made->ip);
	ck_assert_str_eq(addresses_of(made->netns_path, "eth0"), "10.200.0.2/24");
	ck_assert_str_eq(default_route(made->netns_path), "10.200.0.1 dev eth0");
	ck_assert_str_eq(string_at(link_of(NULL, veth_of(made->netns_path)), "ifalias"),
		ts_text("kukeon:%s:r/s/t/c", config.instance));
	ck_assert_msg(link_is_up(link_of(made->netns_path, "lo")), "%s", why);
	ck_assert_msg(pings(made->netns_path, "10.200.0.1"), "%s", why);
}

START_TEST(cell_repairs_its_link)
{
	const struct kk_rep_cell_network_ensure *made = cell_ensure("c");
	const char *netns = made->netns_path;

	ts_shell("ip link del %s", veth_of(netns));
	cell_expect_whole(made, "veth deleted");
	ts_shell("nsenter --net=%s ip link del eth0", netns);
	cell_expect_whole(made, "eth0 deleted");
	ts_shell("ip link set %s nomaster", veth_of(netns));
	cell_expect_whole(made, "off its bridge");
	ts_shell("ip link set %s alias ''", veth_of(netns));
	cell_expect_whole(made, "said no more whose it is");
	ts_shell("ip link del %s", made->bridge);
	cell_expect_whole(made, "bridge deleted");
	ts_shell("nsenter --net=%s ip link set eth0 down", netns);
	cell_expect_whole(made, "eth0 down");
	ts_shell("nsenter --net=%s ip link set lo down", netns);
	cell_expect_whole(made, "lo down");
	ts_shell("nsenter --net=%s ip address flush dev eth0", netns);
	cell_expect_whole(made, "address gone");
	ts_shell("nsenter --net=%s ip route del default", netns);
	cell_expect_whole(made, "route gone");
}
END_TEST

START_TEST(cell_repairs_its_namespaces)
{
	const struct kk_rep_cell_network_ensure *made = cell_ensure("c"), *again;
	ino_t netns = inode_of(made->netns_path);

	ck_assert_int_eq(umount2(made->netns_path, MNT_DETACH), 0);
	ck_assert(!TS_ASK(worker, cell_network_get, CELL("c"))->exists);
	again = cell_ensure("c");
	ck_assert(again->is_created);
	ck_assert_str_eq(again->ip, made->ip);
	ck_assert_str_eq(again->netns_path, made->netns_path);
	ck_assert(is_pinned(made->netns_path, "net") && is_pinned(made->utsns_path, "uts"));
	ck_assert_uint_ne(inode_of(made->netns_path), netns);
	cell_expect_whole(made, "netns unmounted");
	ck_assert_int_eq(umount2(made->utsns_path, MNT_DETACH), 0);
	ck_assert_int_eq(unlink(made->utsns_path), 0);
	ck_assert(!cell_ensure("c")->is_created);
	ck_assert_str_eq(ts_shell("nsenter --uts=%s hostname", made->utsns_path), "c\n");
	cell_expect_whole(made, "utsns unmounted");
}
END_TEST

/* A directory in the way of a file: a clear error, and nothing half made stays. */
START_TEST(cell_undoes_what_failed)
{
	char *dir = ts_text("%s/cells/r/s/t/c", config.runtime_dir);
	struct kk_err err = {0};

	ts_shell("mkdir -p %s/etc-hosts", dir);
	ck_assert_int_eq(TS_REFUSED(worker, &err, cell_network_ensure, CELL("c")), KK_E_IO);
	ck_assert_ptr_nonnull(strstr(ts_err_text(&err), "connect cell 'c': "));
	ck_assert_ptr_nonnull(strstr(ts_err_text(&err), "etc-hosts"));
	ck_assert(!ts_exists(LEASES "/r-s/10.200.0.2"));
	ck_assert(!ts_shell_ok("ls %s/netns/* >/dev/null 2>&1", config.runtime_dir));
	ck_assert(!ts_exists(dir));
	ck_assert(cell_ensure("c")->is_created);
}
END_TEST

/* --- traffic --- */

START_TEST(cells_reach_each_other)
{
	const struct kk_rep_cell_network_ensure *c = cell_ensure("c"), *d = cell_ensure("d");
	const struct kk_rep_cell_network_ensure *far;

	ck_assert(pings(c->netns_path, d->ip));
	ck_assert(pings(d->netns_path, c->ip));
	ck_assert(pings(c->netns_path, "127.0.0.1"));
	ck_assert(ts_shell_ok("ping -c 1 -W 2 %s >/dev/null", c->ip));
	far = TS_ASK(worker, cell_network_ensure, .realm = S("r"), .space = S("far"),
		.stack = S("t"), .cell = S("c"));
	ck_assert_str_eq(far->ip, "10.200.1.2");
	ck_assert(ts_shell_ok("ping -c 1 -W 2 %s >/dev/null", far->ip));
	ck_assert(!ts_shell_ok("nsenter --net=%s ping -c 1 -W 1 %s >/dev/null", c->netns_path,
		far->ip));
}
END_TEST

static int outside_run(void *arg)
{
	(void)arg;
	if (unshare(CLONE_NEWNET) < 0)
		return 1;
	for (;;)
		pause();
}

static bool is_outside(void *arg)
{
	return ts_shell_ok(
		"[ \"$(readlink /proc/%d/ns/net)\" != \"$(readlink /proc/self/ns/net)\" ]",
		*(pid_t *)arg);
}

/* A neighbour that knows no way back to the cell can answer only what was masqueraded. */
START_TEST(cells_are_masqueraded)
{
	pid_t outside = ts_child(outside_run, NULL);
	const struct kk_rep_cell_network_ensure *c = cell_ensure("c");

	ck_assert(ts_until(is_outside, &outside, LIMIT_MS));
	ts_shell("ip link add out0 type veth peer name in0 netns %1$d && ip link set out0 up &&"
		 "ip address add 192.0.2.1/24 dev out0 && nsenter -t %1$d -n ip link set in0 up &&"
		 "nsenter -t %1$d -n ip address add 192.0.2.2/24 dev in0",
		(int)outside);
	ck_assert(pings(c->netns_path, "192.0.2.2"));
	ts_shell("nft flush chain inet %s outgoing", config.nft_table);
	ck_assert(!ts_shell_ok("nsenter --net=%s ping -c 1 -W 1 192.0.2.2 >/dev/null",
		c->netns_path));
	kill(outside, SIGKILL);
	ts_child_status(outside);
}
END_TEST

/* --- regressions --- */

/* A rule is as easily deleted as a table. */
START_TEST(space_repairs_its_rules)
{
	static const char *const damage[] = {"flush chain inet $T outgoing",
		"flush chain inet $T between", "flush chain inet $T entering",
		"delete element inet $T subnets '{ 10.200.0.0/24 }'", "flush set inet $T within"};
	char *whole;

	space_ensure("s");
	whole = ts_shell("nft list table inet %s", config.nft_table);
	for (size_t i = 0; i < KK_COUNT(damage); i++) {
		ts_shell("T=%s; nft %s", config.nft_table, damage[i]);
		space_ensure("s");
		ck_assert_msg(strcmp(ts_shell("nft list table inet %s", config.nft_table), whole) ==
				0,
			"it is not whole after '%s'", damage[i]);
	}
}
END_TEST

/* Cells know their gateway by it: it must not follow the links that come and go. */
START_TEST(a_bridge_keeps_its_hardware_address)
{
	const char *bridge = space_ensure("s")->bridge, *names[] = {"a", "b", "c", "d"};
	char *address = ts_shell("ip -br link show %s | awk '{ print $3 }'", bridge);

	ck_assert_int_eq(strncmp(address, "02:", 3), 0);
	for (size_t i = 0; i < KK_COUNT(names); i++) {
		cell_ensure(names[i]);
		ck_assert_str_eq(ts_shell("ip -br link show %s | awk '{ print $3 }'", bridge),
			address);
	}
	for (size_t i = 0; i < KK_COUNT(names); i++) {
		TS_ASK(worker, cell_network_remove, CELL(names[i]));
		ck_assert_str_eq(ts_shell("ip -br link show %s | awk '{ print $3 }'", bridge),
			address);
	}
}
END_TEST

/* The cell has its address still: the lease must say so again. */
START_TEST(cell_repairs_its_lease)
{
	const struct kk_rep_cell_network_ensure *made = cell_ensure("c");

	ck_assert_int_eq(unlink(lease_file("r-s", made->ip)), 0);
	cell_expect_whole(made, "lease gone");
	ck_assert_str_eq(ts_file(lease_file("r-s", made->ip)), "s_t_c_root\r\neth0");
}
END_TEST

enum { ROUNDS = 20, SPACES = 4 };

/* Two instances on one host choose at the same time, and never the same. */
START_TEST(instances_choose_apart)
{
	struct kk_req_worker_start other = config;
	struct ts_worker *second;
	uint64_t ids[2][SPACES];
	char *twice = S("");

	for (int round = 0; round < ROUNDS && !*twice; round++) {
		ts_worker_kill(worker);
		worker = ts_worker_start(KK_ROLE_network, &config);
		other.instance = ts_text("%08x", (unsigned)round);
		other.nft_table = ts_text("kukeon_%s", other.instance);
		other.run_path = ts_text("%s/other%d.%d", ts_run()->dir, (int)getpid(), round);
		other.runtime_dir = ts_text("%s/run", other.run_path);
		second = ts_worker_start(KK_ROLE_network, &other);
		for (int i = 0; i < SPACES; i++) {
			char *name = ts_text("s%d-%d", round, i);

			ids[0][i] = TS_SEND(worker, space_network_ensure, SPACE("one", name));
			ids[1][i] = TS_SEND(second, space_network_ensure, SPACE("two", name));
		}
		for (int i = 0; i < SPACES; i++) {
			ts_worker_wait(worker, ids[0][i], NULL);
			ts_worker_wait(second, ids[1][i], NULL);
		}
		twice = ts_shell(
			"ip -4 -o address show scope global | awk '{ print $4 }' | sort | uniq -d");
		ts_worker_stop(second);
	}
	ck_assert_str_eq(twice, "");
}
END_TEST

static Suite *suite_make(void)
{
	Suite *suite = suite_create("network");
	TCase *space = tcase_create("space"), *choice = tcase_create("choice"),
	      *cell = tcase_create("cell"), *repair = tcase_create("repair"),
	      *traffic = tcase_create("traffic");
	TCase *const cases[] = {space, choice, cell, repair, traffic};

	for (size_t i = 0; i < KK_COUNT(cases); i++) {
		tcase_add_checked_fixture(cases[i], worker_begin, worker_end);
		tcase_set_timeout(cases[i], 60);
		suite_add_tcase(suite, cases[i]);
	}
	tcase_add_test(space, space_has_all);
	tcase_add_test(space, space_has_rules);
	tcase_add_test(space, space_repeats);
	tcase_add_test(space, space_get_tells);
	tcase_add_test(space, space_remove_takes_all);
	tcase_add_test(space, space_remove_finishes);
	tcase_add_test(choice, spaces_have_subnets_of_their_own);
	tcase_add_test(choice, subnets_of_records_are_taken);
	tcase_add_test(choice, subnets_avoid_the_host);
	tcase_add_test(choice, subnets_avoid_addresses);
	tcase_add_test(choice, pool_ends);
	tcase_add_test(choice, networks_are_told_apart);
	tcase_add_test(choice, bridges_of_others_stay);
	tcase_add_test(repair, space_repairs_its_bridge);
	tcase_add_test(repair, space_repairs_its_table);
	tcase_add_test(repair, space_repairs_its_conflist);
	tcase_add_test(repair, damaged_records_are_refused);
	tcase_add_test(cell, cell_has_all);
	tcase_add_test(cell, a_single_container_has_its_own);
	tcase_add_test(cell, cell_has_a_lease);
	tcase_add_test(cell, cell_has_files);
	tcase_add_test(cell, cell_repeats);
	tcase_add_test(cell, cell_remove_takes_all);
	tcase_add_test(cell, cell_on_the_host);
	tcase_add_test(cell, leases_of_others_are_respected);
	tcase_add_test(cell, empty_leases_are_nobodys);
	tcase_add_test(cell, addresses_end);
	tcase_add_test(repair, cell_repairs_its_link);
	tcase_add_test(repair, cell_repairs_its_namespaces);
	tcase_add_test(repair, cell_undoes_what_failed);
	tcase_add_test(repair, space_repairs_its_rules);
	tcase_add_test(repair, a_bridge_keeps_its_hardware_address);
	tcase_add_test(repair, cell_repairs_its_lease);
	tcase_add_test(choice, instances_choose_apart);
	tcase_add_test(traffic, cells_reach_each_other);
	tcase_add_test(traffic, cells_are_masqueraded);
	return suite;
}

int main(void)
{
	return ts_sandbox_run(suite_make);
}
