/* client/cmd/apply.c - kuke apply. */
#include "../cli.h"

#include <stdio.h>
#include <string.h>

#include <kukeon/mem.h>

static int output_check(const char *output, struct kk_err *err)
{
	if (!*output || strcmp(output, "json") == 0 || strcmp(output, "yaml") == 0)
		return 0;
	return kk_fail(err, KK_E_USAGE, "invalid --output \"%s\": want json or yaml", output);
}

static void resource_print(const json_t *resource)
{
	const char *action = cli_json_string(resource, "action");
	size_t i;
	json_t *change;

	printf("%s \"%s\": %s\n", cli_json_string(resource, "kind"),
		cli_json_string(resource, "name"), action);
	if (strcmp(action, "updated") == 0) {
		json_array_foreach (json_object_get(resource, "changes"), i, change)
			printf("  - %s\n", kk_str(json_string_value(change)));
	}
	if (strcmp(action, "failed") == 0)
		printf("  Error: %s\n", cli_json_string(resource, "error"));
}

static int run(struct cli *cli, struct kk_err *err)
{
	const char *file = cli_string(cli, "file"), *output = cli_string(cli, "output");
	kk_auto_buf yaml = {0};
	kk_auto_free char *encoded = NULL;
	kk_auto_json *reply = NULL, *shown = NULL;
	const json_t *result;
	bool is_failed = false;
	size_t i;
	json_t *item;

	if (!*file)
		return kk_fail(err, KK_E_USAGE,
			"file flag is required (use -f <file> or -f - for stdin)");
	if (output_check(output, err) < 0 || cli_input_read(file, &yaml, err) < 0)
		return kk_failed(err);
	encoded = cli_base64(yaml.data ? (char *)yaml.data : "", yaml.len);
	if (cli_call(cli, "ApplyDocuments", json_pack("{s:s, s:s}", "RawYAML", encoded, "Team", ""),
		    &reply, err) < 0)
		return kk_failed(err);
	result = json_object_get(reply, "Result");
	json_array_foreach (json_object_get(result, "Warnings"), i, item)
		fprintf(stderr, "Warning: %s\n", kk_str(json_string_value(item)));
	shown = json_pack("{s:O}", "resources", json_object_get(result, "Resources"));
	json_array_foreach (json_object_get(result, "Resources"), i, item) {
		is_failed |= strcmp(cli_json_string(item, "action"), "failed") == 0;
		if (!*output)
			resource_print(item);
	}
	if (strcmp(output, "json") == 0)
		cli_json_print(shown);
	else if (strcmp(output, "yaml") == 0)
		cli_yaml_print_any(shown);
	return is_failed ? kk_fail(err, KK_E_API, "config error: some resources failed to apply") :
			   0;
}

static const struct cli_flag flags[] = {
	{"file", 'f', CLI_STRING, NULL, NULL, "manifest to apply, - for standard input", "path"},
	{"output", 'o', CLI_STRING, NULL, NULL, "json or yaml", "format"},
	CLI_FLAGS_END,
};

const struct cli_command cli_cmd_apply = {
	.name = "apply",
	.usage = "-f <file> [flags]",
	.summary = "Make the host match a manifest",
	.flags = flags,
	.route = CLI_ROUTE_BOTH,
	.run = run,
};
