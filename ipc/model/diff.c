/* ipc/model/diff.c - stored against wanted: every field takes part unless its row says otherwise. */
#include <kukeon/model.h>

#include <string.h>

#include <kukeon/auto.h>
#include <kukeon/buf.h>
#include <kukeon/json.h>
#include <kukeon/mem.h>

void kk_diff_release(struct kk_diff *diff)
{
	kk_strs_release(&diff->changes);
	kk_strs_release(&diff->effects);
	kk_strs_release(&diff->values);
	kk_strs_release(&diff->breaking);
	kk_strs_release(&diff->made_anew);
	kk_strs_release(&diff->added);
	kk_strs_release(&diff->removed);
}

void kk_diff_add(struct kk_diff *diff, char *change, const char *effect)
{
	kk_strs_take(&diff->changes, change);
	kk_strs_add(&diff->effects, effect);
}

static bool is_secret(const struct kk_field *field)
{
	const struct kk_schema *schema = field->sub ? field->sub() : NULL;

	for (unsigned i = 0; schema && i < schema->n_fields; i++) {
		if (is_secret(&schema->fields[i]))
			return true;
	}
	return field->flags & KK_SECRET;
}

static char *value_text(const struct kk_schema *schema, const void *object, const char *name)
{
	kk_auto_json *json = kk_json_encode(schema, object, KK_JSON_API);
	const json_t *value = json_object_get(json, name);

	return value && !json_is_null(value) ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) :
					       kk_xstrdup("none");
}

static void value_add(struct kk_diff *diff, const char *path, const struct kk_schema *schema,
	const struct kk_field *field, const void *stored, const void *wanted)
{
	kk_auto_free char *before = value_text(schema, stored, field->name);
	kk_auto_free char *after = value_text(schema, wanted, field->name);

	kk_strs_take(&diff->values,
		is_secret(field) ?
			kk_xprintf("%s.%s: another one, it is secret", path, field->name) :
			kk_xprintf("%s.%s: %s -> %s", path, field->name, before, after));
}

static bool is_managed(const char *key)
{
	return kk_str_ends(key, ".kukeon.io");
}

/* Labels that we set ourselves count neither as missing nor as extra. */
static bool labels_differ(const struct kk_map *stored, const struct kk_map *wanted)
{
	size_t n_stored = 0, n_wanted = 0;

	for (size_t i = 0; i < stored->n; i++)
		n_stored += !is_managed(stored->items[i].key);
	for (size_t i = 0; i < wanted->n; i++) {
		const char *key = wanted->items[i].key, *value = kk_map_get(stored, key);

		if (!value && is_managed(key))
			continue;
		if (!value || strcmp(value, wanted->items[i].value) != 0)
			return true;
		n_wanted += !is_managed(key);
	}
	return n_stored != n_wanted;
}

static void spec_diff(const struct kk_schema *schema, const void *stored, const void *wanted,
	const char *path, struct kk_diff *diff)
{
	for (unsigned i = 0; i < schema->n_fields; i++) {
		const struct kk_field *field = &schema->fields[i];
		kk_auto_free char *field_path = kk_xprintf("%s.%s", path, field->name);

		if (field->flags & KK_NO_DIFF || strcmp(field->name, "containers") == 0 ||
			kk_field_equal(field, stored, wanted, KK_NO_DIFF) ||
			(field->flags & KK_KEPT && kk_field_is_empty(field, wanted)))
			continue;
		value_add(diff, path, schema, field, stored, wanted);
		if (field->flags & KK_BREAKING)
			kk_strs_add(&diff->breaking, field_path);
		else
			kk_diff_add(diff, kk_steal(&field_path), KK_EFFECT_NONE);
	}
}

static void container_diff(const struct kk_container_spec *stored,
	const struct kk_container_spec *wanted, struct kk_diff *diff)
{
	const struct kk_schema *schema = kk_schema_of_container_spec();
	kk_auto_free char *path = kk_xprintf("spec.containers[%s]", kk_str(wanted->id));
	kk_auto_buf fields = {0};
	bool is_baked = false;

	for (unsigned i = 0; i < schema->n_fields; i++) {
		const struct kk_field *field = &schema->fields[i];

		if (field->flags & KK_NO_DIFF || kk_field_equal(field, stored, wanted, KK_NO_DIFF))
			continue;
		value_add(diff, path, schema, field, stored, wanted);
		kk_buf_printf(&fields, "%s%s", fields.len ? ", " : "", field->name);
		is_baked |= (field->flags & KK_BAKED) != 0;
		if (field->flags & KK_BREAKING && !wanted->root)
			kk_strs_take(&diff->breaking,
				kk_xprintf("container \"%s\" %s", wanted->id, field->name));
	}
	if (!fields.len)
		return;
	kk_diff_add(diff,
		kk_xprintf("container \"%s\" updated: %s", wanted->id, (char *)fields.data),
		is_baked ? KK_EFFECT_ANEW : KK_EFFECT_NONE);
	if (is_baked)
		kk_strs_add(&diff->made_anew, wanted->id);
}

static void containers_diff(const struct kk_cell *stored, const struct kk_cell *wanted,
	struct kk_diff *diff)
{
	for (size_t i = 0; i < wanted->spec.containers.n; i++) {
		const struct kk_container_spec *spec = &wanted->spec.containers.items[i];
		const struct kk_container_spec *old = kk_cell_container(stored, spec->id);

		if (old) {
			container_diff(old, spec, diff);
		} else {
			kk_diff_add(diff, kk_xprintf("container \"%s\" added", spec->id),
				KK_EFFECT_ADD);
			kk_strs_add(&diff->added, spec->id);
		}
	}
	for (size_t i = 0; i < stored->spec.containers.n; i++) {
		const char *id = stored->spec.containers.items[i].id;

		if (kk_cell_container(wanted, id))
			continue;
		kk_diff_add(diff, kk_xprintf("container \"%s\" removed", id), KK_EFFECT_REMOVE);
		kk_strs_add(&diff->removed, id);
	}
}

static void labels_change(const struct kk_realm *stored, const struct kk_realm *wanted,
	struct kk_diff *diff)
{
	const struct kk_schema *schema = kk_schema_of_metadata();

	for (unsigned i = 0; i < schema->n_fields; i++) {
		if (strcmp(schema->fields[i].name, "labels") == 0)
			value_add(diff, "metadata", schema, &schema->fields[i], &stored->metadata,
				&wanted->metadata);
	}
	kk_diff_add(diff, kk_xstrdup("metadata.labels"), KK_EFFECT_NONE);
}

static const struct kk_container_spec *root_of(const struct kk_cell *cell)
{
	for (size_t i = 0; i < cell->spec.containers.n; i++) {
		if (cell->spec.containers.items[i].root)
			return &cell->spec.containers.items[i];
	}
	return NULL;
}

/* A cell goes over to the network of the host, or comes back from it, with its root and all others. */
static void network_diff(const struct kk_cell *stored, const struct kk_cell *wanted,
	struct kk_diff *diff)
{
	const struct kk_container_spec *root = root_of(wanted), *old = root_of(stored);

	if (kk_cell_is_on_host_network(stored) == kk_cell_is_on_host_network(wanted) ||
		diff->breaking.n)
		return;
	if (!root || !old || root->host_network == old->host_network) {
		kk_strs_add(&diff->breaking, "spec.containers.hostNetwork");
		return;
	}
	for (size_t i = 0; i < wanted->spec.containers.n; i++) {
		const char *id = wanted->spec.containers.items[i].id;

		if (kk_cell_container(stored, id) && !kk_strs_has(&diff->made_anew, id))
			kk_strs_add(&diff->made_anew, id);
	}
}

void kk_doc_diff(enum kk_kind kind, const void *stored, const void *wanted,
	struct kk_diff *ret_diff)
{
	/* All documents begin alike: the labels of a realm are where those of a cell are. */
	const struct kk_realm *a = stored, *b = wanted;

	*ret_diff = (struct kk_diff){0};
	if (labels_differ(&a->metadata.labels, &b->metadata.labels))
		labels_change(a, b, ret_diff);
	switch (kind) {
	case KK_KIND_REALM:
		spec_diff(kk_schema_of_realm_spec(), &a->spec, &b->spec, "spec", ret_diff);
		break;
	case KK_KIND_SPACE:
		spec_diff(kk_schema_of_space_spec(), &((const struct kk_space *)stored)->spec,
			&((const struct kk_space *)wanted)->spec, "spec", ret_diff);
		break;
	case KK_KIND_STACK:
		spec_diff(kk_schema_of_stack_spec(), &((const struct kk_stack *)stored)->spec,
			&((const struct kk_stack *)wanted)->spec, "spec", ret_diff);
		break;
	case KK_KIND_CELL:
		spec_diff(kk_schema_of_cell_spec(), &((const struct kk_cell *)stored)->spec,
			&((const struct kk_cell *)wanted)->spec, "spec", ret_diff);
		containers_diff(stored, wanted, ret_diff);
		network_diff(stored, wanted, ret_diff);
		break;
	case KK_KIND_CONTAINER:
		container_diff(&((const struct kk_container *)stored)->spec,
			&((const struct kk_container *)wanted)->spec, ret_diff);
		break;
	case KK_KINDS:
		break;
	}
}
