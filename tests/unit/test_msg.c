/* tests/unit/test_msg.c */
#include <string.h>

#include <kukeon/msg.h>

#include "../support/check.h"

/* The role that the high byte of a message's number stands for; 0 is for all workers. */
static const int receivers[] = {
	-1, KK_ROLE_reconciler, KK_ROLE_containerd, KK_ROLE_network, KK_ROLE_cgroup};

#define for_each_row(row) for (unsigned i_ = 0; (row = kk_msg_row_at(i_)); i_++)

START_TEST(numbers_are_unique_and_never_0)
{
	const struct kk_msg_row *row, *other;

	for (unsigned i = 0; (row = kk_msg_row_at(i)); i++) {
		ck_assert_uint_ne(row->id, 0);
		ck_assert_uint_le(row->id, UINT16_MAX);
		for (unsigned k = 0; k < i; k++) {
			other = kk_msg_row_at(k);
			ck_assert_uint_ne(row->id, other->id);
			ck_assert_str_ne(row->name, other->name);
		}
	}
}
END_TEST

START_TEST(row_is_found_by_its_number)
{
	const struct kk_msg_row *row;

	for_each_row(row) ck_assert_ptr_eq(kk_msg_row(row->id), row);
}
END_TEST

START_TEST(other_numbers_have_no_row)
{
	const struct kk_msg_row *row;
	unsigned n = 0, n_found = 0;

	for_each_row(row) n++;
	for (unsigned id = 0; id <= UINT16_MAX; id++)
		n_found += kk_msg_row(id) != NULL;
	ck_assert_uint_eq(n_found, n);
	ck_assert_ptr_null(kk_msg_row(0));
	ck_assert_ptr_null(kk_msg_row(UINT16_MAX + 1));
	ck_assert_ptr_null(kk_msg_row(KK_MSG_worker_start | 0x10000u));
	ck_assert_ptr_null(kk_msg_row(UINT32_MAX));
	ck_assert_ptr_null(kk_msg_row_at(n));
	ck_assert_ptr_null(kk_msg_row_at(UINT32_MAX));
}
END_TEST

START_TEST(high_byte_is_the_receiver)
{
	const struct kk_msg_row *row;

	for_each_row(row)
	{
		ck_assert_msg(row->id >> 8 < KK_COUNT(receivers), "%s is for nobody", row->name);
		ck_assert_msg(receivers[row->id >> 8] != row->from, "%s talks to itself",
			row->name);
	}
}
END_TEST

START_TEST(sender_is_a_role)
{
	const struct kk_msg_row *row;

	for_each_row(row)
	{
		ck_assert_int_ge(row->from, 0);
		ck_assert_int_lt(row->from, KK_ROLES);
	}
}
END_TEST

START_TEST(requests_have_a_deadline_and_a_reply)
{
	const struct kk_msg_row *row;

	for_each_row(row)
	{
		if (row->is_event) {
			ck_assert_int_eq(row->timeout_ms, 0);
			ck_assert_ptr_null(row->rep);
		} else {
			ck_assert_int_gt(row->timeout_ms, 0);
			ck_assert_ptr_nonnull(row->rep);
			ck_assert_ptr_nonnull(row->rep());
		}
		ck_assert_ptr_nonnull(row->req());
	}
}
END_TEST

START_TEST(every_row_is_documented)
{
	const struct kk_msg_row *row;

	for_each_row(row)
	{
		ck_assert_str_ne(row->name, "");
		ck_assert_uint_gt(strlen(row->doc), 10);
	}
}
END_TEST

static void check_table(const struct kk_schema *schema)
{
	for (unsigned i = 0; i < schema->n_fields; i++) {
		const struct kk_field *field = &schema->fields[i];

		ck_assert_ptr_nonnull(field->name);
		ck_assert_uint_lt(field->offset, schema->size);
		ck_assert_msg(field->max || field->type != KK_T_STR, "%s.%s has no limit",
			schema->name, field->name);
		ck_assert_msg(field->max_items ||
				(field->type != KK_T_STRS && field->type != KK_T_MAP &&
					field->type != KK_T_LIST),
			"%s.%s has no limit of items", schema->name, field->name);
		for (unsigned k = 0; k < i; k++) {
			ck_assert_uint_gt(field->offset, schema->fields[k].offset);
			ck_assert_str_ne(field->name, schema->fields[k].name);
		}
		if (field->sub)
			check_table(field->sub());
	}
}

/* Whatever a peer can make longer has a limit; only a blob may be what a frame allows. */
START_TEST(every_field_is_bounded_and_in_its_place)
{
	const struct kk_msg_row *row;

	for_each_row(row)
	{
		check_table(row->req());
		if (row->rep)
			check_table(row->rep());
	}
}
END_TEST

START_TEST(hash_is_the_same_each_time)
{
	uint64_t hash = kk_msg_hash();

	ck_assert_uint_ne(hash, 0);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(kk_msg_hash(), hash);
}
END_TEST

START_TEST(hash_covers_every_table)
{
	const struct kk_msg_row *row;
	uint64_t hash = 0;

	for_each_row(row)
	{
		hash = kk_schema_hash(row->req(), hash ^ row->id);
		if (row->rep)
			hash = kk_schema_hash(row->rep(), hash);
	}
	ck_assert_uint_eq(kk_msg_hash(), hash);
}
END_TEST

START_TEST(role_names_go_both_ways)
{
	ck_assert_str_eq(kk_role_name(KK_ROLE_supervisor), "supervisor");
	ck_assert_str_eq(kk_role_name(KK_ROLE_reconciler), "reconciler");
	ck_assert_str_eq(kk_role_name(KK_ROLE_containerd), "containerd");
	ck_assert_str_eq(kk_role_name(KK_ROLE_network), "network");
	ck_assert_str_eq(kk_role_name(KK_ROLE_cgroup), "cgroup");
	ck_assert_int_eq(KK_ROLES, 5);
	for (int role = 0; role < KK_ROLES; role++)
		ck_assert_int_eq(kk_role_parse(kk_role_name((enum kk_role)role)), role);
	ck_assert_int_eq(kk_role_parse("Network"), -1);
	ck_assert_int_eq(kk_role_parse(""), -1);
	ck_assert_int_eq(kk_role_parse("nobody"), -1);
	ck_assert_str_eq(kk_role_name(KK_ROLES), "nobody");
	ck_assert_str_eq(kk_role_name((enum kk_role) - 1), "nobody");
}
END_TEST

START_TEST(only_workers_have_a_heartbeat)
{
	ck_assert_int_eq(kk_role_heartbeat_ms(KK_ROLE_supervisor), 0);
	for (int role = KK_ROLE_supervisor + 1; role < KK_ROLES; role++)
		ck_assert_int_eq(kk_role_heartbeat_ms((enum kk_role)role), 5000);
}
END_TEST

CHECK_MAIN("msg", numbers_are_unique_and_never_0, row_is_found_by_its_number,
	other_numbers_have_no_row, high_byte_is_the_receiver, sender_is_a_role,
	requests_have_a_deadline_and_a_reply, every_row_is_documented,
	every_field_is_bounded_and_in_its_place, hash_is_the_same_each_time,
	hash_covers_every_table, role_names_go_both_ways, only_workers_have_a_heartbeat)
