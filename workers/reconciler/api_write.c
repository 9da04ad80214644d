/* workers/reconciler/api_write.c - what changes objects: create, start, stop, delete, apply. */
#include "api.h"

#include <stdlib.h>
#include <string.h>

#include <kukeon/buf.h>
#include <kukeon/mem.h>

/* --- Create --- */

static void pair_set(json_t *result, const char *name, bool pre, bool post)
{
	kk_auto_free char *pre_key = kk_xprintf("%sExistsPre", name);
	kk_auto_free char *post_key = kk_xprintf("%sExistsPost", name);

	json_object_set_new(result, pre_key, json_boolean(pre));
	json_object_set_new(result, post_key, json_boolean(post));
}

static void create_scope_done(struct rc_outcome *outcome, void *arg)
{
	struct api *api = arg;
	enum kk_kind kind = (enum kk_kind)api->method->kind;
	bool was = outcome->was_existing;
	json_t *result;

	if (outcome->action == RC_FAILED) {
		rc_api_fail(api, &outcome->err);
		return;
	}
	result = json_pack("{s:o}", kk_kind_name(kind), rc_api_stored(&api->scope, kind));
	pair_set(result, "Metadata", was, true);
	pair_set(result, "Cgroup", was, true);
	json_object_set_new(result, "CgroupCreated", json_boolean(!was));
	if (kind == KK_KIND_REALM) {
		pair_set(result, "ContainerdNamespace", was, true);
		json_object_set_new(result, "ContainerdNamespaceCreated", json_boolean(!was));
	}
	if (kind == KK_KIND_SPACE) {
		pair_set(result, "CNINetwork", was, true);
		json_object_set_new(result, "CNINetworkCreated", json_boolean(!was));
	}
	json_object_set_new(result, "Created", json_boolean(!was));
	rc_api_result(api, result);
}

void rc_api_create_scope(struct api *api)
{
	rc_scope_apply((enum kk_kind)api->method->kind, &api->doc, true, rc_api_cause(api),
		create_scope_done, api);
}

static void create_cell_done(struct rc_outcome *outcome, void *arg)
{
	struct api *api = arg;
	bool was = outcome->was_existing;
	bool is_started = strcmp(api->method->name, "CreateCell") == 0;
	json_t *result, *containers = json_null();

	if (outcome->action == RC_FAILED) {
		rc_api_fail(api, &outcome->err);
		return;
	}
	result = json_pack("{s:o}", "Cell", rc_api_stored(&api->scope, KK_KIND_CELL));
	pair_set(result, "Metadata", was, true);
	pair_set(result, "Cgroup", was, true);
	json_object_set_new(result, "CgroupCreated", json_boolean(!was));
	pair_set(result, "RootContainer", was, true);
	json_object_set_new(result, "RootContainerCreated", json_boolean(!was));
	json_object_set_new(result, "StartedPre", json_false());
	json_object_set_new(result, "StartedPost", json_boolean(is_started));
	json_object_set_new(result, "Started", json_boolean(is_started));
	json_object_set_new(result, "Created", json_boolean(!was));
	if (api->doc.cell.spec.containers.n)
		containers = json_array();
	for (size_t i = 0; i < api->doc.cell.spec.containers.n; i++)
		json_array_append_new(containers,
			json_pack("{s:s, s:b, s:b, s:b}", "Name",
				kk_str(api->doc.cell.spec.containers.items[i].id), "ExistsPre", was,
				"ExistsPost", 1, "Created", !was));
	json_object_set_new(result, "Containers", containers);
	rc_api_result(api, result);
}

static int parents_check(const struct kk_scope *scope, struct kk_err *err)
{
	const struct kk_scope realm = {.realm = scope->realm};
	const struct kk_scope space = {.realm = scope->realm, .space = scope->space};
	const struct kk_scope stack = {scope->realm, scope->space, scope->stack, NULL};

	if (!rc_store_exists(&realm))
		return kk_fail(err, KK_E_REALM_NOT_FOUND,
			"failed to create cell: realm not found: \"%s\"", scope->realm);
	if (!rc_store_exists(&space))
		return kk_fail(err, KK_E_SPACE_NOT_FOUND,
			"failed to create cell: space not found: \"%s\" "
			"in realm \"%s\"",
			scope->space, scope->realm);
	if (!rc_store_exists(&stack))
		return kk_fail(err, KK_E_STACK_NOT_FOUND,
			"failed to create cell: stack not found: \"%s\" "
			"in realm \"%s\", space \"%s\"",
			scope->stack, scope->realm, scope->space);
	return 0;
}

void rc_api_create_cell(struct api *api)
{
	kk_auto(kk_strs_release) struct kk_strs problems = {0};
	struct kk_cell *cell = &api->doc.cell;
	struct kk_err err = {0};
	bool is_started = strcmp(api->method->name, "CreateCell") == 0;

	kk_doc_default(KK_KIND_CELL, cell);
	if (!rc_store_exists(&api->scope)) {
		kk_cell_check(cell, &problems);
		if (problems.n && cell->spec.containers.n)
			kk_fail(&err, KK_E_CONVERSION, "conversion failed: %s", problems.items[0]);
		else
			parents_check(&api->scope, &err);
		if (err.code) {
			rc_api_fail(api, &err);
			return;
		}
	}
	rc_cell_do(is_started ? RC_CELL_CREATE : RC_CELL_MATERIALIZE, cell, rc_api_cause(api),
		create_cell_done, api);
}

/* --- start, restart, stop, kill --- */

static void cell_verb_done(struct rc_outcome *outcome, void *arg)
{
	struct api *api = arg;
	const char *flag = strcmp(api->method->name, "StartCell") == 0 ? "Started" :
		strcmp(api->method->name, "StopCell") == 0             ? "Stopped" :
									 "Killed";

	if (outcome->action == RC_FAILED)
		rc_api_fail(api, &outcome->err);
	else
		rc_api_result(api,
			json_pack("{s:o, s:b}", "Cell", rc_api_stored(&api->scope, KK_KIND_CELL),
				flag, 1));
}

static void restart_done(struct rc_outcome *outcome, void *arg)
{
	struct api *api = arg;

	if (outcome->action == RC_FAILED)
		rc_api_fail(api, &outcome->err);
	else
		rc_api_result(api,
			json_pack("{s:o, s:b, s:b}", "Cell",
				rc_api_stored(&api->scope, KK_KIND_CELL), "Restarted",
				outcome->changes.n > 0, "Started", 1));
}

void rc_api_restart_cell(struct api *api)
{
	rc_cell_do(RC_CELL_RESTART, &api->doc.cell, rc_api_cause(api), restart_done, api);
}

void rc_api_start_cell(struct api *api)
{
	rc_cell_do(RC_CELL_START, &api->doc.cell, rc_api_cause(api), cell_verb_done, api);
}

void rc_api_stop_cell(struct api *api)
{
	const json_t *grace = kk_json_get(api->args, "GraceMilliseconds");

	rc_cell_stop(&api->doc.cell, grace ? json_integer_value(grace) : RC_STOP_GRACE_MS,
		rc_api_cause(api), cell_verb_done, api);
}

void rc_api_kill_cell(struct api *api)
{
	rc_cell_do(RC_CELL_KILL, &api->doc.cell, rc_api_cause(api), cell_verb_done, api);
}

/* --- the host goes down --- */

struct halt {
	struct api *api;
	size_t n_open;
	int64_t n_halted;
	struct kk_err err; /* of the first one that could not be halted */
};

static void halt_step(struct halt *halt)
{
	if (--halt->n_open)
		return;
	if (halt->err.code)
		rc_api_fail(halt->api, &halt->err);
	else
		rc_api_result(halt->api, json_pack("{s:I}", "Halted", (json_int_t)halt->n_halted));
	free(halt);
}

static void cell_halted(struct rc_outcome *outcome, void *arg)
{
	struct halt *halt = arg;

	halt->n_halted += outcome->action == RC_UPDATED;
	if (outcome->action == RC_FAILED && !halt->err.code)
		halt->err = outcome->err;
	halt_step(halt);
}

static void cell_halt(const struct kk_scope *scope, void *arg)
{
	struct halt *halt = arg;

	if (!scope->cell || kk_str_equal(scope->realm, KK_SYSTEM_REALM))
		return;
	halt->n_open++;
	rc_cell_look(scope, RC_CELL_HALT, halt->api->op, cell_halted, halt);
}

void rc_api_halt_cells(struct api *api)
{
	struct halt *halt = kk_xalloc(sizeof *halt);

	*halt = (struct halt){.api = api, .n_open = 1};
	rc_walk(&(struct kk_scope){0}, cell_halt, halt);
	halt_step(halt);
}

/* --- Delete --- */

static int not_found_fail(const struct kk_scope *scope, enum kk_kind kind, struct kk_err *err)
{
	switch (kind) {
	case KK_KIND_REALM:
		return kk_fail(err, KK_E_REALM_NOT_FOUND, "realm \"%s\" not found", scope->realm);
	case KK_KIND_SPACE:
		return kk_fail(err, KK_E_SPACE_NOT_FOUND, "space \"%s\" not found in realm \"%s\"",
			scope->space, scope->realm);
	case KK_KIND_STACK:
		return kk_fail(err, KK_E_STACK_NOT_FOUND,
			"stack \"%s\" not found in realm \"%s\", space \"%s\"", scope->stack,
			scope->realm, scope->space);
	default:
		return kk_fail(err, KK_E_CELL_NOT_FOUND,
			"cell \"%s\" not found in realm \"%s\", space \"%s\", stack \"%s\"",
			scope->cell, scope->realm, scope->space, scope->stack);
	}
}

static bool delete_failed(struct api *api, const struct rc_outcome *outcome)
{
	struct kk_err err = {0};

	if (outcome->action == RC_FAILED) {
		rc_api_fail(api, &outcome->err);
		return true;
	}
	if (outcome->action == RC_NOT_FOUND) {
		not_found_fail(&api->scope, (enum kk_kind)api->method->kind, &err);
		rc_api_fail(api, &err);
		return true;
	}
	return false;
}

static json_t *request_doc(const struct api *api)
{
	return kk_json_encode(kk_kind_schema((enum kk_kind)api->method->kind), &api->doc,
		KK_JSON_API);
}

static unsigned how_of(const struct api *api)
{
	return (rc_api_bool(api, "Cascade") ? RC_CASCADE : 0) |
		(rc_api_bool(api, "Force") ? RC_FORCE : 0);
}

static void delete_scope_done(struct rc_outcome *outcome, void *arg)
{
	struct api *api = arg;
	enum kk_kind kind = (enum kk_kind)api->method->kind;
	json_t *result;

	if (delete_failed(api, outcome))
		return;
	result = json_pack("{s:o, s:o, s:b, s:b}", kk_kind_name(kind), request_doc(api), "Deleted",
		kk_json_strings(&outcome->done), "MetadataDeleted", 1, "CgroupDeleted", 1);
	if (kind == KK_KIND_REALM)
		json_object_set_new(result, "ContainerdNamespaceDeleted", json_true());
	if (kind == KK_KIND_SPACE)
		json_object_set_new(result, "CNINetworkDeleted", json_true());
	if (kind != KK_KIND_REALM) {
		json_object_set_new(result, "RealmName", json_string(api->scope.realm));
		json_object_set_new(result, "SpaceName", json_string(api->scope.space));
	}
	if (kind == KK_KIND_STACK)
		json_object_set_new(result, "StackName", json_string(api->scope.stack));
	rc_api_result(api, result);
}

void rc_api_delete_scope(struct api *api)
{
	rc_scope_delete(&api->scope, how_of(api), rc_api_cause(api), delete_scope_done, api);
}

static void delete_cell_done(struct rc_outcome *outcome, void *arg)
{
	struct api *api = arg;

	if (!delete_failed(api, outcome))
		rc_api_result(api,
			json_pack("{s:o, s:b, s:b, s:b}", "Cell", request_doc(api),
				"ContainersDeleted", 1, "CgroupDeleted", 1, "MetadataDeleted", 1));
}

void rc_api_delete_cell(struct api *api)
{
	rc_cell_do(RC_CELL_DELETE, &api->doc.cell, rc_api_cause(api), delete_cell_done, api);
}

/* --- Purge: a deletion that needs no document of a realm, and tells what went along --- */

static json_t *purged_json(enum kk_kind kind)
{
	switch (kind) {
	case KK_KIND_REALM:
		return json_pack("[s, s, s]", "orphaned-containers", "cni-resources",
			"all-metadata");
	case KK_KIND_SPACE:
		return json_pack("[s, s, s, s]", "cni-network", "cni-cache", "orphaned-containers",
			"all-metadata");
	default:
		return json_pack("[s, s, s]", "cni-resources", "orphaned-containers",
			"all-metadata");
	}
}

static void purge_done(struct rc_outcome *outcome, void *arg)
{
	static const char *const cell_done[] = {"containers", "cgroup", "metadata"};
	struct api *api = arg;
	enum kk_kind kind = (enum kk_kind)api->method->kind;
	json_t *result;

	if (delete_failed(api, outcome))
		return;
	for (size_t i = 0; kind == KK_KIND_CELL && i < KK_COUNT(cell_done); i++)
		kk_strs_add(&outcome->done, cell_done[i]);
	result = json_pack("{s:o, s:o, s:o}", kk_kind_name(kind), request_doc(api), "Deleted",
		kk_json_strings(&outcome->done), "Purged", purged_json(kind));
	if (kind == KK_KIND_REALM)
		json_object_set_new(result, "RealmDeleted", json_true());
	if (kind == KK_KIND_CELL)
		json_object_set_new(result, "ContainersDeleted", json_true());
	if (kind == KK_KIND_SPACE)
		json_object_set_new(result, "CNINetworkDeleted", json_true());
	if (kind == KK_KIND_SPACE || kind == KK_KIND_CELL) {
		json_object_set_new(result, "MetadataDeleted", json_true());
		json_object_set_new(result, "CgroupDeleted", json_true());
	}
	if (kind != KK_KIND_STACK) {
		json_object_set_new(result, "PurgeSucceeded", json_true());
		json_object_set_new(result, "Force", json_boolean(rc_api_bool(api, "Force")));
		json_object_set_new(result, "Cascade", json_boolean(rc_api_bool(api, "Cascade")));
	}
	rc_api_result(api, result);
}

/* What a lost realm has left is found by its name: its namespace, its cgroup. Any other object that nobody
 * knows is taken for a slip of the pen. */
void rc_api_purge(struct api *api)
{
	bool is_lost = api->method->kind != KK_KIND_REALM && !rc_store_exists(&api->scope);

	if (api->method->kind == KK_KIND_CELL)
		rc_cell_do(RC_CELL_DELETE, &api->doc.cell, rc_api_cause(api), purge_done, api);
	else
		rc_scope_delete(&api->scope, how_of(api) | (is_lost ? 0 : RC_PURGE),
			rc_api_cause(api), purge_done, api);
}

/* --- RefreshAll: the statuses of what runs --- */

struct refresh {
	struct api *api;
	struct rc_report report;
};

/* The containers of a cell, by path. One that can't be read is in the errors of the look itself. */
static void containers_add(json_t *found, const struct kk_scope *scope)
{
	kk_auto_free char *path = rc_scope_path(scope);
	struct kk_err ignored = {0};
	struct kk_cell cell;

	if (rc_store_load(scope, &cell, &ignored) != 1)
		return;
	for (size_t i = 0; i < cell.spec.containers.n; i++) {
		kk_auto_free char *one =
			kk_xprintf("%s/%s", path, cell.spec.containers.items[i].id);

		json_array_append_new(found, kk_json_string(one));
	}
	kk_cell_release(&cell);
}

/* All there is, by name. */
static void found_add(json_t *found[], const struct kk_scope *scope, int level,
	struct kk_strs *errors)
{
	kk_auto(kk_strs_release) struct kk_strs names = {0};
	struct kk_err err = {0};
	char text[KK_ERR_TEXT];

	if (rc_store_children(scope, &names, &err) < 0) {
		kk_err_format(&err, text, sizeof text);
		kk_strs_add(errors, text);
	}
	for (size_t i = 0; i < names.n; i++) {
		struct kk_scope child = *scope;

		*rc_scope_part(&child, level) = names.items[i];
		json_array_append_new(found[level], kk_json_string(names.items[i]));
		if (level < 3)
			found_add(found, &child, level + 1, errors);
		else
			containers_add(found[level + 1], &child);
	}
}

static void refresh_done(const struct kk_err *err, void *arg)
{
	struct refresh *refresh = arg;
	struct api *api = refresh->api;
	json_t *found[] = {json_array(), json_array(), json_array(), json_array(), json_array()};

	(void)err;
	found_add(found, &(struct kk_scope){0}, 0, &refresh->report.errors);
	rc_api_result(api,
		json_pack("{s:o, s:o, s:o, s:o, s:o, s:[], s:[], s:[], s:o, s:o, s:o}",
			"RealmsFound", found[0], "SpacesFound", found[1], "StacksFound", found[2],
			"CellsFound", found[3], "ContainersFound", found[4], "RealmsUpdated",
			"SpacesUpdated", "StacksUpdated", "CellsUpdated",
			kk_json_strings(&refresh->report.cells), "ContainersUpdated",
			kk_json_strings(&refresh->report.containers), "Errors",
			kk_json_strings(&refresh->report.errors)));
	kk_strs_release(&refresh->report.cells);
	kk_strs_release(&refresh->report.containers);
	kk_strs_release(&refresh->report.errors);
	free(refresh);
	rc_health_check(true);
}

void rc_api_refresh(struct api *api)
{
	struct refresh *refresh = kk_xalloc(sizeof *refresh);

	refresh->api = api;
	rc_observe_all(api->op, &refresh->report, refresh_done, refresh);
}

/* --- documents --- */

static int base64_value(char c)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *p = c ? strchr(alphabet, c) : NULL;

	return p ? (int)(p - alphabet) : -1;
}

int rc_api_base64(const char *text, struct kk_buf *out)
{
	size_t len = strlen(text);

	if (len % 4)
		return -1;
	for (size_t i = 0; i < len; i += 4) {
		size_t pad = text[i + 3] != '=' ? 0 : text[i + 2] != '=' ? 1 : 2;
		uint32_t bits = 0;
		uint8_t bytes[3];

		if (pad && i + 4 != len)
			return -1;
		for (size_t k = 0; k < 4; k++) {
			int value = k >= 4 - pad ? 0 : base64_value(text[i + k]);

			if (value < 0)
				return -1;
			bits = bits << 6 | (uint32_t)value;
		}
		for (size_t k = 0; k < 3; k++)
			bytes[k] = (uint8_t)(bits >> (16 - 8 * k));
		kk_buf_append(out, bytes, 3 - pad);
	}
	return 0;
}

static void documents_done(json_t *resources, const struct kk_strs *warnings,
	const struct kk_err *err, void *arg)
{
	struct api *api = arg;
	json_t *result, *texts;

	if (err) {
		rc_api_fail(api, err);
		return;
	}
	result = json_pack("{s:O}", "Resources", resources);
	if (warnings->n) {
		texts = json_array();
		for (size_t i = 0; i < warnings->n; i++)
			json_array_append_new(texts, json_string(warnings->items[i]));
		json_object_set_new(result, "Warnings", texts);
	}
	rc_api_result(api, result);
}

void rc_api_documents(struct api *api)
{
	kk_auto_buf yaml = {0};

	const char *text, *method = api->method->name;

	/* Checked by the caller already. */
	rc_api_base64(rc_api_string(api, "RawYAML"), &yaml);
	text = yaml.data ? (char *)yaml.data : "";
	if (strcmp(method, "ApplyDocuments") == 0)
		rc_documents_apply(text, yaml.len, api->op, documents_done, api);
	else if (strcmp(method, "PlanDocuments") == 0)
		rc_documents_preview(text, yaml.len, api->op, documents_done, api);
	else
		rc_documents_delete(text, yaml.len, how_of(api), api->op, documents_done, api);
}
