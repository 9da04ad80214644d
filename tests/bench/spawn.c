/* tests/bench/spawn.c - spawn N COMMAND ARG…: run it N times, print the median and 99th percentile of
 * its wall time, in microseconds. */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fcntl.h>

#include <kukeon/clock.h>
#include <kukeon/mem.h>

#include "sample.h"

static int run_once(char **argv, const posix_spawn_file_actions_t *actions)
{
	int64_t start_us = kk_clock_us();
	int status;
	pid_t pid;

	if (posix_spawnp(&pid, argv[0], actions, NULL, argv, environ) != 0)
		return -1;
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return -1;
	return (int)(kk_clock_us() - start_us);
}

int main(int argc, char **argv)
{
	size_t n = argc > 2 ? (size_t)strtoul(argv[1], NULL, 10) : 0;
	posix_spawn_file_actions_t actions;
	int64_t *samples;

	if (n == 0) {
		fprintf(stderr, "usage: spawn N COMMAND ARG…\n");
		return 2;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	samples = kk_xalloc(n * sizeof samples[0]);
	for (size_t i = 0; i < n; i++) {
		samples[i] = run_once(argv + 2, &actions);
		if (samples[i] < 0) {
			fprintf(stderr, "spawn: '%s' failed\n", argv[2]);
			return 1;
		}
	}
	sample_print(samples, n);
	free(samples);
	posix_spawn_file_actions_destroy(&actions);
	return 0;
}
