/* include/kukeon/capability.h - privileges of this process, given up for good. */
#ifndef KK_CAPABILITY_H
#define KK_CAPABILITY_H

#include <stdbool.h>

#include <kukeon/err.h>

/* Keep the capabilities @names, separated by commas, and no others; nor can any exec bring more. @is_effective:
 * they can be used; if not, they only are for the programs that are started from here. Fails with
 * KK_E_PERMISSION or, for a name that is none, KK_E_INTERNAL. */
int kk_capabilities_keep(const char *names, bool is_effective, struct kk_err *err);

/* May this process, or one that it starts, have it? Not where the host itself has been denied it. */
bool kk_capability_is_allowed(const char *name);

#endif
