/* supervisor/client.c - one connection of the API socket: requests in, responses out, within limits. */
#include "api.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <kukeon/auto.h>
#include <kukeon/fault.h>
#include <kukeon/log.h>
#include <kukeon/loop.h>
#include <kukeon/mem.h>

enum {
	READ_CHUNK = 65536,
	KEEP_MAX = 4 * READ_CHUNK, /* a larger buffer is given back when it is empty */
};

#define TOO_LARGE "request is too large"

/* However much others ask for, each client has one call. */
static bool client_may_call(const struct sv_client *client)
{
	return client->n_calls <
		(client->front->n_calls < SV_CALLS_MANY ? SV_CLIENT_CALLS_MAX : 1u);
}

void sv_client_arm(struct sv_client *client)
{
	unsigned what = 0;

	if (!client->is_eof && !client->n_ready && client_may_call(client) &&
		!client->front->is_draining)
		what |= KK_READ;
	if (client->out.len)
		what |= KK_WRITE;
	kk_watch_set(client->watch, what);
}

static void dues_drop(struct sv_client *client)
{
	for (struct sv_due *due = client->dues, *next; due; due = next) {
		next = due->next;
		free(due);
	}
	client->dues = NULL;
}

void sv_client_free(struct sv_client *client)
{
	struct sv_client **link = &client->front->clients;
	bool was_large = client->in.cap + client->out.cap > KEEP_MAX;

	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	client->front->n_clients--;
	sv_call_orphan(client);
	dues_drop(client);
	kk_watch_free(client->watch);
	kk_timer_free(client->idle_timer);
	kk_closep(&client->fd);
	kk_buf_release(&client->in);
	kk_buf_release(&client->out);
	free(client);
	if (was_large)
		malloc_trim(0);
}

/* What lies in the client's kernel is read by the client, whatever becomes of us. */
static void dues_settle(struct sv_client *client)
{
	struct sv_due *due;

	while ((due = client->dues) && due->end <= client->n_out) {
		(void)kk_fault(KK_FAULT_supervisor_response_written, NULL);
		kk_supervisor_answered(client->front->sv, due->op);
		client->dues = due->next;
		free(due);
	}
}

/* It left without its answers. What it sent before that is read and done, as if it still listened. */
static void client_deafen(struct sv_client *client)
{
	client->is_deaf = true;
	kk_buf_release(&client->out);
	client->out_done = 0;
	dues_drop(client);
}

/* Drop what is written, but not for each piece: a client may take 64 MB in a thousand of them. */
static void out_trim(struct sv_client *client)
{
	kk_buf_consume(&client->out, client->out_done);
	client->out_done = 0;
}

/* Write what it takes; a client that has nothing to come is freed. */
static void client_flush(struct sv_client *client)
{
	while (client->out.len) {
		ssize_t n = send(client->fd, client->out.data + client->out_done,
			client->out.len - client->out_done, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			client_deafen(client);
			break;
		}
		client->n_out += (uint64_t)n;
		client->out_done += (size_t)n;
		if (client->out_done > client->out.len / 2)
			out_trim(client);
	}
	dues_settle(client);
	if (client->is_eof && client->n_calls == 0 && !client->n_ready && client->out.len == 0) {
		sv_client_free(client);
		return;
	}
	if (client->out.len == 0 && client->out.cap > KEEP_MAX)
		kk_buf_release(&client->out);
	sv_client_arm(client);
}

static void in_drop(struct sv_client *client)
{
	kk_buf_release(&client->in);
	kk_timer_stop(client->idle_timer);
	client->n_ready = 0;
	client->turn = 0;
}

/* The end of a connection that asks too much of us; whoever called goes on to client_flush. */
static void client_cut(struct sv_client *client, const char *why)
{
	kk_warning("%s, closing it peer_pid=%lld", why, (long long)client->peer.pid);
	shutdown(client->fd, SHUT_RDWR);
	client_deafen(client);
	client->is_eof = true;
	in_drop(client);
}

/* The buffers of @client have grown: should all of them be too much, whoever has most has to go. */
static void buffers_bound(struct sv_client *client)
{
	struct sv_client *most = client;
	size_t n_bytes = 0;

	for (struct sv_client *c = client->front->clients; c; c = c->next) {
		n_bytes += c->in.cap + c->out.cap;
		if (c->in.cap + c->out.cap > most->in.cap + most->out.cap)
			most = c;
	}
	if (n_bytes <= SV_BUFFERS_MAX)
		return;
	client_cut(most, "the clients take too much memory, and one the most");
	if (most != client)
		client_flush(most);
}

/* Without memory for it, the notes expire. */
static void due_add(struct sv_client *client, uint64_t op, uint64_t at)
{
	struct sv_due **end = &client->dues, *due = kk_alloc(sizeof *due);

	if (!due)
		return;
	*due = (struct sv_due){.op = op, .end = at};
	while (*end)
		end = &(*end)->next;
	*end = due;
}

void sv_client_respond(struct sv_client *client, const char *id, const void *result, size_t len,
	const char *error, uint64_t op)
{
	int r;

	if (client->is_deaf)
		return;
	r = sv_response_write(&client->out, id, result, len, error);
	if (r < 0 && client->out_done) {
		out_trim(client);
		r = sv_response_write(&client->out, id, result, len, error);
	}
	if (r < 0) {
		/* Better no connection than one that waits for a response that will not come. */
		client_cut(client,
			r == KK_E_NOMEM ? "no memory for a response" :
					  "a client does not read its responses");
		return;
	}
	if (op)
		due_add(client, op, client->n_out + client->out.len - client->out_done);
	if (client->out.cap > KEEP_MAX)
		buffers_bound(client);
}

void sv_client_respond_err(struct sv_client *client, const char *id, const struct kk_err *err)
{
	kk_auto_buf result = {0};
	char text[KK_ERR_TEXT * 2];

	kk_err_format(err, text, sizeof text);
	if (sv_err_write(&result, kk_code_kind(err->code), text) == 0)
		sv_client_respond(client, id, result.data, result.len, NULL, 0);
	else
		client_cut(client, "no memory for a response");
}

/* Who has waited longest of those that may call; NULL: nobody waits. */
static struct sv_client *client_next(const struct sv_front *front)
{
	struct sv_client *next = NULL;

	for (struct sv_client *c = front->clients; c; c = c->next) {
		if (c->turn && client_may_call(c) && (!next || c->turn < next->turn))
			next = c;
	}
	return next;
}

static bool has_room(const struct sv_front *front, size_t n_bytes)
{
	return front->n_bytes == 0 || front->n_bytes + n_bytes <= SV_CALLS_BYTES_MAX;
}

/* May the complete request of @n_bytes be taken? A worker has a second's work with a few large ones, so
 * that the small ones of others must not have many in front of them. */
static bool is_its_turn(struct sv_client *client, size_t n_bytes)
{
	struct sv_front *front = client->front;
	const struct sv_client *next;

	if (n_bytes <= SV_REQUEST_SMALL)
		return true;
	next = client_next(front);
	if ((!next || next == client) && has_room(front, n_bytes)) {
		client->n_ready = 0;
		client->turn = 0;
		return true;
	}
	client->n_ready = n_bytes;
	if (!client->turn)
		client->turn = ++front->last_turn;
	return false;
}

/* Length of the complete request at the start of the input; 0: there is none yet; else what is wrong. */
static int64_t request_find(struct sv_client *client)
{
	int64_t n;

	if (client->n_ready)
		return (int64_t)client->n_ready;
	n = sv_json_scan(&client->scanner, client->in.data, client->in.len);
	if (n == SV_SCAN_TOO_LARGE)
		sv_client_respond(client, "null", NULL, 0, TOO_LARGE, 0);
	/* The line's end behind a request, as Go sends it, begins no other. */
	if (n == 0 && !client->scanner.began) {
		kk_buf_clear(&client->in);
		client->scanner.scanned = 0;
	}
	return n;
}

/* Take the complete requests out of the input. False when the connection must end. */
static bool requests_take(struct sv_client *client)
{
	while (client->in.len && client_may_call(client)) {
		struct sv_request request;
		int64_t n = request_find(client);
		int r;

		if (n < 0)
			return false;
		if (n == 0 || !is_its_turn(client, (size_t)n))
			break;
		r = sv_request_parse(client->in.data, (size_t)n, &request);
		kk_buf_consume(&client->in, (size_t)n);
		if (r < 0)
			return false;
		sv_call_take(client, &request, n > SV_REQUEST_SMALL ? (size_t)n : 0);
		sv_request_release(&request);
		/* Its tree was of many small pieces, which glibc would keep. */
		if (n > KEEP_MAX)
			malloc_trim(0);
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
static void client_end(struct sv_client *client)
{
	client->is_eof = true;
	in_drop(client);
	client_flush(client);
}

void sv_client_go_on(struct sv_client *client)
{
	if (requests_take(client))
		client_flush(client);
	else
		client_end(client);
}

void sv_client_next_go_on(struct sv_front *front)
{
	struct sv_client *next = client_next(front);

	while (next && has_room(front, next->n_ready)) {
		sv_client_go_on(next);
		next = client_next(front);
	}
}

static void client_read(struct sv_client *client)
{
	uint8_t *room = kk_buf_reserve(&client->in, READ_CHUNK);
	bool was_empty = client->in.len == 0;
	ssize_t n;

	if (!room) {
		sv_client_respond(client, "null", NULL, 0, TOO_LARGE, 0);
		client_end(client);
		return;
	}
	n = recv(client->fd, room, READ_CHUNK, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0)
		client_deafen(client);
	if (n <= 0) {
		/* It sends no more, but what it sent is answered. */
		client->is_eof = true;
		kk_timer_stop(client->idle_timer);
	} else {
		kk_buf_added(&client->in, (size_t)n);
		if (was_empty)
			kk_timer_start(client->idle_timer, SV_HALF_REQUEST_MS);
		if (client->in.cap > KEEP_MAX)
			buffers_bound(client);
	}
	sv_client_go_on(client);
}

static void client_on_ready(int fd, unsigned what, void *arg)
{
	struct sv_client *client = arg;
	struct sv_front *front = client->front;

	(void)fd;
	if (what & KK_WRITE)
		sv_client_go_on(client);
	else
		client_read(client);
	sv_front_check(front);
}

static void idle_on_timer(void *arg)
{
	struct sv_client *client = arg;

	if (client->n_ready || !client_may_call(client)) {
		kk_timer_start(client->idle_timer, SV_HALF_REQUEST_MS);
		return;
	}
	kk_warning("half a request and then nothing, closing the client peer_pid=%lld",
		(long long)client->peer.pid);
	client_end(client);
}

struct sv_client *sv_client_new(struct sv_front *front, int fd)
{
	struct sv_client *client = kk_alloc(sizeof *client);
	struct ucred cred = {0};
	socklen_t len = sizeof cred;

	if (!client)
		return NULL;
	client->front = front;
	client->fd = fd;
	kk_buf_init(&client->in, SV_REQUEST_MAX + READ_CHUNK);
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

int sv_client_export(const struct sv_client *client, struct sv_handover *handover)
{
	struct kk_handover_client *doc = kk_list_push((struct kk_list *)&handover->doc.clients,
		kk_schema_of_handover_client());

	if (!doc)
		return KK_E_NOMEM;
	doc->fd = client->fd;
	doc->is_eof = client->is_eof;
	doc->is_deaf = client->is_deaf;
	doc->n_in = (int64_t)client->in.len;
	doc->n_out = (int64_t)(client->out.len - client->out_done);
	for (const struct sv_due *due = client->dues; due; due = due->next) {
		struct kk_handover_due *entry =
			kk_list_push((struct kk_list *)&doc->dues, kk_schema_of_handover_due());

		if (!entry)
			return KK_E_NOMEM;
		entry->op = (int64_t)due->op;
		entry->end = (int64_t)(due->end - client->n_out);
	}
	if (sv_handover_put(handover, client->in.data, client->in.len) < 0 ||
		sv_handover_put(handover, client->out.data + client->out_done,
			client->out.len - client->out_done) < 0)
		return KK_E_NOMEM;
	return 0;
}

struct sv_client *sv_client_resume(struct sv_front *front, const struct kk_handover_client *doc,
	struct sv_handover *handover, struct kk_err *err)
{
	const void *in = sv_handover_take(handover, doc->n_in);
	const void *out = sv_handover_take(handover, doc->n_out);
	struct sv_client *client = in && out ? sv_client_new(front, (int)doc->fd) : NULL;

	if (!client || kk_buf_append(&client->in, in, (size_t)doc->n_in) < 0 ||
		kk_buf_append(&client->out, out, (size_t)doc->n_out) < 0) {
		kk_fail(err, KK_E_PROTOCOL, "the handover ends within a client");
		return NULL;
	}
	client->is_eof = doc->is_eof;
	client->is_deaf = doc->is_deaf;
	for (size_t i = 0; i < doc->dues.n; i++)
		due_add(client, (uint64_t)doc->dues.items[i].op, (uint64_t)doc->dues.items[i].end);
	if (client->in.len && !client->is_eof)
		kk_timer_start(client->idle_timer, SV_HALF_REQUEST_MS);
	return client;
}
