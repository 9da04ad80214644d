/* client/logfile.c - the files that a container's output is kept in: log, log.1, log.2 and so on, the newest first, each with
 * an index of when what was written. They may be rotated at any moment. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kukeon/clock.h>
#include <kukeon/fd.h>
#include <kukeon/logtime.h>
#include <kukeon/mem.h>

enum {
	CHUNK = 64 * 1024,
	GAP = 2, /* names that are missing one behind the other: there are no more. One may be in the middle of a rotation */
	NEXT_TRIES = 100,
	GONE_LOOKS = 3,
	GONE_PAUSE_MS = 5,
};

static int file_open(const char *path, struct cli_logfile *ret_file)
{
	kk_auto_free char *index = kk_xprintf("%s" KK_LOGTIME_SUFFIX, path);
	struct stat st;

	*ret_file = (struct cli_logfile){.fd = open(path, O_RDONLY | O_CLOEXEC), .index_fd = -1};
	if (ret_file->fd < 0)
		return -1;
	if (fstat(ret_file->fd, &st) == 0)
		ret_file->inode = st.st_ino;
	ret_file->index_fd = open(index, O_RDONLY | O_CLOEXEC);
	return 0;
}

static void file_close(struct cli_logfile *file)
{
	kk_closep(&file->fd);
	kk_closep(&file->index_fd);
	file->fd = file->index_fd = -1;
}

int cli_logfiles_open(const char *path, struct cli_logfiles *ret_files)
{
	*ret_files = (struct cli_logfiles){.path = kk_xstrdup(path)};
	for (int n = 0, n_missing = 0; n < CLI_LOGFILES_MAX && n_missing < GAP; n++) {
		kk_auto_free char *name = kk_logfile_path(path, n, "");
		struct cli_logfile file;

		if (file_open(name, &file) < 0) {
			n_missing++;
			continue;
		}
		n_missing = 0;
		/* It was rotated just now. */
		if (ret_files->n && ret_files->items[ret_files->n - 1].inode == file.inode)
			file_close(&file);
		else
			ret_files->items[ret_files->n++] = file;
	}
	return ret_files->n ? 0 : -1;
}

void cli_logfiles_release(struct cli_logfiles *files)
{
	for (size_t i = 0; i < files->n; i++)
		file_close(&files->items[i]);
	free(files->path);
	*files = (struct cli_logfiles){0};
}

/* --- the index --- */

static int64_t entries(const struct cli_logfile *file)
{
	struct stat st;

	return file->index_fd >= 0 && fstat(file->index_fd, &st) == 0 ?
		st.st_size / KK_LOGTIME_LINE :
		0;
}

static bool entry_read(const struct cli_logfile *file, int64_t i, struct kk_logtime *ret_entry)
{
	char line[KK_LOGTIME_LINE];

	return i >= 0 && file->index_fd >= 0 &&
		pread(file->index_fd, line, sizeof line, i * KK_LOGTIME_LINE) == sizeof line &&
		kk_logtime_parse(line, ret_entry) == 0;
}

/* The first entry of that time or a later one. */
static int64_t entry_since(const struct cli_logfile *file, int64_t time)
{
	int64_t low = 0, high = entries(file);
	struct kk_logtime entry;

	while (low < high) {
		int64_t middle = low + (high - low) / 2;

		/* What is damaged tells nothing: rather too much is shown. */
		if (entry_read(file, middle, &entry) && entry.time < time)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* --- where to begin --- */

static off_t size_of(const struct cli_logfile *file)
{
	struct stat st;

	return fstat(file->fd, &st) == 0 ? st.st_size : 0;
}

/* Back to the start of the line that @at is in; one that is very long is cut. */
static off_t line_start(const struct cli_logfile *file, off_t at)
{
	char chunk[CHUNK];
	off_t from = at > CHUNK ? at - CHUNK : 0;
	ssize_t got = pread(file->fd, chunk, (size_t)(at - from), from);
	const char *newline = got > 0 ? memrchr(chunk, '\n', (size_t)got) : NULL;

	if (newline)
		return from + (newline - chunk) + 1;
	return from == 0 ? 0 : at;
}

void cli_logfiles_since(struct cli_logfiles *files, int64_t time)
{
	for (size_t i = 0; i < files->n; i++) {
		struct cli_logfile *file = &files->items[i];
		struct kk_logtime entry;
		int64_t n = entry_since(file, time);

		if (n == 0)
			continue;
		/* Somebody may have emptied it since. */
		if (!entry_read(file, n, &entry))
			entry.at = size_of(file);
		if (entry_read(file, n - 1, &(struct kk_logtime){0}) && entry.at <= size_of(file))
			file->from = n < entries(file) ? line_start(file, entry.at) : entry.at;
	}
}

/* The place behind which @file has the last *@n lines; those that it has are taken off *@n. A last one without its end
 * counts where @is_newest. */
static off_t lines_back(const struct cli_logfile *file, bool is_newest, long long *n)
{
	char chunk[CHUNK];
	off_t end = size_of(file);
	bool is_first = is_newest;

	while (end > file->from) {
		off_t start = end - file->from > CHUNK ? end - CHUNK : file->from;
		ssize_t got = pread(file->fd, chunk, (size_t)(end - start), start);

		if (got <= 0)
			break;
		for (ssize_t i = got; i-- > 0;) {
			bool is_end = chunk[i] == '\n' && !is_first;

			is_first = false;
			if (is_end && --*n <= 0)
				return start + i + 1;
		}
		end = start;
	}
	return file->from;
}

void cli_logfiles_tail(struct cli_logfiles *files, long long n)
{
	bool is_newest = true;

	for (size_t i = 0; i < files->n; i++) {
		struct cli_logfile *file = &files->items[i];
		bool is_empty = size_of(file) <= file->from;

		if (n > 0)
			file->from = lines_back(file, is_newest, &n);
		else
			file->from = size_of(file);
		is_newest &= is_empty;
	}
}

/* How many lines there are of the one stream that is looked at. */
static int lines_count(const struct cli_logfiles *files, int stream, long long *ret_n,
	struct kk_err *err)
{
	struct cli_logview view = {.stream = stream, .is_counting = true};

	for (size_t i = files->n; i-- > 0;) {
		struct cli_logfile copy = files->items[i];

		if (cli_logfile_show(&view, &copy, err) < 0)
			return kk_failed(err);
	}
	*ret_n = view.n_lines + view.is_amid;
	return 0;
}

int cli_logfiles_stream_tail(const struct cli_logfiles *files, struct cli_logview *view,
	long long n, struct kk_err *err)
{
	long long n_all;

	if (lines_count(files, view->stream, &n_all, err) < 0)
		return kk_failed(err);
	view->n_skipped = n_all > n ? n_all - n : 0;
	return 0;
}

/* --- showing --- */

static int out(const char *data, size_t len, struct kk_err *err)
{
	return kk_fd_write_wait(STDOUT_FILENO, data, len) < 0 ?
		kk_fail_errno(err, KK_E_IO, "write to standard output") :
		0;
}

static int time_out(const struct kk_logtime *entry, struct kk_err *err)
{
	char text[KK_TIME_TEXT] = "-";

	if (entry->time != KK_TIME_ZERO)
		kk_time_format(entry->time, text);
	return out(text, strlen(text), err) < 0 ? kk_failed(err) : out(" ", 1, err);
}

/* Each line with the time of its first byte. */
static int stamped(struct cli_logview *view, const struct kk_logtime *entry, const char *data,
	size_t len, struct kk_err *err)
{
	while (len) {
		const char *newline = memchr(data, '\n', len);
		size_t n = newline ? (size_t)(newline + 1 - data) : len;

		if ((!view->is_amid && time_out(entry, err) < 0) || out(data, n, err) < 0)
			return kk_failed(err);
		view->is_amid = !newline;
		data += n;
		len -= n;
	}
	return 0;
}

static void piece_count(struct cli_logview *view, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		view->n_lines += data[i] == '\n';
	view->is_amid = data[len - 1] != '\n';
}

/* What is behind the lines that are not to be shown. */
static const char *piece_skip(struct cli_logview *view, const char *data, const char *end)
{
	while (view->n_skipped && data < end) {
		const char *newline = memchr(data, '\n', (size_t)(end - data));

		view->n_skipped -= newline != NULL;
		data = newline ? newline + 1 : end;
	}
	return data;
}

static int piece_show(struct cli_logview *view, const struct kk_logtime *entry, const char *data,
	size_t len, struct kk_err *err)
{
	const char *end = data + len;

	if (view->stream >= 0 && entry->stream != (enum kk_stream)view->stream)
		return 0;
	if (view->is_counting) {
		piece_count(view, data, len);
		return 0;
	}
	data = piece_skip(view, data, end);
	len = (size_t)(end - data);
	return view->has_times ? stamped(view, entry, data, len, err) : out(data, len, err);
}

/* By the index: @data lies at @at. */
static int indexed_show(struct cli_logview *view, struct cli_logfile *file, off_t at,
	const char *data, size_t len, struct kk_err *err)
{
	struct kk_logtime entry = {.time = KK_TIME_ZERO}, next;

	(void)entry_read(file, file->entry - 1, &entry);
	while (len) {
		size_t n = len;

		while (entry_read(file, file->entry, &next) && next.at <= at) {
			entry = next;
			file->entry++;
		}
		if (entry_read(file, file->entry, &next) && next.at < at + (off_t)len)
			n = (size_t)(next.at - at);
		if (piece_show(view, &entry, data, n, err) < 0)
			return kk_failed(err);
		at += (off_t)n;
		data += n;
		len -= n;
	}
	return 0;
}

int cli_logfile_show(struct cli_logview *view, struct cli_logfile *file, struct kk_err *err)
{
	bool needs_index = view->has_times || view->stream >= 0;
	char chunk[CHUNK];
	ssize_t n;

	/* Somebody has emptied it. */
	if (size_of(file) < file->from)
		file->from = file->entry = 0;
	while ((n = pread(file->fd, chunk, sizeof chunk, file->from)) > 0) {
		int r = needs_index ? indexed_show(view, file, file->from, chunk, (size_t)n, err) :
				      out(chunk, (size_t)n, err);

		if (r < 0)
			return r;
		file->from += n;
	}
	return n < 0 ? kk_fail_errno(err, KK_E_IO, "read the log") : 0;
}

/* --- following --- */

/* The number of the file with that inode by now, or -1: then *@ret_last is the number of the oldest, or -1. */
static int place_of(const struct cli_logfiles *files, ino_t inode, int *ret_last)
{
	struct stat st;

	*ret_last = -1;
	for (int n = 0, n_missing = 0; n < CLI_LOGFILES_MAX && n_missing < GAP; n++) {
		kk_auto_free char *name = kk_logfile_path(files->path, n, "");

		if (stat(name, &st) < 0) {
			n_missing++;
			continue;
		}
		n_missing = 0;
		*ret_last = n;
		if (st.st_ino == inode)
			return n;
	}
	return -1;
}

/* Not a single one is there, nor will be in a moment. */
static bool is_gone(const struct cli_logfiles *files)
{
	struct stat st;
	int last;

	if (fstat(files->items[0].fd, &st) < 0 || st.st_nlink > 0)
		return false;
	for (int i = 0; i < GONE_LOOKS; i++) {
		if (place_of(files, 0, &last) >= 0 || last >= 0)
			return false;
		cli_pause(GONE_PAUSE_MS);
	}
	return true;
}

/* The one behind the current one: that before it in number, or the oldest where the current one is not kept any more. It may
 * move while we look. */
static int next_open(const struct cli_logfiles *files, struct cli_logfile *ret_next)
{
	ino_t inode = files->items[0].inode;

	for (int i = 0; i < NEXT_TRIES; i++) {
		kk_auto_free char *name = NULL;
		int last, later, place = place_of(files, inode, &last);

		if (place == 0 || (place < 0 && last < 0))
			return -1;
		name = kk_logfile_path(files->path, place > 0 ? place - 1 : last, "");
		if (file_open(name, ret_next) < 0)
			continue;
		if (place_of(files, inode, &later) == place && (place > 0 || later == last))
			return 0;
		file_close(ret_next);
	}
	return -1;
}

int cli_logfiles_next(struct cli_logfiles *files, struct cli_logview *view, struct kk_err *err)
{
	struct cli_logfile *current = &files->items[0], next;
	int last;

	if (place_of(files, current->inode, &last) == 0)
		return CLI_LOG_SAME;
	/* Nothing is written to it any more. That may take its time, if the reader does. */
	if (cli_logfile_show(view, current, err) < 0)
		return kk_failed(err);
	if (next_open(files, &next) < 0)
		return is_gone(files) ? CLI_LOG_GONE : CLI_LOG_SAME;
	file_close(current);
	*current = next;
	return CLI_LOG_NEXT;
}
