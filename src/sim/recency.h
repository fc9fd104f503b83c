/* recency.h - an LRU stack of any depth: who was used when, and how deep they lie.
 *
 * Members are small numbers given by the owner.  A member's depth is its place in the order of last use, 1 the newest.  Using a
 * member costs some tens of instructions whatever the depth.
 *
 * A member that ceases to exist leaves a hole: a place that stays in the stack, because the memory of every size that reached it has
 * a frame free now.  The next use from below a hole fills the topmost one.  Owners that do not mean memories remove members without
 * a trace instead.
 *
 * Host memory: 4 bytes a number, and about 17 bytes for each member of the deepest stack so far. */
#pragma once
#include "../base/err.h"
#include <stdbool.h>
#include <stdint.h>

#define RECENCY_HOLE UINT32_MAX
/* Into each loop that uses it, so that it is compiled for that loop's processor. */
#define RECENCY_HOT static inline __attribute__((always_inline))

enum {
	RECENCY_LINE = 512,               /* places in a line of the bitmap */
	RECENCY_GROUP = RECENCY_LINE * 64,
	RECENCY_SUPER = RECENCY_GROUP * 64,
	RECENCY_NEAR = 1024,              /* places from the top that are counted bit by bit */
};

/* Members live here; only the functions below touch it. */
struct recency {
	uint32_t *place;         /* of each number: which place it has, plus one; 0: not in the stack */
	uint64_t n_numbers;      /* place has room for */
	uint64_t *bit;           /* a bit for each place that is held, by a member or a hole */
	uint64_t *hole;          /* a bit for each hole; NULL until there is one */
	uint16_t *line;          /* held places in each line */
	uint32_t *group;         /* and in each group */
	uint32_t *super;         /* and in each 64 groups */
	uint32_t *owner;         /* whose place it is */
	uint64_t room;           /* places there are: a multiple of RECENCY_GROUP */
	uint64_t now;            /* the next place to be given */
	uint64_t held;           /* places held */
	uint64_t n_holes, hole_top;
};

must_use enum pw_err recency_init(struct recency *r);
void recency_fini(struct recency *r);
/* Room for numbers below n.  => PW_NOMEM */
must_use enum pw_err recency_cover(struct recency *r, uint64_t n);
/* Takes a member out to be put back on top.  A hole above it is filled and its own place becomes one; so does a hole when the number
 * was not in the stack.  => its depth, 0: it was not in the stack. */
RECENCY_HOT uint64_t recency_lift(struct recency *r, uint32_t number);
/* Puts a number that is not in the stack on top.  => PW_NOMEM: nothing changed. */
must_use RECENCY_HOT enum pw_err recency_push(struct recency *r, uint32_t number);
/* The member is no more: its place is a hole.  => PW_NOMEM */
must_use enum pw_err recency_die(struct recency *r, uint32_t number);
/* Takes a member out without a hole.  => there are no holes */
void recency_remove(struct recency *r, uint32_t number);
static inline uint64_t recency_depth(const struct recency *r, uint32_t number); /* without using it; 0: not in the stack */
/* From the top down: every member with its depth, and every hole as RECENCY_HOLE. */
void recency_each(const struct recency *r, void (*visit)(void *ctx, uint32_t number, uint64_t depth), void *ctx);
uint64_t recency_bytes(const struct recency *r);
/* NULL, or the broken invariant. */
const char *recency_flaw(const struct recency *r);

/* The rest is how. */

/* Packs the places that are held, in more room if need be. */
enum pw_err recency_pack(struct recency *r);
/* The highest hole is filled. */
void recency_fill(struct recency *r);
/* A place below a hole becomes one. */
RECENCY_HOT void recency_open(struct recency *r, uint64_t at) { r->hole[at >> 6] |= 1ull << (at & 63); r->n_holes++; }

RECENCY_HOT void recency_clear(struct recency *r, uint64_t at)
{
	r->bit[at >> 6] &= ~(1ull << (at & 63));
	r->line[at / RECENCY_LINE]--;
	r->group[at / RECENCY_GROUP]--;
	r->super[at / RECENCY_SUPER]--;
	r->held--;
}

/* How many of the places up to at are held, at included: a constant number of words at each level, so that it needs no branch. */
RECENCY_HOT uint64_t recency_rank(const struct recency *r, uint64_t at)
{
	uint64_t l = at / RECENCY_LINE, g = at / RECENCY_GROUP, s = at / RECENCY_SUPER, sum = 0;
	const uint16_t *line = &r->line[l & ~63ull];
	const uint32_t *group = &r->group[g & ~63ull];
	const uint64_t *word = &r->bit[l * (RECENCY_LINE / 64)];
	for (uint64_t i = 0; i < s; i++)
		sum += r->super[i];
	uint32_t groups = 0, below = g & 63;
	for (uint32_t i = 0; i < 64; i++)
		groups += group[i] & -(uint32_t)(i < below);
	uint16_t lines = 0, before = l & 63; /* at most 63 * 512 */
	for (uint16_t i = 0; i < 64; i++)
		lines = (uint16_t)(lines + (line[i] & (uint16_t)-(i < before)));
	uint64_t w = at / 64 & 7;
	for (uint64_t i = 0; i < w; i++)
		sum += (uint64_t)__builtin_popcountll(word[i]);
	return sum + groups + lines + (uint64_t)__builtin_popcountll(word[w] << (63 - (at & 63)));
}

/* How many places from at on are held: the depth of whoever holds at.  Near the top the bits themselves are counted. */
RECENCY_HOT uint64_t recency_depth_at(const struct recency *r, uint64_t at)
{
	if (r->now - at > RECENCY_NEAR)
		return r->held - recency_rank(r, at) + 1;
	uint64_t w = at >> 6, last = (r->now - 1) >> 6, sum = (uint64_t)__builtin_popcountll(r->bit[w] >> (at & 63));
	while (w < last)
		sum += (uint64_t)__builtin_popcountll(r->bit[++w]);
	return sum;
}

static inline uint64_t recency_depth(const struct recency *r, uint32_t number)
{
	return r->place[number] ? recency_depth_at(r, r->place[number] - 1) : 0;
}

RECENCY_HOT uint64_t recency_lift(struct recency *r, uint32_t number)
{
	uint64_t at = r->place[number];
	bool filled = r->n_holes && (!at || r->hole_top > at - 1);
	if (!at) {
		if (filled)
			recency_fill(r);
		return 0;
	}
	at--;
	uint64_t depth = recency_depth_at(r, at);
	r->place[number] = 0;
	if (filled) {
		r->owner[at] = RECENCY_HOLE;
		recency_open(r, at);
		recency_fill(r);
	} else {
		recency_clear(r, at);
	}
	return depth;
}

RECENCY_HOT enum pw_err recency_push(struct recency *r, uint32_t number)
{
	if (__builtin_expect(r->now == r->room, 0)) {
		enum pw_err err = recency_pack(r);
		if (err != PW_OK)
			return err;
	}
	uint64_t at = r->now++;
	r->bit[at >> 6] |= 1ull << (at & 63);
	r->line[at / RECENCY_LINE]++;
	r->group[at / RECENCY_GROUP]++;
	r->super[at / RECENCY_SUPER]++;
	r->owner[at] = number;
	r->place[number] = (uint32_t)at + 1;
	r->held++;
	return PW_OK;
}

/* The words that the next lift of this number will need, in two steps: first its place, then what lies there. */
static inline void recency_prefetch_place(const struct recency *r, uint32_t number) { __builtin_prefetch(&r->place[number]); }
static inline void recency_prefetch(const struct recency *r, uint32_t number)
{
	uint64_t at = r->place[number];
	if (!at--)
		return;
	__builtin_prefetch(&r->bit[at / RECENCY_LINE * (RECENCY_LINE / 64)], 1);
	const char *lines = (const char *)&r->line[at / RECENCY_LINE & ~63ull];
	__builtin_prefetch(lines, 1);
	__builtin_prefetch(lines + 64, 1);
}
