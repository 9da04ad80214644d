/* tests/bench/roundtrip.c - roundtrip KUKEOND N: the time of a message to a worker and back, through the
 * channel that the supervisor uses; median and 99th percentile in microseconds. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kukeon/chan.h>
#include <kukeon/clock.h>
#include <kukeon/loop.h>
#include <kukeon/mem.h>
#include <kukeon/msg.h>
#include <kukeon/worker.h>

#include "sample.h"

struct series {
	struct kk_loop *loop;
	int64_t *samples;
	int64_t sent_us;
	size_t n;
	size_t max;
};

static void ping(struct kk_chan *chan, struct series *series)
{
	struct kk_envelope env = {
		.kind = KK_ENVELOPE_PING,
		.id = series->n + 1,
		.source = KK_ROLE_supervisor,
		.target = KK_ROLE_cgroup,
	};

	series->sent_us = kk_clock_us();
	(void)kk_chan_send(chan, &env);
}

static void chan_on_message(struct kk_chan *chan, const struct kk_envelope *env, void *arg)
{
	struct series *series = arg;

	if (!env) {
		fprintf(stderr, "roundtrip: the worker is gone\n");
		exit(1);
	}
	series->samples[series->n++] = kk_clock_us() - series->sent_us;
	if (series->n == series->max)
		kk_loop_stop(series->loop);
	else
		ping(chan, series);
}

int main(int argc, char **argv)
{
	struct series series = {.max = argc == 3 ? (size_t)strtoul(argv[2], NULL, 10) : 0};
	struct kk_chan *chan;
	int line[2];
	pid_t pid;

	if (series.max == 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line) < 0) {
		fprintf(stderr, "usage: roundtrip KUKEOND N\n");
		return 2;
	}
	pid = fork();
	if (pid == 0) {
		dup2(line[1], KK_WORKER_FD);
		execl(argv[1], "kukeond: cgroup", (char *)NULL);
		_exit(127);
	}
	close(line[1]);
	series.samples = kk_xalloc(series.max * sizeof series.samples[0]);
	series.loop = kk_loop_new();
	chan = kk_chan_new(series.loop, "worker", line[0], chan_on_message, &series);
	if (!chan)
		return 1;
	ping(chan, &series);
	kk_loop_run(series.loop);
	sample_print(series.samples, series.n);
	kk_chan_free(chan);
	kk_loop_free(series.loop);
	free(series.samples);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return 0;
}
