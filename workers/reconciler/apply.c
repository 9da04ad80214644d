/* workers/reconciler/apply.c - manifests of many documents: level by level, the cells of one in parallel, the
 * documents of one object one after the other. */
#include "rc.h"

#include <stdlib.h>
#include <string.h>

#include <kukeon/log.h>
#include <kukeon/mem.h>

/* A document among those of its file. */
struct place {
	json_t *result; /* once it is done */
	unsigned nth;   /* of those of its object, in the order of execution */
	bool is_one;    /* its object has no other */
	bool is_following;
	size_t follower; /* of the same object and kind, which waits for it; 0: none */
};

struct batch {
	struct kk_manifests manifests;
	struct rc_plan looks; /* at all containers of a realm: many cells are mostly as they were */
	struct kk_strs realms; /* whose looks those are */
	bool is_current; /* what is stored tells: the looks are just whether containerd answers */
	struct place *places; /* one per manifest */
	bool is_delete;
	unsigned how; /* of deletions, RC_CASCADE and the like */
	uint64_t op;
	int level; /* kind whose turn it is */
	bool has_looked;
	size_t n_open;
	rc_documents_f fn;
	void *arg;
};

/* One document on its way. */
struct item {
	struct batch *batch;
	size_t i;
};

static void batch_next(struct batch *batch);

static void batch_end(struct batch *batch)
{
	json_t *resources = json_array();

	/* In the order of execution: by kind, then as they came. */
	for (int step = 0; step < KK_KINDS; step++) {
		int kind = batch->is_delete ? KK_KINDS - 1 - step : step;

		for (size_t i = 0; i < batch->manifests.n; i++) {
			if ((int)batch->manifests.items[i].kind == kind && batch->places[i].result)
				json_array_append(resources, batch->places[i].result);
		}
	}
	batch->fn(resources, &batch->manifests.warnings, NULL, batch->arg);
	json_decref(resources);
	for (size_t i = 0; i < batch->manifests.n; i++)
		json_decref(batch->places[i].result);
	free(batch->places);
	rc_plan_release(&batch->looks);
	kk_strs_release(&batch->realms);
	kk_manifests_release(&batch->manifests);
	free(batch);
}

json_t *rc_result_make(const struct kk_manifest *manifest, const struct rc_outcome *outcome)
{
	json_t *result = json_pack("{s:i, s:s, s:s, s:s}", "index", manifest->index, "kind",
		kk_kind_name(manifest->kind), "name", kk_doc_name(manifest->kind, &manifest->doc),
		"action", rc_action_name(outcome->action));
	char text[KK_ERR_TEXT * 2];
	json_t *changes;

	if (outcome->action == RC_FAILED) {
		kk_err_format(&outcome->err, text, sizeof text);
		json_object_set_new(result, "error", kk_json_string(text));
	}
	if (outcome->action == RC_UPDATED && outcome->changes.n) {
		changes = json_array();
		for (size_t k = 0; k < outcome->changes.n; k++)
			json_array_append_new(changes, json_string(outcome->changes.items[k]));
		json_object_set_new(result, "changes", changes);
	}
	if (outcome->action == RC_DELETED && outcome->n_cascaded)
		json_object_set_new(result, "cascaded",
			json_pack("[o]",
				json_sprintf("%zu %s(s) deleted", outcome->n_cascaded,
					manifest->kind == KK_KIND_REALM         ? "space" :
						manifest->kind == KK_KIND_SPACE ? "stack" :
										  "cell")));
	if (outcome->action == RC_DELETED && manifest->kind == KK_KIND_CELL)
		json_object_set_new(result, "details",
			json_pack("{s:o}", "containers",
				json_sprintf("%zu deleted", outcome->n_containers)));
	return result;
}

static void item_start(struct batch *batch, size_t i);

static void place_done(struct batch *batch, size_t i, json_t *result)
{
	batch->places[i].result = result;
	if (batch->places[i].follower)
		item_start(batch, batch->places[i].follower);
	if (--batch->n_open == 0)
		batch_next(batch);
}

static void item_done(struct rc_outcome *outcome, void *arg)
{
	struct item *item = arg;
	struct batch *batch = item->batch;
	size_t i = item->i;
	json_t *result = rc_result_make(&batch->manifests.items[i], outcome);

	free(item);
	/* By its document alone a repetition can't tell what came of an earlier one of the same object. */
	if (!batch->places[i].is_one)
		rc_journal_result_save(batch->op, i, result);
	place_done(batch, i, result);
}

static void item_fail(struct item *item, const struct kk_err *err)
{
	struct rc_outcome outcome = {.action = RC_FAILED, .err = *err};

	item_done(&outcome, item);
}

static struct rc_cause cause_of(const struct item *item)
{
	return (struct rc_cause){item->batch->op, item->batch->places[item->i].nth};
}

static void item_apply(const struct kk_err *err, void *arg)
{
	struct item *item = arg;
	const struct kk_manifest *manifest = &item->batch->manifests.items[item->i];
	const struct rc_cause cause = cause_of(item);

	if (err)
		item_fail(item, err);
	else if (manifest->kind == KK_KIND_CELL)
		rc_cell_do(RC_CELL_APPLY, &manifest->doc.cell, cause, item_done, item);
	else if (manifest->kind == KK_KIND_CONTAINER)
		rc_container_apply(&manifest->doc.container, cause, item_done, item);
	else
		rc_scope_apply(manifest->kind, &manifest->doc, false, cause, item_done, item);
}

static void item_delete(struct item *item)
{
	const struct batch *batch = item->batch;
	const struct kk_manifest *manifest = &batch->manifests.items[item->i];
	const struct kk_scope scope = kk_doc_scope(manifest->kind, &manifest->doc);
	struct kk_err err = {0};

	if (manifest->kind == KK_KIND_CONTAINER) {
		kk_fail(&err, KK_E_INVALID, "unknown kind: Container");
		item_fail(item, &err);
	} else if (!(batch->how & RC_FORCE) && rc_system_check(&scope, &err) < 0) {
		item_fail(item, &err);
	} else if (manifest->kind == KK_KIND_CELL) {
		rc_cell_do(RC_CELL_DELETE, &manifest->doc.cell, cause_of(item), item_done, item);
	} else {
		rc_scope_delete(&scope, batch->how, cause_of(item), item_done, item);
	}
}

int rc_manifest_check(const struct kk_manifest *manifest, struct kk_err *err)
{
	const struct kk_scope scope = kk_doc_scope(manifest->kind, &manifest->doc);
	const char *const parts[] = {scope.realm, scope.space, scope.stack, scope.cell};
	struct kk_scope self = scope;

	if (manifest->kind == KK_KIND_CONTAINER)
		return 0;
	/* What is there already may have a name that would not be taken today. */
	if (rc_store_exists(&self))
		return 0;
	for (int i = 0; i <= (int)manifest->kind; i++) {
		int r = kk_name_check((enum kk_kind)i, parts[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* --- cells that stay as they are --- */

enum { LOOK_MIN = 8 }; /* fewer cells are looked at one by one */

/* What the look at a realm has brought; NULL: nothing. */
static const void *look_of(const struct batch *batch, const char *realm)
{
	for (size_t i = 0; i < batch->realms.n; i++) {
		if (strcmp(batch->realms.items[i], realm) == 0)
			return batch->looks.steps[i].rep;
	}
	return NULL;
}

/* Brings the status of a cell up to what there is; true where that changes it. */
static bool status_differs(const struct batch *batch, const void *look, struct kk_cell *cell)
{
	const struct kk_rep_namespace_get *answer = look;
	const struct kk_rep_container_list *seen = look;

	return batch->is_current ?
		!answer->exists :
		rc_status_update(cell, seen->containers.items, seen->containers.n);
}

/* Nothing is to be done for this cell: its document says what is wanted, and it runs as that says. Whoever is at work on
 * it takes its turn as always. */
static bool is_settled(const struct batch *batch, const struct kk_manifest *manifest)
{
	const struct kk_scope scope = kk_doc_scope(manifest->kind, &manifest->doc);
	kk_auto(rc_decision_release) struct rc_decision decision = {0};
	struct kk_err ignored = {0};
	struct kk_cell stored;
	const void *look;
	bool r;

	if (manifest->kind != KK_KIND_CELL || batch->is_delete ||
		!(look = look_of(batch, scope.realm)) || rc_turn_is_busy(&scope) ||
		rc_store_load(&scope, &stored, &ignored) != 1)
		return false;
	rc_decide(KK_KIND_CELL, &stored, &manifest->doc, &decision);
	r = decision.action == RC_UNCHANGED && !status_differs(batch, look, &stored) &&
		!rc_decide_start(&stored, &decision);
	kk_cell_release(&stored);
	return r;
}

static void look_add(struct batch *batch, char *namespace)
{
	struct kk_req_container_list *list;
	struct kk_req_namespace_get *get;

	if (batch->is_current) {
		get = rc_plan_add(&batch->looks, 0, KK_MSG_namespace_get);
		get->namespace = namespace;
	} else {
		list = rc_plan_add(&batch->looks, 0, KK_MSG_container_list);
		list->namespace = namespace;
	}
}

static void realms_look(struct batch *batch, rc_done_f fn)
{
	size_t n = 0;

	batch->is_current = rc_tick_is_current();

	for (size_t i = 0; i < batch->manifests.n; i++)
		n += batch->manifests.items[i].kind == KK_KIND_CELL;
	for (size_t i = 0; i < batch->manifests.n && n >= LOOK_MIN; i++) {
		const struct kk_manifest *manifest = &batch->manifests.items[i];
		const struct kk_scope scope = kk_doc_scope(manifest->kind, &manifest->doc);
		char *namespace;

		if (manifest->kind != KK_KIND_CELL || kk_strs_has(&batch->realms, scope.realm) ||
			!rc_store_exists(&(struct kk_scope){.realm = scope.realm}) ||
			!(namespace = rc_store_namespace(scope.realm, NULL)))
			continue;
		look_add(batch, namespace);
		batch->looks.steps[batch->looks.n - 1].is_optional = true;
		kk_strs_add(&batch->realms, scope.realm);
	}
	rc_plan_run(&batch->looks, batch->op, fn, batch);
}

static void item_start(struct batch *batch, size_t i)
{
	const struct kk_manifest *manifest = &batch->manifests.items[i];
	const struct kk_scope scope = kk_doc_scope(manifest->kind, &manifest->doc);
	json_t *known = batch->places[i].is_one ? NULL : rc_journal_result_read(batch->op, i);
	struct kk_err err = {0};
	struct item *item;

	batch->n_open++;
	if (!known && batch->places[i].is_one && is_settled(batch, manifest))
		known = rc_result_make(manifest,
			&(struct rc_outcome){.action = RC_UNCHANGED, .was_existing = true});
	if (known) {
		place_done(batch, i, known);
		return;
	}
	item = kk_xalloc(sizeof *item);
	*item = (struct item){batch, i};
	if (batch->is_delete)
		item_delete(item);
	else if (rc_manifest_check(manifest, &err) < 0)
		item_fail(item, &err);
	else if (manifest->kind == KK_KIND_CONTAINER)
		item_apply(NULL, item);
	else
		rc_parents_ensure(&scope, batch->op, item_apply, item);
}

static void looked(const struct kk_err *err, void *arg)
{
	struct batch *batch = arg;

	(void)err;
	batch->n_open = 0;
	batch_next(batch);
}

static void batch_next(struct batch *batch)
{
	while (batch->n_open == 0) {
		int kind = batch->is_delete ? KK_KINDS - 1 - batch->level : batch->level;

		if (batch->level == KK_KINDS) {
			batch_end(batch);
			return;
		}
		if (kind == KK_KIND_CELL && !batch->is_delete && !batch->has_looked) {
			batch->has_looked = true;
			batch->n_open = 1;
			realms_look(batch, looked);
			return;
		}
		batch->level++;
		/* Held open while it fills: an item may be done at once. */
		batch->n_open = 1;
		for (size_t i = 0; i < batch->manifests.n; i++) {
			if ((int)batch->manifests.items[i].kind == kind &&
				!batch->places[i].is_following)
				item_start(batch, i);
		}
		batch->n_open--;
	}
}

/* A document and the path of its object. */
struct visit {
	char *path;
	size_t i;
	int level; /* in the order of execution */
};

static int visit_compare(const void *a, const void *b)
{
	const struct visit *x = a, *y = b;
	int r = strcmp(x->path, y->path);

	if (r)
		return r;
	return x->level != y->level ? x->level - y->level : x->i < y->i ? -1 : 1;
}

/* Which documents are of one object? That of a container is one of its cell. */
static void places_make(struct batch *batch)
{
	size_t n = batch->manifests.n;
	struct visit *visits = kk_xalloc((n + 1) * sizeof *visits);

	batch->places = kk_xalloc((n + 1) * sizeof *batch->places);
	for (size_t i = 0; i < n; i++) {
		const struct kk_manifest *manifest = &batch->manifests.items[i];
		const struct kk_scope scope = kk_doc_scope(manifest->kind, &manifest->doc);
		int kind = (int)manifest->kind;

		visits[i] =
			(struct visit){rc_scope_path(&scope), i, batch->is_delete ? -kind : kind};
		batch->places[i].is_one = true;
	}
	qsort(visits, n, sizeof *visits, visit_compare);
	for (size_t v = 1; v < n; v++) {
		struct place *before = &batch->places[visits[v - 1].i];
		struct place *place = &batch->places[visits[v].i];

		if (strcmp(visits[v - 1].path, visits[v].path) != 0)
			continue;
		before->is_one = place->is_one = false;
		place->nth = before->nth + 1;
		place->is_following = visits[v - 1].level == visits[v].level;
		before->follower = place->is_following ? visits[v].i : 0;
	}
	for (size_t i = 0; i < n; i++)
		free(visits[i].path);
	free(visits);
}

static void batch_start(const char *yaml, size_t len, struct batch *batch)
{
	struct kk_err err = {0};

	if (kk_yaml_parse(yaml, len, &batch->manifests, &err) < 0) {
		batch->fn(NULL, NULL, &err, batch->arg);
		free(batch);
		return;
	}
	places_make(batch);
	batch_next(batch);
}

void rc_documents_apply(const char *yaml, size_t len, uint64_t op, rc_documents_f fn, void *arg)
{
	struct batch *batch = kk_xalloc(sizeof *batch);

	*batch = (struct batch){.op = op, .fn = fn, .arg = arg};
	batch_start(yaml, len, batch);
}

void rc_documents_delete(const char *yaml, size_t len, unsigned how, uint64_t op, rc_documents_f fn,
	void *arg)
{
	struct batch *batch = kk_xalloc(sizeof *batch);

	*batch = (struct batch){
		.is_delete = true,
		.how = how,
		.op = op,
		.fn = fn,
		.arg = arg,
	};
	batch_start(yaml, len, batch);
}
