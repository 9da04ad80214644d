/* client/cmd/top.c - kuke top: what cells use, again and again. */
#include "../cli.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kukeon/clock.h>
#include <kukeon/mem.h>

enum { INTERVAL_MIN_MS = 100 };

static const char *const columns[] = {
	"NAME", "REALM", "SPACE", "STACK", "STATE", "CPU", "MEMORY", "LIMIT", "PIDS"};

static int sample(struct cli *cli, json_t **ret_result, struct kk_err *err)
{
	kk_auto_json *reply = NULL;
	struct kk_scope scope = cli_filters(cli);

	scope.cell = cli_arg(cli, 0);
	if (cli_call(cli, "ListUsage", cli_scope_args(&scope), &reply, err) < 0)
		return kk_failed(err);
	*ret_result = json_incref(json_object_get(reply, "Result"));
	return 0;
}

static int64_t number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static bool is_same_cell(const json_t *a, const json_t *b)
{
	static const char *const parts[] = {"realm", "space", "stack", "cell"};

	for (size_t i = 0; i < KK_COUNT(parts); i++) {
		if (strcmp(cli_json_string(a, parts[i]), cli_json_string(b, parts[i])) != 0)
			return false;
	}
	return true;
}

/* Per cent of one processor between two samples. */
static double cpu_share(const json_t *usage, const json_t *now, const json_t *before)
{
	int64_t passed = number(now, "Microseconds") - number(before, "Microseconds");
	size_t i;
	json_t *former;

	json_array_foreach (json_object_get(before, "Usage"), i, former) {
		int64_t used = number(usage, "cpuMicroseconds") - number(former, "cpuMicroseconds");

		if (is_same_cell(usage, former))
			return passed > 0 && used > 0 ? 100.0 * (double)used / (double)passed : 0;
	}
	return 0;
}

/* What needs most stands first. */
static const struct samples {
	const json_t *now, *before;
} * sorted;

static int by_cpu(const void *a, const void *b)
{
	const json_t *const *x = a, *const *y = b;
	double left = cpu_share(*x, sorted->now, sorted->before);
	double right = cpu_share(*y, sorted->now, sorted->before);

	if (left != right)
		return left < right ? 1 : -1;
	return number(*x, "memoryBytes") < number(*y, "memoryBytes") ? 1 : -1;
}

static void row(struct cli_table *table, const json_t *usage, double cpu)
{
	kk_auto_free char *share = kk_xprintf("%.1f%%", cpu);
	kk_auto_free char *memory = cli_size(number(usage, "memoryBytes"));
	kk_auto_free char *limit = cli_size(number(usage, "memoryLimitBytes"));
	kk_auto_free char *pids = kk_xprintf("%lld", (long long)number(usage, "pids"));

	cli_table_cell(table, cli_json_string(usage, "cell"));
	cli_table_cell(table, cli_json_string(usage, "realm"));
	cli_table_cell(table, cli_json_string(usage, "space"));
	cli_table_cell(table, cli_json_string(usage, "stack"));
	cli_table_cell(table, cli_json_string(usage, "state"));
	cli_table_cell(table, share);
	cli_table_cell(table, memory);
	cli_table_cell(table, limit);
	cli_table_cell(table, pids);
}

static void show(const json_t *now, const json_t *before)
{
	const json_t *list = json_object_get(now, "Usage");
	size_t n = json_array_size(list);
	kk_auto_free const json_t **usages = kk_xalloc((n + 1) * sizeof *usages);
	const struct samples both = {now, before};
	struct cli_table table;

	for (size_t i = 0; i < n; i++)
		usages[i] = json_array_get(list, i);
	sorted = &both;
	qsort(usages, n, sizeof *usages, by_cpu);
	cli_table_init(&table, columns, KK_COUNT(columns));
	for (size_t i = 0; i < n; i++)
		row(&table, usages[i], cpu_share(usages[i], now, before));
	if (n)
		cli_table_print(&table);
	else
		printf("No cells found.\n");
	cli_table_release(&table);
	fflush(stdout);
}

static int run(struct cli *cli, struct kk_err *err)
{
	bool is_once = cli_bool(cli, "once") || !isatty(STDOUT_FILENO);
	kk_auto_json *before = NULL;
	int64_t interval_ms;

	if (kk_duration_parse(cli_string(cli, "interval"), &interval_ms) < 0 ||
		interval_ms < INTERVAL_MIN_MS || interval_ms > INT32_MAX)
		return kk_fail(err, KK_E_USAGE,
			"invalid --interval \"%s\": want a duration of at least 100ms",
			cli_string(cli, "interval"));
	if (sample(cli, &before, err) < 0)
		return kk_failed(err);
	do {
		json_t *now = NULL;

		poll(NULL, 0, (int)interval_ms);
		if (sample(cli, &now, err) < 0)
			return kk_failed(err);
		/* On a terminal, in the place of the last ones. */
		if (!is_once)
			fputs("\033[H\033[J", stdout);
		show(now, before);
		json_decref(before);
		before = now;
	} while (!is_once);
	return 0;
}

static const struct cli_flag flags[] = {
	CLI_FLAG_REALM,
	CLI_FLAG_SPACE,
	CLI_FLAG_STACK,
	{"interval", 0, CLI_STRING, "1s", NULL, "time over which is measured", "duration"},
	{"once", 0, CLI_BOOL, NULL, NULL, "one measurement, as where the output is no terminal",
		NULL},
	CLI_FLAGS_END,
};

const struct cli_command cli_cmd_top = {
	.name = "top",
	.usage = "[cell] [flags]",
	.summary = "Show what cells use of processor and memory",
	.flags = flags,
	.max_args = 1,
	.route = CLI_ROUTE_BOTH,
	.is_reading = true,
	.names_object = true,
	.kind = KK_KIND_CELL,
	.run = run,
};
