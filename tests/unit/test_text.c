/* tests/unit/test_text.c - JSON as text: parts of it, and the same print as from a tree. */
#include "../../client/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kukeon/mem.h>

#include "../support/capture.h"
#include "../support/check.h"

/* A text in memory that ends with it, so that a look beyond is noticed. */
struct piece {
	struct kk_text text;
	char *memory;
};

static struct piece piece_make(const char *text, size_t len)
{
	struct piece piece = {.memory = malloc(len ? len : 1)};

	memcpy(piece.memory, text, len);
	piece.text = (struct kk_text){piece.memory, len};
	return piece;
}

static void piece_release(struct piece *piece)
{
	free(piece->memory);
}

#define auto_piece kk_auto(piece_release) struct piece

static bool is_text(const struct kk_text *text, const char *expected)
{
	return text->len == strlen(expected) && memcmp(text->data, expected, text->len) == 0;
}

static char *printed(const char *text, size_t len, unsigned depth)
{
	auto_piece piece = piece_make(text, len);
	struct capture capture;

	capture_begin(&capture);
	cli_text_print(&piece.text, depth);
	return capture_end(&capture);
}

/* --- print --- */

static const char *const values[] = {
	"{}",
	"[]",
	"[[]]",
	"[{}]",
	"{\"a\":{}}",
	"{\"a\":[]}",
	"[[],[]]",
	"[{},{},[[]],{}]",
	"{\"a\":{},\"b\":[],\"c\":{\"d\":{}}}",
	"[[[[[[[[]]]]]]]]",
	"[1]",
	"[1,2,3]",
	"[0,-1,1.5,-0.25,1e-05,1.0,9223372036854775807,123456789012345678]",
	"[true,false,null]",
	"{\"a\":null,\"b\":true,\"c\":-7}",
	"[\"\",\"a\",\"a b\",\" \"]",
	"[\"\\\"\",\"\\\\\",\"\\\\\\\"\",\"/\",\"\\u0001\\u001F\\n\\t\\r\\b\\f\"]",
	"{\"{\":\"}\",\"[\":\"]\",\",\":\":\",\"\\\"{\":\"\\\\\"}",
	"{\"\":{\"\":[\"\"]}}",
	"[\"{}\",\"[]\",\"{\",\"]\"]",
	"{\"name\":\"gr\xc3\xbc\xc3\x9f\",\"smile\":\"\xf0\x9f\x98\x80\"}",
	"[[1,[2,[3,[],{}]]],{\"a\":[{\"b\":[{\"c\":{}}]}]}]",
	"{\"metadata\":{\"name\":\"web\",\"labels\":null},\"spec\":{\"containers\":[{\"id\":\"a\","
	"\"args\":[\"-c\",\"echo \\\"hi\\\"; exit\"],\"env\":[],\"volumes\":null}]},\"status\":"
	"{\"state\":\"Ready\",\"network\":{}}}",
	"\"\"",
	"\"a \\\" b\"",
	"7",
	"-0.5",
	"true",
	"null",
};

START_TEST(print_is_what_a_tree_prints)
{
	const char *value = values[_i];
	kk_auto_json *json = json_loads(value, JSON_DECODE_ANY, NULL);
	kk_auto_free char *expected = json_dumps(json, JSON_INDENT(2) | JSON_ENCODE_ANY);
	kk_auto_free char *compact = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
	kk_auto_free char *loose = json_dumps(json, JSON_INDENT(7) | JSON_ENCODE_ANY);
	kk_auto_free char *from_compact = printed(compact, strlen(compact), 0);
	kk_auto_free char *from_loose = printed(loose, strlen(loose), 0);

	ck_assert_str_eq(from_compact, expected);
	ck_assert_str_eq(from_loose, expected);
}
END_TEST

START_TEST(print_as_an_item_is_indented_from_the_second_line_on)
{
	const char *value = values[_i];
	kk_auto_free char *list = kk_xprintf("[%s]", value);
	kk_auto_json *json = json_loads(list, 0, NULL);
	kk_auto_free char *expected = json_dumps(json, JSON_INDENT(2));
	kk_auto_json *item = json_incref(json_array_get(json, 0));
	kk_auto_free char *compact = json_dumps(item, JSON_COMPACT | JSON_ENCODE_ANY);
	kk_auto_free char *text = printed(compact, strlen(compact), 1);
	kk_auto_free char *whole = kk_xprintf("[\n  %s\n]", text);

	ck_assert_str_eq(whole, expected);
}
END_TEST

START_TEST(print_drops_blanks_between_tokens_alone)
{
	static const char text[] = "\n { \"a b\" :\t[ 1 ,\r\n\" 2 \" , [ ] , { \n } ] } \n";
	kk_auto_free char *print = printed(text, strlen(text), 0);

	ck_assert_str_eq(print, "{\n  \"a b\": [\n    1,\n    \" 2 \",\n    [],\n    {}\n  ]\n}");
}
END_TEST

/* --- members --- */

static const char object[] =
	" { \"a\" : 1 , \"ab\" : \"x\\\"}\" , \"obj\" : { \"a\" : [ 2 , { } ] } , \"list\":[1,[2]],"
	"\"t\":true,\"n\":null,\"e\":{},\"a\":9,\"\":0,\"last\":-1.5e3}";

static const struct {
	const char *key;
	const char *value; /* NULL: there is none */
} members[] = {
	{"a", "1"}, /* the first of two */
	{"ab", "\"x\\\"}\""},
	{"obj", "{ \"a\" : [ 2 , { } ] }"},
	{"list", "[1,[2]]"},
	{"t", "true"},
	{"n", "null"},
	{"e", "{}"},
	{"", "0"},
	{"last", "-1.5e3"},
	{"b", NULL},
	{"A", NULL},
	{"las", NULL},
	{"lastt", NULL},
	{"x", NULL},
};

START_TEST(a_member_is_found_by_its_whole_key)
{
	auto_piece piece = piece_make(object, strlen(object));
	struct kk_text value = {NULL, 0};

	ck_assert_int_eq(kk_text_member(&piece.text, members[_i].key, &value),
		members[_i].value != NULL);
	if (members[_i].value)
		ck_assert(is_text(&value, members[_i].value));
	else
		ck_assert_ptr_null(value.data);
}
END_TEST

static const char *const no_objects[] = {"", " ", "[]", "[\"a\",1]", "\"a\"", "1", "null", "{",
	"{}", "{ }", "{\"a\"", "{\"a\":", "{\"a\" 1}", "{a:1}", "{1:1}", "{\"a\":}", "{\"a\":]",
	"{\"b\":1", "{\"b\":1,", "{\"b\":1 \"a\":1}", "{\"b\":{\"a\":1}", "{\"b\":\"\\\",\"a\":1}",
	"{,\"a\":1}", "{\"b\":1,,\"a\":1}", "{\"a\\"};

START_TEST(a_text_that_is_no_object_has_no_member)
{
	auto_piece piece = piece_make(no_objects[_i], strlen(no_objects[_i]));
	struct kk_text value = {NULL, 0};

	ck_assert(!kk_text_member(&piece.text, "a", &value));
	ck_assert_ptr_null(value.data);
}
END_TEST

/* --- items --- */

static const struct {
	const char *list;
	const char *items[6];
} lists[] = {
	{"[]", {NULL}},
	{" [ ] ", {NULL}},
	{"[1]", {"1"}},
	{"[1,2,3]", {"1", "2", "3"}},
	{" [ 1 ,\n2 , 3 ] ", {"1", "2", "3"}},
	{"[[1,2],[3]]", {"[1,2]", "[3]"}},
	{"[[],[[]],{}]", {"[]", "[[]]", "{}"}},
	{"[{\"a\":[1,2]},{\"b\":\"],\"}]", {"{\"a\":[1,2]}", "{\"b\":\"],\"}"}},
	{"[\"a,b\",\"\\\"\",\"]\"]", {"\"a,b\"", "\"\\\"\"", "\"]\""}},
	{"[true,false,null,-1e5]", {"true", "false", "null", "-1e5"}},
	/* What is broken ends the list. */
	{"", {NULL}},
	{"{}", {NULL}},
	{"1", {NULL}},
	{"[", {NULL}},
	{"[1", {"1"}},
	{"[1,", {"1"}},
	{"[1,]", {"1"}},
	{"[1,[2]", {"1", "[2]"}},
	{"[1,[2", {"1"}},
	{"[1,\"2", {"1"}},
	{"[1 2]", {"1"}},
};

START_TEST(items_come_one_after_the_other)
{
	auto_piece piece = piece_make(lists[_i].list, strlen(lists[_i].list));
	struct kk_text rest = piece.text, item;

	for (size_t i = 0; lists[_i].items[i]; i++) {
		ck_assert(kk_text_next(&rest, &item));
		ck_assert(is_text(&item, lists[_i].items[i]));
	}
	ck_assert(!kk_text_next(&rest, &item));
}
END_TEST

START_TEST(a_piece_becomes_a_tree)
{
	auto_piece piece = piece_make("{\"a\":[1]}", 9), text = piece_make("\"x\"", 3);
	kk_auto_json *json = cli_text_load(&piece.text), *string = cli_text_load(&text.text);

	ck_assert_int_eq(json_integer_value(json_array_get(json_object_get(json, "a"), 0)), 1);
	ck_assert_str_eq(json_string_value(string), "x");
}
END_TEST

START_TEST(what_is_no_json_becomes_no_tree)
{
	auto_piece piece = piece_make("{\"a\":[1}", 8), nothing = piece_make("", 0);

	ck_assert_ptr_null(cli_text_load(&piece.text));
	ck_assert_ptr_null(cli_text_load(&nothing.text));
}
END_TEST

/* --- broken texts --- */

/* All that the client does with a reply. */
static void handle(const struct kk_text *reply)
{
	struct kk_text rest, item, value;
	struct capture capture;

	capture_begin(&capture);
	if (kk_text_member(reply, "b", &value))
		cli_text_print(&value, 0);
	if (kk_text_member(reply, "no such member", &value))
		cli_text_print(&value, 0);
	if (kk_text_member(reply, "list", &rest)) {
		while (kk_text_next(&rest, &item))
			cli_text_print(&item, 1);
	}
	rest = *reply;
	while (kk_text_next(&rest, &item))
		cli_text_print(&item, 1);
	free(capture_end(&capture));
	json_decref(cli_text_load(reply));
}

static const char reply[] =
	"{\"id\":0,\"list\":[{\"a\":\"\\\"\",\"b\":[]},[1,{}],\"x\\\\\"],\"b\":{\"c\":[null]}}";

START_TEST(a_reply_may_be_cut_anywhere)
{
	for (size_t len = 0; len <= strlen(reply); len++) {
		auto_piece piece = piece_make(reply, len);
		kk_auto_free char *print = printed(reply, len, 0);

		handle(&piece.text);
	}
}
END_TEST

START_TEST(any_byte_of_a_reply_may_be_wrong)
{
	static const char wrong[] = "{}[]\",:\\ 1n\n\xff";

	for (size_t at = 0; at < strlen(reply); at++) {
		/* With the zero at its end. */
		for (size_t i = 0; i < sizeof wrong; i++) {
			auto_piece piece = piece_make(reply, strlen(reply));

			piece.memory[at] = wrong[i];
			handle(&piece.text);
		}
	}
}
END_TEST

START_TEST(any_byte_of_a_reply_may_miss)
{
	for (size_t at = 0; at < strlen(reply); at++) {
		auto_piece piece = piece_make(reply, strlen(reply) - 1);

		memcpy(piece.memory + at, reply + at + 1, strlen(reply) - at - 1);
		handle(&piece.text);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("text");
	TCase *print = tcase_create("print"), *part = tcase_create("part");
	TCase *broken = tcase_create("broken");

	tcase_add_loop_test(print, print_is_what_a_tree_prints, 0, (int)KK_COUNT(values));
	tcase_add_loop_test(print, print_as_an_item_is_indented_from_the_second_line_on, 0,
		(int)KK_COUNT(values));
	tcase_add_test(print, print_drops_blanks_between_tokens_alone);
	suite_add_tcase(suite, print);
	tcase_add_loop_test(part, a_member_is_found_by_its_whole_key, 0, (int)KK_COUNT(members));
	tcase_add_loop_test(part, a_text_that_is_no_object_has_no_member, 0,
		(int)KK_COUNT(no_objects));
	tcase_add_loop_test(part, items_come_one_after_the_other, 0, (int)KK_COUNT(lists));
	tcase_add_test(part, a_piece_becomes_a_tree);
	tcase_add_test(part, what_is_no_json_becomes_no_tree);
	suite_add_tcase(suite, part);
	tcase_add_test(broken, a_reply_may_be_cut_anywhere);
	tcase_add_test(broken, any_byte_of_a_reply_may_be_wrong);
	tcase_add_test(broken, any_byte_of_a_reply_may_miss);
	suite_add_tcase(suite, broken);
	return check_main(suite);
}
