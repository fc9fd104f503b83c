/* mmu.c - what happens to a reference that is not an ordinary hit.
 *
 * In phases over one context: look through the TLB ranks; walk, from the lowest level a walk cache knows; check rights; fill
 * from the rank that knew (or all, after a walk) upward; remember.  Counting comes last, so a reference that faults, and is
 * made again, counts once. */
#include "../base/mem.h"
#include "mmu.h"
#include "nested.h"

struct lookup {
	vaddr_t va;
	enum access_kind kind;
	uint64_t now;
	unsigned found;       /* rank that had it; depth: none */
	uint32_t slot;
	struct tlb_entry e;
	bool walked;
	bool simple;          /* only base pages are about: tag and victim[] can be relied on for plain ranks */
	uint64_t tag;         /* of the base page */
	uint32_t victim[TLB_DEPTH];        /* slot to fill at each plain rank that missed, for a base page */
	struct walk *walk;    /* where a walk's story goes */
};

static inline void quick_drop(struct machine *m, struct cpu *c, uint32_t slot)
{
	unsigned up = c->tlb.level_shift[0] + REF_KIND_BITS;
	uint64_t page_word = (uint64_t)((int64_t)c->tlb.tag[slot] >> 19) << up; /* tags drop bits that the sign copies */
	for (unsigned kinds = tlb_entry_quick(c->tlb.entry[slot]); kinds; kinds &= kinds - 1) {
		uint64_t *q = &c->quick[quick_index(page_word | (unsigned)__builtin_ctz(kinds))];
		if ((*q & ~m->keep) == (uint64_t)slot << REF_KIND_BITS)
			*q = QUICK_NONE;
	}
}

void mmu_quick_clear(struct cpu *c)
{
	for (unsigned i = 0; i < 1 << QUICK_BITS; i++)
		c->quick[i] = QUICK_NONE;
}

static inline void note_use(struct machine *m, pfn_t f, uint64_t now)
{
	struct frame_use *u = &m->frame[f.v];
	if (now <= u->last_use)
		return;
	u->last_use = now;
	if (m->config.log_touches && !u->logged && now > m->drained) {
		u->logged = 1;
		m->frame[m->log_n++].log = (uint32_t)f.v;
	}
}

/* What an entry knew is kept before something else takes its slot: a first-rank one has a time, and quick words to drop. */
static inline void slot_leave(struct machine *m, struct cpu *c, uint32_t slot)
{
	struct tlb_bank *b = &c->tlb;
	if (slot >= b->n_first)
		return;
	note_use(m, tlb_entry_pfn(b->entry[slot]), b->stamp[slot]);
	if (tlb_entry_level(b->entry[slot]) == 0)
		quick_drop(m, c, slot);
	else
		mmu_quick_clear(c);
}

void mmu_retire(struct machine *m, struct cpu *c, uint32_t slot)
{
	struct tlb_bank *b = &c->tlb;
	slot_leave(m, c, slot);
	b->tag[slot] = b->stamp[slot] = b->filled[slot] = 0;
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

static uint64_t pwc_tag(const struct cpu *c, vaddr_t va, unsigned level)
{
	return (va.v >> c->tlb.level_shift[level] << 16 | c->asid) + 1;
}

void mmu_pwc_flush(struct cpu *c, const uint16_t *asid)
{
	for (unsigned level = 0; level < PTFMT_LEVELS; level++)
		for (uint32_t i = 0; i < c->pwc[level].n; i++) {
			struct pwc *p = &c->pwc[level];
			if (!asid || (uint16_t)(p->entry[i].tag - 1) == *asid)
				pwc_drop(p, i);
		}
}

/* Walks, beginning at the lowest table a walk cache knows. */
static inline void walk(struct machine *m, struct cpu *c, struct lookup *l)
{
	const struct walk_want want = { .va = l->va, .kind = l->kind, .user = c->user, .set_ad = true,
					.software_ad = m->model.software_ad };
	unsigned level = m->format.levels - 1u, rights = PT_EVERYTHING;
	pfn_t table = c->root;
	if (__builtin_expect(m->unusual, 0))
		table = mmu_root(m, c, l->va);
	for (unsigned n = 1; n < m->format.levels; n++) {
		uint32_t i = pwc_find(&c->pwc[n], pwc_tag(c, l->va, n));
		if (i == PWC_NONE)
			continue;
		pwc_use(&c->pwc[n], i);
		table = c->pwc[n].entry[i].table;
		rights = c->pwc[n].entry[i].rights;
		level = n - 1;
		break;
	}
	l->walked = true;
	if (__builtin_expect(m->unusual, 0)) {
		if (pfn_is_none(table)) {
			l->walk->fault = MACHINE_FAULT_NOT_PRESENT; /* no second root is loaded */
			return;
		}
		if (m->config.host) {
			nested_walk(m, c, table, level, rights, &want, l->walk, &l->e);
			return;
		}
	}
	m->walk(&m->format, &m->mem, table, level, rights, &want, l->walk);
	if (l->walk->fault == MACHINE_FAULT_NONE)
		l->e = tlb_entry_make(l->walk->pfn, l->walk->level, l->walk->rights, l->walk->dirty);
}

/* ---- looking ahead ---- */

/* In a storm of misses nearly all time goes waiting for two lines of the host's memory, one after the other: the leaf entry, and
 * the record of the frame it names.  So the entry of a reference some way ahead is fetched now, and the record of one half as far, whose
 * entry has come meanwhile. */
enum { AHEAD_ENTRY = 16, AHEAD_FRAME = 8 };

static inline void leaf_table_note(const struct machine *m, struct cpu *c, vaddr_t va, pfn_t table)
{
	uint64_t region = va.v >> m->region_shift;
	c->leaf_table[region % LEAF_TABLES] = (struct leaf_table){ region + 1, table };
}

/* Where in memory the leaf entry of an address should be.  => false: no idea */
static inline bool leaf_guess(const struct machine *m, const struct cpu *c, vaddr_t va, paddr_t *ret)
{
	uint64_t region = va.v >> m->region_shift;
	const struct leaf_table *t = &c->leaf_table[region % LEAF_TABLES];
	ret->v = (t->table.v << m->format.page_shift) + ptfmt_index(&m->format, va, 0) * m->format.entry_bytes;
	return t->region == region + 1 && ret->v + m->format.entry_bytes <= physmem_bytes(&m->mem);
}

void mmu_foresee(const struct machine *m, const struct cpu *c, const ref_t *refs, uint64_t n)
{
	paddr_t at;
	if (n > AHEAD_ENTRY && leaf_guess(m, c, ref_va(refs[AHEAD_ENTRY]), &at))
		__builtin_prefetch(m->mem.bytes + at.v, 1);
	if (n > AHEAD_FRAME && leaf_guess(m, c, ref_va(refs[AHEAD_FRAME]), &at)) {
		pfn_t frame = ptfmt_pfn(&m->format, ptfmt_load(&m->format, &m->mem, at));
		if (frame.v < m->mem.frames)
			__builtin_prefetch(&m->frame[frame.v], 1);
	}
}

/* A completed walk is counted, its tables are cached, its frame knows. */
static inline void walk_done(struct machine *m, struct cpu *c, const struct lookup *l)
{
	const struct walk *w = l->walk;
	m->counts.walks++;
	m->counts.walk_references += w->reads;
	if (w->from + 1u < m->top)
		m->counts.pwc_hits[w->from + 1]++;
	m->counts.walk_level[w->level] += w->reads - (w->from - w->level); /* one; more in a hashed table */
	for (unsigned level = w->level + 1; level <= w->from; level++) {
		m->counts.walk_level[level]++;
		if (c->pwc[level].n)
			pwc_fill(&c->pwc[level], pwc_tag(c, l->va, level), w->table[level - 1], w->rights_above[level - 1]);
	}
	m->frame[tlb_entry_pfn(l->e).v].walks++;
	if (w->level == 0 && !m->format.hashed)
		leaf_table_note(m, c, l->va, w->table[0]);
	if (__builtin_expect(m->unusual, 0) && m->config.host)
		nested_count(m, w, l->e);
}

/* A store through a translation that says clean: the entry in memory is marked, and every copy learns it. */
static enum machine_fault make_dirty(struct machine *m, struct cpu *c, struct lookup *l)
{
	walk(m, c, l);
	if (l->walk->fault != MACHINE_FAULT_NONE)
		return l->walk->fault;
	l->walked = false;
	m->counts.dirty_updates++;
	c->tlb.entry[l->slot].word |= TLB_ENTRY_DIRTY;
	for (unsigned i = 0; i < c->tlb.n_arrays; i++) {
		uint32_t slot = tlb_probe(&c->tlb, &c->tlb.array[i], l->va, c->asid, tlb_entry_level(l->e));
		if (slot != TLB_SLOT_NONE)
			c->tlb.entry[slot].word |= TLB_ENTRY_DIRTY;
	}
	return MACHINE_FAULT_NONE;
}

/* Looks at one rank.  While only base pages are about and the rank is plain, one scan finds the entry or the victim. */
static inline uint32_t look_rank(const struct tlb_bank *b, const struct cpu *c, struct lookup *l, unsigned rank)
{
	const struct tlb_array *a = b->rank[l->kind][rank].plain;
	if (!a || !l->simple)
		return tlb_lookup(b, l->kind, rank, l->va, c->asid);
	uint64_t page = l->va.v >> b->level_shift[0];
	uint32_t base = tlb_set(a, page);
	struct scan s = scan_set(b->tag + base, b->stamp + base, a->stride, l->tag);
	l->victim[rank] = base + s.oldest;
	return s.found == TLB_SLOT_NONE ? s.found : base + s.found;
}

static inline enum machine_fault translate(struct machine *m, struct cpu *c, struct lookup *l)
{
	struct tlb_bank *b = &c->tlb;
	unsigned depth = b->depth[l->kind];
	l->simple = b->levels_used <= 1 && !b->globals_used;
	l->tag = tlb_tag_of_page(l->va.v >> b->level_shift[0], c->asid, 0);
	for (l->found = 0; l->found < depth; l->found++) {
		l->slot = look_rank(b, c, l, l->found);
		if (l->slot != TLB_SLOT_NONE)
			break;
	}
	if (l->found < depth) {
		const struct walk_want want = { .va = l->va, .kind = l->kind, .user = c->user };
		l->e = b->entry[l->slot];
		if (walk_refusal(tlb_entry_rights(l->e), &want) == MACHINE_FAULT_NONE)
			return l->kind == ACCESS_STORE && !tlb_entry_dirty(l->e) ? make_dirty(m, c, l) : MACHINE_FAULT_NONE;
		mmu_retire(m, c, l->slot); /* stale or truly forbidden: the tables decide */
		l->simple = false;
		l->found = depth;
	}
	walk(m, c, l);
	return l->walk->fault;
}

static inline uint32_t slot_fill(struct machine *m, struct cpu *c, const struct lookup *l, uint32_t slot, uint64_t tag)
{
	struct tlb_bank *b = &c->tlb;
	if (b->tag[slot])
		slot_leave(m, c, slot);
	b->tag[slot] = tag;
	b->entry[slot].word = l->e.word & ~TLB_ENTRY_QUICK;
	b->stamp[slot] = b->filled[slot] = l->now;
	return slot;
}

/* Puts the translation into one rank.  => the slot, or none when no array there holds pages of this size. */
static inline uint32_t fill_rank(struct machine *m, struct cpu *c, const struct lookup *l, unsigned depth)
{
	struct tlb_bank *b = &c->tlb;
	unsigned level = tlb_entry_level(l->e);
	bool global = tlb_entry_rights(l->e) & PT_GLOBAL;
	if (l->simple && level == 0 && !global && b->rank[l->kind][depth].plain) {
		b->levels_used = 1;
		return slot_fill(m, c, l, l->victim[depth], l->tag);
	}
	uint32_t slot = tlb_victim(b, l->kind, depth, l->va, level);
	if (slot == TLB_SLOT_NONE)
		return slot;
	b->globals_used |= global;
	b->levels_used |= (uint8_t)(1 << level);
	return slot_fill(m, c, l, slot, tlb_tag(b, l->va, global ? TLB_ASID_GLOBAL : c->asid, level));
}

static inline void quick_fill(struct machine *m, struct cpu *c, const struct lookup *l, uint32_t slot)
{
	uint64_t word = ref_make(l->va, l->kind).word & m->keep;
	if (slot >= 1ull << m->format.page_shift)
		return;
	c->quick[quick_index(word)] = word | (uint64_t)slot << REF_KIND_BITS;
	c->tlb.entry[slot].word |= 1ull << (9 + l->kind);
}

/* A global entry is found under any ASID, but quick words know only pages; they are dropped with the space, so that is right. */
static inline void remember(struct machine *m, struct cpu *c, struct lookup *l)
{
	uint32_t slot = l->slot;
	if (l->found < c->tlb.depth[l->kind])
		c->tlb.stamp[slot] = l->now;
	for (unsigned d = l->found; d-- > 0;)
		slot = fill_rank(m, c, l, d);
	if (c->tlb.depth[l->kind] == 0 || slot == TLB_SLOT_NONE)
		note_use(m, tlb_entry_pfn(l->e), l->now);
	else
		quick_fill(m, c, l, slot);
}

__attribute__((target_clones("avx2", "default"), flatten))
enum machine_fault mmu_reference(struct machine *m, struct cpu *c, vaddr_t va, enum access_kind kind, uint64_t now,
				 struct tlb_entry *ret)
{
	struct walk story; /* not initialised: large, and rarely made */
	struct lookup l;
	l.walk = &story;
	l.slot = TLB_SLOT_NONE;
	l.va = va;
	l.kind = kind;
	l.now = now;
	l.walked = false;
	enum machine_fault fault = MACHINE_FAULT_NONCANONICAL;
	if (ptfmt_canonical(&m->format, va))
		fault = translate(m, c, &l);
	if (fault != MACHINE_FAULT_NONE) {
		m->counts.faults[fault]++;
		return fault;
	}
	for (unsigned d = 0; d < l.found; d++)
		c->tlb.rank[kind][d].missed++;
	if (l.walked)
		walk_done(m, c, &l);
	remember(m, c, &l);
	if (ret)
		*ret = l.e;
	return MACHINE_FAULT_NONE;
}
