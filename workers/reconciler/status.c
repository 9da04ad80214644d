/* workers/reconciler/status.c */
#include "rc.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <kukeon/clock.h>
#include <kukeon/mem.h>

enum { EXIT_UNKNOWN = 255 }; /* as containerd reports it */

static const struct kk_task_info *task_find(const struct kk_task_info *tasks, size_t n,
	const char *id)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int r = strcmp(kk_str(tasks[middle].id), id);

		if (r == 0)
			return &tasks[middle];
		if (r < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static char *signal_text(int64_t exit_code)
{
	const char *name = exit_code > 128 && exit_code < 193 ? sigabbrev_np((int)exit_code - 128) :
								NULL;

	return name ? kk_xprintf("SIG%s", name) : NULL;
}

static void exit_record(struct kk_container_status *status, const struct kk_task_info *task)
{
	status->exit_code = task->exit_status;
	status->finish_time = task->exited_at;
	kk_str_set(&status->exit_signal, NULL);
	status->exit_signal = signal_text(task->exit_status);
}

static bool is_up(int state)
{
	return state == KK_CONTAINER_READY || state == KK_CONTAINER_PAUSED ||
		state == KK_CONTAINER_PAUSING;
}

/* The task of what ran a moment ago was deleted by somebody else, and its exit status with it. */
static void lost_record(struct kk_container_status *status)
{
	status->state = KK_CONTAINER_ERROR;
	status->exit_code = EXIT_UNKNOWN;
	status->finish_time = kk_time_now();
	kk_str_set(&status->exit_signal, NULL);
	kk_str_set(&status->reason, "TaskGone");
	kk_str_set(&status->message, "its task was removed by somebody else");
}

static void container_update(struct kk_container_status *status, const struct kk_task_info *task,
	bool is_wanted, bool is_this_boot)
{
	int64_t now = kk_time_now();

	if (!task) {
		/* Stopped by us and made no more, or ended before somebody cleared up: what is recorded stays true. */
		if (is_wanted ? status->state != KK_CONTAINER_EXITED &&
					status->state != KK_CONTAINER_ERROR :
				status->state == KK_CONTAINER_READY)
			status->state = KK_CONTAINER_NOT_CREATED;
		return;
	}
	if (status->created_at == KK_TIME_ZERO)
		status->created_at = now;
	if (!task->has_task) {
		if (is_wanted && is_this_boot && is_up(status->state))
			lost_record(status);
		else if (status->state != KK_CONTAINER_EXITED &&
			status->state != KK_CONTAINER_ERROR)
			status->state = KK_CONTAINER_STOPPED;
		return;
	}
	if (task->state == KK_CONTAINER_READY && !is_up(status->state)) {
		status->start_time = now;
		status->finish_time = KK_TIME_ZERO;
		status->exit_code = 0;
		kk_str_set(&status->exit_signal, NULL);
		kk_str_set(&status->reason, NULL);
		kk_str_set(&status->message, NULL);
	}
	if (task->state == KK_CONTAINER_EXITED || task->state == KK_CONTAINER_ERROR)
		exit_record(status, task);
	status->state = task->state;
}

void rc_status_align(struct kk_cell *cell)
{
	const struct kk_schema *schema = kk_schema_of_container_status();

	for (size_t i = cell->status.containers.n; i-- > 0;) {
		if (!kk_cell_container(cell, cell->status.containers.items[i].id))
			kk_list_drop(KK_LIST(&cell->status.containers), schema, i);
	}
	for (size_t i = 0; i < cell->spec.containers.n; i++) {
		const char *id = cell->spec.containers.items[i].id;
		struct kk_container_status *status = kk_cell_container_status(cell, id), other;

		if (!status) {
			status = kk_list_add(KK_LIST(&cell->status.containers), schema);
			status->name = kk_xstrdup(id);
			status->id = kk_xstrdup(id);
			status->state = KK_CONTAINER_NOT_CREATED;
		}
		other = cell->status.containers.items[i];
		cell->status.containers.items[i] = *status;
		*status = other;
	}
	cell->status.containers.is_set = true;
}

/* A root that only holds the namespaces of others says nothing about the work of the cell. */
static bool counts(const struct kk_cell *cell, size_t i)
{
	const struct kk_container_spec *spec =
		kk_cell_container(cell, cell->status.containers.items[i].id);

	return cell->status.containers.n == 1 || !spec || !spec->root;
}

static int state_of(const struct kk_cell *cell)
{
	size_t n_up = 0, n_owed = 0, n_bad = 0, n_unknown = 0, n_pending = 0,
	       n = cell->status.containers.n;
	bool is_wanted = kk_str_equal(cell->intent.want, "running");

	for (size_t i = 0; i < n; i++) {
		if (!counts(cell, i))
			continue;
		n_owed += rc_restart_is_owed(&cell->status.containers.items[i]);
		switch ((enum kk_container_state)cell->status.containers.items[i].state) {
		case KK_CONTAINER_READY:
		case KK_CONTAINER_PAUSED:
		case KK_CONTAINER_PAUSING:
			n_up++;
			break;
		case KK_CONTAINER_ERROR:
		case KK_CONTAINER_FAILED:
		case KK_CONTAINER_NOT_CREATED:
			n_bad++;
			break;
		case KK_CONTAINER_UNKNOWN:
			n_unknown++;
			break;
		case KK_CONTAINER_PENDING:
			n_pending++;
			break;
		case KK_CONTAINER_STOPPED:
		case KK_CONTAINER_EXITED:
			break;
		}
	}
	if (n_up)
		return n_bad || n_owed ? KK_CELL_DEGRADED : KK_CELL_READY;
	if (n_unknown)
		return KK_CELL_UNKNOWN;
	if (!is_wanted)
		return KK_CELL_STOPPED;
	if (n_owed)
		return KK_CELL_DEGRADED;
	if (n_bad)
		return KK_CELL_ERROR;
	if (n_pending)
		return KK_CELL_PENDING;
	return n ? KK_CELL_EXITED : KK_CELL_STOPPED;
}

static const char *prospect(const struct kk_container_status *status)
{
	if (rc_restart_is_owed(status))
		return "; it is started again";
	return status->backoff.max_tries && status->backoff.n_tries >= status->backoff.max_tries ?
		"; given up, it was started again as often as it may" :
		"";
}

static void reason_set(struct kk_cell *cell)
{
	kk_str_set(&cell->status.reason, NULL);
	kk_str_set(&cell->status.message, NULL);
	if (cell->status.state != KK_CELL_ERROR && cell->status.state != KK_CELL_DEGRADED)
		return;
	for (size_t i = 0; i < cell->status.containers.n; i++) {
		const struct kk_container_status *status = &cell->status.containers.items[i];

		if (status->state != KK_CONTAINER_ERROR && !rc_restart_is_owed(status))
			continue;
		cell->status.reason = kk_xstrdup(status->state == KK_CONTAINER_ERROR ?
				"WorkloadFailed" :
				"WorkloadEnded");
		cell->status.message =
			kk_xprintf("container \"%s\" ended with status %lld%s%s%s%s%s", status->id,
				(long long)status->exit_code,
				kk_str_empty(status->exit_signal) ? "" : " (",
				kk_str(status->exit_signal),
				kk_str_empty(status->exit_signal) ? "" : ")",
				kk_str_equal(status->reason, "OOMKilled") ? ": out of memory" : "",
				prospect(status));
		return;
	}
}

void rc_status_derive(struct kk_cell *cell)
{
	rc_restart_update(cell, kk_time_now());
	cell->status.state = state_of(cell);
	reason_set(cell);
	if (cell->status.state == KK_CELL_READY)
		cell->status.ready_observed = true;
}

bool rc_status_is_recovering(const struct kk_cell *cell)
{
	if (cell->status.state != KK_CELL_DEGRADED)
		return false;
	for (size_t i = 0; i < cell->status.containers.n; i++) {
		const struct kk_container_status *status = &cell->status.containers.items[i];

		if (!is_up(status->state) && status->state != KK_CONTAINER_EXITED &&
			!rc_restart_is_owed(status))
			return false;
	}
	return true;
}

bool rc_status_is_over(const struct kk_cell *cell)
{
	for (size_t i = 0; i < cell->status.containers.n; i++) {
		if (counts(cell, i) &&
			cell->status.containers.items[i].state != KK_CONTAINER_EXITED)
			return false;
	}
	return cell->status.state == KK_CELL_EXITED;
}

bool rc_status_update(struct kk_cell *cell, const struct kk_task_info *tasks, size_t n)
{
	const struct kk_scope scope = kk_doc_scope(KK_KIND_CELL, cell);
	bool is_wanted = kk_str_equal(cell->intent.want, "running");
	struct kk_cell_status before;
	bool is_changed;

	kk_schema_copy(kk_schema_of_cell_status(), &cell->status, &before);
	rc_status_align(cell);
	for (size_t i = 0; i < cell->status.containers.n; i++) {
		struct kk_container_status *status = &cell->status.containers.items[i];
		kk_auto_free char *id = rc_container_id(&scope, status->id);

		container_update(status, task_find(tasks, n, id), is_wanted,
			kk_str_equal(cell->intent.boot_id, rc.boot_id));
	}
	/* What failed to come up stays Failed until someone does something about it. */
	if (cell->status.state != KK_CELL_FAILED || state_of(cell) == KK_CELL_READY)
		rc_status_derive(cell);
	is_changed = !kk_schema_equal(kk_schema_of_cell_status(), &before, &cell->status, 0);
	kk_cell_status_release(&before);
	return is_changed;
}
