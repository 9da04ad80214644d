/* client/parallel.c - the same for many objects: several at once, each in a process with connections of its own; what
 * they print comes in order. */
#include "cli.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kukeon/mem.h>

enum { CHUNK = 4096, SSH_JOBS_MAX = 8 };

/* One of them, under way or done. */
struct job {
	pid_t pid; /* 0: not begun, or over */
	int out, errors;
	bool is_begun, is_over;
	struct cli_result *result;
};

static size_t jobs_max(const struct cli *cli)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	size_t max = n > 0 ? 2 * (size_t)n : 2;

	/* An ssh server turns away those that log in while many others do. */
	if (max > SSH_JOBS_MAX && !cli_is_local(cli) && kk_str_starts(cli_host(cli), CLI_SSH))
		return SSH_JOBS_MAX;
	return max;
}

/* Never returns. */
static void child_run(struct cli *cli, size_t i, cli_each_f fn, void *arg, int out, int errors)
{
	struct kk_err err = {0};
	char text[KK_ERR_TEXT * 2];
	int r;

	if (dup2(out, STDOUT_FILENO) < 0)
		_exit(EXIT_FAILURE);
	r = fn(cli, i, arg, &err);
	fflush(stdout);
	if (r < 0) {
		kk_err_format(&err, text, sizeof text);
		(void)!write(errors, text, strlen(text));
	}
	cli_disconnect(cli);
	_exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

static int job_begin(struct cli *cli, struct job *job, size_t i, cli_each_f fn, void *arg,
	struct kk_err *err)
{
	int out[2], errors[2];

	if (pipe(out) < 0)
		return kk_fail_errno(err, KK_E_IO, "make a pipe");
	if (pipe(errors) < 0) {
		close(out[0]);
		close(out[1]);
		return kk_fail_errno(err, KK_E_IO, "make a pipe");
	}
	fflush(stdout);
	job->pid = fork();
	if (job->pid == 0)
		child_run(cli, i, fn, arg, out[1], errors[1]);
	close(out[1]);
	close(errors[1]);
	job->out = out[0];
	job->errors = errors[0];
	job->is_begun = true;
	return job->pid < 0 ? kk_fail_errno(err, KK_E_IO, "start a process") : 0;
}

static void pipe_read(int *fd, struct kk_buf *buf)
{
	char chunk[CHUNK];
	ssize_t n = read(*fd, chunk, sizeof chunk);

	if (n > 0)
		kk_buf_append(buf, chunk, (size_t)n);
	if (n == 0 || (n < 0 && errno != EINTR)) {
		close(*fd);
		*fd = -1;
	}
}

static void job_end(struct job *job)
{
	int status;

	while (waitpid(job->pid, &status, 0) < 0 && errno == EINTR)
		;
	job->is_over = true;
	job->result->is_failed = !WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS;
}

static void jobs_wait(struct job *jobs, size_t n)
{
	kk_auto_free struct pollfd *fds = kk_xalloc((2 * n + 1) * sizeof *fds);

	for (size_t i = 0; i < n; i++) {
		bool is_running = jobs[i].is_begun && !jobs[i].is_over;

		fds[2 * i] = (struct pollfd){is_running ? jobs[i].out : -1, POLLIN, 0};
		fds[2 * i + 1] = (struct pollfd){is_running ? jobs[i].errors : -1, POLLIN, 0};
	}
	if (poll(fds, (nfds_t)(2 * n), -1) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		if (fds[2 * i].revents)
			pipe_read(&jobs[i].out, &jobs[i].result->out);
		if (fds[2 * i + 1].revents)
			pipe_read(&jobs[i].errors, &jobs[i].result->errors);
		if (jobs[i].is_begun && !jobs[i].is_over && jobs[i].out < 0 && jobs[i].errors < 0)
			job_end(&jobs[i]);
	}
}

int cli_each(struct cli *cli, size_t n, cli_each_f fn, void *arg, struct cli_result *results,
	struct kk_err *err)
{
	kk_auto_free struct job *jobs = kk_xalloc((n + 1) * sizeof *jobs);
	size_t max = jobs_max(cli), n_begun = 0, n_over = 0;
	pid_t progress = cli_progress_begin(cli);
	bool was_quiet = cli->is_quiet;
	int r = 0;

	/* Each has connections of its own. */
	cli_disconnect(cli);
	cli->is_quiet = true;
	for (size_t i = 0; i < n; i++)
		jobs[i].result = &results[i];
	while (n_over < n_begun || (n_begun < n && r == 0)) {
		while (n_begun < n && n_begun - n_over < max && r == 0) {
			r = job_begin(cli, &jobs[n_begun], n_begun, fn, arg, err);
			n_begun += r == 0;
		}
		jobs_wait(jobs, n_begun);
		n_over = 0;
		for (size_t i = 0; i < n_begun; i++)
			n_over += jobs[i].is_over;
	}
	cli->is_quiet = was_quiet;
	cli_progress_end(progress);
	return r;
}

void cli_result_release(struct cli_result *result)
{
	kk_buf_release(&result->out);
	kk_buf_release(&result->errors);
}
