/* client/setup/server.c */
#include "setup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kukeon/buf.h>
#include <kukeon/fd.h>
#include <kukeon/mem.h>

/* What it says comes before kuke.yaml: there is one place for both. */
static void file_take_over(struct cli *cli, const struct kk_server_spec *server)
{
	struct kk_client_spec *client = &cli->file.spec;
	const struct {
		const char *from;
		char **to;
	} keys[] = {
		{server->run_path, &client->run_path},
		{server->containerd_socket, &client->containerd_socket},
		{server->namespace_suffix, &client->namespace_suffix},
		{server->cgroup_root, &client->cgroup_root},
		{server->pod_subnet_cidr, &client->pod_subnet_cidr},
	};

	for (size_t i = 0; i < KK_COUNT(keys); i++) {
		if (!kk_str_empty(keys[i].from))
			kk_str_set(keys[i].to, keys[i].from);
	}
	cli->is_suffix_demanded = !kk_str_empty(server->namespace_suffix);
	cli->is_cgroup_root_demanded = !kk_str_empty(server->cgroup_root);
}

/* What the unit's kuke finds, which has neither flags nor variables nor settings of a user. */
static bool is_usual(const struct setup *setup, bool is_configuration_given)
{
	const char *from_file = is_configuration_given ? NULL : setup->file.spec.run_path;
	kk_auto_free char *usual =
		kk_path_clean(kk_str_empty(from_file) ? KK_DEFAULT_RUN_PATH : from_file);

	return strcmp(usual, setup->run_path) == 0;
}

/* A run path that was asked for has its socket in it. */
static char *socket_of(const struct setup *setup, bool is_run_path_given)
{
	const char *env = getenv("KUKEOND_SOCKET");

	if (!kk_str_empty(env))
		return kk_xstrdup(env);
	if (!kk_str_empty(setup->file.spec.socket))
		return kk_xstrdup(setup->file.spec.socket);
	return is_run_path_given ? kk_xprintf("%s/kukeond.sock", setup->run_path) :
				   kk_xstrdup(KK_DEFAULT_SOCKET);
}

/* What nobody states is what the run path was set up with. */
static char *containerd_socket_of(const struct setup *setup)
{
	const char *stated = cli_setting(setup->cli, "containerd-socket",
		"KUKEON_CONTAINERD_SOCKET", setup->cli->file.spec.containerd_socket,
		KK_DEFAULT_CONTAINERD_SOCKET, NULL);
	kk_auto(kk_instance_release) struct kk_instance instance = {0};

	if (strcmp(stated, KK_DEFAULT_CONTAINERD_SOCKET) == 0 &&
		kk_instance_find(setup->run_path, &instance) &&
		!kk_str_empty(instance.containerd_socket))
		return kk_steal(&instance.containerd_socket);
	return kk_xstrdup(stated);
}

int setup_load(struct cli *cli, struct setup *ret_setup, struct kk_err *err)
{
	struct setup *setup = ret_setup;
	const char *configuration = cli_string(cli, "server-configuration");
	bool exists, is_given;
	char *slash;

	if (cli_here_check(cli, err) < 0)
		return kk_failed(err);
	*setup = (struct setup){.cli = cli, .gid = setup_group_find()};
	setup->configuration =
		kk_path_clean(*configuration ? configuration : KK_DEFAULT_SERVER_CONFIGURATION);
	if (kk_server_configuration_read(setup->configuration, &setup->file, &exists, err) < 0)
		return kk_wrap(err, "load server configuration");
	file_take_over(cli, &setup->file.spec);
	setup->run_path = kk_path_clean(cli_setting(cli, "run-path", "KUKEON_RUN_PATH",
		cli->file.spec.run_path, KK_DEFAULT_RUN_PATH, NULL));
	if (kk_run_path_check(setup->run_path, err) < 0)
		return kk_failed(err);
	is_given = cli_is_given(cli, "run-path") || getenv("KUKEON_RUN_PATH") ||
		!is_usual(setup, *configuration);
	setup->containerd_socket = containerd_socket_of(setup);
	setup->socket = socket_of(setup, is_given);
	setup->is_default = !is_given && !*configuration && kk_str_empty(getenv("KUKEOND_SOCKET"));
	setup->socket_dir = kk_xstrdup(setup->socket);
	slash = strrchr(setup->socket_dir, '/');
	if (!slash || slash == setup->socket_dir)
		return kk_fail(err, KK_E_CONFIG,
			"socket \"%s\" has no directory of its own: server configuration is invalid",
			setup->socket);
	*slash = '\0';
	free(cli->host);
	cli->host = kk_xprintf("unix://%s", setup->socket);
	return 0;
}

void setup_release(struct setup *setup)
{
	kk_server_configuration_release(&setup->file);
	free(setup->configuration);
	free(setup->socket);
	free(setup->socket_dir);
	free(setup->run_path);
	free(setup->containerd_socket);
}

bool setup_is_initialized(const struct setup *setup)
{
	kk_auto_free char *realm =
		kk_xprintf("%s/data/" KK_SYSTEM_REALM "/metadata.json", setup->run_path);

	return access(realm, F_OK) == 0;
}

int setup_initialized_check(const struct setup *setup, struct kk_err *err)
{
	if (setup_is_initialized(setup))
		return 0;
	return kk_fail(err, KK_E_STATE,
		"kukeon host is not initialized: %s has no realm \"" KK_SYSTEM_REALM
		"\"; run `sudo kuke init`",
		setup->run_path);
}

static int containerd_refused(const char *path, struct kk_err *err)
{
	return kk_fail(err, KK_E_PERMISSION, "containerd's socket %s is root's: run this with sudo",
		path);
}

int setup_containerd_check(const struct setup *setup, struct kk_err *err)
{
	const char *path = setup->containerd_socket;
	kk_auto_fd int fd = -1;
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == EACCES ?
			containerd_refused(path, err) :
			kk_fail(err, KK_E_CONTAINERD_DOWN,
				"failed to connect to containerd: %s — start containerd (systemctl start "
				"containerd), or name its socket with --containerd-socket, then run `kuke "
				"init`: stat %s: %s",
				path, path, kk_errno_text(errno));
	if (!S_ISSOCK(st.st_mode))
		return kk_fail(err, KK_E_CONTAINERD_DOWN,
			"failed to connect to containerd: %s is not a socket file; name containerd's "
			"with --containerd-socket",
			path);
	fd = kk_unix_dial(path, SOCK_STREAM, SETUP_TIMEOUT_MS);
	if (fd < 0)
		return errno == EACCES ?
			containerd_refused(path, err) :
			kk_fail(err, KK_E_CONTAINERD_DOWN,
				"failed to connect to containerd: nobody listens at %s — start containerd "
				"(systemctl start containerd), then run `kuke init`: %s",
				path, kk_errno_text(errno));
	return 0;
}

bool setup_is_run_path(const struct setup *setup)
{
	kk_auto_free char *path = kk_xprintf("%s/" KK_INSTANCE_FILE, setup->run_path);

	return access(path, F_OK) == 0;
}

bool setup_owns_socket_dir(const struct setup *setup)
{
	const struct kk_config config = {.run_path = setup->run_path};
	kk_auto_free char *runtime = kk_config_runtime_dir(&config);

	return strcmp(setup->socket_dir, runtime) == 0 ||
		strcmp(setup->socket_dir, setup->run_path) == 0;
}

int setup_lock(const struct setup *setup, int *ret_fd, struct kk_err *err)
{
	kk_auto_free char *path = kk_xprintf("%s/" SETUP_LOCK_FILE, setup->run_path);
	kk_auto_fd int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct stat ours, there;

	if (fd < 0 || flock(fd, LOCK_EX) < 0 || fstat(fd, &ours) < 0)
		return kk_fail_errno(err, KK_E_IO, "lock %s", path);
	if (stat(path, &there) < 0 || there.st_ino != ours.st_ino)
		return kk_fail(err, KK_E_STATE, "%s was removed meanwhile, run this again",
			setup->run_path);
	*ret_fd = kk_steal_fd(&fd);
	return 0;
}

enum { SETTINGS_MODE = 0600, SETTINGS_MAX = 1024 * 1024 };

static char *settings_dir(void)
{
	return kk_xstrndup(KK_DEFAULT_SERVER_CONFIGURATION,
		(size_t)(strrchr(KK_DEFAULT_SERVER_CONFIGURATION, '/') -
			KK_DEFAULT_SERVER_CONFIGURATION));
}

int setup_settings_make(const struct setup *setup, struct kk_err *err)
{
	kk_auto_free char *text = NULL, *dir = settings_dir();

	if (strcmp(setup->configuration, KK_DEFAULT_SERVER_CONFIGURATION) != 0 ||
		!setup->is_default || access(setup->configuration, F_OK) == 0)
		return 0;
	text = cli_settings_text();
	if (!text)
		return kk_fail(err, KK_E_NOMEM, "no memory for %s", setup->configuration);
	return kk_dir_make(dir, 0750, err) < 0 ?
		kk_failed(err) :
		kk_file_replace(setup->configuration, text, strlen(text), SETTINGS_MODE, err);
}

void setup_settings_forget(void)
{
	kk_auto_free char *text = cli_settings_text(), *dir = settings_dir();
	kk_auto_buf found = {.max = SETTINGS_MAX};
	struct stat st;

	/* A package has them readable for all. */
	if (stat(KK_DEFAULT_SERVER_CONFIGURATION, &st) < 0 ||
		(st.st_mode & 0777) != SETTINGS_MODE ||
		kk_file_read(KK_DEFAULT_SERVER_CONFIGURATION, &found, NULL) < 0 || !text ||
		found.len != strlen(text) || memcmp(found.data, text, found.len) != 0)
		return;
	(void)unlink(KK_DEFAULT_SERVER_CONFIGURATION);
	(void)rmdir(dir);
}
