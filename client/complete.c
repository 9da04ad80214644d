/* client/complete.c - candidates for the word that is being typed: `kuke __complete <words…> <partial>`.
 *
 * One candidate a line, behind them ":4" where file names would make no sense, ":0" where they would. Whatever goes
 * wrong is no candidate: a shell has no place for an error. */
#include "cli.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kukeon/mem.h>

enum { ANY_FILE = 0, NO_FILE = 4, BUDGET_S = 2 };

struct completion {
	struct cli typed; /* the words before the one that is typed */
	struct cli asker; /* asks for what is there */
	const char *partial;
	const char *before; /* of each candidate, as in --realm= */
	bool has_descriptions;
	bool is_lost; /* a command that was typed is none */
	struct kk_strs candidates;
};

bool cli_complete_is_asked(int argc, char **argv)
{
	return argc > 1 && kk_str_starts(argv[1], cli_cmd_complete.name);
}

static void candidate(struct completion *completion, const char *word, const char *description)
{
	kk_auto_free char *line = NULL;

	if (!kk_str_starts(word, completion->partial))
		return;
	line = completion->has_descriptions && description ?
		kk_xprintf("%s%s\t%s", completion->before, word, description) :
		kk_xprintf("%s%s", completion->before, word);
	if (!kk_strs_has(&completion->candidates, line))
		kk_strs_take(&completion->candidates, kk_steal(&line));
}

static const char *scope_flag(const struct completion *completion, const char *name)
{
	const struct cli *typed = &completion->typed;

	return cli_is_given(typed, name) ? cli_string(typed, name) : "default";
}

/* The names of what is there, in the scope that was typed. */
static void objects_add(struct completion *completion, enum kk_kind kind)
{
	static const char *const methods[] = {
		"ListRealms", "ListSpaces", "ListStacks", "ListCells", "ListContainers"};
	const struct cli *typed = &completion->typed;
	const char *cell = cli_is_given(typed, "cell") ? cli_string(typed, "cell") :
		kind == KK_KIND_CONTAINER              ? kk_str(cli_arg(typed, 0)) :
							 "";
	const char *const filters[] = {"RealmName", "SpaceName", "StackName"};
	kk_auto_json *reply = NULL;
	struct kk_err ignored = {0};
	json_t *args, *item;
	size_t i;

	if (kind == KK_KIND_CONTAINER && !*cell)
		return;
	args = json_pack("{s:s}", "CellName", cell);
	for (i = 0; i < KK_COUNT(filters) && i < (size_t)kind; i++)
		json_object_set_new(args, filters[i],
			json_string(scope_flag(completion, kk_kind_word((enum kk_kind)i))));
	if (cli_setting_load(&completion->asker, &ignored) < 0) {
		json_decref(args);
		return;
	}
	if (cli_call(&completion->asker, methods[kind], args, &reply, &ignored) < 0)
		return;
	json_array_foreach (json_object_get(reply, methods[kind] + strlen("List")), i, item)
		candidate(completion,
			kind == KK_KIND_CONTAINER ?
				cli_json_string(item, "id") :
				cli_json_string(json_object_get(item, "metadata"), "name"),
			NULL);
}

static int value_complete(struct completion *completion, const struct cli_flag *flag)
{
	static const char *const formats[] = {"yaml", "json", "table", "wide", "name", "jsonpath="};
	bool is_get = completion->typed.depth > 1 && completion->typed.path[1] == &cli_cmd_get;

	for (int kind = 0; kind < KK_KINDS; kind++) {
		if (strcmp(flag->name, kk_kind_word((enum kk_kind)kind)) != 0)
			continue;
		objects_add(completion, (enum kk_kind)kind);
		return NO_FILE;
	}
	if (strcmp(flag->name, "output") != 0)
		return ANY_FILE;
	for (size_t i = 0; i < (is_get ? KK_COUNT(formats) : 2); i++)
		candidate(completion, formats[i], NULL);
	return NO_FILE;
}

static int flags_complete(struct completion *completion)
{
	for (size_t i = 0; i < completion->typed.n_values; i++) {
		const struct cli_flag *flag = completion->typed.values[i].flag;
		kk_auto_free char *word = kk_xprintf("--%s", flag->name);

		candidate(completion, word, flag->help);
	}
	candidate(completion, "--help", "help for this command");
	return NO_FILE;
}

static int argument_complete(struct completion *completion)
{
	const struct cli_command *leaf = cli_leaf(&completion->typed);

	if (leaf->children && (completion->is_lost || completion->typed.n_args))
		return NO_FILE;
	for (size_t i = 0; leaf->children && leaf->children[i]; i++) {
		if (!cli_is_hidden(leaf->children[i]))
			candidate(completion, leaf->children[i]->name, leaf->children[i]->summary);
	}
	if (leaf->children)
		return NO_FILE;
	if (!leaf->names_object)
		return ANY_FILE;
	if (completion->typed.n_args == 0)
		objects_add(completion, leaf->kind);
	return NO_FILE;
}

static int complete(struct completion *completion, const char *last)
{
	const char *partial = completion->partial, *equals = strchr(partial, '=');
	const struct cli_flag *flag = last ? cli_flag_waiting(&completion->typed, last) : NULL;
	kk_auto_free char *before = NULL;
	int directive;

	if (flag)
		return value_complete(completion, flag);
	if (partial[0] != '-')
		return argument_complete(completion);
	if (!equals || partial[1] != '-')
		return flags_complete(completion);
	flag = cli_flag_named(&completion->typed, partial + 2, (size_t)(equals - partial) - 2);
	if (!flag)
		return ANY_FILE;
	before = kk_xstrndup(partial, (size_t)(equals - partial) + 1);
	completion->before = before;
	completion->partial = equals + 1;
	directive = value_complete(completion, flag);
	completion->before = "";
	return directive;
}

/* Whoever types waits. */
static void give_up(int signo)
{
	static const char nothing[] = ":4\n";

	(void)signo;
	(void)!write(STDOUT_FILENO, nothing, sizeof nothing - 1);
	_exit(EXIT_SUCCESS);
}

int cli_complete(int argc, char **argv)
{
	struct completion completion = {
		.typed = {.fd = -1},
		.asker = {.fd = -1, .is_quiet = true},
		.partial = argc > 2 ? argv[argc - 1] : "",
		.before = "",
		.has_descriptions = strcmp(argv[1], cli_cmd_complete.name) == 0,
	};
	char *asking[] = {argv[0], (char *)cli_cmd_complete.name, NULL};
	struct kk_err ignored = {0};
	bool is_help = false;
	int directive;

	signal(SIGALRM, give_up);
	alarm(BUDGET_S);
	/* An incomplete command is what is expected here. argv[1] stands for the name of the program. */
	completion.is_lost = cli_parse(&completion.typed, argc > 2 ? argc - 2 : 1, argv + 1,
				     &is_help, &ignored) < 0 &&
		completion.typed.depth == 1;
	(void)cli_parse(&completion.asker, 2, asking, &is_help, &ignored);
	directive = complete(&completion, argc > 3 ? argv[argc - 2] : NULL);
	for (size_t i = 0; i < completion.candidates.n; i++)
		puts(completion.candidates.items[i]);
	printf(":%d\n", directive);
	fprintf(stderr, "Completion ended with directive: %s\n",
		directive == NO_FILE ? "ShellCompDirectiveNoFileComp" :
				       "ShellCompDirectiveDefault");
	fflush(stdout);
	kk_strs_release(&completion.candidates);
	cli_close(&completion.asker);
	return EXIT_SUCCESS;
}

const struct cli_command cli_cmd_complete = {
	.name = "__complete",
	.aliases = "__completeNoDesc",
	.summary = "Candidates for a word of a command",
	.max_args = -1,
	.route = CLI_ROUTE_BOTH,
	.is_reading = true,
};
