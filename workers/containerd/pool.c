/* workers/containerd/pool.c - threads for handlers: a call to containerd may take seconds, and the loop
 * must go on answering pings. Finished calls come back to the loop through an eventfd. */
#include "ct.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <kukeon/dispatch.h>
#include <kukeon/log.h>
#include <kukeon/loop.h>
#include <kukeon/mem.h>
#include <kukeon/worker.h>

enum { THREADS_MAX = 24, STACK_BYTES = 512 * 1024 };

struct job {
	struct job *next;
	struct kk_call *call;
};

struct queue {
	struct job *first;
	struct job **end;
};

struct lock {
	struct lock *next;
	char *name;
};

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t wanted;   /* a job came in */
	pthread_cond_t unlocked; /* a container was unlocked */
	struct queue waiting;
	struct queue done;
	struct lock *locks;
	int done_fd;
	unsigned n_threads;
	unsigned n_idle;
} pool = {
	.mutex = PTHREAD_MUTEX_INITIALIZER,
	.wanted = PTHREAD_COND_INITIALIZER,
	.unlocked = PTHREAD_COND_INITIALIZER,
};

static void queue_put(struct queue *queue, struct job *job)
{
	job->next = NULL;
	if (!queue->first)
		queue->end = &queue->first;
	*queue->end = job;
	queue->end = &job->next;
}

static struct job *queue_get(struct queue *queue)
{
	struct job *job = queue->first;

	if (job)
		queue->first = job->next;
	return job;
}

static void *thread_run(void *arg)
{
	static const uint64_t one = 1;

	(void)arg;
	pthread_mutex_lock(&pool.mutex);
	for (;;) {
		struct job *job;

		pool.n_idle++;
		while (!(job = queue_get(&pool.waiting)))
			pthread_cond_wait(&pool.wanted, &pool.mutex);
		pool.n_idle--;
		pthread_mutex_unlock(&pool.mutex);
		kk_log_set_op(job->call->op);
		kk_call_run(job->call);
		kk_log_set_op(0);
		pthread_mutex_lock(&pool.mutex);
		queue_put(&pool.done, job);
		if (write(pool.done_fd, &one, sizeof one) < 0)
			kk_error("the loop can't be woken: %m");
	}
	return NULL;
}

/* Signals are the loop's. */
static int thread_start(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	r = pthread_create(&thread, &attr, thread_run, NULL);
	pthread_attr_destroy(&attr);
	return r;
}

static void pool_submit(struct kk_call *call, void *arg)
{
	struct job *job = kk_xalloc(sizeof *job);

	(void)arg;
	job->call = call;
	pthread_mutex_lock(&pool.mutex);
	queue_put(&pool.waiting, job);
	if (pool.n_idle == 0 && pool.n_threads < THREADS_MAX) {
		if (thread_start() == 0)
			pool.n_threads++;
		else if (pool.n_threads == 0)
			kk_error("no thread can be started");
	}
	pthread_cond_signal(&pool.wanted);
	pthread_mutex_unlock(&pool.mutex);
}

static void pool_on_done(int fd, unsigned what, void *arg)
{
	uint64_t count;

	(void)what;
	(void)arg;
	if (read(fd, &count, sizeof count) < 0)
		return;
	for (;;) {
		struct job *job;

		pthread_mutex_lock(&pool.mutex);
		job = queue_get(&pool.done);
		pthread_mutex_unlock(&pool.mutex);
		if (!job)
			return;
		kk_call_finish(job->call);
		free(job);
	}
}

int ct_pool_start(struct kk_worker *worker, struct kk_err *err)
{
	pool.done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pool.done_fd < 0)
		return kk_fail_errno(err, KK_E_IO, "create an eventfd");
	if (!kk_watch_new(worker->loop, "finished calls", pool.done_fd, KK_READ, pool_on_done,
		    NULL))
		return kk_fail(err, KK_E_NOMEM, "no memory for the thread pool");
	worker->dispatch.submit = pool_submit;
	return 0;
}

/* The first of that name is held, the others wait in their order. */
static struct lock **lock_find(const char *name)
{
	struct lock **link = &pool.locks;

	while (*link && strcmp((*link)->name, name) != 0)
		link = &(*link)->next;
	return link;
}

void ct_container_lock(const char *namespace, const char *id)
{
	struct lock *lock = kk_xalloc(sizeof *lock), **end = &pool.locks;

	lock->name = kk_xprintf("%s/%s", namespace, id);
	pthread_mutex_lock(&pool.mutex);
	while (*end)
		end = &(*end)->next;
	*end = lock;
	while (*lock_find(lock->name) != lock)
		pthread_cond_wait(&pool.unlocked, &pool.mutex);
	pthread_mutex_unlock(&pool.mutex);
}

void ct_container_unlock(const char *namespace, const char *id)
{
	kk_auto_free char *name = kk_xprintf("%s/%s", namespace, id);
	struct lock **link, *lock;

	pthread_mutex_lock(&pool.mutex);
	link = lock_find(name);
	lock = *link;
	assert(lock);
	*link = lock->next;
	pthread_cond_broadcast(&pool.unlocked);
	pthread_mutex_unlock(&pool.mutex);
	free(lock->name);
	free(lock);
}
