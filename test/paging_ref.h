/* paging_ref.h - demand paging as plainly as it can be written: the specification that whole runs are compared with. */
#pragma once
#include "../src/machine/access.h"
#include <stdint.h>

enum paging_policy { PAGING_FIFO, PAGING_LRU, PAGING_CLOCK, PAGING_OPT };

struct paging_result {
	uint64_t faults, evicted, written_back;
};

/* Every page exists on disk; a frame written since its page came in is written back when the page leaves.
 * Choices that books leave open: clock sets the bit on load and on use, and its hand stays behind the frame it replaced; among
 * pages never used again opt takes the lowest frame; frames are first taken in order. */
struct paging_result paging_ref(enum paging_policy policy, const ref_t *refs, uint64_t n, unsigned frames);

/* Two levels of TLB, each sets x ways with least recently used replacement; set = page mod sets.  A hit below fills above. */
struct tlb_ref_result {
	uint64_t misses[2];
};
struct tlb_ref_result tlb_ref(const ref_t *refs, uint64_t n, const unsigned sets[2], const unsigned ways[2]);

/* Distinct pages among the last tau of the first "end" references. */
uint64_t working_set_ref(const ref_t *refs, uint64_t end, uint64_t tau);
