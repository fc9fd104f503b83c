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
#include "tlb_spaces.h"
#include "../base/mem.h"
#include <string.h>

enum { QUICK_BITS = 11, CHUNK = 4096 };
#define NO_WORD UINT64_MAX

enum {
	PAGE_RIGHTS = PT_READ | PT_WRITE | PT_EXEC | PT_USER,
	PAGE_MAPPED = 1 << 5,
	PAGE_DIRTY = 1 << 6,
	PAGE_TOUCHED = 1 << 7, /* by a reference, ever */
};
enum { LIST_BITS = PMAP_REFERENCED | PMAP_MODIFIED, LIST_UNMANAGED = 4 };

struct space {
	struct pmap base;
	uint32_t number;       /* in tlb_pages */
	uint64_t resident;
	uint64_t generation;   /* of its ASID; 0: it was never active */
};

struct quick {
	uint64_t word;         /* page and kind of a reference */
	uint64_t id;
};

struct tlb_spaces {
	struct pmap_sys sys;
	struct tlb_spaces_config config;
	struct ptfmt format;
	struct tlb_pages pages;
	uint8_t *state;        /* of each page: PAGE_* */
	uint32_t *frame;       /* that it is mapped to */
	uint32_t *next;        /* page that maps the same frame */
	uint32_t *first;       /* of each frame: a page that maps it, and with bits 29 to 31 LIST_* */
	struct tlb_batch *batch;
	struct quick quick[1 << QUICK_BITS];
	uint64_t keep;         /* bits of a reference that quick words hold */
	uint32_t last_page;    /* in the page log */
	uint64_t last_ref[4];  /* by kind: the word that may be left out */
	uint64_t done[ACCESS_KINDS], logged[ACCESS_KINDS];
	struct space **space;  /* by number */
	struct space *active;
	uint64_t generation, next_asid, n_asids;
	uint64_t caches_at;    /* where the page log says that caches_of lost its walk caches */
	uint32_t caches_of;
	enum pw_err error;
};

#define LIST_SHIFT 29
_Static_assert(TLB_PAGES_MAX <= 1u << LIST_SHIFT, "a page number shares its word with three bits");

static struct tlb_spaces *spaces_of(struct pmap_sys *s) { return (struct tlb_spaces *)s; }
static struct space *space_of(struct pmap *p) { return (struct space *)p; }
static struct tlb_spaces *spaces_of_space(const struct space *p) { return spaces_of(p->base.sys); }

static void spaces_fail(struct tlb_spaces *s, enum pw_err err)
{
	if (s->error == PW_OK)
		s->error = err;
}

/* ---- the logs ---- */

static void batch_room(struct tlb_spaces *s)
{
	if (s->batch->n_pages < TLB_BATCH && s->batch->n_refs < TLB_BATCH)
		return;
	s->batch = s->config.hand_on(s->config.ctx, s->batch);
	s->caches_at = 0;
}

void tlb_spaces_fill(struct tlb_spaces *s, struct tlb_batch *batch)
{
	s->batch = batch;
	s->caches_at = 0;
}

void tlb_spaces_drain(struct tlb_spaces *s)
{
	s->batch = s->config.hand_on(s->config.ctx, s->batch);
	s->caches_at = 0;
}

static void log_page(struct tlb_spaces *s, uint32_t word)
{
	if (!s->batch)
		return;
	batch_room(s);
	s->batch->page[s->batch->n_pages++] = word;
	s->last_page = 0;
}

static void log_page_about(struct tlb_spaces *s, uint32_t word, uint32_t what)
{
	if (!s->batch)
		return;
	batch_room(s);
	s->batch->page[s->batch->n_pages++] = word;
	s->batch->page[s->batch->n_pages++] = what;
	s->last_page = 0;
}

/* The walk caches of a space were emptied; saying it twice in a row changes nothing. */
static void log_caches(struct tlb_spaces *s, uint32_t space)
{
	if (!s->batch || (s->caches_at && s->caches_at == s->batch->n_pages && s->caches_of == space))
		return;
	log_page_about(s, TLB_LOG_CACHES, space);
	s->caches_at = s->batch->n_pages;
	s->caches_of = space;
}

static void log_ref_words(struct tlb_spaces *s, const uint64_t *word, unsigned n)
{
	if (!s->batch)
		return;
	batch_room(s);
	for (unsigned i = 0; i < n; i++)
		s->batch->ref[s->batch->n_refs++] = word[i];
	for (unsigned i = 0; i < 4; i++)
		s->last_ref[i] = NO_WORD;
}
#define log_ref(s, mark, ...) \
	log_ref_words(s, (const uint64_t[]){ tlb_mark(mark), __VA_ARGS__ }, sizeof (uint64_t[]){ 0, __VA_ARGS__ } / sizeof(uint64_t))

/* ---- the quick index ---- */

static inline struct quick *quick_at(struct tlb_spaces *s, uint64_t word)
{
	return &s->quick[word * 0x9e3779b97f4a7c15ull >> (64 - QUICK_BITS)];
}

static void quick_clear(struct tlb_spaces *s)
{
	for (unsigned i = 0; i < 1 << QUICK_BITS; i++)
		s->quick[i].word = NO_WORD;
}

static void quick_drop(struct tlb_spaces *s, uint32_t id)
{
	uint64_t page = tlb_key_page(s->pages.key[id]);
	unsigned up = 64 - (s->format.va_bits - s->format.page_shift);
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
static bool space_is_cached(const struct space *p) { return p->generation == spaces_of_space(p)->generation; }

static void hole(void *ctx, uint32_t id)
{
	struct tlb_spaces *s = ctx;
	if (s->state[id] & PAGE_MAPPED)
		log_page_about(s, TLB_LOG_HOLE, id);
}

/* A machine without ASIDs flushes the pages of whatever space is loaded. */
static void flush(struct space *p, struct vpn_range r)
{
	struct tlb_spaces *s = spaces_of_space(p);
	if (!space_is_cached(p))
		return;
	const struct space *loaded = s->n_asids > 1 ? p : s->active;
	if (loaded)
		tlb_pages_each(&s->pages, loaded->number, r, hole, s);
	log_caches(s, loaded ? loaded->number : p->number);
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
	unsigned rights; /* not remove: what stays */
};

static void sweep_one(void *ctx, uint32_t id)
{
	const struct sweep *w = ctx;
	const struct ptfmt *f = &w->s->format;
	uint8_t *state = &w->s->state[id];
	if (!(*state & PAGE_MAPPED))
		return;
	unsigned keep = *state & w->rights;
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
	union tlb_enter e = { .word = 0 };
	e.prot = (uint8_t)m->prot;
	e.cause = (uint8_t)m->cause;
	s->config.describe(s->config.ctx, pm->owner, m->vpn, &e);
	log_ref(s, TLB_MARK_ENTER, p->number, m->vpn.v, e.word);
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
	if (s->n_asids > 1 && s->next_asid > s->n_asids) {
		s->generation++;
		s->next_asid = 1;
		log_page(s, TLB_LOG_ALL);
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
	if (s->n_asids == 1 && s->active)
		log_page(s, TLB_LOG_ALL);
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
	union tlb_enter e = { .word = 0 };
	e.prot = (uint8_t)prot_of_rights(&s->format, s->state[id]);
	e.cause = ACCESS_LOAD;
	s->config.describe(s->config.ctx, p->base.owner, n, &e);
	log_ref(s, TLB_MARK_ENTER, p->number, n.v, e.word);
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
	if (s->n_asids == 1 && space_is_cached(p))
		log_page(s, TLB_LOG_ALL); /* the one ASID there is is flushed */
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
	s->n_asids = c->asid_bits == 0 ? 1 : c->asid_bits >= 16 ? 0xfffe : (1u << c->asid_bits) - 1;
	for (unsigned i = 0; i < 4; i++)
		s->last_ref[i] = NO_WORD;
	quick_clear(s);
	s->state = mem_reserve((size_t)TLB_PAGES_MAX * sizeof *s->state);
	s->frame = mem_reserve((size_t)TLB_PAGES_MAX * sizeof *s->frame);
	s->next = mem_reserve((size_t)TLB_PAGES_MAX * sizeof *s->next);
	s->first = mem_reserve(c->n_frames * sizeof *s->first);
	s->space = mem_reserve(TLB_KEY_SPACES * sizeof *s->space);
	enum pw_err err = PW_NOMEM;
	if (s->state && s->frame && s->next && s->first && s->space)
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
bool tlb_spaces_touched(const struct tlb_spaces *s, uint32_t page) { return s->state[page] & PAGE_TOUCHED; }

/* ---- running ---- */

/* A reference goes into the reference log: it is the one used last of its side.  What other kinds of that side asked for another page
 * may not be left out any more. */
static inline void note_ref(struct tlb_spaces *s, uint64_t kept)
{
	uint64_t page = kept >> REF_KIND_BITS;
	unsigned kind = kept & 3;
	for (unsigned other = 0; other < ACCESS_KINDS; other++)
		if ((s->config.unified || (other == ACCESS_FETCH) == (kind == ACCESS_FETCH)) && s->last_ref[other] >> REF_KIND_BITS != page)
			s->last_ref[other] = NO_WORD;
	s->last_ref[kind] = kept;
	s->logged[kind]++;
	s->batch->ref[s->batch->n_refs++] = kept;
}

/* How many of refs[0 .. n) are quick before the first that is not; they are logged.  => there is room for n words in each log. */
static uint64_t run_quick(struct tlb_spaces *s, const ref_t *refs, uint64_t n)
{
	const uint64_t keep = s->keep;
	uint32_t *page = s->batch->page + s->batch->n_pages, last = s->last_page;
	uint64_t i = 0;
	for (; i < n; i++) {
		uint64_t kept = refs[i].word & keep;
		const struct quick *q = quick_at(s, kept);
		if (q->word != kept)
			break;
		*page = (uint32_t)q->id;
		page += last != (uint32_t)q->id;
		last = (uint32_t)q->id;
		if (s->last_ref[kept & 3] != kept)
			note_ref(s, kept);
	}
	s->batch->n_pages = (uint64_t)(page - s->batch->page);
	s->last_page = last;
	return i;
}

/* One reference, completely.  => false: it faults */
static bool run_one(struct tlb_spaces *s, ref_t r)
{
	static const uint8_t needs[ACCESS_KINDS] = { [ACCESS_LOAD] = PT_READ, [ACCESS_STORE] = PT_WRITE, [ACCESS_FETCH] = PT_EXEC };
	vaddr_t va = ref_va(r);
	enum access_kind kind = ref_kind(r);
	uint64_t kept = r.word & s->keep;
	if (!s->active || !ptfmt_canonical(&s->format, va))
		return false;
	uint32_t id = tlb_pages_find(&s->pages, s->active->number, va.v >> s->format.page_shift);
	if (!id || !(s->state[id] & PAGE_MAPPED))
		return false;
	if (!(s->state[id] & needs[kind])) {
		log_page_about(s, TLB_LOG_HOLE, id); /* an entry that does not grant an access is given up */
		return false;
	}
	uint32_t first_store = kind == ACCESS_STORE && !(s->state[id] & PAGE_DIRTY) ? TLB_LOG_FIRST_STORE : 0;
	s->state[id] |= PAGE_TOUCHED | (kind == ACCESS_STORE ? PAGE_DIRTY : 0);
	if (first_store || s->last_page != id)
		s->batch->page[s->batch->n_pages++] = id | first_store;
	s->last_page = id;
	if (s->last_ref[kind] != kept)
		note_ref(s, kept);
	*quick_at(s, kept) = (struct quick){ kept, id };
	return true;
}

static void count_kinds(struct tlb_spaces *s, const ref_t *refs, uint64_t n)
{
	uint64_t stores = 0, fetches = 0;
	for (uint64_t i = 0; i < n; i++) {
		stores += refs[i].word & 1;
		fetches += refs[i].word >> 1 & 1;
	}
	s->done[ACCESS_LOAD] += n - stores - fetches;
	s->done[ACCESS_STORE] += stores;
	s->done[ACCESS_FETCH] += fetches;
}

struct machine_stop tlb_spaces_run(struct tlb_spaces *s, const ref_t *refs, uint64_t n)
{
	uint64_t i = 0;
	struct machine_stop stop = { .why = MACHINE_DONE };
	while (i < n) {
		uint64_t part = n - i < CHUNK ? n - i : CHUNK;
		batch_room(s);
		uint64_t quick = run_quick(s, refs + i, part);
		i += quick;
		if (quick == part)
			continue;
		if (run_one(s, refs[i])) {
			i++;
			continue;
		}
		log_ref(s, TLB_MARK_FAULT, refs[i].word);
		stop = (struct machine_stop){ .why = MACHINE_FAULTED, .va = ref_va(refs[i]), .kind = ref_kind(refs[i]),
					      .fault = MACHINE_FAULT_NOT_PRESENT };
		break;
	}
	stop.done = i;
	count_kinds(s, refs, i);
	return stop;
}

void tlb_spaces_refused(struct tlb_spaces *s, const struct machine_stop *stop)
{
	uint32_t id;
	if (!s->active || !ptfmt_canonical(&s->format, stop->va))
		return;
	enum pw_err err = tlb_pages_get(&s->pages, s->active->number, stop->va.v >> s->format.page_shift, &id);
	if (err != PW_OK)
		spaces_fail(s, err);
	else
		log_page_about(s, TLB_LOG_TOUCH, id);
}

void tlb_spaces_whole(struct tlb_spaces *s, struct pmap *p, vpn_t page)
{
	union tlb_enter e = { .word = 0 };
	s->config.describe(s->config.ctx, p->owner, page, &e);
	log_ref(s, TLB_MARK_WHOLE, space_of(p)->number, page.v, e.word);
}

void tlb_spaces_reset(struct tlb_spaces *s)
{
	memset(s->done, 0, sizeof s->done);
	memset(s->logged, 0, sizeof s->logged);
	log_page(s, TLB_LOG_RESET);
	log_ref_words(s, (const uint64_t[]){ tlb_mark(TLB_MARK_RESET) }, 1);
}

void tlb_spaces_counts(const struct tlb_spaces *s, uint64_t done[ACCESS_KINDS], uint64_t logged[ACCESS_KINDS])
{
	memcpy(done, s->done, sizeof s->done);
	memcpy(logged, s->logged, sizeof s->logged);
}
