/* include/kukeon/msg.h - the messages between the processes, all from the msg_*.def tables.
 *
 * For a row `x` there are: KK_MSG_x (its number), struct kk_req_x and struct kk_rep_x (decoded body
 * of request or event, and of reply), kk_req_schema_x() and kk_rep_schema_x() (their tables). */
#ifndef KK_MSG_H
#define KK_MSG_H

#include <kukeon/err.h>
#include <kukeon/model.h>
#include <kukeon/schema.h>

enum kk_role {
	KK_ROLE_supervisor,
#define KK_ROLE(name, heartbeat_ms, capabilities, owns) KK_ROLE_##name,
#include <kukeon/roles.def>
#undef KK_ROLE
	KK_ROLES,
};

const char *kk_role_name(enum kk_role role);
int kk_role_parse(const char *name); /* -1: no such role */
int64_t kk_role_heartbeat_ms(enum kk_role role);
const char *kk_role_capabilities(enum kk_role role); /* separated by commas */

#define KK_FROM(role) KK_ROLE_##role

#define KK_REQ(...) __VA_ARGS__
#define KK_REP(...) __VA_ARGS__
#define KK_BOOL(member) bool member;
#define KK_I64(member) int64_t member;
#define KK_U64(member) uint64_t member;
#define KK_TIME(member) int64_t member;
#define KK_STR(member, max) char *member;
#define KK_BIN(member, max) struct kk_bin member;
#define KK_STRS(member, max, max_items) struct kk_strs member;
#define KK_MAP(member, max, max_items) struct kk_map member;
#define KK_OBJ(member, type) struct kk_##type member;
#define KK_LIST_DOC(member, type, max_items) KK_LIST_OF(kk_##type) member;
#define KK_MSG_RETIRED(id, why)
#define KK_MSG(name, id, from, timeout_ms, doc, req, rep)   \
	struct kk_req_##name {                              \
		req                                         \
	};                                                  \
	struct kk_rep_##name {                              \
		rep                                         \
	};                                                  \
	const struct kk_schema *kk_req_schema_##name(void); \
	const struct kk_schema *kk_rep_schema_##name(void);
#define KK_EVENT(name, id, from, doc, req) \
	struct kk_req_##name {             \
		req                        \
	};                                 \
	const struct kk_schema *kk_req_schema_##name(void);
#include <kukeon/messages.def>
#include <kukeon/undef.h>

enum kk_msg_id {
#define KK_MSG(name, id, from, timeout_ms, doc, req, rep) KK_MSG_##name = (id),
#define KK_EVENT(name, id, from, doc, req) KK_MSG_##name = (id),
#define KK_MSG_RETIRED(id, why)
#include <kukeon/messages.def>
#include <kukeon/undef.h>
};

struct kk_msg_row {
	unsigned id;
	const char *name;
	int from; /* the only role that may send it */
	int64_t timeout_ms;
	bool is_event;
	const char *doc;
	const struct kk_schema *(*req)(void);
	const struct kk_schema *(*rep)(void); /* NULL for events */
};

/* NULL where no message has this number. */
const struct kk_msg_row *kk_msg_row(unsigned id);
/* The i-th row of the table, NULL behind the last. */
const struct kk_msg_row *kk_msg_row_at(unsigned i);

/* Differs as soon as two builds would read a message differently. */
uint64_t kk_msg_hash(void);

#endif
