/* tests/unit/test_effective.c - what the defaults of a space give to a container, and what they leave alone. */
#include "../../workers/reconciler/rc.h"

#include <kukeon/mem.h>

#include "../support/check.h"

static struct kk_container_defaults defaults;
static struct kk_container_spec spec;

static void setup(void)
{
	struct kk_tmpfs *tmpfs;

	kk_schema_init(kk_schema_of_container_defaults(), &defaults);
	kk_schema_init(kk_schema_of_container_spec(), &spec);
	kk_str_set(&defaults.user, "1000:1000");
	defaults.read_only_root_filesystem = (struct kk_opt_bool){true, true};
	kk_strs_add(&defaults.capabilities.drop, "ALL");
	kk_strs_add(&defaults.security_opts, "no-new-privileges");
	tmpfs = kk_list_add(KK_LIST(&defaults.tmpfs), kk_schema_of_tmpfs());
	kk_str_set(&tmpfs->path, "/tmp");
	defaults.resources.memory_limit_bytes = (struct kk_opt_i64){true, 1 << 20};
	defaults.resources.pids_limit = (struct kk_opt_i64){true, 64};
}

static void teardown(void)
{
	kk_container_defaults_release(&defaults);
	kk_container_spec_release(&spec);
}

START_TEST(a_container_that_says_nothing_has_all_of_them)
{
	rc_defaults_merge(&defaults, &spec);
	ck_assert_str_eq(spec.user, "1000:1000");
	ck_assert(spec.read_only_root_filesystem);
	ck_assert_str_eq(spec.capabilities.drop.items[0], "ALL");
	ck_assert_str_eq(spec.security_opts.items[0], "no-new-privileges");
	ck_assert_str_eq(spec.tmpfs.items[0].path, "/tmp");
	ck_assert_int_eq(spec.resources.memory_limit_bytes.value, 1 << 20);
	ck_assert_int_eq(spec.resources.pids_limit.value, 64);
}
END_TEST

START_TEST(what_a_container_says_itself_holds_as_a_whole)
{
	struct kk_tmpfs *tmpfs = kk_list_add(KK_LIST(&spec.tmpfs), kk_schema_of_tmpfs());

	kk_str_set(&tmpfs->path, "/own");
	kk_str_set(&spec.user, "root");
	kk_strs_add(&spec.capabilities.add, "NET_ADMIN");
	kk_strs_add(&spec.security_opts, "seccomp=unconfined");
	spec.resources.memory_limit_bytes = (struct kk_opt_i64){true, 2 << 20};
	rc_defaults_merge(&defaults, &spec);
	ck_assert_str_eq(spec.user, "root");
	ck_assert_uint_eq(spec.capabilities.drop.n, 0);
	ck_assert_uint_eq(spec.security_opts.n, 1);
	ck_assert_str_eq(spec.security_opts.items[0], "seccomp=unconfined");
	ck_assert_uint_eq(spec.tmpfs.n, 1);
	ck_assert_str_eq(spec.tmpfs.items[0].path, "/own");
	ck_assert_int_eq(spec.resources.memory_limit_bytes.value, 2 << 20);
	ck_assert(!spec.resources.pids_limit.is_set);
}
END_TEST

START_TEST(an_empty_list_is_an_answer)
{
	spec.security_opts.is_set = true;
	spec.tmpfs.is_set = true;
	rc_defaults_merge(&defaults, &spec);
	ck_assert_uint_eq(spec.security_opts.n, 0);
	ck_assert_uint_eq(spec.tmpfs.n, 0);
}
END_TEST

START_TEST(a_space_without_defaults_changes_nothing)
{
	struct kk_container_spec before;

	teardown();
	kk_schema_init(kk_schema_of_container_defaults(), &defaults);
	kk_schema_init(kk_schema_of_container_spec(), &spec);
	kk_strs_add(&spec.env, "A=1");
	kk_schema_copy(kk_schema_of_container_spec(), &spec, &before);
	rc_defaults_merge(&defaults, &spec);
	ck_assert(kk_schema_equal(kk_schema_of_container_spec(), &before, &spec, 0));
	kk_container_spec_release(&before);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("effective");
	TCase *tc = tcase_create("effective");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_container_that_says_nothing_has_all_of_them);
	tcase_add_test(tc, what_a_container_says_itself_holds_as_a_whole);
	tcase_add_test(tc, an_empty_list_is_an_answer);
	tcase_add_test(tc, a_space_without_defaults_changes_nothing);
	suite_add_tcase(suite, tc);
	return check_main(suite);
}
