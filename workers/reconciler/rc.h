/* workers/reconciler/rc.h - documents and what is done for them; effects only by messages. */
#ifndef KK_RECONCILER_RC_H
#define KK_RECONCILER_RC_H

#include <stdbool.h>
#include <stdint.h>

#include <kukeon/json.h>
#include <kukeon/model.h>
#include <kukeon/msg.h>
#include <kukeon/worker.h>

/* The worker, and what it was told at its start. */
struct rc {
	struct kk_worker *worker;
	const char *run_path;
	const char *suffix;
	const char *cgroup_root;
	char boot_id[64];
	unsigned n_cpus;
};
extern struct rc rc;

enum { RC_PATH_MAX = 4096, RC_STOP_GRACE_MS = 5000, RC_STOP_GRACE_MAX_MS = 40000 };

/* On whose behalf something is done. An operation may come to one object more than once, with several documents
 * of it in a file. */
struct rc_cause {
	uint64_t op;  /* operation of a client; 0: nobody's */
	unsigned nth; /* of its visits to the object, from 0 */
};

/* NULL @err: it went well. */
typedef void (*rc_done_f)(const struct kk_err *err, void *arg);

/* --- names (name.c): all that derives from a scope; the caller frees --- */
char *rc_scope_path(const struct kk_scope *scope); /* "realm/space/stack/cell" */
/* Cut such a path into the parts of @ret_scope, which then point into it. False for one of more than four. */
bool rc_scope_parse(char *path, struct kk_scope *ret_scope);
const char **rc_scope_part(struct kk_scope *scope, int level); /* 0, the realm, to 3, the cell */
char *rc_scope_dir(const struct kk_scope *scope);
/* The file of its output, or of that of its terminal, and a short name of the terminal's socket. */
char *rc_log_path(const struct kk_scope *scope, const struct kk_container_spec *spec);
char *rc_tty_link(const struct kk_scope *scope, const char *container);
char *rc_cgroup_path(const struct kk_scope *scope);
char *rc_namespace_default(const char *realm);
char *rc_container_id(const struct kk_scope *scope, const char *container);
/* Cut an id into the parts below the realm of @scope, which then point into it. False for one that was
 * shortened. */
bool rc_container_id_parse(char *id, struct kk_scope *scope);
char *rc_container_cgroup(const struct kk_scope *scope, const char *container);
/* Bytes; 0: it has none, and there is no default. */
int64_t rc_memory_limit(const struct kk_container_spec *spec);
enum kk_kind rc_scope_kind(const struct kk_scope *scope);

/* --- store.c: one metadata.json per object, read through a cache that trusts only stat(2) --- */

/* 1 with a copy in @ret_doc (released by the caller), 0 where there is none. A document that makes no sense is
 * an error, KK_E_CONVERSION, and one that can't be read now is KK_E_IO. */
int rc_store_load(const struct kk_scope *scope, void *ret_doc, struct kk_err *err);
bool rc_store_exists(const struct kk_scope *scope); /* or can't be looked at */
/* Durable; raises generation when the spec changed and stamps the times. Fails with KK_E_IO. */
int rc_store_save(const struct kk_scope *scope, void *doc, struct kk_err *err);
/* Remove the object's directory with all that is in it, durably. Fails with KK_E_IO. */
int rc_store_remove(const struct kk_scope *scope, struct kk_err *err);
/* The same for what a removal that was cut short left of an object: nothing below has a document. */
int rc_store_sweep(const struct kk_scope *scope, struct kk_err *err);
/* Names of the children of @scope (NULL parts end it), sorted. Fails with KK_E_IO. */
int rc_store_children(const struct kk_scope *scope, struct kk_strs *ret_names, struct kk_err *err);
/* The same with those that have no document any more. */
int rc_store_remains(const struct kk_scope *scope, struct kk_strs *ret_names, struct kk_err *err);
/* The document as API text, from the cache; unreadable ones as Failed with the reason. Borrowed until
 * the next call into the store. NULL: gone. */
const char *rc_store_text(const struct kk_scope *scope);
/* The realm's containerd namespace, from its document or derived. NULL where that can't be told now, KK_E_IO. */
char *rc_store_namespace(const char *realm, struct kk_err *err);

/* --- journal.c: what an operation did, so that its repetition reports the same --- */
void rc_journal_note(struct rc_cause cause, const struct kk_scope *scope, const char *what);
bool rc_journal_has(struct rc_cause cause, const struct kk_scope *scope, const char *what);
bool rc_journal_is_open(uint64_t op);
void rc_journal_forget(uint64_t op);
/* What an operation is asked to do, from before its first effect until its answer. */
void rc_journal_request_save(uint64_t op, const char *method, const struct kk_bin *params);
void rc_journal_request_drop(uint64_t op);
/* The answer of what was carried out for nobody, for the client that comes back for it. */
void rc_journal_reply_save(uint64_t op, const char *method, const char *reply);
/* Owned by the caller; NULL: there is none for this method. */
char *rc_journal_reply_read(uint64_t op, const char *method);
/* Carry out what was begun and not ended, unless it is under way. */
void rc_journal_finish(void);
/* Forget what nobody will ask for again: its supervisor died before the answer arrived. */
void rc_journal_expire(void);
enum { RC_JOURNAL_TEXT = 32 };
void rc_journal_text(struct rc_cause cause, char *buf); /* of RC_JOURNAL_TEXT bytes */
/* What came of one document of a file in which there are more of its object; NULL: nothing yet. */
void rc_journal_result_save(uint64_t op, size_t document, const json_t *result);
json_t *rc_journal_result_read(uint64_t op, size_t document);

/* --- eventlog.c: what happened, numbered --- */
void rc_event(const struct kk_scope *scope, const char *container, const char *reason,
	const char *format, ...) __attribute__((format(printf, 4, 5)));
/* What the saving of a document tells. @before: NULL where there was none. */
void rc_event_saved(const struct kk_scope *scope, const void *before, const void *now,
	bool is_spec_new);
void rc_event_removed(const struct kk_scope *scope,
	const void *before); /* NULL: it could not be read */
/* Those behind number @since, -1 for all; the caller owns the array. @ret_missed: how many of them are not kept any
 * more; -1: the log began anew. */
json_t *rc_events_read(int64_t since, int64_t *ret_last, int64_t *ret_missed);
/* Call @fn when there may be new ones, or after @ms. False: nobody may wait any more. */
bool rc_events_wait(int64_t ms, rc_done_f fn, void *arg);
/* The daemon goes down: all that wait are called, and no others. */
void rc_events_drain(void);

/* --- actor.c: one operation at a time on an object and its subtree, in this process and others --- */
struct rc_turn;
typedef void (*rc_turn_f)(struct rc_turn *turn, void *arg);
/* Call @fn when it is the turn of the object at @scope; rc_turn_end lets the next one go.
 * @is_heavy: counts against the number of cells that are brought up at once. */
void rc_turn_take(const struct kk_scope *scope, bool is_heavy, rc_turn_f fn, void *arg);
void rc_turn_end(struct rc_turn *turn);
bool rc_turn_is_busy(const struct kk_scope *scope);

/* --- effective.c: what a cell is started with --- */

/* What the containers of a space have that do not say otherwise. */
void rc_defaults_merge(const struct kk_container_defaults *defaults,
	struct kk_container_spec *spec);
/* @stored with the defaults of its space, and with its variables for one start where they belong. Fails with
 * KK_E_IO, KK_E_CONVERSION. */
int rc_effective_make(const struct kk_cell *stored, struct kk_cell *ret_cell, struct kk_err *err);

/* --- plan.c: steps, and their execution --- */
struct rc_step {
	unsigned phase; /* steps of one phase go out together; the next waits for all of them */
	unsigned msg;
	void *req;        /* struct kk_req_…, owned */
	void *rep;        /* struct kk_rep_… once it was answered */
	bool is_optional; /* its failure is logged, not fatal */
};
struct rc_plan {
	struct rc_step *steps;
	size_t n;
};
/* Append a step and return its request, to be filled; strings in it are owned. */
void *rc_plan_add(struct rc_plan *plan, unsigned phase, unsigned msg);
void rc_plan_drop_first(struct rc_plan *plan);
void rc_plan_release(struct rc_plan *plan);
const void *rc_plan_reply(const struct rc_plan *plan, unsigned msg, size_t nth); /* or NULL */
/* Run it for operation @op; the plan belongs to the run until @fn is called, once. */
void rc_plan_run(struct rc_plan *plan, uint64_t op, rc_done_f fn, void *arg);

/* Pure: what has to be done. */
void rc_plan_realm_make(struct rc_plan *plan, const struct kk_realm *realm);
void rc_plan_space_make(struct rc_plan *plan, const struct kk_space *space);
void rc_plan_stack_make(struct rc_plan *plan, const struct kk_stack *stack);
/* Is there what rc_plan_realm_make and the like make? */
void rc_plan_scope_look(struct rc_plan *plan, const struct kk_scope *scope, const char *namespace);
void rc_plan_cell_look(struct rc_plan *plan, const struct kk_cell *cell, const char *namespace);
void rc_plan_sandbox_make(struct rc_plan *plan, const struct kk_cell *cell);
/* What the making of its containers begins with, and what needs no network yet. @only: containers, here and below;
 * NULL or empty for all. */
void rc_plan_containers_prepare(struct rc_plan *plan, const struct kk_cell *cell,
	const struct kk_strs *only, const char *namespace);
void rc_plan_containers_make(struct rc_plan *plan, const struct kk_cell *cell,
	const struct kk_strs *only, const char *namespace,
	const struct kk_rep_cell_network_ensure *network);
void rc_plan_containers_start(struct rc_plan *plan, const struct kk_cell *cell,
	const struct kk_strs *only, const char *namespace);
/* Containers with a memory limit are watched for kills; nothing where there is none. */
void rc_plan_oom_watch(struct rc_plan *plan, unsigned phase, const struct kk_cell *cell);
void rc_plan_containers_stop(struct rc_plan *plan, const struct kk_cell *cell,
	const char *namespace, int64_t grace_ms);
/* The same, and the network of the cell. */
void rc_plan_cell_stop(struct rc_plan *plan, const struct kk_cell *cell, const char *namespace,
	int64_t grace_ms);
void rc_plan_containers_remove(struct rc_plan *plan, const struct kk_cell *cell,
	const char *namespace, const struct kk_strs *ids);
void rc_plan_network_remove(struct rc_plan *plan, unsigned phase, const struct kk_scope *scope);
/* Whatever has the labels of the cell, or just what its document names, which is cheaper. */
void rc_plan_cell_list(struct rc_plan *plan, const struct kk_scope *scope, const char *namespace,
	bool is_records_only);
void rc_plan_containers_list(struct rc_plan *plan, const struct kk_cell *cell,
	const char *namespace);
void rc_plan_cell_remove(struct rc_plan *plan, const struct kk_scope *scope, const char *namespace,
	const struct kk_strs *containerd_ids);
void rc_plan_scope_remove(struct rc_plan *plan, const struct kk_scope *scope,
	const char *namespace);

/* --- status.c: pure: state from what was seen --- */

/* Bring the container statuses and the state of @cell up to what containerd shows: @tasks, sorted by id. Returns
 * whether anything changed. */
bool rc_status_update(struct kk_cell *cell, const struct kk_task_info *tasks, size_t n);
/* One status for each container of the specification, in its order. */
void rc_status_align(struct kk_cell *cell);
/* The state of @cell from those of its containers. */
void rc_status_derive(struct kk_cell *cell);
/* Does what is down of a Degraded cell come up by itself? */
bool rc_status_is_recovering(const struct kk_cell *cell);
/* Has all its work come to a good end? */
bool rc_status_is_over(const struct kk_cell *cell);

/* --- restart.c: pure: restart policies; times are those of the clock, in ns --- */

/* Who is owed a restart, and when: into the statuses of the containers. */
void rc_restart_update(struct kk_cell *cell, int64_t now);
bool rc_restart_is_owed(const struct kk_container_status *status);
int64_t rc_restart_next(const struct kk_cell *cell); /* KK_TIME_ZERO: none is owed */
/* Count those that are due at @now as restarted, and name them in @ids. */
void rc_restart_take(struct kk_cell *cell, int64_t now, struct kk_strs *ids);
/* Somebody starts the cell: earlier tries do not count. */
void rc_restart_forget(struct kk_cell *cell);

/* --- decide.c: pure: what an apply comes to --- */

enum rc_action { RC_CREATED, RC_UPDATED, RC_UNCHANGED, RC_FAILED, RC_DELETED, RC_NOT_FOUND };
const char *rc_action_name(enum rc_action action);

struct rc_decision {
	enum rc_action action; /* RC_CREATED, RC_UPDATED, RC_UNCHANGED or RC_FAILED */
	struct kk_diff diff;
	struct kk_err err; /* of RC_FAILED */
};
void rc_decision_release(struct rc_decision *decision);
/* What realms, spaces and stacks have alike; points into the document. */
struct rc_scope_status {
	int *state;
	int failed; /* the state of one that could not be made */
	char **message;
};
struct rc_scope_status rc_scope_status(enum kk_kind kind, void *doc);
/* Why what was last asked of a realm, space or stack could not be made; NULL: it was, or it is none of them. */
const char *rc_scope_failure(enum kk_kind kind, const void *doc);
/* @stored: NULL where there is none. For a cell that stays as it is, rc_decide_start has the last word. */
void rc_decide(enum kk_kind kind, const void *stored, const void *wanted,
	struct rc_decision *ret_decision);
/* A cell whose document stays as it is, as it was seen just now: must it be started? */
bool rc_decide_start(const struct kk_cell *observed, struct rc_decision *decision);
/* Into @stored what a manifest has to say. */
void rc_take_over(enum kk_kind kind, void *stored, const void *wanted);
/* The cell that is wanted where one container of it is. */
void rc_container_put(const struct kk_cell *stored, const struct kk_container_spec *one,
	struct kk_cell *ret_wanted);
/* Into the document of a cell, what follows from the rest of it. */
void rc_cell_complete(struct kk_cell *cell);
/* What ends or removes something is not done to kukeond's own realm, unless it is forced. */
int rc_system_check(const struct kk_scope *scope, struct kk_err *err);
int rc_parent_cell_fail(const char *cell, struct kk_err *err);

/* --- scope.c, cell.c: the operations. @fn is called once, from the loop. --- */

struct rc_outcome {
	enum rc_action action;
	struct kk_strs changes;
	struct kk_err err;   /* of RC_FAILED */
	struct kk_strs done; /* of deletions: "metadata", "cgroup", … and cascaded children */
	size_t n_cascaded;
	size_t n_containers;
	bool was_existing;
};
void rc_outcome_release(struct rc_outcome *outcome);
typedef void (*rc_outcome_f)(struct rc_outcome *outcome, void *arg); /* @outcome is borrowed */

/* @doc is copied. @is_create: an existing object is left as it is and only its host objects are made
 * anew where they miss. */
void rc_scope_apply(enum kk_kind kind, const void *doc, bool is_create, struct rc_cause cause,
	rc_outcome_f fn, void *arg);
/* Make again what of a realm, space or stack was taken away: a document is needed. */
void rc_scope_repair(const struct kk_scope *scope, rc_outcome_f fn, void *arg);
/* How it is deleted: with its children; whatever is in it; also where its document is gone, and theirs; only there. */
enum { RC_CASCADE = 1, RC_FORCE = 2, RC_PURGE = 4, RC_SWEEP = 8 };
void rc_scope_delete(const struct kk_scope *scope, unsigned how, struct rc_cause cause,
	rc_outcome_f fn, void *arg);
/* Create the bare parents of @scope that do not exist. */
void rc_parents_ensure(const struct kk_scope *scope, uint64_t op, rc_done_f fn, void *arg);

enum rc_cell_verb {
	RC_CELL_APPLY,
	RC_CELL_CREATE,      /* leave an existing spec alone; start it */
	RC_CELL_MATERIALIZE, /* the same, stored as stopped */
	RC_CELL_START,
	RC_CELL_STOP,
	RC_CELL_RESTART, /* stop it where it is up, and start it: "restarted" in the changes tells which */
	RC_CELL_KILL,
	RC_CELL_HALT, /* its containers end, it is to run again after the next start of kukeond */
	RC_CELL_DELETE,
	RC_CELL_PURGE,   /* the same, also where its document is gone */
	RC_CELL_SWEEP,   /* the same, only where its document is gone */
	RC_CELL_REFRESH, /* look at it, and record what was seen */
	RC_CELL_OOM,     /* the same, after the kernel killed in it for memory */
	RC_CELL_REPAIR,  /* the same, and make again what of its network was taken away */
};
/* @cell gives the identity, and for APPLY, CREATE and MATERIALIZE the wanted spec. */
void rc_cell_do(enum rc_cell_verb verb, const struct kk_cell *cell, struct rc_cause cause,
	rc_outcome_f fn, void *arg);
/* The verbs that only look at what is there. */
void rc_cell_look(const struct kk_scope *scope, enum rc_cell_verb verb, uint64_t op,
	rc_outcome_f fn, void *arg);
/* STOP with another time to end in than RC_STOP_GRACE_MS, up to RC_STOP_GRACE_MAX_MS. */
void rc_cell_stop(const struct kk_cell *cell, int64_t grace_ms, struct rc_cause cause,
	rc_outcome_f fn, void *arg);
/* APPLY for one container of a cell. */
void rc_container_apply(const struct kk_container *container, struct rc_cause cause,
	rc_outcome_f fn, void *arg);

/* --- boot.c --- */

#define RC_RESUMING "Resuming"
#define RC_RESUME_FAILED "ResumeFailed"
#define RC_BOOT_OVER "over" /* instead of a boot's id: no boot has it */

/* Is it recorded as it was in another boot, and was it to run then? */
bool rc_boot_is_former(const struct kk_cell *cell);
/* The containers of such a cell that ran, or were about to, and have no task that runs among @tasks. */
void rc_boot_take(const struct kk_cell *cell, const struct kk_task_info *tasks, size_t n,
	struct kk_strs *ids);
/* Those among @tasks, all of the cell, that its document does not have any more. */
void rc_boot_extra(const struct kk_cell *cell, const struct kk_task_info *tasks, size_t n,
	struct kk_strs *ids);
/* What is told of it meanwhile: that nobody knows. */
void rc_boot_veil(const struct kk_cell *cell, json_t *json);

/* --- tick.c: events and passes --- */
KK_HANDLES_EVENT(api_answered);
KK_HANDLES_EVENT(api_draining);
KK_HANDLES_EVENT(task_exited);
KK_HANDLES_EVENT(containerd_connected);
KK_HANDLES_EVENT(cgroup_oom);
KK_HANDLES_EVENT(cgroup_started);
KK_HANDLES_EVENT(network_changed);
void rc_tick_start(void);
/* Is what is stored of containers what there is, as long as containerd answers? */
bool rc_tick_is_current(void);
/* Look at the cell at @when, KK_TIME_ZERO for never. An in-process command is over by then. */
void rc_tick_wake(const struct kk_scope *scope, int64_t when);
/* What a look at all cells found: names of cells, paths of containers, texts. */
struct rc_report {
	struct kk_strs cells;
	struct kk_strs containers;
	struct kk_strs errors;
};
/* Look at all cells of all realms, then call @fn. @report: NULL, or what is filled until then. */
void rc_observe_all(uint64_t op, struct rc_report *report, rc_done_f fn, void *arg);

/* --- leak.c: what is there and belongs to nothing --- */
#define RC_LABEL_CONTAINER "kukeon.io/container"
#define RC_LABEL_INSTANCE "kukeon.io/instance" /* of a container: who made it */
/* {Thing, Owner, Namespace, Ours} each; NULL with @err. Borrowed. */
typedef void (*rc_leaks_f)(json_t *leaks, const struct kk_err *err, void *arg);
/* @is_fixing: those that are ours without a doubt are removed. */
void rc_leaks_find(bool is_fixing, uint64_t op, rc_leaks_f fn, void *arg);

/* --- walk.c --- */
typedef void (*rc_walk_f)(const struct kk_scope *scope, void *arg);
/* Each object below @under (nothing: all), those above first. What can't be looked at now is logged and left out. */
void rc_walk(const struct kk_scope *under, rc_walk_f fn, void *arg);
void rc_walk_children(const struct kk_scope *scope, struct kk_strs *ret_names);

/* --- health.c --- */
/* Look whether all is there that was made for networks, and with @is_full cgroups and namespaces, and make
 * again what is missing. In-process, nothing. */
void rc_health_check(bool is_full);

/* --- apply.c: whole manifests --- */
typedef void (*rc_documents_f)(json_t *resources, const struct kk_strs *warnings,
	const struct kk_err *err, void *arg);
void rc_documents_apply(const char *yaml, size_t len, uint64_t op, rc_documents_f fn, void *arg);
/* What rc_documents_apply would come to: each entry has "effects" of its changes, "values" before and after. Nothing
 * is done, and nothing is written. */
void rc_documents_preview(const char *yaml, size_t len, uint64_t op, rc_documents_f fn, void *arg);
/* The entry of a document in the answer; the caller owns it. */
json_t *rc_result_make(const struct kk_manifest *manifest, const struct rc_outcome *outcome);
/* Names are checked before parents are made for them. */
int rc_manifest_check(const struct kk_manifest *manifest, struct kk_err *err);
void rc_documents_delete(const char *yaml, size_t len, unsigned how, uint64_t op, rc_documents_f fn,
	void *arg);

/* --- api.c --- */
/* Has whoever asked for it come back? */
bool rc_api_is_under_way(uint64_t op);
/* Carry out what somebody asked for who is gone, and who left it half done perhaps: its answer and its notes stay
 * for whoever comes back. */
void rc_api_finish(uint64_t op, const char *name, const struct kk_bin *params);
int rc_api_handle(struct kk_call *call, const struct kk_req_api_request *req,
	struct kk_rep_api_request *rep, struct kk_err *err);

#endif
