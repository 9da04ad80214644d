/* tests/unit/test_doc.c */
#include <stdarg.h>
#include <string.h>

#include <kukeon/buf.h>
#include <kukeon/model.h>

#include "../support/check.h"

/* A document of any kind, as YAML states it: neither checked nor completed. */
union document {
	struct kk_realm realm;
	struct kk_space space;
	struct kk_stack stack;
	struct kk_cell cell;
	struct kk_container container;
};

static void document_read(enum kk_kind kind, const char *text, union document *ret_doc)
{
	struct kk_err err = {0};

	check_ok(kk_yaml_read(kk_kind_schema(kind), text, strlen(text), ret_doc, &err), &err);
}

/* The problems of a document are exactly those that follow, up to NULL. */
static void check_problems(enum kk_kind kind, const char *text, ...)
{
	union document doc;
	struct kk_strs problems = {0};
	kk_auto_buf got = {0}, want = {0};
	const char *line;
	va_list ap;

	document_read(kind, text, &doc);
	kk_doc_check(kind, &doc, &problems);
	for (size_t i = 0; i < problems.n; i++)
		kk_buf_printf(&got, "%s\n", problems.items[i]);
	va_start(ap, text);
	while ((line = va_arg(ap, const char *)))
		kk_buf_printf(&want, "%s\n", line);
	va_end(ap);
	ck_assert_str_eq(got.data ? (char *)got.data : "", want.data ? (char *)want.data : "");
	kk_strs_release(&problems);
	kk_schema_release(kk_kind_schema(kind), &doc);
}

#define CELL                                                                                      \
	"metadata: {name: web}\nspec:\n  realmId: r\n  spaceId: s\n  stackId: t\n  containers:\n" \
	"  - id: app\n    image: busybox\n"
#define CONTAINER                                                                             \
	"metadata: {name: app}\nspec:\n  id: app\n  realmId: r\n  spaceId: s\n  stackId: t\n" \
	"  cellId: c\n  image: busybox\n"

/* --- names --- */

START_TEST(dns_labels_are_names)
{
	static const char *const names[] = {"a", "0", "web", "web-1", "0-0", "a-b-c", "root",
		"default", "secret", "volume",
		"abcdefghijklmnopqrstuvwxyz0123456789-abcdefghijklmnopqrstuvwxyz"};

	for (size_t i = 0; i < KK_COUNT(names); i++) {
		struct kk_err err = {0};

		check_ok(kk_name_check(KK_KIND_CELL, names[i], &err), &err);
	}
	/* The longest: 63 characters. */
	ck_assert_uint_eq(strlen(names[KK_COUNT(names) - 1]), 63);
}
END_TEST

START_TEST(missing_name_has_a_code_per_kind)
{
	static const struct {
		int code;
		const char *text;
	} want[KK_KINDS] = {
		[KK_KIND_REALM] = {KK_E_REALM_NAME_REQUIRED, "realm name is required"},
		[KK_KIND_SPACE] = {KK_E_SPACE_NAME_REQUIRED, "space name is required"},
		[KK_KIND_STACK] = {KK_E_STACK_NAME_REQUIRED, "stack name is required"},
		[KK_KIND_CELL] = {KK_E_CELL_NAME_REQUIRED, "cell name is required"},
		[KK_KIND_CONTAINER] = {KK_E_CONTAINER_NAME_REQUIRED, "container name is required"},
	};

	for (int kind = 0; kind < KK_KINDS; kind++) {
		struct kk_err missing = {0}, empty = {0};

		check_code(kk_name_check((enum kk_kind)kind, NULL, &missing), want[kind].code);
		check_error(&missing, want[kind].code, want[kind].text);
		check_code(kk_name_check((enum kk_kind)kind, "", &empty), want[kind].code);
		check_error(&empty, want[kind].code, want[kind].text);
	}
}
END_TEST

static void check_name_refused(enum kk_kind kind, const char *name, const char *want)
{
	struct kk_err err = {0};

	check_code(kk_name_check(kind, name, &err), KK_E_INVALID);
	check_error(&err, KK_E_INVALID, want);
}

START_TEST(separators_are_refused_in_the_words_of_the_api)
{
	check_name_refused(KK_KIND_REALM, "bad_r",
		"realm name is invalid: \"bad_r\" contains disallowed character (must not contain '_' "
		"or '/')");
	check_name_refused(KK_KIND_SPACE, "a/b",
		"name is invalid: space name \"a/b\" contains disallowed character (must not contain "
		"'_' or '/')");
	check_name_refused(KK_KIND_STACK, "../x",
		"name is invalid: stack name \"../x\" contains disallowed character (must not contain "
		"'_' or '/')");
	check_name_refused(KK_KIND_CELL, "_",
		"name is invalid: cell name \"_\" contains disallowed character (must not contain '_' "
		"or '/')");
	check_name_refused(KK_KIND_CONTAINER, "a_",
		"name is invalid: container name \"a_\" contains disallowed character (must not "
		"contain '_' or '/')");
}
END_TEST

START_TEST(what_is_no_dns_label_is_refused)
{
	static const char *const names[] = {"A", "Web", "a.b", ".", "..", "a b", " a", "a ", "-",
		"-a", "a-", "a\n", "caf\xc3\xa9", "a*", "$(id)", "a\\b", "a:b", "\x7f"};

	for (size_t i = 0; i < KK_COUNT(names); i++) {
		kk_auto_free char *want = kk_xprintf(
			"name is invalid: cell name \"%s\" must be a DNS label: a to z, 0 "
			"to 9 and '-', neither first nor last '-'",
			names[i]);

		check_name_refused(KK_KIND_CELL, names[i], want);
	}
}
END_TEST

START_TEST(long_names_are_refused_and_cut_in_the_message)
{
	char name[1001] = "";
	kk_auto_free char *want = NULL;

	memset(name, 'n', 64);
	want = kk_xprintf("realm name is invalid: \"%s\" is longer than 63 characters", name);
	check_name_refused(KK_KIND_REALM, name, want);
	memset(name, 'n', 1000);
	free(kk_steal(&want));
	want = kk_xprintf("realm name is invalid: \"%.80s\" is longer than 63 characters", name);
	check_name_refused(KK_KIND_REALM, name, want);
}
END_TEST

START_TEST(directories_of_the_store_are_reserved)
{
	static const char *const names[] = {
		"secrets", "blueprints", "configs", "volumes", "volume-meta"};

	for (int kind = 0; kind < KK_KINDS; kind++) {
		for (size_t i = 0; i < KK_COUNT(names); i++) {
			kk_auto_free char *want = kind == KK_KIND_REALM ?
				kk_xprintf("realm name is invalid: \"%s\" is reserved", names[i]) :
				kk_xprintf("name is invalid: %s name \"%s\" is reserved",
					kk_kind_word((enum kk_kind)kind), names[i]);

			check_name_refused((enum kk_kind)kind, names[i], want);
		}
	}
}
END_TEST

/* --- required fields --- */

START_TEST(whole_documents_have_no_problems)
{
	check_problems(KK_KIND_REALM, "metadata: {name: r}\n", NULL);
	check_problems(KK_KIND_SPACE, "metadata: {name: s}\nspec: {realmId: r}\n", NULL);
	check_problems(KK_KIND_STACK, "metadata: {name: t}\nspec: {realmId: r, spaceId: s}\n",
		NULL);
	check_problems(KK_KIND_CELL, CELL, NULL);
	check_problems(KK_KIND_CONTAINER, CONTAINER, NULL);
}
END_TEST

START_TEST(missing_fields_are_all_named)
{
	check_problems(KK_KIND_REALM, "{}", "metadata.name is required", NULL);
	check_problems(KK_KIND_SPACE, "{}", "metadata.name is required", "spec.realmId is required",
		NULL);
	check_problems(KK_KIND_STACK, "{}", "metadata.name is required", "spec.realmId is required",
		"spec.spaceId is required", NULL);
	check_problems(KK_KIND_CELL, "{}", "metadata.name is required", "spec.realmId is required",
		"spec.spaceId is required", "spec.stackId is required",
		"spec.containers is required and cannot be empty", NULL);
	check_problems(KK_KIND_CONTAINER, "{}", "metadata.name is required",
		"spec.realmId is required", "spec.spaceId is required", "spec.stackId is required",
		"spec.cellId is required", "spec.image is required", NULL);
	check_problems(KK_KIND_CELL,
		"metadata: {name: web}\nspec: {realmId: r, spaceId: s, stackId: t, containers: []}\n",
		"spec.containers is required and cannot be empty", NULL);
}
END_TEST

START_TEST(container_is_named_by_its_id_too)
{
	check_problems(KK_KIND_CONTAINER,
		"spec: {id: app, realmId: r, spaceId: s, stackId: t, cellId: c, image: i}\n", NULL);
}
END_TEST

START_TEST(containers_of_a_cell_need_id_and_image)
{
	check_problems(KK_KIND_CELL, CELL "  - image: x\n  - id: b\n",
		"spec.containers[1].id is required", "spec.containers[2].image is required", NULL);
}
END_TEST

START_TEST(both_id_and_image_are_named)
{
	check_problems(KK_KIND_CELL, CELL "  - {}\n", "spec.containers[1].id is required",
		"spec.containers[1].image is required", NULL);
}
END_TEST

/* --- containers --- */

START_TEST(container_ids_are_names)
{
	check_problems(KK_KIND_CELL, CELL "  - {id: a_b, image: x}\n  - {id: B, image: x}\n",
		"name is invalid: container name \"a_b\" contains disallowed character (must not "
		"contain '_' or '/')",
		"name is invalid: container name \"B\" must be a DNS label: a to z, 0 to 9 and '-', "
		"neither first nor last '-'",
		NULL);
	check_problems(KK_KIND_CONTAINER,
		"spec: {id: a/b, realmId: r, spaceId: s, stackId: t, cellId: c, image: i}\n",
		"name is invalid: container name \"a/b\" contains disallowed character (must not "
		"contain '_' or '/')",
		NULL);
}
END_TEST

START_TEST(container_ids_are_unique)
{
	check_problems(KK_KIND_CELL, CELL "  - {id: b, image: x}\n  - {id: app, image: x}\n",
		"container id \"app\" is there twice", NULL);
}
END_TEST

START_TEST(volumes_are_checked)
{
	check_problems(KK_KIND_CONTAINER,
		CONTAINER "  volumes:\n"
			  "  - {source: /a, target: /a}\n"
			  "  - {kind: bind, source: /a, target: /b}\n"
			  "  - {kind: tmpfs, target: /t}\n"
			  "  - {kind: volume, source: data, target: /v}\n"
			  "  - {kind: tmpfs, source: /a, target: /t}\n"
			  "  - {source: /a}\n"
			  "  - {source: /a, target: rel}\n"
			  "  - {target: /a}\n"
			  "  - {kind: bind, source: rel, target: /a}\n",
		"container \"app\" volume 4: tmpfs volume must not set a source; tmpfs is in-memory "
		"and has no host backing",
		"container \"app\" volume 5: target must be an absolute path",
		"container \"app\" volume 6: target must be an absolute path",
		"container \"app\" volume 7: source of a bind mount must be an absolute path",
		"container \"app\" volume 8: source of a bind mount must be an absolute path",
		NULL);
}
END_TEST

START_TEST(unknown_kind_of_volume_is_said)
{
	check_problems(KK_KIND_CONTAINER,
		CONTAINER "  volumes: [{kind: nfs, source: /a, target: /a}]\n",
		"container \"app\" volume 0: volume kind is not recognized; expected \"\", \"bind\", "
		"\"tmpfs\", or \"volume\" (got \"nfs\")",
		NULL);
}
END_TEST

START_TEST(restart_policies_are_known)
{
	static const char *const policies[] = {"", "always", "on-failure", "never"};

	for (size_t i = 0; i < KK_COUNT(policies); i++) {
		kk_auto_free char *text =
			kk_xprintf(CONTAINER "  restartPolicy: \"%s\"\n", policies[i]);

		check_problems(KK_KIND_CONTAINER, text, NULL);
	}
	check_problems(KK_KIND_CONTAINER, CONTAINER "  restartPolicy: Always\n",
		"container \"app\": restartPolicy must be \"always\", \"on-failure\" or \"never\", got "
		"\"Always\"",
		NULL);
}
END_TEST

START_TEST(restart_numbers_need_their_policy)
{
	check_problems(KK_KIND_CONTAINER,
		CONTAINER "  restartPolicy: on-failure\n  restartBackoffSeconds: 0\n"
			  "  restartMaxRetries: 1\n",
		NULL);
	check_problems(KK_KIND_CONTAINER,
		CONTAINER "  restartPolicy: always\n  restartBackoffSeconds: 30\n", NULL);
	check_problems(KK_KIND_CONTAINER,
		CONTAINER "  restartPolicy: on-failure\n  restartBackoffSeconds: -1\n"
			  "  restartMaxRetries: 0\n",
		"container \"app\": restartBackoffSeconds must be >= 0, got -1",
		"container \"app\": restartMaxRetries must be >= 1, got 0", NULL);
	check_problems(KK_KIND_CONTAINER,
		CONTAINER "  restartPolicy: never\n  restartBackoffSeconds: 1\n"
			  "  restartMaxRetries: 1\n",
		"container \"app\": restartBackoffSeconds requires restartPolicy \"always\" or "
		"\"on-failure\", got \"never\"",
		"container \"app\": restartMaxRetries requires restartPolicy \"on-failure\", got "
		"\"never\"",
		NULL);
	check_problems(KK_KIND_CONTAINER,
		CONTAINER "  restartPolicy: always\n  restartMaxRetries: 1\n",
		"container \"app\": restartMaxRetries requires restartPolicy \"on-failure\", got "
		"\"always\"",
		NULL);
	check_problems(KK_KIND_CONTAINER, CONTAINER "  restartMaxRetries: 1\n",
		"container \"app\": restartMaxRetries requires restartPolicy \"on-failure\", got \"\"",
		NULL);
}
END_TEST

START_TEST(tty_needs_an_attachable_container)
{
	check_problems(KK_KIND_CONTAINER, CONTAINER "  tty: {}\n", NULL);
	check_problems(KK_KIND_CONTAINER,
		CONTAINER "  attachable: true\n  tty: {prompt: '> ', logLevel: warn}\n", NULL);
	check_problems(KK_KIND_CONTAINER, CONTAINER "  tty: {prompt: '> '}\n",
		"container \"app\": tty fields require attachable: true", NULL);
	check_problems(KK_KIND_CONTAINER, CONTAINER "  attachable: true\n  tty: {logLevel: loud}\n",
		"container \"app\": tty.logLevel \"loud\": must be one of debug, info, warn, error",
		NULL);
	check_problems(KK_KIND_CONTAINER, CONTAINER "  tty: {logLevel: loud}\n",
		"container \"app\": tty fields require attachable: true",
		"container \"app\": tty.logLevel \"loud\": must be one of debug, info, warn, error",
		NULL);
}
END_TEST

START_TEST(stages_of_a_tty_are_checked)
{
	check_problems(KK_KIND_CONTAINER,
		CONTAINER "  attachable: true\n  tty: {onInit: [{runOn: start}, {runOn: boot}]}\n",
		"container \"app\": onInit[1]: tty stage runOn \"boot\": must be one of \"start\", "
		"\"create\" (or empty)",
		NULL);
}
END_TEST

START_TEST(security_options_are_known)
{
	check_problems(KK_KIND_CONTAINER,
		CONTAINER "  securityOpts: [no-new-privileges, 'no-new-privileges=false', "
			  "'seccomp=unconfined', 'seccomp:/etc/p.json']\n",
		NULL);
	check_problems(KK_KIND_CONTAINER, CONTAINER "  securityOpts: ['apparmor=x', seccomp]\n",
		"container \"app\": unsupported securityOpt \"apparmor=x\"",
		"container \"app\": unsupported securityOpt \"seccomp\"", NULL);
}
END_TEST

START_TEST(environment_is_key_and_value)
{
	check_problems(KK_KIND_CONTAINER, CONTAINER "  env: [A=1, 'B=', 'C==']\n", NULL);
	check_problems(KK_KIND_CONTAINER, CONTAINER "  env: [A, '=1', '']\n",
		"container \"app\": env \"A\" is not KEY=VALUE",
		"container \"app\": env \"=1\" is not KEY=VALUE",
		"container \"app\": env \"\" is not KEY=VALUE", NULL);
}
END_TEST

/* The checks of a container are those of a cell's containers. */
START_TEST(containers_of_a_cell_are_checked)
{
	check_problems(KK_KIND_CELL, CELL "    restartPolicy: maybe\n    env: [A]\n",
		"container \"app\": restartPolicy must be \"always\", \"on-failure\" or \"never\", got "
		"\"maybe\"",
		"container \"app\": env \"A\" is not KEY=VALUE", NULL);
}
END_TEST

/* --- cells --- */

START_TEST(root_is_one_and_there)
{
	check_problems(KK_KIND_CELL, CELL "    root: true\n", NULL);
	check_problems(KK_KIND_CELL, CELL "  rootContainerId: app\n", NULL);
	check_problems(KK_KIND_CELL, CELL "    root: true\n  rootContainerId: app\n", NULL);
	check_problems(KK_KIND_CELL, CELL "    root: true\n  - {id: b, image: x, root: true}\n",
		"only one container in a cell may have root: true: [app b]", NULL);
	check_problems(KK_KIND_CELL, CELL "  rootContainerId: other\n",
		"rootContainerId \"other\" not found in containers array", NULL);
	check_problems(KK_KIND_CELL,
		CELL "    root: true\n  - {id: b, image: x}\n  rootContainerId: b\n",
		"rootContainerId disagrees with container marked root: true: rootContainerId is \"b\" "
		"but container \"app\" has root: true",
		NULL);
}
END_TEST

START_TEST(root_shares_the_network_of_the_host_with_its_peers)
{
	check_problems(KK_KIND_CELL,
		CELL "  - {id: b, image: x, hostNetwork: true}\n  rootContainerId: app\n",
		"explicit rootContainerId must have hostNetwork: true when any cell container has "
		"hostNetwork: true: rootContainerId \"app\"",
		NULL);
}
END_TEST

START_TEST(default_terminal_is_an_attachable_container)
{
	check_problems(KK_KIND_CELL, CELL "    attachable: true\n  tty: {default: app}\n", NULL);
	check_problems(KK_KIND_CELL, CELL "  tty: {default: other}\n",
		"cell tty.default \"other\" does not match any container in this cell", NULL);
	check_problems(KK_KIND_CELL, CELL "  tty: {default: app}\n",
		"cell tty.default \"app\" references container that is not attachable", NULL);
}
END_TEST

/* --- spaces --- */

#define SPACE "metadata: {name: s}\nspec:\n  realmId: r\n  network:\n    egress:\n"

START_TEST(egress_verdicts_are_known)
{
	check_problems(KK_KIND_SPACE, SPACE "      default: allow\n", NULL);
	check_problems(KK_KIND_SPACE, SPACE "      default: DENY\n", NULL);
	check_problems(KK_KIND_SPACE, SPACE "      default: \"\"\n", NULL);
	check_problems(KK_KIND_SPACE, SPACE "      default: maybe\n",
		"egress default must be 'allow' or 'deny'", NULL);
}
END_TEST

START_TEST(blanks_around_an_egress_verdict_do_not_matter)
{
	check_problems(KK_KIND_SPACE, SPACE "      default: ' deny '\n", NULL);
}
END_TEST

START_TEST(egress_rules_have_one_destination)
{
	check_problems(KK_KIND_SPACE,
		SPACE
		"      allow: [{host: example.com}, {cidr: 192.0.2.0/24, ports: [1, 65535]}]\n",
		NULL);
	check_problems(KK_KIND_SPACE,
		SPACE "      allow: [{host: a}, {ports: [80]}, {host: a, cidr: 192.0.2.0/24}]\n",
		"egress allow rule 1: egress allow rule requires exactly one of host or cidr",
		"egress allow rule 2: egress allow rule must not set both host and cidr", NULL);
}
END_TEST

START_TEST(egress_ports_are_ports)
{
	check_problems(KK_KIND_SPACE,
		SPACE "      allow: [{host: a, ports: [0, 443, 65536, -1]}]\n",
		"egress allow rule 0: egress allow rule port must be within [1, 65535]: 0",
		"egress allow rule 0: egress allow rule port must be within [1, 65535]: 65536",
		"egress allow rule 0: egress allow rule port must be within [1, 65535]: -1", NULL);
}
END_TEST

START_TEST(egress_hosts_are_dns_names)
{
	check_problems(KK_KIND_SPACE, SPACE "      allow: [{host: a/b}, {host: '.a'}]\n",
		"egress allow rule 0: egress allow rule host is not a valid dns name: \"a/b\"",
		"egress allow rule 1: egress allow rule host is not a valid dns name: \".a\"",
		NULL);
}
END_TEST

/* --- the rest --- */

START_TEST(defaults_fill_what_may_be_left_out)
{
	union document doc;

	document_read(KK_KIND_REALM, "metadata: {name: r}\n", &doc);
	kk_doc_default(KK_KIND_REALM, &doc);
	ck_assert_str_eq(doc.realm.api_version, "v1beta1");
	ck_assert_str_eq(doc.realm.kind, "Realm");
	ck_assert_ptr_null(doc.realm.spec.namespace);
	kk_realm_release(&doc.realm);
	document_read(KK_KIND_STACK, "metadata: {name: t}\n", &doc);
	kk_doc_default(KK_KIND_STACK, &doc);
	ck_assert_str_eq(doc.stack.kind, "Stack");
	kk_stack_release(&doc.stack);
	document_read(KK_KIND_CELL, "metadata: {name: c}\nspec: {id: other}\n", &doc);
	kk_doc_default(KK_KIND_CELL, &doc);
	ck_assert_str_eq(doc.cell.kind, "Cell");
	ck_assert_str_eq(doc.cell.spec.id, "other");
	kk_cell_release(&doc.cell);
	document_read(KK_KIND_CONTAINER, "spec: {id: c}\n", &doc);
	kk_doc_default(KK_KIND_CONTAINER, &doc);
	ck_assert_str_eq(doc.container.metadata.name, "c");
	kk_container_release(&doc.container);
	document_read(KK_KIND_CONTAINER, "metadata: {name: c}\n", &doc);
	kk_doc_default(KK_KIND_CONTAINER, &doc);
	ck_assert_str_eq(doc.container.spec.id, "c");
	/* Once more changes nothing. */
	kk_doc_default(KK_KIND_CONTAINER, &doc);
	ck_assert_str_eq(doc.container.spec.id, "c");
	kk_container_release(&doc.container);
}
END_TEST

START_TEST(root_can_be_told_in_two_ways)
{
	static const char *const told[] = {
		"spec: {containers: [{id: a}, {id: b, root: true}]}\n",
		"spec: {rootContainerId: b, containers: [{id: a}, {id: b}]}\n",
	};
	union document doc;

	for (size_t i = 0; i < KK_COUNT(told); i++) {
		document_read(KK_KIND_CELL, told[i], &doc);
		kk_doc_default(KK_KIND_CELL, &doc);
		ck_assert_str_eq(doc.cell.spec.root_container_id, "b");
		ck_assert(!doc.cell.spec.containers.items[0].root);
		ck_assert(doc.cell.spec.containers.items[1].root);
		kk_cell_release(&doc.cell);
	}
	/* What contradicts itself is for the check to refuse. */
	document_read(KK_KIND_CELL,
		"spec: {rootContainerId: a, containers: [{id: a}, {id: b, root: true}]}\n", &doc);
	kk_doc_default(KK_KIND_CELL, &doc);
	ck_assert_str_eq(doc.cell.spec.root_container_id, "a");
	ck_assert(!doc.cell.spec.containers.items[0].root);
	kk_cell_release(&doc.cell);
}
END_TEST

START_TEST(scope_is_where_a_document_belongs)
{
	static const char text[] =
		"metadata: {name: n}\nspec: {realmId: r, spaceId: s, stackId: t, "
		"cellId: c}\n";
	static const char *const want[KK_KINDS][4] = {
		[KK_KIND_REALM] = {"n", NULL, NULL, NULL},
		[KK_KIND_SPACE] = {"r", "n", NULL, NULL},
		[KK_KIND_STACK] = {"r", "s", "n", NULL},
		[KK_KIND_CELL] = {"r", "s", "t", "n"},
		[KK_KIND_CONTAINER] = {"r", "s", "t", "c"},
	};

	for (int kind = 0; kind < KK_KINDS; kind++) {
		union document doc;
		struct kk_scope scope;

		document_read((enum kk_kind)kind, text, &doc);
		scope = kk_doc_scope((enum kk_kind)kind, &doc);
		ck_assert_pstr_eq(scope.realm, want[kind][0]);
		ck_assert_pstr_eq(scope.space, want[kind][1]);
		ck_assert_pstr_eq(scope.stack, want[kind][2]);
		ck_assert_pstr_eq(scope.cell, want[kind][3]);
		ck_assert_str_eq(kk_doc_name((enum kk_kind)kind, &doc), "n");
		kk_schema_release(kk_kind_schema((enum kk_kind)kind), &doc);
	}
}
END_TEST

START_TEST(document_without_a_name_has_an_empty_one)
{
	union document doc;

	document_read(KK_KIND_CELL, "{}", &doc);
	ck_assert_str_eq(kk_doc_name(KK_KIND_CELL, &doc), "");
	kk_cell_release(&doc.cell);
	document_read(KK_KIND_CONTAINER, "spec: {id: app}\n", &doc);
	ck_assert_str_eq(kk_doc_name(KK_KIND_CONTAINER, &doc), "app");
	kk_container_release(&doc.container);
}
END_TEST

START_TEST(containers_are_found_by_id)
{
	union document doc;

	document_read(KK_KIND_CELL,
		CELL "  - {id: b, image: x}\nstatus: {containers: [{id: b, exitCode: 3}]}\n", &doc);
	ck_assert_ptr_eq(kk_cell_container(&doc.cell, "b"), &doc.cell.spec.containers.items[1]);
	ck_assert_ptr_null(kk_cell_container(&doc.cell, "c"));
	ck_assert_int_eq(kk_cell_container_status(&doc.cell, "b")->exit_code, 3);
	ck_assert_ptr_null(kk_cell_container_status(&doc.cell, "app"));
	kk_cell_release(&doc.cell);
}
END_TEST

CHECK_MAIN("doc", dns_labels_are_names, missing_name_has_a_code_per_kind,
	separators_are_refused_in_the_words_of_the_api, what_is_no_dns_label_is_refused,
	long_names_are_refused_and_cut_in_the_message, directories_of_the_store_are_reserved,
	whole_documents_have_no_problems, missing_fields_are_all_named,
	container_is_named_by_its_id_too, containers_of_a_cell_need_id_and_image,
	both_id_and_image_are_named, container_ids_are_names, container_ids_are_unique,
	volumes_are_checked, unknown_kind_of_volume_is_said, restart_policies_are_known,
	restart_numbers_need_their_policy, tty_needs_an_attachable_container,
	stages_of_a_tty_are_checked, security_options_are_known, environment_is_key_and_value,
	containers_of_a_cell_are_checked, root_is_one_and_there,
	root_shares_the_network_of_the_host_with_its_peers,
	default_terminal_is_an_attachable_container, egress_verdicts_are_known,
	blanks_around_an_egress_verdict_do_not_matter, egress_rules_have_one_destination,
	egress_ports_are_ports, egress_hosts_are_dns_names, defaults_fill_what_may_be_left_out,
	egress_ports_are_ports, egress_hosts_are_dns_names, root_can_be_told_in_two_ways,
	scope_is_where_a_document_belongs, document_without_a_name_has_an_empty_one,
	containers_are_found_by_id)
