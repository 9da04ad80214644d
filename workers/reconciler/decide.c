/* workers/reconciler/decide.c - what an apply comes to, before anything is done: pure functions of what is stored, what
 * is wanted and what was seen. */
#include "rc.h"

#include <stdlib.h>

#include <kukeon/mem.h>

void rc_decision_release(struct rc_decision *decision)
{
	kk_diff_release(&decision->diff);
}

static int breaking_fail(enum kk_kind kind, const void *doc, const struct kk_diff *diff,
	struct kk_err *err)
{
	return kk_fail(err, KK_E_BREAKING,
		"%s \"%s\" has breaking changes: [%s]. Delete the %s and "
		"recreate it with the new spec",
		kk_kind_word(kind), kk_doc_name(kind, doc), diff->breaking.items[0],
		kk_kind_word(kind));
}

/* A policy that can't be kept is refused: better than a space that is open, or shut, by surprise. */
static int policy_check(const struct kk_egress *egress, struct kk_err *err)
{
	kk_auto(kk_strs_release) struct kk_strs problems = {0};

	kk_egress_check(egress, &problems);
	return problems.n ?
		kk_fail(err, KK_E_INVALID, "failed to apply egress policy: %s", problems.items[0]) :
		0;
}

static int spec_check(enum kk_kind kind, const void *doc, struct kk_err *err)
{
	const struct kk_space *space = doc;

	return kind == KK_KIND_SPACE ? policy_check(&space->spec.network.egress, err) : 0;
}

struct rc_scope_status rc_scope_status(enum kk_kind kind, void *doc)
{
	struct kk_realm *realm = doc;
	struct kk_space *space = doc;
	struct kk_stack *stack = doc;

	switch (kind) {
	case KK_KIND_REALM:
		return (struct rc_scope_status){
			&realm->status.state, KK_REALM_FAILED, &realm->status.message};
	case KK_KIND_SPACE:
		return (struct rc_scope_status){
			&space->status.state, KK_SCOPE_FAILED, &space->status.message};
	default:
		return (struct rc_scope_status){
			&stack->status.state, KK_SCOPE_FAILED, &stack->status.message};
	}
}

const char *rc_scope_failure(enum kk_kind kind, const void *doc)
{
	struct rc_scope_status status;

	if (kind > KK_KIND_STACK)
		return NULL;
	status = rc_scope_status(kind, (void *)(uintptr_t)doc);
	return *status.state == status.failed ? kk_str(*status.message) : NULL;
}

void rc_decide(enum kk_kind kind, const void *stored, const void *wanted,
	struct rc_decision *ret_decision)
{
	struct kk_diff *diff = &ret_decision->diff;
	struct kk_err *err = &ret_decision->err;

	*ret_decision = (struct rc_decision){.action = RC_CREATED};
	if (!stored) {
		if (kk_name_check(kind, kk_doc_name(kind, wanted), err) == 0)
			(void)spec_check(kind, wanted, err);
	} else {
		const char *failure = rc_scope_failure(kind, stored);

		kk_doc_diff(kind, stored, wanted, diff);
		if (failure && !diff->changes.n)
			kk_diff_add(diff, kk_xprintf("tried again: %s", failure), KK_EFFECT_NONE);
		ret_decision->action = diff->changes.n ? RC_UPDATED : RC_UNCHANGED;
		if (diff->breaking.n)
			(void)breaking_fail(kind, wanted, diff, err);
		else if (diff->changes.n)
			(void)spec_check(kind, wanted, err);
	}
	if (err->code)
		ret_decision->action = RC_FAILED;
}

bool rc_decide_start(const struct kk_cell *observed, struct rc_decision *decision)
{
	struct kk_diff *diff = &decision->diff;

	if ((observed->status.state == KK_CELL_READY || rc_status_is_recovering(observed)) &&
		kk_str_equal(observed->intent.boot_id, rc.boot_id))
		return false;
	decision->action = RC_UPDATED;
	kk_diff_add(diff, kk_xstrdup("runtime stopped: containers re-materialized"),
		KK_EFFECT_START);
	for (size_t i = 0; i < observed->spec.containers.n; i++)
		kk_diff_add(diff,
			kk_xprintf("container \"%s\" re-materialized",
				observed->spec.containers.items[i].id),
			KK_EFFECT_START);
	return true;
}

/* Labels of ours stay; what a manifest says of them it says in vain. */
static void labels_take_over(struct kk_map *stored, const struct kk_map *wanted)
{
	for (size_t i = stored->n; i-- > 0;) {
		if (!kk_str_ends(stored->items[i].key, ".kukeon.io"))
			kk_map_drop(stored, i);
	}
	for (size_t i = 0; i < wanted->n; i++)
		kk_map_set(stored, wanted->items[i].key, wanted->items[i].value);
}

static void realm_take_over(struct kk_realm *stored, const struct kk_realm *wanted)
{
	kk_auto_free char *namespace = kk_steal(&stored->spec.namespace);

	kk_realm_spec_release(&stored->spec);
	kk_schema_copy(kk_schema_of_realm_spec(), &wanted->spec, &stored->spec);
	if (kk_str_empty(stored->spec.namespace))
		kk_str_set(&stored->spec.namespace, namespace);
}

static void space_take_over(struct kk_space *stored, const struct kk_space *wanted)
{
	kk_auto_free char *conflist = kk_steal(&stored->spec.cni_config_path);

	kk_space_spec_release(&stored->spec);
	kk_schema_copy(kk_schema_of_space_spec(), &wanted->spec, &stored->spec);
	kk_str_set(&stored->spec.cni_config_path, conflist);
}

static void stack_take_over(struct kk_stack *stored, const struct kk_stack *wanted)
{
	kk_auto_free char *id = kk_steal(&stored->spec.id);

	kk_stack_spec_release(&stored->spec);
	kk_schema_copy(kk_schema_of_stack_spec(), &wanted->spec, &stored->spec);
	if (kk_str_empty(stored->spec.id))
		kk_str_set(&stored->spec.id, id);
}

static void cell_take_over(struct kk_cell *stored, const struct kk_cell *wanted)
{
	const struct kk_map *annotations = &wanted->metadata.annotations;

	kk_map_release(&stored->metadata.annotations);
	for (size_t i = 0; i < annotations->n; i++)
		kk_map_set(&stored->metadata.annotations, annotations->items[i].key,
			annotations->items[i].value);
	kk_cell_spec_release(&stored->spec);
	kk_schema_copy(kk_schema_of_cell_spec(), &wanted->spec, &stored->spec);
}

void rc_take_over(enum kk_kind kind, void *stored, const void *wanted)
{
	struct kk_realm *to = stored;
	const struct kk_realm *from = wanted;

	/* All documents begin alike. */
	labels_take_over(&to->metadata.labels, &from->metadata.labels);
	switch (kind) {
	case KK_KIND_REALM:
		realm_take_over(stored, wanted);
		break;
	case KK_KIND_SPACE:
		space_take_over(stored, wanted);
		break;
	case KK_KIND_STACK:
		stack_take_over(stored, wanted);
		break;
	default:
		cell_take_over(stored, wanted);
		break;
	}
}

void rc_container_put(const struct kk_cell *stored, const struct kk_container_spec *one,
	struct kk_cell *ret_wanted)
{
	struct kk_container_spec *there;

	kk_schema_copy(kk_schema_of_cell(), stored, ret_wanted);
	there = kk_cell_container(ret_wanted, one->id);
	if (!there)
		there = kk_list_add(KK_LIST(&ret_wanted->spec.containers),
			kk_schema_of_container_spec());
	kk_container_spec_release(there);
	kk_schema_copy(kk_schema_of_container_spec(), one, there);
}

void rc_cell_complete(struct kk_cell *cell)
{
	const struct kk_scope scope = kk_doc_scope(KK_KIND_CELL, cell);

	kk_doc_default(KK_KIND_CELL, cell);
	free(cell->status.cgroup_path);
	cell->status.cgroup_path = rc_cgroup_path(&scope);
	for (size_t i = 0; i < cell->spec.containers.n; i++) {
		struct kk_container_spec *spec = &cell->spec.containers.items[i];

		free(spec->containerd_id);
		spec->containerd_id = rc_container_id(&scope, spec->id);
		kk_str_set(&spec->realm_id, scope.realm);
		kk_str_set(&spec->space_id, scope.space);
		kk_str_set(&spec->stack_id, scope.stack);
		kk_str_set(&spec->cell_id, scope.cell);
	}
}

int rc_system_check(const struct kk_scope *scope, struct kk_err *err)
{
	if (!kk_str_equal(scope->realm, KK_SYSTEM_REALM))
		return 0;
	return kk_fail(err, KK_E_STATE,
		"realm \"" KK_SYSTEM_REALM
		"\" is kukeond's own: pass --force to have this done to it");
}

int rc_parent_cell_fail(const char *cell, struct kk_err *err)
{
	return kk_fail(err, KK_E_CELL_NOT_FOUND, "parent cell \"%s\" not found: cell not found",
		cell);
}
