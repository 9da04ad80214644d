/* client/flag.c - the command line, in the grammar that kuke's users know. */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kukeon/mem.h>

const struct cli_command *cli_leaf(const struct cli *cli)
{
	return cli->path[cli->depth - 1];
}

char *cli_command_path(const struct cli *cli, size_t depth)
{
	struct kk_buf path = {0};

	for (size_t i = 0; i < depth; i++)
		kk_buf_printf(&path, "%s%s", i ? " " : "", cli->path[i]->name);
	return kk_buf_take(&path);
}

static void flags_add(struct cli *cli, const struct cli_flag *flags, size_t depth)
{
	for (; flags && flags->name; flags++) {
		bool is_shadowed = false;

		/* A command's own flag hides that of a command above. */
		for (size_t i = 0; i < cli->n_values; i++)
			is_shadowed |= strcmp(cli->values[i].flag->name, flags->name) == 0;
		if (!is_shadowed && cli->n_values < CLI_FLAGS_MAX)
			cli->values[cli->n_values++] =
				(struct cli_value){.flag = flags, .depth = depth};
	}
}

static void flags_collect(struct cli *cli)
{
	cli->n_values = 0;
	flags_add(cli, cli_leaf(cli)->flags, cli->depth);
	for (size_t i = cli->depth; i-- > 0;)
		flags_add(cli, cli->path[i]->persistent_flags, i + 1);
}

static struct cli_value *value_named(struct cli *cli, const char *name, size_t len)
{
	for (size_t i = 0; i < cli->n_values; i++) {
		const char *flag = cli->values[i].flag->name;

		if (strlen(flag) == len && strncmp(flag, name, len) == 0)
			return &cli->values[i];
	}
	return NULL;
}

static struct cli_value *value_lettered(struct cli *cli, char letter)
{
	for (size_t i = 0; i < cli->n_values; i++) {
		if (cli->values[i].flag->letter == letter)
			return &cli->values[i];
	}
	return NULL;
}

static bool word_in(const char *words, const char *word)
{
	size_t len = strlen(word);

	while (words && *words) {
		size_t n = strcspn(words, " ");

		if (n == len && strncmp(words, word, n) == 0)
			return true;
		words += n + (words[n] == ' ');
	}
	return false;
}

static const struct cli_command *child_find(const struct cli_command *command, const char *name)
{
	for (size_t i = 0; command->children && command->children[i]; i++) {
		const struct cli_command *child = command->children[i];

		if (strcmp(child->name, name) == 0 || word_in(child->aliases, name))
			return child;
	}
	return NULL;
}

/* Does this flag word take the next word as its value, as far as the commands so far know? */
static bool takes_next(struct cli *cli, const char *word)
{
	const struct cli_value *value;

	if (strchr(word, '='))
		return false;
	if (word[1] == '-')
		value = value_named(cli, word + 2, strlen(word + 2));
	else if (word[2])
		return false;
	else
		value = value_lettered(cli, word[1]);
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
		return false;
	return !value || value->flag->type != CLI_BOOL;
}

const struct cli_flag *cli_flag_named(struct cli *cli, const char *name, size_t len)
{
	const struct cli_value *value = value_named(cli, name, len);

	return value ? value->flag : NULL;
}

const struct cli_flag *cli_flag_waiting(struct cli *cli, const char *word)
{
	if (word[0] != '-' || !word[1] || strcmp(word, "--") == 0 || !takes_next(cli, word))
		return NULL;
	if (word[1] == '-')
		return cli_flag_named(cli, word + 2, strlen(word + 2));
	return value_lettered(cli, word[1]) ? value_lettered(cli, word[1])->flag : NULL;
}

/* Walk down to the leaf; command words are replaced by NULL in @words. */
static const char *commands_find(struct cli *cli, char **words, int n)
{
	cli->path[0] = &cli_root;
	cli->depth = 1;
	flags_collect(cli);
	for (int i = 0; i < n; i++) {
		const struct cli_command *child;

		if (strcmp(words[i], "--") == 0)
			return NULL;
		if (words[i][0] == '-' && words[i][1]) {
			i += takes_next(cli, words[i]);
			continue;
		}
		if (!cli_leaf(cli)->children)
			return NULL;
		child = child_find(cli_leaf(cli), words[i]);
		if (!child || cli->depth == CLI_DEPTH_MAX)
			return words[i];
		cli->path[cli->depth++] = child;
		words[i] = NULL;
		flags_collect(cli);
	}
	return NULL;
}

static int bool_set(struct cli_value *value, const char *text, struct kk_err *err)
{
	static const char *const known[] = {
		"true", "false", "1", "0", "t", "f", "T", "F", "TRUE", "FALSE", "True", "False"};

	for (size_t i = 0; i < KK_COUNT(known); i++) {
		if (strcmp(known[i], text) == 0) {
			value->value = i % 2 == 0 ? "true" : "false";
			return 0;
		}
	}
	return kk_fail(err, KK_E_USAGE,
		"invalid argument \"%s\" for \"--%s\" flag: strconv.ParseBool: "
		"parsing \"%s\": invalid syntax",
		text, value->flag->name, text);
}

static int string_set(struct cli *cli, struct cli_value *value, const char *text,
	struct kk_err *err)
{
	value->value = text;
	if (value->flag->type != CLI_STRINGS)
		return 0;
	if (cli->n_given == CLI_GIVEN_MAX)
		return kk_fail(err, KK_E_USAGE, "--%s: more than %d of them", value->flag->name,
			CLI_GIVEN_MAX);
	cli->given[cli->n_given++] = *value;
	return 0;
}

static int long_take(struct cli *cli, char **words, int n, int *i, struct kk_err *err)
{
	const char *word = words[*i] + 2, *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);
	struct cli_value *value = value_named(cli, word, len);

	if (!value)
		return kk_fail(err, KK_E_USAGE, "unknown flag: --%.*s", (int)len, word);
	if (value->flag->type == CLI_BOOL)
		return bool_set(value, equals ? equals + 1 : "true", err);
	if (!equals && (*i + 1 >= n || !words[*i + 1]))
		return kk_fail(err, KK_E_USAGE, "flag needs an argument: --%.*s", (int)len, word);
	return string_set(cli, value, equals ? equals + 1 : words[++*i], err);
}

static int short_take(struct cli *cli, char **words, int n, int *i, bool *ret_help,
	struct kk_err *err)
{
	for (const char *p = words[*i] + 1; *p; p++) {
		struct cli_value *value = value_lettered(cli, *p);

		if (!value && *p == 'h') {
			*ret_help = true;
			continue;
		}
		if (!value)
			return kk_fail(err, KK_E_USAGE, "unknown shorthand flag: '%c' in -%s", *p,
				p);
		if (value->flag->type == CLI_BOOL) {
			if (p[1] == '=')
				return bool_set(value, p + 2, err);
			value->value = "true";
			continue;
		}
		if (p[1])
			return string_set(cli, value, p[1] == '=' ? p + 2 : p + 1, err);
		if (*i + 1 >= n || !words[*i + 1])
			return kk_fail(err, KK_E_USAGE, "flag needs an argument: '%c' in -%s", *p,
				p);
		return string_set(cli, value, words[++*i], err);
	}
	return 0;
}

static int words_take(struct cli *cli, char **words, int n, bool *ret_help, struct kk_err *err)
{
	bool is_flags_over = false;

	for (int i = 0; i < n; i++) {
		char *word = words[i];
		int r = 0;

		if (!word)
			continue;
		is_flags_over |= cli_leaf(cli)->n_mixed && cli->n_args == cli_leaf(cli)->n_mixed;
		if (!is_flags_over && strcmp(word, "--") == 0) {
			is_flags_over = true;
		} else if (!is_flags_over && strcmp(word, "--help") == 0) {
			*ret_help = true;
		} else if (!is_flags_over && strncmp(word, "--", 2) == 0) {
			r = long_take(cli, words, n, &i, err);
		} else if (!is_flags_over && word[0] == '-' && word[1]) {
			r = short_take(cli, words, n, &i, ret_help, err);
		} else if (cli->n_args < CLI_ARGS_MAX) {
			cli->args[cli->n_args++] = word;
		} else {
			return kk_fail(err, KK_E_USAGE, "more than %d arguments", CLI_ARGS_MAX);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- variables that stand for flags --- */

/* The most dangerous ones have to be typed. */
static bool has_variable(const struct cli_value *value)
{
	return value->depth > 1 && value->flag->type != CLI_STRINGS && !value->flag->env &&
		strcmp(value->flag->name, "force") != 0 && strcmp(value->flag->name, "yes") != 0;
}

static void upper_append(struct kk_buf *buf, const char *word)
{
	for (; *word; word++)
		kk_buf_printf(buf, "%c",
			*word == '-'                         ? '_' :
				*word >= 'a' && *word <= 'z' ? *word - 'a' + 'A' :
							       *word);
}

/* @subject: the word for what the command is about, or "". */
static char *variable_name(const struct cli *cli, const struct cli_value *value,
	const char *subject)
{
	struct kk_buf name = {0};

	if (!has_variable(value))
		return NULL;
	kk_buf_printf(&name, "KUKE");
	for (size_t i = 1; i < value->depth; i++) {
		kk_buf_printf(&name, "_");
		upper_append(&name, cli->path[i]->name);
	}
	kk_buf_printf(&name, "%s_", subject);
	upper_append(&name, value->flag->name);
	return kk_buf_take(&name);
}

char *cli_flag_variable(const struct cli *cli, const struct cli_value *value)
{
	return variable_name(cli, value, "");
}

/* KUKE_START_REALM, or as the Go release has it for verbs whose subject can only be a cell, KUKE_START_CELL_REALM. */
static const char *variable_get(const struct cli *cli, const struct cli_value *value,
	char **ret_name)
{
	const char *const subjects[] = {"", value->depth == 2 ? "_CELL" : ""};

	for (size_t i = 0; i < KK_COUNT(subjects); i++) {
		kk_auto_free char *name = variable_name(cli, value, subjects[i]);
		const char *text = name ? getenv(name) : NULL;

		if (kk_str_empty(text))
			continue;
		*ret_name = kk_steal(&name);
		return text;
	}
	return NULL;
}

/* As if they had been typed. */
static int variables_take(struct cli *cli, struct kk_err *err)
{
	for (size_t i = 0; i < cli->n_values; i++) {
		struct cli_value *value = &cli->values[i];
		kk_auto_free char *name = NULL;
		const char *text = value->value ? NULL : variable_get(cli, value, &name);

		if (!text)
			continue;
		if (value->flag->type != CLI_BOOL)
			value->value = text;
		else if (bool_set(value, text, err) < 0)
			return kk_wrap(err, "environment variable %s", name);
	}
	return 0;
}

static size_t distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b), row[64];

	if (n >= KK_COUNT(row) || m >= KK_COUNT(row))
		return 64;
	for (size_t k = 0; k <= m; k++)
		row[k] = k;
	for (size_t i = 1; i <= n; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t k = 1; k <= m; k++) {
			size_t best = diagonal + (a[i - 1] != b[k - 1]);

			diagonal = row[k];
			if (row[k] + 1 < best)
				best = row[k] + 1;
			if (row[k - 1] + 1 < best)
				best = row[k - 1] + 1;
			row[k] = best;
		}
	}
	return row[m];
}

char *cli_suggestions(const struct cli_command *group, const char *word)
{
	struct kk_buf near = {0};

	for (size_t i = 0; group->children[i]; i++) {
		const char *name = group->children[i]->name;

		if (cli_is_hidden(group->children[i]))
			continue;
		if (distance(word, name) <= 2 || kk_str_starts(name, word))
			kk_buf_printf(&near, "%s\t%s\n", near.len ? "" : "\n\nDid you mean this?\n",
				name);
	}
	return kk_buf_take(&near);
}

static int unknown_command(const char *word, struct kk_err *err)
{
	kk_auto_free char *near = cli_suggestions(&cli_root, word);

	return kk_fail(err, KK_E_USAGE,
		"unknown command \"%s\" for \"kuke\"%s\nRun 'kuke --help' for usage.", word, near);
}

static int count_check(const struct cli *cli, struct kk_err *err)
{
	const struct cli_command *leaf = cli_leaf(cli);
	kk_auto_free char *path = cli_command_path(cli, cli->depth);
	int n = (int)cli->n_args;

	if (leaf->children || leaf->max_args < 0)
		return 0;
	if (leaf->max_args == 0 && n > 0)
		return kk_fail(err, KK_E_USAGE, "unknown command \"%s\" for \"%s\"", cli->args[0],
			path);
	/* Labels stand for the name. */
	if (n == 0 && (cli_is_given(cli, "selector") || cli_bool(cli, "all")))
		return 0;
	if (leaf->min_args == leaf->max_args && n != leaf->min_args)
		return kk_fail(err, KK_E_USAGE, "accepts %d arg(s), received %d", leaf->min_args,
			n);
	if (n < leaf->min_args)
		return kk_fail(err, KK_E_USAGE, "requires at least %d arg(s), only received %d",
			leaf->min_args, n);
	if (n > leaf->max_args)
		return kk_fail(err, KK_E_USAGE, "accepts at most %d arg(s), received %d",
			leaf->max_args, n);
	return 0;
}

int cli_parse(struct cli *cli, int argc, char **argv, bool *ret_help, struct kk_err *err)
{
	kk_auto_free char **words = kk_xalloc((size_t)(argc + 1) * sizeof(char *));
	const char *stray;
	int n = argc > 0 ? argc - 1 : 0;

	for (int i = 0; i < n; i++)
		words[i] = argv[i + 1];
	stray = commands_find(cli, words, n);
	/* At the root a word that is no command is an error; below a group it shows the group's help. */
	if (stray && cli->depth == 1)
		return unknown_command(stray, err);
	if (words_take(cli, words, n, ret_help, err) < 0 || variables_take(cli, err) < 0)
		return kk_failed(err);
	return *ret_help ? 0 : count_check(cli, err);
}

static const struct cli_value *value_get(const struct cli *cli, const char *name)
{
	return value_named((struct cli *)cli, name, strlen(name));
}

bool cli_has(const struct cli *cli, const char *name)
{
	return value_get(cli, name) != NULL;
}

bool cli_is_given(const struct cli *cli, const char *name)
{
	const struct cli_value *value = value_get(cli, name);

	return value && value->value;
}

const char *cli_string(const struct cli *cli, const char *name)
{
	const struct cli_value *value = value_get(cli, name);
	const char *env;

	if (!value)
		return "";
	if (value->value)
		return value->value;
	env = value->flag->env ? getenv(value->flag->env) : NULL;
	return !kk_str_empty(env) ? env : kk_str(value->flag->fallback);
}

bool cli_bool(const struct cli *cli, const char *name)
{
	const char *text = cli_string(cli, name);

	return strcmp(text, "true") == 0 || strcmp(text, "1") == 0 || strcmp(text, "t") == 0;
}

const char *cli_nth(const struct cli *cli, const char *name, size_t i)
{
	for (size_t k = 0; k < cli->n_given; k++) {
		if (strcmp(cli->given[k].flag->name, name) == 0 && i-- == 0)
			return cli->given[k].value;
	}
	return NULL;
}

const char *cli_arg(const struct cli *cli, size_t i)
{
	return i < cli->n_args ? cli->args[i] : NULL;
}
