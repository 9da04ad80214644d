/* ipc/model/doc_yaml.c - manifests in, documents out: the only user of libyaml. */
#include <kukeon/model.h>

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <yaml.h>

#include <kukeon/auto.h>
#include <kukeon/buf.h>
#include <kukeon/clock.h>
#include <kukeon/mem.h>
#include <kukeon/utf8.h>

enum {
	TOKENS_MAX = 1 << 19, /* of a stream; each may become a node of up to 200 bytes */
	DEPTH_MAX = 100,      /* libyaml takes time that grows with its square, and with that … */
	ANCHORS_MAX = 256,    /* … of the anchors of a document … */
	TAGS_MAX = 16,        /* … and of its %TAG directives */
	UNKNOWN_MAX = 256,    /* unknown keys of one map */
	EXPANDED_MAX = 32 << 20, /* bytes of a document once its aliases are put in */
	PROBLEMS_TEXT_MAX = 900, /* bytes, so that one frame of an error holds the list */
	VALUE_SHOWN_MAX = 64,    /* bytes of a value in an error */
};

/* What reading one document needs along the way. */
struct reading {
	yaml_document_t *yaml;
	struct kk_strs *warnings; /* NULL: unknown keys are fine */
	int index;
	size_t n_bytes; /* that the objects take so far */
};

static size_t line_of(const yaml_node_t *node)
{
	return node->start_mark.line + 1;
}

static const char *scalar(const yaml_node_t *node)
{
	return node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

static bool is_plain(const yaml_node_t *node)
{
	return node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static bool is_null(const yaml_node_t *node)
{
	const char *s = scalar(node);

	return s && is_plain(node) && (!*s || strcmp(s, "~") == 0 || strcasecmp(s, "null") == 0);
}

static const char *node_word(const yaml_node_t *node)
{
	return node->type == YAML_MAPPING_NODE   ? "a map" :
		node->type == YAML_SEQUENCE_NODE ? "a list" :
						   "a scalar";
}

static int type_fail(const struct kk_field *field, const yaml_node_t *node, const char *want,
	struct kk_err *err)
{
	if (scalar(node))
		return kk_fail(err, KK_E_INVALID, "line %zu: '%s' must be %s, not '%.*s'",
			line_of(node), field->name, want,
			(int)kk_utf8_prefix(scalar(node), VALUE_SHOWN_MAX), scalar(node));
	return kk_fail(err, KK_E_INVALID, "line %zu: '%s' must be %s, not %s", line_of(node),
		field->name, want, node_word(node));
}

static int nomem(const yaml_node_t *node, struct kk_err *err)
{
	return kk_fail(err, KK_E_NOMEM, "line %zu: no memory for the document", line_of(node));
}

static int bool_read(const struct kk_field *field, const yaml_node_t *node, bool *ret,
	struct kk_err *err)
{
	static const char *const yes[] = {"true", "yes", "on", "y"};
	static const char *const no[] = {"false", "no", "off", "n"};
	const char *s = scalar(node);

	if (!s || !is_plain(node))
		return type_fail(field, node, "true or false", err);
	for (size_t i = 0; i < KK_COUNT(yes); i++) {
		if (strcasecmp(s, yes[i]) == 0 || strcasecmp(s, no[i]) == 0) {
			*ret = strcasecmp(s, yes[i]) == 0;
			return 0;
		}
	}
	return type_fail(field, node, "true or false", err);
}

/* YAML 1.1 and 1.2 integers: 12, -1, 0755, 0o755, 0x1f, 0b1, 1_000, 1e3. */
static int int_parse(const char *s, int64_t *ret)
{
	char digits[64], *end;
	size_t n = 0;
	int base = 10;
	bool is_negative = *s == '-';
	uint64_t magnitude;
	double real;

	if (*s == '-' || *s == '+')
		s++;
	if (!isdigit((unsigned char)*s))
		return -1;
	for (const char *p = s; *p; p++) {
		if (*p == '_')
			continue;
		if (n + 1 >= sizeof digits)
			return -1;
		digits[n++] = *p;
	}
	digits[n] = '\0';
	s = digits;
	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'o' || s[1] == 'b')) {
		base = s[1] == 'x' ? 16 : s[1] == 'o' ? 8 : 2;
		s += 2;
	} else if (s[0] == '0' && isdigit((unsigned char)s[1])) {
		base = 8;
	}
	if (base != 10 && (!*s || s[strspn(s, "0123456789abcdefABCDEF")]))
		return -1;
	errno = 0;
	magnitude = strtoull(s, &end, base);
	if (errno || end == s)
		return -1;
	if (*end) {
		real = strtod(s, &end);
		if (base != 10 || *end || !isfinite(real) || real >= 9.2e18)
			return -1;
		magnitude = (uint64_t)real;
	}
	if (magnitude > (uint64_t)INT64_MAX + is_negative)
		return -1;
	*ret = (int64_t)(is_negative ? 0 - magnitude : magnitude);
	return 0;
}

static int int_read(const struct kk_field *field, const yaml_node_t *node, int64_t *ret,
	struct kk_err *err)
{
	const char *s = scalar(node);

	if (!s || !is_plain(node) || int_parse(s, ret) < 0)
		return type_fail(field, node, "an integer", err);
	return 0;
}

/* An alias is read again wherever it stands, and aliases of aliases multiply. */
static int room_take(struct reading *in, const yaml_node_t *node, size_t size, struct kk_err *err)
{
	in->n_bytes += size;
	if (in->n_bytes > EXPANDED_MAX)
		return kk_fail(err, KK_E_INVALID,
			"line %zu: the document takes more than %d MiB with what its aliases stand for",
			line_of(node), EXPANDED_MAX >> 20);
	return 0;
}

static int string_read(struct reading *in, const struct kk_field *field, const yaml_node_t *node,
	char **ret, struct kk_err *err)
{
	const char *s = scalar(node);

	if (!s)
		return type_fail(field, node, "a string", err);
	if (strlen(s) != node->data.scalar.length)
		return kk_fail(err, KK_E_INVALID, "line %zu: '%s' has a zero byte", line_of(node),
			field->name);
	if (field->max && strlen(s) > field->max)
		return kk_fail(err, KK_E_INVALID, "line %zu: '%s' is longer than %zu bytes",
			line_of(node), field->name, field->max);
	if (room_take(in, node, sizeof s + strlen(s), err) < 0)
		return kk_failed(err);
	if (!*s)
		return 0;
	*ret = kk_strdup(s);
	return *ret ? 0 : nomem(node, err);
}

static yaml_node_t *item_at(struct reading *in, const yaml_node_t *sequence, size_t i)
{
	return yaml_document_get_node(in->yaml, sequence->data.sequence.items.start[i]);
}

static size_t item_count(const yaml_node_t *sequence)
{
	return (size_t)(sequence->data.sequence.items.top - sequence->data.sequence.items.start);
}

static size_t pair_count(const yaml_node_t *mapping)
{
	return (size_t)(mapping->data.mapping.pairs.top - mapping->data.mapping.pairs.start);
}

static int sequence_check(const struct kk_field *field, const yaml_node_t *node, struct kk_err *err)
{
	if (node->type != YAML_SEQUENCE_NODE)
		return type_fail(field, node, "a list", err);
	if (field->max_items && item_count(node) > field->max_items)
		return kk_fail(err, KK_E_INVALID, "line %zu: '%s' has more than %zu items",
			line_of(node), field->name, field->max_items);
	return 0;
}

static int strs_read(struct reading *in, const struct kk_field *field, const yaml_node_t *node,
	struct kk_strs *strs, struct kk_err *err)
{
	int r = sequence_check(field, node, err);

	strs->is_set = true;
	for (size_t i = 0; r == 0 && i < item_count(node); i++) {
		const yaml_node_t *item = item_at(in, node, i);
		char *s = NULL;
		int64_t number;

		if (is_null(item))
			continue;
		if (field->type == KK_T_INTS) {
			r = int_read(field, item, &number, err);
			if (r == 0)
				r = room_take(in, item, sizeof number, err);
			if (r == 0 && !(s = kk_printf("%lld", (long long)number)))
				r = nomem(item, err);
		} else {
			r = string_read(in, field, item, &s, err);
		}
		if (r == 0 && kk_strs_push(strs, s ? s : kk_strdup("")) < 0)
			r = nomem(item, err);
	}
	return r;
}

static int twice_fail(const yaml_node_t *key, struct kk_err *err)
{
	return kk_fail(err, KK_E_INVALID, "line %zu: key '%s' is there twice", line_of(key),
		scalar(key));
}

static int map_read(struct reading *in, const struct kk_field *field, const yaml_node_t *node,
	struct kk_map *map, struct kk_err *err)
{
	if (node->type != YAML_MAPPING_NODE)
		return type_fail(field, node, "a map", err);
	if (field->max_items && pair_count(node) > field->max_items)
		return kk_fail(err, KK_E_INVALID, "line %zu: '%s' has more than %zu items",
			line_of(node), field->name, field->max_items);
	map->is_set = true;
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
		pair < node->data.mapping.pairs.top; pair++) {
		const yaml_node_t *key = yaml_document_get_node(in->yaml, pair->key);
		const yaml_node_t *value = yaml_document_get_node(in->yaml, pair->value);
		kk_auto_free char *s = NULL;
		int r = is_null(value) ? 0 : string_read(in, field, value, &s, err);

		if (r < 0)
			return r;
		if (!scalar(key))
			return type_fail(field, key, "a map with plain keys", err);
		if (field->max && strlen(scalar(key)) > field->max)
			return kk_fail(err, KK_E_INVALID,
				"line %zu: a key of '%s' is longer than %zu bytes", line_of(key),
				field->name, field->max);
		if (kk_map_get(map, scalar(key)))
			return twice_fail(key, err);
		if (kk_map_put(map, scalar(key), s) < 0)
			return nomem(key, err);
	}
	return 0;
}

static int enum_read(const struct kk_field *field, const yaml_node_t *node, int *ret,
	struct kk_err *err)
{
	const struct kk_names *names = field->names;
	const char *s = scalar(node);
	int64_t number;

	for (unsigned i = 0; s && i < names->n; i++) {
		if (strcmp(names->names[i], s) == 0) {
			*ret = (int)i;
			return 0;
		}
	}
	if (s && is_plain(node) && int_parse(s, &number) == 0) {
		if (number < 0 || number >= names->n)
			return kk_fail(err, KK_E_INVALID, "line %zu: %s: int %lld out of range",
				line_of(node), names->what, (long long)number);
		*ret = (int)number;
		return 0;
	}
	return kk_fail(err, KK_E_INVALID, "line %zu: %s: unknown label \"%s\"", line_of(node),
		names->what, kk_str(s));
}

static int object_read(struct reading *in, const struct kk_schema *schema, const yaml_node_t *node,
	const char *path, void *object, struct kk_err *err);

static int list_read(struct reading *in, const struct kk_field *field, const yaml_node_t *node,
	const char *path, struct kk_list *list, struct kk_err *err)
{
	int r = sequence_check(field, node, err);

	list->is_set = true;
	for (size_t i = 0; r == 0 && i < item_count(node); i++) {
		kk_auto_free char *item_path = kk_printf("%s[%zu]", path, i);
		void *item = NULL;

		r = room_take(in, node, field->sub()->size, err);
		if (r == 0 && item_path)
			item = kk_list_push(list, field->sub());
		if (r == 0)
			r = item ? object_read(in, field->sub(), item_at(in, node, i), item_path,
					   item, err) :
				   nomem(node, err);
	}
	return r;
}

static int field_read(struct reading *in, const struct kk_field *field, const yaml_node_t *node,
	const char *path, void *p, struct kk_err *err)
{
	struct kk_opt_i64 *opt = p;
	struct kk_opt_bool *opt_bool = p;

	if (is_null(node))
		return 0;
	switch (field->type) {
	case KK_T_BOOL:
		return bool_read(field, node, p, err);
	case KK_T_I64:
	case KK_T_U64:
		return int_read(field, node, p, err);
	case KK_T_STR:
		return string_read(in, field, node, p, err);
	case KK_T_ENUM:
		return enum_read(field, node, p, err);
	case KK_T_TIME:
		if (!scalar(node) || kk_time_parse(scalar(node), p) < 0)
			return type_fail(field, node, "a time as in RFC 3339", err);
		return 0;
	case KK_T_OPT_I64:
		opt->is_set = true;
		return int_read(field, node, &opt->value, err);
	case KK_T_OPT_BOOL:
		opt_bool->is_set = true;
		return bool_read(field, node, &opt_bool->value, err);
	case KK_T_STRS:
	case KK_T_INTS:
		return strs_read(in, field, node, p, err);
	case KK_T_MAP:
		return map_read(in, field, node, p, err);
	case KK_T_OBJ:
		return object_read(in, field->sub(), node, path, p, err);
	case KK_T_LIST:
		return list_read(in, field, node, path, p, err);
	case KK_T_BIN:
		break;
	}
	return type_fail(field, node, "something else", err);
}

static const struct kk_field *field_named(const struct kk_schema *schema, const char *name)
{
	for (unsigned i = 0; i < schema->n_fields; i++) {
		const struct kk_field *field = &schema->fields[i];

		if (strcmp(field->name, name) == 0 &&
			!(field->flags & (KK_JSON_ONLY | KK_INTERNAL)))
			return field;
	}
	return NULL;
}

static int unknown_add(struct reading *in, const yaml_node_t *key, const char *path,
	struct kk_strs *unknown, struct kk_err *err)
{
	if (kk_strs_has(unknown, scalar(key)))
		return twice_fail(key, err);
	if (unknown->n == UNKNOWN_MAX)
		return kk_fail(err, KK_E_INVALID, "line %zu: more than %d unknown fields",
			line_of(key), UNKNOWN_MAX);
	if (kk_strs_push(unknown, kk_strdup(scalar(key))) < 0)
		return nomem(key, err);
	if (in->warnings &&
		kk_strs_push(in->warnings,
			kk_printf("document %d, line %zu: unknown field '%s%s%s' ignored",
				in->index, line_of(key), path, *path ? "." : "", scalar(key))) < 0)
		return nomem(key, err);
	return 0;
}

/* The keys that a map had so far. */
struct seen {
	bool *fields;
	struct kk_strs unknown;
};

static int pair_read(struct reading *in, const struct kk_schema *schema,
	const yaml_node_pair_t *pair, const char *path, struct seen *seen, void *object,
	struct kk_err *err)
{
	const yaml_node_t *key = yaml_document_get_node(in->yaml, pair->key);
	const yaml_node_t *value = yaml_document_get_node(in->yaml, pair->value);
	kk_auto_free char *field_path = NULL;
	const struct kk_field *field;

	if (!scalar(key))
		return kk_fail(err, KK_E_INVALID, "line %zu: a key of '%s' is %s", line_of(key),
			path, node_word(key));
	field = field_named(schema, scalar(key));
	if (!field)
		return unknown_add(in, key, path, &seen->unknown, err);
	if (seen->fields[field - schema->fields])
		return twice_fail(key, err);
	seen->fields[field - schema->fields] = true;
	field_path = kk_printf("%s%s%s", path, *path ? "." : "", field->name);
	if (!field_path)
		return nomem(key, err);
	return field_read(in, field, value, field_path, kk_field_at(field, object), err);
}

static int object_read(struct reading *in, const struct kk_schema *schema, const yaml_node_t *node,
	const char *path, void *object, struct kk_err *err)
{
	kk_auto_free bool *fields = kk_alloc(schema->n_fields);
	struct seen seen = {.fields = fields};
	int r = 0;

	if (!fields)
		return nomem(node, err);
	if (is_null(node))
		return 0;
	if (node->type != YAML_MAPPING_NODE)
		return kk_fail(err, KK_E_INVALID, "line %zu: %s must be a map, not %s",
			line_of(node), *path ? path : "a document", node_word(node));
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
		r == 0 && pair < node->data.mapping.pairs.top; pair++)
		r = pair_read(in, schema, pair, path, &seen, object, err);
	kk_strs_release(&seen.unknown);
	return r;
}

/* The scalar that a top-level key has, or "". */
static const char *header_get(yaml_document_t *yaml, const yaml_node_t *root, const char *name)
{
	if (root->type != YAML_MAPPING_NODE)
		return "";
	for (yaml_node_pair_t *pair = root->data.mapping.pairs.start;
		pair < root->data.mapping.pairs.top; pair++) {
		const yaml_node_t *key = yaml_document_get_node(yaml, pair->key);
		const yaml_node_t *value = yaml_document_get_node(yaml, pair->value);

		if (scalar(key) && strcmp(scalar(key), name) == 0)
			return scalar(value) ? scalar(value) : "";
	}
	return "";
}

static void problem_add(struct kk_strs *problems, int index, const char *kind, const char *name,
	const char *text)
{
	if (kk_str_empty(name))
		kk_strs_take(problems, kk_xprintf("document %d (%s): %s", index, kind, text));
	else
		kk_strs_take(problems,
			kk_xprintf("document %d (%s \"%s\"): %s", index, kind, name, text));
}

/* Read and check one document; what is wrong with it goes to @problems. Fails with KK_E_NOMEM alone. */
static void scope_fill(struct kk_cell *cell, const struct kk_scope *scope)
{
	char **const ids[] = {&cell->spec.realm_id, &cell->spec.space_id, &cell->spec.stack_id};
	const char *const names[] = {scope->realm, scope->space, scope->stack};

	for (size_t i = 0; i < KK_COUNT(ids); i++) {
		if (kk_str_empty(*ids[i]))
			kk_str_set(ids[i], names[i]);
	}
}

static int manifest_read(yaml_document_t *yaml, const yaml_node_t *root, int index,
	const struct kk_scope *scope, struct kk_manifests *manifests, struct kk_strs *problems,
	struct kk_err *err)
{
	struct reading in = {.yaml = yaml, .warnings = &manifests->warnings, .index = index};
	const char *version = header_get(yaml, root, "apiVersion");
	const char *kind_name = header_get(yaml, root, "kind");
	int kind = kk_kind_parse(kind_name);
	struct kk_strs own = {0};
	struct kk_manifest *manifest;
	struct kk_err cause = {0};
	char text[KK_ERR_TEXT];
	int r;

	if (*version && strcmp(version, KK_API_VERSION) != 0)
		kk_strs_take(&own,
			kk_xprintf("unsupported apiVersion: %s (expected %s)", version,
				KK_API_VERSION));
	else if (root->type != YAML_MAPPING_NODE)
		kk_strs_take(&own,
			kk_xprintf("failed to parse kind: line %zu: a document must be "
				   "a map, not %s",
				line_of(root), node_word(root)));
	else if (kind < 0)
		kk_strs_take(&own, kk_xprintf("unknown kind: %s", kind_name));
	if (own.n) {
		problem_add(problems, index, kind_name, NULL, own.items[0]);
		kk_strs_release(&own);
		return 0;
	}
	manifests->items =
		kk_xrealloc(manifests->items, (manifests->n + 1) * sizeof manifests->items[0]);
	manifest = &manifests->items[manifests->n++];
	*manifest = (struct kk_manifest){.index = index, .kind = (enum kk_kind)kind};
	kk_schema_init(kk_kind_schema(manifest->kind), &manifest->doc);
	r = object_read(&in, kk_kind_schema(manifest->kind), root, "", &manifest->doc, &cause);
	if (r == KK_E_NOMEM) {
		*err = cause;
		return KK_E_NOMEM;
	}
	if (r < 0) {
		kk_err_format(&cause, text, sizeof text);
		kk_strs_take(&own, kk_xprintf("failed to parse %s: %s", kind_name, text));
	} else {
		if (scope && manifest->kind == KK_KIND_CELL)
			scope_fill(&manifest->doc.cell, scope);
		kk_doc_default(manifest->kind, &manifest->doc);
		kk_doc_check(manifest->kind, &manifest->doc, &own);
	}
	for (size_t i = 0; i < own.n; i++)
		problem_add(problems, index, kind_name, kk_doc_name(manifest->kind, &manifest->doc),
			own.items[i]);
	kk_strs_release(&own);
	return 0;
}

void kk_manifests_release(struct kk_manifests *manifests)
{
	for (size_t i = 0; i < manifests->n; i++)
		kk_schema_release(kk_kind_schema(manifests->items[i].kind),
			&manifests->items[i].doc);
	free(manifests->items);
	kk_strs_release(&manifests->warnings);
	*manifests = (struct kk_manifests){0};
}

static int syntax_fail(const yaml_parser_t *parser, struct kk_err *err)
{
	/* Not everything in libyaml that finds no memory says so. */
	if (parser->error == YAML_MEMORY_ERROR || !parser->problem)
		return kk_fail(err, KK_E_NOMEM, "no memory for the document");
	if (parser->error == YAML_READER_ERROR)
		return kk_fail(err, KK_E_PARSE, "failed to parse YAML: byte %zu: %s",
			parser->problem_offset, parser->problem);
	return kk_fail(err, KK_E_PARSE, "failed to parse YAML: line %zu, column %zu: %s",
		parser->problem_mark.line + 1, parser->problem_mark.column + 1, parser->problem);
}

static int problems_fail(const struct kk_strs *problems, struct kk_err *err)
{
	kk_auto_buf text = {0};

	for (size_t i = 0; i < problems->n; i++) {
		if (i > 0 && text.len + strlen(problems->items[i]) > PROBLEMS_TEXT_MAX) {
			kk_buf_printf(&text, "\n  … and %zu more", problems->n - i);
			break;
		}
		kk_buf_printf(&text, "\n  %s", problems->items[i]);
	}
	return kk_fail(err, KK_E_INVALID, "validation failed:%s", (char *)text.data);
}

/* What has been seen of a stream, and of its current document. */
struct extent {
	size_t n_tokens;
	int depth;
	int n_anchors;
	int n_tags;
};

static void extent_add(struct extent *extent, const yaml_token_t *token)
{
	extent->n_tokens++;
	switch (token->type) {
	case YAML_BLOCK_SEQUENCE_START_TOKEN:
	case YAML_BLOCK_MAPPING_START_TOKEN:
	case YAML_FLOW_SEQUENCE_START_TOKEN:
	case YAML_FLOW_MAPPING_START_TOKEN:
		extent->depth++;
		break;
	case YAML_BLOCK_END_TOKEN:
	case YAML_FLOW_SEQUENCE_END_TOKEN:
	case YAML_FLOW_MAPPING_END_TOKEN:
		extent->depth--;
		break;
	case YAML_ANCHOR_TOKEN:
		extent->n_anchors++;
		break;
	case YAML_TAG_DIRECTIVE_TOKEN:
		extent->n_tags++;
		break;
	case YAML_DOCUMENT_START_TOKEN:
		extent->n_anchors = 0;
		extent->n_tags = 0;
		break;
	default:
		break;
	}
}

static int extent_check(const struct extent *extent, const yaml_token_t *token, struct kk_err *err)
{
	const struct {
		bool is_beyond;
		int max;
		const char *what;
	} limits[] = {
		{extent->n_tokens > TOKENS_MAX, TOKENS_MAX, "tokens"},
		{extent->depth > DEPTH_MAX, DEPTH_MAX, "levels deep"},
		{extent->n_anchors > ANCHORS_MAX, ANCHORS_MAX, "anchors in a document"},
		{extent->n_tags > TAGS_MAX, TAGS_MAX, "%TAG directives"},
	};

	for (size_t i = 0; i < KK_COUNT(limits); i++) {
		if (limits[i].is_beyond)
			return kk_fail(err, KK_E_PARSE,
				"failed to parse YAML: line %zu, column %zu: more than %d %s",
				token->start_mark.line + 1, token->start_mark.column + 1,
				limits[i].max, limits[i].what);
	}
	return 0;
}

/* Is the stream of an extent that any of ours can have? Its tokens tell before libyaml, which has no
 * limits, builds anything of them. Broken syntax is left for the parser to tell. */
static int stream_check(const char *text, size_t len, struct kk_err *err)
{
	struct extent extent = {0};
	yaml_parser_t parser;
	yaml_token_t token;
	bool is_end = false;
	int r = 0;

	if (!yaml_parser_initialize(&parser))
		return kk_fail(err, KK_E_NOMEM, "no memory for the YAML parser");
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	while (r == 0 && !is_end && yaml_parser_scan(&parser, &token)) {
		extent_add(&extent, &token);
		r = extent_check(&extent, &token, err);
		is_end = token.type == YAML_STREAM_END_TOKEN;
		yaml_token_delete(&token);
	}
	yaml_parser_delete(&parser);
	return r;
}

int kk_yaml_parse(const char *text, size_t len, struct kk_manifests *ret_manifests,
	struct kk_err *err)
{
	return kk_yaml_parse_within(text, len, NULL, ret_manifests, err);
}

int kk_yaml_parse_within(const char *text, size_t len, const struct kk_scope *scope,
	struct kk_manifests *ret_manifests, struct kk_err *err)
{
	struct kk_manifests manifests = {0};
	kk_auto(kk_strs_release) struct kk_strs problems = {0};
	yaml_parser_t parser;
	int index = 0, r = 0;

	if (stream_check(text, len, err) < 0)
		return kk_failed(err);
	if (!yaml_parser_initialize(&parser))
		return kk_fail(err, KK_E_NOMEM, "no memory for the YAML parser");
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	for (bool is_end = false; r == 0 && !is_end;) {
		yaml_document_t yaml;
		yaml_node_t *root;

		if (!yaml_parser_load(&parser, &yaml)) {
			r = syntax_fail(&parser, err);
			break;
		}
		root = yaml_document_get_root_node(&yaml);
		is_end = !root;
		/* A document of comments alone counts as none. */
		if (root && !is_null(root))
			r = manifest_read(&yaml, root, index++, scope, &manifests, &problems, err);
		yaml_document_delete(&yaml);
	}
	yaml_parser_delete(&parser);
	if (r == 0 && index == 0)
		r = kk_fail(err, KK_E_PARSE, "failed to parse YAML: no documents found in input");
	if (r == 0 && problems.n)
		r = problems_fail(&problems, err);
	if (r < 0)
		kk_manifests_release(&manifests);
	else
		*ret_manifests = manifests;
	return r;
}

int kk_yaml_read(const struct kk_schema *schema, const char *text, size_t len, void *ret_object,
	struct kk_err *err)
{
	struct reading in = {0};
	yaml_parser_t parser;
	yaml_document_t yaml;
	yaml_node_t *root;
	int r = 0;

	kk_schema_init(schema, ret_object);
	if (stream_check(text, len, err) < 0)
		return kk_failed(err);
	if (!yaml_parser_initialize(&parser))
		return kk_fail(err, KK_E_NOMEM, "no memory for the YAML parser");
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	if (!yaml_parser_load(&parser, &yaml)) {
		r = syntax_fail(&parser, err);
	} else {
		in.yaml = &yaml;
		root = yaml_document_get_root_node(&yaml);
		if (root)
			r = object_read(&in, schema, root, "", ret_object, err);
		yaml_document_delete(&yaml);
	}
	yaml_parser_delete(&parser);
	if (r < 0)
		kk_schema_release(schema, ret_object);
	return r;
}

/* Writing. A failed emit is remembered by the emitter, so only the end is tested. */

static int buf_on_write(void *data, unsigned char *bytes, size_t len)
{
	return kk_buf_append(data, bytes, len) == 0;
}

/* Would a reader take this plain text for something other than a string? */
static bool needs_quotes(const char *s)
{
	static const char *const words[] = {"true", "false", "yes", "no", "on", "off", "y", "n",
		"null", "~", ".inf", "-.inf", ".nan", "<<", "="};
	int64_t number, time;

	for (size_t i = 0; i < KK_COUNT(words); i++) {
		if (strcasecmp(s, words[i]) == 0)
			return true;
	}
	if (int_parse(s, &number) == 0 || kk_time_parse(s, &time) == 0)
		return true;
	return isdigit((unsigned char)s[0]) && strlen(s) == 10 && s[4] == '-' && s[7] == '-';
}

static void scalar_write(yaml_emitter_t *emitter, const char *s, bool is_text)
{
	yaml_event_t event;
	yaml_scalar_style_t style = YAML_PLAIN_SCALAR_STYLE;
	kk_auto_buf repaired = {0};

	if (is_text && (!*s || needs_quotes(s)))
		style = YAML_DOUBLE_QUOTED_SCALAR_STYLE;
	else if (is_text && strchr(s, '\n'))
		style = YAML_LITERAL_SCALAR_STYLE;
	/* What libyaml refuses is no UTF-8, or there is no memory for it. */
	if (!yaml_scalar_event_initialize(&event, NULL, NULL, (const unsigned char *)s,
		    (int)strlen(s), 1, 1, style)) {
		if (kk_utf8_repair(s, strlen(s), &repaired) < 0 ||
			!yaml_scalar_event_initialize(&event, NULL, NULL,
				repaired.len ? repaired.data : (const unsigned char *)"",
				(int)repaired.len, 1, 1, style)) {
			emitter->error = YAML_MEMORY_ERROR;
			return;
		}
	}
	yaml_emitter_emit(emitter, &event);
}

static void object_write(yaml_emitter_t *emitter, const struct kk_schema *schema,
	const void *object);

static void sequence_begin(yaml_emitter_t *emitter, bool is_empty)
{
	yaml_event_t event;

	yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
		is_empty ? YAML_FLOW_SEQUENCE_STYLE : YAML_BLOCK_SEQUENCE_STYLE);
	yaml_emitter_emit(emitter, &event);
}

static void sequence_end(yaml_emitter_t *emitter)
{
	yaml_event_t event;

	yaml_sequence_end_event_initialize(&event);
	yaml_emitter_emit(emitter, &event);
}

static void mapping_begin(yaml_emitter_t *emitter, bool is_empty)
{
	yaml_event_t event;

	yaml_mapping_start_event_initialize(&event, NULL, NULL, 1,
		is_empty ? YAML_FLOW_MAPPING_STYLE : YAML_BLOCK_MAPPING_STYLE);
	yaml_emitter_emit(emitter, &event);
}

static void mapping_end(yaml_emitter_t *emitter)
{
	yaml_event_t event;

	yaml_mapping_end_event_initialize(&event);
	yaml_emitter_emit(emitter, &event);
}

static void map_write(yaml_emitter_t *emitter, const struct kk_map *map)
{
	mapping_begin(emitter, map->n == 0);
	for (size_t i = 0; i < map->n; i++) {
		scalar_write(emitter, map->items[i].key, true);
		scalar_write(emitter, map->items[i].value, true);
	}
	mapping_end(emitter);
}

static void number_write(yaml_emitter_t *emitter, int64_t number)
{
	char text[32];

	snprintf(text, sizeof text, "%lld", (long long)number);
	scalar_write(emitter, text, false);
}

static void field_write(yaml_emitter_t *emitter, const struct kk_field *field, const void *p)
{
	const struct kk_strs *strs = p;
	const struct kk_list *list = p;
	char text[KK_TIME_TEXT];

	switch (field->type) {
	case KK_T_BOOL:
		scalar_write(emitter, *(const bool *)p ? "true" : "false", false);
		break;
	case KK_T_OPT_BOOL:
		scalar_write(emitter, ((const struct kk_opt_bool *)p)->value ? "true" : "false",
			false);
		break;
	case KK_T_I64:
	case KK_T_U64:
		number_write(emitter, *(const int64_t *)p);
		break;
	case KK_T_OPT_I64:
		number_write(emitter, ((const struct kk_opt_i64 *)p)->value);
		break;
	case KK_T_STR:
		scalar_write(emitter, kk_str(*(char *const *)p), true);
		break;
	case KK_T_ENUM:
		scalar_write(emitter, field->names->names[*(const int *)p], true);
		break;
	case KK_T_TIME:
		kk_time_format(*(const int64_t *)p, text);
		scalar_write(emitter, text, false);
		break;
	case KK_T_STRS:
	case KK_T_INTS:
		sequence_begin(emitter, strs->n == 0);
		for (size_t i = 0; i < strs->n; i++)
			scalar_write(emitter, strs->items[i], field->type == KK_T_STRS);
		sequence_end(emitter);
		break;
	case KK_T_MAP:
		map_write(emitter, p);
		break;
	case KK_T_OBJ:
		object_write(emitter, field->sub(), p);
		break;
	case KK_T_LIST:
		sequence_begin(emitter, list->n == 0);
		for (size_t i = 0; i < list->n; i++)
			object_write(emitter, field->sub(), kk_list_at(list, field->sub(), i));
		sequence_end(emitter);
		break;
	case KK_T_BIN:
		break;
	}
}

static bool field_is_written(const struct kk_field *field, const void *object)
{
	if (field->flags & (KK_JSON_ONLY | KK_INTERNAL | KK_INPUT_ONLY))
		return false;
	return !(field->flags & KK_OMIT) || !kk_field_is_empty(field, object);
}

static void object_write(yaml_emitter_t *emitter, const struct kk_schema *schema,
	const void *object)
{
	bool is_empty = true;

	for (unsigned i = 0; i < schema->n_fields; i++)
		is_empty &= !field_is_written(&schema->fields[i], object);
	mapping_begin(emitter, is_empty);
	for (unsigned i = 0; i < schema->n_fields; i++) {
		const struct kk_field *field = &schema->fields[i];

		if (!field_is_written(field, object))
			continue;
		scalar_write(emitter, field->name, true);
		field_write(emitter, field, kk_field_at(field, object));
	}
	mapping_end(emitter);
}

static int document_write(const struct kk_schema *schema, const void *objects, size_t n,
	bool is_list, struct kk_buf *out)
{
	yaml_emitter_t emitter;
	yaml_event_t event;
	int ok;

	if (!yaml_emitter_initialize(&emitter))
		return KK_E_NOMEM;
	yaml_emitter_set_output(&emitter, buf_on_write, out);
	yaml_emitter_set_unicode(&emitter, 1);
	yaml_emitter_set_width(&emitter, -1);
	yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING);
	yaml_emitter_emit(&emitter, &event);
	yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1);
	yaml_emitter_emit(&emitter, &event);
	if (is_list)
		sequence_begin(&emitter, n == 0);
	for (size_t i = 0; i < n; i++)
		object_write(&emitter, schema, (const char *)objects + i * schema->size);
	if (is_list)
		sequence_end(&emitter);
	yaml_document_end_event_initialize(&event, 1);
	yaml_emitter_emit(&emitter, &event);
	yaml_stream_end_event_initialize(&event);
	ok = yaml_emitter_emit(&emitter, &event) && emitter.error == YAML_NO_ERROR;
	yaml_emitter_delete(&emitter);
	return ok ? 0 : KK_E_NOMEM;
}

int kk_yaml_write(const struct kk_schema *schema, const void *object, struct kk_buf *out)
{
	return document_write(schema, object, 1, false, out);
}

int kk_yaml_write_list(const struct kk_schema *schema, const void *objects, size_t n,
	struct kk_buf *out)
{
	return document_write(schema, objects, n, true, out);
}
