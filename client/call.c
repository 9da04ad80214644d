/* client/call.c - one API call, wherever it is carried out, and what its reply says of itself. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kukeon/loop.h>
#include <kukeon/mem.h>
#include <kukeon/supervisor.h>

static int kind_code(const char *kind)
{
	for (int code = KK_CODE_BASE + 1; code < KK_CODE_END; code++) {
		if (strcmp(kk_code_kind(code), kind) == 0 && strcmp(kind, "Unknown") != 0)
			return code;
	}
	return KK_E_API;
}

int cli_no_json_fail(const char *who, struct kk_err *err)
{
	return kk_fail(err, KK_E_PROTOCOL, "%s sent something that is no JSON", who);
}

int cli_reply_check(const struct kk_text *reply, const char *who, struct kk_err *err)
{
	kk_auto_json *failure = NULL;
	struct kk_text text;

	if (reply->data[0] != '{')
		return cli_no_json_fail(who, err);
	if (!kk_text_member(reply, "Err", &text) || text.data[0] != '{')
		return 0;
	failure = cli_text_load(&text);
	if (!failure)
		return cli_no_json_fail(who, err);
	return kk_fail(err, kind_code(cli_json_string(failure, "Kind")), "%s",
		cli_json_string(failure, "Message"));
}

bool cli_is_reading(const struct cli *cli)
{
	return cli_leaf(cli)->is_reading || (cli_has(cli, "dry-run") && cli_bool(cli, "dry-run"));
}

bool cli_is_local(const struct cli *cli)
{
	const struct cli_routing routing = {
		.route = cli_leaf(cli)->route,
		.no_daemon_flag = cli_is_given(cli, "no-daemon") ? cli_string(cli, "no-daemon") :
								   NULL,
		.no_daemon_env = getenv("KUKEON_NO_DAEMON"),
		.is_run_path_given = cli_is_given(cli, "run-path") || getenv("KUKEON_RUN_PATH"),
	};

	return cli_route_is_local(&routing);
}

int cli_call_text(struct cli *cli, const char *method, json_t *args, struct kk_text *ret_result,
	struct kk_err *err)
{
	bool is_local = cli_is_local(cli);
	pid_t progress;
	int r;

	/* Before it is told how it goes: ssh may ask for a passphrase on that line. */
	if (!is_local && cli->fd < 0 && cli_dial(cli, err) < 0) {
		json_decref(args);
		return kk_failed(err);
	}
	progress = cli_progress_begin(cli);
	r = is_local ? cli_call_local(cli, method, args, ret_result, err) :
		       cli_call_daemon(cli, method, args, ret_result, err);
	cli_progress_end(progress);
	return r;
}

int cli_call_json(struct cli *cli, cli_call_f call, const char *method, json_t *args,
	json_t **ret_result, struct kk_err *err)
{
	struct kk_text text;
	int r = call(cli, method, args, &text, err);

	if (r < 0)
		return r;
	*ret_result = cli_text_load(&text);
	return *ret_result ? 0 : cli_no_json_fail("the other side", err);
}

int cli_call(struct cli *cli, const char *method, json_t *args, json_t **ret_result,
	struct kk_err *err)
{
	return cli_call_json(cli, cli_call_text, method, args, ret_result, err);
}

void cli_disconnect(struct cli *cli)
{
	cli_hang_up(cli);
	kk_buf_release(&cli->in);
	kk_supervisor_free(cli->sv);
	cli->sv = NULL;
	kk_loop_free(cli->loop);
	cli->loop = NULL;
	kk_config_release(&cli->config);
	cli->config = (struct kk_config){0};
}

void cli_close(struct cli *cli)
{
	cli_disconnect(cli);
	free(cli->host);
	kk_client_configuration_release(&cli->file);
}
