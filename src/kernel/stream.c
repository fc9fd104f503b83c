/* stream.c - sequential faults, where a fault costs more than a page.
 *
 * Problem: under a real MMU a fault wakes the pager, which costs three times what fetching a page from memory costs; a program that
 * goes through its memory in order should fault once for many pages, and one that jumps about should pay for no page it does not use.
 * Idea: remember the last few places where a fault left off.  A fault at such a place continues a stream, and its window doubles;
 * any other fault begins one, in the place of the stream not continued for longest, and brings nothing.
 *
 *      fault at 10    begins a stream: next is 11
 *      fault at 11    continues it: window 4, brings 12 13 14, next is 15
 *      fault at 15    window 8, brings 16 .. 22, next is 23
 *
 * 1. Pages come only while frames are plentiful: nothing here evicts, and nothing here fails a fault.
 * 2. A window comes in one transfer, wherever its slots are.
 * 3. A page that is in memory, untouched or of another mapping ends the window; the stream goes on behind it.
 * Rejected: growing by hits, as Linux does (a mapped page shows none); one stream for each mapping (an allocator's heap is one mapping
 * that several loops go through).
 * Source: UNIX read-ahead, M. J. Bach, "The Design of the UNIX Operating System" (1986), 3.4. */
#include "fault.h"
#include "space.h"
#include "state.h"

enum { WINDOW_FIRST = 4 };

struct fetch {
	uint32_t anon[SWAP_CLUSTER], frame[SWAP_CLUSTER];
	uint32_t slot[SWAP_CLUSTER], n;
	uint64_t page;      /* of the first */
};

/* The stream this fault continues, or a fresh one. */
static struct stream *stream_find(struct process *p, uint64_t page)
{
	struct stream *oldest = &p->stream[0];
	for (unsigned i = 0; i < STREAMS; i++) {
		struct stream *s = &p->stream[i];
		if (s->next == page && s->used)
			return s;
		if (s->used < oldest->used)
			oldest = s;
	}
	*oldest = (struct stream){ 0 };
	return oldest;
}

/* Pages from page on that are in swap, each with a frame. */
static void fetch_gather(struct fault *f, struct fetch *run, uint64_t page, uint64_t end)
{
	struct kernel *k = f->kernel;
	*run = (struct fetch){ .page = page };
	for (; page < end && run->n < SWAP_CLUSTER; page++, run->n++) {
		uint32_t anon = pages_get(&f->process->map.layer, page), *frame = &run->frame[run->n];
		uint32_t slot = anon < ANON_FIRST || kernel_anon(k, anon)->frame != FRAME_NONE ? SLOT_NONE : kernel_slot(k, anon);
		if (slot == SLOT_NONE || page_alloc_spare(k, frame))
			return;
		run->anon[run->n] = anon;
		run->slot[run->n] = slot;
	}
}

static enum pw_err fetch_read(struct kernel *k, const struct fetch *run)
{
	enum pw_err err = swap_read(k, run->n, run->slot, run->frame);
	for (uint32_t i = 0; err && i < run->n; i++)
		page_abandon(k, run->frame[i]);
	return err;
}

/* They are mapped in runs of equal rights; a page that could not be is there for the next fault. */
static void fetch_map(struct fault *f, const struct fetch *run)
{
	struct kernel *k = f->kernel;
	unsigned rights[SWAP_CLUSTER];
	for (uint32_t i = 0; i < run->n; i++) {
		uint32_t anon = run->anon[i], frame = run->frame[i];
		k->counts.refaults += (kernel_anon(k, anon)->flags & ANON_EVICTED) != 0;
		k->counts.readahead++;
		page_become_anon(k, frame, anon);
		page_list(k, frame);
		kernel_frame(k, frame)->pins++;
		rights[i] = space_page_rights(f->process, f->entry, anon);
	}
	for (uint32_t i = 0, n; i < run->n; i += n) {
		for (n = 1; i + n < run->n && rights[i + n] == rights[i];)
			n++;
		k->counts.faulted_around += page_enter_run(k, f->process, run->page + i, n, run->frame + i, rights[i], ACCESS_LOAD);
	}
	for (uint32_t i = 0; i < run->n; i++)
		kernel_frame(k, run->frame[i])->pins--;
}

/* => the first page that was not brought */
static uint64_t window_bring(struct fault *f, uint64_t page, uint64_t end)
{
	struct fetch run;
	while (page < end) {
		fetch_gather(f, &run, page, end);
		if (!run.n || fetch_read(f->kernel, &run))
			return page;
		fetch_map(f, &run);
		page += run.n;
	}
	return page;
}

void fault_stream_ahead(struct fault *f)
{
	struct process *p = f->process;
	struct stream *s = stream_find(p, f->page);
	bool continues = s->used != 0;
	uint64_t end = f->page + 1;
	if (continues) {
		s->pages = s->pages ? s->pages * 2 : WINDOW_FIRST;
		if (s->pages > f->kernel->config.ahead)
			s->pages = f->kernel->config.ahead;
		end = f->page + s->pages < f->entry->node.end ? f->page + s->pages : f->entry->node.end;
		end = window_bring(f, f->page + 1, end);
	}
	s->next = end > f->page ? end : f->page + 1;
	s->used = ++p->stream_clock;
}
