/* ipc/model/port.c - ports of a cell that the host lets in: [address:]port[:port of the cell][/tcp|/udp]. */
#include <kukeon/model.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <kukeon/auto.h>
#include <kukeon/mem.h>

static bool number_parse(const char *text, uint16_t *ret_port)
{
	unsigned long value;

	if (!*text || strlen(text) > 5 || strspn(text, "0123456789") != strlen(text))
		return false;
	value = strtoul(text, NULL, 10);
	*ret_port = (uint16_t)value;
	return value >= 1 && value <= UINT16_MAX;
}

/* Cut off what stands behind the last @separator; NULL: there is none. */
static char *tail_cut(char *text, char separator)
{
	char *at = strrchr(text, separator);

	if (!at)
		return NULL;
	*at = '\0';
	return at + 1;
}

bool kk_port_parse(const char *text, struct kk_port *ret_port)
{
	kk_auto_free char *copy = kk_xstrdup(kk_str(text));
	const char *protocol = tail_cut(copy, '/'), *cell = tail_cut(copy, ':');
	const char *host = tail_cut(copy, ':');
	struct kk_port port = {0};
	struct in_addr address;

	/* `80`, `8080:80`, `192.0.2.1:8080:80` */
	if (host) {
		if (inet_pton(AF_INET, copy, &address) != 1)
			return false;
		port.address = ntohl(address.s_addr);
	} else {
		host = copy;
	}
	if (!number_parse(host, &port.host) || !number_parse(cell ? cell : host, &port.cell) ||
		(protocol && strcmp(protocol, "tcp") != 0 && strcmp(protocol, "udp") != 0))
		return false;
	port.is_udp = protocol && strcmp(protocol, "udp") == 0;
	*ret_port = port;
	return true;
}
