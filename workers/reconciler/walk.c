/* workers/reconciler/walk.c - from object to object, each before those in it. */
#include "rc.h"

#include <kukeon/log.h>
#include <kukeon/mem.h>

void rc_walk_children(const struct kk_scope *scope, struct kk_strs *ret_names)
{
	struct kk_err err = {0};
	char text[KK_ERR_TEXT];

	if (rc_store_children(scope, ret_names, &err) == 0)
		return;
	kk_err_format(&err, text, sizeof text);
	kk_warning("not all objects could be looked at: %s", text);
}

static void walk(const struct kk_scope *scope, int level, rc_walk_f fn, void *arg)
{
	kk_auto(kk_strs_release) struct kk_strs names = {0};

	rc_walk_children(scope, &names);
	for (size_t i = 0; i < names.n; i++) {
		struct kk_scope child = *scope;

		*rc_scope_part(&child, level) = names.items[i];
		fn(&child, arg);
		if (!child.cell)
			walk(&child, level + 1, fn, arg);
	}
}

void rc_walk(const struct kk_scope *under, rc_walk_f fn, void *arg)
{
	walk(under, under->stack ? 3 : under->space ? 2 : under->realm ? 1 : 0, fn, arg);
}
