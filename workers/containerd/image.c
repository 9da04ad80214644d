/* workers/containerd/image.c - manifests and layers. */
#include "ct.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kukeon/buf.h>
#include <kukeon/clock.h>
#include <kukeon/json.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>

#if defined(__x86_64__)
#define ARCHITECTURE "amd64"
#elif defined(__aarch64__)
#define ARCHITECTURE "arm64"
#else
#error "no image architecture is known for this machine"
#endif

enum { LAYERS_MAX = 512 };

void ct_image_release(struct ct_image *image)
{
	free(image->name);
	free(image->digest);
	json_decref(image->config);
	*image = (struct ct_image){0};
}

static const char *string_at(const json_t *object, const char *key)
{
	return kk_str(json_string_value(json_object_get(object, key)));
}

/* The digest of the manifest for this machine: @json itself, or out of the index that it is. */
static int manifest_choose(const json_t *index, const char **ret_digest, struct kk_err *err)
{
	const char *any = NULL;
	size_t i;
	json_t *entry;

	json_array_foreach (json_object_get(index, "manifests"), i, entry) {
		const json_t *platform = json_object_get(entry, "platform");

		if (!any && !platform)
			any = string_at(entry, "digest");
		if (strcmp(string_at(platform, "architecture"), ARCHITECTURE) == 0 &&
			strcmp(string_at(platform, "os"), "linux") == 0) {
			*ret_digest = string_at(entry, "digest");
			return 0;
		}
	}
	if (!any)
		return kk_fail(err, KK_E_IMAGE_FORMAT,
			"the image has no manifest for linux/" ARCHITECTURE);
	*ret_digest = any;
	return 0;
}

/* What an image consists of. */
struct contents {
	char *manifest_digest;
	json_t *manifest;
	char *config_digest;
	json_t *config;
};

static void contents_release(struct contents *contents)
{
	free(contents->manifest_digest);
	json_decref(contents->manifest);
	free(contents->config_digest);
	json_decref(contents->config);
}

static int contents_read(const struct ct_ctx *ctx, const char *digest, struct contents *contents,
	struct kk_err *err)
{
	const char *chosen = NULL;
	int r = ct_blob_json(ctx, digest, &contents->manifest, err);

	if (r < 0)
		return r;
	contents->manifest_digest = kk_xstrdup(digest);
	if (json_object_get(contents->manifest, "manifests")) {
		kk_auto_json *index = kk_steal(&contents->manifest);

		r = manifest_choose(index, &chosen, err);
		if (r < 0)
			return r;
		kk_str_set(&contents->manifest_digest, chosen);
		r = ct_blob_json(ctx, chosen, &contents->manifest, err);
		if (r < 0)
			return r;
	}
	contents->config_digest =
		kk_xstrdup(string_at(json_object_get(contents->manifest, "config"), "digest"));
	if (!contents->config_digest[0])
		return kk_fail(err, KK_E_IMAGE_FORMAT, "manifest %s names no configuration",
			contents->manifest_digest);
	return ct_blob_json(ctx, contents->config_digest, &contents->config, err);
}

/* The chain id of the first @n layers. */
static char *chain_id(const json_t *diff_ids, size_t n)
{
	char *chain = kk_xstrdup(n ? json_string_value(json_array_get(diff_ids, 0)) : "");

	for (size_t i = 1; i < n; i++) {
		const char *diff = kk_str(json_string_value(json_array_get(diff_ids, i)));
		kk_auto_free char *both = kk_xprintf("%s %s", kk_str(chain), diff);

		free(chain);
		chain = ct_digest_of(both, strlen(both));
	}
	return chain ? chain : kk_xstrdup("");
}

static int snapshot_exists(const struct ct_ctx *ctx, const char *key, bool *ret_exists,
	struct kk_err *err)
{
	Ct__SnapshotStatRequest req = CT__SNAPSHOT_STAT_REQUEST__INIT;
	struct kk_err cause = {0};
	int r;

	req.snapshotter = (char *)CT_SNAPSHOTTER;
	req.key = (char *)key;
	r = ct_unary(ctx, "snapshots.v1.Snapshots/Stat", &req.base,
		&ct__snapshot_stat_response__descriptor, NULL, &cause);
	if (r < 0 && r != KK_E_CONTAINER_NOT_FOUND) {
		*err = cause;
		return r;
	}
	*ret_exists = r == 0;
	return 0;
}

static void snapshot_drop(const struct ct_ctx *ctx, const char *key)
{
	Ct__SnapshotRemoveRequest req = CT__SNAPSHOT_REMOVE_REQUEST__INIT;

	req.snapshotter = (char *)CT_SNAPSHOTTER;
	req.key = (char *)key;
	(void)ct_unary(ctx, "snapshots.v1.Snapshots/Remove", &req.base, &ct__empty__descriptor,
		NULL, NULL);
}

static int layer_commit(const struct ct_ctx *ctx, const char *key, const char *chain,
	struct kk_err *err)
{
	Ct__SnapshotCommitRequest req = CT__SNAPSHOT_COMMIT_REQUEST__INIT;
	struct kk_err cause = {0};
	int r;

	req.snapshotter = (char *)CT_SNAPSHOTTER;
	req.name = (char *)chain;
	req.key = (char *)key;
	r = ct_unary(ctx, "snapshots.v1.Snapshots/Commit", &req.base, &ct__empty__descriptor, NULL,
		&cause);
	if (r == KK_E_CONTAINER_EXISTS) {
		snapshot_drop(ctx, key); /* another unpack was faster */
		return 0;
	}
	if (r < 0)
		*err = cause;
	return r;
}

static int layer_apply(const struct ct_ctx *ctx, const json_t *layer, const char *diff_id,
	const Ct__SnapshotPrepareResponse *prepared, struct kk_err *err)
{
	Ct__DiffApplyRequest req = CT__DIFF_APPLY_REQUEST__INIT;
	Ct__Descriptor descriptor = CT__DESCRIPTOR__INIT;
	ct_auto_message Ct__DiffApplyResponse *applied = NULL;
	int r;

	descriptor.media_type = (char *)string_at(layer, "mediaType");
	descriptor.digest = (char *)string_at(layer, "digest");
	descriptor.size = json_integer_value(json_object_get(layer, "size"));
	req.diff = &descriptor;
	req.n_mounts = prepared->n_mounts;
	req.mounts = prepared->mounts;
	r = ct_unary(ctx, "diff.v1.Diff/Apply", &req.base, &ct__diff_apply_response__descriptor,
		&applied, err);
	if (r < 0)
		return r;
	if (!applied->applied || strcmp(applied->applied->digest, diff_id) != 0)
		return kk_fail(err, KK_E_IMAGE_FORMAT,
			"layer %s unpacks to %s, not to %s as the image "
			"configuration states",
			descriptor.digest, applied->applied ? applied->applied->digest : "nothing",
			diff_id);
	return 0;
}

static int layer_unpack(const struct ct_ctx *ctx, const json_t *layer, const char *diff_id,
	const char *parent, const char *chain, struct kk_err *err)
{
	static unsigned counter;
	kk_auto_free char *key = kk_xprintf("extract-%d-%u %s", (int)getpid(),
		__atomic_add_fetch(&counter, 1, __ATOMIC_RELAXED), chain);
	Ct__SnapshotPrepareRequest req = CT__SNAPSHOT_PREPARE_REQUEST__INIT;
	ct_auto_message Ct__SnapshotPrepareResponse *prepared = NULL;
	int r;

	req.snapshotter = (char *)CT_SNAPSHOTTER;
	req.key = key;
	req.parent = (char *)parent;
	r = ct_unary(ctx, "snapshots.v1.Snapshots/Prepare", &req.base,
		&ct__snapshot_prepare_response__descriptor, &prepared, err);
	if (r < 0)
		return r;
	r = layer_apply(ctx, layer, diff_id, prepared, err);
	if (r == 0)
		r = layer_commit(ctx, key, chain, err);
	if (r < 0)
		snapshot_drop(ctx, key);
	return r;
}

/* Unpack the layers that are not; the garbage collector is told what belongs together. */
static int contents_unpack(const struct ct_ctx *ctx, const struct contents *contents,
	char **ret_chain, struct kk_err *err)
{
	const json_t *layers = json_object_get(contents->manifest, "layers");
	const json_t *diff_ids =
		json_object_get(json_object_get(contents->config, "rootfs"), "diff_ids");
	size_t n = json_array_size(layers);
	kk_auto_free char *whole = chain_id(diff_ids, n);
	kk_auto(kk_map_release) struct kk_map labels = {0};
	bool exists = n == 0;
	int r = 0;

	if (json_array_size(diff_ids) != n || n > LAYERS_MAX)
		return kk_fail(err, KK_E_IMAGE_FORMAT,
			"the image has %zu layers, but its configuration "
			"names %zu",
			n, json_array_size(diff_ids));
	if (n)
		r = snapshot_exists(ctx, whole, &exists, err);
	for (size_t i = 0; r == 0 && !exists && i < n; i++) {
		kk_auto_free char *parent = chain_id(diff_ids, i),
				  *chain = chain_id(diff_ids, i + 1);
		bool is_there;

		r = snapshot_exists(ctx, chain, &is_there, err);
		if (r == 0 && !is_there)
			r = layer_unpack(ctx, json_array_get(layers, i),
				kk_str(json_string_value(json_array_get(diff_ids, i))), parent,
				chain, err);
	}
	if (r == 0 && n && !exists) {
		kk_map_set(&labels, "containerd.io/gc.ref.snapshot." CT_SNAPSHOTTER, whole);
		r = ct_blob_label(ctx, contents->config_digest, &labels, err);
	}
	if (r < 0)
		return kk_wrap(err, "unpack the image");
	*ret_chain = kk_steal(&whole);
	return 0;
}

/* Without these the garbage collector takes what only the manifest refers to. */
static int manifest_label(const struct ct_ctx *ctx, const char *digest, const json_t *manifest,
	struct kk_err *err)
{
	const json_t *layers = json_object_get(manifest, "layers");
	const char *config = string_at(json_object_get(manifest, "config"), "digest");
	kk_auto(kk_map_release) struct kk_map labels = {0};

	kk_map_set(&labels, "containerd.io/gc.ref.content.config", config);
	for (size_t i = 0; i < json_array_size(layers); i++) {
		kk_auto_free char *key = kk_xprintf("containerd.io/gc.ref.content.l.%zu", i);

		kk_map_set(&labels, key, string_at(json_array_get(layers, i), "digest"));
	}
	return ct_blob_label(ctx, digest, &labels, err);
}

static int index_label(const struct ct_ctx *ctx, const char *digest, const json_t *index,
	struct kk_err *err)
{
	const json_t *manifests = json_object_get(index, "manifests");
	kk_auto(kk_map_release) struct kk_map labels = {0};

	for (size_t i = 0; i < json_array_size(manifests); i++) {
		kk_auto_free char *key = kk_xprintf("containerd.io/gc.ref.content.m.%zu", i);

		kk_map_set(&labels, key, string_at(json_array_get(manifests, i), "digest"));
	}
	return ct_blob_label(ctx, digest, &labels, err);
}

static int image_put(const struct ct_ctx *ctx, Ct__Image *image, struct kk_err *err)
{
	Ct__ImageCreateRequest create = CT__IMAGE_CREATE_REQUEST__INIT;
	Ct__ImageUpdateRequest update = CT__IMAGE_UPDATE_REQUEST__INIT;
	struct kk_err cause = {0};
	int r;

	create.image = image;
	r = ct_unary(ctx, "images.v1.Images/Create", &create.base,
		&ct__image_create_response__descriptor, NULL, &cause);
	if (r == KK_E_CONTAINER_EXISTS) {
		update.image = image;
		return ct_unary(ctx, "images.v1.Images/Update", &update.base,
			&ct__image_update_response__descriptor, NULL, err);
	}
	if (r < 0)
		*err = cause;
	return r;
}

int ct_image_register(const struct ct_ctx *ctx, const char *name, const char *media_type,
	const char *digest, int64_t size, struct kk_err *err)
{
	kk_auto(contents_release) struct contents contents = {0};
	kk_auto_json *top = NULL;
	kk_auto_free char *chain = NULL;
	Ct__Descriptor target = CT__DESCRIPTOR__INIT;
	Ct__Image image = CT__IMAGE__INIT;
	int r = ct_blob_json(ctx, digest, &top, err);

	if (r == 0)
		r = contents_read(ctx, digest, &contents, err);
	if (r == 0 && json_object_get(top, "manifests"))
		r = index_label(ctx, digest, top, err);
	if (r == 0)
		r = manifest_label(ctx, contents.manifest_digest, contents.manifest, err);
	if (r == 0)
		r = contents_unpack(ctx, &contents, &chain, err);
	if (r < 0)
		return r;
	target.media_type = (char *)media_type;
	target.digest = (char *)digest;
	target.size = size;
	image.name = (char *)name;
	image.target = &target;
	return image_put(ctx, &image, err);
}

static int image_find(const struct ct_ctx *ctx, const char *ref, Ct__ImageGetResponse **ret_found,
	struct kk_err *err)
{
	Ct__ImageGetRequest req = CT__IMAGE_GET_REQUEST__INIT;
	kk_auto_free char *name = ct_ref_normalize(ref, err);
	struct kk_err cause = {0};
	int r;

	if (!name)
		return kk_failed(err);
	req.name = name;
	r = ct_unary(ctx, "images.v1.Images/Get", &req.base, &ct__image_get_response__descriptor,
		ret_found, &cause);
	if (r == KK_E_CONTAINER_NOT_FOUND)
		return kk_fail(err, KK_E_IMAGE_NOT_FOUND,
			"image not found: \"%s\" (containerd "
			"namespace \"%s\"); load it with `kuke image load <archive>`",
			ref, ctx->namespace);
	if (r < 0)
		*err = cause;
	return r;
}

static int image_read(const struct ct_ctx *ctx, const char *ref, struct contents *contents,
	struct ct_image *ret_image, struct kk_err *err)
{
	ct_auto_message Ct__ImageGetResponse *found = NULL;
	int r = image_find(ctx, ref, &found, err);

	if (r == 0)
		r = contents_read(ctx, found->image->target->digest, contents, err);
	if (r < 0)
		return r;
	*ret_image = (struct ct_image){
		.name = kk_xstrdup(found->image->name),
		.digest = kk_xstrdup(found->image->target->digest),
		.config = json_incref(json_object_get(contents->config, "config")),
	};
	return 0;
}

int ct_image_get(const struct ct_ctx *ctx, const char *ref, struct ct_image *ret_image,
	struct kk_err *err)
{
	kk_auto(contents_release) struct contents contents = {0};

	return image_read(ctx, ref, &contents, ret_image, err);
}

int ct_image_unpack(const struct ct_ctx *ctx, const char *ref, char **ret_chain, struct kk_err *err)
{
	kk_auto(contents_release) struct contents contents = {0};
	kk_auto(ct_image_release) struct ct_image image = {0};

	if (image_read(ctx, ref, &contents, &image, err) < 0)
		return kk_failed(err);
	return contents_unpack(ctx, &contents, ret_chain, err);
}

/* Bytes of all that the manifest for this machine names; 0 where there is none. */
static int image_size(const struct ct_ctx *ctx, const char *digest, int64_t *ret_size,
	struct kk_err *err)
{
	kk_auto(contents_release) struct contents contents = {0};
	struct kk_err cause = {0};
	int64_t size;
	size_t i;
	json_t *layer;
	int r = contents_read(ctx, digest, &contents, &cause);

	*ret_size = 0;
	if (r == KK_E_CONTAINERD_DOWN || r == KK_E_TIMEOUT) {
		*err = cause;
		return r;
	}
	if (r < 0)
		return 0;
	size = json_integer_value(json_object_get(json_object_get(contents.manifest, "config"),
		"size"));
	json_array_foreach (json_object_get(contents.manifest, "layers"), i, layer)
		size += json_integer_value(json_object_get(layer, "size"));
	*ret_size = size;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct kk_image_info *x = a, *y = b;

	return strcmp(kk_str(x->name), kk_str(y->name));
}

int ct_image_list(const struct ct_ctx *ctx, struct kk_list *images, struct kk_err *err)
{
	Ct__ImageListRequest req = CT__IMAGE_LIST_REQUEST__INIT;
	ct_auto_message Ct__ImageListResponse *found = NULL;
	int r = ct_unary(ctx, "images.v1.Images/List", &req.base,
		&ct__image_list_response__descriptor, &found, err);

	if (r < 0)
		return r;
	images->is_set = true;
	for (size_t i = 0; i < found->n_images; i++) {
		const Ct__Image *image = found->images[i];
		struct kk_image_info *info = kk_list_add(images, kk_schema_of_image_info());

		info->name = kk_xstrdup(image->name);
		info->created_at = ct_time(image->created_at);
		for (size_t k = 0; k < image->n_labels; k++)
			kk_map_set(&info->labels, image->labels[k]->key, image->labels[k]->value);
		if (!image->target)
			continue;
		info->digest = kk_xstrdup(image->target->digest);
		info->media_type = kk_xstrdup(image->target->media_type);
		r = image_size(ctx, image->target->digest, &info->size, err);
		if (r < 0)
			return r;
	}
	if (images->n)
		qsort(images->items, images->n, sizeof(struct kk_image_info), by_name);
	return 0;
}

int ct_image_remove(const struct ct_ctx *ctx, const char *ref, char **ret_name, struct kk_err *err)
{
	Ct__ImageDeleteRequest req = CT__IMAGE_DELETE_REQUEST__INIT;
	ct_auto_message Ct__ImageGetResponse *found = NULL;
	int r = image_find(ctx, ref, &found, err);

	if (r < 0)
		return r;
	req.name = found->image->name;
	req.sync = true;
	r = ct_unary(ctx, "images.v1.Images/Delete", &req.base, &ct__empty__descriptor, NULL, err);
	if (r == 0)
		*ret_name = kk_xstrdup(found->image->name);
	return r;
}
