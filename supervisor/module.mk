supervisor_SRC := \
	supervisor/backoff.c \
	supervisor/call.c \
	supervisor/client.c \
	supervisor/crash.c \
	supervisor/entry.c \
	supervisor/front.c \
	supervisor/handover.c \
	supervisor/jsonrpc.c \
	supervisor/main.c \
	supervisor/own.c \
	supervisor/reap.c \
	supervisor/reload.c \
	supervisor/route.c \
	supervisor/spawn.c \
	supervisor/succession.c \
	supervisor/supervisor.c
