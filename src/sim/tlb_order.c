/* tlb_order.c - a stack as bits in order of time.
 *
 * Problem.  How many pages were asked for since this page was asked for last?  The page goes on top, the others keep their order.
 * Translations can be taken away from the middle.
 *
 * Idea.  Slots in order of time, a bit for each that is still somebody's place.  Going on top takes the next free slot and leaves the
 * old one dead; a position is the number of bits above, counted by words and, further up, by blocks.  When the slots run out, the
 * highest places, as many as anybody asks about, are moved together at the bottom.
 *
 *      slot      0                                                   top
 *      live      1 1 . 1 . . 1 1 . . . 1 . 1 1 . 1 . . . 1 1 1 . 1 1 |
 *      hole      . . . . . . 1 . . . . . . . . . . . . . 1 . . . . .
 *                              ^ a page here has 10 places above it
 *
 * A miss fills the highest hole: places above it move down by one, those below stay.  Here the hole's bit goes, and the page asked for
 * adds one on top.  If the page was below the hole, its own place stays as a hole, for the TLBs that held it (they hit, and fill
 * nothing).
 *
 * Invariants.
 *   1. slot[page] - 1 is live, is no hole, and page_at of it is page; or slot[page] is 0.
 *   2. Every hole is live.  in_block counts the live bits of its block.
 *   3. Places that were let go lie deeper than depth.
 *
 * Rejected: a tree of counts (Fenwick, 1994: a walk through cache lines for each push and take; bits of thousands of slots are a few).
 * Source: R. L. Mattson et al., "Evaluation techniques for storage hierarchies", IBM Systems Journal 9 (1970); the counting of marks
 * in order of time: B. T. Bennett and V. J. Kruskal, "LRU stack processing", IBM J. Res. Dev. 19 (1975). */
#include "tlb_order.h"
#include "../base/mem.h"
#include "tlb_log.h"
#include <string.h>

enum { WORD = 64, BLOCK = 512, SLOTS_MIN = 1 << 14 };

enum pw_err tlb_order_init(struct tlb_order *o, uint32_t depth)
{
	*o = (struct tlb_order){ .depth = depth, .n_slots = SLOTS_MIN };
	while (o->n_slots < 4 * depth)
		o->n_slots *= 2;
	o->live = mem_zalloc(o->n_slots / WORD, sizeof *o->live);
	o->hole = mem_zalloc(o->n_slots / WORD, sizeof *o->hole);
	o->in_block = mem_zalloc(o->n_slots / BLOCK, sizeof *o->in_block);
	o->page_at = mem_zalloc(o->n_slots, sizeof *o->page_at);
	o->slot = mem_reserve((size_t)TLB_PAGES_MAX * sizeof *o->slot);
	if (o->live && o->hole && o->in_block && o->page_at && o->slot)
		return PW_OK;
	tlb_order_fini(o);
	return PW_NOMEM;
}

void tlb_order_fini(struct tlb_order *o)
{
	mem_free(o->live);
	mem_free(o->hole);
	mem_free(o->in_block);
	mem_free(o->page_at);
	mem_unreserve(o->slot, (size_t)TLB_PAGES_MAX * sizeof *o->slot);
	*o = (struct tlb_order){ 0 };
}

static void bit_set(uint64_t *bits, uint32_t slot) { bits[slot / WORD] |= 1ull << slot % WORD; }
static void bit_clear(uint64_t *bits, uint32_t slot) { bits[slot / WORD] &= ~(1ull << slot % WORD); }

static void forget_all(struct tlb_order *o)
{
	memset(o->live, 0, o->n_slots / WORD * sizeof *o->live);
	memset(o->hole, 0, o->n_slots / WORD * sizeof *o->hole);
	memset(o->in_block, 0, o->n_slots / BLOCK * sizeof *o->in_block);
	o->top = o->n_holes = o->hole_top = 0;
}

void tlb_order_clear(struct tlb_order *o)
{
	for (uint32_t at = 0; at < o->top; at++)
		if (o->live[at / WORD] >> at % WORD & 1)
			o->slot[o->page_at[at]] = 0;
	forget_all(o);
}

static void place_at(struct tlb_order *o, uint32_t page)
{
	o->page_at[o->top] = page;
	bit_set(o->live, o->top);
	o->in_block[o->top / BLOCK]++;
	if (page) {
		o->slot[page] = ++o->top;
		return;
	}
	bit_set(o->hole, o->top);
	o->n_holes++;
	o->hole_top = ++o->top;
}

/* The highest places, page or hole (0), are gathered from the top down and put back from the bottom up. */
static void compact(struct tlb_order *o)
{
	uint32_t kept = 0, lowest = o->n_slots;
	for (uint32_t at = o->top; at-- > 0;) {
		if (!(o->live[at / WORD] >> at % WORD & 1))
			continue;
		bool is_hole = o->hole[at / WORD] >> at % WORD & 1;
		if (kept++ < o->depth)
			o->page_at[--lowest] = is_hole ? 0 : o->page_at[at];
		else if (!is_hole)
			o->slot[o->page_at[at]] = 0;
	}
	uint32_t end = o->n_slots;
	forget_all(o);
	for (uint32_t at = lowest; at < end; at++)
		place_at(o, o->page_at[at]);
}

void tlb_order_push(struct tlb_order *o, uint32_t page)
{
	if (o->top == o->n_slots)
		compact(o);
	place_at(o, page);
}

static inline uint32_t places_above(const struct tlb_order *o, uint32_t slot)
{
	uint32_t word = slot / WORD, block_end = (slot / BLOCK + 1) * (BLOCK / WORD), blocks = (o->top + BLOCK - 1) / BLOCK;
	uint32_t n = (uint32_t)__builtin_popcountll(o->live[word] >> slot % WORD >> 1);
	for (word++; word < block_end; word++)
		n += (uint32_t)__builtin_popcountll(o->live[word]);
	for (uint32_t b = slot / BLOCK + 1; b < blocks && n < o->depth; b++)
		n += o->in_block[b];
	return n < o->depth ? n : o->depth;
}

/* The slot of the highest hole.  => there is one */
static uint32_t highest_hole(struct tlb_order *o)
{
	uint32_t word = (o->hole_top - 1) / WORD;
	while (!o->hole[word])
		word--;
	uint32_t at = word * WORD + (WORD - 1 - (uint32_t)__builtin_clzll(o->hole[word]));
	o->hole_top = at + 1;
	return at;
}

static void make_hole(struct tlb_order *o, uint32_t at)
{
	bit_set(o->hole, at);
	o->page_at[at] = 0;
	o->n_holes++;
	if (o->hole_top <= at)
		o->hole_top = at + 1;
}

static void close_place(struct tlb_order *o, uint32_t at)
{
	bit_clear(o->live, at);
	o->in_block[at / BLOCK]--;
}

static void close_hole(struct tlb_order *o, uint32_t at)
{
	bit_clear(o->hole, at);
	o->n_holes--;
	close_place(o, at);
}

__attribute__((target_clones("avx2", "default"), flatten))
uint32_t tlb_order_take(struct tlb_order *o, uint32_t page)
{
	uint32_t slot = o->slot[page], at = slot - 1, position = slot ? places_above(o, at) : o->depth;
	uint32_t hole = o->n_holes ? highest_hole(o) : 0;
	o->slot[page] = 0;
	if (o->n_holes && (!slot || hole > at)) {
		close_hole(o, hole);
		if (slot)
			make_hole(o, at);
	} else if (slot) {
		close_place(o, at);
	}
	return position;
}

void tlb_order_hole(struct tlb_order *o, uint32_t page)
{
	if (!o->slot[page])
		return;
	make_hole(o, o->slot[page] - 1);
	o->slot[page] = 0;
}
