/* ipc/wire/bound.c - msgpack-c allocates what the header of an array or map claims before it looks for the
 * items: five bytes can ask for 256 GB. */
#include "bound.h"

/* What is nested deeper is to msgpack-c as if memory were short. */
enum { DEPTH_MAX = 32 };

/* Bytes that follow the type bytes 0xc0 to 0xdf: the value, or how long it is. */
static const uint8_t extra[32] = {0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 2, 3,
	5, 9, 17, 1, 2, 4, 2, 4, 2, 4};

/* Items within the value of this type, and bytes of its content. */
static void value_size(uint8_t type, uint64_t n, uint64_t *ret_items, uint64_t *ret_bytes)
{
	*ret_items = 0;
	*ret_bytes = 0;
	if (type >= 0x80 && type <= 0x8f)
		*ret_items = 2 * (uint64_t)(type & 15);
	else if (type >= 0x90 && type <= 0x9f)
		*ret_items = type & 15;
	else if (type >= 0xa0 && type <= 0xbf)
		*ret_bytes = type & 31;
	else if (type == 0xdc || type == 0xdd)
		*ret_items = n;
	else if (type == 0xde || type == 0xdf)
		*ret_items = 2 * n;
	else if ((type >= 0xc4 && type <= 0xc6) || (type >= 0xd9 && type <= 0xdb))
		*ret_bytes = n;
	else if (type >= 0xc7 && type <= 0xc9)
		*ret_bytes = n + 1;
}

bool kk_msgpack_fits(const uint8_t *data, size_t len)
{
	uint64_t n_left = 1;             /* items still to come, in all */
	uint64_t lefts[DEPTH_MAX] = {1}; /* the same, at each depth */
	unsigned depth = 0;

	while (n_left) {
		uint8_t type;
		uint64_t n = 0, items, bytes;
		size_t n_extra;

		if (len == 0)
			return false;
		type = *data++;
		len--;
		n_left--;
		lefts[depth]--;
		n_extra = type >= 0xc0 && type <= 0xdf ? extra[type - 0xc0] : 0;
		if (n_extra > len)
			return false;
		for (size_t i = 0; i < n_extra; i++)
			n = n << 8 | data[i];
		data += n_extra;
		len -= n_extra;
		value_size(type, n, &items, &bytes);
		if (bytes > len)
			return false;
		data += bytes;
		len -= bytes;
		n_left += items;
		/* Each item takes a byte at least. */
		if (n_left > len || (items && ++depth == DEPTH_MAX))
			return false;
		if (items)
			lefts[depth] = items;
		while (depth && !lefts[depth])
			depth--;
	}
	return true;
}
