/* pmap_machine_mapper.c - the reverse map of pmap_machine: who maps a frame.
 *
 * Most frames have one mapping, which is kept in the frame's own record; further ones hang off it in a pool.  The bits of
 * mappings that are gone live beside the first element. */
#include "../base/mem.h"
#include "pmap_machine_space.h"

static struct mapper *pool_take(struct machine_sys *s, uint32_t *ret_index)
{
	if (s->pool_free) {
		*ret_index = s->pool_free;
		s->pool_free = s->pool[s->pool_free].next;
		return &s->pool[*ret_index];
	}
	if (s->pool_n == s->pool_cap) {
		uint32_t cap = s->pool_cap ? s->pool_cap * 2 : 64;
		struct mapper *grown = mem_realloc(s->pool, cap, sizeof *grown);
		if (!grown)
			return NULL;
		s->pool = grown;
		s->pool_cap = cap;
		s->pool_n += s->pool_n == 0; /* index 0 means none */
	}
	*ret_index = s->pool_n++;
	return &s->pool[*ret_index];
}

bool mapper_add(struct machine_sys *s, const struct pmap_mapping *m, const struct space *p)
{
	struct mapper *first = &s->frame[m->pfn.v];
	vpn_t n = m->vpn;
	unsigned level = m->level;
	if (m->unmanaged) {
		first->space = SPACE_UNMANAGED;
		return true;
	}
	if (first->space == 0) {
		*first = (struct mapper){ where_make(n, level) | (first->where & 15), p->id, 0 };
		return true;
	}
	uint32_t index;
	struct mapper *more = pool_take(s, &index);
	if (!more)
		return false;
	*more = (struct mapper){ where_make(n, level), p->id, first->next };
	first->next = index;
	return true;
}

static void pool_give(struct machine_sys *s, uint32_t index)
{
	s->pool[index] = (struct mapper){ .next = s->pool_free };
	s->pool_free = index;
}

void mapper_drop(struct machine_sys *s, pfn_t f, const struct space *p, vpn_t n, unsigned level)
{
	struct mapper *first = &s->frame[f.v];
	uint64_t bits = first->where & 15, want = where_make(n, level);
	if (first->space == SPACE_UNMANAGED)
		return;
	if (first->space == p->id && (first->where & ~15ull) == want) {
		uint32_t next = first->next;
		*first = next ? s->pool[next] : (struct mapper){ 0 };
		first->where |= bits;
		if (next)
			pool_give(s, next);
		return;
	}
	for (uint32_t *link = &first->next; *link; link = &s->pool[*link].next)
		if (s->pool[*link].space == p->id && s->pool[*link].where == want) {
			uint32_t index = *link;
			*link = s->pool[index].next;
			pool_give(s, index);
			return;
		}
}

bool mapper_known(const struct machine_sys *s, pfn_t f, const struct space *p, vpn_t n, unsigned level)
{
	const struct mapper *m = &s->frame[f.v];
	uint64_t want = where_make(n, level);
	if (m->space == SPACE_UNMANAGED || (m->space == p->id && (m->where & ~15ull) == want))
		return true;
	for (uint32_t i = m->next; i; i = s->pool[i].next)
		if (s->pool[i].space == p->id && s->pool[i].where == want)
			return true;
	return false;
}

void mapper_each(struct machine_sys *s, pfn_t f, void (*visit)(struct space *, struct vpn_range, void *), void *ctx)
{
	struct mapper *first = &s->frame[f.v];
	if (first->space == SPACE_UNMANAGED)
		return;
	for (uint32_t i = first->next, next; i; i = next) {
		next = s->pool[i].next;
		visit(s->space[s->pool[i].space], vpn_range(where_vpn(s->pool[i].where),
		      ptfmt_level_pages(s->f, where_level(s->pool[i].where))), ctx);
	}
	if (first->space)
		visit(s->space[first->space], vpn_range(where_vpn(first->where),
		      ptfmt_level_pages(s->f, where_level(first->where))), ctx);
}
