/* tests/unit/test_log.c */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kukeon/clock.h>
#include <kukeon/log.h>

#include "../support/check.h"

/* What was written to standard error since capture_begin; the case's process has no other use for it. */
static int capture[2];

static void capture_begin(void)
{
	ck_assert_int_eq(pipe2(capture, O_CLOEXEC | O_NONBLOCK), 0);
	ck_assert_int_ge(dup2(capture[1], STDERR_FILENO), 0);
}

/* One call of the log writes once, so one read gets what it wrote. */
static const char *captured(void)
{
	static char text[16384];
	ssize_t n = read(capture[0], text, sizeof text - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* The line behind its time stamp, which must be one. */
static const char *captured_line(void)
{
	char *line = (char *)captured(), *blank = strchr(line, ' ');
	int64_t time;

	ck_assert_msg(blank, "no line but '%s'", line);
	*blank = '\0';
	ck_assert_msg(kk_time_parse(line, &time) == 0, "no time: '%s'", line);
	ck_assert_int_eq(time % 1000000, 0);
	return blank + 1;
}

START_TEST(level_names_go_both_ways)
{
	static const char *const names[] = {"error", "warning", "info", "debug", "trace"};

	for (int level = KK_LEVEL_ERROR; level <= KK_LEVEL_TRACE; level++) {
		ck_assert_str_eq(kk_level_name(level), names[level]);
		ck_assert_int_eq(kk_level_parse(names[level]), level);
	}
}
END_TEST

START_TEST(journald_is_told_the_priority)
{
	struct stat st;
	char stream[64];

	capture_begin();
	ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	kk_log_open("supervisor", 1, KK_LEVEL_TRACE);
	kk_log_find_journal();
	kk_error("a");
	ck_assert_int_eq(memcmp(captured(), "<3>2", 4), 0);
	kk_warning("b");
	ck_assert_int_eq(memcmp(captured(), "<4>2", 4), 0);
	kk_info("c");
	ck_assert_int_eq(memcmp(captured(), "<6>2", 4), 0);
	kk_trace("d");
	ck_assert_int_eq(memcmp(captured(), "<7>2", 4), 0);
	/* Another's stream is none of ours. */
	setenv("JOURNAL_STREAM", "1:1", 1);
	kk_log_find_journal();
	kk_error("e");
	ck_assert_int_eq(captured()[0], '2');
}
END_TEST

START_TEST(other_level_names_are_understood)
{
	ck_assert_int_eq(kk_level_parse("warn"), KK_LEVEL_WARNING);
	ck_assert_int_eq(kk_level_parse("err"), KK_LEVEL_ERROR);
	ck_assert_int_eq(kk_level_parse("DEBUG"), KK_LEVEL_DEBUG);
	ck_assert_int_eq(kk_level_parse("Warn"), KK_LEVEL_WARNING);
}
END_TEST

START_TEST(unknown_levels_are_told)
{
	static const char *const names[] = {"", "warnings", "fatal", "debug ", "0", "e"};

	for (size_t i = 0; i < KK_COUNT(names); i++)
		ck_assert_int_eq(kk_level_parse(names[i]), -1);
	ck_assert_str_eq(kk_level_name(-1), "none");
	ck_assert_str_eq(kk_level_name(KK_LEVEL_TRACE + 1), "none");
}
END_TEST

START_TEST(level_decides_what_is_said)
{
	capture_begin();
	kk_log_open("network", 3, KK_LEVEL_INFO);
	ck_assert_int_eq(kk_log_level(), KK_LEVEL_INFO);
	ck_assert(kk_log_is_on(KK_LEVEL_ERROR));
	ck_assert(kk_log_is_on(KK_LEVEL_INFO));
	ck_assert(!kk_log_is_on(KK_LEVEL_DEBUG));
	kk_debug("not said");
	ck_assert_str_eq(captured(), "");
	kk_info("said");
	ck_assert_str_eq(captured_line(), "info network gen=3 said\n");
	kk_log_set_level(KK_LEVEL_DEBUG);
	kk_debug("now said");
	ck_assert_str_eq(captured_line(), "debug network gen=3 now said\n");
	kk_trace("not said");
	ck_assert_str_eq(captured(), "");
}
END_TEST

START_TEST(operation_is_part_of_the_line)
{
	capture_begin();
	kk_log_open("cgroup", 1, KK_LEVEL_INFO);
	kk_log_set_op(0x1234abcdULL);
	kk_warning("retrying path=%s", "/kukeon");
	ck_assert_str_eq(captured_line(),
		"warning cgroup gen=1 op=000000001234abcd retrying path=/kukeon\n");
	kk_log_set_op(0);
	kk_error("gone");
	ck_assert_str_eq(captured_line(), "error cgroup gen=1 gone\n");
}
END_TEST

START_TEST(bytes_cannot_forge_a_line)
{
	capture_begin();
	kk_log_open("network", 1, KK_LEVEL_INFO);
	kk_info("a\nb\r\tc\x1b[31md\x7f");
	ck_assert_str_eq(captured_line(), "info network gen=1 a\\nb\\x0d\\x09c\\x1b[31md\\x7f\n");
	kk_info("%s", "caf\xc3\xa9 %s");
	ck_assert_str_eq(captured_line(), "info network gen=1 caf\xc3\xa9 %s\n");
}
END_TEST

START_TEST(every_control_byte_is_escaped)
{
	capture_begin();
	kk_log_open("network", 1, KK_LEVEL_INFO);
	for (int c = 1; c < 0x20; c++) {
		kk_auto_free char *want = c == '\n' ?
			kk_xstrdup("info network gen=1 <\\n>\n") :
			kk_xprintf("info network gen=1 <\\x%02x>\n", (unsigned)c);

		kk_info("<%c>", c);
		ck_assert_str_eq(captured_line(), want);
	}
}
END_TEST

START_TEST(long_line_is_cut_and_ends)
{
	char text[10000];
	const char *line;
	size_t len;

	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	capture_begin();
	kk_log_open("network", 1, KK_LEVEL_INFO);
	kk_info("%s", text);
	line = captured_line();
	len = strlen(line);
	ck_assert_uint_gt(len, 3900);
	ck_assert_uint_lt(len, 4096);
	ck_assert_int_eq(line[len - 1], '\n');
	ck_assert_ptr_eq(strchr(line, '\n'), line + len - 1);
	ck_assert_str_eq(captured(), "");
}
END_TEST

/* Each byte becomes four here. */
START_TEST(escaping_stays_within_the_line)
{
	char text[4000];
	const char *line;
	size_t len;

	memset(text, 1, sizeof text - 1);
	text[sizeof text - 1] = '\0';
	capture_begin();
	kk_log_open("network", 1, KK_LEVEL_INFO);
	kk_info("%s", text);
	line = captured_line();
	len = strlen(line);
	ck_assert_uint_gt(len, 3900);
	ck_assert_uint_lt(len, 4096);
	ck_assert_str_eq(line + len - 5, "\\x01\n");
	ck_assert_str_eq(captured(), "");
}
END_TEST

START_TEST(foreign_line_says_whose_it_is)
{
	capture_begin();
	kk_log_open("supervisor", 0, KK_LEVEL_INFO);
	kk_log_set_op(7);
	kk_log_foreign(KK_LEVEL_ERROR, "containerd", 9, "panic:\n\0%s", 10);
	ck_assert_str_eq(captured_line(), "error containerd gen=9 panic:\\n\\x00%s\n");
}
END_TEST

CHECK_MAIN("log", level_names_go_both_ways, journald_is_told_the_priority,
	other_level_names_are_understood, unknown_levels_are_told, level_decides_what_is_said,
	operation_is_part_of_the_line, bytes_cannot_forge_a_line, every_control_byte_is_escaped,
	long_line_is_cut_and_ends, escaping_stays_within_the_line, foreign_line_says_whose_it_is)
