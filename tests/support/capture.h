/* tests/support/capture.h - what the code under test prints to stdout, as a string. */
#ifndef KK_TESTS_CAPTURE_H
#define KK_TESTS_CAPTURE_H

#include <stdio.h>
#include <stdlib.h>

struct capture {
	FILE *saved;
	char *text;
	size_t len;
};

static inline void capture_begin(struct capture *capture)
{
	*capture = (struct capture){.saved = stdout};
	stdout = open_memstream(&capture->text, &capture->len);
	if (!stdout)
		abort();
}

/* The text, which the caller frees. */
static inline char *capture_end(struct capture *capture)
{
	fclose(stdout);
	stdout = capture->saved;
	return capture->text;
}

#endif
