/* supervisor/main.c - kukeond: flags, configuration, loop. */
#include <kukeon/entry.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <kukeon/auto.h>
#include <kukeon/capability.h>
#include <kukeon/clock.h>
#include <kukeon/config.h>
#include <kukeon/fd.h>
#include <kukeon/log.h>
#include <kukeon/loop.h>
#include <kukeon/mem.h>
#include <kukeon/oom.h>
#include <kukeon/supervisor.h>

#include "front.h"
#include "handover.h"
#include <kukeon/notify.h>
#include "reload.h"

struct daemon {
	struct kk_config config;
	struct kk_loop *loop;
	struct kk_supervisor *sv;
	struct sv_front *front;
	struct sv_reload *reload;
	struct kk_timer *watchdog_timer;
	struct kk_timer *drain_timer;
	char *configuration; /* path of kukeond.yaml */
	char *pid_path;
	int lock_fd;
	int64_t stopped_status;
	int host_fd; /* root of the host, where it is not ours; -1: it is */
	bool is_stopping;
	bool is_successor;
	struct sv_handover handover; /* of a successor, until it is used */
};

enum { DRAIN_MS = 15000, HEARTBEAT_MIN_MS = 100, MMAP_BYTES = 128 * 1024 };

/* One setting: where its value may come from, strongest first: flag, environment, file, default. */
struct setting {
	const char *flag;
	const char *env;
	const char *value; /* given by flag */
	const char *fallback;
	const char *help;
};

enum setting_id {
#define KK_SETTING(id, flag, env, key, fallback, help) SET_##id,
#include <kukeon/settings.def>
#undef KK_SETTING
	SET_N,
};

static struct setting settings[SET_N] = {
#define KK_SETTING(id, flag, env, key, fallback, help) {flag, env, NULL, fallback, help},
#include <kukeon/settings.def>
#undef KK_SETTING
};

static void help_print(void)
{
	printf("kukeond runs cells: it serves the kukeonv1 API and keeps what was applied running.\n\n"
	       "Usage:\n  kukeond serve [flags]\n  kukeond version\n\nFlags:\n");
	for (int i = 0; i < SET_N; i++)
		printf("  --%-28s %s (default %s, env %s)\n", settings[i].flag, settings[i].help,
			settings[i].fallback, settings[i].env);
	printf("  --%-28s %s\n", "help, -h", "this text");
}

/* The value of a setting; *@ret_explicit tells whether anyone gave it. */
static const char *setting_get(enum setting_id id, const char *from_file, bool *ret_explicit)
{
	const struct setting *setting = &settings[id];
	const char *env = getenv(setting->env);
	bool is_explicit = true;
	const char *value = setting->value;

	if (!value && !kk_str_empty(env))
		value = env;
	if (!value && !kk_str_empty(from_file))
		value = from_file;
	if (!value) {
		value = setting->fallback;
		is_explicit = false;
	}
	if (ret_explicit)
		*ret_explicit = is_explicit;
	return value;
}

static int number_get(enum setting_id id, int64_t from_file, int64_t *ret, struct kk_err *err)
{
	kk_auto_free char *file = from_file ? kk_xprintf("%lld", (long long)from_file) : NULL;
	const char *text = setting_get(id, file, NULL);
	char *end;

	errno = 0;
	*ret = strtoll(text, &end, 10);
	if (errno || end == text || *end)
		return kk_fail(err, KK_E_USAGE,
			"invalid argument \"%s\" for \"--%s\" flag: not a number", text,
			settings[id].flag);
	if (*ret < 0) {
		kk_warning("%s must not be negative, taking 0", settings[id].flag);
		*ret = 0;
	}
	return 0;
}

static void interval_get(struct kk_config *config, const char *from_file)
{
	const char *text = setting_get(SET_RECONCILE_INTERVAL, from_file, NULL);

	if (kk_duration_parse(text, &config->reconcile_interval_ms) < 0) {
		kk_warning("WARN reconcile interval \"%s\" is no duration, taking 30s", text);
		config->reconcile_interval_ms = KK_DEFAULT_RECONCILE_INTERVAL_MS;
	}
	if (config->reconcile_interval_ms < 0)
		config->reconcile_interval_ms = 0;
}

static int heartbeat_get(struct kk_config *config, const char *from_file, struct kk_err *err)
{
	const char *text = setting_get(SET_HEARTBEAT_LIMIT, from_file, NULL);

	if (kk_duration_parse(text, &config->heartbeat_limit_ms) == 0 &&
		config->heartbeat_limit_ms >= HEARTBEAT_MIN_MS)
		return 0;
	return kk_fail(err, KK_E_USAGE, "heartbeat limit \"%s\" is no duration of %d ms or more",
		text, HEARTBEAT_MIN_MS);
}

static int level_of(const char *name, const char *whose)
{
	int level = kk_level_parse(name);

	if (level < 0) {
		kk_warning("unknown log level \"%s\" for the %s, taking info", name, whose);
		level = KK_LEVEL_INFO;
	}
	return level;
}

static void levels_get(struct kk_config *config, const struct kk_server_spec *file)
{
	const char *const own[KK_ROLES] = {
		[KK_ROLE_reconciler] = file->workers.reconciler.log_level,
		[KK_ROLE_containerd] = file->workers.containerd.log_level,
		[KK_ROLE_network] = file->workers.network.log_level,
		[KK_ROLE_cgroup] = file->workers.cgroup.log_level,
	};
	int level = level_of(setting_get(SET_LOG_LEVEL, file->log_level, NULL), "daemon");

	for (int i = 0; i < KK_ROLES; i++)
		config->log_levels[i] = kk_str_empty(own[i]) ? level :
							       level_of(own[i], kk_role_name(i));
}

static char *slashes_cut(const char *path)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	return kk_xstrndup(path, len);
}

static int config_load(struct daemon *daemon, struct kk_err *err)
{
	kk_auto(kk_server_configuration_release) struct kk_server_configuration file;
	struct kk_config *config = &daemon->config;
	const struct kk_server_spec *spec = &file.spec;
	bool exists;

	kk_str_set(&daemon->configuration, setting_get(SET_CONFIGURATION, NULL, NULL));
	if (kk_server_configuration_read(daemon->configuration, &file, &exists, err) < 0)
		return kk_wrap(err, "load server configuration");
	kk_str_set(&config->socket, setting_get(SET_SOCKET, spec->socket, NULL));
	config->run_path = kk_path_clean(setting_get(SET_RUN_PATH, spec->run_path, NULL));
	kk_str_set(&config->containerd_socket,
		setting_get(SET_CONTAINERD_SOCKET, spec->containerd_socket,
			&config->is_containerd_explicit));
	kk_str_set(&config->namespace_suffix,
		setting_get(SET_NAMESPACE_SUFFIX, spec->namespace_suffix,
			&config->is_suffix_explicit));
	config->cgroup_root = slashes_cut(setting_get(SET_CGROUP_ROOT, spec->cgroup_root,
		&config->is_cgroup_root_explicit));
	kk_str_set(&config->pod_subnet_cidr,
		setting_get(SET_POD_SUBNET_CIDR, spec->pod_subnet_cidr,
			&config->is_subnet_explicit));
	kk_str_set(&config->sandbox, setting_get(SET_SANDBOX, spec->sandbox, NULL));
	interval_get(config, spec->reconcile_interval);
	if (heartbeat_get(config, spec->heartbeat_limit, err) < 0)
		return kk_failed(err);
	if (number_get(SET_STOPPED_STATUS, 0, &daemon->stopped_status, err) < 0)
		return kk_failed(err);
	levels_get(config, spec);
	kk_str_set(&config->kuketty_log_level,
		setting_get(SET_KUKETTY_LOG_LEVEL, spec->kuketty_log_level, NULL));
	if (number_get(SET_SOCKET_GID, spec->socket_gid, &config->socket_gid, err) < 0 ||
		number_get(SET_DEFAULT_MEMORY_LIMIT, spec->default_memory_limit_bytes,
			&config->default_memory_limit_bytes, err) < 0 ||
		number_get(SET_LOG_MAX_BYTES, spec->log_max_bytes, &config->log_max_bytes, err) <
			0 ||
		number_get(SET_LOG_MAX_FILES, spec->log_max_files, &config->log_max_files, err) < 0)
		return KK_E_USAGE;
	return kk_config_check(config, err);
}

static int flags_parse(int argc, char **argv, bool *ret_help, struct kk_err *err)
{
	struct option options[SET_N + 2] = {{0}};
	int c, index;

	for (int i = 0; i < SET_N; i++)
		options[i] = (struct option){settings[i].flag, required_argument, NULL, 1};
	options[SET_N] = (struct option){"help", no_argument, NULL, 'h'};
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", options, &index)) != -1) {
		if (c == 'h')
			*ret_help = true;
		else if (c == 1)
			settings[index].value = optarg;
		else if (c == ':')
			return kk_fail(err, KK_E_USAGE, "flag needs an argument: %s",
				argv[optind - 1]);
		else
			return kk_fail(err, KK_E_USAGE, "unknown flag: %s", argv[optind - 1]);
	}
	return 0;
}

/* The lock is the instance: it is held as long as the process lives, whatever else is left over. */
static int lock_take(struct daemon *daemon, struct kk_err *err)
{
	kk_auto_free char *path = kk_xprintf("%s/.kukeond.lock", daemon->config.run_path);

	if (daemon->is_successor) {
		daemon->lock_fd = (int)daemon->handover.doc.lock_fd;
		sv_handover_keep_fd(daemon->lock_fd, false);
		return 0;
	}
	daemon->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (daemon->lock_fd < 0)
		return kk_fail_errno(err, KK_E_IO, "open %s", path);
	if (flock(daemon->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return kk_fail(err, KK_E_BUSY, "another kukeond runs on run path %s; stop it first",
			daemon->config.run_path);
	return 0;
}

/* Only now: what it takes to look into the root of another process is dropped. */
static int host_root_open(struct daemon *daemon, struct kk_err *err)
{
	const char *path = setting_get(SET_HOST_ROOT, NULL, NULL);
	kk_auto_free char *of_parent = kk_xprintf("/proc/%d/root", (int)getppid());

	if (strcmp(path, "parent") == 0)
		path = of_parent;
	if (daemon->is_successor && daemon->handover.doc.has_host_root) {
		daemon->host_fd = (int)daemon->handover.doc.host_fd;
		sv_handover_keep_fd(daemon->host_fd, false);
	} else if (strcmp(path, "/") != 0) {
		daemon->host_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (daemon->host_fd < 0)
			return kk_fail_errno(err, KK_E_IO, "open the root of the host, %s", path);
	}
	if (daemon->host_fd >= 0)
		kk_supervisor_lend(daemon->sv, daemon->host_fd);
	return 0;
}

static int pid_write(struct daemon *daemon, struct kk_err *err)
{
	kk_auto_free char *dir = kk_xstrdup(daemon->config.socket);
	kk_auto_free char *text = kk_xprintf("%d\n", (int)getpid());
	char *slash = strrchr(dir, '/');

	if (slash)
		*slash = '\0';
	daemon->pid_path = kk_xprintf("%s/kukeond.pid", slash ? dir : ".");
	return kk_file_replace(daemon->pid_path, text, strlen(text), 0644, err);
}

static int socket_dir_make(const char *socket, struct kk_err *err)
{
	kk_auto_free char *dir = kk_xstrdup(socket);
	char *slash = strrchr(dir, '/');

	if (!slash || slash == dir)
		return 0;
	*slash = '\0';
	return kk_dir_make(dir, 0755, err);
}

static void stopped(void *arg)
{
	struct daemon *daemon = arg;

	kk_loop_stop(daemon->loop);
}

static void drained(void *arg)
{
	struct daemon *daemon = arg;

	kk_timer_stop(daemon->drain_timer);
	kk_supervisor_stop(daemon->sv, stopped, daemon);
}

static void drain_on_timer(void *arg)
{
	kk_warning("requests are still under way, going down without them");
	drained(arg);
}

static void term_on_signal(int signo, void *arg)
{
	struct daemon *daemon = arg;

	if (daemon->is_stopping)
		return;
	daemon->is_stopping = true;
	kk_info("going down: finishing the requests under way signal=%d", signo);
	/* One that is cancelled tells systemd that this process is ready. */
	sv_reload_cancel(daemon->reload);
	kk_notify("STOPPING=1");
	kk_timer_start(daemon->drain_timer, DRAIN_MS);
	kk_supervisor_draining(daemon->sv);
	sv_front_drain(daemon->front, drained, daemon);
}

static void hup_on_signal(int signo, void *arg)
{
	kk_auto(kk_server_configuration_release) struct kk_server_configuration file;
	struct daemon *daemon = arg;
	struct kk_err err = {0};
	char text[KK_ERR_TEXT];
	bool exists;

	(void)signo;
	if (kk_server_configuration_read(daemon->configuration, &file, &exists, &err) < 0) {
		kk_err_format(&err, text, sizeof text);
		kk_error("configuration not read again: %s", text);
		return;
	}
	levels_get(&daemon->config, &file.spec);
	kk_log_set_level(daemon->config.log_levels[KK_ROLE_supervisor]);
	kk_supervisor_levels_apply(daemon->sv);
	kk_info("configuration read again");
}

static void watchdog_on_timer(void *arg)
{
	struct daemon *daemon = arg;

	kk_notify("WATCHDOG=1");
	kk_timer_start(daemon->watchdog_timer, kk_notify_watchdog_ms());
}

static void usr2_on_signal(int signo, void *arg)
{
	struct daemon *daemon = arg;

	(void)signo;
	if (daemon->is_stopping)
		sv_reload_cancel(daemon->reload);
	else
		sv_reload_start(daemon->reload);
}

static void reload_on_request(void *arg)
{
	usr2_on_signal(SIGUSR2, arg);
}

/* Of a new one the socket comes first: whoever finds it taken must not start workers. A successor's answers
 * may come as soon as the workers are there, so that their calls are read last. */
static int daemon_open(struct daemon *daemon, struct kk_err *err)
{
	const struct kk_config *config = &daemon->config;

	if (!daemon->is_successor) {
		daemon->front = sv_front_new(daemon->loop, daemon->sv, config->socket,
			config->socket_gid, err);
		return daemon->front ? kk_supervisor_start(daemon->sv, err) : kk_failed(err);
	}
	if (kk_supervisor_resume(daemon->sv, &daemon->handover, err) < 0)
		return kk_failed(err);
	daemon->front =
		sv_front_resume(daemon->loop, daemon->sv, config->socket, &daemon->handover, err);
	return daemon->front ? 0 : kk_failed(err);
}

/* Ours are those that our workers need, and only they can use them. Once the socket has its group, nothing that
 * we do asks for more than root's files. */
static int privileges_drop(struct kk_err *err)
{
	kk_auto_free char *names = kk_xstrdup("setpcap");

	if (geteuid() != 0)
		return 0;
	for (int i = 1; i < KK_ROLES; i++) {
		char *longer = kk_xprintf("%s,%s", names, kk_role_capabilities((enum kk_role)i));

		free(names);
		names = longer;
	}
	return kk_capabilities_keep(names, false, err);
}

static int daemon_start(struct daemon *daemon, char **argv, struct kk_err *err)
{
	struct kk_config *config = &daemon->config;

	kk_log_open("supervisor",
		daemon->is_successor ? (unsigned)daemon->handover.doc.generation + 1 : 1,
		config->log_levels[KK_ROLE_supervisor]);
	kk_log_set_patience(0);
	/* A successor has it already. */
	if (!daemon->is_successor)
		kk_oom_score_enter(KK_OOM_SUPERVISOR);
	if (kk_instance_join(config, false, err) < 0 || lock_take(daemon, err) < 0 ||
		socket_dir_make(config->socket, err) < 0)
		return kk_failed(err);
	daemon->loop = kk_loop_new();
	if (!daemon->loop)
		return kk_fail(err, KK_E_NOMEM, "no memory for the event loop");
	daemon->sv = kk_supervisor_new(daemon->loop, config, false, err);
	if (!daemon->sv || host_root_open(daemon, err) < 0)
		return kk_failed(err);
	daemon->watchdog_timer = kk_timer_new(daemon->loop, "watchdog", watchdog_on_timer, daemon);
	daemon->drain_timer = kk_timer_new(daemon->loop, "drain", drain_on_timer, daemon);
	if (!daemon->watchdog_timer || !daemon->drain_timer ||
		!kk_signal_new(daemon->loop, SIGTERM, term_on_signal, daemon) ||
		!kk_signal_new(daemon->loop, SIGINT, term_on_signal, daemon) ||
		!kk_signal_new(daemon->loop, SIGHUP, hup_on_signal, daemon) ||
		!kk_signal_new(daemon->loop, SIGUSR2, usr2_on_signal, daemon))
		return kk_fail(err, KK_E_NOMEM, "no memory for the signal handlers");
	if (daemon_open(daemon, err) < 0 || pid_write(daemon, err) < 0 || privileges_drop(err) < 0)
		return kk_failed(err);
	daemon->reload = sv_reload_new(daemon->loop, daemon->sv, daemon->front, config,
		daemon->lock_fd, daemon->host_fd, argv);
	if (!daemon->reload)
		return kk_fail(err, KK_E_NOMEM, "no memory for reloads");
	sv_front_on_reload(daemon->front, reload_on_request, daemon);
	kk_info("kukeond listening socket=%s run_path=%s version=%s", config->socket,
		config->run_path, KK_VERSION);
	if (daemon->is_successor)
		sv_reload_finish(daemon->reload);
	else
		kk_notify("READY=1");
	if (kk_notify_watchdog_ms() > 0)
		watchdog_on_timer(daemon);
	return 0;
}

static void daemon_release(struct daemon *daemon)
{
	sv_reload_free(daemon->reload);
	sv_front_free(daemon->front);
	kk_supervisor_free(daemon->sv);
	if (daemon->pid_path)
		unlink(daemon->pid_path);
	free(daemon->pid_path);
	free(daemon->configuration);
	kk_timer_free(daemon->watchdog_timer);
	kk_timer_free(daemon->drain_timer);
	kk_config_release(&daemon->config);
	kk_closep(&daemon->lock_fd);
	kk_closep(&daemon->host_fd);
}

/* They were blocked while one program gave way to the next. */
static void signals_unblock(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* All that a start may stumble over while there is still a way back. */
static int check(struct daemon *daemon)
{
	struct kk_err err = {0};
	char text[KK_ERR_TEXT * 2];
	int r = kk_instance_join(&daemon->config, true, &err);

	if (r == 0) {
		sv_reload_check_pass(&daemon->config);
	} else {
		kk_err_format(&err, text, sizeof text);
		fprintf(stderr, "Error: %s\n", text);
	}
	daemon_release(daemon);
	return r == 0 ? 0 : kk_code_exit(r);
}

static int serve(char **argv)
{
	struct daemon daemon = {.lock_fd = -1, .host_fd = -1};
	struct kk_err err = {0};
	char text[KK_ERR_TEXT * 2];
	int r;

	signal(SIGPIPE, SIG_IGN);
	/* What a large request took goes back to the system with it. Left alone, glibc keeps more of it
	 * each time. */
	mallopt(M_MMAP_THRESHOLD, MMAP_BYTES);
	kk_log_open("supervisor", 1, KK_LEVEL_INFO);
	kk_log_find_journal();
	r = sv_reload_inherit(&daemon.handover, &err);
	daemon.is_successor = r > 0;
	if (r >= 0)
		r = config_load(&daemon, &err);
	if (r == 0 && sv_reload_is_check())
		return check(&daemon);
	if (r == 0)
		r = daemon_start(&daemon, argv, &err);
	signals_unblock();
	if (daemon.is_successor)
		sv_handover_release(&daemon.handover);
	if (r == 0) {
		kk_loop_run(daemon.loop);
		kk_info("kukeond stopped");
	} else {
		kk_err_format(&err, text, sizeof text);
		fprintf(stderr, "Error: %s\n", text);
	}
	daemon_release(&daemon);
	return r == 0 ? (int)(daemon.stopped_status & 0xff) : kk_code_exit(r);
}

/* In the order in which they were given: getopt sorts @argv. */
static char **arguments_copy(int argc, char **argv)
{
	char **copy = kk_xalloc(((size_t)argc + 1) * sizeof copy[0]);

	memcpy(copy, argv, (size_t)argc * sizeof copy[0]);
	return copy;
}

int kukeond_main(int argc, char **argv)
{
	kk_auto_free char **given = arguments_copy(argc, argv);
	struct kk_err err = {0};
	char text[KK_ERR_TEXT];
	bool is_help = false;
	const char *verb;

	if (flags_parse(argc, argv, &is_help, &err) < 0) {
		kk_err_format(&err, text, sizeof text);
		fprintf(stderr, "Error: %s\n", text);
		return 1;
	}
	verb = argv[optind];
	if (is_help || !verb || strcmp(verb, "help") == 0) {
		help_print();
		return 0;
	}
	if (strcmp(verb, "version") == 0) {
		printf("%s\n", KK_VERSION);
		return 0;
	}
	if (strcmp(verb, "serve") != 0) {
		fprintf(stderr,
			"Error: unknown command \"%s\" for \"kukeond\"\n"
			"Run 'kukeond --help' for usage.\n",
			verb);
		return 1;
	}
	/* A program that is run by its descriptor is called by its number. */
	prctl(PR_SET_NAME, "kukeond");
	return serve(given);
}
