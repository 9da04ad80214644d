/* tests/unit/test_chan.c */
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <kukeon/buf.h>
#include <kukeon/chan.h>
#include <kukeon/log.h>
#include <kukeon/loop.h>
#include <kukeon/msg.h>

#include "../support/check.h"
#include "../support/sample.h"

/* Nothing takes longer than this unless it never comes. */
enum { PATIENCE_MS = 1500, MIB = 1024 * 1024 };

/* One end of a line, and what arrived there. */
struct end {
	struct kk_loop *loop;
	struct kk_chan *chan;
	unsigned n;      /* envelopes */
	unsigned n_gone; /* NULLs */
	uint64_t last_id;
	size_t last_len;
	uint64_t sum;           /* of the bytes of the last body */
	unsigned pause_at;      /* pause when this many have come */
	unsigned free_at;       /* free the channel then */
	bool want_free_on_gone; /* or when the peer is gone */
	unsigned answers;       /* so many envelopes are sent back */
};

static uint64_t sum_of(const uint8_t *data, size_t len)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = sum * 31 + data[i];
	return sum;
}

static void chan_free(struct end *end)
{
	kk_chan_free(end->chan);
	end->chan = NULL;
}

static void end_on_envelope(struct kk_chan *chan, const struct kk_envelope *env, void *arg)
{
	struct end *end = arg;

	ck_assert_ptr_eq(chan, end->chan);
	ck_assert_uint_eq(end->n_gone, 0);
	if (!env) {
		end->n_gone++;
		if (end->want_free_on_gone)
			chan_free(end);
		return;
	}
	/* In order, from 1. */
	ck_assert_uint_eq(env->id, end->last_id + 1);
	end->n++;
	end->last_id = env->id;
	end->last_len = env->body_len;
	end->sum = sum_of(env->body, env->body_len);
	if (end->answers) {
		struct kk_envelope answer = *env;

		end->answers--;
		check_code(kk_chan_send(chan, &answer), 0);
	}
	if (end->n == end->pause_at)
		kk_chan_pause(chan, true);
	if (end->n == end->free_at)
		chan_free(end);
}

static void guard_on_timer(void *arg)
{
	*(bool *)arg = true;
}

/* Run until @end has got that many envelopes and NULLs; false when they do not come. */
static bool wait_for(struct end *end, unsigned n, unsigned n_gone)
{
	bool is_late = false;
	struct kk_timer *guard = kk_timer_new(end->loop, "guard", guard_on_timer, &is_late);

	kk_timer_start(guard, PATIENCE_MS);
	while (!is_late && (end->n < n || end->n_gone < n_gone))
		kk_loop_run_once(end->loop);
	kk_timer_free(guard);
	return end->n == n && end->n_gone == n_gone;
}

/* Let the loop handle whatever is ready now. */
static void turn(struct kk_loop *loop)
{
	bool is_over = false;
	struct kk_timer *timer = kk_timer_new(loop, "turn", guard_on_timer, &is_over);

	kk_timer_start(timer, 0);
	while (!is_over)
		kk_loop_run_once(loop);
	kk_timer_free(timer);
}

static void pair_open(int pair[2])
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
}

/* A channel whose peer is a bare descriptor. */
static int end_open(struct end *end)
{
	int pair[2];

	pair_open(pair);
	kk_log_open("test", 0, KK_LEVEL_ERROR);
	end->loop = kk_loop_new();
	end->chan = kk_chan_new(end->loop, "peer", pair[0], end_on_envelope, end);
	ck_assert_ptr_nonnull(end->chan);
	return pair[1];
}

static void end_close(struct end *end, int peer)
{
	chan_free(end);
	kk_loop_free(end->loop);
	if (peer >= 0)
		close(peer);
}

static struct kk_envelope envelope_of(uint64_t id, const void *body, size_t len)
{
	return (struct kk_envelope){
		.kind = KK_ENVELOPE_REQUEST,
		.type = KK_MSG_cgroup_get,
		.id = id,
		.source = KK_ROLE_reconciler,
		.target = KK_ROLE_cgroup,
		.body = body,
		.body_len = len,
	};
}

/* Frames with the ids @first to @last. */
static void frames_append(struct kk_buf *buf, unsigned first, unsigned last)
{
	for (unsigned id = first; id <= last; id++) {
		struct kk_envelope env = envelope_of(id, "body", 4);

		check_code(kk_envelope_encode(&env, buf), 0);
	}
}

static void frames_write(int fd, unsigned first, unsigned last)
{
	kk_auto_buf buf = {0};

	frames_append(&buf, first, last);
	ck_assert_int_eq(kk_fd_write_all(fd, buf.data, buf.len), 0);
}

START_TEST(envelopes_go_both_ways)
{
	kk_auto_free uint8_t *large = kk_xalloc(3 * MIB);
	struct sample sample = {.state = 1};
	struct end a = {0}, b = {.answers = 3};
	int pair[2];

	for (size_t i = 0; i < 3 * MIB; i++)
		large[i] = (uint8_t)sample_below(&sample, 256);
	pair_open(pair);
	a.loop = b.loop = kk_loop_new();
	a.chan = kk_chan_new(a.loop, "b", pair[0], end_on_envelope, &a);
	b.chan = kk_chan_new(b.loop, "a", pair[1], end_on_envelope, &b);
	for (unsigned id = 1; id <= 3; id++) {
		struct kk_envelope env = envelope_of(id, large, id * MIB);

		check_code(kk_chan_send(a.chan, &env), 0);
		ck_assert(wait_for(&a, id, 0));
		ck_assert_uint_eq(b.n, id);
		ck_assert_uint_eq(a.last_len, id * MIB);
		ck_assert_uint_eq(b.sum, sum_of(large, id * MIB));
		ck_assert_uint_eq(a.sum, b.sum);
	}
	chan_free(&a);
	ck_assert(wait_for(&b, 3, 1));
	chan_free(&b);
	kk_loop_free(a.loop);
}
END_TEST

START_TEST(split_frame_is_put_together)
{
	struct end end = {0};
	int peer = end_open(&end);
	kk_auto_buf buf = {0};

	frames_append(&buf, 1, 2);
	for (size_t i = 0; i < buf.len; i++) {
		ck_assert_int_eq(write(peer, buf.data + i, 1), 1);
		kk_loop_run_once(end.loop);
		ck_assert_uint_eq(end.n, (i + 1) / (buf.len / 2));
	}
	ck_assert_uint_eq(end.last_len, 4);
	end_close(&end, peer);
}
END_TEST

START_TEST(joined_frames_are_taken_apart)
{
	struct end end = {0};
	int peer = end_open(&end);
	kk_auto_buf buf = {0};

	/* The last one is cut in the middle. */
	frames_append(&buf, 1, 51);
	ck_assert_int_eq(kk_fd_write_all(peer, buf.data, buf.len - 10), 0);
	ck_assert(wait_for(&end, 50, 0));
	turn(end.loop);
	ck_assert_uint_eq(end.n, 50);
	ck_assert_int_eq(kk_fd_write_all(peer, buf.data + buf.len - 10, 10), 0);
	ck_assert(wait_for(&end, 51, 0));
	end_close(&end, peer);
}
END_TEST

/* More than one turn of the loop hands over; nothing else arrives that would wake the channel. */
START_TEST(many_joined_frames_all_arrive)
{
	struct end end = {0};
	int peer = end_open(&end);

	frames_write(peer, 1, 200);
	ck_assert_msg(wait_for(&end, 200, 0), "%u of 200 arrived", end.n);
	end_close(&end, peer);
}
END_TEST

START_TEST(many_last_words_are_heard)
{
	struct end end = {0};
	int peer = end_open(&end);

	frames_write(peer, 1, 200);
	close(peer);
	ck_assert_msg(wait_for(&end, 200, 1), "%u of 200 arrived", end.n);
	end_close(&end, -1);
}
END_TEST

START_TEST(last_words_are_heard)
{
	struct end end = {0};
	int peer = end_open(&end);

	frames_write(peer, 1, 60);
	close(peer);
	ck_assert(wait_for(&end, 60, 1));
	end_close(&end, -1);
}
END_TEST

START_TEST(peer_is_gone_once)
{
	struct end end = {0};
	int peer = end_open(&end);

	close(peer);
	ck_assert(wait_for(&end, 0, 1));
	turn(end.loop);
	turn(end.loop);
	ck_assert_uint_eq(end.n_gone, 1);
	end_close(&end, -1);
}
END_TEST

START_TEST(peer_that_dies_in_a_frame_is_gone)
{
	struct end end = {0};
	int peer = end_open(&end);
	kk_auto_buf buf = {0};

	frames_append(&buf, 1, 2);
	ck_assert_int_eq(kk_fd_write_all(peer, buf.data, buf.len - 1), 0);
	close(peer);
	ck_assert(wait_for(&end, 1, 1));
	end_close(&end, -1);
}
END_TEST

static void check_garbage(const void *garbage, size_t len)
{
	struct end end = {0};
	int peer = end_open(&end);
	kk_auto_buf buf = {0};

	frames_append(&buf, 1, 2);
	check_code(kk_buf_append(&buf, garbage, len), 0);
	frames_append(&buf, 3, 4);
	ck_assert_int_eq(kk_fd_write_all(peer, buf.data, buf.len), 0);
	ck_assert(wait_for(&end, 2, 1));
	/* Whatever else it says is not listened to. */
	frames_write(peer, 3, 3);
	turn(end.loop);
	ck_assert_uint_eq(end.n, 2);
	ck_assert_uint_eq(end.n_gone, 1);
	end_close(&end, peer);
}

START_TEST(garbage_ends_the_peer)
{
	static const uint8_t other_version[] = {0, 0, 0, 11, 0x9a, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0xc0};
	static const uint8_t three_fields[] = {0, 0, 0, 4, 0x93, 1, 0, 0};

	check_garbage("\0\0\0\0", 4);
	check_garbage("\xff\xff\xff\xff", 4);
	check_garbage("\x01\0\0\x01", 4);
	check_garbage("GET / HTTP/1.0\r\n\r\n", 18);
	check_garbage(other_version, sizeof other_version);
	check_garbage(three_fields, sizeof three_fields);
	check_garbage("\0\0\0\x01\xc0", 5);
}
END_TEST

START_TEST(channel_may_be_freed_by_its_callback)
{
	struct end end = {.free_at = 2};
	int peer = end_open(&end);
	char byte;

	frames_write(peer, 1, 5);
	ck_assert(wait_for(&end, 2, 0));
	turn(end.loop);
	ck_assert_uint_eq(end.n, 2);
	ck_assert_ptr_null(end.chan);
	/* Its descriptor is closed: what lay unread there makes that a reset. */
	ck_assert_int_le(read(peer, &byte, 1), 0);
	end_close(&end, peer);
}
END_TEST

START_TEST(channel_may_be_freed_when_the_peer_is_gone)
{
	struct end end = {.want_free_on_gone = true};
	int peer = end_open(&end);

	frames_write(peer, 1, 1);
	close(peer);
	ck_assert(wait_for(&end, 1, 1));
	ck_assert_ptr_null(end.chan);
	turn(end.loop);
	end_close(&end, -1);
}
END_TEST

START_TEST(channel_may_be_freed_by_garbage)
{
	struct end end = {.want_free_on_gone = true};
	int peer = end_open(&end);

	ck_assert_int_eq(write(peer, "\0\0\0\0\0", 5), 5);
	ck_assert(wait_for(&end, 0, 1));
	turn(end.loop);
	end_close(&end, peer);
}
END_TEST

START_TEST(free_closes_the_descriptor)
{
	struct end end = {0};
	int peer = end_open(&end);
	char byte;

	chan_free(&end);
	ck_assert_int_eq(read(peer, &byte, 1), 0);
	kk_chan_free(NULL);
	end_close(&end, peer);
}
END_TEST

START_TEST(send_to_a_dead_peer_is_no_failure)
{
	struct end end = {0};
	int peer = end_open(&end);
	struct kk_envelope env = envelope_of(1, "body", 4);

	close(peer);
	check_code(kk_chan_send(end.chan, &env), 0);
	check_code(kk_chan_send(end.chan, &env), 0);
	ck_assert(wait_for(&end, 0, 1));
	check_code(kk_chan_send(end.chan, &env), 0);
	turn(end.loop);
	ck_assert_uint_eq(end.n_gone, 1);
	kk_chan_flush(end.chan, 1000);
	end_close(&end, -1);
}
END_TEST

START_TEST(envelope_larger_than_a_frame_is_refused)
{
	kk_auto_free void *large = kk_xalloc(KK_FRAME_MAX);
	struct end end = {0};
	int peer = end_open(&end);
	struct kk_envelope env = envelope_of(1, large, KK_FRAME_MAX - KK_ENVELOPE_OVERHEAD + 1);

	check_code(kk_chan_send(end.chan, &env), KK_E_TOO_BIG);
	ck_assert(!kk_chan_is_full(end.chan));
	end_close(&end, peer);
}
END_TEST

/* Read @fd to its end, or what is there, and count the envelopes. */
static unsigned drain(int fd, struct end *sender, size_t *ret_bytes)
{
	kk_auto_buf in = {0};
	unsigned n = 0;
	size_t len;

	*ret_bytes = 0;
	for (;;) {
		uint8_t *room = kk_buf_reserve(&in, MIB);
		ssize_t got = recv(fd, room, MIB, MSG_DONTWAIT);

		if (got <= 0)
			break;
		*ret_bytes += (size_t)got;
		kk_buf_added(&in, (size_t)got);
		while (kk_frame_peek(in.data, in.len, &len) == 1) {
			kk_buf_consume(&in, KK_FRAME_HEADER + len);
			n++;
		}
		turn(sender->loop);
	}
	ck_assert_uint_eq(in.len, 0);
	return n;
}

START_TEST(slow_peer_makes_the_channel_full_then_busy)
{
	kk_auto_free uint8_t *body = kk_xalloc(MIB);
	struct end end = {0};
	int peer = end_open(&end), r = 0;
	unsigned n = 0, n_full = 0;
	size_t bytes;

	ck_assert(!kk_chan_is_full(end.chan));
	for (; n < 100 && r == 0; n++) {
		struct kk_envelope env = envelope_of(n + 1, body, MIB);

		r = kk_chan_send(end.chan, &env);
		if (!n_full && kk_chan_is_full(end.chan))
			n_full = n + 1;
	}
	check_code(r, KK_E_BUSY);
	/* The socket itself holds some of it. */
	ck_assert_uint_ge(n_full, 4);
	ck_assert_uint_le(n_full, 6);
	ck_assert_uint_ge(n, 62);
	ck_assert_uint_le(n, 66);
	/* What was accepted arrives; what was refused does not. */
	ck_assert_uint_eq(drain(peer, &end, &bytes), n - 1);
	ck_assert_uint_gt(bytes, (size_t)(n - 1) * MIB);
	ck_assert(!kk_chan_is_full(end.chan));
	check_code(kk_chan_send(end.chan, &(struct kk_envelope){0}), 0);
	ck_assert_uint_eq(drain(peer, &end, &bytes), 1);
	end_close(&end, peer);
}
END_TEST

START_TEST(paused_channel_does_not_read)
{
	struct end end = {0};
	int peer = end_open(&end);

	kk_chan_pause(end.chan, true);
	frames_write(peer, 1, 2);
	turn(end.loop);
	turn(end.loop);
	ck_assert_uint_eq(end.n, 0);
	kk_chan_pause(end.chan, false);
	ck_assert(wait_for(&end, 2, 0));
	end_close(&end, peer);
}
END_TEST

START_TEST(pause_in_the_callback_holds_the_next_envelope_back)
{
	struct end end = {.pause_at = 2};
	int peer = end_open(&end);

	frames_write(peer, 1, 5);
	ck_assert(wait_for(&end, 2, 0));
	turn(end.loop);
	ck_assert_uint_eq(end.n, 2);
	/* Going on while the peer says more. */
	kk_chan_pause(end.chan, false);
	frames_write(peer, 6, 6);
	ck_assert(wait_for(&end, 6, 0));
	end_close(&end, peer);
}
END_TEST

START_TEST(what_was_held_back_arrives_when_reading_goes_on)
{
	struct end end = {.pause_at = 2};
	int peer = end_open(&end);

	frames_write(peer, 1, 5);
	ck_assert(wait_for(&end, 2, 0));
	kk_chan_pause(end.chan, false);
	ck_assert_msg(wait_for(&end, 5, 0), "%u of 5 arrived", end.n);
	end_close(&end, peer);
}
END_TEST

START_TEST(paused_channel_still_writes)
{
	kk_auto_free uint8_t *body = kk_xalloc(2 * MIB);
	struct end end = {0};
	int peer = end_open(&end);
	struct kk_envelope env = envelope_of(1, body, 2 * MIB);
	size_t bytes;

	kk_chan_pause(end.chan, true);
	check_code(kk_chan_send(end.chan, &env), 0);
	ck_assert_uint_eq(drain(peer, &end, &bytes), 1);
	end_close(&end, peer);
}
END_TEST

/* The peer reads all of it, and only then ends well. */
static pid_t reader_start(int fd, size_t n)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		char block[4096];
		ssize_t got = 1;

		while (n && got > 0) {
			got = read(fd, block, sizeof block);
			n -= got > 0 ? (size_t)got : 0;
		}
		_exit(n ? 1 : 0);
	}
	return pid;
}

START_TEST(flush_writes_all_to_a_peer_that_reads)
{
	kk_auto_free uint8_t *body = kk_xalloc(8 * MIB);
	struct end end = {0};
	int peer = end_open(&end), status = -1;
	struct kk_envelope env = envelope_of(1, body, 8 * MIB);
	kk_auto_buf frame = {0};
	pid_t pid;

	check_code(kk_envelope_encode(&env, &frame), 0);
	check_code(kk_chan_send(end.chan, &env), 0);
	ck_assert(kk_chan_is_full(end.chan));
	pid = reader_start(peer, frame.len);
	kk_chan_flush(end.chan, 30000);
	ck_assert(!kk_chan_is_full(end.chan));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	end_close(&end, peer);
}
END_TEST

START_TEST(flush_does_not_wait_for_ever)
{
	kk_auto_free uint8_t *body = kk_xalloc(8 * MIB);
	struct end end = {0};
	int peer = end_open(&end);
	struct kk_envelope env = envelope_of(1, body, 8 * MIB);

	kk_chan_flush(end.chan, 60000);
	check_code(kk_chan_send(end.chan, &env), 0);
	kk_chan_flush(end.chan, 1);
	ck_assert(kk_chan_is_full(end.chan));
	close(peer);
	kk_chan_flush(end.chan, 60000);
	end_close(&end, -1);
}
END_TEST

START_TEST(thousand_envelopes_and_their_answers)
{
	struct end a = {0}, b = {.answers = 1000};
	int pair[2];

	pair_open(pair);
	a.loop = b.loop = kk_loop_new();
	a.chan = kk_chan_new(a.loop, "b", pair[0], end_on_envelope, &a);
	b.chan = kk_chan_new(b.loop, "a", pair[1], end_on_envelope, &b);
	for (unsigned id = 1; id <= 1000; id++) {
		struct kk_envelope env = envelope_of(id, "ping", 4);

		check_code(kk_chan_send(a.chan, &env), 0);
		ck_assert(wait_for(&a, id, 0));
	}
	ck_assert_uint_eq(b.n, 1000);
	chan_free(&a);
	chan_free(&b);
	kk_loop_free(a.loop);
}
END_TEST

CHECK_MAIN("chan", envelopes_go_both_ways, split_frame_is_put_together,
	joined_frames_are_taken_apart, many_joined_frames_all_arrive, many_last_words_are_heard,
	last_words_are_heard, peer_is_gone_once, peer_that_dies_in_a_frame_is_gone,
	garbage_ends_the_peer, channel_may_be_freed_by_its_callback,
	channel_may_be_freed_when_the_peer_is_gone, channel_may_be_freed_by_garbage,
	free_closes_the_descriptor, send_to_a_dead_peer_is_no_failure,
	envelope_larger_than_a_frame_is_refused, slow_peer_makes_the_channel_full_then_busy,
	paused_channel_does_not_read, pause_in_the_callback_holds_the_next_envelope_back,
	what_was_held_back_arrives_when_reading_goes_on, paused_channel_still_writes,
	flush_writes_all_to_a_peer_that_reads, flush_does_not_wait_for_ever,
	thousand_envelopes_and_their_answers)
