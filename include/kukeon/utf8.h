/* include/kukeon/utf8.h - text from outside that JSON has to carry. */
#ifndef KK_UTF8_H
#define KK_UTF8_H

#include <stddef.h>

struct kk_buf;

/* Append @data; each byte that is no UTF-8 becomes U+FFFD, as in Go. Fails with KK_E_NOMEM or
 * KK_E_TOO_BIG. */
int kk_utf8_repair(const void *data, size_t len, struct kk_buf *out);

/* Length of the longest start of @text that has at most @max bytes and ends between two characters. */
size_t kk_utf8_prefix(const char *text, size_t max);

#endif
