/* client/out/text.c - JSON that is printed as it came, which for a long list is most of what a command
 * does. */
#include "../cli.h"

#include <stdio.h>
#include <string.h>

json_t *cli_text_load(const struct kk_text *text)
{
	return json_loadb(text->data, text->len, JSON_DECODE_ANY, NULL);
}

static void line_start(unsigned depth)
{
	fputc_unlocked('\n', stdout);
	for (unsigned i = 0; i < depth; i++)
		fwrite_unlocked("  ", 1, 2, stdout);
}

/* {} and [] stay together. */
static bool is_closed_next(struct kk_text rest)
{
	struct kk_text next;

	return kk_text_token(&rest, &next) && (next.data[0] == ']' || next.data[0] == '}');
}

void cli_text_print(const struct kk_text *text, unsigned depth)
{
	struct kk_text rest = *text, token;
	bool was_empty = false;

	while (kk_text_token(&rest, &token)) {
		bool is_closing = token.data[0] == '}' || token.data[0] == ']';

		if (is_closing && !was_empty && depth > 0)
			line_start(--depth);
		fwrite_unlocked(token.data, 1, token.len, stdout);
		if (token.data[0] == '{' || token.data[0] == '[') {
			was_empty = is_closed_next(rest);
			if (!was_empty)
				line_start(++depth);
			continue;
		}
		was_empty = false;
		if (token.data[0] == ',')
			line_start(depth);
		else if (token.data[0] == ':')
			fputc_unlocked(' ', stdout);
	}
}
