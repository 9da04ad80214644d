/* tests/unit/test_decide.c - what an apply comes to, before anything is done. */
#include "../../workers/reconciler/rc.h"

#include <string.h>

#include <kukeon/mem.h>

#include "../support/check.h"

#define CELL                                                                                  \
	"metadata: {name: web}\nspec:\n  id: web\n  realmId: r\n  spaceId: s\n  stackId: t\n" \
	"  containers:\n  - id: app\n    image: busybox\n"
#define SPACE "metadata: {name: s}\nspec:\n  realmId: r\n"

union document {
	struct kk_realm realm;
	struct kk_space space;
	struct kk_stack stack;
	struct kk_cell cell;
};

static void document_read(enum kk_kind kind, const char *text, union document *ret_doc)
{
	struct kk_err err = {0};

	check_ok(kk_yaml_read(kk_kind_schema(kind), text, strlen(text), ret_doc, &err), &err);
}

/* @stored: NULL for none. */
static void check_decision(enum kk_kind kind, const char *stored, const char *wanted,
	enum rc_action action, int code)
{
	kk_auto(rc_decision_release) struct rc_decision decision;
	union document a, b;

	if (stored)
		document_read(kind, stored, &a);
	document_read(kind, wanted, &b);
	rc_decide(kind, stored ? &a : NULL, &b, &decision);
	ck_assert_int_eq(decision.action, action);
	check_code(decision.err.code, code);
	ck_assert_uint_eq(decision.diff.changes.n, decision.diff.effects.n);
	if (stored)
		kk_schema_release(kk_kind_schema(kind), &a);
	kk_schema_release(kk_kind_schema(kind), &b);
}

START_TEST(what_is_not_there_is_created_where_it_may_be)
{
	check_decision(KK_KIND_CELL, NULL, CELL, RC_CREATED, 0);
	check_decision(KK_KIND_SPACE, NULL, SPACE, RC_CREATED, 0);
	check_decision(KK_KIND_SPACE, NULL, "metadata: {name: a_b}\nspec: {realmId: r}\n",
		RC_FAILED, KK_E_INVALID);
	check_decision(KK_KIND_SPACE, NULL,
		SPACE "  network: {egress: {default: deny, allow: [{host: a/b}]}}\n", RC_FAILED,
		KK_E_INVALID);
}
END_TEST

START_TEST(what_is_there_is_compared)
{
	check_decision(KK_KIND_CELL, CELL, CELL, RC_UNCHANGED, 0);
	check_decision(KK_KIND_CELL, CELL, CELL "    env: [A=1]\n", RC_UPDATED, 0);
	check_decision(KK_KIND_CELL, CELL, CELL "    hostPID: true\n", RC_FAILED, KK_E_BREAKING);
	check_decision(KK_KIND_SPACE, SPACE,
		SPACE "  network: {egress: {default: deny, allow: [{host: a/b}]}}\n", RC_FAILED,
		KK_E_INVALID);
}
END_TEST

START_TEST(what_failed_is_tried_again)
{
	kk_auto(rc_decision_release) struct rc_decision decision;
	union document stored, wanted;

	document_read(KK_KIND_SPACE, SPACE, &stored);
	document_read(KK_KIND_SPACE, SPACE, &wanted);
	stored.space.status.state = KK_SCOPE_FAILED;
	kk_str_set(&stored.space.status.message, "no name server answers");
	rc_decide(KK_KIND_SPACE, &stored, &wanted, &decision);
	ck_assert_int_eq(decision.action, RC_UPDATED);
	ck_assert_uint_eq(decision.diff.changes.n, 1);
	ck_assert_str_eq(decision.diff.changes.items[0], "tried again: no name server answers");
	kk_space_release(&stored.space);
	kk_space_release(&wanted.space);
}
END_TEST

static bool is_started(int state, const char *boot_id)
{
	kk_auto(rc_decision_release) struct rc_decision decision = {.action = RC_UNCHANGED};
	union document doc;
	bool r;

	document_read(KK_KIND_CELL, CELL, &doc);
	doc.cell.status.state = state;
	kk_str_set(&doc.cell.intent.boot_id, boot_id);
	r = rc_decide_start(&doc.cell, &decision);
	ck_assert_int_eq(decision.action, r ? RC_UPDATED : RC_UNCHANGED);
	ck_assert_uint_eq(decision.diff.changes.n, r ? 2 : 0);
	kk_cell_release(&doc.cell);
	return r;
}

START_TEST(a_cell_that_does_not_run_is_started)
{
	strcpy(rc.boot_id, "this");
	ck_assert(!is_started(KK_CELL_READY, "this"));
	ck_assert(is_started(KK_CELL_READY, "the one before"));
	ck_assert(is_started(KK_CELL_STOPPED, "this"));
	ck_assert(is_started(KK_CELL_FAILED, "this"));
	ck_assert(is_started(KK_CELL_EXITED, "this"));
}
END_TEST

static void taken_over(enum kk_kind kind, const char *stored, const char *wanted,
	const char *expected)
{
	union document a, b, c;

	document_read(kind, stored, &a);
	document_read(kind, wanted, &b);
	document_read(kind, expected, &c);
	rc_take_over(kind, &a, &b);
	ck_assert(kk_schema_equal(kk_kind_schema(kind), &a, &c, 0));
	kk_schema_release(kk_kind_schema(kind), &a);
	kk_schema_release(kk_kind_schema(kind), &b);
	kk_schema_release(kk_kind_schema(kind), &c);
}

START_TEST(what_a_manifest_leaves_out_stays)
{
	taken_over(KK_KIND_REALM,
		"metadata: {name: r, labels: {realm.kukeon.io: r, a: b}}\nspec: {namespace: n}\n",
		"metadata: {name: r, labels: {c: d}}\n",
		"metadata: {name: r, labels: {realm.kukeon.io: r, c: d}}\nspec: {namespace: n}\n");
	taken_over(KK_KIND_SPACE,
		SPACE "  cniConfigPath: /x\n  network: {egress: {default: deny}}\n", SPACE,
		SPACE "  cniConfigPath: /x\n");
	taken_over(KK_KIND_STACK, "metadata: {name: t}\nspec: {id: x, realmId: r, spaceId: s}\n",
		"metadata: {name: t, labels: {a: b}}\nspec: {realmId: r, spaceId: s}\n",
		"metadata: {name: t, labels: {a: b}}\nspec: {id: x, realmId: r, spaceId: s}\n");
	taken_over(KK_KIND_CELL, CELL, CELL "    env: [A=1]\n", CELL "    env: [A=1]\n");
}
END_TEST

START_TEST(a_container_is_put_in_its_place_or_behind_the_others)
{
	struct kk_container_spec one = {.id = (char *)"app", .image = (char *)"other"};
	union document stored;
	struct kk_cell wanted;

	document_read(KK_KIND_CELL, CELL "  - {id: b, image: x}\n", &stored);
	rc_container_put(&stored.cell, &one, &wanted);
	ck_assert_uint_eq(wanted.spec.containers.n, 2);
	ck_assert_str_eq(wanted.spec.containers.items[0].image, "other");
	kk_cell_release(&wanted);
	one.id = (char *)"c";
	rc_container_put(&stored.cell, &one, &wanted);
	ck_assert_uint_eq(wanted.spec.containers.n, 3);
	ck_assert_str_eq(wanted.spec.containers.items[2].id, "c");
	kk_cell_release(&wanted);
	kk_cell_release(&stored.cell);
}
END_TEST

CHECK_MAIN("decide", what_is_not_there_is_created_where_it_may_be, what_is_there_is_compared,
	what_failed_is_tried_again, a_cell_that_does_not_run_is_started,
	what_a_manifest_leaves_out_stays, a_container_is_put_in_its_place_or_behind_the_others)
