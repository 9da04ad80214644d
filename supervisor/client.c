/* supervisor/client.c - one connection of the API socket: requests in, responses out, within limits. */
#include "api.h"

#include <errno.h>
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

void sv_client_free(struct sv_client *client)
{
	struct sv_client **link = &client->front->clients;

	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	client->front->n_clients--;
	sv_call_orphan(client);
	for (struct sv_due *due = client->dues, *next; due; due = next) {
		next = due->next;
		free(due);
	}
	kk_watch_free(client->watch);
	kk_timer_free(client->idle_timer);
	kk_closep(&client->fd);
	kk_buf_release(&client->in);
	kk_buf_release(&client->out);
	free(client);
}

void sv_client_arm(struct sv_client *client)
{
	unsigned what = 0;

	if (!client->is_eof && client->n_calls < SV_CLIENT_CALLS_MAX && !client->front->is_draining)
		what |= KK_READ;
	if (client->out.len)
		what |= KK_WRITE;
	kk_watch_set(client->watch, what);
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

/* Write what it takes. False when the client is freed. */
static bool client_flush(struct sv_client *client)
{
	while (client->out.len) {
		ssize_t n = send(client->fd, client->out.data, client->out.len,
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			sv_client_free(client);
			return false;
		}
		client->n_out += (uint64_t)n;
		kk_buf_consume(&client->out, (size_t)n);
	}
	dues_settle(client);
	if (client->is_eof && client->n_calls == 0 && client->out.len == 0) {
		sv_client_free(client);
		return false;
	}
	if (client->out.len == 0 && client->out.cap > KEEP_MAX)
		kk_buf_release(&client->out);
	sv_client_arm(client);
	return true;
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
	if (sv_response_write(&client->out, id, result, len, error) < 0) {
		kk_warning("a client does not read its responses, closing it peer_pid=%lld",
			(long long)client->peer.pid);
		shutdown(client->fd, SHUT_RDWR);
		return;
	}
	if (op)
		due_add(client, op, client->n_out + client->out.len);
}

void sv_client_respond_err(struct sv_client *client, const char *id, const struct kk_err *err)
{
	kk_auto_buf result = {0};
	char text[KK_ERR_TEXT * 2];

	kk_err_format(err, text, sizeof text);
	if (sv_err_write(&result, kk_code_kind(err->code), text) == 0)
		sv_client_respond(client, id, result.data, result.len, NULL, 0);
}

/* Take the complete requests out of the input. False when the connection must end. */
static bool requests_take(struct sv_client *client)
{
	while (client->in.len && client->n_calls < SV_CLIENT_CALLS_MAX) {
		struct sv_request request;
		int64_t n = sv_json_scan(&client->scanner, client->in.data, client->in.len);
		int r;

		if (n < 0)
			return false;
		if (n == 0) {
			/* A newline behind a request is not the beginning of the next. */
			if (!client->scanner.began) {
				client->scanner.scanned = 0;
				kk_buf_clear(&client->in);
			}
			break;
		}
		r = sv_request_parse(client->in.data, (size_t)n, &request);
		kk_buf_consume(&client->in, (size_t)n);
		if (r < 0)
			return false;
		sv_call_take(client, &request);
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
static void client_end(struct sv_client *client)
{
	client->is_eof = true;
	kk_buf_clear(&client->in);
	kk_timer_stop(client->idle_timer);
	client_flush(client);
}

void sv_client_go_on(struct sv_client *client)
{
	if (requests_take(client))
		client_flush(client);
	else
		client_end(client);
}

static void client_read(struct sv_client *client)
{
	uint8_t *room = kk_buf_reserve(&client->in, READ_CHUNK);
	bool was_empty = client->in.len == 0;
	ssize_t n;

	if (!room) {
		sv_client_respond(client, "null", NULL, 0, "request is too large", 0);
		client_end(client);
		return;
	}
	n = recv(client->fd, room, READ_CHUNK, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		sv_client_free(client);
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

	if (client->n_calls >= SV_CLIENT_CALLS_MAX) {
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

int sv_client_export(const struct sv_client *client, struct sv_handover *handover)
{
	struct kk_handover_client *doc = kk_list_add((struct kk_list *)&handover->doc.clients,
		kk_schema_of_handover_client());

	doc->fd = client->fd;
	doc->is_eof = client->is_eof;
	doc->n_in = (int64_t)client->in.len;
	doc->n_out = (int64_t)client->out.len;
	for (const struct sv_due *due = client->dues; due; due = due->next) {
		struct kk_handover_due *entry =
			kk_list_add((struct kk_list *)&doc->dues, kk_schema_of_handover_due());

		entry->op = (int64_t)due->op;
		entry->end = (int64_t)(due->end - client->n_out);
	}
	if (sv_handover_put(handover, client->in.data, client->in.len) < 0 ||
		sv_handover_put(handover, client->out.data, client->out.len) < 0)
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
	for (size_t i = 0; i < doc->dues.n; i++)
		due_add(client, (uint64_t)doc->dues.items[i].op, (uint64_t)doc->dues.items[i].end);
	if (client->in.len && !client->is_eof)
		kk_timer_start(client->idle_timer, SV_HALF_REQUEST_MS);
	return client;
}
