/* include/kukeon/logtime.h - when a container wrote what: beside its log, which is its output and nothing else, an index of
 * how long that log was at which time. A line is "<time> <bytes>", both with 19 digits; later lines have later times. */
#ifndef KK_LOGTIME_H
#define KK_LOGTIME_H

#include <stddef.h>
#include <stdint.h>

#define KK_LOGTIME_SUFFIX ".times" /* behind the path of the log */

enum {
	KK_LOGTIME_LINE = 40,
	KK_LOGTIME_MAX = 4097 * KK_LOGTIME_LINE, /* from there on it is thinned */
};

/* @line: KK_LOGTIME_LINE + 1 bytes. */
void kk_logtime_format(int64_t time, int64_t bytes, char *line);

/* How long the log was at @time at least: nothing before that byte was written later. 0 where the index @text does not
 * go back so far, or is damaged. */
int64_t kk_logtime_find(const char *text, size_t len, int64_t time);

/* Drop every second line of the older half, in place: what is long ago is known less exactly. Returns the new length. */
size_t kk_logtime_thin(char *text, size_t len);

#endif
