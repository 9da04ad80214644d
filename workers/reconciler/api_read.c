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

/* The container that is asked for, in @ret_cell. NULL: there is none, and the call has failed. */
static const struct kk_container_spec *container_find(struct api *api, struct kk_cell *ret_cell)
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
	const struct kk_container_spec *spec = container_find(api, &cell);
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
	const struct kk_container_spec *spec = container_find(api, &cell);
	kk_auto_free char *dir = NULL, *path = NULL;

	if (!spec)
		return;
	dir = rc_scope_dir(&api->scope);
	path = kk_xprintf("%s/%s/%s", dir, spec->id, spec->attachable ? "tty/capture" : "log");
	rc_api_result(api,
		json_pack("{s:s, s:s}", "HostCapturePath", spec->attachable ? path : "",
			"HostLogPath", spec->attachable ? "" : path));
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

/* Of the scope that was asked for? */
static bool is_asked_for(const struct api *api, const json_t *event)
{
	static const char *const parts[][2] = {{"RealmName", "realm"}, {"SpaceName", "space"},
		{"StackName", "stack"}, {"CellName", "cell"}};

	for (size_t i = 0; i < KK_COUNT(parts); i++) {
		const char *asked = rc_api_string(api, parts[i][0]);

		if (*asked &&
			!kk_str_equal(asked,
				json_string_value(json_object_get(event, parts[i][1]))))
			return false;
	}
	return true;
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
