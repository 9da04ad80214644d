/* supervisor/reload.h - the running supervisor is replaced by the binary on disk; nobody is disconnected.
 *
 * The file that we were started from is first run as a check of itself: with our arguments, it must read the
 * configuration and say that it can take over from us. Then it takes our place by exec, and finds the
 * listener, the connections, the workers and all that is under way in a handover. */
#ifndef KK_SUPERVISOR_RELOAD_H
#define KK_SUPERVISOR_RELOAD_H

#include <stdbool.h>

#include <kukeon/err.h>

struct kk_config;
struct kk_loop;
struct kk_supervisor;
struct sv_front;
struct sv_handover;
struct sv_reload;

/* @argv is what we were started with, kept. @lock_fd goes to the successor, and so does @host_fd, unless it is -1.
 * NULL: out of memory. */
struct sv_reload *sv_reload_new(struct kk_loop *loop, struct kk_supervisor *sv,
	struct sv_front *front, const struct kk_config *config, int lock_fd, int host_fd,
	char **argv);
void sv_reload_free(struct sv_reload *reload);

/* Begin. Those who asked through @front are answered when it is done, or why it is not. */
void sv_reload_start(struct sv_reload *reload);

/* The daemon goes down: what is under way ends, those who asked are told. */
void sv_reload_cancel(struct sv_reload *reload);

/* In the successor: let the workers follow, then answer. */
void sv_reload_finish(struct sv_reload *reload);

/* Called first in kukeond: are we a successor, or a check of ourselves? */
bool sv_reload_is_check(void);
void sv_reload_check_pass(const struct kk_config *config);

/* 1 and the handover, 0 where there is none; fails as sv_handover_read does. */
int sv_reload_inherit(struct sv_handover *ret_handover, struct kk_err *err);

#endif
