/* tests/unit/test_seccomp.c - the default profile, with and without capabilities. */
#include "../../workers/containerd/ct.h"

#include <errno.h>
#include <string.h>

#include <kukeon/json.h>
#include <kukeon/mem.h>

#include "../support/check.h"

/* The profile of a process with this capability, or with none. */
static json_t *profile_of(const char *capability)
{
	kk_auto(kk_strs_release) struct kk_strs set = {0};

	if (capability) {
		kk_auto_free char *name = kk_xprintf("CAP_%s", capability);

		kk_strs_add(&set, name);
	}
	return ct_seccomp_default(&set);
}

static bool names_call(const json_t *rule, const char *call)
{
	const json_t *name;
	size_t i;

	json_array_foreach (json_object_get(rule, "names"), i, name) {
		if (strcmp(json_string_value(name), call) == 0)
			return true;
	}
	return false;
}

static bool allows(const json_t *rule)
{
	return strcmp(json_string_value(json_object_get(rule, "action")), "SCMP_ACT_ALLOW") == 0;
}

/* Is the call allowed, whatever its arguments? */
static bool is_allowed(const json_t *profile, const char *call)
{
	const json_t *rule;
	size_t i;

	json_array_foreach (json_object_get(profile, "syscalls"), i, rule) {
		if (allows(rule) && names_call(rule, call) && !json_object_get(rule, "args"))
			return true;
	}
	return false;
}

/* The nth rule that names the call; NULL behind the last. */
static const json_t *rule_of(const json_t *profile, const char *call, size_t nth)
{
	const json_t *rule;
	size_t i;

	json_array_foreach (json_object_get(profile, "syscalls"), i, rule) {
		if (names_call(rule, call) && nth-- == 0)
			return rule;
	}
	return NULL;
}

START_TEST(what_is_not_named_is_refused)
{
	kk_auto_json *profile = profile_of(NULL);

	ck_assert_str_eq(json_string_value(json_object_get(profile, "defaultAction")),
		"SCMP_ACT_ERRNO");
	ck_assert_ptr_null(json_object_get(profile, "defaultErrnoRet"));
	ck_assert_uint_eq(json_object_size(profile), 3);
}
END_TEST

START_TEST(the_architectures_of_this_machine_are_meant)
{
	kk_auto_json *profile = profile_of(NULL);
	kk_auto_free char *text =
		json_dumps(json_object_get(profile, "architectures"), JSON_COMPACT);

#if defined(__x86_64__)
	ck_assert_str_eq(text, "[\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\"]");
#else
	ck_assert_str_eq(text, "[\"SCMP_ARCH_ARM\",\"SCMP_ARCH_AARCH64\"]");
#endif
}
END_TEST

static const char *const harmless[] = {"read", "write", "openat", "close", "execve", "exit_group",
	"fork", "vfork", "mmap", "futex", "epoll_wait", "socket", "connect", "bind", "accept4",
	"chown", "kill", "prctl", "seccomp", "capset", "setuid", "mknod", "ptrace", "getrandom",
	"clock_nanosleep", "openat2", "close_range", "statx", "rseq", "io_uring_setup"};

START_TEST(harmless_calls_are_always_allowed)
{
	kk_auto_json *profile = profile_of(NULL);

	ck_assert_msg(is_allowed(profile, harmless[_i]), "%s", harmless[_i]);
}
END_TEST

static const char *const harmful[] = {"kexec_load", "kexec_file_load", "add_key", "keyctl",
	"request_key", "swapon", "swapoff", "pivot_root", "uselib", "userfaultfd", "nfsservctl",
	"create_module", "_sysctl", "ustat", "sysfs", "vm86", "move_pages", "migrate_pages"};

START_TEST(harmful_calls_are_refused_to_all)
{
	static const char *const capabilities[] = {NULL, "SYS_ADMIN", "SYS_BOOT", "SYS_MODULE"};

	for (size_t i = 0; i < KK_COUNT(capabilities); i++) {
		kk_auto_json *profile = profile_of(capabilities[i]);

		ck_assert_msg(!rule_of(profile, harmful[_i], 0), "%s", harmful[_i]);
	}
}
END_TEST

static const struct {
	const char *capability;
	const char *calls[32];
} by_capability[] = {
	{"SYS_ADMIN",
		{"mount", "umount", "umount2", "setns", "unshare", "sethostname", "setdomainname",
			"bpf", "perf_event_open", "fanotify_init", "fsopen", "fsmount", "fsconfig",
			"fspick", "move_mount", "open_tree", "mount_setattr", "quotactl",
			"quotactl_fd", "lookup_dcookie", "name_to_handle_at", "syslog", "clone",
			"clone3"}},
	{"SYS_PTRACE",
		{"kcmp", "pidfd_getfd", "process_madvise", "process_vm_readv",
			"process_vm_writev"}},
	{"SYS_MODULE", {"init_module", "finit_module", "delete_module"}},
	{"SYS_BOOT", {"reboot"}},
	{"SYS_CHROOT", {"chroot"}},
	{"SYS_PACCT", {"acct"}},
	{"SYS_RAWIO", {"iopl", "ioperm"}},
	{"SYS_TIME", {"settimeofday", "stime", "clock_settime", "clock_settime64"}},
	{"SYS_TTY_CONFIG", {"vhangup"}},
	{"SYS_NICE", {"get_mempolicy", "mbind", "set_mempolicy"}},
	{"DAC_READ_SEARCH", {"open_by_handle_at"}},
	{"SYSLOG", {"syslog"}},
	{"BPF", {"bpf"}},
	{"PERFMON", {"perf_event_open"}},
};

START_TEST(a_capability_brings_its_calls_and_no_others)
{
	kk_auto_json *with = profile_of(by_capability[_i].capability), *without = profile_of(NULL);

	for (size_t i = 0; by_capability[_i].calls[i]; i++) {
		const char *call = by_capability[_i].calls[i];

		ck_assert_msg(is_allowed(with, call), "%s", call);
		ck_assert_msg(!is_allowed(without, call), "%s", call);
	}
	/* What other capabilities bring stays away, unless two bring it. */
	for (size_t i = 0; i < KK_COUNT(by_capability); i++) {
		bool is_ours = false;

		for (size_t k = 0; by_capability[_i].calls[k]; k++)
			is_ours |= strcmp(by_capability[_i].calls[k], by_capability[i].calls[0]) ==
				0;
		ck_assert_int_eq(is_allowed(with, by_capability[i].calls[0]), is_ours);
	}
}
END_TEST

START_TEST(without_sys_admin_clone_makes_no_namespaces)
{
	kk_auto_json *profile = profile_of(NULL);
	const json_t *rule = rule_of(profile, "clone", 0);
	kk_auto_free char *text = json_dumps(rule, JSON_COMPACT | JSON_SORT_KEYS);

	ck_assert_str_eq(text,
		"{\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"op\":"
		"\"SCMP_CMP_MASKED_EQ\",\"value\":2114060288,\"valueTwo\":0}],"
		"\"names\":[\"clone\"]}");
	ck_assert_ptr_null(rule_of(profile, "clone", 1));
}
END_TEST

START_TEST(without_sys_admin_clone3_seems_not_to_exist)
{
	kk_auto_json *profile = profile_of(NULL), *with = profile_of("SYS_ADMIN");
	kk_auto_free char *text =
		json_dumps(rule_of(profile, "clone3", 0), JSON_COMPACT | JSON_SORT_KEYS);

	ck_assert_int_eq(ENOSYS, 38);
	ck_assert_str_eq(text,
		"{\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":38,\"names\":[\"clone3\"]}");
	ck_assert_ptr_null(rule_of(profile, "clone3", 1));
	ck_assert_ptr_null(rule_of(with, "clone3", 1));
}
END_TEST

START_TEST(personality_has_five_values)
{
	static const json_int_t values[] = {0, 8, 0x20000, 0x20008, 0xffffffff};
	kk_auto_json *profile = profile_of(NULL);

	for (size_t i = 0; i < KK_COUNT(values); i++) {
		const json_t *rule = rule_of(profile, "personality", i);
		const json_t *arg = json_array_get(json_object_get(rule, "args"), 0);

		ck_assert(allows(rule));
		ck_assert_uint_eq(json_array_size(json_object_get(rule, "args")), 1);
		ck_assert_int_eq(json_integer_value(json_object_get(arg, "index")), 0);
		ck_assert_int_eq(json_integer_value(json_object_get(arg, "value")), values[i]);
		ck_assert_str_eq(json_string_value(json_object_get(arg, "op")), "SCMP_CMP_EQ");
	}
	ck_assert_ptr_null(rule_of(profile, "personality", KK_COUNT(values)));
}
END_TEST

START_TEST(the_first_rule_names_each_call_once)
{
	kk_auto_json *profile = profile_of(NULL);
	const json_t *names =
		json_object_get(json_array_get(json_object_get(profile, "syscalls"), 0), "names");
	kk_auto_json *seen = json_object();
	const json_t *name;
	size_t i;

	ck_assert_uint_gt(json_array_size(names), 300);
	json_array_foreach (names, i, name) {
		const char *call = json_string_value(name);

		ck_assert_msg(!json_object_get(seen, call), "%s is there twice", call);
		json_object_set_new(seen, call, json_true());
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("seccomp");
	TCase *profile = tcase_create("profile");

	tcase_add_test(profile, what_is_not_named_is_refused);
	tcase_add_test(profile, the_architectures_of_this_machine_are_meant);
	tcase_add_loop_test(profile, harmless_calls_are_always_allowed, 0, (int)KK_COUNT(harmless));
	tcase_add_loop_test(profile, harmful_calls_are_refused_to_all, 0, (int)KK_COUNT(harmful));
	tcase_add_loop_test(profile, a_capability_brings_its_calls_and_no_others, 0,
		(int)KK_COUNT(by_capability));
	tcase_add_test(profile, without_sys_admin_clone_makes_no_namespaces);
	tcase_add_test(profile, without_sys_admin_clone3_seems_not_to_exist);
	tcase_add_test(profile, personality_has_five_values);
	tcase_add_test(profile, the_first_rule_names_each_call_once);
	suite_add_tcase(suite, profile);
	return check_main(suite);
}
