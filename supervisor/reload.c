/* supervisor/reload.c */
#include "reload.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kukeon/auto.h>
#include <kukeon/clock.h>
#include <kukeon/config.h>
#include <kukeon/entry.h>
#include <kukeon/fd.h>
#include <kukeon/log.h>
#include <kukeon/loop.h>
#include <kukeon/mem.h>
#include <kukeon/supervisor.h>

#include "front.h"
#include "handover.h"
#include <kukeon/notify.h>
#include "sv.h"

enum {
	CHECK_MS = 5000,         /* for the check of the binary */
	FOLLOW_MS = 60000,       /* until all workers have followed */
	CHECK_OUTPUT_MAX = 4096, /* bytes of what it says */
};

#define CHECK_ENV "KUKEON_RELOAD_CHECK"
#define HANDOVER_ENV "KUKEON_HANDOVER_FD"

struct sv_reload {
	struct kk_loop *loop;
	struct kk_supervisor *sv;
	struct sv_front *front;
	char *instance;
	int lock_fd;
	int host_fd; /* -1: none */
	char **argv;
	char *path; /* of the file that we were started from */
	struct kk_timer *timer;
	bool is_under_way;
	bool is_wanted; /* again, behind the one that is under way */
	/* The check. */
	pid_t pid;
	int image_fd;
	int output_fd;
	struct kk_watch *watch;
	struct kk_buf output;
	char token[128]; /* what it must say */
};

/* --- the new program's side --- */

bool sv_reload_is_check(void)
{
	return getenv(CHECK_ENV) != NULL;
}

/* What must be the same for both is part of it. */
static void token_make(const char *nonce, const char *instance, char *buf, size_t size)
{
	snprintf(buf, size, "takes over %s version %d instance %s", nonce, SV_HANDOVER_VERSION,
		instance);
}

void sv_reload_check_pass(const struct kk_config *config)
{
	kk_auto_free char *instance = kk_config_instance_id(config);
	char token[128];

	token_make(kk_str(getenv(CHECK_ENV)), instance, token, sizeof token);
	printf("%s\n", token);
	(void)fflush(stdout);
}

int sv_reload_inherit(struct sv_handover *ret_handover, struct kk_err *err)
{
	const char *text = getenv(HANDOVER_ENV);
	kk_auto_fd int fd = text ? (int)strtol(text, NULL, 10) : -1;

	if (!text)
		return 0;
	unsetenv(HANDOVER_ENV);
	return sv_handover_read(fd, ret_handover, err) < 0 ? kk_failed(err) : 1;
}

/* --- the running supervisor's side --- */

static char *path_of_image(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

	if (n < 0)
		return NULL;
	path[n] = '\0';
	/* Replaced on disk while we started. */
	if (kk_str_ends(path, " (deleted)"))
		path[n - (ssize_t)strlen(" (deleted)")] = '\0';
	return strdup(path);
}

static void check_on_timer(void *arg);

struct sv_reload *sv_reload_new(struct kk_loop *loop, struct kk_supervisor *sv,
	struct sv_front *front, const struct kk_config *config, int lock_fd, int host_fd,
	char **argv)
{
	struct sv_reload *reload = kk_alloc(sizeof *reload);

	if (!reload)
		return NULL;
	*reload = (struct sv_reload){
		.loop = loop,
		.sv = sv,
		.front = front,
		.instance = kk_config_instance_id(config),
		.lock_fd = lock_fd,
		.host_fd = host_fd,
		.argv = argv,
		.path = path_of_image(),
		.image_fd = -1,
		.output_fd = -1,
	};
	reload->timer = kk_timer_new(loop, "reload", check_on_timer, reload);
	kk_buf_init(&reload->output, CHECK_OUTPUT_MAX);
	if (reload->path && reload->timer)
		return reload;
	sv_reload_free(reload);
	return NULL;
}

static void check_reap(struct sv_reload *reload)
{
	if (reload->pid > 0) {
		kill(reload->pid, SIGKILL);
		waitpid(reload->pid, NULL, 0);
	}
	reload->pid = 0;
}

static void check_release(struct sv_reload *reload)
{
	check_reap(reload);
	kk_watch_free(reload->watch);
	reload->watch = NULL;
	kk_closep(&reload->output_fd);
	reload->output_fd = -1;
	kk_closep(&reload->image_fd);
	reload->image_fd = -1;
	kk_buf_clear(&reload->output);
}

void sv_reload_free(struct sv_reload *reload)
{
	if (!reload)
		return;
	check_release(reload);
	kk_timer_free(reload->timer);
	kk_buf_release(&reload->output);
	free(reload->path);
	free(reload->instance);
	free(reload);
}

static void reload_end(struct sv_reload *reload, const struct kk_err *err)
{
	char text[KK_ERR_TEXT * 2];

	kk_timer_stop(reload->timer);
	check_release(reload);
	reload->is_under_way = false;
	if (err) {
		kk_err_format(err, text, sizeof text);
		kk_error("%s", text);
	} else {
		kk_info("reloaded version=%s", KK_VERSION);
	}
	kk_notify("READY=1");
	sv_front_reloaded(reload->front, err);
	if (reload->is_wanted)
		sv_reload_start(reload);
}

static void refuse(struct sv_reload *reload, const char *why)
{
	struct kk_err err = {0};

	kk_fail(&err, KK_E_STATE, "%s can't take over, nothing was changed: %s", reload->path, why);
	reload_end(reload, &err);
}

static int handover_make(struct sv_reload *reload, struct sv_handover *handover, struct kk_err *err)
{
	struct sv_handover copy;
	int fd;

	kk_supervisor_settle(reload->sv);
	handover->doc.lock_fd = reload->lock_fd;
	handover->doc.has_host_root = reload->host_fd >= 0;
	handover->doc.host_fd = reload->host_fd;
	if (kk_supervisor_export(reload->sv, handover) < 0 ||
		sv_front_export(reload->front, handover) < 0)
		return kk_fail(err, KK_E_NOMEM, "no memory for the handover");
	fd = sv_handover_write(handover, err);
	/* What the successor can't read must be found out here: behind the exec there is no way back. */
	if (fd >= 0 && sv_handover_read(fd, &copy, err) < 0) {
		close(fd);
		return kk_failed(err);
	}
	if (fd >= 0)
		sv_handover_release(&copy);
	return fd;
}

/* Returns only when it failed; then all is as before. */
static void image_enter(struct sv_reload *reload, struct kk_err *err)
{
	struct sv_handover handover;
	kk_auto_fd int fd = -1;
	sigset_t all, before;
	char number[16];

	sv_handover_init(&handover);
	fd = handover_make(reload, &handover, err);
	if (fd < 0) {
		sv_handover_release(&handover);
		return;
	}
	snprintf(number, sizeof number, "%d", fd);
	/* A signal that comes in between waits for the successor's handlers. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	sv_handover_keep_fds(&handover, true);
	sv_handover_keep_fd(fd, true);
	setenv(HANDOVER_ENV, number, 1);
	syscall(SYS_execveat, reload->image_fd, "", reload->argv, environ, AT_EMPTY_PATH);
	kk_fail_errno(err, KK_E_IO, "run %s", reload->path);
	unsetenv(HANDOVER_ENV);
	sv_handover_keep_fds(&handover, false);
	sigprocmask(SIG_SETMASK, &before, NULL);
	sv_handover_release(&handover);
}

/* The last line is the token; what stands above it is why there is none. */
static void check_judge(struct sv_reload *reload)
{
	struct kk_buf *output = &reload->output;
	char *text = output->len ? (char *)output->data : (char *)"", *last;
	struct kk_err err = {0};

	while (output->len && text[output->len - 1] == '\n')
		text[--output->len] = '\0';
	last = strrchr(text, '\n');
	last = last ? last + 1 : text;
	check_reap(reload);
	if (strcmp(last, reload->token) != 0) {
		refuse(reload, *last ? last : "its check of itself says nothing");
		return;
	}
	kk_info("reloading from %s", reload->path);
	image_enter(reload, &err);
	reload_end(reload, &err);
}

static void check_on_output(int fd, unsigned what, void *arg)
{
	struct sv_reload *reload = arg;
	uint8_t *room = kk_buf_reserve(&reload->output, 512);
	char waste[512];
	ssize_t n = read(fd, room ? (void *)room : waste, sizeof waste);

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		if (room)
			kk_buf_added(&reload->output, (size_t)n);
		return;
	}
	check_judge(reload);
}

static void check_on_timer(void *arg)
{
	struct sv_reload *reload = arg;
	struct kk_err err = {0};

	if (reload->pid > 0) {
		refuse(reload, "its check of itself does not end");
		return;
	}
	kk_fail(&err, KK_E_TIMEOUT, "reloaded, but the workers did not follow within %d s",
		FOLLOW_MS / 1000);
	reload_end(reload, &err);
}

static _Noreturn void check_exec(const struct sv_reload *reload, int output)
{
	sv_signals_reset();
	(void)dup2(output, STDOUT_FILENO);
	(void)dup2(output, STDERR_FILENO);
	syscall(SYS_execveat, reload->image_fd, "", reload->argv, environ, AT_EMPTY_PATH);
	dprintf(STDERR_FILENO, "%s", kk_errno_text(errno));
	_exit(127);
}

static int check_start(struct sv_reload *reload, struct kk_err *err)
{
	uint64_t nonce = 0;
	char number[20];
	int output[2];

	reload->image_fd = open(reload->path, O_RDONLY | O_CLOEXEC);
	if (reload->image_fd < 0)
		return kk_fail_errno(err, KK_E_IO, "open %s", reload->path);
	if (pipe2(output, O_CLOEXEC) < 0)
		return kk_fail_errno(err, KK_E_IO, "create a pipe");
	reload->output_fd = output[0];
	kk_fd_nonblock(output[0]);
	(void)!getrandom(&nonce, sizeof nonce, 0);
	snprintf(number, sizeof number, "%016llx", (unsigned long long)nonce);
	token_make(number, reload->instance, reload->token, sizeof reload->token);
	setenv(CHECK_ENV, number, 1);
	reload->pid = fork();
	if (reload->pid == 0)
		check_exec(reload, output[1]);
	unsetenv(CHECK_ENV);
	close(output[1]);
	if (reload->pid < 0)
		return kk_fail_errno(err, KK_E_IO, "fork");
	reload->watch = kk_watch_new(reload->loop, "reload check", output[0], KK_READ,
		check_on_output, reload);
	if (!reload->watch)
		return kk_fail(err, KK_E_NOMEM, "no memory for the check");
	return 0;
}

void sv_reload_cancel(struct sv_reload *reload)
{
	struct kk_err err = {0};

	reload->is_wanted = false;
	kk_fail(&err, KK_E_SHUTDOWN, "the daemon is going down");
	if (reload->is_under_way)
		reload_end(reload, &err);
	else
		sv_front_reloaded(reload->front, &err);
}

void sv_reload_start(struct sv_reload *reload)
{
	struct kk_err err = {0};

	reload->is_wanted = reload->is_under_way;
	if (reload->is_under_way)
		return;
	reload->is_under_way = true;
	kk_notify_reloading();
	kk_timer_start(reload->timer, CHECK_MS);
	if (check_start(reload, &err) < 0)
		reload_end(reload, &err);
}

static void followed(void *arg)
{
	struct sv_reload *reload = arg;

	/* Too late: another reload is under way by now, or none. */
	if (reload->is_under_way && !reload->pid)
		reload_end(reload, NULL);
}

void sv_reload_finish(struct sv_reload *reload)
{
	reload->is_under_way = true;
	kk_timer_start(reload->timer, FOLLOW_MS);
	kk_supervisor_follow(reload->sv, followed, reload);
}
