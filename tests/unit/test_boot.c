/* tests/unit/test_boot.c - what ran when the host went down. */
#include "../../workers/reconciler/rc.h"

#include <string.h>

#include <kukeon/buf.h>
#include <kukeon/mem.h>

#include "../support/check.h"

static struct kk_cell cell;
static struct kk_strs ids;

/* A cell with one container for each of these states. */
static void cell_make(const char *want, const char *boot_id, const int *states, size_t n)
{
	kk_schema_init(kk_schema_of_cell(), &cell);
	kk_str_set(&cell.metadata.name, "web");
	kk_str_set(&cell.spec.realm_id, "r");
	kk_str_set(&cell.spec.space_id, "s");
	kk_str_set(&cell.spec.stack_id, "t");
	kk_str_set(&cell.intent.want, want);
	kk_str_set(&cell.intent.boot_id, boot_id);
	cell.status.state = KK_CELL_READY;
	for (size_t i = 0; i < n; i++) {
		char id[2] = {(char)('a' + i), '\0'};
		struct kk_container_spec *spec =
			kk_list_add(KK_LIST(&cell.spec.containers), kk_schema_of_container_spec());
		struct kk_container_status *status = kk_list_add(KK_LIST(&cell.status.containers),
			kk_schema_of_container_status());

		kk_str_set(&spec->id, id);
		kk_str_set(&status->id, id);
		status->state = states[i];
	}
}

static void begin(void)
{
	strcpy(rc.boot_id, "this");
}

static void end(void)
{
	kk_cell_release(&cell);
	kk_strs_release(&ids);
}

static char *taken(const struct kk_task_info *tasks, size_t n)
{
	struct kk_buf text = {0};

	rc_boot_take(&cell, tasks, n, &ids);
	for (size_t i = 0; i < ids.n; i++)
		kk_buf_str(&text, ids.items[i]);
	return text.len ? kk_buf_take(&text) : kk_xstrdup("");
}

START_TEST(takes_what_ran)
{
	const int states[] = {KK_CONTAINER_READY, KK_CONTAINER_EXITED, KK_CONTAINER_ERROR,
		KK_CONTAINER_STOPPED, KK_CONTAINER_PAUSED, KK_CONTAINER_NOT_CREATED};
	kk_auto_free char *text = NULL;

	cell_make("running", "former", states, KK_COUNT(states));
	ck_assert(rc_boot_is_former(&cell));
	text = taken(NULL, 0);
	ck_assert_str_eq(text, "ae");
}
END_TEST

START_TEST(takes_what_was_owed_a_restart)
{
	const int states[] = {KK_CONTAINER_ERROR};
	kk_auto_free char *text = NULL;

	cell_make("running", "former", states, 1);
	cell.status.containers.items[0].backoff.next_time = 1;
	text = taken(NULL, 0);
	ck_assert_str_eq(text, "a");
}
END_TEST

START_TEST(leaves_what_runs_already)
{
	const int states[] = {KK_CONTAINER_READY, KK_CONTAINER_READY};
	struct kk_task_info tasks[] = {
		{.id = (char *)"s_t_web_a", .has_task = true, .state = KK_CONTAINER_READY},
		{.id = (char *)"s_t_web_b", .has_task = true, .state = KK_CONTAINER_EXITED},
	};
	kk_auto_free char *text = NULL;

	cell_make("running", "former", states, KK_COUNT(states));
	text = taken(tasks, KK_COUNT(tasks));
	ck_assert_str_eq(text, "b");
}
END_TEST

/* What was being made, or changed, is made. */
START_TEST(takes_what_was_on_its_way)
{
	static const struct {
		int state;
		const char *reason;
		int64_t generation, observed;
		const char *taken;
	} rows[] = {
		{KK_CELL_PENDING, NULL, 1, 0, "ab"},
		{KK_CELL_READY, NULL, 2, 1, "ab"},
		{KK_CELL_READY, NULL, 2, 2, "a"},
		{KK_CELL_FAILED, "ResumeFailed", 2, 2, "ab"},
		{KK_CELL_FAILED, "StartCellFailed", 2, 1, "a"},
	};
	const int states[] = {KK_CONTAINER_READY, KK_CONTAINER_NOT_CREATED};
	kk_auto_free char *text = NULL;

	cell_make("running", "former", states, KK_COUNT(states));
	cell.status.state = rows[_i].state;
	kk_str_set(&cell.status.reason, rows[_i].reason);
	cell.metadata.generation = rows[_i].generation;
	cell.status.observed_generation = rows[_i].observed;
	text = taken(NULL, 0);
	ck_assert_str_eq(text, rows[_i].taken);
}
END_TEST

/* A change took it out of the document, and did not live to remove it. */
START_TEST(finds_what_is_left)
{
	const int states[] = {KK_CONTAINER_READY};
	static struct kk_worker worker = {.config.instance = (char *)"ours"};
	struct kk_task_info tasks[] = {{.id = (char *)"s_t_web_a"}, {.id = (char *)"s_t_web_old"},
		{.id = (char *)"s_t_web_theirs"}};

	rc.worker = &worker;
	kk_map_set(&tasks[0].labels, RC_LABEL_CONTAINER, "a");
	kk_map_set(&tasks[1].labels, RC_LABEL_CONTAINER, "old");
	kk_map_set(&tasks[1].labels, RC_LABEL_INSTANCE, "ours");
	kk_map_set(&tasks[2].labels, RC_LABEL_CONTAINER, "theirs");
	kk_map_set(&tasks[2].labels, RC_LABEL_INSTANCE, "another");
	cell_make("running", "former", states, KK_COUNT(states));
	rc_boot_extra(&cell, tasks, KK_COUNT(tasks), &ids);
	ck_assert_uint_eq(ids.n, 1);
	ck_assert_str_eq(ids.items[0], "old");
	for (size_t i = 0; i < KK_COUNT(tasks); i++)
		kk_map_release(&tasks[i].labels);
}
END_TEST

/* Stopped by somebody, of this boot, or of a release that noted no boot. */
START_TEST(leaves_the_rest)
{
	static const struct {
		const char *want, *boot_id;
	} rows[] = {
		{"stopped", "former"}, {"running", "this"}, {"running", NULL}, {NULL, "former"}};
	const int states[] = {KK_CONTAINER_READY};
	kk_auto_free char *text = NULL;

	cell_make(rows[_i].want, rows[_i].boot_id, states, 1);
	ck_assert(!rc_boot_is_former(&cell));
	text = taken(NULL, 0);
	ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(tells_that_nobody_knows)
{
	static const struct {
		const char *boot_id;
		int state;
		const char *told;
	} rows[] = {
		{"former", KK_CELL_READY, "Unknown"},
		{"former", KK_CELL_DEGRADED, "Unknown"},
		{"former", KK_CELL_EXITED, "Exited"},
		{"this", KK_CELL_READY, "Ready"},
	};
	const int states[] = {KK_CONTAINER_READY};
	kk_auto_json *json = NULL;

	cell_make("running", rows[_i].boot_id, states, 1);
	cell.status.state = rows[_i].state;
	json = kk_json_encode(kk_schema_of_cell(), &cell, KK_JSON_API);
	rc_boot_veil(&cell, json);
	ck_assert_str_eq(json_string_value(json_object_get(json_object_get(json, "status"),
				 "state")),
		rows[_i].told);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("boot");
	TCase *tc = tcase_create("boot");

	tcase_add_checked_fixture(tc, begin, end);
	tcase_add_test(tc, takes_what_ran);
	tcase_add_test(tc, takes_what_was_owed_a_restart);
	tcase_add_test(tc, leaves_what_runs_already);
	tcase_add_loop_test(tc, takes_what_was_on_its_way, 0, 5);
	tcase_add_test(tc, finds_what_is_left);
	tcase_add_loop_test(tc, leaves_the_rest, 0, 4);
	tcase_add_loop_test(tc, tells_that_nobody_knows, 0, 4);
	suite_add_tcase(suite, tc);
	return check_main(suite);
}
