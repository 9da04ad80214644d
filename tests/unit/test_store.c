/* tests/unit/test_store.c - one document per object, on disk and through the cache. */
#include "../../workers/reconciler/rc.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kukeon/buf.h>
#include <kukeon/clock.h>

#include "../support/check.h"
#include "../support/clock.h"
#include "../support/dir.h"

#define SECOND INT64_C(1000000000)

static const struct kk_scope root = {0};
static const struct kk_scope r = {"r", NULL, NULL, NULL}, s = {"r", "s", NULL, NULL};
static const struct kk_scope t = {"r", "s", "t", NULL}, web = {"r", "s", "t", "web"};

#define auto_cell kk_auto(kk_cell_release) struct kk_cell
#define auto_realm kk_auto(kk_realm_release) struct kk_realm

static void setup(void)
{
	static struct kk_worker worker;

	dir_setup();
	rc = (struct rc){
		.worker = &worker,
		.run_path = dir_path,
		.suffix = "kukeon.io",
		.cgroup_root = "/kukeon",
	};
}

static struct kk_realm realm_make(const char *namespace)
{
	struct kk_realm realm;

	kk_schema_init(kk_schema_of_realm(), &realm);
	realm.metadata.name = kk_xstrdup("r");
	realm.spec.namespace = kk_xstrdup(namespace);
	kk_doc_default(KK_KIND_REALM, &realm);
	return realm;
}

static struct kk_cell cell_make(const char *image)
{
	struct kk_cell cell;
	struct kk_container_spec *spec;

	kk_schema_init(kk_schema_of_cell(), &cell);
	cell.metadata.name = kk_xstrdup("web");
	cell.spec.realm_id = kk_xstrdup("r");
	cell.spec.space_id = kk_xstrdup("s");
	cell.spec.stack_id = kk_xstrdup("t");
	kk_doc_default(KK_KIND_CELL, &cell);
	spec = kk_list_add(KK_LIST(&cell.spec.containers), kk_schema_of_container_spec());
	spec->id = kk_xstrdup("one");
	spec->image = kk_xstrdup(image);
	return cell;
}

static void save(const struct kk_scope *scope, void *doc)
{
	struct kk_err err = {0};

	ck_assert_int_eq(rc_store_save(scope, doc, &err), 0);
}

static char *file_text(const char *name)
{
	kk_auto_free char *path = kk_xprintf("%s/%s", dir_path, name);
	struct kk_buf text = {0};
	struct kk_err err = {0};

	ck_assert_int_eq(kk_file_read(path, &text, &err), 0);
	return kk_buf_take(&text);
}

/* A member of the document as the API shows it, found by its path. */
static json_t *shown(const struct kk_scope *scope, const char *part, const char *key)
{
	const char *text = rc_store_text(scope);
	kk_auto_json *json = NULL;

	ck_assert_ptr_nonnull(text);
	json = json_loads(text, 0, NULL);
	ck_assert_ptr_nonnull(json);
	return json_incref(json_object_get(json_object_get(json, part), key));
}

static void expect_shown(const struct kk_scope *scope, const char *part, const char *key,
	const char *value)
{
	kk_auto_json *member = shown(scope, part, key);

	ck_assert_pstr_eq(json_string_value(member), value);
}

/* The image of the cell's container, as the store has it. */
static void expect_image(const char *image)
{
	struct kk_err err = {0};
	auto_cell cell;

	ck_assert_int_eq(rc_store_load(&web, &cell, &err), 1);
	ck_assert_str_eq(cell.spec.containers.items[0].image, image);
}

/* --- save and load --- */

START_TEST(where_nothing_is_nothing_is_found)
{
	kk_auto(kk_strs_release) struct kk_strs names = {0};
	struct kk_err err = {0};
	struct kk_cell cell;

	ck_assert_int_eq(rc_store_load(&web, &cell, &err), 0);
	ck_assert_int_eq(err.code, 0);
	ck_assert(!rc_store_exists(&web));
	ck_assert_ptr_null(rc_store_text(&web));
	ck_assert_int_eq(rc_store_children(&root, &names, NULL), 0);
	ck_assert_int_eq(rc_store_children(&t, &names, NULL), 0);
	ck_assert_uint_eq(names.n, 0);
	ck_assert_int_eq(rc_store_remove(&web, &err), 0);
}
END_TEST

START_TEST(what_was_saved_is_loaded)
{
	auto_cell cell = cell_make("busybox"), loaded;
	struct kk_err err = {0};

	cell.intent.want = kk_xstrdup("running");
	kk_map_set(&cell.metadata.labels, "app", "web");
	save(&web, &cell);
	ck_assert(rc_store_exists(&web));
	ck_assert_int_eq(rc_store_load(&web, &loaded, &err), 1);
	ck_assert(kk_schema_equal(kk_schema_of_cell(), &cell, &loaded, 0));
}
END_TEST

static const struct {
	enum kk_kind kind;
	struct kk_scope scope;
	const char *file;
} kinds[] = {
	{KK_KIND_REALM, {"r", NULL, NULL, NULL}, "data/r/metadata.json"},
	{KK_KIND_SPACE, {"r", "s", NULL, NULL}, "data/r/s/metadata.json"},
	{KK_KIND_STACK, {"r", "s", "t", NULL}, "data/r/s/t/metadata.json"},
	{KK_KIND_CELL, {"r", "s", "t", "web"}, "data/r/s/t/web/metadata.json"},
};

START_TEST(each_kind_has_its_place)
{
	const struct kk_schema *schema = kk_kind_schema(kinds[_i].kind);
	kk_auto_free void *doc = kk_xalloc(schema->size), *loaded = kk_xalloc(schema->size);
	kk_auto_free char *text = NULL;
	struct kk_err err = {0};

	kk_schema_init(schema, doc);
	/* All four begin with apiVersion, kind, metadata.name. */
	((struct kk_realm *)doc)->metadata.name = kk_xstrdup("x");
	kk_doc_default(kinds[_i].kind, doc);
	/* One without an intent is of the Go release, and gets one. */
	if (kinds[_i].kind == KK_KIND_CELL)
		kk_str_set(&((struct kk_cell *)doc)->intent.want, "stopped");
	save(&kinds[_i].scope, doc);
	ck_assert_int_eq(rc_store_load(&kinds[_i].scope, loaded, &err), 1);
	ck_assert(kk_schema_equal(schema, doc, loaded, 0));
	text = file_text(kinds[_i].file);
	ck_assert(kk_str_starts(text, "{\n  \"apiVersion\": \"v1beta1\",\n  \"kind\": \""));
	kk_schema_release(schema, doc);
	kk_schema_release(schema, loaded);
}
END_TEST

START_TEST(a_document_can_be_read_by_others)
{
	kk_auto_free char *path = kk_xprintf("%s/data/r/metadata.json", dir_path);
	auto_realm realm = realm_make("ns");
	struct stat st;

	umask(077);
	save(&r, &realm);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0644);
}
END_TEST

START_TEST(a_failed_save_leaves_the_old_document)
{
	auto_realm realm = realm_make("ns");
	struct kk_err err = {0};
	char text[KK_ERR_TEXT];

	/* A file where the directory should be. */
	dir_write("data", "in the way");
	ck_assert_int_eq(rc_store_save(&r, &realm, &err), KK_E_IO);
	kk_err_format(&err, text, sizeof text);
	ck_assert(kk_str_starts(text, "store realm 'r': create directory "));
	ck_assert(kk_str_ends(text, "/data/r: not a directory"));
}
END_TEST

START_TEST(intent_is_stored_and_not_shown)
{
	auto_cell cell = cell_make("busybox");
	kk_auto_free char *text = NULL;

	cell.intent.want = kk_xstrdup("running");
	save(&web, &cell);
	text = file_text("data/r/s/t/web/metadata.json");
	ck_assert_ptr_nonnull(strstr(text, "\"want\": \"running\""));
	ck_assert_ptr_null(strstr(rc_store_text(&web), "\"want\""));
	ck_assert_ptr_null(strstr(rc_store_text(&web), "\"kukeon\""));
	expect_shown(&web, "metadata", "name", "web");
}
END_TEST

/* --- generation and times --- */

START_TEST(the_generation_counts_changes_of_the_specification)
{
	auto_cell cell = cell_make("busybox");

	cell.metadata.generation = 77; /* whatever the document said */
	save(&web, &cell);
	ck_assert_int_eq(cell.metadata.generation, 1);
	save(&web, &cell);
	ck_assert_int_eq(cell.metadata.generation, 1);
	kk_str_set(&cell.spec.containers.items[0].image, "alpine");
	save(&web, &cell);
	ck_assert_int_eq(cell.metadata.generation, 2);
	cell.metadata.generation = 0;
	save(&web, &cell);
	ck_assert_int_eq(cell.metadata.generation, 2);
}
END_TEST

START_TEST(the_generation_ignores_status_labels_and_intent)
{
	auto_cell cell = cell_make("busybox");

	save(&web, &cell);
	cell.status.state = KK_CELL_READY;
	cell.intent.want = kk_xstrdup("running");
	kk_map_set(&cell.metadata.labels, "app", "web");
	save(&web, &cell);
	ck_assert_int_eq(cell.metadata.generation, 1);
}
END_TEST

START_TEST(the_generation_goes_on_from_what_another_process_wrote)
{
	auto_realm realm = realm_make("ns");

	dir_write("data/r/metadata.json",
		"{\"metadata\":{\"name\":\"r\",\"generation\":41},\"spec\":{\"namespace\":\"old\"},"
		"\"status\":{\"state\":\"Ready\"}}");
	save(&r, &realm);
	ck_assert_int_eq(realm.metadata.generation, 42);
}
END_TEST

START_TEST(an_object_that_was_removed_begins_anew)
{
	auto_cell cell = cell_make("busybox");
	struct kk_err err = {0};

	save(&web, &cell);
	kk_str_set(&cell.spec.containers.items[0].image, "alpine");
	save(&web, &cell);
	ck_assert_int_eq(rc_store_remove(&web, &err), 0);
	save(&web, &cell);
	ck_assert_int_eq(cell.metadata.generation, 1);
}
END_TEST

START_TEST(times_tell_the_first_the_last_and_the_first_ready_save)
{
	auto_cell cell = cell_make("busybox");

	save(&web, &cell);
	ck_assert_int_eq(cell.status.created_at, CLOCK_START_NS);
	ck_assert_int_eq(cell.status.updated_at, CLOCK_START_NS);
	ck_assert_int_eq(cell.status.ready_at, KK_TIME_ZERO);
	clock_now_ns += SECOND;
	cell.status.state = KK_CELL_READY;
	save(&web, &cell);
	clock_now_ns += SECOND;
	save(&web, &cell);
	ck_assert_int_eq(cell.status.created_at, CLOCK_START_NS);
	ck_assert_int_eq(cell.status.ready_at, CLOCK_START_NS + SECOND);
	ck_assert_int_eq(cell.status.updated_at, CLOCK_START_NS + 2 * SECOND);
}
END_TEST

/* --- documents that can't be read --- */

static const char *const unreadable[] = {
	"",
	" \n",
	"{",
	"[]",
	"7",
	"{} trailing",
	"{\"metadata\":7}",
	"{\"metadata\":{\"name\":\"web\"},\"spec\":{\"containers\":{}}}",
	"{\"metadata\":{\"name\":\"web\"},\"status\":{\"state\":\"Confused\"}}",
	"{\"metadata\":{\"name\":\"\xff\"}}",
	"\xff\xfe",
};

START_TEST(an_unreadable_document_is_an_error_that_says_what_to_do)
{
	kk_auto_free char *front = kk_xprintf(
		"conversion failed: document %s/data/r/s/t/web/metadata.json can't be read (",
		dir_path);
	struct kk_err err = {0};
	struct kk_cell cell;
	char text[KK_ERR_TEXT];

	dir_write("data/r/s/t/web/metadata.json", unreadable[_i]);
	ck_assert_int_eq(rc_store_load(&web, &cell, &err), KK_E_CONVERSION);
	kk_err_format(&err, text, sizeof text);
	ck_assert_msg(kk_str_starts(text, front), "%s", text);
	ck_assert_msg(kk_str_ends(text, "); repair it or move it away"), "%s", text);
}
END_TEST

START_TEST(an_unreadable_document_is_shown_as_failed_and_left_alone)
{
	kk_auto(kk_strs_release) struct kk_strs names = {0};
	kk_auto_free char *text = NULL;
	kk_auto_json *message = NULL;

	dir_write("data/r/s/t/web/metadata.json", unreadable[_i]);
	ck_assert(rc_store_exists(&web));
	ck_assert_int_eq(rc_store_children(&t, &names, NULL), 0);
	ck_assert_uint_eq(names.n, 1);
	expect_shown(&web, "metadata", "name", "web");
	expect_shown(&web, "spec", "realmId", "r");
	expect_shown(&web, "spec", "spaceId", "s");
	expect_shown(&web, "spec", "stackId", "t");
	expect_shown(&web, "status", "state", "Failed");
	expect_shown(&web, "status", "reason", "DocumentUnreadable");
	message = shown(&web, "status", "message");
	ck_assert_uint_gt(json_string_length(message), 0);
	text = file_text("data/r/s/t/web/metadata.json");
	ck_assert_str_eq(text, unreadable[_i]);
}
END_TEST

START_TEST(unreadable_is_failed_for_every_kind)
{
	static const char *const names[] = {"r", "s", "t", "web"};

	dir_write(kinds[_i].file, "{");
	expect_shown(&kinds[_i].scope, "metadata", "name", names[_i]);
	expect_shown(&kinds[_i].scope, "status", "state", "Failed");
	expect_shown(&kinds[_i].scope, "status", "reason", "DocumentUnreadable");
	expect_shown(&kinds[_i].scope, "spec", "realmId", _i > 0 ? "r" : NULL);
	expect_shown(&kinds[_i].scope, "spec", "spaceId", _i > 1 ? "s" : NULL);
}
END_TEST

START_TEST(a_document_that_was_repaired_is_read)
{
	auto_cell cell = cell_make("busybox");
	kk_auto_free char *good = NULL;

	save(&web, &cell);
	good = file_text("data/r/s/t/web/metadata.json");
	dir_write("data/r/s/t/web/metadata.json", "{");
	expect_shown(&web, "status", "state", "Failed");
	dir_write("data/r/s/t/web/metadata.json", good);
	expect_image("busybox");
	expect_shown(&web, "status", "state", "Pending");
}
END_TEST

START_TEST(a_document_beyond_the_ceiling_is_not_read)
{
	struct kk_err err = {0};
	struct kk_realm realm;
	kk_auto_free char *text = kk_xalloc(9 * 1024 * 1024 + 1);

	memset(text, ' ', 9 * 1024 * 1024);
	dir_write("data/r/metadata.json", text);
	ck_assert_int_eq(rc_store_load(&r, &realm, &err), KK_E_CONVERSION);
	expect_shown(&r, "status", "state", "Failed");
}
END_TEST

/* --- the cache --- */

/* The document with another image, as another process would write it. */
static void elsewhere_write(const char *image)
{
	auto_cell cell = cell_make(image);
	kk_auto_json *json = kk_json_encode(kk_schema_of_cell(), &cell, KK_JSON_DISK);
	kk_auto_free char *text = json_dumps(json, JSON_INDENT(2));
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		dir_write("data/r/s/t/web/metadata.json", text);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

START_TEST(a_document_that_another_process_replaced_is_read_anew)
{
	elsewhere_write("busybox");
	expect_image("busybox");
	elsewhere_write("alpine:3.20");
	expect_image("alpine:3.20");
	/* Of the same size. */
	elsewhere_write("alpine:3.21");
	expect_image("alpine:3.21");
}
END_TEST

START_TEST(a_document_of_same_size_and_time_is_told_by_its_inode)
{
	kk_auto_free char *path = kk_xprintf("%s/data/r/s/t/web/metadata.json", dir_path);
	const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

	elsewhere_write("aaa");
	ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
	expect_image("aaa");
	elsewhere_write("bbb");
	ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
	expect_image("bbb");
}
END_TEST

START_TEST(a_document_of_same_size_and_inode_is_told_by_its_time)
{
	kk_auto_free char *path = kk_xprintf("%s/data/r/s/t/web/metadata.json", dir_path);
	const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	kk_auto_free char *text = NULL;
	struct kk_err err = {0};

	elsewhere_write("aaa");
	ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
	expect_image("aaa");
	text = file_text("data/r/s/t/web/metadata.json");
	memcpy(strstr(text, "aaa"), "bbb", 3);
	ck_assert_int_eq(kk_file_write(path, text, strlen(text), 0644, &err), 0);
	expect_image("bbb");
}
END_TEST

START_TEST(a_document_that_is_gone_is_gone)
{
	kk_auto_free char *path = kk_xprintf("%s/data/r/s/t/web/metadata.json", dir_path);

	elsewhere_write("busybox");
	expect_image("busybox");
	ck_assert_int_eq(unlink(path), 0);
	ck_assert(!rc_store_exists(&web));
	ck_assert_ptr_null(rc_store_text(&web));
	elsewhere_write("alpine");
	expect_image("alpine");
}
END_TEST

START_TEST(the_text_follows_a_save)
{
	auto_cell cell = cell_make("busybox");

	save(&web, &cell);
	expect_shown(&web, "status", "state", "Pending");
	cell.status.state = KK_CELL_READY;
	save(&web, &cell);
	expect_shown(&web, "status", "state", "Ready");
}
END_TEST

START_TEST(what_was_loaded_is_a_copy)
{
	auto_cell cell = cell_make("busybox"), loaded;
	struct kk_err err = {0};

	save(&web, &cell);
	ck_assert_int_eq(rc_store_load(&web, &loaded, &err), 1);
	kk_str_set(&loaded.spec.containers.items[0].image, "changed");
	expect_image("busybox");
}
END_TEST

START_TEST(the_cache_keeps_many_objects_apart)
{
	enum { MANY = 1000 }; /* some of them share a bucket */

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < MANY; i++) {
			kk_auto_free char *name = kk_xprintf("r%d", i);
			kk_auto_free char *dir = kk_xprintf("%s/data/%s", dir_path, name);
			kk_auto_free char *path = kk_xprintf("%s/metadata.json", dir);
			kk_auto_free char *text =
				kk_xprintf("{\"spec\":{\"namespace\":\"%s\"}}", name);
			const struct kk_scope scope = {name, NULL, NULL, NULL};
			struct kk_err err = {0};

			if (round == 0) {
				ck_assert(!rc_store_exists(&scope));
				ck_assert_int_eq(kk_dir_make(dir, 0755, &err), 0);
				ck_assert_int_eq(kk_file_write(path, text, strlen(text), 0644,
							 &err),
					0);
			}
			expect_shown(&scope, "spec", "namespace", name);
			if (round == 1 && i % 3 == 0) {
				ck_assert_int_eq(rc_store_remove(&scope, &err), 0);
				ck_assert(!rc_store_exists(&scope));
			}
		}
	}
}
END_TEST

/* --- children --- */

START_TEST(children_are_sorted_and_nothing_but_objects)
{
	static const char *const names[] = {"b", "a0", "a", "a-b", "10", "9", "secret"};
	static const char *const expected[] = {"10", "9", "a", "a-b", "a0", "b", "secret"};
	static const char *const reserved[] = {
		"secrets", "blueprints", "configs", "volumes", "volume-meta", ".hidden"};
	kk_auto(kk_strs_release) struct kk_strs found = {0};
	kk_auto_free char *link = kk_xprintf("%s/data/r/s/link", dir_path);
	kk_auto_free char *target = kk_xprintf("%s/data/r/s/a", dir_path);

	for (size_t i = 0; i < KK_COUNT(names); i++) {
		kk_auto_free char *name = kk_xprintf("data/r/s/%s/metadata.json", names[i]);

		dir_write(name, "{}");
	}
	for (size_t i = 0; i < KK_COUNT(reserved); i++) {
		kk_auto_free char *name = kk_xprintf("data/r/s/%s/metadata.json", reserved[i]);

		dir_write(name, "{}");
	}
	dir_write("data/r/s/metadata.json", "{}");
	dir_write("data/r/s/network.conflist", "{}");
	dir_write("data/r/s/no-document/log", "");
	ck_assert_int_eq(symlink(target, link), 0);
	ck_assert_int_eq(rc_store_children(&s, &found, NULL), 0);
	ck_assert_uint_eq(found.n, KK_COUNT(expected));
	for (size_t i = 0; i < found.n; i++)
		ck_assert_str_eq(found.items[i], expected[i]);
}
END_TEST

START_TEST(each_level_has_its_children)
{
	static const struct kk_scope *const levels[] = {&root, &r, &s, &t};
	static const char *const expected[] = {"r", "s", "t", "web"};

	for (size_t i = 0; i < KK_COUNT(kinds); i++)
		dir_write(kinds[i].file, "{}");
	for (size_t i = 0; i < KK_COUNT(levels); i++) {
		kk_auto(kk_strs_release) struct kk_strs found = {0};

		ck_assert_int_eq(rc_store_children(levels[i], &found, NULL), 0);
		ck_assert_uint_eq(found.n, 1);
		ck_assert_str_eq(found.items[0], expected[i]);
	}
}
END_TEST

/* --- remove --- */

START_TEST(an_object_is_removed_with_all_that_is_in_its_directory)
{
	kk_auto_free char *gone = kk_xprintf("%s/data/r/s/t/web", dir_path);
	auto_cell cell = cell_make("busybox");
	struct kk_err err = {0};

	save(&web, &cell);
	dir_write("data/r/s/t/web/etc-hosts", "127.0.0.1 localhost\n");
	dir_write("data/r/s/t/web/one/log", "hello\n");
	dir_write("data/r/s/t/other/metadata.json", "{}");
	ck_assert_int_eq(rc_store_remove(&web, &err), 0);
	ck_assert(!rc_store_exists(&web));
	ck_assert_int_eq(access(gone, F_OK), -1);
	ck_assert(rc_store_exists(&(struct kk_scope){"r", "s", "t", "other"}));
	/* Again is fine. */
	ck_assert_int_eq(rc_store_remove(&web, &err), 0);
}
END_TEST

START_TEST(a_removal_does_not_follow_links)
{
	kk_auto_free char *link = kk_xprintf("%s/data/r/s/t/web/link", dir_path);
	kk_auto_free char *outside = kk_xprintf("%s/outside", dir_path);
	auto_cell cell = cell_make("busybox");
	struct kk_err err = {0};
	kk_auto_free char *text = NULL;

	save(&web, &cell);
	dir_write("outside/precious", "still here");
	ck_assert_int_eq(symlink(outside, link), 0);
	ck_assert_int_eq(rc_store_remove(&web, &err), 0);
	text = file_text("outside/precious");
	ck_assert_str_eq(text, "still here");
}
END_TEST

START_TEST(a_parent_is_removed_with_its_children)
{
	struct kk_err err = {0};

	for (size_t i = 0; i < KK_COUNT(kinds); i++)
		dir_write(kinds[i].file, "{}");
	ck_assert(rc_store_exists(&web));
	ck_assert_int_eq(rc_store_remove(&s, &err), 0);
	ck_assert(rc_store_exists(&r));
	ck_assert(!rc_store_exists(&s));
	ck_assert(!rc_store_exists(&t));
	ck_assert(!rc_store_exists(&web));
}
END_TEST

START_TEST(a_directory_without_a_document_is_no_object_and_in_nobodys_way)
{
	kk_auto_free char *log = NULL;
	auto_cell cell = cell_make("busybox");

	/* What a removal that was cut short has left. */
	dir_write("data/r/s/t/web/one/log", "old\n");
	ck_assert(!rc_store_exists(&web));
	save(&web, &cell);
	ck_assert_int_eq(cell.metadata.generation, 1);
	expect_image("busybox");
	log = file_text("data/r/s/t/web/one/log");
	ck_assert_str_eq(log, "old\n");
}
END_TEST

/* --- namespaces --- */

START_TEST(a_namespace_is_the_realms_own_or_derived)
{
	auto_realm named = realm_make("other"), unnamed = realm_make(NULL);
	kk_auto_free char *absent = rc_store_namespace("r", NULL), *own = NULL, *derived = NULL;

	ck_assert_str_eq(absent, "r.kukeon.io");
	save(&r, &named);
	own = rc_store_namespace("r", NULL);
	ck_assert_str_eq(own, "other");
	save(&r, &unnamed);
	derived = rc_store_namespace("r", NULL);
	ck_assert_str_eq(derived, "r.kukeon.io");
}
END_TEST

START_TEST(a_realm_that_can_not_be_read_has_its_derived_namespace)
{
	kk_auto_free char *namespace = NULL;

	dir_write("data/r/metadata.json", "{");
	namespace = rc_store_namespace("r", NULL);
	ck_assert_str_eq(namespace, "r.kukeon.io");
}
END_TEST

/* --- regressions --- */

START_TEST(a_directory_passes_its_group_on)
{
	kk_auto_free char *path = kk_xprintf("%s/data/r", dir_path);
	auto_realm realm = realm_make("ns");
	struct stat st;

	umask(022);
	save(&r, &realm);
	ck_assert_int_eq(stat(path, &st), 0);
	/* mkdir alone does not set the bit. */
	ck_assert_uint_eq(st.st_mode & 07777, 02750);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store");
	TCase *regressions = tcase_create("regressions");
	TCase *document = tcase_create("document"), *damage = tcase_create("damage");
	TCase *cache = tcase_create("cache"), *tree = tcase_create("tree");

	/* Every write waits for the disk. */
	tcase_set_timeout(document, 30);
	tcase_set_timeout(damage, 30);
	tcase_set_timeout(cache, 30);
	tcase_set_timeout(tree, 30);
	tcase_add_checked_fixture(document, setup, dir_teardown);
	tcase_add_test(document, where_nothing_is_nothing_is_found);
	tcase_add_test(document, what_was_saved_is_loaded);
	tcase_add_loop_test(document, each_kind_has_its_place, 0, (int)KK_COUNT(kinds));
	tcase_add_test(document, a_document_can_be_read_by_others);
	tcase_add_test(document, a_failed_save_leaves_the_old_document);
	tcase_add_test(document, intent_is_stored_and_not_shown);
	tcase_add_test(document, the_generation_counts_changes_of_the_specification);
	tcase_add_test(document, the_generation_ignores_status_labels_and_intent);
	tcase_add_test(document, the_generation_goes_on_from_what_another_process_wrote);
	tcase_add_test(document, an_object_that_was_removed_begins_anew);
	tcase_add_test(document, times_tell_the_first_the_last_and_the_first_ready_save);
	suite_add_tcase(suite, document);
	tcase_add_checked_fixture(damage, setup, dir_teardown);
	tcase_add_loop_test(damage, an_unreadable_document_is_an_error_that_says_what_to_do, 0,
		(int)KK_COUNT(unreadable));
	tcase_add_loop_test(damage, an_unreadable_document_is_shown_as_failed_and_left_alone, 0,
		(int)KK_COUNT(unreadable));
	tcase_add_loop_test(damage, unreadable_is_failed_for_every_kind, 0, (int)KK_COUNT(kinds));
	tcase_add_test(damage, a_document_that_was_repaired_is_read);
	tcase_add_test(damage, a_document_beyond_the_ceiling_is_not_read);
	suite_add_tcase(suite, damage);
	tcase_add_checked_fixture(cache, setup, dir_teardown);
	tcase_add_test(cache, a_document_that_another_process_replaced_is_read_anew);
	tcase_add_test(cache, a_document_of_same_size_and_time_is_told_by_its_inode);
	tcase_add_test(cache, a_document_of_same_size_and_inode_is_told_by_its_time);
	tcase_add_test(cache, a_document_that_is_gone_is_gone);
	tcase_add_test(cache, the_text_follows_a_save);
	tcase_add_test(cache, what_was_loaded_is_a_copy);
	tcase_add_test(cache, the_cache_keeps_many_objects_apart);
	suite_add_tcase(suite, cache);
	tcase_add_checked_fixture(tree, setup, dir_teardown);
	tcase_add_test(tree, children_are_sorted_and_nothing_but_objects);
	tcase_add_test(tree, each_level_has_its_children);
	tcase_add_test(tree, an_object_is_removed_with_all_that_is_in_its_directory);
	tcase_add_test(tree, a_removal_does_not_follow_links);
	tcase_add_test(tree, a_parent_is_removed_with_its_children);
	tcase_add_test(tree, a_directory_without_a_document_is_no_object_and_in_nobodys_way);
	tcase_add_test(tree, a_namespace_is_the_realms_own_or_derived);
	tcase_add_test(tree, a_realm_that_can_not_be_read_has_its_derived_namespace);
	suite_add_tcase(suite, tree);
	tcase_add_checked_fixture(regressions, setup, dir_teardown);
	tcase_add_test(regressions, a_directory_passes_its_group_on);
	suite_add_tcase(suite, regressions);
	return check_main(suite);
}
