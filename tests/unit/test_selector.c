/* tests/unit/test_selector.c - label selectors: grammar and matches. */
#include "../../client/cli.h"

#include "../support/check.h"

/* Does the selector take an object with these labels? */
static bool matches(const char *text, const char *labels)
{
	kk_auto(cli_selector_freep) struct cli_selector *selector = NULL;
	kk_auto_json *json = json_loads(labels, JSON_DECODE_ANY, NULL);
	struct kk_err err = {0};

	ck_assert_int_eq(cli_selector_parse(text, &selector, &err), 0);
	ck_assert_ptr_nonnull(json);
	return cli_selector_match(selector, json);
}

static const struct {
	const char *selector;
	bool web;     /* {"app":"web","tier":"front"} */
	bool db;      /* {"app":"db"} */
	bool unnamed; /* null: no labels */
} rows[] = {
	{"", true, true, true},
	{"app=web", true, false, false},
	{"app==web", true, false, false},
	{"app!=web", false, true, true},
	{"app", true, true, false},
	{"!app", false, false, true},
	{"tier", true, false, false},
	{"!tier", false, true, true},
	/* A comma is an and. */
	{"app=web,tier=front", true, false, false},
	{"app=web,tier=back", false, false, false},
	{"app,!tier", false, true, false},
	{"app!=web,app!=db", false, false, true},
	{"app=web,app=db", false, false, false},
	/* Blanks do not count. */
	{" app = web ", true, false, false},
	{"\tapp\t==\tweb , tier ", true, false, false},
	{"app != web", false, true, true},
	{"! app", false, false, true},
	/* Case does, and a value is the whole value. */
	{"APP=web", false, false, false},
	{"app=Web", false, false, false},
	{"app=we", false, false, false},
	{"app=web2", false, false, false},
	/* Only the first sign divides. */
	{"app=web=x", false, false, false},
	{"a.b/c-d_e!=1", true, true, true},
};

START_TEST(a_selector_takes_what_it_names)
{
	ck_assert_int_eq(matches(rows[_i].selector, "{\"app\":\"web\",\"tier\":\"front\"}"),
		rows[_i].web);
	ck_assert_int_eq(matches(rows[_i].selector, "{\"app\":\"db\"}"), rows[_i].db);
	ck_assert_int_eq(matches(rows[_i].selector, "null"), rows[_i].unnamed);
	ck_assert_int_eq(matches(rows[_i].selector, "{}"), rows[_i].unnamed);
}
END_TEST

START_TEST(an_empty_value_of_a_label_is_a_value)
{
	ck_assert(matches("app", "{\"app\":\"\"}"));
	ck_assert(!matches("!app", "{\"app\":\"\"}"));
	ck_assert(matches("app!=web", "{\"app\":\"\"}"));
	ck_assert(!matches("app=web", "{\"app\":\"\"}"));
}
END_TEST

START_TEST(a_value_may_hold_an_equals_sign)
{
	ck_assert(matches("opts=a=b", "{\"opts\":\"a=b\"}"));
	ck_assert(!matches("opts=a=b", "{\"opts\":\"a\"}"));
}
END_TEST

static const struct {
	const char *selector;
	const char *text;
} errors[] = {
	{",", "invalid selector \",\": empty clause"},
	{"a=b,", "invalid selector \"a=b,\": empty clause"},
	{",a=b", "invalid selector \",a=b\": empty clause"},
	{"a,,b", "invalid selector \"a,,b\": empty clause"},
	{"a, ,b", "invalid selector \"a, ,b\": empty clause"},
	{"=v", "invalid selector clause \"=v\": empty key"},
	{"==v", "invalid selector clause \"==v\": empty key"},
	{"!=v", "invalid selector clause \"!=v\": empty key"},
	{" = v", "invalid selector clause \"= v\": empty key"},
	{"=", "invalid selector clause \"=\": empty key"},
	{"a=", "invalid selector clause \"a=\": empty value after '='"},
	{"a==", "invalid selector clause \"a==\": empty value after '='"},
	{"a = ", "invalid selector clause \"a =\": empty value after '='"},
	{"a!=", "invalid selector clause \"a!=\": empty value after '!='"},
	{"a != ", "invalid selector clause \"a !=\": empty value after '!='"},
	{"!", "invalid selector clause \"!\": empty key after '!'"},
	{"! ", "invalid selector clause \"!\": empty key after '!'"},
	{"a=b,c=", "invalid selector clause \"c=\": empty value after '='"},
};

START_TEST(a_selector_that_makes_no_sense_is_refused)
{
	struct cli_selector *selector = NULL;
	struct kk_err err = {0};
	char text[KK_ERR_TEXT];

	ck_assert_int_eq(cli_selector_parse(errors[_i].selector, &selector, &err), KK_E_USAGE);
	kk_err_format(&err, text, sizeof text);
	ck_assert_str_eq(text, errors[_i].text);
	ck_assert_ptr_null(selector);
}
END_TEST

START_TEST(nothing_is_freed_without_harm)
{
	cli_selector_free(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("selector");
	TCase *match = tcase_create("match"), *grammar = tcase_create("grammar");

	tcase_add_loop_test(match, a_selector_takes_what_it_names, 0, (int)KK_COUNT(rows));
	tcase_add_test(match, an_empty_value_of_a_label_is_a_value);
	tcase_add_test(match, a_value_may_hold_an_equals_sign);
	suite_add_tcase(suite, match);
	tcase_add_loop_test(grammar, a_selector_that_makes_no_sense_is_refused, 0,
		(int)KK_COUNT(errors));
	tcase_add_test(grammar, nothing_is_freed_without_harm);
	suite_add_tcase(suite, grammar);
	return check_main(suite);
}
