/* tests/unit/test_diff.c */
#include <string.h>

#include <kukeon/buf.h>
#include <kukeon/model.h>

#include "../support/check.h"

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

static void lines_add(struct kk_buf *buf, const char *what, const struct kk_strs *strs)
{
	for (size_t i = 0; i < strs->n; i++)
		kk_buf_printf(buf, "%s %s\n", what, strs->items[i]);
}

/* What turns @stored into @wanted, one line each; "" for nothing. */
static void check_docs(enum kk_kind kind, const union document *stored,
	const union document *wanted, const char *want)
{
	struct kk_diff diff;
	kk_auto_buf got = {0};

	kk_doc_diff(kind, stored, wanted, &diff);
	lines_add(&got, "change", &diff.changes);
	lines_add(&got, "breaking", &diff.breaking);
	lines_add(&got, "anew", &diff.made_anew);
	lines_add(&got, "added", &diff.added);
	lines_add(&got, "removed", &diff.removed);
	ck_assert_str_eq(got.data ? (char *)got.data : "", want);
	kk_diff_release(&diff);
	kk_diff_release(&diff);
}

static void check_diff(enum kk_kind kind, const char *stored, const char *wanted, const char *want)
{
	union document a, b;

	document_read(kind, stored, &a);
	document_read(kind, wanted, &b);
	check_docs(kind, &a, &b, want);
	kk_schema_release(kk_kind_schema(kind), &a);
	kk_schema_release(kk_kind_schema(kind), &b);
}

#define REALM "metadata: {name: r, labels: {a: b}}\nspec: {namespace: r.kukeon.io}\n"
#define SPACE "metadata: {name: s}\nspec:\n  realmId: r\n"
#define STACK "metadata: {name: t}\nspec: {id: t, realmId: r, spaceId: s}\n"
#define CELL                                                                                  \
	"metadata: {name: web}\nspec:\n  id: web\n  realmId: r\n  spaceId: s\n  stackId: t\n" \
	"  containers:\n  - id: app\n    image: busybox\n"
#define CONTAINER                                                                             \
	"metadata: {name: app}\nspec:\n  id: app\n  realmId: r\n  spaceId: s\n  stackId: t\n" \
	"  cellId: web\n  image: busybox\n"

START_TEST(same_document_differs_in_nothing)
{
	static const char *const texts[KK_KINDS] = {
		[KK_KIND_REALM] = REALM,
		[KK_KIND_SPACE] = SPACE,
		[KK_KIND_STACK] = STACK,
		[KK_KIND_CELL] = CELL,
		[KK_KIND_CONTAINER] = CONTAINER,
	};

	for (int kind = 0; kind < KK_KINDS; kind++) {
		check_diff((enum kk_kind)kind, texts[kind], texts[kind], "");
		check_diff((enum kk_kind)kind, "{}", "{}", "");
	}
}
END_TEST

/* A block that says nothing is as good as none. */
START_TEST(empty_is_absent)
{
	check_diff(KK_KIND_CELL, CELL,
		CELL "    command: \"\"\n    args: []\n    env: []\n    volumes: []\n    tty: {}\n"
		     "    git: {author: {}}\n    resources: {}\n    capabilities: {drop: []}\n"
		     "    privileged: false\n  tty: {}\n",
		"");
	check_diff(KK_KIND_SPACE, SPACE, SPACE "  network: {egress: {allow: []}}\n  defaults: {}\n",
		"");
}
END_TEST

START_TEST(labels_are_compared_whatever_their_order)
{
	check_diff(KK_KIND_REALM, "metadata: {name: r, labels: {a: x, b: y}}\n",
		"metadata: {name: r, labels: {b: y, a: x}}\n", "");
	check_diff(KK_KIND_REALM, "metadata: {name: r, labels: {a: x}}\n",
		"metadata: {name: r, labels: {a: y}}\n", "change metadata.labels\n");
	check_diff(KK_KIND_REALM, "metadata: {name: r, labels: {a: x}}\n",
		"metadata: {name: r, labels: {a: x, b: y}}\n", "change metadata.labels\n");
	check_diff(KK_KIND_REALM, "metadata: {name: r, labels: {a: x, b: y}}\n",
		"metadata: {name: r, labels: {a: x}}\n", "change metadata.labels\n");
	check_diff(KK_KIND_REALM, "metadata: {name: r, labels: {a: x}}\n", "metadata: {name: r}\n",
		"change metadata.labels\n");
	/* The reference takes a missing label for an empty one. */
	check_diff(KK_KIND_REALM, "metadata: {name: r, labels: {a: ''}}\n",
		"metadata: {name: r, labels: {b: x}}\n", "change metadata.labels\n");
}
END_TEST

START_TEST(labels_of_every_kind_are_compared)
{
	for (int kind = 0; kind < KK_KINDS; kind++)
		check_diff((enum kk_kind)kind, "metadata: {name: x}\n",
			"metadata: {name: x, labels: {a: b}}\n", "change metadata.labels\n");
}
END_TEST

START_TEST(managed_labels_may_be_left_out)
{
	for (int kind = 0; kind < KK_KINDS; kind++) {
		check_diff((enum kk_kind)kind,
			"metadata: {name: x, labels: {cell.kukeon.io: web, realm.kukeon.io: r, a: b}}\n",
			"metadata: {name: x, labels: {a: b}}\n", "");
		check_diff((enum kk_kind)kind,
			"metadata: {name: x, labels: {cell.kukeon.io: web}}\n",
			"metadata: {name: x}\n", "");
	}
	/* Not managed: it does not end so. */
	check_diff(KK_KIND_CELL, "metadata: {name: x, labels: {kukeon.io/team: a}}\n",
		"metadata: {name: x}\n", "change metadata.labels\n");
}
END_TEST

START_TEST(managed_label_that_is_stated_counts_neither_as_extra)
{
	check_diff(KK_KIND_CELL, "metadata: {name: x}\n",
		"metadata: {name: x, labels: {cell.kukeon.io: web}}\n", "");
}
END_TEST

START_TEST(realm_changes)
{
	check_diff(KK_KIND_REALM, REALM,
		REALM
		"  # credentials\nstatus: {state: Failed}\napiVersion: v1beta1\nkind: Realm\n",
		"");
	check_diff(KK_KIND_REALM, "metadata: {name: r}\nspec: {namespace: a}\n",
		"metadata: {name: r}\nspec: {namespace: b}\n", "breaking spec.namespace\n");
	check_diff(KK_KIND_REALM, "metadata: {name: r}\nspec: {namespace: a}\n",
		"metadata: {name: r}\n", "");
	check_diff(KK_KIND_REALM, "metadata: {name: r}\n",
		"metadata: {name: r}\nspec: {registryCredentials: [{username: u, password: p}]}\n",
		"change spec.registryCredentials\n");
	check_diff(KK_KIND_REALM,
		"metadata: {name: r}\nspec: {registryCredentials: [{username: u, password: p}]}\n",
		"metadata: {name: r}\nspec: {registryCredentials: [{username: u, password: q}]}\n",
		"change spec.registryCredentials\n");
	check_diff(KK_KIND_REALM,
		"metadata: {name: r}\nspec: {registryCredentials: [{username: u}, {username: v}]}\n",
		"metadata: {name: r}\nspec: {registryCredentials: [{username: v}, {username: u}]}\n",
		"change spec.registryCredentials\n");
}
END_TEST

START_TEST(generation_status_and_intent_are_not_compared)
{
	union document a, b;

	document_read(KK_KIND_CELL, CELL, &a);
	document_read(KK_KIND_CELL, CELL "status: {state: Ready, containers: [{id: app}]}\n", &b);
	b.cell.metadata.generation = 7;
	kk_map_set(&b.cell.metadata.annotations, "a", "b");
	kk_str_set(&b.cell.intent.want, "running");
	check_docs(KK_KIND_CELL, &a, &b, "");
	kk_cell_release(&a.cell);
	kk_cell_release(&b.cell);
}
END_TEST

START_TEST(space_changes)
{
	check_diff(KK_KIND_SPACE, SPACE, "metadata: {name: s}\nspec: {realmId: q}\n",
		"breaking spec.realmId\n");
	check_diff(KK_KIND_SPACE, SPACE "  cniConfigPath: /a\n", SPACE "  cniConfigPath: /b\n",
		"breaking spec.cniConfigPath\n");
	check_diff(KK_KIND_SPACE, SPACE "  cniConfigPath: /a\n", SPACE, "");
	check_diff(KK_KIND_SPACE, SPACE,
		SPACE "  defaults: {container: {resources: {pidsLimit: 64}}}\n",
		"change spec.defaults\n");
	check_diff(KK_KIND_SPACE,
		SPACE "  defaults: {container: {readOnlyRootFilesystem: false}}\n",
		SPACE "  defaults: {container: {readOnlyRootFilesystem: true}}\n",
		"change spec.defaults\n");
}
END_TEST

/* The reference never updates the egress policy of a space; here it counts. */
START_TEST(egress_of_a_space_is_compared)
{
	static const char *const policies[] = {"  network: {egress: {default: deny}}\n",
		"  network: {egress: {default: deny, allow: [{cidr: 192.0.2.0/24}]}}\n",
		"  network: {egress: {default: deny, allow: [{cidr: 192.0.2.0/24, ports: [443]}]}}\n",
		"  network: {egress: {default: deny, allow: [{host: example.com, ports: [443]}]}}\n",
		""};

	for (size_t i = 0; i < KK_COUNT(policies); i++) {
		for (size_t k = 0; k < KK_COUNT(policies); k++) {
			kk_auto_free char *stored = kk_xprintf(SPACE "%s", policies[i]);
			kk_auto_free char *wanted = kk_xprintf(SPACE "%s", policies[k]);

			check_diff(KK_KIND_SPACE, stored, wanted,
				i == k ? "" : "change spec.network\n");
		}
	}
}
END_TEST

START_TEST(stack_changes)
{
	check_diff(KK_KIND_STACK, STACK,
		"metadata: {name: t}\nspec: {id: t, realmId: q, spaceId: p}\n",
		"breaking spec.realmId\nbreaking spec.spaceId\n");
	check_diff(KK_KIND_STACK, STACK,
		"metadata: {name: t}\nspec: {id: u, realmId: r, spaceId: s}\n", "change spec.id\n");
}
END_TEST

START_TEST(cell_changes)
{
	check_diff(KK_KIND_CELL, CELL, CELL "  autoDelete: true\n  tty: {default: app}\n",
		"change spec.tty\nchange spec.autoDelete\n");
	check_diff(KK_KIND_CELL, CELL, CELL "  rootContainerId: app\n",
		"change spec.rootContainerId\n");
	check_diff(KK_KIND_CELL, CELL, CELL "  nestedCgroupRuntime: true\n",
		"breaking spec.nestedCgroupRuntime\n");
	check_diff(KK_KIND_CELL, CELL "  nestedCgroupRuntime: true\n", CELL,
		"breaking spec.nestedCgroupRuntime\n");
	check_diff(KK_KIND_CELL, CELL,
		"metadata: {name: web}\nspec: {realmId: a, spaceId: b, stackId: c, containers: [{id: "
		"app, image: busybox}]}\n",
		"breaking spec.realmId\nbreaking spec.spaceId\nbreaking spec.stackId\n");
	check_diff(KK_KIND_CELL, CELL, CELL "  provenance: {bindingKind: config}\n", "");
}
END_TEST

START_TEST(container_is_added_and_removed)
{
	check_diff(KK_KIND_CELL, CELL, CELL "  - {id: b, image: x}\n  - {id: c, image: x}\n",
		"change container \"b\" added\nchange container \"c\" added\nadded b\nadded c\n");
	check_diff(KK_KIND_CELL, CELL "  - {id: b, image: x}\n", CELL,
		"change container \"b\" removed\nremoved b\n");
	check_diff(KK_KIND_CELL, CELL,
		"metadata: {name: web}\nspec: {id: web, realmId: r, spaceId: s, stackId: t, "
		"containers: [{id: other, image: busybox}]}\n",
		"change container \"other\" added\nchange container \"app\" removed\n"
		"added other\nremoved app\n");
}
END_TEST

START_TEST(order_of_containers_does_not_matter)
{
	check_diff(KK_KIND_CELL,
		"metadata: {name: c}\nspec: {containers: [{id: a, image: x}, {id: b, image: y}]}\n",
		"metadata: {name: c}\nspec: {containers: [{id: b, image: y}, {id: a, image: x}]}\n",
		"");
}
END_TEST

START_TEST(fields_of_a_container_are_named_in_order)
{
	check_diff(KK_KIND_CELL, CELL,
		CELL "    restartPolicy: always\n    ports: ['80']\n    attachable: true\n",
		"change container \"app\" updated: ports, restartPolicy, attachable\n");
	check_diff(KK_KIND_CELL, CELL, CELL "    env: [A=1]\n    ports: ['80']\n    args: [x]\n",
		"change container \"app\" updated: args, env, ports\nanew app\n");
}
END_TEST

/* What the container was made from cannot be changed in place. */
START_TEST(baked_fields_make_a_container_anew)
{
	static const struct {
		const char *line;
		const char *field;
		bool is_baked;
	} fields[] = {
		{"command: /bin/sh", "command", true},
		{"args: [a]", "args", true},
		{"workingDir: /", "workingDir", true},
		{"env: [A=1]", "env", true},
		{"volumes: [{source: /a, target: /a}]", "volumes", true},
		{"privileged: true", "privileged", true},
		{"user: root", "user", true},
		{"readOnlyRootFilesystem: true", "readOnlyRootFilesystem", true},
		{"capabilities: {drop: [ALL]}", "capabilities", true},
		{"securityOpts: [no-new-privileges]", "securityOpts", true},
		{"devices: [/dev/null]", "devices", true},
		{"tmpfs: [{path: /t}]", "tmpfs", true},
		{"resources: {pidsLimit: 0}", "resources", true},
		{"root: true", "root", false},
		{"ports: ['80']", "ports", false},
		{"networks: [a]", "networks", false},
		{"networksAliases: [a]", "networksAliases", false},
		{"repos: [{name: a}]", "repos", false},
		{"git: {signingKey: a}", "git", false},
		{"restartPolicy: always", "restartPolicy", false},
		{"restartBackoffSeconds: 0", "restartBackoffSeconds", false},
		{"restartMaxRetries: 1", "restartMaxRetries", false},
		{"attachable: true", "attachable", false},
		{"tty: {prompt: a}", "tty", false},
	};

	for (size_t i = 0; i < KK_COUNT(fields); i++) {
		kk_auto_free char *wanted = kk_xprintf(CELL "    %s\n", fields[i].line);
		kk_auto_free char *want = kk_xprintf("change container \"app\" updated: %s\n%s",
			fields[i].field, fields[i].is_baked ? "anew app\n" : "");

		check_diff(KK_KIND_CELL, CELL, wanted, want);
		check_diff(KK_KIND_CELL, wanted, CELL, want);
	}
	check_diff(KK_KIND_CELL, CELL,
		"metadata: {name: web}\nspec: {realmId: r, spaceId: s, stackId: t, containers: [{id: "
		"app, image: other}]}\n",
		"change container \"app\" updated: image\nanew app\n");
}
END_TEST

/* The namespaces of a member are those of its cell: only the root may take the cell along. */
START_TEST(the_host_flags_of_a_member_are_breaking)
{
	static const char *const fields[] = {"hostNetwork", "hostPID", "hostCgroup"};

	for (size_t i = 0; i < KK_COUNT(fields); i++) {
		kk_auto_free char *wanted = kk_xprintf(CELL "    %s: true\n", fields[i]);
		kk_auto_free char *root =
			kk_xprintf(CELL "    root: true\n    %s: true\n", fields[i]);
		kk_auto_free char *want = kk_xprintf("change container \"app\" updated: %s\n"
						     "breaking container \"app\" %s\nanew app\n",
			fields[i], fields[i]);
		kk_auto_free char *anew =
			kk_xprintf("change container \"app\" updated: %s\nanew app\n", fields[i]);

		check_diff(KK_KIND_CELL, CELL, wanted, want);
		check_diff(KK_KIND_CELL, wanted, CELL, want);
		check_diff(KK_KIND_CELL, CELL "    root: true\n", root, anew);
		check_diff(KK_KIND_CELL, root, CELL "    root: true\n", anew);
	}
}
END_TEST

START_TEST(a_stack_that_does_not_say_its_id_keeps_it)
{
	check_diff(KK_KIND_STACK,
		"metadata: {name: t}\nspec: {id: other, realmId: r, spaceId: s}\n",
		"metadata: {name: t}\nspec: {realmId: r, spaceId: s}\n", "");
	check_diff(KK_KIND_STACK, STACK,
		"metadata: {name: t}\nspec: {id: b, realmId: r, spaceId: s}\n", "change spec.id\n");
}
END_TEST

START_TEST(a_cell_changes_its_network_with_its_root_alone)
{
	check_diff(KK_KIND_CELL, CELL "    root: true\n  - {id: b, image: x}\n",
		CELL "    root: true\n    hostNetwork: true\n  - {id: b, image: x}\n",
		"change container \"app\" updated: hostNetwork\nanew app\nanew b\n");
	check_diff(KK_KIND_CELL, CELL, CELL "  - {id: b, image: x, hostNetwork: true}\n",
		"change container \"b\" added\nbreaking spec.containers.hostNetwork\nadded b\n");
	check_diff(KK_KIND_CELL, CELL "  - {id: b, image: x, hostNetwork: true}\n", CELL,
		"change container \"b\" removed\nbreaking spec.containers.hostNetwork\nremoved b\n");
	check_diff(KK_KIND_CELL, CELL "    hostNetwork: true\n",
		CELL "    hostNetwork: true\n  - {id: b, image: x, hostNetwork: true}\n",
		"change container \"b\" added\nadded b\n");
}
END_TEST

START_TEST(what_the_daemon_fills_in_is_not_compared)
{
	check_diff(KK_KIND_CELL, CELL,
		CELL
		"    containerdId: s_t_web_app\n    realmId: r\n    spaceId: s\n    stackId: t\n"
		"    cellId: web\n    cniConfigPath: /x\n    kukeonGroupGID: 5\n",
		"");
	check_diff(KK_KIND_CELL, CELL,
		"metadata: {name: web}\nspec: {id: other, realmId: r, spaceId: s, stackId: t, "
		"containers: [{id: app, image: busybox}]}\n",
		"");
}
END_TEST

/* The reference compares these by address and always finds them changed. */
START_TEST(volume_references_are_compared_by_value)
{
	check_diff(KK_KIND_CELL,
		CELL "    volumes: [{kind: volume, target: /v, volumeRef: {name: a, realm: r}}]\n",
		CELL "    volumes: [{kind: volume, target: /v, volumeRef: {name: a, realm: r}}]\n",
		"");
	check_diff(KK_KIND_CELL,
		CELL "    volumes: [{kind: volume, target: /v, volumeRef: {name: a, realm: r}}]\n",
		CELL "    volumes: [{kind: volume, target: /v, volumeRef: {name: b, realm: r}}]\n",
		"change container \"app\" updated: volumes\nanew app\n");
}
END_TEST

START_TEST(document_of_one_container_is_compared_alike)
{
	check_diff(KK_KIND_CONTAINER, CONTAINER, CONTAINER "  env: [A=1]\n  ports: ['80']\n",
		"change container \"app\" updated: env, ports\nanew app\n");
	check_diff(KK_KIND_CONTAINER, CONTAINER, CONTAINER "  containerdId: x\n", "");
	check_diff(KK_KIND_CONTAINER, CONTAINER "status: {state: Ready}\n", CONTAINER, "");
}
END_TEST

CHECK_MAIN("diff", same_document_differs_in_nothing, empty_is_absent,
	labels_are_compared_whatever_their_order, labels_of_every_kind_are_compared,
	managed_labels_may_be_left_out, managed_label_that_is_stated_counts_neither_as_extra,
	realm_changes, generation_status_and_intent_are_not_compared, space_changes,
	egress_of_a_space_is_compared, stack_changes, cell_changes, container_is_added_and_removed,
	order_of_containers_does_not_matter, fields_of_a_container_are_named_in_order,
	baked_fields_make_a_container_anew, the_host_flags_of_a_member_are_breaking,
	a_cell_changes_its_network_with_its_root_alone, a_stack_that_does_not_say_its_id_keeps_it,
	what_the_daemon_fills_in_is_not_compared, volume_references_are_compared_by_value,
	document_of_one_container_is_compared_alike)
