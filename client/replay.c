/* client/replay.c - what a terminal showed before, shown again: without what it asked then, as the terminal would answer, and
 * the answer would be typed. */
#include "cli.h"

#include <string.h>

enum { ESC = 0x1b, BEL = 0x07 };

/* How a sequence at the start of what is there ends. */
enum extent { NONE, OPEN, WHOLE };

/* A control sequence (ESC [ …). */
static enum extent control_find(const char *data, size_t len, size_t *ret_len)
{
	for (size_t i = 2; i < len; i++) {
		if (data[i] >= 0x40 && data[i] <= 0x7e) {
			*ret_len = i + 1;
			return WHOLE;
		}
		if (data[i] < 0x20 || data[i] > 0x3f)
			return NONE;
	}
	return OPEN;
}

/* A command to the terminal (ESC ] … or ESC P …), which a bell or ESC \ ends. */
static enum extent command_find(const char *data, size_t len, size_t *ret_len)
{
	for (size_t i = 2; i < len; i++) {
		if (data[i] == BEL || (data[i] == '\\' && data[i - 1] == ESC)) {
			*ret_len = i + 1;
			return WHOLE;
		}
	}
	return OPEN;
}

/* The state and place of the cursor, what it is, its version, a mode, its keys, its window. */
static bool is_control_question(const char *data, size_t len)
{
	char final = data[len - 1];

	return final == 'n' || final == 'c' || final == 'x' || (final == 'q' && data[2] == '>') ||
		(final == 'p' && data[len - 2] == '$') || (final == 'u' && data[2] == '?') ||
		(final == 't' && (data[2] == '1' || data[2] == '2') && len == 5 && data[3] != '2' &&
			data[3] != '3');
}

static bool is_command_question(const char *data, size_t len)
{
	return data[1] == 'P' ? data[2] == '$' || data[2] == '+' : memchr(data, '?', len) != NULL;
}

/* Does @data, which begins with ESC, begin with a question? WHOLE: it has *@ret_len bytes. OPEN: it can't be told yet. */
static enum extent question_find(const char *data, size_t len, size_t *ret_len)
{
	enum extent extent = NONE;

	if (len < 2)
		return OPEN;
	*ret_len = 2;
	if (data[1] == 'Z')
		return WHOLE;
	if (data[1] == '[') {
		extent = control_find(data, len, ret_len);
		return extent == WHOLE && !is_control_question(data, *ret_len) ? NONE : extent;
	}
	if (data[1] == ']' || data[1] == 'P') {
		extent = command_find(data, len, ret_len);
		return extent == WHOLE && !is_command_question(data, *ret_len) ? NONE : extent;
	}
	return extent;
}

size_t cli_replay_strip(struct cli_replay *replay, char *data, size_t len)
{
	size_t kept = 0;

	for (size_t i = 0; i < len;) {
		size_t n = 0;
		enum extent extent = data[i] == ESC ? question_find(data + i, len - i, &n) : NONE;

		/* The rest of it comes with the next piece, unless it is none after all. */
		if (extent == OPEN && len - i <= sizeof replay->held) {
			replay->n_held = len - i;
			memcpy(replay->held, data + i, replay->n_held);
			break;
		}
		if (extent == WHOLE)
			i += n;
		else
			data[kept++] = data[i++];
	}
	return kept;
}
