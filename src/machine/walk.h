/* walk.h - the walker: from a root and an address to a frame, or to the first reason why not.
 *
 * One body for every radix format.  Called with a constant descriptor, as the MMU does for each format, it folds into a straight
 * walk of that format's levels.  It reads entries from physical memory, checks each on the way down, and sets the
 * accessed and dirty bits where the format's hardware does.
 *
 * In a guest every physical address it comes across is translated once more, by the host's tables: see nested.h. */
#pragma once
#include "machine.h"
#include "tlb_entry.h"

struct walk {
	enum machine_fault fault;
	unsigned level;             /* where it ended: the leaf's level, or that of the entry that stopped it */
	pfn_t pfn;                  /* of the first base frame of the leaf */
	unsigned rights;            /* PT_*, limited by the tables above where the format says so */
	bool dirty;
	struct tlb_entry e;         /* of a walk without fault: what TLBs keep of it */
	paddr_t entry_at;           /* the last entry read */
	pte_t entry;
	unsigned reads;             /* entries read */
	unsigned from;              /* level of the first of them, or of the first that would have been */
	pfn_t table[PTFMT_LEVELS];  /* [n]: the table of level n that was visited, or begun from */
	unsigned host_steps;        /* of a guest: addresses the host translated, and entries of its tables that were read for it */
	uint64_t host_reads;
	uint8_t rights_above[PTFMT_LEVELS]; /* [n]: rights granted by the tables above table[n] */
};

struct walk_want {
	vaddr_t va;
	enum access_kind kind;
	bool user;
	bool set_ad;     /* false: look without leaving a trace */
	bool software_ad;/* clear accessed or dirty bits fault instead of being set */
};

/* The second stage, for guests: has the host translate one of the walk's physical addresses, for a kind of access.
 * => false: it cannot, and remembers why. */
struct nested_walk;
bool nested_step(struct nested_walk *n, paddr_t at, enum access_kind kind);
bool nested_tables_as_stores(const struct nested_walk *n); /* reading a table counts as storing to it */

_Static_assert(PT_READ == 1 << ACCESS_LOAD && PT_WRITE == 1 << ACCESS_STORE && PT_EXEC == 1 << ACCESS_FETCH, "see walk_refusal");

pt_inline enum machine_fault walk_refusal(unsigned rights, const struct walk_want *w)
{
	if (__builtin_expect(!(~rights & (1u << w->kind | (w->user ? PT_USER : 0))), 1))
		return MACHINE_FAULT_NONE;
	if (w->user && !(rights & PT_USER))
		return MACHINE_FAULT_PRIVILEGE;
	if (w->kind == ACCESS_STORE)
		return MACHINE_FAULT_WRITE;
	return w->kind == ACCESS_FETCH ? MACHINE_FAULT_EXEC : MACHINE_FAULT_READ;
}

/* Sets the bits of the entry a use of it leaves behind.  => the fault when software must do it. */
pt_inline enum machine_fault walk_mark(const struct ptfmt *f, struct physmem *mem, struct walk *r, const struct walk_want *w,
				       bool leaf, struct nested_walk *second)
{
	const pte_t marked = ptfmt_mark(f, r->entry, true, leaf && w->kind == ACCESS_STORE);
	if (marked.v == r->entry.v || !w->set_ad || (!leaf && (!(f->accessed_on_tables >> r->level & 1) || w->software_ad)))
		return MACHINE_FAULT_NONE;
	if (w->software_ad || !f->ad_by_hardware)
		return ptfmt_accessed(f, r->entry) ? MACHINE_FAULT_DIRTY : MACHINE_FAULT_ACCESSED;
	if (second && !nested_step(second, r->entry_at, ACCESS_STORE))
		return MACHINE_FAULT_HOST;
	r->entry = marked;
	ptfmt_store(f, mem, r->entry_at, r->entry);
	return MACHINE_FAULT_NONE;
}

/* The leaf at r->entry is reached: is this access allowed, and what does it leave behind? */
pt_inline void walk_leaf(const struct ptfmt *f, struct physmem *mem, struct walk *r, const struct walk_want *w, unsigned rights,
			 struct nested_walk *second)
{
	uint64_t pages = ptfmt_level_pages(f, r->level);
	r->rights = ptfmt_rights_below(f, r->entry, rights);
	r->pfn = pfn(ptfmt_pfn(f, r->entry).v & ~(pages - 1));
	if (__builtin_expect(r->pfn.v + pages > mem->frames, 0)) {
		r->fault = MACHINE_FAULT_BADFRAME;
		return;
	}
	r->fault = walk_refusal(r->rights, w);
	if (r->fault == MACHINE_FAULT_NONE)
		r->fault = walk_mark(f, mem, r, w, true, second);
	uint64_t at = (r->pfn.v << f->page_shift) + (w->va.v & ((pages << f->page_shift) - 1));
	if (second && r->fault == MACHINE_FAULT_NONE && !nested_step(second, paddr(at), w->kind))
		r->fault = MACHINE_FAULT_HOST;
	r->dirty = ptfmt_dirty(f, r->entry);
	r->e = tlb_entry_make(r->pfn, r->level, r->rights, r->dirty);
}

/* One step down: reads the entry of this level.  => true: it points to *table, of the level below; else the walk has ended */
pt_inline bool walk_step(const struct ptfmt *f, struct physmem *mem, unsigned level, pfn_t *table, unsigned *rights,
			 const struct walk_want *w, struct walk *r, struct nested_walk *second)
{
	const bool in_register = f->top_in_registers && level == f->levels - 1u;
	const paddr_t at = paddr((table->v << f->page_shift) + ptfmt_index(f, w->va, level) * f->entry_bytes);
	r->level = level;
	r->table[level] = *table;
	r->rights_above[level] = (uint8_t)*rights;
	r->fault = MACHINE_FAULT_BADFRAME;
	const bool within_frame = f->entry_bytes << f->index_bits[level] <= 1 << f->page_shift;
	if (__builtin_expect(within_frame ? table->v >= mem->frames : at.v + f->entry_bytes > physmem_bytes(mem), 0))
		return false;
	r->entry_at = at;
	r->fault = MACHINE_FAULT_HOST;
	if (second && !in_register &&
	    !nested_step(second, at, nested_tables_as_stores(second) && w->set_ad ? ACCESS_STORE : ACCESS_LOAD))
		return false;
	r->entry = ptfmt_load(f, mem, at);
	r->reads = r->from + 1 - level;
	r->fault = MACHINE_FAULT_NOT_PRESENT;
	if (__builtin_expect(!ptfmt_valid(f, r->entry), 0))
		return false;
	const bool leaf = ptfmt_is_leaf(f, r->entry, level);
	r->fault = f->reserved_is_absent ? MACHINE_FAULT_NOT_PRESENT : MACHINE_FAULT_RESERVED;
	if (__builtin_expect(ptfmt_reserved(f, r->entry, level, leaf) || (!leaf && level == 0), 0))
		return false;
	if (__builtin_expect(leaf, level == 0)) {
		walk_leaf(f, mem, r, w, *rights, second);
		return false;
	}
	r->fault = walk_mark(f, mem, r, w, false, second);
	*rights &= ptfmt_table_rights(f, r->entry, level);
	*table = ptfmt_pfn(f, r->entry);
	return r->fault == MACHINE_FAULT_NONE;
}

/* Walks down from a table of the given level, whose rights so far are given too.  The loop is over all levels of the format, so that
 * it unrolls and each step knows its level: what begins lower jumps over the first.
 * => w->va is canonical. */
pt_inline void walk_down(const struct ptfmt *f, struct physmem *mem, pfn_t table, unsigned level, unsigned rights,
			 const struct walk_want *w, struct walk *r, struct nested_walk *second)
{
	r->reads = 0;
	r->from = level - (f->top_in_registers && level == f->levels - 1u);
#pragma GCC unroll 5
	for (unsigned n = f->levels; n-- > 0;)
		if (n <= level && !walk_step(f, mem, n, &table, &rights, w, r, second))
			return;
}

/* A whole walk from a root, leaving no trace unless w says so; checks the address first. */
void walk_from_root(const struct ptfmt *f, struct physmem *mem, pfn_t root, const struct walk_want *w, struct walk *r);
/* The same for one format, several times as fast. */
typedef void (*walk_fn)(const struct ptfmt *f, struct physmem *mem, pfn_t root, const struct walk_want *w, struct walk *r);
walk_fn walk_instance(const struct ptfmt *f);
