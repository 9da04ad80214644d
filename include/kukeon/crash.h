/* include/kukeon/crash.h - last words of a process that is broken. */
#ifndef KK_CRASH_H
#define KK_CRASH_H

/* What each of their lines on standard error begins with. */
#define KK_CRASH_MARK "crash: "

/* Should this process be ended by a signal that tells of a fault, it writes signal, registers and backtrace to
 * standard error first. Under a sanitizer, faults of memory are the sanitizer's to tell. */
void kk_crash_install(void);

/* Of the running program, in hexadecimal digits; "" where the linker gave it none. */
const char *kk_build_id(void);

#endif
