/* workers/common/sandbox.h - what a worker can't do any more once it has its configuration. */
#ifndef KK_WORKERS_SANDBOX_H
#define KK_WORKERS_SANDBOX_H

#include <kukeon/err.h>
#include <kukeon/msg.h>

/* Drop what @role does not need: capabilities, privileges to come by exec, system calls; set its limits and its
 * place in the order of the kernel's killing for memory. @mode is what a forbidden system call does:
 *   kill  it ends the worker, with a report
 *   deny  it fails with EPERM, and the audit log tells
 *   off   nothing is forbidden
 * Threads must not have been started yet. Fails with KK_E_PERMISSION or KK_E_CONFIG. */
int kk_sandbox_enter(enum kk_role role, const char *mode, struct kk_err *err);

#endif
