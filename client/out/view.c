/* client/out/view.c - objects as rows of a table. */
#include "../cli.h"

#include <stdlib.h>
#include <string.h>

#include <kukeon/clock.h>
#include <kukeon/mem.h>

void cli_cell_or_dash(struct cli_table *table, const char *text)
{
	cli_table_cell(table, *text ? text : "-");
}

static void age_cell(struct cli_table *table, const json_t *doc)
{
	kk_auto_free char *age =
		cli_age(cli_json_string(json_object_get(doc, "status"), "createdAt"));

	cli_table_cell(table, age);
}

static void realm_row(struct cli_table *table, const json_t *doc, bool is_wide)
{
	cli_table_cell(table, cli_json_string(json_object_get(doc, "metadata"), "name"));
	cli_table_cell(table, cli_json_string(json_object_get(doc, "status"), "state"));
	age_cell(table, doc);
	if (is_wide)
		cli_cell_or_dash(table, cli_json_string(json_object_get(doc, "spec"), "namespace"));
}

static void space_row(struct cli_table *table, const json_t *doc, bool is_wide)
{
	const json_t *spec = json_object_get(doc, "spec");

	cli_table_cell(table, cli_json_string(json_object_get(doc, "metadata"), "name"));
	cli_table_cell(table, cli_json_string(spec, "realmId"));
	cli_table_cell(table, cli_json_string(json_object_get(doc, "status"), "state"));
	age_cell(table, doc);
	if (!is_wide)
		return;
	cli_cell_or_dash(table,
		cli_json_string(json_object_get(json_object_get(spec, "network"), "egress"),
			"default"));
	cli_table_cell(table, json_object_get(spec, "defaults") ? "yes" : "-");
}

static void stack_row(struct cli_table *table, const json_t *doc, bool is_wide)
{
	(void)is_wide;
	cli_table_cell(table, cli_json_string(json_object_get(doc, "metadata"), "name"));
	cli_table_cell(table, cli_json_string(json_object_get(doc, "spec"), "realmId"));
	cli_table_cell(table, cli_json_string(json_object_get(doc, "spec"), "spaceId"));
	cli_table_cell(table, cli_json_string(json_object_get(doc, "status"), "state"));
	age_cell(table, doc);
}

static void cell_row(struct cli_table *table, const json_t *doc, bool is_wide)
{
	const json_t *metadata = json_object_get(doc, "metadata"),
		     *spec = json_object_get(doc, "spec");
	const json_t *status = json_object_get(doc, "status"),
		     *containers = json_object_get(status, "containers");
	const char *config =
		cli_json_string(json_object_get(metadata, "labels"), "kukeon.io/config");
	bool is_out = json_is_true(json_object_get(status, "outOfSync"));
	kk_auto_free char *ready = NULL;
	size_t i, n = 0;
	json_t *container;

	cli_table_cell(table, cli_json_string(metadata, "name"));
	cli_table_cell(table, cli_json_string(spec, "realmId"));
	cli_table_cell(table, cli_json_string(spec, "spaceId"));
	cli_table_cell(table, cli_json_string(spec, "stackId"));
	cli_table_cell(table, cli_json_string(status, "state"));
	cli_table_cell(table, !*config ? "-" : is_out ? "OutOfSync" : "Synced");
	age_cell(table, doc);
	if (!is_wide)
		return;
	json_array_foreach (containers, i, container)
		n += strcmp(cli_json_string(container, "state"), "Ready") == 0;
	ready = kk_xprintf("%zu/%zu", n, json_array_size(containers));
	cli_table_cell(table, ready);
	cli_cell_or_dash(table, cli_json_string(json_object_get(status, "network"), "bridgeName"));
	cli_cell_or_dash(table, cli_json_string(json_object_get(status, "network"), "ip"));
	cli_table_cell(table, cli_json_string(status, "outOfSyncReason"));
}

const struct cli_view cli_view_realm = {
	KK_KIND_REALM,
	"realms",
	"ListRealms",
	"Realms",
	"GetRealm",
	{"NAME", "STATE", "AGE", "NAMESPACE"},
	3,
	1,
	realm_row,
};
const struct cli_view cli_view_space = {
	KK_KIND_SPACE,
	"spaces",
	"ListSpaces",
	"Spaces",
	"GetSpace",
	{"NAME", "REALM", "STATE", "AGE", "EGRESS", "NET-DEFAULTS"},
	4,
	2,
	space_row,
};
const struct cli_view cli_view_stack = {
	KK_KIND_STACK,
	"stacks",
	"ListStacks",
	"Stacks",
	"GetStack",
	{"NAME", "REALM", "SPACE", "STATE", "AGE"},
	5,
	0,
	stack_row,
};
const struct cli_view cli_view_cell = {
	KK_KIND_CELL,
	"cells",
	"ListCells",
	"Cells",
	"GetCell",
	{"NAME", "REALM", "SPACE", "STACK", "STATE", "SYNC", "AGE", "CONTAINERS", "BRIDGE", "IP",
		"DIVERGENCE"},
	7,
	4,
	cell_row,
};

/* --- containers --- */

/* "3", and where another one is owed "3, next try in 12s (3/5)". */
static char *restarts_text(const json_t *status)
{
	const json_t *backoff = json_object_get(status, "backoff");
	long long n = json_integer_value(json_object_get(status, "restartCount"));
	long long max = json_integer_value(json_object_get(backoff, "maxTries"));
	int64_t next, now = kk_time_now();
	struct kk_buf text = {0};

	kk_buf_printf(&text, "%lld", n);
	if (kk_time_parse(cli_json_string(backoff, "nextTime"), &next) == 0 &&
		next != KK_TIME_ZERO) {
		kk_buf_printf(&text, ", next try in %llds",
			(long long)(next > now ? (next - now) / 1000000000 : 0));
		if (max)
			kk_buf_printf(&text, " (%lld/%lld)",
				(long long)json_integer_value(json_object_get(backoff, "tries")) +
					1,
				max);
	}
	return kk_buf_take(&text);
}

void cli_container_row(struct cli_table *table, const json_t *spec, const json_t *status,
	bool is_wide)
{
	const char *state = cli_json_string(status, "state"),
		   *reason = cli_json_string(status, "reason");
	const char *signal = cli_json_string(status, "exitSignal");
	long long code = json_integer_value(json_object_get(status, "exitCode"));
	kk_auto_free char *restarts = restarts_text(status);
	kk_auto_free char *age = cli_age(cli_json_string(status, "createdAt")), *exit = NULL;

	cli_table_cell(table, cli_json_string(spec, "id"));
	cli_table_cell(table, cli_json_string(spec, "realmId"));
	cli_table_cell(table, cli_json_string(spec, "spaceId"));
	cli_table_cell(table, cli_json_string(spec, "stackId"));
	cli_table_cell(table, cli_json_string(spec, "cellId"));
	cli_table_cell(table, *state ? state : "Unknown");
	cli_table_cell(table, restarts);
	cli_table_cell(table, age);
	if (!is_wide)
		return;
	cli_cell_or_dash(table, cli_json_string(spec, "image"));
	exit = code || *signal ? kk_xprintf("%lld/%s%s%s%s", code, signal, *reason ? " (" : "",
					 reason, *reason ? ")" : "") :
				 kk_xstrdup("-");
	cli_table_cell(table, exit);
}

static void container_row(struct cli_table *table, const json_t *doc, bool is_wide)
{
	cli_container_row(table, json_object_get(doc, "spec"), json_object_get(doc, "status"),
		is_wide);
}

const struct cli_view cli_view_container = {
	KK_KIND_CONTAINER,
	"containers",
	"ListContainers",
	"Containers",
	"GetContainer",
	{"NAME", "REALM", "SPACE", "STACK", "CELL", "STATE", "RESTARTS", "AGE", "IMAGE", "EXIT"},
	CLI_CONTAINER_COLUMNS,
	CLI_CONTAINER_WIDE - CLI_CONTAINER_COLUMNS,
	container_row,
};
