/* supervisor/call.c - calls of the API: from a request to its response, whoever waits for it by then.
 *
 * A client that names its operation can lose the connection and ask again: it gets the answer of the call
 * that is under way, or the one that was kept, and nothing is done twice. */
#include "api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kukeon/auto.h>
#include <kukeon/fault.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>
#include <kukeon/text.h>

enum {
	KEPT_MAX = 128,
	KEPT_BYTES_MAX = 256 * 1024,
};

static void kept_free(struct sv_kept *kept)
{
	free(kept->method);
	kk_buf_release(&kept->result);
	free(kept);
}

/* The newest stay, as far as the limits allow. */
static void kept_trim(struct sv_front *front)
{
	struct sv_kept **link = &front->kept;
	size_t n = 0, bytes = 0;

	while (*link) {
		struct sv_kept *kept = *link;

		bytes += kept->result.len;
		if (++n <= KEPT_MAX && bytes <= KEPT_BYTES_MAX) {
			link = &kept->next;
		} else {
			*link = kept->next;
			kept_free(kept);
		}
	}
}

static void reply_keep(struct sv_call *call, const struct kk_bin *result)
{
	struct sv_kept *kept = kk_alloc(sizeof *kept);

	if (!kept)
		return;
	*kept = (struct sv_kept){
		.next = call->front->kept,
		.op = call->op,
		.uid = call->uid,
		.method = kk_steal(&call->method),
	};
	if (kk_buf_append(&kept->result, result->data, result->len) < 0) {
		kept_free(kept);
		return;
	}
	call->front->kept = kept;
	kept_trim(call->front);
}

struct sv_call *sv_call_find(const struct sv_front *front, uint64_t op)
{
	struct sv_call *call = front->calls;

	while (call && (call->op != op || !call->is_named))
		call = call->next;
	return call;
}

const struct sv_kept *sv_kept_find(const struct sv_front *front, uint64_t op)
{
	const struct sv_kept *kept = front->kept;

	while (kept && kept->op != op)
		kept = kept->next;
	return kept;
}

static void call_free(struct sv_call *call)
{
	free(call->id);
	free(call->method);
	free(call->refusal);
	free(call);
}

static void call_link(struct sv_front *front, struct sv_call *call)
{
	call->next = front->calls;
	if (call->next)
		call->next->prev = call;
	front->calls = call;
	front->n_calls++;
	front->n_bytes += call->n_bytes;
	if (call->client)
		call->client->n_calls++;
}

static void call_unlink(struct sv_call *call)
{
	struct sv_front *front = call->front;

	*(call->prev ? &call->prev->next : &front->calls) = call->next;
	if (call->next)
		call->next->prev = call->prev;
	front->n_calls--;
	front->n_bytes -= call->n_bytes;
	if (call->client)
		call->client->n_calls--;
}

/* It is freed when the event that ended it is over: who walks the list may hold it. */
static void call_end(struct sv_call *call)
{
	call_unlink(call);
	call->next = call->front->ended;
	call->front->ended = call;
}

void sv_call_bury(struct sv_front *front)
{
	while (front->ended) {
		struct sv_call *call = front->ended;

		front->ended = call->next;
		call_free(call);
	}
}

static void call_respond(const struct sv_call *call, const struct kk_rep_api_request *rep,
	const struct kk_err *err)
{
	struct sv_client *client = call->client;

	if (err)
		sv_client_respond_err(client, call->id, err);
	else if (call->refusal && !kk_str_starts(kk_str(rep->error), "rpc: "))
		sv_client_respond(client, call->id, NULL, 0, call->refusal, 0);
	else if (!kk_str_empty(rep->error))
		sv_client_respond(client, call->id, NULL, 0, rep->error, 0);
	else
		sv_client_respond(client, call->id, rep->result.data, rep->result.len, NULL,
			rep->is_noted ? call->op : 0);
}

static void call_on_reply(const void *reply, const struct kk_err *err, void *arg)
{
	const struct kk_rep_api_request *rep = reply;
	struct sv_call *call = arg;
	struct sv_client *client = call->client;
	struct sv_front *front = call->front;
	bool is_heard = client && !client->is_deaf, was_large = call->n_bytes > 0;

	(void)kk_fault(KK_FAULT_supervisor_reply_taken, NULL);
	if (is_heard)
		call_respond(call, rep, err);
	/* Whoever may still come for it finds the notes; nobody can who does not know its name. */
	if (rep && rep->is_noted && !is_heard && !call->is_named)
		kk_supervisor_answered(front->sv, call->op);
	if (rep && rep->is_change && call->is_named)
		reply_keep(call, &rep->result);
	call_end(call);
	if (client)
		sv_client_go_on(client);
	if (was_large)
		sv_client_next_go_on(front);
	sv_front_check(front);
}

struct sv_call *sv_call_new(struct sv_client *client, struct sv_request *request, size_t n_bytes)
{
	struct sv_front *front = client->front;
	struct sv_call *call = kk_alloc(sizeof *call);

	if (call)
		call->refusal = kk_strdup(request->error);
	if (!call || (request->error && !call->refusal)) {
		free(call);
		sv_client_respond(client, request->id, NULL, 0, "out of memory", 0);
		return NULL;
	}
	*call = (struct sv_call){
		.front = front,
		.client = client,
		.number = ++front->last_number,
		.op = request->op ? request->op : kk_supervisor_op(front->sv),
		.is_named = request->op != 0,
		.uid = client->peer.uid,
		.n_bytes = n_bytes,
		.id = kk_steal(&request->id),
		.method = kk_steal(&request->method),
		.refusal = call->refusal,
	};
	call_link(front, call);
	return call;
}

/* --- what the workers do --- */

/* Its former connection is of no use any more: the answer goes over the new one. */
static void call_move(struct sv_call *call, struct sv_client *client, struct sv_request *request)
{
	if (call->client)
		sv_client_free(call->client);
	call->client = client;
	client->n_calls++;
	free(call->id);
	call->id = kk_steal(&request->id);
	kk_debug("a client came back for its operation op=%016llx", (unsigned long long)call->op);
}

/* An operation that is known already. False: it is new. */
static bool operation_resume(struct sv_client *client, struct sv_request *request)
{
	struct sv_call *call = sv_call_find(client->front, request->op);
	const struct sv_kept *kept = sv_kept_find(client->front, request->op);
	const char *method = call ? call->method : kept ? kept->method : NULL;
	int64_t uid = call ? call->uid : kept ? kept->uid : 0;

	if (!method)
		return false;
	if (strcmp(method, request->method) != 0 || client->peer.uid != uid)
		sv_client_respond(client, request->id, NULL, 0,
			"jsonrpc: the operation id belongs to another request", 0);
	else if (call && call->client == client)
		sv_client_respond(client, request->id, NULL, 0,
			"jsonrpc: the operation is under way on this connection", 0);
	else if (call)
		call_move(call, client, request);
	else
		sv_client_respond(client, request->id, kept->result.data, kept->result.len, NULL,
			kept->op);
	return true;
}

static void call_start(struct sv_client *client, struct sv_request *request, size_t n_bytes)
{
	struct sv_front *front = client->front;
	struct sv_call *call = sv_call_new(client, request, n_bytes);
	const char *params = request->params ? request->params : "{}";

	if (!call)
		return;
	(void)kk_fault(KK_FAULT_supervisor_request_taken, NULL);
	/* A request that is refused goes the same way: whether its method is known comes first. No method
	 * takes null for its arguments. */
	if (call->refusal)
		params = "null";
	call->rpc_id = kk_supervisor_call(front->sv, call->op, call->method, params, strlen(params),
		&client->peer, call_on_reply, call);
	if (!call->rpc_id) {
		sv_client_respond(client, call->id, NULL, 0, "out of memory", 0);
		call_end(call);
	}
}

void sv_call_take(struct sv_client *client, struct sv_request *request, size_t n_bytes)
{
	if (strlen(request->method) > SV_METHOD_MAX) {
		sv_client_respond(client, request->id, NULL, 0,
			"rpc: can't find method: its name is too long", 0);
		return;
	}
	kk_debug("api call method=%s peer_pid=%lld peer_uid=%lld", request->method,
		(long long)client->peer.pid, (long long)client->peer.uid);
	if (!sv_own_take(client, request) && (!request->op || !operation_resume(client, request)))
		call_start(client, request, n_bytes);
}

void sv_call_orphan(struct sv_client *client)
{
	for (struct sv_call *call = client->front->calls; call; call = call->next) {
		if (call->client == client)
			call->client = NULL;
	}
}

/* --- from one supervisor to the next --- */

static int client_index(const struct sv_front *front, const struct sv_client *client)
{
	int i = 0;

	for (const struct sv_client *c = front->clients; c; c = c->next, i++) {
		if (c == client)
			return i;
	}
	return -1;
}

static struct sv_client *client_at(const struct sv_front *front, int64_t index)
{
	struct sv_client *client = index < 0 ? NULL : front->clients;

	while (client && index-- > 0)
		client = client->next;
	return client;
}

static int call_export(const struct sv_call *call, struct sv_handover *handover)
{
	struct kk_handover_call *doc =
		kk_list_push((struct kk_list *)&handover->doc.calls, kk_schema_of_handover_call());

	if (!doc)
		return KK_E_NOMEM;
	doc->client = client_index(call->front, call->client);
	doc->op = (int64_t)call->op;
	doc->is_named = call->is_named;
	doc->uid = call->uid;
	doc->n_bytes = (int64_t)call->n_bytes;
	doc->pid = call->client ? call->client->peer.pid : 0;
	doc->id = kk_strdup(call->id);
	doc->method = kk_strdup(call->method);
	doc->refusal = kk_strdup(call->refusal);
	if (!doc->id || !doc->method || (call->refusal && !doc->refusal))
		return KK_E_NOMEM;
	return kk_supervisor_export_call(call->front->sv, call->rpc_id, &doc->flight, handover);
}

static int kept_export(const struct sv_kept *kept, struct sv_handover *handover)
{
	struct kk_handover_kept *doc =
		kk_list_push((struct kk_list *)&handover->doc.kept, kk_schema_of_handover_kept());

	if (!doc)
		return KK_E_NOMEM;
	doc->op = (int64_t)kept->op;
	doc->uid = kept->uid;
	doc->method = kk_strdup(kept->method);
	doc->n_result = (int64_t)kept->result.len;
	if (!doc->method)
		return KK_E_NOMEM;
	return sv_handover_put(handover, kept->result.data, kept->result.len);
}

int sv_call_export(const struct sv_front *front, struct sv_handover *handover)
{
	struct sv_call **calls = kk_alloc((front->n_calls + 1) * sizeof calls[0]);
	size_t n = front->n_calls;
	int r = calls ? 0 : KK_E_NOMEM;

	/* The oldest first, as they were asked. */
	for (struct sv_call *call = r == 0 ? front->calls : NULL; call; call = call->next)
		calls[--n] = call;
	for (size_t i = 0; i < front->n_calls && r == 0; i++)
		r = call_export(calls[i], handover);
	free(calls);
	for (const struct sv_kept *kept = front->kept; kept && r == 0; kept = kept->next)
		r = kept_export(kept, handover);
	return r;
}

static bool is_reload(const struct sv_call *call)
{
	return strcmp(call->method, SV_RELOAD_METHOD) == 0;
}

static void call_unsent(struct sv_call *call)
{
	struct kk_err err = {0};

	kk_fail(&err, KK_E_BUSY, "the request was not on its way yet when kukeond was replaced");
	call_on_reply(NULL, &err, call);
}

static int call_resume(struct sv_front *front, const struct kk_handover_call *doc,
	const void *params)
{
	struct kk_peer peer = {.pid = doc->pid, .uid = doc->uid};
	struct sv_call *call = kk_alloc(sizeof *call);

	if (!call)
		return KK_E_NOMEM;
	*call = (struct sv_call){
		.front = front,
		.client = client_at(front, doc->client),
		.number = ++front->last_number,
		.op = (uint64_t)doc->op,
		.is_named = doc->is_named,
		.uid = doc->uid,
		.n_bytes = (size_t)doc->n_bytes,
		.id = kk_strdup(kk_str(doc->id)),
		.method = kk_strdup(kk_str(doc->method)),
		.refusal = kk_str_empty(doc->refusal) ? NULL : kk_strdup(doc->refusal),
		.rpc_id = (uint64_t)doc->flight.id,
	};
	call_link(front, call);
	if (!call->id || !call->method)
		return KK_E_NOMEM;
	if (call->rpc_id)
		return kk_supervisor_resume_call(front->sv, doc, params, &peer, call_on_reply,
			call);
	return 0;
}

static int kept_resume(struct sv_front *front, const struct kk_handover_kept *doc,
	const void *result)
{
	struct sv_kept **end = &front->kept, *kept = kk_alloc(sizeof *kept);

	if (!kept)
		return KK_E_NOMEM;
	while (*end)
		end = &(*end)->next;
	*end = kept;
	kept->op = (uint64_t)doc->op;
	kept->uid = doc->uid;
	kept->method = kk_strdup(kk_str(doc->method));
	return kept->method ? kk_buf_append(&kept->result, result, (size_t)doc->n_result) :
			      KK_E_NOMEM;
}

static struct sv_call *call_unsent_find(const struct sv_front *front)
{
	struct sv_call *call = front->calls;

	while (call && (call->rpc_id || is_reload(call)))
		call = call->next;
	return call;
}

int sv_call_resume(struct sv_front *front, struct sv_handover *handover, struct kk_err *err)
{
	const struct kk_handover *doc = &handover->doc;
	struct sv_call *call;

	for (size_t i = 0; i < doc->calls.n; i++) {
		const void *params = sv_handover_take(handover, doc->calls.items[i].flight.n_body);

		if (!params || call_resume(front, &doc->calls.items[i], params) < 0)
			return kk_fail(err, KK_E_PROTOCOL, "the handover ends within a call");
	}
	for (size_t i = 0; i < doc->kept.n; i++) {
		const void *result = sv_handover_take(handover, doc->kept.items[i].n_result);

		if (!result || kept_resume(front, &doc->kept.items[i], result) < 0)
			return kk_fail(err, KK_E_PROTOCOL, "the handover ends within an answer");
	}
	/* Now that all are known: an answer may bring new calls, and end clients. */
	while ((call = call_unsent_find(front)))
		call_unsent(call);
	return 0;
}

static void reload_respond(const struct sv_call *call, const struct kk_err *err)
{
	char text[160];
	int n = snprintf(text, sizeof text,
		"{\"Result\":{\"Version\":\"%s\",\"Pid\":%d},\"Err\":null}", KK_VERSION,
		(int)getpid());

	if (err)
		sv_client_respond_err(call->client, call->id, err);
	else
		sv_client_respond(call->client, call->id, text, (size_t)n, NULL, 0);
}

void sv_front_reloaded(struct sv_front *front, const struct kk_err *err)
{
	uint64_t last = front->last_number;
	struct sv_call **link = &front->calls, *call;

	while ((call = *link)) {
		struct sv_client *client = call->client;

		/* Those that an answer brings are for the next one. */
		if (!is_reload(call) || call->number > last) {
			link = &call->next;
			continue;
		}
		if (client)
			reload_respond(call, err);
		call_end(call);
		if (client)
			sv_client_go_on(client);
		/* It may have changed the list. */
		link = &front->calls;
	}
	sv_front_check(front);
}

void sv_call_release(struct sv_front *front)
{
	for (struct sv_call *call = front->calls, *next; call; call = next) {
		next = call->next;
		call_free(call);
	}
	front->calls = NULL;
	sv_call_bury(front);
	for (struct sv_kept *kept = front->kept, *next; kept; kept = next) {
		next = kept->next;
		kept_free(kept);
	}
	front->kept = NULL;
}
