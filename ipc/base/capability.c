/* ipc/base/capability.c */
#include <kukeon/capability.h>

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include <cap-ng.h>

#include <kukeon/auto.h>
#include <kukeon/mem.h>

int kk_capabilities_keep(const char *names, bool is_effective, struct kk_err *err)
{
	kk_auto_free char *copy = kk_xstrdup(names);
	char *rest = copy, *name;
	capng_type_t sets = CAPNG_PERMITTED | CAPNG_BOUNDING_SET;

	if (is_effective)
		sets |= CAPNG_EFFECTIVE;
	capng_clear(CAPNG_SELECT_ALL);
	while ((name = strsep(&rest, ","))) {
		int capability = *name ? capng_name_to_capability(name) : 0;

		if (capability < 0)
			return kk_fail(err, KK_E_INTERNAL, "there is no capability %s", name);
		if (*name)
			capng_update(CAPNG_ADD, sets, (unsigned)capability);
	}
	if (capng_apply(CAPNG_SELECT_ALL) < 0)
		return kk_fail_errno(err, KK_E_PERMISSION, "drop capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return kk_fail_errno(err, KK_E_PERMISSION, "give up new privileges");
	return 0;
}

bool kk_capability_is_allowed(const char *name)
{
	int capability = capng_name_to_capability(name);

	return capability >= 0 && capng_get_caps_process() == 0 &&
		capng_have_capability(CAPNG_BOUNDING_SET, (unsigned)capability) > 0;
}
