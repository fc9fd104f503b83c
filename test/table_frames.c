/* table_frames.c - zeroed frames, counted. */
#include "table_frames.h"

static enum pw_err take(void *ctx, struct pmap *owner, uint64_t n, pfn_t *ret)
{
	struct table_frames *t = ctx;
	(void)owner;
	*ret = pfn(t->next);
	t->next += n;
	t->taken += n;
	for (uint64_t i = 0; i < n; i++)
		physmem_zero(machine_physmem(t->machine), pfn(ret->v + i));
	return PW_OK;
}

static void give(void *ctx, struct pmap *owner, pfn_t first, uint64_t n)
{
	struct table_frames *t = ctx;
	(void)owner, (void)first;
	t->taken -= n;
}

struct pmap_env table_frames_env(struct table_frames *frames) { return (struct pmap_env){ frames, take, give }; }
