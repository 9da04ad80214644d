/* workers/reconciler/boot.c - what ran when the host went down, and is to run again. Pure.
 *
 * Whatever is recorded of containers is of the boot that its cell notes. After another one nothing of it is believed, but
 * that they ran: so they are started, whatever their restart policy, and only then has the cell arrived in this boot. */
#include "rc.h"

#include <string.h>

#include <kukeon/mem.h>

bool rc_boot_is_former(const struct kk_cell *cell)
{
	return kk_str_equal(cell->intent.want, "running") && !kk_str_empty(cell->intent.boot_id) &&
		!kk_str_equal(cell->intent.boot_id, rc.boot_id);
}

/* Its operation did not come to its end, and its journal need not have outlived the machine. */
static bool is_incomplete(const struct kk_cell *cell)
{
	if (cell->status.state == KK_CELL_FAILED)
		return kk_str_equal(cell->status.reason, RC_RESUME_FAILED);
	return cell->status.state == KK_CELL_PENDING ||
		cell->status.observed_generation != cell->metadata.generation;
}

/* As it was seen last, or as a restart that was owed would have had it. */
static bool ran(const struct kk_container_status *status)
{
	return status->state == KK_CONTAINER_READY || status->state == KK_CONTAINER_PAUSED ||
		status->state == KK_CONTAINER_PAUSING || rc_restart_is_owed(status);
}

static bool runs(const char *id, const struct kk_task_info *tasks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (kk_str_equal(tasks[i].id, id))
			return tasks[i].has_task && tasks[i].state == KK_CONTAINER_READY;
	}
	return false;
}

void rc_boot_take(const struct kk_cell *cell, const struct kk_task_info *tasks, size_t n,
	struct kk_strs *ids)
{
	const struct kk_scope scope = kk_doc_scope(KK_KIND_CELL, cell);

	if (!rc_boot_is_former(cell))
		return;
	for (size_t i = 0; i < cell->spec.containers.n; i++) {
		const char *name = cell->spec.containers.items[i].id;
		const struct kk_container_status *status =
			kk_cell_container_status((struct kk_cell *)cell, name);
		kk_auto_free char *id = rc_container_id(&scope, name);

		if ((is_incomplete(cell) || (status && ran(status))) && !runs(id, tasks, n))
			kk_strs_add(ids, name);
	}
}

void rc_boot_extra(const struct kk_cell *cell, const struct kk_task_info *tasks, size_t n,
	struct kk_strs *ids)
{
	for (size_t i = 0; i < n; i++) {
		const char *name = kk_map_get(&tasks[i].labels, RC_LABEL_CONTAINER);
		const char *maker = kk_map_get(&tasks[i].labels, RC_LABEL_INSTANCE);

		/* Another instance may have a cell of this name, in the same namespace. */
		if (name && !kk_cell_container(cell, name) &&
			(!maker || kk_str_equal(maker, rc.worker->config.instance)))
			kk_strs_add(ids, name);
	}
}

void rc_boot_veil(const struct kk_cell *cell, json_t *json)
{
	json_t *status = json_object_get(json, "status"), *container;
	size_t i;

	if (!rc_boot_is_former(cell) ||
		(cell->status.state != KK_CELL_READY && cell->status.state != KK_CELL_DEGRADED))
		return;
	json_object_set_new(status, "state",
		json_string(kk_state_name(KK_KIND_CELL, KK_CELL_UNKNOWN)));
	json_object_set_new(status, "reason", json_string("Rebooted"));
	json_object_set_new(status, "message",
		json_string("it ran before the host was booted, kukeond has not looked since"));
	json_array_foreach (json_object_get(status, "containers"), i, container)
		json_object_set_new(container, "state",
			json_string(kk_state_name(KK_KIND_CONTAINER, KK_CONTAINER_UNKNOWN)));
}
