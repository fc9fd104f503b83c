/* ahead.c - guessing what is wanted next, as Linux guesses.
 *
 * Problem: one fault a page is slow; one transfer a page is slower still.
 * Idea: three guesses, each made at a fault and each free to do nothing when memory is short.
 *
 *      around        a read of a file maps those pages of the aligned 64 KiB around it that are in memory anyway
 *      read around   a file page that had to be read brings the 128 KiB around it
 *      swap          a page that had to be read back from swap brings its neighbours in the same mapping, more of them the more
 *                    of the last ones were used, forwards or backwards as the faults go
 *
 * 1. Nothing here evicts anything, and nothing here can fail a fault.
 * 2. No guess crosses its mapping or the span of one last-level page table.
 * Source: mm/memory.c, mm/filemap.c and mm/swap_state.c of Linux describe the behaviour. */
#include "fault.h"
#include "lock.h"
#include "space.h"
#include "state.h"

#define AROUND_BYTES (64u << 10)
#define READ_AROUND_BYTES (128u << 10)
enum { TABLE_PAGES = 512, SWAP_AROUND = 8, MISSES_MANY = 100, MISSES_MAX = 1000 };

struct window {
	uint64_t start, end;
};

static struct window window_within(const struct fault *f, struct window w)
{
	uint64_t table = f->page & ~(uint64_t)(TABLE_PAGES - 1);
	uint64_t lo = f->entry->node.start > table ? f->entry->node.start : table;
	uint64_t hi = f->entry->node.end < table + TABLE_PAGES ? f->entry->node.end : table + TABLE_PAGES;
	return (struct window){ w.start > lo ? w.start : lo, w.end < hi ? w.end : hi };
}

/* A page of a file comes in unasked.  => PW_NOFRAMES: there is no room to spare */
static enum pw_err file_page_ahead(struct kernel *k, struct object *o, uint64_t index, uint32_t *ret)
{
	enum pw_err err = page_alloc_spare(k, ret);
	if (err)
		return err;
	err = page_file_read(k, o, index, *ret);
	if (!err)
		err = page_become_file(k, *ret, o, index);
	if (err)
		page_abandon(k, *ret);
	return err;
}

/* The frame of the file's page if it is in memory or, never seen before, counts as being there. */
static uint32_t file_page_cached(struct fault *f, struct object *o, uint64_t index)
{
	uint32_t word = pages_get(&o->pages, index), frame;
	if (index >= object_n_pages(o, f->kernel->config.page_shift))
		return FRAME_NONE;
	if (word)
		return file_page_resident(word) ? file_page_frame(word) : FRAME_NONE;
	if (f->kernel->config.file_cache_cold || file_page_ahead(f->kernel, o, index, &frame))
		return FRAME_NONE;
	return frame;
}

/* The frame of what the object has at this page of the entry. */
static uint32_t object_page_cached(struct fault *f, uint64_t page, uint32_t *ret_anon)
{
	struct object *o = f->entry->object;
	uint64_t index = entry_index(f->entry, page);
	*ret_anon = ANON_NONE;
	if (o->kind == OBJECT_FILE)
		return file_page_cached(f, o, index);
	*ret_anon = pages_get(&o->pages, index);
	return *ret_anon >= ANON_FIRST ? kernel_anon(f->kernel, *ret_anon)->frame : FRAME_NONE;
}

static enum pw_err map_one(struct fault *f, uint64_t page)
{
	struct kernel *k = f->kernel;
	struct pmap_mapping m;
	uint32_t anon;
	if (pages_get(&f->process->map.layer, page) || pmap_extract(f->process->pmap, vpn(page), &m))
		return PW_OK;
	uint32_t frame = object_page_cached(f, page, &anon);
	if (frame == FRAME_NONE)
		return PW_OK;
	unsigned prot = space_page_rights(f->process, f->entry, anon);
	enum pw_err err = page_enter(k, f->process, page, frame, prot, ACCESS_LOAD);
	if (f->entry->locked && !err)
		lock_page(k, frame);
	page_list(k, frame);
	k->counts.faulted_around += !err;
	return err;
}

void fault_map_around(struct fault *f)
{
	uint64_t n = AROUND_BYTES >> f->kernel->config.page_shift;
	if (!kernel_is_linux(f->kernel) || n < 2)
		return;
	uint64_t start = f->page & ~(n - 1);
	if (start < f->entry->node.start)
		start = f->entry->node.start;
	struct window w = window_within(f, (struct window){ start, start + n });
	for (uint64_t page = w.start; page < w.end; page++) {
		if (page != f->page && map_one(f, page))
			break;
	}
}

void fault_fetch_file(struct kernel *k, struct object *o, uint64_t first, uint64_t end)
{
	uint64_t last = object_n_pages(o, k->config.page_shift);
	for (last = last < end ? last : end; first < last; first++) {
		uint32_t frame;
		if (file_page_resident(pages_get(&o->pages, first)))
			continue;
		if (file_page_ahead(k, o, first, &frame))
			return;
		kernel_frame(k, frame)->flags |= FRAME_READ_AHEAD;
		k->counts.readahead++;
		page_list(k, frame);
	}
}

void fault_read_around(struct fault *f, struct object *o, uint64_t index)
{
	struct kernel *k = f->kernel;
	uint64_t n = READ_AROUND_BYTES >> k->config.page_shift;
	if (!kernel_is_linux(k) || n < 2)
		return;
	if (f->entry->reads_random)
		return;
	if (f->entry->reads_ahead) {
		fault_fetch_file(k, o, index + 1, index + n);
		return;
	}
	o->misses += o->misses < MISSES_MAX;
	if (o->misses > MISSES_MANY)
		return;
	uint64_t at = index > n / 2 ? index - n / 2 : 0;
	fault_fetch_file(k, o, at, at + n);
}

/* How many pages to bring, by how many of the last ones were used and how many they were. */
static uint64_t swap_window(const struct entry *e, uint64_t page)
{
	uint64_t n = 4;
	if (!e->swap_hits)
		n = page == e->swap_last + 1 || page + 1 == e->swap_last ? 2 : 1;
	while (e->swap_hits && n < e->swap_hits + 2)
		n *= 2;
	if (n > SWAP_AROUND)
		n = SWAP_AROUND;
	return n < e->swap_window / 2 ? e->swap_window / 2 : n;
}

void fault_swap_around(struct fault *f)
{
	struct entry *e = f->entry;
	if (!kernel_is_linux(f->kernel) || e->shared)
		return;
	if (f->kernel->config.ahead) {
		fault_stream_ahead(f);
		return;
	}
	uint64_t n = swap_window(e, f->page), before = (n - 1) / 2;
	if (f->page == e->swap_last + 1)
		before = 0;
	else if (f->page + 1 == e->swap_last)
		before = n - 1;
	e->swap_window = n;
	e->swap_last = f->page;
	e->swap_hits = 0;
	uint64_t start = f->page > before ? f->page - before : 0;
	struct window w = window_within(f, (struct window){ start, start + n });
	for (uint64_t page = w.start; page < w.end; page++) {
		enum pw_err err = page_bring_ahead(f->kernel, pages_get(&f->process->map.layer, page));
		if (err && err != PW_NOTFOUND)
			return;
	}
}
