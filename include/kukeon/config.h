/* include/kukeon/config.h - what one instance runs with, however it was told. */
#ifndef KK_CONFIG_H
#define KK_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include <kukeon/err.h>
#include <kukeon/model.h>
#include <kukeon/msg.h>

#define KK_DEFAULT_SOCKET "/run/kukeon/kukeond.sock"
#define KK_DEFAULT_RUN_PATH "/opt/kukeon"
#define KK_INSTANCE_FILE ".kukeon-instance.json" /* in the run path; what has it is one */
#define KK_DEFAULT_RUNTIME_DIR "/run/kukeon"
#define KK_DEFAULT_CRASH_DIR "/var/lib/kukeon/crash"
#define KK_DEFAULT_CONTAINERD_SOCKET "/run/containerd/containerd.sock"
#define KK_DEFAULT_NAMESPACE_SUFFIX "kukeon.io"
#define KK_DEFAULT_CGROUP_ROOT "/kukeon"
#define KK_DEFAULT_POD_SUBNET_CIDR "10.88.0.0/16"
#define KK_DEFAULT_SERVER_CONFIGURATION "/etc/kukeon/kukeond.yaml"
/* Of host-local, which other programs on this host take addresses from too. */
#define KK_LEASE_ROOT "/var/lib/cni/networks"
/* What is forbidden and happens all the same is a fault: where faults are looked for, it must not go by. */
#ifdef KK_WITH_FAULTS
#define KK_DEFAULT_SANDBOX "kill"
#else
#define KK_DEFAULT_SANDBOX "deny"
#endif
#define KK_DEFAULT_RECONCILE_INTERVAL_MS 30000
#define KK_DEFAULT_LOG_MAX_BYTES 10485760
#define KK_DEFAULT_LOG_MAX_FILES 5

/* Of what lies in a run path. Changes when an older release could not read it, or would do harm to it. */
#define KK_STATE_VERSION 1

struct kk_config {
	char *socket;
	int64_t socket_gid;
	char *run_path; /* canonical */
	char *containerd_socket;
	char *namespace_suffix;
	char *cgroup_root;
	char *pod_subnet_cidr;
	char *sandbox;                 /* kill, deny or off: see README.md */
	int64_t reconcile_interval_ms; /* 0: no passes */
	int64_t heartbeat_limit_ms;    /* for all workers; 0: what roles.def has for each */
	int64_t default_memory_limit_bytes;
	int64_t log_max_bytes; /* of a file of a container's log, unless its document says otherwise */
	int64_t log_max_files; /* of it */
	char *kuketty_log_level;
	int log_levels[KK_ROLES];
	bool is_suffix_explicit; /* told by flag, environment or file, so the instance must agree */
	bool is_cgroup_root_explicit;
	bool is_subnet_explicit;
	bool is_containerd_explicit;
};

void kk_config_release(struct kk_config *config);

/* Read kukeond.yaml. A missing file is an empty one; *@ret_exists tells. Fails with KK_E_CONFIG or
 * KK_E_NOMEM. */
int kk_server_configuration_read(const char *path, struct kk_server_configuration *ret_file,
	bool *ret_exists, struct kk_err *err);

/* Fails with KK_E_USAGE where it is empty. */
int kk_run_path_check(const char *run_path, struct kk_err *err);
/* The same, and fails with KK_E_CONFIG where suffix, cgroup root or subnet is malformed. */
int kk_config_check(const struct kk_config *config, struct kk_err *err);

/* Take over what the run path's instance file states and @config does not state explicitly. Where there
 * is none, run path and file are made, unless @is_reading. Fails with KK_E_INSTANCE_MISMATCH, KK_E_CONFIG,
 * KK_E_IO. */
int kk_instance_join(struct kk_config *config, bool is_reading, struct kk_err *err);

/* What the instance file of a run path states; the caller releases it. False: there is none that can be read. */
bool kk_instance_find(const char *run_path, struct kk_instance *ret_instance);
/* Note where the kukeond of this run path runs, "host" or "cell". @config has joined. Fails with KK_E_IO or KK_E_NOMEM. */
int kk_instance_kukeond_set(const struct kk_config *config, const char *kukeond,
	struct kk_err *err);

/* Names that derive from the run path. The caller frees them. */
char *kk_config_instance_id(const struct kk_config *config); /* 8 hex digits */
char *kk_config_runtime_dir(const struct kk_config *config); /* what need not survive a boot */
char *kk_config_crash_dir(const struct kk_config *config);   /* of crash reports */
char *kk_config_nft_table(const struct kk_config *config);

#endif
