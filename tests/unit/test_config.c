/* tests/unit/test_config.c */
#include <string.h>
#include <sys/stat.h>

#include <kukeon/buf.h>
#include <kukeon/config.h>

#include "../support/check.h"

static void put(const char *path, const char *text)
{
	struct kk_err err = {0};

	check_ok(kk_file_write(path, text, strlen(text), 0600, &err), &err);
}

static void check_file(const char *path, const char *want)
{
	kk_auto_buf buf = {0};
	struct kk_err err = {0};

	check_ok(kk_file_read(path, &buf, &err), &err);
	ck_assert_str_eq((char *)buf.data, want);
}

/* --- kukeond.yaml --- */

START_TEST(missing_file_is_an_empty_one)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = kk_xprintf("%s/kukeond.yaml", dir);
	kk_auto_free char *deeper = kk_xprintf("%s/missing/kukeond.yaml", dir);
	const char *const paths[] = {path, deeper};

	for (size_t i = 0; i < KK_COUNT(paths); i++) {
		struct kk_server_configuration file;
		struct kk_err err = {0};
		bool exists = true;

		check_ok(kk_server_configuration_read(paths[i], &file, &exists, &err), &err);
		ck_assert(!exists);
		ck_assert(kk_schema_is_empty(kk_schema_of_server_configuration(), &file));
		check_code(err.code, 0);
	}
}
END_TEST

START_TEST(file_is_read)
{
	static const char *const texts[] = {
		"apiVersion: v1beta1\nkind: ServerConfiguration\nmetadata: {name: site}\nspec:\n"
		"  socket: /s\n  socketGID: 7\n  reconcileInterval: 15s\n"
		"  workers: {containerd: {logLevel: debug}}\n",
		"# no kind, an unknown key, another version\napiVersion: v9\nextra: 1\nspec:\n"
		"  socket: /s\n  socketGID: 7\n  reconcileInterval: 15s\n  soket: /x\n"
		"  workers: {containerd: {logLevel: debug}}\n",
	};
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = kk_xprintf("%s/kukeond.yaml", dir);

	for (size_t i = 0; i < KK_COUNT(texts); i++) {
		struct kk_server_configuration file;
		struct kk_err err = {0};
		bool exists = false;

		put(path, texts[i]);
		check_ok(kk_server_configuration_read(path, &file, &exists, &err), &err);
		ck_assert(exists);
		ck_assert_str_eq(file.spec.socket, "/s");
		ck_assert_int_eq(file.spec.socket_gid, 7);
		ck_assert_str_eq(file.spec.reconcile_interval, "15s");
		ck_assert_str_eq(file.spec.workers.containerd.log_level, "debug");
		ck_assert_ptr_null(file.spec.run_path);
		kk_server_configuration_release(&file);
	}
}
END_TEST

START_TEST(empty_file_exists)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = kk_xprintf("%s/kukeond.yaml", dir);
	struct kk_server_configuration file;
	struct kk_err err = {0};
	bool exists = false;

	put(path, "");
	check_ok(kk_server_configuration_read(path, &file, &exists, &err), &err);
	ck_assert(exists);
	ck_assert(kk_schema_is_empty(kk_schema_of_server_configuration(), &file));
}
END_TEST

/* The text is @begin, the quoted path, @end. */
static void check_file_refused(const char *text, const char *begin, const char *end)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = kk_xprintf("%s/kukeond.yaml", dir);
	kk_auto_free char *want = kk_xprintf("%s \"%s\"%s", begin, path, end);
	struct kk_server_configuration file;
	struct kk_err err = {0};
	bool exists;

	put(path, text);
	check_code(kk_server_configuration_read(path, &file, &exists, &err), KK_E_CONFIG);
	check_error(&err, KK_E_CONFIG, want);
	ck_assert(kk_schema_is_empty(kk_schema_of_server_configuration(), &file));
}

START_TEST(file_of_another_kind_is_refused)
{
	check_file_refused("kind: ClientConfiguration\nspec: {host: x}\n", "server configuration",
		" has kind \"ClientConfiguration\", want \"ServerConfiguration\": server configuration "
		"is invalid");
	check_file_refused("kind: Cell\n", "server configuration",
		" has kind \"Cell\", want \"ServerConfiguration\": server configuration is invalid");
}
END_TEST

START_TEST(file_that_is_no_yaml_is_refused)
{
	check_file_refused("spec: [\n", "parse server configuration",
		": server configuration is invalid: failed to parse YAML: line 2, column 1: did not "
		"find expected node content");
	check_file_refused("spec:\n  socketGID: many\n", "parse server configuration",
		": server configuration is invalid: line 2: 'socketGID' must be an integer, not 'many'");
	check_file_refused("- a\n", "parse server configuration",
		": server configuration is invalid: line 1: a document must be a map, not a list");
}
END_TEST

START_TEST(file_that_cannot_be_read_is_refused)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *file_path = kk_xprintf("%s/file", dir);
	kk_auto_free char *below = kk_xprintf("%s/file/kukeond.yaml", dir);
	kk_auto_free char *want_dir = kk_xprintf(
		"read server configuration \"%s\": server configuration is invalid: read %s: "
		"is a directory",
		dir, dir);
	kk_auto_free char *want_below = kk_xprintf(
		"read server configuration \"%s\": server configuration is invalid: open %s: "
		"not a directory",
		below, below);
	struct kk_server_configuration file;
	struct kk_err err = {0};
	bool exists;

	check_code(kk_server_configuration_read(dir, &file, &exists, &err), KK_E_CONFIG);
	check_error(&err, KK_E_CONFIG, want_dir);
	kk_err_clear(&err);
	put(file_path, "");
	check_code(kk_server_configuration_read(below, &file, &exists, &err), KK_E_CONFIG);
	check_error(&err, KK_E_CONFIG, want_below);
}
END_TEST

START_TEST(file_that_is_too_large_is_said_to_be)
{
	kk_auto_free char *text = kk_xalloc(1024 * 1024 + 2);
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = kk_xprintf("%s/kukeond.yaml", dir);
	kk_auto_free char *want = kk_xprintf(
		"read server configuration \"%s\": server configuration is invalid: %s is "
		"larger than 1048576 bytes",
		path, path);
	struct kk_server_configuration file;
	struct kk_err err = {0};
	bool exists;

	memset(text, '#', 1024 * 1024 + 1);
	put(path, text);
	check_code(kk_server_configuration_read(path, &file, &exists, &err), KK_E_CONFIG);
	check_error(&err, KK_E_CONFIG, want);
}
END_TEST

/* --- what an instance runs with --- */

static struct kk_config config_of(const char *run_path)
{
	return (struct kk_config){
		.run_path = kk_xstrdup(run_path),
		.containerd_socket = kk_xstrdup(KK_DEFAULT_CONTAINERD_SOCKET),
		.namespace_suffix = kk_xstrdup(KK_DEFAULT_NAMESPACE_SUFFIX),
		.cgroup_root = kk_xstrdup(KK_DEFAULT_CGROUP_ROOT),
		.pod_subnet_cidr = kk_xstrdup(KK_DEFAULT_POD_SUBNET_CIDR),
	};
}

START_TEST(defaults_are_well_formed)
{
	struct kk_config config = config_of(KK_DEFAULT_RUN_PATH);
	struct kk_err err = {0};

	check_ok(kk_config_check(&config, &err), &err);
	kk_config_release(&config);
	ck_assert_ptr_null(config.run_path);
	kk_config_release(&config);
}
END_TEST

START_TEST(other_values_may_be_well_formed)
{
	static const char *const suffixes[] = {"a", "kukeon.example.com", "x-y"};
	static const char *const roots[] = {"/a", "/kukeon/deeper", "/a.b"};
	static const char *const cidrs[] = {"10.0.0.0/8", "192.168.0.0/16", "172.16.5.0/24"};

	for (size_t i = 0; i < KK_COUNT(suffixes); i++) {
		struct kk_config config = config_of(KK_DEFAULT_RUN_PATH);
		struct kk_err err = {0};

		kk_str_set(&config.namespace_suffix, suffixes[i]);
		kk_str_set(&config.cgroup_root, roots[i]);
		kk_str_set(&config.pod_subnet_cidr, cidrs[i]);
		check_ok(kk_config_check(&config, &err), &err);
		kk_config_release(&config);
	}
}
END_TEST

START_TEST(malformed_suffix_is_refused)
{
	static const char *const suffixes[] = {"", ".", ".a", "a.", "a/b", "a b", "a\tb", "a\n"};

	for (size_t i = 0; i < KK_COUNT(suffixes); i++) {
		struct kk_config config = config_of(KK_DEFAULT_RUN_PATH);
		kk_auto_free char *want = kk_xprintf(
			"configure runtime: containerdNamespaceSuffix \"%s\" must not be empty, begin or "
			"end with '.', or hold '/' or blanks: server configuration is invalid",
			suffixes[i]);
		struct kk_err err = {0};

		kk_str_set(&config.namespace_suffix, suffixes[i]);
		check_code(kk_config_check(&config, &err), KK_E_CONFIG);
		check_error(&err, KK_E_CONFIG, want);
		kk_config_release(&config);
	}
}
END_TEST

START_TEST(malformed_cgroup_root_is_refused)
{
	static const char *const roots[] = {"", "/", "kukeon", "./a", "/../a", "/a/.."};

	for (size_t i = 0; i < KK_COUNT(roots); i++) {
		struct kk_config config = config_of(KK_DEFAULT_RUN_PATH);
		kk_auto_free char *want = kk_xprintf(
			"configure runtime: cgroupRoot \"%s\" must be absolute and not '/': "
			"server configuration is invalid",
			roots[i]);
		struct kk_err err = {0};

		kk_str_set(&config.cgroup_root, roots[i]);
		check_code(kk_config_check(&config, &err), KK_E_CONFIG);
		check_error(&err, KK_E_CONFIG, want);
		kk_config_release(&config);
	}
}
END_TEST

static void check_cidr_refused(const char *cidr)
{
	struct kk_config config = config_of(KK_DEFAULT_RUN_PATH);
	kk_auto_free char *want =
		kk_xprintf("configure pod subnet CIDR: \"%s\" is no IPv4 network of "
			   "/8 to /24: server configuration is invalid",
			cidr);
	struct kk_err err = {0};

	kk_str_set(&config.pod_subnet_cidr, cidr);
	check_code(kk_config_check(&config, &err), KK_E_CONFIG);
	check_error(&err, KK_E_CONFIG, want);
	kk_config_release(&config);
}

START_TEST(malformed_subnet_is_refused)
{
	static const char *const cidrs[] = {"", "/", "10.88.0.0", "10.88.0.0/", "/16",
		"10.88.0.0/7", "10.88.0.0/25", "10.88.0.0/32", "10.88.0.0/-8", "10.88.0.0/16x",
		"10.88.0/16", "10.88.0.256/16", "fd00::/16", "kukeon/16", "10.88.0.0/16/16",
		"0000000000000000000000000000000000000000000000000000000000000000000.0.0.0/16"};

	for (size_t i = 0; i < KK_COUNT(cidrs); i++)
		check_cidr_refused(cidrs[i]);
}
END_TEST

START_TEST(loose_numbers_of_a_subnet_are_refused)
{
	check_cidr_refused("10.88.0.0/ 16");
	check_cidr_refused("10.88.0.0/+16");
}
END_TEST

START_TEST(many_slashes_are_still_the_root)
{
	struct kk_config config = config_of(KK_DEFAULT_RUN_PATH);
	struct kk_err err = {0};

	kk_str_set(&config.cgroup_root, "//");
	check_code(kk_config_check(&config, &err), KK_E_CONFIG);
	kk_config_release(&config);
}
END_TEST

/* --- instances --- */

/* Where kukeond runs is noted beside the rest, and a newer release's run path is no one's to touch. */
START_TEST(the_form_of_kukeond_is_kept_and_the_future_refused)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = kk_xprintf("%s/.kukeon-instance.json", dir);
	static const char future[] = "{\"containerdNamespaceSuffix\": \"kukeon.io\", "
				     "\"cgroupRoot\": \"/kukeon\", \"stateVersion\": 2}";
	struct kk_config config = config_of(dir);
	kk_auto(kk_instance_release) struct kk_instance found = {0};
	struct kk_err err = {0};

	ck_assert(!kk_instance_find(dir, &found));
	check_ok(kk_instance_join(&config, false, &err), &err);
	check_ok(kk_instance_kukeond_set(&config, "host", &err), &err);
	check_ok(kk_instance_join(&config, false, &err), &err);
	ck_assert(kk_instance_find(dir, &found));
	ck_assert_str_eq(found.kukeond, "host");
	check_ok(kk_file_replace(path, future, sizeof future - 1, 0640, &err), &err);
	check_code(kk_instance_join(&config, false, &err), KK_E_CONFIG);
	check_file(path, future);
	kk_config_release(&config);
}
END_TEST

START_TEST(first_join_writes_the_instance_file)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *run_path = kk_xprintf("%s/a/b", dir);
	kk_auto_free char *path = kk_xprintf("%s/.kukeon-instance.json", run_path);
	struct kk_config config = config_of(run_path);
	struct kk_err err = {0};
	struct stat st;

	check_ok(kk_instance_join(&config, false, &err), &err);
	check_file(path,
		"{\n  \"containerdNamespaceSuffix\": \"kukeon.io\",\n"
		"  \"cgroupRoot\": \"/kukeon\",\n"
		"  \"podSubnetCIDR\": \"10.88.0.0/16\",\n"
		"  \"containerdSocket\": \"/run/containerd/containerd.sock\",\n"
		"  \"stateVersion\": 1\n}\n");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0640);
	/* The same instance once more, told explicitly. */
	config.is_suffix_explicit = config.is_cgroup_root_explicit = true;
	config.is_subnet_explicit = config.is_containerd_explicit = true;
	check_ok(kk_instance_join(&config, false, &err), &err);
	ck_assert_str_eq(config.namespace_suffix, "kukeon.io");
	kk_config_release(&config);
}
END_TEST

#define INSTANCE                                                                                \
	"{\"containerdNamespaceSuffix\": \"x.io\", \"cgroupRoot\": \"/x\", \"podSubnetCIDR\": " \
	"\"10.1.0.0/16\", \"containerdSocket\": \"/x.sock\", \"unknown\": 1}"

static struct kk_config config_beside(const char *dir, const char *instance)
{
	kk_auto_free char *path = kk_xprintf("%s/.kukeon-instance.json", dir);

	put(path, instance);
	return config_of(dir);
}

START_TEST(later_join_adopts_what_is_stated)
{
	check_auto_dir dir = check_dir_new();
	struct kk_config config = config_beside(dir, INSTANCE);
	struct kk_err err = {0};

	check_ok(kk_instance_join(&config, false, &err), &err);
	ck_assert_str_eq(config.namespace_suffix, "x.io");
	ck_assert_str_eq(config.cgroup_root, "/x");
	ck_assert_str_eq(config.pod_subnet_cidr, "10.1.0.0/16");
	ck_assert_str_eq(config.containerd_socket, "/x.sock");
	kk_config_release(&config);
}
END_TEST

START_TEST(explicit_subnet_and_socket_stay)
{
	check_auto_dir dir = check_dir_new();
	struct kk_config config = config_beside(dir, INSTANCE);
	struct kk_err err = {0};

	config.is_subnet_explicit = config.is_containerd_explicit = true;
	check_ok(kk_instance_join(&config, false, &err), &err);
	ck_assert_str_eq(config.namespace_suffix, "x.io");
	ck_assert_str_eq(config.pod_subnet_cidr, KK_DEFAULT_POD_SUBNET_CIDR);
	ck_assert_str_eq(config.containerd_socket, KK_DEFAULT_CONTAINERD_SOCKET);
	kk_config_release(&config);
}
END_TEST

/* The Go release writes these two alone. */
START_TEST(instance_of_the_go_release_is_adopted)
{
	check_auto_dir dir = check_dir_new();
	struct kk_config config = config_beside(dir,
		"{\n  \"containerdNamespaceSuffix\": \"x.io\",\n  \"cgroupRoot\": \"/x\"\n}\n");
	struct kk_err err = {0};

	check_ok(kk_instance_join(&config, false, &err), &err);
	ck_assert_str_eq(config.namespace_suffix, "x.io");
	ck_assert_str_eq(config.cgroup_root, "/x");
	ck_assert_str_eq(config.pod_subnet_cidr, KK_DEFAULT_POD_SUBNET_CIDR);
	ck_assert_str_eq(config.containerd_socket, KK_DEFAULT_CONTAINERD_SOCKET);
	kk_config_release(&config);
}
END_TEST

START_TEST(other_instance_is_a_mismatch)
{
	for (int i = 0; i < 2; i++) {
		check_auto_dir dir = check_dir_new();
		struct kk_config config = config_beside(dir, INSTANCE);
		kk_auto_free char *want = kk_xprintf(
			"runPath \"%s\" was bootstrapped with containerdNamespaceSuffix=\"x.io\" "
			"cgroupRoot=\"/x\" but the running configuration requests "
			"containerdNamespaceSuffix=\"kukeon.io\" cgroupRoot=\"/kukeon\": kukeon instance "
			"mismatch",
			dir);
		struct kk_err err = {0};

		config.is_suffix_explicit = i == 0;
		config.is_cgroup_root_explicit = i == 1;
		check_code(kk_instance_join(&config, false, &err), KK_E_INSTANCE_MISMATCH);
		check_error(&err, KK_E_INSTANCE_MISMATCH, want);
		ck_assert_str_eq(config.namespace_suffix, "kukeon.io");
		ck_assert_str_eq(config.pod_subnet_cidr, KK_DEFAULT_POD_SUBNET_CIDR);
		kk_config_release(&config);
	}
}
END_TEST

START_TEST(damaged_instance_file_is_left_alone)
{
	static const char *const texts[] = {"", "{", "[]", "null", "{\"cgroupRoot\": 5}",
		"{\"cgroupRoot\": \"/x\"} trailing", "\x01"};

	for (size_t i = 0; i < KK_COUNT(texts); i++) {
		check_auto_dir dir = check_dir_new();
		struct kk_config config = config_beside(dir, texts[i]);
		kk_auto_free char *path = kk_xprintf("%s/.kukeon-instance.json", dir);
		kk_auto_free char *want =
			kk_xprintf("%s is damaged; restore it or remove it after a check", path);
		struct kk_err err = {0};

		check_code(kk_instance_join(&config, false, &err), KK_E_CONFIG);
		check_error(&err, KK_E_CONFIG, want);
		check_file(path, texts[i]);
		ck_assert_str_eq(config.cgroup_root, KK_DEFAULT_CGROUP_ROOT);
		kk_config_release(&config);
	}
}
END_TEST

/* Nothing can run with no suffix or no root. */
START_TEST(instance_file_that_states_nothing_is_damaged)
{
	static const char *const texts[] = {"{}", "{\"containerdNamespaceSuffix\": \"x.io\"}",
		"{\"containerdNamespaceSuffix\": \"\", \"cgroupRoot\": \"\"}"};

	for (size_t i = 0; i < KK_COUNT(texts); i++) {
		check_auto_dir dir = check_dir_new();
		struct kk_config config = config_beside(dir, texts[i]);
		struct kk_err err = {0};

		check_code(kk_instance_join(&config, false, &err), KK_E_CONFIG);
		kk_config_release(&config);
	}
}
END_TEST

START_TEST(instance_file_that_cannot_be_read_is_told)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = kk_xprintf("%s/.kukeon-instance.json", dir);
	kk_auto_free char *want = kk_xprintf("read %s: is a directory", path);
	struct kk_config config = config_of(dir);
	struct kk_err err = {0};

	ck_assert_int_eq(mkdir(path, 0700), 0);
	check_code(kk_instance_join(&config, false, &err), KK_E_IO);
	check_error(&err, KK_E_IO, want);
	kk_config_release(&config);
}
END_TEST

START_TEST(run_path_that_cannot_be_made_is_told)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *file = kk_xprintf("%s/file", dir);
	kk_auto_free char *run_path = kk_xprintf("%s/file/run", dir);
	kk_auto_free char *want =
		kk_xprintf("open run path '%s': create directory %s: not a directory", run_path,
			run_path);
	struct kk_config config = config_of(run_path);
	struct kk_err err = {0};

	put(file, "");
	check_code(kk_instance_join(&config, false, &err), KK_E_IO);
	check_error(&err, KK_E_IO, want);
	kk_config_release(&config);
}
END_TEST

/* --- names --- */

static void check_names(const char *run_path, const char *id, const char *dir, const char *table)
{
	struct kk_config config = config_of(run_path);
	kk_auto_free char *got_id = kk_config_instance_id(&config);
	kk_auto_free char *got_dir = kk_config_runtime_dir(&config);
	kk_auto_free char *got_table = kk_config_nft_table(&config);

	ck_assert_str_eq(got_id, id);
	ck_assert_str_eq(got_dir, dir);
	ck_assert_str_eq(got_table, table);
	kk_config_release(&config);
}

START_TEST(names_derive_from_the_run_path)
{
	check_names("/opt/kukeon", "44fb08c1", "/run/kukeon", "kukeon");
	check_names("/srv/other", "3415e41e", "/srv/other/run", "kukeon_3415e41e");
	check_names("/", "2a0c975e", "//run", "kukeon_2a0c975e");
}
END_TEST

CHECK_MAIN("config", missing_file_is_an_empty_one, file_is_read, empty_file_exists,
	file_of_another_kind_is_refused, file_that_is_no_yaml_is_refused,
	file_that_cannot_be_read_is_refused, file_that_is_too_large_is_said_to_be,
	defaults_are_well_formed, other_values_may_be_well_formed, malformed_suffix_is_refused,
	malformed_cgroup_root_is_refused, malformed_subnet_is_refused,
	loose_numbers_of_a_subnet_are_refused, many_slashes_are_still_the_root,
	the_form_of_kukeond_is_kept_and_the_future_refused, first_join_writes_the_instance_file,
	later_join_adopts_what_is_stated, explicit_subnet_and_socket_stay,
	instance_of_the_go_release_is_adopted, other_instance_is_a_mismatch,
	damaged_instance_file_is_left_alone, instance_file_that_states_nothing_is_damaged,
	instance_file_that_cannot_be_read_is_told, run_path_that_cannot_be_made_is_told,
	names_derive_from_the_run_path)
