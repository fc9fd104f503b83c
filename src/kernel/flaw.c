/* flaw.c - every invariant of the kernel in one place.
 *
 * Problem: a kernel that has lost a frame, a slot or a reference goes on for a long time before anybody notices.
 * Idea: recount everything from the other side and compare: references to pages from the spaces and objects that hold them, frames
 * from the pages that say they are in them, translations from the entries that allow them, faults from their causes.  It takes
 * time proportional to all there is, and is meant for tests, for the end of a run, and for debugging.
 *
 * Order: parts alone first, so that what compares parts may rely on them. */
#include "../base/mem.h"
#include "huge.h"
#include "space.h"
#include "state.h"

static const char *counts_flaw(const struct fault_counts *c)
{
	uint64_t sum = 0;
	for (int i = 0; i < FAULT_CAUSES; i++)
		sum += c->by_cause[i];
	if (sum != c->total)
		return "faults: the causes do not add up to the total";
	return c->minor + c->major == c->total ? NULL : "faults: minor and major do not add up to the total";
}

/* References to anonymous pages, counted from those who hold them. */
struct census {
	struct kernel *k;
	uint32_t *refs;      /* by number */
	struct htab shared;  /* objects seen */
	bool failed;
};

static void census_pages(struct census *c, struct pages *pages)
{
	uint64_t at = 0;
	for (uint32_t anon; (anon = pages_next(pages, &at, UINT64_MAX)); at++) {
		if (anon < c->k->anons.fresh)
			c->refs[anon]++;
		else
			c->failed = true;
	}
}

static void census_process(struct census *c, struct process *p)
{
	census_pages(c, &p->map.layer);
	for (struct entry *e = entry_of(itree_first(&p->map.tree)); e; e = entry_next(e)) {
		if (!e->object || e->object->kind != OBJECT_SHARED || htab_get(&c->shared, (uintptr_t)e->object))
			continue;
		if (!htab_put(&c->shared, (uintptr_t)e->object))
			c->failed = true;
		census_pages(c, &e->object->pages);
	}
}

static const char *anon_flaw(const struct kernel *k, uint32_t id, uint32_t refs)
{
	const struct anon *a = anon_at(&k->anons, id);
	if (a->refs != refs)
		return "anon: a page's references differ from the places that hold it";
	if (!refs)
		return NULL;
	if (a->frame != FRAME_NONE) {
		const struct frame *frame = &k->frames.at[a->frame];
		if (frame->state != FRAME_ANON || frame->owner != id)
			return "anon: the frame a page claims belongs to another";
	}
	uint32_t slot = kernel_slot(k, id);
	if (slot != SLOT_NONE && (slot >= k->swap.n_owners || k->swap.owner[slot] != id))
		return "anon: the swap slot a page claims belongs to another";
	return NULL;
}

static const char *census_compare(struct census *c)
{
	uint64_t live = 0, slots = 0;
	for (uint32_t id = ANON_FIRST; id < c->k->anons.fresh; id++) {
		const char *flaw = anon_flaw(c->k, id, c->refs[id]);
		if (flaw)
			return flaw;
		live += c->refs[id] != 0;
		slots += c->refs[id] && kernel_slot(c->k, id) != SLOT_NONE;
	}
	if (live != c->k->anons.count)
		return "anon: the count of pages differs from the pages there are";
	return slots == c->k->swap.used ? NULL : "swap: a slot is used by no page";
}

static const char *references_flaw(struct kernel *k)
{
	struct census c = { .k = k, .refs = mem_zalloc(k->anons.fresh, sizeof *c.refs) };
	if (!c.refs || htab_init(&c.shared, 0)) {
		mem_free(c.refs);
		return "kernel: there is no memory to check it";
	}
	for (uint32_t i = 0; i < k->n_processes; i++)
		census_process(&c, k->process[i]);
	const char *flaw = c.failed ? "anon: a space holds a number that was never given out" : census_compare(&c);
	htab_fini(&c.shared);
	mem_free(c.refs);
	return flaw;
}

static const char *frame_owner_flaw(struct kernel *k, uint32_t f)
{
	const struct frame *frame = kernel_frame(k, f);
	if (frame->state == FRAME_BUSY || (frame->state != FRAME_FREE && frame->pins))
		return "frames: a frame is busy or pinned while nothing happens";
	if (frame->flags & FRAME_LOCKED && frame->flags & FRAME_LISTED)
		return "lock: the policy knows a locked page";
	if (frame->state == FRAME_ANON && kernel_anon(k, frame->owner)->frame != f)
		return "frames: an anonymous page does not know the frame that holds it";
	if (frame->state != FRAME_FILE)
		return NULL;
	struct object *o = frame->owner < k->objects.n_files ? k->objects.file[frame->owner] : NULL;
	return o && pages_get(&o->pages, frame_index(&k->frames, f)) == file_page_word(f) ? NULL
	                                                                    : "frames: a file does not know the frame of its page";
}

static const char *frames_owners_flaw(struct kernel *k)
{
	uint64_t tables = 0;
	for (uint64_t f = 0; f < k->frames.n; f++) {
		if (f == k->frames.fresh)
			f = k->frames.top;
		const char *flaw = f < k->frames.n ? frame_owner_flaw(k, (uint32_t)f) : NULL;
		if (flaw)
			return flaw;
	}
	for (uint32_t i = 0; i < k->n_processes; i++)
		tables += k->process[i]->pmap ? pmap_table_bytes(k->process[i]->pmap) : 0;
	if (tables != k->frames.n_tables << k->config.page_shift)
		return "frames: page tables differ from the frames given out for them";
	return NULL;
}

static const char *files_flaw(struct kernel *k)
{
	for (uint32_t i = 0; i < k->objects.n_files; i++) {
		struct object *o = k->objects.file[i];
		uint64_t index = 0;
		for (uint32_t word; (word = pages_next(&o->pages, &index, UINT64_MAX)); index++) {
			if (file_page_resident(word) && (file_page_frame(word) >= k->frames.n ||
			                                 kernel_frame(k, file_page_frame(word))->state != FRAME_FILE))
				return "object: a file's page is said to be in a frame that holds something else";
		}
		if (pages_flaw(&o->pages))
			return pages_flaw(&o->pages);
	}
	return NULL;
}

/* Translations of one process. */
struct survey {
	uint64_t mapped;
	const char *flaw;
};

static void survey_page(void *ctx, struct process *p, const struct space_page *page)
{
	struct survey *s = ctx;
	struct pmap_mapping m;
	if (!pmap_extract(p->pmap, vpn(page->page), &m))
		return;
	s->mapped++;
	unsigned most = page->entry->prot | (page->entry->prot & PMAP_WRITE ? PMAP_READ : 0) | PMAP_USER;
	if (page->frame == FRAME_NONE || m.pfn.v + (page->page - m.vpn.v) != page->frame)
		s->flaw = "pmap: a page is mapped to a frame that does not hold it";
	else if (page->entry->locked && kernel_frame(p->kernel, page->frame)->state != FRAME_ZERO &&
	         !(kernel_frame(p->kernel, page->frame)->flags & FRAME_LOCKED))
		s->flaw = "lock: a page of a locked mapping may be evicted";
	else if (m.prot & ~most)
		s->flaw = "pmap: a page is mapped with a right its mapping does not have";
	else if (m.prot & PMAP_WRITE && !page->entry->shared &&
	         (page->anon < ANON_FIRST || kernel_anon(p->kernel, page->anon)->refs != 1))
		s->flaw = "pmap: a private page that others see is mapped writable";
}

static const char *translations_flaw(struct process *p)
{
	struct survey s = { 0 };
	for (struct entry *e = entry_of(itree_first(&p->map.tree)); e; e = entry_next(e))
		space_visit(p, e, e->node.start, e->node.end, survey_page, &s);
	if (s.flaw)
		return s.flaw;
	if (s.mapped != pmap_resident_pages(p->pmap))
		return "pmap: pages are mapped that no mapping of the process knows";
	if (p->resident_peak_pages < s.mapped)
		return "process: more pages are resident than the peak says";
	return pmap_flaw(p->pmap);
}

static const char *process_flaw(struct process *p)
{
	struct fault_counts sum = { 0 };
	const char *flaw = map_flaw(&p->map);
	for (struct entry *e = entry_of(itree_first(&p->map.tree)); !flaw && e; e = entry_next(e)) {
		fault_counts_add(&sum, &e->faults);
		flaw = counts_flaw(&e->faults);
	}
	for (const struct gone *g = p->map.gone; g; g = g->next)
		fault_counts_add(&sum, &g->faults);
	fault_counts_add(&sum, &p->map.gone_others.faults);
	if (!flaw)
		flaw = counts_flaw(&p->faults);
	if (!flaw && sum.total != p->faults.total)
		flaw = "process: the faults of its mappings do not add up to its own";
	return flaw || !p->pmap ? flaw : translations_flaw(p);
}

static const char *processes_flaw(struct kernel *k)
{
	struct fault_counts sum = { 0 };
	for (uint32_t i = 0; i < k->n_processes; i++) {
		const char *flaw = process_flaw(k->process[i]);
		if (flaw)
			return flaw;
		fault_counts_add(&sum, &k->process[i]->faults);
	}
	if (sum.total != k->counts.faults.total || sum.major != k->counts.faults.major ||
	    sum.protection != k->counts.faults.protection)
		return "kernel: the faults of the processes do not add up to the total";
	return counts_flaw(&k->counts.faults);
}

const char *kernel_flaw(struct kernel *k)
{
	const char *flaw = frames_flaw(&k->frames);
	if (!flaw)
		flaw = swap_flaw(&k->swap);
	if (!flaw)
		flaw = files_flaw(k);
	if (!flaw)
		flaw = references_flaw(k);
	if (!flaw)
		flaw = frames_owners_flaw(k);
	if (!flaw)
		flaw = processes_flaw(k);
	if (!flaw)
		flaw = huge_flaw(k);
	if (!flaw && k->counts.resident_peak_pages < k->frames.n_pages)
		flaw = "kernel: more pages are resident than the peak says";
	return flaw || !k->config.policy->flaw ? flaw : k->config.policy->flaw(k->policy);
}
