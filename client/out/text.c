/* client/out/text.c - JSON as the text it came as: parts are found and printed without building a tree of
 * all of it, which for a long list would be most of the time that a command takes. */
#include "../cli.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static size_t space_len(const char *s, size_t len)
{
	size_t i = 0;

	while (i < len && isspace((unsigned char)s[i]))
		i++;
	return i;
}

/* Length of the string that starts at @s with its quotes; 0 when it does not end. */
static size_t string_len(const char *s, size_t len)
{
	for (size_t i = 1; i < len; i++) {
		if (s[i] == '\\')
			i++;
		else if (s[i] == '"')
			return i + 1;
	}
	return 0;
}

/* Length of the value that starts at @s; 0 when there is none that ends. */
static size_t value_len(const char *s, size_t len)
{
	size_t depth = 0, i = 0;

	do {
		size_t n = 1;

		if (i == len)
			return 0;
		if (s[i] == '"') {
			n = string_len(s + i, len - i);
			if (n == 0)
				return 0;
		} else if (s[i] == '{' || s[i] == '[') {
			depth++;
		} else if (s[i] == '}' || s[i] == ']') {
			if (depth == 0)
				return 0;
			depth--;
		} else if (depth == 0) {
			while (i + n < len && !strchr(",]} \t\r\n", s[i + n]))
				n++;
		}
		i += n;
	} while (depth > 0);
	return i;
}

static void skip(struct cli_text *text, size_t n)
{
	text->data += n;
	text->len -= n;
}

/* Take the value at the start of @rest, with the space around it. */
static bool value_take(struct cli_text *rest, struct cli_text *ret_value)
{
	size_t n;

	skip(rest, space_len(rest->data, rest->len));
	n = value_len(rest->data, rest->len);
	if (n == 0)
		return false;
	*ret_value = (struct cli_text){rest->data, n};
	skip(rest, n);
	skip(rest, space_len(rest->data, rest->len));
	return true;
}

static bool char_take(struct cli_text *rest, char c)
{
	skip(rest, space_len(rest->data, rest->len));
	if (rest->len == 0 || rest->data[0] != c)
		return false;
	skip(rest, 1);
	return true;
}

bool cli_text_member(const struct cli_text *object, const char *key, struct cli_text *ret_value)
{
	struct cli_text rest = *object, name, value;
	size_t len = strlen(key);

	if (!char_take(&rest, '{'))
		return false;
	do {
		if (!value_take(&rest, &name) || name.data[0] != '"' || !char_take(&rest, ':') ||
			!value_take(&rest, &value))
			return false;
		if (name.len == len + 2 && memcmp(name.data + 1, key, len) == 0) {
			*ret_value = value;
			return true;
		}
	} while (char_take(&rest, ','));
	return false;
}

bool cli_text_next(struct cli_text *rest, struct cli_text *ret_item)
{
	/* At the start the bracket is before the first item, later a comma. */
	return (char_take(rest, '[') || char_take(rest, ',')) && value_take(rest, ret_item);
}

json_t *cli_text_load(const struct cli_text *text)
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
static bool is_empty_here(const struct cli_text *rest)
{
	size_t next = 1 + space_len(rest->data + 1, rest->len - 1);

	return next < rest->len && strchr("]}", rest->data[next]);
}

void cli_text_print(const struct cli_text *text, unsigned depth)
{
	struct cli_text rest = *text;
	bool was_empty = false;

	for (size_t n; rest.len; skip(&rest, n)) {
		n = 1;
		switch (rest.data[0]) {
		case ' ':
		case '\t':
		case '\r':
		case '\n':
			break;
		case '"':
			n = string_len(rest.data, rest.len);
			if (n == 0)
				return;
			fwrite_unlocked(rest.data, 1, n, stdout);
			break;
		case '{':
		case '[':
			fputc_unlocked(rest.data[0], stdout);
			was_empty = is_empty_here(&rest);
			if (!was_empty)
				line_start(++depth);
			break;
		case '}':
		case ']':
			if (!was_empty)
				line_start(--depth);
			was_empty = false;
			fputc_unlocked(rest.data[0], stdout);
			break;
		case ',':
			fputc_unlocked(',', stdout);
			line_start(depth);
			break;
		case ':':
			fwrite_unlocked(": ", 1, 2, stdout);
			break;
		default:
			fputc_unlocked(rest.data[0], stdout);
			break;
		}
	}
}
