/* space.c - the calls by which a program changes its address space.
 *
 * Problem: mmap, munmap, mprotect, mremap, brk and madvise, in any order, over ranges that cut across each other.
 * Idea: each is a few steps over whole entries (map.c) and over the pages below them.  What may fail, the memory for new entries,
 * is had before anything is taken away.
 *
 * 1. A page is mapped with no right that its entry does not have; with the right to write only if nobody else sees the page, or
 *    it is shared on purpose.
 * 2. Translations go before the pages they show.
 * Rejected: dropping translations when rights are added (faults would bring them back): Linux does not, and the counts would
 * differ. */
#include "space.h"
#include "../base/mem.h"
#include "huge.h"
#include "limit.h"
#include "lock.h"
#include "state.h"
#include <string.h>

static uint64_t page_of(const struct kernel *k, vaddr_t va) { return va.v >> k->config.page_shift; }
static uint64_t pages_of(const struct kernel *k, uint64_t bytes)
{
	return (bytes >> k->config.page_shift) + (bytes & (kernel_page_bytes(k) - 1) ? 1 : 0);
}
static bool is_aligned(const struct kernel *k, uint64_t address) { return !(address & (kernel_page_bytes(k) - 1)); }

/* The part of an entry inside a range. */
static uint64_t within_start(const struct entry *e, uint64_t start) { return e->node.start > start ? e->node.start : start; }
static uint64_t within_end(const struct entry *e, uint64_t end) { return e->node.end < end ? e->node.end : end; }

#define entries_each(e, m, from, limit) \
	for (struct entry *e = map_after(m, from); e && e->node.start < (limit); e = entry_next(e))

static uint32_t anon_frame(const struct kernel *k, uint32_t anon)
{
	return anon >= ANON_FIRST ? kernel_anon(k, anon)->frame : FRAME_NONE;
}

static void visit_object(struct process *p, struct entry *e, uint64_t start, uint64_t end,
                         void (*visit)(void *ctx, struct process *p, const struct space_page *page), void *ctx)
{
	uint64_t index = entry_index(e, start), last = entry_index(e, end);
	for (uint32_t word; (word = pages_next(&e->object->pages, &index, last)); index++) {
		struct space_page page = { .entry = e, .page = index - e->first_index + e->node.start, .frame = FRAME_NONE };
		if (!e->shared && pages_get(&p->map.layer, page.page))
			continue;
		if (e->object->kind == OBJECT_SHARED) {
			page.anon = word;
			page.frame = anon_frame(p->kernel, word);
		} else if (file_page_resident(word)) {
			page.frame = file_page_frame(word);
		}
		visit(ctx, p, &page);
	}
}

void space_visit(struct process *p, struct entry *e, uint64_t start, uint64_t end,
                 void (*visit)(void *ctx, struct process *p, const struct space_page *page), void *ctx)
{
	start = within_start(e, start);
	end = within_end(e, end);
	uint64_t at = start;
	for (uint32_t anon; !e->shared && (anon = pages_next(&p->map.layer, &at, end)); at++) {
		struct space_page page = { .entry = e, .page = at, .anon = anon, .frame = anon_frame(p->kernel, anon) };
		if (anon == ANON_ZEROS)
			page.frame = p->kernel->zero_frame;
		visit(ctx, p, &page);
	}
	if (e->object)
		visit_object(p, e, start, end, visit, ctx);
}

unsigned space_page_rights(const struct process *p, const struct entry *e, uint32_t anon)
{
	unsigned prot = e->prot | (e->prot & PMAP_WRITE ? PMAP_READ : 0);
	bool writable;
	if (e->shared)
		writable = e->object->kind == OBJECT_SHARED || !kernel_is_linux(p->kernel);
	else if (anon >= ANON_FIRST)
		writable = kernel_anon(p->kernel, anon)->refs == 1 && kernel_anon(p->kernel, anon)->flags & ANON_EXCLUSIVE;
	else
		writable = false;
	return writable ? prot : prot & ~PMAP_WRITE;
}

/* A page others may see as well loses this user. */
static void disown_page(void *ctx, struct process *p, const struct space_page *page)
{
	(void)ctx;
	if (page->frame == FRAME_NONE || page->frame == p->kernel->zero_frame)
		return;
	page_disown(p->kernel, page->frame, p, page->page);
}

void space_hide(struct process *p, struct entry *e, uint64_t start, uint64_t end)
{
	if (e->locked)
		lock_ends(p, e, start, end);
	huge_forget_range(p, start, end);
	space_visit(p, e, start, end, disown_page, NULL);
	pmap_remove(p->pmap, vpn_range(vpn(start), end - start));
	pmap_update(p->pmap);
}

void space_drop_pages(struct process *p, uint64_t start, uint64_t end)
{
	enum pw_err err = huge_clip(p, start, end);
	(void)err; /* who may not split has asked before */
	entries_each(e, &p->map, start, end) {
		uint64_t lo = within_start(e, start), hi = within_end(e, end);
		space_hide(p, e, lo, hi);
		if (e->shared)
			continue;
		for (uint32_t anon; (anon = pages_next(&p->map.layer, &lo, hi)); lo++) {
			pages_clear(&p->map.layer, lo);
			page_unref_anon(p->kernel, anon);
		}
	}
}

static void cut_clipped(struct process *p, uint64_t start, uint64_t end)
{
	space_drop_pages(p, start, end);
	struct entry *next;
	for (struct entry *e = map_after(&p->map, start); e && e->node.start < end; e = next) {
		next = entry_next(e);
		map_erase(&p->map, p->kernel, e);
	}
}

enum pw_err space_clip(struct process *p, uint64_t start, uint64_t end)
{
	enum pw_err err = huge_clip(p, start, end);
	return err ? err : map_clip(&p->map, start, end);
}

enum pw_err space_cut(struct process *p, uint64_t start, uint64_t end)
{
	enum pw_err err = space_clip(p, start, end);
	if (!err)
		cut_clipped(p, start, end);
	return err;
}

void space_clear(struct process *p)
{
	cut_clipped(p, 0, UINT64_MAX);
}

/* First and one-past-last page of a range of bytes.  => PW_INVALID: empty, not aligned or beyond the end of the space */
static enum pw_err range_of(const struct kernel *k, vaddr_t start, uint64_t bytes, uint64_t *ret_first, uint64_t *ret_end)
{
	if (!bytes || !is_aligned(k, start.v) || bytes > UINT64_MAX - start.v)
		return PW_INVALID;
	*ret_first = page_of(k, start);
	*ret_end = *ret_first + pages_of(k, bytes);
	return PW_OK;
}

/* Is all of [start, end) mapped? */
static bool is_covered(struct process *p, uint64_t start, uint64_t end)
{
	entries_each(e, &p->map, start, end) {
		if (e->node.start > start)
			return false;
		start = e->node.end;
	}
	return start >= end;
}

enum pw_err space_range(struct process *p, vaddr_t start, uint64_t bytes, uint64_t *ret_first, uint64_t *ret_end)
{
	enum pw_err err = range_of(p->kernel, start, bytes, ret_first, ret_end);
	return err || is_covered(p, *ret_first, *ret_end) ? err : PW_NOTMAPPED;
}

/* Where a mapping of n pages goes.  Those that may have huge pages begin where one can. */
static enum pw_err map_place(const struct process *p, const struct process_mapping *want, uint64_t n, uint64_t *ret)
{
	const struct kernel *k = p->kernel;
	unsigned bits = k->config.va_bits ? k->config.va_bits : 47;
	uint64_t limit = bits > 63 ? UINT64_MAX >> k->config.page_shift : (1ull << bits) >> k->config.page_shift;
	uint64_t hint = page_of(k, want->start), lowest = (65536 >> k->config.page_shift) + 1;
	if (want->fixed || (want->start.v && hint + n <= limit && map_is_free(&p->map, hint, hint + n))) {
		*ret = hint;
		return PW_OK;
	}
	uint64_t align = 1;
	if (p->map_top)
		limit = p->map_top >> k->config.page_shift;
	if (want->huge || (k->config.huge == HUGE_always && want->anonymous && !want->stack && n >= kernel_huge_pages(k)))
		align = kernel_huge_pages(k);
	if (lowest >= limit || !map_hole(&p->map, lowest, limit, n + align - 1, ret))
		return PW_NOSPACE;
	*ret = (*ret + align - 1) & ~(align - 1);
	return PW_OK;
}

static enum pw_err map_object(struct kernel *k, const struct process_mapping *want, struct object **ret)
{
	*ret = NULL;
	if (want->anonymous || want->on_disk)
		return want->shared ? object_shared(want->bytes, ret) : PW_OK;
	if (k->config.carries_data && !k->config.files)
		return PW_UNSUPPORTED;
	uint64_t past = want->offset + want->bytes;
	if (past < want->offset || (past - 1) >> k->config.page_shift >= FRAME_INDEX_MAX)
		return PW_LIMIT;
	return object_file(&k->objects, want->file_id, want->file_bytes, ret);
}

/* An entry as like, in place of whatever is there.  Its reference to the object is taken over, also on error. */
static enum pw_err map_new(struct process *p, const struct entry *like)
{
	struct entry *e;
	enum pw_err err = map_entry_create(like, &e);
	if (!err) {
		err = space_cut(p, like->node.start, like->node.end);
		if (err)
			mem_free(e);
	}
	if (err) {
		object_unref(p->kernel, like->object);
		return err;
	}
	map_link(&p->map, e);
	map_join(&p->map, p->kernel, like->node.start, like->node.end);
	return PW_OK;
}

enum pw_err process_map(struct process *p, const struct process_mapping *m, vaddr_t *ret)
{
	struct kernel *k = p->kernel;
	uint64_t n = pages_of(k, m->bytes), at;
	if (!m->bytes || !is_aligned(k, m->start.v) || !is_aligned(k, m->offset) || m->bytes > UINT64_MAX - m->start.v || p->killed)
		return PW_INVALID;
	uint64_t unit = m->huge ? kernel_huge_pages(k) : 1;
	if (m->huge && (!k->config.huge_shift || !m->anonymous || m->shared))
		return PW_UNSUPPORTED;
	if (n % unit || (m->fixed && page_of(k, m->start) % unit))
		return PW_INVALID;
	enum pw_err err = map_place(p, m, n, &at);
	const char *name = err ? NULL : kernel_name(k, m->name ? m->name : "");
	if (!name)
		return err ? err : PW_NOMEM;
	struct entry e = {
		.node = { .start = at, .end = at + n },
		.prot = m->prot & (PMAP_READ | PMAP_WRITE | PMAP_EXEC),
		.shared = m->shared, .stack = m->stack, .heap = m->heap, .huge_only = m->huge,
		.on_disk = m->on_disk, .anonymous = m->anonymous || m->on_disk,
		.first_index = m->offset >> k->config.page_shift,
		.name = name,
	};
	struct entry like = e;
	err = map_object(k, m, &e.object);
	like.object = e.object;
	if (!err)
		err = limit_map(p, &like, n, at, at + n);
	if (err)
		object_unref(k, e.object);
	else
		err = map_new(p, &e);
	if (err)
		return err;
	*ret = vaddr(at << k->config.page_shift);
	if (!m->populate)
		return PW_OK;
	err = process_populate(p, at, at + n, m->prot & PMAP_WRITE && !m->shared ? ACCESS_STORE : ACCESS_LOAD);
	return p->killed ? PW_NOFRAMES : PW_OK; /* what could not come in will be asked for again */
}

enum pw_err process_unmap(struct process *p, vaddr_t start, uint64_t bytes)
{
	uint64_t first, end;
	enum pw_err err = range_of(p->kernel, start, bytes, &first, &end);
	return err ? err : space_cut(p, first, end);
}

/* Gives a translation that exists, or went when all rights did, the rights it may have now.  If that fails a fault will do it. */
static void raise_page(void *ctx, struct process *p, const struct space_page *page)
{
	struct pmap_mapping m = { .vpn = vpn(page->page), .pfn = frame_pfn(page->frame), .cause = ACCESS_LOAD };
	(void)ctx;
	if (page->frame == FRAME_NONE || page->frame != kernel_unit(p->kernel, page->frame))
		return;
	const struct frame *frame = kernel_frame(p->kernel, page->frame);
	m.level = frame->flags & FRAME_HUGE ? 1 : 0;
	bool had_none = frame->space == p->number + 1 && frame->vpn == page->page;
	unsigned now = 0;
	if (pmap_extract(p->pmap, m.vpn, &m))
		now = m.prot;
	else if (!had_none)
		return;
	m.prot = space_page_rights(p, page->entry, page->anon) | PMAP_USER;
	if (!(m.prot & ~now))
		return;
	m.cause = ACCESS_LOAD;
	m.unmanaged = frame->state == FRAME_ZERO;
	enum pw_err err = pmap_enter(p->pmap, &m);
	if (page->entry->locked && !err)
		lock_page(p->kernel, page->frame);
}

/* Without rights nothing is mapped; but a page keeps who used it last, which is how it comes back when rights do. */
static void entry_protect(struct process *p, struct entry *e, unsigned prot)
{
	unsigned before = e->prot;
	e->prot = prot;
	if (!prot)
		pmap_remove(p->pmap, entry_range(e));
	else
		pmap_protect(p->pmap, entry_range(e), prot | (prot & PMAP_WRITE ? PMAP_READ : 0));
	if (prot & ~before)
		space_visit(p, e, e->node.start, e->node.end, raise_page, NULL);
}

enum pw_err process_protect(struct process *p, vaddr_t start, uint64_t bytes, unsigned prot)
{
	uint64_t first, end;
	enum pw_err err = space_range(p, start, bytes, &first, &end);
	if (!err)
		err = limit_protect(p, first, end, prot);
	if (!err)
		err = space_clip(p, first, end);
	if (err)
		return err;
	entries_each(e, &p->map, first, end)
		entry_protect(p, e, prot & (PMAP_READ | PMAP_WRITE | PMAP_EXEC));
	pmap_update(p->pmap);
	process_note_resident(p);
	map_join(&p->map, p->kernel, first, end);
	return PW_OK;
}

enum pw_err process_name(struct process *p, vaddr_t start, uint64_t bytes, const char *text)
{
	uint64_t first, end;
	const char *name = kernel_name(p->kernel, text);
	enum pw_err err = name ? space_range(p, start, bytes, &first, &end) : PW_NOMEM;
	if (!err)
		err = space_clip(p, first, end);
	if (err)
		return err;
	entries_each(e, &p->map, first, end)
		e->name = name;
	map_join(&p->map, p->kernel, first, end);
	return PW_OK;
}

/* The heap as it is: its last entry, if there is one that begins at first or continues one that does. */
static struct entry *heap_last(struct process *p, uint64_t first)
{
	struct entry *last = NULL;
	for (struct entry *e = map_find(&p->map, first); e && e->heap; e = entry_next(e)) {
		if (last && e->node.start != last->node.end)
			break;
		last = e;
	}
	return last;
}

static enum pw_err heap_grow(struct process *p, struct entry *last, uint64_t from, uint64_t to)
{
	enum { RW = PMAP_READ | PMAP_WRITE };
	struct entry e = { .node = { .start = from, .end = to }, .prot = RW, .heap = true, .anonymous = true };
	if (!map_is_free(&p->map, from, to))
		return PW_NOSPACE;
	enum pw_err err = limit_map(p, &e, to - from, from, to);
	if (err)
		return err;
	if (last && last->prot == RW) {
		map_resize(&p->map, last, last->node.start, to);
		return PW_OK;
	}
	e.name = kernel_name(p->kernel, "[heap]");
	return e.name ? map_new(p, &e) : PW_NOMEM;
}

enum pw_err process_brk(struct process *p, vaddr_t start, uint64_t bytes)
{
	struct kernel *k = p->kernel;
	if (bytes > UINT64_MAX - start.v - kernel_page_bytes(k) || p->killed)
		return PW_INVALID;
	uint64_t first = page_of(k, start), end = pages_of(k, start.v + bytes);
	const struct entry *below = map_find(&p->map, first);
	if (below && !below->heap)
		first = below->node.end;
	struct entry *last = heap_last(p, first);
	uint64_t now = last ? last->node.end : first;
	if (end < first || !bytes)
		end = first;
	if (end < now)
		return space_cut(p, end, now);
	return end > now ? heap_grow(p, last, now, end) : PW_OK;
}
