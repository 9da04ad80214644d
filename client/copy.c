/* client/copy.c - files and directories as a stream of tar: out of a file system, and into one. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include <kukeon/fd.h>
#include <kukeon/mem.h>

enum { BLOCK = 128 * 1024 };

static void reader_freep(struct archive **archive)
{
	archive_read_free(*archive);
}

static void writer_freep(struct archive **archive)
{
	archive_write_free(*archive);
}

static void resolver_freep(struct archive_entry_linkresolver **resolver)
{
	archive_entry_linkresolver_free(*resolver);
}

static void entry_freep(struct archive_entry **entry)
{
	archive_entry_free(*entry);
}

/* What libarchive says of @archive. */
static int copy_fail(struct archive *archive, const char *what, const char *path,
	struct kk_err *err)
{
	const char *text = archive_error_string(archive);

	kk_fail(err, KK_E_IO, "%s %s: %s", what, path, kk_str_empty(text) ? "?" : text);
	err->sys_errno = archive_errno(archive);
	return kk_failed(err);
}

/* Go to where @path lies, and what its name is there: "." for a directory whose content is meant. The caller frees. */
static int path_enter(const char *path, char **ret_name, struct kk_err *err)
{
	kk_auto_free char *dir = kk_xstrdup(*path ? path : ".");
	size_t len = strlen(dir);
	char *slash;
	bool is_content;

	while (len > 1 && dir[len - 1] == '/')
		dir[--len] = '\0';
	slash = strrchr(dir, '/');
	is_content = strcmp(slash ? slash + 1 : dir, ".") == 0 || strcmp(dir, "/") == 0;
	*ret_name = kk_xstrdup(is_content ? "." : slash ? slash + 1 : dir);
	if (!is_content && slash)
		slash[slash == dir] = '\0';
	if ((is_content || slash) && chdir(dir) < 0) {
		free(kk_steal(ret_name));
		return kk_fail_errno(err, KK_E_IO, "%s", dir);
	}
	return 0;
}

/* --- out --- */

/* A hole: the header has told of it, and it takes no place in the stream. */
static int hole_send(struct archive *out, la_int64_t len)
{
	static const char zeros[64 * 1024];

	while (len > 0) {
		la_ssize_t n = archive_write_data(out, zeros,
			len < (la_int64_t)sizeof zeros ? (size_t)len : sizeof zeros);

		if (n <= 0)
			return -1;
		len -= n;
	}
	return 0;
}

static int data_send(struct archive *disk, struct archive *out, struct kk_err *err)
{
	const void *data;
	la_int64_t at, done = 0;
	size_t len;
	int r;

	while ((r = archive_read_data_block(disk, &data, &len, &at)) == ARCHIVE_OK) {
		if (hole_send(out, at - done) < 0 || archive_write_data(out, data, len) < 0)
			return copy_fail(out, "write", "the stream", err);
		done = at + (la_int64_t)len;
	}
	return r == ARCHIVE_EOF ? 0 : copy_fail(disk, "read", "a file", err);
}

static int entries_send(struct archive *disk, struct archive *out, struct kk_err *err)
{
	/* Several names of one file are so again. */
	kk_auto(resolver_freep) struct archive_entry_linkresolver *links =
		archive_entry_linkresolver_new();

	archive_entry_linkresolver_set_strategy(links, archive_format(out));
	for (;;) {
		kk_auto(entry_freep) struct archive_entry *entry = archive_entry_new();
		struct archive_entry *later = NULL;
		int r = archive_read_next_header2(disk, entry);
		const char *path = kk_str(archive_entry_pathname(entry));

		if (r == ARCHIVE_EOF)
			return 0;
		if (r < ARCHIVE_WARN)
			return copy_fail(disk, "read", path, err);
		archive_read_disk_descend(disk);
		/* What nobody could make anything of elsewhere. */
		if (archive_entry_filetype(entry) == AE_IFSOCK)
			continue;
		archive_entry_linkify(links, &entry, &later);
		if (archive_write_header(out, entry) < ARCHIVE_WARN)
			return copy_fail(out, "write", "the stream", err);
		if (archive_entry_size(entry) > 0 && data_send(disk, out, err) < 0)
			return kk_wrap(err, "%s", path);
	}
}

int cli_copy_send(const char *path, bool follows_link, int fd, struct kk_err *err)
{
	kk_auto(reader_freep) struct archive *disk = archive_read_disk_new();
	kk_auto(writer_freep) struct archive *out = archive_write_new();
	kk_auto_free char *name = NULL;

	if (!disk || !out)
		return kk_fail(err, KK_E_NOMEM, "no memory for an archive");
	if (path_enter(path, &name, err) < 0)
		return kk_failed(err);
	if (follows_link)
		archive_read_disk_set_symlink_hybrid(disk);
	if (archive_write_set_format_pax_restricted(out) != ARCHIVE_OK ||
		archive_write_set_option(out, "pax", "hdrcharset", "BINARY") != ARCHIVE_OK ||
		archive_write_set_bytes_per_block(out, BLOCK) != ARCHIVE_OK ||
		archive_write_set_bytes_in_last_block(out, 1) != ARCHIVE_OK ||
		archive_write_open_fd(out, fd) != ARCHIVE_OK)
		return copy_fail(out, "write", "the stream", err);
	if (archive_read_disk_open(disk, name) != ARCHIVE_OK)
		return copy_fail(disk, "read", path, err);
	if (entries_send(disk, out, err) < 0)
		return kk_failed(err);
	return archive_write_close(out) == ARCHIVE_OK ? 0 :
							copy_fail(out, "write", "the stream", err);
}

/* --- in --- */

/* The name of an entry where the topmost part of it is to be another one; NULL @top: it stays. The caller frees. */
static char *renamed(const char *path, const char *top)
{
	const char *slash;

	if (!top)
		return kk_xstrdup(path);
	slash = strchr(path, '/');
	return slash ? kk_xprintf("%s%s", top, slash) : kk_xstrdup(top);
}

static void entry_rename(struct archive_entry *entry, const char *top)
{
	kk_auto_free char *path = renamed(kk_str(archive_entry_pathname(entry)), top);
	kk_auto_free char *link = NULL;

	archive_entry_set_pathname(entry, path);
	if (!archive_entry_hardlink(entry))
		return;
	link = renamed(archive_entry_hardlink(entry), top);
	archive_entry_set_hardlink(entry, link);
}

static int data_extract(struct archive *in, struct archive *disk, struct kk_err *err)
{
	const void *data;
	la_int64_t at;
	size_t len;
	int r;

	while ((r = archive_read_data_block(in, &data, &len, &at)) == ARCHIVE_OK) {
		if (archive_write_data_block(disk, data, len, at) < ARCHIVE_OK)
			return copy_fail(disk, "write", "a file", err);
	}
	return r == ARCHIVE_EOF ? 0 : copy_fail(in, "read", "the stream", err);
}

/* The directory whose content is meant: one that is there stays as it is. */
static bool is_top_itself(const char *path)
{
	return strcmp(path, ".") == 0 || strcmp(path, "./") == 0;
}

/* What would give whoever owned it there more than the same file made here. */
static int modes_limit(struct archive_entry *entry, struct kk_err *err)
{
	mode_t type = archive_entry_filetype(entry);

	if (type == AE_IFCHR || type == AE_IFBLK)
		return kk_fail(err, KK_E_IO, "%s is a device: it is copied with -a alone",
			kk_str(archive_entry_pathname(entry)));
	archive_entry_set_perm(entry, archive_entry_perm(entry) & 0777);
	return 0;
}

static int entries_receive(struct archive *in, struct archive *disk, const char *top,
	bool keeps_owner, struct kk_err *err)
{
	struct archive_entry *entry;
	int r;

	while ((r = archive_read_next_header(in, &entry)) == ARCHIVE_OK || r == ARCHIVE_WARN) {
		if (!top && is_top_itself(kk_str(archive_entry_pathname(entry))))
			continue;
		if (!keeps_owner && modes_limit(entry, err) < 0)
			return kk_failed(err);
		entry_rename(entry, top);
		if (archive_write_header(disk, entry) < ARCHIVE_WARN)
			return copy_fail(disk, "write", kk_str(archive_entry_pathname(entry)), err);
		if (archive_entry_size(entry) > 0 && data_extract(in, disk, err) < 0)
			return kk_wrap(err, "%s", kk_str(archive_entry_pathname(entry)));
		if (archive_write_finish_entry(disk) < ARCHIVE_WARN)
			return copy_fail(disk, "write", kk_str(archive_entry_pathname(entry)), err);
	}
	return r == ARCHIVE_EOF ? 0 : copy_fail(in, "read", "the stream", err);
}

/* Go to where @path lies, or is: *@ret_top is what the topmost entry is to be called there, NULL: as it is. */
static int place_enter(const char *path, bool is_dir_demanded, char **ret_top, struct kk_err *err)
{
	struct stat st;

	*ret_top = NULL;
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return chdir(path) < 0 ? kk_fail_errno(err, KK_E_IO, "%s", path) : 0;
	if (is_dir_demanded || kk_str_ends(path, "/"))
		return kk_fail(err, KK_E_IO, "%s is no directory", path);
	return path_enter(path, ret_top, err);
}

int cli_copy_receive(int fd, const char *path, const struct cli_copy_how *how, struct kk_err *err)
{
	kk_auto(reader_freep) struct archive *in = archive_read_new();
	kk_auto(writer_freep) struct archive *disk = archive_write_disk_new();
	kk_auto_free char *top = NULL;
	int flags = ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_SPARSE |
		ARCHIVE_EXTRACT_SECURE_NODOTDOT | ARCHIVE_EXTRACT_SECURE_SYMLINKS;

	if (!in || !disk)
		return kk_fail(err, KK_E_NOMEM, "no memory for an archive");
	if (how->keeps_owner)
		flags |= ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_XATTR | ARCHIVE_EXTRACT_ACL;
	if (place_enter(path, how->is_dir_demanded, &top, err) < 0)
		return kk_failed(err);
	archive_write_disk_set_options(disk, flags);
	archive_read_support_format_tar(in);
	archive_read_support_filter_gzip(in);
	if (archive_read_open_fd(in, fd, BLOCK) != ARCHIVE_OK)
		return copy_fail(in, "read", "the stream", err);
	if (entries_receive(in, disk, top, how->keeps_owner, err) < 0)
		return kk_failed(err);
	return archive_write_close(disk) == ARCHIVE_OK ? 0 : copy_fail(disk, "write", path, err);
}
