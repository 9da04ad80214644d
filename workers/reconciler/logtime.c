/* workers/reconciler/logtime.c - when a container wrote what. The shim appends its output to a file, and nobody of ours is in
 * its way; we are told that the file grows, and note how long it is, at most once a second. Logs that do not grow cost
 * nothing. What is written while there is no kukeond is known to lie between two notes. */
#include "rc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kukeon/buf.h>
#include <kukeon/clock.h>
#include <kukeon/fd.h>
#include <kukeon/log.h>
#include <kukeon/logtime.h>
#include <kukeon/loop.h>
#include <kukeon/mem.h>

enum { NOTE_MS = 1000, READ_MAX = 2 * KK_LOGTIME_MAX };

struct watched {
	struct watched *next;
	int wd;
	char *path; /* of the log */
	bool is_grown;
};

static struct {
	bool is_open; /* or could not be opened */
	int inotify_fd;
	struct kk_watch *watch;
	struct kk_timer *timer;
	struct watched *logs;
} logs = {.inotify_fd = -1};

/* --- the index --- */

/* Not synced: after a power cut less is known of when. */
static void index_thin(const char *path)
{
	kk_auto_free char *new_path = kk_xprintf("%s.new", path);
	kk_auto_buf text = {.max = READ_MAX};
	struct kk_err ignored = {0};

	if (kk_file_read(path, &text, NULL) < 0 || !text.data)
		return;
	text.len = kk_logtime_thin((char *)text.data, text.len);
	if (kk_file_write(new_path, text.data, text.len, 0640, &ignored) < 0 ||
		rename(new_path, path) < 0)
		unlink(new_path);
}

static void note(const char *log)
{
	kk_auto_free char *path = kk_xprintf("%s" KK_LOGTIME_SUFFIX, log);
	kk_auto_fd int fd = -1;
	char line[KK_LOGTIME_LINE + 1];
	struct stat st, index;

	if (stat(log, &st) < 0)
		return;
	kk_logtime_format(kk_time_now(), st.st_size, line);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (fd < 0 || fstat(fd, &index) < 0) {
		kk_debug("%s: %m", path);
		return;
	}
	/* Half a line is of somebody who died, or had no room. */
	if ((index.st_size % KK_LOGTIME_LINE &&
		    ftruncate(fd, index.st_size - index.st_size % KK_LOGTIME_LINE) < 0) ||
		write(fd, line, KK_LOGTIME_LINE) != KK_LOGTIME_LINE)
		kk_debug("%s: %m", path);
	if (index.st_size >= KK_LOGTIME_MAX)
		index_thin(path);
}

/* --- watching --- */

static struct watched **watched_find(int wd)
{
	struct watched **link = &logs.logs;

	while (*link && (*link)->wd != wd)
		link = &(*link)->next;
	return link;
}

static void watched_drop(struct watched **link)
{
	struct watched *log = *link;

	if (!log)
		return;
	*link = log->next;
	if (log->is_grown)
		note(log->path);
	free(log->path);
	free(log);
}

static void log_on_event(const struct inotify_event *event, void *arg)
{
	struct watched **link = watched_find(event->wd);

	(void)arg;
	if (event->mask & IN_IGNORED)
		watched_drop(link);
	else if (*link)
		(*link)->is_grown = true;
	/* More happened than the kernel keeps for us. */
	for (struct watched *log = logs.logs; event->mask & IN_Q_OVERFLOW && log; log = log->next)
		log->is_grown = true;
}

/* Logs may grow a thousand times a second: we look once. */
static void inotify_on_read(int fd, unsigned what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	kk_watch_set(logs.watch, 0);
	kk_timer_start(logs.timer, NOTE_MS);
}

static void notes_on_timer(void *arg)
{
	(void)arg;
	kk_inotify_each(logs.inotify_fd, log_on_event, NULL);
	for (struct watched *log = logs.logs; log; log = log->next) {
		if (log->is_grown)
			note(log->path);
		log->is_grown = false;
	}
	kk_watch_set(logs.watch, KK_READ);
}

static void watch_open(void)
{
	logs.is_open = true;
	logs.inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (logs.inotify_fd < 0) {
		kk_warning("logs can't be watched, log --since shows all: %m");
		return;
	}
	logs.timer = kk_timer_new(rc.worker->loop, "log times", notes_on_timer, NULL);
	logs.watch = kk_watch_new(rc.worker->loop, "logs", logs.inotify_fd, KK_READ,
		inotify_on_read, NULL);
	if (!logs.timer || !logs.watch)
		kk_closep(&logs.inotify_fd);
}

static void log_watch(const char *path)
{
	int wd = inotify_add_watch(logs.inotify_fd, path, IN_MODIFY);
	struct watched *log;

	if (wd < 0) {
		if (errno != ENOENT)
			kk_debug("%s is not watched: %m", path);
		return;
	}
	/* The kernel knows one that it watches already. */
	if (*watched_find(wd))
		return;
	log = kk_xalloc(sizeof *log);
	*log = (struct watched){.next = logs.logs, .wd = wd, .path = kk_xstrdup(path)};
	logs.logs = log;
	note(path);
}

static void log_unwatch(const char *path)
{
	for (struct watched **link = &logs.logs; *link; link = &(*link)->next) {
		if (strcmp((*link)->path, path) != 0)
			continue;
		inotify_rm_watch(logs.inotify_fd, (*link)->wd);
		watched_drop(link);
		return;
	}
}

void rc_logtime_watch(const struct kk_cell *cell)
{
	const struct kk_scope scope = kk_doc_scope(KK_KIND_CELL, cell);

	if (rc.worker->config.is_embedded || !rc.worker->loop)
		return;
	if (!logs.is_open)
		watch_open();
	if (logs.inotify_fd < 0)
		return;
	for (size_t i = 0; i < cell->status.containers.n; i++) {
		const struct kk_container_status *status = &cell->status.containers.items[i];
		kk_auto_free char *path = rc_log_path(&scope, status->id);

		if (status->state == KK_CONTAINER_READY)
			log_watch(path);
		else
			log_unwatch(path);
	}
}
