/* supervisor/handover.h - all that a supervisor has, on its way into the program that takes its place.
 *
 * It is a document (struct kk_handover, as JSON in one line) and, behind it, the bytes that its objects
 * have, in the order in which they are put and taken: workers (in, out, log), flights, clients (in, out),
 * calls, kept answers. Descriptors stay open over the exec and keep their numbers. */
#ifndef KK_SUPERVISOR_HANDOVER_H
#define KK_SUPERVISOR_HANDOVER_H

#include <stddef.h>
#include <stdint.h>

#include <kukeon/buf.h>
#include <kukeon/err.h>
#include <kukeon/model.h>

/* Changes when an older program could not take over from a newer one, or the other way round. */
enum { SV_HANDOVER_VERSION = 1 };

struct sv_handover {
	struct kk_handover doc;
	struct kk_buf bytes;
	size_t n_taken;
};

void sv_handover_init(struct sv_handover *handover);
void sv_handover_release(struct sv_handover *handover);

/* Fails with KK_E_NOMEM. */
int sv_handover_put(struct sv_handover *handover, const void *data, size_t len);

/* The next @len bytes, borrowed; NULL: there are not so many. */
const void *sv_handover_take(struct sv_handover *handover, int64_t len);

/* Into an unnamed file: its descriptor. Fails with KK_E_IO or KK_E_NOMEM. */
int sv_handover_write(struct sv_handover *handover, struct kk_err *err);

/* Fails with KK_E_PROTOCOL or KK_E_IO; then @ret_handover owns nothing. */
int sv_handover_read(int fd, struct sv_handover *ret_handover, struct kk_err *err);

/* Should the descriptor @fd be open in the next program? */
void sv_handover_keep_fd(int64_t fd, int is_kept);

/* All descriptors that @handover passes on. */
void sv_handover_keep_fds(const struct sv_handover *handover, int is_kept);

#endif
