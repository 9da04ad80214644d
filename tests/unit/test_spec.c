/* tests/unit/test_spec.c - the OCI runtime specification of a container. */
#include "../../workers/containerd/ct.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <kukeon/buf.h>
#include <kukeon/json.h>
#include <kukeon/mem.h>

#include "../support/check.h"
#include "../support/dir.h"

#define IMAGE_NAME "docker.io/library/busybox:latest"

static struct {
	struct kk_req_container_create req;
	struct ct_image image;
	json_t *spec; /* as built last */
} given;

/* A container of the image's own command on a root file system without /etc/passwd. */
static void setup(void)
{
	struct kk_req_container_create *req = &given.req;

	dir_setup();
	kk_schema_init(kk_req_schema_container_create(), req);
	req->namespace = kk_xstrdup("r.kukeon.io");
	req->id = kk_xstrdup("s_t_web_one");
	req->group = kk_xstrdup("s-t-web");
	req->hostname = kk_xstrdup("host");
	req->cgroup_path = kk_xstrdup("/kukeon/r/s/t/web/s_t_web_one");
	req->netns_path = kk_xstrdup("/ns/net");
	req->utsns_path = kk_xstrdup("/ns/uts");
	req->ipcns_path = kk_xstrdup("/ns/ipc");
	req->files_dir = kk_xstrdup("/files");
	req->spec.id = kk_xstrdup("one");
	req->spec.realm_id = kk_xstrdup("r");
	req->spec.space_id = kk_xstrdup("s");
	req->spec.stack_id = kk_xstrdup("t");
	req->spec.cell_id = kk_xstrdup("web");
	given.image = (struct ct_image){
		.name = kk_xstrdup(IMAGE_NAME),
		.config = json_loads("{\"Cmd\":[\"sh\"]}", 0, NULL),
	};
}

static void teardown(void)
{
	json_decref(given.spec);
	kk_schema_release(kk_req_schema_container_create(), &given.req);
	ct_image_release(&given.image);
	dir_teardown();
}

static void image_set(const char *config)
{
	json_decref(given.image.config);
	given.image.config = json_loads(config, 0, NULL);
	ck_assert_ptr_nonnull(given.image.config);
}

static void build(void)
{
	const struct ct_mounts no_layers = {0};
	struct kk_err err = {0};
	kk_auto_free char *text =
		ct_spec_build(&given.req, &given.image, &no_layers, CT_NOFILE_MAX, &err);

	ck_assert_int_eq(err.code, 0);
	json_decref(given.spec);
	given.spec = json_loads(text, 0, NULL);
	ck_assert_ptr_nonnull(given.spec);
}

static void expect_error(int code, const char *text)
{
	const struct ct_mounts no_layers = {0};
	struct kk_err err = {0};
	char found[KK_ERR_TEXT];

	ck_assert_ptr_null(ct_spec_build(&given.req, &given.image, &no_layers, CT_NOFILE_MAX,
		&err));
	kk_err_format(&err, found, sizeof found);
	ck_assert_int_eq(err.code, code);
	ck_assert_str_eq(found, text);
}

/* The part at a path such as "process/args/0"; NULL where there is none. */
static json_t *at(const char *path)
{
	kk_auto_free char *copy = kk_xstrdup(path);
	char *rest = copy;
	const char *key;
	json_t *json = given.spec;

	while (json && (key = strsep(&rest, "/")))
		json = json_is_array(json) ? json_array_get(json, strtoul(key, NULL, 10)) :
					     json_object_get(json, key);
	return json;
}

/* The part as compact JSON, keys sorted; "absent" where there is none. */
static char *text_at(const char *path)
{
	const json_t *json = at(path);

	return json ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) :
		      kk_xstrdup("absent");
}

static void expect(const char *path, const char *text)
{
	kk_auto_free char *found = text_at(path);

	ck_assert_str_eq(found, text);
}

/* --- process: arguments --- */

static const struct {
	const char *image;
	const char *command;
	const char *args[3];
	const char *argv;
} commands[] = {
	{"{\"Cmd\":[\"sh\"]}", NULL, {NULL}, "[\"sh\"]"},
	{"{\"Entrypoint\":[\"init\"]}", NULL, {NULL}, "[\"init\"]"},
	{"{\"Entrypoint\":[\"init\",\"-x\"],\"Cmd\":[\"sh\",\"-c\"]}", NULL, {NULL},
		"[\"init\",\"-x\",\"sh\",\"-c\"]"},
	{"{\"Entrypoint\":null,\"Cmd\":[\"sh\"]}", NULL, {NULL}, "[\"sh\"]"},
	{"{\"Entrypoint\":[\"init\"],\"Cmd\":[\"sh\"]}", "", {NULL}, "[\"init\",\"sh\"]"},
	/* A command is the whole of it, and so are arguments alone. */
	{"{\"Entrypoint\":[\"init\"],\"Cmd\":[\"sh\"]}", "top", {NULL}, "[\"top\"]"},
	{"{\"Entrypoint\":[\"init\"],\"Cmd\":[\"sh\"]}", "top", {"-b", "-d 1"},
		"[\"top\",\"-b\",\"-d 1\"]"},
	{"{\"Entrypoint\":[\"init\"],\"Cmd\":[\"sh\"]}", NULL, {"ls", "/"}, "[\"ls\",\"/\"]"},
	{"{\"Entrypoint\":[\"init\"],\"Cmd\":[\"sh\"]}", NULL, {""}, "[\"\"]"},
	{"{}", "top", {NULL}, "[\"top\"]"},
};

START_TEST(the_command_is_the_containers_or_the_images)
{
	image_set(commands[_i].image);
	kk_str_set(&given.req.spec.command, commands[_i].command);
	for (size_t i = 0; i < 3 && commands[_i].args[i]; i++)
		kk_strs_add(&given.req.spec.args, commands[_i].args[i]);
	build();
	expect("process/args", commands[_i].argv);
}
END_TEST

static const char *const silent_images[] = {
	"{}", "{\"Entrypoint\":[],\"Cmd\":[]}", "{\"Entrypoint\":null,\"Cmd\":null}"};

START_TEST(a_container_without_any_command_is_refused)
{
	image_set(silent_images[_i]);
	expect_error(KK_E_INVALID,
		"container \"one\" has no command, and image " IMAGE_NAME " names none");
}
END_TEST

static const struct {
	const char *image;
	const char *container;
	const char *cwd;
} directories[] = {
	{"{\"Cmd\":[\"sh\"]}", NULL, "\"/\""},
	{"{\"Cmd\":[\"sh\"],\"WorkingDir\":\"\"}", NULL, "\"/\""},
	{"{\"Cmd\":[\"sh\"],\"WorkingDir\":\"/srv\"}", NULL, "\"/srv\""},
	{"{\"Cmd\":[\"sh\"],\"WorkingDir\":\"/srv\"}", "", "\"/srv\""},
	{"{\"Cmd\":[\"sh\"],\"WorkingDir\":\"/srv\"}", "/tmp", "\"/tmp\""},
};

START_TEST(the_directory_is_the_containers_or_the_images)
{
	image_set(directories[_i].image);
	kk_str_set(&given.req.spec.working_dir, directories[_i].container);
	build();
	expect("process/cwd", directories[_i].cwd);
}
END_TEST

/* --- process: environment --- */

#define OWN_ENV                                                                             \
	"\"KUKEON_CELL_NAME=web\",\"KUKEON_CONTAINER_ID=one\",\"KUKEON_REALM=r\","          \
	"\"KUKEON_SPACE=s\",\"KUKEON_STACK=t\",\"KUKEON_CGROUP_PATH=/kukeon/r/s/t/web/s_t_" \
	"web_one\""
#define DEFAULT_PATH "\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\""

START_TEST(the_environment_has_a_path_a_home_and_who_one_is)
{
	build();
	expect("process/env", "[" DEFAULT_PATH "," OWN_ENV ",\"HOME=/\"]");
}
END_TEST

START_TEST(the_environment_is_the_images_then_ours_then_the_containers)
{
	image_set("{\"Cmd\":[\"sh\"],\"Env\":[\"A=image\",\"B=image\",\"C=image\",\"PATH=/bin\"]}");
	kk_strs_add(&given.req.spec.env, "B=container");
	kk_strs_add(&given.req.spec.env, "D=container");
	kk_strs_add(&given.req.spec.env, "E=container");
	/* The last one of a name counts: those of one start come behind. */
	kk_strs_add(&given.req.spec.env, "C=call");
	kk_strs_add(&given.req.spec.env, "E=call");
	kk_strs_add(&given.req.spec.env, "F=call");
	build();
	expect("process/env",
		"[\"PATH=/bin\",\"A=image\",\"B=container\",\"C=call\"," OWN_ENV
		",\"D=container\",\"E=call\",\"F=call\",\"HOME=/\"]");
}
END_TEST

START_TEST(the_container_may_override_all_that_we_set)
{
	kk_strs_add(&given.req.spec.env, "KUKEON_REALM=mine");
	kk_strs_add(&given.req.spec.env, "HOME=/home/me");
	kk_strs_add(&given.req.spec.env, "PATH=");
	kk_str_set(&given.req.spec.stack_id, NULL);
	build();
	expect("process/env",
		"[\"PATH=\",\"KUKEON_CELL_NAME=web\",\"KUKEON_CONTAINER_ID=one\","
		"\"KUKEON_REALM=mine\",\"KUKEON_SPACE=s\","
		"\"KUKEON_CGROUP_PATH=/kukeon/r/s/t/web/s_t_web_one\",\"HOME=/home/me\"]");
}
END_TEST

START_TEST(a_variable_is_told_by_its_whole_name)
{
	image_set("{\"Cmd\":[\"sh\"],\"Env\":[\"PATHS=image\",\"PAT=image\",\"X=1=2\"]}");
	kk_strs_add(&given.req.spec.env, "PA=container");
	kk_strs_add(&given.req.spec.env, "X=3=4=5");
	build();
	expect("process/env",
		"[" DEFAULT_PATH ",\"PATHS=image\",\"PAT=image\",\"X=3=4=5\"," OWN_ENV
		",\"PA=container\",\"HOME=/\"]");
}
END_TEST

/* --- process: user --- */

static const struct {
	const char *image;
	const char *container;
	const char *user;
} users[] = {
	{NULL, NULL, "{\"additionalGids\":[],\"gid\":0,\"uid\":0}"},
	{NULL, "", "{\"additionalGids\":[],\"gid\":0,\"uid\":0}"},
	{NULL, "1000", "{\"additionalGids\":[],\"gid\":0,\"uid\":1000}"},
	{NULL, "1000:50", "{\"additionalGids\":[],\"gid\":50,\"uid\":1000}"},
	{NULL, "4294967295:4294967295",
		"{\"additionalGids\":[],\"gid\":4294967295,\"uid\":4294967295}"},
	{"65534", NULL, "{\"additionalGids\":[],\"gid\":0,\"uid\":65534}"},
	{"65534", "0:0", "{\"additionalGids\":[],\"gid\":0,\"uid\":0}"},
};

START_TEST(the_user_is_the_containers_or_the_images)
{
	if (users[_i].image)
		json_object_set_new(given.image.config, "User", json_string(users[_i].image));
	kk_str_set(&given.req.spec.user, users[_i].container);
	build();
	expect("process/user", users[_i].user);
}
END_TEST

START_TEST(a_user_that_the_image_does_not_know_is_refused)
{
	kk_str_set(&given.req.spec.user, "nobody");
	expect_error(KK_E_INVALID, "user 'nobody' is not in the image's /etc/passwd");
	kk_str_set(&given.req.spec.user, "0:staff");
	expect_error(KK_E_INVALID, "group 'staff' is not in the image's /etc/group");
}
END_TEST

/* --- process: capabilities --- */

#define DEFAULTS                                                                            \
	"AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW " \
	"SETFCAP SETGID SETPCAP SETUID SYS_CHROOT "
#define ALL                                                                                    \
	"AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN "     \
	"DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE "            \
	"LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE "             \
	"NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN "        \
	"SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE " \
	"SYS_TIME SYS_TTY_CONFIG WAKE_ALARM "

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The set as sorted names without their prefix. */
static char *capabilities_at(const char *path)
{
	const json_t *set = at(path);
	const char *names[64];
	struct kk_buf text = {0};
	size_t n = json_array_size(set);

	ck_assert_uint_le(n, KK_COUNT(names));
	for (size_t i = 0; i < n; i++)
		names[i] = json_string_value(json_array_get(set, i));
	qsort(names, n, sizeof names[0], by_text);
	for (size_t i = 0; i < n; i++) {
		ck_assert(kk_str_starts(names[i], "CAP_"));
		kk_buf_printf(&text, "%s ", names[i] + 4);
	}
	return kk_buf_take(&text);
}

static const struct {
	bool is_privileged;
	const char *drop;
	const char *add;
	const char *set;
} capabilities[] = {
	{false, NULL, NULL, DEFAULTS},
	{true, NULL, NULL, ALL},
	{false, "ALL", NULL, ""},
	{false, "all", NULL, ""},
	{false, "CAP_ALL", NULL, ""},
	{true, "ALL", NULL, ""},
	{false, NULL, "ALL", ALL},
	{false, NULL, "cap_all", ALL},
	/* Drop comes first, whatever the order in the document. */
	{false, "ALL", "NET_ADMIN", "NET_ADMIN "},
	{false, "ALL", "net_admin CAP_NET_ADMIN cap_kill", "KILL NET_ADMIN "},
	{false, "ALL", "ALL", ALL},
	{false, "KILL", "KILL", DEFAULTS},
	{false, NULL, "CHOWN", DEFAULTS},
	{false, "SYS_ADMIN", NULL, DEFAULTS},
	{false, "AUDIT_WRITE cap_chown Dac_Override CAP_FOWNER FSETID KILL MKNOD", NULL,
		"NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_CHROOT "},
	{false, "ALL", "NEW_ONE", "NEW_ONE "},
};

static void words_add(struct kk_strs *strs, const char *words)
{
	kk_auto_free char *copy = kk_xstrdup(kk_str(words));
	char *rest = copy;
	const char *word;

	while (words && (word = strsep(&rest, " ")))
		kk_strs_add(strs, word);
}

START_TEST(capabilities_are_the_default_less_drop_plus_add)
{
	static const char *const sets[] = {"bounding", "effective", "permitted"};

	given.req.spec.privileged = capabilities[_i].is_privileged;
	words_add(&given.req.spec.capabilities.drop, capabilities[_i].drop);
	words_add(&given.req.spec.capabilities.add, capabilities[_i].add);
	build();
	for (size_t i = 0; i < KK_COUNT(sets); i++) {
		kk_auto_free char *path = kk_xprintf("process/capabilities/%s", sets[i]);
		kk_auto_free char *set = capabilities_at(path);

		ck_assert_str_eq(set, capabilities[_i].set);
	}
	/* Nothing passes to another user's process by itself. */
	expect("process/capabilities/inheritable", "absent");
	expect("process/capabilities/ambient", "absent");
}
END_TEST

static const struct {
	bool is_privileged;
	const char *opt;
	const char *value;
} no_new_privileges[] = {
	{false, NULL, "true"},
	{true, NULL, "false"},
	{false, "no-new-privileges", "true"},
	{false, "no-new-privileges=true", "true"},
	{false, "no-new-privileges:true", "true"},
	{false, "no-new-privileges=false", "false"},
	{false, "no-new-privileges:false", "false"},
	{true, "no-new-privileges", "true"},
	{true, "no-new-privileges=true", "true"},
};

START_TEST(new_privileges_are_denied_unless_asked_for)
{
	given.req.spec.privileged = no_new_privileges[_i].is_privileged;
	if (no_new_privileges[_i].opt)
		kk_strs_add(&given.req.spec.security_opts, no_new_privileges[_i].opt);
	build();
	expect("process/noNewPrivileges", no_new_privileges[_i].value);
}
END_TEST

/* --- mounts --- */

/* One line for each mount: destination, type, source, options. */
static char *mounts_text(void)
{
	struct kk_buf text = {0};
	json_t *mount, *option;
	size_t i, k;

	json_array_foreach (at("mounts"), i, mount) {
		kk_buf_printf(&text, "%s %s %s",
			json_string_value(json_object_get(mount, "destination")),
			json_string_value(json_object_get(mount, "type")),
			json_string_value(json_object_get(mount, "source")));
		json_array_foreach (json_object_get(mount, "options"), k, option)
			kk_buf_printf(&text, "%s%s", k ? "," : " ", json_string_value(option));
		kk_buf_str(&text, "\n");
	}
	return kk_buf_take(&text);
}

#define DEFAULT_MOUNTS(sys)                                                                \
	"/proc proc proc nosuid,noexec,nodev\n"                                            \
	"/dev tmpfs tmpfs nosuid,strictatime,mode=755,size=65536k\n"                       \
	"/dev/pts devpts devpts nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5\n" \
	"/dev/shm tmpfs shm nosuid,noexec,nodev,mode=1777,size=65536k\n"                   \
	"/dev/mqueue mqueue mqueue nosuid,noexec,nodev\n"                                  \
	"/sys sysfs sysfs nosuid,noexec,nodev," sys "\n"                                   \
	"/run tmpfs tmpfs nosuid,strictatime,mode=755,size=65536k\n"                       \
	"/etc/hostname bind /files/etc-hostname rbind,ro\n"                                \
	"/etc/hosts bind /files/etc-hosts rbind,ro\n"                                      \
	"/etc/resolv.conf bind /files/etc-resolv.conf rbind,ro\n"

static void expect_mounts(const char *lines)
{
	kk_auto_free char *found = mounts_text();

	ck_assert_str_eq(found, lines);
}

START_TEST(there_are_default_mounts)
{
	build();
	expect_mounts(DEFAULT_MOUNTS("ro"));
}
END_TEST

START_TEST(a_privileged_container_may_write_to_sys)
{
	given.req.spec.privileged = true;
	build();
	expect_mounts(DEFAULT_MOUNTS("rw"));
}
END_TEST

static struct kk_volume_mount *volume_add(const char *kind, const char *source, const char *target)
{
	struct kk_volume_mount *volume =
		kk_list_add(KK_LIST(&given.req.spec.volumes), kk_schema_of_volume_mount());

	volume->kind = kk_xstrdup(kind);
	volume->source = kk_xstrdup(source);
	volume->target = kk_xstrdup(target);
	return volume;
}

START_TEST(volumes_are_bound_writable_or_not)
{
	volume_add(NULL, "/dev/null", "/one");
	volume_add("bind", "/tmp", "/two")->read_only = true;
	build();
	expect_mounts(DEFAULT_MOUNTS("ro") "/one bind /dev/null rbind,rw\n"
					   "/two bind /tmp rbind,ro\n");
}
END_TEST

START_TEST(volumes_may_be_of_memory)
{
	struct kk_volume_mount *full;

	volume_add("tmpfs", NULL, "/plain");
	full = volume_add("tmpfs", NULL, "/full");
	full->size_bytes = 1048576;
	full->mode = 01777;
	full->read_only = true;
	build();
	expect_mounts(
		DEFAULT_MOUNTS("ro") "/plain tmpfs tmpfs nosuid,nodev,rw\n"
				     "/full tmpfs tmpfs nosuid,nodev,ro,size=1048576,mode=1777\n");
}
END_TEST

START_TEST(tmpfs_entries_come_behind_the_volumes)
{
	struct kk_list *list = KK_LIST(&given.req.spec.tmpfs);
	struct kk_tmpfs *tmpfs = kk_list_add(list, kk_schema_of_tmpfs());

	tmpfs->path = kk_xstrdup("/cache");
	tmpfs = kk_list_add(list, kk_schema_of_tmpfs()); /* no path: passed over */
	tmpfs = kk_list_add(list, kk_schema_of_tmpfs());
	tmpfs->path = kk_xstrdup("/scratch");
	tmpfs->size_bytes = 4096;
	kk_strs_add(&tmpfs->options, "noexec");
	kk_strs_add(&tmpfs->options, "mode=0700");
	volume_add("bind", "/tmp", "/data");
	build();
	expect_mounts(DEFAULT_MOUNTS(
		"ro") "/data bind /tmp rbind,rw\n"
		      "/cache tmpfs tmpfs nosuid,nodev\n"
		      "/scratch tmpfs tmpfs nosuid,nodev,size=4096,noexec,mode=0700\n");
}
END_TEST

START_TEST(a_bind_mount_of_nothing_is_refused)
{
	volume_add("bind", "/nowhere/at/all", "/data");
	expect_error(KK_E_INVALID,
		"container \"one\": bind mount of '/nowhere/at/all': no such file or directory");
}
END_TEST

START_TEST(a_named_volume_is_refused_for_now)
{
	volume_add("volume", "data", "/data");
	expect_error(KK_E_INVALID,
		"container \"one\": volume 'data' for /data: volumes of kind volume are not "
		"supported yet");
}
END_TEST

/* --- linux: devices --- */

/* The rules of a container with one more device or none. */
static char *rules_text(const char *device)
{
	static const char *const allowed[] = {"1,\"minor\":3", "1,\"minor\":8", "1,\"minor\":7",
		"5,\"minor\":0", "1,\"minor\":5", "1,\"minor\":9", "5,\"minor\":1", "136",
		"5,\"minor\":2"};
	struct kk_buf text = {0};

	kk_buf_str(&text, "[{\"access\":\"rwm\",\"allow\":false}");
	for (size_t i = 0; i < KK_COUNT(allowed) + !!device; i++)
		kk_buf_printf(&text,
			",{\"access\":\"rwm\",\"allow\":true,\"major\":%s,\"type\":\"c\"}",
			i < KK_COUNT(allowed) ? allowed[i] : device);
	kk_buf_str(&text, "]");
	return kk_buf_take(&text);
}

START_TEST(all_devices_are_denied_but_the_harmless)
{
	kk_auto_free char *rules = rules_text(NULL);

	build();
	expect("linux/devices", "[]");
	expect("linux/resources/devices", rules);
}
END_TEST

START_TEST(a_device_of_the_host_is_made_and_allowed)
{
	kk_auto_free char *rules = rules_text("1,\"minor\":3"), *device = NULL;
	struct stat st;

	ck_assert_int_eq(stat("/dev/null", &st), 0);
	device = kk_xprintf("[{\"fileMode\":%u,\"gid\":%u,\"major\":1,\"minor\":3,"
			    "\"path\":\"/dev/null\",\"type\":\"c\",\"uid\":%u}]",
		st.st_mode & 07777, st.st_gid, st.st_uid);
	kk_strs_add(&given.req.spec.devices, "/dev/null");
	build();
	expect("linux/devices", device);
	expect("linux/resources/devices", rules);
}
END_TEST

START_TEST(a_privileged_container_has_all_devices)
{
	bool has_null = false, has_pts = false;
	json_t *device;
	size_t i;

	given.req.spec.privileged = true;
	build();
	expect("linux/resources/devices/0", "{\"access\":\"rwm\",\"allow\":true}");
	json_array_foreach (at("linux/devices"), i, device) {
		const char *path = json_string_value(json_object_get(device, "path"));

		has_null |= strcmp(path, "/dev/null") == 0;
		has_pts |= kk_str_starts(path, "/dev/pts/") || strcmp(path, "/dev/console") == 0;
	}
	ck_assert(has_null);
	ck_assert(!has_pts);
}
END_TEST

START_TEST(a_device_that_is_none_is_refused)
{
	kk_auto_free char *file = kk_xprintf("%s/file", dir_path);
	kk_auto_free char *missing = kk_xprintf("%s/missing", dir_path);
	kk_auto_free char *file_text = kk_xprintf("resolve device \"%s\": not a device", file);
	kk_auto_free char *missing_text =
		kk_xprintf("resolve device \"%s\": no such file or directory", missing);

	dir_write("file", "");
	kk_strs_add(&given.req.spec.devices, file);
	expect_error(KK_E_INVALID, file_text);
	kk_str_set(&given.req.spec.devices.items[0], missing);
	expect_error(KK_E_INVALID, missing_text);
}
END_TEST

/* --- linux: the rest --- */

static const struct {
	struct kk_resources resources;
	int64_t fallback;
	const char *memory;
	const char *cpu;
	const char *pids;
} limits[] = {
	{{{0}}, 0, "absent", "absent", "absent"},
	{{.memory_limit_bytes = {true, 1000}}, 0, "{\"limit\":1000}", "absent", "absent"},
	{{.cpu_shares = {true, 512}}, 0, "absent", "{\"shares\":512}", "absent"},
	{{.pids_limit = {true, 64}}, 0, "absent", "absent", "{\"limit\":64}"},
	{{{true, 1}, {true, 2}, {true, 3}}, 9, "{\"limit\":1}", "{\"shares\":2}", "{\"limit\":3}"},
	/* Zero and less are no limit, and then the daemon's is taken. */
	{{{true, 0}, {true, 0}, {true, 0}}, 0, "absent", "absent", "absent"},
	{{{true, -1}, {true, -1}, {true, -1}}, 0, "absent", "absent", "absent"},
	{{{0}}, 4096, "{\"limit\":4096}", "absent", "absent"},
	{{.memory_limit_bytes = {true, 0}}, 4096, "{\"limit\":4096}", "absent", "absent"},
	{{{0}}, -1, "absent", "absent", "absent"},
};

START_TEST(limits_are_set_where_they_are_positive)
{
	given.req.spec.resources = limits[_i].resources;
	given.req.memory_limit_bytes = limits[_i].fallback;
	build();
	expect("linux/resources/memory", limits[_i].memory);
	expect("linux/resources/cpu", limits[_i].cpu);
	expect("linux/resources/pids", limits[_i].pids);
}
END_TEST

static const struct {
	bool is_host_pid;
	bool is_host_network;
	bool is_host_cgroup;
	const char *text;
} namespaces[] = {
	{false, false, false,
		"[{\"type\":\"pid\"},{\"path\":\"/ns/ipc\",\"type\":\"ipc\"},"
		"{\"path\":\"/ns/uts\",\"type\":\"uts\"},{\"type\":\"mount\"},"
		"{\"path\":\"/ns/net\",\"type\":\"network\"},{\"type\":\"cgroup\"}]"},
	{true, false, false,
		"[{\"path\":\"/ns/ipc\",\"type\":\"ipc\"},{\"path\":\"/ns/uts\",\"type\":\"uts\"},"
		"{\"type\":\"mount\"},{\"path\":\"/ns/net\",\"type\":\"network\"},"
		"{\"type\":\"cgroup\"}]"},
	{false, true, false,
		"[{\"type\":\"pid\"},{\"path\":\"/ns/ipc\",\"type\":\"ipc\"},"
		"{\"path\":\"/ns/uts\",\"type\":\"uts\"},{\"type\":\"mount\"},"
		"{\"type\":\"cgroup\"}]"},
	{false, false, true,
		"[{\"type\":\"pid\"},{\"path\":\"/ns/ipc\",\"type\":\"ipc\"},"
		"{\"path\":\"/ns/uts\",\"type\":\"uts\"},{\"type\":\"mount\"},"
		"{\"path\":\"/ns/net\",\"type\":\"network\"}]"},
	{true, true, true,
		"[{\"path\":\"/ns/ipc\",\"type\":\"ipc\"},{\"path\":\"/ns/uts\",\"type\":\"uts\"},"
		"{\"type\":\"mount\"}]"},
};

START_TEST(namespaces_are_the_cells_the_containers_or_the_hosts)
{
	given.req.spec.host_pid = namespaces[_i].is_host_pid;
	given.req.spec.host_network = namespaces[_i].is_host_network;
	given.req.spec.host_cgroup = namespaces[_i].is_host_cgroup;
	build();
	expect("linux/namespaces", namespaces[_i].text);
}
END_TEST

START_TEST(a_namespace_without_a_path_is_a_new_one)
{
	kk_str_set(&given.req.netns_path, NULL);
	kk_str_set(&given.req.utsns_path, "");
	build();
	expect("linux/namespaces/2", "{\"type\":\"uts\"}");
	expect("hostname", "\"host\"");
	expect("linux/namespaces/4", "{\"type\":\"network\"}");
}
END_TEST

START_TEST(parts_of_proc_and_sys_are_hidden)
{
	build();
	expect("linux/maskedPaths",
		"[\"/proc/acpi\",\"/proc/asound\",\"/proc/kcore\",\"/proc/keys\","
		"\"/proc/latency_stats\",\"/proc/timer_list\",\"/proc/timer_stats\","
		"\"/proc/sched_debug\",\"/sys/firmware\",\"/proc/scsi\"]");
	expect("linux/readonlyPaths",
		"[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\",\"/proc/sysrq-trigger\"]");
}
END_TEST

START_TEST(nothing_is_hidden_from_a_privileged_container)
{
	given.req.spec.privileged = true;
	build();
	expect("linux/maskedPaths", "absent");
	expect("linux/readonlyPaths", "absent");
}
END_TEST

START_TEST(the_rest_is_as_the_runtime_wants_it)
{
	build();
	expect("ociVersion", "\"1.0.2\"");
	expect("root", "{\"path\":\"rootfs\",\"readonly\":false}");
	expect("process/terminal", "false");
	expect("process/rlimits/0/type", "\"RLIMIT_NOFILE\"");
	expect("linux/cgroupsPath", "\"/kukeon/r/s/t/web/s_t_web_one\"");
	expect("annotations", "{\"io.containerd.runc.v2.group\":\"s-t-web\"}");
	expect("hostname", "absent"); /* the UTS namespace has it */
	given.req.spec.read_only_root_filesystem = true;
	build();
	expect("root", "{\"path\":\"rootfs\",\"readonly\":true}");
}
END_TEST

/* --- linux: seccomp --- */

START_TEST(the_default_profile_goes_with_the_capabilities)
{
	static const char *const sets[] = {"", "CAP_SYS_ADMIN"};
	kk_auto(kk_strs_release) struct kk_strs set = {0};
	kk_auto_json *expected = NULL;

	kk_strs_add(&given.req.spec.capabilities.drop, "ALL");
	if (*sets[_i]) {
		kk_strs_add(&given.req.spec.capabilities.add, sets[_i]);
		kk_strs_add(&set, sets[_i]);
	}
	expected = ct_seccomp_default(&set);
	build();
	ck_assert(json_equal(at("linux/seccomp"), expected));
}
END_TEST

static const struct {
	bool is_privileged;
	const char *opt;
} unconfined[] = {
	{false, "seccomp=unconfined"},
	{false, "seccomp:unconfined"},
	{true, NULL},
	{true, "seccomp=unconfined"},
	{true, "no-new-privileges"},
};

START_TEST(a_container_may_be_unconfined)
{
	given.req.spec.privileged = unconfined[_i].is_privileged;
	if (unconfined[_i].opt)
		kk_strs_add(&given.req.spec.security_opts, unconfined[_i].opt);
	build();
	expect("linux/seccomp", "absent");
}
END_TEST

START_TEST(a_profile_may_be_a_file)
{
	kk_auto_free char *opt = kk_xprintf("seccomp=%s/profile.json", dir_path);

	dir_write("profile.json", "{\"defaultAction\": \"SCMP_ACT_LOG\"}\n");
	given.req.spec.privileged = _i;
	kk_strs_add(&given.req.spec.security_opts, "no-new-privileges");
	kk_strs_add(&given.req.spec.security_opts, opt);
	build();
	expect("linux/seccomp", "{\"defaultAction\":\"SCMP_ACT_LOG\"}");
}
END_TEST

START_TEST(a_profile_that_can_not_be_read_is_refused)
{
	kk_auto_free char *path = kk_xprintf("%s/profile.json", dir_path);
	kk_auto_free char *opt = kk_xprintf("seccomp=%s", path);
	kk_auto_free char *missing =
		kk_xprintf("read seccomp profile: open %s: no such file or directory", path);
	kk_auto_free char *broken = kk_xprintf("seccomp profile %s is no JSON object", path);

	kk_strs_add(&given.req.spec.security_opts, opt);
	expect_error(KK_E_IO, missing);
	dir_write("profile.json", "{\"defaultAction\":");
	expect_error(KK_E_INVALID, broken);
	dir_write("profile.json", "");
	expect_error(KK_E_INVALID, broken);
}
END_TEST

/* --- regressions --- */

static const char *const falsities[] = {"0", "f", "F", "False", "FALSE"};

START_TEST(a_bool_has_more_words_than_false)
{
	kk_strs_take(&given.req.spec.security_opts,
		kk_xprintf("no-new-privileges=%s", falsities[_i]));
	build();
	expect("process/noNewPrivileges", "false");
}
END_TEST

START_TEST(a_profile_is_an_object)
{
	kk_auto_free char *path = kk_xprintf("%s/profile.json", dir_path);
	kk_auto_free char *text = kk_xprintf("seccomp profile %s is no JSON object", path);

	dir_write("profile.json", "[]");
	kk_strs_take(&given.req.spec.security_opts, kk_xprintf("seccomp=%s", path));
	expect_error(KK_E_INVALID, text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("spec");
	TCase *regressions = tcase_create("regressions");
	TCase *process = tcase_create("process"), *mounts = tcase_create("mounts");
	TCase *linux_part = tcase_create("linux");

	tcase_add_checked_fixture(process, setup, teardown);
	tcase_add_loop_test(process, the_command_is_the_containers_or_the_images, 0,
		(int)KK_COUNT(commands));
	tcase_add_loop_test(process, a_container_without_any_command_is_refused, 0,
		(int)KK_COUNT(silent_images));
	tcase_add_loop_test(process, the_directory_is_the_containers_or_the_images, 0,
		(int)KK_COUNT(directories));
	tcase_add_test(process, the_environment_has_a_path_a_home_and_who_one_is);
	tcase_add_test(process, the_environment_is_the_images_then_ours_then_the_containers);
	tcase_add_test(process, the_container_may_override_all_that_we_set);
	tcase_add_test(process, a_variable_is_told_by_its_whole_name);
	tcase_add_loop_test(process, the_user_is_the_containers_or_the_images, 0,
		(int)KK_COUNT(users));
	tcase_add_test(process, a_user_that_the_image_does_not_know_is_refused);
	tcase_add_loop_test(process, capabilities_are_the_default_less_drop_plus_add, 0,
		(int)KK_COUNT(capabilities));
	tcase_add_loop_test(process, new_privileges_are_denied_unless_asked_for, 0,
		(int)KK_COUNT(no_new_privileges));
	suite_add_tcase(suite, process);
	tcase_add_checked_fixture(mounts, setup, teardown);
	tcase_add_test(mounts, there_are_default_mounts);
	tcase_add_test(mounts, a_privileged_container_may_write_to_sys);
	tcase_add_test(mounts, volumes_are_bound_writable_or_not);
	tcase_add_test(mounts, volumes_may_be_of_memory);
	tcase_add_test(mounts, tmpfs_entries_come_behind_the_volumes);
	tcase_add_test(mounts, a_bind_mount_of_nothing_is_refused);
	tcase_add_test(mounts, a_named_volume_is_refused_for_now);
	suite_add_tcase(suite, mounts);
	tcase_add_checked_fixture(linux_part, setup, teardown);
	tcase_add_test(linux_part, all_devices_are_denied_but_the_harmless);
	tcase_add_test(linux_part, a_device_of_the_host_is_made_and_allowed);
	tcase_add_test(linux_part, a_privileged_container_has_all_devices);
	tcase_add_test(linux_part, a_device_that_is_none_is_refused);
	tcase_add_loop_test(linux_part, limits_are_set_where_they_are_positive, 0,
		(int)KK_COUNT(limits));
	tcase_add_loop_test(linux_part, namespaces_are_the_cells_the_containers_or_the_hosts, 0,
		(int)KK_COUNT(namespaces));
	tcase_add_test(linux_part, a_namespace_without_a_path_is_a_new_one);
	tcase_add_test(linux_part, parts_of_proc_and_sys_are_hidden);
	tcase_add_test(linux_part, nothing_is_hidden_from_a_privileged_container);
	tcase_add_test(linux_part, the_rest_is_as_the_runtime_wants_it);
	tcase_add_loop_test(linux_part, the_default_profile_goes_with_the_capabilities, 0, 2);
	tcase_add_loop_test(linux_part, a_container_may_be_unconfined, 0,
		(int)KK_COUNT(unconfined));
	tcase_add_loop_test(linux_part, a_profile_may_be_a_file, 0, 2);
	tcase_add_test(linux_part, a_profile_that_can_not_be_read_is_refused);
	suite_add_tcase(suite, linux_part);
	tcase_add_checked_fixture(regressions, setup, teardown);
	tcase_add_loop_test(regressions, a_bool_has_more_words_than_false, 0,
		(int)KK_COUNT(falsities));
	tcase_add_test(regressions, a_profile_is_an_object);
	suite_add_tcase(suite, regressions);
	return check_main(suite);
}
