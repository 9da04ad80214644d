/* ipc/model/config.c - kukeond.yaml, and what belongs to a run path. */
#include <kukeon/config.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kukeon/auto.h>
#include <kukeon/buf.h>
#include <kukeon/fd.h>
#include <kukeon/json.h>
#include <kukeon/mem.h>

enum { FILE_MAX = 1024 * 1024 };

void kk_config_release(struct kk_config *config)
{
	free(config->socket);
	free(config->run_path);
	free(config->containerd_socket);
	free(config->namespace_suffix);
	free(config->cgroup_root);
	free(config->pod_subnet_cidr);
	free(config->sandbox);
	free(config->kuketty_log_level);
	*config = (struct kk_config){0};
}

static int configuration_fail(const char *path, const char *what, const struct kk_err *cause,
	struct kk_err *err)
{
	char why[KK_ERR_TEXT];

	kk_err_format(cause, why, sizeof why);
	if (cause->code == KK_E_NOMEM)
		return kk_fail(err, KK_E_NOMEM, "%s server configuration \"%s\": %s", what, path,
			why);
	return kk_fail(err, KK_E_CONFIG,
		"%s server configuration \"%s\": server configuration is invalid: %s", what, path,
		why);
}

int kk_server_configuration_read(const char *path, struct kk_server_configuration *ret_file,
	bool *ret_exists, struct kk_err *err)
{
	kk_auto_buf text = {.max = FILE_MAX};
	struct kk_server_configuration file;
	struct kk_err cause = {0};

	kk_schema_init(kk_schema_of_server_configuration(), ret_file);
	*ret_exists = false;
	if (kk_file_read(path, &text, &cause) < 0) {
		if (cause.sys_errno == ENOENT)
			return 0;
		return configuration_fail(path, "read", &cause, err);
	}
	if (kk_yaml_read(kk_schema_of_server_configuration(), (char *)text.data, text.len, &file,
		    &cause) < 0)
		return configuration_fail(path, "parse", &cause, err);
	if (!kk_str_empty(file.kind) && strcmp(file.kind, "ServerConfiguration") != 0) {
		kk_fail(err, KK_E_CONFIG,
			"server configuration \"%s\" has kind \"%s\", want "
			"\"ServerConfiguration\": server configuration is invalid",
			path, file.kind);
		kk_server_configuration_release(&file);
		return KK_E_CONFIG;
	}
	*ret_file = file;
	*ret_exists = true;
	return 0;
}

static int cidr_check(const char *cidr)
{
	char address[64];
	const char *slash = strchr(cidr, '/');
	struct in_addr in;
	char *end;
	long bits;

	if (!slash || (size_t)(slash - cidr) >= sizeof address)
		return -1;
	memcpy(address, cidr, (size_t)(slash - cidr));
	address[slash - cidr] = '\0';
	bits = strtol(slash + 1, &end, 10);
	if (!isdigit((unsigned char)slash[1]) || *end || bits < 8 || bits > 24)
		return -1;
	return inet_pton(AF_INET, address, &in) == 1 ? 0 : -1;
}

int kk_run_path_check(const char *run_path, struct kk_err *err)
{
	return kk_str_empty(run_path) ?
		kk_fail(err, KK_E_USAGE,
			"the run path is empty: leave --run-path out, or name a directory") :
		0;
}

int kk_config_check(const struct kk_config *config, struct kk_err *err)
{
	const char *suffix = config->namespace_suffix, *root = config->cgroup_root;

	if (kk_run_path_check(config->run_path, err) < 0)
		return kk_failed(err);
	if (!*suffix || suffix[0] == '.' || kk_str_ends(suffix, ".") || strpbrk(suffix, "/ \t\n"))
		return kk_fail(err, KK_E_CONFIG,
			"configure runtime: containerdNamespaceSuffix \"%s\" "
			"must not be empty, begin or end with '.', or hold '/' or blanks: server "
			"configuration is invalid",
			suffix);
	if (root[0] != '/' || !root[1] || strstr(root, "..") || strstr(root, "//"))
		return kk_fail(err, KK_E_CONFIG,
			"configure runtime: cgroupRoot \"%s\" must be "
			"absolute and not '/': server configuration is invalid",
			root);
	if (cidr_check(config->pod_subnet_cidr) < 0)
		return kk_fail(err, KK_E_CONFIG,
			"configure pod subnet CIDR: \"%s\" is no IPv4 network "
			"of /8 to /24: server configuration is invalid",
			config->pod_subnet_cidr);
	if (config->sandbox && !kk_str_equal(config->sandbox, "kill") &&
		!kk_str_equal(config->sandbox, "deny") && !kk_str_equal(config->sandbox, "off"))
		return kk_fail(err, KK_E_CONFIG,
			"sandbox \"%s\" is none of kill, deny, off: server configuration is invalid",
			config->sandbox);
	return 0;
}

static int instance_agree(const struct kk_config *config, const struct kk_instance *instance,
	struct kk_err *err)
{
	bool is_same =
		(!config->is_suffix_explicit ||
			kk_str_equal(config->namespace_suffix, instance->namespace_suffix)) &&
		(!config->is_cgroup_root_explicit ||
			kk_str_equal(config->cgroup_root, instance->cgroup_root));

	if (instance->state_version > KK_STATE_VERSION)
		return kk_fail(err, KK_E_CONFIG,
			"run path %s was written by a newer kukeon (state version %lld, this one knows %d): "
			"install that one, nothing was changed",
			config->run_path, (long long)instance->state_version, KK_STATE_VERSION);
	if (is_same)
		return 0;
	return kk_fail(err, KK_E_INSTANCE_MISMATCH,
		"runPath \"%s\" was bootstrapped with containerdNamespaceSuffix=\"%s\" cgroupRoot=\"%s\" "
		"but the running configuration requests containerdNamespaceSuffix=\"%s\" "
		"cgroupRoot=\"%s\": kukeon instance mismatch",
		config->run_path, kk_str(instance->namespace_suffix), kk_str(instance->cgroup_root),
		config->namespace_suffix, config->cgroup_root);
}

static void instance_adopt(struct kk_config *config, const struct kk_instance *instance)
{
	kk_str_set(&config->namespace_suffix, instance->namespace_suffix);
	kk_str_set(&config->cgroup_root, instance->cgroup_root);
	if (!config->is_subnet_explicit && !kk_str_empty(instance->pod_subnet_cidr))
		kk_str_set(&config->pod_subnet_cidr, instance->pod_subnet_cidr);
	if (!config->is_containerd_explicit && !kk_str_empty(instance->containerd_socket))
		kk_str_set(&config->containerd_socket, instance->containerd_socket);
}

static int instance_write(const char *path, const struct kk_config *config, const char *kukeond,
	struct kk_err *err)
{
	const struct kk_instance instance = {
		.namespace_suffix = config->namespace_suffix,
		.cgroup_root = config->cgroup_root,
		.pod_subnet_cidr = config->pod_subnet_cidr,
		.containerd_socket = config->containerd_socket,
		.kukeond = (char *)kukeond,
		.state_version = KK_STATE_VERSION,
	};
	kk_auto_json *json = kk_json_encode(kk_schema_of_instance(), &instance, KK_JSON_DISK);
	kk_auto_free char *dump = json ? kk_json_text(json, JSON_INDENT(2)) : NULL;
	kk_auto_free char *text = dump ? kk_printf("%s\n", dump) : NULL;

	if (!text)
		return kk_fail(err, KK_E_NOMEM, "no memory for %s", path);
	/* The run path may be as new as the file. */
	if (kk_path_sync(config->run_path, "/", err) < 0)
		return kk_failed(err);
	return kk_file_replace(path, text, strlen(text), 0640, err);
}

/* One process at a time makes what belongs to the run path. Its own directory can be locked without leaving a
 * lock file behind. */
static int run_path_lock(const struct kk_config *config, int *ret_fd, struct kk_err *err)
{
	kk_auto_fd int fd = -1;

	if (kk_dir_make(config->run_path, 0755, err) < 0)
		return kk_wrap(err, "open run path '%s'", config->run_path);
	fd = open(config->run_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return kk_fail_errno(err, KK_E_IO, "lock run path '%s'", config->run_path);
	*ret_fd = kk_steal_fd(&fd);
	return 0;
}

static int damaged_fail(const char *path, struct kk_err *err)
{
	return kk_fail(err, KK_E_CONFIG, "%s is damaged; restore it or remove it after a check",
		path);
}

/* Our workers are root without root's privilege to pass all modes, and who can write here rules over root. */
static int owner_check(const char *run_path, struct kk_err *err)
{
	kk_auto_free char *path = kk_xstrdup(run_path);
	struct stat st;

	if (geteuid() != 0)
		return 0;
	if (stat(path, &st) == 0 && st.st_uid != 0)
		return kk_fail(err, KK_E_CONFIG,
			"run path %s belongs to user %u: root must own it (chown root %s)", path,
			(unsigned)st.st_uid, path);
	for (char *slash = strrchr(path, '/'); slash && slash != path; slash = strrchr(path, '/')) {
		*slash = '\0';
		if (stat(path, &st) == 0 && st.st_uid != 0 && !(st.st_mode & S_IXOTH))
			return kk_fail(err, KK_E_CONFIG,
				"run path %s: only user %u may enter %s; choose a path that root can enter",
				run_path, (unsigned)st.st_uid, path);
	}
	return 0;
}

static char *instance_path(const char *run_path)
{
	return kk_xprintf("%s/" KK_INSTANCE_FILE, run_path);
}

/* 1 when there is one, 0 when not. */
static int instance_read(const char *path, struct kk_instance *ret_instance, struct kk_err *err)
{
	kk_auto_buf text = {.max = FILE_MAX};
	kk_auto_json *json = NULL;
	struct kk_instance instance = {0};
	struct kk_err cause = {0};
	char why[KK_ERR_TEXT];
	int r;

	if (kk_file_read(path, &text, &cause) < 0) {
		if (cause.sys_errno == ENOENT)
			return 0;
		kk_err_format(&cause, why, sizeof why);
		return kk_fail(err, KK_E_IO, "%s", why);
	}
	r = kk_json_load((char *)text.data, text.len, 0, &json, NULL);
	if (r == 0)
		r = kk_json_decode(kk_schema_of_instance(), json, &instance, &cause);
	if (r == KK_E_NOMEM)
		return kk_fail(err, r, "no memory for %s", path);
	if (r < 0)
		return damaged_fail(path, err);
	if (kk_str_empty(instance.namespace_suffix) || kk_str_empty(instance.cgroup_root)) {
		kk_instance_release(&instance);
		return damaged_fail(path, err);
	}
	*ret_instance = instance;
	return 1;
}

int kk_instance_join(struct kk_config *config, bool is_reading, struct kk_err *err)
{
	kk_auto_free char *path = instance_path(config->run_path);
	kk_auto(kk_instance_release) struct kk_instance instance = {0};
	kk_auto_fd int lock = -1;
	int r;

	if (!is_reading && run_path_lock(config, &lock, err) < 0)
		return kk_failed(err);
	if (owner_check(config->run_path, err) < 0)
		return kk_failed(err);
	/* What a predecessor wrote it may not have lived to sync. */
	if (!is_reading && kk_name_sync(path, err) < 0)
		return kk_failed(err);
	if (!is_reading)
		kk_leftovers_remove(path);
	r = instance_read(path, &instance, err);
	if (r < 0)
		return r;
	if (r == 0)
		return is_reading ? 0 : instance_write(path, config, NULL, err);
	if (instance_agree(config, &instance, err) < 0)
		return kk_failed(err);
	instance_adopt(config, &instance);
	return 0;
}

bool kk_instance_find(const char *run_path, struct kk_instance *ret_instance)
{
	kk_auto_free char *path = instance_path(run_path);
	struct kk_err ignored = {0};

	*ret_instance = (struct kk_instance){0};
	return instance_read(path, ret_instance, &ignored) == 1;
}

int kk_instance_kukeond_set(const struct kk_config *config, const char *kukeond, struct kk_err *err)
{
	kk_auto_free char *path = instance_path(config->run_path);
	kk_auto(kk_instance_release) struct kk_instance now = {0};
	kk_auto_fd int lock = -1;

	if (kk_instance_find(config->run_path, &now) && kk_str_equal(now.kukeond, kukeond))
		return 0;
	if (run_path_lock(config, &lock, err) < 0)
		return kk_failed(err);
	return instance_write(path, config, kukeond, err);
}

char *kk_config_instance_id(const struct kk_config *config)
{
	uint32_t hash = 2166136261u;

	for (const char *p = config->run_path; *p; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619u;
	return kk_xprintf("%08x", hash);
}

static bool is_default(const struct kk_config *config)
{
	return strcmp(config->run_path, KK_DEFAULT_RUN_PATH) == 0;
}

char *kk_config_runtime_dir(const struct kk_config *config)
{
	if (is_default(config))
		return kk_xstrdup(KK_DEFAULT_RUNTIME_DIR);
	return kk_xprintf("%s/run", config->run_path);
}

char *kk_config_crash_dir(const struct kk_config *config)
{
	if (is_default(config))
		return kk_xstrdup(KK_DEFAULT_CRASH_DIR);
	return kk_xprintf("%s/crash", config->run_path);
}

char *kk_config_nft_table(const struct kk_config *config)
{
	kk_auto_free char *id = kk_config_instance_id(config);

	return is_default(config) ? kk_xstrdup("kukeon") : kk_xprintf("kukeon_%s", id);
}
