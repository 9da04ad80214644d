/* client/out/table.c - aligned columns, ages, sizes. */
#include "../cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kukeon/clock.h>
#include <kukeon/mem.h>

void cli_table_init(struct cli_table *table, const char *const *columns, size_t n)
{
	*table = (struct cli_table){.n_columns = n};
	for (size_t i = 0; i < n; i++)
		kk_strs_add(&table->cells, columns[i]);
}

void cli_table_cell(struct cli_table *table, const char *text)
{
	kk_strs_add(&table->cells, text);
}

void cli_table_release(struct cli_table *table)
{
	kk_strs_release(&table->cells);
}

/* Width in characters, not bytes. */
static size_t width_of(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

/* For people alone: on a terminal, unless they would rather not (no-color.org). */
static bool has_colors(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && kk_str_empty(getenv("NO_COLOR")) &&
		!kk_str_equal(term, "dumb");
}

/* Of a state: the escape sequence that begins it, or NULL. */
static const char *color_of(const char *state)
{
	static const struct {
		const char *state, *color;
	} colors[] = {
		{"Ready", "\033[32m"},
		{"Error", "\033[31m"},
		{"Failed", "\033[31m"},
		{"Degraded", "\033[33m"},
		{"Pending", "\033[33m"},
		{"Stopped", "\033[2m"},
		{"Exited", "\033[2m"},
	};

	for (size_t i = 0; i < KK_COUNT(colors); i++) {
		if (strcmp(colors[i].state, state) == 0)
			return colors[i].color;
	}
	return NULL;
}

/* @column: its heading. */
static void cell_print(const char *text, const char *column, size_t width, bool is_last)
{
	const char *color = strcmp(column, "STATE") == 0 && has_colors() ? color_of(text) : NULL;

	printf("%s%s%s%*s%s", kk_str(color), text, color ? "\033[0m" : "",
		(int)(width - width_of(text)), "", is_last ? "\n" : "  ");
}

void cli_table_print(struct cli_table *table)
{
	size_t n = table->n_columns, n_rows = table->cells.n / n, *widths = table->widths;

	for (size_t i = table->n_printed * n; i < n_rows * n; i++) {
		size_t width = width_of(table->cells.items[i]);

		if (width > widths[i % n])
			widths[i % n] = width;
	}
	for (size_t row = table->n_printed; row < n_rows; row++) {
		for (size_t i = 0; i < n; i++)
			cell_print(table->cells.items[row * n + i], table->cells.items[i],
				widths[i], i + 1 == n);
		if (row > 0)
			continue;
		for (size_t i = 0; i < n; i++) {
			for (size_t k = 0; k < widths[i]; k++)
				putchar('-');
			fputs(i + 1 == n ? "\n" : "  ", stdout);
		}
	}
	table->n_printed = n_rows;
}

char *cli_age(const char *created_at)
{
	int64_t time, s;

	if (kk_time_parse(created_at, &time) < 0 || time == KK_TIME_ZERO)
		return kk_xstrdup("-");
	s = (kk_time_now() - time) / 1000000000;
	if (s < 0)
		s = 0;
	if (s < 60)
		return kk_xprintf("%llds", (long long)s);
	if (s < 3600)
		return kk_xprintf("%lldm", (long long)s / 60);
	if (s < 86400)
		return kk_xprintf("%lldh", (long long)s / 3600);
	return kk_xprintf("%lldd", (long long)s / 86400);
}

char *cli_size(int64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes;
	size_t unit = 0;

	if (bytes <= 0)
		return kk_xstrdup("-");
	if (bytes < 1024)
		return kk_xprintf("%lld B", (long long)bytes);
	value /= 1024;
	while (value >= 1024 && unit + 1 < KK_COUNT(units)) {
		value /= 1024;
		unit++;
	}
	return kk_xprintf("%.1f %s", value, units[unit]);
}
