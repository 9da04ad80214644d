/* client/setup/dirs.c */
#include "setup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kukeon/buf.h>
#include <kukeon/fd.h>
#include <kukeon/mem.h>

enum { MOUNTS_MAX = 4 * 1024 * 1024, DIR_MODE = 02750, FILE_MODE = 0640 };

static int dir_make(const char *path, mode_t mode, gid_t gid, struct kk_err *err)
{
	if (kk_dir_make(path, mode & 0777, err) < 0)
		return kk_failed(err);
	if (gid && (lchown(path, 0, gid) < 0 || chmod(path, mode) < 0))
		return kk_fail_errno(err, KK_E_IO, "give %s to group " SETUP_GROUP, path);
	return 0;
}

/* --- mounts --- */

/* A field of /proc/self/mountinfo, in which blanks are written in octal. */
static void field_decode(char *field)
{
	char *out = field;

	for (const char *in = field; *in; out++) {
		unsigned code;

		if (*in == '\\' && sscanf(in + 1, "%3o", &code) == 1) {
			*out = (char)code;
			in += 4;
		} else {
			*out = *in++;
		}
	}
	*out = '\0';
}

typedef void (*mount_f)(const char *point, bool is_shared, void *arg);

static int mounts_each(mount_f fn, void *arg)
{
	kk_auto_buf text = {.max = MOUNTS_MAX};
	struct kk_err ignored = {0};
	char *rest, *line;

	if (kk_file_read("/proc/self/mountinfo", &text, &ignored) < 0 || !text.data)
		return -1;
	rest = (char *)text.data;
	while ((line = strsep(&rest, "\n"))) {
		char *fields[6] = {0}, *p = line;
		size_t n = 0;

		while (p && n < KK_COUNT(fields))
			fields[n++] = strsep(&p, " ");
		if (n < KK_COUNT(fields) || !p)
			continue;
		field_decode(fields[4]);
		fn(fields[4], kk_str_starts(p, "shared:"), arg);
	}
	return 0;
}

struct mount_search {
	const char *dir;
	bool is_found, is_shared;
};

static void mount_match(const char *point, bool is_shared, void *arg)
{
	struct mount_search *search = arg;

	if (strcmp(point, search->dir) != 0)
		return;
	/* The last one lies on top. */
	search->is_found = true;
	search->is_shared = is_shared;
}

/* What is mounted below it from now on, in whatever mount namespace it is a shared mount of, is seen in all of them. */
static int dir_share(const char *dir, struct kk_err *err)
{
	struct mount_search search = {.dir = dir};

	if (mounts_each(mount_match, &search) == 0 && search.is_shared)
		return 0;
	/* With peers of its own: else it would share with what it lies on, and each mount would be there twice. */
	if (mount(dir, dir, NULL, MS_BIND | MS_REC, NULL) < 0 ||
		mount("none", dir, NULL, MS_PRIVATE, NULL) < 0 ||
		mount("none", dir, NULL, MS_SHARED, NULL) < 0)
		return kk_fail_errno(err, KK_E_IO, "make %s a shared mount", dir);
	return 0;
}

struct points {
	const char *dir;
	bool is_itself_spared;
	struct kk_strs found;
};

static void point_collect(const char *point, bool is_shared, void *arg)
{
	struct points *points = arg;
	size_t len = strlen(points->dir);

	(void)is_shared;
	if (kk_str_starts(point, points->dir) &&
		(point[len] == '/' || (!point[len] && !points->is_itself_spared)))
		kk_strs_add(&points->found, point);
}

bool setup_is_mount(const char *dir)
{
	kk_auto_free char *real = realpath(dir, NULL);
	struct mount_search search = {.dir = real ? real : dir};

	return mounts_each(mount_match, &search) == 0 && search.is_found;
}

void setup_unmount(const char *dir, bool is_itself_spared, char **ret_busy)
{
	kk_auto_free char *real = realpath(dir, NULL);
	struct points points = {.dir = real ? real : dir, .is_itself_spared = is_itself_spared},
		      left = points;
	int r = mounts_each(point_collect, &points);

	/* The last comes first: it may lie on others. */
	for (size_t i = points.found.n; i-- > 0;) {
		if (umount2(points.found.items[i], UMOUNT_NOFOLLOW) < 0)
			(void)umount2(points.found.items[i], UMOUNT_NOFOLLOW | MNT_DETACH);
	}
	if (r == 0)
		r = mounts_each(point_collect, &left);
	*ret_busy = r < 0 ? kk_xstrdup("/proc/self/mountinfo can't be read, so maybe one below") :
		left.found.n ? kk_xstrdup(left.found.items[0]) :
			       NULL;
	kk_strs_release(&points.found);
	kk_strs_release(&left.found);
}

/* Of one that is others' as well, owner and mode are theirs. */
static int socket_dir_make(const struct setup *setup, struct kk_err *err)
{
	return setup_owns_socket_dir(setup) ?
		dir_make(setup->socket_dir, DIR_MODE, setup->gid, err) :
		kk_dir_make(setup->socket_dir, 0755, err);
}

int setup_dirs_make(const struct setup *setup, struct kk_err *err)
{
	const struct kk_config config = {.run_path = setup->run_path};
	kk_auto_free char *runtime = kk_config_runtime_dir(&config);
	kk_auto_free char *crash = kk_config_crash_dir(&config);

	if (dir_make(setup->run_path, DIR_MODE, setup->gid, err) < 0 ||
		socket_dir_make(setup, err) < 0 ||
		dir_make(runtime, DIR_MODE, setup->gid, err) < 0 ||
		kk_dir_make(crash, 0750, err) < 0 || kk_dir_make(KK_LEASE_ROOT, 0755, err) < 0)
		return kk_failed(err);
	return dir_share(runtime, err);
}

bool setup_cgroup_exists(const char *path)
{
	kk_auto_free char *unified = kk_xprintf("/sys/fs/cgroup%s", path);
	kk_auto_dir hierarchies = opendir("/sys/fs/cgroup");
	const struct dirent *entry;

	if (access(unified, F_OK) == 0)
		return true;
	while (hierarchies && kk_dir_next(hierarchies, &entry) == 1) {
		kk_auto_free char *group = kk_xprintf("/sys/fs/cgroup/%s%s", entry->d_name, path);

		if (access(group, F_OK) == 0)
			return true;
	}
	return false;
}

/* --- who may see what --- */

static bool is_of_object(const char *name)
{
	static const char *const names[] = {
		"metadata.json", "network.json", "network.conflist", "log", "log.times", "capture"};

	for (size_t i = 0; i < KK_COUNT(names); i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

/* What is not an object's directory: it is its owner's, with the modes that it has. */
static bool is_private(const char *name)
{
	static const char *const names[] = {
		"secrets", "blueprints", "configs", "volumes", "volume-meta", "tty"};

	for (size_t i = 0; i < KK_COUNT(names); i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return name[0] == '.';
}

/* @depth: levels of directories below that are ours, from realms to containers. */
static int tree_own(int dir_fd, const char *path, int depth, gid_t gid, struct kk_err *err)
{
	kk_auto_fd int fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
	kk_auto_dir dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir)
		return kk_fail_errno(err, KK_E_IO, "open %s", path);
	(void)kk_steal_fd(&fd);
	while (kk_dir_next(dir, &entry) == 1) {
		kk_auto_free char *below = kk_xprintf("%s/%s", path, entry->d_name);
		kk_auto_fd int child = -1;
		struct stat st;
		mode_t mode;

		if (is_private(entry->d_name))
			continue;
		child = openat(dir_fd, entry->d_name,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		/* It may go away at any time: that is no reason to stop. */
		if (child < 0 || fstat(child, &st) < 0)
			continue;
		if (!(S_ISDIR(st.st_mode) && depth > 0) &&
			!(S_ISREG(st.st_mode) && is_of_object(entry->d_name)))
			continue;
		mode = S_ISDIR(st.st_mode) ? DIR_MODE : FILE_MODE;
		if ((st.st_gid != gid && fchown(child, 0, gid) < 0) ||
			((st.st_mode & 07777) != mode && fchmod(child, mode) < 0))
			return kk_fail_errno(err, KK_E_IO, "give %s to group " SETUP_GROUP, below);
		if (S_ISDIR(st.st_mode) && tree_own(child, below, depth - 1, gid, err) < 0)
			return kk_failed(err);
	}
	return 0;
}

int setup_own(const struct setup *setup, struct kk_err *err)
{
	enum { LEVELS = 5 };
	kk_auto_free char *data = kk_xprintf("%s/data", setup->run_path);
	kk_auto_fd int fd = -1;

	if (!setup->gid)
		return 0;
	if (dir_make(data, DIR_MODE, setup->gid, err) < 0)
		return kk_failed(err);
	fd = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? kk_fail_errno(err, KK_E_IO, "open %s", data) :
			tree_own(fd, data, LEVELS, setup->gid, err);
}
