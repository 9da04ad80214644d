/* client/cmd/dial.c - kuke __dial-stdio: standard input and output are kukeond's socket, for a kuke that ssh has led here. */
#include "../cli.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <kukeon/fd.h>
#include <kukeon/mem.h>

enum { CHUNK = 64 * 1024 };

/* One way, and what was read and is not yet written. */
struct lane {
	int from, to; /* -1: there is nothing more to read, or nobody to write to */
	char data[CHUNK];
	size_t begin, end;
};

static bool is_over(const struct lane *lane)
{
	return lane->to < 0 || (lane->from < 0 && lane->begin == lane->end);
}

static struct pollfd source(const struct lane *lane)
{
	return (struct pollfd){lane->begin == lane->end ? lane->from : -1, POLLIN, 0};
}

static struct pollfd sink(const struct lane *lane)
{
	return (struct pollfd){lane->begin < lane->end ? lane->to : -1, POLLOUT, 0};
}

static void lane_read(struct lane *lane)
{
	ssize_t n = read(lane->from, lane->data, sizeof lane->data);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	lane->begin = 0;
	lane->end = n > 0 ? (size_t)n : 0;
	if (n <= 0)
		lane->from = -1;
}

static void lane_write(struct lane *lane)
{
	ssize_t n = write(lane->to, lane->data + lane->begin, lane->end - lane->begin);

	if (n >= 0)
		lane->begin += (size_t)n;
	else if (errno != EINTR && errno != EAGAIN)
		lane->to = -1;
}

static void lane_move(struct lane *lane, const struct pollfd *in, const struct pollfd *out)
{
	if (in->revents)
		lane_read(lane);
	if (out->revents)
		lane_write(lane);
}

/* Until kukeond has said its last, or nobody listens any more. */
static void pump(int fd)
{
	static struct lane up = {.from = STDIN_FILENO}, down = {.to = STDOUT_FILENO};
	bool is_half = false;

	up.to = down.from = fd;
	while (!is_over(&down)) {
		struct pollfd fds[] = {
			source(&up), sink(&up), source(&down), sink(&down), {.fd = STDOUT_FILENO}};

		if (poll(fds, KK_COUNT(fds), -1) < 0)
			continue;
		if (fds[4].revents)
			return;
		lane_move(&up, &fds[0], &fds[1]);
		lane_move(&down, &fds[2], &fds[3]);
		if (is_over(&up) && !is_half) {
			shutdown(fd, SHUT_WR);
			up.from = -1;
			up.begin = up.end;
			is_half = true;
		}
	}
}

static int run(struct cli *cli, struct kk_err *err)
{
	signal(SIGPIPE, SIG_IGN);
	if (cli_dial(cli, err) < 0)
		return kk_failed(err);
	if (kk_fd_write_all(STDOUT_FILENO, CLI_GREETING, strlen(CLI_GREETING)) < 0 ||
		kk_fd_nonblock(STDIN_FILENO) < 0 || kk_fd_nonblock(STDOUT_FILENO) < 0 ||
		kk_fd_nonblock(cli->fd) < 0)
		return kk_fail_errno(err, KK_E_IO, "lead standard input and output to kukeond");
	pump(cli->fd);
	return 0;
}

const struct cli_command cli_cmd_dial = {
	.name = CLI_DIAL_VERB,
	.usage = "[flags]",
	.summary = "Lead standard input and output to kukeond",
	.run = run,
};
