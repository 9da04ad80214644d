/* tests/unit/test_loop.c */
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include <kukeon/loop.h>

#include "../support/check.h"

/* What a source does when it fires, and what came of it. */
struct source {
	struct kk_loop *loop;
	struct kk_timer *timer;
	struct kk_watch *watch;
	unsigned n;
	unsigned what;
	int fd;
	bool want_stop;
	bool want_free;
	bool want_again;
	struct source *first; /* must have fired before */
};

static void fired(struct source *source)
{
	source->n++;
	if (source->first)
		ck_assert_uint_gt(source->first->n, 0);
	if (source->want_stop)
		kk_loop_stop(source->loop);
	if (source->want_free) {
		kk_timer_free(source->timer);
		kk_watch_free(source->watch);
		source->timer = NULL;
		source->watch = NULL;
	}
	if (source->want_again && source->n < 5)
		kk_timer_start(source->timer, 0);
}

static void source_on_timer(void *arg)
{
	fired(arg);
}

static void source_on_watch(int fd, unsigned what, void *arg)
{
	struct source *source = arg;

	source->fd = fd;
	source->what = what;
	fired(source);
}

static void source_on_signal(int signo, void *arg)
{
	struct source *source = arg;

	source->what = (unsigned)signo;
	fired(source);
}

static struct source timer_of(struct kk_loop *loop)
{
	return (struct source){.loop = loop};
}

/* Timers of 0 ms fire in the order of their starts, so this one ends a turn. */
static void turn(struct kk_loop *loop)
{
	struct source end = {.loop = loop, .want_stop = true};

	end.timer = kk_timer_new(loop, "end of turn", source_on_timer, &end);
	kk_timer_start(end.timer, 0);
	kk_loop_run(loop);
	ck_assert_uint_eq(end.n, 1);
	kk_timer_free(end.timer);
}

START_TEST(timer_fires_once)
{
	kk_auto(kk_loop_freep) struct kk_loop *loop = kk_loop_new();
	struct source source = timer_of(loop);

	source.timer = kk_timer_new(loop, "timer", source_on_timer, &source);
	kk_timer_start(source.timer, 0);
	kk_loop_run_once(loop);
	turn(loop);
	turn(loop);
	ck_assert_uint_eq(source.n, 1);
	kk_timer_free(source.timer);
}
END_TEST

START_TEST(earlier_timer_fires_first)
{
	kk_auto(kk_loop_freep) struct kk_loop *loop = kk_loop_new();
	struct source early = timer_of(loop), late = timer_of(loop);

	late.want_stop = true;
	late.first = &early;
	early.timer = kk_timer_new(loop, "early", source_on_timer, &early);
	late.timer = kk_timer_new(loop, "late", source_on_timer, &late);
	kk_timer_start(late.timer, 30);
	kk_timer_start(early.timer, 1);
	kk_loop_run(loop);
	ck_assert_uint_eq(early.n, 1);
	ck_assert_uint_eq(late.n, 1);
	kk_timer_free(early.timer);
	kk_timer_free(late.timer);
}
END_TEST

START_TEST(started_again_is_moved)
{
	kk_auto(kk_loop_freep) struct kk_loop *loop = kk_loop_new();
	struct source source = timer_of(loop);

	source.timer = kk_timer_new(loop, "timer", source_on_timer, &source);
	kk_timer_start(source.timer, 3600000);
	kk_timer_start(source.timer, 0);
	turn(loop);
	ck_assert_uint_eq(source.n, 1);
	kk_timer_start(source.timer, 0);
	kk_timer_start(source.timer, 3600000);
	turn(loop);
	ck_assert_uint_eq(source.n, 1);
	kk_timer_free(source.timer);
}
END_TEST

START_TEST(stopped_timer_is_silent)
{
	kk_auto(kk_loop_freep) struct kk_loop *loop = kk_loop_new();
	struct source source = timer_of(loop);

	source.timer = kk_timer_new(loop, "timer", source_on_timer, &source);
	kk_timer_stop(source.timer);
	kk_timer_start(source.timer, 0);
	kk_timer_stop(source.timer);
	turn(loop);
	ck_assert_uint_eq(source.n, 0);
	kk_timer_start(source.timer, 0);
	turn(loop);
	ck_assert_uint_eq(source.n, 1);
	kk_timer_free(source.timer);
}
END_TEST

START_TEST(timer_may_start_itself_again)
{
	kk_auto(kk_loop_freep) struct kk_loop *loop = kk_loop_new();
	struct source source = timer_of(loop);

	source.want_again = true;
	source.timer = kk_timer_new(loop, "timer", source_on_timer, &source);
	kk_timer_start(source.timer, 0);
	while (source.n < 5)
		kk_loop_run_once(loop);
	turn(loop);
	ck_assert_uint_eq(source.n, 5);
	kk_timer_free(source.timer);
}
END_TEST

START_TEST(timer_may_free_itself)
{
	kk_auto(kk_loop_freep) struct kk_loop *loop = kk_loop_new();
	struct source source = timer_of(loop);

	source.want_free = true;
	source.timer = kk_timer_new(loop, "timer", source_on_timer, &source);
	kk_timer_start(source.timer, 0);
	turn(loop);
	ck_assert_uint_eq(source.n, 1);
	ck_assert_ptr_null(source.timer);
	kk_timer_free(NULL);
}
END_TEST

static void pair_open(int pair[2])
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
		0);
}

START_TEST(descriptor_fires_as_long_as_it_is_ready)
{
	kk_auto(kk_loop_freep) struct kk_loop *loop = kk_loop_new();
	struct source source = {.loop = loop};
	char byte;
	int pair[2];

	pair_open(pair);
	source.watch = kk_watch_new(loop, "pair", pair[0], KK_READ, source_on_watch, &source);
	turn(loop);
	ck_assert_uint_eq(source.n, 0);
	ck_assert_int_eq(write(pair[1], "x", 1), 1);
	kk_loop_run_once(loop);
	kk_loop_run_once(loop);
	ck_assert_uint_eq(source.n, 2);
	ck_assert_int_eq(source.fd, pair[0]);
	ck_assert_uint_eq(source.what, KK_READ);
	ck_assert_int_eq(read(pair[0], &byte, 1), 1);
	turn(loop);
	ck_assert_uint_eq(source.n, 2);
	close(pair[1]);
	kk_loop_run_once(loop);
	ck_assert_uint_eq(source.n, 3);
	kk_watch_free(source.watch);
	close(pair[0]);
}
END_TEST

START_TEST(descriptor_is_watched_for_what_was_set_last)
{
	kk_auto(kk_loop_freep) struct kk_loop *loop = kk_loop_new();
	struct source source = {.loop = loop};
	int pair[2];

	pair_open(pair);
	ck_assert_int_eq(write(pair[1], "x", 1), 1);
	source.watch = kk_watch_new(loop, "pair", pair[0], 0, source_on_watch, &source);
	turn(loop);
	ck_assert_uint_eq(source.n, 0);
	kk_watch_set(source.watch, KK_WRITE);
	kk_loop_run_once(loop);
	ck_assert_uint_eq(source.what, KK_WRITE);
	kk_watch_set(source.watch, KK_READ | KK_WRITE);
	kk_loop_run_once(loop);
	ck_assert_uint_eq(source.what, KK_READ | KK_WRITE);
	kk_watch_set(source.watch, KK_READ);
	kk_watch_set(source.watch, KK_READ);
	kk_loop_run_once(loop);
	ck_assert_uint_eq(source.what, KK_READ);
	ck_assert_uint_eq(source.n, 3);
	kk_watch_set(source.watch, 0);
	turn(loop);
	ck_assert_uint_eq(source.n, 3);
	kk_watch_free(source.watch);
	close(pair[0]);
	close(pair[1]);
}
END_TEST

START_TEST(watch_may_free_itself)
{
	kk_auto(kk_loop_freep) struct kk_loop *loop = kk_loop_new();
	struct source source = {.loop = loop, .want_free = true};
	int pair[2];

	pair_open(pair);
	ck_assert_int_eq(write(pair[1], "x", 1), 1);
	source.watch = kk_watch_new(loop, "pair", pair[0], KK_READ, source_on_watch, &source);
	kk_loop_run_once(loop);
	turn(loop);
	ck_assert_uint_eq(source.n, 1);
	ck_assert_ptr_null(source.watch);
	/* The descriptor stays its owner's. */
	ck_assert_int_ge(fcntl(pair[0], F_GETFD), 0);
	close(pair[0]);
	close(pair[1]);
	kk_watch_free(NULL);
}
END_TEST

START_TEST(signals_arrive_in_the_loop)
{
	kk_auto(kk_loop_freep) struct kk_loop *loop = kk_loop_new();
	struct source source = {.loop = loop};

	source.watch = kk_signal_new(loop, SIGUSR1, source_on_signal, &source);
	raise(SIGUSR1);
	ck_assert_uint_eq(source.n, 0);
	kk_loop_run_once(loop);
	ck_assert_uint_eq(source.n, 1);
	ck_assert_uint_eq(source.what, SIGUSR1);
	raise(SIGUSR1);
	kk_loop_run_once(loop);
	ck_assert_uint_eq(source.n, 2);
	kk_watch_free(source.watch);
}
END_TEST

START_TEST(stop_ends_the_run_of_an_empty_loop)
{
	kk_auto(kk_loop_freep) struct kk_loop *loop = kk_loop_new();

	for (int i = 0; i < 3; i++)
		turn(loop);
	kk_loop_free(NULL);
}
END_TEST

CHECK_MAIN("loop", timer_fires_once, earlier_timer_fires_first, started_again_is_moved,
	stopped_timer_is_silent, timer_may_start_itself_again, timer_may_free_itself,
	descriptor_fires_as_long_as_it_is_ready, descriptor_is_watched_for_what_was_set_last,
	watch_may_free_itself, signals_arrive_in_the_loop, stop_ends_the_run_of_an_empty_loop)
