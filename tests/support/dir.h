/* tests/support/dir.h - a directory of its own for each test. */
#ifndef KK_TESTS_DIR_H
#define KK_TESTS_DIR_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

#include <kukeon/fd.h>
#include <kukeon/mem.h>

static char dir_path[64];

/* Checked fixtures: they run in the process of the test. A test that fails leaves its directory. */
static inline void dir_setup_in(const char *base)
{
	snprintf(dir_path, sizeof dir_path, "%s/kk-unit-XXXXXX", base);
	ck_assert_ptr_nonnull(mkdtemp(dir_path));
}

static inline void dir_setup(void)
{
	dir_setup_in("/tmp");
}

/* For what makes files by the thousand: in memory, where there is such a place. */
static inline void dir_setup_fast(void)
{
	dir_setup_in(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
}

static inline void dir_teardown(void)
{
	struct kk_err err = {0};

	ck_assert_int_eq(kk_tree_remove(dir_path, &err), 0);
}

/* Write a file below the directory, its parents as needed. */
static inline void dir_write(const char *name, const char *text)
{
	kk_auto_free char *path = kk_xprintf("%s/%s", dir_path, name);
	kk_auto_free char *parent = kk_xstrdup(path);
	struct kk_err err = {0};

	*strrchr(parent, '/') = '\0';
	ck_assert_int_eq(kk_dir_make(parent, 0755, &err), 0);
	ck_assert_int_eq(kk_file_replace(path, text, strlen(text), 0644, &err), 0);
}

#endif
