/* workers/reconciler/scope.c - realms, spaces and stacks. */
#include "rc.h"

#include <stdlib.h>
#include <string.h>

#include <kukeon/clock.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>

static const char *const action_names[] = {
	[RC_CREATED] = "created",
	[RC_UPDATED] = "updated",
	[RC_UNCHANGED] = "unchanged",
	[RC_FAILED] = "failed",
	[RC_DELETED] = "deleted",
	[RC_NOT_FOUND] = "not found",
};

const char *rc_action_name(enum rc_action action)
{
	return action_names[action];
}

void rc_outcome_release(struct rc_outcome *outcome)
{
	kk_strs_release(&outcome->changes);
	kk_strs_release(&outcome->done);
}

/* An operation on one object, from its turn to its outcome. */
struct op {
	enum kk_kind kind;
	void *doc; /* wanted, then as stored */
	char *names[4];
	struct kk_scope scope; /* points into names */
	bool is_create;
	unsigned how; /* of a deletion */
	struct rc_cause cause;
	struct rc_turn *turn;
	struct rc_plan plan;
	struct rc_outcome outcome;
	struct kk_strs children; /* still to be deleted */
	rc_outcome_f fn;
	void *arg;
};

static struct op *op_new(const struct kk_scope *scope, struct rc_cause cause, rc_outcome_f fn,
	void *arg)
{
	const char *const parts[] = {scope->realm, scope->space, scope->stack, scope->cell};
	struct op *op = kk_xalloc(sizeof *op);

	op->cause = cause;
	op->fn = fn;
	op->arg = arg;
	for (size_t i = 0; i < KK_COUNT(parts); i++)
		op->names[i] = kk_xstrdup(parts[i]);
	op->scope = (struct kk_scope){op->names[0], op->names[1], op->names[2], op->names[3]};
	op->kind = rc_scope_kind(&op->scope);
	return op;
}

static void op_end(struct op *op)
{
	if (op->turn)
		rc_turn_end(op->turn);
	op->fn(&op->outcome, op->arg);
	rc_plan_release(&op->plan);
	rc_outcome_release(&op->outcome);
	kk_strs_release(&op->children);
	if (op->doc)
		kk_schema_release(kk_kind_schema(op->kind), op->doc);
	free(op->doc);
	for (size_t i = 0; i < KK_COUNT(op->names); i++)
		free(op->names[i]);
	free(op);
}

static void op_fail(struct op *op, const struct kk_err *err)
{
	op->outcome.action = RC_FAILED;
	op->outcome.err = *err;
	op_end(op);
}

static struct kk_intent *intent_of(enum kk_kind kind, void *doc)
{
	switch (kind) {
	case KK_KIND_REALM:
		return &((struct kk_realm *)doc)->intent;
	case KK_KIND_SPACE:
		return &((struct kk_space *)doc)->intent;
	default:
		return &((struct kk_stack *)doc)->intent;
	}
}

static void managed_labels_set(const struct op *op)
{
	struct kk_realm *any = op->doc;

	/* All documents begin alike. The create calls set them; apply leaves labels to the manifest. */
	if (op->kind == KK_KIND_REALM) {
		kk_map_set(&any->metadata.labels, "realm.kukeon.io", any->spec.namespace);
		return;
	}
	kk_map_set(&any->metadata.labels, "realm.kukeon.io", op->scope.realm);
	kk_map_set(&any->metadata.labels, "space.kukeon.io", op->scope.space);
	if (op->kind == KK_KIND_STACK)
		kk_map_set(&any->metadata.labels, "stack.kukeon.io", op->scope.stack);
}

static void controllers_set(struct kk_strs *to, const struct kk_rep_cgroup_ensure *cgroup)
{
	kk_strs_release(to);
	for (size_t i = 0; cgroup && i < cgroup->controllers.n; i++)
		kk_strs_add(to, cgroup->controllers.items[i]);
}

/* The status of an object whose plan was carried out. */
static void status_ready(const struct op *op)
{
	const struct kk_rep_cgroup_ensure *cgroup =
		rc_plan_reply(&op->plan, KK_MSG_cgroup_ensure, 0);
	kk_auto_free char *path = rc_cgroup_path(&op->scope);
	struct kk_realm *realm = op->doc;
	struct kk_space *space = op->doc;
	struct kk_stack *stack = op->doc;

	switch (op->kind) {
	case KK_KIND_REALM:
		realm->status.state = KK_REALM_READY;
		realm->status.containerd_namespace_ready = true;
		realm->status.cgroup_ready = true;
		kk_str_set(&realm->status.cgroup_path, path);
		kk_str_set(&realm->status.reason, NULL);
		kk_str_set(&realm->status.message, NULL);
		controllers_set(&realm->status.subtree_controllers, cgroup);
		break;
	case KK_KIND_SPACE: {
		const struct kk_rep_space_network_ensure *network =
			rc_plan_reply(&op->plan, KK_MSG_space_network_ensure, 0);

		space->status.state = KK_SCOPE_READY;
		space->status.cgroup_ready = true;
		kk_str_set(&space->status.cgroup_path, path);
		kk_str_set(&space->status.reason, NULL);
		kk_str_set(&space->status.message, NULL);
		if (network)
			kk_str_set(&space->spec.cni_config_path, network->conflist);
		controllers_set(&space->status.subtree_controllers, cgroup);
		break;
	}
	default:
		stack->status.state = KK_SCOPE_READY;
		stack->status.cgroup_ready = true;
		kk_str_set(&stack->status.cgroup_path, path);
		kk_str_set(&stack->status.reason, NULL);
		kk_str_set(&stack->status.message, NULL);
		controllers_set(&stack->status.subtree_controllers, cgroup);
		break;
	}
}

/* What is stored is what is wanted: whoever looks next tries again. */
static void status_failed(const struct op *op, const struct kk_err *failure)
{
	const struct rc_scope_status status = rc_scope_status(op->kind, op->doc);
	struct kk_err ignored = {0};
	char text[KK_ERR_TEXT];

	kk_err_line(failure, text, sizeof text);
	*status.state = status.failed;
	if (kk_str_equal(*status.message, text))
		return;
	kk_str_set(status.message, text);
	if (rc_store_save(&op->scope, op->doc, &ignored) < 0)
		kk_warning("the failure of %s could not be recorded",
			kk_doc_name(op->kind, op->doc));
}

static int create_code(enum kk_kind kind)
{
	return kind == KK_KIND_REALM  ? KK_E_CREATE_REALM :
		kind == KK_KIND_SPACE ? KK_E_CREATE_SPACE :
					KK_E_CREATE_STACK;
}

static void undone(const struct kk_err *ignored, void *arg)
{
	struct op *op = arg;
	struct kk_err failure = op->outcome.err, err = {0};

	(void)ignored;
	if (rc_store_remove(&op->scope, &err) < 0)
		kk_warning("what is left of %s could not be removed",
			kk_doc_name(op->kind, op->doc));
	op_fail(op, &failure);
}

static void make_failed(struct op *op, const struct kk_err *failure)
{
	const struct kk_rep_namespace_ensure *namespace =
		rc_plan_reply(&op->plan, KK_MSG_namespace_ensure, 0);
	bool was_namespace_made = namespace && namespace->is_created;
	const struct kk_realm *realm = op->kind == KK_KIND_REALM ? op->doc : NULL;
	struct kk_err err = *failure;

	if (op->outcome.action != RC_CREATED || intent_of(op->kind, op->doc)->is_made) {
		kk_wrap(&err, "failed to update %s", kk_kind_word(op->kind));
		kk_recode(&err, create_code(op->kind));
		status_failed(op, failure);
		op_fail(op, &err);
		return;
	}
	kk_wrap(&err, "failed to create %s", kk_kind_word(op->kind));
	kk_recode(&err, create_code(op->kind));
	/* A new object that could not be made leaves nothing behind, but for a namespace that was there
	 * before and may hold the images of others. */
	op->outcome.err = err;
	rc_plan_release(&op->plan);
	rc_plan_scope_remove(&op->plan, &op->scope, realm ? realm->spec.namespace : NULL);
	for (size_t i = 0; i < op->plan.n; i++)
		op->plan.steps[i].is_optional = true;
	if (realm && !was_namespace_made)
		rc_plan_drop_first(&op->plan);
	rc_plan_run(&op->plan, op->cause.op, undone, op);
}

static void make_done(const struct kk_err *failure, void *arg)
{
	struct op *op = arg;
	struct kk_err err = {0};

	if (failure) {
		make_failed(op, failure);
		return;
	}
	intent_of(op->kind, op->doc)->is_made = true;
	kk_str_set(&intent_of(op->kind, op->doc)->boot_id, rc.boot_id);
	status_ready(op);
	if (rc_store_save(&op->scope, op->doc, &err) < 0) {
		op_fail(op, &err);
		return;
	}
	op_end(op);
}

static void make(struct op *op)
{
	switch (op->kind) {
	case KK_KIND_REALM:
		rc_plan_realm_make(&op->plan, op->doc);
		break;
	case KK_KIND_SPACE:
		rc_plan_space_make(&op->plan, op->doc);
		break;
	default:
		rc_plan_stack_make(&op->plan, op->doc);
		break;
	}
	rc_plan_run(&op->plan, op->cause.op, make_done, op);
}

static void intent_record(struct op *op, const struct kk_strs *changes)
{
	struct kk_intent *intent = intent_of(op->kind, op->doc);
	char text[RC_JOURNAL_TEXT];

	rc_journal_text(op->cause, text);
	kk_str_set(&intent->op, text);
	kk_str_set(&intent->action, rc_action_name(op->outcome.action));
	kk_strs_release(&intent->changes);
	for (size_t i = 0; changes && i < changes->n; i++)
		kk_strs_add(&intent->changes, changes->items[i]);
}

/* Did this very operation write the document, before the reconciler died? Then it reports the same. */
static bool intent_recall(struct op *op, void *stored)
{
	const struct kk_intent *intent = intent_of(op->kind, stored);
	char text[RC_JOURNAL_TEXT];

	rc_journal_text(op->cause, text);
	if (!kk_str_equal(intent->op, text))
		return false;
	op->outcome.action = kk_str_equal(intent->action, "created") ? RC_CREATED : RC_UPDATED;
	for (size_t i = 0; i < intent->changes.n; i++)
		kk_strs_add(&op->outcome.changes, intent->changes.items[i]);
	return true;
}

static void doc_replace(struct op *op, void *stored)
{
	kk_schema_release(kk_kind_schema(op->kind), op->doc);
	free(op->doc);
	op->doc = stored;
}

/* The object is there: what changes? The stored document takes the place of the wanted one. */
static void update(struct op *op, void *stored)
{
	kk_auto(rc_decision_release) struct rc_decision decision = {.action = RC_UNCHANGED};
	const struct kk_strs *changes = &decision.diff.changes;
	struct kk_err err = {0};

	op->outcome.was_existing = true;
	if (intent_recall(op, stored)) {
		op->outcome.was_existing = op->outcome.action != RC_CREATED;
		doc_replace(op, stored);
		make(op);
		return;
	}
	if (!op->is_create)
		rc_decide(op->kind, stored, op->doc, &decision);
	if (decision.action == RC_FAILED) {
		kk_schema_release(kk_kind_schema(op->kind), stored);
		free(stored);
		op_fail(op, &decision.err);
		return;
	}
	if (changes->n)
		rc_take_over(op->kind, stored, op->doc);
	doc_replace(op, stored);
	op->outcome.action = decision.action;
	for (size_t i = 0; i < changes->n; i++)
		kk_strs_add(&op->outcome.changes, changes->items[i]);
	if (!changes->n && !op->is_create &&
		kk_str_equal(intent_of(op->kind, op->doc)->boot_id, rc.boot_id)) {
		op_end(op);
		return;
	}
	if (changes->n) {
		intent_record(op, changes);
		if (rc_store_save(&op->scope, op->doc, &err) < 0) {
			op_fail(op, &err);
			return;
		}
	}
	make(op);
}

static int parent_check(const struct kk_scope *scope, struct kk_err *err)
{
	struct kk_scope parent = {.realm = scope->realm};

	if (!rc_store_exists(&parent))
		return kk_fail(err, KK_E_REALM_NOT_FOUND,
			"failed to create %s: realm not found: \"%s\"",
			kk_kind_word(rc_scope_kind(scope)), scope->realm);
	parent.space = scope->space;
	if (scope->stack && !rc_store_exists(&parent))
		return kk_fail(err, KK_E_SPACE_NOT_FOUND,
			"failed to create %s: space not found: \"%s\" "
			"in realm \"%s\"",
			kk_kind_word(rc_scope_kind(scope)), scope->space, scope->realm);
	return 0;
}

static void create(struct op *op)
{
	struct kk_realm *realm = op->doc;
	struct kk_stack *stack = op->doc;
	struct rc_decision decision;
	struct kk_err err = {0};

	rc_decide(op->kind, NULL, op->doc, &decision);
	if (decision.action == RC_FAILED) {
		op_fail(op, &decision.err);
		return;
	}
	if (op->kind != KK_KIND_REALM && parent_check(&op->scope, &err) < 0) {
		op_fail(op, &err);
		return;
	}
	kk_doc_default(op->kind, op->doc);
	if (op->kind == KK_KIND_REALM && kk_str_empty(realm->spec.namespace))
		realm->spec.namespace = rc_namespace_default(op->scope.realm);
	if (op->kind == KK_KIND_STACK && kk_str_empty(stack->spec.id))
		kk_str_set(&stack->spec.id, op->scope.stack);
	if (op->is_create)
		managed_labels_set(op);
	op->outcome.action = RC_CREATED;
	intent_record(op, NULL);
	if (rc_store_save(&op->scope, op->doc, &err) < 0) {
		op_fail(op, &err);
		return;
	}
	make(op);
}

static void apply_turn(struct rc_turn *turn, void *arg)
{
	struct op *op = arg;
	kk_auto_free void *stored = kk_xalloc(kk_kind_schema(op->kind)->size);
	struct kk_err err = {0};
	int r;

	op->turn = turn;
	r = rc_store_load(&op->scope, stored, &err);
	if (r < 0)
		op_fail(op, &err);
	else if (r == 0)
		create(op);
	else
		update(op, kk_steal(&stored));
}

void rc_scope_apply(enum kk_kind kind, const void *doc, bool is_create, struct rc_cause cause,
	rc_outcome_f fn, void *arg)
{
	const struct kk_scope scope = kk_doc_scope(kind, doc);
	struct op *op = op_new(&scope, cause, fn, arg);

	op->kind = kind;
	op->is_create = is_create;
	op->doc = kk_xalloc(kk_kind_schema(kind)->size);
	kk_schema_copy(kk_kind_schema(kind), doc, op->doc);
	rc_turn_take(&op->scope, false, apply_turn, op);
}

/* --- repair --- */

/* What it lacks; NULL: nothing. */
static const char *fault_of(const struct rc_plan *plan)
{
	const struct kk_rep_cgroup_get *cgroup = rc_plan_reply(plan, KK_MSG_cgroup_get, 0);
	const struct kk_rep_namespace_get *namespace = rc_plan_reply(plan, KK_MSG_namespace_get, 0);
	const struct kk_rep_network_survey *survey = rc_plan_reply(plan, KK_MSG_network_survey, 0);

	if (!cgroup->exists)
		return "its cgroup";
	if (namespace && !namespace->exists)
		return "its namespace in containerd";
	return survey && survey->spaces.n ? survey->spaces.items[0].value : NULL;
}

static void repair_seen(const struct kk_err *err, void *arg)
{
	struct op *op = arg;
	const char *fault = err ? NULL : fault_of(&op->plan);
	const char *failure = rc_scope_failure(op->kind, op->doc);

	if (err) {
		op_fail(op, err);
		return;
	}
	op->outcome.action = fault || failure ? RC_UPDATED : RC_UNCHANGED;
	if (!fault && !failure) {
		op_end(op);
		return;
	}
	if (fault && strcmp(fault, KK_SURVEY_HOSTS) == 0) {
		kk_info("space '%s' is given %s", kk_doc_name(op->kind, op->doc), fault);
	} else if (fault) {
		kk_warning("%s '%s' has lost %s, which is made again", kk_kind_word(op->kind),
			kk_doc_name(op->kind, op->doc), fault);
		rc_event(&op->scope, NULL, "Repairing", "it has lost %s", fault);
	}
	rc_plan_release(&op->plan);
	make(op);
}

static void repair_turn(struct rc_turn *turn, void *arg)
{
	struct op *op = arg;
	kk_auto_free void *stored = kk_xalloc(kk_kind_schema(op->kind)->size);
	kk_auto_free char *namespace = NULL;
	struct kk_err err = {0};
	int r;

	op->turn = turn;
	r = rc_store_load(&op->scope, stored, &err);
	op->outcome.action = RC_NOT_FOUND;
	if (r == 1) {
		op->doc = kk_steal(&stored);
		namespace = rc_store_namespace(op->scope.realm, &err);
	}
	if (err.code) {
		op_fail(op, &err);
	} else if (r == 0) {
		op_end(op);
	} else {
		rc_plan_scope_look(&op->plan, &op->scope, namespace);
		rc_plan_run(&op->plan, op->cause.op, repair_seen, op);
	}
}

void rc_scope_repair(const struct kk_scope *scope, rc_outcome_f fn, void *arg)
{
	struct op *op = op_new(scope, (struct rc_cause){0}, fn, arg);

	rc_turn_take(&op->scope, false, repair_turn, op);
}

/* --- parents --- */

struct parents {
	char *names[4];
	struct kk_scope scope;
	uint64_t op;
	int level; /* 0 realm, 1 space, 2 stack */
	rc_done_f fn;
	void *arg;
};

static void parents_next(struct parents *parents);

static void parents_end(struct parents *parents, const struct kk_err *err)
{
	parents->fn(err, parents->arg);
	for (size_t i = 0; i < KK_COUNT(parents->names); i++)
		free(parents->names[i]);
	free(parents);
}

static void parent_done(struct rc_outcome *outcome, void *arg)
{
	struct parents *parents = arg;

	if (outcome->action == RC_FAILED) {
		parents_end(parents, &outcome->err);
		return;
	}
	parents->level++;
	parents_next(parents);
}

static void parent_apply(struct parents *parents)
{
	const struct kk_scope *scope = &parents->scope;
	struct kk_realm realm;
	struct kk_space space;
	struct kk_stack stack;

	switch (parents->level) {
	case 0:
		kk_schema_init(kk_schema_of_realm(), &realm);
		realm.metadata.name = (char *)scope->realm;
		rc_scope_apply(KK_KIND_REALM, &realm, true, (struct rc_cause){parents->op, 0},
			parent_done, parents);
		break;
	case 1:
		kk_schema_init(kk_schema_of_space(), &space);
		space.metadata.name = (char *)scope->space;
		space.spec.realm_id = (char *)scope->realm;
		rc_scope_apply(KK_KIND_SPACE, &space, true, (struct rc_cause){parents->op, 0},
			parent_done, parents);
		break;
	default:
		kk_schema_init(kk_schema_of_stack(), &stack);
		stack.metadata.name = (char *)scope->stack;
		stack.spec.realm_id = (char *)scope->realm;
		stack.spec.space_id = (char *)scope->space;
		rc_scope_apply(KK_KIND_STACK, &stack, true, (struct rc_cause){parents->op, 0},
			parent_done, parents);
		break;
	}
}

static void parents_next(struct parents *parents)
{
	const struct kk_scope *scope = &parents->scope;
	int depth = scope->cell ? 3 : scope->stack ? 2 : scope->space ? 1 : 0;

	for (; parents->level < depth; parents->level++) {
		struct kk_scope parent = {scope->realm, parents->level > 0 ? scope->space : NULL,
			parents->level > 1 ? scope->stack : NULL, NULL};

		if (rc_store_exists(&parent))
			continue;
		parent_apply(parents);
		return;
	}
	parents_end(parents, NULL);
}

void rc_parents_ensure(const struct kk_scope *scope, uint64_t op, rc_done_f fn, void *arg)
{
	const char *const parts[] = {scope->realm, scope->space, scope->stack, scope->cell};
	struct parents *parents = kk_xalloc(sizeof *parents);

	for (size_t i = 0; i < KK_COUNT(parts); i++)
		parents->names[i] = kk_xstrdup(parts[i]);
	parents->scope = (struct kk_scope){
		parents->names[0], parents->names[1], parents->names[2], parents->names[3]};
	parents->op = op;
	parents->fn = fn;
	parents->arg = arg;
	parents_next(parents);
}

/* --- deletion --- */

static const char *const child_words[] = {"space", "stack", "cell"};

static void delete_self(struct op *op);
static void delete_next_child(struct op *op);

static void child_done(struct rc_outcome *outcome, void *arg)
{
	struct op *op = arg;

	if (outcome->action == RC_FAILED) {
		op_fail(op, &outcome->err);
		return;
	}
	op->outcome.n_cascaded++;
	delete_next_child(op);
}

/* Children are deleted in turns of their own, before this object takes its turn. */
static void delete_next_child(struct op *op)
{
	struct kk_scope child = op->scope;
	kk_auto_free char *name = NULL;

	if (op->children.n == 0) {
		delete_self(op);
		return;
	}
	name = op->children.items[--op->children.n];
	kk_strs_take(&op->outcome.done, kk_xprintf("%s:%s", child_words[op->kind], name));
	if (op->kind == KK_KIND_STACK) {
		struct kk_cell cell;

		kk_schema_init(kk_schema_of_cell(), &cell);
		cell.metadata.name = name;
		cell.spec.realm_id = (char *)child.realm;
		cell.spec.space_id = (char *)child.space;
		cell.spec.stack_id = (char *)child.stack;
		rc_cell_do(op->how & RC_PURGE ? RC_CELL_PURGE : RC_CELL_DELETE, &cell, op->cause,
			child_done, op);
		return;
	}
	if (op->kind == KK_KIND_REALM)
		child.space = name;
	else
		child.stack = name;
	rc_scope_delete(&child, RC_CASCADE | RC_FORCE | (op->how & RC_PURGE), op->cause, child_done,
		op);
}

static void delete_done(const struct kk_err *failure, void *arg)
{
	static const char *const realm_done[] = {"metadata", "cgroup", "namespace"};
	static const char *const space_done[] = {"metadata", "cgroup", "network"};
	struct op *op = arg;
	struct kk_err err = {0};
	size_t n = op->kind == KK_KIND_STACK ? 2 : 3;

	if (failure) {
		op_fail(op, failure);
		return;
	}
	if (rc_store_remove(&op->scope, &err) < 0) {
		op_fail(op, &err);
		return;
	}
	for (size_t i = 0; i < n; i++)
		kk_strs_add(&op->outcome.done,
			op->kind == KK_KIND_REALM ? realm_done[i] : space_done[i]);
	op->outcome.action = RC_DELETED;
	op_end(op);
}

static void delete_turn(struct rc_turn *turn, void *arg)
{
	struct op *op = arg;
	kk_auto(kk_strs_release) struct kk_strs children = {0};
	struct kk_err err = {0};
	kk_auto_free char *namespace = rc_store_namespace(op->scope.realm, &err);
	const char *verb = op->how & RC_PURGE ? "purge" : "delete";

	op->turn = turn;
	if (op->how & RC_SWEEP && rc_store_exists(&op->scope)) {
		op->outcome.action = RC_UNCHANGED;
		op_end(op);
		return;
	}
	/* Something may have been created since the children were deleted. */
	if (!namespace || rc_store_children(&op->scope, &children, &err) < 0) {
		op_fail(op, &err);
		return;
	}
	if (children.n && !(op->how & RC_FORCE)) {
		kk_fail(&err, KK_E_HAS_DEPENDENCIES,
			"failed to %s %s: resource has child resources: "
			"%s \"%s\" has %zu %s(s). Use --cascade to %s them or --force to skip "
			"validation",
			verb, kk_kind_word(op->kind), kk_kind_word(op->kind),
			op->kind == KK_KIND_REALM         ? op->scope.realm :
				op->kind == KK_KIND_SPACE ? op->scope.space :
							    op->scope.stack,
			children.n, child_words[op->kind], verb);
		op_fail(op, &err);
		return;
	}
	rc_journal_note(op->cause, &op->scope, "delete");
	rc_plan_scope_remove(&op->plan, &op->scope, namespace);
	rc_plan_run(&op->plan, op->cause.op, delete_done, op);
}

static void delete_self(struct op *op)
{
	rc_turn_take(&op->scope, false, delete_turn, op);
}

/* Whoever removed it, in this operation or another, may not have come to the end of it. */
static void missing(struct op *op)
{
	struct kk_err err = {0};

	if (rc_store_sweep(&op->scope, &err) < 0) {
		op_fail(op, &err);
		return;
	}
	op->outcome.action = rc_journal_has(op->cause, &op->scope, "delete") ? RC_DELETED :
									       RC_NOT_FOUND;
	op_end(op);
}

void rc_scope_delete(const struct kk_scope *scope, unsigned how, struct rc_cause cause,
	rc_outcome_f fn, void *arg)
{
	struct op *op = op_new(scope, cause, fn, arg);
	struct kk_err err = {0};
	int r = 0;

	op->how = how;
	if (!rc_store_exists(&op->scope) && !(how & RC_PURGE)) {
		missing(op);
		return;
	}
	/* Forcing leaves no orphans either: a child without its parent could never be managed again. */
	if (how & (RC_CASCADE | RC_FORCE))
		r = how & RC_PURGE ? rc_store_remains(&op->scope, &op->children, &err) :
				     rc_store_children(&op->scope, &op->children, &err);
	if (r < 0) {
		op_fail(op, &err);
		return;
	}
	delete_next_child(op);
}
