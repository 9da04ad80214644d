/* tests/unit/test_status.c - the state of a cell out of what is seen of its containers. */
#include "../../workers/reconciler/rc.h"

#include <string.h>

#include <kukeon/clock.h>
#include <kukeon/mem.h>

#include "../support/check.h"
#include "../support/clock.h"

#define SECOND INT64_C(1000000000)

enum { MAX_CONTAINERS = 4 };

static const char *const ids[MAX_CONTAINERS] = {"a", "b", "c", "d"};

#define auto_cell kk_auto(kk_cell_release) struct kk_cell

static struct kk_cell cell_make(size_t n, const char *want)
{
	struct kk_cell cell = {0};

	kk_schema_init(kk_schema_of_cell(), &cell);
	cell.metadata.name = kk_xstrdup("web");
	cell.spec.realm_id = kk_xstrdup("r");
	cell.spec.space_id = kk_xstrdup("s");
	cell.spec.stack_id = kk_xstrdup("t");
	cell.intent.want = kk_xstrdup(want);
	for (size_t i = 0; i < n; i++) {
		struct kk_container_spec *spec =
			kk_list_add(KK_LIST(&cell.spec.containers), kk_schema_of_container_spec());

		spec->id = kk_xstrdup(ids[i]);
	}
	return cell;
}

/* Show the cell its containers, one letter each:
 * R ready, P paused, p pausing, C created, E ended well, X ended badly, U unknown, S a record alone,
 * - nothing at all. Tasks of others are among them. */
static bool see(struct kk_cell *cell, const char *letters)
{
	static const struct {
		char letter;
		int state;
	} states[] = {{'R', KK_CONTAINER_READY}, {'P', KK_CONTAINER_PAUSED},
		{'p', KK_CONTAINER_PAUSING}, {'C', KK_CONTAINER_PENDING},
		{'E', KK_CONTAINER_EXITED}, {'X', KK_CONTAINER_ERROR}, {'U', KK_CONTAINER_UNKNOWN},
		{'S', KK_CONTAINER_STOPPED}};
	static const char *const task_ids[MAX_CONTAINERS] = {
		"s_t_web_a", "s_t_web_b", "s_t_web_c", "s_t_web_d"};
	struct kk_task_info tasks[MAX_CONTAINERS + 1] = {
		{.id = (char *)"s_t_other_a", .has_task = true, .state = KK_CONTAINER_ERROR}};
	size_t n = 1;

	for (size_t i = 0; letters[i]; i++) {
		if (letters[i] == '-')
			continue;
		tasks[n] = (struct kk_task_info){
			.id = (char *)task_ids[i],
			.has_task = letters[i] != 'S',
			.exit_status = letters[i] == 'X',
			.exited_at = clock_now_ns - SECOND,
		};
		for (size_t k = 0; k < KK_COUNT(states); k++) {
			if (states[k].letter == letters[i])
				tasks[n].state = states[k].state;
		}
		n++;
	}
	return rc_status_update(cell, tasks, n);
}

static const char *state_of(const struct kk_cell *cell)
{
	return kk_state_name(KK_KIND_CELL, cell->status.state);
}

static const char *container_state(const struct kk_cell *cell, size_t i)
{
	return kk_state_name(KK_KIND_CONTAINER, cell->status.containers.items[i].state);
}

/* --- the cell --- */

static const struct {
	const char *want;
	const char *containers;
	const char *state;
} rows[] = {
	{"running", "", "Stopped"},
	{"running", "R", "Ready"},
	{"running", "RRRR", "Ready"},
	{"running", "P", "Ready"},
	{"running", "p", "Ready"},
	{"running", "RE", "Ready"},
	{"running", "ER", "Ready"},
	{"running", "RS", "Ready"},
	{"running", "RC", "Ready"},
	{"running", "RU", "Ready"},
	{"running", "PE", "Ready"},
	{"running", "RX", "Degraded"},
	{"running", "XR", "Degraded"},
	{"running", "R-", "Degraded"},
	{"running", "PX", "Degraded"},
	{"running", "REX", "Degraded"},
	{"running", "RUX", "Degraded"},
	{"running", "E", "Exited"},
	{"running", "EEE", "Exited"},
	{"running", "S", "Exited"},
	{"running", "ES", "Exited"},
	{"running", "X", "Error"},
	{"running", "XX", "Error"},
	{"running", "EX", "Error"},
	{"running", "XS", "Error"},
	{"running", "-", "Error"},
	{"running", "E-", "Error"},
	{"running", "--", "Error"},
	{"running", "U", "Unknown"},
	{"running", "UE", "Unknown"},
	{"running", "UX", "Unknown"},
	{"running", "U-", "Unknown"},
	/* Stopped by its owner: how the containers ended does not matter. */
	{"stopped", "", "Stopped"},
	{"stopped", "-", "Stopped"},
	{"stopped", "--", "Stopped"},
	{"stopped", "E", "Stopped"},
	{"stopped", "X", "Stopped"},
	{"stopped", "S", "Stopped"},
	{"stopped", "EX", "Stopped"},
	{"stopped", "C", "Stopped"},
	/* But what runs, runs. */
	{"stopped", "R", "Ready"},
	{"stopped", "RE", "Ready"},
	{"stopped", "RX", "Degraded"},
	{"stopped", "R-", "Degraded"},
	{"stopped", "U", "Unknown"},
	/* Nobody ever wanted anything. */
	{NULL, "-", "Stopped"},
	{NULL, "E", "Stopped"},
	{NULL, "X", "Stopped"},
	{NULL, "R", "Ready"},
};

START_TEST(the_state_of_a_cell_is_that_of_its_containers)
{
	auto_cell cell = cell_make(strlen(rows[_i].containers), rows[_i].want);

	see(&cell, rows[_i].containers);
	ck_assert_str_eq(state_of(&cell), rows[_i].state);
	/* Whatever it was before, unless it failed. */
	cell.status.state = KK_CELL_ERROR;
	see(&cell, rows[_i].containers);
	ck_assert_str_eq(state_of(&cell), rows[_i].state);
}
END_TEST

/* The last container has the policy "always". Does the rest come up by itself? */
static const struct {
	const char *containers;
	const char *state;
	bool is_recovering;
	bool is_over;
} owed_rows[] = {
	{"E", "Degraded", true, false},
	{"X", "Degraded", true, false},
	{"-", "Degraded", true, false},
	{"S", "Degraded", true, false},
	{"R", "Ready", false, false},
	{"RX", "Degraded", true, false},
	{"RE", "Degraded", true, false},
	{"EE", "Degraded", true, false},
	{"XX", "Degraded", false, false},
	{"XE", "Degraded", false, false},
	{"-X", "Degraded", false, false},
	{"ER", "Ready", false, false},
	{"XR", "Degraded", false, false},
	{"UX", "Unknown", false, false},
};

START_TEST(a_cell_whose_restart_is_owed_is_degraded)
{
	auto_cell cell = cell_make(strlen(owed_rows[_i].containers), "running");
	struct kk_container_spec *last = &cell.spec.containers.items[cell.spec.containers.n - 1];

	last->restart_policy = kk_xstrdup("always");
	see(&cell, owed_rows[_i].containers);
	ck_assert_str_eq(state_of(&cell), owed_rows[_i].state);
	ck_assert_int_eq(rc_status_is_recovering(&cell), owed_rows[_i].is_recovering);
	ck_assert_int_eq(rc_status_is_over(&cell), owed_rows[_i].is_over);
	ck_assert(!see(&cell, owed_rows[_i].containers));
	kk_str_set(&cell.intent.want, "stopped");
	see(&cell, owed_rows[_i].containers);
	ck_assert(rc_restart_next(&cell) == KK_TIME_ZERO);
}
END_TEST

/* What was taken away has come to no end, good or bad. */
START_TEST(work_is_over_when_all_of_it_ended_well)
{
	static const struct {
		const char *containers;
		bool is_over;
	} ends[] = {{"E", true}, {"EE", true}, {"ER", false}, {"EX", false}, {"ES", false},
		{"S", false}, {"E-", false}, {"", false}};
	auto_cell cell = cell_make(strlen(ends[_i].containers), "running");

	see(&cell, ends[_i].containers);
	ck_assert_int_eq(rc_status_is_over(&cell), ends[_i].is_over);
	kk_str_set(&cell.intent.want, "stopped");
	see(&cell, ends[_i].containers);
	ck_assert(!rc_status_is_over(&cell));
}
END_TEST

START_TEST(a_second_look_changes_nothing)
{
	auto_cell cell = cell_make(strlen(rows[_i].containers), rows[_i].want);
	struct kk_cell_status before;

	see(&cell, rows[_i].containers);
	kk_schema_copy(kk_schema_of_cell_status(), &cell.status, &before);
	ck_assert(!see(&cell, rows[_i].containers));
	ck_assert(kk_schema_equal(kk_schema_of_cell_status(), &before, &cell.status, 0));
	kk_cell_status_release(&before);
}
END_TEST

static const char *const failed_looks[] = {"XX", "EE", "--", "SS", "UU", "RX", "R-"};

START_TEST(failed_stays_until_someone_does_something)
{
	auto_cell cell = cell_make(2, "running");

	cell.status.state = KK_CELL_FAILED;
	cell.status.reason = kk_xstrdup("StartCellFailed");
	cell.status.message = kk_xstrdup("no such image");
	see(&cell, failed_looks[_i]);
	ck_assert_str_eq(state_of(&cell), "Failed");
	ck_assert_str_eq(cell.status.reason, "StartCellFailed");
	ck_assert_str_eq(cell.status.message, "no such image");
}
END_TEST

START_TEST(failed_ends_when_all_is_well)
{
	auto_cell cell = cell_make(2, "running");

	cell.status.state = KK_CELL_FAILED;
	cell.status.reason = kk_xstrdup("StartCellFailed");
	cell.status.message = kk_xstrdup("no such image");
	ck_assert(see(&cell, "RR"));
	ck_assert_str_eq(state_of(&cell), "Ready");
	ck_assert_ptr_null(cell.status.reason);
	ck_assert_ptr_null(cell.status.message);
}
END_TEST

START_TEST(a_cell_that_was_ready_once_is_known_for_it)
{
	auto_cell cell = cell_make(1, "running");

	see(&cell, "X");
	ck_assert(!cell.status.ready_observed);
	see(&cell, "R");
	ck_assert(cell.status.ready_observed);
	see(&cell, "X");
	ck_assert(cell.status.ready_observed);
}
END_TEST

/* --- the containers --- */

static const struct {
	const char *want;
	const char *first;
	const char *then;
	const char *state;
} containers[] = {
	{"running", "R", "R", "Ready"},
	{"running", "R", "P", "Paused"},
	{"running", "R", "p", "Pausing"},
	{"running", "C", "C", "Pending"},
	{"running", "R", "U", "Unknown"},
	{"running", "R", "E", "Exited"},
	{"running", "R", "X", "Error"},
	/* Nobody of ours deletes the task of what shall run. */
	{"running", "R", "S", "Error"},
	{"running", "C", "S", "Stopped"},
	{"stopped", "R", "S", "Stopped"},
	{"running", "R", "-", "NotCreated"},
	{"running", "E", "-", "Exited"},
	{"running", "X", "-", "Error"},
	{"running", "S", "-", "NotCreated"},
	/* The task is gone, but how it ended is known. */
	{"running", "E", "S", "Exited"},
	{"running", "X", "S", "Error"},
	{"stopped", "E", "S", "Exited"},
	{"stopped", "E", "-", "Exited"},
	{"stopped", "X", "-", "Error"},
	{"stopped", "S", "-", "Stopped"},
	{"stopped", "R", "-", "NotCreated"},
};

START_TEST(the_state_of_a_container_is_what_was_seen_last)
{
	auto_cell cell = cell_make(1, containers[_i].want);

	see(&cell, containers[_i].first);
	see(&cell, containers[_i].then);
	ck_assert_str_eq(container_state(&cell, 0), containers[_i].state);
}
END_TEST

START_TEST(there_is_one_status_for_each_container_of_the_specification)
{
	auto_cell cell = cell_make(3, "running");

	see(&cell, "RR-");
	ck_assert_uint_eq(cell.status.containers.n, 3);
	ck_assert(cell.status.containers.is_set);
	for (size_t i = 0; i < 3; i++) {
		ck_assert_str_eq(cell.status.containers.items[i].id, ids[i]);
		ck_assert_str_eq(cell.status.containers.items[i].name, ids[i]);
	}
	ck_assert_str_eq(container_state(&cell, 2), "NotCreated");
	/* The one in the middle leaves the specification. */
	kk_list_drop(KK_LIST(&cell.spec.containers), kk_schema_of_container_spec(), 1);
	ck_assert(see(&cell, "RRR"));
	ck_assert_uint_eq(cell.status.containers.n, 2);
	ck_assert_str_eq(cell.status.containers.items[0].id, "a");
	ck_assert_str_eq(cell.status.containers.items[1].id, "c");
	ck_assert_str_eq(container_state(&cell, 1), "Ready");
}
END_TEST

static const struct {
	int64_t code;
	const char *signal;
} codes[] = {
	{0, NULL},
	{1, NULL},
	{127, NULL},
	{128, NULL},
	{129, "SIGHUP"},
	{130, "SIGINT"},
	{134, "SIGABRT"},
	{137, "SIGKILL"},
	{139, "SIGSEGV"},
	{143, "SIGTERM"},
	{159, "SIGSYS"},
	{193, NULL},
	{255, NULL},
};

START_TEST(an_exit_is_recorded_with_code_signal_and_time)
{
	auto_cell cell = cell_make(1, "running");
	const struct kk_task_info task = {
		.id = (char *)"s_t_web_a",
		.has_task = true,
		.state = codes[_i].code ? KK_CONTAINER_ERROR : KK_CONTAINER_EXITED,
		.exit_status = codes[_i].code,
		.exited_at = CLOCK_START_NS - 5 * SECOND,
	};
	const struct kk_container_status *status;

	see(&cell, "R");
	ck_assert(rc_status_update(&cell, &task, 1));
	status = &cell.status.containers.items[0];
	ck_assert_int_eq(status->exit_code, codes[_i].code);
	ck_assert_pstr_eq(status->exit_signal, codes[_i].signal);
	ck_assert_int_eq(status->finish_time, CLOCK_START_NS - 5 * SECOND);
}
END_TEST

START_TEST(a_start_forgets_the_last_exit)
{
	auto_cell cell = cell_make(1, "running");
	struct kk_container_status *status;

	see(&cell, "X");
	status = &cell.status.containers.items[0];
	kk_str_set(&status->reason, "OOMKilled");
	kk_str_set(&status->message, "of a container past");
	kk_str_set(&status->exit_signal, "SIGKILL");
	clock_now_ns += 10 * SECOND;
	ck_assert(see(&cell, "R"));
	ck_assert_int_eq(status->start_time, CLOCK_START_NS + 10 * SECOND);
	ck_assert_int_eq(status->finish_time, KK_TIME_ZERO);
	ck_assert_int_eq(status->exit_code, 0);
	ck_assert_ptr_null(status->exit_signal);
	ck_assert_ptr_null(status->reason);
	ck_assert_ptr_null(status->message);
}
END_TEST

START_TEST(a_container_that_runs_on_keeps_its_times)
{
	auto_cell cell = cell_make(1, "running");
	struct kk_container_status *status;

	ck_assert(see(&cell, "R"));
	status = &cell.status.containers.items[0];
	clock_now_ns += 10 * SECOND;
	ck_assert(!see(&cell, "R"));
	ck_assert_int_eq(status->created_at, CLOCK_START_NS);
	ck_assert_int_eq(status->start_time, CLOCK_START_NS);
	clock_now_ns += 10 * SECOND;
	see(&cell, "E");
	ck_assert_int_eq(status->created_at, CLOCK_START_NS);
	ck_assert_int_eq(status->start_time, CLOCK_START_NS);
	ck_assert_int_eq(status->finish_time, CLOCK_START_NS + 19 * SECOND);
}
END_TEST

START_TEST(a_container_that_was_never_seen_has_no_times)
{
	auto_cell cell = cell_make(1, "running");

	see(&cell, "-");
	ck_assert_int_eq(cell.status.containers.items[0].created_at, KK_TIME_ZERO);
	ck_assert_int_eq(cell.status.containers.items[0].start_time, KK_TIME_ZERO);
	ck_assert_int_eq(cell.status.containers.items[0].finish_time, KK_TIME_ZERO);
}
END_TEST

/* --- reasons --- */

static const struct {
	const char *look;
	const char *message;
} reasons[] = {
	{"X", "container \"a\" ended with status 1"},
	{"EX", "container \"b\" ended with status 1"},
	{"RX", "container \"b\" ended with status 1"},
	{"XX", "container \"a\" ended with status 1"},
	{"R", NULL},
	{"E", NULL},
	{"-", NULL},
	{"R-", NULL},
	{"U", NULL},
};

START_TEST(a_failed_workload_is_the_reason)
{
	auto_cell cell = cell_make(strlen(reasons[_i].look), "running");

	see(&cell, reasons[_i].look);
	ck_assert_pstr_eq(cell.status.reason, reasons[_i].message ? "WorkloadFailed" : NULL);
	ck_assert_pstr_eq(cell.status.message, reasons[_i].message);
	/* And is no more when it is well again. */
	see(&cell, "RRRR" + 4 - strlen(reasons[_i].look));
	ck_assert_ptr_null(cell.status.reason);
	ck_assert_ptr_null(cell.status.message);
}
END_TEST

START_TEST(a_stopped_cell_has_no_reason)
{
	auto_cell cell = cell_make(1, "stopped");

	see(&cell, "X");
	ck_assert_ptr_null(cell.status.reason);
}
END_TEST

START_TEST(a_signal_and_a_lack_of_memory_are_named)
{
	auto_cell cell = cell_make(1, "running");
	const struct kk_task_info killed = {
		.id = (char *)"s_t_web_a",
		.has_task = true,
		.state = KK_CONTAINER_ERROR,
		.exit_status = 137,
	};

	rc_status_update(&cell, &killed, 1);
	ck_assert_str_eq(cell.status.message, "container \"a\" ended with status 137 (SIGKILL)");
	kk_str_set(&cell.status.containers.items[0].reason, "OOMKilled");
	ck_assert(rc_status_update(&cell, &killed, 1));
	ck_assert_str_eq(cell.status.message,
		"container \"a\" ended with status 137 (SIGKILL): out of memory");
}
END_TEST

/* --- regressions --- */

START_TEST(a_cell_that_never_ran_has_not_exited)
{
	static const char *const looks[] = {"C", "CC", "CE"};
	auto_cell cell = cell_make(strlen(looks[_i]), "running");

	/* Exited is for cells whose containers all have ended. */
	see(&cell, looks[_i]);
	ck_assert_str_ne(state_of(&cell), "Exited");
}
END_TEST

START_TEST(a_pause_is_no_start)
{
	auto_cell cell = cell_make(1, "running");

	see(&cell, "R");
	clock_now_ns += 10 * SECOND;
	see(&cell, "P");
	see(&cell, "R");
	ck_assert_int_eq(cell.status.containers.items[0].start_time, CLOCK_START_NS);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("status");
	TCase *regressions = tcase_create("regressions");
	TCase *cell = tcase_create("cell"), *container = tcase_create("container");
	TCase *reason = tcase_create("reason");

	tcase_add_loop_test(cell, the_state_of_a_cell_is_that_of_its_containers, 0,
		(int)KK_COUNT(rows));
	tcase_add_loop_test(cell, a_second_look_changes_nothing, 0, (int)KK_COUNT(rows));
	tcase_add_loop_test(cell, a_cell_whose_restart_is_owed_is_degraded, 0,
		(int)KK_COUNT(owed_rows));
	tcase_add_loop_test(cell, work_is_over_when_all_of_it_ended_well, 0, 8);
	tcase_add_loop_test(cell, failed_stays_until_someone_does_something, 0,
		(int)KK_COUNT(failed_looks));
	tcase_add_test(cell, failed_ends_when_all_is_well);
	tcase_add_test(cell, a_cell_that_was_ready_once_is_known_for_it);
	suite_add_tcase(suite, cell);
	tcase_add_loop_test(container, the_state_of_a_container_is_what_was_seen_last, 0,
		(int)KK_COUNT(containers));
	tcase_add_test(container, there_is_one_status_for_each_container_of_the_specification);
	tcase_add_loop_test(container, an_exit_is_recorded_with_code_signal_and_time, 0,
		(int)KK_COUNT(codes));
	tcase_add_test(container, a_start_forgets_the_last_exit);
	tcase_add_test(container, a_container_that_runs_on_keeps_its_times);
	tcase_add_test(container, a_container_that_was_never_seen_has_no_times);
	suite_add_tcase(suite, container);
	tcase_add_loop_test(reason, a_failed_workload_is_the_reason, 0, (int)KK_COUNT(reasons));
	tcase_add_test(reason, a_stopped_cell_has_no_reason);
	tcase_add_test(reason, a_signal_and_a_lack_of_memory_are_named);
	suite_add_tcase(suite, reason);
	tcase_add_loop_test(regressions, a_cell_that_never_ran_has_not_exited, 0, 3);
	tcase_add_test(regressions, a_pause_is_no_start);
	suite_add_tcase(suite, regressions);
	return check_main(suite);
}
