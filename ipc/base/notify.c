/* ipc/base/notify.c - libsystemd, loaded only where systemd started us: it costs a start 2 ms. */
#include <kukeon/notify.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <kukeon/log.h>

static void *systemd_symbol(const char *name)
{
	static void *library;

	if (!library)
		library = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
	return library ? dlsym(library, name) : NULL;
}

void kk_notify(const char *state)
{
	int (*notify)(int unset, const char *text);

	if (!getenv("NOTIFY_SOCKET"))
		return;
	*(void **)&notify = systemd_symbol("sd_notify");
	if (!notify)
		kk_warning("systemd waits for us, but libsystemd can't be loaded");
	else
		notify(0, state);
}

void kk_notify_reloading(void)
{
	char state[64];
	struct timespec now;

	/* systemd compares it with its own clock, which stands still in suspend. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%lld",
		(long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	kk_notify(state);
}

int64_t kk_notify_watchdog_ms(void)
{
	int (*enabled)(int unset, uint64_t *usec);
	uint64_t usec = 0;

	if (!getenv("WATCHDOG_USEC"))
		return 0;
	*(void **)&enabled = systemd_symbol("sd_watchdog_enabled");
	if (!enabled || enabled(0, &usec) <= 0)
		return 0;
	return (int64_t)(usec / 2000);
}
