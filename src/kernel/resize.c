/* resize.c - more or less memory for programs' pages, while they run.
 *
 * Problem: whoever lends memory wants some of it back, or has more to lend; a policy was told once how many slots there are, and
 * some divide them.
 * Idea: less: pages are evicted until they fit, then the limit falls; the policy keeps its slots and simply fills fewer of them.
 * More than ever before: a new policy of the right size takes the pages over, in the order in which the old one would have given
 * them up.
 *
 * 1. Every listed page is listed again, once.
 * 2. What the old policy remembered of pages that are gone is lost. */
#include "../base/mem.h"
#include "space.h"
#include "state.h"

static enum pw_err limit_lower(struct kernel *k, uint64_t limit)
{
	while (k->frames.n_pages + k->frames.n_balloon > limit) {
		enum pw_err err = reclaim_one(k);
		if (err)
			return err;
	}
	k->frames.page_limit = limit;
	return PW_OK;
}

/* The listed slots in the order in which they would leave; the rest of them behind. */
static uint32_t order_take(struct kernel *k, uint32_t *order)
{
	uint32_t n = 0, slot;
	while (n < k->frames.n_slots && (slot = k->config.policy->victim(k->policy)) != POLICY_SLOT_NONE) {
		kernel_frame(k, frame_of_slot(&k->frames, slot))->flags &= ~FRAME_LISTED;
		order[n++] = slot;
	}
	for (uint32_t f = 0; f < k->frames.n; f++) {
		if (kernel_frame(k, f)->state >= FRAME_ANON && kernel_frame(k, f)->flags & FRAME_LISTED)
			order[n++] = slot_of_frame(&k->frames, f);
		if (f >= k->frames.fresh)
			break;
	}
	return n;
}

static enum pw_err limit_raise(struct kernel *k, uint64_t limit)
{
	uint32_t *order = mem_reserve(k->frames.n_slots * sizeof *order);
	void *before = k->policy;
	size_t before_bytes = k->policy_bytes;
	uint32_t slots_before = k->frames.n_slots;
	if (!order)
		return PW_NOMEM;
	uint32_t n = order_take(k, order);
	k->frames.n_slots = (uint32_t)limit;
	enum pw_err err = reclaim_init(k);
	if (err) {
		k->frames.n_slots = slots_before;
		k->policy = before;
		k->policy_bytes = before_bytes;
	} else {
		mem_unreserve(before, before_bytes);
		k->frames.page_limit = limit;
	}
	for (uint32_t i = 0; i < n; i++) {
		uint32_t f = frame_of_slot(&k->frames, order[i]);
		kernel_frame(k, f)->flags &= ~FRAME_LISTED;
		page_list_droppable(k, f);
	}
	mem_unreserve(order, slots_before * sizeof *order);
	return err;
}

enum pw_err kernel_resize(struct kernel *k, uint64_t page_frames)
{
	enum pw_err err = PW_OK;
	if (k->frames.slots_are_frames || page_frames < 2 || page_frames >= k->frames.n)
		return PW_INVALID;
	if (page_frames > k->frames.n_slots && k->local)
		return PW_INVALID;
	if (page_frames > k->frames.n_slots)
		err = limit_raise(k, page_frames);
	else if (page_frames >= k->frames.page_limit)
		k->frames.page_limit = page_frames;
	else
		err = limit_lower(k, page_frames);
	reclaim_set_marks(k);
	return err;
}
