/* mmu.c - what happens to a reference that is not an ordinary hit.
 *
 * In phases over one context: look through the TLB ranks; walk, from the lowest level a walk cache knows; check rights; fill
 * from the rank that knew (or all, after a walk) upward; remember.  Counting comes last, so a reference that faults, and is
 * made again, counts once. */
#include "mmu.h"

struct lookup {
	vaddr_t va;
	enum access_kind kind;
	uint64_t now;
	unsigned found;       /* rank that had it; depth: none */
	uint32_t slot;
	struct tlb_entry e;
	struct walk walk;
	bool walked;
};

static void quick_drop(struct machine *m, struct cpu *c, uint32_t slot)
{
	uint64_t page_word = c->tlb.tag[slot] >> 19 << (m->format.page_shift + REF_KIND_BITS);
	for (unsigned kind = 0; kind < ACCESS_KINDS; kind++) {
		uint64_t word = page_word | kind, *q = &c->quick[quick_index(m, word)];
		if ((*q & ~m->keep) == (uint64_t)slot << REF_KIND_BITS)
			*q = QUICK_NONE;
	}
}

void mmu_quick_clear(struct cpu *c)
{
	for (unsigned i = 0; i < 1 << QUICK_BITS; i++)
		c->quick[i] = QUICK_NONE;
}

static void note_use(struct machine *m, pfn_t f, uint64_t now)
{
	struct frame_use *u = &m->frame[f.v];
	if (now > u->last_use)
		u->last_use = now;
	if (m->config.log_touches && !u->logged && now > m->drained) {
		u->logged = 1;
		m->log[m->log_n++] = f.v;
	}
}

void mmu_retire(struct machine *m, struct cpu *c, uint32_t slot)
{
	struct tlb_bank *b = &c->tlb;
	if (slot < b->n_first) {
		note_use(m, b->entry[slot].pfn, b->stamp[slot]);
		if (b->entry[slot].level == 0)
			quick_drop(m, c, slot);
		else
			mmu_quick_clear(c);
	}
	b->tag[slot] = 0;
}

void mmu_settle(struct machine *m)
{
	if (m->settled == m->now)
		return;
	for (unsigned i = 0; i < m->config.n_cpus; i++) {
		struct tlb_bank *b = &m->cpu[i].tlb;
		for (uint32_t slot = 0; slot < b->n_first; slot++)
			if (b->tag[slot] && b->stamp[slot] > m->settled)
				note_use(m, b->entry[slot].pfn, b->stamp[slot]);
	}
	m->settled = m->now;
}

/* ---- page-walk caches ---- */

static uint64_t pwc_tag(const struct cpu *c, vaddr_t va, unsigned level)
{
	return (va.v >> c->tlb.level_shift[level] << 16 | c->asid) + 1;
}

static struct pwc_slot *pwc_find(struct pwc *p, uint64_t tag)
{
	if (p->n && p->slot[p->last].tag == tag)
		return &p->slot[p->last];
	for (unsigned i = 0; i < p->n; i++)
		if (p->slot[i].tag == tag) {
			p->last = i;
			return &p->slot[i];
		}
	return NULL;
}

static void pwc_fill(struct pwc *p, uint64_t tag, pfn_t table, uint8_t rights, uint64_t now)
{
	if (p->n == 0)
		return;
	unsigned victim = 0;
	for (unsigned i = 0; i < p->n; i++)
		if (p->slot[i].stamp < p->slot[victim].stamp)
			victim = i;
	p->slot[victim] = (struct pwc_slot){ .tag = tag, .stamp = now, .table = table, .rights = rights };
	p->last = victim;
}

void mmu_pwc_flush(struct cpu *c, const uint16_t *asid)
{
	for (unsigned level = 0; level < PTFMT_LEVELS; level++)
		for (unsigned i = 0; i < c->pwc[level].n; i++) {
			struct pwc_slot *s = &c->pwc[level].slot[i];
			if (!asid || (s->tag && (uint16_t)(s->tag - 1) == *asid))
				*s = (struct pwc_slot){ 0 };
		}
}

/* Walks, beginning at the lowest table a walk cache knows. */
static void walk(struct machine *m, struct cpu *c, struct lookup *l)
{
	const struct walk_want want = { .va = l->va, .kind = l->kind, .user = c->user, .set_ad = true,
					.software_ad = m->model.software_ad };
	unsigned level = m->format.levels - 1u, rights = PT_READ | PT_WRITE | PT_EXEC | PT_USER;
	pfn_t table = c->root;
	for (unsigned n = 1; n < m->format.levels; n++) {
		struct pwc_slot *s = pwc_find(&c->pwc[n], pwc_tag(c, l->va, n));
		if (s) {
			s->stamp = l->now;
			table = s->table;
			rights = s->rights;
			level = n - 1;
			break;
		}
	}
	l->walked = true;
	m->walk(&m->format, &m->mem, table, level, rights, &want, &l->walk);
	l->e = (struct tlb_entry){ .pfn = l->walk.pfn, .level = (uint8_t)l->walk.level, .rights = (uint8_t)l->walk.rights,
				   .dirty = l->walk.dirty };
}

/* A completed walk is counted, its tables are cached, its frame knows. */
static void walk_done(struct machine *m, struct cpu *c, const struct lookup *l)
{
	const struct walk *w = &l->walk;
	m->counts.walks++;
	m->counts.walk_references += w->reads;
	if (w->from + 1u < m->format.levels)
		m->counts.pwc_hits[w->from + 1]++;
	for (unsigned level = w->level; level <= w->from; level++)
		m->counts.walk_level[level]++;
	for (unsigned level = w->level + 1; level <= w->from; level++)
		pwc_fill(&c->pwc[level], pwc_tag(c, l->va, level), w->table[level - 1], w->rights_above[level - 1], l->now);
	m->frame[w->pfn.v].walks++;
}

/* A store through a translation that says clean: the entry in memory is marked, and every copy learns it. */
static enum machine_fault make_dirty(struct machine *m, struct cpu *c, struct lookup *l)
{
	walk(m, c, l);
	if (l->walk.fault != MACHINE_FAULT_NONE)
		return l->walk.fault;
	l->walked = false;
	m->counts.dirty_updates++;
	c->tlb.entry[l->slot].dirty = true;
	for (unsigned i = 0; i < c->tlb.n_arrays; i++) {
		uint32_t slot = tlb_probe(&c->tlb, &c->tlb.array[i], l->va, c->asid, l->e.level);
		if (slot != TLB_SLOT_NONE)
			c->tlb.entry[slot].dirty = true;
	}
	return MACHINE_FAULT_NONE;
}

static enum machine_fault translate(struct machine *m, struct cpu *c, struct lookup *l)
{
	struct tlb_bank *b = &c->tlb;
	unsigned depth = b->depth[l->kind];
	for (l->found = 0; l->found < depth; l->found++) {
		l->slot = tlb_lookup(b, l->kind, l->found, l->va, c->asid);
		if (l->slot != TLB_SLOT_NONE)
			break;
	}
	if (l->found < depth) {
		const struct walk_want want = { .va = l->va, .kind = l->kind, .user = c->user };
		l->e = b->entry[l->slot];
		if (walk_refusal(l->e.rights, &want) == MACHINE_FAULT_NONE)
			return l->kind == ACCESS_STORE && !l->e.dirty ? make_dirty(m, c, l) : MACHINE_FAULT_NONE;
		mmu_retire(m, c, l->slot); /* stale or truly forbidden: the tables decide */
		l->found = depth;
	}
	walk(m, c, l);
	return l->walk.fault;
}

static void count_ranks(struct tlb_bank *b, const struct lookup *l)
{
	for (unsigned d = 0; d <= l->found && d < b->depth[l->kind]; d++) {
		const struct tlb_rank *r = &b->rank[l->kind][d];
		for (unsigned i = 0; i < r->n_groups; i++) {
			struct tlb_group *g = &b->group[r->group[i]];
			g->accesses += d > 0;
			g->misses += d < l->found;
		}
	}
}

/* Puts the translation into one rank.  => the slot, or none when no array there holds pages of this size. */
static uint32_t fill_rank(struct machine *m, struct cpu *c, const struct lookup *l, unsigned depth)
{
	struct tlb_bank *b = &c->tlb;
	uint32_t slot = tlb_victim(b, l->kind, depth, l->va, l->e.level);
	if (slot == TLB_SLOT_NONE)
		return slot;
	if (b->tag[slot])
		mmu_retire(m, c, slot);
	bool global = l->e.rights & PT_GLOBAL;
	b->tag[slot] = tlb_tag(b, l->va, global ? TLB_ASID_GLOBAL : c->asid, l->e.level);
	b->globals_used |= global;
	b->levels_used |= (uint8_t)(1 << l->e.level);
	b->entry[slot] = l->e;
	b->stamp[slot] = b->filled[slot] = l->now;
	return slot;
}

static void quick_fill(struct machine *m, struct cpu *c, const struct lookup *l, uint32_t slot)
{
	uint64_t word = ref_make(l->va, l->kind).word & m->keep;
	if (slot < 1ull << m->format.page_shift)
		c->quick[quick_index(m, word)] = word | (uint64_t)slot << REF_KIND_BITS;
}

/* A global entry is found under any ASID, but quick words know only pages; they are dropped with the space, so that is right. */
static void remember(struct machine *m, struct cpu *c, struct lookup *l)
{
	uint32_t slot = l->slot;
	if (l->found < c->tlb.depth[l->kind])
		c->tlb.stamp[slot] = l->now;
	for (unsigned d = l->found; d-- > 0;)
		slot = fill_rank(m, c, l, d);
	if (c->tlb.depth[l->kind] == 0 || slot == TLB_SLOT_NONE)
		note_use(m, l->e.pfn, l->now);
	else
		quick_fill(m, c, l, slot);
}

enum machine_fault mmu_reference(struct machine *m, struct cpu *c, vaddr_t va, enum access_kind kind, uint64_t now,
				 struct tlb_entry *ret)
{
	struct lookup l = { .va = va, .kind = kind, .now = now };
	enum machine_fault fault = MACHINE_FAULT_NONCANONICAL;
	if (ptfmt_canonical(&m->format, va))
		fault = translate(m, c, &l);
	if (fault != MACHINE_FAULT_NONE) {
		m->counts.faults[fault]++;
		return fault;
	}
	count_ranks(&c->tlb, &l);
	if (l.walked)
		walk_done(m, c, &l);
	remember(m, c, &l);
	if (ret)
		*ret = l.e;
	return MACHINE_FAULT_NONE;
}
