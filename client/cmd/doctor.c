/* client/cmd/doctor.c - kuke doctor: what is there and belongs to nothing, and what the host lacks. */
#include "../cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kukeon/clock.h>
#include <kukeon/fd.h>
#include <kukeon/mem.h>

enum { SETTLE_MS = 2000, LOOK_MS = 50 };

/* --- leaks --- */

static int leaks_call(struct cli *cli, const char *method, json_t **ret_leaks, struct kk_err *err)
{
	kk_auto_json *reply = NULL;

	if (cli_call(cli, method, json_object(), &reply, err) < 0)
		return kk_failed(err);
	*ret_leaks = json_incref(json_object_get(json_object_get(reply, "Result"), "Leaks"));
	return 0;
}

static bool is_ours(const json_t *leak)
{
	return json_is_true(json_object_get(leak, "Ours"));
}

static void leaks_print(const json_t *leaks)
{
	static const char *const columns[] = {"THING", "OWNER", "REMEDY"};
	struct cli_table table;
	size_t i;
	json_t *leak;

	cli_table_init(&table, columns, KK_COUNT(columns));
	json_array_foreach (leaks, i, leak) {
		cli_table_cell(&table, cli_json_string(leak, "Thing"));
		cli_cell_or_dash(&table, cli_json_string(leak, "Owner"));
		cli_table_cell(&table,
			is_ours(leak) ? "kuke doctor --fix" :
					"by hand: it may be another instance's");
	}
	cli_table_print(&table);
	cli_table_release(&table);
}

static bool is_any_ours(const json_t *leaks)
{
	size_t i;
	json_t *leak;

	json_array_foreach (leaks, i, leak) {
		if (is_ours(leak))
			return true;
	}
	return false;
}

/* The kernel takes its time with links of a namespace that is gone. */
static int left_get(struct cli *cli, json_t **ret_left, struct kk_err *err)
{
	int64_t end_ms = kk_clock_ms() + SETTLE_MS;
	int r = leaks_call(cli, "ListLeaks", ret_left, err);

	while (r == 0 && is_any_ours(*ret_left) && kk_clock_ms() < end_ms) {
		json_decref(kk_steal(ret_left));
		cli_pause(LOOK_MS);
		r = leaks_call(cli, "ListLeaks", ret_left, err);
	}
	return r;
}

/* What is not there any more was removed. */
static int fix(struct cli *cli, json_t **ret_left, struct kk_err *err)
{
	kk_auto_json *found = NULL;
	size_t i;
	json_t *leak;

	if (leaks_call(cli, "FixLeaks", &found, err) < 0 || left_get(cli, ret_left, err) < 0)
		return kk_failed(err);
	json_array_foreach (found, i, leak) {
		const char *thing = cli_json_string(leak, "Thing");

		if (!cli_json_find(*ret_left, "Thing", thing))
			printf("Removed %s\n", thing);
	}
	return 0;
}

static int doctor_run(struct cli *cli, struct kk_err *err)
{
	bool is_json = strcmp(cli_string(cli, "output"), "json") == 0;
	kk_auto_json *leaks = NULL;
	int r;

	if (*cli_string(cli, "output") && !is_json)
		return kk_fail(err, KK_E_USAGE, "invalid --output \"%s\": want json",
			cli_string(cli, "output"));
	r = cli_bool(cli, "fix") ? fix(cli, &leaks, err) :
				   leaks_call(cli, "ListLeaks", &leaks, err);
	if (r < 0)
		return r;
	if (is_json)
		cli_json_print(leaks);
	else if (json_array_size(leaks))
		leaks_print(leaks);
	else
		printf("No leaks found.\n");
	return json_array_size(leaks) ?
		kk_fail(err, KK_E_STATE, "%zu thing(s) belong to nothing", json_array_size(leaks)) :
		0;
}

/* --- cgroups --- */

static const char *const controllers[] = {"cpu", "memory", "io", "pids"};

struct preflight {
	struct cli *cli;
	const char *root;
	char *dir; /* the cgroup that is looked at */
	char *available, *enabled;
	const char *status[KK_COUNT(controllers)];
	bool is_missing;
};

static void preflight_release(struct preflight *preflight)
{
	free(preflight->dir);
	free(preflight->available);
	free(preflight->enabled);
}

static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = strstr(text, word); p; p = strstr(p + 1, word)) {
		bool is_begun = p == text || p[-1] == ' ' || p[-1] == '+';

		if (is_begun && (!p[len] || p[len] == ' ' || p[len] == '\n'))
			return true;
	}
	return false;
}

static int text_read(const char *dir, const char *file, char **ret_text, struct kk_err *err)
{
	kk_auto_free char *path = kk_xprintf("%s/%s", dir, file);
	struct kk_buf text = {.max = 65536};
	struct kk_err cause = {0};

	if (kk_file_read(path, &text, &cause) < 0)
		return kk_fail(err, KK_E_IO, "cgroup pre-flight: read %s: %s", path,
			kk_errno_text(cause.sys_errno));
	*ret_text = kk_buf_take(&text);
	return 0;
}

/* Let the kernel say what stands in the way of a controller. */
static const char *probe(const struct preflight *preflight, const char *controller)
{
	kk_auto_free char *path = kk_xprintf("%s/cgroup.subtree_control", preflight->dir);
	kk_auto_free char *word = kk_xprintf("+%s", controller);
	struct kk_err err = {0};

	if (kk_file_write(path, word, strlen(word), 0644, &err) == 0)
		return "enabled-by-probe";
	switch (err.sys_errno) {
	case EBUSY:
		return "internal-process";
	case EOPNOTSUPP:
		return "threaded-subtree";
	case EACCES:
	case EPERM:
	case EROFS:
		return "permission-denied";
	default:
		return "not-delegated";
	}
}

static const char *status_of(const struct preflight *preflight, const char *controller)
{
	if (has_word(preflight->enabled, controller))
		return "enabled";
	if (!has_word(preflight->available, controller))
		return strcmp(preflight->dir, preflight->root) == 0 ? "kernel-missing" :
								      "not-delegated";
	if (!cli_bool(preflight->cli, "probe") || cli_bool(preflight->cli, "no-probe"))
		return "needs-delegation";
	return probe(preflight, controller);
}

static void status_print(const struct preflight *preflight, FILE *out)
{
	fprintf(out, "host root: %s\n", preflight->root);
	fprintf(out, "required:  cpu, memory, io, pids\n");
	for (size_t i = 0; i < KK_COUNT(controllers); i++)
		fprintf(out, "  %s: %s\n", controllers[i], preflight->status[i]);
}

static const struct {
	const char *status;
	const char *remedy;
} remedies[] = {
	{"kernel-missing",
		"the kernel does not offer it: boot with cgroup v2 (systemd.unified_cgroup_hierarchy=1), and "
		"without cgroup_disable="},
	{"not-delegated", "a cgroup above does not hand it down: look there first"},
	{"needs-delegation", "it is there and not handed down"},
	{"internal-process", "processes live in this cgroup: move them to one below it"},
	{"threaded-subtree", "the cgroup is threaded: such a one can't hand it down"},
	{"permission-denied",
		"run this as root, on a cgroup file system that is mounted for writing"},
};

static void remedies_print(const struct preflight *preflight)
{
	for (size_t i = 0; i < KK_COUNT(remedies); i++) {
		bool is_said = false;

		for (size_t k = 0; k < KK_COUNT(controllers); k++) {
			if (strcmp(preflight->status[k], remedies[i].status) != 0)
				continue;
			if (!is_said)
				fprintf(stderr, "%s: %s\n", remedies[i].status, remedies[i].remedy);
			is_said = true;
			if (strcmp(remedies[i].status, "needs-delegation") == 0)
				fprintf(stderr,
					"  fix: echo \"+%s\" | sudo tee %s/cgroup.subtree_control\n",
					controllers[k], preflight->dir);
		}
	}
}

static bool is_good(const char *status)
{
	return kk_str_starts(status, "enabled");
}

/* In a container, the root of its cgroup namespace holds its processes, and nobody in it can change that. */
static bool is_excused(const struct preflight *preflight)
{
	kk_auto_free char *path = kk_xprintf("%s/cgroup.events", preflight->dir);

	for (size_t i = 0; i < KK_COUNT(controllers); i++) {
		if (!is_good(preflight->status[i]) &&
			strcmp(preflight->status[i], "internal-process") != 0)
			return false;
	}
	return strcmp(preflight->dir, preflight->root) == 0 && access(path, F_OK) == 0;
}

static int preflight_run(struct preflight *preflight, struct kk_err *err)
{
	if (text_read(preflight->dir, "cgroup.controllers", &preflight->available, err) < 0 ||
		text_read(preflight->dir, "cgroup.subtree_control", &preflight->enabled, err) < 0)
		return kk_failed(err);
	for (size_t i = 0; i < KK_COUNT(controllers); i++) {
		preflight->status[i] = status_of(preflight, controllers[i]);
		preflight->is_missing |= !is_good(preflight->status[i]);
	}
	if (!preflight->is_missing) {
		if (cli_bool(preflight->cli, "verbose-status"))
			status_print(preflight, stdout);
		return 0;
	}
	status_print(preflight, stderr);
	remedies_print(preflight);
	if (is_excused(preflight)) {
		fprintf(stderr,
			"note: this is the root of a cgroup namespace; containers get cgroups below it\n");
		return 0;
	}
	return kk_fail(err, KK_E_CGROUP,
		"cgroup pre-flight: missing controllers at %s/cgroup.subtree_control",
		preflight->dir);
}

/* The cgroup of an object, below the root: it is in its status. */
static int object_dir(struct cli *cli, enum kk_kind kind, const char *root, char **ret_dir,
	struct kk_err *err)
{
	static const struct cli_view *const views[] = {
		&cli_view_realm, &cli_view_space, &cli_view_stack, &cli_view_cell};
	const char *name = cli_arg(cli, 0), *path;
	const struct kk_scope scope = {
		kind == KK_KIND_REALM ? name : cli_string(cli, "realm"),
		kind == KK_KIND_SPACE ? name : cli_string(cli, "space"),
		kind == KK_KIND_STACK ? name : cli_string(cli, "stack"),
		name,
	};
	kk_auto_json *reply = NULL;
	const json_t *result, *doc;

	if (cli_call(cli, views[kind]->get_method, cli_doc_args(kind, &scope, NULL), &reply, err) <
		0)
		return kk_failed(err);
	result = json_object_get(reply, "Result");
	doc = json_object_get(result, kk_kind_name(kind));
	path = cli_json_string(json_object_get(doc, "status"), "cgroupPath");
	if (!json_is_true(json_object_get(result, "MetadataExists")))
		return kk_fail(err, KK_E_STATE, "%s \"%s\" not found", kk_kind_word(kind), name);
	if (!*path)
		return kk_fail(err, KK_E_STATE, "%s \"%s\" has no Status.CgroupPath yet",
			kk_kind_word(kind), name);
	*ret_dir = kk_xprintf("%s%s", root, path);
	return 0;
}

static int scope_flags_check(const struct cli *cli, const char *word, int kind, struct kk_err *err)
{
	static const char *const needed[] = {"realm", "space", "stack"};

	if (!cli_arg(cli, 0))
		return kk_fail(err, KK_E_USAGE, "--scope %s requires a positional <name> argument",
			word);
	for (int i = 0; i < kind; i++) {
		if (!*cli_string(cli, needed[i]))
			return kk_fail(err, KK_E_USAGE, "--scope %s requires --%s", word,
				needed[i]);
	}
	return 0;
}

static int dir_find(struct cli *cli, const char *root, char **ret_dir, struct kk_err *err)
{
	const char *word = cli_string(cli, "scope");

	if (!*word && cli_arg(cli, 0))
		return kk_fail(err, KK_E_USAGE,
			"positional name \"%s\" is only valid with --scope realm|space|stack|cell",
			cli_arg(cli, 0));
	if (!*word) {
		*ret_dir = kk_xstrdup(root);
		return 0;
	}
	for (int kind = KK_KIND_REALM; kind <= KK_KIND_CELL; kind++) {
		if (strcmp(kk_kind_word((enum kk_kind)kind), word) != 0)
			continue;
		if (scope_flags_check(cli, word, kind, err) < 0)
			return kk_failed(err);
		return object_dir(cli, (enum kk_kind)kind, root, ret_dir, err);
	}
	return kk_fail(err, KK_E_USAGE,
		"--scope must be one of: realm, space, stack, cell (got \"%s\")", word);
}

static int cgroups_run(struct cli *cli, struct kk_err *err)
{
	kk_auto(preflight_release) struct preflight preflight = {
		.cli = cli,
		.root = cli_string(cli, "root"),
	};
	bool is_probing = cli_bool(cli, "probe") && !cli_bool(cli, "no-probe");

	if (is_probing && geteuid() != 0)
		return kk_fail(err, KK_E_PERMISSION,
			"command must run as root: `kuke doctor cgroups --probe` writes to root-owned "
			"paths — re-run with `sudo kuke doctor cgroups --probe`");
	if (dir_find(cli, preflight.root, &preflight.dir, err) < 0)
		return kk_failed(err);
	return preflight_run(&preflight, err);
}

static const struct cli_flag cgroups_flags[] = {
	{"scope", 0, CLI_STRING, NULL, NULL, "look at the cgroup of a realm, space, stack or cell",
		"kind"},
	{"realm", 0, CLI_STRING, NULL, NULL, "realm of the object", "name"},
	{"space", 0, CLI_STRING, NULL, NULL, "space of the object", "name"},
	{"stack", 0, CLI_STRING, NULL, NULL, "stack of the object", "name"},
	{"root", 0, CLI_STRING, "/sys/fs/cgroup", NULL, "where cgroup v2 is mounted", "path"},
	{"probe", 0, CLI_BOOL, "true", NULL, "try to enable what is missing", NULL},
	{"no-probe", 0, CLI_BOOL, NULL, NULL, "only look", NULL},
	{"verbose-status", 0, CLI_BOOL, NULL, NULL, "tell also when all is well", NULL},
	CLI_FLAGS_END,
};

static const struct cli_command cgroups = {
	.name = "cgroups",
	.aliases = "cgroup",
	.usage = "[name] [flags]",
	.summary = "Look whether the controllers are there that limits need",
	.flags = cgroups_flags,
	.max_args = 1,
	.route = CLI_ROUTE_BOTH,
	.is_on_host = true,
	.is_reading = true,
	.run = cgroups_run,
};

static const struct cli_flag doctor_flags[] = {
	{"fix", 0, CLI_BOOL, NULL, NULL, "remove what is ours without a doubt", NULL},
	{"output", 'o', CLI_STRING, NULL, NULL, "json", "format"},
	CLI_FLAGS_END,
};

static const struct cli_command *const children[] = {&cgroups, &cli_cmd_preflight, NULL};

const struct cli_command cli_cmd_doctor = {
	.name = "doctor",
	.usage = "[flags]",
	.summary = "Find what is left over: networks, cgroups, containers without an object",
	.flags = doctor_flags,
	.children = children,
	.route = CLI_ROUTE_BOTH,
	.run = doctor_run,
};
