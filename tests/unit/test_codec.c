/* tests/unit/test_codec.c - the msgpack form of every message and every document, from their tables. */
#include <string.h>

#include <kukeon/buf.h>
#include <kukeon/clock.h>
#include <kukeon/model.h>
#include <kukeon/msg.h>

#include "../support/check.h"
#include "../support/sample.h"

enum {
	SEED = 20260102,
	OBJECTS = 20,      /* of each schema */
	CUT_MAX = 1 << 14, /* longer encodings are left to shorter objects of their schema */
};

static const struct kk_schema *(*const documents[])(void) = {
#define KK_DOC(name, ...) kk_schema_of_##name,
#include <kukeon/model.def>
#include <kukeon/undef.h>
};

/* The i-th of all tables, NULL behind the last. */
static const struct kk_schema *schema_at(unsigned i)
{
	const struct kk_msg_row *row;

	if (i < KK_COUNT(documents))
		return documents[i]();
	i -= KK_COUNT(documents);
	for (unsigned k = 0; (row = kk_msg_row_at(k)); k++) {
		if (i == 0)
			return row->req();
		i--;
		if (!row->rep)
			continue;
		if (i == 0)
			return row->rep();
		i--;
	}
	return NULL;
}

#define for_each_schema(schema) for (unsigned i_ = 0; (schema = schema_at(i_)); i_++)

/* An object with room enough to read any single field at its start. */
static void *object_new(const struct kk_schema *schema)
{
	void *object = kk_xalloc(schema->size + 64);

	kk_schema_init(schema, object);
	return object;
}

static void object_free(const struct kk_schema *schema, void *object)
{
	kk_schema_release(schema, object);
	free(object);
}

static void check_owns_nothing(const struct kk_schema *schema, const void *object)
{
	void *fresh = object_new(schema);

	if (schema->size)
		ck_assert_mem_eq(object, fresh, schema->size);
	object_free(schema, fresh);
}

/* Decode from an allocation of exactly its size, so that reading behind the end is found. */
static int decode(const struct kk_schema *schema, const void *data, size_t len, void *ret_object,
	struct kk_err *err)
{
	kk_auto_free void *exact = kk_xalloc(len);
	int r;

	memcpy(exact, data, len);
	r = kk_schema_decode(schema, exact, len, ret_object, err);
	if (r < 0) {
		check_code(r, err->code);
		check_owns_nothing(schema, ret_object);
	} else {
		check_code(err->code, 0);
	}
	return r;
}

static void check_round_trip(const struct kk_schema *schema, const void *object)
{
	void *copy = object_new(schema);
	kk_auto_buf first = {0}, second = {0};
	struct kk_err err = {0};

	check_code(kk_schema_encode(schema, object, &first), 0);
	check_ok(decode(schema, first.data, first.len, copy, &err), &err);
	ck_assert_msg(kk_schema_equal(schema, object, copy, 0), "%s", schema->name);
	check_code(kk_schema_encode(schema, copy, &second), 0);
	ck_assert_uint_eq(first.len, second.len);
	ck_assert_mem_eq(first.data, second.data, first.len);
	object_free(schema, copy);
}

/* Encode @object as if @as described it, and expect the true @schema to refuse it. */
static void check_refused(const struct kk_schema *schema, const struct kk_schema *as,
	const void *object, const char *want)
{
	void *copy = object_new(schema);
	kk_auto_buf buf = {0};
	struct kk_err err = {0};

	check_code(kk_schema_encode(as, object, &buf), 0);
	check_code(decode(schema, buf.data, buf.len, copy, &err), KK_E_PROTOCOL);
	check_error(&err, KK_E_PROTOCOL, want);
	object_free(schema, copy);
}

START_TEST(every_table_goes_both_ways)
{
	const struct kk_schema *schema;
	struct sample sample = {.state = SEED};

	for_each_schema(schema)
	{
		void *object = object_new(schema);

		check_round_trip(schema, object);
		for (int i = 0; i < OBJECTS; i++) {
			kk_schema_release(schema, object);
			sample_fill(&sample, schema, object);
			check_round_trip(schema, object);
		}
		object_free(schema, object);
	}
}
END_TEST

START_TEST(every_cut_is_refused)
{
	const struct kk_schema *schema;
	struct sample sample = {.state = SEED};

	for_each_schema(schema)
	{
		void *object = object_new(schema), *copy = object_new(schema);
		kk_auto_free char *want = kk_xprintf("'%s' is not one msgpack value", schema->name);
		kk_auto_buf buf = {0};

		do {
			kk_buf_clear(&buf);
			kk_schema_release(schema, object);
			sample_fill(&sample, schema, object);
			check_code(kk_schema_encode(schema, object, &buf), 0);
		} while (buf.len > CUT_MAX);
		for (size_t cut = 0; cut < buf.len; cut++) {
			struct kk_err err = {0};

			check_code(decode(schema, buf.data, cut, copy, &err), KK_E_PROTOCOL);
			check_error(&err, KK_E_PROTOCOL, want);
		}
		object_free(schema, copy);
		object_free(schema, object);
	}
}
END_TEST

/* The result may be another object or a refusal, and what is accepted can be sent on. */
START_TEST(any_flipped_byte_is_survived)
{
	const struct kk_schema *schema;
	struct sample sample = {.state = SEED, .text = SAMPLE_UTF8};

	for_each_schema(schema)
	{
		void *object = object_new(schema), *copy = object_new(schema);
		kk_auto_buf buf = {0};

		do {
			kk_buf_clear(&buf);
			kk_schema_release(schema, object);
			sample_fill(&sample, schema, object);
			check_code(kk_schema_encode(schema, object, &buf), 0);
		} while (buf.len > CUT_MAX);
		for (size_t i = 0; i < buf.len; i++) {
			uint8_t right = buf.data[i];
			struct kk_err err = {0};

			buf.data[i] = sample_byte(&sample);
			if (decode(schema, buf.data, buf.len, copy, &err) < 0)
				check_code(err.code, KK_E_PROTOCOL);
			else
				check_round_trip(schema, copy);
			kk_schema_release(schema, copy);
			buf.data[i] = right;
		}
		object_free(schema, copy);
		object_free(schema, object);
	}
}
END_TEST

START_TEST(random_bytes_are_survived)
{
	const struct kk_schema *schema;
	struct sample sample = {.state = SEED};

	for_each_schema(schema)
	{
		void *copy = object_new(schema);

		for (int i = 0; i < 200; i++) {
			uint8_t data[48];
			size_t len = sample_below(&sample, sizeof data + 1);
			struct kk_err err = {0};

			for (size_t k = 0; k < len; k++)
				data[k] = sample_byte(&sample);
			if (decode(schema, data, len, copy, &err) < 0)
				check_code(err.code, KK_E_PROTOCOL);
			kk_schema_release(schema, copy);
		}
		object_free(schema, copy);
	}
}
END_TEST

START_TEST(bytes_behind_the_value_are_refused)
{
	const struct kk_schema *schema;

	for_each_schema(schema)
	{
		void *object = object_new(schema), *copy = object_new(schema);
		kk_auto_free char *want = kk_xprintf("'%s' is not one msgpack value", schema->name);
		kk_auto_buf buf = {0};
		struct kk_err err = {0};

		check_code(kk_schema_encode(schema, object, &buf), 0);
		check_code(kk_buf_char(&buf, '\xc0'), 0);
		check_code(decode(schema, buf.data, buf.len, copy, &err), KK_E_PROTOCOL);
		check_error(&err, KK_E_PROTOCOL, want);
		object_free(schema, copy);
		object_free(schema, object);
	}
}
END_TEST

/* A build that knows one field more or less is another build. */
START_TEST(other_number_of_fields_is_refused)
{
	const struct kk_schema *schema;

	for_each_schema(schema)
	{
		void *object = object_new(schema);
		kk_auto_free struct kk_field *fields =
			kk_xalloc((schema->n_fields + 1) * sizeof fields[0]);
		struct kk_schema other = *schema;
		kk_auto_free char *want = kk_xprintf("'%s' is not an array of %u fields",
			schema->name, schema->n_fields);

		memcpy(fields, schema->fields, schema->n_fields * sizeof fields[0]);
		fields[schema->n_fields] = (struct kk_field){.name = "more", .type = KK_T_BOOL};
		other.fields = fields;
		other.n_fields = schema->n_fields + 1;
		check_refused(schema, &other, object, want);
		if (schema->n_fields) {
			other.n_fields = schema->n_fields - 1;
			check_refused(schema, &other, object, want);
		}
		object_free(schema, object);
	}
}
END_TEST

/* What the decoder says of a value of another type. */
static char *mismatch_text(const struct kk_field *field)
{
	static const char *const want[] = {
		[KK_T_BOOL] = "a boolean",
		[KK_T_I64] = "a 64-bit integer",
		[KK_T_U64] = "an unsigned integer",
		[KK_T_STR] = "a string",
		[KK_T_BIN] = "a blob",
		[KK_T_TIME] = "a 64-bit integer",
		[KK_T_OPT_I64] = "a 64-bit integer",
		[KK_T_OPT_BOOL] = "a boolean",
		[KK_T_STRS] = "a list",
		[KK_T_INTS] = "a list",
		[KK_T_MAP] = "a map",
		[KK_T_LIST] = "a list",
	};

	if (field->type == KK_T_OBJ)
		return kk_xprintf("'%s' is not an array of %u fields", field->sub()->name,
			field->sub()->n_fields);
	return kk_xprintf("field '%s' is not %s", field->name,
		field->type == KK_T_ENUM ? field->names->what : want[field->type]);
}

/* The i-th field of @schema is sent as @type, with @value; all others are empty. */
static void check_type_refused(const struct kk_schema *schema, unsigned i, enum kk_type type,
	int64_t value)
{
	kk_auto_free void *object = kk_xalloc(schema->size + 64);
	kk_auto_free struct kk_field *fields = kk_xalloc(schema->n_fields * sizeof fields[0]);
	kk_auto_free char *want = mismatch_text(&schema->fields[i]);
	struct kk_schema other = *schema;

	memcpy(fields, schema->fields, schema->n_fields * sizeof fields[0]);
	/* Behind the object proper, where nothing else is. */
	fields[i].type = type;
	fields[i].offset = (schema->size + 15) / 16 * 16;
	*(int64_t *)((char *)object + fields[i].offset) = value;
	other.fields = fields;
	check_refused(schema, &other, object, want);
}

START_TEST(other_types_are_refused)
{
	const struct kk_schema *schema;

	for_each_schema(schema)
	{
		for (unsigned i = 0; i < schema->n_fields; i++) {
			enum kk_type type = schema->fields[i].type;

			if (type != KK_T_BOOL && type != KK_T_OPT_BOOL)
				check_type_refused(schema, i, KK_T_BOOL, 0);
			if (type != KK_T_I64 && type != KK_T_TIME && type != KK_T_OPT_I64 &&
				type != KK_T_U64 && type != KK_T_ENUM)
				check_type_refused(schema, i, KK_T_U64, 1);
			if (type != KK_T_STR)
				check_type_refused(schema, i, KK_T_STR, 0);
			if (type != KK_T_BIN)
				check_type_refused(schema, i, KK_T_BIN, 0);
		}
	}
}
END_TEST

/* Only what may be absent may be nil. */
START_TEST(nil_is_refused_where_there_must_be_a_value)
{
	const struct kk_schema *schema;

	for_each_schema(schema)
	{
		for (unsigned i = 0; i < schema->n_fields; i++) {
			switch (schema->fields[i].type) {
			case KK_T_OPT_I64:
			case KK_T_OPT_BOOL:
			case KK_T_STRS:
			case KK_T_INTS:
			case KK_T_MAP:
			case KK_T_LIST:
				break;
			default:
				check_type_refused(schema, i, KK_T_OPT_I64, 0);
			}
		}
	}
}
END_TEST

START_TEST(numbers_out_of_range_are_refused)
{
	const struct kk_schema *schema;

	for_each_schema(schema)
	{
		for (unsigned i = 0; i < schema->n_fields; i++) {
			const struct kk_field *field = &schema->fields[i];

			switch (field->type) {
			case KK_T_I64:
			case KK_T_TIME:
			case KK_T_OPT_I64:
				check_type_refused(schema, i, KK_T_U64, -1);
				check_type_refused(schema, i, KK_T_U64, INT64_MIN);
				break;
			case KK_T_U64:
				check_type_refused(schema, i, KK_T_I64, -1);
				check_type_refused(schema, i, KK_T_I64, INT64_MIN);
				break;
			case KK_T_ENUM:
				check_type_refused(schema, i, KK_T_I64, -1);
				check_type_refused(schema, i, KK_T_I64, field->names->n);
				check_type_refused(schema, i, KK_T_U64, -1);
				break;
			default:
				break;
			}
		}
	}
}
END_TEST

static char *string_of(size_t len)
{
	char *s = kk_xalloc(len + 1);

	memset(s, 'x', len);
	return s;
}

/* Put one string of @len bytes into a field of any type that holds strings. */
static void string_put(const struct kk_field *field, void *object, size_t len, bool is_key)
{
	kk_auto_free char *s = string_of(len);
	void *p = kk_field_at(field, object);

	if (field->type == KK_T_STR)
		*(char **)p = kk_steal(&s);
	else if (field->type == KK_T_MAP)
		kk_map_set(p, is_key ? s : "k", is_key ? "v" : s);
	else
		kk_strs_take(p, kk_steal(&s));
}

static void check_string_limit(const struct kk_schema *schema, const struct kk_field *field,
	bool is_key)
{
	void *object = object_new(schema);
	kk_auto_free char *want = kk_xprintf("field '%s' has %zu bytes, the limit is %zu",
		field->name, field->max + 1, field->max);

	string_put(field, object, field->max, is_key);
	check_round_trip(schema, object);
	kk_schema_release(schema, object);
	string_put(field, object, field->max + 1, is_key);
	check_refused(schema, schema, object, want);
	object_free(schema, object);
}

START_TEST(string_one_byte_too_long_is_refused)
{
	const struct kk_schema *schema;
	unsigned n = 0;

	for_each_schema(schema)
	{
		for (unsigned i = 0; i < schema->n_fields; i++) {
			const struct kk_field *field = &schema->fields[i];

			switch (field->type) {
			case KK_T_MAP:
				check_string_limit(schema, field, true);
				/* fall through */
			case KK_T_STR:
			case KK_T_STRS:
			case KK_T_INTS:
				check_string_limit(schema, field, false);
				n++;
				break;
			default:
				break;
			}
		}
	}
	ck_assert_uint_gt(n, 100);
}
END_TEST

static void items_put(const struct kk_field *field, void *object, size_t n)
{
	struct kk_list *list = kk_field_at(field, object);

	if (field->type == KK_T_LIST) {
		/* All at once: one by one they would be moved each time. */
		*list = (struct kk_list){kk_xalloc(n * field->sub()->size), n, true};
		for (size_t i = 0; i < n; i++)
			kk_schema_init(field->sub(), kk_list_at(list, field->sub(), i));
		return;
	}
	for (size_t i = 0; i < n; i++) {
		char key[24];

		snprintf(key, sizeof key, "%08zu", i);
		if (field->type == KK_T_MAP)
			kk_map_set(kk_field_at(field, object), key, "");
		else
			kk_strs_add(kk_field_at(field, object), key);
	}
}

/* A sanitizer moves a list each time it grows: the longest would take minutes. */
#ifdef __SANITIZE_ADDRESS__
enum { ITEMS_TRIED = 16384 };
#else
enum { ITEMS_TRIED = 1 << 20 };
#endif

/* Lists of objects are only tested beyond the limit: the limit itself is a matter of minutes. */
START_TEST(list_one_item_too_long_is_refused)
{
	const struct kk_schema *schema;
	unsigned n = 0;

	for_each_schema(schema)
	{
		for (unsigned i = 0; i < schema->n_fields; i++) {
			const struct kk_field *field = &schema->fields[i];
			void *object;
			kk_auto_free char *want = NULL;

			if (!field->max_items || field->max_items > ITEMS_TRIED)
				continue;
			object = object_new(schema);
			if (field->type == KK_T_MAP)
				want = kk_xprintf("field '%s' is not within its number of items",
					field->name);
			else
				want = kk_xprintf("field '%s' has %zu items, the limit is %zu",
					field->name, field->max_items + 1, field->max_items);
			if (field->type == KK_T_STRS) {
				items_put(field, object, field->max_items);
				check_round_trip(schema, object);
				kk_schema_release(schema, object);
			}
			items_put(field, object, field->max_items + 1);
			check_refused(schema, schema, object, want);
			object_free(schema, object);
			n++;
		}
	}
	ck_assert_uint_gt(n, 30);
}
END_TEST

/* A string that only looks short to us would mean something else to whoever counts its bytes. */
START_TEST(zero_byte_in_a_string_is_refused)
{
	static const char marker[] = "ab\x01\x02yz";
	const struct kk_schema *schema;

	for_each_schema(schema)
	{
		for (unsigned i = 0; i < schema->n_fields; i++) {
			const struct kk_field *field = &schema->fields[i];
			kk_auto_free char *want = NULL;
			kk_auto_buf buf = {0};
			struct kk_err err = {0};
			void *object, *copy;
			uint8_t *at;

			if (field->type != KK_T_STR && field->type != KK_T_STRS &&
				field->type != KK_T_MAP)
				continue;
			object = object_new(schema);
			copy = object_new(schema);
			if (field->type == KK_T_STR)
				kk_str_set(kk_field_at(field, object), marker);
			else if (field->type == KK_T_STRS)
				kk_strs_add(kk_field_at(field, object), marker);
			else
				kk_map_set(kk_field_at(field, object), marker, "");
			check_code(kk_schema_encode(schema, object, &buf), 0);
			at = memmem(buf.data, buf.len, marker, strlen(marker));
			ck_assert_ptr_nonnull(at);
			at[2] = '\0';
			want = kk_xprintf("field '%s' is not free of zero bytes", field->name);
			check_code(decode(schema, buf.data, buf.len, copy, &err), KK_E_PROTOCOL);
			check_error(&err, KK_E_PROTOCOL, want);
			object_free(schema, copy);
			object_free(schema, object);
		}
	}
}
END_TEST

START_TEST(smallest_and_largest_numbers_go_both_ways)
{
	struct kk_task_info task = {.pid = INT64_MIN, .exit_status = INT64_MAX};
	struct kk_rep_cgroup_get usage = {.memory_bytes = UINT64_MAX};

	check_round_trip(kk_schema_of_task_info(), &task);
	check_round_trip(kk_rep_schema_cgroup_get(), &usage);
}
END_TEST

START_TEST(absent_and_empty_stay_apart)
{
	const struct kk_schema *schema = kk_schema_of_container_spec();
	struct kk_container_spec spec, copy;
	kk_auto_buf buf = {0};
	struct kk_err err = {0};

	kk_schema_init(schema, &spec);
	spec.args.is_set = true;
	spec.volumes.is_set = true;
	spec.restart_max_retries = (struct kk_opt_i64){true, 0};
	check_code(kk_schema_encode(schema, &spec, &buf), 0);
	check_ok(decode(schema, buf.data, buf.len, &copy, &err), &err);
	ck_assert(copy.args.is_set);
	ck_assert(!copy.env.is_set);
	ck_assert(copy.volumes.is_set);
	ck_assert(!copy.tmpfs.is_set);
	ck_assert(copy.restart_max_retries.is_set);
	ck_assert(!copy.restart_backoff_seconds.is_set);
	ck_assert_ptr_null(copy.image);
	kk_container_spec_release(&copy);
}
END_TEST

/* Keys arrive in any order and are sorted; of two alike the last one counts. */
START_TEST(map_is_sorted_on_arrival)
{
	/* The array of metadata: name, labels {b: 1, a: 2, b: 3}, generation. */
	static const uint8_t data[] = {0x93, 0xa0, 0x83, 0xa1, 'b', 0xa1, '1', 0xa1, 'a', 0xa1, '2',
		0xa1, 'b', 0xa1, '3', 0x00};
	struct kk_metadata metadata;
	struct kk_err err = {0};

	check_ok(decode(kk_schema_of_metadata(), data, sizeof data, &metadata, &err), &err);
	ck_assert_uint_eq(metadata.labels.n, 2);
	ck_assert_str_eq(metadata.labels.items[0].key, "a");
	ck_assert_str_eq(metadata.labels.items[0].value, "2");
	ck_assert_str_eq(metadata.labels.items[1].key, "b");
	ck_assert_str_eq(metadata.labels.items[1].value, "3");
	kk_metadata_release(&metadata);
}
END_TEST

START_TEST(object_that_does_not_fit_leaves_the_buffer_as_before)
{
	const struct kk_schema *schema = kk_schema_of_cell();
	struct sample sample = {.state = SEED};
	struct kk_cell cell;
	kk_auto_buf whole = {0};

	sample_fill(&sample, schema, &cell);
	check_code(kk_schema_encode(schema, &cell, &whole), 0);
	for (size_t max = 4; max <= whole.len + 4; max += max < 300 ? 1 : 97) {
		kk_auto_buf buf;

		kk_buf_init(&buf, max);
		check_code(kk_buf_str(&buf, "kept"), 0);
		check_code(kk_schema_encode(schema, &cell, &buf),
			max == whole.len + 4 ? 0 : KK_E_TOO_BIG);
		if (max < whole.len + 4)
			ck_assert_uint_eq(buf.len, 4);
		ck_assert_mem_eq(buf.data, "kept", 4);
	}
	kk_cell_release(&cell);
}
END_TEST

START_TEST(encoding_appends)
{
	kk_auto_buf buf = {0};
	struct kk_metadata metadata = {0}, copy;
	struct kk_err err = {0};

	check_code(kk_buf_str(&buf, "head"), 0);
	check_code(kk_schema_encode(kk_schema_of_metadata(), &metadata, &buf), 0);
	ck_assert_mem_eq(buf.data, "head", 4);
	check_ok(decode(kk_schema_of_metadata(), buf.data + 4, buf.len - 4, &copy, &err), &err);
	kk_metadata_release(&copy);
}
END_TEST

CHECK_MAIN("codec", every_table_goes_both_ways, every_cut_is_refused, any_flipped_byte_is_survived,
	random_bytes_are_survived, bytes_behind_the_value_are_refused,
	other_number_of_fields_is_refused, other_types_are_refused,
	nil_is_refused_where_there_must_be_a_value, numbers_out_of_range_are_refused,
	string_one_byte_too_long_is_refused, list_one_item_too_long_is_refused,
	zero_byte_in_a_string_is_refused, smallest_and_largest_numbers_go_both_ways,
	absent_and_empty_stay_apart, map_is_sorted_on_arrival,
	object_that_does_not_fit_leaves_the_buffer_as_before, encoding_appends)
