/* client/cmd/image.c - kuke image load|delete|prune: always in-process. */
#include "../cli.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kukeon/fd.h>
#include <kukeon/mem.h>
#include <kukeon/worker.h>

enum { PIECE = 256 * 1024 };

static int load_call(struct cli *cli, const char *path, struct kk_err *err)
{
	const char *realm = cli_string(cli, "realm");
	kk_auto_json *reply = NULL;
	const json_t *result, *images;
	size_t i;
	json_t *name;

	if (cli_call(cli, "LoadImage", json_pack("{s:s, s:s}", "RealmName", realm, "Path", path),
		    &reply, err) < 0) {
		if (err->code == KK_E_API && strstr(err->frames[0].text, "image tarball"))
			return kk_wrap(err, "failed to load image");
		return kk_failed(err);
	}
	result = json_object_get(reply, "Result");
	images = json_object_get(result, "Images");
	printf("loaded %zu image%s into realm \"%s\" (namespace \"%s\")%s\n",
		json_array_size(images), json_array_size(images) ? "(s)" : "s", realm,
		cli_json_string(result, "Namespace"), json_array_size(images) ? ":" : "");
	json_array_foreach (images, i, name)
		printf("  - %s\n", kk_str(json_string_value(name)));
	return 0;
}

static int spool_copy(int from, int to, off_t *ret_size, struct kk_err *err)
{
	kk_auto_free char *piece = kk_xalloc(PIECE);
	ssize_t n;

	*ret_size = 0;
	while ((n = read(from, piece, PIECE)) > 0) {
		if (kk_fd_write_all(to, piece, (size_t)n) < 0)
			return kk_fail_errno(err, KK_E_IO, "keep standard input in %s",
				CLI_SPOOL_DIR);
		*ret_size += n;
	}
	return n < 0 ? kk_fail_errno(err, KK_E_IO, "read the image") : 0;
}

static int spool_open(struct kk_err *err)
{
	int fd = open(CLI_SPOOL_DIR, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return fd < 0 ? kk_fail_errno(err, KK_E_IO, "make a file in %s", CLI_SPOOL_DIR) : fd;
}

/* Standard input as a file that can be read from its start as often as it takes: a pipe would be half
 * empty for whoever takes over from a worker that died. Returns a descriptor. */
static int stdin_file(off_t *ret_size, struct kk_err *err)
{
	kk_auto_fd int fd = -1;
	struct stat st;

	if (fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode) &&
		lseek(STDIN_FILENO, 0, SEEK_CUR) == 0) {
		*ret_size = st.st_size;
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
	} else {
		fd = spool_open(err);
		if (fd < 0 || spool_copy(STDIN_FILENO, fd, ret_size, err) < 0)
			return kk_failed(err);
	}
	return fd < 0 ? kk_fail_errno(err, KK_E_IO, "keep standard input") : kk_steal_fd(&fd);
}

/* @fd: lent to the worker that reads it. */
static int load_fd(struct cli *cli, int fd, off_t size, struct kk_err *err)
{
	kk_auto_free char *path = kk_xprintf("/proc/self/fd/%d", KK_WORKER_LENT_FD);

	if (size == 0)
		return kk_fail(err, KK_E_USAGE, "image tarball is required");
	cli->lent_fd = fd;
	return load_call(cli, path, err);
}

static int load_stdin(struct cli *cli, struct kk_err *err)
{
	off_t size;
	kk_auto_fd int fd = stdin_file(&size, err);

	return fd < 0 ? kk_failed(err) : load_fd(cli, fd, size, err);
}

/* `docker save` with its standard output in a pipe; what it says is for the user. */
static int docker_start(const char *ref, pid_t *ret_pid, int *ret_fd, struct kk_err *err)
{
	const char *const argv[] = {"docker", "save", ref, NULL};
	posix_spawn_file_actions_t actions;
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return kk_fail_errno(err, KK_E_IO, "make a pipe");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	r = posix_spawnp(ret_pid, "docker", &actions, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	*ret_fd = ends[0];
	if (r == 0)
		return 0;
	close(ends[0]);
	return kk_fail(err, KK_E_IO, "docker save %s: %s", ref,
		r == ENOENT ? "there is no docker on this host" : kk_errno_text(r));
}

static int load_docker(struct cli *cli, const char *ref, struct kk_err *err)
{
	kk_auto_fd int spool = spool_open(err), fd = -1;
	off_t size = 0;
	pid_t pid;
	int r, status;

	if (spool < 0 || docker_start(ref, &pid, &fd, err) < 0)
		return kk_failed(err);
	r = spool_copy(fd, spool, &size, err);
	kk_closep(&fd);
	fd = -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return r;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return kk_fail(err, KK_E_IO, "docker save %s: %s %d", ref,
			WIFEXITED(status) ? "exit status" : "signal",
			WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	return load_fd(cli, spool, size, err);
}

static int load_run(struct cli *cli, struct kk_err *err)
{
	const char *file = cli_arg(cli, 0);
	kk_auto_free char *absolute = NULL;
	struct stat st;

	if (cli_root_check(cli, err) < 0)
		return kk_failed(err);
	if (file && cli_is_given(cli, "from-docker"))
		return kk_fail(err, KK_E_USAGE,
			"pass either a tarball path or --from-docker, not both");
	if (cli_is_given(cli, "from-docker"))
		return load_docker(cli, cli_string(cli, "from-docker"), err);
	if (!file)
		return kk_fail(err, KK_E_USAGE,
			"a tarball path, '-' for stdin, or --from-docker <ref> is required");
	if (strcmp(file, "-") == 0)
		return load_stdin(cli, err);
	if (stat(file, &st) < 0)
		return kk_fail(err, KK_E_IO, "failed to open file \"%s\": open %s: %s", file, file,
			kk_errno_text(errno));
	if (S_ISREG(st.st_mode) && st.st_size == 0)
		return kk_fail(err, KK_E_USAGE, "image tarball is required");
	if (S_ISDIR(st.st_mode))
		return kk_fail(err, KK_E_IO, "\"%s\" is a directory, not an image tarball", file);
	absolute = realpath(file, NULL);
	return load_call(cli, absolute ? absolute : file, err);
}

static int delete_run(struct cli *cli, struct kk_err *err)
{
	const char *realm = cli_string(cli, "realm"), *ref = cli_arg(cli, 0);
	kk_auto_json *reply = NULL;
	const json_t *result;

	if (cli_call(cli, "RemoveImage", json_pack("{s:s, s:s}", "RealmName", realm, "Ref", ref),
		    &reply, err) < 0) {
		if (err->code != KK_E_IMAGE_NOT_FOUND)
			return kk_failed(err);
		kk_err_clear(err);
		return kk_fail(err, KK_E_IMAGE_NOT_FOUND,
			"image \"%s\" not found in realm \"%s\": image not found", ref, realm);
	}
	result = json_object_get(reply, "Result");
	printf("deleted image \"%s\" from realm \"%s\" (namespace \"%s\")\n",
		cli_json_string(result, "Name"), realm, cli_json_string(result, "Namespace"));
	return 0;
}

static int prune_run(struct cli *cli, struct kk_err *err)
{
	const char *realm = cli_string(cli, "realm");
	kk_auto_json *reply = NULL;
	const json_t *result;

	if (cli_call(cli, "PruneImages", json_pack("{s:s}", "RealmName", realm), &reply, err) < 0)
		return kk_failed(err);
	result = json_object_get(reply, "Result");
	printf("pruned realm \"%s\" (namespace \"%s\"): released %" JSON_INTEGER_FORMAT
	       " lease(s), retained %" JSON_INTEGER_FORMAT "\n",
		realm, cli_json_string(result, "Namespace"),
		json_integer_value(json_object_get(result, "Released")),
		json_integer_value(json_object_get(result, "Retained")));
	return 0;
}

static const struct cli_flag load_flags[] = {
	CLI_FLAG_REALM,
	{"from-docker", 0, CLI_STRING, NULL, NULL, "Take the image from the local Docker", "ref"},
	CLI_FLAGS_END,
};
static const struct cli_flag realm_flags[] = {CLI_FLAG_REALM, CLI_FLAGS_END};

static const struct cli_command load = {
	.name = "load",
	.usage = "[tarball|-] [flags]",
	.summary = "Import an OCI or docker-save archive into a realm",
	.flags = load_flags,
	.max_args = 1,
	.route = CLI_ROUTE_LOCAL,
	.is_long = true,
	.run = load_run,
};
static const struct cli_command delete = {
	.name = "delete",
	.aliases = "rm remove",
	.usage = "<ref> [flags]",
	.summary = "Delete an image",
	.flags = realm_flags,
	.min_args = 1,
	.max_args = 1,
	.route = CLI_ROUTE_LOCAL,
	.run = delete_run,
};

static const struct cli_command prune = {
	.name = "prune",
	.usage = "[flags]",
	.summary = "Give back what only a forgotten lease keeps",
	.flags = realm_flags,
	.route = CLI_ROUTE_LOCAL,
	.run = prune_run,
};

static const struct cli_command *const children[] = {&load, &delete, &prune, NULL};

const struct cli_command cli_cmd_image = {
	.name = "image",
	.usage = "<command>",
	.summary = "Load, delete and prune images",
	.children = children,
};
