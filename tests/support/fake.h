/* tests/support/fake.h - a supervisor whose workers are the test's own program again, under their names. */
#ifndef KK_SUPPORT_FAKE_H
#define KK_SUPPORT_FAKE_H

#include <dirent.h>

#include <kukeon/config.h>
#include <kukeon/fd.h>
#include <kukeon/mem.h>
#include <kukeon/worker.h>

/* What such a worker is beside its handlers. */
static inline struct kk_worker_def fake_worker(const char *role, const struct kk_handler *handlers,
	size_t n_handlers)
{
	return (struct kk_worker_def){
		.role = (enum kk_role)kk_role_parse(role),
		.handlers = handlers,
		.n_handlers = n_handlers,
		.max_calls = 4096,
	};
}

/* Nothing of it is there but the run path. */
static inline struct kk_config fake_config(const char *run_path)
{
	return (struct kk_config){
		.run_path = kk_xstrdup(run_path),
		.containerd_socket = kk_xstrdup("/nowhere/containerd.sock"),
		.namespace_suffix = kk_xstrdup("test"),
		.cgroup_root = kk_xstrdup("/test"),
		.pod_subnet_cidr = kk_xstrdup("10.0.0.0/16"),
	};
}

/* Of this process; that of the look itself counts. */
static inline int open_fds(void)
{
	const struct dirent *entry;
	kk_auto_dir dir = opendir("/proc/self/fd");
	int n = 0;

	while (kk_dir_next(dir, &entry) == 1)
		n++;
	return n;
}

#endif
