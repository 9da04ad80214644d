/* client/page.c - what of an installation comes out of tables: the pages of the manual, and kukeond.yaml as it is
 * before anybody edits it. `kuke __file` tells their names, `kuke __file <name>` prints one. */
#include "cli.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <kukeon/entry.h>
#include <kukeon/mem.h>

static const struct setting {
	const char *flag, *env, *key, *fallback, *help;
} settings[] = {
#define KK_SETTING(id, flag, env, key, fallback, help) {flag, env, key, fallback, help},
#include <kukeon/settings.def>
#undef KK_SETTING
};

/* --- roff --- */

/* Neither a request nor an escape, and with hyphens that can be searched for. */
static void text(const char *s)
{
	if (*s == '.' || *s == '\'')
		fputs("\\&", stdout);
	for (; *s; s++) {
		if (*s == '-' || *s == '\\')
			fputs(*s == '-' ? "\\-" : "\\e", stdout);
		else
			putchar(*s);
	}
}

static void bold(const char *s)
{
	fputs("\\fB", stdout);
	text(s);
	fputs("\\fR", stdout);
}

/* Of the source, not of the day on which a page is made. */
static void date_print(void)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	time_t t = epoch ? (time_t)strtoll(epoch, NULL, 10) : 0;
	char date[32];
	struct tm tm;

	if (epoch && gmtime_r(&t, &tm) && strftime(date, sizeof date, "%Y-%m-%d", &tm))
		fputs(date, stdout);
}

static void title(const char *name, int section, const char *summary)
{
	kk_auto_free char *upper = kk_xstrdup(name);

	for (char *p = upper; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	fputs(".TH ", stdout);
	text(upper);
	printf(" %d \"", section);
	date_print();
	/* Names of variables stay whole. */
	printf("\" \"kukeon %s\" Kukeon\n.nh\n.SH NAME\n", KK_VERSION);
	text(name);
	fputs(" \\- ", stdout);
	text(summary);
	putchar('\n');
}

/* What stands in brackets behind a text. */
static void remark(struct kk_buf *remarks, const char *what, const char *value)
{
	if (!kk_str_empty(value))
		kk_buf_printf(remarks, "%s%s %s", remarks->len ? ", " : "", what, value);
}

static void explained(const char *help, const struct kk_buf *remarks)
{
	text(help);
	if (remarks->len) {
		fputs(" (", stdout);
		text((char *)remarks->data);
		putchar(')');
	}
	putchar('\n');
}

/* --- commands --- */

/* The flags that commands of the path from number @first to @last have. */
static void flags_print(const struct cli *cli, size_t first, size_t last)
{
	for (size_t i = 0; i < cli->n_values; i++) {
		const struct cli_value *value = &cli->values[i];
		const struct cli_flag *flag = value->flag;
		kk_auto_free char *variable = cli_flag_variable(cli, value);
		kk_auto_buf remarks = {0};

		if (value->depth < first || value->depth > last)
			continue;
		if (flag->type == CLI_STRING)
			remark(&remarks, "default", flag->fallback);
		remark(&remarks, "env", flag->env ? flag->env : variable);
		puts(".TP");
		if (flag->letter)
			printf("\\fB\\-%c\\fR, ", flag->letter);
		fputs("\\fB\\-\\-", stdout);
		text(flag->name);
		fputs("\\fR", stdout);
		if (flag->type != CLI_BOOL) {
			fputs(" \\fI", stdout);
			text(flag->value_name ? flag->value_name : "string");
			fputs("\\fR", stdout);
		}
		putchar('\n');
		explained(flag->help, &remarks);
	}
}

static void usage_print(const struct cli *cli)
{
	const struct cli_command *leaf = cli_leaf(cli);
	kk_auto_free char *path = cli_command_path(cli, cli->depth);

	bold(path);
	putchar(' ');
	text(kk_str_empty(leaf->usage) ? "[flags]" : leaf->usage);
	putchar('\n');
}

static void summary_print(const struct cli_command *command)
{
	text(command->summary);
	puts(".");
	if (command->aliases) {
		fputs("Aliases: ", stdout);
		text(command->aliases);
		puts(".");
	}
}

/* A command below @above with its flags, as if it had been typed. */
static void command_take(struct cli *cli, const struct cli *above,
	const struct cli_command *command)
{
	char *words[CLI_DEPTH_MAX + 1];
	struct kk_err ignored = {0}; /* its arguments are missing */
	bool is_help = false;

	for (size_t i = 0; i < above->depth; i++)
		words[i] = (char *)above->path[i]->name;
	words[above->depth] = (char *)command->name;
	(void)cli_parse(cli, (int)above->depth + 1, words, &is_help, &ignored);
}

static void below_print(const struct cli *above)
{
	const struct cli_command *const *children = cli_leaf(above)->children;

	for (; children && *children; children++) {
		struct cli cli = {.fd = -1};

		if (cli_is_hidden(*children))
			continue;
		command_take(&cli, above, *children);
		fputs(".SS ", stdout);
		usage_print(&cli);
		summary_print(*children);
		flags_print(&cli, cli.depth, cli.depth);
		below_print(&cli);
	}
}

static void help_flag_print(void)
{
	puts(".TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nhelp for this command");
}

/* The three pages that all begins with, but @own. */
static void see_also_print(const char *own)
{
	static const char *const names[] = {"kuke", "kukeond", "kukeond.yaml"};
	static const int sections[] = {1, 8, 5};
	const char *before = ".SH SEE ALSO\n";

	for (size_t i = 0; i < KK_COUNT(names); i++) {
		if (strcmp(names[i], own) == 0)
			continue;
		printf("%s\\fB%s\\fR(%d)", before, names[i], sections[i]);
		before = ", ";
	}
	putchar('\n');
}

static void root_take(struct cli *root)
{
	char *words[] = {(char *)cli_root.name};
	struct kk_err ignored = {0};
	bool is_help = false;

	(void)cli_parse(root, 1, words, &is_help, &ignored);
}

static void command_page(const struct cli_command *command)
{
	kk_auto_free char *name = kk_xprintf("kuke-%s", command->name);
	struct cli root = {.fd = -1}, cli = {.fd = -1};

	root_take(&root);
	command_take(&cli, &root, command);
	title(name, 1, command->summary);
	puts(".SH SYNOPSIS");
	usage_print(&cli);
	puts(".SH DESCRIPTION");
	summary_print(command);
	if (command->children)
		puts(".SH COMMANDS");
	below_print(&cli);
	puts(".SH FLAGS");
	flags_print(&cli, 2, 2);
	help_flag_print();
	puts(".SH GLOBAL FLAGS");
	flags_print(&cli, 1, 1);
	see_also_print(name);
}

static void kuke_page(void)
{
	struct cli root = {.fd = -1};

	root_take(&root);
	title("kuke", 1, "run cells of containers on this host");
	puts(".SH SYNOPSIS");
	usage_print(&root);
	puts(".SH DESCRIPTION\n"
	     "Containers run in cells, and cells in a tree: realm, space, stack, cell, container.\n"
	     "They are declared in YAML; \\fBkuke\\-explain\\fR(1) tells the fields.\n"
	     "What a command asks for is done by \\fBkukeond\\fR(8).\n"
	     "With \\fB\\-\\-no\\-daemon\\fR, KUKEON_NO_DAEMON=true or a run path that is given,\n"
	     "kuke does it itself, as root.\n"
	     ".SH COMMANDS");
	for (size_t i = 0; cli_root.children[i]; i++) {
		if (cli_is_hidden(cli_root.children[i]))
			continue;
		fputs(".TP\n\\fBkuke\\-", stdout);
		text(cli_root.children[i]->name);
		puts("\\fR(1)");
		text(cli_root.children[i]->summary);
		putchar('\n');
	}
	puts(".SH FLAGS");
	flags_print(&root, 1, 1);
	help_flag_print();
	puts(".SH ENVIRONMENT\n"
	     "A flag that is not given is looked for in a variable, which the page of its command names.\n"
	     ".SH FILES\n"
	     ".TP\n~/.kuke/kuke.yaml\nsettings of kuke; made with the defaults where there are none\n"
	     ".TP\n" KK_DEFAULT_SERVER_CONFIGURATION
	     "\nsettings of kukeond: \\fBkukeond.yaml\\fR(5)\n"
	     ".TP\n" KK_DEFAULT_SOCKET "\nwhere kukeond listens\n"
	     ".TP\n" KK_DEFAULT_RUN_PATH "\nall state\n"
	     ".SH EXIT STATUS\n"
	     "0, or 1 and a line on standard error that begins with \"Error:\".\n"
	     "\\fBkuke\\-diff\\fR(1) and \\fBkuke\\-apply\\fR(1) with \\fB\\-\\-dry\\-run\\fR: 2 where "
	     "something would change.\n"
	     "\\fBkuke\\-exec\\fR(1): that of the command.");
	see_also_print("kuke");
}

/* --- kukeond --- */

static void kukeond_page(void)
{
	title("kukeond", 8, "the daemon that runs cells");
	puts(".SH SYNOPSIS\n"
	     "\\fBkukeond serve\\fR [flags]\n.br\n\\fBkukeond version\\fR\n"
	     ".SH DESCRIPTION\n"
	     "kukeond serves the kukeonv1 API on a socket, which \\fBkuke\\fR(1) speaks, and keeps running what\n"
	     "was applied.\n"
	     "It is a supervisor of four workers:");
	for (int i = KK_ROLE_supervisor + 1; i < KK_ROLES; i++)
		printf("%s%s", i > 1 ? ", " : "", kk_role_name((enum kk_role)i));
	puts(".\nOne that dies is replaced, and what was not answered is asked again.\n"
	     "Containers do not need kukeond to run on: it may be stopped, replaced and updated.\n"
	     ".SH FLAGS");
	for (size_t i = 0; i < KK_COUNT(settings); i++) {
		kk_auto_buf remarks = {0};

		remark(&remarks, "default", settings[i].fallback);
		remark(&remarks, "env", settings[i].env);
		remark(&remarks, "key", settings[i].key);
		fputs(".TP\n\\fB\\-\\-", stdout);
		text(settings[i].flag);
		puts("\\fR \\fIvalue\\fR");
		explained(settings[i].help, &remarks);
	}
	help_flag_print();
	puts(".SH SIGNALS\n"
	     ".TP\nSIGTERM, SIGINT\nfinish the requests under way and end; containers run on\n"
	     ".TP\nSIGHUP\nread \\fBkukeond.yaml\\fR(5) again, for the log levels\n"
	     ".TP\nSIGUSR2\ngive way to the binary on disk, as \\fBkuke daemon reload\\fR has it\n"
	     ".SH FILES\n"
	     ".TP\n" KK_DEFAULT_SERVER_CONFIGURATION "\nsettings\n"
	     ".TP\n" KK_DEFAULT_RUN_PATH "\nall state\n"
	     ".TP\n" KK_DEFAULT_RUNTIME_DIR "\nsocket, pid file, what need not survive a boot\n"
	     ".TP\n" KK_DEFAULT_CRASH_DIR "\nreports of workers that died");
	see_also_print("kukeond");
}

/* --- kukeond.yaml --- */

static const struct setting *setting_find(const char *key)
{
	for (size_t i = 0; i < KK_COUNT(settings); i++) {
		if (kk_str_equal(settings[i].key, key))
			return &settings[i];
	}
	return NULL;
}

typedef void (*key_f)(const char *key, size_t depth, const struct kk_field *field, const char *help,
	const struct setting *setting);

/* Call @fn for each key of @schema, which is below @above. */
static void keys_each(const struct kk_schema *schema, const char *above, size_t depth, key_f fn)
{
	for (unsigned i = 0; i < schema->n_fields; i++) {
		const struct kk_field *field = &schema->fields[i];
		kk_auto_free char *key =
			kk_xprintf("%s%s%s", above, *above ? "." : "", field->name);
		const struct setting *setting = setting_find(key);

		fn(key, depth, field, setting ? setting->help : cli_explain(schema, field),
			setting);
		if (field->sub)
			keys_each(field->sub(), key, depth + 1, fn);
	}
}

static void key_item(const char *key, size_t depth, const struct kk_field *field, const char *help,
	const struct setting *setting)
{
	kk_auto_buf remarks = {0};

	(void)depth;
	if (field->sub)
		return;
	if (setting) {
		remark(&remarks, "default", setting->fallback);
		remark(&remarks, "flag", setting->flag);
		remark(&remarks, "env", setting->env);
	}
	fputs(".TP\n\\fB", stdout);
	text(key);
	puts("\\fR");
	explained(kk_str(help), &remarks);
}

static void settings_page(void)
{
	title("kukeond.yaml", 5, "settings of kukeond");
	puts(".SH SYNOPSIS\n" KK_DEFAULT_SERVER_CONFIGURATION "\n"
	     ".SH DESCRIPTION\n"
	     "kukeond reads this file when it starts, and the log levels in it again at each SIGHUP.\n"
	     "A flag or a variable of \\fBkukeond\\fR(8) comes before a key.\n"
	     "Any key may be left out, unknown ones are ignored.\n"
	     "A file that is no YAML, or whose kind is not ServerConfiguration, is refused.\n"
	     ".PP\n"
	     "Run path, containerdNamespaceSuffix and cgroupRoot belong together for good: another suffix or\n"
	     "cgroup needs another run path.\n"
	     ".SH KEYS\nAll of them are below \\fBspec\\fR.");
	keys_each(kk_schema_of_server_spec(), "", 0, key_item);
	puts(".SH EXAMPLES\n.nf\n"
	     "apiVersion: " KK_API_VERSION "\nkind: ServerConfiguration\nspec:\n"
	     "  reconcileInterval: 10s\n"
	     "  workers:\n    network:\n      logLevel: debug\n.fi");
	see_also_print("kukeond.yaml");
}

static FILE *settings_out;

static void key_line(const char *key, size_t depth, const struct kk_field *field, const char *help,
	const struct setting *setting)
{
	const char *fallback = kk_str(setting ? setting->fallback : NULL);

	(void)key;
	if (depth == 0)
		fprintf(settings_out, "\n  # %s\n", kk_str(help));
	fprintf(settings_out, "  #%*s%s:", (int)depth * 2, "", field->name);
	if (!field->sub)
		fprintf(settings_out, " %s", *fallback ? fallback : "\"\"");
	fprintf(settings_out, "\n");
}

static void settings_write(FILE *out)
{
	settings_out = out;
	fprintf(out,
		"# Settings of kukeond: kukeond.yaml(5). Flags and variables come first; what is commented out is the default.\n"
		"apiVersion: " KK_API_VERSION "\nkind: ServerConfiguration\nmetadata:\n"
		"  name: default\nspec:\n");
	keys_each(kk_schema_of_server_spec(), "", 0, key_line);
}

static void settings_file(void)
{
	settings_write(stdout);
}

char *cli_settings_text(void)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	settings_write(out);
	return fclose(out) == 0 ? text : NULL;
}

/* --- all of them --- */

static const struct {
	const char *name;
	void (*print)(void);
} files[] = {
	{"kuke.1", kuke_page},
	{"kukeond.8", kukeond_page},
	{"kukeond.yaml.5", settings_page},
	{"kukeond.yaml", settings_file},
};

/* Without a name none is printed, but all are named. */
static bool is_wanted(const char *name, const char *file)
{
	if (!name)
		puts(file);
	return name && strcmp(name, file) == 0;
}

static bool file_print(const char *name)
{
	for (size_t i = 0; i < KK_COUNT(files); i++) {
		if (is_wanted(name, files[i].name)) {
			files[i].print();
			return true;
		}
	}
	for (size_t i = 0; cli_root.children[i]; i++) {
		const struct cli_command *command = cli_root.children[i];
		kk_auto_free char *page = kk_xprintf("kuke-%s.1", command->name);

		if (!cli_is_hidden(command) && is_wanted(name, page)) {
			command_page(command);
			return true;
		}
	}
	return !name;
}

static int run(struct cli *cli, struct kk_err *err)
{
	const char *name = cli_arg(cli, 0);

	return file_print(name) ? 0 : kk_fail(err, KK_E_USAGE, "there is no file \"%s\"", name);
}

const struct cli_command cli_cmd_file = {
	.name = "__file",
	.usage = "[name]",
	.summary = "Print a file of the installation, or the names of all",
	.max_args = 1,
	.run = run,
};
