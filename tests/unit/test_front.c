/* tests/unit/test_front.c - the API socket, with a worker behind it that is this program again. */
#include "../../supervisor/api.h"
#include "../../supervisor/front.h"
#include "../../supervisor/jsonrpc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <kukeon/auto.h>
#include <kukeon/buf.h>
#include <kukeon/entry.h>
#include <kukeon/log.h>
#include <kukeon/loop.h>
#include <kukeon/mem.h>
#include <kukeon/supervisor.h>
#include <kukeon/worker.h>

#include "../support/check.h"
#include "../support/dir.h"
#include "../support/fake.h"

enum { WATCHDOG_MS = 5000, BULK_BYTES = 1024 * 1024 };

/* --- the fake reconciler: it answers with what it was asked --- */

static struct kk_call *kept;
static unsigned n_echoes, n_held;

static KK_HANDLES(api_request)
{
	kk_auto_free char *text = kk_xprintf("{\"method\":\"%s\",\"params\":%.*s}", req->method,
		(int)req->params.len, (char *)req->params.data);

	if (strcmp(req->method, "Fake.Echo") == 0) {
		n_echoes++;
	} else if (strcmp(req->method, "Fake.Bulk") == 0) {
		free(text);
		text = kk_xprintf("\"%0*d\"", BULK_BYTES, 0);
	} else if (strcmp(req->method, "Fake.Count") == 0) {
		free(text);
		text = kk_xprintf("%u", n_echoes);
	}
	if (strcmp(req->method, "Fake.Hold") == 0) {
		n_held++;
		return KK_LATER;
	}
	if (strcmp(req->method, "Fake.Held") == 0) {
		free(text);
		text = kk_xprintf("%u", n_held);
	}
	if (strcmp(req->method, "Fake.Keep") == 0) {
		kept = call;
		return KK_LATER;
	}
	if (strcmp(req->method, "Fake.LetGo") == 0 && kept) {
		struct kk_rep_api_request *late = kept->rep;

		late->result.data = (uint8_t *)kk_xstrdup("{}");
		late->result.len = 2;
		kk_call_end(kept, NULL);
		kept = NULL;
	}
	if (strcmp(req->method, "Fake.Nothing") == 0)
		return 0;
	if (strcmp(req->method, "Fake.Fail") == 0)
		return kk_fail(err, KK_E_CELL_NOT_FOUND, "cell \"x\" not found");
	if (strcmp(req->method, "Fake.Refuse") == 0) {
		rep->error = kk_xstrdup("rpc: can't find method Fake.Refuse");
		return 0;
	}
	rep->result.len = strlen(text);
	rep->result.data = (uint8_t *)kk_steal(&text);
	return 0;
}

static int fake_main(const char *role)
{
	static const struct kk_handler handlers[] = {KK_HANDLER(api_request)};
	const struct kk_worker_def def = fake_worker(role, handlers, KK_COUNT(handlers));

	return kk_worker_main(&def);
}

/* --- the clock: libc's, and what a test lets pass --- */

static time_t passed_s;

int clock_gettime(clockid_t id, struct timespec *ret_now)
{
	long r = syscall(SYS_clock_gettime, id, ret_now);

	ret_now->tv_sec += passed_s;
	return (int)r;
}

/* --- the test's side --- */

static struct {
	struct kk_loop *loop;
	struct kk_timer *watchdog;
	struct kk_timer *tick;
	struct kk_config config;
	struct kk_supervisor *sv;
	struct sv_front *front;
	char path[128];
	bool is_drained;
} rig;

static void watchdog_on_timer(void *arg)
{
	(void)arg;
	ck_abort_msg("nothing happened for %d ms", WATCHDOG_MS);
}

static void tick_on_timer(void *arg)
{
	(void)arg;
}

static void setup(void)
{
	struct kk_err err = {0};

	dir_setup();
	kk_log_open("supervisor", 0, KK_LEVEL_ERROR);
	rig.config = fake_config(dir_path);
	rig.loop = kk_loop_new();
	rig.watchdog = kk_timer_new(rig.loop, "watchdog", watchdog_on_timer, NULL);
	rig.tick = kk_timer_new(rig.loop, "tick", tick_on_timer, NULL);
	kk_timer_start(rig.watchdog, WATCHDOG_MS);
	rig.sv = kk_supervisor_new(rig.loop, &rig.config, true, &err);
	ck_assert_ptr_nonnull(rig.sv);
	snprintf(rig.path, sizeof rig.path, "%s/kukeond.sock", dir_path);
	rig.front = sv_front_new(rig.loop, rig.sv, rig.path, 0, &err);
	ck_assert_ptr_nonnull(rig.front);
}

static void teardown(void)
{
	sv_front_free(rig.front);
	kk_supervisor_free(rig.sv);
	kk_timer_free(rig.watchdog);
	kk_timer_free(rig.tick);
	kk_loop_free(rig.loop);
	kk_config_release(&rig.config);
	dir_teardown();
}

static int client_connect(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, rig.path, strlen(rig.path) + 1);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

static void client_send(int fd, const char *text)
{
	ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* One turn of the loop, which need not have anything to do. */
static void turn(void)
{
	kk_timer_start(rig.tick, 1);
	kk_loop_run_once(rig.loop);
}

/* @len bytes, in as many pieces as the socket takes. */
static void client_send_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN)
			break;
		data += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
		turn();
	}
}

/* Until all that was sent is read. */
static void client_drain(int fd)
{
	int n_unread;

	do {
		turn();
		ck_assert_int_eq(ioctl(fd, TIOCOUTQ, &n_unread), 0);
	} while (n_unread);
}

static void time_pass(time_t seconds)
{
	kk_timer_stop(rig.watchdog);
	passed_s += seconds;
	turn();
	kk_timer_start(rig.watchdog, WATCHDOG_MS);
}

/* Run the loop until this many lines have come, or the end. */
static char *client_read(int fd, size_t n_lines)
{
	struct kk_buf text = {0};

	for (;;) {
		uint8_t *room = kk_buf_reserve(&text, 65536);
		ssize_t n = recv(fd, room, 65536, MSG_DONTWAIT);

		if (n == 0 || (n < 0 && errno == ECONNRESET))
			break;
		if (n < 0) {
			turn();
			continue;
		}
		for (ssize_t i = 0; i < n; i++)
			n_lines -= room[i] == '\n';
		kk_buf_added(&text, (size_t)n);
		if (n_lines == 0)
			break;
	}
	kk_buf_added(&text, 0); /* a string, even if nothing came */
	return kk_buf_take(&text);
}

static void expect_line(int fd, const char *line)
{
	kk_auto_free char *text = client_read(fd, 1);

	ck_assert_str_eq(text, line);
}

static void expect_end(int fd)
{
	kk_auto_free char *text = client_read(fd, 1000000);

	ck_assert_str_eq(text, "");
}

#define PONG(id)                                                                               \
	"{\"id\":" id ",\"result\":{\"OK\":true,\"Version\":\"" KK_VERSION "\",\"Err\":null}," \
	"\"error\":null}\n"

/* --- requests --- */

START_TEST(a_ping_needs_no_worker)
{
	kk_auto_fd int fd = client_connect();

	client_send(fd, "{\"method\":\"KukeonV1.Ping\",\"params\":[{}],\"id\":0}\n");
	expect_line(fd, PONG("0"));
}
END_TEST

static const struct {
	const char *request;
	const char *response;
} calls[] = {
	{"{\"method\":\"Fake.Echo\",\"params\":[{\"a\":[1]}],\"id\":7}",
		"{\"id\":7,\"result\":{\"method\":\"Fake.Echo\",\"params\":{\"a\":[1]}},"
		"\"error\":null}\n"},
	{"{\"method\":\"Fake.Echo\",\"params\":[],\"id\":\"x\"}",
		"{\"id\":\"x\",\"result\":{\"method\":\"Fake.Echo\",\"params\":{}},\"error\":null}\n"},
	{"{\"method\":\"Fake.Fail\",\"params\":[{}],\"id\":1}",
		"{\"id\":1,\"result\":{\"Err\":{\"Kind\":\"CellNotFound\",\"Message\":"
		"\"cell \\\"x\\\" not found\"}},\"error\":null}\n"},
	{"{\"method\":\"Fake.Refuse\",\"params\":[{}],\"id\":1}",
		"{\"id\":1,\"result\":null,\"error\":\"rpc: can't find method Fake.Refuse\"}\n"},
	{"{\"method\":\"Fake.Echo\",\"id\":1}",
		"{\"id\":1,\"result\":null,\"error\":\"jsonrpc: request body missing params\"}\n"},
};

START_TEST(a_call_is_answered)
{
	kk_auto_fd int fd = client_connect();

	client_send(fd, calls[_i].request);
	expect_line(fd, calls[_i].response);
	/* And the connection goes on. */
	client_send(fd, "{\"method\":\"KukeonV1.Ping\",\"params\":[{}],\"id\":2}");
	expect_line(fd, PONG("2"));
}
END_TEST

START_TEST(answers_come_as_they_are_ready)
{
	kk_auto_fd int fd = client_connect();

	client_send(fd,
		"{\"method\":\"Fake.Keep\",\"params\":[{}],\"id\":1}"
		"{\"method\":\"KukeonV1.Ping\",\"params\":[{}],\"id\":2}"
		"{\"method\":\"Fake.Echo\",\"params\":[{}],\"id\":3}");
	expect_line(fd, PONG("2"));
	expect_line(fd,
		"{\"id\":3,\"result\":{\"method\":\"Fake.Echo\",\"params\":{}},\"error\":null}\n");
	client_send(fd, "{\"method\":\"Fake.LetGo\",\"params\":[{}],\"id\":4}");
	free(client_read(fd, 2));
}
END_TEST

START_TEST(a_request_may_come_byte_by_byte)
{
	static const char text[] = " {\"method\":\"KukeonV1.Ping\",\n\"params\":[{}],\"id\":5}";
	kk_auto_fd int fd = client_connect();

	for (size_t i = 0; i < sizeof text - 1; i++) {
		ck_assert_int_eq(send(fd, &text[i], 1, MSG_NOSIGNAL), 1);
		turn();
	}
	expect_line(fd, PONG("5"));
}
END_TEST

START_TEST(clients_do_not_see_each_others_answers)
{
	kk_auto_fd int one = client_connect(), two = client_connect();

	client_send(one, "{\"method\":\"Fake.Keep\",\"params\":[{}],\"id\":1}");
	client_send(two, "{\"method\":\"Fake.Echo\",\"params\":[{}],\"id\":1}");
	expect_line(two,
		"{\"id\":1,\"result\":{\"method\":\"Fake.Echo\",\"params\":{}},\"error\":null}\n");
	client_send(two, "{\"method\":\"Fake.LetGo\",\"params\":[{}],\"id\":2}");
	free(client_read(two, 1));
	expect_line(one, "{\"id\":1,\"result\":{},\"error\":null}\n");
}
END_TEST

/* Two of them are more than may be under way. */
enum { LARGE = SV_REQUEST_MAX - 1024 };

static char *large_call(const char *method)
{
	char *text = kk_xalloc(LARGE + 1);
	int n = snprintf(text, LARGE, "{\"method\":\"%s\",\"id\":1,\"params\":[{", method);

	memset(text + n, ' ', (size_t)(LARGE - n - 3));
	memcpy(text + LARGE - 3, "}]}", 3);
	return text;
}

START_TEST(a_large_request_waits_for_its_turn_and_small_ones_pass)
{
	static const char echo[] = "{\"method\":\"Fake.Echo\",\"params\":[{}],\"id\":1}";
	static const char count[] = "{\"method\":\"Fake.Count\",\"params\":[{}],\"id\":1}";
	kk_auto_free char *first = large_call("Fake.Keep"), *second = large_call("Fake.Echo");
	kk_auto_fd int keeper = client_connect(), waiting = client_connect();
	kk_auto_fd int small = client_connect();
	int gone = client_connect();

	client_send_all(keeper, first, LARGE);
	client_send_all(waiting, second, LARGE);
	client_send_all(gone, second, LARGE);
	close(gone);
	client_send(small, echo);
	free(client_read(small, 1));
	client_send(small, count);
	expect_line(small, "{\"id\":1,\"result\":1,\"error\":null}\n");
	client_send(small, "{\"method\":\"Fake.LetGo\",\"params\":[{}],\"id\":2}");
	expect_line(keeper, "{\"id\":1,\"result\":{},\"error\":null}\n");
	expect_line(waiting,
		"{\"id\":1,\"result\":{\"method\":\"Fake.Echo\",\"params\":{}},\"error\":null}\n");
	free(client_read(small, 1));
	/* And the one that did not stay. */
	for (bool is_done = false; !is_done;) {
		kk_auto_free char *text = NULL;

		client_send(small, count);
		text = client_read(small, 1);
		is_done = strstr(text, "\"result\":3,");
	}
}
END_TEST

/* However many calls others have under way. */
START_TEST(each_client_has_a_call)
{
	enum { GREEDY = SV_CALLS_MANY / SV_CLIENT_CALLS_MAX + 2 };
	kk_auto_free char *line =
		kk_xprintf("{\"id\":1,\"result\":%d,\"error\":null}\n", SV_CALLS_MANY + 2);
	kk_auto_buf requests = {0};
	int fds[GREEDY];

	for (int i = 0; i < SV_CLIENT_CALLS_MAX; i++)
		kk_buf_str(&requests, "{\"method\":\"Fake.Hold\",\"params\":[{}],\"id\":1}");
	for (int i = 0; i < GREEDY; i++) {
		fds[i] = client_connect();
		client_send(fds[i], (char *)requests.data);
		client_drain(fds[i]);
	}
	for (int i = 0; i < 3; i++) {
		kk_auto_fd int fd = client_connect();

		client_send(fd, "{\"method\":\"Fake.Held\",\"params\":[{}],\"id\":1}");
		expect_line(fd, line);
	}
	for (int i = 0; i < GREEDY; i++)
		close(fds[i]);
}
END_TEST

/* --- ends --- */

static const char *const garbage[] = {"garbage", "[]", "{\"method\":7,\"params\":[{}],\"id\":1}",
	"{\"method\":\"A.B\",}", "GET / HTTP/1.1\r\n\r\n", "}"};

START_TEST(garbage_ends_the_connection_without_an_answer)
{
	kk_auto_fd int fd = client_connect(), other = client_connect();

	client_send(fd, garbage[_i]);
	expect_end(fd);
	client_send(other, "{\"method\":\"KukeonV1.Ping\",\"params\":[{}],\"id\":1}");
	expect_line(other, PONG("1"));
}
END_TEST

START_TEST(what_runs_is_answered_before_garbage_ends_the_connection)
{
	kk_auto_fd int fd = client_connect();

	client_send(fd, "{\"method\":\"Fake.Echo\",\"params\":[{}],\"id\":1}garbage");
	expect_line(fd,
		"{\"id\":1,\"result\":{\"method\":\"Fake.Echo\",\"params\":{}},\"error\":null}\n");
	expect_end(fd);
}
END_TEST

/* Or a client that sends a newline behind its request would be waited for, and be closed for its silence. */
START_TEST(a_newline_is_no_half_request)
{
	kk_auto_fd int fd = client_connect();

	client_send(fd, "{\"method\":\"KukeonV1.Ping\",\"params\":[{}],\"id\":0} \r\n");
	expect_line(fd, PONG("0"));
	ck_assert_uint_eq(rig.front->clients->in.len, 0);
	client_send(fd, "\n{\"method\":\"KukeonV1.Ping\",\"params\":[{}],\"id\":1}\n");
	expect_line(fd, PONG("1"));
	ck_assert_uint_eq(rig.front->clients->in.len, 0);
}
END_TEST

START_TEST(half_a_connection_still_gets_its_answers)
{
	kk_auto_fd int fd = client_connect();

	client_send(fd, "{\"method\":\"Fake.Echo\",\"params\":[{}],\"id\":1}");
	shutdown(fd, SHUT_WR);
	expect_line(fd,
		"{\"id\":1,\"result\":{\"method\":\"Fake.Echo\",\"params\":{}},\"error\":null}\n");
	expect_end(fd);
}
END_TEST

START_TEST(half_a_request_and_the_end_are_ended)
{
	kk_auto_fd int fd = client_connect();

	client_send(fd, "{\"method\":");
	shutdown(fd, SHUT_WR);
	expect_end(fd);
}
END_TEST

START_TEST(half_a_request_has_its_time)
{
	kk_auto_fd int fd = client_connect(), slow = client_connect();

	client_send(fd, "{\"method\":");
	client_send(slow, "{");
	client_drain(fd);
	client_drain(slow);
	time_pass(SV_HALF_REQUEST_MS / 1000 - 1);
	/* A byte now and then buys no more of it. */
	client_send(slow, "\"");
	client_drain(slow);
	time_pass(2);
	expect_end(fd);
	expect_end(slow);
}
END_TEST

START_TEST(a_client_that_leaves_harms_nobody)
{
	kk_auto_fd int other = client_connect();
	int fd = client_connect();

	client_send(fd, "{\"method\":\"Fake.Keep\",\"params\":[{}],\"id\":1}");
	client_send(other, "{\"method\":\"Fake.Echo\",\"params\":[{}],\"id\":1}");
	free(client_read(other, 1));
	close(fd);
	client_send(other, "{\"method\":\"Fake.LetGo\",\"params\":[{}],\"id\":2}");
	free(client_read(other, 1));
	client_send(other, "{\"method\":\"KukeonV1.Ping\",\"params\":[{}],\"id\":3}");
	expect_line(other, PONG("3"));
}
END_TEST

#define PING_HEAD "{\"method\":\"KukeonV1.Ping\",\"id\":1,\"params\":["
#define TOO_LARGE "{\"id\":null,\"result\":null,\"error\":\"request is too large\"}\n"

/* A request of @len bytes. */
static char *request_of(size_t len)
{
	char *text = kk_xalloc(len + 1);

	memset(text, ' ', len);
	memcpy(text, PING_HEAD, strlen(PING_HEAD));
	memcpy(text + len - 2, "]}", 2);
	return text;
}

START_TEST(a_request_may_reach_the_ceiling)
{
	kk_auto_free char *text = request_of(SV_REQUEST_MAX);
	kk_auto_fd int fd = client_connect();

	client_send_all(fd, text, SV_REQUEST_MAX);
	expect_line(fd, PONG("1"));
}
END_TEST

START_TEST(a_request_beyond_the_ceiling_is_refused)
{
	kk_auto_free char *text = request_of(SV_REQUEST_MAX + 1024 * 1024);
	kk_auto_fd int fd = client_connect();

	client_send_all(fd, text, SV_REQUEST_MAX + 1024 * 1024);
	expect_line(fd, TOO_LARGE);
	expect_end(fd);
}
END_TEST

START_TEST(a_request_of_too_many_values_is_refused)
{
	kk_auto_fd int fd = client_connect();
	kk_auto_buf text = {0};

	kk_buf_str(&text, PING_HEAD "0");
	for (size_t i = 0; i < SV_VALUES_MAX; i++)
		kk_buf_str(&text, ",0");
	kk_buf_str(&text, "]}");
	client_send_all(fd, (char *)text.data, text.len);
	expect_line(fd, TOO_LARGE);
	expect_end(fd);
}
END_TEST

/* --- the socket --- */

START_TEST(the_socket_is_the_owners_alone)
{
	struct stat st;

	ck_assert_int_eq(stat(rig.path, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
}
END_TEST

static struct sv_front *front_make(const char *path, int code, const char *text)
{
	struct kk_err err = {0};
	struct sv_front *front = sv_front_new(rig.loop, rig.sv, path, 0, &err);
	char found[KK_ERR_TEXT];

	kk_err_format(&err, found, sizeof found);
	ck_assert_int_eq(err.code, code);
	ck_assert_str_eq(found, text);
	return front;
}

START_TEST(a_socket_that_is_served_is_not_taken)
{
	kk_auto_free char *text = kk_xprintf("another daemon listens on %s", rig.path);
	kk_auto_fd int fd = -1;

	ck_assert_ptr_null(front_make(rig.path, KK_E_IO, text));
	fd = client_connect();
	client_send(fd, "{\"method\":\"KukeonV1.Ping\",\"params\":[{}],\"id\":1}");
	expect_line(fd, PONG("1"));
}
END_TEST

START_TEST(a_file_that_is_no_socket_is_not_replaced)
{
	kk_auto_free char *path = kk_xprintf("%s/precious", dir_path);
	kk_auto_free char *text =
		kk_xprintf("%s is there and is no socket, refusing to replace it", path);

	dir_write("precious", "x");
	ck_assert_ptr_null(front_make(path, KK_E_IO, text));
	ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

START_TEST(a_stale_socket_is_replaced)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	kk_auto_free char *path = kk_xprintf("%s/stale.sock", dir_path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sv_front *front;

	memcpy(address.sun_path, path, strlen(path) + 1);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	close(fd);
	front = front_make(path, 0, "");
	ck_assert_ptr_nonnull(front);
	sv_front_free(front);
	ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(a_path_that_is_too_long_is_a_configuration_error)
{
	kk_auto_free char *path = kk_xalloc(200);
	kk_auto_free char *text = NULL;

	memset(path, 'x', 150);
	path[0] = '/';
	text = kk_xprintf("socket path %s is longer than 107 bytes", path);
	ck_assert_ptr_null(front_make(path, KK_E_CONFIG, text));
}
END_TEST

/* --- drain --- */

static void drained(void *arg)
{
	(void)arg;
	rig.is_drained = true;
}

START_TEST(a_drain_of_an_idle_front_is_done_at_once)
{
	kk_auto_fd int fd = client_connect();

	turn();
	sv_front_drain(rig.front, drained, NULL);
	ck_assert(rig.is_drained);
}
END_TEST

START_TEST(a_drain_waits_for_the_last_answer_and_takes_no_more)
{
	kk_auto_fd int fd = client_connect();

	client_send(fd, "{\"method\":\"Fake.Echo\",\"params\":[{}],\"id\":1}");
	turn();
	turn();
	sv_front_drain(rig.front, drained, NULL);
	ck_assert(!rig.is_drained);
	client_send(fd, "{\"method\":\"Fake.Echo\",\"params\":[{}],\"id\":2}");
	while (!rig.is_drained)
		turn();
	expect_line(fd,
		"{\"id\":1,\"result\":{\"method\":\"Fake.Echo\",\"params\":{}},\"error\":null}\n");
}
END_TEST

/* --- regressions --- */

START_TEST(more_calls_than_run_at_once_are_all_answered)
{
	enum { N = SV_CLIENT_CALLS_MAX + 60 };
	kk_auto_fd int fd = client_connect();
	kk_auto_free char *answers = NULL;
	kk_auto_buf requests = {0};

	for (int i = 0; i < N; i++)
		kk_buf_printf(&requests, "{\"method\":\"Fake.Echo\",\"params\":[{}],\"id\":%d}\n",
			i);
	client_send(fd, (char *)requests.data);
	answers = client_read(fd, N);
	for (int i = 0; i < N; i++) {
		kk_auto_free char *id = kk_xprintf("{\"id\":%d,", i);

		ck_assert_ptr_nonnull(strstr(answers, id));
	}
}
END_TEST

START_TEST(a_result_of_nothing_is_still_json)
{
	kk_auto_fd int fd = client_connect();
	kk_auto_free char *text = NULL;

	client_send(fd, "{\"method\":\"Fake.Nothing\",\"params\":[{}],\"id\":1}");
	text = client_read(fd, 1);
	ck_assert_ptr_null(strstr(text, "\"result\":,"));
}
END_TEST

START_TEST(a_method_of_any_length_is_not_found)
{
	kk_auto_fd int fd = client_connect();
	kk_auto_buf text = {0};

	kk_buf_str(&text, "{\"id\":1,\"params\":[{}],\"method\":\"Fake.");
	for (int i = 0; i < 100000; i++)
		kk_buf_char(&text, 'x');
	kk_buf_str(&text, "\"}");
	client_send(fd, (char *)text.data);
	expect_line(fd,
		"{\"id\":1,\"result\":null,"
		"\"error\":\"rpc: can't find method: its name is too long\"}\n");
}
END_TEST

/* More than the line between worker and supervisor holds. */
START_TEST(no_answer_is_lost_for_want_of_room)
{
	enum { CLIENTS = 3, CALLS = 40 };
	kk_auto_buf requests = {0};
	int fds[CLIENTS];

	for (int i = 0; i < CALLS; i++)
		kk_buf_str(&requests, "{\"method\":\"Fake.Bulk\",\"params\":[{}],\"id\":1}\n");
	for (int i = 0; i < CLIENTS; i++) {
		fds[i] = client_connect();
		client_send(fds[i], (char *)requests.data);
	}
	for (int i = 0; i < CLIENTS; i++) {
		kk_auto_free char *answers = client_read(fds[i], CALLS);

		ck_assert_uint_gt(strlen(answers), (size_t)CALLS * BULK_BYTES);
		ck_assert_ptr_null(strstr(answers, "Err"));
		close(fds[i]);
	}
}
END_TEST

/* The worker that the call needs is yet to be started. */
START_TEST(clients_leave_descriptors_for_the_workers)
{
	const struct rlimit few = {100, 100};
	int fds[100], n = 0;

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (bool is_refused = false; !is_refused; n++) {
		kk_auto_free char *answer = NULL;

		fds[n] = client_connect();
		client_send(fds[n], "{\"method\":\"KukeonV1.Ping\",\"params\":[{}],\"id\":1}");
		answer = client_read(fds[n], 1);
		is_refused = !*answer;
	}
	ck_assert_int_gt(n, 10);
	client_send(fds[0], "{\"method\":\"Fake.Count\",\"params\":[{}],\"id\":1}");
	expect_line(fds[0], "{\"id\":1,\"result\":0,\"error\":null}\n");
	while (n > 0)
		close(fds[--n]);
}
END_TEST

/* More than run at once, and nobody waits for the answers. */
START_TEST(what_a_client_sent_before_it_left_is_done)
{
	enum { N = SV_CLIENT_CALLS_MAX + 60 };
	kk_auto_free char *all = kk_xprintf("{\"id\":1,\"result\":%d,\"error\":null}\n", N);
	kk_auto_fd int other = client_connect();
	kk_auto_buf requests = {0};
	int fd = client_connect();
	bool is_done = false;

	for (int i = 0; i < N; i++)
		kk_buf_str(&requests, "{\"method\":\"Fake.Echo\",\"params\":[{}],\"id\":1}\n");
	client_send(fd, (char *)requests.data);
	close(fd);
	while (!is_done) {
		kk_auto_free char *count = NULL;

		client_send(other, "{\"method\":\"Fake.Count\",\"params\":[{}],\"id\":1}");
		count = client_read(other, 1);
		is_done = strcmp(count, all) == 0;
	}
}
END_TEST

/* Go ends each request with a line feed. */
START_TEST(a_line_feed_behind_a_request_is_no_half_request)
{
	kk_auto_fd int fd = client_connect();

	client_send(fd, "{\"method\":\"KukeonV1.Ping\",\"params\":[{}],\"id\":1}\n");
	expect_line(fd, PONG("1"));
	client_drain(fd);
	time_pass(SV_HALF_REQUEST_MS / 1000 + 1);
	client_send(fd, " \r\n\t{\"method\":\"KukeonV1.Ping\",\"params\":[{}],\"id\":2}\n");
	expect_line(fd, PONG("2"));
}
END_TEST

int main(int argc, char **argv)
{
	const char *role = argc > 0 ? strstr(argv[0], ": ") : NULL;
	Suite *suite;
	TCase *request, *end, *place, *drain, *regressions;

	if (role)
		return fake_main(role + 2);
	suite = suite_create("front");
	request = tcase_create("request");
	tcase_add_checked_fixture(request, setup, teardown);
	tcase_set_timeout(request, 10);
	tcase_add_test(request, a_ping_needs_no_worker);
	tcase_add_loop_test(request, a_call_is_answered, 0, (int)KK_COUNT(calls));
	tcase_add_test(request, answers_come_as_they_are_ready);
	tcase_add_test(request, a_request_may_come_byte_by_byte);
	tcase_add_test(request, clients_do_not_see_each_others_answers);
	tcase_add_test(request, each_client_has_a_call);
	tcase_add_test(request, a_large_request_waits_for_its_turn_and_small_ones_pass);
	suite_add_tcase(suite, request);
	end = tcase_create("end");
	tcase_add_checked_fixture(end, setup, teardown);
	tcase_set_timeout(end, 10);
	tcase_add_loop_test(end, garbage_ends_the_connection_without_an_answer, 0,
		(int)KK_COUNT(garbage));
	tcase_add_test(end, what_runs_is_answered_before_garbage_ends_the_connection);
	tcase_add_test(end, a_newline_is_no_half_request);
	tcase_add_test(end, half_a_connection_still_gets_its_answers);
	tcase_add_test(end, half_a_request_and_the_end_are_ended);
	tcase_add_test(end, half_a_request_has_its_time);
	tcase_add_test(end, a_client_that_leaves_harms_nobody);
	tcase_add_test(end, a_request_may_reach_the_ceiling);
	tcase_add_test(end, a_request_beyond_the_ceiling_is_refused);
	tcase_add_test(end, a_request_of_too_many_values_is_refused);
	suite_add_tcase(suite, end);
	place = tcase_create("socket");
	tcase_add_checked_fixture(place, setup, teardown);
	tcase_add_test(place, the_socket_is_the_owners_alone);
	tcase_add_test(place, a_socket_that_is_served_is_not_taken);
	tcase_add_test(place, a_file_that_is_no_socket_is_not_replaced);
	tcase_add_test(place, a_stale_socket_is_replaced);
	tcase_add_test(place, a_path_that_is_too_long_is_a_configuration_error);
	suite_add_tcase(suite, place);
	drain = tcase_create("drain");
	tcase_add_checked_fixture(drain, setup, teardown);
	tcase_set_timeout(drain, 10);
	tcase_add_test(drain, a_drain_of_an_idle_front_is_done_at_once);
	tcase_add_test(drain, a_drain_waits_for_the_last_answer_and_takes_no_more);
	suite_add_tcase(suite, drain);
	regressions = tcase_create("regressions");
	tcase_add_checked_fixture(regressions, setup, teardown);
	tcase_set_timeout(regressions, 10);
	tcase_add_test(regressions, more_calls_than_run_at_once_are_all_answered);
	tcase_add_test(regressions, a_result_of_nothing_is_still_json);
	tcase_add_test(regressions, a_method_of_any_length_is_not_found);
	tcase_add_test(regressions, no_answer_is_lost_for_want_of_room);
	tcase_add_test(regressions, clients_leave_descriptors_for_the_workers);
	tcase_add_test(regressions, what_a_client_sent_before_it_left_is_done);
	tcase_add_test(regressions, a_line_feed_behind_a_request_is_no_half_request);
	suite_add_tcase(suite, regressions);
	return check_main(suite);
}
