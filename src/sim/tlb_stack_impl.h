/* tlb_stack_impl.h - what the files of tlb_stack share: tlb_stack.c (references), tlb_stack_build.c (making, and what came of it). */
#pragma once
#include "tlb_order.h"
#include "tlb_stack.h"

enum { TOP = 4, LINE = 16, WINDOW = TOP + 2 * LINE, SETS_MAX = 64, LOW_BITS = 15 };
enum { NEAR = 3, NEAR_PATTERNS = 16 + 16 * 16 + 16 * 16 * 16 }; /* hits at most this deep are counted by pattern */

/* What is kept for one number of sets above one. */
struct sets {
	uint32_t sets, ways;         /* ways: distances from here on are all the same */
	uint32_t length;             /* of a list: ways, rounded up to whole lines */
	uint32_t mask;               /* sets - 1 for a power of two, else 0 */
	unsigned bits;               /* log2 of a power of two */
	uint32_t *list;              /* [set * length + index]: a page, 0: a hole */
	uint64_t *distance;          /* [0 .. ways]: references at that distance, from 1 on */
	struct tlb_shape_set *miss;  /* [distance]: shapes of so many sets that miss there */
	uint32_t in_window[WINDOW];  /* the set of each page of the window, unless a power of two */
};

enum { PAGE_NEW, PAGE_KNOWN, PAGE_FLUSHED };

struct tlb_stack {
	const struct tlb_pages *pages;
	const uint32_t *group;       /* base page -> page; NULL: the same */
	const uint64_t *key;         /* page -> its number in the address space */
	uint32_t n;                  /* pages in the window */
	uint32_t window[WINDOW];
	uint32_t low[WINDOW];        /* low bits of their page numbers */
	uint64_t shared[2 * (LOW_BITS + 1)][2]; /* [common low bits]: a byte for each power of two up to there; upper half: none */
	struct sets set[SETS_MAX];   /* powers of two in order, then the others */
	unsigned n_sets, n_powers;
	bool near_usable;            /* all numbers of sets are powers of two */
	uint64_t near[NEAR_PATTERNS];/* hits by the common low bits with each page above; not yet in depth and distance */
	struct tlb_shape_set *near_miss;
	bool near_any[NEAR_PATTERNS];
	struct tlb_order order;
	uint64_t *depth;             /* [0 .. order.depth]: references at that distance with one set */
	struct tlb_shape_set *depth_miss;
	struct tlb_shape_set all;
	struct tlb_shape shape[TLB_SHAPES];
	unsigned n_shapes, shape_words, leaf;
	struct tlb_walks *walks;
	uint32_t *state;             /* of each page: epoch << 2 | PAGE_* */
	uint32_t epoch;              /* raised when everything is flushed */
	struct tlb_stack_counts counts;
};

/* Puts n hits of a pattern where hits are counted; miss (may be NULL) gathers who misses. */
void tlb_stack_pattern(struct tlb_stack *s, unsigned pattern, uint64_t n, struct tlb_shape_set *miss);
