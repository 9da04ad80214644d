/* client/cmd/status.c - kuke status: is all well with this host? By the daemon, and beside it. */
#include "../cli.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <kukeon/clock.h>
#include <kukeon/fd.h>
#include <kukeon/mem.h>

#define CNI_DIR "/opt/cni/bin"
#define CGROUP_DIR "/sys/fs/cgroup"

enum { FILE_BYTES_MAX = 1024 * 1024 };

struct report {
	struct cli *cli;
	struct cli_report rows;
	bool has_daemon, has_containerd;
};

static json_t *check(struct report *report, const char *section, const char *name,
	const char *status, char *detail, const char *remedy)
{
	return cli_report_add(&report->rows, section, name, status, detail, remedy);
}

static char *reason(const struct kk_err *err)
{
	char text[KK_ERR_TEXT];

	kk_err_line(err, text, sizeof text);
	return kk_xstrdup(text);
}

static json_t *ask(struct report *report, cli_call_f call, const char *method, json_t *args,
	struct kk_err *err)
{
	json_t *reply = NULL;

	return cli_call_json(report->cli, call, method, args, &reply, err) < 0 ? NULL : reply;
}

/* By the daemon, or where there is none in-process. */
static json_t *ask_any(struct report *report, const char *method, json_t *args, struct kk_err *err)
{
	return ask(report, report->has_daemon ? cli_call_daemon : cli_call_local, method, args,
		err);
}

/* --- daemon --- */

static void daemon_check(struct report *report)
{
	const char *host = cli_host(report->cli);
	int64_t began = kk_clock_us();
	kk_auto_json *reply = NULL;
	struct kk_err err = {0};
	kk_auto_free char *why = NULL;
	const char *version;

	reply = ask(report, cli_call_daemon, "Ping", json_object(), &err);
	report->has_daemon = reply != NULL;
	if (!reply) {
		why = reason(&err);
		check(report, "daemon", "socket", CLI_FAIL,
			kk_xprintf("%s (dial failed: %s)", host, why),
			"start kukeond, and see its log: kukeond serve");
		return;
	}
	version = cli_json_string(reply, "Version");
	if (strcmp(version, KK_VERSION) != 0) {
		check(report, "daemon", "socket", CLI_WARN,
			kk_xprintf("%s (version %s, kuke is " KK_VERSION ")", host,
				*version ? version : "unknown"),
			"`kuke daemon reload` replaces kukeond by the binary on disk");
		return;
	}
	check(report, "daemon", "socket", CLI_OK,
		kk_xprintf("%s (rtt %.1fms, version %s)", host,
			(double)(kk_clock_us() - began) / 1000, *version ? version : "unknown"),
		NULL);
}

static void workers_check(struct report *report)
{
	kk_auto_json *reply = NULL;
	kk_auto_buf bad = {0};
	struct kk_err err = {0};
	const json_t *workers;
	size_t i, n = 0;
	json_t *worker;
	long long n_restarts = 0;

	if (!report->has_daemon)
		return;
	reply = ask(report, cli_call_daemon, "ListWorkers", json_object(), &err);
	workers = json_object_get(reply, "Workers");
	json_array_foreach (workers, i, worker) {
		const char *state = cli_json_string(worker, "state");

		if (strcmp(cli_json_string(worker, "role"), "supervisor") == 0)
			continue;
		n++;
		n_restarts += json_integer_value(json_object_get(worker, "restarts"));
		if (strcmp(state, "Ready") != 0)
			kk_buf_printf(&bad, "%s%s is %s", bad.len ? ", " : "",
				cli_json_string(worker, "role"), state);
	}
	if (bad.len || !n)
		check(report, "daemon", "workers", CLI_FAIL,
			kk_xprintf("(%s)", bad.len ? (char *)bad.data : "not listed"),
			"see `kuke daemon workers` and the crash reports");
	else
		check(report, "daemon", "workers", CLI_OK,
			kk_xprintf("%zu ready (%lld restarts)", n, n_restarts), NULL);
}

/* --- host --- */

static const char *containerd_socket(const struct report *report)
{
	return cli_setting(report->cli, "containerd-socket", "KUKEON_CONTAINERD_SOCKET",
		report->cli->file.spec.containerd_socket, KK_DEFAULT_CONTAINERD_SOCKET, NULL);
}

static void containerd_check(struct report *report)
{
	const char *path = containerd_socket(report);
	kk_auto_fd int fd = kk_unix_dial(path, SOCK_STREAM, 0);

	report->has_containerd = fd >= 0;
	if (report->has_containerd)
		check(report, "host", "containerd", CLI_OK, kk_xprintf("%s (reachable)", path),
			NULL);
	else
		check(report, "host", "containerd", CLI_FAIL,
			kk_xprintf("%s (dial failed: %s)", path, kk_errno_text(errno)),
			"start containerd: systemctl start containerd");
}

static size_t words(const char *text)
{
	size_t n = 0;

	for (bool is_in = false; *text; text++) {
		n += !isspace((unsigned char)*text) && !is_in;
		is_in = !isspace((unsigned char)*text);
	}
	return n;
}

static void cgroup_check(struct report *report)
{
	struct statfs fs;
	kk_auto_buf text = {.max = 4096};

	if (statfs(CGROUP_DIR, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC) {
		check(report, "host", "cgroup-v2", CLI_WARN,
			kk_xstrdup(CGROUP_DIR
				" (not mounted: the controllers of cgroup v1 are used)"),
			"boot with systemd.unified_cgroup_hierarchy=1");
		return;
	}
	if (kk_file_read(CGROUP_DIR "/cgroup.controllers", &text, NULL) < 0 || !text.len ||
		!words((char *)text.data)) {
		check(report, "host", "cgroup-v2", CLI_WARN,
			kk_xstrdup(CGROUP_DIR " (mounted, no controllers advertised)"),
			"see `kuke doctor cgroups`");
		return;
	}
	check(report, "host", "cgroup-v2", CLI_OK,
		kk_xprintf(CGROUP_DIR " (mounted, %zu controllers)", words((char *)text.data)),
		NULL);
}

/* Networks are made without them; only a conflist with other plugins needs those. */
static void plugins_check(struct report *report)
{
	bool has_both = access(CNI_DIR "/bridge", X_OK) == 0 &&
		access(CNI_DIR "/loopback", X_OK) == 0;

	check(report, "host", "cni-plugins", CLI_OK,
		kk_xstrdup(has_both ? CNI_DIR " (bridge, loopback present)" :
				      CNI_DIR " (not needed: kukeond makes the networks)"),
		NULL);
}

/* --- state --- */

static bool is_known_entry(const char *name)
{
	static const char *const known[] = {"kukeond.sock", "kukeond.pid", "s", "tty", "bin",
		"data", "run", "journal", "crash", "events", "events.1", ".lock", KK_INSTANCE_FILE,
		"secrets", "netns", "cells", "kuke.log"};

	for (size_t i = 0; i < KK_COUNT(known); i++) {
		if (strcmp(known[i], name) == 0)
			return true;
	}
	return name[0] == '.';
}

static const char *run_path(const struct report *report)
{
	return cli_setting(report->cli, "run-path", "KUKEON_RUN_PATH",
		report->cli->file.spec.run_path, KK_DEFAULT_RUN_PATH, NULL);
}

static void run_dir_check(struct report *report)
{
	const char *path = run_path(report);
	const char *dir = strcmp(path, KK_DEFAULT_RUN_PATH) == 0 ? "/run/kukeon" : path;
	const struct dirent *entry;
	kk_auto_dir handle = opendir(dir);
	kk_auto_buf orphans = {0};

	if (!handle) {
		check(report, "state", "run-dir", CLI_OK,
			kk_xprintf("%s (not present; daemon not initialized)", dir), NULL);
		return;
	}
	while (kk_dir_next(handle, &entry) == 1) {
		if (!is_known_entry(entry->d_name))
			kk_buf_printf(&orphans, "%s%s", orphans.len ? ", " : "", entry->d_name);
	}
	if (orphans.len)
		check(report, "state", "run-dir", CLI_WARN,
			kk_xprintf("%s (orphan entries: %s)", dir, (char *)orphans.data),
			"nothing of ours: move them elsewhere");
	else
		check(report, "state", "run-dir", CLI_OK, kk_xprintf("%s (no orphan entries)", dir),
			NULL);
}

/* When the host was booted, in ns since 1970; 0: it does not say. */
static int64_t boot_time(void)
{
	kk_auto_buf text = {.max = FILE_BYTES_MAX};
	const char *line;

	if (kk_file_read("/proc/stat", &text, NULL) < 0 || !text.data)
		return 0;
	line = strstr((char *)text.data, "\nbtime ");
	return line ? strtoll(line + strlen("\nbtime "), NULL, 10) * 1000000000LL : 0;
}

/* How many cells were started because they ran before that. */
static size_t resumed_count(struct report *report, int64_t since)
{
	struct kk_err ignored = {0};
	kk_auto_json *reply = ask(report, cli_call_daemon, "ListEvents",
		json_pack("{s:i}", "Since", -1), &ignored);
	const json_t *events = json_object_get(json_object_get(reply, "Result"), "Events");
	size_t i, n = 0;
	json_t *event;

	json_array_foreach (events, i, event) {
		int64_t time = 0;

		n += strcmp(cli_json_string(event, "reason"), "Resuming") == 0 &&
			kk_time_parse(cli_json_string(event, "time"), &time) == 0 && time >= since;
	}
	return n;
}

/* Do those run again that ran before the boot? */
static void boot_check(struct report *report)
{
	int64_t booted = boot_time();
	char time[KK_TIME_TEXT];
	kk_auto_json *reply = NULL;
	kk_auto_buf failed = {0};
	struct kk_err ignored = {0};
	const json_t *cells;
	size_t i;
	json_t *cell;

	if (!report->has_daemon || !booted)
		return;
	reply = ask(report, cli_call_daemon, "ListCells", json_object(), &ignored);
	cells = json_object_get(reply, "Cells");
	json_array_foreach (cells, i, cell) {
		const char *why = cli_json_string(json_object_get(cell, "status"), "reason");

		if (strcmp(why, "ResumeFailed") == 0 || strcmp(why, "Rebooted") == 0)
			kk_buf_printf(&failed, "%s%s", failed.len ? ", " : "", cli_doc_name(cell));
	}
	kk_time_format(booted, time);
	if (failed.len)
		check(report, "state", "boot", CLI_WARN,
			kk_xprintf("booted %s, these ran before and do not run yet: %s", time,
				(char *)failed.data),
			"kukeond tries again and again; `kuke get cell <name> -o yaml` says why it fails");
	else
		check(report, "state", "boot", CLI_OK,
			kk_xprintf("booted %s, %zu cells of before were started again", time,
				resumed_count(report, booted)),
			NULL);
}

static json_t *realms_get(struct report *report, struct kk_err *err)
{
	kk_auto_json *reply = ask_any(report, "ListRealms", json_object(), err);

	return json_incref(json_object_get(reply, "Realms"));
}

/* What belongs to nothing: namespaces, which may be another's, and the rest. */
static void leaks_check(struct report *report, size_t n_realms)
{
	kk_auto_json *reply = NULL;
	kk_auto_buf namespaces = {0};
	struct kk_err err = {0};
	const json_t *leaks;
	size_t i, n_others = 0;
	json_t *leak;

	/* Without containerd the answer would be long in coming. */
	if (report->has_containerd)
		reply = ask_any(report, "ListLeaks", json_object(), &err);
	else
		kk_fail(&err, KK_E_CONTAINERD, "containerd is not reachable");
	if (!reply) {
		kk_auto_free char *why = reason(&err);

		check(report, "state", "containerd-ns", CLI_WARN,
			kk_xprintf("(not looked at: %s)", why), NULL);
		return;
	}
	leaks = json_object_get(json_object_get(reply, "Result"), "Leaks");
	json_array_foreach (leaks, i, leak) {
		if (kk_str_starts(cli_json_string(leak, "Thing"), "containerd namespace "))
			kk_buf_printf(&namespaces, "%s%s", namespaces.len ? ", " : "",
				cli_json_string(leak, "Namespace"));
		else
			n_others++;
	}
	if (namespaces.len)
		check(report, "state", "containerd-ns", CLI_WARN,
			kk_xprintf("residual namespaces: %s", (char *)namespaces.data),
			"`kuke purge realm <name>` removes one, unless it is another instance's");
	else
		check(report, "state", "containerd-ns", CLI_OK,
			kk_xprintf("%zu kukeon namespaces, all claimed by a realm", n_realms),
			NULL);
	if (n_others)
		check(report, "state", "leaks", CLI_WARN,
			kk_xprintf("%zu things belong to nothing", n_others),
			"see `kuke doctor`, and `kuke doctor --fix`");
	else
		check(report, "state", "leaks", CLI_OK, kk_xstrdup("nothing is left over"), NULL);
}

/* --- storage --- */

static void storage_check(struct report *report, const json_t *realm)
{
	const char *name = cli_json_string(json_object_get(realm, "metadata"), "name");
	const char *namespace = cli_json_string(json_object_get(realm, "spec"), "namespace");
	struct kk_err err = {0};
	kk_auto_json *reply = NULL;
	kk_auto_free char *why = NULL, *size = NULL;
	json_t *storage, *row;
	long long bytes;

	if (report->has_containerd)
		reply = ask_any(report, "GetStorage", json_pack("{s:s}", "RealmName", name), &err);
	else
		kk_fail(&err, KK_E_CONTAINERD, "containerd is not reachable");
	storage = json_object_get(json_object_get(reply, "Result"), "Storage");
	if (!storage) {
		why = reason(&err);
		check(report, "storage", name, CLI_WARN, kk_xprintf("(probe failed: %s)", why),
			NULL);
		return;
	}
	bytes = json_integer_value(json_object_get(storage, "blobsBytes"));
	size = bytes ? cli_size(bytes) : kk_xstrdup("0 B");
	row = check(report, "storage", name, CLI_OK,
		kk_xprintf("%s (%lld snapshots, %lld leases, %lld blobs, %s)", namespace,
			(long long)json_integer_value(json_object_get(storage, "snapshots")),
			(long long)json_integer_value(json_object_get(storage, "leases")),
			(long long)json_integer_value(json_object_get(storage, "blobs")), size),
		NULL);
	json_object_set(row, "storage", storage);
}

static void state_and_storage_check(struct report *report)
{
	struct kk_err err = {0};
	kk_auto_json *realms = NULL;
	kk_auto_free char *why = NULL;
	size_t i;
	json_t *realm;

	run_dir_check(report);
	boot_check(report);
	realms = realms_get(report, &err);
	if (!realms) {
		why = reason(&err);
		check(report, "state", "containerd-ns", CLI_WARN,
			kk_xprintf("(list realms failed: %s)", why), NULL);
		return;
	}
	leaks_check(report, json_array_size(realms));
	if (json_array_size(realms) == 0)
		check(report, "storage", "realms", CLI_OK,
			kk_xstrdup("no realms (host not initialized)"), NULL);
	json_array_foreach (realms, i, realm)
		storage_check(report, realm);
}

/* --- parity --- */

/* Names of a list, sorted as it came. */
static void names_add(const json_t *list, struct kk_strs *names)
{
	size_t i;
	json_t *item;

	json_array_foreach (list, i, item)
		kk_strs_add(names, cli_doc_name(item));
}

static char *only_in(const struct kk_strs *here, const struct kk_strs *there)
{
	struct kk_buf text = {0};

	for (size_t i = 0; i < here->n; i++) {
		if (!kk_strs_has(there, here->items[i]))
			kk_buf_printf(&text, "%s%s", text.len ? ", " : "", here->items[i]);
	}
	return text.len ? kk_buf_take(&text) : NULL;
}

static void parity_check(struct report *report, const struct cli_view *view)
{
	struct kk_err err = {0};
	kk_auto_json *daemon = NULL, *local = NULL;
	kk_auto(kk_strs_release) struct kk_strs by_daemon = {0}, by_us = {0};
	kk_auto_free char *daemon_only = NULL, *local_only = NULL, *why = NULL;
	kk_auto_buf all = {0};

	if (!report->has_daemon || !report->has_containerd)
		kk_fail(&err, KK_E_STATE, "%s is not reachable",
			report->has_daemon ? "containerd" : "kukeond");
	else
		daemon = ask(report, cli_call_daemon, view->list_method, json_object(), &err);
	if (daemon)
		local = ask(report, cli_call_local, view->list_method, json_object(), &err);
	if (!local) {
		why = reason(&err);
		check(report, "parity", view->plural, CLI_WARN,
			kk_xprintf("(not compared: %s)", why), NULL);
		return;
	}
	names_add(json_object_get(daemon, view->list_key), &by_daemon);
	names_add(json_object_get(local, view->list_key), &by_us);
	daemon_only = only_in(&by_daemon, &by_us);
	local_only = only_in(&by_us, &by_daemon);
	if (daemon_only || local_only) {
		check(report, "parity", view->plural, CLI_FAIL,
			kk_xprintf("daemon-only: %s; in-process-only: %s",
				daemon_only ? daemon_only : "-", local_only ? local_only : "-"),
			"both must read one run path: compare --run-path with that of kukeond");
		return;
	}
	for (size_t i = 0; i < by_us.n; i++)
		kk_buf_printf(&all, "%s%s", i ? ", " : "", by_us.items[i]);
	check(report, "parity", view->plural, CLI_OK,
		by_us.n ? kk_xprintf("%zu items match (%s)", by_us.n, (char *)all.data) :
			  kk_xstrdup("0 items (both branches empty)"),
		NULL);
}

static int run(struct cli *cli, struct kk_err *err)
{
	static const struct cli_view *const views[] = {&cli_view_realm, &cli_view_space,
		&cli_view_stack, &cli_view_cell, &cli_view_container};
	struct report report = {.cli = cli};

	(void)err;
	daemon_check(&report);
	workers_check(&report);
	containerd_check(&report);
	cgroup_check(&report);
	plugins_check(&report);
	state_and_storage_check(&report);
	for (size_t i = 0; i < KK_COUNT(views); i++)
		parity_check(&report, views[i]);
	cli->status = cli_report_end(&report.rows, cli_bool(cli, "json"), cli_bool(cli, "verbose"));
	return 0;
}

static const struct cli_flag flags[] = {
	{"json", 0, CLI_BOOL, NULL, NULL, "as JSON", NULL},
	{"verbose", 0, CLI_BOOL, NULL, NULL, "hints also where all is well", NULL},
	CLI_FLAGS_END,
};

const struct cli_command cli_cmd_status = {
	.name = "status",
	.usage = "[flags]",
	.summary = "Tell whether daemon, host and state are well",
	.flags = flags,
	.max_args = -1,
	.is_on_host = true, /* and no route: it asks both sides */
	.is_reading = true,
	.run = run,
};
