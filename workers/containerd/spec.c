/* workers/containerd/spec.c - the OCI runtime specification of a container: the default of containerd's
 * own client, then the image, then our document. */
#include "ct.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <kukeon/buf.h>
#include <kukeon/fd.h>
#include <kukeon/host.h>
#include <kukeon/json.h>
#include <kukeon/mem.h>
#include <kukeon/oom.h>
#include <kukeon/sha256.h>

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#define DEFAULT_TERM "TERM=xterm"

enum { PROFILE_MAX = 1024 * 1024 };

static const char *const default_capabilities[] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_FSETID",
	"CAP_FOWNER",
	"CAP_MKNOD",
	"CAP_NET_RAW",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETFCAP",
	"CAP_SETPCAP",
	"CAP_NET_BIND_SERVICE",
	"CAP_SYS_CHROOT",
	"CAP_KILL",
	"CAP_AUDIT_WRITE",
};

/* All that kernels know, for privileged containers, at their numbers. */
static const char *const all_capabilities[] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_IPC_LOCK",
	"CAP_IPC_OWNER",
	"CAP_SYS_MODULE",
	"CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
	"CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",
	"CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",
	"CAP_LEASE",
	"CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",
	"CAP_SETFCAP",
	"CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN",
	"CAP_SYSLOG",
	"CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ",
	"CAP_PERFMON",
	"CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
};

static const char *const masked_paths[] = {
	"/proc/acpi",
	"/proc/asound",
	"/proc/kcore",
	"/proc/keys",
	"/proc/latency_stats",
	"/proc/timer_list",
	"/proc/timer_stats",
	"/proc/sched_debug",
	"/sys/firmware",
	"/proc/scsi",
};

static const char *const readonly_paths[] = {
	"/proc/bus",
	"/proc/fs",
	"/proc/irq",
	"/proc/sys",
	"/proc/sysrq-trigger",
};

/* Character devices that every container may use; minor -1 is any. */
static const struct {
	int major;
	int minor;
} default_devices[] = {{1, 3}, {1, 8}, {1, 7}, {5, 0}, {1, 5}, {1, 9}, {5, 1}, {136, -1}, {5, 2}};

/* What the parts of the specification are made from. */
struct build {
	const struct kk_req_container_create *req;
	const struct kk_container_spec *spec;
	const json_t *image;
	struct kk_strs capabilities;
	struct kk_strs secrets; /* as variables */
	struct ct_user user;
	int nofile;
};

static json_t *strings(const char *const *items, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(array, json_string(items[i]));
	return array;
}

/* --- process --- */

static json_t *command_build(const struct build *b)
{
	const struct kk_container_spec *spec = b->spec;
	json_t *args = json_array();

	if (!kk_str_empty(spec->command))
		json_array_append_new(args, json_string(spec->command));
	if (!kk_str_empty(spec->command) || spec->args.n) {
		for (size_t i = 0; i < spec->args.n; i++)
			json_array_append_new(args, json_string(spec->args.items[i]));
		return args;
	}
	json_array_extend(args, json_object_get(b->image, "Entrypoint"));
	json_array_extend(args, json_object_get(b->image, "Cmd"));
	/* Who has a terminal and nothing to do has a shell. */
	if (json_array_size(args) == 0 && spec->attachable) {
		json_array_append_new(args, json_string("/bin/bash"));
		json_array_append_new(args, json_string("-i"));
	}
	return args;
}

/* The script of a stage, and the file that tells that it is done with for ever; "": it never is. That file is in what the
 * stage prepares, which may outlive the container. */
static void stage_add(json_t *args, const struct kk_container_spec *spec,
	const struct kk_tty_stage *stage)
{
	kk_auto_free char *mark = kk_xstrdup("");
	const char *volume = kk_container_volume_lasting(spec);
	char sum[KK_SHA256_TEXT];

	if (kk_str_equal(stage->run_on, "create") && volume) {
		kk_sha256_text(kk_str(stage->script), strlen(kk_str(stage->script)), sum);
		free(mark);
		mark = kk_xprintf("%s/.kukeon-done-%.16s", volume, sum);
	}
	json_array_append_new(args, json_string("stage"));
	json_array_append_new(args, kk_json_string(kk_str(stage->script)));
	json_array_append_new(args, json_string(mark));
}

/* What a container runs: first the stages, one after the other. One that fails is the end of it. */
static json_t *args_build(const struct build *b)
{
	/* Without a variable: the program would have it in its environment. */
	static const char runner[] =
		"while [ \"$1\" = stage ]; do "
		"if [ -z \"$3\" ]; then /bin/sh -c \"$2\" || exit; "
		"elif [ ! -e \"$3\" ]; then /bin/sh -c \"$2\" || exit; : >\"$3\" || exit; fi; "
		"shift 3; done; shift; exec \"$@\"";
	const struct kk_container_tty *tty = &b->spec->tty;
	json_t *command = command_build(b), *args;

	if (tty->on_init.n == 0 || json_array_size(command) == 0)
		return command;
	args = json_pack("[s, s, s, s]", "/bin/sh", "-c", runner, "sh");
	for (size_t i = 0; i < tty->on_init.n; i++)
		stage_add(args, b->spec, &tty->on_init.items[i]);
	json_array_append_new(args, json_string("program"));
	json_array_extend(args, command);
	json_decref(command);
	return args;
}

static void env_set(struct kk_strs *env, const char *entry)
{
	size_t len = strcspn(entry, "=");

	for (size_t i = 0; i < env->n; i++) {
		if (strcspn(env->items[i], "=") == len && memcmp(env->items[i], entry, len) == 0) {
			kk_str_set(&env->items[i], entry);
			return;
		}
	}
	kk_strs_add(env, entry);
}

static void env_set_own(struct kk_strs *env, const char *name, const char *value)
{
	kk_auto_free char *entry = kk_xprintf("%s=%s", name, kk_str(value));

	if (!kk_str_empty(value))
		env_set(env, entry);
}

/* Those that have no path. */
static int secrets_read(struct build *b, struct kk_err *err)
{
	for (size_t i = 0; i < b->spec->secrets.n; i++) {
		const struct kk_container_secret *secret = &b->spec->secrets.items[i];
		kk_auto_free char *entry = NULL;

		if (!kk_str_empty(secret->mount_path))
			continue;
		if (ct_secret_env(secret, &entry, err) < 0)
			return kk_wrap(err, "container \"%s\"", kk_str(b->spec->id));
		kk_strs_take(&b->secrets, kk_steal(&entry));
	}
	return 0;
}

static json_t *env_build(const struct build *b)
{
	kk_auto(kk_strs_release) struct kk_strs env = {0};
	const struct kk_container_spec *spec = b->spec;
	kk_auto_free char *home = kk_xprintf("HOME=%s", b->user.home);
	json_t *item;
	size_t i;

	env_set(&env, DEFAULT_PATH);
	json_array_foreach (json_object_get(b->image, "Env"), i, item)
		env_set(&env, kk_str(json_string_value(item)));
	env_set_own(&env, "KUKEON_CELL_NAME", spec->cell_id);
	env_set_own(&env, "KUKEON_CONTAINER_ID", spec->id);
	env_set_own(&env, "KUKEON_REALM", spec->realm_id);
	env_set_own(&env, "KUKEON_SPACE", spec->space_id);
	env_set_own(&env, "KUKEON_STACK", spec->stack_id);
	env_set_own(&env, "KUKEON_CGROUP_PATH", b->req->cgroup_path);
	if (spec->attachable)
		env_set(&env, DEFAULT_TERM);
	if (!kk_str_empty(spec->tty.prompt))
		env_set_own(&env, "PS1", spec->tty.prompt);
	for (i = 0; i < spec->env.n; i++)
		env_set(&env, spec->env.items[i]);
	for (i = 0; i < b->secrets.n; i++)
		env_set(&env, b->secrets.items[i]);
	for (i = 0; i < env.n && !kk_str_starts(env.items[i], "HOME="); i++)
		;
	if (i == env.n)
		kk_strs_add(&env, home);
	return strings((const char *const *)env.items, env.n);
}

static char *capability_name(const char *name)
{
	char *full = kk_xprintf("%s%s", strncasecmp(name, "CAP_", 4) == 0 ? "" : "CAP_", name);

	for (char *p = full; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	return full;
}

static void capability_drop(struct kk_strs *set, const char *name)
{
	for (size_t i = 0; i < set->n; i++) {
		if (strcmp(set->items[i], name) != 0)
			continue;
		free(set->items[i]);
		set->items[i] = set->items[--set->n];
		return;
	}
}

static uint64_t host_capabilities = UINT64_MAX;

void ct_spec_open(void)
{
	kk_auto_buf status = {.max = 65536};
	unsigned long long set;
	const char *line;

	if (kk_file_read("/proc/1/status", &status, NULL) < 0 || !status.data)
		return;
	line = strstr((char *)status.data, "\nCapBnd:");
	if (line && sscanf(line, "\nCapBnd: %llx", &set) == 1)
		host_capabilities = set;
}

/* Those of the table that the host has. */
static void capabilities_add_all(struct kk_strs *set)
{
	for (size_t i = 0; i < KK_COUNT(all_capabilities); i++) {
		if (host_capabilities & UINT64_C(1) << i)
			kk_strs_add(set, all_capabilities[i]);
	}
}

static void capabilities_resolve(struct build *b)
{
	const struct kk_capabilities *wanted = &b->spec->capabilities;
	struct kk_strs *set = &b->capabilities;

	if (b->spec->privileged)
		capabilities_add_all(set);
	for (size_t i = 0; i < KK_COUNT(default_capabilities) && !b->spec->privileged; i++)
		kk_strs_add(set, default_capabilities[i]);
	for (size_t i = 0; i < wanted->drop.n; i++) {
		kk_auto_free char *name = capability_name(wanted->drop.items[i]);

		if (strcmp(name, "CAP_ALL") == 0)
			kk_strs_release(set);
		else
			capability_drop(set, name);
	}
	for (size_t i = 0; i < wanted->add.n; i++) {
		kk_auto_free char *name = capability_name(wanted->add.items[i]);

		if (strcmp(name, "CAP_ALL") == 0) {
			kk_strs_release(set);
			capabilities_add_all(set);
		} else if (!kk_strs_has(set, name)) {
			kk_strs_add(set, name);
		}
	}
}

static json_t *capabilities_build(const struct build *b)
{
	json_t *set = strings((const char *const *)b->capabilities.items, b->capabilities.n);

	return json_pack("{s:o, s:O, s:O}", "bounding", set, "effective", set, "permitted", set);
}

static json_t *user_build(const struct build *b)
{
	json_t *user = json_pack("{s:I, s:I}", "uid", (json_int_t)b->user.uid, "gid",
		(json_int_t)b->user.gid);
	json_t *groups = json_array();

	for (size_t i = 0; i < b->user.n_groups; i++)
		json_array_append_new(groups, json_integer(b->user.groups[i]));
	json_object_set_new(user, "additionalGids", groups);
	return user;
}

static const char *security_opt(const struct build *b, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < b->spec->security_opts.n; i++) {
		const char *opt = b->spec->security_opts.items[i];

		if (strncmp(opt, name, len) != 0)
			continue;
		if (!opt[len])
			return "true";
		if (opt[len] == '=' || opt[len] == ':')
			return opt + len + 1;
	}
	return NULL;
}

/* As Go reads a bool: what is none of these is true. */
static bool is_false(const char *word)
{
	static const char *const words[] = {"0", "f", "F", "false", "False", "FALSE"};

	for (size_t i = 0; i < KK_COUNT(words); i++) {
		if (strcmp(word, words[i]) == 0)
			return true;
	}
	return false;
}

static json_t *process_build(const struct build *b)
{
	const char *cwd = kk_str(b->spec->working_dir);
	const char *no_new = security_opt(b, "no-new-privileges");
	bool is_no_new = no_new ? !is_false(no_new) : !b->spec->privileged;

	if (!*cwd)
		cwd = kk_str(json_string_value(json_object_get(b->image, "WorkingDir")));
	return json_pack("{s:b, s:o, s:o, s:o, s:s, s:o, s:[{s:s, s:i, s:i}], s:b, s:i}",
		"terminal", b->spec->attachable, "user", user_build(b), "args", args_build(b),
		"env", env_build(b), "cwd", *cwd ? cwd : "/", "capabilities", capabilities_build(b),
		"rlimits", "type", "RLIMIT_NOFILE", "hard", b->nofile, "soft", b->nofile,
		"noNewPrivileges", is_no_new, "oomScoreAdj", KK_OOM_CONTAINER);
}

/* --- mounts --- */

static void mount_add(json_t *mounts, const char *destination, const char *type, const char *source,
	const char *options)
{
	json_t *list = json_array();

	while (*options) {
		size_t len = strcspn(options, ",");

		json_array_append_new(list, json_stringn(options, len));
		options += len + (options[len] == ',');
	}
	json_array_append_new(mounts,
		json_pack("{s:s, s:s, s:s, s:o}", "destination", destination, "type", type,
			"source", source, "options", list));
}

static void file_mount_add(json_t *mounts, const struct build *b, const char *name,
	const char *destination)
{
	kk_auto_free char *source = kk_xprintf("%s/%s", b->req->files_dir, name);

	mount_add(mounts, destination, "bind", source, "rbind,ro");
}

static int volume_add(json_t *mounts, const struct kk_volume_mount *volume, struct kk_err *err)
{
	const char *propagation = kk_str(volume->propagation);
	struct stat st;
	kk_auto_free char *options = NULL;

	if (strcmp(kk_str(volume->kind), "volume") == 0)
		return kk_fail(err, KK_E_INVALID,
			"volume '%s' for %s: volumes of kind volume are not "
			"supported yet",
			kk_str(volume->source), volume->target);
	if (strcmp(kk_str(volume->kind), "tmpfs") == 0) {
		kk_auto_free char *size = volume->size_bytes > 0 ?
			kk_xprintf(",size=%lld", (long long)volume->size_bytes) :
			kk_xstrdup("");
		kk_auto_free char *mode = volume->mode ?
			kk_xprintf(",mode=%llo", (unsigned long long)volume->mode) :
			kk_xstrdup("");

		options = kk_xprintf("nosuid,nodev,%s%s%s", volume->read_only ? "ro" : "rw", size,
			mode);
		mount_add(mounts, volume->target, "tmpfs", "tmpfs", options);
		return 0;
	}
	if (kk_host_stat(volume->source, &st) < 0)
		return kk_fail_errno(err, KK_E_INVALID, "bind mount of '%s'", volume->source);
	/* What is mounted below comes along, unless its propagation is that of one mount. */
	options = kk_xprintf("%sbind,%s%s%s", !*propagation || *propagation == 'r' ? "r" : "",
		volume->read_only ? "ro" : "rw", *propagation ? "," : "", propagation);
	mount_add(mounts, volume->target, "bind", volume->source, options);
	return 0;
}

static void tmpfs_add(json_t *mounts, const struct kk_tmpfs *tmpfs)
{
	kk_auto_buf options = {0};

	if (kk_str_empty(tmpfs->path))
		return;
	kk_buf_str(&options, "nosuid,nodev");
	if (tmpfs->size_bytes > 0)
		kk_buf_printf(&options, ",size=%lld", (long long)tmpfs->size_bytes);
	for (size_t i = 0; i < tmpfs->options.n; i++)
		kk_buf_printf(&options, ",%s", tmpfs->options.items[i]);
	mount_add(mounts, tmpfs->path, "tmpfs", "tmpfs", (char *)options.data);
}

static int secret_mount_add(json_t *mounts, const struct build *b,
	const struct kk_container_secret *secret, struct kk_err *err)
{
	kk_auto_free char *path = NULL;

	if (kk_str_empty(secret->mount_path))
		return 0;
	if (ct_secret_stage(kk_str(b->req->namespace), kk_str(b->req->id), secret, &path, err) < 0)
		return kk_failed(err);
	mount_add(mounts, secret->mount_path, "bind", path, "bind,ro,nosuid,nodev,noexec");
	return 0;
}

static int mounts_build(const struct build *b, json_t **ret_mounts, struct kk_err *err)
{
	kk_auto_json *mounts = json_array();

	mount_add(mounts, "/proc", "proc", "proc", "nosuid,noexec,nodev");
	mount_add(mounts, "/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k");
	mount_add(mounts, "/dev/pts", "devpts", "devpts",
		"nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5");
	mount_add(mounts, "/dev/shm", "tmpfs", "shm", "nosuid,noexec,nodev,mode=1777,size=65536k");
	mount_add(mounts, "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev");
	mount_add(mounts, "/sys", "sysfs", "sysfs",
		b->spec->privileged ? "nosuid,noexec,nodev,rw" : "nosuid,noexec,nodev,ro");
	mount_add(mounts, "/run", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k");
	file_mount_add(mounts, b, "etc-hostname", "/etc/hostname");
	file_mount_add(mounts, b, "etc-hosts", "/etc/hosts");
	file_mount_add(mounts, b, "etc-resolv.conf", "/etc/resolv.conf");
	for (size_t i = 0; i < b->spec->volumes.n; i++) {
		if (volume_add(mounts, &b->spec->volumes.items[i], err) < 0)
			return kk_wrap(err, "container \"%s\"", kk_str(b->spec->id));
	}
	for (size_t i = 0; i < b->spec->tmpfs.n; i++)
		tmpfs_add(mounts, &b->spec->tmpfs.items[i]);
	for (size_t i = 0; i < b->spec->secrets.n; i++) {
		if (secret_mount_add(mounts, b, &b->spec->secrets.items[i], err) < 0)
			return kk_wrap(err, "container \"%s\"", kk_str(b->spec->id));
	}
	*ret_mounts = kk_steal(&mounts);
	return 0;
}

/* --- linux --- */

static void namespace_add(json_t *list, const char *type, const char *path)
{
	json_t *namespace = json_pack("{s:s}", "type", type);

	if (!kk_str_empty(path))
		json_object_set_new(namespace, "path", json_string(path));
	json_array_append_new(list, namespace);
}

static json_t *namespaces_build(const struct build *b)
{
	json_t *list = json_array();

	if (!b->spec->host_pid)
		namespace_add(list, "pid", NULL);
	namespace_add(list, "ipc", b->req->ipcns_path);
	namespace_add(list, "uts", b->req->utsns_path);
	namespace_add(list, "mount", NULL);
	if (!b->spec->host_network)
		namespace_add(list, "network", b->req->netns_path);
	if (!b->spec->host_cgroup)
		namespace_add(list, "cgroup", NULL);
	return list;
}

static int device_add(json_t *devices, json_t *rules, const char *path, struct kk_err *err)
{
	struct stat st;
	const char *type;

	if (kk_host_stat(path, &st) < 0)
		return kk_fail_errno(err, KK_E_INVALID, "resolve device \"%s\"", path);
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		return kk_fail(err, KK_E_INVALID, "resolve device \"%s\": not a device", path);
	type = S_ISCHR(st.st_mode) ? "c" : "b";
	json_array_append_new(devices,
		json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "path", path, "type", type,
			"major", (json_int_t)major(st.st_rdev), "minor",
			(json_int_t)minor(st.st_rdev), "fileMode", (json_int_t)(st.st_mode & 07777),
			"uid", (json_int_t)st.st_uid, "gid", (json_int_t)st.st_gid));
	json_array_append_new(rules,
		json_pack("{s:b, s:s, s:I, s:I, s:s}", "allow", 1, "type", type, "major",
			(json_int_t)major(st.st_rdev), "minor", (json_int_t)minor(st.st_rdev),
			"access", "rwm"));
	return 0;
}

/* Every node of the host's /dev, for privileged containers; what the runtime makes itself is left out. */
static void devices_add_all(json_t *devices, json_t *rules, const char *dir)
{
	static const char *const skipped[] = {
		".", "..", "pts", "shm", "fd", "mqueue", "console", ".lxc", ".lxd-mounts", ".udev"};
	const struct dirent *entry;
	DIR *handle = kk_host_opendir(dir);

	while (handle && (entry = readdir(handle))) {
		kk_auto_free char *path = kk_xprintf("%s/%s", dir, entry->d_name);
		struct kk_err ignored = {0};
		bool is_skipped = false;

		for (size_t i = 0; i < KK_COUNT(skipped); i++)
			is_skipped |= strcmp(entry->d_name, skipped[i]) == 0;
		if (is_skipped)
			continue;
		if (entry->d_type == DT_DIR)
			devices_add_all(devices, rules, path);
		else if (entry->d_type == DT_CHR || entry->d_type == DT_BLK)
			(void)device_add(devices, rules, path, &ignored);
	}
	if (handle)
		closedir(handle);
}

static int devices_build(const struct build *b, json_t *devices, json_t *rules, struct kk_err *err)
{
	json_array_append_new(rules,
		json_pack("{s:b, s:s}", "allow", b->spec->privileged, "access", "rwm"));
	for (size_t i = 0; i < KK_COUNT(default_devices); i++) {
		json_t *rule = json_pack("{s:b, s:s, s:i, s:s}", "allow", 1, "type", "c", "major",
			default_devices[i].major, "access", "rwm");

		if (default_devices[i].minor >= 0)
			json_object_set_new(rule, "minor", json_integer(default_devices[i].minor));
		json_array_append_new(rules, rule);
	}
	if (b->spec->privileged)
		devices_add_all(devices, rules, "/dev");
	for (size_t i = 0; i < b->spec->devices.n; i++) {
		if (device_add(devices, rules, b->spec->devices.items[i], err) < 0)
			return kk_failed(err);
	}
	return 0;
}

static json_t *resources_build(const struct build *b, json_t *device_rules)
{
	const struct kk_resources *r = &b->spec->resources;
	json_t *resources = json_pack("{s:o}", "devices", device_rules);
	int64_t memory = r->memory_limit_bytes.value;

	if (memory <= 0)
		memory = b->req->memory_limit_bytes;
	if (memory > 0)
		json_object_set_new(resources, "memory",
			json_pack("{s:I}", "limit", (json_int_t)memory));
	if (r->cpu_shares.value > 0)
		json_object_set_new(resources, "cpu",
			json_pack("{s:I}", "shares", (json_int_t)r->cpu_shares.value));
	if (r->pids_limit.value > 0)
		json_object_set_new(resources, "pids",
			json_pack("{s:I}", "limit", (json_int_t)r->pids_limit.value));
	return resources;
}

/* NULL with no error: unconfined. */
static int seccomp_build(const struct build *b, json_t **ret_profile, struct kk_err *err)
{
	const char *opt = security_opt(b, "seccomp");
	kk_auto_buf text = {.max = PROFILE_MAX};

	*ret_profile = NULL;
	if ((opt && strcmp(opt, "unconfined") == 0) || (!opt && b->spec->privileged))
		return 0;
	if (!opt) {
		*ret_profile = ct_seccomp_default(&b->capabilities);
		return 0;
	}
	if (kk_host_file_read(opt, &text, err) < 0)
		return kk_wrap(err, "read seccomp profile");
	*ret_profile = json_loadb((char *)text.data, text.len, 0, NULL);
	if (json_is_object(*ret_profile))
		return 0;
	json_decref(*ret_profile);
	*ret_profile = NULL;
	return kk_fail(err, KK_E_INVALID, "seccomp profile %s is no JSON object", opt);
}

/* A mount that shall be seen on the host as well needs a root that lets it out. */
static bool is_any_shared(const struct kk_container_spec *spec)
{
	for (size_t i = 0; i < spec->volumes.n; i++) {
		if (kk_str_ends(kk_str(spec->volumes.items[i].propagation), "shared"))
			return true;
	}
	return false;
}

/* What of the kernel's own file systems is hidden from the container, or may only be read. */
static void paths_build(const struct build *b, json_t *linux_part)
{
	if (b->spec->privileged || kk_str_equal(security_opt(b, "systempaths"), "unconfined"))
		return;
	json_object_set_new(linux_part, "maskedPaths",
		strings(masked_paths, KK_COUNT(masked_paths)));
	json_object_set_new(linux_part, "readonlyPaths",
		strings(readonly_paths, KK_COUNT(readonly_paths)));
}

static int linux_build(const struct build *b, json_t **ret_linux, struct kk_err *err)
{
	json_t *devices = json_array(), *rules = json_array(), *seccomp = NULL, *linux_part;
	int r = devices_build(b, devices, rules, err);

	if (r == 0)
		r = seccomp_build(b, &seccomp, err);
	if (r < 0) {
		json_decref(devices);
		json_decref(rules);
		return r;
	}
	linux_part = json_pack("{s:o, s:s, s:o, s:o}", "resources", resources_build(b, rules),
		"cgroupsPath", kk_str(b->req->cgroup_path), "namespaces", namespaces_build(b),
		"devices", devices);
	if (seccomp)
		json_object_set_new(linux_part, "seccomp", seccomp);
	if (is_any_shared(b->spec))
		json_object_set_new(linux_part, "rootfsPropagation", json_string("rshared"));
	paths_build(b, linux_part);
	*ret_linux = linux_part;
	return 0;
}

static int spec_build(struct build *b, json_t **ret_spec, struct kk_err *err)
{
	kk_auto_json *mounts = NULL, *linux_part = NULL;

	capabilities_resolve(b);
	if (secrets_read(b, err) < 0 || mounts_build(b, &mounts, err) < 0 ||
		linux_build(b, &linux_part, err) < 0)
		return kk_failed(err);
	/* One shim for all containers of the cell. */
	*ret_spec = json_pack("{s:s, s:o, s:{s:s, s:b}, s:O, s:O, s:{s:s}}", "ociVersion", "1.0.2",
		"process", process_build(b), "root", "path", "rootfs", "readonly",
		b->spec->read_only_root_filesystem, "mounts", mounts, "linux", linux_part,
		"annotations", "io.containerd.runc.v2.group", kk_str(b->req->group));
	/* A UTS namespace that is shared has its name. */
	if (kk_str_empty(b->req->utsns_path) && !b->spec->host_network)
		json_object_set_new(*ret_spec, "hostname", json_string(kk_str(b->req->hostname)));
	return 0;
}

char *ct_spec_build(const struct kk_req_container_create *req, const struct ct_image *image,
	const struct ct_mounts *rootfs, int nofile, struct kk_err *err)
{
	struct build b = {.req = req, .spec = &req->spec, .image = image->config, .nofile = nofile};
	kk_auto_json *spec = NULL;
	const char *user = kk_str(req->spec.user);
	char *text;
	int r;

	if (!*user)
		user = kk_str(json_string_value(json_object_get(image->config, "User")));
	r = ct_user_resolve(user, rootfs, &b.user, err);
	if (r == 0)
		r = spec_build(&b, &spec, err);
	kk_strs_release(&b.capabilities);
	kk_strs_release(&b.secrets);
	if (r < 0)
		return NULL;
	if (json_array_size(json_object_get(json_object_get(spec, "process"), "args")) == 0) {
		kk_fail(err, KK_E_INVALID,
			"container \"%s\" has no command, and image %s names none",
			kk_str(req->spec.id), image->name);
		return NULL;
	}
	text = json_dumps(spec, JSON_COMPACT);
	if (!text)
		kk_fail(err, KK_E_NOMEM, "no memory for the specification of '%s'", req->id);
	return text;
}
