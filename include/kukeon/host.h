/* include/kukeon/host.h - files of the host, by the paths that they have there, for a process that may have another
 * root: a worker of a kukeond that runs in a container. */
#ifndef KK_HOST_H
#define KK_HOST_H

#include <dirent.h>
#include <sys/stat.h>

#include <kukeon/err.h>

struct kk_buf;

/* From now on the host's root is the directory @fd, which is kept: links on the way lead nowhere else. Until then it
 * is our own root. */
void kk_host_set_root(int fd);

/* As open(2) with O_CLOEXEC, without a mode: nothing is made. */
int kk_host_open(const char *path, int flags);

/* As stat(2) and opendir(3). */
int kk_host_stat(const char *path, struct stat *ret_st);
DIR *kk_host_opendir(const char *path);

/* As kk_file_read. */
int kk_host_file_read(const char *path, struct kk_buf *buf, struct kk_err *err);

#endif
