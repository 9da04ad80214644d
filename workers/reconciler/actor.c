/* workers/reconciler/actor.c - turns: a queue in which a turn waits for every earlier one above, at or
 * below its object. Between processes the same holds by locks on bytes of one file: shared for the
 * objects above, exclusive for the object itself. They vanish with their process. */
#include "rc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kukeon/fault.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>

/* Two for each core saturate it, but for the moments in which one of them waits for a disk. */
enum { LOCK_RETRY_MS = 4, HEAVY_PER_CPU = 3 };

struct rc_turn {
	struct rc_turn *next;
	char *path;
	bool is_heavy;
	bool is_running;
	rc_turn_f fn;
	void *arg;
};

/* A byte of the lock file that this process holds. */
struct hold {
	struct hold *next;
	off_t byte;
	unsigned n_shared;
	bool is_exclusive;
};

static struct {
	struct rc_turn *turns;
	struct rc_turn **end;
	struct hold *holds;
	struct kk_timer *timer;
	int lock_fd;
	unsigned n_heavy;
	bool is_scheduled;
} actor = {.end = &actor.turns, .lock_fd = -1};

static off_t byte_of(const char *path, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)path[i]) * 0x100000001b3ULL;
	return (off_t)(hash >> 2);
}

static bool byte_set(off_t byte, short type)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

	return fcntl(actor.lock_fd, F_OFD_SETLK, &lock) == 0;
}

static struct hold **hold_find(off_t byte)
{
	struct hold **link = &actor.holds;

	while (*link && (*link)->byte != byte)
		link = &(*link)->next;
	return link;
}

static bool hold_take(off_t byte, bool is_exclusive)
{
	struct hold **link = hold_find(byte), *hold = *link;

	if (hold && !is_exclusive) {
		hold->n_shared++;
		return true;
	}
	if (!byte_set(byte, is_exclusive ? F_WRLCK : F_RDLCK))
		return false;
	hold = kk_xalloc(sizeof *hold);
	*hold = (struct hold){
		.next = actor.holds,
		.byte = byte,
		.n_shared = !is_exclusive,
		.is_exclusive = is_exclusive,
	};
	actor.holds = hold;
	return true;
}

static void hold_drop(off_t byte)
{
	struct hold **link = hold_find(byte), *hold = *link;

	if (!hold || (!hold->is_exclusive && --hold->n_shared > 0))
		return;
	byte_set(byte, F_UNLCK);
	*link = hold->next;
	free(hold);
}

/* The byte of each level of the path: shared above, exclusive at the end. Drops what it took when one
 * of them is not to be had. */
static bool path_lock(const char *path)
{
	for (const char *end = path; end;) {
		bool is_last;

		end = strchr(end + 1, '/');
		is_last = !end;
		if (hold_take(byte_of(path, is_last ? strlen(path) : (size_t)(end - path)),
			    is_last))
			continue;
		for (const char *p = strchr(path, '/'); p && p != end; p = strchr(p + 1, '/'))
			hold_drop(byte_of(path, (size_t)(p - path)));
		return false;
	}
	return true;
}

static void path_unlock(const char *path)
{
	for (const char *p = strchr(path, '/'); p; p = strchr(p + 1, '/'))
		hold_drop(byte_of(path, (size_t)(p - path)));
	hold_drop(byte_of(path, strlen(path)));
}

/* One of them is the other, or above it. */
static bool overlap(const char *a, const char *b)
{
	size_t i = 0;

	while (a[i] && a[i] == b[i])
		i++;
	return (!a[i] && (!b[i] || b[i] == '/')) || (!b[i] && a[i] == '/');
}

static bool is_blocked(const struct rc_turn *turn)
{
	for (const struct rc_turn *earlier = actor.turns; earlier != turn;
		earlier = earlier->next) {
		if (overlap(earlier->path, turn->path))
			return true;
	}
	return false;
}

/* Let all go that can. A turn may end, and others begin, inside its own call: start over then. */
static void schedule(void)
{
	bool is_waiting = false;

	for (struct rc_turn *turn = actor.turns; turn;) {
		if (turn->is_running ||
			(turn->is_heavy && actor.n_heavy >= HEAVY_PER_CPU * rc.n_cpus) ||
			is_blocked(turn)) {
			turn = turn->next;
			continue;
		}
		if (!path_lock(turn->path)) {
			is_waiting = true;
			turn = turn->next;
			continue;
		}
		(void)kk_fault(KK_FAULT_reconciler_turn_begun, NULL);
		turn->is_running = true;
		actor.n_heavy += turn->is_heavy;
		turn->fn(turn, turn->arg);
		turn = actor.turns;
	}
	/* The kernel tells nobody when another process lets go of a byte. */
	if (is_waiting)
		kk_timer_start(actor.timer, LOCK_RETRY_MS);
	actor.is_scheduled = is_waiting;
}

static void schedule_on_timer(void *arg)
{
	(void)arg;
	actor.is_scheduled = false;
	schedule();
}

static void schedule_soon(void)
{
	if (actor.is_scheduled)
		return;
	actor.is_scheduled = true;
	kk_timer_start(actor.timer, 0);
}

static void lock_open(void)
{
	kk_auto_free char *path = kk_xprintf("%s/.lock", rc.run_path);

	actor.timer = kk_timer_new(rc.worker->loop, "turns", schedule_on_timer, NULL);
	actor.lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (!actor.timer || actor.lock_fd < 0) {
		kk_error("the lock file %s can't be opened: %m", path);
		exit(EXIT_FAILURE);
	}
}

void rc_turn_take(const struct kk_scope *scope, bool is_heavy, rc_turn_f fn, void *arg)
{
	struct rc_turn *turn = kk_xalloc(sizeof *turn);

	if (actor.lock_fd < 0)
		lock_open();
	*turn = (struct rc_turn){
		.path = rc_scope_path(scope),
		.is_heavy = is_heavy,
		.fn = fn,
		.arg = arg,
	};
	*actor.end = turn;
	actor.end = &turn->next;
	schedule_soon();
}

void rc_turn_end(struct rc_turn *turn)
{
	struct rc_turn **link = &actor.turns;

	while (*link != turn)
		link = &(*link)->next;
	*link = turn->next;
	if (!turn->next)
		actor.end = link;
	actor.n_heavy -= turn->is_heavy;
	path_unlock(turn->path);
	free(turn->path);
	free(turn);
	schedule_soon();
}

bool rc_turn_is_busy(const struct kk_scope *scope)
{
	kk_auto_free char *path = rc_scope_path(scope);

	for (const struct rc_turn *turn = actor.turns; turn; turn = turn->next) {
		if (overlap(turn->path, path))
			return true;
	}
	return false;
}
