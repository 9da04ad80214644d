/* include/kukeon/loop.h - the event loop: timers, descriptors, signals; each source has a name. */
#ifndef KK_LOOP_H
#define KK_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include <kukeon/auto.h>

struct kk_loop;
struct kk_timer;
struct kk_watch;

enum { KK_READ = 1, KK_WRITE = 2 };

typedef void (*kk_timer_f)(void *arg);
typedef void (*kk_watch_f)(int fd, unsigned what, void *arg);
typedef void (*kk_signal_f)(int signo, void *arg);

struct kk_loop *kk_loop_new(void); /* NULL: out of memory or descriptors */
void kk_loop_free(struct kk_loop *loop);
void kk_loop_run(struct kk_loop *loop);      /* until kk_loop_stop */
void kk_loop_run_once(struct kk_loop *loop); /* until something happened */
void kk_loop_stop(struct kk_loop *loop);

/* @name is kept. All of these return NULL when memory is gone. Freeing one inside its own callback
 * is allowed. */
struct kk_timer *kk_timer_new(struct kk_loop *loop, const char *name, kk_timer_f fn, void *arg);
void kk_timer_start(struct kk_timer *timer, int64_t ms); /* once; again to move it */
void kk_timer_stop(struct kk_timer *timer);
void kk_timer_free(struct kk_timer *timer);

struct kk_watch *kk_watch_new(struct kk_loop *loop, const char *name, int fd, unsigned what,
	kk_watch_f fn, void *arg);
void kk_watch_set(struct kk_watch *watch, unsigned what); /* 0: sleep */
/* Call back soon as if it could be read, while it is watched for that. */
void kk_watch_wake(struct kk_watch *watch);
void kk_watch_free(struct kk_watch *watch);

struct kk_watch *kk_signal_new(struct kk_loop *loop, int signo, kk_signal_f fn, void *arg);

KK_DEFINE_FREEP(struct kk_loop, kk_loop_free)

#endif
