/* numbers.h - page numbers for objects whose names are too large to be any.
 *
 * Caches of blocks and of web objects name what they hold by numbers of 64 bits, often hashes; an address has 47 bits to call its
 * own.  A name below NUMBERS_OWN keeps its number, so that block traces look as they did; every other name gets the next number from
 * there on, in order of appearance.  Two names never share a page, and the same trace always gives the same pages. */
#pragma once
#include "../base/htab.h"

/* Half of the pages of 4 KiB that a 47-bit address can name. */
#define NUMBERS_OWN (1ull << 34)

struct numbers {
	struct htab given;   /* name -> page number */
};

static inline enum pw_err numbers_init(struct numbers *n) { return htab_init(&n->given, 64); }
static inline void numbers_fini(struct numbers *n) { htab_fini(&n->given); }
static inline void numbers_clear(struct numbers *n) { htab_clear(&n->given); }

/* => false: out of memory. */
static inline bool numbers_of(struct numbers *n, uint64_t name, uint64_t *ret_page)
{
	*ret_page = name;
	if (name < NUMBERS_OWN)
		return true;
	uint64_t count = n->given.count, *page = htab_put(&n->given, name);
	if (page && n->given.count > count)
		*page = NUMBERS_OWN + count;
	if (page)
		*ret_page = *page;
	return page != NULL;
}
