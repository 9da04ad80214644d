/* workers/network/cidr.c - small arithmetic of addresses and names. */
#include "net.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t mask_of(unsigned bits)
{
	return bits == 0 ? 0 : ~0u << (32 - bits);
}

int net_cidr_parse(const char *text, struct net_cidr *ret_cidr)
{
	char address[64];
	const char *slash = strchr(text, '/');
	struct in_addr in;
	char *end;
	unsigned long bits;

	if (!slash || (size_t)(slash - text) >= sizeof address)
		return -1;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	bits = strtoul(slash + 1, &end, 10);
	if (!isdigit((unsigned char)slash[1]) || *end || bits > 32 ||
		inet_pton(AF_INET, address, &in) != 1)
		return -1;
	ret_cidr->bits = (unsigned)bits;
	ret_cidr->address = ntohl(in.s_addr) & mask_of(ret_cidr->bits);
	return 0;
}

void net_ip_format(uint32_t address, char *buf, size_t size)
{
	snprintf(buf, size, "%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255,
		address & 255);
}

void net_cidr_format(const struct net_cidr *cidr, char *buf, size_t size)
{
	char ip[NET_IP_MAX];

	net_ip_format(cidr->address, ip, sizeof ip);
	snprintf(buf, size, "%s/%u", ip, cidr->bits);
}

bool net_cidr_overlaps(const struct net_cidr *a, const struct net_cidr *b)
{
	uint32_t mask = mask_of(a->bits < b->bits ? a->bits : b->bits);

	return (a->address & mask) == (b->address & mask);
}

uint32_t net_hash32(const char *text)
{
	uint32_t hash = 2166136261u;

	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 16777619u;
	return hash;
}

uint64_t net_hash64(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3ULL;
	return hash;
}
