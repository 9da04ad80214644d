/* tests/support/wrap/disk.c */
#include "../disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kukeon/auto.h>

#include "../check.h"

/* --- what was called --- */

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

static struct {
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

static struct content *content_make(const void *bytes, size_t len, struct content **list)
{
	struct content *content = calloc(1, sizeof *content + len + 1);

	check_must(content);
	content->next = *list;
	content->len = len;
	if (len)
		memcpy(content->bytes, bytes, len);
	*list = content;
	return content;
}

static struct content *content_new(const void *bytes, size_t len)
{
	return content_make(bytes, len, &disk.contents);
}

/* One that is kept to the end. */
static struct content *content_copy(const struct content *content)
{
	static struct content *copies;

	return content_make(content->bytes, content->len, &copies);
}

static struct event *event_add(enum what what, int dir, int node)
{
	check_must(disk.n_events < EVENTS_MAX);
	disk.events[disk.n_events] = (struct event){.what = what, .dir = dir, .node = node};
	return &disk.events[disk.n_events++];
}

static int node_new(const struct stat *st)
{
	check_must(disk.n_nodes < NODES_MAX);
	disk.nodes[disk.n_nodes].ino = st->st_ino;
	disk.nodes[disk.n_nodes].is_dir = S_ISDIR(st->st_mode);
	return disk.n_nodes++;
}

/* The youngest with this number; -1 for what lies elsewhere. */
static int node_of(const struct stat *st)
{
	int node = disk.n_nodes - 1;

	if (st->st_dev != disk.device)
		return -1;
	while (node >= 0 && disk.nodes[node].ino != st->st_ino)
		node--;
	return node;
}

/* --- the real calls --- */

#define REAL(type, name, ...)            \
	type __real_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__)

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
REAL(int, openat, int dir, const char *path, int flags);
REAL(int, mkostemp, char *path, int flags);
REAL(ssize_t, read, int fd, void *data, size_t len);
REAL(ssize_t, write, int fd, const void *data, size_t len);
REAL(int, fsync, int fd);
REAL(int, fdatasync, int fd);
REAL(int, ftruncate, int fd, off_t len);
REAL(int, fchmod, int fd, mode_t mode);
REAL(int, chmod, const char *path, mode_t mode);
REAL(int, rename, const char *from, const char *to);
REAL(int, link, const char *from, const char *to);
REAL(int, unlink, const char *path);
REAL(int, unlinkat, int dir, const char *path, int flags);
REAL(int, mkdir, const char *path, mode_t mode);
REAL(int, rmdir, const char *path);
REAL(int, stat, const char *path, struct stat *st);
REAL(int, lstat, const char *path, struct stat *st);
REAL(int, fstat, int fd, struct stat *st);
REAL(int, access, const char *path, int mode);
REAL(DIR *, opendir, const char *path);
REAL(DIR *, fdopendir, int fd);
REAL(struct dirent *, readdir, DIR *dir);
REAL(int, scandir, const char *path, struct dirent ***ret_list,
	int (*filter)(const struct dirent *entry),
	int (*compare)(const struct dirent **a, const struct dirent **b));
REAL(int, flock, int fd, int operation);

/* --- counting --- */

static bool is_dead(void)
{
	return disk.die_at && disk.n_calls >= disk.die_at;
}

/* Is this the call that fails? */
static bool hit(const char *name)
{
	if (!disk.is_on)
		return false;
	disk.n_calls++;
	if (is_dead()) {
		if (!disk.hit)
			disk.hit = name;
		errno = EIO;
		return true;
	}
	if (disk.n_calls != disk.fail_at)
		return false;
	disk.hit = name;
	errno = disk.error;
	return true;
}

size_t disk_calls(void)
{
	return disk.n_calls;
}

void disk_reset(void)
{
	disk.n_calls = 0;
	disk_heal();
}

void disk_fail(size_t nth, int error)
{
	disk.hit = NULL;
	disk.fail_at = disk.n_calls + nth;
	disk.error = error;
}

void disk_die(size_t nth)
{
	disk.hit = NULL;
	disk.die_at = disk.n_calls + nth;
}

void disk_heal(void)
{
	disk.fail_at = 0;
	disk.die_at = 0;
}

size_t disk_fds(void)
{
	struct dirent **list = NULL;
	int n = __real_scandir("/proc/self/fd", &list, NULL, NULL);

	check_must(n > 0);
	for (int i = 0; i < n; i++)
		free(list[i]);
	free(list);
	return (size_t)n;
}

bool disk_has_hit(void)
{
	return disk.hit != NULL;
}

const char *disk_hit(void)
{
	return disk.hit;
}

/* --- keeping --- */

void disk_redirect(const char *from, const char *to)
{
	disk.from = from;
	disk.to = to;
}

/* The path that is meant; good until the call after the next. */
static const char *meant(const char *path)
{
	static char buffers[2][PATH_MAX];
	static unsigned nth;
	char *buffer = buffers[nth++ % 2];

	if (!disk.from || strncmp(path, disk.from, strlen(disk.from)) != 0)
		return path;
	snprintf(buffer, PATH_MAX, "%s%s", disk.to, path + strlen(disk.from));
	return buffer;
}

/* Where the name is: its directory, and its path below the working directory, owned. -1: elsewhere. */
static int place_of(int dir_fd, const char *path, char **ret_path)
{
	char link[64], base[PATH_MAX] = "";
	kk_auto_free char *full = NULL, *dir = NULL;
	size_t root_len = strlen(disk.root);
	const char *relative;
	struct stat st;
	char *slash;

	if (dir_fd != AT_FDCWD) {
		snprintf(link, sizeof link, "/proc/self/fd/%d", dir_fd);
		if (readlink(link, base, sizeof base - 1) < 0)
			return -1;
	}
	check_must(asprintf(&full, "%s%s%s", base, *base ? "/" : "", path) > 0);
	relative = full;
	if (*full == '/') {
		if (strncmp(full, disk.root, root_len) != 0 || full[root_len] != '/')
			return -1;
		relative = full + root_len + 1;
	}
	dir = strdup(relative);
	slash = strrchr(dir, '/');
	if (slash)
		*slash = '\0';
	if (__real_stat(slash ? dir : ".", &st) < 0)
		return -1;
	*ret_path = strdup(relative);
	return node_of(&st);
}

static const char *name_in(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* A name came, went or changed. */
static void name_keep(enum what what, int dir_fd, const char *path, int node, const char *from)
{
	char *kept = NULL;
	int dir = place_of(dir_fd, path, &kept);
	struct event *event;

	if (dir < 0) {
		free(kept);
		return;
	}
	event = event_add(what, dir, node);
	event->path = kept;
	event->name = strdup(name_in(from ? from : kept));
	event->to = from ? strdup(name_in(kept)) : NULL;
}

static void created_keep(const char *path)
{
	struct stat st;

	if (disk.is_on && __real_lstat(path, &st) == 0)
		name_keep(SET, AT_FDCWD, path, node_new(&st), NULL);
}

static int node_at(const char *path)
{
	struct stat st;

	return __real_lstat(path, &st) == 0 ? node_of(&st) : -1;
}

static const struct content *content_read(const char *path)
{
	static char bytes[1 << 20];
	kk_auto_fd int fd = __real_open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : __real_read(fd, bytes, sizeof bytes);

	check_must(n >= 0);
	check_must((size_t)n < sizeof bytes);
	return content_new(bytes, (size_t)n);
}

static void data_keep(int fd)
{
	char link[64];
	struct stat st;
	int node;

	if (!disk.is_on || __real_fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	node = node_of(&st);
	if (node < 0)
		return;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	event_add(DATA, -1, node)->content = content_read(link);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_entry(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static void tree_keep(const char *dir)
{
	struct dirent **list = NULL;
	int n = __real_scandir(*dir ? dir : ".", &list, is_entry, by_name);

	for (int i = 0; i < n; i++) {
		char path[PATH_MAX + 256];
		struct stat st;

		snprintf(path, sizeof path, "%s%s%s", dir, *dir ? "/" : "", list[i]->d_name);
		free(list[i]);
		check_must(__real_lstat(path, &st) == 0);
		created_keep(path);
		if (S_ISDIR(st.st_mode))
			tree_keep(path);
		else
			event_add(DATA, -1, disk.n_nodes - 1)->content = content_read(path);
	}
	free(list);
}

static void events_drop(void)
{
	for (size_t i = 0; i < disk.n_events; i++) {
		free(disk.events[i].name);
		free(disk.events[i].to);
		free(disk.events[i].path);
	}
	while (disk.contents) {
		struct content *content = disk.contents;

		disk.contents = content->next;
		free(content);
	}
	disk.n_events = 0;
	disk.n_promises = 0;
	disk.n_nodes = 0;
}

void disk_begin(disk_class_f class_of)
{
	struct stat st;

	events_drop();
	disk.class_of = class_of;
	disk.is_on = true;
	check_must(getcwd(disk.root, sizeof disk.root));
	check_must(__real_stat(".", &st) == 0);
	disk.device = st.st_dev;
	node_new(&st);
	tree_keep("");
	for (int i = 0; i < disk.n_nodes; i++)
		event_add(SYNC, -1, i);
	disk_reset();
	disk_promise();
}

void disk_end(void)
{
	disk.is_on = false;
	disk_heal();
}

void disk_promise(void)
{
	check_must(disk.n_promises < PROMISES_MAX);
	disk.promises[disk.n_promises++] = disk.n_events;
}

/* --- the calls --- */

int __wrap_open(const char *path, int flags, ...)
{
	const char *real = meant(path);
	bool was_there = __real_access(real, F_OK) == 0;
	mode_t mode = 0;
	va_list ap;
	int fd;

	va_start(ap, flags);
	if (flags & O_CREAT)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	if (hit("open"))
		return -1;
	fd = __real_open(real, flags, mode);
	if (fd >= 0 && flags & O_CREAT && !was_there)
		created_keep(real);
	if (fd >= 0 && flags & O_TRUNC && was_there)
		data_keep(fd);
	return fd;
}

int __wrap_openat(int dir, const char *path, int flags)
{
	return hit("openat") ? -1 : __real_openat(dir, meant(path), flags);
}

int __wrap_mkostemp(char *path, int flags)
{
	int fd;

	check_must(meant(path) == path);
	if (hit("mkostemp"))
		return -1;
	fd = __real_mkostemp(path, flags);
	if (fd >= 0)
		created_keep(path);
	return fd;
}

ssize_t __wrap_read(int fd, void *data, size_t len)
{
	return hit("read") ? -1 : __real_read(fd, data, len);
}

/* The log goes its own way. */
ssize_t __wrap_write(int fd, const void *data, size_t len)
{
	bool was_dead = is_dead();
	ssize_t n;

	if (fd <= STDERR_FILENO || !hit("write")) {
		n = __real_write(fd, data, len);
		if (fd > STDERR_FILENO)
			data_keep(fd);
		return n;
	}
	if (was_dead || len < 2)
		return -1;
	n = __real_write(fd, data, len / 2);
	data_keep(fd);
	if (is_dead())
		return -1;
	disk.fail_at++;
	return n;
}

static int sync_keep(int fd)
{
	struct stat st;

	if (!disk.is_on)
		return 0;
	check_must(__real_fstat(fd, &st) == 0);
	if (node_of(&st) >= 0)
		event_add(SYNC, -1, node_of(&st));
	return 0;
}

int __wrap_fsync(int fd)
{
	return hit("fsync") ? -1 : sync_keep(fd);
}

int __wrap_fdatasync(int fd)
{
	return hit("fdatasync") ? -1 : sync_keep(fd);
}

int __wrap_ftruncate(int fd, off_t len)
{
	int r = hit("ftruncate") ? -1 : __real_ftruncate(fd, len);

	if (r == 0)
		data_keep(fd);
	return r;
}

int __wrap_fchmod(int fd, mode_t mode)
{
	return hit("fchmod") ? -1 : __real_fchmod(fd, mode);
}

int __wrap_chmod(const char *path, mode_t mode)
{
	return hit("chmod") ? -1 : __real_chmod(meant(path), mode);
}

int __wrap_rename(const char *from, const char *to)
{
	int node = disk.is_on ? node_at(from) : -1;
	char *from_place = NULL, *to_place = NULL;

	if (hit("rename") || __real_rename(from, to) < 0)
		return -1;
	if (disk.is_on) {
		check_must(place_of(AT_FDCWD, from, &from_place) ==
			place_of(AT_FDCWD, to, &to_place));
		name_keep(MOVE, AT_FDCWD, to, node, from);
		free(from_place);
		free(to_place);
	}
	return 0;
}

int __wrap_link(const char *from, const char *to)
{
	const char *real_from = meant(from), *real_to = meant(to);

	if (hit("link") || __real_link(real_from, real_to) < 0)
		return -1;
	if (disk.is_on)
		name_keep(SET, AT_FDCWD, real_to, node_at(real_from), NULL);
	return 0;
}

/* Where the name was has to be found out before it goes. */
static int drop(const char *call, int dir_fd, const char *path, int flags)
{
	const char *real = meant(path);

	if (hit(call) || __real_unlinkat(dir_fd, real, flags) < 0)
		return -1;
	if (disk.is_on)
		name_keep(DROP, dir_fd, real, -1, NULL);
	return 0;
}

int __wrap_unlink(const char *path)
{
	return drop("unlink", AT_FDCWD, path, 0);
}

int __wrap_unlinkat(int dir, const char *path, int flags)
{
	return drop("unlinkat", dir, path, flags);
}

int __wrap_rmdir(const char *path)
{
	return drop("rmdir", AT_FDCWD, path, AT_REMOVEDIR);
}

int __wrap_mkdir(const char *path, mode_t mode)
{
	const char *real = meant(path);

	if (hit("mkdir") || __real_mkdir(real, mode) < 0)
		return -1;
	created_keep(real);
	return 0;
}

int __wrap_stat(const char *path, struct stat *st)
{
	return hit("stat") ? -1 : __real_stat(meant(path), st);
}

int __wrap_lstat(const char *path, struct stat *st)
{
	return hit("lstat") ? -1 : __real_lstat(meant(path), st);
}

int __wrap_fstat(int fd, struct stat *st)
{
	return hit("fstat") ? -1 : __real_fstat(fd, st);
}

int __wrap_access(const char *path, int mode)
{
	return hit("access") ? -1 : __real_access(meant(path), mode);
}

DIR *__wrap_opendir(const char *path)
{
	return hit("opendir") ? NULL : __real_opendir(meant(path));
}

DIR *__wrap_fdopendir(int fd)
{
	return hit("fdopendir") ? NULL : __real_fdopendir(fd);
}

struct dirent *__wrap_readdir(DIR *dir)
{
	return hit("readdir") ? NULL : __real_readdir(dir);
}

int __wrap_scandir(const char *path, struct dirent ***ret_list,
	int (*filter)(const struct dirent *entry),
	int (*compare)(const struct dirent **a, const struct dirent **b))
{
	return hit("scandir") ? -1 : __real_scandir(meant(path), ret_list, filter, compare);
}

int __wrap_flock(int fd, int operation)
{
	return hit("flock") ? -1 : __real_flock(fd, operation);
}

/* --- trees --- */

struct entry {
	int dir;
	int node;
	const char *name;
};

struct tree {
	struct entry entries[NODES_MAX];
	size_t n;
};

/* What is in a tree, by its path. */
struct item {
	char *path;
	int node;
	bool is_dir;
	enum disk_class class;
	const struct content *content;
};

struct items {
	struct item *items;
	size_t n;
};

static void items_release(struct items *items)
{
	for (size_t i = 0; i < items->n; i++)
		free(items->items[i].path);
	free(items->items);
	*items = (struct items){0};
}

static void tree_drop(struct tree *tree, int dir, const char *name)
{
	for (size_t i = 0; i < tree->n; i++) {
		if (tree->entries[i].dir == dir && strcmp(tree->entries[i].name, name) == 0) {
			tree->entries[i] = tree->entries[--tree->n];
			return;
		}
	}
}

static void tree_set(struct tree *tree, int dir, const char *name, int node)
{
	tree_drop(tree, dir, name);
	check_must(tree->n < NODES_MAX);
	tree->entries[tree->n++] = (struct entry){dir, node, name};
}

static void tree_apply(struct tree *tree, const struct event *event)
{
	switch (event->what) {
	case SET:
		tree_set(tree, event->dir, event->name, event->node);
		break;
	case DROP:
		tree_drop(tree, event->dir, event->name);
		break;
	case MOVE:
		tree_drop(tree, event->dir, event->name);
		tree_set(tree, event->dir, event->to, event->node);
		break;
	case DATA:
	case SYNC:
		break;
	}
}

static struct content nothing;

/* What the file holds before event @end; of what was synced alone, if @is_synced. */
static const struct content *content_at(int node, size_t end, bool is_synced)
{
	bool has_sync = !is_synced;

	for (size_t i = end; i-- > 0;) {
		const struct event *event = &disk.events[i];

		if (event->node != node)
			continue;
		if (event->what == SYNC)
			has_sync = true;
		if (event->what == DATA && has_sync)
			return event->content;
	}
	return &nothing;
}

static void items_walk(const struct tree *tree, int dir, const char *path, size_t end,
	struct items *items)
{
	for (size_t i = 0; i < tree->n; i++) {
		const struct entry *entry = &tree->entries[i];
		struct item *item;

		if (entry->dir != dir)
			continue;
		items->items = realloc(items->items, (items->n + 1) * sizeof items->items[0]);
		item = &items->items[items->n++];
		check_must(asprintf(&item->path, "%s%s%s", path, *path ? "/" : "", entry->name) >
			0);
		item->node = entry->node;
		item->is_dir = disk.nodes[entry->node].is_dir;
		item->class = disk.class_of(item->path);
		item->content = item->is_dir ? NULL : content_at(entry->node, end, false);
		if (item->is_dir) {
			kk_auto_free char *below = strdup(item->path);

			items_walk(tree, entry->node, below, end, items);
		}
	}
}

/* The tree as the code under test saw it. */
static void live_at(size_t end, struct items *ret_items)
{
	static struct tree tree;

	tree.n = 0;
	for (size_t i = 0; i < end; i++)
		tree_apply(&tree, &disk.events[i]);
	*ret_items = (struct items){0};
	items_walk(&tree, ROOT, "", end, ret_items);
}

static const struct item *item_at(const struct items *items, const char *path)
{
	for (size_t i = 0; i < items->n; i++) {
		if (strcmp(items->items[i].path, path) == 0)
			return &items->items[i];
	}
	return NULL;
}

static bool content_equal(const struct content *a, const struct content *b)
{
	return a == b || (a && b && a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0);
}

/* --- what is there now --- */

static void now_walk(const char *dir, struct items *items)
{
	struct dirent **list = NULL;
	int n = __real_scandir(*dir ? dir : ".", &list, is_entry, by_name);

	for (int i = 0; i < n; i++) {
		struct item item = {0};
		struct stat st;

		check_must(asprintf(&item.path, "%s%s%s", dir, *dir ? "/" : "", list[i]->d_name) >
			0);
		free(list[i]);
		check_must(__real_lstat(item.path, &st) == 0);
		item.is_dir = S_ISDIR(st.st_mode);
		item.class = disk.class_of(item.path);
		item.content = item.is_dir ? NULL : content_read(item.path);
		items->items = realloc(items->items, (items->n + 1) * sizeof items->items[0]);
		items->items[items->n++] = item;
		if (item.is_dir)
			now_walk(item.path, items);
	}
	free(list);
}

static const char *ignored;

void disk_ignore(const char *front)
{
	ignored = front;
}

/* Behind the line that begins like what is ignored, if it does. */
static const char *line_skip(const char *text)
{
	const char *line = text + strspn(text, " ");

	if (!ignored || strncmp(line, ignored, strlen(ignored)) != 0)
		return text;
	return line + strcspn(line, "\n");
}

static bool lines_equal(const struct content *a, const struct content *b)
{
	const char *p = a->bytes, *q = b->bytes;

	do {
		p = line_skip(p);
		q = line_skip(q);
		while (*p && *p == *q && *p != '\n') {
			p++;
			q++;
		}
	} while (*p == '\n' && *p++ == *q++);
	return !*p && !*q;
}

static bool content_alike(const struct content *a, const struct content *b)
{
	return content_equal(a, b) || (a && b && lines_equal(a, b));
}

static void same_expect(const struct items *a, const struct items *b, const char *what)
{
	for (size_t i = 0; i < a->n; i++) {
		const struct item *item = &a->items[i], *other = item_at(b, item->path);

		if (item->class == DISK_VOLATILE)
			continue;
		ck_assert_msg(other != NULL, "%s is %s", item->path, what);
		ck_assert_msg(item->is_dir == other->is_dir, "%s is of another kind", item->path);
		ck_assert_msg(content_alike(item->content, other->content),
			"%s differs:\n%s\n--- from:\n%s", item->path,
			item->content ? item->content->bytes : "",
			other->content ? other->content->bytes : "");
	}
}

/* The trees of all promises, which outlive the events. */
static struct items *remembered;
static size_t n_remembered;

void disk_remember(void)
{
	remembered = calloc(disk.n_promises, sizeof remembered[0]);
	n_remembered = disk.n_promises;
	for (size_t i = 0; i < n_remembered; i++) {
		live_at(disk.promises[i], &remembered[i]);
		for (size_t k = 0; k < remembered[i].n; k++) {
			struct item *item = &remembered[i].items[k];

			if (item->content)
				item->content = content_copy(item->content);
		}
	}
}

void disk_expect(size_t nth)
{
	kk_auto(items_release) struct items have = {0};

	check_must(nth < n_remembered);
	now_walk("", &have);
	same_expect(&have, &remembered[nth], "left over");
	same_expect(&remembered[nth], &have, "missing");
}

/* --- cutting the power --- */

enum { FATES_MAX = 16, SEEN_FIRST = 1024 };

static struct {
	size_t point;
	size_t n_promises;
	size_t promised; /* the point of the last promise */
	struct tree durable;
	const struct event *pending[PENDING_MAX];
	size_t n_pending;
	const struct event **group; /* volatile ones, which come and go together */
	size_t n_group;
	bool has_group;
	unsigned mask;
	struct items *live; /* of each point */
	uint64_t *seen;     /* a table, at most half full */
	size_t n_seen;
	size_t seen_size;
	disk_state_f fn;
	void *arg;
	struct disk_count *count;
} cut;

static const char *const verbs[] = {
	[SET] = "make", [DROP] = "drop", [MOVE] = "rename", [DATA] = "write", [SYNC] = "sync"};

static bool is_pending(const struct event *event)
{
	for (size_t i = 0; i < cut.n_pending; i++) {
		if (cut.pending[i] == event)
			return !(cut.mask & 1u << i);
	}
	return false;
}

/* How it came to the state that is wrong. */
static void story_tell(void)
{
	fprintf(stderr, "the power was cut behind event %zu, %zu promises made:\n", cut.point,
		cut.n_promises);
	for (size_t i = disk.promises[0]; i < cut.point; i++) {
		const struct event *event = &disk.events[i];

		for (size_t k = 1; k < disk.n_promises; k++) {
			if (disk.promises[k] == i)
				fprintf(stderr, "  -- promise %zu\n", k);
		}
		fprintf(stderr, "  %3zu %-6s node %d %s%s%s%s\n", i, verbs[event->what],
			event->node, event->name ? event->name : "", event->to ? " to " : "",
			event->to ? event->to : "", is_pending(event) ? "   LOST" : "");
	}
}

static uint64_t mix(uint64_t hash, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3ULL;
	return hash;
}

/* Of the whole tree, in whatever order it comes. */
static uint64_t items_hash(const struct items *items)
{
	uint64_t sum = cut.n_promises;

	for (size_t i = 0; i < items->n; i++) {
		const struct item *item = &items->items[i];
		uint64_t hash = mix(0xcbf29ce484222325ULL, item->path, strlen(item->path) + 1);

		if (item->content)
			hash = mix(hash ^ item->content->len, item->content->bytes,
				item->content->len);
		sum += hash * 0x9e3779b97f4a7c15ULL;
	}
	return sum ? sum : 1;
}

static bool seen_put(uint64_t hash)
{
	size_t i = hash % cut.seen_size;

	while (cut.seen[i] && cut.seen[i] != hash)
		i = (i + 1) % cut.seen_size;
	if (cut.seen[i])
		return false;
	cut.seen[i] = hash;
	cut.n_seen++;
	return true;
}

/* False for one that is there already. */
static bool seen_add(uint64_t hash)
{
	uint64_t *old = cut.seen;
	size_t size = cut.seen_size;

	if (2 * cut.n_seen >= size) {
		cut.seen_size = size ? 2 * size : SEEN_FIRST;
		cut.seen = calloc(cut.seen_size, sizeof cut.seen[0]);
		cut.n_seen = 0;
		for (size_t i = 0; i < size; i++) {
			if (old[i])
				seen_put(old[i]);
		}
		free(old);
	}
	return seen_put(hash);
}

#define WRONG(...)                         \
	do {                               \
		story_tell();              \
		ck_abort_msg(__VA_ARGS__); \
	} while (0)

/* Was it there, with this content, at any time since the last promise? */
static bool was_live(const struct item *item)
{
	for (size_t point = cut.promised; point <= cut.point; point++) {
		const struct item *then = item_at(&cut.live[point], item->path);

		if (then && then->is_dir == item->is_dir &&
			content_equal(then->content, item->content))
			return true;
	}
	return false;
}

static bool was_ever_away(const char *path)
{
	for (size_t point = cut.promised; point <= cut.point; point++) {
		if (!item_at(&cut.live[point], path))
			return true;
	}
	return false;
}

static void state_judge(const struct items *items)
{
	for (size_t i = 0; i < items->n; i++) {
		const struct item *item = &items->items[i];

		if (item->class == DISK_DURABLE && !was_live(item))
			WRONG("%s is on disk as it never was, with %zu bytes:\n%s", item->path,
				item->content ? item->content->len : 0,
				item->content ? item->content->bytes : "");
	}
	for (size_t i = 0; i < cut.live[cut.promised].n; i++) {
		const struct item *item = &cut.live[cut.promised].items[i];

		if (item->class == DISK_DURABLE && !item_at(items, item->path) &&
			!was_ever_away(item->path))
			WRONG("%s is lost", item->path);
	}
}

static void tree_remove(const char *path)
{
	struct dirent **list = NULL;
	int n = __real_scandir(path, &list, is_entry, by_name);

	for (int i = 0; i < n; i++) {
		char below[PATH_MAX];

		snprintf(below, sizeof below, "%s/%s", path, list[i]->d_name);
		free(list[i]);
		tree_remove(below);
	}
	free(list);
	check_must(remove(path) == 0);
}

static void lay_out(const struct items *items)
{
	for (size_t i = 0; i < items->n; i++) {
		const struct item *item = &items->items[i];
		int fd;

		if (item->is_dir) {
			check_must(__real_mkdir(item->path, 0755) == 0);
			continue;
		}
		fd = __real_open(item->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		check_must(fd >= 0);
		check_must(__real_write(fd, item->content->bytes, item->content->len) ==
			(ssize_t)item->content->len);
		close(fd);
	}
}

static void state_look(const struct items *items)
{
	const struct disk_state state = {cut.n_promises, cut.point - disk.promises[0]};

	cut.count->n_states++;
	if (!seen_add(items_hash(items)))
		return;
	cut.count->n_looked++;
	state_judge(items);
	if (!cut.fn)
		return;
	check_must(__real_mkdir("../cut", 0755) == 0);
	check_must(chdir("../cut") == 0);
	lay_out(items);
	cut.fn(&state, cut.arg);
	check_must(chdir(disk.root) == 0);
	tree_remove("../cut");
}

/* What may have become of data that was not synced. */
static size_t fates_of(const struct item *item, const struct content *ret_fates[FATES_MAX])
{
	struct content *last = (struct content *)item->content;
	const struct content *safe = content_at(item->node, cut.point, true);
	size_t n = 0;

	ret_fates[n++] = last;
	if (safe == last)
		return n;
	if (item->class != DISK_DURABLE) {
		ret_fates[0] = &nothing;
		return n;
	}
	if (!last->half) {
		last->half = content_new(last->bytes, last->len / 2);
		last->zeros = content_new(last->bytes, last->len);
		memset(last->zeros->bytes, 0, last->len);
	}
	ret_fates[n++] = safe;
	ret_fates[n++] = last->half;
	ret_fates[n++] = last->zeros;
	ret_fates[n++] = &nothing;
	for (size_t i = 0; i < cut.point && n < FATES_MAX; i++) {
		if (disk.events[i].what == DATA && disk.events[i].node == item->node)
			ret_fates[n++] = disk.events[i].content;
	}
	return n;
}

/* All fates of the files from @first on. */
static void fates_go_through(struct items *items, size_t first)
{
	const struct content *fates[FATES_MAX];
	const struct content *last;
	size_t n;

	while (first < items->n && items->items[first].is_dir)
		first++;
	if (first == items->n) {
		state_look(items);
		return;
	}
	last = items->items[first].content;
	n = fates_of(&items->items[first], fates);
	for (size_t i = 0; i < n; i++) {
		items->items[first].content = fates[i];
		fates_go_through(items, first + 1);
	}
	items->items[first].content = last;
}

static void subset_look(bool is_group_there)
{
	static struct tree tree;
	kk_auto(items_release) struct items items = {0};

	tree.n = cut.durable.n;
	memcpy(tree.entries, cut.durable.entries, tree.n * sizeof tree.entries[0]);
	for (size_t i = 0; is_group_there && i < cut.n_group; i++)
		tree_apply(&tree, cut.group[i]);
	for (size_t i = 0; i < cut.n_pending; i++) {
		if (cut.mask & 1u << i)
			tree_apply(&tree, cut.pending[i]);
	}
	items_walk(&tree, ROOT, "", cut.point, &items);
	fates_go_through(&items, 0);
}

static void point_look(void)
{
	size_t synced[NODES_MAX] = {0};

	cut.count->n_points++;
	cut.durable.n = 0;
	cut.n_pending = 0;
	cut.n_group = 0;
	for (size_t i = 0; i < cut.point; i++) {
		if (disk.events[i].what == SYNC)
			synced[disk.events[i].node] = i;
	}
	for (size_t i = 0; i < cut.point; i++) {
		const struct event *event = &disk.events[i];

		if (event->what == DATA || event->what == SYNC)
			continue;
		if (i < synced[event->dir]) {
			tree_apply(&cut.durable, event);
		} else if (disk.class_of(event->path) == DISK_VOLATILE) {
			cut.group[cut.n_group++] = event;
		} else {
			check_must(cut.n_pending < PENDING_MAX);
			cut.pending[cut.n_pending++] = event;
		}
	}
	for (cut.mask = 0; cut.mask < 1u << cut.n_pending; cut.mask++) {
		subset_look(false);
		if (cut.n_group)
			subset_look(true);
	}
}

void disk_cut(bool is_last_only, disk_state_f fn, void *arg, struct disk_count *count)
{
	size_t first = disk.promises[is_last_only ? disk.n_promises - 1 : 0];

	disk_end();
	cut.fn = fn;
	cut.arg = arg;
	cut.count = count;
	cut.live = calloc(disk.n_events + 1, sizeof cut.live[0]);
	cut.group = calloc(disk.n_events + 1, sizeof cut.group[0]);
	for (size_t i = first; i <= disk.n_events; i++)
		live_at(i, &cut.live[i]);
	for (cut.point = first; cut.point <= disk.n_events; cut.point++) {
		cut.n_promises = 0;
		while (cut.n_promises < disk.n_promises &&
			disk.promises[cut.n_promises] <= cut.point)
			cut.promised = disk.promises[cut.n_promises++];
		cut.n_promises--;
		point_look();
	}
	for (size_t i = first; i <= disk.n_events; i++)
		items_release(&cut.live[i]);
	free(cut.live);
	free(cut.group);
	free(cut.seen);
	cut.seen = NULL;
	cut.n_seen = cut.seen_size = 0;
}
