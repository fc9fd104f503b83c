/* pmap_host.c - the pmap contract over the MMU of this computer.
 *
 * Problem: the host has page tables of its own and shows neither them nor the accessed and dirty bits in them; putting a page in
 * costs a microsecond, taking one out costs the same, and twenty when another thread runs.
 * Idea: a frame is a number; its bytes are wherever they were needed last.
 *
 *           page_bytes          enter: COPY                  remove, page_protect
 *      NONE ----------> STAGED ------------> MAPPED ------------------------------> DYING
 *       ^                 ^                    ^     write-protected, in the queue     |
 *       |   page_freed    |                    '------- a touch, or entered again -----+
 *       +-----------------+-------------------------------------------- flush ---------'
 *                              copied aside if still wanted, then dropped, 64 in one call
 *
 * Modified: a page comes in write-protected unless a store brought it; the first store faults, and touch() sets the bit as an MMU
 * would.  A page that is likely to be written comes in writable at once and counts as modified (pmap_host_guess.c).  Referenced:
 * clearing the bit puts the page into the queue but keeps its translation (KEPT); the next touch finds it aside and brings it back,
 * without I/O.
 *
 * 1. The bytes of a DYING page in the window are those of the frame: it is write-protected before they are read, so the program going on
 *    does no harm, and the drop may wait.  What must not be read on is flushed by the caller (unmapped memory) or by enter (another page
 *    comes there).
 * 2. A frame has one translation at most; entering it elsewhere takes the first away.
 * 3. Bytes are read only after the page is write-protected, so no store of another thread is lost.
 * 4. Writable in the host means MODIFIED is set.
 * Rejected: a pool page for each frame, moved in and out by UFFDIO_MOVE (moving out cannot be batched over scattered pages, the move
 * forgets write protection, and fails for pages shared with a forked child or pinned by I/O: docs/DECISIONS.md has the figures). */
#include "pmap_host_impl.h"
#include "../base/mem.h"
#include <string.h>

/* ---- mapping ---- */

static void frame_open(struct host *h, struct host_frame *f)
{
	if (!f->writable)
		host_check(h, uffd_protect(h->uffd, address_of(f->space, f->vpn), PAGE_BYTES, false),
		           "the host would not take write protection off a page");
	f->writable = true;
	f->bits |= PMAP_MODIFIED;
}

static uint8_t *frame_bytes(struct host *h, struct host_frame *f)
{
	if (f->place == PLACE_NONE)
		host_frame_to_stage(h, f);
	return f->place == PLACE_STAGED ? host_stage_bytes(h, f->at) : (uint8_t *)(uintptr_t)address_of(f->space, f->vpn);
}

/* How many frames of pages in a row can come in by one copy, from the first on: aside in a row as well, all of them writable or none. */
static uint32_t frames_together(struct host_frame *const f[], const bool writable[], uint32_t n)
{
	uint32_t count = 1;
	while (count < n && f[count]->at == f[0]->at + count && writable[count] == writable[0])
		count++;
	return count;
}

static void frame_is_in(struct host *h, struct host_frame *f, bool writable)
{
	host_stage_give(h, f->at);
	f->place = PLACE_MAPPED;
	f->kept = false;
	f->writable = writable;
	f->bits |= writable ? PMAP_MODIFIED : 0;
	host_word_set(f->space, f->vpn, (uint32_t)(f - h->frame) + 1);
}

/* The bytes of frames for pages in a row go from aside into the window, where nothing is.  *ret_n: of how many.  => on error nothing has
 * changed for the others */
static enum pw_err frames_install(struct host *h, uint32_t n, struct host_frame *const f[], bool store, unsigned how, uint32_t *ret_n)
{
	bool writable[RUN_MOST];
	for (uint32_t i = 0; i < n; i++)
		writable[i] = host_stay_begin(h, f[i], store);
	for (uint32_t at = 0, count; at < n; at += count) {
		count = frames_together(f + at, writable + at, n - at);
		*ret_n = at;
		enum pw_err err = uffd_copy(h->uffd, address_of(f[at]->space, f[at]->vpn), host_stage_bytes(h, f[at]->at),
		                            (uint64_t)count * PAGE_BYTES, how | (writable[at] ? 0 : UFFD_PROTECTED));
		if (err)
			return err;
		for (uint32_t i = count; i-- > 0;) /* from the last on, so that they are in a row again when taken again */
			frame_is_in(h, f[at + i], writable[at]);
	}
	*ret_n = n;
	return PW_OK;
}

static enum pw_err frame_install(struct host *h, struct host_frame *f, bool store)
{
	uint32_t n;
	if (f->place == PLACE_NONE)
		memset(frame_bytes(h, f), 0, PAGE_BYTES);
	return frames_install(h, 1, &f, store, h->how, &n);
}

/* A frame that is mapped here already gets these rights. */
static void frame_upgrade(struct host *h, struct host_frame *f, const struct pmap_mapping *m)
{
	f->prot = (uint8_t)m->prot;
	if (!(f->prot & PMAP_WRITE))
		host_frame_protect(h, f);
	else if (m->cause == ACCESS_STORE)
		frame_open(h, f);
}

/* What is in the way of a mapping goes: another frame's page here, this frame's page elsewhere.  => f is NONE, STAGED, or MAPPED
 * here */
static void way_clear(struct host_pmap *p, struct host_frame *f, uint64_t vpn)
{
	struct host *h = host_of_space(p);
	struct host_frame *here = host_frame_at(p, vpn);
	bool is_here = f->space == p && f->vpn == vpn;
	if (here && here != f)
		host_frame_detach(h, here);
	if (!is_here)
		host_frame_detach(h, f);
	if (is_here && f->place == PLACE_DYING) {
		p->resident -= f->kept;
		host_drop_cancel(h, f);
		p->resident++;
	}
	if (f->place == PLACE_DYING || host_word_get(p, vpn) & WORD_DYING)
		pmap_host_flush(&h->sys);
}

/* A mapping is noted.  => *ret: the frame, if its bytes must come into the window, which is free for them, else NULL */
static enum pw_err enter_begin(struct host_pmap *p, const struct pmap_mapping *m, struct host_frame **ret)
{
	struct host *h = host_of(p->pmap.sys);
	*ret = NULL;
	if (m->level || m->unmanaged)
		return PW_UNSUPPORTED;
	if (m->pfn.v >= h->n_frames)
		return PW_INVALID;
	if (!host_chunk_make(p, m->vpn.v))
		return PW_NOMEM;
	if (h->n_drops >= DROP_BATCH)
		pmap_host_flush(&h->sys);
	struct host_frame *f = &h->frame[m->pfn.v];
	way_clear(p, f, m->vpn.v);
	f->bits |= PMAP_REFERENCED | (m->cause == ACCESS_STORE ? PMAP_MODIFIED : 0);
	f->wired = m->wired;
	if (f->place == PLACE_MAPPED) {
		frame_upgrade(h, f, m);
		return PW_OK;
	}
	p->resident += !f->kept;
	f->kept = true;
	f->space = p;
	f->vpn = m->vpn.v;
	f->prot = (uint8_t)m->prot;
	host_word_set(p, f->vpn, (uint32_t)m->pfn.v + 1);
	*ret = f;
	return PW_OK;
}

static enum pw_err host_enter(struct pmap *pmap, const struct pmap_mapping *m)
{
	struct host *h = host_of(pmap->sys);
	struct host_frame *f;
	enum pw_err err = enter_begin(space_of(pmap), m, &f);
	if (err || !f)
		return err;
	err = frame_install(h, f, m->cause == ACCESS_STORE);
	if (err)
		host_frame_detach(h, f);
	return err == PW_NOMEM ? err : err ? PW_INVALID : PW_OK;
}

/* As many pages of the run as can be copied together: fresh ones, whose bytes are aside. */
static enum pw_err run_part(struct pmap *pmap, const struct pmap_mapping *m, uint32_t n, const pfn_t frames[], uint32_t *ret_n)
{
	struct host *h = host_of(pmap->sys);
	struct host_frame *f[RUN_MOST];
	uint32_t begun = 0;
	enum pw_err err = PW_OK;
	f[0] = NULL; /* gcc with sanitizers does not see that frames_install reads begun of them */
	for (; !err && begun < n && begun < RUN_MOST && h->frame[frames[begun].v].place == PLACE_STAGED; begun += !err) {
		struct pmap_mapping one = *m;
		one.vpn.v += begun;
		one.pfn = frames[begun];
		err = enter_begin(space_of(pmap), &one, &f[begun]);
	}
	enum pw_err end = frames_install(h, begun, f, m->cause == ACCESS_STORE, UFFD_QUIET, ret_n);
	for (uint32_t i = *ret_n; i < begun; i++)
		host_frame_detach(h, f[i]);
	return end ? end : err;
}

static enum pw_err host_enter_run(struct pmap *pmap, const struct pmap_mapping *m, uint32_t n, const pfn_t frames[], uint32_t *ret_n)
{
	struct pmap_mapping next = *m;
	uint32_t entered;
	for (*ret_n = 0; *ret_n < n; *ret_n += entered) {
		next.vpn.v = m->vpn.v + *ret_n;
		next.pfn = frames[*ret_n];
		enum pw_err err = run_part(pmap, &next, n - *ret_n, frames + *ret_n, &entered);
		if (!err && !entered) {
			err = host_enter(pmap, &next);
			entered = !err;
		}
		if (err) {
			*ret_n += entered;
			return err == PW_NOMEM ? err : PW_INVALID;
		}
	}
	return PW_OK;
}

/* Calls visit for every frame mapped in the range, in order within 512 pages. */
static void chunk_visit(struct host_pmap *p, uint64_t first, struct vpn_range r, void (*visit)(struct host *h, struct host_frame *f))
{
	struct host *h = host_of_space(p);
	for (uint64_t page = first; page < first + CHUNK_PAGES; page++) {
		struct host_frame *f = vpn_range_has(r, vpn(page)) ? host_frame_at(p, page) : NULL;
		if (f)
			visit(h, f);
	}
}

static void space_visit(struct host_pmap *p, struct vpn_range r, void (*visit)(struct host *h, struct host_frame *f))
{
	uint64_t i = 0, key, value, last = (vpn_range_end(r) - 1) >> CHUNK_SHIFT;
	if (!r.count)
		return;
	if (r.count >> CHUNK_SHIFT < p->chunks.count) {
		for (key = r.first.v >> CHUNK_SHIFT; key <= last; key++) {
			if (host_chunk_find(p, key << CHUNK_SHIFT))
				chunk_visit(p, key << CHUNK_SHIFT, r, visit);
		}
		return;
	}
	while (htab_each(&p->chunks, &i, &key, &value)) {
		if (key >= r.first.v >> CHUNK_SHIFT && key <= last)
			chunk_visit(p, key << CHUNK_SHIFT, r, visit);
	}
}

/* Pages of a range that lie together are protected in one call, before each is looked at by itself. */
struct run {
	uint64_t start, end;
};
static void run_protect(struct host *h, const struct run *run)
{
	if (run->end > run->start)
		host_check(h, uffd_protect(h->uffd, run->start, run->end - run->start, true),
		           "the host would not write-protect pages");
}

static void range_protect(struct host_pmap *p, struct vpn_range r)
{
	struct host *h = host_of_space(p);
	struct run run = { 0, 0 };
	if (r.count < 2 || r.count > h->n_frames * 64)
		return;
	for (uint64_t vpn = r.first.v; vpn < vpn_range_end(r); vpn++) {
		if (!host_chunk_find(p, vpn)) {
			vpn |= CHUNK_PAGES - 1;
			continue;
		}
		struct host_frame *f = host_frame_at(p, vpn);
		if (!f || !f->writable)
			continue;
		if (address_of(p, vpn) != run.end) {
			run_protect(h, &run);
			run.start = address_of(p, vpn);
		}
		run.end = address_of(p, vpn) + PAGE_BYTES;
		f->writable = false;
	}
	run_protect(h, &run);
}

static void host_remove(struct pmap *p, struct vpn_range r)
{
	range_protect(space_of(p), r);
	space_visit(space_of(p), r, host_frame_detach);
}

static void frame_make_readonly(struct host *h, struct host_frame *f)
{
	f->prot &= (uint8_t)~PMAP_WRITE;
	host_frame_protect(h, f);
}

static void host_protect(struct pmap *p, struct vpn_range r, unsigned prot)
{
	if (!(prot & (PMAP_READ | PMAP_EXEC))) {
		host_remove(p, r);
	} else if (!(prot & PMAP_WRITE)) {
		range_protect(space_of(p), r);
		space_visit(space_of(p), r, frame_make_readonly);
	}
}

static bool host_extract(struct pmap *p, vpn_t n, struct pmap_mapping *ret)
{
	const struct host_frame *f = host_frame_at(space_of(p), n.v);
	if (!f)
		return false;
	*ret = (struct pmap_mapping){ .vpn = n, .pfn = pfn((uint64_t)(f - host_of(p->sys)->frame)), .prot = f->prot, .wired = f->wired };
	return true;
}

static void host_update(struct pmap *p)
{
	(void)p; /* invariant 1 */
}

static void host_activate(struct pmap *p, unsigned cpu)
{
	(void)p, (void)cpu; /* every window is always there */
}

static void host_page_protect(struct pmap_sys *sys, pfn_t n, unsigned prot)
{
	struct host_frame *f = &host_of(sys)->frame[n.v];
	if (!is_mapped(f))
		return;
	if (!(prot & (PMAP_READ | PMAP_EXEC)))
		host_frame_detach(host_of(sys), f);
	else if (!(prot & PMAP_WRITE))
		frame_make_readonly(host_of(sys), f);
}

static unsigned host_page_test(struct pmap_sys *sys, pfn_t n, unsigned mask)
{
	return host_of(sys)->frame[n.v].bits & mask;
}

static unsigned host_page_test_clear(struct pmap_sys *sys, pfn_t n, unsigned mask)
{
	struct host *h = host_of(sys);
	struct host_frame *f = &h->frame[n.v];
	unsigned were = f->bits & mask;
	f->bits &= (uint8_t)~mask;
	if (were & PMAP_MODIFIED && is_mapped(f))
		host_frame_protect(h, f);
	if (f->place != PLACE_MAPPED)
		return were;
	if (were & PMAP_REFERENCED && !f->wired) { /* away, to see whether it comes back */
		host_drop_push(h, f);
		f->kept = true;
	}
	f->bits |= f->writable ? PMAP_MODIFIED : 0;
	return were;
}

static void frame_forget(struct host *h, struct host_frame *f)
{
	if (!f->wired)
		host_frame_detach(h, f);
}

static void host_forget(struct pmap *p)
{
	space_visit(space_of(p), vpn_range(vpn(0), UINT64_MAX), frame_forget);
}

static void *host_page_bytes(struct pmap_sys *sys, pfn_t n)
{
	struct host *h = host_of(sys);
	struct host_frame *f = &h->frame[n.v];
	if (f->place == PLACE_MAPPED && f->prot & PMAP_WRITE)
		frame_open(h, f);
	if (f->place == PLACE_DYING && f->writable)
		host_drops_protect(h);
	return frame_bytes(h, f);
}

static void host_page_freed(struct pmap_sys *sys, pfn_t n)
{
	struct host *h = host_of(sys);
	struct host_frame *f = &h->frame[n.v];
	host_frame_detach(h, f);
	if (f->place == PLACE_STAGED)
		host_stage_give(h, f->at);
	if (f->place == PLACE_DYING) {
		h->drop[f->at].frame = 0;
		host_word_set(f->space, f->vpn, WORD_DYING);
	}
	*f = (struct host_frame){ 0 };
}

/* ---- faults ---- */

/* A page that is mapped, and in the host's memory: a stale fault, or the first store. */
static enum host_touch touch_mapped(struct host *h, struct host_frame *f, enum access_kind kind)
{
	if (kind == ACCESS_STORE && !f->writable) {
		frame_open(h, f);
		h->counts.modified_faults++;
		return HOST_DONE;
	}
	if (!uffd_present(address_of(f->space, f->vpn)))
		return HOST_LOST;
	uffd_wake(h->uffd, address_of(f->space, f->vpn), PAGE_BYTES);
	return HOST_DONE;
}

enum host_touch pmap_host_touch(struct pmap *pmap, vpn_t n, enum access_kind kind)
{
	struct host_pmap *p = space_of(pmap);
	struct host *h = host_of(pmap->sys);
	struct host_frame *f = host_frame_at(p, n.v);
	if (!f || !(f->prot & (kind == ACCESS_STORE ? PMAP_WRITE : PMAP_READ | PMAP_EXEC)))
		return HOST_FAULT;
	if (f->place == PLACE_MAPPED)
		return touch_mapped(h, f, kind);
	h->counts.referenced_faults++;
	f->bits |= PMAP_REFERENCED;
	if (f->place == PLACE_DYING) {
		host_drop_cancel(h, f);
		return touch_mapped(h, f, kind);
	}
	f->bits |= kind == ACCESS_STORE ? PMAP_MODIFIED : 0;
	return frame_install(h, f, kind == ACCESS_STORE) ? HOST_LOST : HOST_DONE;
}

static void frame_is_protected(struct host *h, struct host_frame *f)
{
	(void)h;
	f->writable = false;
}

void pmap_host_is_protected(struct pmap *p)
{
	space_visit(space_of(p), vpn_range(vpn(0), UINT64_MAX), frame_is_protected);
}

const char *pmap_host_broken(const struct pmap_sys *sys)
{
	return host_of(sys)->broken;
}

void pmap_host_counts(const struct pmap_sys *sys, struct pmap_host_counts *ret)
{
	*ret = host_of(sys)->counts;
}

/* ---- life ---- */

static enum pw_err host_create(struct pmap_sys *sys, struct pmap **ret)
{
	struct host_pmap *p = mem_zalloc(1, sizeof *p);
	if (!p || htab_init(&p->chunks, 0)) {
		mem_free(p);
		return PW_NOMEM;
	}
	p->pmap.sys = sys;
	*ret = &p->pmap;
	return PW_OK;
}

static void host_unref(struct pmap *pmap)
{
	struct host_pmap *p = space_of(pmap);
	host_remove(pmap, vpn_range(vpn(0), UINT64_MAX));
	pmap_host_flush(pmap->sys);
	host_chunks_free(p);
	mem_free(p);
}

void pmap_host_window(struct pmap *p, uint64_t offset)
{
	space_of(p)->offset = offset;
}

void pmap_host_rebind(struct pmap_sys *sys, const struct uffd *u)
{
	host_of(sys)->uffd = u;
}

void pmap_host_quiet(struct pmap_sys *sys, bool on)
{
	host_of(sys)->how = on ? UFFD_QUIET : 0;
}

static uint64_t host_table_bytes(const struct pmap *p)
{
	(void)p; /* the host's tables are its own affair */
	return 0;
}

static uint64_t host_resident_pages(const struct pmap *p)
{
	return ((const struct host_pmap *)p)->resident;
}

static const char *host_flaw(const struct pmap *pmap)
{
	const struct host_pmap *p = (const struct host_pmap *)pmap;
	const struct host *h = host_of(pmap->sys);
	uint64_t resident = 0;
	for (uint64_t i = 0; i < h->n_frames; i++) {
		struct host_frame *f = &h->frame[i];
		if (f->place == PLACE_DYING && (f->at >= h->n_drops || h->drop[f->at].frame != i + 1))
			return "pmap_host: a dying page is not where it says in the queue";
		if (f->space != p || !is_mapped(f))
			continue;
		resident++;
		if (host_frame_at(f->space, f->vpn) != f)
			return "pmap_host: a mapping is not found under its page";
		if (f->writable && (f->place < PLACE_MAPPED || (is_mapped(f) && !(f->bits & PMAP_MODIFIED))))
			return "pmap_host: a page the host lets be written is not known as modified";
	}
	return resident == p->resident ? htab_flaw(&p->chunks) : "pmap_host: the count of mapped pages is wrong";
}

static void host_destroy(struct pmap_sys *sys)
{
	struct host *h = host_of(sys);
	mem_unreserve(h->frame, h->n_frames * sizeof *h->frame);
	mem_unreserve(h->drop, h->drop_max * sizeof *h->drop);
	mem_unreserve(h->staging, h->n_frames << PAGE_SHIFT);
	mem_unreserve(h->stage_free, h->n_frames * sizeof *h->stage_free);
	mem_free(h);
}

static const struct pmap_ops host_ops = {
	.name = "host",
	.create = host_create,
	.unref = host_unref,
	.enter = host_enter,
	.remove = host_remove,
	.protect = host_protect,
	.extract = host_extract,
	.update = host_update,
	.activate = host_activate,
	.page_protect = host_page_protect,
	.page_test_clear = host_page_test_clear,
	.page_test = host_page_test,
	.forget = host_forget,
	.table_bytes = host_table_bytes,
	.resident_pages = host_resident_pages,
	.flaw = host_flaw,
	.destroy = host_destroy,
	.page_bytes = host_page_bytes,
	.page_freed = host_page_freed,
	.enter_run = host_enter_run,
};

enum pw_err pmap_host_create(uint64_t n_frames, const struct uffd *u, struct pmap_sys **ret)
{
	struct host *h = mem_zalloc(1, sizeof *h);
	if (!h || n_frames >= WORD_DYING - 1) {
		mem_free(h);
		return h ? PW_INVALID : PW_NOMEM;
	}
	h->sys = (struct pmap_sys){ .ops = &host_ops, .page_shift = PAGE_SHIFT };
	h->uffd = u;
	h->n_frames = n_frames;
	h->drop_max = (uint32_t)n_frames + 2 * DROP_BATCH;
	h->frame = mem_reserve(n_frames * sizeof *h->frame);
	h->drop = h->frame ? mem_reserve(h->drop_max * sizeof *h->drop) : NULL;
	h->staging = h->drop ? mem_reserve(n_frames << PAGE_SHIFT) : NULL;
	h->stage_free = h->staging ? mem_reserve(n_frames * sizeof *h->stage_free) : NULL;
	if (!h->stage_free) {
		host_destroy(&h->sys);
		return PW_NOMEM;
	}
	madvise(h->staging, n_frames << PAGE_SHIFT, MADV_NOHUGEPAGE);
	*ret = &h->sys;
	return PW_OK;
}
