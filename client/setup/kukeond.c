/* client/setup/kukeond.c - kukeond as the root container of its own cell, and what holds for it in either form. */
#include "setup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <kukeon/capability.h>
#include <kukeon/clock.h>
#include <kukeon/fd.h>
#include <kukeon/mem.h>

/* Of a directory that others mount things in, which are theirs: roots of containers in that of containerd. */
#define PRIVATE "private"

enum { DIAL_MS = 500, POLL_MS = 20 };

struct kk_scope setup_cell(void)
{
	return (struct kk_scope){KK_SYSTEM_REALM, "kukeon", "kukeon", "kukeond"};
}

/* --- the manifest of the cell --- */

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return kk_str_starts(path, dir) && (path[len] == '/' || !path[len]);
}

/* Under the same path as on the host: both speak of the same files. */
static void volume_add(json_t *volumes, const char *path, const char *propagation,
	bool is_read_only)
{
	json_t *volume;
	size_t i;

	json_array_foreach (volumes, i, volume) {
		if (strcmp(propagation, PRIVATE) == 0 &&
			is_below(path, cli_json_string(volume, "source")))
			return;
	}
	volume = json_pack("{s:s, s:s, s:s, s:s}", "kind", "bind", "source", path, "target", path,
		"propagation", propagation);
	if (is_read_only)
		json_object_set_new(volume, "readOnly", json_true());
	json_array_append_new(volumes, volume);
}

static char *dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return kk_xstrndup(path, slash > path ? (size_t)(slash - path) : 1);
}

static int by_source(const void *a, const void *b)
{
	const json_t *const *one = a, *const *other = b;

	return strcmp(cli_json_string(*one, "source"), cli_json_string(*other, "source"));
}

/* What lies above others is mounted before them. */
static json_t *volumes_sort(json_t *volumes)
{
	size_t n = json_array_size(volumes);
	kk_auto_free json_t **items = kk_xalloc(n * sizeof(json_t *));
	json_t *sorted = json_array();

	for (size_t i = 0; i < n; i++)
		items[i] = json_array_get(volumes, i);
	qsort(items, n, sizeof items[0], by_source);
	for (size_t i = 0; i < n; i++)
		json_array_append(sorted, items[i]);
	json_decref(volumes);
	return sorted;
}

static json_t *volumes_make(const struct setup *setup)
{
	const struct kk_config config = {.run_path = setup->run_path};
	kk_auto_free char *runtime = kk_config_runtime_dir(&config);
	kk_auto_free char *crash = kk_config_crash_dir(&config);
	/* The directory of a socket, as whoever listens there makes it anew. */
	kk_auto_free char *containerd = dir_of(setup->containerd_socket);
	kk_auto_free char *configuration = dir_of(setup->configuration);
	json_t *volumes = json_array();

	volume_add(volumes, setup->run_path, PRIVATE, false);
	volume_add(volumes, runtime, "rshared", false);
	volume_add(volumes, setup->socket_dir, PRIVATE, false);
	volume_add(volumes, crash, PRIVATE, false);
	volume_add(volumes, KK_LEASE_ROOT, PRIVATE, false);
	volume_add(volumes, containerd, PRIVATE, false);
	volume_add(volumes, "/sys/fs/cgroup", "rprivate", false);
	if (access(configuration, F_OK) == 0)
		volume_add(volumes, configuration, PRIVATE, true);
	return volumes_sort(volumes);
}

/* What its workers keep, and what it takes to get there: to give the socket to its group, to open the root of the
 * host, to be killed last. */
static json_t *capabilities_make(void)
{
	kk_auto_free char *names = kk_xstrdup("chown,setpcap,sys_ptrace,sys_resource");
	kk_auto(kk_strs_release) struct kk_strs added = {0};
	json_t *list = json_array();
	char *rest, *name;

	for (int i = 1; i < KK_ROLES; i++) {
		char *longer = kk_xprintf("%s,%s", names, kk_role_capabilities((enum kk_role)i));

		free(names);
		names = longer;
	}
	rest = names;
	while ((name = strsep(&rest, ","))) {
		if (!*name || !kk_capability_is_allowed(name) || kk_strs_has(&added, name))
			continue;
		kk_strs_add(&added, name);
		json_array_append_new(list, json_string(name));
	}
	return list;
}

static json_t *args_make(const struct setup *setup)
{
	kk_auto_free char *gid = kk_xprintf("%u", (unsigned)setup->gid);

	return json_pack("[s, s,s, s,s, s,s, s,s, s,s, s,s]", "serve", "--configuration",
		setup->configuration, "--socket", setup->socket, "--run-path", setup->run_path,
		"--containerd-socket", setup->containerd_socket, "--socket-gid", gid, "--host-root",
		"parent");
}

static json_t *container_make(const struct setup *setup, const char *image)
{
	return json_pack(
		"{s:s, s:b, s:s, s:s, s:o, s:b, s:b, s:b, s:{s:[s], s:o}, s:[s], s:o, s:s}", "id",
		"kukeond", "root", 1, "image", image, "command", "/bin/kukeond", "args",
		args_make(setup), "hostNetwork", 1, "hostPID", 1, "hostCgroup", 1, "capabilities",
		"drop", "ALL", "add", capabilities_make(), "securityOpts", "systempaths=unconfined",
		"volumes", volumes_make(setup), "restartPolicy", "always");
}

static char *manifest_make(const struct setup *setup, const char *image, const char *digest)
{
	const struct kk_scope scope = setup_cell();
	kk_auto_json *doc = json_pack("{s:s, s:s, s:{s:s, s:{s:s}}, s:{s:s, s:s, s:s, s:[o]}}",
		"apiVersion", "v1beta1", "kind", "Cell", "metadata", "name", scope.cell, "labels",
		SETUP_DIGEST_LABEL, digest, "spec", "realmId", scope.realm, "spaceId", scope.space,
		"stackId", scope.stack, "containers", container_make(setup, image));

	return json_dumps(doc, JSON_COMPACT);
}

/* --- the cell --- */

int setup_cell_get(const struct setup *setup, json_t **ret_cell, struct kk_err *err)
{
	const struct kk_scope scope = setup_cell();

	return cli_cell_get(setup->cli, &scope, ret_cell, err);
}

bool setup_cell_runs(const json_t *cell)
{
	const char *state = cli_json_string(json_object_get(cell, "status"), "state");

	return strcmp(state, "Ready") == 0 || strcmp(state, "Degraded") == 0;
}

bool setup_cell_is_stopped(const json_t *cell)
{
	return strcmp(cli_json_string(json_object_get(cell, "status"), "state"), "Stopped") == 0;
}

const char *setup_cell_image(const json_t *cell)
{
	return cli_json_string(json_array_get(json_object_get(json_object_get(cell, "spec"),
						      "containers"),
				       0),
		"image");
}

const char *setup_cell_digest(const json_t *cell)
{
	return cli_json_string(json_object_get(json_object_get(cell, "metadata"), "labels"),
		SETUP_DIGEST_LABEL);
}

static char *remake_path(const struct setup *setup)
{
	return kk_xprintf("%s/.kukeond-remake", setup->run_path);
}

int setup_remake_begin(const struct setup *setup, struct kk_err *err)
{
	kk_auto_free char *path = remake_path(setup);

	return kk_file_replace(path, "", 0, 0600, err);
}

void setup_remake_end(const struct setup *setup)
{
	kk_auto_free char *path = remake_path(setup);

	(void)unlink(path);
}

bool setup_is_remaking(const struct setup *setup)
{
	kk_auto_free char *path = remake_path(setup);

	return access(path, F_OK) == 0;
}

static int document_apply(const struct setup *setup, const char *manifest, char **ret_action,
	struct kk_err *err)
{
	kk_auto_free char *encoded = cli_base64(manifest, strlen(manifest));
	kk_auto_json *reply = NULL;
	const json_t *resource;
	const char *failure;

	if (cli_call(setup->cli, "ApplyDocuments", json_pack("{s:s}", "RawYAML", encoded), &reply,
		    err) < 0)
		return kk_wrap(err, "make the cell of kukeond");
	resource =
		json_array_get(json_object_get(json_object_get(reply, "Result"), "Resources"), 0);
	failure = cli_json_string(resource, "error");
	if (*failure)
		return kk_fail(err, KK_E_API, "make the cell of kukeond: %s", failure);
	*ret_action = kk_xstrdup(cli_json_string(resource, "action"));
	return 0;
}

int setup_cell_apply(const struct setup *setup, const char *image, const char *digest,
	char **ret_action, struct kk_err *err)
{
	kk_auto_free char *manifest = manifest_make(setup, image, digest);

	if (document_apply(setup, manifest, ret_action, err) < 0)
		return kk_failed(err);
	setup_remake_end(setup);
	return 0;
}

int setup_cell_label(const struct setup *setup, const char *digest, struct kk_err *err)
{
	kk_auto_json *cell = NULL;
	kk_auto_free char *manifest = NULL, *action = NULL;
	int r = setup_cell_get(setup, &cell, err);

	if (r <= 0)
		return r;
	json_object_del(cell, "status");
	json_object_set_new(json_object_get(json_object_get(cell, "metadata"), "labels"),
		SETUP_DIGEST_LABEL, json_string(digest));
	manifest = json_dumps(cell, JSON_COMPACT);
	return document_apply(setup, manifest, &action, err);
}

int setup_cell_call(const struct setup *setup, const char *method, int64_t grace_ms,
	struct kk_err *err)
{
	const struct kk_scope scope = setup_cell();
	json_t *args = cli_doc_args(KK_KIND_CELL, &scope, NULL);
	kk_auto_json *reply = NULL;

	json_object_set_new(args, "Force", json_true());
	json_object_set_new(args, "GraceMilliseconds", json_integer(grace_ms));
	return cli_call(setup->cli, method, args, &reply, err);
}

/* --- its process --- */

static int dial(const struct setup *setup)
{
	return kk_unix_dial(setup->socket, SOCK_STREAM, DIAL_MS);
}

bool setup_is_reachable(const struct setup *setup)
{
	static const char ping[] = "{\"method\":\"KukeonV1.Ping\",\"params\":[{}],\"id\":0}\n";
	kk_auto_fd int fd = dial(setup);
	char first;

	return fd >= 0 && send(fd, ping, sizeof ping - 1, MSG_NOSIGNAL) == sizeof ping - 1 &&
		recv(fd, &first, 1, 0) == 1;
}

/* A number in a file says nothing: it may be another's by now. Only kukeond has the lock of its run path open. */
static bool has_lock(pid_t pid, const char *run_path)
{
	kk_auto_free char *path = kk_xprintf("%s/.kukeond.lock", run_path);
	kk_auto_free char *dir_path = kk_xprintf("/proc/%d/fd", (int)pid);
	kk_auto_dir dir = opendir(dir_path);
	const struct dirent *entry;
	struct stat lock, st;

	if (stat(path, &lock) < 0)
		return false;
	while (dir && kk_dir_next(dir, &entry) == 1) {
		if (fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && st.st_ino == lock.st_ino &&
			st.st_dev == lock.st_dev)
			return true;
	}
	return false;
}

/* Whoever listens there may be of another run path. */
static pid_t listener(const struct setup *setup)
{
	kk_auto_fd int fd = dial(setup);
	struct ucred peer = {0};
	socklen_t len = sizeof peer;

	return fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 ? peer.pid : 0;
}

pid_t setup_pid(const struct setup *setup)
{
	kk_auto_free char *path = kk_xprintf("%s/kukeond.pid", setup->socket_dir);
	kk_auto_buf text = {.max = 64};
	struct kk_err ignored = {0};
	pid_t pid = listener(setup);

	if (pid > 0 && has_lock(pid, setup->run_path))
		return pid;
	if (kk_file_read(path, &text, &ignored) < 0 || !text.data)
		return 0;
	pid = (pid_t)strtol((char *)text.data, NULL, 10);
	return pid > 0 && has_lock(pid, setup->run_path) ? pid : 0;
}

int setup_wait_ready(const struct setup *setup, struct kk_err *err)
{
	int64_t end_ms = kk_clock_ms() + SETUP_READY_MS;
	struct kk_err cause = {0};
	char why[KK_ERR_TEXT];

	/* Another one may listen there. */
	while (!setup_is_reachable(setup) || setup_pid(setup) == 0) {
		if (kk_clock_ms() > end_ms) {
			struct kk_text text;

			(void)cli_call_daemon(setup->cli, "Ping", json_object(), &text, &cause);
			kk_err_line(&cause, why, sizeof why);
			return kk_fail(err, KK_E_TIMEOUT,
				"kukeond did not become ready: timed out after %ds: %s; see `kuke daemon logs`",
				SETUP_READY_MS / 1000,
				cause.code ? why :
					setup_is_reachable(setup) ?
					     "another kukeond listens at its socket" :
					     "it does not answer");
		}
		cli_pause(POLL_MS);
	}
	return 0;
}

static bool gone_poll(pid_t pid, int64_t limit_ms)
{
	int64_t end_ms = kk_clock_ms() + limit_ms;

	while (kill(pid, 0) == 0) {
		if (kk_clock_ms() >= end_ms)
			return false;
		cli_pause(POLL_MS);
	}
	return true;
}

static bool fd_is_gone(int fd, int64_t limit_ms)
{
	struct pollfd watched = {.fd = fd, .events = POLLIN};

	return poll(&watched, 1, (int)limit_ms) > 0;
}

bool setup_wait_gone(pid_t pid, int64_t limit_ms)
{
	kk_auto_fd int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0)
		return errno == ESRCH || gone_poll(pid, limit_ms);
	return fd_is_gone(fd, limit_ms);
}

/* By a descriptor, as the number may be another's in a moment. */
static int process_end(const struct setup *setup, bool is_kill, int64_t timeout_ms,
	struct kk_err *err)
{
	pid_t pid = setup_pid(setup);
	kk_auto_fd int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;

	if (pid <= 0 || (fd < 0 && errno == ESRCH) || (fd >= 0 && !has_lock(pid, setup->run_path)))
		return 0;
	if (fd < 0)
		return kk_fail_errno(err, KK_E_IO, "look at kukeond (pid %d)", (int)pid);
	if (!is_kill) {
		(void)syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0);
		if (fd_is_gone(fd, timeout_ms))
			return 0;
	}
	(void)syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
	if (fd_is_gone(fd, SETUP_TIMEOUT_MS))
		return 1;
	return kk_fail(err, KK_E_TIMEOUT, "kukeond (pid %d) does not end, even by SIGKILL",
		(int)pid);
}

static int cell_end(const struct setup *setup, bool is_kill, int64_t timeout_ms, struct kk_err *err)
{
	pid_t pid = setup_pid(setup);
	int64_t began_ms = kk_clock_ms();

	if (setup_cell_call(setup, is_kill ? "KillCell" : "StopCell", timeout_ms, err) < 0) {
		if (err->code != KK_E_CELL_NOT_FOUND)
			return kk_failed(err);
		kk_err_clear(err);
	}
	if (pid > 0 && !setup_wait_gone(pid, SETUP_TIMEOUT_MS))
		return kk_fail(err, KK_E_TIMEOUT, "kukeond (pid %d) does not end", (int)pid);
	return !is_kill && kk_clock_ms() - began_ms >= timeout_ms;
}

int setup_halt(const struct setup *setup, bool is_kill, int64_t timeout_ms, struct kk_err *err)
{
	bool is_on_host = setup_form_get(setup) == SETUP_ON_HOST, has_unit = setup_is_unit(setup);
	int r;

	/* systemd would start again what ends behind its back. It may be none of its own, too. */
	if (is_on_host && has_unit && !is_kill && setup_unit_do("stop", err) < 0)
		return kk_failed(err);
	r = is_on_host ? process_end(setup, is_kill, timeout_ms, err) :
			 cell_end(setup, is_kill, timeout_ms, err);
	/* Whoever watches a cell notices by itself, but not at once: a start in between would be none. */
	if (r >= 0 && has_unit && (!is_on_host || is_kill) && setup_unit_do("stop", err) < 0)
		return kk_failed(err);
	return r;
}

enum setup_form setup_form_get(const struct setup *setup)
{
	kk_auto(kk_instance_release) struct kk_instance instance = {0};

	return kk_instance_find(setup->run_path, &instance) &&
			kk_str_equal(instance.kukeond, SETUP_FORM_HOST) ?
		SETUP_ON_HOST :
		SETUP_IN_CELL;
}
