workers_network_SRC := \
	workers/network/cell.c \
	workers/network/cidr.c \
	workers/network/file.c \
	workers/network/forward.c \
	workers/network/handlers.c \
	workers/network/hosts.c \
	workers/network/inventory.c \
	workers/network/ipam.c \
	workers/network/link.c \
	workers/network/netns.c \
	workers/network/nft.c \
	workers/network/nic.c \
	workers/network/port.c \
	workers/network/record.c \
	workers/network/resolve.c \
	workers/network/rule.c \
	workers/network/space.c \
	workers/network/survey.c \
	workers/network/watch.c
