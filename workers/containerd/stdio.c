/* workers/containerd/stdio.c - where the outputs of a container go: to a kuketty of its own, which the shim starts and which
 * needs neither us nor containerd. That it is outside of the container keeps it out of its memory, user, root and what else
 * the container may lack; that it is the shim's child gives it the same life as the outputs. */
#include "ct.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kukeon/buf.h>
#include <kukeon/fd.h>
#include <kukeon/mem.h>

enum { PROGRAM_MAX = 4 * 1024 * 1024, SCROLLBACK_BYTES = 256 * 1024 };

static struct {
	char *program;
	char *log_level;
} stdio;

void ct_stdio_open(const struct kk_req_worker_start *config)
{
	kk_str_set(&stdio.program, NULL);
	stdio.program = kk_xprintf("%s/bin/kuketty", kk_str(config->run_path));
	kk_str_set(&stdio.log_level, config->kuketty_log_level);
}

/* Is what lies there ours, byte for byte? */
static bool is_current(const char *data, size_t len)
{
	kk_auto_buf text = {.max = PROGRAM_MAX};
	struct stat st;

	return stat(stdio.program, &st) == 0 && (size_t)st.st_size == len && st.st_mode & 0111 &&
		kk_file_read(stdio.program, &text, NULL) == 0 && memcmp(text.data, data, len) == 0;
}

/* Those that run keep the file that they were started from. */
static int program_stage(struct kk_err *err)
{
	kk_auto_free char *dir = kk_xstrdup(stdio.program);
	size_t len;
	const char *data = ct_kuketty_data(&len);

	if (is_current(data, len))
		return 0;
	*strrchr(dir, '/') = '\0';
	return kk_dir_make(dir, 0755, err) < 0 ?
		kk_failed(err) :
		kk_file_replace(stdio.program, data, len, 0755, err);
}

static char *dir_of(const char *path)
{
	return kk_xstrndup(path, (size_t)(strrchr(path, '/') - path));
}

/* --- the address that containerd hands on to the shim --- */

static void escaped_add(struct kk_buf *uri, const char *text)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./";

	for (; *text; text++) {
		if (strchr(plain, *text))
			kk_buf_char(uri, *text);
		else
			kk_buf_printf(uri, "%%%02X", (unsigned char)*text);
	}
}

static void option_add(struct kk_buf *uri, const char *name, const char *value)
{
	kk_buf_printf(uri, "%c%s=", strchr((char *)uri->data, '?') ? '&' : '?', name);
	escaped_add(uri, value);
}

static void number_add(struct kk_buf *uri, const char *name, int64_t value)
{
	kk_buf_printf(uri, "%c%s=%lld", strchr((char *)uri->data, '?') ? '&' : '?', name,
		(long long)value);
}

/* What it tells of itself: a file that the document may name, beside the terminal. */
static char *journal_path(const struct kk_container_tty *tty, const char *dir)
{
	const char *name = kk_str(tty->log_file), *slash = strrchr(name, '/');

	if (slash)
		name = slash + 1;
	return kk_xprintf("%s/%s", dir, *name ? name : "kuketty.log");
}

static void terminal_add(struct kk_buf *uri, const struct kk_req_container_create *req,
	const char *dir, const char *input)
{
	const struct kk_container_tty *tty = &req->spec.tty;
	kk_auto_free char *socket = kk_xprintf("%s/socket", dir);
	kk_auto_free char *journal = journal_path(tty, dir);

	option_add(uri, "socket", socket);
	option_add(uri, "link", kk_str(req->tty_link));
	option_add(uri, "input", input);
	option_add(uri, "journal", journal);
	option_add(uri, "log-level",
		kk_str_empty(tty->log_level) ? kk_str(stdio.log_level) : tty->log_level);
	number_add(uri, "scrollback-bytes",
		tty->scrollback_bytes.is_set ? tty->scrollback_bytes.value : SCROLLBACK_BYTES);
}

/* --- files --- */

static int terminal_prepare(const struct kk_req_container_create *req, const char *input,
	struct kk_err *err)
{
	kk_auto_free char *links = dir_of(req->tty_link);

	if (kk_dir_make(links, 0755, err) < 0)
		return kk_failed(err);
	/* Each task has one of its own: a shim that other containers keep alive goes on reading that of the task before. */
	(void)unlink(input);
	if (mkfifo(input, 0600) < 0)
		return kk_fail_errno(err, KK_E_IO, "make pipe %s", input);
	return 0;
}

int ct_stdio_prepare(const struct kk_req_container_create *req, struct ct_stdio *ret_stdio,
	struct kk_err *err)
{
	kk_auto_free char *dir = dir_of(req->log_path), *input = kk_xprintf("%s/stdin", dir);
	kk_auto_buf uri = {0};

	if (program_stage(err) < 0 || kk_dir_make(dir, 02750, err) < 0 ||
		(req->spec.attachable && terminal_prepare(req, input, err) < 0))
		return kk_failed(err);
	kk_buf_str(&uri, "binary://");
	escaped_add(&uri, stdio.program);
	option_add(&uri, "log", req->log_path);
	number_add(&uri, "max-bytes", req->log_max_bytes);
	number_add(&uri, "max-files", req->log_max_files > 0 ? req->log_max_files : 1);
	if (req->spec.attachable)
		terminal_add(&uri, req, dir, input);
	*ret_stdio = (struct ct_stdio){
		.output = kk_buf_take(&uri),
		.input = req->spec.attachable ? kk_steal(&input) : NULL,
	};
	return 0;
}

void ct_stdio_release(struct ct_stdio *released)
{
	free(released->output);
	free(released->input);
	*released = (struct ct_stdio){0};
}
