/* tests/unit/test_power.c - the state on disk when the power goes, whenever that is.
 *
 * Documents and the instance file are whole, old or new, whatever a file system made of what was not synced;
 * what was promised to somebody is there; and the same operation, done again on what is left, comes to its end
 * and leaves nothing over. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kukeon/log.h>

#include "../support/check.h"
#include "../support/clock.h"
#include "../support/dir.h"
#include "../support/disk.h"
#include "../support/operation.h"

static void live_make(void)
{
	ck_assert_int_eq(chdir(dir_path), 0);
	ck_assert_int_eq(mkdir("live", 0755), 0);
	ck_assert_int_eq(chdir("live"), 0);
}

static void live_remove(void)
{
	struct kk_err err = {0};

	ck_assert_int_eq(chdir(dir_path), 0);
	ck_assert_int_eq(kk_tree_remove("live", &err), 0);
}

static void setup(void)
{
	dir_setup_fast();
	kk_log_set_level(-1);
	operation_setup();
	live_make();
}

static void teardown(void)
{
	live_remove();
	ck_assert_int_eq(chdir("/"), 0);
	dir_teardown();
}

static void expect_done(const struct operation *operation)
{
	struct kk_err err = {0};
	char text[KK_ERR_TEXT];
	int r = operation->run(&err);

	kk_err_format(&err, text, sizeof text);
	ck_assert_msg(r == 0, "%s: %s", operation->name, text);
}

/* What is left is read, then the operation that was cut off is done again. */
static void state_look(const struct disk_state *state, void *arg)
{
	const struct scenario *scenario = arg;

	operation_boot();
	operation_load_all();
	if (state->n_promises == scenario->n)
		return;
	expect_done(&scenario->operations[state->n_promises]);
	disk_expect(state->n_promises + 1);
}

static void count_tell(const char *scenario, const char *what, const struct disk_count *count)
{
	printf("%s, %s: power cut at %zu points, %zu states, %zu different ones looked at\n",
		scenario, what, count->n_points, count->n_states, count->n_looked);
}

START_TEST(each_state_after_a_power_cut_is_sound)
{
	const struct scenario *scenario = &scenarios[_i];
	struct disk_count count = {0};

	scenario->prepare();
	disk_begin(operation_class_of);
	for (size_t i = 0; i < scenario->n; i++) {
		expect_done(&scenario->operations[i]);
		disk_promise();
	}
	disk_remember();
	disk_cut(false, state_look, (void *)scenario, &count);
	count_tell(scenario->name, "each operation", &count);
}
END_TEST

/* Do @nth of the scenario with the process dying at call @call, then again. False when it took less calls. */
static bool repeat_after_death(const struct scenario *scenario, size_t nth, size_t call,
	struct disk_count *count)
{
	struct kk_err ignored = {0};
	bool has_died;

	live_make();
	scenario->prepare();
	disk_begin(operation_class_of);
	for (size_t i = 0; i < nth; i++) {
		expect_done(&scenario->operations[i]);
		disk_promise();
	}
	disk_die(call);
	(void)scenario->operations[nth].run(&ignored);
	has_died = disk_has_hit();
	disk_heal();
	if (has_died) {
		expect_done(&scenario->operations[nth]);
		disk_promise();
		disk_cut(true, NULL, NULL, count);
	}
	disk_end();
	operation_boot();
	live_remove();
	return has_died;
}

START_TEST(what_a_successor_finished_survives_a_power_cut)
{
	const struct scenario *scenario = &scenarios[_i];
	struct disk_count count = {0};

	live_remove();
	for (size_t i = 0; i < scenario->n; i++) {
		size_t call = 1;

		while (repeat_after_death(scenario, i, call, &count))
			call++;
	}
	count_tell(scenario->name, "each call the last of its process", &count);
	live_make();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("power");
	TCase *cut = tcase_create("cut");

	tcase_set_timeout(cut, CHECK_TIMEOUT_S);
	tcase_add_checked_fixture(cut, setup, teardown);
	tcase_add_loop_test(cut, each_state_after_a_power_cut_is_sound, 0, (int)n_scenarios);
	tcase_add_loop_test(cut, what_a_successor_finished_survives_a_power_cut, 0,
		(int)n_scenarios);
	suite_add_tcase(suite, cut);
	return check_main(suite);
}
