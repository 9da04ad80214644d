/* workers/reconciler/journal.c - notes in files of their own, <run path>/journal/<op>/<object>/.<what>. They
 * must outlive this process, not the machine: the client of an operation does not either. */
#include "rc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <kukeon/fd.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>

enum { EXPIRY_S = 600 }; /* as long as a request may take */

void rc_journal_text(uint64_t op, char *buf)
{
	snprintf(buf, 17, "%016llx", (unsigned long long)op);
}

static char *dir_of(uint64_t op)
{
	char text[17];

	rc_journal_text(op, text);
	return kk_xprintf("%s/journal/%s", rc.run_path, text);
}

static char *place_of(uint64_t op, const struct kk_scope *scope)
{
	kk_auto_free char *dir = dir_of(op), *path = rc_scope_path(scope);

	return kk_xprintf("%s/%s", dir, path);
}

/* No object has a name that begins with a dot. */
static char *note_of(uint64_t op, const struct kk_scope *scope, const char *what)
{
	kk_auto_free char *place = place_of(op, scope);

	return kk_xprintf("%s/.%s", place, what);
}

void rc_journal_note(uint64_t op, const struct kk_scope *scope, const char *what)
{
	kk_auto_free char *place = place_of(op, scope), *note = note_of(op, scope, what);
	struct kk_err err = {0};
	kk_auto_fd int fd = -1;

	if (kk_dir_make(place, 0700, &err) == 0)
		fd = open(note, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		kk_warning("no note in the journal, a crash now would be reported wrongly: %m");
}

bool rc_journal_has(uint64_t op, const struct kk_scope *scope, const char *what)
{
	kk_auto_free char *note = note_of(op, scope, what);

	return access(note, F_OK) == 0;
}

bool rc_journal_is_open(uint64_t op)
{
	kk_auto_free char *dir = dir_of(op);

	return access(dir, F_OK) == 0;
}

void rc_journal_forget(uint64_t op)
{
	kk_auto_free char *dir = dir_of(op), *all = kk_xprintf("%s/journal", rc.run_path);
	struct kk_err err = {0};

	if (kk_tree_remove(dir, &err) < 0)
		kk_debug("journal entry %s stays", dir);
	/* Gone with the last entry. */
	(void)rmdir(all);
}

void rc_journal_expire(void)
{
	kk_auto_free char *all = kk_xprintf("%s/journal", rc.run_path);
	const struct dirent *entry;
	DIR *handle = opendir(all);

	while (handle && (entry = readdir(handle))) {
		uint64_t op = strtoull(entry->d_name, NULL, 16);
		kk_auto_free char *dir = dir_of(op);
		struct stat st;

		if (op && stat(dir, &st) == 0 && time(NULL) - st.st_mtime > EXPIRY_S)
			rc_journal_forget(op);
	}
	if (handle)
		closedir(handle);
}
