/* workers/kuketty/option.c */
#include "kuketty.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kukeon/auto.h>

/* One of the two places. */
struct option {
	const char *name;
	const char **text;
	int64_t *number;
};

static int option_set(const struct option *option, const char *value)
{
	char *end;

	if (option->text) {
		*option->text = value;
		return 0;
	}
	errno = 0;
	*option->number = strtoll(value, &end, 10);
	return errno || !*value || *end || *option->number < 0 ? -1 : 0;
}

int tty_options_parse(int argc, char **argv, struct tty_options *ret_options)
{
	struct tty_options options = {
		.log = "",
		.max_files = 1,
		.socket = "",
		.link = "",
		.input = "",
		.journal = "",
		.log_level = "info",
	};
	const struct option known[] = {
		{"log", &options.log, NULL},
		{"max-bytes", NULL, &options.max_bytes},
		{"max-files", NULL, &options.max_files},
		{"socket", &options.socket, NULL},
		{"link", &options.link, NULL},
		{"input", &options.input, NULL},
		{"journal", &options.journal, NULL},
		{"log-level", &options.log_level, NULL},
		{"scrollback-bytes", NULL, &options.scrollback_bytes},
	};

	for (int i = 1; i < argc; i += 2) {
		size_t k = 0;

		while (k < KK_COUNT(known) && strcmp(known[k].name, argv[i]) != 0)
			k++;
		if (k == KK_COUNT(known) || i + 1 == argc || option_set(&known[k], argv[i + 1]) < 0)
			return -1;
	}
	if (!*options.log || options.max_files < 1)
		return -1;
	*ret_options = options;
	return 0;
}
