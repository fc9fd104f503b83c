/* balloon.c - memory given back to the host of this kernel.
 *
 * Problem: a host that is short of memory does not know which pages of its guest are worth keeping; if it takes some by itself, it takes
 * the wrong ones, and may write to its disk what the guest is about to write to its own.
 * Idea: let the guest choose.  A balloon in its kernel allocates frames like anybody; reclaim makes room for it by the guest's own policy;
 * and what lies below the balloon the host can have, because nobody in the guest will look at it.
 *
 *      guest     |pages.....|tables|  balloon  |free|      inflate: the policy's victims leave for the guest's own swap
 *      host      |backed....|backed|  nothing  |
 *
 * 1. A frame in the balloon holds nothing, and is in no free list.
 * 2. The balloon counts against the limit of pages: what it has no page can have.
 * Rejected: lowering the limit of pages alone (the host would not learn which frames it may have); moving the balloon's frames when a
 * huge page wants their block (Linux does; here such a block is left alone).
 * Source: C. A. Waldspurger, Memory Resource Management in VMware ESX Server, OSDI 2002. */
#include "state.h"

/* What programs could still have, were everything of theirs evicted. */
static uint64_t usable_frames(const struct frames *fs)
{
	uint64_t others = fs->n_tables + fs->n_zero + fs->n_held, frames = fs->n - others;
	return (frames < fs->page_limit ? frames : fs->page_limit) - fs->n_balloon;
}

static enum pw_err inflate_one(struct kernel *k, uint32_t *ret)
{
	if (usable_frames(&k->frames) <= KERNEL_BALLOON_LEAVES)
		return PW_NOFRAMES;
	while (!frames_available(&k->frames)) {
		enum pw_err err = reclaim_one(k);
		if (err)
			return err;
	}
	return frame_take_balloon(&k->frames, ret);
}

enum pw_err kernel_balloon(struct kernel *k, uint64_t n_frames, void (*moved)(void *ctx, pfn_t f, bool taken), void *ctx)
{
	uint32_t f;
	reclaim_drain(k);
	while (k->frames.n_balloon > n_frames) {
		f = frame_give_balloon(&k->frames);
		moved(ctx, frame_pfn(f), false);
	}
	while (k->frames.n_balloon < n_frames) {
		enum pw_err err = inflate_one(k, &f);
		if (err)
			return err;
		moved(ctx, frame_pfn(f), true);
	}
	return PW_OK;
}
