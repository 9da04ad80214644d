/* workers/containerd/archive.c - image archives, read once from front to end.
 *
 * Every file that could be a blob goes into the content store as it comes by, under a lease; what it was
 * for is decided at the end, when index.json or manifest.json are known. Memory stays the same however
 * large the archive is. */
#include "ct.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include <kukeon/buf.h>
#include <kukeon/clock.h>
#include <kukeon/fault.h>
#include <kukeon/json.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>

enum {
	PIECE = 256 * 1024,
	ENTRIES_MAX = 100000,
	LEASE_HOURS = 1,
};

#define OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define OCI_CONFIG "application/vnd.oci.image.config.v1+json"
#define OCI_LAYER "application/vnd.oci.image.layer.v1.tar"

/* A file of the archive that is a blob now, or a link to one. */
struct entry {
	struct entry *next;
	char *path;
	char *link; /* target path, for links */
	char *digest;
	int64_t size;
	const char *compression; /* "", "+gzip" or "+zstd" */
};

struct load {
	struct ct_ctx ctx;
	struct archive *archive;
	struct entry *entries;
	size_t n_entries;
	struct kk_buf index;    /* index.json */
	struct kk_buf manifest; /* manifest.json */
	bool has_layout;
	struct kk_strs *names;
};

static int archive_fail(struct load *load, struct kk_err *err)
{
	return kk_fail(err, KK_E_IMAGE_FORMAT, "failed to import image tarball: %s",
		kk_str(archive_error_string(load->archive)));
}

static const struct entry *entry_find(const struct load *load, const char *path)
{
	for (int depth = 0; depth < 8; depth++) {
		const struct entry *e = load->entries;

		while (e && strcmp(e->path, path) != 0)
			e = e->next;
		if (!e || !e->link)
			return e;
		path = e->link;
	}
	return NULL;
}

static struct entry *entry_add(struct load *load, const char *path)
{
	struct entry *entry = kk_xalloc(sizeof *entry);

	*entry = (struct entry){.next = load->entries, .path = kk_xstrdup(path), .compression = ""};
	load->entries = entry;
	load->n_entries++;
	return entry;
}

/* "a/../b/c" as links of `docker save` have it: relative to the directory of the link. */
static char *link_resolve(const char *path, const char *target)
{
	const char *slash = strrchr(path, '/');
	size_t dir = slash ? (size_t)(slash - path) : 0;

	while (strncmp(target, "../", 3) == 0) {
		target += 3;
		while (dir > 0 && path[dir - 1] != '/')
			dir--;
		dir -= dir > 0;
	}
	return dir ? kk_xprintf("%.*s/%s", (int)dir, path, target) : kk_xstrdup(target);
}

static const char *compression_of(const unsigned char *data, size_t len)
{
	if (len >= 2 && data[0] == 0x1f && data[1] == 0x8b)
		return "+gzip";
	if (len >= 4 && memcmp(data, "\x28\xb5\x2f\xfd", 4) == 0)
		return "+zstd";
	return "";
}

static int entry_copy(struct load *load, struct entry *entry, struct ct_writer *writer,
	struct kk_err *err)
{
	kk_auto_free char *piece = kk_xalloc(PIECE);
	bool is_first = true;

	for (;;) {
		la_ssize_t n = archive_read_data(load->archive, piece, PIECE);

		if (n < 0)
			return archive_fail(load, err);
		if (n == 0)
			return 0;
		if (is_first)
			entry->compression = compression_of((unsigned char *)piece, (size_t)n);
		is_first = false;
		if (ct_writer_write(writer, piece, (size_t)n, err) < 0)
			return kk_failed(err);
	}
}

static int entry_upload(struct load *load, const char *path, const char *expected, int64_t size,
	struct kk_err *err)
{
	static unsigned counter;
	kk_auto_free char *ref = kk_xprintf("kukeon-load-%d-%u", (int)getpid(),
		__atomic_add_fetch(&counter, 1, __ATOMIC_RELAXED));
	kk_auto(ct_writer_freep) struct ct_writer *writer = NULL;
	struct entry *entry = entry_add(load, path);
	int r = ct_writer_open(&load->ctx, ref, expected, size, &writer, err);

	entry->size = size;
	if (r < 0)
		return r;
	if (r == 1) {
		entry->digest = kk_xstrdup(expected);
		return archive_read_data_skip(load->archive) < ARCHIVE_WARN ?
			archive_fail(load, err) :
			0;
	}
	r = entry_copy(load, entry, writer, err);
	if (r == 0)
		r = ct_writer_commit(writer, &entry->digest, err);
	return r;
}

static int text_read(struct load *load, struct kk_buf *buf, struct kk_err *err)
{
	buf->max = CT_BLOB_MAX;
	for (;;) {
		uint8_t *room = kk_buf_reserve(buf, 65536);
		la_ssize_t n;

		if (!room)
			return kk_fail(err, KK_E_IMAGE_FORMAT,
				"failed to import image tarball: its "
				"index is larger than %d bytes",
				CT_BLOB_MAX);
		n = archive_read_data(load->archive, room, 65536);
		if (n < 0)
			return archive_fail(load, err);
		if (n == 0)
			return 0;
		kk_buf_added(buf, (size_t)n);
	}
}

static const char *path_clean(const char *path)
{
	while (strncmp(path, "./", 2) == 0)
		path += 2;
	return path;
}

static int entry_take(struct load *load, struct archive_entry *header, struct kk_err *err)
{
	const char *path = path_clean(kk_str(archive_entry_pathname(header)));
	const char *hard = archive_entry_hardlink(header), *soft = archive_entry_symlink(header);
	kk_auto_free char *digest = NULL;

	if (load->n_entries > ENTRIES_MAX)
		return kk_fail(err, KK_E_IMAGE_FORMAT,
			"failed to import image tarball: more than %d "
			"files",
			ENTRIES_MAX);
	if (hard || soft) {
		struct entry *entry = entry_add(load, path);

		entry->link = hard ? kk_xstrdup(path_clean(hard)) : link_resolve(path, soft);
		return 0;
	}
	if (archive_entry_filetype(header) != AE_IFREG)
		return 0;
	if (strcmp(path, "oci-layout") == 0) {
		load->has_layout = true;
		return 0;
	}
	if (strcmp(path, "index.json") == 0)
		return text_read(load, &load->index, err);
	if (strcmp(path, "manifest.json") == 0)
		return text_read(load, &load->manifest, err);
	if (strcmp(path, "repositories") == 0 || kk_str_ends(path, "/VERSION") ||
		kk_str_ends(path, "/json"))
		return 0;
	if (strncmp(path, "blobs/sha256/", 13) == 0 && strlen(path) == 13 + 64)
		digest = kk_xprintf("sha256:%s", path + 13);
	return entry_upload(load, path, digest, archive_entry_size(header), err);
}

static int format_fail(struct kk_err *err)
{
	return kk_fail(err, KK_E_IMAGE_FORMAT,
		"failed to import image tarball: unrecognized image format (neither an OCI layout "
		"nor docker save)");
}

static int entries_read(struct load *load, struct kk_err *err)
{
	struct archive_entry *header;

	for (size_t n = 0;; n++) {
		int r = archive_read_next_header(load->archive, &header);

		if (r == ARCHIVE_EOF)
			return 0;
		if (r < ARCHIVE_WARN)
			return n ? archive_fail(load, err) : format_fail(err);
		r = entry_take(load, header, err);
		if (r < 0)
			return r;
	}
}

static const char *string_at(const json_t *object, const char *key)
{
	return kk_str(json_string_value(json_object_get(object, key)));
}

static int image_name(struct load *load, const char *name, const char *media_type,
	const char *digest, int64_t size, struct kk_err *err)
{
	kk_auto_free char *normal = ct_ref_normalize(name, err);

	if (!normal)
		return kk_failed(err);
	if (ct_image_register(&load->ctx, normal, media_type, digest, size, err) < 0)
		return kk_wrap(err, "import image '%s'", normal);
	kk_strs_add(load->names, normal);
	return 0;
}

static const char *index_name(const json_t *entry)
{
	const json_t *annotations = json_object_get(entry, "annotations");
	const char *full = string_at(annotations, "io.containerd.image.name");

	return *full ? full : string_at(annotations, "org.opencontainers.image.ref.name");
}

static int oci_finish(struct load *load, struct kk_err *err)
{
	kk_auto_json *index = json_loadb((char *)load->index.data, load->index.len, 0, NULL);
	size_t i;
	json_t *entry;

	if (!json_is_array(json_object_get(index, "manifests")))
		return kk_fail(err, KK_E_IMAGE_FORMAT,
			"failed to import image tarball: index.json has "
			"no manifests");
	json_array_foreach (json_object_get(index, "manifests"), i, entry) {
		const char *digest = string_at(entry, "digest"), *name = index_name(entry);
		const char *type = string_at(entry, "mediaType");
		bool is_there = false;

		if (ct_blob_exists(&load->ctx, digest, &is_there, err) < 0)
			return kk_failed(err);
		if (!is_there)
			return kk_fail(err, KK_E_IMAGE_FORMAT,
				"failed to import image tarball: it "
				"lacks blob %s; is it truncated?",
				digest);
		if (*name &&
			image_name(load, name, *type ? type : OCI_MANIFEST, digest,
				json_integer_value(json_object_get(entry, "size")), err) < 0)
			return kk_failed(err);
	}
	return 0;
}

static int descriptor_add(struct load *load, json_t *list, const char *path, const char *media_type,
	bool is_layer, struct kk_err *err)
{
	const struct entry *entry = entry_find(load, path);

	if (!entry || !entry->digest)
		return kk_fail(err, KK_E_IMAGE_FORMAT,
			"failed to import image tarball: it lacks '%s'; "
			"is it truncated?",
			path);
	json_array_append_new(list,
		json_pack("{s:s+, s:s, s:I}", "mediaType", media_type,
			is_layer ? entry->compression : "", "digest", entry->digest, "size",
			(json_int_t)entry->size));
	return 0;
}

/* An OCI manifest for what `docker save` lists. */
static int docker_image(struct load *load, const json_t *saved, struct kk_err *err)
{
	kk_auto_json *config = json_array(), *layers = json_array();
	kk_auto_json *manifest = NULL;
	kk_auto_free char *text = NULL, *digest = NULL;
	size_t i;
	json_t *item;

	if (descriptor_add(load, config, string_at(saved, "Config"), OCI_CONFIG, false, err) < 0)
		return kk_failed(err);
	json_array_foreach (json_object_get(saved, "Layers"), i, item) {
		if (descriptor_add(load, layers, kk_str(json_string_value(item)), OCI_LAYER, true,
			    err) < 0)
			return kk_failed(err);
	}
	manifest = json_pack("{s:i, s:s, s:O, s:O}", "schemaVersion", 2, "mediaType", OCI_MANIFEST,
		"config", json_array_get(config, 0), "layers", layers);
	text = json_dumps(manifest, JSON_COMPACT);
	if (ct_blob_write(&load->ctx, text, strlen(text), &digest, err) < 0)
		return kk_failed(err);
	json_array_foreach (json_object_get(saved, "RepoTags"), i, item) {
		if (image_name(load, kk_str(json_string_value(item)), OCI_MANIFEST, digest,
			    (int64_t)strlen(text), err) < 0)
			return kk_failed(err);
	}
	return 0;
}

static int docker_finish(struct load *load, struct kk_err *err)
{
	kk_auto_json *list = json_loadb((char *)load->manifest.data, load->manifest.len, 0, NULL);
	size_t i;
	json_t *saved;

	if (!json_is_array(list))
		return kk_fail(err, KK_E_IMAGE_FORMAT,
			"failed to import image tarball: manifest.json "
			"is no list");
	json_array_foreach (list, i, saved) {
		int r = docker_image(load, saved, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int load_run(struct load *load, const char *path, struct kk_err *err)
{
	int r;

	archive_read_support_format_tar(load->archive);
	if (archive_read_open_filename(load->archive, path, PIECE) != ARCHIVE_OK)
		return archive_errno(load->archive) ==
				EILSEQ ? /* as libarchive says "no format that is known" */
			format_fail(err) :
			kk_fail(err, KK_E_IO, "failed to open image tarball: %s",
				kk_str(archive_error_string(load->archive)));
	r = entries_read(load, err);
	if (r == 0)
		r = kk_fault(KK_FAULT_containerd_blobs_stored, err);
	if (r < 0)
		return r;
	if (load->has_layout && load->index.len)
		return oci_finish(load, err);
	if (load->manifest.len)
		return docker_finish(load, err);
	return kk_fail(err, KK_E_IMAGE_FORMAT,
		"failed to import image tarball: unrecognized image "
		"format (neither an OCI layout nor docker save)");
}

static void load_release(struct load *load)
{
	if (load->archive)
		archive_read_free(load->archive);
	while (load->entries) {
		struct entry *entry = load->entries;

		load->entries = entry->next;
		free(entry->path);
		free(entry->link);
		free(entry->digest);
		free(entry);
	}
	kk_buf_release(&load->index);
	kk_buf_release(&load->manifest);
}

/* The lease expires by itself, should nobody be left to end it. */
static int lease_create(const struct ct_ctx *ctx, char **ret_id, struct kk_err *err)
{
	Ct__LeaseCreateRequest req = CT__LEASE_CREATE_REQUEST__INIT;
	Ct__Label label = CT__LABEL__INIT, *labels[] = {&label};
	kk_auto_free char *id =
		kk_xprintf("kukeon-load-%d-%lld", (int)getpid(), (long long)kk_time_now());
	char expiry[KK_TIME_TEXT];
	int r;

	kk_time_format(kk_time_now() + LEASE_HOURS * 3600LL * 1000000000LL, expiry);
	label.key = (char *)"containerd.io/gc.expire";
	label.value = expiry;
	req.id = id;
	req.n_labels = 1;
	req.labels = labels;
	r = ct_unary(ctx, "leases.v1.Leases/Create", &req.base,
		&ct__lease_create_response__descriptor, NULL, err);
	if (r == 0)
		*ret_id = kk_steal(&id);
	return r;
}

static void lease_end(const struct ct_ctx *ctx, const char *id)
{
	Ct__LeaseDeleteRequest req = CT__LEASE_DELETE_REQUEST__INIT;

	req.id = (char *)id;
	req.sync = true;
	if (ct_unary(ctx, "leases.v1.Leases/Delete", &req.base, &ct__empty__descriptor, NULL,
		    NULL) < 0)
		kk_debug("lease '%s' is left to expire", id);
}

int ct_archive_load(const struct ct_ctx *ctx, const char *path, struct kk_strs *ret_names,
	struct kk_err *err)
{
	kk_auto(load_release) struct load load = {.ctx = *ctx, .names = ret_names};
	kk_auto_free char *lease = NULL;
	int r = lease_create(ctx, &lease, err);

	if (r < 0)
		return r;
	load.ctx.lease = lease;
	load.archive = archive_read_new();
	r = load.archive ? load_run(&load, path, err) :
			   kk_fail(err, KK_E_NOMEM, "no memory to read the archive");
	lease_end(ctx, lease);
	ret_names->is_set = true;
	return r;
}
