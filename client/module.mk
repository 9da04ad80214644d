client_SRC := \
	client/call.c \
	client/cell.c \
	client/cmd/autocomplete.c \
	client/cmd/apply.c \
	client/cmd/create.c \
	client/cmd/daemon.c \
	client/cmd/delete.c \
	client/cmd/get.c \
	client/cmd/image.c \
	client/cmd/lifecycle.c \
	client/cmd/log.c \
	client/cmd/refresh.c \
	client/cmd/run.c \
	client/cmd/version.c \
	client/common.c \
	client/complete.c \
	client/daemon.c \
	client/flag.c \
	client/help.c \
	client/local.c \
	client/main.c \
	client/out/doc.c \
	client/out/table.c \
	client/out/text.c \
	client/route.c \
	client/selector.c \
	client/setting.c
