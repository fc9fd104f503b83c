/* uses.h - references with those that change nothing left out: references to one page in a row are one use of it.
 *
 * Whatever follows pages, not bytes, sees the same in a third to a half of the entries. */
#pragma once
#include "../machine/access.h"
#include "dense.h"

enum { USES_MAX = 4096, USE_KIND_BITS = 3 };

/* What was done with the page, as bits. */
enum { USE_LOAD = 1 << ACCESS_LOAD, USE_STORE = 1 << ACCESS_STORE, USE_FETCH = 1 << ACCESS_FETCH };

struct uses {
	uint64_t n;
	uint64_t key[USES_MAX];    /* dense_key of the page */
	uint32_t end[USES_MAX];    /* the references it took end here, counted in the batch, and below what was done */
};

static inline uint32_t use_end(const struct uses *u, uint64_t i) { return u->end[i] >> USE_KIND_BITS; }
static inline uint32_t use_begin(const struct uses *u, uint64_t i) { return i ? use_end(u, i - 1) : 0; }
static inline unsigned use_kinds(const struct uses *u, uint64_t i) { return u->end[i] & ((1u << USE_KIND_BITS) - 1); }

/* => n <= USES_MAX.  False: an address is not below 2^va_bits, and what is in ret means nothing. */
static inline bool uses_gather(struct uses *ret, const ref_t *refs, uint64_t n, uint32_t space, unsigned page_shift, unsigned va_bits)
{
	uint64_t base = dense_key(space, 0), last = UINT64_MAX, seen = 0, m = UINT64_MAX;
	unsigned kinds = 0, shift = page_shift + REF_KIND_BITS;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t word = refs[i].word, page = word >> shift;
		unsigned kind = 1u << (word & 3);
		bool same = page == last;
		kinds = same ? kinds | kind : kind;
		m += !same;
		ret->key[m] = base | page;
		ret->end[m] = (uint32_t)(i + 1) << USE_KIND_BITS | kinds;
		last = page;
		seen |= word;
	}
	ret->n = m + 1;
	return !(seen >> (va_bits + REF_KIND_BITS));
}
