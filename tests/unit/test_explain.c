/* tests/unit/test_explain.c - every field of a document is told what it is for. */
#include "../../client/cli.h"

#include "../support/check.h"

static void fields_check(const struct kk_schema *schema)
{
	for (unsigned i = 0; i < schema->n_fields; i++) {
		const struct kk_field *field = &schema->fields[i];

		if (field->flags & KK_INTERNAL)
			continue;
		ck_assert_msg(cli_explain(schema, field) != NULL, "%s.%s is not explained",
			schema->name, field->name);
		if (field->sub)
			fields_check(field->sub());
	}
}

START_TEST(every_field_is_explained)
{
	fields_check(kk_kind_schema((enum kk_kind)_i));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("explain");
	TCase *tc = tcase_create("explain");

	tcase_add_loop_test(tc, every_field_is_explained, 0, KK_KINDS);
	suite_add_tcase(suite, tc);
	return check_main(suite);
}
