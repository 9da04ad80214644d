/* workers/network/record.c - how a cell is connected, beside its files: what a repair and the cells around it have to
 * know. It is there as long as the cell has its network. */
#include "net.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <kukeon/buf.h>
#include <kukeon/fd.h>
#include <kukeon/json.h>
#include <kukeon/mem.h>

enum { RECORD_MAX = 65536 };

/* A cell of another space, in the directory of one that it has joined. */
#define GUEST ".joined-"

static char *path_of(const struct net_cell_key *key)
{
	kk_auto_free char *dir = net_files_dir(key);

	return kk_xprintf("%s/" NET_RECORD, dir);
}

/* What can't be read is as good as not there: the next start of the cell makes it anew. */
static bool record_read(const char *path, struct kk_connection *ret_record)
{
	kk_auto_buf text = {.max = RECORD_MAX};
	kk_auto_json *json = NULL;
	struct kk_err ignored = {0};

	if (kk_file_read(path, &text, NULL) < 0 || !text.data)
		return false;
	json = json_loadb((char *)text.data, text.len, 0, NULL);
	return json && kk_json_decode(kk_schema_of_connection(), json, ret_record, &ignored) == 0;
}

static int record_write(const char *path, const struct kk_connection *record, struct kk_err *err)
{
	kk_auto_json *json = kk_json_encode(kk_schema_of_connection(), record, KK_JSON_API);
	kk_auto_free char *text = json_dumps(json, JSON_COMPACT);

	return kk_file_write(path, text, strlen(text), 0600, err);
}

bool net_record_read(const struct net_cell_key *key, struct kk_connection *ret_record)
{
	kk_auto_free char *path = path_of(key);

	return record_read(path, ret_record);
}

int net_record_write(const struct net_cell_key *key, const struct kk_connection *record,
	struct kk_err *err)
{
	kk_auto_free char *path = path_of(key);

	return record_write(path, record, err);
}

static char *guest_path(const struct net_space *space, const char *veth)
{
	kk_auto_free char *dir = net_files_space_dir(space->realm, space->name);

	return kk_xprintf("%s/" GUEST "%s", dir, veth);
}

int net_guest_write(const struct net_space *space, const char *veth,
	const struct kk_connection *record, struct kk_err *err)
{
	kk_auto_free char *path = guest_path(space, veth);

	return net_files_space_make(space, err) < 0 ? kk_failed(err) :
						      record_write(path, record, err);
}

int net_guest_remove(const struct net_space *space, const char *veth, struct kk_err *err)
{
	kk_auto_free char *path = guest_path(space, veth);

	if (unlink(path) < 0 && errno != ENOENT && errno != ENOTDIR)
		return kk_fail_errno(err, KK_E_IO, "remove %s", path);
	return 0;
}

static bool is_object(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && entry->d_type != DT_REG;
}

static void record_hand_over(const struct net_cell_key *key, const char *path, net_record_f fn,
	void *arg)
{
	struct kk_connection record = {0};

	if (record_read(path, &record))
		fn(key, &record, arg);
	kk_connection_release(&record);
}

static void stack_walk(const struct net_space *space, const char *path, const char *stack,
	net_record_f fn, void *arg)
{
	kk_auto_dir cells = opendir(path);
	const struct dirent *cell;

	while (cells && (cell = readdir(cells))) {
		const struct net_cell_key key = {space->realm, space->name, stack, cell->d_name};
		kk_auto_free char *record = kk_xprintf("%s/%s/" NET_RECORD, path, cell->d_name);

		if (is_object(cell))
			record_hand_over(&key, record, fn, arg);
	}
}

void net_records_each(const struct net_space *space, net_record_f fn, void *arg)
{
	kk_auto_free char *dir = net_files_space_dir(space->realm, space->name);
	kk_auto_dir stacks = opendir(dir);
	const struct dirent *stack;

	while (stacks && (stack = readdir(stacks))) {
		kk_auto_free char *path = kk_xprintf("%s/%s", dir, stack->d_name);

		if (kk_str_starts(stack->d_name, GUEST))
			record_hand_over(NULL, path, fn, arg);
		else if (is_object(stack))
			stack_walk(space, path, stack->d_name, fn, arg);
	}
}
