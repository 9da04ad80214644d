/* include/kukeon/fault.h - failing on purpose, where a test asks for it.
 *
 * A test arms points with a specification, in KUKEON_FAULTS or by the API method ArmFaults:
 *   dir=/tmp/x;network.lease_taken=1*kill;containerd.*.end=delay(50)
 * An action may be limited to a number of times over all processes and their incarnations, counted by
 * files in `dir`. Actions: note (leave a file <dir>/<point>), kill, crash (SIGABRT), stop (SIGSTOP), exit,
 * hang, delay(ms), error(CODE), corrupt (the next reply), orphan (kill the parent), syscall(number) with zeros
 * for arguments. */
#ifndef KK_FAULT_H
#define KK_FAULT_H

#include <stdbool.h>

#include <kukeon/err.h>

#ifdef KK_WITH_FAULTS

enum kk_fault {
#define KK_FAULT(role, name, when) KK_FAULT_##role##_##name,
#include <kukeon/faults.def>
#undef KK_FAULT
	KK_FAULTS,
};

/* Replace what is armed; "" disarms all. Fails with KK_E_USAGE, naming what makes no sense; then all is as
 * before. */
int kk_fault_arm(const char *specification, struct kk_err *err);

/* 0, or the code of an error that is armed here, with @err set. */
int kk_fault(enum kk_fault fault, struct kk_err *err);
int kk_fault_message(const char *role, const char *message, const char *when, struct kk_err *err);

/* Was `corrupt` armed at a point that this thread has passed? Tells it once. */
bool kk_fault_corrupts(void);

#else

#define kk_fault_arm(specification, err) ((void)(specification), (void)(err), 0)
#define kk_fault(fault, err) 0
#define kk_fault_message(role, message, when, err) 0
#define kk_fault_corrupts() false

#endif
#endif
