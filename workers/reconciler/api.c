/* workers/reconciler/api.c - the methods of kukeonv1: arguments in, operations, replies out. */
#include "rc.h"

#include <stdlib.h>
#include <string.h>

#include <kukeon/buf.h>
#include <kukeon/fault.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>

struct method;

/* One call under way. */
struct api {
	struct api *next;     /* of those that are finished for nobody */
	struct kk_call *call; /* NULL: nobody waits for the answer */
	uint64_t op;
	const struct method *method;
	json_t *args;
	union {
		struct kk_realm realm;
		struct kk_space space;
		struct kk_stack stack;
		struct kk_cell cell;
		struct kk_container container;
		char any[1];
	} doc;
	struct kk_scope scope; /* of doc, once it was read */
	bool has_doc;
	struct rc_plan plan;
	char *path; /* of an archive */
};

struct method {
	const char *name;
	int kind; /* of the argument Doc; -1: there is none */
	void (*run)(struct api *api);
	const char *list;   /* key of the list that is the whole reply; NULL: there is a Result */
	int listed;         /* kind of what it lists */
	const char *result; /* keys of the Result: *document ?bool $string @list, see result_zero */
	bool is_local;      /* served to the embedding process alone */
	bool is_reading;    /* in-process, what is shown is looked at first */
	bool is_change;     /* its answer is kept for who lost it */
};

/* What was begun for a former supervisor. */
static struct api *finishing;

static void api_free(struct api *api)
{
	for (struct api **p = &finishing; *p; p = &(*p)->next) {
		if (*p == api) {
			*p = api->next;
			break;
		}
	}
	if (api->has_doc)
		kk_schema_release(kk_kind_schema((enum kk_kind)api->method->kind), &api->doc);
	json_decref(api->args);
	rc_plan_release(&api->plan);
	free(api->path);
	free(api);
}

/* The end of each call. Its notes are kept until the supervisor has the answer: should that be lost, the
 * call comes again. For an in-process command nobody is left to tell. */
static void api_end(struct api *api, char *text)
{
	struct kk_rep_api_request *rep = api->call ? api->call->rep : NULL;

	(void)kk_fault(KK_FAULT_reconciler_before_answer, NULL);
	if (!rep)
		rc_journal_reply_save(api->op, api->method->name, text);
	if (api->method->is_change && !rc.worker->config.is_embedded)
		rc_journal_request_drop(api->op);
	if (rep) {
		rep->result = (struct kk_bin){(uint8_t *)text, strlen(text)};
		rep->is_change = api->method->is_change;
		rep->is_noted = rc_journal_is_open(api->op) && !rc.worker->config.is_embedded;
		kk_call_end(api->call, NULL);
	} else {
		free(text);
	}
	if (rc.worker->config.is_embedded)
		rc_journal_forget(api->op);
	api_free(api);
}

static void api_reply(struct api *api, json_t *reply)
{
	kk_auto_json *owned = reply;

	api_end(api, json_dumps(owned, JSON_COMPACT));
}

/* {"Result": …, "Err": null} */
static void api_result(struct api *api, json_t *result)
{
	api_reply(api, json_pack("{s:o, s:n}", "Result", result, "Err"));
}

/* A document as nobody filled it. */
static json_t *doc_zero(enum kk_kind kind)
{
	const struct kk_schema *schema = kk_kind_schema(kind);
	kk_auto_free void *empty = kk_xalloc(schema->size);

	kk_schema_init(schema, empty);
	return kk_json_encode(schema, empty, KK_JSON_API);
}

static json_t *value_zero(char type, const char *key)
{
	switch (type) {
	case '*':
		return doc_zero((enum kk_kind)kk_kind_parse(key));
	case '?':
		return json_false();
	case '$':
		return json_string("");
	default:
		return json_null();
	}
}

/* The Result of a failed call: every key that the method has, each with nothing in it. */
static json_t *result_zero(const struct method *method)
{
	kk_auto_free char *words = kk_xstrdup(method->result);
	json_t *result = json_object();
	char *rest = words, *word;

	while ((word = strsep(&rest, " ")))
		json_object_set_new(result, word + 1, value_zero(word[0], word + 1));
	return result;
}

static void api_fail(struct api *api, const struct kk_err *err)
{
	json_t *failure, *reply = json_object();
	char text[KK_ERR_TEXT * 2];

	kk_err_format(err, text, sizeof text);
	kk_info("call failed method=%s code=%s: %s", api->method->name, kk_code_name(err->code),
		text);
	failure = json_pack("{s:s, s:o}", "Kind", kk_code_kind(err->code), "Message",
		kk_json_string(text));
	if (api->method->list)
		json_object_set_new(reply, api->method->list, json_null());
	else
		json_object_set_new(reply, "Result", result_zero(api->method));
	json_object_set_new(reply, "Err", failure);
	api_reply(api, reply);
}

/* A call that could not be made at all. */
static void api_refuse(struct kk_rep_api_request *rep, const char *text)
{
	kk_str_set(&rep->error, text);
}

/* The document as it is stored; one that is not there is empty but for its kind. */
static json_t *stored_json(const struct kk_scope *scope, enum kk_kind kind)
{
	const char *text = rc_store_text(scope);
	json_t *json;

	if (text)
		return json_loads(text, 0, NULL);
	json = doc_zero(kind);
	json_object_set_new(json, "apiVersion", json_string(KK_API_VERSION));
	json_object_set_new(json, "kind", json_string(kk_kind_name(kind)));
	if (kind == KK_KIND_CELL) {
		json_object_set_new(json_object_get(json, "spec"), "containers", json_array());
		json_object_set_new(json_object_get(json, "status"), "containers", json_array());
	}
	return json;
}

static const char *string_arg(const struct api *api, const char *key)
{
	return kk_str(json_string_value(kk_json_get(api->args, key)));
}

static bool bool_arg(const struct api *api, const char *key)
{
	return json_is_true(kk_json_get(api->args, key));
}

/* Every part of the scope that the kind needs. */
static int scope_check(const struct api *api, struct kk_err *err)
{
	static const int codes[] = {KK_E_REALM_NAME_REQUIRED, KK_E_SPACE_NAME_REQUIRED,
		KK_E_STACK_NAME_REQUIRED, KK_E_CELL_NAME_REQUIRED};
	const char *const parts[] = {
		api->scope.realm, api->scope.space, api->scope.stack, api->scope.cell};
	int depth = api->method->kind == KK_KIND_CONTAINER ? KK_KIND_CELL : api->method->kind;

	for (int i = 0; i <= depth; i++) {
		if (kk_str_empty(parts[i]))
			return kk_fail(err, codes[i], "%s name is required",
				kk_kind_word((enum kk_kind)i));
		/* It becomes a path. */
		if (strchr(parts[i], '/') || parts[i][0] == '.')
			return kk_name_check((enum kk_kind)i, parts[i], err);
	}
	return 0;
}

/* --- Get --- */

static void get_scope_done(const struct kk_err *err, void *arg)
{
	struct api *api = arg;
	enum kk_kind kind = (enum kk_kind)api->method->kind;
	const struct kk_rep_cgroup_get *cgroup = rc_plan_reply(&api->plan, KK_MSG_cgroup_get, 0);
	const struct kk_rep_namespace_get *namespace =
		rc_plan_reply(&api->plan, KK_MSG_namespace_get, 0);
	const struct kk_rep_space_network_get *network =
		rc_plan_reply(&api->plan, KK_MSG_space_network_get, 0);
	json_t *result = json_object();

	(void)err;
	json_object_set_new(result, kk_kind_name(kind), stored_json(&api->scope, kind));
	json_object_set_new(result, "MetadataExists", json_boolean(rc_store_exists(&api->scope)));
	json_object_set_new(result, "CgroupExists", json_boolean(cgroup && cgroup->exists));
	if (kind == KK_KIND_REALM)
		json_object_set_new(result, "ContainerdNamespaceExists",
			json_boolean(namespace && namespace->exists));
	if (kind == KK_KIND_SPACE)
		json_object_set_new(result, "CNINetworkExists",
			json_boolean(network && network->exists));
	api_result(api, result);
}

/* The document is answered even if a backend can't be asked. */
static void steps_optional(struct rc_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		plan->steps[i].is_optional = true;
}

static void get_scope(struct api *api)
{
	struct kk_req_cgroup_get *cgroup = rc_plan_add(&api->plan, 0, KK_MSG_cgroup_get);

	cgroup->path = rc_cgroup_path(&api->scope);
	if (api->method->kind == KK_KIND_REALM) {
		struct kk_req_namespace_get *req = rc_plan_add(&api->plan, 0, KK_MSG_namespace_get);

		req->namespace = rc_store_namespace(api->scope.realm, NULL);
		if (!req->namespace)
			req->namespace = rc_namespace_default(api->scope.realm);
	} else if (api->method->kind == KK_KIND_SPACE) {
		struct kk_req_space_network_get *req =
			rc_plan_add(&api->plan, 0, KK_MSG_space_network_get);

		req->realm = kk_xstrdup(api->scope.realm);
		req->space = kk_xstrdup(api->scope.space);
	}
	steps_optional(&api->plan);
	rc_plan_run(&api->plan, api->op, get_scope_done, api);
}

static bool cell_is_up(const json_t *cell)
{
	const char *state =
		json_string_value(json_object_get(json_object_get(cell, "status"), "state"));

	return kk_str_equal(state, "Ready") || kk_str_equal(state, "Degraded");
}

static void get_cell(struct api *api)
{
	bool exists = rc_store_exists(&api->scope);
	json_t *cell = stored_json(&api->scope, KK_KIND_CELL);
	bool is_up = cell_is_up(cell);

	/* There is no pause container: the sandbox takes the place of the root container. */
	api_result(api,
		json_pack("{s:o, s:b, s:b, s:b, s:b}", "Cell", cell, "MetadataExists", exists,
			"CgroupExists", exists, "RootContainerExists", exists,
			"RootContainerTaskRunning", exists && is_up));
}

static void get_container(struct api *api)
{
	const char *name = kk_str(api->doc.container.metadata.name);
	struct kk_cell cell;
	struct kk_container found = {0};
	struct kk_err err = {0};
	const struct kk_container_spec *spec;
	const struct kk_container_status *status;
	int r;

	if (!*name)
		name = kk_str(api->doc.container.spec.id);
	r = rc_store_load(&api->scope, &cell, &err);
	if (r == 0)
		kk_fail(&err, KK_E_CELL_NOT_FOUND, "failed to get cell \"%s\": cell not found",
			api->scope.cell);
	if (r <= 0) {
		api_fail(api, &err);
		return;
	}
	spec = kk_cell_container(&cell, name);
	status = kk_cell_container_status(&cell, name);
	if (!spec) {
		kk_fail(&err, KK_E_CONTAINER_NOT_FOUND,
			"container \"%s\" not found in cell \"%s\" at run-path \"%s\"", name,
			api->scope.cell, rc.run_path);
		kk_cell_release(&cell);
		api_fail(api, &err);
		return;
	}
	kk_schema_init(kk_schema_of_container(), &found);
	kk_schema_copy(kk_schema_of_container_spec(), spec, &found.spec);
	if (status)
		kk_schema_copy(kk_schema_of_container_status(), status, &found.status);
	found.metadata.name = kk_xstrdup(name);
	for (size_t i = 0; i < api->doc.container.metadata.labels.n; i++)
		kk_map_set(&found.metadata.labels, api->doc.container.metadata.labels.items[i].key,
			api->doc.container.metadata.labels.items[i].value);
	kk_doc_default(KK_KIND_CONTAINER, &found);
	kk_str_set(&found.spec.containerd_id, NULL);
	api_result(api,
		json_pack("{s:o, s:b, s:b}", "Container",
			kk_json_encode(kk_schema_of_container(), &found, KK_JSON_API),
			"CellMetadataExists", 1, "ContainerExists",
			status && status->state != KK_CONTAINER_NOT_CREATED));
	kk_container_release(&found);
	kk_cell_release(&cell);
}

/* --- List --- */

/* Walk down to @depth, keeping to the names that the filter states. */
static int list_walk(const struct kk_scope *scope, int depth, const char *const filter[],
	struct kk_buf *out, struct kk_err *err)
{
	kk_auto(kk_strs_release) struct kk_strs names = {0};
	const char *const parts[] = {scope->realm, scope->space, scope->stack, scope->cell};
	int level = 0;

	while (level < 4 && parts[level])
		level++;
	if (rc_store_children(scope, &names, err) < 0)
		return kk_failed(err);
	for (size_t i = 0; i < names.n; i++) {
		struct kk_scope child = *scope;
		const char **part = level == 0 ? &child.realm :
			level == 1             ? &child.space :
			level == 2             ? &child.stack :
						 &child.cell;
		const char *text;

		if (filter[level] && *filter[level] && strcmp(filter[level], names.items[i]) != 0)
			continue;
		*part = names.items[i];
		if (level < depth) {
			if (list_walk(&child, depth, filter, out, err) < 0)
				return kk_failed(err);
			continue;
		}
		text = rc_store_text(&child);
		if (text)
			kk_buf_printf(out, "%s%s", out->data[out->len - 1] == '[' ? "" : ",", text);
	}
	return 0;
}

static void list_scopes(struct api *api)
{
	const char *const filter[] = {string_arg(api, "RealmName"), string_arg(api, "SpaceName"),
		string_arg(api, "StackName"), ""};
	const struct kk_scope top = {0};
	kk_auto_buf out = {0};
	struct kk_err err = {0};

	kk_buf_printf(&out, "{\"%s\":[", api->method->list);
	if (list_walk(&top, api->method->listed, filter, &out, &err) < 0) {
		api_fail(api, &err);
		return;
	}
	kk_buf_str(&out, "],\"Err\":null}");
	api_end(api, kk_buf_take(&out));
}

static void list_containers(struct api *api)
{
	const char *const filter[] = {string_arg(api, "RealmName"), string_arg(api, "SpaceName"),
		string_arg(api, "StackName"), string_arg(api, "CellName")};
	const struct kk_scope top = {0};
	kk_auto_buf cells = {0};
	kk_auto_json *list = NULL;
	json_t *containers, *cell;
	struct kk_err err = {0};
	size_t i;

	kk_buf_str(&cells, "[");
	if (list_walk(&top, 3, filter, &cells, &err) < 0) {
		api_fail(api, &err);
		return;
	}
	kk_buf_str(&cells, "]");
	containers = json_array();
	list = json_loadb((char *)cells.data, cells.len, 0, NULL);
	json_array_foreach (list, i, cell)
		json_array_extend(containers,
			json_object_get(json_object_get(cell, "spec"), "containers"));
	api_reply(api, json_pack("{s:o, s:n}", "Containers", containers, "Err"));
}

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
		api_fail(api, &outcome->err);
		return;
	}
	result = json_pack("{s:o}", kk_kind_name(kind), stored_json(&api->scope, kind));
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
	api_result(api, result);
}

static void create_scope(struct api *api)
{
	rc_scope_apply((enum kk_kind)api->method->kind, &api->doc, true, api->op, create_scope_done,
		api);
}

static void create_cell_done(struct rc_outcome *outcome, void *arg)
{
	struct api *api = arg;
	bool was = outcome->was_existing;
	bool is_started = strcmp(api->method->name, "CreateCell") == 0;
	json_t *result, *containers = json_null();

	if (outcome->action == RC_FAILED) {
		api_fail(api, &outcome->err);
		return;
	}
	result = json_pack("{s:o}", "Cell", stored_json(&api->scope, KK_KIND_CELL));
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
	api_result(api, result);
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

static void create_cell(struct api *api)
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
			api_fail(api, &err);
			return;
		}
	}
	rc_cell_do(is_started ? RC_CELL_CREATE : RC_CELL_MATERIALIZE, cell, api->op,
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
		api_fail(api, &outcome->err);
	else
		api_result(api,
			json_pack("{s:o, s:b}", "Cell", stored_json(&api->scope, KK_KIND_CELL),
				flag, 1));
}

static void restart_done(struct rc_outcome *outcome, void *arg)
{
	struct api *api = arg;

	if (outcome->action == RC_FAILED)
		api_fail(api, &outcome->err);
	else
		api_result(api,
			json_pack("{s:o, s:b, s:b}", "Cell", stored_json(&api->scope, KK_KIND_CELL),
				"Restarted", outcome->changes.n > 0, "Started", 1));
}

static void restart_cell(struct api *api)
{
	rc_cell_do(RC_CELL_RESTART, &api->doc.cell, api->op, restart_done, api);
}

static void start_cell(struct api *api)
{
	rc_cell_do(RC_CELL_START, &api->doc.cell, api->op, cell_verb_done, api);
}

static void stop_cell(struct api *api)
{
	rc_cell_do(RC_CELL_STOP, &api->doc.cell, api->op, cell_verb_done, api);
}

static void kill_cell(struct api *api)
{
	rc_cell_do(RC_CELL_KILL, &api->doc.cell, api->op, cell_verb_done, api);
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
		api_fail(api, &outcome->err);
		return true;
	}
	if (outcome->action == RC_NOT_FOUND) {
		not_found_fail(&api->scope, (enum kk_kind)api->method->kind, &err);
		api_fail(api, &err);
		return true;
	}
	return false;
}

static json_t *request_doc(const struct api *api)
{
	return kk_json_encode(kk_kind_schema((enum kk_kind)api->method->kind), &api->doc,
		KK_JSON_API);
}

static void delete_scope_done(struct rc_outcome *outcome, void *arg)
{
	struct api *api = arg;
	enum kk_kind kind = (enum kk_kind)api->method->kind;
	json_t *result, *done = json_array();

	if (delete_failed(api, outcome)) {
		json_decref(done);
		return;
	}
	for (size_t i = 0; i < outcome->done.n; i++)
		json_array_append_new(done, json_string(outcome->done.items[i]));
	result = json_pack("{s:o, s:o, s:b, s:b}", kk_kind_name(kind), request_doc(api), "Deleted",
		done, "MetadataDeleted", 1, "CgroupDeleted", 1);
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
	api_result(api, result);
}

static void delete_scope(struct api *api)
{
	rc_scope_delete(&api->scope, bool_arg(api, "Cascade"), bool_arg(api, "Force"), api->op,
		delete_scope_done, api);
}

static void delete_cell_done(struct rc_outcome *outcome, void *arg)
{
	struct api *api = arg;

	if (!delete_failed(api, outcome))
		api_result(api,
			json_pack("{s:o, s:b, s:b, s:b}", "Cell", request_doc(api),
				"ContainersDeleted", 1, "CgroupDeleted", 1, "MetadataDeleted", 1));
}

static void delete_cell(struct api *api)
{
	rc_cell_do(RC_CELL_DELETE, &api->doc.cell, api->op, delete_cell_done, api);
}

/* --- documents --- */

static int base64_value(char c)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *p = c ? strchr(alphabet, c) : NULL;

	return p ? (int)(p - alphabet) : -1;
}

/* Standard base64 with padding, as Go's encoding/json writes []byte. */
static int base64_decode(const char *text, struct kk_buf *out)
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
		api_fail(api, err);
		return;
	}
	result = json_pack("{s:O}", "Resources", resources);
	if (warnings->n) {
		texts = json_array();
		for (size_t i = 0; i < warnings->n; i++)
			json_array_append_new(texts, json_string(warnings->items[i]));
		json_object_set_new(result, "Warnings", texts);
	}
	api_result(api, result);
}

static void documents(struct api *api)
{
	kk_auto_buf yaml = {0};

	/* Checked by the caller already. */
	base64_decode(string_arg(api, "RawYAML"), &yaml);
	if (strcmp(api->method->name, "ApplyDocuments") == 0)
		rc_documents_apply(yaml.data ? (char *)yaml.data : "", yaml.len, api->op,
			documents_done, api);
	else
		rc_documents_delete(yaml.data ? (char *)yaml.data : "", yaml.len,
			bool_arg(api, "Cascade"), bool_arg(api, "Force"), api->op, documents_done,
			api);
}

/* --- images: for the embedding process, as `kuke image` is always in-process --- */

static bool realm_of_images(struct api *api, struct kk_err *err)
{
	const struct kk_scope realm = {.realm = string_arg(api, "RealmName")};

	if (!*realm.realm)
		kk_fail(err, KK_E_REALM_NAME_REQUIRED, "realm name is required");
	else if (strchr(realm.realm, '/') || realm.realm[0] == '.')
		kk_name_check(KK_KIND_REALM, realm.realm, err);
	else if (!rc_store_exists(&realm))
		kk_fail(err, KK_E_REALM_NOT_FOUND, "realm not found: %s", realm.realm);
	return err->code == 0;
}

static void image_done(const struct kk_err *err, void *arg)
{
	struct api *api = arg;
	const struct kk_rep_image_load *load = rc_plan_reply(&api->plan, KK_MSG_image_load, 0);
	const struct kk_rep_image_list *list = rc_plan_reply(&api->plan, KK_MSG_image_list, 0);
	const struct kk_rep_image_remove *removed =
		rc_plan_reply(&api->plan, KK_MSG_image_remove, 0);
	const char *realm = string_arg(api, "RealmName");
	struct kk_err failure = {0};
	kk_auto_free char *namespace = rc_store_namespace(realm, &failure);
	json_t *result;

	if (err || !namespace) {
		api_fail(api, err ? err : &failure);
		return;
	}
	result = json_pack("{s:s, s:s}", "Realm", realm, "Namespace", namespace);
	if (load) {
		json_t *names = json_array();

		for (size_t i = 0; i < load->images.n; i++)
			json_array_append_new(names, json_string(load->images.items[i]));
		json_object_set_new(result, "Images", names);
	}
	if (list)
		json_object_set_new(result, "Images",
			kk_json_encode_list(kk_schema_of_image_info(),
				(const struct kk_list *)(const void *)&list->images, KK_JSON_API));
	if (removed)
		json_object_set_new(result, "Name", json_string(kk_str(removed->name)));
	api_result(api, result);
}

static void image_call(struct api *api)
{
	const char *method = api->method->name;
	kk_auto_free char *namespace = NULL;
	struct kk_err err = {0};

	if (!realm_of_images(api, &err)) {
		api_fail(api, &err);
		return;
	}
	namespace = rc_store_namespace(string_arg(api, "RealmName"), &err);
	if (!namespace) {
		api_fail(api, &err);
		return;
	}
	if (strcmp(method, "LoadImage") == 0) {
		struct kk_req_image_load *req = rc_plan_add(&api->plan, 0, KK_MSG_image_load);

		req->namespace = kk_steal(&namespace);
		req->path = kk_xstrdup(string_arg(api, "Path"));
	} else if (strcmp(method, "ListImages") == 0) {
		struct kk_req_image_list *req = rc_plan_add(&api->plan, 0, KK_MSG_image_list);

		req->namespace = kk_steal(&namespace);
	} else {
		struct kk_req_image_remove *req = rc_plan_add(&api->plan, 0, KK_MSG_image_remove);

		req->namespace = kk_steal(&namespace);
		req->ref = kk_xstrdup(string_arg(api, "Ref"));
	}
	rc_plan_run(&api->plan, api->op, image_done, api);
}

/* --- the table --- */

#define WAS_METADATA "?MetadataExistsPre ?MetadataExistsPost "
#define WAS_CGROUP "?CgroupExistsPre ?CgroupExistsPost ?CgroupCreated "
#define WAS_NAMESPACE \
	"?ContainerdNamespaceExistsPre ?ContainerdNamespaceExistsPost ?ContainerdNamespaceCreated "
#define WAS_NETWORK "?CNINetworkExistsPre ?CNINetworkExistsPost ?CNINetworkCreated "
#define CELL_CREATED                                                                         \
	"*Cell " WAS_METADATA WAS_CGROUP "?RootContainerExistsPre ?RootContainerExistsPost " \
	"?RootContainerCreated ?StartedPre ?StartedPost ?Started ?Created @Containers"

static const struct method methods[] = {
	{"ApplyDocuments", -1, documents, .result = "@Resources", .is_change = true},
	{"CreateCell", KK_KIND_CELL, create_cell, .result = CELL_CREATED, .is_change = true},
	{"CreateRealm", KK_KIND_REALM, create_scope,
		.result = "*Realm " WAS_METADATA WAS_CGROUP WAS_NAMESPACE "?Created",
		.is_change = true},
	{"CreateSpace", KK_KIND_SPACE, create_scope,
		.result = "*Space " WAS_METADATA WAS_CGROUP WAS_NETWORK "?Created",
		.is_change = true},
	{"CreateStack", KK_KIND_STACK, create_scope,
		.result = "*Stack " WAS_METADATA WAS_CGROUP "?Created", .is_change = true},
	{"DeleteCell", KK_KIND_CELL, delete_cell,
		.result = "*Cell ?ContainersDeleted ?CgroupDeleted ?MetadataDeleted",
		.is_change = true},
	{"DeleteDocuments", -1, documents, .result = "@Resources", .is_change = true},
	{"DeleteRealm", KK_KIND_REALM, delete_scope,
		.result = "*Realm @Deleted ?MetadataDeleted ?CgroupDeleted "
			  "?ContainerdNamespaceDeleted",
		.is_change = true},
	{"DeleteSpace", KK_KIND_SPACE, delete_scope,
		.result = "*Space $SpaceName $RealmName ?MetadataDeleted ?CgroupDeleted "
			  "?CNINetworkDeleted @Deleted",
		.is_change = true},
	{"DeleteStack", KK_KIND_STACK, delete_scope,
		.result = "*Stack $StackName $RealmName $SpaceName ?MetadataDeleted ?CgroupDeleted "
			  "@Deleted",
		.is_change = true},
	{"GetCell", KK_KIND_CELL, get_cell,
		.result = "*Cell ?MetadataExists ?CgroupExists ?RootContainerExists "
			  "?RootContainerTaskRunning",
		.is_reading = true},
	{"GetContainer", KK_KIND_CONTAINER, get_container,
		.result = "*Container ?CellMetadataExists ?ContainerExists", .is_reading = true},
	{"GetRealm", KK_KIND_REALM, get_scope,
		.result = "*Realm ?MetadataExists ?CgroupExists ?ContainerdNamespaceExists"},
	{"GetSpace", KK_KIND_SPACE, get_scope,
		.result = "*Space ?MetadataExists ?CgroupExists ?CNINetworkExists"},
	{"GetStack", KK_KIND_STACK, get_scope, .result = "*Stack ?MetadataExists ?CgroupExists"},
	{"KillCell", KK_KIND_CELL, kill_cell, .result = "*Cell ?Killed", .is_change = true},
	{"ListCells", -1, list_scopes, .list = "Cells", .listed = KK_KIND_CELL, .is_reading = true},
	{"ListContainers", -1, list_containers, .list = "Containers", .is_reading = true},
	{"ListImages", -1, image_call, .result = "@Images", .is_local = true},
	{"ListRealms", -1, list_scopes, .list = "Realms", .listed = KK_KIND_REALM},
	{"ListSpaces", -1, list_scopes, .list = "Spaces", .listed = KK_KIND_SPACE},
	{"ListStacks", -1, list_scopes, .list = "Stacks", .listed = KK_KIND_STACK},
	{"LoadImage", -1, image_call, .result = "@Images", .is_local = true},
	{"MaterializeCell", KK_KIND_CELL, create_cell, .result = CELL_CREATED, .is_change = true},
	{"RemoveImage", -1, image_call, .result = "$Name", .is_local = true},
	{"RestartCell", KK_KIND_CELL, restart_cell, .result = "*Cell ?Restarted ?Started",
		.is_change = true},
	{"StartCell", KK_KIND_CELL, start_cell, .result = "*Cell ?Started", .is_change = true},
	{"StopCell", KK_KIND_CELL, stop_cell, .result = "*Cell ?Stopped", .is_change = true},
};

/* The method of "KukeonV1.<name>", or the text that Go's net/rpc has for one that is not there. */
static const struct method *method_find(const char *full, bool is_local, char **ret_refusal)
{
	const char *dot = strrchr(full, '.');

	if (!dot) {
		*ret_refusal = kk_xprintf("rpc: service/method request ill-formed: %s", full);
		return NULL;
	}
	if (strncmp(full, "KukeonV1.", (size_t)(dot - full) + 1) != 0 || dot - full != 8) {
		*ret_refusal = kk_xprintf("rpc: can't find service %s", full);
		return NULL;
	}
	for (size_t i = 0; i < KK_COUNT(methods); i++) {
		if (strcmp(methods[i].name, dot + 1) == 0 && (is_local || !methods[i].is_local))
			return &methods[i];
	}
	*ret_refusal = kk_xprintf("rpc: can't find method %s", full);
	return NULL;
}

static const struct {
	const char *name;
	bool is_flag;
} scalar_args[] = {
	{"RealmName", false},
	{"SpaceName", false},
	{"StackName", false},
	{"CellName", false},
	{"Path", false},
	{"Ref", false},
	{"RawYAML", false},
	{"Cascade", true},
	{"Force", true},
};

/* What is wrong with the arguments that are no documents; NULL: nothing. Taken for absent, a filter would
 * select everything, and cut at a zero byte, something else. */
static char *scalars_check(const json_t *args)
{
	for (size_t i = 0; i < KK_COUNT(scalar_args); i++) {
		const char *name = scalar_args[i].name;
		const json_t *arg = kk_json_get(args, name);

		if (!arg)
			continue;
		if (!(scalar_args[i].is_flag ? json_is_boolean(arg) : json_is_string(arg)))
			return kk_xprintf("json: cannot unmarshal field %s: not a %s", name,
				scalar_args[i].is_flag ? "bool" : "string");
		if (json_is_string(arg) &&
			strlen(json_string_value(arg)) != json_string_length(arg))
			return kk_xprintf("field %s has a zero byte", name);
	}
	return NULL;
}

/* What the store remembers beside a document, such as whether the object was complete once, is not for a
 * client to say. */
static void internal_drop(const struct kk_schema *schema, void *doc)
{
	for (unsigned i = 0; i < schema->n_fields; i++) {
		const struct kk_field *field = &schema->fields[i];

		if (field->flags & KK_INTERNAL)
			kk_schema_release(field->sub(), kk_field_at(field, doc));
	}
}

/* Read the arguments; a wrong type is a refusal with the reason. */
static char *args_read(struct api *api)
{
	const json_t *doc = kk_json_get(api->args, "Doc");
	const json_t *yaml = kk_json_get(api->args, "RawYAML");
	enum kk_kind kind = (enum kk_kind)api->method->kind;
	struct kk_err err = {0};
	kk_auto_buf decoded = {0};
	char text[KK_ERR_TEXT];
	char *refusal;

	if (!json_is_object(api->args))
		return kk_xstrdup("json: cannot unmarshal the arguments: not an object");
	refusal = scalars_check(api->args);
	if (refusal)
		return refusal;
	if (json_is_string(yaml) && base64_decode(json_string_value(yaml), &decoded) < 0)
		return kk_xstrdup("illegal base64 data at input byte 0");
	if (api->method->kind < 0)
		return NULL;
	if (doc && !json_is_object(doc))
		return kk_xstrdup("json: cannot unmarshal field Doc: not an object");
	kk_schema_init(kk_kind_schema(kind), &api->doc);
	api->has_doc = true;
	if (doc && kk_json_decode(kk_kind_schema(kind), doc, &api->doc, &err) < 0) {
		kk_err_format(&err, text, sizeof text);
		return kk_xstrdup(text);
	}
	internal_drop(kk_kind_schema(kind), &api->doc);
	kk_doc_trim(kind, &api->doc);
	api->scope = kk_doc_scope(kind, &api->doc);
	return NULL;
}

static void api_run(const struct kk_err *ignored, void *arg)
{
	struct api *api = arg;
	const struct kk_realm *any = (const void *)&api->doc;
	struct kk_err err = {0};

	(void)ignored;
	if (api->has_doc && !kk_str_empty(any->api_version) &&
		strcmp(any->api_version, KK_API_VERSION) != 0)
		kk_fail(&err, KK_E_CONVERSION,
			"conversion failed: unsupported apiVersion: %s (expected " KK_API_VERSION
			")",
			any->api_version);
	else if (api->has_doc)
		scope_check(api, &err);
	if (err.code)
		api_fail(api, &err);
	else
		api->method->run(api);
}

/* Whoever asks for an operation that a former supervisor began gets its answer, and does nothing again: the
 * world may have moved on since. False: it has to be done. */
static bool finished_answer(struct kk_call *call, const struct method *method,
	struct kk_rep_api_request *rep, int *ret)
{
	char *text;

	for (struct api *api = finishing; api; api = api->next) {
		if (api->op == call->op && api->method == method && !api->call) {
			api->call = call;
			*ret = KK_LATER;
			return true;
		}
	}
	text = rc_journal_reply_read(call->op, method->name);
	if (text) {
		rep->result = (struct kk_bin){(uint8_t *)text, strlen(text)};
		rep->is_change = true;
		rep->is_noted = true;
		*ret = 0;
	}
	return text != NULL;
}

int rc_api_handle(struct kk_call *call, const struct kk_req_api_request *req,
	struct kk_rep_api_request *rep, struct kk_err *err)
{
	kk_auto_free char *refusal = NULL;
	const struct method *method = method_find(kk_str(req->method), req->is_local, &refusal);
	struct api *api;
	int r;

	(void)err;
	kk_info("call method=%s peer_pid=%lld peer_uid=%lld", kk_str(req->method),
		(long long)req->peer_pid, (long long)req->peer_uid);
	if (!method) {
		api_refuse(rep, refusal);
		return 0;
	}
	if (method->is_change && !rc.worker->config.is_embedded &&
		finished_answer(call, method, rep, &r))
		return r;
	api = kk_xalloc(sizeof *api);
	*api = (struct api){.call = call, .op = call->op, .method = method};
	api->args = json_loadb((char *)req->params.data, req->params.len, JSON_ALLOW_NUL, NULL);
	refusal = args_read(api);
	if (refusal) {
		api_refuse(rep, refusal);
		api_free(api);
		return 0;
	}
	/* Nobody but whoever typed it finishes an in-process command. */
	if (method->is_change && !rc.worker->config.is_embedded)
		rc_journal_request_save(call->op, req->method, &req->params);
	/* Nobody followed the events for an in-process command: it looks for itself. */
	if (method->is_reading && rc.worker->config.is_embedded)
		rc_observe_all(call->op, api_run, api);
	else
		api_run(NULL, api);
	return KK_LATER;
}

bool rc_api_is_under_way(uint64_t op)
{
	for (const struct kk_call *call = rc.worker->dispatch.calls; call; call = call->next) {
		if (call->op == op)
			return true;
	}
	return false;
}

void rc_api_finish(uint64_t op, const char *name, const struct kk_bin *params)
{
	kk_auto_free char *refusal = NULL;
	struct api *api;

	api = kk_xalloc(sizeof *api);
	*api = (struct api){.op = op, .method = method_find(name, true, &refusal)};
	if (!api->method) {
		kk_warning("an operation can't be finished: %s", kk_str(refusal));
		rc_journal_request_drop(op);
		free(api);
		return;
	}
	api->args = json_loadb((char *)params->data, params->len, JSON_ALLOW_NUL, NULL);
	refusal = args_read(api);
	kk_log_set_op(op);
	if (refusal) {
		kk_warning("an operation can't be finished: %s", refusal);
		rc_journal_request_drop(op);
		api_free(api);
	} else {
		kk_info("finishing what was begun method=%s", name);
		api->next = finishing;
		finishing = api;
		api_run(NULL, api);
	}
	kk_log_set_op(0);
}
