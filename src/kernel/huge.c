/* huge.c - huge pages: given at a fault, made by a scan, taken apart when anything happens to a part of them.
 *
 * Problem: one translation for half a thousand pages saves walks, but everything a kernel does to memory (copy-on-write, protection,
 * unmapping, eviction) is done to base pages and ranges that know nothing of blocks.
 * Idea: a huge page stays half a thousand numbered pages in as many frames.  Only the frames lie in one block, and they say so; every
 * step that is about to treat one of them as a page of its own first makes it one.  What never happens to a part (a fault, a change
 * of rights of the whole mapping, the policy's choice) is done to the block, through its first frame.
 *
 *      layer     | 7 | 8 | 9 | ... |518|       numbers, as of any anonymous pages
 *      frames    | f |f+1|f+2| ... |f+511|     HUGE, space and vpn of their own; f alone is known to the policy
 *      pmap      |      one leaf at level 1      |  or none
 *
 * 1. All frames of a block are HUGE or none.  HUGE frames hold, in order, the pages of an aligned range of one entry, private, each
 *    with one reference and EXCLUSIVE.
 * 2. Of these pages there is one translation, at level 1, or none: no base page of the range is mapped.
 * 3. Bits of the leaf (referenced, modified) are bits of the first frame; when it is split every frame gets them.
 * 4. A huge page of an entry that is huge_only is LOCKED and not known to the policy.
 * Rejected: one number and one frame record for a huge page (each use of a page would need a second case), splitting only the
 * translation and keeping the block (Linux: the page then counts as one and as many at once).
 * Source: J. Navarro, S. Iyer, P. Druschel, A. Cox, "Practical, transparent operating system support for superpages", OSDI 2002;
 * Linux, Documentation/admin-guide/mm/transhuge.rst. */
#include "huge.h"
#include "space.h"
#include "state.h"

static uint64_t block_start(const struct kernel *k, uint64_t page) { return page & ~(kernel_huge_pages(k) - 1); }

static bool entry_allows(const struct kernel *k, const struct entry *e, bool asked)
{
	if (!k->config.huge_shift || e->object || e->on_disk || (e->huge_refused && !asked))
		return false;
	return asked || e->huge_only || k->config.huge == HUGE_always || (k->config.huge == HUGE_madvise && e->huge_asked);
}

static bool entry_holds(const struct kernel *k, const struct entry *e, uint64_t first)
{
	return first >= e->node.start && first + kernel_huge_pages(k) <= e->node.end;
}

/* ---- becoming one ---- */

/* The frames of a block, HELD so far, become pages of the range at first.  => on failure those not begun are given back, the others
 * are pages of the layer like any */
static enum pw_err page_begin(struct kernel *k, struct map *m, uint64_t page, uint32_t frame)
{
	uint32_t anon;
	enum pw_err err = anon_create(&k->anons, &anon);
	if (err)
		return err;
	err = pages_set(&m->layer, page, anon);
	if (!err) {
		err = frame_begin(&k->frames, frame);
		if (err)
			pages_clear(&m->layer, page);
	}
	if (err) {
		page_unref_anon(k, anon);
		return err;
	}
	kernel_anon(k, anon)->flags = ANON_EXCLUSIVE;
	page_fill_zero(k, frame);
	page_become_anon(k, frame, anon);
	return PW_OK;
}

static void frames_mark(struct process *p, const struct entry *e, uint64_t first, uint32_t head)
{
	struct kernel *k = p->kernel;
	for (uint64_t i = 0; i < kernel_huge_pages(k); i++) {
		struct frame *frame = kernel_frame(k, head + (uint32_t)i);
		frame->flags |= FRAME_HUGE | (e->huge_only || e->locked ? FRAME_LOCKED : 0);
		frame->space = p->number + 1;
		frame->vpn = first + i;
	}
	p->n_huge++;
	k->n_huge++;
	if (k->n_huge << k->config.huge_shift > k->counts.huge_peak_pages)
		k->counts.huge_peak_pages = k->n_huge << k->config.huge_shift;
}

static void pages_undo(struct process *p, uint64_t first, uint64_t done)
{
	for (uint64_t i = 0; i < done; i++) {
		uint32_t anon = pages_get(&p->map.layer, first + i);
		pages_clear(&p->map.layer, first + i);
		page_unref_anon(p->kernel, anon);
	}
}

/* A block of zeros in place of nothing. */
static enum pw_err block_fill(struct fault *f, uint64_t first, uint32_t head)
{
	struct kernel *k = f->kernel;
	struct process *p = f->process;
	uint64_t n = kernel_huge_pages(k), done = 0;
	enum pw_err err = PW_OK;
	for (; done < n && !err; done += !err)
		err = page_begin(k, &p->map, first + done, head + (uint32_t)done);
	if (err) {
		pages_undo(p, first, done);
		for (uint64_t i = done; i < n; i++)
			frame_give(&k->frames, head + (uint32_t)i);
		return err;
	}
	f->entry->has_private = true;
	frames_mark(p, f->entry, first, head);
	return PW_OK;
}

enum pw_err huge_fault(struct fault *f)
{
	struct kernel *k = f->kernel;
	struct process *p = f->process;
	uint64_t first = block_start(k, f->page), at = first;
	uint32_t head;
	if (!entry_allows(k, f->entry, false) || !entry_holds(k, f->entry, first) ||
	    pages_next(&p->map.layer, &at, first + kernel_huge_pages(k)))
		return f->entry->huge_only ? PW_NOSPACE : PW_NOTFOUND;
	bool room = f->entry->huge_only || frames_available(&k->frames) >= kernel_huge_pages(k);
	enum pw_err err = room ? compact_block(k, f->entry->huge_only, &head) : PW_NOFRAMES;
	if (!err) {
		reclaim_expect(k, k->anons.free ? k->anons.free - 1 : k->anons.fresh); /* the number its first page will have */
		err = block_fill(f, first, head);
	}
	if (err) {
		k->counts.huge.fallbacks++;
		return f->entry->huge_only ? PW_NOSPACE : PW_NOTFOUND;
	}
	k->counts.huge.faults++;
	k->counts.huge.filled_pages += kernel_huge_pages(k) - 1;
	f->anon = pages_get(&p->map.layer, f->page);
	f->frame = head + (uint32_t)(f->page - first);
	return PW_OK;
}

/* Can the pages of the range become a huge page?  *ret_present: how many there are. */
static bool range_fits(struct process *p, uint64_t first, uint64_t *ret_present)
{
	struct kernel *k = p->kernel;
	uint64_t at = first, end = first + kernel_huge_pages(k);
	*ret_present = 0;
	for (uint32_t anon; (anon = pages_next(&p->map.layer, &at, end)); at++) {
		if (anon == ANON_ZEROS)
			continue;
		if (anon == ANON_GUARD)
			return false;
		const struct anon *a = kernel_anon(k, anon);
		if (a->refs != 1 || a->frame == FRAME_NONE || !page_can_move(k, a->frame))
			return false;
		++*ret_present;
	}
	return *ret_present > 0;
}

/* One page of a range that is being promoted comes into its frame of the block.  => the frame it had is free */
static enum pw_err page_gather(struct process *p, uint64_t page, uint32_t to)
{
	struct kernel *k = p->kernel;
	uint32_t anon = pages_get(&p->map.layer, page);
	if (anon < ANON_FIRST) {
		enum pw_err err = page_begin(k, &p->map, page, to);
		k->counts.huge.filled_pages += !err;
		return err;
	}
	uint32_t from = kernel_anon(k, anon)->frame;
	page_drop_slot(k, anon);
	page_unlist(k, from);
	kernel_anon(k, anon)->flags |= ANON_EXCLUSIVE;
	kernel_anon(k, anon)->flags &= ~ANON_ON_DISK;
	page_move(k, from, to);
	frame_give(&k->frames, from);
	return PW_OK;
}

bool huge_promote(struct process *p, struct entry *e, uint64_t page, bool asked)
{
	struct kernel *k = p->kernel;
	uint64_t first = block_start(k, page), n = kernel_huge_pages(k), present, done = 0;
	uint32_t head;
	if (!entry_allows(k, e, asked) || !entry_holds(k, e, first) || !(e->prot & PMAP_WRITE) || !range_fits(p, first, &present))
		return false;
	if (frames_available(&k->frames) < n - present || compact_block(k, false, &head))
		return false;
	reclaim_drain(k);
	pmap_remove(p->pmap, vpn_range(vpn(first), n)); /* pages of zeros among them */
	pmap_update(p->pmap);
	while (done < n && !page_gather(p, first + done, head + (uint32_t)done))
		done++;
	if (done < n) { /* base pages they stay, where they are now */
		for (uint64_t i = 0; i < done; i++)
			page_list(k, head + (uint32_t)i);
		for (uint64_t i = done; i < n; i++)
			frame_give(&k->frames, head + (uint32_t)i);
		return false;
	}
	frames_mark(p, e, first, head);
	e->has_private = true;
	k->counts.huge.promoted++;
	page_list(k, head);
	enum pw_err err = page_translate(k, p, first, head, space_page_rights(p, e, pages_get(&p->map.layer, first)), ACCESS_LOAD);
	(void)err; /* a fault will map it */
	process_note_resident(p);
	return true;
}

/* The entry and page where the search goes on. */
static struct entry *scan_next(struct kernel *k, struct process **ret)
{
	for (uint32_t i = 0; i <= k->n_processes; i++) {
		struct process *p = k->scan_process < k->n_processes ? k->process[k->scan_process] : NULL;
		struct entry *e = p && p->alive && !p->killed ? map_after(&p->map, k->scan_page) : NULL;
		*ret = p;
		if (e)
			return e;
		k->scan_process = k->scan_process + 1 < k->n_processes ? k->scan_process + 1 : 0;
		k->scan_page = 0;
	}
	return NULL;
}

void kernel_promote(struct kernel *k, uint64_t n_pages)
{
	struct process *p;
	struct entry *e;
	uint64_t n = kernel_huge_pages(k);
	for (uint64_t looked = 0; n > 1 && looked < n_pages && (e = scan_next(k, &p)); looked += n) {
		uint64_t at = k->scan_page > e->node.start ? k->scan_page : e->node.start;
		if (!entry_allows(k, e, false) || !pages_next(&p->map.layer, &at, e->node.end)) {
			k->scan_page = e->node.end;
			continue;
		}
		huge_promote(p, e, at, false);
		k->scan_page = block_start(k, at) + n;
	}
}

/* ---- being one no longer ---- */

/* The block's frames become frames of base pages; what the leaf has seen is said of each.  Its translation is gone. */
static void block_dissolve(struct kernel *k, uint32_t head)
{
	struct frame *first = kernel_frame(k, head);
	struct process *p = k->process[first->space - 1];
	uint64_t n = kernel_huge_pages(k);
	page_take_walks(k, head);
	pmap_remove(p->pmap, vpn_range(vpn(first->vpn), n));
	pmap_update(p->pmap);
	unsigned bits = pmap_page_test_clear(k->config.pmap, frame_pfn(head), PMAP_MODIFIED | PMAP_REFERENCED);
	for (uint64_t i = 0; i < n; i++) {
		struct frame *frame = kernel_frame(k, head + (uint32_t)i);
		frame->flags &= ~FRAME_HUGE;
		frame->flags |= (bits & PMAP_MODIFIED ? FRAME_DIRTY : 0) | (bits & PMAP_REFERENCED ? FRAME_REFERENCED : 0);
	}
	p->n_huge--;
	k->n_huge--;
	k->counts.huge.split++;
}

/* The policy knew the block by its first frame; now each page is known. */
static void block_list(struct kernel *k, uint32_t head)
{
	bool known = kernel_frame(k, head)->flags & FRAME_LISTED;
	for (uint64_t i = 1; known && i < kernel_huge_pages(k); i++)
		page_list(k, head + (uint32_t)i);
}

void huge_forget(struct kernel *k, uint32_t f) { block_dissolve(k, huge_head(k, f)); }

void huge_split(struct kernel *k, uint32_t f)
{
	uint32_t head = huge_head(k, f);
	struct pmap_mapping m;
	uint64_t first = kernel_frame(k, head)->vpn;
	struct process *p = k->process[kernel_frame(k, head)->space - 1];
	bool mapped = pmap_extract(p->pmap, vpn(first), &m);
	block_dissolve(k, head);
	block_list(k, head);
	for (uint64_t i = 0; mapped && i < kernel_huge_pages(k); i++) {
		const struct pmap_mapping base = { .vpn = vpn(first + i), .pfn = frame_pfn(head + (uint32_t)i), .prot = m.prot,
			                           .cause = ACCESS_LOAD };
		mapped = !pmap_enter(p->pmap, &base);
	}
}

/* Calls for each block that begins in the range. */
static void blocks_each(struct process *p, uint64_t start, uint64_t end, void (*visit)(struct kernel *k, uint32_t f))
{
	struct kernel *k = p->kernel;
	for (uint32_t anon; p->n_huge && (anon = pages_next(&p->map.layer, &start, end)); start++) {
		uint32_t f = anon >= ANON_FIRST ? kernel_anon(k, anon)->frame : FRAME_NONE;
		if (f == FRAME_NONE || !(kernel_frame(k, f)->flags & FRAME_HUGE))
			continue;
		if (f == huge_head(k, f))
			visit(k, f);
		start = block_start(k, start) + kernel_huge_pages(k) - 1;
	}
}

void huge_split_range(struct process *p, uint64_t start, uint64_t end) { blocks_each(p, start, end, huge_split); }
void huge_forget_range(struct process *p, uint64_t start, uint64_t end) { blocks_each(p, start, end, huge_forget); }

static enum pw_err clip_at(struct process *p, uint64_t at)
{
	struct kernel *k = p->kernel;
	if (!k->config.huge_shift || at == block_start(k, at))
		return PW_OK;
	const struct entry *e = map_find(&p->map, at);
	if (e && e->huge_only)
		return PW_INVALID;
	uint32_t anon = p->n_huge ? pages_get(&p->map.layer, at) : ANON_NONE;
	uint32_t f = anon >= ANON_FIRST ? kernel_anon(k, anon)->frame : FRAME_NONE;
	if (f != FRAME_NONE && kernel_frame(k, f)->flags & FRAME_HUGE)
		huge_split(k, f);
	return PW_OK;
}

enum pw_err huge_clip(struct process *p, uint64_t start, uint64_t end)
{
	enum pw_err err = clip_at(p, start);
	return err ? err : clip_at(p, end);
}

/* ---- checking ---- */

static const char *block_flaw(struct kernel *k, uint32_t head)
{
	const struct frame *first = kernel_frame(k, head);
	struct process *p = first->space ? k->process[first->space - 1] : NULL;
	const struct entry *e = p ? map_find(&p->map, first->vpn) : NULL;
	struct pmap_mapping m;
	if (!e || !entry_holds(k, e, first->vpn) || first->vpn != block_start(k, first->vpn))
		return "huge: a huge page does not lie in one mapping of its process";
	for (uint64_t i = 0; i < kernel_huge_pages(k); i++) {
		const struct frame *frame = kernel_frame(k, head + (uint32_t)i);
		uint32_t anon = pages_get(&p->map.layer, first->vpn + i);
		if (!(frame->flags & FRAME_HUGE) || frame->state != FRAME_ANON || frame->owner != anon || frame->vpn != first->vpn + i)
			return "huge: a block does not hold the pages of its range in order";
		if (kernel_anon(k, anon)->refs != 1 || !(kernel_anon(k, anon)->flags & ANON_EXCLUSIVE))
			return "huge: a page of a huge page is shared";
		if (i && frame->flags & FRAME_LISTED)
			return "huge: the policy knows a page inside a huge page";
		if (pmap_extract(p->pmap, vpn(first->vpn + i), &m) && (m.level != 1 || m.pfn.v != head))
			return "huge: a page inside a huge page is mapped by itself";
	}
	return NULL;
}

const char *huge_flaw(struct kernel *k)
{
	uint64_t n = 0, of_processes = 0, step = kernel_huge_pages(k);
	for (uint64_t f = 0; k->n_huge && f + step <= k->frames.n; f += step) {
		if (f == k->frames.fresh)
			f = k->frames.top;
		if (f + step > k->frames.n || !(kernel_frame(k, (uint32_t)f)->flags & FRAME_HUGE))
			continue;
		const char *flaw = block_flaw(k, (uint32_t)f);
		if (flaw)
			return flaw;
		n++;
	}
	for (uint32_t i = 0; i < k->n_processes; i++)
		of_processes += k->process[i]->n_huge;
	return n == k->n_huge && n == of_processes ? NULL : "huge: the counts of huge pages differ from those there are";
}
