/* machine_inspect.c - what a machine's TLBs hold, for whoever looks inside.
 *
 * Problem: sets are padded to whole vectors, so the slots of the bank are not those of the TLB.
 * Idea: number the slots of all arrays one after the other, without the padding, and find array, set and way by division. */
#include "mmu.h"

bool machine_tlb_slot(const struct machine *m, unsigned cpu, uint32_t slot, struct machine_tlb_slot *ret)
{
	const struct tlb_bank *b = &m->cpu[cpu].tlb;
	unsigned i = 0;
	for (; i < b->n_arrays && slot >= b->array[i].shape.entries; i++)
		slot -= b->array[i].shape.entries;
	if (i == b->n_arrays)
		return false;
	const struct tlb_array *a = &b->array[i];
	uint32_t set = slot / a->shape.ways, way = slot % a->shape.ways, at = a->first + set * a->stride + way;
	*ret = (struct machine_tlb_slot){ .name = a->shape.name, .set = set, .way = way, .used = b->tag[at] != 0 };
	if (!ret->used)
		return true;
	const struct tlb_entry e = b->entry[at];
	ret->level = tlb_entry_level(e);
	ret->va = vaddr(ptfmt_extend(&m->format, b->tag[at] >> 19 << b->level_shift[ret->level]));
	ret->pfn = tlb_entry_pfn(e);
	ret->rights = tlb_entry_rights(e);
	ret->dirty = tlb_entry_dirty(e);
	ret->asid = (uint16_t)(b->tag[at] >> 3);
	ret->global = ret->asid == TLB_ASID_GLOBAL;
	ret->last_use = b->stamp[at];
	return true;
}
