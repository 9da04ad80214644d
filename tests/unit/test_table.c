/* tests/unit/test_table.c - aligned columns, ages, sizes. */
#include "../../client/cli.h"

#include <string.h>

#include <kukeon/clock.h>
#include <kukeon/mem.h>

#include "../support/capture.h"
#include "../support/check.h"
#include "../support/clock.h"

enum { MINUTE = 60, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

/* A table of this many columns; the header is the first row of @cells. */
static char *printed(size_t n, const char *const *cells)
{
	struct capture capture;
	struct cli_table table;

	cli_table_init(&table, cells, n);
	for (cells += n; *cells; cells++)
		cli_table_cell(&table, *cells);
	capture_begin(&capture);
	cli_table_print(&table);
	cli_table_release(&table);
	return capture_end(&capture);
}

START_TEST(columns_are_as_wide_as_their_widest_cell)
{
	static const char *const cells[] = {
		"NAME", "STATE", "web", "Ready", "database", "Up", "a", "", NULL};
	kk_auto_free char *text = printed(2, cells);

	ck_assert_str_eq(text,
		"NAME      STATE\n"
		"--------  -----\n"
		"web       Ready\n"
		"database  Up   \n"
		"a              \n");
}
END_TEST

START_TEST(a_table_of_no_rows_has_a_header)
{
	static const char *const cells[] = {"NAME", "AGE", NULL};
	kk_auto_free char *text = printed(2, cells);

	ck_assert_str_eq(text, "NAME  AGE\n----  ---\n");
}
END_TEST

START_TEST(a_single_column_has_no_gap)
{
	static const char *const cells[] = {"N", "web", NULL};
	kk_auto_free char *text = printed(1, cells);

	ck_assert_str_eq(text, "N  \n---\nweb\n");
}
END_TEST

START_TEST(width_is_counted_in_characters)
{
	static const char *const cells[] = {"NAME", "X",
		"gr\xc3\xbc\xc3\x9f"
		"e",
		"1", "\xe2\x82\xac\xf0\x9f\x98\x80", "2", "plain", "3", NULL};
	kk_auto_free char *text = printed(2, cells);

	ck_assert_str_eq(text,
		"NAME   X\n"
		"-----  -\n"
		"gr\xc3\xbc\xc3\x9f"
		"e  1\n"
		"\xe2\x82\xac\xf0\x9f\x98\x80     2\n"
		"plain  3\n");
}
END_TEST

START_TEST(a_row_that_is_not_full_is_not_shown)
{
	static const char *const cells[] = {"A", "B", "1", "2", "much wider than all", NULL};
	kk_auto_free char *text = printed(2, cells);

	ck_assert_str_eq(text, "A  B\n-  -\n1  2\n");
}
END_TEST

static const struct {
	int64_t s;
	const char *text;
} ages[] = {
	{0, "0s"},
	{1, "1s"},
	{MINUTE - 1, "59s"},
	{MINUTE, "1m"},
	{2 * MINUTE - 1, "1m"},
	{HOUR - 1, "59m"},
	{HOUR, "1h"},
	{DAY - 1, "23h"},
	{DAY, "1d"},
	{2 * DAY - 1, "1d"},
	{1000LL * DAY, "1000d"},
	/* Clocks of two hosts never agree. */
	{-1, "0s"},
	{-DAY, "0s"},
};

START_TEST(an_age_has_one_unit)
{
	char created_at[KK_TIME_TEXT];
	kk_auto_free char *age = NULL;

	kk_time_format(clock_now_ns - ages[_i].s * 1000000000, created_at);
	age = cli_age(created_at);
	ck_assert_str_eq(age, ages[_i].text);
}
END_TEST

START_TEST(an_age_is_cut_not_rounded)
{
	kk_auto_free char *age = NULL;

	clock_now_ns += 999999999;
	age = cli_age("2026-05-04T09:29:59Z");
	ck_assert_str_eq(age, "1s");
}
END_TEST

static const char *const no_times[] = {
	"", "0001-01-01T00:00:00Z", "yesterday", "2026-05-04", "2026-05-04T09:30:00"};

START_TEST(a_time_that_never_was_has_no_age)
{
	kk_auto_free char *age = cli_age(no_times[_i]);

	ck_assert_str_eq(age, "-");
}
END_TEST

#define KIB INT64_C(1024)

static const struct {
	int64_t bytes;
	const char *text;
} sizes[] = {
	{-1, "-"},
	{0, "-"},
	{1, "1 B"},
	{1023, "1023 B"},
	{KIB, "1.0 KiB"},
	{KIB + 52, "1.1 KiB"},
	{1536, "1.5 KiB"},
	{10 * KIB, "10.0 KiB"},
	{KIB * KIB, "1.0 MiB"},
	{KIB * KIB * 5 / 2, "2.5 MiB"},
	{KIB * KIB * KIB, "1.0 GiB"},
	{KIB * KIB * KIB * KIB, "1.0 TiB"},
	{KIB * KIB * KIB * KIB * KIB, "1.0 PiB"},
	{KIB * KIB * KIB * KIB * KIB * KIB, "1.0 EiB"},
	{INT64_MAX, "8.0 EiB"},
};

START_TEST(a_size_has_one_decimal)
{
	kk_auto_free char *size = cli_size(sizes[_i].bytes);

	ck_assert_str_eq(size, sizes[_i].text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("table");
	TCase *table = tcase_create("table"), *cell = tcase_create("cell");

	tcase_add_test(table, columns_are_as_wide_as_their_widest_cell);
	tcase_add_test(table, a_table_of_no_rows_has_a_header);
	tcase_add_test(table, a_single_column_has_no_gap);
	tcase_add_test(table, width_is_counted_in_characters);
	tcase_add_test(table, a_row_that_is_not_full_is_not_shown);
	suite_add_tcase(suite, table);
	tcase_add_loop_test(cell, an_age_has_one_unit, 0, (int)KK_COUNT(ages));
	tcase_add_test(cell, an_age_is_cut_not_rounded);
	tcase_add_loop_test(cell, a_time_that_never_was_has_no_age, 0, (int)KK_COUNT(no_times));
	tcase_add_loop_test(cell, a_size_has_one_decimal, 0, (int)KK_COUNT(sizes));
	suite_add_tcase(suite, cell);
	return check_main(suite);
}
