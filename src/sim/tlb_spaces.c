/* tlb_spaces.c - a pmap whose translations are numbers and rights.
 *
 * Problem.  Misses of TLBs depend on what a kernel does: it unmaps, protects, copies on write, forks, and each time translations
 * vanish from TLBs.  Following that once for each modelled TLB would cost a run each.
 *
 * Idea.  One kernel, over a pmap that has no tables and no TLB.  It does what pmap_machine does and writes down, where that one would
 * flush, that it did.  References are looked up in a quick index from (page, kind of access) to the page's number, which holds only
 * what is allowed, so the usual reference is a compare and two conditional stores into the logs.
 *
 *      reference --quick--> number of the page --> page log, unless it is the page of the reference before
 *          |                                   --> reference log, unless its first level cannot notice it
 *          '-- not quick: find the page, its rights; not allowed: the caller's kernel decides
 *
 * A reference may be left out of the reference log when the TLB it goes to, that of its side (data or instructions), was asked for the
 * same page by the same kind of access since it was last asked for another page: then it hits the entry used last, and nothing moves.
 *
 * Invariants.
 *   1. A quick word names a page of the active space that is mapped and grants its kind; for stores, one that is dirty.
 *   2. Each flush of pmap_machine is in the page log, as holes and as lost walk caches, in the same place.
 *   3. The logs name a page only after it is in the tables of tlb_pages.
 *
 * Rejected: hooks in machine and pmap_machine (they would slow `run`), rules of our own for what munmap or fork do (two kernels). */
#include "tlb_spaces_impl.h"
#include "../base/mem.h"
#include <string.h>

static struct tlb_spaces *spaces_of(struct pmap_sys *s) { return (struct tlb_spaces *)s; }
static struct space *space_of(struct pmap *p) { return (struct space *)p; }
static struct tlb_spaces *spaces_of_space(const struct space *p) { return spaces_of(p->base.sys); }
/* The walk caches of a space were emptied; saying it twice in a row changes nothing. */
static void log_caches(struct tlb_spaces *s, uint32_t space)
{
	if (!s->batch || (s->caches_at && s->caches_at == s->batch->n_pages && s->caches_of == space))
		return;
	tlb_spaces_log_page_about(s, TLB_LOG_CACHES, space);
	s->caches_at = s->batch->n_pages;
	s->caches_of = space;
}

/* ---- the quick index ---- */

static void quick_clear(struct tlb_spaces *s)
{
	for (unsigned i = 0; i < 1 << QUICK_BITS; i++)
		s->quick[i].word = NO_WORD;
}

static void quick_drop(struct tlb_spaces *s, uint32_t id)
{
	uint64_t page = tlb_key_page(s->pages.key[id]);
	unsigned up = 64u - (s->format.va_bits + s->format.two_roots - s->format.page_shift);
	if (s->format.sign_extended)
		page = (uint64_t)((int64_t)(page << up) >> up);
	for (unsigned kind = 0; kind < ACCESS_KINDS; kind++) {
		uint64_t word = page << (s->format.page_shift + REF_KIND_BITS) | kind;
		struct quick *q = quick_at(s, word);
		if (q->word == word)
			q->word = NO_WORD;
	}
}

/* ---- what pmap_machine would flush ---- */

/* Does any TLB know this space?  As pmap_machine asks. */
static bool space_is_cached(const struct space *p)
{
	const struct tlb_spaces *s = spaces_of_space(p);
	return p->generation == s->generation && (s->tagged || s->active == p);
}

static void hole(void *ctx, uint32_t id)
{
	struct tlb_spaces *s = ctx;
	if (s->state[id] & PAGE_MAPPED)
		tlb_spaces_log_page_about(s, TLB_LOG_HOLE, id);
}

static void flush(struct space *p, struct vpn_range r)
{
	struct tlb_spaces *s = spaces_of_space(p);
	if (!space_is_cached(p))
		return;
	tlb_pages_each(&s->pages, p->number, r, hole, s);
	log_caches(s, p->number);
}

/* ---- frames and who maps them ---- */

static uint32_t list_first(const struct tlb_spaces *s, uint32_t frame) { return s->first[frame] & ((1u << LIST_SHIFT) - 1); }
static unsigned list_bits(const struct tlb_spaces *s, uint32_t frame) { return s->first[frame] >> LIST_SHIFT; }
static void list_set(struct tlb_spaces *s, uint32_t frame, uint32_t id, unsigned bits)
{
	s->first[frame] = bits << LIST_SHIFT | id;
}

static void list_add(struct tlb_spaces *s, uint32_t id, const struct pmap_mapping *m)
{
	uint32_t frame = (uint32_t)m->pfn.v;
	s->frame[id] = frame;
	if (m->unmanaged) {
		list_set(s, frame, 0, LIST_UNMANAGED);
		return;
	}
	s->next[id] = list_first(s, frame);
	list_set(s, frame, id, list_bits(s, frame) & LIST_BITS);
}

static void list_drop(struct tlb_spaces *s, uint32_t id)
{
	uint32_t frame = s->frame[id], at = list_first(s, frame);
	if (list_bits(s, frame) & LIST_UNMANAGED)
		return;
	if (at == id) {
		list_set(s, frame, s->next[id], list_bits(s, frame));
		return;
	}
	while (at && s->next[at] != id)
		at = s->next[at];
	if (at)
		s->next[at] = s->next[id];
}

/* The mapping of a page goes; its bits stay with the frame.  The caller flushes. */
static void page_clear(struct tlb_spaces *s, struct space *p, uint32_t id)
{
	uint32_t frame = s->frame[id];
	unsigned bits = PMAP_REFERENCED | (s->state[id] & PAGE_DIRTY ? PMAP_MODIFIED : 0);
	list_drop(s, id);
	list_set(s, frame, list_first(s, frame), list_bits(s, frame) | bits);
	s->state[id] &= PAGE_TOUCHED;
	quick_drop(s, id);
	p->resident--;
}

struct sweep {
	struct tlb_spaces *s;
	struct space *p;
	bool remove;
	bool changes;    /* some page is mapped that would change */
	unsigned rights; /* not remove: what stays */
};

/* Of a mapped page. */
static bool sweep_changes(const struct sweep *w, uint32_t id)
{
	unsigned state = w->s->state[id];
	return state & PAGE_MAPPED && (w->remove || state & PAGE_RIGHTS & ~w->rights);
}

static void sweep_look(void *ctx, uint32_t id)
{
	struct sweep *w = ctx;
	w->changes |= sweep_changes(w, id);
}

static void sweep_one(void *ctx, uint32_t id)
{
	const struct sweep *w = ctx;
	const struct ptfmt *f = &w->s->format;
	uint8_t *state = &w->s->state[id];
	unsigned keep = *state & w->rights;
	if (!sweep_changes(w, id))
		return;
	if (w->remove || (f->leaf_by_rights && !(keep & (PT_READ | PT_EXEC)))) {
		page_clear(w->s, w->p, id);
		return;
	}
	/* What the format cannot withhold stays. */
	keep |= ptfmt_rights(f, ptfmt_make_leaf(f, 0, pfn(0), 0)) & *state;
	*state = (uint8_t)(keep | (*state & ~PAGE_RIGHTS));
	quick_drop(w->s, id);
}

/* => flushed first, because what is to be flushed is what is mapped; nothing runs in between. */
static void sweep(struct space *p, struct vpn_range r, bool remove, unsigned rights)
{
	struct tlb_spaces *s = spaces_of_space(p);
	struct sweep w = { .s = s, .p = p, .remove = remove, .rights = rights };
	if (r.count == 0)
		return;
	tlb_pages_each(&s->pages, p->number, r, sweep_look, &w);
	if (!w.changes)
		return;
	flush(p, r);
	tlb_pages_each(&s->pages, p->number, r, sweep_one, &w);
}

/* ---- the contract ---- */

static unsigned rights_of_prot(unsigned prot)
{
	return (prot & (PMAP_READ | PMAP_WRITE) ? PT_READ : 0) | (prot & PMAP_WRITE ? PT_WRITE : 0) | (prot & PMAP_EXEC ? PT_EXEC : 0) |
	       (prot & PMAP_USER ? PT_USER : 0);
}

static unsigned prot_of_rights(const struct ptfmt *f, unsigned r)
{
	unsigned exec = f->exec || f->noexec ? PMAP_EXEC : 0; /* a right that the format cannot withhold is not told */
	return (r & PT_READ ? PMAP_READ : 0) | (r & PT_WRITE ? PMAP_WRITE : 0) | (r & PT_EXEC ? exec : 0) | (r & PT_USER ? PMAP_USER : 0);
}

static union tlb_enter log_enter(struct tlb_spaces *s, const struct space *p, vpn_t n, unsigned prot, enum access_kind cause)
{
	union tlb_enter e = { .word = 0 };
	e.prot = (uint8_t)prot;
	e.cause = (uint8_t)cause;
	s->config.describe(s->config.ctx, p->base.owner, n, &e);
	log_ref(s, TLB_MARK_ENTER, p->number, n.v, e.word);
	return e;
}

static enum pw_err spaces_enter(struct pmap *pm, const struct pmap_mapping *m)
{
	struct space *p = space_of(pm);
	struct tlb_spaces *s = spaces_of_space(p);
	uint32_t id;
	if (m->level != 0 || !ptfmt_canonical(&s->format, vpn_addr(m->vpn, s->format.page_shift)) || m->pfn.v >= s->config.n_frames)
		return PW_INVALID;
	enum pw_err err = tlb_pages_get(&s->pages, p->number, m->vpn.v, &id);
	if (err != PW_OK) {
		spaces_fail(s, err);
		return PW_NOMEM;
	}
	if (s->state[id] & PAGE_MAPPED) {
		flush(p, vpn_range(m->vpn, 1));
		page_clear(s, p, id);
	}
	union tlb_enter e = log_enter(s, p, m->vpn, m->prot, m->cause);
	s->row[id] = e.row;
	if (e.whole)
		s->large[s->pages.region[1][id]].row = e.row;
	list_add(s, id, m);
	unsigned rights = ptfmt_rights(&s->format, ptfmt_make_leaf(&s->format, 0, pfn(0), rights_of_prot(m->prot)));
	s->state[id] |= (uint8_t)(rights | PAGE_MAPPED | (m->cause == ACCESS_STORE ? PAGE_DIRTY : 0));
	p->resident++;
	return PW_OK;
}

static void spaces_remove(struct pmap *pm, struct vpn_range r)
{
	struct space *p = space_of(pm);
	log_ref(spaces_of_space(p), TLB_MARK_REMOVE, p->number, r.first.v, r.count);
	sweep(p, r, true, 0);
}

static void spaces_protect(struct pmap *pm, struct vpn_range r, unsigned prot)
{
	struct space *p = space_of(pm);
	if ((prot & (PMAP_READ | PMAP_WRITE | PMAP_EXEC)) == 0) {
		spaces_remove(pm, r);
		return;
	}
	log_ref(spaces_of_space(p), TLB_MARK_PROTECT, p->number, r.first.v, r.count, prot);
	sweep(p, r, false, rights_of_prot(prot) | PT_USER);
}

static bool spaces_extract(struct pmap *pm, vpn_t n, struct pmap_mapping *ret)
{
	struct space *p = space_of(pm);
	struct tlb_spaces *s = spaces_of_space(p);
	uint32_t id = tlb_pages_find(&s->pages, p->number, n.v);
	if (!id || !(s->state[id] & PAGE_MAPPED))
		return false;
	*ret = (struct pmap_mapping){ .vpn = n, .pfn = pfn(s->frame[id]), .prot = prot_of_rights(&s->format, s->state[id]) };
	return true;
}

static void spaces_update(struct pmap *p) { (void)p; /* nothing here is lazy */ }

/* A generation of ASIDs ends as in pmap_machine: everything is flushed. */
static void asid_assign(struct tlb_spaces *s, struct space *p)
{
	if (p->generation == s->generation)
		return;
	if (s->tagged && s->next_asid > s->n_asids) {
		s->generation++;
		s->next_asid = 1;
		tlb_spaces_log_page(s, TLB_LOG_ALL);
	}
	s->next_asid++;
	p->generation = s->generation;
}

static void spaces_activate(struct pmap *pm, unsigned cpu)
{
	struct space *p = space_of(pm);
	struct tlb_spaces *s = spaces_of_space(p);
	(void)cpu;
	if (s->active == p)
		return;
	if (!s->tagged && s->active)
		tlb_spaces_log_page(s, TLB_LOG_ALL);
	s->active = p;
	asid_assign(s, p);
	log_ref(s, TLB_MARK_SPACE, p->number);
	quick_clear(s);
	s->last_page = 0;
}

static struct pmap *owner_of(struct tlb_spaces *s, uint32_t id) { return &s->space[tlb_key_space(s->pages.key[id])]->base; }

static void spaces_page_protect(struct pmap_sys *sys, pfn_t f, unsigned prot)
{
	struct tlb_spaces *s = spaces_of(sys);
	if (list_bits(s, (uint32_t)f.v) & LIST_UNMANAGED)
		return;
	for (uint32_t id = list_first(s, (uint32_t)f.v), next; id; id = next) {
		next = s->next[id];
		spaces_protect(owner_of(s, id), vpn_range(vpn(tlb_key_page(s->pages.key[id])), 1), prot);
	}
}

static unsigned page_bits(struct tlb_spaces *s, uint32_t id)
{
	return PMAP_REFERENCED | (s->state[id] & PAGE_DIRTY ? PMAP_MODIFIED : 0);
}

static unsigned spaces_page_test(struct pmap_sys *sys, pfn_t f, unsigned mask)
{
	struct tlb_spaces *s = spaces_of(sys);
	unsigned bits = list_bits(s, (uint32_t)f.v);
	for (uint32_t id = list_first(s, (uint32_t)f.v); id && !(bits & LIST_UNMANAGED); id = s->next[id])
		bits |= page_bits(s, id);
	return bits & mask & LIST_BITS;
}

/* Taking modified away flushes, as a store must be noticed again; taking referenced away does not. */
static void page_clean(struct tlb_spaces *s, uint32_t id)
{
	struct space *p = space_of(owner_of(s, id));
	vpn_t n = vpn(tlb_key_page(s->pages.key[id]));
	if (!(s->state[id] & PAGE_DIRTY))
		return;
	s->state[id] &= (uint8_t)~PAGE_DIRTY;
	quick_drop(s, id);
	flush(p, vpn_range(n, 1));
	log_enter(s, p, n, prot_of_rights(&s->format, s->state[id]), ACCESS_LOAD);
}

static unsigned spaces_page_test_clear(struct pmap_sys *sys, pfn_t f, unsigned mask)
{
	struct tlb_spaces *s = spaces_of(sys);
	unsigned seen = spaces_page_test(sys, f, mask), bits = list_bits(s, (uint32_t)f.v);
	list_set(s, (uint32_t)f.v, list_first(s, (uint32_t)f.v), bits & ~mask);
	for (uint32_t id = list_first(s, (uint32_t)f.v); id && mask & PMAP_MODIFIED && !(bits & LIST_UNMANAGED); id = s->next[id])
		page_clean(s, id);
	return seen;
}

static void spaces_forget(struct pmap *p) { spaces_remove(p, vpn_range(vpn(0), 1ull << TLB_KEY_PAGE_BITS)); }
static uint64_t spaces_table_bytes(const struct pmap *p) { return (void)p, 0; }
static uint64_t spaces_resident_pages(const struct pmap *p) { return ((const struct space *)p)->resident; }
static const char *spaces_flaw(const struct pmap *p) { return (void)p, NULL; }

/* ---- making and unmaking ---- */

static enum pw_err spaces_space_create(struct pmap_sys *sys, struct pmap **ret)
{
	struct tlb_spaces *s = spaces_of(sys);
	struct space *p = mem_zalloc(1, sizeof *p);
	if (!p)
		return PW_NOMEM;
	p->base.sys = sys;
	enum pw_err err = tlb_pages_space(&s->pages, &p->number);
	if (err != PW_OK) {
		spaces_fail(s, err);
		mem_free(p);
		return PW_NOMEM;
	}
	s->space[p->number] = p;
	*ret = &p->base;
	return PW_OK;
}

static void spaces_space_unref(struct pmap *pm)
{
	struct space *p = space_of(pm);
	struct tlb_spaces *s = spaces_of_space(p);
	spaces_forget(pm);
	if (!s->tagged && space_is_cached(p))
		tlb_spaces_log_page(s, TLB_LOG_ALL); /* the one ASID there is is flushed */
	log_ref(s, TLB_MARK_GONE, p->number);
	if (s->active == p)
		s->active = NULL;
	s->space[p->number] = NULL;
	mem_free(p);
}

static void spaces_destroy(struct pmap_sys *sys)
{
	struct tlb_spaces *s = spaces_of(sys);
	mem_unreserve(s->state, (size_t)TLB_PAGES_MAX * sizeof *s->state);
	mem_unreserve(s->row, (size_t)TLB_PAGES_MAX * sizeof *s->row);
	mem_unreserve(s->large, (size_t)TLB_PAGES_MAX * sizeof *s->large);
	mem_unreserve(s->frame, (size_t)TLB_PAGES_MAX * sizeof *s->frame);
	mem_unreserve(s->next, (size_t)TLB_PAGES_MAX * sizeof *s->next);
	mem_unreserve(s->first, s->config.n_frames * sizeof *s->first);
	mem_unreserve(s->space, TLB_KEY_SPACES * sizeof *s->space);
	tlb_pages_fini(&s->pages);
	mem_free(s);
}

static const struct pmap_ops spaces_ops = {
	.name = "tlb",
	.create = spaces_space_create,
	.unref = spaces_space_unref,
	.enter = spaces_enter,
	.remove = spaces_remove,
	.protect = spaces_protect,
	.extract = spaces_extract,
	.update = spaces_update,
	.activate = spaces_activate,
	.page_protect = spaces_page_protect,
	.page_test_clear = spaces_page_test_clear,
	.page_test = spaces_page_test,
	.forget = spaces_forget,
	.table_bytes = spaces_table_bytes,
	.resident_pages = spaces_resident_pages,
	.flaw = spaces_flaw,
	.destroy = spaces_destroy,
};

enum pw_err tlb_spaces_create(const struct tlb_spaces_config *c, struct tlb_spaces **ret)
{
	*ret = NULL;
	struct tlb_spaces *s = mem_zalloc(1, sizeof *s);
	if (!s)
		return PW_NOMEM;
	s->config = *c;
	s->format = *c->format;
	s->config.format = &s->format;
	s->sys.ops = &spaces_ops;
	s->sys.page_shift = s->format.page_shift;
	s->keep = ~(((1ull << s->format.page_shift) - 1) << REF_KIND_BITS);
	s->generation = s->next_asid = 1;
	s->tagged = c->asid_bits > 0;
	s->n_asids = c->asid_bits >= 16 ? 0xfffe : (1u << c->asid_bits) - 1;
	for (unsigned i = 0; i < 4; i++)
		s->last_ref[i] = NO_WORD;
	quick_clear(s);
	s->state = mem_reserve((size_t)TLB_PAGES_MAX * sizeof *s->state);
	s->row = mem_reserve((size_t)TLB_PAGES_MAX * sizeof *s->row);
	s->large = mem_reserve((size_t)TLB_PAGES_MAX * sizeof *s->large);
	s->frame = mem_reserve((size_t)TLB_PAGES_MAX * sizeof *s->frame);
	s->next = mem_reserve((size_t)TLB_PAGES_MAX * sizeof *s->next);
	s->first = mem_reserve(c->n_frames * sizeof *s->first);
	s->space = mem_reserve(TLB_KEY_SPACES * sizeof *s->space);
	enum pw_err err = PW_NOMEM;
	if (s->state && s->row && s->large && s->frame && s->next && s->first && s->space)
		err = tlb_pages_init(&s->pages, &s->format, c->size_shift, c->n_sizes);
	if (err != PW_OK) {
		spaces_destroy(&s->sys);
		return err;
	}
	*ret = s;
	return PW_OK;
}

struct pmap_sys *tlb_spaces_pmap(struct tlb_spaces *s) { return &s->sys; }
const struct tlb_pages *tlb_spaces_pages(const struct tlb_spaces *s) { return &s->pages; }
enum pw_err tlb_spaces_error(const struct tlb_spaces *s) { return s->error; }
uint64_t tlb_spaces_touched(const struct tlb_spaces *s, unsigned row) { return s->row_touched[row]; }

bool tlb_spaces_large(const struct tlb_spaces *s, uint32_t i, unsigned *ret_row, uint32_t *ret_touched)
{
	if (s->format.levels < 2 || i >= s->pages.n_regions[1])
		return false;
	*ret_row = s->large[i].row;
	*ret_touched = s->large[i].touched;
	return true;
}
