/* tests/unit/test_ref.c - names of images. */
#include "../../workers/containerd/ct.h"

#include <string.h>

#include <kukeon/mem.h>

#include "../support/check.h"

#define DIGEST "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const struct {
	const char *ref;
	const char *name;
} refs[] = {
	{"busybox", "docker.io/library/busybox:latest"},
	{"busybox:1.36", "docker.io/library/busybox:1.36"},
	{"library/busybox", "docker.io/library/busybox:latest"},
	{"user/app", "docker.io/user/app:latest"},
	{"user/app:v1", "docker.io/user/app:v1"},
	{"a/b/c", "docker.io/a/b/c:latest"},
	{"docker.io/library/busybox:latest", "docker.io/library/busybox:latest"},
	{"docker.io/user/app", "docker.io/user/app:latest"},
	/* What has a dot or a port before the first slash is a host. */
	{"quay.io/org/app", "quay.io/org/app:latest"},
	{"quay.io/app:v1", "quay.io/app:v1"},
	{"registry:5000/app", "registry:5000/app:latest"},
	{"registry:5000/app:v1", "registry:5000/app:v1"},
	{"localhost/app", "localhost/app:latest"},
	{"localhost:5000/app", "localhost:5000/app:latest"},
	{"localhost", "docker.io/library/localhost:latest"},
	{"localhostx/app", "docker.io/localhostx/app:latest"},
	{"127.0.0.1:5000/app", "127.0.0.1:5000/app:latest"},
	{"kukeon.internal/kukeond:v1", "kukeon.internal/kukeond:v1"},
	/* A digest is as good as a tag. */
	{"busybox@" DIGEST, "docker.io/library/busybox@" DIGEST},
	{"quay.io/app@" DIGEST, "quay.io/app@" DIGEST},
	{"registry:5000/app@" DIGEST, "registry:5000/app@" DIGEST},
	{"my-app/x_y", "docker.io/my-app/x_y:latest"},
	{"app:v1.2-rc_3", "docker.io/library/app:v1.2-rc_3"},
};

START_TEST(a_name_is_made_complete)
{
	struct kk_err err = {0};
	kk_auto_free char *name = ct_ref_normalize(refs[_i].ref, &err);

	ck_assert_int_eq(err.code, 0);
	ck_assert_str_eq(name, refs[_i].name);
}
END_TEST

START_TEST(a_complete_name_stays)
{
	struct kk_err err = {0};
	kk_auto_free char *once = ct_ref_normalize(refs[_i].ref, &err);
	kk_auto_free char *twice = ct_ref_normalize(once, &err);

	ck_assert_str_eq(twice, once);
}
END_TEST

static const char *const no_refs[] = {"", " ", "a b", "busybox ", "/busybox", "busybox/", "a//b",
	"../etc/passwd", "a/../b", "a..b", "-busybox", ".busybox", "busybox:", "busybox\n",
	"busybox;rm", "busybox%2f", "b\xc3\xbcsy", "https://quay.io/app", "app?x", "app#x", "app$"};

START_TEST(a_name_that_is_none_is_refused)
{
	kk_auto_free char *text = kk_xprintf("invalid image reference \"%s\"", no_refs[_i]);
	struct kk_err err = {0};
	char found[KK_ERR_TEXT];

	ck_assert_ptr_null(ct_ref_normalize(no_refs[_i], &err));
	kk_err_format(&err, found, sizeof found);
	ck_assert_int_eq(err.code, KK_E_INVALID);
	ck_assert_str_eq(found, text);
}
END_TEST

START_TEST(a_name_has_a_longest_length)
{
	char ref[514];
	struct kk_err err = {0};
	char *name;

	memset(ref, 'a', sizeof ref - 1);
	ref[513 - strlen("docker.io/library/:latest")] = '\0';
	ck_assert_ptr_null(ct_ref_normalize(ref, &err));
	ck_assert_int_eq(err.code, KK_E_INVALID);
	kk_err_clear(&err);
	ref[512 - strlen("docker.io/library/:latest")] = '\0';
	name = ct_ref_normalize(ref, &err);
	ck_assert_ptr_nonnull(name);
	ck_assert_uint_eq(strlen(name), 512);
	free(name);
}
END_TEST

/* --- regressions --- */

static const struct {
	const char *ref;
	const char *name;
} hub[] = {
	{"docker.io/busybox", "docker.io/library/busybox:latest"},
	{"docker.io/busybox:1.36", "docker.io/library/busybox:1.36"},
	{"index.docker.io/library/busybox", "docker.io/library/busybox:latest"},
};

START_TEST(names_of_the_hub_have_one_form)
{
	struct kk_err err = {0};
	kk_auto_free char *name = ct_ref_normalize(hub[_i].ref, &err);

	ck_assert_str_eq(name, hub[_i].name);
}
END_TEST

static const char *const odd_refs[] = {"BusyBox", "busybox@", "busybox@sha256",
	"busybox@sha256:xyz", ":latest", "@" DIGEST, "busybox:1:2", "busybox:-1", "a/:b", "a/-b",
	"_a"};

START_TEST(a_name_that_no_registry_has_is_refused)
{
	struct kk_err err = {0};
	kk_auto_free char *name = ct_ref_normalize(odd_refs[_i], &err);

	ck_assert_msg(!name, "%s", name);
	ck_assert_int_eq(err.code, KK_E_INVALID);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ref");
	TCase *regressions = tcase_create("regressions");
	TCase *name = tcase_create("name");

	tcase_add_loop_test(name, a_name_is_made_complete, 0, (int)KK_COUNT(refs));
	tcase_add_loop_test(name, a_complete_name_stays, 0, (int)KK_COUNT(refs));
	tcase_add_loop_test(name, a_name_that_is_none_is_refused, 0, (int)KK_COUNT(no_refs));
	tcase_add_test(name, a_name_has_a_longest_length);
	suite_add_tcase(suite, name);
	tcase_add_loop_test(regressions, names_of_the_hub_have_one_form, 0, (int)KK_COUNT(hub));
	tcase_add_loop_test(regressions, a_name_that_no_registry_has_is_refused, 0,
		(int)KK_COUNT(odd_refs));
	suite_add_tcase(suite, regressions);
	return check_main(suite);
}
