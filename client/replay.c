/* client/replay.c - what a terminal showed before, shown again: without what it asked then, as the terminal would answer, and
 * the answer would be typed. */
#include "cli.h"

#include <string.h>

enum { BEL = 0x07, CAN = 0x18, SUB = 0x1a, ESC = 0x1b };

/* What is at the start of what is there: something to show, something to leave out, or what can't be told yet. */
enum verdict { SHOWN, LEFT_OUT, OPEN };

/* The state and place of the cursor, what it is, its version, a mode, its keys, its window. */
static bool is_control_question(const char *data, size_t len)
{
	char final = data[len - 1];

	return final == 'n' || final == 'c' || final == 'x' || (final == 'q' && data[2] == '>') ||
		(final == 'p' && data[len - 2] == '$') || (final == 'u' && data[2] == '?') ||
		(final == 't' && (data[2] == '1' || data[2] == '2') && len == 5 && data[3] != '2' &&
			data[3] != '3');
}

/* A control sequence (ESC [ …). The terminal forgets one that another interrupts, and bears with characters that have no place
 * in it: no program writes such a thing, and noise must not become a question by what is left out of it. */
static enum verdict control_judge(const char *data, size_t len, size_t *ret_len)
{
	bool is_odd = false;

	for (size_t i = 2; i < len; i++) {
		*ret_len = i + 1;
		if (data[i] >= 0x40 && data[i] <= 0x7e)
			return is_odd || is_control_question(data, i + 1) ? LEFT_OUT : SHOWN;
		if (data[i] == CAN || data[i] == SUB)
			return LEFT_OUT;
		if (data[i] == ESC) {
			*ret_len = i;
			return LEFT_OUT;
		}
		if (data[i] & 0x80)
			return SHOWN;
		is_odd |= data[i] < 0x20 || data[i] == 0x7f;
	}
	return OPEN;
}

static bool is_command_question(const char *data, size_t len)
{
	return data[1] == 'P' ? data[2] == '$' || data[2] == '+' : memchr(data, '?', len) != NULL;
}

/* A command to the terminal (ESC ] … or ESC P …), which a bell or ESC \ ends. */
static enum verdict command_judge(const char *data, size_t len, size_t *ret_len)
{
	for (size_t i = 2; i < len; i++) {
		bool is_closed = data[i] == BEL || (data[i] == '\\' && data[i - 1] == ESC);

		*ret_len = i + 1;
		if (is_closed)
			return is_command_question(data, i + 1) ? LEFT_OUT : SHOWN;
		if (data[i] == CAN || data[i] == SUB)
			return LEFT_OUT;
		if (data[i - 1] == ESC && i > 2) {
			*ret_len = i - 1;
			return LEFT_OUT;
		}
	}
	return OPEN;
}

/* @data, which begins with ESC: LEFT_OUT: *@ret_len bytes of it, which are a question, or nothing that a terminal heeds. */
static enum verdict judge(const char *data, size_t len, size_t *ret_len)
{
	if (len < 2)
		return OPEN;
	if (data[1] == '[')
		return control_judge(data, len, ret_len);
	if (data[1] == ']' || data[1] == 'P')
		return command_judge(data, len, ret_len);
	*ret_len = data[1] == 'Z' ? 2 : 1;
	return data[1] == 'Z' || (data[1] >= 0 && data[1] < 0x20) ? LEFT_OUT : SHOWN;
}

size_t cli_replay_strip(struct cli_replay *replay, char *data, size_t len)
{
	size_t kept = 0;

	for (size_t i = 0; i < len;) {
		size_t n = 0;
		enum verdict verdict = data[i] == ESC ? judge(data + i, len - i, &n) : SHOWN;

		/* The rest of it comes with the next piece, unless it is none after all. */
		if (verdict == OPEN && len - i <= sizeof replay->held) {
			replay->n_held = len - i;
			memcpy(replay->held, data + i, replay->n_held);
			break;
		}
		if (verdict == LEFT_OUT)
			i += n;
		else
			data[kept++] = data[i++];
	}
	return kept;
}
