/* tests/unit/test_fd.c */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <kukeon/buf.h>
#include <kukeon/fd.h>

#include "../support/check.h"

static char *in(const char *dir, const char *name)
{
	return kk_xprintf("%s/%s", dir, name);
}

static void put(const char *path, const char *text)
{
	struct kk_err err = {0};

	check_ok(kk_file_write(path, text, strlen(text), 0600, &err), &err);
}

static void check_file(const char *path, const char *want)
{
	kk_auto_buf buf = {0};
	struct kk_err err = {0};

	check_ok(kk_file_read(path, &buf, &err), &err);
	ck_assert_uint_eq(buf.len, strlen(want));
	ck_assert_str_eq((char *)buf.data, want);
}

static size_t entries(const char *path)
{
	DIR *dir = opendir(path);
	size_t n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	ck_assert_int_eq(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

START_TEST(replace_makes_and_replaces)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = in(dir, "file");
	struct kk_err err = {0};

	check_ok(kk_file_replace(path, "one", 3, 0640, &err), &err);
	check_file(path, "one");
	ck_assert_uint_eq(mode_of(path), 0640);
	check_ok(kk_file_replace(path, "longer than one", 15, 0600, &err), &err);
	check_file(path, "longer than one");
	ck_assert_uint_eq(mode_of(path), 0600);
	check_ok(kk_file_replace(path, "", 0, 0600, &err), &err);
	check_file(path, "");
	ck_assert_uint_eq(entries(dir), 1);
}
END_TEST

/* Whoever has the old file open goes on reading the old text. */
START_TEST(replace_leaves_the_old_inode_alone)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = in(dir, "file");
	struct kk_err err = {0};
	kk_auto_fd int fd = -1;
	char text[8] = "";

	put(path, "old");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	check_ok(kk_file_replace(path, "newer", 5, 0600, &err), &err);
	ck_assert_int_eq(read(fd, text, sizeof text), 3);
	ck_assert_str_eq(text, "old");
}
END_TEST

START_TEST(replace_replaces_a_link_not_its_target)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *target = in(dir, "target"), *link = in(dir, "link");
	struct kk_err err = {0};
	struct stat st;

	put(target, "old");
	ck_assert_int_eq(symlink("target", link), 0);
	check_ok(kk_file_replace(link, "new", 3, 0600, &err), &err);
	ck_assert_int_eq(lstat(link, &st), 0);
	ck_assert(S_ISREG(st.st_mode));
	check_file(link, "new");
	check_file(target, "old");
}
END_TEST

START_TEST(replace_in_a_missing_directory_fails)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = in(dir, "missing/file");
	kk_auto_free char *begin = kk_xprintf("create %s.", path);
	struct kk_err err = {0};

	check_code(kk_file_replace(path, "x", 1, 0600, &err), KK_E_IO);
	check_code(err.code, KK_E_IO);
	ck_assert_int_eq(err.sys_errno, ENOENT);
	ck_assert_msg(kk_str_starts(err.frames[0].text, begin), "%s", err.frames[0].text);
	ck_assert_msg(kk_str_ends(err.frames[0].text, ": no such file or directory"), "%s",
		err.frames[0].text);
	ck_assert_uint_eq(entries(dir), 0);
}
END_TEST

START_TEST(replace_of_a_directory_fails_and_leaves_no_temporary_file)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = in(dir, "taken"), *inner = in(dir, "taken/inner");
	struct kk_err err = {0};

	ck_assert_int_eq(mkdir(path, 0700), 0);
	put(inner, "inner");
	check_code(kk_file_replace(path, "x", 1, 0600, &err), KK_E_IO);
	ck_assert_int_eq(err.sys_errno, EISDIR);
	ck_assert_msg(kk_str_starts(err.frames[0].text, "rename "), "%s", err.frames[0].text);
	ck_assert_msg(kk_str_ends(err.frames[0].text, "/taken: is a directory"), "%s",
		err.frames[0].text);
	ck_assert_uint_eq(entries(dir), 1);
	check_file(inner, "inner");
}
END_TEST

START_TEST(leftovers_are_removed_and_nothing_else)
{
	static const char *const names[] = {"file", "file.", "file.12345", "file.1234567",
		"file1.123456", "fil.123456", ".file.123456"};
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = in(dir, "file");
	kk_auto_free char *one = in(dir, "file.123456"), *two = in(dir, "file.aB_cD9");

	for (size_t i = 0; i < KK_COUNT(names); i++) {
		kk_auto_free char *other = in(dir, names[i]);

		put(other, "kept");
	}
	put(one, "left");
	put(two, "left");
	kk_leftovers_remove(path);
	ck_assert_uint_eq(entries(dir), KK_COUNT(names));
	ck_assert_int_lt(access(one, F_OK), 0);
	ck_assert_int_lt(access(two, F_OK), 0);
}
END_TEST

START_TEST(leftovers_of_nothing_are_none)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = in(dir, "missing/file");

	kk_leftovers_remove(path);
	ck_assert_uint_eq(entries(dir), 0);
}
END_TEST

START_TEST(names_are_synced_whether_they_are_there_or_not)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *there = in(dir, "there"), *gone = in(dir, "gone");
	kk_auto_free char *deep = in(dir, "a/b/c"), *nowhere = in(dir, "missing/x");
	struct kk_err err = {0};

	put(there, "x");
	check_ok(kk_dir_make(deep, 0700, &err), &err);
	check_ok(kk_name_sync(there, &err), &err);
	check_ok(kk_name_sync(gone, &err), &err);
	check_ok(kk_name_sync(nowhere, &err), &err);
	check_ok(kk_path_sync(deep, dir, &err), &err);
	check_ok(kk_path_sync(deep, "/", &err), &err);
	ck_assert_int_eq(chdir(dir), 0);
	check_ok(kk_name_sync("there", &err), &err);
	check_ok(kk_path_sync("a/b", "/", &err), &err);
	ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(a_name_below_a_file_can_not_be_synced)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *file = in(dir, "file"), *path = in(dir, "file/sub");
	kk_auto_free char *want = kk_xprintf("open the directory of %s: not a directory", path);
	struct kk_err err = {0};

	put(file, "x");
	check_code(kk_name_sync(path, &err), KK_E_IO);
	check_error(&err, KK_E_IO, want);
}
END_TEST

START_TEST(a_directory_is_read_without_its_dots)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *one = in(dir, "..."), *two = in(dir, ".x");
	const struct dirent *entry;
	kk_auto_dir handle = NULL;
	int n = 0, r;

	put(one, "x");
	put(two, "x");
	handle = opendir(dir);
	while ((r = kk_dir_next(handle, &entry)) == 1)
		n++;
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(n, 2);
}
END_TEST

START_TEST(write_keeps_the_inode)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = in(dir, "file");
	struct kk_err err = {0};
	struct stat before, after;

	check_ok(kk_file_write(path, "a longer text", 13, 0600, &err), &err);
	ck_assert_int_eq(stat(path, &before), 0);
	check_ok(kk_file_write(path, "short", 5, 0644, &err), &err);
	ck_assert_int_eq(stat(path, &after), 0);
	ck_assert_uint_eq(after.st_ino, before.st_ino);
	ck_assert_uint_eq(mode_of(path), 0600);
	check_file(path, "short");
}
END_TEST

START_TEST(write_in_a_missing_directory_fails)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = in(dir, "missing/file");
	kk_auto_free char *want = kk_xprintf("create %s: no such file or directory", path);
	struct kk_err err = {0};

	check_code(kk_file_write(path, "x", 1, 0600, &err), KK_E_IO);
	check_error(&err, KK_E_IO, want);
}
END_TEST

START_TEST(read_ceiling_is_exact)
{
	static const size_t ceilings[] = {1, 5, 16383, 16384, 16385, 40000};

	for (size_t i = 0; i < KK_COUNT(ceilings); i++) {
		check_auto_dir dir = check_dir_new();
		kk_auto_free char *path = in(dir, "file"), *want = NULL;
		kk_auto_free char *text = kk_xalloc(ceilings[i] + 2);
		kk_auto_buf exact, less;
		struct kk_err err = {0};

		kk_buf_init(&exact, ceilings[i]);
		kk_buf_init(&less, ceilings[i]);
		memset(text, 'x', ceilings[i] + 1);
		check_ok(kk_file_write(path, text, ceilings[i], 0600, &err), &err);
		check_ok(kk_file_read(path, &exact, &err), &err);
		ck_assert_uint_eq(exact.len, ceilings[i]);
		ck_assert_mem_eq(exact.data, text, exact.len);
		check_ok(kk_file_write(path, text, ceilings[i] + 1, 0600, &err), &err);
		check_code(kk_file_read(path, &less, &err), KK_E_TOO_BIG);
		want = kk_xprintf("%s is larger than %zu bytes", path, ceilings[i]);
		check_error(&err, KK_E_TOO_BIG, want);
	}
}
END_TEST

START_TEST(read_without_a_ceiling_takes_all)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = in(dir, "file");
	kk_auto_free char *text = kk_xalloc(100001);

	memset(text, 'y', 100000);
	put(path, text);
	check_file(path, text);
}
END_TEST

START_TEST(read_appends)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = in(dir, "file");
	kk_auto_buf buf = {0};
	struct kk_err err = {0};

	put(path, " more");
	ck_assert_int_eq(kk_buf_str(&buf, "some"), 0);
	check_ok(kk_file_read(path, &buf, &err), &err);
	ck_assert_str_eq((char *)buf.data, "some more");
}
END_TEST

START_TEST(read_keeps_zero_bytes)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = in(dir, "file");
	kk_auto_buf buf = {0};
	struct kk_err err = {0};

	check_ok(kk_file_write(path, "a\0b", 3, 0600, &err), &err);
	check_ok(kk_file_read(path, &buf, &err), &err);
	ck_assert_uint_eq(buf.len, 3);
	ck_assert_mem_eq(buf.data, "a\0b", 4);
}
END_TEST

START_TEST(read_of_a_missing_file_keeps_errno)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = in(dir, "missing");
	kk_auto_free char *want = kk_xprintf("open %s: no such file or directory", path);
	kk_auto_buf buf = {0};
	struct kk_err err = {0};

	check_code(kk_file_read(path, &buf, &err), KK_E_IO);
	check_error(&err, KK_E_IO, want);
	ck_assert_int_eq(err.sys_errno, ENOENT);
	ck_assert_uint_eq(buf.len, 0);
}
END_TEST

START_TEST(read_of_a_directory_fails)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *want = kk_xprintf("read %s: is a directory", dir);
	kk_auto_buf buf = {0};
	struct kk_err err = {0};

	check_code(kk_file_read(dir, &buf, &err), KK_E_IO);
	check_error(&err, KK_E_IO, want);
}
END_TEST

START_TEST(dir_make_makes_all_parents)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = in(dir, "a/b/c");
	struct kk_err err = {0};

	umask(0);
	check_ok(kk_dir_make(path, 0750, &err), &err);
	for (int i = 0; i < 3; i++) {
		ck_assert_uint_eq(mode_of(path), 0750);
		*strrchr(path, '/') = '\0';
	}
}
END_TEST

START_TEST(dir_make_leaves_what_is_there_as_it_is)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = in(dir, "a"), *deeper = in(dir, "a/b//c/");
	struct kk_err err = {0};

	ck_assert_int_eq(mkdir(path, 0711), 0);
	check_ok(kk_dir_make(path, 0750, &err), &err);
	check_ok(kk_dir_make(deeper, 0750, &err), &err);
	check_ok(kk_dir_make(deeper, 0700, &err), &err);
	ck_assert_uint_eq(mode_of(path), 0711);
	ck_assert_uint_eq(entries(path), 1);
}
END_TEST

START_TEST(dir_make_below_a_file_fails)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *file = in(dir, "file"), *path = in(dir, "file/sub");
	kk_auto_free char *want = kk_xprintf("create directory %s: not a directory", path);
	struct kk_err err = {0};

	put(file, "x");
	check_code(kk_dir_make(path, 0750, &err), KK_E_IO);
	check_error(&err, KK_E_IO, want);
	check_file(file, "x");
}
END_TEST

START_TEST(dir_make_where_a_file_is_fails)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *file = in(dir, "file");
	struct kk_err err = {0};

	put(file, "x");
	check_code(kk_dir_make(file, 0750, &err), KK_E_IO);
}
END_TEST

START_TEST(tree_remove_takes_all_below)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *top = in(dir, "top"), *deep = in(dir, "top/a/b/c");
	kk_auto_free char *file = in(dir, "top/a/file"), *hidden = in(dir, "top/a/b/.hidden");
	kk_auto_free char *fifo = in(dir, "top/fifo");
	struct kk_err err = {0};

	check_ok(kk_dir_make(deep, 0700, &err), &err);
	put(file, "x");
	put(hidden, "x");
	ck_assert_int_eq(mkfifo(fifo, 0600), 0);
	check_ok(kk_tree_remove(top, &err), &err);
	ck_assert_uint_eq(entries(dir), 0);
}
END_TEST

START_TEST(tree_remove_takes_a_file)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *file = in(dir, "file");
	struct kk_err err = {0};

	put(file, "x");
	check_ok(kk_tree_remove(file, &err), &err);
	ck_assert_uint_eq(entries(dir), 0);
}
END_TEST

START_TEST(tree_remove_of_nothing_is_fine)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *missing = in(dir, "missing"), *deeper = in(dir, "missing/deeper");
	struct kk_err err = {0};

	check_ok(kk_tree_remove(missing, &err), &err);
	check_ok(kk_tree_remove(deeper, &err), &err);
	check_code(err.code, 0);
}
END_TEST

START_TEST(tree_remove_does_not_follow_links)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *other = in(dir, "other"), *kept = in(dir, "other/kept");
	kk_auto_free char *top = in(dir, "top"), *link = in(dir, "top/link");
	kk_auto_free char *dangling = in(dir, "top/dangling"), *direct = in(dir, "direct");
	struct kk_err err = {0};

	ck_assert_int_eq(mkdir(other, 0700), 0);
	put(kept, "kept");
	ck_assert_int_eq(mkdir(top, 0700), 0);
	ck_assert_int_eq(symlink(other, link), 0);
	ck_assert_int_eq(symlink("nowhere", dangling), 0);
	ck_assert_int_eq(symlink(other, direct), 0);
	check_ok(kk_tree_remove(top, &err), &err);
	check_ok(kk_tree_remove(direct, &err), &err);
	ck_assert_uint_eq(entries(dir), 1);
	check_file(kept, "kept");
}
END_TEST

START_TEST(tree_remove_leaves_no_descriptor_behind)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *top = in(dir, "top"), *deep = in(dir, "top/a/b/c/d");
	size_t before = entries("/proc/self/fd");
	struct kk_err err = {0};

	check_ok(kk_dir_make(deep, 0700, &err), &err);
	check_ok(kk_tree_remove(top, &err), &err);
	ck_assert_uint_eq(entries("/proc/self/fd"), before);
}
END_TEST

START_TEST(tree_remove_says_what_stands_in_the_way)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *file = in(dir, "file"), *path = in(dir, "file/sub");
	kk_auto_free char *want = kk_xprintf("stat %s: not a directory", path);
	struct kk_err err = {0};

	put(file, "x");
	check_code(kk_tree_remove(path, &err), KK_E_IO);
	check_error(&err, KK_E_IO, want);
}
END_TEST

START_TEST(write_all_writes_all)
{
	kk_auto_free char *data = kk_xalloc(10000);
	char got[10000];
	int line[2];

	memset(data, 'z', 10000);
	ck_assert_int_eq(pipe2(line, O_CLOEXEC), 0);
	ck_assert_int_eq(kk_fd_write_all(line[1], data, 10000), 0);
	ck_assert_int_eq(read(line[0], got, sizeof got), 10000);
	ck_assert_mem_eq(got, data, 10000);
	close(line[0]);
	close(line[1]);
	errno = 0;
	ck_assert_int_eq(kk_fd_write_all(line[1], data, 1), -1);
	ck_assert_int_eq(errno, EBADF);
}
END_TEST

START_TEST(nonblock_adds_to_the_flags)
{
	int line[2];

	ck_assert_int_eq(pipe2(line, O_CLOEXEC), 0);
	ck_assert_int_eq(kk_fd_nonblock(line[0]), 0);
	ck_assert_int_ne(fcntl(line[0], F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_eq(fcntl(line[1], F_GETFL) & O_NONBLOCK, 0);
	close(line[0]);
	close(line[1]);
	ck_assert_int_eq(kk_fd_nonblock(line[0]), -1);
}
END_TEST

START_TEST(unix_dial_finds_a_listener)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *path = in(dir, "s");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	kk_auto_fd int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	kk_auto_fd int fd = -1;
	char room[sizeof address.sun_path + 1];
	char byte;

	ck_assert_int_eq(kk_unix_dial(path, SOCK_STREAM, 0), -1);
	ck_assert_int_eq(errno, ENOENT);
	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
	ck_assert_int_eq(kk_unix_dial(path, SOCK_STREAM, 0), -1);
	ck_assert_int_eq(errno, ECONNREFUSED);
	ck_assert_int_eq(listen(listener, 1), 0);
	fd = kk_unix_dial(path, SOCK_STREAM, 10);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	/* Nobody answers. */
	ck_assert_int_eq(recv(fd, &byte, 1, 0), -1);
	ck_assert_int_eq(errno, EAGAIN);
	memset(room, 'a', sizeof room - 1);
	room[sizeof room - 1] = '\0';
	ck_assert_int_eq(kk_unix_dial(room, SOCK_STREAM, 0), -1);
	ck_assert_int_eq(errno, ENAMETOOLONG);
}
END_TEST

START_TEST(path_clean_knows_what_is_not_there)
{
	kk_auto_free char *here = realpath(".", NULL);
	const struct {
		const char *path, *clean;
	} rows[] = {
		{"", ""},
		{"/", "/"},
		{"///", "/"},
		{"/proc/", "/proc"},
		{"/none/of/it//", "/none/of/it"},
		{"/proc/self/../none/", "/proc/none"},
		{"none", NULL},
		{"./none/below/", NULL},
	};

	for (size_t i = 0; i < KK_COUNT(rows); i++) {
		kk_auto_free char *clean = kk_path_clean(rows[i].path);

		if (rows[i].clean)
			ck_assert_str_eq(clean, rows[i].clean);
		else
			ck_assert(kk_str_starts(clean, here) && !kk_str_ends(clean, "/"));
	}
}
END_TEST

START_TEST(path_clean_follows_links_as_far_as_they_lead)
{
	check_auto_dir dir = check_dir_new();
	kk_auto_free char *to = in(dir, "to"), *link = in(dir, "link");
	kk_auto_free char *below = in(link, "a/b"), *through = NULL;
	kk_auto_free char *real = NULL, *expected = NULL;

	ck_assert_int_eq(mkdir(to, 0700), 0);
	ck_assert_int_eq(symlink(to, link), 0);
	real = realpath(to, NULL);
	expected = kk_xprintf("%s/a/b", real);
	through = kk_path_clean(below);
	ck_assert_str_eq(through, expected);
}
END_TEST

CHECK_MAIN("fd", replace_makes_and_replaces, replace_leaves_the_old_inode_alone,
	replace_replaces_a_link_not_its_target, replace_in_a_missing_directory_fails,
	replace_of_a_directory_fails_and_leaves_no_temporary_file,
	leftovers_are_removed_and_nothing_else, leftovers_of_nothing_are_none,
	names_are_synced_whether_they_are_there_or_not, a_name_below_a_file_can_not_be_synced,
	a_directory_is_read_without_its_dots, write_keeps_the_inode,
	write_in_a_missing_directory_fails, read_ceiling_is_exact, read_without_a_ceiling_takes_all,
	read_appends, read_keeps_zero_bytes, read_of_a_missing_file_keeps_errno,
	read_of_a_directory_fails, dir_make_makes_all_parents,
	dir_make_leaves_what_is_there_as_it_is, dir_make_below_a_file_fails,
	dir_make_where_a_file_is_fails, tree_remove_takes_all_below, tree_remove_takes_a_file,
	tree_remove_of_nothing_is_fine, tree_remove_does_not_follow_links,
	tree_remove_leaves_no_descriptor_behind, tree_remove_says_what_stands_in_the_way,
	write_all_writes_all, nonblock_adds_to_the_flags, unix_dial_finds_a_listener,
	path_clean_knows_what_is_not_there, path_clean_follows_links_as_far_as_they_lead)
