/* tests/unit/test_cidr.c - arithmetic of addresses and names. */
#include "../../workers/network/net.h"

#include <string.h>

#include "../support/check.h"

static const struct {
	const char *text;
	const char *network; /* as it is written again; NULL: refused */
} networks[] = {
	{"10.88.0.0/16", "10.88.0.0/16"},
	{"10.88.3.0/24", "10.88.3.0/24"},
	{"0.0.0.0/0", "0.0.0.0/0"},
	{"255.255.255.255/32", "255.255.255.255/32"},
	{"192.168.1.1/32", "192.168.1.1/32"},
	{"128.0.0.0/1", "128.0.0.0/1"},
	/* Bits of the host are dropped. */
	{"10.88.3.7/24", "10.88.3.0/24"},
	{"10.88.3.7/16", "10.88.0.0/16"},
	{"255.255.255.255/0", "0.0.0.0/0"},
	{"10.0.0.129/25", "10.0.0.128/25"},
	{"", NULL},
	{"/", NULL},
	{"/8", NULL},
	{"10.0.0.0", NULL},
	{"10.0.0.0/", NULL},
	{"10.0.0.0/33", NULL},
	{"10.0.0.0/-1", NULL},
	{"10.0.0.0/8x", NULL},
	{"10.0.0.0/8/8", NULL},
	{"10.0.0.0/x", NULL},
	{"10.0.0/8", NULL},
	{"10.0.0.0.0/8", NULL},
	{"10.0.0.256/8", NULL},
	{"10.0.0.-1/8", NULL},
	{" 10.0.0.0/8", NULL},
	{"10.0.0.0 /8", NULL},
	{"fd00::/8", NULL},
	{"example/8", NULL},
	{"10.0.0.0/99999999999999999999", NULL},
	{"1111111111111111111111111111111111111111111111111111111111111111/8", NULL},
};

START_TEST(a_network_is_read_and_written)
{
	struct net_cidr cidr = {.address = 42, .bits = 42};
	char text[NET_IP_MAX + 3];

	ck_assert_int_eq(net_cidr_parse(networks[_i].text, &cidr), networks[_i].network ? 0 : -1);
	if (networks[_i].network) {
		net_cidr_format(&cidr, text, sizeof text);
		ck_assert_str_eq(text, networks[_i].network);
	} else {
		ck_assert_uint_eq(cidr.address, 42);
		ck_assert_uint_eq(cidr.bits, 42);
	}
}
END_TEST

START_TEST(an_address_is_written_from_the_left)
{
	char text[NET_IP_MAX];

	net_ip_format(0x0a580302, text, sizeof text);
	ck_assert_str_eq(text, "10.88.3.2");
	net_ip_format(0, text, sizeof text);
	ck_assert_str_eq(text, "0.0.0.0");
	net_ip_format(UINT32_MAX, text, sizeof text);
	ck_assert_str_eq(text, "255.255.255.255");
}
END_TEST

static const struct {
	const char *a;
	const char *b;
	bool overlap;
} pairs[] = {
	{"10.88.0.0/24", "10.88.0.0/24", true},
	{"10.88.0.0/24", "10.88.1.0/24", false},
	{"10.88.0.0/24", "10.88.0.0/16", true},
	{"10.88.0.0/16", "10.88.255.0/24", true},
	{"10.88.0.0/16", "10.89.0.0/24", false},
	{"10.0.0.0/8", "10.88.3.0/24", true},
	{"0.0.0.0/0", "192.168.0.0/16", true},
	{"0.0.0.0/0", "0.0.0.0/0", true},
	{"10.88.0.1/32", "10.88.0.1/32", true},
	{"10.88.0.1/32", "10.88.0.2/32", false},
	{"10.88.0.2/32", "10.88.0.0/30", true},
	{"10.88.0.4/32", "10.88.0.0/30", false},
	{"127.0.0.0/8", "128.0.0.0/1", false},
	{"0.0.0.0/1", "128.0.0.0/1", false},
};

START_TEST(networks_overlap_when_one_holds_the_other)
{
	struct net_cidr a, b;

	ck_assert_int_eq(net_cidr_parse(pairs[_i].a, &a), 0);
	ck_assert_int_eq(net_cidr_parse(pairs[_i].b, &b), 0);
	ck_assert_int_eq(net_cidr_overlaps(&a, &b), pairs[_i].overlap);
	ck_assert_int_eq(net_cidr_overlaps(&b, &a), pairs[_i].overlap);
}
END_TEST

START_TEST(hashes_are_fnv_1a)
{
	/* From the page of its authors. */
	ck_assert_uint_eq(net_hash32(""), 0x811c9dc5);
	ck_assert_uint_eq(net_hash32("a"), 0xe40c292c);
	ck_assert_uint_eq(net_hash32("foobar"), 0xbf9cf968);
	ck_assert_uint_eq(net_hash64(""), 0xcbf29ce484222325ULL);
	ck_assert_uint_eq(net_hash64("a"), 0xaf63dc4c8601ec8cULL);
	ck_assert_uint_eq(net_hash64("foobar"), 0x85944171f73967e8ULL);
}
END_TEST

START_TEST(a_bridge_has_the_name_that_others_know)
{
	/* The reference's space "web" of realm "lab". */
	ck_assert_uint_eq(net_hash32("lab-web"), 0x2dbe8983);
}
END_TEST

/* --- regressions --- */

static const char *const lenient[] = {"10.0.0.0/+8", "10.0.0.0/ 8", "10.0.0.0/\t8", "10.0.0.0/-0",
	"10.0.0.0/-18446744073709551608"};

START_TEST(a_length_is_digits)
{
	struct net_cidr cidr;

	ck_assert_int_eq(net_cidr_parse(lenient[_i], &cidr), -1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cidr");
	TCase *regressions = tcase_create("regressions");
	TCase *network = tcase_create("network"), *hash = tcase_create("hash");

	tcase_add_loop_test(network, a_network_is_read_and_written, 0,
		(int)(sizeof networks / sizeof networks[0]));
	tcase_add_test(network, an_address_is_written_from_the_left);
	tcase_add_loop_test(network, networks_overlap_when_one_holds_the_other, 0,
		(int)(sizeof pairs / sizeof pairs[0]));
	suite_add_tcase(suite, network);
	tcase_add_test(hash, hashes_are_fnv_1a);
	tcase_add_test(hash, a_bridge_has_the_name_that_others_know);
	suite_add_tcase(suite, hash);
	tcase_add_loop_test(regressions, a_length_is_digits, 0,
		(int)(sizeof lenient / sizeof lenient[0]));
	suite_add_tcase(suite, regressions);
	return check_main(suite);
}
