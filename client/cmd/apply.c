/* client/cmd/apply.c - kuke apply, and what it would do: kuke diff. */
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

/* What it does to what runs; of a plan only. */
static const char *effect_of(const json_t *resource, size_t i)
{
	return json_string_value(json_array_get(json_object_get(resource, "effects"), i));
}

static void changes_print(const json_t *resource)
{
	const char *runtime = cli_json_string(json_object_get(resource, "details"), "runtime");
	size_t i;
	json_t *change;

	json_array_foreach (json_object_get(resource, "changes"), i, change) {
		const char *effect = effect_of(resource, i);

		printf("  - %s%s%s%s\n", kk_str(json_string_value(change)), effect ? " (" : "",
			kk_str(effect), effect ? ")" : "");
	}
	if (*runtime && json_object_get(resource, "values"))
		printf("  - runtime: %s\n", runtime);
}

static void resource_print(const json_t *resource, const char *note)
{
	const char *action = cli_json_string(resource, "action");

	printf("%s \"%s\": %s%s\n", cli_json_string(resource, "kind"),
		cli_json_string(resource, "name"), action, note);
	if (strcmp(action, "updated") == 0)
		changes_print(resource);
	if (strcmp(action, "failed") == 0)
		printf("  Error: %s\n", cli_json_string(resource, "error"));
}

static void diff_print(const json_t *resource)
{
	size_t i;
	json_t *value;

	if (strcmp(cli_json_string(resource, "action"), "unchanged") == 0)
		return;
	resource_print(resource, "");
	json_array_foreach (json_object_get(resource, "values"), i, value)
		printf("      %s\n", kk_str(json_string_value(value)));
}

/* Send the manifest to @method, and say what it warned of. */
static int documents_call(struct cli *cli, const char *method, json_t **ret_reply,
	struct kk_err *err)
{
	const char *file = cli_string(cli, "file");
	kk_auto_buf yaml = {0};
	kk_auto_free char *encoded = NULL;
	size_t i;
	json_t *item;

	if (!*file)
		return kk_fail(err, KK_E_USAGE,
			"file flag is required (use -f <file> or -f - for stdin)");
	if (output_check(cli_string(cli, "output"), err) < 0 ||
		cli_input_read(file, &yaml, err) < 0)
		return kk_failed(err);
	encoded = cli_base64(yaml.data ? (char *)yaml.data : "", yaml.len);
	if (cli_call(cli, method, json_pack("{s:s, s:s}", "RawYAML", encoded, "Team", ""),
		    ret_reply, err) < 0)
		return kk_failed(err);
	json_array_foreach (json_object_get(json_object_get(*ret_reply, "Result"), "Warnings"), i,
		item)
		fprintf(stderr, "Warning: %s\n", kk_str(json_string_value(item)));
	return 0;
}

static void resources_print(const struct cli *cli, json_t *resources)
{
	const char *output = cli_string(cli, "output");
	bool is_diff = cli_leaf(cli) == &cli_cmd_diff;
	kk_auto_json *shown = json_pack("{s:O}", "resources", resources);
	size_t i;
	json_t *item;

	if (strcmp(output, "json") == 0) {
		cli_json_print(shown);
		return;
	}
	if (strcmp(output, "yaml") == 0) {
		cli_yaml_print_any(shown);
		return;
	}
	json_array_foreach (resources, i, item) {
		if (is_diff)
			diff_print(item);
		else
			resource_print(item, cli_bool(cli, "dry-run") ? " (dry run)" : "");
	}
}

static int apply_run(struct cli *cli, struct kk_err *err)
{
	bool is_plan = cli_leaf(cli) == &cli_cmd_diff || cli_bool(cli, "dry-run");
	kk_auto_json *reply = NULL;
	json_t *resources;

	if (documents_call(cli, is_plan ? "PlanDocuments" : "ApplyDocuments", &reply, err) < 0)
		return kk_failed(err);
	resources = json_object_get(json_object_get(reply, "Result"), "Resources");
	resources_print(cli, resources);
	if (cli_json_find(resources, "action", "failed"))
		return kk_fail(err, KK_E_API, "config error: some resources %s to apply",
			is_plan ? "would fail" : "failed");
	if (is_plan &&
		(cli_json_find(resources, "action", "created") ||
			cli_json_find(resources, "action", "updated")))
		cli->status = CLI_STATUS_CHANGES;
	return 0;
}

#define FLAG_FILE                                                                             \
	{                                                                                     \
		"file", 'f', CLI_STRING, NULL, NULL, "manifest, - for standard input", "path" \
	}
#define FLAG_OUTPUT                                                             \
	{                                                                       \
		"output", 'o', CLI_STRING, NULL, NULL, "json or yaml", "format" \
	}

static const struct cli_flag apply_flags[] = {
	FLAG_FILE,
	FLAG_OUTPUT,
	{"dry-run", 0, CLI_BOOL, NULL, NULL,
		"say what would be done, and do nothing; exit status 2: something would be", NULL},
	CLI_FLAGS_END,
};

static const struct cli_flag diff_flags[] = {
	FLAG_FILE,
	FLAG_OUTPUT,
	CLI_FLAGS_END,
};

const struct cli_command cli_cmd_apply = {
	.name = "apply",
	.usage = "-f <file> [flags]",
	.summary = "Make the host match a manifest",
	.flags = apply_flags,
	.route = CLI_ROUTE_BOTH,
	.is_long = true,
	.run = apply_run,
};
const struct cli_command cli_cmd_diff = {
	.name = "diff",
	.usage = "-f <file> [flags]",
	.summary = "Show what an apply would change; exit status 0: nothing, 2: something",
	.flags = diff_flags,
	.route = CLI_ROUTE_BOTH,
	.is_reading = true,
	.run = apply_run,
};
