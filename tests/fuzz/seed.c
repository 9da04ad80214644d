/* tests/fuzz/seed.c - seed DIR: what the fuzz targets begin with, in DIR/<entry>/. Samples of
 * every message, document and frame are made from the tables that declare them, so a new row has
 * one without being told. */
#include <ctype.h>
#include <stdio.h>

#include <kukeon/envelope.h>
#include <kukeon/fd.h>
#include <kukeon/msg.h>

#include "fuzz.h"

/* What is set in a sample: nothing, what a manifest can't do without, everything; and everything
 * with numbers at the end of their range, which no manifest has. */
enum sample { EMPTY, LEAST, FULL, EDGE, SAMPLES };

static const char *const sample_names[SAMPLES] = {"empty", "least", "full", "edge"};
static const char *seed_dir;

/* Strings where a word is no valid value. */
static const struct {
	const char *schema;
	const char *field;
	const char *value;
} values[] = {
	{"container_spec", "id", "main"},
	{"container_spec", "image", "docker.io/library/busybox:latest"},
	{"container_spec", "env", "KEY=value"},
	{"container_spec", "securityOpts", "no-new-privileges"},
	{"container_spec", "restartPolicy", "on-failure"},
	{"tty_stage", "runOn", "start"},
	{"container_tty", "logLevel", "info"},
	{"tty_stage", "script", "#!/bin/sh\necho one\n\n"},
	{"volume_mount", "kind", "bind"},
	{"volume_mount", "source", "/source"},
	{"volume_mount", "target", "/target"},
	{"volume_mount", "propagation", "rslave"},
	{"cell_spec", "rootContainerId", "main"},
	{"cell_tty", "default", "main"},
	{"egress", "default", "deny"},
	{"egress_rule", "cidr", "192.0.2.0/24"},
	{"egress_rule", "host", ""},
	{"container_spec", "ports", "8080:80/tcp"},
	{"container_secret", "fromFile", "/value"},
	{"container_secret", "fromEnv", ""},
	{"container_secret", "mountPath", "/secret"},
};

/* Where that excludes the other. */
static bool is_left_out(const struct kk_schema *schema, const struct kk_field *field)
{
	return strcmp(schema->name, "container_secret") == 0 &&
		strcmp(field->name, "secretRef") == 0;
}

/* The field's name as a label, or what is said above. The caller frees it. */
static char *word(const struct kk_schema *schema, const struct kk_field *field)
{
	char *text = kk_xalloc(strlen(field->name) + 1);
	size_t n = 0;

	for (size_t i = 0; i < KK_COUNT(values); i++) {
		if (strcmp(values[i].schema, schema->name) == 0 &&
			strcmp(values[i].field, field->name) == 0) {
			free(text);
			return kk_xstrdup(values[i].value);
		}
	}
	for (const char *p = field->name; *p && (field->max == 0 || n < field->max); p++) {
		if (isalpha((unsigned char)*p))
			text[n++] = (char)tolower((unsigned char)*p);
	}
	return text;
}

/* Required by the table, or an id, for which the rules are in code. */
static bool is_least(const struct kk_field *field)
{
	return field->type == KK_T_OBJ || field->flags & KK_REQUIRED ||
		kk_str_ends(field->name, "Id");
}

static void fill(const struct kk_schema *schema, void *object, enum sample sample);

static void field_fill(const struct kk_schema *schema, const struct kk_field *field, void *p,
	enum sample sample)
{
	kk_auto_free char *text = word(schema, field);

	switch (field->type) {
	case KK_T_BOOL:
		*(bool *)p = true;
		break;
	case KK_T_I64:
	case KK_T_U64:
		*(int64_t *)p = sample == EDGE ? INT64_MIN : 7;
		break;
	case KK_T_STR:
		kk_str_set(p, text);
		break;
	case KK_T_BIN:
		*(struct kk_bin *)p = (struct kk_bin){(uint8_t *)kk_xstrdup("{}"), 2};
		break;
	case KK_T_ENUM:
		*(int *)p = (int)field->names->n - 1;
		break;
	case KK_T_TIME:
		*(int64_t *)p = sample == EDGE ? INT64_MIN + 1 : 1767323045123456789;
		break;
	case KK_T_OPT_I64:
		*(struct kk_opt_i64 *)p = (struct kk_opt_i64){true, sample == EDGE ? INT64_MAX : 7};
		break;
	case KK_T_OPT_BOOL:
		*(struct kk_opt_bool *)p = (struct kk_opt_bool){true, false};
		break;
	case KK_T_STRS:
		kk_strs_add(p, text);
		kk_strs_add(p, text);
		break;
	case KK_T_INTS:
		kk_strs_add(p, "8080");
		break;
	case KK_T_MAP:
		kk_map_set(p, text, "two\nlines");
		kk_map_set(p, "empty", "");
		break;
	case KK_T_OBJ:
		fill(field->sub(), p, sample);
		break;
	case KK_T_LIST:
		fill(field->sub(), kk_list_add(p, field->sub()), sample);
		break;
	}
}

static void fill(const struct kk_schema *schema, void *object, enum sample sample)
{
	for (unsigned i = 0; i < schema->n_fields; i++) {
		const struct kk_field *field = &schema->fields[i];

		if (is_left_out(schema, field))
			continue;
		if (sample == FULL || sample == EDGE || (sample == LEAST && is_least(field)))
			field_fill(schema, field, kk_field_at(field, object), sample);
	}
}

static void *sample_new(const struct kk_schema *schema, enum sample sample)
{
	void *object = fuzz_object_new(schema);

	fill(schema, object, sample);
	return object;
}

static void seed_write(const char *entry, const char *name, const void *data, size_t len)
{
	kk_auto_free char *dir = kk_xprintf("%s/%s", seed_dir, entry);
	kk_auto_free char *path = kk_xprintf("%s/%s", dir, name);
	struct kk_err err = {0};

	if (kk_dir_make(dir, 0755, &err) < 0 || kk_file_write(path, data, len, 0644, &err) < 0) {
		fprintf(stderr, "seed: %s\n", err.frames[0].text);
		exit(1);
	}
}

static void seed_text(const char *entry, const char *name, const char *text)
{
	seed_write(entry, name, text, strlen(text));
}

/* A seed of fuzz_message or fuzz_document, behind the bytes that choose its table; and, of
 * messages, one of fuzz_frame. */
static void wire_seed(const char *entry, const char *name, const uint8_t *choice, size_t n_choice,
	const struct kk_schema *schema, const struct kk_envelope *env)
{
	for (int i = EMPTY; i < SAMPLES; i++) {
		void *object = sample_new(schema, (enum sample)i);
		kk_auto_free char *file = kk_xprintf("%s-%s", name, sample_names[i]);
		kk_auto_buf seed = {0}, frame = {0};

		fuzz_require(kk_buf_append(&seed, choice, n_choice) == 0);
		fuzz_require(kk_schema_encode(schema, object, &seed) == 0);
		seed_write(entry, file, seed.data, seed.len);
		if (env) {
			struct kk_envelope sent = *env;

			sent.body = seed.data + n_choice;
			sent.body_len = seed.len - n_choice;
			fuzz_require(kk_envelope_encode(&sent, &frame) == 0);
			seed_write("frame", file, frame.data, frame.len);
		}
		fuzz_object_free(schema, object);
	}
}

static void messages_seed(void)
{
	const struct kk_msg_row *row;

	for (unsigned i = 0; (row = kk_msg_row_at(i)); i++) {
		kk_auto_free char *request = kk_xprintf("%s-request", row->name);
		kk_auto_free char *reply = kk_xprintf("%s-reply", row->name);
		uint8_t choice[2] = {(uint8_t)i, 0};
		struct kk_envelope env = {
			.kind = row->is_event ? KK_ENVELOPE_EVENT : KK_ENVELOPE_REQUEST,
			.type = row->id,
			.id = i + 1,
			.op = 0x0123456789abcdef,
			.source = (unsigned)row->from,
			.target = KK_ROLES - 1,
			.generation = 3,
			.deadline_ms = row->timeout_ms,
		};

		wire_seed("message", request, choice, sizeof choice, row->req(), &env);
		if (!row->rep)
			continue;
		env.kind = KK_ENVELOPE_REPLY;
		choice[1] = 1;
		wire_seed("message", reply, choice, sizeof choice, row->rep(), &env);
	}
}

/* Every kind of frame, alone and one behind the other. */
static void frames_seed(void)
{
	kk_auto_buf stream = {0};

	for (unsigned kind = 0; kind < KK_ENVELOPE_KINDS; kind++) {
		struct kk_envelope env = {.kind = kind, .id = kind + 1, .body = (uint8_t *)"\x90"};
		size_t start = stream.len;

		env.body_len = kind % 2;
		fuzz_require(kk_envelope_encode(&env, &stream) == 0);
		seed_write("frame", kk_envelope_kind_name(kind), stream.data + start,
			stream.len - start);
	}
	seed_write("frame", "stream", stream.data, stream.len);
}

static void documents_seed(void)
{
	for (size_t i = 0; i < KK_COUNT(fuzz_documents); i++) {
		uint8_t choice = (uint8_t)i;

		wire_seed("document", fuzz_documents[i]()->name, &choice, 1, fuzz_documents[i](),
			NULL);
	}
}

/* A request as a client sends it, behind the sizes of the reads. */
static void request_seed(const char *name, const char *document)
{
	static const char sizes[] = "\x01\x02\x04\x08\x10\x20\x40\x80";
	kk_auto_free char *text =
		kk_xprintf("%s{\"method\":\"KukeonV1.Get\",\"params\":[{\"Doc\":%s}],\"id\":1}\n"
			   " {\"method\":\"KukeonV1.Ping\",\"params\":[null],\"id\":\"two\"}",
			sizes, document);

	seed_text("request", name, text);
}

/* The reply to a request for it, and the lists that are cut into pieces. */
static void text_seed(const char *name, const char *document)
{
	kk_auto_free char *reply =
		kk_xprintf("{\"id\":1,\"result\":{\"Docs\":[%s, {}],\"Err\":null},\"error\":null}",
			document);
	kk_auto_free char *reply_name = kk_xprintf("%s-reply", name);
	kk_auto_free char *list = kk_xprintf("[%s,\n%s]", document, document);

	seed_text("text", reply_name, reply);
	seed_text("text", name, list);
}

static void json_seed(const char *sample, const struct kk_schema *schema, const void *object)
{
	static const char *const forms[] = {
		[KK_JSON_API] = "api", [KK_JSON_DISK] = "disk", [KK_JSON_REQUEST] = "request"};

	for (size_t i = 0; i < KK_COUNT(forms); i++) {
		kk_auto_json *json = kk_json_encode(schema, object, (enum kk_json_form)i);
		kk_auto_free char *text = json_dumps(json, i == KK_JSON_DISK ? JSON_INDENT(2) : 0);
		kk_auto_free char *name = kk_xprintf("%s-%s", sample, forms[i]);

		seed_text("json", name, text);
		if (i == KK_JSON_API)
			text_seed(sample, text);
		if (i == KK_JSON_REQUEST)
			request_seed(sample, text);
	}
}

/* A document in all its forms; its YAML is appended to @stream. */
static void kind_seed(enum kk_kind kind, enum sample sample, struct kk_buf *stream)
{
	const struct kk_schema *schema = kk_kind_schema(kind);
	kk_auto_free char *name = kk_xprintf("%s-%s", kk_kind_word(kind), sample_names[sample]);
	void *object = sample_new(schema, sample);
	struct kk_manifests manifests = {0};
	struct kk_err err = {0};
	kk_auto_buf yaml = {0};

	kk_doc_default(kind, object);
	json_seed(name, schema, object);
	fuzz_require(kk_yaml_write(schema, object, &yaml) == 0);
	if (kk_yaml_parse((char *)yaml.data, yaml.len, &manifests, &err) < 0) {
		fprintf(stderr, "seed: %s is no manifest: %s\n", name, err.frames[0].text);
		exit(1);
	}
	kk_manifests_release(&manifests);
	seed_write("yaml", name, yaml.data, yaml.len);
	fuzz_require(kk_buf_printf(stream, "---\n%s", (char *)yaml.data) == 0);
	fuzz_object_free(schema, object);
}

/* Documents that a manifest may hold: alone, and all in one stream. */
static void kinds_seed(void)
{
	for (int sample = LEAST; sample <= FULL; sample++) {
		kk_auto_free char *name = kk_xprintf("stream-%s", sample_names[sample]);
		kk_auto_buf stream = {0};

		for (int kind = 0; kind < KK_KINDS; kind++)
			kind_seed((enum kk_kind)kind, (enum sample)sample, &stream);
		seed_write("yaml", name, stream.data, stream.len);
	}
}

/* One item more than a message may carry: for make check-fuzz alone, as its length would slow down
 * every run that begins with it. */
static void bound_seed(void)
{
	const struct kk_schema *schema = kk_schema_of_container();
	struct kk_container *container = sample_new(schema, EMPTY);
	kk_auto_json *json = NULL;
	kk_auto_free char *text = NULL;

	for (unsigned i = 0; i < kk_schema_of_container_spec()->n_fields; i++) {
		const struct kk_field *field = &kk_schema_of_container_spec()->fields[i];

		while (strcmp(field->name, "args") == 0 &&
			container->spec.args.n <= field->max_items)
			kk_strs_add(&container->spec.args, "");
	}
	json = kk_json_encode(schema, container, KK_JSON_API);
	text = json_dumps(json, JSON_COMPACT);
	seed_text("bound", "container", text);
	fuzz_object_free(schema, container);
}

static void config_seed(const struct kk_schema *schema)
{
	void *object = sample_new(schema, FULL);
	kk_auto_buf yaml = {0};

	fuzz_require(kk_yaml_write(schema, object, &yaml) == 0);
	seed_write("config", schema->name, yaml.data, yaml.len);
	fuzz_object_free(schema, object);
}

/* What has no table. */
static void lines_seed(void)
{
	static const char selector[] = "a=b, c==d,e!=f,!g,h\0a=b\0c=d\0e=e\0h=1";

	seed_write("selector", "all", selector, sizeof selector - 1);
	seed_text("selector", "none", "");
	seed_text("replay", "questions",
		"/ # \033[6n\033[cls\033]10;?\007\033P+q544e\033\\\033[18t\033Z");
	seed_text("replay", "title", "\033]0;title\007\033[1;32mgreen\033[0m");
	seed_text("reference", "short", "busybox");
	seed_text("reference", "full", "docker.io/library/busybox:latest");
	seed_text("reference", "port", "localhost:5000/a/b-c_d:1.0");
	seed_text("reference", "digest", "example.com/a@sha256:0123456789abcdef");
	seed_text("time", "utc", "2026-01-02T03:04:05.123456789Z");
	seed_text("time", "offset", "1999-12-31T23:59:59+01:30");
	seed_text("time", "zero", "0001-01-01T00:00:00Z");
	seed_text("time", "duration", "-1h2m3.5s400ms5us6ns");
	seed_text("time", "number", "\x15\xcd\x5b\x07\x12\x34\x56\x18");
}

static void words_put(FILE *out, const struct kk_schema *schema)
{
	for (unsigned i = 0; i < schema->n_fields; i++) {
		const struct kk_names *names = schema->fields[i].names;

		fprintf(out, "\"%s\"\n", schema->fields[i].name);
		for (unsigned k = 0; names && k < names->n; k++)
			fprintf(out, "\"%s\"\n", names->names[k]);
	}
}

/* The keys of all documents and the names of their states, as a dictionary. */
static void words_write(void)
{
	kk_auto_free char *path = kk_xprintf("%s/words.dict", seed_dir);
	FILE *out = fopen(path, "we");

	fuzz_require(out);
	for (size_t i = 0; i < KK_COUNT(fuzz_documents); i++)
		words_put(out, fuzz_documents[i]());
	fuzz_require(fclose(out) == 0);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: seed DIR\n");
		return 2;
	}
	seed_dir = argv[1];
	messages_seed();
	frames_seed();
	documents_seed();
	kinds_seed();
	bound_seed();
	config_seed(kk_schema_of_server_configuration());
	config_seed(kk_schema_of_client_configuration());
	lines_seed();
	words_write();
	return 0;
}
