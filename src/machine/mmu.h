/* mmu.h - one CPU's memory management unit, and the machine around it.  Private to the machine room.
 *
 * A reference first meets the quick index, a direct-mapped table from (page, kind of access) to the first-rank TLB slot that
 * holds the page with every right this kind needs:
 *
 *      reference   | virtual page number              | offset  | kind |
 *      quick word  | virtual page number              | slot    | kind |      equal but for the offset: a hit
 *
 * A match means the reference hits the first TLB level and changes nothing but the time of last use, so it is one comparison
 * and one store.  Whatever is rare (a first store to a clean page, a right that is missing, a page seldom used) has no quick
 * word and takes the whole story (struct served).  The index is only ever a subset of the truth in the bank.
 *
 * Invariants:
 *  1. A quick word names a used first-rank slot whose entry covers its page and grants its kind (for stores: is dirty).
 *  2. frame_use.last_use of a frame is exact once mmu_settle() has run; in between, newer times wait in first-rank stamps. */
#pragma once
#include "pwc.h"
#include "tlb_bank.h"
#include "walk.h"

/* Why a host did not translate. */
struct nested_stop {
	paddr_t at;
	enum access_kind kind;
	enum machine_fault fault;
};

#define QUICK_BITS 12
#define QUICK_NONE UINT64_MAX /* kind 3 does not exist */

/* Where the leaf table of a region of addresses was found last: a guess, for looking ahead. */
enum { LEAF_TABLES = 256, AHEAD = 16, FORESEEN = AHEAD / 2 };
struct leaf_table {
	uint64_t region; /* plus one; 0: none */
	pfn_t table;
};

struct cpu {
	uint64_t quick[1 << QUICK_BITS];
	struct tlb_bank tlb;
	struct pwc pwc[PTFMT_LEVELS];
	pfn_t root, upper;       /* upper: of the second root, where the format has two; none: PFN_NONE */
	uint16_t asid;
	struct leaf_table leaf_table[LEAF_TABLES];
	paddr_t foreseen[FORESEEN];     /* leaf entries of references to come, guessed; any place in memory will do */
	bool user, has_space;
	struct nested_stop stop; /* a guest's last host fault */
};

/* When a frame was last referenced, whether it is in the log, and how many walks ended in it since that was last taken.  What a
 * walk changes of a frame lies together: in a storm of misses each line of the host's memory counts.  The log lies beside: entry n of
 * it in the record of frame n, for it has at most as many entries as there are frames. */
struct frame_use {
	uint64_t logged : 1;
	uint64_t last_use : 63;
	uint32_t walks;
	uint32_t log;
};
_Static_assert(sizeof(struct frame_use) == 16, "the promise of memory per simulated frame counts on it");

#define TOUCHED_PORTION 512

/* What became of references that were served. */
struct served {
	uint64_t done;
	struct tlb_entry last;       /* the translation of the last one done */
	enum machine_fault fault;    /* of the next, if it has one */
};
/* The whole story of references, one after the other: translate, fill, count, remember.  The first of them, made at the time now, is
 * served in any case, and those that follow until one is a quick hit, or faults.  => of a fault nothing is counted but the fault */
typedef struct served (*mmu_serve_fn)(struct machine *m, struct cpu *c, const ref_t *refs, uint64_t n, uint64_t now);

struct machine {
	struct machine_config config;
	struct ptfmt format;
	struct cpu_model model;
	mmu_serve_fn serve;
	unsigned top;            /* levels that walks read */
	struct physmem mem;
	struct cpu *cpu;
	struct machine_counts counts;   /* but for what follows from walked[][] */
	uint64_t walked[PTFMT_LEVELS][PTFMT_LEVELS]; /* [n][k]: walks that read entries of levels n to k, and found a leaf there */
	struct machine_nested nested;
	unsigned kernel_cpu;     /* where flushes are asked for */
	uint64_t changes;        /* flushes of any kind: a guest's translations are made from ours */
	uint64_t host_changes;   /* those of the host that our TLBs have followed */
	uint64_t now;            /* references done */
	uint64_t keep;           /* the bits of a reference that the quick index compares */
	struct frame_use *frame;
	uint64_t settled;        /* time at which first-rank stamps were last written to frames */
	uint64_t log_n;          /* frames touched since the last drain, in frame[0 .. log_n).log; the drain sorts them */
	uint64_t log_told;       /* of them, by the drain in progress */
	uint64_t drained;        /* time of the last drain */
	pfn_t expected;          /* log_every: the frame whose reference at expected_at is not logged */
	uint64_t expected_at;
	pfn_t *every;            /* log_every: MACHINE_LOG frames, of which the first log_n were referenced, in order */
	pfn_t told[TOUCHED_PORTION];
};

/* Where the quick word of a reference is; kept is the reference without its offset.  Multiplying spreads pages and kinds over the
 * index (Knuth, 6.4), because two that share a place and are used in turn would both miss forever. */
static inline uint64_t quick_index(uint64_t kept)
{
	return kept * 0x9e3779b97f4a7c15ull >> (64 - QUICK_BITS);
}

/* The first-rank slot of a quick hit, or QUICK_NONE; keep is machine.keep. */
static inline uint64_t quick_slot(const struct cpu *c, uint64_t keep, ref_t ref)
{
	uint64_t kept = ref.word & keep, slot = c->quick[quick_index(kept)] ^ kept;
	return slot & keep ? QUICK_NONE : slot >> REF_KIND_BITS;
}

/* The root register that translates an address. */
static inline pfn_t mmu_root(const struct machine *m, const struct cpu *c, vaddr_t va)
{
	return ptfmt_upper(&m->format, va) ? c->upper : c->root;
}

/* What serves references of machines with this format. */
mmu_serve_fn mmu_instance(const struct ptfmt *f);
/* Frames learn the times that wait in the stamps of first-rank slots. */
void mmu_settle(struct machine *m);
/* An entry goes: its time is kept, its quick words vanish. */
void mmu_retire(struct machine *m, struct cpu *c, uint32_t slot);
void mmu_quick_clear(struct cpu *c);
void mmu_pwc_flush(struct cpu *c, const uint16_t *asid); /* NULL: all */
/* Every CPU forgets every translation, of its own accord: nobody is interrupted for it. */
void mmu_forget(struct machine *m);
