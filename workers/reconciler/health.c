/* workers/reconciler/health.c - is there what was made? Whatever others took away from networks, cgroups and containerd's
 * namespaces is made again. The first look is at all at once and holds nobody up; what seems to miss something is looked
 * at again when it has its turn. */
#include "rc.h"

#include <stdlib.h>
#include <string.h>

#include <kukeon/log.h>
#include <kukeon/mem.h>

struct check {
	struct rc_plan plan;
	struct kk_strs scopes;   /* paths, one for each step behind the first, in order */
	struct kk_strs suspects; /* paths of realms, spaces and stacks */
	struct kk_strs cells;
	size_t n_open;
};

/* One look at a time; what happens amid it is seen by the next. */
static struct check *under_way;
static bool is_again, is_again_full;

static void check_begin(bool is_full);

static void check_end(struct check *check)
{
	rc_plan_release(&check->plan);
	kk_strs_release(&check->scopes);
	kk_strs_release(&check->suspects);
	kk_strs_release(&check->cells);
	free(check);
	under_way = NULL;
	if (!is_again)
		return;
	is_again = false;
	check_begin(is_again_full);
}

/* --- repairing --- */

static void failure_report(const struct rc_outcome *outcome)
{
	struct kk_err err = outcome->err;
	char text[KK_ERR_TEXT];

	if (outcome->action != RC_FAILED || err.code == KK_E_CELL_NOT_FOUND)
		return;
	kk_err_format(&err, text, sizeof text);
	kk_warning("what is missing could not be made again, the next pass tries again: %s", text);
}

static void cell_repaired(struct rc_outcome *outcome, void *arg)
{
	struct check *check = arg;

	failure_report(outcome);
	if (--check->n_open == 0)
		check_end(check);
}

static void cells_repair(struct check *check)
{
	struct rc_outcome nothing = {.action = RC_UNCHANGED};

	/* Held open while it fills. */
	check->n_open = 1;
	for (size_t i = 0; i < check->cells.n; i++) {
		struct kk_scope scope;

		if (!rc_scope_parse(check->cells.items[i], &scope))
			continue;
		check->n_open++;
		rc_cell_look(&scope, RC_CELL_REPAIR, 0, cell_repaired, check);
	}
	cell_repaired(&nothing, check);
}

static void scope_repaired(struct rc_outcome *outcome, void *arg)
{
	struct check *check = arg;

	failure_report(outcome);
	if (--check->n_open == 0)
		cells_repair(check);
}

/* A cell hangs on the network of its space, so that one comes first. */
static void scopes_repair(struct check *check)
{
	struct rc_outcome nothing = {.action = RC_UNCHANGED};

	check->n_open = 1;
	for (size_t i = 0; i < check->suspects.n; i++) {
		struct kk_scope scope;

		if (!rc_scope_parse(check->suspects.items[i], &scope))
			continue;
		check->n_open++;
		rc_scope_repair(&scope, scope_repaired, check);
	}
	scope_repaired(&nothing, check);
}

/* --- looking --- */

static bool step_is_missing(const struct rc_step *step)
{
	if (!step->rep)
		return false;
	return step->msg == KK_MSG_namespace_get ?
		!((const struct kk_rep_namespace_get *)step->rep)->exists :
		!((const struct kk_rep_cgroup_get *)step->rep)->exists;
}

static void suspect(struct check *check, const char *path)
{
	if (!kk_strs_has(&check->suspects, path))
		kk_strs_add(&check->suspects, path);
}

static void looked(const struct kk_err *err, void *arg)
{
	struct check *check = arg;
	const struct kk_rep_network_survey *survey =
		rc_plan_reply(&check->plan, KK_MSG_network_survey, 0);

	(void)err;
	for (size_t i = 0; survey && i < survey->spaces.n; i++)
		suspect(check, survey->spaces.items[i].key);
	for (size_t i = 0; survey && i < survey->cells.n; i++)
		kk_strs_add(&check->cells, survey->cells.items[i].key);
	for (size_t i = 0; i < check->scopes.n; i++) {
		const char *path = check->scopes.items[i];

		if (step_is_missing(&check->plan.steps[i + 1]))
			suspect(check, path);
	}
	scopes_repair(check);
}

static void step_done(struct check *check, const struct kk_scope *scope)
{
	check->plan.steps[check->plan.n - 1].is_optional = true;
	kk_strs_take(&check->scopes, rc_scope_path(scope));
}

/* Is it there at all? */
static void existence_ask(const struct kk_scope *scope, void *arg)
{
	struct check *check = arg;
	struct kk_req_cgroup_get *cgroup;
	struct kk_req_namespace_get *namespace;
	kk_auto_free char *name = NULL;

	if (scope->cell)
		return;
	cgroup = rc_plan_add(&check->plan, 0, KK_MSG_cgroup_get);
	cgroup->path = rc_cgroup_path(scope);
	step_done(check, scope);
	name = scope->space ? NULL : rc_store_namespace(scope->realm, NULL);
	if (!name)
		return;
	namespace = rc_plan_add(&check->plan, 0, KK_MSG_namespace_get);
	namespace->namespace = kk_steal(&name);
	step_done(check, scope);
}

static void retried(struct rc_outcome *outcome, void *arg)
{
	(void)arg;
	failure_report(outcome);
}

/* What could not be made when it was asked for is tried again. Nobody waits for it: it may fail slowly. */
static void failed_retry(const struct kk_scope *scope, void *arg)
{
	const enum kk_kind kind = rc_scope_kind(scope);
	kk_auto_free void *doc = NULL;
	struct kk_err ignored = {0};

	(void)arg;
	if (scope->cell || rc_turn_is_busy(scope))
		return;
	doc = kk_xalloc(kk_kind_schema(kind)->size);
	if (rc_store_load(scope, doc, &ignored) != 1)
		return;
	if (rc_scope_failure(kind, doc))
		rc_scope_repair(scope, retried, NULL);
	kk_schema_release(kk_kind_schema(kind), doc);
}

static bool has_network(const struct kk_scope *scope)
{
	struct kk_err err = {0};
	struct kk_cell cell;
	bool is_up;

	if (rc_turn_is_busy(scope) || rc_store_load(scope, &cell, &err) != 1)
		return false;
	is_up = (cell.status.state == KK_CELL_READY || cell.status.state == KK_CELL_DEGRADED) &&
		kk_str_equal(cell.intent.boot_id, rc.boot_id) && !kk_cell_is_on_host_network(&cell);
	kk_cell_release(&cell);
	return is_up;
}

static void network_ask(const struct kk_scope *scope, void *arg)
{
	struct kk_req_network_survey *survey = arg;

	if (scope->cell && has_network(scope))
		kk_strs_take(&survey->cells, rc_scope_path(scope));
	else if (scope->space && !scope->stack)
		kk_strs_take(&survey->spaces, rc_scope_path(scope));
}

static void check_begin(bool is_full)
{
	struct kk_req_network_survey *survey;

	under_way = kk_xalloc(sizeof *under_way);
	survey = rc_plan_add(&under_way->plan, 0, KK_MSG_network_survey);
	under_way->plan.steps[0].is_optional = true;
	rc_walk(&(struct kk_scope){0}, network_ask, survey);
	if (is_full)
		rc_walk(&(struct kk_scope){0}, existence_ask, under_way);
	rc_plan_run(&under_way->plan, 0, looked, under_way);
}

void rc_health_check(bool is_full)
{
	if (rc.worker->config.is_embedded)
		return;
	if (is_full)
		rc_walk(&(struct kk_scope){0}, failed_retry, NULL);
	if (!under_way) {
		check_begin(is_full);
		return;
	}
	is_again_full = (is_again && is_again_full) || is_full;
	is_again = true;
}
