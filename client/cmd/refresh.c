/* client/cmd/refresh.c - kuke refresh: the statuses of all that runs, looked at anew. */
#include "../cli.h"

#include <stdio.h>

#include <kukeon/mem.h>

enum { NAMES_SHOWN = 5 };

static const char *const kinds[] = {"Realms", "Spaces", "Stacks", "Cells", "Containers"};

static void names_print(const char *kind, const json_t *names)
{
	size_t n = json_array_size(names);

	printf("  %s: %zu", kind, n);
	for (size_t i = 0; i < n && i < NAMES_SHOWN; i++)
		printf("%s%s", i ? ", " : " (",
			kk_str(json_string_value(json_array_get(names, i))));
	if (n)
		printf("%s)", n > NAMES_SHOWN ? ", ..." : "");
	putchar('\n');
}

static const json_t *list_of(const json_t *result, const char *kind, const char *what)
{
	kk_auto_free char *key = kk_xprintf("%s%s", kind, what);

	return json_object_get(result, key);
}

static int refresh_run(struct cli *cli, struct kk_err *err)
{
	kk_auto_json *reply = NULL;
	const json_t *result, *errors;
	bool is_any = false;

	if (cli_call(cli, "RefreshAll", json_object(), &reply, err) < 0)
		return kk_failed(err);
	result = json_object_get(reply, "Result");
	puts("Refreshed metadata status:");
	for (size_t i = 0; i < KK_COUNT(kinds); i++)
		names_print(kinds[i], list_of(result, kinds[i], "Found"));
	puts("\nUpdated:");
	for (size_t i = 0; i < KK_COUNT(kinds); i++) {
		const json_t *names = list_of(result, kinds[i], "Updated");

		if (json_array_size(names))
			names_print(kinds[i], names);
		is_any |= json_array_size(names) > 0;
	}
	if (!is_any)
		puts("  (none)");
	puts("\nErrors:");
	errors = json_object_get(result, "Errors");
	for (size_t i = 0; i < json_array_size(errors); i++)
		printf("  %s\n", kk_str(json_string_value(json_array_get(errors, i))));
	if (json_array_size(errors) == 0)
		puts("  (none)");
	return 0;
}

const struct cli_command cli_cmd_refresh = {
	.name = "refresh",
	.usage = "[flags]",
	.summary = "Look at all cells anew, and record what is seen",
	.max_args = -1,
	.route = CLI_ROUTE_BOTH,
	.run = refresh_run,
};
