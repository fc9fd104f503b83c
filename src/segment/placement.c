/* placement.c - choosing a hole.
 *
 * Problem: memory is given out in pieces of different sizes and comes back in another order, so what is free is scattered.  Which
 * hole a piece is put into decides how scattered it will be.
 *
 * Idea: the tree of intervals knows the pieces in order, and its gaps are the holes: joining holes when a piece goes is no work, and
 * the lowest hole of a size is found in logarithmic time.
 *
 *      0        |piece|   |piece||piece|           |piece|      bytes
 *       hole            hole              hole             hole
 *
 *      first fit takes the leftmost that is large enough, best fit the tightest, worst fit the widest, next fit goes on
 *      from where it was
 *
 * 1. free + the bytes of all pieces = bytes.
 * 2. rover <= bytes.  A hole that has grown around the rover is used from its start: the search goes on from a hole, not from the
 *    middle of one.
 *
 * Best and worst fit look at every hole.  Rejected: a second tree by size, which would be kept by everybody for their sake.
 * Source: Knuth, The Art of Computer Programming 1, 2.5; Denning, "Virtual Memory", Computing Surveys 2 (1970). */
#include "placement.h"
#include <stddef.h>

static const struct { const char *word, *text; } fits[] = {
#define X(name, word, text) { word, text },
	PLACEMENT_FIT_LIST(X)
#undef X
};

const char *placement_fit_word(enum placement_fit f) { return fits[f].word; }
const char *placement_fit_text(enum placement_fit f) { return fits[f].text; }

void placement_init(struct placement *p, uint64_t bytes, enum placement_fit fit)
{
	*p = (struct placement){ .bytes = bytes, .free = bytes, .fit = fit };
	itree_init(&p->pieces);
}

/* The tightest or the widest of all holes that are large enough. */
static bool extreme_find(const struct placement *p, uint64_t bytes, uint64_t *ret)
{
	uint64_t chosen = 0;
	struct hole h;
	for (uint64_t at = 0; placement_hole(p, at, &h); at = h.end) {
		uint64_t size = h.end - h.start;
		bool better = p->fit == PLACEMENT_BEST ? size < chosen : size > chosen;
		if (size < bytes || (chosen && !better))
			continue;
		chosen = size;
		*ret = h.start;
	}
	return chosen != 0;
}

bool placement_find(const struct placement *p, uint64_t bytes, uint64_t *ret)
{
	if (bytes > p->free)
		return false;
	if (p->fit == PLACEMENT_BEST || p->fit == PLACEMENT_WORST)
		return extreme_find(p, bytes, ret);
	struct hole h = { 0 };
	if (p->fit == PLACEMENT_NEXT && !placement_hole(p, p->rover, &h))
		h.start = 0;
	return itree_hole_low(&p->pieces, h.start, p->bytes, bytes, ret) || itree_hole_low(&p->pieces, 0, p->bytes, bytes, ret);
}

bool placement_is_free(const struct placement *p, uint64_t start, uint64_t bytes)
{
	if (start > p->bytes || bytes > p->bytes - start)
		return false;
	const struct itree_node *next = itree_at_or_after(&p->pieces, start);
	return !next || next->start >= start + bytes;
}

void placement_put(struct placement *p, struct itree_node *piece, uint64_t start, uint64_t bytes)
{
	piece->start = start;
	piece->end = start + bytes;
	itree_insert(&p->pieces, piece);
	p->free -= bytes;
	p->rover = piece->end;
}

void placement_take(struct placement *p, struct itree_node *piece)
{
	itree_remove(&p->pieces, piece);
	p->free += piece->end - piece->start;
}

bool placement_resize(struct placement *p, struct itree_node *piece, uint64_t bytes)
{
	const struct itree_node *next = itree_next(piece);
	uint64_t old = piece->end - piece->start, room = (next ? next->start : p->bytes) - piece->start;
	if (bytes > room)
		return false;
	itree_resize(&p->pieces, piece, piece->start, piece->start + bytes);
	p->free = p->free + old - bytes;
	return true;
}

void placement_slide(struct placement *p, struct itree_node *piece, uint64_t start)
{
	itree_resize(&p->pieces, piece, start, start + (piece->end - piece->start));
}

bool placement_hole(const struct placement *p, uint64_t from, struct hole *ret)
{
	const struct itree_node *next = itree_at_or_after(&p->pieces, from);
	const struct itree_node *before = next ? itree_prev(next) : NULL;
	uint64_t at = before ? before->end : 0;
	if (next && next->start <= from)
		at = next->end;
	else if (!next && p->pieces.root)
		at = p->pieces.root->hi;
	for (; next && next->start <= at; next = itree_next(next))
		at = next->end;
	*ret = (struct hole){ at, next ? next->start : p->bytes };
	return from < p->bytes && at < p->bytes;
}

struct placement_holes placement_holes(const struct placement *p)
{
	struct placement_holes all = { 0 };
	struct hole h;
	for (uint64_t at = 0; placement_hole(p, at, &h); at = h.end) {
		all.n++;
		all.largest = h.end - h.start > all.largest ? h.end - h.start : all.largest;
	}
	all.fragmentation = p->free ? 1 - (double)all.largest / (double)p->free : 0;
	return all;
}

const char *placement_flaw(const struct placement *p)
{
	uint64_t used = 0;
	for (const struct itree_node *n = itree_first(&p->pieces); n; n = itree_next(n)) {
		used += n->end - n->start;
		if (n->end > p->bytes)
			return "placement: a piece reaches beyond memory";
	}
	if (used + p->free != p->bytes)
		return "placement: free bytes and pieces do not add up to memory";
	if (p->rover > p->bytes)
		return "placement: the rover is outside memory";
	return itree_flaw(&p->pieces);
}
