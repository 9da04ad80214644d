/* client/host.c - where kukeond is: unix://<path>, or ssh://[user@]host[:port][/<path>]. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

#include <kukeon/mem.h>

#define UNIX "unix://"

enum { PORT_DIGITS = 5, PORT_MAX = 65535 };

/* The URL itself is told only where it can't harm a terminal, and has nothing that must not be read. */
static int url_fail(const char *url, const char *why, struct kk_err *err)
{
	return kk_fail(err, KK_E_USAGE, "invalid kukeon host \"%s\": %s", url, why);
}

static bool has_blank(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text <= ' ' || *text == 0x7f)
			return true;
	}
	return false;
}

/* ssh puts names into commands of its configuration: what could be more than a name there is none. */
static bool is_name(const char *text)
{
	return *text && *text != '-' && !text[strcspn(text, "'`\"$\\;&<>|(){}")];
}

static bool is_port(const char *text)
{
	size_t len = strlen(text);
	unsigned long port = strtoul(text, NULL, 10);

	return len && len <= PORT_DIGITS && strspn(text, "0123456789") == len && port &&
		port <= PORT_MAX;
}

/* "name", "name:port", "[address]" or "[address]:port". */
static int place_parse(const char *url, const char *place, struct cli_host *host,
	struct kk_err *err)
{
	bool is_bracketed = *place == '[';
	const char *name = place + is_bracketed;
	const char *rest = name + strcspn(name, is_bracketed ? "]" : ":");
	size_t len = (size_t)(rest - name);

	if (is_bracketed && !*rest)
		return url_fail(url, "\"]\" is missing behind the address", err);
	rest += is_bracketed;
	if (*rest && (*rest != ':' || (!is_bracketed && strchr(rest + 1, ':'))))
		return url_fail(url, "an IPv6 address stands in brackets, as in ssh://[::1]:22",
			err);
	host->name = kk_xstrndup(name, len);
	if (!*host->name)
		return url_fail(url, "the name of the host is missing", err);
	if (!is_name(host->name))
		return url_fail(url, "that is no name of a host", err);
	if (*rest && !is_port(rest + 1))
		return url_fail(url, "the port is no number from 1 to 65535", err);
	host->port = *rest ? kk_xstrdup(rest + 1) : NULL;
	return 0;
}

static int ssh_parse(const char *url, struct cli_host *host, struct kk_err *err)
{
	const char *text = url + strlen(CLI_SSH), *path = text + strcspn(text, "/");
	kk_auto_free char *place = kk_xstrndup(text, (size_t)(path - text));
	char *at = strrchr(place, '@');

	host->is_ssh = true;
	if (has_blank(text))
		return kk_fail(err, KK_E_USAGE,
			"invalid kukeon host: it has a blank or a control character");
	if (at) {
		*at = '\0';
		host->user = kk_xstrdup(place);
		if (strchr(host->user, ':'))
			return kk_fail(err, KK_E_USAGE,
				"invalid kukeon host: a password has no place in it, ssh asks for "
				"it or takes a key");
		if (!is_name(host->user))
			return url_fail(url, "that is no name of a user", err);
	}
	if (path[0] && path[1])
		host->path = kk_xstrdup(path);
	return place_parse(url, at ? at + 1 : place, host, err);
}

static int parse(const char *url, struct cli_host *host, struct kk_err *err)
{
	if (kk_str_starts(url, CLI_SSH))
		return ssh_parse(url, host, err);
	if (!kk_str_starts(url, UNIX))
		return kk_fail(err, KK_E_USAGE,
			"unsupported kukeon host scheme: \"%s\" (expected unix:// or ssh://)", url);
	host->path = kk_xstrdup(url + strlen(UNIX));
	if (!*host->path)
		return kk_fail(err, KK_E_USAGE,
			"unsupported kukeon host scheme: unix path is empty");
	return 0;
}

int cli_host_parse(const char *url, struct cli_host *ret_host, struct kk_err *err)
{
	kk_auto(cli_host_release) struct cli_host host = {0};

	if (parse(url, &host, err) < 0)
		return kk_failed(err);
	*ret_host = host;
	host = (struct cli_host){0};
	return 0;
}

void cli_host_release(struct cli_host *host)
{
	free(host->user);
	free(host->name);
	free(host->port);
	free(host->path);
	*host = (struct cli_host){0};
}
