supervisor_SRC := \
	supervisor/backoff.c \
	supervisor/call.c \
	supervisor/client.c \
	supervisor/entry.c \
	supervisor/front.c \
	supervisor/jsonrpc.c \
	supervisor/main.c \
	supervisor/notify.c \
	supervisor/reap.c \
	supervisor/route.c \
	supervisor/spawn.c \
	supervisor/supervisor.c
