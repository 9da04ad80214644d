/* client/setup/setup.h - what kuke init, uninstall and daemon share: a host, and kukeond on it. */
#ifndef KK_CLIENT_SETUP_SETUP_H
#define KK_CLIENT_SETUP_SETUP_H

#include <sys/types.h>

#include "../cli.h"

#define SETUP_GROUP "kukeon"
#define SETUP_LOCK_FILE ".init.lock" /* in the run path */
#define SETUP_UNIT "kukeond.service"
/* Without a version: an update is another digest, and no change of the cell. */
#define SETUP_LOCAL_IMAGE "kukeon.internal/kukeond:local"
#define SETUP_FORM_HOST "host"
#define SETUP_FORM_CELL "cell"
#define SETUP_DIGEST_LABEL "kukeon.io/image-digest"

/* Exit status of a start in the foreground where there is nothing to be started again. */
#define SETUP_STATUS_STOPPED 3

enum { SETUP_TIMEOUT_MS = 10000, SETUP_READY_MS = 30000 };

/* Where kukeond's things are. */
struct setup {
	struct cli *cli;
	struct kk_server_configuration file; /* kukeond.yaml */
	char *configuration;                 /* its path, absolute */
	char *socket;
	char *socket_dir;
	char *run_path; /* canonical where it is there */
	char *containerd_socket;
	gid_t gid;       /* of the group that may use the socket; 0: none */
	bool is_default; /* nothing but kukeond.yaml says so */
};

/* --- server.c --- */

/* Flag > environment > kukeond.yaml > kuke.yaml > default, from here on for in-process calls as well. Fails with
 * KK_E_CONFIG. */
int setup_load(struct cli *cli, struct setup *ret_setup, struct kk_err *err);
void setup_release(struct setup *setup);
/* Has init been here, at least as far as the system realm? */
bool setup_is_initialized(const struct setup *setup);
int setup_initialized_check(const struct setup *setup, struct kk_err *err);
#define SETUP_FLAG_CONFIGURATION                                                                   \
	{                                                                                          \
		"server-configuration", 0, CLI_STRING, NULL, "KUKEOND_CONFIGURATION",              \
			"kukeond's settings (default " KK_DEFAULT_SERVER_CONFIGURATION ")", "path" \
	}

/* Has the run path an instance file, that is, is it one? */
bool setup_is_run_path(const struct setup *setup);
/* Is the directory of the socket kukeond's alone? A socket may be told to lie in one of others. */
bool setup_owns_socket_dir(const struct setup *setup);
/* Is somebody there at containerd's socket? Fails with KK_E_CONTAINERD_DOWN, or KK_E_PERMISSION where we may not ask. */
int setup_containerd_check(const struct setup *setup, struct kk_err *err);

/* One init or uninstall at a time for a run path, which has to be there: the others wait until *@ret_fd is closed. Fails
 * with KK_E_IO, or KK_E_STATE for one that went away meanwhile. */
int setup_lock(const struct setup *setup, int *ret_fd, struct kk_err *err);

/* Write kukeond.yaml with the defaults, where it is in the default place and there is none. Fails with KK_E_IO. */
int setup_settings_make(const struct setup *setup, struct kk_err *err);
/* Remove one that init has made and nobody has edited. */
void setup_settings_forget(void);

/* --- image.c --- */

/* Of --kukeond-image or kukeond.yaml, else that of the image that is made here. */
const char *setup_image_name(const struct setup *setup);
/* Have the image in kukeond's realm: the one that is made here is loaded where it is not there, or another one has its
 * name. The caller frees @ret_digest. Fails with KK_E_IMAGE_NOT_FOUND for one that nobody has loaded. */
int setup_image_provide(const struct setup *setup, const char *name, char **ret_digest,
	struct kk_err *err);
/* Has the process another root than we? */
bool setup_has_own_root(pid_t pid);
/* Files of a container that runs, which were replaced. */
struct setup_renewal {
	pid_t pid;
	int root_fd;             /* its root */
	bool is_interrupted;     /* a renewal before this one, whose former files are still there */
	struct kk_strs replaced; /* by name; the former ones lie beside them */
	struct kk_strs added;
};
/* Give the files of the image that would be made here to a kukeond that runs in a container, as process @pid, for its
 * next reload. setup_rootfs_settle must follow. */
int setup_rootfs_renew(pid_t pid, struct setup_renewal *ret_renewal, struct kk_err *err);
/* Keep what was given, as is done where it runs by now as well, or put back what was there before; and release it. */
void setup_rootfs_settle(struct setup_renewal *renewal, bool is_kept);

/* --- group.c --- */

struct setup_account {
	uid_t uid;
	gid_t gid;
	bool is_user_new;
	bool is_group_new;
};
/* The system user and group of this name. Fails with KK_E_IO where the host's own tools can't add them. */
int setup_account_ensure(struct setup_account *ret_account, struct kk_err *err);
gid_t setup_group_find(void); /* 0: there is none */
#define SETUP_REMOVE_FAILED "remove failed"
/* "removed", "absent" or SETUP_REMOVE_FAILED. */
const char *setup_user_remove(void);
const char *setup_group_remove(void);

/* --- command.c --- */

/* Run a program of the host: its exit status, or -1 where there is none. What it says goes nowhere, or to @ret_output. */
int setup_command(const char *const *argv, struct kk_buf *ret_output);

/* --- dirs.c --- */

/* What kukeond finds when it starts: directories that a boot takes away, the one for namespaces as a shared mount. */
int setup_dirs_make(const struct setup *setup, struct kk_err *err);
/* Give what the group may see to it: directories and documents of objects, and logs, nothing of a container's. */
int setup_own(const struct setup *setup, struct kk_err *err);
/* Is there a cgroup of this path, in any hierarchy? */
bool setup_cgroup_exists(const char *path);
bool setup_is_mount(const char *dir);
/* Let go of all mounts below @dir, and of one on itself unless that is spared. The first that stays, or why that can't be told,
 * is named in *@ret_busy, which the caller frees. */
void setup_unmount(const char *dir, bool is_itself_spared, char **ret_busy);

/* --- kukeond.c: in whatever form it runs --- */

enum setup_form { SETUP_IN_CELL, SETUP_ON_HOST };

struct kk_scope setup_cell(void);
/* 1 with the cell, 0 where there is none. */
int setup_cell_get(const struct setup *setup, json_t **ret_cell, struct kk_err *err);
/* Of which image it is, and its digest; "": that is not known. */
const char *setup_cell_image(const json_t *cell);
const char *setup_cell_digest(const json_t *cell);
/* From here on, until the cell is applied, it may have none, but is to have one again: whoever starts it completes that. Fails
 * with KK_E_IO. */
int setup_remake_begin(const struct setup *setup, struct kk_err *err);
void setup_remake_end(const struct setup *setup); /* it is not, after all */
bool setup_is_remaking(const struct setup *setup);
bool setup_cell_runs(const json_t *cell);
bool setup_cell_is_stopped(const json_t *cell);
/* Make it of an image with this digest, or bring it up to date. *@ret_action is what became of it: "created", "updated" or
 * "unchanged", which the caller frees. */
int setup_cell_apply(const struct setup *setup, const char *image, const char *digest,
	char **ret_action, struct kk_err *err);
int setup_cell_call(const struct setup *setup, const char *method, int64_t grace_ms,
	struct kk_err *err);
/* Note of which image it is, and leave all else as it is. */
int setup_cell_label(const struct setup *setup, const char *digest, struct kk_err *err);
/* End kukeond and, where a unit looks after it, that as well. 1: it had to be killed, 0: it ended, or did not run. */
int setup_halt(const struct setup *setup, bool is_kill, int64_t timeout_ms, struct kk_err *err);
enum setup_form setup_form_get(const struct setup *setup);
/* Its process, as the socket says, or the lock on the run path; 0: it does not run. */
pid_t setup_pid(const struct setup *setup);
bool setup_is_reachable(const struct setup *setup);
/* Until it answers. Fails with KK_E_TIMEOUT. */
int setup_wait_ready(const struct setup *setup, struct kk_err *err);
/* Until the process has gone; false: not in time. */
bool setup_wait_gone(pid_t pid, int64_t limit_ms);

/* --- service.c: kukeond as a process of the host, and the unit that starts either form at boot --- */

bool setup_has_systemd(void);
char *
setup_unit_find(void); /* path of the unit's file, which the caller frees; NULL: there is none */
/* Is the unit there, and about this run path? */
bool setup_is_unit(const struct setup *setup);
bool setup_unit_is_active(void);
int setup_unit_do(const char *verb, struct kk_err *err);
/* What kukeond has written, out of the journal where its unit runs it. */
int setup_log_show(const struct setup *setup, bool is_following, struct kk_err *err);
/* By its unit where there is one. */
int setup_host_start(const struct setup *setup, struct kk_err *err);
/* In place of this process, which is not left, or in a session of its own. */
int setup_serve(const struct setup *setup, bool is_here, struct kk_err *err);

#endif
