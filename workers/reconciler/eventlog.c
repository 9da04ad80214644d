/* workers/reconciler/eventlog.c - what happened to objects: <run path>/events has one line of JSON for each, numbered
 * without a gap, <run path>/events.1 what was before. The daemon and in-process commands write to the same one, one
 * after the other. It is there to be read and followed: bounded, and not durable. */
#include "rc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <kukeon/buf.h>
#include <kukeon/clock.h>
#include <kukeon/fd.h>
#include <kukeon/log.h>
#include <kukeon/loop.h>
#include <kukeon/mem.h>

enum {
	FILE_MAX = 4 * 1024 * 1024,
	LINES_MAX = 2 * FILE_MAX,
	TAIL_MAX = 64 * 1024, /* what a follower mostly needs; the last number is in it */
	PENDING_MAX = 4096,
	LOCK_RETRY_MS = 5,
	LOCK_TRIES = 8,
	PATIENCE_MS = 500,
};

#define DELETED "Deleted"

struct waiter {
	struct waiter *next;
	struct kk_timer *timer;
	rc_done_f fn;
	void *arg;
};

static struct {
	json_t *pending; /* not yet in the file, in their order */
	struct kk_timer *timer;
	ino_t inode; /* of the file that `last` is of */
	off_t size;
	int64_t last; /* number of the last event */
	struct waiter *waiters;
	int inotify_fd;
	bool is_draining;
} events = {.inotify_fd = -1};

static char *file_path(bool is_former)
{
	return kk_xprintf("%s/events%s", rc.run_path, is_former ? ".1" : "");
}

/* --- reading --- */

/* Append what the file has from @from on. A file that is not there has nothing. */
static void file_read(const char *path, off_t from, struct kk_buf *buf)
{
	kk_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	char part[16 * 1024];
	ssize_t n;

	while (fd >= 0 && buf->len < LINES_MAX && (n = pread(fd, part, sizeof part, from)) > 0) {
		kk_buf_append(buf, part, (size_t)n);
		from += n;
	}
}

/* Add each whole line that makes sense. One that was torn by a death makes none. */
static void lines_parse(const struct kk_buf *buf, bool is_cut, json_t *list)
{
	const char *p = (const char *)buf->data, *end = p + buf->len, *newline;

	if (is_cut) {
		newline = buf->len ? memchr(p, '\n', buf->len) : NULL;
		p = newline ? newline + 1 : end;
	}
	for (; p < end && (newline = memchr(p, '\n', (size_t)(end - p))); p = newline + 1) {
		json_t *event = json_loadb(p, (size_t)(newline - p), 0, NULL);

		if (json_is_integer(json_object_get(event, "sequence")))
			json_array_append(list, event);
		json_decref(event);
	}
}

static int64_t sequence_of(const json_t *event)
{
	return json_integer_value(json_object_get(event, "sequence"));
}

/* The end of the log: at least all behind @since, where it is kept. */
static json_t *tail_read(int64_t since)
{
	kk_auto_free char *path = file_path(false), *former = file_path(true);
	kk_auto_buf text = {0};
	json_t *list = json_array();
	struct stat st = {0};
	off_t from;

	(void)stat(path, &st);
	from = st.st_size > TAIL_MAX ? st.st_size - TAIL_MAX : 0;
	file_read(path, from, &text);
	lines_parse(&text, from > 0, list);
	if (json_array_size(list) && sequence_of(json_array_get(list, 0)) <= since + 1)
		return list;
	json_array_clear(list);
	kk_buf_clear(&text);
	file_read(former, 0, &text);
	lines_parse(&text, false, list);
	kk_buf_clear(&text);
	file_read(path, 0, &text);
	lines_parse(&text, false, list);
	return list;
}

json_t *rc_events_read(int64_t since, int64_t *ret_last, int64_t *ret_missed)
{
	kk_auto_json *all = tail_read(since);
	json_t *list = json_array(), *event;
	int64_t first = 0, last = 0;
	size_t i;

	json_array_foreach (all, i, event) {
		last = sequence_of(event);
		first = first ? first : last;
		if (last > since)
			json_array_append(list, event);
	}
	/* Who has seen more than there is follows a log that is gone: all of this one is new. */
	if (since > last) {
		json_array_clear(list);
		json_array_extend(list, all);
	}
	*ret_missed = since > last ? -1 : since >= 0 && first > since + 1 ? first - since - 1 : 0;
	*ret_last = last;
	return list;
}

/* --- writing --- */

enum { BUSY = -2 };

/* The current file, locked. BUSY: another process has it; -1: it can't be had at all. */
static int file_lock(const char *path)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	for (int i = 0; i < LOCK_TRIES; i++) {
		kk_auto_fd int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
		struct stat own, there;

		if (fd < 0 || fcntl(fd, F_OFD_SETLK, &lock) < 0)
			return fd >= 0 && (errno == EAGAIN || errno == EACCES) ? BUSY : -1;
		/* Another process may have put it away meanwhile. */
		if (fstat(fd, &own) == 0 && stat(path, &there) == 0 && own.st_ino == there.st_ino)
			return kk_steal_fd(&fd);
	}
	return -1;
}

/* The number of the last event, and a whole last line. */
static void last_find(int fd)
{
	kk_auto_json *list = NULL;
	struct stat st;
	char byte = '\n';
	size_t n;

	if (fstat(fd, &st) < 0 || (st.st_ino == events.inode && st.st_size == events.size))
		return;
	if (st.st_size > 0 && pread(fd, &byte, 1, st.st_size - 1) == 1 && byte != '\n')
		(void)!write(fd, "\n", 1);
	list = tail_read(INT64_MAX - 1);
	n = json_array_size(list);
	events.last = n ? sequence_of(json_array_get(list, n - 1)) : 0;
}

static void put_away(const char *path, int *fd)
{
	kk_auto_free char *former = file_path(true);
	struct stat st;

	if (fstat(*fd, &st) < 0 || st.st_size < FILE_MAX || rename(path, former) < 0)
		return;
	close(*fd);
	*fd = file_lock(path);
}

/* Returns whether another process is writing, and will be done in a moment. */
static bool flush(void)
{
	kk_auto_free char *path = file_path(false);
	kk_auto_fd int fd = file_lock(path);
	kk_auto_buf lines = {0};
	struct stat st;
	json_t *event;
	size_t i;

	if (fd < 0)
		return fd == BUSY;
	last_find(fd);
	put_away(path, &fd);
	if (fd < 0)
		return fd == BUSY;
	json_array_foreach (events.pending, i, event) {
		kk_auto_free char *line = NULL;

		json_object_set_new(event, "sequence", json_integer(++events.last));
		line = json_dumps(event, JSON_COMPACT);
		kk_buf_printf(&lines, "%s\n", line);
	}
	if (kk_fd_write_all(fd, lines.data, lines.len) < 0)
		kk_warning("events are not in the log: %m");
	json_array_clear(events.pending);
	if (fstat(fd, &st) == 0) {
		events.inode = st.st_ino;
		events.size = st.st_size;
	}
	return false;
}

static void flush_on_timer(void *arg)
{
	(void)arg;
	(void)flush();
	if (json_array_size(events.pending))
		kk_timer_start(events.timer, LOCK_RETRY_MS);
}

/* An in-process command is over before a timer could matter. */
static void flush_now(void)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	for (int i = 0; flush() && i < PATIENCE_MS; i++)
		nanosleep(&pause, NULL);
}

static void event_put(json_t *event)
{
	if (!events.pending)
		events.pending = json_array();
	if (json_array_size(events.pending) < PENDING_MAX)
		json_array_append_new(events.pending, event);
	else
		json_decref(event);
	if (rc.worker->config.is_embedded)
		flush_now();
	else
		(void)flush();
	if (!json_array_size(events.pending) || !rc.worker->loop)
		return;
	if (!events.timer)
		events.timer = kk_timer_new(rc.worker->loop, "events", flush_on_timer, NULL);
	if (events.timer)
		kk_timer_start(events.timer, LOCK_RETRY_MS);
}

void rc_event(const struct kk_scope *scope, const char *container, const char *reason,
	const char *format, ...)
{
	enum kk_kind kind = container ? KK_KIND_CONTAINER : rc_scope_kind(scope);
	kk_auto(kk_event_release) struct kk_event event = {
		.time = kk_time_now(),
		.kind = kk_xstrdup(kk_kind_name(kind)),
		.realm = kk_xstrdup(scope->realm),
		.space = kk_xstrdup(kk_str(scope->space)),
		.stack = kk_xstrdup(kk_str(scope->stack)),
		.cell = kk_xstrdup(kk_str(scope->cell)),
		.container = kk_xstrdup(kk_str(container)),
		.reason = kk_xstrdup(reason),
	};
	va_list args;

	va_start(args, format);
	event.message = kk_vprintf(format, args);
	va_end(args);
	event_put(kk_json_encode(kk_schema_of_event(), &event, KK_JSON_API));
}

/* --- what the saving of a document tells --- */

static int state_of(enum kk_kind kind, const void *doc)
{
	switch (kind) {
	case KK_KIND_REALM:
		return ((const struct kk_realm *)doc)->status.state;
	case KK_KIND_SPACE:
		return ((const struct kk_space *)doc)->status.state;
	case KK_KIND_STACK:
		return ((const struct kk_stack *)doc)->status.state;
	default:
		return ((const struct kk_cell *)doc)->status.state;
	}
}

static const struct kk_strs *changes_of(enum kk_kind kind, const void *doc)
{
	switch (kind) {
	case KK_KIND_REALM:
		return &((const struct kk_realm *)doc)->intent.changes;
	case KK_KIND_SPACE:
		return &((const struct kk_space *)doc)->intent.changes;
	case KK_KIND_STACK:
		return &((const struct kk_stack *)doc)->intent.changes;
	default:
		return &((const struct kk_cell *)doc)->intent.changes;
	}
}

static void updated_tell(const struct kk_scope *scope, enum kk_kind kind, const void *doc)
{
	const struct kk_strs *changes = changes_of(kind, doc);
	kk_auto_buf text = {0};

	for (size_t i = 0; i < changes->n; i++)
		kk_buf_printf(&text, "%s%s", i ? "; " : "", changes->items[i]);
	/* What is filled in while an object comes up is nobody's change. */
	if (text.len)
		rc_event(scope, NULL, "Updated", "%s", (char *)text.data);
}

static void container_tell(const struct kk_scope *scope, const struct kk_container_status *before,
	const struct kk_container_status *now)
{
	const char *name = kk_state_name(KK_KIND_CONTAINER, now->state);
	const char *former = before ? kk_state_name(KK_KIND_CONTAINER, before->state) : "Pending";
	const char *why = kk_str_empty(now->reason) ? kk_str(now->exit_signal) : now->reason;

	if (before && now->restart_count > before->restart_count)
		rc_event(scope, now->id, "Restarting", "restart %lld",
			(long long)now->restart_count);
	if (before ? before->state == now->state : now->state == KK_CONTAINER_NOT_CREATED)
		return;
	if (now->state == KK_CONTAINER_EXITED || now->state == KK_CONTAINER_ERROR)
		rc_event(scope, now->id, name, "%s -> %s, exit status %lld%s%s%s", former, name,
			(long long)now->exit_code, *why ? " (" : "", why, *why ? ")" : "");
	else
		rc_event(scope, now->id, name, "%s -> %s", former, name);
}

static void containers_tell(const struct kk_scope *scope, const struct kk_cell *before,
	const struct kk_cell *now)
{
	for (size_t i = 0; i < now->status.containers.n; i++) {
		const struct kk_container_status *status = &now->status.containers.items[i];

		container_tell(scope,
			before ? kk_cell_container_status((struct kk_cell *)before, status->id) :
				 NULL,
			status);
	}
	for (size_t i = 0; before && i < before->spec.containers.n; i++) {
		const char *id = before->spec.containers.items[i].id;

		if (!kk_cell_container(now, id))
			rc_event(scope, id, DELETED, "container deleted");
	}
}

void rc_event_saved(const struct kk_scope *scope, const void *before, const void *now,
	bool is_spec_new)
{
	enum kk_kind kind = rc_scope_kind(scope);
	int state = state_of(kind, now), former = before ? state_of(kind, before) : -1;
	const struct kk_cell *cell = kind == KK_KIND_CELL ? now : NULL;

	if (!before)
		rc_event(scope, NULL, "Created", "%s created", kk_kind_word(kind));
	else if (is_spec_new)
		updated_tell(scope, kind, now);
	if (cell)
		containers_tell(scope, before, cell);
	if (!before || state == former)
		return;
	rc_event(scope, NULL, kk_state_name(kind, state), "%s -> %s%s%s",
		kk_state_name(kind, former), kk_state_name(kind, state),
		cell && !kk_str_empty(cell->status.message) ? ": " : "",
		cell ? kk_str(cell->status.message) : "");
}

void rc_event_removed(const struct kk_scope *scope, const void *before)
{
	enum kk_kind kind = rc_scope_kind(scope);
	const struct kk_cell *cell = kind == KK_KIND_CELL ? before : NULL;

	for (size_t i = 0; cell && i < cell->spec.containers.n; i++)
		rc_event(scope, cell->spec.containers.items[i].id, DELETED, "container deleted");
	rc_event(scope, NULL, DELETED, "%s deleted", kk_kind_word(kind));
}

/* --- waiting --- */

/* Each is called once: what it waits for may be there now. */
static void waiters_wake(void)
{
	struct waiter *list = events.waiters;

	events.waiters = NULL;
	while (list) {
		struct waiter *waiter = list;

		list = waiter->next;
		kk_timer_free(waiter->timer);
		waiter->fn(NULL, waiter->arg);
		free(waiter);
	}
}

static void waiter_on_timer(void *arg)
{
	struct waiter *waiter = arg, **link = &events.waiters;

	while (*link != waiter)
		link = &(*link)->next;
	*link = waiter->next;
	kk_timer_free(waiter->timer);
	waiter->fn(NULL, waiter->arg);
	free(waiter);
}

static void inotify_on_read(int fd, unsigned what, void *arg)
{
	static char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

	(void)what;
	(void)arg;
	while (read(fd, buffer, sizeof buffer) > 0)
		;
	waiters_wake();
}

/* Of the directory, as the file is put away now and then. Where it can't be watched, waiting is in vain. */
static void watch_begin(void)
{
	if (events.inotify_fd >= 0)
		return;
	events.inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (events.inotify_fd < 0 ||
		inotify_add_watch(events.inotify_fd, rc.run_path, IN_MODIFY | IN_MOVED_TO) < 0 ||
		!kk_watch_new(rc.worker->loop, "events", events.inotify_fd, KK_READ,
			inotify_on_read, NULL))
		kk_warning("%s can't be watched, events come late: %m", rc.run_path);
}

bool rc_events_wait(int64_t ms, rc_done_f fn, void *arg)
{
	struct waiter *waiter;

	if (events.is_draining)
		return false;
	watch_begin();
	waiter = kk_xalloc(sizeof *waiter);
	*waiter = (struct waiter){.next = events.waiters, .fn = fn, .arg = arg};
	waiter->timer = kk_timer_new(rc.worker->loop, "events", waiter_on_timer, waiter);
	events.waiters = waiter;
	if (!waiter->timer)
		kk_out_of_memory();
	kk_timer_start(waiter->timer, ms);
	return true;
}

void rc_events_drain(void)
{
	events.is_draining = true;
	waiters_wake();
}
