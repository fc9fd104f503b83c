/* hashed.c - looking a page up in a hashed table.
 *
 * Problem: the size of a page table should follow the memory there is, not the addresses there could be.
 * Idea: one entry for each page that is in memory, found by hashing: hashed.h has the drawing.
 *
 * 1. Of the sixteen entries a page may lie in, at most one has its name: whoever enters a page takes the old entry away first.
 *
 * Rejected: chains of entries, as inverted tables in textbooks have them (no processor that walks by itself does); the segment
 * registers' own key, no-execute and direct-store bits (they are outside the table, and the keys are those of every system). */
#include "hashed.h"

enum { VSID_BITS = 24, SEGMENT_SHIFT = 28, HASH_MASK = (1 << 19) - 1 };

pfn_t hashed_root(pfn_t table, uint64_t table_bytes, uint32_t context)
{
	uint64_t mask = table_bytes / HASHED_BYTES_LEAST - 1;
	return pfn((uint64_t)context << 32 | mask << 20 | table.v);
}

uint64_t hashed_table_bytes(uint64_t memory_bytes)
{
	uint64_t bytes = HASHED_BYTES_LEAST;
	while (bytes < memory_bytes / 128 && bytes < HASHED_BYTES_MOST)
		bytes *= 2;
	return bytes;
}

static uint64_t table_at(pfn_t root) { return (root.v & 0xfffff) << 12; }
static uint32_t root_mask(pfn_t root) { return root.v >> 20 & 0x1ff; }
static uint32_t page_index(vaddr_t va) { return va.v >> 12 & 0xffff; }
static uint32_t vsid(pfn_t root, vaddr_t va) { return (uint32_t)(root.v >> 32 << 4 | (va.v >> SEGMENT_SHIFT & 15)); }

paddr_t hashed_group(pfn_t root, vaddr_t va, bool second)
{
	uint32_t hash = ((vsid(root, va) & HASH_MASK) ^ page_index(va)) ^ (second ? HASH_MASK : 0);
	return paddr(table_at(root) | (uint64_t)(hash >> 10 & root_mask(root)) << 16 | (hash & 0x3ff) << 6);
}

uint64_t hashed_name(pfn_t root, vaddr_t va, bool second)
{
	return 1ull << 63 | (uint64_t)vsid(root, va) << 39 | (uint64_t)second << 38 | (uint64_t)(page_index(va) >> 10) << 32;
}

/* The low ten bits of the page index are what the group's number and the VSID leave. */
vaddr_t hashed_page(pfn_t root, paddr_t at, pte_t e, uint32_t *context)
{
	uint32_t id = e.v >> 39 & ((1u << VSID_BITS) - 1), group = (at.v - table_at(root)) >> 6 & 0x3ff;
	uint32_t low = (group ^ (e.v >> 38 & 1 ? 0x3ff : 0) ^ id) & 0x3ff;
	*context = id >> 4;
	return vaddr((uint64_t)(id & 15) << SEGMENT_SHIFT | (e.v >> 32 & 63) << 22 | (uint64_t)low << 12);
}

static bool entry_read(const struct ptfmt *f, struct physmem *mem, paddr_t at, struct walk *r, struct nested_walk *second_stage)
{
	r->entry_at = at;
	if (at.v + f->entry_bytes > physmem_bytes(mem))
		r->fault = MACHINE_FAULT_BADFRAME;
	else if (second_stage && !nested_step(second_stage, at, ACCESS_LOAD))
		r->fault = MACHINE_FAULT_HOST;
	if (r->fault != MACHINE_FAULT_NONE)
		return false;
	r->entry = ptfmt_load(f, mem, at);
	r->reads++;
	return true;
}

void hashed_walk(const struct ptfmt *f, struct physmem *mem, pfn_t root, const struct walk_want *w, struct walk *r,
		 struct nested_walk *second_stage)
{
	r->reads = r->from = r->level = 0;
	r->fault = MACHINE_FAULT_NONE;
	r->table[0] = root;
	for (unsigned i = 0; i < 2 * HASHED_GROUP; i++) {
		bool second = i >= HASHED_GROUP;
		paddr_t at = paddr_add(hashed_group(root, w->va, second), i % HASHED_GROUP * 8ull);
		if (!entry_read(f, mem, at, r, second_stage))
			return;
		if (r->entry.v >> 32 != hashed_name(root, w->va, second) >> 32)
			continue;
		if (ptfmt_reserved(f, r->entry, 0, true))
			r->fault = MACHINE_FAULT_RESERVED;
		else
			walk_leaf(f, mem, r, w, PT_EVERYTHING, second_stage);
		return;
	}
	r->fault = MACHINE_FAULT_NOT_PRESENT;
}
