/* dense.h - from (space, page) to a 32-bit word, for every page that a stream of references can name.
 *
 * What follows a stream of references wants small consecutive numbers for its pages, and wants them in a nanosecond.  A leaf holds
 * the words of 512 consecutive pages of one space, and leaves are found through one table of hashes.  A word of 0 is the same as no
 * word; what else it means is its owner's business.
 *
 * Host memory: 2 KiB for each aligned run of 512 pages that holds a word, and about 32 bytes for finding it: 4 bytes a page where
 * pages lie together, and never more than half of what real page tables take. */
#pragma once
#include "../base/err.h"
#include <stdbool.h>
#include <stdint.h>

enum { DENSE_LEAF_SHIFT = 9, DENSE_LEAF = 1 << DENSE_LEAF_SHIFT, DENSE_PAGE_BITS = 41 };

/* A page and its space in one word: every page number is below 2^DENSE_PAGE_BITS, every space below 2^(63 - DENSE_PAGE_BITS).  No
 * key has its top bit set. */
static inline uint64_t dense_key(uint32_t space, uint64_t page) { return (uint64_t)space << DENSE_PAGE_BITS | page; }
static inline uint32_t dense_space(uint64_t key) { return (uint32_t)(key >> DENSE_PAGE_BITS); }
static inline uint64_t dense_page(uint64_t key) { return key & ((1ull << DENSE_PAGE_BITS) - 1); }

struct dense_slot {
	uint64_t key;    /* of the leaf's first page, shifted down, plus one; 0: an empty slot */
	uint32_t *leaf;
};
struct dense {
	struct dense_slot *slot; /* 2^bits of them */
	unsigned bits;
	uint64_t n_leaves;
};

must_use enum pw_err dense_init(struct dense *d);
void dense_fini(struct dense *d);
/* The place of a key's word, made if it is new.  => NULL: out of memory.  It stays where it is until dense_fini. */
uint32_t *dense_put(struct dense *d, uint64_t key);
/* Visits the words of [first, first + count) in one space that are not 0.  The visitor may change the word. */
void dense_each(struct dense *d, uint64_t first, uint64_t count, void (*visit)(void *ctx, uint64_t key, uint32_t *word), void *ctx);
uint64_t dense_bytes(const struct dense *d);

static inline const struct dense_slot *dense_home(const struct dense *d, uint64_t key)
{
	return &d->slot[((key >> DENSE_LEAF_SHIFT) + 1) * 0x9e3779b97f4a7c15ull >> (64 - d->bits)];
}
/* The place of a key's word; NULL when its leaf does not exist. */
static inline uint32_t *dense_get(const struct dense *d, uint64_t key)
{
	uint64_t want = (key >> DENSE_LEAF_SHIFT) + 1;
	const struct dense_slot *s = dense_home(d, key), *end = d->slot + (1ull << d->bits);
	while (s->key != want) {
		if (!s->key)
			return NULL;
		s = s + 1 == end ? d->slot : s + 1;
	}
	return &s->leaf[key & (DENSE_LEAF - 1)];
}
