/* tests/support/sample.h - objects of any schema, made up from a seed: the same seed, the same object. */
#ifndef KK_SUPPORT_SAMPLE_H
#define KK_SUPPORT_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include <kukeon/schema.h>

/* What strings are made of. */
enum sample_text {
	SAMPLE_BYTES, /* anything but zero bytes */
	SAMPLE_UTF8,  /* what YAML and JSON can carry, with line breaks, quotes and blanks */
};

struct sample {
	uint64_t state;
	enum sample_text text;
};

/* The next number of the series, below @limit. */
uint32_t sample_below(struct sample *sample, uint32_t limit);

/* Any byte. Under the address sanitizer not those that announce up to 2^32 items to msgpack, which asks
 * for the memory of all of them at once: each costs it a second. */
uint8_t sample_byte(struct sample *sample);
bool sample_byte_is_dear(unsigned byte);

/* Fill @object (of any content, which is not released) within the bounds of its table. */
void sample_fill(struct sample *sample, const struct kk_schema *schema, void *object);

#endif
