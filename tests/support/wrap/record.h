/* tests/support/wrap/record.h - what was called, as disk.c keeps it and power.c reads it. */
#ifndef KK_WRAP_RECORD_H
#define KK_WRAP_RECORD_H

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "../disk.h"

/* Of a file, at some time. All of them are kept. */
struct content {
	struct content *next;
	struct content *half, *zeros; /* what a power cut makes of it, once that was asked for */
	size_t len;
	char bytes[];
};

enum { ROOT, NODES_MAX = 4096, EVENTS_MAX = 16384, PROMISES_MAX = 256, PENDING_MAX = 20 };

enum what {
	SET,  /* a name for a node: create, mkdir, link */
	DROP, /* a name is gone: unlink, rmdir */
	MOVE, /* one name becomes another of the same directory */
	DATA, /* what a file holds from now on */
	SYNC,
};

struct event {
	enum what what;
	int dir;
	int node;
	char *name;
	char *to;   /* of MOVE */
	char *path; /* of the name, or of what it becomes */
	const struct content *content;
};

/* The one there is. */
extern struct disk {
	bool is_on;
	disk_class_f class_of;
	char root[PATH_MAX];
	dev_t device;
	struct {
		ino_t ino; /* may be used again */
		bool is_dir;
	} nodes[NODES_MAX];
	int n_nodes;
	struct event events[EVENTS_MAX];
	size_t n_events;
	size_t promises[PROMISES_MAX]; /* how many events came before each */
	size_t n_promises;
	struct content *contents;
	const char *from, *to; /* of the redirection */
	size_t n_calls;
	size_t fail_at;
	size_t die_at;
	int error;
	const char *hit;
} disk;

/* Kept until the record ends, or for ever. */
struct content *content_new(const void *bytes, size_t len);
struct content *content_copy(const struct content *content);
const struct content *content_read(const char *path);

/* Calls that are not counted. */
int __real_open(const char *path, int flags, ...);
ssize_t __real_write(int fd, const void *data, size_t len);
int __real_lstat(const char *path, struct stat *st);
int __real_mkdir(const char *path, mode_t mode);
int dir_scan(const char *path,
	struct dirent ***ret_list); /* by name; "" is the working directory */

#endif
