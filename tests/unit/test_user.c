/* tests/unit/test_user.c - names of users, looked up in the layers of a root file system. */
#include "../../workers/containerd/ct.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <kukeon/buf.h>
#include <kukeon/mem.h>

#include "../support/check.h"
#include "../support/dir.h"

#define PASSWD                                       \
	"root:x:0:0:root:/root:/bin/sh\n"            \
	"daemon:x:1:1:daemon:/usr/sbin:/bin/false\n" \
	"app:x:1000:1001:App:/home/app:/bin/sh\n"    \
	"bare:x:7:8::/:\n"
#define GROUP                     \
	"root:x:0:\n"             \
	"adm:x:4:root,app\n"      \
	"staff:x:50:app\n"        \
	"app:x:1001:\n"           \
	"apps:x:60:application\n" \
	"last:x:70:daemon,app"

static Ct__Mount mount = CT__MOUNT__INIT;
static Ct__Mount *mounts[] = {&mount};
static const struct ct_mounts rootfs = {.items = mounts, .n = 1};
static char source[128];
static char *options[4];

/* One layer, the directory "rootfs". */
static void setup(void)
{
	dir_setup();
	snprintf(source, sizeof source, "%s/rootfs", dir_path);
	mount.type = (char *)"bind";
	mount.source = source;
	dir_write("rootfs/etc/hostname", "x\n");
}

/* Layers of an overlay, uppermost first; the first is its upper directory. */
static void overlay_set(const char *upper, const char *lower_one, const char *lower_two)
{
	mount.type = (char *)"overlay";
	mount.source = (char *)"overlay";
	options[0] = (char *)"index=off";
	options[1] = kk_xprintf("lowerdir=%s/%s:%s/%s", dir_path, lower_one, dir_path, lower_two);
	options[2] = kk_xprintf("workdir=%s/work", dir_path);
	options[3] = kk_xprintf("upperdir=%s/%s", dir_path, upper);
	mount.options = options;
	mount.n_options = KK_COUNT(options);
}

static void teardown(void)
{
	for (size_t i = 1; i < KK_COUNT(options); i++)
		free(options[i]);
	dir_teardown();
}

static void link_make(const char *target, const char *name)
{
	kk_auto_free char *path = kk_xprintf("%s/%s", dir_path, name);

	ck_assert_int_eq(symlink(target, path), 0);
}

/* The user as uid:gid:home:group,group… */
static void expect(const char *text, const char *user)
{
	struct ct_user found;
	struct kk_err err = {0};
	kk_auto_buf line = {0};
	char why[KK_ERR_TEXT] = "";
	int r = ct_user_resolve(text, &rootfs, &found, &err);

	kk_err_format(&err, why, sizeof why);
	ck_assert_msg(r == 0, "%s", why);
	kk_buf_printf(&line, "%u:%u:%s:", found.uid, found.gid, found.home);
	for (size_t i = 0; i < found.n_groups; i++)
		kk_buf_printf(&line, "%s%u", i ? "," : "", found.groups[i]);
	ck_assert_str_eq((char *)line.data, user);
}

static void expect_unknown(const char *text, const char *why)
{
	struct ct_user found = {.uid = 42};
	struct kk_err err = {0};
	char why_found[KK_ERR_TEXT];

	ck_assert_int_eq(ct_user_resolve(text, &rootfs, &found, &err), KK_E_INVALID);
	kk_err_format(&err, why_found, sizeof why_found);
	ck_assert_str_eq(why_found, why);
	ck_assert_uint_eq(found.uid, 42);
}

/* --- one layer --- */

static const struct {
	const char *text;
	const char *user;
} known[] = {
	{"", "0:0:/root:4"},
	{"root", "0:0:/root:4"},
	{"0", "0:0:/root:4"},
	{"app", "1000:1001:/home/app:4,50,70"},
	/* A number that is known is that user. */
	{"1000", "1000:1001:/home/app:4,50,70"},
	{"daemon", "1:1:/usr/sbin:70"},
	{"bare", "7:8:/:"},
	{"4242", "4242:0:/:"},
	{"4294967295", "4294967295:0:/:"},
	/* A group that is named is the only one. */
	{"app:staff", "1000:50:/home/app:"},
	{"app:99", "1000:99:/home/app:"},
	{"app:0", "1000:0:/home/app:"},
	{"1000:adm", "1000:4:/home/app:"},
	{"4242:4243", "4242:4243:/:"},
	{"4242:last", "4242:70:/:"},
	{"root:root", "0:0:/root:"},
};

START_TEST(a_user_is_found_by_name_or_number)
{
	dir_write("rootfs/etc/passwd", PASSWD);
	dir_write("rootfs/etc/group", GROUP);
	expect(known[_i].text, known[_i].user);
}
END_TEST

static const struct {
	const char *text;
	const char *why;
} unknown[] = {
	{"nobody", "user 'nobody' is not in the image's /etc/passwd"},
	{"ap", "user 'ap' is not in the image's /etc/passwd"},
	{"apps", "user 'apps' is not in the image's /etc/passwd"},
	{"-1", "user '-1' is not in the image's /etc/passwd"},
	{"+1", "user '+1' is not in the image's /etc/passwd"},
	{" 1", "user ' 1' is not in the image's /etc/passwd"},
	{"1000x", "user '1000x' is not in the image's /etc/passwd"},
	{"0x1", "user '0x1' is not in the image's /etc/passwd"},
	{"4294967296", "user '4294967296' is not in the image's /etc/passwd"},
	{"99999999999999999999", "user '99999999999999999999' is not in the image's /etc/passwd"},
	{":staff", "user '' is not in the image's /etc/passwd"},
	{"nobody:staff", "user 'nobody' is not in the image's /etc/passwd"},
	{"app:", "group '' is not in the image's /etc/group"},
	{"app:nogroup", "group 'nogroup' is not in the image's /etc/group"},
	{"0:4294967296", "group '4294967296' is not in the image's /etc/group"},
	{"0:-1", "group '-1' is not in the image's /etc/group"},
	{"app:staff:more", "group 'staff:more' is not in the image's /etc/group"},
};

START_TEST(a_user_that_is_not_there_is_an_error)
{
	dir_write("rootfs/etc/passwd", PASSWD);
	dir_write("rootfs/etc/group", GROUP);
	expect_unknown(unknown[_i].text, unknown[_i].why);
}
END_TEST

START_TEST(numbers_need_no_files)
{
	expect("", "0:0:/:");
	expect("1000", "1000:0:/:");
	expect("1000:50", "1000:50:/:");
	expect_unknown("app", "user 'app' is not in the image's /etc/passwd");
	expect_unknown("0:staff", "group 'staff' is not in the image's /etc/group");
}
END_TEST

START_TEST(numbers_need_no_layers)
{
	struct ct_user user;
	const struct ct_mounts nothing = {0};
	struct kk_err err = {0};

	ck_assert_int_eq(ct_user_resolve("5:6", &nothing, &user, &err), 0);
	ck_assert_uint_eq(user.uid, 5);
	ck_assert_uint_eq(user.gid, 6);
	mount.source = (char *)"/nowhere/at/all";
	expect("5", "5:0:/:");
}
END_TEST

START_TEST(a_user_without_a_group_file_has_its_own_group)
{
	dir_write("rootfs/etc/passwd", PASSWD);
	expect("app", "1000:1001:/home/app:");
}
END_TEST

START_TEST(lines_that_make_no_sense_are_passed_over)
{
	dir_write("rootfs/etc/passwd",
		"\n"
		"# app:x:1:1::/comment:\n"
		"app\n"
		"app:x:2\n"
		"app:x:3:3:too\n"
		"app:x:four:4::/four:\n"
		"app:x:5:five::/five:\n"
		"app:x:-6:6::/six:\n"
		"app:x:99999999999:7::/seven:\n"
		"app:x:8:8::/eight:/bin/sh\r\n"
		"app:x:9:9::/nine:\n");
	dir_write("rootfs/etc/group",
		"\nx\na:x\nb:x:none:app\nc:x:3:app\r\nd:x:4\ne:x:5:other,app\n");
	expect("app", "8:8:/eight:3,5");
}
END_TEST

START_TEST(the_first_of_two_counts)
{
	dir_write("rootfs/etc/passwd", "a:x:1:10::/one:\na:x:2:20::/two:\nb:x:1:30::/three:\n");
	expect("a", "1:10:/one:");
	expect("1", "1:10:/one:");
	expect("2", "2:20:/two:");
}
END_TEST

START_TEST(a_long_home_is_cut)
{
	kk_auto_free char *home = kk_xalloc(1001), *line = NULL, *user = NULL;

	memset(home, 'h', 1000);
	line = kk_xprintf("app:x:1:2::/%s:/bin/sh\n", home);
	dir_write("rootfs/etc/passwd", line);
	user = kk_xprintf("1:2:/%.254s:", home);
	expect("app", user);
}
END_TEST

START_TEST(groups_beyond_what_there_is_room_for_are_left_out)
{
	kk_auto_buf text = {0};
	struct ct_user user;
	struct kk_err err = {0};

	for (int i = 0; i < 100; i++)
		kk_buf_printf(&text, "g%d:x:%d:app\n", i, 100 + i);
	dir_write("rootfs/etc/passwd", PASSWD);
	dir_write("rootfs/etc/group", (char *)text.data);
	ck_assert_int_eq(ct_user_resolve("app", &rootfs, &user, &err), 0);
	ck_assert_uint_eq(user.n_groups, 64);
	ck_assert_uint_eq(user.groups[63], 163);
}
END_TEST

/* --- links --- */

static const char *const inner_links[] = {
	"/usr/share/passwd", "../usr/share/passwd", "../../../../usr/share/passwd"};

START_TEST(a_link_is_followed_within_the_root)
{
	dir_write("rootfs/usr/share/passwd", PASSWD);
	link_make(inner_links[_i], "rootfs/etc/passwd");
	expect("app", "1000:1001:/home/app:");
}
END_TEST

START_TEST(a_link_never_leads_out_of_the_root)
{
	kk_auto_free char *absolute = kk_xprintf("%s/outside/passwd", dir_path);
	const char *const targets[] = {absolute, "../../outside/passwd", "/etc/passwd", "passwd"};

	dir_write("outside/passwd", "app:x:1:1::/outside:\nroot:x:2:2::/outside:\n");
	link_make(targets[_i], "rootfs/etc/passwd");
	expect_unknown("app", "user 'app' is not in the image's /etc/passwd");
	expect("0", "0:0:/:");
}
END_TEST

START_TEST(a_linked_directory_never_leads_out_of_the_root)
{
	kk_auto_free char *hostname = kk_xprintf("%s/rootfs/etc/hostname", dir_path);
	kk_auto_free char *etc = kk_xprintf("%s/rootfs/etc", dir_path);

	dir_write("outside/passwd", "app:x:1:1::/outside:\n");
	ck_assert_int_eq(unlink(hostname), 0);
	ck_assert_int_eq(rmdir(etc), 0);
	link_make("../outside", "rootfs/etc");
	expect_unknown("app", "user 'app' is not in the image's /etc/passwd");
}
END_TEST

START_TEST(what_is_no_file_is_not_read)
{
	kk_auto_free char *path = kk_xprintf("%s/rootfs/etc/passwd", dir_path);

	/* Nobody writes to it, so that a plain open would wait for ever. */
	if (_i == 0)
		ck_assert_int_eq(mkfifo(path, 0644), 0);
	else
		ck_assert_int_eq(mkdir(path, 0755), 0);
	expect_unknown("app", "user 'app' is not in the image's /etc/passwd");
}
END_TEST

/* --- several layers --- */

START_TEST(the_uppermost_layer_that_has_the_file_counts)
{
	overlay_set("up", "mid", "low");
	dir_write("up/x", "");
	dir_write("mid/etc/passwd", "app:x:2:2::/mid:\n");
	dir_write("low/etc/passwd", "app:x:3:3::/low:\nold:x:4:4::/low:\n");
	dir_write("low/etc/group", "staff:x:50:app\n");
	expect("app", "2:2:/mid:50");
	expect_unknown("old", "user 'old' is not in the image's /etc/passwd");
	dir_write("up/etc/passwd", "app:x:1:1::/up:\n");
	expect("app", "1:1:/up:50");
	expect("app:staff", "1:50:/up:");
}
END_TEST

START_TEST(a_deleted_file_is_not_found_below)
{
	kk_auto_free char *path = kk_xprintf("%s/mid/etc/passwd", dir_path);

	overlay_set("up", "mid", "low");
	dir_write("up/x", "");
	dir_write("mid/etc/x", "");
	dir_write("low/etc/passwd", "app:x:3:3::/low:\n");
	expect("app", "3:3:/low:");
	/* How an overlay says so. */
	ck_assert_int_eq(mknod(path, S_IFCHR, makedev(0, 0)), 0);
	expect_unknown("app", "user 'app' is not in the image's /etc/passwd");
}
END_TEST

START_TEST(a_deleted_file_may_be_made_again)
{
	kk_auto_free char *path = kk_xprintf("%s/mid/etc/passwd", dir_path);

	overlay_set("up", "mid", "low");
	dir_write("up/etc/passwd", "app:x:1:1::/up:\n");
	dir_write("mid/etc/x", "");
	dir_write("low/etc/passwd", "app:x:3:3::/low:\n");
	ck_assert_int_eq(mknod(path, S_IFCHR, makedev(0, 0)), 0);
	expect("app", "1:1:/up:");
}
END_TEST

/* --- regressions --- */

START_TEST(a_file_in_a_deleted_directory_is_not_found_below)
{
	kk_auto_free char *path = kk_xprintf("%s/mid/etc", dir_path);

	overlay_set("up", "mid", "low");
	dir_write("up/x", "");
	dir_write("mid/x", "");
	dir_write("low/etc/passwd", "app:x:3:3::/low:\n");
	ck_assert_int_eq(mknod(path, S_IFCHR, makedev(0, 0)), 0);
	expect_unknown("app", "user 'app' is not in the image's /etc/passwd");
}
END_TEST

START_TEST(a_file_in_a_replaced_directory_is_not_found_below)
{
	kk_auto_free char *path = kk_xprintf("%s/mid/etc", dir_path);

	overlay_set("up", "mid", "low");
	dir_write("up/x", "");
	dir_write("mid/etc/x", "");
	dir_write("low/etc/passwd", "app:x:3:3::/low:\n");
	/* Only root may say so, with the attribute that containerd's overlays have. */
	if (setxattr(path, "trusted.overlay.opaque", "y", 1, 0) < 0)
		return;
	expect_unknown("app", "user 'app' is not in the image's /etc/passwd");
}
END_TEST

START_TEST(a_link_may_lead_into_another_layer)
{
	overlay_set("up", "mid", "low");
	dir_write("up/etc/x", "");
	dir_write("mid/x", "");
	dir_write("low/usr/share/passwd", "app:x:3:3::/low:\n");
	link_make("/usr/share/passwd", "up/etc/passwd");
	expect("app", "3:3:/low:");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("user");
	TCase *bugs = tcase_create("regressions");
	TCase *one = tcase_create("one layer"), *links = tcase_create("links");
	TCase *layers = tcase_create("layers");

	tcase_add_checked_fixture(one, setup, teardown);
	tcase_add_loop_test(one, a_user_is_found_by_name_or_number, 0, (int)KK_COUNT(known));
	tcase_add_loop_test(one, a_user_that_is_not_there_is_an_error, 0, (int)KK_COUNT(unknown));
	tcase_add_test(one, numbers_need_no_files);
	tcase_add_test(one, numbers_need_no_layers);
	tcase_add_test(one, a_user_without_a_group_file_has_its_own_group);
	tcase_add_test(one, lines_that_make_no_sense_are_passed_over);
	tcase_add_test(one, the_first_of_two_counts);
	tcase_add_test(one, a_long_home_is_cut);
	tcase_add_test(one, groups_beyond_what_there_is_room_for_are_left_out);
	suite_add_tcase(suite, one);
	tcase_add_checked_fixture(links, setup, teardown);
	tcase_add_loop_test(links, a_link_is_followed_within_the_root, 0,
		(int)KK_COUNT(inner_links));
	tcase_add_loop_test(links, a_link_never_leads_out_of_the_root, 0, 4);
	tcase_add_test(links, a_linked_directory_never_leads_out_of_the_root);
	tcase_add_loop_test(links, what_is_no_file_is_not_read, 0, 2);
	suite_add_tcase(suite, links);
	tcase_add_checked_fixture(layers, setup, teardown);
	tcase_add_test(layers, the_uppermost_layer_that_has_the_file_counts);
	tcase_add_test(layers, a_deleted_file_is_not_found_below);
	tcase_add_test(layers, a_deleted_file_may_be_made_again);
	suite_add_tcase(suite, layers);
	tcase_add_checked_fixture(bugs, setup, teardown);
	tcase_add_test(bugs, a_file_in_a_deleted_directory_is_not_found_below);
	tcase_add_test(bugs, a_file_in_a_replaced_directory_is_not_found_below);
	tcase_add_test(bugs, a_link_may_lead_into_another_layer);
	suite_add_tcase(suite, bugs);
	return check_main(suite);
}
