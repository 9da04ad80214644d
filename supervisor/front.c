/* supervisor/front.c - the listener of the API socket: who may connect, how many, and the drain at the end. */
#include "front.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <kukeon/auto.h>
#include <kukeon/fd.h>
#include <kukeon/log.h>
#include <kukeon/loop.h>
#include <kukeon/mem.h>
#include <kukeon/supervisor.h>

#include "api.h"

void sv_front_check(struct sv_front *front)
{
	void (*fn)(void *arg) = front->drained_fn;

	sv_call_bury(front);
	if (!front->is_draining || front->n_calls || !fn)
		return;
	for (struct sv_client *c = front->clients; c; c = c->next) {
		if (c->out.len)
			return;
	}
	front->drained_fn = NULL;
	fn(front->drained_arg);
}

/* Out of descriptors: without this, the connection that can't be accepted wakes us for ever. */
static void client_refuse(struct sv_front *front)
{
	int fd;

	kk_closep(&front->spare_fd);
	fd = accept4(front->fd, NULL, NULL, SOCK_CLOEXEC);
	kk_closep(&fd);
	front->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	kk_warning("no descriptor left for a client, refused it");
}

/* The kernel gives the lowest that is free, so that its number tells how many are left. */
static bool fd_is_reserved(int fd)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
		(rlim_t)fd + SV_FDS_RESERVED >= limit.rlim_cur;
}

static void front_on_ready(int fd, unsigned what, void *arg)
{
	struct sv_front *front = arg;
	int client_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what;
	if (client_fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			client_refuse(front);
		return;
	}
	if (front->n_clients >= SV_CLIENTS_MAX || fd_is_reserved(client_fd) ||
		!sv_client_new(front, client_fd)) {
		kk_warning("too many clients, refused one");
		close(client_fd);
	}
}

static int stale_remove(const char *path, struct kk_err *err)
{
	kk_auto_fd int live = -1;
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : kk_fail_errno(err, KK_E_IO, "stat %s", path);
	if (!S_ISSOCK(st.st_mode))
		return kk_fail(err, KK_E_IO, "%s is there and is no socket, refusing to replace it",
			path);
	live = kk_unix_dial(path, SOCK_STREAM, 0);
	if (live >= 0)
		return kk_fail(err, KK_E_IO, "another daemon listens on %s", path);
	if (unlink(path) < 0)
		return kk_fail_errno(err, KK_E_IO, "remove the stale socket %s", path);
	return 0;
}

static int front_listen(struct sv_front *front, int64_t gid, struct kk_err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t mask;
	int r;

	if (strlen(front->path) >= sizeof address.sun_path)
		return kk_fail(err, KK_E_CONFIG, "socket path %s is longer than %zu bytes",
			front->path, sizeof address.sun_path - 1);
	memcpy(address.sun_path, front->path, strlen(front->path) + 1);
	r = stale_remove(front->path, err);
	if (r < 0)
		return r;
	front->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (front->fd < 0)
		return kk_fail_errno(err, KK_E_IO, "create a socket");
	/* Its final mode before anyone can connect: connecting needs listen, which comes last. */
	mask = umask(0177);
	r = bind(front->fd, (struct sockaddr *)&address, sizeof address);
	umask(mask);
	if (r < 0)
		return kk_fail_errno(err, KK_E_IO, "bind %s", front->path);
	if (gid > 0 && (chown(front->path, 0, (gid_t)gid) < 0 || chmod(front->path, 0660) < 0))
		return kk_fail_errno(err, KK_E_IO, "give %s to group %lld", front->path,
			(long long)gid);
	if (listen(front->fd, SOMAXCONN) < 0)
		return kk_fail_errno(err, KK_E_IO, "listen on %s", front->path);
	return 0;
}

/* Room for all clients, where the shell or systemd left us the usual 1024 descriptors. */
static void fds_allow(void)
{
	const rlim_t want = SV_CLIENTS_MAX + 2 * SV_FDS_RESERVED;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= want)
		return;
	limit.rlim_cur = limit.rlim_max < want ? limit.rlim_max : want;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		kk_warning("cannot have more than the usual descriptors, fewer clients will fit");
}

static struct sv_front *front_make(struct kk_loop *loop, struct kk_supervisor *sv, const char *path,
	struct kk_err *err)
{
	struct sv_front *front = kk_alloc(sizeof *front);
	char *copy = kk_strdup(path);

	if (!front || !copy) {
		kk_fail(err, KK_E_NOMEM, "no memory for the API socket");
		free(front);
		free(copy);
		return NULL;
	}
	*front = (struct sv_front){.loop = loop, .sv = sv, .fd = -1, .path = copy};
	front->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	fds_allow();
	return front;
}

static int front_watch(struct sv_front *front, struct kk_err *err)
{
	front->watch =
		kk_watch_new(front->loop, "api socket", front->fd, KK_READ, front_on_ready, front);
	return front->watch ? 0 : kk_fail(err, KK_E_NOMEM, "no memory for the API socket");
}

struct sv_front *sv_front_new(struct kk_loop *loop, struct kk_supervisor *sv, const char *path,
	int64_t gid, struct kk_err *err)
{
	struct sv_front *front = front_make(loop, sv, path, err);

	if (!front)
		return NULL;
	if (front_listen(front, gid, err) < 0) {
		kk_closep(&front->fd);
		front->fd = -1;
		free(kk_steal(&front->path)); /* not ours to remove */
		sv_front_free(front);
		return NULL;
	}
	if (front_watch(front, err) < 0) {
		sv_front_free(front);
		return NULL;
	}
	return front;
}

int sv_front_export(const struct sv_front *front, struct sv_handover *handover)
{
	handover->doc.listen_fd = front->fd;
	for (const struct sv_client *c = front->clients; c; c = c->next) {
		if (sv_client_export(c, handover) < 0)
			return KK_E_NOMEM;
	}
	return sv_call_export(front, handover);
}

/* Clients are put at the front of the list: the last comes first. */
static int clients_resume(struct sv_front *front, struct sv_handover *handover, struct kk_err *err)
{
	const struct kk_handover *doc = &handover->doc;
	struct sv_client *reversed = NULL;

	for (size_t i = 0; i < doc->clients.n; i++) {
		if (!sv_client_resume(front, &doc->clients.items[i], handover, err))
			return kk_failed(err);
		sv_handover_keep_fd(doc->clients.items[i].fd, false);
	}
	while (front->clients) {
		struct sv_client *next = front->clients->next;

		front->clients->next = reversed;
		reversed = front->clients;
		front->clients = next;
	}
	front->clients = reversed;
	return 0;
}

/* What they sent may have requests that waited. Each may free others. */
static void clients_go_on(struct sv_front *front, const struct kk_handover *doc)
{
	for (size_t i = 0; i < doc->clients.n; i++) {
		struct sv_client *client = front->clients;

		while (client && client->fd != doc->clients.items[i].fd)
			client = client->next;
		if (client)
			sv_client_go_on(client);
	}
}

struct sv_front *sv_front_resume(struct kk_loop *loop, struct kk_supervisor *sv, const char *path,
	struct sv_handover *handover, struct kk_err *err)
{
	struct sv_front *front = front_make(loop, sv, path, err);

	if (!front)
		return NULL;
	front->fd = (int)handover->doc.listen_fd;
	sv_handover_keep_fd(front->fd, false);
	if (front_watch(front, err) < 0 || clients_resume(front, handover, err) < 0 ||
		sv_call_resume(front, handover, err) < 0) {
		sv_front_free(front);
		return NULL;
	}
	clients_go_on(front, &handover->doc);
	return front;
}

void sv_front_on_reload(struct sv_front *front, void (*fn)(void *arg), void *arg)
{
	front->reload_fn = fn;
	front->reload_arg = arg;
}

void sv_front_drain(struct sv_front *front, void (*fn)(void *arg), void *arg)
{
	front->is_draining = true;
	front->drained_fn = fn;
	front->drained_arg = arg;
	kk_watch_set(front->watch, 0);
	for (struct sv_client *c = front->clients; c; c = c->next)
		sv_client_arm(c);
	sv_front_check(front);
}

void sv_front_free(struct sv_front *front)
{
	if (!front)
		return;
	if (front->path)
		unlink(front->path);
	while (front->clients)
		sv_client_free(front->clients);
	sv_call_release(front);
	kk_watch_free(front->watch);
	kk_closep(&front->fd);
	kk_closep(&front->spare_fd);
	free(front->path);
	free(front);
}
