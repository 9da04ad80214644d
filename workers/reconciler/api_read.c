/* workers/reconciler/api_read.c - Get and List: documents as they are stored, and what can be seen beside them. */
#include "api.h"

#include <stdlib.h>
#include <string.h>

#include <kukeon/buf.h>
#include <kukeon/clock.h>
#include <kukeon/mem.h>

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
	json_object_set_new(result, kk_kind_name(kind), rc_api_stored(&api->scope, kind));
	json_object_set_new(result, "MetadataExists", json_boolean(rc_store_exists(&api->scope)));
	json_object_set_new(result, "CgroupExists", json_boolean(cgroup && cgroup->exists));
	if (kind == KK_KIND_REALM)
		json_object_set_new(result, "ContainerdNamespaceExists",
			json_boolean(namespace && namespace->exists));
	if (kind == KK_KIND_SPACE)
		json_object_set_new(result, "CNINetworkExists",
			json_boolean(network && network->exists));
	rc_api_result(api, result);
}

/* The document is answered even if a backend can't be asked. */
static void steps_optional(struct rc_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		plan->steps[i].is_optional = true;
}

void rc_api_get_scope(struct api *api)
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

void rc_api_get_cell(struct api *api)
{
	bool exists = rc_store_exists(&api->scope);
	json_t *cell = rc_api_stored(&api->scope, KK_KIND_CELL);
	bool is_up = cell_is_up(cell);

	/* There is no pause container: the sandbox takes the place of the root container. */
	rc_api_result(api,
		json_pack("{s:o, s:b, s:b, s:b, s:b}", "Cell", cell, "MetadataExists", exists,
			"CgroupExists", exists, "RootContainerExists", exists,
			"RootContainerTaskRunning", exists && is_up));
}

const struct kk_container_spec *rc_api_container_find(struct api *api, struct kk_cell *ret_cell)
{
	const char *name = kk_str(api->doc.container.metadata.name);
	const struct kk_container_spec *spec;
	struct kk_err err = {0};
	int r = rc_store_load(&api->scope, ret_cell, &err);

	if (!*name)
		name = kk_str(api->doc.container.spec.id);
	if (r == 0)
		kk_fail(&err, KK_E_CELL_NOT_FOUND, "failed to get cell \"%s\": cell not found",
			api->scope.cell);
	if (r <= 0) {
		rc_api_fail(api, &err);
		return NULL;
	}
	spec = kk_cell_container(ret_cell, name);
	if (spec)
		return spec;
	kk_fail(&err, KK_E_CONTAINER_NOT_FOUND,
		"container \"%s\" not found in cell \"%s\" at run-path \"%s\"", name,
		api->scope.cell, rc.run_path);
	kk_cell_release(ret_cell);
	rc_api_fail(api, &err);
	return NULL;
}

void rc_api_get_container(struct api *api)
{
	struct kk_cell cell;
	struct kk_container found = {0};
	const struct kk_container_spec *spec = rc_api_container_find(api, &cell);
	const struct kk_container_status *status;

	if (!spec)
		return;
	status = kk_cell_container_status(&cell, spec->id);
	kk_schema_init(kk_schema_of_container(), &found);
	kk_schema_copy(kk_schema_of_container_spec(), spec, &found.spec);
	if (status)
		kk_schema_copy(kk_schema_of_container_status(), status, &found.status);
	found.metadata.name = kk_xstrdup(spec->id);
	for (size_t i = 0; i < api->doc.container.metadata.labels.n; i++)
		kk_map_set(&found.metadata.labels, api->doc.container.metadata.labels.items[i].key,
			api->doc.container.metadata.labels.items[i].value);
	kk_doc_default(KK_KIND_CONTAINER, &found);
	kk_str_set(&found.spec.containerd_id, NULL);
	rc_api_result(api,
		json_pack("{s:o, s:b, s:b}", "Container",
			kk_json_encode(kk_schema_of_container(), &found, KK_JSON_API),
			"CellMetadataExists", 1, "ContainerExists",
			status && status->state != KK_CONTAINER_NOT_CREATED));
	kk_container_release(&found);
	kk_cell_release(&cell);
}

/* Where its output is kept: the client reads the file itself. */
void rc_api_log_container(struct api *api)
{
	struct kk_cell cell;
	const struct kk_container_spec *spec = rc_api_container_find(api, &cell);
	kk_auto_free char *path = NULL;

	if (!spec)
		return;
	path = rc_log_path(&api->scope, spec);
	rc_api_result(api,
		json_pack("{s:s, s:s}", "HostCapturePath", spec->attachable ? path : "",
			"HostLogPath", spec->attachable ? "" : path));
	kk_cell_release(&cell);
}

/* Where its terminal is: the client goes there itself. */
void rc_api_attach_container(struct api *api)
{
	struct kk_cell cell;
	const struct kk_container_spec *spec = rc_api_container_find(api, &cell);
	const struct kk_container_status *status;
	kk_auto_free char *link = NULL;
	struct kk_err err = {0};
	int state;

	if (!spec)
		return;
	status = kk_cell_container_status(&cell, spec->id);
	state = status ? (int)status->state : KK_CONTAINER_NOT_CREATED;
	link = rc_tty_link(&api->scope, spec->id);
	if (!spec->attachable)
		kk_fail(&err, KK_E_ATTACH_NOT_SUPPORTED,
			"container is not attachable; recreate with attachable=true");
	else if (state != KK_CONTAINER_READY)
		kk_fail(&err, KK_E_ATTACH_NOT_RUNNING,
			"container task is not running; cannot attach to a dead socket: container "
			"\"%s\" in cell \"%s\" has state %s",
			spec->id, api->scope.cell, kk_state_name(KK_KIND_CONTAINER, state));
	kk_cell_release(&cell);
	if (err.code)
		rc_api_fail(api, &err);
	else
		rc_api_result(api, json_pack("{s:s}", "HostSocketPath", link));
}

static void located(const struct kk_err *err, void *arg)
{
	struct api *api = arg;
	const struct kk_rep_container_list *list =
		rc_plan_reply(&api->plan, KK_MSG_container_list, 0);
	const struct kk_task_info *task;
	struct kk_err failure = {0};

	if (err) {
		rc_api_fail(api, err);
		return;
	}
	task = list && list->containers.n ? &list->containers.items[0] : NULL;
	if (task && task->state == KK_CONTAINER_READY) {
		rc_api_result(api, json_pack("{s:I}", "Pid", (json_int_t)task->pid));
		return;
	}
	kk_fail(&failure, KK_E_STATE, "the container does not run");
	rc_api_fail(api, &failure);
}

/* Which process it is: root of this machine can go there. */
void rc_api_locate_container(struct api *api)
{
	struct kk_cell cell;
	const struct kk_container_spec *spec = rc_api_container_find(api, &cell);
	struct kk_req_container_list *req;
	kk_auto_free char *id = NULL, *namespace = NULL;
	struct kk_err err = {0};

	if (!spec)
		return;
	id = rc_container_id(&api->scope, spec->id);
	kk_cell_release(&cell);
	namespace = rc_store_namespace(api->scope.realm, &err);
	if (!namespace) {
		rc_api_fail(api, &err);
		return;
	}
	req = rc_plan_add(&api->plan, 0, KK_MSG_container_list);
	req->namespace = kk_steal(&namespace);
	kk_strs_add(&req->ids, id);
	rc_plan_run(&api->plan, api->op, located, api);
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
		const char *text;

		if (filter[level] && *filter[level] && strcmp(filter[level], names.items[i]) != 0)
			continue;
		*rc_scope_part(&child, level) = names.items[i];
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

void rc_api_list_scopes(struct api *api)
{
	const char *const filter[] = {rc_api_string(api, "RealmName"),
		rc_api_string(api, "SpaceName"), rc_api_string(api, "StackName"), ""};
	const struct kk_scope top = {0};
	kk_auto_buf out = {0};
	struct kk_err err = {0};

	kk_buf_printf(&out, "{\"%s\":[", api->method->list);
	if (list_walk(&top, api->method->listed, filter, &out, &err) < 0) {
		rc_api_fail(api, &err);
		return;
	}
	kk_buf_str(&out, "],\"Err\":null}");
	rc_api_end(api, kk_buf_take(&out));
}

void rc_api_list_containers(struct api *api)
{
	const char *const filter[] = {rc_api_string(api, "RealmName"),
		rc_api_string(api, "SpaceName"), rc_api_string(api, "StackName"),
		rc_api_string(api, "CellName")};
	const struct kk_scope top = {0};
	kk_auto_buf cells = {0};
	kk_auto_json *list = NULL;
	json_t *containers, *cell;
	struct kk_err err = {0};
	size_t i;

	kk_buf_str(&cells, "[");
	if (list_walk(&top, 3, filter, &cells, &err) < 0) {
		rc_api_fail(api, &err);
		return;
	}
	kk_buf_str(&cells, "]");
	containers = json_array();
	list = json_loadb((char *)cells.data, cells.len, 0, NULL);
	json_array_foreach (list, i, cell)
		json_array_extend(containers,
			json_object_get(json_object_get(cell, "spec"), "containers"));
	rc_api_reply(api, json_pack("{s:o, s:n}", "Containers", containers, "Err"));
}

/* Within what was asked for? */
static bool is_in_scope(const struct api *api, const struct kk_scope *scope)
{
	const char *const asked[] = {rc_api_string(api, "RealmName"),
		rc_api_string(api, "SpaceName"), rc_api_string(api, "StackName"),
		rc_api_string(api, "CellName")};
	struct kk_scope copy = *scope;

	for (int i = 0; i < 4; i++) {
		if (*asked[i] && !kk_str_equal(asked[i], *rc_scope_part(&copy, i)))
			return false;
	}
	return true;
}

/* --- ListEvents --- */

enum {
	EVENTS_WAIT_MS = 5000
}; /* then it is for the client to ask again, whose connection may have gone */

/* A call that waits for what is not there yet. */
struct events_call {
	struct api *api;
	int64_t since;
	int64_t limit; /* only the last ones; 0: all */
	int64_t deadline_ms;
};

static bool is_asked_for(const struct api *api, const json_t *event)
{
	const struct kk_scope scope = {
		json_string_value(json_object_get(event, "realm")),
		json_string_value(json_object_get(event, "space")),
		json_string_value(json_object_get(event, "stack")),
		json_string_value(json_object_get(event, "cell")),
	};

	return is_in_scope(api, &scope);
}

static void events_answer(const struct kk_err *err, void *arg)
{
	struct events_call *call = arg;
	struct api *api = call->api;
	int64_t last, missed, now = kk_clock_ms();
	json_t *events = rc_events_read(call->since, &last, &missed);

	(void)err;
	for (size_t i = json_array_size(events); i-- > 0;) {
		if (!is_asked_for(api, json_array_get(events, i)))
			json_array_remove(events, i);
	}
	while (call->limit && (int64_t)json_array_size(events) > call->limit)
		json_array_remove(events, 0);
	if (!json_array_size(events) && !missed && now < call->deadline_ms &&
		rc_events_wait(call->deadline_ms - now, events_answer, call)) {
		json_decref(events);
		return;
	}
	free(call);
	rc_api_result(api,
		json_pack("{s:o, s:I, s:I}", "Events", events, "Sequence", (json_int_t)last,
			"Missed", (json_int_t)missed));
}

void rc_api_list_events(struct api *api)
{
	const json_t *since = kk_json_get(api->args, "Since");
	int64_t wait_ms = rc_api_integer(api, "WaitMilliseconds");
	struct events_call *call = kk_xalloc(sizeof *call);

	*call = (struct events_call){
		.api = api,
		.since = since ? json_integer_value(since) : -1,
		.limit = rc_api_integer(api, "Limit"),
		.deadline_ms =
			kk_clock_ms() + (wait_ms < EVENTS_WAIT_MS ? wait_ms : EVENTS_WAIT_MS),
	};
	events_answer(NULL, call);
}

/* --- ListUsage --- */

struct usage_call {
	struct api *api;
	struct kk_strs paths; /* of the cells that are asked for, one step of the plan each */
};

static void usage_ask(const struct kk_scope *scope, void *arg)
{
	struct usage_call *call = arg;
	struct kk_req_cgroup_get *req;

	if (!scope->cell || !is_in_scope(call->api, scope))
		return;
	req = rc_plan_add(&call->api->plan, 0, KK_MSG_cgroup_get);
	req->path = rc_cgroup_path(scope);
	call->api->plan.steps[call->api->plan.n - 1].is_optional = true;
	kk_strs_take(&call->paths, rc_scope_path(scope));
}

/* A ceiling of the cell's is the sum of those of its containers, where each has one. */
static int64_t limit_of(const struct kk_cell *cell)
{
	int64_t sum = 0;

	for (size_t i = 0; i < cell->spec.containers.n; i++) {
		int64_t one = rc_memory_limit(&cell->spec.containers.items[i]);

		if (one <= 0)
			return 0;
		sum += one;
	}
	return sum;
}

static json_t *usage_json(const char *path, const struct kk_rep_cgroup_get *cgroup)
{
	kk_auto_free char *parts = kk_xstrdup(path);
	struct kk_err ignored = {0};
	struct kk_usage usage = {0};
	struct kk_scope scope;
	struct kk_cell cell;
	json_t *json;

	(void)rc_scope_parse(parts, &scope);
	if (rc_store_load(&scope, &cell, &ignored) != 1)
		return NULL;
	usage = (struct kk_usage){
		.realm = (char *)scope.realm,
		.space = (char *)scope.space,
		.stack = (char *)scope.stack,
		.cell = (char *)scope.cell,
		.state = (char *)kk_state_name(KK_KIND_CELL, cell.status.state),
		.memory_bytes = cgroup ? (int64_t)cgroup->memory_bytes : 0,
		.memory_limit_bytes = limit_of(&cell),
		.cpu_us = cgroup ? (int64_t)cgroup->cpu_usage_us : 0,
		.pids = cgroup ? (int64_t)cgroup->pids : 0,
	};
	json = kk_json_encode(kk_schema_of_usage(), &usage, KK_JSON_API);
	kk_cell_release(&cell);
	return json;
}

static void usage_done(const struct kk_err *err, void *arg)
{
	struct usage_call *call = arg;
	struct api *api = call->api;
	json_t *list = json_array();

	(void)err;
	for (size_t i = 0; i < call->paths.n; i++) {
		json_t *usage = usage_json(call->paths.items[i], api->plan.steps[i].rep);

		if (usage)
			json_array_append_new(list, usage);
	}
	kk_strs_release(&call->paths);
	free(call);
	/* By the clock of this host: a share of it can be told from two of these answers. */
	rc_api_result(api,
		json_pack("{s:o, s:I}", "Usage", list, "Microseconds", (json_int_t)kk_clock_us()));
}

void rc_api_list_usage(struct api *api)
{
	struct usage_call *call = kk_xalloc(sizeof *call);

	call->api = api;
	rc_walk(&(struct kk_scope){0}, usage_ask, call);
	rc_plan_run(&api->plan, api->op, usage_done, call);
}

/* --- ListLeaks, FixLeaks --- */

static void leaks_found(json_t *leaks, const struct kk_err *err, void *arg)
{
	struct api *api = arg;

	if (err)
		rc_api_fail(api, err);
	else
		rc_api_result(api, json_pack("{s:O}", "Leaks", leaks));
}

void rc_api_leaks(struct api *api)
{
	rc_leaks_find(api->method->is_change, api->op, leaks_found, api);
}

/* --- GetStorage --- */

static void storage_seen(const struct kk_err *err, void *arg)
{
	struct api *api = arg;
	const struct kk_rep_storage_get *storage = rc_plan_reply(&api->plan, KK_MSG_storage_get, 0);

	if (err)
		rc_api_fail(api, err);
	else
		rc_api_result(api,
			json_pack("{s:{s:I, s:I, s:I, s:I}}", "Storage", "snapshots",
				(json_int_t)storage->snapshots, "leases",
				(json_int_t)storage->leases, "blobs", (json_int_t)storage->blobs,
				"blobsBytes", (json_int_t)storage->blob_bytes));
}

void rc_api_get_storage(struct api *api)
{
	const struct kk_scope realm = {.realm = rc_api_string(api, "RealmName")};
	struct kk_req_storage_get *req;
	struct kk_err err = {0};
	char *namespace;

	if (!rc_api_is_realm(&realm, &err) ||
		!(namespace = rc_store_namespace(realm.realm, &err))) {
		rc_api_fail(api, &err);
		return;
	}
	req = rc_plan_add(&api->plan, 0, KK_MSG_storage_get);
	req->namespace = namespace;
	rc_plan_run(&api->plan, api->op, storage_seen, api);
}
