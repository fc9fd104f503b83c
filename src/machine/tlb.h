/* tlb.h - translation caches: what they look like, and what they counted.
 *
 * An array of the hierarchy serves some kinds of access and some page sizes at some level.  Levels are looked up in order; a hit
 * fills the levels above, a miss in all of them walks and fills all.  The set is vpn mod sets (of the page size), so sets need
 * not be a power of two.  Arrays of the same name and level are one TLB to the counters: a hit in one of them is its hit. */
#pragma once
#include "../base/err.h"
#include <stdbool.h>
#include <stdint.h>

#define TLB_REPLACE_LIST(X) X(lru) X(plru) X(fifo) X(random)
enum tlb_replace {
#define X(name) TLB_##name,
	TLB_REPLACE_LIST(X)
#undef X
	TLB_REPLACE_KINDS
};

enum { TLB_LOADS = 1, TLB_STORES = 2, TLB_FETCHES = 4, TLB_DATA = 3, TLB_ALL = 7 }; /* bit = 1 << access_kind */

struct tlb_geometry {
	char name[16];          /* "l1d", "l1i", "l2": who counts */
	uint8_t level;           /* 1 is looked up first */
	uint8_t kinds;           /* TLB_* */
	uint8_t page_levels;     /* bit n: holds leaves of level n of the format */
	uint32_t entries, ways;  /* ways == entries: fully associative */
	enum tlb_replace replace;
};

struct tlb_counts {
	const char *name;
	uint64_t accesses, hits, misses;
};

#define TLB_ARRAYS 16

/* Reads "l1d=64/4,l2=1536/12:plru" (entries/ways, fa = fully associative; a number of entries alone is fully associative).
 * A trailing i or d in the name limits the kinds, the digit is the level.  An array holds every page size.
 * => *n is at most TLB_ARRAYS. */
must_use enum pw_err tlb_parse(const char *text, struct tlb_geometry *ret, unsigned *n, struct pw_why *why);
