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
	seconds = (time_t)(time / NS_PER_S);
	if (ns < 0) {
		ns += NS_PER_S;
		seconds--;
	}
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

/* Exactly @n digits, followed by @end. Returns what is behind that, or NULL. */
static const char *digits_parse(const char *s, int n, char end, int *ret)
{
	*ret = 0;
	for (; n > 0; n--, s++) {
		if (*s < '0' || *s > '9')
			return NULL;
		*ret = *ret * 10 + (*s - '0');
	}
	if (!end)
		return s;
	return *s == end ? s + 1 : NULL;
}

static const char *date_time_parse(const char *s, struct tm *tm)
{
	if ((s = digits_parse(s, 4, '-', &tm->tm_year)) &&
		(s = digits_parse(s, 2, '-', &tm->tm_mon)) &&
		(s = digits_parse(s, 2, 'T', &tm->tm_mday)) &&
		(s = digits_parse(s, 2, ':', &tm->tm_hour)) &&
		(s = digits_parse(s, 2, ':', &tm->tm_min)))
		s = digits_parse(s, 2, '\0', &tm->tm_sec);
	tm->tm_year -= 1900;
	tm->tm_mon -= 1;
	return s;
}

/* `Z`, `+02:00`, to the end. */
static int zone_parse(const char *s, int64_t *ret_offset)
{
	int hours, minutes, sign = *s == '-' ? -1 : 1;

	*ret_offset = 0;
	if (strcmp(s, "Z") == 0)
		return 0;
	if (*s != '+' && *s != '-')
		return -1;
	s = digits_parse(s + 1, 2, ':', &hours);
	if (s)
		s = digits_parse(s, 2, '\0', &minutes);
	if (!s || *s || hours > 23 || minutes > 59)
		return -1;
	*ret_offset = sign * (hours * 3600LL + minutes * 60LL);
	return 0;
}

int kk_time_parse(const char *s, int64_t *ret_time)
{
	struct tm tm = {0}, normal;
	int64_t ns = 0, offset, seconds;
	const char *end = date_time_parse(s, &tm);

	if (!end || (*end == '.' && !(end = fraction_parse(end + 1, &ns))) ||
		zone_parse(end, &offset) < 0)
		return -1;
	normal = tm;
	seconds = timegm(&normal);
	/* A date that there is comes out as it went in. */
	if (normal.tm_mon != tm.tm_mon || normal.tm_mday != tm.tm_mday ||
		normal.tm_hour != tm.tm_hour || normal.tm_min != tm.tm_min ||
		normal.tm_sec != tm.tm_sec)
		return -1;
	seconds -= offset;
	/* Outside what 64 bits of nanoseconds hold (years 1678 to 2262) only year 1 has a meaning. */
	if (seconds < 0 && ns > 0) {
		seconds++;
		ns -= NS_PER_S;
	}
	if (__builtin_mul_overflow(seconds, (int64_t)NS_PER_S, ret_time) ||
		__builtin_add_overflow(*ret_time, ns, ret_time))
		*ret_time = KK_TIME_ZERO;
	return 0;
}

/* A decimal number such as 1, 1.5, .5; NULL where there is none. */
static const char *decimal_parse(const char *s, double *ret)
{
	const char *start = s;
	double unit = 1;

	*ret = 0;
	for (; *s >= '0' && *s <= '9'; s++)
		*ret = *ret * 10 + (*s - '0');
	if (*s == '.') {
		for (s++; *s >= '0' && *s <= '9'; s++)
			*ret += (*s - '0') * (unit /= 10);
		start++;
	}
	return s > start ? s : NULL;
}

int kk_duration_parse(const char *s, int64_t *ret_ms)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = {{"ns", 1e-6}, {"us", 1e-3}, {"\u00b5s", 1e-3}, {"\u03bcs", 1e-3}, {"ms", 1},
		{"s", 1e3}, {"m", 6e4}, {"h", 3.6e6}};
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
		double value;
		size_t len, i;

		s = decimal_parse(s, &value);
		if (!s)
			return -1;
		len = strcspn(s, ".0123456789");
		for (i = 0; i < sizeof units / sizeof units[0]; i++) {
			if (strlen(units[i].unit) == len && strncmp(units[i].unit, s, len) == 0)
				break;
		}
		if (i == sizeof units / sizeof units[0])
			return -1;
		total += value * units[i].ms;
		s += len;
	}
	if (total > 9e15)
		return -1;
	*ret_ms = (int64_t)(sign * (total + 0.0005));
	return 0;
}
