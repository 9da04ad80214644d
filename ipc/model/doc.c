/* ipc/model/doc.c - what documents must fulfil, and where they belong. */
#include <kukeon/model.h>

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <arpa/inet.h>

#include <kukeon/auto.h>
#include <kukeon/mem.h>
#include <kukeon/utf8.h>

enum {
	NAME_MAX_BYTES = 63,
	NAME_SHOWN_MAX = 80, /* bytes of a wrong name in an error */
	SCROLLBACK_MAX = 8 * 1024 * 1024,
	LOG_FILES_MAX = 100,
};

/* Directories of the store that hold something else than objects. */
static const char *const reserved_names[] = {
	"secrets",
	"blueprints",
	"configs",
	"volumes",
	"volume-meta",
};

static int name_required(enum kk_kind kind, struct kk_err *err)
{
	static const int codes[KK_KINDS] = {
		[KK_KIND_REALM] = KK_E_REALM_NAME_REQUIRED,
		[KK_KIND_SPACE] = KK_E_SPACE_NAME_REQUIRED,
		[KK_KIND_STACK] = KK_E_STACK_NAME_REQUIRED,
		[KK_KIND_CELL] = KK_E_CELL_NAME_REQUIRED,
		[KK_KIND_CONTAINER] = KK_E_CONTAINER_NAME_REQUIRED,
	};

	return kk_fail(err, codes[kind], "%s name is required", kk_kind_word(kind));
}

static int name_fail(enum kk_kind kind, const char *name, const char *why, struct kk_err *err)
{
	int shown = (int)kk_utf8_prefix(name, NAME_SHOWN_MAX);

	if (kind == KK_KIND_REALM)
		return kk_fail(err, KK_E_INVALID, "realm name is invalid: \"%.*s\" %s", shown, name,
			why);
	return kk_fail(err, KK_E_INVALID, "name is invalid: %s name \"%.*s\" %s",
		kk_kind_word(kind), shown, name, why);
}

int kk_name_check(enum kk_kind kind, const char *name, struct kk_err *err)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	size_t len;

	if (kk_str_empty(name))
		return name_required(kind, err);
	len = strlen(name);
	if (strpbrk(name, "_/"))
		return name_fail(kind, name,
			"contains disallowed character (must not contain '_' or '/')", err);
	if (len > NAME_MAX_BYTES)
		return name_fail(kind, name, "is longer than 63 characters", err);
	if (strspn(name, alphabet) != len || name[0] == '-' || name[len - 1] == '-')
		return name_fail(kind, name,
			"must be a DNS label: a to z, 0 to 9 and '-', neither first nor last '-'",
			err);
	/* containerd takes no id that has two of them in a row. */
	if (strstr(name, "--"))
		return name_fail(kind, name, "must not contain \"--\"", err);
	for (size_t i = 0; i < KK_COUNT(reserved_names); i++) {
		if (strcmp(name, reserved_names[i]) == 0)
			return name_fail(kind, name, "is reserved", err);
	}
	return 0;
}

static void problem_from(struct kk_err *err, struct kk_strs *problems)
{
	char text[KK_ERR_TEXT];

	kk_err_format(err, text, sizeof text);
	kk_strs_add(problems, text);
	kk_err_clear(err);
}

/* Fields that the table marks as required, as `metadata.name is required`. */
static void required_check(const struct kk_schema *schema, const void *object, const char *path,
	struct kk_strs *problems)
{
	for (unsigned i = 0; i < schema->n_fields; i++) {
		const struct kk_field *field = &schema->fields[i];
		kk_auto_free char *field_path =
			kk_xprintf("%s%s%s", path, *path ? "." : "", field->name);

		if (field->type == KK_T_OBJ && strcmp(field->name, "status") != 0)
			required_check(field->sub(), kk_field_at(field, object), field_path,
				problems);
		else if (field->flags & KK_REQUIRED && kk_field_is_empty(field, object))
			kk_strs_take(problems,
				kk_xprintf("%s is required%s", field_path,
					field->type == KK_T_LIST ? " and cannot be empty" : ""));
	}
}

void kk_realm_check(const struct kk_realm *realm, struct kk_strs *ret_problems)
{
	required_check(kk_schema_of_realm(), realm, "", ret_problems);
}

void kk_space_check(const struct kk_space *space, struct kk_strs *ret_problems)
{
	required_check(kk_schema_of_space(), space, "", ret_problems);
	kk_egress_check(&space->spec.network.egress, ret_problems);
}

void kk_stack_check(const struct kk_stack *stack, struct kk_strs *ret_problems)
{
	required_check(kk_schema_of_stack(), stack, "", ret_problems);
}

static bool is_propagation(const char *word)
{
	static const char *const words[] = {
		"", "private", "slave", "shared", "rprivate", "rslave", "rshared"};

	for (size_t i = 0; i < KK_COUNT(words); i++) {
		if (strcmp(words[i], word) == 0)
			return true;
	}
	return false;
}

static void volumes_check(const struct kk_container_spec *spec, struct kk_strs *problems)
{
	for (size_t i = 0; i < spec->volumes.n; i++) {
		const struct kk_volume_mount *volume = &spec->volumes.items[i];
		const char *kind = kk_str(volume->kind), *why = NULL;
		bool is_unknown = *kind && strcmp(kind, "bind") != 0 &&
			strcmp(kind, "tmpfs") != 0 && strcmp(kind, "volume") != 0;

		if (is_unknown)
			why = "volume kind is not recognized; expected \"\", \"bind\", \"tmpfs\", or "
			      "\"volume\"";
		else if (strcmp(kind, "tmpfs") == 0 && !kk_str_empty(volume->source))
			why = "tmpfs volume must not set a source; tmpfs is in-memory and has no "
			      "host backing";
		else if (kk_str_empty(volume->target) || volume->target[0] != '/')
			why = "target must be an absolute path";
		else if ((!*kind || strcmp(kind, "bind") == 0) &&
			(kk_str_empty(volume->source) || volume->source[0] != '/'))
			why = "source of a bind mount must be an absolute path";
		else if (!is_propagation(kk_str(volume->propagation)))
			why = "propagation must be private, slave or shared, or with an r before it";
		else if (volume->mode < 0 || volume->mode > 07777)
			why = "mode must be between 0 and 07777";
		if (why)
			kk_strs_take(problems,
				kk_xprintf("container \"%s\" volume %zu: %s%s%s%s",
					kk_str(spec->id), i, why, is_unknown ? " (got \"" : "",
					is_unknown ? kind : "", is_unknown ? "\")" : ""));
	}
}

static void restart_check(const struct kk_container_spec *spec, struct kk_strs *problems)
{
	const char *policy = kk_str(spec->restart_policy), *id = kk_str(spec->id);
	bool is_always = strcmp(policy, "always") == 0;
	bool is_on_failure = strcmp(policy, "on-failure") == 0;

	if (*policy && !is_always && !is_on_failure && strcmp(policy, "never") != 0)
		kk_strs_take(problems,
			kk_xprintf("container \"%s\": restartPolicy must be \"always\", "
				   "\"on-failure\" or \"never\", got \"%s\"",
				id, policy));
	if (spec->restart_backoff_seconds.is_set && spec->restart_backoff_seconds.value < 0)
		kk_strs_take(problems,
			kk_xprintf("container \"%s\": restartBackoffSeconds must be "
				   ">= 0, got %lld",
				id, (long long)spec->restart_backoff_seconds.value));
	if (spec->restart_backoff_seconds.is_set && !is_always && !is_on_failure)
		kk_strs_take(problems,
			kk_xprintf("container \"%s\": restartBackoffSeconds requires "
				   "restartPolicy \"always\" or \"on-failure\", got \"%s\"",
				id, policy));
	if (spec->restart_max_retries.is_set && spec->restart_max_retries.value < 1)
		kk_strs_take(problems,
			kk_xprintf("container \"%s\": restartMaxRetries must be >= 1, "
				   "got %lld",
				id, (long long)spec->restart_max_retries.value));
	if (spec->restart_max_retries.is_set && !is_on_failure)
		kk_strs_take(problems,
			kk_xprintf("container \"%s\": restartMaxRetries requires "
				   "restartPolicy \"on-failure\", got \"%s\"",
				id, policy));
}

static void number_check(const struct kk_container_spec *spec, const char *name,
	const struct kk_opt_i64 *number, int64_t min, int64_t max, struct kk_strs *problems)
{
	if (!number->is_set || (number->value >= min && number->value <= max))
		return;
	kk_strs_take(problems,
		max == INT64_MAX ?
			kk_xprintf("container \"%s\": %s must be >= %lld, got %lld",
				kk_str(spec->id), name, (long long)min, (long long)number->value) :
			kk_xprintf("container \"%s\": %s must be between %lld and %lld, got %lld",
				kk_str(spec->id), name, (long long)min, (long long)max,
				(long long)number->value));
}

const char *kk_container_volume_lasting(const struct kk_container_spec *spec)
{
	for (size_t i = 0; i < spec->volumes.n; i++) {
		const struct kk_volume_mount *volume = &spec->volumes.items[i];

		if (!volume->read_only && !kk_str_equal(volume->kind, "tmpfs") &&
			!kk_str_empty(volume->target))
			return volume->target;
	}
	return NULL;
}

/* Only the name of it counts: its holder's file lies where the terminal is. */
static bool is_terminal_file(const char *path)
{
	static const char *const names[] = {".", "..", "socket", "stdin", "capture"};
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	for (size_t i = 0; i < KK_COUNT(names); i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return kk_str_starts(name, "capture.") || kk_str_starts(name, "socket.");
}

static void tty_check(const struct kk_container_spec *spec, struct kk_strs *problems)
{
	const char *level = kk_str(spec->tty.log_level);

	if (!spec->attachable && !kk_schema_is_empty(kk_schema_of_container_tty(), &spec->tty))
		kk_strs_take(problems,
			kk_xprintf("container \"%s\": tty fields require attachable: "
				   "true",
				kk_str(spec->id)));
	if (*level && strcmp(level, "debug") != 0 && strcmp(level, "info") != 0 &&
		strcmp(level, "warn") != 0 && strcmp(level, "error") != 0)
		kk_strs_take(problems,
			kk_xprintf("container \"%s\": tty.logLevel \"%s\": must be one "
				   "of debug, info, warn, error",
				kk_str(spec->id), level));
	if (is_terminal_file(kk_str(spec->tty.log_file)))
		kk_strs_take(problems,
			kk_xprintf(
				"container \"%s\": tty.logFile \"%s\": that is another file of the "
				"terminal",
				kk_str(spec->id), spec->tty.log_file));
	number_check(spec, "tty.scrollbackBytes", &spec->tty.scrollback_bytes, 0, SCROLLBACK_MAX,
		problems);
	number_check(spec, "logging.maxBytes", &spec->logging.max_bytes, 0, INT64_MAX, problems);
	number_check(spec, "logging.maxFiles", &spec->logging.max_files, 1, LOG_FILES_MAX,
		problems);
	for (size_t i = 0; i < spec->tty.on_init.n; i++) {
		const char *run_on = kk_str(spec->tty.on_init.items[i].run_on);

		if (*run_on && strcmp(run_on, "start") != 0 && strcmp(run_on, "create") != 0)
			kk_strs_take(problems,
				kk_xprintf(
					"container \"%s\": onInit[%zu]: tty stage runOn \"%s\": must be "
					"one of \"start\", \"create\" (or empty)",
					kk_str(spec->id), i, run_on));
		if (strcmp(run_on, "create") == 0 && !kk_container_volume_lasting(spec))
			kk_strs_take(problems,
				kk_xprintf(
					"container \"%s\": onInit[%zu]: a stage that runs on create "
					"prepares what outlives the container: add a volume that is "
					"neither readOnly nor a tmpfs, or use runOn \"start\"",
					kk_str(spec->id), i));
	}
}

static void secret_problem(const struct kk_container_spec *spec, size_t i, const char *why,
	struct kk_strs *problems)
{
	kk_strs_take(problems,
		kk_xprintf("container \"%s\" secret %zu: %s", kk_str(spec->id), i, why));
}

/* It names a file, or a variable. */
static bool is_secret_name(const char *name)
{
	return *name && name[0] != '.' && !strpbrk(name, "/=\\") && strlen(name) <= NAME_MAX_BYTES;
}

static void secrets_check(const struct kk_container_spec *spec, struct kk_strs *problems)
{
	for (size_t i = 0; i < spec->secrets.n; i++) {
		const struct kk_container_secret *secret = &spec->secrets.items[i];
		bool has_ref = !kk_schema_is_empty(kk_schema_of_secret_ref(), &secret->secret_ref);
		int n = !kk_str_empty(secret->from_file) + !kk_str_empty(secret->from_env) +
			has_ref;

		if (!is_secret_name(kk_str(secret->name)))
			secret_problem(spec, i,
				"name is required, without '/', '=' or a leading '.'", problems);
		if (n != 1)
			secret_problem(spec, i,
				"exactly one of fromFile, fromEnv and secretRef is required",
				problems);
		if (has_ref)
			secret_problem(spec, i,
				"secretRef is not supported yet; use fromFile or fromEnv",
				problems);
		if (!kk_str_empty(secret->from_file) && secret->from_file[0] != '/')
			secret_problem(spec, i, "fromFile must be an absolute path", problems);
		if (!kk_str_empty(secret->mount_path) && secret->mount_path[0] != '/')
			secret_problem(spec, i, "mountPath must be an absolute path", problems);
	}
}

/* As in /etc/hosts. */
static bool is_host_name(const char *name)
{
	static const char alphabet[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";

	return *name && strspn(name, alphabet) == strlen(name) && name[0] != '-' && name[0] != '.';
}

static bool is_space_path(const char *text)
{
	kk_auto_free char *copy = kk_xstrdup(text);
	char *space = strchr(copy, '/');
	struct kk_err first = {0}, second = {0};

	if (space)
		*space++ = '\0';
	return kk_name_check(KK_KIND_REALM, copy, &first) == 0 &&
		(!space || kk_name_check(KK_KIND_SPACE, space, &second) == 0);
}

static void network_check(const struct kk_container_spec *spec, struct kk_strs *problems)
{
	const char *id = kk_str(spec->id);
	struct kk_port port;

	for (size_t i = 0; i < spec->ports.n; i++) {
		if (!kk_port_parse(spec->ports.items[i], &port))
			kk_strs_take(problems,
				kk_xprintf("container \"%s\": port \"%s\" is not "
					   "[address:]hostPort[:port][/tcp|/udp]",
					id, spec->ports.items[i]));
	}
	for (size_t i = 0; i < spec->networks.n; i++) {
		if (!is_space_path(spec->networks.items[i]))
			kk_strs_take(problems,
				kk_xprintf("container \"%s\": network \"%s\" is not the name of a "
					   "space, or realm/space",
					id, spec->networks.items[i]));
	}
	for (size_t i = 0; i < spec->networks_aliases.n; i++) {
		if (!is_host_name(spec->networks_aliases.items[i]))
			kk_strs_take(problems,
				kk_xprintf("container \"%s\": alias \"%s\" is no host name", id,
					spec->networks_aliases.items[i]));
	}
}

static void security_check(const struct kk_container_spec *spec, struct kk_strs *problems)
{
	for (size_t i = 0; i < spec->security_opts.n; i++) {
		const char *opt = spec->security_opts.items[i];

		if (!kk_str_starts(opt, "no-new-privileges") && !kk_str_starts(opt, "seccomp=") &&
			!kk_str_starts(opt, "seccomp:") &&
			strcmp(opt, "systempaths=unconfined") != 0)
			kk_strs_take(problems,
				kk_xprintf("container \"%s\": unsupported securityOpt "
					   "\"%s\"",
					kk_str(spec->id), opt));
	}
	for (size_t i = 0; i < spec->env.n; i++) {
		if (!strchr(spec->env.items[i], '=') || spec->env.items[i][0] == '=')
			kk_strs_take(problems,
				kk_xprintf("container \"%s\": env \"%s\" is not "
					   "KEY=VALUE",
					kk_str(spec->id), spec->env.items[i]));
	}
}

static void container_spec_check(const struct kk_container_spec *spec, struct kk_strs *problems)
{
	struct kk_err err = {0};

	if (!kk_str_empty(spec->id) && kk_name_check(KK_KIND_CONTAINER, spec->id, &err) < 0)
		problem_from(&err, problems);
	volumes_check(spec, problems);
	restart_check(spec, problems);
	tty_check(spec, problems);
	security_check(spec, problems);
	secrets_check(spec, problems);
	network_check(spec, problems);
}

void kk_container_check(const struct kk_container *container, struct kk_strs *ret_problems)
{
	const struct kk_container_spec *spec = &container->spec;

	if (kk_str_empty(container->metadata.name) && kk_str_empty(spec->id))
		kk_strs_add(ret_problems, "metadata.name is required");
	if (kk_str_empty(spec->realm_id))
		kk_strs_add(ret_problems, "spec.realmId is required");
	if (kk_str_empty(spec->space_id))
		kk_strs_add(ret_problems, "spec.spaceId is required");
	if (kk_str_empty(spec->stack_id))
		kk_strs_add(ret_problems, "spec.stackId is required");
	if (kk_str_empty(spec->cell_id))
		kk_strs_add(ret_problems, "spec.cellId is required");
	if (kk_str_empty(spec->image))
		kk_strs_add(ret_problems, "spec.image is required");
	container_spec_check(spec, ret_problems);
}

/* A root that is named has the network namespace in which all others are. */
static void root_network_check(const struct kk_cell *cell, const struct kk_container_spec *root,
	struct kk_strs *problems)
{
	if (!root || root->host_network)
		return;
	for (size_t i = 0; i < cell->spec.containers.n; i++) {
		if (!cell->spec.containers.items[i].host_network)
			continue;
		kk_strs_take(problems,
			kk_xprintf(
				"explicit rootContainerId must have hostNetwork: true when any cell "
				"container has hostNetwork: true: rootContainerId \"%s\"",
				kk_str(root->id)));
		return;
	}
}

static void root_check(const struct kk_cell *cell, struct kk_strs *problems)
{
	const char *wanted = kk_str(cell->spec.root_container_id), *marked = NULL;

	for (size_t i = 0; i < cell->spec.containers.n; i++) {
		const struct kk_container_spec *spec = &cell->spec.containers.items[i];

		if (!spec->root)
			continue;
		if (marked)
			kk_strs_take(problems,
				kk_xprintf("only one container in a cell may have root: "
					   "true: [%s %s]",
					marked, kk_str(spec->id)));
		marked = kk_str(spec->id);
	}
	if (*wanted && !kk_cell_container(cell, wanted))
		kk_strs_take(problems,
			kk_xprintf("rootContainerId \"%s\" not found in containers array", wanted));
	else if (*wanted && marked && strcmp(wanted, marked) != 0)
		kk_strs_take(problems,
			kk_xprintf(
				"rootContainerId disagrees with container marked root: "
				"true: rootContainerId is \"%s\" but container \"%s\" has root: true",
				wanted, marked));
	root_network_check(cell, kk_cell_container(cell, *wanted ? wanted : marked), problems);
}

static void cell_tty_check(const struct kk_cell *cell, struct kk_strs *problems)
{
	const char *wanted = kk_str(cell->spec.tty.default_container);
	const struct kk_container_spec *spec;

	if (!*wanted)
		return;
	spec = kk_cell_container(cell, wanted);
	if (!spec)
		kk_strs_take(problems,
			kk_xprintf("cell tty.default \"%s\" does not match any container "
				   "in this cell",
				wanted));
	else if (!spec->attachable)
		kk_strs_take(problems,
			kk_xprintf("cell tty.default \"%s\" references container that is "
				   "not attachable",
				wanted));
}

void kk_cell_check(const struct kk_cell *cell, struct kk_strs *ret_problems)
{
	required_check(kk_schema_of_cell(), cell, "", ret_problems);
	for (size_t i = 0; i < cell->spec.containers.n; i++) {
		const struct kk_container_spec *spec = &cell->spec.containers.items[i];

		if (kk_str_empty(spec->id))
			kk_strs_take(ret_problems,
				kk_xprintf("spec.containers[%zu].id is required", i));
		else if (kk_cell_container(cell, spec->id) != spec)
			kk_strs_take(ret_problems,
				kk_xprintf("container id \"%s\" is there twice", spec->id));
		if (kk_str_empty(spec->image))
			kk_strs_take(ret_problems,
				kk_xprintf("spec.containers[%zu].image is required", i));
		container_spec_check(spec, ret_problems);
	}
	root_check(cell, ret_problems);
	cell_tty_check(cell, ret_problems);
}

void kk_doc_check(enum kk_kind kind, const void *doc, struct kk_strs *ret_problems)
{
	switch (kind) {
	case KK_KIND_REALM:
		kk_realm_check(doc, ret_problems);
		break;
	case KK_KIND_SPACE:
		kk_space_check(doc, ret_problems);
		break;
	case KK_KIND_STACK:
		kk_stack_check(doc, ret_problems);
		break;
	case KK_KIND_CELL:
		kk_cell_check(doc, ret_problems);
		break;
	case KK_KIND_CONTAINER:
		kk_container_check(doc, ret_problems);
		break;
	case KK_KINDS:
		break;
	}
}

struct kk_scope kk_doc_scope(enum kk_kind kind, const void *doc)
{
	struct kk_scope scope = {0};

	switch (kind) {
	case KK_KIND_REALM:
		scope.realm = ((const struct kk_realm *)doc)->metadata.name;
		break;
	case KK_KIND_SPACE: {
		const struct kk_space *space = doc;

		scope = (struct kk_scope){space->spec.realm_id, space->metadata.name, NULL, NULL};
		break;
	}
	case KK_KIND_STACK: {
		const struct kk_stack *stack = doc;

		scope = (struct kk_scope){
			stack->spec.realm_id, stack->spec.space_id, stack->metadata.name, NULL};
		break;
	}
	case KK_KIND_CELL: {
		const struct kk_cell *cell = doc;

		scope = (struct kk_scope){cell->spec.realm_id, cell->spec.space_id,
			cell->spec.stack_id, cell->metadata.name};
		break;
	}
	case KK_KIND_CONTAINER: {
		const struct kk_container *container = doc;

		scope = (struct kk_scope){container->spec.realm_id, container->spec.space_id,
			container->spec.stack_id, container->spec.cell_id};
		break;
	}
	case KK_KINDS:
		break;
	}
	return scope;
}

const char *kk_doc_name(enum kk_kind kind, const void *doc)
{
	const struct kk_container *container = doc;

	/* All five begin with apiVersion, kind, metadata.name. */
	if (kind == KK_KIND_CONTAINER && kk_str_empty(container->metadata.name))
		return kk_str(container->spec.id);
	return kk_str(((const struct kk_realm *)doc)->metadata.name);
}

/* It can be told in two ways. What contradicts itself stays as it is. */
static void root_default(struct kk_cell *cell)
{
	struct kk_container_spec *marked = NULL;

	for (size_t i = 0; i < cell->spec.containers.n && !marked; i++) {
		if (cell->spec.containers.items[i].root)
			marked = &cell->spec.containers.items[i];
	}
	if (marked && kk_str_empty(cell->spec.root_container_id))
		kk_str_set(&cell->spec.root_container_id, marked->id);
	if (!marked && !kk_str_empty(cell->spec.root_container_id))
		marked = kk_cell_container(cell, cell->spec.root_container_id);
	if (marked)
		marked->root = true;
}

void kk_doc_default(enum kk_kind kind, void *doc)
{
	struct kk_realm *any = doc;

	kk_str_set(&any->api_version, KK_API_VERSION);
	kk_str_set(&any->kind, kk_kind_name(kind));
	if (kind == KK_KIND_CELL) {
		struct kk_cell *cell = doc;

		if (kk_str_empty(cell->spec.id))
			kk_str_set(&cell->spec.id, cell->metadata.name);
		root_default(cell);
	} else if (kind == KK_KIND_CONTAINER) {
		struct kk_container *container = doc;

		if (kk_str_empty(container->spec.id))
			kk_str_set(&container->spec.id, container->metadata.name);
		if (kk_str_empty(container->metadata.name))
			kk_str_set(&container->metadata.name, container->spec.id);
	}
}

static void text_trim(char **text)
{
	const char *start = kk_str(*text) + strspn(kk_str(*text), " \t\r\n");
	size_t len = strlen(start);
	char *trimmed;

	while (len > 0 && strchr(" \t\r\n", start[len - 1]))
		len--;
	if (len == strlen(kk_str(*text)))
		return;
	trimmed = len ? kk_xstrndup(start, len) : NULL;
	free(*text);
	*text = trimmed;
}

void kk_doc_trim(enum kk_kind kind, void *doc)
{
	static const char *const names[] = {"realmId", "spaceId", "stackId", "cellId", "id"};
	const struct kk_schema *schema = kk_kind_schema(kind);

	/* All five begin with apiVersion, kind, metadata.name. */
	text_trim(&((struct kk_realm *)doc)->metadata.name);
	for (unsigned i = 0; i < schema->n_fields; i++) {
		const struct kk_schema *sub;

		if (strcmp(schema->fields[i].name, "spec") != 0)
			continue;
		sub = schema->fields[i].sub();
		for (unsigned k = 0; k < sub->n_fields; k++) {
			for (size_t n = 0; n < KK_COUNT(names); n++) {
				if (strcmp(sub->fields[k].name, names[n]) == 0)
					text_trim(kk_field_at(&sub->fields[k],
						kk_field_at(&schema->fields[i], doc)));
			}
		}
	}
}

struct kk_container_spec *kk_cell_container(const struct kk_cell *cell, const char *id)
{
	for (size_t i = 0; i < cell->spec.containers.n; i++) {
		if (kk_str_equal(cell->spec.containers.items[i].id, id))
			return &cell->spec.containers.items[i];
	}
	return NULL;
}

bool kk_cell_is_on_host_network(const struct kk_cell *cell)
{
	for (size_t i = 0; i < cell->spec.containers.n; i++) {
		if (cell->spec.containers.items[i].host_network)
			return true;
	}
	return false;
}

struct kk_container_status *kk_cell_container_status(struct kk_cell *cell, const char *id)
{
	for (size_t i = 0; i < cell->status.containers.n; i++) {
		if (kk_str_equal(cell->status.containers.items[i].id, id))
			return &cell->status.containers.items[i];
	}
	return NULL;
}
