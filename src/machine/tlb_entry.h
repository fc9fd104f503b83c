/* tlb_entry.h - a translation, as TLBs keep it: where a page is, how large it is, and what may be done with it.
 *
 * It is one word, so that it is made and copied in a register:
 *
 *   63                       12  11   9    8      7     3  2     0
 *  +---------------------------+------+-------+---------+-------+   quick: kinds (bit per kind) of references that came through
 *  | first base frame          |quick | dirty | rights  | level |          this very slot, and may have a quick word for it
 *  +---------------------------+------+-------+---------+-------+ */
#pragma once
#include "ptfmt.h"

struct tlb_entry {
	uint64_t word;
};

#define TLB_ENTRY_DIRTY (1ull << 8)
#define TLB_ENTRY_QUICK (7ull << 9)

static inline struct tlb_entry tlb_entry_make(pfn_t f, unsigned level, unsigned rights, bool dirty)
{
	return (struct tlb_entry){ f.v << 12 | (uint64_t)dirty << 8 | rights << 3 | level };
}
static inline pfn_t tlb_entry_pfn(struct tlb_entry e) { return pfn(e.word >> 12); }
static inline unsigned tlb_entry_level(struct tlb_entry e) { return e.word & 7; }
static inline unsigned tlb_entry_rights(struct tlb_entry e) { return e.word >> 3 & 31; }
static inline bool tlb_entry_dirty(struct tlb_entry e) { return e.word & TLB_ENTRY_DIRTY; }
static inline bool tlb_entry_simple(struct tlb_entry e) { return !(e.word & (7 | PT_GLOBAL << 3)); } /* a base page, not global */
static inline unsigned tlb_entry_quick(struct tlb_entry e) { return e.word >> 9 & 7; }
