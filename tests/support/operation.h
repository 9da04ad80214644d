/* tests/support/operation.h - what is done to the state on disk, from the save of one document to a cascade,
 * in the working directory: the run path is "run", the leases are in "cni". All that is no file is played. */
#ifndef KK_SUPPORT_OPERATION_H
#define KK_SUPPORT_OPERATION_H

#include <stdbool.h>
#include <stddef.h>

#include <kukeon/err.h>

#include "disk.h"

struct operation {
	const char *name;
	int (*run)(struct kk_err *err);
	bool has_steps; /* one that failed may have done some of them */
};

/* Operations that follow each other. */
struct scenario {
	const char *name;
	void (*prepare)(void); /* what was there long before */
	const struct operation *operations;
	size_t n;
};

extern const struct scenario scenarios[];
extern const size_t n_scenarios;

/* What its files are. */
enum disk_class operation_class_of(const char *path);

/* For each process that does them. */
void operation_setup(void);

/* The daemon has started: it has no document in memory. The machine has: there are no links, no namespaces and
 * no containers either. */
void operation_restart(void);
void operation_boot(void);

/* Fails the test where it does not succeed. */
void operation_do(const struct operation *operation);

/* In a directory of its own below this one, which is removed by live_leave: the first @n operations, done. */
void live_enter(const struct scenario *scenario, size_t n);
void live_leave(void);

/* Load all there is, as a daemon does. Fails the test for a document that can't be read. */
void operation_load_all(void);

#endif
