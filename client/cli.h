/* client/cli.h - commands as tables, and what they share. */
#ifndef KK_CLIENT_CLI_H
#define KK_CLIENT_CLI_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <kukeon/buf.h>
#include <kukeon/config.h>
#include <kukeon/err.h>
#include <kukeon/json.h>
#include <kukeon/model.h>
#include <kukeon/text.h>

struct cli;

enum cli_flag_type { CLI_BOOL, CLI_STRING, CLI_STRINGS };

struct cli_flag {
	const char *name;
	char letter; /* 0: none */
	enum cli_flag_type type;
	const char *fallback; /* value when nobody gave one; NULL is "" */
	const char *env;      /* variable that may give it, or NULL */
	const char *help;
	const char *value_name; /* in help, of strings */
};

/* Where a verb is carried out: cli.md 1.6. */
enum cli_route {
	CLI_ROUTE_NONE,
	CLI_ROUTE_BOTH,  /* by the daemon, or in-process when promoted */
	CLI_ROUTE_LOCAL, /* always in-process */
};

struct cli_command {
	const char *name;
	const char *aliases; /* separated by spaces, or NULL */
	const char *usage;   /* arguments, as in "<name> [flags]" */
	const char *summary;
	const struct cli_flag *flags;              /* ends with a NULL name */
	const struct cli_flag *persistent_flags;   /* its own and those of its subcommands */
	const struct cli_command *const *children; /* NULL-terminated; a group has them */
	int min_args;
	int max_args; /* -1: extra ones are ignored */
	size_t n_mixed; /* behind so many arguments nothing is a flag of ours any more; 0: all may be */
	enum cli_route route;
	bool is_on_host; /* it needs more of the host than its API: over ssh it is carried out there */
	bool is_terminal;  /* it has the terminal to itself */
	bool is_long;      /* who waits for it at a terminal is told how it goes */
	bool is_reading;   /* in-process, it makes nothing, not even the run path */
	bool names_object; /* its argument is the name of an object of @kind that is there */
	enum kk_kind kind;
	int (*run)(struct cli *cli, struct kk_err *err);
};

enum { CLI_FLAGS_MAX = 48, CLI_ARGS_MAX = 1024, CLI_GIVEN_MAX = 64, CLI_DEPTH_MAX = 8 };

/* A flag that this command knows, and what was given. */
struct cli_value {
	const struct cli_flag *flag;
	size_t depth;      /* of the command that has it, in the path */
	const char *value; /* as given, or NULL; of several the last */
};

struct cli {
	const struct cli_command *path[CLI_DEPTH_MAX]; /* root … leaf */
	size_t depth;
	struct cli_value values[CLI_FLAGS_MAX];
	size_t n_values;
	struct cli_value given[CLI_GIVEN_MAX]; /* all values of CLI_STRINGS flags, in their order */
	size_t n_given;
	const char *args[CLI_ARGS_MAX];
	size_t n_args;
	struct kk_client_configuration file;
	struct kk_loop *loop;
	struct kk_supervisor *sv; /* in-process */
	struct kk_config config;  /* in-process */
	int fd;                   /* to the daemon; -1: none */
	char *host;               /* where kukeond listens, for those who know it otherwise; NULL */
	bool is_suffix_demanded, is_cgroup_root_demanded; /* the instance must agree */
	pid_t ssh_pid; /* of the ssh that the other end of @fd belongs to; 0: none */
	int ssh_log;   /* what that has said */
	int lent_fd;   /* file that in-process workers may read; 0: none */
	struct kk_buf in;
	unsigned last_id;
	int status;       /* exit status of a command that went well */
	bool has_version; /* kukeond's was looked at */
	bool is_quiet;    /* it does not tell what it waits for: somebody else does */
};

/* What is too large for memory, or comes in through a pipe, waits here, under no name. */
#define CLI_SPOOL_DIR "/var/tmp"

enum { CLI_STATUS_CHANGES = 2 }; /* of a plan that is not empty */

extern const struct cli_command cli_root;

/* --- flag.c --- */

/* Find the command and its flags in @argv. Fails with KK_E_USAGE; *@ret_help: help was asked for. */
int cli_parse(struct cli *cli, int argc, char **argv, bool *ret_help, struct kk_err *err);
/* The string flag whose value is the word behind @word; NULL: none. */
const struct cli_flag *cli_flag_waiting(struct cli *cli, const char *word);
const struct cli_flag *cli_flag_named(struct cli *cli, const char *name, size_t len); /* or NULL */
const struct cli_command *cli_leaf(const struct cli *cli);
/* What of @group may have been meant by @word, as text to append to the error; "": nothing. The caller frees it. */
char *cli_suggestions(const struct cli_command *group, const char *word);
/* Flag, else environment, else default. Never NULL. */
const char *cli_string(const struct cli *cli, const char *name);
bool cli_bool(const struct cli *cli, const char *name);
/* On the command line, or by the variable that stands for it. */
bool cli_is_given(const struct cli *cli, const char *name);
bool cli_has(const struct cli *cli, const char *name); /* the command knows the flag */
/* The @i-th value of a CLI_STRINGS flag, or NULL. */
const char *cli_nth(const struct cli *cli, const char *name, size_t i);
const char *cli_arg(const struct cli *cli, size_t i);        /* or NULL */
char *cli_command_path(const struct cli *cli, size_t depth); /* "kuke get realm" */
/* The variable that stands for a flag, as KUKE_GET_CELL_REALM; NULL: none does. The caller frees. */
char *cli_flag_variable(const struct cli *cli, const struct cli_value *value);

/* --- complete.c: what a shell asks for while a command is typed --- */
bool cli_complete_is_asked(int argc, char **argv);
int cli_complete(int argc, char **argv); /* returns the exit status */
extern const struct cli_command cli_cmd_complete, cli_cmd_autocomplete;

/* --- page.c: pages of the manual, and kukeond.yaml --- */
extern const struct cli_command cli_cmd_file;
/* kukeond.yaml as it is before anybody edits it. The caller frees it; NULL: out of memory. */
char *cli_settings_text(void);

/* --- help.c --- */
bool cli_is_hidden(const struct cli_command *command);
void cli_help_print(const struct cli *cli);

/* --- route.c --- */

/* The decision of cli.md 1.6, pure. */
struct cli_routing {
	enum cli_route route;
	const char *no_daemon_flag; /* value, NULL: not given */
	const char *no_daemon_env;  /* value, NULL: not set */
	bool is_run_path_given;     /* by flag or environment */
};
bool cli_route_is_local(const struct cli_routing *routing);

/* --- out/text.c --- */

json_t *cli_text_load(const struct kk_text *text); /* NULL: no JSON */
/* Indented by two spaces a level, from the second line on by @depth more levels. */
void cli_text_print(const struct kk_text *text, unsigned depth);

/* --- call.c --- */

/* In-process, does it make nothing, not even the run path? */
bool cli_is_reading(const struct cli *cli);

/* --- progress.c --- */

#define CLI_LINE_CLEAR "\r\033[K" /* for a terminal on which it may have been told */

/* Tell how it goes, until the end, where there is a terminal to tell it to. 0: there is nobody. */
pid_t cli_progress_begin(const struct cli *cli);
void cli_progress_end(pid_t pid);
bool cli_is_local(const struct cli *cli); /* is this command carried out in-process? */
/* Call KukeonV1.@method. @args is taken over. *@ret_result is the whole reply object. Errors of the API
 * come with their message and, where it is known, their kind's code. */
int cli_call(struct cli *cli, const char *method, json_t *args, json_t **ret_result,
	struct kk_err *err);
/* The same, the reply as text: valid until the next call. */
int cli_call_text(struct cli *cli, const char *method, json_t *args, struct kk_text *ret_result,
	struct kk_err *err);
/* The same, by @call: whatever the routing. */
typedef int (*cli_call_f)(struct cli *cli, const char *method, json_t *args,
	struct kk_text *ret_result, struct kk_err *err);
int cli_call_json(struct cli *cli, cli_call_f call, const char *method, json_t *args,
	json_t **ret_result, struct kk_err *err);
void cli_disconnect(struct cli *cli); /* the next call begins anew */
void cli_close(struct cli *cli);

/* --- parallel.c --- */

/* What came of one of many. */
struct cli_result {
	struct kk_buf out;    /* what it has printed */
	struct kk_buf errors; /* why it failed */
	bool is_failed;
};
void cli_result_release(struct cli_result *result);
typedef int (*cli_each_f)(struct cli *cli, size_t i, void *arg, struct kk_err *err);
/* Call @fn for each number below @n, in processes of their own, as many at once as is good. Fails where one can't be
 * started; then the rest is not done. */
int cli_each(struct cli *cli, size_t n, cli_each_f fn, void *arg, struct cli_result *results,
	struct kk_err *err);

/* What a reply says of itself: an error of the API has its whole text already. */
int cli_reply_check(const struct kk_text *reply, const char *who, struct kk_err *err);
int cli_no_json_fail(const char *who, struct kk_err *err);

/* --- host.c --- */

#define CLI_SSH "ssh://"

/* Where kukeond listens: at a socket of this machine, or of one that ssh leads to. */
struct cli_host {
	bool is_ssh;
	char *user, *name, *port; /* for ssh; but for the name NULL where they are its own matter */
	char *path;               /* of the socket; NULL: the one that kuke there knows */
};
/* Fails with KK_E_USAGE for what is none. */
int cli_host_parse(const char *url, struct cli_host *ret_host, struct kk_err *err);
void cli_host_release(struct cli_host *host);

/* --- ssh.c --- */

#define CLI_DIAL_VERB "__dial-stdio"
/* Its first line of output: from then on it is kukeond that speaks. */
#define CLI_GREETING CLI_DIAL_VERB ": kukeond\n"

/* Lead cli->fd to kukeond there. Fails with KK_E_PERMISSION where it is of no use to try again, and with errno EBUSY
 * where it is in a moment. */
int cli_ssh_dial(struct cli *cli, const struct cli_host *host, struct kk_err *err);
/* End the ssh of cli->fd, if it is one. */
void cli_ssh_end(struct cli *cli);
/* Carry out the command there, with our input, output and exit status. Fails alike. */
int cli_ssh_run(struct cli *cli, struct kk_err *err);
/* The same for another command, with its name first; its exit status becomes ours. */
int cli_ssh_do(struct cli *cli, const char *const *words, size_t n, struct kk_err *err);
/* What the shell there is to do for that; the caller frees. */
char *cli_ssh_command(const struct cli *cli, const struct cli_host *host);
/* Did a kuke elsewhere have us started, over ssh? */
bool cli_is_over_ssh(void);

/* --- daemon.c, local.c: the two ways of a call, whatever the routing --- */
typedef int (*cli_try_f)(struct cli *cli, struct kk_err *err);
/* Again and again while the other side is just not there yet. */
int cli_try(struct cli *cli, cli_try_f fn, struct kk_err *err);
int cli_dial(struct cli *cli, struct kk_err *err);
void cli_hang_up(struct cli *cli);
int cli_call_daemon(struct cli *cli, const char *method, json_t *args, struct kk_text *ret_result,
	struct kk_err *err);
int cli_call_local(struct cli *cli, const char *method, json_t *args, struct kk_text *ret_result,
	struct kk_err *err);
/* What a first in-process call does before it: cli->config is there then, and the run path is this instance's. */
int cli_local_open(struct cli *cli, struct kk_err *err);

/* --- setting.c --- */
int cli_setting_load(struct cli *cli, struct kk_err *err); /* kuke.yaml */
/* Remove the default file of this user, unless somebody has changed it. */
void cli_setting_forget(void);
/* Flag > environment > file > default. */
const char *cli_setting(const struct cli *cli, const char *flag, const char *env,
	const char *from_file, const char *fallback, bool *ret_explicit);
const char *cli_host(const struct cli *cli);
int cli_host_find(const struct cli *cli, struct cli_host *ret_host, struct kk_err *err);
/* Is what it is about on another machine, to which ssh leads? */
bool cli_is_elsewhere(const struct cli *cli);
/* For what is about this machine alone: that somebody names another one is an error (KK_E_USAGE). */
int cli_here_check(const struct cli *cli, struct kk_err *err);

/* {"Doc": …} for an object of @kind with this identity. */
json_t *cli_doc_args(enum kk_kind kind, const struct kk_scope *scope, const char *container);

/* --- out/ --- */
enum { CLI_COLUMNS_MAX = 12 };
struct cli_table {
	struct kk_strs cells; /* row by row, the header first */
	size_t n_columns;
	size_t n_printed; /* rows */
	size_t widths[CLI_COLUMNS_MAX];
};
void cli_table_init(struct cli_table *table, const char *const *columns, size_t n);
void cli_table_cell(struct cli_table *table, const char *text);
void cli_table_print(struct cli_table *table); /* what was added since the last time */
void cli_table_release(struct cli_table *table);
char *cli_age(const char *created_at); /* of an RFC 3339 time */
char *cli_size(int64_t bytes);

enum cli_format { CLI_TABLE, CLI_WIDE, CLI_YAML, CLI_JSON, CLI_NAME, CLI_JSONPATH };
/* Only the first four. */
int cli_format_parse(const char *name, enum cli_format *ret_format, struct kk_err *err);
struct cli_output {
	enum cli_format format;
	const char *path; /* of CLI_JSONPATH */
};
int cli_output_parse(const char *name, struct cli_output *ret_output, struct kk_err *err);
/* 1: @doc was printed, 0: that is for a table, or an error. */
int cli_doc_print(const struct cli_output *output, const struct kk_schema *schema,
	const json_t *doc, struct kk_err *err);
const char *cli_doc_name(const json_t *doc);
void cli_json_print(const json_t *json);
/* --- out/report.c --- */
#define CLI_OK "OK"
#define CLI_WARN "WARN"
#define CLI_FAIL "FAIL"

struct cli_report {
	json_t *rows;
	bool is_failed; /* one of them is CLI_FAIL */
};
/* @detail is taken, @remedy may be NULL. The row is the report's. */
json_t *cli_report_add(struct cli_report *report, const char *section, const char *name,
	const char *status, char *detail, const char *remedy);
/* Print it and let go of it. Returns the exit status. */
int cli_report_end(struct cli_report *report, bool is_json, bool is_verbose);

/* --- out/jsonpath.c --- */
int cli_jsonpath_check(const char *expression, struct kk_err *err);
/* What one that was checked gives, with a newline at its end; the caller frees. */
char *cli_jsonpath_render(const char *expression, const json_t *root);
/* Documents of one struct as YAML: an array or one object. */
int cli_yaml_print(const struct kk_schema *schema, const json_t *json, struct kk_err *err);
/* Any JSON as YAML, in its own order. */
void cli_yaml_print_any(const json_t *json);

/* --- out/view.c: objects as rows of a table --- */
struct cli_view {
	enum kk_kind kind;
	const char *plural;
	const char *list_method;
	const char *list_key;
	const char *get_method;
	const char *columns[CLI_COLUMNS_MAX];
	size_t n_columns;
	size_t n_wide; /* columns behind the first that only wide shows */
	void (*row)(struct cli_table *table, const json_t *doc, bool is_wide);
};
extern const struct cli_view cli_view_realm, cli_view_space, cli_view_stack, cli_view_cell,
	cli_view_container;
enum { CLI_CONTAINER_COLUMNS = 8, CLI_CONTAINER_WIDE = 10 };
void cli_container_row(struct cli_table *table, const json_t *spec, const json_t *status,
	bool is_wide);
void cli_cell_or_dash(struct cli_table *table, const char *text);

/* --- selector.c --- */
struct cli_selector;
int cli_selector_parse(const char *text, struct cli_selector **ret_selector, struct kk_err *err);
bool cli_selector_match(const struct cli_selector *selector, const json_t *labels);
void cli_selector_free(struct cli_selector *selector);
static inline void cli_selector_freep(struct cli_selector **selector)
{
	cli_selector_free(*selector);
}

/* --- shared by verbs --- */

/* Scope flags as a scope; unset ones are "default". */
struct kk_scope cli_scope(const struct cli *cli, enum kk_kind kind, const char *name);
int cli_scope_check(const struct cli *cli, enum kk_kind kind, struct kk_err *err);
int cli_input_read(const char *path, struct kk_buf *buf, struct kk_err *err);
char *cli_base64(const void *data, size_t len);
const char *cli_json_string(const json_t *object, const char *key);
/* The object of @list whose @key is @value, or NULL. Borrowed. */
const json_t *cli_json_find(const json_t *list, const char *key, const char *value);
const char *cli_filter(const struct cli *cli,
	const char *flag); /* "": a flag that was not given is none */
/* Scope flags as a filter; unset ones, and the cell, filter nothing. */
struct kk_scope cli_filters(const struct cli *cli);
json_t *cli_scope_args(const struct kk_scope *scope); /* RealmName to CellName of a request */
int cli_root_check(const struct cli *cli, struct kk_err *err);

/* --- follow.c: events as they come --- */
struct cli_follow {
	struct kk_scope scope; /* NULL and "": any */
	int64_t since;         /* number of the last one that was seen; -1: none */
	int64_t limit;         /* at first only so many of the past; 0: all */
};
int cli_follow_start(struct cli *cli, struct cli_follow *follow,
	struct kk_err *err); /* from now on */
/* The next ones, none where none came for @wait_ms or a while; the caller owns the array. What is not kept any more is
 * told on standard error. */
int cli_follow_next(struct cli *cli, struct cli_follow *follow, int64_t wait_ms,
	json_t **ret_events, struct kk_err *err);
void cli_pause(int64_t ms);
/* A time in ns out of "10m" or an RFC 3339 time. */
int cli_since_parse(const char *text, int64_t *ret_time, struct kk_err *err);

/* --- cmd/watch.c: objects, and again whenever they change --- */
int cli_watch(struct cli *cli, const struct cli_view *view, const struct cli_output *output,
	const struct cli_selector *selector, struct kk_err *err);

/* --- logfile.c: the files of a log --- */

enum { CLI_LOGFILES_MAX = 101, CLI_BOTH_STREAMS = -1 };

struct cli_logfile {
	int fd;
	int index_fd; /* -1: there is no index */
	ino_t inode;
	off_t from;    /* what was not shown yet begins there */
	int64_t entry; /* of the index: the first that was not needed yet */
};

struct cli_logfiles {
	char *path;
	struct cli_logfile items[CLI_LOGFILES_MAX]; /* the newest first */
	size_t n;
};

/* How it is shown. */
struct cli_logview {
	int stream;          /* CLI_BOTH_STREAMS, or one of enum kk_stream */
	bool has_times;      /* each line has its own before it */
	bool is_amid;        /* a line, so far */
	bool is_counting;    /* nothing is shown */
	long long n_lines;   /* that were counted */
	long long n_skipped; /* that are not shown yet */
};

/* -1 with errno where there is none, or it can't be read. */
int cli_logfiles_open(const char *path, struct cli_logfiles *ret_files);
void cli_logfiles_release(struct cli_logfiles *files);
/* Begin with what was written since @time; where no index tells, with all. */
void cli_logfiles_since(struct cli_logfiles *files, int64_t time);
/* Begin with the last @n lines of that; a last one without its end counts. */
void cli_logfiles_tail(struct cli_logfiles *files, long long n);
/* The same of one stream: what else there is must be read for that. Fails with KK_E_IO. */
int cli_logfiles_stream_tail(const struct cli_logfiles *files, struct cli_logview *view,
	long long n, struct kk_err *err);
/* All that one of them has by now. Fails with KK_E_IO, and errno EPIPE where nobody reads it. */
int cli_logfile_show(struct cli_logview *view, struct cli_logfile *file, struct kk_err *err);
/* Where another file has taken the place of the newest that was open, show what that still has, and open the next one. CLI_LOG_GONE: there is
 * none any more. */
enum cli_log_next { CLI_LOG_SAME, CLI_LOG_NEXT, CLI_LOG_GONE };
int cli_logfiles_next(struct cli_logfiles *files, struct cli_logview *view, struct kk_err *err);

/* --- cmd/log.c --- */

/* All that a container has written; with --follow, go on. */
int cli_log_show(struct cli *cli, const struct kk_scope *scope, const char *container,
	struct kk_err *err);

/* What it has written since @since. */
int cli_log_since(struct cli *cli, const struct kk_scope *scope, const char *container,
	int64_t since, struct kk_err *err);

int cli_log_file_show(struct cli *cli, const char *path, struct kk_err *err);

/* --- terminal.c: the one that we are started at --- */
void cli_terminal_raw(void); /* each key is for the other side, as it is; until the end, or */
void cli_terminal_restore(void);
int cli_terminal_size(uint16_t *ret_rows, uint16_t *ret_columns); /* -1: there is none */

/* Signals that are not to end us, but to be told to the other side: the last one, 0: none; that the terminal has a new size. */
extern volatile sig_atomic_t cli_caught, cli_is_resized;
/* From now on, until the end or the release. @n is 8 at most. */
void cli_signals_catch(const int *signos, size_t n);
void cli_signals_release(void);
/* poll, which ends when one of them comes, or has come: none slips in between. */
int cli_signals_poll(struct pollfd *fds, nfds_t n);

/* --- detach.c --- */
struct cli_detach {
	size_t n_mark; /* bytes so far of what begins or ends a paste */
	bool is_pasting;
	bool has_key;
};
/* How many of the @keys are for the other side; *@ret_is_asked: the user wants to leave behind them, and the last one was
 * changed for that. */
size_t cli_detach_find(struct cli_detach *detach, char *keys, size_t len, bool *ret_is_asked);

/* --- copy.c: files as a stream of tar. Both change the working directory --- */
struct cli_copy_how {
	bool is_dir_demanded; /* the place must be a directory that is there */
	bool keeps_owner;     /* and attributes, and access lists */
};
/* What lies at @path, under its own name; its content alone where it ends with "/.". Fails with KK_E_IO. */
int cli_copy_send(const char *path, bool follows_link, int fd, struct kk_err *err);
/* Into the directory @path, or as @path. Fails with KK_E_IO. */
int cli_copy_receive(int fd, const char *path, const struct cli_copy_how *how, struct kk_err *err);

/* --- replay.c --- */
struct cli_replay {
	char held[256]; /* of a piece, what can't be told yet: it belongs before the next one */
	size_t n_held;
};
/* In place; returns the new length. */
size_t cli_replay_strip(struct cli_replay *replay, char *data, size_t len);

/* --- attach.c --- */
enum cli_attach_end {
	CLI_ATTACH_LEFT,      /* the user has left it */
	CLI_ATTACH_ENDED,     /* what ran at it is over */
	CLI_ATTACH_LOST,      /* an error tells more */
	CLI_ATTACH_SIGNALLED, /* we were told to end */
};
/* Can it be done at all? Fails with KK_E_USAGE. */
int cli_attach_check(struct kk_err *err);
/* Sit down at the terminal of a container, until the user or what runs there is done with it. On a machine that ssh leads
 * to, *@ret_end is CLI_ATTACH_LEFT in either case. Further calls of @cli begin anew. */
int cli_attach(struct cli *cli, const struct kk_scope *scope, const char *container,
	enum cli_attach_end *ret_end, struct kk_err *err);

/* --- cmd/explain.c --- */
const char *cli_explain(const struct kk_schema *schema, const struct kk_field *field); /* or NULL */

/* --- cell.c --- */

/* What became of a part of an object, in the words of the reports. */
const char *cli_outcome(const json_t *result, const char *created, const char *exists);
const char *cli_metadata_outcome(const json_t *result);
/* 1 with the cell, owned by the caller, 0 where there is none, or a negative code. */
int cli_cell_get(struct cli *cli, const struct kk_scope *scope, json_t **ret_cell,
	struct kk_err *err);
int cli_cell_missing_fail(const struct kk_scope *scope, struct kk_err *err);
/* What to say of a cell in this state before the advice to delete it, or "". */
const char *cli_cell_hope(const char *state);
/* The container of --container, or the only one that does the work of the cell. */
int cli_container_pick(const struct cli *cli, const struct kk_scope *scope, const json_t *cell,
	const char **ret_id, struct kk_err *err);
/* The container of --container, the one that the cell names for it, or the only one that has a terminal; @is_any: the first
 * one. */
int cli_attachable_pick(const struct cli *cli, const struct kk_scope *scope, const json_t *cell,
	bool is_any, const char **ret_id, struct kk_err *err);
/* A free name in the scope of the flags; the caller frees. */
int cli_cell_name_choose(struct cli *cli, const char *image, char **ret_name, struct kk_err *err);
/* The call arguments of a cell with one container of the flags --image and --command. */
json_t *cli_cell_of_image(const struct cli *cli, const struct kk_scope *scope);
void cli_cell_print(const json_t *result, const struct kk_scope *scope);
int cli_cell_taken_fail(const struct kk_scope *scope, const char *verb, struct kk_err *err);

/* Tables of the verbs, one per file of cmd/. */
extern const struct cli_command cli_cmd_daemon_kill, cli_cmd_daemon_logs, cli_cmd_daemon_recreate,
	cli_cmd_daemon_reset, cli_cmd_daemon_restart, cli_cmd_daemon_start, cli_cmd_daemon_stop;
extern const struct cli_command cli_cmd_preflight, cli_cmd_init, cli_cmd_uninstall, cli_cmd_version,
	cli_cmd_apply, cli_cmd_attach, cli_cmd_cp, cli_cmd_create, cli_cmd_dial, cli_cmd_diff,
	cli_cmd_doctor, cli_cmd_events, cli_cmd_exec, cli_cmd_explain, cli_cmd_wait, cli_cmd_status,
	cli_cmd_top, cli_cmd_tree, cli_cmd_get, cli_cmd_daemon, cli_cmd_delete, cli_cmd_log,
	cli_cmd_purge, cli_cmd_refresh, cli_cmd_run, cli_cmd_start, cli_cmd_restart, cli_cmd_stop,
	cli_cmd_kill, cli_cmd_image;

#define CLI_FLAGS_END \
	{             \
		0     \
	}
#define CLI_FLAG_REALM                                                                 \
	{                                                                              \
		"realm", 0, CLI_STRING, "default", NULL, "realm of the object", "name" \
	}
#define CLI_FLAG_SPACE                                                                 \
	{                                                                              \
		"space", 0, CLI_STRING, "default", NULL, "space of the object", "name" \
	}
#define CLI_FLAG_STACK                                                                 \
	{                                                                              \
		"stack", 0, CLI_STRING, "default", NULL, "stack of the object", "name" \
	}

#endif
