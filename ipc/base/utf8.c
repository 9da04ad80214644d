/* ipc/base/utf8.c */
#include <kukeon/utf8.h>

#include <stdint.h>
#include <string.h>

#include <kukeon/buf.h>

/* Length of the valid UTF-8 sequence at @p, 0 where there is none. */
static size_t sequence_len(const uint8_t *p, size_t left)
{
	size_t n = p[0] < 0x80              ? 1 :
		p[0] >= 0xc2 && p[0] < 0xe0 ? 2 :
		p[0] >= 0xe0 && p[0] < 0xf0 ? 3 :
		p[0] >= 0xf0 && p[0] < 0xf5 ? 4 :
					      0;

	if (n == 0 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
		(p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

int kk_utf8_repair(const void *data, size_t len, struct kk_buf *out)
{
	const uint8_t *bytes = data;
	int r = 0;

	for (size_t i = 0; i < len && r == 0;) {
		size_t n = sequence_len(bytes + i, len - i);

		r = n ? kk_buf_append(out, bytes + i, n) : kk_buf_str(out, "\xef\xbf\xbd");
		i += n ? n : 1;
	}
	return r;
}

size_t kk_utf8_prefix(const char *text, size_t max)
{
	size_t len = strnlen(text, max), start = len;

	if (len < max)
		return len;
	while (start > 0 && len - start < 3 && ((uint8_t)text[start - 1] & 0xc0) == 0x80)
		start--;
	/* The last character may have been cut. */
	if (start > 0 && (uint8_t)text[start - 1] >= 0xc0 &&
		sequence_len((const uint8_t *)text + start - 1, len - start + 1) == 0)
		return start - 1;
	return len;
}
