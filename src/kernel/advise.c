/* advise.c - madvise: what a program says about its memory, as Linux takes it.
 *
 * Problem: some advice is a promise that changes contents (DONTNEED, FREE, REMOVE), some asks for work ahead of time (WILLNEED,
 * POPULATE), some for the opposite (COLD, PAGEOUT), some marks the mapping (DONTFORK and its kin); the rest may be ignored.
 * Idea: a step per page or per entry for each, over the parts of the range that are mapped.
 *
 * 1. Advice never makes a later access fail.
 * 2. What guards is not lost by DONTNEED, only by GUARD_REMOVE and with its mapping.
 * Source: madvise(2); the numbers are Linux's. */
#include "huge.h"
#include "space.h"
#include "state.h"

/* MADV_FREE: until the page is written again it may go without a trace. */
static void free_page(void *ctx, struct process *p, const struct space_page *page)
{
	struct kernel *k = p->kernel;
	(void)ctx;
	if (page->entry->shared || page->anon < ANON_FIRST || kernel_anon(k, page->anon)->refs > 1)
		return;
	page_drop_slot(k, page->anon);
	kernel_anon(k, page->anon)->flags &= ~ANON_ON_DISK;
	if (page->frame == FRAME_NONE)
		return;
	pmap_page_test_clear(k->config.pmap, frame_pfn(page->frame), PMAP_MODIFIED);
	kernel_frame(k, page->frame)->flags &= ~FRAME_DIRTY;
	page_list_droppable(k, page->frame);
}

static void evict_page(void *ctx, struct process *p, const struct space_page *page)
{
	(void)ctx;
	if (page->frame == FRAME_NONE || !page_may_leave(p->kernel, page->frame))
		return;
	if (page->anon >= ANON_FIRST && kernel_anon(p->kernel, page->anon)->refs > 1)
		return;
	enum pw_err err = reclaim_page(p->kernel, page->frame);
	(void)err;
}

/* What others use stays: pages shared since a fork, shared mappings, and pages of a file that somebody else has mapped since. */
static void swap_out_page(void *ctx, struct process *p, const struct space_page *page)
{
	uint64_t *n = ctx;
	struct kernel *k = p->kernel;
	if (page->frame == FRAME_NONE || page->entry->shared || kernel_frame(k, page->frame)->space != p->number + 1)
		return;
	bool shared = page->anon >= ANON_FIRST && kernel_anon(k, page->anon)->refs > 1;
	if (!shared && page_may_leave(k, page->frame) && reclaim_page(k, page->frame) == PW_OK)
		++*n;
}

uint64_t process_swap_out(struct process *p)
{
	uint64_t n = 0;
	reclaim_drain(p->kernel);
	for (struct entry *e = entry_of(itree_first(&p->map.tree)); e; e = entry_next(e))
		space_visit(p, e, e->node.start, e->node.end, swap_out_page, &n);
	local_leave(p);
	return n;
}

static void cool_page(void *ctx, struct process *p, const struct space_page *page)
{
	(void)ctx;
	if (page->frame == FRAME_NONE)
		return;
	uint32_t f = kernel_unit(p->kernel, page->frame);
	pmap_page_test_clear(p->kernel->config.pmap, frame_pfn(f), PMAP_REFERENCED);
	kernel_frame(p->kernel, f)->flags &= ~FRAME_REFERENCED;
}

/* WILLNEED: one swapped page comes back, unmapped, if there is room to spare. */
static void fetch_page(void *ctx, struct process *p, const struct space_page *page)
{
	struct kernel *k = p->kernel;
	(void)ctx;
	if (page->frame != FRAME_NONE || page->anon < ANON_FIRST)
		return;
	enum pw_err err = page_bring_ahead(k, page->anon);
	(void)err;
}

enum pw_err process_populate(struct process *p, uint64_t start, uint64_t end, enum access_kind kind)
{
	for (uint64_t page = start; page < end; page++) {
		struct pmap_mapping m;
		static const unsigned needs[] = { [ACCESS_LOAD] = PMAP_READ, [ACCESS_STORE] = PMAP_WRITE, [ACCESS_FETCH] = PMAP_EXEC };
		unsigned need = needs[kind];
		if (pmap_extract(p->pmap, vpn(page), &m) && m.prot & need)
			continue;
		struct fault_report r = process_fault(p, 0, vaddr(page << p->kernel->config.page_shift), kind);
		if (r.outcome != FAULT_OUTCOME_RESOLVED)
			return r.outcome == FAULT_OUTCOME_KILLED ? PW_NOFRAMES : PW_ACCESS;
	}
	return PW_OK;
}

/* Advice that marks the entry.  => false: it is none of those */
static bool entry_mark(struct entry *e, int advice)
{
	switch (advice) {
	case ADVICE_DONTFORK:
	case ADVICE_DOFORK:
		e->fork_skips = advice == ADVICE_DONTFORK;
		return true;
	case ADVICE_WIPEONFORK:
	case ADVICE_KEEPONFORK:
		e->fork_wipes = advice == ADVICE_WIPEONFORK;
		return true;
	case ADVICE_NORMAL:
	case ADVICE_RANDOM:
	case ADVICE_SEQUENTIAL:
		e->reads_random = advice == ADVICE_RANDOM;
		e->reads_ahead = advice == ADVICE_SEQUENTIAL;
		return true;
	case ADVICE_HUGEPAGE:
	case ADVICE_NOHUGEPAGE:
		e->huge_asked = advice == ADVICE_HUGEPAGE;
		e->huge_refused = advice == ADVICE_NOHUGEPAGE;
		return true;
	default:
		return false;
	}
}

/* Untouched again, but for what guards. */
static void drop_unguarded(struct process *p, const struct entry *e, uint64_t start, uint64_t end)
{
	uint64_t from = start;
	for (uint32_t anon; e->guarded && (anon = pages_next(&p->map.layer, &start, end)); start++) {
		if (anon != ANON_GUARD)
			continue;
		space_drop_pages(p, from, start);
		from = start + 1;
	}
	space_drop_pages(p, from, end);
}

/* Untouched pages first become pages of zeros, which nobody can tell apart: the last step that can fail.  => private, no object */
static enum pw_err guard_install(struct process *p, struct entry *e, uint64_t start, uint64_t end)
{
	struct pages *layer = &p->map.layer;
	for (uint64_t at = start; at < end; at++) {
		enum pw_err err = pages_get(layer, at) ? PW_OK : pages_set(layer, at, ANON_ZEROS);
		if (err)
			return err;
	}
	space_hide(p, e, start, end);
	e->has_private = e->guarded = true;
	for (uint32_t anon; (anon = pages_next(layer, &start, end)); start++) {
		enum pw_err err = pages_set(layer, start, ANON_GUARD);
		(void)err; /* there was a word */
		page_unref_anon(p->kernel, anon);
	}
	return PW_OK;
}

static void guard_remove(struct process *p, uint64_t start, uint64_t end)
{
	for (uint32_t anon; (anon = pages_next(&p->map.layer, &start, end)); start++)
		if (anon == ANON_GUARD)
			pages_clear(&p->map.layer, start);
}

static void promote_each(struct process *p, struct entry *e, uint64_t start, uint64_t end)
{
	uint64_t step = kernel_huge_pages(p->kernel);
	for (start = (start + step - 1) & ~(step - 1); start + step <= end; start += step)
		huge_promote(p, e, start, true);
}

static enum pw_err entry_advise(struct process *p, struct entry *e, uint64_t start, uint64_t end, int advice)
{
	start = start > e->node.start ? start : e->node.start;
	end = end < e->node.end ? end : e->node.end;
	switch (advice) {
	case ADVICE_REMOVE:
		if (e->object)
			object_punch(p->kernel, e->object, entry_index(e, start), entry_index(e, end));
		break;
	case ADVICE_DONTNEED:
	case ADVICE_DONTNEED_LOCKED:
		drop_unguarded(p, e, start, end);
		break;
	case ADVICE_GUARD_INSTALL:
		return guard_install(p, e, start, end);
	case ADVICE_GUARD_REMOVE:
		guard_remove(p, start, end);
		break;
	case ADVICE_FREE:
		huge_split_range(p, start, end);
		space_visit(p, e, start, end, free_page, NULL);
		break;
	case ADVICE_WILLNEED:
		if (e->object && e->object->kind == OBJECT_FILE)
			fault_fetch_file(p->kernel, e->object, entry_index(e, start), entry_index(e, end));
		space_visit(p, e, start, end, fetch_page, NULL);
		break;
	case ADVICE_COLLAPSE:
		promote_each(p, e, start, end);
		break;
	case ADVICE_COLD:
		space_visit(p, e, start, end, cool_page, NULL);
		break;
	case ADVICE_PAGEOUT:
		space_visit(p, e, start, end, evict_page, NULL);
		break;
	default:
		break;
	}
	return PW_OK;
}

static bool advice_marks(int advice)
{
	struct entry none = { 0 };
	return entry_mark(&none, advice);
}

static bool advice_is_known(int advice)
{
	static const int known[] = {
#define X(number, name, text) number,
		ADVICE_LIST(X)
#undef X
	};
	for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
		if (known[i] == advice)
			return true;
	return false;
}

/* Is the advice for such a mapping? */
static bool entry_takes(const struct entry *e, int advice)
{
	if (e->locked && (advice == ADVICE_DONTNEED || advice == ADVICE_FREE || advice == ADVICE_PAGEOUT || advice == ADVICE_COLD))
		return false;
	if (advice == ADVICE_GUARD_INSTALL || advice == ADVICE_GUARD_REMOVE)
		return !e->shared && !e->object && !e->on_disk && !e->locked && !e->huge_only;
	return advice != ADVICE_WIPEONFORK || (!e->shared && !e->object);
}

/* What may be refused, or fail for want of memory, comes first.  => PW_INVALID, PW_NOMEM: nothing has changed */
static enum pw_err advice_prepare(struct process *p, uint64_t first, uint64_t end, int advice)
{
	for (struct entry *e = map_after(&p->map, first); e && e->node.start < end; e = entry_next(e))
		if (!entry_takes(e, advice))
			return PW_INVALID;
	if (advice_marks(advice))
		return space_clip(p, first, end);
	bool drops = advice == ADVICE_DONTNEED || advice == ADVICE_DONTNEED_LOCKED || advice == ADVICE_FREE || advice == ADVICE_GUARD_INSTALL;
	return drops ? huge_clip(p, first, end) : PW_OK;
}

enum pw_err process_advise(struct process *p, vaddr_t start, uint64_t bytes, int advice)
{
	uint64_t mask = kernel_page_bytes(p->kernel) - 1;
	p->kernel->working = p;
	uint64_t first = start.v >> p->kernel->config.page_shift;
	if (start.v & mask || bytes > UINT64_MAX - mask - start.v || !advice_is_known(advice))
		return PW_INVALID;
	uint64_t end = first + ((bytes + mask) >> p->kernel->config.page_shift);
	if (advice == ADVICE_POPULATE_READ || advice == ADVICE_POPULATE_WRITE)
		return process_populate(p, first, end, advice == ADVICE_POPULATE_WRITE ? ACCESS_STORE : ACCESS_LOAD);
	enum pw_err err = advice_prepare(p, first, end, advice);
	for (struct entry *e = map_after(&p->map, first); !err && e && e->node.start < end; e = entry_next(e)) {
		if (!entry_mark(e, advice))
			err = entry_advise(p, e, first, end, advice);
	}
	if (advice_marks(advice))
		map_join(&p->map, p->kernel, first, end);
	return err;
}
