/* ipc/base/buf.c */
#include <kukeon/buf.h>

#include <stdio.h>
#include <string.h>

#include <kukeon/err.h>
#include <kukeon/mem.h>

void kk_buf_init(struct kk_buf *buf, size_t max)
{
	*buf = (struct kk_buf){.max = max};
}

void kk_buf_release(struct kk_buf *buf)
{
	free(buf->data);
	*buf = (struct kk_buf){.max = buf->max};
}

/* What is appended by hand in kk_buf_reserve counts once it is added. */
static void terminate(struct kk_buf *buf)
{
	if (buf->data)
		buf->data[buf->len] = '\0';
}

void kk_buf_clear(struct kk_buf *buf)
{
	buf->len = 0;
	terminate(buf);
}

static int grow(struct kk_buf *buf, size_t len)
{
	size_t want = buf->len + len, cap = buf->cap ? buf->cap : 256;
	uint8_t *data;

	if (want < len || (buf->max && want > buf->max))
		return KK_E_TOO_BIG;
	if (want < buf->cap)
		return 0;
	if (want > SIZE_MAX / 4)
		return KK_E_NOMEM;
	while (cap <= want)
		cap *= 2;
	data = kk_realloc(buf->data, cap);
	if (!data)
		return KK_E_NOMEM;
	buf->data = data;
	buf->cap = cap;
	return 0;
}

int kk_buf_append(struct kk_buf *buf, const void *data, size_t len)
{
	int r = grow(buf, len);

	if (r < 0)
		return r;
	if (len)
		memcpy(buf->data + buf->len, data, len);
	kk_buf_added(buf, len);
	return 0;
}

int kk_buf_str(struct kk_buf *buf, const char *s)
{
	return kk_buf_append(buf, s, strlen(s));
}

int kk_buf_char(struct kk_buf *buf, char c)
{
	return kk_buf_append(buf, &c, 1);
}

int kk_buf_printf(struct kk_buf *buf, const char *format, ...)
{
	kk_auto_free char *text = NULL;
	va_list ap;

	va_start(ap, format);
	text = kk_vprintf(format, ap);
	va_end(ap);
	return text ? kk_buf_str(buf, text) : KK_E_NOMEM;
}

uint8_t *kk_buf_reserve(struct kk_buf *buf, size_t len)
{
	return grow(buf, len) < 0 ? NULL : buf->data + buf->len;
}

void kk_buf_added(struct kk_buf *buf, size_t len)
{
	buf->len += len;
	buf->data[buf->len] = '\0';
}

void kk_buf_consume(struct kk_buf *buf, size_t len)
{
	if (len == 0)
		return;
	memmove(buf->data, buf->data + len, buf->len - len);
	buf->len -= len;
	terminate(buf);
}

char *kk_buf_take(struct kk_buf *buf)
{
	char *text;

	terminate(buf);
	text = buf->data ? (char *)buf->data : kk_xalloc(1);
	*buf = (struct kk_buf){.max = buf->max};
	return text;
}
