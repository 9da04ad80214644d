/* workers/containerd/secret.c - secrets of a container, read anew at each start. One with a path is a file below the
 * runtime directory, which the container sees; that directory is root's alone. The others are variables. */
#include "ct.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kukeon/buf.h>
#include <kukeon/fd.h>
#include <kukeon/host.h>
#include <kukeon/mem.h>

enum { SECRET_MAX = 1024 * 1024 };

static const char *runtime_dir;

void ct_secret_open(const char *dir)
{
	runtime_dir = dir;
}

/* Of a container; the namespace tells realms apart. */
static char *dir_of(const char *namespace, const char *id)
{
	return kk_xprintf("%s/secrets/%s/%s", runtime_dir, namespace, id);
}

static int value_read(const struct kk_container_secret *secret, struct kk_buf *value,
	struct kk_err *err)
{
	const char *variable = kk_str(secret->from_env), *text;

	if (!kk_str_empty(secret->from_file))
		return kk_host_file_read(secret->from_file, value, err);
	text = getenv(variable);
	if (!text)
		return kk_fail(err, KK_E_INVALID, "the environment of kukeond has no variable '%s'",
			variable);
	kk_buf_str(value, text);
	return 0;
}

int ct_secret_env(const struct kk_container_secret *secret, char **ret_entry, struct kk_err *err)
{
	kk_auto_buf value = {.max = SECRET_MAX};

	if (value_read(secret, &value, err) < 0)
		return kk_wrap(err, "secret \"%s\"", secret->name);
	/* An editor ends a file with one. */
	if (value.len && value.data[value.len - 1] == '\n')
		value.data[--value.len] = '\0';
	if (value.data && strlen((char *)value.data) != value.len)
		return kk_fail(err, KK_E_INVALID,
			"secret \"%s\" has a zero byte, which no variable can have; give it a mountPath",
			secret->name);
	*ret_entry = kk_xprintf("%s=%s", secret->name, value.data ? (char *)value.data : "");
	return 0;
}

int ct_secret_stage(const char *namespace, const char *id, const struct kk_container_secret *secret,
	char **ret_path, struct kk_err *err)
{
	kk_auto_free char *root = kk_xprintf("%s/secrets", runtime_dir),
			  *dir = dir_of(namespace, id);
	kk_auto_free char *path = kk_xprintf("%s/%s", dir, secret->name);
	kk_auto_buf value = {.max = SECRET_MAX};

	if (value_read(secret, &value, err) < 0)
		return kk_wrap(err, "secret \"%s\"", secret->name);
	/* Whatever user runs in the container may read it; on the host nobody gets as far as there. */
	if (kk_dir_make(runtime_dir, 0755, err) < 0 || kk_dir_make(root, 0700, err) < 0 ||
		kk_dir_make(dir, 0700, err) < 0 ||
		kk_file_write(path, value.data ? (char *)value.data : "", value.len, 0644, err) < 0)
		return kk_wrap(err, "secret \"%s\"", secret->name);
	*ret_path = kk_steal(&path);
	return 0;
}

int ct_secret_remove(const char *namespace, const char *id, struct kk_err *err)
{
	kk_auto_free char *dir = dir_of(namespace, id);

	return kk_tree_remove(dir, err);
}
