/* slots.h - a table by slot number that grows where it is used.
 *
 * Leaves of equal size hang on one directory; a leaf comes into being, zeroed, when somebody makes it, and stays until the end.
 * What a leaf holds is its owner's business.  Looking up takes two loads and never waits; two threads that make the same leaf get
 * the same one. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { SLOTS_LEAF = 4096 };              /* slots of an ordinary leaf */
#define STORE_SLOTS_MAX (1ull << 31)     /* slots of any store that keeps bytes */

struct slots {
	void **leaf; /* read and written as atomics */
	uint64_t n_leaves;
	uint64_t n_used; /* no leaf was ever made at or behind this one; an atomic */
	uint32_t leaf_slots;
	uint64_t leaf_bytes;
};

/* => false: out of memory, or of address space */
bool slots_init(struct slots *t, uint64_t n_slots, uint32_t leaf_slots, uint64_t leaf_bytes);
void slots_fini(struct slots *t);
void *slots_make(struct slots *t, uint64_t slot); /* => NULL: out of memory */

/* => NULL: nobody made the leaf of this slot.  slot < n_slots */
static inline void *slots_leaf(const struct slots *t, uint64_t slot)
{
	return __atomic_load_n(&t->leaf[slot / t->leaf_slots], __ATOMIC_ACQUIRE);
}

/* For tables of one 64-bit or 32-bit word a slot: 0 where nothing was made. */
static inline uint64_t slots_word(const struct slots *t, uint64_t slot)
{
	const uint64_t *leaf = slots_leaf(t, slot);
	return leaf ? leaf[slot % t->leaf_slots] : 0;
}
