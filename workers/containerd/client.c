/* workers/containerd/client.c - the gRPC channel: the only user of <grpc/...>. */
#include "ct.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>

#include <kukeon/buf.h>
#include <kukeon/clock.h>
#include <kukeon/fd.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>

enum {
	MESSAGE_MAX = 16 * 1024 * 1024,
	RECONNECT_MS = 50,
	RECONNECT_MAX_MS = 500,
	RETRY_PAUSE_MS = 100,
	READ_MS = 5000, /* for a whole stream that is read, which takes milliseconds */
	/* A call that waits is also who polls: the channel has no thread that would take the server's greeting, and
	 * without one it connects in vain again and again. */
	WAIT_FOR_READY = GRPC_INITIAL_METADATA_WAIT_FOR_READY |
		GRPC_INITIAL_METADATA_WAIT_FOR_READY_EXPLICITLY_SET,
};

static grpc_channel *channel;
static char *address;

int ct_client_open(const char *socket_path, struct kk_err *err)
{
	kk_auto_free char *target = kk_xprintf("unix://%s", socket_path);
	/* Authority is not needed, and no resolver but the unix one is ever asked. */
	grpc_arg arguments[] = {
		{.type = GRPC_ARG_INTEGER,
			.key = (char *)GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH,
			.value.integer = MESSAGE_MAX},
		{.type = GRPC_ARG_INTEGER,
			.key = (char *)GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS,
			.value.integer = RECONNECT_MS},
		{.type = GRPC_ARG_INTEGER,
			.key = (char *)GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
			.value.integer = RECONNECT_MS},
		{.type = GRPC_ARG_INTEGER,
			.key = (char *)GRPC_ARG_MAX_RECONNECT_BACKOFF_MS,
			.value.integer = RECONNECT_MAX_MS},
		{.type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_ENABLE_HTTP_PROXY},
		{.type = GRPC_ARG_INTEGER,
			.key = (char *)GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL,
			.value.integer = 1},
		{.type = GRPC_ARG_INTEGER,
			.key = (char *)GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION,
			.value.integer = 1},
	};
	grpc_channel_args args = {.num_args = KK_COUNT(arguments), .args = arguments};
	grpc_channel_credentials *plain;

	kk_str_set(&address, socket_path);
	grpc_init();
	plain = grpc_insecure_credentials_create();
	channel = grpc_channel_create(target, plain, &args);
	grpc_channel_credentials_release(plain);
	if (!channel)
		return kk_fail(err, KK_E_CONTAINERD, "no channel to %s could be made", target);
	return 0;
}

const char *ct_client_address(void)
{
	return kk_str(address);
}

static gpr_timespec deadline_of(const struct ct_ctx *ctx)
{
	int64_t left = ctx->deadline_ms - kk_clock_ms();

	return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
		gpr_time_from_millis(left > 0 ? left : 0, GPR_TIMESPAN));
}

static grpc_byte_buffer *message_pack(const ProtobufCMessage *message)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	grpc_slice slice = grpc_slice_malloc(size);
	grpc_byte_buffer *buffer;

	protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
	buffer = grpc_raw_byte_buffer_create(&slice, 1);
	grpc_slice_unref(slice);
	return buffer;
}

static ProtobufCMessage *message_unpack(grpc_byte_buffer *buffer,
	const ProtobufCMessageDescriptor *type)
{
	grpc_byte_buffer_reader reader;
	ProtobufCMessage *message;
	grpc_slice all;

	if (!grpc_byte_buffer_reader_init(&reader, buffer))
		return NULL;
	all = grpc_byte_buffer_reader_readall(&reader);
	message = protobuf_c_message_unpack(type, NULL, GRPC_SLICE_LENGTH(all),
		GRPC_SLICE_START_PTR(all));
	grpc_slice_unref(all);
	grpc_byte_buffer_reader_destroy(&reader);
	return message;
}

void ct_message_free(void *message)
{
	if (message)
		protobuf_c_message_free_unpacked(message, NULL);
}

static int status_fail(grpc_status_code status, grpc_slice details, const char *method,
	struct kk_err *err)
{
	kk_auto_free char *text =
		kk_xstrndup((char *)GRPC_SLICE_START_PTR(details), GRPC_SLICE_LENGTH(details));

	switch (status) {
	case GRPC_STATUS_NOT_FOUND:
		return kk_fail(err, KK_E_CONTAINER_NOT_FOUND, "%s", text);
	case GRPC_STATUS_ALREADY_EXISTS:
		return kk_fail(err, KK_E_CONTAINER_EXISTS, "%s", text);
	case GRPC_STATUS_UNAVAILABLE:
		return kk_fail(err, KK_E_CONTAINERD_DOWN, "failed to connect to containerd: %s",
			text);
	case GRPC_STATUS_DEADLINE_EXCEEDED:
		return kk_fail(err, KK_E_TIMEOUT,
			"containerd did not answer %s in time; is it running?",
			strrchr(method, '.') ? strrchr(method, '.') + 1 : method);
	default:
		return kk_fail(err, KK_E_CONTAINERD, "%s", text);
	}
}

struct metadata {
	grpc_metadata items[2];
	size_t n;
};

static void metadata_fill(const struct ct_ctx *ctx, struct metadata *md)
{
	md->n = 0;
	if (ctx->namespace)
		md->items[md->n++] = (grpc_metadata){
			.key = grpc_slice_from_static_string("containerd-namespace"),
			.value = grpc_slice_from_copied_string(ctx->namespace),
		};
	if (ctx->lease)
		md->items[md->n++] = (grpc_metadata){
			.key = grpc_slice_from_static_string("containerd-lease"),
			.value = grpc_slice_from_copied_string(ctx->lease),
		};
}

static void metadata_release(struct metadata *md)
{
	for (size_t i = 0; i < md->n; i++)
		grpc_slice_unref(md->items[i].value);
}

static grpc_call *call_create(const struct ct_ctx *ctx, grpc_completion_queue *queue,
	const char *method)
{
	grpc_slice path = grpc_slice_from_copied_string(method);
	grpc_call *call = grpc_channel_create_call(channel, NULL, GRPC_PROPAGATE_DEFAULTS, queue,
		path, NULL, deadline_of(ctx), NULL);

	grpc_slice_unref(path);
	return call;
}

static void queue_destroy(grpc_completion_queue *queue)
{
	grpc_completion_queue_shutdown(queue);
	grpc_completion_queue_destroy(queue);
}

static bool batch_run(grpc_call *call, grpc_completion_queue *queue, const grpc_op *ops, size_t n)
{
	char tag;

	if (grpc_call_start_batch(call, ops, n, &tag, NULL) != GRPC_CALL_OK)
		return false;
	/* The call's own deadline ends the wait. */
	return grpc_completion_queue_pluck(queue, &tag, gpr_inf_future(GPR_CLOCK_REALTIME), NULL)
		       .success != 0;
}

static int unary_once(const struct ct_ctx *ctx, const char *method, const ProtobufCMessage *req,
	grpc_byte_buffer **ret_buffer, struct kk_err *err)
{
	grpc_completion_queue *queue = grpc_completion_queue_create_for_pluck(NULL);
	grpc_call *call = call_create(ctx, queue, method);
	grpc_byte_buffer *out = message_pack(req), *in = NULL;
	grpc_metadata_array initial, trailing;
	grpc_status_code status = GRPC_STATUS_UNKNOWN;
	grpc_slice details = grpc_empty_slice();
	struct metadata md;
	int r = 0;

	metadata_fill(ctx, &md);
	grpc_metadata_array_init(&initial);
	grpc_metadata_array_init(&trailing);
	batch_run(call, queue,
		(grpc_op[]){
			{.op = GRPC_OP_SEND_INITIAL_METADATA,
				.flags = WAIT_FOR_READY,
				.data.send_initial_metadata = {md.n, md.items, {0, 0}}},
			{.op = GRPC_OP_SEND_MESSAGE, .data.send_message = {out}},
			{.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
			{.op = GRPC_OP_RECV_INITIAL_METADATA,
				.data.recv_initial_metadata = {&initial}},
			{.op = GRPC_OP_RECV_MESSAGE, .data.recv_message = {&in}},
			{.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
				.data.recv_status_on_client = {&trailing, &status, &details, NULL}},
		},
		6);
	if (status != GRPC_STATUS_OK)
		r = status_fail(status, details, method, err);
	else
		*ret_buffer = in;
	if (r < 0 && in)
		grpc_byte_buffer_destroy(in);
	grpc_byte_buffer_destroy(out);
	grpc_slice_unref(details);
	grpc_metadata_array_destroy(&initial);
	grpc_metadata_array_destroy(&trailing);
	metadata_release(&md);
	grpc_call_unref(call);
	queue_destroy(queue);
	return r;
}

bool ct_retry_pause(const struct ct_ctx *ctx)
{
	const struct timespec pause = {.tv_nsec = RETRY_PAUSE_MS * 1000000L};

	if (kk_clock_ms() + RETRY_PAUSE_MS > ctx->deadline_ms)
		return false;
	nanosleep(&pause, NULL);
	return true;
}

/* The process that listens at containerd's socket, 0 for one that can't be seen, -1: nobody does. */
static pid_t listener(void)
{
	kk_auto_fd int fd = kk_unix_dial(address, SOCK_STREAM, 1000);
	struct ucred peer = {0};
	socklen_t len = sizeof peer;

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -1;
	return peer.pid;
}

/* False: it went away. */
static bool nofile_read(pid_t pid, int *ret_limit)
{
	kk_auto_free char *path = kk_xprintf("/proc/%d/limits", (int)pid);
	kk_auto_buf text = {.max = 65536};
	struct kk_err err = {0};
	const char *line = NULL;
	long soft, hard;

	*ret_limit = CT_NOFILE_MAX;
	if (pid <= 0)
		return pid == 0;
	if (kk_file_read(path, &text, &err) < 0)
		return err.sys_errno != ENOENT && err.sys_errno != ESRCH;
	if (text.data)
		line = strstr((char *)text.data, "Max open files ");
	if (line && sscanf(line, "Max open files %ld %ld", &soft, &hard) == 2 &&
		hard < CT_NOFILE_MAX)
		*ret_limit = (int)hard;
	return true;
}

int ct_client_nofile(const struct ct_ctx *ctx, int *ret_limit, struct kk_err *err)
{
	while (!nofile_read(listener(), ret_limit)) {
		if (!ct_retry_pause(ctx))
			return kk_fail(err, KK_E_CONTAINERD_DOWN,
				"failed to connect to containerd: nobody listens at %s", address);
	}
	return 0;
}

int ct_unary(const struct ct_ctx *ctx, const char *method, const ProtobufCMessage *req,
	const ProtobufCMessageDescriptor *rep_type, void *ret_rep, struct kk_err *err)
{
	kk_auto_free char *path = kk_xprintf(CT_SERVICE "%s", method);
	grpc_byte_buffer *buffer = NULL;
	ProtobufCMessage *rep;
	struct kk_err cause = {0};
	int64_t began = kk_clock_us();

	for (;;) {
		int r = unary_once(ctx, path, req, &buffer, &cause);

		if (r == 0)
			break;
		/* containerd is restarting: our requests are ensure-shaped, so they may be repeated. */
		if (r != KK_E_CONTAINERD_DOWN || !ct_retry_pause(ctx)) {
			if (err)
				*err = cause;
			return r;
		}
		kk_err_clear(&cause);
	}
	kk_trace("containerd call=%s us=%lld", method, (long long)(kk_clock_us() - began));
	rep = buffer && rep_type ? message_unpack(buffer, rep_type) : NULL;
	if (buffer)
		grpc_byte_buffer_destroy(buffer);
	if (rep_type && !rep)
		return kk_fail(err, KK_E_CONTAINERD, "the answer to %s can't be read", method);
	if (ret_rep)
		*(void **)ret_rep = rep;
	else
		ct_message_free(rep);
	return 0;
}

struct ct_stream {
	grpc_completion_queue *queue;
	grpc_call *call;
	char *method;
	grpc_metadata_array initial;
	grpc_metadata_array trailing;
	grpc_status_code status;
	grpc_slice details;
	struct metadata md;
	char status_tag;
	grpc_byte_buffer *in; /* of the message that is being received */
	char recv_tag;
	bool is_receiving;
	bool has_initial;
	bool is_ended;
};

int ct_stream_open(const struct ct_ctx *ctx, const char *method, struct ct_stream **ret_stream,
	struct kk_err *err)
{
	struct ct_stream *stream = kk_xalloc(sizeof *stream);
	grpc_op status_op;

	stream->method = kk_xprintf(CT_SERVICE "%s", method);
	stream->queue = grpc_completion_queue_create_for_pluck(NULL);
	stream->call = call_create(ctx, stream->queue, stream->method);
	stream->details = grpc_empty_slice();
	metadata_fill(ctx, &stream->md);
	grpc_metadata_array_init(&stream->initial);
	grpc_metadata_array_init(&stream->trailing);
	status_op = (grpc_op){
		.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
		.data.recv_status_on_client = {&stream->trailing, &stream->status, &stream->details,
			NULL},
	};
	if (grpc_call_start_batch(stream->call, &status_op, 1, &stream->status_tag, NULL) !=
			GRPC_CALL_OK ||
		!batch_run(stream->call, stream->queue,
			&(grpc_op){
				.op = GRPC_OP_SEND_INITIAL_METADATA,
				.flags = WAIT_FOR_READY,
				.data.send_initial_metadata = {stream->md.n, stream->md.items,
					{0, 0}},
			},
			1)) {
		ct_stream_free(stream);
		return kk_fail(err, KK_E_CONTAINERD_DOWN,
			"failed to connect to containerd: no stream "
			"for %s",
			method);
	}
	*ret_stream = stream;
	return 0;
}

/* Learn how the call ended. */
static int stream_end(struct ct_stream *stream, struct kk_err *err)
{
	if (!stream->is_ended) {
		grpc_completion_queue_pluck(stream->queue, &stream->status_tag,
			gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
		stream->is_ended = true;
	}
	if (stream->status == GRPC_STATUS_OK)
		return 0;
	return status_fail(stream->status, stream->details, stream->method, err);
}

int ct_stream_send(struct ct_stream *stream, const ProtobufCMessage *message, bool is_last,
	struct kk_err *err)
{
	grpc_byte_buffer *out = message_pack(message);
	grpc_op ops[2] = {
		{.op = GRPC_OP_SEND_MESSAGE, .data.send_message = {out}},
		{.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
	};
	bool ok = batch_run(stream->call, stream->queue, ops, is_last ? 2 : 1);

	grpc_byte_buffer_destroy(out);
	if (ok)
		return 0;
	if (stream_end(stream, err) == 0)
		return kk_fail(err, KK_E_CONTAINERD, "%s ended early", stream->method);
	return err ? err->code : KK_E_CONTAINERD;
}

static void recv_start(struct ct_stream *stream)
{
	grpc_op ops[2] = {
		{.op = GRPC_OP_RECV_MESSAGE, .data.recv_message = {&stream->in}},
		{.op = GRPC_OP_RECV_INITIAL_METADATA,
			.data.recv_initial_metadata = {&stream->initial}},
	};

	/* The initial metadata come once, with the first message. */
	stream->in = NULL;
	stream->is_receiving = grpc_call_start_batch(stream->call, ops, stream->has_initial ? 1 : 2,
				       &stream->recv_tag, NULL) == GRPC_CALL_OK;
	stream->has_initial = true;
}

/* False when the limit passed first. */
static bool recv_wait(struct ct_stream *stream, int64_t limit_ms)
{
	gpr_timespec until = limit_ms == CT_NO_LIMIT ?
		gpr_inf_future(GPR_CLOCK_REALTIME) :
		gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
			gpr_time_from_millis(limit_ms, GPR_TIMESPAN));

	if (stream->is_receiving &&
		grpc_completion_queue_pluck(stream->queue, &stream->recv_tag, until, NULL).type ==
			GRPC_QUEUE_TIMEOUT)
		return false;
	stream->is_receiving = false;
	return true;
}

int ct_stream_recv(struct ct_stream *stream, const ProtobufCMessageDescriptor *type,
	int64_t limit_ms, void *ret_message, struct kk_err *err)
{
	ProtobufCMessage *message;

	*(void **)ret_message = NULL;
	if (!stream->is_receiving)
		recv_start(stream);
	if (!recv_wait(stream, limit_ms))
		return 1;
	if (!stream->in)
		return stream_end(stream, err);
	message = message_unpack(stream->in, type);
	grpc_byte_buffer_destroy(stream->in);
	stream->in = NULL;
	if (!message)
		return kk_fail(err, KK_E_CONTAINERD, "a message of %s can't be read",
			stream->method);
	*(void **)ret_message = message;
	return 1;
}

static int read_once(const struct ct_ctx *ctx, const struct ct_reader *reader, struct kk_err *err)
{
	kk_auto(ct_stream_freep) struct ct_stream *stream = NULL;
	int r = ct_stream_open(ctx, reader->method, &stream, err);

	if (r == 0)
		r = ct_stream_send(stream, reader->req, true, err);
	if (r < 0)
		return r;
	for (;;) {
		kk_auto(ct_message_freep) void *message = NULL;

		r = ct_stream_recv(stream, reader->type, CT_NO_LIMIT, &message, err);
		if (r <= 0)
			return r;
		r = reader->take(message, reader->arg, err);
		if (r < 0)
			return r;
	}
}

int ct_stream_read(const struct ct_ctx *ctx, const struct ct_reader *reader, struct kk_err *err)
{
	for (;;) {
		struct ct_ctx attempt = *ctx;
		struct kk_err cause = {0};
		int r;

		/* Seen when containerd is killed at the wrong moment: nothing but its deadline ends a
		 * stream. */
		if (kk_clock_ms() + READ_MS < ctx->deadline_ms)
			attempt.deadline_ms = kk_clock_ms() + READ_MS;
		r = read_once(&attempt, reader, &cause);
		if ((r != KK_E_CONTAINERD_DOWN && r != KK_E_TIMEOUT) || !ct_retry_pause(ctx)) {
			if (r < 0 && err)
				*err = cause;
			return r;
		}
		reader->restart(reader->arg);
	}
}

void ct_stream_free(struct ct_stream *stream)
{
	if (!stream)
		return;
	grpc_call_cancel(stream->call, NULL);
	recv_wait(stream, CT_NO_LIMIT);
	if (stream->in)
		grpc_byte_buffer_destroy(stream->in);
	stream_end(stream, NULL);
	grpc_call_unref(stream->call);
	queue_destroy(stream->queue);
	grpc_slice_unref(stream->details);
	grpc_metadata_array_destroy(&stream->initial);
	grpc_metadata_array_destroy(&stream->trailing);
	metadata_release(&stream->md);
	free(stream->method);
	free(stream);
}
