/* dense.c - leaves of words, found through a table of hashes.
 *
 * Problem: page numbers are sparse 64-bit numbers; tables indexed by page must be small and near each other.
 * Idea: programs' pages come in runs.  One probe finds the run, one load the word; the table of runs is so much smaller than the
 * table of pages that it stays in the caches.
 *
 *      key  [ space | page >> 9 | page & 511 ]       slot {run, leaf} ---> [ 512 words ]
 *             '------ hashed ----'                       (linear probing)
 *
 * 1. A slot's key stands at or after its home, and no empty slot lies between.
 * 2. At most half of the slots are full.  Leaves never move and never go.
 * Rejected: one hash entry for each page (four times the memory, and a miss of the host's cache for each reference), radix levels
 * (several dependent loads), smaller leaves (the table of runs outgrows the caches). */
#include "dense.h"
#include "../base/mem.h"

enum { BITS_MIN = 6 };

enum pw_err dense_init(struct dense *d)
{
	*d = (struct dense){ .bits = BITS_MIN };
	d->slot = mem_zalloc(1ull << BITS_MIN, sizeof *d->slot);
	return d->slot ? PW_OK : PW_NOMEM;
}

void dense_fini(struct dense *d)
{
	for (uint64_t i = 0; d->slot && i < 1ull << d->bits; i++)
		mem_free(d->slot[i].leaf);
	mem_free(d->slot);
	*d = (struct dense){ 0 };
}

/* The slot of a run, or the empty one where it belongs. */
static struct dense_slot *probe(const struct dense *d, uint64_t key)
{
	uint64_t want = (key >> DENSE_LEAF_SHIFT) + 1, mask = (1ull << d->bits) - 1;
	uint64_t i = (uint64_t)(dense_home(d, key) - d->slot);
	while (d->slot[i].key && d->slot[i].key != want)
		i = (i + 1) & mask;
	return &d->slot[i];
}

static enum pw_err grow(struct dense *d)
{
	struct dense bigger = { .bits = d->bits + 1, .n_leaves = d->n_leaves };
	bigger.slot = mem_zalloc(1ull << bigger.bits, sizeof *bigger.slot);
	if (!bigger.slot)
		return PW_NOMEM;
	for (uint64_t i = 0; i < 1ull << d->bits; i++)
		if (d->slot[i].key)
			*probe(&bigger, (d->slot[i].key - 1) << DENSE_LEAF_SHIFT) = d->slot[i];
	mem_free(d->slot);
	*d = bigger;
	return PW_OK;
}

uint32_t *dense_put(struct dense *d, uint64_t key)
{
	struct dense_slot *s = probe(d, key);
	if (!s->key) {
		if (d->n_leaves * 2 >= 1ull << d->bits) {
			if (grow(d) != PW_OK)
				return NULL;
			s = probe(d, key);
		}
		s->leaf = mem_zalloc(DENSE_LEAF, sizeof *s->leaf);
		if (!s->leaf)
			return NULL;
		s->key = (key >> DENSE_LEAF_SHIFT) + 1;
		d->n_leaves++;
	}
	return &s->leaf[key & (DENSE_LEAF - 1)];
}

static void leaf_each(uint32_t *leaf, uint64_t base, uint64_t first, uint64_t end,
                      void (*visit)(void *ctx, uint64_t key, uint32_t *word), void *ctx)
{
	uint64_t from = first > base ? first - base : 0, to = end - base < DENSE_LEAF ? end - base : DENSE_LEAF;
	for (uint64_t i = from; i < to; i++)
		if (leaf[i])
			visit(ctx, base + i, &leaf[i]);
}

void dense_each(struct dense *d, uint64_t first, uint64_t count, void (*visit)(void *ctx, uint64_t key, uint32_t *word), void *ctx)
{
	uint64_t end = first + count, runs = (count >> DENSE_LEAF_SHIFT) + 2;
	if (runs > 1ull << d->bits) { /* fewer slots than runs: look at every slot */
		for (uint64_t i = 0; i < 1ull << d->bits; i++) {
			uint64_t base = (d->slot[i].key - 1) << DENSE_LEAF_SHIFT;
			if (d->slot[i].key && base < end && base + DENSE_LEAF > first)
				leaf_each(d->slot[i].leaf, base, first, end, visit, ctx);
		}
		return;
	}
	for (uint64_t base = first & ~(uint64_t)(DENSE_LEAF - 1); base < end; base += DENSE_LEAF) {
		uint32_t *leaf = dense_get(d, base);
		if (leaf)
			leaf_each(leaf, base, first, end, visit, ctx);
	}
}

uint64_t dense_bytes(const struct dense *d)
{
	return (sizeof *d->slot << d->bits) + d->n_leaves * DENSE_LEAF * sizeof(uint32_t);
}
