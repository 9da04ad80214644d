/* tests/integration/test_containerd.c - the containerd worker on a private containerd, killed now and then.
 *
 * Each test has a containerd of its own, with nothing in it. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include <kukeon/auto.h>
#include <kukeon/clock.h>
#include <kukeon/mem.h>

#include "../support/sandbox.h"
#include "../support/worker.h"

enum {
	LIMIT_MS = 20000,
	OUTAGE_MS = 300, /* long enough for any answer that did not wait */
	EVENT_MS = 1000,
	EXITS_MAX = 20,
};

#define BUSYBOX "docker.io/library/busybox:latest"

static struct ts_worker *worker;
static struct kk_req_worker_start config;
static char *dir;       /* of this test */
static char *namespace; /* its own, with our suffix */
static pid_t containerd;

static int containerd_exec(void *arg)
{
	const char *toml = arg;

	if (!freopen(ts_text("%s/containerd.log", dir), "a", stdout) || dup2(1, 2) < 0)
		return 127;
	execlp("containerd", "containerd", "--config", toml, (char *)NULL);
	return 127;
}

static bool containerd_answers(void *arg)
{
	(void)arg;
	return ts_shell_ok("ctr -a %s version >/dev/null 2>&1", config.containerd_socket);
}

static void containerd_start(void)
{
	containerd = ts_child(containerd_exec, ts_text("%s/containerd.toml", dir));
}

static void containerd_kill(void)
{
	kill(containerd, SIGKILL);
	ts_child_status(containerd);
}

static void containerd_prepare(void)
{
	ts_file_put(ts_text("%s/containerd.toml", dir),
		ts_text("version = 2\nroot = \"%1$s/root\"\nstate = \"%1$s/state\"\n"
			"disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n"
			"[grpc]\n  address = \"%2$s\"\n",
			dir, config.containerd_socket));
	containerd_start();
	ck_assert(ts_until(containerd_answers, NULL, LIMIT_MS));
}

/* ctr in the namespace of the test; its output. */
#define ctr(...) \
	ts_shell("ctr -a %s -n %s %s", config.containerd_socket, namespace, ts_text(__VA_ARGS__))

static void worker_begin(void)
{
	ts_sandbox_run_dir();
	dir = ts_text("%s/%d", ts_run()->dir, (int)getpid());
	namespace = ts_text("r.%s", ts_run()->suffix);
	config = ts_worker_config();
	config.containerd_socket = ts_text("%s/containerd.sock", dir);
	ts_shell("mkdir -p %s/files && cd %s/files && touch etc-hostname etc-hosts etc-resolv.conf",
		dir, dir);
	containerd_prepare();
	worker = ts_worker_start(KK_ROLE_containerd, &config);
}

static void worker_end(void)
{
	TS_ASK(worker, namespace_remove, .namespace = namespace);
	ts_worker_stop(worker);
	containerd_kill();
}

/* --- images --- */

static char *archive_make(const char *kind, const char *compression)
{
	char *path = ts_text("%s/%s%s.tar", dir, kind, compression);

	ts_shell("bash tests/support/image.bash %s %s %s %s", kind, dir, path, compression);
	return path;
}

static const struct kk_rep_image_load *image_load(const char *path)
{
	return TS_ASK(worker, image_load, .namespace = namespace, .path = S(path));
}

static void image_begin(void)
{
	worker_begin();
	TS_ASK(worker, namespace_ensure, .namespace = namespace);
	image_load(archive_make("docker", ""));
}

START_TEST(namespaces_come_and_go)
{
	ck_assert(TS_ASK(worker, namespace_ensure, .namespace = namespace)->is_created);
	ck_assert(!TS_ASK(worker, namespace_ensure, .namespace = namespace)->is_created);
	ck_assert(TS_ASK(worker, namespace_get, .namespace = namespace)->exists);
	ck_assert_str_eq(ts_shell("ctr -a %s namespaces ls -q", config.containerd_socket),
		ts_text("%s\n", namespace));
	ck_assert(TS_ASK(worker, namespace_remove, .namespace = namespace)->is_removed);
	ck_assert_str_eq(ts_shell("ctr -a %s namespaces ls -q", config.containerd_socket), "");
	TS_ASK(worker, namespace_remove, .namespace = namespace);
	ck_assert(TS_ASK(worker, namespace_ensure, .namespace = namespace)->is_created);
}
END_TEST

static void image_expect(const char *path, const char *name)
{
	const struct kk_rep_image_load *loaded = image_load(path);
	const struct kk_rep_image_list *list;

	ck_assert_uint_eq(loaded->images.n, 1);
	ck_assert_str_eq(loaded->images.items[0], name);
	list = TS_ASK(worker, image_list, .namespace = namespace);
	ck_assert_uint_eq(list->images.n, 1);
	ck_assert_str_eq(list->images.items[0].name, name);
	ck_assert_ptr_nonnull(strstr(list->images.items[0].digest, "sha256:"));
	ck_assert_int_gt(list->images.items[0].size, 100000);
	ck_assert_int_gt(list->images.items[0].created_at, 0);
	ck_assert_ptr_nonnull(strstr(list->images.items[0].media_type, "manifest"));
	ck_assert_str_eq(ctr("images ls -q"), ts_text("%s\n", name));
	/* Unpacked at once, so that the first start does not wait for it. */
	ck_assert_str_eq(ctr("snapshots ls | grep -c Committed"), "1\n");
	ck_assert_str_eq(ctr("leases ls -q"), "");
}

START_TEST(archives_are_loaded)
{
	static const struct {
		const char *kind;
		const char *compression;
		const char *name;
		const char *remove;
	} rows[] = {{"docker", "", BUSYBOX, "busybox"},
		{"docker", "gzip", BUSYBOX, "busybox:latest"},
		{"oci", "", "docker.io/library/oci:1", "library/oci:1"}};

	TS_ASK(worker, namespace_ensure, .namespace = namespace);
	for (size_t i = 0; i < KK_COUNT(rows); i++) {
		char *path = archive_make(rows[i].kind, rows[i].compression);

		image_expect(path, rows[i].name);
		image_expect(path, rows[i].name);
		ck_assert_str_eq(TS_ASK(worker, image_remove, .namespace = namespace,
					 .ref = S(rows[i].remove))
					 ->name,
			rows[i].name);
		ck_assert_uint_eq(TS_ASK(worker, image_list, .namespace = namespace)->images.n, 0);
		/* Nothing that only the image needed is left. */
		ck_assert_str_eq(ctr("content ls -q"), "");
		ck_assert_str_eq(ctr("snapshots ls | tail -n +2"), "");
	}
}
END_TEST

START_TEST(images_are_missed)
{
	struct kk_err err = {0};

	TS_ASK(worker, namespace_ensure, .namespace = namespace);
	ck_assert_int_eq(TS_REFUSED(worker, &err, image_remove, .namespace = namespace,
				 .ref = S("nope")),
		KK_E_IMAGE_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(ts_err_text(&err), "image not found: \"nope\""));
	ck_assert_int_eq(TS_REFUSED(worker, &err, image_remove, .namespace = namespace,
				 .ref = S("No pe")),
		KK_E_INVALID);
	ck_assert_int_eq(TS_REFUSED(worker, &err, image_load, .namespace = namespace,
				 .path = S("/missing.tar")),
		KK_E_IO);
	ck_assert_uint_eq(TS_ASK(worker, image_list, .namespace = namespace)->images.n, 0);
	ck_assert_uint_eq(TS_ASK(worker, image_list, .namespace = S("never.made"))->images.n, 0);
}
END_TEST

START_TEST(bad_archives_leave_nothing)
{
	char *whole = archive_make("docker", "");
	char *const commands[] = {
		ts_text("head -c 300000 %s", whole),
		ts_text("tar -C %s/image/save -c config.json layer.tar", dir),
		ts_text("tar -C %s/image/save -c manifest.json layer.tar", dir),
		ts_text("tar -C %s/image/save -c config.json manifest.json", dir),
		ts_text("sed 's/sha256:[0-9a-f]\\{8\\}/sha256:00000000/' %s", whole),
	};
	struct kk_err err = {0};

	TS_ASK(worker, namespace_ensure, .namespace = namespace);
	for (size_t i = 0; i < KK_COUNT(commands); i++) {
		char *path = ts_text("%s/bad.tar", dir);

		ts_shell("%s >%s", commands[i], path);
		ck_assert_msg(TS_REFUSED(worker, &err, image_load, .namespace = namespace,
				      .path = path) == KK_E_IMAGE_FORMAT,
			"'%s' is %s: %s", commands[i], kk_code_name(err.code), ts_err_text(&err));
		ck_assert_str_eq(ctr("images ls -q"), "");
		ck_assert_str_eq(ctr("leases ls -q"), "");
		ck_assert_str_eq(ctr("content ls -q"), "");
	}
}
END_TEST

/* --- containers --- */

/* What the reconciler asks for: container @id of cell c, running @script. Valid until the next call. */
static const struct kk_req_container_create *create_req(const char *id, const char *script)
{
	static struct kk_req_container_create req;
	static struct kk_pair labels[] = {{S("kukeon.io/cell"), S("c")},
		{S("kukeon.io/container"), NULL}, {S("kukeon.io/space"), S("s")},
		{S("kukeon.io/stack"), S("t")}};
	static char *args[2];

	labels[1].value = ts_text("%s", id);
	args[0] = S("-c");
	args[1] = ts_text("%s", script);
	req = (struct kk_req_container_create){
		.namespace = namespace,
		.id = ts_text("%s", id),
		.labels = {labels, KK_COUNT(labels), true},
		.group = S("s-t-c"),
		.hostname = S("c"),
		.cgroup_path = ts_text("%s/%d/%s", ts_run()->cgroup, (int)getpid(), id),
		.cell_cgroup_path = ts_text("%s/%d", ts_run()->cgroup, (int)getpid()),
		.files_dir = ts_text("%s/files", dir),
		.log_path = ts_text("%s/log/%s", dir, id),
	};
	kk_schema_init(kk_schema_of_container_spec(), &req.spec);
	req.spec.id = req.id;
	req.spec.image = S("busybox");
	req.spec.command = S("/bin/sh");
	req.spec.args = (struct kk_strs){args, KK_COUNT(args), true};
	return &req;
}

static uint64_t create_send(const char *id, const char *script)
{
	return ts_worker_send(worker, KK_MSG_container_create, create_req(id, script), 0);
}

static const struct kk_rep_container_create *create(const char *id, const char *script)
{
	return ts_worker_wait(worker, create_send(id, script), NULL);
}

static uint64_t start(const char *id)
{
	return TS_ASK(worker, container_start, .namespace = namespace, .id = S(id))->pid;
}

static uint64_t run(const char *id, const char *script)
{
	create(id, script);
	return start(id);
}

static const struct kk_rep_container_stop *stop(const char *id, int64_t grace_ms)
{
	return TS_ASK(worker, container_stop, .namespace = namespace, .id = S(id),
		.grace_ms = grace_ms);
}

static const struct kk_rep_container_list *list(void)
{
	struct kk_pair label = {S("kukeon.io/cell"), S("c")};

	return TS_ASK(worker, container_list, .namespace = namespace, .labels = {&label, 1, true});
}

static const struct kk_task_info *listed(const struct kk_rep_container_list *reply, const char *id)
{
	for (size_t i = 0; i < reply->containers.n; i++) {
		if (strcmp(reply->containers.items[i].id, id) == 0)
			return &reply->containers.items[i];
	}
	return NULL;
}

static const struct kk_task_info *info(const char *id)
{
	const struct kk_task_info *found = listed(list(), id);

	ck_assert_msg(found != NULL, "'%s' is not in the list", id);
	return found;
}

static bool process_exists(uint64_t pid)
{
	return ts_exists(ts_text("/proc/%llu", (unsigned long long)pid));
}

static bool is_over(void *arg)
{
	return !process_exists(*(uint64_t *)arg);
}

struct line {
	const char *id;
	const char *text;
};

static bool is_logged(void *arg)
{
	const struct line *line = arg;
	char *path = ts_text("%s/log/%s", dir, line->id);

	return ts_exists(path) && strstr(ts_file(path), line->text);
}

/* Until the container has written @text. */
static void log_await(const char *id, const char *text)
{
	struct line line = {id, text};

	ck_assert_msg(ts_until(is_logged, &line, LIMIT_MS), "'%s' did not write '%s'", id, text);
}

static char *inside(uint64_t pid, const char *path)
{
	return ts_text("/proc/%llu/root%s", (unsigned long long)pid, path);
}

START_TEST(containers_run)
{
	const struct kk_rep_container_create *made = create("main", "echo up; exec sleep 1000");
	const struct kk_task_info *seen;
	uint64_t pid;

	ck_assert(made->is_created && !made->is_running);
	seen = info("main");
	ck_assert(seen->has_task);
	ck_assert_int_eq(seen->state, KK_CONTAINER_PENDING);
	pid = start("main");
	ck_assert_uint_eq(pid, made->pid);
	log_await("main", "up\n");
	seen = info("main");
	ck_assert_int_eq(seen->state, KK_CONTAINER_READY);
	ck_assert_uint_eq((uint64_t)seen->pid, pid);
	ck_assert_str_eq(seen->image, BUSYBOX);
	ck_assert_str_eq(kk_map_get(&seen->labels, "kukeon.io/container"), "main");
	ck_assert_ptr_nonnull(strstr(ts_file(ts_text("/proc/%d/cgroup", (int)pid)),
		create_req("main", "")->cgroup_path));
	ck_assert_str_eq(ts_shell("tr '\\0' ' ' </proc/%d/cmdline", (int)pid), "sleep 1000 ");
	ck_assert(ts_exists(inside(pid, "/www/index.html")));
}
END_TEST

START_TEST(requests_repeat)
{
	uint64_t created, pid;
	const struct kk_rep_container_create *again;

	created = create("main", "sleep 1000")->pid;
	again = create("main", "sleep 1000");
	ck_assert(!again->is_created && !again->is_running);
	ck_assert(is_over(&created));
	pid = start("main");
	ck_assert_uint_eq(pid, again->pid);
	ck_assert_uint_eq(start("main"), pid);
	again = create("main", "sleep 1000");
	ck_assert(again->is_running && !again->is_created);
	ck_assert_uint_eq(again->pid, pid);
	ck_assert(process_exists(pid));
	ck_assert_uint_eq(list()->containers.n, 1);
	ck_assert_str_eq(ctr("tasks ls -q"), "main\n");
}
END_TEST

START_TEST(lists_select_by_label)
{
	struct kk_pair other = {S("kukeon.io/cell"), S("d")};
	struct kk_pair both[] = {
		{S("kukeon.io/cell"), S("c")}, {S("kukeon.io/container"), S("two")}};
	const struct kk_rep_container_list *some;

	create("one", "sleep 1000");
	run("two", "sleep 1000");
	ck_assert_uint_eq(list()->containers.n, 2);
	some = TS_ASK(worker, container_list, .namespace = namespace);
	ck_assert_uint_eq(some->containers.n, 2);
	ck_assert_int_eq(listed(some, "one")->state, KK_CONTAINER_PENDING);
	ck_assert_int_eq(listed(some, "two")->state, KK_CONTAINER_READY);
	some = TS_ASK(worker, container_list, .namespace = namespace, .is_records_only = true);
	ck_assert_uint_eq(some->containers.n, 2);
	ck_assert(!listed(some, "two")->has_task);
	ck_assert_str_eq(listed(some, "two")->image, BUSYBOX);
	some = TS_ASK(worker, container_list, .namespace = namespace, .labels = {both, 2, true});
	ck_assert_uint_eq(some->containers.n, 1);
	ck_assert_str_eq(some->containers.items[0].id, "two");
	some = TS_ASK(worker, container_list, .namespace = namespace, .labels = {&other, 1, true});
	ck_assert_uint_eq(some->containers.n, 0);
	some = TS_ASK(worker, container_list, .namespace = S("never.made"));
	ck_assert_uint_eq(some->containers.n, 0);
}
END_TEST

START_TEST(stop_signals_then_kills)
{
	const struct kk_rep_container_stop *stopped;
	int64_t began;

	run("polite", "trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done");
	run("deaf", "trap '' TERM; echo up; while :; do sleep 0.05; done");
	log_await("polite", "up\n");
	log_await("deaf", "up\n");
	began = kk_clock_ms();
	stopped = stop("polite", 15000);
	ck_assert(stopped->was_running && stopped->has_exit);
	ck_assert_uint_eq(stopped->exit_status, 7);
	ck_assert_int_lt(kk_clock_ms() - began, 10000);
	began = kk_clock_ms();
	stopped = stop("deaf", 500);
	ck_assert(stopped->was_running && stopped->has_exit);
	ck_assert_uint_eq(stopped->exit_status, 137);
	ck_assert_int_ge(kk_clock_ms() - began, 500);
	ck_assert_int_gt(stopped->exited_at, kk_time_now() - 60 * INT64_C(1000000000));
	ck_assert_str_eq(ctr("tasks ls -q"), "");
}
END_TEST

START_TEST(stop_repeats)
{
	const struct kk_rep_container_stop *stopped;
	uint64_t pid = run("main", "echo kept >/tmp/file; echo up; exec sleep 1000");

	log_await("main", "up\n");
	ck_assert(stop("main", 0)->was_running);
	ck_assert(is_over(&pid));
	stopped = stop("main", 0);
	ck_assert(!stopped->was_running && !stopped->has_exit);
	stopped = stop("never", 0);
	ck_assert(!stopped->was_running && !stopped->has_exit);
	ck_assert(!info("main")->has_task);
	ck_assert_int_eq(info("main")->state, KK_CONTAINER_STOPPED);
	/* Record and writable layer are still there. */
	ck_assert(!create("main", "exec sleep 1000")->is_created);
	pid = start("main");
	ck_assert_str_eq(ts_file(inside(pid, "/tmp/file")), "kept\n");
}
END_TEST

START_TEST(start_needs_a_task)
{
	struct kk_err err = {0};

	ck_assert_int_lt(TS_REFUSED(worker, &err, container_start, .namespace = namespace,
				 .id = S("never")),
		0);
	ck_assert_ptr_nonnull(strstr(ts_err_text(&err), "start container 'never'"));
}
END_TEST

START_TEST(remove_takes_all)
{
	uint64_t pid = run("main", "exec sleep 1000");

	create("other", "exec sleep 1000");
	ck_assert(TS_ASK(worker, container_remove, .namespace = namespace, .id = S("main"))
			  ->was_present);
	ck_assert(is_over(&pid));
	ck_assert_ptr_null(listed(list(), "main"));
	ck_assert_str_eq(ctr("snapshots ls | awk '$1 == \"main\"'"), "");
	ck_assert(!TS_ASK(worker, container_remove, .namespace = namespace, .id = S("main"))
			   ->was_present);
	ck_assert_ptr_nonnull(listed(list(), "other"));
	/* The snapshot alone, as a crash may leave it. */
	ctr("snapshots prepare half >/dev/null");
	ck_assert(TS_ASK(worker, container_remove, .namespace = namespace, .id = S("half"))
			  ->was_present);
	ck_assert_str_eq(ctr("snapshots ls | awk '$1 == \"half\"'"), "");
}
END_TEST

START_TEST(namespace_goes_with_all_in_it)
{
	uint64_t pid = run("main", "exec sleep 1000");

	create("created", "true");
	ck_assert(TS_ASK(worker, namespace_remove, .namespace = namespace)->is_removed);
	ck_assert(is_over(&pid));
	ck_assert_str_eq(ts_shell("ctr -a %s namespaces ls -q", config.containerd_socket), "");
	ck_assert_str_eq(ctr("containers ls -q"), "");
	ck_assert_str_eq(ctr("snapshots ls | tail -n +2"), "");
	ck_assert_str_eq(ctr("content ls -q"), "");
}
END_TEST

/* A container that somebody else made under that id: it is neither taken over nor removed. */
START_TEST(others_are_left_alone)
{
	struct kk_err err = {0};

	ctr("run -d %s main /bin/sleep 1000", BUSYBOX);
	ck_assert_int_eq(ts_worker_refused(worker, create_send("main", "true"), &err),
		KK_E_CONTAINER_EXISTS);
	ck_assert_ptr_nonnull(strstr(ts_err_text(&err), "container already exists: 'main' in "));
	ck_assert_int_eq(TS_REFUSED(worker, &err, container_stop, .namespace = namespace,
				 .id = S("main")),
		KK_E_CONTAINER_EXISTS);
	ck_assert_int_eq(TS_REFUSED(worker, &err, container_remove, .namespace = namespace,
				 .id = S("main")),
		KK_E_CONTAINER_EXISTS);
	ck_assert_uint_eq(list()->containers.n, 0);
	ck_assert_ptr_nonnull(strstr(ctr("tasks ls"), "RUNNING"));
	ctr("tasks delete -f main >/dev/null");
	ctr("containers delete main");
}
END_TEST

START_TEST(create_says_what_is_wrong)
{
	struct kk_err err = {0};
	struct kk_req_container_create req = *create_req("main", "true");

	req.spec.image = S("nobody/has:this");
	ck_assert_int_eq(ts_worker_refused(worker,
				 ts_worker_send(worker, KK_MSG_container_create, &req, 0), &err),
		KK_E_IMAGE_NOT_FOUND);
	req = *create_req("main", "true");
	req.spec.command = S("/no/such/program");
	ck_assert_int_eq(ts_worker_refused(worker,
				 ts_worker_send(worker, KK_MSG_container_create, &req, 0), &err),
		KK_E_CONTAINERD);
	ck_assert_ptr_nonnull(strstr(ts_err_text(&err), "/no/such/program"));
	TS_ASK(worker, container_remove, .namespace = namespace, .id = S("main"));
	ck_assert_str_eq(ctr("containers ls -q"), "");
}
END_TEST

/* Many at once: they do not wait for one another, and none is mixed up. */
START_TEST(requests_run_in_parallel)
{
	enum { N = 8 };
	uint64_t ids[N];

	for (int i = 0; i < N; i++)
		ids[i] = create_send(ts_text("n%d", i), "exec sleep 1000");
	for (int i = 0; i < N; i++)
		ts_worker_wait(worker, ids[i], NULL);
	for (int i = 0; i < N; i++)
		ids[i] = TS_SEND(worker, container_start, .namespace = namespace,
			.id = ts_text("n%d", i));
	for (int i = 0; i < N; i++)
		ts_worker_wait(worker, ids[i], NULL);
	for (int i = 0; i < N; i++)
		ck_assert_int_eq(info(ts_text("n%d", i))->state, KK_CONTAINER_READY);
	/* The same request twice: the second waits for the first. */
	ids[0] = TS_SEND(worker, container_remove, .namespace = namespace, .id = S("n0"));
	ids[1] = TS_SEND(worker, container_remove, .namespace = namespace, .id = S("n0"));
	ts_worker_wait(worker, ids[0], NULL);
	ts_worker_wait(worker, ids[1], NULL);
	ck_assert_ptr_null(listed(list(), "n0"));
}
END_TEST

START_TEST(killed_worker_is_followed)
{
	uint64_t id, pid;

	for (int i = 0; i < 4; i++) {
		char *name = ts_text("n%d", i);

		create_send(name, "exec sleep 1000");
		/* Somewhere on its way: behind i answers of containerd, more or less. */
		for (int k = 0; k < i; k++)
			TS_ASK(worker, namespace_get, .namespace = namespace);
		ts_worker_kill(worker);
		worker = ts_worker_start(KK_ROLE_containerd, &config);
		id = create_send(name, "exec sleep 1000");
		ts_worker_wait(worker, id, NULL);
		pid = start(name);
		ck_assert_uint_eq((uint64_t)info(name)->pid, pid);
		ck_assert_int_eq(info(name)->state, KK_CONTAINER_READY);
	}
	ck_assert_uint_eq(list()->containers.n, 4);
}
END_TEST

/* --- events --- */

START_TEST(exits_are_events)
{
	const struct kk_req_task_exited *event;
	int64_t began = kk_time_now();
	char *ours = namespace;

	/* Of another instance: not our business, although it comes first. */
	namespace = S("r.elsewhere");
	TS_ASK(worker, namespace_ensure, .namespace = namespace);
	image_load(archive_make("docker", ""));
	run("foreign", "exit 1");
	namespace = ours;
	run("main", "exit 3");
	event = TS_EVENT(worker, task_exited, LIMIT_MS);
	ck_assert_ptr_nonnull(event);
	ck_assert_str_eq(event->namespace, namespace);
	ck_assert_str_eq(event->id, "main");
	ck_assert_uint_eq(event->exit_status, 3);
	ck_assert_int_ge(event->exited_at, began);
	ck_assert_int_le(event->exited_at, kk_time_now());
	ck_assert_int_eq(info("main")->state, KK_CONTAINER_ERROR);
	ck_assert_int_eq(info("main")->exit_status, 3);
	run("good", "exit 0");
	event = TS_EVENT(worker, task_exited, LIMIT_MS);
	ck_assert_ptr_nonnull(event);
	ck_assert_str_eq(event->id, "good");
	ck_assert_int_eq(info("good")->state, KK_CONTAINER_EXITED);
	kill((pid_t)run("shot", "exec sleep 1000"), SIGKILL);
	event = TS_EVENT(worker, task_exited, LIMIT_MS);
	ck_assert_ptr_nonnull(event);
	ck_assert_uint_eq(event->exit_status, 137);
	TS_ASK(worker, namespace_remove, .namespace = S("r.elsewhere"));
}
END_TEST

/* --- containerd is gone for a while --- */

START_TEST(requests_wait_for_containerd)
{
	uint64_t pid = run("stays", "exec sleep 1000");
	uint64_t leaves = run("leaves", "while [ ! -e /tmp/end ]; do sleep 0.05; done; exit 5");
	uint64_t ids[5];
	const struct kk_rep_container_list *seen;
	const struct kk_rep_container_create *made;

	containerd_kill();
	ts_file_put(inside(leaves, "/tmp/end"), "");
	ck_assert(ts_until(is_over, &leaves, LIMIT_MS));
	ids[0] = TS_SEND(worker, container_list, .namespace = namespace);
	ids[1] = TS_SEND(worker, namespace_ensure, .namespace = namespace);
	ids[2] = TS_SEND(worker, image_list, .namespace = namespace);
	ids[3] = TS_SEND(worker, image_load, .namespace = namespace,
		.path = ts_text("%s/docker.tar", dir));
	ids[4] = create_send("new", "exec sleep 1000");
	ck_assert_ptr_null(TS_EVENT(worker, task_exited, OUTAGE_MS));
	for (size_t i = 0; i < KK_COUNT(ids); i++)
		ck_assert_msg(!ts_worker_has(worker, ids[i]), "request %zu did not wait", i);
	ck_assert(process_exists(pid));
	containerd_start();
	seen = ts_worker_wait(worker, ids[0], NULL);
	ck_assert_int_eq(listed(seen, "stays")->state, KK_CONTAINER_READY);
	ck_assert_uint_eq((uint64_t)listed(seen, "stays")->pid, pid);
	ck_assert_int_eq(listed(seen, "leaves")->state, KK_CONTAINER_ERROR);
	ck_assert_int_eq(listed(seen, "leaves")->exit_status, 5);
	ck_assert_int_gt(listed(seen, "leaves")->exited_at, 0);
	ck_assert(!((const struct kk_rep_namespace_ensure *)ts_worker_wait(worker, ids[1], NULL))
			   ->is_created);
	ts_worker_wait(worker, ids[2], NULL);
	ts_worker_wait(worker, ids[3], NULL);
	made = ts_worker_wait(worker, ids[4], NULL);
	ck_assert_uint_eq(start("new"), made->pid);
}
END_TEST

/* It is there, and says nothing. */
START_TEST(hung_containerd_is_given_up)
{
	const struct kk_req_container_list req = {.namespace = namespace};
	struct kk_err err = {0};
	int64_t began;
	int status;

	TS_ASK(worker, namespace_get, .namespace = namespace);
	kill(containerd, SIGSTOP);
	ck_assert_int_eq(waitpid(containerd, &status, WUNTRACED), containerd);
	ck_assert(WIFSTOPPED(status));
	began = kk_clock_ms();
	ck_assert_int_eq(ts_worker_refused(worker,
				 ts_worker_send(worker, KK_MSG_container_list, &req, 700), &err),
		KK_E_TIMEOUT);
	ck_assert_int_lt(kk_clock_ms() - began, 3000);
	ck_assert_str_eq(ts_err_text(&err),
		"containerd did not answer Containers/List in time; is it running?");
	kill(containerd, SIGCONT);
	ck_assert_uint_eq(list()->containers.n, 0);
}
END_TEST

/* Exits are events again, once the worker has found its way back. */
START_TEST(events_come_back)
{
	const struct kk_req_task_exited *event = NULL;

	containerd_kill();
	containerd_start();
	for (int i = 0; i < EXITS_MAX && !event; i++) {
		run(ts_text("n%d", i), "exit 4");
		event = TS_EVENT(worker, task_exited, EVENT_MS);
	}
	ck_assert_msg(event != NULL, "%d exits, and no event", EXITS_MAX);
	ck_assert_uint_eq(event->exit_status, 4);
}
END_TEST

START_TEST(deadlines_end_the_wait)
{
	const struct kk_req_container_list req = {.namespace = namespace};
	struct kk_err err = {0};
	int64_t began;

	containerd_kill();
	began = kk_clock_ms();
	ts_worker_refused(worker, ts_worker_send(worker, KK_MSG_container_list, &req, 700), &err);
	ck_assert_int_ge(kk_clock_ms() - began, 500);
	ck_assert_int_lt(kk_clock_ms() - began, 3000);
	ck_assert_msg(err.code == KK_E_TIMEOUT || err.code == KK_E_CONTAINERD_DOWN, "%s",
		kk_code_name(err.code));
	ck_assert_ptr_nonnull(strstr(ts_err_text(&err), "containerd"));
	ck_assert_ptr_null(strchr(ts_err_text(&err), '\n'));
	containerd_start();
	ck_assert_uint_eq(list()->containers.n, 0);
}
END_TEST

/* A worker that starts while containerd is away is ready, and serves when it is back. */
START_TEST(start_without_containerd)
{
	uint64_t id;

	ts_worker_stop(worker);
	containerd_kill();
	worker = ts_worker_start(KK_ROLE_containerd, &config);
	id = TS_SEND(worker, image_list, .namespace = namespace);
	ck_assert_ptr_null(TS_EVENT(worker, containerd_connected, OUTAGE_MS));
	ck_assert(!ts_worker_has(worker, id));
	containerd_start();
	ck_assert_uint_eq(((const struct kk_rep_image_list *)ts_worker_wait(worker, id, NULL))
				  ->images.n,
		1);
}
END_TEST

/* --- regressions --- */

START_TEST(namespaces_are_missed)
{
	ck_assert(!TS_ASK(worker, namespace_get, .namespace = S("never.made"))->exists);
	ck_assert(!TS_ASK(worker, namespace_remove, .namespace = S("never.made"))->is_removed);
	TS_ASK(worker, namespace_ensure, .namespace = namespace);
	ck_assert(TS_ASK(worker, namespace_get, .namespace = namespace)->exists);
	TS_ASK(worker, namespace_remove, .namespace = namespace);
	ck_assert(!TS_ASK(worker, namespace_get, .namespace = namespace)->exists);
}
END_TEST

START_TEST(garbage_is_no_image)
{
	char *path = ts_text("%s/garbage", dir);
	struct kk_err err = {0};

	ts_shell("head -c 100000 /dev/urandom >%s", path);
	ck_assert_int_eq(TS_REFUSED(worker, &err, image_load, .namespace = namespace, .path = path),
		KK_E_IMAGE_FORMAT);
}
END_TEST

/* The marker may be published before the subscription counts, and is lost then. */
START_TEST(connections_are_told)
{
	for (int i = 0; i < 10; i++) {
		ts_worker_stop(worker);
		worker = ts_worker_start(KK_ROLE_containerd, &config);
		ck_assert_msg(TS_EVENT(worker, containerd_connected, 5 * EVENT_MS) != NULL,
			"no event after start %d", i + 1);
	}
	for (int i = 0; i < 10; i++) {
		containerd_kill();
		containerd_start();
		ck_assert_msg(TS_EVENT(worker, containerd_connected, 5 * EVENT_MS) != NULL,
			"no event after restart %d", i + 1);
	}
}
END_TEST

enum { RESTARTS = 20 };

static bool runc_creates(void *arg)
{
	return ts_shell_ok("pgrep -f 'runc .*create .*%s' >/dev/null", (char *)arg);
}

/* A create that containerd does not survive: it dies while runc works. */
static uint64_t create_into_death(const char *name)
{
	uint64_t id = create_send(name, "exec sleep 1000");

	ck_assert(ts_until(runc_creates, S(name), LIMIT_MS));
	containerd_kill();
	containerd_start();
	return id;
}

/* Its shim stays, and knows of no task: "already exists" to create, "not found" to all else. */
START_TEST(creates_survive_a_restart)
{
	struct kk_err err = {0};
	int n_stuck = 0;

	for (int i = 0; i < RESTARTS; i++) {
		char *name = ts_text("n%d", i);

		/* Now and then containerd keeps the directory of a task that it did not live to make,
		 * and no request can help it there. */
		if (!ts_worker_wait(worker, create_into_death(name), &err)) {
			ck_assert_msg(kk_str_ends(err.frames[0].text, ": file exists"), "%s",
				err.frames[0].text);
			ck_assert_int_le(++n_stuck, RESTARTS / 4);
			kk_err_clear(&err);
			continue;
		}
		ck_assert_uint_ne(start(name), 0);
		ck_assert_int_eq(info(name)->state, KK_CONTAINER_READY);
	}
}
END_TEST

/* Unary calls wait for containerd to come back; what is read by a stream must as well. */
START_TEST(streams_survive_a_restart)
{
	enum { N = 12 };
	uint64_t ids[N];

	for (int round = 0; round < RESTARTS; round++) {
		for (int i = 0; i < N; i++)
			ids[i] = TS_SEND(worker, image_list, .namespace = namespace);
		for (int i = 0; i < round % 5; i++)
			TS_ASK(worker, namespace_get, .namespace = namespace);
		containerd_kill();
		containerd_start();
		for (int i = 0; i < N; i++) {
			const struct kk_rep_image_list *images =
				ts_worker_wait(worker, ids[i], NULL);

			ck_assert_uint_eq(images->images.n, 1);
			ck_assert_int_gt(images->images.items[0].size, 0);
		}
	}
}
END_TEST

static Suite *suite_make(void)
{
	Suite *suite = suite_create("containerd");
	TCase *empty = tcase_create("empty"), *container = tcase_create("container"),
	      *outage = tcase_create("outage");
	TCase *const cases[] = {empty, container, outage};

	for (size_t i = 0; i < KK_COUNT(cases); i++) {
		tcase_add_checked_fixture(cases[i], cases[i] == empty ? worker_begin : image_begin,
			worker_end);
		tcase_set_timeout(cases[i], 60);
		suite_add_tcase(suite, cases[i]);
	}
	tcase_add_test(empty, namespaces_come_and_go);
	tcase_add_test(empty, archives_are_loaded);
	tcase_add_test(empty, namespaces_are_missed);
	tcase_add_test(empty, garbage_is_no_image);
	tcase_add_test(empty, connections_are_told);
	tcase_add_test(outage, creates_survive_a_restart);
	tcase_add_test(outage, streams_survive_a_restart);
	tcase_add_test(empty, images_are_missed);
	tcase_add_test(empty, bad_archives_leave_nothing);
	tcase_add_test(container, containers_run);
	tcase_add_test(container, requests_repeat);
	tcase_add_test(container, lists_select_by_label);
	tcase_add_test(container, stop_signals_then_kills);
	tcase_add_test(container, stop_repeats);
	tcase_add_test(container, start_needs_a_task);
	tcase_add_test(container, remove_takes_all);
	tcase_add_test(container, namespace_goes_with_all_in_it);
	tcase_add_test(container, others_are_left_alone);
	tcase_add_test(container, create_says_what_is_wrong);
	tcase_add_test(container, requests_run_in_parallel);
	tcase_add_test(container, killed_worker_is_followed);
	tcase_add_test(container, exits_are_events);
	tcase_add_test(outage, requests_wait_for_containerd);
	tcase_add_test(outage, deadlines_end_the_wait);
	tcase_add_test(outage, hung_containerd_is_given_up);
	tcase_add_test(outage, events_come_back);
	tcase_add_test(outage, start_without_containerd);
	return suite;
}

int main(void)
{
	return ts_sandbox_run(suite_make);
}
