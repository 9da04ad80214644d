/* workers/cgroup/watch.c - OOM events: inotify on v2, an eventfd in cgroup.event_control on v1. */
#include "cg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <kukeon/auto.h>
#include <kukeon/fd.h>
#include <kukeon/log.h>
#include <kukeon/loop.h>
#include <kukeon/mem.h>
#include <kukeon/worker.h>

enum {
	WATCHES_MAX = 16384,
	LOOK_PAUSE_MS = 10,
	LOOKS_MAX = 100, /* so a victim has a second to die */
};

struct watch {
	struct watch *next;
	struct kk_worker *worker;
	struct kk_watch *source;
	struct kk_timer *timer; /* NULL on v2 */
	char *path;
	int fd;
	uint64_t oom_kills;
	struct cg_identity identity;
	int n_looks; /* since the last event */
};

static struct watch *watches;
static size_t n_watches;

static void watch_remove(struct watch *watch)
{
	struct watch **link = &watches;

	while (*link != watch)
		link = &(*link)->next;
	*link = watch->next;
	n_watches--;
	kk_watch_free(watch->source);
	kk_timer_free(watch->timer);
	kk_closep(&watch->fd);
	free(watch->path);
	free(watch);
}

/* Report what was killed since the last report. False: nothing. */
static bool kills_report(struct watch *watch)
{
	struct cg_stat stat;
	struct kk_req_cgroup_oom event = {.path = watch->path};

	cg_stat_read(watch->path, &stat);
	if (stat.oom_kills <= watch->oom_kills)
		return false;
	watch->oom_kills = event.oom_kills = stat.oom_kills;
	kk_info("out of memory in cgroup '%s' oom_kills=%llu", watch->path,
		(unsigned long long)stat.oom_kills);
	(void)kk_rpc_event(watch->worker->rpc, KK_ROLE_reconciler, KK_MSG_cgroup_oom, &event, 0);
	return true;
}

/* The event of v1 comes before the kernel counts the kill. */
static void watch_on_timer(void *arg)
{
	struct watch *watch = arg;

	if (!kills_report(watch) && ++watch->n_looks < LOOKS_MAX)
		kk_timer_start(watch->timer, LOOK_PAUSE_MS);
}

static bool is_same(const struct watch *watch)
{
	struct cg_identity now;

	return cg_tree_identity(watch->path, &now) &&
		memcmp(&now, &watch->identity, sizeof now) == 0;
}

static void watch_on_event(int fd, unsigned what, void *arg)
{
	struct watch *watch = arg;
	char drain[4096];

	(void)what;
	if (read(fd, drain, sizeof drain) < 0 && errno != EAGAIN)
		kk_debug("reading an OOM event failed: %m");
	/* The removal of the cgroup is an event as well. */
	if (!is_same(watch)) {
		watch_remove(watch);
		return;
	}
	if (!kills_report(watch) && watch->timer) {
		watch->n_looks = 0;
		kk_timer_start(watch->timer, LOOK_PAUSE_MS);
	}
}

static int v2_open(const char *path)
{
	char file[CG_PATH_MAX];
	kk_auto_fd int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd < 0 || cg_tree_file("memory", path, "memory.events", file, sizeof file) < 0 ||
		inotify_add_watch(fd, file, IN_MODIFY | IN_DELETE_SELF) < 0)
		return -1;
	return kk_steal_fd(&fd);
}

static int v1_open(const char *path)
{
	char file[CG_PATH_MAX], text[64];
	kk_auto_fd int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	kk_auto_fd int oom_fd = -1;
	kk_auto_fd int control_fd = -1;

	if (fd < 0 || cg_tree_file("memory", path, "memory.oom_control", file, sizeof file) < 0)
		return -1;
	oom_fd = open(file, O_RDONLY | O_CLOEXEC);
	cg_tree_file("memory", path, "cgroup.event_control", file, sizeof file);
	control_fd = open(file, O_WRONLY | O_CLOEXEC);
	if (oom_fd < 0 || control_fd < 0)
		return -1;
	snprintf(text, sizeof text, "%d %d", fd, oom_fd);
	if (kk_fd_write_all(control_fd, text, strlen(text)) < 0)
		return -1;
	return kk_steal_fd(&fd);
}

int cg_watch_add(struct kk_worker *worker, const char *path, struct kk_err *err)
{
	struct watch *watch;
	struct cg_identity identity;
	struct cg_stat stat;
	int fd, r = cg_path_check(path, err);

	if (r < 0)
		return r;
	for (watch = watches; watch; watch = watch->next) {
		if (strcmp(watch->path, path) == 0)
			break;
	}
	if (watch && is_same(watch))
		return 0;
	/* Of a cgroup that was removed, and made again under its name. */
	if (watch)
		watch_remove(watch);
	if (n_watches >= WATCHES_MAX)
		return kk_fail(err, KK_E_TOO_BIG, "more than %d cgroups are watched", WATCHES_MAX);
	if (!cg_tree_identity(path, &identity))
		return kk_fail(err, KK_E_CGROUP_NOT_FOUND, "cgroup '%s' does not exist", path);
	fd = cg_tree_is_v2() ? v2_open(path) : v1_open(path);
	if (fd < 0)
		return kk_fail_errno(err, KK_E_CGROUP, "watch cgroup '%s'", path);
	cg_stat_read(path, &stat);
	watch = kk_xalloc(sizeof *watch);
	*watch = (struct watch){
		.next = watches,
		.worker = worker,
		.path = kk_xstrdup(path),
		.fd = fd,
		.oom_kills = stat.oom_kills,
		.identity = identity,
	};
	watches = watch;
	n_watches++;
	watch->source = kk_watch_new(worker->loop, "oom", fd, KK_READ, watch_on_event, watch);
	if (!cg_tree_is_v2())
		watch->timer = kk_timer_new(worker->loop, "oom", watch_on_timer, watch);
	return 0;
}
