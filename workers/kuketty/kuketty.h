/* workers/kuketty/kuketty.h - what a container writes, and its terminal, in a process that needs nobody else's life. */
#ifndef KK_KUKETTY_KUKETTY_H
#define KK_KUKETTY_KUKETTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <kukeon/logtime.h>
#include <kukeon/tty.h>

struct pollfd;

/* --- option.c: the words that containerd's shim hands on, in pairs of any order --- */

struct tty_options {
	const char *log;   /* file that the output goes to */
	int64_t max_bytes; /* of one file of it; 0: no limit */
	int64_t max_files; /* of it, at least 1 */
	const char *
		socket; /* for clients of the terminal, and the group of its directory; "": there is none */
	const char *link;      /* a short name for it; "": none */
	const char *input;     /* pipe that leads to the terminal */
	const char *journal;   /* file of what there is to tell of itself; "": none */
	const char *log_level; /* of that */
	int64_t scrollback_bytes;
};

/* Fails with -1 where a word is unknown, a number is none, or a log is not named. */
int tty_options_parse(int argc, char **argv, struct tty_options *ret_options);

/* --- sink.c: the log, in files of a limited size. What can't be written is lost, and counted; it is never waited for --- */

struct tty_sink {
	const char *path;
	int64_t max_bytes;
	int64_t n_files;
	int fd;       /* -1: it could not be opened so far */
	int index_fd; /* likewise */
	int64_t len;
	int64_t index_len;
	struct kk_logtime last; /* of the index */
	int64_t n_lost;         /* bytes since the last one that was written */
	bool is_stuck;          /* it can't be rotated */
	int lost_errno;
};

void tty_sink_open(struct tty_sink *sink, const struct tty_options *options);
void tty_sink_write(struct tty_sink *sink, enum kk_stream stream, const char *data, size_t len);
void tty_sink_close(struct tty_sink *sink);

/* --- ring.c: the last of the output --- */

struct tty_ring {
	char *data;
	size_t size;
	uint64_t end; /* bytes that ever were put into it */
};

void tty_ring_init(struct tty_ring *ring, size_t size);
void tty_ring_release(struct tty_ring *ring);
void tty_ring_put(struct tty_ring *ring, const char *data, size_t len);
/* Copy what lies at @at and behind it; what is not there any more is passed over, up to the start of a line. Returns how much
 * was copied, and moves @at behind it. */
size_t tty_ring_get(const struct tty_ring *ring, uint64_t *at, char *ret_data, size_t size);
/* Where to begin with the last @len bytes of it, or with all that there is. */
uint64_t tty_ring_begin(const struct tty_ring *ring, size_t len);

/* --- size.c --- */

/* Give the terminal of the container whose bundle is the working directory this size; who runs in it is told by the kernel.
 * Needs neither containerd nor its shim. Returns 0 or -1 with errno. */
int tty_size_set(const struct kk_tty_size *size);

/* --- client.c: those who sit at the terminal --- */

struct tty_client {
	int fd;        /* -1: this one is free */
	uint64_t at;   /* of the ring: what it has seen */
	uint64_t came; /* of the ring: what lies before is shown again */
	struct kk_tty_size size;
	bool is_ready; /* it has said how large it is */
	bool is_stuck; /* it takes no more just now */
};

struct tty_clients {
	const struct tty_options *options;
	struct tty_ring ring;
	int listener;                    /* -1: there is no terminal, or nobody can come to it */
	ino_t inode;                     /* of its socket */
	int input;                       /* the pipe to the terminal; -1: none */
	char waiting[KK_TTY_PACKET_MAX]; /* input that it did not take yet */
	size_t n_waiting;
	struct kk_tty_size size; /* that the terminal has */
	struct tty_client all[KK_TTY_CLIENTS_MAX];
};

void tty_clients_open(struct tty_clients *clients, const struct tty_options *options);
/* What was written at the terminal. */
void tty_clients_show(struct tty_clients *clients, const char *data, size_t len);
/* What to wait for: TTY_POLLED_CLIENTS of them. */
enum { TTY_POLLED_CLIENTS = KK_TTY_CLIENTS_MAX + 2 };
void tty_clients_poll(const struct tty_clients *clients, struct pollfd *ret_fds);
void tty_clients_serve(struct tty_clients *clients, const struct pollfd *fds);
/* Each of them is told, and what is theirs goes. */
void tty_clients_close(struct tty_clients *clients);

/* --- hold.c --- */

/* The file of what there is to tell does not grow for ever. */
void tty_journal_bound(void);

/* Until the container has closed its outputs. The shim waits until @ready is closed; -1: it does not. Returns the exit
 * status. */
int tty_hold(const struct tty_options *options, int ready);

#endif
