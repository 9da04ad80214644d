/* tests/bench/floor.c - what containerd alone takes: the calls of a create and of a delete in the order
 * in which the containerd worker makes them, with a specification that was made for a real container,
 * and none of our processes.
 *
 * usage: floor SOCKET NAMESPACE IMAGE PARENT-SNAPSHOT SPEC.json N CONCURRENCY
 * prints: create (median 99th), delete (median 99th), microseconds each; wall time per create and per
 * delete of all N */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kukeon/clock.h>
#include <kukeon/mem.h>

#include "../../workers/containerd/ct.h"
#include "sample.h"

enum { LIMIT_MS = 120000 };

static struct {
	const char *namespace;
	const char *image;
	const char *parent;
	json_t *spec;
	size_t n;
	size_t next;
	bool is_delete;
	pthread_mutex_t mutex;
	int64_t *samples;
} bench = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void call(const char *method, const ProtobufCMessage *req,
	const ProtobufCMessageDescriptor *type, void *ret_rep)
{
	struct ct_ctx ctx = {.namespace = bench.namespace, .deadline_ms = kk_clock_ms() + LIMIT_MS};
	struct kk_err err = {0};
	char text[KK_ERR_TEXT * 2];

	if (ct_unary(&ctx, method, req, type, ret_rep, &err) < 0) {
		kk_err_format(&err, text, sizeof text);
		fprintf(stderr, "floor: %s: %s\n", method, text);
		exit(1);
	}
}

/* The specification of the model, in namespaces, a cgroup and a shim of its own. */
static char *spec_for(const char *id)
{
	json_t *spec = json_deep_copy(bench.spec), *linux_part = json_object_get(spec, "linux");
	const char *parent = json_string_value(json_object_get(linux_part, "cgroupsPath"));
	kk_auto_free char *cgroup = kk_xprintf("%s-%s", parent, id);
	json_t *namespace;
	size_t i;
	char *text;

	json_array_foreach (json_object_get(linux_part, "namespaces"), i, namespace)
		json_object_del(namespace, "path");
	json_object_set_new(linux_part, "cgroupsPath", json_string(cgroup));
	json_object_set_new(json_object_get(spec, "annotations"), "io.containerd.runc.v2.group",
		json_string(id));
	text = json_dumps(spec, JSON_COMPACT);
	json_decref(spec);
	return text;
}

static void record_create(char *id)
{
	Ct__ContainerCreateRequest req = CT__CONTAINER_CREATE_REQUEST__INIT;
	Ct__Container container = CT__CONTAINER__INIT;
	Ct__ContainerRuntime runtime = CT__CONTAINER_RUNTIME__INIT;
	Ct__Any any = CT__ANY__INIT;
	kk_auto_free char *spec = spec_for(id);

	runtime.name = (char *)"io.containerd.runc.v2";
	any.type_url = (char *)"types.containerd.io/opencontainers/runtime-spec/1/Spec";
	any.value = (ProtobufCBinaryData){.len = strlen(spec), .data = (uint8_t *)spec};
	container.id = id;
	container.image = (char *)bench.image;
	container.runtime = &runtime;
	container.spec = &any;
	container.snapshotter = (char *)CT_SNAPSHOTTER;
	container.snapshot_key = id;
	req.container = &container;
	call("containers.v1.Containers/Create", &req.base,
		&ct__container_create_response__descriptor, NULL);
}

static void create(char *id)
{
	Ct__SnapshotPrepareRequest prepare = CT__SNAPSHOT_PREPARE_REQUEST__INIT;
	ct_auto_message Ct__SnapshotPrepareResponse *rootfs = NULL;
	Ct__TaskCreateRequest task = CT__TASK_CREATE_REQUEST__INIT;
	Ct__TaskStartRequest start = CT__TASK_START_REQUEST__INIT;
	Ct__Label root = CT__LABEL__INIT, *labels[] = {&root};

	/* Or the collector, which each delete starts, takes it before the record is there. */
	root.key = (char *)"containerd.io/gc.root";
	root.value = (char *)"2026-01-01T00:00:00Z";
	prepare.n_labels = 1;
	prepare.labels = labels;
	prepare.snapshotter = (char *)CT_SNAPSHOTTER;
	prepare.key = id;
	prepare.parent = (char *)bench.parent;
	call("snapshots.v1.Snapshots/Prepare", &prepare.base,
		&ct__snapshot_prepare_response__descriptor, &rootfs);
	record_create(id);
	task.container_id = id;
	task.n_rootfs = rootfs->n_mounts;
	task.rootfs = rootfs->mounts;
	call("tasks.v1.Tasks/Create", &task.base, &ct__task_create_response__descriptor, NULL);
	start.container_id = id;
	call("tasks.v1.Tasks/Start", &start.base, &ct__task_start_response__descriptor, NULL);
}

static void destroy(char *id)
{
	Ct__TaskKillRequest kill_req = CT__TASK_KILL_REQUEST__INIT;
	Ct__TaskWaitRequest wait_req = CT__TASK_WAIT_REQUEST__INIT;
	Ct__TaskDeleteRequest task = CT__TASK_DELETE_REQUEST__INIT;
	Ct__ContainerDeleteRequest record = CT__CONTAINER_DELETE_REQUEST__INIT;
	Ct__SnapshotRemoveRequest snapshot = CT__SNAPSHOT_REMOVE_REQUEST__INIT;

	kill_req.container_id = id;
	kill_req.signal = SIGKILL;
	kill_req.all = true;
	call("tasks.v1.Tasks/Kill", &kill_req.base, &ct__empty__descriptor, NULL);
	wait_req.container_id = id;
	call("tasks.v1.Tasks/Wait", &wait_req.base, &ct__task_wait_response__descriptor, NULL);
	task.container_id = id;
	call("tasks.v1.Tasks/Delete", &task.base, &ct__task_delete_response__descriptor, NULL);
	record.id = id;
	call("containers.v1.Containers/Delete", &record.base, &ct__empty__descriptor, NULL);
	snapshot.snapshotter = (char *)CT_SNAPSHOTTER;
	snapshot.key = id;
	call("snapshots.v1.Snapshots/Remove", &snapshot.base, &ct__empty__descriptor, NULL);
}

static void *thread_run(void *arg)
{
	for (;;) {
		kk_auto_free char *id = NULL;
		int64_t start_us;
		size_t i;

		pthread_mutex_lock(&bench.mutex);
		i = bench.next++;
		pthread_mutex_unlock(&bench.mutex);
		if (i >= bench.n)
			return arg;
		id = kk_xprintf("floor%zu", i);
		start_us = kk_clock_us();
		if (bench.is_delete)
			destroy(id);
		else
			create(id);
		bench.samples[i] = kk_clock_us() - start_us;
	}
}

/* Returns the wall time of all, in microseconds. */
static int64_t phase_run(bool is_delete, size_t n_threads)
{
	int64_t start_us = kk_clock_us();
	pthread_t threads[64];

	bench.is_delete = is_delete;
	bench.next = 0;
	for (size_t i = 0; i < n_threads; i++)
		pthread_create(&threads[i], NULL, thread_run, NULL);
	for (size_t i = 0; i < n_threads; i++)
		pthread_join(threads[i], NULL);
	return kk_clock_us() - start_us;
}

int main(int argc, char **argv)
{
	int64_t create_us, delete_us;
	struct kk_err err = {0};
	size_t n_threads;

	if (argc != 8) {
		fprintf(stderr,
			"usage: floor SOCKET NAMESPACE IMAGE SNAPSHOT SPEC.json N CONCURRENCY\n");
		return 2;
	}
	bench.namespace = argv[2];
	bench.image = argv[3];
	bench.parent = argv[4];
	bench.spec = json_load_file(argv[5], 0, NULL);
	bench.n = strtoul(argv[6], NULL, 10);
	n_threads = strtoul(argv[7], NULL, 10);
	if (!bench.spec || bench.n == 0 || n_threads == 0 || n_threads > 64 ||
		ct_client_open(argv[1], &err) < 0) {
		fprintf(stderr, "floor: an argument makes no sense\n");
		return 2;
	}
	bench.samples = kk_xalloc(bench.n * sizeof bench.samples[0]);
	create_us = phase_run(false, n_threads);
	sample_print(bench.samples, bench.n);
	delete_us = phase_run(true, n_threads);
	sample_print(bench.samples, bench.n);
	printf("%lld %lld\n", (long long)(create_us / (int64_t)bench.n),
		(long long)(delete_us / (int64_t)bench.n));
	free(bench.samples);
	json_decref(bench.spec);
	return 0;
}
