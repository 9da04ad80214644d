/* client/replay.c - what a terminal showed before, shown again: without what it asked then, as the terminal would answer, and
 * the answer would be typed. */
#include "cli.h"

#include <string.h>

enum { ESC = 0x1b, BEL = 0x07 };

/* The length of the control sequence (ESC [ …) at the start of @data; 0: none, or not all of it. */
static size_t control_len(const char *data, size_t len)
{
	if (len < 3 || data[0] != ESC || data[1] != '[')
		return 0;
	for (size_t i = 2; i < len; i++) {
		if (data[i] >= 0x40 && data[i] <= 0x7e)
			return i + 1;
		if (data[i] < 0x20 || data[i] > 0x3f)
			return 0;
	}
	return 0;
}

/* Of a command to the terminal (ESC ] … or ESC P …), which a bell or ESC \ ends. */
static size_t command_len(const char *data, size_t len)
{
	if (len < 3 || data[0] != ESC || (data[1] != ']' && data[1] != 'P'))
		return 0;
	for (size_t i = 2; i < len; i++) {
		if (data[i] == BEL)
			return i + 1;
		if (data[i] == '\\' && data[i - 1] == ESC)
			return i + 1;
	}
	return 0;
}

static bool is_control_question(const char *data, size_t len)
{
	char final = data[len - 1];

	/* Its state and place, what it is, its version, a mode. */
	return final == 'n' || final == 'c' || (final == 'q' && data[2] == '>') ||
		(final == 'p' && data[len - 2] == '$');
}

static bool is_command_question(const char *data, size_t len)
{
	return data[1] == 'P' ? data[2] == '$' || data[2] == '+' : memchr(data, '?', len) != NULL;
}

/* How much of what @data begins with is a question. */
static size_t question_len(const char *data, size_t len)
{
	size_t n = control_len(data, len);

	if (n)
		return is_control_question(data, n) ? n : 0;
	n = command_len(data, len);
	if (n)
		return is_command_question(data, n) ? n : 0;
	return len >= 2 && data[0] == ESC && data[1] == 'Z' ? 2 : 0;
}

size_t cli_replay_strip(char *data, size_t len)
{
	size_t kept = 0;

	for (size_t i = 0; i < len;) {
		size_t n = data[i] == ESC ? question_len(data + i, len - i) : 0;

		if (n) {
			i += n;
			continue;
		}
		data[kept++] = data[i++];
	}
	return kept;
}
