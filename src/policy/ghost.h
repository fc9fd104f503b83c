/* ghost.h - pages that have left and are remembered, and how a policy's one block of memory is divided.
 *
 * Where keys are small numbers (a duel), the driver has a word for each key that it does not need while the page is out, and a ghost
 * is found there (GHOST_MEMO, and its index plus one) instead of by hashing; the top bit of the word is the driver's.  Such a word is
 * a guess that the ghost's record confirms by its key: forgetting a ghost leaves the word of its page, which is far away, as it is.
 *
 * A ghost is a key without a slot.  A directory holds a bounded number of them, found by key through chained hashing; each has an
 * index below the capacity, so that a policy can keep ghosts in rings beside its slots (index + n_slots).  All zeros is an empty
 * directory, and only what is used costs host memory. */
#pragma once
#include "policy.h"

#define GHOST_NONE UINT32_MAX
#define GHOST_MEMO (1u << 30)
#define GHOST_KEY_NONE UINT64_MAX
#define GHOST_MOST (GHOST_MEMO - 2) /* of one directory, so that a memo can name them */

/* Divides a block; with base NULL it only measures. */
struct block {
	char *base;
	size_t used;
};

static inline void *block_take(struct block *b, size_t n, size_t bytes)
{
	void *at = b->base ? b->base + b->used : NULL;
	b->used += (n * bytes + 15) & ~(size_t)15;
	return at;
}

struct ghost {
	uint64_t key;
	uint32_t chain; /* next of the same hash, plus one; of a free one: the next free, plus one */
	uint32_t note;  /* the policy's own */
};
struct ghosts {
	uint32_t *const *memo; /* where the driver's words are, if it has any */
	struct ghost *at;
	uint32_t *bucket;     /* 2^bits of them: the first of the chain, plus one */
	uint32_t cap, fresh, free, count;
	unsigned bits;
};

/* => used before anything else, on a block that measures and again on the real one */
static inline void ghosts_layout(struct ghosts *g, struct block *b, uint32_t cap)
{
	*g = (struct ghosts){ .cap = cap, .bits = 1 };
	while (g->bits < 31 && 1u << g->bits < cap)
		g->bits++;
	g->at = block_take(b, cap ? cap : 1, sizeof *g->at);
	g->bucket = block_take(b, (size_t)1 << g->bits, sizeof *g->bucket);
}

/* Dense keys spread by the golden ratio (Knuth, 6.4). */
static inline uint32_t *ghosts_bucket(const struct ghosts *g, uint64_t key)
{
	return &g->bucket[key * 0x9e3779b97f4a7c15ull >> (64 - g->bits)];
}

static inline uint32_t ghosts_find(const struct ghosts *g, uint64_t key)
{
	if (*g->memo) {
		uint32_t word = (*g->memo)[key], i = (word & (GHOST_MEMO - 1)) - 1;
		return word & GHOST_MEMO && g->at[i].key == key ? i : GHOST_NONE;
	}
	for (uint32_t i = *ghosts_bucket(g, key); i; i = g->at[i - 1].chain) {
		if (g->at[i - 1].key == key)
			return i - 1;
	}
	return GHOST_NONE;
}

static inline bool ghosts_full(const struct ghosts *g) { return g->count >= g->cap; }

/* => the directory is not full and does not know the key */
static inline uint32_t ghosts_add(struct ghosts *g, uint64_t key, uint32_t note)
{
	uint32_t i = g->free ? g->free - 1 : g->fresh++;
	if (g->free)
		g->free = g->at[i].chain;
	g->at[i] = (struct ghost){ .key = key, .note = note };
	g->count++;
	if (*g->memo) {
		(*g->memo)[key] = ((*g->memo)[key] & ~(2 * GHOST_MEMO - 1)) | GHOST_MEMO | (i + 1);
		return i;
	}
	uint32_t *bucket = ghosts_bucket(g, key);
	g->at[i].chain = *bucket;
	*bucket = i + 1;
	return i;
}

static inline void ghosts_unchain(struct ghosts *g, uint32_t i)
{
	uint32_t *link = ghosts_bucket(g, g->at[i].key);
	while (*link != i + 1)
		link = &g->at[*link - 1].chain;
	*link = g->at[i].chain;
}

static inline void ghosts_drop(struct ghosts *g, uint32_t i)
{
	if (!*g->memo)
		ghosts_unchain(g, i);
	g->at[i].key = GHOST_KEY_NONE;
	g->at[i].chain = g->free;
	g->free = i + 1;
	g->count--;
}

/* NULL, or the broken invariant. */
static inline const char *ghosts_flaw(const struct ghosts *g)
{
	uint32_t n = 0;
	if (g->count > g->cap)
		return "policy: more ghosts than there may be";
	if (*g->memo)
		return NULL;
	for (uint32_t b = 0; b < 1u << g->bits; b++) {
		for (uint32_t i = g->bucket[b]; i; i = g->at[i - 1].chain, n++) {
			if (n > g->count || ghosts_bucket(g, g->at[i - 1].key) != &g->bucket[b])
				return "policy: a ghost is in the wrong chain";
		}
	}
	return n == g->count ? NULL : "policy: ghosts are lost";
}
