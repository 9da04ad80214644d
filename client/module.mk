client_SRC := \
	client/call.c \
	client/cmd/apply.c \
	client/cmd/create.c \
	client/cmd/delete.c \
	client/cmd/get.c \
	client/cmd/image.c \
	client/cmd/lifecycle.c \
	client/cmd/version.c \
	client/common.c \
	client/flag.c \
	client/help.c \
	client/main.c \
	client/out/doc.c \
	client/out/table.c \
	client/out/text.c \
	client/route.c \
	client/selector.c
