/* include/kukeon/mem.h - allocation, and small string helpers.
 *
 * The supervisor survives a lack of memory: it, and what it runs of ipc/, uses the plain functions and returns
 * KK_E_NOMEM. Workers and the client end (a worker is started again), whichever they use; code that is theirs
 * alone uses the kk_x… functions, which never return NULL. */
#ifndef KK_MEM_H
#define KK_MEM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* From now on none of these returns NULL: the process says so and ends. */
void kk_mem_set_vital(void);

/* NULL when out of memory. */
void *kk_alloc(size_t size);            /* zeroed */
void *kk_realloc(void *p, size_t size); /* @p stays when it fails */
char *kk_strdup(const char *s);         /* NULL gives NULL */
char *kk_strndup(const char *s, size_t n);
char *kk_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *kk_vprintf(const char *format, va_list ap) __attribute__((format(printf, 1, 0)));

_Noreturn void kk_out_of_memory(void); /* how the others end */
void *kk_xalloc(size_t size);          /* zeroed */
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
