/* ipc/base/mem.c */
#include <kukeon/mem.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_vital;

void kk_out_of_memory(void)
{
	static const char text[] = "kukeon: out of memory\n";

	/* Nothing that allocates may run here. */
	(void)!write(STDERR_FILENO, text, sizeof text - 1);
	_exit(70);
}

void kk_mem_set_vital(void)
{
	is_vital = true;
}

/* What the caller asked for; this process may not live without it. */
static void *checked(void *p)
{
	if (!p && is_vital)
		kk_out_of_memory();
	return p;
}

static void *needed(void *p)
{
	if (!p)
		kk_out_of_memory();
	return p;
}

void *kk_alloc(size_t size)
{
	return checked(calloc(1, size ? size : 1));
}

void *kk_realloc(void *p, size_t size)
{
	return checked(realloc(p, size ? size : 1));
}

char *kk_strdup(const char *s)
{
	return s ? kk_strndup(s, strlen(s)) : NULL;
}

char *kk_strndup(const char *s, size_t n)
{
	char *copy = kk_alloc(n + 1);

	if (copy)
		memcpy(copy, s, n);
	return copy;
}

char *kk_vprintf(const char *format, va_list ap)
{
	char *text;

	return checked(vasprintf(&text, format, ap) < 0 ? NULL : text);
}

char *kk_printf(const char *format, ...)
{
	char *text;
	va_list ap;

	va_start(ap, format);
	text = kk_vprintf(format, ap);
	va_end(ap);
	return text;
}

void *kk_xalloc(size_t size)
{
	return needed(kk_alloc(size));
}

void *kk_xrealloc(void *p, size_t size)
{
	return needed(kk_realloc(p, size));
}

char *kk_xstrdup(const char *s)
{
	return s ? needed(kk_strdup(s)) : NULL;
}

char *kk_xstrndup(const char *s, size_t n)
{
	return needed(kk_strndup(s, n));
}

char *kk_xprintf(const char *format, ...)
{
	char *text;
	va_list ap;

	va_start(ap, format);
	text = kk_vprintf(format, ap);
	va_end(ap);
	return needed(text);
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
