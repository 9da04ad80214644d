/* workers/containerd/exec.c - further processes in a container that runs. Their input and output are pipes with a name
 * that the client has made, between it and the shim: no death of ours ends a session. */
#include "ct.h"

#include <stdlib.h>
#include <string.h>

#include <kukeon/json.h>
#include <kukeon/mem.h>

#define PROCESS_TYPE "types.containerd.io/opencontainers/runtime-spec/1/Process"

/* NAME=value takes the place of what has this name. */
static void env_put(json_t *env, const char *entry)
{
	size_t len = strcspn(entry, "=") + 1, i;
	json_t *one;

	json_array_foreach (env, i, one) {
		if (strncmp(kk_str(json_string_value(one)), entry, len) == 0) {
			json_array_set_new(env, i, kk_json_string(entry));
			return;
		}
	}
	json_array_append_new(env, kk_json_string(entry));
}

static int user_set(const struct ct_ctx *ctx, const struct kk_req_exec_start *req, json_t *process,
	struct kk_err *err)
{
	ct_auto_message Ct__SnapshotMountsResponse *mounts = NULL;
	struct ct_mounts rootfs;
	struct ct_user user;
	json_t *groups = json_array();

	if (ct_container_mounts(ctx, req->id, &mounts, err) < 0) {
		json_decref(groups);
		return kk_failed(err);
	}
	rootfs = (struct ct_mounts){mounts->mounts, mounts->n_mounts};
	if (ct_user_resolve(req->user, &rootfs, &user, err) < 0) {
		json_decref(groups);
		return kk_failed(err);
	}
	for (size_t i = 0; i < user.n_groups; i++)
		json_array_append_new(groups, json_integer(user.groups[i]));
	json_object_set_new(process, "user",
		json_pack("{s:I, s:I, s:o}", "uid", (json_int_t)user.uid, "gid",
			(json_int_t)user.gid, "additionalGids", groups));
	return 0;
}

/* The process of the container itself, with what is different. */
static int process_make(const struct ct_ctx *ctx, const struct kk_req_exec_start *req,
	const Ct__Container *record, char **ret_text, struct kk_err *err)
{
	kk_auto_json *spec =
		json_loadb((char *)record->spec->value.data, record->spec->value.len, 0, NULL);
	kk_auto_json *process = json_deep_copy(json_object_get(spec, "process"));

	if (!process)
		return kk_fail(err, KK_E_CONTAINERD, "the specification of '%s' can't be read",
			req->id);
	json_object_set_new(process, "args", kk_json_strings(&req->args));
	json_object_set_new(process, "terminal", json_boolean(req->is_tty));
	for (size_t i = 0; i < req->env.n; i++)
		env_put(json_object_get(process, "env"), req->env.items[i]);
	if (!kk_str_empty(req->cwd))
		json_object_set_new(process, "cwd", kk_json_string(req->cwd));
	if (!kk_str_empty(req->user) && user_set(ctx, req, process, err) < 0)
		return kk_failed(err);
	*ret_text = json_dumps(process, JSON_COMPACT);
	return 0;
}

/* 0 with its status, or KK_E_CONTAINER_NOT_FOUND. */
static int exec_get(const struct ct_ctx *ctx, const char *id, const char *exec_id,
	Ct__Process__Status *ret_status, struct kk_err *err)
{
	Ct__TaskGetRequest req = CT__TASK_GET_REQUEST__INIT;
	ct_auto_message Ct__TaskGetResponse *rep = NULL;
	int r;

	req.container_id = (char *)id;
	req.exec_id = (char *)exec_id;
	r = ct_unary(ctx, "tasks.v1.Tasks/Get", &req.base, &ct__task_get_response__descriptor, &rep,
		err);
	if (r == 0)
		*ret_status = rep->process->status;
	return r;
}

static int exec_make(const struct ct_ctx *ctx, const struct kk_req_exec_start *req, char *process,
	struct kk_err *err)
{
	Ct__TaskExecRequest exec = CT__TASK_EXEC_REQUEST__INIT;
	Ct__Any spec = CT__ANY__INIT;

	spec.type_url = (char *)PROCESS_TYPE;
	spec.value = (ProtobufCBinaryData){strlen(process), (uint8_t *)process};
	exec.container_id = req->id;
	exec.exec_id = req->exec_id;
	exec.stdin = (char *)kk_str(req->input);
	exec.stdout = (char *)kk_str(req->output);
	exec.stderr = (char *)kk_str(req->errors);
	exec.terminal = req->is_tty;
	exec.spec = &spec;
	return ct_unary(ctx, "tasks.v1.Tasks/Exec", &exec.base, &ct__empty__descriptor, NULL, err);
}

static int exec_begin(const struct ct_ctx *ctx, const struct kk_req_exec_start *req,
	struct kk_err *err)
{
	Ct__TaskStartRequest start = CT__TASK_START_REQUEST__INIT;
	struct kk_err cause = {0}, ignored = {0};
	char text[KK_ERR_TEXT];
	int r;

	start.container_id = req->id;
	start.exec_id = req->exec_id;
	r = ct_unary(ctx, "tasks.v1.Tasks/Start", &start.base, &ct__task_start_response__descriptor,
		NULL, &cause);
	if (r == 0)
		return 0;
	(void)ct_exec_remove(ctx, req->id, req->exec_id, &ignored);
	kk_err_format(&cause, text, sizeof text);
	if (strstr(text, "executable file not found") || strstr(text, "no such file or directory"))
		return kk_fail(err, KK_E_COMMAND_NOT_FOUND, "\"%s\" is not in the container",
			req->args.items[0]);
	if (strstr(text, "permission denied"))
		return kk_fail(err, KK_E_COMMAND_REFUSED, "\"%s\" can't be run: permission denied",
			req->args.items[0]);
	*err = cause;
	return kk_wrap(err, "run \"%s\"", req->args.items[0]);
}

int ct_exec_start(const struct ct_ctx *ctx, const struct kk_req_exec_start *req, struct kk_err *err)
{
	ct_auto_message Ct__ContainerGetResponse *found = NULL;
	kk_auto_free char *process = NULL;
	Ct__Process__Status status;
	struct kk_err cause = {0};
	int r = ct_container_record(ctx, req->id, &found, err);

	if (r == 0)
		return kk_fail(err, KK_E_CONTAINER_NOT_FOUND, "container '%s' not found", req->id);
	if (r < 0 || process_make(ctx, req, found->container, &process, err) < 0)
		return kk_failed(err);
	/* Whoever asked for it before did not live to hear of it. */
	r = exec_get(ctx, req->id, req->exec_id, &status, &cause);
	if (r == 0)
		return status == CT__PROCESS__STATUS__CREATED ? exec_begin(ctx, req, err) : 0;
	kk_err_clear(&cause);
	r = exec_make(ctx, req, process, &cause);
	if (r == KK_E_CONTAINER_NOT_FOUND)
		return kk_fail(err, KK_E_STATE, "the container does not run");
	if (r < 0) {
		*err = cause;
		return r;
	}
	return exec_begin(ctx, req, err);
}

int ct_exec_wait(const struct ct_ctx *ctx, const struct kk_req_exec_wait *req,
	struct kk_rep_exec_wait *rep, struct kk_err *err)
{
	Ct__TaskWaitRequest wait = CT__TASK_WAIT_REQUEST__INIT;
	const struct ct_ctx limited = ct_ctx_limit(ctx, req->wait_ms);
	ct_auto_message Ct__TaskWaitResponse *exit = NULL;
	struct kk_err cause = {0};
	int r;

	wait.container_id = req->id;
	wait.exec_id = req->exec_id;
	/* A shim that is just going tells nothing: a moment later it is gone. */
	do {
		kk_err_clear(&cause);
		r = ct_unary(&limited, "tasks.v1.Tasks/Wait", &wait.base,
			&ct__task_wait_response__descriptor, &exit, &cause);
	} while (r == KK_E_CONTAINERD && ct_retry_pause(&limited));
	if (r == KK_E_TIMEOUT)
		return 0;
	rep->is_gone = r == KK_E_CONTAINER_NOT_FOUND;
	rep->is_ended = r == 0 || rep->is_gone;
	if (r == 0)
		rep->exit_status = exit->exit_status;
	if (!rep->is_ended)
		*err = cause;
	return rep->is_ended ? 0 : r;
}

/* What has ended needs none of these any more. */
static int unless_gone(int r, const struct kk_err *cause, struct kk_err *err)
{
	if (r == 0 || r == KK_E_CONTAINER_NOT_FOUND)
		return 0;
	*err = *cause;
	return r;
}

int ct_exec_signal(const struct ct_ctx *ctx, const char *id, const char *exec_id, int64_t signo,
	struct kk_err *err)
{
	Ct__TaskKillRequest req = CT__TASK_KILL_REQUEST__INIT;
	struct kk_err cause = {0};

	req.container_id = (char *)id;
	req.exec_id = (char *)exec_id;
	req.signal = (uint32_t)signo;
	return unless_gone(ct_unary(ctx, "tasks.v1.Tasks/Kill", &req.base, &ct__empty__descriptor,
				   NULL, &cause),
		&cause, err);
}

int ct_exec_resize(const struct ct_ctx *ctx, const struct kk_req_exec_resize *resize,
	struct kk_err *err)
{
	Ct__TaskResizePtyRequest req = CT__TASK_RESIZE_PTY_REQUEST__INIT;
	struct kk_err cause = {0};

	req.container_id = resize->id;
	req.exec_id = resize->exec_id;
	req.width = (uint32_t)resize->width;
	req.height = (uint32_t)resize->height;
	return unless_gone(ct_unary(ctx, "tasks.v1.Tasks/ResizePty", &req.base,
				   &ct__empty__descriptor, NULL, &cause),
		&cause, err);
}

int ct_exec_close(const struct ct_ctx *ctx, const char *id, const char *exec_id, struct kk_err *err)
{
	Ct__TaskCloseIORequest req = CT__TASK_CLOSE_IOREQUEST__INIT;
	struct kk_err cause = {0};

	req.container_id = (char *)id;
	req.exec_id = (char *)exec_id;
	req.stdin = true;
	return unless_gone(ct_unary(ctx, "tasks.v1.Tasks/CloseIO", &req.base,
				   &ct__empty__descriptor, NULL, &cause),
		&cause, err);
}

int ct_exec_remove(const struct ct_ctx *ctx, const char *id, const char *exec_id,
	struct kk_err *err)
{
	Ct__TaskDeleteProcessRequest req = CT__TASK_DELETE_PROCESS_REQUEST__INIT;
	struct kk_err cause = {0};

	req.container_id = (char *)id;
	req.exec_id = (char *)exec_id;
	return unless_gone(ct_unary(ctx, "tasks.v1.Tasks/DeleteProcess", &req.base,
				   &ct__task_delete_response__descriptor, NULL, &cause),
		&cause, err);
}
