/* htab.c - open addressing with linear probing.
 *
 * Problem: page numbers and identities must be looked up on paths that run once per fault or per page.
 * Idea: slots in one array, a byte beside it that says which are full, multiplicative hashing (the golden ratio spreads runs of
 * consecutive keys evenly), and deletion that closes the gap it makes, so that no tombstone ever lengthens a probe.
 *
 * 1. A key lies at or after its home slot, and every slot from home up to it is full (cyclically).
 * 2. At most three quarters of the slots are full, so every probe ends.
 * 3. slot and full are one allocation: growing fails before anything has changed.
 * Rejected: chaining (a cache miss per link), tombstones (tables that shrink and grow degrade), Robin Hood displacement (its
 * shorter worst case does not pay for the comparisons at this load).
 * Source: Knuth, The Art of Computer Programming 3, section 6.4, algorithms L and R. */
#include "htab.h"
#include "mem.h"
#include <string.h>

enum { BITS_MIN = 4 };

static uint64_t mask_of(const struct htab *h)
{
	return (1ull << h->bits) - 1;
}

static uint64_t home_of(const struct htab *h, uint64_t key)
{
	return (key ^ key >> 32) * 0x9e3779b97f4a7c15ull >> (64 - h->bits);
}

/* The slot that holds key, or the empty one where it belongs. */
static uint64_t probe(const struct htab *h, uint64_t key)
{
	uint64_t i = home_of(h, key);
	while (h->full[i] && h->slot[i].key != key)
		i = (i + 1) & mask_of(h);
	return i;
}

static enum pw_err table_make(struct htab *h, unsigned bits)
{
	struct htab_slot *slot = bits < 58 ? mem_alloc((sizeof *slot + 1) << bits) : NULL;
	if (!slot)
		return PW_NOMEM;
	h->slot = slot;
	h->full = (uint8_t *)(slot + (1ull << bits));
	h->bits = bits;
	h->count = 0;
	memset(h->full, 0, 1ull << bits);
	return PW_OK;
}

enum pw_err htab_init(struct htab *h, uint64_t expected)
{
	unsigned bits = BITS_MIN;
	while (bits < 58 && expected > (3ull << bits) / 4)
		bits++;
	*h = (struct htab){ 0 };
	return table_make(h, bits);
}

void htab_fini(struct htab *h)
{
	mem_free(h->slot);
	*h = (struct htab){ 0 };
}

uint64_t *htab_get(const struct htab *h, uint64_t key)
{
	uint64_t i = probe(h, key);
	return h->full[i] ? &h->slot[i].value : NULL;
}

static enum pw_err grow(struct htab *h)
{
	struct htab bigger;
	enum pw_err err = table_make(&bigger, h->bits + 1);
	if (err)
		return err;
	for (uint64_t i = 0; i <= mask_of(h); i++) {
		if (!h->full[i])
			continue;
		uint64_t to = probe(&bigger, h->slot[i].key);
		bigger.slot[to] = h->slot[i];
		bigger.full[to] = 1;
	}
	bigger.count = h->count;
	mem_free(h->slot);
	*h = bigger;
	return PW_OK;
}

uint64_t *htab_put(struct htab *h, uint64_t key)
{
	uint64_t i = probe(h, key);
	if (h->full[i])
		return &h->slot[i].value;
	if (h->count + 1 > (3ull << h->bits) / 4) {
		if (grow(h))
			return NULL;
		i = probe(h, key);
	}
	h->slot[i] = (struct htab_slot){ .key = key };
	h->full[i] = 1;
	h->count++;
	return &h->slot[i].value;
}

bool htab_delete(struct htab *h, uint64_t key)
{
	uint64_t mask = mask_of(h), gap = probe(h, key);
	if (!h->full[gap])
		return false;
	for (uint64_t i = (gap + 1) & mask; h->full[i]; i = (i + 1) & mask) {
		/* The member at i may move back into the gap unless its home lies cyclically after the gap. */
		if (((i - home_of(h, h->slot[i].key)) & mask) < ((i - gap) & mask))
			continue;
		h->slot[gap] = h->slot[i];
		gap = i;
	}
	h->full[gap] = 0;
	h->count--;
	return true;
}

void htab_clear(struct htab *h)
{
	memset(h->full, 0, 1ull << h->bits);
	h->count = 0;
}

bool htab_each(const struct htab *h, uint64_t *i, uint64_t *ret_key, uint64_t *ret_value)
{
	for (; *i <= mask_of(h); ++*i) {
		if (!h->full[*i])
			continue;
		*ret_key = h->slot[*i].key;
		*ret_value = h->slot[*i].value;
		++*i;
		return true;
	}
	return false;
}

const char *htab_flaw(const struct htab *h)
{
	uint64_t n = 0;
	for (uint64_t i = 0; i <= mask_of(h); i++) {
		if (h->full[i] > 1)
			return "htab: a full mark is neither 0 nor 1";
		if (!h->full[i])
			continue;
		n++;
		if (probe(h, h->slot[i].key) != i)
			return "htab: a key cannot be reached from its home slot";
	}
	if (n != h->count)
		return "htab: the count differs from the number of full slots";
	return h->count <= (3ull << h->bits) / 4 ? NULL : "htab: more than three quarters of the slots are full";
}
