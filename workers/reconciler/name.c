/* workers/reconciler/name.c */
#include "rc.h"

#include <stdio.h>
#include <string.h>

#include <kukeon/buf.h>
#include <kukeon/mem.h>
#include <kukeon/sha256.h>

enum { CONTAINERD_ID_MAX = 76, LINK_DIGITS = 16 };

char *rc_scope_path(const struct kk_scope *scope)
{
	const char *const parts[] = {scope->realm, scope->space, scope->stack, scope->cell};
	struct kk_buf path = {0};

	for (size_t i = 0; i < KK_COUNT(parts) && parts[i]; i++)
		kk_buf_printf(&path, "%s%s", i ? "/" : "", parts[i]);
	return kk_buf_take(&path);
}

const char **rc_scope_part(struct kk_scope *scope, int level)
{
	const char **const parts[] = {&scope->realm, &scope->space, &scope->stack, &scope->cell};

	return parts[level];
}

bool rc_scope_parse(char *path, struct kk_scope *ret_scope)
{
	*ret_scope = (struct kk_scope){0};
	for (int level = 0; level < 4 && path; level++)
		*rc_scope_part(ret_scope, level) = strsep(&path, "/");
	return !path;
}

char *rc_scope_dir(const struct kk_scope *scope)
{
	kk_auto_free char *path = rc_scope_path(scope);

	return kk_xprintf("%s/data%s%s", rc.run_path, *path ? "/" : "", path);
}

char *rc_log_path(const struct kk_scope *scope, const struct kk_container_spec *spec)
{
	kk_auto_free char *dir = rc_scope_dir(scope);

	return kk_xprintf("%s/%s/%s", dir, spec->id, spec->attachable ? "tty/capture" : "log");
}

char *rc_tty_link(const struct kk_scope *scope, const char *container)
{
	kk_auto_free char *name = kk_xprintf("%s_%s_%s_%s_%s", scope->realm, scope->space,
		scope->stack, scope->cell, container);
	char sum[KK_SHA256_TEXT];

	kk_sha256_text(name, strlen(name), sum);
	return kk_xprintf("%s/s/%.*s", rc.run_path, LINK_DIGITS, sum);
}

char *rc_cgroup_path(const struct kk_scope *scope)
{
	kk_auto_free char *path = rc_scope_path(scope);

	return kk_xprintf("%s/%s", rc.cgroup_root, path);
}

char *rc_namespace_default(const char *realm)
{
	return kk_xprintf("%s.%s", realm, rc.suffix);
}

char *rc_container_id(const struct kk_scope *scope, const char *container)
{
	char *id = kk_xprintf("%s_%s_%s_%s", scope->space, scope->stack, scope->cell, container);
	uint64_t hash = 0xcbf29ce484222325ULL;

	if (strlen(id) <= CONTAINERD_ID_MAX)
		return id;
	/* containerd takes 76 characters: keep the readable front and make the rest unique. */
	for (const char *p = id; *p; p++)
		hash = (hash ^ (uint8_t)*p) * 0x100000001b3ULL;
	snprintf(id + CONTAINERD_ID_MAX - 17, 18, "x%016llx", (unsigned long long)hash);
	return id;
}

bool rc_container_id_parse(char *id, struct kk_scope *scope)
{
	const char **const parts[] = {&scope->space, &scope->stack, &scope->cell};
	char *rest = id;

	if (strlen(id) >= CONTAINERD_ID_MAX)
		return false;
	/* No name has a '_'. */
	for (size_t i = 0; i < KK_COUNT(parts); i++)
		*parts[i] = strsep(&rest, "_");
	return rest && !strchr(rest, '_');
}

char *rc_container_cgroup(const struct kk_scope *scope, const char *container)
{
	kk_auto_free char *cell = rc_cgroup_path(scope), *id = rc_container_id(scope, container);

	return kk_xprintf("%s/%s", cell, id);
}

enum kk_kind rc_scope_kind(const struct kk_scope *scope)
{
	return scope->cell   ? KK_KIND_CELL :
		scope->stack ? KK_KIND_STACK :
		scope->space ? KK_KIND_SPACE :
			       KK_KIND_REALM;
}
