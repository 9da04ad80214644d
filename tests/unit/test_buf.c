/* tests/unit/test_buf.c */
#include <string.h>
#include <unistd.h>

#include <kukeon/buf.h>

#include "../support/check.h"

#define check_content(buf, want)                                     \
	do {                                                         \
		ck_assert_uint_eq((buf)->len, strlen(want));         \
		ck_assert_mem_eq((buf)->data, (want), strlen(want)); \
		ck_assert_int_eq((buf)->data[(buf)->len], '\0');     \
	} while (0)

START_TEST(appends_end_in_a_zero_byte)
{
	kk_auto_buf buf = {0};

	check_code(kk_buf_str(&buf, "ab"), 0);
	check_content(&buf, "ab");
	check_code(kk_buf_char(&buf, 'c'), 0);
	check_content(&buf, "abc");
	check_code(kk_buf_printf(&buf, "%d-%s", 12, "x"), 0);
	check_content(&buf, "abc12-x");
	check_code(kk_buf_append(&buf, "defg", 2), 0);
	check_content(&buf, "abc12-xde");
}
END_TEST

START_TEST(nothing_appended_is_an_empty_string)
{
	kk_auto_buf buf = {0};

	check_code(kk_buf_append(&buf, NULL, 0), 0);
	check_content(&buf, "");
}
END_TEST

START_TEST(ceiling_is_exact)
{
	kk_auto_buf buf;

	kk_buf_init(&buf, 10);
	check_code(kk_buf_str(&buf, "0123456789"), 0);
	check_code(kk_buf_char(&buf, 'x'), KK_E_TOO_BIG);
	check_content(&buf, "0123456789");
	check_code(kk_buf_append(&buf, "", 0), 0);
}
END_TEST

START_TEST(failed_append_leaves_all_as_before)
{
	kk_auto_buf buf;

	kk_buf_init(&buf, 4);
	check_code(kk_buf_str(&buf, "abcde"), KK_E_TOO_BIG);
	ck_assert_ptr_null(buf.data);
	check_code(kk_buf_str(&buf, "abc"), 0);
	check_code(kk_buf_str(&buf, "de"), KK_E_TOO_BIG);
	check_content(&buf, "abc");
	check_code(kk_buf_printf(&buf, "%s", "de"), KK_E_TOO_BIG);
	check_content(&buf, "abc");
	ck_assert_ptr_null(kk_buf_reserve(&buf, 2));
	check_content(&buf, "abc");
	check_code(kk_buf_char(&buf, 'd'), 0);
	check_content(&buf, "abcd");
}
END_TEST

START_TEST(sum_that_overflows_is_too_big)
{
	kk_auto_buf buf = {0};

	check_code(kk_buf_char(&buf, 'a'), 0);
	ck_assert_ptr_null(kk_buf_reserve(&buf, SIZE_MAX));
	check_code(kk_buf_append(&buf, "b", SIZE_MAX), KK_E_TOO_BIG);
	check_content(&buf, "a");
}
END_TEST

START_TEST(growing_keeps_what_is_there)
{
	kk_auto_buf buf = {0};

	for (unsigned i = 0; i < 100000; i++)
		check_code(kk_buf_char(&buf, (char)('a' + i % 26)), 0);
	ck_assert_uint_eq(buf.len, 100000);
	for (unsigned i = 0; i < 100000; i++)
		ck_assert_int_eq(buf.data[i], 'a' + i % 26);
	ck_assert_uint_gt(buf.cap, buf.len);
}
END_TEST

START_TEST(reserve_counts_only_what_was_added)
{
	kk_auto_buf buf = {0};
	uint8_t *room;

	check_code(kk_buf_str(&buf, "ab"), 0);
	room = kk_buf_reserve(&buf, 1000);
	ck_assert_ptr_eq(room, buf.data + 2);
	ck_assert_uint_eq(buf.len, 2);
	memset(room, 'c', 1000);
	kk_buf_added(&buf, 3);
	check_content(&buf, "abccc");
}
END_TEST

START_TEST(reserve_up_to_the_ceiling)
{
	kk_auto_buf buf;

	kk_buf_init(&buf, 300);
	check_code(kk_buf_char(&buf, 'a'), 0);
	ck_assert_ptr_null(kk_buf_reserve(&buf, 300));
	memset(kk_buf_reserve(&buf, 299), 'b', 299);
	kk_buf_added(&buf, 299);
	ck_assert_uint_eq(buf.len, 300);
	ck_assert_ptr_null(kk_buf_reserve(&buf, 1));
}
END_TEST

START_TEST(consume_drops_the_front)
{
	kk_auto_buf buf = {0};

	check_code(kk_buf_str(&buf, "abcdef"), 0);
	kk_buf_consume(&buf, 0);
	check_content(&buf, "abcdef");
	kk_buf_consume(&buf, 4);
	ck_assert_uint_eq(buf.len, 2);
	ck_assert_mem_eq(buf.data, "ef", 2);
	check_code(kk_buf_str(&buf, "gh"), 0);
	check_content(&buf, "efgh");
	kk_buf_consume(&buf, 4);
	ck_assert_uint_eq(buf.len, 0);
}
END_TEST

START_TEST(consume_of_a_buffer_never_used)
{
	kk_auto_buf buf = {0};

	kk_buf_consume(&buf, 0);
	ck_assert_uint_eq(buf.len, 0);
	ck_assert_ptr_null(buf.data);
}
END_TEST

START_TEST(clear_keeps_memory_and_ceiling)
{
	kk_auto_buf buf;
	size_t cap;

	kk_buf_init(&buf, 8);
	check_code(kk_buf_str(&buf, "abcdefgh"), 0);
	cap = buf.cap;
	kk_buf_clear(&buf);
	ck_assert_uint_eq(buf.len, 0);
	ck_assert_uint_eq(buf.cap, cap);
	check_code(kk_buf_str(&buf, "12345678"), 0);
	check_content(&buf, "12345678");
	check_code(kk_buf_char(&buf, '9'), KK_E_TOO_BIG);
}
END_TEST

START_TEST(release_keeps_the_ceiling_alone)
{
	struct kk_buf buf;

	kk_buf_init(&buf, 8);
	check_code(kk_buf_str(&buf, "abc"), 0);
	kk_buf_release(&buf);
	ck_assert_ptr_null(buf.data);
	ck_assert_uint_eq(buf.len, 0);
	ck_assert_uint_eq(buf.cap, 0);
	ck_assert_uint_eq(buf.max, 8);
	kk_buf_release(&buf);
}
END_TEST

START_TEST(take_gives_the_string_away)
{
	kk_auto_free char *text = NULL;
	kk_auto_buf buf;

	kk_buf_init(&buf, 8);
	check_code(kk_buf_str(&buf, "abc"), 0);
	text = kk_buf_take(&buf);
	ck_assert_str_eq(text, "abc");
	ck_assert_ptr_null(buf.data);
	ck_assert_uint_eq(buf.len, 0);
	ck_assert_uint_eq(buf.cap, 0);
	ck_assert_uint_eq(buf.max, 8);
	check_code(kk_buf_str(&buf, "12345678"), 0);
	ck_assert_str_eq(text, "abc");
}
END_TEST

START_TEST(take_of_nothing_is_an_empty_string)
{
	kk_auto_free char *text = NULL;
	kk_auto_buf buf = {0};

	text = kk_buf_take(&buf);
	ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(take_after_clear_is_an_empty_string)
{
	kk_auto_free char *text = NULL;
	kk_auto_buf buf = {0};

	check_code(kk_buf_str(&buf, "abc"), 0);
	kk_buf_clear(&buf);
	text = kk_buf_take(&buf);
	ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(take_after_consume_is_what_is_left)
{
	kk_auto_free char *text = NULL;
	kk_auto_buf buf = {0};

	check_code(kk_buf_str(&buf, "abcdef"), 0);
	kk_buf_consume(&buf, 4);
	text = kk_buf_take(&buf);
	ck_assert_str_eq(text, "ef");
}
END_TEST

START_TEST(reserve_beyond_half_the_address_space_is_too_big)
{
	kk_auto_buf buf = {0};

	/* It goes round for ever. */
	alarm(5);
	ck_assert_ptr_null(kk_buf_reserve(&buf, SIZE_MAX / 2 + 2));
}
END_TEST

CHECK_MAIN("buf", appends_end_in_a_zero_byte, nothing_appended_is_an_empty_string, ceiling_is_exact,
	failed_append_leaves_all_as_before, sum_that_overflows_is_too_big,
	growing_keeps_what_is_there, reserve_counts_only_what_was_added, reserve_up_to_the_ceiling,
	consume_drops_the_front, consume_of_a_buffer_never_used, clear_keeps_memory_and_ceiling,
	release_keeps_the_ceiling_alone, take_gives_the_string_away,
	take_of_nothing_is_an_empty_string, take_after_clear_is_an_empty_string,
	take_after_consume_is_what_is_left, reserve_beyond_half_the_address_space_is_too_big)
