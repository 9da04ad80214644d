/* workers/reconciler/api_exec.c - further processes in a container. The client names each of them, so that a call can be
 * repeated; its input and output are pipes between client and shim. */
#include "api.h"

#include <stdlib.h>
#include <string.h>

#include <kukeon/mem.h>

enum { WAIT_MS = 2000 };

static void exec_done(const struct kk_err *err, void *arg)
{
	struct api *api = arg;
	const struct kk_rep_exec_wait *wait = rc_plan_reply(&api->plan, KK_MSG_exec_wait, 0);

	if (err)
		rc_api_fail(api, err);
	else if (wait)
		rc_api_result(api,
			json_pack("{s:b, s:b, s:I}", "Ended", wait->is_ended, "Gone", wait->is_gone,
				"ExitCode", (json_int_t)wait->exit_status));
	else
		rc_api_result(api, json_pack("{s:s}", "ExecID", rc_api_string(api, "ExecID")));
}

/* The strings of an array argument. False: it is none. */
static bool strings_get(const struct api *api, const char *key, struct kk_strs *strs)
{
	const json_t *array = kk_json_get(api->args, key);
	size_t i;
	json_t *one;

	if (array && !json_is_array(array))
		return false;
	json_array_foreach (array, i, one) {
		if (!json_is_string(one))
			return false;
		kk_strs_add(strs, json_string_value(one));
	}
	return true;
}

static int start_add(struct api *api, char *namespace, char *id, struct kk_err *err)
{
	struct kk_req_exec_start *req = rc_plan_add(&api->plan, 0, KK_MSG_exec_start);

	req->namespace = namespace;
	req->id = id;
	req->exec_id = kk_xstrdup(rc_api_string(api, "ExecID"));
	req->user = kk_xstrdup(rc_api_string(api, "User"));
	req->cwd = kk_xstrdup(rc_api_string(api, "Cwd"));
	req->input = kk_xstrdup(rc_api_string(api, "Stdin"));
	req->output = kk_xstrdup(rc_api_string(api, "Stdout"));
	req->errors = kk_xstrdup(rc_api_string(api, "Stderr"));
	req->is_tty = rc_api_bool(api, "Tty");
	if (!strings_get(api, "Args", &req->args) || !strings_get(api, "Env", &req->env))
		return kk_fail(err, KK_E_INVALID, "Args and Env are lists of strings");
	return req->args.n ? 0 : kk_fail(err, KK_E_INVALID, "a command is required");
}

/* All but the first begin alike. */
static void other_add(struct api *api, char *namespace, char *id)
{
	const char *method = api->method->name;
	unsigned msg = strcmp(method, "WaitExec") == 0 ? KK_MSG_exec_wait :
		strcmp(method, "SignalExec") == 0      ? KK_MSG_exec_signal :
		strcmp(method, "ResizeExec") == 0      ? KK_MSG_exec_resize :
		strcmp(method, "CloseExec") == 0       ? KK_MSG_exec_close :
							 KK_MSG_exec_remove;
	void *req = rc_plan_add(&api->plan, 0, msg);
	struct kk_req_exec_close *common = req;
	struct kk_req_exec_resize *resize = req;

	common->namespace = namespace;
	common->id = id;
	common->exec_id = kk_xstrdup(rc_api_string(api, "ExecID"));
	switch (msg) {
	case KK_MSG_exec_wait:
		((struct kk_req_exec_wait *)req)->wait_ms = WAIT_MS;
		break;
	case KK_MSG_exec_signal:
		((struct kk_req_exec_signal *)req)->signo = rc_api_integer(api, "Signal");
		break;
	case KK_MSG_exec_resize:
		resize->width = rc_api_integer(api, "Width");
		resize->height = rc_api_integer(api, "Height");
		break;
	default:
		break;
	}
}

/* A name that becomes part of paths. */
static int exec_id_check(const char *id, struct kk_err *err)
{
	if (*id && strlen(id) <= 64 &&
		strspn(id, "0123456789abcdefghijklmnopqrstuvwxyz-") == strlen(id))
		return 0;
	return kk_fail(err, KK_E_INVALID,
		"ExecID must be up to 64 lower-case letters, digits and hyphens");
}

void rc_api_exec(struct api *api)
{
	struct kk_err err = {0};
	kk_auto_free char *namespace = NULL, *id = NULL;
	const struct kk_container_spec *spec;
	struct kk_cell cell;

	spec = rc_api_container_find(api, &cell);
	if (!spec)
		return;
	id = rc_container_id(&api->scope, spec->id);
	kk_cell_release(&cell);
	namespace = rc_store_namespace(api->scope.realm, &err);
	if (namespace)
		(void)exec_id_check(rc_api_string(api, "ExecID"), &err);
	if (!err.code && strcmp(api->method->name, "StartExec") == 0)
		(void)start_add(api, kk_steal(&namespace), kk_steal(&id), &err);
	else if (!err.code)
		other_add(api, kk_steal(&namespace), kk_steal(&id));
	if (err.code)
		rc_api_fail(api, &err);
	else
		rc_plan_run(&api->plan, api->op, exec_done, api);
}
