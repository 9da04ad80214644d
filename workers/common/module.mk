workers_common_SRC := \
	workers/common/worker.c
