/* lfu.c - least frequently used.
 *
 * Problem: keep what is used often, not what was used last.
 * Idea: pages of one count are a queue, the queues are a list in order of their counts, so that a reference moves a page from its
 * queue to the next, and the victim is the first of the first queue: all in constant time.
 *
 *      count 1: a - b - c     count 2: d     count 5: e - f          c is referenced: to the end of queue 2
 *
 * Every reference counts, also one right after another to the same page.  A page that comes back begins at one again.
 *
 * 1. Queues are in ascending order of count and none is empty.  A slot is in the queue that queue_of names.
 * 2. Within a queue pages are in the order in which they reached the count: the one that did so first leaves first.
 * 3. A lone page whose next count has no queue keeps its queue, which gets the new count: nothing moves.
 * Source: for the lists K. Shah, A. Mitra, D. Matani, "An O(1) algorithm for implementing the LFU cache eviction scheme" (2010). */
#include "drive.h"
#include "ghost.h"
#include "ring.h"

struct lfu_queue {
	uint64_t count;
	uint32_t below, above;   /* neighbouring queues, plus one; free: above is the next free one */
};
struct lfu {
	const struct policy_env *env;
	struct ring_link *link;  /* slots, then the head of each queue */
	uint32_t *queue_of;      /* by slot */
	struct lfu_queue *queue; /* as many as slots, and one while a page moves; the 0th is the list's own end */
	uint32_t n_slots, fresh, free;
};

static size_t lfu_layout(struct lfu *l, char *base, uint32_t n)
{
	struct block b = { .base = base, .used = (sizeof *l + 15) & ~15ul };
	l->link = block_take(&b, 2 * (size_t)n + 2, sizeof *l->link);
	l->queue_of = block_take(&b, n, sizeof *l->queue_of);
	l->queue = block_take(&b, (size_t)n + 2, sizeof *l->queue);
	return b.used;
}

static size_t lfu_bytes(uint32_t n_slots, const struct policy_params *p)
{
	struct lfu l;
	(void)p;
	return lfu_layout(&l, NULL, n_slots);
}

static void lfu_init(void *self, uint32_t n_slots, const struct policy_env *env)
{
	struct lfu *l = self;
	lfu_layout(l, self, n_slots);
	l->env = env;
	l->n_slots = n_slots;
	l->fresh = 1;
	l->queue[0] = (struct lfu_queue){ .below = 1, .above = 1 };
}

static inline struct ring lfu_ring(const struct lfu *l, uint32_t queue)
{
	return (struct ring){ .link = l->link, .head = l->n_slots + queue - 1 };
}

/* A queue for this count, above another. */
static inline uint32_t lfu_queue_add(struct lfu *l, uint32_t below, uint64_t count)
{
	uint32_t q = l->free ? l->free - 1 : l->fresh++, above = l->queue[below].above - 1;
	if (l->free)
		l->free = l->queue[q].above;
	l->queue[q] = (struct lfu_queue){ .count = count, .below = below + 1, .above = above + 1 };
	l->queue[below].above = l->queue[above].below = q + 1;
	struct ring r = lfu_ring(l, q);
	ring_init(&r, l->link, r.head);
	return q;
}

static inline void lfu_queue_drop(struct lfu *l, uint32_t q)
{
	struct lfu_queue gone = l->queue[q];
	l->queue[gone.below - 1].above = gone.above;
	l->queue[gone.above - 1].below = gone.below;
	l->link[l->n_slots + q - 1] = (struct ring_link){ 0, 0 };
	l->queue[q].above = l->free;
	l->free = q + 1;
}

static inline void lfu_put(struct lfu *l, uint32_t queue, uint32_t slot)
{
	struct ring r = lfu_ring(l, queue);
	ring_push_back(&r, slot);
	l->queue_of[slot] = queue;
}

static inline void lfu_leave(void *self, uint32_t slot)
{
	struct lfu *l = self;
	struct ring r = lfu_ring(l, l->queue_of[slot]);
	ring_remove(&r, slot);
	if (ring_first(&r) == r.head)
		lfu_queue_drop(l, l->queue_of[slot]);
}

static inline void lfu_enter(void *self, uint32_t slot, uint64_t key)
{
	struct lfu *l = self;
	uint32_t first = l->queue[0].above - 1;
	(void)key;
	if (first == 0 || l->queue[first].count != 1)
		first = lfu_queue_add(l, 0, 1);
	lfu_put(l, first, slot);
}

static inline void lfu_touch(void *self, uint32_t slot)
{
	struct lfu *l = self;
	uint32_t q = l->queue_of[slot], above = l->queue[q].above - 1;
	uint64_t count = l->queue[q].count + 1;
	bool exists = above && l->queue[above].count == count;
	struct ring_link at = l->link[slot];
	if (!exists && at.next == at.prev && at.next > l->n_slots) { /* alone */
		l->queue[q].count = count;
		return;
	}
	if (!exists)
		above = lfu_queue_add(l, q, count);
	lfu_leave(l, slot);
	lfu_put(l, above, slot);
}

static inline void lfu_soon(void *self, uint32_t node)
{
	struct lfu *l = self;
	policy_fetch(&l->link[node]);
	policy_fetch(&l->queue_of[node]);
}

static uint32_t lfu_victim(void *self)
{
	struct lfu *l = self;
	for (uint32_t q = l->queue[0].above - 1; q; q = l->queue[q].above - 1) {
		struct ring r = lfu_ring(l, q);
		uint32_t slot = ring_first_evictable(&r, l->env);
		if (slot == POLICY_SLOT_NONE)
			continue;
		lfu_leave(l, slot);
		return slot;
	}
	return POLICY_SLOT_NONE;
}

static const char *lfu_flaw(const void *self)
{
	const struct lfu *l = self;
	uint64_t count = 0;
	for (uint32_t q = l->queue[0].above - 1; q; q = l->queue[q].above - 1) {
		struct ring r = lfu_ring(l, q);
		if (l->queue[q].count <= count)
			return "lfu: the queues are not in order of their counts";
		if (ring_first(&r) == r.head)
			return "lfu: a queue is empty";
		count = l->queue[q].count;
		for (uint32_t s = ring_first(&r); s != r.head; s = ring_next(&r, s)) {
			if (l->queue_of[s] != q || ring_next(&r, ring_prev(&r, s)) != s)
				return "lfu: a slot is not in the queue it thinks it is in";
		}
	}
	return NULL;
}

POLICY_DRIVE_DECLARE(lfu)
const struct policy_ops policy_lfu = {
	.name = "lfu",
	.paper = "P. J. Denning, 1970; K. Shah, A. Mitra and D. Matani, 2010",
	.variant = "counts every reference and forgets the count of a page that leaves; among equals the first to reach the count leaves",
	.sees = POLICY_SEES_EVERY,
	.bytes = lfu_bytes,
	.init = lfu_init,
	.enter = lfu_enter,
	.touch = lfu_touch,
	.soon = lfu_soon,
	.victim = lfu_victim,
	.leave = lfu_leave,
	.flaw = lfu_flaw,
	.drive = lfu_drive,
};
POLICY_DRIVE(lfu)
