/* include/kukeon/model.h - the documents as structs, and what all sides need to know about them.
 *
 * struct kk_realm, kk_space, kk_stack, kk_cell, kk_container and their parts come from model.def;
 * kk_schema_of_<struct>() is the table of each. */
#ifndef KK_MODEL_H
#define KK_MODEL_H

#include <kukeon/schema.h>

#define KK_API_VERSION "v1beta1"

enum kk_kind {
	KK_KIND_REALM,
	KK_KIND_SPACE,
	KK_KIND_STACK,
	KK_KIND_CELL,
	KK_KIND_CONTAINER,
	KK_KINDS
};

enum kk_realm_state {
	KK_REALM_PENDING,
	KK_REALM_CREATING,
	KK_REALM_READY,
	KK_REALM_DELETING,
	KK_REALM_FAILED,
	KK_REALM_UNKNOWN,
};

/* Of spaces and stacks. */
enum kk_scope_state { KK_SCOPE_PENDING, KK_SCOPE_READY, KK_SCOPE_FAILED, KK_SCOPE_UNKNOWN };

enum kk_cell_state {
	KK_CELL_PENDING,
	KK_CELL_READY,
	KK_CELL_STOPPED,
	KK_CELL_FAILED,
	KK_CELL_UNKNOWN,
	KK_CELL_EXITED,
	KK_CELL_ERROR,
	KK_CELL_DEGRADED,
};

enum kk_container_state {
	KK_CONTAINER_PENDING,
	KK_CONTAINER_READY,
	KK_CONTAINER_STOPPED,
	KK_CONTAINER_PAUSED,
	KK_CONTAINER_PAUSING,
	KK_CONTAINER_FAILED,
	KK_CONTAINER_UNKNOWN,
	KK_CONTAINER_NOT_CREATED,
	KK_CONTAINER_EXITED,
	KK_CONTAINER_ERROR,
};

#define KK_DOC_BOOL(member, key, flags) bool member;
#define KK_DOC_I64(member, key, flags) int64_t member;
#define KK_DOC_TIME(member, key, flags) int64_t member;
#define KK_DOC_OPT_I64(member, key, flags) struct kk_opt_i64 member;
#define KK_DOC_OPT_BOOL(member, key, flags) struct kk_opt_bool member;
#define KK_DOC_STR(member, key, flags, max) char *member;
#define KK_DOC_STRS(member, key, flags, max) struct kk_strs member;
#define KK_DOC_INTS(member, key, flags) struct kk_strs member; /* as decimal text */
#define KK_DOC_MAP(member, key, flags) struct kk_map member;
#define KK_DOC_ENUM(member, key, flags, names) int member;
#define KK_DOC_OBJ(member, key, flags, type) struct kk_##type member;
#define KK_DOC_LIST(member, key, flags, type) KK_LIST_OF(kk_##type) member;
#define KK_DOC(name, ...)                                                \
	struct kk_##name {                                               \
		__VA_ARGS__                                              \
	};                                                               \
	const struct kk_schema *kk_schema_of_##name(void);               \
	static inline void kk_##name##_release(struct kk_##name *object) \
	{                                                                \
		kk_schema_release(kk_schema_of_##name(), object);        \
	}
#include <kukeon/model.def>
#include <kukeon/undef.h>

/* "Realm" … "Container", and back (case-sensitive); -1 where it is none of them. */
const char *kk_kind_name(enum kk_kind kind);
int kk_kind_parse(const char *name);
const char *kk_kind_word(enum kk_kind kind); /* "realm" … */
const struct kk_schema *kk_kind_schema(enum kk_kind kind);
const char *kk_state_name(enum kk_kind kind, int state);

/* kukeond's own realm. */
#define KK_SYSTEM_REALM "kuke-system"

/* Where an object lives. Parts below the object's own level are NULL; nothing is owned. */
struct kk_scope {
	const char *realm;
	const char *space;
	const char *stack;
	const char *cell;
};

/* The name rules for new objects: a DNS label that is not reserved. */
int kk_name_check(enum kk_kind kind, const char *name, struct kk_err *err);

/* What a manifest must fulfil (required fields, names, references between containers), every problem
 * as a line in @ret_problems. */
void kk_realm_check(const struct kk_realm *realm, struct kk_strs *ret_problems);
void kk_space_check(const struct kk_space *space, struct kk_strs *ret_problems);
void kk_stack_check(const struct kk_stack *stack, struct kk_strs *ret_problems);
void kk_cell_check(const struct kk_cell *cell, struct kk_strs *ret_problems);
void kk_container_check(const struct kk_container *container, struct kk_strs *ret_problems);
void kk_doc_check(enum kk_kind kind, const void *doc, struct kk_strs *ret_problems);

/* Egress policies: every problem as a line in @ret_problems. */
void kk_egress_check(const struct kk_egress *egress, struct kk_strs *ret_problems);
bool kk_egress_is_deny(const struct kk_egress *egress);

/* What a survey of networks says of a space that has all that was made, but whose policy names a host that has got other
 * addresses since. */
#define KK_SURVEY_HOSTS "the present addresses of a host that it lets out to"

/* A port of the host that leads to one of a cell, as in "8080:80", "192.0.2.1:53:53/udp" or "80". */
struct kk_port {
	uint32_t address; /* of the host, in its byte order; 0: any */
	uint16_t host;
	uint16_t cell;
	bool is_udp;
};
bool kk_port_parse(const char *text, struct kk_port *ret_port); /* false: it is none */
bool kk_egress_rule_is_ipv4(const struct kk_egress_rule
		*rule); /* the only family that cells have */

/* Scope and name of any document; borrowed from it. */
struct kk_scope kk_doc_scope(enum kk_kind kind, const void *doc);
const char *kk_doc_name(enum kk_kind kind, const void *doc);

/* Fill what a document may leave out: apiVersion, kind, ids that equal the name, which container of a cell is the root. Not the id of a stack, which keeps
 * the one that it has. */
void kk_doc_default(enum kk_kind kind, void *doc);

/* Take the blanks from the ends of the name and of the names of the parents. */
void kk_doc_trim(enum kk_kind kind, void *doc);

/* The container of @cell with this id, or NULL. */
struct kk_container_spec *kk_cell_container(const struct kk_cell *cell, const char *id);
/* Where the first volume is mounted that it can write and that outlives it, or NULL. */
const char *kk_container_volume_lasting(const struct kk_container_spec *spec);
struct kk_container_status *kk_cell_container_status(struct kk_cell *cell, const char *id);

/* All containers of a cell share one network: one of them that wants the host's has it for all. */
bool kk_cell_is_on_host_network(const struct kk_cell *cell);

/* Differences between stored and wanted, as the change lines of `kuke apply`. */
struct kk_diff {
	struct kk_strs changes;   /* "spec.image", `container "a" updated: image` */
	struct kk_strs effects;   /* of each change: what it does to what runs */
	struct kk_strs values;    /* `spec.image: "a" -> "b"` */
	struct kk_strs breaking;  /* fields that need a new object */
	struct kk_strs made_anew; /* ids of containers that must be made anew */
	struct kk_strs added;
	struct kk_strs removed;
};
#define KK_EFFECT_NONE "in place"
#define KK_EFFECT_START "starts the containers"
#define KK_EFFECT_ADD "creates the container"
#define KK_EFFECT_ANEW "recreates the container"
#define KK_EFFECT_REMOVE "deletes the container"
void kk_diff_release(struct kk_diff *diff);
void kk_diff_add(struct kk_diff *diff, char *change, const char *effect); /* @change is taken */
void kk_doc_diff(enum kk_kind kind, const void *stored, const void *wanted,
	struct kk_diff *ret_diff);

/* A document of a manifest stream. */
struct kk_manifest {
	int index; /* 0-based among the non-empty documents of the stream */
	enum kk_kind kind;
	union {
		struct kk_realm realm;
		struct kk_space space;
		struct kk_stack stack;
		struct kk_cell cell;
		struct kk_container container;
		char any[1];
	} doc;
};

struct kk_manifests {
	struct kk_manifest *items;
	size_t n;
	struct kk_strs warnings; /* unknown fields, with their lines */
};
void kk_manifests_release(struct kk_manifests *manifests);

/* Read a stream of YAML documents and check each. Fails with KK_E_PARSE or KK_E_INVALID, naming every
 * problem with document and line; then @ret_manifests owns nothing. */
int kk_yaml_parse(const char *text, size_t len, struct kk_manifests *ret_manifests,
	struct kk_err *err);

/* The same, with the scope of cells that do not say theirs. */
int kk_yaml_parse_within(const char *text, size_t len, const struct kk_scope *scope,
	struct kk_manifests *ret_manifests, struct kk_err *err);

/* Read one mapping of a known struct, e.g. a configuration file. Unknown keys are ignored. */
int kk_yaml_read(const struct kk_schema *schema, const char *text, size_t len, void *ret_object,
	struct kk_err *err);

struct kk_buf;

/* Append @object (or a list of @n objects one behind the other) as YAML. */
int kk_yaml_write(const struct kk_schema *schema, const void *object, struct kk_buf *out);
int kk_yaml_write_list(const struct kk_schema *schema, const void *objects, size_t n,
	struct kk_buf *out);

#endif
