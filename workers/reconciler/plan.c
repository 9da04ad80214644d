/* workers/reconciler/plan.c - what has to be done, as messages: pure functions of documents. */
#include "rc.h"

#include <stdlib.h>
#include <string.h>

#include <kukeon/buf.h>
#include <kukeon/mem.h>
#include <kukeon/sha256.h>

void *rc_plan_add(struct rc_plan *plan, unsigned phase, unsigned msg)
{
	const struct kk_schema *schema = kk_msg_row(msg)->req();
	struct rc_step *step;

	plan->steps = kk_xrealloc(plan->steps, (plan->n + 1) * sizeof plan->steps[0]);
	step = &plan->steps[plan->n++];
	*step = (struct rc_step){.phase = phase, .msg = msg, .req = kk_xalloc(schema->size)};
	kk_schema_init(schema, step->req);
	return step->req;
}

static void step_release(struct rc_step *step)
{
	const struct kk_msg_row *row = kk_msg_row(step->msg);

	kk_schema_release(row->req(), step->req);
	if (step->rep)
		kk_schema_release(row->rep(), step->rep);
	free(step->req);
	free(step->rep);
}

void rc_plan_drop_first(struct rc_plan *plan)
{
	step_release(&plan->steps[0]);
	plan->n--;
	memmove(&plan->steps[0], &plan->steps[1], plan->n * sizeof plan->steps[0]);
}

void rc_plan_release(struct rc_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		step_release(&plan->steps[i]);
	free(plan->steps);
	*plan = (struct rc_plan){0};
}

const void *rc_plan_reply(const struct rc_plan *plan, unsigned msg, size_t nth)
{
	for (size_t i = 0; i < plan->n; i++) {
		if (plan->steps[i].msg == msg && nth-- == 0)
			return plan->steps[i].rep;
	}
	return NULL;
}

static void cgroup_add(struct rc_plan *plan, unsigned phase, const struct kk_scope *scope)
{
	struct kk_req_cgroup_ensure *req = rc_plan_add(plan, phase, KK_MSG_cgroup_ensure);

	req->path = rc_cgroup_path(scope);
}

void rc_plan_realm_make(struct rc_plan *plan, const struct kk_realm *realm)
{
	struct kk_req_namespace_ensure *req = rc_plan_add(plan, 0, KK_MSG_namespace_ensure);

	req->namespace = kk_str_empty(realm->spec.namespace) ?
		rc_namespace_default(realm->metadata.name) :
		kk_xstrdup(realm->spec.namespace);
	cgroup_add(plan, 0, &(struct kk_scope){.realm = realm->metadata.name});
}

void rc_plan_space_make(struct rc_plan *plan, const struct kk_space *space)
{
	const struct kk_scope scope = kk_doc_scope(KK_KIND_SPACE, space);
	struct kk_req_space_network_ensure *req = rc_plan_add(plan, 0, KK_MSG_space_network_ensure);

	req->realm = kk_xstrdup(scope.realm);
	req->space = kk_xstrdup(scope.space);
	kk_schema_copy(kk_schema_of_egress(), &space->spec.network.egress, &req->egress);
	cgroup_add(plan, 0, &scope);
}

void rc_plan_stack_make(struct rc_plan *plan, const struct kk_stack *stack)
{
	const struct kk_scope scope = kk_doc_scope(KK_KIND_STACK, stack);

	cgroup_add(plan, 0, &scope);
}

static void strs_join(struct kk_strs *to, const struct kk_strs *from)
{
	for (size_t i = 0; i < from->n; i++) {
		if (!kk_strs_has(to, from->items[i]))
			kk_strs_add(to, from->items[i]);
	}
}

void rc_plan_sandbox_make(struct rc_plan *plan, const struct kk_cell *cell)
{
	const struct kk_scope scope = kk_doc_scope(KK_KIND_CELL, cell);
	struct kk_req_cell_network_ensure *req = rc_plan_add(plan, 0, KK_MSG_cell_network_ensure);

	req->realm = kk_xstrdup(scope.realm);
	req->space = kk_xstrdup(scope.space);
	req->stack = kk_xstrdup(scope.stack);
	req->cell = kk_xstrdup(scope.cell);
	req->is_host = kk_cell_is_on_host_network(cell);
	req->is_shared = cell->spec.containers.n > 1;
	/* All containers of a cell share one network: what one of them asks for is the cell's. */
	for (size_t i = 0; i < cell->spec.containers.n; i++) {
		const struct kk_container_spec *spec = &cell->spec.containers.items[i];

		strs_join(&req->ports, &spec->ports);
		strs_join(&req->networks, &spec->networks);
		strs_join(&req->aliases, &spec->networks_aliases);
	}
	cgroup_add(plan, 0, &scope);
}

static bool is_among(const struct kk_strs *only, const struct kk_container_spec *spec)
{
	return !only || !only->n || kk_strs_has(only, spec->id);
}

void rc_plan_containers_prepare(struct rc_plan *plan, const struct kk_cell *cell,
	const struct kk_strs *only, const char *namespace)
{
	const struct kk_scope scope = kk_doc_scope(KK_KIND_CELL, cell);

	for (size_t i = 0; i < cell->spec.containers.n; i++) {
		const struct kk_container_spec *spec = &cell->spec.containers.items[i];
		struct kk_req_container_prepare *req;

		if (!is_among(only, spec))
			continue;
		req = rc_plan_add(plan, 0, KK_MSG_container_prepare);
		req->namespace = kk_xstrdup(namespace);
		req->id = rc_container_id(&scope, spec->id);
		req->image = kk_xstrdup(spec->image);
	}
}

/* What the container was made from, as one number for its label. */
static char *spec_hash(const struct kk_container_spec *spec)
{
	const struct kk_schema *schema = kk_schema_of_container_spec();
	kk_auto_json *json = kk_json_encode(schema, spec, KK_JSON_API);
	kk_auto_free char *text = NULL;
	char sum[KK_SHA256_TEXT];

	for (unsigned i = 0; i < schema->n_fields; i++) {
		if (!(schema->fields[i].flags & KK_BAKED))
			json_object_del(json, schema->fields[i].name);
	}
	text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
	kk_sha256_text(text, strlen(text), sum);
	return kk_xstrdup(sum);
}

static void labels_fill(struct kk_map *labels, const struct kk_scope *scope,
	const struct kk_container_spec *spec, const char *hash)
{
	kk_map_set(labels, "kukeon.io/container-type", spec->root ? "root" : "container");
	kk_map_set(labels, RC_LABEL_CONTAINER, spec->id);
	kk_map_set(labels, "kukeon.io/cell", scope->cell);
	kk_map_set(labels, "kukeon.io/stack", scope->stack);
	kk_map_set(labels, "kukeon.io/space", scope->space);
	kk_map_set(labels, "kukeon.io/realm", scope->realm);
	kk_map_set(labels, "kukeon.io/spec-hash", hash);
	kk_map_set(labels, "kukeon.io/spec-hash-version", "5");
	kk_map_set(labels, RC_LABEL_INSTANCE, rc.worker->config.instance);
}

/* Nobody but containerd can start kukeond again. */
static bool is_kept(const struct kk_scope *scope, const struct kk_container_spec *spec)
{
	return spec->root && kk_str_equal(scope->realm, KK_SYSTEM_REALM) &&
		kk_str_equal(spec->restart_policy, "always");
}

static void create_add(struct rc_plan *plan, unsigned phase, const struct kk_cell *cell,
	const struct kk_container_spec *spec, const char *namespace,
	const struct kk_rep_cell_network_ensure *network)
{
	const struct kk_scope scope = kk_doc_scope(KK_KIND_CELL, cell);
	struct kk_req_container_create *req = rc_plan_add(plan, phase, KK_MSG_container_create);
	kk_auto_free char *hash = spec_hash(spec);

	req->namespace = kk_xstrdup(namespace);
	req->id = rc_container_id(&scope, spec->id);
	kk_schema_copy(kk_schema_of_container_spec(), spec, &req->spec);
	kk_str_set(&req->spec.realm_id, scope.realm);
	kk_str_set(&req->spec.space_id, scope.space);
	kk_str_set(&req->spec.stack_id, scope.stack);
	kk_str_set(&req->spec.cell_id, scope.cell);
	labels_fill(&req->labels, &scope, spec, hash);
	req->spec_hash = kk_steal(&hash);
	req->group = kk_xprintf("%s-%s-%s", scope.space, scope.stack, scope.cell);
	req->hostname = kk_xstrdup(scope.cell);
	req->cell_cgroup_path = rc_cgroup_path(&scope);
	req->cgroup_path = rc_container_cgroup(&scope, spec->id);
	req->netns_path = kk_xstrdup(network->netns_path);
	req->utsns_path = kk_xstrdup(network->utsns_path);
	req->ipcns_path = kk_xstrdup(network->ipcns_path);
	req->files_dir = kk_xstrdup(network->files_dir);
	req->log_path = rc_log_path(&scope, spec);
	if (spec->attachable)
		req->tty_link = rc_tty_link(&scope, spec->id);
	req->log_max_bytes = spec->logging.max_bytes.is_set ? spec->logging.max_bytes.value :
							      rc.worker->config.log_max_bytes;
	req->log_max_files = spec->logging.max_files.is_set ? spec->logging.max_files.value :
							      rc.worker->config.log_max_files;
	req->is_kept = is_kept(&scope, spec);
	req->memory_limit_bytes = rc.worker->config.default_memory_limit_bytes;
}

/* One after the other: the first makes the shim that the others join. */
void rc_plan_containers_make(struct rc_plan *plan, const struct kk_cell *cell,
	const struct kk_strs *only, const char *namespace,
	const struct kk_rep_cell_network_ensure *network)
{
	for (size_t i = 0; i < cell->spec.containers.n; i++) {
		const struct kk_container_spec *spec = &cell->spec.containers.items[i];

		if (is_among(only, spec))
			create_add(plan, (unsigned)i, cell, spec, namespace, network);
	}
}

int64_t rc_memory_limit(const struct kk_container_spec *spec)
{
	int64_t own = spec->resources.memory_limit_bytes.value;

	return own > 0 ? own : rc.worker->config.default_memory_limit_bytes;
}

void rc_plan_oom_watch(struct rc_plan *plan, unsigned phase, const struct kk_cell *cell)
{
	const struct kk_scope scope = kk_doc_scope(KK_KIND_CELL, cell);

	/* A command that runs in-process is over before an event could matter. */
	for (size_t i = 0; i < cell->spec.containers.n && !rc.worker->config.is_embedded; i++) {
		const struct kk_container_spec *spec = &cell->spec.containers.items[i];
		struct kk_req_cgroup_watch *req;

		if (rc_memory_limit(spec) <= 0)
			continue;
		req = rc_plan_add(plan, phase, KK_MSG_cgroup_watch);
		req->path = rc_container_cgroup(&scope, spec->id);
		plan->steps[plan->n - 1].is_optional = true;
	}
}

void rc_plan_containers_start(struct rc_plan *plan, const struct kk_cell *cell,
	const struct kk_strs *only, const char *namespace)
{
	const struct kk_scope scope = kk_doc_scope(KK_KIND_CELL, cell);

	for (size_t i = 0; i < cell->spec.containers.n; i++) {
		struct kk_req_container_start *req;

		if (!is_among(only, &cell->spec.containers.items[i]))
			continue;
		req = rc_plan_add(plan, (unsigned)i, KK_MSG_container_start);
		req->namespace = kk_xstrdup(namespace);
		req->id = rc_container_id(&scope, cell->spec.containers.items[i].id);
		req->is_kept = is_kept(&scope, &cell->spec.containers.items[i]);
	}
	rc_plan_oom_watch(plan, (unsigned)cell->spec.containers.n, cell);
}

void rc_plan_network_remove(struct rc_plan *plan, unsigned phase, const struct kk_scope *scope)
{
	struct kk_req_cell_network_remove *req =
		rc_plan_add(plan, phase, KK_MSG_cell_network_remove);

	req->realm = kk_xstrdup(scope->realm);
	req->space = kk_xstrdup(scope->space);
	req->stack = kk_xstrdup(scope->stack);
	req->cell = kk_xstrdup(scope->cell);
}

void rc_plan_containers_stop(struct rc_plan *plan, const struct kk_cell *cell,
	const char *namespace, int64_t grace_ms)
{
	const struct kk_scope scope = kk_doc_scope(KK_KIND_CELL, cell);

	for (size_t i = 0; i < cell->spec.containers.n; i++) {
		struct kk_req_container_stop *req = rc_plan_add(plan, 0, KK_MSG_container_stop);

		req->namespace = kk_xstrdup(namespace);
		req->id = rc_container_id(&scope, cell->spec.containers.items[i].id);
		req->grace_ms = grace_ms;
	}
}

void rc_plan_cell_stop(struct rc_plan *plan, const struct kk_cell *cell, const char *namespace,
	int64_t grace_ms)
{
	const struct kk_scope scope = kk_doc_scope(KK_KIND_CELL, cell);

	rc_plan_containers_stop(plan, cell, namespace, grace_ms);
	rc_plan_network_remove(plan, 1, &scope);
}

void rc_plan_containers_remove(struct rc_plan *plan, const struct kk_cell *cell,
	const char *namespace, const struct kk_strs *ids)
{
	const struct kk_scope scope = kk_doc_scope(KK_KIND_CELL, cell);

	for (size_t i = 0; i < ids->n; i++) {
		struct kk_req_container_remove *req = rc_plan_add(plan, 0, KK_MSG_container_remove);

		req->namespace = kk_xstrdup(namespace);
		req->id = rc_container_id(&scope, ids->items[i]);
	}
}

static struct kk_req_container_list *list_add(struct rc_plan *plan, const struct kk_scope *scope,
	const char *namespace)
{
	struct kk_req_container_list *req = rc_plan_add(plan, 0, KK_MSG_container_list);

	req->namespace = kk_xstrdup(namespace);
	kk_map_set(&req->labels, "kukeon.io/cell", scope->cell);
	kk_map_set(&req->labels, "kukeon.io/stack", scope->stack);
	kk_map_set(&req->labels, "kukeon.io/space", scope->space);
	return req;
}

void rc_plan_cell_list(struct rc_plan *plan, const struct kk_scope *scope, const char *namespace,
	bool is_records_only)
{
	list_add(plan, scope, namespace)->is_records_only = is_records_only;
}

void rc_plan_containers_list(struct rc_plan *plan, const struct kk_cell *cell,
	const char *namespace)
{
	const struct kk_scope scope = kk_doc_scope(KK_KIND_CELL, cell);
	struct kk_req_container_list *req = list_add(plan, &scope, namespace);

	for (size_t i = 0; i < cell->spec.containers.n; i++)
		kk_strs_take(&req->ids, rc_container_id(&scope, cell->spec.containers.items[i].id));
}

void rc_plan_scope_look(struct rc_plan *plan, const struct kk_scope *scope, const char *namespace)
{
	struct kk_req_cgroup_get *cgroup = rc_plan_add(plan, 0, KK_MSG_cgroup_get);

	cgroup->path = rc_cgroup_path(scope);
	if (!scope->space) {
		struct kk_req_namespace_get *req = rc_plan_add(plan, 0, KK_MSG_namespace_get);

		req->namespace = kk_xstrdup(namespace);
	} else if (!scope->stack) {
		struct kk_req_network_survey *req = rc_plan_add(plan, 0, KK_MSG_network_survey);

		kk_strs_take(&req->spaces, rc_scope_path(scope));
	}
}

void rc_plan_cell_look(struct rc_plan *plan, const struct kk_cell *cell, const char *namespace)
{
	const struct kk_scope scope = kk_doc_scope(KK_KIND_CELL, cell);
	struct kk_req_network_survey *req = rc_plan_add(plan, 0, KK_MSG_network_survey);

	kk_strs_take(&req->cells, rc_scope_path(&scope));
	rc_plan_containers_list(plan, cell, namespace);
}

static void cgroup_remove_add(struct rc_plan *plan, unsigned phase, const struct kk_scope *scope)
{
	struct kk_req_cgroup_remove *req = rc_plan_add(plan, phase, KK_MSG_cgroup_remove);

	req->path = rc_cgroup_path(scope);
}

void rc_plan_cell_remove(struct rc_plan *plan, const struct kk_scope *scope, const char *namespace,
	const struct kk_strs *containerd_ids)
{
	for (size_t i = 0; i < containerd_ids->n; i++) {
		struct kk_req_container_remove *req = rc_plan_add(plan, 0, KK_MSG_container_remove);

		req->namespace = kk_xstrdup(namespace);
		req->id = kk_xstrdup(containerd_ids->items[i]);
	}
	rc_plan_network_remove(plan, 1, scope);
	cgroup_remove_add(plan, 1, scope);
}

void rc_plan_scope_remove(struct rc_plan *plan, const struct kk_scope *scope, const char *namespace)
{
	if (!scope->space) {
		struct kk_req_namespace_remove *req = rc_plan_add(plan, 0, KK_MSG_namespace_remove);

		req->namespace = kk_xstrdup(namespace);
	} else if (!scope->stack) {
		struct kk_req_space_network_remove *req =
			rc_plan_add(plan, 0, KK_MSG_space_network_remove);

		req->realm = kk_xstrdup(scope->realm);
		req->space = kk_xstrdup(scope->space);
	}
	cgroup_remove_add(plan, 0, scope);
}
