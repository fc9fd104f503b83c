/* ptfmt.h - page-table formats as data.
 *
 * The language, the same for every format:
 *   entry   a word in a table; level 0 entries map base pages, a level n entry covers 2^(index bits below) times as much
 *   leaf    an entry that maps memory; a table entry points to the table one level down
 *   index   the slice of the virtual address that picks the entry at a level
 *   root    the frame of the top-level table: what CR3, satp or TTBR hold
 *
 * A format is one const descriptor.  Everything that reads or writes entries is an inline function over a descriptor, so with a
 * constant argument the compiler folds it into the code a hand-written walker would have; the explainer, the drawings and the
 * law tests read the same descriptor. */
#pragma once
#include "../base/addr.h"
#include "../base/err.h"
#include "access.h"
#include "physmem.h"
#include <stdbool.h>
#include <stdint.h>

#define PTFMT_LEVELS 5

enum { PT_READ = 1, PT_WRITE = 2, PT_EXEC = 4, PT_USER = 8, PT_GLOBAL = 16 };
/* What a walk begins with.  Formats that withhold execution from user and supervisor apart count the latter for itself until the
 * leaf says whose page it is. */
enum { PT_EXEC_SYSTEM = 32, PT_EVERYTHING = PT_READ | PT_WRITE | PT_EXEC | PT_USER | PT_EXEC_SYSTEM };

struct ptfmt {
	const char *name, *title, *manual;
	uint8_t levels;
	uint8_t page_shift;
	uint8_t va_bits, pa_bits;
	uint8_t entry_bytes;
	uint8_t index_bits[PTFMT_LEVELS]; /* [0] is the leaf level */
	uint8_t leaf_levels;              /* bit n: level n may hold a leaf */
	uint8_t pfn_shift;                /* where the frame number begins in an entry */
	uint8_t pfn_bits;
	bool sign_extended;               /* addresses outside va_bits must copy the top bit (else they must be zero) */
	bool two_roots;                   /* addresses of either sign have all of va_bits, and a root of their own (Arm) */
	bool top_in_registers;            /* the top table is read when the root is loaded, not by walks (PAE) */
	bool leaf_by_rights;              /* an entry with any of read, write, exec is a leaf (RISC-V); else by the leaf bit */
	bool ad_by_hardware;              /* the walk sets accessed and dirty; else it faults and software does */
	bool hashed;                      /* no tree: one table, looked up by hashing (hashed.h) */
	bool reserved_is_absent;          /* what is reserved counts as not valid (Arm) */
	uint8_t rights_on_tables;         /* bit n: rights of table entries of level n limit those of the leaf */
	uint8_t accessed_on_tables;       /* bit n: table entries of level n have an accessed bit */
	/* Bit masks within an entry; 0: the format has no such bit. */
	uint64_t valid, leaf, read, write, exec, noexec, user, global, accessed, dirty;
	/* The same said the other way round, as Arm does.  table: set in entries that point to tables, and in base pages; upper leaves
	 * have it clear.  clean: set while not dirty; an entry with it clear may be written, whatever write says. */
	uint64_t table, clean, nonglobal, noexec_system;
	uint64_t table_nowrite, table_nouser, table_noexec, table_noexec_system; /* 0: tables say it as leaves do */
	uint64_t set_leaf;                /* set in every leaf we make: memory types */
	uint64_t reserved_leaf[PTFMT_LEVELS], reserved_table[PTFMT_LEVELS];
};

/* Identifiers of the descriptors in formats.h: those that are constant, for each of which the walker is instantiated; "flat" is
 * made to measure by ptfmt_flat_make. */
#define PTFMT_CONST_LIST(X) \
	X(x86_64)           \
	X(x86_64_la57)      \
	X(x86_32)           \
	X(x86_pae)          \
	X(sv32)             \
	X(sv39)             \
	X(sv48)             \
	X(sv57)             \
	X(arm64_4k)         \
	X(arm64_16k)        \
	X(arm64_64k)        \
	X(ept)              \
	X(sv39x4)
#define PTFMT_LIST(X) PTFMT_CONST_LIST(X) X(flat) X(hashed)

/* => NULL when unknown.  The names are those of --format: "x86-64", "sv39", ... */
const struct ptfmt *ptfmt_find(const char *name);
const struct ptfmt *ptfmt_at(unsigned i); /* NULL past the end */
/* A one-level table for pages of 2^page_shift bytes and addresses of va_bits. */
must_use enum pw_err ptfmt_flat_make(unsigned page_shift, unsigned va_bits, struct ptfmt *ret, struct pw_why *why);
/* NULL, or why this is not a format: every address bit is decoded exactly once and no fields overlap. */
const char *ptfmt_flaw(const struct ptfmt *f);

#define pt_inline static inline __attribute__((always_inline))

/* log2 of the bytes one entry at this level covers. */
pt_inline unsigned ptfmt_level_shift(const struct ptfmt *f, unsigned level)
{
	unsigned shift = f->page_shift;
	for (unsigned i = 0; i < level; i++)
		shift += f->index_bits[i];
	return shift;
}
pt_inline uint64_t ptfmt_index(const struct ptfmt *f, vaddr_t va, unsigned level)
{
	return va.v >> ptfmt_level_shift(f, level) & ((1ull << f->index_bits[level]) - 1);
}
pt_inline uint64_t ptfmt_level_pages(const struct ptfmt *f, unsigned level)
{
	return 1ull << (ptfmt_level_shift(f, level) - f->page_shift);
}
/* The address that its va_bits stand for: of those above, the format leaves no choice but (two_roots) which half. */
pt_inline uint64_t ptfmt_extend(const struct ptfmt *f, uint64_t va)
{
	unsigned up = 64u - f->va_bits - f->two_roots;
	return f->sign_extended ? (uint64_t)((int64_t)(va << up) >> up) : va << up >> up;
}
pt_inline bool ptfmt_canonical(const struct ptfmt *f, vaddr_t va) { return ptfmt_extend(f, va.v) == va.v; }
/* Is this an address of the second root? */
pt_inline bool ptfmt_upper(const struct ptfmt *f, vaddr_t va) { return f->two_roots && va.v >> 63; }
pt_inline bool ptfmt_valid(const struct ptfmt *f, pte_t e) { return e.v & f->valid; }
pt_inline bool ptfmt_is_leaf(const struct ptfmt *f, pte_t e, unsigned level)
{
	if (f->leaf_by_rights)
		return e.v & (f->read | f->write | f->exec);
	if (f->table)
		return level == 0 || !(e.v & f->table);
	return level == 0 || (f->leaf_levels >> level & 1 && e.v & f->leaf);
}
pt_inline bool ptfmt_reserved(const struct ptfmt *f, pte_t e, unsigned level, bool leaf)
{
	uint64_t mask = leaf ? f->reserved_leaf[level] : f->reserved_table[level];
	if (leaf && !(f->leaf_levels >> level & 1))
		return true;
	if (f->table && level == 0 && !(e.v & f->table))
		return true;
	if (f->read && e.v & f->write && !(e.v & f->read))
		return true;
	return e.v & mask;
}
pt_inline pfn_t ptfmt_pfn(const struct ptfmt *f, pte_t e)
{
	return pfn(e.v >> f->pfn_shift & ((1ull << f->pfn_bits) - 1));
}
/* An entry in memory. */
pt_inline pte_t ptfmt_load(const struct ptfmt *f, const struct physmem *mem, paddr_t at)
{
	uint64_t e = physmem_load(mem, at, f->entry_bytes);
	return pte(f->hashed ? __builtin_bswap64(e) : e);
}
pt_inline void ptfmt_store(const struct ptfmt *f, struct physmem *mem, paddr_t at, pte_t e)
{
	physmem_store(mem, at, f->hashed ? __builtin_bswap64(e.v) : e.v, f->entry_bytes);
}
pt_inline bool ptfmt_accessed(const struct ptfmt *f, pte_t e) { return e.v & f->accessed; }
pt_inline bool ptfmt_dirty(const struct ptfmt *f, pte_t e) { return f->clean ? !(e.v & f->clean) : e.v & f->dirty; }
/* With accessed and dirty set, or cleared.  => dirty only for entries that may be written, where the format has a clean bit */
pt_inline pte_t ptfmt_mark(const struct ptfmt *f, pte_t e, bool accessed, bool dirty)
{
	e.v |= (accessed ? f->accessed : 0) | (dirty ? f->dirty : 0);
	return pte(dirty ? e.v & ~f->clean : e.v);
}
pt_inline pte_t ptfmt_unmark(const struct ptfmt *f, pte_t e, bool accessed, bool dirty)
{
	e.v &= ~((accessed ? f->accessed : 0) | (dirty ? f->dirty : 0));
	return pte(dirty ? e.v | f->clean : e.v);
}

/* A right, if the one bit of an entry that says so is set. */
pt_inline unsigned ptfmt_right(uint64_t e, uint64_t bit, unsigned right)
{
	const int up = __builtin_ctz(right) - (bit ? __builtin_ctzll(bit) : 0);
	return bit ? (unsigned)(up >= 0 ? e << up : e >> -up) & right : 0;
}
/* The rights an entry grants by itself, execution by the supervisor apart. */
pt_inline unsigned ptfmt_rights_apart(const struct ptfmt *f, pte_t e)
{
	unsigned r = 0;
	if (f->hashed)
		return PT_READ | PT_EXEC | (e.v & 3 ? PT_USER : PT_WRITE) | ((e.v & 3) == 2 ? PT_WRITE : 0);
	r |= f->read ? ptfmt_right(e.v, f->read, PT_READ) : PT_READ;
	r |= f->write ? ptfmt_right(e.v, f->write, PT_WRITE) | ptfmt_right(~e.v, f->clean, PT_WRITE) : PT_WRITE;
	r |= f->exec ? ptfmt_right(e.v, f->exec, PT_EXEC) : f->noexec ? ptfmt_right(~e.v, f->noexec, PT_EXEC) : PT_EXEC;
	r |= ptfmt_right(~e.v, f->noexec_system, PT_EXEC_SYSTEM);
	r |= f->user ? ptfmt_right(e.v, f->user, PT_USER) : PT_USER;
	r |= f->nonglobal ? ptfmt_right(~e.v, f->nonglobal, PT_GLOBAL) : ptfmt_right(e.v, f->global, PT_GLOBAL);
	return r;
}
/* Whose page it is decides which execution counts. */
pt_inline unsigned ptfmt_rights_join(const struct ptfmt *f, unsigned r)
{
	if (f->noexec_system && !(r & PT_USER))
		r = (r & ~(unsigned)PT_EXEC) | (r & PT_EXEC_SYSTEM ? PT_EXEC : 0);
	return r & ~(unsigned)PT_EXEC_SYSTEM;
}
/* The rights a leaf grants by itself. */
pt_inline unsigned ptfmt_rights(const struct ptfmt *f, pte_t e)
{
	return ptfmt_rights_join(f, ptfmt_rights_apart(f, e));
}
/* The rights of a leaf below tables that granted so much: PT_EVERYTHING & ptfmt_table_rights() of each. */
pt_inline unsigned ptfmt_rights_below(const struct ptfmt *f, pte_t e, unsigned above)
{
	unsigned own = ptfmt_rights_apart(f, e);
	return ptfmt_rights_join(f, f->rights_on_tables ? own & (above | PT_GLOBAL) : own);
}
/* What a table entry leaves of the rights of what is below it. */
pt_inline unsigned ptfmt_table_rights(const struct ptfmt *f, pte_t e, unsigned level)
{
	unsigned r = PT_EVERYTHING;
	if (!(f->rights_on_tables >> level & 1))
		return r;
	if (!f->table_nowrite)
		return ptfmt_rights_apart(f, e);
	r &= e.v & f->table_nowrite ? ~PT_WRITE : ~0;
	r &= e.v & f->table_nouser ? ~PT_USER : ~0;
	r &= e.v & f->table_noexec ? ~PT_EXEC : ~0;
	r &= e.v & f->table_noexec_system ? ~PT_EXEC_SYSTEM : ~0;
	return r;
}
/* Accessed is set only where software must do it: a fresh leaf is otherwise clean and unused. */
pte_t ptfmt_make_leaf(const struct ptfmt *f, unsigned level, pfn_t frame, unsigned rights);
/* An entry of this level that points to a table below it. */
pte_t ptfmt_make_table(const struct ptfmt *f, unsigned level, pfn_t table);
