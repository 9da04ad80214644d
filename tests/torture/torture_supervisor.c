/* tests/torture/torture_supervisor.c - the supervisor when an allocation fails, each in turn: from a client's
 * connection to its response, and from a worker's death to its successor's first answer.
 *
 * It goes on, always; the client has its response, an error, or the end of its connection, and the next one
 * has its response. A worker is this program again, under a worker's name. */
#include "../../supervisor/front.h"
#include "../../supervisor/sv.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <kukeon/json.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>
#include <kukeon/worker.h>

#include "../support/check.h"
#include "../support/dir.h"
#include "../support/fake.h"
#include "../support/memory.h"

/* --- the worker: it answers with what it was asked --- */

static KK_HANDLES(api_request)
{
	(void)call;
	(void)err;
	rep->result.data = (uint8_t *)kk_xprintf("{\"Asked\":%.*s}", (int)req->params.len,
		(char *)req->params.data);
	rep->result.len = strlen((char *)rep->result.data);
	return 0;
}

static int fake_main(const char *role)
{
	static const struct kk_handler handlers[] = {KK_HANDLER(api_request)};
	const struct kk_worker_def def = fake_worker(role, handlers, KK_COUNT(handlers));

	return kk_worker_main(&def);
}

/* --- the test's side --- */

enum { WATCHDOG_MS = 20000, TEXT_MAX = 256 * 1024, LONG_PARAMS = 100 * 1024 };

static struct {
	struct kk_loop *loop;
	struct kk_timer *watchdog;
	struct kk_config config;
	struct kk_supervisor *sv;
	struct sv_front *front;
	struct sv_worker *reconciler;
	char path[128];
	size_t nth; /* allocation that fails */
} rig;

static void watchdog_on_timer(void *arg)
{
	(void)arg;
	(void)memory_end();
	ck_abort_msg("allocation %zu failed, and nothing comes of it", rig.nth);
}

static void setup(void)
{
	struct kk_err err = {0};

	dir_setup();
	kk_log_open("supervisor", 0, -1);
	rig.config = fake_config(dir_path);
	rig.loop = kk_loop_new();
	rig.watchdog = kk_timer_new(rig.loop, "watchdog", watchdog_on_timer, NULL);
	rig.sv = kk_supervisor_new(rig.loop, &rig.config, true, &err);
	ck_assert_ptr_nonnull(rig.sv);
	rig.reconciler = &rig.sv->workers[KK_ROLE_reconciler];
	snprintf(rig.path, sizeof rig.path, "%s/kukeond.sock", dir_path);
	rig.front = sv_front_new(rig.loop, rig.sv, rig.path, 0, &err);
	ck_assert_ptr_nonnull(rig.front);
}

static void teardown(void)
{
	sv_front_free(rig.front);
	kk_supervisor_free(rig.sv);
	kk_timer_free(rig.watchdog);
	kk_loop_free(rig.loop);
	kk_config_release(&rig.config);
	dir_teardown();
}

/* A client, in the supervisor's own loop. */
struct client {
	int fd;
	struct kk_watch *watch;
	char text[TEXT_MAX];
	size_t len;
	bool is_closed;
};

static void client_on_ready(int fd, unsigned what, void *arg)
{
	struct client *client = arg;
	ssize_t n = recv(fd, client->text + client->len, TEXT_MAX - 1 - client->len, MSG_DONTWAIT);

	(void)what;
	if (n > 0)
		client->len += (size_t)n;
	else if (n == 0 || errno != EAGAIN)
		client->is_closed = true;
	client->text[client->len] = '\0';
}

static void client_open(struct client *client)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	*client = (struct client){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	memcpy(address.sun_path, rig.path, strlen(rig.path) + 1);
	client->watch =
		kk_watch_new(rig.loop, "client", client->fd, KK_READ, client_on_ready, client);
	ck_assert_ptr_nonnull(client->watch);
	ck_assert_int_eq(connect(client->fd, (struct sockaddr *)&address, sizeof address), 0);
}

static void client_close(struct client *client)
{
	kk_watch_free(client->watch);
	close(client->fd);
}

/* Ask, and wait for a line or for the end. */
static void client_ask(struct client *client, const char *request)
{
	kk_timer_start(rig.watchdog, WATCHDOG_MS);
	(void)send(client->fd, request, strlen(request), MSG_NOSIGNAL);
	while (!client->is_closed && !memchr(client->text, '\n', client->len)) {
		kk_loop_run_once(rig.loop);
		/* What a lack of memory did to a worker is not held against it. */
		rig.reconciler->backoff = (struct sv_backoff){0};
	}
	kk_timer_stop(rig.watchdog);
}

static const char echo[] = "{\"method\":\"Fake.Echo\",\"params\":[{\"A\":\"a\\u00e9\",\"B\":"
			   "[1,2,{\"C\":null}]}],\"id\":7}\n";

static const char *const requests[] = {
	echo, "{\"method\":\"KukeonV1.Ping\",\"params\":[{}],\"id\":\"x\"}\n",
	/* What has to be repaired before it can be read. */
	"{\"method\":\"Fake.Echo\",\"params\":[{\"A\":\"\xff\\ud800\",\"N\":1e400}],\"\\u0069d\":1}\n",
	"{\"method\":\"Fake.Echo\",\"params\":7,\"id\":1}\n", NULL, /* a long one */
};

/* The request, and what it is answered with when there is memory. */
struct exchange {
	char *request;
	char *response;
};

static void ask(const char *request, char **ret_response)
{
	static struct client client;

	client_open(&client);
	client_ask(&client, request);
	client_close(&client);
	if (ret_response)
		*ret_response = kk_xstrdup(client.text);
}

static void exchange_make(const char *request, struct exchange *ret_exchange)
{
	kk_auto_free char *filler = kk_xalloc(LONG_PARAMS + 1);

	memset(filler, 'x', LONG_PARAMS);
	ret_exchange->request = request ?
		kk_xstrdup(request) :
		kk_xprintf("{\"method\":\"Fake.Echo\",\"params\":[{\"A\":\"%s\"}],\"id\":1}\n",
			filler);
	ask(ret_exchange->request, &ret_exchange->response);
	ck_assert(kk_str_ends(ret_exchange->response, "}\n"));
}

static void exchange_release(struct exchange *exchange)
{
	free(exchange->request);
	free(exchange->response);
}

/* Whole, and either what was asked for or an error. */
static void response_check(const char *text, const char *want)
{
	kk_auto_json *response = NULL;

	if (!*text || strcmp(text, want) == 0)
		return;
	ck_assert_int_eq(kk_json_load(text, strlen(text), 0, &response, NULL), 0);
	ck_assert_msg(json_is_object(response) &&
			(json_is_string(json_object_get(response, "error")) ||
				json_is_object(json_object_get(json_object_get(response, "result"),
					"Err"))),
		"allocation %zu failed, the response is: %s", rig.nth, text);
}

/* False when the whole took less than @nth allocations. */
static bool ask_with_failure(const struct exchange *exchange, size_t nth, size_t n_more,
	bool is_death)
{
	static struct client client;
	kk_auto_free char *after = NULL;
	bool has_failed;

	rig.nth = nth;
	client_open(&client);
	if (is_death)
		kill(rig.reconciler->pid, SIGKILL);
	memory_begin(nth, n_more);
	client_ask(&client, exchange->request);
	has_failed = memory_end();
	response_check(client.text, exchange->response);
	ck_assert(has_failed || client.len > 0);
	client_close(&client);
	/* And the next one is answered as ever. */
	ask(exchange->request, &after);
	ck_assert_str_eq(after, exchange->response);
	return has_failed;
}

static void torture(const char *what, const char *request, size_t n_more, bool is_death)
{
	struct exchange exchange;
	size_t nth = 1;
	int n_fds;

	ask(echo, NULL);
	exchange_make(request, &exchange);
	n_fds = open_fds();
	while (ask_with_failure(&exchange, nth, n_more, is_death))
		nth++;
	ck_assert_int_eq(open_fds(), n_fds);
	ck_assert_uint_eq(rig.sv->n_flights, 0);
	ck_assert_uint_eq(kk_rpc_pending(rig.sv->rpc), 0);
	exchange_release(&exchange);
	printf("%s: %zu times %zu allocation(s) failed\n", what, nth - 1, n_more + 1);
}

enum { FAMINES = 3 }; /* one allocation, and up to two behind it */

START_TEST(a_request_is_answered_refused_or_closed)
{
	torture("a request", requests[_i / FAMINES], (size_t)_i % FAMINES, false);
}
END_TEST

START_TEST(a_worker_is_replaced)
{
	torture("a death", echo, (size_t)_i, true);
}
END_TEST

int main(int argc, char **argv)
{
	const char *role = argc > 0 ? strstr(argv[0], ": ") : NULL;
	Suite *suite;
	TCase *survival;

	if (role)
		return fake_main(role + 2);
	suite = suite_create("torture_supervisor");
	survival = tcase_create("survival");
	tcase_add_checked_fixture(survival, setup, teardown);
	tcase_set_timeout(survival, CHECK_TIMEOUT_S);
	tcase_add_loop_test(survival, a_request_is_answered_refused_or_closed, 0,
		(int)KK_COUNT(requests) * FAMINES);
	tcase_add_loop_test(survival, a_worker_is_replaced, 0, FAMINES);
	suite_add_tcase(suite, survival);
	return check_main(suite);
}
