/* mmu.c - what happens to a reference that is not an ordinary hit.
 *
 * In phases over one context: look through the TLB ranks; walk, from the lowest level a walk cache knows; check rights; fill
 * from the rank that knew (or all, after a walk) upward; remember.  Counting comes last, so a reference that faults, and is
 * made again, counts once.
 *
 * Problem: a program that misses every TLB goes through all of it each time, and then instructions are the limit, far more than the
 * host's caches.
 * Idea: there is one body, reference(), for every machine and every case, and it is always inlined: into serve(), which does such
 * references in a row, and that into one instance for each page-table format.  There the format's figures are constants, the walk is
 * straight code, and what the phases tell each other stays in registers.
 *
 *      serve_sv39, serve_x86_64, ... = serve(format) = { reference(format) = look, walk, fill, remember } until a quick hit
 *
 * 1. Nobody outside holds the address of a struct lookup: whoever did would force all of it into memory.  What is rare is called
 *    with values (fill_any, dirtied), or copies (walk_elsewhere).
 * 2. Nothing is counted twice to be at hand: how a walk went is one count (machine.walked), where a search ended another
 *    (tlb_bank.ended), and what people ask for is summed up from them.
 * 3. A search of a set that fails has found the victim, and filling does not search again.
 *
 * Rejected: a short second body for the plain miss of a base page, with this one behind it (two truths, and nearly all it could leave
 * out is one test each); an instance for each kind of access as well (three times the code for a few instructions); fetching the
 * quick word of references ahead (slower: it comes from the second-level cache in time anyhow). */
#include "../base/mem.h"
#include "formats.h"
#include "hashed.h"
#include "mmu.h"
#include "nested.h"
#include <string.h>

struct lookup {
	vaddr_t va;
	enum access_kind kind;
	uint64_t now;
	uint64_t kept;        /* of the reference by the quick index */
	unsigned depth;       /* ranks there are for this kind */
	unsigned found;       /* the one that had it; depth: none, and it was walked for */
	uint32_t slot;        /* there */
	struct tlb_entry e;
	uint64_t tag;         /* of the base page */
	uint32_t victim[TLB_DEPTH];        /* slot to fill with that at each rank that missed; none: it has yet to be chosen */
	struct walk walk;     /* the story of a walk, if there was one */
};

/* ---- the quick index, and times ---- */

pt_inline void quick_drop(const struct ptfmt *f, struct cpu *c, uint32_t slot)
{
	unsigned up = f->page_shift + REF_KIND_BITS;
	uint64_t page_word = (uint64_t)((int64_t)c->tlb.tag[slot] >> 19) << up; /* tags drop bits that the sign copies */
	for (uint64_t kinds = tlb_entry_quick(c->tlb.entry[slot]); kinds; kinds &= kinds - 1) {
		const uint64_t kept = page_word | (uint64_t)__builtin_ctzll(kinds);
		uint64_t *q = &c->quick[quick_index(kept)];
		if (*q == (kept | (uint64_t)slot << REF_KIND_BITS))
			*q = QUICK_NONE;
	}
}

__attribute__((noinline)) void mmu_quick_clear(struct cpu *c)
{
	for (unsigned i = 0; i < 1 << QUICK_BITS; i++)
		c->quick[i] = QUICK_NONE;
}

pt_inline void note_use(struct machine *m, pfn_t f, uint64_t now)
{
	struct frame_use *u = &m->frame[f.v];
	const struct frame_use was = *u;
	if (now <= was.last_use)
		return;
	u->last_use = now;
	if (m->config.log_touches && !was.logged && now > m->drained) {
		u->logged = 1;
		m->frame[m->log_n++].log = (uint32_t)f.v;
	}
}

/* What an entry alone knew is kept before something else takes its slot.  Only one through which references came (remember) has a
 * time that nobody else has, and quick words to drop. */
pt_inline void slot_leave(const struct ptfmt *f, struct machine *m, struct cpu *c, uint32_t slot)
{
	const struct tlb_entry e = c->tlb.entry[slot];
	if (!tlb_entry_quick(e))
		return;
	note_use(m, tlb_entry_pfn(e), c->tlb.stamp[slot]);
	if (tlb_entry_level(e) == 0)
		quick_drop(f, c, slot);
	else
		mmu_quick_clear(c);
}

__attribute__((noinline)) void mmu_retire(struct machine *m, struct cpu *c, uint32_t slot)
{
	struct tlb_bank *b = &c->tlb;
	slot_leave(&m->format, m, c, slot);
	b->tag[slot] = b->stamp[slot] = b->filled[slot] = b->entry[slot].word = 0;
}

void mmu_settle(struct machine *m)
{
	if (m->settled == m->now)
		return;
	for (unsigned i = 0; i < m->config.n_cpus; i++) {
		struct tlb_bank *b = &m->cpu[i].tlb;
		for (uint32_t slot = 0; slot < b->n_first; slot++)
			if (b->tag[slot] && b->stamp[slot] > m->settled)
				note_use(m, tlb_entry_pfn(b->entry[slot]), b->stamp[slot]);
	}
	m->settled = m->now;
}

/* ---- page-walk caches ---- */

pt_inline uint64_t pwc_tag(const struct ptfmt *f, const struct cpu *c, vaddr_t va, unsigned level)
{
	return pwc_tag_make(va.v >> ptfmt_level_shift(f, level), c->asid);
}

void mmu_pwc_flush(struct cpu *c, const uint16_t *asid)
{
	for (unsigned level = 0; level < PTFMT_LEVELS; level++)
		for (uint32_t i = 0; i < c->pwc[level].n; i++) {
			struct pwc *p = &c->pwc[level];
			if (!asid || pwc_tag_asid(p->entry[i].tag) == *asid)
				pwc_drop(p, i);
		}
}

/* ---- walking ---- */

/* Of a guest, or through a hashed table: the story is copied, for invariant 1. */
pt_inline void walk_elsewhere(const struct ptfmt *f, struct machine *m, struct cpu *c, struct lookup *l, pfn_t table, unsigned level,
			      unsigned rights, struct walk_want want)
{
	struct walk story;
	if (m->config.host)
		nested_walk(m, c, table, level, rights, &want, &story);
	else
		hashed_walk(f, &m->mem, table, &want, &story, NULL);
	l->walk = story;
}

/* Walks, beginning at the lowest table a walk cache knows. */
pt_inline void walk(const struct ptfmt *f, struct machine *m, struct cpu *c, struct lookup *l)
{
	const struct walk_want want = { .va = l->va, .kind = l->kind, .user = c->user, .set_ad = true,
					.software_ad = m->model.software_ad };
	unsigned level = f->levels - 1u, rights = PT_EVERYTHING;
	pfn_t table = ptfmt_upper(f, l->va) ? c->upper : c->root;
#pragma GCC unroll 5
	for (unsigned n = 1; n < f->levels; n++) {
		uint32_t i = pwc_find(&c->pwc[n], pwc_tag(f, c, l->va, n));
		if (i == PWC_NONE)
			continue;
		pwc_use(&c->pwc[n], i);
		table = c->pwc[n].entry[i].table;
		rights = c->pwc[n].entry[i].rights;
		level = n - 1;
		break;
	}
	l->walk.fault = MACHINE_FAULT_NOT_PRESENT;
	if (f->two_roots && pfn_is_none(table))
		return; /* no second root is loaded */
	if (f->hashed || __builtin_expect(m->config.host != NULL, 0)) {
		walk_elsewhere(f, m, c, l, table, level, rights, want);
		return;
	}
	walk_down(f, &m->mem, table, level, rights, &want, &l->walk, NULL);
}

/* ---- looking ahead ---- */

/* When misses come in a row much time goes waiting for two lines of the host's memory, one after the other: the leaf entry, and the
 * record of the frame it names.  So the entry of a reference some way ahead is fetched now, and the record of one half as far, whose
 * entry has come meanwhile.  Where entries are is a guess from where leaf tables were last; nothing of the machine changes. */

static inline uint64_t region_of(const struct ptfmt *f, vaddr_t va) { return va.v >> ptfmt_level_shift(f, 1); }

/* Only tables that lie in memory as a whole are noted, so that guesses can be read; a walk has seen to it that they begin there. */
pt_inline void leaf_table_note(const struct ptfmt *f, const struct machine *m, struct cpu *c, vaddr_t va, pfn_t table)
{
	const uint64_t region = region_of(f, va), more_frames = (((uint64_t)f->entry_bytes << f->index_bits[0]) - 1) >> f->page_shift;
	if (more_frames == 0 || table.v + more_frames < m->mem.frames)
		c->leaf_table[region % LEAF_TABLES] = (struct leaf_table){ region + 1, table };
}

/* Where the leaf entry of an address should be; anywhere, if there is no idea. */
pt_inline paddr_t leaf_guess(const struct ptfmt *f, const struct cpu *c, vaddr_t va)
{
	const struct leaf_table *t = &c->leaf_table[region_of(f, va) % LEAF_TABLES];
	const paddr_t at = paddr((t->table.v << f->page_shift) + ptfmt_index(f, va, 0) * f->entry_bytes);
	return t->region == region_of(f, va) + 1 ? at : paddr(0);
}

/* Of the reference AHEAD from here the entry is fetched; of one that is nearer, the frame's record. */
pt_inline void foresee(const struct ptfmt *f, const struct machine *m, struct cpu *c, const ref_t *refs, uint64_t now)
{
	paddr_t *const guess = &c->foreseen[now % FORESEEN];
	const pfn_t frame = ptfmt_pfn(f, ptfmt_load(f, &m->mem, *guess));
	__builtin_prefetch((const void *)((uintptr_t)m->frame + frame.v * sizeof *m->frame), 1); /* wherever that is */
	*guess = leaf_guess(f, c, ref_va(refs[AHEAD]));
	__builtin_prefetch(m->mem.bytes + guess->v, 1);
}

/* ---- the phases ---- */

/* A completed walk is counted, its tables are cached, its frame knows. */
pt_inline void walk_done(const struct ptfmt *f, struct machine *m, struct cpu *c, const struct lookup *l)
{
	const struct walk *w = &l->walk;
	m->walked[w->from][w->level]++;
	m->counts.walk_references += w->reads;
	if (f->hashed)
		m->counts.walk_level[0] += w->reads - 1u; /* beside the entry that was found */
#pragma GCC unroll 5
	for (unsigned level = 1; level < f->levels; level++)
		if (level > w->level && level <= w->from && __builtin_expect(c->pwc[level].n, 1))
			pwc_fill(&c->pwc[level], pwc_tag(f, c, l->va, level), w->table[level - 1], w->rights_above[level - 1]);
	m->frame[tlb_entry_pfn(l->e).v].walks++;
	if (w->level == 0 && !f->hashed)
		leaf_table_note(f, m, c, l->va, w->table[0]);
	if (__builtin_expect(m->config.host != NULL, 0)) {
		const struct walk story = *w;
		nested_count(m, &story);
	}
}

/* A store through a translation that said clean has walked, and the entry in memory is marked: every copy learns it. */
static __attribute__((noinline)) void dirtied(struct machine *m, struct cpu *c, vaddr_t va, uint32_t found, unsigned level)
{
	m->counts.dirty_updates++;
	c->tlb.entry[found].word |= TLB_ENTRY_DIRTY;
	for (unsigned i = 0; i < c->tlb.n_arrays; i++) {
		uint32_t slot = tlb_probe(&c->tlb, &c->tlb.array[i], va, c->asid, level);
		if (slot != TLB_SLOT_NONE)
			c->tlb.entry[slot].word |= TLB_ENTRY_DIRTY;
	}
}

/* Looks through the ranks.  While only base pages are about and a rank is plain, one scan finds the entry or the victim. */
pt_inline void look(const struct ptfmt *f, struct cpu *c, struct lookup *l)
{
	const struct tlb_bank *b = &c->tlb;
	l->depth = b->depth[l->kind];
	l->tag = tlb_tag_of_page(l->va.v >> f->page_shift, c->asid, 0);
	l->slot = TLB_SLOT_NONE;
	for (l->found = 0; l->found < l->depth; l->found++) {
		const struct tlb_array *a = b->rank[l->kind][l->found].plain;
		if (__builtin_expect(!a || !b->simple, 0)) {
			l->victim[l->found] = TLB_SLOT_NONE;
			l->slot = tlb_lookup(b, l->kind, l->found, l->va, c->asid);
			if (l->slot != TLB_SLOT_NONE)
				return;
			continue;
		}
		const uint32_t base = tlb_set(a, l->va.v >> f->page_shift);
		const struct scan s = scan_set(b->tag + base, b->stamp + base, a->stride, l->tag);
		l->slot = l->victim[l->found] = base + scan_slot(s);
		if (scan_found(s))
			return;
	}
}

/* What was chosen no longer holds, or was not for this page. */
pt_inline void victims_forget(struct lookup *l)
{
	for (unsigned rank = 0; rank < l->depth; rank++)
		l->victim[rank] = TLB_SLOT_NONE;
}

/* Is the entry found all that is needed?  Else somebody walks: for the dirty bit, or for everything. */
pt_inline bool entry_serves(struct machine *m, struct cpu *c, struct lookup *l)
{
	const struct walk_want want = { .va = l->va, .kind = l->kind, .user = c->user };
	l->e.word = c->tlb.entry[l->slot].word & ~TLB_ENTRY_QUICK;
	if (walk_refusal(tlb_entry_rights(l->e), &want) == MACHINE_FAULT_NONE)
		return l->kind != ACCESS_STORE || tlb_entry_dirty(l->e);
	mmu_retire(m, c, l->slot); /* stale or truly forbidden: the tables decide */
	l->found = l->depth;
	victims_forget(l);
	return false;
}

pt_inline enum machine_fault translate(const struct ptfmt *f, struct machine *m, struct cpu *c, struct lookup *l)
{
	look(f, c, l);
	if (l->found < l->depth && entry_serves(m, c, l))
		return MACHINE_FAULT_NONE;
	walk(f, m, c, l);
	if (__builtin_expect(l->walk.fault != MACHINE_FAULT_NONE, 0))
		return l->walk.fault;
	l->e = l->walk.e;
	if (__builtin_expect(l->found < l->depth, 0))
		dirtied(m, c, l->va, l->slot, tlb_entry_level(l->e));
	return MACHINE_FAULT_NONE;
}

pt_inline void slot_fill(const struct ptfmt *f, struct machine *m, struct cpu *c, uint32_t slot, uint64_t tag, struct tlb_entry e,
			 uint64_t now)
{
	slot_leave(f, m, c, slot);
	c->tlb.tag[slot] = tag;
	c->tlb.entry[slot] = e;
	c->tlb.stamp[slot] = now;
}

/* Puts a translation of any kind into one rank of any kind.  => the slot, or none when no array there holds pages of this size */
static __attribute__((noinline)) uint32_t fill_any(struct machine *m, struct cpu *c, enum access_kind kind, unsigned rank, vaddr_t va,
						   struct tlb_entry e, uint64_t now)
{
	struct tlb_bank *b = &c->tlb;
	const unsigned level = tlb_entry_level(e);
	const bool global = tlb_entry_rights(e) & PT_GLOBAL;
	const uint32_t slot = tlb_victim(b, kind, rank, va, level);
	if (slot == TLB_SLOT_NONE)
		return slot;
	b->globals_used |= global;
	b->levels_used |= (uint8_t)(1 << level);
	b->simple = b->levels_used == 1 && !b->globals_used;
	slot_fill(&m->format, m, c, slot, tlb_tag(b, va, global ? TLB_ASID_GLOBAL : c->asid, level), e, now);
	b->filled[slot] = now;
	return slot;
}

/* Puts the translation into one rank.  => the slot, or none */
pt_inline uint32_t fill_rank(const struct ptfmt *f, struct machine *m, struct cpu *c, const struct lookup *l, unsigned rank)
{
	const uint32_t victim = l->victim[rank];
	if (__builtin_expect(victim == TLB_SLOT_NONE, 0))
		return fill_any(m, c, l->kind, rank, l->va, l->e, l->now);
	slot_fill(f, m, c, victim, l->tag, l->e, l->now);
	return victim;
}

pt_inline void quick_fill(const struct ptfmt *f, struct cpu *c, const struct lookup *l, uint32_t slot)
{
	c->tlb.entry[slot].word |= 1ull << (9 + l->kind);
	if (slot < 1ull << f->page_shift)
		c->quick[quick_index(l->kept)] = l->kept | (uint64_t)slot << REF_KIND_BITS;
}

/* A global entry is found under any ASID, but quick words know only pages; they are dropped with the space, so that is right. */
pt_inline void remember(const struct ptfmt *f, struct machine *m, struct cpu *c, struct lookup *l)
{
	uint32_t slot = l->slot;
	if (l->found < l->depth)
		c->tlb.stamp[slot] = l->now;
	if (__builtin_expect(!tlb_entry_simple(l->e), 0))
		victims_forget(l);
	for (unsigned rank = l->found; rank-- > 0;)
		slot = fill_rank(f, m, c, l, rank);
	if (slot == TLB_SLOT_NONE)
		note_use(m, tlb_entry_pfn(l->e), l->now);
	else
		quick_fill(f, c, l, slot);
}

/* The whole story of one reference. */
pt_inline enum machine_fault reference(const struct ptfmt *f, struct machine *m, struct cpu *c, ref_t ref, uint64_t now,
				       struct tlb_entry *ret)
{
	struct lookup l; /* not initialised: large, and a walk is rarely made */
	l.va = ref_va(ref);
	l.kind = ref_kind(ref);
	l.now = now;
	l.kept = ref.word & m->keep;
	l.e.word = 0;
	enum machine_fault fault = MACHINE_FAULT_NONCANONICAL;
	if (ptfmt_canonical(f, l.va))
		fault = translate(f, m, c, &l);
	if (__builtin_expect(fault != MACHINE_FAULT_NONE, 0)) {
		m->counts.faults[fault]++;
		return fault;
	}
	c->tlb.ended[l.kind][l.found]++;
	if (l.found == l.depth)
		walk_done(f, m, c, &l);
	remember(f, m, c, &l);
	*ret = l.e;
	return MACHINE_FAULT_NONE;
}

/* References in a row, each completely. */
pt_inline struct served serve(const struct ptfmt *f, struct machine *m, struct cpu *c, const ref_t *refs, uint64_t n, uint64_t now)
{
	const ref_t *ref = refs, *const end = refs + n, *const last_ahead = n > AHEAD ? end - AHEAD : refs;
	enum machine_fault fault;
	struct tlb_entry last = { 0 };
	do {
		if (ref < last_ahead)
			foresee(f, m, c, ref, now);
		fault = reference(f, m, c, *ref, now, &last);
		if (__builtin_expect(fault != MACHINE_FAULT_NONE, 0))
			break;
		now++;
	} while (++ref < end && quick_slot(c, m->keep, *ref) == QUICK_NONE);
	return (struct served){ (uint64_t)(ref - refs), last, fault };
}

/* ---- instances ---- */

/* One for each format, with wide vectors.  Hosts without them are old: there one for all formats must do. */
#define INSTANCE(name, f)                                                                                                         \
	static struct served serve_##name(struct machine *m, struct cpu *c, const ref_t *refs, uint64_t n, uint64_t now)           \
	{                                                                                                                           \
		return serve(f, m, c, refs, n, now);                                                                                \
	}
#define X(name) __attribute__((target("avx2"))) INSTANCE(name, &ptfmt_##name)
PTFMT_CONST_LIST(X)
X(hashed)
#undef X
__attribute__((target_clones("avx2", "default"))) INSTANCE(any, &m->format)

mmu_serve_fn mmu_instance(const struct ptfmt *f)
{
	if (!__builtin_cpu_supports("avx2"))
		return serve_any;
#define X(format)                                      \
	if (strcmp(f->name, ptfmt_##format.name) == 0) \
		return serve_##format;
	PTFMT_CONST_LIST(X)
	X(hashed)
#undef X
	return serve_any;
}
