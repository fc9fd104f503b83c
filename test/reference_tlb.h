/* reference_tlb.h - a two-level TLB written the slow, obvious way, to check the machine against.
 *
 * It shares nothing with the machine: each set is an array of pages kept in order of recency (or of arrival), and a lookup
 * searches and shifts it. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum reference_order { REFERENCE_RECENCY, REFERENCE_ARRIVAL };

struct reference_level {
	unsigned sets, ways;
	enum reference_order order;
	uint64_t *page;  /* [set * ways + rank], 0 is free: pages are stored plus one */
	uint64_t misses, lookups;
};

struct reference_level reference_level_make(unsigned entries, unsigned ways, enum reference_order order);
void reference_level_free(struct reference_level *l);
/* => true on a hit. */
bool reference_level_look(struct reference_level *l, uint64_t page);
void reference_level_fill(struct reference_level *l, uint64_t page);

/* One reference through split first levels (data, instruction; either may be NULL) and a shared second one (may be NULL). */
void reference_access(struct reference_level *first, struct reference_level *second, uint64_t page);
