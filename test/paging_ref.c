/* paging_ref.c - plain loops over plain arrays; slow, and obviously what the books say.  Pages are numbered below PAGES. */
#include "paging_ref.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGES = 1 << 16 };

struct ref_frame {
	uint32_t page;
	bool used, dirty, bit;
	uint64_t came, last, next;
};

static uint32_t page_of(ref_t r)
{
	uint64_t page = ref_va(r).v >> 12;
	if (page >= PAGES) {
		fprintf(stderr, "paging_ref: page %llu is beyond what it was made for\n", (unsigned long long)page);
		exit(1);
	}
	return (uint32_t)page;
}

/* next[i]: the position of the next reference to the page of reference i. */
static uint64_t *next_uses(const ref_t *refs, uint64_t n)
{
	uint64_t *next = calloc(n + 1, sizeof *next), *seen = malloc(PAGES * sizeof *seen);
	for (unsigned i = 0; i < PAGES; i++)
		seen[i] = UINT64_MAX;
	for (uint64_t i = n; i-- > 0;) {
		next[i] = seen[page_of(refs[i])];
		seen[page_of(refs[i])] = i;
	}
	free(seen);
	return next;
}

static unsigned clock_victim(struct ref_frame *frame, unsigned n, unsigned *hand)
{
	while (frame[*hand].bit) {
		frame[*hand].bit = false;
		*hand = (*hand + 1) % n;
	}
	unsigned victim = *hand;
	*hand = (*hand + 1) % n;
	return victim;
}

static unsigned victim_of(enum paging_policy policy, struct ref_frame *frame, unsigned n, unsigned *hand)
{
	unsigned best = 0;
	if (policy == PAGING_CLOCK)
		return clock_victim(frame, n, hand);
	for (unsigned i = 1; i < n; i++) {
		bool better = policy == PAGING_FIFO ? frame[i].came < frame[best].came
		            : policy == PAGING_LRU  ? frame[i].last < frame[best].last
		                                    : frame[i].next > frame[best].next;
		if (better)
			best = i;
	}
	return best;
}

struct paging_result paging_ref(enum paging_policy policy, const ref_t *refs, uint64_t n, unsigned frames)
{
	struct paging_result r = { 0 };
	struct ref_frame *frame = calloc(frames, sizeof *frame);
	uint32_t *place = calloc(PAGES, sizeof *place); /* frame + 1, or 0 */
	uint64_t *next = next_uses(refs, n);
	unsigned used = 0, hand = 0;
	for (uint64_t i = 0; i < n; i++) {
		uint32_t page = page_of(refs[i]);
		if (!place[page]) {
			unsigned f = used < frames ? used++ : victim_of(policy, frame, frames, &hand);
			r.faults++;
			r.evicted += frame[f].used;
			r.written_back += frame[f].used && frame[f].dirty;
			if (frame[f].used)
				place[frame[f].page] = 0;
			frame[f] = (struct ref_frame){ .page = page, .used = true, .came = i };
			place[page] = f + 1;
		}
		struct ref_frame *f = &frame[place[page] - 1];
		f->bit = true;
		f->last = i;
		f->next = next[i];
		f->dirty |= ref_kind(refs[i]) == ACCESS_STORE;
	}
	free(frame);
	free(place);
	free(next);
	return r;
}

struct ref_level {
	unsigned sets, ways;
	uint64_t *page, *last; /* sets x ways; last 0: empty */
};

static struct ref_level level_make(unsigned sets, unsigned ways)
{
	size_t n = (size_t)sets * ways;
	return (struct ref_level){ sets, ways, calloc(n, sizeof(uint64_t)), calloc(n, sizeof(uint64_t)) };
}

/* => true on a hit; the page is there and the most recent of its set afterwards. */
static bool level_look(struct ref_level *l, uint64_t page, uint64_t now)
{
	size_t first = page % l->sets * l->ways, oldest = first;
	for (size_t i = first; i < first + l->ways; i++) {
		if (l->last[i] && l->page[i] == page) {
			l->last[i] = now;
			return true;
		}
		if (l->last[i] < l->last[oldest])
			oldest = i;
	}
	l->page[oldest] = page;
	l->last[oldest] = now;
	return false;
}

struct tlb_ref_result tlb_ref(const ref_t *refs, uint64_t n, const unsigned sets[2], const unsigned ways[2])
{
	struct tlb_ref_result r = { { 0, 0 } };
	struct ref_level level[2] = { level_make(sets[0], ways[0]), level_make(sets[1], ways[1]) };
	for (uint64_t i = 0; i < n; i++)
		for (unsigned k = 0; k < 2; k++) {
			if (level_look(&level[k], ref_va(refs[i]).v >> 12, i + 1))
				break;
			r.misses[k]++;
		}
	for (unsigned k = 0; k < 2; k++) {
		free(level[k].page);
		free(level[k].last);
	}
	return r;
}

uint64_t working_set_ref(const ref_t *refs, uint64_t end, uint64_t tau)
{
	bool *seen = calloc(PAGES, sizeof *seen);
	uint64_t pages = 0;
	for (uint64_t i = end > tau ? end - tau : 0; i < end; i++) {
		pages += !seen[page_of(refs[i])];
		seen[page_of(refs[i])] = true;
	}
	free(seen);
	return pages;
}
