/* tests/torture/torture_worker.c - the reconciler's work on the state on disk when an allocation fails, each in
 * turn: the process says that memory is gone and ends, and its successor finds all whole, and finishes. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kukeon/json.h>
#include <kukeon/log.h>

#include "../support/check.h"
#include "../support/clock.h"
#include "../support/dir.h"
#include "../support/disk.h"
#include "../support/memory.h"
#include "../support/operation.h"

enum { NOMEM_STATUS = 70, LIVED = 0, LIVED_SHORT = 1, FAILED = 2 };

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

/* In a process of its own, as workers are. Returns its exit status. */
static int worker_run(const struct operation *operation, size_t nth, char *ret_said, size_t size)
{
	int said[2], status;
	ssize_t n;
	pid_t pid;

	ck_assert_int_eq(pipe(said), 0);
	pid = fork();
	if (pid == 0) {
		struct kk_err err = {0};
		int r;

		dup2(said[1], STDERR_FILENO);
		operation_restart();
		kk_json_set_vital();
		memory_begin(nth, 0);
		r = operation->run(&err);
		if (r < 0)
			dprintf(STDERR_FILENO, "%s", err.frames[0].text);
		_exit((memory_end() ? LIVED_SHORT : LIVED) | (r < 0 ? FAILED : 0));
	}
	close(said[1]);
	n = read(said[0], ret_said, size - 1);
	ret_said[n > 0 ? n : 0] = '\0';
	close(said[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status), "%s, allocation %zu: it ended with signal %d",
		operation->name, nth, WTERMSIG(status));
	return WEXITSTATUS(status);
}

/* False when the operation took less than @n allocations. */
static bool fail_at(const struct scenario *scenario, size_t nth, size_t n)
{
	const struct operation *operation = &scenario->operations[nth];
	char said[256];
	int status;

	live_enter(scenario, nth);
	status = worker_run(operation, n, said, sizeof said);
	if (status == NOMEM_STATUS)
		ck_assert_str_eq(said, "kukeon: out of memory\n");
	else
		ck_assert_msg(status == LIVED || status == LIVED_SHORT ||
				status == (LIVED_SHORT | FAILED),
			"%s, allocation %zu: status %d, it says: %s", operation->name, n, status,
			said);
	operation_restart();
	operation_load_all();
	operation_do(operation);
	disk_expect(nth + 1);
	live_leave();
	return status != LIVED;
}

/* Whole operations take thousands of allocations, and each that fails takes a process. `make torture` has time
 * for all of them, any other run for one in so many. */
static size_t step_of(const struct scenario *scenario)
{
	const char *all = getenv("TORTURE_ALL");

	return !all && strcmp(scenario->name, "objects") == 0 ? 16 : 1;
}

START_TEST(a_reconciler_without_memory_ends_and_leaves_all_whole)
{
	const struct scenario *scenario = &scenarios[_i];
	size_t n_failed = 0, step = step_of(scenario);

	live_enter(scenario, scenario->n);
	disk_remember();
	live_leave();
	for (size_t i = 0; i < scenario->n; i++) {
		for (size_t n = 1 + i % step; fail_at(scenario, i, n); n += step)
			n_failed++;
	}
	printf("%s: %zu allocations failed\n", scenario->name, n_failed);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("torture_worker");
	TCase *end = tcase_create("end");

	tcase_set_timeout(end, getenv("TORTURE_ALL") ? 3 * CHECK_TIMEOUT_S : CHECK_TIMEOUT_S);
	tcase_add_checked_fixture(end, setup, teardown);
	tcase_add_loop_test(end, a_reconciler_without_memory_ends_and_leaves_all_whole, 0,
		(int)n_scenarios);
	suite_add_tcase(suite, end);
	return check_main(suite);
}
