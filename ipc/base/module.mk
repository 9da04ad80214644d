ipc_base_SRC := \
	ipc/base/buf.c \
	ipc/base/capability.c \
	ipc/base/clock.c \
	ipc/base/crash.c \
	ipc/base/err.c \
	ipc/base/fault.c \
	ipc/base/fd.c \
	ipc/base/host.c \
	ipc/base/log.c \
	ipc/base/mem.c \
	ipc/base/notify.c \
	ipc/base/oom.c \
	ipc/base/sha256.c \
	ipc/base/text.c \
	ipc/base/utf8.c
