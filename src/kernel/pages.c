/* pages.c - a radix tree of words.
 *
 * Problem: from a page number to what is known of the page, for spaces whose pages lie in a few dense clusters far apart: in
 * order, without ever copying a large table, at a few bytes a page.
 * Idea: leaves of 16 words, exactly one cache line, below nodes of 64 children; the tree is as high as its largest index needs.
 * The leaf found last is remembered: faults come in clusters too.
 *
 *      index  = | ... 6 bits | 6 bits | 4 bits |
 *                                 |        `--- word of a leaf (level 0)
 *                                 `------------ child of a node at level 1, and so on up to height
 *
 * 1. A node's count is the number of its children; no node and no leaf is empty.
 * 2. count is the number of words that are not 0, bytes the size of all leaves and nodes.
 * 3. cached_leaf, when set, is the leaf of the indexes with cached_index above the leaf bits.
 * Rejected: a hash table of pages (no order, and growing stops everything), larger leaves (a lone page would cost as much). */
#include "pages.h"
#include "../base/mem.h"
#include <stddef.h>

enum { LEAF_BITS = 4, LEAF_WORDS = 1 << LEAF_BITS, NODE_BITS = 6, NODE_CHILDREN = 1 << NODE_BITS };

struct node {
	uint32_t count;
	void *child[NODE_CHILDREN];
};

static size_t level_bytes(unsigned level) { return level ? sizeof(struct node) : LEAF_WORDS * sizeof(uint32_t); }
static unsigned level_shift(unsigned level) { return LEAF_BITS + (level - 1) * NODE_BITS; }
static unsigned child_at(uint64_t index, unsigned level) { return index >> level_shift(level) & (NODE_CHILDREN - 1); }

/* Does a tree of this height reach index? */
static bool height_reaches(unsigned height, uint64_t index)
{
	unsigned bits = LEAF_BITS + height * NODE_BITS;
	return bits >= 64 || !(index >> bits);
}

void pages_init(struct pages *p)
{
	*p = (struct pages){ 0 };
}

static void subtree_free(void *at, unsigned level)
{
	if (at && level) {
		struct node *n = at;
		for (unsigned i = 0; i < NODE_CHILDREN; i++)
			subtree_free(n->child[i], level - 1);
	}
	mem_free(at);
}

void pages_fini(struct pages *p)
{
	subtree_free(p->root, p->height);
	pages_init(p);
}

static uint32_t *leaf_find(struct pages *p, uint64_t index)
{
	if (p->cached_leaf && p->cached_index == index >> LEAF_BITS)
		return p->cached_leaf;
	if (!height_reaches(p->height, index))
		return NULL;
	void *at = p->root;
	for (unsigned level = p->height; at && level; level--)
		at = ((struct node *)at)->child[child_at(index, level)];
	if (at) {
		p->cached_leaf = at;
		p->cached_index = index >> LEAF_BITS;
	}
	return at;
}

uint32_t pages_get(struct pages *p, uint64_t index)
{
	const uint32_t *leaf = leaf_find(p, index);
	return leaf ? leaf[index & (LEAF_WORDS - 1)] : 0;
}

/* Puts nodes above the root until index is in reach. */
static enum pw_err tree_raise(struct pages *p, uint64_t index)
{
	while (!height_reaches(p->height, index)) {
		if (p->root) {
			struct node *n = mem_zalloc(1, sizeof *n);
			if (!n)
				return PW_NOMEM;
			p->bytes += level_bytes(1);
			n->count = 1;
			n->child[0] = p->root;
			p->root = n;
		}
		p->height++;
	}
	return PW_OK;
}

/* Frees what is empty on the way down to index. */
static void tree_prune(struct pages *p, uint64_t index)
{
	struct node *path[16];
	void **at = &p->root;
	unsigned level = p->height;
	for (; *at && level; level--) {
		path[level] = *at;
		at = &path[level]->child[child_at(index, level)];
	}
	bool empty = *at != NULL;
	for (unsigned i = 0; empty && i < LEAF_WORDS; i++)
		empty = !((uint32_t *)*at)[i];
	if (!empty && (*at || level == p->height))
		return;
	p->cached_leaf = NULL;
	if (empty) {
		mem_free(*at);
		p->bytes -= level_bytes(level);
		*at = NULL;
		if (level < p->height)
			path[level + 1]->count--;
	}
	for (level++; level <= p->height && !path[level]->count; level++) {
		void *gone = path[level];
		if (level < p->height) {
			path[level + 1]->child[child_at(index, level + 1)] = NULL;
			path[level + 1]->count--;
		} else {
			p->root = NULL;
		}
		mem_free(gone);
		p->bytes -= level_bytes(level);
	}
}

/* The leaf of index, with all nodes above it. */
static uint32_t *leaf_make(struct pages *p, uint64_t index)
{
	if (tree_raise(p, index))
		return NULL;
	void **at = &p->root;
	struct node *above = NULL;
	for (unsigned level = p->height;; level--) {
		if (!*at) {
			*at = mem_zalloc(1, level_bytes(level));
			if (!*at)
				return NULL;
			p->bytes += level_bytes(level);
			if (above)
				above->count++;
		}
		if (!level)
			return *at;
		above = *at;
		at = &above->child[child_at(index, level)];
	}
}

enum pw_err pages_set(struct pages *p, uint64_t index, uint32_t word)
{
	uint32_t *leaf = leaf_find(p, index);
	if (!leaf)
		leaf = leaf_make(p, index);
	if (!leaf) {
		tree_prune(p, index);
		return PW_NOMEM;
	}
	uint32_t *at = &leaf[index & (LEAF_WORDS - 1)];
	p->count += !*at;
	*at = word;
	return PW_OK;
}

void pages_clear(struct pages *p, uint64_t index)
{
	uint32_t *leaf = leaf_find(p, index);
	uint32_t *at = leaf ? &leaf[index & (LEAF_WORDS - 1)] : NULL;
	if (!at || !*at)
		return;
	*at = 0;
	p->count--;
	tree_prune(p, index);
}

/* The first index at or after *index below this subtree, whose indexes begin at base; the word, or 0. */
static uint32_t subtree_next(void *at, unsigned level, uint64_t base, uint64_t *index)
{
	if (!level) {
		const uint32_t *leaf = at;
		for (uint64_t i = *index > base ? *index - base : 0; i < LEAF_WORDS; i++) {
			if (leaf[i]) {
				*index = base + i;
				return leaf[i];
			}
		}
		return 0;
	}
	const struct node *n = at;
	unsigned shift = level_shift(level);
	for (uint64_t i = *index > base ? (*index - base) >> shift : 0; i < NODE_CHILDREN; i++) {
		uint32_t word = n->child[i] ? subtree_next(n->child[i], level - 1, base + (i << shift), index) : 0;
		if (word)
			return word;
	}
	return 0;
}

uint32_t pages_next(struct pages *p, uint64_t *index, uint64_t end)
{
	if (!p->root || *index >= end || !height_reaches(p->height, *index))
		return 0;
	uint64_t at = *index;
	uint32_t word = pages_get(p, at);
	if (!word)
		word = subtree_next(p->root, p->height, 0, &at);
	if (!word || at >= end)
		return 0;
	*index = at;
	return word;
}

/* Counts the words below, and their bytes; UINT64_MAX: something is wrong. */
static uint64_t subtree_words(const void *at, unsigned level, uint64_t *bytes)
{
	uint64_t words = 0, children = 0;
	*bytes += level_bytes(level);
	if (!level) {
		for (unsigned i = 0; i < LEAF_WORDS; i++)
			words += ((const uint32_t *)at)[i] != 0;
		return words ? words : UINT64_MAX;
	}
	const struct node *n = at;
	for (unsigned i = 0; i < NODE_CHILDREN; i++) {
		uint64_t below = n->child[i] ? subtree_words(n->child[i], level - 1, bytes) : 0;
		if (below == UINT64_MAX)
			return below;
		children += below != 0;
		words += below;
	}
	return children == n->count && children ? words : UINT64_MAX;
}

const char *pages_flaw(const struct pages *p)
{
	uint64_t bytes = 0, words = p->root ? subtree_words(p->root, p->height, &bytes) : 0;
	if (words == UINT64_MAX)
		return "pages: a leaf or node is empty, or a node's count is wrong";
	if (bytes != p->bytes)
		return "pages: the bytes differ from the leaves and nodes there are";
	return words == p->count ? NULL : "pages: the count differs from the words there are";
}
