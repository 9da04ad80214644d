/* workers/reconciler/journal.c - operations under way: <run path>/journal/<op>/.request is what was asked for,
 * <op>/.note-<sum> says that something was done to an object at one of its visits, <op>/.result-<n> is what came of a
 * document, <op>/.reply is the answer that nobody was there for. They must outlive this process and its
 * supervisor, not the machine: the client of an operation does not either. */
#include "rc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <kukeon/buf.h>
#include <kukeon/fd.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>
#include <kukeon/sha256.h>

enum {
	EXPIRY_S = 600, /* as long as a request may take */
	REQUEST_MAX = 16 * 1024 * 1024,
	TRIES_MAX = 3, /* to finish what nobody asks for any more: it may be what ends us */
};

void rc_journal_text(struct rc_cause cause, char *buf)
{
	int n = snprintf(buf, RC_JOURNAL_TEXT, "%016llx", (unsigned long long)cause.op);

	if (cause.nth)
		snprintf(buf + n, RC_JOURNAL_TEXT - (size_t)n, "+%u", cause.nth);
}

static char *dir_of(uint64_t op)
{
	char text[RC_JOURNAL_TEXT];

	rc_journal_text((struct rc_cause){op, 0}, text);
	return kk_xprintf("%s/journal/%s", rc.run_path, text);
}

/* One file, whatever it is about: directories for each of its names would cost a delete a millisecond. */
static char *note_of(struct rc_cause cause, const struct kk_scope *scope, const char *what)
{
	kk_auto_free char *dir = dir_of(cause.op), *path = rc_scope_path(scope);
	kk_auto_free char *about = kk_xprintf("%s+%u %s", path, cause.nth, what);
	char sum[KK_SHA256_TEXT];

	kk_sha256_text(about, strlen(about), sum);
	return kk_xprintf("%s/.note-%s", dir, sum);
}

void rc_journal_note(struct rc_cause cause, const struct kk_scope *scope, const char *what)
{
	kk_auto_free char *dir = dir_of(cause.op), *note = note_of(cause, scope, what);
	struct kk_err err = {0};
	kk_auto_fd int fd = -1;

	if (kk_dir_make(dir, 0700, &err) == 0)
		fd = open(note, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		kk_warning("no note in the journal, a crash now would be reported wrongly: %m");
}

bool rc_journal_has(struct rc_cause cause, const struct kk_scope *scope, const char *what)
{
	kk_auto_free char *note = note_of(cause, scope, what);

	return access(note, F_OK) == 0;
}

bool rc_journal_is_open(uint64_t op)
{
	kk_auto_free char *dir = dir_of(op);

	return access(dir, F_OK) == 0;
}

/* Gone with the last entry, but for the daemon, which is about to write the next one. */
static void all_drop(void)
{
	kk_auto_free char *all = kk_xprintf("%s/journal", rc.run_path);

	if (rc.worker->config.is_embedded)
		(void)rmdir(all);
}

void rc_journal_forget(uint64_t op)
{
	kk_auto_free char *dir = dir_of(op);
	struct kk_err err = {0};

	if (kk_tree_remove(dir, &err) < 0)
		kk_debug("journal entry %s stays", dir);
	all_drop();
}

/* @n_tries: to finish it, so far. */
static char *request_of(uint64_t op, unsigned n_tries)
{
	kk_auto_free char *dir = dir_of(op);

	return n_tries ? kk_xprintf("%s/.request-%u", dir, n_tries) :
			 kk_xprintf("%s/.request", dir);
}

/* The method, a newline, the parameters. */
void rc_journal_request_save(uint64_t op, const char *method, const struct kk_bin *params)
{
	kk_auto_free char *dir = dir_of(op), *path = request_of(op, 0);
	kk_auto_buf text = {0};
	struct kk_err err = {0};
	char why[KK_ERR_TEXT];

	kk_buf_printf(&text, "%s\n", method);
	kk_buf_append(&text, params->data, params->len);
	/* The directory may go with the last entry of another process just now. */
	for (int i = 0; i < 2; i++) {
		kk_err_clear(&err);
		if (kk_dir_make(dir, 0700, &err) == 0 &&
			kk_file_write(path, text.data, text.len, 0600, &err) == 0)
			return;
	}
	kk_err_format(&err, why, sizeof why);
	kk_warning("not in the journal, a crash now may leave this half done: %s", why);
}

void rc_journal_request_drop(uint64_t op)
{
	kk_auto_free char *dir = dir_of(op);

	for (unsigned i = 0; i <= TRIES_MAX; i++) {
		kk_auto_free char *path = request_of(op, i);

		unlink(path);
	}
	/* Gone with the last note. */
	if (rmdir(dir) == 0)
		all_drop();
}

/* Two lines: of what it is the answer, and the answer. */
static void answer_save(uint64_t op, const char *file, const char *of, const char *answer)
{
	kk_auto_free char *dir = dir_of(op), *path = kk_xprintf("%s/%s", dir, file);
	kk_auto_free char *text = kk_xprintf("%s\n%s\n", of, answer);
	struct kk_err err = {0};
	char why[KK_ERR_TEXT];

	if (kk_dir_make(dir, 0700, &err) == 0 &&
		kk_file_write(path, text, strlen(text), 0600, &err) == 0)
		return;
	kk_err_format(&err, why, sizeof why);
	kk_warning("not in the journal, who comes back for the answer does it again: %s", why);
}

static char *answer_read(uint64_t op, const char *file, const char *of)
{
	kk_auto_free char *dir = dir_of(op), *path = kk_xprintf("%s/%s", dir, file);
	kk_auto_buf text = {.max = REQUEST_MAX};
	struct kk_err err = {0};
	size_t n = strlen(of);
	const char *lines;

	if (access(path, F_OK) < 0 || kk_file_read(path, &text, &err) < 0)
		return NULL;
	lines = (const char *)text.data;
	/* One that was cut off by a death lacks its end. */
	if (text.len < n + 2 || lines[text.len - 1] != '\n' || strncmp(lines, of, n) != 0 ||
		lines[n] != '\n')
		return NULL;
	return kk_xstrndup(lines + n + 1, text.len - n - 2);
}

void rc_journal_reply_save(uint64_t op, const char *method, const char *reply)
{
	answer_save(op, ".reply", method, reply);
}

char *rc_journal_reply_read(uint64_t op, const char *method)
{
	return answer_read(op, ".reply", method);
}

void rc_journal_result_save(uint64_t op, size_t document, const json_t *result)
{
	kk_auto_free char *file = kk_xprintf(".result-%zu", document);
	kk_auto_free char *text = json_dumps(result, JSON_COMPACT);

	answer_save(op, file, "document", text);
}

json_t *rc_journal_result_read(uint64_t op, size_t document)
{
	kk_auto_free char *file = kk_xprintf(".result-%zu", document);
	kk_auto_free char *text = answer_read(op, file, "document");

	return text ? json_loads(text, 0, NULL) : NULL;
}

/* Its name counts the tries, so that they are counted even where one of them ends us. */
static char *request_try(uint64_t op)
{
	for (unsigned i = 0; i < TRIES_MAX; i++) {
		kk_auto_free char *path = request_of(op, i), *next = request_of(op, i + 1);

		if (rename(path, next) == 0)
			return kk_steal(&next);
	}
	return NULL;
}

static void request_finish(uint64_t op)
{
	kk_auto_free char *path = request_try(op);
	kk_auto_buf text = {.max = REQUEST_MAX};
	struct kk_err err = {0};
	char *newline;

	if (!path) {
		rc_journal_request_drop(op);
		return;
	}
	if (kk_file_read(path, &text, &err) < 0 || !text.len)
		return;
	newline = memchr(text.data, '\n', text.len);
	if (!newline) {
		rc_journal_request_drop(op);
		return;
	}
	*newline++ = '\0';
	rc_api_finish(op, (char *)text.data,
		&(struct kk_bin){
			(uint8_t *)newline, text.len - (size_t)(newline - (char *)text.data)});
}

/* Each of them may go meanwhile. */
static void each_op(void (*fn)(uint64_t op))
{
	kk_auto_free char *all = kk_xprintf("%s/journal", rc.run_path);
	struct dirent **entries = NULL;
	int n = scandir(all, &entries, NULL, NULL);

	for (int i = 0; i < n; i++) {
		uint64_t op = strtoull(entries[i]->d_name, NULL, 16);

		if (op)
			fn(op);
		free(entries[i]);
	}
	free(entries);
}

static void expire(uint64_t op)
{
	kk_auto_free char *dir = dir_of(op);
	struct stat st;

	if (stat(dir, &st) == 0 && time(NULL) - st.st_mtime > EXPIRY_S)
		rc_journal_forget(op);
}

static void finish(uint64_t op)
{
	if (!rc_api_is_under_way(op))
		request_finish(op);
}

void rc_journal_expire(void)
{
	each_op(expire);
}

void rc_journal_finish(void)
{
	each_op(expire);
	each_op(finish);
}
