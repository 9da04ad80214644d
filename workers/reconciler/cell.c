/* workers/reconciler/cell.c - what is done with one cell, each verb from its turn to its outcome. */
#include "rc.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kukeon/clock.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>

enum { EXIT_KILLED = 137, TRIES_MAX = 3 };

/* What a restart does, in its changes, and what it came to, in its notes. */
#define RESTARTED "restarted"
#define HALTED "halted"

struct op {
	enum rc_cell_verb verb;
	struct kk_cell cell;      /* wanted, then as stored */
	struct kk_cell effective; /* what it is brought up with */
	char *names[4];
	struct kk_scope scope;
	char *namespace;
	struct rc_cause cause;
	struct rc_turn *turn;
	struct rc_plan plan;
	struct rc_plan sandbox; /* its replies are needed while the containers are made */
	struct kk_strs removed; /* ids of containers that go, or are made anew */
	struct kk_strs only;    /* ids of containers that are brought up; none: all */
	struct rc_outcome outcome;
	struct kk_container_spec *one; /* RC_CELL_APPLY for a single container: its wanted spec */
	unsigned n_tries;
	int64_t grace_ms; /* from the signal that asks a container to end to the one that makes it */
	bool is_new;      /* there was no such cell before */
	bool is_resumed;  /* it ran when the host went down */
	bool is_dirty;
	rc_outcome_f fn;
	void *arg;
};

static void op_end(struct op *op)
{
	if (op->turn)
		rc_turn_end(op->turn);
	op->fn(&op->outcome, op->arg);
	rc_plan_release(&op->plan);
	rc_plan_release(&op->sandbox);
	rc_outcome_release(&op->outcome);
	kk_strs_release(&op->removed);
	kk_strs_release(&op->only);
	kk_cell_release(&op->cell);
	kk_cell_release(&op->effective);
	if (op->one)
		kk_container_spec_release(op->one);
	free(op->one);
	free(op->namespace);
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

static bool save(struct op *op)
{
	struct kk_err err = {0};

	if (rc_store_save(&op->scope, &op->cell, &err) == 0)
		return true;
	op_fail(op, &err);
	return false;
}

static void intent_record(struct op *op, const char *want, const struct kk_strs *changes)
{
	struct kk_intent *intent = &op->cell.intent;
	char text[RC_JOURNAL_TEXT];

	rc_journal_text(op->cause, text);
	kk_str_set(&intent->want, want);
	kk_str_set(&intent->op, text);
	kk_str_set(&intent->action, rc_action_name(op->outcome.action));
	kk_str_set(&intent->boot_id, rc.boot_id);
	kk_strs_release(&intent->changes);
	for (size_t i = 0; changes && i < changes->n; i++)
		kk_strs_add(&intent->changes, changes->items[i]);
	rc_restart_forget(&op->cell);
}

static bool is_own_write(const struct op *op)
{
	char text[RC_JOURNAL_TEXT];

	rc_journal_text(op->cause, text);
	return kk_str_equal(op->cell.intent.op, text);
}

static void outcome_recall(struct op *op)
{
	const struct kk_intent *intent = &op->cell.intent;

	op->outcome.action = kk_str_equal(intent->action, "created") ? RC_CREATED : RC_UPDATED;
	op->is_new = op->outcome.action == RC_CREATED && !op->one;
	op->outcome.was_existing = !op->is_new;
	for (size_t i = 0; i < intent->changes.n; i++)
		kk_strs_add(&op->outcome.changes, intent->changes.items[i]);
}

/* --- looking --- */

static void plan_again(struct op *op)
{
	rc_plan_release(&op->plan);
}

static void observe(struct op *op, rc_done_f fn)
{
	plan_again(op);
	rc_plan_containers_list(&op->plan, &op->cell, op->namespace);
	rc_plan_run(&op->plan, op->cause.op, fn, op);
}

static bool observed_update(struct op *op)
{
	const struct kk_rep_container_list *list =
		rc_plan_reply(&op->plan, KK_MSG_container_list, 0);

	return rc_status_update(&op->cell, list->containers.items, list->containers.n);
}

/* --- out of memory? --- */

static void oom_done(const struct kk_err *err, void *arg);

/* Can the kernel have killed in this container for memory, without our knowing it yet? */
static bool oom_is_possible(const struct op *op, const struct kk_container_status *status)
{
	if (status->state == KK_CONTAINER_READY)
		return op->verb == RC_CELL_OOM;
	return status->state == KK_CONTAINER_ERROR && status->exit_code == EXIT_KILLED &&
		kk_str_empty(status->reason);
}

/* Ask for the cgroups of these containers. They exist as long as the task does, so this comes before
 * anything deletes it. Returns whether there is any. */
static bool oom_ask(struct op *op)
{
	bool is_any = false;

	plan_again(op);
	for (size_t i = 0; i < op->cell.status.containers.n; i++) {
		struct kk_container_status *status = &op->cell.status.containers.items[i];
		struct kk_req_cgroup_get *req;

		if (!oom_is_possible(op, status))
			continue;
		req = rc_plan_add(&op->plan, 0, KK_MSG_cgroup_get);
		req->path = rc_container_cgroup(&op->scope, status->id);
		op->plan.steps[op->plan.n - 1].is_optional = true;
		is_any = true;
	}
	if (is_any)
		rc_plan_run(&op->plan, op->cause.op, oom_done, op);
	return is_any;
}

/* A container that goes on although one of its processes was killed says so, and stays Ready. */
static void oom_survived(struct op *op, struct kk_container_status *status, uint64_t kills,
	int64_t limit)
{
	kk_auto_free char *text =
		kk_xprintf("%llu process(es) killed: out of memory, the limit is %lld bytes",
			(unsigned long long)kills, (long long)limit);

	op->is_dirty |= !kk_str_equal(status->message, text);
	kk_str_set(&status->message, text);
}

static void oom_ended(struct op *op, struct kk_container_status *status, int64_t limit)
{
	kk_str_set(&status->reason, "OOMKilled");
	free(status->message);
	status->message = kk_xprintf("out of memory: the limit is %lld bytes", (long long)limit);
	free(op->cell.status.message);
	op->cell.status.message =
		kk_xprintf("container \"%s\" was killed: out of memory (OOMKilled)", status->id);
}

static void oom_apply(struct op *op)
{
	size_t nth = 0;

	for (size_t i = 0; i < op->cell.status.containers.n; i++) {
		struct kk_container_status *status = &op->cell.status.containers.items[i];
		const struct kk_rep_cgroup_get *cgroup;
		int64_t limit;

		if (!oom_is_possible(op, status))
			continue;
		cgroup = rc_plan_reply(&op->plan, KK_MSG_cgroup_get, nth++);
		limit = cgroup ? (int64_t)cgroup->memory_limit_bytes : 0;
		if (status->state == KK_CONTAINER_READY && cgroup && cgroup->oom_kills)
			oom_survived(op, status, cgroup->oom_kills, limit);
		else if (status->state == KK_CONTAINER_ERROR && cgroup && cgroup->oom_kills)
			oom_ended(op, status, limit);
		else if (status->state == KK_CONTAINER_ERROR)
			kk_str_set(&status->reason, "Killed");
	}
}

/* --- the end of each verb that looked --- */

static void auto_deleted(struct rc_outcome *outcome, void *arg)
{
	char text[KK_ERR_TEXT];

	(void)arg;
	if (outcome->action != RC_FAILED)
		return;
	kk_err_format(&outcome->err, text, sizeof text);
	kk_warning("a cell whose work is over could not be deleted: %s", text);
}

/* What becomes of the cell by itself from here on. An in-process command leaves that to the daemon. */
static void look_ahead(const struct op *op)
{
	if (rc.worker->config.is_embedded)
		return;
	if (op->cell.spec.auto_delete && rc_status_is_over(&op->cell)) {
		kk_info("cell '%s' is deleted, its work is over", op->scope.cell);
		rc_cell_do(RC_CELL_DELETE, &op->cell, (struct rc_cause){0}, auto_deleted, NULL);
	}
	rc_tick_wake(&op->scope, rc_restart_next(&op->cell));
}

static void bring_up(struct op *op);
static void update_up(struct op *op);

/* Start again what is due, once: what ends at once has its next turn. */
static bool restart_due(struct op *op)
{
	if ((op->verb != RC_CELL_REFRESH && op->verb != RC_CELL_OOM) || op->only.n ||
		rc.worker->config.is_embedded)
		return false;
	rc_restart_take(&op->cell, kk_time_now(), &op->only);
	if (op->only.n == 0)
		return false;
	for (size_t i = 0; i < op->only.n; i++)
		kk_info("container '%s' of cell '%s' is started again, as its policy says",
			op->only.items[i], op->scope.cell);
	/* Counted before it is done: who dies amid it must not begin anew for ever. */
	if (save(op))
		bring_up(op);
	return true;
}

static void finish(struct op *op)
{
	if (restart_due(op) || (op->is_dirty && !save(op)))
		return;
	look_ahead(op);
	op_end(op);
}

static void oom_done(const struct kk_err *err, void *arg)
{
	struct op *op = arg;

	(void)err;
	oom_apply(op);
	finish(op);
}

/* After a boot: start what ran before it. A command that runs in-process leaves that to the daemon. */
static bool resume_former(struct op *op)
{
	const struct kk_rep_container_list *list =
		rc_plan_reply(&op->plan, KK_MSG_container_list, 0);

	if (!rc_boot_is_former(&op->cell))
		return false;
	if (rc.worker->config.is_embedded) {
		op_end(op);
		return true;
	}
	rc_boot_take(&op->cell, list->containers.items, list->containers.n, &op->only);
	rc_boot_extra(&op->cell, list->containers.items, list->containers.n, &op->removed);
	if (op->only.n == 0 && op->removed.n == 0) {
		kk_str_set(&op->cell.intent.boot_id, rc.boot_id);
		op->is_dirty = true;
		return false;
	}
	kk_info("cell '%s' ran before the host was booted, and is started again", op->scope.cell);
	rc_event(&op->scope, NULL, RC_RESUMING, "it ran before the host was booted");
	op->is_resumed = true;
	rc_restart_forget(&op->cell);
	update_up(op);
	return true;
}

static void refresh_done(const struct kk_err *err, void *arg)
{
	struct op *op = arg;

	if (err) {
		/* Don't know is not "stopped": the record stays. */
		op_fail(op, err);
		return;
	}
	if (resume_former(op))
		return;
	op->is_dirty |= observed_update(op);
	if ((!op->is_dirty && op->verb != RC_CELL_OOM) || !oom_ask(op))
		finish(op);
}

/* --- bringing up --- */

static void failed_mark(struct op *op, const struct kk_err *failure, const char *reason)
{
	struct kk_err err = *failure, ignored = {0};
	char text[KK_ERR_TEXT * 2];

	kk_err_line(&err, text, sizeof text);
	rc_restart_forget(&op->cell);
	rc_status_align(&op->cell);
	op->cell.status.state = KK_CELL_FAILED;
	kk_str_set(&op->cell.status.reason, reason);
	kk_str_set(&op->cell.status.message, text);
	if (rc_store_save(&op->scope, &op->cell, &ignored) < 0)
		kk_warning("the failure of cell '%s' could not be recorded", op->scope.cell);
	op_fail(op, failure);
}

static void undone(const struct kk_err *err, void *arg)
{
	struct op *op = arg;
	struct kk_err failure = op->outcome.err, ignored = {0};

	(void)err;
	/* The cell did not exist before, so it does not exist now. */
	if (rc_store_remove(&op->scope, &ignored) < 0)
		kk_warning("what is left of cell '%s' could not be removed", op->scope.cell);
	op_fail(op, &failure);
}

/* The failure of one container is not the cell's: it has its next try. */
static void restart_failed(struct op *op, const struct kk_err *failure)
{
	char text[KK_ERR_TEXT];

	kk_err_line(failure, text, sizeof text);
	for (size_t i = 0; i < op->only.n; i++) {
		struct kk_container_status *status =
			kk_cell_container_status(&op->cell, op->only.items[i]);

		kk_warning("container '%s' of cell '%s' could not be started again: %s",
			op->only.items[i], op->scope.cell, text);
		status->state = KK_CONTAINER_ERROR;
		status->finish_time = kk_time_now();
		kk_str_set(&status->reason, "StartFailed");
		kk_str_set(&status->message, text);
	}
	rc_status_derive(&op->cell);
	op->is_dirty = true;
	finish(op);
}

/* Its record stays that of the former boot, so that the next pass tries again. */
static void resume_failed(struct op *op, const struct kk_err *failure)
{
	char text[KK_ERR_TEXT];

	kk_err_line(failure, text, sizeof text);
	kk_warning("cell '%s' ran before the host was booted, and could not be started again: %s",
		op->scope.cell, text);
	op->cell.status.state = KK_CELL_FAILED;
	kk_str_set(&op->cell.status.reason, RC_RESUME_FAILED);
	kk_str_set(&op->cell.status.message, text);
	if (save(op))
		op_fail(op, failure);
}

static bool is_recovery(const struct op *op)
{
	const int state = op->cell.status.state;

	return op->verb != RC_CELL_APPLY && op->verb != RC_CELL_CREATE &&
		(state == KK_CELL_FAILED || state == KK_CELL_ERROR || state == KK_CELL_DEGRADED);
}

/* A failed create leaves nothing behind; a failed start leaves a cell that says why. */
static void up_failed(struct op *op, const struct kk_err *failure)
{
	kk_auto(kk_strs_release) struct kk_strs ids = {0};
	struct kk_err err = *failure;

	if (op->is_resumed) {
		resume_failed(op, failure);
		return;
	}
	if (op->only.n) {
		restart_failed(op, failure);
		return;
	}
	if (!op->is_new) {
		if (is_recovery(op))
			kk_wrap(&err, "failed to recover %s cell",
				kk_state_name(KK_KIND_CELL, op->cell.status.state));
		else
			kk_wrap(&err, "failed to start cell containers");
		failed_mark(op, &err, "StartCellFailed");
		return;
	}
	kk_wrap(&err, "failed to create cell \"%s\"", op->scope.cell);
	kk_recode(&err, err.code == KK_E_IMAGE_NOT_FOUND ? err.code : KK_E_CREATE_CELL);
	op->outcome.err = err;
	for (size_t i = 0; i < op->cell.spec.containers.n; i++)
		kk_strs_take(&ids,
			rc_container_id(&op->scope, op->cell.spec.containers.items[i].id));
	plan_again(op);
	rc_plan_cell_remove(&op->plan, &op->scope, op->namespace, &ids);
	for (size_t i = 0; i < op->plan.n; i++)
		op->plan.steps[i].is_optional = true;
	rc_plan_run(&op->plan, op->cause.op, undone, op);
}

static void up_seen(const struct kk_err *err, void *arg)
{
	struct op *op = arg;

	if (err) {
		up_failed(op, err);
		return;
	}
	/* It came up, whatever it has failed at before. */
	op->cell.status.state = KK_CELL_PENDING;
	if (op->is_resumed)
		kk_str_set(&op->cell.intent.boot_id, rc.boot_id);
	observed_update(op);
	op->is_dirty = true;
	if (!oom_ask(op))
		finish(op);
}

static void started(const struct kk_err *err, void *arg)
{
	struct op *op = arg;

	/* What was made is gone: containerd cleared up behind an earlier try of someone who died. */
	if (err && err->code == KK_E_CONTAINER_NOT_FOUND && ++op->n_tries < TRIES_MAX) {
		rc_plan_release(&op->sandbox);
		bring_up(op);
	} else if (err) {
		up_failed(op, err);
	} else {
		observe(op, up_seen);
	}
}

static void made(const struct kk_err *err, void *arg)
{
	struct op *op = arg;

	if (err) {
		up_failed(op, err);
		return;
	}
	for (size_t i = 0; i < op->cell.spec.containers.n; i++) {
		const struct kk_rep_container_create *created =
			rc_plan_reply(&op->plan, KK_MSG_container_create, i);

		op->outcome.n_containers += created && created->is_created;
	}
	plan_again(op);
	rc_plan_containers_start(&op->plan, &op->effective, &op->only, op->namespace);
	/* Those that run already were adopted: starting them is no error, and does nothing. */
	rc_plan_run(&op->plan, op->cause.op, started, op);
}

static void sandboxed(const struct kk_err *err, void *arg)
{
	struct op *op = arg;
	const struct kk_rep_cell_network_ensure *network;
	const struct kk_rep_cgroup_ensure *cgroup;

	if (err) {
		up_failed(op, err);
		return;
	}
	network = rc_plan_reply(&op->sandbox, KK_MSG_cell_network_ensure, 0);
	cgroup = rc_plan_reply(&op->sandbox, KK_MSG_cgroup_ensure, 0);
	kk_str_set(&op->cell.status.network.bridge_name, network->bridge);
	kk_str_set(&op->cell.status.network.ip, network->ip);
	kk_strs_release(&op->cell.status.subtree_controllers);
	for (size_t i = 0; i < cgroup->controllers.n; i++)
		kk_strs_add(&op->cell.status.subtree_controllers, cgroup->controllers.items[i]);
	op->cell.status.cgroup_ready = true;
	op->cell.status.observed_generation = op->cell.metadata.generation;
	plan_again(op);
	rc_plan_containers_make(&op->plan, &op->effective, &op->only, op->namespace, network);
	rc_plan_run(&op->plan, op->cause.op, made, op);
}

static void bring_up(struct op *op)
{
	struct kk_err err = {0};

	kk_cell_release(&op->effective);
	if (rc_effective_make(&op->cell, &op->effective, &err) < 0) {
		up_failed(op, &err);
		return;
	}
	rc_plan_sandbox_make(&op->sandbox, &op->cell);
	if (op->is_new || op->only.n)
		rc_plan_containers_prepare(&op->sandbox, &op->effective, &op->only, op->namespace);
	rc_plan_run(&op->sandbox, op->cause.op, sandboxed, op);
}

static void old_removed(const struct kk_err *err, void *arg)
{
	struct op *op = arg;

	if (err) {
		up_failed(op, err);
		return;
	}
	/* What is made anew begins anew. */
	for (size_t i = 0; i < op->removed.n; i++) {
		struct kk_container_status *status =
			kk_cell_container_status(&op->cell, op->removed.items[i]);

		if (status)
			status->state = KK_CONTAINER_NOT_CREATED;
	}
	bring_up(op);
}

/* --- apply, create --- */

static void create(struct op *op)
{
	struct kk_cell *cell = &op->cell;
	struct kk_cell_status fresh;
	struct rc_decision decision;

	rc_decide(KK_KIND_CELL, NULL, cell, &decision);
	if (decision.action == RC_FAILED) {
		op_fail(op, &decision.err);
		return;
	}
	/* What a manifest says of a status is not believed. */
	kk_cell_status_release(&cell->status);
	kk_schema_init(kk_schema_of_cell_status(), &fresh);
	cell->status = fresh;
	rc_cell_complete(&op->cell);
	if (op->verb != RC_CELL_APPLY) {
		kk_map_set(&cell->metadata.labels, "realm.kukeon.io", op->scope.realm);
		kk_map_set(&cell->metadata.labels, "space.kukeon.io", op->scope.space);
		kk_map_set(&cell->metadata.labels, "stack.kukeon.io", op->scope.stack);
		kk_map_set(&cell->metadata.labels, "cell.kukeon.io", op->scope.cell);
	}
	op->is_new = true;
	op->outcome.action = RC_CREATED;
	rc_status_update(cell, NULL, 0);
	cell->status.state = op->verb == RC_CELL_MATERIALIZE ? KK_CELL_STOPPED : KK_CELL_PENDING;
	intent_record(op, op->verb == RC_CELL_MATERIALIZE ? "stopped" : "running", NULL);
	if (!save(op))
		return;
	if (op->verb == RC_CELL_MATERIALIZE)
		op_end(op);
	else
		bring_up(op);
}

/* Before a start, of which this may be all that is left should it fail: what has no record is not there. */
static void unmade_mark(struct op *op)
{
	const struct kk_rep_container_list *list =
		rc_plan_reply(&op->plan, KK_MSG_container_list, 0);

	for (size_t i = 0; i < op->cell.status.containers.n; i++) {
		struct kk_container_status *status = &op->cell.status.containers.items[i];
		kk_auto_free char *id = rc_container_id(&op->scope, status->id);
		bool has_record = false;

		for (size_t k = 0; k < list->containers.n && !has_record; k++)
			has_record = kk_str_equal(list->containers.items[k].id, id);
		if (!has_record)
			status->state = KK_CONTAINER_NOT_CREATED;
	}
}

static bool is_running(const struct kk_cell *cell)
{
	return cell->status.state == KK_CELL_READY;
}

/* Nothing differs: is it also running? */
static void unchanged_seen(const struct kk_err *err, void *arg)
{
	kk_auto(rc_decision_release) struct rc_decision decision = {0};
	struct op *op = arg;

	if (err) {
		op_fail(op, err);
		return;
	}
	op->is_dirty = observed_update(op);
	if (!rc_decide_start(&op->cell, &decision)) {
		op->outcome.action = RC_UNCHANGED;
		finish(op);
		return;
	}
	op->outcome.action = decision.action;
	for (size_t i = 0; i < decision.diff.changes.n; i++)
		kk_strs_add(&op->outcome.changes, decision.diff.changes.items[i]);
	unmade_mark(op);
	intent_record(op, "running", &op->outcome.changes);
	if (save(op))
		bring_up(op);
}

static void changes_apply(struct op *op, struct kk_cell *stored, const struct kk_diff *diff)
{
	for (size_t i = 0; i < diff->changes.n; i++)
		kk_strs_add(&op->outcome.changes, diff->changes.items[i]);
	for (size_t i = 0; i < diff->made_anew.n; i++)
		kk_strs_add(&op->removed, diff->made_anew.items[i]);
	for (size_t i = 0; i < diff->removed.n; i++)
		kk_strs_add(&op->removed, diff->removed.items[i]);
	rc_take_over(KK_KIND_CELL, stored, &op->cell);
	kk_cell_release(&op->cell);
	op->cell = *stored;
	rc_cell_complete(&op->cell);
	op->outcome.action = op->one && diff->added.n ? RC_CREATED : RC_UPDATED;
	intent_record(op, "running", &op->outcome.changes);
	/* Remembered with the intent: a repetition must still take the old ones away. */
	for (size_t i = 0; i < op->removed.n; i++)
		rc_journal_note(op->cause, &op->scope, op->removed.items[i]);
}

static void update_up(struct op *op)
{
	if (op->removed.n == 0) {
		bring_up(op);
		return;
	}
	plan_again(op);
	rc_plan_containers_remove(&op->plan, &op->cell, op->namespace, &op->removed);
	/* The network that it had before it went over to the host's. */
	if (kk_cell_is_on_host_network(&op->cell))
		rc_plan_network_remove(&op->plan, 1, &op->scope);
	rc_plan_run(&op->plan, op->cause.op, old_removed, op);
}

static void update(struct op *op, struct kk_cell *stored)
{
	kk_auto(rc_decision_release) struct rc_decision decision;

	op->outcome.was_existing = true;
	rc_decide(KK_KIND_CELL, stored, &op->cell, &decision);
	if (decision.action == RC_FAILED) {
		kk_cell_release(stored);
		op_fail(op, &decision.err);
		return;
	}
	if (decision.action == RC_UNCHANGED) {
		kk_cell_release(&op->cell);
		op->cell = *stored;
		observe(op, unchanged_seen);
		return;
	}
	changes_apply(op, stored, &decision.diff);
	if (save(op))
		update_up(op);
}

/* The same operation again, after a crash: go on where it was. */
static void resume(struct op *op, struct kk_cell *stored)
{
	kk_cell_release(&op->cell);
	op->cell = *stored;
	outcome_recall(op);
	if (op->verb == RC_CELL_MATERIALIZE) {
		/* It may not have been on disk yet. */
		if (save(op))
			op_end(op);
		return;
	}
	for (size_t i = 0; i < op->cell.spec.containers.n; i++) {
		const char *id = op->cell.spec.containers.items[i].id;

		if (rc_journal_has(op->cause, &op->scope, id))
			kk_strs_add(&op->removed, id);
	}
	/* Made anew already, but maybe only some: once more is the same in the end. */
	if (op->is_new)
		bring_up(op);
	else
		update_up(op);
}

static void apply_turn(struct op *op)
{
	struct kk_cell stored;
	struct kk_err err = {0};
	int r = rc_store_load(&op->scope, &stored, &err);
	char text[RC_JOURNAL_TEXT];

	if (r < 0) {
		op_fail(op, &err);
		return;
	}
	if (r == 0 && op->one) {
		rc_parent_cell_fail(op->scope.cell, &err);
		op_fail(op, &err);
		return;
	}
	if (r == 0) {
		create(op);
		return;
	}
	rc_journal_text(op->cause, text);
	if (kk_str_equal(stored.intent.op, text)) {
		resume(op, &stored);
		return;
	}
	if (op->one) {
		kk_cell_release(&op->cell);
		rc_container_put(&stored, op->one, &op->cell);
	}
	if (op->verb == RC_CELL_APPLY) {
		update(op, &stored);
		return;
	}
	/* The create calls leave an existing document alone. */
	kk_cell_release(&op->cell);
	op->cell = stored;
	op->outcome.was_existing = true;
	if (op->verb == RC_CELL_MATERIALIZE) {
		op->outcome.action = RC_UNCHANGED;
		op_end(op);
		return;
	}
	observe(op, unchanged_seen);
}

/* --- start, restart, stop, kill --- */

static void start_seen(const struct kk_err *err, void *arg)
{
	struct op *op = arg;
	struct kk_err refusal = {0};

	if (err) {
		op_fail(op, err);
		return;
	}
	op->is_dirty = observed_update(op);
	if (is_running(&op->cell)) {
		kk_fail(&refusal, KK_E_STATE,
			"cell \"%s\" has running containers and must first be "
			"stopped",
			op->scope.cell);
		op_fail(op, &refusal);
		return;
	}
	op->outcome.action = RC_UPDATED;
	unmade_mark(op);
	intent_record(op, "running", NULL);
	if (save(op))
		bring_up(op);
}

/* How the containers ended that a plan has stopped. False: it could not, and the operation is over. */
static bool halt_record(struct op *op, const struct kk_err *err)
{
	struct kk_err failure;

	if (err) {
		failure = *err;
		kk_wrap(&failure, "failed to %s cell containers",
			op->verb == RC_CELL_KILL ? "kill" : "stop");
		op_fail(op, &failure);
		return false;
	}
	for (size_t i = 0; i < op->cell.spec.containers.n; i++) {
		const struct kk_rep_container_stop *stop =
			rc_plan_reply(&op->plan, KK_MSG_container_stop, i);
		struct kk_container_status *status =
			kk_cell_container_status(&op->cell, op->cell.spec.containers.items[i].id);

		if (!status)
			continue;
		status->state = KK_CONTAINER_STOPPED;
		if (stop && stop->has_exit) {
			status->exit_code = (int64_t)stop->exit_status;
			status->finish_time = stop->exited_at;
		}
	}
	return true;
}

static void restart_halted(const struct kk_err *err, void *arg)
{
	struct op *op = arg;

	if (!halt_record(op, err))
		return;
	/* A repetition must not stop what this one has started. A repair is nobody's and has none. */
	if (op->cause.op)
		rc_journal_note(op->cause, &op->scope, HALTED);
	bring_up(op);
}

static void restart_halt(struct op *op)
{
	plan_again(op);
	rc_plan_containers_stop(&op->plan, &op->cell, op->namespace, op->grace_ms);
	rc_plan_run(&op->plan, op->cause.op, restart_halted, op);
}

static void restart_seen(const struct kk_err *err, void *arg)
{
	struct op *op = arg;

	if (err) {
		op_fail(op, err);
		return;
	}
	op->is_dirty = observed_update(op);
	op->outcome.action = RC_UPDATED;
	if (is_running(&op->cell))
		kk_strs_add(&op->outcome.changes, RESTARTED);
	unmade_mark(op);
	intent_record(op, "running", &op->outcome.changes);
	if (!save(op))
		return;
	if (is_running(&op->cell))
		restart_halt(op);
	else
		bring_up(op);
}

/* The same operation again, after a crash. */
static void restart_resume(struct op *op)
{
	outcome_recall(op);
	if (kk_strs_has(&op->outcome.changes, RESTARTED) &&
		!rc_journal_has(op->cause, &op->scope, HALTED))
		restart_halt(op);
	else
		bring_up(op);
}

static void halted(const struct kk_err *err, void *arg)
{
	struct op *op = arg;

	if (!halt_record(op, err))
		return;
	op->cell.status.state = KK_CELL_STOPPED;
	kk_str_set(&op->cell.status.reason, NULL);
	kk_str_set(&op->cell.status.message, NULL);
	kk_str_set(&op->cell.status.network.ip, NULL);
	op->outcome.action = RC_UPDATED;
	if (save(op))
		op_end(op);
}

/* --- the host goes down --- */

static void host_halt_run(struct op *op);

/* With all that goes down at the same time, containerd may not have had the time for it. */
static void host_halted(const struct kk_err *err, void *arg)
{
	struct op *op = arg;

	if (err && ++op->n_tries < TRIES_MAX)
		host_halt_run(op);
	else if (err)
		op_fail(op, err);
	else
		op_end(op);
}

static void host_halt_run(struct op *op)
{
	plan_again(op);
	rc_plan_containers_stop(&op->plan, &op->cell, op->namespace, op->grace_ms);
	rc_plan_run(&op->plan, op->cause.op, host_halted, op);
}

/* It is to run again, and is recorded as it ran, in a boot that is over. */
static void host_halt(struct op *op)
{
	bool is_up = op->cell.status.state == KK_CELL_READY ||
		op->cell.status.state == KK_CELL_DEGRADED;

	op->outcome.action = RC_UNCHANGED;
	if (!kk_str_equal(op->cell.intent.want, "running") || rc_boot_is_former(&op->cell)) {
		op_end(op);
		return;
	}
	if (is_up) {
		op->outcome.action = RC_UPDATED;
		kk_str_set(&op->cell.intent.boot_id, RC_BOOT_OVER);
		if (!save(op))
			return;
	}
	/* What is not up may have containers that run all the same. */
	host_halt_run(op);
}

/* --- repair --- */

static void rewired(const struct kk_err *err, void *arg)
{
	struct op *op = arg;
	const struct kk_rep_cell_network_ensure *network =
		rc_plan_reply(&op->sandbox, KK_MSG_cell_network_ensure, 0);

	if (err) {
		op_fail(op, err);
		return;
	}
	op->is_dirty |= !kk_str_equal(op->cell.status.network.ip, network->ip);
	kk_str_set(&op->cell.status.network.ip, network->ip);
	if (!network->is_created) {
		finish(op);
		return;
	}
	/* The containers live on in namespaces that nobody can enter any more, and the next one would be alone in the
	 * new ones. */
	kk_warning("cell '%s' is started again, in new namespaces", op->scope.cell);
	rc_event(&op->scope, NULL, "Restarting", "its namespaces were gone");
	rc_plan_release(&op->sandbox);
	restart_halt(op);
}

static void repair_seen(const struct kk_err *err, void *arg)
{
	struct op *op = arg;
	const struct kk_rep_network_survey *survey =
		rc_plan_reply(&op->plan, KK_MSG_network_survey, 0);
	kk_auto_free char *fault = NULL;

	if (err) {
		op_fail(op, err);
		return;
	}
	if (resume_former(op))
		return;
	fault = survey->cells.n ? kk_xstrdup(survey->cells.items[0].value) : NULL;
	op->is_dirty |= observed_update(op);
	if (!fault || (!is_running(&op->cell) && op->cell.status.state != KK_CELL_DEGRADED)) {
		finish(op);
		return;
	}
	kk_warning("cell '%s' has lost %s, which is made again", op->scope.cell, fault);
	rc_event(&op->scope, NULL, "Repairing", "it has lost %s", fault);
	op->outcome.action = RC_UPDATED;
	rc_plan_sandbox_make(&op->sandbox, &op->cell);
	rc_plan_run(&op->sandbox, op->cause.op, rewired, op);
}

/* --- delete --- */

/* Whoever holds a terminal removes the name of its socket in the end, unless it was killed. */
static void tty_links_remove(const struct op *op)
{
	for (size_t i = 0; i < op->cell.spec.containers.n; i++) {
		kk_auto_free char *link =
			rc_tty_link(&op->scope, op->cell.spec.containers.items[i].id);

		unlink(link);
	}
}

static void deleted(const struct kk_err *err, void *arg)
{
	struct op *op = arg;
	struct kk_err failure = {0};

	if (err) {
		op_fail(op, err);
		return;
	}
	tty_links_remove(op);
	if (rc_store_remove(&op->scope, &failure) < 0) {
		op_fail(op, &failure);
		return;
	}
	op->outcome.action = RC_DELETED;
	op_end(op);
}

static void delete_seen(const struct kk_err *err, void *arg)
{
	struct op *op = arg;
	const struct kk_rep_container_list *list;
	kk_auto(kk_strs_release) struct kk_strs ids = {0};

	if (err) {
		op_fail(op, err);
		return;
	}
	/* By label as well as by document: what a crash made and never recorded goes too. */
	list = rc_plan_reply(&op->plan, KK_MSG_container_list, 0);
	for (size_t i = 0; i < list->containers.n; i++) {
		const char *maker =
			kk_map_get(&list->containers.items[i].labels, RC_LABEL_INSTANCE);

		/* Another instance may have a realm of this name, in the same namespace. */
		if (!maker || kk_str_equal(maker, rc.worker->config.instance))
			kk_strs_add(&ids, list->containers.items[i].id);
	}
	op->outcome.n_containers = ids.n;
	for (size_t i = 0; i < op->cell.spec.containers.n; i++) {
		kk_auto_free char *id =
			rc_container_id(&op->scope, op->cell.spec.containers.items[i].id);

		if (!kk_strs_has(&ids, id))
			kk_strs_take(&ids, kk_steal(&id));
	}
	plan_again(op);
	rc_plan_cell_remove(&op->plan, &op->scope, op->namespace, &ids);
	rc_plan_run(&op->plan, op->cause.op, deleted, op);
}

static void missing(struct op *op)
{
	struct kk_err err = {0};

	/* Whoever removed it, in this operation or another, may not have come to the end of it. */
	if (op->verb == RC_CELL_DELETE && rc_store_sweep(&op->scope, &err) < 0) {
		op_fail(op, &err);
		return;
	}
	if (op->verb == RC_CELL_DELETE) {
		op->outcome.action = rc_journal_has(op->cause, &op->scope, "delete") ? RC_DELETED :
										       RC_NOT_FOUND;
		op_end(op);
		return;
	}
	kk_fail(&err, KK_E_CELL_NOT_FOUND,
		"cell \"%s\" not found in realm \"%s\", space \"%s\", stack \"%s\"", op->scope.cell,
		op->scope.realm, op->scope.space, op->scope.stack);
	op_fail(op, &err);
}

/* The verbs that need the cell to be there. */
static void existing_turn(struct op *op)
{
	struct kk_cell stored;
	struct kk_err err = {0};
	int r = rc_store_load(&op->scope, &stored, &err);

	/* A document that can't be read can still be deleted: what it made is found by its labels. */
	if (r < 0 && op->verb != RC_CELL_DELETE && op->verb != RC_CELL_PURGE) {
		op_fail(op, &err);
		return;
	}
	if (r == 1 && op->verb == RC_CELL_SWEEP) {
		/* Somebody has made it meanwhile. */
		kk_cell_release(&stored);
		op->outcome.action = RC_UNCHANGED;
		op_end(op);
		return;
	}
	if (r == 0 && op->verb != RC_CELL_PURGE && op->verb != RC_CELL_SWEEP) {
		missing(op);
		return;
	}
	if (r == 1) {
		/* For this start alone. */
		stored.spec.runtime_env = op->cell.spec.runtime_env;
		op->cell.spec.runtime_env = (struct kk_strs){0};
		kk_cell_release(&op->cell);
		op->cell = stored;
	}
	switch (op->verb) {
	case RC_CELL_START:
		if (is_own_write(op)) {
			op->outcome.action = RC_UPDATED;
			bring_up(op);
		} else {
			observe(op, start_seen);
		}
		break;
	case RC_CELL_RESTART:
		if (is_own_write(op))
			restart_resume(op);
		else
			observe(op, restart_seen);
		break;
	case RC_CELL_STOP:
	case RC_CELL_KILL:
		op->outcome.action = RC_UPDATED;
		intent_record(op, "stopped", NULL);
		if (!save(op))
			break;
		rc_plan_cell_stop(&op->plan, &op->cell, op->namespace, op->grace_ms);
		rc_plan_run(&op->plan, op->cause.op, halted, op);
		break;
	case RC_CELL_HALT:
		host_halt(op);
		break;
	case RC_CELL_DELETE:
	case RC_CELL_PURGE:
	case RC_CELL_SWEEP:
		rc_journal_note(op->cause, &op->scope, "delete");
		rc_plan_cell_list(&op->plan, &op->scope, op->namespace, true);
		rc_plan_run(&op->plan, op->cause.op, delete_seen, op);
		break;
	case RC_CELL_REPAIR:
		op->outcome.action = RC_UNCHANGED;
		rc_plan_cell_look(&op->plan, &op->cell, op->namespace);
		rc_plan_run(&op->plan, op->cause.op, repair_seen, op);
		break;
	default:
		op->outcome.action = RC_UNCHANGED;
		if (rc_boot_is_former(&op->cell)) {
			/* By label: its document may be newer than what was made of it. */
			rc_plan_cell_list(&op->plan, &op->scope, op->namespace, false);
			rc_plan_run(&op->plan, op->cause.op, refresh_done, op);
		} else {
			observe(op, refresh_done);
		}
		break;
	}
}

static void turn_begin(struct rc_turn *turn, void *arg)
{
	struct op *op = arg;
	struct kk_err err = {0};

	op->turn = turn;
	op->namespace = rc_store_namespace(op->scope.realm, &err);
	if (!op->namespace) {
		op_fail(op, &err);
		return;
	}
	switch (op->verb) {
	case RC_CELL_APPLY:
	case RC_CELL_CREATE:
	case RC_CELL_MATERIALIZE:
		apply_turn(op);
		break;
	case RC_CELL_START:
	case RC_CELL_STOP:
	case RC_CELL_RESTART:
	case RC_CELL_KILL:
	case RC_CELL_HALT:
	case RC_CELL_DELETE:
	case RC_CELL_PURGE:
	case RC_CELL_SWEEP:
	case RC_CELL_REFRESH:
	case RC_CELL_OOM:
	case RC_CELL_REPAIR:
		existing_turn(op);
		break;
	}
}

static struct op *op_new(enum rc_cell_verb verb, const struct kk_cell *cell, struct rc_cause cause,
	rc_outcome_f fn, void *arg)
{
	const struct kk_scope scope = kk_doc_scope(KK_KIND_CELL, cell);
	const char *const parts[] = {scope.realm, scope.space, scope.stack, scope.cell};
	struct op *op = kk_xalloc(sizeof *op);

	op->verb = verb;
	op->grace_ms = verb == RC_CELL_KILL ? 0 : RC_STOP_GRACE_MS;
	op->cause = cause;
	op->fn = fn;
	op->arg = arg;
	kk_schema_copy(kk_schema_of_cell(), cell, &op->cell);
	for (size_t i = 0; i < KK_COUNT(parts); i++)
		op->names[i] = kk_xstrdup(kk_str(parts[i]));
	op->scope = (struct kk_scope){op->names[0], op->names[1], op->names[2], op->names[3]};
	return op;
}

void rc_cell_do(enum rc_cell_verb verb, const struct kk_cell *cell, struct rc_cause cause,
	rc_outcome_f fn, void *arg)
{
	struct op *op = op_new(verb, cell, cause, fn, arg);

	/* All halt at once: each of them does little but wait. */
	rc_turn_take(&op->scope, verb != RC_CELL_HALT, turn_begin, op);
}

void rc_cell_stop(const struct kk_cell *cell, int64_t grace_ms, struct rc_cause cause,
	rc_outcome_f fn, void *arg)
{
	struct op *op = op_new(RC_CELL_STOP, cell, cause, fn, arg);

	op->grace_ms = grace_ms < 0 ? 0 : grace_ms;
	if (op->grace_ms > RC_STOP_GRACE_MAX_MS)
		op->grace_ms = RC_STOP_GRACE_MAX_MS;
	rc_turn_take(&op->scope, true, turn_begin, op);
}

void rc_container_apply(const struct kk_container *container, struct rc_cause cause,
	rc_outcome_f fn, void *arg)
{
	struct kk_cell cell;
	struct op *op;

	kk_schema_init(kk_schema_of_cell(), &cell);
	cell.metadata.name = container->spec.cell_id;
	cell.spec.realm_id = container->spec.realm_id;
	cell.spec.space_id = container->spec.space_id;
	cell.spec.stack_id = container->spec.stack_id;
	op = op_new(RC_CELL_APPLY, &cell, cause, fn, arg);
	op->one = kk_xalloc(sizeof *op->one);
	kk_schema_copy(kk_schema_of_container_spec(), &container->spec, op->one);
	rc_turn_take(&op->scope, true, turn_begin, op);
}
