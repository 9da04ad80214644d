/* include/kukeon/buf.h - a growing byte buffer with a ceiling. */
#ifndef KK_BUF_H
#define KK_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <kukeon/auto.h>

/* data is always followed by a zero byte once anything was appended. */
struct kk_buf {
	uint8_t *data;
	size_t len;
	size_t cap;
	size_t max; /* ceiling in bytes; 0: none */
};

void kk_buf_init(struct kk_buf *buf, size_t max);
void kk_buf_release(struct kk_buf *buf);
void kk_buf_clear(struct kk_buf *buf);

/* Append. Returns 0, KK_E_NOMEM or KK_E_TOO_BIG; on failure the buffer is as before. */
int kk_buf_append(struct kk_buf *buf, const void *data, size_t len);
int kk_buf_str(struct kk_buf *buf, const char *s);
int kk_buf_char(struct kk_buf *buf, char c);
int kk_buf_printf(struct kk_buf *buf, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Make room for @len bytes more and return where they go, or NULL. Follow with kk_buf_added. */
uint8_t *kk_buf_reserve(struct kk_buf *buf, size_t len);
void kk_buf_added(struct kk_buf *buf, size_t len);

/* Drop @len bytes at the front. */
void kk_buf_consume(struct kk_buf *buf, size_t len);

/* The content as a string that the caller owns; the buffer is empty afterwards. */
char *kk_buf_take(struct kk_buf *buf);

#define kk_auto_buf kk_auto(kk_buf_release) struct kk_buf

#endif
