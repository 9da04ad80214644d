/* client/terminal.c - the terminal that we are started at, while another one has its place. */
#include "cli.h"

#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static struct termios former;
static bool is_raw;

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
