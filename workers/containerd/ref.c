/* workers/containerd/ref.c - names of images: the grammar of registries, and the one form of each name. */
#include "ct.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include <kukeon/mem.h>

#define HUB "docker.io"
#define HUB_OTHER "index.docker.io"

#define HOST_LABEL "[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?"
#define HOST "^(" HOST_LABEL "(\\." HOST_LABEL ")*|\\[[a-fA-F0-9:]+\\])(:[0-9]{1,5})?$"
#define COMPONENT "[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*"
#define TAG "[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}"
#define DIGEST "(sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})"
#define REMOTE "^" COMPONENT "(/" COMPONENT ")*(:" TAG ")?(@" DIGEST ")?$"

enum { REF_MAX = 512 };

static bool matches(const char *pattern, const char *text)
{
	regex_t regex;
	bool is_match;

	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return false;
	is_match = regexec(&regex, text, 0, NULL, 0) == 0;
	regfree(&regex);
	return is_match;
}

/* What stands before the first slash is a host if it could be no part of a path on the hub. */
static char *host_take(const char **ref)
{
	const char *slash = strchr(*ref, '/');
	kk_auto_free char *host = kk_xstrndup(*ref, slash ? (size_t)(slash - *ref) : 0);

	if (!strpbrk(host, ".:") && strcmp(host, "localhost") != 0)
		return kk_xstrdup(HUB);
	*ref = slash + 1;
	return strcmp(host, HUB_OTHER) == 0 ? kk_xstrdup(HUB) : kk_steal(&host);
}

char *ct_ref_normalize(const char *ref, struct kk_err *err)
{
	const char *remote = ref, *base;
	kk_auto_free char *host = host_take(&remote);
	char *name = NULL;

	if (strlen(ref) <= REF_MAX && matches(HOST, host) && matches(REMOTE, remote)) {
		base = strrchr(remote, '/') ? strrchr(remote, '/') : remote;
		name = kk_xprintf("%s/%s%s%s", host,
			strcmp(host, HUB) == 0 && base == remote ? "library/" : "", remote,
			strpbrk(base, ":@") ? "" : ":latest");
	}
	if (name && strlen(name) <= REF_MAX)
		return name;
	free(name);
	kk_fail(err, KK_E_INVALID, "invalid image reference \"%s\"", ref);
	return NULL;
}
