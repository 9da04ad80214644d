/* client/ssh.c - kukeond of another machine, by the ssh of this one, with the keys, names and proxies that its user has
 * set up. It runs kuke there: one that leads on to the socket, or, of a verb that needs more of the host than the API,
 * that very verb. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kukeon/mem.h>

#define OVER_SSH "KUKE_OVER_SSH"

enum {
	WORDS_MAX = 32,
	CHUNK = 4096,
	SAID_MAX = 64 * 1024,
	STATUS_NO_KUKE = 127, /* of a shell */
	STATUS_SSH = 255,     /* of ssh itself */
};

/* The command line of ssh; its words are borrowed. */
struct words {
	const char *items[WORDS_MAX];
	size_t n;
};

/* --- what ssh is told --- */

static const char *const options[] = {
	"ssh",
	/* Nothing but this session goes there, whatever its user has set up for others. */
	"-a",
	"-x",
	"-oClearAllForwardings=yes",
	"-oRemoteCommand=none",
	/* It may go along with the sessions of others. They must not go along with it: we end it. */
	"-oControlMaster=no",
	/* Each byte goes to the other side, as it is. */
	"-oEscapeChar=none",
	/* It says something only where it fails. */
	"-oLogLevel=ERROR",
	"-oConnectTimeout=10",
	"-oServerAliveInterval=10",
};

static void add(struct words *words, const char *word)
{
	words->items[words->n++] = word;
}

/* May ssh ask for a passphrase? It does so at the terminal itself, where we are in its foreground. */
static bool has_terminal(const struct cli *cli)
{
	kk_auto_fd int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);

	return !cli->is_quiet && fd >= 0 && tcgetpgrp(fd) == getpgrp();
}

static void session_add(struct words *words, const struct cli *cli, const struct cli_host *host)
{
	for (size_t i = 0; i < KK_COUNT(options); i++)
		add(words, options[i]);
	if (!has_terminal(cli))
		add(words, "-oBatchMode=yes");
	if (host->port) {
		add(words, "-p");
		add(words, host->port);
	}
	if (host->user) {
		add(words, "-l");
		add(words, host->user);
	}
}

static void command_add(struct words *words, const struct cli_host *host, const char *command)
{
	add(words, "--");
	add(words, host->name);
	add(words, command);
}

/* A word that no shell makes anything else of. */
static void quote(struct kk_buf *buf, const char *word)
{
	kk_buf_str(buf, " '");
	for (; *word; word++) {
		if (*word == '\'')
			kk_buf_str(buf, "'\\''");
		else
			kk_buf_char(buf, *word);
	}
	kk_buf_char(buf, '\'');
}

static void flag_quote(struct kk_buf *buf, const char *name, const char *value)
{
	kk_auto_free char *word = kk_xprintf("--%s=%s", name, value);

	quote(buf, word);
}

/* That it is the daemon's work was decided here. */
static void kuke_begin(struct kk_buf *buf, const struct cli_host *host)
{
	kk_buf_str(buf, "env " OVER_SSH "=1 KUKEON_NO_DAEMON=false kuke");
	if (host->path) {
		kk_auto_free char *url = kk_xprintf("unix://%s", host->path);

		flag_quote(buf, "host", url);
	}
}

bool cli_is_over_ssh(void)
{
	return getenv(OVER_SSH) != NULL;
}

/* What is about files of this machine stays here. */
static bool is_ours(const struct cli_flag *flag)
{
	return strcmp(flag->name, "host") == 0 || strcmp(flag->name, "configuration") == 0;
}

char *cli_ssh_command(const struct cli *cli, const struct cli_host *host)
{
	struct kk_buf buf = {0};

	kuke_begin(&buf, host);
	for (size_t i = 1; i < cli->depth; i++)
		quote(&buf, cli->path[i]->name);
	for (size_t i = 0; i < cli->n_values; i++) {
		const struct cli_value *value = &cli->values[i];

		if (value->value && value->flag->type != CLI_STRINGS && !is_ours(value->flag))
			flag_quote(&buf, value->flag->name, value->value);
	}
	for (size_t i = 0; i < cli->n_given; i++)
		flag_quote(&buf, cli->given[i].flag->name, cli->given[i].value);
	if (cli->n_args)
		quote(&buf, "--");
	for (size_t i = 0; i < cli->n_args; i++)
		quote(&buf, cli->args[i]);
	return kk_buf_take(&buf);
}

/* --- ssh as a process --- */

static int start(const struct words *words, const int fds[3], const sigset_t *mask, pid_t *ret_pid,
	struct kk_err *err)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r;

	/* Whoever started us may have told us not to mind children. */
	signal(SIGCHLD, SIG_DFL);
	posix_spawn_file_actions_init(&actions);
	/* From above: where one of these was closed, what we have opened may be below. */
	for (int i = 2; i >= 0; i--)
		posix_spawn_file_actions_adddup2(&actions, fds[i], i);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, mask ? POSIX_SPAWN_SETSIGMASK : 0);
	if (mask)
		posix_spawnattr_setsigmask(&attributes, mask);
	r = posix_spawnp(ret_pid, "ssh", &actions, &attributes, (char *const *)words->items,
		environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	if (r == 0)
		return 0;
	return kk_fail(err, KK_E_DIAL, "%s",
		r == ENOENT ? "there is no ssh on this machine: install openssh-client" :
			      kk_errno_text(r));
}

static int status_get(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

void cli_ssh_end(struct cli *cli)
{
	if (!cli->ssh_pid)
		return;
	kill(cli->ssh_pid, SIGTERM);
	status_get(cli->ssh_pid);
	close(cli->ssh_log);
	cli->ssh_pid = 0;
}

/* --- why it fails --- */

static char *said(int log)
{
	kk_auto_free char *text = kk_xalloc(SAID_MAX + 1);
	ssize_t n = pread(log, text, SAID_MAX, 0);

	return n < 0 ? kk_xstrdup("") : kk_steal(&text);
}

/* The last line that is one, without what a terminal would obey; NULL: there is none. */
static char *last_line(const char *text)
{
	const char *last = NULL;
	size_t last_len = 0, len;
	char *line;

	for (; *text; text += len + (text[len] != '\0')) {
		size_t skipped = kk_str_starts(text, "Error: ") ? strlen("Error: ") : 0;

		len = strcspn(text, "\r\n");
		if (skipped + strspn(text + skipped, " \t") >= len)
			continue;
		last = text + skipped;
		last_len = len - skipped;
	}
	if (!last)
		return NULL;
	line = kk_xstrndup(last, last_len - (last[last_len - 1] == '.'));
	for (char *p = line; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	}
	return line;
}

/* The same as a user types it. */
static char *login(const struct cli *cli, const struct cli_host *host)
{
	return kk_xprintf("ssh %s%s%s%s%s%s%s", has_terminal(cli) ? "" : "-oBatchMode=yes ",
		host->port ? "-p " : "", kk_str(host->port), host->port ? " " : "",
		kk_str(host->user), host->user ? "@" : "", host->name);
}

/* By ssh itself, in its words. A refusal stays one, and must not be asked for again and again. */
static int refusal(const struct cli *cli, const struct cli_host *host, const char *text,
	const char *line, struct kk_err *err)
{
	kk_auto_free char *command = login(cli, host);
	bool is_final = strstr(text, "Permission denied (") ||
		strstr(text, "authentication failures") ||
		strstr(text, "Host key verification failed");

	kk_fail(err, is_final ? KK_E_PERMISSION : KK_E_DIAL, "%s — see whether `%s` gets there",
		line, command);
	/* Too many have not logged in yet. */
	if (strstr(text, "_exchange_identification: ") &&
		(strstr(line, "Connection closed") || strstr(line, "Connection reset")))
		err->sys_errno = EBUSY;
	return kk_failed(err);
}

static int no_kuke_fail(const struct cli_host *host, struct kk_err *err)
{
	return kk_fail(err, KK_E_DIAL,
		"there is no kuke on %s: install it there, where a command over ssh finds it",
		host->name);
}

/* @status: of ssh. @text: what it, or kuke there, has said on standard error; @output: on standard output. */
static int failure(const struct cli *cli, const struct cli_host *host, int status, const char *text,
	const char *output, struct kk_err *err)
{
	kk_auto_free char *line = last_line(text), *fallback = last_line(output);

	if (!line)
		line = kk_steal(&fallback);
	if (WIFSIGNALED(status))
		return kk_fail(err, KK_E_DIAL, "ssh was ended by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) == STATUS_NO_KUKE)
		return no_kuke_fail(host, err);
	if (strstr(text, "unknown command \"" CLI_DIAL_VERB "\""))
		return kk_fail(err, KK_E_DIAL,
			"kuke on %s is too old for ssh: install this version there", host->name);
	if (!line)
		return kk_fail(err, KK_E_DIAL, "ssh ended with status %d and no word",
			WEXITSTATUS(status));
	if (WEXITSTATUS(status) == STATUS_SSH)
		return refusal(cli, host, text, line, err);
	return kk_fail(err, KK_E_DIAL, "%s",
		kk_str_starts(line, "dial kukeond at ") ? line + strlen("dial kukeond at ") : line);
}

static int dial_wrap(const struct cli *cli, struct kk_err *err)
{
	return kk_wrap(err, "dial kukeond at %s", cli_host(cli));
}

/* --- a call --- */

/* Whatever a login there prints stands before it. */
static bool greeting_wait(struct cli *cli)
{
	const size_t len = strlen(CLI_GREETING);

	kk_buf_clear(&cli->in);
	while (cli->in.len < SAID_MAX) {
		uint8_t *room = kk_buf_reserve(&cli->in, CHUNK);
		ssize_t n = room ? recv(cli->fd, room, CHUNK, 0) : 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		kk_buf_added(&cli->in, (size_t)n);
		if (cli->in.len >= len &&
			memcmp(cli->in.data + cli->in.len - len, CLI_GREETING, len) == 0)
			return true;
	}
	return false;
}

/* A file, as nobody reads a pipe meanwhile; it does not grow. */
static int log_make(size_t size)
{
	kk_auto_fd int fd = memfd_create("ssh", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0 ||
		(size && fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) < 0))
		return -1;
	return kk_steal_fd(&fd);
}

static int dial_start(struct cli *cli, const struct cli_host *host, struct kk_err *err)
{
	kk_auto_fd int log = log_make(SAID_MAX), ours = -1, theirs = -1;
	kk_auto_buf command = {0};
	struct words words = {0};
	int ends[2];
	pid_t pid;

	if (log < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return kk_fail_errno(err, KK_E_IO, "make a socket for ssh");
	ours = ends[0];
	theirs = ends[1];
	kuke_begin(&command, host);
	kk_buf_str(&command, " " CLI_DIAL_VERB);
	session_add(&words, cli, host);
	add(&words, "-T");
	command_add(&words, host, (char *)command.data);
	if (start(&words, (const int[]){theirs, theirs, log}, NULL, &pid, err) < 0)
		return kk_failed(err);
	cli->fd = kk_steal_fd(&ours);
	cli->ssh_pid = pid;
	cli->ssh_log = kk_steal_fd(&log);
	return 0;
}

int cli_ssh_dial(struct cli *cli, const struct cli_host *host, struct kk_err *err)
{
	kk_auto_free char *text = NULL;
	int status;

	if (dial_start(cli, host, err) < 0)
		return dial_wrap(cli, err);
	if (greeting_wait(cli))
		return 0;
	/* It is at its end, or talks of something else. */
	if (cli->in.len >= SAID_MAX)
		kill(cli->ssh_pid, SIGTERM);
	kk_closep(&cli->fd);
	cli->fd = -1;
	status = status_get(cli->ssh_pid);
	cli->ssh_pid = 0;
	text = said(cli->ssh_log);
	close(cli->ssh_log);
	failure(cli, host, status, text, cli->in.len ? (char *)cli->in.data : "", err);
	return dial_wrap(cli, err);
}

/* --- a verb --- */

static bool is_given(const struct cli *cli, const char *flag)
{
	return cli_has(cli, flag) && cli_bool(cli, flag);
}

/* The status of ssh. What would end us ends it. *@ret_signal: what that was, or 0. */
static int session_wait(pid_t pid, const sigset_t *signals, int *ret_signal)
{
	int signo, status;

	*ret_signal = 0;
	for (;;) {
		signo = sigwaitinfo(signals, NULL);
		if (signo == SIGCHLD && waitpid(pid, &status, WNOHANG) == pid)
			return status;
		if (signo > 0 && signo != SIGCHLD) {
			*ret_signal = signo;
			kill(pid, signo);
		}
	}
}

static int session_start(const struct cli *cli, const struct cli_host *host, int log,
	const sigset_t *mask, pid_t *ret_pid, struct kk_err *err)
{
	/* A descriptor of ours: ssh closes those that it does not know. */
	kk_auto_free char *log_path = kk_xprintf("/proc/%d/fd/%d", (int)getpid(), log);
	kk_auto_free char *command = cli_ssh_command(cli, host);
	kk_auto_fd int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	bool is_tty = (is_given(cli, "tty") || cli_leaf(cli)->is_terminal) && isatty(STDIN_FILENO);
	bool has_input = is_tty || is_given(cli, "stdin");
	struct words words = {0};

	session_add(&words, cli, host);
	add(&words, "-E");
	add(&words, log_path);
	add(&words, is_tty ? "-t" : "-T");
	command_add(&words, host, command);
	return start(&words,
		(const int[]){has_input ? STDIN_FILENO : nothing, STDOUT_FILENO, STDERR_FILENO},
		mask, ret_pid, err);
}

/* What @status of ssh means. One that may be that of a command in a container says nothing of ssh. */
static int session_end(struct cli *cli, const struct cli_host *host, int status, const char *text,
	struct kk_err *err)
{
	kk_auto_free char *line = last_line(text);
	bool is_ambiguous = cli_leaf(cli)->n_mixed > 0;

	if (WIFSIGNALED(status) || (WEXITSTATUS(status) == STATUS_SSH && line))
		return failure(cli, host, status, text, "", err);
	if (WEXITSTATUS(status) == STATUS_SSH && !is_ambiguous)
		return kk_fail(err, KK_E_DIAL, "the connection is lost");
	if (WEXITSTATUS(status) == STATUS_NO_KUKE && !is_ambiguous)
		return no_kuke_fail(host, err);
	cli->status = WEXITSTATUS(status);
	return 0;
}

/* Those that would end us. */
static sigset_t signals_awaited(void)
{
	static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	struct sigaction action;
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	for (size_t i = 0; i < KK_COUNT(ends); i++) {
		if (sigaction(ends[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			sigaddset(&signals, ends[i]);
	}
	return signals;
}

int cli_ssh_run(struct cli *cli, struct kk_err *err)
{
	kk_auto(cli_host_release) struct cli_host host = {0};
	const sigset_t signals = signals_awaited();
	kk_auto_fd int log = log_make(0);
	kk_auto_free char *text = NULL;
	int status, signo;
	sigset_t mask;
	pid_t pid;

	if (cli_host_find(cli, &host, err) < 0)
		return kk_failed(err);
	if (log < 0)
		return kk_fail_errno(err, KK_E_IO, "make a file for what ssh says");
	sigprocmask(SIG_BLOCK, &signals, &mask);
	if (session_start(cli, &host, log, &mask, &pid, err) < 0)
		return dial_wrap(cli, err);
	status = session_wait(pid, &signals, &signo);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	if (signo) {
		/* It is the regular end of a look. */
		cli->status = is_given(cli, "follow") ? EXIT_SUCCESS : 128 + signo;
		return 0;
	}
	text = said(log);
	return session_end(cli, &host, status, text, err) < 0 ? dial_wrap(cli, err) : 0;
}

int cli_ssh_do(struct cli *cli, const char *const *words, size_t n, struct kk_err *err)
{
	struct cli there = {.fd = -1};
	bool is_help;

	if (cli_parse(&there, (int)n, (char **)words, &is_help, err) < 0 ||
		cli_try(&there, cli_ssh_run, err) < 0)
		return kk_failed(err);
	cli->status = there.status;
	return 0;
}
