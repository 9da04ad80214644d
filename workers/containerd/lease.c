/* workers/containerd/lease.c */
#include "ct.h"

#include <string.h>

#include <kukeon/clock.h>
#include <kukeon/mem.h>

static int leases_list(const struct ct_ctx *ctx, Ct__LeaseListResponse **ret_leases,
	struct kk_err *err)
{
	Ct__LeaseListRequest req = CT__LEASE_LIST_REQUEST__INIT;

	return ct_unary(ctx, "leases.v1.Leases/List", &req.base,
		&ct__lease_list_response__descriptor, ret_leases, err);
}

static int lease_remove(const struct ct_ctx *ctx, char *id, struct kk_err *err)
{
	Ct__LeaseDeleteRequest req = CT__LEASE_DELETE_REQUEST__INIT;

	req.id = id;
	req.sync = true;
	return ct_unary(ctx, "leases.v1.Leases/Delete", &req.base, &ct__empty__descriptor, NULL,
		err);
}

int ct_lease_count(const struct ct_ctx *ctx, uint64_t *ret_n, struct kk_err *err)
{
	ct_auto_message Ct__LeaseListResponse *leases = NULL;
	int r = leases_list(ctx, &leases, err);

	if (r == 0)
		*ret_n = leases->n_leases;
	return r;
}

int ct_lease_remove_all(const struct ct_ctx *ctx, struct kk_err *err)
{
	ct_auto_message Ct__LeaseListResponse *leases = NULL;
	int r = leases_list(ctx, &leases, err);

	for (size_t i = 0; r == 0 && i < leases->n_leases; i++)
		r = lease_remove(ctx, leases->leases[i]->id, err);
	return r;
}

static bool is_in_use(const Ct__Lease *lease)
{
	int64_t end;

	for (size_t i = 0; i < lease->n_labels; i++) {
		if (strcmp(lease->labels[i]->key, "containerd.io/gc.expire") == 0 &&
			kk_time_parse(lease->labels[i]->value, &end) == 0)
			return end > kk_time_now();
	}
	return false;
}

/* Layers go by the id of their container. */
static int keeps_layer(const struct ct_ctx *ctx, const Ct__Lease *lease,
	const struct kk_list *containers, struct kk_err *err)
{
	const struct kk_task_info *infos = containers->items;
	Ct__LeaseResourcesRequest req = CT__LEASE_RESOURCES_REQUEST__INIT;
	ct_auto_message Ct__LeaseResourcesResponse *rep = NULL;
	int r;

	req.id = lease->id;
	r = ct_unary(ctx, "leases.v1.Leases/ListResources", &req.base,
		&ct__lease_resources_response__descriptor, &rep, err);
	for (size_t i = 0; r == 0 && i < rep->n_resources; i++) {
		for (size_t k = 0; k < containers->n; k++) {
			if (strncmp(rep->resources[i]->type, "snapshots/", 10) == 0 &&
				strcmp(rep->resources[i]->id, infos[k].id) == 0)
				return 1;
		}
	}
	return r;
}

int ct_lease_prune(const struct ct_ctx *ctx, uint64_t *ret_released, uint64_t *ret_retained,
	struct kk_err *err)
{
	ct_auto_message Ct__LeaseListResponse *leases = NULL;
	const struct kk_map all = {0};
	KK_LIST_OF(kk_task_info) found = {0};
	int r = leases_list(ctx, &leases, err);

	if (r == 0)
		r = ct_container_list(ctx, &all, true, KK_LIST(&found), err);
	for (size_t i = 0; r == 0 && i < leases->n_leases; i++) {
		r = is_in_use(leases->leases[i]) ?
			1 :
			keeps_layer(ctx, leases->leases[i], KK_LIST(&found), err);
		*ret_retained += r == 1;
		*ret_released += r == 0;
		if (r == 0)
			r = lease_remove(ctx, leases->leases[i]->id, err);
		r = r == 1 ? 0 : r;
	}
	for (size_t i = 0; i < found.n; i++)
		kk_task_info_release(&found.items[i]);
	free(found.items);
	return r;
}
