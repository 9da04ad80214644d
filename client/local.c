/* client/local.c - one API call, in-process: to a supervisor of our own. */
#include "cli.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kukeon/fd.h>
#include <kukeon/log.h>
#include <kukeon/loop.h>
#include <kukeon/mem.h>
#include <kukeon/supervisor.h>

static int local_config(struct cli *cli, struct kk_err *err)
{
	const struct kk_client_spec *file = &cli->file.spec;
	struct kk_config *config = &cli->config;
	const char *run_path = cli_setting(cli, "run-path", "KUKEON_RUN_PATH", file->run_path,
		KK_DEFAULT_RUN_PATH, NULL);
	int level = cli_bool(cli, "verbose") ? kk_log_level() : KK_LEVEL_ERROR;

	config->run_path = kk_path_clean(run_path);
	kk_str_set(&config->containerd_socket,
		cli_setting(cli, "containerd-socket", "KUKEON_CONTAINERD_SOCKET",
			file->containerd_socket, KK_DEFAULT_CONTAINERD_SOCKET,
			&config->is_containerd_explicit));
	kk_str_set(&config->namespace_suffix,
		cli_setting(cli, "containerd-namespace-suffix", "KUKEON_NAMESPACE_SUFFIX",
			file->namespace_suffix, KK_DEFAULT_NAMESPACE_SUFFIX, NULL));
	kk_str_set(&config->cgroup_root,
		cli_setting(cli, "cgroup-root", "KUKEON_CGROUP_ROOT", file->cgroup_root,
			KK_DEFAULT_CGROUP_ROOT, NULL));
	kk_str_set(&config->pod_subnet_cidr,
		cli_setting(cli, "", "KUKEON_POD_SUBNET_CIDR", file->pod_subnet_cidr,
			KK_DEFAULT_POD_SUBNET_CIDR, NULL));
	kk_str_set(&config->sandbox,
		cli_setting(cli, "", "KUKEOND_SANDBOX", NULL, KK_DEFAULT_SANDBOX, NULL));
	kk_str_set(&config->kuketty_log_level, "info");
	config->log_max_bytes = KK_DEFAULT_LOG_MAX_BYTES;
	config->log_max_files = KK_DEFAULT_LOG_MAX_FILES;
	config->is_suffix_explicit = !kk_str_empty(getenv("KUKEON_NAMESPACE_SUFFIX")) ||
		cli->is_suffix_demanded || cli_is_given(cli, "containerd-namespace-suffix");
	config->is_cgroup_root_explicit = !kk_str_empty(getenv("KUKEON_CGROUP_ROOT")) ||
		cli->is_cgroup_root_demanded || cli_is_given(cli, "cgroup-root");
	config->is_subnet_explicit = !kk_str_empty(getenv("KUKEON_POD_SUBNET_CIDR"));
	/* What kuke.yaml has by default must not outvote the instance. */
	if (kk_str_equal(config->containerd_socket, KK_DEFAULT_CONTAINERD_SOCKET))
		config->is_containerd_explicit = false;
	for (int i = 0; i < KK_ROLES; i++)
		config->log_levels[i] = level;
	if (kk_config_check(config, err) < 0)
		return kk_failed(err);
	return kk_instance_join(config, cli_is_reading(cli), err);
}

int cli_local_open(struct cli *cli, struct kk_err *err)
{
	if (cli->sv)
		return 0;
	if (cli_here_check(cli, err) < 0)
		return kk_failed(err);
	if (local_config(cli, err) < 0) {
		if (geteuid() != 0 && (err->sys_errno == EACCES || err->sys_errno == EPERM))
			kk_wrap(err, "in-process commands need root, run this with sudo");
		return kk_failed(err);
	}
	signal(SIGPIPE, SIG_IGN);
	cli->loop = kk_loop_new();
	if (!cli->loop)
		return kk_fail(err, KK_E_NOMEM, "no memory for the event loop");
	cli->sv = kk_supervisor_new(cli->loop, &cli->config, true, err);
	if (!cli->sv)
		return kk_failed(err);
	if (cli->lent_fd)
		kk_supervisor_lend(cli->sv, cli->lent_fd);
	return 0;
}

struct local_call {
	struct cli *cli;
	struct kk_err *err;
	bool is_done;
};

static void local_on_reply(const void *reply, const struct kk_err *err, void *arg)
{
	const struct kk_rep_api_request *rep = reply;
	struct local_call *call = arg;

	call->is_done = true;
	if (err)
		*call->err = *err;
	else if (!kk_str_empty(rep->error))
		kk_fail(call->err, KK_E_API, "%s", rep->error);
	else
		kk_buf_append(&call->cli->in, rep->result.data, rep->result.len);
	kk_loop_stop(call->cli->loop);
}

int cli_call_local(struct cli *cli, const char *method, json_t *args, struct kk_text *ret_result,
	struct kk_err *err)
{
	kk_auto_json *owned = args;
	kk_auto_free char *params = json_dumps(owned, JSON_COMPACT);
	kk_auto_free char *full = kk_xprintf("KukeonV1.%s", method);
	const struct kk_peer peer = {.pid = getpid(), .uid = geteuid(), .is_local = true};
	struct local_call call = {.cli = cli, .err = err};

	if (cli_local_open(cli, err) < 0)
		return kk_failed(err);
	kk_buf_clear(&cli->in);
	if (!kk_supervisor_call(cli->sv, kk_supervisor_op(cli->sv), full, params, strlen(params),
		    &peer, local_on_reply, &call))
		return kk_fail(err, KK_E_NOMEM, "no memory for the call of %s", method);
	while (!call.is_done)
		kk_loop_run_once(cli->loop);
	if (err->code)
		return kk_failed(err);
	if (cli->in.len == 0)
		return cli_no_json_fail("the reconciler", err);
	*ret_result = (struct kk_text){(char *)cli->in.data, cli->in.len};
	return cli_reply_check(ret_result, "the reconciler", err);
}
