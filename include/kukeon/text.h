/* include/kukeon/text.h - JSON as the text it came as: parts are found without building a tree of all of it,
 * and come out to the letter. */
#ifndef KK_TEXT_H
#define KK_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* A piece of JSON text, borrowed. */
struct kk_text {
	const char *data;
	size_t len;
};

/* Find a member of an object; false when it is not there or the text is no JSON. */
bool kk_text_member(const struct kk_text *object, const char *key, struct kk_text *ret_value);

/* Take the next item of an array: start with @rest being the array. */
bool kk_text_next(struct kk_text *rest, struct kk_text *ret_item);

/* Take the next token, blanks passed over: a string with its quotes, a brace, bracket, comma or colon, or
 * a word. False at the end, and where a string has none. */
bool kk_text_token(struct kk_text *rest, struct kk_text *ret_token);

#endif
