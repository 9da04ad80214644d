/* ipc/base/oom.c */
#include <kukeon/oom.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <kukeon/auto.h>

static int file_open(int pid, int flags)
{
	char path[64] = "/proc/self/oom_score_adj";

	if (pid)
		snprintf(path, sizeof path, "/proc/%d/oom_score_adj", pid);
	return open(path, flags | O_CLOEXEC);
}

int kk_oom_score_get(int pid)
{
	kk_auto_fd int fd = file_open(pid, O_RDONLY);
	char text[16];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	return (int)strtol(text, NULL, 10);
}

static int score_set(int pid, int score)
{
	kk_auto_fd int fd = file_open(pid, O_WRONLY);
	char text[16];
	int n = snprintf(text, sizeof text, "%d", score);

	return fd >= 0 && write(fd, text, (size_t)n) == n ? 0 : -1;
}

void kk_oom_score_enter(int score)
{
	if (score_set(0, score) < 0)
		(void)score_set(0, kk_oom_score_get(0) + 1);
}

void kk_oom_score_raise(int pid, int score)
{
	int own = kk_oom_score_get(0), wanted = score > own ? score : own + 1;

	if (kk_oom_score_get(pid) < wanted)
		(void)score_set(pid, wanted);
}
