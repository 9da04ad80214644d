/* workers/common/sandbox.c */
#include "sandbox.h"

#include <errno.h>
#include <linux/prctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <seccomp.h>

#include <kukeon/auto.h>
#include <kukeon/capability.h>
#include <kukeon/mem.h>
#include <kukeon/oom.h>
#include <kukeon/sanitizer.h>

struct sandbox {
	rlim_t n_fds;
	rlim_t address_bytes;
};

static const struct sandbox sandboxes[KK_ROLES] = {
#define KK_SANDBOX(role, n_fds, address_mib) \
	[KK_ROLE_##role] = {n_fds, (rlim_t)(address_mib) << 20},
#define KK_ALLOW(role, name)
#define KK_ALLOW_IF(role, name, arg, mask, value)
#include "sandbox.def"
#undef KK_SANDBOX
#undef KK_ALLOW
#undef KK_ALLOW_IF
};

/* Who: a set of roles. */
#define ROLE(role) (1U << KK_ROLE_##role)
enum {
	WHO_reconciler = ROLE(reconciler),
	WHO_containerd = ROLE(containerd),
	WHO_network = ROLE(network),
	WHO_cgroup = ROLE(cgroup),
	WHO_any = WHO_reconciler | WHO_containerd | WHO_network | WHO_cgroup,
	WHO_file = WHO_reconciler | WHO_network | WHO_containerd,
	WHO_threads = WHO_containerd | WHO_network,
	WHO_library = WHO_network,
	WHO_no_library = WHO_any & ~WHO_library,
};

struct allowance {
	const char *name;
	unsigned who;
	int arg; /* -1: whatever the arguments */
	uint64_t mask;
	uint64_t value;
};

static const struct allowance allowances[] = {
#define KK_SANDBOX(role, n_fds, address_mib)
#define KK_ALLOW(who, name) {#name, WHO_##who, -1, 0, 0},
#define KK_ALLOW_IF(who, name, arg, mask, value) {#name, WHO_##who, arg, mask, value},
#include "sandbox.def"
#undef KK_SANDBOX
#undef KK_ALLOW
#undef KK_ALLOW_IF
};

static int limit_set(int resource, const char *name, rlim_t value, struct kk_err *err)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) == 0 && limit.rlim_max < value)
		value = limit.rlim_max;
	limit = (struct rlimit){value, value};
	if (setrlimit(resource, &limit) < 0)
		return kk_fail_errno(err, KK_E_PERMISSION, "limit %s", name);
	return 0;
}

static int limits_set(const struct sandbox *sandbox, struct kk_err *err)
{
	if (limit_set(RLIMIT_NOFILE, "open files", sandbox->n_fds, err) < 0 ||
		limit_set(RLIMIT_CORE, "core dumps", 0, err) < 0)
		return kk_failed(err);
	/* A sanitizer maps terabytes. */
	return KK_SANITIZED ? 0 : limit_set(RLIMIT_AS, "memory", sandbox->address_bytes, err);
}

static int allow(scmp_filter_ctx filter, const struct allowance *allowance)
{
	int number = seccomp_syscall_resolve_name(allowance->name);
	struct scmp_arg_cmp compare = SCMP_CMP64((unsigned)allowance->arg, SCMP_CMP_MASKED_EQ,
		allowance->mask, allowance->value);

	/* Other machines lack some of the old ones. */
	if (number == __NR_SCMP_ERROR)
		return 0;
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, allowance->arg >= 0,
		&compare);
}

/* A thread may be signalled, if it is our own: how abort() works. Faults of tests signal themselves, and the
 * supervisor. */
static int signals_allow(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp self = SCMP_CMP64(0, SCMP_CMP_EQ, (uint64_t)getpid());
	int r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &self);
#ifdef KK_WITH_FAULTS
	const struct scmp_arg_cmp parent = SCMP_CMP64(0, SCMP_CMP_EQ, (uint64_t)getppid());

	if (r == 0)
		r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(kill), 1, &parent);
#endif
	return r;
}

/* The C library tries clone3 for each thread, whose flags can't be looked at, and where it is not there the older call.
 * That is no offence: a filter of its own, which tells no audit log. */
static int clone3_hide(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int r = filter ? 0 : -ENOMEM;

	if (r == 0)
		r = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0,
			NULL);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

static int filter_load(enum kk_role role, bool is_deadly, struct kk_err *err)
{
	scmp_filter_ctx filter = seccomp_init(is_deadly ? SCMP_ACT_TRAP : SCMP_ACT_ERRNO(EPERM));
	int r = filter ? clone3_hide() : -ENOMEM;

	/* What is denied is worth a line in the audit log. */
	if (r == 0 && !is_deadly)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone3), 0, NULL);
	for (size_t i = 0; i < KK_COUNT(allowances) && r == 0; i++) {
		if (allowances[i].who & 1U << role)
			r = allow(filter, &allowances[i]);
	}
	if (r == 0)
		r = signals_allow(filter);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	errno = -r;
	return r < 0 ? kk_fail_errno(err, KK_E_PERMISSION, "forbid system calls") : 0;
}

int kk_sandbox_enter(enum kk_role role, const char *mode, struct kk_err *err)
{
	const struct sandbox *sandbox = &sandboxes[role];
	bool is_deadly = kk_str_equal(mode, "kill"), is_off = kk_str_equal(mode, "off");

	if (!is_deadly && !is_off && !kk_str_equal(mode, "deny"))
		return kk_fail(err, KK_E_CONFIG,
			"there is no sandbox mode '%s': it is one of kill, deny, off", mode);
	kk_oom_score_enter(KK_OOM_WORKER);
	if (limits_set(sandbox, err) < 0)
		return kk_failed(err);
	if (is_off)
		return 0;
	if (kk_capabilities_keep(kk_role_capabilities(role), true, err) < 0)
		return kk_failed(err);
	/* A sanitizer makes calls of its own. */
	return KK_SANITIZED ? 0 : filter_load(role, is_deadly, err);
}
