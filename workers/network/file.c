/* workers/network/file.c */
#include "net.h"

#include <errno.h>
#include <string.h>

#include <kukeon/buf.h>
#include <kukeon/fd.h>
#include <kukeon/mem.h>

/* Loopback resolvers of the host can't be reached from a cell. */
static bool has_reachable_server(const char *text)
{
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, "nameserver", 10) == 0 && !strstr(line, "127.") &&
			!strstr(line, "::1"))
			return true;
	}
	return false;
}

static int resolv_write(const char *dir, struct kk_err *err)
{
	static const char *const sources[] = {
		"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"};
	kk_auto_free char *path = kk_xprintf("%s/etc-resolv.conf", dir);
	kk_auto_buf text = {.max = 65536};

	for (size_t i = 0; i < KK_COUNT(sources); i++) {
		struct kk_err cause = {0};

		kk_buf_clear(&text);
		if (kk_file_read(sources[i], &text, &cause) == 0 && text.data &&
			has_reachable_server((char *)text.data))
			break;
		/* A host without one is no error, a cell without that of its host is. */
		if (cause.code == KK_E_IO && cause.sys_errno != ENOENT) {
			*err = cause;
			return kk_wrap(err, "copy the name servers of the host");
		}
	}
	return kk_file_write(path, text.data ? (char *)text.data : "", text.len, 0644, err);
}

int net_files_write(const char *dir, const char *hostname, struct kk_err *err)
{
	kk_auto_free char *hostname_path = kk_xprintf("%s/etc-hostname", dir);
	kk_auto_buf text = {0};

	if (kk_dir_make(dir, 02750, err) < 0)
		return kk_failed(err);
	kk_buf_printf(&text, "%s\n", hostname);
	if (kk_file_write(hostname_path, text.data, text.len, 0644, err) < 0)
		return kk_failed(err);
	return resolv_write(dir, err);
}
