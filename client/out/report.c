/* client/out/report.c - findings, one row each, by section: as text with the way out of what is not well, or as JSON. */
#include "../cli.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <kukeon/mem.h>

json_t *cli_report_add(struct cli_report *report, const char *section, const char *name,
	const char *status, char *detail, const char *remedy)
{
	kk_auto_free char *owned = detail;
	json_t *row = json_pack("{s:s, s:s, s:s, s:o}", "section", section, "name", name, "status",
		status, "detail", kk_json_string(owned));

	if (remedy)
		json_object_set_new(row, "remediation", json_string(remedy));
	if (!report->rows)
		report->rows = json_array();
	report->is_failed |= strcmp(status, CLI_FAIL) == 0;
	json_array_append_new(report->rows, row);
	return row;
}

static void section_print(const char *section, bool is_first)
{
	printf("%s", is_first ? "" : "\n");
	for (const char *p = section; *p; p++)
		putchar(toupper((unsigned char)*p));
	putchar('\n');
}

static void text_print(const struct cli_report *report, bool is_verbose)
{
	const char *section = "";
	size_t i, width = 0;
	json_t *row;

	json_array_foreach (report->rows, i, row) {
		size_t len = strlen(cli_json_string(row, "name"));

		width = len > width ? len : width;
	}
	json_array_foreach (report->rows, i, row) {
		const char *of = cli_json_string(row, "section"),
			   *status = cli_json_string(row, "status");
		const char *remedy = cli_json_string(row, "remediation");
		bool is_hinted = *remedy && (strcmp(status, CLI_OK) != 0 || is_verbose);

		if (strcmp(section, of) != 0)
			section_print(of, !*section);
		section = of;
		printf("  %-*s  %-4s  %s\n", (int)width, cli_json_string(row, "name"), status,
			cli_json_string(row, "detail"));
		if (is_hinted)
			printf("  %*s        ↳ %s\n", (int)width, "", remedy);
	}
	printf("\nStatus: %s\n", report->is_failed ? CLI_FAIL : CLI_OK);
}

int cli_report_end(struct cli_report *report, bool is_json, bool is_verbose)
{
	kk_auto_json *shown = json_pack("{s:b, s:o}", "ok", !report->is_failed, "checks",
		kk_steal(&report->rows));
	const struct cli_report kept = {
		.rows = json_object_get(shown, "checks"), .is_failed = report->is_failed};

	if (is_json)
		cli_json_print(shown);
	else
		text_print(&kept, is_verbose);
	return report->is_failed ? 1 : 0;
}
