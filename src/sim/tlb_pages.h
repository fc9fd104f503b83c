/* tlb_pages.h - pages numbered 1, 2, 3... as they are first seen, in several page sizes at once.
 *
 * A number stands for a page of one address space, for ever.  Tables over the numbers tell the larger page around a page, and the part
 * of the address space that one entry of a page-table level covers: what a model of a TLB needs, without hashing. */
#pragma once
#include "../base/htab.h"
#include "../machine/ptfmt.h"
#include "tlb_log.h"

#define TLB_KEY_PAGE_BITS 45
#define TLB_KEY_SPACES (1u << (64 - TLB_KEY_PAGE_BITS))

struct tlb_leaf;

/* Read by the models while pages are added: an entry, once there, does not change. */
struct tlb_pages {
	uint64_t *key;                        /* base page -> space << 45 | page number */
	uint32_t *group[TLB_SIZES];           /* base page -> its page of this size; NULL: the base size itself */
	uint64_t *group_key[TLB_SIZES];       /* page of this size -> space << 45 | page number in this size */
	uint32_t *region[PTFMT_LEVELS];       /* base page -> what an entry of this level covers; [0] unused */
	uint32_t n, n_groups[TLB_SIZES], n_regions[PTFMT_LEVELS];
	unsigned n_sizes, levels;
	uint8_t up[TLB_SIZES];                /* log2 of a page of this size over the base page */
	uint8_t region_up[PTFMT_LEVELS];

	struct htab leaves, groups[TLB_SIZES], regions[PTFMT_LEVELS];
	struct tlb_leaf *recent;
	struct tlb_leaf **of_space;           /* the leaves of each space, chained */
	uint32_t n_spaces;
};

static inline uint32_t tlb_key_space(uint64_t key) { return (uint32_t)(key >> TLB_KEY_PAGE_BITS); }
static inline uint64_t tlb_key_page(uint64_t key) { return key & ((1ull << TLB_KEY_PAGE_BITS) - 1); }
static inline uint64_t tlb_key(uint32_t space, uint64_t page)
{
	return (uint64_t)space << TLB_KEY_PAGE_BITS | (page & ((1ull << TLB_KEY_PAGE_BITS) - 1));
}

/* => on error nothing is left open */
must_use enum pw_err tlb_pages_init(struct tlb_pages *p, const struct ptfmt *format, const uint8_t *size_shift, unsigned n_sizes);
void tlb_pages_fini(struct tlb_pages *p);
/* A number for an address space.  => PW_LIMIT: there were too many. */
must_use enum pw_err tlb_pages_space(struct tlb_pages *p, uint32_t *ret);
/* => 0: never seen */
uint32_t tlb_pages_find(struct tlb_pages *p, uint32_t space, uint64_t page);
/* => PW_LIMIT: too many pages; PW_NOMEM */
must_use enum pw_err tlb_pages_get(struct tlb_pages *p, uint32_t space, uint64_t page, uint32_t *ret);
/* Visits the numbers of the pages in a range that were ever seen. */
void tlb_pages_each(struct tlb_pages *p, uint32_t space, struct vpn_range r, void (*visit)(void *ctx, uint32_t id), void *ctx);
