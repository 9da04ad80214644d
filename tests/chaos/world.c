/* tests/chaos/world.c - what containerd has, asked in one go.
 *
 * usage: world SOCKET NAMESPACE
 * prints, one to a line: `namespace NAME` of all, and of NAMESPACE `task ID PID STATUS`, `container ID` and
 * `snapshot KEY` */
#include <stdio.h>
#include <stdlib.h>

#include <kukeon/clock.h>

#include "../../workers/containerd/ct.h"

enum { LIMIT_MS = 10000 };

static _Noreturn void give_up(const char *method, const struct kk_err *err)
{
	char text[KK_ERR_TEXT * 2];

	kk_err_format(err, text, sizeof text);
	fprintf(stderr, "world: %s: %s\n", method, text);
	exit(1);
}

static void ask(const char *namespace, const char *method, const ProtobufCMessage *req,
	const ProtobufCMessageDescriptor *type, void *ret_rep)
{
	struct ct_ctx ctx = {.namespace = namespace, .deadline_ms = kk_clock_ms() + LIMIT_MS};
	struct kk_err err = {0};

	if (ct_unary(&ctx, method, req, type, ret_rep, &err) < 0)
		give_up(method, &err);
}

static void namespaces_print(void)
{
	ct_auto_message Ct__NamespaceListResponse *rep = NULL;
	Ct__NamespaceListRequest req = CT__NAMESPACE_LIST_REQUEST__INIT;

	ask(NULL, "namespaces.v1.Namespaces/List", &req.base,
		&ct__namespace_list_response__descriptor, &rep);
	for (size_t i = 0; i < rep->n_namespaces; i++)
		printf("namespace %s\n", rep->namespaces[i]->name);
}

static void tasks_print(const char *namespace)
{
	ct_auto_message Ct__TaskListResponse *rep = NULL;
	Ct__TaskListRequest req = CT__TASK_LIST_REQUEST__INIT;

	ask(namespace, "tasks.v1.Tasks/List", &req.base, &ct__task_list_response__descriptor, &rep);
	for (size_t i = 0; i < rep->n_tasks; i++) {
		const Ct__Process *task = rep->tasks[i];
		const ProtobufCEnumValue *status =
			protobuf_c_enum_descriptor_get_value(&ct__process__status__descriptor,
				(int)task->status);

		printf("task %s %u %s\n", task->id, task->pid, status ? status->name : "?");
	}
}

static void containers_print(const char *namespace)
{
	ct_auto_message Ct__ContainerListResponse *rep = NULL;
	Ct__ContainerListRequest req = CT__CONTAINER_LIST_REQUEST__INIT;

	ask(namespace, "containers.v1.Containers/List", &req.base,
		&ct__container_list_response__descriptor, &rep);
	for (size_t i = 0; i < rep->n_containers; i++)
		printf("container %s\n", rep->containers[i]->id);
}

static int snapshots_take(const void *message, void *arg, struct kk_err *err)
{
	const Ct__SnapshotListResponse *rep = message;

	(void)arg;
	(void)err;
	for (size_t i = 0; i < rep->n_info; i++)
		printf("snapshot %s\n", rep->info[i]->name);
	return 0;
}

/* What was printed can't be taken back. */
static void snapshots_restart(void *arg)
{
	(void)arg;
	fprintf(stderr, "world: containerd went away\n");
	exit(1);
}

static void snapshots_print(const char *namespace)
{
	struct ct_ctx ctx = {.namespace = namespace, .deadline_ms = kk_clock_ms() + LIMIT_MS};
	Ct__SnapshotListRequest req = CT__SNAPSHOT_LIST_REQUEST__INIT;
	struct ct_reader reader = {
		.method = "snapshots.v1.Snapshots/List",
		.req = &req.base,
		.type = &ct__snapshot_list_response__descriptor,
		.restart = snapshots_restart,
		.take = snapshots_take,
	};
	struct kk_err err = {0};

	req.snapshotter = (char *)CT_SNAPSHOTTER;
	if (ct_stream_read(&ctx, &reader, &err) < 0)
		give_up(reader.method, &err);
}

int main(int argc, char **argv)
{
	struct kk_err err = {0};

	if (argc != 3) {
		fprintf(stderr, "usage: world SOCKET NAMESPACE\n");
		return 2;
	}
	if (ct_client_open(argv[1], &err) < 0)
		give_up("open", &err);
	namespaces_print();
	tasks_print(argv[2]);
	containers_print(argv[2]);
	snapshots_print(argv[2]);
	return 0;
}
