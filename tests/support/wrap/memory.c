/* tests/support/wrap/memory.c */
#include "../memory.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
	bool is_on;
	size_t n;
	size_t fail_first;
	size_t fail_last;
	long kept;
} memory;

#define REAL(type, name, ...)            \
	type __real_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__)

REAL(void *, malloc, size_t size);
REAL(void *, calloc, size_t n, size_t size);
REAL(void *, realloc, void *p, size_t size);
REAL(void, free, void *p);
REAL(char *, strdup, const char *s);
REAL(char *, strndup, const char *s, size_t n);
REAL(int, vasprintf, char **ret_text, const char *format, va_list ap);

static bool fails(void)
{
	if (!memory.is_on)
		return false;
	memory.n++;
	if (memory.n < memory.fail_first || memory.n > memory.fail_last)
		return false;
	errno = ENOMEM;
	return true;
}

static void *kept(void *p)
{
	memory.kept += memory.is_on && p;
	return p;
}

void memory_begin(size_t nth, size_t n_more)
{
	memory.n = 0;
	memory.kept = 0;
	memory.fail_first = nth ? nth : SIZE_MAX;
	memory.fail_last = nth ? nth + n_more : 0;
	memory.is_on = true;
}

bool memory_end(void)
{
	memory.is_on = false;
	return memory.n >= memory.fail_first;
}

size_t memory_count(void)
{
	return memory.n;
}

long memory_kept(void)
{
	return memory.kept;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : kept(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : kept(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t size)
{
	if (fails())
		return NULL;
	return p ? __real_realloc(p, size) : kept(__real_realloc(p, size));
}

void __wrap_free(void *p)
{
	memory.kept -= memory.is_on && p;
	__real_free(p);
}

char *__wrap_strdup(const char *s)
{
	return fails() ? NULL : kept(__real_strdup(s));
}

char *__wrap_strndup(const char *s, size_t n)
{
	return fails() ? NULL : kept(__real_strndup(s, n));
}

int __wrap_vasprintf(char **ret_text, const char *format, va_list ap)
{
	int n = fails() ? -1 : __real_vasprintf(ret_text, format, ap);

	if (n >= 0)
		kept(*ret_text);
	return n;
}
