/* explain.c - walking with every step kept, and walking everything.
 *
 * Problem: the machine's walker is made for speed and forgets what it read; and it trusts the root it is given, while a dump may be
 * cut off, damaged, or not hold page tables at all.
 *
 * Idea: walk by the same descriptor and the same predicates (ptfmt.h), through a view that may refuse, and keep what was seen.
 *
 * 1. No entry is followed that is not valid, free of reserved bits, and in memory; so the depth is that of the format.
 * 2. A table that is its own ancestor is followed, as hardware does (systems map their own tables so), but it cannot make the work
 *    endless: what is below such loops is listed up to EXPLAIN_LOOP_LEAVES leaves in all.
 *
 * Rejected: refusing loops (a recursive mapping is legal, and its pages would be missing from the list). */
#include "explain.h"
#include "hashed.h"

static bool physmem_view_read(void *ctx, paddr_t at, unsigned bytes, uint64_t *ret)
{
	const struct physmem *p = ctx;
	if (at.v > physmem_bytes(p) - bytes)
		return false;
	*ret = physmem_load(p, at, bytes);
	return true;
}

struct memory_view memory_view_of(const struct physmem *p)
{
	return (struct memory_view){ physmem_view_read, (void *)p };
}

/* ---- one address ---- */

/* Reads the entry for va in a table.  => false: it is outside */
static bool step_read(const struct ptfmt *f, const struct memory_view *m, vaddr_t va, struct explain_step *s)
{
	s->index = ptfmt_index(f, va, s->level);
	s->entry_at = paddr(s->table.v + s->index * f->entry_bytes);
	s->present = m->read(m->ctx, s->entry_at, f->entry_bytes, &s->entry.v);
	if (!s->present)
		return false;
	s->leaf = ptfmt_is_leaf(f, s->entry, s->level);
	s->rights = s->leaf ? ptfmt_rights(f, s->entry) : ptfmt_table_rights(f, s->entry, s->level);
	return true;
}

/* Is there memory at all where the leaf points? */
static bool leaf_in_memory(const struct memory_view *m, paddr_t pa, uint64_t bytes)
{
	uint64_t ignored;
	return m->read(m->ctx, pa, 4, &ignored) && m->read(m->ctx, paddr(pa.v + bytes - 4), 4, &ignored);
}

static void leaf_reached(const struct memory_view *m, const struct explain_step *s, struct explain *e)
{
	const struct ptfmt *f = e->format;
	uint64_t bytes = 1ull << ptfmt_level_shift(f, s->level);
	paddr_t start = paddr((ptfmt_pfn(f, s->entry).v << f->page_shift) & ~(bytes - 1));
	struct walk_want want = { .va = e->va, .kind = e->kind, .user = e->user };
	e->rights = ptfmt_rights_below(f, s->entry, e->rights);
	e->pa = paddr(start.v | (e->va.v & (bytes - 1)));
	e->mapped = leaf_in_memory(m, start, bytes);
	e->fault = e->mapped ? walk_refusal(e->rights, &want) : MACHINE_FAULT_BADFRAME;
}

/* => the walk goes on one level down */
static bool step_take(const struct memory_view *m, const struct explain_step *s, struct explain *e)
{
	const struct ptfmt *f = e->format;
	if (!s->present)
		e->fault = MACHINE_FAULT_BADFRAME;
	else if (!ptfmt_valid(f, s->entry))
		e->fault = MACHINE_FAULT_NOT_PRESENT;
	else if (ptfmt_reserved(f, s->entry, s->level, s->leaf) || (!s->leaf && s->level == 0))
		e->fault = f->reserved_is_absent ? MACHINE_FAULT_NOT_PRESENT : MACHINE_FAULT_RESERVED;
	else if (s->leaf)
		leaf_reached(m, s, e);
	else
		e->rights &= s->rights;
	return e->fault == MACHINE_FAULT_NONE && !s->leaf;
}

/* The entry that has the page's name.  When none has, the step that is left shows the beginning of the second group. */
static void explain_hashed(const struct memory_view *m, struct explain *e)
{
	const struct ptfmt *f = e->format;
	pfn_t root = pfn_of(e->root, f->page_shift);
	struct explain_step *s = &e->step[0];
	e->n_steps = 1;
	for (unsigned i = 0; i < 2 * HASHED_GROUP; i++) {
		bool second = i >= HASHED_GROUP;
		*s = (struct explain_step){ .table = hashed_group(root, e->va, second), .index = i % HASHED_GROUP };
		s->entry_at = paddr_add(s->table, s->index * f->entry_bytes);
		s->present = m->read(m->ctx, s->entry_at, f->entry_bytes, &s->entry.v);
		s->entry.v = __builtin_bswap64(s->entry.v);
		s->leaf = s->present && s->entry.v >> 32 == hashed_name(root, e->va, second) >> 32;
		s->rights = ptfmt_rights(f, s->entry);
		if (s->leaf || !s->present) {
			step_take(m, s, e);
			return;
		}
	}
	s->index = 0;
	s->entry_at = s->table;
	s->present = m->read(m->ctx, s->entry_at, f->entry_bytes, &s->entry.v);
	s->entry.v = __builtin_bswap64(s->entry.v);
	e->fault = MACHINE_FAULT_NOT_PRESENT;
}

void explain_walk(const struct ptfmt *f, const struct memory_view *m, paddr_t root, const struct explain_want *w, struct explain *ret)
{
	*ret = (struct explain){ .format = f, .root = root, .va = w->va, .kind = w->kind, .user = w->user,
		                 .rights = PT_EVERYTHING };
	if (!ptfmt_canonical(f, w->va)) {
		ret->fault = MACHINE_FAULT_NONCANONICAL;
		return;
	}
	if (f->hashed) {
		explain_hashed(m, ret);
		return;
	}
	paddr_t table = root;
	for (unsigned level = f->levels; level-- > 0;) {
		struct explain_step *s = &ret->step[ret->n_steps++];
		*s = (struct explain_step){ .level = level, .table = table };
		step_read(f, m, w->va, s);
		if (!step_take(m, s, ret))
			return;
		table = paddr(ptfmt_pfn(f, s->entry).v << f->page_shift);
	}
}

/* ---- all of them ---- */

struct space_walk {
	const struct ptfmt *f;
	const struct memory_view *m;
	const struct explain_visitor *v;
	uint64_t path[PTFMT_LEVELS]; /* tables from the root down to here */
	unsigned in_loop;        /* how many tables of the path are there twice */
	uint64_t loop_leaves;
};

static bool is_above(const struct space_walk *w, unsigned level, uint64_t table)
{
	for (unsigned n = level; n < w->f->levels; n++)
		if (w->path[n] == table)
			return true;
	return false;
}

static bool table_walk(struct space_walk *w, unsigned level, uint64_t va, unsigned rights);

static bool leaf_visit(struct space_walk *w, unsigned level, uint64_t va, unsigned rights, pte_t e, paddr_t at)
{
	const struct ptfmt *f = w->f;
	uint64_t bytes = 1ull << ptfmt_level_shift(f, level);
	struct explain_leaf leaf = {
		.va = vaddr(ptfmt_extend(f, va)), .bytes = bytes, .pa = paddr((ptfmt_pfn(f, e).v << f->page_shift) & ~(bytes - 1)),
		.level = level, .rights = ptfmt_rights_below(f, e, rights), .entry = e, .entry_at = at,
	};
	w->loop_leaves += w->in_loop != 0;
	return w->v->leaf(w->v->ctx, &leaf);
}

static bool trouble(struct space_walk *w, enum explain_trouble t, uint64_t va, unsigned level, paddr_t at, pte_t e)
{
	return w->v->trouble(w->v->ctx, t, vaddr(ptfmt_extend(w->f, va)), level, at, e);
}

/* A valid entry that points to a table. */
static bool table_enter(struct space_walk *w, unsigned level, uint64_t va, unsigned rights, pte_t e, paddr_t at)
{
	uint64_t table = ptfmt_pfn(w->f, e).v << w->f->page_shift, ignored;
	bool loop = is_above(w, level, table);
	if (!w->m->read(w->m->ctx, paddr(table), w->f->entry_bytes, &ignored))
		return trouble(w, EXPLAIN_OUTSIDE, va, level, at, e);
	if (loop && !trouble(w, EXPLAIN_LOOP, va, level, at, e))
		return false;
	w->in_loop += loop;
	w->path[level - 1] = table;
	bool more = table_walk(w, level - 1, va, rights & ptfmt_table_rights(w->f, e, level));
	w->in_loop -= loop;
	return more;
}

/* The table at path[level] and all below it; va is where it begins. */
static bool table_walk(struct space_walk *w, unsigned level, uint64_t va, unsigned rights)
{
	const struct ptfmt *f = w->f;
	unsigned shift = ptfmt_level_shift(f, level);
	for (uint64_t i = 0; i < 1ull << f->index_bits[level]; i++) {
		paddr_t at = paddr(w->path[level] + i * f->entry_bytes);
		pte_t e;
		bool more = true;
		if (w->in_loop && w->loop_leaves >= EXPLAIN_LOOP_LEAVES)
			return true;
		if (!w->m->read(w->m->ctx, at, f->entry_bytes, &e.v) || !ptfmt_valid(f, e))
			continue;
		bool leaf = ptfmt_is_leaf(f, e, level);
		if (ptfmt_reserved(f, e, level, leaf) || (!leaf && level == 0))
			more = trouble(w, EXPLAIN_RESERVED, va | i << shift, level, at, e);
		else if (leaf)
			more = leaf_visit(w, level, va | i << shift, rights, e, at);
		else
			more = table_enter(w, level, va | i << shift, rights, e, at);
		if (!more)
			return false;
	}
	return true;
}

/* By rising address each page is looked up, which is what rising order costs in a table that has none. */
static bool hashed_space(const struct ptfmt *f, const struct memory_view *m, paddr_t root, const struct explain_visitor *v)
{
	for (uint64_t page = 0; page < 1ull << f->index_bits[0]; page++) {
		struct explain e = { .format = f, .root = root, .va = vaddr(page << f->page_shift), .user = true, .rights = PT_EVERYTHING };
		explain_hashed(m, &e);
		const struct explain_step *s = &e.step[0];
		const struct explain_leaf leaf = { .va = e.va, .bytes = 1u << f->page_shift, .rights = e.rights, .entry = s->entry,
			.pa = pfn_addr(ptfmt_pfn(f, s->entry), f->page_shift), .entry_at = s->entry_at };
		if (s->leaf && e.fault == MACHINE_FAULT_RESERVED) {
			if (!v->trouble(v->ctx, EXPLAIN_RESERVED, e.va, 0, s->entry_at, s->entry))
				return false;
		} else if (s->leaf && !v->leaf(v->ctx, &leaf)) {
			return false;
		}
	}
	return true;
}

bool explain_space(const struct ptfmt *f, const struct memory_view *m, paddr_t root, const struct explain_visitor *v)
{
	struct space_walk w = { .f = f, .m = m, .v = v };
	if (f->hashed)
		return hashed_space(f, m, root, v);
	w.path[f->levels - 1] = root.v;
	return table_walk(&w, f->levels - 1u, 0, PT_EVERYTHING);
}

const char *explain_trouble_text(enum explain_trouble t)
{
	static const char *const texts[] = {
#define X(name, text) text,
		EXPLAIN_TROUBLE_LIST(X)
#undef X
	};
	return texts[t];
}
