/* remap.c - mremap: a mapping changes its size or its place and keeps its pages.
 *
 * Problem: an allocator moves gigabytes by moving their translations; a single fault for it would be one too many.
 * Idea: numbers of private pages move from old index to new, entries move their bounds, and each translation is entered at its
 * new place with the rights it had.
 *
 *      1  make room          entries are cut to size, then the target is cut free
 *      2  copy numbers       into the new place: the last step that can fail for lack of memory, undone by clearing them
 *      3  move entries       out of the tree, bounds changed, back in
 *      4  move translations  those that cannot be entered are left to faults
 *      5  clear numbers      in the old place; a tail that the new size does not have goes
 *
 * 1. A number that is in both places for a while has one reference: nothing looks at references in between.
 * Rejected: moving entry by entry (a failure in the middle would leave half a mapping moved). */
#include "huge.h"
#include "limit.h"
#include "space.h"
#include "state.h"

struct move {
	uint64_t from, to, n_pages;
};

static void layer_clear(struct map *m, uint64_t start, uint64_t end)
{
	for (; pages_next(&m->layer, &start, end); start++)
		pages_clear(&m->layer, start);
}

static enum pw_err layer_copy(struct map *m, const struct move *mv)
{
	uint64_t at = mv->from, end = mv->from + mv->n_pages;
	for (uint32_t anon; (anon = pages_next(&m->layer, &at, end)); at++) {
		if (pages_set(&m->layer, at - mv->from + mv->to, anon)) {
			layer_clear(m, mv->to, mv->to + mv->n_pages);
			return PW_NOMEM;
		}
	}
	return PW_OK;
}

static void translation_move(void *ctx, struct process *p, const struct space_page *page)
{
	const struct move *mv = ctx;
	struct pmap_mapping m;
	uint64_t old = page->page - mv->to + mv->from;
	if (page->frame == FRAME_NONE)
		return;
	struct frame *frame = kernel_frame(p->kernel, page->frame);
	if (frame->space == p->number + 1 && frame->vpn == old) {
		frame->vpn = page->page;
		reclaim_replan(p->kernel, page->frame);
	}
	if (!pmap_extract(p->pmap, vpn(old), &m))
		return;
	pmap_remove(p->pmap, vpn_range(vpn(old), 1));
	enum pw_err err = page_enter(p->kernel, p, page->page, page->frame, m.prot, ACCESS_LOAD);
	(void)err;
}

/* The entries of the old range now lie at the new one. */
static void entries_move(struct map *m, const struct move *mv)
{
	struct entry *e = map_after(m, mv->from), *next;
	for (; e && e->node.start < mv->from + mv->n_pages; e = next) {
		next = entry_next(e);
		map_unlink(m, e);
		e->node.start += mv->to - mv->from;
		e->node.end += mv->to - mv->from;
		map_link(m, e);
	}
}

static void translations_move(struct process *p, struct move *mv)
{
	uint64_t end = mv->to + mv->n_pages;
	for (struct entry *e = map_after(&p->map, mv->to); e && e->node.start < end; e = entry_next(e))
		space_visit(p, e, mv->to, end, translation_move, mv);
	pmap_remove(p->pmap, vpn_range(vpn(mv->from), mv->n_pages));
	pmap_update(p->pmap);
}

/* => the target is free, both ranges are on entry bounds and do not overlap */
static enum pw_err range_move(struct process *p, struct move *mv)
{
	enum pw_err err = layer_copy(&p->map, mv);
	if (err)
		return err;
	entries_move(&p->map, mv);
	translations_move(p, mv);
	layer_clear(&p->map, mv->from, mv->from + mv->n_pages);
	return PW_OK;
}

static bool is_whole(struct process *p, uint64_t start, uint64_t n)
{
	uint64_t at = start;
	for (struct entry *e = map_find(&p->map, start); e && e->node.start <= at && at < start + n; e = entry_next(e))
		at = e->node.end;
	return at >= start + n;
}

/* The last entry of [start, end) gets longer by the pages from end on, which are free. */
static void tail_grow(struct process *p, uint64_t end, uint64_t more)
{
	struct entry *last = map_find(&p->map, end - 1);
	map_resize(&p->map, last, last->node.start, end + more);
	map_join(&p->map, p->kernel, end, end + more);
}

static enum pw_err resize_here(struct process *p, uint64_t from, uint64_t n, uint64_t to_n)
{
	if (to_n < n)
		return space_cut(p, from + to_n, from + n);
	if (!map_is_free(&p->map, from + n, from + to_n))
		return PW_NOSPACE;
	enum pw_err err = to_n > n ? limit_map(p, map_find(&p->map, from + n - 1), to_n - n, from + n, from + to_n) : PW_OK;
	if (!err)
		err = space_clip(p, from, from + n);
	if (!err && to_n > n)
		tail_grow(p, from + n, to_n - n);
	return err;
}

static enum pw_err move_there(struct process *p, struct move *mv, uint64_t n, uint64_t to_n)
{
	uint64_t from = mv->from, to = mv->to;
	if (from < to + to_n && to < from + n)
		return PW_INVALID;
	mv->n_pages = n < to_n ? n : to_n;
	enum pw_err err = to_n > n ? limit_map(p, map_find(&p->map, from + n - 1), to_n - n, to, to + to_n) : PW_OK;
	if (!err)
		err = space_clip(p, from, from + n);
	if (!err)
		err = space_clip(p, from, from + mv->n_pages);
	if (!err)
		huge_split_range(p, from, from + n);
	if (!err)
		err = space_cut(p, to, to + to_n);
	if (!err)
		err = range_move(p, mv);
	if (err)
		return err;
	if (to_n > n)
		tail_grow(p, to + n, to_n - n);
	map_join(&p->map, p->kernel, to, to + to_n);
	return to_n < n ? space_cut(p, from + to_n, from + n) : PW_OK;
}

enum pw_err process_remap(struct process *p, vaddr_t from, uint64_t bytes, vaddr_t to, uint64_t to_bytes)
{
	unsigned shift = p->kernel->config.page_shift;
	uint64_t mask = kernel_page_bytes(p->kernel) - 1, n = (bytes + mask) >> shift, to_n = (to_bytes + mask) >> shift;
	if ((from.v | to.v) & mask || !bytes || !to_bytes || bytes > INT64_MAX || to_bytes > INT64_MAX)
		return PW_INVALID;
	struct move mv = { .from = from.v >> shift, .to = to.v >> shift };
	if (!is_whole(p, mv.from, n))
		return PW_NOTMAPPED;
	return mv.from == mv.to ? resize_here(p, mv.from, n, to_n) : move_there(p, &mv, n, to_n);
}
