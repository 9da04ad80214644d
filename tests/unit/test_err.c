/* tests/unit/test_err.c */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "../support/check.h"

static const struct {
	int code;
	const char *name;
	const char *kind;
	const char *meaning;
	int exit_status;
} rows[] = {
#define KK_ERROR(code, kind, exit_status, retry, meaning) \
	{KK_E_##code, #code, kind, meaning, exit_status},
#include <kukeon/errors.def>
#undef KK_ERROR
};

START_TEST(origin_is_said_last)
{
	struct kk_err err = {0};

	check_code(kk_fail(&err, KK_E_NETWORK, "link '%s' is busy", "kk0"), KK_E_NETWORK);
	check_code(kk_wrap(&err, "attach network '%s'", "blue"), KK_E_NETWORK);
	check_code(kk_wrap(&err, "create cell '%s'", "web"), KK_E_NETWORK);
	check_error(&err, KK_E_NETWORK,
		"create cell 'web': attach network 'blue': link 'kk0' is busy");
	ck_assert_uint_eq(err.n_frames, 3);
}
END_TEST

START_TEST(origin_is_file_and_line)
{
	struct kk_err err = {0};
	kk_auto_free char *want = NULL;

	ck_assert_str_eq(kk_err_origin(&err), "");
	want = kk_xprintf("tests/unit/test_err.c:%d", __LINE__ + 1);
	kk_fail(&err, KK_E_IO, "read");
	kk_wrap(&err, "start");
	ck_assert_str_eq(kk_err_origin(&err), want);
}
END_TEST

START_TEST(second_set_asserts)
{
	struct kk_err err = {0};

	kk_fail(&err, KK_E_IO, "first");
	kk_fail(&err, KK_E_TIMEOUT, "second");
}
END_TEST

START_TEST(second_set_with_errno_asserts)
{
	struct kk_err err = {0};

	kk_fail(&err, KK_E_IO, "first");
	kk_fail_errno(&err, KK_E_IO, "second");
}
END_TEST

START_TEST(wrap_of_no_error_asserts)
{
	struct kk_err err = {0};

	kk_wrap(&err, "nothing went wrong");
}
END_TEST

START_TEST(errno_is_kept_and_said)
{
	struct kk_err err = {0};

	errno = ENOENT;
	check_code(kk_fail_errno(&err, KK_E_IO, "open %s", "/nowhere"), KK_E_IO);
	ck_assert_int_eq(err.sys_errno, ENOENT);
	errno = 0;
	check_code(kk_wrap(&err, "start"), KK_E_IO);
	ck_assert_int_eq(err.sys_errno, ENOENT);
	check_error(&err, KK_E_IO, "start: open /nowhere: no such file or directory");
}
END_TEST

START_TEST(plain_failure_has_no_errno)
{
	struct kk_err err = {0};

	errno = EPERM;
	kk_fail(&err, KK_E_INVALID, "wrong");
	ck_assert_int_eq(err.sys_errno, 0);
}
END_TEST

START_TEST(deep_chain_loses_its_middle)
{
	struct kk_err err = {0};

	kk_fail(&err, KK_E_CGROUP, "origin");
	for (int i = 1; i <= 20; i++)
		check_code(kk_wrap(&err, "step %d", i), KK_E_CGROUP);
	ck_assert_uint_eq(err.n_frames, KK_ERR_FRAMES);
	check_error(&err, KK_E_CGROUP,
		"step 20: step 6: step 5: step 4: step 3: step 2: step 1: origin");
}
END_TEST

START_TEST(long_text_is_cut_within_its_frame)
{
	struct kk_err err = {0};
	char text[2 * KK_ERR_TEXT + 1], got[4 * KK_ERR_TEXT];

	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	errno = EIO;
	kk_fail_errno(&err, KK_E_IO, "%s", text);
	kk_wrap(&err, "outer");
	kk_err_format(&err, got, sizeof got);
	text[KK_ERR_TEXT - 1] = '\0';
	ck_assert_uint_eq(strlen(got), strlen("outer: ") + KK_ERR_TEXT - 1);
	ck_assert_str_eq(got + strlen("outer: "), text);
}
END_TEST

START_TEST(format_is_cut_at_any_size)
{
	static const char want[] = "outer: middle: origin";
	struct kk_err err = {0};
	char got[sizeof want + 1];

	kk_fail(&err, KK_E_IO, "origin");
	kk_wrap(&err, "middle");
	kk_wrap(&err, "outer");
	for (size_t size = 0; size <= sizeof want; size++) {
		size_t n = size < sizeof want ? size : sizeof want;

		memset(got, '#', sizeof got);
		kk_err_format(&err, got, size);
		if (size) {
			ck_assert_uint_eq(strlen(got), n - 1);
			ck_assert_mem_eq(got, want, n - 1);
		}
		ck_assert_int_eq(got[size], '#');
	}
}
END_TEST

START_TEST(empty_error_formats_to_nothing)
{
	struct kk_err err = {0};
	char got[8] = "before";

	kk_err_format(&err, got, sizeof got);
	ck_assert_str_eq(got, "");
}
END_TEST

START_TEST(cleared_error_can_be_set_again)
{
	struct kk_err err = {0};

	errno = EIO;
	kk_fail_errno(&err, KK_E_IO, "first");
	kk_err_clear(&err);
	ck_assert_int_eq(err.code, 0);
	ck_assert_int_eq(err.sys_errno, 0);
	kk_fail(&err, KK_E_TIMEOUT, "second");
	check_error(&err, KK_E_TIMEOUT, "second");
}
END_TEST

START_TEST(recode_changes_the_code_alone)
{
	struct kk_err err = {0};

	kk_fail(&err, KK_E_CONTAINERD, "not found");
	check_code(kk_recode(&err, KK_E_IMAGE_NOT_FOUND), KK_E_IMAGE_NOT_FOUND);
	check_error(&err, KK_E_IMAGE_NOT_FOUND, "not found");
	check_code(kk_failed(&err), KK_E_IMAGE_NOT_FOUND);
}
END_TEST

START_TEST(nobody_has_to_listen)
{
	check_code(kk_fail(NULL, KK_E_BUSY, "x"), KK_E_BUSY);
	check_code(kk_fail_errno(NULL, KK_E_IO, "x"), KK_E_IO);
	check_code(kk_wrap(NULL, "x"), KK_E_INTERNAL);
	check_code(kk_recode(NULL, KK_E_BUSY), KK_E_BUSY);
}
END_TEST

START_TEST(failure_is_negative_even_where_no_code_was_set)
{
	check_code(kk_negative(0), KK_E_INTERNAL);
	check_code(kk_negative(7), KK_E_INTERNAL);
	check_code(kk_negative(KK_E_BUSY), KK_E_BUSY);
}
END_TEST

START_TEST(every_code_has_its_row)
{
	for (size_t i = 0; i < KK_COUNT(rows); i++) {
		ck_assert_int_lt(rows[i].code, 0);
		ck_assert_str_eq(kk_code_name(rows[i].code), rows[i].name);
		ck_assert_str_eq(kk_code_kind(rows[i].code), rows[i].kind);
		ck_assert_str_eq(kk_code_meaning(rows[i].code), rows[i].meaning);
		ck_assert_int_eq(kk_code_exit(rows[i].code), rows[i].exit_status);
		ck_assert_int_gt(rows[i].exit_status, 0);
		ck_assert_str_ne(rows[i].meaning, "");
		for (size_t k = 0; k < i; k++) {
			ck_assert_int_ne(rows[i].code, rows[k].code);
			ck_assert_str_ne(kk_code_name(rows[i].code), kk_code_name(rows[k].code));
		}
	}
}
END_TEST

START_TEST(numbers_outside_the_table_are_unknown)
{
	static const int strangers[] = {0, 1, -1, KK_CODE_BASE, KK_CODE_END, -100000, 100000};

	for (size_t i = 0; i < KK_COUNT(strangers); i++) {
		ck_assert_str_eq(kk_code_name(strangers[i]), "UNKNOWN");
		ck_assert_str_eq(kk_code_kind(strangers[i]), "Unknown");
		ck_assert_str_eq(kk_code_meaning(strangers[i]),
			"an error that this version does not know");
		ck_assert_int_eq(kk_code_exit(strangers[i]), 1);
	}
}
END_TEST

/* A client that was written for the Go daemon looks for these spellings. */
START_TEST(kinds_are_spelled_as_in_the_api)
{
	static const struct {
		int code;
		const char *kind;
	} api[] = {
		{KK_E_REALM_NAME_REQUIRED, "RealmNameRequired"},
		{KK_E_SPACE_NAME_REQUIRED, "SpaceNameRequired"},
		{KK_E_STACK_NAME_REQUIRED, "StackNameRequired"},
		{KK_E_CELL_NAME_REQUIRED, "CellNameRequired"},
		{KK_E_CONTAINER_NAME_REQUIRED, "ContainerNameRequired"},
		{KK_E_REALM_NOT_FOUND, "RealmNotFound"},
		{KK_E_SPACE_NOT_FOUND, "SpaceNotFound"},
		{KK_E_STACK_NOT_FOUND, "StackNotFound"},
		{KK_E_CELL_NOT_FOUND, "CellNotFound"},
		{KK_E_CONTAINER_NOT_FOUND, "ContainerNotFound"},
		{KK_E_NETWORK_NOT_FOUND, "NetworkNotFound"},
		{KK_E_OPERATION_NOT_FOUND, "OperationNotFound"},
		{KK_E_HAS_DEPENDENCIES, "ResourceHasDependencies"},
		{KK_E_CREATE_REALM, "CreateRealm"},
		{KK_E_CREATE_SPACE, "CreateSpace"},
		{KK_E_CREATE_STACK, "CreateStack"},
		{KK_E_CREATE_CELL, "CreateCell"},
		{KK_E_CONTAINER_EXISTS, "ContainerExists"},
		{KK_E_CONVERSION, "ConversionFailed"},
		{KK_E_IMAGE_NOT_FOUND, "ImageNotFound"},
		{KK_E_WORKER_CRASHED, "WorkerCrashed"},
		{KK_E_WORKER_DOWN, "WorkerDown"},
		{KK_E_COMMAND_NOT_FOUND, "CommandNotFound"},
		{KK_E_COMMAND_REFUSED, "CommandRefused"},
		{KK_E_ATTACH_NOT_SUPPORTED, "AttachNotSupported"},
		{KK_E_ATTACH_NOT_RUNNING, "AttachTaskNotRunning"},
	};

	for (size_t i = 0; i < KK_COUNT(rows); i++) {
		const char *want = "Unknown";

		for (size_t k = 0; k < KK_COUNT(api); k++) {
			if (api[k].code == rows[i].code)
				want = api[k].kind;
		}
		ck_assert_str_eq(kk_code_kind(rows[i].code), want);
	}
}
END_TEST

/* The cases that must end in an assertion do not fit CHECK_MAIN. */
int main(void)
{
	const TTest *const tests[] = {origin_is_said_last, origin_is_file_and_line,
		errno_is_kept_and_said, plain_failure_has_no_errno, deep_chain_loses_its_middle,
		long_text_is_cut_within_its_frame, format_is_cut_at_any_size,
		empty_error_formats_to_nothing, cleared_error_can_be_set_again,
		recode_changes_the_code_alone, nobody_has_to_listen,
		failure_is_negative_even_where_no_code_was_set, every_code_has_its_row,
		numbers_outside_the_table_are_unknown, kinds_are_spelled_as_in_the_api};
	const TTest *const aborting[] = {
		second_set_asserts, second_set_with_errno_asserts, wrap_of_no_error_asserts};
	Suite *suite = check_suite("err", tests, KK_COUNT(tests));
	TCase *tc = tcase_create("asserts");

	for (size_t i = 0; i < KK_COUNT(aborting); i++)
		tcase_add_test_raise_signal(tc, aborting[i], SIGABRT);
	suite_add_tcase(suite, tc);
	return check_main(suite);
}
