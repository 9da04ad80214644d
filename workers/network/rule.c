/* workers/network/rule.c - one table of our own holds all. A space is an element of its sets, so two spaces never touch
 * the same rule, and every change is one transaction. An egress policy is a chain of its own, to which the bridge leads,
 * for what is forwarded and for what is for the host itself. */
#include "net.h"

#include <stdlib.h>
#include <string.h>

#include <kukeon/buf.h>
#include <kukeon/json.h>
#include <kukeon/mem.h>

/* --- egress policies --- */

/* What tells one policy from another, in the comments of its rules: of two spaces with the same one as well, since
 * one of them may have lost its rules. */
static uint32_t policy_hash(const struct net_space *space)
{
	kk_auto_json *json = kk_json_encode(kk_schema_of_egress(), &space->egress, KK_JSON_API);
	kk_auto_free char *policy = json_dumps(json, JSON_COMPACT);
	kk_auto_buf text = {0};

	kk_buf_printf(&text, "%s %s", space->bridge, policy);
	for (size_t i = 0; i < space->hosts.n; i++)
		kk_buf_printf(&text, " %s %s", space->hosts.items[i].key,
			space->hosts.items[i].value);
	return net_hash32((char *)text.data);
}

/* Where a rule leads to, as nft reads it; NULL: nowhere that a cell could go. */
static const char *destination_of(const struct net_space *space, const struct kk_egress_rule *rule)
{
	if (!kk_str_empty(rule->host))
		return kk_map_get(&space->hosts, rule->host);
	return kk_egress_rule_is_ipv4(rule) ? rule->cidr : NULL;
}

static void allow_append(struct kk_buf *text, const struct net_space *space, uint32_t hash,
	size_t i)
{
	const struct kk_egress_rule *rule = &space->egress.allow.items[i];
	const char *destination = destination_of(space, rule);

	if (!destination)
		return;
	kk_buf_printf(text, "add rule inet %s egress_%s ip daddr { %s }", net_instance.nft_table,
		space->bridge, destination);
	for (size_t k = 0; k < rule->ports.n; k++)
		kk_buf_printf(text, "%s%s", k ? ", " : " tcp dport { ", rule->ports.items[k]);
	kk_buf_printf(text, "%s accept comment \"%08x.%zu\"\n", rule->ports.n ? " }" : "", hash, i);
}

/* A space that may reach everything has no chain. What is no more is there for a moment, so that it can be
 * taken away whether it was there or not. */
static void policy_append(struct kk_buf *text, const struct net_space *space)
{
	const char *t = net_instance.nft_table;
	uint32_t hash;

	kk_buf_printf(text,
		"add chain inet %1$s egress_%2$s\n"
		"flush chain inet %1$s egress_%2$s\n"
		"add element inet %1$s egress { \"%2$s\" : jump egress_%2$s }\n",
		t, space->bridge);
	if (!kk_egress_is_deny(&space->egress)) {
		kk_buf_printf(text,
			"delete element inet %1$s egress { \"%2$s\" : jump egress_%2$s }\n"
			"delete chain inet %1$s egress_%2$s\n",
			t, space->bridge);
		return;
	}
	hash = policy_hash(space);
	for (size_t i = 0; i < space->egress.allow.n; i++)
		allow_append(text, space, hash, i);
	kk_buf_printf(text,
		"add rule inet %s egress_%s reject with icmpx type admin-prohibited comment \"%08x\"\n",
		t, space->bridge, hash);
}

static bool is_policy_whole(const struct net_space *space, const char *listing)
{
	kk_auto_free char *jump =
		kk_xprintf("\"%s\" : jump egress_%s", space->bridge, space->bridge);
	kk_auto_free char *last = NULL;
	uint32_t hash;
	bool is_whole = strstr(listing, jump);

	if (!kk_egress_is_deny(&space->egress))
		return !is_whole;
	hash = policy_hash(space);
	last = kk_xprintf("comment \"%08x\"", hash);
	is_whole = is_whole && strstr(listing, last);
	for (size_t i = 0; i < space->egress.allow.n && is_whole; i++) {
		kk_auto_free char *one = kk_xprintf("comment \"%08x.%zu\"", hash, i);

		is_whole = !destination_of(space, &space->egress.allow.items[i]) ||
			strstr(listing, one);
	}
	return is_whole;
}

/* --- all of it --- */

static char *listing_read(const char *table)
{
	kk_auto_free char *text = kk_xprintf("list table %s\n", table);
	const char *output = NULL;
	struct kk_err err = {0};

	return kk_xstrdup(net_nft_run(text, &output, &err) == 0 ? kk_str(output) : "");
}

void net_rules_read(struct net_rules *ret_rules)
{
	kk_auto_free char *table = kk_xprintf("inet %s", net_instance.nft_table);

	ret_rules->own = listing_read(table);
	ret_rules->foreign = listing_read("ip filter");
}

void net_rules_release(struct net_rules *rules)
{
	free(rules->own);
	free(rules->foreign);
	*rules = (struct net_rules){0};
}

/* The name stands in two sets. */
static bool has_bridge(const struct net_space *space, const char *listing)
{
	kk_auto_free char *bridge = kk_xprintf("\"%s\"", space->bridge);
	const char *set = strstr(listing, "set bridges"), *name = set ? strstr(set, bridge) : NULL;

	return name && name < strchr(set, '}');
}

static bool is_table_whole(const struct net_space *space, const char *listing)
{
	kk_auto_free char *within = kk_xprintf("\"%s\" . \"%s\"", space->bridge, space->bridge);
	char subnet[32];
	const char *const parts[] = {"type nat hook postrouting", "type filter hook forward",
		"type filter hook input", "ip saddr @subnets oifname != @bridges masquerade",
		"ct state established,related accept", "iifname . oifname @within accept",
		"iifname @bridges oifname @bridges ct status", "map published {",
		"map published_at {", "type nat hook prerouting", "type nat hook output", subnet,
		within};
	const char *jump;

	net_cidr_format(&space->subnet, subnet, sizeof subnet);
	for (size_t i = 0; i < KK_COUNT(parts); i++) {
		if (!strstr(listing, parts[i]))
			return false;
	}
	/* One for what is forwarded, one for what is for the host. */
	jump = strstr(listing, "iifname vmap @egress");
	return jump && strstr(jump + 1, "iifname vmap @egress") &&
		is_policy_whole(space, listing) && has_bridge(space, listing);
}

bool net_rule_is_whole(const struct net_space *space, const struct net_rules *rules)
{
	return is_table_whole(space, rules->own) && net_forward_is_open(space, rules->foreign);
}

/* Names are ours and hold nothing that nft could take for syntax. */
int net_rule_ensure(const struct net_space *space, struct kk_err *err)
{
	const char *t = net_instance.nft_table;
	kk_auto(net_rules_release) struct net_rules rules;
	kk_auto_buf text = {0};
	char subnet[32];

	/* Asking is cheaper than a transaction. */
	net_rules_read(&rules);
	if (net_rule_is_whole(space, &rules))
		return 0;
	net_forward_append(&text, space, rules.foreign);
	net_cidr_format(&space->subnet, subnet, sizeof subnet);
	kk_buf_printf(&text,
		"add table inet %1$s\n"
		"add set inet %1$s subnets { type ipv4_addr; flags interval; }\n"
		"add set inet %1$s bridges { type ifname; }\n"
		"add set inet %1$s within { typeof iifname . oifname; }\n"
		"add chain inet %1$s outgoing { type nat hook postrouting priority 100; }\n"
		"add map inet %1$s egress { type ifname : verdict; }\n"
		"add chain inet %1$s between { type filter hook forward priority 0; policy accept; }\n"
		"add chain inet %1$s entering { type filter hook input priority 0; policy accept; }\n"
		"flush chain inet %1$s outgoing\n"
		"flush chain inet %1$s between\n"
		"flush chain inet %1$s entering\n"
		"add map inet %1$s published { type inet_proto . inet_service : ipv4_addr . inet_service; }\n"
		"add map inet %1$s published_at { type ipv4_addr . inet_proto . inet_service : "
		"ipv4_addr . inet_service; }\n"
		"add chain inet %1$s arriving { type nat hook prerouting priority -100; }\n"
		"add chain inet %1$s local { type nat hook output priority -100; }\n"
		"flush chain inet %1$s arriving\n"
		"flush chain inet %1$s local\n"
		"add rule inet %1$s arriving dnat ip to ip daddr . meta l4proto . th dport map @published_at\n"
		"add rule inet %1$s arriving fib daddr type local dnat ip to meta l4proto . th dport map "
		"@published\n"
		"add rule inet %1$s local dnat ip to ip daddr . meta l4proto . th dport map @published_at\n"
		"add rule inet %1$s local fib daddr type local dnat ip to meta l4proto . th dport map "
		"@published\n"
		"add rule inet %1$s outgoing ip saddr @subnets oifname != @bridges masquerade\n"
		"add rule inet %1$s outgoing ip saddr @subnets oifname @bridges ct status dnat masquerade\n"
		"add rule inet %1$s outgoing ip saddr 127.0.0.0/8 oifname @bridges masquerade\n"
		"add rule inet %1$s between ct state established,related accept\n"
		"add rule inet %1$s between iifname . oifname @within accept\n"
		"add rule inet %1$s between iifname @bridges oifname @bridges ct status ! dnat drop\n"
		"add rule inet %1$s between iifname vmap @egress\n"
		"add rule inet %1$s between oifname @bridges ct status ! dnat drop\n"
		"add rule inet %1$s entering ct state established,related accept\n"
		"add rule inet %1$s entering iifname @bridges ip daddr 127.0.0.0/8 drop\n"
		"add rule inet %1$s entering iifname vmap @egress\n"
		"add element inet %1$s subnets { %2$s }\n"
		"add element inet %1$s bridges { \"%3$s\" }\n"
		"add element inet %1$s within { \"%3$s\" . \"%3$s\" }\n",
		t, subnet, space->bridge);
	policy_append(&text, space);
	return net_nft_run((char *)text.data, NULL, err);
}

int net_rule_remove(const struct net_space *space, struct kk_err *err)
{
	const char *t = net_instance.nft_table;
	kk_auto_free char *list = kk_xprintf("list set inet %s bridges\n", t);
	kk_auto_free char *drop = kk_xprintf("delete table inet %s\n", t);
	struct net_space open = *space;
	kk_auto(net_rules_release) struct net_rules rules = {0};
	kk_auto_buf text = {0};
	const char *output = NULL;
	struct kk_err ignored = {0};
	char subnet[32];
	int r;

	net_rules_read(&rules);
	net_forward_remove_append(&text, space, rules.foreign);
	if (!has_bridge(space, rules.own))
		return text.len ? net_nft_run((char *)text.data, NULL, err) : 0;
	net_cidr_format(&space->subnet, subnet, sizeof subnet);
	kk_buf_printf(&text,
		"delete element inet %1$s subnets { %2$s }\n"
		"delete element inet %1$s bridges { \"%3$s\" }\n"
		"delete element inet %1$s within { \"%3$s\" . \"%3$s\" }\n",
		t, subnet, space->bridge);
	/* Its chain goes as that of a space that may reach everything. */
	open.egress = (struct kk_egress){0};
	kk_buf_printf(&text, "add map inet %s egress { type ifname : verdict; }\n", t);
	policy_append(&text, &open);
	r = net_nft_run((char *)text.data, NULL, err);
	if (r < 0)
		return r;
	/* The last one takes the table with it. */
	if (net_nft_run(list, &output, &ignored) == 0 && output && !strstr(output, "elements"))
		return net_nft_run(drop, NULL, err);
	return 0;
}
