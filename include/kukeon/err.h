/* include/kukeon/err.h - the one error type: set once where the cause is known, wrapped on the way. */
#ifndef KK_ERR_H
#define KK_ERR_H

#include <stddef.h>

enum {
	KK_ERR_FRAMES = 8,
	KK_ERR_TEXT = 1024,
};

/* Result codes are negative; 0 is success. */
enum kk_code {
	KK_OK = 0,
	KK_CODE_BASE = -1000,
#define KK_ERROR(code, kind, exit_status, retry, meaning) KK_E_##code,
#include <kukeon/errors.def>
#undef KK_ERROR
	KK_CODE_END,
};

struct kk_err_frame {
	const char *where; /* file:line, static */
	char text[KK_ERR_TEXT];
};

/* Lives on the caller's stack; start with `struct kk_err err = {0};`. Frame 0 is the origin. */
struct kk_err {
	int code;
	int sys_errno;
	unsigned n_frames;
	struct kk_err_frame frames[KK_ERR_FRAMES];
};

#define KK_STRINGIFY_(x) #x
#define KK_STRINGIFY(x) KK_STRINGIFY_(x)
#define KK_WHERE __FILE__ ":" KK_STRINGIFY(__LINE__)

/* What makes it certain, for the compiler and for analyzers, that a failure is negative. */
static inline int kk_negative(int code)
{
	return code < 0 ? code : KK_E_INTERNAL;
}

/* Set the code, once, where the cause is known. Returns @code. A NULL @err is allowed. */
#define kk_fail(err, code, ...) kk_negative(kk_err_set((err), (code), 0, KK_WHERE, __VA_ARGS__))
/* The same, keeping errno and appending its text. */
#define kk_fail_errno(err, code, ...) \
	kk_negative(kk_err_set_errno((err), (code), KK_WHERE, __VA_ARGS__))
/* Add what was being done when the error came by. Returns the code that is set. */
#define kk_wrap(err, ...) kk_negative(kk_err_wrap((err), KK_WHERE, __VA_ARGS__))

int kk_err_set(struct kk_err *err, int code, int sys_errno, const char *where, const char *format,
	...) __attribute__((format(printf, 5, 6)));
int kk_err_set_errno(struct kk_err *err, int code, const char *where, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
int kk_err_wrap(struct kk_err *err, const char *where, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The code of an error that is known to be set: for `return kk_failed(err);`. */
static inline int kk_failed(const struct kk_err *err)
{
	return kk_negative(err->code);
}

/* Give the error another code: at the border of a folder only, e.g. a gRPC status. Returns @code. */
int kk_recode(struct kk_err *err, int code);

/* Make the error empty again, for a caller that coped with it. */
void kk_err_clear(struct kk_err *err);

/* Write the frames, outermost first, joined by ": ". @size in bytes, always terminated. */
void kk_err_format(const struct kk_err *err, char *buf, size_t size);
/* The same without the hint, which stands on a line of its own. */
void kk_err_line(const struct kk_err *err, char *buf, size_t size);

/* Where the error began, as file:line. */
const char *kk_err_origin(const struct kk_err *err);

/* The text of an errno in lower case, as it stands within a sentence; good until the thread's next call. */
const char *kk_errno_text(int sys_errno);

const char *kk_code_name(int code);    /* "CELL_NOT_FOUND" */
const char *kk_code_kind(int code);    /* "CellNotFound"; "Unknown" for anything else */
const char *kk_code_meaning(int code); /* one line */
int kk_code_exit(int code);            /* exit status of a command that ends with it */

#endif
