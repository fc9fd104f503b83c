/* slots.c - a table by slot number that grows where it is used.
 *
 * Problem: slots are numbered by others, up to two thousand million of them, few may ever be used, and two threads may meet the
 * same new corner at once, in a place where the heap must not be touched.
 * Idea: one reserved directory of pointers, of which only the touched part costs memory, and leaves reserved likewise; a new leaf is
 * published by compare-and-swap, and who comes second gives its own back.
 *
 * 1. A leaf, once there, never moves and never goes before slots_fini.
 * Rejected: one reserved array for all slots (memory limits on address space refuse it), a hash table (it must be locked to grow). */
#include "slots.h"
#include "../base/mem.h"

bool slots_init(struct slots *t, uint64_t n_slots, uint32_t leaf_slots, uint64_t leaf_bytes)
{
	*t = (struct slots){ .leaf_slots = leaf_slots, .leaf_bytes = leaf_bytes };
	t->n_leaves = (n_slots + leaf_slots - 1) / leaf_slots;
	t->leaf = mem_reserve(t->n_leaves * sizeof *t->leaf);
	return t->leaf != NULL;
}

void slots_fini(struct slots *t)
{
	if (!t->leaf)
		return;
	for (uint64_t i = 0; i < t->n_used; i++)
		mem_unreserve(t->leaf[i], t->leaf_bytes);
	mem_unreserve(t->leaf, t->n_leaves * sizeof *t->leaf);
	t->leaf = NULL;
}

void *slots_make(struct slots *t, uint64_t slot)
{
	void **at = &t->leaf[slot / t->leaf_slots], *there = slots_leaf(t, slot);
	if (there)
		return there;
	void *made = mem_reserve(t->leaf_bytes);
	if (!made)
		return NULL;
	uint64_t used = __atomic_load_n(&t->n_used, __ATOMIC_RELAXED), end = slot / t->leaf_slots + 1;
	while (used < end && !__atomic_compare_exchange_n(&t->n_used, &used, end, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		continue;
	if (__atomic_compare_exchange_n(at, &there, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return made;
	mem_unreserve(made, t->leaf_bytes);
	return there;
}
