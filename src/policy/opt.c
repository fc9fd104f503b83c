/* opt.c - the optimal policy, which knows the future.
 *
 * Problem: how few faults are possible at all?  The yardstick for every other policy.
 * Idea: evict the page whose next reference is farthest away.  That needs the future, so it runs only where the driver can read
 * its trace twice; the driver is asked for a page's next use when the page comes in and when it is told to have been used.
 * A binary heap keeps the farthest on top.  Most references are to pages that come again soon and are never near the top, so a page
 * whose next use is within a horizon is kept out of the heap, and a hit on it costs nothing:
 *
 *      now            now + horizon
 *       |  out of the heap  |  in the heap, farthest on top: the victim          the horizon doubles after as many evictions as there
 *       '-------------------'----------------------------------------->          are slots, and halves when the top would be inside it
 *
 * 1. heap[0 .. count-1] is a heap by "leaves before"; place[heap[i]] == i + 1; place is 0 for slots not in use, NEAR for the others.
 * 2. next[slot] is the page's next use after its last known reference, so it is never in the past of a slot not told about.
 * 3. Whoever leaves is farther away than now + horizon, or nobody is NEAR; a NEAR page was within the horizon when it was last told
 *    of, and time has only passed since: so no NEAR page is farther away than who leaves.
 * 4. Among pages equally far away (never used again) the lowest slot leaves.  The choice cannot change the number of faults,
 *    but it decides which written pages are written back, so it must be fixed.
 * Source: L. A. Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems Journal 5 (1966);
 * optimality: R. L. Mattson and others, IBM Systems Journal 9 (1970). */
#include "drive.h"
#include "ring.h"

#define NEAR UINT32_MAX
#define HORIZON_MOST (1ull << 61) /* no sum with a time overflows */

struct opt_entry {
	uint64_t key, next;
	uint32_t heap, place;
};
struct opt {
	const struct policy_env *env;
	uint32_t count, n_near, n_slots;
	uint32_t high;            /* slots from here on were never used */
	uint32_t patience;        /* evictions until the horizon doubles */
	uint64_t horizon;
	struct opt_entry at[];
};

static size_t opt_bytes(uint32_t n_slots, const struct policy_params *p)
{
	(void)p;
	return sizeof(struct opt) + n_slots * sizeof(struct opt_entry);
}

static void opt_init(void *self, uint32_t n_slots, const struct policy_env *env)
{
	struct opt *o = self;
	o->env = env;
	o->n_slots = o->patience = n_slots;
}

static bool opt_leaves_before(const struct opt *o, uint32_t a, uint32_t b)
{
	uint64_t next_a = o->at[a].next, next_b = o->at[b].next;
	return next_a != next_b ? next_a > next_b : a < b;
}

static void opt_put(struct opt *o, uint32_t i, uint32_t slot)
{
	o->at[i].heap = slot;
	o->at[slot].place = i + 1;
}

static void opt_sift_up(struct opt *o, uint32_t i, uint32_t slot)
{
	while (i) {
		uint32_t up = (i - 1) / 2;
		if (!opt_leaves_before(o, slot, o->at[up].heap))
			break;
		opt_put(o, i, o->at[up].heap);
		i = up;
	}
	opt_put(o, i, slot);
}

static void opt_sift_down(struct opt *o, uint32_t i, uint32_t slot)
{
	for (;;) {
		uint64_t child = 2ull * i + 1;
		if (child >= o->count)
			break;
		if (child + 1 < o->count && opt_leaves_before(o, o->at[child + 1].heap, o->at[child].heap))
			child++;
		if (!opt_leaves_before(o, o->at[child].heap, slot))
			break;
		opt_put(o, i, o->at[child].heap);
		i = (uint32_t)child;
	}
	opt_put(o, i, slot);
}

static void opt_restore(struct opt *o, uint32_t i, uint32_t slot)
{
	if (i && opt_leaves_before(o, slot, o->at[(i - 1) / 2].heap))
		opt_sift_up(o, i, slot);
	else
		opt_sift_down(o, i, slot);
}

static void opt_heap_remove(struct opt *o, uint32_t slot)
{
	uint32_t i = o->at[slot].place - 1, last = o->at[--o->count].heap;
	if (last != slot)
		opt_restore(o, i, last);
}

static inline bool opt_is_far(const struct opt *o, uint32_t slot)
{
	uint64_t next = o->at[slot].next;
	return next == POLICY_NEVER || next > o->env->now + o->horizon;
}

/* The page's next use is known anew; it is in the heap, NEAR, or (place 0) neither. */
static inline void opt_place(struct opt *o, uint32_t slot)
{
	uint32_t place = o->at[slot].place;
	bool in_heap = place && place != NEAR;
	if (!opt_is_far(o, slot)) {
		if (in_heap)
			opt_heap_remove(o, slot);
		o->n_near += place != NEAR;
		o->at[slot].place = NEAR;
	} else if (in_heap) {
		opt_restore(o, place - 1, slot);
	} else {
		o->n_near -= place == NEAR;
		opt_sift_up(o, o->count++, slot);
	}
}

static void opt_enter(void *self, uint32_t slot, uint64_t key)
{
	struct opt *o = self;
	o->at[slot].key = key;
	o->at[slot].next = policy_next_use(o->env, key);
	o->high = slot < o->high ? o->high : slot + 1;
	opt_place(o, slot);
}

static inline void opt_touch(void *self, uint32_t slot)
{
	struct opt *o = self;
	o->at[slot].next = policy_next_use(o->env, o->at[slot].key);
	opt_place(o, slot);
}

static inline void opt_soon(void *self, uint32_t node)
{
	policy_fetch(&((struct opt *)self)->at[node]);
}

static void opt_leave(void *self, uint32_t slot)
{
	struct opt *o = self;
	if (o->at[slot].place == NEAR)
		o->n_near--;
	else
		opt_heap_remove(o, slot);
	o->at[slot].place = 0;
}

/* The best in the heap that may go: nearly always the top.  Otherwise every member is asked, which is rare enough to be slow. */
static uint32_t opt_best(struct opt *o)
{
	uint32_t best = POLICY_SLOT_NONE;
	for (uint32_t i = 0; i < o->count; i++) {
		uint32_t slot = o->at[i].heap;
		if (best != POLICY_SLOT_NONE && !opt_leaves_before(o, slot, best))
			continue;
		if (!policy_may_evict(o->env, slot))
			continue;
		best = slot;
		if (i == 0)
			break;
	}
	return best;
}

/* The horizon was too far: those beyond half of it, in the end all, go into the heap. */
static void opt_look_closer(struct opt *o)
{
	o->horizon /= 2;
	o->patience = o->n_slots;
	for (uint32_t slot = 0; slot < o->high; slot++) {
		if (o->at[slot].place == NEAR && (!o->horizon || opt_is_far(o, slot))) {
			o->n_near--;
			opt_sift_up(o, o->count++, slot);
		}
	}
}

static uint32_t opt_victim(void *self)
{
	struct opt *o = self;
	uint32_t best = opt_best(o);
	while (o->n_near && (best == POLICY_SLOT_NONE || !opt_is_far(o, best))) {
		opt_look_closer(o);
		best = opt_best(o);
	}
	if (best != POLICY_SLOT_NONE)
		opt_leave(o, best);
	if (!--o->patience) {
		o->patience = o->n_slots;
		o->horizon = !o->horizon ? o->n_slots : o->horizon < HORIZON_MOST ? 2 * o->horizon : o->horizon;
	}
	return best;
}

static const char *opt_flaw(const void *self)
{
	const struct opt *o = self;
	uint32_t near = 0;
	for (uint32_t i = 0; i < o->count; i++) {
		if (o->at[o->at[i].heap].place != i + 1)
			return "opt: a slot does not know its place in the heap";
		if (i && opt_leaves_before(o, o->at[i].heap, o->at[(i - 1) / 2].heap))
			return "opt: a slot lies below one that should leave after it";
	}
	for (uint32_t slot = 0; slot < o->high; slot++)
		near += o->at[slot].place == NEAR;
	return near == o->n_near ? NULL : "opt: pages near their next use are miscounted";
}

POLICY_DRIVE_DECLARE(opt)
const struct policy_ops policy_opt = {
	.name = "opt",
	.paper = "L. A. Belady, 1966",
	.variant = "farthest next use leaves; of pages never used again, the one in the lowest slot",
	.sees = POLICY_SEES_RECENCY,
	.timed = true,
	.arrival_counts = true,
	.wants_future = true,
	.bytes = opt_bytes,
	.init = opt_init,
	.enter = opt_enter,
	.touch = opt_touch,
	.soon = opt_soon,
	.victim = opt_victim,
	.leave = opt_leave,
	.flaw = opt_flaw,
	.drive = opt_drive,
};
POLICY_DRIVE(opt)
