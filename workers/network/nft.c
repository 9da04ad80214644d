/* workers/network/nft.c - the only user of libnftables. It is loaded here and nowhere else: it is large, and no other
 * process needs it. */
#include "net.h"

#include <dlfcn.h>
#include <stdlib.h>

#include <kukeon/library.h>
#include <kukeon/mem.h>

struct nft_ctx;

/* As in nftables/libnftables.h. */
enum { NFT_OUTPUT_STATELESS = 1 << 2, NFT_OUTPUT_HANDLE = 1 << 3 };

/* The functions of libnftables.so.1 that we use. */
static struct {
	struct nft_ctx *(*ctx_new)(uint32_t flags);
	int (*buffer_output)(struct nft_ctx *ctx);
	int (*buffer_error)(struct nft_ctx *ctx);
	const char *(*get_output)(struct nft_ctx *ctx);
	const char *(*get_error)(struct nft_ctx *ctx);
	void (*set_flags)(struct nft_ctx *ctx, unsigned flags);
	int (*run)(struct nft_ctx *ctx, const char *text);
	struct nft_ctx *ctx;
} nft;

static int symbol_load(void *library, const char *name, void *fn, struct kk_err *err)
{
	*(void **)fn = dlsym(library, name);
	return *(void **)fn ? 0 : kk_fail(err, KK_E_NETWORK, "libnftables has no '%s'", name);
}

static int nft_open(struct kk_err *err)
{
	void *library;

	if (nft.ctx)
		return 0;
	library = dlopen(KK_LIBRARY_NFTABLES, RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return kk_fail(err, KK_E_NETWORK,
			"load libnftables.so.1 (package libnftables1): %s", dlerror());
	if (symbol_load(library, "nft_ctx_new", &nft.ctx_new, err) < 0 ||
		symbol_load(library, "nft_ctx_buffer_output", &nft.buffer_output, err) < 0 ||
		symbol_load(library, "nft_ctx_buffer_error", &nft.buffer_error, err) < 0 ||
		symbol_load(library, "nft_ctx_get_output_buffer", &nft.get_output, err) < 0 ||
		symbol_load(library, "nft_ctx_get_error_buffer", &nft.get_error, err) < 0 ||
		symbol_load(library, "nft_ctx_output_set_flags", &nft.set_flags, err) < 0 ||
		symbol_load(library, "nft_run_cmd_from_buffer", &nft.run, err) < 0)
		return kk_failed(err);
	nft.ctx = nft.ctx_new(0);
	if (!nft.ctx || nft.buffer_output(nft.ctx) || nft.buffer_error(nft.ctx))
		return kk_fail(err, KK_E_NOMEM, "no memory for libnftables");
	/* A rule of somebody else's table is deleted by its number. */
	nft.set_flags(nft.ctx, NFT_OUTPUT_STATELESS | NFT_OUTPUT_HANDLE);
	return 0;
}

int net_nft_run(const char *text, const char **ret_output, struct kk_err *err)
{
	int r = nft_open(err);

	if (r < 0)
		return r;
	r = nft.run(nft.ctx, text);
	/* Fetching empties the buffers. */
	if (ret_output)
		*ret_output = nft.get_output(nft.ctx);
	if (r != 0)
		return kk_fail(err, KK_E_NETWORK, "change the rules: %s",
			kk_str(nft.get_error(nft.ctx)));
	(void)nft.get_error(nft.ctx);
	return 0;
}
