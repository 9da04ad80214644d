/* workers/cgroup/limit.c - ceilings, under the names that v1 and v2 have for them. */
#include "cg.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libcgroup.h>

#include <kukeon/auto.h>
#include <kukeon/mem.h>

static void cgroup_put(struct cgroup **cg)
{
	if (*cg)
		cgroup_free(cg);
}

/* 2 to 262144 shares are 1 to 10000 of weight: the mapping that runc uses. */
static int64_t shares_to_weight(int64_t shares)
{
	if (shares < 2)
		shares = 2;
	if (shares > 262144)
		shares = 262144;
	return 1 + (shares - 2) * 9999 / 262142;
}

static int value_add(struct cgroup *cg, const char *controller, const char *name, int64_t value,
	const char *unlimited)
{
	struct cgroup_controller *c = cgroup_get_controller(cg, controller);
	char text[32];

	if (!c)
		c = cgroup_add_controller(cg, controller);
	if (!c)
		return -1;
	snprintf(text, sizeof text, "%lld", (long long)value);
	return cgroup_add_value_string(c, name, value > 0 ? text : unlimited);
}

int cg_limit_set(const char *path, int64_t memory_bytes, int64_t cpu_shares, int64_t pids,
	struct kk_err *err)
{
	kk_auto(cgroup_put) struct cgroup *cg = NULL;
	bool is_v2 = cg_tree_is_v2();
	int r = cg_path_check(path, err);

	if (r < 0)
		return r;
	if (!cg_tree_exists(path))
		return kk_fail(err, KK_E_CGROUP_NOT_FOUND, "cgroup '%s' does not exist", path);
	cg = cgroup_new_cgroup(path + 1);
	if (!cg ||
		value_add(cg, "memory", is_v2 ? "memory.max" : "memory.limit_in_bytes",
			memory_bytes, is_v2 ? "max" : "-1") != 0 ||
		value_add(cg, "pids", "pids.max", pids, "max") != 0 ||
		value_add(cg, "cpu", is_v2 ? "cpu.weight" : "cpu.shares",
			is_v2 && cpu_shares > 0 ? shares_to_weight(cpu_shares) : cpu_shares,
			is_v2 ? "100" : "1024") != 0)
		return kk_fail(err, KK_E_NOMEM, "no memory for the limits of cgroup '%s'", path);
	/* Below current use the kernel reclaims, then OOM-kills, inside this write. */
	r = cgroup_modify_cgroup(cg);
	if (r != 0)
		return kk_fail(err, KK_E_CGROUP, "limit cgroup '%s': %s", path, cg_error_text(r));
	return 0;
}
