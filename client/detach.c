/* client/detach.c - the keys that leave a terminal: ^] twice, but not amid what is pasted. */
#include "cli.h"

#include <string.h>

enum { KEY = 0x1d, BELL = 0x07 };

static const char paste_begin[] = "\033[200~", paste_end[] = "\033[201~";

/* Whether @c is the last byte of what begins or ends a paste. */
static bool is_mark(struct cli_detach *detach, char c)
{
	const char *mark = detach->is_pasting ? paste_end : paste_begin;

	detach->n_mark = c == mark[detach->n_mark] ? detach->n_mark + 1 : c == mark[0];
	if (mark[detach->n_mark])
		return false;
	detach->n_mark = 0;
	return true;
}

size_t cli_detach_find(struct cli_detach *detach, char *keys, size_t len, bool *ret_is_asked)
{
	*ret_is_asked = false;
	for (size_t i = 0; i < len; i++) {
		bool is_key = keys[i] == KEY && !detach->is_pasting;

		if (is_mark(detach, keys[i]))
			detach->is_pasting = !detach->is_pasting;
		if (is_key && detach->has_key) {
			keys[i] = BELL;
			detach->has_key = false;
			*ret_is_asked = true;
			return i + 1;
		}
		detach->has_key = is_key;
	}
	return len;
}
