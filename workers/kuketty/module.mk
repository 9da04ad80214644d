workers_kuketty_SRC := \
	workers/kuketty/client.c \
	workers/kuketty/hold.c \
	workers/kuketty/main.c \
	workers/kuketty/option.c \
	workers/kuketty/ring.c \
	workers/kuketty/sink.c \
	workers/kuketty/size.c

# What it has of ours beside that: it is a program of its own.
KUKETTY_BASE_SRC := ipc/base/buf.c ipc/base/clock.c ipc/base/err.c ipc/base/fd.c ipc/base/log.c ipc/base/mem.c ipc/base/oom.c \
	ipc/base/utf8.c ipc/model/logtime.c
