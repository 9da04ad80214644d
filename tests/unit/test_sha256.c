/* tests/unit/test_sha256.c - the examples of FIPS 180-4. */
#include <string.h>

#include <kukeon/sha256.h>

#include "../support/check.h"

static const struct {
	const char *data, *text;
} examples[] = {
	{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
	{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
	{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

START_TEST(sum_is_that_of_the_standard)
{
	char text[KK_SHA256_TEXT];

	kk_sha256_text(examples[_i].data, strlen(examples[_i].data), text);
	ck_assert_str_eq(text, examples[_i].text);
}
END_TEST

START_TEST(pieces_have_the_sum_of_the_whole)
{
	const char *data = examples[2].data;
	char text[KK_SHA256_TEXT];
	SHA256_CTX sum;

	SHA256_Init(&sum);
	for (size_t i = 0; i < strlen(data); i++)
		SHA256_Update(&sum, data + i, 1);
	kk_sha256_end(&sum, text);
	ck_assert_str_eq(text, examples[2].text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sha256");
	TCase *tc = tcase_create("sha256");

	tcase_add_loop_test(tc, sum_is_that_of_the_standard, 0, (int)KK_COUNT(examples));
	tcase_add_test(tc, pieces_have_the_sum_of_the_whole);
	suite_add_tcase(suite, tc);
	return check_main(suite);
}
