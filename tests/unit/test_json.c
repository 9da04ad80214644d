/* tests/unit/test_json.c */
#include <string.h>

#include <kukeon/clock.h>
#include <kukeon/json.h>
#include <kukeon/model.h>

#include "../support/check.h"
#include "../support/sample.h"

enum { SEED = 20260102, OBJECTS = 300 };

static void check_encoded(const struct kk_schema *schema, const void *object,
	enum kk_json_form form, const char *want)
{
	kk_auto_json *json = kk_json_encode(schema, object, form);
	kk_auto_free char *text = json_dumps(json, JSON_COMPACT);

	ck_assert_str_eq(text, want);
}

static json_t *loaded(const char *text)
{
	json_error_t error;
	json_t *json = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);

	ck_assert_msg(json, "%s: %s", text, error.text);
	return json;
}

static void decode(const struct kk_schema *schema, const char *text, void *ret_object)
{
	kk_auto_json *json = loaded(text);
	struct kk_err err = {0};

	check_ok(kk_json_decode(schema, json, ret_object, &err), &err);
}

static void check_refused(const struct kk_schema *schema, const char *text, const char *want)
{
	kk_auto_json *json = loaded(text);
	kk_auto_free char *object = kk_xalloc(schema->size), *fresh = kk_xalloc(schema->size);
	struct kk_err err = {0};

	check_code(kk_json_decode(schema, json, object, &err), KK_E_CONVERSION);
	check_error(&err, KK_E_CONVERSION, want);
	kk_schema_init(schema, fresh);
	ck_assert_mem_eq(object, fresh, schema->size);
}

/* --- writing --- */

#define TIMES                                                                            \
	"\"createdAt\":\"0001-01-01T00:00:00Z\",\"updatedAt\":\"0001-01-01T00:00:00Z\"," \
	"\"readyAt\":\"0001-01-01T00:00:00Z\""

/* These are what the Go daemon sends for nothing, byte for byte. */
START_TEST(empty_documents_are_those_of_the_api)
{
	static const char *const want[KK_KINDS] = {
		[KK_KIND_REALM] = "{\"apiVersion\":\"\",\"kind\":\"\",\"metadata\":{\"name\":\"\","
				  "\"labels\":null},\"spec\":{\"namespace\":\"\"},\"status\":{"
				  "\"state\":\"Pending\"," TIMES "}}",
		[KK_KIND_SPACE] = "{\"apiVersion\":\"\",\"kind\":\"\",\"metadata\":{\"name\":\"\","
				  "\"labels\":null},\"spec\":{\"realmId\":\"\"},\"status\":{"
				  "\"state\":\"Pending\"," TIMES "}}",
		[KK_KIND_STACK] = "{\"apiVersion\":\"\",\"kind\":\"\",\"metadata\":{\"name\":\"\","
				  "\"labels\":null},\"spec\":{\"id\":\"\",\"realmId\":\"\","
				  "\"spaceId\":\"\"},\"status\":{\"state\":\"Pending\","
				  "\"cgroupPath\":\"\"," TIMES "}}",
		[KK_KIND_CELL] = "{\"apiVersion\":\"\",\"kind\":\"\",\"metadata\":{\"name\":\"\","
				 "\"labels\":null},\"spec\":{\"id\":\"\",\"realmId\":\"\","
				 "\"spaceId\":\"\",\"stackId\":\"\",\"containers\":null},"
				 "\"status\":{\"state\":\"Pending\",\"cgroupPath\":\"\","
				 "\"network\":{},\"containers\":null," TIMES "}}",
		[KK_KIND_CONTAINER] =
			"{\"apiVersion\":\"\",\"kind\":\"\",\"metadata\":{\"name\":\"\","
			"\"labels\":null},\"spec\":{\"id\":\"\",\"realmId\":\"\",\"spaceId\":\"\","
			"\"stackId\":\"\",\"cellId\":\"\",\"image\":\"\",\"command\":\"\","
			"\"args\":null,\"env\":null,\"ports\":null,\"volumes\":null,"
			"\"networks\":null,\"networksAliases\":null,\"privileged\":false,"
			"\"restartPolicy\":\"\"},\"status\":{\"name\":\"\",\"id\":\"\","
			"\"state\":\"Pending\",\"createdAt\":\"0001-01-01T00:00:00Z\","
			"\"restartCount\":0,\"restartTime\":\"0001-01-01T00:00:00Z\","
			"\"startTime\":\"0001-01-01T00:00:00Z\","
			"\"finishTime\":\"0001-01-01T00:00:00Z\",\"exitCode\":0,"
			"\"exitSignal\":\"\"}}",
	};

	for (int kind = 0; kind < KK_KINDS; kind++) {
		const struct kk_schema *schema = kk_kind_schema((enum kk_kind)kind);
		kk_auto_free void *object = kk_xalloc(schema->size);

		kk_schema_init(schema, object);
		check_encoded(schema, object, KK_JSON_API, want[kind]);
		check_encoded(schema, object, KK_JSON_DISK, want[kind]);
		check_encoded(schema, object, KK_JSON_REQUEST, want[kind]);
	}
}
END_TEST

/* A whole document as in the examples of the API. */
START_TEST(full_realm_is_that_of_the_api)
{
	static const char want[] =
		"{\"apiVersion\":\"v1beta1\",\"kind\":\"Realm\",\"metadata\":{\"name\":\"default\","
		"\"labels\":{\"realm.kukeon.io\":\"default.kukeon.io\"},\"generation\":1},"
		"\"spec\":{\"namespace\":\"default.kukeon.io\"},\"status\":{\"state\":\"Ready\","
		"\"cgroupPath\":\"/kukeon/default\",\"subtreeControllers\":[\"cpu\",\"io\","
		"\"memory\",\"pids\"],\"createdAt\":\"2026-01-02T03:04:05.6789Z\","
		"\"updatedAt\":\"2026-01-02T03:04:05.6789Z\","
		"\"readyAt\":\"2026-01-02T03:04:05.6789Z\"}}";
	struct kk_realm realm;

	decode(kk_schema_of_realm(), want, &realm);
	ck_assert_int_eq(realm.status.created_at, 1767323045678900000);
	ck_assert_int_eq(realm.status.state, KK_REALM_READY);
	check_encoded(kk_schema_of_realm(), &realm, KK_JSON_API, want);
	kk_realm_release(&realm);
}
END_TEST

START_TEST(absent_and_empty_lists_are_told_apart)
{
	struct kk_metadata metadata = {0};
	struct kk_capabilities capabilities = {0};

	metadata.labels.is_set = true;
	check_encoded(kk_schema_of_metadata(), &metadata, KK_JSON_API,
		"{\"name\":\"\",\"labels\":{}}");
	capabilities.drop.is_set = true;
	check_encoded(kk_schema_of_capabilities(), &capabilities, KK_JSON_API, "{}");
	kk_strs_add(&capabilities.drop, "ALL");
	check_encoded(kk_schema_of_capabilities(), &capabilities, KK_JSON_API,
		"{\"drop\":[\"ALL\"]}");
	kk_capabilities_release(&capabilities);
}
END_TEST

START_TEST(option_that_was_given_is_written_whatever_it_is)
{
	struct kk_resources resources = {.memory_limit_bytes = {true, 0}, .pids_limit = {false, 7}};
	struct kk_container_defaults defaults;

	check_encoded(kk_schema_of_resources(), &resources, KK_JSON_API,
		"{\"memoryLimitBytes\":0}");
	kk_schema_init(kk_schema_of_container_defaults(), &defaults);
	check_encoded(kk_schema_of_container_defaults(), &defaults, KK_JSON_API, "{}");
	defaults.read_only_root_filesystem.is_set = true;
	check_encoded(kk_schema_of_container_defaults(), &defaults, KK_JSON_API,
		"{\"readOnlyRootFilesystem\":false}");
}
END_TEST

START_TEST(map_keys_are_sorted)
{
	struct kk_metadata metadata = {0};

	kk_map_set(&metadata.labels, "b", "2");
	kk_map_set(&metadata.labels, "a", "<1>&\"");
	check_encoded(kk_schema_of_metadata(), &metadata, KK_JSON_API,
		"{\"name\":\"\",\"labels\":{\"a\":\"<1>&\\\"\",\"b\":\"2\"}}");
	kk_metadata_release(&metadata);
}
END_TEST

START_TEST(ports_are_numbers)
{
	struct kk_egress_rule rule = {0};

	kk_strs_add(&rule.ports, "443");
	kk_strs_add(&rule.ports, "-1");
	check_encoded(kk_schema_of_egress_rule(), &rule, KK_JSON_API, "{\"ports\":[443,-1]}");
	kk_egress_rule_release(&rule);
}
END_TEST

START_TEST(string_that_is_no_utf8_is_replaced)
{
	struct kk_git_identity identity = {(char *)"a\xff", (char *)"caf\xc3\xa9"};

	check_encoded(kk_schema_of_git_identity(), &identity, KK_JSON_API,
		"{\"name\":\"a\xef\xbf\xbd\",\"email\":\"caf\xc3\xa9\"}");
}
END_TEST

START_TEST(internal_fields_are_on_disk_alone)
{
	struct kk_stack stack;
	kk_auto_json *api = NULL, *disk = NULL, *request = NULL;
	kk_auto_free char *text = NULL;

	kk_schema_init(kk_schema_of_stack(), &stack);
	kk_str_set(&stack.intent.want, "running");
	stack.intent.is_made = true;
	api = kk_json_encode(kk_schema_of_stack(), &stack, KK_JSON_API);
	disk = kk_json_encode(kk_schema_of_stack(), &stack, KK_JSON_DISK);
	request = kk_json_encode(kk_schema_of_stack(), &stack, KK_JSON_REQUEST);
	ck_assert_ptr_null(json_object_get(api, "kukeon"));
	ck_assert_ptr_null(json_object_get(request, "kukeon"));
	text = json_dumps(json_object_get(disk, "kukeon"), JSON_COMPACT);
	ck_assert_str_eq(text, "{\"want\":\"running\",\"made\":true}");
	kk_stack_release(&stack);
}
END_TEST

START_TEST(input_fields_are_in_requests_alone)
{
	struct kk_cell_spec spec;
	kk_auto_json *api = NULL, *disk = NULL, *request = NULL;

	kk_schema_init(kk_schema_of_cell_spec(), &spec);
	kk_strs_add(&spec.runtime_env, "A=1");
	spec.ignore_disk_pressure = true;
	api = kk_json_encode(kk_schema_of_cell_spec(), &spec, KK_JSON_API);
	disk = kk_json_encode(kk_schema_of_cell_spec(), &spec, KK_JSON_DISK);
	request = kk_json_encode(kk_schema_of_cell_spec(), &spec, KK_JSON_REQUEST);
	ck_assert_ptr_null(json_object_get(api, "runtimeEnv"));
	ck_assert_ptr_null(json_object_get(api, "ignoreDiskPressure"));
	ck_assert_ptr_null(json_object_get(disk, "runtimeEnv"));
	ck_assert_ptr_null(json_object_get(disk, "ignoreDiskPressure"));
	ck_assert_uint_eq(json_array_size(json_object_get(request, "runtimeEnv")), 1);
	ck_assert(json_is_true(json_object_get(request, "ignoreDiskPressure")));
	kk_schema_release(kk_schema_of_cell_spec(), &spec);
}
END_TEST

/* The Go daemon returns passwords in clear, so a get followed by an apply keeps them. */
START_TEST(secrets_are_in_every_form)
{
	struct kk_registry_credential credential = {(char *)"u", (char *)"p", NULL};

	for (int form = KK_JSON_API; form <= KK_JSON_REQUEST; form++)
		check_encoded(kk_schema_of_registry_credential(), &credential,
			(enum kk_json_form)form, "{\"username\":\"u\",\"password\":\"p\"}");
}
END_TEST

START_TEST(list_never_given_is_null)
{
	struct kk_list list = {0};
	kk_auto_json *absent = NULL, *empty = NULL, *one = NULL;
	kk_auto_free char *text = NULL;

	absent = kk_json_encode_list(kk_schema_of_metadata(), &list, KK_JSON_API);
	ck_assert(json_is_null(absent));
	list.is_set = true;
	empty = kk_json_encode_list(kk_schema_of_metadata(), &list, KK_JSON_API);
	ck_assert(json_is_array(empty));
	ck_assert_uint_eq(json_array_size(empty), 0);
	kk_list_add(&list, kk_schema_of_metadata());
	one = kk_json_encode_list(kk_schema_of_metadata(), &list, KK_JSON_API);
	text = json_dumps(one, JSON_COMPACT);
	ck_assert_str_eq(text, "[{\"name\":\"\",\"labels\":null}]");
	kk_list_drop(&list, kk_schema_of_metadata(), 0);
	free(list.items);
}
END_TEST

/* --- both ways --- */

static void check_round_trip(struct sample *sample, enum kk_kind kind, enum kk_json_form form,
	unsigned but)
{
	const struct kk_schema *schema = kk_kind_schema(kind);
	kk_auto_free void *object = kk_xalloc(schema->size), *back = kk_xalloc(schema->size);
	kk_auto_json *json = NULL;
	kk_auto_free char *text = NULL;

	sample_fill(sample, schema, object);
	json = kk_json_encode(schema, object, form);
	text = json_dumps(json, JSON_COMPACT);
	decode(schema, text, back);
	ck_assert_msg(kk_schema_equal(schema, object, back, but), "%s", text);
	kk_schema_release(schema, object);
	kk_schema_release(schema, back);
}

START_TEST(whole_documents_go_both_ways)
{
	struct sample sample = {.state = SEED, .text = SAMPLE_UTF8};

	for (int i = 0; i < OBJECTS; i++) {
		enum kk_kind kind = (enum kk_kind)(i % KK_KINDS);

		check_round_trip(&sample, kind, KK_JSON_API, KK_INTERNAL | KK_INPUT_ONLY);
		check_round_trip(&sample, kind, KK_JSON_DISK, KK_INPUT_ONLY);
		check_round_trip(&sample, kind, KK_JSON_REQUEST, KK_INTERNAL);
	}
}
END_TEST

/* --- reading --- */

START_TEST(keys_are_read_in_any_case)
{
	struct kk_realm realm;

	decode(kk_schema_of_realm(),
		"{\"APIVERSION\":\"v1beta1\",\"Metadata\":{\"NAME\":\"lab\"},\"sPeC\":{"
		"\"Namespace\":\"n\"}}",
		&realm);
	ck_assert_str_eq(realm.api_version, "v1beta1");
	ck_assert_str_eq(realm.metadata.name, "lab");
	ck_assert_str_eq(realm.spec.namespace, "n");
	kk_realm_release(&realm);
}
END_TEST

START_TEST(exact_key_wins)
{
	struct kk_git_identity identity;

	decode(kk_schema_of_git_identity(), "{\"NAME\":\"a\",\"name\":\"b\",\"Name\":\"c\"}",
		&identity);
	ck_assert_str_eq(identity.name, "b");
	kk_git_identity_release(&identity);
}
END_TEST

START_TEST(unknown_keys_are_ignored)
{
	struct kk_git_identity identity;

	decode(kk_schema_of_git_identity(), "{\"name\":\"a\",\"names\":[1],\"x\":{\"y\":null}}",
		&identity);
	ck_assert_str_eq(identity.name, "a");
	kk_git_identity_release(&identity);
}
END_TEST

START_TEST(null_and_absent_are_alike)
{
	static const char *const texts[] = {"{}",
		"{\"id\":null,\"root\":null,\"args\":null,\"volumes\":null,\"capabilities\":null,"
		"\"restartMaxRetries\":null,\"resources\":{\"pidsLimit\":null}}"};

	for (size_t i = 0; i < KK_COUNT(texts); i++) {
		struct kk_container_spec spec;

		decode(kk_schema_of_container_spec(), texts[i], &spec);
		ck_assert(kk_schema_is_empty(kk_schema_of_container_spec(), &spec));
		ck_assert(!spec.args.is_set);
		ck_assert(!spec.volumes.is_set);
		ck_assert(!spec.restart_max_retries.is_set);
	}
}
END_TEST

START_TEST(null_inside_lists_and_maps_is_empty)
{
	struct kk_container_spec spec;
	struct kk_metadata metadata;

	decode(kk_schema_of_container_spec(), "{\"args\":[\"a\",null,\"\"],\"env\":[]}", &spec);
	ck_assert_uint_eq(spec.args.n, 3);
	ck_assert_str_eq(spec.args.items[1], "");
	ck_assert_str_eq(spec.args.items[2], "");
	ck_assert(spec.env.is_set);
	kk_container_spec_release(&spec);
	decode(kk_schema_of_metadata(), "{\"labels\":{\"b\":null,\"a\":\"x\"}}", &metadata);
	ck_assert_uint_eq(metadata.labels.n, 2);
	ck_assert_str_eq(metadata.labels.items[0].key, "a");
	ck_assert_str_eq(kk_map_get(&metadata.labels, "b"), "");
	kk_metadata_release(&metadata);
}
END_TEST

START_TEST(states_are_labels_or_numbers)
{
	static const struct {
		const char *text;
		int state;
	} states[] = {
		{"{\"state\":\"Ready\"}", KK_CELL_READY},
		{"{\"state\":\"Degraded\"}", KK_CELL_DEGRADED},
		{"{\"state\":0}", KK_CELL_PENDING},
		{"{\"state\":7}", KK_CELL_DEGRADED},
		{"{}", KK_CELL_PENDING},
	};

	for (size_t i = 0; i < KK_COUNT(states); i++) {
		struct kk_cell_status status;

		decode(kk_schema_of_cell_status(), states[i].text, &status);
		ck_assert_int_eq(status.state, states[i].state);
		kk_schema_release(kk_schema_of_cell_status(), &status);
	}
}
END_TEST

START_TEST(wrong_states_are_refused_as_the_api_refuses_them)
{
	check_refused(kk_schema_of_cell_status(), "{\"state\":\"Running\"}",
		"cell state: unknown label \"Running\"");
	check_refused(kk_schema_of_cell_status(), "{\"state\":\"ready\"}",
		"cell state: unknown label \"ready\"");
	check_refused(kk_schema_of_cell_status(), "{\"state\":\"2\"}",
		"cell state: unknown label \"2\"");
	check_refused(kk_schema_of_realm_status(), "{\"state\":\"\"}",
		"realm state: unknown label \"\"");
	check_refused(kk_schema_of_realm_status(), "{\"state\":6}",
		"realm state: int 6 out of range");
	check_refused(kk_schema_of_space_status(), "{\"state\":4}",
		"space state: int 4 out of range");
	check_refused(kk_schema_of_stack_status(), "{\"state\":-1}",
		"stack state: int -1 out of range");
	check_refused(kk_schema_of_container_status(), "{\"state\":10}",
		"container state: int 10 out of range");
	check_refused(kk_schema_of_cell_status(), "{\"state\":4294967296}",
		"cell state: int 4294967296 out of range");
	check_refused(kk_schema_of_cell_status(), "{\"state\":null}",
		"cell state: expected string or int, got null");
}
END_TEST

START_TEST(state_of_another_type_is_quoted)
{
	check_refused(kk_schema_of_cell_status(), "{\"state\":true}",
		"cell state: expected string or int, got true");
	check_refused(kk_schema_of_cell_status(), "{\"state\":[1]}",
		"cell state: expected string or int, got [1]");
}
END_TEST

START_TEST(null_state_is_refused_whatever_the_case_of_its_key)
{
	check_refused(kk_schema_of_cell_status(), "{\"State\":null}",
		"cell state: expected string or int, got null");
}
END_TEST

START_TEST(times_are_read)
{
	struct kk_realm_status status;

	decode(kk_schema_of_realm_status(),
		"{\"createdAt\":\"2026-01-02T03:04:05.5Z\",\"updatedAt\":null,"
		"\"readyAt\":\"0001-01-01T00:00:00Z\"}",
		&status);
	ck_assert_int_eq(status.created_at, 1767323045500000000);
	ck_assert_int_eq(status.updated_at, KK_TIME_ZERO);
	ck_assert_int_eq(status.ready_at, KK_TIME_ZERO);
}
END_TEST

START_TEST(what_is_no_time_is_refused)
{
	check_refused(kk_schema_of_realm_status(), "{\"createdAt\":\"\"}",
		"field 'createdAt': parsing time \"\\\"\\\"\" as "
		"\"\\\"2006-01-02T15:04:05Z07:00\\\"\": cannot parse \"\" as \"2006\"");
	check_refused(kk_schema_of_realm_status(), "{\"createdAt\":\"yesterday\"}",
		"field 'createdAt': parsing time \"\\\"yesterday\\\"\" as "
		"\"\\\"2006-01-02T15:04:05Z07:00\\\"\": cannot parse \"yesterday\" as \"2006\"");
	check_refused(kk_schema_of_realm_status(), "{\"readyAt\":0}",
		"json: cannot unmarshal number into field 'readyAt' of type time.Time");
}
END_TEST

START_TEST(wrong_types_are_named)
{
	static const struct {
		const char *text;
		const char *want;
	} texts[] = {
		{"{\"id\":1}", "json: cannot unmarshal number into field 'id' of type string"},
		{"{\"image\":[]}",
			"json: cannot unmarshal array into field 'image' of type string"},
		{"{\"root\":\"yes\"}",
			"json: cannot unmarshal string into field 'root' of type bool"},
		{"{\"root\":1}", "json: cannot unmarshal number into field 'root' of type bool"},
		{"{\"kukeonGroupGID\":\"1\"}",
			"json: cannot unmarshal string into field 'kukeonGroupGID' of type int64"},
		{"{\"kukeonGroupGID\":1.0}",
			"json: cannot unmarshal number into field 'kukeonGroupGID' of type int64"},
		{"{\"kukeonGroupGID\":1e3}",
			"json: cannot unmarshal number into field 'kukeonGroupGID' of type int64"},
		{"{\"restartMaxRetries\":true}",
			"json: cannot unmarshal bool into field 'restartMaxRetries' of type int64"},
		{"{\"args\":\"a\"}",
			"json: cannot unmarshal string into field 'args' of type list"},
		{"{\"args\":[1]}",
			"json: cannot unmarshal number into field 'args' of type string"},
		{"{\"volumes\":{}}",
			"json: cannot unmarshal object into field 'volumes' of type list"},
		{"{\"volumes\":[1]}",
			"json: cannot unmarshal number into field 'volumes' of type volume_mount"},
		{"{\"tty\":[]}",
			"json: cannot unmarshal array into field 'tty' of type container_tty"},
		{"[]", "json: cannot unmarshal array into container_spec"},
		{"\"x\"", "json: cannot unmarshal string into container_spec"},
		{"null", "json: cannot unmarshal null into container_spec"},
	};

	for (size_t i = 0; i < KK_COUNT(texts); i++)
		check_refused(kk_schema_of_container_spec(), texts[i].text, texts[i].want);
	check_refused(kk_schema_of_metadata(), "{\"labels\":[]}",
		"json: cannot unmarshal array into field 'labels' of type map");
	check_refused(kk_schema_of_metadata(), "{\"labels\":{\"a\":1}}",
		"json: cannot unmarshal number into field 'labels' of type string");
	check_refused(kk_schema_of_egress_rule(), "{\"ports\":[\"443\"]}",
		"json: cannot unmarshal string into field 'ports' of type int");
	check_refused(kk_schema_of_egress_rule(), "{\"ports\":[443,1.5]}",
		"json: cannot unmarshal number into field 'ports' of type int");
	check_refused(kk_schema_of_container_defaults(), "{\"readOnlyRootFilesystem\":0}",
		"json: cannot unmarshal number into field 'readOnlyRootFilesystem' of type bool");
}
END_TEST

START_TEST(nothing_at_all_is_refused)
{
	struct kk_metadata metadata;
	struct kk_err err = {0};

	check_code(kk_json_decode(kk_schema_of_metadata(), NULL, &metadata, &err), KK_E_CONVERSION);
	check_error(&err, KK_E_CONVERSION, "json: cannot unmarshal nothing into metadata");
}
END_TEST

/* What was read before the mistake must not stay behind. */
START_TEST(failure_owns_nothing)
{
	check_refused(kk_schema_of_cell(),
		"{\"metadata\":{\"name\":\"a\",\"labels\":{\"x\":\"y\"}},\"spec\":{\"containers\":[{"
		"\"id\":\"a\",\"args\":[\"b\",\"c\"]},{\"id\":\"d\",\"image\":5}]}}",
		"json: cannot unmarshal number into field 'image' of type string");
}
END_TEST

START_TEST(strings_have_limits)
{
	char name[300] = "";
	kk_auto_free char *exact = NULL, *more = NULL;
	struct kk_metadata metadata;

	memset(name, 'n', 253);
	exact = kk_xprintf("{\"name\":\"%s\"}", name);
	decode(kk_schema_of_metadata(), exact, &metadata);
	ck_assert_uint_eq(strlen(metadata.name), 253);
	kk_metadata_release(&metadata);
	more = kk_xprintf("{\"name\":\"%sx\"}", name);
	check_refused(kk_schema_of_metadata(), more, "field 'name' is longer than 253 bytes");
	check_refused(kk_schema_of_metadata(), "{\"name\":\"a\\u0000b\"}",
		"field 'name' has a zero byte");
}
END_TEST

START_TEST(lists_have_limits)
{
	kk_auto_json *json = json_object(), *args = json_array();
	struct kk_container_spec spec;
	struct kk_err err = {0};

	for (int i = 0; i < 4097; i++)
		json_array_append_new(args, json_string("a"));
	json_object_set(json, "args", args);
	check_code(kk_json_decode(kk_schema_of_container_spec(), json, &spec, &err),
		KK_E_CONVERSION);
	check_error(&err, KK_E_CONVERSION, "field 'args' has more than 4096 items");
}
END_TEST

START_TEST(maps_have_limits)
{
	kk_auto_json *json = json_object(), *labels = json_object();
	struct kk_metadata metadata;
	struct kk_err err = {0};

	for (int i = 0; i < 4097; i++) {
		kk_auto_free char *key = kk_xprintf("k%d", i);

		json_object_set_new(labels, key, json_string("v"));
	}
	json_object_set(json, "labels", labels);
	check_code(kk_json_decode(kk_schema_of_metadata(), json, &metadata, &err), KK_E_CONVERSION);
	check_error(&err, KK_E_CONVERSION, "field 'labels' has more than 4096 items");
}
END_TEST

START_TEST(member_is_found_in_any_case)
{
	kk_auto_json *json = loaded("{\"Doc\":{\"a\":1},\"nothing\":null,\"X\":1,\"x\":2}");

	ck_assert(json_is_object(kk_json_get(json, "Doc")));
	ck_assert(json_is_object(kk_json_get(json, "doc")));
	ck_assert_ptr_null(kk_json_get(json, "do"));
	ck_assert_ptr_null(kk_json_get(json, "nothing"));
	ck_assert_ptr_null(kk_json_get(json, "Nothing"));
	ck_assert_int_eq(json_integer_value(kk_json_get(json, "x")), 2);
	ck_assert_int_eq(json_integer_value(kk_json_get(json, "X")), 1);
	ck_assert_ptr_null(kk_json_get(NULL, "x"));
}
END_TEST

CHECK_MAIN("json", empty_documents_are_those_of_the_api, full_realm_is_that_of_the_api,
	absent_and_empty_lists_are_told_apart, option_that_was_given_is_written_whatever_it_is,
	map_keys_are_sorted, ports_are_numbers, string_that_is_no_utf8_is_replaced,
	internal_fields_are_on_disk_alone, input_fields_are_in_requests_alone,
	secrets_are_in_every_form, list_never_given_is_null, whole_documents_go_both_ways,
	keys_are_read_in_any_case, exact_key_wins, unknown_keys_are_ignored,
	null_and_absent_are_alike, null_inside_lists_and_maps_is_empty,
	states_are_labels_or_numbers, wrong_states_are_refused_as_the_api_refuses_them,
	state_of_another_type_is_quoted, null_state_is_refused_whatever_the_case_of_its_key,
	times_are_read, what_is_no_time_is_refused, wrong_types_are_named,
	nothing_at_all_is_refused, failure_owns_nothing, strings_have_limits, lists_have_limits,
	maps_have_limits, member_is_found_in_any_case)
