/* workers/containerd/user.c - names of users, looked up in the layers of the root file system itself:
 * nothing is mounted for it. */
#include "ct.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <kukeon/mem.h>

enum { LAYERS_MAX = 512 };

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

/* Open @path as the container will see it, links kept inside the layer. NULL where it is not. */
static FILE *layers_open(const struct layers *layers, const char *path)
{
	for (size_t i = 0; i < layers->n; i++) {
		kk_auto_fd int dir = open(layers->dirs[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
		struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
			.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
		struct stat st;
		int fd = dir < 0 ? -1 : (int)syscall(SYS_openat2, dir, path, &how, sizeof how);

		if (fd < 0 && dir >= 0 && fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0))
			return NULL; /* whited out: what lies below is deleted */
		if (fd < 0)
			continue;
		if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
			return fdopen(fd, "r");
		close(fd);
	}
	return NULL;
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
