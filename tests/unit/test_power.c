/* tests/unit/test_power.c - the state on disk when the power goes, whenever that is.
 *
 * Documents, the instance file and the network of a space are whole, old or new, whatever a file system made
 * of what was not synced; what was promised to somebody is there; and the same operation, done again on what
 * is left, comes to its end and leaves nothing over. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kukeon/log.h>

#include "../../workers/network/net.h"
#include "../support/check.h"
#include "../support/clock.h"
#include "../support/dir.h"
#include "../support/disk.h"
#include "../support/operation.h"

static void live_make(void)
{
	ck_assert_int_eq(chdir(dir_path), 0);
	ck_assert_int_eq(mkdir("live", 0755), 0);
	ck_assert_int_eq(chdir("live"), 0);
}

static void live_remove(void)
{
	struct kk_err err = {0};

	ck_assert_int_eq(chdir(dir_path), 0);
	ck_assert_int_eq(kk_tree_remove("live", &err), 0);
}

static void setup(void)
{
	dir_setup_fast();
	kk_log_set_level(-1);
	operation_setup();
	live_make();
}

static void teardown(void)
{
	live_remove();
	ck_assert_int_eq(chdir("/"), 0);
	dir_teardown();
}

/* What is left is read, then the operation that was cut off is done again. */
static void state_look(const struct disk_state *state, void *arg)
{
	const struct scenario *scenario = arg;

	operation_boot();
	operation_load_all();
	if (state->n_promises == scenario->n)
		return;
	operation_do(&scenario->operations[state->n_promises]);
	disk_expect(state->n_promises + 1);
}

static void count_tell(const char *scenario, const char *what, const struct disk_count *count)
{
	printf("%s, %s: power cut at %zu points, %zu states, %zu different ones looked at\n",
		scenario, what, count->n_points, count->n_states, count->n_looked);
}

START_TEST(each_state_after_a_power_cut_is_sound)
{
	const struct scenario *scenario = &scenarios[_i];
	struct disk_count count = {0};

	scenario->prepare();
	disk_begin(operation_class_of);
	for (size_t i = 0; i < scenario->n; i++) {
		operation_do(&scenario->operations[i]);
		disk_promise();
	}
	disk_remember();
	disk_cut(false, state_look, (void *)scenario, &count);
	count_tell(scenario->name, "each operation", &count);
}
END_TEST

/* Do @nth of the scenario with the process dying at call @call, then again. False when it took less calls. */
static bool repeat_after_death(const struct scenario *scenario, size_t nth, size_t call,
	struct disk_count *count)
{
	struct kk_err ignored = {0};
	bool has_died;

	live_make();
	scenario->prepare();
	disk_begin(operation_class_of);
	for (size_t i = 0; i < nth; i++) {
		operation_do(&scenario->operations[i]);
		disk_promise();
	}
	disk_die(call);
	(void)scenario->operations[nth].run(&ignored);
	has_died = disk_has_hit();
	disk_heal();
	if (has_died) {
		operation_do(&scenario->operations[nth]);
		disk_promise();
		disk_cut(true, NULL, NULL, count);
	}
	disk_end();
	operation_boot();
	live_remove();
	return has_died;
}

START_TEST(what_a_successor_finished_survives_a_power_cut)
{
	const struct scenario *scenario = &scenarios[_i];
	struct disk_count count = {0};

	live_remove();
	for (size_t i = 0; i < scenario->n; i++) {
		size_t call = 1;

		while (repeat_after_death(scenario, i, call, &count))
			call++;
	}
	count_tell(scenario->name, "each call the last of its process", &count);
	live_make();
}
END_TEST

/* --- leases: promised to nobody, yet no address is lost by them --- */

static void file_put(const char *path, const char *text)
{
	struct kk_err err = {0};

	check_ok(kk_file_write(path, text, strlen(text), 0644, &err), &err);
}

static const char *address_of_cell(void)
{
	static char ip[NET_IP_MAX];
	static const struct kk_strs none;
	const struct net_wish wish = {.ports = &none, .networks = &none, .aliases = &none};
	const struct net_cell_key key = {"r", "s", "t", "web"};
	kk_auto(net_cell_release) struct net_cell cell = {0};
	struct kk_err err = {0};

	check_ok(net_cell_ensure(&key, &wish, &cell, &err), &err);
	memcpy(ip, cell.ip, sizeof ip);
	return ip;
}

START_TEST(a_lease_without_its_text_is_free)
{
	struct kk_err err = {0};

	ck_assert_int_eq(mkdir("cni", 0755), 0);
	ck_assert_int_eq(mkdir("cni/r-s", 0755), 0);
	file_put("cni/r-s/10.88.0.2", "podman\r\neth0");
	check_ok(kk_file_write("cni/r-s/10.88.0.3", "\0\0\0", (size_t)_i, 0644, &err), &err);
	ck_assert_str_eq(address_of_cell(), "10.88.0.3");
}
END_TEST

static void leases_put(const char *owner)
{
	ck_assert_int_eq(mkdir("cni", 0755), 0);
	ck_assert_int_eq(mkdir("cni/r-s", 0755), 0);
	for (int i = 2; i < 255; i++) {
		kk_auto_free char *path = kk_xprintf("cni/r-s/10.88.0.%d", i);

		file_put(path, i == 77 ? owner : "podman\r\neth0");
	}
}

START_TEST(the_lease_of_a_cell_that_is_gone_is_taken_back_when_addresses_end)
{
	leases_put("s_t_gone_root\r\neth0");
	ck_assert_str_eq(address_of_cell(), "10.88.0.77");
}
END_TEST

static const char *const kept[] = {
	"s_t_other_root\r\neth0",
	"elsewhere_t_gone_root\r\neth0",
	"s_t_gone\r\neth0",
	"s_t_gone_root_\r\neth0",
};

START_TEST(no_other_lease_is_taken_back)
{
	static const struct kk_strs none;
	const struct net_wish wish = {.ports = &none, .networks = &none, .aliases = &none};
	const struct net_cell_key key = {"r", "s", "t", "web"};
	struct net_cell cell = {0};
	struct kk_err err = {0};

	leases_put(kept[_i]);
	check_ok(kk_dir_make("run/data/r/s/t/other", 0755, &err), &err);
	file_put("run/data/r/s/t/other/metadata.json", "{}");
	check_code(net_cell_ensure(&key, &wish, &cell, &err), KK_E_SUBNET_EXHAUSTED);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("power");
	TCase *cut = tcase_create("cut"), *lease;

	tcase_set_timeout(cut, CHECK_TIMEOUT_S);
	tcase_add_checked_fixture(cut, setup, teardown);
	tcase_add_loop_test(cut, each_state_after_a_power_cut_is_sound, 0, (int)n_scenarios);
	tcase_add_loop_test(cut, what_a_successor_finished_survives_a_power_cut, 0,
		(int)n_scenarios);
	suite_add_tcase(suite, cut);
	lease = tcase_create("lease");
	tcase_add_checked_fixture(lease, setup, teardown);
	tcase_add_loop_test(lease, a_lease_without_its_text_is_free, 0, 4);
	tcase_add_test(lease, the_lease_of_a_cell_that_is_gone_is_taken_back_when_addresses_end);
	tcase_add_loop_test(lease, no_other_lease_is_taken_back, 0, (int)KK_COUNT(kept));
	suite_add_tcase(suite, lease);
	return check_main(suite);
}
