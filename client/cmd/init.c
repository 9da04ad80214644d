/* client/cmd/init.c - kuke init: a host gets its run path, its default realm, and kukeond. Whatever is there already
 * stays as it is, so that an init that was interrupted is completed by the next. */
#include "../setup/setup.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kukeon/fault.h>
#include <kukeon/fd.h>
#include <kukeon/mem.h>

#define CREATED "created"
#define EXISTED "already existed"

struct init {
	struct setup setup;
	struct setup_account account;
	struct kk_buf actions; /* the report of what was done, as it is done */
	char *image;
	char *digest; /* of the image */
	bool is_on_host;
	bool is_anything_new;
};

static void init_release(struct init *init)
{
	setup_release(&init->setup);
	kk_buf_release(&init->actions);
	free(init->image);
	free(init->digest);
}

/* --- the report --- */

/* @what is made like printf's text. */
__attribute__((format(printf, 3, 4))) static void note(struct init *init, const char *outcome,
	const char *what, ...)
{
	kk_auto_free char *text = NULL;
	va_list args;

	va_start(args, what);
	if (vasprintf(&text, what, args) < 0)
		text = NULL;
	va_end(args);
	init->is_anything_new |= strcmp(outcome, CREATED) == 0;
	kk_buf_printf(&init->actions, "    - %s: %s\n", kk_str(text), outcome);
}

/* --- realm, space, stack --- */

static int object_make(struct init *init, enum kk_kind kind, const char *method,
	const struct kk_scope *scope, json_t **ret_result, struct kk_err *err)
{
	kk_auto_json *reply = NULL;

	if (cli_call(init->setup.cli, method, cli_doc_args(kind, scope, NULL), &reply, err) < 0)
		return kk_failed(err);
	*ret_result = json_incref(json_object_get(reply, "Result"));
	return 0;
}

static int realm_make(struct init *init, const struct kk_scope *scope, char **ret_namespace,
	struct kk_err *err)
{
	kk_auto_json *result = NULL;
	const char *namespace;

	if (object_make(init, KK_KIND_REALM, "CreateRealm", scope, &result, err) < 0)
		return kk_failed(err);
	namespace = cli_json_string(json_object_get(json_object_get(result, "Realm"), "spec"),
		"namespace");
	note(init, cli_metadata_outcome(result), "realm \"%s\"", scope->realm);
	note(init,
		cli_outcome(result, "ContainerdNamespaceCreated", "ContainerdNamespaceExistsPost"),
		"containerd namespace \"%s\"", namespace);
	note(init, cli_outcome(result, "CgroupCreated", "CgroupExistsPost"), "realm cgroup");
	*ret_namespace = kk_xstrdup(namespace);
	return 0;
}

static int space_make(struct init *init, const struct kk_scope *scope, struct kk_err *err)
{
	kk_auto_json *result = NULL;

	if (object_make(init, KK_KIND_SPACE, "CreateSpace", scope, &result, err) < 0)
		return kk_failed(err);
	note(init, cli_metadata_outcome(result), "space \"%s\"", scope->space);
	note(init, cli_outcome(result, "CNINetworkCreated", "CNINetworkExistsPost"),
		"network \"%s-%s\"", scope->realm, scope->space);
	note(init, cli_outcome(result, "CgroupCreated", "CgroupExistsPost"), "space cgroup");
	return 0;
}

static int stack_make(struct init *init, const struct kk_scope *scope, struct kk_err *err)
{
	kk_auto_json *result = NULL;

	if (object_make(init, KK_KIND_STACK, "CreateStack", scope, &result, err) < 0)
		return kk_failed(err);
	note(init, cli_metadata_outcome(result), "stack \"%s\"", scope->stack);
	note(init, cli_outcome(result, "CgroupCreated", "CgroupExistsPost"), "stack cgroup");
	return 0;
}

static int hierarchy_make(struct init *init, const char *title, const struct kk_scope *scope,
	char **ret_namespace, struct kk_err *err)
{
	kk_buf_printf(&init->actions, "  %s hierarchy:\n", title);
	if (realm_make(init, scope, ret_namespace, err) < 0 || space_make(init, scope, err) < 0 ||
		stack_make(init, scope, err) < 0)
		return kk_failed(err);
	return 0;
}

/* --- kukeond, in its cell --- */

/* Why the cell has to be made anew, as the report has it, which the caller frees; NULL: it has not. */
static char *drift_of(const struct init *init, const json_t *cell)
{
	const char *image = setup_cell_image(cell);

	if (strcmp(image, init->image) != 0)
		return kk_xprintf("recreated (image drift: %s → %s)", image, init->image);
	if (strcmp(setup_cell_digest(cell), init->digest) != 0)
		return kk_xprintf("recreated (image digest drift on %s)", init->image);
	return NULL;
}

static int cell_remove(struct init *init, struct kk_err *err)
{
	if (setup_halt(&init->setup, false, SETUP_TIMEOUT_MS, err) < 0 ||
		setup_cell_call(&init->setup, "DeleteCell", 0, err) < 0)
		return kk_failed(err);
	return 0;
}

static int cell_make(struct init *init, struct kk_err *err)
{
	kk_auto_json *before = NULL;
	kk_auto_free char *drift = NULL, *created = NULL, *action = NULL;
	bool was_there, was_running, is_kept;
	int r;

	if (setup_image_provide(&init->setup, init->image, &init->digest, err) < 0 ||
		kk_fault(KK_FAULT_client_init_image_loaded, err) < 0)
		return kk_failed(err);
	r = setup_cell_get(&init->setup, &before, err);
	if (r < 0)
		return r;
	was_there = r == 1;
	was_running = was_there && setup_cell_runs(before);
	drift = was_there ? drift_of(init, before) : NULL;
	if (drift && (setup_remake_begin(&init->setup, err) < 0 || cell_remove(init, err) < 0))
		return kk_failed(err);
	if (setup_cell_apply(&init->setup, init->image, init->digest, &action, err) < 0)
		return kk_failed(err);
	if (was_there && was_running && !drift && strcmp(action, "updated") == 0)
		drift = kk_xstrdup("recreated (its settings changed)");
	created = kk_xprintf("created (image %s)", init->image);
	is_kept = was_there && !drift;
	note(init, is_kept ? EXISTED : drift ? drift : created, "cell \"kukeond\"");
	note(init, is_kept ? EXISTED : CREATED, "cell cgroup");
	note(init, is_kept ? EXISTED : CREATED, "cell root container");
	note(init, is_kept && was_running ? "already running" : "started", "cell containers");
	return kk_fault(KK_FAULT_client_init_cell_made, err);
}

/* --- kukeond, in whatever form --- */

/* What runs in the other form ends first: there is one kukeond for a run path. */
static int form_change(struct init *init, enum setup_form form, struct kk_err *err)
{
	kk_auto_json *cell = NULL;
	int r;

	if (form == SETUP_IN_CELL) {
		if (setup_form_get(&init->setup) != SETUP_ON_HOST)
			return 0;
		r = setup_halt(&init->setup, false, SETUP_TIMEOUT_MS, err);
	} else {
		r = setup_cell_get(&init->setup, &cell, err);
		if (r == 1)
			r = cell_remove(init, err);
	}
	return r < 0 ? r : 0;
}

static int kukeond_make(struct init *init, struct kk_err *err)
{
	const enum setup_form form = init->is_on_host ? SETUP_ON_HOST : SETUP_IN_CELL;
	bool was_running;

	if (form_change(init, form, err) < 0)
		return kk_failed(err);
	was_running = setup_pid(&init->setup) > 0;
	if (kk_instance_kukeond_set(&init->setup.cli->config,
		    init->is_on_host ? SETUP_FORM_HOST : SETUP_FORM_CELL, err) < 0)
		return kk_failed(err);
	if (!init->is_on_host)
		return cell_make(init, err);
	note(init, was_running ? "already running" : "started", "kukeond on the host");
	return was_running ? 0 : setup_host_start(&init->setup, err);
}

/* At the next boot it comes back by itself. */
static int unit_enable(struct init *init, struct kk_err *err)
{
	kk_auto_free char *unit = setup_unit_find();

	if (!setup_is_unit(&init->setup)) {
		if (init->setup.is_default)
			kk_buf_printf(&init->actions,
				"  - start at boot: not arranged (%s); run `kuke daemon start` then\n",
				unit ? "no systemd" : "no " SETUP_UNIT);
		return 0;
	}
	if (setup_unit_do("enable", err) < 0)
		return kk_failed(err);
	kk_buf_printf(&init->actions, "  - systemd unit %s: enabled\n", unit);
	/* It looks after the kukeond that runs. */
	return setup_unit_is_active() ? 0 : setup_unit_do("start", err);
}

/* --- the rest --- */

/* They are for plugins of others; networks are made without. */
static void plugin_dirs_note(struct init *init)
{
	static const struct {
		const char *what;
		const char *path;
	} dirs[] = {
		{"config", "/opt/cni/net.d"}, {"cache", "/opt/cni/cache"}, {"bin", "/opt/cni/bin"}};

	for (size_t i = 0; i < KK_COUNT(dirs); i++)
		kk_buf_printf(&init->actions, "  - CNI %s dir \"%s\": %s\n", dirs[i].what,
			dirs[i].path, access(dirs[i].path, F_OK) == 0 ? EXISTED : "not created");
}

static void permissions_note(struct init *init)
{
	const struct setup_account *account = &init->account;

	kk_buf_printf(&init->actions, "  Permissions:\n");
	kk_buf_printf(&init->actions, "    - group \"" SETUP_GROUP "\": %s (gid %u)\n",
		account->is_group_new ? CREATED : EXISTED, (unsigned)account->gid);
	kk_buf_printf(&init->actions, "    - user \"" SETUP_GROUP "\": %s (uid %u)\n",
		account->is_user_new ? CREATED : EXISTED, (unsigned)account->uid);
	kk_buf_printf(&init->actions, "    - \"%s\": chown root:" SETUP_GROUP " mode 0o2750\n",
		init->setup.socket_dir);
	kk_buf_printf(&init->actions,
		"    - \"%s\" (recursive): chown root:" SETUP_GROUP
		" mode 0o2750 (dirs) / 0o0640 (files)\n",
		init->setup.run_path);
}

static int bootstrap(struct init *init, struct kk_err *err)
{
	const struct setup *setup = &init->setup;
	struct cli *cli = setup->cli;
	const struct kk_scope user = {
		cli_string(cli, "realm"), cli_string(cli, "space"), "default", NULL};
	struct kk_scope own = setup_cell();
	kk_auto_free char *namespace = NULL, *own_namespace = NULL;
	kk_auto_fd int lock = -1;
	bool had_cgroup;

	own.cell = NULL;
	if (cli_local_open(cli, err) < 0 || setup_lock(setup, &lock, err) < 0 ||
		kk_fault(KK_FAULT_client_init_joined, err) < 0 ||
		setup_account_ensure(&init->account, err) < 0)
		return kk_failed(err);
	init->setup.gid = init->account.gid;
	had_cgroup = setup_cgroup_exists(cli->config.cgroup_root);
	if (setup_settings_make(setup, err) < 0 || setup_dirs_make(setup, err) < 0 ||
		kk_fault(KK_FAULT_client_init_dirs_made, err) < 0)
		return kk_failed(err);
	note(init, had_cgroup ? EXISTED : CREATED, "kukeon root cgroup");
	plugin_dirs_note(init);
	if (hierarchy_make(init, "Default", &user, &namespace, err) < 0 ||
		kk_fault(KK_FAULT_client_init_default_made, err) < 0 ||
		hierarchy_make(init, "System", &own, &own_namespace, err) < 0 ||
		setup_own(setup, err) < 0 || kukeond_make(init, err) < 0)
		return kk_failed(err);
	permissions_note(init);
	if (unit_enable(init, err) < 0)
		return kk_failed(err);
	printf("%s\n",
		init->is_anything_new ? "Initialized Kukeon runtime" :
					"Kukeon runtime already initialized");
	printf("Realm: %s (namespace: %s)\n", user.realm, namespace);
	printf("System realm: %s (namespace: %s)\n", own.realm, own_namespace);
	printf("Run path: %s\nKukeond image: %s\nActions:\n%s", setup->run_path,
		init->is_on_host ? "none (on the host)" : init->image, (char *)init->actions.data);
	return 0;
}

static int init_run(struct cli *cli, struct kk_err *err)
{
	kk_auto(init_release) struct init init = {.is_on_host = cli_bool(cli, "on-host")};

	if (cli_root_check(cli, err) < 0 || setup_load(cli, &init.setup, err) < 0)
		return kk_failed(err);
	if (init.is_on_host && cli_is_given(cli, "kukeond-image"))
		return kk_fail(err, KK_E_USAGE,
			"pass either --on-host or --kukeond-image, not both: on the host there is no image");
	init.image = kk_xstrdup(setup_image_name(&init.setup));
	if (setup_containerd_check(&init.setup, err) < 0 || bootstrap(&init, err) < 0)
		return kk_failed(err);
	if (cli_bool(cli, "no-wait"))
		return 0;
	(void)fflush(stdout);
	if (setup_wait_ready(&init.setup, err) < 0)
		return kk_failed(err);
	printf("  - socket \"%s\": chown root:" SETUP_GROUP " mode 0o0660\n", init.setup.socket);
	printf("kukeond is ready (unix://%s)\n", init.setup.socket);
	return 0;
}

static const struct cli_flag flags[] = {
	{"realm", 0, CLI_STRING, "default", NULL, "realm to begin with", "name"},
	{"space", 0, CLI_STRING, "default", NULL, "space to begin with", "name"},
	{"kukeond-image", 0, CLI_STRING, NULL, NULL,
		"image of kukeond (default: one that is made of this binary)", "ref"},
	{"on-host", 0, CLI_BOOL, NULL, NULL,
		"run kukeond on the host itself, not in a cell of its own", NULL},
	{"no-wait", 0, CLI_BOOL, NULL, NULL, "do not wait until kukeond answers", NULL},
	{"force-regenerate-cni", 0, CLI_BOOL, NULL, NULL,
		"accepted for scripts: conflists are always what they should be", NULL},
	SETUP_FLAG_CONFIGURATION,
	{"containerd-namespace-suffix", 0, CLI_STRING, NULL, NULL,
		"realm r lives in containerd namespace r.<suffix> (default " KK_DEFAULT_NAMESPACE_SUFFIX
		")",
		"suffix"},
	{"cgroup-root", 0, CLI_STRING, NULL, NULL,
		"cgroup above all realms (default " KK_DEFAULT_CGROUP_ROOT ")", "path"},
	{"no-daemon", 0, CLI_BOOL, NULL, NULL, "has no effect: init is always in-process", NULL},
	CLI_FLAGS_END,
};

const struct cli_command cli_cmd_init = {
	.name = "init",
	.usage = "[flags]",
	.summary = "Set this host up: run path, default realm, kukeond",
	.flags = flags,
	.max_args = -1,
	.route = CLI_ROUTE_LOCAL,
	.is_long = true,
	.run = init_run,
};
