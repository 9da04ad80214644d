/* workers/containerd/handlers.c - messages to the containerd worker; run by the threads of the pool. */
#include <kukeon/entry.h>
#include <kukeon/mem.h>
#include <kukeon/worker.h>

#include "ct.h"

enum { ANSWER_MARGIN_MS = 200 };

static struct ct_ctx ctx_of(const struct kk_call *call, const char *namespace)
{
	/* What went wrong must reach the caller before it gives up by itself. */
	return (struct ct_ctx){
		.namespace = kk_str(namespace),
		.deadline_ms = call->deadline_ms - ANSWER_MARGIN_MS,
	};
}

static KK_HANDLES(namespace_ensure)
{
	const struct ct_ctx ctx = ctx_of(call, req->namespace);

	return ct_namespace_ensure(&ctx, &rep->is_created, err);
}

static KK_HANDLES(namespace_get)
{
	const struct ct_ctx ctx = ctx_of(call, req->namespace);

	return ct_namespace_exists(&ctx, &rep->exists, err);
}

static KK_HANDLES(namespace_remove)
{
	const struct ct_ctx ctx = ctx_of(call, req->namespace);

	return ct_namespace_remove(&ctx, &rep->is_removed, err);
}

static KK_HANDLES(image_load)
{
	const struct ct_ctx ctx = ctx_of(call, req->namespace);

	return ct_archive_load(&ctx, kk_str(req->path), &rep->images, err);
}

static KK_HANDLES(image_list)
{
	const struct ct_ctx ctx = ctx_of(call, req->namespace);

	return ct_image_list(&ctx, KK_LIST(&rep->images), err);
}

static KK_HANDLES(image_remove)
{
	const struct ct_ctx ctx = ctx_of(call, req->namespace);

	return ct_image_remove(&ctx, kk_str(req->ref), &rep->name, err);
}

static KK_HANDLES(image_prune)
{
	const struct ct_ctx ctx = ctx_of(call, req->namespace);

	return ct_lease_prune(&ctx, &rep->released, &rep->retained, err);
}

static KK_HANDLES(container_prepare)
{
	const struct ct_ctx ctx = ctx_of(call, req->namespace);

	(void)rep;
	return ct_container_prepare(&ctx, kk_str(req->id), kk_str(req->image), err);
}

static KK_HANDLES(container_create)
{
	const struct ct_ctx ctx = ctx_of(call, req->namespace);

	return ct_container_create(&ctx, req, rep, err);
}

static KK_HANDLES(container_start)
{
	const struct ct_ctx ctx = ctx_of(call, req->namespace);

	return ct_container_start(&ctx, kk_str(req->id), req->is_kept, &rep->pid, err);
}

static KK_HANDLES(container_stop)
{
	const struct ct_ctx ctx = ctx_of(call, req->namespace);

	return ct_container_stop(&ctx, kk_str(req->id), req->grace_ms, rep, err);
}

static KK_HANDLES(container_remove)
{
	const struct ct_ctx ctx = ctx_of(call, req->namespace);

	return ct_container_remove(&ctx, kk_str(req->id), &rep->was_present, err);
}

static KK_HANDLES(container_list)
{
	const struct ct_ctx ctx = ctx_of(call, req->namespace);
	struct kk_list *containers = KK_LIST(&rep->containers);

	return req->ids.n ?
		ct_container_list_known(&ctx, &req->ids, containers, err) :
		ct_container_list(&ctx, &req->labels, req->is_records_only, containers, err);
}

static KK_HANDLES(namespace_list)
{
	const struct ct_ctx ctx = ctx_of(call, "default");

	return ct_namespace_list(&ctx, kk_str(req->suffix), &rep->namespaces, err);
}

static KK_HANDLES(snapshot_list)
{
	const struct ct_ctx ctx = ctx_of(call, req->namespace);

	return ct_layer_list(&ctx, &rep->keys, err);
}

static KK_HANDLES(storage_get)
{
	const struct ct_ctx ctx = ctx_of(call, req->namespace);

	return ct_storage_get(&ctx, rep, err);
}

static KK_HANDLES(exec_start)
{
	const struct ct_ctx ctx = ctx_of(call, req->namespace);

	(void)rep;
	return ct_exec_start(&ctx, req, err);
}

static KK_HANDLES(exec_wait)
{
	const struct ct_ctx ctx = ctx_of(call, req->namespace);

	return ct_exec_wait(&ctx, req, rep, err);
}

static KK_HANDLES(exec_signal)
{
	const struct ct_ctx ctx = ctx_of(call, req->namespace);

	(void)rep;
	return ct_exec_signal(&ctx, kk_str(req->id), kk_str(req->exec_id), req->signo, err);
}

static KK_HANDLES(exec_resize)
{
	const struct ct_ctx ctx = ctx_of(call, req->namespace);

	(void)rep;
	return ct_exec_resize(&ctx, req, err);
}

static KK_HANDLES(exec_close)
{
	const struct ct_ctx ctx = ctx_of(call, req->namespace);

	(void)rep;
	return ct_exec_close(&ctx, kk_str(req->id), kk_str(req->exec_id), err);
}

static KK_HANDLES(exec_remove)
{
	const struct ct_ctx ctx = ctx_of(call, req->namespace);

	(void)rep;
	return ct_exec_remove(&ctx, kk_str(req->id), kk_str(req->exec_id), err);
}

static const struct kk_handler handlers[] = {
	KK_HANDLER(namespace_ensure),
	KK_HANDLER(namespace_get),
	KK_HANDLER(namespace_remove),
	KK_HANDLER(image_load),
	KK_HANDLER(image_list),
	KK_HANDLER(image_remove),
	KK_HANDLER(image_prune),
	KK_HANDLER(container_prepare),
	KK_HANDLER(container_create),
	KK_HANDLER(container_start),
	KK_HANDLER(container_stop),
	KK_HANDLER(container_remove),
	KK_HANDLER(container_list),
	KK_HANDLER(namespace_list),
	KK_HANDLER(snapshot_list),
	KK_HANDLER(storage_get),
	KK_HANDLER(exec_start),
	KK_HANDLER(exec_wait),
	KK_HANDLER(exec_signal),
	KK_HANDLER(exec_resize),
	KK_HANDLER(exec_close),
	KK_HANDLER(exec_remove),
};

static int containerd_start(struct kk_worker *worker, struct kk_err *err)
{
	ct_spec_open();
	ct_secret_open(kk_str(worker->config.runtime_dir));
	ct_stdio_open(&worker->config);
	if (ct_client_open(kk_str(worker->config.containerd_socket), err) < 0 ||
		ct_pool_start(worker, err) < 0)
		return kk_failed(err);
	/* A command that runs in-process is over before an event could matter. */
	return worker->config.is_embedded ? 0 : ct_events_start(worker, err);
}

int kk_containerd_main(void)
{
	static const struct kk_worker_def def = {
		.role = KK_ROLE_containerd,
		.handlers = handlers,
		.n_handlers = KK_COUNT(handlers),
		.max_calls = 4096,
		.start = containerd_start,
	};

	return kk_worker_main(&def);
}
