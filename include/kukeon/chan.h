/* include/kukeon/chan.h - one end of a socketpair that carries envelopes. */
#ifndef KK_CHAN_H
#define KK_CHAN_H

#include <stdbool.h>
#include <stddef.h>

#include <kukeon/envelope.h>

struct kk_chan;
struct kk_loop;

enum {
	KK_CHAN_QUEUE_MAX = 64 * 1024 * 1024, /* bytes a peer may leave unread */
	KK_CHAN_QUEUE_HIGH = 4 * 1024 * 1024, /* from here on kk_chan_is_full */
};

/* @env is valid until the function returns; NULL: the peer is gone or broke the protocol, and
 * nothing will come any more. The function may call kk_chan_free. */
typedef void (*kk_chan_f)(struct kk_chan *chan, const struct kk_envelope *env, void *arg);

/* Takes @fd over. @name is kept. NULL: out of memory, @fd is closed. */
struct kk_chan *kk_chan_new(struct kk_loop *loop, const char *name, int fd, kk_chan_f fn,
	void *arg);
void kk_chan_free(struct kk_chan *chan);

/* What it is made of, so that another process can go on with it: the descriptor, what came and was not
 * delivered, what was not sent. Borrowed. */
struct kk_chan_rest {
	int fd;
	const void *in;
	size_t n_in;
	const void *out;
	size_t n_out;
};
void kk_chan_rest(const struct kk_chan *chan, struct kk_chan_rest *ret_rest);

/* Go on with that in a new channel. Fails with KK_E_NOMEM or KK_E_TOO_BIG. */
int kk_chan_resume(struct kk_chan *chan, const void *in, size_t n_in, const void *out,
	size_t n_out);

/* Queue and, when the peer reads, send at once. Fails with KK_E_NOMEM, KK_E_TOO_BIG or, beyond
 * KK_CHAN_QUEUE_MAX, KK_E_BUSY; nothing was queued then. Never blocks. */
int kk_chan_send(struct kk_chan *chan, const struct kk_envelope *env);

/* The peer is slow: a source that fills this channel should not be read from for now. */
bool kk_chan_is_full(const struct kk_chan *chan);

/* Did the peer send what is no message, rather than just go away? */
bool kk_chan_is_broken(const struct kk_chan *chan);

/* Read and deliver all that a peer which is gone has left. */
void kk_chan_drain(struct kk_chan *chan);

/* Stop and go on reading from the peer (back-pressure). */
void kk_chan_pause(struct kk_chan *chan, bool is_paused);

/* Write what is queued, blocking up to @timeout_ms: the last words of a process. */
void kk_chan_flush(struct kk_chan *chan, int timeout_ms);

#endif
