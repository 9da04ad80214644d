/* client/setting.c - kuke.yaml, and what comes before it: flags and environment. */
#include "cli.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kukeon/fd.h>
#include <kukeon/mem.h>

enum { FILE_MAX = 1024 * 1024 };

/* Services have no HOME. A file where anybody can write, as in /tmp, would let anybody say what root works on. */
static const char *home_find(void)
{
	const char *home = getenv("HOME");
	const struct passwd *user;

	if (!kk_str_empty(home))
		return home;
	user = getpwuid(geteuid());
	return user ? user->pw_dir : "";
}

/* Empty where there is none. */
static char *file_path(const struct cli *cli, bool *ret_default)
{
	const char *home = home_find(), *given = cli_string(cli, "configuration");

	*ret_default = !*given;
	if (*given)
		return kk_xstrdup(given);
	return *home ? kk_xprintf("%s/.kuke/kuke.yaml", home) : kk_xstrdup("");
}

static const char default_text[] =
	"# Settings of the kuke client. Flags and environment variables come first.\n"
	"apiVersion: v1beta1\nkind: ClientConfiguration\nmetadata:\n  name: default\nspec:\n"
	"  # Where kukeond listens.\n  host: unix://" KK_DEFAULT_SOCKET "\n"
	"  # State that in-process commands work on.\n  runPath: " KK_DEFAULT_RUN_PATH "\n"
	"  containerdSocket: " KK_DEFAULT_CONTAINERD_SOCKET "\n"
	"  # With -v: error, warning, info, debug, trace.\n  logLevel: info\n"
	"  containerdNamespaceSuffix: " KK_DEFAULT_NAMESPACE_SUFFIX "\n"
	"  cgroupRoot: " KK_DEFAULT_CGROUP_ROOT "\n"
	"  podSubnetCIDR: " KK_DEFAULT_POD_SUBNET_CIDR "\n";

static void file_write_default(const char *path)
{
	kk_auto_free char *dir = kk_xstrdup(path);
	char *slash = strrchr(dir, '/');
	struct kk_err ignored = {0};

	if (access(path, F_OK) == 0 || !slash)
		return;
	*slash = '\0';
	/* A home that can't be written is no reason to fail. */
	if (kk_dir_make(dir, 0750, &ignored) == 0)
		(void)kk_file_replace(path, default_text, sizeof default_text - 1, 0600, &ignored);
}

void cli_setting_forget(void)
{
	struct cli nobody = {.fd = -1};
	bool is_default;
	kk_auto_free char *path = file_path(&nobody, &is_default);
	kk_auto_buf text = {.max = FILE_MAX};
	struct kk_err ignored = {0};
	char *slash;

	if (kk_file_read(path, &text, &ignored) < 0 || text.len != sizeof default_text - 1 ||
		memcmp(text.data, default_text, text.len) != 0)
		return;
	(void)unlink(path);
	slash = strrchr(path, '/');
	*slash = '\0';
	(void)rmdir(path);
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

const char *cli_setting(const struct cli *cli, const char *flag, const char *env,
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
	if (cli->host)
		return cli->host;
	return cli_setting(cli, "host", "KUKEON_HOST", cli->file.spec.host,
		"unix://" KK_DEFAULT_SOCKET, NULL);
}

/* Over ssh it goes to a socket: from there on to the next host, it could be for ever. */
int cli_host_find(const struct cli *cli, struct cli_host *ret_host, struct kk_err *err)
{
	kk_auto(cli_host_release) struct cli_host host = {0};

	if (cli_host_parse(cli_host(cli), &host, err) < 0)
		return kk_failed(err);
	if (host.is_ssh && cli_is_over_ssh())
		return kk_fail(err, KK_E_USAGE,
			"kuke on that machine has %s for its own host: name the socket there, as in "
			"ssh://<host>" KK_DEFAULT_SOCKET,
			cli_host(cli));
	*ret_host = host;
	host = (struct cli_host){0};
	return 0;
}

bool cli_is_elsewhere(const struct cli *cli)
{
	kk_auto(cli_host_release) struct cli_host host = {0};
	struct kk_err ignored = {0};

	return !cli_is_local(cli) && cli_host_find(cli, &host, &ignored) == 0 && host.is_ssh;
}

int cli_here_check(const struct cli *cli, struct kk_err *err)
{
	const char *by = cli_is_given(cli, "host")   ? "--host" :
		!kk_str_empty(getenv("KUKEON_HOST")) ? "KUKEON_HOST" :
						       "host: in kuke.yaml";

	/* Of what can be done either way, who demands that it be done in-process has the say. */
	if (cli_leaf(cli)->route != CLI_ROUTE_LOCAL || !kk_str_starts(cli_host(cli), CLI_SSH))
		return 0;
	return kk_fail(err, KK_E_USAGE,
		"this is done on this machine alone, and %s names %s: do it there, or leave that out",
		by, cli_host(cli));
}
