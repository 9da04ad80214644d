/* workers/reconciler/effective.c - what a cell is started with: its document, with what its space has for containers
 * that say nothing themselves. It is worked out anew at each start and never stored: a manifest that is applied again
 * does not differ from its document. Pure, but for the look at the space. */
#include "rc.h"

#include <kukeon/mem.h>

static bool is_empty_resources(const struct kk_resources *resources)
{
	return resources->memory_limit_bytes.value <= 0 && resources->cpu_shares.value <= 0 &&
		resources->pids_limit.value <= 0;
}

void rc_defaults_merge(const struct kk_container_defaults *defaults, struct kk_container_spec *spec)
{
	if (kk_str_empty(spec->user))
		kk_str_set(&spec->user, defaults->user);
	spec->read_only_root_filesystem |= defaults->read_only_root_filesystem.is_set &&
		defaults->read_only_root_filesystem.value;
	/* Whole or not at all. */
	if (!spec->capabilities.drop.n && !spec->capabilities.add.n) {
		kk_capabilities_release(&spec->capabilities);
		kk_schema_copy(kk_schema_of_capabilities(), &defaults->capabilities,
			&spec->capabilities);
	}
	for (size_t i = 0; !spec->security_opts.is_set && i < defaults->security_opts.n; i++)
		kk_strs_add(&spec->security_opts, defaults->security_opts.items[i]);
	for (size_t i = 0; !spec->tmpfs.is_set && i < defaults->tmpfs.n; i++) {
		struct kk_tmpfs *tmpfs = kk_list_add(KK_LIST(&spec->tmpfs), kk_schema_of_tmpfs());

		kk_schema_copy(kk_schema_of_tmpfs(), &defaults->tmpfs.items[i], tmpfs);
	}
	if (is_empty_resources(&spec->resources))
		spec->resources = defaults->resources;
}

/* Whom the variables of one start are for: who has a terminal, or the only one there is. */
static struct kk_container_spec *runtime_target(const struct kk_cell *cell)
{
	struct kk_container_spec *wanted =
		kk_cell_container(cell, cell->spec.tty.default_container);
	struct kk_container_spec *only = NULL;
	size_t n = 0;

	if (wanted && !wanted->root)
		return wanted;
	for (size_t i = 0; i < cell->spec.containers.n; i++) {
		struct kk_container_spec *spec = &cell->spec.containers.items[i];

		if (spec->root && cell->spec.containers.n > 1)
			continue;
		if (spec->attachable)
			return spec;
		only = spec;
		n++;
	}
	return n == 1 ? only : NULL;
}

static void runtime_env_merge(struct kk_cell *cell)
{
	struct kk_container_spec *target = runtime_target(cell);

	/* The last one of a name counts. */
	for (size_t i = 0; target && i < cell->spec.runtime_env.n; i++)
		kk_strs_add(&target->env, cell->spec.runtime_env.items[i]);
	kk_strs_release(&cell->spec.runtime_env);
}

int rc_effective_make(const struct kk_cell *stored, struct kk_cell *ret_cell, struct kk_err *err)
{
	const struct kk_scope scope = kk_doc_scope(KK_KIND_CELL, stored);
	struct kk_space space;
	int r = rc_store_load(&(struct kk_scope){scope.realm, scope.space, NULL, NULL}, &space,
		err);

	if (r < 0)
		return r;
	kk_schema_copy(kk_schema_of_cell(), stored, ret_cell);
	for (size_t i = 0; r == 1 && i < ret_cell->spec.containers.n; i++)
		rc_defaults_merge(&space.spec.defaults.container,
			&ret_cell->spec.containers.items[i]);
	runtime_env_merge(ret_cell);
	if (r == 1)
		kk_space_release(&space);
	return 0;
}
