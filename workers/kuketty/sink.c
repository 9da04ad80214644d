/* workers/kuketty/sink.c - log, log.1, log.2 and so on, the newest first, each with its index. */
#include "kuketty.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kukeon/auto.h>
#include <kukeon/clock.h>
#include <kukeon/err.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>

/* What is written within a millisecond was written at once. */
enum { TOGETHER_NS = 1000000, SET_BACK_NS = 1000000000 };

#define FRESH ".new"

static const char *const suffixes[] = {KK_LOGTIME_SUFFIX, ""};

static int file_open(const char *path, int64_t *ret_len)
{
	int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	struct stat st;

	*ret_len = fd >= 0 && fstat(fd, &st) == 0 ? st.st_size : 0;
	return fd;
}

/* What somebody before us noted last, for times in a file not to fall. */
static void last_read(struct tty_sink *sink)
{
	char line[KK_LOGTIME_LINE];

	sink->last = (struct kk_logtime){0};
	if (sink->index_len &&
		pread(sink->index_fd, line, sizeof line, sink->index_len - KK_LOGTIME_LINE) ==
			sizeof line)
		(void)kk_logtime_parse(line, &sink->last);
}

static void files_open(struct tty_sink *sink)
{
	kk_auto_free char *index = kk_logfile_path(sink->path, 0, KK_LOGTIME_SUFFIX);

	sink->fd = file_open(sink->path, &sink->len);
	if (sink->fd < 0)
		return;
	sink->index_fd = file_open(index, &sink->index_len);
	/* Half a line is of somebody who died, or had no room. */
	if (sink->index_len % KK_LOGTIME_LINE) {
		sink->index_len -= sink->index_len % KK_LOGTIME_LINE;
		if (ftruncate(sink->index_fd, sink->index_len) < 0)
			kk_debug("%s: %m", index);
	}
	last_read(sink);
}

static void files_close(struct tty_sink *sink)
{
	kk_closep(&sink->fd);
	kk_closep(&sink->index_fd);
	sink->fd = sink->index_fd = -1;
}

void tty_sink_open(struct tty_sink *sink, const struct tty_options *options)
{
	*sink = (struct tty_sink){
		.path = options->log,
		.max_bytes = options->max_bytes,
		.n_files = options->max_files,
		.fd = -1,
		.index_fd = -1,
	};
	files_open(sink);
}

/* False: it was not there. */
static bool file_remove(const struct tty_sink *sink, int64_t n, const char *suffix)
{
	kk_auto_free char *path = kk_logfile_path(sink->path, n, suffix);

	return unlink(path) == 0;
}

static void file_shift(const struct tty_sink *sink, int64_t n, const char *suffix)
{
	kk_auto_free char *from = kk_logfile_path(sink->path, n - 1, suffix),
			  *to = kk_logfile_path(sink->path, n, suffix);

	if (rename(from, to) < 0 && errno != ENOENT)
		kk_warning("%s is not rotated: %m", from);
}

static char *fresh_path(const struct tty_sink *sink, const char *suffix)
{
	return kk_xprintf("%s%s" FRESH, sink->path, suffix);
}

/* Both that take the place of the first are made before anything is moved: it may be what can't be done. */
static bool fresh_make(const struct tty_sink *sink, const char *suffix)
{
	kk_auto_free char *fresh = fresh_path(sink, suffix);
	kk_auto_fd int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

	return fd >= 0;
}

/* The first has got its next name before: at no moment is there none. An index that has it already is of a rotation that was
 * cut short: it is that of nearly all. */
static bool fresh_take(const struct tty_sink *sink, const char *suffix)
{
	kk_auto_free char *path = kk_logfile_path(sink->path, 0, suffix),
			  *next = kk_logfile_path(sink->path, 1, suffix),
			  *fresh = fresh_path(sink, suffix);
	bool has_next = sink->n_files <= 1 || link(path, next) == 0 || errno == ENOENT ||
		(errno == EEXIST && *suffix);

	if (!has_next || rename(fresh, path) < 0) {
		unlink(fresh);
		return false;
	}
	return true;
}

/* The last one goes, and those of a time when there were more; each other one gets the next number. Where the first number is
 * free somebody came so far and no further. */
static void others_shift(const struct tty_sink *sink)
{
	kk_auto_free char *first = kk_logfile_path(sink->path, 1, "");

	if (sink->n_files > 1 && access(first, F_OK) < 0)
		return;
	for (int64_t n = sink->n_files - 1; n > 0 && file_remove(sink, n, ""); n++)
		file_remove(sink, n, KK_LOGTIME_SUFFIX);
	for (int64_t n = sink->n_files - 1; n > 1; n--) {
		for (size_t i = 0; i < KK_COUNT(suffixes); i++)
			file_shift(sink, n, suffixes[i]);
	}
}

/* Where it can't be done the old one grows, as far as it can. */
static void rotate(struct tty_sink *sink)
{
	bool is_done = fresh_make(sink, suffixes[0]) && fresh_make(sink, suffixes[1]);
	int cause = errno;

	if (is_done) {
		files_close(sink);
		others_shift(sink);
		for (size_t i = 0; i < KK_COUNT(suffixes); i++)
			is_done &= fresh_take(sink, suffixes[i]);
		cause = errno;
		files_open(sink);
	}
	errno = cause;
	if (!is_done && !sink->is_stuck)
		kk_warning("%s is not rotated: %m", sink->path);
	sink->is_stuck = !is_done;
}

/* Somebody may have emptied it by hand. */
static void emptied_look(struct tty_sink *sink)
{
	struct stat st;

	if (fstat(sink->fd, &st) < 0 || st.st_size >= sink->len)
		return;
	sink->len = st.st_size;
	sink->index_len = 0;
	sink->last = (struct kk_logtime){0};
	if (sink->index_fd >= 0 && ftruncate(sink->index_fd, 0) < 0)
		kk_debug("empty the index of %s: %m", sink->path);
}

/* Before what it is about: who reads both finds none without it. */
static void index_note(struct tty_sink *sink, enum kk_stream stream)
{
	struct kk_logtime entry = {kk_time_now(), sink->len, stream};
	char line[KK_LOGTIME_LINE + 1];

	/* A clock may be set, if only by a little: times in a file do not fall. */
	if (entry.time < sink->last.time)
		entry.time = sink->last.time;
	if (sink->index_fd < 0 ||
		(sink->last.time && stream == sink->last.stream &&
			entry.time - sink->last.time < TOGETHER_NS))
		return;
	kk_logtime_format(&entry, line);
	if (write(sink->index_fd, line, KK_LOGTIME_LINE) != KK_LOGTIME_LINE) {
		/* The next one must begin where a line does. */
		if (ftruncate(sink->index_fd, sink->index_len) < 0)
			kk_debug("cut the index of %s: %m", sink->path);
		return;
	}
	sink->index_len += KK_LOGTIME_LINE;
	sink->last = entry;
}

static void lose(struct tty_sink *sink, size_t len)
{
	if (!sink->n_lost)
		kk_error("%s can't be written: %m", sink->path);
	sink->n_lost += (int64_t)len;
	sink->lost_errno = errno;
}

/* Returns how much was written. */
static size_t append(struct tty_sink *sink, enum kk_stream stream, const char *data, size_t len)
{
	size_t done = 0;

	index_note(sink, stream);
	while (done < len) {
		ssize_t n = write(sink->fd, data + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	sink->len += (int64_t)done;
	return done;
}

/* There is room again: what is missing is told where it is missing. */
static void loss_tell(struct tty_sink *sink)
{
	kk_auto_free char *text = kk_xprintf("\n[kuketty: %lld bytes are lost: %s]\n",
		(long long)sink->n_lost, kk_errno_text(sink->lost_errno));
	size_t len = strlen(text);

	if (append(sink, KK_STREAM_ERR, text, len) < len)
		return;
	kk_warning("%lld bytes are lost", (long long)sink->n_lost);
	sink->n_lost = 0;
}

static void part_write(struct tty_sink *sink, enum kk_stream stream, const char *data, size_t len)
{
	size_t done;

	if (sink->fd < 0)
		files_open(sink);
	if (sink->fd < 0) {
		lose(sink, len);
		return;
	}
	emptied_look(sink);
	if (sink->n_lost)
		loss_tell(sink);
	done = sink->n_lost ? 0 : append(sink, stream, data, len);
	if (done < len)
		lose(sink, len - done);
}

/* How much of @len bytes is for the file that is there: up to the end of a line, where there is one. */
static size_t room_for(const struct tty_sink *sink, const char *data, size_t len)
{
	int64_t room = sink->max_bytes - sink->len - sink->index_len - KK_LOGTIME_LINE;
	const char *end;

	if (!sink->max_bytes || room >= (int64_t)len)
		return len;
	if (room <= 0)
		return 0;
	end = memrchr(data, '\n', (size_t)room);
	return end ? (size_t)(end + 1 - data) : 0;
}

/* One whose times would not be true for long makes room for another, where there may be several. */
static bool is_set_back(const struct tty_sink *sink)
{
	return sink->max_bytes && sink->n_files > 1 &&
		sink->last.time - kk_time_now() > SET_BACK_NS && sink->len;
}

void tty_sink_write(struct tty_sink *sink, enum kk_stream stream, const char *data, size_t len)
{
	size_t n = is_set_back(sink) ? 0 : room_for(sink, data, len);

	if (n)
		part_write(sink, stream, data, n);
	if (n == len)
		return;
	/* One that is empty takes it, however long it is. */
	if (sink->len)
		rotate(sink);
	part_write(sink, stream, data + n, len - n);
}

void tty_sink_close(struct tty_sink *sink)
{
	if (sink->fd >= 0 && sink->n_lost)
		loss_tell(sink);
	files_close(sink);
}
