/* ipc/base/err.c */
#include <kukeon/err.h>

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <kukeon/utf8.h>

struct code_row {
	const char *name;
	const char *kind;
	const char *meaning;
	int exit_status;
};

static const struct code_row rows[] = {
#define KK_ERROR(code, kind, exit_status, retry, meaning) {#code, kind, meaning, exit_status},
#include <kukeon/errors.def>
#undef KK_ERROR
};

static const struct code_row *row_of(int code)
{
	int i = code - KK_CODE_BASE - 1;

	return i >= 0 && (size_t)i < sizeof rows / sizeof rows[0] ? &rows[i] : NULL;
}

/* A text of @wanted bytes that did not fit ends between two characters. */
static void text_cut(char text[KK_ERR_TEXT], int wanted)
{
	if (wanted >= KK_ERR_TEXT)
		text[kk_utf8_prefix(text, KK_ERR_TEXT - 1)] = '\0';
}

static void frame_add(struct kk_err *err, const char *where, const char *format, va_list ap)
{
	struct kk_err_frame *frame;

	/* A chain deeper than we keep loses its middle, never its origin. */
	if (err->n_frames == KK_ERR_FRAMES)
		err->n_frames--;
	frame = &err->frames[err->n_frames++];
	frame->where = where;
	text_cut(frame->text, vsnprintf(frame->text, sizeof frame->text, format, ap));
}

int kk_err_set(struct kk_err *err, int code, int sys_errno, const char *where, const char *format,
	...)
{
	va_list ap;

	if (!err)
		return code;
	assert(err->code == 0);
	err->code = code;
	err->sys_errno = sys_errno;
	va_start(ap, format);
	frame_add(err, where, format, ap);
	va_end(ap);
	return code;
}

int kk_err_set_errno(struct kk_err *err, int code, const char *where, const char *format, ...)
{
	int saved = errno;
	struct kk_err_frame *frame;
	size_t used;
	va_list ap;

	if (!err)
		return code;
	assert(err->code == 0);
	err->code = code;
	err->sys_errno = saved;
	va_start(ap, format);
	frame_add(err, where, format, ap);
	va_end(ap);
	frame = &err->frames[err->n_frames - 1];
	used = strlen(frame->text);
	snprintf(frame->text + used, sizeof frame->text - used, ": %s", kk_errno_text(saved));
	return code;
}

int kk_err_wrap(struct kk_err *err, const char *where, const char *format, ...)
{
	va_list ap;

	if (!err)
		return KK_E_INTERNAL;
	assert(err->code != 0);
	va_start(ap, format);
	frame_add(err, where, format, ap);
	va_end(ap);
	return kk_failed(err);
}

int kk_recode(struct kk_err *err, int code)
{
	if (err)
		err->code = code;
	return code;
}

void kk_err_clear(struct kk_err *err)
{
	err->code = 0;
	err->sys_errno = 0;
	err->n_frames = 0;
}

void kk_err_format(const struct kk_err *err, char *buf, size_t size)
{
	size_t used = 0;

	if (size == 0)
		return;
	buf[0] = '\0';
	for (unsigned i = err->n_frames; i > 0 && used < size; i--) {
		int n = snprintf(buf + used, size - used, "%s%s", err->frames[i - 1].text,
			i > 1 ? ": " : "");

		if (n < 0)
			return;
		used += (size_t)n;
	}
}

void kk_err_line(const struct kk_err *err, char *buf, size_t size)
{
	kk_err_format(err, buf, size);
	if (size)
		buf[strcspn(buf, "\n")] = '\0';
}

const char *kk_err_origin(const struct kk_err *err)
{
	return err->n_frames ? err->frames[0].where : "";
}

/* musl, which kuketty is made with, has no other than this one. */
#ifndef __GLIBC__
#define strerrordesc_np strerror
#endif

const char *kk_errno_text(int sys_errno)
{
	static _Thread_local char text[128];

	snprintf(text, sizeof text, "%s",
		strerrordesc_np(sys_errno) ? strerrordesc_np(sys_errno) : "unknown error");
	/* "No such file", but "RFS specific error". */
	if (islower((unsigned char)text[1]))
		text[0] = (char)tolower((unsigned char)text[0]);
	return text;
}

const char *kk_code_name(int code)
{
	const struct code_row *row = row_of(code);

	return row ? row->name : "UNKNOWN";
}

const char *kk_code_kind(int code)
{
	const struct code_row *row = row_of(code);

	return row ? row->kind : "Unknown";
}

const char *kk_code_meaning(int code)
{
	const struct code_row *row = row_of(code);

	return row ? row->meaning : "an error that this version does not know";
}

int kk_code_exit(int code)
{
	const struct code_row *row = row_of(code);

	return row ? row->exit_status : 1;
}
