workers_reconciler_SRC := \
	workers/reconciler/actor.c \
	workers/reconciler/api.c \
	workers/reconciler/api_exec.c \
	workers/reconciler/api_image.c \
	workers/reconciler/api_read.c \
	workers/reconciler/api_write.c \
	workers/reconciler/apply.c \
	workers/reconciler/boot.c \
	workers/reconciler/cell.c \
	workers/reconciler/decide.c \
	workers/reconciler/effective.c \
	workers/reconciler/eventlog.c \
	workers/reconciler/handlers.c \
	workers/reconciler/health.c \
	workers/reconciler/journal.c \
	workers/reconciler/leak.c \
	workers/reconciler/name.c \
	workers/reconciler/plan.c \
	workers/reconciler/preview.c \
	workers/reconciler/restart.c \
	workers/reconciler/run.c \
	workers/reconciler/scope.c \
	workers/reconciler/status.c \
	workers/reconciler/store.c \
	workers/reconciler/tick.c \
	workers/reconciler/walk.c
