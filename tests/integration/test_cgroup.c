/* tests/integration/test_cgroup.c - the cgroup worker on the kernel's own files, v1, hybrid or v2. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <check.h>

#include <kukeon/auto.h>
#include <kukeon/fd.h>

#include "../support/sandbox.h"
#include "../support/worker.h"

enum {
	MIB = 1024 * 1024,
	LIMIT_MS = 10000,
	EVENT_MS = 300,
	KILLS_MAX = 30,
	HIERARCHIES_MAX = 32,
};

static struct ts_worker *worker;

static void worker_begin(void)
{
	/* What a test that failed has left does not concern the next one. */
	ts_cgroups_sweep();
	worker = ts_worker_start(KK_ROLE_cgroup, NULL);
}

static void worker_end(void)
{
	TS_ASK(worker, cgroup_remove, .path = ts_run()->cgroup);
	ts_worker_stop(worker);
}

static bool is_v2(void)
{
	return ts_exists("/sys/fs/cgroup/cgroup.controllers");
}

/* The cgroup @path of this run, as messages name it. */
static char *group(const char *path)
{
	return ts_text("%s%s", ts_run()->cgroup, path);
}

/* Its directory where @controller is. */
static char *dir_of(const char *controller, const char *path)
{
	return is_v2() ? ts_text("/sys/fs/cgroup%s", path) :
			 ts_text("/sys/fs/cgroup/%s%s", controller, path);
}

/* The first line of one of its files. @v1 and @v2 are the names that the file has. */
static char *value_of(const char *controller, const char *path, const char *v1, const char *v2)
{
	char *text = ts_file(ts_text("%s/%s", dir_of(controller, path), is_v2() ? v2 : v1));

	text[strcspn(text, "\n")] = '\0';
	return text;
}

/* Mount points of all hierarchies, whether the worker uses them or not. */
static size_t mounts_find(char *mounts[])
{
	char *text = ts_shell(
		"awk '$3 == \"cgroup\" || $3 == \"cgroup2\" { print $2 }' /proc/self/mounts");
	char *state = NULL;
	size_t n = 0;

	for (char *line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
		ck_assert_uint_lt(n, HIERARCHIES_MAX);
		mounts[n++] = line;
	}
	ck_assert_uint_gt(n, 0);
	return n;
}

static size_t dirs_count(const char *path)
{
	char *mounts[HIERARCHIES_MAX];
	size_t n_mounts = mounts_find(mounts), n = 0;

	for (size_t i = 0; i < n_mounts; i++)
		n += ts_exists(ts_text("%s%s", mounts[i], path));
	return n;
}

static bool reply_has(const struct kk_strs *strs, const char *word)
{
	return kk_strs_has(strs, word);
}

/* --- children that live in a cgroup --- */

struct guest {
	const char *path;
	int ready_fd;
	size_t bytes;
	int cpu_ms;
};

static int pid_move(const char *dir)
{
	kk_auto_fd int fd = open(ts_text("%s/cgroup.procs", dir), O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -1 : kk_fd_write_all(fd, "0", 1);
}

/* v2 takes no process where controllers are handed down: there it goes into a child, as containers do. */
static int guest_enter_v2(const char *path)
{
	char *dir = ts_text("/sys/fs/cgroup%s/guest", path);

	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return -1;
	return pid_move(dir);
}

/* Into the cgroup, in each hierarchy that has it. */
static int guest_enter(const struct guest *guest)
{
	char *mounts[HIERARCHIES_MAX];
	size_t n = is_v2() ? 0 : mounts_find(mounts);

	if (is_v2())
		return guest_enter_v2(guest->path);
	for (size_t i = 0; i < n; i++) {
		char *dir = ts_text("%s%s", mounts[i], guest->path);

		/* cpuset takes nobody before it was given processors. */
		if (ts_exists(dir) && pid_move(dir) < 0 && errno != ENOSPC)
			return -1;
	}
	return 0;
}

static void memory_touch(size_t bytes)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; p != MAP_FAILED && i < bytes; i += 4096)
		((volatile char *)p)[i] = 1;
}

static void cpu_burn(int ms)
{
	struct timespec used = {0};

	while (used.tv_sec * 1000 + used.tv_nsec / 1000000 < ms)
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
}

static int guest_run(void *arg)
{
	const struct guest *guest = arg;

	if (guest_enter(guest) < 0)
		return 1;
	memory_touch(guest->bytes);
	cpu_burn(guest->cpu_ms);
	if (guest->ready_fd >= 0 && write(guest->ready_fd, "r", 1) != 1)
		return 1;
	for (;;)
		pause();
}

/* A child in the cgroup that has done what it should, and waits. */
static pid_t guest_start(const char *path, size_t bytes, int cpu_ms)
{
	int ready[2];
	struct guest guest = {.path = path, .bytes = bytes, .cpu_ms = cpu_ms};
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	guest.ready_fd = ready[1];
	pid = ts_child(guest_run, &guest);
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void guest_end(pid_t pid)
{
	kill(pid, SIGKILL);
	ts_child_status(pid);
}

/* A child that needs more than it may have. */
static void guest_exhaust(const char *path)
{
	struct guest guest = {.path = path, .ready_fd = -1, .bytes = 256 * (size_t)MIB};
	int status = ts_child_status(ts_child(guest_run, &guest));

	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the child ended with %d",
		status);
}

/* --- ensure, get --- */

START_TEST(ensure_makes_every_level)
{
	static const char *const v1[] = {"cpu", "cpuacct", "memory", "pids", "blkio"};
	static const char *const v2[] = {"cpu", "memory", "pids"};
	const char *const *wanted = is_v2() ? v2 : v1;
	char *leaf = group("/r/s/t/c");
	const struct kk_rep_cgroup_ensure *made = TS_ASK(worker, cgroup_ensure, .path = leaf);

	ck_assert(made->is_created);
	for (size_t i = 0; i < (is_v2() ? KK_COUNT(v2) : KK_COUNT(v1)); i++) {
		ck_assert_msg(reply_has(&made->controllers, wanted[i]), "no %s", wanted[i]);
		for (const char *const *p =
				(const char *const[]){"", "/r", "/r/s", "/r/s/t", "/r/s/t/c", NULL};
			*p; p++)
			ck_assert(ts_exists(dir_of(wanted[i], group(*p))));
		if (is_v2())
			ck_assert_ptr_nonnull(strstr(value_of("", leaf, "", "cgroup.controllers"),
				wanted[i]));
	}
}
END_TEST

START_TEST(ensure_repeats)
{
	const struct kk_rep_cgroup_ensure *first =
		TS_ASK(worker, cgroup_ensure, .path = group("/r/a"));
	const struct kk_rep_cgroup_ensure *again, *sibling;
	struct stat before, after;

	ck_assert_int_eq(stat(dir_of("memory", group("/r/a")), &before), 0);
	again = TS_ASK(worker, cgroup_ensure, .path = group("/r/a"));
	ck_assert(first->is_created && !again->is_created);
	ck_assert_uint_eq(first->controllers.n, again->controllers.n);
	ck_assert_int_eq(stat(dir_of("memory", group("/r/a")), &after), 0);
	ck_assert_uint_eq(before.st_ino, after.st_ino);
	sibling = TS_ASK(worker, cgroup_ensure, .path = group("/r/b"));
	ck_assert(sibling->is_created);
	ck_assert(!TS_ASK(worker, cgroup_ensure, .path = group("/r"))->is_created);
}
END_TEST

START_TEST(ensure_survives_the_worker)
{
	TS_ASK(worker, cgroup_ensure, .path = group("/r/kept"));
	ts_worker_kill(worker);
	worker = ts_worker_start(KK_ROLE_cgroup, NULL);
	ck_assert(!TS_ASK(worker, cgroup_ensure, .path = group("/r/kept"))->is_created);
	ck_assert(TS_ASK(worker, cgroup_get, .path = group("/r/kept"))->exists);
	ck_assert(TS_ASK(worker, cgroup_remove, .path = group("/r"))->was_present);
}
END_TEST

/* Someone removed it in one hierarchy only: the next ensure fills the gap. */
START_TEST(ensure_repairs)
{
	char *dir = dir_of("pids", group("/r/gap"));

	TS_ASK(worker, cgroup_ensure, .path = group("/r/gap"));
	ck_assert_int_eq(rmdir(dir), 0);
	TS_ASK(worker, cgroup_ensure, .path = group("/r/gap"));
	ck_assert(ts_exists(dir));
}
END_TEST

START_TEST(get_tells_what_is_there)
{
	const struct kk_rep_cgroup_get *got =
		TS_ASK(worker, cgroup_get, .path = group("/nothing/here"));

	ck_assert(!got->exists);
	ck_assert_uint_eq(got->memory_bytes + got->cpu_usage_us + got->pids + got->oom_kills, 0);
	TS_ASK(worker, cgroup_ensure, .path = group("/empty"));
	got = TS_ASK(worker, cgroup_get, .path = group("/empty"));
	ck_assert(got->exists);
	ck_assert_uint_eq(got->pids, 0);
	ck_assert_uint_eq(got->oom_kills, 0);
}
END_TEST

START_TEST(get_sees_a_busy_child)
{
	char *path = group("/busy");
	const struct kk_rep_cgroup_get *got;
	pid_t pid;

	TS_ASK(worker, cgroup_ensure, .path = path);
	pid = guest_start(path, 16 * (size_t)MIB, 60);
	got = TS_ASK(worker, cgroup_get, .path = path);
	ck_assert_uint_eq(got->pids, 1);
	ck_assert_uint_ge(got->memory_bytes, 16 * (size_t)MIB);
	ck_assert_uint_lt(got->memory_bytes, 64 * (size_t)MIB);
	ck_assert_uint_ge(got->cpu_usage_us, 50000);
	ck_assert_uint_lt(got->cpu_usage_us, 5000000);
	guest_end(pid);
	got = TS_ASK(worker, cgroup_get, .path = path);
	ck_assert_uint_eq(got->pids, 0);
	ck_assert_uint_ge(got->cpu_usage_us, 50000);
}
END_TEST

/* --- limits --- */

static void limits_expect(const char *path, const char *memory, const char *shares,
	const char *weight, const char *pids)
{
	ck_assert_str_eq(value_of("memory", path, "memory.limit_in_bytes", "memory.max"), memory);
	ck_assert_str_eq(value_of("cpu", path, "cpu.shares", "cpu.weight"),
		is_v2() ? weight : shares);
	ck_assert_str_eq(value_of("pids", path, "pids.max", "pids.max"), pids);
}

START_TEST(limits_reach_the_kernel)
{
	char *path = group("/limited");
	const struct kk_rep_cgroup_get *got;

	TS_ASK(worker, cgroup_ensure, .path = path);
	for (int i = 0; i < 2; i++) {
		TS_ASK(worker, cgroup_limit_set, .path = path, .memory_limit_bytes = 64 * MIB,
			.cpu_shares = 512, .pids_limit = 50);
		limits_expect(path, "67108864", "512", "20", "50");
	}
	got = TS_ASK(worker, cgroup_get, .path = path);
	ck_assert_uint_eq(got->memory_limit_bytes, 64 * MIB);
	TS_ASK(worker, cgroup_limit_set, .path = path, .memory_limit_bytes = 32 * MIB,
		.cpu_shares = 2, .pids_limit = 1);
	limits_expect(path, "33554432", "2", "1", "1");
	/* An ensure leaves them alone. */
	TS_ASK(worker, cgroup_ensure, .path = path);
	limits_expect(path, "33554432", "2", "1", "1");
}
END_TEST

START_TEST(zero_lifts_limits)
{
	char *path = group("/lifted");

	TS_ASK(worker, cgroup_ensure, .path = path);
	TS_ASK(worker, cgroup_limit_set, .path = path, .memory_limit_bytes = 64 * MIB,
		.cpu_shares = 512, .pids_limit = 50);
	for (int i = 0; i < 2; i++) {
		TS_ASK(worker, cgroup_limit_set, .path = path);
		limits_expect(path, is_v2() ? "max" : "9223372036854771712", "1024", "100", "max");
	}
}
END_TEST

START_TEST(limits_bind_processes)
{
	char *path = group("/tight");
	pid_t pid;

	TS_ASK(worker, cgroup_ensure, .path = path);
	TS_ASK(worker, cgroup_limit_set, .path = path, .memory_limit_bytes = 16 * MIB);
	guest_exhaust(path);
	ck_assert_uint_eq(TS_ASK(worker, cgroup_get, .path = path)->oom_kills, 1);
	TS_ASK(worker, cgroup_limit_set, .path = path);
	pid = guest_start(path, 32 * (size_t)MIB, 0);
	ck_assert_uint_eq(TS_ASK(worker, cgroup_get, .path = path)->oom_kills, 1);
	guest_end(pid);
}
END_TEST

START_TEST(limits_need_a_cgroup)
{
	struct kk_err err = {0};

	ck_assert_int_eq(TS_REFUSED(worker, &err, cgroup_limit_set, .path = group("/none"),
				 .memory_limit_bytes = MIB),
		KK_E_CGROUP_NOT_FOUND);
	ck_assert_str_eq(ts_err_text(&err), ts_text("cgroup '%s' does not exist", group("/none")));
	ck_assert_uint_eq(dirs_count(group("/none")), 0);
}
END_TEST

/* --- removal --- */

/* As runc does it: the path in every hierarchy, and processes in each of them. */
static void everywhere_make(const char *path)
{
	char *mounts[HIERARCHIES_MAX];
	size_t n = mounts_find(mounts);

	for (size_t i = 0; i < n; i++)
		ts_shell("mkdir -p %s%s", mounts[i], path);
}

static bool is_listed(const char *controller, const char *path, pid_t pid)
{
	char *text = ts_text("\n%s", ts_file(ts_text("%s/cgroup.procs", dir_of(controller, path))));

	return strstr(text, ts_text("\n%d\n", (int)pid)) != NULL;
}

START_TEST(remove_kills_stragglers)
{
	char *top = group("/r"), *leaf = group("/r/c/id");
	int status;
	pid_t low, high;

	TS_ASK(worker, cgroup_ensure, .path = leaf);
	if (!is_v2())
		everywhere_make(leaf);
	low = guest_start(leaf, 0, 0);
	ck_assert(is_listed("memory", is_v2() ? ts_text("%s/guest", leaf) : leaf, low));
	high = guest_start(top, 0, 0);
	ck_assert(TS_ASK(worker, cgroup_remove, .path = top)->was_present);
	status = ts_child_status(low);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	status = ts_child_status(high);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	ck_assert_uint_eq(dirs_count(top), 0);
	ck_assert(!TS_ASK(worker, cgroup_get, .path = leaf)->exists);
}
END_TEST

START_TEST(remove_repeats)
{
	TS_ASK(worker, cgroup_ensure, .path = group("/r/s"));
	TS_ASK(worker, cgroup_ensure, .path = group("/other"));
	ck_assert(TS_ASK(worker, cgroup_remove, .path = group("/r"))->was_present);
	ck_assert(!TS_ASK(worker, cgroup_remove, .path = group("/r"))->was_present);
	ck_assert(!TS_ASK(worker, cgroup_remove, .path = group("/never"))->was_present);
	ck_assert(TS_ASK(worker, cgroup_get, .path = group("/other"))->exists);
	/* The last one takes the root with it. */
	ck_assert(TS_ASK(worker, cgroup_remove, .path = group("/other"))->was_present);
	ck_assert_uint_eq(dirs_count(ts_run()->cgroup), 0);
	ck_assert(TS_ASK(worker, cgroup_ensure, .path = group("/r"))->is_created);
}
END_TEST

/* Where the memory hierarchy lost it already, the others are still cleared. */
START_TEST(remove_finds_what_is_left)
{
	char *path = group("/half");

	if (is_v2())
		return;
	TS_ASK(worker, cgroup_ensure, .path = path);
	ck_assert_int_eq(rmdir(dir_of("memory", path)), 0);
	ck_assert(TS_ASK(worker, cgroup_remove, .path = path)->was_present);
	ck_assert_uint_eq(dirs_count(path), 0);
}
END_TEST

/* A process that forks as fast as it can does not outrun the removal. */
static int forks_run(void *arg)
{
	struct guest guest = {.path = arg};

	if (guest_enter(&guest) < 0)
		return 1;
	for (int i = 0; i < 20; i++) {
		if (fork() == 0)
			break;
	}
	for (;;)
		pause();
}

static bool has_many(void *arg)
{
	return TS_ASK(worker, cgroup_get, .path = arg)->pids == 21;
}

START_TEST(remove_kills_families)
{
	char *path = group("/family");
	pid_t pid;

	TS_ASK(worker, cgroup_ensure, .path = path);
	pid = ts_child(forks_run, path);
	ck_assert(ts_until(has_many, path, LIMIT_MS));
	ck_assert(TS_ASK(worker, cgroup_remove, .path = path)->was_present);
	ck_assert(WIFSIGNALED(ts_child_status(pid)));
	ck_assert_uint_eq(dirs_count(path), 0);
}
END_TEST

/* --- the fence --- */

START_TEST(outside_is_refused)
{
	char *const paths[] = {
		S("/"),
		S(""),
		S("/elsewhere"),
		ts_text("%sx", ts_run()->cgroup),
		ts_text("%s/../elsewhere", ts_run()->cgroup),
		ts_text("%s/a/../../elsewhere", ts_run()->cgroup),
		ts_text("%s/..", ts_run()->cgroup),
		ts_text("x%s", ts_run()->cgroup),
		ts_text("%s/a", ts_run()->cgroup + 1),
	};
	struct kk_err err = {0};

	for (size_t i = 0; i < KK_COUNT(paths); i++) {
		const int codes[] = {
			TS_REFUSED(worker, &err, cgroup_ensure, .path = paths[i]),
			TS_REFUSED(worker, &err, cgroup_get, .path = paths[i]),
			TS_REFUSED(worker, &err, cgroup_limit_set, .path = paths[i]),
			TS_REFUSED(worker, &err, cgroup_remove, .path = paths[i]),
			TS_REFUSED(worker, &err, cgroup_watch, .path = paths[i]),
		};

		for (size_t k = 0; k < KK_COUNT(codes); k++)
			ck_assert_msg(codes[k] == KK_E_INVALID, "'%s': %s", paths[i],
				kk_code_name(codes[k]));
		ck_assert_str_eq(ts_err_text(&err),
			ts_text("cgroup '%s' is not below '%s'", paths[i], ts_run()->cgroup));
	}
	ck_assert_uint_eq(dirs_count("/elsewhere"), 0);
}
END_TEST

/* --- out of memory --- */

static void watched_make(const char *path)
{
	TS_ASK(worker, cgroup_ensure, .path = S(path));
	TS_ASK(worker, cgroup_limit_set, .path = S(path), .memory_limit_bytes = 16 * MIB);
	TS_ASK(worker, cgroup_watch, .path = S(path));
}

/* Kill in the cgroup until that is reported. */
static void oom_provoke(const char *path)
{
	const struct kk_req_cgroup_oom *event = NULL;
	const struct kk_rep_cgroup_get *got;

	for (int i = 0; i < KILLS_MAX && !event; i++) {
		guest_exhaust(path);
		event = TS_EVENT(worker, cgroup_oom, EVENT_MS);
	}
	ck_assert_msg(event != NULL, "%d kills, and no event", KILLS_MAX);
	ck_assert_str_eq(event->path, path);
	got = TS_ASK(worker, cgroup_get, .path = S(path));
	ck_assert_uint_ge(event->oom_kills, 1);
	ck_assert_uint_le(event->oom_kills, got->oom_kills);
}

START_TEST(oom_is_reported)
{
	char *path = group("/oom");

	watched_make(path);
	/* Once is enough, however often it is asked for. */
	TS_ASK(worker, cgroup_watch, .path = path);
	oom_provoke(path);
	ck_assert_ptr_null(TS_EVENT(worker, cgroup_oom, 0));
}
END_TEST

START_TEST(oom_is_told_apart)
{
	watched_make(group("/left"));
	watched_make(group("/right"));
	oom_provoke(group("/right"));
	oom_provoke(group("/left"));
}
END_TEST

START_TEST(watch_needs_a_cgroup)
{
	struct kk_err err = {0};

	ck_assert_int_eq(TS_REFUSED(worker, &err, cgroup_watch, .path = group("/none")),
		KK_E_CGROUP_NOT_FOUND);
}
END_TEST

/* Watches are the worker's own: whoever asked for them hears that there are none. */
START_TEST(start_is_told)
{
	ck_assert_ptr_nonnull(TS_EVENT(worker, cgroup_started, LIMIT_MS));
	watched_make(group("/kept"));
	ts_worker_kill(worker);
	worker = ts_worker_start(KK_ROLE_cgroup, NULL);
	ck_assert_ptr_nonnull(TS_EVENT(worker, cgroup_started, LIMIT_MS));
	TS_ASK(worker, cgroup_watch, .path = group("/kept"));
	oom_provoke(group("/kept"));
}
END_TEST

/* --- regressions --- */

/* The kernel tells of v1's event before it kills: the count may be read too early. */
START_TEST(every_oom_is_reported)
{
	char *path = group("/each");
	const struct kk_req_cgroup_oom *event;

	watched_make(path);
	for (uint64_t n = 1; n <= 10; n++) {
		guest_exhaust(path);
		event = TS_EVENT(worker, cgroup_oom, LIMIT_MS);
		ck_assert_msg(event != NULL, "no event of kill %d", (int)n);
		ck_assert_str_eq(event->path, path);
		ck_assert_uint_eq(event->oom_kills, n);
	}
}
END_TEST

/* The watch ends with its cgroup, and a new cgroup of that name can be watched. */
START_TEST(watch_ends_with_its_cgroup)
{
	char *path = group("/again");

	for (int i = 0; i < 3; i++) {
		watched_make(path);
		oom_provoke(path);
		ck_assert(TS_ASK(worker, cgroup_remove, .path = path)->was_present);
		/* Whatever the removal woke is over when the next answer comes. */
		ck_assert(!TS_ASK(worker, cgroup_get, .path = path)->exists);
	}
	ck_assert_ptr_null(TS_EVENT(worker, cgroup_oom, 0));
}
END_TEST

/* As on v2, where "max" reads as 0. */
START_TEST(no_limit_is_zero)
{
	TS_ASK(worker, cgroup_ensure, .path = group("/free"));
	ck_assert_uint_eq(TS_ASK(worker, cgroup_get, .path = group("/free"))->memory_limit_bytes,
		0);
}
END_TEST

static Suite *suite_make(void)
{
	Suite *suite = suite_create("cgroup");
	TCase *tree = tcase_create("tree"), *limit = tcase_create("limit"),
	      *oom = tcase_create("oom");
	TCase *const cases[] = {tree, limit, oom};

	for (size_t i = 0; i < KK_COUNT(cases); i++) {
		tcase_add_checked_fixture(cases[i], worker_begin, worker_end);
		tcase_set_timeout(cases[i], 60);
		suite_add_tcase(suite, cases[i]);
	}
	tcase_add_test(tree, ensure_makes_every_level);
	tcase_add_test(tree, ensure_repeats);
	tcase_add_test(tree, ensure_survives_the_worker);
	tcase_add_test(tree, ensure_repairs);
	tcase_add_test(tree, get_tells_what_is_there);
	tcase_add_test(tree, get_sees_a_busy_child);
	tcase_add_test(tree, remove_kills_stragglers);
	tcase_add_test(tree, remove_repeats);
	tcase_add_test(tree, remove_finds_what_is_left);
	tcase_add_test(tree, remove_kills_families);
	tcase_add_test(tree, outside_is_refused);
	tcase_add_test(limit, limits_reach_the_kernel);
	tcase_add_test(limit, zero_lifts_limits);
	tcase_add_test(limit, limits_bind_processes);
	tcase_add_test(limit, limits_need_a_cgroup);
	tcase_add_test(oom, oom_is_reported);
	tcase_add_test(oom, oom_is_told_apart);
	tcase_add_test(oom, watch_needs_a_cgroup);
	tcase_add_test(oom, start_is_told);
	tcase_add_test(oom, every_oom_is_reported);
	tcase_add_test(oom, watch_ends_with_its_cgroup);
	tcase_add_test(limit, no_limit_is_zero);
	return suite;
}

int main(void)
{
	return ts_sandbox_run(suite_make);
}
