/* tests/support/disk.h - the file system under a test: each call is counted, may fail on demand, and is kept,
 * so that whatever a power cut can have left of it can be laid out and looked at.
 *
 * tests/support/wrap/disk.c takes the calls over, power.c cuts the power; a program is linked with it where tests/module.mk says so.
 * What counts lies below the working directory, in relative paths. Nothing is ever synced for real. */
#ifndef KK_SUPPORT_DISK_H
#define KK_SUPPORT_DISK_H

#include <stdbool.h>
#include <stddef.h>

/* What a path is, by its name. */
enum disk_class {
	DISK_DURABLE, /* whole and safe, in one of the versions that were there since the last promise */
	DISK_LEFTOVER, /* temporary: may be there, in any shape */
	DISK_VOLATILE, /* not promised to anybody; a power cut takes all of it, or empties its files */
};
typedef enum disk_class (*disk_class_f)(const char *path);

/* Take what lies below the working directory for safe on disk; count and keep calls from now on. */
void disk_begin(disk_class_f class_of);
void disk_end(void);

/* Of a path that the code under test has built in: @to takes the place of the front @from. Both are kept. */
void disk_redirect(const char *from, const char *to);

/* What is there now was promised to somebody, and must survive from now on. */
void disk_promise(void);

/* Calls since disk_begin or disk_reset. */
size_t disk_calls(void);
void disk_reset(void);

/* The call with this number, 1 is the next, fails with @error. A write that is to fail writes half first. */
void disk_fail(size_t nth, int error);
/* From this call on nothing has an effect any more, as if the process had died before it. */
void disk_die(size_t nth);
void disk_heal(void);       /* neither of them */
bool disk_has_hit(void);    /* did the call come that was to fail? */
const char *disk_hit(void); /* its name */

/* Keep what was there at each promise (0: the beginning), beyond this series of calls; and compare the working
 * directory with it. What is volatile does not count. Fails the test, and says what differs. */
void disk_remember(void);
void disk_expect(size_t nth);
void disk_ignore(const char *front); /* lines of files that begin so may differ; kept */

size_t disk_fds(void); /* open ones */

struct disk_state {
	size_t n_promises; /* made before the cut */
	size_t n_events;   /* that had come before the cut */
};
/* Called for each state with it laid out in the working directory; calls are not counted. */
typedef void (*disk_state_f)(const struct disk_state *state, void *arg);

struct disk_count {
	size_t n_points; /* places in the series of events at which the power was cut */
	size_t n_states; /* what a file system may have made of them, over all points */
	size_t n_looked; /* different ones among them */
};

/* Stop counting, cut the power behind each event (of those behind the last promise, if @is_last_only) and call
 * @fn, unless it is NULL, for what may be on disk then: each subset of the names that were not synced, each
 * fate of data that was not. What is not as its class says fails the test. Adds to @count. */
void disk_cut(bool is_last_only, disk_state_f fn, void *arg, struct disk_count *count);

#endif
