/* workers/containerd/event.c - the event stream, followed by one thread for the life of the worker.
 *
 * After each (re)connection: subscribe, publish a marker, and only when the marker comes back tell the
 * reconciler to look at the world: no exit can fall between. */
#include "ct.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <kukeon/clock.h>
#include <kukeon/log.h>
#include <kukeon/loop.h>
#include <kukeon/mem.h>
#include <kukeon/worker.h>

#define TOPIC_EXIT "/tasks/exit"
#define TOPIC_MARKER "/kukeon/marker"

enum {
	RECONNECT_PAUSE_MS = 100,
	MARKER_LIMIT_MS = 5000,
	MARKER_PAUSE_MS = 50,
	STACK_BYTES = 256 * 1024
};

/* Something to tell the reconciler; namespace NULL: connected. */
struct report {
	struct report *next;
	char *namespace;
	char *id;
	uint64_t exit_status;
	int64_t exited_at;
};

static struct {
	struct kk_worker *worker;
	pthread_mutex_t mutex;
	struct report *first;
	struct report **end;
	int fd;
} events = {.mutex = PTHREAD_MUTEX_INITIALIZER, .end = &events.first};

static void report_put(struct report *report)
{
	static const uint64_t one = 1;

	pthread_mutex_lock(&events.mutex);
	*events.end = report;
	events.end = &report->next;
	pthread_mutex_unlock(&events.mutex);
	if (write(events.fd, &one, sizeof one) < 0)
		kk_error("the loop can't be woken: %m");
}

static void report_send(const struct report *report)
{
	struct kk_req_task_exited exited = {
		.namespace = report->namespace,
		.id = report->id,
		.exit_status = report->exit_status,
		.exited_at = report->exited_at,
	};
	static const struct kk_req_containerd_connected connected;
	struct kk_rpc *rpc = events.worker->rpc;

	if (report->namespace)
		(void)kk_rpc_event(rpc, KK_ROLE_reconciler, KK_MSG_task_exited, &exited, 0);
	else
		(void)kk_rpc_event(rpc, KK_ROLE_reconciler, KK_MSG_containerd_connected, &connected,
			0);
}

static void reports_on_ready(int fd, unsigned what, void *arg)
{
	struct report *report;
	uint64_t count;

	(void)what;
	(void)arg;
	if (read(fd, &count, sizeof count) < 0)
		return;
	pthread_mutex_lock(&events.mutex);
	report = events.first;
	events.first = NULL;
	events.end = &events.first;
	pthread_mutex_unlock(&events.mutex);
	while (report) {
		struct report *next = report->next;

		report_send(report);
		free(report->namespace);
		free(report->id);
		free(report);
		report = next;
	}
}

static bool is_ours(const char *namespace)
{
	kk_auto_free char *suffix =
		kk_xprintf(".%s", kk_str(events.worker->config.namespace_suffix));

	return kk_str_ends(namespace, suffix);
}

static void exit_take(const Ct__EventEnvelope *envelope)
{
	Ct__TaskExit *exit;
	struct report *report;

	if (!envelope->event || !is_ours(envelope->namespace_))
		return;
	exit = ct__task_exit__unpack(NULL, envelope->event->value.len, envelope->event->value.data);
	if (!exit)
		return;
	/* Only the first process of a container; an exec has an id of its own. */
	if (strcmp(exit->id, exit->container_id) == 0) {
		report = kk_xalloc(sizeof *report);
		*report = (struct report){
			.namespace = kk_xstrdup(envelope->namespace_),
			.id = kk_xstrdup(exit->container_id),
			.exit_status = exit->exit_status,
			.exited_at = ct_time(exit->exited_at),
		};
		report_put(report);
	}
	ct__task_exit__free_unpacked(exit, NULL);
}

static int marker_publish(struct kk_err *err)
{
	const struct ct_ctx ctx = {
		.namespace = "kukeon-marker",
		.deadline_ms = kk_clock_ms() + MARKER_LIMIT_MS,
	};
	Ct__EventPublishRequest req = CT__EVENT_PUBLISH_REQUEST__INIT;
	Ct__Any any = CT__ANY__INIT;

	any.type_url = (char *)"containerd.events.TaskIO";
	req.topic = (char *)TOPIC_MARKER;
	req.event = &any;
	return ct_unary(&ctx, "events.v1.Events/Publish", &req.base, &ct__empty__descriptor, NULL,
		err);
}

static int stream_follow(struct kk_err *err)
{
	const struct ct_ctx ctx = {.deadline_ms = INT64_MAX / 4};
	char *filters[] = {
		(char *)"topic==\"" TOPIC_EXIT "\"", (char *)"topic==\"" TOPIC_MARKER "\""};
	Ct__EventSubscribeRequest req = CT__EVENT_SUBSCRIBE_REQUEST__INIT;
	kk_auto(ct_stream_freep) struct ct_stream *stream = NULL;
	bool is_live = false;
	int r = ct_stream_open(&ctx, "events.v1.Events/Subscribe", &stream, err);

	req.n_filters = KK_COUNT(filters);
	req.filters = filters;
	if (r == 0)
		r = ct_stream_send(stream, &req.base, true, err);
	while (r >= 0) {
		ct_auto_message Ct__EventEnvelope *envelope = NULL;

		/* Nothing says when the subscription begins to count, so the marker is repeated. */
		if (!is_live && marker_publish(err) < 0)
			return kk_failed(err);
		r = ct_stream_recv(stream, &ct__event_envelope__descriptor,
			is_live ? CT_NO_LIMIT : MARKER_PAUSE_MS, &envelope, err);
		if (r <= 0)
			break;
		if (!envelope)
			continue;
		if (strcmp(envelope->topic, TOPIC_EXIT) == 0) {
			exit_take(envelope);
		} else if (!is_live) {
			is_live = true;
			kk_info("following containerd's events");
			report_put(kk_xalloc(sizeof(struct report)));
		}
	}
	return r;
}

static void *events_run(void *arg)
{
	const struct timespec pause = {.tv_nsec = RECONNECT_PAUSE_MS * 1000000L};
	bool was_told = false;

	(void)arg;
	for (;;) {
		struct kk_err err = {0};
		char text[KK_ERR_TEXT];
		int64_t began = kk_clock_ms();

		stream_follow(&err);
		if (kk_clock_ms() - began > 1000)
			was_told = false;
		if (!was_told) {
			kk_err_format(&err, text, sizeof text);
			kk_warning("containerd's event stream ended, opening it again: %s", text);
			was_told = true;
		}
		nanosleep(&pause, NULL);
	}
	return NULL;
}

int ct_events_start(struct kk_worker *worker, struct kk_err *err)
{
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	events.worker = worker;
	events.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (events.fd < 0)
		return kk_fail_errno(err, KK_E_IO, "create an eventfd");
	if (!kk_watch_new(worker->loop, "containerd events", events.fd, KK_READ, reports_on_ready,
		    NULL))
		return kk_fail(err, KK_E_NOMEM, "no memory for the event stream");
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	r = pthread_create(&thread, &attr, events_run, NULL);
	pthread_attr_destroy(&attr);
	if (r != 0)
		return kk_fail(err, KK_E_IO, "start the event thread: %s", kk_errno_text(r));
	return 0;
}
