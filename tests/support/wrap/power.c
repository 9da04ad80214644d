/* tests/support/wrap/power.c - what a power cut can have left of what was called, laid out and looked at. */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kukeon/auto.h>

#include "../check.h"

/* --- trees --- */

struct entry {
	int dir;
	int node;
	const char *name;
};

struct tree {
	struct entry entries[NODES_MAX];
	size_t n;
};

/* What is in a tree, by its path. */
struct item {
	char *path;
	int node;
	bool is_dir;
	enum disk_class class;
	const struct content *content;
};

struct items {
	struct item *items;
	size_t n;
};

static void items_release(struct items *items)
{
	for (size_t i = 0; i < items->n; i++)
		free(items->items[i].path);
	free(items->items);
	*items = (struct items){0};
}

static void tree_drop(struct tree *tree, int dir, const char *name)
{
	for (size_t i = 0; i < tree->n; i++) {
		if (tree->entries[i].dir == dir && strcmp(tree->entries[i].name, name) == 0) {
			tree->entries[i] = tree->entries[--tree->n];
			return;
		}
	}
}

static void tree_set(struct tree *tree, int dir, const char *name, int node)
{
	tree_drop(tree, dir, name);
	check_must(tree->n < NODES_MAX);
	tree->entries[tree->n++] = (struct entry){dir, node, name};
}

static void tree_apply(struct tree *tree, const struct event *event)
{
	switch (event->what) {
	case SET:
		tree_set(tree, event->dir, event->name, event->node);
		break;
	case DROP:
		tree_drop(tree, event->dir, event->name);
		break;
	case MOVE:
		tree_drop(tree, event->dir, event->name);
		tree_set(tree, event->dir, event->to, event->node);
		break;
	case DATA:
	case SYNC:
		break;
	}
}

static struct content nothing;

/* What the file holds before event @end; of what was synced alone, if @is_synced. */
static const struct content *content_at(int node, size_t end, bool is_synced)
{
	bool has_sync = !is_synced;

	for (size_t i = end; i-- > 0;) {
		const struct event *event = &disk.events[i];

		if (event->node != node)
			continue;
		if (event->what == SYNC)
			has_sync = true;
		if (event->what == DATA && has_sync)
			return event->content;
	}
	return &nothing;
}

static void items_walk(const struct tree *tree, int dir, const char *path, size_t end,
	struct items *items)
{
	for (size_t i = 0; i < tree->n; i++) {
		const struct entry *entry = &tree->entries[i];
		struct item *item;

		if (entry->dir != dir)
			continue;
		items->items = realloc(items->items, (items->n + 1) * sizeof items->items[0]);
		item = &items->items[items->n++];
		check_must(asprintf(&item->path, "%s%s%s", path, *path ? "/" : "", entry->name) >
			0);
		item->node = entry->node;
		item->is_dir = disk.nodes[entry->node].is_dir;
		item->class = disk.class_of(item->path);
		item->content = item->is_dir ? NULL : content_at(entry->node, end, false);
		if (item->is_dir) {
			kk_auto_free char *below = strdup(item->path);

			items_walk(tree, entry->node, below, end, items);
		}
	}
}

/* The tree as the code under test saw it. */
static void live_at(size_t end, struct items *ret_items)
{
	static struct tree tree;

	tree.n = 0;
	for (size_t i = 0; i < end; i++)
		tree_apply(&tree, &disk.events[i]);
	*ret_items = (struct items){0};
	items_walk(&tree, ROOT, "", end, ret_items);
}

static const struct item *item_at(const struct items *items, const char *path)
{
	for (size_t i = 0; i < items->n; i++) {
		if (strcmp(items->items[i].path, path) == 0)
			return &items->items[i];
	}
	return NULL;
}

static bool content_equal(const struct content *a, const struct content *b)
{
	return a == b || (a && b && a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0);
}

/* --- what is there now --- */

static void now_walk(const char *dir, struct items *items)
{
	struct dirent **list = NULL;
	int n = dir_scan(dir, &list);

	for (int i = 0; i < n; i++) {
		struct item item = {0};
		struct stat st;

		check_must(asprintf(&item.path, "%s%s%s", dir, *dir ? "/" : "", list[i]->d_name) >
			0);
		free(list[i]);
		check_must(__real_lstat(item.path, &st) == 0);
		item.is_dir = S_ISDIR(st.st_mode);
		item.class = disk.class_of(item.path);
		item.content = item.is_dir ? NULL : content_read(item.path);
		items->items = realloc(items->items, (items->n + 1) * sizeof items->items[0]);
		items->items[items->n++] = item;
		if (item.is_dir)
			now_walk(item.path, items);
	}
	free(list);
}

static const char *ignored;

void disk_ignore(const char *front)
{
	ignored = front;
}

/* Behind the line that begins like what is ignored, if it does. */
static const char *line_skip(const char *text)
{
	const char *line = text + strspn(text, " ");

	if (!ignored || strncmp(line, ignored, strlen(ignored)) != 0)
		return text;
	return line + strcspn(line, "\n");
}

static bool lines_equal(const struct content *a, const struct content *b)
{
	const char *p = a->bytes, *q = b->bytes;

	do {
		p = line_skip(p);
		q = line_skip(q);
		while (*p && *p == *q && *p != '\n') {
			p++;
			q++;
		}
	} while (*p == '\n' && *p++ == *q++);
	return !*p && !*q;
}

static bool content_alike(const struct content *a, const struct content *b)
{
	return content_equal(a, b) || (a && b && lines_equal(a, b));
}

static void same_expect(const struct items *a, const struct items *b, const char *what)
{
	for (size_t i = 0; i < a->n; i++) {
		const struct item *item = &a->items[i], *other = item_at(b, item->path);

		if (item->class == DISK_VOLATILE)
			continue;
		ck_assert_msg(other != NULL, "%s is %s", item->path, what);
		ck_assert_msg(item->is_dir == other->is_dir, "%s is of another kind", item->path);
		ck_assert_msg(content_alike(item->content, other->content),
			"%s differs:\n%s\n--- from:\n%s", item->path,
			item->content ? item->content->bytes : "",
			other->content ? other->content->bytes : "");
	}
}

/* The trees of all promises, which outlive the events. */
static struct items *remembered;
static size_t n_remembered;

void disk_remember(void)
{
	remembered = calloc(disk.n_promises, sizeof remembered[0]);
	n_remembered = disk.n_promises;
	for (size_t i = 0; i < n_remembered; i++) {
		live_at(disk.promises[i], &remembered[i]);
		for (size_t k = 0; k < remembered[i].n; k++) {
			struct item *item = &remembered[i].items[k];

			if (item->content)
				item->content = content_copy(item->content);
		}
	}
}

void disk_expect(size_t nth)
{
	kk_auto(items_release) struct items have = {0};

	check_must(nth < n_remembered);
	now_walk("", &have);
	same_expect(&have, &remembered[nth], "left over");
	same_expect(&remembered[nth], &have, "missing");
}

/* --- cutting the power --- */

enum { FATES_MAX = 16, SEEN_FIRST = 1024 };

static struct {
	size_t point;
	size_t n_promises;
	size_t promised; /* the point of the last promise */
	struct tree durable;
	const struct event *pending[PENDING_MAX];
	size_t n_pending;
	const struct event **group; /* volatile ones, which come and go together */
	size_t n_group;
	bool has_group;
	unsigned mask;
	struct items *live; /* of each point */
	uint64_t *seen;     /* a table, at most half full */
	size_t n_seen;
	size_t seen_size;
	disk_state_f fn;
	void *arg;
	struct disk_count *count;
} cut;

static const char *const verbs[] = {
	[SET] = "make", [DROP] = "drop", [MOVE] = "rename", [DATA] = "write", [SYNC] = "sync"};

static bool is_pending(const struct event *event)
{
	for (size_t i = 0; i < cut.n_pending; i++) {
		if (cut.pending[i] == event)
			return !(cut.mask & 1u << i);
	}
	return false;
}

/* How it came to the state that is wrong. */
static void story_tell(void)
{
	fprintf(stderr, "the power was cut behind event %zu, %zu promises made:\n", cut.point,
		cut.n_promises);
	for (size_t i = disk.promises[0]; i < cut.point; i++) {
		const struct event *event = &disk.events[i];

		for (size_t k = 1; k < disk.n_promises; k++) {
			if (disk.promises[k] == i)
				fprintf(stderr, "  -- promise %zu\n", k);
		}
		fprintf(stderr, "  %3zu %-6s node %d %s%s%s%s\n", i, verbs[event->what],
			event->node, event->name ? event->name : "", event->to ? " to " : "",
			event->to ? event->to : "", is_pending(event) ? "   LOST" : "");
	}
}

static uint64_t mix(uint64_t hash, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3ULL;
	return hash;
}

/* Of the whole tree, in whatever order it comes. */
static uint64_t items_hash(const struct items *items)
{
	uint64_t sum = cut.n_promises;

	for (size_t i = 0; i < items->n; i++) {
		const struct item *item = &items->items[i];
		uint64_t hash = mix(0xcbf29ce484222325ULL, item->path, strlen(item->path) + 1);

		if (item->content)
			hash = mix(hash ^ item->content->len, item->content->bytes,
				item->content->len);
		sum += hash * 0x9e3779b97f4a7c15ULL;
	}
	return sum ? sum : 1;
}

static bool seen_put(uint64_t hash)
{
	size_t i = hash % cut.seen_size;

	while (cut.seen[i] && cut.seen[i] != hash)
		i = (i + 1) % cut.seen_size;
	if (cut.seen[i])
		return false;
	cut.seen[i] = hash;
	cut.n_seen++;
	return true;
}

/* False for one that is there already. */
static bool seen_add(uint64_t hash)
{
	uint64_t *old = cut.seen;
	size_t size = cut.seen_size;

	if (2 * cut.n_seen >= size) {
		cut.seen_size = size ? 2 * size : SEEN_FIRST;
		cut.seen = calloc(cut.seen_size, sizeof cut.seen[0]);
		cut.n_seen = 0;
		for (size_t i = 0; i < size; i++) {
			if (old[i])
				seen_put(old[i]);
		}
		free(old);
	}
	return seen_put(hash);
}

#define WRONG(...)                         \
	do {                               \
		story_tell();              \
		ck_abort_msg(__VA_ARGS__); \
	} while (0)

/* Was it there, with this content, at any time since the last promise? */
static bool was_live(const struct item *item)
{
	for (size_t point = cut.promised; point <= cut.point; point++) {
		const struct item *then = item_at(&cut.live[point], item->path);

		if (then && then->is_dir == item->is_dir &&
			content_equal(then->content, item->content))
			return true;
	}
	return false;
}

static bool was_ever_away(const char *path)
{
	for (size_t point = cut.promised; point <= cut.point; point++) {
		if (!item_at(&cut.live[point], path))
			return true;
	}
	return false;
}

static void state_judge(const struct items *items)
{
	for (size_t i = 0; i < items->n; i++) {
		const struct item *item = &items->items[i];

		if (item->class == DISK_DURABLE && !was_live(item))
			WRONG("%s is on disk as it never was, with %zu bytes:\n%s", item->path,
				item->content ? item->content->len : 0,
				item->content ? item->content->bytes : "");
	}
	for (size_t i = 0; i < cut.live[cut.promised].n; i++) {
		const struct item *item = &cut.live[cut.promised].items[i];

		if (item->class == DISK_DURABLE && !item_at(items, item->path) &&
			!was_ever_away(item->path))
			WRONG("%s is lost", item->path);
	}
}

static void tree_remove(const char *path)
{
	struct dirent **list = NULL;
	int n = dir_scan(path, &list);

	for (int i = 0; i < n; i++) {
		char below[PATH_MAX];

		snprintf(below, sizeof below, "%s/%s", path, list[i]->d_name);
		free(list[i]);
		tree_remove(below);
	}
	free(list);
	check_must(remove(path) == 0);
}

static void lay_out(const struct items *items)
{
	for (size_t i = 0; i < items->n; i++) {
		const struct item *item = &items->items[i];
		int fd;

		if (item->is_dir) {
			check_must(__real_mkdir(item->path, 0755) == 0);
			continue;
		}
		fd = __real_open(item->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		check_must(fd >= 0);
		check_must(__real_write(fd, item->content->bytes, item->content->len) ==
			(ssize_t)item->content->len);
		close(fd);
	}
}

static void state_look(const struct items *items)
{
	const struct disk_state state = {cut.n_promises, cut.point - disk.promises[0]};

	cut.count->n_states++;
	if (!seen_add(items_hash(items)))
		return;
	cut.count->n_looked++;
	state_judge(items);
	if (!cut.fn)
		return;
	check_must(__real_mkdir("../cut", 0755) == 0);
	check_must(chdir("../cut") == 0);
	lay_out(items);
	cut.fn(&state, cut.arg);
	check_must(chdir(disk.root) == 0);
	tree_remove("../cut");
}

/* What may have become of data that was not synced. */
static size_t fates_of(const struct item *item, const struct content *ret_fates[FATES_MAX])
{
	struct content *last = (struct content *)item->content;
	const struct content *safe = content_at(item->node, cut.point, true);
	size_t n = 0;

	ret_fates[n++] = last;
	if (safe == last)
		return n;
	if (item->class != DISK_DURABLE) {
		ret_fates[0] = &nothing;
		return n;
	}
	if (!last->half) {
		last->half = content_new(last->bytes, last->len / 2);
		last->zeros = content_new(last->bytes, last->len);
		memset(last->zeros->bytes, 0, last->len);
	}
	ret_fates[n++] = safe;
	ret_fates[n++] = last->half;
	ret_fates[n++] = last->zeros;
	ret_fates[n++] = &nothing;
	for (size_t i = 0; i < cut.point && n < FATES_MAX; i++) {
		if (disk.events[i].what == DATA && disk.events[i].node == item->node)
			ret_fates[n++] = disk.events[i].content;
	}
	return n;
}

/* All fates of the files from @first on. */
static void fates_go_through(struct items *items, size_t first)
{
	const struct content *fates[FATES_MAX];
	const struct content *last;
	size_t n;

	while (first < items->n && items->items[first].is_dir)
		first++;
	if (first == items->n) {
		state_look(items);
		return;
	}
	last = items->items[first].content;
	n = fates_of(&items->items[first], fates);
	for (size_t i = 0; i < n; i++) {
		items->items[first].content = fates[i];
		fates_go_through(items, first + 1);
	}
	items->items[first].content = last;
}

static void subset_look(bool is_group_there)
{
	static struct tree tree;
	kk_auto(items_release) struct items items = {0};

	tree.n = cut.durable.n;
	memcpy(tree.entries, cut.durable.entries, tree.n * sizeof tree.entries[0]);
	for (size_t i = 0; is_group_there && i < cut.n_group; i++)
		tree_apply(&tree, cut.group[i]);
	for (size_t i = 0; i < cut.n_pending; i++) {
		if (cut.mask & 1u << i)
			tree_apply(&tree, cut.pending[i]);
	}
	items_walk(&tree, ROOT, "", cut.point, &items);
	fates_go_through(&items, 0);
}

static void point_look(void)
{
	size_t synced[NODES_MAX] = {0};

	cut.count->n_points++;
	cut.durable.n = 0;
	cut.n_pending = 0;
	cut.n_group = 0;
	for (size_t i = 0; i < cut.point; i++) {
		if (disk.events[i].what == SYNC)
			synced[disk.events[i].node] = i;
	}
	for (size_t i = 0; i < cut.point; i++) {
		const struct event *event = &disk.events[i];

		if (event->what == DATA || event->what == SYNC)
			continue;
		if (i < synced[event->dir]) {
			tree_apply(&cut.durable, event);
		} else if (disk.class_of(event->path) == DISK_VOLATILE) {
			cut.group[cut.n_group++] = event;
		} else {
			check_must(cut.n_pending < PENDING_MAX);
			cut.pending[cut.n_pending++] = event;
		}
	}
	for (cut.mask = 0; cut.mask < 1u << cut.n_pending; cut.mask++) {
		subset_look(false);
		if (cut.n_group)
			subset_look(true);
	}
}

void disk_cut(bool is_last_only, disk_state_f fn, void *arg, struct disk_count *count)
{
	size_t first = disk.promises[is_last_only ? disk.n_promises - 1 : 0];

	disk_end();
	cut.fn = fn;
	cut.arg = arg;
	cut.count = count;
	cut.live = calloc(disk.n_events + 1, sizeof cut.live[0]);
	cut.group = calloc(disk.n_events + 1, sizeof cut.group[0]);
	for (size_t i = first; i <= disk.n_events; i++)
		live_at(i, &cut.live[i]);
	for (cut.point = first; cut.point <= disk.n_events; cut.point++) {
		cut.n_promises = 0;
		while (cut.n_promises < disk.n_promises &&
			disk.promises[cut.n_promises] <= cut.point)
			cut.promised = disk.promises[cut.n_promises++];
		cut.n_promises--;
		point_look();
	}
	for (size_t i = first; i <= disk.n_events; i++)
		items_release(&cut.live[i]);
	free(cut.live);
	free(cut.group);
	free(cut.seen);
	cut.seen = NULL;
	cut.n_seen = cut.seen_size = 0;
}
