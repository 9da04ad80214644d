/* tests/unit/test_actor.c - whose turn it is: order on one object and its subtree, here and in others. */
#include "../../workers/reconciler/rc.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kukeon/loop.h>

#include "../support/check.h"
#include "../support/dir.h"

enum { WATCHDOG_MS = 3000 };

static struct kk_worker worker;
static struct kk_timer *watchdog;
static int n_begun;

static void watchdog_on_timer(void *arg)
{
	(void)arg;
	ck_abort_msg("nothing happened for %d ms", WATCHDOG_MS);
}

static void loop_make(void)
{
	worker.loop = kk_loop_new();
	watchdog = kk_timer_new(worker.loop, "watchdog", watchdog_on_timer, NULL);
	kk_timer_start(watchdog, WATCHDOG_MS);
}

static void setup(void)
{
	dir_setup();
	rc = (struct rc){.worker = &worker, .run_path = dir_path, .n_cpus = 1};
	loop_make();
}

/* The loop goes with the process: the actor keeps a timer in it. */
static void teardown(void)
{
	kk_timer_free(watchdog);
	dir_teardown();
}

static const struct kk_scope r = {"r", NULL, NULL, NULL}, s = {"r", "s", NULL, NULL};
static const struct kk_scope t = {"r", "s", "t", NULL};
static const struct kk_scope c1 = {"r", "s", "t", "c1"}, c2 = {"r", "s", "t", "c2"};

struct turn {
	struct rc_turn *turn; /* while it runs */
	int place;            /* among all that began, from 1 on; 0: not yet */
};

static void turn_on_begin(struct rc_turn *token, void *arg)
{
	struct turn *turn = arg;

	turn->turn = token;
	turn->place = ++n_begun;
}

static void turn_take(struct turn *turn, const struct kk_scope *scope)
{
	*turn = (struct turn){0};
	rc_turn_take(scope, false, turn_on_begin, turn);
}

static void turn_take_heavy(struct turn *turn, const struct kk_scope *scope)
{
	*turn = (struct turn){0};
	rc_turn_take(scope, true, turn_on_begin, turn);
}

static void turn_end(struct turn *turn)
{
	rc_turn_end(turn->turn);
	turn->turn = NULL;
}

static void wait_for(const struct turn *turn)
{
	while (!turn->place)
		kk_loop_run_once(worker.loop);
}

/* Whoever can go has gone when a turn that nothing stops has come and gone. */
static void settle(void)
{
	kk_auto_free char *name = kk_xprintf("marker-%d", (int)getpid());
	struct turn marker;

	turn_take(&marker, &(struct kk_scope){name, NULL, NULL, NULL});
	wait_for(&marker);
	turn_end(&marker);
}

/* --- one process --- */

START_TEST(a_turn_begins_in_the_loop)
{
	struct turn turn;

	turn_take(&turn, &c1);
	ck_assert_int_eq(turn.place, 0);
	wait_for(&turn);
	turn_end(&turn);
}
END_TEST

START_TEST(one_object_is_worked_on_by_one_in_order)
{
	struct turn turns[4];

	for (size_t i = 0; i < KK_COUNT(turns); i++)
		turn_take(&turns[i], &c1);
	for (size_t i = 0; i < KK_COUNT(turns); i++) {
		settle();
		ck_assert_ptr_nonnull(turns[i].turn);
		for (size_t k = i + 1; k < KK_COUNT(turns); k++)
			ck_assert_int_eq(turns[k].place, 0);
		turn_end(&turns[i]);
	}
}
END_TEST

static const struct {
	struct kk_scope first;
	struct kk_scope second;
	bool is_together;
} pairs[] = {
	/* The same object. */
	{{"r", NULL, NULL, NULL}, {"r", NULL, NULL, NULL}, false},
	{{"r", "s", "t", "c1"}, {"r", "s", "t", "c1"}, false},
	/* Above and below. */
	{{"r", NULL, NULL, NULL}, {"r", "s", NULL, NULL}, false},
	{{"r", NULL, NULL, NULL}, {"r", "s", "t", "c1"}, false},
	{{"r", "s", NULL, NULL}, {"r", "s", "t", "c1"}, false},
	{{"r", "s", "t", NULL}, {"r", "s", "t", "c1"}, false},
	{{"r", "s", "t", "c1"}, {"r", "s", "t", NULL}, false},
	{{"r", "s", "t", "c1"}, {"r", "s", NULL, NULL}, false},
	{{"r", "s", "t", "c1"}, {"r", NULL, NULL, NULL}, false},
	/* Beside. */
	{{"r", "s", "t", "c1"}, {"r", "s", "t", "c2"}, true},
	{{"r", "s", "t", NULL}, {"r", "s", "u", NULL}, true},
	{{"r", "s", "t", "c1"}, {"r", "s", "u", "c1"}, true},
	{{"r", "s", NULL, NULL}, {"q", "s", NULL, NULL}, true},
	{{"r", NULL, NULL, NULL}, {"q", "s", "t", "c1"}, true},
	/* A name that begins like another is another. */
	{{"r", "s", "t", "c1"}, {"r", "s", "t", "c10"}, true},
	{{"r", "s", "t", "c10"}, {"r", "s", "t", "c1"}, true},
	{{"r", NULL, NULL, NULL}, {"r2", "s", NULL, NULL}, true},
	{{"r2", "s", NULL, NULL}, {"r", NULL, NULL, NULL}, true},
};

START_TEST(an_object_waits_for_those_above_and_below_alone)
{
	struct turn first, second;

	turn_take(&first, &pairs[_i].first);
	wait_for(&first);
	ck_assert(rc_turn_is_busy(&pairs[_i].first));
	ck_assert_int_eq(rc_turn_is_busy(&pairs[_i].second), !pairs[_i].is_together);
	turn_take(&second, &pairs[_i].second);
	settle();
	ck_assert_int_eq(second.place > 0, pairs[_i].is_together);
	turn_end(&first);
	wait_for(&second);
	turn_end(&second);
	ck_assert(!rc_turn_is_busy(&pairs[_i].first));
	ck_assert(!rc_turn_is_busy(&pairs[_i].second));
}
END_TEST

START_TEST(who_waits_is_not_overtaken)
{
	struct turn cell, stack, other_cell;

	turn_take(&cell, &c1);
	turn_take(&stack, &t);
	turn_take(&other_cell, &c2); /* not in the way of c1, but the stack came first */
	settle();
	ck_assert_int_gt(cell.place, 0);
	ck_assert_int_eq(stack.place, 0);
	ck_assert_int_eq(other_cell.place, 0);
	turn_end(&cell);
	settle();
	ck_assert_int_gt(stack.place, 0);
	ck_assert_int_eq(other_cell.place, 0);
	turn_end(&stack);
	wait_for(&other_cell);
	turn_end(&other_cell);
}
END_TEST

START_TEST(a_parent_waits_for_all_of_its_children)
{
	struct turn one, two, space;

	turn_take(&one, &c1);
	turn_take(&two, &c2);
	turn_take(&space, &s);
	settle();
	turn_end(&two);
	settle();
	ck_assert_int_eq(space.place, 0);
	turn_end(&one);
	wait_for(&space);
	turn_end(&space);
}
END_TEST

START_TEST(heavy_turns_are_limited_and_others_pass)
{
	const struct kk_scope scopes[] = {{"a", NULL, NULL, NULL}, {"b", NULL, NULL, NULL},
		{"c", NULL, NULL, NULL}, {"d", NULL, NULL, NULL}, {"e", NULL, NULL, NULL}};
	struct turn heavy[5], light;

	/* Three for each processor. */
	for (size_t i = 0; i < KK_COUNT(heavy); i++)
		turn_take_heavy(&heavy[i], &scopes[i]);
	turn_take(&light, &c1);
	settle();
	for (size_t i = 0; i < KK_COUNT(heavy); i++)
		ck_assert_int_eq(heavy[i].place > 0, i < 3);
	ck_assert_int_gt(light.place, 0);
	turn_end(&light);
	settle();
	ck_assert_int_eq(heavy[3].place, 0);
	turn_end(&heavy[1]);
	settle();
	ck_assert_int_gt(heavy[3].place, 0);
	ck_assert_int_eq(heavy[4].place, 0);
	turn_end(&heavy[0]);
	turn_end(&heavy[2]);
	turn_end(&heavy[3]);
	wait_for(&heavy[4]);
	turn_end(&heavy[4]);
}
END_TEST

START_TEST(the_limit_grows_with_the_processors)
{
	char names[10][2] = {"0"};
	struct turn heavy[10];

	rc.n_cpus = 3;
	for (size_t i = 0; i < KK_COUNT(heavy); i++) {
		names[i][0] = (char)('0' + i);
		turn_take_heavy(&heavy[i], &(struct kk_scope){names[i], NULL, NULL, NULL});
	}
	settle();
	for (size_t i = 0; i < KK_COUNT(heavy); i++)
		ck_assert_int_eq(heavy[i].place > 0, i < 9);
}
END_TEST

/* Ends at once, and takes the next turn of the object before that. */
static void chain_on_begin(struct rc_turn *token, void *arg)
{
	int *n_left = arg;

	if (--*n_left > 0)
		rc_turn_take(&c1, true, chain_on_begin, arg);
	rc_turn_end(token);
}

START_TEST(a_turn_may_end_and_another_begin_inside_its_own_call)
{
	struct turn parent;
	int n_left = 100;

	rc_turn_take(&c1, true, chain_on_begin, &n_left);
	while (n_left > 0)
		kk_loop_run_once(worker.loop);
	turn_take(&parent, &r);
	wait_for(&parent);
	turn_end(&parent);
	ck_assert(!rc_turn_is_busy(&r));
}
END_TEST

/* --- two processes --- */

/* A process of its own that takes one turn, from before this one opened the lock file. */
struct other {
	pid_t pid;
	int to[2];
	int from[2];
};

static void say(int fd, char byte)
{
	if (write(fd, &byte, 1) != 1)
		_exit(1);
}

static char hear(int fd)
{
	char byte;

	return read(fd, &byte, 1) == 1 ? byte : '\0';
}

/* Take the turn when told to, say whether it had to wait, and end it when told to. */
static _Noreturn void other_run(const struct other *other, const struct kk_scope *scope)
{
	struct turn turn;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	hear(other->to[0]);
	loop_make();
	turn_take(&turn, scope);
	settle();
	if (!turn.place) {
		say(other->from[1], 'w');
		wait_for(&turn);
	}
	say(other->from[1], 'b');
	hear(other->to[0]);
	turn_end(&turn);
	say(other->from[1], 'e');
	/* Alive, but no more interested. */
	for (;;)
		pause();
}

static void other_make(struct other *other, const struct kk_scope *scope)
{
	ck_assert_int_eq(pipe(other->to), 0);
	ck_assert_int_eq(pipe(other->from), 0);
	other->pid = fork();
	if (other->pid == 0)
		other_run(other, scope);
}

/* Let it take its turn: 'b' when it has it, 'w' when it waits. */
static char other_take(const struct other *other)
{
	say(other->to[1], 't');
	return hear(other->from[0]);
}

static void other_end(const struct other *other)
{
	say(other->to[1], 'e');
	ck_assert_int_eq(hear(other->from[0]), 'e');
}

static void other_kill(const struct other *other)
{
	kill(other->pid, SIGKILL);
	ck_assert_int_eq(waitpid(other->pid, NULL, 0), other->pid);
}

START_TEST(another_process_is_waited_for_like_a_turn_of_our_own)
{
	struct other other;
	struct turn second;

	other_make(&other, &pairs[_i].first);
	ck_assert_int_eq(other_take(&other), 'b');
	turn_take(&second, &pairs[_i].second);
	settle();
	ck_assert_int_eq(second.place > 0, pairs[_i].is_together);
	other_end(&other);
	wait_for(&second);
	turn_end(&second);
	other_kill(&other);
}
END_TEST

START_TEST(another_process_waits_for_us)
{
	struct other other;
	struct turn first;

	other_make(&other, &pairs[_i].second);
	turn_take(&first, &pairs[_i].first);
	wait_for(&first);
	ck_assert_int_eq(other_take(&other), pairs[_i].is_together ? 'b' : 'w');
	turn_end(&first);
	if (!pairs[_i].is_together)
		ck_assert_int_eq(hear(other.from[0]), 'b');
	other_kill(&other);
}
END_TEST

START_TEST(a_process_that_dies_lets_go)
{
	struct other other;
	struct turn turn;

	other_make(&other, &c1);
	ck_assert_int_eq(other_take(&other), 'b');
	turn_take(&turn, &c1);
	settle();
	ck_assert_int_eq(turn.place, 0);
	other_kill(&other);
	wait_for(&turn);
	turn_end(&turn);
}
END_TEST

START_TEST(who_waits_for_another_process_holds_nothing_meanwhile)
{
	struct other cell, stack;
	struct turn waiting;

	other_make(&cell, &c1);
	other_make(&stack, &t);
	ck_assert_int_eq(other_take(&cell), 'b');
	turn_take(&waiting, &c1);
	settle();
	ck_assert_int_eq(waiting.place, 0);
	ck_assert_int_eq(other_take(&stack), 'w');
	/* We try no more for now, so that only what an attempt left behind could be in the way. */
	other_end(&cell);
	ck_assert_int_eq(hear(stack.from[0]), 'b');
	settle();
	ck_assert_int_eq(waiting.place, 0);
	other_end(&stack);
	wait_for(&waiting);
	turn_end(&waiting);
	other_kill(&cell);
	other_kill(&stack);
}
END_TEST

START_TEST(the_last_sibling_frees_the_parent)
{
	struct other stack;
	struct turn one, two;

	other_make(&stack, &t);
	turn_take(&one, &c1);
	turn_take(&two, &c2);
	wait_for(&one);
	wait_for(&two);
	/* What both share goes with the second, not with the first. */
	turn_end(&one);
	ck_assert_int_eq(other_take(&stack), 'w');
	turn_end(&two);
	ck_assert_int_eq(hear(stack.from[0]), 'b');
	other_kill(&stack);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("actor");
	TCase *one = tcase_create("one process"), *two = tcase_create("two processes");

	tcase_add_checked_fixture(one, setup, teardown);
	tcase_add_test(one, a_turn_begins_in_the_loop);
	tcase_add_test(one, one_object_is_worked_on_by_one_in_order);
	tcase_add_loop_test(one, an_object_waits_for_those_above_and_below_alone, 0,
		(int)KK_COUNT(pairs));
	tcase_add_test(one, who_waits_is_not_overtaken);
	tcase_add_test(one, a_parent_waits_for_all_of_its_children);
	tcase_add_test(one, heavy_turns_are_limited_and_others_pass);
	tcase_add_test(one, the_limit_grows_with_the_processors);
	tcase_add_test(one, a_turn_may_end_and_another_begin_inside_its_own_call);
	suite_add_tcase(suite, one);
	tcase_add_checked_fixture(two, setup, teardown);
	tcase_add_loop_test(two, another_process_is_waited_for_like_a_turn_of_our_own, 0,
		(int)KK_COUNT(pairs));
	tcase_add_loop_test(two, another_process_waits_for_us, 0, (int)KK_COUNT(pairs));
	tcase_add_test(two, a_process_that_dies_lets_go);
	tcase_add_test(two, who_waits_for_another_process_holds_nothing_meanwhile);
	tcase_add_test(two, the_last_sibling_frees_the_parent);
	suite_add_tcase(suite, two);
	return check_main(suite);
}
