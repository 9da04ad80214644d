/* client/cmd/watch.c - kuke get -w: objects, and again whenever they change. */
#include "../cli.h"

#include <stdio.h>
#include <string.h>

#include <kukeon/mem.h>

struct watch {
	struct cli *cli;
	const struct cli_view *view;
	const struct cli_output *output;
	const struct cli_selector *selector;
	struct cli_table table;
};

static bool is_selected(const struct watch *watch, const json_t *doc)
{
	const json_t *labels = json_object_get(json_object_get(doc, "metadata"), "labels");
	const char *name = cli_arg(watch->cli, 0);

	if (name && strcmp(cli_doc_name(doc), name) != 0)
		return false;
	return !cli_is_given(watch->cli, "selector") || cli_selector_match(watch->selector, labels);
}

static int show(struct watch *watch, const json_t *doc, struct kk_err *err)
{
	int r;

	if (!is_selected(watch, doc))
		return 0;
	r = cli_doc_print(watch->output, kk_kind_schema(watch->view->kind), doc, err);
	if (r == 0) {
		watch->view->row(&watch->table, doc, watch->output->format == CLI_WIDE);
		cli_table_print(&watch->table);
	}
	fflush(stdout);
	return r < 0 ? r : 0;
}

/* 1 with the document, 0 where there is none any more. */
static int doc_get(struct watch *watch, const struct kk_scope *scope, const char *container,
	json_t **ret_doc, struct kk_err *err)
{
	enum kk_kind kind = watch->view->kind;
	kk_auto_json *reply = NULL;
	const json_t *result;
	int r = cli_call(watch->cli, watch->view->get_method, cli_doc_args(kind, scope, container),
		&reply, err);

	if (r == KK_E_CONTAINER_NOT_FOUND || r == KK_E_CELL_NOT_FOUND) {
		kk_err_clear(err);
		return 0;
	}
	if (r < 0)
		return r;
	result = json_object_get(reply, "Result");
	if (kind != KK_KIND_CONTAINER && !json_is_true(json_object_get(result, "MetadataExists")))
		return 0;
	*ret_doc = json_incref(json_object_get(result, kk_kind_name(kind)));
	return 1;
}

/* What is left to show of what is gone: who it was. */
static json_t *gone_make(enum kk_kind kind, const struct kk_scope *scope, const char *container)
{
	kk_auto_json *args = cli_doc_args(kind, scope, container);
	json_t *doc = json_incref(json_object_get(args, "Doc"));

	json_object_set_new(doc, "kind", json_string(kk_kind_name(kind)));
	json_object_set_new(doc, "status", json_pack("{s:s}", "state", "Deleted"));
	return doc;
}

/* NULL for none, as the rest of a scope is. */
static const char *part_of(const json_t *event, const char *key)
{
	return json_string_value(json_object_get(event, key));
}

/* The object of @event, shown as it is now. */
static int changed_show(struct watch *watch, const json_t *event, struct kk_err *err)
{
	const struct kk_scope scope = {part_of(event, "realm"), part_of(event, "space"),
		part_of(event, "stack"), part_of(event, "cell")};
	const char *container = part_of(event, "container");
	enum kk_kind kind = watch->view->kind;
	kk_auto_json *doc = NULL;
	int r = doc_get(watch, &scope, container, &doc, err);

	if (r < 0)
		return r;
	if (r == 0)
		doc = gone_make(kind, &scope, container);
	return show(watch, doc, err);
}

/* A cell changes with its containers. */
static bool is_of_kind(const struct watch *watch, const json_t *event)
{
	const char *kind = cli_json_string(event, "kind"), *shown = kk_kind_name(watch->view->kind);

	return strcmp(kind, shown) == 0 ||
		(watch->view->kind == KK_KIND_CELL && strcmp(kind, "Container") == 0);
}

static bool is_same_object(const struct watch *watch, const json_t *a, const json_t *b)
{
	static const char *const parts[] = {"realm", "space", "stack", "cell", "container"};
	size_t n = (size_t)watch->view->kind + 1;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(cli_json_string(a, parts[i]), cli_json_string(b, parts[i])) != 0)
			return false;
	}
	return true;
}

/* Of several events of one object, one is enough: it is shown as it is now. */
static int events_show(struct watch *watch, const json_t *events, struct kk_err *err)
{
	size_t n = json_array_size(events);

	for (size_t i = 0; i < n; i++) {
		const json_t *event = json_array_get(events, i);
		bool is_last = is_of_kind(watch, event);

		for (size_t k = i + 1; k < n && is_last; k++)
			is_last = !is_of_kind(watch, json_array_get(events, k)) ||
				!is_same_object(watch, event, json_array_get(events, k));
		if (is_last && changed_show(watch, event, err) < 0)
			return kk_failed(err);
	}
	return 0;
}

/* All there is by now. */
static int list_show(struct watch *watch, const struct cli_follow *follow, struct kk_err *err)
{
	kk_auto_json *reply = NULL;
	size_t i;
	json_t *item;

	if (cli_call(watch->cli, watch->view->list_method, cli_scope_args(&follow->scope), &reply,
		    err) < 0)
		return kk_failed(err);
	json_array_foreach (json_object_get(reply, watch->view->list_key), i, item) {
		/* What stands in a list of containers is their specification alone. */
		const struct kk_scope scope = {part_of(item, "realmId"), part_of(item, "spaceId"),
			part_of(item, "stackId"), part_of(item, "cellId")};
		kk_auto_json *doc = NULL;
		int r = 1;

		if (watch->view->kind == KK_KIND_CONTAINER)
			r = doc_get(watch, &scope, part_of(item, "id"), &doc, err);
		if (r < 0 || (r == 1 && show(watch, doc ? doc : item, err) < 0))
			return kk_failed(err);
	}
	return 0;
}

/* A name alone is looked for in the scope that it is looked for without watching. */
static const char *scope_part(const struct cli *cli, const char *flag)
{
	return cli_arg(cli, 0) && cli_has(cli, flag) ? cli_string(cli, flag) :
						       cli_filter(cli, flag);
}

int cli_watch(struct cli *cli, const struct cli_view *view, const struct cli_output *output,
	const struct cli_selector *selector, struct kk_err *err)
{
	struct watch watch = {cli, view, output, selector, {{0}, 0, 0, {0}}};
	struct cli_follow follow = {
		.scope = {scope_part(cli, "realm"), scope_part(cli, "space"),
			scope_part(cli, "stack"), scope_part(cli, "cell")},
	};
	int r = cli_follow_start(cli, &follow, err);

	cli_table_init(&watch.table, view->columns,
		view->n_columns + (output->format == CLI_WIDE ? view->n_wide : 0));
	if (r == 0)
		r = list_show(&watch, &follow, err);
	while (r == 0) {
		kk_auto_json *events = NULL;

		r = cli_follow_next(cli, &follow, INT64_MAX, &events, err);
		if (r == 0)
			r = events_show(&watch, events, err);
	}
	cli_table_release(&watch.table);
	return r;
}
