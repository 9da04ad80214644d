/* tests/unit/test_plan.c - what has to be done for an object: the exact messages, and their running. */
#include "../../workers/reconciler/rc.h"

#include <stdio.h>
#include <string.h>

#include <kukeon/buf.h>
#include <kukeon/loop.h>
#include <kukeon/mem.h>

#include "../support/check.h"

enum { DEFAULT_MEMORY = 1 << 20 };

static struct kk_worker worker = {
	.config = {.default_memory_limit_bytes = DEFAULT_MEMORY, .instance = (char *)"0123abcd"}};

static void setup(void)
{
	rc = (struct rc){
		.worker = &worker,
		.run_path = "/run path",
		.suffix = "kukeon.io",
		.cgroup_root = "/kukeon",
	};
}

#define auto_plan kk_auto(rc_plan_release) struct rc_plan
#define auto_cell kk_auto(kk_cell_release) struct kk_cell

static struct kk_container_spec *container_add(struct kk_cell *cell, const char *id)
{
	struct kk_container_spec *spec =
		kk_list_add(KK_LIST(&cell->spec.containers), kk_schema_of_container_spec());

	spec->id = kk_xstrdup(id);
	spec->image = kk_xstrdup("busybox");
	return spec;
}

/* r/s/t/web with the containers one and two. */
static struct kk_cell cell_make(void)
{
	struct kk_cell cell = {0};

	kk_schema_init(kk_schema_of_cell(), &cell);
	cell.metadata.name = kk_xstrdup("web");
	cell.spec.realm_id = kk_xstrdup("r");
	cell.spec.space_id = kk_xstrdup("s");
	cell.spec.stack_id = kk_xstrdup("t");
	container_add(&cell, "one");
	container_add(&cell, "two");
	return cell;
}

static void field_describe(const struct kk_field *field, const void *req, struct kk_buf *out)
{
	const void *at = kk_field_at(field, req);
	const struct kk_map *map = at;
	const struct kk_strs *strs = at;

	if (kk_field_is_empty(field, req))
		return;
	kk_buf_printf(out, " %s=", field->name);
	switch (field->type) {
	case KK_T_STR:
		/* Hashes are looked at elsewhere. */
		kk_buf_str(out, strcmp(field->name, "spec_hash") == 0 ? "#" : *(char **)at);
		break;
	case KK_T_BOOL:
		kk_buf_str(out, *(const bool *)at ? "true" : "false");
		break;
	case KK_T_I64:
		kk_buf_printf(out, "%lld", (long long)*(const int64_t *)at);
		break;
	case KK_T_STRS:
		for (size_t i = 0; i < strs->n; i++)
			kk_buf_printf(out, "%s%s", i ? "," : "", strs->items[i]);
		break;
	case KK_T_MAP:
		for (size_t i = 0; i < map->n; i++)
			kk_buf_printf(out, "%s%s:%s", i ? "," : "", map->items[i].key,
				kk_str_ends(map->items[i].key, "/spec-hash") ? "#" :
									       map->items[i].value);
		break;
	case KK_T_OBJ:
		kk_buf_str(out, ((const struct kk_container_spec *)at)->id);
		break;
	default:
		ck_abort_msg("field %s of an unexpected type", field->name);
	}
}

/* One line for each step: phase, message, the fields that are not empty. */
static char *describe(const struct rc_plan *plan)
{
	struct kk_buf out = {0};

	for (size_t i = 0; i < plan->n; i++) {
		const struct rc_step *step = &plan->steps[i];
		const struct kk_msg_row *row = kk_msg_row(step->msg);
		const struct kk_schema *schema = row->req();

		kk_buf_printf(&out, "%u %s%s", step->phase, row->name,
			step->is_optional ? "?" : "");
		for (unsigned f = 0; f < schema->n_fields; f++)
			field_describe(&schema->fields[f], step->req, &out);
		kk_buf_str(&out, "\n");
	}
	return kk_buf_take(&out);
}

static void expect_plan(const struct rc_plan *plan, const char *lines)
{
	kk_auto_free char *found = describe(plan);

	ck_assert_str_eq(found, lines);
}

/* --- making --- */

START_TEST(a_realm_needs_namespace_and_cgroup)
{
	const struct kk_realm derived = {.metadata = {.name = (char *)"r"}};
	const struct kk_realm named = {
		.metadata = {.name = (char *)"r"}, .spec = {.namespace = (char *)"other"}};
	auto_plan plan = {0}, plan_named = {0};

	rc_plan_realm_make(&plan, &derived);
	expect_plan(&plan,
		"0 namespace_ensure namespace=r.kukeon.io\n"
		"0 cgroup_ensure path=/kukeon/r\n");
	rc_plan_realm_make(&plan_named, &named);
	expect_plan(&plan_named,
		"0 namespace_ensure namespace=other\n"
		"0 cgroup_ensure path=/kukeon/r\n");
}
END_TEST

START_TEST(a_space_needs_network_and_cgroup)
{
	const struct kk_space space = {
		.metadata = {.name = (char *)"s"}, .spec = {.realm_id = (char *)"r"}};
	auto_plan plan = {0};

	rc_plan_space_make(&plan, &space);
	expect_plan(&plan,
		"0 space_network_ensure realm=r space=s\n"
		"0 cgroup_ensure path=/kukeon/r/s\n");
}
END_TEST

START_TEST(a_stack_needs_a_cgroup)
{
	const struct kk_stack stack = {.metadata = {.name = (char *)"t"},
		.spec = {.realm_id = (char *)"r", .space_id = (char *)"s"}};
	auto_plan plan = {0};

	rc_plan_stack_make(&plan, &stack);
	expect_plan(&plan, "0 cgroup_ensure path=/kukeon/r/s/t\n");
}
END_TEST

START_TEST(a_cell_needs_a_sandbox)
{
	auto_cell cell = cell_make();
	auto_plan plan = {0};

	rc_plan_sandbox_make(&plan, &cell);
	expect_plan(&plan,
		"0 cell_network_ensure realm=r space=s stack=t cell=web is_shared=true\n"
		"0 cgroup_ensure path=/kukeon/r/s/t/web\n");
}
END_TEST

START_TEST(one_container_on_the_host_network_puts_the_cell_there)
{
	auto_cell cell = cell_make();
	auto_plan plan = {0};

	cell.spec.containers.items[_i].host_network = true;
	rc_plan_sandbox_make(&plan, &cell);
	expect_plan(&plan,
		"0 cell_network_ensure realm=r space=s stack=t cell=web is_host=true is_shared=true\n"
		"0 cgroup_ensure path=/kukeon/r/s/t/web\n");
}
END_TEST

#define LABELS(id, type)                                                                          \
	"labels=kukeon.io/cell:web,kukeon.io/container:" id ",kukeon.io/container-type:" type     \
	",kukeon.io/instance:0123abcd,kukeon.io/realm:r,kukeon.io/space:s,kukeon.io/spec-hash:#," \
	"kukeon.io/spec-hash-version:5,kukeon.io/stack:t"

START_TEST(containers_are_made_one_after_the_other)
{
	const struct kk_rep_cell_network_ensure network = {
		.netns_path = (char *)"/net",
		.utsns_path = (char *)"/uts",
		.ipcns_path = (char *)"/ipc",
		.files_dir = (char *)"/files",
	};
	auto_cell cell = cell_make();
	auto_plan plan = {0};

	cell.spec.containers.items[0].root = true;
	rc_plan_containers_make(&plan, &cell, NULL, "r.ns", &network);
	expect_plan(&plan,
		"0 container_create namespace=r.ns id=s_t_web_one spec=one " LABELS("one",
			"root") " spec_hash=# group=s-t-web hostname=web"
				" cgroup_path=/kukeon/r/s/t/web/s_t_web_one cell_cgroup_path=/kukeon/r/s/t/web"
				" netns_path=/net utsns_path=/uts ipcns_path=/ipc files_dir=/files"
				" log_path=/run path/data/r/s/t/web/one/log"
				" memory_limit_bytes=1048576\n"
				"1 container_create namespace=r.ns id=s_t_web_two spec=two " LABELS(
					"two",
					"container") " spec_hash=# group=s-t-web hostname=web"
						     " cgroup_path=/kukeon/r/s/t/web/s_t_web_two cell_cgroup_path=/kukeon/r/s/t/web"
						     " netns_path=/net utsns_path=/uts ipcns_path=/ipc files_dir=/files"
						     " log_path=/run path/data/r/s/t/web/two/log"
						     " memory_limit_bytes=1048576\n");
}
END_TEST

START_TEST(a_container_knows_whose_it_is)
{
	const struct kk_rep_cell_network_ensure network = {0};
	const struct kk_req_container_create *req;
	auto_cell cell = cell_make();
	auto_plan plan = {0};

	/* Whatever the document says. */
	cell.spec.containers.items[0].cell_id = kk_xstrdup("another");
	rc_plan_containers_make(&plan, &cell, NULL, "r.ns", &network);
	req = plan.steps[0].req;
	ck_assert_str_eq(req->spec.realm_id, "r");
	ck_assert_str_eq(req->spec.space_id, "s");
	ck_assert_str_eq(req->spec.stack_id, "t");
	ck_assert_str_eq(req->spec.cell_id, "web");
	ck_assert_str_eq(req->spec.image, "busybox");
	ck_assert_str_eq(cell.spec.containers.items[0].cell_id, "another");
}
END_TEST

START_TEST(containers_are_started_one_after_the_other)
{
	auto_cell cell = cell_make();
	auto_plan plan = {0};

	rc_plan_containers_start(&plan, &cell, NULL, "r.ns");
	expect_plan(&plan,
		"0 container_start namespace=r.ns id=s_t_web_one\n"
		"1 container_start namespace=r.ns id=s_t_web_two\n"
		"2 cgroup_watch? path=/kukeon/r/s/t/web/s_t_web_one\n"
		"2 cgroup_watch? path=/kukeon/r/s/t/web/s_t_web_two\n");
}
END_TEST

START_TEST(some_containers_can_be_made_and_started_alone)
{
	const struct kk_rep_cell_network_ensure network = {.netns_path = (char *)"/net"};
	kk_auto(kk_strs_release) struct kk_strs only = {0};
	auto_cell cell = cell_make();
	auto_plan plan = {0};

	kk_strs_add(&only, "two");
	rc_plan_containers_make(&plan, &cell, &only, "r.ns", &network);
	ck_assert_uint_eq(plan.n, 1);
	ck_assert_str_eq(((struct kk_req_container_create *)plan.steps[0].req)->id, "s_t_web_two");
	rc_plan_release(&plan);
	rc_plan_containers_start(&plan, &cell, &only, "r.ns");
	expect_plan(&plan,
		"1 container_start namespace=r.ns id=s_t_web_two\n"
		"2 cgroup_watch? path=/kukeon/r/s/t/web/s_t_web_one\n"
		"2 cgroup_watch? path=/kukeon/r/s/t/web/s_t_web_two\n");
}
END_TEST

/* --- taking away --- */

START_TEST(a_stop_ends_the_containers_then_the_network)
{
	auto_cell cell = cell_make();
	auto_plan plan = {0};

	rc_plan_cell_stop(&plan, &cell, "r.ns", 5000);
	expect_plan(&plan,
		"0 container_stop namespace=r.ns id=s_t_web_one grace_ms=5000\n"
		"0 container_stop namespace=r.ns id=s_t_web_two grace_ms=5000\n"
		"1 cell_network_remove realm=r space=s stack=t cell=web\n");
}
END_TEST

START_TEST(a_kill_is_a_stop_without_grace)
{
	auto_cell cell = cell_make();
	auto_plan plan = {0};

	rc_plan_cell_stop(&plan, &cell, "r.ns", 0);
	expect_plan(&plan,
		"0 container_stop namespace=r.ns id=s_t_web_one\n"
		"0 container_stop namespace=r.ns id=s_t_web_two\n"
		"1 cell_network_remove realm=r space=s stack=t cell=web\n");
}
END_TEST

START_TEST(only_the_named_containers_are_removed)
{
	kk_auto(kk_strs_release) struct kk_strs ids = {0};
	auto_cell cell = cell_make();
	auto_plan plan = {0};

	kk_strs_add(&ids, "two");
	kk_strs_add(&ids, "gone");
	rc_plan_containers_remove(&plan, &cell, "r.ns", &ids);
	expect_plan(&plan,
		"0 container_remove namespace=r.ns id=s_t_web_two\n"
		"0 container_remove namespace=r.ns id=s_t_web_gone\n");
}
END_TEST

static const struct kk_scope web = {"r", "s", "t", "web"};

START_TEST(a_cell_is_removed_from_the_containers_down)
{
	kk_auto(kk_strs_release) struct kk_strs ids = {0};
	auto_plan plan = {0};

	kk_strs_add(&ids, "s_t_web_one");
	kk_strs_add(&ids, "left-over");
	rc_plan_cell_remove(&plan, &web, "r.ns", &ids);
	expect_plan(&plan,
		"0 container_remove namespace=r.ns id=s_t_web_one\n"
		"0 container_remove namespace=r.ns id=left-over\n"
		"1 cell_network_remove realm=r space=s stack=t cell=web\n"
		"1 cgroup_remove path=/kukeon/r/s/t/web\n");
}
END_TEST

START_TEST(containers_are_looked_up_by_their_ids)
{
	auto_cell cell = cell_make();
	auto_plan plan = {0};

	rc_plan_containers_list(&plan, &cell, "r.ns");
	expect_plan(&plan,
		"0 container_list namespace=r.ns labels=kukeon.io/cell:web,kukeon.io/space:s,"
		"kukeon.io/stack:t ids=s_t_web_one,s_t_web_two\n");
}
END_TEST

START_TEST(containers_are_prepared)
{
	auto_cell cell = cell_make();
	auto_plan plan = {0};

	rc_plan_containers_prepare(&plan, &cell, NULL, "r.ns");
	expect_plan(&plan,
		"0 container_prepare namespace=r.ns id=s_t_web_one image=busybox\n"
		"0 container_prepare namespace=r.ns id=s_t_web_two image=busybox\n");
}
END_TEST

START_TEST(a_cell_is_looked_up_by_its_labels)
{
	auto_plan plan = {0};

	rc_plan_cell_list(&plan, &web, "r.ns", false);
	expect_plan(&plan,
		"0 container_list namespace=r.ns labels=kukeon.io/cell:web,kukeon.io/space:s,"
		"kukeon.io/stack:t\n");
}
END_TEST

static const struct {
	struct kk_scope scope;
	const char *lines;
} removals[] = {
	{{"r", NULL, NULL, NULL},
		"0 namespace_remove namespace=r.ns\n0 cgroup_remove path=/kukeon/r\n"},
	{{"r", "s", NULL, NULL},
		"0 space_network_remove realm=r space=s\n0 cgroup_remove path=/kukeon/r/s\n"},
	{{"r", "s", "t", NULL}, "0 cgroup_remove path=/kukeon/r/s/t\n"},
};

START_TEST(a_scope_is_removed_with_what_is_its_own)
{
	auto_plan plan = {0};

	rc_plan_scope_remove(&plan, &removals[_i].scope, "r.ns");
	expect_plan(&plan, removals[_i].lines);
}
END_TEST

/* --- the hash of what a container is made from --- */

/* Give the field a value that it does not have. */
static void disturb(const struct kk_field *field, void *object)
{
	void *at = kk_field_at(field, object);

	switch (field->type) {
	case KK_T_BOOL:
		*(bool *)at = !*(bool *)at;
		break;
	case KK_T_I64:
		*(int64_t *)at += 1;
		break;
	case KK_T_OPT_I64:
		*(struct kk_opt_i64 *)at = (struct kk_opt_i64){.is_set = true, .value = 7};
		break;
	case KK_T_STR:
		kk_str_set(at, "disturbed");
		break;
	case KK_T_STRS:
		kk_strs_add(at, "disturbed");
		break;
	case KK_T_LIST:
		disturb(&field->sub()->fields[0], kk_list_add(at, field->sub()));
		break;
	case KK_T_OBJ:
		disturb(&field->sub()->fields[0], at);
		break;
	default:
		ck_abort_msg("field %s of an unexpected type", field->name);
	}
}

static char *hash_of(const struct kk_cell *cell)
{
	const struct kk_rep_cell_network_ensure network = {0};
	const struct kk_req_container_create *req;
	auto_plan plan = {0};

	rc_plan_containers_make(&plan, cell, NULL, "r.ns", &network);
	req = plan.steps[0].req;
	ck_assert_str_eq(kk_map_get(&req->labels, "kukeon.io/spec-hash"), req->spec_hash);
	return kk_xstrdup(req->spec_hash);
}

START_TEST(the_hash_is_a_number_of_256_bits)
{
	auto_cell cell = cell_make();
	kk_auto_free char *hash = hash_of(&cell);

	ck_assert_uint_eq(strlen(hash), 64);
	ck_assert_uint_eq(strspn(hash, "0123456789abcdef"), 64);
}
END_TEST

START_TEST(the_hash_changes_with_what_is_baked_in_and_nothing_else)
{
	const struct kk_schema *schema = kk_schema_of_container_spec();
	unsigned n_baked = 0;

	for (unsigned i = 0; i < schema->n_fields; i++) {
		const struct kk_field *field = &schema->fields[i];
		auto_cell plain = cell_make(), disturbed = cell_make();
		kk_auto_free char *before = hash_of(&plain), *after = NULL;
		bool is_baked = field->flags & KK_BAKED;

		disturb(field, &disturbed.spec.containers.items[0]);
		after = hash_of(&disturbed);
		ck_assert_msg((strcmp(before, after) != 0) == is_baked,
			"field %s changes the hash or does not, against its row", field->name);
		n_baked += is_baked;
	}
	ck_assert_uint_ge(n_baked, 15);
	ck_assert_uint_lt(n_baked, schema->n_fields);
}
END_TEST

START_TEST(the_hash_does_not_depend_on_the_cell)
{
	auto_cell cell = cell_make(), other = cell_make();
	kk_auto_free char *hash = hash_of(&cell), *hash_other = NULL;

	kk_str_set(&other.metadata.name, "other");
	kk_str_set(&other.spec.realm_id, "elsewhere");
	hash_other = hash_of(&other);
	ck_assert_str_eq(hash_other, hash);
}
END_TEST

START_TEST(the_hash_tells_order_and_borders_of_words)
{
	static const char *const rows[][2] = {{"a b", NULL}, {"a", "b"}, {"b", "a"}, {"ab", ""}};
	char *hashes[KK_COUNT(rows)];

	for (size_t i = 0; i < KK_COUNT(rows); i++) {
		auto_cell cell = cell_make();

		for (size_t k = 0; k < 2 && rows[i][k]; k++)
			kk_strs_add(&cell.spec.containers.items[0].args, rows[i][k]);
		hashes[i] = hash_of(&cell);
		for (size_t k = 0; k < i; k++)
			ck_assert_str_ne(hashes[i], hashes[k]);
	}
	for (size_t i = 0; i < KK_COUNT(rows); i++)
		free(hashes[i]);
}
END_TEST

/* --- the list itself --- */

START_TEST(replies_are_found_by_message_and_place)
{
	struct kk_rep_cgroup_ensure *first = kk_xalloc(sizeof *first);
	struct kk_rep_cgroup_ensure *second = kk_xalloc(sizeof *second);
	auto_plan plan = {0};

	rc_plan_add(&plan, 0, KK_MSG_cgroup_ensure);
	rc_plan_add(&plan, 0, KK_MSG_cgroup_remove);
	rc_plan_add(&plan, 1, KK_MSG_cgroup_ensure);
	plan.steps[0].rep = first;
	plan.steps[2].rep = second;
	ck_assert_ptr_eq(rc_plan_reply(&plan, KK_MSG_cgroup_ensure, 0), first);
	ck_assert_ptr_eq(rc_plan_reply(&plan, KK_MSG_cgroup_ensure, 1), second);
	ck_assert_ptr_null(rc_plan_reply(&plan, KK_MSG_cgroup_ensure, 2));
	ck_assert_ptr_null(rc_plan_reply(&plan, KK_MSG_cgroup_remove, 0));
	ck_assert_ptr_null(rc_plan_reply(&plan, KK_MSG_cgroup_get, 0));
}
END_TEST

START_TEST(the_first_step_can_be_dropped)
{
	auto_cell cell = cell_make();
	auto_plan plan = {0};

	rc_plan_containers_start(&plan, &cell, NULL, "r.ns");
	rc_plan_drop_first(&plan);
	expect_plan(&plan,
		"1 container_start namespace=r.ns id=s_t_web_two\n"
		"2 cgroup_watch? path=/kukeon/r/s/t/web/s_t_web_one\n"
		"2 cgroup_watch? path=/kukeon/r/s/t/web/s_t_web_two\n");
	rc_plan_drop_first(&plan);
	expect_plan(&plan,
		"2 cgroup_watch? path=/kukeon/r/s/t/web/s_t_web_one\n"
		"2 cgroup_watch? path=/kukeon/r/s/t/web/s_t_web_two\n");
}
END_TEST

/* --- running, with a line that leads nowhere --- */

static struct {
	struct kk_loop *loop;
	struct kk_envelope sent[16];
	size_t n_sent;
	int n_done;
	struct kk_err err;
} run;

static int run_on_send(const struct kk_envelope *env, void *arg)
{
	(void)arg;
	run.sent[run.n_sent++] = *env;
	return 0;
}

static void run_on_done(const struct kk_err *err, void *arg)
{
	(void)arg;
	run.n_done++;
	if (err)
		run.err = *err;
}

static void run_setup(void)
{
	setup();
	run.loop = kk_loop_new();
	worker.rpc = kk_rpc_new(run.loop, KK_ROLE_reconciler, run_on_send, NULL);
}

static void run_teardown(void)
{
	kk_rpc_free(worker.rpc);
	kk_loop_free(run.loop);
}

/* Answer the nth request; @error for an error of this text. */
static void answer(size_t nth, const char *error)
{
	const struct kk_schema *schema = kk_msg_row(run.sent[nth].type)->rep();
	kk_auto_free void *rep = kk_xalloc(schema->size);
	struct kk_envelope env = run.sent[nth];
	struct kk_err err = {0};
	kk_auto_buf body = {0};

	kk_schema_init(schema, rep);
	env.kind = error ? KK_ENVELOPE_ERROR : KK_ENVELOPE_REPLY;
	if (error) {
		kk_fail(&err, KK_E_CGROUP, "%s", error);
		kk_error_encode(&err, &body);
	} else {
		kk_schema_encode(schema, rep, &body);
	}
	env.body = body.data;
	env.body_len = body.len;
	kk_rpc_take(worker.rpc, &env);
}

static void cgroup_step(struct rc_plan *plan, unsigned phase)
{
	struct kk_req_cgroup_ensure *req = rc_plan_add(plan, phase, KK_MSG_cgroup_ensure);

	req->path = kk_xstrdup("/x");
}

START_TEST(an_empty_plan_is_done_at_once)
{
	auto_plan plan = {0};

	rc_plan_run(&plan, 7, run_on_done, NULL);
	ck_assert_int_eq(run.n_done, 1);
	ck_assert_int_eq(run.err.code, 0);
	ck_assert_uint_eq(run.n_sent, 0);
}
END_TEST

START_TEST(a_phase_waits_for_all_of_the_one_before)
{
	auto_plan plan = {0};

	cgroup_step(&plan, 0);
	cgroup_step(&plan, 2); /* no phase 1: nothing to wait for */
	cgroup_step(&plan, 0);
	rc_plan_run(&plan, 7, run_on_done, NULL);
	ck_assert_uint_eq(run.n_sent, 2);
	answer(1, NULL);
	ck_assert_uint_eq(run.n_sent, 2);
	answer(0, NULL);
	ck_assert_uint_eq(run.n_sent, 3);
	ck_assert_int_eq(run.n_done, 0);
	answer(2, NULL);
	ck_assert_int_eq(run.n_done, 1);
	ck_assert_int_eq(run.err.code, 0);
	ck_assert_ptr_nonnull(rc_plan_reply(&plan, KK_MSG_cgroup_ensure, 2));
}
END_TEST

START_TEST(a_failure_ends_the_run_behind_its_phase)
{
	char text[KK_ERR_TEXT];
	auto_plan plan = {0};

	cgroup_step(&plan, 0);
	cgroup_step(&plan, 0);
	cgroup_step(&plan, 0);
	cgroup_step(&plan, 1);
	rc_plan_run(&plan, 7, run_on_done, NULL);
	answer(1, "first");
	answer(0, "second");
	ck_assert_int_eq(run.n_done, 0);
	answer(2, NULL);
	ck_assert_int_eq(run.n_done, 1);
	ck_assert_uint_eq(run.n_sent, 3);
	kk_err_format(&run.err, text, sizeof text);
	ck_assert_int_eq(run.err.code, KK_E_CGROUP);
	ck_assert_str_eq(text, "first");
}
END_TEST

START_TEST(a_failure_that_does_not_matter_ends_nothing)
{
	auto_plan plan = {0};

	cgroup_step(&plan, 0);
	plan.steps[0].is_optional = true;
	cgroup_step(&plan, 1);
	rc_plan_run(&plan, 7, run_on_done, NULL);
	answer(0, "never mind");
	ck_assert_uint_eq(run.n_sent, 2);
	ck_assert_ptr_null(plan.steps[0].rep);
	answer(1, NULL);
	ck_assert_int_eq(run.n_done, 1);
	ck_assert_int_eq(run.err.code, 0);
}
END_TEST

START_TEST(each_message_goes_to_its_worker_under_the_operation)
{
	static const struct {
		unsigned msg;
		unsigned role;
	} rows[] = {
		{KK_MSG_cgroup_ensure, KK_ROLE_cgroup},
		{KK_MSG_cgroup_remove, KK_ROLE_cgroup},
		{KK_MSG_namespace_ensure, KK_ROLE_containerd},
		{KK_MSG_container_list, KK_ROLE_containerd},
		{KK_MSG_space_network_ensure, KK_ROLE_network},
		{KK_MSG_cell_network_remove, KK_ROLE_network},
	};
	auto_plan plan = {0};

	for (size_t i = 0; i < KK_COUNT(rows); i++)
		rc_plan_add(&plan, 0, rows[i].msg);
	rc_plan_run(&plan, 0x1234, run_on_done, NULL);
	ck_assert_uint_eq(run.n_sent, KK_COUNT(rows));
	for (size_t i = 0; i < KK_COUNT(rows); i++) {
		ck_assert_uint_eq(run.sent[i].type, rows[i].msg);
		ck_assert_uint_eq(run.sent[i].target, rows[i].role);
		ck_assert_uint_eq(run.sent[i].op, 0x1234);
		answer(i, NULL);
	}
	ck_assert_int_eq(run.n_done, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("plan");
	TCase *make = tcase_create("make"), *take = tcase_create("take away");
	TCase *hash = tcase_create("hash"), *running = tcase_create("run");

	tcase_add_checked_fixture(make, setup, NULL);
	tcase_add_test(make, a_realm_needs_namespace_and_cgroup);
	tcase_add_test(make, a_space_needs_network_and_cgroup);
	tcase_add_test(make, a_stack_needs_a_cgroup);
	tcase_add_test(make, a_cell_needs_a_sandbox);
	tcase_add_loop_test(make, one_container_on_the_host_network_puts_the_cell_there, 0, 2);
	tcase_add_test(make, containers_are_prepared);
	tcase_add_test(make, containers_are_made_one_after_the_other);
	tcase_add_test(make, a_container_knows_whose_it_is);
	tcase_add_test(make, containers_are_started_one_after_the_other);
	tcase_add_test(make, some_containers_can_be_made_and_started_alone);
	suite_add_tcase(suite, make);
	tcase_add_checked_fixture(take, setup, NULL);
	tcase_add_test(take, a_stop_ends_the_containers_then_the_network);
	tcase_add_test(take, a_kill_is_a_stop_without_grace);
	tcase_add_test(take, only_the_named_containers_are_removed);
	tcase_add_test(take, a_cell_is_removed_from_the_containers_down);
	tcase_add_test(take, containers_are_looked_up_by_their_ids);
	tcase_add_test(take, a_cell_is_looked_up_by_its_labels);
	tcase_add_loop_test(take, a_scope_is_removed_with_what_is_its_own, 0,
		(int)KK_COUNT(removals));
	suite_add_tcase(suite, take);
	tcase_add_checked_fixture(hash, setup, NULL);
	tcase_add_test(hash, the_hash_is_a_number_of_256_bits);
	tcase_add_test(hash, the_hash_changes_with_what_is_baked_in_and_nothing_else);
	tcase_add_test(hash, the_hash_does_not_depend_on_the_cell);
	tcase_add_test(hash, the_hash_tells_order_and_borders_of_words);
	suite_add_tcase(suite, hash);
	tcase_add_checked_fixture(running, run_setup, run_teardown);
	tcase_add_test(running, replies_are_found_by_message_and_place);
	tcase_add_test(running, the_first_step_can_be_dropped);
	tcase_add_test(running, an_empty_plan_is_done_at_once);
	tcase_add_test(running, a_phase_waits_for_all_of_the_one_before);
	tcase_add_test(running, a_failure_ends_the_run_behind_its_phase);
	tcase_add_test(running, a_failure_that_does_not_matter_ends_nothing);
	tcase_add_test(running, each_message_goes_to_its_worker_under_the_operation);
	suite_add_tcase(suite, running);
	return check_main(suite);
}
