/* tests/unit/test_clock.c */
#include <string.h>

#include <kukeon/clock.h>

#include "../support/check.h"

#define S(seconds) ((seconds)*INT64_C(1000000000))

/* Both ways: what is written is read back as it was. */
START_TEST(time_goes_both_ways)
{
	static const struct {
		int64_t time;
		const char *text;
	} times[] = {
		{0, "1970-01-01T00:00:00Z"},
		{S(1767323045), "2026-01-02T03:04:05Z"},
		{S(1767323045) + 678900000, "2026-01-02T03:04:05.6789Z"},
		{S(1767323045) + 1, "2026-01-02T03:04:05.000000001Z"},
		{S(1767323045) + 999999999, "2026-01-02T03:04:05.999999999Z"},
		{S(1767323045) + 500000000, "2026-01-02T03:04:05.5Z"},
		{S(1767323045) + 10, "2026-01-02T03:04:05.00000001Z"},
		{S(951782400), "2000-02-29T00:00:00Z"},
		{-1, "1969-12-31T23:59:59.999999999Z"},
		{-S(1), "1969-12-31T23:59:59Z"},
		{-S(1) - 500000000, "1969-12-31T23:59:58.5Z"},
		{-S(9199999999) - 999999999, "1678-06-18T12:26:40.000000001Z"},
		{S(9200000000) + 999999999, "2261-07-15T11:33:20.999999999Z"},
		{KK_TIME_ZERO, "0001-01-01T00:00:00Z"},
	};

	for (size_t i = 0; i < KK_COUNT(times); i++) {
		char text[KK_TIME_TEXT];
		int64_t time = 42;

		kk_time_format(times[i].time, text);
		ck_assert_str_eq(text, times[i].text);
		ck_assert_int_eq(kk_time_parse(times[i].text, &time), 0);
		ck_assert_int_eq(time, times[i].time);
	}
}
END_TEST

START_TEST(other_spellings_of_a_time_are_read)
{
	static const struct {
		const char *text;
		int64_t time;
	} times[] = {
		{"2026-01-02T03:04:05.500000000Z", S(1767323045) + 500000000},
		{"2026-01-02T03:04:05.0Z", S(1767323045)},
		{"2026-01-02T03:04:05.1234567891Z", S(1767323045) + 123456789},
		{"2026-01-02T03:04:05+00:00", S(1767323045)},
		{"2026-01-02T05:04:05+02:00", S(1767323045)},
		{"2026-01-01T21:34:05-05:30", S(1767323045)},
		{"2026-01-02T05:04:05.25+02:00", S(1767323045) + 250000000},
		{"2026-01-01T22:04:05.25-05:00", S(1767323045) + 250000000},
	};

	for (size_t i = 0; i < KK_COUNT(times); i++) {
		int64_t time = 42;

		ck_assert_msg(kk_time_parse(times[i].text, &time) == 0, "%s", times[i].text);
		ck_assert_int_eq(time, times[i].time);
	}
}
END_TEST

/* 64 bits of nanoseconds reach from 1678 to 2262. */
START_TEST(time_out_of_range_is_the_zero_time)
{
	static const char *const texts[] = {"0001-01-01T00:00:00Z", "0001-01-01T00:00:00.5Z",
		"1500-06-01T00:00:00Z", "2262-12-31T00:00:00Z", "9999-12-31T23:59:59.999999999Z"};

	for (size_t i = 0; i < KK_COUNT(texts); i++) {
		int64_t time = 42;

		ck_assert_msg(kk_time_parse(texts[i], &time) == 0, "%s", texts[i]);
		ck_assert_int_eq(time, KK_TIME_ZERO);
	}
}
END_TEST

START_TEST(what_is_no_time_is_refused)
{
	static const char *const texts[] = {"", "now", "2026", "2026-01-02", "2026-01-02T03:04:05",
		"2026-01-02 03:04:05Z", "2026-01-02T03:04:05z", "2026-01-02T03:04:05Z ",
		"2026-01-02T03:04:05ZZ", "2026-01-02T03:04Z", "2026-01-02T03:04:05.Z",
		"2026-01-02T03:04:05.5", "2026-01-02T03:04:05.5x", "2026-13-02T03:04:05Z",
		"2026-00-02T03:04:05Z", "2026-01-32T03:04:05Z", "2026-01-00T03:04:05Z",
		"2026-01-02T24:04:05Z", "2026-01-02T03:60:05Z", "2026-01-02T03:04:05+02",
		"2026-01-02T03:04:05+0200", "2026-01-02T03:04:05+02:00Z", "2026-01-02T03:04:05+",
		"20260102T030405Z", "1767323045"};

	for (size_t i = 0; i < KK_COUNT(texts); i++) {
		int64_t time = 42;

		ck_assert_msg(kk_time_parse(texts[i], &time) == -1, "%s", texts[i]);
		ck_assert_int_eq(time, 42);
	}
}
END_TEST

START_TEST(day_that_no_month_has_is_refused)
{
	int64_t time;

	ck_assert_int_eq(kk_time_parse("2026-02-30T00:00:00Z", &time), -1);
	ck_assert_int_eq(kk_time_parse("2026-04-31T00:00:00Z", &time), -1);
	ck_assert_int_eq(kk_time_parse("2025-02-29T00:00:00Z", &time), -1);
}
END_TEST

START_TEST(loose_digits_are_refused)
{
	static const char *const texts[] = {"2026-1-2T3:4:5Z", " 2026-01-02T03:04:05Z",
		"2026-01-02T03:04:61Z", "2026- 1- 2T03:04:05Z", "26-01-02T03:04:05Z"};

	for (size_t i = 0; i < KK_COUNT(texts); i++) {
		int64_t time;

		ck_assert_msg(kk_time_parse(texts[i], &time) == -1, "%s", texts[i]);
	}
}
END_TEST

START_TEST(offset_beyond_a_day_is_refused)
{
	static const char *const texts[] = {"2026-01-02T03:04:05+99:99",
		"2026-01-02T03:04:05+25:00", "2026-01-02T03:04:05+01:60",
		"2026-01-02T03:04:05+-1:00", "2026-01-02T03:04:05+1:2"};

	for (size_t i = 0; i < KK_COUNT(texts); i++) {
		int64_t time;

		ck_assert_msg(kk_time_parse(texts[i], &time) == -1, "%s", texts[i]);
	}
}
END_TEST

/* A peer may send any 64 bits. */
START_TEST(first_nanoseconds_can_be_written)
{
	char text[KK_TIME_TEXT];

	kk_time_format(INT64_MIN + 1, text);
	ck_assert_str_eq(text, "1677-09-21T00:12:43.145224193Z");
}
END_TEST

START_TEST(last_nanosecond_can_be_written)
{
	char text[KK_TIME_TEXT];

	kk_time_format(INT64_MAX, text);
	ck_assert_str_eq(text, "2262-04-11T23:47:16.854775807Z");
}
END_TEST

START_TEST(go_durations_are_read)
{
	static const struct {
		const char *text;
		int64_t ms;
	} durations[] = {
		{"0", 0},
		{"+0", 0},
		{"-0", 0},
		{"0s", 0},
		{"1s", 1000},
		{"+1s", 1000},
		{"-1s", -1000},
		{"30s", 30000},
		{"1m30s", 90000},
		{"500ms", 500},
		{"1h", 3600000},
		{"1h2m3s4ms", 3723004},
		{"-1m30s", -90000},
		{"1.5s", 1500},
		{".5s", 500},
		{"1.s", 1000},
		{"0.25h", 900000},
		{"1500us", 1},
		{"999us", 0},
		{"2000000ns", 2},
		{"1ms1ms", 2},
		{"3s1m", 63000},
	};

	for (size_t i = 0; i < KK_COUNT(durations); i++) {
		int64_t ms = 42;

		ck_assert_msg(kk_duration_parse(durations[i].text, &ms) == 0, "%s",
			durations[i].text);
		ck_assert_msg(ms == durations[i].ms, "%s is %lld", durations[i].text,
			(long long)ms);
	}
}
END_TEST

START_TEST(what_is_no_duration_is_refused)
{
	static const char *const texts[] = {"", "-", "+", "s", "3", "1.5", "-30", "30 s", " 30s",
		"30s ", "30S", "1d", "1w", "1min", "1sec", "s1", ".s", "1..5s", "1.5.5s", "--1s",
		"+-1s", "1m-30s", "1h,", "1,5s", "abc", "3000000000h", "-3000000000h",
		"99999999999999999999s", "1m30"};

	for (size_t i = 0; i < KK_COUNT(texts); i++) {
		int64_t ms = 42;

		ck_assert_msg(kk_duration_parse(texts[i], &ms) == -1, "%s is %lld", texts[i],
			(long long)ms);
		ck_assert_int_eq(ms, 42);
	}
}
END_TEST

START_TEST(fractions_are_not_cut_short)
{
	int64_t ms = 0;

	ck_assert_int_eq(kk_duration_parse("1.001s", &ms), 0);
	ck_assert_int_eq(ms, 1001);
	ck_assert_int_eq(kk_duration_parse("8.2s", &ms), 0);
	ck_assert_int_eq(ms, 8200);
}
END_TEST

START_TEST(c_numbers_are_no_go_durations)
{
	int64_t ms;

	ck_assert_int_eq(kk_duration_parse("1e3s", &ms), -1);
	ck_assert_int_eq(kk_duration_parse("0x10s", &ms), -1);
}
END_TEST

START_TEST(microseconds_in_greek)
{
	int64_t ms = 0;

	ck_assert_int_eq(kk_duration_parse("5000\xc2\xb5s", &ms), 0);
	ck_assert_int_eq(ms, 5);
	ck_assert_int_eq(kk_duration_parse("5000\xce\xbcs", &ms), 0);
	ck_assert_int_eq(ms, 5);
}
END_TEST

CHECK_MAIN("clock", time_goes_both_ways, other_spellings_of_a_time_are_read,
	time_out_of_range_is_the_zero_time, what_is_no_time_is_refused,
	day_that_no_month_has_is_refused, loose_digits_are_refused, offset_beyond_a_day_is_refused,
	first_nanoseconds_can_be_written, last_nanosecond_can_be_written, go_durations_are_read,
	what_is_no_duration_is_refused, fractions_are_not_cut_short, c_numbers_are_no_go_durations,
	microseconds_in_greek)
