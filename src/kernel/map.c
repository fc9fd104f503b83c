/* map.c - entries in order, cut and joined as the calls of a program demand.
 *
 * Problem: an address space is changed a range at a time, and ranges do not respect earlier ranges.
 * Idea: every change first cuts the entries that cross its bounds, then treats whole entries, then joins what continues its
 * neighbour again.  Private pages hang on the space, not on entries, so cutting and joining move no page.
 *
 *      before       |-----A-----|      |---B---|
 *      range              [------------------)
 *      after clip   |--A--|--A'-|      |-B-|B' |      whole entries inside the range: A', B
 *
 * 1. Entries are in the tree, disjoint, not empty; mapped_pages is the sum of their lengths.
 * 2. Every page of the private layer is inside an entry that is not shared.
 * 3. recent is NULL or an entry of this map.
 * Rejected: an amap for each entry (see anon.c). */
#include "map.h"
#include "../base/mem.h"
#include "state.h"

void map_init(struct map *m)
{
	*m = (struct map){ .gone_others = { .name = "(other mappings)" } };
	itree_init(&m->tree);
	pages_init(&m->layer);
}

void map_fini(struct map *m)
{
	pages_fini(&m->layer);
	while (m->gone) {
		struct gone *g = m->gone;
		m->gone = g->next;
		mem_free(g);
	}
}

struct entry *map_find(struct map *m, uint64_t page)
{
	struct entry *e = m->recent;
	if (e && page - e->node.start < entry_pages(e))
		return e;
	e = entry_of(itree_find(&m->tree, page));
	if (e)
		m->recent = e;
	return e;
}

enum pw_err map_entry_create(const struct entry *like, struct entry **ret)
{
	struct entry *e = mem_alloc(sizeof *e);
	if (!e)
		return PW_NOMEM;
	*e = *like;
	e->node = (struct itree_node){ .start = like->node.start, .end = like->node.end };
	*ret = e;
	return PW_OK;
}

void map_link(struct map *m, struct entry *e)
{
	itree_insert(&m->tree, &e->node);
	m->mapped_pages += entry_pages(e);
}

void map_unlink(struct map *m, struct entry *e)
{
	itree_remove(&m->tree, &e->node);
	m->mapped_pages -= entry_pages(e);
	if (m->recent == e)
		m->recent = NULL;
}

void map_resize(struct map *m, struct entry *e, uint64_t start, uint64_t end)
{
	m->mapped_pages += end - start - entry_pages(e);
	itree_resize(&m->tree, &e->node, start, end);
}

/* The part of the entry from at on becomes an entry of its own, without counts. */
static enum pw_err entry_split(struct map *m, struct entry *e, uint64_t at)
{
	struct entry upper = *e, *made;
	upper.node.start = at;
	upper.first_index = entry_index(e, at);
	upper.faults = (struct fault_counts){ 0 };
	upper.walks = 0;
	enum pw_err err = map_entry_create(&upper, &made);
	if (err)
		return err;
	object_ref(made->object);
	map_resize(m, e, e->node.start, at);
	map_link(m, made);
	return PW_OK;
}

static enum pw_err clip_at(struct map *m, uint64_t at)
{
	struct entry *e = map_find(m, at);
	return e && e->node.start < at ? entry_split(m, e, at) : PW_OK;
}

enum pw_err map_clip(struct map *m, uint64_t start, uint64_t end)
{
	enum pw_err err = clip_at(m, start);
	return err ? err : clip_at(m, end);
}

static bool entry_continues(const struct entry *a, const struct entry *b)
{
	if (a->node.end != b->node.start || a->prot != b->prot || a->object != b->object || a->name != b->name)
		return false;
	if (a->shared != b->shared || a->stack != b->stack || a->heap != b->heap || a->on_disk != b->on_disk)
		return false;
	if (a->anonymous != b->anonymous || a->fork_skips != b->fork_skips || a->fork_wipes != b->fork_wipes)
		return false;
	if (a->reads_random != b->reads_random || a->reads_ahead != b->reads_ahead)
		return false;
	if (a->huge_asked != b->huge_asked || a->huge_refused != b->huge_refused || a->huge_only != b->huge_only || a->locked != b->locked)
		return false;
	return !a->object || entry_index(a, b->node.start) == b->first_index;
}

/* b's pages become a's.  => b continues a */
static void entry_absorb(struct map *m, struct kernel *k, struct entry *a, struct entry *b)
{
	uint64_t end = b->node.end;
	fault_counts_add(&a->faults, &b->faults);
	a->walks += b->walks;
	a->has_private |= b->has_private;
	a->guarded |= b->guarded;
	map_unlink(m, b);
	object_unref(k, b->object);
	mem_free(b);
	map_resize(m, a, a->node.start, end);
}

void map_join(struct map *m, struct kernel *k, uint64_t start, uint64_t end)
{
	struct entry *e = map_after(m, start ? start - 1 : 0);
	while (e && e->node.start <= end) {
		struct entry *next = entry_next(e);
		if (next && next->node.start <= end && entry_continues(e, next))
			entry_absorb(m, k, e, next);
		else
			e = next;
	}
}

static struct gone *gone_find(struct map *m, const char *name)
{
	for (struct gone *g = m->gone; g; g = g->next) {
		if (g->name == name)
			return g;
	}
	struct gone *g = mem_zalloc(1, sizeof *g);
	if (!g)
		return &m->gone_others;
	g->name = name;
	g->next = m->gone;
	m->gone = g;
	return g;
}

static void gone_record(struct map *m, const struct kernel *k, const struct entry *e)
{
	struct gone *g = gone_find(m, e->name);
	fault_counts_add(&g->faults, &e->faults);
	g->walks += e->walks;
	g->bytes += entry_pages(e) << k->config.page_shift;
	g->prot = e->prot;
}

void map_erase(struct map *m, struct kernel *k, struct entry *e)
{
	gone_record(m, k, e);
	map_unlink(m, e);
	object_unref(k, e->object);
	mem_free(e);
}

bool map_hole(const struct map *m, uint64_t lo, uint64_t hi, uint64_t n_pages, uint64_t *ret)
{
	return itree_hole_high(&m->tree, lo, hi, n_pages, ret);
}

bool map_is_free(const struct map *m, uint64_t start, uint64_t end)
{
	struct entry *e = map_after((struct map *)m, start);
	return !e || e->node.start >= end;
}

const char *map_flaw(const struct map *m)
{
	uint64_t mapped = 0, page = 0;
	for (struct entry *e = entry_of(itree_first(&m->tree)); e; e = entry_next(e))
		mapped += entry_pages(e);
	if (mapped != m->mapped_pages)
		return "map: the count of mapped pages is not the sum of the entries";
	struct pages *layer = (struct pages *)&m->layer;
	for (; pages_next(layer, &page, UINT64_MAX); page++) {
		const struct entry *e = entry_of(itree_find(&m->tree, page));
		if (!e || e->shared)
			return "map: a private page lies outside every private mapping";
	}
	const char *flaw = pages_flaw(&m->layer);
	return flaw ? flaw : itree_flaw(&m->tree);
}
