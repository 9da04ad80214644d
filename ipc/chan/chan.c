/* ipc/chan/chan.c */
#include <kukeon/chan.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <kukeon/buf.h>
#include <kukeon/clock.h>
#include <kukeon/fd.h>
#include <kukeon/log.h>
#include <kukeon/loop.h>
#include <kukeon/mem.h>

enum {
	READ_CHUNK = 65536,
	KEEP_MAX = 4 * READ_CHUNK, /* a larger buffer is given back when it is empty */
	FRAMES_PER_TURN = 64,      /* then the other sources of the loop have their turn */
};

struct kk_chan {
	struct kk_watch *watch;
	const char *name;
	int fd;
	kk_chan_f fn;
	void *arg;
	struct kk_buf in;
	struct kk_buf out;
	size_t out_done; /* bytes of out that are written already */
	bool is_paused;
	bool is_gone;
	bool is_broken; /* by bytes that are no message */
	bool is_in_callback;
	bool is_freed;
};

static void arm(struct kk_chan *chan)
{
	unsigned what = 0;

	if (!chan->is_gone && !chan->is_paused)
		what |= KK_READ;
	if (!chan->is_gone && chan->out.len > chan->out_done)
		what |= KK_WRITE;
	kk_watch_set(chan->watch, what);
}

static void destroy(struct kk_chan *chan)
{
	kk_watch_free(chan->watch);
	if (chan->fd >= 0)
		close(chan->fd);
	kk_buf_release(&chan->in);
	kk_buf_release(&chan->out);
	free(chan);
}

/* Tell the owner; false when it freed the channel meanwhile. */
static bool deliver(struct kk_chan *chan, const struct kk_envelope *env)
{
	chan->is_in_callback = true;
	chan->fn(chan, env, chan->arg);
	chan->is_in_callback = false;
	return !chan->is_freed;
}

static bool gone(struct kk_chan *chan)
{
	chan->is_gone = true;
	arm(chan);
	return deliver(chan, NULL);
}

static bool starved(struct kk_chan *chan)
{
	kk_warning("no memory for what '%s' sends, closing it", chan->name);
	return gone(chan);
}

/* Hand over complete frames. False when the channel is freed. */
static bool frames_take(struct kk_chan *chan, int max)
{
	size_t done = 0;

	for (int n = 0; !chan->is_paused; n++) {
		struct kk_err err = {0};
		struct kk_envelope env;
		size_t len;
		int r = kk_frame_peek(chan->in.data + done, chan->in.len - done, &len);

		if (r == 0)
			break;
		if (n == max) {
			/* No byte need come for the rest to be looked at. */
			kk_watch_wake(chan->watch);
			break;
		}
		if (r == 1)
			r = kk_envelope_decode(chan->in.data + done + KK_FRAME_HEADER, len, &env,
				&err);
		if (r == KK_E_NOMEM)
			return starved(chan);
		if (r < 0) {
			kk_warning("'%s' sent bytes that are no message, closing it", chan->name);
			chan->is_broken = true;
			return gone(chan);
		}
		done += KK_FRAME_HEADER + len;
		if (!deliver(chan, &env))
			return false;
		if (chan->is_gone)
			return true;
	}
	kk_buf_consume(&chan->in, done);
	if (chan->in.len == 0 && chan->in.cap > KEEP_MAX)
		kk_buf_release(&chan->in);
	return true;
}

static bool out_write(struct kk_chan *chan)
{
	while (chan->out_done < chan->out.len) {
		ssize_t n = send(chan->fd, chan->out.data + chan->out_done,
			chan->out.len - chan->out_done, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		chan->out_done += (size_t)n;
	}
	chan->out_done = 0;
	kk_buf_clear(&chan->out);
	if (chan->out.cap > KEEP_MAX)
		kk_buf_release(&chan->out);
	return true;
}

static bool in_read(struct kk_chan *chan)
{
	uint8_t *room = kk_buf_reserve(&chan->in, READ_CHUNK);
	ssize_t n;

	if (!room)
		return starved(chan);
	n = recv(chan->fd, room, READ_CHUNK, MSG_DONTWAIT);
	if (n > 0)
		kk_buf_added(&chan->in, (size_t)n);
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return frames_take(chan, FRAMES_PER_TURN);
	/* Its last words first, however many. */
	return frames_take(chan, INT_MAX) && (chan->is_gone || gone(chan));
}

static void chan_on_ready(int fd, unsigned what, void *arg)
{
	struct kk_chan *chan = arg;
	bool is_alive = true;

	(void)fd;
	/* Read first: a peer that died after its last words must still be heard. */
	if (what & KK_READ)
		is_alive = in_read(chan);
	if (is_alive && what & KK_WRITE && !chan->is_gone && !out_write(chan))
		is_alive = gone(chan);
	if (is_alive)
		arm(chan);
	else
		destroy(chan);
}

struct kk_chan *kk_chan_new(struct kk_loop *loop, const char *name, int fd, kk_chan_f fn, void *arg)
{
	struct kk_chan *chan = kk_alloc(sizeof *chan);

	if (!chan) {
		close(fd);
		return NULL;
	}
	*chan = (struct kk_chan){.name = name, .fd = fd, .fn = fn, .arg = arg};
	kk_buf_init(&chan->in, KK_FRAME_MAX + KK_FRAME_HEADER + 2 * READ_CHUNK);
	kk_buf_init(&chan->out, KK_CHAN_QUEUE_MAX);
	chan->watch = kk_watch_new(loop, name, fd, KK_READ, chan_on_ready, chan);
	if (!chan->watch) {
		close(fd);
		free(chan);
		return NULL;
	}
	return chan;
}

void kk_chan_free(struct kk_chan *chan)
{
	if (!chan)
		return;
	chan->is_freed = true;
	chan->is_gone = true;
	if (!chan->is_in_callback)
		destroy(chan);
}

void kk_chan_rest(const struct kk_chan *chan, struct kk_chan_rest *ret_rest)
{
	*ret_rest = (struct kk_chan_rest){
		.fd = chan->fd,
		.in = chan->in.data,
		.n_in = chan->in.len,
		.out = chan->out.data + chan->out_done,
		.n_out = chan->out.len - chan->out_done,
	};
}

int kk_chan_resume(struct kk_chan *chan, const void *in, size_t n_in, const void *out, size_t n_out)
{
	int r = kk_buf_append(&chan->in, in, n_in);

	if (r == 0)
		r = kk_buf_append(&chan->out, out, n_out);
	arm(chan);
	if (n_in)
		kk_watch_wake(chan->watch);
	return r;
}

int kk_chan_send(struct kk_chan *chan, const struct kk_envelope *env)
{
	int r;

	if (chan->is_gone)
		return 0; /* the owner hears of it in its own time */
	if (chan->out_done) {
		kk_buf_consume(&chan->out, chan->out_done);
		chan->out_done = 0;
	}
	r = kk_envelope_encode(env, &chan->out);
	if (r == KK_E_TOO_BIG && env->body_len <= KK_FRAME_MAX - KK_ENVELOPE_OVERHEAD)
		return KK_E_BUSY;
	if (r < 0)
		return r;
	(void)out_write(chan);
	arm(chan);
	return 0;
}

bool kk_chan_is_full(const struct kk_chan *chan)
{
	return chan->out.len - chan->out_done > KK_CHAN_QUEUE_HIGH;
}

void kk_chan_pause(struct kk_chan *chan, bool is_paused)
{
	if (chan->is_paused == is_paused)
		return;
	chan->is_paused = is_paused;
	arm(chan);
	if (!is_paused && chan->in.len)
		kk_watch_wake(chan->watch);
}

bool kk_chan_is_broken(const struct kk_chan *chan)
{
	return chan->is_broken;
}

void kk_chan_drain(struct kk_chan *chan)
{
	bool is_alive = true;

	while (is_alive && !chan->is_gone)
		is_alive = in_read(chan);
	if (!is_alive)
		destroy(chan);
}

void kk_chan_flush(struct kk_chan *chan, int timeout_ms)
{
	int64_t end = kk_clock_ms() + timeout_ms;

	while (out_write(chan) && chan->out.len > chan->out_done) {
		struct pollfd pfd = {.fd = chan->fd, .events = POLLOUT};
		int64_t left = end - kk_clock_ms();

		if (left <= 0 || poll(&pfd, 1, (int)left) <= 0)
			return;
	}
}
