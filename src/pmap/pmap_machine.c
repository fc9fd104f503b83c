/* pmap_machine.c - address spaces of the simulated machine: page tables in its memory.
 *
 * A space is a root table and what hangs below it.  Tables are frames the kernel lends (env.table_alloc) and gets back the moment
 * their last entry goes, so page tables compete for memory like everything else.  What the hardware does not know is kept per
 * frame: for a page, who maps it (the reverse map, one mapping inline and more in a pool) and the bits of mappings that are
 * gone; for a table, how many of its entries are in use.
 *
 * Invariants:
 *  1. A valid leaf in a table <=> an element of the reverse map of its frame, unless the frame is unmanaged.
 *  2. The count of a table is its number of valid entries; only a root may have none.
 *  3. No TLB holds what the tables do not: every change that takes a right away flushes before it returns, wherever the space may
 *     have left translations: on the CPUs in its mask, which it joins when it is loaded and leaves when another is, unless tags tell
 *     the two apart, and when everything is flushed.
 *  4. An ASID names one space at a time; when they run out all are taken back at once (the scheme of Linux on Arm).
 *
 * Taking referenced away flushes nothing: as on x86, a translation that stays cached hides later uses until it leaves.
 * Taking modified away flushes, because a missed store would lose data. */
#include "../base/mem.h"
#include "../machine/walk.h"
#include "pmap_machine_space.h"
#include <string.h>

/* ---- tables ---- */

static enum pw_err table_take(struct machine_sys *s, struct space *p, uint64_t n, pfn_t *ret)
{
	enum pw_err err = s->base.env.table_alloc(s->base.env.ctx, &p->base, n, ret);
	if (err != PW_OK)
		return err;
	p->n_tables += n;
	for (uint64_t i = 0; i < n; i++)
		s->frame[ret->v + i] = (struct frame_map){ 0 };
	return PW_OK;
}

static void table_give(struct machine_sys *s, struct space *p, pfn_t first, uint64_t n)
{
	p->n_tables -= n;
	for (uint64_t i = 0; i < n; i++)
		s->frame[first.v + i] = (struct frame_map){ 0 };
	s->base.env.table_free(s->base.env.ctx, &p->base, first, n);
}

void space_flush(struct space *p, struct vpn_range r)
{
	struct machine_sys *s = space_sys(p);
	if (p->generation == s->generation && p->cpus)
		machine_flush_range(s->m, p->cpus, p->asid, r);
}

void space_leaf_clear(struct machine_sys *s, struct space *p, paddr_t at, pte_t e, vpn_t n, unsigned level)
{
	pfn_t f = ptfmt_pfn(s->f, e);
	f.v &= ~(ptfmt_level_pages(s->f, level) - 1);
	mapper_drop(s, f, p, n, level);
	s->frame[f.v].word |= entry_bits(s, e);
	p->resident -= ptfmt_level_pages(s->f, level);
	entry_store(s, at, pte(0));
}

pte_t space_leaf_reduced(struct machine_sys *s, pte_t e, unsigned level, unsigned keep)
{
	pfn_t f = ptfmt_pfn(s->f, e);
	bool dirty = ptfmt_dirty(s->f, e), held = keep & PT_WRITE || !s->f->clean;
	if (dirty && !held)
		s->frame[f.v & ~(ptfmt_level_pages(s->f, level) - 1)].word |= PMAP_MODIFIED; /* the entry cannot say it any more */
	return ptfmt_mark(s->f, ptfmt_make_leaf(s->f, level, f, keep), ptfmt_accessed(s->f, e), dirty && held);
}

static void leaf_sweep(struct sweep *w, pfn_t table, paddr_t at, pte_t e, vpn_t n, unsigned level)
{
	struct machine_sys *s = w->s;
	unsigned now = ptfmt_rights(s->f, e), keep = now & (w->rights | PT_GLOBAL);
	if (!w->remove && keep == now)
		return;
	w->changed = true;
	if (w->remove) {
		space_leaf_clear(s, w->p, at, e, n, level);
		s->frame[table.v].word--;
		return;
	}
	if (s->f->leaf_by_rights && !(keep & (PT_READ | PT_EXEC))) {
		space_leaf_clear(s, w->p, at, e, n, level); /* a leaf without rights would look like a table */
		s->frame[table.v].word--;
		return;
	}
	entry_store(s, at, space_leaf_reduced(s, e, level, keep));
}

/* Visits the leaves of one table inside the range, and gives back tables that became empty. */
static void table_sweep(struct sweep *w, pfn_t table, unsigned level, vpn_t base)
{
	struct machine_sys *s = w->s;
	uint64_t pages = ptfmt_level_pages(s->f, level), entries = 1ull << s->f->index_bits[level];
	uint64_t first = w->r.first.v > base.v ? (w->r.first.v - base.v) / pages : 0;
	uint64_t last = (vpn_range_end(w->r) - 1 - base.v) / pages;
	for (uint64_t i = first; i <= last && i < entries; i++) {
		paddr_t at = paddr_add(pfn_addr(table, s->f->page_shift), i * s->f->entry_bytes);
		pte_t e = entry_load(s, at);
		if (!ptfmt_valid(s->f, e))
			continue;
		vpn_t n = vpn_add(base, i * pages);
		if (ptfmt_is_leaf(s->f, e, level)) {
			leaf_sweep(w, table, at, e, n, level);
			continue;
		}
		pfn_t below = ptfmt_pfn(s->f, e);
		table_sweep(w, below, level - 1, n);
		if (s->frame[below.v].word == 0) {
			entry_store(s, at, pte(0));
			s->frame[table.v].word--;
			table_give(s, w->p, below, 1);
		}
	}
}

/* Sign-extended addresses: the upper half of the tables maps the top of the address space, so a range lies in one half. */
static void sweep(struct space *p, struct vpn_range r, bool remove, unsigned rights)
{
	struct machine_sys *s = space_sys(p);
	if (r.count == 0)
		return;
	struct sweep w = { .s = s, .p = p, .r = r, .remove = remove, .rights = rights };
	unsigned top = s->f->levels - 1u;
	uint64_t span = 1ull << (s->f->va_bits - s->f->page_shift);
	vpn_t base = vpn(r.first.v & ~(span - 1));
	pfn_t root = space_root(p, r.first);
	if (s->f->hashed)
		hashed_sweep(&w);
	else if (!pfn_is_none(root))
		table_sweep(&w, root, top, base);
	if (w.changed)
		space_flush(p, r);
}

/* ---- entering ---- */

struct path {
	pfn_t table[PTFMT_LEVELS];
	unsigned lowest;   /* the lowest level reached */
	unsigned built;    /* tables this call has made, all below each other */
};

static void path_undo(struct machine_sys *s, struct space *p, struct path *path, vaddr_t va)
{
	for (unsigned level = path->lowest; path->built > 0; level++, path->built--) {
		entry_store(s, entry_at(s, path->table[level + 1], level + 1, va), pte(0));
		s->frame[path->table[level + 1].v].word--;
		table_give(s, p, path->table[level], 1);
	}
}

/* Goes down to a level, making the tables that are missing; a larger leaf in the way is forgotten. */
static enum pw_err path_build(struct machine_sys *s, struct space *p, vaddr_t va, unsigned to, struct path *path)
{
	unsigned level = s->f->levels - 1u;
	*path = (struct path){ .lowest = level };
	path->table[level] = space_root(p, vpn_of(va, s->f->page_shift));
	for (; level > to; level--) {
		paddr_t at = entry_at(s, path->table[level], level, va);
		pte_t e = entry_load(s, at);
		if (ptfmt_valid(s->f, e) && ptfmt_is_leaf(s->f, e, level)) {
			uint64_t pages = ptfmt_level_pages(s->f, level);
			vpn_t n = vpn(vpn_of(va, s->f->page_shift).v & ~(pages - 1));
			space_leaf_clear(s, p, at, e, n, level);
			s->frame[path->table[level].v].word--;
			space_flush(p, vpn_range(n, pages));
			e = pte(0);
		}
		pfn_t below = ptfmt_pfn(s->f, e);
		if (!ptfmt_valid(s->f, e)) {
			enum pw_err err = table_take(s, p, 1, &below);
			if (err != PW_OK) {
				path_undo(s, p, path, va);
				return err;
			}
			entry_store(s, at, ptfmt_make_table(s->f, level, below));
			s->frame[path->table[level].v].word++;
			path->built++;
		}
		path->table[level - 1] = below;
		path->lowest = level - 1;
	}
	return PW_OK;
}

/* The first mapping in the upper half brings the root of that half. */
static enum pw_err upper_root(struct machine_sys *s, struct space *p, vaddr_t va)
{
	if (!ptfmt_upper(s->f, va) || !pfn_is_none(p->root[1]))
		return PW_OK;
	pfn_t root;
	enum pw_err err = table_take(s, p, root_frames(s), &root);
	if (err != PW_OK)
		return err;
	p->root[1] = root;
	for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++)
		if (s->active[cpu] == p)
			machine_load_upper(s->m, cpu, root);
	return PW_OK;
}

static enum pw_err machine_enter(struct pmap *pm, const struct pmap_mapping *m)
{
	struct space *p = space_of(pm);
	struct machine_sys *s = space_sys(p);
	vaddr_t va = page_va(s, m->vpn);
	uint64_t pages = ptfmt_level_pages(s->f, m->level);
	if (!ptfmt_canonical(s->f, va) || !(s->f->leaf_levels >> m->level & 1) || m->vpn.v % pages || m->pfn.v % pages)
		return PW_INVALID;
	if (s->f->hashed)
		return hashed_enter(s, p, m);
	struct path path;
	enum pw_err err = upper_root(s, p, va);
	if (err != PW_OK)
		return err;
	err = path_build(s, p, va, m->level, &path);
	if (err != PW_OK)
		return err;
	pfn_t table = path.table[m->level];
	paddr_t at = entry_at(s, table, m->level, va);
	pte_t old = entry_load(s, at);
	if (!mapper_add(s, m, p)) {
		path_undo(s, p, &path, va);
		return PW_NOMEM;
	}
	if (ptfmt_valid(s->f, old) && !ptfmt_is_leaf(s->f, old, m->level)) {
		s->frame[table.v].word++; /* first, so that the sweep does not find this table empty */
		sweep(p, vpn_range(m->vpn, pages), true, 0);
	} else if (ptfmt_valid(s->f, old)) {
		space_leaf_clear(s, p, at, old, m->vpn, m->level);
		space_flush(p, vpn_range(m->vpn, pages));
	} else {
		s->frame[table.v].word++;
	}
	pte_t e = ptfmt_make_leaf(s->f, m->level, m->pfn, rights_of_prot(m));
	entry_store(s, at, ptfmt_mark(s->f, e, true, m->cause == ACCESS_STORE));
	p->resident += pages;
	return PW_OK;
}

/* ---- the rest of the contract ---- */

static void machine_remove(struct pmap *p, struct vpn_range r) { sweep(space_of(p), r, true, 0); }

static void machine_protect(struct pmap *p, struct vpn_range r, unsigned prot)
{
	struct pmap_mapping m = { .prot = prot };
	if ((prot & (PMAP_READ | PMAP_WRITE | PMAP_EXEC)) == 0)
		sweep(space_of(p), r, true, 0);
	else
		sweep(space_of(p), r, false, rights_of_prot(&m) | PT_USER);
}

static bool look(const struct space *p, vpn_t n, struct walk *w)
{
	struct machine_sys *s = space_sys(p);
	const struct walk_want want = { .va = page_va(s, n), .kind = ACCESS_LOAD };
	pfn_t root = space_root(p, n);
	if (pfn_is_none(root))
		return false;
	s->walk(s->f, s->mem, root, &want, w);
	return w->fault == MACHINE_FAULT_NONE || w->fault == MACHINE_FAULT_READ;
}

static bool machine_extract(struct pmap *pm, vpn_t n, struct pmap_mapping *ret)
{
	struct walk w;
	if (!look(space_of(pm), n, &w))
		return false;
	uint64_t pages = ptfmt_level_pages(sys_of(pm->sys)->f, w.level);
	*ret = (struct pmap_mapping){ .vpn = vpn(n.v & ~(pages - 1)), .pfn = w.pfn, .level = w.level,
				      .prot = prot_of_rights(w.rights) & ~rights_granted_always(sys_of(pm->sys)->f),
				      .global = w.rights & PT_GLOBAL };
	return true;
}

static void machine_update(struct pmap *p) { (void)p; /* nothing here is lazy */ }

static void asid_assign(struct machine_sys *s, struct space *p);

static void asid_rollover(struct machine_sys *s)
{
	s->generation++;
	s->next_asid = 1;
	machine_flush_all(s->m);
	for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++) {
		struct space *p = s->active[cpu];
		if (!p)
			continue;
		asid_assign(s, p);
		p->cpus |= 1ull << cpu;
		machine_load_space(s->m, cpu, p->root[0], p->asid);
	}
}

static void asid_assign(struct machine_sys *s, struct space *p)
{
	if (p->generation == s->generation)
		return;
	if (s->tagged && s->next_asid > s->n_asids)
		asid_rollover(s); /* there are at least as many tags as CPUs, so it ends */
	if (p->generation == s->generation)
		return;
	p->asid = (uint16_t)(s->tagged ? s->next_asid++ : 0);
	p->generation = s->generation;
	p->cpus = 0;
}

static void machine_activate(struct pmap *pm, unsigned cpu)
{
	struct space *p = space_of(pm);
	struct machine_sys *s = space_sys(p);
	if (s->active[cpu] == p)
		return;
	if (s->active[cpu] && !s->tagged)
		s->active[cpu]->cpus &= ~(1ull << cpu);
	s->active[cpu] = p;
	asid_assign(s, p);
	p->cpus |= 1ull << cpu;
	machine_load_space(s->m, cpu, p->root[0], p->asid);
	machine_load_upper(s->m, cpu, p->root[1]);
}

static void protect_one(struct space *p, struct vpn_range r, void *prot)
{
	machine_protect(&p->base, r, *(unsigned *)prot);
}

static void machine_page_protect(struct pmap_sys *sys, pfn_t f, unsigned prot)
{
	mapper_each(sys_of(sys), f, protect_one, &prot);
}

struct bits {
	unsigned mask, seen;
	bool clear;
};

static void bits_one(struct space *p, struct vpn_range r, void *ctx)
{
	struct machine_sys *s = space_sys(p);
	struct bits *b = ctx;
	struct walk w;
	if (!look(p, r.first, &w))
		return;
	unsigned here = entry_bits(s, w.entry) & b->mask;
	b->seen |= here;
	if (!b->clear || !here)
		return;
	entry_store(s, w.entry_at, ptfmt_unmark(s->f, w.entry, b->mask & PMAP_REFERENCED, b->mask & PMAP_MODIFIED));
	if (here & PMAP_MODIFIED || machine_software_ad(s->m))
		space_flush(p, r);
}

static unsigned page_bits(struct pmap_sys *sys, pfn_t f, unsigned mask, bool clear)
{
	struct machine_sys *s = sys_of(sys);
	struct bits b = { .mask = mask, .seen = s->frame[f.v].word & mask, .clear = clear };
	if (clear)
		s->frame[f.v].word &= ~(uint64_t)mask;
	mapper_each(s, f, bits_one, &b);
	return b.seen;
}

static unsigned machine_page_test_clear(struct pmap_sys *s, pfn_t f, unsigned mask) { return page_bits(s, f, mask, true); }
static unsigned machine_page_test(struct pmap_sys *s, pfn_t f, unsigned mask) { return page_bits(s, f, mask, false); }

static void machine_forget(struct pmap *pm)
{
	struct space *p = space_of(pm);
	struct machine_sys *s = space_sys(p);
	uint64_t span = 1ull << (s->f->va_bits - s->f->page_shift);
	if (s->f->sign_extended) {
		span = s->f->two_roots ? span : span / 2;
		sweep(p, vpn_range(vpn(0), span), true, 0);
		sweep(p, vpn_range(vpn((1ull << (64 - s->f->page_shift)) - span), span), true, 0);
	} else {
		sweep(p, vpn_range(vpn(0), span), true, 0);
	}
}

static uint64_t machine_table_bytes(const struct pmap *p)
{
	const struct machine_sys *s = sys_of(p->sys);
	const struct space *space = (const struct space *)p;
	return s->f->hashed ? hashed_table_share(s, space) : space->n_tables << s->f->page_shift;
}

static uint64_t machine_resident_pages(const struct pmap *p) { return ((const struct space *)p)->resident; }

/* ---- making and unmaking ---- */

static bool space_number(struct machine_sys *s, struct space *p)
{
	for (uint32_t id = 1; id < s->n_spaces; id++)
		if (!s->space[id]) {
			p->id = id;
			s->space[id] = p;
			return true;
		}
	if (s->n_spaces == s->spaces_cap) {
		uint32_t cap = s->spaces_cap ? s->spaces_cap * 2 : 16;
		struct space **grown = mem_realloc(s->space, cap, sizeof *grown);
		if (!grown)
			return false;
		s->space = grown;
		s->spaces_cap = cap;
		if (s->n_spaces == 0)
			s->space[s->n_spaces++] = NULL; /* id 0 means none */
	}
	p->id = s->n_spaces++;
	s->space[p->id] = p;
	return true;
}

static enum pw_err space_create(struct pmap_sys *sys, struct pmap **ret)
{
	struct machine_sys *s = sys_of(sys);
	*ret = NULL;
	struct space *p = mem_zalloc(1, sizeof *p);
	if (!p)
		return PW_NOMEM;
	p->base.sys = sys;
	if (!space_number(s, p)) {
		mem_free(p);
		return PW_NOMEM;
	}
	p->root[1] = PFN_NONE;
	enum pw_err err = s->f->hashed ? hashed_attach(s, p) : table_take(s, p, root_frames(s), &p->root[0]);
	if (err != PW_OK) {
		s->space[p->id] = NULL;
		mem_free(p);
		return err;
	}
	*ret = &p->base;
	return PW_OK;
}

static void space_unref(struct pmap *pm)
{
	struct space *p = space_of(pm);
	struct machine_sys *s = space_sys(p);
	machine_forget(pm);
	if (p->generation == s->generation && p->cpus)
		machine_flush_asid(s->m, p->cpus, p->asid);
	for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++)
		if (s->active[cpu] == p)
			s->active[cpu] = NULL;
	if (s->f->hashed)
		hashed_detach(s, p);
	else
		table_give(s, p, p->root[0], root_frames(s));
	if (!pfn_is_none(p->root[1]))
		table_give(s, p, p->root[1], root_frames(s));
	s->space[p->id] = NULL;
	mem_free(p);
}

static void sys_destroy(struct pmap_sys *sys)
{
	struct machine_sys *s = sys_of(sys);
	mem_unreserve(s->frame, s->mem->frames * sizeof *s->frame);
	mem_free(s->space);
	mem_free(s->pool);
	mem_free(s);
}

static const struct pmap_ops machine_ops = {
	.name = "machine",
	.create = space_create,
	.unref = space_unref,
	.enter = machine_enter,
	.remove = machine_remove,
	.protect = machine_protect,
	.extract = machine_extract,
	.update = machine_update,
	.activate = machine_activate,
	.page_protect = machine_page_protect,
	.page_test_clear = machine_page_test_clear,
	.page_test = machine_page_test,
	.forget = machine_forget,
	.table_bytes = machine_table_bytes,
	.resident_pages = machine_resident_pages,
	.flaw = machine_space_flaw,
	.destroy = sys_destroy,
};

enum pw_err pmap_machine_create(struct machine *m, struct pmap_sys **ret)
{
	*ret = NULL;
	struct machine_sys *s = mem_zalloc(1, sizeof *s);
	if (!s)
		return PW_NOMEM;
	s->base.ops = &machine_ops;
	s->m = m;
	s->f = machine_format(m);
	s->walk = walk_instance(s->f);
	s->mem = machine_physmem(m);
	s->base.page_shift = s->f->page_shift;
	s->generation = 1;
	s->next_asid = 1;
	uint32_t bits = machine_cpu_model(m)->asid_bits;
	s->tagged = bits > 0;
	s->n_asids = bits >= 16 ? 0xfffe : (1u << bits) - 1;
	s->frame = mem_reserve(s->mem->frames * sizeof *s->frame);
	if (!s->frame) {
		mem_free(s);
		return PW_NOMEM;
	}
	*ret = &s->base;
	return PW_OK;
}

pfn_t pmap_machine_root(const struct pmap *p) { return ((const struct space *)p)->root[0]; }
pfn_t pmap_machine_upper_root(const struct pmap *p) { return ((const struct space *)p)->root[1]; }
uint16_t pmap_machine_asid(const struct pmap *p) { return ((const struct space *)p)->asid; }
