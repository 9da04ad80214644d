/* workers/network/resolve.c - the host names of egress policies, asked for as the host itself asks, and again all the
 * time. The only user of c-ares. What an answer leaves out stays reachable for a while: one that names a few of many
 * servers names others each time. */
#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>

#include <kukeon/buf.h>
#include <kukeon/clock.h>
#include <kukeon/host.h>
#include <kukeon/loop.h>
#include <kukeon/mem.h>
#include <kukeon/worker.h>

enum {
	ADDRESSES_MAX = 64, /* of one name */
	SOCKETS_MAX = 16,
	TIMEOUT_MS = 1000, /* of the first try; c-ares doubles it */
	TRIES = 2,
	WAIT_MS = 7000,  /* for all names of a policy: less than whoever asks waits for us */
	FRESH_MS = 1000, /* an answer that is as good as a new one */
	REFRESH_MS = 25000,
	KEEP_MS = 600000,
};

struct seen {
	uint32_t address;
	int64_t at_ms;
};

struct name {
	struct name *next;
	char *host;
	struct seen seen[ADDRESSES_MAX]; /* by address */
	size_t n;
	int64_t answered_ms; /* 0: never */
	int64_t used_ms;
	int status; /* of the last answer */
	bool is_asking;
};

struct waiter {
	struct waiter *next;
	struct kk_timer *timer;
	struct kk_strs hosts;
	net_resolved_f fn;
	void *arg;
};

static struct {
	struct kk_worker *worker;
	struct kk_timer *timer; /* for c-ares, or to look whether it is still needed */
	struct kk_timer *refresh;
	bool is_refreshing;
	ares_channel channel;
	size_t n_asking;
	struct kk_watch *watches[SOCKETS_MAX];
	int sockets[SOCKETS_MAX];
	struct name *names;
	struct waiter *waiters;
} resolver;

/* --- names --- */

static struct name *name_find(const char *host)
{
	struct name *name = resolver.names;

	while (name && strcmp(name->host, host) != 0)
		name = name->next;
	return name;
}

/* The one that was not seen for longest makes room. */
static void oldest_drop(struct name *name)
{
	size_t oldest = 0;

	for (size_t i = 1; i < name->n; i++) {
		if (name->seen[i].at_ms < name->seen[oldest].at_ms)
			oldest = i;
	}
	name->n--;
	memmove(&name->seen[oldest], &name->seen[oldest + 1],
		(name->n - oldest) * sizeof name->seen[0]);
}

static void name_see(struct name *name, uint32_t address, int64_t now_ms)
{
	size_t i;

	for (i = 0; i < name->n; i++) {
		if (name->seen[i].address == address) {
			name->seen[i].at_ms = now_ms;
			return;
		}
	}
	if (name->n == ADDRESSES_MAX)
		oldest_drop(name);
	for (i = name->n; i > 0 && name->seen[i - 1].address > address; i--)
		name->seen[i] = name->seen[i - 1];
	name->seen[i] = (struct seen){address, now_ms};
	name->n++;
}

static void name_expire(struct name *name, int64_t now_ms)
{
	size_t kept = 0;

	for (size_t i = 0; i < name->n; i++) {
		if (now_ms - name->seen[i].at_ms < KEEP_MS)
			name->seen[kept++] = name->seen[i];
	}
	name->n = kept;
}

/* One that is new here may have been known to an earlier process. */
static struct name *name_use(const char *host, const char *recorded)
{
	int64_t now_ms = kk_clock_ms();
	struct name *name = name_find(host);

	if (!name) {
		kk_auto_free char *copy = kk_xstrdup(kk_str(recorded));
		char *rest = copy, *one;
		struct in_addr in;

		name = kk_xalloc(sizeof *name);
		name->host = kk_xstrdup(host);
		while ((one = strsep(&rest, ", "))) {
			if (inet_pton(AF_INET, one, &in) == 1)
				name_see(name, ntohl(in.s_addr), now_ms);
		}
		name->next = resolver.names;
		resolver.names = name;
	}
	name->used_ms = now_ms;
	return name;
}

/* Those that no policy has any more. */
static void names_expire(int64_t now_ms)
{
	for (struct name **link = &resolver.names; *link;) {
		struct name *name = *link;

		if (name->is_asking || now_ms - name->used_ms < KEEP_MS) {
			link = &name->next;
			continue;
		}
		*link = name->next;
		free(name->host);
		free(name);
	}
}

static char *addresses_of(const char *host)
{
	const struct name *name = name_find(host);
	kk_auto_buf text = {0};
	char ip[NET_IP_MAX];

	for (size_t i = 0; name && i < name->n; i++) {
		net_ip_format(name->seen[i].address, ip, sizeof ip);
		kk_buf_printf(&text, "%s%s", i ? ", " : "", ip);
	}
	return text.len ? kk_xstrdup((char *)text.data) : NULL;
}

/* --- waiting --- */

static bool is_waiting(const struct waiter *waiter)
{
	for (size_t i = 0; i < waiter->hosts.n; i++) {
		const struct name *name = name_find(waiter->hosts.items[i]);

		if (name && name->is_asking)
			return true;
	}
	return false;
}

static void waiter_end(struct waiter *waiter)
{
	struct waiter **link = &resolver.waiters;

	while (*link != waiter)
		link = &(*link)->next;
	*link = waiter->next;
	waiter->fn(waiter->arg);
	kk_timer_free(waiter->timer);
	kk_strs_release(&waiter->hosts);
	free(waiter);
}

/* What is known by now has to do. */
static void waiter_on_timer(void *arg)
{
	waiter_end(arg);
}

static void waiters_call(void)
{
	for (struct waiter *waiter = resolver.waiters, *next; waiter; waiter = next) {
		next = waiter->next;
		if (!is_waiting(waiter))
			waiter_end(waiter);
	}
}

/* --- c-ares --- */

/* It is opened for each round of questions: it reads /etc/resolv.conf just once. Not from within itself. */
static void channel_close(void)
{
	if (resolver.channel)
		ares_destroy(resolver.channel);
	resolver.channel = NULL;
}

static void timer_set(void)
{
	struct timeval tv;
	const struct timeval *next = resolver.n_asking ? ares_timeout(resolver.channel, NULL, &tv) :
							 NULL;

	if (next)
		kk_timer_start(resolver.timer, next->tv_sec * 1000 + next->tv_usec / 1000 + 1);
	else
		kk_timer_start(resolver.timer, 0);
}

static void resolver_on_timer(void *arg)
{
	(void)arg;
	if (!resolver.n_asking) {
		channel_close();
		return;
	}
	ares_process_fd(resolver.channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	timer_set();
}

static void socket_on_event(int fd, unsigned what, void *arg)
{
	(void)arg;
	ares_process_fd(resolver.channel, what & KK_READ ? fd : ARES_SOCKET_BAD,
		what & KK_WRITE ? fd : ARES_SOCKET_BAD);
	timer_set();
}

static void socket_on_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	unsigned what = (readable ? KK_READ : 0) | (writable ? KK_WRITE : 0);
	size_t i = 0, empty = SOCKETS_MAX;

	(void)arg;
	for (; i < SOCKETS_MAX && !(resolver.watches[i] && resolver.sockets[i] == fd); i++) {
		if (!resolver.watches[i])
			empty = i;
	}
	if (i < SOCKETS_MAX && what) {
		kk_watch_set(resolver.watches[i], what);
	} else if (i < SOCKETS_MAX) {
		kk_watch_free(resolver.watches[i]);
		resolver.watches[i] = NULL;
	} else if (what && empty < SOCKETS_MAX) {
		resolver.sockets[empty] = fd;
		resolver.watches[empty] = kk_watch_new(resolver.worker->loop, "resolver", fd, what,
			socket_on_event, NULL);
	}
}

static int channel_open(void)
{
	/* The host's own, whatever root we have. */
	kk_auto_fd int fd = kk_host_open("/etc/resolv.conf", O_RDONLY);
	kk_auto_free char *path = kk_xprintf("/proc/self/fd/%d", fd);
	struct ares_options options = {
		.flags = ARES_FLAG_STAYOPEN,
		.timeout = TIMEOUT_MS,
		.tries = TRIES,
		.sock_state_cb = socket_on_state,
		.resolvconf_path = path,
	};
	int r = resolver.channel ? ARES_SUCCESS : ares_library_init(ARES_LIB_INIT_ALL);

	if (resolver.channel || r != ARES_SUCCESS)
		return r;
	return ares_init_options(&resolver.channel, &options,
		ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB |
			(fd < 0 ? 0 : ARES_OPT_RESOLVCONF));
}

static void answer_on(void *arg, int status, int timeouts, struct ares_addrinfo *answer)
{
	struct name *name = arg;
	kk_auto_free char *before = addresses_of(name->host), *after = NULL;
	int64_t now_ms = kk_clock_ms();

	(void)timeouts;
	for (const struct ares_addrinfo_node *node = answer ? answer->nodes : NULL; node;
		node = node->ai_next) {
		const struct sockaddr_in *in = (const void *)node->ai_addr;

		if (node->ai_family == AF_INET)
			name_see(name, ntohl(in->sin_addr.s_addr), now_ms);
	}
	ares_freeaddrinfo(answer);
	/* Whoever does not answer takes nothing away. */
	if (status == ARES_SUCCESS || status == ARES_ENOTFOUND || status == ARES_ENODATA)
		name_expire(name, now_ms);
	after = addresses_of(name->host);
	name->is_asking = false;
	name->answered_ms = now_ms;
	name->status = status == ARES_SUCCESS && !after ? ARES_ENODATA : status;
	resolver.n_asking--;
	if (!kk_str_equal(before, after))
		net_watch_note();
	waiters_call();
}

static void name_ask(struct name *name)
{
	const struct ares_addrinfo_hints hints = {
		.ai_family = AF_INET, .ai_flags = ARES_AI_NOSORT, .ai_socktype = SOCK_STREAM};

	if (name->is_asking)
		return;
	name->status = channel_open();
	if (name->status != ARES_SUCCESS) {
		name->answered_ms = kk_clock_ms();
		return;
	}
	name->is_asking = true;
	resolver.n_asking++;
	ares_getaddrinfo(resolver.channel, name->host, NULL, &hints, answer_on, name);
	timer_set();
}

/* --- policies --- */

static const char *host_of(const struct kk_egress *policy, size_t i)
{
	const char *host = kk_str(policy->allow.items[i].host);

	return *host && kk_egress_is_deny(policy) ? host : NULL;
}

static bool is_older(const struct name *name, int64_t age_ms)
{
	return !name->answered_ms || kk_clock_ms() - name->answered_ms > age_ms;
}

/* What can't be read keeps no other from being asked for. */
static int space_use(const char *realm, const char *name, void *arg, struct kk_err *err)
{
	kk_auto(net_space_release) struct net_space space = {0};
	struct kk_err ignored = {0};

	(void)arg;
	(void)err;
	if (net_space_load(realm, name, &space, &ignored) != 1)
		return 0;
	for (size_t i = 0; i < space.egress.allow.n; i++) {
		const char *host = host_of(&space.egress, i);

		if (host)
			name_use(host, kk_map_get(&space.hosts, host));
	}
	return 0;
}

static void refresh_start(void);

/* As long as there are any: by the records, as policies come and go. */
static void refresh_on_timer(void *arg)
{
	struct kk_err ignored = {0};

	(void)arg;
	resolver.is_refreshing = false;
	net_spaces_each(space_use, NULL, &ignored);
	names_expire(kk_clock_ms());
	for (struct name *name = resolver.names; name; name = name->next) {
		if (is_older(name, REFRESH_MS / 2))
			name_ask(name);
	}
	refresh_start();
}

static void refresh_start(void)
{
	if (resolver.is_refreshing || !resolver.names || !resolver.refresh)
		return;
	resolver.is_refreshing = true;
	kk_timer_start(resolver.refresh, REFRESH_MS);
}

bool net_resolve_later(const struct kk_egress *policy, const struct kk_map *recorded,
	net_resolved_f fn, void *arg)
{
	struct waiter *waiter = kk_xalloc(sizeof *waiter);

	*waiter = (struct waiter){.next = resolver.waiters, .fn = fn, .arg = arg};
	for (size_t i = 0; i < policy->allow.n; i++) {
		const char *host = host_of(policy, i);
		struct name *name = host ? name_use(host, kk_map_get(recorded, host)) : NULL;

		if (name && is_older(name, FRESH_MS))
			name_ask(name);
		if (name)
			kk_strs_add(&waiter->hosts, host);
	}
	refresh_start();
	if (is_waiting(waiter)) {
		waiter->timer =
			kk_timer_new(resolver.worker->loop, "resolved", waiter_on_timer, waiter);
		if (waiter->timer)
			kk_timer_start(waiter->timer, WAIT_MS);
		resolver.waiters = waiter;
		return true;
	}
	kk_strs_release(&waiter->hosts);
	free(waiter);
	return false;
}

int net_resolve_policy(const struct kk_egress *policy, const struct kk_map *recorded,
	struct kk_map *ret_hosts, struct kk_err *err)
{
	for (size_t i = 0; i < policy->allow.n; i++) {
		const char *host = host_of(policy, i);
		const char *former = host ? kk_map_get(recorded, host) : NULL;
		const struct name *name = host ? name_use(host, former) : NULL;
		kk_auto_free char *addresses = name ? addresses_of(host) : NULL;

		if (!name)
			continue;
		if (!addresses && !former)
			return kk_fail(err, KK_E_NETWORK,
				"failed to apply egress policy: failed to resolve egress allow "
				"rule host: \"%s\": %s",
				host,
				ares_strerror(name->is_asking ? ARES_ETIMEOUT : name->status));
		kk_map_set(ret_hosts, host, addresses ? addresses : former);
	}
	return 0;
}

bool net_resolve_is_current(const struct kk_egress *policy, const struct kk_map *recorded)
{
	bool is_current = true;

	for (size_t i = 0; i < policy->allow.n; i++) {
		const char *host = host_of(policy, i);
		const char *former = host ? kk_map_get(recorded, host) : NULL;
		struct name *name = host ? name_use(host, former) : NULL;
		kk_auto_free char *addresses = name ? addresses_of(host) : NULL;

		is_current = is_current && (!addresses || kk_str_equal(addresses, former));
		/* Of an earlier process: what became of it meanwhile? */
		if (name && !name->answered_ms && resolver.refresh)
			name_ask(name);
	}
	refresh_start();
	return is_current;
}

int net_resolve_start(struct kk_worker *worker, struct kk_err *err)
{
	resolver.worker = worker;
	resolver.timer = kk_timer_new(worker->loop, "resolver", resolver_on_timer, NULL);
	/* An in-process command is over before it would be due. */
	if (resolver.timer && !worker->config.is_embedded)
		resolver.refresh = kk_timer_new(worker->loop, "refresh", refresh_on_timer, NULL);
	return resolver.timer && (resolver.refresh || worker->config.is_embedded) ?
		0 :
		kk_fail(err, KK_E_NOMEM, "no memory for a timer");
}
