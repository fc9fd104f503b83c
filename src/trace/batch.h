/* batch.h - references on their way from a reader to whoever reads the trace: a plain array, filled by records of any size.
 *
 * Whoever touches several bytes may touch several pages.  The access itself is one reference at its first byte, and each further
 * page of 4 KiB that it reaches into is one more, at the page's first byte.  A record may reach over more pages than a batch has
 * room for; what does not fit waits in the rest, and comes first the next time. */
#pragma once
#include "../machine/access.h"

enum {
	BATCH_REFS = 4096,
	BATCH_SLACK = 16,          /* room behind it, for the record that fills it */
	BATCH_PAGE_BYTES = 4096,   /* an access across this boundary is two references */
};

struct batch {
	unsigned n;
	enum access_kind rest_kind;
	uint64_t rest, rest_pages; /* the next page of an access that was not done, and how many of them */
	ref_t ref[BATCH_REFS + BATCH_SLACK];
};

/* => room for BATCH_SLACK references. */
static inline bool batch_has_room(const struct batch *b) { return b->n < BATCH_REFS && !b->rest_pages; }

static inline void batch_add(struct batch *b, uint64_t address, enum access_kind kind)
{
	b->ref[b->n++] = ref_make(vaddr(address), kind);
}

static inline void batch_drain(struct batch *b)
{
	for (; b->rest_pages && b->n < BATCH_REFS; b->rest_pages--) {
		batch_add(b, b->rest, b->rest_kind);
		b->rest += BATCH_PAGE_BYTES;
	}
}

/* An access of bytes bytes (0 counts as 1).  => of one record, only the last access may reach beyond two pages. */
static inline void batch_add_access(struct batch *b, uint64_t address, uint64_t bytes, enum access_kind kind)
{
	batch_add(b, address, kind);
	uint64_t page_end = (address | (BATCH_PAGE_BYTES - 1)) + 1, over = bytes - (page_end - address);
	if (__builtin_expect(bytes <= page_end - address, 1))
		return;
	batch_add(b, page_end, kind);
	if (over <= BATCH_PAGE_BYTES)
		return;
	b->rest = page_end + BATCH_PAGE_BYTES;
	b->rest_pages = (over - 1) / BATCH_PAGE_BYTES;
	b->rest_kind = kind;
}

/* Forgets everything, the rest too. */
static inline void batch_clear(struct batch *b) { b->n = 0, b->rest_pages = 0; }
