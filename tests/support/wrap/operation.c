/* tests/support/wrap/operation.c */
#include "../operation.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kukeon/auto.h>
#include <kukeon/config.h>
#include <kukeon/fd.h>
#include <kukeon/mem.h>

#include "../../../workers/network/net.h"
#include "../../../workers/reconciler/rc.h"
#include "../check.h"

static const struct kk_scope realm_scope = {"r", NULL, NULL, NULL};
static const struct kk_scope space_scope = {"r", "s", NULL, NULL};
static const struct kk_scope stack_scope = {"r", "s", "t", NULL};
static const struct kk_scope cell_scope = {"r", "s", "t", "web"};
static const struct net_cell_key cell_key = {"r", "s", "t", "web"};

/* --- the kernel --- */

enum { NAMES_MAX = 16 };

static struct {
	struct {
		char name[NET_NAME_MAX];
		char alias[NET_ALIAS_MAX];
	} bridges[NAMES_MAX];
	size_t n_bridges;
	char *namespaces[NAMES_MAX];
	size_t n_namespaces;
	char task[64]; /* the container that runs */
} kernel;

int __wrap_net_socket_open(struct nl_sock **ret_socket, struct kk_err *err);
int __wrap_net_link_get(struct nl_sock *socket, const char *name, struct net_link *ret_link,
	struct kk_err *err);
int __wrap_net_links_read(struct nl_sock *socket, struct net_links *ret_links, struct kk_err *err);
int __wrap_net_bridge_create(struct nl_sock *socket, const char *name, struct kk_err *err);
int __wrap_net_link_own(struct nl_sock *socket, const char *name, const char *alias,
	struct kk_err *err);
int __wrap_net_link_up(struct nl_sock *socket, int index, struct kk_err *err);
int __wrap_net_link_hairpin_set(struct nl_sock *socket, int index, bool is_on, struct kk_err *err);
int __wrap_net_link_remove(struct nl_sock *socket, const char *name, struct kk_err *err);
int __wrap_net_address_add(struct nl_sock *socket, int index, uint32_t address, unsigned bits,
	struct kk_err *err);
uint32_t __wrap_net_address_get(struct nl_sock *socket, int index);
int __wrap_net_default_route_add(struct nl_sock *socket, int index, uint32_t gateway,
	struct kk_err *err);
int __wrap_net_route_overlaps(struct nl_sock *socket, const struct net_cidr *cidr,
	bool *ret_overlaps, struct kk_err *err);
int __wrap_net_rule_ensure(const struct net_space *space, struct kk_err *err);
void __wrap_net_rules_read(struct net_rules *ret_rules);
int __wrap_net_rule_remove(const struct net_space *space, struct kk_err *err);
bool __wrap_net_ns_exists(const struct net_ns_paths *paths);
bool __wrap_net_ns_is_shared(const struct net_ns_paths *paths);
int __wrap_net_ns_ensure(const struct net_ns_paths *paths, const char *hostname, bool is_shared,
	struct kk_err *err);
int __wrap_net_ns_remove(const struct net_ns_paths *paths, bool *ret_was_present,
	struct kk_err *err);
int __wrap_net_ns_socket(const char *netns_path, struct nl_sock **ret_socket, struct kk_err *err);

int __wrap_net_socket_open(struct nl_sock **ret_socket, struct kk_err *err)
{
	(void)err;
	*ret_socket = NULL;
	return 0;
}

static size_t bridge_find(const char *name)
{
	size_t i = 0;

	while (i < kernel.n_bridges && strcmp(kernel.bridges[i].name, name) != 0)
		i++;
	return i;
}

/* All but bridges are there as soon as they are asked for. */
int __wrap_net_link_get(struct nl_sock *socket, const char *name, struct net_link *ret_link,
	struct kk_err *err)
{
	size_t i = bridge_find(name);

	(void)socket;
	(void)err;
	*ret_link = (struct net_link){.index = 1, .master = 1, .is_up = true};
	if (!kk_str_starts(name, "k-"))
		return 1;
	if (i == kernel.n_bridges)
		return 0;
	memcpy(ret_link->alias, kernel.bridges[i].alias, sizeof ret_link->alias);
	return 1;
}

int __wrap_net_links_read(struct nl_sock *socket, struct net_links *ret_links, struct kk_err *err)
{
	(void)socket;
	(void)err;
	*ret_links = (struct net_links){0};
	return 0;
}

int __wrap_net_bridge_create(struct nl_sock *socket, const char *name, struct kk_err *err)
{
	size_t i = kernel.n_bridges++;

	(void)socket;
	(void)err;
	check_must(i < NAMES_MAX);
	snprintf(kernel.bridges[i].name, sizeof kernel.bridges[i].name, "%s", name);
	kernel.bridges[i].alias[0] = '\0';
	return 0;
}

int __wrap_net_link_own(struct nl_sock *socket, const char *name, const char *alias,
	struct kk_err *err)
{
	size_t i = bridge_find(name);

	(void)socket;
	(void)err;
	/* Other links are not remembered. */
	if (i < kernel.n_bridges)
		snprintf(kernel.bridges[i].alias, sizeof kernel.bridges[i].alias, "%s", alias);
	return 0;
}

int __wrap_net_link_up(struct nl_sock *socket, int index, struct kk_err *err)
{
	(void)socket;
	(void)index;
	(void)err;
	return 0;
}

int __wrap_net_link_hairpin_set(struct nl_sock *socket, int index, bool is_on, struct kk_err *err)
{
	(void)socket;
	(void)index;
	(void)is_on;
	(void)err;
	return 0;
}

int __wrap_net_link_remove(struct nl_sock *socket, const char *name, struct kk_err *err)
{
	size_t i = bridge_find(name);

	(void)socket;
	(void)err;
	if (i < kernel.n_bridges)
		kernel.bridges[i] = kernel.bridges[--kernel.n_bridges];
	return 0;
}

int __wrap_net_address_add(struct nl_sock *socket, int index, uint32_t address, unsigned bits,
	struct kk_err *err)
{
	(void)socket;
	(void)index;
	(void)address;
	(void)bits;
	(void)err;
	return 0;
}

uint32_t __wrap_net_address_get(struct nl_sock *socket, int index)
{
	(void)socket;
	(void)index;
	return 0;
}

int __wrap_net_default_route_add(struct nl_sock *socket, int index, uint32_t gateway,
	struct kk_err *err)
{
	(void)socket;
	(void)index;
	(void)gateway;
	(void)err;
	return 0;
}

int __wrap_net_route_overlaps(struct nl_sock *socket, const struct net_cidr *cidr,
	bool *ret_overlaps, struct kk_err *err)
{
	(void)socket;
	(void)cidr;
	(void)err;
	*ret_overlaps = false;
	return 0;
}

void __wrap_net_rules_read(struct net_rules *ret_rules)
{
	*ret_rules = (struct net_rules){kk_xstrdup(""), kk_xstrdup("")};
}

int __wrap_net_rule_ensure(const struct net_space *space, struct kk_err *err)
{
	(void)space;
	(void)err;
	return 0;
}

int __wrap_net_rule_remove(const struct net_space *space, struct kk_err *err)
{
	(void)space;
	(void)err;
	return 0;
}

static size_t namespace_find(const char *path)
{
	size_t i = 0;

	while (i < kernel.n_namespaces && strcmp(kernel.namespaces[i], path) != 0)
		i++;
	return i;
}

bool __wrap_net_ns_exists(const struct net_ns_paths *paths)
{
	return namespace_find(paths->net) < kernel.n_namespaces;
}

bool __wrap_net_ns_is_shared(const struct net_ns_paths *paths)
{
	(void)paths;
	return false;
}

int __wrap_net_ns_ensure(const struct net_ns_paths *paths, const char *hostname, bool is_shared,
	struct kk_err *err)
{
	(void)is_shared;
	(void)hostname;
	(void)err;
	check_must(kernel.n_namespaces < NAMES_MAX);
	kernel.namespaces[kernel.n_namespaces++] = kk_xstrdup(paths->net);
	return 0;
}

int __wrap_net_ns_remove(const struct net_ns_paths *paths, bool *ret_was_present,
	struct kk_err *err)
{
	size_t i = namespace_find(paths->net);

	(void)err;
	*ret_was_present = i < kernel.n_namespaces;
	if (*ret_was_present) {
		free(kernel.namespaces[i]);
		kernel.namespaces[i] = kernel.namespaces[--kernel.n_namespaces];
	}
	return 0;
}

int __wrap_net_ns_socket(const char *netns_path, struct nl_sock **ret_socket, struct kk_err *err)
{
	(void)netns_path;
	(void)err;
	*ret_socket = NULL;
	return 0;
}

static void kernel_clear(void)
{
	kernel.n_bridges = 0;
	kernel.task[0] = '\0';
	while (kernel.n_namespaces)
		free(kernel.namespaces[--kernel.n_namespaces]);
}

/* --- the other workers: the network's own code, one container, and success for all else --- */

void __wrap_rc_turn_take(const struct kk_scope *scope, bool is_heavy, rc_turn_f fn, void *arg);
void __wrap_rc_turn_end(struct rc_turn *turn);
void __wrap_rc_plan_run(struct rc_plan *plan, uint64_t op, rc_done_f fn, void *arg);

void __wrap_rc_turn_take(const struct kk_scope *scope, bool is_heavy, rc_turn_f fn, void *arg)
{
	static char turn;

	(void)scope;
	(void)is_heavy;
	fn((struct rc_turn *)&turn, arg);
}

void __wrap_rc_turn_end(struct rc_turn *turn)
{
	(void)turn;
}

static int space_ensure(const struct kk_req_space_network_ensure *req,
	struct kk_rep_space_network_ensure *rep, struct kk_err *err)
{
	kk_auto(net_space_release) struct net_space space = {0};
	int r = net_space_ensure(req->realm, req->space, &req->egress, &space, &rep->is_created,
		err);

	if (r == 0)
		rep->conflist = kk_xprintf("%s/network.conflist", space.dir);
	return r;
}

static int cell_ensure(const struct kk_req_cell_network_ensure *req,
	struct kk_rep_cell_network_ensure *rep, struct kk_err *err)
{
	const struct net_cell_key key = {req->realm, req->space, req->stack, req->cell};
	kk_auto(net_cell_release) struct net_cell cell = {0};
	const struct net_wish wish = {
		req->is_host, req->is_shared, &req->ports, &req->networks, &req->aliases};
	int r = net_cell_ensure(&key, &wish, &cell, err);

	if (r == 0)
		rep->ip = kk_xstrdup(cell.ip);
	return r;
}

static void tasks_list(struct kk_rep_container_list *rep)
{
	struct kk_task_info *task;

	if (!kernel.task[0])
		return;
	task = kk_list_add(KK_LIST(&rep->containers), kk_schema_of_task_info());
	task->id = kk_xstrdup(kernel.task);
	task->has_task = true;
	task->state = KK_CONTAINER_READY;
}

static int step_run(struct rc_step *step, struct kk_err *err)
{
	switch (step->msg) {
	case KK_MSG_container_start: {
		const struct kk_req_container_start *req = step->req;

		snprintf(kernel.task, sizeof kernel.task, "%s", req->id);
		return 0;
	}
	case KK_MSG_container_remove:
		kernel.task[0] = '\0';
		return 0;
	case KK_MSG_container_list:
		tasks_list(step->rep);
		return 0;
	case KK_MSG_space_network_ensure:
		return space_ensure(step->req, step->rep, err);
	case KK_MSG_space_network_remove: {
		const struct kk_req_space_network_remove *req = step->req;
		struct kk_rep_space_network_remove *rep = step->rep;

		return net_space_remove(req->realm, req->space, &rep->was_present, err);
	}
	case KK_MSG_cell_network_ensure:
		return cell_ensure(step->req, step->rep, err);
	case KK_MSG_cell_network_remove: {
		const struct kk_req_cell_network_remove *req = step->req;
		const struct net_cell_key key = {req->realm, req->space, req->stack, req->cell};
		struct kk_rep_cell_network_remove *rep = step->rep;

		return net_cell_remove(&key, &rep->was_present, err);
	}
	default:
		return 0;
	}
}

void __wrap_rc_plan_run(struct rc_plan *plan, uint64_t op, rc_done_f fn, void *arg)
{
	struct kk_err err = {0};

	(void)op;
	for (unsigned phase = 0; phase < 8 && !err.code; phase++) {
		for (size_t i = 0; i < plan->n; i++) {
			struct rc_step *step = &plan->steps[i];
			const struct kk_schema *schema = kk_msg_row(step->msg)->rep();
			struct kk_err failure = {0};

			if (step->phase != phase)
				continue;
			step->rep = kk_xalloc(schema->size);
			kk_schema_init(schema, step->rep);
			if (step_run(step, &failure) == 0)
				continue;
			free(step->rep);
			step->rep = NULL;
			if (!step->is_optional && !err.code)
				err = failure;
		}
	}
	fn(err.code ? &err : NULL, arg);
}

/* --- documents --- */

union doc {
	struct kk_realm realm;
	struct kk_space space;
	struct kk_stack stack;
	struct kk_cell cell;
};

static void file_put(const char *path, const char *text)
{
	kk_auto_free char *dir = kk_xstrndup(path, (size_t)(strrchr(path, '/') - path));
	struct kk_err err = {0};

	ck_assert_int_eq(kk_dir_make(dir, 0755, &err), 0);
	ck_assert_int_eq(kk_file_write(path, text, strlen(text), 0644, &err), 0);
}

/* Files of others, that none of this is about. */
static void run_path_prepare(void)
{
	file_put("run/data/other/metadata.json", "{\"metadata\":{\"name\":\"other\"}}");
	file_put("run/data/r/secrets/token", "hush");
}

/* The document of one of the four, in one of its versions. */
static void doc_make(enum kk_kind kind, const char *version, union doc *ret_doc)
{
	struct kk_container_spec *container;

	kk_schema_init(kk_kind_schema(kind), ret_doc);
	kk_map_set(&ret_doc->realm.metadata.labels, "version", version);
	switch (kind) {
	case KK_KIND_REALM:
		ret_doc->realm.metadata.name = kk_xstrdup("r");
		break;
	case KK_KIND_SPACE:
		ret_doc->space.metadata.name = kk_xstrdup("s");
		ret_doc->space.spec.realm_id = kk_xstrdup("r");
		break;
	case KK_KIND_STACK:
		ret_doc->stack.metadata.name = kk_xstrdup("t");
		ret_doc->stack.spec.realm_id = kk_xstrdup("r");
		ret_doc->stack.spec.space_id = kk_xstrdup("s");
		break;
	default:
		ret_doc->cell.metadata.name = kk_xstrdup("web");
		ret_doc->cell.spec.realm_id = kk_xstrdup("r");
		ret_doc->cell.spec.space_id = kk_xstrdup("s");
		ret_doc->cell.spec.stack_id = kk_xstrdup("t");
		container = kk_list_add(KK_LIST(&ret_doc->cell.spec.containers),
			kk_schema_of_container_spec());
		container->id = kk_xstrdup("one");
		container->image = kk_xstrdup(version);
		break;
	}
	kk_doc_default(kind, ret_doc);
}

static const struct kk_scope *scope_of(enum kk_kind kind)
{
	static const struct kk_scope *const scopes[] = {
		&realm_scope, &space_scope, &stack_scope, &cell_scope};

	return scopes[kind];
}

static int save(enum kk_kind kind, const char *version, struct kk_err *err)
{
	union doc doc;
	int r;

	doc_make(kind, version, &doc);
	r = rc_store_save(scope_of(kind), &doc, err);
	kk_schema_release(kk_kind_schema(kind), &doc);
	return r;
}

static int realm_save(struct kk_err *err)
{
	return save(KK_KIND_REALM, "old", err);
}

static int space_save(struct kk_err *err)
{
	return save(KK_KIND_SPACE, "old", err);
}

static int stack_save(struct kk_err *err)
{
	return save(KK_KIND_STACK, "old", err);
}

static int cell_save(struct kk_err *err)
{
	return save(KK_KIND_CELL, "old", err);
}

static int realm_change(struct kk_err *err)
{
	return save(KK_KIND_REALM, "new", err);
}

static int space_change(struct kk_err *err)
{
	return save(KK_KIND_SPACE, "new", err);
}

static int stack_change(struct kk_err *err)
{
	return save(KK_KIND_STACK, "new", err);
}

static int cell_change(struct kk_err *err)
{
	return save(KK_KIND_CELL, "new, and of another length", err);
}

static int realm_remove(struct kk_err *err)
{
	return rc_store_remove(&realm_scope, err);
}

static int space_remove(struct kk_err *err)
{
	return rc_store_remove(&space_scope, err);
}

static int stack_remove(struct kk_err *err)
{
	return rc_store_remove(&stack_scope, err);
}

static int cell_remove(struct kk_err *err)
{
	return rc_store_remove(&cell_scope, err);
}

static const struct operation documents[] = {
	{"save a realm", realm_save},
	{"save a space", space_save},
	{"save a stack", stack_save},
	{"save a cell", cell_save},
	{"change the realm", realm_change},
	{"change the space", space_change},
	{"change the stack", stack_change},
	{"change the cell", cell_change},
	{"remove the cell", cell_remove, true},
	{"remove the stack", stack_remove, true},
	{"remove the space", space_remove, true},
	{"remove the realm", realm_remove, true},
};

/* Load the object and all below it. */
static int tree_load(const struct kk_scope *scope, unsigned depth, size_t *n, struct kk_err *err)
{
	kk_auto(kk_strs_release) struct kk_strs names = {0};

	if (depth) {
		const struct kk_schema *schema = kk_kind_schema((enum kk_kind)(depth - 1));
		kk_auto_free void *doc = kk_xalloc(schema->size);
		int r = rc_store_load(scope, doc, err);

		if (r < 0)
			return r;
		check_must(r == 1);
		kk_schema_release(schema, doc);
		++*n;
	}
	if (depth < 4 && rc_store_children(scope, &names, err) < 0)
		return kk_failed(err);
	for (size_t i = 0; i < names.n; i++) {
		struct kk_scope child = *scope;
		const char **const parts[] = {
			&child.realm, &child.space, &child.stack, &child.cell};
		int r;

		*parts[depth] = names.items[i];
		r = tree_load(&child, depth + 1, n, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- instance --- */

static void nothing_prepare(void)
{
}

static int instance_join(struct kk_err *err)
{
	struct kk_config config = {
		.run_path = kk_xstrdup("run"),
		.namespace_suffix = kk_xstrdup("kukeon.io"),
		.cgroup_root = kk_xstrdup("/kukeon"),
		.pod_subnet_cidr = kk_xstrdup("10.88.0.0/16"),
		.containerd_socket = kk_xstrdup("/run/containerd/containerd.sock"),
		.is_suffix_explicit = true,
		.is_cgroup_root_explicit = true,
	};
	int r = kk_instance_join(&config, false, err);

	kk_config_release(&config);
	return r;
}

static const struct operation instance[] = {
	{"join a new instance", instance_join, true},
	{"join it again", instance_join},
};

/* --- network --- */

static void documents_prepare(void)
{
	struct kk_err err = {0};

	run_path_prepare();
	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(documents[i].run(&err), 0);
}

/* Its document is saved behind it, as the reconciler does: they are in one directory. */
static int network_ensure(struct kk_err *err)
{
	kk_auto(net_space_release) struct net_space space = {0};
	bool is_created;
	int r = net_space_ensure("r", "s", NULL, &space, &is_created, err);

	return r < 0 ? r : save(KK_KIND_SPACE, "old", err);
}

static int network_remove(struct kk_err *err)
{
	bool was_present;

	return net_space_remove("r", "s", &was_present, err);
}

static int cell_connect(struct kk_err *err)
{
	static const struct kk_strs none;
	const struct net_wish wish = {.ports = &none, .networks = &none, .aliases = &none};
	kk_auto(net_cell_release) struct net_cell cell = {0};

	return net_cell_ensure(&cell_key, &wish, &cell, err);
}

static int cell_disconnect(struct kk_err *err)
{
	bool was_present;

	return net_cell_remove(&cell_key, &was_present, err);
}

static const struct operation network[] = {
	{"give a space its network", network_ensure, true},
	{"connect a cell", cell_connect, true},
	{"disconnect the cell", cell_disconnect, true},
	{"connect it again", cell_connect, true},
	{"disconnect it again", cell_disconnect, true},
	{"remove the network", network_remove, true},
};

/* --- whole operations --- */

struct outcome {
	bool is_done;
	struct kk_err err;
};

static void outcome_take(struct rc_outcome *result, void *arg)
{
	struct outcome *outcome = arg;

	outcome->is_done = true;
	if (result->action == RC_FAILED)
		outcome->err = result->err;
}

static int outcome_end(const struct outcome *outcome, uint64_t op, struct kk_err *err)
{
	check_must(outcome->is_done);
	rc_journal_forget(op);
	if (outcome->err.code)
		*err = outcome->err;
	return outcome->err.code;
}

/* Each operation has a number, also when it is repeated. */
static int apply(enum kk_kind kind, const char *version, uint64_t op, struct kk_err *err)
{
	struct outcome outcome = {0};
	union doc doc;

	doc_make(kind, version, &doc);
	if (kind == KK_KIND_CELL)
		rc_cell_do(RC_CELL_APPLY, &doc.cell, (struct rc_cause){op, 0}, outcome_take,
			&outcome);
	else
		rc_scope_apply(kind, &doc, false, (struct rc_cause){op, 0}, outcome_take, &outcome);
	kk_schema_release(kk_kind_schema(kind), &doc);
	return outcome_end(&outcome, op, err);
}

static int realm_apply(struct kk_err *err)
{
	return apply(KK_KIND_REALM, "old", 1, err);
}

static int space_apply(struct kk_err *err)
{
	return apply(KK_KIND_SPACE, "old", 2, err);
}

static int stack_apply(struct kk_err *err)
{
	return apply(KK_KIND_STACK, "old", 3, err);
}

static int cell_apply(struct kk_err *err)
{
	return apply(KK_KIND_CELL, "old", 4, err);
}

static int space_apply_again(struct kk_err *err)
{
	return apply(KK_KIND_SPACE, "new", 5, err);
}

static int cell_apply_again(struct kk_err *err)
{
	return apply(KK_KIND_CELL, "new, and of another length", 6, err);
}

static int cell_materialize(struct kk_err *err)
{
	struct outcome outcome = {0};
	union doc doc;

	doc_make(KK_KIND_CELL, "old", &doc);
	kk_str_set(&doc.cell.metadata.name, "other");
	rc_cell_do(RC_CELL_MATERIALIZE, &doc.cell, (struct rc_cause){7, 0}, outcome_take, &outcome);
	kk_schema_release(kk_schema_of_cell(), &doc);
	return outcome_end(&outcome, 7, err);
}

static int cell_delete(struct kk_err *err)
{
	struct outcome outcome = {0};
	union doc doc;

	doc_make(KK_KIND_CELL, "old", &doc);
	rc_cell_do(RC_CELL_DELETE, &doc.cell, (struct rc_cause){8, 0}, outcome_take, &outcome);
	kk_schema_release(kk_schema_of_cell(), &doc);
	return outcome_end(&outcome, 8, err);
}

static int cascade_delete(struct kk_err *err)
{
	struct outcome outcome = {0};

	rc_scope_delete(&realm_scope, RC_CASCADE, (struct rc_cause){9, 0}, outcome_take, &outcome);
	return outcome_end(&outcome, 9, err);
}

/* Two realms, a space, a stack, two cells: none may be passed over for one that can't be looked at. */
static int all_look(struct kk_err *err)
{
	size_t n = 0;
	int r = tree_load(&(struct kk_scope){0}, 0, &n, err);

	check_must(r < 0 || n == 6);
	return r;
}

static const struct operation objects[] = {
	{"apply a realm", realm_apply, true},
	{"apply a space", space_apply, true},
	{"apply a stack", stack_apply, true},
	{"apply a cell", cell_apply, true},
	{"apply the space again", space_apply_again, true},
	{"apply the cell again", cell_apply_again, true},
	{"create a cell that is stopped", cell_materialize, true},
	{"look at all of them", all_look},
	{"delete a cell", cell_delete, true},
	{"delete the realm with all that is in it", cascade_delete, true},
};

/* --- around them --- */

const struct scenario scenarios[] = {
	{"documents", run_path_prepare, documents, KK_COUNT(documents)},
	{"instance", nothing_prepare, instance, KK_COUNT(instance)},
	{"network", documents_prepare, network, KK_COUNT(network)},
	{"objects", run_path_prepare, objects, KK_COUNT(objects)},
};
const size_t n_scenarios = KK_COUNT(scenarios);

static bool is_temporary(const char *name, const char *of)
{
	size_t len = strlen(of);

	return strncmp(name, of, len) == 0 && name[len] == '.' && strlen(name + len) == 7;
}

enum disk_class operation_class_of(const char *path)
{
	static const char *const durable[] = {
		"metadata.json", "network.json", "network.conflist", ".kukeon-instance.json"};
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	/* Leases too: whoever has one has it for as long as the machine runs. */
	if (kk_str_starts(path, "run/journal") || kk_str_starts(path, "run/events") ||
		kk_str_starts(path, "cni/") || strcmp(path, "cni") == 0 ||
		kk_str_starts(path, "runtime"))
		return DISK_VOLATILE;
	for (size_t i = 0; i < KK_COUNT(durable); i++) {
		if (is_temporary(name, durable[i]))
			return DISK_LEFTOVER;
	}
	return DISK_DURABLE;
}

void operation_setup(void)
{
	static struct kk_worker worker;

	rc = (struct rc){
		.worker = &worker,
		.run_path = "run",
		.suffix = "kukeon.io",
		.cgroup_root = "/kukeon",
		.boot_id = "boot",
		.n_cpus = 1,
	};
	net_instance = (struct net_instance){
		.id = "01234567",
		.run_path = "run",
		.runtime_dir = "runtime",
		.pool_cidr = "10.88.0.0/16",
		.nft_table = "kukeon",
	};
	disk_redirect("/var/lib/cni/networks", "cni");
	/* An address that was given back rests. */
	disk_ignore("\"ip\":");
}

void operation_restart(void)
{
	static const struct kk_scope scopes[] = {{"r", NULL, NULL, NULL}, {"r", "s", NULL, NULL},
		{"r", "s", "t", NULL}, {"r", "s", "t", "web"}, {"r", "s", "t", "other"}};
	kk_auto_fd int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* Where no document is, each is forgotten. */
	ck_assert_int_eq(chdir("/proc"), 0);
	for (size_t i = 0; i < KK_COUNT(scopes); i++)
		ck_assert(!rc_store_exists(&scopes[i]));
	ck_assert_int_eq(fchdir(here), 0);
}

void operation_boot(void)
{
	kernel_clear();
	operation_restart();
}

void operation_load_all(void)
{
	kk_auto(net_space_release) struct net_space space = {0};
	struct kk_err err = {0};
	size_t n = 0;

	ck_assert_msg(tree_load(&(struct kk_scope){0}, 0, &n, &err) == 0, "%s",
		err.n_frames ? err.frames[0].text : "");
	ck_assert_msg(net_space_load("r", "s", &space, &err) >= 0, "%s", err.frames[0].text);
}

void operation_do(const struct operation *operation)
{
	struct kk_err err = {0};
	char text[KK_ERR_TEXT];
	int r = operation->run(&err);

	kk_err_format(&err, text, sizeof text);
	ck_assert_msg(r == 0, "%s: %s", operation->name, text);
}

void live_enter(const struct scenario *scenario, size_t n)
{
	ck_assert_int_eq(mkdir("live", 0755), 0);
	ck_assert_int_eq(chdir("live"), 0);
	scenario->prepare();
	disk_begin(operation_class_of);
	for (size_t i = 0; i < n; i++) {
		operation_do(&scenario->operations[i]);
		disk_promise();
	}
	disk_end();
}

void live_leave(void)
{
	struct kk_err err = {0};

	operation_boot();
	ck_assert_int_eq(chdir(".."), 0);
	check_ok(kk_tree_remove("live", &err), &err);
}
