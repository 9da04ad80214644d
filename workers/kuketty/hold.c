/* workers/kuketty/hold.c - from the container's outputs to the log, and to those who look. */
#include "kuketty.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kukeon/auto.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>

/* What the shim gives us. */
enum { FD_OUT = 3, FD_ERR = 4 };

enum { CHUNK = 64 * 1024, JOURNAL_MAX = 1024 * 1024, FIRST_CLIENT = 3 };

struct hold {
	struct tty_sink sink;
	struct tty_clients clients;
	int signals;
	bool is_told; /* to end: nothing more is to be expected */
};

void tty_journal_bound(void)
{
	struct stat st;

	if (fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > JOURNAL_MAX)
		(void)!ftruncate(STDERR_FILENO, 0);
}

/* What there is to tell goes to a file of its own. */
static void journal_open(const struct tty_options *options)
{
	kk_auto_fd int fd = -1;

	if (*options->journal)
		fd = open(options->journal, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (fd < 0)
		fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		dup2(fd, STDERR_FILENO);
	tty_journal_bound();
	kk_log_open("kuketty", 0, kk_level_parse(options->log_level));
}

/* What was written before us, or before one of us that died. */
static void scrollback_read(struct hold *hold, const struct tty_options *options)
{
	kk_auto_fd int fd = open(options->log, O_RDONLY | O_CLOEXEC);
	char chunk[4096];
	ssize_t n;

	if (fd < 0)
		return;
	if (lseek(fd, -(off_t)options->scrollback_bytes, SEEK_END) < 0 && errno != EINVAL)
		return;
	while ((n = read(fd, chunk, sizeof chunk)) > 0)
		tty_ring_put(&hold->clients.ring, chunk, (size_t)n);
}

static int signals_open(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void start(struct hold *hold, const struct tty_options *options)
{
	journal_open(options);
	hold->signals = signals_open();
	tty_sink_open(&hold->sink, options);
	tty_clients_open(&hold->clients, options);
	if (*options->socket)
		scrollback_read(hold, options);
	fcntl(FD_OUT, F_SETFL, O_NONBLOCK);
	fcntl(FD_ERR, F_SETFL, O_NONBLOCK);
	kk_info("the output goes to %s", options->log);
}

/* False: that was all. */
static bool output_read(struct hold *hold, int fd, enum kk_stream stream)
{
	static char chunk[CHUNK];
	ssize_t n = read(fd, chunk, sizeof chunk);

	if (n < 0)
		return errno == EINTR || (errno == EAGAIN && !hold->is_told);
	if (n == 0)
		return false;
	/* Whoever looks sees it first: that is what is waited for. */
	tty_clients_show(&hold->clients, chunk, (size_t)n);
	tty_sink_write(&hold->sink, stream, chunk, (size_t)n);
	return true;
}

static void output_on_ready(struct hold *hold, struct pollfd *fd, enum kk_stream stream)
{
	if (fd->fd < 0 || (!fd->revents && !hold->is_told))
		return;
	if (!output_read(hold, fd->fd, stream)) {
		close(fd->fd);
		fd->fd = -1;
	}
}

static void run(struct hold *hold, const struct tty_options *options)
{
	/* A terminal has one output: nobody will write to the other one, but it may stay open in the shim. */
	struct pollfd fds[FIRST_CLIENT + TTY_POLLED_CLIENTS] = {
		{.fd = FD_OUT, .events = POLLIN},
		{.fd = *options->socket ? -1 : FD_ERR, .events = POLLIN},
		{.fd = hold->signals, .events = POLLIN},
	};
	struct signalfd_siginfo info;

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		tty_clients_poll(&hold->clients, fds + FIRST_CLIENT);
		if (poll(fds, KK_COUNT(fds), hold->is_told ? 0 : -1) < 0)
			continue;
		if (fds[2].revents && read(hold->signals, &info, sizeof info) > 0)
			hold->is_told = true;
		output_on_ready(hold, &fds[0], KK_STREAM_OUT);
		output_on_ready(hold, &fds[1], KK_STREAM_ERR);
		tty_clients_serve(&hold->clients, fds + FIRST_CLIENT);
	}
}

int tty_hold(const struct tty_options *options, int ready)
{
	static struct hold hold;

	start(&hold, options);
	/* Whatever went wrong so far, the container must run. */
	kk_closep(&ready);
	run(&hold, options);
	kk_info("the outputs are closed");
	tty_clients_close(&hold.clients);
	tty_sink_close(&hold.sink);
	return 0;
}
