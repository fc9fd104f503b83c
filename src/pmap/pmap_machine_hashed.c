/* pmap_machine_hashed.c - address spaces that share one hashed page table.
 *
 * Problem: a hashed table has a fixed size and room for eight pages in each group; a page whose two groups are full has no place.
 * Idea: a pmap is a cache.  An entry that is in the way is forgotten, and comes back by a fault, as PowerPC systems do it.  What
 * goes is chosen in turn, among those that are not wired.
 *
 * The table is there while there are spaces; its size is what the manual recommends for the memory, and it is aligned to it.  A
 * space is a context number, from which the sixteen VSIDs of its segments follow (machine/hashed.h).
 *
 * 1. An entry is valid <=> it is in the reverse map of its frame (unless that is unmanaged), and lies in a group its page may.
 * 2. No page has two entries.
 * 3. A context number is not given to another space while entries carry it: a space that ends removes its entries first.
 *
 * Rejected: a second table for what found no place (hardware would not look there).
 * Source: machine/hashed.h. */
#include "../base/mem.h"
#include "../machine/hashed.h"
#include "pmap_machine_space.h"

struct htab {
	pfn_t first, table;      /* frames taken, and where among them the table is */
	uint64_t n_frames, bytes;
	uint64_t users;          /* spaces */
	unsigned turn;           /* who goes next when a group is full */
	uint8_t *wired;          /* one for each entry */
};

static uint64_t htab_entries(const struct htab *h) { return h->bytes / 8; }
static paddr_t htab_at(const struct htab *h, uint64_t i) { return paddr((h->table.v << 12) + i * 8); }
static uint64_t htab_index(const struct htab *h, paddr_t at) { return (at.v - (h->table.v << 12)) / 8; }

/* ---- the table ---- */

/* Frames that contain a table aligned to its size: as many as it has if the first try lies well, else nearly twice that. */
static enum pw_err frames_take(struct machine_sys *s, struct space *p, struct htab *h)
{
	const struct pmap_env *env = &s->base.env;
	uint64_t n = h->bytes >> 12;
	enum pw_err err = env->table_alloc(env->ctx, &p->base, n, &h->first);
	h->n_frames = n;
	if (err == PW_OK && h->first.v % n != 0) {
		env->table_free(env->ctx, &p->base, h->first, n);
		h->n_frames = 2 * n - 1;
		err = env->table_alloc(env->ctx, &p->base, h->n_frames, &h->first);
	}
	h->table = pfn((h->first.v + n - 1) / n * n);
	return err;
}

static enum pw_err htab_make(struct machine_sys *s, struct space *p)
{
	struct htab *h = mem_zalloc(1, sizeof *h);
	if (!h)
		return PW_NOMEM;
	h->bytes = hashed_table_bytes(physmem_bytes(s->mem));
	h->wired = mem_zalloc(htab_entries(h), 1);
	enum pw_err err = h->wired ? frames_take(s, p, h) : PW_NOMEM;
	if (err != PW_OK) {
		mem_free(h->wired);
		mem_free(h);
		return err;
	}
	for (uint64_t i = 0; i < h->n_frames; i++)
		s->frame[h->first.v + i] = (struct frame_map){ 0 };
	s->htab = h;
	return PW_OK;
}

enum pw_err hashed_attach(struct machine_sys *s, struct space *p)
{
	if (p->id >= HASHED_CONTEXTS)
		return PW_NOMEM;
	enum pw_err err = s->htab ? PW_OK : htab_make(s, p);
	if (err != PW_OK)
		return err;
	s->htab->users++;
	p->root[0] = hashed_root(s->htab->table, s->htab->bytes, p->id);
	return PW_OK;
}

void hashed_detach(struct machine_sys *s, struct space *p)
{
	struct htab *h = s->htab;
	if (--h->users > 0)
		return;
	s->base.env.table_free(s->base.env.ctx, &p->base, h->first, h->n_frames);
	mem_free(h->wired);
	mem_free(h);
	s->htab = NULL;
}

/* The table is everybody's: it is told once, of the space that is asked first among those there are. */
uint64_t hashed_table_share(const struct machine_sys *s, const struct space *p)
{
	for (uint32_t id = 1; id < s->n_spaces; id++)
		if (s->space[id])
			return s->space[id] == p ? s->htab->n_frames << 12 : 0;
	return 0;
}

/* ---- entries ---- */

/* => the place of the page's entry, and the entry; or false */
static bool find(struct machine_sys *s, const struct space *p, vaddr_t va, paddr_t *at, pte_t *e)
{
	const struct walk_want want = { .va = va, .kind = ACCESS_LOAD };
	struct walk w;
	hashed_walk(s->f, s->mem, p->root[0], &want, &w, NULL);
	*at = w.entry_at;
	*e = w.entry;
	return w.fault != MACHINE_FAULT_NOT_PRESENT;
}

static void forget(struct machine_sys *s, struct space *p, paddr_t at, pte_t e, vpn_t n)
{
	space_leaf_clear(s, p, at, e, n, 0);
	s->htab->wired[htab_index(s->htab, at)] = 0;
}

/* A place where nothing is.  => false: both groups are full */
static bool free_place(struct machine_sys *s, pfn_t root, vaddr_t va, paddr_t *at, bool *second)
{
	for (unsigned i = 0; i < 2 * HASHED_GROUP; i++) {
		*second = i >= HASHED_GROUP;
		*at = paddr_add(hashed_group(root, va, *second), i % HASHED_GROUP * 8ull);
		if (!ptfmt_valid(s->f, entry_load(s, *at)))
			return true;
	}
	return false;
}

/* Makes a place, at the cost of a page of any space.  => false: all sixteen are wired */
static bool make_place(struct machine_sys *s, pfn_t root, vaddr_t va, paddr_t *at, bool *second)
{
	for (unsigned i = 0; i < 2 * HASHED_GROUP; i++) {
		unsigned place = s->htab->turn++ % (2 * HASHED_GROUP);
		uint32_t context;
		*second = place >= HASHED_GROUP;
		*at = paddr_add(hashed_group(root, va, *second), place % HASHED_GROUP * 8ull);
		if (s->htab->wired[htab_index(s->htab, *at)])
			continue;
		pte_t e = entry_load(s, *at);
		vpn_t n = vpn_of(hashed_page(root, *at, e, &context), 12);
		forget(s, s->space[context], *at, e, n);
		space_flush(s->space[context], vpn_range(n, 1));
		return true;
	}
	return false;
}

enum pw_err hashed_enter(struct machine_sys *s, struct space *p, const struct pmap_mapping *m)
{
	vaddr_t va = page_va(s, m->vpn);
	paddr_t at;
	pte_t old;
	bool second = false, there = find(s, p, va, &at, &old);
	if (!there && !free_place(s, p->root[0], va, &at, &second) && !make_place(s, p->root[0], va, &at, &second))
		return PW_NOMEM;
	if (!mapper_add(s, m, p))
		return PW_NOMEM;
	if (there) {
		second = old.v >> 38 & 1;
		forget(s, p, at, old, m->vpn);
		space_flush(p, vpn_range(m->vpn, 1));
	}
	pte_t e = ptfmt_mark(s->f, ptfmt_make_leaf(s->f, 0, m->pfn, rights_of_prot(m)), true, m->cause == ACCESS_STORE);
	entry_store(s, at, pte(e.v | hashed_name(p->root[0], va, second)));
	s->htab->wired[htab_index(s->htab, at)] = m->wired;
	p->resident++;
	return PW_OK;
}

/* ---- ranges ---- */

static void leaf_sweep(struct sweep *w, paddr_t at, pte_t e, vpn_t n)
{
	struct machine_sys *s = w->s;
	unsigned now = ptfmt_rights(s->f, e), keep = now & w->rights;
	w->changed |= w->remove || keep != now;
	if (w->remove)
		forget(s, w->p, at, e, n);
	else if (keep != now)
		entry_store(s, at, pte(space_leaf_reduced(s, e, 0, keep).v | (e.v & ~(uint64_t)UINT32_MAX)));
}

/* Page by page where the range is short, else through the whole table. */
void hashed_sweep(struct sweep *w)
{
	struct machine_sys *s = w->s;
	const struct htab *h = s->htab;
	uint64_t left = w->p->resident;
	paddr_t at;
	pte_t e;
	if (w->r.count < htab_entries(h) / HASHED_GROUP) {
		for (uint64_t i = 0; i < w->r.count; i++) {
			vaddr_t va = page_va(s, vpn_add(w->r.first, i));
			if (ptfmt_canonical(s->f, va) && find(s, w->p, va, &at, &e))
				leaf_sweep(w, at, e, vpn_add(w->r.first, i));
		}
		return;
	}
	for (uint64_t i = 0; i < htab_entries(h) && left > 0; i++) {
		uint32_t context;
		at = htab_at(h, i);
		e = entry_load(s, at);
		if (!ptfmt_valid(s->f, e))
			continue;
		vpn_t n = vpn_of(hashed_page(w->p->root[0], at, e, &context), 12);
		if (context != w->p->id)
			continue;
		left--;
		if (vpn_range_has(w->r, n))
			leaf_sweep(w, at, e, n);
	}
}

/* ---- is it so? ---- */

const char *hashed_flaw(struct machine_sys *s, const struct space *p)
{
	const struct htab *h = s->htab;
	uint64_t leaves = 0;
	for (uint64_t i = 0; i < htab_entries(h); i++) {
		paddr_t at = htab_at(h, i), found;
		uint32_t context;
		pte_t e = entry_load(s, at), same;
		if (!ptfmt_valid(s->f, e))
			continue;
		vaddr_t va = hashed_page(p->root[0], at, e, &context);
		if (context >= s->n_spaces || !s->space[context])
			return "an entry of the hashed table belongs to no space";
		if (context != p->id)
			continue;
		leaves++;
		if (!find(s, p, va, &found, &same) || found.v != at.v)
			return "an entry of the hashed table is not where its page is looked for, or is there twice";
		if (!mapper_known(s, ptfmt_pfn(s->f, e), p, vpn_of(va, 12), 0))
			return "a page-table entry is not in the reverse map of its frame";
	}
	return leaves == p->resident ? NULL : "the resident pages of a space do not match its entries";
}
