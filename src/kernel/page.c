/* page.c - the life of a page in a frame.
 *
 *                page_alloc            page_become_*          page_list
 *      FREE ------------------> BUSY ----------------> ANON ------------> ... known to the policy, evictable
 *       ^                        |                     FILE                     |
 *       |      page_abandon      |                                              |
 *       +------------------------+<---------------------------------------------+
 *                                   page_release (unmapped, forgotten by the policy, walks accounted)
 *
 * 1. A frame in state ANON is the frame of its owner, and of nothing else; one in state FILE is its object's page at index.
 * 2. LISTED says exactly whether the policy holds the frame's slot.
 * 3. What a page was used for is never lost: modified bits of translations that go are kept in FRAME_DIRTY.
 * 4. A page with pins is not evicted. */
#include "page.h"
#include "state.h"
#include "../base/inject.h"
#include <string.h>

#define KEY_FILE (1ull << 63)
enum { KEY_INDEX_BITS = 32 };

enum pw_err page_alloc(struct kernel *k, uint64_t key, uint32_t *ret)
{
	enum pw_err err = local_prepare(k);
	if (err)
		return err;
	reclaim_expect(k, key);
	if (local_is_full(k))
		err = reclaim_one(k); /* when none of its own can go, it may have one more */
	for (;;) {
		err = frame_take_page(&k->frames, ret);
		if (err != PW_NOFRAMES)
			return err;
		err = reclaim_one(k);
		if (err)
			return err;
	}
}

enum pw_err page_alloc_spare(struct kernel *k, uint32_t *ret)
{
	return reclaim_is_plentiful(k) && !local_is_full(k) ? frame_take_page(&k->frames, ret) : PW_NOFRAMES;
}

void page_give(struct kernel *k, uint32_t f)
{
	pmap_page_freed(k->config.pmap, frame_pfn(f));
	frame_give(&k->frames, f);
}

void page_abandon(struct kernel *k, uint32_t f)
{
	page_give(k, f);
}

static void resident_note(struct kernel *k)
{
	if (k->frames.n_pages > k->counts.resident_peak_pages)
		k->counts.resident_peak_pages = k->frames.n_pages;
}

void page_become_anon(struct kernel *k, uint32_t f, uint32_t anon)
{
	struct anon *a = kernel_anon(k, anon);
	struct frame *frame = kernel_frame(k, f);
	frame->state = FRAME_ANON;
	frame->owner = anon;
	a->frame = f;
	k->counts.touched_pages += !(a->flags & ANON_TOUCHED);
	a->flags |= ANON_TOUCHED;
	resident_note(k);
}

enum pw_err page_become_file(struct kernel *k, uint32_t f, struct object *o, uint64_t index)
{
	struct frame *frame = kernel_frame(k, f);
	bool first = !pages_get(&o->pages, index);
	enum pw_err err = pages_set(&o->pages, index, file_page_word(f));
	if (err)
		return err;
	frame->state = FRAME_FILE;
	frame->owner = o->id;
	frame_index_set(&k->frames, f, index);
	k->counts.touched_pages += first;
	resident_note(k);
	return PW_OK;
}

void page_used_by_kernel(struct kernel *k, uint32_t f, enum access_kind kind)
{
	if (k->config.used)
		k->config.used(k->config.ctx, frame_pfn(f), kind);
}

static void bytes_zero(struct kernel *k, uint32_t f)
{
	page_used_by_kernel(k, f, ACCESS_STORE);
	if (k->config.carries_data)
		memset(page_bytes(k, f), 0, kernel_page_bytes(k));
}

/* Fills a BUSY frame with the bytes of an anonymous page. */
static enum pw_err anon_fill(struct kernel *k, uint32_t f, uint32_t anon, uint64_t page)
{
	struct store *s = k->swap.store;
	uint32_t slot = kernel_slot(k, anon);
	if (slot != SLOT_NONE)
		return swap_read(k, 1, &slot, &f);
	if (kernel_anon(k, anon)->flags & ANON_ON_DISK)
		kernel_spend(k, s ? s->ops->cost_ns(s, STORE_READ, page % s->n_slots, 1) : k->config.cost->file_read);
	else
		kernel_spend(k, kernel_page_ns(k, k->config.cost->fault_zero));
	bytes_zero(k, f);
	return PW_OK;
}

static enum pw_err anon_fill_frame(struct kernel *k, uint32_t f, uint32_t anon, uint64_t page)
{
	const struct anon *a = kernel_anon(k, anon);
	enum pw_err err = anon_fill(k, f, anon, page);
	if (err) {
		page_abandon(k, f);
		return err;
	}
	k->counts.refaults += (a->flags & ANON_EVICTED) != 0;
	page_become_anon(k, f, anon);
	return PW_OK;
}

enum pw_err page_bring_anon(struct kernel *k, uint32_t anon, uint64_t page)
{
	uint32_t f;
	enum pw_err err = page_alloc(k, page_key_of_anon(anon), &f);
	return err ? err : anon_fill_frame(k, f, anon, page);
}

enum pw_err page_bring_ahead(struct kernel *k, uint32_t anon)
{
	uint32_t f;
	if (anon < ANON_FIRST || kernel_anon(k, anon)->frame != FRAME_NONE || kernel_slot(k, anon) == SLOT_NONE)
		return PW_NOTFOUND;
	enum pw_err err = page_alloc_spare(k, &f);
	if (!err)
		err = anon_fill_frame(k, f, anon, 0);
	if (err)
		return err;
	kernel_frame(k, f)->flags |= FRAME_READ_AHEAD;
	k->counts.readahead++;
	page_list(k, f);
	return PW_OK;
}

uint64_t page_key_of_file(const struct object *o, uint64_t index)
{
	return KEY_FILE | (uint64_t)o->id << KEY_INDEX_BITS | index;
}

uint64_t page_key(const struct kernel *k, uint32_t f)
{
	const struct frame *frame = &k->frames.at[f];
	return frame->state == FRAME_FILE ? page_key_of_file(k->objects.file[frame->owner], frame_index(&k->frames, f))
	                                  : page_key_of_anon(frame->owner);
}

uint32_t page_of_key(struct kernel *k, uint64_t key)
{
	if (!(key & KEY_FILE))
		return kernel_anon(k, (uint32_t)key)->frame;
	struct object *o = k->objects.file[(key & ~KEY_FILE) >> KEY_INDEX_BITS];
	uint32_t word = pages_get(&o->pages, key & ((1ull << KEY_INDEX_BITS) - 1));
	return file_page_resident(word) ? file_page_frame(word) : FRAME_NONE;
}

void page_list_droppable(struct kernel *k, uint32_t f)
{
	struct frame *frame = kernel_frame(k, f);
	if (frame->flags & FRAME_LISTED)
		return;
	frame->flags |= FRAME_LISTED;
	k->config.policy->enter(k->policy, slot_of_frame(&k->frames, f), page_key(k, f));
}

void page_list(struct kernel *k, uint32_t f)
{
	f = kernel_unit(k, f);
	const struct frame *frame = kernel_frame(k, f);
	if (frame->flags & FRAME_LOCKED)
		return;
	if (frame->state == FRAME_FILE || k->swap.store || kernel_anon(k, frame->owner)->flags & ANON_ON_DISK)
		page_list_droppable(k, f);
}

void page_unlist(struct kernel *k, uint32_t f)
{
	struct frame *frame = kernel_frame(k, f);
	if (!(frame->flags & FRAME_LISTED))
		return;
	frame->flags &= ~FRAME_LISTED;
	k->config.policy->leave(k->policy, slot_of_frame(&k->frames, f));
}

bool page_is_modified(struct kernel *k, uint32_t f)
{
	return kernel_frame(k, f)->flags & FRAME_DIRTY ||
	       pmap_page_test(k->config.pmap, frame_pfn(kernel_unit(k, f)), PMAP_MODIFIED);
}

bool page_may_leave(struct kernel *k, uint32_t f)
{
	const struct frame *frame = kernel_frame(k, f);
	if (frame->pins || frame->flags & FRAME_LOCKED || (frame->state != FRAME_ANON && frame->state != FRAME_FILE))
		return false;
	if (frame->state == FRAME_FILE)
		return true;
	const struct anon *a = kernel_anon(k, frame->owner);
	if (a->flags & ANON_ON_DISK && !k->config.carries_data)
		return true;
	if (kernel_slot(k, frame->owner) != SLOT_NONE || (k->swap.store && !swap_is_full(&k->swap)))
		return true;
	return !page_is_modified(k, f);
}

void page_take_walks(struct kernel *k, uint32_t f)
{
	if (!k->take_walks)
		return;
	const struct frame *frame = kernel_frame(k, f);
	uint64_t walks = k->take_walks(k->take_walks_ctx, frame_pfn(f));
	struct process *p = frame->space ? k->process[frame->space - 1] : NULL;
	struct entry *e = p ? map_find(&p->map, frame->vpn) : NULL;
	if (e)
		e->walks += walks;
}

void page_unmap(struct kernel *k, uint32_t f)
{
	struct frame *frame = kernel_frame(k, f);
	page_take_walks(k, f);
	pmap_page_protect(k->config.pmap, frame_pfn(f), 0);
	if (pmap_page_test_clear(k->config.pmap, frame_pfn(f), PMAP_MODIFIED | PMAP_REFERENCED) & PMAP_MODIFIED)
		frame->flags |= FRAME_DIRTY;
	frame->space = 0;
}

void page_release(struct kernel *k, uint32_t f)
{
	page_unlist(k, f);
	page_unmap(k, f);
	page_give(k, f);
}

void page_drop_slot(struct kernel *k, uint32_t anon)
{
	const struct anon *a = kernel_anon(k, anon);
	if (kernel_slot(k, anon) == SLOT_NONE)
		return;
	swap_give(&k->swap, kernel_slot(k, anon));
	anon_slot_set(&k->anons, anon, SLOT_NONE);
	if (a->frame != FRAME_NONE)
		kernel_frame(k, a->frame)->flags |= FRAME_DIRTY;
}

void page_unref_anon(struct kernel *k, uint32_t anon)
{
	if (anon < ANON_FIRST || --kernel_anon(k, anon)->refs)
		return;
	struct anon *a = kernel_anon(k, anon);
	if (a->frame != FRAME_NONE) {
		uint32_t f = a->frame;
		a->frame = FRAME_NONE;
		page_release(k, f);
	}
	page_drop_slot(k, anon);
	if (k->config.policy->forget)
		k->config.policy->forget(k->policy, anon);
	anon_destroy(&k->anons, anon);
}

/* The page now belongs to this mapping in the accounts. */
static void mapper_set(struct kernel *k, uint32_t f, const struct process *p, uint64_t page)
{
	struct frame *frame = kernel_frame(k, f);
	if (frame->space == p->number + 1 && frame->vpn == page)
		return;
	if (frame->space)
		page_take_walks(k, f);
	frame->space = p->number + 1;
	frame->vpn = page;
}

void page_disown(struct kernel *k, uint32_t f, const struct process *p, uint64_t page)
{
	struct frame *frame = kernel_frame(k, f);
	if (frame->space != p->number + 1 || frame->vpn != page)
		return;
	page_take_walks(k, f);
	frame->space = 0;
	reclaim_replan(k, f);
}

enum pw_err page_translate(struct kernel *k, struct process *p, uint64_t page, uint32_t f, unsigned prot,
                           enum access_kind cause)
{
	struct frame *frame = kernel_frame(k, f);
	struct pmap_mapping m = { .vpn = vpn(page), .pfn = frame_pfn(f), .prot = prot | PMAP_USER, .cause = cause };
	enum pw_err err;
	if (frame->flags & FRAME_HUGE) {
		m.level = 1;
		m.pfn = frame_pfn(kernel_unit(k, f));
		m.vpn.v -= f - m.pfn.v;
	}
	m.unmanaged = frame->state == FRAME_ZERO;
	frame->pins++;
	while ((err = pmap_enter(p->pmap, &m)) == PW_NOFRAMES) {
		err = reclaim_one(k);
		if (err)
			break;
	}
	frame->pins--;
	if (!err && frame->state != FRAME_ZERO && !frame->space)
		mapper_set(k, f, p, page);
	return err;
}

enum pw_err page_enter(struct kernel *k, struct process *p, uint64_t page, uint32_t f, unsigned prot, enum access_kind cause)
{
	enum pw_err err = page_translate(k, p, page, f, prot, cause);
	if (err)
		return err;
	if (kernel_frame(k, f)->state != FRAME_ZERO)
		mapper_set(k, f, p, page);
	process_note_resident(p);
	return PW_OK;
}

uint32_t page_enter_run(struct kernel *k, struct process *p, uint64_t page, uint32_t n, const uint32_t frames[], unsigned prot,
                        enum access_kind cause)
{
	pfn_t pfns[SWAP_CLUSTER];
	struct pmap_mapping m = { .vpn = vpn(page), .prot = prot | PMAP_USER, .cause = cause };
	uint32_t entered;
	for (uint32_t i = 0; i < n; i++)
		pfns[i] = frame_pfn(frames[i]);
	enum pw_err err = pmap_enter_run(p->pmap, &m, n, pfns, &entered);
	(void)err; /* the rest is not mapped: its fault will say why */
	for (uint32_t i = 0; i < entered; i++)
		mapper_set(k, frames[i], p, page + i);
	process_note_resident(p);
	return entered;
}

void *page_bytes(struct kernel *k, uint32_t f)
{
	struct pmap_sys *pmap = k->config.pmap;
	return pmap->ops->page_bytes ? pmap->ops->page_bytes(pmap, frame_pfn(f)) : physmem_frame(k->config.memory, frame_pfn(f));
}

void page_fill_zero(struct kernel *k, uint32_t f)
{
	kernel_spend(k, kernel_page_ns(k, k->config.cost->fault_zero));
	bytes_zero(k, f);
}

void page_copy_quietly(struct kernel *k, uint32_t to, uint32_t from)
{
	kernel_spend(k, kernel_page_ns(k, k->config.cost->fault_copy));
	page_used_by_kernel(k, from, ACCESS_LOAD);
	page_used_by_kernel(k, to, ACCESS_STORE);
	if (k->config.carries_data)
		memcpy(page_bytes(k, to), page_bytes(k, from), kernel_page_bytes(k));
}

void page_copy(struct kernel *k, uint32_t to, uint32_t from)
{
	reclaim_note_use(k, from);
	if (k->config.copied)
		k->config.copied(k->config.ctx, frame_pfn(from));
	page_copy_quietly(k, to, from);
}

enum pw_err page_file_read(struct kernel *k, const struct object *o, uint64_t index, uint32_t f)
{
	const struct kernel_files *files = k->config.files;
	page_used_by_kernel(k, f, ACCESS_STORE);
	if (!k->config.carries_data)
		return PW_OK;
	if (inject(INJECT_STORE_READ))
		return PW_IO;
	return files->read(files->ctx, o->file_id, index << k->config.page_shift, page_bytes(k, f), kernel_page_bytes(k));
}

enum pw_err page_file_write(struct kernel *k, const struct object *o, uint64_t index, uint32_t f)
{
	const struct kernel_files *files = k->config.files;
	kernel_spend(k, k->config.cost->file_read);
	page_used_by_kernel(k, f, ACCESS_LOAD);
	if (!k->config.carries_data)
		return PW_OK;
	if (inject(INJECT_STORE_WRITE))
		return PW_IO;
	uint64_t offset = index << k->config.page_shift, bytes = o->bytes > offset ? o->bytes - offset : 0;
	if (bytes > kernel_page_bytes(k))
		bytes = kernel_page_bytes(k);
	return bytes ? files->write(files->ctx, o->file_id, offset, page_bytes(k, f), bytes) : PW_OK;
}
