/* ipc/base/clock.c */
#include <kukeon/clock.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS_PER_S 1000000000LL

static int64_t boottime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t kk_clock_ms(void)
{
	return boottime_ns() / 1000000;
}

int64_t kk_clock_us(void)
{
	return boottime_ns() / 1000;
}

int64_t kk_time_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

void kk_time_format(int64_t time, char *buf)
{
	time_t seconds;
	int64_t ns;
	struct tm tm;
	size_t n;

	if (time == KK_TIME_ZERO) {
		snprintf(buf, KK_TIME_TEXT, "0001-01-01T00:00:00Z");
		return;
	}
	ns = time % NS_PER_S;
	if (ns < 0)
		ns += NS_PER_S;
	seconds = (time_t)((time - ns) / NS_PER_S);
	gmtime_r(&seconds, &tm);
	n = strftime(buf, KK_TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
	if (ns) {
		n += (size_t)snprintf(buf + n, KK_TIME_TEXT - n, ".%09lld", (long long)ns);
		while (buf[n - 1] == '0')
			n--;
	}
	snprintf(buf + n, KK_TIME_TEXT - n, "Z");
}

/* The digits behind a decimal point, as nanoseconds. */
static const char *fraction_parse(const char *s, int64_t *ret_ns)
{
	int64_t ns = 0, unit = NS_PER_S / 10;
	const char *start = s;

	for (; *s >= '0' && *s <= '9'; s++, unit /= 10)
		ns += (*s - '0') * unit;
	*ret_ns = ns;
	return s == start ? NULL : s;
}

int kk_time_parse(const char *s, int64_t *ret_time)
{
	struct tm tm = {0};
	int64_t ns = 0, offset = 0, seconds;
	const char *end = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);

	if (!end)
		return -1;
	if (*end == '.' && !(end = fraction_parse(end + 1, &ns)))
		return -1;
	if (*end == '+' || *end == '-') {
		int hours, minutes, used = 0;

		if (sscanf(end + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 || end[1 + used])
			return -1;
		offset = (*end == '+' ? 1 : -1) * (hours * 3600LL + minutes * 60LL);
	} else if (strcmp(end, "Z") != 0) {
		return -1;
	}
	seconds = timegm(&tm) - offset;
	/* Outside what 64 bits of nanoseconds hold (years 1678 to 2262) only year 1 has a meaning. */
	if (seconds < -9200000000LL || seconds > 9200000000LL)
		*ret_time = KK_TIME_ZERO;
	else
		*ret_time = seconds * NS_PER_S + ns;
	return 0;
}

int kk_duration_parse(const char *s, int64_t *ret_ms)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = {{"ns", 1e-6}, {"us", 1e-3}, {"ms", 1}, {"s", 1e3}, {"m", 6e4}, {"h", 3.6e6}};
	double total = 0, sign = 1;

	if (*s == '-' || *s == '+')
		sign = *s++ == '-' ? -1 : 1;
	if (strcmp(s, "0") == 0) {
		*ret_ms = 0;
		return 0;
	}
	if (!*s)
		return -1;
	while (*s) {
		char *end;
		double value;
		size_t unit_len, i;

		if ((*s < '0' || *s > '9') && *s != '.')
			return -1;
		value = strtod(s, &end);
		unit_len = strspn(end, "numsh");
		for (i = 0; i < sizeof units / sizeof units[0]; i++) {
			if (strlen(units[i].unit) == unit_len &&
				strncmp(units[i].unit, end, unit_len) == 0)
				break;
		}
		if (end == s || i == sizeof units / sizeof units[0])
			return -1;
		total += value * units[i].ms;
		s = end + unit_len;
	}
	if (total > 9e15)
		return -1;
	*ret_ms = (int64_t)(sign * total);
	return 0;
}
