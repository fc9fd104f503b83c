/* reference_world.h - what the plainly written policies have in common: a memory, lists of pages, and how pages come and go. */
#pragma once
#include "reference_policies.h"
#include <stdlib.h>
#include <string.h>

struct pages {
	uint32_t *at, n; /* oldest first */
};
enum { LISTS = 5, NOBODY = UINT32_MAX };
struct world {
	uint32_t n_frames, n_pages, resident;
	uint64_t now;              /* references, this one included */
	uint64_t param;            /* what follows "=" in the name, or 0 */
	bool *in, *written, *bit, *flag;
	uint32_t *count;
	uint64_t *last;            /* time of the last reference, or whatever the policy notes */
	const uint64_t *next;      /* by reference */
	struct pages list[LISTS];
	uint32_t hand, hands[3], clock, target;
	uint64_t old, young, none_until; /* mglru, wsclock */
	double p;
	struct reference_result *result;
};

static inline bool has(const struct pages *l, uint32_t page)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (l->at[i] == page)
			return true;
	return false;
}

static inline void drop(struct pages *l, uint32_t page)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < l->n; i++)
		if (l->at[i] != page)
			l->at[kept++] = l->at[i];
	l->n = kept;
}

static inline void add(struct pages *l, uint32_t page)
{
	l->at[l->n++] = page;
}

static inline void refresh(struct pages *l, uint32_t page)
{
	drop(l, page);
	add(l, page);
}

static inline uint32_t take_oldest(struct pages *l)
{
	uint32_t page = l->at[0];
	drop(l, page);
	return page;
}

static inline void page_in(struct world *w, uint32_t page)
{
	w->result->faults++;
	w->in[page] = true;
	w->written[page] = false;
	w->resident++;
}

static inline void page_out(struct world *w, uint32_t page)
{
	w->result->write_backs += w->written[page];
	w->in[page] = false;
	w->resident--;
}

static inline bool is_full(const struct world *w) { return w->resident == w->n_frames; }

static inline bool take_bit(struct world *w, uint32_t page)
{
	bool was = w->bit[page];
	w->bit[page] = false;
	return was;
}

/* Those of reference_clocks.c.  Each is told of one reference; the ones called after are told once it has been made. */
void refer_car(struct world *w, uint32_t page);
void refer_lirs(struct world *w, uint32_t page);
void refer_clock_pro(struct world *w, uint32_t page);
void refer_wsclock(struct world *w, uint32_t page);
void refer_generations(struct world *w, uint32_t page);
void refer_two_lists(struct world *w, uint32_t page);
void refer_working_set(struct world *w, uint32_t page);
void refer_working_set_after(struct world *w, uint32_t page);
void refer_page_fault_frequency(struct world *w, uint32_t page);
void refer_variable_min(struct world *w, uint32_t page);
void refer_variable_min_after(struct world *w, uint32_t page);
