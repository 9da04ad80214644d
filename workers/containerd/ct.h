/* workers/containerd/ct.h - everything that is said to containerd.
 *
 * Handlers run in the threads of pool.c and may block up to the deadline of their request; nothing is
 * kept between two calls but the channel and what can't change (blobs by digest). */
#ifndef KK_CONTAINERD_CT_H
#define KK_CONTAINERD_CT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>

#include <kukeon/auto.h>
#include <kukeon/err.h>
#include <kukeon/msg.h>
#include <kukeon/schema.h>

#include "containerd.pb-c.h"

struct kk_buf;
struct kk_dispatch;
struct kk_loop;
struct kk_worker;

#define CT_SNAPSHOTTER "overlayfs"

/* What goes with every call: never ambient state. */
struct ct_ctx {
	const char *namespace; /* NULL only for Version, Namespaces and Subscribe */
	const char *lease;     /* or NULL */
	int64_t deadline_ms;   /* on kk_clock_ms */
};

/* client.c: the channel.
 * Failures: KK_E_CONTAINERD_DOWN, KK_E_TIMEOUT, KK_E_CONTAINERD; the status NOT_FOUND alone becomes
 * KK_E_CONTAINER_NOT_FOUND and ALREADY_EXISTS KK_E_CONTAINER_EXISTS, for the caller to recode. */
int ct_client_open(const char *socket_path, struct kk_err *err);
const char *ct_client_address(void); /* the path that was opened */
enum { CT_NOFILE_MAX = 1024 * 1024 };
/* How many descriptors a container may have: CT_NOFILE_MAX, or what containerd has, if that is less, as its shims start the
 * containers, which can't raise their own. Waits for a containerd that is away; fails with KK_E_CONTAINERD_DOWN. */
int ct_client_nofile(const struct ct_ctx *ctx, int *ret_limit, struct kk_err *err);

/* One request, one reply. The reply is freed with ct_message_free. @ret_rep may be NULL. */
int ct_unary(const struct ct_ctx *ctx, const char *method, const ProtobufCMessage *req,
	const ProtobufCMessageDescriptor *rep_type, void *ret_rep, struct kk_err *err);

/* Methods are named behind this, as in "tasks.v1.Tasks/Get". */
#define CT_SERVICE "/containerd.services."

/* Streams, of any of the two directions. */
struct ct_stream;
int ct_stream_open(const struct ct_ctx *ctx, const char *method, struct ct_stream **ret_stream,
	struct kk_err *err);
int ct_stream_send(struct ct_stream *stream, const ProtobufCMessage *message, bool is_last,
	struct kk_err *err);
/* 1 with a message, 0 at the end (status OK), negative with the status as error. Within @limit_ms: 1 and
 * NULL where nothing came yet; CT_NO_LIMIT leaves it to the deadline of the call. */
enum { CT_NO_LIMIT = -1 };
int ct_stream_recv(struct ct_stream *stream, const ProtobufCMessageDescriptor *type,
	int64_t limit_ms, void *ret_message, struct kk_err *err);

/* Send @req and hand each message of the answer to @take, which returns 0, or negative with @err set. When
 * containerd goes away amid it, all is asked again until the deadline, behind a call of @restart. */
struct ct_reader {
	const char *method;
	const ProtobufCMessage *req;
	const ProtobufCMessageDescriptor *type;
	void (*restart)(void *arg);
	int (*take)(const void *message, void *arg, struct kk_err *err);
	void *arg;
};
int ct_stream_read(const struct ct_ctx *ctx, const struct ct_reader *reader, struct kk_err *err);

/* Wait before containerd is asked again; false when that would be behind the deadline. */
bool ct_retry_pause(const struct ct_ctx *ctx);
void ct_stream_free(struct ct_stream *stream);
KK_DEFINE_FREEP(struct ct_stream, ct_stream_free)

void ct_message_free(void *message); /* of any type; NULL is fine */
static inline void ct_message_freep(void *p)
{
	ct_message_free(*(void **)p);
}
#define ct_auto_message kk_auto(ct_message_freep)

/* namespace.c */
int ct_namespace_ensure(const struct ct_ctx *ctx, bool *ret_created, struct kk_err *err);
int ct_namespace_exists(const struct ct_ctx *ctx, bool *ret_exists, struct kk_err *err);
int ct_namespace_list(const struct ct_ctx *ctx, const char *suffix, struct kk_strs *ret_names,
	struct kk_err *err);
int ct_layer_list(const struct ct_ctx *ctx, struct kk_strs *ret_keys,
	struct kk_err *err); /* writable ones,
	* but for those that were made just now */
int ct_storage_get(const struct ct_ctx *ctx, struct kk_rep_storage_get *rep, struct kk_err *err);
int ct_namespace_remove(const struct ct_ctx *ctx, bool *ret_removed, struct kk_err *err);

/* lease.c: what keeps content and snapshots that have no other reason to be. */
int ct_lease_count(const struct ct_ctx *ctx, uint64_t *ret_n, struct kk_err *err);
int ct_lease_remove_all(const struct ct_ctx *ctx, struct kk_err *err);
/* Those stay that keep the layer of a container, or say when they end: somebody is at work. */
int ct_lease_prune(const struct ct_ctx *ctx, uint64_t *ret_released, uint64_t *ret_retained,
	struct kk_err *err);

/* secret.c */
void ct_secret_open(const char *runtime_dir); /* kept */
/* "NAME=value", owned by the caller. Fails with KK_E_IO, KK_E_INVALID, KK_E_TOO_BIG. */
int ct_secret_env(const struct kk_container_secret *secret, char **ret_entry, struct kk_err *err);
/* Its value in a file of this container, below a directory that is root's alone. */
int ct_secret_stage(const char *namespace, const char *id, const struct kk_container_secret *secret,
	char **ret_path, struct kk_err *err);
int ct_secret_remove(const char *namespace, const char *id, struct kk_err *err);

/* content.c */
enum { CT_BLOB_MAX = 8 * 1024 * 1024 }; /* bytes of a manifest or configuration */

struct ct_writer;
/* @expected is the digest, or NULL where it is not known yet. Returns 1 when the blob is there
 * already (no writer then), 0 with a writer. */
int ct_writer_open(const struct ct_ctx *ctx, const char *ref, const char *expected, int64_t size,
	struct ct_writer **ret_writer, struct kk_err *err);
int ct_writer_write(struct ct_writer *writer, const void *data, size_t len, struct kk_err *err);
int ct_writer_commit(struct ct_writer *writer, char **ret_digest, struct kk_err *err);
void ct_writer_free(struct ct_writer *writer); /* what was not committed is thrown away */
KK_DEFINE_FREEP(struct ct_writer, ct_writer_free)

int ct_blob_read(const struct ct_ctx *ctx, const char *digest, struct kk_buf *buf,
	struct kk_err *err);
int ct_blob_json(const struct ct_ctx *ctx, const char *digest, json_t **ret_json,
	struct kk_err *err);
int ct_blob_exists(const struct ct_ctx *ctx, const char *digest, bool *ret_exists,
	struct kk_err *err);
int ct_blob_write(const struct ct_ctx *ctx, const void *data, size_t len, char **ret_digest,
	struct kk_err *err);
int ct_blob_label(const struct ct_ctx *ctx, const char *digest, const struct kk_map *labels,
	struct kk_err *err);
/* "sha256:…" of a piece of memory; the caller frees it. */
char *ct_digest_of(const void *data, size_t len);

/* image.c */

/* `busybox` is docker.io/library/busybox:latest. The caller frees it; NULL with @err for no reference. */
char *ct_ref_normalize(const char *ref, struct kk_err *err);

/* An image as containers need it. */
struct ct_image {
	char *name;
	char *digest;   /* of its manifest or index */
	json_t *config; /* the "config" object of the image configuration */
};
void ct_image_release(struct ct_image *image);
/* Fails with KK_E_IMAGE_NOT_FOUND. */
int ct_image_get(const struct ct_ctx *ctx, const char *ref, struct ct_image *ret_image,
	struct kk_err *err);
/* Unpack its layers unless they are. @ret_chain: the snapshot of all of them, "" for an image without layers; the
 * caller frees it. Fails with KK_E_IMAGE_NOT_FOUND. */
int ct_image_unpack(const struct ct_ctx *ctx, const char *ref, char **ret_chain,
	struct kk_err *err);
int ct_image_list(const struct ct_ctx *ctx, struct kk_list *images, struct kk_err *err);
int ct_image_remove(const struct ct_ctx *ctx, const char *ref, char **ret_name, struct kk_err *err);
/* Give a name to a manifest or index that is in the store with all it refers to, and unpack it. */
int ct_image_register(const struct ct_ctx *ctx, const char *name, const char *media_type,
	const char *digest, int64_t size, struct kk_err *err);

/* archive.c: an OCI layout or `docker save` tar, streamed into the content store. */
int ct_archive_load(const struct ct_ctx *ctx, const char *path, struct kk_strs *ret_names,
	struct kk_err *err);

/* spec.c */
struct ct_mounts {
	Ct__Mount **items;
	size_t n;
};
/* Ask which capabilities this host has: in a container, fewer than its kernel knows, and nobody in it gets more. */
void ct_spec_open(void);
/* The OCI runtime specification as JSON text, with @nofile as the limit of descriptors; the caller frees it. */
char *ct_spec_build(const struct kk_req_container_create *req, const struct ct_image *image,
	const struct ct_mounts *rootfs, int nofile, struct kk_err *err);

/* seccomp.c: the default profile for a process with these capabilities; a new reference. */
json_t *ct_seccomp_default(const struct kk_strs *capabilities);

/* user.c: what the container's own /etc/passwd and /etc/group say. */
struct ct_user {
	uint32_t uid;
	uint32_t gid;
	uint32_t groups[64];
	size_t n_groups;
	char home[256];
};
/* @text is `user[:group]`, by name or number; "" is root. Fails with KK_E_INVALID. */
int ct_user_resolve(const char *text, const struct ct_mounts *rootfs, struct ct_user *ret_user,
	struct kk_err *err);

/* container.c: the handlers' work. */
/* Unpack the image and make the layer of one that is not there; of one that is, clear away a task that has ended. */
int ct_container_prepare(const struct ct_ctx *ctx, const char *id, const char *image,
	struct kk_err *err);
int ct_container_create(const struct ct_ctx *ctx, const struct kk_req_container_create *req,
	struct kk_rep_container_create *rep, struct kk_err *err);
int ct_container_start(const struct ct_ctx *ctx, const char *id, bool is_kept, uint64_t *ret_pid,
	struct kk_err *err);
int ct_container_stop(const struct ct_ctx *ctx, const char *id, int64_t grace_ms,
	struct kk_rep_container_stop *rep, struct kk_err *err);
int ct_container_remove(const struct ct_ctx *ctx, const char *id, bool *ret_was_present,
	struct kk_err *err);
/* Containers with all of these @labels, whose values hold no quotes, sorted by id. @is_records_only: without a look at
 * their tasks. containerd reads every record of the namespace for it. */
int ct_container_list(const struct ct_ctx *ctx, const struct kk_map *labels, bool is_records_only,
	struct kk_list *containers, struct kk_err *err);
/* Those of these that there are, sorted by id. */
int ct_container_list_known(const struct ct_ctx *ctx, const struct kk_strs *ids,
	struct kk_list *containers, struct kk_err *err);
int64_t ct_time(const Ct__Timestamp *timestamp);
/* 1 with its record, 0 where there is none. One that is not ours is an error. */
int ct_container_record(const struct ct_ctx *ctx, const char *id,
	Ct__ContainerGetResponse **ret_found, struct kk_err *err);
/* How its writable layer is mounted. */
int ct_container_mounts(const struct ct_ctx *ctx, const char *id,
	Ct__SnapshotMountsResponse **ret_mounts, struct kk_err *err);
/* The same, with no more than @limit_ms from now. */
struct ct_ctx ct_ctx_limit(const struct ct_ctx *ctx, int64_t limit_ms);

/* exec.c: further processes in a container. What has ended meanwhile is no error. */
int ct_exec_start(const struct ct_ctx *ctx, const struct kk_req_exec_start *req,
	struct kk_err *err);
int ct_exec_wait(const struct ct_ctx *ctx, const struct kk_req_exec_wait *req,
	struct kk_rep_exec_wait *rep, struct kk_err *err);
int ct_exec_signal(const struct ct_ctx *ctx, const char *id, const char *exec_id, int64_t signo,
	struct kk_err *err);
int ct_exec_resize(const struct ct_ctx *ctx, const struct kk_req_exec_resize *resize,
	struct kk_err *err);
int ct_exec_close(const struct ct_ctx *ctx, const char *id, const char *exec_id,
	struct kk_err *err);
int ct_exec_remove(const struct ct_ctx *ctx, const char *id, const char *exec_id,
	struct kk_err *err);

/* kuketty.c */
const char *ct_kuketty_data(size_t *ret_len);

/* stdio.c */

/* What the task of a container is made with. */
struct ct_stdio {
	char *output; /* its standard output and error */
	char *input;  /* NULL: none, and no terminal */
};

void ct_stdio_open(const struct kk_req_worker_start *config);
/* Make what must be there for it. Safe to repeat, also while the container runs. */
int ct_stdio_prepare(const struct kk_req_container_create *req, struct ct_stdio *ret_stdio,
	struct kk_err *err);
void ct_stdio_release(struct ct_stdio *stdio);

/* shim.c. Is there a shim of this id, or a program that starts one or clears up behind it? */
bool ct_shim_exists(const char *namespace, const char *id);
/* Kill it, and wait until containerd has cleared up; false when it has a container to look after. For an id
 * that has no task in containerd, nor does any that would share its shim. */
bool ct_shim_clear(const char *namespace, const char *id, int64_t deadline_ms);
/* Remove the directory of a task that containerd does not know, nor can remove. */
void ct_shim_bundle_clear(const char *path);
/* A shim is as dear as containerd, from which it has its OOM score: our workers go in between. */
void ct_shim_yield(long task_pid);

/* event.c: follow exits in a thread of its own; reports to the reconciler from the loop. */
int ct_events_start(struct kk_worker *worker, struct kk_err *err);

/* pool.c: threads that run handlers. */
int ct_pool_start(struct kk_worker *worker, struct kk_err *err);
/* One operation at a time on one container, first come, first served: what a reconciler that died has asked
 * for is done before what the next one asks for. */
void ct_container_lock(const char *namespace, const char *id);
void ct_container_unlock(const char *namespace, const char *id);

#endif
