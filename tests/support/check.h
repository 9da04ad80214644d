/* tests/support/check.h - what the unit tests share on top of Check. */
#ifndef KK_SUPPORT_CHECK_H
#define KK_SUPPORT_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#include <check.h>

#include <kukeon/auto.h>
#include <kukeon/err.h>
#include <kukeon/fd.h>
#include <kukeon/mem.h>

/* A case that waits for an event that never comes ends here; a busy machine needs room. */
enum { CHECK_TIMEOUT_S = 60 };

static inline Suite *check_suite(const char *name, const TTest *const *tests, size_t n)
{
	Suite *suite = suite_create(name);
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, CHECK_TIMEOUT_S);
	for (size_t i = 0; i < n; i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	return suite;
}

static inline int check_main(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int n_failed;

	srunner_run_all(runner, CK_NORMAL);
	n_failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The whole program: its name, then its cases, each in a process of its own. */
#define CHECK_MAIN(name, ...)                                                 \
	int main(void)                                                        \
	{                                                                     \
		const TTest *const tests[] = {__VA_ARGS__};                   \
                                                                              \
		return check_main(check_suite(name, tests, KK_COUNT(tests))); \
	}

/* An assertion that says nothing to Check while it holds: for what runs a million times, or without memory. */
#define check_must(condition)                                         \
	do {                                                          \
		if (!(condition))                                     \
			ck_abort_msg("%s does not hold", #condition); \
	} while (0)

/* A result code, told by its name where it is another one. */
#define check_code(got, want)                                                           \
	do {                                                                            \
		int check_got_ = (got), check_want_ = (want);                           \
                                                                                        \
		ck_assert_msg(check_got_ == check_want_, "%s is %s (%d), not %s", #got, \
			check_got_ ? kk_code_name(check_got_) : "success", check_got_,  \
			check_want_ ? kk_code_name(check_want_) : "success");           \
	} while (0)

/* Code and whole text of an error. */
#define check_error(err, want_code, want_text)                         \
	do {                                                           \
		char check_text_[KK_ERR_TEXT * KK_ERR_FRAMES];         \
                                                                       \
		kk_err_format((err), check_text_, sizeof check_text_); \
		ck_assert_str_eq(check_text_, (want_text));            \
		check_code((err)->code, (want_code));                  \
	} while (0)

/* No error; says which one it is otherwise. */
#define check_ok(r, err)                                                        \
	do {                                                                    \
		int check_r_ = (r);                                             \
		char check_text_[KK_ERR_TEXT * KK_ERR_FRAMES];                  \
                                                                                \
		kk_err_format((err), check_text_, sizeof check_text_);          \
		ck_assert_msg(check_r_ >= 0, "%s failed: %s", #r, check_text_); \
	} while (0)

/* A directory of the test's own, removed when it leaves its scope. */
static inline void check_dir_drop(char **dir)
{
	struct kk_err err = {0};

	check_ok(kk_tree_remove(*dir, &err), &err);
	free(*dir);
}

static inline char *check_dir_new(void)
{
	const char *base = getenv("TMPDIR");
	char *dir = kk_xprintf("%s/kukeon-test.XXXXXX", base ? base : "/tmp");

	ck_assert_ptr_nonnull(mkdtemp(dir));
	return dir;
}

#define check_auto_dir kk_auto(check_dir_drop) char *

#endif
