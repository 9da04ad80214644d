/* tests/support/wrap/disk.c - the calls: counted, failed, kept. */
#include "record.h"

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

struct disk disk;

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

struct content *content_new(const void *bytes, size_t len)
{
	return content_make(bytes, len, &disk.contents);
}

/* One that is kept to the end. */
struct content *content_copy(const struct content *content)
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

const struct content *content_read(const char *path)
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

int dir_scan(const char *path, struct dirent ***ret_list)
{
	return __real_scandir(*path ? path : ".", ret_list, is_entry, by_name);
}

static void tree_keep(const char *dir)
{
	struct dirent **list = NULL;
	int n = dir_scan(dir, &list);

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
