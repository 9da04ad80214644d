/* ipc/wire/msg.c - the tables behind <kukeon/msg.h>. */
#include <kukeon/msg.h>

#include <stddef.h>
#include <string.h>

#include <kukeon/auto.h>

static const struct {
	const char *name;
	int64_t heartbeat_ms;
	const char *capabilities;
} roles[KK_ROLES] = {
	[KK_ROLE_supervisor] = {"supervisor", 0, ""},
#define KK_ROLE(name, heartbeat_ms, capabilities, owns) \
	[KK_ROLE_##name] = {#name, heartbeat_ms, capabilities},
#include <kukeon/roles.def>
#undef KK_ROLE
};

const char *kk_role_name(enum kk_role role)
{
	return (unsigned)role < KK_ROLES ? roles[role].name : "nobody";
}

int kk_role_parse(const char *name)
{
	for (int i = 0; i < KK_ROLES; i++) {
		if (strcmp(roles[i].name, name) == 0)
			return i;
	}
	return -1;
}

const char *kk_role_capabilities(enum kk_role role)
{
	return roles[role].capabilities;
}

int64_t kk_role_heartbeat_ms(enum kk_role role)
{
	return roles[role].heartbeat_ms;
}

/* Every body ends with this row, so that a table of no fields is still a table. */
#define END_OF_FIELDS        \
	{                    \
		.name = NULL \
	}
#define FIELD(member, ...) {.name = #member, .offset = offsetof(kk_this, member), __VA_ARGS__},
#define SCHEMA(fn, this_name, ...)                                                   \
	const struct kk_schema *fn(void)                                             \
	{                                                                            \
		typedef struct this_name kk_this;                                    \
		static const struct kk_field fields[] = {__VA_ARGS__ END_OF_FIELDS}; \
		static const struct kk_schema schema = {                             \
			.name = #this_name,                                          \
			.size = sizeof(kk_this),                                     \
			.fields = fields,                                            \
			.n_fields = KK_COUNT(fields) - 1,                            \
		};                                                                   \
		return &schema;                                                      \
	}

#define KK_REQ(...) __VA_ARGS__
#define KK_REP(...) __VA_ARGS__
#define KK_BOOL(member) FIELD(member, .type = KK_T_BOOL)
#define KK_I64(member) FIELD(member, .type = KK_T_I64)
#define KK_U64(member) FIELD(member, .type = KK_T_U64)
#define KK_TIME(member) FIELD(member, .type = KK_T_TIME)
#define KK_STR(member, bytes) FIELD(member, .type = KK_T_STR, .max = (bytes))
#define KK_BIN(member, bytes) FIELD(member, .type = KK_T_BIN, .max = (bytes))
#define KK_STRS(member, bytes, items) \
	FIELD(member, .type = KK_T_STRS, .max = (bytes), .max_items = (items))
#define KK_MAP(member, bytes, items) \
	FIELD(member, .type = KK_T_MAP, .max = (bytes), .max_items = (items))
#define KK_OBJ(member, kind) FIELD(member, .type = KK_T_OBJ, .sub = kk_schema_of_##kind)
#define KK_LIST_DOC(member, kind, items) \
	FIELD(member, .type = KK_T_LIST, .max_items = (items), .sub = kk_schema_of_##kind)
#define KK_MSG_RETIRED(id, why)
#define KK_MSG(name, id, from, timeout_ms, doc, req, rep) \
	SCHEMA(kk_req_schema_##name, kk_req_##name, req)  \
	SCHEMA(kk_rep_schema_##name, kk_rep_##name, rep)
#define KK_EVENT(name, id, from, doc, req) SCHEMA(kk_req_schema_##name, kk_req_##name, req)
#include <kukeon/messages.def>
#include <kukeon/undef.h>

static const struct kk_msg_row rows[] = {
#define KK_MSG(name, id, from, timeout_ms, doc, req, rep) \
	{id, #name, from, timeout_ms, false, doc, kk_req_schema_##name, kk_rep_schema_##name},
#define KK_EVENT(name, id, from, doc, req) \
	{id, #name, from, 0, true, doc, kk_req_schema_##name, NULL},
#define KK_MSG_RETIRED(id, why)
#include <kukeon/messages.def>
#include <kukeon/undef.h>
};

/* A number used twice is a duplicate case, which does not compile. */
const struct kk_msg_row *kk_msg_row(unsigned id)
{
	enum {
#define KK_MSG(name, id, from, timeout_ms, doc, req, rep) ROW_##name,
#define KK_EVENT(name, id, from, doc, req) ROW_##name,
#define KK_MSG_RETIRED(id, why)
#include <kukeon/messages.def>
#include <kukeon/undef.h>
	};

	switch (id) {
#define KK_MSG(name, id, from, timeout_ms, doc, req, rep) \
	case id:                                          \
		return &rows[ROW_##name];
#define KK_EVENT(name, id, from, doc, req) \
	case id:                           \
		return &rows[ROW_##name];
#define KK_MSG_RETIRED(id, why) \
	case id:                \
		return NULL;
#include <kukeon/messages.def>
#include <kukeon/undef.h>
	default:
		return NULL;
	}
}

const struct kk_msg_row *kk_msg_row_at(unsigned i)
{
	return i < KK_COUNT(rows) ? &rows[i] : NULL;
}

uint64_t kk_msg_hash(void)
{
	static uint64_t hash;

	if (hash)
		return hash;
	for (unsigned i = 0; i < KK_COUNT(rows); i++) {
		hash = kk_schema_hash(rows[i].req(), hash ^ rows[i].id);
		if (rows[i].rep)
			hash = kk_schema_hash(rows[i].rep(), hash);
	}
	return hash;
}
