/* machine_flaw.c - is the machine consistent with itself?  For tests, and for runs that check themselves. */
#include "mmu.h"

static const char *slot_flaw(const struct machine *m, const struct cpu *c, uint32_t slot)
{
	const struct tlb_bank *b = &c->tlb;
	if (b->stamp[slot] < b->filled[slot])
		return "a TLB entry was used before it was filled";
	if (b->stamp[slot] > m->now)
		return "a TLB entry was used in the future";
	if (tlb_entry_pfn(b->entry[slot]).v >= m->mem.frames)
		return "a TLB entry leads outside memory";
	return (b->tag[slot] & 7) == tlb_entry_level(b->entry[slot]) + 1u ? NULL : "a TLB tag and its entry differ in page size";
}

/* Entries of the space that is loaded must agree with its tables; of the others the roots are not known here. */
static const char *stale_flaw(struct machine *m, struct cpu *c, uint32_t slot)
{
	const struct tlb_bank *b = &c->tlb;
	if (!c->has_space || (uint16_t)(b->tag[slot] >> 3) != c->asid)
		return NULL;
	const struct tlb_entry e = b->entry[slot];
	uint64_t va = b->tag[slot] >> 19 << b->level_shift[tlb_entry_level(e)];
	const struct walk_want want = {
		.va = vaddr(ptfmt_extend(&m->format, va)),
		.kind = tlb_entry_rights(e) & PT_READ ? ACCESS_LOAD : ACCESS_FETCH,
	};
	struct walk w;
	walk_from_root(&m->format, &m->mem, mmu_root(m, c, want.va), &want, &w);
	uint64_t inside = (va >> m->format.page_shift) & (ptfmt_level_pages(&m->format, w.level) - 1);
	bool smaller = m->config.host && tlb_entry_level(e) < w.level; /* the host's page was smaller than the guest's */
	if (w.fault != MACHINE_FAULT_NONE || w.pfn.v + inside != tlb_entry_pfn(e).v || (w.level != tlb_entry_level(e) && !smaller))
		return "a TLB entry contradicts the page tables: a flush was missed";
	if (tlb_entry_rights(e) & ~w.rights)
		return "a TLB entry grants rights that the page tables do not";
	return tlb_entry_dirty(e) && !w.dirty && (m->format.dirty || m->format.clean) ? "a TLB entry is dirty and its table entry is not" : NULL;
}

static const char *quick_flaw(const struct machine *m, const struct cpu *c)
{
	for (unsigned i = 0; i < 1 << QUICK_BITS; i++) {
		uint64_t q = c->quick[i];
		if (q == QUICK_NONE)
			continue;
		uint64_t slot = (q & ~m->keep) >> REF_KIND_BITS;
		ref_t r = { q & m->keep };
		if (slot >= c->tlb.n_first || c->tlb.tag[slot] == 0)
			return "a quick word names no first-rank entry";
		const struct tlb_entry e = c->tlb.entry[slot];
		if (ref_kind(r) == ACCESS_STORE && !tlb_entry_dirty(e))
			return "a quick word allows stores to a clean page";
		unsigned shift = c->tlb.level_shift[tlb_entry_level(e)];
		if ((ref_va(r).v >> shift << 19) >> 19 != c->tlb.tag[slot] >> 19)
			return "a quick word names an entry of another page";
	}
	return NULL;
}

const char *machine_flaw(struct machine *m)
{
	for (unsigned i = 0; i < m->config.n_cpus; i++) {
		struct cpu *c = &m->cpu[i];
		for (uint32_t slot = 0; slot < c->tlb.n_slots; slot++) {
			if (c->tlb.tag[slot] == 0)
				continue;
			const char *flaw = slot_flaw(m, c, slot);
			if (!flaw)
				flaw = stale_flaw(m, c, slot);
			if (flaw)
				return flaw;
		}
		const char *flaw = quick_flaw(m, c);
		for (unsigned level = 0; !flaw && level < PTFMT_LEVELS; level++)
			flaw = c->pwc[level].n ? pwc_flaw(&c->pwc[level]) : NULL;
		if (flaw)
			return flaw;
		for (unsigned g = 0; g < c->tlb.n_groups; g++)
			if (machine_tlb_counts(m, g).misses > machine_tlb_counts(m, g).accesses)
				return "a TLB missed more often than it was asked";
	}
	return NULL;
}
