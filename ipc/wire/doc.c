/* ipc/wire/doc.c - the tables of the documents; they live beside the codec because messages carry
 * documents. What the documents mean is ipc/model's. */
#include <kukeon/model.h>

#include <stddef.h>
#include <string.h>

#include <kukeon/auto.h>

static const char *const realm_states[] = {
	[KK_REALM_PENDING] = "Pending",
	[KK_REALM_CREATING] = "Creating",
	[KK_REALM_READY] = "Ready",
	[KK_REALM_DELETING] = "Deleting",
	[KK_REALM_FAILED] = "Failed",
	[KK_REALM_UNKNOWN] = "Unknown",
};

static const char *const scope_states[] = {
	[KK_SCOPE_PENDING] = "Pending",
	[KK_SCOPE_READY] = "Ready",
	[KK_SCOPE_FAILED] = "Failed",
	[KK_SCOPE_UNKNOWN] = "Unknown",
};

static const char *const cell_states[] = {
	[KK_CELL_PENDING] = "Pending",
	[KK_CELL_READY] = "Ready",
	[KK_CELL_STOPPED] = "Stopped",
	[KK_CELL_FAILED] = "Failed",
	[KK_CELL_UNKNOWN] = "Unknown",
	[KK_CELL_EXITED] = "Exited",
	[KK_CELL_ERROR] = "Error",
	[KK_CELL_DEGRADED] = "Degraded",
};

static const char *const container_states[] = {
	[KK_CONTAINER_PENDING] = "Pending",
	[KK_CONTAINER_READY] = "Ready",
	[KK_CONTAINER_STOPPED] = "Stopped",
	[KK_CONTAINER_PAUSED] = "Paused",
	[KK_CONTAINER_PAUSING] = "Pausing",
	[KK_CONTAINER_FAILED] = "Failed",
	[KK_CONTAINER_UNKNOWN] = "Unknown",
	[KK_CONTAINER_NOT_CREATED] = "NotCreated",
	[KK_CONTAINER_EXITED] = "Exited",
	[KK_CONTAINER_ERROR] = "Error",
};

static const struct kk_names names_realm_state = {
	realm_states, KK_COUNT(realm_states), "realm state"};
static const struct kk_names names_space_state = {
	scope_states, KK_COUNT(scope_states), "space state"};
static const struct kk_names names_stack_state = {
	scope_states, KK_COUNT(scope_states), "stack state"};
static const struct kk_names names_cell_state = {cell_states, KK_COUNT(cell_states), "cell state"};
static const struct kk_names names_container_state = {
	container_states, KK_COUNT(container_states), "container state"};

enum { MAP_ITEMS = 4096, LIST_ITEMS = 4096, MAP_BYTES = 65536 };

#define FIELD(member, key, flag, ...) \
	{.name = key, .offset = offsetof(kk_this, member), .flags = (flag), __VA_ARGS__},
#define KK_DOC_BOOL(member, key, flag) FIELD(member, key, flag, .type = KK_T_BOOL)
#define KK_DOC_I64(member, key, flag) FIELD(member, key, flag, .type = KK_T_I64)
#define KK_DOC_TIME(member, key, flag) FIELD(member, key, flag, .type = KK_T_TIME)
#define KK_DOC_OPT_I64(member, key, flag) FIELD(member, key, flag, .type = KK_T_OPT_I64)
#define KK_DOC_OPT_BOOL(member, key, flag) FIELD(member, key, flag, .type = KK_T_OPT_BOOL)
#define KK_DOC_STR(member, key, flag, bytes) \
	FIELD(member, key, flag, .type = KK_T_STR, .max = (bytes))
#define KK_DOC_STRS(member, key, flag, bytes) \
	FIELD(member, key, flag, .type = KK_T_STRS, .max = (bytes), .max_items = LIST_ITEMS)
#define KK_DOC_INTS(member, key, flag) \
	FIELD(member, key, flag, .type = KK_T_INTS, .max = 20, .max_items = LIST_ITEMS)
#define KK_DOC_MAP(member, key, flag) \
	FIELD(member, key, flag, .type = KK_T_MAP, .max = MAP_BYTES, .max_items = MAP_ITEMS)
#define KK_DOC_ENUM(member, key, flag, table) \
	FIELD(member, key, flag, .type = KK_T_ENUM, .names = &names_##table)
#define KK_DOC_OBJ(member, key, flag, kind) \
	FIELD(member, key, flag, .type = KK_T_OBJ, .sub = kk_schema_of_##kind)
#define KK_DOC_LIST(member, key, flag, kind)                                 \
	FIELD(member, key, flag, .type = KK_T_LIST, .max_items = LIST_ITEMS, \
		.sub = kk_schema_of_##kind)
#define KK_DOC(this_name, ...)                                         \
	const struct kk_schema *kk_schema_of_##this_name(void)         \
	{                                                              \
		typedef struct kk_##this_name kk_this;                 \
		static const struct kk_field fields[] = {__VA_ARGS__}; \
		static const struct kk_schema schema = {               \
			.name = #this_name,                            \
			.size = sizeof(kk_this),                       \
			.fields = fields,                              \
			.n_fields = KK_COUNT(fields),                  \
		};                                                     \
		return &schema;                                        \
	}
#include <kukeon/model.def>
#include <kukeon/undef.h>

static const struct {
	const char *name;
	const char *word;
	const struct kk_schema *(*schema)(void);
	const struct kk_names *states;
} kinds[KK_KINDS] = {
	[KK_KIND_REALM] = {"Realm", "realm", kk_schema_of_realm, &names_realm_state},
	[KK_KIND_SPACE] = {"Space", "space", kk_schema_of_space, &names_space_state},
	[KK_KIND_STACK] = {"Stack", "stack", kk_schema_of_stack, &names_stack_state},
	[KK_KIND_CELL] = {"Cell", "cell", kk_schema_of_cell, &names_cell_state},
	[KK_KIND_CONTAINER] = {"Container", "container", kk_schema_of_container,
		&names_container_state},
};

const char *kk_kind_name(enum kk_kind kind)
{
	return kinds[kind].name;
}

const char *kk_kind_word(enum kk_kind kind)
{
	return kinds[kind].word;
}

int kk_kind_parse(const char *name)
{
	for (int i = 0; i < KK_KINDS; i++) {
		if (strcmp(kinds[i].name, name) == 0)
			return i;
	}
	return -1;
}

const struct kk_schema *kk_kind_schema(enum kk_kind kind)
{
	return kinds[kind].schema();
}

const char *kk_state_name(enum kk_kind kind, int state)
{
	const struct kk_names *states = kinds[kind].states;

	return state >= 0 && (unsigned)state < states->n ? states->names[state] : "Unknown";
}
