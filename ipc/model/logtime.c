/* ipc/model/logtime.c */
#include <kukeon/logtime.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void kk_logtime_format(int64_t time, int64_t bytes, char *line)
{
	snprintf(line, KK_LOGTIME_LINE + 1, "%019lld %019lld\n", (long long)time, (long long)bytes);
}

/* 0, or -1 for no such line. */
static int line_parse(const char *line, int64_t *ret_time, int64_t *ret_bytes)
{
	char copy[KK_LOGTIME_LINE + 1], *end;

	memcpy(copy, line, KK_LOGTIME_LINE);
	copy[KK_LOGTIME_LINE] = '\0';
	*ret_time = strtoll(copy, &end, 10);
	if (end != copy + KK_LOGTIME_LINE / 2 - 1 || *end != ' ')
		return -1;
	*ret_bytes = strtoll(end + 1, &end, 10);
	return end == copy + KK_LOGTIME_LINE - 1 && *end == '\n' && *ret_bytes >= 0 ? 0 : -1;
}

int64_t kk_logtime_find(const char *text, size_t len, int64_t time)
{
	int64_t found = 0, line_time, bytes;

	for (size_t at = 0; at + KK_LOGTIME_LINE <= len; at += KK_LOGTIME_LINE) {
		if (line_parse(text + at, &line_time, &bytes) < 0)
			return 0;
		if (line_time > time)
			break;
		found = bytes;
	}
	return found;
}

size_t kk_logtime_thin(char *text, size_t len)
{
	size_t n = len / KK_LOGTIME_LINE, kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (i < n / 2 && i % 2)
			continue;
		memmove(text + kept * KK_LOGTIME_LINE, text + i * KK_LOGTIME_LINE, KK_LOGTIME_LINE);
		kept++;
	}
	return kept * KK_LOGTIME_LINE;
}
