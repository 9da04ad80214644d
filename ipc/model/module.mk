ipc_model_SRC := \
	ipc/model/config.c \
	ipc/model/diff.c \
	ipc/model/doc.c \
	ipc/model/doc_json.c \
	ipc/model/doc_yaml.c \
	ipc/model/egress.c \
	ipc/model/logtime.c \
	ipc/model/port.c
