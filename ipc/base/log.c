/* ipc/base/log.c */
#include <kukeon/log.h>

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <kukeon/fd.h>

enum { LINE_MAX_BYTES = 4096, STAMP_BYTES = 25 };

static const char *const level_names[] = {"error", "warning", "info", "debug", "trace"};

static struct {
	const char *role;
	unsigned generation;
	int level;
	int patience_ms;
	bool is_journal;
	unsigned n_lost;
} self = {.role = "kuke", .level = KK_LEVEL_WARNING, .patience_ms = -1};

/* A thread works for one operation at a time. */
static _Thread_local uint64_t self_op;

void kk_log_open(const char *role, unsigned generation, int level)
{
	self.role = role;
	self.generation = generation;
	self.level = level;
}

void kk_log_set_patience(int ms)
{
	self.patience_ms = ms;
}

void kk_log_find_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	self.is_journal = stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
		fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void kk_log_set_level(int level)
{
	self.level = level;
}

int kk_log_level(void)
{
	return self.level;
}

bool kk_log_is_on(int level)
{
	return level <= self.level;
}

void kk_log_set_op(uint64_t op)
{
	self_op = op;
}

int kk_level_parse(const char *name)
{
	for (int i = 0; i <= KK_LEVEL_TRACE; i++) {
		if (strcasecmp(name, level_names[i]) == 0)
			return i;
	}
	if (strcasecmp(name, "warn") == 0)
		return KK_LEVEL_WARNING;
	return strcasecmp(name, "err") == 0 ? KK_LEVEL_ERROR : -1;
}

const char *kk_level_name(int level)
{
	return level >= 0 && level <= KK_LEVEL_TRACE ? level_names[level] : "none";
}

static size_t escape(char *out, size_t size, const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n + 5 < size; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '\n')
			n += (size_t)snprintf(out + n, size - n, "\\n");
		else if (c < 0x20 || c == 0x7f)
			n += (size_t)snprintf(out + n, size - n, "\\x%02x", c);
		else
			out[n++] = (char)c;
	}
	return n;
}

/* journald takes the priority of a line from `<n>` before it. All stamps are of one width: the level follows. */
static const char *priority_of(const char *line, size_t len)
{
	static const char *const priorities[] = {"<3>", "<4>", "<6>", "<7>", "<7>"};

	for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
		size_t n = strlen(level_names[i]);

		if (len > STAMP_BYTES + n && memcmp(line + STAMP_BYTES, level_names[i], n) == 0)
			return priorities[i];
	}
	return "<6>";
}

static bool line_out(const char *line, size_t len)
{
	char whole[LINE_MAX_BYTES + 4];

	if (!self.is_journal || len > LINE_MAX_BYTES)
		return kk_fd_write_all(STDERR_FILENO, line, len) == 0;
	/* In one piece: lines of other processes may come in between. */
	memcpy(whole, priority_of(line, len), 3);
	memcpy(whole + 3, line, len);
	return kk_fd_write_all(STDERR_FILENO, whole, len + 3) == 0;
}

/* A pipe that is ready takes at least PIPE_BUF bytes, more than a line has, without blocking. */
static bool line_write(const char *line, size_t len)
{
	struct pollfd pfd = {.fd = STDERR_FILENO, .events = POLLOUT};

	if (self.patience_ms >= 0 &&
		(poll(&pfd, 1, self.patience_ms) != 1 || !(pfd.revents & POLLOUT)))
		return false;
	return line_out(line, len);
}

/* All stamps are of one width, so that columns line up. */
static size_t stamp(char *buf, size_t size)
{
	struct timespec now;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &tm);
	return n + (size_t)snprintf(buf + n, size - n, ".%03ldZ", now.tv_nsec / 1000000);
}

/* Returns the length of the line in @line, of LINE_MAX_BYTES. */
static size_t line_make(char *line, int level, const char *role, unsigned generation, uint64_t op,
	const char *text, size_t len)
{
	size_t n = stamp(line, LINE_MAX_BYTES);

	n += (size_t)snprintf(line + n, LINE_MAX_BYTES - n, " %s %s gen=%u", kk_level_name(level),
		role, generation);
	if (op)
		n += (size_t)snprintf(line + n, LINE_MAX_BYTES - n, " op=%016llx",
			(unsigned long long)op);
	line[n++] = ' ';
	n += escape(line + n, LINE_MAX_BYTES - n - 1, text, len);
	line[n++] = '\n';
	return n;
}

/* A gap in the log is told before it goes on. */
static bool lost_tell(void)
{
	char line[LINE_MAX_BYTES], text[64];
	int n = snprintf(text, sizeof text, "%u log lines were lost, nobody read them",
		self.n_lost);

	return line_write(line,
		line_make(line, KK_LEVEL_WARNING, self.role, self.generation, 0, text, (size_t)n));
}

void kk_log_pass(const char *line, size_t len)
{
	if (self.n_lost && lost_tell())
		self.n_lost = 0;
	if (self.n_lost || !line_write(line, len))
		self.n_lost++;
}

static void emit(int level, const char *role, unsigned generation, uint64_t op, const char *text,
	size_t len)
{
	char line[LINE_MAX_BYTES];

	kk_log_pass(line, line_make(line, level, role, generation, op, text, len));
}

void kk_log_line(int level, const char *format, ...)
{
	char text[LINE_MAX_BYTES - 128];
	va_list ap;
	int n;

	if (!kk_log_is_on(level))
		return;
	va_start(ap, format);
	n = vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	if (n < 0)
		return;
	emit(level, self.role, self.generation, self_op, text,
		(size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

void kk_log_foreign(int level, const char *role, unsigned generation, const char *text, size_t len)
{
	emit(level, role, generation, 0, text, len);
}
