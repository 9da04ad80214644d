/* include/kukeon/logtime.h - when a container wrote what, and to which of its outputs: beside its log, which is what it wrote
 * and nothing else, an index. A line is "<time> <byte> <o or e>", with 19 digits each: what lies from that byte on was written
 * at that time, in ns, or up to a moment later. Later lines have no earlier times, and later bytes. */
#ifndef KK_LOGTIME_H
#define KK_LOGTIME_H

#include <stddef.h>
#include <stdint.h>

#define KK_LOGTIME_SUFFIX ".times" /* behind the path of the log */

/* The file of a log that is the @n-th by age, 0 being the one that is written, or what belongs to it by @suffix. The caller
 * frees it. */
char *kk_logfile_path(const char *log, int64_t n, const char *suffix);

enum kk_stream { KK_STREAM_OUT, KK_STREAM_ERR };

enum { KK_LOGTIME_LINE = 42 };

struct kk_logtime {
	int64_t time;
	int64_t at;
	enum kk_stream stream;
};

/* @line: KK_LOGTIME_LINE + 1 bytes. */
void kk_logtime_format(const struct kk_logtime *entry, char *line);

/* 0, or -1 for what is no such line. */
int kk_logtime_parse(const char *line, struct kk_logtime *ret_entry);

#endif
