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
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <kukeon/auto.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>

enum { ARMS_MAX = 32, EXIT_FAULT = 3 };

enum action { NOTE, KILL, CRASH, STOP, EXIT, HANG, DELAY, ERROR, CORRUPT, SYSCALL, ORPHAN };

static const char *const action_names[] = {"note", "kill", "crash", "stop", "exit", "hang", "delay",
	"error", "corrupt", "syscall", "orphan"};

struct arm {
	char *point; /* pattern */
	enum action action;
	long times;  /* 0: always */
	long number; /* of milliseconds, or of a system call */
	int code;
	pid_t parent;
};

static const char *const fault_names[] = {
#define KK_FAULT(role, name, when) #role "." #name,
#include <kukeon/faults.def>
#undef KK_FAULT
};

struct set {
	struct arm arms[ARMS_MAX];
	size_t n;
	char *dir;
};

static struct {
	pthread_mutex_t mutex;
	struct set set;
	bool was_env_read;
} armed = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local bool is_corrupt;

static void set_release(struct set *set)
{
	for (size_t i = 0; i < set->n; i++)
		free(set->arms[i].point);
	free(set->dir);
	*set = (struct set){0};
}

static int nonsense(const char *what, const char *why, struct kk_err *err)
{
	return kk_fail(err, KK_E_USAGE, "fault specification: '%s' %s", what, why);
}

static int number_parse(const char *text, long *ret, struct kk_err *err)
{
	char *end;

	*ret = strtol(text, &end, 10);
	return end == text || *end || *ret < 0 ? nonsense(text, "is no number", err) : 0;
}

static int code_parse(const char *name, int *ret_code, struct kk_err *err)
{
	for (int code = KK_CODE_BASE + 1; code < KK_CODE_END; code++) {
		if (strcmp(kk_code_name(code), name) == 0) {
			*ret_code = code;
			return 0;
		}
	}
	return nonsense(name, "is no error code", err);
}

/* `2*delay(50)` */
static int action_parse(char *text, struct arm *arm, struct kk_err *err)
{
	char *star = strchr(text, '*'), *name = star ? star + 1 : text, *open = strchr(name, '(');

	if (star)
		*star = '\0';
	if (star && number_parse(text, &arm->times, err) < 0)
		return kk_failed(err);
	if (open) {
		*open++ = '\0';
		open[strcspn(open, ")")] = '\0';
	}
	for (size_t i = 0; i < KK_COUNT(action_names); i++) {
		if (strcmp(name, action_names[i]) != 0)
			continue;
		arm->action = (enum action)i;
		arm->parent = getppid();
		if (arm->action == DELAY || arm->action == SYSCALL)
			return number_parse(kk_str(open), &arm->number, err);
		return arm->action == ERROR ? code_parse(kk_str(open), &arm->code, err) : 0;
	}
	return nonsense(name, "is no action", err);
}

static int entry_parse(char *entry, struct set *set, struct kk_err *err)
{
	const char *point = strsep(&entry, "=");

	if (!*point)
		return 0;
	if (!entry)
		return nonsense(point, "has no action", err);
	if (strcmp(point, "dir") == 0) {
		kk_str_set(&set->dir, entry);
		return 0;
	}
	if (set->n == ARMS_MAX)
		return nonsense(point, "is one entry too many", err);
	set->arms[set->n].point = kk_xstrdup(point);
	return action_parse(entry, &set->arms[set->n++], err);
}

static int set_parse(const char *specification, struct set *set, struct kk_err *err)
{
	kk_auto_free char *text = kk_xstrdup(specification);
	char *rest = text, *entry;

	while ((entry = strsep(&rest, ";"))) {
		if (entry_parse(entry, set, err) < 0)
			return kk_failed(err);
	}
	for (size_t i = 0; i < set->n && !set->dir; i++) {
		if (set->arms[i].times || set->arms[i].action == NOTE)
			return nonsense(set->arms[i].point,
				"is counted in files: dir=<directory> is missing", err);
	}
	return 0;
}

int kk_fault_arm(const char *specification, struct kk_err *err)
{
	struct set set = {0}, old;

	if (set_parse(specification, &set, err) < 0) {
		set_release(&set);
		return kk_failed(err);
	}
	pthread_mutex_lock(&armed.mutex);
	old = armed.set;
	armed.set = set;
	armed.was_env_read = true;
	pthread_mutex_unlock(&armed.mutex);
	set_release(&old);
	return 0;
}

/* Nobody else can have armed anything yet. */
static void env_read_locked(void)
{
	struct kk_err err = {0};
	char text[KK_ERR_TEXT];

	armed.was_env_read = true;
	if (set_parse(kk_str(getenv("KUKEON_FAULTS")), &armed.set, &err) == 0)
		return;
	kk_err_format(&err, text, sizeof text);
	kk_error("KUKEON_FAULTS: %s", text);
	_exit(EXIT_FAULT);
}

/* Whoever makes the file may fire: it stays when its maker dies of it. */
static bool file_make(const char *name)
{
	kk_auto_free char *path = kk_xprintf("%s/%s", kk_str(armed.set.dir), name);
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
		env_read_locked();
	for (size_t i = 0; i < armed.set.n && !found; i++) {
		const struct arm *arm = &armed.set.arms[i];

		found = fnmatch(arm->point, point, 0) == 0 && claim(arm, point);
		if (found)
			*ret_arm = *arm;
	}
	pthread_mutex_unlock(&armed.mutex);
	return found;
}

static int fire(const struct arm *arm, const char *point, struct kk_err *err)
{
	struct timespec length = {arm->number / 1000, arm->number % 1000 * 1000000L};

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
	case SYSCALL:
		if (syscall(arm->number, 0, 0, 0, 0, 0, 0) < 0)
			kk_warning("system call %ld: %m", arm->number);
		break;
	case ORPHAN:
		/* Not the one that an orphan is handed on to. */
		if (getppid() == arm->parent)
			kill(arm->parent, SIGKILL);
		/* A worker's own end follows from it, here. */
		sleep(1);
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
