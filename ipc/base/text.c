/* ipc/base/text.c */
#include <kukeon/text.h>

#include <ctype.h>
#include <string.h>

#define PUNCTUATION "{}[],:"

/* The zero byte is in no set. */
static bool is_in(char c, const char *set)
{
	return c && strchr(set, c);
}

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
			while (i + n < len && !is_in(s[i + n], ",]} \t\r\n"))
				n++;
		}
		i += n;
	} while (depth > 0);
	return i;
}

static void skip(struct kk_text *text, size_t n)
{
	text->data += n;
	text->len -= n;
}

/* Take the value at the start of @rest, with the space around it. */
static bool value_take(struct kk_text *rest, struct kk_text *ret_value)
{
	size_t n;

	skip(rest, space_len(rest->data, rest->len));
	n = value_len(rest->data, rest->len);
	if (n == 0)
		return false;
	*ret_value = (struct kk_text){rest->data, n};
	skip(rest, n);
	skip(rest, space_len(rest->data, rest->len));
	return true;
}

static bool char_take(struct kk_text *rest, char c)
{
	skip(rest, space_len(rest->data, rest->len));
	if (rest->len == 0 || rest->data[0] != c)
		return false;
	skip(rest, 1);
	return true;
}

bool kk_text_member(const struct kk_text *object, const char *key, struct kk_text *ret_value)
{
	struct kk_text rest = *object, name, value;
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

bool kk_text_next(struct kk_text *rest, struct kk_text *ret_item)
{
	/* At the start the bracket is before the first item, later a comma. */
	return (char_take(rest, '[') || char_take(rest, ',')) && value_take(rest, ret_item);
}

bool kk_text_token(struct kk_text *rest, struct kk_text *ret_token)
{
	size_t n = 1;

	skip(rest, space_len(rest->data, rest->len));
	if (rest->len == 0)
		return false;
	if (rest->data[0] == '"')
		n = string_len(rest->data, rest->len);
	else if (!is_in(rest->data[0], PUNCTUATION))
		while (n < rest->len && !is_in(rest->data[n], PUNCTUATION " \t\r\n\""))
			n++;
	if (n == 0)
		return false;
	*ret_token = (struct kk_text){rest->data, n};
	skip(rest, n);
	return true;
}
