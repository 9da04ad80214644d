/* tests/support/clock.h - a clock that stands still: it takes the place of libc's in the program that
 * includes this, so that what is written and shown does not depend on when it runs. */
#ifndef KK_TESTS_CLOCK_H
#define KK_TESTS_CLOCK_H

#include <stdint.h>
#include <time.h>

/* 2026-05-04T09:30:00Z */
#define CLOCK_START_NS INT64_C(1777887000000000000)

static int64_t clock_now_ns = CLOCK_START_NS;

int clock_gettime(clockid_t id, struct timespec *ret_now)
{
	(void)id;
	ret_now->tv_sec = clock_now_ns / 1000000000;
	ret_now->tv_nsec = clock_now_ns % 1000000000;
	return 0;
}

#endif
