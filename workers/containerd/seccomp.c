/* workers/containerd/seccomp.c - the default profile, out of its table. */
#include "ct.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

static bool kernel_is(int major, int minor)
{
	struct utsname name;
	int have_major = 0, have_minor = 0;

	uname(&name);
	if (sscanf(name.release, "%d.%d", &have_major, &have_minor) != 2)
		return false;
	return have_major > major || (have_major == major && have_minor >= minor);
}

static void rule_add(json_t *rules, const char *name, const char *action)
{
	json_array_append_new(rules, json_pack("{s:[s], s:s}", "names", name, "action", action));
}

static void rule_add_arg(json_t *rules, const char *name, unsigned index, uint64_t value,
	uint64_t value_two, const char *op)
{
	json_array_append_new(rules,
		json_pack("{s:[s], s:s, s:[{s:i, s:I, s:I, s:s}]}", "names", name, "action",
			"SCMP_ACT_ALLOW", "args", "index", (int)index, "value", (json_int_t)value,
			"valueTwo", (json_int_t)value_two, "op", op));
}

static void rule_add_errno(json_t *rules, const char *name, int errno_number)
{
	json_array_append_new(rules,
		json_pack("{s:[s], s:s, s:i}", "names", name, "action", "SCMP_ACT_ERRNO",
			"errnoRet", errno_number));
}

json_t *ct_seccomp_default(const struct kk_strs *capabilities)
{
	json_t *allowed = json_array(), *rules = json_array();
	json_t *architectures;

#if defined(__x86_64__)
	architectures =
		json_pack("[s, s, s]", "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32");
#else
	architectures = json_pack("[s, s]", "SCMP_ARCH_ARM", "SCMP_ARCH_AARCH64");
#endif
#define HAS(cap) kk_strs_has(capabilities, "CAP_" #cap)
#define KK_SYSCALL(name) json_array_append_new(allowed, json_string(#name));
#define KK_SYSCALL_CAP(cap, name) \
	if (HAS(cap))             \
		rule_add(rules, #name, "SCMP_ACT_ALLOW");
#define KK_SYSCALL_KERNEL(major, minor, name) \
	if (kernel_is(major, minor))          \
		rule_add(rules, #name, "SCMP_ACT_ALLOW");
#define KK_SYSCALL_ARG(name, index, value, value_two, op) \
	rule_add_arg(rules, #name, index, value, value_two, op);
#define KK_SYSCALL_ARG_UNLESS(cap, name, index, value, value_two, op) \
	if (!HAS(cap))                                                \
		rule_add_arg(rules, #name, index, value, value_two, op);
#define KK_SYSCALL_ERRNO_UNLESS(cap, name, number) \
	if (!HAS(cap))                             \
		rule_add_errno(rules, #name, number);
#include "seccomp.def"
	json_array_insert_new(rules, 0,
		json_pack("{s:o, s:s}", "names", allowed, "action", "SCMP_ACT_ALLOW"));
	return json_pack("{s:s, s:o, s:o}", "defaultAction", "SCMP_ACT_ERRNO", "architectures",
		architectures, "syscalls", rules);
}
