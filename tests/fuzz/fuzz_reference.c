/* tests/fuzz/fuzz_reference.c - image references: the full name of a full name is itself. */
#include "fuzz.h"

#include "../../workers/containerd/ct.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	kk_auto_free char *ref = kk_xstrndup((const char *)data, size);
	kk_auto_free char *name = NULL, *again = NULL;
	struct kk_err err = {0};
	const char *last;

	name = ct_ref_normalize(ref, &err);
	if (!name) {
		fuzz_require(err.code == KK_E_INVALID);
		return 0;
	}
	last = strrchr(name, '/');
	fuzz_require(last && last != name);
	/* Of two hosts of the hub, one is written. */
	fuzz_require(strstr(name, ref) || strstr(ref, "docker.io/") == ref ||
		strstr(ref, "index.docker.io/") == ref);
	fuzz_require(strchr(last, ':') || strchr(name, '@'));
	fuzz_require(strlen(name) <= 512);
	again = ct_ref_normalize(name, &err);
	fuzz_require(again && strcmp(name, again) == 0);
	return 0;
}
