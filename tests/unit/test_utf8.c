/* tests/unit/test_utf8.c - text from outside. */
#include <kukeon/utf8.h>

#include <string.h>

#include <kukeon/auto.h>
#include <kukeon/buf.h>
#include <kukeon/mem.h>

#include "../support/check.h"

static const struct {
	const char *data;
	const char *text;
} repairs[] = {
	{"", ""},
	{"plain", "plain"},
	{"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
	{"\xff", "\xef\xbf\xbd"},
	/* Too long, half of a pair, beyond the last character, cut. */
	{"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"},
	{"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
	{"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
	{"a\xe2\x82", "a\xef\xbf\xbd\xef\xbf\xbd"},
};

START_TEST(what_is_no_utf8_is_replaced_byte_by_byte)
{
	kk_auto_buf out = {0};

	ck_assert_int_eq(kk_utf8_repair(repairs[_i].data, strlen(repairs[_i].data), &out), 0);
	ck_assert_str_eq(kk_str((char *)out.data), repairs[_i].text);
}
END_TEST

static const struct {
	const char *text;
	size_t max;
	size_t len;
} prefixes[] = {
	{"", 0, 0},
	{"", 5, 0},
	{"abc", 5, 3},
	{"abc", 3, 3},
	{"abc", 2, 2},
	{"a\xc3\xa9", 3, 3},
	{"a\xc3\xa9", 2, 1},
	{"\xe2\x82\xac", 2, 0},
	{"\xe2\x82\xac", 3, 3},
	{"\xf0\x9f\x98\x80z", 4, 4},
	{"\xf0\x9f\x98\x80z", 3, 0},
	{"z\xf0\x9f\x98\x80", 4, 1},
};

START_TEST(a_cut_is_between_characters)
{
	ck_assert_uint_eq(kk_utf8_prefix(prefixes[_i].text, prefixes[_i].max), prefixes[_i].len);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("utf8");
	TCase *text = tcase_create("text");

	tcase_add_loop_test(text, what_is_no_utf8_is_replaced_byte_by_byte, 0,
		(int)KK_COUNT(repairs));
	tcase_add_loop_test(text, a_cut_is_between_characters, 0, (int)KK_COUNT(prefixes));
	suite_add_tcase(suite, text);
	return check_main(suite);
}
