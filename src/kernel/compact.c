/* compact.c - whole blocks of free frames where free memory lies in pieces.
 *
 * Problem: a huge page needs a block, and after a while free memory consists of single frames.
 * Idea: of all blocks, empty the one that takes least: its free frames are held back, so that nobody else gets them, and what is in
 * the others moves to free frames elsewhere.  Nobody notices a move: the page keeps its number, its slot and its translation.
 *
 *      before    |a.b.....|  |cd..ef.g|      . free
 *      after     |........|  |cdabef.g|      the first block is whole
 *
 * 1. While a block is being emptied its frames are HELD, FREE in no list, or hold a page that has not moved yet.
 * 2. A failure gives back what was held; pages that have moved stay where they are.
 * 3. After a failure more and more requests pass before the next try: memory that cannot be compacted is not searched at each fault.
 * Rejected: two scanners that approach each other as Linux has them (they avoid a survey of all blocks, which here costs less than the
 * moves). */
#include "huge.h"
#include "state.h"
#include "../base/rng.h"

enum { BACKOFF_MAX = 64 };

bool page_can_move(struct kernel *k, uint32_t f)
{
	const struct frame *frame = kernel_frame(k, f);
	return (frame->state == FRAME_ANON || frame->state == FRAME_FILE) && !frame->pins && !(frame->flags & FRAME_HUGE);
}

/* Who the frame belongs to learns where its page is now. */
static void owner_learns(struct kernel *k, uint32_t f)
{
	const struct frame *frame = kernel_frame(k, f);
	if (frame->state == FRAME_ANON) {
		kernel_anon(k, frame->owner)->frame = f;
		return;
	}
	/* The word is there already, so this cannot fail. */
	enum pw_err err = pages_set(&k->objects.file[frame->owner]->pages, frame_index(&k->frames, f), file_page_word(f));
	(void)err;
}

void page_move(struct kernel *k, uint32_t from, uint32_t to)
{
	uint32_t space = kernel_frame(k, from)->space;
	struct process *p = space ? k->process[space - 1] : NULL;
	vpn_t page = vpn(kernel_frame(k, from)->vpn);
	struct pmap_mapping m;
	bool mapped = p && p->pmap && pmap_extract(p->pmap, page, &m) && m.pfn.v == from;
	page_unmap(k, from);
	page_copy_quietly(k, to, from);
	frame_move(&k->frames, from, to);
	kernel_frame(k, to)->space = space;
	owner_learns(k, to);
	k->counts.huge.moved_pages++;
	if (!mapped)
		return;
	m.pfn = frame_pfn(to);
	m.cause = ACCESS_LOAD;
	enum pw_err err = pmap_enter(p->pmap, &m); /* if it fails a fault will do it */
	(void)err;
}

/* How many frames of a block would have to move; UINT64_MAX: one of them cannot. */
static uint64_t block_load(struct kernel *k, uint32_t first)
{
	uint64_t load = 0, n = kernel_huge_pages(k);
	for (uint64_t f = first; f < first + n; f++) {
		const struct frame *frame = kernel_frame(k, (uint32_t)f);
		if (frame->state == FRAME_FREE)
			continue;
		if (frame->state != FRAME_HELD && !page_can_move(k, (uint32_t)f))
			return UINT64_MAX;
		load++;
	}
	return load;
}

/* The block with least to move, or FRAME_NONE. */
static uint32_t block_choose(struct kernel *k)
{
	uint64_t n = kernel_huge_pages(k), least = UINT64_MAX;
	uint32_t best = FRAME_NONE;
	for (uint64_t f = 0; f + n <= k->frames.n && least > 1; f += n) {
		uint64_t load = f >= k->frames.fresh && f < k->frames.top ? UINT64_MAX : block_load(k, (uint32_t)f);
		if (load >= least)
			continue;
		least = load;
		best = (uint32_t)f;
	}
	return best;
}

/* One frame of the block is emptied.  => PW_NOFRAMES */
static enum pw_err frame_empty(struct kernel *k, uint32_t f, bool held_before)
{
	uint32_t to;
	enum pw_err err = frame_take_held(&k->frames, &to);
	if (err || held_before)
		return err; /* who held it has another one now */
	if (page_can_move(k, f)) {
		page_move(k, f, to);
		return PW_OK;
	}
	frame_give(&k->frames, to);
	return PW_NOFRAMES;
}

/* => all frames of the block are HELD, for the caller */
static enum pw_err block_empty(struct kernel *k, uint32_t first)
{
	uint64_t n = kernel_huge_pages(k), done = 0;
	enum pw_err err = PW_OK;
	bool ours[1 << (FRAME_ORDERS - 1)];
	for (uint64_t i = 0; i < n; i++) {
		ours[i] = kernel_frame(k, (uint32_t)(first + i))->state == FRAME_FREE;
		if (ours[i])
			frame_hold(&k->frames, (uint32_t)(first + i));
	}
	for (; done < n && !err; done++) {
		uint32_t f = (uint32_t)(first + done);
		if (ours[done])
			continue;
		err = frame_empty(k, f, kernel_frame(k, f)->state == FRAME_HELD);
		ours[done] = !err;
	}
	for (uint64_t i = 0; err && i < n; i++)
		if (ours[i])
			frame_give(&k->frames, (uint32_t)(first + i));
	return err;
}

static enum pw_err compact(struct kernel *k, uint32_t *ret)
{
	if (k->compact_wait) {
		k->compact_wait--;
		return PW_NOFRAMES;
	}
	reclaim_drain(k); /* what was referenced is told of while it is where it was */
	*ret = block_choose(k);
	enum pw_err err = *ret == FRAME_NONE ? PW_NOFRAMES : block_empty(k, *ret);
	k->counts.huge.compactions += !err;
	if (err)
		k->compact_backoff = k->compact_backoff ? k->compact_backoff * 2 : 1;
	else
		k->compact_backoff = 0;
	if (k->compact_backoff > BACKOFF_MAX)
		k->compact_backoff = BACKOFF_MAX;
	k->compact_wait = k->compact_backoff;
	return err;
}

enum pw_err compact_block(struct kernel *k, bool evict, uint32_t *ret)
{
	uint64_t n = kernel_huge_pages(k);
	if (k->frames.page_limit < n)
		return PW_NOFRAMES;
	if (evict)
		k->compact_wait = 0;
	while (evict && frames_available(&k->frames) < n) {
		enum pw_err err = reclaim_one(k);
		if (err)
			return err;
	}
	if (k->frames.n_free < n)
		return PW_NOFRAMES;
	return frame_take_block(&k->frames, ret) ? compact(k, ret) : PW_OK;
}

void compact_fragment(struct kernel *k)
{
	struct rng rng;
	uint64_t n = kernel_huge_pages(k);
	if (!k->config.fragment || n == 1)
		return;
	rng_init(&rng, k->config.seed ^ 0xf7a9);
	for (uint64_t first = 0; first + n <= k->frames.n; first += n) {
		uint64_t at = rng_below(&rng, n);
		if (rng_below(&rng, 100) < k->config.fragment)
			frame_hold(&k->frames, (uint32_t)(first + at));
	}
}
