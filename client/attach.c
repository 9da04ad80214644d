/* client/attach.c - our terminal in the place of a container's: straight to its kuketty, which outlives kukeond. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <kukeon/buf.h>
#include <kukeon/clock.h>
#include <kukeon/fd.h>
#include <kukeon/mem.h>
#include <kukeon/tty.h>

/* What a terminal is left with: the usual keys, no mouse, no marks around what is pasted, a cursor, no colour. */
#define MODES_RESET \
	"\033[?1l\033>\033[?1000l\033[?1002l\033[?1003l\033[?1006l\033[?2004l\033[?25h\033[0m"
#define SCREEN_LEAVE "\033[?1049l"
#define SCREEN_CLEAR "\033[H\033[2J\033[3J"
#define HINT "\033[36mTo detach, press ^] twice\033[0m\r\n"
#define FAREWELL "\033[33m\r\nDetached\r\n\033[0m"

enum {
	DIAL_MS = 2000,
	DIAL_PAUSE_MS = 50,
	PIECE = 4096,
	KEYS = 4096,
	TYPED_MAX = 1024 * 1024, /* bytes that may wait for whoever does not read */
	AGAIN_TRIES = 3,
};

struct session {
	const char *path;
	int fd;
	struct cli_detach detach;
	struct cli_replay replay;
	struct kk_buf typed; /* what the other side did not take yet */
	char shown[sizeof(((struct cli_replay *)0)->held) + KK_TTY_PACKET_MAX];
	size_t at, end;       /* of it: what our terminal did not take yet */
	size_t n_screen;      /* bytes so far of what changes the screen */
	bool is_other_screen; /* a program has the whole of it */
	bool is_ended, is_full;
	bool is_size_due; /* the other side had no room for it */
	int n_silent;     /* connections behind each other on which nothing came */
};

static const int caught_ones[] = {SIGWINCH, SIGTERM, SIGHUP, SIGINT, SIGQUIT};

/* --- packets --- */

/* Nobody is waited for: -1 with EAGAIN where it would have to be. */
static int packet_send(const struct session *session, enum kk_tty_packet what, const void *data,
	size_t len)
{
	char packet[KEYS + 1] = {(char)what};

	memcpy(packet + 1, data, len);
	return send(session->fd, packet, len + 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -1 : 0;
}

static int size_send(struct session *session)
{
	struct kk_tty_size size = {0};
	int r;

	cli_is_resized = 0;
	(void)cli_terminal_size(&size.rows, &size.columns);
	r = packet_send(session, KK_TTY_SIZE, &size, sizeof size);
	session->is_size_due = r < 0 && errno == EAGAIN;
	return r;
}

/* The next packet, as recv has it. That the other side has closed, with something of ours unread, is told before what it had to
 * say; once. */
static ssize_t packet_read(const struct session *session, char *packet, size_t size)
{
	ssize_t n = recv(session->fd, packet, size, MSG_DONTWAIT);

	return n < 0 && errno == ECONNRESET ? recv(session->fd, packet, size, MSG_DONTWAIT) : n;
}

/* One that has just been started, or has just died, is there in a moment. */
static int dial(struct session *session)
{
	int64_t end_ms = kk_clock_ms() + DIAL_MS;
	char packet;
	int cause;

	for (;;) {
		session->fd = kk_unix_dial(session->path, SOCK_SEQPACKET, 0);
		if (session->fd >= 0 && size_send(session) == 0)
			return 0;
		cause = errno;
		session->is_full = session->fd >= 0 && packet_read(session, &packet, 1) == 1 &&
			packet == KK_TTY_FULL;
		kk_closep(&session->fd);
		session->fd = -1;
		errno = cause;
		if (session->is_full)
			return -1;
		if ((errno != ENOENT && errno != ECONNREFUSED && errno != EPIPE &&
			    errno != ECONNRESET) ||
			kk_clock_ms() > end_ms || cli_caught)
			return -1;
		cli_pause(DIAL_PAUSE_MS);
	}
}

/* --- to and fro --- */

/* Which of its screens a terminal shows: the last change counts. */
static void screen_follow(struct session *session, const char *data, size_t len)
{
	static const char change[] = "\033[?1049";

	for (size_t i = 0; i < len; i++) {
		if (!change[session->n_screen]) {
			if (data[i] == 'h' || data[i] == 'l')
				session->is_other_screen = data[i] == 'h';
			session->n_screen = 0;
		}
		session->n_screen = data[i] == change[session->n_screen] ? session->n_screen + 1 :
									   data[i] == change[0];
	}
}

/* -1: the other side is gone. */
static int packet_receive(struct session *session)
{
	char *packet = session->shown + sizeof session->replay.held, *data = packet + 1;
	ssize_t n = packet_read(session, packet, KK_TTY_PACKET_MAX);
	size_t len;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n <= 0)
		return -1;
	session->n_silent = 0;
	session->is_ended |= packet[0] == KK_TTY_ENDED;
	session->is_full |= packet[0] == KK_TTY_FULL;
	if (packet[0] != KK_TTY_REPLAY && packet[0] != KK_TTY_OUTPUT)
		return 0;
	data -= session->replay.n_held;
	memcpy(data, session->replay.held, session->replay.n_held);
	len = (size_t)n - 1 + session->replay.n_held;
	session->replay.n_held = 0;
	if (packet[0] == KK_TTY_REPLAY)
		len = cli_replay_strip(&session->replay, data, len);
	session->at = (size_t)(data - session->shown);
	session->end = session->at + len;
	screen_follow(session, data, len);
	return 0;
}

/* In small pieces: our terminal may be slow, and the next key may be the one to leave. */
static int show(struct session *session)
{
	size_t len = session->end - session->at;
	ssize_t n = write(STDOUT_FILENO, session->shown + session->at, len < PIECE ? len : PIECE);

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -1;
	session->at += (size_t)n;
	return 0;
}

/* What was typed, as far as it is taken. Who is gone is noticed where we listen. */
static void typed_send(struct session *session)
{
	while (session->typed.len) {
		size_t len = session->typed.len < KEYS ? session->typed.len : KEYS;

		if (packet_send(session, KK_TTY_INPUT, session->typed.data, len) < 0) {
			if (errno != EAGAIN && errno != EINTR)
				kk_buf_clear(&session->typed);
			return;
		}
		kk_buf_consume(&session->typed, len);
	}
}

/* 1: the user wants to leave, -1: nobody types any more. */
static int keys_read(struct session *session)
{
	char keys[KEYS];
	ssize_t n = read(STDIN_FILENO, keys, sizeof keys);
	bool is_asked;
	size_t len;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n <= 0)
		return -1;
	len = cli_detach_find(&session->detach, keys, (size_t)n, &is_asked);
	kk_buf_append(&session->typed, keys, len);
	typed_send(session);
	return is_asked;
}

/* Once more: kuketty has a new process that does the work. It shows again what there was. */
static int again(struct session *session)
{
	kk_closep(&session->fd);
	session->fd = -1;
	session->at = session->end = session->replay.n_held = session->n_screen = 0;
	if (++session->n_silent > AGAIN_TRIES || dial(session) < 0)
		return -1;
	(void)kk_fd_write_all(STDOUT_FILENO, SCREEN_CLEAR, strlen(SCREEN_CLEAR));
	return 0;
}

static short wanted_of(const struct session *session)
{
	bool is_showing = session->at < session->end;

	return (short)((is_showing ? 0 : POLLIN) |
		(session->typed.len || session->is_size_due ? POLLOUT : 0));
}

static enum cli_attach_end pump(struct session *session)
{
	while (!session->is_ended && !session->is_full) {
		short wanted = wanted_of(session);
		struct pollfd fds[] = {
			{session->typed.len < TYPED_MAX ? STDIN_FILENO : -1, POLLIN, 0},
			{wanted ? session->fd : -1, wanted, 0},
			{session->at < session->end ? STDOUT_FILENO : -1, POLLOUT, 0},
		};
		int r = 0;

		if (cli_caught)
			return CLI_ATTACH_SIGNALLED;
		if (cli_signals_poll(fds, KK_COUNT(fds)) < 0)
			continue;
		if (cli_is_resized || (session->is_size_due && fds[1].revents & POLLOUT))
			(void)size_send(session);
		if (fds[0].revents)
			r = keys_read(session);
		if (r > 0)
			return CLI_ATTACH_LEFT;
		if (r < 0 || (fds[2].revents && show(session) < 0))
			return CLI_ATTACH_LOST;
		if (fds[1].revents & POLLOUT)
			typed_send(session);
		if (fds[1].revents & (POLLIN | POLLHUP | POLLERR) && session->at == session->end &&
			packet_receive(session) < 0 && again(session) < 0)
			return cli_caught ? CLI_ATTACH_SIGNALLED : CLI_ATTACH_LOST;
	}
	return session->is_ended ? CLI_ATTACH_ENDED : CLI_ATTACH_LOST;
}

/* --- the whole --- */

static int full_fail(const char *container, struct kk_err *err)
{
	return kk_fail(err, KK_E_BUSY, "%d are attached to container \"%s\" already",
		KK_TTY_CLIENTS_MAX, container);
}

static int dial_fail(const struct session *session, const char *container, const char *cell,
	struct kk_err *err)
{
	if (session->is_full)
		return full_fail(container, err);
	if (errno == EACCES)
		return kk_fail_errno(err, KK_E_PERMISSION,
			"attach to container \"%s\" in cell \"%s\": %s: add yourself to group kukeon, or "
			"run this with sudo",
			container, cell, session->path);
	return kk_fail_errno(err, KK_E_DIAL,
		"attach to container \"%s\" in cell \"%s\": nobody answers for its terminal at %s (see "
		"`kuke log %s`, or `kuke restart %s`)",
		container, cell, session->path, cell, cell);
}

/* The terminal is on another machine: whoever has the socket there sits down at it. */
static int attach_there(struct cli *cli, const struct kk_scope *scope, const char *container,
	enum cli_attach_end *ret_end, struct kk_err *err)
{
	const char *words[] = {"kuke", "attach", "--host", cli_host(cli), "--realm", scope->realm,
		"--space", scope->space, "--stack", scope->stack, "--container", container,
		scope->cell};

	if (cli_attach_check(err) < 0 || cli_ssh_do(cli, words, KK_COUNT(words), err) < 0)
		return kk_failed(err);
	/* It has told why. */
	*ret_end = cli->status ? CLI_ATTACH_LOST : CLI_ATTACH_LEFT;
	return 0;
}

static int socket_get(struct cli *cli, const struct kk_scope *scope, const char *container,
	char **ret_path, struct kk_err *err)
{
	kk_auto_json *reply = NULL;
	int r = cli_call(cli, "AttachContainer", cli_doc_args(KK_KIND_CONTAINER, scope, container),
		&reply, err);

	if (r == KK_E_ATTACH_NOT_SUPPORTED)
		return kk_wrap(err, "container \"%s\" in cell \"%s\" is not attachable", container,
			scope->cell);
	if (r < 0)
		return r;
	*ret_path = kk_xstrdup(cli_json_string(json_object_get(reply, "Result"), "HostSocketPath"));
	return 0;
}

static void leave(const struct session *session, enum cli_attach_end end)
{
	cli_signals_release();
	cli_terminal_restore();
	if (session->is_other_screen)
		(void)kk_fd_write_all(STDOUT_FILENO, SCREEN_LEAVE, strlen(SCREEN_LEAVE));
	(void)kk_fd_write_all(STDOUT_FILENO, MODES_RESET, strlen(MODES_RESET));
	if (end == CLI_ATTACH_LEFT)
		(void)kk_fd_write_all(STDOUT_FILENO, FAREWELL, strlen(FAREWELL));
}

int cli_attach_check(struct kk_err *err)
{
	return isatty(STDIN_FILENO) ?
		0 :
		kk_fail(err, KK_E_USAGE,
			"standard input is no terminal: attach from one, or use "
			"`kuke exec -i` or `kuke log`");
}

int cli_attach(struct cli *cli, const struct kk_scope *scope, const char *container,
	enum cli_attach_end *ret_end, struct kk_err *err)
{
	kk_auto_free char *path = NULL;
	static struct session session;

	if (cli_is_elsewhere(cli))
		return attach_there(cli, scope, container, ret_end, err);
	if (socket_get(cli, scope, container, &path, err) < 0 || cli_attach_check(err) < 0)
		return kk_failed(err);
	/* It may be for long: nobody else is needed any more. */
	cli_disconnect(cli);
	session = (struct session){.path = path, .fd = -1};
	signal(SIGPIPE, SIG_IGN);
	cli_signals_catch(caught_ones, KK_COUNT(caught_ones));
	if (dial(&session) < 0) {
		cli_signals_release();
		if (!cli_caught)
			return dial_fail(&session, container, scope->cell, err);
		*ret_end = CLI_ATTACH_SIGNALLED;
		cli->status = 128 + cli_caught;
		return 0;
	}
	(void)kk_fd_write_all(STDOUT_FILENO, HINT, strlen(HINT));
	cli_terminal_raw();
	*ret_end = pump(&session);
	leave(&session, *ret_end);
	kk_closep(&session.fd);
	kk_buf_release(&session.typed);
	if (*ret_end == CLI_ATTACH_SIGNALLED)
		cli->status = 128 + cli_caught;
	if (session.is_full)
		return full_fail(container, err);
	if (*ret_end == CLI_ATTACH_LOST)
		return kk_fail(err, KK_E_DIAL, "the terminal of container \"%s\" is lost",
			container);
	return 0;
}
