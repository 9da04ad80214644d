/* client/cmd/image.c - kuke image load|delete: always in-process. */
#include "../cli.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kukeon/fd.h>
#include <kukeon/mem.h>

/* Standard input may be a socket, which no other process can open: its bytes go through a pipe. */
struct pump {
	int from;
	int to;
	size_t n;
};

static void *pump_run(void *arg)
{
	struct pump *pump = arg;
	char piece[65536];
	ssize_t n;

	while ((n = read(pump->from, piece, sizeof piece)) > 0) {
		pump->n += (size_t)n;
		if (kk_fd_write_all(pump->to, piece, (size_t)n) < 0)
			break;
	}
	close(pump->to);
	return NULL;
}

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

static int load_stdin(struct cli *cli, struct kk_err *err)
{
	kk_auto_free char *path = NULL;
	struct pump pump = {.from = STDIN_FILENO};
	pthread_t thread;
	int pipe_fds[2], r;
	char first;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return kk_fail_errno(err, KK_E_IO, "create a pipe");
	r = (int)read(STDIN_FILENO, &first, 1);
	if (r <= 0) {
		close(pipe_fds[0]);
		close(pipe_fds[1]);
		return kk_fail(err, KK_E_USAGE, "image tarball is required");
	}
	(void)!write(pipe_fds[1], &first, 1);
	pump.to = pipe_fds[1];
	path = kk_xprintf("/proc/%d/fd/%d", (int)getpid(), pipe_fds[0]);
	if (pthread_create(&thread, NULL, pump_run, &pump) != 0)
		return kk_fail(err, KK_E_NOMEM, "no thread for standard input");
	pthread_detach(thread);
	r = load_call(cli, path, err);
	close(pipe_fds[0]);
	return r;
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
		return kk_fail(err, KK_E_USAGE,
			"--from-docker is not supported yet; use `docker save %s | "
			"kuke image load -`",
			cli_string(cli, "from-docker"));
	if (!file)
		return kk_fail(err, KK_E_USAGE,
			"a tarball path, '-' for stdin, or --from-docker <ref> is required");
	if (strcmp(file, "-") == 0)
		return load_stdin(cli, err);
	if (stat(file, &st) < 0)
		return kk_fail(err, KK_E_IO, "failed to open file \"%s\": open %s: %s", file, file,
			errno == ENOENT ? "no such file or directory" : strerror(errno));
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

static const struct cli_flag load_flags[] = {
	CLI_FLAG_REALM,
	{"from-docker", 0, CLI_STRING, NULL, NULL, "not supported yet", "ref"},
	CLI_FLAGS_END,
};
static const struct cli_flag delete_flags[] = {CLI_FLAG_REALM, CLI_FLAGS_END};

static const struct cli_command load = {
	.name = "load",
	.usage = "[tarball|-] [flags]",
	.summary = "Import an OCI or docker-save archive into a realm",
	.flags = load_flags,
	.max_args = 1,
	.route = CLI_ROUTE_LOCAL,
	.run = load_run,
};
static const struct cli_command delete = {
	.name = "delete",
	.aliases = "rm remove",
	.usage = "<ref> [flags]",
	.summary = "Delete an image",
	.flags = delete_flags,
	.min_args = 1,
	.max_args = 1,
	.route = CLI_ROUTE_LOCAL,
	.run = delete_run,
};

static const struct cli_command *const children[] = {&load, &delete, NULL};

const struct cli_command cli_cmd_image = {
	.name = "image",
	.usage = "<command>",
	.summary = "Load and delete images",
	.children = children,
};
