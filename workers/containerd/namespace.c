/* workers/containerd/namespace.c */
#include "ct.h"

#include <string.h>

#include <kukeon/clock.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>

/* Get knows each name, whether there is such a namespace or not. */
int ct_namespace_exists(const struct ct_ctx *ctx, bool *ret_exists, struct kk_err *err)
{
	Ct__NamespaceListRequest req = CT__NAMESPACE_LIST_REQUEST__INIT;
	ct_auto_message Ct__NamespaceListResponse *rep = NULL;
	int r = ct_unary(ctx, "namespaces.v1.Namespaces/List", &req.base,
		&ct__namespace_list_response__descriptor, &rep, err);

	if (r < 0)
		return kk_wrap(err, "look up containerd namespace '%s'", ctx->namespace);
	*ret_exists = false;
	for (size_t i = 0; i < rep->n_namespaces; i++)
		*ret_exists |= strcmp(rep->namespaces[i]->name, ctx->namespace) == 0;
	return 0;
}

int ct_namespace_ensure(const struct ct_ctx *ctx, bool *ret_created, struct kk_err *err)
{
	Ct__Namespace namespace = CT__NAMESPACE__INIT;
	Ct__NamespaceCreateRequest req = CT__NAMESPACE_CREATE_REQUEST__INIT;
	struct kk_err cause = {0};
	int r;

	namespace.name = (char *)ctx->namespace;
	req.namespace_ = &namespace;
	r = ct_unary(ctx, "namespaces.v1.Namespaces/Create", &req.base,
		&ct__namespace_create_response__descriptor, NULL, &cause);
	if (r < 0 && r != KK_E_CONTAINER_EXISTS) {
		*err = cause;
		return kk_wrap(err, "create containerd namespace '%s'", ctx->namespace);
	}
	*ret_created = r == 0;
	return 0;
}

static int containers_remove(const struct ct_ctx *ctx, struct kk_err *err)
{
	const struct kk_map all = {0};
	KK_LIST_OF(kk_task_info) found = {0};
	int r = ct_container_list(ctx, &all, true, KK_LIST(&found), err);

	for (size_t i = 0; i < found.n; i++) {
		bool was_present;

		/* Whatever runs in here that is not ours keeps the namespace alive. */
		if (r == 0 && kk_map_get(&found.items[i].labels, "kukeon.io/cell"))
			r = ct_container_remove(ctx, found.items[i].id, &was_present, err);
		kk_task_info_release(&found.items[i]);
	}
	free(found.items);
	return r;
}

static int images_remove(const struct ct_ctx *ctx, struct kk_err *err)
{
	KK_LIST_OF(kk_image_info) found = {0};
	int r = ct_image_list(ctx, KK_LIST(&found), err);

	for (size_t i = 0; i < found.n; i++) {
		kk_auto_free char *name = NULL;

		if (r == 0)
			r = ct_image_remove(ctx, found.items[i].name, &name, err);
		kk_image_info_release(&found.items[i]);
	}
	free(found.items);
	return r;
}

static void names_restart(void *arg)
{
	kk_strs_release(arg);
}

static int snapshots_take(const void *message, void *arg, struct kk_err *err)
{
	const Ct__SnapshotListResponse *block = message;

	(void)err;
	for (size_t i = 0; i < block->n_info; i++)
		kk_strs_add(arg, block->info[i]->name);
	return 0;
}

static int digests_take(const void *message, void *arg, struct kk_err *err)
{
	const Ct__ContentListResponse *block = message;

	(void)err;
	for (size_t i = 0; i < block->n_info; i++)
		kk_strs_add(arg, block->info[i]->digest);
	return 0;
}

/* Snapshots are a tree: the leaves can go, so each pass removes a level. */
static int snapshots_pass(const struct ct_ctx *ctx, size_t *ret_left, size_t *ret_removed,
	struct kk_err *err)
{
	Ct__SnapshotListRequest list = CT__SNAPSHOT_LIST_REQUEST__INIT;
	kk_auto(kk_strs_release) struct kk_strs names = {0};
	const struct ct_reader reader = {
		.method = "snapshots.v1.Snapshots/List",
		.req = &list.base,
		.type = &ct__snapshot_list_response__descriptor,
		.restart = names_restart,
		.take = snapshots_take,
		.arg = &names,
	};
	int r;

	list.snapshotter = (char *)CT_SNAPSHOTTER;
	r = ct_stream_read(ctx, &reader, err);
	*ret_left = names.n;
	*ret_removed = 0;
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		Ct__SnapshotRemoveRequest req = CT__SNAPSHOT_REMOVE_REQUEST__INIT;

		req.snapshotter = (char *)CT_SNAPSHOTTER;
		req.key = names.items[i];
		if (ct_unary(ctx, "snapshots.v1.Snapshots/Remove", &req.base,
			    &ct__empty__descriptor, NULL, NULL) == 0)
			(*ret_removed)++;
	}
	return r;
}

static int content_remove(const struct ct_ctx *ctx, struct kk_err *err)
{
	Ct__ContentListRequest list = CT__CONTENT_LIST_REQUEST__INIT;
	kk_auto(kk_strs_release) struct kk_strs digests = {0};
	const struct ct_reader reader = {
		.method = "content.v1.Content/List",
		.req = &list.base,
		.type = &ct__content_list_response__descriptor,
		.restart = names_restart,
		.take = digests_take,
		.arg = &digests,
	};
	int r = ct_stream_read(ctx, &reader, err);

	for (size_t i = 0; r == 0 && i < digests.n; i++) {
		Ct__ContentDeleteRequest req = CT__CONTENT_DELETE_REQUEST__INIT;

		req.digest = digests.items[i];
		(void)ct_unary(ctx, "content.v1.Content/Delete", &req.base, &ct__empty__descriptor,
			NULL, NULL);
	}
	return r;
}

static int snapshots_remove(const struct ct_ctx *ctx, struct kk_err *err)
{
	size_t left = 0, removed = 0;

	do {
		int r = snapshots_pass(ctx, &left, &removed, err);

		if (r < 0)
			return r;
	} while (left && removed);
	return 0;
}

int ct_namespace_remove(const struct ct_ctx *ctx, bool *ret_removed, struct kk_err *err)
{
	Ct__NamespaceDeleteRequest req = CT__NAMESPACE_DELETE_REQUEST__INIT;
	struct kk_err cause = {0};
	bool exists;
	int r = ct_namespace_exists(ctx, &exists, err);

	*ret_removed = false;
	if (r < 0 || !exists)
		return r;
	if (containers_remove(ctx, err) < 0 || images_remove(ctx, err) < 0 ||
		ct_lease_remove_all(ctx, err) < 0 || snapshots_remove(ctx, err) < 0 ||
		content_remove(ctx, err) < 0)
		return kk_wrap(err, "empty containerd namespace '%s'", ctx->namespace);
	req.name = (char *)ctx->namespace;
	r = ct_unary(ctx, "namespaces.v1.Namespaces/Delete", &req.base, &ct__empty__descriptor,
		NULL, &cause);
	if (r < 0 && r != KK_E_CONTAINER_NOT_FOUND) {
		*err = cause;
		return kk_wrap(err, "delete containerd namespace '%s'", ctx->namespace);
	}
	*ret_removed = true;
	return 0;
}

int ct_namespace_list(const struct ct_ctx *ctx, const char *suffix, struct kk_strs *ret_names,
	struct kk_err *err)
{
	Ct__NamespaceListRequest req = CT__NAMESPACE_LIST_REQUEST__INIT;
	ct_auto_message Ct__NamespaceListResponse *rep = NULL;
	kk_auto_free char *end = kk_xprintf(".%s", suffix);
	int r = ct_unary(ctx, "namespaces.v1.Namespaces/List", &req.base,
		&ct__namespace_list_response__descriptor, &rep, err);

	for (size_t i = 0; r == 0 && i < rep->n_namespaces; i++) {
		if (kk_str_ends(rep->namespaces[i]->name, end))
			kk_strs_add(ret_names, rep->namespaces[i]->name);
	}
	return r;
}

enum { LAYER_AGE_S = 60 }; /* the record of a younger one may be on its way */

static int layers_take(const void *message, void *arg, struct kk_err *err)
{
	const Ct__SnapshotListResponse *block = message;

	(void)err;
	for (size_t i = 0; i < block->n_info; i++) {
		const Ct__SnapshotInfo *info = block->info[i];

		if (info->kind == CT__SNAPSHOT_INFO__KIND__ACTIVE &&
			kk_time_now() - ct_time(info->created_at) > LAYER_AGE_S * 1000000000LL)
			kk_strs_add(arg, info->name);
	}
	return 0;
}

int ct_layer_list(const struct ct_ctx *ctx, struct kk_strs *ret_keys, struct kk_err *err)
{
	Ct__SnapshotListRequest list = CT__SNAPSHOT_LIST_REQUEST__INIT;
	const struct ct_reader reader = {
		.method = "snapshots.v1.Snapshots/List",
		.req = &list.base,
		.type = &ct__snapshot_list_response__descriptor,
		.restart = names_restart,
		.take = layers_take,
		.arg = ret_keys,
	};

	list.snapshotter = (char *)CT_SNAPSHOTTER;
	return ct_stream_read(ctx, &reader, err);
}

/* --- storage --- */

static void storage_restart(void *arg)
{
	*(struct kk_rep_storage_get *)arg = (struct kk_rep_storage_get){0};
}

static int blobs_count(const void *message, void *arg, struct kk_err *err)
{
	const Ct__ContentListResponse *block = message;
	struct kk_rep_storage_get *rep = arg;

	(void)err;
	rep->blobs += block->n_info;
	for (size_t i = 0; i < block->n_info; i++)
		rep->blob_bytes += (uint64_t)block->info[i]->size;
	return 0;
}

static int snapshots_count(const void *message, void *arg, struct kk_err *err)
{
	(void)err;
	((struct kk_rep_storage_get *)arg)->snapshots +=
		((const Ct__SnapshotListResponse *)message)->n_info;
	return 0;
}

int ct_storage_get(const struct ct_ctx *ctx, struct kk_rep_storage_get *rep, struct kk_err *err)
{
	Ct__ContentListRequest blobs = CT__CONTENT_LIST_REQUEST__INIT;
	Ct__SnapshotListRequest snapshots = CT__SNAPSHOT_LIST_REQUEST__INIT;
	struct kk_rep_storage_get of_blobs = {0}, of_snapshots = {0};
	const struct ct_reader blob_reader = {
		.method = "content.v1.Content/List",
		.req = &blobs.base,
		.type = &ct__content_list_response__descriptor,
		.restart = storage_restart,
		.take = blobs_count,
		.arg = &of_blobs,
	};
	const struct ct_reader snapshot_reader = {
		.method = "snapshots.v1.Snapshots/List",
		.req = &snapshots.base,
		.type = &ct__snapshot_list_response__descriptor,
		.restart = storage_restart,
		.take = snapshots_count,
		.arg = &of_snapshots,
	};

	snapshots.snapshotter = (char *)CT_SNAPSHOTTER;
	if (ct_stream_read(ctx, &blob_reader, err) < 0 ||
		ct_stream_read(ctx, &snapshot_reader, err) < 0 ||
		ct_lease_count(ctx, &rep->leases, err) < 0)
		return kk_failed(err);
	rep->snapshots = of_snapshots.snapshots;
	rep->blobs = of_blobs.blobs;
	rep->blob_bytes = of_blobs.blob_bytes;
	return 0;
}
