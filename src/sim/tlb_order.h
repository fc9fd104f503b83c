/* tlb_order.h - the LRU stack of a fully associative TLB of any size, holes included.
 *
 * A page has a place when it is on the stack; its position is how many places lie above it, and it is in every TLB that has more
 * entries than that.  A hole is a place whose translation was taken away: TLBs below it fill it before they give anything up. */
#pragma once
#include "../base/err.h"
#include <stdbool.h>
#include <stdint.h>

struct tlb_order {
	uint64_t *live, *hole;   /* a bit for each slot: is it a place, and has that become a hole? */
	uint16_t *in_block;      /* places in each block of slots */
	uint32_t *page_at;       /* whose place */
	uint32_t *slot;          /* of each page, plus one; 0: it has no place.  Reserved for as many pages as there can be */
	uint32_t n_slots, top;   /* slots from top on are not used yet */
	uint32_t depth;          /* positions from here on are all the same: too deep */
	uint32_t n_holes, hole_top; /* no hole is at or above hole_top */
};

/* => on error nothing is left open */
must_use enum pw_err tlb_order_init(struct tlb_order *o, uint32_t depth);
void tlb_order_fini(struct tlb_order *o);
void tlb_order_clear(struct tlb_order *o);
/* Puts a page that has no place on top. */
void tlb_order_push(struct tlb_order *o, uint32_t page);
/* Takes a page off, as one that was just asked for: the highest hole above its place closes, and then its own place becomes one.
 * => the position it had, at most depth: which is also the answer for a page without a place. */
uint32_t tlb_order_take(struct tlb_order *o, uint32_t page);
/* The place of a page becomes a hole. */
void tlb_order_hole(struct tlb_order *o, uint32_t page);
