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
#include <stdbool.h>
#include <stdint.h>

#define PTFMT_LEVELS 5

enum { PT_READ = 1, PT_WRITE = 2, PT_EXEC = 4, PT_USER = 8, PT_GLOBAL = 16 };

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
	bool rights_on_tables;            /* rights of the tables above limit those of the leaf (x86) */
	bool leaf_by_rights;              /* an entry with any of read, write, exec is a leaf (RISC-V); else by the leaf bit */
	bool ad_by_hardware;              /* the walk sets accessed and dirty; else it faults and software does */
	/* Bit masks within an entry; 0: the format has no such bit. */
	uint64_t valid, leaf, read, write, exec, noexec, user, global, accessed, dirty;
	uint64_t reserved_leaf[PTFMT_LEVELS], reserved_table[PTFMT_LEVELS];
};

/* Identifiers of the descriptors in formats.h: those that are constant, for each of which the walker is instantiated; "flat" is
 * made to measure by ptfmt_flat_make. */
#define PTFMT_CONST_LIST(X) \
	X(x86_64)           \
	X(x86_32)           \
	X(sv39)             \
	X(sv48)
#define PTFMT_LIST(X) PTFMT_CONST_LIST(X) X(flat)

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
pt_inline bool ptfmt_canonical(const struct ptfmt *f, vaddr_t va)
{
	unsigned up = 64 - f->va_bits;
	return f->sign_extended ? (uint64_t)((int64_t)(va.v << up) >> up) == va.v : va.v >> f->va_bits == 0;
}
pt_inline bool ptfmt_valid(const struct ptfmt *f, pte_t e) { return e.v & f->valid; }
pt_inline bool ptfmt_is_leaf(const struct ptfmt *f, pte_t e, unsigned level)
{
	if (f->leaf_by_rights)
		return e.v & (f->read | f->write | f->exec);
	return level == 0 || (f->leaf_levels >> level & 1 && e.v & f->leaf);
}
pt_inline bool ptfmt_reserved(const struct ptfmt *f, pte_t e, unsigned level, bool leaf)
{
	uint64_t mask = leaf ? f->reserved_leaf[level] : f->reserved_table[level];
	if (leaf && !(f->leaf_levels >> level & 1))
		return true;
	if (f->leaf_by_rights && e.v & f->write && !(e.v & f->read))
		return true;
	return e.v & mask;
}
pt_inline pfn_t ptfmt_pfn(const struct ptfmt *f, pte_t e)
{
	return pfn(e.v >> f->pfn_shift & ((1ull << f->pfn_bits) - 1));
}
/* The rights an entry grants by itself. */
pt_inline unsigned ptfmt_rights(const struct ptfmt *f, pte_t e)
{
	unsigned r = 0;
	r |= !f->read || e.v & f->read ? PT_READ : 0;
	r |= !f->write || e.v & f->write ? PT_WRITE : 0;
	r |= (f->exec ? (e.v & f->exec) != 0 : !(e.v & f->noexec)) ? PT_EXEC : 0;
	r |= !f->user || e.v & f->user ? PT_USER : 0;
	r |= f->global && e.v & f->global ? PT_GLOBAL : 0;
	return r;
}
/* Accessed is set only where software must do it: a fresh leaf is otherwise clean and unused. */
pte_t ptfmt_make_leaf(const struct ptfmt *f, unsigned level, pfn_t frame, unsigned rights);
pte_t ptfmt_make_table(const struct ptfmt *f, pfn_t table);
