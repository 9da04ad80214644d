/* client/setup/service.c */
#include "setup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kukeon/buf.h>
#include <kukeon/fd.h>
#include <kukeon/mem.h>

bool setup_has_systemd(void)
{
	/* As sd_booted(3) tells. */
	return access("/run/systemd/system/", F_OK) == 0;
}

char *setup_unit_find(void)
{
	static const char *const dirs[] = {"/etc/systemd/system", "/usr/local/lib/systemd/system",
		"/usr/lib/systemd/system", "/lib/systemd/system"};

	for (size_t i = 0; i < KK_COUNT(dirs); i++) {
		char *path = kk_xprintf("%s/" SETUP_UNIT, dirs[i]);

		if (access(path, F_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

bool setup_is_unit(const struct setup *setup)
{
	kk_auto_free char *unit = setup_unit_find();

	return unit && setup_has_systemd() && setup->is_default &&
		!(cli_has(setup->cli, "no-systemd") && cli_bool(setup->cli, "no-systemd"));
}

int setup_unit_do(const char *verb, struct kk_err *err)
{
	const char *const argv[] = {"systemctl", verb, SETUP_UNIT, NULL};
	kk_auto_buf output = {.max = 4096};

	if (setup_command(argv, &output) == 0)
		return 0;
	return kk_fail(err, KK_E_IO, "systemctl %s " SETUP_UNIT ": %s", verb,
		kk_str((char *)output.data));
}

bool setup_unit_is_active(void)
{
	const char *const argv[] = {"systemctl", "is-active", "--quiet", SETUP_UNIT, NULL};

	return setup_command(argv, NULL) == 0;
}

int setup_host_start(const struct setup *setup, struct kk_err *err)
{
	return setup_is_unit(setup) ? setup_unit_do("start", err) : setup_serve(setup, false, err);
}

/* What the cell's container gets as well, but for the root of the host. */
static void args_fill(const struct setup *setup, const char **argv, const char *gid)
{
	const char *const args[] = {"kukeond", "serve", "--configuration", setup->configuration,
		"--socket", setup->socket, "--run-path", setup->run_path, "--containerd-socket",
		setup->containerd_socket, "--socket-gid", gid, NULL};

	memcpy(argv, args, sizeof args);
}

/* Its output goes where nobody has to read it for it to go on. */
static char *log_path(const struct setup *setup)
{
	return kk_xprintf("%s/kukeond.log", setup->run_path);
}

static int log_open(const struct setup *setup, struct kk_err *err)
{
	kk_auto_free char *path = log_path(setup);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);

	return fd < 0 ? kk_fail_errno(err, KK_E_IO, "open %s", path) : fd;
}

int setup_serve(const struct setup *setup, bool is_here, struct kk_err *err)
{
	kk_auto_free char *gid = kk_xprintf("%u", (unsigned)setup->gid);
	const char *argv[16] = {0};
	kk_auto_fd int log = -1, null = -1;
	pid_t pid;

	args_fill(setup, argv, gid);
	if (is_here) {
		/* systemd has other ways to know. */
		if (!getenv("NOTIFY_SOCKET"))
			(void)setenv("KUKEOND_STOPPED_STATUS", KK_STRINGIFY(SETUP_STATUS_STOPPED),
				1);
		execv("/proc/self/exe", (char *const *)argv);
		return kk_fail_errno(err, KK_E_IO, "run kukeond");
	}
	log = log_open(setup, err);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (log < 0)
		return kk_failed(err);
	pid = fork();
	if (pid < 0)
		return kk_fail_errno(err, KK_E_IO, "fork");
	if (pid > 0)
		return 0;
	setsid();
	(void)dup2(null, STDIN_FILENO);
	(void)dup2(log, STDOUT_FILENO);
	(void)dup2(log, STDERR_FILENO);
	(void)!chdir("/");
	execv("/proc/self/exe", (char *const *)argv);
	dprintf(STDERR_FILENO, "kukeond can't be run: %s\n", kk_errno_text(errno));
	_exit(127);
}

int setup_log_show(const struct setup *setup, bool is_following, struct kk_err *err)
{
	static const char *const journal[] = {
		"journalctl", "-u", SETUP_UNIT, "-o", "cat", "--no-pager", NULL};
	const char *argv[KK_COUNT(journal) + 1];
	size_t n = KK_COUNT(journal) - 1;

	memcpy(argv, journal, sizeof journal);
	if (!setup_is_unit(setup)) {
		kk_auto_free char *path = log_path(setup);

		return cli_log_file_show(setup->cli, path, err);
	}
	if (is_following)
		argv[n++] = "-f";
	argv[n] = NULL;
	(void)fflush(stdout);
	execvp(argv[0], (char *const *)argv);
	return kk_fail_errno(err, KK_E_IO, "run journalctl");
}
