/* lock.c - pages that stay: mlock; and pages that are written back because the program says so: msync.
 *
 * Problem: a locked page must be found by nobody who looks for a victim, from the moment the call returns until the last mapping that
 * locked it is gone; a page may be locked through several mappings.
 * Idea: the entry says that its pages are locked, the frame that it is: such a frame is unknown to the policy.  Who stops locking a
 * page asks whether another entry still does.  That search is paid by those who unlock, not by those who evict.
 *
 * 1. Every page of a locked entry that is mapped is in a frame that is LOCKED.
 * 2. A LOCKED frame is not LISTED.
 * 3. When process_lock fails nothing of the range is locked that was not before.
 * Rejected: a count in each frame (it has to be right through fork, copy-on-write, remap and exec, and costs bits of every frame).
 * Source: mlock(2), msync(2); Linux, Documentation/mm/unevictable-lru.rst. */
#include "lock.h"
#include "fault.h"
#include "space.h"
#include "state.h"

/* Does the entry lock the page that another entry, e, sees at this page number? */
static bool entry_locks(struct process *p, struct entry *other, const struct entry *e, uint64_t page, uint32_t anon)
{
	if (!other->locked && !other->huge_only)
		return false;
	if (e->object && (e->shared || anon == ANON_NONE)) {
		uint64_t index = entry_index(e, page);
		return other->object == e->object && index >= other->first_index && index - other->first_index < entry_pages(other);
	}
	if (page >= other->node.start && page < other->node.end && pages_get(&p->map.layer, page) == anon)
		return true;
	uint64_t at = other->node.start; /* a page shared since a fork may have been moved since */
	for (uint32_t word; kernel_anon(p->kernel, anon)->refs > 1 && (word = pages_next(&p->map.layer, &at, other->node.end)); at++)
		if (word == anon)
			return true;
	return false;
}

static bool anyone_locks(struct kernel *k, const struct entry *e, uint64_t page, uint32_t anon)
{
	for (uint32_t i = 0; i < k->n_processes; i++) {
		struct process *p = k->process[i];
		for (struct entry *other = entry_of(itree_first(&p->map.tree)); p->alive && other; other = entry_next(other))
			if (other != e && entry_locks(p, other, e, page, anon))
				return true;
	}
	return false;
}

void lock_page(struct kernel *k, uint32_t f)
{
	if (kernel_frame(k, f)->state == FRAME_ZERO)
		return;
	page_unlist(k, kernel_unit(k, f));
	kernel_frame(k, f)->flags |= FRAME_LOCKED;
}

void lock_page_ends(struct kernel *k, const struct entry *e, uint64_t page, uint32_t anon, uint32_t f)
{
	struct frame *frame = kernel_frame(k, f);
	if (!(frame->flags & FRAME_LOCKED) || anyone_locks(k, e, page, anon))
		return;
	frame->flags &= ~FRAME_LOCKED;
	if (frame->state == FRAME_ANON || frame->state == FRAME_FILE)
		page_list(k, f);
}

static void end_one(void *ctx, struct process *p, const struct space_page *page)
{
	(void)ctx;
	if (page->frame != FRAME_NONE)
		lock_page_ends(p->kernel, page->entry, page->page, page->anon, page->frame);
}

void lock_ends(struct process *p, struct entry *e, uint64_t start, uint64_t end)
{
	bool locked = e->locked;
	e->locked = false;
	space_visit(p, e, start, end, end_one, NULL);
	e->locked = locked;
}

static void lock_one(void *ctx, struct process *p, const struct space_page *page)
{
	struct pmap_mapping m;
	(void)ctx;
	if (page->frame != FRAME_NONE && pmap_extract(p->pmap, vpn(page->page), &m))
		lock_page(p->kernel, page->frame);
}

static uint64_t locked_pages(struct process *p)
{
	uint64_t n = 0;
	for (struct entry *e = entry_of(itree_first(&p->map.tree)); e; e = entry_next(e))
		n += e->locked ? entry_pages(e) : 0;
	return n;
}

/* populate: everything in the entry comes in, as it would by the program's own accesses. */
static enum pw_err entry_lock(struct process *p, struct entry *e, bool populate)
{
	e->locked = true;
	space_visit(p, e, e->node.start, e->node.end, lock_one, NULL);
	if (!populate || !(e->prot & (PMAP_READ | PMAP_WRITE | PMAP_EXEC)))
		return PW_OK;
	enum access_kind kind = e->prot & PMAP_WRITE && !e->shared ? ACCESS_STORE : e->prot & (PMAP_READ | PMAP_WRITE) ? ACCESS_LOAD
	                                                                                                                 : ACCESS_FETCH;
	enum pw_err err = process_populate(p, e->node.start, e->node.end, kind);
	return err == PW_ACCESS ? PW_OK : err; /* beyond the end of a file there is nothing to lock */
}

static void entry_unlock(struct process *p, struct entry *e)
{
	e->locked = false;
	if (!e->huge_only)
		lock_ends(p, e, e->node.start, e->node.end);
}

/* What the range had locked before is not told apart from what this call locked: both end. */
static void range_unlock(struct process *p, uint64_t first, uint64_t end)
{
	for (struct entry *e = map_after(&p->map, first); e && e->node.start < end; e = entry_next(e))
		if (e->locked)
			entry_unlock(p, e);
}

static enum pw_err range_lock(struct process *p, uint64_t first, uint64_t end, bool populate)
{
	uint64_t more = 0, limit = p->limit[PROCESS_LIMIT_lock] >> p->kernel->config.page_shift;
	for (struct entry *e = map_after(&p->map, first); e && e->node.start < end; e = entry_next(e))
		more += e->locked ? 0 : entry_pages(e);
	if (locked_pages(p) + more > limit)
		return PW_LIMIT;
	enum pw_err err = PW_OK;
	for (struct entry *e = map_after(&p->map, first); e && e->node.start < end; e = err ? NULL : entry_next(e))
		err = e->locked ? PW_OK : entry_lock(p, e, populate); /* a process that is killed has no entries any more */
	if (err && p->alive && !p->killed)
		range_unlock(p, first, end);
	return err;
}

enum lock_how { UNLOCK, LOCK_ONFAULT, LOCK_NOW };

static enum pw_err lock_change(struct process *p, vaddr_t start, uint64_t bytes, enum lock_how how)
{
	uint64_t first, end;
	enum pw_err err = space_range(p, start, bytes, &first, &end);
	if (!err)
		err = space_clip(p, first, end);
	if (err)
		return err;
	if (how == UNLOCK)
		range_unlock(p, first, end);
	else
		err = range_lock(p, first, end, how == LOCK_NOW);
	if (p->alive)
		map_join(&p->map, p->kernel, first, end);
	return err;
}

enum pw_err process_lock(struct process *p, vaddr_t start, uint64_t bytes, bool lock)
{
	return lock_change(p, start, bytes, lock ? LOCK_NOW : UNLOCK);
}

enum pw_err process_lock_onfault(struct process *p, vaddr_t start, uint64_t bytes)
{
	return lock_change(p, start, bytes, LOCK_ONFAULT);
}

uint64_t process_locked_bytes(struct process *p)
{
	return locked_pages(p) << p->kernel->config.page_shift;
}

/* A page of a file goes to the file, and later stores are noticed again. */
static void sync_page(void *ctx, struct process *p, const struct space_page *page)
{
	struct kernel *k = p->kernel;
	enum pw_err *err = ctx;
	uint32_t f = page->frame;
	if (*err || f == FRAME_NONE || kernel_frame(k, f)->state != FRAME_FILE || !page_is_modified(k, f))
		return;
	*err = page_file_write(k, page->entry->object, frame_index(&k->frames, f), f);
	if (*err)
		return;
	if (kernel_is_linux(k))
		pmap_page_protect(k->config.pmap, frame_pfn(f), PMAP_READ | PMAP_EXEC);
	pmap_page_test_clear(k->config.pmap, frame_pfn(f), PMAP_MODIFIED);
	kernel_frame(k, f)->flags &= ~FRAME_DIRTY;
	k->counts.synced++;
}

enum pw_err process_sync(struct process *p, vaddr_t start, uint64_t bytes)
{
	uint64_t first, end;
	enum pw_err err = space_range(p, start, bytes, &first, &end);
	for (struct entry *e = err ? NULL : map_after(&p->map, first); e && e->node.start < end; e = entry_next(e))
		if (e->shared)
			space_visit(p, e, first, end, sync_page, &err);
	return err;
}
