/* tests/unit/test_restart.c - who is started again by policy, and when. */
#include "../../workers/reconciler/rc.h"

#include <kukeon/clock.h>
#include <kukeon/mem.h>

#include "../support/check.h"

#define SECOND INT64_C(1000000000)

static const int64_t T0 = 1000 * SECOND;

static struct kk_cell cell;
static struct kk_container_spec *spec;
static struct kk_container_status *status;

static void setup(void)
{
	kk_schema_init(kk_schema_of_cell(), &cell);
	cell.intent.want = kk_xstrdup("running");
	spec = kk_list_add(KK_LIST(&cell.spec.containers), kk_schema_of_container_spec());
	spec->id = kk_xstrdup("main");
	status = kk_list_add(KK_LIST(&cell.status.containers), kk_schema_of_container_status());
	status->id = kk_xstrdup("main");
}

static void teardown(void)
{
	kk_cell_release(&cell);
}

/* It began at @began and ended at @ended. The delay of its restart, in s; -1: none is owed. */
static int64_t ended(int state, int64_t began, int64_t at)
{
	status->state = state;
	status->start_time = began;
	status->finish_time = at;
	rc_restart_update(&cell, at);
	return rc_restart_is_owed(status) ? (status->backoff.next_time - at) / SECOND : -1;
}

static size_t take(int64_t now)
{
	kk_auto(kk_strs_release) struct kk_strs ids = {0};

	rc_restart_take(&cell, now, &ids);
	return ids.n;
}

START_TEST(a_policy_says_who_comes_back)
{
	static const struct {
		const char *policy;
		int state;
		bool is_owed;
	} rows[] = {
		{NULL, KK_CONTAINER_ERROR, false},
		{"", KK_CONTAINER_EXITED, false},
		{"never", KK_CONTAINER_ERROR, false},
		{"on-failure", KK_CONTAINER_EXITED, false},
		{"on-failure", KK_CONTAINER_ERROR, true},
		{"always", KK_CONTAINER_EXITED, true},
		{"always", KK_CONTAINER_ERROR, true},
		{"always", KK_CONTAINER_NOT_CREATED, true},
		{"on-failure", KK_CONTAINER_STOPPED, true},
		{"always", KK_CONTAINER_READY, false},
		{"always", KK_CONTAINER_PAUSED, false},
		{"always", KK_CONTAINER_UNKNOWN, false},
		{"always", KK_CONTAINER_PENDING, false},
		{"of another version", KK_CONTAINER_EXITED, true},
	};

	for (size_t i = 0; i < KK_COUNT(rows); i++) {
		kk_str_set(&spec->restart_policy, rows[i].policy);
		ck_assert_msg((ended(rows[i].state, T0, T0 + 1) >= 0) == rows[i].is_owed, "row %zu",
			i);
	}
}
END_TEST

START_TEST(who_was_stopped_stays_stopped)
{
	spec->restart_policy = kk_xstrdup("always");
	ck_assert_int_eq(ended(KK_CONTAINER_ERROR, T0, T0), 0);
	kk_str_set(&cell.intent.want, "stopped");
	ck_assert_int_eq(ended(KK_CONTAINER_ERROR, T0, T0), -1);
	ck_assert(rc_restart_next(&cell) == KK_TIME_ZERO);
	ck_assert_uint_eq(take(INT64_MAX), 0);
}
END_TEST

START_TEST(delays_double_up_to_the_limit)
{
	static const int64_t delays[] = {0, 1, 2, 4, 8, 16, 30, 30, 30};
	int64_t now = T0;

	spec->restart_policy = kk_xstrdup("always");
	for (size_t i = 0; i < KK_COUNT(delays); i++) {
		ck_assert_int_eq(ended(KK_CONTAINER_ERROR, now, now + SECOND), delays[i]);
		now = rc_restart_next(&cell);
		if (delays[i])
			ck_assert_uint_eq(take(now - 1), 0);
		ck_assert_uint_eq(take(now), 1);
		ck_assert_int_eq(status->restart_count, (int64_t)i + 1);
		ck_assert_int_eq(status->restart_time, now);
		status->state = KK_CONTAINER_READY;
	}
	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(ended(KK_CONTAINER_ERROR, now, now + SECOND), 30);
		now = rc_restart_next(&cell);
		ck_assert_uint_eq(take(now), 1);
	}
}
END_TEST

START_TEST(the_limit_of_the_delay_is_the_users)
{
	static const int64_t limits[] = {0, 1, 3};
	static const int64_t delays[][4] = {{0, 0, 0, 0}, {0, 1, 1, 1}, {0, 1, 2, 3}};

	int64_t now = T0;

	spec->restart_policy = kk_xstrdup("on-failure");
	spec->restart_backoff_seconds.is_set = true;
	for (size_t i = 0; i < KK_COUNT(limits); i++) {
		spec->restart_backoff_seconds.value = limits[i];
		rc_restart_forget(&cell);
		for (size_t k = 0; k < 4; k++) {
			ck_assert_int_eq(ended(KK_CONTAINER_ERROR, now, now), delays[i][k]);
			now = rc_restart_next(&cell);
			ck_assert_uint_eq(take(now), 1);
		}
	}
}
END_TEST

/* The time of the last try. */
static int64_t all_tries(void)
{
	int64_t now = T0;

	for (int i = 0; i < 5; i++) {
		ck_assert_int_ge(ended(KK_CONTAINER_ERROR, now, now), 0);
		ck_assert_int_eq(status->backoff.max_tries, 5);
		now = rc_restart_next(&cell);
		ck_assert_uint_eq(take(now), 1);
	}
	return now;
}

START_TEST(a_failure_has_so_many_tries)
{
	int64_t now;

	spec->restart_policy = kk_xstrdup("on-failure");
	now = all_tries();
	ck_assert_int_eq(ended(KK_CONTAINER_ERROR, now, now), -1);
	ck_assert_int_eq(ended(KK_CONTAINER_ERROR, now, now + SECOND), -1);
	spec->restart_max_retries.is_set = true;
	spec->restart_max_retries.value = 6;
	ck_assert_int_ge(ended(KK_CONTAINER_ERROR, now, now), 0);
}
END_TEST

START_TEST(who_ran_for_long_begins_anew)
{
	int64_t now;

	spec->restart_policy = kk_xstrdup("on-failure");
	now = all_tries();
	ck_assert_int_eq(ended(KK_CONTAINER_ERROR, now + 1, now + 10 * SECOND), -1);
	ck_assert_int_eq(ended(KK_CONTAINER_ERROR, now, now + 10 * SECOND), 0);
	ck_assert_int_eq(status->backoff.n_tries, 0);
}
END_TEST

/* It ended before anybody saw that it ran: its last start is what counts. */
START_TEST(who_was_never_seen_running_did_not_run_for_long)
{
	spec->restart_policy = kk_xstrdup("always");
	status->backoff.n_tries = 3;
	status->restart_time = T0 + 100 * SECOND;
	ck_assert_int_eq(ended(KK_CONTAINER_ERROR, T0, T0 + 101 * SECOND), 4);
}
END_TEST

START_TEST(a_restart_that_was_cut_off_is_done_again)
{
	static const int left[] = {KK_CONTAINER_ERROR, KK_CONTAINER_STOPPED, KK_CONTAINER_PENDING,
		KK_CONTAINER_NOT_CREATED};

	spec->restart_policy = kk_xstrdup("on-failure");
	for (size_t i = 0; i < KK_COUNT(left); i++) {
		rc_restart_forget(&cell);
		ended(KK_CONTAINER_ERROR, T0, T0);
		ck_assert_uint_eq(take(T0 + SECOND), 1);
		status->state = left[i];
		rc_restart_update(&cell, T0 + 2 * SECOND);
		ck_assert_uint_eq(take(T0 + 2 * SECOND), 1);
		status->state = KK_CONTAINER_READY;
		rc_restart_update(&cell, T0 + 3 * SECOND);
		ck_assert_uint_eq(take(INT64_MAX), 0);
	}
}
END_TEST

START_TEST(a_clock_that_is_set_back_makes_nobody_wait)
{
	spec->restart_policy = kk_xstrdup("always");
	status->backoff.n_tries = 9;
	ck_assert_int_eq(ended(KK_CONTAINER_ERROR, T0, T0), 30);
	rc_restart_update(&cell, T0 - 500 * SECOND);
	ck_assert_int_eq(rc_restart_next(&cell), T0 - 470 * SECOND);
}
END_TEST

START_TEST(a_time_that_is_set_stays)
{
	int64_t next;

	spec->restart_policy = kk_xstrdup("always");
	status->backoff.n_tries = 4;
	ended(KK_CONTAINER_ERROR, T0, T0);
	next = rc_restart_next(&cell);
	for (int64_t now = T0; now < T0 + 60 * SECOND; now += SECOND) {
		rc_restart_update(&cell, now);
		ck_assert_int_eq(rc_restart_next(&cell), next);
	}
}
END_TEST

START_TEST(the_first_of_several_is_next)
{
	struct kk_container_status *other;

	spec->restart_policy = kk_xstrdup("always");
	other = kk_list_add(KK_LIST(&cell.status.containers), kk_schema_of_container_status());
	status = &cell.status.containers.items[0];
	ck_assert(rc_restart_next(&cell) == KK_TIME_ZERO);
	other->id = kk_xstrdup("other");
	other->backoff.next_time = T0 - 1;
	status->backoff.next_time = T0;
	ck_assert_int_eq(rc_restart_next(&cell), T0 - 1);
	ck_assert_uint_eq(take(T0 - 1), 1);
	/* It is not in the specification. */
	rc_restart_update(&cell, T0 - 1);
	ck_assert(!rc_restart_is_owed(other));
	ck_assert_int_eq(rc_restart_next(&cell), T0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("restart");
	TCase *tc = tcase_create("restart");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_policy_says_who_comes_back);
	tcase_add_test(tc, who_was_stopped_stays_stopped);
	tcase_add_test(tc, delays_double_up_to_the_limit);
	tcase_add_test(tc, the_limit_of_the_delay_is_the_users);
	tcase_add_test(tc, a_failure_has_so_many_tries);
	tcase_add_test(tc, who_ran_for_long_begins_anew);
	tcase_add_test(tc, who_was_never_seen_running_did_not_run_for_long);
	tcase_add_test(tc, a_restart_that_was_cut_off_is_done_again);
	tcase_add_test(tc, a_clock_that_is_set_back_makes_nobody_wait);
	tcase_add_test(tc, a_time_that_is_set_stays);
	tcase_add_test(tc, the_first_of_several_is_next);
	suite_add_tcase(suite, tc);
	return check_main(suite);
}
