/* workers/reconciler/handlers.c - messages to the reconciler. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <kukeon/buf.h>
#include <kukeon/entry.h>
#include <kukeon/fd.h>
#include <kukeon/mem.h>
#include <kukeon/worker.h>

#include "rc.h"

struct rc rc;

static KK_HANDLES(api_request)
{
	return rc_api_handle(call, req, rep, err);
}

static const struct kk_handler handlers[] = {
	KK_HANDLER(api_request),
	KK_HANDLER(api_answered),
	KK_HANDLER(api_draining),
	KK_HANDLER(task_exited),
	KK_HANDLER(containerd_connected),
	KK_HANDLER(cgroup_oom),
	KK_HANDLER(cgroup_started),
	KK_HANDLER(network_changed),
};

static int reconciler_start(struct kk_worker *worker, struct kk_err *err)
{
	kk_auto_buf boot_id = {.max = 128};
	long n_cpus = sysconf(_SC_NPROCESSORS_ONLN);

	rc = (struct rc){
		.worker = worker,
		.run_path = worker->config.run_path,
		.suffix = worker->config.namespace_suffix,
		.cgroup_root = worker->config.cgroup_root,
		.n_cpus = n_cpus > 0 ? (unsigned)n_cpus : 1,
	};
	if (kk_file_read("/proc/sys/kernel/random/boot_id", &boot_id, err) < 0)
		return kk_failed(err);
	snprintf(rc.boot_id, sizeof rc.boot_id, "%.36s", (char *)boot_id.data);
	if (!worker->config.is_embedded)
		rc_tick_start();
	return 0;
}

int kk_reconciler_main(void)
{
	static const struct kk_worker_def def = {
		.role = KK_ROLE_reconciler,
		.handlers = handlers,
		.n_handlers = KK_COUNT(handlers),
		.max_calls = 16384,
		.start = reconciler_start,
	};

	return kk_worker_main(&def);
}
