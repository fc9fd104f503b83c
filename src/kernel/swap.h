/* swap.h - the slots of the swap store: which are used, and by which page.
 *
 * Slots are handed out one after the other, so that pages evicted together lie together and move in one transfer. */
#pragma once
#include "../base/err.h"
#include "../store/store.h"
#include <stdbool.h>
#include <stdint.h>

struct kernel;

struct swap {
	struct store *store; /* NULL: no swap */
	uint32_t *owner;     /* of each slot: an anonymous page, or 0 */
	uint64_t n_owners;   /* slots known so far: grows up to limit */
	uint64_t limit;
	uint64_t next;       /* where the search goes on */
	uint64_t used, peak, reads, writes; /* reads and writes in slots */
	struct pw_why why;   /* of the last failure */
};

void swap_init(struct swap *sw, struct store *store);
void swap_fini(struct swap *sw);
/* A free slot for this page.  => PW_NOSPACE: all are used, PW_NOMEM */
must_use enum pw_err swap_take(struct swap *sw, uint32_t anon, uint32_t *ret);
void swap_give(struct swap *sw, uint32_t slot);
static inline bool swap_is_full(const struct swap *sw) { return sw->used >= sw->limit; }

/* Moves the pages of frames to or from slots, in one transfer: consecutive slots cost less time.  Bytes only in runs that carry data.
 * => PW_IO and others from the store: nothing is known of the frames (read) or slots (write) */
enum { SWAP_CLUSTER = 32 };
must_use enum pw_err swap_read(struct kernel *k, uint32_t n, const uint32_t slots[], const uint32_t frames[]);
must_use enum pw_err swap_write(struct kernel *k, uint32_t n, const uint32_t slots[], const uint32_t frames[]);
const char *swap_flaw(const struct swap *sw);
