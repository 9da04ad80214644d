/* workers/containerd/content.c - blobs. */
#include "ct.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pthread.h>

#include <kukeon/buf.h>
#include <kukeon/mem.h>
#include <kukeon/sha256.h>

enum { PIECE = 256 * 1024 };

struct ct_writer {
	const struct ct_ctx *ctx;
	struct ct_stream *stream;
	char *ref;
	char *expected;
	int64_t size;
	int64_t offset;
	SHA256_CTX sum; /* where the digest is not known beforehand */
	bool is_committed;
};

static char *writer_digest(struct ct_writer *writer)
{
	char text[KK_SHA256_TEXT];

	if (writer->expected)
		return kk_xstrdup(writer->expected);
	kk_sha256_end(&writer->sum, text);
	return kk_xprintf("sha256:%s", text);
}

static int writer_send(struct ct_writer *writer, Ct__WriteAction action, const void *data,
	size_t len, Ct__ContentWriteResponse **ret_rep, struct kk_err *err)
{
	Ct__ContentWriteRequest req = CT__CONTENT_WRITE_REQUEST__INIT;
	int r;

	req.action = action;
	req.ref = writer->ref;
	req.total = writer->size;
	req.expected = (char *)kk_str(writer->expected);
	req.offset = writer->offset;
	req.data = (ProtobufCBinaryData){.len = len, .data = (uint8_t *)data};
	r = ct_stream_send(writer->stream, &req.base, false, err);
	if (r == 0)
		r = ct_stream_recv(writer->stream, &ct__content_write_response__descriptor,
			CT_NO_LIMIT, ret_rep, err);
	if (r == 0)
		return kk_fail(err, KK_E_CONTAINERD, "containerd ended the writing of '%s'",
			writer->ref);
	return r < 0 ? r : 0;
}

int ct_writer_open(const struct ct_ctx *ctx, const char *ref, const char *expected, int64_t size,
	struct ct_writer **ret_writer, struct kk_err *err)
{
	kk_auto(ct_writer_freep) struct ct_writer *writer = kk_xalloc(sizeof *writer);
	ct_auto_message Ct__ContentWriteResponse *rep = NULL;
	struct kk_err cause = {0};
	int r;

	*writer = (struct ct_writer){.ctx = ctx, .size = size};
	writer->ref = kk_xstrdup(ref);
	writer->expected = kk_xstrdup(expected);
	SHA256_Init(&writer->sum);
	do {
		ct_stream_free(kk_steal(&writer->stream));
		kk_err_clear(&cause);
		r = ct_stream_open(ctx, "content.v1.Content/Write", &writer->stream, &cause);
		if (r == 0)
			r = writer_send(writer, CT__WRITE_ACTION__STAT, NULL, 0, &rep, &cause);
	} while (r == KK_E_CONTAINERD_DOWN && ct_retry_pause(ctx));
	if (r == KK_E_CONTAINER_EXISTS) {
		writer->is_committed = true;
		return 1;
	}
	if (r < 0) {
		*err = cause;
		return kk_wrap(err, "write content");
	}
	*ret_writer = kk_steal(&writer);
	return 0;
}

int ct_writer_write(struct ct_writer *writer, const void *data, size_t len, struct kk_err *err)
{
	const char *p = data;

	while (len) {
		ct_auto_message Ct__ContentWriteResponse *rep = NULL;
		size_t n = len < PIECE ? len : PIECE;

		if (writer_send(writer, CT__WRITE_ACTION__WRITE, p, n, &rep, err) < 0)
			return kk_wrap(err, "write content");
		if (!writer->expected)
			SHA256_Update(&writer->sum, p, n);
		writer->offset += (int64_t)n;
		p += n;
		len -= n;
	}
	return 0;
}

int ct_writer_commit(struct ct_writer *writer, char **ret_digest, struct kk_err *err)
{
	ct_auto_message Ct__ContentWriteResponse *rep = NULL;
	struct kk_err cause = {0};
	int r;

	writer->size = writer->offset;
	r = writer_send(writer, CT__WRITE_ACTION__COMMIT, NULL, 0, &rep, &cause);
	/* Somebody stored the same bytes before: so much the better. */
	if (r < 0 && r != KK_E_CONTAINER_EXISTS) {
		*err = cause;
		return kk_wrap(err, "commit content");
	}
	writer->is_committed = r == 0;
	if (ret_digest)
		*ret_digest = writer_digest(writer);
	return 0;
}

void ct_writer_free(struct ct_writer *writer)
{
	Ct__ContentAbortRequest req = CT__CONTENT_ABORT_REQUEST__INIT;

	if (!writer)
		return;
	ct_stream_free(writer->stream);
	if (!writer->is_committed) {
		req.ref = writer->ref;
		(void)ct_unary(writer->ctx, "content.v1.Content/Abort", &req.base,
			&ct__empty__descriptor, NULL, NULL);
	}
	free(writer->ref);
	free(writer->expected);
	free(writer);
}

int ct_blob_exists(const struct ct_ctx *ctx, const char *digest, bool *ret_exists,
	struct kk_err *err)
{
	Ct__ContentInfoRequest req = CT__CONTENT_INFO_REQUEST__INIT;
	struct kk_err cause = {0};
	int r;

	req.digest = (char *)digest;
	r = ct_unary(ctx, "content.v1.Content/Info", &req.base,
		&ct__content_info_response__descriptor, NULL, &cause);
	if (r < 0 && r != KK_E_CONTAINER_NOT_FOUND) {
		*err = cause;
		return r;
	}
	*ret_exists = r == 0;
	return 0;
}

struct blob {
	const char *digest;
	struct kk_buf *buf;
	size_t start;
};

static void blob_restart(void *arg)
{
	const struct blob *blob = arg;

	blob->buf->len = blob->start;
}

static int blob_take(const void *message, void *arg, struct kk_err *err)
{
	const Ct__ContentReadResponse *piece = message;
	const struct blob *blob = arg;

	if (kk_buf_append(blob->buf, piece->data.data, piece->data.len) == 0)
		return 0;
	return kk_fail(err, KK_E_TOO_BIG, "blob %s is larger than %zu bytes", blob->digest,
		blob->buf->max);
}

int ct_blob_read(const struct ct_ctx *ctx, const char *digest, struct kk_buf *buf,
	struct kk_err *err)
{
	struct blob blob = {.digest = digest, .buf = buf, .start = buf->len};
	Ct__ContentReadRequest req = CT__CONTENT_READ_REQUEST__INIT;
	const struct ct_reader reader = {
		.method = "content.v1.Content/Read",
		.req = &req.base,
		.type = &ct__content_read_response__descriptor,
		.restart = blob_restart,
		.take = blob_take,
		.arg = &blob,
	};

	req.digest = (char *)digest;
	if (ct_stream_read(ctx, &reader, err) < 0)
		return kk_wrap(err, "read blob %s", digest);
	return 0;
}

/* --- documents: whoever starts a container needs two or three of them, always the same --- */

enum { KEPT_MAX = 64, KEPT_BYTES = 16384 };

/* A digest names its bytes for ever. The oldest goes first. */
static struct {
	pthread_mutex_t mutex;
	struct kept {
		char *digest;
		char *text;
	} items[KEPT_MAX];
	size_t next;
} kept = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static json_t *kept_get(const char *digest)
{
	json_t *json = NULL;

	pthread_mutex_lock(&kept.mutex);
	for (size_t i = 0; i < KEPT_MAX && !json; i++) {
		if (kk_str_equal(kept.items[i].digest, digest))
			json = json_loads(kept.items[i].text, 0, NULL);
	}
	pthread_mutex_unlock(&kept.mutex);
	return json;
}

static void kept_put(const char *digest, const struct kk_buf *text)
{
	struct kept *item;

	if (text->len > KEPT_BYTES)
		return;
	pthread_mutex_lock(&kept.mutex);
	item = &kept.items[kept.next++ % KEPT_MAX];
	kk_str_set(&item->digest, digest);
	kk_str_set(&item->text, (char *)text->data);
	pthread_mutex_unlock(&kept.mutex);
}

int ct_blob_json(const struct ct_ctx *ctx, const char *digest, json_t **ret_json,
	struct kk_err *err)
{
	kk_auto_buf text = {.max = CT_BLOB_MAX};
	int r;

	*ret_json = kept_get(digest);
	if (*ret_json)
		return 0;
	r = ct_blob_read(ctx, digest, &text, err);
	if (r < 0)
		return r;
	*ret_json = text.len ? json_loadb((char *)text.data, text.len, 0, NULL) : NULL;
	if (!*ret_json)
		return kk_fail(err, KK_E_IMAGE_FORMAT, "blob %s is no JSON", digest);
	kept_put(digest, &text);
	return 0;
}

char *ct_digest_of(const void *data, size_t len)
{
	char text[KK_SHA256_TEXT];

	kk_sha256_text(data, len, text);
	return kk_xprintf("sha256:%s", text);
}

int ct_blob_write(const struct ct_ctx *ctx, const void *data, size_t len, char **ret_digest,
	struct kk_err *err)
{
	kk_auto_free char *digest = ct_digest_of(data, len);
	kk_auto_free char *ref = kk_xprintf("kukeon-blob-%s", digest);
	kk_auto(ct_writer_freep) struct ct_writer *writer = NULL;
	int r = ct_writer_open(ctx, ref, digest, (int64_t)len, &writer, err);

	if (r == 0)
		r = ct_writer_write(writer, data, len, err);
	if (r == 0 && writer)
		r = ct_writer_commit(writer, NULL, err);
	if (r < 0)
		return r;
	*ret_digest = kk_steal(&digest);
	return 0;
}

int ct_blob_label(const struct ct_ctx *ctx, const char *digest, const struct kk_map *labels,
	struct kk_err *err)
{
	Ct__ContentUpdateRequest req = CT__CONTENT_UPDATE_REQUEST__INIT;
	Ct__ContentInfo info = CT__CONTENT_INFO__INIT;
	Ct__FieldMask mask = CT__FIELD_MASK__INIT;
	kk_auto_free Ct__Label *items = kk_xalloc((labels->n + 1) * sizeof *items);
	kk_auto_free Ct__Label **list = kk_xalloc((labels->n + 1) * sizeof(Ct__Label *));
	kk_auto(kk_strs_release) struct kk_strs paths = {0};

	for (size_t i = 0; i < labels->n; i++) {
		items[i] = (Ct__Label)CT__LABEL__INIT;
		items[i].key = labels->items[i].key;
		items[i].value = labels->items[i].value;
		list[i] = &items[i];
		kk_strs_take(&paths, kk_xprintf("labels.%s", labels->items[i].key));
	}
	info.digest = (char *)digest;
	info.n_labels = labels->n;
	info.labels = list;
	mask.n_paths = paths.n;
	mask.paths = paths.items;
	req.info = &info;
	req.update_mask = &mask;
	return ct_unary(ctx, "content.v1.Content/Update", &req.base,
		&ct__content_update_response__descriptor, NULL, err);
}
