/* ipc/base/fd.c */
#include <kukeon/fd.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <kukeon/buf.h>
#include <kukeon/mem.h>

enum { READ_CHUNK = 16384, INOTIFY_BYTES = 16384 };

static int write_all(int fd, const char *data, size_t len, bool is_patient)
{
	while (len) {
		struct pollfd room = {.fd = fd, .events = POLLOUT};
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EAGAIN && is_patient) {
			(void)poll(&room, 1, -1);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

int kk_fd_write_all(int fd, const void *data, size_t len)
{
	return write_all(fd, data, len, false);
}

int kk_fd_write_wait(int fd, const void *data, size_t len)
{
	return write_all(fd, data, len, true);
}

int kk_fd_read(int fd, const char *path, struct kk_buf *buf, struct kk_err *err)
{
	for (;;) {
		/* One byte beyond the ceiling is asked for, to tell a full buffer from a larger file. */
		size_t left = buf->max ? buf->max - buf->len : READ_CHUNK;
		size_t want = left < READ_CHUNK ? left : READ_CHUNK;
		uint8_t *room = want ? kk_buf_reserve(buf, want) : NULL;
		char beyond;
		ssize_t n;

		if (want && !room)
			return kk_fail(err, KK_E_NOMEM, "no memory for %s", path);
		n = read(fd, room ? (void *)room : &beyond, room ? want : 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return kk_fail_errno(err, KK_E_IO, "read %s", path);
		if (n > 0 && !room)
			return kk_fail(err, KK_E_TOO_BIG, "%s is larger than %zu bytes", path,
				buf->max);
		if (room)
			kk_buf_added(buf, (size_t)n);
		if (n == 0)
			return 0;
	}
}

int kk_file_read(const char *path, struct kk_buf *buf, struct kk_err *err)
{
	kk_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return kk_fail_errno(err, KK_E_IO, "open %s", path);
	return kk_fd_read(fd, path, buf, err);
}

/* Of the directory that holds @path: "a" of "a/b", "/" of "/b", nothing of "b". */
static size_t parent_len(const char *path)
{
	const char *slash = strrchr(path, '/');

	return !slash ? 0 : slash == path ? 1 : (size_t)(slash - path);
}

static char *parent_of(const char *path)
{
	size_t len = parent_len(path);

	return len ? kk_xstrndup(path, len) : kk_xstrdup(".");
}

static int parent_open(const char *path)
{
	kk_auto_free char *dir = parent_of(path);

	return open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* EINVAL: a file system that has nothing to sync. */
static int parent_sync(int dir_fd, const char *path, struct kk_err *err)
{
	if (fsync(dir_fd) < 0 && errno != EINVAL)
		return kk_fail_errno(err, KK_E_IO, "sync the directory of %s", path);
	return 0;
}

int kk_name_sync(const char *path, struct kk_err *err)
{
	kk_auto_fd int dir_fd = parent_open(path);

	if (dir_fd < 0)
		return errno == ENOENT ?
			0 :
			kk_fail_errno(err, KK_E_IO, "open the directory of %s", path);
	return parent_sync(dir_fd, path, err);
}

int kk_path_sync(const char *path, const char *top, struct kk_err *err)
{
	kk_auto_free char *at = kk_xstrdup(path);

	do {
		if (kk_name_sync(at, err) < 0)
			return kk_failed(err);
		at[parent_len(at)] = '\0';
	} while (strlen(at) > strlen(top));
	return 0;
}

/* The new content is there and can't be made durable: who is told of a failure finds the old one. */
static void content_restore(const char *path, int old_fd)
{
	kk_auto_free char *temp = kk_xprintf("%s.XXXXXX", path);
	kk_auto_buf text = {0};
	kk_auto_fd int fd = -1;
	struct stat st;

	if (fstat(old_fd, &st) < 0 || kk_fd_read(old_fd, path, &text, NULL) < 0)
		return;
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd >= 0 &&
		(fchmod(fd, st.st_mode & 07777) < 0 ||
			kk_fd_write_all(fd, text.data, text.len) < 0 || rename(temp, path) < 0))
		unlink(temp);
}

int kk_file_replace(const char *path, const void *data, size_t len, mode_t mode, struct kk_err *err)
{
	kk_auto_free char *temp = kk_xprintf("%s.XXXXXX", path);
	kk_auto_fd int fd = mkostemp(temp, O_CLOEXEC);
	kk_auto_fd int dir_fd = -1;
	kk_auto_fd int old_fd = -1;
	bool is_new;

	if (fd < 0)
		return kk_fail_errno(err, KK_E_IO, "create %s", temp);
	/* What may be needed later is open before anything changes. A link is replaced, not followed. */
	dir_fd = parent_open(path);
	if (dir_fd < 0) {
		kk_fail_errno(err, KK_E_IO, "open the directory of %s", path);
		goto undo_temp;
	}
	old_fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	is_new = old_fd < 0 && errno == ENOENT;
	if (old_fd < 0 && !is_new && errno != ELOOP && errno != EACCES) {
		kk_fail_errno(err, KK_E_IO, "open %s", path);
		goto undo_temp;
	}
	if (fchmod(fd, mode) < 0 || kk_fd_write_all(fd, data, len) < 0 || fsync(fd) < 0) {
		kk_fail_errno(err, KK_E_IO, "write %s", temp);
		goto undo_temp;
	}
	if (rename(temp, path) < 0) {
		kk_fail_errno(err, KK_E_IO, "rename %s to %s", temp, path);
		goto undo_temp;
	}
	if (parent_sync(dir_fd, path, err) == 0)
		return 0;
	if (is_new)
		unlink(path);
	else if (old_fd >= 0)
		content_restore(path, old_fd);
	return KK_E_IO;
undo_temp:
	unlink(temp);
	return KK_E_IO;
}

void kk_leftovers_remove(const char *path)
{
	kk_auto_free char *dir = parent_of(path);
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	const struct dirent *entry;
	size_t len = strlen(name);
	kk_auto_dir handle = opendir(dir);

	while (handle && kk_dir_next(handle, &entry) == 1) {
		if (strncmp(entry->d_name, name, len) == 0 && entry->d_name[len] == '.' &&
			strlen(entry->d_name) == len + strlen(".XXXXXX"))
			(void)unlinkat(dirfd(handle), entry->d_name, 0);
	}
}

int kk_file_write(const char *path, const void *data, size_t len, mode_t mode, struct kk_err *err)
{
	kk_auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, mode);

	if (fd < 0)
		return kk_fail_errno(err, KK_E_IO, "create %s", path);
	/* Truncate last: a reader in between sees old or new text, never an empty file. */
	if (kk_fd_write_all(fd, data, len) < 0 || ftruncate(fd, (off_t)len) < 0)
		return kk_fail_errno(err, KK_E_IO, "write %s", path);
	return 0;
}

/* One directory; its mode is what was asked for, whatever umask says and although mkdir ignores setgid. */
static int dir_make_one(const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) == 0) {
		/* Whoever is not in the group would lose the inherited bit by asking for it. */
		if (!(mode & 07000) || (stat(path, &st) == 0 && (st.st_mode & 07777) == mode))
			return 0;
		return chmod(path, mode);
	}
	if (errno != EEXIST)
		return -1;
	if (stat(path, &st) < 0)
		return -1;
	errno = ENOTDIR;
	return S_ISDIR(st.st_mode) ? 0 : -1;
}

/* From the root on, without slashes at its end: the root itself is "". */
static char *path_absolute(const char *path)
{
	kk_auto_free char *here = *path == '/' ? NULL : getcwd(NULL, 0);
	char *whole = here ? kk_xprintf("%s/%s", here, path) : kk_xstrdup(path);

	for (size_t len = strlen(whole); len && whole[len - 1] == '/'; len--)
		whole[len - 1] = '\0';
	return whole;
}

char *kk_path_clean(const char *path)
{
	kk_auto_free char *whole = *path ? path_absolute(path) : NULL, *real = NULL;
	size_t len = whole ? strlen(whole) : 0;

	if (!whole)
		return kk_xstrdup("");
	while (len && !real) {
		kk_auto_free char *head = kk_xstrndup(whole, len);

		real = realpath(head, NULL);
		while (!real && len && whole[--len] != '/')
			;
	}
	return real && real[1] ? kk_xprintf("%s%s", real, whole + len) :
				 kk_xstrdup(whole[len] ? whole + len : "/");
}

int kk_dir_make(const char *path, mode_t mode, struct kk_err *err)
{
	kk_auto_free char *copy = NULL;

	if (dir_make_one(path, mode) == 0)
		return 0;
	if (errno != ENOENT)
		return kk_fail_errno(err, KK_E_IO, "create directory %s", path);
	copy = kk_xstrdup(path);
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (dir_make_one(copy, mode) < 0)
			return kk_fail_errno(err, KK_E_IO, "create directory %s", copy);
		*slash = '/';
	}
	if (dir_make_one(path, mode) < 0)
		return kk_fail_errno(err, KK_E_IO, "create directory %s", path);
	return 0;
}

static int tree_remove_at(int parent, const char *name, dev_t device, struct kk_err *err)
{
	kk_auto_fd int fd = -1;
	kk_auto_fd int list_fd = -1;
	const struct dirent *entry;
	kk_auto_dir dir = NULL;
	struct stat st;
	int r = 0, next;

	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return kk_fail_errno(err, KK_E_IO, "remove %s", name);
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return kk_fail_errno(err, KK_E_IO, "open directory %s", name);
	if (st.st_dev != device)
		return kk_fail(err, KK_E_IO, "%s is a mount point, unmount it first", name);
	list_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	dir = list_fd < 0 ? NULL : fdopendir(list_fd);
	if (!dir)
		return kk_fail_errno(err, KK_E_IO, "read directory %s", name);
	(void)kk_steal_fd(&list_fd); /* the list's now */
	while (r == 0 && (next = kk_dir_next(dir, &entry)) != 0)
		r = next < 0 ? kk_fail_errno(err, KK_E_IO, "read directory %s", name) :
			       tree_remove_at(fd, entry->d_name, device, err);
	if (r < 0)
		return r;
	if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return kk_fail_errno(err, KK_E_IO, "remove directory %s", name);
	return 0;
}

int kk_tree_remove(const char *path, struct kk_err *err)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : kk_fail_errno(err, KK_E_IO, "stat %s", path);
	if (tree_remove_at(AT_FDCWD, path, st.st_dev, err) < 0)
		return kk_wrap(err, "remove %s", path);
	return 0;
}

int kk_dir_next(DIR *dir, const struct dirent **ret_entry)
{
	const struct dirent *entry;

	do {
		errno = 0;
		entry = readdir(dir);
	} while (entry && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
	if (!entry)
		return errno ? -1 : 0;
	*ret_entry = entry;
	return 1;
}

int kk_fd_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

void kk_inotify_each(int fd, kk_inotify_f fn, void *arg)
{
	static _Thread_local char buffer[INOTIFY_BYTES]
		__attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(fd, buffer, sizeof buffer);

	for (const char *p = buffer; p < buffer + n;) {
		const struct inotify_event *event = (const void *)p;

		fn(event, arg);
		p += sizeof *event + event->len;
	}
}

int kk_unix_dial(const char *path, int type, int64_t limit_ms)
{
	const struct timeval limit = {.tv_sec = limit_ms / 1000, .tv_usec = limit_ms % 1000 * 1000};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	kk_auto_fd int fd = -1;

	if (strlen(path) >= sizeof address.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
		(limit_ms > 0 &&
			(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0 ||
				setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) <
					0)) ||
		connect(fd, (const struct sockaddr *)&address, sizeof address) < 0)
		return -1;
	return kk_steal_fd(&fd);
}
