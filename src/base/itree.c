/* itree.c - a treap of disjoint intervals that knows its holes.
 *
 * Problem: an address space must answer three questions in logarithmic time: which mapping covers this address, which comes
 * next, and where is the lowest or highest hole of a given size.
 * Idea: a binary search tree by start that is at the same time a heap by random priority (so it is balanced in expectation
 * whatever the order of insertions), each node augmented with what its subtree spans and the largest hole inside it.
 *
 *              [40,50)  lo 10  hi 90  hole 20 = from 50 to 70
 *             /       \
 *        [10,35)     [70,90)          the hole of a node is the largest of: its children's holes, the gap between the
 *                                     left subtree's hi and its start, the gap between its end and the right subtree's lo
 *
 * 1. In order, every end <= the next start; no interval is empty.
 * 2. A parent's priority is at least its children's.
 * 3. lo, hi and hole of every node are what the drawing says.
 * Rejected: red-black trees (the same bounds with three times the code), a sorted array (mappings come and go in the middle).
 * Source: Seidel and Aragon, "Randomized search trees", Algorithmica 16 (1996). */
#include "itree.h"
#include <assert.h>
#include <stddef.h>

void itree_init(struct itree *t)
{
	*t = (struct itree){ .seed = 0x2545f491 };
}

static uint32_t priority_next(struct itree *t)
{
	t->seed ^= t->seed << 13;
	t->seed ^= t->seed >> 17;
	return t->seed ^= t->seed << 5;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void node_update(struct itree_node *n)
{
	n->lo = n->start;
	n->hi = n->end;
	n->hole = 0;
	if (n->left) {
		n->lo = n->left->lo;
		n->hole = max_u64(n->left->hole, n->start - n->left->hi);
	}
	if (n->right) {
		n->hi = n->right->hi;
		n->hole = max_u64(n->hole, max_u64(n->right->hole, n->right->lo - n->end));
	}
}

static void update_upwards(struct itree_node *n)
{
	for (; n; n = n->parent)
		node_update(n);
}

/* The pointer that points to n: its parent's, or the root. */
static struct itree_node **link_to(struct itree *t, struct itree_node *n)
{
	if (!n->parent)
		return &t->root;
	return n->parent->left == n ? &n->parent->left : &n->parent->right;
}

/* Puts n where its parent p is, and p below it; the order of the nodes stays.  n's extent is brought up to date, its new
 * parent's is not. */
static void rotate_up(struct itree *t, struct itree_node *n)
{
	struct itree_node *p = n->parent, *inner;
	struct itree_node **top = link_to(t, p);
	if (p->left == n) {
		inner = p->left = n->right;
		n->right = p;
	} else {
		inner = p->right = n->left;
		n->left = p;
	}
	if (inner)
		inner->parent = p;
	n->parent = p->parent;
	p->parent = n;
	*top = n;
	node_update(p);
	node_update(n);
}

void itree_insert(struct itree *t, struct itree_node *node)
{
	assert(node->start < node->end);
	struct itree_node **at = &t->root, *parent = NULL;
	while (*at) {
		parent = *at;
		at = node->start < parent->start ? &parent->left : &parent->right;
	}
	node->left = node->right = NULL;
	node->parent = parent;
	node->priority = priority_next(t);
	*at = node;
	node_update(node);
	while (node->parent && node->parent->priority < node->priority)
		rotate_up(t, node);
	update_upwards(node->parent);
	t->count++;
}

void itree_remove(struct itree *t, struct itree_node *node)
{
	while (node->left && node->right)
		rotate_up(t, node->left->priority > node->right->priority ? node->left : node->right);
	struct itree_node *child = node->left ? node->left : node->right;
	*link_to(t, node) = child;
	if (child)
		child->parent = node->parent;
	update_upwards(node->parent);
	node->left = node->right = node->parent = NULL;
	t->count--;
}

void itree_resize(struct itree *t, struct itree_node *node, uint64_t start, uint64_t end)
{
	(void)t;
	assert(start < end);
	node->start = start;
	node->end = end;
	update_upwards(node);
}

struct itree_node *itree_find(const struct itree *t, uint64_t point)
{
	struct itree_node *n = t->root;
	while (n && (point < n->start || point >= n->end))
		n = point < n->start ? n->left : n->right;
	return n;
}

struct itree_node *itree_at_or_after(const struct itree *t, uint64_t point)
{
	struct itree_node *best = NULL;
	for (struct itree_node *n = t->root; n;) {
		if (n->end > point) {
			best = n;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	return best;
}

struct itree_node *itree_first(const struct itree *t)
{
	struct itree_node *n = t->root;
	while (n && n->left)
		n = n->left;
	return n;
}

struct itree_node *itree_next(const struct itree_node *n)
{
	if (n->right) {
		n = n->right;
		while (n->left)
			n = n->left;
		return (struct itree_node *)n;
	}
	while (n->parent && n->parent->right == n)
		n = n->parent;
	return n->parent;
}

struct itree_node *itree_prev(const struct itree_node *n)
{
	if (n->left) {
		n = n->left;
		while (n->right)
			n = n->right;
		return (struct itree_node *)n;
	}
	while (n->parent && n->parent->left == n)
		n = n->parent;
	return n->parent;
}

/* A search for a hole: the limits, what is wanted, and where it was found. */
struct hunt {
	uint64_t lo, hi, size;
	bool highest;
	uint64_t found;
};

/* Whether the gap [from, to), clipped to the limits, has the room. */
static bool gap_fits(struct hunt *h, uint64_t from, uint64_t to)
{
	from = from > h->lo ? from : h->lo;
	to = to < h->hi ? to : h->hi;
	if (from >= to || to - from < h->size)
		return false;
	h->found = h->highest ? to - h->size : from;
	return true;
}

/* Looks in the space [from, to) that holds n's subtree and nothing else.  Subtrees outside the limits or without a hole that is
 * large enough are not entered, so only the two paths along the limits can be walked in vain. */
static bool hole_find(struct hunt *h, const struct itree_node *n, uint64_t from, uint64_t to)
{
	if (to <= h->lo || from >= h->hi)
		return false;
	if (!n)
		return gap_fits(h, from, to);
	if (max_u64(n->hole, max_u64(n->lo - from, to - n->hi)) < h->size)
		return false;
	if (h->highest)
		return hole_find(h, n->right, n->end, to) || hole_find(h, n->left, from, n->start);
	return hole_find(h, n->left, from, n->start) || hole_find(h, n->right, n->end, to);
}

static bool hole_search(const struct itree *t, struct hunt h, uint64_t *ret)
{
	if (!h.size || !hole_find(&h, t->root, 0, UINT64_MAX))
		return false;
	*ret = h.found;
	return true;
}

bool itree_hole_low(const struct itree *t, uint64_t lo, uint64_t hi, uint64_t size, uint64_t *ret)
{
	return hole_search(t, (struct hunt){ .lo = lo, .hi = hi, .size = size }, ret);
}

bool itree_hole_high(const struct itree *t, uint64_t lo, uint64_t hi, uint64_t size, uint64_t *ret)
{
	return hole_search(t, (struct hunt){ .lo = lo, .hi = hi, .size = size, .highest = true }, ret);
}

/* Whether what n says of its subtree is what its children say. */
static bool node_is_current(const struct itree_node *n)
{
	struct itree_node fresh = *n;
	node_update(&fresh);
	return fresh.lo == n->lo && fresh.hi == n->hi && fresh.hole == n->hole;
}

static const char *node_flaw(const struct itree_node *n, const struct itree_node *parent)
{
	if (n->parent != parent)
		return "itree: a child does not know its parent";
	if (n->start >= n->end)
		return "itree: an interval is empty";
	if (parent && parent->priority < n->priority)
		return "itree: a child's priority exceeds its parent's";
	if ((n->left && n->left->hi > n->start) || (n->right && n->right->lo < n->end))
		return "itree: intervals overlap or are out of order";
	return node_is_current(n) ? NULL : "itree: a subtree's extent or largest hole is out of date";
}

static const char *subtree_flaw(const struct itree_node *n, const struct itree_node *parent, uint64_t *count)
{
	if (!n)
		return NULL;
	++*count;
	const char *flaw = subtree_flaw(n->left, n, count);
	if (!flaw)
		flaw = subtree_flaw(n->right, n, count);
	return flaw ? flaw : node_flaw(n, parent);
}

const char *itree_flaw(const struct itree *t)
{
	uint64_t count = 0;
	const char *flaw = subtree_flaw(t->root, NULL, &count);
	if (flaw)
		return flaw;
	return count == t->count ? NULL : "itree: the count differs from the number of nodes";
}
