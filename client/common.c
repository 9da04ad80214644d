/* client/common.c - what several verbs need. */
#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <kukeon/clock.h>
#include <kukeon/fd.h>
#include <kukeon/mem.h>

enum { INPUT_MAX = 8 * 1024 * 1024 };

const char *cli_json_string(const json_t *object, const char *key)
{
	return kk_str(json_string_value(json_object_get(object, key)));
}

const json_t *cli_json_find(const json_t *list, const char *key, const char *value)
{
	size_t i;
	json_t *item;

	json_array_foreach (list, i, item) {
		if (strcmp(cli_json_string(item, key), value) == 0)
			return item;
	}
	return NULL;
}

const char *cli_filter(const struct cli *cli, const char *flag)
{
	return cli_is_given(cli, flag) ? cli_string(cli, flag) : "";
}

struct kk_scope cli_filters(const struct cli *cli)
{
	return (struct kk_scope){
		.realm = cli_filter(cli, "realm"),
		.space = cli_filter(cli, "space"),
		.stack = cli_filter(cli, "stack"),
	};
}

json_t *cli_scope_args(const struct kk_scope *scope)
{
	return json_pack("{s:s, s:s, s:s, s:s}", "RealmName", kk_str(scope->realm), "SpaceName",
		kk_str(scope->space), "StackName", kk_str(scope->stack), "CellName",
		kk_str(scope->cell));
}

static const char *scope_flag(const struct cli *cli, const char *name)
{
	return cli_has(cli, name) ? cli_string(cli, name) : "default";
}

struct kk_scope cli_scope(const struct cli *cli, enum kk_kind kind, const char *name)
{
	struct kk_scope scope = {0};

	scope.realm = kind == KK_KIND_REALM ? name : scope_flag(cli, "realm");
	if (kind >= KK_KIND_SPACE)
		scope.space = kind == KK_KIND_SPACE ? name : scope_flag(cli, "space");
	if (kind >= KK_KIND_STACK)
		scope.stack = kind == KK_KIND_STACK ? name : scope_flag(cli, "stack");
	if (kind >= KK_KIND_CELL)
		scope.cell = kind == KK_KIND_CELL ? name : cli_string(cli, "cell");
	return scope;
}

/* A scope flag that was given empty is an error, as nothing can live in it. */
int cli_scope_check(const struct cli *cli, enum kk_kind kind, struct kk_err *err)
{
	static const char *const names[] = {"realm", "space", "stack", "cell"};
	static const int codes[] = {KK_E_REALM_NAME_REQUIRED, KK_E_SPACE_NAME_REQUIRED,
		KK_E_STACK_NAME_REQUIRED, KK_E_CELL_NAME_REQUIRED};

	for (int i = 0; i < (int)kind && i < 4; i++) {
		if (cli_has(cli, names[i]) && !*cli_string(cli, names[i]))
			return kk_fail(err, codes[i], "%s name is required (--%s)", names[i],
				names[i]);
	}
	return 0;
}

json_t *cli_doc_args(enum kk_kind kind, const struct kk_scope *scope, const char *container)
{
	kk_auto_free void *doc = kk_xalloc(kk_kind_schema(kind)->size);
	struct kk_realm *realm = doc;
	struct kk_space *space = doc;
	struct kk_stack *stack = doc;
	struct kk_cell *cell = doc;
	struct kk_container *of_cell = doc;
	json_t *json;

	kk_schema_init(kk_kind_schema(kind), doc);
	switch (kind) {
	case KK_KIND_REALM:
		realm->metadata.name = kk_xstrdup(scope->realm);
		break;
	case KK_KIND_SPACE:
		space->metadata.name = kk_xstrdup(scope->space);
		space->spec.realm_id = kk_xstrdup(scope->realm);
		break;
	case KK_KIND_STACK:
		stack->metadata.name = kk_xstrdup(scope->stack);
		stack->spec.realm_id = kk_xstrdup(scope->realm);
		stack->spec.space_id = kk_xstrdup(scope->space);
		break;
	case KK_KIND_CELL:
		cell->metadata.name = kk_xstrdup(scope->cell);
		cell->spec.realm_id = kk_xstrdup(scope->realm);
		cell->spec.space_id = kk_xstrdup(scope->space);
		cell->spec.stack_id = kk_xstrdup(scope->stack);
		break;
	default:
		of_cell->metadata.name = kk_xstrdup(container);
		of_cell->spec.id = kk_xstrdup(container);
		of_cell->spec.realm_id = kk_xstrdup(scope->realm);
		of_cell->spec.space_id = kk_xstrdup(scope->space);
		of_cell->spec.stack_id = kk_xstrdup(scope->stack);
		of_cell->spec.cell_id = kk_xstrdup(scope->cell);
		break;
	}
	json = json_pack("{s:o}", "Doc",
		kk_json_encode(kk_kind_schema(kind), doc, KK_JSON_REQUEST));
	kk_schema_release(kk_kind_schema(kind), doc);
	return json;
}

int cli_input_read(const char *path, struct kk_buf *buf, struct kk_err *err)
{
	const char *file = strcmp(path, "-") == 0 ? "/dev/stdin" : path;
	struct kk_err cause = {0};

	buf->max = INPUT_MAX;
	if (kk_file_read(file, buf, &cause) == 0)
		return 0;
	if (cause.code == KK_E_TOO_BIG)
		return kk_fail(err, KK_E_TOO_BIG, "file \"%s\" is larger than %zu MiB", path,
			buf->max >> 20);
	return kk_fail(err, KK_E_IO, "failed to open file \"%s\": open %s: %s", path, path,
		kk_errno_text(cause.sys_errno));
}

char *cli_base64(const void *data, size_t len)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *in = data;
	char *text = kk_xalloc((len + 2) / 3 * 4 + 1), *out = text;

	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t bits = (uint32_t)in[i] << 16 | (n > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
			(n > 2 ? in[i + 2] : 0);

		for (size_t k = 0; k < 4; k++)
			*out++ = k <= n ? alphabet[bits >> (18 - 6 * k) & 63] : '=';
	}
	return text;
}

void cli_pause(int64_t ms)
{
	const struct timespec length = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&length, NULL);
}

int cli_since_parse(const char *text, int64_t *ret_time, struct kk_err *err)
{
	int64_t now = kk_time_now(), ms;

	if (kk_time_parse(text, ret_time) == 0)
		return 0;
	if (kk_duration_parse(text, &ms) == 0 && ms >= 0) {
		/* Before 1970 is ever. */
		*ret_time = ms < now / 1000000 ? now - ms * 1000000 : 0;
		return 0;
	}
	return kk_fail(err, KK_E_USAGE,
		"invalid --since \"%s\": want a duration, as 10m, or a time, as 2006-01-02T15:04:05Z",
		text);
}

int cli_root_check(const struct cli *cli, struct kk_err *err)
{
	kk_auto_free char *path = cli_command_path(cli, cli->depth);

	if (geteuid() == 0)
		return 0;
	return kk_fail(err, KK_E_PERMISSION,
		"command must run as root: `%s` writes to root-owned paths — "
		"re-run with `sudo %s`",
		path, path);
}
