/* client/out/jsonpath.c - the part of JSONPath that users of kubectl know: {.a.b[0].c}, {.items[*].a}, {["a.b"]},
 * {"text\n"}, {range .items[*]}…{end}. What is not there prints nothing. */
#include "../cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kukeon/mem.h>

enum { DEPTH_MAX = 8, STEP_MAX = 256 };

/* A step of a path. */
enum step_kind { STEP_MEMBER, STEP_INDEX, STEP_ALL };
struct step {
	enum step_kind kind;
	char name[STEP_MAX];
	long at;
};

struct template
{
	const char *text; /* the whole, for errors */
	const json_t *root;
	struct kk_buf *out; /* NULL: it is only checked */
};

static int syntax_fail(const struct template *t, const char *why, struct kk_err *err)
{
	return kk_fail(err, KK_E_USAGE, "invalid output format: jsonpath=%s: %s", t->text, why);
}

/* --- paths --- */

/* A quoted text, with \n, \t and the like. Returns behind its end, or NULL. */
static const char *quoted_read(const char *p, char *buf, size_t size)
{
	char quote = *p++;
	size_t n = 0;

	for (; *p && *p != quote; p++) {
		char c = *p;

		if (c == '\\' && p[1])
			c = *++p == 'n' ? '\n' : *p == 't' ? '\t' : *p == 'r' ? '\r' : *p;
		if (n + 1 < size)
			buf[n++] = c;
	}
	buf[n] = '\0';
	return *p ? p + 1 : NULL;
}

static const char *bracket_read(const char *p, struct step *step)
{
	char *end;

	if (strncmp(p, "[*]", 3) == 0) {
		step->kind = STEP_ALL;
		return p + 3;
	}
	if (p[1] == '"' || p[1] == '\'') {
		step->kind = STEP_MEMBER;
		p = quoted_read(p + 1, step->name, sizeof step->name);
		return p && *p == ']' ? p + 1 : NULL;
	}
	step->kind = STEP_INDEX;
	step->at = strtol(p + 1, &end, 10);
	return end > p + 1 && *end == ']' ? end + 1 : NULL;
}

/* The step at @p, which ends before @end. Returns behind it, or NULL: it is none. */
static const char *step_read(const char *p, const char *end, struct step *step)
{
	size_t n;

	if (*p == '[') {
		p = bracket_read(p, step);
		return p && p <= end ? p : NULL;
	}
	n = strcspn(p + 1, ".[} ");
	if (*p != '.' || p + 1 + n > end || n == 0 || n >= sizeof step->name)
		return NULL;
	memcpy(step->name, p + 1, n);
	step->name[n] = '\0';
	step->kind = strcmp(step->name, "*") == 0 ? STEP_ALL : STEP_MEMBER;
	return p + 1 + n;
}

static void step_apply(const struct step *step, const json_t *node, json_t *found)
{
	long n = (long)json_array_size(node);
	long at = step->at < 0 ? step->at + n : step->at;

	switch (step->kind) {
	case STEP_MEMBER:
		json_array_append(found, json_object_get(node, step->name));
		break;
	case STEP_INDEX:
		if (at >= 0)
			json_array_append(found, json_array_get(node, (size_t)at));
		break;
	case STEP_ALL:
		if (json_is_array(node))
			json_array_extend(found, (json_t *)node);
		for (void *it = json_object_iter((json_t *)node); it;
			it = json_object_iter_next((json_t *)node, it))
			json_array_append(found, json_object_iter_value(it));
		break;
	}
}

/* All that the path from @p to @end leads to; the caller owns the array. */
static int path_find(const struct template *t, const char *p, const char *end,
	const json_t *current, json_t **ret_found, struct kk_err *err)
{
	json_t *nodes = json_array();

	json_array_append(nodes, (json_t *)(p < end && *p == '$' ? t->root : current));
	if (p < end && (*p == '$' || *p == '@'))
		p++;
	/* A dot alone is what it starts from. */
	if (end - p == 1 && *p == '.')
		p++;
	while (p < end) {
		json_t *found = json_array(), *node;
		struct step step;
		size_t i;

		p = step_read(p, end, &step);
		if (!p) {
			json_decref(found);
			json_decref(nodes);
			return syntax_fail(t,
				"a path is made of .name, [number], [*] and [\"name\"]", err);
		}
		json_array_foreach (nodes, i, node)
			step_apply(&step, node, found);
		json_decref(nodes);
		nodes = found;
	}
	*ret_found = nodes;
	return 0;
}

/* --- blocks --- */

static void value_print(const struct template *t, const json_t *value)
{
	kk_auto_free char *text = NULL;

	if (json_is_string(value)) {
		kk_buf_str(t->out, json_string_value(value));
		return;
	}
	text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	kk_buf_str(t->out, kk_str(text));
}

static int path_print(const struct template *t, const char *p, const char *end,
	const json_t *current, struct kk_err *err)
{
	kk_auto_json *found = NULL;
	size_t i;
	json_t *value;

	if (path_find(t, p, end, current, &found, err) < 0)
		return kk_failed(err);
	json_array_foreach (found, i, value) {
		if (i && t->out)
			kk_buf_char(t->out, ' ');
		if (t->out)
			value_print(t, value);
	}
	return 0;
}

/* The end of the block that begins at @p; a brace in a quoted text is none. NULL: it has none. */
static const char *block_end(const char *p)
{
	char skipped[2];

	while (p && *p != '}') {
		if (!*p)
			return NULL;
		p = *p == '"' || *p == '\'' ? quoted_read(p, skipped, sizeof skipped) : p + 1;
	}
	return p;
}

static size_t blanks_before(const char *start, const char *end)
{
	size_t n = 0;

	while (end - n > start && end[-1 - (ptrdiff_t)n] == ' ')
		n++;
	return n;
}

static int render(const struct template *t, const char *p, const char **ret_end,
	const json_t *current, int depth, struct kk_err *err);

/* @p is behind the first word of {range path}. */
static int range_render(const struct template *t, const char *p, const char *end,
	const char **ret_end, const json_t *current, int depth, struct kk_err *err)
{
	const struct template dry = {.text = t->text, .root = t->root};
	kk_auto_json *found = NULL;
	const char *behind = NULL;
	size_t i;
	json_t *value;

	p += strspn(p, " ");
	if (depth == DEPTH_MAX)
		return syntax_fail(t, "too many ranges in each other", err);
	if (path_find(t, p, end, current, &found, err) < 0 ||
		render(&dry, end + 1, &behind, json_null(), depth + 1, err) < 0)
		return kk_failed(err);
	if (!behind)
		return syntax_fail(t, "a {range …} without its {end}", err);
	json_array_foreach (found, i, value) {
		const char *same;

		if (render(t, end + 1, &same, value, depth + 1, err) < 0)
			return kk_failed(err);
	}
	*ret_end = behind;
	return 0;
}

/* Up to the end of the text or an {end} of its own: then *@ret_end is behind that, and NULL otherwise. */
static int render(const struct template *t, const char *p, const char **ret_end,
	const json_t *current, int depth, struct kk_err *err)
{
	*ret_end = NULL;
	while (*p) {
		size_t n = strcspn(p, "{");
		const char *end, *next;
		char quoted[STEP_MAX * 4];
		int r = 0;

		if (t->out)
			kk_buf_append(t->out, p, n);
		p += n;
		if (!*p)
			break;
		p += 1 + strspn(p + 1, " ");
		end = block_end(p);
		if (!end)
			return syntax_fail(t, "a { without its }", err);
		if (strncmp(p, "end", 3) == 0 && p[3 + strspn(p + 3, " ")] == '}') {
			if (depth == 0)
				return syntax_fail(t, "an {end} without its {range …}", err);
			*ret_end = end + 1;
			return 0;
		}
		next = end + 1;
		if (*p == '"' || *p == '\'') {
			quoted_read(p, quoted, sizeof quoted);
			if (t->out)
				kk_buf_str(t->out, quoted);
		} else if (strncmp(p, "range ", 6) == 0) {
			r = range_render(t, p + 6, end, &next, current, depth, err);
		} else {
			r = path_print(t, p, end - blanks_before(p, end), current, err);
		}
		if (r < 0)
			return kk_failed(err);
		p = next;
	}
	return 0;
}

static int template_run(const struct template *t, struct kk_err *err)
{
	kk_auto_free char *path = NULL;
	const char *end;

	/* A path alone needs no braces. */
	if (!strchr(t->text, '{'))
		path = kk_xprintf("{%s%s}", t->text[0] == '.' || t->text[0] == '[' ? "" : ".",
			t->text);
	return render(t, path ? path : t->text, &end, t->root, 0, err);
}

int cli_jsonpath_check(const char *expression, struct kk_err *err)
{
	const struct template t = {.text = expression, .root = json_null()};

	return *expression ? template_run(&t, err) : syntax_fail(&t, "it is empty", err);
}

char *cli_jsonpath_render(const char *expression, const json_t *root)
{
	struct kk_buf out = {0};
	const struct template t = {.text = expression, .root = root, .out = &out};
	struct kk_err checked = {0};

	(void)template_run(&t, &checked);
	if (!out.len || out.data[out.len - 1] != '\n')
		kk_buf_char(&out, '\n');
	return kk_buf_take(&out);
}
