/* workers/network/handlers.c - messages to the network worker. */
#include <kukeon/entry.h>
#include <kukeon/log.h>
#include <kukeon/mem.h>
#include <kukeon/worker.h>

#include "net.h"

struct net_instance net_instance;

static void space_reply(const struct net_space *space, char **network, char **bridge, char **subnet)
{
	char text[32];

	net_cidr_format(&space->subnet, text, sizeof text);
	*network = kk_xstrdup(space->network);
	*bridge = kk_xstrdup(space->bridge);
	*subnet = kk_xstrdup(text);
}

static int space_ensure(const struct kk_req_space_network_ensure *req,
	struct kk_rep_space_network_ensure *rep, struct kk_err *err)
{
	kk_auto(net_space_release) struct net_space space = {0};
	int r = net_space_ensure(kk_str(req->realm), kk_str(req->space), &req->egress, &space,
		&rep->is_created, err);

	if (r < 0)
		return r;
	space_reply(&space, &rep->network, &rep->bridge, &rep->subnet);
	rep->conflist = kk_xprintf("%s/network.conflist", space.dir);
	return 0;
}

static void space_on_resolved(void *arg)
{
	struct kk_call *call = arg;
	struct kk_err err = {0};
	int r;

	kk_log_set_op(call->op);
	/* Whoever asked has given up, and may have taken everything back. */
	r = call->is_cancelled ? kk_fail(&err, KK_E_TIMEOUT, "nobody waits for it any more") :
				 space_ensure(call->req, call->rep, &err);
	kk_call_end(call, r < 0 ? &err : NULL);
	kk_log_set_op(0);
}

static KK_HANDLES(space_network_ensure)
{
	if (net_space_later(kk_str(req->realm), kk_str(req->space), &req->egress, space_on_resolved,
		    call))
		return KK_LATER;
	return space_ensure(req, rep, err);
}

static KK_HANDLES(space_network_get)
{
	kk_auto(net_space_release) struct net_space space = {0};
	int r = net_space_load(kk_str(req->realm), kk_str(req->space), &space, err);

	(void)call;
	if (r <= 0)
		return r;
	rep->exists = true;
	space_reply(&space, &rep->network, &rep->bridge, &rep->subnet);
	return 0;
}

static KK_HANDLES(space_network_remove)
{
	(void)call;
	return net_space_remove(kk_str(req->realm), kk_str(req->space), &rep->was_present, err);
}

static KK_HANDLES(cell_network_ensure)
{
	const struct net_cell_key key = {
		kk_str(req->realm), kk_str(req->space), kk_str(req->stack), kk_str(req->cell)};
	struct net_cell cell = {0};
	const struct net_wish wish = {
		req->is_host, req->is_shared, &req->ports, &req->networks, &req->aliases};
	int r = net_cell_ensure(&key, &wish, &cell, err);

	(void)call;
	if (r < 0)
		return r;
	rep->is_created = cell.is_created;
	rep->ip = kk_xstrdup(cell.ip);
	rep->gateway = kk_xstrdup(cell.gateway);
	rep->bridge = kk_xstrdup(cell.bridge);
	rep->netns_path = kk_steal(&cell.netns_path);
	rep->utsns_path = kk_steal(&cell.utsns_path);
	rep->ipcns_path = kk_steal(&cell.ipcns_path);
	rep->files_dir = kk_steal(&cell.files_dir);
	net_cell_release(&cell);
	return 0;
}

static KK_HANDLES(cell_network_get)
{
	const struct net_cell_key key = {
		kk_str(req->realm), kk_str(req->space), kk_str(req->stack), kk_str(req->cell)};
	struct net_cell cell = {0};
	int r = net_cell_get(&key, &cell, &rep->exists, err);

	(void)call;
	if (r < 0 || !rep->exists)
		return r;
	rep->ip = kk_xstrdup(cell.ip);
	rep->bridge = kk_xstrdup(cell.bridge);
	net_cell_release(&cell);
	return 0;
}

static KK_HANDLES(cell_network_remove)
{
	const struct net_cell_key key = {
		kk_str(req->realm), kk_str(req->space), kk_str(req->stack), kk_str(req->cell)};

	(void)call;
	return net_cell_remove(&key, &rep->was_present, err);
}

static KK_HANDLES(network_survey)
{
	(void)call;
	return net_survey(&req->spaces, &req->cells, &rep->spaces, &rep->cells, err);
}

static KK_HANDLES(network_inventory)
{
	(void)call;
	return net_inventory(&req->spaces, &req->cells, &rep->things, err);
}

static KK_HANDLES(network_pin_drop)
{
	(void)call;
	(void)rep;
	return net_pin_drop(kk_str(req->name), err);
}

static const struct kk_handler handlers[] = {
	KK_HANDLER(space_network_ensure),
	KK_HANDLER(space_network_get),
	KK_HANDLER(space_network_remove),
	KK_HANDLER(cell_network_ensure),
	KK_HANDLER(cell_network_get),
	KK_HANDLER(cell_network_remove),
	KK_HANDLER(network_survey),
	KK_HANDLER(network_inventory),
	KK_HANDLER(network_pin_drop),
};

static int network_start(struct kk_worker *worker, struct kk_err *err)
{
	net_instance = (struct net_instance){
		.id = worker->config.instance,
		.run_path = worker->config.run_path,
		.runtime_dir = worker->config.runtime_dir,
		.pool_cidr = worker->config.pod_subnet_cidr,
		.nft_table = worker->config.nft_table,
	};
	if (net_resolve_start(worker, err) < 0)
		return kk_failed(err);
	if (worker->config.is_embedded)
		return 0;
	net_hosts_open(worker);
	return net_watch_start(worker, err);
}

int kk_network_main(void)
{
	static const struct kk_worker_def def = {
		.role = KK_ROLE_network,
		.handlers = handlers,
		.n_handlers = KK_COUNT(handlers),
		.max_calls = 4096,
		.start = network_start,
	};

	return kk_worker_main(&def);
}
