/* mglru.c - Linux's multi-generational lru, for pages known by their accessed bits.
 *
 * Problem: two lists tell little about age, and looking up the mappings of one page after another is slow.
 * Idea: up to four generations.  A walk through all page tables puts every page whose bit is set into the youngest generation and
 * then opens a new one; pages leave from the oldest, unless their bit has been set since: then they go to the youngest.
 *
 *      oldest                             youngest
 *      [ a b c ]   [ d e f ]   [ g h ]   [ newcomers ]
 *       ^ evict here                      ^ a page found used goes here
 *
 * 1. oldest <= youngest < oldest + 4; a page is in the ring of its generation, numbered modulo four.
 * 2. Pages are evicted only while there are three generations or more, so that each has had time to be used; otherwise a walk
 *    opens another first.
 * What the kernel's tiers (for reads through file descriptors), memory groups and Bloom filters add is left out: nothing here is
 * read through a file descriptor.
 * Source: Y. Zhao, "Multi-gen LRU", Linux 6.1, Documentation/mm/multigen_lru.rst and mm/vmscan.c. */
#include "drive.h"
#include "ghost.h"
#include "ring.h"

enum { GENERATIONS = 4, GENERATIONS_LEAST = 2 };

struct mglru {
	const struct policy_env *env;
	struct ring_link *link;  /* slots, then the head of each generation */
	uint8_t *generation;     /* by slot, modulo GENERATIONS */
	uint32_t count[GENERATIONS];
	uint32_t n_slots;
	uint64_t oldest, youngest;
};

static size_t mglru_layout(struct mglru *m, char *base, uint32_t n)
{
	struct block b = { .base = base, .used = (sizeof *m + 15) & ~15ul };
	m->link = block_take(&b, (size_t)n + GENERATIONS, sizeof *m->link);
	m->generation = block_take(&b, n, 1);
	return b.used;
}

static size_t mglru_bytes(uint32_t n_slots, const struct policy_params *p)
{
	struct mglru m;
	(void)p;
	return mglru_layout(&m, NULL, n_slots);
}

static struct ring mglru_ring(const struct mglru *m, uint64_t generation)
{
	return (struct ring){ .link = m->link, .head = m->n_slots + (uint32_t)(generation % GENERATIONS) };
}

static void mglru_init(void *self, uint32_t n_slots, const struct policy_env *env)
{
	struct mglru *m = self;
	mglru_layout(m, self, n_slots);
	m->env = env;
	m->n_slots = n_slots;
	m->youngest = GENERATIONS_LEAST;
	for (unsigned i = 0; i < GENERATIONS; i++) {
		struct ring r = mglru_ring(m, i);
		ring_init(&r, m->link, r.head);
	}
}

static void mglru_put(struct mglru *m, uint32_t slot, uint64_t generation)
{
	struct ring r = mglru_ring(m, generation);
	ring_push_back(&r, slot);
	m->generation[slot] = generation % GENERATIONS;
	m->count[m->generation[slot]]++;
}

static void mglru_leave(void *self, uint32_t slot)
{
	struct mglru *m = self;
	struct ring r = mglru_ring(m, m->generation[slot]);
	ring_remove(&r, slot);
	m->count[m->generation[slot]]--;
}

static void mglru_enter(void *self, uint32_t slot, uint64_t key)
{
	struct mglru *m = self;
	(void)key;
	mglru_put(m, slot, m->youngest);
}

/* The walk: oldest generation first. */
static void mglru_age(struct mglru *m)
{
	for (uint64_t g = m->oldest; g <= m->youngest; g++) {
		struct ring r = mglru_ring(m, g);
		uint32_t left = m->count[g % GENERATIONS];
		for (uint32_t s = ring_first(&r), next; left; s = next, left--) {
			next = ring_next(&r, s);
			if (!policy_was_used(m->env, s) || g == m->youngest)
				continue;
			mglru_leave(m, s);
			mglru_put(m, s, m->youngest);
		}
	}
	m->youngest++;
}

/* => at least three generations, the oldest of which has pages if any but the two youngest has */
static void mglru_prepare(struct mglru *m)
{
	for (;;) {
		while (m->oldest + GENERATIONS_LEAST <= m->youngest && !m->count[m->oldest % GENERATIONS])
			m->oldest++;
		if (m->oldest + GENERATIONS_LEAST <= m->youngest)
			return;
		mglru_age(m);
	}
}

static uint32_t mglru_from_oldest(struct mglru *m)
{
	struct ring r = mglru_ring(m, m->oldest);
	for (uint32_t s = ring_first(&r), next; s != r.head; s = next) {
		next = ring_next(&r, s);
		if (!policy_may_evict(m->env, s))
			continue;
		bool used = policy_was_used(m->env, s);
		mglru_leave(m, s);
		if (!used)
			return s;
		mglru_put(m, s, m->youngest);
	}
	return POLICY_SLOT_NONE;
}

static bool mglru_any(const struct mglru *m)
{
	for (unsigned i = 0; i < GENERATIONS; i++)
		if (m->count[i])
			return true;
	return false;
}

/* Busy pages must not block their generation for ever: they go to the youngest. */
static void mglru_release(struct mglru *m)
{
	struct ring r = mglru_ring(m, m->oldest);
	uint32_t s;
	while ((s = ring_first(&r)) != r.head) {
		mglru_leave(m, s);
		mglru_put(m, s, m->youngest);
	}
}

static uint32_t mglru_victim(void *self)
{
	struct mglru *m = self;
	for (unsigned tries = 0; tries < 4 * GENERATIONS && mglru_any(m); tries++) {
		mglru_prepare(m);
		uint32_t slot = mglru_from_oldest(m);
		if (slot != POLICY_SLOT_NONE)
			return slot;
		mglru_release(m);
	}
	return POLICY_SLOT_NONE;
}

static const char *mglru_flaw(const void *self)
{
	const struct mglru *m = self;
	if (m->youngest < m->oldest || m->youngest - m->oldest >= GENERATIONS)
		return "mglru: there are more generations than four";
	for (unsigned i = 0; i < GENERATIONS; i++) {
		struct ring r = mglru_ring(m, i);
		uint32_t n = 0;
		for (uint32_t s = ring_first(&r); s != r.head; s = ring_next(&r, s)) {
			if (m->generation[s] != i || ++n > m->count[i])
				return "mglru: a page is in another generation than it thinks";
		}
		if (n != m->count[i])
			return "mglru: pages are missing from a generation";
	}
	return NULL;
}

POLICY_DRIVE_DECLARE(mglru)
const struct policy_ops policy_mglru = {
	.name = "mglru",
	.paper = "Y. Zhao, Linux 6.1, 2022",
	.variant = "accessed bits alone, without tiers; walks go from old to young; a newcomer's bit is set, as a page fault sets it",
	.sees = POLICY_SEES_BITS,
	.arrival_counts = true,
	.bytes = mglru_bytes,
	.init = mglru_init,
	.enter = mglru_enter,
	.victim = mglru_victim,
	.leave = mglru_leave,
	.flaw = mglru_flaw,
	.drive = mglru_drive,
};
POLICY_DRIVE(mglru)
