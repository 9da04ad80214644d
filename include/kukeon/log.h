/* include/kukeon/log.h - structured log lines: time level role gen op text key=value.
 *
 * error: someone must act. warning: we coped. info: state changed. debug: steps. trace: messages.
 * Workers write to standard error, which the supervisor stamps and stores; secrets never. */
#ifndef KK_LOG_H
#define KK_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kk_level { KK_LEVEL_ERROR, KK_LEVEL_WARNING, KK_LEVEL_INFO, KK_LEVEL_DEBUG, KK_LEVEL_TRACE };

/* Set who speaks. @role is kept, not copied. */
void kk_log_open(const char *role, unsigned generation, int level);
/* How long a line may wait for standard error to be read before it is lost, and counted; negative (at
 * first): for ever. A supervisor must not wait for whoever reads its log. */
void kk_log_set_patience(int ms);
/* Is standard error a stream of journald's? Then lines carry their priority. systemd tells in the
 * environment. */
void kk_log_find_journal(void);

void kk_log_set_level(int level);
int kk_log_level(void);
bool kk_log_is_on(int level);

/* The operation that the lines of this process belong to from now on; 0 for none. */
void kk_log_set_op(uint64_t op);

/* "debug" to its level; "warn" and "err" work too. Returns -1 for an unknown name. */
int kk_level_parse(const char *name);
const char *kk_level_name(int level);

#define kk_error(...) kk_log_line(KK_LEVEL_ERROR, __VA_ARGS__)
#define kk_warning(...) kk_log_line(KK_LEVEL_WARNING, __VA_ARGS__)
#define kk_info(...) kk_log_line(KK_LEVEL_INFO, __VA_ARGS__)
#define kk_debug(...) kk_log_line(KK_LEVEL_DEBUG, __VA_ARGS__)
#define kk_trace(...) kk_log_line(KK_LEVEL_TRACE, __VA_ARGS__)

/* One line; bytes that could forge another are escaped. */
void kk_log_line(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Pass on a whole line, newline included and up to 4096 bytes, that another process logged. */
void kk_log_pass(const char *line, size_t len);

/* Pass on a line of another process that did not come through kk_log_line (a library's, a crash's). */
void kk_log_foreign(int level, const char *role, unsigned generation, const char *text, size_t len);

#endif
