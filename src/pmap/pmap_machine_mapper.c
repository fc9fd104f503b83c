/* pmap_machine_mapper.c - the reverse map of pmap_machine: who maps a frame.
 *
 * Problem: every frame that holds a page needs the way back to its mapping, so each byte here is paid for each simulated frame.
 * Idea: one mapping fits into a word; a frame with several, or with one whose numbers are too large for that, keeps a list in a
 * pool that grows.
 *
 * 1. A list of kind MANY is not empty.  Bits stay whatever the kind becomes.
 * Rejected: a first element with room for a whole mapping in each frame's record (twice the memory). */
#include "../base/mem.h"
#include "pmap_machine_space.h"

enum { KIND_SHIFT = 4, LEVEL_SHIFT = 6, SPACE_SHIFT = 9, VPN_SHIFT = 20, POOL_SHIFT = 32, POOL_MOST = 1 << 28 };

static enum frame_map_kind kind_of(struct frame_map m) { return m.word >> KIND_SHIFT & 3; }
static uint32_t many_first(struct frame_map m) { return (uint32_t)(m.word >> POOL_SHIFT); }

static void kind_set(struct frame_map *m, enum frame_map_kind kind, uint64_t rest)
{
	m->word = rest | (uint64_t)kind << KIND_SHIFT | (m->word & FRAME_MAP_BITS);
}

static struct mapper one_get(struct frame_map m)
{
	return (struct mapper){ .vpn = vpn((uint64_t)((int64_t)m.word >> VPN_SHIFT)),
		.space = (uint32_t)(m.word >> SPACE_SHIFT) & ((1u << (VPN_SHIFT - SPACE_SHIFT)) - 1),
		.level = (unsigned)(m.word >> LEVEL_SHIFT) & 7 };
}

/* Page numbers may or may not carry the sign of the address above its topmost bit. */
static bool same_page(const struct machine_sys *s, vpn_t a, vpn_t b)
{
	return page_va(s, a).v == page_va(s, b).v;
}

/* => false: it does not fit into a word. */
static bool one_set(const struct machine_sys *s, struct frame_map *m, const struct mapper *from)
{
	uint64_t rest = from->vpn.v << VPN_SHIFT | (uint64_t)from->space << SPACE_SHIFT | (uint64_t)from->level << LEVEL_SHIFT;
	struct mapper back = one_get((struct frame_map){ rest });
	if (!same_page(s, back.vpn, from->vpn) || back.space != from->space || back.level != from->level)
		return false;
	kind_set(m, FRAME_MAP_ONE, rest);
	return true;
}

static bool same(const struct machine_sys *s, const struct mapper *m, const struct space *p, vpn_t n, unsigned level)
{
	return m->space == p->id && m->level == level && same_page(s, m->vpn, n);
}

/* => the index of a copy, or 0. */
static uint32_t pool_put(struct machine_sys *s, struct mapper m)
{
	uint32_t index = s->pool_free;
	if (!index && s->pool_n == s->pool_cap) {
		uint32_t cap = s->pool_cap ? s->pool_cap * 2 : 64;
		struct mapper *grown = cap <= POOL_MOST ? mem_realloc(s->pool, cap, sizeof *grown) : NULL;
		if (!grown)
			return 0;
		s->pool = grown;
		s->pool_cap = cap;
		s->pool_n += s->pool_n == 0; /* index 0 means none */
	}
	if (index)
		s->pool_free = s->pool[index].next;
	else
		index = s->pool_n++;
	s->pool[index] = m;
	return index;
}

static void pool_give(struct machine_sys *s, uint32_t index)
{
	s->pool[index] = (struct mapper){ .next = s->pool_free };
	s->pool_free = index;
}

/* The one mapping moves to the pool, so that others can join it. */
static bool make_many(struct machine_sys *s, struct frame_map *m)
{
	uint32_t index = pool_put(s, one_get(*m));
	if (index)
		kind_set(m, FRAME_MAP_MANY, (uint64_t)index << POOL_SHIFT);
	return index != 0;
}

bool mapper_add(struct machine_sys *s, const struct pmap_mapping *m, const struct space *p)
{
	struct frame_map *of = &s->frame[m->pfn.v];
	struct mapper added = { .vpn = m->vpn, .space = p->id, .level = m->level };
	if (m->unmanaged) {
		kind_set(of, FRAME_MAP_UNMANAGED, 0);
		return true;
	}
	if (kind_of(*of) == FRAME_MAP_NONE && one_set(s, of, &added))
		return true;
	if (kind_of(*of) == FRAME_MAP_ONE && !make_many(s, of))
		return false;
	added.next = kind_of(*of) == FRAME_MAP_MANY ? many_first(*of) & (POOL_MOST - 1) : 0;
	uint32_t index = pool_put(s, added);
	if (index)
		kind_set(of, FRAME_MAP_MANY, (uint64_t)index << POOL_SHIFT);
	return index != 0;
}

static void many_drop(struct machine_sys *s, struct frame_map *of, const struct space *p, vpn_t n, unsigned level)
{
	uint32_t before = 0, i = many_first(*of);
	while (i && !same(s, &s->pool[i], p, n, level)) {
		before = i;
		i = s->pool[i].next;
	}
	if (!i)
		return;
	uint32_t next = s->pool[i].next;
	if (before)
		s->pool[before].next = next & (POOL_MOST - 1);
	else
		kind_set(of, next ? FRAME_MAP_MANY : FRAME_MAP_NONE, (uint64_t)next << POOL_SHIFT);
	pool_give(s, i);
}

void mapper_drop(struct machine_sys *s, pfn_t f, const struct space *p, vpn_t n, unsigned level)
{
	struct frame_map *of = &s->frame[f.v];
	struct mapper one = one_get(*of);
	if (kind_of(*of) == FRAME_MAP_MANY)
		many_drop(s, of, p, n, level);
	else if (kind_of(*of) == FRAME_MAP_ONE && same(s, &one, p, n, level))
		kind_set(of, FRAME_MAP_NONE, 0);
}

bool mapper_known(const struct machine_sys *s, pfn_t f, const struct space *p, vpn_t n, unsigned level)
{
	struct frame_map of = s->frame[f.v];
	struct mapper one = one_get(of);
	if (kind_of(of) != FRAME_MAP_MANY)
		return kind_of(of) == FRAME_MAP_UNMANAGED || (kind_of(of) == FRAME_MAP_ONE && same(s, &one, p, n, level));
	for (uint32_t i = many_first(of); i; i = s->pool[i].next)
		if (same(s, &s->pool[i], p, n, level))
			return true;
	return false;
}

void mapper_each(struct machine_sys *s, pfn_t f, void (*visit)(struct space *, struct vpn_range, void *), void *ctx)
{
	struct frame_map of = s->frame[f.v];
	if (kind_of(of) == FRAME_MAP_ONE) {
		struct mapper one = one_get(of);
		visit(s->space[one.space], vpn_range(one.vpn, ptfmt_level_pages(s->f, one.level)), ctx);
		return;
	}
	if (kind_of(of) != FRAME_MAP_MANY)
		return;
	for (uint32_t i = many_first(of), next; i; i = next) {
		struct mapper m = s->pool[i];
		next = m.next;
		visit(s->space[m.space], vpn_range(m.vpn, ptfmt_level_pages(s->f, m.level)), ctx);
	}
}
