/* ipc/base/fault.c */
#include <kukeon/fault.h>

#ifdef KK_WITH_FAULTS

#include <fcntl.h>
#include <fnmatch.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <kukeon/auto.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>

enum { ARMS_MAX = 32, EXIT_FAULT = 3 };

enum action { NOTE, KILL, CRASH, STOP, EXIT, HANG, DELAY, ERROR, CORRUPT };

static const char *const action_names[] = {
	"note", "kill", "crash", "stop", "exit", "hang", "delay", "error", "corrupt"};

struct arm {
	char *point; /* pattern */
	enum action action;
	long times; /* 0: always */
	long ms;
	int code;
};

static const char *const fault_names[] = {
#define KK_FAULT(role, name, when) #role "." #name,
#include <kukeon/faults.def>
#undef KK_FAULT
};

static struct {
	pthread_mutex_t mutex;
	struct arm arms[ARMS_MAX];
	size_t n;
	char *dir;
	bool was_env_read;
} armed = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local bool is_corrupt;

static _Noreturn void nonsense(const char *what)
{
	kk_error("fault specification makes no sense: '%s'", what);
	_exit(EXIT_FAULT);
}

static int code_parse(const char *name)
{
	for (int code = KK_CODE_BASE + 1; code < KK_CODE_END; code++) {
		if (strcmp(kk_code_name(code), name) == 0)
			return code;
	}
	nonsense(name);
}

/* `2*delay(50)` */
static void action_parse(char *text, struct arm *arm)
{
	char *star = strchr(text, '*'), *open = strchr(text, '('), *name = star ? star + 1 : text;

	arm->times = star ? strtol(text, NULL, 10) : 0;
	if (open) {
		*open++ = '\0';
		open[strcspn(open, ")")] = '\0';
	}
	for (size_t i = 0; i < KK_COUNT(action_names); i++) {
		if (strcmp(name, action_names[i]) != 0)
			continue;
		arm->action = (enum action)i;
		if (arm->action == DELAY)
			arm->ms = strtol(kk_str(open), NULL, 10);
		if (arm->action == ERROR)
			arm->code = code_parse(kk_str(open));
		return;
	}
	nonsense(name);
}

static void entry_parse(char *entry)
{
	const char *point = strsep(&entry, "=");

	if (!*point)
		return;
	if (!entry || armed.n == ARMS_MAX)
		nonsense(point);
	if (strcmp(point, "dir") == 0) {
		kk_str_set(&armed.dir, entry);
		return;
	}
	armed.arms[armed.n].point = kk_xstrdup(point);
	action_parse(entry, &armed.arms[armed.n++]);
}

static void arm_locked(const char *specification)
{
	kk_auto_free char *text = kk_xstrdup(specification);
	char *rest = text, *entry;

	for (size_t i = 0; i < armed.n; i++)
		free(armed.arms[i].point);
	armed.n = 0;
	armed.was_env_read = true;
	while ((entry = strsep(&rest, ";")))
		entry_parse(entry);
}

void kk_fault_arm(const char *specification)
{
	pthread_mutex_lock(&armed.mutex);
	arm_locked(specification);
	pthread_mutex_unlock(&armed.mutex);
}

/* Whoever makes the file may fire: it stays when its maker dies of it. */
static bool file_make(const char *name)
{
	kk_auto_free char *path = kk_xprintf("%s/%s", kk_str(armed.dir), name);
	kk_auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd >= 0;
}

static bool claim(const struct arm *arm, const char *point)
{
	for (long i = 1; i <= arm->times; i++) {
		kk_auto_free char *name = kk_xprintf("%s.%ld", point, i);

		if (file_make(name))
			return true;
	}
	return arm->times == 0;
}

static bool arm_find(const char *point, struct arm *ret_arm)
{
	bool found = false;

	pthread_mutex_lock(&armed.mutex);
	if (!armed.was_env_read)
		arm_locked(kk_str(getenv("KUKEON_FAULTS")));
	for (size_t i = 0; i < armed.n && !found; i++) {
		found = fnmatch(armed.arms[i].point, point, 0) == 0 && claim(&armed.arms[i], point);
		if (found)
			*ret_arm = armed.arms[i];
	}
	pthread_mutex_unlock(&armed.mutex);
	return found;
}

static int fire(const struct arm *arm, const char *point, struct kk_err *err)
{
	struct timespec length = {arm->ms / 1000, arm->ms % 1000 * 1000000L};

	if (arm->action != NOTE)
		kk_warning("fault point=%s action=%s", point, action_names[arm->action]);
	switch (arm->action) {
	case NOTE:
		file_make(point);
		break;
	case KILL:
		raise(SIGKILL);
		break;
	case CRASH:
		abort();
	case STOP:
		raise(SIGSTOP);
		break;
	case EXIT:
		_exit(EXIT_FAULT);
	case HANG:
		for (;;)
			pause();
	case DELAY:
		nanosleep(&length, NULL);
		break;
	case ERROR:
		return kk_fail(err, arm->code, "fault at %s", point);
	case CORRUPT:
		is_corrupt = true;
		break;
	}
	return 0;
}

static int point_pass(const char *point, struct kk_err *err)
{
	struct arm arm;

	return arm_find(point, &arm) ? fire(&arm, point, err) : 0;
}

int kk_fault(enum kk_fault fault, struct kk_err *err)
{
	return point_pass(fault_names[fault], err);
}

int kk_fault_message(const char *role, const char *message, const char *when, struct kk_err *err)
{
	char point[128];

	snprintf(point, sizeof point, "%s.%s.%s", role, message, when);
	return point_pass(point, err);
}

bool kk_fault_corrupts(void)
{
	bool was = is_corrupt;

	is_corrupt = false;
	return was;
}

#endif
