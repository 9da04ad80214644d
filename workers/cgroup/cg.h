/* workers/cgroup/cg.h - the cgroup tree on pure v2 and on v1/hybrid hosts.
 *
 * Paths begin with '/', relative to the mount of a hierarchy, and lie below the instance's root. */
#ifndef KK_CGROUP_CG_H
#define KK_CGROUP_CG_H

#include <stdbool.h>
#include <stdint.h>

#include <kukeon/err.h>
#include <kukeon/schema.h>

struct kk_worker;

enum { CG_HIERARCHIES_MAX = 32, CG_PATH_MAX = 8192 };

/* One mounted hierarchy. */
struct cg_hierarchy {
	char *mount;
	char *options; /* of the mount; on v1 the controllers are among them */
	bool is_v2;
};

/* tree.c */

/* Find the mounted hierarchies; @root is the cgroup that bounds all we may touch. Fails with
 * KK_E_CGROUP. */
int cg_tree_open(const char *root, struct kk_err *err);
bool cg_tree_is_v2(void);
const char *cg_error_text(int code); /* of libcgroup; valid until the next error of this thread */

/* Refuse paths outside the root. Fails with KK_E_INVALID. */
int cg_path_check(const char *path, struct kk_err *err);

/* Create @path and its parents with our controllers. Safe to repeat. Fails with KK_E_CGROUP. */
int cg_tree_ensure(const char *path, bool *ret_created, struct kk_strs *ret_controllers,
	struct kk_err *err);
bool cg_tree_exists(const char *path);

/* What tells a cgroup from a later one of the same path. False when there is none. */
struct cg_identity {
	uint64_t inode;
	int64_t made_s;
	int64_t made_ns;
};
bool cg_tree_identity(const char *path, struct cg_identity *ret_identity);

/* Remove @path and all below in every hierarchy; processes that are left in it are killed. Safe to
 * repeat. Fails with KK_E_CGROUP when something stays. */
int cg_tree_remove(const char *path, bool *ret_was_present, struct kk_err *err);

/* Cgroups below the root down to those of cells, in any hierarchy, by their path below it: "empty", or "busy" where
 * something runs in or below it. */
void cg_tree_list(struct kk_map *ret_paths);

/* The file of a controller in the cgroup at @path, written to @buf. Returns -1 where the controller is
 * not mounted. */
int cg_tree_file(const char *controller, const char *path, const char *file, char *buf,
	size_t size);

/* limit.c */

/* Ceilings; 0 lifts one. Safe to repeat. Fails with KK_E_CGROUP_NOT_FOUND or KK_E_CGROUP. */
int cg_limit_set(const char *path, int64_t memory_bytes, int64_t cpu_shares, int64_t pids,
	struct kk_err *err);

/* stat.c */
struct cg_stat {
	uint64_t memory_bytes;
	uint64_t memory_limit_bytes;
	uint64_t cpu_usage_us;
	uint64_t pids;
	uint64_t oom_kills;
};
void cg_stat_read(const char *path, struct cg_stat *ret_stat);

/* watch.c */

/* Send cgroup_oom to the reconciler whenever the kernel kills in @path for memory. Safe to repeat;
 * ends by itself with the cgroup. Fails with KK_E_CGROUP_NOT_FOUND or KK_E_CGROUP. */
int cg_watch_add(struct kk_worker *worker, const char *path, struct kk_err *err);

#endif
