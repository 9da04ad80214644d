/* client/cmd/events.c - kuke events: what happened, and what happens. */
#include "../cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kukeon/clock.h>
#include <kukeon/mem.h>

enum { FOLLOW_BEGIN = 10 }; /* how many of the past a follower is shown */

static void object_append(struct kk_buf *text, const json_t *event)
{
	static const char *const parts[] = {"realm", "space", "stack", "cell", "container"};

	for (const char *p = cli_json_string(event, "kind"); *p; p++)
		kk_buf_char(text, *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p);
	for (size_t i = 0; i < KK_COUNT(parts); i++) {
		const char *part = cli_json_string(event, parts[i]);

		if (*part)
			kk_buf_printf(text, "%c%s", i ? '/' : ' ', part);
	}
}

static void event_print(const json_t *event)
{
	kk_auto_buf object = {0};

	object_append(&object, event);
	printf("%.19sZ  %-11s  %-32s  %s\n", cli_json_string(event, "time"),
		cli_json_string(event, "reason"), (char *)object.data,
		cli_json_string(event, "message"));
}

static void events_print(const json_t *events, bool is_json, int64_t since)
{
	size_t i;
	json_t *event;

	json_array_foreach (events, i, event) {
		int64_t time;

		if (kk_time_parse(cli_json_string(event, "time"), &time) == 0 && time < since)
			continue;
		if (is_json) {
			json_dumpf(event, stdout, JSON_COMPACT);
			putchar('\n');
		} else {
			event_print(event);
		}
	}
	fflush(stdout);
}

static int format_read(const struct cli *cli, bool *ret_is_json, struct kk_err *err)
{
	const char *output = cli_string(cli, "output");

	*ret_is_json = strcmp(output, "json") == 0;
	if (*ret_is_json || !*output)
		return 0;
	return kk_fail(err, KK_E_USAGE, "invalid --output \"%s\": want json", output);
}

static int run(struct cli *cli, struct kk_err *err)
{
	bool is_following = cli_bool(cli, "follow"), is_json;
	const char *from = cli_string(cli, "since");
	struct cli_follow follow = {
		.scope = cli_filters(cli),
		.since = -1,
	};
	int64_t since = KK_TIME_ZERO;

	follow.scope.cell = cli_filter(cli, "cell");
	if (format_read(cli, &is_json, err) < 0 ||
		(*from && cli_since_parse(from, &since, err) < 0))
		return kk_failed(err);
	if (is_following && !*from)
		follow.limit = FOLLOW_BEGIN;
	for (bool is_first = true; is_first || is_following; is_first = false) {
		kk_auto_json *events = NULL;

		if (cli_follow_next(cli, &follow, is_first ? 0 : INT64_MAX, &events, err) < 0)
			return kk_failed(err);
		if (is_first && !is_following && !is_json && json_array_size(events) == 0)
			printf("No events found.\n");
		events_print(events, is_json, since);
	}
	return 0;
}

static const struct cli_flag flags[] = {
	CLI_FLAG_REALM,
	CLI_FLAG_SPACE,
	CLI_FLAG_STACK,
	{"cell", 0, CLI_STRING, NULL, NULL, "only of this cell", "name"},
	{"follow", 'f', CLI_BOOL, NULL, NULL, "go on with what happens", NULL},
	{"since", 0, CLI_STRING, NULL, NULL,
		"only what happened since: 10m, or a time as "
		"2006-01-02T15:04:05Z",
		"when"},
	{"output", 'o', CLI_STRING, NULL, NULL, "json: one object a line", "format"},
	CLI_FLAGS_END,
};

const struct cli_command cli_cmd_events = {
	.name = "events",
	.aliases = "event ev",
	.usage = "[flags]",
	.summary = "Show what happened to objects",
	.flags = flags,
	.route = CLI_ROUTE_BOTH,
	.is_reading = true,
	.run = run,
};
