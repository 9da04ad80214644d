/* ipc/wire/bound.h - between the files of this directory. */
#ifndef KK_WIRE_BOUND_H
#define KK_WIRE_BOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Does @data hold a msgpack value with as many items and bytes as its headers claim? */
bool kk_msgpack_fits(const uint8_t *data, size_t len);

#endif
