/* tests/support/memory.h - allocation under a test: each one is counted, and may fail on demand.
 *
 * tests/support/wrap/memory.c takes the calls over, those of our own code and of all libraries that are linked
 * into the program; what libc takes for itself is not seen, but for the strings it hands out. */
#ifndef KK_SUPPORT_MEMORY_H
#define KK_SUPPORT_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* Count from now on; the @nth allocation fails (1 is the next, 0 none), and so do the @n_more behind it. */
void memory_begin(size_t nth, size_t n_more);

/* Count no more. Did the allocation come that was to fail? */
bool memory_end(void);

size_t memory_count(void);

/* Blocks that were allocated and not freed since memory_begin. */
long memory_kept(void);

#endif
