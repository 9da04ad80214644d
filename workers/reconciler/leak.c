/* workers/reconciler/leak.c - the documents beside what kernel and containerd have: what has no document is left over
 * from something that nobody finished. */
#include "rc.h"

#include <stdlib.h>
#include <string.h>

#include <kukeon/log.h>
#include <kukeon/mem.h>

struct search {
	bool is_fixing;
	uint64_t op;
	struct kk_strs spaces, cells, objects, realms,
		namespaces; /* by path; those of realms in their order */
	struct rc_plan plan;
	json_t *leaks;
	size_t n_open; /* removals under way */
	rc_leaks_f fn;
	void *arg;
};

static void search_free(struct search *search)
{
	kk_strs_release(&search->spaces);
	kk_strs_release(&search->cells);
	kk_strs_release(&search->objects);
	kk_strs_release(&search->realms);
	kk_strs_release(&search->namespaces);
	rc_plan_release(&search->plan);
	json_decref(search->leaks);
	free(search);
}

static void search_end(struct search *search, const struct kk_err *err)
{
	search->fn(err ? NULL : search->leaks, err, search->arg);
	search_free(search);
}

/* --- what ought to be there --- */

static void object_note(struct search *search, const struct kk_scope *scope)
{
	char *path = rc_scope_path(scope);

	if (scope->cell)
		kk_strs_add(&search->cells, path);
	else if (scope->space && !scope->stack)
		kk_strs_add(&search->spaces, path);
	else if (!scope->space)
		kk_strs_add(&search->realms, path);
	kk_strs_take(&search->objects, path);
}

/* All of them: what could not be looked at would be taken for left over. */
static int objects_read(struct search *search, const struct kk_scope *scope, int level,
	struct kk_err *err)
{
	kk_auto(kk_strs_release) struct kk_strs names = {0};

	if (rc_store_children(scope, &names, err) < 0)
		return kk_failed(err);
	for (size_t i = 0; i < names.n; i++) {
		struct kk_scope child = *scope;

		*rc_scope_part(&child, level) = names.items[i];
		object_note(search, &child);
		if (level < 3 && objects_read(search, &child, level + 1, err) < 0)
			return kk_failed(err);
	}
	return 0;
}

static int inventory_ask(struct search *search, struct kk_err *err)
{
	struct kk_req_network_inventory *network =
		rc_plan_add(&search->plan, 0, KK_MSG_network_inventory);
	struct kk_req_namespace_list *list;

	for (size_t i = 0; i < search->spaces.n; i++)
		kk_strs_add(&network->spaces, search->spaces.items[i]);
	for (size_t i = 0; i < search->cells.n; i++)
		kk_strs_add(&network->cells, search->cells.items[i]);
	rc_plan_add(&search->plan, 0, KK_MSG_cgroup_inventory);
	list = rc_plan_add(&search->plan, 0, KK_MSG_namespace_list);
	list->suffix = kk_xstrdup(rc.suffix);
	for (size_t i = 0; i < search->realms.n; i++) {
		struct kk_req_container_list *containers;
		struct kk_req_snapshot_list *snapshots;
		char *namespace = rc_store_namespace(search->realms.items[i], err);

		if (!namespace)
			return kk_failed(err);
		kk_strs_take(&search->namespaces, namespace);
		containers = rc_plan_add(&search->plan, 0, KK_MSG_container_list);
		containers->namespace = kk_xstrdup(namespace);
		containers->is_records_only = true;
		snapshots = rc_plan_add(&search->plan, 0, KK_MSG_snapshot_list);
		snapshots->namespace = kk_xstrdup(namespace);
	}
	return 0;
}

/* --- what is there beside it --- */

/* @is_ours: it may be removed without a doubt. */
static void leak_add(struct search *search, const char *thing, const char *owner,
	const char *namespace, bool is_ours)
{
	json_array_append_new(search->leaks,
		json_pack("{s:o, s:o, s:s, s:b}", "Thing", kk_json_string(thing), "Owner",
			kk_json_string(owner), "Namespace", kk_str(namespace), "Ours", is_ours));
}

static void network_compare(struct search *search)
{
	const struct kk_rep_network_inventory *network =
		rc_plan_reply(&search->plan, KK_MSG_network_inventory, 0);

	for (size_t i = 0; i < network->things.n; i++)
		leak_add(search, network->things.items[i].key, network->things.items[i].value, NULL,
			true);
}

/* One with processes may be somebody else's, who shares the root of our cgroups. */
static void cgroups_compare(struct search *search)
{
	const struct kk_rep_cgroup_inventory *cgroups =
		rc_plan_reply(&search->plan, KK_MSG_cgroup_inventory, 0);

	for (size_t i = 0; i < cgroups->paths.n; i++) {
		const char *path = cgroups->paths.items[i].key;
		bool is_empty = kk_str_equal(cgroups->paths.items[i].value, "empty");
		kk_auto_free char *thing = kk_xprintf("cgroup %s/%s%s", rc.cgroup_root, path,
			is_empty ? "" : ", with processes");

		if (!kk_strs_has(&search->objects, path))
			leak_add(search, thing, path, NULL, is_empty);
	}
}

/* Nobody can tell a namespace of ours from that of another instance with the same suffix. */
static void namespaces_compare(struct search *search)
{
	const struct kk_rep_namespace_list *list =
		rc_plan_reply(&search->plan, KK_MSG_namespace_list, 0);

	for (size_t i = 0; i < list->namespaces.n; i++) {
		const char *name = list->namespaces.items[i];
		size_t len = strlen(name), suffix = strlen(rc.suffix);
		kk_auto_free char *owner = kk_xstrndup(name, len > suffix ? len - suffix - 1 : len);
		kk_auto_free char *thing = kk_xprintf("containerd namespace %s", name);

		if (!kk_strs_has(&search->namespaces, name))
			leak_add(search, thing, owner, name, false);
	}
}

static char *container_owner(const struct kk_task_info *task, const char *realm)
{
	const struct kk_map *labels = &task->labels;

	return kk_xprintf("%s/%s/%s/%s", realm, kk_str(kk_map_get(labels, "kukeon.io/space")),
		kk_str(kk_map_get(labels, "kukeon.io/stack")),
		kk_str(kk_map_get(labels, "kukeon.io/cell")));
}

/* Does a document ask for the container? Its record follows its layer, and the image of a neighbour may be large. */
static bool is_wanted(const struct kk_scope *scope, const char *id)
{
	struct kk_err ignored = {0};
	struct kk_cell cell;
	bool r = false;

	if (rc_store_load(scope, &cell, &ignored) != 1)
		return false;
	for (size_t i = 0; i < cell.spec.containers.n && !r; i++) {
		kk_auto_free char *one = rc_container_id(scope, cell.spec.containers.items[i].id);

		r = strcmp(one, id) == 0;
	}
	kk_cell_release(&cell);
	return r;
}

static void containers_compare(struct search *search, size_t nth)
{
	const char *realm = search->realms.items[nth], *namespace = search->namespaces.items[nth];
	const struct kk_rep_container_list *list =
		rc_plan_reply(&search->plan, KK_MSG_container_list, nth);
	const struct kk_rep_snapshot_list *snapshots =
		rc_plan_reply(&search->plan, KK_MSG_snapshot_list, nth);
	kk_auto(kk_strs_release) struct kk_strs ids = {0};

	for (size_t i = 0; i < list->containers.n; i++) {
		const struct kk_task_info *task = &list->containers.items[i];
		kk_auto_free char *owner = container_owner(task, realm);
		kk_auto_free char *thing = kk_xprintf("container %s", task->id);

		kk_strs_add(&ids, task->id);
		if (kk_map_get(&task->labels, "kukeon.io/cell") &&
			!kk_strs_has(&search->objects, owner))
			leak_add(search, thing, owner, namespace,
				kk_str_equal(kk_map_get(&task->labels, RC_LABEL_INSTANCE),
					rc.worker->config.instance));
	}
	for (size_t i = 0; i < snapshots->keys.n; i++) {
		const char *key = snapshots->keys.items[i];
		kk_auto_free char *thing = kk_xprintf("writable layer %s", key);
		kk_auto_free char *id = kk_xstrdup(key);
		struct kk_scope scope = {.realm = realm};

		/* What is no id of ours is somebody's who unpacks an image, say. */
		if (!kk_strs_has(&ids, key) && rc_container_id_parse(id, &scope) &&
			!is_wanted(&scope, key))
			leak_add(search, thing, "", namespace, true);
	}
}

/* --- removing it --- */

static void removal_end(struct search *search)
{
	if (--search->n_open == 0)
		search_end(search, NULL);
}

static void failure_log(const char *what, const struct kk_err *err)
{
	char text[KK_ERR_TEXT];

	kk_err_format(err, text, sizeof text);
	kk_warning("%s could not be removed: %s", what, text);
}

static void owner_removed(struct rc_outcome *outcome, void *arg)
{
	if (outcome->action == RC_FAILED)
		failure_log("what is left of an object", &outcome->err);
	removal_end(arg);
}

/* As if the object were purged: whatever is found of it by its name goes, unless it has a document by now. */
static void owner_remove(struct search *search, const char *path)
{
	kk_auto_free char *copy = kk_xstrdup(path);
	struct kk_scope scope;
	struct kk_cell cell;

	(void)rc_scope_parse(copy, &scope);
	search->n_open++;
	if (!scope.cell) {
		rc_scope_delete(&scope, RC_PURGE | RC_SWEEP, (struct rc_cause){search->op, 0},
			owner_removed, search);
		return;
	}
	kk_schema_init(kk_schema_of_cell(), &cell);
	cell.metadata.name = (char *)scope.cell;
	cell.spec.realm_id = (char *)scope.realm;
	cell.spec.space_id = (char *)scope.space;
	cell.spec.stack_id = (char *)scope.stack;
	rc_cell_do(RC_CELL_SWEEP, &cell, (struct rc_cause){search->op, 0}, owner_removed, search);
}

/* What tells no owner goes alone. */
struct single {
	struct search *search;
	struct rc_plan plan;
};

static void single_removed(const struct kk_err *err, void *arg)
{
	struct single *single = arg;

	if (err)
		failure_log("something without an owner", err);
	rc_plan_release(&single->plan);
	removal_end(single->search);
	free(single);
}

static void single_remove(struct search *search, const char *thing, const char *namespace)
{
	static const char layer[] = "writable layer ", pin[] = "namespaces ";
	struct single *single = kk_xalloc(sizeof *single);

	single->search = search;
	if (kk_str_starts(thing, "cgroup ")) {
		struct kk_req_cgroup_remove *req =
			rc_plan_add(&single->plan, 0, KK_MSG_cgroup_remove);

		req->path = kk_xstrdup(strchr(thing, '/'));
	} else if (kk_str_starts(thing, layer)) {
		struct kk_req_container_remove *req =
			rc_plan_add(&single->plan, 0, KK_MSG_container_remove);

		req->namespace = kk_xstrdup(namespace);
		req->id = kk_xstrdup(thing + strlen(layer));
	} else {
		struct kk_req_network_pin_drop *req =
			rc_plan_add(&single->plan, 0, KK_MSG_network_pin_drop);

		req->name = kk_xstrdup(thing + strlen(pin));
	}
	search->n_open++;
	rc_plan_run(&single->plan, search->op, single_removed, single);
}

static size_t depth(const char *path)
{
	size_t n = 0;

	for (; *path; path++)
		n += *path == '/';
	return n;
}

/* Those below come before those above. */
static void all_remove(struct search *search)
{
	kk_auto(kk_strs_release) struct kk_strs done = {0};
	size_t i;
	json_t *leak;

	search->n_open = 1;
	/* Not those of a realm: the namespace of its name may be another instance's. */
	for (size_t level = 3; level > 0; level--) {
		json_array_foreach (search->leaks, i, leak) {
			const char *owner = json_string_value(json_object_get(leak, "Owner"));

			if (!json_is_true(json_object_get(leak, "Ours")) || !*owner ||
				depth(owner) != level || kk_strs_has(&done, owner))
				continue;
			kk_strs_add(&done, owner);
			owner_remove(search, owner);
		}
	}
	json_array_foreach (search->leaks, i, leak) {
		const char *owner = json_string_value(json_object_get(leak, "Owner"));

		const struct kk_scope realm = {.realm = owner};

		if (json_is_true(json_object_get(leak, "Ours")) && depth(owner) == 0 &&
			!(*owner && rc_store_exists(&realm)))
			single_remove(search, json_string_value(json_object_get(leak, "Thing")),
				json_string_value(json_object_get(leak, "Namespace")));
	}
	removal_end(search);
}

static void inventory_done(const struct kk_err *err, void *arg)
{
	struct search *search = arg;

	if (err) {
		search_end(search, err);
		return;
	}
	network_compare(search);
	cgroups_compare(search);
	namespaces_compare(search);
	for (size_t i = 0; i < search->realms.n; i++)
		containers_compare(search, i);
	if (search->is_fixing)
		all_remove(search);
	else
		search_end(search, NULL);
}

void rc_leaks_find(bool is_fixing, uint64_t op, rc_leaks_f fn, void *arg)
{
	struct search *search = kk_xalloc(sizeof *search);
	struct kk_err err = {0};

	*search = (struct search){
		.is_fixing = is_fixing,
		.op = op,
		.leaks = json_array(),
		.fn = fn,
		.arg = arg,
	};
	if (objects_read(search, &(struct kk_scope){0}, 0, &err) < 0 ||
		inventory_ask(search, &err) < 0)
		search_end(search, &err);
	else
		rc_plan_run(&search->plan, op, inventory_done, search);
}
