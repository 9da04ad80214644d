/* ipc/model/doc_json.c */
#include <kukeon/json.h>

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <kukeon/auto.h>
#include <kukeon/buf.h>
#include <kukeon/clock.h>
#include <kukeon/mem.h>
#include <kukeon/utf8.h>

/* jansson's reader does not look at what becomes of its buffer: when that can't grow, it drops a byte, goes on,
 * and writes beyond the end of its string. So it is left at once, and what it has allocated is freed here. */
static _Thread_local struct {
	jmp_buf *out;
	void **blocks; /* since then */
	size_t n;
	size_t cap;
} reader;

static void *block_add(void *p)
{
	if (p && reader.n == reader.cap) {
		size_t cap = reader.cap ? 2 * reader.cap : 64;
		void **blocks = kk_realloc(reader.blocks, cap * sizeof blocks[0]);

		if (!blocks) {
			free(p);
			return NULL;
		}
		reader.blocks = blocks;
		reader.cap = cap;
	}
	if (p)
		reader.blocks[reader.n++] = p;
	return p;
}

static void *json_alloc(size_t size)
{
	void *p = kk_alloc(size);

	if (!reader.out)
		return p;
	p = block_add(p);
	if (!p)
		longjmp(*reader.out, 1);
	return p;
}

static void json_release(void *p)
{
	size_t i = reader.n;

	if (reader.out && p) {
		while (reader.blocks[--i] != p)
			;
		reader.blocks[i] = reader.blocks[--reader.n];
	}
	free(p);
}

void kk_json_set_vital(void)
{
	kk_mem_set_vital();
	json_set_alloc_funcs(json_alloc, json_release);
}

int kk_json_load(const char *data, size_t len, size_t flags, json_t **ret_json,
	json_error_t *ret_error)
{
	volatile int r = KK_E_NOMEM;
	jmp_buf out;

	json_set_alloc_funcs(json_alloc, json_release);
	reader.out = &out;
	if (setjmp(out) == 0) {
		json_t *json = json_loadb(data, len, flags, ret_error);

		r = json ? 0 : KK_E_PARSE;
		if (json)
			*ret_json = json;
	} else {
		while (reader.n)
			free(reader.blocks[--reader.n]);
	}
	free(reader.blocks);
	reader.blocks = NULL;
	reader.n = reader.cap = 0;
	reader.out = NULL;
	return r;
}

json_t *kk_json_string(const char *s)
{
	const char *text = kk_str(s);
	json_t *json = json_string(text);
	kk_auto_buf repaired = {0};

	if (!json && *text && kk_utf8_repair(text, strlen(text), &repaired) == 0)
		json = json_stringn((char *)repaired.data, repaired.len);
	return json;
}

json_t *kk_json_strings(const struct kk_strs *strs)
{
	kk_auto_json *array = json_array();

	for (size_t i = 0; i < strs->n; i++) {
		if (json_array_append_new(array, kk_json_string(strs->items[i])) < 0)
			return NULL;
	}
	return kk_steal(&array);
}

static json_t *strs_encode(const struct kk_field *field, const struct kk_strs *strs)
{
	kk_auto_json *array = NULL;

	if (!strs->is_set)
		return json_null();
	if (field->type != KK_T_INTS)
		return kk_json_strings(strs);
	array = json_array();
	for (size_t i = 0; i < strs->n; i++) {
		if (json_array_append_new(array, json_integer(atoll(strs->items[i]))) < 0)
			return NULL;
	}
	return kk_steal(&array);
}

/* jansson takes no key that is no UTF-8: labels of other clients may have one. Takes @value over. */
static int member_set(json_t *object, const char *key, json_t *value)
{
	kk_auto_json *owned = value;
	kk_auto_buf repaired = {0};

	if (!owned)
		return KK_E_NOMEM;
	if (json_object_set(object, key, owned) == 0)
		return 0;
	if (kk_utf8_repair(key, strlen(key), &repaired) < 0)
		return KK_E_NOMEM;
	return json_object_set(object, repaired.len ? (char *)repaired.data : "", owned) < 0 ?
		KK_E_NOMEM :
		0;
}

static json_t *map_encode(const struct kk_map *map)
{
	kk_auto_json *object = NULL;

	if (!map->is_set)
		return json_null();
	object = json_object();
	for (size_t i = 0; i < map->n; i++) {
		if (member_set(object, map->items[i].key, kk_json_string(map->items[i].value)) < 0)
			return NULL;
	}
	return kk_steal(&object);
}

json_t *kk_json_encode_list(const struct kk_schema *schema, const struct kk_list *list,
	enum kk_json_form form)
{
	kk_auto_json *array = NULL;

	if (!list->is_set)
		return json_null();
	array = json_array();
	for (size_t i = 0; i < list->n; i++) {
		if (json_array_append_new(array,
			    kk_json_encode(schema, kk_list_at(list, schema, i), form)) < 0)
			return NULL;
	}
	return kk_steal(&array);
}

static json_t *field_encode(const struct kk_field *field, const void *p, enum kk_json_form form)
{
	char text[KK_TIME_TEXT];

	switch (field->type) {
	case KK_T_BOOL:
		return json_boolean(*(const bool *)p);
	case KK_T_I64:
	case KK_T_U64:
		return json_integer(*(const int64_t *)p);
	case KK_T_STR:
		return kk_json_string(*(char *const *)p);
	case KK_T_ENUM:
		return json_string(field->names->names[*(const int *)p]);
	case KK_T_TIME:
		kk_time_format(*(const int64_t *)p, text);
		return json_string(text);
	case KK_T_OPT_I64:
		return json_integer(((const struct kk_opt_i64 *)p)->value);
	case KK_T_OPT_BOOL:
		return json_boolean(((const struct kk_opt_bool *)p)->value);
	case KK_T_STRS:
	case KK_T_INTS:
		return strs_encode(field, p);
	case KK_T_MAP:
		return map_encode(p);
	case KK_T_OBJ:
		return kk_json_encode(field->sub(), p, form);
	case KK_T_LIST:
		return kk_json_encode_list(field->sub(), p, form);
	case KK_T_BIN:
		break;
	}
	return json_null();
}

static bool field_is_written(const struct kk_field *field, const void *object,
	enum kk_json_form form)
{
	if (field->flags & KK_INTERNAL && form != KK_JSON_DISK)
		return false;
	if (field->flags & KK_INPUT_ONLY && form != KK_JSON_REQUEST)
		return false;
	/* Go's omitempty never drops a time. */
	if (!(field->flags & KK_OMIT) || field->flags & KK_JSON_ALWAYS || field->type == KK_T_TIME)
		return true;
	return !kk_field_is_empty(field, object);
}

json_t *kk_json_encode(const struct kk_schema *schema, const void *object, enum kk_json_form form)
{
	kk_auto_json *json = json_object();

	for (unsigned i = 0; i < schema->n_fields; i++) {
		const struct kk_field *field = &schema->fields[i];

		/* Half a document would be taken for a whole one. */
		if (field_is_written(field, object, form) &&
			json_object_set_new_nocheck(json, field->name,
				field_encode(field, kk_field_at(field, object), form)) < 0)
			return NULL;
	}
	return kk_steal(&json);
}

struct sink {
	struct kk_buf text;
	int r;
};

/* What this returns is not looked at for keys. */
static int sink_write(const char *bytes, size_t len, void *arg)
{
	struct sink *sink = arg;

	if (sink->r == 0)
		sink->r = kk_buf_append(&sink->text, bytes, len);
	return sink->r;
}

char *kk_json_text(const json_t *json, size_t flags)
{
	struct sink sink = {0};

	if (json_dump_callback(json, sink_write, &sink, flags | JSON_ENCODE_ANY) < 0 ||
		sink.r < 0) {
		kk_buf_release(&sink.text);
		return NULL;
	}
	return kk_buf_take(&sink.text);
}

/* The member as it is, null too. */
static json_t *member_get(const json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);
	void *iter;

	if (!value) {
		for (iter = json_object_iter((json_t *)object); iter && !value;
			iter = json_object_iter_next((json_t *)object, iter)) {
			if (strcasecmp(json_object_iter_key(iter), key) == 0)
				value = json_object_iter_value(iter);
		}
	}
	return value;
}

json_t *kk_json_get(const json_t *object, const char *key)
{
	json_t *value = member_get(object, key);

	return json_is_null(value) ? NULL : value;
}

static const char *type_name(const json_t *json)
{
	switch (json_typeof(json)) {
	case JSON_OBJECT:
		return "object";
	case JSON_ARRAY:
		return "array";
	case JSON_STRING:
		return "string";
	case JSON_INTEGER:
	case JSON_REAL:
		return "number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "bool";
	case JSON_NULL:
		return "null";
	}
	return "value";
}

static int type_fail(const struct kk_field *field, const json_t *json, const char *want,
	struct kk_err *err)
{
	return kk_fail(err, KK_E_CONVERSION, "json: cannot unmarshal %s into field '%s' of type %s",
		type_name(json), field->name, want);
}

static int nomem(const struct kk_field *field, struct kk_err *err)
{
	return kk_fail(err, KK_E_NOMEM, "no memory for field '%s'", field->name);
}

/* A string without a zero byte in it. */
static bool is_text(const json_t *json)
{
	return json_is_string(json) && strlen(json_string_value(json)) == json_string_length(json);
}

static int string_decode(const struct kk_field *field, const json_t *json, char **ret_s,
	struct kk_err *err)
{
	const char *s = json_string_value(json);

	if (!s)
		return type_fail(field, json, "string", err);
	if (strlen(s) != json_string_length(json))
		return kk_fail(err, KK_E_CONVERSION, "field '%s' has a zero byte", field->name);
	if (field->max && strlen(s) > field->max)
		return kk_fail(err, KK_E_CONVERSION, "field '%s' is longer than %zu bytes",
			field->name, field->max);
	if (!*s)
		return 0;
	*ret_s = kk_strdup(s);
	return *ret_s ? 0 : nomem(field, err);
}

static int items_check(const struct kk_field *field, size_t n, struct kk_err *err)
{
	if (field->max_items && n > field->max_items)
		return kk_fail(err, KK_E_CONVERSION, "field '%s' has more than %zu items",
			field->name, field->max_items);
	return 0;
}

static int strs_decode(const struct kk_field *field, const json_t *json, struct kk_strs *strs,
	struct kk_err *err)
{
	size_t i;
	json_t *item;

	if (!json_is_array(json))
		return type_fail(field, json, "list", err);
	if (items_check(field, json_array_size(json), err) < 0)
		return kk_failed(err);
	strs->is_set = true;
	json_array_foreach (json, i, item) {
		char *s = NULL;
		int r;

		if (field->type == KK_T_INTS) {
			if (!json_is_integer(item))
				return type_fail(field, item, "int", err);
			s = kk_printf("%lld", (long long)json_integer_value(item));
			if (!s)
				return nomem(field, err);
		} else if (!json_is_null(item)) {
			r = string_decode(field, item, &s, err);
			if (r < 0)
				return r;
		}
		if (kk_strs_push(strs, s ? s : kk_strdup("")) < 0)
			return nomem(field, err);
	}
	return 0;
}

static int map_decode(const struct kk_field *field, const json_t *json, struct kk_map *map,
	struct kk_err *err)
{
	const char *key;
	json_t *value;

	if (!json_is_object(json))
		return type_fail(field, json, "map", err);
	if (items_check(field, json_object_size(json), err) < 0)
		return kk_failed(err);
	map->is_set = true;
	json_object_foreach ((json_t *)json, key, value) {
		kk_auto_free char *s = NULL;
		int r = json_is_null(value) ? 0 : string_decode(field, value, &s, err);

		if (r < 0)
			return r;
		if (field->max && strlen(key) > field->max)
			return kk_fail(err, KK_E_CONVERSION,
				"a key of field '%s' is longer than %zu bytes", field->name,
				field->max);
		if (kk_map_put(map, key, s) < 0)
			return nomem(field, err);
	}
	return 0;
}

static int label_fail(const struct kk_field *field, const json_t *json, struct kk_err *err)
{
	kk_auto_free char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);

	return kk_fail(err, KK_E_CONVERSION, "%s: expected string or int, got %.*s",
		field->names->what, (int)kk_utf8_prefix(kk_str(text), 64), kk_str(text));
}

static int enum_decode(const struct kk_field *field, const json_t *json, int *ret,
	struct kk_err *err)
{
	const struct kk_names *names = field->names;

	if (json_is_integer(json)) {
		json_int_t n = json_integer_value(json);

		if (n < 0 || n >= names->n)
			return kk_fail(err, KK_E_CONVERSION, "%s: int %lld out of range",
				names->what, (long long)n);
		*ret = (int)n;
		return 0;
	}
	if (!is_text(json))
		return label_fail(field, json, err);
	for (unsigned i = 0; i < names->n; i++) {
		if (strcmp(names->names[i], json_string_value(json)) == 0) {
			*ret = (int)i;
			return 0;
		}
	}
	return kk_fail(err, KK_E_CONVERSION, "%s: unknown label \"%s\"", names->what,
		json_string_value(json));
}

static int object_decode(const struct kk_field *field, const json_t *json, void *object,
	struct kk_err *err)
{
	if (!json_is_object(json))
		return type_fail(field, json, field->sub()->name, err);
	return kk_json_decode(field->sub(), json, object, err);
}

static int list_decode(const struct kk_field *field, const json_t *json, struct kk_list *list,
	struct kk_err *err)
{
	size_t i;
	json_t *item;

	if (!json_is_array(json))
		return type_fail(field, json, "list", err);
	if (items_check(field, json_array_size(json), err) < 0)
		return kk_failed(err);
	list->is_set = true;
	json_array_foreach (json, i, item) {
		void *object = kk_list_push(list, field->sub());
		int r = object ? object_decode(field, item, object, err) : nomem(field, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* In the words of Go's time.Parse. */
static int time_fail(const struct kk_field *field, const json_t *json, struct kk_err *err)
{
	if (!json_is_string(json))
		return type_fail(field, json, "time.Time", err);
	return kk_fail(err, KK_E_CONVERSION,
		"field '%s': parsing time \"\\\"%s\\\"\" as "
		"\"\\\"2006-01-02T15:04:05Z07:00\\\"\": cannot parse \"%s\" as \"2006\"",
		field->name, json_string_value(json), json_string_value(json));
}

static int field_decode(const struct kk_field *field, const json_t *json, void *p,
	struct kk_err *err)
{
	switch (field->type) {
	case KK_T_BOOL:
		if (!json_is_boolean(json))
			return type_fail(field, json, "bool", err);
		*(bool *)p = json_is_true(json);
		return 0;
	case KK_T_I64:
	case KK_T_U64:
		if (!json_is_integer(json))
			return type_fail(field, json, "int64", err);
		*(int64_t *)p = json_integer_value(json);
		return 0;
	case KK_T_STR:
		return string_decode(field, json, p, err);
	case KK_T_ENUM:
		return enum_decode(field, json, p, err);
	case KK_T_TIME:
		if (!is_text(json) || kk_time_parse(json_string_value(json), p) < 0)
			return time_fail(field, json, err);
		return 0;
	case KK_T_OPT_I64:
		if (!json_is_integer(json))
			return type_fail(field, json, "int64", err);
		*(struct kk_opt_i64 *)p = (struct kk_opt_i64){true, json_integer_value(json)};
		return 0;
	case KK_T_OPT_BOOL:
		if (!json_is_boolean(json))
			return type_fail(field, json, "bool", err);
		*(struct kk_opt_bool *)p = (struct kk_opt_bool){true, json_is_true(json)};
		return 0;
	case KK_T_STRS:
	case KK_T_INTS:
		return strs_decode(field, json, p, err);
	case KK_T_MAP:
		return map_decode(field, json, p, err);
	case KK_T_OBJ:
		return object_decode(field, json, p, err);
	case KK_T_LIST:
		return list_decode(field, json, p, err);
	case KK_T_BIN:
		break;
	}
	return type_fail(field, json, "a JSON type", err);
}

int kk_json_decode(const struct kk_schema *schema, const json_t *json, void *ret_object,
	struct kk_err *err)
{
	int r = 0;

	kk_schema_init(schema, ret_object);
	if (!json_is_object(json))
		return kk_fail(err, KK_E_CONVERSION, "json: cannot unmarshal %s into %s",
			json ? type_name(json) : "nothing", schema->name);
	for (unsigned i = 0; i < schema->n_fields && r == 0; i++) {
		const struct kk_field *field = &schema->fields[i];
		const json_t *value = member_get(json, field->name);

		/* Null is as good as absent, but for labels, as in Go's decoder of states. */
		if (value && (!json_is_null(value) || field->type == KK_T_ENUM))
			r = field_decode(field, value, kk_field_at(field, ret_object), err);
	}
	if (r < 0)
		kk_schema_release(schema, ret_object);
	return r;
}
