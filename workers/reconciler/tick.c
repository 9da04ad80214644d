/* workers/reconciler/tick.c - what happens by itself: exits, reconnects, and a pass now and then. */
#include "rc.h"

#include <stdlib.h>
#include <string.h>

#include <kukeon/clock.h>
#include <kukeon/dispatch.h>
#include <kukeon/log.h>
#include <kukeon/loop.h>
#include <kukeon/mem.h>

static struct kk_timer *pass_timer, *wake_timer;
static bool has_passed;

/* What is stored of containers is what there is: since containerd's events were followed last, all were looked at, and
 * whatever ended since was told. */
static bool is_current;
static unsigned n_connects;

/* A look at all cells: counts what is open, then calls back. */
struct pass {
	size_t n_open;
	struct rc_report *report; /* or NULL */
	unsigned n_connects;      /* when it began */
	bool has_failed;
	uint64_t op;
	rc_done_f fn;
	void *arg;
};

static void pass_step(struct pass *pass)
{
	if (--pass->n_open)
		return;
	is_current |= !pass->has_failed && pass->n_connects > 0 && pass->n_connects == n_connects;
	pass->fn(NULL, pass->arg);
	free(pass);
}

/* One realm of a pass: what containerd has in its namespace, once for all its cells. */
struct realm_look {
	struct pass *pass;
	char *realm;
	struct rc_plan plan;
};

static void error_report(struct pass *pass, const char *what, const struct kk_err *err)
{
	char text[KK_ERR_TEXT];

	pass->has_failed = true;
	if (!pass->report)
		return;
	kk_err_format(err, text, sizeof text);
	kk_strs_take(&pass->report->errors, kk_xprintf("%s: %s", what, text));
}

static void cell_looked(struct rc_outcome *outcome, void *arg)
{
	if (outcome->action == RC_FAILED)
		error_report(arg, "cell", &outcome->err);
	pass_step(arg);
}

void rc_cell_look(const struct kk_scope *scope, enum rc_cell_verb verb, uint64_t op,
	rc_outcome_f fn, void *arg)
{
	struct kk_cell cell;

	kk_schema_init(kk_schema_of_cell(), &cell);
	cell.metadata.name = (char *)scope->cell;
	cell.spec.realm_id = (char *)scope->realm;
	cell.spec.space_id = (char *)scope->space;
	cell.spec.stack_id = (char *)scope->stack;
	rc_cell_do(verb, &cell, (struct rc_cause){op, 0}, fn, arg);
}

static void watched(const struct kk_err *err, void *arg)
{
	struct rc_plan *plan = arg;

	(void)err;
	rc_plan_release(plan);
	free(plan);
}

/* Cells that run already: those of before this daemon, and those that a kuke started in-process. */
static void oom_watch(const struct kk_cell *cell, uint64_t op)
{
	struct rc_plan *plan;
	struct kk_cell effective;
	struct kk_err ignored = {0};

	if ((cell->status.state != KK_CELL_READY && cell->status.state != KK_CELL_DEGRADED) ||
		rc_effective_make(cell, &effective, &ignored) < 0)
		return;
	plan = kk_xalloc(sizeof *plan);
	rc_plan_oom_watch(plan, 0, &effective);
	kk_cell_release(&effective);
	rc_plan_run(plan, op, watched, plan);
}

static void change_report(struct rc_report *report, const struct kk_scope *scope,
	const struct kk_cell_status *before, const struct kk_cell *cell)
{
	kk_auto_free char *path = rc_scope_path(scope);

	kk_strs_add(&report->cells, scope->cell);
	for (size_t i = 0; i < cell->status.containers.n; i++) {
		const struct kk_container_status *status = &cell->status.containers.items[i];

		if (i >= before->containers.n ||
			!kk_schema_equal(kk_schema_of_container_status(),
				&before->containers.items[i], status, 0))
			kk_strs_take(&report->containers, kk_xprintf("%s/%s", path, status->id));
	}
}

/* Only a cell whose record differs from what was seen needs a turn. */
static void look_at_cell(const struct kk_scope *scope, void *arg)
{
	struct realm_look *look = arg;
	const struct kk_rep_container_list *seen =
		rc_plan_reply(&look->plan, KK_MSG_container_list, 0);
	struct kk_cell_status before = {0};
	struct kk_cell cell;
	struct kk_err err = {0};
	int r;

	if (!scope->cell)
		return;
	r = rc_store_load(scope, &cell, &err);
	if (r < 0)
		error_report(look->pass, scope->cell, &err);
	if (r != 1)
		return;
	/* Whoever has a turn sees to it; what ran before a boot waits for its own. */
	if (rc_turn_is_busy(scope) && !rc_boot_is_former(&cell)) {
		kk_cell_release(&cell);
		return;
	}
	if (look->pass->report)
		kk_schema_copy(kk_schema_of_cell_status(), &cell.status, &before);
	oom_watch(&cell, look->pass->op);
	rc_tick_wake(scope, rc_restart_next(&cell));
	if (rc_boot_is_former(&cell) ||
		rc_status_update(&cell, seen->containers.items, seen->containers.n)) {
		look->pass->n_open++;
		if (look->pass->report)
			change_report(look->pass->report, scope, &before, &cell);
		rc_cell_look(scope, RC_CELL_REFRESH, look->pass->op, cell_looked, look->pass);
	}
	kk_cell_status_release(&before);
	kk_cell_release(&cell);
}

static void realm_looked(const struct kk_err *err, void *arg)
{
	struct realm_look *look = arg;
	struct pass *pass = look->pass;

	if (err)
		error_report(pass, look->realm, err);
	else
		rc_walk(&(struct kk_scope){.realm = look->realm}, look_at_cell, look);
	rc_plan_release(&look->plan);
	free(look->realm);
	free(look);
	pass_step(pass);
}

static void event_done(struct rc_outcome *outcome, void *arg)
{
	char text[KK_ERR_TEXT];

	(void)arg;
	if (outcome->action != RC_FAILED || outcome->err.code == KK_E_CELL_NOT_FOUND)
		return;
	kk_err_format(&outcome->err, text, sizeof text);
	kk_warning("what happened to a cell could not be recorded, the next pass tries again: %s",
		text);
}

/* --- cells that want to be looked at, at a time --- */

/* In no order: most hosts have none. */
static struct wake {
	struct wake *next;
	char *names[4];
	int64_t when; /* clock, ns */
} * wakes;

static struct kk_scope wake_scope(const struct wake *wake)
{
	return (struct kk_scope){wake->names[0], wake->names[1], wake->names[2], wake->names[3]};
}

static void wake_drop(struct wake **link)
{
	struct wake *wake = *link;

	*link = wake->next;
	for (size_t i = 0; i < KK_COUNT(wake->names); i++)
		free(wake->names[i]);
	free(wake);
}

static void wake_timer_start(void)
{
	int64_t now = kk_time_now(), next = INT64_MAX;

	for (const struct wake *wake = wakes; wake; wake = wake->next)
		next = wake->when < next ? wake->when : next;
	/* Rounded up: not a moment too early. */
	if (wakes)
		kk_timer_start(wake_timer, next > now ? (next - now) / 1000000 + 1 : 0);
}

static struct wake **wake_find(const struct kk_scope *scope)
{
	const char *const names[] = {scope->realm, scope->space, scope->stack, scope->cell};
	struct wake **link = &wakes;

	for (; *link; link = &(*link)->next) {
		size_t i = 0;

		while (i < KK_COUNT(names) && strcmp((*link)->names[i], names[i]) == 0)
			i++;
		if (i == KK_COUNT(names))
			break;
	}
	return link;
}

void rc_tick_wake(const struct kk_scope *scope, int64_t when)
{
	const char *const names[] = {scope->realm, scope->space, scope->stack, scope->cell};
	struct wake **link = wake_find(scope);

	if (rc.worker->config.is_embedded)
		return;
	if (when == KK_TIME_ZERO) {
		if (*link)
			wake_drop(link);
		return;
	}
	if (!*link) {
		*link = kk_xalloc(sizeof **link);
		for (size_t i = 0; i < KK_COUNT(names); i++)
			(*link)->names[i] = kk_xstrdup(names[i]);
	}
	(*link)->when = when;
	wake_timer_start();
}

static void wake_on_timer(void *arg)
{
	int64_t now = kk_time_now();

	(void)arg;
	for (struct wake **link = &wakes; *link;) {
		struct kk_scope scope = wake_scope(*link);

		if ((*link)->when > now) {
			link = &(*link)->next;
			continue;
		}
		rc_cell_look(&scope, RC_CELL_REFRESH, 0, event_done, NULL);
		wake_drop(link);
	}
	wake_timer_start();
}

/* --- passes --- */

bool rc_tick_is_current(void)
{
	return is_current;
}

void rc_observe_all(uint64_t op, struct rc_report *report, rc_done_f fn, void *arg)
{
	kk_auto(kk_strs_release) struct kk_strs realms = {0};
	struct pass *pass = kk_xalloc(sizeof *pass);

	has_passed = true;
	*pass = (struct pass){.n_open = 1,
		.report = report,
		.n_connects = n_connects,
		.op = op,
		.fn = fn,
		.arg = arg};
	rc_walk_children(&(struct kk_scope){0}, &realms);
	for (size_t i = 0; i < realms.n; i++) {
		kk_auto_free char *namespace = rc_store_namespace(realms.items[i], NULL);
		struct kk_req_container_list *req;
		struct realm_look *look;

		if (!namespace)
			continue;
		look = kk_xalloc(sizeof *look);
		*look = (struct realm_look){.pass = pass, .realm = kk_xstrdup(realms.items[i])};
		req = rc_plan_add(&look->plan, 0, KK_MSG_container_list);
		req->namespace = kk_steal(&namespace);
		pass->n_open++;
		rc_plan_run(&look->plan, op, realm_looked, look);
	}
	pass_step(pass);
}

/* What the supervisor sends again is there by then, and little that is new. */
enum { FINISH_MS = 100 };

static void pass_done(const struct kk_err *err, void *arg)
{
	(void)err;
	(void)arg;
	if (rc.worker->config.reconcile_interval_ms > 0)
		kk_timer_start(pass_timer, rc.worker->config.reconcile_interval_ms);
	rc_health_check(true);
}

static void pass_on_timer(void *arg)
{
	(void)arg;
	rc_journal_expire();
	rc_observe_all(0, NULL, pass_done, NULL);
}

/* containerd's worker tells that it is there, but not to a second reconciler. */
static void finish_on_timer(void *arg)
{
	(void)arg;
	rc_journal_finish();
	if (!has_passed)
		rc_observe_all(0, NULL, pass_done, NULL);
}

void rc_tick_start(void)
{
	struct kk_timer *finish = kk_timer_new(rc.worker->loop, "finish", finish_on_timer, NULL);

	if (finish)
		kk_timer_start(finish, FINISH_MS);
	pass_timer = kk_timer_new(rc.worker->loop, "pass", pass_on_timer, NULL);
	wake_timer = kk_timer_new(rc.worker->loop, "wake", wake_on_timer, NULL);
	if (pass_timer && rc.worker->config.reconcile_interval_ms > 0)
		kk_timer_start(pass_timer, rc.worker->config.reconcile_interval_ms);
}

int on_api_answered(struct kk_call *call, const struct kk_req_api_answered *req, void *rep,
	struct kk_err *err)
{
	(void)req;
	(void)rep;
	(void)err;
	rc_journal_forget(call->op);
	return 0;
}

int on_api_draining(struct kk_call *call, const struct kk_req_api_draining *req, void *rep,
	struct kk_err *err)
{
	(void)call;
	(void)req;
	(void)rep;
	(void)err;
	rc_events_drain();
	return 0;
}

struct exit_search {
	const struct kk_req_task_exited *event;
};

static void exit_match(const struct kk_scope *scope, void *arg)
{
	const struct exit_search *search = arg;
	struct kk_cell cell;
	struct kk_err err = {0};
	bool is_it = false;

	if (!scope->cell || rc_store_load(scope, &cell, &err) != 1)
		return;
	for (size_t i = 0; i < cell.spec.containers.n && !is_it; i++) {
		kk_auto_free char *id = rc_container_id(scope, cell.spec.containers.items[i].id);

		is_it = kk_str_equal(id, search->event->id);
	}
	if (is_it)
		rc_cell_look(scope, RC_CELL_REFRESH, 0, event_done, NULL);
	kk_cell_release(&cell);
}

/* Nearly every id tells its cell; one that was shortened has to be looked for. */
static void exit_take(const char *realm, const struct kk_req_task_exited *event)
{
	kk_auto_free char *id = kk_xstrdup(kk_str(event->id));
	struct exit_search search = {event};
	struct kk_scope scope = {.realm = realm};

	if (rc_container_id_parse(id, &scope))
		rc_cell_look(&scope, RC_CELL_REFRESH, 0, event_done, NULL);
	else
		rc_walk(&(struct kk_scope){.realm = realm}, exit_match, &search);
}

int on_task_exited(struct kk_call *call, const struct kk_req_task_exited *req, void *rep,
	struct kk_err *err)
{
	kk_auto(kk_strs_release) struct kk_strs realms = {0};

	(void)call;
	(void)rep;
	(void)err;
	kk_info("container '%s' ended status=%llu namespace=%s", kk_str(req->id),
		(unsigned long long)req->exit_status, kk_str(req->namespace));
	rc_walk_children(&(struct kk_scope){0}, &realms);
	for (size_t i = 0; i < realms.n; i++) {
		kk_auto_free char *namespace = rc_store_namespace(realms.items[i], NULL);

		if (namespace && kk_str_equal(namespace, req->namespace))
			exit_take(realms.items[i], req);
	}
	return 0;
}

int on_containerd_connected(struct kk_call *call, const struct kk_req_containerd_connected *req,
	void *rep, struct kk_err *err)
{
	(void)call;
	(void)req;
	(void)rep;
	(void)err;
	n_connects++;
	is_current = false;
	rc_observe_all(0, NULL, pass_done, NULL);
	return 0;
}

int on_cgroup_started(struct kk_call *call, const struct kk_req_cgroup_started *req, void *rep,
	struct kk_err *err)
{
	(void)call;
	(void)req;
	(void)rep;
	(void)err;
	rc_observe_all(0, NULL, pass_done, NULL);
	return 0;
}

int on_network_changed(struct kk_call *call, const struct kk_req_network_changed *req, void *rep,
	struct kk_err *err)
{
	(void)call;
	(void)req;
	(void)rep;
	(void)err;
	rc_health_check(false);
	return 0;
}

/* The cell of `<root>/realm/space/stack/cell/container`; its parts are cut out of @path. */
static bool scope_of_cgroup(char *path, struct kk_scope *ret_scope)
{
	const char **const parts[] = {
		&ret_scope->realm, &ret_scope->space, &ret_scope->stack, &ret_scope->cell};
	char *rest = path + strlen(rc.cgroup_root);

	if (!kk_str_starts(path, rc.cgroup_root) || *rest++ != '/')
		return false;
	for (size_t i = 0; i < KK_COUNT(parts); i++) {
		*parts[i] = strsep(&rest, "/");
		if (!rest)
			return false;
	}
	return true;
}

int on_cgroup_oom(struct kk_call *call, const struct kk_req_cgroup_oom *req, void *rep,
	struct kk_err *err)
{
	kk_auto_free char *path = kk_xstrdup(kk_str(req->path));
	struct kk_scope scope = {0};

	(void)call;
	(void)rep;
	(void)err;
	kk_warning("out of memory in cgroup '%s' oom_kills=%llu", path,
		(unsigned long long)req->oom_kills);
	if (scope_of_cgroup(path, &scope))
		rc_cell_look(&scope, RC_CELL_OOM, 0, event_done, NULL);
	return 0;
}
