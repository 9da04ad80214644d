/* client/cmd/preflight.c - kuke doctor host: what this machine lacks for kukeon, and how to come by it. */
#include "../setup/setup.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <kukeon/buf.h>
#include <kukeon/capability.h>
#include <kukeon/fd.h>
#include <kukeon/library.h>
#include <kukeon/mem.h>

#define CGROUPS "/sys/fs/cgroup"

enum {
	DISK_LOW_PERCENT = 15,
	DISK_FULL_PERCENT = 5,
	FILE_BYTES_MAX = 64 * 1024 * 1024, /* the kernel has many symbols */
};

struct preflight {
	struct setup setup;
	struct cli_report report;
};

static void preflight_release(struct preflight *preflight)
{
	setup_release(&preflight->setup);
	json_decref(preflight->report.rows);
}

static void note(struct preflight *preflight, const char *section, const char *name,
	const char *status, const char *detail, const char *remedy)
{
	cli_report_add(&preflight->report, section, name, status, kk_xstrdup(detail),
		strcmp(status, CLI_OK) == 0 ? NULL : remedy);
}

/* --- programs --- */

static bool is_in_path(const char *program)
{
	const char *path = getenv("PATH");
	kk_auto_free char *dirs = kk_xstrdup(kk_str(path));
	char *rest = dirs, *dir;

	while ((dir = strsep(&rest, ":"))) {
		kk_auto_free char *file = kk_xprintf("%s/%s", dir, program);

		if (access(file, X_OK) == 0)
			return true;
	}
	return false;
}

static void containerd_check(struct preflight *preflight)
{
	struct kk_err err = {0};
	char why[KK_ERR_TEXT];

	if (setup_containerd_check(&preflight->setup, &err) == 0) {
		note(preflight, "runtime", "containerd", CLI_OK, preflight->setup.containerd_socket,
			NULL);
		return;
	}
	kk_err_line(&err, why, sizeof why);
	if (err.code == KK_E_PERMISSION)
		note(preflight, "runtime", "containerd", CLI_WARN, why, NULL);
	else
		note(preflight, "runtime", "containerd", CLI_FAIL, why,
			"apt install containerd; systemctl enable --now containerd");
}

static void runtime_check(struct preflight *preflight)
{
	bool has_runc = is_in_path("runc");
	bool has_library = dlopen(KK_LIBRARY_NFTABLES, RTLD_NOW | RTLD_LOCAL);

	containerd_check(preflight);
	note(preflight, "runtime", "runc", has_runc ? CLI_OK : CLI_WARN,
		has_runc ? "in PATH" : "not in PATH; containerd may know where it is",
		"apt install runc");
	note(preflight, "runtime", "nftables", has_library ? CLI_OK : CLI_FAIL,
		has_library ? KK_LIBRARY_NFTABLES : KK_LIBRARY_NFTABLES " can't be loaded",
		"apt install libnftables1");
}

/* --- kernel --- */

static bool has_line(const char *path, const char *word)
{
	kk_auto_buf text = {.max = FILE_BYTES_MAX};

	return kk_file_read(path, &text, NULL) == 0 && text.data && strstr((char *)text.data, word);
}

/* Loaded or built in, else one that the kernel would load. */
static void module_check(struct preflight *preflight, const char *module, bool is_there)
{
	/* Not in the PATH of most users. */
	const char *const argv[] = {"/sbin/modprobe", "-n", "-q", module, NULL};
	int r = is_there ? 0 : setup_command(argv, NULL);

	note(preflight, "kernel", module,
		r == 0        ? CLI_OK :
			r < 0 ? CLI_WARN :
				CLI_FAIL,
		is_there ? "there" :
			r == 0 ?
			   "loaded when it is needed" :
			r < 0 ?
			   "not there, and without modprobe nobody can tell whether it could be" :
			   "not there, and no module of it",
		"boot a kernel with it: Debian's has it");
}

static bool is_module_there(const char *module)
{
	kk_auto_free char *path = kk_xprintf("/sys/module/%s", module);

	return access(path, F_OK) == 0;
}

/* A built-in one need not have a directory: what it makes is told by the kernel in other places. */
static void kernel_check(struct preflight *preflight)
{
	struct utsname name;

	if (uname(&name) == 0)
		cli_report_add(&preflight->report, "kernel", "release",
			strtol(name.release, NULL, 10) >= 5 ? CLI_OK : CLI_WARN,
			kk_xstrdup(name.release),
			"Linux 5.10 or newer is what this is tested with");
	module_check(preflight, "overlay", has_line("/proc/filesystems", "\toverlay\n"));
	module_check(preflight, "bridge",
		is_module_there("bridge") || has_line("/proc/kallsyms", " br_add_bridge\n"));
	module_check(preflight, "veth",
		is_module_there("veth") || has_line("/proc/kallsyms", " veth_newlink\n"));
	module_check(preflight, "nf_tables",
		is_module_there("nf_tables") ||
			has_line("/proc/kallsyms", " nf_tables_newtable\n"));
}

/* --- cgroups --- */

static void cgroup_check(struct preflight *preflight)
{
	static const char *const needed[] = {"cpu", "memory", "io", "pids"};
	kk_auto_buf missing = {0};
	struct statfs fs;
	bool is_v2 = statfs(CGROUPS, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;

	for (size_t i = 0; i < KK_COUNT(needed); i++) {
		/* v1 calls one of them by another name. */
		const char *v1 = strcmp(needed[i], "io") == 0 ? "blkio" : needed[i];
		kk_auto_free char *dir = kk_xprintf(CGROUPS "/%s", v1);

		if (is_v2 ? !has_line(CGROUPS "/cgroup.controllers", needed[i]) :
			    access(dir, F_OK) < 0)
			kk_buf_printf(&missing, "%s%s", missing.len ? ", " : "",
				is_v2 ? needed[i] : v1);
	}
	if (missing.len)
		cli_report_add(&preflight->report, "cgroups", "controllers", CLI_WARN,
			kk_xprintf("cgroup %s, without %s: limits of these have no effect",
				is_v2 ? "v2" : "v1", (char *)missing.data),
			"see `kuke doctor cgroups`");
	else
		cli_report_add(&preflight->report, "cgroups", "controllers", CLI_OK,
			kk_xprintf("cgroup %s, with cpu, memory, io, pids", is_v2 ? "v2" : "v1"),
			NULL);
}

/* --- host --- */

static void disk_check(struct preflight *preflight, const char *name, const char *path)
{
	kk_auto_free char *dir = kk_xstrdup(path);
	struct statvfs fs;
	unsigned long long percent;
	char *slash;

	/* What is not there yet lies where its parent does. */
	while (access(dir, F_OK) < 0 && (slash = strrchr(dir, '/')) && slash != dir)
		*slash = '\0';
	if (statvfs(access(dir, F_OK) == 0 ? dir : "/", &fs) < 0 || !fs.f_blocks)
		return;
	percent = fs.f_bavail * 100ULL / fs.f_blocks;
	cli_report_add(&preflight->report, "host", name,
		percent < DISK_FULL_PERCENT        ? CLI_FAIL :
			percent < DISK_LOW_PERCENT ? CLI_WARN :
						     CLI_OK,
		kk_xprintf("%s: %llu%% free", path, percent),
		percent < DISK_LOW_PERCENT ? "make room there, or name another --run-path" : NULL);
}

static void account_check(struct preflight *preflight)
{
	bool has_group = setup_group_find() > 0;
	bool can_add = is_in_path("groupadd") && is_in_path("useradd");

	note(preflight, "host", "group", has_group || can_add ? CLI_OK : CLI_FAIL,
		has_group       ? "\"" SETUP_GROUP "\" is there" :
			can_add ? "\"" SETUP_GROUP "\" is added by init" :
				  "\"" SETUP_GROUP
				  "\" is not there, nor are groupadd and useradd in PATH",
		"apt install passwd, or run this with sudo");
}

static void boot_check(struct preflight *preflight)
{
	kk_auto_free char *unit = setup_unit_find();

	if (!setup_has_systemd())
		note(preflight, "host", "boot", CLI_WARN, "no systemd",
			"have your init run `kuke daemon start --foreground`, and again when it ends with another status than 3");
	else if (!unit)
		note(preflight, "host", "boot", CLI_WARN, "no " SETUP_UNIT,
			"make install, or install the package");
	else
		note(preflight, "host", "boot", CLI_OK, unit, NULL);
}

static void memory_check(struct preflight *preflight)
{
	bool has_swap = has_line("/proc/swaps", "\n/");

	note(preflight, "host", "swap", has_swap ? CLI_OK : CLI_WARN,
		has_swap ? "there" : "none: where memory runs out, something is killed at once",
		"limits of memory for containers help, or some swap");
}

static void privilege_check(struct preflight *preflight)
{
	static const char *const needed[] = {
		"net_admin", "sys_admin", "sys_ptrace", "dac_override", "kill", "chown"};
	kk_auto_buf missing = {0};

	for (size_t i = 0; i < KK_COUNT(needed); i++) {
		if (!kk_capability_is_allowed(needed[i]))
			kk_buf_printf(&missing, "%s%s", missing.len ? ", " : "", needed[i]);
	}
	if (missing.len)
		cli_report_add(&preflight->report, "host", "privileges", CLI_FAIL,
			kk_xprintf("this machine denies %s, even to root", (char *)missing.data),
			"is this a container? Run it with these capabilities");
	else
		note(preflight, "host", "privileges", CLI_OK, "root may do what is needed", NULL);
}

static int run(struct cli *cli, struct kk_err *err)
{
	kk_auto(preflight_release) struct preflight preflight = {0};
	bool is_json = strcmp(cli_string(cli, "output"), "json") == 0;

	if (*cli_string(cli, "output") && !is_json)
		return kk_fail(err, KK_E_USAGE, "invalid --output \"%s\": want json",
			cli_string(cli, "output"));
	if (setup_load(cli, &preflight.setup, err) < 0)
		return kk_failed(err);
	runtime_check(&preflight);
	kernel_check(&preflight);
	cgroup_check(&preflight);
	privilege_check(&preflight);
	account_check(&preflight);
	disk_check(&preflight, "run path", preflight.setup.run_path);
	disk_check(&preflight, "images", "/var/lib/containerd");
	memory_check(&preflight);
	boot_check(&preflight);
	cli->status = cli_report_end(&preflight.report, is_json, false);
	return 0;
}

static const struct cli_flag flags[] = {
	SETUP_FLAG_CONFIGURATION,
	{"output", 'o', CLI_STRING, NULL, NULL, "json", "format"},
	CLI_FLAGS_END,
};

const struct cli_command cli_cmd_preflight = {
	.name = "host",
	.usage = "[flags]",
	.summary = "Look what this machine lacks, before `kuke init` or after",
	.flags = flags,
	.is_on_host = true,
	.is_reading = true,
	.run = run,
};
