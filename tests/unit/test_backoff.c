/* tests/unit/test_backoff.c - when a dead worker is started again. */
#include "../../supervisor/backoff.h"

#include "../support/check.h"

enum { SHORT_LIFE_MS = 100, SOME_DAY_MS = 5000000 };

static int64_t crash_at(struct sv_backoff *backoff, int64_t now_ms)
{
	return sv_backoff_decide(backoff, SV_DEATH_CRASH, SHORT_LIFE_MS, now_ms);
}

START_TEST(first_restart_is_at_once)
{
	struct sv_backoff backoff = {0};

	ck_assert_int_eq(crash_at(&backoff, SOME_DAY_MS), 0);
	ck_assert_uint_eq(backoff.n_restarts, 1);
}
END_TEST

START_TEST(delay_doubles_up_to_its_ceiling)
{
	static const int64_t delays[] = {0, 50, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000};
	struct sv_backoff backoff = {0};

	for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++)
		ck_assert_int_eq(crash_at(&backoff, SOME_DAY_MS), delays[i]);
}
END_TEST

START_TEST(health_makes_all_forgotten)
{
	struct sv_backoff backoff = {0};

	for (int i = 0; i < 8; i++)
		crash_at(&backoff, SOME_DAY_MS + i);
	ck_assert(sv_backoff_is_degraded(&backoff, SOME_DAY_MS + 8));
	ck_assert_int_eq(sv_backoff_decide(&backoff, SV_DEATH_CRASH, SV_BACKOFF_HEALTHY_MS,
				 SOME_DAY_MS + 10),
		0);
	ck_assert(!sv_backoff_is_degraded(&backoff, SOME_DAY_MS + 10));
	ck_assert_int_eq(crash_at(&backoff, SOME_DAY_MS + 11), 50);
	ck_assert_uint_eq(backoff.n_restarts, 10);
}
END_TEST

START_TEST(a_life_just_too_short_forgets_nothing)
{
	struct sv_backoff backoff = {0};

	crash_at(&backoff, SOME_DAY_MS);
	ck_assert_int_eq(sv_backoff_decide(&backoff, SV_DEATH_CRASH, SV_BACKOFF_HEALTHY_MS - 1,
				 SOME_DAY_MS + 1),
		50);
}
END_TEST

START_TEST(a_kill_from_outside_costs_nothing)
{
	struct sv_backoff backoff = {0};

	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(sv_backoff_decide(&backoff, SV_DEATH_KILLED, 1, SOME_DAY_MS), 0);
	ck_assert(!sv_backoff_is_degraded(&backoff, SOME_DAY_MS));
	ck_assert_uint_eq(backoff.n_restarts, 100);
	/* The worker's own first crash still is its first. */
	ck_assert_int_eq(crash_at(&backoff, SOME_DAY_MS), 0);
}
END_TEST

START_TEST(a_kill_from_outside_keeps_the_patience)
{
	struct sv_backoff backoff = {0};

	crash_at(&backoff, SOME_DAY_MS);
	crash_at(&backoff, SOME_DAY_MS);
	ck_assert_int_eq(sv_backoff_decide(&backoff, SV_DEATH_KILLED, 1, SOME_DAY_MS), 0);
	ck_assert_int_eq(crash_at(&backoff, SOME_DAY_MS), 100);
}
END_TEST

START_TEST(unborn_is_never_restarted_at_once)
{
	static const int64_t delays[] = {50, 100, 200, 400, 800, 1600, 3200, 5000, 5000};
	struct sv_backoff backoff = {0};

	for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++)
		ck_assert_int_eq(sv_backoff_decide(&backoff, SV_DEATH_UNBORN, 0, SOME_DAY_MS),
			delays[i]);
}
END_TEST

START_TEST(unborn_counts_twice)
{
	struct sv_backoff backoff = {0};

	for (int i = 0; i < 2; i++)
		sv_backoff_decide(&backoff, SV_DEATH_UNBORN, 0, SOME_DAY_MS);
	ck_assert(!sv_backoff_is_degraded(&backoff, SOME_DAY_MS));
	sv_backoff_decide(&backoff, SV_DEATH_UNBORN, 0, SOME_DAY_MS);
	ck_assert(sv_backoff_is_degraded(&backoff, SOME_DAY_MS));
}
END_TEST

START_TEST(a_burst_is_no_degradation)
{
	struct sv_backoff backoff = {0};

	ck_assert(!sv_backoff_is_degraded(&backoff, SOME_DAY_MS));
	for (int i = 0; i < SV_BACKOFF_BURST; i++)
		crash_at(&backoff, SOME_DAY_MS);
	ck_assert(!sv_backoff_is_degraded(&backoff, SOME_DAY_MS));
}
END_TEST

START_TEST(more_than_a_burst_is_degraded_while_the_window_lasts)
{
	struct sv_backoff backoff = {0};

	for (int i = 0; i <= SV_BACKOFF_BURST; i++)
		crash_at(&backoff, SOME_DAY_MS + i * 1000);
	ck_assert(sv_backoff_is_degraded(&backoff, SOME_DAY_MS + 5000));
	ck_assert(sv_backoff_is_degraded(&backoff, SOME_DAY_MS + SV_BACKOFF_WINDOW_MS - 1));
	ck_assert(!sv_backoff_is_degraded(&backoff, SOME_DAY_MS + SV_BACKOFF_WINDOW_MS));
}
END_TEST

START_TEST(slow_deaths_never_degrade)
{
	struct sv_backoff backoff = {0};

	/* Six deaths never lie within one window. */
	for (int i = 0; i < 50; i++) {
		int64_t now_ms = SOME_DAY_MS + i * (SV_BACKOFF_WINDOW_MS / SV_BACKOFF_BURST);

		crash_at(&backoff, now_ms);
		ck_assert(!sv_backoff_is_degraded(&backoff, now_ms));
	}
}
END_TEST

START_TEST(degradation_moves_with_the_last_deaths)
{
	struct sv_backoff backoff = {0};
	int64_t now_ms = SOME_DAY_MS;

	for (int i = 0; i < 20; i++)
		crash_at(&backoff, now_ms += 1000);
	/* The oldest of the last six was at -5 s. */
	ck_assert(sv_backoff_is_degraded(&backoff, now_ms + SV_BACKOFF_WINDOW_MS - 5001));
	ck_assert(!sv_backoff_is_degraded(&backoff, now_ms + SV_BACKOFF_WINDOW_MS - 5000));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("backoff");
	TCase *delay = tcase_create("delay"), *degraded = tcase_create("degraded");

	tcase_add_test(delay, first_restart_is_at_once);
	tcase_add_test(delay, delay_doubles_up_to_its_ceiling);
	tcase_add_test(delay, health_makes_all_forgotten);
	tcase_add_test(delay, a_life_just_too_short_forgets_nothing);
	tcase_add_test(delay, a_kill_from_outside_costs_nothing);
	tcase_add_test(delay, a_kill_from_outside_keeps_the_patience);
	tcase_add_test(delay, unborn_is_never_restarted_at_once);
	suite_add_tcase(suite, delay);
	tcase_add_test(degraded, unborn_counts_twice);
	tcase_add_test(degraded, a_burst_is_no_degradation);
	tcase_add_test(degraded, more_than_a_burst_is_degraded_while_the_window_lasts);
	tcase_add_test(degraded, slow_deaths_never_degrade);
	tcase_add_test(degraded, degradation_moves_with_the_last_deaths);
	suite_add_tcase(suite, degraded);
	return check_main(suite);
}
