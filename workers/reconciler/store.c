/* workers/reconciler/store.c */
#include "rc.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kukeon/buf.h>
#include <kukeon/clock.h>
#include <kukeon/fault.h>
#include <kukeon/fd.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>

enum { BUCKETS = 4096, DOCUMENT_MAX = 8 * 1024 * 1024 };

/* A document as it was read last. Every write replaces the file, so inode and times tell. */
struct entry {
	struct entry *next;
	char *path;
	enum kk_kind kind;
	ino_t ino;
	struct timespec mtime;
	off_t size;
	void *doc;
	char *text;            /* API form, made when first asked for */
	struct kk_err *damage; /* why it can't be read; doc is NULL then */
};

static struct entry *buckets[BUCKETS];

static unsigned bucket_of(const char *path)
{
	uint32_t hash = 2166136261u;

	for (; *path; path++)
		hash = (hash ^ (uint8_t)*path) * 16777619u;
	return hash % BUCKETS;
}

static void entry_clear(struct entry *entry)
{
	if (entry->doc)
		kk_schema_release(kk_kind_schema(entry->kind), entry->doc);
	free(entry->doc);
	free(entry->text);
	free(entry->damage);
	entry->doc = NULL;
	entry->text = NULL;
	entry->damage = NULL;
}

static struct entry **entry_find(const char *path)
{
	struct entry **link = &buckets[bucket_of(path)];

	while (*link && strcmp((*link)->path, path) != 0)
		link = &(*link)->next;
	return link;
}

static void entry_forget(const char *path)
{
	struct entry **link = entry_find(path), *entry = *link;

	if (!entry)
		return;
	*link = entry->next;
	entry_clear(entry);
	free(entry->path);
	free(entry);
}

static struct entry *entry_ensure(const char *path, enum kk_kind kind)
{
	struct entry **link = entry_find(path);

	if (!*link) {
		*link = kk_xalloc(sizeof **link);
		(*link)->path = kk_xstrdup(path);
		(*link)->kind = kind;
	}
	return *link;
}

/* What can't be read now may be readable later: no inode has this number, so that it is tried again. */
static void damage_set(struct entry *entry, const struct kk_err *err)
{
	if (err->code == KK_E_IO)
		entry->ino = 0;
	entry->damage = kk_xalloc(sizeof *err);
	*entry->damage = *err;
}

/* What a later release wrote may mean something else. */
static int version_check(const void *doc, struct kk_err *err)
{
	const struct kk_realm *any = doc;

	if (kk_str_empty(any->api_version) || strcmp(any->api_version, KK_API_VERSION) == 0)
		return 0;
	return kk_fail(err, KK_E_CONVERSION,
		"apiVersion %s is not known to this release (expected " KK_API_VERSION ")",
		any->api_version);
}

/* The Go release records no intent: it is what the cell was at last. */
static void intent_complete(struct entry *entry)
{
	struct kk_cell *cell = entry->doc;

	if (entry->kind != KK_KIND_CELL || !kk_str_empty(cell->intent.want))
		return;
	switch ((enum kk_cell_state)cell->status.state) {
	case KK_CELL_READY:
	case KK_CELL_DEGRADED:
	case KK_CELL_EXITED:
	case KK_CELL_ERROR:
		kk_str_set(&cell->intent.want, "running");
		break;
	default:
		kk_str_set(&cell->intent.want, "stopped");
		break;
	}
}

static void entry_read(struct entry *entry)
{
	const struct kk_schema *schema = kk_kind_schema(entry->kind);
	kk_auto_buf text = {.max = DOCUMENT_MAX};
	kk_auto_json *json = NULL;
	json_error_t where;
	struct kk_err err = {0};
	int r = kk_file_read(entry->path, &text, &err);

	if (r == 0 &&
		kk_json_load(text.data ? (char *)text.data : "", text.len, 0, &json, &where) < 0)
		r = kk_fail(&err, KK_E_CONVERSION, "line %d: %s", where.line, where.text);
	entry->doc = kk_xalloc(schema->size);
	if (r == 0)
		r = kk_json_decode(schema, json, entry->doc, &err);
	if (r == 0)
		r = version_check(entry->doc, &err);
	if (r == 0) {
		intent_complete(entry);
		return;
	}
	free(entry->doc);
	entry->doc = NULL;
	damage_set(entry, &err);
}

static bool is_nowhere(int error)
{
	return error == ENOENT || error == ENOTDIR;
}

/* The entry of a document that is there, or may be: errno has why it can't be told. */
static struct entry *entry_unseen(const char *path, enum kk_kind kind)
{
	struct kk_err err = {0};
	struct entry *entry;

	kk_fail_errno(&err, KK_E_IO, "stat %s", path);
	entry = entry_ensure(path, kind);
	entry_clear(entry);
	damage_set(entry, &err);
	return entry;
}

/* The cached entry of an object, read anew when its file changed. NULL: there is none. */
static struct entry *entry_get(const struct kk_scope *scope)
{
	kk_auto_free char *dir = rc_scope_dir(scope), *path = kk_xprintf("%s/metadata.json", dir);
	struct entry *entry;
	struct stat st;

	if (stat(path, &st) < 0) {
		if (!is_nowhere(errno))
			return entry_unseen(path, rc_scope_kind(scope));
		entry_forget(path);
		return NULL;
	}
	entry = entry_ensure(path, rc_scope_kind(scope));
	if (entry->ino == st.st_ino && entry->size == st.st_size &&
		memcmp(&entry->mtime, &st.st_mtim, sizeof entry->mtime) == 0)
		return entry;
	entry_clear(entry);
	entry->ino = st.st_ino;
	entry->size = st.st_size;
	entry->mtime = st.st_mtim;
	entry_read(entry);
	/* Removed by another process in between. */
	if (entry->damage && is_nowhere(entry->damage->sys_errno)) {
		entry_forget(path);
		return NULL;
	}
	return entry;
}

bool rc_store_exists(const struct kk_scope *scope)
{
	return entry_get(scope) != NULL;
}

/* Can nobody tell now what the document says? */
static bool is_out_of_reach(const struct entry *entry)
{
	return entry->damage && entry->damage->code == KK_E_IO;
}

static int damage_fail(const struct entry *entry, struct kk_err *err)
{
	char why[KK_ERR_TEXT];

	if (is_out_of_reach(entry)) {
		if (err)
			*err = *entry->damage;
		return KK_E_IO;
	}
	kk_err_format(entry->damage, why, sizeof why);
	return kk_fail(err, KK_E_CONVERSION,
		"conversion failed: document %s can't be read (%s); repair it or move it away",
		entry->path, why);
}

int rc_store_load(const struct kk_scope *scope, void *ret_doc, struct kk_err *err)
{
	const struct entry *entry = entry_get(scope);

	if (!entry)
		return 0;
	if (!entry->doc)
		return damage_fail(entry, err);
	kk_schema_copy(kk_kind_schema(entry->kind), entry->doc, ret_doc);
	return 1;
}

/* A document nobody can read still has to be seen. */
static char *damaged_text(const struct kk_scope *scope, const struct entry *entry)
{
	const char *name = scope->cell ? scope->cell :
		scope->stack           ? scope->stack :
		scope->space           ? scope->space :
					 scope->realm;
	kk_auto_json *json = NULL;
	kk_auto_free void *doc = kk_xalloc(kk_kind_schema(entry->kind)->size);
	char why[KK_ERR_TEXT];
	json_t *status, *spec;
	char *text;

	kk_schema_init(kk_kind_schema(entry->kind), doc);
	kk_doc_default(entry->kind, doc);
	json = kk_json_encode(kk_kind_schema(entry->kind), doc, KK_JSON_API);
	kk_schema_release(kk_kind_schema(entry->kind), doc);
	kk_err_format(entry->damage, why, sizeof why);
	json_object_set_new(json_object_get(json, "metadata"), "name", kk_json_string(name));
	spec = json_object_get(json, "spec");
	if (scope->space)
		json_object_set_new(spec, "realmId", json_string(scope->realm));
	if (scope->stack)
		json_object_set_new(spec, "spaceId", json_string(scope->space));
	if (scope->cell)
		json_object_set_new(spec, "stackId", json_string(scope->stack));
	status = json_object_get(json, "status");
	json_object_set_new(status, "state", json_string("Failed"));
	json_object_set_new(status, "reason", json_string("DocumentUnreadable"));
	json_object_set_new(status, "message", kk_json_string(why));
	text = json_dumps(json, JSON_COMPACT);
	return text;
}

const char *rc_store_text(const struct kk_scope *scope)
{
	struct entry *entry = entry_get(scope);
	kk_auto_json *json = NULL;

	if (!entry)
		return NULL;
	if (!entry->text && entry->doc) {
		json = kk_json_encode(kk_kind_schema(entry->kind), entry->doc, KK_JSON_API);
		if (entry->kind == KK_KIND_CELL)
			rc_boot_veil(entry->doc, json);
		entry->text = json_dumps(json, JSON_COMPACT);
	} else if (!entry->text) {
		entry->text = damaged_text(scope, entry);
	}
	return entry->text;
}

static bool specs_equal(enum kk_kind kind, const void *a, const void *b)
{
	const struct kk_schema *schema = kk_kind_schema(kind);

	for (unsigned i = 0; i < schema->n_fields; i++) {
		if (strcmp(schema->fields[i].name, "spec") == 0)
			return kk_field_equal(&schema->fields[i], a, b, 0);
	}
	return false;
}

/* Metadata and times lie at different places in the four kinds; these find them. */
static int64_t *generation_of(enum kk_kind kind, void *doc)
{
	return kind == KK_KIND_CELL ? &((struct kk_cell *)doc)->metadata.generation :
				      &((struct kk_realm *)doc)->metadata.generation;
}

struct times {
	int64_t *created;
	int64_t *updated;
	int64_t *ready;
	bool is_ready;
};

static struct times times_of(enum kk_kind kind, void *doc)
{
	struct kk_realm *realm = doc;
	struct kk_space *space = doc;
	struct kk_stack *stack = doc;
	struct kk_cell *cell = doc;

	switch (kind) {
	case KK_KIND_REALM:
		return (struct times){&realm->status.created_at, &realm->status.updated_at,
			&realm->status.ready_at, realm->status.state == KK_REALM_READY};
	case KK_KIND_SPACE:
		return (struct times){&space->status.created_at, &space->status.updated_at,
			&space->status.ready_at, space->status.state == KK_SCOPE_READY};
	case KK_KIND_STACK:
		return (struct times){&stack->status.created_at, &stack->status.updated_at,
			&stack->status.ready_at, stack->status.state == KK_SCOPE_READY};
	default:
		return (struct times){&cell->status.created_at, &cell->status.updated_at,
			&cell->status.ready_at, cell->status.state == KK_CELL_READY};
	}
}

static struct kk_scope scope_above(const struct kk_scope *scope)
{
	struct kk_scope above = *scope;

	if (above.cell)
		above.cell = NULL;
	else if (above.stack)
		above.stack = NULL;
	else if (above.space)
		above.space = NULL;
	else
		above.realm = NULL;
	return above;
}

/* The directory of a new object may be as new, and so may those above it. One that has a document was on disk
 * before that was. */
static int place_sync(const struct kk_scope *scope, const char *dir, struct kk_err *err)
{
	const struct kk_scope above = scope_above(scope);
	kk_auto_free char *top = NULL;

	if (above.realm && entry_get(&above))
		top = rc_scope_dir(&above);
	return kk_path_sync(dir, top ? top : rc.run_path, err);
}

int rc_store_save(const struct kk_scope *scope, void *doc, struct kk_err *err)
{
	enum kk_kind kind = rc_scope_kind(scope);
	const struct entry *old = entry_get(scope);
	struct times times = times_of(kind, doc);
	int64_t *generation = generation_of(kind, doc), now = kk_time_now();
	kk_auto_free char *dir = rc_scope_dir(scope), *path = kk_xprintf("%s/metadata.json", dir);
	kk_auto_free char *text = NULL;
	kk_auto_json *json = NULL;
	bool is_spec_new;

	/* Who can't tell what is there must not take its place. */
	if (old && is_out_of_reach(old))
		return damage_fail(old, err);
	is_spec_new = old && old->doc && !specs_equal(kind, old->doc, doc);
	*generation = old && old->doc ? *generation_of(kind, old->doc) + is_spec_new : 1;
	if (*times.created == KK_TIME_ZERO)
		*times.created = now;
	if (*times.ready == KK_TIME_ZERO && times.is_ready)
		*times.ready = now;
	*times.updated = now;
	json = kk_json_encode(kk_kind_schema(kind), doc, KK_JSON_DISK);
	text = json ? kk_json_text(json, JSON_INDENT(2)) : NULL;
	if (!text)
		return kk_fail(err, KK_E_NOMEM, "no memory for %s", path);
	kk_leftovers_remove(path);
	if (kk_dir_make(dir, 02750, err) < 0 || (!old && place_sync(scope, dir, err) < 0) ||
		kk_file_replace(path, text, strlen(text), 0644, err) < 0 ||
		kk_fault(KK_FAULT_reconciler_saved, err) < 0) {
		if (!old)
			(void)rmdir(dir);
		return kk_wrap(err, "store %s '%s'", kk_kind_word(kind), kk_doc_name(kind, doc));
	}
	rc_event_saved(scope, old ? old->doc : NULL, doc, is_spec_new);
	return 0;
}

/* All that is in the directory but the document. */
static int rest_remove(const char *dir, struct kk_err *err)
{
	const struct dirent *entry;
	kk_auto_dir handle = opendir(dir);
	int r = 0, next;

	if (!handle)
		return is_nowhere(errno) ? 0 : kk_fail_errno(err, KK_E_IO, "open %s", dir);
	while (r == 0 && (next = kk_dir_next(handle, &entry)) != 0) {
		kk_auto_free char *path = NULL;

		if (next < 0)
			return kk_fail_errno(err, KK_E_IO, "read %s", dir);
		path = kk_xprintf("%s/%s", dir, entry->d_name);
		if (strcmp(entry->d_name, "metadata.json") != 0)
			r = kk_tree_remove(path, err);
	}
	return r;
}

int rc_store_remove(const struct kk_scope *scope, struct kk_err *err)
{
	kk_auto_free char *dir = rc_scope_dir(scope), *path = kk_xprintf("%s/metadata.json", dir);
	const struct entry *old = entry_get(scope);

	/* The document goes last: until then a repetition finds what is left to do. */
	if (rest_remove(dir, err) < 0 || kk_tree_remove(dir, err) < 0 || kk_name_sync(dir, err) < 0)
		return kk_failed(err);
	if (old)
		rc_event_removed(scope, old->doc);
	entry_forget(path);
	return kk_fault(KK_FAULT_reconciler_removed, err);
}

/* Is there a document at or below @dir? Who can't tell says yes. */
static bool has_document(const char *dir)
{
	const struct dirent *entry;
	kk_auto_dir handle = opendir(dir);
	int next = 0;

	if (!handle)
		return !is_nowhere(errno);
	while ((next = kk_dir_next(handle, &entry)) == 1) {
		kk_auto_free char *path = kk_xprintf("%s/%s", dir, entry->d_name);

		if (strcmp(entry->d_name, "metadata.json") == 0 || has_document(path))
			return true;
	}
	return next < 0;
}

int rc_store_sweep(const struct kk_scope *scope, struct kk_err *err)
{
	kk_auto_free char *dir = rc_scope_dir(scope);

	return has_document(dir) ? 0 : rc_store_remove(scope, err);
}

static int is_child(const struct dirent *entry)
{
	static const char *const reserved[] = {
		"secrets", "blueprints", "configs", "volumes", "volume-meta"};

	if (entry->d_name[0] == '.' || (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN))
		return 0;
	for (size_t i = 0; i < KK_COUNT(reserved); i++) {
		if (strcmp(entry->d_name, reserved[i]) == 0)
			return 0;
	}
	return 1;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int names_list(const struct kk_scope *scope, bool is_any, struct kk_strs *ret_names,
	struct kk_err *err)
{
	kk_auto_free char *dir = rc_scope_dir(scope);
	struct dirent **entries = NULL;
	int n = scandir(dir, &entries, is_child, by_bytes);

	if (n < 0 && !is_nowhere(errno))
		return kk_fail_errno(err, KK_E_IO, "read %s", dir);
	for (int i = 0; i < n; i++) {
		struct kk_scope child = *scope;
		int level = !child.realm ? 0 : !child.space ? 1 : !child.stack ? 2 : 3;

		*rc_scope_part(&child, level) = entries[i]->d_name;
		if (is_any || rc_store_exists(&child))
			kk_strs_add(ret_names, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return 0;
}

int rc_store_children(const struct kk_scope *scope, struct kk_strs *ret_names, struct kk_err *err)
{
	return names_list(scope, false, ret_names, err);
}

int rc_store_remains(const struct kk_scope *scope, struct kk_strs *ret_names, struct kk_err *err)
{
	return names_list(scope, true, ret_names, err);
}

char *rc_store_namespace(const char *realm, struct kk_err *err)
{
	const struct entry *entry = entry_get(&(struct kk_scope){.realm = realm});
	const struct kk_realm *doc = entry ? entry->doc : NULL;

	if (entry && is_out_of_reach(entry)) {
		damage_fail(entry, err);
		return NULL;
	}
	if (doc && !kk_str_empty(doc->spec.namespace))
		return kk_xstrdup(doc->spec.namespace);
	return rc_namespace_default(realm);
}
