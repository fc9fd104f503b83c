/* htab.h - a hash table from 64-bit keys to 64-bit values.
 *
 * Open addressing with linear probing and backward-shift deletion, so there are no tombstones and a probe is one cache line in
 * the usual case (Knuth, The Art of Computer Programming 3, 6.4, algorithm R).  Every key is allowed. */
#pragma once
#include "err.h"
#include <stdbool.h>
#include <stdint.h>

struct htab_slot {
	uint64_t key, value;
};
struct htab {
	struct htab_slot *slot; /* 2^bits of them */
	uint8_t *full;
	uint64_t count;
	unsigned bits;
};

must_use enum pw_err htab_init(struct htab *h, uint64_t expected);
void htab_fini(struct htab *h);
/* => NULL when absent; the pointer is valid until the next put or delete. */
uint64_t *htab_get(const struct htab *h, uint64_t key);
/* => the value's place, new (0) or old; NULL when memory ran out and nothing changed. */
uint64_t *htab_put(struct htab *h, uint64_t key);
bool htab_delete(struct htab *h, uint64_t key);
void htab_clear(struct htab *h);
/* Visits in an order fixed by the history of the table.  i starts at 0; false at the end. */
bool htab_each(const struct htab *h, uint64_t *i, uint64_t *ret_key, uint64_t *ret_value);
const char *htab_flaw(const struct htab *h);
