/* workers/containerd/kuketty.c - the program that has a container's outputs and its terminal, as this binary carries it. */
#include "ct.h"

__asm__(".pushsection .rodata\n"
	".balign 16\n"
	"ct_kuketty_begin: .incbin \"" KUKETTY "\"\n"
	"ct_kuketty_end:\n"
	".balign 8\n"
	"ct_kuketty_len: .quad ct_kuketty_end - ct_kuketty_begin\n"
	".popsection\n");

extern const char ct_kuketty_begin[];
extern const uint64_t ct_kuketty_len;

const char *ct_kuketty_data(size_t *ret_len)
{
	*ret_len = (size_t)ct_kuketty_len;
	return ct_kuketty_begin;
}
