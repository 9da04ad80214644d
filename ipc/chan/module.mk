ipc_chan_SRC := \
	ipc/chan/chan.c \
	ipc/chan/dispatch.c \
	ipc/chan/loop.c \
	ipc/chan/rpc.c
