/* workers/network/port.c - ports of the host that lead to a cell: elements of two maps, each marked by the link of the
 * cell that it belongs to. */
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <kukeon/buf.h>
#include <kukeon/fd.h>
#include <kukeon/mem.h>

static const char *map_of(const struct kk_port *port)
{
	return port->address ? "published_at" : "published";
}

static const char *protocol_of(const struct kk_port *port)
{
	return port->is_udp ? "udp" : "tcp";
}

/* As nft prints the key of an element. */
static void key_format(const struct kk_port *port, char *buf, size_t size)
{
	char ip[NET_IP_MAX] = "";

	if (port->address)
		net_ip_format(port->address, ip, sizeof ip);
	snprintf(buf, size, "%s%s%s . %u", ip, *ip ? " . " : "", protocol_of(port), port->host);
}

/* The mark of whoever has this key; false: nobody. */
static bool owner_find(const struct kk_port *port, const char *listing, char *owner, size_t size)
{
	char key[64], head[32];
	const char *map, *end;

	snprintf(head, sizeof head, "\tmap %s {", map_of(port));
	key_format(port, key, sizeof key);
	map = strstr(listing, head);
	end = map ? strstr(map, "\n\t}") : NULL;
	for (const char *p = map ? strstr(map, key) : NULL; p && p < end; p = strstr(p + 1, key)) {
		const char *mark = p + strlen(key);

		/* Neither behind a longer address nor before a longer number. */
		if ((p[-1] != ' ' && p[-1] != '\t') || !kk_str_starts(mark, " comment \""))
			continue;
		mark += strlen(" comment \"");
		snprintf(owner, size, "%.*s", (int)strcspn(mark, "\""), mark);
		return true;
	}
	return false;
}

/* A program of the host that listens there would never hear of it. Below 1024 nobody of us may try. */
static int free_check(const struct kk_port *port, const char *text, struct kk_err *err)
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_port = htons(port->host),
		.sin_addr.s_addr = htonl(port->address)};
	kk_auto_fd int fd =
		socket(AF_INET, (port->is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return kk_fail_errno(err, KK_E_NETWORK, "try port %s of the host", text);
	if (bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 || errno == EACCES)
		return 0;
	if (errno == EADDRNOTAVAIL)
		return kk_fail(err, KK_E_INVALID, "port %s: the host does not have this address",
			text);
	return kk_fail_errno(err, KK_E_INVALID,
		"port %s can't be published: a program of the host has it", text);
}

static int taken_fail(const char *text, const char *owner, struct kk_err *err)
{
	kk_auto(net_socket_closep) struct nl_sock *socket = NULL;
	struct kk_err ignored = {0};
	struct net_link link;
	const char *path = owner;

	if (net_socket_open(&socket, &ignored) == 0 &&
		net_link_get(socket, owner, &link, &ignored) == 1 && strrchr(link.alias, ':'))
		path = strrchr(link.alias, ':') + 1;
	return kk_fail(err, KK_E_INVALID, "port %s can't be published: cell %s has it", text, path);
}

static int port_append(struct kk_buf *text, const char *veth, const char *ip, const char *port_text,
	const char *listing, struct kk_err *err)
{
	struct kk_port port;
	char key[64], owner[64];

	if (!kk_port_parse(port_text, &port))
		return kk_fail(err, KK_E_INVALID, "\"%s\" is no port", port_text);
	if (!owner_find(&port, listing, owner, sizeof owner)) {
		if (free_check(&port, port_text, err) < 0)
			return kk_failed(err);
	} else if (strcmp(owner, veth) != 0) {
		return taken_fail(port_text, owner, err);
	}
	key_format(&port, key, sizeof key);
	kk_buf_printf(text, "add element inet %s %s { %s comment \"%s\" : %s . %u }\n",
		net_instance.nft_table, map_of(&port), key, veth, ip, port.cell);
	return 0;
}

/* Delete whatever is marked as this cell's. Returns how much that is. */
static size_t own_append(struct kk_buf *text, const char *veth, const char *listing,
	const char *map)
{
	kk_auto_free char *head = kk_xprintf("\tmap %s {", map);
	kk_auto_free char *mark = kk_xprintf(" comment \"%s\"", veth);
	const char *start = strstr(listing, head), *end = start ? strstr(start, "\n\t}") : NULL;
	size_t n = 0;

	for (const char *p = start ? strstr(start, mark) : NULL; p && p < end;
		p = strstr(p + 1, mark)) {
		const char *key = p;

		while (key > start && key[-1] != ',' && key[-1] != '{' && key[-1] != '\n')
			key--;
		key += strspn(key, " \t");
		if (kk_str_starts(key, "elements = {"))
			key += strlen("elements = {");
		kk_buf_printf(text, "delete element inet %s %s { %.*s }\n", net_instance.nft_table,
			map, (int)(p - key), key);
		n++;
	}
	return n;
}

static size_t all_own_append(struct kk_buf *text, const char *veth, const char *listing)
{
	return own_append(text, veth, listing, "published") +
		own_append(text, veth, listing, "published_at");
}

bool net_port_are_whole(const char *veth, const char *ip, const struct kk_strs *ports,
	const char *listing)
{
	for (size_t i = 0; i < ports->n; i++) {
		struct kk_port port;
		char key[64], element[192];

		if (!kk_port_parse(ports->items[i], &port))
			continue;
		key_format(&port, key, sizeof key);
		snprintf(element, sizeof element, "%s comment \"%s\" : %s . %u", key, veth, ip,
			port.cell);
		if (!strstr(listing, element))
			return false;
	}
	return true;
}

int net_port_drop(const char *veth, struct kk_err *err)
{
	kk_auto(net_rules_release) struct net_rules rules;
	kk_auto_buf text = {0};

	net_rules_read(&rules);
	all_own_append(&text, veth, rules.own);
	return text.len ? net_nft_run((char *)text.data, NULL, err) : 0;
}

/* What comes from 127.0.0.1 may leave by the bridge; what comes in there for 127.0.0.0/8 is dropped by a rule. */
static int localnet_enable(const char *bridge, struct kk_err *err)
{
	kk_auto_free char *path = kk_xprintf("/proc/sys/net/ipv4/conf/%s/route_localnet", bridge);

	return kk_file_write(path, "1\n", 2, 0644, err);
}

/* A cell that asks for its own published port: with br_netfilter that is translated on the bridge, and has to go
 * back where it came from. */
static int hairpin_ensure(const char *veth, bool is_on, struct kk_err *err)
{
	kk_auto(net_socket_closep) struct nl_sock *socket = NULL;
	struct net_link link = {0};
	int r = net_socket_open(&socket, err);

	if (r == 0)
		r = net_link_get(socket, veth, &link, err);
	return r <= 0 ? r : net_link_hairpin_set(socket, link.index, is_on, err);
}

int net_port_ensure(const char *bridge, const char *veth, const char *ip,
	const struct kk_strs *ports, struct kk_err *err)
{
	kk_auto(net_rules_release) struct net_rules rules;
	kk_auto_buf text = {0};

	if ((ports->n && localnet_enable(bridge, err) < 0) ||
		hairpin_ensure(veth, ports->n > 0, err) < 0)
		return kk_failed(err);
	net_rules_read(&rules);
	/* As they are: nobody's connection is cut. */
	if (all_own_append(&text, veth, rules.own) == ports->n &&
		net_port_are_whole(veth, ip, ports, rules.own))
		return 0;
	for (size_t i = 0; i < ports->n; i++) {
		if (port_append(&text, veth, ip, ports->items[i], rules.own, err) < 0)
			return kk_failed(err);
	}
	return text.len ? net_nft_run((char *)text.data, NULL, err) : 0;
}
