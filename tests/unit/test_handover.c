/* tests/unit/test_handover.c */
#include "../../supervisor/handover.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <kukeon/auto.h>
#include <kukeon/fd.h>
#include <kukeon/mem.h>

#include "../support/check.h"

static int file_of(const char *text, size_t len)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(kk_fd_write_all(fd, text, len), 0);
	return fd;
}

static void refused(const char *text, const char *why)
{
	kk_auto_fd int fd = file_of(text, strlen(text));
	struct sv_handover handover;
	struct kk_err err = {0};
	char found[KK_ERR_TEXT];

	ck_assert_int_eq(sv_handover_read(fd, &handover, &err), KK_E_PROTOCOL);
	kk_err_format(&err, found, sizeof found);
	ck_assert_ptr_nonnull(strstr(found, why));
}

START_TEST(what_was_put_is_taken)
{
	kk_auto_fd int fd = -1;
	struct sv_handover written, read;
	struct kk_handover_client *client;
	struct kk_err err = {0};

	sv_handover_init(&written);
	written.doc.version = kk_xstrdup("1.2.3");
	written.doc.last_op = -2; /* an operation id beyond 63 bits */
	client =
		kk_list_add((struct kk_list *)&written.doc.clients, kk_schema_of_handover_client());
	*client = (struct kk_handover_client){.fd = 17, .is_eof = true, .n_in = 4, .n_out = 3};
	ck_assert_int_eq(sv_handover_put(&written, "a\0\n{", 4), 0);
	ck_assert_int_eq(sv_handover_put(&written, "xyz", 3), 0);
	fd = sv_handover_write(&written, &err);
	ck_assert_int_ge(fd, 0);
	sv_handover_release(&written);

	ck_assert_int_eq(sv_handover_read(fd, &read, &err), 0);
	ck_assert_str_eq(read.doc.version, "1.2.3");
	ck_assert_uint_eq((uint64_t)read.doc.last_op, UINT64_MAX - 1);
	ck_assert_uint_eq(read.doc.clients.n, 1);
	client = &read.doc.clients.items[0];
	ck_assert_int_eq(client->fd, 17);
	ck_assert(client->is_eof);
	ck_assert_mem_eq(sv_handover_take(&read, client->n_in), "a\0\n{", 4);
	ck_assert_mem_eq(sv_handover_take(&read, client->n_out), "xyz", 3);
	ck_assert_ptr_null(sv_handover_take(&read, 1));
	sv_handover_release(&read);
}
END_TEST

START_TEST(nothing_is_taken_beyond_the_end)
{
	kk_auto_fd int fd = file_of("{}\nabc", 6);
	struct sv_handover handover;
	struct kk_err err = {0};

	ck_assert_int_eq(sv_handover_read(fd, &handover, &err), 0);
	ck_assert_ptr_null(sv_handover_take(&handover, 4));
	ck_assert_ptr_null(sv_handover_take(&handover, -1));
	ck_assert_ptr_null(sv_handover_take(&handover, INT64_MAX));
	ck_assert_ptr_nonnull(sv_handover_take(&handover, 0));
	ck_assert_mem_eq(sv_handover_take(&handover, 3), "abc", 3);
	ck_assert_ptr_null(sv_handover_take(&handover, 1));
	sv_handover_release(&handover);
}
END_TEST

/* A program of another version has more keys, or fewer. */
START_TEST(other_versions_are_read)
{
	static const char text[] =
		"{\"version\":\"9\",\"novelty\":{\"x\":[1]},\"workers\":[{\"role\":\"network\",\"mood\":1}]}\n";
	kk_auto_fd int fd = file_of(text, sizeof text - 1);
	struct sv_handover handover;
	struct kk_err err = {0};

	ck_assert_int_eq(sv_handover_read(fd, &handover, &err), 0);
	ck_assert_uint_eq(handover.doc.workers.n, 1);
	ck_assert_str_eq(handover.doc.workers.items[0].role, "network");
	ck_assert_int_eq(handover.doc.workers.items[0].pid, 0);
	ck_assert_uint_eq(handover.doc.calls.n, 0);
	sv_handover_release(&handover);
}
END_TEST

START_TEST(what_is_none_is_refused)
{
	refused("{\"version\":\"1\"}", "no JSON"); /* cut in its first line */
	refused("\n", "no JSON");
	refused("{\"version\"\n", "no JSON");
	refused("\x7f"
		"ELF\n",
		"no JSON");
}
END_TEST

START_TEST(wrong_types_are_named)
{
	static const char text[] = "{\"workers\":[{\"pid\":\"x\"}]}\n";
	kk_auto_fd int fd = file_of(text, sizeof text - 1);
	struct sv_handover handover;
	struct kk_err err = {0};
	char found[KK_ERR_TEXT];

	ck_assert_int_lt(sv_handover_read(fd, &handover, &err), 0);
	kk_err_format(&err, found, sizeof found);
	ck_assert_ptr_nonnull(strstr(found, "pid"));
}
END_TEST

START_TEST(descriptors_are_kept_or_not)
{
	kk_auto_fd int fd = file_of("", 0);

	sv_handover_keep_fd(fd, 1);
	ck_assert_int_eq(fcntl(fd, F_GETFD), 0);
	sv_handover_keep_fd(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	/* The standard ones are inherited anyway. */
	sv_handover_keep_fd(STDERR_FILENO, 0);
	ck_assert_int_eq(fcntl(STDERR_FILENO, F_GETFD), 0);
}
END_TEST

CHECK_MAIN("handover", what_was_put_is_taken, nothing_is_taken_beyond_the_end,
	other_versions_are_read, what_is_none_is_refused, wrong_types_are_named,
	descriptors_are_kept_or_not)
