/* workers/network/forward.c - the chain FORWARD of iptables, and Docker's place for the rules of others. */
#include "net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kukeon/buf.h>
#include <kukeon/mem.h>

/* The text of a chain in a listing, to its end; NULL: there is none of this name. Owned. */
static char *chain_find(const char *listing, const char *name)
{
	kk_auto_free char *head = kk_xprintf("\tchain %s {", name);
	const char *start = strstr(listing, head), *end;

	if (!start)
		return NULL;
	end = strstr(start, "\n\t}");
	return kk_xstrndup(start, end ? (size_t)(end - start) : strlen(start));
}

/* The chain in which a rule of ours is needed; NULL: nobody drops. */
static const char *chain_choose(const char *listing)
{
	kk_auto_free char *forward = chain_find(listing, "FORWARD");
	kk_auto_free char *docker = chain_find(listing, "DOCKER-USER");

	if (!forward || !(strstr(forward, "drop") || strstr(forward, "reject")))
		return NULL;
	return docker && strstr(forward, "jump DOCKER-USER") ? "DOCKER-USER" : "FORWARD";
}

/* As nft prints it. */
static void rule_format(const struct net_space *space, const char *direction, char *buf,
	size_t size)
{
	snprintf(buf, size, "%sname \"%s\" counter accept comment \"%s\"", direction, space->bridge,
		net_instance.nft_table);
}

static const char *const directions[] = {"iif", "oif"};

/* No set and no connection state: iptables refuses to show a table with what it has no words for. */
void net_forward_append(struct kk_buf *text, const struct net_space *space, const char *listing)
{
	const char *name = chain_choose(listing);
	kk_auto_free char *chain = name ? chain_find(listing, name) : NULL;

	for (size_t i = 0; i < KK_COUNT(directions) && chain; i++) {
		char rule[128];

		rule_format(space, directions[i], rule, sizeof rule);
		if (!strstr(chain, rule))
			kk_buf_printf(text, "insert rule ip filter %s %s\n", name, rule);
	}
}

bool net_forward_is_open(const struct net_space *space, const char *listing)
{
	kk_auto_buf missing = {0};

	net_forward_append(&missing, space, listing);
	return missing.len == 0;
}

/* The name behind "chain " in the line that @rule stands below. */
static char *chain_of(const char *listing, const char *rule)
{
	const char *name = NULL;

	for (const char *p = strstr(listing, "\tchain "); p && p < rule;
		p = strstr(p + 1, "\tchain "))
		name = p + strlen("\tchain ");
	return name ? kk_xstrndup(name, strcspn(name, " {")) : NULL;
}

/* Wherever they are: Docker may have come or gone since they were made. */
void net_forward_remove_append(struct kk_buf *text, const struct net_space *space,
	const char *listing)
{
	for (size_t i = 0; i < KK_COUNT(directions); i++) {
		char rule[128];

		rule_format(space, directions[i], rule, sizeof rule);
		for (const char *p = strstr(listing, rule); p; p = strstr(p + 1, rule)) {
			kk_auto_free char *chain = chain_of(listing, p);
			unsigned long handle;

			if (chain && sscanf(p + strlen(rule), " # handle %lu", &handle) == 1)
				kk_buf_printf(text, "delete rule ip filter %s handle %lu\n", chain,
					handle);
		}
	}
}
