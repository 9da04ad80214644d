/* ipc/model/logtime.c */
#include <kukeon/logtime.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kukeon/mem.h>

enum { DIGITS = 19, AT_END = 2 * DIGITS + 1 };

char *kk_logfile_path(const char *log, int64_t n, const char *suffix)
{
	return n ? kk_xprintf("%s.%lld%s", log, (long long)n, suffix) :
		   kk_xprintf("%s%s", log, suffix);
}

void kk_logtime_format(const struct kk_logtime *entry, char *line)
{
	snprintf(line, KK_LOGTIME_LINE + 1, "%0*lld %0*lld %c\n", DIGITS, (long long)entry->time,
		DIGITS, (long long)entry->at, entry->stream == KK_STREAM_ERR ? 'e' : 'o');
}

int kk_logtime_parse(const char *line, struct kk_logtime *ret_entry)
{
	char copy[KK_LOGTIME_LINE + 1], *end;
	struct kk_logtime entry;

	memcpy(copy, line, KK_LOGTIME_LINE);
	copy[KK_LOGTIME_LINE] = '\0';
	entry.time = strtoll(copy, &end, 10);
	if (end != copy + DIGITS || *end != ' ')
		return -1;
	entry.at = strtoll(end + 1, &end, 10);
	if (end != copy + AT_END || entry.at < 0 ||
		(strcmp(end, " o\n") != 0 && strcmp(end, " e\n") != 0))
		return -1;
	entry.stream = end[1] == 'e' ? KK_STREAM_ERR : KK_STREAM_OUT;
	*ret_entry = entry;
	return 0;
}
