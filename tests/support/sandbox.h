/* tests/support/sandbox.h - a Check program in namespaces of its own, and what it needs of the host.
 *
 * All processes, mounts and links of such a program end with it, whatever way it ends. What namespaces do
 * not cover (a directory below /tmp and cgroups) carries the name of the run, and is removed behind it. */
#ifndef KK_SUPPORT_SANDBOX_H
#define KK_SUPPORT_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <check.h>
#include <jansson.h>

/* The names of this run. */
struct ts_run {
	char id[16];       /* "i" and six digits */
	char instance[16]; /* eight hex digits, as a run path has */
	char dir[64];      /* for whatever a test wants to put somewhere */
	char cgroup[32];   /* "/kuke-<id>" */
	char suffix[32];   /* of containerd namespaces */
};
struct ts_run *ts_run(void);

/* Run the suite that @make returns in new pid and mount namespaces. For main to return. Needs root:
 * without it, all is skipped. */
int ts_sandbox_run(Suite *(*make)(void));

/* For fixtures: what the calling process and its children see from now on. */
void ts_sandbox_net(void);     /* a network with nothing but lo, and nothing in /var/lib/cni */
void ts_sandbox_run_dir(void); /* nothing in /run */

/* Everything below is kept until the program ends: nothing has to be freed. */
char *ts_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Run a shell command and return what it wrote; the test fails where its status is not 0. */
char *ts_shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool ts_shell_ok(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, and read its output as JSON. */
json_t *ts_shell_json(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Content of a file; the test fails where there is none. */
char *ts_file(const char *path);
void ts_file_put(const char *path, const char *text);
bool ts_exists(const char *path);

/* Call @check until it holds, for what has no event; false when it did not within @limit_ms. */
bool ts_until(bool (*check)(void *arg), void *arg, int64_t limit_ms);

/* Remove the cgroups of this run, in which no process may be left. False when some stay. */
bool ts_cgroups_sweep(void);

/* A child that runs @fn and then _exits with its result; it dies with the test. */
pid_t ts_child(int (*fn)(void *arg), void *arg);
int ts_child_status(pid_t pid); /* waits, with a limit */

#endif
