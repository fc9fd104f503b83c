/* recency.c - a bitmap of last uses, and counters above it.
 *
 * Problem: the depth of a page in the LRU stack is the number of pages used since; a list answers that by walking, a balanced tree by
 * many dependent misses of the host's cache.
 * Idea: each use gets the next place of a long row.  A member holds the place of its last use, so its depth is the number of places
 * held after it.  Held places are bits; above them are counts for 512, for 64 times that, and for 64 times that again, so that any
 * rank is the sum of at most 8 words, 64 and 64 counters, which vectors add up at once, and a handful of top counters.  When the row
 * is full the held places are packed to its beginning; the row being four times as long as the stack is deep, that is rare.
 *
 *      places     0                                            now                 room
 *      bit        1 0 0 1 1 0 1 0 0 0 1 h 0 0 1 0 1 1 0 1 | 1  .  .  .  .  .  .  .  |
 *                 oldest ----------------------------> newest   never given yet
 *
 * A dead page's place keeps its bit and is marked (h).  Why that is right: a memory of n frames holds the first n places of the stack.
 * A frame freed at depth p is free in every memory that reaches it, n >= p.  A use of a page at depth d > p evicts only where there is
 * no free frame, n < p: places 1 to p - 1 move down by one, into the hole; and memories with n >= d, who held the page, keep their
 * free frame, which they now have at d.  So the topmost hole moves to d; a use at d < p moves places 1 to d - 1 only, above it.
 *
 * Invariants.
 *   1. place[x] - 1 = at  <=>  owner[at] = x, and then bit at is set and hole at is not.
 *   2. A hole's bit is set and its owner is RECENCY_HOLE.  hole_top is the highest, when there is one.
 *   3. line, group, super count the bits below them; held is their sum.  No bit is set at or above now.
 * Rejected: a Fenwick tree (a dozen dependent steps for each use), suffix counts (the newest counters change with every use, and a
 * vector load of what was just stored waits for it; the prefix is rarely touched).
 * Source: F. Olken, "Efficient methods for calculating the success function of fixed space replacement policies" (1981), has the
 * tree; B. T. Bennett and V. J. Kruskal, "LRU stack processing", IBM J. Res. Dev. 19 (1975), the row of last uses and its packing. */
#include "recency.h"
#include "../base/mem.h"
#include <string.h>

#define RECENCY_ROOM_MAX ((uint64_t)UINT32_MAX - 2 * RECENCY_GROUP)

/* The arrays over places, for a row of this room. */
static enum pw_err row_make(struct recency *r, uint64_t room, bool holes)
{
	uint64_t groups = room / RECENCY_GROUP;
	r->room = room;
	r->bit = mem_zalloc(room / 64, sizeof *r->bit);
	r->hole = holes ? mem_zalloc(room / 64, sizeof *r->hole) : NULL;
	r->line = mem_zalloc(room / RECENCY_LINE, sizeof *r->line);
	r->group = mem_zalloc((groups + 63) / 64 * 64, sizeof *r->group);
	r->super = mem_zalloc(groups / 64 + 1, sizeof *r->super);
	r->owner = mem_alloc(room * sizeof *r->owner);
	return r->bit && (r->hole || !holes) && r->line && r->group && r->super && r->owner ? PW_OK : PW_NOMEM;
}

static void row_drop(struct recency *r)
{
	mem_free(r->bit);
	mem_free(r->hole);
	mem_free(r->line);
	mem_free(r->group);
	mem_free(r->super);
	mem_free(r->owner);
}

enum pw_err recency_init(struct recency *r)
{
	*r = (struct recency){ 0 };
	enum pw_err err = row_make(r, RECENCY_GROUP, false);
	if (err != PW_OK)
		recency_fini(r);
	return err;
}

void recency_fini(struct recency *r)
{
	row_drop(r);
	mem_free(r->place);
	*r = (struct recency){ 0 };
}

enum pw_err recency_cover(struct recency *r, uint64_t n)
{
	if (n <= r->n_numbers)
		return PW_OK;
	uint64_t room = r->n_numbers * 2 > n ? r->n_numbers * 2 : n < 1024 ? 1024 : n;
	uint32_t *grown = mem_realloc(r->place, room, sizeof *grown);
	if (!grown)
		return PW_NOMEM;
	memset(grown + r->n_numbers, 0, (room - r->n_numbers) * sizeof *grown);
	r->place = grown;
	r->n_numbers = room;
	return PW_OK;
}

static bool is_hole(const struct recency *r, uint64_t at) { return r->hole && r->hole[at >> 6] >> (at & 63) & 1; }

/* Moves what place at holds to the next place of another row. */
static void place_move(const struct recency *from, struct recency *to, uint64_t at)
{
	uint64_t next = to->now++;
	to->bit[next >> 6] |= 1ull << (next & 63);
	to->owner[next] = from->owner[at];
	if (is_hole(from, at)) {
		to->hole[next >> 6] |= 1ull << (next & 63);
		to->hole_top = next;
	} else {
		to->place[to->owner[next]] = (uint32_t)next + 1;
	}
}

static void counters_make(struct recency *r)
{
	for (uint64_t l = 0; l * RECENCY_LINE < r->now; l++) {
		uint64_t left = r->now - l * RECENCY_LINE, n = left < RECENCY_LINE ? left : RECENCY_LINE;
		r->line[l] = (uint16_t)n;
		r->group[l / 64] += (uint32_t)n;
		r->super[l / 4096] += (uint32_t)n;
	}
}

enum pw_err recency_pack(struct recency *r)
{
	struct recency packed = { .place = r->place, .n_numbers = r->n_numbers, .held = r->held, .n_holes = r->n_holes };
	uint64_t room = (r->held * 4 / RECENCY_GROUP + 1) * RECENCY_GROUP;
	if (room > RECENCY_ROOM_MAX)
		room = RECENCY_ROOM_MAX / RECENCY_GROUP * RECENCY_GROUP;
	if (r->held >= room)
		return PW_LIMIT;
	if (row_make(&packed, room, r->hole != NULL) != PW_OK) {
		row_drop(&packed);
		return PW_NOMEM;
	}
	for (uint64_t w = 0; w * 64 < r->now; w++)
		for (uint64_t bits = r->bit[w]; bits; bits &= bits - 1)
			place_move(r, &packed, w * 64 + (uint64_t)__builtin_ctzll(bits));
	counters_make(&packed);
	row_drop(r);
	*r = packed;
	return PW_OK;
}

void recency_fill(struct recency *r)
{
	uint64_t at = r->hole_top, w = at >> 6;
	recency_clear(r, at);
	r->hole[w] &= ~(1ull << (at & 63));
	if (--r->n_holes == 0)
		return;
	while (!r->hole[w])
		w--;
	r->hole_top = w * 64 + 63 - (uint64_t)__builtin_clzll(r->hole[w]);
}

enum pw_err recency_die(struct recency *r, uint32_t number)
{
	uint64_t at = r->place[number];
	if (!r->hole) {
		r->hole = mem_zalloc(r->room / 64, sizeof *r->hole);
		if (!r->hole)
			return PW_NOMEM;
	}
	if (!at--)
		return PW_OK;
	r->place[number] = 0;
	r->owner[at] = RECENCY_HOLE;
	recency_open(r, at);
	if (r->n_holes == 1 || at > r->hole_top)
		r->hole_top = at;
	return PW_OK;
}

void recency_remove(struct recency *r, uint32_t number)
{
	uint64_t at = r->place[number];
	if (!at)
		return;
	r->place[number] = 0;
	recency_clear(r, at - 1);
}

void recency_each(const struct recency *r, void (*visit)(void *ctx, uint32_t number, uint64_t depth), void *ctx)
{
	uint64_t depth = 0;
	for (uint64_t w = (r->now + 63) / 64; w-- > 0;)
		for (uint64_t bits = r->bit[w]; bits;) {
			uint64_t b = 63 - (uint64_t)__builtin_clzll(bits);
			bits &= ~(1ull << b);
			visit(ctx, is_hole(r, w * 64 + b) ? RECENCY_HOLE : r->owner[w * 64 + b], ++depth);
		}
}

uint64_t recency_bytes(const struct recency *r)
{
	return r->n_numbers * sizeof *r->place + r->room * sizeof *r->owner + r->room / (r->hole ? 4 : 8) +
	       r->room / RECENCY_LINE * sizeof *r->line;
}

static const char *counters_flaw(const struct recency *r)
{
	uint64_t held = 0, holes = 0, group = 0;
	for (uint64_t l = 0; l < r->room / RECENCY_LINE; l++) {
		uint64_t n = 0;
		for (uint64_t w = 0; w < 8; w++) {
			n += (uint64_t)__builtin_popcountll(r->bit[l * 8 + w]);
			holes += r->hole ? (uint64_t)__builtin_popcountll(r->hole[l * 8 + w]) : 0;
			if (r->hole && r->hole[l * 8 + w] & ~r->bit[l * 8 + w])
				return "recency: a hole is in a place that nobody holds";
		}
		if (n != r->line[l])
			return "recency: a line does not count its places";
		held += n;
		group += n;
		if (l % 64 == 63) {
			if (group != r->group[l / 64])
				return "recency: a group does not count its lines";
			group = 0;
		}
	}
	return held != r->held || holes != r->n_holes ? "recency: places or holes are miscounted" : NULL;
}

const char *recency_flaw(const struct recency *r)
{
	for (uint64_t at = 0; at < r->now; at++) {
		if (!(r->bit[at >> 6] >> (at & 63) & 1))
			continue;
		if (is_hole(r, at) ? r->owner[at] != RECENCY_HOLE : r->place[r->owner[at]] != at + 1)
			return "recency: a place and its member do not agree";
		if (is_hole(r, at) && at > r->hole_top)
			return "recency: a hole lies above the topmost one";
	}
	return counters_flaw(r);
}
