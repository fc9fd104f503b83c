/* walk.h - the walker: from a root and an address to a frame, or to the first reason why not.
 *
 * One body for every radix format.  It is instantiated per format by calling it with a constant descriptor, and folds into a
 * straight walk of that format's levels.  It reads entries from physical memory, checks each on the way down, and sets the
 * accessed and dirty bits where the format's hardware does.
 *
 * In a guest every physical address it comes across is translated once more, by the host's tables: see nested.h. */
#pragma once
#include "machine.h"

struct walk {
	enum machine_fault fault;
	unsigned level;             /* where it ended: the leaf's level, or that of the entry that stopped it */
	pfn_t pfn;                  /* of the first base frame of the leaf */
	unsigned rights;            /* PT_*, limited by the tables above where the format says so */
	bool dirty;
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

pt_inline enum machine_fault walk_refusal(unsigned rights, const struct walk_want *w)
{
	if (w->user && !(rights & PT_USER))
		return MACHINE_FAULT_PRIVILEGE;
	if (w->kind == ACCESS_STORE && !(rights & PT_WRITE))
		return MACHINE_FAULT_WRITE;
	if (w->kind == ACCESS_FETCH && !(rights & PT_EXEC))
		return MACHINE_FAULT_EXEC;
	if (w->kind == ACCESS_LOAD && !(rights & PT_READ))
		return MACHINE_FAULT_READ;
	return MACHINE_FAULT_NONE;
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
	if (r->pfn.v + pages > mem->frames) {
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
}

/* Walks down from a table of the given level, whose rights so far are given too.
 * => w->va is canonical. */
pt_inline void walk_down(const struct ptfmt *f, struct physmem *mem, pfn_t table, unsigned level, unsigned rights,
			 const struct walk_want *w, struct walk *r, struct nested_walk *second)
{
	const bool kept = f->top_in_registers && level == f->levels - 1u;
	r->reads = 0;
	r->from = level - kept;
	for (;; level--) {
		paddr_t at = paddr((table.v << f->page_shift) + ptfmt_index(f, w->va, level) * f->entry_bytes);
		r->level = level;
		r->table[level] = table;
		r->rights_above[level] = (uint8_t)rights;
		if (at.v + f->entry_bytes > physmem_bytes(mem)) {
			r->fault = MACHINE_FAULT_BADFRAME;
			return;
		}
		r->entry_at = at;
		if (second && !(kept && level == f->levels - 1u) &&
		    !nested_step(second, at, nested_tables_as_stores(second) && w->set_ad ? ACCESS_STORE : ACCESS_LOAD)) {
			r->fault = MACHINE_FAULT_HOST;
			return;
		}
		r->entry = ptfmt_load(f, mem, at);
		r->reads += !(kept && level == f->levels - 1u);
		if (!ptfmt_valid(f, r->entry)) {
			r->fault = MACHINE_FAULT_NOT_PRESENT;
			return;
		}
		bool leaf = ptfmt_is_leaf(f, r->entry, level);
		if (ptfmt_reserved(f, r->entry, level, leaf) || (!leaf && level == 0)) {
			r->fault = f->reserved_is_absent ? MACHINE_FAULT_NOT_PRESENT : MACHINE_FAULT_RESERVED;
			return;
		}
		if (leaf) {
			walk_leaf(f, mem, r, w, rights, second);
			return;
		}
		r->fault = walk_mark(f, mem, r, w, false, second);
		if (r->fault != MACHINE_FAULT_NONE)
			return;
		rights &= ptfmt_table_rights(f, r->entry, level);
		table = ptfmt_pfn(f, r->entry);
	}
}

/* The instance for a format, chosen once: walks from a table at a level. */
typedef void (*walk_fn)(const struct ptfmt *f, struct physmem *mem, pfn_t table, unsigned level, unsigned rights,
			const struct walk_want *w, struct walk *r);
walk_fn walk_instance(const struct ptfmt *f);

/* A whole walk from a root, leaving no trace unless w says so; checks the address first. */
void walk_from_root(const struct ptfmt *f, struct physmem *mem, pfn_t root, const struct walk_want *w, struct walk *r);
