/* slab.h - room for objects of many sizes, none larger than a page, with little waste.
 *
 * An object is named by a reference that says where it lies, and belongs to an owner, a slot number, so that the pool can move it
 * and tell whose reference changed.  Not for threads: whoever owns the pool locks it. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Where an object lies: slab << 10 | its number in the slab, plus 1 so that 0 is no object. */
typedef uint64_t slab_ref;

struct slab_pool;

/* => NULL: out of memory.  capacity in bytes, UINT64_MAX for none. */
struct slab_pool *slab_create(uint32_t page_bytes, uint64_t capacity);
void slab_destroy(struct slab_pool *p);
/* Room for bytes <= page_bytes.  => 0: none within the capacity, or *ret_nomem when the host has none. */
slab_ref slab_take(struct slab_pool *p, uint32_t bytes, uint32_t owner, bool *ret_nomem);
void slab_give(struct slab_pool *p, slab_ref ref);
void *slab_bytes(const struct slab_pool *p, slab_ref ref);
/* => an object of these bytes would lie in a place of the same size */
bool slab_fits(const struct slab_pool *p, slab_ref ref, uint32_t bytes);
/* The owner of the object that is to move now from *ret_from, so that a thin slab can go; false: none is worth it.  Its bytes are
 * in both places until the caller has changed its reference to *ret_to and gives *ret_from back. */
bool slab_move(struct slab_pool *p, uint32_t *ret_owner, slab_ref *ret_from, slab_ref *ret_to);
uint64_t slab_held_bytes(const struct slab_pool *p); /* memory taken for slabs, slack included */
const char *slab_flaw(const struct slab_pool *p);
