/* client/call.c - one API call: over the socket, or to a supervisor of our own. */
#include "cli.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <kukeon/fd.h>
#include <kukeon/log.h>
#include <kukeon/loop.h>
#include <kukeon/mem.h>
#include <kukeon/supervisor.h>

enum {
	FILE_MAX = 1024 * 1024,
	READ_CHUNK = 256 * 1024,
};

/* --- kuke.yaml --- */

static char *file_path(const struct cli *cli, bool *ret_default)
{
	const char *home = getenv("HOME"), *given = cli_string(cli, "configuration");

	*ret_default = !*given;
	if (*given)
		return kk_xstrdup(given);
	return kk_xprintf("%s/.kuke/kuke.yaml", kk_str_empty(home) ? "/tmp" : home);
}

static void file_write_default(const char *path)
{
	static const char text[] =
		"# Settings of the kuke client. Flags and environment variables come first.\n"
		"apiVersion: v1beta1\nkind: ClientConfiguration\nmetadata:\n  name: default\nspec:\n"
		"  # Where kukeond listens.\n  host: unix://" KK_DEFAULT_SOCKET "\n"
		"  # State that in-process commands work on.\n  runPath: " KK_DEFAULT_RUN_PATH "\n"
		"  containerdSocket: " KK_DEFAULT_CONTAINERD_SOCKET "\n"
		"  # With -v: error, warning, info, debug, trace.\n  logLevel: info\n"
		"  containerdNamespaceSuffix: " KK_DEFAULT_NAMESPACE_SUFFIX "\n"
		"  cgroupRoot: " KK_DEFAULT_CGROUP_ROOT "\n"
		"  podSubnetCIDR: " KK_DEFAULT_POD_SUBNET_CIDR "\n";
	kk_auto_free char *dir = kk_xstrdup(path);
	char *slash = strrchr(dir, '/');
	struct kk_err ignored = {0};

	if (access(path, F_OK) == 0 || !slash)
		return;
	*slash = '\0';
	/* A home that can't be written is no reason to fail. */
	if (kk_dir_make(dir, 0750, &ignored) == 0)
		(void)kk_file_replace(path, text, sizeof text - 1, 0600, &ignored);
}

int cli_setting_load(struct cli *cli, struct kk_err *err)
{
	bool is_default;
	kk_auto_free char *path = file_path(cli, &is_default);
	kk_auto_buf text = {.max = FILE_MAX};
	struct kk_err cause = {0};
	char why[KK_ERR_TEXT];

	if (is_default)
		file_write_default(path);
	kk_schema_init(kk_schema_of_client_configuration(), &cli->file);
	if (kk_file_read(path, &text, &cause) < 0) {
		if (cause.sys_errno == ENOENT)
			return 0;
		return kk_fail(err, KK_E_CONFIG,
			"load client configuration: read client configuration "
			"\"%s\": client configuration is invalid: open %s: %s",
			path, path, kk_errno_text(cause.sys_errno));
	}
	if (kk_yaml_read(kk_schema_of_client_configuration(), text.data ? (char *)text.data : "",
		    text.len, &cli->file, &cause) < 0) {
		kk_err_format(&cause, why, sizeof why);
		return kk_fail(err, KK_E_CONFIG,
			"load client configuration: parse client configuration "
			"\"%s\": client configuration is invalid: %s",
			path, why);
	}
	if (!kk_str_empty(cli->file.kind) && strcmp(cli->file.kind, "ClientConfiguration") != 0)
		return kk_fail(err, KK_E_CONFIG,
			"load client configuration: client configuration \"%s\" "
			"has kind \"%s\", want \"ClientConfiguration\": client configuration is invalid",
			path, cli->file.kind);
	return 0;
}

/* Flag > environment > file > default. */
static const char *setting(const struct cli *cli, const char *flag, const char *env,
	const char *from_file, const char *fallback, bool *ret_explicit)
{
	const char *from_env = env ? getenv(env) : NULL;
	const char *value = cli_is_given(cli, flag) ? cli_string(cli, flag) :
		!kk_str_empty(from_env)             ? from_env :
		!kk_str_empty(from_file)            ? from_file :
						      NULL;

	if (ret_explicit)
		*ret_explicit = value != NULL;
	return value ? value : fallback;
}

const char *cli_host(const struct cli *cli)
{
	return setting(cli, "host", "KUKEON_HOST", cli->file.spec.host, "unix://" KK_DEFAULT_SOCKET,
		NULL);
}

/* --- the daemon --- */

/* Where the socket is; NULL with @err set for a host that is none. */
static const char *host_path(const char *host, struct kk_err *err)
{
	if (kk_str_starts(host, "unix://") && host[7])
		return host + 7;
	if (kk_str_starts(host, "unix://"))
		kk_fail(err, KK_E_USAGE, "unsupported kukeon host scheme: unix path is empty");
	else if (kk_str_starts(host, "ssh://"))
		kk_fail(err, KK_E_USAGE,
			"unsupported kukeon host scheme: ssh transport not yet implemented");
	else
		kk_fail(err, KK_E_USAGE,
			"unsupported kukeon host scheme: \"%s\" (expected unix:// or ssh://)",
			host);
	return NULL;
}

static int dial_fail(const char *path, struct kk_err *err)
{
	if (errno == EACCES || errno == EPERM)
		return kk_fail(err, KK_E_DIAL,
			"dial kukeond at %s: permission denied — add yourself to "
			"the kukeon group (sudo usermod -aG kukeon $USER) and log in again",
			path);
	return kk_fail(err, KK_E_DIAL, "dial kukeond at %s: dial unix %s: connect: %s", path, path,
		kk_errno_text(errno));
}

static int dial(struct cli *cli, struct kk_err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *path = host_path(cli_host(cli), err);
	kk_auto_fd int fd = -1;

	if (!path)
		return kk_failed(err);
	if (strlen(path) >= sizeof address.sun_path)
		return kk_fail(err, KK_E_DIAL,
			"dial kukeond at %s: the path is longer than %zu bytes", path,
			sizeof address.sun_path - 1);
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
		return dial_fail(path, err);
	cli->fd = kk_steal_fd(&fd);
	return 0;
}

/* One line is one response. It stays in cli->in until the next call. */
static int response_read(struct cli *cli, struct kk_text *ret_response, struct kk_err *err)
{
	size_t looked = 0;

	for (;;) {
		uint8_t *newline = cli->in.len > looked ?
			memchr(cli->in.data + looked, '\n', cli->in.len - looked) :
			NULL;
		uint8_t *room;
		ssize_t n;

		if (newline) {
			cli->in_done = (size_t)(newline - cli->in.data) + 1;
			*ret_response = (struct kk_text){(char *)cli->in.data, cli->in_done};
			return 0;
		}
		looked = cli->in.len;
		room = kk_buf_reserve(&cli->in, READ_CHUNK);
		if (!room)
			return kk_fail(err, KK_E_NOMEM, "no memory for the response");
		n = recv(cli->fd, room, READ_CHUNK, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return kk_fail(err, KK_E_DIAL,
				"unexpected EOF: kukeond closed the connection");
		kk_buf_added(&cli->in, (size_t)n);
	}
}

static int kind_code(const char *kind)
{
	for (int code = KK_CODE_BASE + 1; code < KK_CODE_END; code++) {
		if (strcmp(kk_code_kind(code), kind) == 0 && strcmp(kind, "Unknown") != 0)
			return code;
	}
	return KK_E_API;
}

static int no_json_fail(const char *who, struct kk_err *err)
{
	return kk_fail(err, KK_E_PROTOCOL, "%s sent something that is no JSON", who);
}

/* What the reply says of itself: an error of the API has its whole text already. */
static int reply_check(const struct kk_text *reply, const char *who, struct kk_err *err)
{
	kk_auto_json *failure = NULL;
	struct kk_text text;

	if (reply->data[0] != '{')
		return no_json_fail(who, err);
	if (!kk_text_member(reply, "Err", &text) || text.data[0] != '{')
		return 0;
	failure = cli_text_load(&text);
	if (!failure)
		return no_json_fail(who, err);
	return kk_fail(err, kind_code(cli_json_string(failure, "Kind")), "%s",
		cli_json_string(failure, "Message"));
}

int cli_call_daemon(struct cli *cli, const char *method, json_t *args, struct kk_text *ret_result,
	struct kk_err *err)
{
	kk_auto_json *owned = args, *failure = NULL;
	kk_auto_free char *params = json_dumps(owned, JSON_COMPACT);
	kk_auto_free char *request =
		kk_xprintf("{\"method\":\"KukeonV1.%s\",\"params\":[%s],\"id\":%u}\n", method,
			params, cli->last_id++);
	struct kk_text response, error;

	kk_buf_consume(&cli->in, cli->in_done);
	cli->in_done = 0;
	if (cli->fd < 0 && dial(cli, err) < 0)
		return kk_failed(err);
	if (kk_fd_write_all(cli->fd, request, strlen(request)) < 0)
		return kk_fail_errno(err, KK_E_DIAL, "send to kukeond");
	if (response_read(cli, &response, err) < 0)
		return kk_failed(err);
	if (kk_text_member(&response, "error", &error) && error.data[0] == '"') {
		failure = cli_text_load(&error);
		return kk_fail(err, KK_E_API, "%s", kk_str(json_string_value(failure)));
	}
	if (!kk_text_member(&response, "result", ret_result))
		return no_json_fail("kukeond", err);
	return reply_check(ret_result, "kukeond", err);
}

/* --- in-process --- */

static int local_config(struct cli *cli, struct kk_err *err)
{
	const struct kk_client_spec *file = &cli->file.spec;
	struct kk_config *config = &cli->config;
	const char *run_path = setting(cli, "run-path", "KUKEON_RUN_PATH", file->run_path,
		KK_DEFAULT_RUN_PATH, NULL);
	int level = cli_bool(cli, "verbose") ? kk_log_level() : KK_LEVEL_ERROR;

	config->run_path = realpath(run_path, NULL);
	if (!config->run_path)
		config->run_path = kk_xstrdup(run_path);
	kk_str_set(&config->containerd_socket,
		setting(cli, "containerd-socket", "KUKEON_CONTAINERD_SOCKET",
			file->containerd_socket, KK_DEFAULT_CONTAINERD_SOCKET,
			&config->is_containerd_explicit));
	kk_str_set(&config->namespace_suffix,
		setting(cli, "", "KUKEON_NAMESPACE_SUFFIX", file->namespace_suffix,
			KK_DEFAULT_NAMESPACE_SUFFIX, NULL));
	kk_str_set(&config->cgroup_root,
		setting(cli, "", "KUKEON_CGROUP_ROOT", file->cgroup_root, KK_DEFAULT_CGROUP_ROOT,
			NULL));
	kk_str_set(&config->pod_subnet_cidr,
		setting(cli, "", "KUKEON_POD_SUBNET_CIDR", file->pod_subnet_cidr,
			KK_DEFAULT_POD_SUBNET_CIDR, NULL));
	config->is_suffix_explicit = !kk_str_empty(getenv("KUKEON_NAMESPACE_SUFFIX"));
	config->is_cgroup_root_explicit = !kk_str_empty(getenv("KUKEON_CGROUP_ROOT"));
	config->is_subnet_explicit = !kk_str_empty(getenv("KUKEON_POD_SUBNET_CIDR"));
	/* What kuke.yaml has by default must not outvote the instance. */
	if (kk_str_equal(config->containerd_socket, KK_DEFAULT_CONTAINERD_SOCKET))
		config->is_containerd_explicit = false;
	for (int i = 0; i < KK_ROLES; i++)
		config->log_levels[i] = level;
	if (kk_config_check(config, err) < 0)
		return kk_failed(err);
	return kk_instance_join(config, cli_leaf(cli)->is_reading, err);
}

static int local_open(struct cli *cli, struct kk_err *err)
{
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
	return cli->sv ? 0 : err->code;
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

static int call_local(struct cli *cli, const char *method, json_t *args, struct kk_text *ret_result,
	struct kk_err *err)
{
	kk_auto_json *owned = args;
	kk_auto_free char *params = json_dumps(owned, JSON_COMPACT);
	kk_auto_free char *full = kk_xprintf("KukeonV1.%s", method);
	const struct kk_peer peer = {.pid = getpid(), .uid = geteuid(), .is_local = true};
	struct local_call call = {.cli = cli, .err = err};

	if (!cli->sv && local_open(cli, err) < 0)
		return kk_failed(err);
	kk_buf_clear(&cli->in);
	kk_supervisor_call(cli->sv, full, params, strlen(params), &peer, local_on_reply, &call);
	while (!call.is_done)
		kk_loop_run_once(cli->loop);
	if (err->code)
		return kk_failed(err);
	if (cli->in.len == 0)
		return no_json_fail("the reconciler", err);
	*ret_result = (struct kk_text){(char *)cli->in.data, cli->in.len};
	return reply_check(ret_result, "the reconciler", err);
}

int cli_call_text(struct cli *cli, const char *method, json_t *args, struct kk_text *ret_result,
	struct kk_err *err)
{
	const struct cli_routing routing = {
		.route = cli_leaf(cli)->route,
		.no_daemon_flag = cli_is_given(cli, "no-daemon") ? cli_string(cli, "no-daemon") :
								   NULL,
		.no_daemon_env = getenv("KUKEON_NO_DAEMON"),
		.is_run_path_given = cli_is_given(cli, "run-path") || getenv("KUKEON_RUN_PATH"),
	};

	if (cli_route_is_local(&routing))
		return call_local(cli, method, args, ret_result, err);
	return cli_call_daemon(cli, method, args, ret_result, err);
}

int cli_call(struct cli *cli, const char *method, json_t *args, json_t **ret_result,
	struct kk_err *err)
{
	struct kk_text text;
	int r = cli_call_text(cli, method, args, &text, err);

	if (r < 0)
		return r;
	*ret_result = cli_text_load(&text);
	return *ret_result ? 0 : no_json_fail("the other side", err);
}

void cli_close(struct cli *cli)
{
	if (cli->fd >= 0)
		close(cli->fd);
	cli->fd = -1;
	kk_buf_release(&cli->in);
	kk_supervisor_free(cli->sv);
	cli->sv = NULL;
	kk_loop_free(cli->loop);
	cli->loop = NULL;
	kk_config_release(&cli->config);
	kk_client_configuration_release(&cli->file);
}
