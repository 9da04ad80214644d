/* tests/unit/test_route.c - daemon or in-process: the table of the command line's reference. */
#include "../../client/cli.h"

#include <string.h>

#include "../support/check.h"

static const struct {
	const char *flag;
	const char *env;
	bool is_run_path_given;
	bool is_local;
} rows[] = {
	/* Nobody said anything, or a run path alone. */
	{NULL, NULL, false, false},
	{NULL, NULL, true, true},
	/* The flag decides, whatever else there is. */
	{"true", NULL, false, true},
	{"true", NULL, true, true},
	{"true", "false", false, true},
	{"true", "false", true, true},
	{"true", "true", true, true},
	{"false", NULL, false, false},
	{"false", NULL, true, false},
	{"false", "true", false, false},
	{"false", "true", true, false},
	{"false", "false", true, false},
	/* Then the environment, with the words of strconv.ParseBool. */
	{NULL, "true", false, true},
	{NULL, "True", false, true},
	{NULL, "TRUE", false, true},
	{NULL, "t", false, true},
	{NULL, "T", false, true},
	{NULL, "1", false, true},
	{NULL, "true", true, true},
	{NULL, "false", false, false},
	{NULL, "0", false, false},
	/* False and what is no word both keep the run path from deciding. */
	{NULL, "false", true, false},
	{NULL, "0", true, false},
	{NULL, "", false, false},
	{NULL, "", true, false},
	{NULL, "yes", false, false},
	{NULL, "yes", true, false},
	{NULL, "tRue", true, false},
	{NULL, " true", false, false},
};

START_TEST(flag_then_environment_then_run_path_decide)
{
	const struct cli_routing routing = {
		.route = CLI_ROUTE_BOTH,
		.no_daemon_flag = rows[_i].flag,
		.no_daemon_env = rows[_i].env,
		.is_run_path_given = rows[_i].is_run_path_given,
	};

	ck_assert_int_eq(cli_route_is_local(&routing), rows[_i].is_local);
}
END_TEST

START_TEST(some_verbs_have_no_choice)
{
	struct cli_routing routing = {
		.no_daemon_flag = rows[_i].flag,
		.no_daemon_env = rows[_i].env,
		.is_run_path_given = rows[_i].is_run_path_given,
	};

	routing.route = CLI_ROUTE_LOCAL;
	ck_assert(cli_route_is_local(&routing));
	routing.route = CLI_ROUTE_NONE;
	ck_assert(!cli_route_is_local(&routing));
}
END_TEST

static const struct {
	const char *words[4];
	enum cli_route route;
	bool has_flag;
} verbs[] = {
	{{"get", "realm"}, CLI_ROUTE_BOTH, true},
	{{"get", "space"}, CLI_ROUTE_BOTH, true},
	{{"get", "stack"}, CLI_ROUTE_BOTH, true},
	{{"get", "cell"}, CLI_ROUTE_BOTH, true},
	{{"get", "container"}, CLI_ROUTE_BOTH, true},
	{{"get", "image"}, CLI_ROUTE_LOCAL, true},
	{{"image", "load"}, CLI_ROUTE_LOCAL, false},
	{{"image", "delete", "x"}, CLI_ROUTE_LOCAL, false},
	{{"apply"}, CLI_ROUTE_BOTH, false},
	{{"create", "realm"}, CLI_ROUTE_BOTH, false},
	{{"create", "space"}, CLI_ROUTE_BOTH, false},
	{{"create", "stack"}, CLI_ROUTE_BOTH, false},
	{{"create", "cell"}, CLI_ROUTE_BOTH, false},
	{{"delete"}, CLI_ROUTE_BOTH, false},
	{{"delete", "realm", "x"}, CLI_ROUTE_BOTH, false},
	{{"delete", "space", "x"}, CLI_ROUTE_BOTH, false},
	{{"delete", "stack", "x"}, CLI_ROUTE_BOTH, false},
	{{"delete", "cell", "x"}, CLI_ROUTE_BOTH, false},
	{{"start", "x"}, CLI_ROUTE_BOTH, false},
	{{"stop", "x"}, CLI_ROUTE_BOTH, false},
	{{"kill", "x"}, CLI_ROUTE_BOTH, false},
	{{"version"}, CLI_ROUTE_NONE, true},
	{{"help"}, CLI_ROUTE_NONE, false},
};

START_TEST(each_verb_has_its_route)
{
	struct cli cli = {.fd = -1};
	char *argv[5] = {(char *)"kuke"};
	struct kk_err err = {0};
	bool is_help = false;
	int argc = 1;

	for (; verbs[_i].words[argc - 1]; argc++)
		argv[argc] = (char *)verbs[_i].words[argc - 1];
	ck_assert_int_eq(cli_parse(&cli, argc, argv, &is_help, &err), 0);
	ck_assert_int_eq(cli_leaf(&cli)->route, verbs[_i].route);
	ck_assert_int_eq(cli_has(&cli, "no-daemon"), verbs[_i].has_flag);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("route");
	TCase *decision = tcase_create("decision");

	tcase_add_loop_test(decision, flag_then_environment_then_run_path_decide, 0,
		(int)KK_COUNT(rows));
	tcase_add_loop_test(decision, some_verbs_have_no_choice, 0, (int)KK_COUNT(rows));
	tcase_add_loop_test(decision, each_verb_has_its_route, 0, (int)KK_COUNT(verbs));
	suite_add_tcase(suite, decision);
	return check_main(suite);
}
