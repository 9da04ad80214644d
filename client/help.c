/* client/help.c - help, out of the command tables. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

#include <kukeon/mem.h>

static void flag_print(const struct cli_flag *flag)
{
	kk_auto_free char *left = NULL;
	char letter[8] = "    ";

	if (flag->letter)
		snprintf(letter, sizeof letter, "-%c, ", flag->letter);
	left = kk_xprintf("%s--%s%s%s", letter, flag->name, flag->type != CLI_BOOL ? " " : "",
		flag->type != CLI_BOOL ? (flag->value_name ? flag->value_name : "string") : "");
	printf("  %-34s %s", left, flag->help);
	if (!kk_str_empty(flag->fallback) && flag->type == CLI_STRING)
		printf(" (default %s)", flag->fallback);
	if (flag->env)
		printf(" (env %s)", flag->env);
	printf("\n");
}

/* For programs, not for people. */
bool cli_is_hidden(const struct cli_command *command)
{
	return command->name[0] == '_';
}

/* Where a flag of the command's own is not given. */
static void variables_print(const struct cli *cli)
{
	for (size_t i = 0; i < cli->n_values; i++) {
		const struct cli_value *value = &cli->values[i];
		kk_auto_free char *name = cli_flag_variable(cli, value);

		if (!name || value->depth != cli->depth)
			continue;
		printf("\nEnvironment:\n  %s stands for --%s where that is not given, and so on.\n",
			name, value->flag->name);
		return;
	}
}

void cli_help_print(const struct cli *cli)
{
	const struct cli_command *leaf = cli_leaf(cli);
	kk_auto_free char *path = cli_command_path(cli, cli->depth);

	printf("%s\n\nUsage:\n  %s%s%s\n", leaf->summary, path,
		kk_str_empty(leaf->usage) ? "" : " ", kk_str(leaf->usage));
	if (leaf->aliases)
		printf("\nAliases:\n  %s %s\n", leaf->name, leaf->aliases);
	if (leaf->children) {
		printf("\nCommands:\n");
		for (size_t i = 0; leaf->children[i]; i++) {
			if (!cli_is_hidden(leaf->children[i]))
				printf("  %-12s %s\n", leaf->children[i]->name,
					leaf->children[i]->summary);
		}
	}
	printf("\nFlags:\n");
	for (size_t i = 0; i < cli->n_values; i++)
		flag_print(cli->values[i].flag);
	printf("  %-34s %s\n", "-h, --help", "this text");
	variables_print(cli);
	if (leaf->children)
		printf("\nUse \"%s <command> --help\" for more about a command.\n", path);
}
