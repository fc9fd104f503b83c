/* pages.h - pages by index: a sparse array of 32-bit words, one for each page of a space or an object.
 *
 * A radix tree that costs little where pages lie together and is walked in order.  A word of 0 is the same as no word. */
#pragma once
#include "../base/err.h"
#include <stdbool.h>
#include <stdint.h>

struct pages {
	void *root;
	unsigned height;        /* 0: the root is a leaf */
	uint64_t count;         /* words that are not 0 */
	uint64_t bytes;         /* of host memory in leaves and nodes */
	uint64_t cached_index;  /* of the leaf found last */
	uint32_t *cached_leaf;  /* NULL: none */
};

void pages_init(struct pages *p);
void pages_fini(struct pages *p);
/* The word at index; 0 when there is none. */
uint32_t pages_get(struct pages *p, uint64_t index);
/* => word is not 0.  PW_NOMEM: nothing changed; it cannot happen where the word was not 0 before. */
must_use enum pw_err pages_set(struct pages *p, uint64_t index, uint32_t word);
void pages_clear(struct pages *p, uint64_t index);
/* The first word that is not 0 at or after *index and before end: its index goes there.  => 0: there is none. */
uint32_t pages_next(struct pages *p, uint64_t *index, uint64_t end);
const char *pages_flaw(const struct pages *p);
