/* advise.c - madvise: what a program says about its memory, as Linux takes it.
 *
 * Problem: some advice is a promise that changes contents (DONTNEED, FREE, REMOVE), some asks for work ahead of time (WILLNEED,
 * POPULATE), some for the opposite (COLD, PAGEOUT), some marks the mapping (DONTFORK and its kin); the rest may be ignored.
 * Idea: a step per page or per entry for each, over the parts of the range that are mapped.
 *
 * 1. Advice never makes a later access fail.
 * Source: madvise(2); the numbers are Linux's. */
#include "fault.h"
#include "space.h"
#include "state.h"
#include <sys/mman.h>

/* Numbers newer than some C libraries' headers. */
enum { ADVICE_COLD = 20, ADVICE_PAGEOUT = 21, ADVICE_POPULATE_READ = 22, ADVICE_POPULATE_WRITE = 23 };

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

static void cool_page(void *ctx, struct process *p, const struct space_page *page)
{
	(void)ctx;
	if (page->frame == FRAME_NONE)
		return;
	pmap_page_test_clear(p->kernel->config.pmap, frame_pfn(page->frame), PMAP_REFERENCED);
	kernel_frame(p->kernel, page->frame)->flags &= ~FRAME_REFERENCED;
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

/* As if the program touched every page now. */
static enum pw_err populate(struct process *p, uint64_t start, uint64_t end, enum access_kind kind)
{
	for (uint64_t page = start; page < end; page++) {
		struct pmap_mapping m;
		unsigned need = kind == ACCESS_STORE ? PMAP_WRITE : PMAP_READ;
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
	case MADV_DONTFORK:
	case MADV_DOFORK:
		e->fork_skips = advice == MADV_DONTFORK;
		return true;
	case MADV_WIPEONFORK:
	case MADV_KEEPONFORK:
		e->fork_wipes = advice == MADV_WIPEONFORK;
		return true;
	default:
		return false;
	}
}

static void entry_advise(struct process *p, struct entry *e, uint64_t start, uint64_t end, int advice)
{
	start = start > e->node.start ? start : e->node.start;
	end = end < e->node.end ? end : e->node.end;
	switch (advice) {
	case MADV_REMOVE:
		if (e->object)
			object_punch(p->kernel, e->object, entry_index(e, start), entry_index(e, end));
		break;
	case MADV_DONTNEED:
		space_drop_pages(p, start, end);
		break;
	case MADV_FREE:
		space_visit(p, e, start, end, free_page, NULL);
		break;
	case MADV_WILLNEED:
		if (e->object && e->object->kind == OBJECT_FILE)
			fault_fetch_file(p->kernel, e->object, entry_index(e, start), entry_index(e, end));
		space_visit(p, e, start, end, fetch_page, NULL);
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
}

static bool advice_marks(int advice)
{
	struct entry none = { 0 };
	return entry_mark(&none, advice);
}

enum pw_err process_advise(struct process *p, vaddr_t start, uint64_t bytes, int advice)
{
	uint64_t mask = kernel_page_bytes(p->kernel) - 1;
	uint64_t first = start.v >> p->kernel->config.page_shift;
	if (start.v & mask || bytes > UINT64_MAX - mask - start.v)
		return PW_INVALID;
	uint64_t end = first + ((bytes + mask) >> p->kernel->config.page_shift);
	if (advice == ADVICE_POPULATE_READ || advice == ADVICE_POPULATE_WRITE)
		return populate(p, first, end, advice == ADVICE_POPULATE_WRITE ? ACCESS_STORE : ACCESS_LOAD);
	enum pw_err err = advice_marks(advice) ? map_clip(&p->map, first, end) : PW_OK;
	for (struct entry *e = map_after(&p->map, first); !err && e && e->node.start < end; e = entry_next(e)) {
		if (!entry_mark(e, advice))
			entry_advise(p, e, first, end, advice);
	}
	return err;
}
