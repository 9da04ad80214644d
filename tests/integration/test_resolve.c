/* tests/integration/test_resolve.c - the host names of egress policies, with a name server of the test's own. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <check.h>

#include <kukeon/auto.h>
#include <kukeon/mem.h>

#include "../support/sandbox.h"
#include "../support/worker.h"

enum { EVENT_MS = 5000, AT_ONCE_MS = 500, DNS_HEADER = 12, DNS_SIZE = 512, TYPE_A = 1 };

static struct ts_worker *worker;
static struct kk_req_worker_start config;
static pid_t server;

/* --- a name server --- */

struct zone {
	bool is_silent;
	const char *addresses[3]; /* of every name; none: there is no such name */
};

/* The question as it came, and behind it an answer for each address. */
static size_t reply_make(uint8_t *packet, size_t len, const struct zone *zone)
{
	size_t end = DNS_HEADER;
	uint8_t n = 0;
	bool is_a;

	while (end < len && packet[end])
		end += packet[end] + 1u;
	end += 5;
	is_a = packet[end - 3] == TYPE_A;
	for (; is_a && n < KK_COUNT(zone->addresses) && zone->addresses[n]; n++) {
		static const uint8_t head[] = {
			0xc0, DNS_HEADER, 0, TYPE_A, 0, 1, 0, 0, 0, 60, 0, 4};
		uint8_t *to = packet + end + n * (sizeof head + 4);

		memcpy(to, head, sizeof head);
		ck_assert_int_eq(inet_pton(AF_INET, zone->addresses[n], to + sizeof head), 1);
	}
	packet[2] = 0x85;
	packet[3] = zone->addresses[0] ? 0x80 : 0x83;
	memset(packet + 6, 0, 6);
	packet[7] = n;
	return end + n * 16u;
}

static int serve(void *arg)
{
	const struct sockaddr_in here = {.sin_family = AF_INET,
		.sin_port = htons(53),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&here, sizeof here) < 0)
		return 1;
	ts_file_put(ts_text("%s/dns.ready", config.run_path), "");
	for (;;) {
		uint8_t packet[DNS_SIZE];
		struct sockaddr_in from;
		socklen_t size = sizeof from;
		ssize_t n =
			recvfrom(fd, packet, sizeof packet / 2, 0, (struct sockaddr *)&from, &size);

		if (n <= DNS_HEADER || ((const struct zone *)arg)->is_silent)
			continue;
		sendto(fd, packet, reply_make(packet, (size_t)n, arg), 0,
			(const struct sockaddr *)&from, size);
	}
}

static bool is_serving(void *arg)
{
	(void)arg;
	return ts_exists(ts_text("%s/dns.ready", config.run_path));
}

static void server_start(const struct zone *zone)
{
	if (server) {
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
		unlink(ts_text("%s/dns.ready", config.run_path));
	}
	server = ts_child(serve, (void *)(uintptr_t)zone);
	ck_assert(ts_until(is_serving, NULL, EVENT_MS));
}

/* @over: what everybody in the test's mount namespace sees instead. */
static void file_cover(const char *path, const char *over)
{
	char *file = ts_text("%s/%s", config.run_path, strrchr(path, '/') + 1);

	ts_file_put(file, over);
	ck_assert_int_eq(mount(file, path, NULL, MS_BIND, NULL), 0);
}

/* --- the worker --- */

static void begin(void)
{
	ts_sandbox_net();
	server = 0;
	config = ts_worker_config();
	config.run_path = ts_text("%s/rp%d", ts_run()->dir, (int)getpid());
	config.runtime_dir = ts_text("%s/run", config.run_path);
	ts_shell("mkdir -p %s", config.run_path);
	file_cover("/etc/resolv.conf", "nameserver 127.0.0.1\n");
	file_cover("/etc/hosts", "127.0.0.1 localhost\n192.0.2.7 known.example\n");
	worker = ts_worker_start(KK_ROLE_network, &config);
}

static void end(void)
{
	ts_worker_stop(worker);
}

static void worker_again(void)
{
	ts_worker_kill(worker);
	worker = ts_worker_start(KK_ROLE_network, &config);
}

static uint64_t ask(const char *space, const char *host)
{
	struct kk_egress_rule rules[] = {{.host = S(host)}, {.cidr = S("198.51.100.0/24")}};

	return TS_SEND(worker, space_network_ensure, .realm = S("r"), .space = S(space),
		.egress = {.default_verdict = S("deny"), .allow = {rules, KK_COUNT(rules), true}});
}

static const char *refusal(uint64_t id)
{
	struct kk_err err = {0};

	ck_assert_int_eq(ts_worker_refused(worker, id, &err), KK_E_NETWORK);
	return ts_text("%s", ts_err_text(&err));
}

static bool has_rule(const char *addresses)
{
	return strstr(ts_shell("nft list table inet %s", config.nft_table),
		ts_text("ip daddr %s accept", addresses));
}

static const char *fault_of(const char *space)
{
	struct kk_strs spaces = {0};
	const struct kk_rep_network_survey *rep;

	kk_strs_add(&spaces, ts_text("r/%s", space));
	rep = TS_ASK(worker, network_survey, .spaces = spaces);
	kk_strs_release(&spaces);
	return kk_str(kk_map_get(&rep->spaces, ts_text("r/%s", space)));
}

START_TEST(a_name_of_the_hosts_file_is_known)
{
	ts_worker_wait(worker, ask("s", "known.example"), NULL);
	ck_assert(has_rule("192.0.2.7"));
	ck_assert(has_rule("198.51.100.0/24"));
}
END_TEST

START_TEST(a_name_server_is_asked)
{
	static const struct zone zone = {.addresses = {"192.0.2.9", "192.0.2.8"}};

	server_start(&zone);
	ts_worker_wait(worker, ask("s", "a.example"), NULL);
	ck_assert(has_rule("{ 192.0.2.8, 192.0.2.9 }"));
	ck_assert_str_eq(fault_of("s"), "");
}
END_TEST

START_TEST(a_name_that_nobody_knows_is_refused)
{
	static const struct zone zone = {0};

	server_start(&zone);
	ck_assert_str_eq(refusal(ask("s", "a.example")),
		"failed to apply egress policy: failed to resolve egress "
		"allow rule host: \"a.example\": Domain name not found");
}
END_TEST

/* Who waits for a name server keeps nobody else waiting. */
START_TEST(a_silent_name_server_holds_up_nobody)
{
	static const struct zone zone = {.is_silent = true};
	struct kk_req_space_network_ensure other = {.realm = S("r"), .space = S("other")};
	uint64_t id;

	server_start(&zone);
	id = ask("s", "a.example");
	ts_worker_wait(worker,
		ts_worker_send(worker, KK_MSG_space_network_ensure, &other, AT_ONCE_MS), NULL);
	ck_assert(!ts_worker_has(worker, id));
	ck_assert_ptr_nonnull(strstr(refusal(id), "Timeout while contacting DNS servers"));
}
END_TEST

/* A repair does not wait for anybody. */
START_TEST(what_was_resolved_is_kept)
{
	static const struct zone zone = {.addresses = {"192.0.2.9"}}, silent = {.is_silent = true};

	server_start(&zone);
	ts_worker_wait(worker, ask("s", "a.example"), NULL);
	server_start(&silent);
	worker_again();
	ts_shell("nft delete table inet %s", config.nft_table);
	ck_assert_str_eq(fault_of("s"), "its rules");
	ts_worker_wait(worker, ask("s", "a.example"), NULL);
	ck_assert(has_rule("192.0.2.9"));
}
END_TEST

/* The daemon notices by itself; what was reachable stays so for a while. */
START_TEST(addresses_that_change_are_followed)
{
	static const struct zone before = {.addresses = {"192.0.2.9"}},
				 after = {.addresses = {"192.0.2.20"}};

	server_start(&before);
	ts_worker_wait(worker, ask("s", "a.example"), NULL);
	server_start(&after);
	worker_again();
	/* What happened before it was there. */
	ck_assert_ptr_nonnull(TS_EVENT(worker, network_changed, EVENT_MS));
	ck_assert_str_eq(fault_of("s"), "");
	ck_assert_ptr_nonnull(TS_EVENT(worker, network_changed, EVENT_MS));
	ck_assert_str_eq(fault_of("s"), KK_SURVEY_HOSTS);
	ts_worker_wait(worker, ask("s", "a.example"), NULL);
	ck_assert(has_rule("{ 192.0.2.9, 192.0.2.20 }"));
	ck_assert_str_eq(fault_of("s"), "");
}
END_TEST

START_TEST(a_damaged_record_is_refused)
{
	char *path = ts_text("%s/data/r/s/network.json", config.run_path);

	ts_worker_wait(worker, ask("s", "known.example"), NULL);
	ts_file_put(path,
		"{\"subnetCIDR\":\"10.200.0.0/24\",\"hosts\":{\"known.example\":\"1.1.1.1 } drop\"}}");
	ck_assert_ptr_nonnull(strstr(refusal(ask("s", "known.example")), "is damaged"));
}
END_TEST

static Suite *suite_make(void)
{
	Suite *suite = suite_create("resolve");
	TCase *names = tcase_create("names");

	tcase_add_checked_fixture(names, begin, end);
	tcase_set_timeout(names, 30);
	tcase_add_test(names, a_name_of_the_hosts_file_is_known);
	tcase_add_test(names, a_name_server_is_asked);
	tcase_add_test(names, a_name_that_nobody_knows_is_refused);
	tcase_add_test(names, a_silent_name_server_holds_up_nobody);
	tcase_add_test(names, what_was_resolved_is_kept);
	tcase_add_test(names, addresses_that_change_are_followed);
	tcase_add_test(names, a_damaged_record_is_refused);
	suite_add_tcase(suite, names);
	return suite;
}

int main(void)
{
	return ts_sandbox_run(suite_make);
}
