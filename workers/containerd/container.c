/* workers/containerd/container.c - records, snapshots and tasks. Whatever a crash left half done is
 * adopted here, found by its id and our labels, and never met with "already exists". */
#include "ct.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <kukeon/buf.h>
#include <kukeon/clock.h>
#include <kukeon/fault.h>
#include <kukeon/fd.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>

#define RUNTIME "io.containerd.runc.v2"
#define SPEC_TYPE "types.containerd.io/opencontainers/runtime-spec/1/Spec"
#define LABEL_CELL "kukeon.io/cell"
#define LABEL_STACK "kukeon.io/stack"
#define LABEL_SPACE "kukeon.io/space"
#define LABEL_STOP_SIGNAL "kukeon.io/stop-signal"
#define LABEL_KEPT "containerd.io/restart.status" /* containerd's own monitor starts it again */
#define LABEL_LOG "containerd.io/restart.loguri"  /* with this for its outputs */

enum {
	KILL_WAIT_MS = 10000, /* after SIGKILL a task must be gone */
	RETRY_MS = 200,       /* between looks whether a former try is over */
	CLEANUP_TRIES = 4,    /* where containerd may be clearing up behind a caller that died */
	RETRY_LIMIT_MS = 15000,
	SETTLE_TRIES = 30, /* three seconds */
	STUCK_TRIES = 6,
	LOOK_MS = 3000,  /* for what takes one */
	MAKE_MS = 20000, /* for the making of a task, which takes 50 */
};

int64_t ct_time(const Ct__Timestamp *timestamp)
{
	/* Go's zero time lies before what nanoseconds can hold. */
	if (!timestamp || timestamp->seconds < -9000000000LL)
		return KK_TIME_ZERO;
	return timestamp->seconds * 1000000000LL + timestamp->nanos;
}

static const char *label_get(const Ct__Container *container, const char *key)
{
	for (size_t i = 0; i < container->n_labels; i++) {
		if (strcmp(container->labels[i]->key, key) == 0)
			return container->labels[i]->value;
	}
	return NULL;
}

struct ct_ctx ct_ctx_limit(const struct ct_ctx *ctx, int64_t limit_ms)
{
	struct ct_ctx limited = *ctx;

	if (kk_clock_ms() + limit_ms < limited.deadline_ms)
		limited.deadline_ms = kk_clock_ms() + limit_ms;
	return limited;
}

/* 1 when the record is there, 0 when not. */
int ct_container_record(const struct ct_ctx *ctx, const char *id,
	Ct__ContainerGetResponse **ret_found, struct kk_err *err)
{
	Ct__ContainerGetRequest req = CT__CONTAINER_GET_REQUEST__INIT;
	struct kk_err cause = {0};
	int r;

	req.id = (char *)id;
	r = ct_unary(ctx, "containers.v1.Containers/Get", &req.base,
		&ct__container_get_response__descriptor, ret_found, &cause);
	if (r == KK_E_CONTAINER_NOT_FOUND)
		return 0;
	if (r < 0) {
		*err = cause;
		return r;
	}
	if (!label_get((*ret_found)->container, LABEL_CELL))
		return kk_fail(err, KK_E_CONTAINER_EXISTS,
			"container already exists: '%s' in "
			"namespace '%s' is not ours",
			id, ctx->namespace);
	return 1;
}

/* 1 with the task, 0 when there is none. */
static int task_get(const struct ct_ctx *ctx, const char *id, Ct__TaskGetResponse **ret_task,
	struct kk_err *err)
{
	Ct__TaskGetRequest req = CT__TASK_GET_REQUEST__INIT;
	struct kk_err cause = {0};
	int r;

	req.container_id = (char *)id;
	r = ct_unary(ctx, "tasks.v1.Tasks/Get", &req.base, &ct__task_get_response__descriptor,
		ret_task, &cause);
	if (r == KK_E_CONTAINER_NOT_FOUND)
		return 0;
	if (r < 0) {
		*err = cause;
		return r;
	}
	return (*ret_task)->process ? 1 : 0;
}

/* containerd's filter for all of these labels; the caller frees it. */
static char *filter_make(const struct kk_map *labels)
{
	struct kk_buf filter = {0};

	for (size_t i = 0; i < labels->n; i++)
		kk_buf_printf(&filter, "%slabels.\"%s\"==\"%s\"", i ? "," : "",
			labels->items[i].key, labels->items[i].value);
	return kk_buf_take(&filter);
}

static int records_list(const struct ct_ctx *ctx, const struct kk_map *labels,
	Ct__ContainerListResponse **ret_found, struct kk_err *err)
{
	Ct__ContainerListRequest req = CT__CONTAINER_LIST_REQUEST__INIT;
	kk_auto_free char *filter = filter_make(labels);

	req.n_filters = labels->n ? 1 : 0;
	req.filters = &filter;
	return ct_unary(ctx, "containers.v1.Containers/List", &req.base,
		&ct__container_list_response__descriptor, ret_found, err);
}

/* Does a task of its cell live, whose shim would be the same? */
static bool has_neighbour(const struct ct_ctx *ctx, const Ct__Container *container)
{
	static const char *const keys[] = {LABEL_CELL, LABEL_STACK, LABEL_SPACE};
	const struct ct_ctx limited = ct_ctx_limit(ctx, LOOK_MS);
	kk_auto(kk_map_release) struct kk_map labels = {0};
	ct_auto_message Ct__ContainerListResponse *found = NULL;
	struct kk_err err = {0};

	for (size_t i = 0; i < KK_COUNT(keys); i++) {
		if (label_get(container, keys[i]))
			kk_map_set(&labels, keys[i], label_get(container, keys[i]));
	}
	if (records_list(&limited, &labels, &found, &err) < 0)
		return true;
	for (size_t i = 0; i < found->n_containers; i++) {
		ct_auto_message Ct__TaskGetResponse *task = NULL;

		if (strcmp(found->containers[i]->id, container->id) != 0 &&
			task_get(&limited, found->containers[i]->id, &task, &err) == 1)
			return true;
	}
	return false;
}

/* Was there a shim that only stands in the way? For a container that has no task, or one that does not
 * answer. */
static bool shim_clear(const struct ct_ctx *ctx, const Ct__Container *container)
{
	return ct_shim_exists(ctx->namespace, container->id) && !has_neighbour(ctx, container) &&
		ct_shim_clear(ctx->namespace, container->id, ctx->deadline_ms);
}

/* As task_get, and a shim that does not answer for it and is of no use is cleared away. */
static int task_look(const struct ct_ctx *ctx, const Ct__Container *container,
	Ct__TaskGetResponse **ret_task, struct kk_err *err)
{
	const struct ct_ctx limited = ct_ctx_limit(ctx, LOOK_MS);
	struct kk_err cause = {0};
	int r = task_get(&limited, container->id, ret_task, &cause);

	if (r == KK_E_TIMEOUT) {
		shim_clear(ctx, container);
		return task_get(ctx, container->id, ret_task, err);
	}
	if (r < 0)
		*err = cause;
	return r;
}

/* Its shim has gone away, and containerd is about to find out. */
static bool is_closing(int r, const struct kk_err *err)
{
	return r == KK_E_CONTAINERD && strstr(err->frames[0].text, "ttrpc: closed");
}

static int task_delete(const struct ct_ctx *ctx, const char *id, struct kk_err *err)
{
	Ct__TaskDeleteRequest req = CT__TASK_DELETE_REQUEST__INIT;
	struct kk_err cause = {0};
	int n_tries = 0, r;

	req.container_id = (char *)id;
	do {
		kk_err_clear(&cause);
		r = ct_unary(ctx, "tasks.v1.Tasks/Delete", &req.base,
			&ct__task_delete_response__descriptor, NULL, &cause);
	} while (is_closing(r, &cause) && ++n_tries < SETTLE_TRIES && ct_retry_pause(ctx));
	if (r < 0 && r != KK_E_CONTAINER_NOT_FOUND) {
		*err = cause;
		return kk_wrap(err, "delete the task of '%s'", id);
	}
	return 0;
}

static int task_kill(const struct ct_ctx *ctx, const char *id, int signo, bool all,
	struct kk_err *err)
{
	Ct__TaskKillRequest req = CT__TASK_KILL_REQUEST__INIT;
	struct kk_err cause = {0};
	int r;

	req.container_id = (char *)id;
	req.signal = (uint32_t)signo;
	req.all = all;
	r = ct_unary(ctx, "tasks.v1.Tasks/Kill", &req.base, &ct__empty__descriptor, NULL, &cause);
	/* "process already finished" comes as NOT_FOUND. */
	if (r < 0 && r != KK_E_CONTAINER_NOT_FOUND) {
		*err = cause;
		return kk_wrap(err, "signal '%s'", id);
	}
	return 0;
}

/* 1 when the task ended within @limit_ms, 0 when not. */
static int task_wait(const struct ct_ctx *ctx, const char *id, int64_t limit_ms,
	Ct__TaskWaitResponse **ret_exit, struct kk_err *err)
{
	Ct__TaskWaitRequest req = CT__TASK_WAIT_REQUEST__INIT;
	const struct ct_ctx limited = ct_ctx_limit(ctx, limit_ms);
	struct kk_err cause = {0};
	int r;

	req.container_id = (char *)id;
	r = ct_unary(&limited, "tasks.v1.Tasks/Wait", &req.base,
		&ct__task_wait_response__descriptor, ret_exit, &cause);
	if (r == 0)
		return 1;
	if (r == KK_E_TIMEOUT)
		return 0;
	if (r == KK_E_CONTAINER_NOT_FOUND)
		return 1;
	*err = cause;
	return r;
}

int ct_container_mounts(const struct ct_ctx *ctx, const char *id,
	Ct__SnapshotMountsResponse **ret_mounts, struct kk_err *err)
{
	Ct__SnapshotMountsRequest req = CT__SNAPSHOT_MOUNTS_REQUEST__INIT;

	req.snapshotter = (char *)CT_SNAPSHOTTER;
	req.key = (char *)id;
	return ct_unary(ctx, "snapshots.v1.Snapshots/Mounts", &req.base,
		&ct__snapshot_mounts_response__descriptor, ret_mounts, err);
}

/* The writable layer. It is a root for the garbage collector by itself, so no record has to exist
 * before it; container_remove takes it away by its key. */
static int snapshot_ensure(const struct ct_ctx *ctx, const char *key, const char *image,
	struct kk_err *err)
{
	Ct__SnapshotPrepareRequest req = CT__SNAPSHOT_PREPARE_REQUEST__INIT;
	Ct__Label label = CT__LABEL__INIT, *labels[] = {&label};
	kk_auto_free char *parent = NULL;
	char now[KK_TIME_TEXT];
	struct kk_err cause = {0};
	int r = ct_image_unpack(ctx, image, &parent, err);

	if (r < 0)
		return r;
	kk_time_format(kk_time_now(), now);
	label.key = (char *)"containerd.io/gc.root";
	label.value = now;
	req.snapshotter = (char *)CT_SNAPSHOTTER;
	req.key = (char *)key;
	req.parent = parent;
	req.n_labels = 1;
	req.labels = labels;
	r = ct_unary(ctx, "snapshots.v1.Snapshots/Prepare", &req.base,
		&ct__snapshot_prepare_response__descriptor, NULL, &cause);
	if (r < 0 && r != KK_E_CONTAINER_EXISTS) {
		*err = cause;
		return kk_wrap(err, "prepare the root file system of '%s'", key);
	}
	return 0;
}

/* Most are there: prepared just now, or since the container was first made. */
static int rootfs_get(const struct ct_ctx *ctx, const char *key, const char *image,
	Ct__SnapshotMountsResponse **ret_mounts, struct kk_err *err)
{
	struct kk_err cause = {0};
	int r = ct_container_mounts(ctx, key, ret_mounts, &cause);

	if (r == KK_E_CONTAINER_NOT_FOUND)
		return snapshot_ensure(ctx, key, image, err) < 0 ?
			kk_failed(err) :
			ct_container_mounts(ctx, key, ret_mounts, err);
	if (r < 0)
		*err = cause;
	return r;
}

static int snapshot_remove(const struct ct_ctx *ctx, const char *key, bool *was_present,
	struct kk_err *err)
{
	Ct__SnapshotRemoveRequest req = CT__SNAPSHOT_REMOVE_REQUEST__INIT;
	struct kk_err cause = {0};
	int r;

	req.snapshotter = (char *)CT_SNAPSHOTTER;
	req.key = (char *)key;
	r = ct_unary(ctx, "snapshots.v1.Snapshots/Remove", &req.base, &ct__empty__descriptor, NULL,
		&cause);
	if (r == 0)
		*was_present = true;
	if (r < 0 && r != KK_E_CONTAINER_NOT_FOUND) {
		*err = cause;
		return kk_wrap(err, "remove the root file system of '%s'", key);
	}
	return 0;
}

static const char *stop_signal_of(const struct ct_image *image)
{
	const char *name = json_string_value(json_object_get(image->config, "StopSignal"));

	return kk_str_empty(name) ? "SIGTERM" : name;
}

/* A message that borrows all it points to. */
struct record {
	Ct__Container container;
	Ct__ContainerRuntime runtime;
	Ct__Any spec;
	Ct__Label *items;
	Ct__Label **labels;
};

static void record_release(struct record *record)
{
	free(record->items);
	free(record->labels);
}

static void record_fill(struct record *record, const struct kk_req_container_create *req,
	const struct ct_image *image, const struct kk_map *labels, char *spec)
{
	record->container = (Ct__Container)CT__CONTAINER__INIT;
	record->runtime = (Ct__ContainerRuntime)CT__CONTAINER_RUNTIME__INIT;
	record->spec = (Ct__Any)CT__ANY__INIT;
	record->items = kk_xalloc(labels->n * sizeof record->items[0]);
	record->labels = kk_xalloc(labels->n * sizeof(Ct__Label *));
	for (size_t i = 0; i < labels->n; i++) {
		record->items[i] = (Ct__Label)CT__LABEL__INIT;
		record->items[i].key = labels->items[i].key;
		record->items[i].value = labels->items[i].value;
		record->labels[i] = &record->items[i];
	}
	record->runtime.name = (char *)RUNTIME;
	record->spec.type_url = (char *)SPEC_TYPE;
	record->spec.value = (ProtobufCBinaryData){.len = strlen(spec), .data = (uint8_t *)spec};
	record->container.id = req->id;
	record->container.image = image->name;
	record->container.n_labels = labels->n;
	record->container.labels = record->labels;
	record->container.runtime = &record->runtime;
	record->container.spec = &record->spec;
	record->container.snapshotter = (char *)CT_SNAPSHOTTER;
	record->container.snapshot_key = req->id;
}

/* Create the record, or bring one that is there up to date. */
static int record_put(const struct ct_ctx *ctx, const struct record *record, struct kk_err *err)
{
	Ct__ContainerCreateRequest create = CT__CONTAINER_CREATE_REQUEST__INIT;
	Ct__ContainerUpdateRequest update = CT__CONTAINER_UPDATE_REQUEST__INIT;
	Ct__FieldMask mask = CT__FIELD_MASK__INIT;
	char *paths[] = {(char *)"spec", (char *)"labels", (char *)"image"};
	struct kk_err cause = {0};
	int r;

	create.container = (Ct__Container *)&record->container;
	r = ct_unary(ctx, "containers.v1.Containers/Create", &create.base,
		&ct__container_create_response__descriptor, NULL, &cause);
	if (r == KK_E_CONTAINER_EXISTS) {
		mask.n_paths = KK_COUNT(paths);
		mask.paths = paths;
		update.container = (Ct__Container *)&record->container;
		update.update_mask = &mask;
		return ct_unary(ctx, "containers.v1.Containers/Update", &update.base,
			&ct__container_update_response__descriptor, NULL, err);
	}
	if (r < 0)
		*err = cause;
	return r;
}

/* A containerd that was killed amid a create needs half a second to clear its own traces away. Returns the
 * directory that is in the way, which the caller frees; NULL: it is something else. */
static char *settling(int r, const struct kk_err *err)
{
	static const char before[] = "failed to start shim: mkdir ", behind[] = ": file exists";
	const char *text = err->frames[0].text, *path = strstr(text, before);

	if (r != KK_E_CONTAINERD || !path || !kk_str_ends(text, behind))
		return NULL;
	path += sizeof before - 1;
	return kk_xstrndup(path, strlen(path) - (sizeof behind - 1));
}

/* containerd, clearing up behind an earlier try of somebody who died, took the directory of this one: its shim
 * misses a file there, or could not even be started there. */
static bool is_swept(const char *id, int r, const struct kk_err *err)
{
	kk_auto_free char *bundle = kk_xprintf("/%s/", id);
	const char *text = err->frames[0].text;

	return (r == KK_E_CONTAINERD || r == KK_E_CONTAINER_NOT_FOUND) &&
		strstr(text, "no such file or directory") &&
		(strstr(text, bundle) || strstr(text, "fork/exec "));
}

/* Is it worth trying again, and is what can be done for it done? */
static bool task_retry(const struct ct_ctx *ctx, const Ct__Container *container, int r,
	const struct kk_err *err, int n_tries)
{
	kk_auto_free char *bundle = settling(r, err);

	/* It has had its time. */
	if (bundle && n_tries == STUCK_TRIES && kk_str_ends(bundle, container->id) &&
		!ct_shim_exists(ctx->namespace, container->id))
		ct_shim_bundle_clear(bundle);
	return r == KK_E_CONTAINER_EXISTS || bundle || is_swept(container->id, r, err) ||
		(r == KK_E_TIMEOUT && shim_clear(ctx, container));
}

static int task_create(const struct ct_ctx *ctx, const struct kk_req_container_create *req,
	const Ct__Container *container, const Ct__SnapshotMountsResponse *rootfs,
	const struct ct_stdio *stdio, uint64_t *ret_pid, struct kk_err *err)
{
	Ct__TaskCreateRequest create = CT__TASK_CREATE_REQUEST__INIT;
	ct_auto_message Ct__TaskCreateResponse *created = NULL;
	struct kk_err cause = {0};
	int n_tries = 0, r;

	create.container_id = req->id;
	create.n_rootfs = rootfs->n_mounts;
	create.rootfs = rootfs->mounts;
	create.stdout = stdio->output;
	create.terminal = req->spec.attachable;
	/* A terminal has one output. */
	if (create.terminal)
		create.stdin = stdio->input;
	else
		create.stderr = stdio->output;
	do {
		const struct ct_ctx limited = ct_ctx_limit(ctx, MAKE_MS);

		kk_err_clear(&cause);
		r = ct_unary(&limited, "tasks.v1.Tasks/Create", &create.base,
			&ct__task_create_response__descriptor, &created, &cause);
		/* It is about the task: a shim whose containerd died while it made one is there, but no
		 * task. */
		if (r == KK_E_CONTAINER_EXISTS && task_delete(ctx, req->id, err) < 0)
			return kk_failed(err);
	} while (r < 0 && ++n_tries < SETTLE_TRIES &&
		task_retry(ctx, container, r, &cause, n_tries) && ct_retry_pause(ctx));
	if (r < 0) {
		*err = cause;
		if (r == KK_E_CONTAINER_EXISTS)
			kk_recode(err, KK_E_CONTAINERD);
		return kk_wrap(err, "create the task of container \"%s\"", kk_str(req->spec.id));
	}
	*ret_pid = created->pid;
	ct_shim_yield((long)created->pid);
	return 0;
}

/* Is there a task that can be used as it is? 1: yes. A task that ended is cleared away. */
static int task_adopt(const struct ct_ctx *ctx, const Ct__Container *container,
	struct kk_rep_container_create *rep, struct kk_err *err)
{
	ct_auto_message Ct__TaskGetResponse *task = NULL;
	const char *id = container->id;
	int r = task_look(ctx, container, &task, err);

	if (r == 0 && shim_clear(ctx, container))
		return kk_fail(err, KK_E_CONTAINERD, "a lost shim of '%s' was in the way", id);
	if (r <= 0)
		return r;
	switch (task->process->status) {
	case CT__PROCESS__STATUS__RUNNING:
	case CT__PROCESS__STATUS__PAUSED:
	case CT__PROCESS__STATUS__PAUSING:
		rep->is_running = true;
		rep->pid = task->process->pid;
		return 1;
	case CT__PROCESS__STATUS__STOPPED:
		return task_delete(ctx, id, err);
	case CT__PROCESS__STATUS__CREATED:
		/* Its specification may be an older one. */
		r = task_kill(ctx, id, SIGKILL, true, err);
		return r < 0 ? r : task_delete(ctx, id, err);
	default:
		return kk_fail(err, KK_E_CONTAINERD, "the state of '%s' can't be told", id);
	}
}

/* @former: image that a record of before is of, or NULL. Should the change to this one not have come to its end, its layer
 * is still that one's. */
static int container_make(const struct ct_ctx *ctx, const struct kk_req_container_create *req,
	const char *former, struct kk_rep_container_create *rep, struct kk_err *err)
{
	kk_auto(ct_image_release) struct ct_image image = {0};
	kk_auto(record_release) struct record record = {0};
	kk_auto(ct_stdio_release) struct ct_stdio stdio = {0};
	kk_auto(kk_map_release) struct kk_map labels = {0};
	kk_auto_free char *spec = NULL;
	ct_auto_message Ct__SnapshotMountsResponse *rootfs = NULL;
	struct ct_mounts mounts;
	bool was_present;
	int nofile;

	if (ct_image_get(ctx, kk_str(req->spec.image), &image, err) < 0 ||
		ct_stdio_prepare(req, &stdio, err) < 0 || ct_client_nofile(ctx, &nofile, err) < 0 ||
		(former && *former && strcmp(former, image.name) != 0 &&
			snapshot_remove(ctx, req->id, &was_present, err) < 0) ||
		rootfs_get(ctx, req->id, kk_str(req->spec.image), &rootfs, err) < 0 ||
		kk_fault(KK_FAULT_containerd_snapshot_made, err) < 0)
		return kk_failed(err);
	mounts = (struct ct_mounts){rootfs->mounts, rootfs->n_mounts};
	spec = ct_spec_build(req, &image, &mounts, nofile, err);
	if (!spec)
		return kk_failed(err);
	for (size_t i = 0; i < req->labels.n; i++)
		kk_map_set(&labels, req->labels.items[i].key, req->labels.items[i].value);
	kk_map_set(&labels, LABEL_STOP_SIGNAL, stop_signal_of(&image));
	if (req->is_kept)
		kk_map_set(&labels, LABEL_LOG, stdio.output);
	record_fill(&record, req, &image, &labels, spec);
	if (record_put(ctx, &record, err) < 0 || kk_fault(KK_FAULT_containerd_record_made, err) < 0)
		return kk_wrap(err, "create container \"%s\"", kk_str(req->spec.id));
	return task_create(ctx, req, &record.container, rootfs, &stdio, &rep->pid, err);
}

/* A create whose caller died goes on in containerd for a while, or is being cleaned up there: until
 * then a new one meets its traces. */
static bool meets_former_try(const struct kk_err *err)
{
	static const char *const traces[] = {"file exists", "already exists", "ttrpc: closed",
		"context canceled", "device or resource busy", "getwd: no such file",
		"config.json: no such file"};
	char text[KK_ERR_TEXT * 2];

	kk_err_format(err, text, sizeof text);
	for (size_t i = 0; i < KK_COUNT(traces); i++) {
		if (strstr(text, traces[i]))
			return true;
	}
	return false;
}

static int create_once(const struct ct_ctx *ctx, const struct kk_req_container_create *req,
	struct kk_rep_container_create *rep, struct kk_err *err)
{
	ct_auto_message Ct__ContainerGetResponse *found = NULL;
	const char *former = NULL;
	int r = ct_container_record(ctx, req->id, &found, err);

	if (r < 0)
		return r;
	rep->is_created |= r == 0;
	if (r == 1) {
		r = task_adopt(ctx, found->container, rep, err);
		if (r != 0)
			return r;
		former = found->container->image;
	}
	return container_make(ctx, req, former, rep, err);
}

/* What is left of a task that has ended: of all that a new one waits for, this takes longest. */
static int ended_clear(const struct ct_ctx *ctx, const char *id, struct kk_err *err)
{
	ct_auto_message Ct__TaskGetResponse *task = NULL;
	const struct ct_ctx limited = ct_ctx_limit(ctx, LOOK_MS);
	struct kk_err ignored = {0};

	if (task_get(&limited, id, &task, &ignored) != 1 ||
		task->process->status != CT__PROCESS__STATUS__STOPPED)
		return 0;
	return task_delete(ctx, id, err);
}

int ct_container_prepare(const struct ct_ctx *ctx, const char *id, const char *image,
	struct kk_err *err)
{
	ct_auto_message Ct__ContainerGetResponse *found = NULL;
	int r;

	ct_container_lock(ctx->namespace, id);
	r = ct_container_record(ctx, id, &found, err);
	if (r == 0)
		r = snapshot_ensure(ctx, id, image, err);
	else if (r == 1)
		r = ended_clear(ctx, id, err);
	ct_container_unlock(ctx->namespace, id);
	return r;
}

int ct_container_create(const struct ct_ctx *ctx, const struct kk_req_container_create *req,
	struct kk_rep_container_create *rep, struct kk_err *err)
{
	const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000L};
	int64_t end_ms = kk_clock_ms() + RETRY_LIMIT_MS;
	struct kk_err cause = {0};
	int r;

	ct_container_lock(ctx->namespace, req->id);
	for (int n = 1;; n++) {
		bool may_retry;

		r = create_once(ctx, req, rep, &cause);
		/* With a record of an earlier try, any failure may come of its clearing up, which no
		 * text tells for sure. */
		may_retry = meets_former_try(&cause) || (!rep->is_created && n < CLEANUP_TRIES);
		if (r >= 0 || cause.code == KK_E_CONTAINER_EXISTS || !may_retry ||
			kk_clock_ms() > end_ms)
			break;
		kk_debug("a former try is still in the way of '%s'", req->id);
		kk_err_clear(&cause);
		nanosleep(&pause, NULL);
	}
	ct_container_unlock(ctx->namespace, req->id);
	if (r < 0)
		*err = cause;
	return r < 0 ? r : 0;
}

/* Shall containerd itself start the container again? It kills what it finds half made, so not before it runs. */
static int kept_mark(const struct ct_ctx *ctx, const char *id, bool is_kept, struct kk_err *err)
{
	Ct__ContainerUpdateRequest update = CT__CONTAINER_UPDATE_REQUEST__INIT;
	Ct__Container container = CT__CONTAINER__INIT;
	Ct__Label label = CT__LABEL__INIT, *labels[] = {&label};
	Ct__FieldMask mask = CT__FIELD_MASK__INIT;
	char *paths[] = {(char *)"labels." LABEL_KEPT};

	label.key = (char *)LABEL_KEPT;
	/* Not "stopped": it would be killed, whatever time it was given to end. */
	label.value = (char *)(is_kept ? "running" : "");
	container.id = (char *)id;
	container.n_labels = KK_COUNT(labels);
	container.labels = labels;
	mask.n_paths = KK_COUNT(paths);
	mask.paths = paths;
	update.container = &container;
	update.update_mask = &mask;
	return ct_unary(ctx, "containers.v1.Containers/Update", &update.base,
		&ct__container_update_response__descriptor, NULL, err);
}

int ct_container_start(const struct ct_ctx *ctx, const char *id, bool is_kept, uint64_t *ret_pid,
	struct kk_err *err)
{
	Ct__TaskStartRequest req = CT__TASK_START_REQUEST__INIT;
	ct_auto_message Ct__TaskStartResponse *started = NULL;
	ct_auto_message Ct__TaskGetResponse *task = NULL;
	struct kk_err cause = {0};
	int r;

	ct_container_lock(ctx->namespace, id);
	req.container_id = (char *)id;
	r = ct_unary(ctx, "tasks.v1.Tasks/Start", &req.base, &ct__task_start_response__descriptor,
		&started, &cause);
	if (r == 0) {
		*ret_pid = started->pid;
	} else if (task_get(ctx, id, &task, err) == 1 &&
		task->process->status != CT__PROCESS__STATUS__CREATED) {
		/* A repetition: it was started before, and may even have ended since. */
		*ret_pid = task->process->pid;
		r = 0;
	} else {
		*err = cause;
		r = kk_wrap(err, "start container '%s'", id);
	}
	if (r == 0 && is_kept)
		r = kept_mark(ctx, id, true, err);
	ct_container_unlock(ctx->namespace, id);
	return r;
}

static int signal_parse(const char *name)
{
	static const struct {
		const char *name;
		int signo;
	} known[] = {{"TERM", SIGTERM}, {"QUIT", SIGQUIT}, {"INT", SIGINT}, {"HUP", SIGHUP},
		{"KILL", SIGKILL}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"WINCH", SIGWINCH},
		{"PWR", SIGPWR}};
	char *end;
	long number;

	if (strncmp(name, "SIG", 3) == 0)
		name += 3;
	for (size_t i = 0; i < KK_COUNT(known); i++) {
		if (strcmp(known[i].name, name) == 0)
			return known[i].signo;
	}
	if (strncmp(name, "RTMIN+", 6) == 0)
		return SIGRTMIN + (int)strtol(name + 6, NULL, 10);
	number = strtol(name, &end, 10);
	return end != name && !*end && number > 0 && number < 65 ? (int)number : SIGTERM;
}

/* Signal, wait, then make sure. Fills the exit of @rep. */
static int task_end(const struct ct_ctx *ctx, const char *id, int signo, int64_t grace_ms,
	struct kk_rep_container_stop *rep, struct kk_err *err)
{
	ct_auto_message Ct__TaskWaitResponse *exit = NULL;
	int r = 0;

	if (grace_ms > 0) {
		r = task_kill(ctx, id, signo, false, err);
		if (r == 0)
			r = task_wait(ctx, id, grace_ms, &exit, err);
	}
	if (r == 0) {
		r = task_kill(ctx, id, SIGKILL, true, err);
		if (r == 0)
			r = task_wait(ctx, id, KILL_WAIT_MS, &exit, err);
		if (r == 0)
			return kk_fail(err, KK_E_TIMEOUT,
				"container '%s' did not end within %d s of "
				"SIGKILL",
				id, KILL_WAIT_MS / 1000);
	}
	if (r < 0)
		return r;
	if (exit) {
		rep->has_exit = true;
		rep->exit_status = exit->exit_status;
		rep->exited_at = ct_time(exit->exited_at);
	}
	return 0;
}

static int container_halt(const struct ct_ctx *ctx, const char *id, int64_t grace_ms,
	struct kk_rep_container_stop *rep, struct kk_err *err)
{
	ct_auto_message Ct__ContainerGetResponse *found = NULL;
	ct_auto_message Ct__TaskGetResponse *task = NULL;
	const char *signal_name = NULL;
	int r = ct_container_record(ctx, id, &found, err);

	if (r <= 0)
		return r;
	signal_name = label_get(found->container, LABEL_STOP_SIGNAL);
	if (label_get(found->container, LABEL_KEPT) && kept_mark(ctx, id, false, err) < 0)
		return kk_failed(err);
	r = task_look(ctx, found->container, &task, err);
	if (r < 0)
		return r;
	/* A shim may be left of a task that containerd, or its caller, did not live to make. */
	if (r == 0) {
		shim_clear(ctx, found->container);
		return task_delete(ctx, id, err);
	}
	if (task->process->status == CT__PROCESS__STATUS__STOPPED) {
		rep->has_exit = true;
		rep->exit_status = task->process->exit_status;
		rep->exited_at = ct_time(task->process->exited_at);
	} else {
		rep->was_running = task->process->status != CT__PROCESS__STATUS__CREATED;
		r = task_end(ctx, id, signal_parse(signal_name ? signal_name : "SIGTERM"),
			rep->was_running ? grace_ms : 0, rep, err);
		if (r < 0)
			return r;
	}
	r = kk_fault(KK_FAULT_containerd_task_ended, err);
	return r < 0 ? r : task_delete(ctx, id, err);
}

int ct_container_stop(const struct ct_ctx *ctx, const char *id, int64_t grace_ms,
	struct kk_rep_container_stop *rep, struct kk_err *err)
{
	int r;

	ct_container_lock(ctx->namespace, id);
	r = container_halt(ctx, id, grace_ms, rep, err);
	ct_container_unlock(ctx->namespace, id);
	return r;
}

static int record_remove(const struct ct_ctx *ctx, const char *id, bool *was_present,
	struct kk_err *err)
{
	Ct__ContainerDeleteRequest req = CT__CONTAINER_DELETE_REQUEST__INIT;
	struct kk_err cause = {0};
	int r;

	req.id = (char *)id;
	r = ct_unary(ctx, "containers.v1.Containers/Delete", &req.base, &ct__empty__descriptor,
		NULL, &cause);
	if (r == 0)
		*was_present = true;
	if (r < 0 && r != KK_E_CONTAINER_NOT_FOUND) {
		*err = cause;
		return kk_wrap(err, "remove container '%s'", id);
	}
	return 0;
}

/* Most have a task that lives or ended well, and a shim that answers for it: they need no look. 0: it is gone. */
static int task_end_quickly(const struct ct_ctx *ctx, const char *id)
{
	const struct ct_ctx limited = ct_ctx_limit(ctx, LOOK_MS);
	ct_auto_message Ct__ContainerGetResponse *found = NULL;
	struct kk_rep_container_stop stop = {0};
	struct kk_err ignored = {0};

	if (ct_container_record(&limited, id, &found, &ignored) <= 0 ||
		label_get(found->container, LABEL_KEPT) ||
		task_end(&limited, id, SIGKILL, 0, &stop, &ignored) < 0 || !stop.has_exit ||
		kk_fault(KK_FAULT_containerd_task_ended, &ignored) < 0)
		return -1;
	return task_delete(&limited, id, &ignored);
}

int ct_container_remove(const struct ct_ctx *ctx, const char *id, bool *ret_was_present,
	struct kk_err *err)
{
	struct kk_rep_container_stop ignored = {0};
	int r;

	*ret_was_present = false;
	ct_container_lock(ctx->namespace, id);
	r = task_end_quickly(ctx, id);
	if (r < 0)
		r = container_halt(ctx, id, 0, &ignored, err);
	/* The record goes last: as long as it is there, a repetition finds the rest. */
	if (r == 0)
		r = kk_fault(KK_FAULT_containerd_task_gone, err);
	if (r == 0)
		r = snapshot_remove(ctx, id, ret_was_present, err);
	if (r == 0)
		r = kk_fault(KK_FAULT_containerd_snapshot_gone, err);
	if (r == 0)
		r = ct_secret_remove(ctx->namespace, id, err);
	if (r == 0)
		r = record_remove(ctx, id, ret_was_present, err);
	ct_container_unlock(ctx->namespace, id);
	return r;
}

static enum kk_container_state task_state(Ct__Process__Status status, uint32_t exit_status)
{
	switch (status) {
	case CT__PROCESS__STATUS__CREATED:
		return KK_CONTAINER_PENDING;
	case CT__PROCESS__STATUS__RUNNING:
		return KK_CONTAINER_READY;
	case CT__PROCESS__STATUS__STOPPED:
		return exit_status ? KK_CONTAINER_ERROR : KK_CONTAINER_EXITED;
	case CT__PROCESS__STATUS__PAUSED:
		return KK_CONTAINER_PAUSED;
	case CT__PROCESS__STATUS__PAUSING:
		return KK_CONTAINER_PAUSING;
	default:
		return KK_CONTAINER_UNKNOWN;
	}
}

static void info_fill(struct kk_task_info *info, const Ct__Container *container,
	const Ct__Process *process)
{
	info->id = kk_xstrdup(container->id);
	info->image = kk_xstrdup(container->image);
	info->state = KK_CONTAINER_STOPPED;
	for (size_t i = 0; i < container->n_labels; i++)
		kk_map_set(&info->labels, container->labels[i]->key, container->labels[i]->value);
	if (!process)
		return;
	info->has_task = true;
	info->state = (int)task_state(process->status, process->exit_status);
	info->pid = process->pid;
	info->exit_status = process->exit_status;
	info->exited_at = ct_time(process->exited_at);
}

static const Ct__Process *process_find(const Ct__TaskListResponse *tasks, const char *id)
{
	for (size_t i = 0; i < tasks->n_tasks; i++) {
		if (strcmp(tasks->tasks[i]->id, id) == 0)
			return tasks->tasks[i];
	}
	return NULL;
}

static int list_all(const struct ct_ctx *ctx, const Ct__ContainerListResponse *found,
	struct kk_list *containers, struct kk_err *err)
{
	Ct__TaskListRequest req = CT__TASK_LIST_REQUEST__INIT;
	ct_auto_message Ct__TaskListResponse *tasks = NULL;
	int r = ct_unary(ctx, "tasks.v1.Tasks/List", &req.base, &ct__task_list_response__descriptor,
		&tasks, err);

	for (size_t i = 0; r == 0 && i < found->n_containers; i++)
		info_fill(kk_list_add(containers, kk_schema_of_task_info()), found->containers[i],
			process_find(tasks, found->containers[i]->id));
	return r;
}

static int list_one(const struct ct_ctx *ctx, const Ct__Container *container,
	struct kk_list *containers, struct kk_err *err)
{
	ct_auto_message Ct__TaskGetResponse *task = NULL;
	int r = task_look(ctx, container, &task, err);

	if (r < 0)
		return r;
	info_fill(kk_list_add(containers, kk_schema_of_task_info()), container,
		r ? task->process : NULL);
	return 0;
}

/* containerd asks every shim of the namespace for a list of tasks: for a few containers it is cheaper
 * to ask for each. */
static int list_some(const struct ct_ctx *ctx, const Ct__ContainerListResponse *found,
	struct kk_list *containers, struct kk_err *err)
{
	int r = 0;

	for (size_t i = 0; i < found->n_containers && r == 0; i++)
		r = list_one(ctx, found->containers[i], containers, err);
	return r;
}

static int by_id(const void *a, const void *b)
{
	return strcmp(kk_str(((const struct kk_task_info *)a)->id),
		kk_str(((const struct kk_task_info *)b)->id));
}

static void list_sort(struct kk_list *containers)
{
	if (containers->n > 1)
		qsort(containers->items, containers->n, sizeof(struct kk_task_info), by_id);
}

int ct_container_list(const struct ct_ctx *ctx, const struct kk_map *labels, bool is_records_only,
	struct kk_list *containers, struct kk_err *err)
{
	ct_auto_message Ct__ContainerListResponse *found = NULL;
	int r = records_list(ctx, labels, &found, err);

	if (r < 0)
		return r;
	containers->is_set = true;
	if (!is_records_only)
		r = labels->n ? list_some(ctx, found, containers, err) :
				list_all(ctx, found, containers, err);
	for (size_t i = 0; is_records_only && i < found->n_containers; i++)
		info_fill(kk_list_add(containers, kk_schema_of_task_info()), found->containers[i],
			NULL);
	list_sort(containers);
	return r;
}

int ct_container_list_known(const struct ct_ctx *ctx, const struct kk_strs *ids,
	struct kk_list *containers, struct kk_err *err)
{
	containers->is_set = true;
	for (size_t i = 0; i < ids->n; i++) {
		ct_auto_message Ct__ContainerGetResponse *found = NULL;
		struct kk_err cause = {0};
		int r = ct_container_record(ctx, ids->items[i], &found, &cause);

		if (r == 1)
			r = list_one(ctx, found->container, containers, &cause);
		/* One that is somebody else's is not there. */
		if (r < 0 && r != KK_E_CONTAINER_EXISTS) {
			*err = cause;
			return r;
		}
	}
	list_sort(containers);
	return 0;
}
