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

#define TLB_ASID_GLOBAL 0xffff
#define TLB_DEPTH       9 /* levels are digits 1 to 9 */

struct tlb_entry {
	pfn_t pfn;
	uint8_t level, rights;
	bool dirty;
};

struct tlb_array {
	struct tlb_geometry shape;
	uint32_t first, sets;
	uint8_t group;
};

/* What a lookup at one depth consults, for one kind of access. */
struct tlb_rank {
	uint8_t array[TLB_ARRAYS], n;
	uint8_t group[TLB_ARRAYS], n_groups;
};

struct tlb_group {
	const char *name;
	uint64_t accesses, misses;  /* accesses: beyond those that are counted as references */
	uint8_t first_for;          /* kinds (1 << kind) that look here first: every reference is an access */
};

struct tlb_bank {
	struct tlb_array array[TLB_ARRAYS];
	unsigned n_arrays;
	struct tlb_rank rank[ACCESS_KINDS][TLB_DEPTH];
	uint8_t depth[ACCESS_KINDS];
	struct tlb_group group[TLB_ARRAYS];
	unsigned n_groups;
	uint32_t n_slots, n_first;  /* slots below n_first belong to arrays that some kind looks up first */
	uint64_t *tag, *stamp, *filled;
	struct tlb_entry *entry;
	uint8_t levels_used;        /* page levels ever inserted: others need no probe */
	uint8_t level_shift[PTFMT_LEVELS];
	bool globals_used;
	struct rng rng;
};

must_use enum pw_err tlb_bank_init(struct tlb_bank *b, const struct cpu_model *model, const struct ptfmt *format, uint64_t seed,
				   struct pw_why *why);
void tlb_bank_fini(struct tlb_bank *b);

#define TLB_SLOT_NONE UINT32_MAX

static inline uint64_t tlb_tag(const struct tlb_bank *b, vaddr_t va, uint16_t asid, unsigned level)
{
	return va.v >> b->level_shift[level] << 19 | (uint64_t)asid << 3 | (level + 1);
}

/* The slot of one array that holds the page of va at a level, or TLB_SLOT_NONE. */
static inline uint32_t tlb_probe(const struct tlb_bank *b, const struct tlb_array *a, vaddr_t va, uint16_t asid, unsigned level)
{
	uint64_t page = va.v >> b->level_shift[level], want = page << 19 | (uint64_t)asid << 3 | (level + 1);
	uint32_t base = a->first + (uint32_t)(page % a->sets) * a->shape.ways;
	for (uint32_t i = base; i < base + a->shape.ways; i++)
		if (b->tag[i] == want)
			return i;
	return TLB_SLOT_NONE;
}

/* Looks at one depth for one kind of access; counts nothing. */
uint32_t tlb_lookup(const struct tlb_bank *b, enum access_kind kind, unsigned depth, vaddr_t va, uint16_t asid);
/* The slot that a page of this level would replace at that depth, or TLB_SLOT_NONE when no array there holds such pages. */
uint32_t tlb_victim(struct tlb_bank *b, enum access_kind kind, unsigned depth, vaddr_t va, unsigned level);
