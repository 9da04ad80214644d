/* client/setup/image.c - the image of kukeond, made of the binary that runs and of what the loader has put beside it.
 *
 * Nothing in it depends on when or where it is made: the same files give the same digest. */
#include "setup.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include <kukeon/buf.h>
#include <kukeon/fd.h>
#include <kukeon/library.h>
#include <kukeon/mem.h>
#include <kukeon/sha256.h>
#include <kukeon/worker.h>

#define BINARY "bin/kukeond"
#define CLIENT "bin/kuke"
#define OCI "application/vnd.oci.image."

enum { FILE_MAX = 256 * 1024 * 1024, DIGEST_TEXT = 8 + KK_SHA256_TEXT };

/* --- archives in memory --- */

static la_ssize_t archive_on_write(struct archive *archive, void *arg, const void *data,
	size_t length)
{
	struct kk_buf *out = arg;

	(void)archive;
	return kk_buf_append(out, data, length) < 0 ? -1 : (la_ssize_t)length;
}

static struct archive *archive_start(struct kk_buf *out)
{
	struct archive *archive = archive_write_new();

	if (!archive || archive_write_set_format_ustar(archive) != ARCHIVE_OK ||
		archive_write_set_bytes_in_last_block(archive, 1) != ARCHIVE_OK ||
		archive_write_open2(archive, out, NULL, archive_on_write, NULL, NULL) !=
			ARCHIVE_OK) {
		archive_write_free(archive);
		return NULL;
	}
	return archive;
}

static void archive_freep(struct archive **archive)
{
	archive_write_free(*archive);
}

/* @link: the name that it is another one of, or NULL. */
static int entry_add(struct archive *archive, const char *name, mode_t type, const void *data,
	size_t len, const char *link)
{
	struct archive_entry *entry = archive_entry_new();
	int r;

	if (!entry)
		return ARCHIVE_FATAL;
	archive_entry_set_pathname(entry, name);
	archive_entry_set_filetype(entry, type);
	archive_entry_set_perm(entry, 0755);
	archive_entry_set_size(entry, (la_int64_t)len);
	archive_entry_set_mtime(entry, 0, 0);
	if (link)
		archive_entry_set_hardlink(entry, link);
	r = archive_write_header(archive, entry);
	archive_entry_free(entry);
	if (r == ARCHIVE_OK && len)
		r = archive_write_data(archive, data, len) == (la_ssize_t)len ? ARCHIVE_OK :
										ARCHIVE_FATAL;
	return r;
}

static int archive_end(struct archive **archive, int r, struct kk_err *err)
{
	if (r == ARCHIVE_OK)
		r = archive_write_close(*archive);
	return r == ARCHIVE_OK ? 0 :
				 kk_fail(err, KK_E_IO, "make the image of kukeond: %s",
					 kk_str(archive_error_string(*archive)));
}

/* --- what belongs into it --- */

/* What @handle needs, and what that needs. The loader knows best where it is; that other libraries happen to be loaded
 * as well, for names of users, is no reason to take them along. */
static void needed_collect(void *handle, struct kk_strs *paths)
{
	const struct link_map *map;
	const char *names = NULL;

	if (dlinfo(handle, RTLD_DI_LINKMAP, (void *)&map) < 0)
		return;
	if (map->l_name[0] == '/') {
		if (kk_strs_has(paths, map->l_name))
			return;
		kk_strs_add(paths, map->l_name);
	}
	for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
		if (entry->d_tag == DT_STRTAB)
			names = (const char *)entry->d_un.d_ptr;
	}
	for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
		void *needed = entry->d_tag == DT_NEEDED ?
			dlopen(names + entry->d_un.d_val, RTLD_LAZY | RTLD_NOLOAD) :
			NULL;

		if (needed)
			needed_collect(needed, paths);
	}
}

static int libraries_find(struct kk_strs *paths, struct kk_err *err)
{
	/* NULL: this program. What only some workers load is loaded here to know what it needs. */
	static const char *const roots[] = {NULL, KK_LIBRARY_NFTABLES};

	for (size_t i = 0; i < KK_COUNT(roots); i++) {
		void *handle = dlopen(roots[i], RTLD_NOW | RTLD_LOCAL);

		if (!handle)
			return kk_fail(err, KK_E_IO, "kukeond needs a library that is not here: %s",
				dlerror());
		needed_collect(handle, paths);
	}
	kk_strs_sort(paths);
	return 0;
}

struct file {
	char *source; /* on this host */
	char *name;   /* in the image, without a slash before it */
};

struct files {
	struct file *items;
	size_t n;
};

static void files_release(struct files *files)
{
	for (size_t i = 0; i < files->n; i++) {
		free(files->items[i].source);
		free(files->items[i].name);
	}
	free(files->items);
}

static int files_find(struct files *files, struct kk_err *err)
{
	kk_auto(kk_strs_release) struct kk_strs libraries = {0};

	if (libraries_find(&libraries, err) < 0)
		return kk_failed(err);
	files->items = kk_xalloc((libraries.n + 1) * sizeof files->items[0]);
	files->items[files->n++] = (struct file){kk_xstrdup("/proc/self/exe"), kk_xstrdup(BINARY)};
	for (size_t i = 0; i < libraries.n; i++)
		files->items[files->n++] = (struct file){
			kk_xstrdup(libraries.items[i]), kk_xstrdup(libraries.items[i] + 1)};
	return 0;
}

static int file_add(struct archive *archive, const struct file *file, struct kk_err *err)
{
	kk_auto_buf content = {.max = FILE_MAX};

	if (kk_file_read(file->source, &content, err) < 0)
		return kk_failed(err);
	return entry_add(archive, file->name, AE_IFREG, content.data, content.len, NULL) ==
			ARCHIVE_OK ?
		0 :
		kk_fail(err, KK_E_NOMEM, "no memory for %s", file->source);
}

static int layer_make(struct kk_buf *layer, struct kk_err *err)
{
	static const char *const dirs[] = {"etc", "proc", "run", "sys", "tmp", "var"};
	kk_auto(files_release) struct files files = {0};
	kk_auto(archive_freep) struct archive *archive = archive_start(layer);
	int r;

	if (!archive)
		return kk_fail(err, KK_E_NOMEM, "no memory for the image of kukeond");
	if (files_find(&files, err) < 0)
		return kk_failed(err);
	for (size_t i = 0; i < files.n; i++) {
		if (file_add(archive, &files.items[i], err) < 0)
			return kk_failed(err);
	}
	r = entry_add(archive, CLIENT, AE_IFREG, NULL, 0, BINARY);
	for (size_t i = 0; i < KK_COUNT(dirs) && r == ARCHIVE_OK; i++)
		r = entry_add(archive, dirs[i], AE_IFDIR, NULL, 0, NULL);
	return archive_end(&archive, r, err);
}

/* --- the image around it --- */

struct blob {
	char digest[DIGEST_TEXT];
	const void *data;
	size_t len;
};

static void blob_set(struct blob *blob, const void *data, size_t len)
{
	char sum[KK_SHA256_TEXT];

	kk_sha256_text(data, len, sum);
	snprintf(blob->digest, sizeof blob->digest, "sha256:%s", sum);
	blob->data = data;
	blob->len = len;
}

/* As OCI calls it. */
static const char *architecture(void)
{
	static struct utsname name;

	(void)uname(&name);
	return strcmp(name.machine, "x86_64") == 0   ? "amd64" :
		strcmp(name.machine, "aarch64") == 0 ? "arm64" :
						       name.machine;
}

static char *config_text(const struct blob *layer)
{
	kk_auto_json *json = json_pack("{s:s, s:s, s:s, s:{s:[s], s:[s], s:[s]}, s:{s:s, s:[s]}}",
		"created", "1970-01-01T00:00:00Z", "architecture", architecture(), "os", "linux",
		"config", "Entrypoint", "/" BINARY, "Cmd", "serve", "Env", "PATH=/bin", "rootfs",
		"type", "layers", "diff_ids", layer->digest);

	return json_dumps(json, JSON_COMPACT);
}

static char *manifest_text(const struct blob *config, const struct blob *layer)
{
	kk_auto_json *json = json_pack("{s:i, s:s, s:{s:s, s:s, s:I}, s:[{s:s, s:s, s:I}]}",
		"schemaVersion", 2, "mediaType", OCI "manifest.v1+json", "config", "mediaType",
		OCI "config.v1+json", "digest", config->digest, "size", (json_int_t)config->len,
		"layers", "mediaType", OCI "layer.v1.tar", "digest", layer->digest, "size",
		(json_int_t)layer->len);

	return json_dumps(json, JSON_COMPACT);
}

static char *index_text(const char *name, const struct blob *manifest)
{
	kk_auto_json *json = json_pack("{s:i, s:[{s:s, s:s, s:I, s:{s:s}}]}", "schemaVersion", 2,
		"manifests", "mediaType", OCI "manifest.v1+json", "digest", manifest->digest,
		"size", (json_int_t)manifest->len, "annotations", "io.containerd.image.name", name);

	return json_dumps(json, JSON_COMPACT);
}

static int blob_add(struct archive *archive, const struct blob *blob)
{
	kk_auto_free char *name = kk_xprintf("blobs/sha256/%s", blob->digest + strlen("sha256:"));

	return entry_add(archive, name, AE_IFREG, blob->data, blob->len, NULL);
}

static int image_pack(const char *name, const struct kk_buf *layer_data, struct kk_buf *image,
	char **ret_digest, struct kk_err *err)
{
	static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	kk_auto(archive_freep) struct archive *archive = archive_start(image);
	kk_auto_free char *config_json = NULL, *manifest_json = NULL, *index_json = NULL;
	struct blob layer, config, manifest;
	int r;

	blob_set(&layer, layer_data->data, layer_data->len);
	config_json = config_text(&layer);
	blob_set(&config, config_json, strlen(config_json));
	manifest_json = manifest_text(&config, &layer);
	blob_set(&manifest, manifest_json, strlen(manifest_json));
	index_json = index_text(name, &manifest);
	if (!archive)
		return kk_fail(err, KK_E_NOMEM, "no memory for the image of kukeond");
	r = entry_add(archive, "oci-layout", AE_IFREG, layout, sizeof layout - 1, NULL);
	if (r == ARCHIVE_OK)
		r = entry_add(archive, "index.json", AE_IFREG, index_json, strlen(index_json),
			NULL);
	if (r == ARCHIVE_OK)
		r = blob_add(archive, &manifest);
	if (r == ARCHIVE_OK)
		r = blob_add(archive, &config);
	if (r == ARCHIVE_OK)
		r = blob_add(archive, &layer);
	if (archive_end(&archive, r, err) < 0)
		return kk_failed(err);
	*ret_digest = kk_xstrdup(manifest.digest);
	return 0;
}

static int image_make(const char *name, int *ret_fd, char **ret_digest, struct kk_err *err)
{
	kk_auto_buf layer = {.max = FILE_MAX}, image = {.max = FILE_MAX};
	kk_auto_free char *digest = NULL;
	kk_auto_fd int fd = -1;

	if (layer_make(&layer, err) < 0 || image_pack(name, &layer, &image, &digest, err) < 0)
		return kk_failed(err);
	fd = open(CLI_SPOOL_DIR, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 || kk_fd_write_all(fd, image.data, image.len) < 0)
		return kk_fail_errno(err, KK_E_IO, "keep the image of kukeond in %s",
			CLI_SPOOL_DIR);
	*ret_fd = kk_steal_fd(&fd);
	*ret_digest = kk_steal(&digest);
	return 0;
}

/* --- in containerd --- */

const char *setup_image_name(const struct setup *setup)
{
	const char *given = cli_setting(setup->cli, "kukeond-image", NULL,
		setup->file.spec.kukeond_image, "", NULL);

	return *given ? given : SETUP_LOCAL_IMAGE;
}

/* The digest that containerd has for @name in kukeond's realm; NULL: it has no such image. */
static int digest_get(const struct setup *setup, const char *name, char **ret_digest,
	struct kk_err *err)
{
	kk_auto_json *reply = NULL;
	const json_t *image;

	if (cli_call(setup->cli, "ListImages", json_pack("{s:s}", "RealmName", KK_SYSTEM_REALM),
		    &reply, err) < 0)
		return kk_failed(err);
	image = cli_json_find(json_object_get(json_object_get(reply, "Result"), "Images"), "name",
		name);
	*ret_digest = image ? kk_xstrdup(cli_json_string(image, "digest")) : NULL;
	return 0;
}

/* Workers get the file when they start: those that run have not got it. */
static int load(const struct setup *setup, int fd, struct kk_err *err)
{
	kk_auto_free char *path = kk_xprintf("/proc/self/fd/%d", KK_WORKER_LENT_FD);
	kk_auto_json *reply = NULL;
	int r;

	cli_disconnect(setup->cli);
	setup->cli->lent_fd = fd;
	r = cli_call(setup->cli, "LoadImage",
		json_pack("{s:s, s:s}", "RealmName", KK_SYSTEM_REALM, "Path", path), &reply, err);
	cli_disconnect(setup->cli);
	setup->cli->lent_fd = 0;
	if (r < 0)
		return kk_wrap(err, "load the image of kukeond");
	/* The next call begins anew, but what was read of the instance is needed before it. */
	return cli_local_open(setup->cli, err);
}

int setup_image_provide(const struct setup *setup, const char *name, char **ret_digest,
	struct kk_err *err)
{
	kk_auto_free char *stored = NULL, *made = NULL;
	kk_auto_fd int fd = -1;

	if (digest_get(setup, name, &stored, err) < 0)
		return kk_failed(err);
	if (strcmp(name, SETUP_LOCAL_IMAGE) != 0) {
		*ret_digest = kk_steal(&stored);
		return *ret_digest ?
			0 :
			kk_fail(err, KK_E_IMAGE_NOT_FOUND,
				"image \"%s\" is not in realm \"" KK_SYSTEM_REALM
				"\": load it with `kuke image load <tarball> --realm " KK_SYSTEM_REALM
				"`, or leave --kukeond-image away",
				name);
	}
	if (image_make(name, &fd, &made, err) < 0 ||
		(!kk_str_equal(stored, made) && load(setup, fd, err) < 0))
		return kk_failed(err);
	*ret_digest = kk_steal(&made);
	return 0;
}

/* --- in a container that runs --- */

#define OLD ".old"

/* The directory of a file below the root, by links of that root alone; what it is called there goes to *@ret_base. */
static int dir_open(int root_fd, const char *name, const char **ret_base)
{
	const char *slash = strrchr(name, '/');
	kk_auto_free char *dir = kk_xstrndup(name, slash ? (size_t)(slash - name) : 0);
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};

	*ret_base = slash ? slash + 1 : name;
	return (int)syscall(SYS_openat2, root_fd, *dir ? dir : ".", &how, sizeof how);
}

static bool is_same(int dir_fd, const char *base, const struct kk_buf *wanted)
{
	kk_auto_fd int fd = openat(dir_fd, base, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	kk_auto_buf found = {.max = FILE_MAX};
	struct kk_err ignored = {0};

	return fd >= 0 && kk_fd_read(fd, base, &found, &ignored) == 0 && found.len == wanted->len &&
		memcmp(found.data, wanted->data, found.len) == 0;
}

/* Is the program that runs the one of this name, by links of its own root? */
static bool is_running(const struct setup_renewal *renewal, const char *name)
{
	kk_auto_free char *exe = kk_xprintf("/proc/%d/exe", (int)renewal->pid);
	const char *base;
	kk_auto_fd int dir_fd = dir_open(renewal->root_fd, name, &base);
	struct stat running, there;

	return dir_fd >= 0 && stat(exe, &running) == 0 &&
		fstatat(dir_fd, base, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
		running.st_ino == there.st_ino && running.st_dev == there.st_dev;
}

static int file_renew(struct setup_renewal *renewal, const struct file *file, struct kk_err *err)
{
	const char *base;
	kk_auto_fd int dir_fd = dir_open(renewal->root_fd, file->name, &base);
	kk_auto_free char *path = kk_xprintf("/proc/self/fd/%d/%s", dir_fd, base);
	kk_auto_free char *old = kk_xprintf("%s" OLD, base);
	kk_auto_buf wanted = {.max = FILE_MAX};

	if (dir_fd < 0)
		return kk_fail_errno(err, KK_E_IO,
			"open the directory of %s in its root (`kuke init` makes the cell anew)",
			file->name);
	if (kk_file_read(file->source, &wanted, err) < 0)
		return kk_failed(err);
	/* Of a reload that nobody has brought to its end: what runs is still the former one, or not. */
	if (renewal->is_interrupted && faccessat(dir_fd, old, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		kk_strs_add(&renewal->replaced, file->name);
		return is_same(dir_fd, base, &wanted) ?
			0 :
			kk_file_replace(path, wanted.data, wanted.len, 0755, err);
	}
	(void)unlinkat(dir_fd, old, 0);
	if (is_same(dir_fd, base, &wanted))
		return 0;
	if (faccessat(dir_fd, base, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		kk_strs_add(&renewal->added, file->name);
	else if (linkat(dir_fd, base, dir_fd, old, 0) == 0)
		kk_strs_add(&renewal->replaced, file->name);
	else
		return kk_fail_errno(err, KK_E_IO, "keep %s in its root", file->name);
	return kk_file_replace(path, wanted.data, wanted.len, 0755, err);
}

bool setup_has_own_root(pid_t pid)
{
	kk_auto_free char *path = kk_xprintf("/proc/%d/root/", (int)pid);
	struct stat theirs, ours;

	return stat(path, &theirs) == 0 && stat("/", &ours) == 0 &&
		(theirs.st_ino != ours.st_ino || theirs.st_dev != ours.st_dev);
}

int setup_rootfs_renew(pid_t pid, struct setup_renewal *ret_renewal, struct kk_err *err)
{
	kk_auto(files_release) struct files files = {0};
	kk_auto_free char *root = kk_xprintf("/proc/%d/root/", (int)pid);
	struct setup_renewal *renewal = ret_renewal;

	*renewal = (struct setup_renewal){
		.pid = pid, .root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC)};
	if (renewal->root_fd < 0)
		return kk_fail_errno(err, KK_E_IO, "open the root of kukeond");
	renewal->is_interrupted = is_running(renewal, BINARY OLD);
	if (files_find(&files, err) < 0)
		return kk_failed(err);
	for (size_t i = 0; i < files.n; i++) {
		if (file_renew(renewal, &files.items[i], err) < 0)
			return kk_failed(err);
	}
	return 0;
}

void setup_rootfs_settle(struct setup_renewal *renewal, bool is_kept)
{
	/* One that has taken over is kept, whatever was said of it behind that. */
	is_kept |= kk_strs_has(&renewal->replaced, BINARY) && is_running(renewal, BINARY);

	for (size_t i = 0; i < renewal->replaced.n; i++) {
		const char *base;
		kk_auto_fd int dir_fd =
			dir_open(renewal->root_fd, renewal->replaced.items[i], &base);
		kk_auto_free char *old = kk_xprintf("%s" OLD, base);

		if (is_kept)
			(void)unlinkat(dir_fd, old, 0);
		else
			(void)renameat(dir_fd, old, dir_fd, base);
	}
	for (size_t i = 0; i < renewal->added.n && !is_kept; i++) {
		const char *base;
		kk_auto_fd int dir_fd = dir_open(renewal->root_fd, renewal->added.items[i], &base);

		(void)unlinkat(dir_fd, base, 0);
	}
	kk_strs_release(&renewal->replaced);
	kk_strs_release(&renewal->added);
	kk_closep(&renewal->root_fd);
	renewal->root_fd = -1;
}
