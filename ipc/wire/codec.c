/* ipc/wire/codec.c - the msgpack form of whatever a schema describes: an array of its fields. */
#include <kukeon/schema.h>

#include <stdlib.h>
#include <string.h>

#include <msgpack.h>

#include <kukeon/buf.h>
#include <kukeon/mem.h>

#include "bound.h"

/* The packer forgets what its writer returned, so the first failure is kept here. */
struct sink {
	struct kk_buf *buf;
	int r;
};

static int sink_write(void *data, const char *bytes, size_t len)
{
	struct sink *sink = data;

	if (sink->r == 0)
		sink->r = kk_buf_append(sink->buf, bytes, len);
	return sink->r;
}

static void pack_str(msgpack_packer *pk, const char *s)
{
	size_t len = strlen(kk_str(s));

	msgpack_pack_str(pk, len);
	msgpack_pack_str_body(pk, kk_str(s), len);
}

static void pack_object(msgpack_packer *pk, const struct kk_schema *schema, const void *object);

static void pack_field(msgpack_packer *pk, const struct kk_field *field, const void *p)
{
	switch (field->type) {
	case KK_T_BOOL:
		*(const bool *)p ? msgpack_pack_true(pk) : msgpack_pack_false(pk);
		break;
	case KK_T_ENUM:
		msgpack_pack_int(pk, *(const int *)p);
		break;
	case KK_T_I64:
	case KK_T_TIME:
		msgpack_pack_int64(pk, *(const int64_t *)p);
		break;
	case KK_T_U64:
		msgpack_pack_uint64(pk, *(const uint64_t *)p);
		break;
	case KK_T_STR:
		pack_str(pk, *(char *const *)p);
		break;
	case KK_T_BIN: {
		const struct kk_bin *bin = p;

		msgpack_pack_bin(pk, bin->len);
		msgpack_pack_bin_body(pk, bin->data, bin->len);
		break;
	}
	case KK_T_OPT_I64: {
		const struct kk_opt_i64 *opt = p;

		opt->is_set ? msgpack_pack_int64(pk, opt->value) : msgpack_pack_nil(pk);
		break;
	}
	case KK_T_OPT_BOOL: {
		const struct kk_opt_bool *opt = p;

		if (!opt->is_set)
			msgpack_pack_nil(pk);
		else
			opt->value ? msgpack_pack_true(pk) : msgpack_pack_false(pk);
		break;
	}
	case KK_T_STRS:
	case KK_T_INTS: {
		const struct kk_strs *strs = p;

		if (!strs->is_set) {
			msgpack_pack_nil(pk);
			break;
		}
		msgpack_pack_array(pk, strs->n);
		for (size_t i = 0; i < strs->n; i++)
			pack_str(pk, strs->items[i]);
		break;
	}
	case KK_T_MAP: {
		const struct kk_map *map = p;

		if (!map->is_set) {
			msgpack_pack_nil(pk);
			break;
		}
		msgpack_pack_map(pk, map->n);
		for (size_t i = 0; i < map->n; i++) {
			pack_str(pk, map->items[i].key);
			pack_str(pk, map->items[i].value);
		}
		break;
	}
	case KK_T_OBJ:
		pack_object(pk, field->sub(), p);
		break;
	case KK_T_LIST: {
		const struct kk_list *list = p;

		if (!list->is_set) {
			msgpack_pack_nil(pk);
			break;
		}
		msgpack_pack_array(pk, list->n);
		for (size_t i = 0; i < list->n; i++)
			pack_object(pk, field->sub(), kk_list_at(list, field->sub(), i));
		break;
	}
	}
}

static void pack_object(msgpack_packer *pk, const struct kk_schema *schema, const void *object)
{
	msgpack_pack_array(pk, schema->n_fields);
	for (unsigned i = 0; i < schema->n_fields; i++)
		pack_field(pk, &schema->fields[i], kk_field_at(&schema->fields[i], object));
}

int kk_schema_encode(const struct kk_schema *schema, const void *object, struct kk_buf *buf)
{
	struct sink sink = {.buf = buf};
	size_t before = buf->len;
	msgpack_packer pk;

	msgpack_packer_init(&pk, &sink, sink_write);
	pack_object(&pk, schema, object);
	if (sink.r < 0)
		buf->len = before;
	return sink.r;
}

static int mismatch(struct kk_err *err, const struct kk_field *field, const char *want)
{
	return kk_fail(err, KK_E_PROTOCOL, "field '%s' is not %s", field->name, want);
}

static int nomem(struct kk_err *err, const char *name)
{
	return kk_fail(err, KK_E_NOMEM, "no memory for '%s'", name);
}

static int unpack_str(const struct kk_field *field, const msgpack_object *in, char **ret_s,
	struct kk_err *err)
{
	if (in->type != MSGPACK_OBJECT_STR)
		return mismatch(err, field, "a string");
	if (field->max && in->via.str.size > field->max)
		return kk_fail(err, KK_E_PROTOCOL, "field '%s' has %u bytes, the limit is %zu",
			field->name, in->via.str.size, field->max);
	if (in->via.str.size && memchr(in->via.str.ptr, 0, in->via.str.size))
		return mismatch(err, field, "free of zero bytes");
	if (!in->via.str.size)
		return 0;
	*ret_s = kk_strndup(in->via.str.ptr, in->via.str.size);
	return *ret_s ? 0 : nomem(err, field->name);
}

static int unpack_i64(const struct kk_field *field, const msgpack_object *in, int64_t *ret,
	struct kk_err *err)
{
	if (in->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
		*ret = in->via.i64;
	else if (in->type == MSGPACK_OBJECT_POSITIVE_INTEGER && in->via.u64 <= INT64_MAX)
		*ret = (int64_t)in->via.u64;
	else
		return mismatch(err, field, "a 64-bit integer");
	return 0;
}

static int array_check(const struct kk_field *field, const msgpack_object *in, struct kk_err *err)
{
	if (in->type != MSGPACK_OBJECT_ARRAY)
		return mismatch(err, field, "a list");
	if (field->max_items && in->via.array.size > field->max_items)
		return kk_fail(err, KK_E_PROTOCOL, "field '%s' has %u items, the limit is %zu",
			field->name, in->via.array.size, field->max_items);
	return 0;
}

static int unpack_strs(const struct kk_field *field, const msgpack_object *in, struct kk_strs *strs,
	struct kk_err *err)
{
	int r = array_check(field, in, err);

	if (r < 0)
		return r;
	strs->is_set = true;
	for (uint32_t i = 0; i < in->via.array.size; i++) {
		char *s = NULL;

		r = unpack_str(field, &in->via.array.ptr[i], &s, err);
		if (r < 0)
			return r;
		if (kk_strs_push(strs, s ? s : kk_strdup("")) < 0)
			return nomem(err, field->name);
	}
	return 0;
}

static int unpack_map(const struct kk_field *field, const msgpack_object *in, struct kk_map *map,
	struct kk_err *err)
{
	if (in->type != MSGPACK_OBJECT_MAP)
		return mismatch(err, field, "a map");
	if (field->max_items && in->via.map.size > field->max_items)
		return mismatch(err, field, "within its number of items");
	map->is_set = true;
	for (uint32_t i = 0; i < in->via.map.size; i++) {
		kk_auto_free char *key = NULL, *value = NULL;
		int r = unpack_str(field, &in->via.map.ptr[i].key, &key, err);

		if (r == 0)
			r = unpack_str(field, &in->via.map.ptr[i].val, &value, err);
		if (r < 0)
			return r;
		if (kk_map_put(map, kk_str(key), value) < 0)
			return nomem(err, field->name);
	}
	return 0;
}

static int unpack_object(const struct kk_schema *schema, const msgpack_object *in, void *object,
	struct kk_err *err);

static int unpack_list(const struct kk_field *field, const msgpack_object *in, struct kk_list *list,
	struct kk_err *err)
{
	int r = array_check(field, in, err);

	if (r < 0)
		return r;
	list->is_set = true;
	for (uint32_t i = 0; r == 0 && i < in->via.array.size; i++) {
		void *item = kk_list_push(list, field->sub());

		r = item ? unpack_object(field->sub(), &in->via.array.ptr[i], item, err) :
			   nomem(err, field->name);
	}
	return r;
}

static int unpack_field(const struct kk_field *field, const msgpack_object *in, void *p,
	struct kk_err *err)
{
	bool is_nil = in->type == MSGPACK_OBJECT_NIL;

	switch (field->type) {
	case KK_T_BOOL:
		if (in->type != MSGPACK_OBJECT_BOOLEAN)
			return mismatch(err, field, "a boolean");
		*(bool *)p = in->via.boolean;
		return 0;
	case KK_T_ENUM:
		if (in->type != MSGPACK_OBJECT_POSITIVE_INTEGER || in->via.u64 >= field->names->n)
			return mismatch(err, field, field->names->what);
		*(int *)p = (int)in->via.u64;
		return 0;
	case KK_T_I64:
	case KK_T_TIME:
		return unpack_i64(field, in, p, err);
	case KK_T_U64:
		if (in->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
			return mismatch(err, field, "an unsigned integer");
		*(uint64_t *)p = in->via.u64;
		return 0;
	case KK_T_STR:
		return unpack_str(field, in, p, err);
	case KK_T_BIN: {
		struct kk_bin *bin = p;

		if (in->type != MSGPACK_OBJECT_BIN)
			return mismatch(err, field, "a blob");
		if (field->max && in->via.bin.size > field->max)
			return mismatch(err, field, "within its size");
		bin->data = (uint8_t *)kk_strndup(in->via.bin.size ? in->via.bin.ptr : "",
			in->via.bin.size);
		if (!bin->data)
			return nomem(err, field->name);
		bin->len = in->via.bin.size;
		return 0;
	}
	case KK_T_OPT_I64: {
		struct kk_opt_i64 *opt = p;

		opt->is_set = !is_nil;
		return is_nil ? 0 : unpack_i64(field, in, &opt->value, err);
	}
	case KK_T_OPT_BOOL: {
		struct kk_opt_bool *opt = p;

		if (!is_nil && in->type != MSGPACK_OBJECT_BOOLEAN)
			return mismatch(err, field, "a boolean");
		opt->is_set = !is_nil;
		opt->value = !is_nil && in->via.boolean;
		return 0;
	}
	case KK_T_STRS:
	case KK_T_INTS:
		return is_nil ? 0 : unpack_strs(field, in, p, err);
	case KK_T_MAP:
		return is_nil ? 0 : unpack_map(field, in, p, err);
	case KK_T_OBJ:
		return unpack_object(field->sub(), in, p, err);
	case KK_T_LIST:
		return is_nil ? 0 : unpack_list(field, in, p, err);
	}
	return mismatch(err, field, "of a known type");
}

static int unpack_object(const struct kk_schema *schema, const msgpack_object *in, void *object,
	struct kk_err *err)
{
	if (in->type != MSGPACK_OBJECT_ARRAY || in->via.array.size != schema->n_fields)
		return kk_fail(err, KK_E_PROTOCOL, "'%s' is not an array of %u fields",
			schema->name, schema->n_fields);
	for (unsigned i = 0; i < schema->n_fields; i++) {
		const struct kk_field *field = &schema->fields[i];
		int r = unpack_field(field, &in->via.array.ptr[i], kk_field_at(field, object), err);

		if (r < 0)
			return r;
	}
	return 0;
}

int kk_schema_decode(const struct kk_schema *schema, const void *data, size_t len, void *ret_object,
	struct kk_err *err)
{
	msgpack_unpack_return unpacked = MSGPACK_UNPACK_PARSE_ERROR;
	msgpack_unpacked result;
	size_t offset = 0;
	int r;

	kk_schema_init(schema, ret_object);
	msgpack_unpacked_init(&result);
	if (kk_msgpack_fits(data, len))
		unpacked = msgpack_unpack_next(&result, data, len, &offset);
	if (unpacked == MSGPACK_UNPACK_NOMEM_ERROR)
		r = nomem(err, schema->name);
	else if (unpacked != MSGPACK_UNPACK_SUCCESS || offset != len)
		r = kk_fail(err, KK_E_PROTOCOL, "'%s' is not one msgpack value", schema->name);
	else
		r = unpack_object(schema, &result.data, ret_object, err);
	msgpack_unpacked_destroy(&result);
	if (r < 0)
		kk_schema_release(schema, ret_object);
	return r;
}
