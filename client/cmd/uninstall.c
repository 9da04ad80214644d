/* client/cmd/uninstall.c - kuke uninstall: all of kukeon leaves this host, but for the binaries. Whatever of it has gone
 * already is no error, so that an uninstall that was interrupted is completed by the next. */
#include "../setup/setup.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kukeon/fault.h>
#include <kukeon/fd.h>
#include <kukeon/mem.h>

#define REMOVED "removed"
#define ABSENT "absent"

struct uninstall {
	struct setup setup;
	bool is_failed;
	struct kk_err failure; /* the first one */
};

/* --- the question --- */

static void question_print(const struct setup *setup)
{
	printf("This removes kukeon from this host, with everything that runs in it:\n"
	       "%s"
	       "  - every realm, including " KK_SYSTEM_REALM "\n"
	       "  - their containerd namespaces, with containers and images\n"
	       "  - %s/\n",
		setup_is_unit(setup) ? "  - the systemd unit " SETUP_UNIT "\n" : "",
		setup->run_path);
	if (strcmp(setup->socket_dir, setup->run_path) != 0)
		printf("  - %s/\n", setup->socket_dir);
	printf("  - user and group \"" SETUP_GROUP "\"\n\n");
}

/* 1: yes, 0: no, -1: neither. */
static int answer_parse(char *line)
{
	size_t len;

	while (isspace((unsigned char)*line))
		line++;
	for (len = strlen(line); len && isspace((unsigned char)line[len - 1]); len--)
		line[len - 1] = '\0';
	if (strcasecmp(line, "yes") == 0 || strcasecmp(line, "y") == 0)
		return 1;
	return !*line || strcasecmp(line, "no") == 0 || strcasecmp(line, "n") == 0 ? 0 : -1;
}

static int confirm(const struct setup *setup, struct kk_err *err)
{
	char line[256];
	int answer = -1;

	question_print(setup);
	while (answer < 0) {
		printf("Are you sure? (yes/no) ");
		(void)fflush(stdout);
		if (!fgets(line, sizeof line, stdin))
			return kk_fail(err, KK_E_USAGE, "read confirmation: EOF");
		answer = answer_parse(line);
	}
	if (answer)
		return 0;
	printf("Aborted.\n");
	return kk_fail(err, KK_E_USAGE, "uninstall aborted");
}

/* --- step by step --- */

static void failure_keep(struct uninstall *uninstall, const struct kk_err *err)
{
	if (!uninstall->is_failed)
		uninstall->failure = *err;
	uninstall->is_failed = true;
}

static void failure_print(const char *what, const struct kk_err *err)
{
	char text[KK_ERR_TEXT];

	kk_err_line(err, text, sizeof text);
	printf("  - %s: FAILED: %s\n", what, text);
}

/* A unit that a package put there stays with the package: it is turned off. */
static void unit_remove(struct uninstall *uninstall)
{
	kk_auto_free char *unit = setup_unit_find();
	bool is_ours = unit && kk_str_starts(unit, "/etc/systemd/system/");
	struct kk_err ignored = {0};
	static const char *const reload[] = {"systemctl", "daemon-reload", NULL};
	bool is_stopped, is_disabled, is_removed, is_reloaded;

	if (!setup_is_unit(&uninstall->setup))
		return;
	is_stopped = setup_unit_do("stop", &ignored) == 0;
	kk_err_clear(&ignored);
	is_disabled = setup_unit_do("disable", &ignored) == 0;
	is_removed = !is_ours || unlink(unit) == 0;
	is_reloaded = !is_ours || setup_command(reload, NULL) == 0;
	if (is_stopped && is_disabled && is_removed && is_reloaded)
		printf("  - systemd unit %s: stopped, disabled%s\n", unit,
			is_ours ? ", removed" : "");
	else
		printf("  - systemd unit %s: partial (stop=%s disable=%s remove=%s reload=%s)\n",
			unit, is_stopped ? "true" : "false", is_disabled ? "true" : "false",
			is_removed ? "true" : "false", is_reloaded ? "true" : "false");
}

/* While it lives, it would make again what is removed. */
static int kukeond_stop(const struct setup *setup, struct kk_err *err)
{
	kk_auto_free char *pid_path = kk_xprintf("%s/kukeond.pid", setup->socket_dir);
	bool had_file = access(pid_path, F_OK) == 0;
	pid_t pid = setup_pid(setup);
	int r = 0;

	if (pid > 0 || setup_is_initialized(setup))
		r = setup_halt(setup, false, SETUP_TIMEOUT_MS, err);
	if (r < 0)
		failure_print("kukeond", err);
	else if (pid > 0)
		printf("  - kukeond: %s (pid %d)\n", r == 1 ? "force-killed" : "stopped", (int)pid);
	else
		printf("  - kukeond: %s\n", had_file ? "stale pid file" : ABSENT);
	return r < 0 ? r : 0;
}

static int realm_purge(const struct setup *setup, const char *realm, struct kk_err *err)
{
	const struct kk_scope scope = {.realm = realm};
	json_t *args = cli_doc_args(KK_KIND_REALM, &scope, NULL);
	kk_auto_json *reply = NULL;

	json_object_set_new(args, "Force", json_true());
	json_object_set_new(args, "Cascade", json_true());
	return cli_call(setup->cli, "PurgeRealm", args, &reply, err);
}

/* Realms that have a document, and namespaces of our suffix that have none. */
static int realms_find(const struct setup *setup, struct kk_strs *names, struct kk_strs *namespaces,
	struct kk_err *err)
{
	kk_auto_json *reply = NULL, *leaks = NULL;
	kk_auto_free char *suffix = kk_xprintf(".%s", setup->cli->config.namespace_suffix);
	const json_t *list;
	size_t i;
	json_t *item;

	if (cli_call(setup->cli, "ListRealms", json_object(), &reply, err) < 0 ||
		cli_call(setup->cli, "ListLeaks", json_object(), &leaks, err) < 0)
		return kk_failed(err);
	list = json_object_get(reply, "Realms");
	json_array_foreach (list, i, item) {
		kk_strs_add(names, cli_doc_name(item));
		kk_strs_add(namespaces,
			cli_json_string(json_object_get(item, "spec"), "namespace"));
	}
	list = json_object_get(json_object_get(leaks, "Result"), "Leaks");
	json_array_foreach (list, i, item) {
		const char *namespace = cli_json_string(item, "Namespace");
		kk_auto_free char *name = NULL;

		if (!kk_str_ends(namespace, suffix) || kk_strs_has(namespaces, namespace))
			continue;
		name = kk_xstrndup(namespace, strlen(namespace) - strlen(suffix));
		/* A longer suffix is another instance's; and which of them a realm was, only the first can say. */
		if (strchr(name, '.') || strcmp(setup->run_path, KK_DEFAULT_RUN_PATH) != 0)
			continue;
		kk_strs_take(names, kk_steal(&name));
		kk_strs_add(namespaces, namespace);
	}
	return 0;
}

/* Directories that containerd and its shims make for a namespace, and leave. They are empty, or not ours to remove. */
static void traces_remove(const struct setup *setup)
{
	kk_auto_free char *suffix = kk_xprintf(".%s", setup->cli->config.namespace_suffix);
	const char *slash = strrchr(setup->containerd_socket, '/');
	kk_auto_free char *tasks = kk_xprintf("%.*s/io.containerd.runtime.v2.task",
		slash ? (int)(slash - setup->containerd_socket) : 0, setup->containerd_socket);
	const char *const dirs[] = {
		"/run/containerd/runc", tasks, "/var/lib/containerd/io.containerd.runtime.v2.task"};

	for (size_t i = 0; i < KK_COUNT(dirs); i++) {
		kk_auto_dir dir = opendir(dirs[i]);
		const struct dirent *entry;

		while (dir && kk_dir_next(dir, &entry) == 1) {
			if (kk_str_ends(entry->d_name, suffix))
				(void)unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
		}
	}
}

/* kukeond's own goes last: while it is there, the host is one that was set up. */
static int realms_purge(struct uninstall *uninstall, struct kk_err *err)
{
	const struct setup *setup = &uninstall->setup;
	kk_auto(kk_strs_release) struct kk_strs names = {0}, namespaces = {0};

	if (realms_find(setup, &names, &namespaces, err) < 0)
		return kk_failed(err);
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < names.n; i++) {
			const char *realm = names.items[i];
			kk_auto_free char *what = kk_xprintf("realm \"%s\" (namespace \"%s\")",
				realm, namespaces.items[i]);
			struct kk_err cause = {0};

			if ((strcmp(realm, KK_SYSTEM_REALM) == 0) != (pass == 1))
				continue;
			if (realm_purge(setup, realm, &cause) == 0) {
				printf("  - %s: purged\n", what);
				continue;
			}
			failure_print(what, &cause);
			kk_wrap(&cause, "purge realm \"%s\"", realm);
			failure_keep(uninstall, &cause);
		}
	}
	traces_remove(setup);
	return 0;
}

/* All of a directory but the file that tells whose it is, as an uninstall that is interrupted here can be completed, and what a
 * file system has for itself. */
static int content_remove(const char *path, struct kk_err *err)
{
	kk_auto_dir dir = opendir(path);
	const struct dirent *entry;
	int r = 0;

	while (r == 0 && dir && kk_dir_next(dir, &entry) == 1) {
		kk_auto_free char *child = kk_xprintf("%s/%s", path, entry->d_name);

		if (strcmp(entry->d_name, KK_INSTANCE_FILE) != 0 &&
			strcmp(entry->d_name, "lost+found") != 0)
			r = kk_tree_remove(child, err);
	}
	return r;
}

/* A file system of its own has nothing but ours, is emptied, and stays where it is: what lies beneath is not ours. */
static int emptied_keep(const char *dir, struct kk_err *err)
{
	kk_auto_free char *instance = kk_xprintf("%s/" KK_INSTANCE_FILE, dir);

	if (unlink(instance) < 0 && errno != ENOENT)
		return kk_fail_errno(err, KK_E_IO, "remove %s", instance);
	printf("  - %s: emptied (it is a mount point)\n", dir);
	return 0;
}

/* Nothing is removed through a mount that can't be let go of: what is behind it may be anybody's. @is_shared: init has mounted
 * it. */
static void dir_remove(struct uninstall *uninstall, const char *dir, bool is_shared)
{
	bool is_mount = !is_shared && setup_is_mount(dir);
	kk_auto_free char *busy = NULL;
	struct kk_err err = {0};

	if (access(dir, F_OK) < 0) {
		printf("  - %s: " ABSENT "\n", dir);
		return;
	}
	setup_unmount(dir, !is_shared, &busy);
	if (busy) {
		kk_fail(&err, KK_E_BUSY, "%s is still mounted; unmount it, then run this again",
			busy);
		printf("  - mount %s: still busy\n", busy);
	} else if (content_remove(dir, &err) == 0) {
		if (is_mount && emptied_keep(dir, &err) == 0)
			return;
		if (!is_mount && kk_tree_remove(dir, &err) == 0) {
			printf("  - %s: " REMOVED "\n", dir);
			return;
		}
	}
	printf("  - %s: remove failed\n", dir);
	failure_keep(uninstall, &err);
}

/* Another instance on this host may still need them. */
static bool is_default_used(const struct setup *setup)
{
	return strcmp(setup->run_path, KK_DEFAULT_RUN_PATH) != 0 &&
		access(KK_DEFAULT_RUN_PATH "/" KK_INSTANCE_FILE, F_OK) == 0;
}

static void account_remove(struct uninstall *uninstall)
{
	const struct setup *setup = &uninstall->setup;
	bool had_group = setup_group_find() > 0;
	const char *user, *group;

	if (is_default_used(setup)) {
		user = group = "kept (the instance of " KK_DEFAULT_RUN_PATH " has it)";
	} else {
		user = setup_user_remove();
		group = setup_group_remove();
		/* userdel takes it along. */
		if (had_group && strcmp(group, ABSENT) == 0)
			group = REMOVED;
	}
	printf("  - user \"" SETUP_GROUP "\": %s\n", user);
	printf("  - group \"" SETUP_GROUP "\": %s\n", group);
	if (strcmp(user, SETUP_REMOVE_FAILED) == 0 || strcmp(group, SETUP_REMOVE_FAILED) == 0) {
		struct kk_err err = {0};

		kk_fail(&err, KK_E_IO,
			"user or group \"" SETUP_GROUP
			"\" can't be removed: see `userdel " SETUP_GROUP "`");
		failure_keep(uninstall, &err);
	}
}

/* One that others have things in keeps them. */
static void socket_dir_remove(struct uninstall *uninstall)
{
	const struct setup *setup = &uninstall->setup;
	kk_auto_free char *pid_path = kk_xprintf("%s/kukeond.pid", setup->socket_dir);

	if (setup_owns_socket_dir(setup)) {
		dir_remove(uninstall, setup->socket_dir,
			strcmp(setup->socket_dir, setup->run_path) != 0);
		return;
	}
	if (setup_is_reachable(setup)) {
		printf("  - %s: kept (another kukeond listens there)\n", setup->socket);
		return;
	}
	unlink(pid_path);
	printf("  - %s: %s\n", setup->socket, unlink(setup->socket) == 0 ? REMOVED : ABSENT);
}

/* What lies beside the run path: only what is empty, or that nobody else writes. */
static void rest_remove(struct uninstall *uninstall)
{
	const struct setup *setup = &uninstall->setup;
	const struct kk_config config = {.run_path = setup->run_path};
	kk_auto_free char *crash = kk_config_crash_dir(&config);
	kk_auto_free char *runtime = kk_config_runtime_dir(&config);

	if (strcmp(runtime, setup->socket_dir) != 0 && access(runtime, F_OK) == 0)
		dir_remove(uninstall, runtime, true);
	socket_dir_remove(uninstall);
	if (strcmp(setup->run_path, setup->socket_dir) != 0)
		dir_remove(uninstall, setup->run_path, false);
	if (access(crash, F_OK) == 0)
		dir_remove(uninstall, crash, false);
	if (strcmp(crash, KK_DEFAULT_CRASH_DIR) == 0)
		rmdir("/var/lib/kukeon");
	rmdir(KK_LEASE_ROOT);
	rmdir("/var/lib/cni");
	cli_setting_forget();
	if (setup->is_default)
		setup_settings_forget();
}

/* A path that was mistyped must not cost what is there. */
static int run_path_check(const struct setup *setup, struct kk_err *err)
{
	kk_auto_dir dir = opendir(setup->run_path);
	const struct dirent *entry;
	int r;

	if (!dir && errno == ENOENT)
		return 0;
	while ((r = dir ? kk_dir_next(dir, &entry) : -1) == 1 &&
		strcmp(entry->d_name, SETUP_LOCK_FILE) == 0)
		;
	if (r < 0)
		return kk_fail_errno(err, KK_E_IO, "read %s", setup->run_path);
	return r == 0 || setup_is_run_path(setup) ?
		0 :
		kk_fail(err, KK_E_USAGE,
			"%s is no run path of kukeon's (it has no " KK_INSTANCE_FILE
			"): nothing was removed",
			setup->run_path);
}

/* What runs ends before what it runs from goes, and what can't be ended keeps it. */
static int running_remove(struct uninstall *uninstall, int *ret_lock, struct kk_err *err)
{
	const struct setup *setup = &uninstall->setup;

	/* A run path that isn't there has nothing that runs, but the usual one: of that, containerd may still tell. */
	if (!setup_is_run_path(setup) && strcmp(setup->run_path, KK_DEFAULT_RUN_PATH) != 0) {
		unit_remove(uninstall);
		printf("  - kukeond: " ABSENT "\n");
		return 0;
	}
	if (cli_local_open(setup->cli, err) < 0 || setup_lock(setup, ret_lock, err) < 0)
		return kk_failed(err);
	unit_remove(uninstall);
	if (kukeond_stop(setup, err) < 0 || kk_fault(KK_FAULT_client_uninstall_stopped, err) < 0 ||
		realms_purge(uninstall, err) < 0)
		return kk_failed(err);
	return kk_fault(KK_FAULT_client_uninstall_purged, err);
}

static int uninstall_run(struct cli *cli, struct kk_err *err)
{
	kk_auto(setup_release) struct setup setup = {0};
	struct uninstall uninstall = {0};
	kk_auto_fd int lock = -1;

	if (setup_load(cli, &setup, err) < 0 || run_path_check(&setup, err) < 0 ||
		(!cli_bool(cli, "yes") && confirm(&setup, err) < 0))
		return kk_failed(err);
	uninstall.setup = setup;
	printf("kuke uninstall:\n");
	(void)fflush(stdout);
	if (running_remove(&uninstall, &lock, err) < 0)
		return kk_failed(err);
	/* The workers have files there open, and make some. */
	cli_disconnect(cli);
	if (uninstall.is_failed) {
		printf("  - %s: skipped (realm purge failed)\n", setup.socket_dir);
		printf("  - %s: skipped (realm purge failed)\n", setup.run_path);
		printf("  - user \"" SETUP_GROUP "\": skipped (realm purge failed)\n");
		printf("  - group \"" SETUP_GROUP "\": skipped (realm purge failed)\n");
		printf("  filesystem + user/group cleanup skipped: run this again when the cause is gone\n");
	} else {
		rest_remove(&uninstall);
		account_remove(&uninstall);
	}
	if (!uninstall.is_failed)
		return 0;
	*err = uninstall.failure;
	return kk_failed(err);
}

static const struct cli_flag flags[] = {
	{"yes", 'y', CLI_BOOL, NULL, NULL, "do not ask", NULL},
	SETUP_FLAG_CONFIGURATION,
	{"no-daemon", 0, CLI_BOOL, NULL, NULL, "has no effect: uninstall is always in-process",
		NULL},
	CLI_FLAGS_END,
};

const struct cli_command cli_cmd_uninstall = {
	.name = "uninstall",
	.usage = "[flags]",
	.summary = "Remove kukeon and all that runs in it from this host",
	.flags = flags,
	.max_args = -1,
	.route = CLI_ROUTE_LOCAL,
	.run = uninstall_run,
};
