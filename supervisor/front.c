/* supervisor/front.c */
#include "front.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <kukeon/auto.h>
#include <kukeon/buf.h>
#include <kukeon/entry.h>
#include <kukeon/fd.h>
#include <kukeon/log.h>
#include <kukeon/loop.h>
#include <kukeon/mem.h>
#include <kukeon/supervisor.h>

#include "jsonrpc.h"

enum {
	READ_CHUNK = 65536,
	KEEP_MAX = 4 * READ_CHUNK, /* a larger buffer is given back when it is empty */
};

struct client {
	struct client *next;
	struct sv_front *front;
	struct kk_watch *watch;
	struct kk_timer *idle_timer;
	int fd;
	struct kk_peer peer;
	struct kk_buf in;
	struct kk_buf out;
	struct sv_json_scanner scanner;
	unsigned n_calls;
	bool is_eof;  /* it will send no more, but may wait for answers */
	bool is_gone; /* nobody to talk to; freed when the last call has ended */
};

struct sv_front {
	struct kk_loop *loop;
	struct kk_supervisor *sv;
	struct kk_watch *watch;
	char *path;
	int fd;
	int spare_fd; /* given up for a moment when descriptors run out */
	struct client *clients;
	unsigned n_clients;
	unsigned n_calls;
	bool is_draining;
	void (*drained_fn)(void *arg);
	void *drained_arg;
};

struct api_call {
	struct client *client;
	char *id;
	char *method;
	const char *refusal; /* what is wrong with the request, if there is such a method; static */
};

static void client_free(struct client *client)
{
	struct client **link = &client->front->clients;

	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	client->front->n_clients--;
	kk_watch_free(client->watch);
	kk_timer_free(client->idle_timer);
	kk_closep(&client->fd);
	kk_buf_release(&client->in);
	kk_buf_release(&client->out);
	free(client);
}

static void drain_check(struct sv_front *front)
{
	void (*fn)(void *arg) = front->drained_fn;

	if (!front->is_draining || front->n_calls || !fn)
		return;
	for (struct client *c = front->clients; c; c = c->next) {
		if (c->out.len && !c->is_gone)
			return;
	}
	front->drained_fn = NULL;
	fn(front->drained_arg);
}

/* Let go of the connection; the calls that still run keep the rest. */
static void client_close(struct client *client)
{
	client->is_gone = true;
	kk_watch_set(client->watch, 0);
	kk_timer_stop(client->idle_timer);
	kk_closep(&client->fd);
	client->fd = -1;
	if (client->n_calls == 0)
		client_free(client);
}

static void client_arm(struct client *client)
{
	unsigned what = 0;

	if (!client->is_eof && client->n_calls < SV_CLIENT_CALLS_MAX && !client->front->is_draining)
		what |= KK_READ;
	if (client->out.len)
		what |= KK_WRITE;
	kk_watch_set(client->watch, what);
}

/* Write what it takes. False when the client is freed or closed. */
static bool client_flush(struct client *client)
{
	while (client->out.len) {
		ssize_t n = send(client->fd, client->out.data, client->out.len,
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			client_close(client);
			return false;
		}
		kk_buf_consume(&client->out, (size_t)n);
	}
	if (client->is_eof && client->n_calls == 0 && client->out.len == 0) {
		client_close(client);
		return false;
	}
	if (client->out.len == 0 && client->out.cap > KEEP_MAX)
		kk_buf_release(&client->out);
	client_arm(client);
	return true;
}

static void respond(struct client *client, const char *id, const void *result, size_t len,
	const char *error)
{
	if (client->is_gone)
		return;
	if (sv_response_write(&client->out, id, result, len, error) < 0) {
		kk_warning("a client does not read its responses, closing it peer_pid=%lld",
			(long long)client->peer.pid);
		shutdown(client->fd, SHUT_RDWR);
	}
}

static void respond_err(struct client *client, const char *id, const struct kk_err *err)
{
	kk_auto_buf result = {0};
	char text[KK_ERR_TEXT * 2];

	kk_err_format(err, text, sizeof text);
	if (sv_err_write(&result, kk_code_kind(err->code), text) == 0)
		respond(client, id, result.data, result.len, NULL);
}

static void client_go_on(struct client *client);

static void call_on_reply(const void *reply, const struct kk_err *err, void *arg)
{
	const struct kk_rep_api_request *rep = reply;
	struct api_call *call = arg;
	struct client *client = call->client;
	struct sv_front *front = client->front;

	if (err)
		respond_err(client, call->id, err);
	else if (call->refusal && !kk_str_starts(kk_str(rep->error), "rpc: "))
		respond(client, call->id, NULL, 0, call->refusal);
	else if (!kk_str_empty(rep->error))
		respond(client, call->id, NULL, 0, rep->error);
	else
		respond(client, call->id, rep->result.data, rep->result.len, NULL);
	free(call->id);
	free(call->method);
	free(call);
	client->n_calls--;
	front->n_calls--;
	if (!client->is_gone)
		client_go_on(client);
	else if (client->n_calls == 0)
		client_free(client);
	drain_check(front);
}

static void ping_answer(struct client *client, const struct sv_request *request)
{
	static const char text[] = "{\"OK\":true,\"Version\":\"" KK_VERSION "\",\"Err\":null}";

	if (request->error)
		respond(client, request->id, NULL, 0, request->error);
	else if (request->params && request->params[0] != '{')
		respond(client, request->id, NULL, 0,
			"json: cannot unmarshal the arguments: not an object");
	else
		respond(client, request->id, text, sizeof text - 1, NULL);
}

#ifdef KK_WITH_FAULTS
static void faults_arm(struct client *client, const struct sv_request *request)
{
	static const char text[] = "{\"Err\":null}";
	kk_auto_free char *specification = sv_request_string(request, "Specification");

	kk_supervisor_faults_arm(client->front->sv, kk_str(specification));
	respond(client, request->id, text, sizeof text - 1, NULL);
}
#endif

static void request_take(struct client *client, struct sv_request *request)
{
	struct api_call *call;

	kk_debug("api call method=%s peer_pid=%lld peer_uid=%lld", request->method,
		(long long)client->peer.pid, (long long)client->peer.uid);
	/* Whatever the workers are doing, this answer means that the socket is served. */
	if (strcmp(request->method, "KukeonV1.Ping") == 0) {
		ping_answer(client, request);
		return;
	}
#ifdef KK_WITH_FAULTS
	if (strcmp(request->method, "KukeonV1.ArmFaults") == 0) {
		faults_arm(client, request);
		return;
	}
#endif
	call = kk_alloc(sizeof *call);
	if (!call) {
		respond(client, request->id, NULL, 0, "out of memory");
		return;
	}
	*call = (struct api_call){
		.client = client,
		.id = kk_steal(&request->id),
		.method = kk_steal(&request->method),
		.refusal = request->error,
	};
	client->n_calls++;
	client->front->n_calls++;
	/* A request that is refused goes the same way: whether its method is known comes first. No method
	 * takes null for its arguments. */
	if (call->refusal)
		kk_supervisor_call(client->front->sv, call->method, "null", 4, &client->peer,
			call_on_reply, call);
	else
		kk_supervisor_call(client->front->sv, call->method,
			request->params ? request->params : "{}",
			request->params ? request->params_len : 2, &client->peer, call_on_reply,
			call);
}

/* Take the complete requests out of the input. False when the connection must end. */
static bool requests_take(struct client *client)
{
	while (client->in.len && client->n_calls < SV_CLIENT_CALLS_MAX) {
		struct sv_request request;
		int64_t n = sv_json_scan(&client->scanner, client->in.data, client->in.len);
		int r;

		if (n < 0)
			return false;
		if (n == 0)
			break;
		r = sv_request_parse(client->in.data, (size_t)n, &request);
		kk_buf_consume(&client->in, (size_t)n);
		if (r < 0)
			return false;
		request_take(client, &request);
		sv_request_release(&request);
		/* The next one has its own time. */
		if (client->in.len && !client->is_eof)
			kk_timer_start(client->idle_timer, SV_HALF_REQUEST_MS);
	}
	if (client->in.len == 0) {
		kk_timer_stop(client->idle_timer);
		if (client->in.cap > KEEP_MAX)
			kk_buf_release(&client->in);
	}
	return true;
}

/* What came last is no request: the answers that are still due are written, then the connection ends. */
static void client_end(struct client *client)
{
	client->is_eof = true;
	kk_buf_clear(&client->in);
	kk_timer_stop(client->idle_timer);
	client_flush(client);
}

/* Take what has come, as far as it may run at once, and write what is to be written. */
static void client_go_on(struct client *client)
{
	if (requests_take(client))
		client_flush(client);
	else
		client_end(client);
}

static void client_read(struct client *client)
{
	uint8_t *room = kk_buf_reserve(&client->in, READ_CHUNK);
	bool was_empty = client->in.len == 0;
	ssize_t n;

	if (!room) {
		respond(client, "null", NULL, 0, "request is too large");
		client_end(client);
		return;
	}
	n = recv(client->fd, room, READ_CHUNK, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		client_close(client);
		return;
	}
	if (n == 0) {
		/* It sends no more, but what it sent is answered. */
		client->is_eof = true;
		kk_timer_stop(client->idle_timer);
	} else {
		kk_buf_added(&client->in, (size_t)n);
		if (was_empty)
			kk_timer_start(client->idle_timer, SV_HALF_REQUEST_MS);
	}
	client_go_on(client);
}

static void client_on_ready(int fd, unsigned what, void *arg)
{
	struct client *client = arg;
	struct sv_front *front = client->front;

	(void)fd;
	if (what & KK_WRITE) {
		client_flush(client);
		drain_check(front);
		return;
	}
	client_read(client);
}

static void idle_on_timer(void *arg)
{
	struct client *client = arg;

	if (client->n_calls >= SV_CLIENT_CALLS_MAX) {
		kk_timer_start(client->idle_timer, SV_HALF_REQUEST_MS);
		return;
	}
	kk_warning("half a request and then nothing, closing the client peer_pid=%lld",
		(long long)client->peer.pid);
	client_end(client);
}

static struct client *client_new(struct sv_front *front, int fd)
{
	struct client *client = kk_alloc(sizeof *client);
	struct ucred cred = {0};
	socklen_t len = sizeof cred;

	if (!client)
		return NULL;
	client->front = front;
	client->fd = fd;
	kk_buf_init(&client->in, SV_REQUEST_MAX);
	kk_buf_init(&client->out, SV_RESPONSES_MAX);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0) {
		client->peer.pid = cred.pid;
		client->peer.uid = cred.uid;
	}
	client->watch = kk_watch_new(front->loop, "client", fd, KK_READ, client_on_ready, client);
	client->idle_timer = kk_timer_new(front->loop, "half request", idle_on_timer, client);
	if (!client->watch || !client->idle_timer) {
		kk_watch_free(client->watch);
		kk_timer_free(client->idle_timer);
		free(client);
		return NULL;
	}
	client->next = front->clients;
	front->clients = client;
	front->n_clients++;
	kk_debug("client connected peer_pid=%d peer_uid=%u", (int)cred.pid, (unsigned)cred.uid);
	return client;
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
	if (front->n_clients >= SV_CLIENTS_MAX || !client_new(front, client_fd)) {
		kk_warning("too many clients, refused one");
		close(client_fd);
	}
}

static int socket_is_live(const struct sockaddr_un *address)
{
	kk_auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) == 0;
}

static int stale_remove(const char *path, const struct sockaddr_un *address, struct kk_err *err)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : kk_fail_errno(err, KK_E_IO, "stat %s", path);
	if (!S_ISSOCK(st.st_mode))
		return kk_fail(err, KK_E_IO, "%s is there and is no socket, refusing to replace it",
			path);
	if (socket_is_live(address))
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
	r = stale_remove(front->path, &address, err);
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

struct sv_front *sv_front_new(struct kk_loop *loop, struct kk_supervisor *sv, const char *path,
	int64_t gid, struct kk_err *err)
{
	struct sv_front *front = kk_xalloc(sizeof *front);

	*front = (struct sv_front){.loop = loop, .sv = sv, .fd = -1};
	front->path = kk_xstrdup(path);
	front->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (front_listen(front, gid, err) < 0) {
		kk_closep(&front->fd);
		front->fd = -1;
		kk_str_set(&front->path, NULL); /* not ours to remove */
		sv_front_free(front);
		return NULL;
	}
	front->watch = kk_watch_new(loop, "api socket", front->fd, KK_READ, front_on_ready, front);
	if (!front->watch) {
		kk_fail(err, KK_E_NOMEM, "no memory for the API socket");
		sv_front_free(front);
		return NULL;
	}
	return front;
}

void sv_front_drain(struct sv_front *front, void (*fn)(void *arg), void *arg)
{
	front->is_draining = true;
	front->drained_fn = fn;
	front->drained_arg = arg;
	kk_watch_set(front->watch, 0);
	for (struct client *c = front->clients; c; c = c->next) {
		if (!c->is_gone)
			client_arm(c);
	}
	drain_check(front);
}

void sv_front_free(struct sv_front *front)
{
	if (!front)
		return;
	if (front->path)
		unlink(front->path);
	for (struct client *c = front->clients, *next; c; c = next) {
		next = c->next;
		client_free(c);
	}
	kk_watch_free(front->watch);
	kk_closep(&front->fd);
	kk_closep(&front->spare_fd);
	free(front->path);
	free(front);
}
