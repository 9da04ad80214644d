/* workers/cgroup/stat.c - what a cgroup uses. A value that can't be read is 0. */
#include "cg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kukeon/auto.h>
#include <kukeon/buf.h>
#include <kukeon/fd.h>

enum { V1_UNLIMITED_SLACK = 65536 }; /* bytes of the largest page */

static bool file_text(const char *controller, const char *path, const char *file,
	struct kk_buf *text)
{
	char full[CG_PATH_MAX];

	return cg_tree_file(controller, path, file, full, sizeof full) == 0 &&
		kk_file_read(full, text, NULL) == 0 && text->len > 0;
}

static uint64_t number(const char *controller, const char *path, const char *file)
{
	kk_auto_buf text = {.max = 4096};

	/* "max" reads as 0: no limit. */
	return file_text(controller, path, file, &text) ? strtoull((char *)text.data, NULL, 10) : 0;
}

/* v1 writes no limit as the largest number of whole pages. */
static uint64_t v1_limit(const char *path)
{
	uint64_t limit = number("memory", path, "memory.limit_in_bytes");

	return limit > INT64_MAX - V1_UNLIMITED_SLACK ? 0 : limit;
}

/* The number behind @key in a file of `key number` lines. */
static uint64_t keyed(const char *controller, const char *path, const char *file, const char *key)
{
	kk_auto_buf text = {.max = 65536};
	size_t len = strlen(key);

	if (!file_text(controller, path, file, &text))
		return 0;
	for (const char *line = (char *)text.data; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) == 0 && line[len] == ' ')
			return strtoull(line + len, NULL, 10);
	}
	return 0;
}

void cg_stat_read(const char *path, struct cg_stat *ret_stat)
{
	if (cg_tree_is_v2()) {
		*ret_stat = (struct cg_stat){
			.memory_bytes = number("memory", path, "memory.current"),
			.memory_limit_bytes = number("memory", path, "memory.max"),
			.cpu_usage_us = keyed("cpu", path, "cpu.stat", "usage_usec"),
			.pids = number("pids", path, "pids.current"),
			.oom_kills = keyed("memory", path, "memory.events", "oom_kill"),
		};
	} else {
		*ret_stat = (struct cg_stat){
			.memory_bytes = number("memory", path, "memory.usage_in_bytes"),
			.memory_limit_bytes = v1_limit(path),
			.cpu_usage_us = number("cpuacct", path, "cpuacct.usage") / 1000,
			.pids = number("pids", path, "pids.current"),
			.oom_kills = keyed("memory", path, "memory.oom_control", "oom_kill"),
		};
	}
}
