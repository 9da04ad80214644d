/* supervisor/own.c - methods of the API that the supervisor answers itself: about itself and its workers, and
 * whatever the workers are doing. */
#include "api.h"

#include <stdlib.h>
#include <string.h>

#include <kukeon/auto.h>
#include <kukeon/json.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>

typedef void (*own_f)(struct sv_client *client, struct sv_request *request);

static void ping_run(struct sv_client *client, struct sv_request *request)
{
	static const char text[] = "{\"OK\":true,\"Version\":\"" KK_VERSION "\",\"Err\":null}";

	sv_client_respond(client, request->id, text, sizeof text - 1, NULL, 0);
}

/* ReloadDaemon: answered by the supervisor that comes of it. */
static void reload_run(struct sv_client *client, struct sv_request *request)
{
	struct sv_front *front = client->front;

	if (!front->reload_fn)
		sv_client_respond(client, request->id, NULL, 0,
			"rpc: this daemon can't be reloaded", 0);
	else if (sv_call_new(client, request, 0))
		front->reload_fn(front->reload_arg);
}

static void err_run(struct sv_client *client, const struct sv_request *request,
	const struct kk_err *err)
{
	static const char done[] = "{\"Err\":null}";

	if (err->code)
		sv_client_respond_err(client, request->id, err);
	else
		sv_client_respond(client, request->id, done, sizeof done - 1, NULL, 0);
}

static void workers_run(struct sv_client *client, struct sv_request *request)
{
	KK_LIST_OF(kk_worker_info) workers = {0};
	kk_auto_json *reply = NULL;
	kk_auto_free char *text = NULL;
	json_t *list = NULL;

	if (kk_supervisor_describe(client->front->sv, (struct kk_list *)&workers) == 0)
		list = kk_json_encode_list(kk_schema_of_worker_info(), (struct kk_list *)&workers,
			KK_JSON_API);
	reply = list ? json_pack("{s:o, s:n}", "Workers", list, "Err") : NULL;
	text = reply ? kk_json_text(reply, JSON_COMPACT) : NULL;
	if (text)
		sv_client_respond(client, request->id, text, strlen(text), NULL, 0);
	else
		sv_client_respond(client, request->id, NULL, 0, "out of memory", 0);
	for (size_t i = 0; i < workers.n; i++)
		kk_worker_info_release(&workers.items[i]);
	free(workers.items);
}

/* SetLogLevel {"Role":"network","Level":"debug"}: until the configuration is read again. */
static void level_run(struct sv_client *client, struct sv_request *request)
{
	kk_auto_free char *role_name = sv_request_string(request, "Role");
	kk_auto_free char *level_name = sv_request_string(request, "Level");
	int role = kk_role_parse(kk_str(role_name));
	int level = kk_level_parse(kk_str(level_name));
	struct kk_err err = {0};

	if (role < 0)
		kk_fail(&err, KK_E_INVALID,
			"there is no role \"%.64s\": it is one of supervisor, reconciler, containerd, "
			"network, cgroup",
			kk_str(role_name));
	else if (level < 0)
		kk_fail(&err, KK_E_INVALID,
			"there is no log level \"%.64s\": it is one of error, warning, info, debug, trace",
			kk_str(level_name));
	else
		kk_supervisor_level_set(client->front->sv, (enum kk_role)role, level);
	err_run(client, request, &err);
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
static void operation_run(struct sv_client *client, struct sv_request *request)
{
	kk_auto_free char *id = sv_request_string(request, "Id");
	uint64_t op = strtoull(kk_str(id), NULL, 16);
	const struct sv_call *call = sv_call_find(client->front, op);
	const struct sv_kept *kept = sv_kept_find(client->front, op);
	struct kk_err err = {0};

	if (call && may_see(client, call->uid)) {
		operation_respond(client, request, call->method, "running", NULL);
	} else if (kept && may_see(client, kept->uid)) {
		operation_respond(client, request, kept->method, "finished", &kept->result);
	} else {
		kk_fail(&err, KK_E_OPERATION_NOT_FOUND,
			"operation \"%.64s\" is not known, or its reply is not kept any more",
			kk_str(id));
		sv_client_respond_err(client, request->id, &err);
	}
}

#ifdef KK_WITH_FAULTS
static void faults_run(struct sv_client *client, struct sv_request *request)
{
	kk_auto_free char *specification = sv_request_string(request, "Specification");
	struct kk_err err = {0};

	(void)kk_supervisor_faults_arm(client->front->sv, kk_str(specification), &err);
	err_run(client, request, &err);
}
#endif

/* Whatever the workers are doing, these answers come. */
static const struct own {
	const char *method;
	own_f run;
} owns[] = {
	{"KukeonV1.Ping", ping_run},
	{"KukeonV1.GetOperation", operation_run},
	{"KukeonV1.ListWorkers", workers_run},
	{"KukeonV1.SetLogLevel", level_run},
	{SV_RELOAD_METHOD, reload_run},
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

bool sv_own_take(struct sv_client *client, struct sv_request *request)
{
	const struct own *own = own_find(request->method);

	if (!own)
		return false;
	if (request->error)
		sv_client_respond(client, request->id, NULL, 0, request->error, 0);
	else if (request->params && request->params[0] != '{')
		sv_client_respond(client, request->id, NULL, 0,
			"json: cannot unmarshal the arguments: not an object", 0);
	else
		own->run(client, request);
	return true;
}
