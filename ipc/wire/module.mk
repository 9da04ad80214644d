ipc_wire_SRC := \
	ipc/wire/bound.c \
	ipc/wire/codec.c \
	ipc/wire/doc.c \
	ipc/wire/envelope.c \
	ipc/wire/msg.c \
	ipc/wire/schema.c
