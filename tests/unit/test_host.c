/* tests/unit/test_host.c - where kukeond is, as a URL, and what a shell there is told. */
#include "../../client/cli.h"

#include <stdio.h>
#include <string.h>

#include "../support/check.h"

/* --- the URL --- */

static const struct {
	const char *url;
	const char *user, *name, *port,
		*path; /* of ssh; a name of NULL: a socket of this machine */
} hosts[] = {
	{"unix:///run/kukeon/kukeond.sock", NULL, NULL, NULL, "/run/kukeon/kukeond.sock"},
	{"unix://k.sock", NULL, NULL, NULL, "k.sock"},
	{"unix:///with a blank", NULL, NULL, NULL, "/with a blank"},
	{"ssh://a", NULL, "a", NULL, NULL},
	{"ssh://a/", NULL, "a", NULL, NULL},
	{"ssh://a/run/x.sock", NULL, "a", NULL, "/run/x.sock"},
	{"ssh://a//x", NULL, "a", NULL, "//x"},
	{"ssh://root@a", "root", "a", NULL, NULL},
	{"ssh://root@a:2222/x", "root", "a", "2222", "/x"},
	{"ssh://a:1", NULL, "a", "1", NULL},
	{"ssh://a:00022", NULL, "a", "00022", NULL},
	{"ssh://a:65535/", NULL, "a", "65535", NULL},
	{"ssh://a.b-c_d.example", NULL, "a.b-c_d.example", NULL, NULL},
	{"ssh://192.0.2.1:22", NULL, "192.0.2.1", "22", NULL},
	{"ssh://[::1]", NULL, "::1", NULL, NULL},
	{"ssh://[::1]:2222/run/x.sock", NULL, "::1", "2222", "/run/x.sock"},
	{"ssh://u@[fe80::1%eth0]:22/x", "u", "fe80::1%eth0", "22", "/x"},
	/* Names of a directory may have one of these. */
	{"ssh://u@example.com@a", "u@example.com", "a", NULL, NULL},
	{"ssh://d+u.x@a", "d+u.x", "a", NULL, NULL},
	/* What stands behind the host is a path, whatever it has. */
	{"ssh://a/x@b:c", NULL, "a", NULL, "/x@b:c"},
	{"ssh://a/'x;y", NULL, "a", NULL, "/'x;y"},
};

static void expect_text(const char *found, const char *want)
{
	ck_assert_int_eq(!found, !want);
	if (want)
		ck_assert_str_eq(found, want);
}

START_TEST(a_host_is_read)
{
	kk_auto(cli_host_release) struct cli_host host = {0};
	struct kk_err err = {0};

	check_ok(cli_host_parse(hosts[_i].url, &host, &err), &err);
	ck_assert_int_eq(host.is_ssh, hosts[_i].name != NULL);
	expect_text(host.user, hosts[_i].user);
	expect_text(host.name, hosts[_i].name);
	expect_text(host.port, hosts[_i].port);
	expect_text(host.path, hosts[_i].path);
}
END_TEST

#define NO_SCHEME(url) "unsupported kukeon host scheme: \"" url "\" (expected unix:// or ssh://)"
#define NONE(url, why) "invalid kukeon host \"" url "\": " why
#define NO_HOST(url) NONE(url, "that is no name of a host")
#define NO_USER(url) NONE(url, "that is no name of a user")
#define NO_PORT(url) NONE(url, "the port is no number from 1 to 65535")
#define NO_NAME(url) NONE(url, "the name of the host is missing")
#define NO_BRACKETS(url) NONE(url, "an IPv6 address stands in brackets, as in ssh://[::1]:22")
#define BLANK "invalid kukeon host: it has a blank or a control character"
#define PASSWORD \
	"invalid kukeon host: a password has no place in it, ssh asks for it or takes a key"

static const struct {
	const char *url, *error;
} refused[] = {
	{"", NO_SCHEME("")},
	{"a", NO_SCHEME("a")},
	{"tcp://a", NO_SCHEME("tcp://a")},
	{"SSH://a", NO_SCHEME("SSH://a")},
	{"unix://", "unsupported kukeon host scheme: unix path is empty"},
	{"ssh://", NO_NAME("ssh://")},
	{"ssh:///x", NO_NAME("ssh:///x")},
	{"ssh://:22", NO_NAME("ssh://:22")},
	{"ssh://u@", NO_NAME("ssh://u@")},
	{"ssh://[]", NO_NAME("ssh://[]")},
	{"ssh://-a", NO_HOST("ssh://-a")},
	{"ssh://-oProxyCommand=x", NO_HOST("ssh://-oProxyCommand=x")},
	{"ssh://[-a]", NO_HOST("ssh://[-a]")},
	{"ssh://a;b", NO_HOST("ssh://a;b")},
	{"ssh://$a", NO_HOST("ssh://$a")},
	{"ssh://a`b`/x", NO_HOST("ssh://a`b`/x")},
	{"ssh://@a", NO_USER("ssh://@a")},
	{"ssh://-l@a", NO_USER("ssh://-l@a")},
	{"ssh://a|b@a", NO_USER("ssh://a|b@a")},
	{"ssh://a:", NO_PORT("ssh://a:")},
	{"ssh://a:0", NO_PORT("ssh://a:0")},
	{"ssh://a:00000/x", NO_PORT("ssh://a:00000/x")},
	{"ssh://a:65536", NO_PORT("ssh://a:65536")},
	{"ssh://a:99999999999999999999", NO_PORT("ssh://a:99999999999999999999")},
	{"ssh://a:+22", NO_PORT("ssh://a:+22")},
	{"ssh://a:22x", NO_PORT("ssh://a:22x")},
	{"ssh://a:ssh", NO_PORT("ssh://a:ssh")},
	{"ssh://[::1]:", NO_PORT("ssh://[::1]:")},
	{"ssh://::1", NO_BRACKETS("ssh://::1")},
	{"ssh://fe80::1:22/x", NO_BRACKETS("ssh://fe80::1:22/x")},
	{"ssh://[::1]22", NO_BRACKETS("ssh://[::1]22")},
	{"ssh://[::1", NONE("ssh://[::1", "\"]\" is missing behind the address")},
	{"ssh://[::1/x]", NONE("ssh://[::1/x]", "\"]\" is missing behind the address")},
	{"ssh://u:secret@a", PASSWORD},
	{"ssh://:@a", PASSWORD},
	{"ssh://a b", BLANK},
	{"ssh://a/x y", BLANK},
	{"ssh://a\n", BLANK},
	{"ssh://a\t/x", BLANK},
	{"ssh://a/\033[2J", BLANK},
	{"ssh://a\177", BLANK},
};

START_TEST(what_is_no_host_is_refused)
{
	struct cli_host host = {.path = (char *)"as before"};
	struct kk_err err = {0};

	check_code(cli_host_parse(refused[_i].url, &host, &err), KK_E_USAGE);
	check_error(&err, KK_E_USAGE, refused[_i].error);
	ck_assert_str_eq(host.path, "as before");
}
END_TEST

/* --- the command there --- */

#define KUKE "env KUKE_OVER_SSH=1 KUKEON_NO_DAEMON=false kuke"

static const struct {
	const char *words[12];
	const char *path;
	const char *command;
} commands[] = {
	{{"log", "web"}, NULL, KUKE " 'log' '--' 'web'"},
	{{"logs", "web", "-f", "--tail", "3"}, NULL,
		KUKE " 'log' '--follow=true' '--tail=3' '--' 'web'"},
	{{"status"}, NULL, KUKE " 'status'"},
	{{"--host", "ssh://a", "doctor", "cgroups", "--configuration=/x", "--probe=false"}, NULL,
		KUKE " 'doctor' 'cgroups' '--probe=false'"},
	{{"log", "web", "--host=ssh://a/x"}, "/it's here",
		KUKE " '--host=unix:///it'\\''s here' 'log' '--' 'web'"},
	/* Behind a command of a container nothing is ours. */
	{{"exec", "-it", "web", "--", "a", "--host", "x", "-v"}, NULL,
		KUKE " 'exec' '--stdin=true' '--tty=true' '--' 'web' 'a' '--host' 'x' '-v'"},
	{{"exec", "-e", "A=1 2", "--env=B=$A", "web", "sh", "-c", "echo \"it's\" \\ *; exit 7"},
		NULL,
		KUKE " 'exec' '--env=A=1 2' '--env=B=$A' '--' 'web' 'sh' '-c' 'echo \"it'\\''s\" "
		     "\\ *; exit 7'"},
	{{"exec", "web", "--realm", "", "a", ""}, NULL,
		KUKE " 'exec' '--realm=' '--' 'web' 'a' ''"},
	{{"exec", "web", "echo", "a\nb"}, NULL, KUKE " 'exec' '--' 'web' 'echo' 'a\nb'"},
};

START_TEST(a_verb_is_carried_out_there_word_by_word)
{
	const struct cli_host host = {.is_ssh = true, .path = (char *)commands[_i].path};
	struct cli cli = {.fd = -1};
	char *argv[13] = {(char *)"kuke"};
	kk_auto_free char *command = NULL;
	struct kk_err err = {0};
	bool is_help = false;
	int argc = 1;

	for (; commands[_i].words[argc - 1]; argc++)
		argv[argc] = (char *)commands[_i].words[argc - 1];
	check_ok(cli_parse(&cli, argc, argv, &is_help, &err), &err);
	ck_assert(cli_leaf(&cli)->is_on_host);
	command = cli_ssh_command(&cli, &host);
	ck_assert_str_eq(command, commands[_i].command);
}
END_TEST

START_TEST(a_variable_here_is_a_flag_there)
{
	const struct cli_host host = {.is_ssh = true};
	struct cli cli = {.fd = -1};
	char *argv[] = {(char *)"kuke", (char *)"log", (char *)"web", NULL};
	kk_auto_free char *command = NULL;
	struct kk_err err = {0};
	bool is_help = false;

	setenv("KUKE_LOG_REALM", "r", 1);
	check_ok(cli_parse(&cli, 3, argv, &is_help, &err), &err);
	command = cli_ssh_command(&cli, &host);
	ck_assert_str_eq(command, KUKE " 'log' '--realm=r' '--' 'web'");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("host");
	TCase *tc = tcase_create("host");

	tcase_add_loop_test(tc, a_host_is_read, 0, KK_COUNT(hosts));
	tcase_add_loop_test(tc, what_is_no_host_is_refused, 0, KK_COUNT(refused));
	tcase_add_loop_test(tc, a_verb_is_carried_out_there_word_by_word, 0, KK_COUNT(commands));
	tcase_add_test(tc, a_variable_here_is_a_flag_there);
	suite_add_tcase(suite, tc);
	return check_main(suite);
}
