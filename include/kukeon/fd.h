/* include/kukeon/fd.h - files and descriptors: whole reads and writes, durable replacement. */
#ifndef KK_FD_H
#define KK_FD_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <kukeon/auto.h>
#include <kukeon/err.h>

struct kk_buf;

/* Write all of it, whatever interrupts. Returns 0 or -1 with errno. */
int kk_fd_write_all(int fd, const void *data, size_t len);
/* The same to a descriptor of somebody else, which may be one that does not wait: we do. */
int kk_fd_write_wait(int fd, const void *data, size_t len);

/* Append the whole file, or what is left of it, to @buf; @path is for errors. Fails with KK_E_IO (errno kept),
 * KK_E_TOO_BIG or KK_E_NOMEM. */
int kk_fd_read(int fd, const char *path, struct kk_buf *buf, struct kk_err *err);
int kk_file_read(const char *path, struct kk_buf *buf, struct kk_err *err);

/* Replace the file so that a crash or power cut leaves the old content or the new, never less: unique
 * temporary file, fsync, rename, fsync of the directory. Fails with KK_E_IO; then @path is as before. */
int kk_file_replace(const char *path, const void *data, size_t len, mode_t mode,
	struct kk_err *err);

/* Remove what an interrupted kk_file_replace of @path left beside it. For those who know that nobody else is
 * about to replace it. */
void kk_leftovers_remove(const char *path);

/* A name that was made, changed or removed is so on disk only once its directory is synced: the one of @path,
 * or that and all above it up to @top. A directory that is not there is fine. Fails with KK_E_IO. */
int kk_name_sync(const char *path, struct kk_err *err);
int kk_path_sync(const char *path, const char *top, struct kk_err *err);

/* Write in place, keeping the inode (a bind mount may show it). Not durable. */
int kk_file_write(const char *path, const void *data, size_t len, mode_t mode, struct kk_err *err);

/* @path from the root on, whether it is there or not: without a slash at its end, and without links as far as it is there. One
 * that is empty stays so. The caller frees it. */
char *kk_path_clean(const char *path);

/* mkdir -p. Existing directories keep their mode. */
int kk_dir_make(const char *path, mode_t mode, struct kk_err *err);

/* rm -rf that neither follows links nor crosses mounts. A missing @path is fine. */
int kk_tree_remove(const char *path, struct kk_err *err);

/* The next entry that is neither "." nor "..": 1, 0 at the end, -1 with errno. */
int kk_dir_next(DIR *dir, const struct dirent **ret_entry);

static inline void kk_closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

#define kk_auto_dir kk_auto(kk_closedirp) DIR *

int kk_fd_nonblock(int fd);

/* Connect to whoever listens at a Unix socket of this @type: the descriptor, which is the caller's, or -1 with errno, ENAMETOOLONG for a
 * @path that no socket can have. Neither this nor a call on it takes longer than @limit_ms; 0: as long as it takes. */
int kk_unix_dial(const char *path, int type, int64_t limit_ms);

/* Call @fn with the events that a non-blocking inotify descriptor has by now, or with the first 16 KiB of them. */
struct inotify_event;
typedef void (*kk_inotify_f)(const struct inotify_event *event, void *arg);
void kk_inotify_each(int fd, kk_inotify_f fn, void *arg);

#endif
