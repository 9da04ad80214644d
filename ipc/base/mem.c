/* ipc/base/mem.c */
#include <kukeon/mem.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void out_of_memory(void)
{
	static const char text[] = "kukeon: out of memory\n";

	/* Nothing that allocates may run here. */
	(void)!write(STDERR_FILENO, text, sizeof text - 1);
	_exit(70);
}

void *kk_alloc(size_t size)
{
	return calloc(1, size ? size : 1);
}

void *kk_realloc(void *p, size_t size)
{
	return realloc(p, size ? size : 1);
}

void *kk_xalloc(size_t size)
{
	void *p = kk_alloc(size);

	if (!p)
		out_of_memory();
	return p;
}

void *kk_xrealloc(void *p, size_t size)
{
	void *grown = kk_realloc(p, size);

	if (!grown)
		out_of_memory();
	return grown;
}

char *kk_xstrdup(const char *s)
{
	return s ? kk_xstrndup(s, strlen(s)) : NULL;
}

char *kk_xstrndup(const char *s, size_t n)
{
	char *copy = kk_xalloc(n + 1);

	memcpy(copy, s, n);
	return copy;
}

char *kk_xprintf(const char *format, ...)
{
	char *text;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0)
		out_of_memory();
	return text;
}

void kk_str_set(char **p, const char *s)
{
	char *copy = kk_xstrdup(s);

	free(*p);
	*p = copy;
}

const char *kk_str(const char *s)
{
	return s ? s : "";
}

bool kk_str_empty(const char *s)
{
	return !s || !*s;
}

bool kk_str_equal(const char *a, const char *b)
{
	return strcmp(kk_str(a), kk_str(b)) == 0;
}

bool kk_str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool kk_str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && strcmp(s + n - m, suffix) == 0;
}
