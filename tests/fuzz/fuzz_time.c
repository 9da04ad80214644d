/* tests/fuzz/fuzz_time.c - times and durations as text: what is read is written and read again as
 * the same, and nothing is read that RFC 3339 or Go's durations do not have. */
#include "fuzz.h"

#include <kukeon/clock.h>

/* Has @s the shape of @pattern, where 0 is any digit? Returns what is behind it, or NULL. */
static const char *shape(const char *s, const char *pattern)
{
	for (; *pattern; s++, pattern++) {
		if (*pattern == '0' ? *s < '0' || *s > '9' : *s != *pattern)
			return NULL;
	}
	return s;
}

static bool is_rfc3339(const char *s)
{
	const char *end = shape(s, "0000-00-00T00:00:00");

	if (end && *end == '.')
		end = shape(end, ".0") ? end + 1 + strspn(end + 1, "0123456789") : NULL;
	if (end && (*end == '+' || *end == '-'))
		end = shape(end + 1, "00:00");
	else if (end)
		end = shape(end, "Z");
	return end && !*end;
}

/* Are the numbers of a text of that shape those of a time? Leap seconds and the ends of months are
 * left out. */
static bool is_in_range(const char *s)
{
	int month = 0, day = 0, hour = 0, minute = 0, second = 0, zone_hour = 0, zone_minute = 0;
	const char *sign = strpbrk(s + 19, "+-");

	sscanf(s, "%*4d-%2d-%2dT%2d:%2d:%2d", &month, &day, &hour, &minute, &second);
	if (sign)
		sscanf(sign, "%*c%2d:%2d", &zone_hour, &zone_minute);
	return month >= 1 && month <= 12 && day >= 1 && day <= 28 && hour <= 23 && minute <= 59 &&
		second <= 59 && zone_hour <= 23 && zone_minute <= 59;
}

static void format_check(int64_t time)
{
	char text[KK_TIME_TEXT], twice[KK_TIME_TEXT];
	int64_t again;

	kk_time_format(time, text);
	fuzz_require(is_rfc3339(text));
	fuzz_require(kk_time_parse(text, &again) == 0);
	fuzz_require(again == time);
	kk_time_format(again, twice);
	fuzz_require(strcmp(text, twice) == 0);
}

static void time_check(const char *s)
{
	int64_t time;

	if (kk_time_parse(s, &time) < 0) {
		fuzz_require(!is_rfc3339(s) || !is_in_range(s));
		return;
	}
	fuzz_require(is_rfc3339(s));
	format_check(time);
}

static void duration_check(const char *s)
{
	kk_auto_free char *text = NULL;
	int64_t ms, again;

	if (kk_duration_parse(s, &ms) < 0)
		return;
	fuzz_require(!s[1 + strspn(s + 1, "0123456789.numsh\xc2\xb5\xce\xbc")]);
	text = kk_xprintf("%lldms", (long long)ms);
	fuzz_require(kk_duration_parse(text, &again) == 0);
	fuzz_require(ms == again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	kk_auto_free char *text = kk_xstrndup((const char *)data, size);
	int64_t time;

	time_check(text);
	duration_check(text);
	if (size == sizeof time) {
		memcpy(&time, data, sizeof time);
		format_check(time);
	}
	return 0;
}
