/* tests/unit/test_errno.c - the state on disk when the kernel says no, to each call in turn.
 *
 * An operation then fails with an error that names file and cause and leaves all as it was, or it succeeds;
 * nothing is left over, no descriptor either; and once the kernel says yes again, it works. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <kukeon/log.h>

#include "../support/check.h"
#include "../support/clock.h"
#include "../support/dir.h"
#include "../support/disk.h"
#include "../support/operation.h"

static const int errors[] = {ENOSPC, EIO, EMFILE, ENOMEM, EROFS, EINTR};

static void setup(void)
{
	dir_setup_fast();
	ck_assert_int_eq(chdir(dir_path), 0);
	kk_log_set_level(-1);
	operation_setup();
}

static void teardown(void)
{
	ck_assert_int_eq(chdir("/"), 0);
	dir_teardown();
}

static void failure_check(const struct operation *operation, const struct kk_err *err, int error)
{
	char text[KK_ERR_TEXT];

	kk_err_format(err, text, sizeof text);
	ck_assert_msg((strchr(text, '/') || strstr(text, "run")) &&
			strstr(text, kk_errno_text(error)),
		"%s: %s of %s is told as: %s", operation->name, kk_errno_text(error), disk_hit(),
		text);
}

/* False when the operation has less calls than @call. */
static bool fail_at(const struct scenario *scenario, size_t nth, size_t call, int error)
{
	const struct operation *operation = &scenario->operations[nth];
	struct kk_err err = {0};
	bool has_hit;
	size_t n_fds;
	int r;

	live_enter(scenario, nth);
	operation_restart();
	n_fds = disk_fds();
	disk_begin(operation_class_of);
	disk_fail(call, error);
	r = operation->run(&err);
	has_hit = disk_has_hit();
	disk_end();
	ck_assert_msg(disk_fds() == n_fds, "%s: %s of %s leaves a descriptor", operation->name,
		kk_errno_text(error), disk_hit());
	if (r < 0) {
		failure_check(operation, &err, error);
		if (operation->has_steps)
			operation_load_all();
		else
			disk_expect(nth);
		operation_do(operation);
	}
	disk_expect(nth + 1);
	live_leave();
	return has_hit;
}

START_TEST(each_call_that_fails_fails_its_operation_or_does_not_matter)
{
	const struct scenario *scenario = &scenarios[_i / (int)KK_COUNT(errors)];
	int error = errors[_i % (int)KK_COUNT(errors)];
	size_t n_calls = 0;

	live_enter(scenario, scenario->n);
	operation_restart();
	disk_remember();
	live_leave();
	for (size_t i = 0; i < scenario->n; i++) {
		for (size_t call = 1; fail_at(scenario, i, call, error); call++)
			n_calls++;
	}
	printf("%s: %zu calls failed with: %s\n", scenario->name, n_calls, kk_errno_text(error));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("errno");
	TCase *refused = tcase_create("refused");

	tcase_set_timeout(refused, CHECK_TIMEOUT_S);
	tcase_add_checked_fixture(refused, setup, teardown);
	tcase_add_loop_test(refused, each_call_that_fails_fails_its_operation_or_does_not_matter, 0,
		(int)(n_scenarios * KK_COUNT(errors)));
	suite_add_tcase(suite, refused);
	return check_main(suite);
}
