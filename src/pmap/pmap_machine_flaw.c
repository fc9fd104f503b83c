/* pmap_machine_flaw.c - are the tables of a space, the reverse map and the counts of one mind? */
#include "pmap_machine_space.h"

struct census {
	struct machine_sys *s;
	const struct space *p;
	uint64_t leaves, tables;
	const char *flaw;
};

static void table_census(struct census *c, pfn_t table, unsigned level, vpn_t base)
{
	const struct ptfmt *f = c->s->f;
	uint64_t used = 0, entries = 1ull << f->index_bits[level], pages = ptfmt_level_pages(f, level);
	c->tables++;
	for (uint64_t i = 0; i < entries; i++) {
		pte_t e = entry_load(c->s, paddr_add(pfn_addr(table, f->page_shift), i * f->entry_bytes));
		if (!ptfmt_valid(f, e))
			continue;
		used++;
		vpn_t n = vpn_add(base, i * pages);
		n.v = ptfmt_extend(f, n.v << f->page_shift) >> f->page_shift;
		if (!ptfmt_is_leaf(f, e, level)) {
			table_census(c, ptfmt_pfn(f, e), level - 1, n);
			continue;
		}
		c->leaves += pages;
		pfn_t frame = pfn(ptfmt_pfn(f, e).v & ~(pages - 1));
		if (!mapper_known(c->s, frame, c->p, n, level))
			c->flaw = "a page-table entry is not in the reverse map of its frame";
	}
	if (c->s->frame[table.v].word != used)
		c->flaw = "a page table's count of entries is wrong";
	if (used == 0 && level < f->levels - 1u)
		c->flaw = "an empty page table was not given back";
}

const char *machine_space_flaw(const struct pmap *p)
{
	struct machine_sys *s = sys_of(p->sys);
	const struct space *space = (const struct space *)p;
	struct census c = { .s = s, .p = space };
	if (s->f->hashed) {
		const char *flaw = hashed_flaw(s, space);
		return flaw ? flaw : machine_flaw(s->m);
	}
	table_census(&c, space->root[0], s->f->levels - 1u, vpn(0));
	if (!pfn_is_none(space->root[1]))
		table_census(&c, space->root[1], s->f->levels - 1u, vpn(~0ull << (s->f->va_bits - s->f->page_shift)));
	if (!c.flaw && c.leaves != space->resident)
		c.flaw = "the resident pages of a space do not match its tables";
	if (!c.flaw && c.tables + root_frames(s) - 1 != space->n_tables)
		c.flaw = "the tables of a space are not those that were taken";
	return c.flaw ? c.flaw : machine_flaw(s->m);
}
