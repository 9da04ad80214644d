/* tests/unit/test_yaml.c */
#include <string.h>
#include <unistd.h>

#include <kukeon/buf.h>
#include <kukeon/clock.h>
#include <kukeon/model.h>

#include "../support/check.h"
#include "../support/sample.h"

enum { SEED = 20260102, OBJECTS = 300 };

#define REALM "kind: Realm\nmetadata: {name: lab}\n"
#define CONTAINER                                                                   \
	"kind: Container\nmetadata: {name: c}\nspec:\n  realmId: r\n  spaceId: s\n" \
	"  stackId: t\n  cellId: e\n  image: busybox\n"

static void parse(const char *text, struct kk_manifests *ret_manifests)
{
	struct kk_err err = {0};

	check_ok(kk_yaml_parse(text, strlen(text), ret_manifests, &err), &err);
}

/* Read the one container that @text adds fields to, from line 9 on. */
static struct kk_container_spec container_of(const char *text)
{
	kk_auto_free char *whole = kk_xprintf(CONTAINER "%s", text);
	struct kk_manifests manifests = {0};
	struct kk_container_spec spec;

	parse(whole, &manifests);
	ck_assert_uint_eq(manifests.n, 1);
	ck_assert_uint_eq(manifests.warnings.n, 0);
	kk_schema_copy(kk_schema_of_container_spec(), &manifests.items[0].doc.container.spec,
		&spec);
	kk_manifests_release(&manifests);
	return spec;
}

static void check_fails(const char *text, size_t len, int code, const char *want)
{
	struct kk_manifests manifests = {.n = 4711};
	struct kk_err err = {0};

	check_code(kk_yaml_parse(text, len, &manifests, &err), code);
	check_error(&err, code, want);
	ck_assert_uint_eq(manifests.n, 4711);
}

static void check_unreadable(const char *text, const char *want)
{
	check_fails(text, strlen(text), KK_E_PARSE, want);
}

/* One problem, whatever stands between it and the words before it. */
static void check_problem(const char *text, const char *want)
{
	static const char begin[] = "validation failed:";
	struct kk_manifests manifests = {0};
	struct kk_err err = {0};
	char got[2 * KK_ERR_TEXT], *problem;

	check_code(kk_yaml_parse(text, strlen(text), &manifests, &err), KK_E_INVALID);
	check_code(err.code, KK_E_INVALID);
	kk_err_format(&err, got, sizeof got);
	ck_assert_msg(kk_str_starts(got, begin), "%s", got);
	problem = got + strlen(begin);
	problem += strspn(problem, " \n");
	ck_assert_str_eq(problem, want);
}

/* A field of the container of CONTAINER, on line 9. */
static void check_field_problem(const char *line, const char *want)
{
	kk_auto_free char *text = kk_xprintf(CONTAINER "  %s\n", line);
	kk_auto_free char *problem =
		kk_xprintf("document 0 (Container \"c\"): failed to parse Container: line 9: %s",
			want);

	check_problem(text, problem);
}

/* --- streams --- */

START_TEST(documents_of_a_stream_are_numbered)
{
	struct kk_manifests manifests = {0};

	parse("kind: Realm\nmetadata:\n  name: a\n---\nkind: Space\nmetadata:\n  name: b\n"
	      "spec:\n  realmId: a\n---\n" CONTAINER,
		&manifests);
	ck_assert_uint_eq(manifests.n, 3);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(manifests.items[i].index, i);
	ck_assert_int_eq(manifests.items[0].kind, KK_KIND_REALM);
	ck_assert_str_eq(manifests.items[0].doc.realm.metadata.name, "a");
	ck_assert_int_eq(manifests.items[1].kind, KK_KIND_SPACE);
	ck_assert_str_eq(manifests.items[1].doc.space.spec.realm_id, "a");
	ck_assert_int_eq(manifests.items[2].kind, KK_KIND_CONTAINER);
	ck_assert_str_eq(manifests.items[2].doc.container.spec.image, "busybox");
	ck_assert_uint_eq(manifests.warnings.n, 0);
	kk_manifests_release(&manifests);
	ck_assert_uint_eq(manifests.n, 0);
}
END_TEST

START_TEST(documents_without_content_do_not_count)
{
	struct kk_manifests manifests = {0};

	parse("# a licence\n---\n# nothing\n---\n\n---\n~\n---\n" REALM "---\n---\n# end\n"
	      "--- # with a comment\n" REALM "...\n",
		&manifests);
	ck_assert_uint_eq(manifests.n, 2);
	ck_assert_int_eq(manifests.items[0].index, 0);
	ck_assert_int_eq(manifests.items[1].index, 1);
	kk_manifests_release(&manifests);
}
END_TEST

START_TEST(stream_of_nothing_is_unreadable)
{
	static const char *const streams[] = {
		"", "\n\n", "# comment\n", "---\n", "---\n---\n", "~\n"};

	for (size_t i = 0; i < KK_COUNT(streams); i++)
		check_unreadable(streams[i], "failed to parse YAML: no documents found in input");
}
END_TEST

START_TEST(what_may_be_left_out_is_filled_in)
{
	struct kk_manifests manifests = {0};
	const struct kk_container *container;

	parse("apiVersion: \"\"\nkind: Stack\nmetadata: {name: t}\nspec: {realmId: r, spaceId: s}\n"
	      "---\nkind: Container\nspec: {id: c, realmId: r, spaceId: s, stackId: t, cellId: e, "
	      "image: i}\n",
		&manifests);
	ck_assert_str_eq(manifests.items[0].doc.stack.api_version, "v1beta1");
	ck_assert_str_eq(manifests.items[0].doc.stack.kind, "Stack");
	ck_assert_ptr_null(manifests.items[0].doc.stack.spec.id);
	container = &manifests.items[1].doc.container;
	ck_assert_str_eq(container->metadata.name, "c");
	kk_manifests_release(&manifests);
}
END_TEST

START_TEST(json_is_yaml)
{
	struct kk_manifests manifests = {0};

	parse("{\"apiVersion\": \"v1beta1\", \"kind\": \"Realm\",\n \"metadata\": {\"name\": \"lab\", "
	      "\"labels\": {\"a\": \"b\"}}}\n",
		&manifests);
	ck_assert_str_eq(manifests.items[0].doc.realm.metadata.name, "lab");
	ck_assert_str_eq(kk_map_get(&manifests.items[0].doc.realm.metadata.labels, "a"), "b");
	kk_manifests_release(&manifests);
}
END_TEST

START_TEST(line_ends_of_windows_are_line_ends)
{
	struct kk_manifests manifests = {0};

	parse("kind: Realm\r\nmetadata:\r\n  name: lab\r\nspec:\r\n  namespace: |\r\n    a\r\n    b\r\n"
	      "---\r\nkind: Realm\r\nmetadata: {name: two}\r\n",
		&manifests);
	ck_assert_uint_eq(manifests.n, 2);
	ck_assert_str_eq(manifests.items[0].doc.realm.metadata.name, "lab");
	ck_assert_str_eq(manifests.items[0].doc.realm.spec.namespace, "a\nb\n");
	kk_manifests_release(&manifests);
}
END_TEST

START_TEST(separator_inside_a_text_is_text)
{
	struct kk_container_spec spec =
		container_of("  attachable: true\n  tty:\n    onInit:\n    - script: |\n"
			     "        one\n        ---\n        two\n      runOn: start\n");

	ck_assert_str_eq(spec.tty.on_init.items[0].script, "one\n---\ntwo\n");
	ck_assert_str_eq(spec.tty.on_init.items[0].run_on, "start");
	kk_container_spec_release(&spec);
}
END_TEST

START_TEST(anchors_stand_for_what_they_name)
{
	struct kk_manifests manifests = {0};
	const struct kk_cell *cell;

	parse("kind: Cell\nmetadata: {name: web}\nspec:\n  realmId: &r lab\n  spaceId: *r\n"
	      "  stackId: *r\n  containers:\n  - id: a\n    image: x\n    resources: &res\n"
	      "      pidsLimit: 64\n    env: &env [A=1, B=2]\n"
	      "  - {id: b, image: x, resources: *res, env: *env}\n",
		&manifests);
	cell = &manifests.items[0].doc.cell;
	ck_assert_str_eq(cell->spec.stack_id, "lab");
	ck_assert_int_eq(cell->spec.containers.items[1].resources.pids_limit.value, 64);
	ck_assert_uint_eq(cell->spec.containers.items[1].env.n, 2);
	ck_assert_str_eq(cell->spec.containers.items[1].env.items[1], "B=2");
	kk_manifests_release(&manifests);
}
END_TEST

START_TEST(anchor_ends_with_its_document)
{
	check_unreadable("kind: Realm\nmetadata: &m {name: a}\n---\nkind: Realm\nmetadata: *m\n",
		"failed to parse YAML: line 5, column 11: found undefined alias");
}
END_TEST

/* --- syntax --- */

START_TEST(broken_syntax_is_told_by_line_and_column)
{
	check_unreadable("kind: Realm\nmetadata:\n\tname: a\n",
		"failed to parse YAML: line 3, column 1: found character that cannot start any "
		"token");
	check_unreadable("kind: Realm\nmetadata: {name: a\n",
		"failed to parse YAML: line 3, column 1: did not find expected ',' or '}'");
	check_unreadable("kind: Realm\nmetadata: {name: \"a\n",
		"failed to parse YAML: line 3, column 1: found unexpected end of stream");
	check_unreadable("kind: Realm\n  name: a\n",
		"failed to parse YAML: line 2, column 7: mapping values are not allowed in this "
		"context");
	check_unreadable(REALM "---\n: : :\n",
		"failed to parse YAML: line 4, column 1: did not find expected key");
}
END_TEST

START_TEST(bytes_that_are_no_utf8_are_told_by_offset)
{
	check_unreadable("kind: Realm\nmetadata: {name: \"a\xff\"}\n",
		"failed to parse YAML: byte 31: invalid leading UTF-8 octet");
	check_unreadable("kind: Realm\x01\n",
		"failed to parse YAML: byte 11: control characters are not allowed");
}
END_TEST

START_TEST(broken_syntax_hides_no_earlier_manifest)
{
	/* Nothing is returned of the documents before it. */
	check_unreadable(REALM "---\nkind: [\n",
		"failed to parse YAML: line 5, column 1: did not find expected node content");
}
END_TEST

/* --- header --- */

START_TEST(header_must_be_known)
{
	check_problem("apiVersion: v2\nkind: Realm\nmetadata: {name: a}\n",
		"document 0 (Realm): unsupported apiVersion: v2 (expected v1beta1)");
	check_problem("kind: Bogus\nmetadata: {name: a}\n",
		"document 0 (Bogus): unknown kind: Bogus");
	check_problem("kind: realm\n", "document 0 (realm): unknown kind: realm");
	check_problem("kind: Secret\n", "document 0 (Secret): unknown kind: Secret");
	check_problem("kind: ServerConfiguration\n",
		"document 0 (ServerConfiguration): unknown kind: ServerConfiguration");
	check_problem("metadata: {name: a}\n", "document 0 (): unknown kind: ");
	check_problem("kind: [Realm]\n", "document 0 (): unknown kind: ");
	check_problem("- kind: Realm\n",
		"document 0 (): failed to parse kind: line 1: a document must be a map, not a list");
	check_problem("\njust words\n",
		"document 0 (): failed to parse kind: line 2: a document must be a map, not a scalar");
}
END_TEST

/* --- problems --- */

START_TEST(all_problems_of_a_stream_are_listed)
{
	static const char text[] = "kind: Space\nmetadata: {labels: {}}\n"
				   "---\n" REALM "---\n"
				   "kind: Realm\nmetadata:\n  name: [x]\n"
				   "---\nkind: Bogus\n"
				   "---\nkind: Cell\nmetadata: {name: web}\nspec: {realmId: r}\n";

	check_fails(text, strlen(text), KK_E_INVALID,
		"validation failed:\n"
		"  document 0 (Space): metadata.name is required\n"
		"  document 0 (Space): spec.realmId is required\n"
		"  document 2 (Realm): failed to parse Realm: line 9: 'name' must be a string, not a "
		"list\n"
		"  document 3 (Bogus): unknown kind: Bogus\n"
		"  document 4 (Cell \"web\"): spec.spaceId is required\n"
		"  document 4 (Cell \"web\"): spec.stackId is required\n"
		"  document 4 (Cell \"web\"): spec.containers is required and cannot be empty");
}
END_TEST

START_TEST(long_list_of_problems_ends_with_a_count)
{
	kk_auto_buf text = {0};
	struct kk_manifests manifests = {0};
	struct kk_err err = {0};
	char got[KK_ERR_TEXT * KK_ERR_FRAMES], *shown;
	int n_shown = 0;

	for (int i = 0; i < 40; i++)
		kk_buf_printf(&text, "---\nkind: Space\nmetadata: {name: s%d}\n", i);
	check_code(kk_yaml_parse((char *)text.data, text.len, &manifests, &err), KK_E_INVALID);
	kk_err_format(&err, got, sizeof got);
	for (shown = got; (shown = strstr(shown, "spec.realmId is required")); shown++)
		n_shown++;
	ck_assert_int_ge(n_shown, 10);
	shown = strstr(got, "\n  … and ");
	ck_assert_ptr_nonnull(shown);
	ck_assert_int_eq(atoi(shown + strlen("\n  … and ")) + n_shown, 40);
}
END_TEST

START_TEST(one_problem_is_listed_like_many)
{
	static const char text[] = "kind: Bogus\n";

	check_fails(text, strlen(text), KK_E_INVALID,
		"validation failed:\n  document 0 (Bogus): unknown kind: Bogus");
}
END_TEST

START_TEST(keys_may_not_be_there_twice)
{
	check_problem("kind: Realm\nmetadata:\n  name: a\n  name: b\n",
		"document 0 (Realm \"a\"): failed to parse Realm: line 4: key 'name' is there twice");
	check_problem("kind: Realm\nmetadata: {name: a}\nspec: {}\nspec: {}\n",
		"document 0 (Realm \"a\"): failed to parse Realm: line 4: key 'spec' is there twice");
	check_problem("kind: Realm\nmetadata:\n  name: a\n  labels:\n    x: 1\n    x: 2\n",
		"document 0 (Realm \"a\"): failed to parse Realm: line 6: key 'x' is there twice");
}
END_TEST

START_TEST(keys_must_be_scalars)
{
	check_problem("kind: Realm\nmetadata:\n  name: a\n  ? [x]\n  : 1\n",
		"document 0 (Realm \"a\"): failed to parse Realm: line 4: a key of 'metadata' is a "
		"list");
	check_problem("kind: Realm\nmetadata:\n  name: a\n  labels:\n    ? {x: y}\n    : 1\n",
		"document 0 (Realm \"a\"): failed to parse Realm: line 5: 'labels' must be a map with "
		"plain keys, not a map");
}
END_TEST

START_TEST(unknown_fields_are_warned_of)
{
	struct kk_manifests manifests = {0};

	parse(REALM "---\nkind: Cell\nmetadata:\n  name: web\n  colour: red\nspec:\n  realmId: r\n"
		    "  spaceId: s\n  stackId: t\n  runtimeEnv: [A=1]\n  containers:\n  - id: a\n"
		    "    image: x\n    imagee: y\n    tty: {}\n    resources: {memory: 1}\n"
		    "extra: {a: b}\nkukeon: {want: running}\nSpec: {}\n",
		&manifests);
	ck_assert_uint_eq(manifests.n, 2);
	ck_assert_uint_eq(manifests.warnings.n, 7);
	ck_assert_str_eq(manifests.warnings.items[0],
		"document 1, line 7: unknown field 'metadata.colour' ignored");
	ck_assert_str_eq(manifests.warnings.items[1],
		"document 1, line 12: unknown field 'spec.runtimeEnv' ignored");
	ck_assert_str_eq(manifests.warnings.items[2],
		"document 1, line 16: unknown field 'spec.containers[0].imagee' ignored");
	ck_assert_str_eq(manifests.warnings.items[3],
		"document 1, line 18: unknown field 'spec.containers[0].resources.memory' ignored");
	ck_assert_str_eq(manifests.warnings.items[4],
		"document 1, line 19: unknown field 'extra' ignored");
	ck_assert_str_eq(manifests.warnings.items[5],
		"document 1, line 20: unknown field 'kukeon' ignored");
	ck_assert_str_eq(manifests.warnings.items[6],
		"document 1, line 21: unknown field 'Spec' ignored");
	ck_assert_uint_eq(manifests.items[1].doc.cell.spec.runtime_env.n, 0);
	ck_assert_ptr_null(manifests.items[1].doc.cell.intent.want);
	kk_manifests_release(&manifests);
	ck_assert_uint_eq(manifests.warnings.n, 0);
}
END_TEST

/* --- values --- */

START_TEST(integers_are_read_as_yaml_1_1_and_1_2_write_them)
{
	static const struct {
		const char *text;
		int64_t want;
	} values[] = {
		{"0", 0},
		{"755", 755},
		{"+5", 5},
		{"-1", -1},
		{"0755", 493},
		{"0o755", 493},
		{"-0o17", -15},
		{"0x1f", 31},
		{"0xFF", 255},
		{"0b101", 5},
		{"1_000", 1000},
		{"1e3", 1000},
		{"1.5e3", 1500},
		{"3.7", 3},
		{"-3.7", -3},
		{"9223372036854775807", INT64_MAX},
		{"-9223372036854775807", -INT64_MAX},
		{"!!int 7", 7},
	};

	for (size_t i = 0; i < KK_COUNT(values); i++) {
		kk_auto_free char *line =
			kk_xprintf("  resources: {pidsLimit: %s}\n", values[i].text);
		struct kk_container_spec spec = container_of(line);

		ck_assert(spec.resources.pids_limit.is_set);
		ck_assert_msg(spec.resources.pids_limit.value == values[i].want, "%s is %lld",
			values[i].text, (long long)spec.resources.pids_limit.value);
		kk_container_spec_release(&spec);
	}
}
END_TEST

START_TEST(what_is_no_integer_is_refused)
{
	static const char *const values[] = {"many", "1k", "0x", "0xg", "0o8", "08", "1e400",
		"1.2.3", "--1", "+-1", "true", "9223372036854775808", "-9223372036854775809",
		"1e19", "99999999999999999999999999999999999999999999999999999999999999999999",
		"1 2"};

	for (size_t i = 0; i < KK_COUNT(values); i++) {
		kk_auto_free char *line = kk_xprintf("restartMaxRetries: %s", values[i]);
		kk_auto_free char *want =
			kk_xprintf("'restartMaxRetries' must be an integer, not '%.64s'",
				values[i]);

		check_field_problem(line, want);
	}
	check_field_problem("restartMaxRetries: \"3\"",
		"'restartMaxRetries' must be an integer, not '3'");
	check_field_problem("restartMaxRetries: '3'",
		"'restartMaxRetries' must be an integer, not '3'");
	check_field_problem("restartMaxRetries: [3]",
		"'restartMaxRetries' must be an integer, not a list");
}
END_TEST

START_TEST(smallest_integer_is_one)
{
	struct kk_container_spec spec =
		container_of("  resources: {pidsLimit: -9223372036854775808}\n");

	ck_assert_int_eq(spec.resources.pids_limit.value, INT64_MIN);
	kk_container_spec_release(&spec);
}
END_TEST

START_TEST(digits_must_come_first)
{
	check_field_problem("restartMaxRetries: _1",
		"'restartMaxRetries' must be an integer, not '_1'");
	check_field_problem("restartMaxRetries: 0x0x1f",
		"'restartMaxRetries' must be an integer, not '0x0x1f'");
	check_field_problem("restartMaxRetries: 0x-1",
		"'restartMaxRetries' must be an integer, not '0x-1'");
}
END_TEST

START_TEST(booleans_have_many_words)
{
	static const char *const yes[] = {"true", "True", "TRUE", "yes", "Yes", "on", "ON", "y"};
	static const char *const no[] = {"false", "False", "no", "NO", "off", "n"};

	for (size_t i = 0; i < KK_COUNT(yes); i++) {
		kk_auto_free char *line = kk_xprintf("  privileged: %s\n", yes[i]);
		struct kk_container_spec spec = container_of(line);

		ck_assert_msg(spec.privileged, "%s", yes[i]);
		kk_container_spec_release(&spec);
	}
	for (size_t i = 0; i < KK_COUNT(no); i++) {
		kk_auto_free char *line = kk_xprintf("  privileged: %s\n", no[i]);
		struct kk_container_spec spec = container_of(line);

		ck_assert_msg(!spec.privileged, "%s", no[i]);
		kk_container_spec_release(&spec);
	}
	check_field_problem("privileged: \"true\"",
		"'privileged' must be true or false, not 'true'");
	check_field_problem("privileged: 1", "'privileged' must be true or false, not '1'");
	check_field_problem("privileged: maybe", "'privileged' must be true or false, not 'maybe'");
	check_field_problem("privileged: {}", "'privileged' must be true or false, not a map");
}
END_TEST

START_TEST(tristate_false_is_not_absent)
{
	static const struct {
		const char *text;
		bool is_set;
		bool value;
	} values[] = {
		{"user: root", false, false},
		{"readOnlyRootFilesystem: false", true, false},
		{"readOnlyRootFilesystem: true", true, true},
		{"readOnlyRootFilesystem: ~", false, false},
	};

	for (size_t i = 0; i < KK_COUNT(values); i++) {
		kk_auto_buf text = {0};
		struct kk_manifests manifests = {0};
		const struct kk_container_defaults *defaults;

		kk_buf_str(&text, "kind: Space\nmetadata: {name: s}\nspec:\n  realmId: r\n");
		kk_buf_printf(&text, "  defaults: {container: {%s}}\n", values[i].text);
		parse((char *)text.data, &manifests);
		defaults = &manifests.items[0].doc.space.spec.defaults.container;
		ck_assert_int_eq(defaults->read_only_root_filesystem.is_set, values[i].is_set);
		ck_assert_int_eq(defaults->read_only_root_filesystem.value, values[i].value);
		kk_manifests_release(&manifests);
	}
}
END_TEST

START_TEST(text_of_a_scalar_is_kept_where_a_string_is_wanted)
{
	static const char *const values[] = {
		"12", "true", "1.50", "0x1f", "2026-01-01", "1e3", "no", ".inf", "0755"};

	for (size_t i = 0; i < KK_COUNT(values); i++) {
		kk_auto_free char *line = kk_xprintf("  command: %s\n", values[i]);
		struct kk_container_spec spec = container_of(line);

		ck_assert_str_eq(spec.command, values[i]);
		kk_container_spec_release(&spec);
	}
}
END_TEST

START_TEST(quoting_and_folding_are_undone)
{
	static const struct {
		const char *text;
		const char *want;
	} values[] = {
		{"\"a\\tb\\n\\u00e9\\x41\"",
			"a\tb\n\xc3\xa9"
			"A"},
		{"'it''s'", "it's"},
		{"\"null\"", "null"},
		{"'~'", "~"},
		{"|-\n    a\n      b\n    c", "a\n  b\nc"},
		{"|+\n    a\n", "a\n\n"},
		{">\n    a\n    b\n", "a b\n"},
		{"a\n    b", "a b"},
		{"a # comment", "a"},
		{"a#b", "a#b"},
	};

	for (size_t i = 0; i < KK_COUNT(values); i++) {
		kk_auto_free char *line = kk_xprintf("  command: %s\n", values[i].text);
		struct kk_container_spec spec = container_of(line);

		ck_assert_str_eq(spec.command, values[i].want);
		kk_container_spec_release(&spec);
	}
}
END_TEST

START_TEST(null_is_as_if_it_were_not_there)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};

	for (size_t i = 0; i < KK_COUNT(nulls); i++) {
		kk_auto_free char *lines = kk_xprintf(
			"  command: %s\n  privileged: %s\n  args: %s\n  volumes: %s\n  git: %s\n"
			"  restartMaxRetries: %s\n",
			nulls[i], nulls[i], nulls[i], nulls[i], nulls[i], nulls[i]);
		struct kk_container_spec spec = container_of(lines);

		ck_assert_ptr_null(spec.command);
		ck_assert(!spec.args.is_set);
		ck_assert(!spec.volumes.is_set);
		ck_assert(!spec.restart_max_retries.is_set);
		kk_container_spec_release(&spec);
	}
}
END_TEST

START_TEST(null_items_of_a_list_are_dropped)
{
	struct kk_container_spec spec =
		container_of("  args: [a, ~, \"\", null, \"null\", b]\n  env: []\n");

	ck_assert_uint_eq(spec.args.n, 4);
	ck_assert_str_eq(spec.args.items[0], "a");
	ck_assert_str_eq(spec.args.items[1], "");
	ck_assert_str_eq(spec.args.items[2], "null");
	ck_assert_str_eq(spec.args.items[3], "b");
	ck_assert(spec.env.is_set);
	ck_assert_uint_eq(spec.env.n, 0);
	kk_container_spec_release(&spec);
}
END_TEST

START_TEST(null_values_of_a_map_are_empty)
{
	struct kk_manifests manifests = {0};
	const struct kk_map *labels;

	parse("kind: Realm\nmetadata:\n  name: a\n  labels: {c: ~, b: null, a: 12}\n", &manifests);
	labels = &manifests.items[0].doc.realm.metadata.labels;
	ck_assert_uint_eq(labels->n, 3);
	ck_assert_str_eq(labels->items[0].key, "a");
	ck_assert_str_eq(labels->items[0].value, "12");
	ck_assert_str_eq(kk_map_get(labels, "b"), "");
	ck_assert_str_eq(kk_map_get(labels, "c"), "");
	kk_manifests_release(&manifests);
}
END_TEST

START_TEST(ports_are_numbers_kept_as_text)
{
	struct kk_manifests manifests = {0};
	const struct kk_strs *ports;

	parse("kind: Space\nmetadata: {name: s}\nspec:\n  realmId: r\n  network:\n    egress:\n"
	      "      default: deny\n      allow:\n      - {cidr: 192.0.2.0/24, ports: [443, 0x1f, ~]}\n",
		&manifests);
	ports = &manifests.items[0].doc.space.spec.network.egress.allow.items[0].ports;
	ck_assert_uint_eq(ports->n, 2);
	ck_assert_str_eq(ports->items[0], "443");
	ck_assert_str_eq(ports->items[1], "31");
	kk_manifests_release(&manifests);
	check_problem("kind: Space\nmetadata: {name: s}\nspec:\n  realmId: r\n  network:\n"
		      "    egress:\n      allow:\n      - {host: a, ports: [443, \"80\"]}\n",
		"document 0 (Space \"s\"): failed to parse Space: line 8: 'ports' must be an integer, "
		"not '80'");
}
END_TEST

START_TEST(wrong_types_are_told_by_line)
{
	check_field_problem("args: one", "'args' must be a list, not 'one'");
	check_field_problem("env: {A: 1}", "'env' must be a list, not a map");
	check_field_problem("env: [[A=1]]", "'env' must be a string, not a list");
	check_field_problem("command: [a]", "'command' must be a string, not a list");
	check_field_problem("command: {a: b}", "'command' must be a string, not a map");
	check_field_problem("volumes: {}", "'volumes' must be a list, not a map");
	check_field_problem("volumes: [/data]", "spec.volumes[0] must be a map, not a scalar");
	check_field_problem("resources: 5", "spec.resources must be a map, not a scalar");
	check_problem("kind: Realm\nmetadata:\n  name: a\n  labels: [x]\n",
		"document 0 (Realm \"a\"): failed to parse Realm: line 4: 'labels' must be a map, not "
		"a list");
	check_problem("kind: Realm\nmetadata:\n  name: a\n  labels:\n    x: [y]\n",
		"document 0 (Realm \"a\"): failed to parse Realm: line 5: 'labels' must be a string, "
		"not a list");
	check_problem("kind: Realm\nmetadata: [a]\n",
		"document 0 (Realm): failed to parse Realm: line 2: metadata must be a map, not a list");
}
END_TEST

START_TEST(states_are_labels_or_numbers)
{
	static const char *const states[] = {"Stopped", "2", "\"Stopped\""};

	for (size_t i = 0; i < KK_COUNT(states); i++) {
		kk_auto_free char *text = kk_xprintf(CONTAINER "status: {state: %s}\n", states[i]);
		struct kk_manifests manifests = {0};

		parse(text, &manifests);
		ck_assert_int_eq(manifests.items[0].doc.container.status.state,
			KK_CONTAINER_STOPPED);
		kk_manifests_release(&manifests);
	}
}
END_TEST

START_TEST(wrong_states_fail_the_document)
{
	static const struct {
		const char *state;
		const char *want;
	} states[] = {
		{"Running", "unknown label \"Running\""},
		{"ready", "unknown label \"ready\""},
		{"\"2\"", "unknown label \"2\""},
		{"\"\"", "unknown label \"\""},
		{"6", "int 6 out of range"},
		{"-1", "int -1 out of range"},
		{"[Ready]", "unknown label \"\""},
	};

	for (size_t i = 0; i < KK_COUNT(states); i++) {
		kk_auto_free char *text =
			kk_xprintf(REALM "status: {state: %s}\n", states[i].state);
		kk_auto_free char *want = kk_xprintf(
			"document 0 (Realm \"lab\"): failed to parse Realm: line 3: realm state: %s",
			states[i].want);

		check_problem(text, want);
	}
}
END_TEST

START_TEST(times_are_read)
{
	struct kk_manifests manifests = {0};

	parse(REALM
		"status: {createdAt: 2026-01-02T03:04:05.5Z, readyAt: \"1970-01-01T00:00:00Z\"}\n",
		&manifests);
	ck_assert_int_eq(manifests.items[0].doc.realm.status.created_at, 1767323045500000000);
	ck_assert_int_eq(manifests.items[0].doc.realm.status.ready_at, 0);
	ck_assert_int_eq(manifests.items[0].doc.realm.status.updated_at, KK_TIME_ZERO);
	kk_manifests_release(&manifests);
	check_problem(REALM "status: {createdAt: yesterday}\n",
		"document 0 (Realm \"lab\"): failed to parse Realm: line 3: 'createdAt' must be a time "
		"as in RFC 3339, not 'yesterday'");
}
END_TEST

/* --- limits --- */

START_TEST(string_beyond_its_limit_is_refused)
{
	char name[255] = {0};
	kk_auto_free char *exact = NULL, *more = NULL;
	struct kk_manifests manifests = {0};

	memset(name, 'n', 253);
	exact = kk_xprintf("kind: Realm\nmetadata:\n  name: %s\n", name);
	parse(exact, &manifests);
	ck_assert_uint_eq(strlen(manifests.items[0].doc.realm.metadata.name), 253);
	kk_manifests_release(&manifests);
	name[253] = 'n';
	more = kk_xprintf("kind: Realm\nmetadata:\n  name: %s\n", name);
	check_problem(more,
		"document 0 (Realm): failed to parse Realm: line 3: 'name' is longer than 253 bytes");
}
END_TEST

START_TEST(list_beyond_its_limit_is_refused)
{
	for (int n = 4096; n <= 4097; n++) {
		kk_auto_buf text = {0};

		kk_buf_str(&text, CONTAINER "  args: [");
		for (int i = 0; i < n; i++)
			kk_buf_str(&text, i ? ", a" : "a");
		kk_buf_str(&text, "]\n");
		if (n == 4096) {
			struct kk_manifests manifests = {0};

			parse((char *)text.data, &manifests);
			ck_assert_uint_eq(manifests.items[0].doc.container.spec.args.n, 4096);
			kk_manifests_release(&manifests);
		} else {
			check_problem((char *)text.data,
				"document 0 (Container \"c\"): failed to parse Container: line 9: "
				"'args' has more than 4096 items");
		}
	}
}
END_TEST

START_TEST(map_beyond_its_limit_is_refused)
{
	kk_auto_buf text = {0};

	kk_buf_str(&text, "kind: Realm\nmetadata:\n  name: a\n  labels:\n");
	for (int i = 0; i < 4097; i++)
		kk_buf_printf(&text, "    k%d: v\n", i);
	check_problem((char *)text.data,
		"document 0 (Realm \"a\"): failed to parse Realm: line 5: 'labels' has more than 4096 "
		"items");
}
END_TEST

START_TEST(zero_byte_in_a_string_is_refused)
{
	check_field_problem("command: \"a\\0b\"", "'command' has a zero byte");
}
END_TEST

START_TEST(deep_nesting_is_refused)
{
	kk_auto_buf text = {0};

	kk_buf_str(&text, REALM "x: ");
	for (int i = 0; i < 100000; i++)
		kk_buf_char(&text, '[');
	check_fails((char *)text.data, text.len, KK_E_PARSE,
		"failed to parse YAML: line 3, column 103: more than 100 levels deep");
}
END_TEST

/* libyaml compares each with each. */
START_TEST(many_anchors_are_refused)
{
	kk_auto_buf text = {0}, fine = {0};
	struct kk_manifests manifests = {0};
	struct kk_err err = {0};

	for (int i = 0; i < 100000; i++)
		kk_buf_printf(&text, "- &a%d a\n", i);
	check_fails((char *)text.data, text.len, KK_E_PARSE,
		"failed to parse YAML: line 257, column 3: more than 256 anchors in a document");
	/* Each document has its own. */
	for (int i = 0; i < 1000; i++)
		kk_buf_str(&fine, "---\n" REALM "x: &a 1\n");
	ck_assert_int_eq(kk_yaml_parse((char *)fine.data, fine.len, &manifests, &err), 0);
	kk_manifests_release(&manifests);
}
END_TEST

START_TEST(many_tag_directives_are_refused)
{
	kk_auto_buf text = {0}, fine = {0};
	struct kk_manifests manifests = {0};
	struct kk_err err = {0};

	for (int i = 0; i < 100000; i++)
		kk_buf_printf(&text, "%%TAG !a%d! tag:x\n", i);
	check_fails((char *)text.data, text.len, KK_E_PARSE,
		"failed to parse YAML: line 17, column 1: more than 16 %TAG directives");
	for (int i = 0; i < 1000; i++)
		kk_buf_str(&fine, "%YAML 1.1\n%TAG !a! tag:x\n---\n" REALM "...\n");
	ck_assert_int_eq(kk_yaml_parse((char *)fine.data, fine.len, &manifests, &err), 0);
	kk_manifests_release(&manifests);
}
END_TEST

/* Of every form that values may come in. */
START_TEST(too_many_values_are_refused)
{
	static const char *const forms[][2] = {
		{"[", "a,"}, {"", "-\n"}, {"", "---\n"}, {"{", "a: b,"}};

	for (size_t i = 0; i < KK_COUNT(forms); i++) {
		struct kk_manifests manifests = {0};
		struct kk_err err = {0};
		kk_auto_buf text = {0};

		kk_buf_str(&text, forms[i][0]);
		for (int k = 0; k < 1 << 20; k++)
			kk_buf_str(&text, forms[i][1]);
		check_code(kk_yaml_parse((char *)text.data, text.len, &manifests, &err),
			KK_E_PARSE);
		ck_assert_ptr_nonnull(strstr(err.frames[0].text, "more than 524288 tokens"));
	}
}
END_TEST

START_TEST(aliases_do_not_multiply_without_end)
{
	kk_auto_buf text = {0};
	struct kk_manifests manifests = {0};
	struct kk_err err = {0};

	kk_buf_str(&text, REALM "x: &big \"");
	for (int i = 0; i < 60000; i++)
		kk_buf_char(&text, 'a');
	kk_buf_str(&text, "\"\n---\n" CONTAINER "  env: [&e \"A=");
	for (int i = 0; i < 60000; i++)
		kk_buf_char(&text, 'a');
	kk_buf_str(&text, "\"");
	for (int i = 0; i < 1000; i++)
		kk_buf_str(&text, ", *e");
	kk_buf_str(&text, "]\n");
	check_code(kk_yaml_parse((char *)text.data, text.len, &manifests, &err), KK_E_INVALID);
	ck_assert_ptr_nonnull(strstr(err.frames[0].text, "what its aliases stand for"));
}
END_TEST

START_TEST(any_cut_of_a_stream_is_survived)
{
	static const char text[] =
		"# head\napiVersion: v1beta1\nkind: Cell\nmetadata:\n  name: web\n  labels: {a: \"b\"}\n"
		"spec:\n  realmId: r\n  spaceId: s\n  stackId: t\n  containers:\n  - &c {id: a, image: i,"
		" args: [x, 'y']}\n  - id: b\n    image: >\n      j\n    tmpfs: [{path: /t}]\n"
		"status:\n  state: Ready\n---\nkind: Realm\nmetadata: {name: lab}\n";

	for (size_t cut = 0; cut < sizeof text; cut++) {
		kk_auto_free char *exact = kk_xstrndup(text, cut);
		struct kk_manifests manifests = {0};
		struct kk_err err = {0};
		int r = kk_yaml_parse(exact, cut, &manifests, &err);

		if (r < 0) {
			ck_assert(r == KK_E_PARSE || r == KK_E_INVALID);
			ck_assert_uint_eq(manifests.n, 0);
			ck_assert_ptr_null(manifests.items);
		}
		kk_manifests_release(&manifests);
	}
}
END_TEST

START_TEST(any_flipped_byte_is_survived)
{
	static const char text[] =
		"kind: Cell\nmetadata:\n  name: web\n  labels: {a: \"b\"}\nspec:\n  realmId: r\n"
		"  containers:\n  - &c {id: a, image: i, args: [x, 'y']}\n  - *c\nstatus: {state: 2}\n";
	struct sample sample = {.state = SEED};

	for (unsigned i = 0; i < 20 * (sizeof text - 1); i++) {
		kk_auto_free char *copy = kk_xstrndup(text, sizeof text - 1);
		struct kk_manifests manifests = {0};
		struct kk_err err = {0};
		int r;

		copy[i % (sizeof text - 1)] = (char)sample_below(&sample, 256);
		r = kk_yaml_parse(copy, sizeof text - 1, &manifests, &err);
		if (r < 0)
			ck_assert(r == KK_E_PARSE || r == KK_E_INVALID);
		kk_manifests_release(&manifests);
	}
}
END_TEST

/* --- one mapping --- */

START_TEST(single_mapping_is_read)
{
	static const char text[] = "kind: ServerConfiguration\nunknown: 1\nspec:\n  socketGID: 42\n"
				   "  workers: {network: {logLevel: debug}}\n";
	struct kk_server_configuration file;
	struct kk_err err = {0};

	check_ok(kk_yaml_read(kk_schema_of_server_configuration(), text, strlen(text), &file, &err),
		&err);
	ck_assert_str_eq(file.kind, "ServerConfiguration");
	ck_assert_int_eq(file.spec.socket_gid, 42);
	ck_assert_str_eq(file.spec.workers.network.log_level, "debug");
	kk_server_configuration_release(&file);
}
END_TEST

START_TEST(empty_text_is_an_empty_object)
{
	static const char *const texts[] = {"", "# nothing\n", "~\n", "{}\n", "---\n"};

	for (size_t i = 0; i < KK_COUNT(texts); i++) {
		struct kk_server_configuration file;
		struct kk_err err = {0};

		check_ok(kk_yaml_read(kk_schema_of_server_configuration(), texts[i],
				 strlen(texts[i]), &file, &err),
			&err);
		ck_assert(kk_schema_is_empty(kk_schema_of_server_configuration(), &file));
	}
}
END_TEST

START_TEST(failed_read_owns_nothing)
{
	static const struct {
		const char *text;
		int code;
		const char *want;
	} texts[] = {
		{"spec:\n  socket: /a\n  socketGID: many\n", KK_E_INVALID,
			"line 3: 'socketGID' must be an integer, not 'many'"},
		{"- a\n", KK_E_INVALID, "line 1: a document must be a map, not a list"},
		{": : :\n", KK_E_PARSE,
			"failed to parse YAML: line 1, column 1: did not find expected key"},
	};

	for (size_t i = 0; i < KK_COUNT(texts); i++) {
		struct kk_server_configuration file;
		struct kk_err err = {0};

		check_code(kk_yaml_read(kk_schema_of_server_configuration(), texts[i].text,
				   strlen(texts[i].text), &file, &err),
			texts[i].code);
		check_error(&err, texts[i].code, texts[i].want);
		ck_assert(kk_schema_is_empty(kk_schema_of_server_configuration(), &file));
	}
}
END_TEST

/* --- writing --- */

static void check_written(const struct kk_schema *schema, const void *object, const char *want)
{
	kk_auto_buf out = {0};

	check_code(kk_yaml_write(schema, object, &out), 0);
	ck_assert_str_eq((char *)out.data, want);
}

START_TEST(empty_documents_are_written_as_go_writes_them)
{
	struct kk_realm realm;
	struct kk_space space;
	struct kk_stack stack;
	struct kk_cell cell;
	struct kk_container container;

	kk_schema_init(kk_schema_of_realm(), &realm);
	kk_schema_init(kk_schema_of_space(), &space);
	kk_schema_init(kk_schema_of_stack(), &stack);
	kk_schema_init(kk_schema_of_cell(), &cell);
	kk_schema_init(kk_schema_of_container(), &container);
	check_written(kk_schema_of_realm(), &realm,
		"apiVersion: \"\"\nkind: \"\"\nmetadata:\n  name: \"\"\n  labels: {}\nspec:\n"
		"  namespace: \"\"\nstatus:\n  state: Pending\n");
	check_written(kk_schema_of_space(), &space,
		"apiVersion: \"\"\nkind: \"\"\nmetadata:\n  name: \"\"\n  labels: {}\nspec:\n"
		"  realmId: \"\"\nstatus:\n  state: Pending\n");
	check_written(kk_schema_of_stack(), &stack,
		"apiVersion: \"\"\nkind: \"\"\nmetadata:\n  name: \"\"\n  labels: {}\nspec:\n"
		"  id: \"\"\n  realmId: \"\"\n  spaceId: \"\"\nstatus:\n  state: Pending\n"
		"  cgroupPath: \"\"\n");
	check_written(kk_schema_of_cell(), &cell,
		"apiVersion: \"\"\nkind: \"\"\nmetadata:\n  name: \"\"\n  labels: {}\nspec:\n"
		"  id: \"\"\n  realmId: \"\"\n  spaceId: \"\"\n  stackId: \"\"\n  containers: []\n"
		"status:\n  state: Pending\n  cgroupPath: \"\"\n  containers: []\n");
	check_written(kk_schema_of_container(), &container,
		"apiVersion: \"\"\nkind: \"\"\nmetadata:\n  name: \"\"\n  labels: {}\nspec:\n"
		"  id: \"\"\n  realmId: \"\"\n  spaceId: \"\"\n  stackId: \"\"\n  cellId: \"\"\n"
		"  image: \"\"\n  command: \"\"\n  args: []\n  env: []\n  ports: []\n  volumes: []\n"
		"  networks: []\n  networksAliases: []\n  privileged: false\n"
		"  restartPolicy: \"\"\nstatus:\n  name: \"\"\n  id: \"\"\n  state: Pending\n"
		"  restartCount: 0\n  restartTime: 0001-01-01T00:00:00Z\n"
		"  startTime: 0001-01-01T00:00:00Z\n  finishTime: 0001-01-01T00:00:00Z\n"
		"  exitCode: 0\n  exitSignal: \"\"\n");
}
END_TEST

START_TEST(strings_that_need_quotes_get_them)
{
	static const struct {
		const char *value;
		const char *want;
	} values[] = {
		{"plain", "plain"},
		{"", "\"\""},
		{"true", "\"true\""},
		{"No", "\"No\""},
		{"null", "\"null\""},
		{"~", "\"~\""},
		{"12", "\"12\""},
		{"0x1f", "\"0x1f\""},
		{"1_000", "\"1_000\""},
		{"1.5", "\"1.5\""},
		{"2026-01-01", "\"2026-01-01\""},
		{"2026-01-02T03:04:05Z", "\"2026-01-02T03:04:05Z\""},
		{"a: b", "'a: b'"},
		{"a #b", "'a #b'"},
		{"- a", "'- a'"},
		{"[a]", "'[a]'"},
		{"*a", "'*a'"},
		{"it's", "it's"},
		{"'a'", "'''a'''"},
		{" a", "' a'"},
		{"a ", "'a '"},
		{"a\tb", "\"a\\tb\""},
		{"caf\xc3\xa9", "caf\xc3\xa9"},
		{"10.88.0.0/16", "10.88.0.0/16"},
		{"A=1", "A=1"},
	};

	for (size_t i = 0; i < KK_COUNT(values); i++) {
		struct kk_git_identity identity = {.email = (char *)values[i].value};
		kk_auto_free char *want = kk_xprintf("name: \"\"\nemail: %s\n", values[i].want);

		check_written(kk_schema_of_git_identity(), &identity, want);
	}
}
END_TEST

START_TEST(lines_are_written_as_a_block)
{
	struct kk_tty_stage stage = {.script = (char *)"one\n  two\n\nthree"};

	check_written(kk_schema_of_tty_stage(), &stage, "script: |-\n  one\n    two\n\n  three\n");
	stage.script = (char *)"one\n---\ntwo\n";
	check_written(kk_schema_of_tty_stage(), &stage, "script: |\n  one\n  ---\n  two\n");
}
END_TEST

/* Strings that a careless writer loses: read back they are what they were. */
START_TEST(odd_strings_go_both_ways)
{
	static const char *const values[] = {"\n", "\n\n", " \n", "\n ", "a\n", "a\n\n", "\na",
		" a\nb", "a \nb", "a\n b\n", "\ta\nb", "a\n\tb", "a\r\nb", "a\rb", "\r", "---",
		"--- a", "...", "a\n---\n", "a\n...\n", "#", "# a\n# b", "a\n# b", "%YAML 1.1",
		"!!str a", "&a", "*a", "@a", "`a`", "|", ">", "|\n", "\"", "\\", "\\n", "'", "?",
		"? a", ":", ": a", "a:", ",", "{", "}", "[", "]", "\x01", "\x7f", "\xc2\x85",
		"a\xc2\x85"
		"b",
		"\xe2\x80\xa8",
		"a\xe2\x80\xa8"
		"b\n",
		"\xef\xbb\xbf"
		"a",
		"\xf0\x9f\x90\xb3", "null", "Null", "~", "<<", "=", "1e3", "0o17", "+1", ".5", "-",
		"-1", "--", " ", "  ", "\t", "a\n\n\nb", "a\n\n\n"};
	const struct kk_schema *schema = kk_schema_of_git_identity();

	for (size_t i = 0; i < KK_COUNT(values); i++) {
		struct kk_git_identity identity = {(char *)values[i], (char *)values[i]}, back;
		kk_auto_buf out = {0};
		struct kk_err err = {0};

		check_code(kk_yaml_write(schema, &identity, &out), 0);
		ck_assert_msg(kk_yaml_read(schema, (char *)out.data, out.len, &back, &err) == 0,
			"%zu: %s", i, (char *)out.data);
		ck_assert_msg(kk_schema_equal(schema, &identity, &back, 0), "%zu: %s", i,
			(char *)out.data);
		kk_git_identity_release(&back);
	}
}
END_TEST

START_TEST(whole_documents_go_both_ways)
{
	static const unsigned but = KK_JSON_ONLY | KK_INTERNAL | KK_INPUT_ONLY;
	struct sample sample = {.state = SEED, .text = SAMPLE_UTF8};

	for (int i = 0; i < OBJECTS; i++) {
		const struct kk_schema *schema = kk_kind_schema((enum kk_kind)(i % KK_KINDS));
		kk_auto_free void *object = kk_xalloc(schema->size);
		kk_auto_free void *back = kk_xalloc(schema->size);
		kk_auto_buf out = {0};
		struct kk_err err = {0};

		sample_fill(&sample, schema, object);
		check_code(kk_yaml_write(schema, object, &out), 0);
		check_ok(kk_yaml_read(schema, (char *)out.data, out.len, back, &err), &err);
		ck_assert_msg(kk_schema_equal(schema, object, back, but), "%s", (char *)out.data);
		kk_schema_release(schema, object);
		kk_schema_release(schema, back);
	}
}
END_TEST

START_TEST(written_document_is_a_manifest)
{
	static const char text[] =
		"apiVersion: v1beta1\nkind: Cell\nmetadata:\n  name: front\n  labels:\n    a: b\nspec:\n"
		"  id: front\n  realmId: lab\n  spaceId: web\n  stackId: shop\n  tty:\n"
		"    default: shell\n  containers:\n  - id: shell\n    realmId: \"\"\n    spaceId: \"\"\n"
		"    stackId: \"\"\n    cellId: \"\"\n    image: busybox\n    command: /bin/sh\n"
		"    args:\n    - -c\n    - |\n      echo\n      # not a comment\n    env: []\n"
		"    ports: []\n    volumes: []\n    networks: []\n    networksAliases: []\n"
		"    privileged: false\n    restartPolicy: on-failure\n    restartMaxRetries: 3\n"
		"    attachable: true\n    tty:\n      prompt: 'front> '\nstatus:\n  state: Pending\n"
		"  cgroupPath: \"\"\n  containers: []\n";
	struct kk_manifests manifests = {0};

	parse(text, &manifests);
	ck_assert_uint_eq(manifests.warnings.n, 0);
	check_written(kk_schema_of_cell(), &manifests.items[0].doc.cell, text);
	kk_manifests_release(&manifests);
}
END_TEST

START_TEST(internal_and_input_fields_are_not_written)
{
	struct kk_cell cell;
	kk_auto_buf out = {0};

	kk_schema_init(kk_schema_of_cell(), &cell);
	kk_str_set(&cell.intent.want, "running");
	kk_strs_add(&cell.spec.runtime_env, "SECRET=1");
	cell.spec.ignore_disk_pressure = true;
	check_code(kk_yaml_write(kk_schema_of_cell(), &cell, &out), 0);
	ck_assert_ptr_null(strstr((char *)out.data, "kukeon"));
	ck_assert_ptr_null(strstr((char *)out.data, "runtimeEnv"));
	ck_assert_ptr_null(strstr((char *)out.data, "ignoreDiskPressure"));
	kk_cell_release(&cell);
}
END_TEST

START_TEST(list_is_one_sequence)
{
	struct kk_metadata items[] = {{.name = (char *)"a"}, {.name = (char *)"b"}};
	kk_auto_buf out = {0};

	check_code(kk_yaml_write_list(kk_schema_of_metadata(), items, 2, &out), 0);
	ck_assert_str_eq((char *)out.data, "- name: a\n  labels: {}\n- name: b\n  labels: {}\n");
	kk_buf_clear(&out);
	check_code(kk_yaml_write_list(kk_schema_of_metadata(), NULL, 0, &out), 0);
	ck_assert_str_eq((char *)out.data, "[]\n");
}
END_TEST

START_TEST(writing_appends)
{
	struct kk_git_identity identity = {(char *)"a", (char *)"b"};
	kk_auto_buf out = {0};

	check_code(kk_buf_str(&out, "# head\n"), 0);
	check_code(kk_yaml_write(kk_schema_of_git_identity(), &identity, &out), 0);
	ck_assert_str_eq((char *)out.data, "# head\nname: a\nemail: b\n");
}
END_TEST

START_TEST(string_that_is_no_utf8_is_repaired)
{
	struct kk_git_identity identity = {(char *)"a\xff", (char *)"b"};
	kk_auto_buf out = {0};

	ck_assert_int_eq(kk_yaml_write(kk_schema_of_git_identity(), &identity, &out), 0);
	ck_assert_str_eq((char *)out.data, "name: a\xef\xbf\xbd\nemail: b\n");
}
END_TEST

START_TEST(unknown_keys_may_not_be_there_twice)
{
	check_problem("kind: Realm\nmetadata: {name: a}\nx: 1\nx: 2\n",
		"document 0 (Realm \"a\"): failed to parse Realm: line 4: key 'x' is there twice");
}
END_TEST

START_TEST(mode_of_a_volume_is_not_negative)
{
	kk_auto_free char *text =
		kk_xprintf(CONTAINER "  volumes: [{kind: tmpfs, target: /t, mode: %s}]\n", "-1");
	struct kk_manifests manifests = {0};
	struct kk_err err = {0};

	check_code(kk_yaml_parse(text, strlen(text), &manifests, &err), KK_E_INVALID);
	kk_manifests_release(&manifests);
}
END_TEST

CHECK_MAIN("yaml", documents_of_a_stream_are_numbered, documents_without_content_do_not_count,
	stream_of_nothing_is_unreadable, what_may_be_left_out_is_filled_in, json_is_yaml,
	line_ends_of_windows_are_line_ends, separator_inside_a_text_is_text,
	anchors_stand_for_what_they_name, anchor_ends_with_its_document,
	broken_syntax_is_told_by_line_and_column, bytes_that_are_no_utf8_are_told_by_offset,
	broken_syntax_hides_no_earlier_manifest, header_must_be_known,
	all_problems_of_a_stream_are_listed, long_list_of_problems_ends_with_a_count,
	one_problem_is_listed_like_many, keys_may_not_be_there_twice, keys_must_be_scalars,
	unknown_fields_are_warned_of, integers_are_read_as_yaml_1_1_and_1_2_write_them,
	what_is_no_integer_is_refused, smallest_integer_is_one, digits_must_come_first,
	booleans_have_many_words, tristate_false_is_not_absent,
	text_of_a_scalar_is_kept_where_a_string_is_wanted, quoting_and_folding_are_undone,
	null_is_as_if_it_were_not_there, null_items_of_a_list_are_dropped,
	null_values_of_a_map_are_empty, ports_are_numbers_kept_as_text,
	wrong_types_are_told_by_line, states_are_labels_or_numbers, wrong_states_fail_the_document,
	times_are_read, string_beyond_its_limit_is_refused, list_beyond_its_limit_is_refused,
	map_beyond_its_limit_is_refused, zero_byte_in_a_string_is_refused, deep_nesting_is_refused,
	many_anchors_are_refused, many_tag_directives_are_refused, too_many_values_are_refused,
	aliases_do_not_multiply_without_end, any_cut_of_a_stream_is_survived,
	any_flipped_byte_is_survived, single_mapping_is_read, empty_text_is_an_empty_object,
	failed_read_owns_nothing, empty_documents_are_written_as_go_writes_them,
	strings_that_need_quotes_get_them, lines_are_written_as_a_block, odd_strings_go_both_ways,
	whole_documents_go_both_ways, written_document_is_a_manifest,
	internal_and_input_fields_are_not_written, list_is_one_sequence, writing_appends,
	string_that_is_no_utf8_is_repaired, unknown_keys_may_not_be_there_twice,
	mode_of_a_volume_is_not_negative)
