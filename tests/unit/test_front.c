/* tests/unit/test_front.c - the API socket, with a worker behind it that is this program again. */
#include "../../supervisor/api.h"
#include "../../supervisor/front.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
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

enum { WATCHDOG_MS = 5000 };

/* --- the fake reconciler: it answers with what it was asked --- */

static struct kk_call *kept;

static KK_HANDLES(api_request)
{
	kk_auto_free char *text = kk_xprintf("{\"method\":\"%s\",\"params\":%.*s}", req->method,
		(int)req->params.len, (char *)req->params.data);

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
	const struct kk_worker_def def = {
		.role = (enum kk_role)kk_role_parse(role),
		.handlers = handlers,
		.n_handlers = KK_COUNT(handlers),
		.max_calls = 4096,
	};

	return kk_worker_main(&def);
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
	rig.config = (struct kk_config){
		.run_path = kk_xstrdup(dir_path),
		.containerd_socket = kk_xstrdup("/nowhere/containerd.sock"),
		.namespace_suffix = kk_xstrdup("test"),
		.cgroup_root = kk_xstrdup("/test"),
		.pod_subnet_cidr = kk_xstrdup("10.0.0.0/16"),
	};
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

START_TEST(a_request_beyond_the_ceiling_is_refused)
{
	kk_auto_fd int fd = client_connect();
	kk_auto_free char *blank = kk_xalloc(1024 * 1024 + 1);
	size_t left = SV_REQUEST_MAX + 1024 * 1024;

	memset(blank, 'x', 1024 * 1024);
	client_send(fd, "{\"method\":\"");
	while (left) {
		ssize_t n = send(fd, blank, 1024 * 1024, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN)
			break;
		left -= n > 0 ? ((size_t)n < left ? (size_t)n : left) : 0;
		turn();
	}
	expect_line(fd, "{\"id\":null,\"result\":null,\"error\":\"request is too large\"}\n");
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
	tcase_add_test(end, a_client_that_leaves_harms_nobody);
	tcase_add_test(end, a_request_beyond_the_ceiling_is_refused);
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
	suite_add_tcase(suite, regressions);
	return check_main(suite);
}
