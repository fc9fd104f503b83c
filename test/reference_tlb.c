/* reference_tlb.c - see reference_tlb.h. */
#include "reference_tlb.h"
#include <stdlib.h>

struct reference_level reference_level_make(unsigned entries, unsigned ways, enum reference_order order)
{
	struct reference_level l = { .sets = entries / ways, .ways = ways, .order = order };
	l.page = calloc(entries, sizeof *l.page);
	return l;
}

void reference_level_free(struct reference_level *l)
{
	free(l->page);
}

static void to_front(uint64_t *set, unsigned from, uint64_t page)
{
	for (unsigned i = from; i > 0; i--)
		set[i] = set[i - 1];
	set[0] = page;
}

bool reference_level_look(struct reference_level *l, uint64_t page)
{
	uint64_t *set = l->page + page % l->sets * l->ways;
	l->lookups++;
	for (unsigned i = 0; i < l->ways; i++)
		if (set[i] == page + 1) {
			if (l->order == REFERENCE_RECENCY)
				to_front(set, i, page + 1);
			return true;
		}
	l->misses++;
	return false;
}

void reference_level_fill(struct reference_level *l, uint64_t page)
{
	to_front(l->page + page % l->sets * l->ways, l->ways - 1, page + 1);
}

void reference_access(struct reference_level *first, struct reference_level *second, uint64_t page)
{
	if (reference_level_look(first, page))
		return;
	if (second && !reference_level_look(second, page))
		reference_level_fill(second, page);
	reference_level_fill(first, page);
}
