/* workers/kuketty/ring.c */
#include "kuketty.h"

#include <stdlib.h>
#include <string.h>

#include <kukeon/mem.h>

void tty_ring_init(struct tty_ring *ring, size_t size)
{
	*ring = (struct tty_ring){.data = size ? kk_xalloc(size) : NULL, .size = size};
}

void tty_ring_release(struct tty_ring *ring)
{
	free(ring->data);
	*ring = (struct tty_ring){0};
}

void tty_ring_put(struct tty_ring *ring, const char *data, size_t len)
{
	size_t skipped = len > ring->size ? len - ring->size : 0;

	ring->end += skipped;
	data += skipped;
	len -= skipped;
	while (len) {
		size_t at = (size_t)(ring->end % ring->size), n = ring->size - at;

		if (n > len)
			n = len;
		memcpy(ring->data + at, data, n);
		ring->end += n;
		data += n;
		len -= n;
	}
}

static uint64_t oldest(const struct tty_ring *ring)
{
	return ring->end > ring->size ? ring->end - ring->size : 0;
}

/* The start of a line, so that no character and no escape sequence is cut; where there is none, the place itself. */
static uint64_t line_after(const struct tty_ring *ring, uint64_t at)
{
	for (uint64_t i = at; i < ring->end; i++) {
		if (ring->data[i % ring->size] == '\n')
			return i + 1;
	}
	return at;
}

uint64_t tty_ring_begin(const struct tty_ring *ring, size_t len)
{
	uint64_t at = oldest(ring);

	if (ring->end - at > len)
		at = ring->end - len;
	return at ? line_after(ring, at) : 0;
}

size_t tty_ring_get(const struct tty_ring *ring, uint64_t *at, char *ret_data, size_t size)
{
	size_t len = 0;

	if (*at < oldest(ring))
		*at = line_after(ring, oldest(ring));
	while (len < size && *at < ring->end) {
		size_t from = (size_t)(*at % ring->size), n = ring->size - from;

		if (n > ring->end - *at)
			n = (size_t)(ring->end - *at);
		if (n > size - len)
			n = size - len;
		memcpy(ret_data + len, ring->data + from, n);
		len += n;
		*at += n;
	}
	return len;
}
