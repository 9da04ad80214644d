/* supervisor/call.c - calls of the API: from a request to its response, whoever waits for it by then.
 *
 * A client that names its operation can lose the connection and ask again: it gets the answer of the call
 * that is under way, or the one that was kept, and nothing is done twice. */
#include "api.h"

#include <stdlib.h>
#include <string.h>

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

static struct sv_call *call_find(const struct sv_front *front, uint64_t op)
{
	struct sv_call *call = front->calls;

	while (call && (call->op != op || !call->is_named))
		call = call->next;
	return call;
}

static const struct sv_kept *kept_find(const struct sv_front *front, uint64_t op)
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
	free(call);
}

static void call_end(struct sv_call *call)
{
	struct sv_call **link = &call->front->calls;

	while (*link != call)
		link = &(*link)->next;
	*link = call->next;
	call->front->n_calls--;
	if (call->client)
		call->client->n_calls--;
	call_free(call);
}

static void respond_err(struct sv_client *client, const char *id, const struct kk_err *err)
{
	kk_auto_buf result = {0};
	char text[KK_ERR_TEXT * 2];

	kk_err_format(err, text, sizeof text);
	if (sv_err_write(&result, kk_code_kind(err->code), text) == 0)
		sv_client_respond(client, id, result.data, result.len, NULL, 0);
}

static void call_respond(const struct sv_call *call, const struct kk_rep_api_request *rep,
	const struct kk_err *err)
{
	struct sv_client *client = call->client;

	if (err)
		respond_err(client, call->id, err);
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

	(void)kk_fault(KK_FAULT_supervisor_reply_taken, NULL);
	if (client)
		call_respond(call, rep, err);
	/* Whoever may still come for it finds the notes; nobody can who does not know its name. */
	if (rep && rep->is_noted && !client && !call->is_named)
		kk_supervisor_answered(front->sv, call->op);
	if (rep && rep->is_change && call->is_named)
		reply_keep(call, &rep->result);
	call_end(call);
	if (client)
		sv_client_go_on(client);
	sv_front_check(front);
}

/* --- what the supervisor answers itself --- */

typedef void (*own_f)(struct sv_client *client, const struct sv_request *request);

static void ping_run(struct sv_client *client, const struct sv_request *request)
{
	static const char text[] = "{\"OK\":true,\"Version\":\"" KK_VERSION "\",\"Err\":null}";

	sv_client_respond(client, request->id, text, sizeof text - 1, NULL, 0);
}

static void operation_respond(struct sv_client *client, const struct sv_request *request,
	const char *method, const char *state, const struct kk_buf *reply)
{
	kk_auto_buf text = {0};
	int r = kk_buf_printf(&text,
		"{\"Result\":{\"Method\":\"%s\",\"State\":\"%s\",\"Reply\":", method, state);

	if (r == 0)
		r = reply ? kk_buf_append(&text, reply->data, reply->len) :
			    kk_buf_str(&text, "null");
	if (r == 0)
		r = kk_buf_str(&text, "},\"Err\":null}");
	if (r == 0)
		sv_client_respond(client, request->id, text.data, text.len, NULL, 0);
	else
		sv_client_respond(client, request->id, NULL, 0, "out of memory", 0);
}

static bool may_see(const struct sv_client *client, int64_t uid)
{
	return client->peer.uid == 0 || client->peer.uid == uid;
}

/* GetOperation {"Id":"<16 hexadecimal digits>"}: what became of it. */
static void operation_run(struct sv_client *client, const struct sv_request *request)
{
	kk_auto_free char *id = sv_request_string(request, "Id");
	uint64_t op = strtoull(kk_str(id), NULL, 16);
	const struct sv_call *call = call_find(client->front, op);
	const struct sv_kept *kept = kept_find(client->front, op);
	struct kk_err err = {0};

	if (call && may_see(client, call->uid)) {
		operation_respond(client, request, call->method, "running", NULL);
	} else if (kept && may_see(client, kept->uid)) {
		operation_respond(client, request, kept->method, "finished", &kept->result);
	} else {
		kk_fail(&err, KK_E_OPERATION_NOT_FOUND,
			"operation \"%.64s\" is not known, or its reply is not kept any more",
			kk_str(id));
		respond_err(client, request->id, &err);
	}
}

#ifdef KK_WITH_FAULTS
static void faults_run(struct sv_client *client, const struct sv_request *request)
{
	static const char text[] = "{\"Err\":null}";
	kk_auto_free char *specification = sv_request_string(request, "Specification");

	struct kk_err err = {0};

	if (kk_supervisor_faults_arm(client->front->sv, kk_str(specification), &err) < 0) {
		respond_err(client, request->id, &err);
		return;
	}
	sv_client_respond(client, request->id, text, sizeof text - 1, NULL, 0);
}
#endif

/* Whatever the workers are doing, these answers come. */
static const struct own {
	const char *method;
	own_f run;
} owns[] = {
	{"KukeonV1.Ping", ping_run},
	{"KukeonV1.GetOperation", operation_run},
#ifdef KK_WITH_FAULTS
	{"KukeonV1.ArmFaults", faults_run},
#endif
};

static const struct own *own_find(const char *method)
{
	for (size_t i = 0; i < KK_COUNT(owns); i++) {
		if (strcmp(owns[i].method, method) == 0)
			return &owns[i];
	}
	return NULL;
}

static void own_take(struct sv_client *client, const struct sv_request *request,
	const struct own *own)
{
	if (request->error)
		sv_client_respond(client, request->id, NULL, 0, request->error, 0);
	else if (request->params && request->params[0] != '{')
		sv_client_respond(client, request->id, NULL, 0,
			"json: cannot unmarshal the arguments: not an object", 0);
	else
		own->run(client, request);
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
	struct sv_call *call = call_find(client->front, request->op);
	const struct sv_kept *kept = kept_find(client->front, request->op);
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

static void call_start(struct sv_client *client, struct sv_request *request)
{
	struct sv_front *front = client->front;
	struct sv_call *call = kk_alloc(sizeof *call);
	const char *params = request->params ? request->params : "{}";

	if (!call) {
		sv_client_respond(client, request->id, NULL, 0, "out of memory", 0);
		return;
	}
	*call = (struct sv_call){
		.next = front->calls,
		.front = front,
		.client = client,
		.op = request->op ? request->op : kk_supervisor_op(front->sv),
		.is_named = request->op != 0,
		.uid = client->peer.uid,
		.id = kk_steal(&request->id),
		.method = kk_steal(&request->method),
		.refusal = request->error,
	};
	front->calls = call;
	front->n_calls++;
	client->n_calls++;
	(void)kk_fault(KK_FAULT_supervisor_request_taken, NULL);
	/* A request that is refused goes the same way: whether its method is known comes first. No method
	 * takes null for its arguments. */
	if (call->refusal)
		params = "null";
	kk_supervisor_call(front->sv, call->op, call->method, params, strlen(params), &client->peer,
		call_on_reply, call);
}

void sv_call_take(struct sv_client *client, struct sv_request *request)
{
	const struct own *own = own_find(request->method);

	kk_debug("api call method=%s peer_pid=%lld peer_uid=%lld", request->method,
		(long long)client->peer.pid, (long long)client->peer.uid);
	if (own)
		own_take(client, request, own);
	else if (!request->op || !operation_resume(client, request))
		call_start(client, request);
}

void sv_call_orphan(struct sv_client *client)
{
	for (struct sv_call *call = client->front->calls; call; call = call->next) {
		if (call->client == client)
			call->client = NULL;
	}
}

void sv_call_release(struct sv_front *front)
{
	for (struct sv_call *call = front->calls, *next; call; call = next) {
		next = call->next;
		call_free(call);
	}
	front->calls = NULL;
	for (struct sv_kept *kept = front->kept, *next; kept; kept = next) {
		next = kept->next;
		kept_free(kept);
	}
	front->kept = NULL;
}
