/* workers/reconciler/preview.c - what an apply would come to: the same decisions, and nothing done. Each document is
 * decided upon as if those before it had been carried out. */
#include "rc.h"

#include <stdlib.h>
#include <string.h>

#include <kukeon/mem.h>

/* A document that would be stored by then. */
struct planned {
	char *path;
	enum kk_kind kind;
	void *doc;
};

struct preview {
	struct kk_manifests manifests;
	struct rc_plan looks; /* one at each cell that is there */
	size_t *look_of;      /* of a document, from 1; 0: its cell is not there */
	struct planned *planned;
	size_t n_planned;
	rc_documents_f fn;
	void *arg;
};

static void preview_free(struct preview *preview)
{
	for (size_t i = 0; i < preview->n_planned; i++) {
		struct planned *planned = &preview->planned[i];

		kk_schema_release(kk_kind_schema(planned->kind), planned->doc);
		free(planned->doc);
		free(planned->path);
	}
	free(preview->planned);
	free(preview->look_of);
	rc_plan_release(&preview->looks);
	kk_manifests_release(&preview->manifests);
	free(preview);
}

static struct planned *planned_find(const struct preview *preview, const struct kk_scope *scope)
{
	kk_auto_free char *path = rc_scope_path(scope);

	for (size_t i = 0; i < preview->n_planned; i++) {
		if (strcmp(preview->planned[i].path, path) == 0)
			return &preview->planned[i];
	}
	return NULL;
}

/* @doc is taken. */
static void planned_put(struct preview *preview, enum kk_kind kind, const struct kk_scope *scope,
	void *doc)
{
	struct planned *planned = planned_find(preview, scope);

	if (planned) {
		kk_schema_release(kk_kind_schema(kind), planned->doc);
		free(planned->doc);
	} else {
		preview->planned = kk_xrealloc(preview->planned,
			(preview->n_planned + 1) * sizeof *preview->planned);
		planned = &preview->planned[preview->n_planned++];
		*planned = (struct planned){.path = rc_scope_path(scope), .kind = kind};
	}
	planned->doc = doc;
}

/* As rc_store_load, with what would be stored by then. */
static int doc_load(const struct preview *preview, enum kk_kind kind, const struct kk_scope *scope,
	void *ret_doc, struct kk_err *err)
{
	const struct planned *planned = planned_find(preview, scope);

	if (!planned)
		return rc_store_load(scope, ret_doc, err);
	kk_schema_copy(kk_kind_schema(kind), planned->doc, ret_doc);
	return 1;
}

/* --- cells as they are --- */

static void look_add(struct preview *preview, size_t i)
{
	const struct kk_manifest *manifest = &preview->manifests.items[i];
	const struct kk_scope scope = kk_doc_scope(manifest->kind, &manifest->doc);
	kk_auto_free char *namespace = NULL;

	if (manifest->kind < KK_KIND_CELL || !rc_store_exists(&scope))
		return;
	namespace = rc_store_namespace(scope.realm, NULL);
	if (!namespace)
		return;
	rc_plan_cell_list(&preview->looks, &scope, namespace, false);
	preview->look_of[i] = preview->looks.n;
}

/* Is the cell of this document up? Its status is brought up to what was seen. */
static bool is_up(const struct preview *preview, size_t i, struct kk_cell *cell)
{
	const struct kk_scope scope = kk_doc_scope(KK_KIND_CELL, cell);
	const struct kk_rep_container_list *list;

	/* An earlier document brings it up. */
	if (planned_find(preview, &scope))
		return true;
	if (!preview->look_of[i])
		return false;
	list = preview->looks.steps[preview->look_of[i] - 1].rep;
	rc_status_update(cell, list->containers.items, list->containers.n);
	return cell->status.state == KK_CELL_READY || rc_status_is_recovering(cell);
}

/* --- decisions --- */

/* One document, on its way. */
struct item {
	const struct kk_manifest *manifest;
	struct kk_scope scope;
	enum kk_kind kind; /* of the object: a container is decided upon as its cell */
	void *stored;      /* NULL: there is none */
	void *wanted;
	struct rc_decision decision;
	bool is_started; /* the cell is down, and comes up */
};

static void item_release(struct item *item)
{
	const struct kk_schema *schema = kk_kind_schema(item->kind);

	if (item->stored)
		kk_schema_release(schema, item->stored);
	if (item->wanted)
		kk_schema_release(schema, item->wanted);
	free(item->stored);
	free(item->wanted);
	rc_decision_release(&item->decision);
}

/* The stored document, and the one that is wanted in its place. */
static int item_load(const struct preview *preview, struct item *item, struct kk_err *err)
{
	const struct kk_schema *schema = kk_kind_schema(item->kind);
	const struct kk_container *container = &item->manifest->doc.container;
	kk_auto_free void *doc = kk_xalloc(schema->size);
	int r = rc_manifest_check(item->manifest, err);

	if (r == 0)
		r = doc_load(preview, item->kind, &item->scope, doc, err);
	if (r < 0)
		return r;
	if (r == 1)
		item->stored = kk_steal(&doc);
	if (item->manifest->kind == KK_KIND_CONTAINER && !item->stored)
		return rc_parent_cell_fail(item->scope.cell, err);
	item->wanted = kk_xalloc(schema->size);
	if (item->manifest->kind == KK_KIND_CONTAINER)
		rc_container_put(item->stored, &container->spec, item->wanted);
	else
		kk_schema_copy(schema, &item->manifest->doc, item->wanted);
	return 0;
}

static void item_decide(struct preview *preview, size_t i, struct item *item)
{
	struct rc_decision *decision = &item->decision;

	rc_decide(item->kind, item->stored, item->wanted, decision);
	if (item->kind == KK_KIND_CELL && item->stored && decision->action != RC_FAILED)
		item->is_started = !is_up(preview, i, item->stored);
	if (item->is_started && decision->action == RC_UNCHANGED)
		(void)rc_decide_start(item->stored, decision);
	if (item->manifest->kind == KK_KIND_CONTAINER && decision->action == RC_UPDATED &&
		decision->diff.added.n)
		decision->action = RC_CREATED;
}

/* From here on, it is stored. */
static void item_keep(struct preview *preview, struct item *item)
{
	void *doc;

	if (item->stored)
		rc_take_over(item->kind, item->stored, item->wanted);
	doc = item->stored ? kk_steal(&item->stored) : kk_steal(&item->wanted);
	if (item->kind == KK_KIND_CELL)
		rc_cell_complete(doc);
	planned_put(preview, item->kind, &item->scope, doc);
}

static json_t *item_entry(const struct item *item)
{
	const struct rc_decision *decision = &item->decision;
	const struct rc_outcome outcome = {
		.action = decision->action,
		.changes = decision->diff.changes,
		.err = decision->err,
	};
	json_t *entry = rc_result_make(item->manifest, &outcome);

	if (decision->action != RC_UPDATED)
		return entry;
	json_object_set_new(entry, "effects", kk_json_strings(&decision->diff.effects));
	if (decision->diff.values.n)
		json_object_set_new(entry, "values", kk_json_strings(&decision->diff.values));
	if (item->is_started)
		json_object_set_new(entry, "details", json_pack("{s:s}", "runtime", "started"));
	return entry;
}

static json_t *document_decide(struct preview *preview, size_t i)
{
	kk_auto(item_release) struct item item = {.manifest = &preview->manifests.items[i]};

	item.scope = kk_doc_scope(item.manifest->kind, &item.manifest->doc);
	item.kind = rc_scope_kind(&item.scope);
	if (item_load(preview, &item, &item.decision.err) < 0)
		item.decision.action = RC_FAILED;
	else
		item_decide(preview, i, &item);
	if (item.decision.action == RC_CREATED || item.decision.action == RC_UPDATED)
		item_keep(preview, &item);
	return item_entry(&item);
}

static void looked(const struct kk_err *err, void *arg)
{
	struct preview *preview = arg;
	kk_auto_json *resources = json_array();

	for (int kind = 0; kind < KK_KINDS && !err; kind++) {
		for (size_t i = 0; i < preview->manifests.n; i++) {
			if ((int)preview->manifests.items[i].kind == kind)
				json_array_append_new(resources, document_decide(preview, i));
		}
	}
	preview->fn(resources, &preview->manifests.warnings, err, preview->arg);
	preview_free(preview);
}

void rc_documents_preview(const char *yaml, size_t len, uint64_t op, rc_documents_f fn, void *arg)
{
	struct preview *preview = kk_xalloc(sizeof *preview);
	struct kk_err err = {0};

	*preview = (struct preview){.fn = fn, .arg = arg};
	if (kk_yaml_parse(yaml, len, &preview->manifests, &err) < 0) {
		looked(&err, preview);
		return;
	}
	preview->look_of = kk_xalloc((preview->manifests.n + 1) * sizeof *preview->look_of);
	for (size_t i = 0; i < preview->manifests.n; i++)
		look_add(preview, i);
	rc_plan_run(&preview->looks, op, looked, preview);
}
