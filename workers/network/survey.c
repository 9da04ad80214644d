/* workers/network/survey.c - what the kernel and the disk have of many spaces and cells, each asked once. */
#include "net.h"

#include <stdlib.h>
#include <string.h>

#include <kukeon/mem.h>

static void view_close(struct net_view *view)
{
	net_socket_close(view->socket);
	net_links_release(&view->links);
	net_rules_release(&view->rules);
	kk_strs_release(&view->owners);
	*view = (struct net_view){0};
}

static int view_open(struct net_view *view, struct kk_err *err)
{
	if (net_socket_open(&view->socket, err) < 0 ||
		net_links_read(view->socket, &view->links, err) < 0)
		return kk_failed(err);
	net_rules_read(&view->rules);
	return 0;
}

static int space_survey(const char *path, const struct net_view *view, struct kk_map *ret_spaces,
	struct kk_err *err)
{
	kk_auto(net_space_release) struct net_space space = {0};
	const char *fault;
	int r = net_space_at(path, &space, err);

	if (r < 0)
		return r;
	if (r == 1)
		net_watch_space(&space);
	fault = r == 1 ? net_space_fault(&space, view) : "its network";
	if (fault)
		kk_map_set(ret_spaces, path, fault);
	return 0;
}

/* The space that the cells of one run of paths are in. */
struct home {
	struct net_space space;
	bool is_there;
};

static int home_enter(struct home *home, struct net_view *view, const struct net_cell_key *key,
	struct kk_err *err)
{
	int r;

	if (kk_str_equal(home->space.realm, key->realm) &&
		kk_str_equal(home->space.name, key->space))
		return 0;
	net_space_release(&home->space);
	kk_strs_release(&view->owners);
	r = net_space_load(key->realm, key->space, &home->space, err);
	if (r < 0)
		return r;
	home->is_there = r == 1;
	return home->is_there ? net_lease_owners(&home->space, &view->owners, err) : 0;
}

static int cell_survey(const char *path, struct home *home, struct net_view *view,
	struct kk_map *ret_cells, struct kk_err *err)
{
	kk_auto_free char *copy = kk_xstrdup(path);
	struct net_cell_key key;
	const char *fault;
	char *rest = copy;

	key.realm = kk_str(strsep(&rest, "/"));
	key.space = kk_str(strsep(&rest, "/"));
	key.stack = kk_str(strsep(&rest, "/"));
	key.cell = kk_str(rest);
	if (home_enter(home, view, &key, err) < 0)
		return kk_failed(err);
	fault = home->is_there ? net_cell_fault(&key, &home->space, view) :
				 "the network of its space";
	if (fault)
		kk_map_set(ret_cells, path, fault);
	return 0;
}

int net_survey(const struct kk_strs *spaces, const struct kk_strs *cells, struct kk_map *ret_spaces,
	struct kk_map *ret_cells, struct kk_err *err)
{
	kk_auto(view_close) struct net_view view = {0};
	struct home home = {0};
	int r = view_open(&view, err);

	for (size_t i = 0; i < spaces->n && r == 0; i++)
		r = space_survey(spaces->items[i], &view, ret_spaces, err);
	for (size_t i = 0; i < cells->n && r == 0; i++)
		r = cell_survey(cells->items[i], &home, &view, ret_cells, err);
	net_space_release(&home.space);
	return r;
}
