/* workers/kuketty/client.c - those who sit at the terminal. None of them is waited for: who is too slow misses something. */
#include "kuketty.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <kukeon/auto.h>
#include <kukeon/clock.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>

enum {
	BACKLOG = 8,
	TURN = 8,           /* packets that one client gets before it is the next one's turn */
	LAG = 256 * 1024,   /* bytes that a client may be behind, beside the scrollback */
	FAREWELL_MS = 5000, /* that all clients together have to take the rest */
};

/* --- the socket --- */

/* It has its mode from the first moment on, and takes the place of one that is left over. A path of any length will
 * do: the directory is reached by its descriptor. */
static int socket_bind(int fd, const struct tty_options *options)
{
	kk_auto_free char *dir = kk_xstrdup(options->socket), *new_path = NULL;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	kk_auto_fd int dir_fd = -1;
	mode_t mask;
	int r;

	*strrchr(dir, '/') = '\0';
	dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return -1;
	snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/socket.%d", dir_fd,
		(int)getpid());
	new_path = kk_xprintf("%s/socket.%d", dir, (int)getpid());
	unlink(new_path);
	mask = umask(0117);
	r = bind(fd, (const struct sockaddr *)&address, sizeof address);
	umask(mask);
	if (r < 0)
		return -1;
	if (listen(fd, BACKLOG) < 0 || rename(new_path, options->socket) < 0) {
		unlink(new_path);
		return -1;
	}
	return 0;
}

static void link_make(const struct tty_options *options)
{
	kk_auto_free char *new_link = kk_xprintf("%s.%d", options->link, (int)getpid());

	unlink(new_link);
	if (symlink(options->socket, new_link) < 0 || rename(new_link, options->link) < 0) {
		kk_error("make link %s: %m", options->link);
		unlink(new_link);
	}
}

static int socket_open(struct tty_clients *clients)
{
	kk_auto_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (fd < 0 || socket_bind(fd, clients->options) < 0 ||
		stat(clients->options->socket, &st) < 0) {
		kk_error("listen at %s: %m", clients->options->socket);
		return -1;
	}
	clients->inode = st.st_ino;
	if (*clients->options->link)
		link_make(clients->options);
	return kk_steal_fd(&fd);
}

/* That of a task which came after us is not ours. */
static void socket_remove(const struct tty_clients *clients)
{
	struct stat st;

	if (stat(clients->options->socket, &st) < 0 || st.st_ino != clients->inode)
		return;
	unlink(clients->options->link);
	unlink(clients->options->socket);
}

void tty_clients_open(struct tty_clients *clients, const struct tty_options *options)
{
	*clients = (struct tty_clients){.options = options, .listener = -1, .input = -1};
	for (size_t i = 0; i < KK_COUNT(clients->all); i++)
		clients->all[i].fd = -1;
	if (!*options->socket)
		return;
	tty_ring_init(&clients->ring, (size_t)options->scrollback_bytes + LAG);
	clients->listener = socket_open(clients);
	if (!*options->input)
		return;
	/* A reader too: it is no error when the shim is not there yet. */
	clients->input = open(options->input, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (clients->input < 0)
		kk_error("open %s: %m", options->input);
}

/* --- a client --- */

static void client_drop(struct tty_client *client)
{
	kk_debug("a client has left fd=%d", client->fd);
	close(client->fd);
	client->fd = -1;
}

/* One that is free; who never said how large it is gives its place up. NULL: all are taken. */
static struct tty_client *place_find(struct tty_clients *clients)
{
	for (size_t i = 0; i < KK_COUNT(clients->all); i++) {
		if (clients->all[i].fd < 0)
			return &clients->all[i];
	}
	for (size_t i = 0; i < KK_COUNT(clients->all); i++) {
		if (!clients->all[i].is_ready) {
			client_drop(&clients->all[i]);
			return &clients->all[i];
		}
	}
	return NULL;
}

static void client_accept(struct tty_clients *clients)
{
	int fd = accept4(clients->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	const char full = KK_TTY_FULL;
	struct tty_client *place;
	struct ucred peer = {0};
	socklen_t len = sizeof peer;

	if (fd < 0)
		return;
	tty_journal_bound();
	place = place_find(clients);
	if (!place) {
		(void)send(fd, &full, 1, MSG_NOSIGNAL);
		close(fd);
		return;
	}
	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	kk_info("a client has come fd=%d pid=%d uid=%u", fd, (int)peer.pid, peer.uid);
	*place = (struct tty_client){
		.fd = fd,
		.at = tty_ring_begin(&clients->ring, (size_t)clients->options->scrollback_bytes),
		.came = clients->ring.end,
	};
}

static void client_send(const struct tty_ring *ring, struct tty_client *client)
{
	char packet[KK_TTY_PACKET_MAX];

	client->is_stuck = false;
	for (int i = 0; i < TURN && client->at < ring->end; i++) {
		uint64_t at = client->at;
		size_t room = sizeof packet - 1, len;

		packet[0] = at < client->came ? KK_TTY_REPLAY : KK_TTY_OUTPUT;
		if (at < client->came && client->came - at < room)
			room = (size_t)(client->came - at);
		len = tty_ring_get(ring, &at, packet + 1, room);

		if (send(client->fd, packet, len + 1, MSG_NOSIGNAL) < 0) {
			if (errno == EAGAIN || errno == EINTR)
				client->is_stuck = true;
			else
				client_drop(client);
			return;
		}
		client->at = at;
	}
	/* The others first: there is more. */
	client->is_stuck = client->at < ring->end;
}

/* The terminal is as large as that of the one who did something last. */
static void size_take(struct tty_clients *clients, const struct tty_client *client)
{
	if (!client->size.rows || !client->size.columns ||
		memcmp(&client->size, &clients->size, sizeof clients->size) == 0)
		return;
	if (tty_size_set(&client->size) < 0) {
		kk_debug("the size can't be set: %m");
		return;
	}
	clients->size = client->size;
	kk_debug("the terminal has %u rows and %u columns", client->size.rows,
		client->size.columns);
}

static void input_flush(struct tty_clients *clients)
{
	ssize_t n = clients->input < 0 ?
		(ssize_t)clients->n_waiting :
		write(clients->input, clients->waiting, clients->n_waiting);

	if (n <= 0)
		return;
	clients->n_waiting -= (size_t)n;
	memmove(clients->waiting, clients->waiting + n, clients->n_waiting);
}

static void client_receive(struct tty_clients *clients, struct tty_client *client)
{
	char packet[KK_TTY_PACKET_MAX];
	ssize_t n = recv(client->fd, packet, sizeof packet, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_drop(client);
		return;
	}
	if (packet[0] == KK_TTY_SIZE && (size_t)n == 1 + sizeof client->size) {
		memcpy(&client->size, packet + 1, sizeof client->size);
		client->is_ready = true;
		size_take(clients, client);
		client_send(&clients->ring, client);
	} else if (packet[0] == KK_TTY_INPUT && client->is_ready) {
		size_take(clients, client);
		clients->n_waiting = (size_t)n - 1;
		memcpy(clients->waiting, packet + 1, clients->n_waiting);
		input_flush(clients);
	} else {
		kk_warning("a client says what nobody understands fd=%d", client->fd);
		client_drop(client);
	}
}

/* --- all of them --- */

void tty_clients_show(struct tty_clients *clients, const char *data, size_t len)
{
	if (clients->listener < 0)
		return;
	tty_ring_put(&clients->ring, data, len);
	for (size_t i = 0; i < KK_COUNT(clients->all); i++) {
		struct tty_client *client = &clients->all[i];

		if (client->fd >= 0 && client->is_ready && !client->is_stuck)
			client_send(&clients->ring, client);
	}
}

void tty_clients_poll(const struct tty_clients *clients, struct pollfd *ret_fds)
{
	ret_fds[0] = (struct pollfd){.fd = clients->listener, .events = POLLIN};
	ret_fds[1] =
		(struct pollfd){.fd = clients->n_waiting ? clients->input : -1, .events = POLLOUT};
	for (size_t i = 0; i < KK_COUNT(clients->all); i++) {
		const struct tty_client *client = &clients->all[i];

		/* What is typed waits for what was typed before; who only looks does not. */
		ret_fds[2 + i] = (struct pollfd){.fd = client->fd,
			.events = (short)((clients->n_waiting && client->is_ready ? 0 : POLLIN) |
				(client->is_stuck ? POLLOUT : 0))};
	}
}

void tty_clients_serve(struct tty_clients *clients, const struct pollfd *fds)
{
	if (fds[1].revents)
		input_flush(clients);
	for (size_t i = 0; i < KK_COUNT(clients->all); i++) {
		struct tty_client *client = &clients->all[i];
		short what = fds[2 + i].revents;

		if (client->fd < 0 || !what)
			continue;
		if (what & POLLOUT)
			client_send(&clients->ring, client);
		if (client->fd >= 0 && what & POLLIN && (!clients->n_waiting || !client->is_ready))
			client_receive(clients, client);
		else if (client->fd >= 0 && what & (POLLHUP | POLLERR))
			client_drop(client);
	}
	if (fds[0].revents)
		client_accept(clients);
}

/* The rest of what was written, and that this is all. What is typed by now is for nobody. True: it may go. */
static bool client_finish(const struct tty_ring *ring, struct tty_client *client)
{
	const char ended = KK_TTY_ENDED;
	char packet[KK_TTY_PACKET_MAX];

	while (recv(client->fd, packet, sizeof packet, 0) > 0)
		;
	if (!client->is_ready)
		return true;
	client_send(ring, client);
	return client->fd < 0 ||
		(client->at == ring->end &&
			(send(client->fd, &ended, 1, MSG_NOSIGNAL) == 1 ||
				(errno != EAGAIN && errno != EINTR)));
}

/* Those that have something to take, and have not taken it. */
static bool clients_finish(struct tty_clients *clients, int64_t left_ms)
{
	struct pollfd fds[KK_TTY_CLIENTS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < KK_COUNT(clients->all); i++) {
		struct tty_client *client = &clients->all[i];

		if (client->fd >= 0 && client_finish(&clients->ring, client) && client->fd >= 0)
			client_drop(client);
		if (client->fd >= 0)
			fds[n++] = (struct pollfd){.fd = client->fd, .events = POLLOUT};
	}
	if (n && left_ms > 0)
		(void)poll(fds, n, (int)left_ms);
	return n == 0;
}

void tty_clients_close(struct tty_clients *clients)
{
	int64_t end_ms = kk_clock_ms() + FAREWELL_MS, left_ms = FAREWELL_MS;

	/* Nobody new comes: the next task has its own. */
	if (clients->listener >= 0) {
		socket_remove(clients);
		close(clients->listener);
	}
	while (!clients_finish(clients, left_ms) && left_ms > 0)
		left_ms = end_ms - kk_clock_ms();
	for (size_t i = 0; i < KK_COUNT(clients->all); i++) {
		if (clients->all[i].fd >= 0)
			client_drop(&clients->all[i]);
	}
	kk_closep(&clients->input);
	tty_ring_release(&clients->ring);
}
