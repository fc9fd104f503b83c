/* shards.h - an LRU curve from a sample of the pages, in constant memory.
 *
 * Pages are chosen by a hash of their number, so that all references to a page are seen or none; distances and counts are scaled by the
 * rate.  With a fixed size the rate starts at 1 and is halved whenever more pages than that have been seen: a small footprint is never
 * sampled at all, and its curve is exact.  With a fixed rate memory grows with the footprint.
 *
 * Errors are estimated from eight parts of the sample, each of which makes a curve of its own: the half width of a 95 % interval.
 *
 * Host memory with a fixed size: at most 2 MiB and 400 bytes a page of the sample, however long the trace. */
#pragma once
#include "lru_curve.h"

struct shards;

struct shards_options {
	uint64_t pages;        /* fixed size: at most so many are followed; or 0 and */
	double rate;           /* fixed rate, above 0 and at most 1 */
	uint64_t seed;
	unsigned page_shift;
};
enum { SHARDS_PAGES_MIN = 64 };
#define SHARDS_PAGES (1u << 13)

must_use enum pw_err shards_create(const struct shards_options *o, struct shards **ret);
void shards_destroy(struct shards *s);
/* References of one space, with addresses of programs.  => PW_NOMEM */
must_use enum pw_err shards_feed(struct shards *s, const ref_t *refs, uint64_t n, uint32_t space);
/* Pages [first, first + count) of a space are no more. */
void shards_drop(struct shards *s, uint32_t space, uint64_t first, uint64_t count);
/* Forgets what was counted, not what was seen.  => PW_NOMEM */
must_use enum pw_err shards_forget(struct shards *s);

/* At the sizes of scale.h. */
struct shards_result {
	double faults[SCALE_CELLS], error[SCALE_CELLS], written[SCALE_CELLS];
	double pages, rate;    /* estimated to have been touched; at the end */
	uint64_t sampled;      /* references that were looked at */
};
must_use enum pw_err shards_result(struct shards *s, struct shards_result *ret);
uint64_t shards_bytes(const struct shards *s);
