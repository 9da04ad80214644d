/* include/kukeon/clock.h - time: monotonic for deadlines, wall clock for what users read. */
#ifndef KK_CLOCK_H
#define KK_CLOCK_H

#include <stddef.h>
#include <stdint.h>

enum { KK_TIME_TEXT = 40 };

/* Wall-clock times are nanoseconds since 1970 UTC; this is Go's zero time, year 1. */
#define KK_TIME_ZERO INT64_MIN

int64_t kk_clock_ms(void); /* CLOCK_BOOTTIME: the same in every process of one boot */
int64_t kk_clock_us(void);
int64_t kk_time_now(void);

/* RFC 3339 UTC with up to nine fractional digits, as Go prints it. @buf of KK_TIME_TEXT bytes. */
void kk_time_format(int64_t time, char *buf);

/* Parse RFC 3339. Returns 0, or -1 where @s is no such time. */
int kk_time_parse(const char *s, int64_t *ret_time);

/* Parse a Go duration such as 1m30s, 500ms, 0. Returns 0 or -1. */
int kk_duration_parse(const char *s, int64_t *ret_ms);

#endif
