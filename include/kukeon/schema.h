/* include/kukeon/schema.h - tables that describe a struct, from which every form of it derives.
 *
 * Messages (messages.def) and documents (model.def) are declared once as rows of fields. Release,
 * copy, comparison, the msgpack form, and for documents JSON, YAML, defaults and diff all walk these
 * tables, so a field can't be forgotten in one of them. */
#ifndef KK_SCHEMA_H
#define KK_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kukeon/err.h>

struct kk_buf;

enum kk_type {
	KK_T_BOOL,     /* bool */
	KK_T_I64,      /* int64_t */
	KK_T_U64,      /* uint64_t */
	KK_T_STR,      /* char *, NULL is "" */
	KK_T_BIN,      /* struct kk_bin */
	KK_T_ENUM,     /* int, an index of field.names */
	KK_T_TIME,     /* int64_t, KK_TIME_ZERO for never */
	KK_T_OPT_I64,  /* struct kk_opt_i64 */
	KK_T_OPT_BOOL, /* struct kk_opt_bool */
	KK_T_STRS,     /* struct kk_strs */
	KK_T_INTS,     /* struct kk_strs of decimal numbers; numbers in JSON and YAML */
	KK_T_MAP,      /* struct kk_map */
	KK_T_OBJ,      /* the struct itself */
	KK_T_LIST,     /* KK_LIST_OF(struct) */
};

/* What is said about a field of a document. */
enum kk_field_flag {
	KK_OMIT = 1 << 0,      /* left out of JSON and YAML when empty */
	KK_JSON_ONLY = 1 << 1, /* unknown to YAML */
	KK_REQUIRED = 1 << 2,  /* must not be empty in a manifest */
	KK_BREAKING = 1 << 3,  /* a change needs a new object */
	KK_BAKED = 1 << 4,   /* part of what the container was made from: a change makes it anew */
	KK_NO_DIFF = 1 << 5, /* not compared */
	KK_JSON_ALWAYS = 1 << 6, /* emitted as {} although it is empty and KK_OMIT */
	KK_INTERNAL = 1 << 7,    /* kept on disk, never shown */
	KK_SECRET = 1 << 8,      /* never logged */
	KK_INPUT_ONLY = 1 << 9,  /* taken from a request, neither stored nor returned */
	KK_KEPT = 1 << 10,       /* stays as it is where a manifest leaves it out */
};

struct kk_bin {
	uint8_t *data;
	size_t len;
};

struct kk_opt_i64 {
	bool is_set;
	int64_t value;
};

struct kk_opt_bool {
	bool is_set;
	bool value;
};

/* is_set tells [] from a list that was never given (null in JSON). */
struct kk_strs {
	char **items;
	size_t n;
	bool is_set;
};

struct kk_pair {
	char *key;
	char *value;
};

/* Sorted by key. */
struct kk_map {
	struct kk_pair *items;
	size_t n;
	bool is_set;
};

/* What every KK_LIST_OF looks like. */
struct kk_list {
	void *items;
	size_t n;
	bool is_set;
};

#define KK_LIST_OF(type)            \
	struct {                    \
		struct type *items; \
		size_t n;           \
		bool is_set;        \
	}

struct kk_names {
	const char *const *names;
	unsigned n;
	const char *what; /* "cell state", for messages */
};

struct kk_schema;

struct kk_field {
	const char *name; /* key in JSON and YAML; of a message the member's name */
	enum kk_type type;
	unsigned flags;
	size_t offset;
	size_t max; /* bytes of a string or blob (of each, in a list); 0: no limit of its own */
	size_t max_items; /* of lists and maps */
	const struct kk_names *names;
	const struct kk_schema *(*sub)(void);
};

struct kk_schema {
	const char *name;
	size_t size;
	const struct kk_field *fields;
	unsigned n_fields;
};

static inline void *kk_field_at(const struct kk_field *field, const void *object)
{
	return (char *)object + field->offset;
}

static inline void *kk_list_at(const struct kk_list *list, const struct kk_schema *schema, size_t i)
{
	return (char *)list->items + i * schema->size;
}

/* Give @object (of zero bytes or any content) the defaults: empty, and times that never were. */
void kk_schema_init(const struct kk_schema *schema, void *object);

/* Free all that @object owns and make it empty; NULL is fine. */
void kk_schema_release(const struct kk_schema *schema, void *object);

/* Deep copy into @ret_copy, whose former content is not released. */
void kk_schema_copy(const struct kk_schema *schema, const void *object, void *ret_copy);

/* nil equals empty, as in the diff rules of the API. Fields with a flag in @but are passed over. */
bool kk_schema_equal(const struct kk_schema *schema, const void *a, const void *b, unsigned but);
bool kk_field_equal(const struct kk_field *field, const void *a, const void *b, unsigned but);
bool kk_field_is_empty(const struct kk_field *field, const void *object);
bool kk_schema_is_empty(const struct kk_schema *schema, const void *object);

/* A number that changes with any name, type or bound of the table. */
uint64_t kk_schema_hash(const struct kk_schema *schema, uint64_t seed);

/* Append the msgpack form: an array of the fields in order. Fails with KK_E_NOMEM or KK_E_TOO_BIG. */
int kk_schema_encode(const struct kk_schema *schema, const void *object, struct kk_buf *buf);

/* Decode exactly that form, checking types and bounds, into @ret_object (released by the caller with
 * kk_schema_release). Fails with KK_E_PROTOCOL or KK_E_NOMEM, then @ret_object owns nothing. */
int kk_schema_decode(const struct kk_schema *schema, const void *data, size_t len, void *ret_object,
	struct kk_err *err);

/* What ends in _push or _put returns KK_E_NOMEM, or NULL; the others end the process instead. */
int kk_strs_push(struct kk_strs *strs,
	char *s); /* takes @s over in any case; NULL is as good as no memory */
void kk_strs_take(struct kk_strs *strs, char *s);
void kk_strs_add(struct kk_strs *strs, const char *s);
void kk_strs_release(struct kk_strs *strs);
bool kk_strs_has(const struct kk_strs *strs, const char *s);
void kk_strs_sort(struct kk_strs *strs); /* by byte */

/* Append one zeroed element and return it. */
void *kk_list_push(struct kk_list *list, const struct kk_schema *schema);
void *kk_list_add(struct kk_list *list, const struct kk_schema *schema);
void kk_list_drop(struct kk_list *list, const struct kk_schema *schema, size_t i);
#define KK_LIST(list) ((struct kk_list *)(void *)(list))

const char *kk_map_get(const struct kk_map *map, const char *key);
bool kk_map_equal(const struct kk_map *a, const struct kk_map *b);
int kk_map_put(struct kk_map *map, const char *key, const char *value);
void kk_map_set(struct kk_map *map, const char *key, const char *value);
void kk_map_drop(struct kk_map *map, size_t i);
void kk_map_release(struct kk_map *map);

#endif
