/* client/setup/command.c - programs of the host: user management and systemd have no other door. */
#include "setup.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kukeon/buf.h>
#include <kukeon/fd.h>

/* As text for a message: without the newline. */
static void line_end(struct kk_buf *text)
{
	while (text && text->len && text->data[text->len - 1] == '\n')
		text->data[--text->len] = '\0';
}

int setup_command(const char *const *argv, struct kk_buf *ret_output)
{
	posix_spawn_file_actions_t actions;
	int ends[2], r, status = 0;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
	r = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (r == 0) {
		struct kk_buf waste = {.max = 65536};
		struct kk_err ignored = {0};

		(void)kk_fd_read(ends[0], argv[0], ret_output ? ret_output : &waste, &ignored);
		line_end(ret_output);
		kk_buf_release(&waste);
	}
	close(ends[0]);
	if (r != 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
