/* tests/unit/test_jsonpath.c - what -o jsonpath=… gives. */
#include "../../client/cli.h"

#include "../support/check.h"

static const char document[] =
	"{\"items\": ["
	"{\"metadata\": {\"name\": \"a\", \"labels\": {\"x.y/z\": \"1\"}}, \"n\": [1, 2, 3]},"
	"{\"metadata\": {\"name\": \"b\"}, \"n\": [], \"on\": true}], \"name\": \"all\"}";

static const struct {
	const char *expression, *text;
} good[] = {
	{"{.name}", "all\n"},
	{".name", "all\n"},
	{"name", "all\n"},
	{"{$.name}", "all\n"},
	{"{.items[0].metadata.name}", "a\n"},
	{"{.items[-1].metadata.name}", "b\n"},
	{"{.items[-3].metadata.name}", "\n"},
	{"{.items[7].metadata.name}", "\n"},
	{"{.items[*].metadata.name}", "a b\n"},
	{"{.items[*].n[*]}", "1 2 3\n"},
	{"{.items[0].n}", "[1,2,3]\n"},
	{"{.items[1].on}", "true\n"},
	{"{.items[0].metadata.labels[\"x.y/z\"]}", "1\n"},
	{"{.items[0].metadata.labels['x.y/z']}", "1\n"},
	{"{.items[0].metadata.*}", "a {\"x.y/z\":\"1\"}\n"},
	{"{.nobody.has.this}", "\n"},
	{"<{.name}>", "<all>\n"},
	{"{\"a\\tb\\n\"}", "a\tb\n"},
	{"{'}'}{.name}", "}all\n"},
	{"{range .items[*]}{.metadata.name}={.n[0]}{\"\\n\"}{end}", "a=1\nb=\n"},
	{"{range .items[*]}{range .n[*]}{.};{end}{end}", "1;2;3;\n"},
	{"{range .items[*]}{$.name}{end}", "allall\n"},
	{"{range .nobody[*]}x{end}y", "y\n"},
	{"{ .name }", "all\n"},
};

START_TEST(an_expression_gives_what_it_leads_to)
{
	kk_auto_json *root = json_loads(document, 0, NULL);
	kk_auto_free char *text = NULL;
	struct kk_err err = {0};

	check_ok(cli_jsonpath_check(good[_i].expression, &err), &err);
	text = cli_jsonpath_render(good[_i].expression, root);
	ck_assert_str_eq(text, good[_i].text);
}
END_TEST

static const char *const bad[] = {"", "{", "{.name", "{.a[}", "{.a[0}", "{.a['x]}", "{.a..b}",
	"{range .items[*]}x", "{end}", "{.a}{end}", "{.a[x]}", "{\"a}", "{a b}",
	"{range .a}{range .a}{range .a}{range .a}{range .a}{range .a}{range .a}{range .a}{range .a}"
	"x{end}{end}{end}{end}{end}{end}{end}{end}{end}"};

START_TEST(what_makes_no_sense_is_refused)
{
	struct kk_err err = {0};

	check_code(cli_jsonpath_check(bad[_i], &err), KK_E_USAGE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("jsonpath");
	TCase *tc = tcase_create("jsonpath");

	tcase_add_loop_test(tc, an_expression_gives_what_it_leads_to, 0, (int)KK_COUNT(good));
	tcase_add_loop_test(tc, what_makes_no_sense_is_refused, 0, (int)KK_COUNT(bad));
	suite_add_tcase(suite, tc);
	return check_main(suite);
}
