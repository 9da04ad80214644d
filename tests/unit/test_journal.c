/* tests/unit/test_journal.c - what an operation did, for the one that repeats it. */
#include "../../workers/reconciler/rc.h"

#include <limits.h>
#include <unistd.h>

#include <kukeon/log.h>
#include <kukeon/sha256.h>

#include "../support/check.h"
#include "../support/dir.h"

enum { OP = 0x1234abcd };

static const struct rc_cause first = {OP, 0}, second = {OP, 1}, elsewhere = {OP + 1, 0};

static const struct kk_scope cell = {"r", "s", "t", "web"}, stack = {"r", "s", "t", NULL};

static void setup(void)
{
	static struct kk_worker worker;

	dir_setup();
	worker.config.is_embedded = true;
	rc = (struct rc){.worker = &worker, .run_path = dir_path};
}

static bool is_there(const char *name)
{
	kk_auto_free char *path = kk_xprintf("%s/%s", dir_path, name);

	return access(path, F_OK) == 0;
}

START_TEST(what_was_noted_is_there)
{
	ck_assert(!rc_journal_has(first, &cell, "delete"));
	rc_journal_note(first, &cell, "delete");
	ck_assert(rc_journal_has(first, &cell, "delete"));
}
END_TEST

START_TEST(a_note_may_be_repeated)
{
	rc_journal_note(first, &cell, "delete");
	rc_journal_note(first, &cell, "delete");
	ck_assert(rc_journal_has(first, &cell, "delete"));
}
END_TEST

START_TEST(a_note_is_of_one_operation_object_and_thing)
{
	const struct kk_scope other = {"r", "s", "t", "web2"};

	rc_journal_note(first, &cell, "delete");
	ck_assert(!rc_journal_has(elsewhere, &cell, "delete"));
	ck_assert(!rc_journal_has(first, &stack, "delete"));
	ck_assert(!rc_journal_has(first, &other, "delete"));
	ck_assert(!rc_journal_has(first, &cell, "deleted"));
	ck_assert(!rc_journal_has(first, &cell, "web"));
}
END_TEST

START_TEST(a_note_is_a_file_that_outlives_the_process)
{
	kk_auto_free char *name = NULL;
	char sum[KK_SHA256_TEXT];

	rc_journal_note(first, &cell, "delete");
	kk_sha256_text("r/s/t/web+0 delete", strlen("r/s/t/web+0 delete"), sum);
	name = kk_xprintf("journal/000000001234abcd/.note-%s", sum);
	ck_assert(is_there(name));
}
END_TEST

START_TEST(an_operation_is_forgotten_alone)
{
	rc_journal_note(first, &cell, "delete");
	rc_journal_note(first, &stack, "delete");
	rc_journal_note(elsewhere, &cell, "delete");
	rc_journal_forget(OP);
	ck_assert(!rc_journal_has(first, &cell, "delete"));
	ck_assert(!rc_journal_has(first, &stack, "delete"));
	ck_assert(rc_journal_has(elsewhere, &cell, "delete"));
	ck_assert(is_there("journal"));
}
END_TEST

START_TEST(the_last_operation_takes_the_journal_with_it)
{
	rc_journal_note(first, &cell, "delete");
	rc_journal_forget(OP);
	ck_assert(!is_there("journal"));
	/* And it comes back. */
	rc_journal_note(first, &cell, "delete");
	ck_assert(rc_journal_has(first, &cell, "delete"));
}
END_TEST

START_TEST(the_daemon_keeps_an_empty_journal)
{
	rc.worker->config.is_embedded = false;
	rc_journal_note(first, &cell, "delete");
	rc_journal_forget(OP);
	ck_assert(is_there("journal"));
	ck_assert(!rc_journal_is_open(OP));
}
END_TEST

START_TEST(what_was_never_noted_can_be_forgotten)
{
	rc_journal_forget(OP);
	ck_assert(!is_there("journal"));
}
END_TEST

START_TEST(a_journal_that_can_not_be_written_stops_nobody)
{
	kk_log_set_level(KK_LEVEL_ERROR);
	dir_write("journal", "a file in the way");
	rc_journal_note(first, &cell, "delete");
	ck_assert(!rc_journal_has(first, &cell, "delete"));
	rc_journal_forget(OP);
}
END_TEST

START_TEST(an_operation_has_sixteen_digits)
{
	char text[RC_JOURNAL_TEXT];

	rc_journal_text((struct rc_cause){0}, text);
	ck_assert_str_eq(text, "0000000000000000");
	rc_journal_text((struct rc_cause){UINT64_MAX, 0}, text);
	ck_assert_str_eq(text, "ffffffffffffffff");
	rc_journal_text(first, text);
	ck_assert_str_eq(text, "000000001234abcd");
	rc_journal_text((struct rc_cause){UINT64_MAX, UINT_MAX}, text);
	ck_assert_str_eq(text, "ffffffffffffffff+4294967295");
}
END_TEST

START_TEST(each_visit_has_its_own_notes)
{
	rc_journal_note(first, &cell, "delete");
	ck_assert(!rc_journal_has(second, &cell, "delete"));
	rc_journal_note(second, &cell, "web");
	ck_assert(rc_journal_has(second, &cell, "web"));
	ck_assert(!rc_journal_has(first, &cell, "web"));
	rc_journal_forget(OP);
	ck_assert(!is_there("journal"));
}
END_TEST

/* --- answers --- */

START_TEST(what_came_of_a_document_is_kept)
{
	kk_auto_json *result = json_pack("{s:s}", "action", "created"), *read = NULL;

	ck_assert_ptr_null(rc_journal_result_read(OP, 3));
	rc_journal_result_save(OP, 3, result);
	read = rc_journal_result_read(OP, 3);
	ck_assert(json_equal(result, read));
	ck_assert_ptr_null(rc_journal_result_read(OP, 0));
	ck_assert_ptr_null(rc_journal_result_read(OP + 1, 3));
	rc_journal_forget(OP);
	ck_assert_ptr_null(rc_journal_result_read(OP, 3));
}
END_TEST

static void reply_dir(void)
{
	const struct kk_bin params = {(uint8_t *)"{}", 2};

	rc_journal_request_save(OP, "ApplyDocuments", &params);
}

START_TEST(an_answer_is_kept_for_its_method)
{
	kk_auto_free char *reply = NULL;

	reply_dir();
	ck_assert_ptr_null(rc_journal_reply_read(OP, "ApplyDocuments"));
	rc_journal_reply_save(OP, "ApplyDocuments", "{\"Err\":null}");
	reply = rc_journal_reply_read(OP, "ApplyDocuments");
	ck_assert_str_eq(reply, "{\"Err\":null}");
	ck_assert_ptr_null(rc_journal_reply_read(OP, "Apply"));
	ck_assert_ptr_null(rc_journal_reply_read(OP, "ApplyDocumentsTwice"));
	ck_assert_ptr_null(rc_journal_reply_read(OP + 1, "ApplyDocuments"));
}
END_TEST

START_TEST(an_answer_goes_with_its_operation)
{
	reply_dir();
	rc_journal_reply_save(OP, "StopCell", "{}");
	rc_journal_forget(OP);
	ck_assert_ptr_null(rc_journal_reply_read(OP, "StopCell"));
	ck_assert(!is_there("journal"));
}
END_TEST

START_TEST(an_answer_that_was_cut_off_is_none)
{
	static const char whole[] = "Stop\n{}\n";
	char cut[sizeof whole];

	reply_dir();
	for (size_t n = 0; n + 1 < sizeof whole; n++) {
		snprintf(cut, sizeof cut, "%.*s", (int)n, whole);
		dir_write("journal/000000001234abcd/.reply", cut);
		ck_assert_ptr_null(rc_journal_reply_read(OP, "Stop"));
	}
}
END_TEST

/* --- regressions --- */

START_TEST(names_of_any_valid_length_can_be_noted)
{
	char name[64];
	const struct kk_scope scope = {name, name, name, name};

	memset(name, 'a', sizeof name - 1);
	name[63] = '\0';
	rc_journal_note(first, &scope, "delete");
	ck_assert(rc_journal_has(first, &scope, "delete"));
}
END_TEST

START_TEST(thing_and_object_are_not_mistaken_for_each_other)
{
	const struct kk_scope one = {"b-c", NULL, NULL, NULL}, two = {"c", NULL, NULL, NULL};

	rc_journal_note(first, &one, "a");
	ck_assert(!rc_journal_has(first, &two, "a-b"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("journal");
	TCase *regressions = tcase_create("regressions");
	TCase *note = tcase_create("note");
	TCase *answer = tcase_create("answer");

	tcase_add_checked_fixture(note, setup, dir_teardown);
	tcase_add_test(note, what_was_noted_is_there);
	tcase_add_test(note, a_note_may_be_repeated);
	tcase_add_test(note, a_note_is_of_one_operation_object_and_thing);
	tcase_add_test(note, a_note_is_a_file_that_outlives_the_process);
	tcase_add_test(note, an_operation_is_forgotten_alone);
	tcase_add_test(note, the_last_operation_takes_the_journal_with_it);
	tcase_add_test(note, the_daemon_keeps_an_empty_journal);
	tcase_add_test(note, what_was_never_noted_can_be_forgotten);
	tcase_add_test(note, a_journal_that_can_not_be_written_stops_nobody);
	tcase_add_test(note, an_operation_has_sixteen_digits);
	suite_add_tcase(suite, note);
	tcase_add_checked_fixture(answer, setup, dir_teardown);
	tcase_add_test(note, each_visit_has_its_own_notes);
	tcase_add_test(answer, what_came_of_a_document_is_kept);
	tcase_add_test(answer, an_answer_is_kept_for_its_method);
	tcase_add_test(answer, an_answer_goes_with_its_operation);
	tcase_add_test(answer, an_answer_that_was_cut_off_is_none);
	suite_add_tcase(suite, answer);
	tcase_add_checked_fixture(regressions, setup, dir_teardown);
	tcase_add_test(regressions, names_of_any_valid_length_can_be_noted);
	tcase_add_test(regressions, thing_and_object_are_not_mistaken_for_each_other);
	suite_add_tcase(suite, regressions);
	return check_main(suite);
}
