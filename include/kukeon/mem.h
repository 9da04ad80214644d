/* include/kukeon/mem.h - allocation for code that can't go on without it, and small string helpers.
 *
 * Workers and the client end when memory is gone (a worker is started again); they use the kk_x…
 * functions, which never return NULL. ipc/wire, ipc/chan and supervisor/ use the plain ones and
 * return KK_E_NOMEM. */
#ifndef KK_MEM_H
#define KK_MEM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

void *kk_alloc(size_t size);            /* zeroed; NULL when out of memory */
void *kk_realloc(void *p, size_t size); /* NULL when out of memory, @p stays */
void *kk_xalloc(size_t size);           /* zeroed */
void *kk_xrealloc(void *p, size_t size);
char *kk_xstrdup(const char *s); /* NULL gives NULL */
char *kk_xstrndup(const char *s, size_t n);
char *kk_xprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Replace the string that *@p owns. */
void kk_str_set(char **p, const char *s);

/* "" for NULL: most of our strings treat both alike. */
const char *kk_str(const char *s);
bool kk_str_empty(const char *s);
bool kk_str_equal(const char *a, const char *b);
bool kk_str_starts(const char *s, const char *prefix);
bool kk_str_ends(const char *s, const char *suffix);

#endif
