/* workers/kuketty/main.c - containerd's shim starts us as the log of a container, and gives us the reading ends of its
 * outputs. They must never close while it lives: its writes would fail, or its terminal would stand still. So this process
 * only keeps them, and has a child that does the work and may die. Both end when the outputs do.
 *
 * Nothing else has to live for that: not kukeond, not containerd, and nobody who looks. */
#include "kuketty.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <kukeon/auto.h>
#include <kukeon/oom.h>

enum { EXIT_USAGE = 64, AGAIN_MS = 100, FD_READY = 5 };

static volatile sig_atomic_t child;
static volatile sig_atomic_t is_told;

/* The shim's: it will not wait much longer. */
static void on_term(int signo)
{
	is_told = 1;
	if (child > 0)
		kill(child, signo);
}

/* Whether it ended well. */
static bool child_wait(void)
{
	int status;

	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return true;
	}
	child = 0;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* The shim may have others open, and whoever started containerd. */
static void others_close(void)
{
	(void)syscall(SYS_close_range, FD_READY + 1, ~0U, 0);
}

int main(int argc, char **argv)
{
	const struct timespec pause = {.tv_nsec = AGAIN_MS * 1000000L};
	struct tty_options options;
	sigset_t term, before;
	int ready = FD_READY;

	if (tty_options_parse(argc, argv, &options) < 0) {
		fprintf(stderr, "kuketty: started by containerd's shim, for kukeond\n");
		return EXIT_USAGE;
	}
	setsid();
	umask(0027);
	others_close();
	kk_oom_score_enter(KK_OOM_SHIM);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	signal(SIGTERM, on_term);
	for (;;) {
		sigprocmask(SIG_BLOCK, &term, &before);
		child = fork();
		if (child == 0)
			return tty_hold(&options, ready);
		sigprocmask(SIG_SETMASK, &before, NULL);
		/* Where there is no room for one more process the container has to wait. */
		if (child > 0) {
			kk_closep(&ready);
			ready = -1;
			if (child_wait())
				return 0;
		}
		if (is_told)
			return 0;
		nanosleep(&pause, NULL);
	}
}
