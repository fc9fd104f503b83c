/* itree.h - disjoint intervals in order: who covers this point, who comes next, where is a hole.
 *
 * A treap (Seidel and Aragon 1996) of nodes embedded in their owners, ordered by start; each knows the largest hole in its
 * subtree, so finding space takes logarithmic time like everything else.  Intervals are [start, end), never empty, never
 * overlapping; the tree allocates nothing and cannot fail. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct itree_node {
	struct itree_node *left, *right, *parent;
	uint64_t start, end;
	uint64_t lo, hi;    /* the subtree's extent */
	uint64_t hole;      /* largest hole between two neighbours inside the subtree */
	uint32_t priority;
};
struct itree {
	struct itree_node *root;
	uint64_t count;
	uint32_t seed;
};

void itree_init(struct itree *t);
/* => node->start and node->end are set, and overlap nothing in the tree. */
void itree_insert(struct itree *t, struct itree_node *node);
void itree_remove(struct itree *t, struct itree_node *node);
/* Moves a bound of a node already in the tree.  => the order does not change and nothing overlaps. */
void itree_resize(struct itree *t, struct itree_node *node, uint64_t start, uint64_t end);
struct itree_node *itree_find(const struct itree *t, uint64_t point);     /* covers point, or NULL */
struct itree_node *itree_at_or_after(const struct itree *t, uint64_t point); /* first with end > point, or NULL */
struct itree_node *itree_first(const struct itree *t);
struct itree_node *itree_next(const struct itree_node *n);
struct itree_node *itree_prev(const struct itree_node *n);
/* The lowest place in [lo, hi) with room for size units.  => false when there is none. */
bool itree_hole_low(const struct itree *t, uint64_t lo, uint64_t hi, uint64_t size, uint64_t *ret);
/* The highest one. */
bool itree_hole_high(const struct itree *t, uint64_t lo, uint64_t hi, uint64_t size, uint64_t *ret);
const char *itree_flaw(const struct itree *t);
