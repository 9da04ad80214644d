/* workers/containerd/user.c - names of users, looked up in the layers of the root file system itself:
 * nothing is mounted for it. */
#include "ct.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <kukeon/host.h>
#include <kukeon/mem.h>

enum {
	LAYERS_MAX = 512,
	LINKS_MAX = 40, /* as the kernel follows */
};

/* The directories of a root file system, uppermost first. */
struct layers {
	char *dirs[LAYERS_MAX];
	size_t n;
};

static void layers_release(struct layers *layers)
{
	for (size_t i = 0; i < layers->n; i++)
		free(layers->dirs[i]);
}

static void layers_add(struct layers *layers, const char *dirs)
{
	while (*dirs && layers->n < LAYERS_MAX) {
		size_t len = strcspn(dirs, ":");

		layers->dirs[layers->n++] = kk_xstrndup(dirs, len);
		dirs += len + (dirs[len] == ':');
	}
}

static void layers_of(const struct ct_mounts *rootfs, struct layers *layers)
{
	for (size_t i = 0; i < rootfs->n; i++) {
		const Ct__Mount *mount = rootfs->items[i];

		if (strcmp(mount->type, "overlay") != 0) {
			layers_add(layers, mount->source);
			continue;
		}
		for (int pass = 0; pass < 2; pass++) {
			const char *want = pass == 0 ? "upperdir=" : "lowerdir=";

			for (size_t k = 0; k < mount->n_options; k++) {
				if (kk_str_starts(mount->options[k], want))
					layers_add(layers, mount->options[k] + strlen(want));
			}
		}
	}
}

static int layer_open(const char *layer, const char *path, int flags)
{
	kk_auto_fd int dir = kk_host_open(layer, O_PATH | O_DIRECTORY);
	struct open_how how = {.flags = (uint64_t)flags | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};

	return dir < 0 ? -1 : (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
}

/* Does this directory of a layer stand for itself, and not for those below it too? */
static bool is_opaque(int fd)
{
	kk_auto_free char *path = kk_xprintf("/proc/self/fd/%d", fd);
	char value = '\0';

	return getxattr(path, "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
}

/* The layer among the first *@limit that has @path, without links on the way, or -1. What it is goes to
 * @ret_st; of a directory, *@limit becomes the end of those it is put together from. */
static int layer_find(const struct layers *layers, const char *path, size_t *limit,
	struct stat *ret_st)
{
	int found = -1;

	for (size_t i = 0; i < *limit; i++) {
		kk_auto_fd int fd = layer_open(layers->dirs[i], path, O_PATH | O_NOFOLLOW);
		struct stat st;

		if (fd < 0 || fstat(fd, &st) < 0)
			continue;
		if (found < 0) {
			/* A whiteout: what lies below is deleted. */
			if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0))
				return -1;
			found = (int)i;
			*ret_st = st;
		}
		if (!S_ISDIR(ret_st->st_mode))
			return found;
		if (!S_ISDIR(st.st_mode) || is_opaque(fd)) {
			*limit = S_ISDIR(st.st_mode) ? i + 1 : i;
			return found;
		}
	}
	return found;
}

/* The path that stands where @link does: its target, and behind that what was still to be walked. */
static char *link_follow(const char *layer, const char *link, const char *rest)
{
	kk_auto_fd int fd = layer_open(layer, link, O_PATH | O_NOFOLLOW);
	char target[PATH_MAX];
	ssize_t len = fd < 0 ? -1 : readlinkat(fd, "", target, sizeof target - 1);
	const char *slash = strrchr(link, '/');
	int parent_len = slash ? (int)(slash - link) : 0;

	if (len < 0)
		return NULL;
	target[len] = '\0';
	if (target[0] == '/')
		parent_len = 0;
	return kk_xprintf("%.*s/%s/%s", parent_len, link, target, rest);
}

/* A path on its way through the layers. */
struct walk {
	char *path;   /* owned */
	char *rest;   /* of it, still ahead; NULL at the end */
	char *at;     /* owned: what lies behind, without links */
	size_t limit; /* the directory there is put together from this many layers */
	int n_links;
};

static void walk_release(struct walk *walk)
{
	free(walk->path);
	free(walk->at);
}

static void walk_restart(struct walk *walk, const struct layers *layers, char *path)
{
	walk_release(walk);
	walk->path = walk->rest = path;
	walk->at = kk_xstrdup("");
	walk->limit = layers->n;
}

static void walk_add(struct walk *walk, const char *part)
{
	char *longer = kk_xprintf("%s%s%s", walk->at, *walk->at ? "/" : "", part);

	free(walk->at);
	walk->at = longer;
}

/* Open @path as the container will see it: through links, and through the layers that make up each
 * directory. NULL where it is not, or is no file. */
static FILE *layers_open(const struct layers *layers, const char *path)
{
	kk_auto(walk_release) struct walk walk = {0};
	struct stat st = {.st_mode = S_IFDIR};
	int layer = -1;
	const char *part;

	walk_restart(&walk, layers, kk_xstrdup(path));
	while ((part = strsep(&walk.rest, "/"))) {
		char *next;

		if (!*part || strcmp(part, ".") == 0)
			continue;
		if (strcmp(part, "..") == 0) {
			const char *slash = strrchr(walk.at, '/');

			next = kk_xprintf("%.*s/%s", slash ? (int)(slash - walk.at) : 0, walk.at,
				kk_str(walk.rest));
			walk_restart(&walk, layers, next);
			continue;
		}
		walk_add(&walk, part);
		layer = layer_find(layers, walk.at, &walk.limit, &st);
		if (layer < 0)
			return NULL;
		if (S_ISLNK(st.st_mode)) {
			next = walk.n_links++ < LINKS_MAX ?
				link_follow(layers->dirs[layer], walk.at, kk_str(walk.rest)) :
				NULL;
			if (!next)
				return NULL;
			walk_restart(&walk, layers, next);
		} else if (!S_ISDIR(st.st_mode) && *kk_str(walk.rest)) {
			return NULL;
		}
	}
	if (layer < 0 || !S_ISREG(st.st_mode))
		return NULL;
	layer = layer_open(layers->dirs[layer], walk.at, O_RDONLY | O_NONBLOCK);
	return layer < 0 ? NULL : fdopen(layer, "r");
}

static bool is_number(const char *s, uint32_t *ret)
{
	unsigned long long n;
	char *end;

	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	n = strtoull(s, &end, 10);
	if (errno || *end || n > UINT32_MAX)
		return false;
	*ret = (uint32_t)n;
	return true;
}

/* The fields of a line of passwd or group, cut in place. */
static size_t line_split(char *line, char **fields, size_t max)
{
	size_t n = 0;

	line[strcspn(line, "\r\n")] = '\0';
	while (line && n < max)
		fields[n++] = strsep(&line, ":");
	return n;
}

/* Find the user by name, or by number for the rest of what is known of it. */
static bool passwd_find(const struct layers *layers, const char *name, struct ct_user *user,
	char *ret_name, size_t size)
{
	FILE *file = layers_open(layers, "etc/passwd");
	uint32_t number = 0;
	bool by_number = is_number(name, &number), found = false;
	char line[4096];

	while (file && !found && fgets(line, sizeof line, file)) {
		char *f[7] = {0};
		uint32_t uid, gid;

		if (line_split(line, f, 7) < 6 || !is_number(f[2], &uid) || !is_number(f[3], &gid))
			continue;
		found = by_number ? uid == number : strcmp(f[0], name) == 0;
		if (!found)
			continue;
		user->uid = uid;
		user->gid = gid;
		snprintf(user->home, sizeof user->home, "%s", f[5]);
		snprintf(ret_name, size, "%s", f[0]);
	}
	if (file)
		fclose(file);
	return found;
}

static bool is_member(char *members, const char *name)
{
	const char *member;

	while ((member = strsep(&members, ","))) {
		if (strcmp(member, name) == 0)
			return true;
	}
	return false;
}

/* The group's number, and on the way the groups that @member belongs to. */
static bool group_find(const struct layers *layers, const char *name, const char *member,
	struct ct_user *user, uint32_t *ret_gid)
{
	FILE *file = layers_open(layers, "etc/group");
	bool found = false;
	char line[16384];

	while (file && fgets(line, sizeof line, file)) {
		char *f[4] = {0};
		uint32_t gid;

		if (line_split(line, f, 4) < 3 || !is_number(f[2], &gid))
			continue;
		if (name && strcmp(f[0], name) == 0) {
			*ret_gid = gid;
			found = true;
		}
		if (member && f[3] && is_member(f[3], member) &&
			user->n_groups < KK_COUNT(user->groups))
			user->groups[user->n_groups++] = gid;
	}
	if (file)
		fclose(file);
	return found;
}

int ct_user_resolve(const char *text, const struct ct_mounts *rootfs, struct ct_user *ret_user,
	struct kk_err *err)
{
	kk_auto(layers_release) struct layers layers = {0};
	kk_auto_free char *name = kk_xstrdup(*text ? text : "0");
	char *group = strchr(name, ':'), known[256] = "";
	struct ct_user user = {.home = "/"};

	if (group)
		*group++ = '\0';
	layers_of(rootfs, &layers);
	if (!passwd_find(&layers, name, &user, known, sizeof known) && !is_number(name, &user.uid))
		return kk_fail(err, KK_E_INVALID, "user '%s' is not in the image's /etc/passwd",
			name);
	if (group && !is_number(group, &user.gid) &&
		!group_find(&layers, group, NULL, &user, &user.gid))
		return kk_fail(err, KK_E_INVALID, "group '%s' is not in the image's /etc/group",
			group);
	/* A group that is named replaces the supplementary ones, as in Docker. */
	if (!group && *known)
		group_find(&layers, NULL, known, &user, NULL);
	*ret_user = user;
	return 0;
}
