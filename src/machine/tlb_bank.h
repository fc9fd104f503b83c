/* tlb_bank.h - all translation caches of one CPU, as one bank of slots.
 *
 * The arrays of the hierarchy lie one after another in the bank; a slot number says everything about an entry.  Each slot has a
 * stamp, the time of its last use, and the time it was filled.  Every replacement is decided from these when a victim is
 * needed, never on a hit: lru takes the oldest stamp, fifo the oldest fill, and tree-plru, whose bits point away from the half
 * used last, follows the half whose newest stamp is older.  So a hit, whatever the replacement, is one store of the time.
 *
 *   tag:   63                    19 18        3 2       0
 *         +------------------------+-----------+---------+
 *         | page number            | asid      | level+1 |     0: the slot is empty
 *         +------------------------+-----------+---------+
 */
#pragma once
#include "../base/rng.h"
#include "machine.h"
#include "tlb_entry.h"

#define TLB_ASID_GLOBAL 0xffff
#define TLB_DEPTH       9 /* levels are digits 1 to 9 */

struct tlb_array {
	struct tlb_geometry shape;
	uint32_t first, sets;
	uint32_t sets_mask;         /* sets - 1 when that is a power of two */
	uint32_t sets_odd;          /* their number when it is not, else 0 */
	uint32_t stride;            /* slots from set to set: ways, rounded up to whole vectors */
	uint8_t group;
};

/* What a lookup at one depth consults, for one kind of access. */
struct tlb_rank {
	const struct tlb_array *plain; /* the only array for base pages, with lru replacement: one scan finds entry and victim */
	uint32_t groups;        /* bit n: group n is consulted */
	uint8_t array[TLB_ARRAYS], n;
};

struct tlb_bank {
	struct tlb_array array[TLB_ARRAYS];
	unsigned n_arrays;
	struct tlb_rank rank[ACCESS_KINDS][TLB_DEPTH];
	uint8_t depth[ACCESS_KINDS];
	uint64_t ended[ACCESS_KINDS][TLB_DEPTH + 1]; /* [rank]: searches that found their page there; [depth]: nowhere */
	const char *group[TLB_ARRAYS]; /* names: who counts */
	unsigned n_groups;
	uint32_t n_slots, n_first;  /* slots below n_first belong to arrays that some kind looks up first */
	uint64_t *tag, *stamp, *filled; /* an empty slot is 0 in all three; filled is not kept for plain ranks, which never ask */
	struct tlb_entry *entry;
	uint8_t levels_used;        /* page levels ever inserted, and that of base pages: others need no probe */
	uint8_t level_shift[PTFMT_LEVELS];
	bool globals_used;
	bool simple;                /* only base pages, none of them global, were ever inserted */
	struct rng rng;
};

must_use enum pw_err tlb_bank_init(struct tlb_bank *b, const struct cpu_model *model, const struct ptfmt *format, uint64_t seed,
				   struct pw_why *why);
void tlb_bank_fini(struct tlb_bank *b);

#define TLB_SLOT_NONE (UINT32_MAX - 3) /* and above: what a scan without a hit gives */

/* Searching a set, four slots at a time: which slot holds a tag, or else which has the least time.  A time and its slot number
 * share a word, so the least word is the answer; a time of 2^55 references is out of reach.  The slots that pad a set to whole
 * vectors never match and are never least. */
#define SCAN_LANES    4
#define SCAN_MOST     256 /* slots in one scan */
#define SCAN_PAD_TIME (INT64_MAX >> 8)
typedef int64_t scan_lanes __attribute__((vector_size(8 * SCAN_LANES), aligned(8), may_alias));

/* By address, for there may be no registers of this size. */
static inline __attribute__((always_inline)) void scan_words(scan_lanes *ret, const uint64_t *tag, const uint64_t *time, uint64_t want,
							     const scan_lanes *index)
{
	scan_lanes match = *(const scan_lanes *)tag == (int64_t)want;
	*ret = *(const scan_lanes *)time << 8 | *index | match << 63;
}
static inline __attribute__((always_inline)) void scan_least(scan_lanes *least, const scan_lanes *other)
{
	scan_lanes less = *other < *least;
	*least = (less & *other) | (~less & *least);
}

/* The word found: its slot counts from the start of what was scanned. */
struct scan {
	int64_t word;
};
static inline uint32_t scan_slot(struct scan s) { return (uint32_t)s.word & (SCAN_MOST - 1); }
static inline bool scan_found(struct scan s) { return s.word < 0; } /* the tag; else the slot is the oldest */

/* The slot that holds the tag counts as older than all, by the sign: so one search for the least word finds it, or the oldest.
 * => n is not 0 */
static inline __attribute__((always_inline)) struct scan scan_set(const uint64_t *tag, const uint64_t *time, uint32_t n,
								  uint64_t want)
{
	scan_lanes index = { 0, 1, 2, 3 }, least, other;
	scan_words(&least, tag, time, want, &index);
	for (uint32_t i = SCAN_LANES; i < n; i += SCAN_LANES) {
		index += SCAN_LANES;
		scan_words(&other, tag + i, time + i, want, &index);
		scan_least(&least, &other);
	}
	other = __builtin_shuffle(least, (scan_lanes){ 2, 3, 0, 1 });
	scan_least(&least, &other);
	other = __builtin_shuffle(least, (scan_lanes){ 1, 0, 3, 2 });
	scan_least(&least, &other);
	return (struct scan){ least[0] };
}

/* The same for sets of any size. */
static inline uint32_t scan_find(const uint64_t *tag, uint32_t n, uint64_t want)
{
	for (uint32_t i = 0; i < n; i++)
		if (tag[i] == want)
			return i;
	return TLB_SLOT_NONE;
}

static inline uint64_t tlb_tag(const struct tlb_bank *b, vaddr_t va, uint16_t asid, unsigned level)
{
	return va.v >> b->level_shift[level] << 19 | (uint64_t)asid << 3 | (level + 1);
}

/* The first slot of the set of a page. */
static inline uint32_t tlb_set(const struct tlb_array *a, uint64_t page)
{
	uint64_t set = __builtin_expect(a->sets_odd != 0, 0) ? page % a->sets_odd : page & a->sets_mask;
	return a->first + (uint32_t)set * a->stride;
}

/* The slot of one array that holds the page of va at a level, or TLB_SLOT_NONE. */
static inline uint32_t tlb_probe(const struct tlb_bank *b, const struct tlb_array *a, vaddr_t va, uint16_t asid, unsigned level)
{
	uint64_t page = va.v >> b->level_shift[level], want = page << 19 | (uint64_t)asid << 3 | (level + 1);
	uint32_t base = tlb_set(a, page);
	uint32_t found = scan_find(b->tag + base, a->shape.ways, want);
	return found == TLB_SLOT_NONE ? found : base + found;
}

static inline uint64_t tlb_tag_of_page(uint64_t page, uint16_t asid, unsigned level)
{
	return page << 19 | (uint64_t)asid << 3 | (level + 1);
}

/* Looks at one depth for one kind of access; counts nothing. */
uint32_t tlb_lookup(const struct tlb_bank *b, enum access_kind kind, unsigned depth, vaddr_t va, uint16_t asid);
/* The slot that a page of this level would replace at that depth, or TLB_SLOT_NONE when no array there holds such pages. */
uint32_t tlb_victim(struct tlb_bank *b, enum access_kind kind, unsigned depth, vaddr_t va, unsigned level);
