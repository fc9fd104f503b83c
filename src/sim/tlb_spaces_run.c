/* tlb_spaces_run.c - references through tlb_spaces, and the logs they and the pmap write.
 *
 * Problem.  Every reference of the trace comes through here, most of them to a page that was asked for a moment ago.
 *
 * Idea.  The quick index holds only what is allowed, so the usual reference is a compare and two stores that may or may not count;
 * all else takes run_one, which does one reference completely, or faults.
 *
 * Invariants.
 *   1. A log has room for CHUNK words, and a few more, whenever run_quick begins.
 *   2. After any word that is no reference, the next reference stands in both logs. */
#include "tlb_spaces_impl.h"
#include <string.h>

/* ---- the logs ---- */

void tlb_spaces_fill(struct tlb_spaces *s, struct tlb_batch *batch)
{
	s->batch = batch;
	s->caches_at = 0;
}

void tlb_spaces_drain(struct tlb_spaces *s)
{
	s->batch = s->config.hand_on(s->config.ctx, s->batch);
	s->caches_at = 0;
}

static void batch_room(struct tlb_spaces *s)
{
	if (s->batch->n_pages >= TLB_BATCH || s->batch->n_refs >= TLB_BATCH)
		tlb_spaces_drain(s);
}

void tlb_spaces_log_page(struct tlb_spaces *s, uint32_t word)
{
	if (!s->batch)
		return;
	batch_room(s);
	s->batch->page[s->batch->n_pages++] = word;
	s->last_page = 0;
}

void tlb_spaces_log_page_about(struct tlb_spaces *s, uint32_t word, uint32_t what)
{
	tlb_spaces_log_page(s, word); /* leaves room for what is about it */
	if (s->batch)
		s->batch->page[s->batch->n_pages++] = what;
}

void tlb_spaces_log_ref(struct tlb_spaces *s, enum tlb_log_mark mark, const uint64_t *word, unsigned n)
{
	if (!s->batch)
		return;
	batch_room(s);
	s->batch->ref[s->batch->n_refs++] = tlb_mark(mark);
	for (unsigned i = 0; i < n; i++)
		s->batch->ref[s->batch->n_refs++] = (ref_t){ word[i] };
	for (unsigned i = 0; i < 4; i++)
		s->last_ref[i] = NO_WORD;
}
/* ---- running ---- */

/* A reference goes into the reference log: it is the one used last of its side.  What other kinds of that side asked for another page
 * may not be left out any more. */
static inline void note_ref(struct tlb_spaces *s, uint64_t kept)
{
	uint64_t page = kept >> REF_KIND_BITS;
	unsigned kind = kept & 3;
	for (unsigned other = 0; other < ACCESS_KINDS; other++)
		if ((s->config.unified || (other == ACCESS_FETCH) == (kind == ACCESS_FETCH)) && s->last_ref[other] >> REF_KIND_BITS != page)
			s->last_ref[other] = NO_WORD;
	s->last_ref[kind] = kept;
	s->logged[kind]++;
	s->batch->ref[s->batch->n_refs++] = (ref_t){ kept };
}

/* How many of refs[0 .. n) are quick before the first that is not; they are logged.  => there is room for n words in each log. */
static uint64_t run_quick(struct tlb_spaces *s, const ref_t *refs, uint64_t n)
{
	const uint64_t keep = s->keep;
	uint32_t *page = s->batch->page + s->batch->n_pages, last = s->last_page;
	uint64_t i = 0;
	for (; i < n; i++) {
		uint64_t kept = refs[i].word & keep;
		const struct quick *q = quick_at(s, kept);
		if (q->word != kept)
			break;
		*page = (uint32_t)q->id;
		page += last != (uint32_t)q->id;
		last = (uint32_t)q->id;
		if (s->last_ref[kept & 3] != kept)
			note_ref(s, kept);
	}
	s->batch->n_pages = (uint64_t)(page - s->batch->page);
	s->last_page = last;
	return i;
}

/* The first reference ever to a page. */
static void page_touched(struct tlb_spaces *s, uint32_t id)
{
	s->state[id] |= PAGE_TOUCHED;
	s->row_touched[s->row[id]]++;
	if (s->format.levels > 1)
		s->large[s->pages.region[1][id]].touched++;
}

/* One reference, completely.  => false: it faults */
static bool run_one(struct tlb_spaces *s, ref_t r)
{
	static const uint8_t needs[ACCESS_KINDS] = { [ACCESS_LOAD] = PT_READ, [ACCESS_STORE] = PT_WRITE, [ACCESS_FETCH] = PT_EXEC };
	vaddr_t va = ref_va(r);
	enum access_kind kind = ref_kind(r);
	uint64_t kept = r.word & s->keep;
	if (!s->active || !ptfmt_canonical(&s->format, va))
		return false;
	uint32_t id = tlb_pages_find(&s->pages, s->active->number, va.v >> s->format.page_shift);
	if (!id || !(s->state[id] & PAGE_MAPPED))
		return false;
	if (!(s->state[id] & needs[kind])) {
		tlb_spaces_log_page_about(s, TLB_LOG_HOLE, id); /* an entry that does not grant an access is given up */
		return false;
	}
	uint32_t first_store = kind == ACCESS_STORE && !(s->state[id] & PAGE_DIRTY) ? TLB_LOG_FIRST_STORE : 0;
	if (!(s->state[id] & PAGE_TOUCHED))
		page_touched(s, id);
	s->state[id] |= kind == ACCESS_STORE ? PAGE_DIRTY : 0;
	if (first_store || s->last_page != id)
		s->batch->page[s->batch->n_pages++] = id | first_store;
	s->last_page = id;
	if (s->last_ref[kind] != kept)
		note_ref(s, kept);
	*quick_at(s, kept) = (struct quick){ kept, id };
	return true;
}

static void count_kinds(struct tlb_spaces *s, const ref_t *refs, uint64_t n)
{
	uint64_t stores = 0, fetches = 0;
	for (uint64_t i = 0; i < n; i++) {
		stores += refs[i].word & 1;
		fetches += refs[i].word >> 1 & 1;
	}
	s->done[ACCESS_LOAD] += n - stores - fetches;
	s->done[ACCESS_STORE] += stores;
	s->done[ACCESS_FETCH] += fetches;
}

struct machine_stop tlb_spaces_run(struct tlb_spaces *s, const ref_t *refs, uint64_t n)
{
	uint64_t i = 0;
	struct machine_stop stop = { .why = MACHINE_DONE };
	while (i < n) {
		uint64_t part = n - i < CHUNK ? n - i : CHUNK;
		batch_room(s);
		uint64_t quick = run_quick(s, refs + i, part);
		i += quick;
		if (quick == part)
			continue;
		if (run_one(s, refs[i])) {
			i++;
			continue;
		}
		log_ref(s, TLB_MARK_FAULT, refs[i].word);
		stop = (struct machine_stop){ .why = MACHINE_FAULTED, .va = ref_va(refs[i]), .kind = ref_kind(refs[i]),
					      .fault = MACHINE_FAULT_NOT_PRESENT };
		break;
	}
	stop.done = i;
	count_kinds(s, refs, i);
	return stop;
}

void tlb_spaces_refused(struct tlb_spaces *s, const struct machine_stop *stop)
{
	uint32_t id;
	if (!s->active || !ptfmt_canonical(&s->format, stop->va))
		return;
	enum pw_err err = tlb_pages_get(&s->pages, s->active->number, stop->va.v >> s->format.page_shift, &id);
	if (err != PW_OK)
		spaces_fail(s, err);
	else
		tlb_spaces_log_page_about(s, TLB_LOG_TOUCH, id);
}

void tlb_spaces_reset(struct tlb_spaces *s)
{
	memset(s->done, 0, sizeof s->done);
	memset(s->logged, 0, sizeof s->logged);
	tlb_spaces_log_page(s, TLB_LOG_RESET);
	tlb_spaces_log_ref(s, TLB_MARK_RESET, NULL, 0);
}

void tlb_spaces_counts(const struct tlb_spaces *s, uint64_t done[ACCESS_KINDS], uint64_t logged[ACCESS_KINDS])
{
	memcpy(done, s->done, sizeof s->done);
	memcpy(logged, s->logged, sizeof s->logged);
}
