/* tests/unit/test_spawn.c - starting a worker when the kernel has no process, socket or descriptor left.
 *
 * A worker is this program again, under a worker's name. */
#include "../../supervisor/sv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kukeon/clock.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>
#include <kukeon/worker.h>

#include "../support/check.h"
#include "../support/dir.h"
#include "../support/fake.h"

/* --- the worker: it says which incarnation it is --- */

static KK_HANDLES(api_request)
{
	(void)req;
	(void)err;
	rep->result.data = (uint8_t *)kk_xprintf("%u", call->generation);
	rep->result.len = strlen((char *)rep->result.data);
	return 0;
}

static int fake_main(const char *role)
{
	static const struct kk_handler handlers[] = {KK_HANDLER(api_request)};
	const struct kk_worker_def def = fake_worker(role, handlers, KK_COUNT(handlers));

	return kk_worker_main(&def);
}

/* --- the calls that fail --- */

int __real_socketpair(int domain, int type, int protocol, int pair[2]);
int __real_pipe2(int pair[2], int flags);
pid_t __real_fork(void);
int __wrap_socketpair(int domain, int type, int protocol, int pair[2]);
int __wrap_pipe2(int pair[2], int flags);
pid_t __wrap_fork(void);

enum call { SOCKETPAIR, PIPE2, FORK };

static struct {
	enum call call;
	int n_passed; /* calls that succeed before each failure */
	int n_left;   /* failures still to come */
	int error;
	int n_called;
} refusal;

static bool is_refused(enum call call)
{
	if (call != refusal.call || refusal.n_left == 0)
		return false;
	if (refusal.n_called++ < refusal.n_passed)
		return false;
	refusal.n_called = 0;
	refusal.n_left--;
	errno = refusal.error;
	return true;
}

int __wrap_socketpair(int domain, int type, int protocol, int pair[2])
{
	return is_refused(SOCKETPAIR) ? -1 : __real_socketpair(domain, type, protocol, pair);
}

int __wrap_pipe2(int pair[2], int flags)
{
	return is_refused(PIPE2) ? -1 : __real_pipe2(pair, flags);
}

pid_t __wrap_fork(void)
{
	return is_refused(FORK) ? -1 : __real_fork();
}

static const struct {
	enum call call;
	int n_passed;
	int error;
	const char *text;
} refusals[] = {
	{SOCKETPAIR, 0, EMFILE, "create the line of a worker: too many open files"},
	{SOCKETPAIR, 0, ENOMEM, "create the line of a worker: cannot allocate memory"},
	{PIPE2, 0, ENFILE, "create the log pipe of a worker: too many open files in system"},
	{PIPE2, 1, EMFILE, "create the exec pipe of a worker: too many open files"},
	{FORK, 0, EAGAIN, "fork the reconciler worker: resource temporarily unavailable"},
	{FORK, 0, ENOMEM, "fork the reconciler worker: cannot allocate memory"},
};

static void refuse(int i, int n_times)
{
	refusal.call = refusals[i].call;
	refusal.n_passed = refusals[i].n_passed;
	refusal.error = refusals[i].error;
	refusal.n_called = 0;
	refusal.n_left = n_times;
}

/* --- the test's side --- */

enum { WATCHDOG_MS = 12000 };

static struct {
	struct kk_loop *loop;
	struct kk_timer *watchdog;
	struct kk_config config;
	struct kk_supervisor *sv;
	struct sv_worker *reconciler;
} rig;

static void watchdog_on_timer(void *arg)
{
	(void)arg;
	ck_abort_msg("it takes too long");
}

static void setup(void)
{
	struct kk_err err = {0};

	dir_setup();
	kk_log_open("supervisor", 0, -1);
	rig.config = fake_config(dir_path);
	rig.loop = kk_loop_new();
	rig.watchdog = kk_timer_new(rig.loop, "watchdog", watchdog_on_timer, NULL);
	kk_timer_start(rig.watchdog, WATCHDOG_MS);
	rig.sv = kk_supervisor_new(rig.loop, &rig.config, true, &err);
	ck_assert_ptr_nonnull(rig.sv);
	rig.reconciler = &rig.sv->workers[KK_ROLE_reconciler];
}

static void teardown(void)
{
	kk_supervisor_free(rig.sv);
	kk_timer_free(rig.watchdog);
	kk_loop_free(rig.loop);
	kk_config_release(&rig.config);
	dir_teardown();
}

struct answer {
	int n;
	int code;
	char text[16];
};

static void answer_on_reply(const void *reply, const struct kk_err *err, void *arg)
{
	const struct kk_rep_api_request *rep = reply;
	struct answer *answer = arg;

	answer->n++;
	answer->code = err ? err->code : 0;
	if (rep)
		snprintf(answer->text, sizeof answer->text, "%.*s", (int)rep->result.len,
			(char *)rep->result.data);
}

static void ask(struct answer *answer)
{
	const struct kk_peer peer = {.pid = getpid(), .is_local = true};

	*answer = (struct answer){0};
	kk_supervisor_call(rig.sv, kk_supervisor_op(rig.sv), "who", "{}", 2, &peer, answer_on_reply,
		answer);
}

static void wait_for(const struct answer *answer)
{
	while (!answer->n)
		kk_loop_run_once(rig.loop);
}

static void expect_generation(const struct answer *answer, const char *generation)
{
	wait_for(answer);
	check_code(answer->code, 0);
	ck_assert_str_eq(answer->text, generation);
	ck_assert_int_eq(answer->n, 1);
}

START_TEST(a_spawn_that_fails_says_why_and_leaves_nothing)
{
	int n_fds = open_fds();
	struct kk_err err = {0};

	refuse(_i, 1);
	check_code(sv_spawn(rig.reconciler, &err), KK_E_IO);
	check_error(&err, KK_E_IO, refusals[_i].text);
	ck_assert_int_eq(err.sys_errno, refusals[_i].error);
	ck_assert_int_eq(refusal.n_left, 0);
	ck_assert_int_eq(rig.reconciler->pid, 0);
	ck_assert_ptr_null(rig.reconciler->chan);
	ck_assert_int_eq(open_fds(), n_fds);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}
END_TEST

START_TEST(it_is_tried_again_with_patience)
{
	int64_t asked_ms = kk_clock_ms();
	struct answer answer;

	refuse(_i, 2);
	ask(&answer);
	expect_generation(&answer, "3");
	ck_assert_uint_eq(rig.reconciler->backoff.n_restarts, 2);
	/* 50 and 100 ms. */
	ck_assert_int_ge(kk_clock_ms() - asked_ms, 150);
}
END_TEST

/* A worker dies, and none can take its place for a while: who waits is served, who comes is told. */
START_TEST(a_famine_is_survived)
{
	struct answer first, waiting, refused, later;
	int n_fds;

	ask(&first);
	expect_generation(&first, "1");
	n_fds = open_fds();
	refuse(_i, 4);
	kill(rig.reconciler->pid, SIGKILL);
	while (rig.reconciler->generation < 3)
		kk_loop_run_once(rig.loop);
	ask(&waiting);
	while (!sv_backoff_is_degraded(&rig.reconciler->backoff, kk_clock_ms()))
		kk_loop_run_once(rig.loop);
	ck_assert_int_eq(waiting.n, 0);
	ask(&refused);
	wait_for(&refused);
	check_code(refused.code, KK_E_WORKER_DOWN);
	expect_generation(&waiting, "6");
	ask(&later);
	expect_generation(&later, "6");
	ck_assert_int_eq(refusal.n_left, 0);
	ck_assert_int_eq(open_fds(), n_fds);
	ck_assert_uint_eq(rig.sv->n_flights, 0);
}
END_TEST

int main(int argc, char **argv)
{
	const char *role = argc > 0 ? strstr(argv[0], ": ") : NULL;
	Suite *suite;
	TCase *spawn;

	if (role)
		return fake_main(role + 2);
	suite = suite_create("spawn");
	spawn = tcase_create("spawn");
	tcase_add_checked_fixture(spawn, setup, teardown);
	tcase_set_timeout(spawn, WATCHDOG_MS / 1000.0 + 2);
	tcase_add_loop_test(spawn, a_spawn_that_fails_says_why_and_leaves_nothing, 0,
		(int)KK_COUNT(refusals));
	tcase_add_loop_test(spawn, it_is_tried_again_with_patience, 0, (int)KK_COUNT(refusals));
	tcase_add_loop_test(spawn, a_famine_is_survived, 0, (int)KK_COUNT(refusals));
	suite_add_tcase(suite, spawn);
	return check_main(suite);
}
