/* workers/network/hosts.c - the cells of a space know each other by name, through their /etc/hosts. Files are written in
 * place: running containers see them through a bind mount. */
#include "net.h"

#include <stdlib.h>
#include <string.h>

#include <kukeon/buf.h>
#include <kukeon/clock.h>
#include <kukeon/fd.h>
#include <kukeon/log.h>
#include <kukeon/loop.h>
#include <kukeon/mem.h>
#include <kukeon/worker.h>

/* Cells come and go by the hundred, and each changes the files of all: not before it is quiet, but no later than this. */
enum { QUIET_MS = 200, LATEST_MS = 1000 };

static struct kk_timer *timer;
static struct kk_strs dirty; /* realm/space */
static int64_t dirty_ms;     /* since when */

static void line_append(const struct net_cell_key *key, const struct kk_connection *record,
	void *arg)
{
	struct kk_buf *hosts = arg;

	(void)key;
	if (kk_str_empty(record->ip))
		return;
	kk_buf_str(hosts, record->ip);
	for (size_t i = 0; i < record->names.n; i++)
		kk_buf_printf(hosts, "%c%s", i ? ' ' : '\t', record->names.items[i]);
	kk_buf_str(hosts, "\n");
}

/* The lines of all cells of a space. */
static void space_append(const struct net_space *space, struct kk_buf *hosts)
{
	net_records_each(space, line_append, hosts);
}

static bool space_find(const char *path, struct net_space *ret_space)
{
	struct kk_err ignored = {0};

	return net_space_at(path, ret_space, &ignored) == 1;
}

/* @home: the lines of its own space. */
static int file_write(const struct net_cell_key *key, const struct kk_connection *record,
	const struct kk_buf *home, struct kk_err *err)
{
	kk_auto_free char *dir = net_files_dir(key), *path = kk_xprintf("%s/etc-hosts", dir);
	kk_auto_buf text = {0};

	kk_buf_str(&text, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
	kk_buf_append(&text, home->data, home->len);
	for (size_t i = 0; i < record->extras.n; i++) {
		kk_auto(net_space_release) struct net_space joined = {0};

		if (space_find(record->extras.items[i].space, &joined))
			space_append(&joined, &text);
	}
	return kk_file_write(path, text.data, text.len, 0644, err);
}

int net_hosts_write(const struct net_cell_key *key, const struct kk_connection *record,
	struct kk_err *err)
{
	kk_auto(net_space_release) struct net_space space = {0};
	kk_auto_buf home = {0};
	int r = net_space_load(key->realm, key->space, &space, err);

	if (r < 0)
		return r;
	if (r == 1)
		space_append(&space, &home);
	return file_write(key, record, &home, err);
}

struct refresh {
	struct kk_buf home;
	struct kk_strs guests; /* the spaces they are from */
};

static void cell_refresh(const struct net_cell_key *key, const struct kk_connection *record,
	void *arg)
{
	struct refresh *refresh = arg;
	struct kk_err err = {0};

	if (!key && record->extras.n &&
		!kk_strs_has(&refresh->guests, record->extras.items[0].space))
		kk_strs_add(&refresh->guests, record->extras.items[0].space);
	if (key && file_write(key, record, &refresh->home, &err) < 0)
		kk_warning("the hosts file of cell '%s' stays as it is", key->cell);
}

static void space_refresh(const struct net_space *space, bool with_guests)
{
	struct refresh refresh = {0};

	space_append(space, &refresh.home);
	net_records_each(space, cell_refresh, &refresh);
	for (size_t i = 0; i < refresh.guests.n && with_guests; i++) {
		kk_auto(net_space_release) struct net_space home = {0};

		if (space_find(refresh.guests.items[i], &home))
			space_refresh(&home, false);
	}
	kk_buf_release(&refresh.home);
	kk_strs_release(&refresh.guests);
}

static void refresh_on_timer(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < dirty.n; i++) {
		kk_auto(net_space_release) struct net_space space = {0};

		if (space_find(dirty.items[i], &space))
			space_refresh(&space, true);
	}
	kk_strs_release(&dirty);
}

void net_hosts_refresh(const struct net_space *space)
{
	kk_auto_free char *path = kk_xprintf("%s/%s", space->realm, space->name);
	int64_t now_ms = kk_clock_ms();

	if (!timer) {
		space_refresh(space, true);
		return;
	}
	if (!dirty.n)
		dirty_ms = now_ms;
	if (now_ms - dirty_ms <= LATEST_MS - QUIET_MS)
		kk_timer_start(timer, QUIET_MS);
	if (!kk_strs_has(&dirty, path))
		kk_strs_take(&dirty, kk_steal(&path));
}

void net_hosts_open(struct kk_worker *worker)
{
	timer = kk_timer_new(worker->loop, "hosts", refresh_on_timer, NULL);
}
