/* aging.c - a history of used bits in each page's counter: not frequently used, with aging.
 *
 * Problem: approximate lru with one bit for each page.
 * Idea: at each tick every page's counter is shifted right and its used bit comes in at the left, so a page used in the last tick
 * beats any that was not, and eight ticks are remembered.  The page with the smallest counter leaves.
 *
 *      used in ticks 1 0 1 1 (latest first):  counter 1011 0000        unused for two ticks:  0010 1100
 *
 * 1. A page is in the ring of its counter, all rings in order of arrival: of equals the one that came in first leaves.
 * 2. A newcomer counts as used in the tick before: 1000 0000, and its arrival sets no bit.
 * 3. Bits are read at ticks only; what happens between two ticks shows at the second.
 * Rejected: looking for the smallest counter at each eviction (a scan of all pages; the rings make it a scan at each tick).
 * Source: A. S. Tanenbaum, "Modern operating systems". */
#include "drive.h"
#include "ghost.h"
#include "ring.h"

enum { COUNTERS = 256, NEW = 128 };

struct aging {
	const struct policy_env *env;
	struct ring all;             /* in order of arrival */
	struct ring_link *all_link, *link;
	uint8_t *counter;
	uint64_t tick, due;
	uint32_t n_slots;
};

static const struct policy_param aging_param[] = {
	{ "tick", POLICY_COUNT, 0, 0, 1e15, "references between readings of the used bits; 0: four for each frame" },
	{ 0 },
};

static size_t aging_layout(struct aging *a, char *base, uint32_t n)
{
	struct block b = { .base = base, .used = (sizeof *a + 15) & ~15ul };
	a->all_link = block_take(&b, (size_t)n + 1, sizeof *a->link);
	a->link = block_take(&b, (size_t)n + COUNTERS, sizeof *a->link);
	a->counter = block_take(&b, n, 1);
	return b.used;
}

static size_t aging_bytes(uint32_t n_slots, const struct policy_params *p)
{
	struct aging a;
	(void)p;
	return aging_layout(&a, NULL, n_slots);
}

static struct ring aging_ring(const struct aging *a, unsigned counter)
{
	return (struct ring){ .link = a->link, .head = a->n_slots + counter };
}

static void aging_init(void *self, uint32_t n_slots, const struct policy_env *env)
{
	struct aging *a = self;
	aging_layout(a, self, n_slots);
	a->env = env;
	a->n_slots = n_slots;
	a->due = a->tick = env->params.value[0] > 0 ? (uint64_t)env->params.value[0] : 4ull * n_slots;
	ring_init(&a->all, a->all_link, n_slots);
	for (unsigned i = 0; i < COUNTERS; i++) {
		struct ring r = aging_ring(a, i);
		ring_init(&r, a->link, r.head);
	}
}

static void aging_put(struct aging *a, uint32_t slot, unsigned counter)
{
	struct ring r = aging_ring(a, counter);
	a->counter[slot] = (uint8_t)counter;
	ring_push_back(&r, slot);
}

static void aging_enter(void *self, uint32_t slot, uint64_t key)
{
	struct aging *a = self;
	(void)key;
	ring_push_back(&a->all, slot);
	aging_put(a, slot, NEW);
}

static void aging_leave(void *self, uint32_t slot)
{
	struct aging *a = self;
	struct ring r = aging_ring(a, a->counter[slot]);
	ring_remove(&a->all, slot);
	ring_remove(&r, slot);
}

static uint32_t aging_victim(void *self)
{
	struct aging *a = self;
	for (unsigned i = 0; i < COUNTERS; i++) {
		struct ring r = aging_ring(a, i);
		uint32_t slot = ring_first_evictable(&r, a->env);
		if (slot == POLICY_SLOT_NONE)
			continue;
		aging_leave(a, slot);
		return slot;
	}
	return POLICY_SLOT_NONE;
}

static uint64_t aging_due(const void *self)
{
	return ((const struct aging *)self)->due;
}

static uint32_t aging_wake(void *self)
{
	struct aging *a = self;
	if (a->env->now < a->due)
		return POLICY_SLOT_NONE;
	a->due = (a->env->now / a->tick + 1) * a->tick;
	for (uint32_t s = ring_first(&a->all); s != a->all.head; s = ring_next(&a->all, s)) {
		struct ring r = aging_ring(a, a->counter[s]);
		ring_remove(&r, s);
		aging_put(a, s, a->counter[s] >> 1 | (policy_was_used(a->env, s) ? NEW : 0u));
	}
	return POLICY_SLOT_NONE;
}

static const char *aging_flaw(const void *self)
{
	const struct aging *a = self;
	uint32_t n = 0;
	for (unsigned i = 0; i < COUNTERS; i++) {
		struct ring r = aging_ring(a, i);
		for (uint32_t s = ring_first(&r); s != r.head; s = ring_next(&r, s)) {
			if (a->counter[s] != i || ++n > a->all.count)
				return "aging: a slot is not in the ring of its counter";
		}
	}
	return n == a->all.count ? ring_flaw(&a->all) : "aging: a slot has no counter";
}

POLICY_DRIVE_DECLARE(aging)
const struct policy_ops policy_aging = {
	.name = "aging",
	.paper = "A. S. Tanenbaum, Modern Operating Systems",
	.variant = "counters of eight bits, a newcomer's is 128; of equals the page that came in first leaves",
	.sees = POLICY_SEES_BITS,
	.timed = true,
	.param = aging_param,
	.bytes = aging_bytes,
	.init = aging_init,
	.enter = aging_enter,
	.victim = aging_victim,
	.leave = aging_leave,
	.due = aging_due,
	.wake = aging_wake,
	.flaw = aging_flaw,
	.drive = aging_drive,
};
POLICY_DRIVE(aging)
