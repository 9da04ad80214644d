/* client/terminal.c - the terminal that we are started at, while another one has its place. */
#include "cli.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { SIGNALS_MAX = 8 };

volatile sig_atomic_t cli_caught, cli_is_resized;

static struct termios former;
static bool is_raw;
static struct {
	int signo;
	struct sigaction action;
} formers[SIGNALS_MAX];
static size_t n_formers;

void cli_terminal_restore(void)
{
	if (is_raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &former);
	is_raw = false;
}

void cli_terminal_raw(void)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &former) < 0)
		return;
	raw = former;
	cfmakeraw(&raw);
	is_raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
	atexit(cli_terminal_restore);
}

int cli_terminal_size(uint16_t *ret_rows, uint16_t *ret_columns)
{
	struct winsize size;

	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0 &&
		ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
		return -1;
	*ret_rows = size.ws_row;
	*ret_columns = size.ws_col;
	return 0;
}

static void on_signal(int signo)
{
	if (signo == SIGWINCH)
		cli_is_resized = 1;
	else
		cli_caught = signo;
}

void cli_signals_catch(const int *signos, size_t n)
{
	const struct sigaction action = {.sa_handler = on_signal};

	for (n_formers = 0; n_formers < n && n_formers < SIGNALS_MAX; n_formers++) {
		formers[n_formers].signo = signos[n_formers];
		sigaction(signos[n_formers], &action, &formers[n_formers].action);
	}
}

int cli_signals_poll(struct pollfd *fds, nfds_t n)
{
	sigset_t ours, mask;
	int r = 0;

	sigemptyset(&ours);
	for (size_t i = 0; i < n_formers; i++)
		sigaddset(&ours, formers[i].signo);
	sigprocmask(SIG_BLOCK, &ours, &mask);
	if (!cli_caught && !cli_is_resized)
		r = ppoll(fds, n, NULL, &mask);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	return r;
}

void cli_signals_release(void)
{
	while (n_formers) {
		n_formers--;
		sigaction(formers[n_formers].signo, &formers[n_formers].action, NULL);
	}
}
