/* workers/cgroup/handlers.c - messages to the cgroup worker. */
#include <kukeon/auto.h>
#include <kukeon/entry.h>
#include <kukeon/mem.h>
#include <kukeon/worker.h>

#include "cg.h"

static struct kk_worker *self;

static KK_HANDLES(cgroup_ensure)
{
	(void)call;
	return cg_tree_ensure(kk_str(req->path), &rep->is_created, &rep->controllers, err);
}

static KK_HANDLES(cgroup_get)
{
	struct cg_stat stat = {0};
	int r = cg_path_check(kk_str(req->path), err);

	(void)call;
	if (r < 0)
		return r;
	rep->exists = cg_tree_exists(req->path);
	if (rep->exists)
		cg_stat_read(req->path, &stat);
	rep->memory_bytes = stat.memory_bytes;
	rep->memory_limit_bytes = stat.memory_limit_bytes;
	rep->cpu_usage_us = stat.cpu_usage_us;
	rep->pids = stat.pids;
	rep->oom_kills = stat.oom_kills;
	return 0;
}

static KK_HANDLES(cgroup_limit_set)
{
	(void)call;
	(void)rep;
	return cg_limit_set(kk_str(req->path), req->memory_limit_bytes, req->cpu_shares,
		req->pids_limit, err);
}

static KK_HANDLES(cgroup_remove)
{
	(void)call;
	return cg_tree_remove(kk_str(req->path), &rep->was_present, err);
}

static KK_HANDLES(cgroup_watch)
{
	(void)call;
	(void)rep;
	return cg_watch_add(self, kk_str(req->path), err);
}

static KK_HANDLES(cgroup_inventory)
{
	(void)call;
	(void)req;
	(void)err;
	cg_tree_list(&rep->paths);
	return 0;
}

static const struct kk_handler handlers[] = {
	KK_HANDLER(cgroup_ensure),
	KK_HANDLER(cgroup_get),
	KK_HANDLER(cgroup_limit_set),
	KK_HANDLER(cgroup_remove),
	KK_HANDLER(cgroup_watch),
	KK_HANDLER(cgroup_inventory),
};

static int cgroup_start(struct kk_worker *worker, struct kk_err *err)
{
	static const struct kk_req_cgroup_started started;

	self = worker;
	if (cg_tree_open(kk_str(worker->config.cgroup_root), err) < 0)
		return kk_failed(err);
	if (!worker->config.is_embedded)
		(void)kk_rpc_event(worker->rpc, KK_ROLE_reconciler, KK_MSG_cgroup_started, &started,
			0);
	return 0;
}

int kk_cgroup_main(void)
{
	static const struct kk_worker_def def = {
		.role = KK_ROLE_cgroup,
		.handlers = handlers,
		.n_handlers = KK_COUNT(handlers),
		.max_calls = 4096,
		.start = cgroup_start,
	};

	return kk_worker_main(&def);
}
