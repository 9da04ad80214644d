/* workers/cgroup/tree.c */
#include "cg.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <libcgroup.h>

#include <kukeon/auto.h>
#include <kukeon/buf.h>
#include <kukeon/clock.h>
#include <kukeon/fault.h>
#include <kukeon/fd.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>

/* What a cell is accounted and limited by; a host may lack some. */
static const char *const v1_controllers[] = {"cpu", "cpuacct", "memory", "pids", "blkio"};
static const char *const v2_controllers[] = {"cpu", "memory", "io", "pids"};

enum {
	REMOVE_LIMIT_MS = 5000,
	REMOVE_PAUSE_NS = 2000000, /* v1 has no event for "empty" */
};

static struct {
	struct cg_hierarchy hierarchies[CG_HIERARCHIES_MAX];
	size_t n;
	char *root;
	const struct cg_hierarchy *v2; /* the cgroup2 mount, if it holds the memory controller */
} tree;

static void cgroup_put(struct cgroup **cg)
{
	if (*cg)
		cgroup_free(cg);
}

static bool word_in(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = words; (p = strstr(p, word)); p += len) {
		bool starts = p == words || strchr(" ,\n", p[-1]);
		bool ends = !p[len] || strchr(" ,\n", p[len]);

		if (starts && ends)
			return true;
	}
	return false;
}

static void hierarchies_read(void)
{
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	const struct mntent *entry;

	while (mounts && tree.n < CG_HIERARCHIES_MAX && (entry = getmntent(mounts))) {
		bool is_v2 = strcmp(entry->mnt_type, "cgroup2") == 0;

		if (!is_v2 && strcmp(entry->mnt_type, "cgroup") != 0)
			continue;
		tree.hierarchies[tree.n++] = (struct cg_hierarchy){
			.mount = kk_xstrdup(entry->mnt_dir),
			.options = kk_xstrdup(entry->mnt_opts),
			.is_v2 = is_v2,
		};
	}
	if (mounts)
		endmntent(mounts);
}

static bool file_has_word(const char *path, const char *word)
{
	kk_auto_buf text = {.max = 65536};

	return kk_file_read(path, &text, NULL) == 0 && word_in((char *)text.data, word);
}

int cg_tree_open(const char *root, struct kk_err *err)
{
	char path[CG_PATH_MAX];
	int r = cgroup_init();

	if (r != 0)
		return kk_fail(err, KK_E_CGROUP, "no cgroup hierarchy can be used: %s",
			cgroup_strerror(r));
	kk_str_set(&tree.root, root);
	hierarchies_read();
	for (size_t i = 0; i < tree.n; i++) {
		snprintf(path, sizeof path, "%s/cgroup.controllers", tree.hierarchies[i].mount);
		if (tree.hierarchies[i].is_v2 && file_has_word(path, "memory"))
			tree.v2 = &tree.hierarchies[i];
	}
	kk_debug("cgroup hierarchies=%zu v2=%s", tree.n, tree.v2 ? tree.v2->mount : "no");
	return 0;
}

bool cg_tree_is_v2(void)
{
	return tree.v2 != NULL;
}

int cg_path_check(const char *path, struct kk_err *err)
{
	size_t len = strlen(tree.root);

	if (strncmp(path, tree.root, len) != 0 || (path[len] && path[len] != '/') ||
		strstr(path, "/../") || kk_str_ends(path, "/.."))
		return kk_fail(err, KK_E_INVALID, "cgroup '%s' is not below '%s'", path, tree.root);
	return 0;
}

static const struct cg_hierarchy *hierarchy_of(const char *controller)
{
	if (tree.v2)
		return tree.v2;
	for (size_t i = 0; i < tree.n; i++) {
		if (!tree.hierarchies[i].is_v2 && word_in(tree.hierarchies[i].options, controller))
			return &tree.hierarchies[i];
	}
	return NULL;
}

int cg_tree_file(const char *controller, const char *path, const char *file, char *buf, size_t size)
{
	const struct cg_hierarchy *hierarchy = hierarchy_of(controller);

	if (!hierarchy)
		return -1;
	snprintf(buf, size, "%s%s/%s", hierarchy->mount, path, file);
	return 0;
}

static int file_write(const char *path, const char *text)
{
	kk_auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -1 : kk_fd_write_all(fd, text, strlen(text));
}

/* On v2 a controller must be handed down level by level, from the mount itself on: libcgroup begins
 * below it, and then fails to create anything where the mount does not hand it down. */
static void v2_hand_down(const char *path, struct kk_strs *ret_controllers)
{
	char dir[CG_PATH_MAX], file[CG_PATH_MAX + 64], word[32];
	const char *end = path;

	for (size_t i = 0; i < KK_COUNT(v2_controllers); i++) {
		snprintf(file, sizeof file, "%s/cgroup.controllers", tree.v2->mount);
		if (file_has_word(file, v2_controllers[i]))
			kk_strs_add(ret_controllers, v2_controllers[i]);
	}
	do {
		snprintf(dir, sizeof dir, "%s%.*s", tree.v2->mount, (int)(end - path), path);
		mkdir(dir, 0755);
		for (size_t i = 0; i < ret_controllers->n; i++) {
			snprintf(file, sizeof file, "%s/cgroup.subtree_control", dir);
			snprintf(word, sizeof word, "+%s", ret_controllers->items[i]);
			if (file_write(file, word) < 0)
				kk_debug("%s refused %s: %m", file, word);
		}
		if (!*end)
			break;
		end = strchr(end + 1, '/');
		if (!end)
			end = path + strlen(path);
	} while (true);
}

bool cg_tree_exists(const char *path)
{
	char dir[CG_PATH_MAX];

	return cg_tree_file("memory", path, "", dir, sizeof dir) == 0 && access(dir, F_OK) == 0;
}

bool cg_tree_identity(const char *path, struct cg_identity *ret_identity)
{
	char dir[CG_PATH_MAX];
	struct stat st;

	if (cg_tree_file("memory", path, "", dir, sizeof dir) < 0 || stat(dir, &st) < 0)
		return false;
	*ret_identity = (struct cg_identity){st.st_ino, st.st_ctim.tv_sec, st.st_ctim.tv_nsec};
	return true;
}

const char *cg_error_text(int code)
{
	return code == ECGOTHER ? kk_errno_text(cgroup_get_last_errno()) : cgroup_strerror(code);
}

static int v1_create(const char *path, struct kk_strs *ret_controllers, struct kk_err *err)
{
	kk_auto(cgroup_put) struct cgroup *cg = cgroup_new_cgroup(path + 1);
	int r;

	if (!cg)
		return kk_fail(err, KK_E_NOMEM, "no memory for cgroup '%s'", path);
	for (size_t i = 0; i < KK_COUNT(v1_controllers); i++) {
		if (!hierarchy_of(v1_controllers[i]))
			continue;
		if (!cgroup_add_controller(cg, v1_controllers[i]))
			return kk_fail(err, KK_E_NOMEM, "no memory for cgroup '%s'", path);
		kk_strs_add(ret_controllers, v1_controllers[i]);
	}
	r = cgroup_create_cgroup(cg, 1);
	if (r != 0)
		return kk_fail(err, KK_E_CGROUP, "create cgroup '%s': %s", path, cg_error_text(r));
	return 0;
}

int cg_tree_ensure(const char *path, bool *ret_created, struct kk_strs *ret_controllers,
	struct kk_err *err)
{
	bool existed;
	int r = cg_path_check(path, err);

	if (r < 0)
		return r;
	existed = cg_tree_exists(path);
	if (tree.v2) {
		v2_hand_down(path, ret_controllers);
		if (!cg_tree_exists(path))
			return kk_fail_errno(err, KK_E_CGROUP, "create cgroup '%s'", path);
	} else {
		r = v1_create(path, ret_controllers, err);
		if (r < 0)
			return r;
	}
	*ret_created = !existed;
	return 0;
}

static void pause_shortly(void)
{
	const struct timespec pause = {.tv_nsec = REMOVE_PAUSE_NS};

	nanosleep(&pause, NULL);
}

/* Kill what is still in the directory itself. Returns whether anything was. */
static bool stragglers_kill(const char *dir)
{
	char path[CG_PATH_MAX + 32];
	long pid;
	bool any = false;
	FILE *procs;

	snprintf(path, sizeof path, "%s/cgroup.procs", dir);
	procs = fopen(path, "re");
	while (procs && fscanf(procs, "%ld", &pid) == 1) {
		/* 0 is a process of another pid namespace: none of ours. */
		if (pid > 1 && kill((pid_t)pid, SIGKILL) == 0)
			any = true;
	}
	if (procs)
		fclose(procs);
	return any;
}

static int dir_remove(const char *dir, int64_t end_ms, bool *was_present);

static int children_remove(const char *dir, int64_t end_ms, bool *was_present)
{
	char child[CG_PATH_MAX];
	const struct dirent *entry;
	DIR *handle = opendir(dir);
	int r = 0;

	while (handle && r == 0 && (entry = readdir(handle))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		if ((size_t)snprintf(child, sizeof child, "%s/%s", dir, entry->d_name) <
			sizeof child)
			r = dir_remove(child, end_ms, was_present);
	}
	if (handle)
		closedir(handle);
	return r;
}

static int dir_remove(const char *dir, int64_t end_ms, bool *was_present)
{
	int r;

	if (access(dir, F_OK) < 0)
		return 0;
	*was_present = true;
	r = children_remove(dir, end_ms, was_present);
	while (r == 0 && rmdir(dir) < 0 && errno != ENOENT) {
		if (errno != EBUSY || kk_clock_ms() > end_ms)
			return -errno;
		if (stragglers_kill(dir))
			kk_debug("killed what was left in cgroup '%s'", dir);
		pause_shortly();
		/* A process that is just being reaped may have left a child group behind. */
		r = children_remove(dir, end_ms, was_present);
	}
	return r;
}

/* Done by hand: libcgroup moves the processes of a busy v1 group to its parent and reports success, and
 * on v2 it reports failure although the group is gone. It also does not know the hierarchies that runc
 * fills without our asking (systemd, cpuset, unified, …). */
int cg_tree_remove(const char *path, bool *ret_was_present, struct kk_err *err)
{
	int64_t end_ms = kk_clock_ms() + REMOVE_LIMIT_MS;
	char dir[CG_PATH_MAX];
	int r = cg_path_check(path, err);

	*ret_was_present = false;
	for (size_t i = 0; r == 0 && i < tree.n; i++) {
		snprintf(dir, sizeof dir, "%s%s", tree.hierarchies[i].mount, path);
		r = dir_remove(dir, end_ms, ret_was_present);
		if (r < 0)
			return kk_fail(err, KK_E_CGROUP, "remove cgroup '%s': %s", dir,
				kk_errno_text(-r));
		r = kk_fault(KK_FAULT_cgroup_removed_half, err);
		if (r < 0)
			return r;
		/* The root goes with the last realm; while anything is in it the kernel refuses. */
		snprintf(dir, sizeof dir, "%s%s", tree.hierarchies[i].mount, tree.root);
		rmdir(dir);
	}
	return r;
}

/* --- what is there --- */

enum { LEVELS = 4 }; /* realm, space, stack, cell */

/* Has it processes, or anything below it? What can't be told is taken for busy. */
static bool is_busy(const char *dir)
{
	kk_auto_free char *procs = kk_xprintf("%s/cgroup.procs", dir);
	kk_auto_buf text = {.max = 1 << 20};
	const struct dirent *entry;
	kk_auto_dir handle = NULL;
	int next = 0;

	if (kk_file_read(procs, &text, NULL) < 0 || text.len)
		return true;
	handle = opendir(dir);
	while (handle && (next = kk_dir_next(handle, &entry)) == 1) {
		kk_auto_free char *below = kk_xprintf("%s/%s", dir, entry->d_name);

		if (entry->d_type == DT_DIR && is_busy(below))
			return true;
	}
	return !handle || next < 0;
}

static void list_below(const char *dir, const char *path, int level, struct kk_map *ret_paths)
{
	kk_auto_dir handle = opendir(dir);
	const struct dirent *entry;

	while (handle && kk_dir_next(handle, &entry) == 1) {
		kk_auto_free char *below = kk_xprintf("%s/%s", dir, entry->d_name);
		kk_auto_free char *name =
			kk_xprintf("%s%s%s", path, *path ? "/" : "", entry->d_name);

		if (entry->d_type != DT_DIR)
			continue;
		if (!kk_str_equal(kk_map_get(ret_paths, name), "busy"))
			kk_map_set(ret_paths, name, is_busy(below) ? "busy" : "empty");
		if (level + 1 < LEVELS)
			list_below(below, name, level + 1, ret_paths);
	}
}

void cg_tree_list(struct kk_map *ret_paths)
{
	for (size_t i = 0; i < tree.n; i++) {
		kk_auto_free char *top = kk_xprintf("%s%s", tree.hierarchies[i].mount, tree.root);

		list_below(top, "", 0, ret_paths);
	}
}
