/* tests/unit/test_logtime.c - when a container wrote what. */
#include <kukeon/logtime.h>

#include <stdio.h>
#include <string.h>

#include "../support/check.h"

static char text[64 * KK_LOGTIME_LINE];

/* Lines at 1000, 2000, …, when the log had 10, 20, … bytes. */
static size_t index_make(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char line[KK_LOGTIME_LINE + 1];

		kk_logtime_format((int64_t)(i + 1) * 1000, (int64_t)(i + 1) * 10, line);
		ck_assert_uint_eq(strlen(line), KK_LOGTIME_LINE);
		memcpy(text + i * KK_LOGTIME_LINE, line, KK_LOGTIME_LINE);
	}
	return n * KK_LOGTIME_LINE;
}

START_TEST(the_last_line_before_a_time_counts)
{
	size_t len = index_make(4);

	ck_assert_int_eq(kk_logtime_find(text, len, 999), 0);
	ck_assert_int_eq(kk_logtime_find(text, len, 1000), 10);
	ck_assert_int_eq(kk_logtime_find(text, len, 2500), 20);
	ck_assert_int_eq(kk_logtime_find(text, len, INT64_MAX), 40);
	ck_assert_int_eq(kk_logtime_find(text, len, INT64_MIN), 0);
	ck_assert_int_eq(kk_logtime_find("", 0, 5000), 0);
}
END_TEST

START_TEST(a_torn_line_does_not_count)
{
	size_t len = index_make(3);

	ck_assert_int_eq(kk_logtime_find(text, len - 1, INT64_MAX), 20);
}
END_TEST

START_TEST(a_damaged_index_tells_nothing)
{
	static const char *const damages[] = {"x", " ", "\n", "-", "9"};
	size_t len = index_make(3), at[] = {0, 18, 19, 38, 39};

	for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
		index_make(3);
		memcpy(text + KK_LOGTIME_LINE + at[i], damages[i], 1);
		ck_assert_int_le(kk_logtime_find(text, len, INT64_MAX), 99);
	}
	memset(text, 'z', len);
	ck_assert_int_eq(kk_logtime_find(text, len, INT64_MAX), 0);
}
END_TEST

START_TEST(the_older_half_is_thinned)
{
	size_t len = kk_logtime_thin(text, index_make(16));

	ck_assert_uint_eq(len, 12 * KK_LOGTIME_LINE);
	/* 1000, 3000, 5000, 7000, then all from 9000 on. */
	ck_assert_int_eq(kk_logtime_find(text, len, 2000), 10);
	ck_assert_int_eq(kk_logtime_find(text, len, 3000), 30);
	ck_assert_int_eq(kk_logtime_find(text, len, 8999), 70);
	ck_assert_int_eq(kk_logtime_find(text, len, 10000), 100);
	ck_assert_int_eq(kk_logtime_find(text, len, INT64_MAX), 160);
	ck_assert_uint_eq(kk_logtime_thin(text, 0), 0);
}
END_TEST

CHECK_MAIN("logtime", the_last_line_before_a_time_counts, a_torn_line_does_not_count,
	a_damaged_index_tells_nothing, the_older_half_is_thinned)
