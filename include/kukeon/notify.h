/* include/kukeon/notify.h - what systemd is told, where it runs us. */
#ifndef KK_NOTIFY_H
#define KK_NOTIFY_H

#include <stdint.h>

/* Send a state such as "READY=1"; nothing happens without systemd. */
void kk_notify(const char *state);

/* A reload begins; READY=1 ends it. */
void kk_notify_reloading(void);

/* How often systemd wants to hear WATCHDOG=1, in ms; 0: it does not. */
int64_t kk_notify_watchdog_ms(void);

#endif
