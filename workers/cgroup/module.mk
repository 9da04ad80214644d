workers_cgroup_SRC := \
	workers/cgroup/handlers.c \
	workers/cgroup/limit.c \
	workers/cgroup/stat.c \
	workers/cgroup/tree.c \
	workers/cgroup/watch.c
