workers_containerd_SRC := \
	workers/containerd/archive.c \
	workers/containerd/client.c \
	workers/containerd/container.c \
	workers/containerd/content.c \
	workers/containerd/event.c \
	workers/containerd/exec.c \
	workers/containerd/handlers.c \
	workers/containerd/image.c \
	workers/containerd/kuketty.c \
	workers/containerd/lease.c \
	workers/containerd/namespace.c \
	workers/containerd/pool.c \
	workers/containerd/ref.c \
	workers/containerd/seccomp.c \
	workers/containerd/secret.c \
	workers/containerd/shim.c \
	workers/containerd/spec.c \
	workers/containerd/stdio.c \
	workers/containerd/user.c
