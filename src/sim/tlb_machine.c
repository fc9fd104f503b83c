/* tlb_machine.c - page tables, TLBs and walk caches of one CPU, driven by a log.
 *
 * Problem.  Hierarchies of several levels, split and with arrays for each page size, have no stack property: each must be simulated.
 *
 * Idea.  The machine of `run` with pmap_machine, but without a kernel: the log says what a kernel asked of its pmap, and the same is
 * asked of this one.  Frames hold nothing here, so all pages of one row of the ledger share one frame (or, for large pages, one aligned
 * run of frames), and the machine's count of walks that end in a frame is the row's count of walks.
 *
 *      frames    | row 0 | row 1 | ... | row 255 | page tables ...
 *                 one large page each; without large pages, all are frame 0
 *
 * With large pages, an enter inside a whole large page enters the large page.  When part of one goes or changes its rights it is split,
 * as Linux does: the other base pages are mapped one by one.  References that fault are left to the machine with base pages; rights
 * are all granted here, because base pages of one large page may differ in them.
 *
 * Invariants.
 *   1. Without large pages, tables, TLBs and walk caches are those of a run on this CPU after the same references.
 *   2. Frames of rows are unmanaged: nothing asks who maps them.
 *
 * Rejected: a run for each CPU (a kernel each, a reading each). */
#include "tlb_machine.h"
#include "../base/mem.h"
#include "../pmap/pmap.h"
#include <string.h>

#define TABLES_BYTES (8ull << 30)
enum { ALL_PROT = PMAP_READ | PMAP_WRITE | PMAP_EXEC | PMAP_USER };

struct tlb_machine {
	struct machine *m;
	struct pmap_sys *pmap;
	struct ptfmt format;
	bool large;
	uint64_t large_pages;     /* base pages in a large page */
	struct pmap **space;      /* by number */
	uint32_t n_spaces;
	pfn_t *free;              /* tables given back */
	uint64_t n_free, free_cap, fresh, frames;
	struct pmap *active;
	struct tlb_machine_counts base;
	uint64_t strange;
	enum pw_err error;
};

bool tlb_machine_has_large(const struct ptfmt *format) { return format->levels > 1 && format->leaf_levels >> 1 & 1; }

static void fail(struct tlb_machine *t, enum pw_err err)
{
	if (t->error == PW_OK)
		t->error = err;
}

/* ---- frames for tables ---- */

static enum pw_err table_alloc(void *ctx, struct pmap *owner, uint64_t n, pfn_t *ret)
{
	struct tlb_machine *t = ctx;
	(void)owner;
	if (n == 1 && t->n_free) {
		*ret = t->free[--t->n_free];
		memset(physmem_frame(machine_physmem(t->m), *ret), 0, 1ull << t->format.page_shift);
		return PW_OK;
	}
	if (t->fresh + n > t->frames)
		return PW_NOFRAMES;
	*ret = pfn(t->fresh);
	t->fresh += n;
	return PW_OK;
}

/* A run of frames, the root of a flat table, is not used again: there are few. */
static void table_free(void *ctx, struct pmap *owner, pfn_t first, uint64_t n)
{
	struct tlb_machine *t = ctx;
	(void)owner;
	if (n > 1)
		return;
	if (t->n_free == t->free_cap) {
		uint64_t cap = t->free_cap ? t->free_cap * 2 : 256;
		pfn_t *grown = mem_realloc(t->free, cap, sizeof *grown);
		if (!grown)
			return;
		t->free = grown;
		t->free_cap = cap;
	}
	t->free[t->n_free++] = first;
}

/* ---- making and unmaking ---- */

/* As many as a host easily reserves, and always enough for a few flat tables, of which each is one. */
static uint64_t frames_for_tables(const struct ptfmt *f)
{
	uint64_t n = TABLES_BYTES >> f->page_shift, flat = (1ull << f->index_bits[f->levels - 1]) * f->entry_bytes >> f->page_shift;
	return n > 8 * (flat + 1) ? n : 8 * (flat + 1);
}

enum pw_err tlb_machine_create(const struct ptfmt *format, const struct cpu_model *cpu, bool large, uint64_t seed,
			       struct tlb_machine **ret, struct pw_why *why)
{
	*ret = NULL;
	struct tlb_machine *t = mem_zalloc(1, sizeof *t);
	if (!t)
		return pw_fail(why, PW_NOMEM, "out of memory for a machine");
	t->format = *format;
	t->large = large && tlb_machine_has_large(format);
	t->large_pages = tlb_machine_has_large(format) ? ptfmt_level_pages(format, 1) : 0;
	t->fresh = t->large_pages ? TLB_ROWS * t->large_pages : 1;
	t->frames = t->fresh + frames_for_tables(format);
	unsigned bits = format->pa_bits - format->page_shift;
	if (bits < 63 && t->frames > 1ull << bits)
		t->frames = 1ull << bits;
	struct machine_config c = { .format = &t->format, .frames = t->frames, .n_cpus = 1, .cpu = cpu, .seed = seed };
	enum pw_err err = machine_create(&c, &t->m, why);
	if (err == PW_OK)
		err = pmap_machine_create(t->m, &t->pmap);
	if (err != PW_OK) {
		tlb_machine_destroy(t);
		return err;
	}
	t->pmap->env = (struct pmap_env){ .ctx = t, .table_alloc = table_alloc, .table_free = table_free };
	*ret = t;
	return PW_OK;
}

void tlb_machine_destroy(struct tlb_machine *t)
{
	if (!t)
		return;
	for (uint32_t i = 0; i < t->n_spaces; i++)
		if (t->space[i])
			pmap_unref(t->space[i]);
	if (t->pmap)
		pmap_sys_destroy(t->pmap);
	machine_destroy(t->m);
	mem_free(t->space);
	mem_free(t->free);
	mem_free(t);
}

/* => NULL: it could not be made, error says why */
static struct pmap *space_get(struct tlb_machine *t, uint64_t number)
{
	if (number >= t->n_spaces) {
		uint32_t n = (uint32_t)number + 16;
		struct pmap **grown = mem_realloc(t->space, n, sizeof *grown);
		if (!grown) {
			fail(t, PW_NOMEM);
			return NULL;
		}
		memset(grown + t->n_spaces, 0, (n - t->n_spaces) * sizeof *grown);
		t->space = grown;
		t->n_spaces = n;
	}
	if (!t->space[number]) {
		enum pw_err err = pmap_create(t->pmap, &t->space[number]);
		if (err != PW_OK)
			fail(t, err);
	}
	return t->space[number];
}

/* ---- what the log says ---- */

static void map_page(struct tlb_machine *t, struct pmap *p, vpn_t n, unsigned level, unsigned prot, unsigned row, enum access_kind cause)
{
	struct pmap_mapping m = {
		.vpn = n, .pfn = pfn(row * t->large_pages), .level = level, .prot = prot, .cause = cause, .unmanaged = true,
	};
	enum pw_err err = pmap_enter(p, &m);
	if (err != PW_OK)
		fail(t, err);
}

/* The large page around a page, if there is one, becomes base pages. */
static void split(struct tlb_machine *t, struct pmap *p, vpn_t n)
{
	struct pmap_mapping there;
	if (!pmap_extract(p, n, &there) || there.level != 1)
		return;
	unsigned row = (unsigned)(there.pfn.v / t->large_pages);
	pmap_remove(p, vpn_range(there.vpn, t->large_pages));
	for (uint64_t i = 0; i < t->large_pages; i++)
		map_page(t, p, vpn_add(there.vpn, i), 0, ALL_PROT, row, ACCESS_STORE);
}

static void enter(struct tlb_machine *t, struct pmap *p, vpn_t n, union tlb_enter e)
{
	struct pmap_mapping there;
	if (!t->large) {
		map_page(t, p, n, 0, e.prot, e.row, (enum access_kind)e.cause);
	} else if (!e.whole) {
		split(t, p, n);
		map_page(t, p, n, 0, ALL_PROT, e.row, (enum access_kind)e.cause);
	} else if (!pmap_extract(p, n, &there) || there.level != 1) {
		map_page(t, p, vpn(n.v & ~(t->large_pages - 1)), 1, ALL_PROT, e.row, (enum access_kind)e.cause);
	}
}

/* A bound of a range may cut a large page. */
static void split_at(struct tlb_machine *t, struct pmap *p, vpn_t bound)
{
	if (t->large && bound.v % t->large_pages != 0)
		split(t, p, bound);
}

static void change(struct tlb_machine *t, struct pmap *p, struct vpn_range r, bool remove, unsigned prot)
{
	split_at(t, p, r.first);
	split_at(t, p, vpn(vpn_range_end(r)));
	if (remove)
		pmap_remove(p, r);
	else
		pmap_protect(p, r, t->large ? ALL_PROT : prot);
}

/* Where software sets accessed and dirty bits, it enters the page again, as the kernel of a run does. */
static bool software_mark(struct tlb_machine *t, const struct machine_stop *stop)
{
	struct pmap_mapping m;
	if ((stop->fault != MACHINE_FAULT_ACCESSED && stop->fault != MACHINE_FAULT_DIRTY) || !t->active ||
	    !pmap_extract(t->active, vpn_of(stop->va, t->format.page_shift), &m))
		return false;
	m.cause = stop->kind;
	m.unmanaged = true;
	enum pw_err err = pmap_enter(t->active, &m);
	if (err != PW_OK)
		fail(t, err);
	return err == PW_OK;
}

static void run(struct tlb_machine *t, const ref_t *refs, uint64_t n)
{
	for (uint64_t at = 0; at < n;) {
		struct machine_stop stop = machine_run(t->m, 0, refs + at, n - at);
		at += stop.done;
		if (stop.why == MACHINE_FAULTED && !software_mark(t, &stop)) {
			t->strange++;
			at++;
		}
	}
}

/* The reference faults, and is made again when the kernel has done something about it. */
static void fault(struct tlb_machine *t, ref_t r)
{
	if (!t->large && machine_run(t->m, 0, &r, 1).why != MACHINE_FAULTED)
		t->strange++;
}

static void counts_now(const struct tlb_machine *t, struct tlb_machine_counts *ret)
{
	machine_counts(t->m, &ret->mach);
	ret->n_tlbs = machine_n_tlbs(t->m);
	for (unsigned i = 0; i < ret->n_tlbs; i++)
		ret->tlb[i] = machine_tlb_counts(t->m, i);
	ret->strange = t->strange;
}

static void reset(struct tlb_machine *t)
{
	counts_now(t, &t->base);
	for (unsigned row = 0; row < TLB_ROWS; row++)
		machine_frame_take_walks(t->m, pfn(row * t->large_pages));
}

/* One mark and what follows it.  => how many words they were */
static unsigned command(struct tlb_machine *t, const ref_t *w)
{
	static const uint8_t words[] = { [TLB_MARK_SPACE] = 2, [TLB_MARK_GONE] = 2, [TLB_MARK_ENTER] = 4, [TLB_MARK_REMOVE] = 4,
					 [TLB_MARK_PROTECT] = 5, [TLB_MARK_FAULT] = 2, [TLB_MARK_RESET] = 1 };
	enum tlb_log_mark mark = (enum tlb_log_mark)(w[0].word >> REF_KIND_BITS);
	struct pmap *p = mark == TLB_MARK_FAULT || mark == TLB_MARK_RESET ? NULL : space_get(t, w[1].word);
	if (mark == TLB_MARK_FAULT)
		fault(t, w[1]);
	else if (mark == TLB_MARK_RESET)
		reset(t);
	else if (!p)
		return words[mark];
	else if (mark == TLB_MARK_SPACE)
		pmap_activate(t->active = p, 0);
	else if (mark == TLB_MARK_ENTER)
		enter(t, p, vpn(w[2].word), (union tlb_enter){ .word = w[3].word });
	else if (mark == TLB_MARK_REMOVE)
		change(t, p, vpn_range(vpn(w[2].word), w[3].word), true, 0);
	else if (mark == TLB_MARK_PROTECT)
		change(t, p, vpn_range(vpn(w[2].word), w[3].word), false, (unsigned)w[4].word);
	if (mark == TLB_MARK_GONE) {
		t->active = t->active == p ? NULL : t->active;
		pmap_unref(p);
		t->space[w[1].word] = NULL;
	}
	return words[mark];
}

void tlb_machine_eat(struct tlb_machine *t, const struct tlb_batch *batch)
{
	const ref_t *at = batch->ref, *end = at + batch->n_refs;
	while (at < end && t->error == PW_OK) {
		const ref_t *from = at;
		while (at < end && (at->word & 3) != TLB_MARK_KIND)
			at++;
		if (at > from)
			run(t, from, (uint64_t)(at - from));
		else
			at += command(t, at);
	}
}

/* ---- what came of it ---- */

enum pw_err tlb_machine_error(const struct tlb_machine *t) { return t->error; }

void tlb_machine_counts(const struct tlb_machine *t, struct tlb_machine_counts *ret)
{
	counts_now(t, ret);
	uint64_t *to = (uint64_t *)&ret->mach;
	const uint64_t *from = (const uint64_t *)&t->base.mach;
	for (size_t i = 0; i < sizeof ret->mach / sizeof *to; i++)
		to[i] -= from[i];
	for (unsigned i = 0; i < ret->n_tlbs; i++) {
		ret->tlb[i].accesses -= t->base.tlb[i].accesses;
		ret->tlb[i].hits -= t->base.tlb[i].hits;
		ret->tlb[i].misses -= t->base.tlb[i].misses;
	}
}

uint64_t tlb_machine_take_walks(struct tlb_machine *t, unsigned row) { return machine_frame_take_walks(t->m, pfn(row * t->large_pages)); }
