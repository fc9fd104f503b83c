/* ptfmt.c - finding formats, making entries, and the laws every format must keep. */
#include "ptfmt.h"
#include "formats.h"
#include <string.h>

static const struct ptfmt *const formats[] = {
#define X(name) &ptfmt_##name,
	PTFMT_LIST(X)
#undef X
};
#define N_FORMATS (sizeof formats / sizeof *formats)

const struct ptfmt *ptfmt_at(unsigned i)
{
	return i < N_FORMATS ? formats[i] : NULL;
}

const struct ptfmt *ptfmt_find(const char *name)
{
	for (unsigned i = 0; i < N_FORMATS; i++)
		if (strcmp(formats[i]->name, name) == 0)
			return formats[i];
	return NULL;
}

enum pw_err ptfmt_flat_make(unsigned page_shift, unsigned va_bits, struct ptfmt *ret, struct pw_why *why)
{
	if (page_shift < 4 || page_shift > 30)
		return pw_fail(why, PW_INVALID, "flat: pages are 16 bytes to 1 GiB, not 2^%u bytes", page_shift);
	if (va_bits <= page_shift || va_bits > page_shift + 28 || va_bits > 57)
		return pw_fail(why, PW_INVALID, "flat: a table for %u-bit addresses and pages of 2^%u bytes is out of reach "
			       "(1 to 2^28 entries)", va_bits, page_shift);
	*ret = ptfmt_flat;
	ret->page_shift = (uint8_t)page_shift;
	ret->va_bits = (uint8_t)va_bits;
	ret->index_bits[0] = (uint8_t)(va_bits - page_shift);
	return PW_OK;
}

static uint64_t rights_bits(const struct ptfmt *f, unsigned rights)
{
	bool user_exec = rights & PT_EXEC && (rights & PT_USER || !f->noexec_system);
	uint64_t e = 0;
	if (f->hashed)
		return !(rights & PT_USER) ? 0 : rights & PT_WRITE ? 2 : 3;
	e |= rights & PT_READ ? f->read : 0;
	e |= rights & PT_WRITE ? f->write : 0;
	e |= user_exec ? f->exec : f->noexec;
	e |= rights & PT_EXEC && !(rights & PT_USER) ? 0 : f->noexec_system;
	e |= rights & PT_USER ? f->user : 0;
	e |= rights & PT_GLOBAL ? f->global : f->nonglobal;
	return e;
}

/* Where any right makes an entry valid, there is no bit for it. */
static uint64_t valid_bit(const struct ptfmt *f)
{
	return f->valid & f->read ? 0 : f->valid;
}

pte_t ptfmt_make_leaf(const struct ptfmt *f, unsigned level, pfn_t frame, unsigned rights)
{
	uint64_t e = valid_bit(f) | frame.v << f->pfn_shift | rights_bits(f, rights) | f->clean | f->set_leaf;
	e |= level > 0 ? f->leaf : f->table;
	return pte(e);
}

/* A table entry grants everything: the leaf decides. */
pte_t ptfmt_make_table(const struct ptfmt *f, unsigned level, pfn_t table)
{
	uint64_t e = f->valid | f->table | table.v << f->pfn_shift;
	if (f->rights_on_tables >> level & 1 && !f->table_nowrite)
		e |= f->write | f->user;
	return pte(e);
}

/* No two fields of an entry share a bit, and the address is split without gap or overlap. */
const char *ptfmt_flaw(const struct ptfmt *f)
{
	const uint64_t bits[] = { valid_bit(f), f->leaf, f->read, f->write, f->exec, f->noexec, f->user, f->global, f->accessed,
				  f->dirty, f->table, f->clean, f->nonglobal, f->noexec_system, f->set_leaf,
				  BITS(f->pfn_shift + f->pfn_bits - 1, f->pfn_shift) };
	uint64_t seen = 0;
	for (unsigned i = 0; i < sizeof bits / sizeof *bits; i++) {
		if (seen & bits[i])
			return "two fields of the entry overlap";
		seen |= bits[i];
	}
	for (unsigned level = 0; level < f->levels; level++) {
		uint64_t leaf = ptfmt_make_leaf(f, level, pfn(0), PT_EVERYTHING | PT_GLOBAL).v;
		if (f->leaf_levels >> level & 1 && leaf & f->reserved_leaf[level])
			return "a leaf sets reserved bits";
		if (level > 0 && ptfmt_make_table(f, level, pfn(0)).v & f->reserved_table[level])
			return "a table entry sets reserved bits";
	}
	unsigned decoded = f->page_shift;
	for (unsigned i = 0; i < f->levels; i++) {
		if (f->index_bits[i] == 0)
			return "a level decodes no address bits";
		decoded += f->index_bits[i];
	}
	if (decoded != f->va_bits || f->va_bits + f->two_roots > 57)
		return "the indexes and the offset do not add up to the address";
	if (f->entry_bytes < 8 && seen >> 8 * f->entry_bytes)
		return "a field lies outside the entry";
	if (f->pa_bits > f->page_shift + f->pfn_bits)
		return "the frame number cannot reach all of physical memory";
	return f->leaf_levels & 1 ? NULL : "the lowest level must hold leaves";
}
