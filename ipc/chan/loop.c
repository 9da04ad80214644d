/* ipc/chan/loop.c */
#include <kukeon/loop.h>

#include <stdlib.h>
#include <sys/time.h>

#include <event2/event.h>

#include <kukeon/log.h>
#include <kukeon/mem.h>

struct kk_loop {
	struct event_base *base;
};

struct kk_timer {
	struct event *event;
	const char *name;
	kk_timer_f fn;
	void *arg;
	bool is_running;
};

struct kk_watch {
	struct event *event;
	struct kk_loop *loop;
	const char *name;
	kk_watch_f fn;
	kk_signal_f signal_fn;
	void *arg;
	int fd;
	unsigned what;
};

static void loop_on_log(int severity, const char *text)
{
	if (severity == EVENT_LOG_ERR)
		kk_error("libevent: %s", text);
	else if (severity == EVENT_LOG_WARN)
		kk_warning("libevent: %s", text);
	else
		kk_debug("libevent: %s", text);
}

struct kk_loop *kk_loop_new(void)
{
	struct kk_loop *loop = kk_alloc(sizeof *loop);

	if (!loop)
		return NULL;
	event_set_mem_functions(kk_alloc, kk_realloc, free);
	event_set_log_callback(loop_on_log);
	loop->base = event_base_new();
	if (!loop->base) {
		free(loop);
		return NULL;
	}
	return loop;
}

void kk_loop_free(struct kk_loop *loop)
{
	if (!loop)
		return;
	event_base_free(loop->base);
	free(loop);
}

void kk_loop_run(struct kk_loop *loop)
{
	event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void kk_loop_run_once(struct kk_loop *loop)
{
	event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY);
}

void kk_loop_stop(struct kk_loop *loop)
{
	event_base_loopbreak(loop->base);
}

/* A timer that is stopped is one that fires in ten years. It keeps its place among those that run, so that
 * starting it takes no memory and can't fail. */
static int timer_rest(struct kk_timer *timer)
{
	const struct timeval far = {.tv_sec = 10L * 365 * 24 * 3600};

	timer->is_running = false;
	return event_add(timer->event, &far);
}

static void timer_on_fire(int fd, short what, void *arg)
{
	struct kk_timer *timer = arg;
	bool was_running = timer->is_running;

	(void)fd;
	(void)what;
	(void)timer_rest(timer);
	if (was_running)
		timer->fn(timer->arg);
}

struct kk_timer *kk_timer_new(struct kk_loop *loop, const char *name, kk_timer_f fn, void *arg)
{
	struct kk_timer *timer = kk_alloc(sizeof *timer);

	if (!timer)
		return NULL;
	*timer = (struct kk_timer){.name = name, .fn = fn, .arg = arg};
	timer->event = event_new(loop->base, -1, 0, timer_on_fire, timer);
	if (!timer->event || timer_rest(timer) < 0) {
		kk_timer_free(timer);
		return NULL;
	}
	return timer;
}

void kk_timer_start(struct kk_timer *timer, int64_t ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	if (event_add(timer->event, &tv) < 0)
		kk_error("timer '%s' could not be started", timer->name);
	timer->is_running = true;
}

void kk_timer_stop(struct kk_timer *timer)
{
	(void)timer_rest(timer);
}

void kk_timer_free(struct kk_timer *timer)
{
	if (!timer)
		return;
	if (timer->event)
		event_free(timer->event);
	free(timer);
}

static void watch_on_fire(int fd, short what, void *arg)
{
	struct kk_watch *watch = arg;

	if (what & EV_SIGNAL)
		watch->signal_fn(fd, watch->arg);
	else
		watch->fn(fd, (what & EV_READ ? KK_READ : 0u) | (what & EV_WRITE ? KK_WRITE : 0u),
			watch->arg);
}

static int watch_arm(struct kk_watch *watch, unsigned what)
{
	short events = EV_PERSIST;

	if (watch->what == what)
		return 0;
	if (watch->what)
		event_del(watch->event);
	watch->what = what;
	if (!what)
		return 0;
	if (what & KK_READ)
		events |= EV_READ;
	if (what & KK_WRITE)
		events |= EV_WRITE;
	event_assign(watch->event, watch->loop->base, watch->fd, events, watch_on_fire, watch);
	return event_add(watch->event, NULL);
}

struct kk_watch *kk_watch_new(struct kk_loop *loop, const char *name, int fd, unsigned what,
	kk_watch_f fn, void *arg)
{
	struct kk_watch *watch = kk_alloc(sizeof *watch);

	if (!watch)
		return NULL;
	*watch = (struct kk_watch){.loop = loop, .name = name, .fn = fn, .arg = arg, .fd = fd};
	watch->event = event_new(loop->base, fd, 0, watch_on_fire, watch);
	if (!watch->event || watch_arm(watch, what) < 0) {
		kk_watch_free(watch);
		return NULL;
	}
	return watch;
}

void kk_watch_set(struct kk_watch *watch, unsigned what)
{
	if (watch_arm(watch, what) < 0)
		kk_error("descriptor '%s' could not be watched", watch->name);
}

void kk_watch_wake(struct kk_watch *watch)
{
	if (watch->what & KK_READ)
		event_active(watch->event, EV_READ, 0);
}

void kk_watch_free(struct kk_watch *watch)
{
	if (!watch)
		return;
	if (watch->event)
		event_free(watch->event);
	free(watch);
}

struct kk_watch *kk_signal_new(struct kk_loop *loop, int signo, kk_signal_f fn, void *arg)
{
	struct kk_watch *watch = kk_alloc(sizeof *watch);

	if (!watch)
		return NULL;
	*watch = (struct kk_watch){.loop = loop, .name = "signal", .signal_fn = fn, .arg = arg};
	watch->event = evsignal_new(loop->base, signo, watch_on_fire, watch);
	if (!watch->event || event_add(watch->event, NULL) < 0) {
		kk_watch_free(watch);
		return NULL;
	}
	return watch;
}
