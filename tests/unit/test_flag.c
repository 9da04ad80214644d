/* tests/unit/test_flag.c - the grammar of kuke's command line, on the real commands. */
#include "../../client/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kukeon/mem.h>

#include "../support/check.h"

static struct {
	struct cli cli;
	char words[1024];
	char *argv[128];
	bool is_help;
	struct kk_err err;
} given;

/* Parse a line, cut at its blanks. */
static int parse(const char *line)
{
	char *rest = given.words, *word;
	int argc = 0;

	memset(&given, 0, sizeof given);
	given.cli.fd = -1;
	snprintf(given.words, sizeof given.words, "kuke %s", line);
	while ((word = strsep(&rest, " "))) {
		if (*word)
			given.argv[argc++] = word;
	}
	return cli_parse(&given.cli, argc, given.argv, &given.is_help, &given.err);
}

static void expect_error(const char *line, const char *text)
{
	char found[KK_ERR_TEXT];

	ck_assert_int_eq(parse(line), KK_E_USAGE);
	kk_err_format(&given.err, found, sizeof found);
	ck_assert_str_eq(found, text);
}

static void expect_leaf(const char *path)
{
	kk_auto_free char *found = cli_command_path(&given.cli, given.cli.depth);

	ck_assert_str_eq(found, path);
}

/* --- values --- */

static const char *const string_forms[] = {
	"get cell --output yaml",
	"get cell --output=yaml",
	"get cell -o yaml",
	"get cell -oyaml",
	"get cell -o=yaml",
	"get cell -vo yaml",
	"get cell -voyaml",
	"get cell -vo=yaml",
	"get --output yaml cell",
	"get -o yaml cell",
	"get -o=yaml cell",
	"get cell -o json --output yaml",
};

START_TEST(a_string_flag_has_many_forms)
{
	ck_assert_int_eq(parse(string_forms[_i]), 0);
	expect_leaf("kuke get cell");
	ck_assert_str_eq(cli_string(&given.cli, "output"), "yaml");
	ck_assert(cli_is_given(&given.cli, "output"));
	ck_assert_uint_eq(given.cli.n_args, 0);
}
END_TEST

START_TEST(some_flags_can_be_repeated)
{
	ck_assert_int_eq(parse("run c -d --env A=1 --realm r --env=B=2 --env A=3"), 0);
	ck_assert_str_eq(cli_nth(&given.cli, "env", 0), "A=1");
	ck_assert_str_eq(cli_nth(&given.cli, "env", 1), "B=2");
	ck_assert_str_eq(cli_nth(&given.cli, "env", 2), "A=3");
	ck_assert_ptr_null(cli_nth(&given.cli, "env", 3));
	ck_assert_ptr_null(cli_nth(&given.cli, "realm", 0));
	ck_assert_str_eq(cli_string(&given.cli, "env"), "A=3");
}
END_TEST

START_TEST(labels_stand_for_a_name)
{
	ck_assert_int_eq(parse("stop -l a=b"), 0);
	ck_assert_int_eq(parse("stop web"), 0);
	expect_error("stop", "accepts 1 arg(s), received 0");
}
END_TEST

static const struct {
	const char *flag;
	const char *value;
} bool_forms[] = {
	{"--no-daemon", "true"},
	{"--no-daemon=true", "true"},
	{"--no-daemon=1", "true"},
	{"--no-daemon=t", "true"},
	{"--no-daemon=T", "true"},
	{"--no-daemon=TRUE", "true"},
	{"--no-daemon=True", "true"},
	{"--no-daemon=false", "false"},
	{"--no-daemon=0", "false"},
	{"--no-daemon=f", "false"},
	{"--no-daemon=F", "false"},
	{"--no-daemon=FALSE", "false"},
	{"--no-daemon=False", "false"},
	{"--no-daemon --no-daemon=false", "false"},
	{"--no-daemon=false --no-daemon", "true"},
};

START_TEST(a_bool_flag_has_many_forms)
{
	kk_auto_free char *line = kk_xprintf("get cell %s web", bool_forms[_i].flag);

	ck_assert_int_eq(parse(line), 0);
	ck_assert_str_eq(cli_string(&given.cli, "no-daemon"), bool_forms[_i].value);
	ck_assert_int_eq(cli_bool(&given.cli, "no-daemon"),
		strcmp(bool_forms[_i].value, "true") == 0);
	/* It never takes the next word. */
	ck_assert_str_eq(cli_arg(&given.cli, 0), "web");
}
END_TEST

static const struct {
	const char *line;
	bool is_verbose;
} letters[] = {
	{"get realm", false},
	{"get realm -v", true},
	{"get realm -vv", true},
	{"-v get realm", true},
	{"get realm -v=false", false},
	{"get realm -v=0", false},
	{"get realm -v=true", true},
	{"get realm -vo json", true},
};

START_TEST(short_flags_cluster)
{
	ck_assert_int_eq(parse(letters[_i].line), 0);
	ck_assert_int_eq(cli_bool(&given.cli, "verbose"), letters[_i].is_verbose);
}
END_TEST

START_TEST(a_value_may_look_like_a_flag)
{
	ck_assert_int_eq(parse("get cell --realm -v -o --output --space --"), 0);
	ck_assert_str_eq(cli_string(&given.cli, "realm"), "-v");
	ck_assert_str_eq(cli_string(&given.cli, "output"), "--output");
	ck_assert_str_eq(cli_string(&given.cli, "space"), "--");
	ck_assert(!cli_bool(&given.cli, "verbose"));
}
END_TEST

START_TEST(a_value_may_hold_an_equals_sign_or_nothing)
{
	ck_assert_int_eq(parse("get cell -l a=b --realm= --space=x=y"), 0);
	ck_assert_str_eq(cli_string(&given.cli, "selector"), "a=b");
	ck_assert_str_eq(cli_string(&given.cli, "realm"), "");
	ck_assert(cli_is_given(&given.cli, "realm"));
	ck_assert_str_eq(cli_string(&given.cli, "space"), "x=y");
}
END_TEST

START_TEST(a_flag_that_nobody_gave_has_its_default)
{
	unsetenv("KUKE_GET_OUTPUT");
	ck_assert_int_eq(parse("get cell"), 0);
	ck_assert_str_eq(cli_string(&given.cli, "realm"), "default");
	ck_assert_str_eq(cli_string(&given.cli, "output"), "table");
	ck_assert_str_eq(cli_string(&given.cli, "selector"), "");
	ck_assert(!cli_bool(&given.cli, "no-daemon"));
	ck_assert(!cli_is_given(&given.cli, "realm"));
	ck_assert_str_eq(cli_string(&given.cli, "no such flag"), "");
	ck_assert(!cli_has(&given.cli, "no such flag"));
	ck_assert(cli_has(&given.cli, "host"));
	ck_assert_ptr_null(cli_arg(&given.cli, 0));
}
END_TEST

START_TEST(the_environment_comes_behind_the_flag)
{
	setenv("KUKE_GET_OUTPUT", "json", 1);
	ck_assert_int_eq(parse("get cell"), 0);
	ck_assert_str_eq(cli_string(&given.cli, "output"), "json");
	ck_assert(!cli_is_given(&given.cli, "output"));
	ck_assert_int_eq(parse("get cell -o table"), 0);
	ck_assert_str_eq(cli_string(&given.cli, "output"), "table");
	setenv("KUKE_GET_OUTPUT", "", 1);
	ck_assert_int_eq(parse("get cell"), 0);
	ck_assert_str_eq(cli_string(&given.cli, "output"), "table");
}
END_TEST

/* --- words --- */

static const struct {
	const char *line;
	const char *leaf;
	const char *arg;
} places[] = {
	{"get cell web", "kuke get cell", "web"},
	{"-v get cell web", "kuke get cell", "web"},
	{"get -v cell web", "kuke get cell", "web"},
	{"get cell -v web", "kuke get cell", "web"},
	{"get cell web -v", "kuke get cell", "web"},
	{"get cell --realm r web --space s", "kuke get cell", "web"},
	{"get -o json cell web", "kuke get cell", "web"},
	{"--host unix:///x get cell web", "kuke get cell", "web"},
	{"--host=unix:///x get cell web", "kuke get cell", "web"},
	{"--run-path /x -v get --no-daemon cell -o json web", "kuke get cell", "web"},
	{"get cell -- web", "kuke get cell", "web"},
	{"get cell -- -v", "kuke get cell", "-v"},
	{"get cell -- --help", "kuke get cell", "--help"},
	{"get cell -o json -- --", "kuke get cell", "--"},
	{"get cell --", "kuke get cell", NULL},
	{"get cell cell", "kuke get cell", "cell"},
	{"stop get", "kuke stop", "get"},
	{"image load -", "kuke image load", "-"},
	{"image load - -v", "kuke image load", "-"},
	{"version a b c", "kuke version", "a"},
	{"help get cell", "kuke help", "get"},
};

START_TEST(flags_and_words_may_be_mixed)
{
	ck_assert_int_eq(parse(places[_i].line), 0);
	expect_leaf(places[_i].leaf);
	ck_assert_pstr_eq(cli_arg(&given.cli, 0), places[_i].arg);
	ck_assert(!given.is_help);
}
END_TEST

static const struct {
	const char *line;
	const char *leaf;
} aliases[] = {
	{"g r", "kuke get realm"},
	{"g realms", "kuke get realm"},
	{"get sp", "kuke get space"},
	{"get spaces", "kuke get space"},
	{"get st", "kuke get stack"},
	{"get stacks", "kuke get stack"},
	{"get ce", "kuke get cell"},
	{"get cells", "kuke get cell"},
	{"get co", "kuke get container"},
	{"get containers", "kuke get container"},
	{"get img", "kuke get image"},
	{"get images", "kuke get image"},
	{"c r x", "kuke create realm"},
	{"d ce x", "kuke delete cell"},
	{"sta x", "kuke start"},
	{"sto x", "kuke stop"},
	{"k x", "kuke kill"},
	{"image rm x", "kuke image delete"},
	{"image remove x", "kuke image delete"},
};

START_TEST(an_alias_is_as_good_as_the_name)
{
	ck_assert_int_eq(parse(aliases[_i].line), 0);
	expect_leaf(aliases[_i].leaf);
}
END_TEST

static const struct {
	const char *line;
	const char *leaf;
} groups[] = {
	{"", "kuke"},
	{"-v", "kuke"},
	{"get", "kuke get"},
	{"get -o json", "kuke get"},
	{"get bogus", "kuke get"},
	{"get bogus more words", "kuke get"},
	{"get rea", "kuke get"},
	{"delete bogus", "kuke delete"},
	{"create", "kuke create"},
	{"image bogus", "kuke image"},
};

START_TEST(an_unknown_word_behind_a_group_is_no_error)
{
	ck_assert_int_eq(parse(groups[_i].line), 0);
	expect_leaf(groups[_i].leaf);
}
END_TEST

START_TEST(no_words_at_all_are_the_root)
{
	char *argv[] = {NULL};

	memset(&given, 0, sizeof given);
	ck_assert_int_eq(cli_parse(&given.cli, 0, argv, &given.is_help, &given.err), 0);
	expect_leaf("kuke");
}
END_TEST

static const struct {
	const char *line;
	const char *leaf;
} helps[] = {
	{"-h", "kuke"},
	{"--help", "kuke"},
	{"get -h", "kuke get"},
	{"-h get", "kuke get"},
	{"get cell --help", "kuke get cell"},
	{"--help get cell", "kuke get cell"},
	{"get --help cell web", "kuke get cell"},
	{"get cell web -h", "kuke get cell"},
	/* Missing and surplus words do not matter then. */
	{"stop --help", "kuke stop"},
	{"stop a b -h", "kuke stop"},
	{"get bogus -h", "kuke get"},
	{"get cell -o json --help", "kuke get cell"},
};

START_TEST(help_may_be_asked_for_anywhere)
{
	ck_assert_int_eq(parse(helps[_i].line), 0);
	ck_assert(given.is_help);
	expect_leaf(helps[_i].leaf);
}
END_TEST

START_TEST(help_as_a_value_is_a_value)
{
	ck_assert_int_eq(parse("get cell --realm --help"), 0);
	ck_assert(!given.is_help);
	ck_assert_str_eq(cli_string(&given.cli, "realm"), "--help");
}
END_TEST

/* --- errors --- */

static const struct {
	const char *line;
	const char *text;
} errors[] = {
	{"get cell --bogus", "unknown flag: --bogus"},
	{"get cell --bogus=1", "unknown flag: --bogus"},
	{"get cell --outpu json", "unknown flag: --outpu"},
	{"get cell --OUTPUT json", "unknown flag: --OUTPUT"},
	{"get --bogus", "unknown flag: --bogus"},
	{"-v --bogus", "unknown flag: --bogus"},
	{"get cell --bogus -h", "unknown flag: --bogus"},
	{"get cell a b --bogus", "unknown flag: --bogus"},
	{"get cell -x", "unknown shorthand flag: 'x' in -x"},
	{"get cell -x=1", "unknown shorthand flag: 'x' in -x=1"},
	{"get realm --realm x", "unknown flag: --realm"},
	{"image load --no-daemon x", "unknown flag: --no-daemon"},
	{"apply --no-daemon", "unknown flag: --no-daemon"},
	{"create realm x --no-daemon", "unknown flag: --no-daemon"},
	{"start x --no-daemon", "unknown flag: --no-daemon"},
	{"delete cell x -f y", "unknown shorthand flag: 'f' in -f"},
	{"get cell --realm", "flag needs an argument: --realm"},
	{"get cell --output", "flag needs an argument: --output"},
	{"get cell -o", "flag needs an argument: 'o' in -o"},
	{"--host", "flag needs an argument: --host"},
	{"get cell --no-daemon=maybe",
		"invalid argument \"maybe\" for \"--no-daemon\" flag: strconv.ParseBool: "
		"parsing \"maybe\": invalid syntax"},
	{"get cell --no-daemon=",
		"invalid argument \"\" for \"--no-daemon\" flag: strconv.ParseBool: "
		"parsing \"\": invalid syntax"},
	{"get cell --no-daemon=tRUE",
		"invalid argument \"tRUE\" for \"--no-daemon\" flag: strconv.ParseBool: "
		"parsing \"tRUE\": invalid syntax"},
	{"stop", "accepts 1 arg(s), received 0"},
	{"stop a b", "accepts 1 arg(s), received 2"},
	{"kill -v", "accepts 1 arg(s), received 0"},
	{"delete cell", "accepts 1 arg(s), received 0"},
	{"image delete a b c", "accepts 1 arg(s), received 3"},
	{"get cell a b", "accepts at most 1 arg(s), received 2"},
	{"create realm a b c", "accepts at most 1 arg(s), received 3"},
	{"start a b", "accepts at most 1 arg(s), received 2"},
	{"apply x", "unknown command \"x\" for \"kuke apply\""},
	{"apply -f y x", "unknown command \"x\" for \"kuke apply\""},
};

START_TEST(an_error_says_what_is_wrong)
{
	expect_error(errors[_i].line, errors[_i].text);
}
END_TEST

static const struct {
	const char *line;
	const char *text;
} strangers[] = {
	{"bogus", "unknown command \"bogus\" for \"kuke\"\nRun 'kuke --help' for usage."},
	{"-v bogus get", "unknown command \"bogus\" for \"kuke\"\nRun 'kuke --help' for usage."},
	/* No abbreviation, but a hint. */
	{"ge realm",
		"unknown command \"ge\" for \"kuke\"\n\nDid you mean this?\n\tcp\n\tget\n\n"
		"Run 'kuke --help' for usage."},
	{"delte x",
		"unknown command \"delte\" for \"kuke\"\n\nDid you mean this?\n\tdelete\n\n"
		"Run 'kuke --help' for usage."},
	{"st",
		"unknown command \"st\" for \"kuke\"\n\nDid you mean this?\n\tcp\n\tget\n\tstart\n\tstatus\n\tstop\n\n"
		"Run 'kuke --help' for usage."},
	{"versio",
		"unknown command \"versio\" for \"kuke\"\n\nDid you mean this?\n\tversion\n\n"
		"Run 'kuke --help' for usage."},
	/* A flag that the root does not know takes the next word. */
	{"--no-daemon get realms",
		"unknown command \"realms\" for \"kuke\"\nRun 'kuke --help' for usage."},
	{"bogus --help", "unknown command \"bogus\" for \"kuke\"\nRun 'kuke --help' for usage."},
	{"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
		"unknown command \"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"
		"lmnopqrstuvwxyz\" for \"kuke\"\nRun 'kuke --help' for usage."},
};

START_TEST(an_unknown_command_is_refused_with_what_may_be_meant)
{
	expect_error(strangers[_i].line, strangers[_i].text);
}
END_TEST

/* --- regressions --- */

START_TEST(help_is_a_letter_like_others)
{
	ck_assert_int_eq(parse("get cell -vh"), 0);
	ck_assert(given.is_help);
}
END_TEST

START_TEST(a_wrong_letter_is_shown_with_what_follows_it)
{
	/* As pflag does it: without the letters that were taken already. */
	expect_error("get cell -vx", "unknown shorthand flag: 'x' in -x");
	expect_error("get cell -vxo", "unknown shorthand flag: 'x' in -xo");
	expect_error("get cell -vo", "flag needs an argument: 'o' in -o");
}
END_TEST

/* --- variables that stand for flags --- */

START_TEST(each_flag_of_a_command_has_a_variable)
{
	static const struct {
		const char *line, *variable, *flag;
	} twins[] = {
		{"start web", "KUKE_START_REALM", "realm"},
		{"start web", "KUKE_START_CELL_REALM", "realm"},
		{"get cell web", "KUKE_GET_CELL_STACK", "stack"},
		{"create space s", "KUKE_CREATE_SPACE_REALM", "realm"},
		{"run web", "KUKE_RUN_SPACE", "space"},
		{"apply", "KUKE_APPLY_FILE", "file"},
	};

	for (size_t i = 0; i < KK_COUNT(twins); i++) {
		setenv(twins[i].variable, "other", 1);
		check_ok(parse(twins[i].line), &given.err);
		ck_assert_str_eq(cli_string(&given.cli, twins[i].flag), "other");
		ck_assert(cli_is_given(&given.cli, twins[i].flag));
		setenv(twins[i].variable, "", 1);
		check_ok(parse(twins[i].line), &given.err);
		ck_assert(!cli_is_given(&given.cli, twins[i].flag));
		unsetenv(twins[i].variable);
	}
}
END_TEST

START_TEST(a_flag_outvotes_its_variable)
{
	setenv("KUKE_START_REALM", "other", 1);
	check_ok(parse("start web --realm=mine"), &given.err);
	ck_assert_str_eq(cli_string(&given.cli, "realm"), "mine");
}
END_TEST

START_TEST(a_switch_has_a_variable_of_its_command)
{
	setenv("KUKE_DELETE_CASCADE", "true", 1);
	check_ok(parse("delete realm r"), &given.err);
	ck_assert(cli_bool(&given.cli, "cascade"));
	setenv("KUKE_DELETE_CASCADE", "perhaps", 1);
	expect_error("delete realm r",
		"environment variable KUKE_DELETE_CASCADE: invalid argument \"perhaps\" for "
		"\"--cascade\" flag: strconv.ParseBool: parsing \"perhaps\": invalid syntax");
}
END_TEST

START_TEST(what_is_dangerous_must_be_typed)
{
	setenv("KUKE_DELETE_FORCE", "true", 1);
	check_ok(parse("delete realm r"), &given.err);
	ck_assert(!cli_bool(&given.cli, "force"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("flag");
	TCase *regressions = tcase_create("regressions"), *variable = tcase_create("variable");
	TCase *value = tcase_create("value"), *word = tcase_create("word");
	TCase *error = tcase_create("error");

	tcase_add_loop_test(value, a_string_flag_has_many_forms, 0, (int)KK_COUNT(string_forms));
	tcase_add_test(value, some_flags_can_be_repeated);
	tcase_add_test(value, labels_stand_for_a_name);
	tcase_add_loop_test(value, a_bool_flag_has_many_forms, 0, (int)KK_COUNT(bool_forms));
	tcase_add_loop_test(value, short_flags_cluster, 0, (int)KK_COUNT(letters));
	tcase_add_test(value, a_value_may_look_like_a_flag);
	tcase_add_test(value, a_value_may_hold_an_equals_sign_or_nothing);
	tcase_add_test(value, a_flag_that_nobody_gave_has_its_default);
	tcase_add_test(value, the_environment_comes_behind_the_flag);
	suite_add_tcase(suite, value);
	tcase_add_loop_test(word, flags_and_words_may_be_mixed, 0, (int)KK_COUNT(places));
	tcase_add_loop_test(word, an_alias_is_as_good_as_the_name, 0, (int)KK_COUNT(aliases));
	tcase_add_loop_test(word, an_unknown_word_behind_a_group_is_no_error, 0,
		(int)KK_COUNT(groups));
	tcase_add_test(word, no_words_at_all_are_the_root);
	tcase_add_loop_test(word, help_may_be_asked_for_anywhere, 0, (int)KK_COUNT(helps));
	tcase_add_test(word, help_as_a_value_is_a_value);
	suite_add_tcase(suite, word);
	tcase_add_loop_test(error, an_error_says_what_is_wrong, 0, (int)KK_COUNT(errors));
	tcase_add_loop_test(error, an_unknown_command_is_refused_with_what_may_be_meant, 0,
		(int)KK_COUNT(strangers));
	suite_add_tcase(suite, error);
	tcase_add_test(regressions, help_is_a_letter_like_others);
	tcase_add_test(regressions, a_wrong_letter_is_shown_with_what_follows_it);
	suite_add_tcase(suite, regressions);
	tcase_add_test(variable, each_flag_of_a_command_has_a_variable);
	tcase_add_test(variable, a_flag_outvotes_its_variable);
	tcase_add_test(variable, a_switch_has_a_variable_of_its_command);
	tcase_add_test(variable, what_is_dangerous_must_be_typed);
	suite_add_tcase(suite, variable);
	return check_main(suite);
}
