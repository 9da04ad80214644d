/* client/daemon.c - one API call, to kukeond over its socket.
 *
 * A call is an operation with an id. Should the connection be lost before the answer has come, kukeond died or
 * was replaced: its successor is asked for the same operation and answers as if nothing had happened. */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <kukeon/clock.h>
#include <kukeon/fault.h>
#include <kukeon/fd.h>
#include <kukeon/mem.h>

enum {
	READ_CHUNK = 256 * 1024,
	RETURN_MS = 30000, /* from the loss of the connection until kukeond is there again */
	NOTICE_MS = 1000,  /* a user at a terminal is told what we wait for */
	REFUSED_MS = 500,
	BUSY_MS = 10000, /* an ssh server lets a few log in at a time */
	RETRY_FIRST_MS = 5,
	RETRY_MAX_MS = 200,
};

static int dial_fail(const char *path, struct kk_err *err)
{
	int cause = errno;

	if (cause == EACCES || cause == EPERM)
		kk_fail(err, KK_E_DIAL,
			"dial kukeond at %s: permission denied — add yourself to "
			"the kukeon group (sudo usermod -aG kukeon $USER) and log in again",
			path);
	else
		kk_fail(err, KK_E_DIAL, "dial kukeond at %s: dial unix %s: connect: %s", path, path,
			kk_errno_text(cause));
	err->sys_errno = cause;
	return kk_failed(err);
}

static int socket_dial(struct cli *cli, const char *path, struct kk_err *err)
{
	int fd = kk_unix_dial(path, SOCK_STREAM, 0);

	if (fd < 0 && errno == ENAMETOOLONG)
		return kk_fail(err, KK_E_DIAL,
			"dial kukeond at %s: the path is longer than %zu bytes", path,
			sizeof((struct sockaddr_un *)NULL)->sun_path - 1);
	if (fd < 0)
		return dial_fail(path, err);
	cli->fd = fd;
	return 0;
}

static int dial(struct cli *cli, struct kk_err *err)
{
	kk_auto(cli_host_release) struct cli_host host = {0};

	if (cli_host_find(cli, &host, err) < 0)
		return kk_failed(err);
	return host.is_ssh ? cli_ssh_dial(cli, &host, err) : socket_dial(cli, host.path, err);
}

void cli_hang_up(struct cli *cli)
{
	kk_closep(&cli->fd);
	cli->fd = -1;
	cli_ssh_end(cli);
}

/* One line is one response. It stays in cli->in until the next call. 1: there is one, 0: the connection is
 * lost. */
static int response_read(struct cli *cli, struct kk_text *ret_response, struct kk_err *err)
{
	size_t looked = 0;

	for (;;) {
		uint8_t *newline = cli->in.len > looked ?
			memchr(cli->in.data + looked, '\n', cli->in.len - looked) :
			NULL;
		uint8_t *room;
		ssize_t n;

		if (newline) {
			*ret_response = (struct kk_text){
				(char *)cli->in.data, (size_t)(newline - cli->in.data) + 1};
			return 1;
		}
		looked = cli->in.len;
		room = kk_buf_reserve(&cli->in, READ_CHUNK);
		if (!room)
			return kk_fail(err, KK_E_NOMEM, "no memory for the response");
		n = recv(cli->fd, room, READ_CHUNK, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return 0;
		kk_buf_added(&cli->in, (size_t)n);
	}
}

/* 1: answered, 0: the connection is lost. */
static int exchange(struct cli *cli, const char *request, struct kk_text *ret_response,
	struct kk_err *err)
{
	size_t done = 0, len = strlen(request);

	kk_buf_clear(&cli->in);
	while (done < len) {
		ssize_t n = send(cli->fd, request + done, len - done, MSG_NOSIGNAL);

		/* It may have said why before it closed. */
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			break;
		if (n < 0 && errno != EINTR)
			return kk_fail_errno(err, KK_E_DIAL, "send to kukeond");
		done += n > 0 ? (size_t)n : 0;
	}
	(void)kk_fault(KK_FAULT_client_request_sent, err);
	return response_read(cli, ret_response, err);
}

/* Between two tries: longer each time. */
static void retry_pause(int64_t *retry_ms)
{
	cli_pause(*retry_ms);
	*retry_ms = *retry_ms * 2 < RETRY_MAX_MS ? *retry_ms * 2 : RETRY_MAX_MS;
}

static void notice(int64_t waited_ms, bool *was_told)
{
	if (*was_told || waited_ms < NOTICE_MS || !isatty(STDERR_FILENO))
		return;
	*was_told = true;
	fprintf(stderr,
		CLI_LINE_CLEAR "kukeond closed the connection, waiting for it to come back\n");
}

/* A daemon that is replaced is there again in milliseconds, one that its host must start in seconds. */
static int redial(struct cli *cli, int64_t lost_ms, struct kk_err *err)
{
	int64_t retry_ms = RETRY_FIRST_MS;
	bool was_told = false;

	cli_hang_up(cli);
	for (;;) {
		int64_t waited_ms = kk_clock_ms() - lost_ms;
		struct kk_err cause = {0};

		if (dial(cli, &cause) == 0)
			return 0;
		if (cause.code != KK_E_DIAL || waited_ms >= RETURN_MS) {
			*err = cause;
			return kk_wrap(err,
				"unexpected EOF: kukeond closed the connection and did not come back");
		}
		if (!cli->is_quiet)
			notice(waited_ms, &was_told);
		retry_pause(&retry_ms);
	}
}

/* Does it know operations? A daemon that does not would do the request a second time. */
static int op_check(struct cli *cli, struct kk_err *err)
{
	struct kk_text response, error;
	int r = exchange(cli,
		"{\"method\":\"KukeonV1.GetOperation\",\"params\":[{\"Id\":\"\"}],\"id\":0}\n",
		&response, err);

	if (r > 0 && kk_text_member(&response, "error", &error) && error.data[0] == '"')
		return kk_fail(err, KK_E_DIAL, "unexpected EOF: kukeond closed the connection");
	return r;
}

int cli_try(struct cli *cli, cli_try_f fn, struct kk_err *err)
{
	const int64_t began_ms = kk_clock_ms();
	int64_t retry_ms = RETRY_FIRST_MS, limit_ms = 0;

	while (fn(cli, err) < 0) {
		/* A socket with nobody behind it is that of a kukeond that died a moment ago: its host starts it
		 * again. Its successor takes the socket away for a moment. */
		if (err->sys_errno == ECONNREFUSED)
			limit_ms = REFUSED_MS;
		else if (err->sys_errno == EBUSY)
			limit_ms = BUSY_MS;
		if (kk_clock_ms() - began_ms >= limit_ms)
			return kk_failed(err);
		kk_err_clear(err);
		retry_pause(&retry_ms);
	}
	return 0;
}

int cli_dial(struct cli *cli, struct kk_err *err)
{
	return cli_try(cli, dial, err);
}

/* "1.2" of "1.2.3": what is behind it makes no difference. */
static size_t release_len(const char *version)
{
	size_t len = strcspn(version, ".");

	return version[len] ? len + 1 + strcspn(version + len + 1, ".") : len;
}

/* Who sits at a terminal is told when both are of different releases; `kuke version --strict` tells a script. */
static void skew_tell(struct cli *cli)
{
	struct kk_text response, result;
	struct kk_err ignored = {0};
	kk_auto_json *reply = NULL;
	const char *version;
	size_t len;

	if (cli->has_version || cli->is_quiet || !isatty(STDERR_FILENO))
		return;
	cli->has_version = true;
	if (exchange(cli, "{\"method\":\"KukeonV1.Ping\",\"params\":[{}],\"id\":0}\n", &response,
		    &ignored) <= 0 ||
		!kk_text_member(&response, "result", &result))
		return;
	reply = cli_text_load(&result);
	version = cli_json_string(reply, "Version");
	len = release_len(version);
	if (*version && (len != release_len(KK_VERSION) || strncmp(version, KK_VERSION, len) != 0))
		fprintf(stderr,
			CLI_LINE_CLEAR
			"Warning: kuke is %s, kukeond %s: `sudo kuke daemon reload` replaces "
			"kukeond, if kuke is the newer one\n",
			KK_VERSION, version);
}

static int request_carry_out(struct cli *cli, const char *request, struct kk_text *ret_response,
	struct kk_err *err)
{
	int64_t lost_ms = 0, began_ms;
	int r;

	if (cli->fd < 0 && cli_dial(cli, err) < 0)
		return kk_failed(err);
	skew_tell(cli);
	for (;;) {
		int64_t now;

		began_ms = kk_clock_ms();
		r = lost_ms ? op_check(cli, err) : 1;
		if (r > 0)
			r = exchange(cli, request, ret_response, err);
		if (r != 0)
			return r < 0 ? r : 0;
		now = kk_clock_ms();
		/* One that takes requests and never answers is no daemon; one that worked for a while is. */
		if (!lost_ms || now - began_ms > NOTICE_MS)
			lost_ms = now;
		else
			cli_pause(RETRY_MAX_MS);
		if (now - lost_ms >= RETURN_MS)
			return kk_fail(err, KK_E_DIAL,
				"unexpected EOF: kukeond closes the connection each time");
		if (redial(cli, lost_ms, err) < 0)
			return kk_failed(err);
	}
}

static uint64_t op_new(void)
{
	uint64_t op;

	if (getrandom(&op, sizeof op, 0) != sizeof op)
		op = (uint64_t)kk_time_now() ^ (uint64_t)getpid() << 48;
	return op ? op : 1;
}

int cli_call_daemon(struct cli *cli, const char *method, json_t *args, struct kk_text *ret_result,
	struct kk_err *err)
{
	kk_auto_json *owned = args, *failure = NULL;
	kk_auto_free char *params = json_dumps(owned, JSON_COMPACT);
	kk_auto_free char *request = kk_xprintf(
		"{\"method\":\"KukeonV1.%s\",\"params\":[%s],\"id\":%u,\"op\":\"%016llx\"}\n",
		method, params, cli->last_id++, (unsigned long long)op_new());
	struct kk_text response, error;

	if (request_carry_out(cli, request, &response, err) < 0)
		return kk_failed(err);
	if (kk_text_member(&response, "error", &error) && error.data[0] == '"') {
		failure = cli_text_load(&error);
		return kk_fail(err, KK_E_API, "%s", kk_str(json_string_value(failure)));
	}
	if (!kk_text_member(&response, "result", ret_result))
		return cli_no_json_fail("kukeond", err);
	return cli_reply_check(ret_result, "kukeond", err);
}
