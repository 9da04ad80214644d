/* tests/unit/test_kuketty.c - what kuketty is made of: its options, the log in several files, the scrollback. */
#include "../../workers/kuketty/kuketty.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kukeon/buf.h>
#include <kukeon/clock.h>

#include "../support/check.h"
#include "../support/dir.h"

/* --- options --- */

static int parse(struct tty_options *options, const char *const *words)
{
	int n = 0;

	while (words[n])
		n++;
	return tty_options_parse(n, (char **)words, options);
}

#define PARSE(options, ...) parse(options, (const char *const[]){"kuketty", __VA_ARGS__, NULL})

START_TEST(options_come_in_any_order)
{
	struct tty_options options;

	ck_assert_int_eq(PARSE(&options, "max-files", "3", "log", "/x/log", "scrollback-bytes",
				 "100", "socket", "/x/socket", "max-bytes", "4096", "link", "/s/1",
				 "input", "/x/stdin", "journal", "/x/j", "log-level", "debug"),
		0);
	ck_assert_str_eq(options.log, "/x/log");
	ck_assert_int_eq(options.max_files, 3);
	ck_assert_int_eq(options.max_bytes, 4096);
	ck_assert_int_eq(options.scrollback_bytes, 100);
	ck_assert_str_eq(options.socket, "/x/socket");
	ck_assert_str_eq(options.link, "/s/1");
	ck_assert_str_eq(options.input, "/x/stdin");
	ck_assert_str_eq(options.journal, "/x/j");
	ck_assert_str_eq(options.log_level, "debug");
	ck_assert_int_eq(PARSE(&options, "log", "/x/log"), 0);
	ck_assert_int_eq(options.max_files, 1);
	ck_assert_int_eq(options.max_bytes, 0);
	ck_assert_str_eq(options.socket, "");
}
END_TEST

START_TEST(options_that_are_none)
{
	struct tty_options options;

	ck_assert_int_eq(PARSE(&options, NULL), -1);
	ck_assert_int_eq(PARSE(&options, "log"), -1);
	ck_assert_int_eq(PARSE(&options, "log", ""), -1);
	ck_assert_int_eq(PARSE(&options, "log", "/x", "other", "1"), -1);
	ck_assert_int_eq(PARSE(&options, "log", "/x", "max-files", "0"), -1);
	ck_assert_int_eq(PARSE(&options, "log", "/x", "max-files", "many"), -1);
	ck_assert_int_eq(PARSE(&options, "log", "/x", "max-bytes", "-1"), -1);
	ck_assert_int_eq(PARSE(&options, "log", "/x", "max-bytes", ""), -1);
	ck_assert_int_eq(PARSE(&options, "log", "/x", "max-bytes", "99999999999999999999"), -1);
}
END_TEST

/* --- the log --- */

static void text_check(const char *path, const char *want)
{
	kk_auto_buf text = {0};
	struct kk_err err = {0};

	check_ok(kk_file_read(path, &text, &err), &err);
	ck_assert_str_eq(text.data ? (char *)text.data : "", want);
}

static char *in_dir(const char *dir, const char *name)
{
	return kk_xprintf("%s/%s", dir, name);
}

static void entry_check(const char *index, int64_t i, int64_t at, enum kk_stream stream)
{
	kk_auto_buf text = {0};
	struct kk_logtime entry;
	struct kk_err err = {0};

	check_ok(kk_file_read(index, &text, &err), &err);
	ck_assert_uint_ge(text.len, (size_t)(i + 1) * KK_LOGTIME_LINE);
	ck_assert_int_eq(kk_logtime_parse((char *)text.data + i * KK_LOGTIME_LINE, &entry), 0);
	ck_assert_int_eq(entry.at, at);
	ck_assert_int_eq(entry.stream, stream);
	ck_assert_int_gt(entry.time, 0);
}

START_TEST(a_log_holds_what_was_written)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = in_dir(dir, "log"), *index = in_dir(dir, "log.times");
	const struct tty_options options = {.log = path, .max_files = 1};
	struct tty_sink sink;

	tty_sink_open(&sink, &options);
	tty_sink_write(&sink, KK_STREAM_OUT, "one\n", 4);
	tty_sink_write(&sink, KK_STREAM_ERR, "two\n", 4);
	tty_sink_write(&sink, KK_STREAM_OUT, "three\n", 6);
	tty_sink_close(&sink);
	text_check(path, "one\ntwo\nthree\n");
	entry_check(index, 0, 0, KK_STREAM_OUT);
	entry_check(index, 1, 4, KK_STREAM_ERR);
	entry_check(index, 2, 8, KK_STREAM_OUT);
	/* Whoever comes after goes on with it. */
	tty_sink_open(&sink, &options);
	tty_sink_write(&sink, KK_STREAM_ERR, "four\n", 5);
	tty_sink_close(&sink);
	text_check(path, "one\ntwo\nthree\nfour\n");
	entry_check(index, 3, 14, KK_STREAM_ERR);
}
END_TEST

/* As it is where a disk has no room for one more file: nothing is moved, nothing is lost. */
START_TEST(a_log_that_can_not_be_rotated_grows)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = in_dir(dir, "log"), *first = in_dir(dir, "log.1");
	kk_auto_free char *second = in_dir(dir, "log.2"), *fresh = in_dir(dir, "log.new");
	const struct tty_options options = {
		.log = path, .max_bytes = KK_LOGTIME_LINE + 4, .max_files = 3};
	struct tty_sink sink;

	tty_sink_open(&sink, &options);
	tty_sink_write(&sink, KK_STREAM_OUT, "one\n", 4);
	tty_sink_write(&sink, KK_STREAM_OUT, "two\n", 4);
	tty_sink_write(&sink, KK_STREAM_OUT, "three\n", 6);
	ck_assert_int_eq(mkdir(fresh, 0700), 0);
	for (int i = 0; i < 5; i++)
		tty_sink_write(&sink, KK_STREAM_OUT, "more\n", 5);
	text_check(second, "one\n");
	text_check(first, "two\n");
	text_check(path, "three\nmore\nmore\nmore\nmore\nmore\n");
	ck_assert_int_eq(rmdir(fresh), 0);
	tty_sink_write(&sink, KK_STREAM_OUT, "four\n", 5);
	tty_sink_close(&sink);
	text_check(second, "two\n");
	text_check(first, "three\nmore\nmore\nmore\nmore\nmore\n");
	text_check(path, "four\n");
}
END_TEST

START_TEST(a_clock_that_is_set_back_begins_a_file)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = in_dir(dir, "log"), *first = in_dir(dir, "log.1");
	kk_auto_free char *index = in_dir(dir, "log.times");
	const struct tty_options options = {.log = path, .max_bytes = 4096, .max_files = 2};
	struct kk_logtime tomorrow = {kk_time_now() + 86400 * INT64_C(1000000000), 0,
				  KK_STREAM_OUT},
			  entry;
	char line[KK_LOGTIME_LINE + 1];
	kk_auto_buf text = {0};
	struct kk_err err = {0};
	struct tty_sink sink;

	kk_logtime_format(&tomorrow, line);
	check_ok(kk_file_write(path, "old\n", 4, 0600, &err), &err);
	check_ok(kk_file_write(index, line, KK_LOGTIME_LINE, 0600, &err), &err);
	tty_sink_open(&sink, &options);
	tty_sink_write(&sink, KK_STREAM_OUT, "new\n", 4);
	tty_sink_write(&sink, KK_STREAM_OUT, "er\n", 3);
	tty_sink_close(&sink);
	text_check(first, "old\n");
	text_check(path, "new\ner\n");
	check_ok(kk_file_read(index, &text, &err), &err);
	ck_assert_int_eq(kk_logtime_parse((char *)text.data, &entry), 0);
	ck_assert_int_lt(entry.time, tomorrow.time);
}
END_TEST

START_TEST(a_log_is_rotated_between_lines)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = in_dir(dir, "log"), *first = in_dir(dir, "log.1");
	kk_auto_free char *second = in_dir(dir, "log.2"), *third = in_dir(dir, "log.3");
	kk_auto_free char *index = in_dir(dir, "log.1.times"), *fourth = in_dir(dir, "log.4");
	/* Room for an entry of the index and 20 bytes. */
	const struct tty_options options = {
		.log = path, .max_bytes = KK_LOGTIME_LINE + 20, .max_files = 3};
	struct tty_sink sink;

	/* Of a time when there were more. */
	close(open(third, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	close(open(fourth, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	tty_sink_open(&sink, &options);
	tty_sink_write(&sink, KK_STREAM_OUT, "0123456789\nabcdefghij\nxyz", 25);
	text_check(first, "0123456789\n");
	text_check(path, "abcdefghij\nxyz");
	entry_check(index, 0, 0, KK_STREAM_OUT);
	for (int i = 0; i < 9; i++) {
		char line[] = "\n0.........10.....\n";

		line[1] = (char)('0' + i);
		tty_sink_write(&sink, KK_STREAM_OUT, line, sizeof line - 1);
	}
	tty_sink_close(&sink);
	text_check(path, "\n8.........10.....\n");
	text_check(first, "\n7.........10.....\n");
	text_check(second, "\n6.........10.....\n");
	ck_assert_int_eq(access(third, F_OK), -1);
	ck_assert_int_eq(access(fourth, F_OK), -1);
}
END_TEST

START_TEST(a_line_that_is_too_long_is_kept)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = in_dir(dir, "log"), *first = in_dir(dir, "log.1");
	const struct tty_options options = {.log = path, .max_bytes = 60, .max_files = 2};
	struct tty_sink sink;
	char line[101];

	memset(line, 'x', sizeof line - 1);
	line[sizeof line - 1] = '\0';
	tty_sink_open(&sink, &options);
	tty_sink_write(&sink, KK_STREAM_OUT, line, sizeof line - 1);
	text_check(path, line);
	tty_sink_write(&sink, KK_STREAM_OUT, "next", 4);
	tty_sink_close(&sink);
	text_check(path, "next");
	text_check(first, line);
}
END_TEST

START_TEST(one_file_starts_anew)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = in_dir(dir, "log"), *first = in_dir(dir, "log.1");
	const struct tty_options options = {.log = path, .max_bytes = 50, .max_files = 1};
	struct tty_sink sink;

	tty_sink_open(&sink, &options);
	tty_sink_write(&sink, KK_STREAM_OUT, "one\n", 4);
	tty_sink_write(&sink, KK_STREAM_OUT, "23456\n", 6);
	tty_sink_close(&sink);
	text_check(path, "23456\n");
	ck_assert_int_eq(access(first, F_OK), -1);
}
END_TEST

START_TEST(a_log_that_was_emptied_begins_anew)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = in_dir(dir, "log"), *index = in_dir(dir, "log.times");
	const struct tty_options options = {.log = path, .max_files = 1};
	struct tty_sink sink;

	tty_sink_open(&sink, &options);
	tty_sink_write(&sink, KK_STREAM_OUT, "one\n", 4);
	ck_assert_int_eq(truncate(path, 0), 0);
	tty_sink_write(&sink, KK_STREAM_ERR, "two\n", 4);
	tty_sink_close(&sink);
	text_check(path, "two\n");
	entry_check(index, 0, 0, KK_STREAM_ERR);
}
END_TEST

/* Half a line of the index is of somebody who died. */
START_TEST(a_torn_index_is_mended)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = in_dir(dir, "log"), *index = in_dir(dir, "log.times");
	const struct tty_options options = {.log = path, .max_files = 1};
	struct tty_sink sink;

	tty_sink_open(&sink, &options);
	tty_sink_write(&sink, KK_STREAM_OUT, "one\n", 4);
	tty_sink_close(&sink);
	ck_assert_int_eq(truncate(index, KK_LOGTIME_LINE - 7), 0);
	tty_sink_open(&sink, &options);
	tty_sink_write(&sink, KK_STREAM_OUT, "two\n", 4);
	tty_sink_close(&sink);
	text_check(path, "one\ntwo\n");
	entry_check(index, 0, 4, KK_STREAM_OUT);
}
END_TEST

START_TEST(what_is_lost_is_told)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = in_dir(dir, "log");
	const struct tty_options options = {.log = path, .max_files = 1};
	const struct rlimit full = {50, RLIM_INFINITY}, free_again = {RLIM_INFINITY, RLIM_INFINITY};
	struct tty_sink sink;

	signal(SIGXFSZ, SIG_IGN);
	tty_sink_open(&sink, &options);
	tty_sink_write(&sink, KK_STREAM_OUT, "one\n", 4);
	/* As on a full disk: no file may grow beyond this. */
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &full), 0);
	tty_sink_write(&sink, KK_STREAM_OUT,
		"two two two two two two two two two two two two two two two two\n", 64);
	tty_sink_write(&sink, KK_STREAM_OUT, "three\n", 6);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &free_again), 0);
	tty_sink_write(&sink, KK_STREAM_OUT, "four\n", 5);
	tty_sink_close(&sink);
	text_check(path,
		"one\ntwo two two two two two two two two two two tw"
		"\n[kuketty: 24 bytes are lost: file too large]\nfour\n");
}
END_TEST

START_TEST(a_log_that_can_not_be_opened_is_opened_later)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *below = in_dir(dir, "below"), *path = in_dir(dir, "below/log");
	const struct tty_options options = {.log = path, .max_files = 2, .max_bytes = 1000};
	struct tty_sink sink;

	tty_sink_open(&sink, &options);
	tty_sink_write(&sink, KK_STREAM_OUT, "one\n", 4);
	ck_assert_int_eq(mkdir(below, 0755), 0);
	tty_sink_write(&sink, KK_STREAM_OUT, "two\n", 4);
	tty_sink_close(&sink);
	text_check(path, "\n[kuketty: 4 bytes are lost: no such file or directory]\ntwo\n");
}
END_TEST

/* --- the scrollback --- */

static void ring_check(const struct tty_ring *ring, uint64_t at, const char *want)
{
	char data[64] = "";
	size_t len = tty_ring_get(ring, &at, data, sizeof data - 1);

	ck_assert_str_eq(data, want);
	ck_assert_uint_eq(len, strlen(want));
	ck_assert_uint_eq(at, ring->end);
}

START_TEST(a_ring_holds_the_end)
{
	struct tty_ring ring;
	uint64_t at = 0;
	char data[4];

	tty_ring_init(&ring, 10);
	ring_check(&ring, tty_ring_begin(&ring, 10), "");
	tty_ring_put(&ring, "ab\ncd", 5);
	ring_check(&ring, tty_ring_begin(&ring, 10), "ab\ncd");
	ck_assert_uint_eq(tty_ring_get(&ring, &at, data, sizeof data), 4);
	ring_check(&ring, at, "d");
	/* Who is too slow goes on with a whole line. */
	tty_ring_put(&ring, "ef\nghijk", 8);
	ring_check(&ring, tty_ring_begin(&ring, 10), "ghijk");
	ring_check(&ring, 0, "ghijk");
	ring_check(&ring, 12, "k");
	ring_check(&ring, tty_ring_begin(&ring, 3), "ijk");
	ring_check(&ring, tty_ring_begin(&ring, 0), "");
	tty_ring_put(&ring, "0123456789ABCDEF", 16);
	ring_check(&ring, 0, "6789ABCDEF");
	tty_ring_release(&ring);
}
END_TEST

START_TEST(a_ring_without_room_holds_nothing)
{
	struct tty_ring ring;

	tty_ring_init(&ring, 0);
	tty_ring_put(&ring, "abc", 3);
	ck_assert_uint_eq(ring.end, 3);
	ring_check(&ring, 0, "");
	tty_ring_release(&ring);
}
END_TEST

CHECK_MAIN("kuketty", options_come_in_any_order, options_that_are_none,
	a_log_holds_what_was_written, a_log_that_can_not_be_rotated_grows,
	a_clock_that_is_set_back_begins_a_file, a_log_is_rotated_between_lines,
	a_line_that_is_too_long_is_kept, one_file_starts_anew, a_log_that_was_emptied_begins_anew,
	a_torn_index_is_mended, what_is_lost_is_told, a_log_that_can_not_be_opened_is_opened_later,
	a_ring_holds_the_end, a_ring_without_room_holds_nothing)
