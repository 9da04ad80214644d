/* tests/unit/test_logtime.c - when a container wrote what. */
#include <kukeon/logtime.h>

#include <string.h>

#include "../support/check.h"

START_TEST(a_line_comes_back_as_it_was)
{
	static const struct kk_logtime entries[] = {
		{0, 0, KK_STREAM_OUT},
		{1796066070363099457, 123456789012, KK_STREAM_ERR},
		{INT64_MAX, INT64_MAX, KK_STREAM_OUT},
	};

	for (size_t i = 0; i < KK_COUNT(entries); i++) {
		char line[KK_LOGTIME_LINE + 1];
		struct kk_logtime found = {0};

		kk_logtime_format(&entries[i], line);
		ck_assert_uint_eq(strlen(line), KK_LOGTIME_LINE);
		ck_assert_int_eq(line[KK_LOGTIME_LINE - 1], '\n');
		ck_assert_int_eq(kk_logtime_parse(line, &found), 0);
		ck_assert_int_eq(found.time, entries[i].time);
		ck_assert_int_eq(found.at, entries[i].at);
		ck_assert_int_eq(found.stream, entries[i].stream);
	}
}
END_TEST

/* Whatever one byte of it is changed to, it is another line, or none. */
START_TEST(a_damaged_line_is_none)
{
	const struct kk_logtime entry = {1796066070363099457, 77, KK_STREAM_ERR};
	char line[KK_LOGTIME_LINE + 1];
	struct kk_logtime found;

	kk_logtime_format(&entry, line);
	for (size_t i = 0; i < KK_LOGTIME_LINE; i++) {
		char was = line[i];

		line[i] = 'x';
		ck_assert_int_eq(kk_logtime_parse(line, &found), -1);
		line[i] = '\0';
		ck_assert_int_eq(kk_logtime_parse(line, &found), -1);
		line[i] = was;
	}
	ck_assert_int_eq(kk_logtime_parse(line, &found), 0);
}
END_TEST

CHECK_MAIN("logtime", a_line_comes_back_as_it_was, a_damaged_line_is_none)
