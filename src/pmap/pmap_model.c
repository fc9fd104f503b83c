/* pmap_model.c - the pmap contract as plainly as it can be kept: the specification the others are tested against.
 *
 * Problem: whether a kernel is right must be decidable without a machine, and a machine's pmap must be comparable with something
 * that has no translation caches, no entry formats and no laziness.
 * Idea: every mapping is a small struct that says exactly what was asked for, found by page number through a hash table and
 * by frame through a list.  Bits are kept per frame.  Nothing is ever forgotten unasked, every change is immediate.
 *
 *      struct pmap             node {vpn, frame, prot}             struct frame_state
 *      at: vpn -> node   --->  siblings: the pmap's nodes    <---  mappings: the frame's nodes
 *      tables: vpn / 512       mappings: the frame's nodes         bits, place in the log
 *
 * 1. A node is in its pmap's table, its pmap's list and, unless unmanaged, its frame's list, or in none of them.
 * 2. A pretended page table exists for each aligned 512 pages with a mapping, from its first to its last.
 * 3. The log holds each frame accessed since it was last read, once, in order of its last access.
 * Its limits: only base pages, and "global" is not told apart. */
#include "pmap.h"
#include "../base/htab.h"
#include "../base/list.h"
#include "../base/mem.h"
#include <stdint.h>

enum { MODEL_CPUS = 64, TABLE_SHIFT = 9, TABLE_COUNT_BITS = 10 };

struct node {
	struct list siblings, mappings;
	struct model_pmap *pmap;
	vpn_t vpn;
	pfn_t pfn;
	unsigned prot;
	bool wired, unmanaged;
};
struct frame_state {
	struct list mappings; /* zeroed: never mapped */
	struct list log;      /* zeroed: never accessed; a ring of its own: not in the log */
	unsigned bits;
};
struct model_pmap {
	struct pmap pmap;
	struct htab at;       /* vpn -> node */
	struct htab tables;   /* vpn >> TABLE_SHIFT -> its frame << TABLE_COUNT_BITS | mappings below it */
	struct list nodes;
};
struct model {
	struct pmap_sys sys;
	struct frame_state *frame;
	uint64_t n_frames;
	struct list log;
	pfn_t *log_frames;    /* what touched() gives out: room for every frame */
	struct model_pmap *active[MODEL_CPUS];
	uint64_t n_pmaps;
};

static struct model *model_of(const struct pmap_sys *sys) { return (struct model *)sys; }
static struct model_pmap *space_of(const struct pmap *p) { return (struct model_pmap *)p; }

static struct node *node_find(const struct model_pmap *p, vpn_t n)
{
	uint64_t *at = htab_get(&p->at, n.v);
	return at ? (struct node *)(uintptr_t)*at : NULL;
}

/* The pretended page table over n, made if it is missing; its count grows by one. */
static enum pw_err table_ref(struct model_pmap *p, vpn_t n)
{
	struct pmap_env *env = &p->pmap.sys->env;
	uint64_t *table = htab_get(&p->tables, n.v >> TABLE_SHIFT);
	if (table) {
		++*table;
		return PW_OK;
	}
	pfn_t frame;
	enum pw_err err = env->table_alloc(env->ctx, &p->pmap, 1, &frame);
	if (err)
		return err;
	table = htab_put(&p->tables, n.v >> TABLE_SHIFT);
	if (!table) {
		env->table_free(env->ctx, &p->pmap, frame, 1);
		return PW_NOMEM;
	}
	*table = frame.v << TABLE_COUNT_BITS | 1;
	return PW_OK;
}

static void table_unref(struct model_pmap *p, vpn_t n)
{
	struct pmap_env *env = &p->pmap.sys->env;
	uint64_t *table = htab_get(&p->tables, n.v >> TABLE_SHIFT), mask = (1u << TABLE_COUNT_BITS) - 1;
	if (--*table & mask)
		return;
	pfn_t frame = pfn(*table >> TABLE_COUNT_BITS);
	htab_delete(&p->tables, n.v >> TABLE_SHIFT);
	env->table_free(env->ctx, &p->pmap, frame, 1);
}

static void node_link_frame(struct model *m, struct node *n)
{
	struct frame_state *s = &m->frame[n->pfn.v];
	if (!s->mappings.next)
		list_init(&s->mappings);
	list_push_back(&s->mappings, &n->mappings);
}

static void node_destroy(struct node *n)
{
	struct model_pmap *p = n->pmap;
	list_remove(&n->siblings);
	list_remove(&n->mappings);
	htab_delete(&p->at, n->vpn.v);
	table_unref(p, n->vpn);
	mem_free(n);
}

/* A node in the pmap's table and list, in no frame's list yet. */
static enum pw_err node_create(struct model_pmap *p, vpn_t at, struct node **ret)
{
	struct node *n = mem_zalloc(1, sizeof *n);
	if (!n)
		return PW_NOMEM;
	enum pw_err err = table_ref(p, at);
	uint64_t *slot = err ? NULL : htab_put(&p->at, at.v);
	if (!slot) {
		if (!err)
			table_unref(p, at);
		mem_free(n);
		return err ? err : PW_NOMEM;
	}
	*slot = (uintptr_t)n;
	n->pmap = p;
	n->vpn = at;
	list_init(&n->mappings);
	list_push_back(&p->nodes, &n->siblings);
	*ret = n;
	return PW_OK;
}

static enum pw_err model_create(struct pmap_sys *sys, struct pmap **ret)
{
	struct model_pmap *p = mem_zalloc(1, sizeof *p);
	if (!p)
		return PW_NOMEM;
	if (htab_init(&p->at, 0) || htab_init(&p->tables, 0)) {
		htab_fini(&p->at);
		mem_free(p);
		return PW_NOMEM;
	}
	p->pmap.sys = sys;
	list_init(&p->nodes);
	model_of(sys)->n_pmaps++;
	*ret = &p->pmap;
	return PW_OK;
}

static void model_unref(struct pmap *pmap)
{
	struct model_pmap *p = space_of(pmap);
	struct model *m = model_of(pmap->sys);
	list_each_safe(it, &p->nodes)
		node_destroy(container_of(it, struct node, siblings));
	for (unsigned i = 0; i < MODEL_CPUS; i++) {
		if (m->active[i] == p)
			m->active[i] = NULL;
	}
	m->n_pmaps--;
	htab_fini(&p->at);
	htab_fini(&p->tables);
	mem_free(p);
}

static enum pw_err model_enter(struct pmap *pmap, const struct pmap_mapping *want)
{
	struct model_pmap *p = space_of(pmap);
	struct model *m = model_of(pmap->sys);
	if (want->level || want->pfn.v >= m->n_frames)
		return want->level ? PW_UNSUPPORTED : PW_INVALID;
	struct node *n = node_find(p, want->vpn);
	if (!n) {
		enum pw_err err = node_create(p, want->vpn, &n);
		if (err)
			return err;
	}
	list_remove(&n->mappings);
	n->pfn = want->pfn;
	n->unmanaged = want->unmanaged;
	if (!n->unmanaged)
		node_link_frame(m, n);
	n->prot = want->prot;
	n->wired = want->wired;
	m->frame[want->pfn.v].bits |= PMAP_REFERENCED | (want->cause == ACCESS_STORE ? PMAP_MODIFIED : 0);
	return PW_OK;
}

/* Calls visit for every node in the range, by whichever of the two ways is shorter. */
static void space_visit(struct model_pmap *p, struct vpn_range r, void (*visit)(struct node *n, unsigned prot), unsigned prot)
{
	if (r.count < p->at.count) {
		for (uint64_t i = 0; i < r.count; i++) {
			struct node *n = node_find(p, vpn_add(r.first, i));
			if (n)
				visit(n, prot);
		}
		return;
	}
	list_each_safe(it, &p->nodes) {
		struct node *n = container_of(it, struct node, siblings);
		if (vpn_range_has(r, n->vpn))
			visit(n, prot);
	}
}

static void visit_remove(struct node *n, unsigned prot)
{
	(void)prot;
	node_destroy(n);
}

static void visit_protect(struct node *n, unsigned prot)
{
	n->prot &= prot | PMAP_USER;
}

static void model_remove(struct pmap *p, struct vpn_range r)
{
	space_visit(space_of(p), r, visit_remove, 0);
}

static void model_protect(struct pmap *p, struct vpn_range r, unsigned prot)
{
	space_visit(space_of(p), r, visit_protect, prot);
}

static bool model_extract(struct pmap *p, vpn_t n, struct pmap_mapping *ret)
{
	const struct node *node = node_find(space_of(p), n);
	if (!node)
		return false;
	*ret = (struct pmap_mapping){ .vpn = n, .pfn = node->pfn, .prot = node->prot, .wired = node->wired,
	                               .unmanaged = node->unmanaged };
	return true;
}

static void model_update(struct pmap *p)
{
	(void)p;
}

static void model_activate(struct pmap *p, unsigned cpu)
{
	model_of(p->sys)->active[cpu % MODEL_CPUS] = space_of(p);
}

static void model_page_protect(struct pmap_sys *sys, pfn_t f, unsigned prot)
{
	struct frame_state *s = &model_of(sys)->frame[f.v];
	if (!s->mappings.next)
		return;
	list_each_safe(it, &s->mappings) {
		struct node *n = container_of(it, struct node, mappings);
		if (prot)
			visit_protect(n, prot);
		else
			node_destroy(n);
	}
}

static unsigned model_page_test(struct pmap_sys *sys, pfn_t f, unsigned mask)
{
	return model_of(sys)->frame[f.v].bits & mask;
}

static unsigned model_page_test_clear(struct pmap_sys *sys, pfn_t f, unsigned mask)
{
	unsigned were = model_page_test(sys, f, mask);
	model_of(sys)->frame[f.v].bits &= ~mask;
	return were;
}

static void model_forget(struct pmap *pmap)
{
	list_each_safe(it, &space_of(pmap)->nodes) {
		struct node *n = container_of(it, struct node, siblings);
		if (!n->wired)
			node_destroy(n);
	}
}

static uint64_t model_table_bytes(const struct pmap *p)
{
	return space_of(p)->tables.count << p->sys->page_shift;
}

static uint64_t model_resident_pages(const struct pmap *p)
{
	return space_of(p)->at.count;
}

static const char *model_flaw(const struct pmap *pmap)
{
	const struct model_pmap *p = space_of(pmap);
	uint64_t n_nodes = 0, below = 0, i = 0, key, table;
	list_each(it, &p->nodes) {
		struct node *n = container_of(it, struct node, siblings);
		n_nodes++;
		if (node_find(p, n->vpn) != n)
			return "pmap_model: a mapping is not found under its page";
		if (list_empty(&n->mappings) != n->unmanaged)
			return "pmap_model: a mapping is unknown to its frame";
	}
	while (htab_each(&p->tables, &i, &key, &table))
		below += table & ((1u << TABLE_COUNT_BITS) - 1);
	if (n_nodes != p->at.count || below != p->at.count)
		return "pmap_model: mappings listed, found by page and counted below tables differ";
	return htab_flaw(&p->at);
}

static void model_destroy(struct pmap_sys *sys)
{
	struct model *m = model_of(sys);
	mem_unreserve(m->frame, m->n_frames * sizeof *m->frame);
	mem_unreserve(m->log_frames, m->n_frames * sizeof *m->log_frames);
	mem_free(m);
}

static const struct pmap_ops model_ops = {
	.name = "model",
	.create = model_create,
	.unref = model_unref,
	.enter = model_enter,
	.remove = model_remove,
	.protect = model_protect,
	.extract = model_extract,
	.update = model_update,
	.activate = model_activate,
	.page_protect = model_page_protect,
	.page_test_clear = model_page_test_clear,
	.page_test = model_page_test,
	.forget = model_forget,
	.table_bytes = model_table_bytes,
	.resident_pages = model_resident_pages,
	.flaw = model_flaw,
	.destroy = model_destroy,
};

enum pw_err pmap_model_create(uint64_t n_frames, unsigned page_shift, struct pmap_sys **ret)
{
	struct model *m = mem_zalloc(1, sizeof *m);
	if (!m)
		return PW_NOMEM;
	m->sys = (struct pmap_sys){ .ops = &model_ops, .page_shift = page_shift };
	m->n_frames = n_frames;
	list_init(&m->log);
	m->frame = mem_reserve(n_frames * sizeof *m->frame);
	m->log_frames = m->frame ? mem_reserve(n_frames * sizeof *m->log_frames) : NULL;
	if (!m->log_frames) {
		model_destroy(&m->sys);
		return PW_NOMEM;
	}
	*ret = &m->sys;
	return PW_OK;
}

static void log_access(struct model *m, struct frame_state *s)
{
	if (s->log.next)
		list_remove(&s->log);
	list_push_back(&m->log, &s->log);
}

bool pmap_model_access(struct pmap_sys *sys, unsigned cpu, vpn_t at, enum access_kind kind, pfn_t *ret)
{
	static const unsigned needs[] = {
		[ACCESS_LOAD] = PMAP_READ, [ACCESS_STORE] = PMAP_WRITE, [ACCESS_FETCH] = PMAP_EXEC,
	};
	struct model *m = model_of(sys);
	struct model_pmap *p = m->active[cpu % MODEL_CPUS];
	struct node *n = p ? node_find(p, at) : NULL;
	unsigned need = needs[kind] | PMAP_USER;
	if (!n || (n->prot & need) != need)
		return false;
	struct frame_state *s = &m->frame[n->pfn.v];
	s->bits |= PMAP_REFERENCED | (kind == ACCESS_STORE ? PMAP_MODIFIED : 0);
	log_access(m, s);
	*ret = n->pfn;
	return true;
}

uint64_t pmap_model_touched(struct pmap_sys *sys, const pfn_t **ret)
{
	struct model *m = model_of(sys);
	uint64_t n = 0;
	list_each_safe(it, &m->log) {
		struct frame_state *s = container_of(it, struct frame_state, log);
		m->log_frames[n++] = pfn((uint64_t)(s - m->frame));
		list_remove(it);
	}
	*ret = m->log_frames;
	return n;
}
