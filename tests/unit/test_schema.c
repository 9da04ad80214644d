/* tests/unit/test_schema.c */
#include <string.h>

#include <kukeon/buf.h>
#include <kukeon/clock.h>
#include <kukeon/model.h>
#include <kukeon/msg.h>

#include "../support/check.h"
#include "../support/sample.h"

enum { SEED = 20260102, OBJECTS = 20 };

static const struct kk_schema *(*const documents[])(void) = {
#define KK_DOC(name, ...) kk_schema_of_##name,
#include <kukeon/model.def>
#include <kukeon/undef.h>
};

START_TEST(init_gives_empty_objects)
{
	for (size_t i = 0; i < KK_COUNT(documents); i++) {
		const struct kk_schema *schema = documents[i]();
		kk_auto_free char *object = kk_xalloc(schema->size);

		memset(object, 0xee, schema->size);
		kk_schema_init(schema, object);
		ck_assert_msg(kk_schema_is_empty(schema, object), "%s", schema->name);
		for (unsigned k = 0; k < schema->n_fields; k++)
			ck_assert(kk_field_is_empty(&schema->fields[k], object));
	}
}
END_TEST

START_TEST(times_begin_as_never)
{
	struct kk_cell cell;

	kk_schema_init(kk_schema_of_cell(), &cell);
	ck_assert_int_eq(cell.status.created_at, KK_TIME_ZERO);
	ck_assert_int_eq(cell.status.ready_at, KK_TIME_ZERO);
	cell.status.ready_at = 0;
	ck_assert(!kk_schema_is_empty(kk_schema_of_cell(), &cell));
}
END_TEST

START_TEST(copy_is_deep)
{
	struct sample sample = {.state = SEED};

	for (size_t i = 0; i < KK_COUNT(documents) * OBJECTS; i++) {
		const struct kk_schema *schema = documents[i % KK_COUNT(documents)]();
		kk_auto_free void *object = kk_xalloc(schema->size);
		kk_auto_free void *copy = kk_xalloc(schema->size);
		kk_auto_buf before = {0}, after = {0};

		sample_fill(&sample, schema, object);
		check_code(kk_schema_encode(schema, object, &before), 0);
		memset(copy, 0xee, schema->size);
		kk_schema_copy(schema, object, copy);
		ck_assert(kk_schema_equal(schema, object, copy, 0));
		kk_schema_release(schema, object);
		check_code(kk_schema_encode(schema, copy, &after), 0);
		ck_assert_uint_eq(after.len, before.len);
		ck_assert_mem_eq(after.data, before.data, before.len);
		kk_schema_release(schema, copy);
	}
}
END_TEST

START_TEST(copy_keeps_absent_and_empty_apart)
{
	struct kk_container_spec spec, copy;

	kk_schema_init(kk_schema_of_container_spec(), &spec);
	spec.args.is_set = true;
	spec.volumes.is_set = true;
	kk_schema_copy(kk_schema_of_container_spec(), &spec, &copy);
	ck_assert(copy.args.is_set);
	ck_assert(copy.volumes.is_set);
	ck_assert(!copy.env.is_set);
	ck_assert(!copy.tmpfs.is_set);
	kk_container_spec_release(&copy);
}
END_TEST

START_TEST(copy_of_an_unset_blob_is_one)
{
	struct kk_req_api_request request, copy;

	kk_schema_init(kk_req_schema_api_request(), &request);
	kk_schema_copy(kk_req_schema_api_request(), &request, &copy);
	ck_assert_uint_eq(copy.params.len, 0);
	kk_schema_release(kk_req_schema_api_request(), &copy);
}
END_TEST

START_TEST(blob_is_copied_with_its_zero_bytes)
{
	struct kk_req_api_request request, copy;

	kk_schema_init(kk_req_schema_api_request(), &request);
	request.params = (struct kk_bin){(uint8_t *)kk_xstrndup("a\0b", 3), 3};
	kk_schema_copy(kk_req_schema_api_request(), &request, &copy);
	ck_assert_uint_eq(copy.params.len, 3);
	ck_assert_mem_eq(copy.params.data, "a\0b", 3);
	ck_assert(kk_schema_equal(kk_req_schema_api_request(), &request, &copy, 0));
	copy.params.data[2] = 'c';
	ck_assert(!kk_schema_equal(kk_req_schema_api_request(), &request, &copy, 0));
	kk_schema_release(kk_req_schema_api_request(), &copy);
	kk_schema_release(kk_req_schema_api_request(), &request);
}
END_TEST

START_TEST(release_makes_empty_and_may_be_repeated)
{
	struct sample sample = {.state = SEED};
	struct kk_cell cell;

	sample_fill(&sample, kk_schema_of_cell(), &cell);
	kk_cell_release(&cell);
	ck_assert(kk_schema_is_empty(kk_schema_of_cell(), &cell));
	ck_assert_int_eq(cell.status.created_at, KK_TIME_ZERO);
	kk_cell_release(&cell);
	kk_schema_release(kk_schema_of_cell(), NULL);
}
END_TEST

/* Give an empty field some content. */
static void field_disturb(const struct kk_field *field, void *object)
{
	void *p = kk_field_at(field, object);

	switch (field->type) {
	case KK_T_BOOL:
		*(bool *)p = true;
		break;
	case KK_T_ENUM:
		*(int *)p = 1;
		break;
	case KK_T_I64:
	case KK_T_U64:
	case KK_T_TIME:
		*(int64_t *)p = 7;
		break;
	case KK_T_STR:
		kk_str_set(p, "x");
		break;
	case KK_T_BIN:
		*(struct kk_bin *)p = (struct kk_bin){kk_xalloc(1), 1};
		break;
	case KK_T_OPT_I64:
		*(struct kk_opt_i64 *)p = (struct kk_opt_i64){true, 0};
		break;
	case KK_T_OPT_BOOL:
		*(struct kk_opt_bool *)p = (struct kk_opt_bool){true, false};
		break;
	case KK_T_STRS:
	case KK_T_INTS:
		kk_strs_add(p, "0");
		break;
	case KK_T_MAP:
		kk_map_set(p, "", "");
		break;
	case KK_T_OBJ:
		field_disturb(&field->sub()->fields[0], p);
		break;
	case KK_T_LIST:
		kk_list_add(p, field->sub());
		break;
	}
}

START_TEST(every_field_counts)
{
	for (size_t i = 0; i < KK_COUNT(documents); i++) {
		const struct kk_schema *schema = documents[i]();
		kk_auto_free void *a = kk_xalloc(schema->size), *b = kk_xalloc(schema->size);

		kk_schema_init(schema, a);
		kk_schema_init(schema, b);
		for (unsigned k = 0; k < schema->n_fields; k++) {
			const struct kk_field *field = &schema->fields[k];

			field_disturb(field, b);
			ck_assert_msg(!kk_schema_equal(schema, a, b, 0), "%s.%s", schema->name,
				field->name);
			ck_assert(!kk_schema_equal(schema, b, a, 0));
			ck_assert(!kk_field_equal(field, a, b, 0));
			ck_assert(!kk_field_is_empty(field, b));
			ck_assert(!kk_schema_is_empty(schema, b));
			kk_schema_release(schema, b);
			ck_assert(kk_schema_equal(schema, a, b, 0));
		}
	}
}
END_TEST

START_TEST(nil_equals_empty)
{
	const struct kk_schema *schema = kk_schema_of_container_spec();
	struct kk_container_spec nil, empty;

	kk_schema_init(schema, &nil);
	kk_schema_init(schema, &empty);
	empty.image = kk_xstrdup("");
	empty.args.is_set = true;
	empty.volumes.is_set = true;
	ck_assert(kk_schema_equal(schema, &nil, &empty, 0));
	ck_assert(kk_schema_equal(schema, &empty, &nil, 0));
	ck_assert(kk_schema_is_empty(schema, &empty));
	kk_container_spec_release(&empty);
}
END_TEST

START_TEST(values_behind_absent_options_do_not_count)
{
	const struct kk_schema *schema = kk_schema_of_resources();
	struct kk_resources a = {.pids_limit = {false, 1}}, b = {.pids_limit = {false, 2}};

	ck_assert(kk_schema_equal(schema, &a, &b, 0));
	a.pids_limit.is_set = true;
	ck_assert(!kk_schema_equal(schema, &a, &b, 0));
	b.pids_limit.is_set = true;
	ck_assert(!kk_schema_equal(schema, &a, &b, 0));
	b.pids_limit.value = 1;
	ck_assert(kk_schema_equal(schema, &a, &b, 0));
}
END_TEST

START_TEST(order_of_lists_counts)
{
	const struct kk_schema *schema = kk_schema_of_capabilities();
	struct kk_capabilities a = {0}, b = {0};

	kk_strs_add(&a.add, "x");
	kk_strs_add(&a.add, "y");
	kk_strs_add(&b.add, "y");
	kk_strs_add(&b.add, "x");
	ck_assert(!kk_schema_equal(schema, &a, &b, 0));
	kk_capabilities_release(&a);
	kk_capabilities_release(&b);
}
END_TEST

/* A field is passed over wherever it is: at the top, in a part, in an item of a list. */
START_TEST(fields_of_a_flag_are_passed_over)
{
	const struct kk_schema *schema = kk_schema_of_cell();
	struct kk_cell a, b;

	kk_schema_init(schema, &a);
	kk_schema_init(schema, &b);
	kk_list_add(KK_LIST(&a.spec.containers), kk_schema_of_container_spec());
	kk_list_add(KK_LIST(&b.spec.containers), kk_schema_of_container_spec());
	kk_str_set(&b.kind, "Cell");
	b.metadata.generation = 5;
	kk_str_set(&b.spec.containers.items[0].containerd_id, "x");
	ck_assert(!kk_schema_equal(schema, &a, &b, 0));
	ck_assert(!kk_schema_equal(schema, &a, &b, KK_BAKED));
	ck_assert(kk_schema_equal(schema, &a, &b, KK_NO_DIFF));
	ck_assert(kk_schema_equal(schema, &a, &b, KK_NO_DIFF | KK_BAKED));
	kk_str_set(&b.spec.containers.items[0].image, "busybox");
	ck_assert(!kk_schema_equal(schema, &a, &b, KK_NO_DIFF));
	ck_assert(kk_schema_equal(schema, &a, &b, KK_NO_DIFF | KK_BAKED));
	kk_cell_release(&a);
	kk_cell_release(&b);
}
END_TEST

static const struct kk_schema *inner_table(void)
{
	static const struct kk_field fields[] = {{.name = "x", .type = KK_T_BOOL}};
	static const struct kk_schema schema = {"inner", 1, fields, 1};

	return &schema;
}

static const struct kk_schema *other_inner_table(void)
{
	static const struct kk_field fields[] = {{.name = "y", .type = KK_T_BOOL}};
	static const struct kk_schema schema = {"inner", 1, fields, 1};

	return &schema;
}

/* A table of three fields, and all that may differ about it. */
struct table {
	struct kk_field fields[3];
	struct kk_schema schema;
};

static void table_init(struct table *table)
{
	*table = (struct table){
		.fields =
			{
				{.name = "a", .type = KK_T_STR, .max = 10},
				{.name = "b", .type = KK_T_STRS, .max = 10, .max_items = 5},
				{.name = "c", .type = KK_T_OBJ, .sub = inner_table},
			},
		.schema = {.name = "table", .fields = table->fields, .n_fields = 3},
	};
}

START_TEST(hash_changes_with_name_type_and_bound)
{
	uint64_t hashes[12];
	struct table table;
	unsigned n = 0;

	table_init(&table);
	hashes[n++] = kk_schema_hash(&table.schema, 1);
	hashes[n++] = kk_schema_hash(&table.schema, 2);
	table.schema.name = "tables";
	hashes[n++] = kk_schema_hash(&table.schema, 1);
	table_init(&table);
	table.fields[0].name = "d";
	hashes[n++] = kk_schema_hash(&table.schema, 1);
	table_init(&table);
	table.fields[0].type = KK_T_U64;
	hashes[n++] = kk_schema_hash(&table.schema, 1);
	table_init(&table);
	table.fields[0].max = 11;
	hashes[n++] = kk_schema_hash(&table.schema, 1);
	table_init(&table);
	table.fields[1].max_items = 6;
	hashes[n++] = kk_schema_hash(&table.schema, 1);
	table_init(&table);
	table.schema.n_fields = 2;
	hashes[n++] = kk_schema_hash(&table.schema, 1);
	table_init(&table);
	table.fields[2].sub = other_inner_table;
	hashes[n++] = kk_schema_hash(&table.schema, 1);
	table_init(&table);
	table.fields[0].name = "b";
	table.fields[1].name = "a";
	hashes[n++] = kk_schema_hash(&table.schema, 1);
	for (unsigned i = 0; i < n; i++) {
		for (unsigned k = 0; k < i; k++)
			ck_assert_msg(hashes[i] != hashes[k], "%u and %u", i, k);
	}
	table_init(&table);
	ck_assert_uint_eq(kk_schema_hash(&table.schema, 1), hashes[0]);
}
END_TEST

/* What is no matter of reading: where a member is, what is said about it. */
START_TEST(hash_is_not_changed_by_offset_and_flags)
{
	struct table table;
	uint64_t hash;

	table_init(&table);
	hash = kk_schema_hash(&table.schema, 1);
	table.fields[0].offset = 8;
	table.fields[0].flags = KK_OMIT;
	ck_assert_uint_eq(kk_schema_hash(&table.schema, 1), hash);
}
END_TEST

START_TEST(hash_changes_with_the_labels_of_an_enumeration)
{
	static const char *const labels[] = {"Pending", "Ready", "Failed"};
	static const char *const moved[] = {"Pending", "Failed", "Ready"};
	static const struct kk_names two = {labels, 2, "state"}, three = {labels, 3, "state"},
				     other = {moved, 3, "state"};
	struct table table;
	uint64_t hash;

	table_init(&table);
	table.fields[0] = (struct kk_field){.name = "a", .type = KK_T_ENUM, .names = &three};
	hash = kk_schema_hash(&table.schema, 1);
	table.fields[0].names = &two;
	ck_assert_uint_ne(kk_schema_hash(&table.schema, 1), hash);
	table.fields[0].names = &other;
	ck_assert_uint_ne(kk_schema_hash(&table.schema, 1), hash);
}
END_TEST

START_TEST(map_is_sorted_and_replaces)
{
	static const char *const keys[] = {"b", "", "c", "a", "bb", "B"};
	static const char *const sorted[] = {"", "B", "a", "b", "bb", "c"};
	struct kk_map map = {0};

	for (size_t i = 0; i < KK_COUNT(keys); i++)
		kk_map_set(&map, keys[i], "old");
	ck_assert(map.is_set);
	ck_assert_uint_eq(map.n, KK_COUNT(sorted));
	for (size_t i = 0; i < KK_COUNT(sorted); i++)
		ck_assert_str_eq(map.items[i].key, sorted[i]);
	kk_map_set(&map, "b", "new");
	ck_assert_uint_eq(map.n, KK_COUNT(sorted));
	ck_assert_str_eq(kk_map_get(&map, "b"), "new");
	ck_assert_str_eq(kk_map_get(&map, "bb"), "old");
	ck_assert_ptr_null(kk_map_get(&map, "bbb"));
	kk_map_release(&map);
	ck_assert(!map.is_set);
	ck_assert_ptr_null(kk_map_get(&map, "b"));
}
END_TEST

START_TEST(map_keeps_copies)
{
	char key[] = "key", value[] = "value";
	struct kk_map map = {0};

	kk_map_set(&map, key, value);
	key[0] = value[0] = '#';
	ck_assert_str_eq(kk_map_get(&map, "key"), "value");
	/* Its own value is a legal argument. */
	kk_map_set(&map, "key", kk_map_get(&map, "key"));
	ck_assert_str_eq(kk_map_get(&map, "key"), "value");
	kk_map_release(&map);
}
END_TEST

START_TEST(map_drops_first_middle_and_last)
{
	struct kk_map map = {0};

	kk_map_set(&map, "a", "1");
	kk_map_set(&map, "b", "2");
	kk_map_set(&map, "c", "3");
	kk_map_set(&map, "d", "4");
	kk_map_drop(&map, 1);
	ck_assert_ptr_null(kk_map_get(&map, "b"));
	kk_map_drop(&map, 0);
	kk_map_drop(&map, 1);
	ck_assert_uint_eq(map.n, 1);
	ck_assert_str_eq(map.items[0].key, "c");
	ck_assert_str_eq(map.items[0].value, "3");
	kk_map_release(&map);
}
END_TEST

START_TEST(strs_grow_and_are_found)
{
	struct kk_strs strs = {0};
	char word[] = "copied";

	ck_assert(!kk_strs_has(&strs, "copied"));
	kk_strs_add(&strs, word);
	word[0] = '#';
	kk_strs_take(&strs, kk_xstrdup("taken"));
	ck_assert(strs.is_set);
	ck_assert_uint_eq(strs.n, 2);
	ck_assert_str_eq(strs.items[0], "copied");
	ck_assert(kk_strs_has(&strs, "taken"));
	ck_assert(!kk_strs_has(&strs, "take"));
	kk_strs_release(&strs);
	ck_assert_uint_eq(strs.n, 0);
	ck_assert(!strs.is_set);
}
END_TEST

START_TEST(list_items_begin_empty_and_close_ranks)
{
	const struct kk_schema *schema = kk_schema_of_container_status();
	struct kk_cell_status status = {0};
	struct kk_list *list = KK_LIST(&status.containers);

	for (int i = 0; i < 4; i++) {
		struct kk_container_status *item = kk_list_add(list, schema);

		ck_assert(kk_schema_is_empty(schema, item));
		ck_assert_int_eq(item->created_at, KK_TIME_ZERO);
		item->id = kk_xprintf("%d", i);
	}
	ck_assert(status.containers.is_set);
	kk_list_drop(list, schema, 1);
	kk_list_drop(list, schema, 0);
	kk_list_drop(list, schema, 1);
	ck_assert_uint_eq(status.containers.n, 1);
	ck_assert_str_eq(status.containers.items[0].id, "2");
	kk_list_drop(list, schema, 0);
	ck_assert_uint_eq(status.containers.n, 0);
	ck_assert(status.containers.is_set);
	kk_schema_release(kk_schema_of_cell_status(), &status);
}
END_TEST

START_TEST(kind_names_go_both_ways)
{
	static const char *const names[] = {"Realm", "Space", "Stack", "Cell", "Container"};
	static const char *const words[] = {"realm", "space", "stack", "cell", "container"};
	static const char *const strangers[] = {"", "cell", "CELL", "Cells", "Secret", "Volume"};

	for (int kind = 0; kind < KK_KINDS; kind++) {
		ck_assert_str_eq(kk_kind_name((enum kk_kind)kind), names[kind]);
		ck_assert_str_eq(kk_kind_word((enum kk_kind)kind), words[kind]);
		ck_assert_int_eq(kk_kind_parse(names[kind]), kind);
		ck_assert_str_eq(kk_kind_schema((enum kk_kind)kind)->name, words[kind]);
	}
	for (size_t i = 0; i < KK_COUNT(strangers); i++)
		ck_assert_int_eq(kk_kind_parse(strangers[i]), -1);
}
END_TEST

START_TEST(state_labels_are_those_of_the_api)
{
	static const char *const labels[KK_KINDS][11] = {
		[KK_KIND_REALM] = {"Pending", "Creating", "Ready", "Deleting", "Failed", "Unknown"},
		[KK_KIND_SPACE] = {"Pending", "Ready", "Failed", "Unknown"},
		[KK_KIND_STACK] = {"Pending", "Ready", "Failed", "Unknown"},
		[KK_KIND_CELL] = {"Pending", "Ready", "Stopped", "Failed", "Unknown", "Exited",
			"Error", "Degraded"},
		[KK_KIND_CONTAINER] = {"Pending", "Ready", "Stopped", "Paused", "Pausing", "Failed",
			"Unknown", "NotCreated", "Exited", "Error"},
	};

	for (int kind = 0; kind < KK_KINDS; kind++) {
		int state = 0;

		for (; labels[kind][state]; state++)
			ck_assert_str_eq(kk_state_name((enum kk_kind)kind, state),
				labels[kind][state]);
		ck_assert_str_eq(kk_state_name((enum kk_kind)kind, state), "Unknown");
		ck_assert_str_eq(kk_state_name((enum kk_kind)kind, -1), "Unknown");
	}
}
END_TEST

CHECK_MAIN("schema", init_gives_empty_objects, times_begin_as_never, copy_is_deep,
	copy_keeps_absent_and_empty_apart, copy_of_an_unset_blob_is_one,
	blob_is_copied_with_its_zero_bytes, release_makes_empty_and_may_be_repeated,
	every_field_counts, nil_equals_empty, values_behind_absent_options_do_not_count,
	order_of_lists_counts, fields_of_a_flag_are_passed_over,
	hash_changes_with_name_type_and_bound, hash_is_not_changed_by_offset_and_flags,
	hash_changes_with_the_labels_of_an_enumeration, map_is_sorted_and_replaces,
	map_keeps_copies, map_drops_first_middle_and_last, strs_grow_and_are_found,
	list_items_begin_empty_and_close_ranks, kind_names_go_both_ways,
	state_labels_are_those_of_the_api)
