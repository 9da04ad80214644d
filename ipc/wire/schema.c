/* ipc/wire/schema.c */
#include <kukeon/schema.h>

#include <stdlib.h>
#include <string.h>

#include <kukeon/auto.h>
#include <kukeon/clock.h>
#include <kukeon/mem.h>

void kk_schema_init(const struct kk_schema *schema, void *object)
{
	memset(object, 0, schema->size);
	for (unsigned i = 0; i < schema->n_fields; i++) {
		const struct kk_field *field = &schema->fields[i];

		if (field->type == KK_T_TIME)
			*(int64_t *)kk_field_at(field, object) = KK_TIME_ZERO;
		else if (field->type == KK_T_OBJ)
			kk_schema_init(field->sub(), kk_field_at(field, object));
	}
}

void kk_map_release(struct kk_map *map)
{
	for (size_t i = 0; i < map->n; i++) {
		free(map->items[i].key);
		free(map->items[i].value);
	}
	free(map->items);
	*map = (struct kk_map){0};
}

static void field_release(const struct kk_field *field, void *p)
{
	switch (field->type) {
	case KK_T_STR:
		free(*(char **)p);
		break;
	case KK_T_BIN:
		free(((struct kk_bin *)p)->data);
		break;
	case KK_T_STRS:
	case KK_T_INTS:
		kk_strs_release(p);
		break;
	case KK_T_MAP:
		kk_map_release(p);
		break;
	case KK_T_OBJ:
		kk_schema_release(field->sub(), p);
		break;
	case KK_T_LIST: {
		struct kk_list *list = p;

		for (size_t i = 0; i < list->n; i++)
			kk_schema_release(field->sub(), kk_list_at(list, field->sub(), i));
		free(list->items);
		break;
	}
	case KK_T_BOOL:
	case KK_T_I64:
	case KK_T_U64:
	case KK_T_ENUM:
	case KK_T_TIME:
	case KK_T_OPT_I64:
	case KK_T_OPT_BOOL:
		break;
	}
}

void kk_schema_release(const struct kk_schema *schema, void *object)
{
	if (!object)
		return;
	for (unsigned i = 0; i < schema->n_fields; i++)
		field_release(&schema->fields[i], kk_field_at(&schema->fields[i], object));
	kk_schema_init(schema, object);
}

static void map_copy(const struct kk_map *from, struct kk_map *to)
{
	*to = (struct kk_map){.n = from->n, .is_set = from->is_set};
	if (from->n)
		to->items = kk_xalloc(from->n * sizeof to->items[0]);
	for (size_t i = 0; i < from->n; i++) {
		to->items[i].key = kk_xstrdup(from->items[i].key);
		to->items[i].value = kk_xstrdup(from->items[i].value);
	}
}

static void field_copy(const struct kk_field *field, const void *from, void *to)
{
	switch (field->type) {
	case KK_T_STR:
		*(char **)to = kk_xstrdup(*(char *const *)from);
		break;
	case KK_T_BIN: {
		const struct kk_bin *bin = from;

		*(struct kk_bin *)to = (struct kk_bin){
			.data = (uint8_t *)kk_xstrndup(bin->len ? (char *)bin->data : "", bin->len),
			.len = bin->len,
		};
		break;
	}
	case KK_T_STRS:
	case KK_T_INTS: {
		const struct kk_strs *strs = from;
		struct kk_strs *copy = to;

		*copy = (struct kk_strs){.is_set = strs->is_set};
		for (size_t i = 0; i < strs->n; i++)
			kk_strs_add(copy, strs->items[i]);
		break;
	}
	case KK_T_MAP:
		map_copy(from, to);
		break;
	case KK_T_OBJ:
		kk_schema_copy(field->sub(), from, to);
		break;
	case KK_T_LIST: {
		const struct kk_list *list = from;
		struct kk_list *copy = to;

		*copy = (struct kk_list){.is_set = list->is_set};
		for (size_t i = 0; i < list->n; i++)
			kk_schema_copy(field->sub(), kk_list_at(list, field->sub(), i),
				kk_list_add(copy, field->sub()));
		break;
	}
	case KK_T_BOOL:
		*(bool *)to = *(const bool *)from;
		break;
	case KK_T_ENUM:
		*(int *)to = *(const int *)from;
		break;
	case KK_T_I64:
	case KK_T_U64:
	case KK_T_TIME:
		*(int64_t *)to = *(const int64_t *)from;
		break;
	case KK_T_OPT_I64:
		*(struct kk_opt_i64 *)to = *(const struct kk_opt_i64 *)from;
		break;
	case KK_T_OPT_BOOL:
		*(struct kk_opt_bool *)to = *(const struct kk_opt_bool *)from;
		break;
	}
}

void kk_schema_copy(const struct kk_schema *schema, const void *object, void *ret_copy)
{
	kk_schema_init(schema, ret_copy);
	for (unsigned i = 0; i < schema->n_fields; i++) {
		const struct kk_field *field = &schema->fields[i];

		field_copy(field, kk_field_at(field, object), kk_field_at(field, ret_copy));
	}
}

static bool value_equal(const struct kk_field *field, const void *a, const void *b, unsigned but)
{
	switch (field->type) {
	case KK_T_BOOL:
		return *(const bool *)a == *(const bool *)b;
	case KK_T_ENUM:
		return *(const int *)a == *(const int *)b;
	case KK_T_I64:
	case KK_T_U64:
	case KK_T_TIME:
		return *(const int64_t *)a == *(const int64_t *)b;
	case KK_T_STR:
		return kk_str_equal(*(char *const *)a, *(char *const *)b);
	case KK_T_BIN: {
		const struct kk_bin *x = a, *y = b;

		return x->len == y->len && (!x->len || memcmp(x->data, y->data, x->len) == 0);
	}
	case KK_T_OPT_I64: {
		const struct kk_opt_i64 *x = a, *y = b;

		return x->is_set == y->is_set && (!x->is_set || x->value == y->value);
	}
	case KK_T_OPT_BOOL: {
		const struct kk_opt_bool *x = a, *y = b;

		return x->is_set == y->is_set && (!x->is_set || x->value == y->value);
	}
	case KK_T_STRS:
	case KK_T_INTS: {
		const struct kk_strs *x = a, *y = b;

		if (x->n != y->n)
			return false;
		for (size_t i = 0; i < x->n; i++) {
			if (strcmp(x->items[i], y->items[i]) != 0)
				return false;
		}
		return true;
	}
	case KK_T_MAP:
		return kk_map_equal(a, b);
	case KK_T_OBJ:
		return kk_schema_equal(field->sub(), a, b, but);
	case KK_T_LIST: {
		const struct kk_list *x = a, *y = b;

		if (x->n != y->n)
			return false;
		for (size_t i = 0; i < x->n; i++) {
			if (!kk_schema_equal(field->sub(), kk_list_at(x, field->sub(), i),
				    kk_list_at(y, field->sub(), i), but))
				return false;
		}
		return true;
	}
	}
	return false;
}

bool kk_field_equal(const struct kk_field *field, const void *a, const void *b, unsigned but)
{
	return value_equal(field, kk_field_at(field, a), kk_field_at(field, b), but);
}

bool kk_schema_equal(const struct kk_schema *schema, const void *a, const void *b, unsigned but)
{
	for (unsigned i = 0; i < schema->n_fields; i++) {
		if (!(schema->fields[i].flags & but) &&
			!kk_field_equal(&schema->fields[i], a, b, but))
			return false;
	}
	return true;
}

bool kk_field_is_empty(const struct kk_field *field, const void *object)
{
	const void *p = kk_field_at(field, object);

	switch (field->type) {
	case KK_T_BOOL:
		return !*(const bool *)p;
	case KK_T_ENUM:
		return *(const int *)p == 0;
	case KK_T_I64:
	case KK_T_U64:
		return *(const int64_t *)p == 0;
	case KK_T_TIME:
		return *(const int64_t *)p == KK_TIME_ZERO;
	case KK_T_STR:
		return kk_str_empty(*(char *const *)p);
	case KK_T_BIN:
		return ((const struct kk_bin *)p)->len == 0;
	case KK_T_OPT_I64:
		return !((const struct kk_opt_i64 *)p)->is_set;
	case KK_T_OPT_BOOL:
		return !((const struct kk_opt_bool *)p)->is_set;
	case KK_T_STRS:
	case KK_T_INTS:
		return ((const struct kk_strs *)p)->n == 0;
	case KK_T_MAP:
		return ((const struct kk_map *)p)->n == 0;
	case KK_T_LIST:
		return ((const struct kk_list *)p)->n == 0;
	case KK_T_OBJ:
		return kk_schema_is_empty(field->sub(), p);
	}
	return true;
}

bool kk_schema_is_empty(const struct kk_schema *schema, const void *object)
{
	for (unsigned i = 0; i < schema->n_fields; i++) {
		if (!kk_field_is_empty(&schema->fields[i], object))
			return false;
	}
	return true;
}

/* A step of FNV-1a. */
static uint64_t hash_word(uint64_t hash, uint64_t word)
{
	return (hash ^ word) * 0x100000001b3ULL;
}

static uint64_t hash_bytes(uint64_t hash, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = hash_word(hash, (uint8_t)data[i]);
	return hash;
}

uint64_t kk_schema_hash(const struct kk_schema *schema, uint64_t seed)
{
	uint64_t hash =
		hash_bytes(seed ^ 0xcbf29ce484222325ULL, schema->name, strlen(schema->name));

	for (unsigned i = 0; i < schema->n_fields; i++) {
		const struct kk_field *field = &schema->fields[i];

		hash = hash_bytes(hash, field->name, strlen(field->name) + 1);
		hash = hash_word(hash, field->type);
		hash = hash_word(hash, field->max);
		hash = hash_word(hash, field->max_items);
		for (unsigned k = 0; field->names && k < field->names->n; k++)
			hash = hash_bytes(hash, field->names->names[k],
				strlen(field->names->names[k]) + 1);
		if (field->sub)
			hash = kk_schema_hash(field->sub(), hash);
	}
	return hash;
}

int kk_strs_push(struct kk_strs *strs, char *s)
{
	char **items = s ? kk_realloc(strs->items, (strs->n + 1) * sizeof strs->items[0]) : NULL;

	if (!items) {
		free(s);
		return KK_E_NOMEM;
	}
	strs->items = items;
	strs->items[strs->n++] = s;
	strs->is_set = true;
	return 0;
}

void kk_strs_take(struct kk_strs *strs, char *s)
{
	if (kk_strs_push(strs, s) < 0)
		kk_out_of_memory();
}

void kk_strs_add(struct kk_strs *strs, const char *s)
{
	kk_strs_take(strs, kk_xstrdup(s));
}

void kk_strs_release(struct kk_strs *strs)
{
	for (size_t i = 0; i < strs->n; i++)
		free(strs->items[i]);
	free(strs->items);
	*strs = (struct kk_strs){0};
}

static int strs_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void kk_strs_sort(struct kk_strs *strs)
{
	if (strs->n > 1)
		qsort(strs->items, strs->n, sizeof strs->items[0], strs_compare);
}

bool kk_strs_has(const struct kk_strs *strs, const char *s)
{
	for (size_t i = 0; i < strs->n; i++) {
		if (strcmp(strs->items[i], s) == 0)
			return true;
	}
	return false;
}

void *kk_list_push(struct kk_list *list, const struct kk_schema *schema)
{
	void *items = kk_realloc(list->items, (list->n + 1) * schema->size), *item;

	if (!items)
		return NULL;
	list->items = items;
	list->is_set = true;
	item = kk_list_at(list, schema, list->n++);
	kk_schema_init(schema, item);
	return item;
}

void *kk_list_add(struct kk_list *list, const struct kk_schema *schema)
{
	void *item = kk_list_push(list, schema);

	if (!item)
		kk_out_of_memory();
	return item;
}

void kk_list_drop(struct kk_list *list, const struct kk_schema *schema, size_t i)
{
	char *item = kk_list_at(list, schema, i);

	kk_schema_release(schema, item);
	list->n--;
	memmove(item, item + schema->size, (list->n - i) * schema->size);
}

const char *kk_map_get(const struct kk_map *map, const char *key)
{
	for (size_t i = 0; i < map->n; i++) {
		if (strcmp(map->items[i].key, key) == 0)
			return map->items[i].value;
	}
	return NULL;
}

static int pair_insert(struct kk_map *map, size_t i, const char *key, const char *value)
{
	kk_auto_free char *key_copy = kk_strdup(key), *value_copy = kk_strdup(value);
	struct kk_pair *items = key_copy && value_copy ?
		kk_realloc(map->items, (map->n + 1) * sizeof map->items[0]) :
		NULL;

	if (!items)
		return KK_E_NOMEM;
	map->items = items;
	memmove(&items[i + 1], &items[i], (map->n - i) * sizeof items[0]);
	items[i] = (struct kk_pair){kk_steal(&key_copy), kk_steal(&value_copy)};
	map->n++;
	return 0;
}

bool kk_map_equal(const struct kk_map *a, const struct kk_map *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (strcmp(a->items[i].key, b->items[i].key) != 0 ||
			strcmp(a->items[i].value, b->items[i].value) != 0)
			return false;
	}
	return true;
}

int kk_map_put(struct kk_map *map, const char *key, const char *value)
{
	char *copy;
	size_t i = 0;

	map->is_set = true;
	while (i < map->n && strcmp(map->items[i].key, key) < 0)
		i++;
	if (i == map->n || strcmp(map->items[i].key, key) != 0)
		return pair_insert(map, i, key, kk_str(value));
	copy = kk_strdup(kk_str(value));
	if (!copy)
		return KK_E_NOMEM;
	free(map->items[i].value);
	map->items[i].value = copy;
	return 0;
}

void kk_map_set(struct kk_map *map, const char *key, const char *value)
{
	if (kk_map_put(map, key, value) < 0)
		kk_out_of_memory();
}

void kk_map_drop(struct kk_map *map, size_t i)
{
	free(map->items[i].key);
	free(map->items[i].value);
	map->n--;
	memmove(&map->items[i], &map->items[i + 1], (map->n - i) * sizeof map->items[0]);
}
