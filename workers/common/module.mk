workers_common_SRC := \
	workers/common/sandbox.c workers/common/worker.c
