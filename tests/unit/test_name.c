/* tests/unit/test_name.c - what derives from where an object lives. */
#include "../../workers/reconciler/rc.h"

#include <ctype.h>
#include <string.h>

#include <kukeon/mem.h>

#include "../support/check.h"

enum { ID_MAX = 76, LABEL_MAX = 63 };

static void setup(void)
{
	rc = (struct rc){
		.run_path = "/opt/kukeon", .suffix = "kukeon.io", .cgroup_root = "/kukeon"};
}

/* What containerd takes: ^[A-Za-z0-9]+(?:[._-](?:[A-Za-z0-9]+))*$ of 76 characters. */
static bool is_identifier(const char *id)
{
	bool was_alnum = false;
	size_t len = strlen(id);

	for (size_t i = 0; i < len; i++) {
		bool is_alnum = isalnum((unsigned char)id[i]);

		if (!is_alnum && (!was_alnum || !strchr("._-", id[i])))
			return false;
		was_alnum = is_alnum;
	}
	return was_alnum && len <= ID_MAX;
}

/* A name of @len letters that ends with @last. */
static char *name_of(size_t len, char letter, char last)
{
	char *name = kk_xalloc(len + 1);

	memset(name, letter, len);
	name[len - 1] = last;
	return name;
}

static const struct {
	struct kk_scope scope;
	const char *path;
	const char *dir;
	const char *cgroup;
	enum kk_kind kind;
} scopes[] = {
	{{"r", NULL, NULL, NULL}, "r", "/opt/kukeon/data/r", "/kukeon/r", KK_KIND_REALM},
	{{"r", "s", NULL, NULL}, "r/s", "/opt/kukeon/data/r/s", "/kukeon/r/s", KK_KIND_SPACE},
	{{"r", "s", "t", NULL}, "r/s/t", "/opt/kukeon/data/r/s/t", "/kukeon/r/s/t", KK_KIND_STACK},
	{{"r", "s", "t", "web-1"}, "r/s/t/web-1", "/opt/kukeon/data/r/s/t/web-1",
		"/kukeon/r/s/t/web-1", KK_KIND_CELL},
};

START_TEST(paths_follow_the_tree)
{
	const struct kk_scope *scope = &scopes[_i].scope;
	kk_auto_free char *path = rc_scope_path(scope), *dir = rc_scope_dir(scope);
	kk_auto_free char *cgroup = rc_cgroup_path(scope);

	ck_assert_str_eq(path, scopes[_i].path);
	ck_assert_str_eq(dir, scopes[_i].dir);
	ck_assert_str_eq(cgroup, scopes[_i].cgroup);
	ck_assert_int_eq(rc_scope_kind(scope), scopes[_i].kind);
}
END_TEST

START_TEST(the_store_has_a_root)
{
	const struct kk_scope root = {0};
	kk_auto_free char *dir = rc_scope_dir(&root), *path = rc_scope_path(&root);

	ck_assert_str_eq(dir, "/opt/kukeon/data");
	ck_assert_str_eq(path, "");
}
END_TEST

START_TEST(a_cgroup_root_may_be_deep)
{
	kk_auto_free char *cgroup = NULL;

	rc.cgroup_root = "/machine/kukeon.test";
	cgroup = rc_cgroup_path(&scopes[1].scope);
	ck_assert_str_eq(cgroup, "/machine/kukeon.test/r/s");
}
END_TEST

START_TEST(a_namespace_is_realm_and_suffix)
{
	kk_auto_free char *namespace = rc_namespace_default("lab");

	ck_assert_str_eq(namespace, "lab.kukeon.io");
}
END_TEST

START_TEST(an_id_is_the_way_to_the_container)
{
	const struct kk_scope scope = {"r", "space", "stack", "cell"};
	kk_auto_free char *id = rc_container_id(&scope, "container");

	ck_assert_str_eq(id, "space_stack_cell_container");
	ck_assert(is_identifier(id));
}
END_TEST

START_TEST(an_id_of_76_bytes_stays_as_it_is)
{
	kk_auto_free char *cell = name_of(63, 'c', 'd'), *container = name_of(8, 'e', 'f');
	const struct kk_scope scope = {"r", "s", "t", cell};
	kk_auto_free char *id = rc_container_id(&scope, container);
	kk_auto_free char *expected = kk_xprintf("s_t_%s_%s", cell, container);

	ck_assert_uint_eq(strlen(id), ID_MAX);
	ck_assert_str_eq(id, expected);
}
END_TEST

START_TEST(a_longer_id_keeps_its_front)
{
	kk_auto_free char *cell = name_of(63, 'c', 'd'), *container = name_of(9, 'e', 'f');
	const struct kk_scope scope = {"r", "s", "t", cell};
	kk_auto_free char *id = rc_container_id(&scope, container);
	kk_auto_free char *again = rc_container_id(&scope, container);

	ck_assert_uint_eq(strlen(id), ID_MAX);
	ck_assert(kk_str_starts(id, "s_t_ccccccccccccccccccccccccccccccccccccccccccccccccccc"));
	ck_assert_uint_eq(strspn(id + 60, "0123456789abcdef"), 16);
	ck_assert_str_eq(id, again);
}
END_TEST

START_TEST(long_ids_differ_wherever_their_names_do)
{
	kk_auto_free char *base = name_of(LABEL_MAX, 'a', 'a'),
			  *other = name_of(LABEL_MAX, 'a', 'b');
	kk_auto_free char *shorter = name_of(LABEL_MAX - 1, 'a', 'a');
	const struct kk_scope parts[] = {{"r", base, base, base}, {"r", other, base, base},
		{"r", base, other, base}, {"r", base, base, other}, {"r", shorter, base, base},
		{"r", base, shorter, base}};
	const char *const last[] = {base, other, shorter};
	char *ids[KK_COUNT(parts) * KK_COUNT(last)];

	for (size_t i = 0; i < KK_COUNT(ids); i++) {
		ids[i] = rc_container_id(&parts[i / KK_COUNT(last)], last[i % KK_COUNT(last)]);
		ck_assert(is_identifier(ids[i]));
		for (size_t k = 0; k < i; k++)
			ck_assert_str_ne(ids[i], ids[k]);
	}
	for (size_t i = 0; i < KK_COUNT(ids); i++)
		free(ids[i]);
}
END_TEST

START_TEST(an_id_is_valid_wherever_it_is_cut)
{
	/* Each separator, and each letter beside it, comes to lie at the cut. */
	for (size_t len = 1; len <= LABEL_MAX; len++) {
		kk_auto_free char *space = name_of(len, 'a', 'b'), *cell = name_of(40, 'c', 'd');
		kk_auto_free char *container = name_of(LABEL_MAX, 'e', 'f');
		const struct kk_scope scope = {"r", space, "a-b", cell};
		kk_auto_free char *id = NULL;

		cell[20] = '-';
		container[10] = '-';
		id = rc_container_id(&scope, container);
		ck_assert_msg(is_identifier(id), "%s", id);
	}
}
END_TEST

START_TEST(the_realm_is_not_part_of_an_id)
{
	const struct kk_scope one = {"one", "s", "t", "c"}, two = {"two", "s", "t", "c"};
	kk_auto_free char *id_one = rc_container_id(&one, "x"),
			  *id_two = rc_container_id(&two, "x");

	/* The namespace tells them apart. */
	ck_assert_str_eq(id_one, id_two);
}
END_TEST

/* --- regressions --- */

START_TEST(names_that_make_no_valid_id_are_refused)
{
	static const char *const names[] = {"a--b", "a---b"};
	const struct kk_scope scope = {"r", "s", "t", names[_i]};
	kk_auto_free char *id = rc_container_id(&scope, "c");
	struct kk_err err = {0};

	ck_assert_msg(!is_identifier(id), "%s", id);
	check_code(kk_name_check(KK_KIND_CELL, names[_i], &err), KK_E_INVALID);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("name");
	TCase *regressions = tcase_create("regressions");
	TCase *path = tcase_create("path"), *id = tcase_create("id");

	tcase_add_checked_fixture(path, setup, NULL);
	tcase_add_loop_test(path, paths_follow_the_tree, 0, (int)KK_COUNT(scopes));
	tcase_add_test(path, the_store_has_a_root);
	tcase_add_test(path, a_cgroup_root_may_be_deep);
	tcase_add_test(path, a_namespace_is_realm_and_suffix);
	suite_add_tcase(suite, path);
	tcase_add_checked_fixture(id, setup, NULL);
	tcase_add_test(id, an_id_is_the_way_to_the_container);
	tcase_add_test(id, an_id_of_76_bytes_stays_as_it_is);
	tcase_add_test(id, a_longer_id_keeps_its_front);
	tcase_add_test(id, long_ids_differ_wherever_their_names_do);
	tcase_add_test(id, an_id_is_valid_wherever_it_is_cut);
	tcase_add_test(id, the_realm_is_not_part_of_an_id);
	suite_add_tcase(suite, id);
	tcase_add_checked_fixture(regressions, setup, NULL);
	tcase_add_loop_test(regressions, names_that_make_no_valid_id_are_refused, 0, 2);
	suite_add_tcase(suite, regressions);
	return check_main(suite);
}
