/* lru.c - least recently used, exactly.
 *
 * Problem: programs come back to what they used lately, so the page unused for longest is the best guess at the one not needed.
 * Idea: keep the slots in order of last use.  Real hardware does not tell the order; this policy asks for it (RECENCY) and is
 * therefore an ideal that a kernel can only approximate.  It is a stack algorithm: what n frames hold is contained in what
 * n + 1 frames hold, so it has no Belady anomaly, and one pass gives its faults for every size.
 *
 * 1. The ring is in order of last use as far as told: arrival counts as a use.  The first that may go is the victim.
 * Source: R. L. Mattson, J. Gecsei, D. R. Slutz, I. L. Traiger, "Evaluation techniques for storage hierarchies", IBM Systems
 * Journal 9 (1970). */
#include "drive.h"
#include "fetch.h"

struct lru {
	const struct policy_env *env;
	struct ring ring;
	struct ring_link link[];
};

static size_t lru_bytes(uint32_t n_slots, const struct policy_params *p)
{
	(void)p;
	return sizeof(struct lru) + ring_bytes(n_slots);
}

static void lru_init(void *self, uint32_t n_slots, const struct policy_env *env)
{
	struct lru *l = self;
	l->env = env;
	ring_init(&l->ring, l->link, n_slots);
}

static void lru_enter(void *self, uint32_t slot, uint64_t key)
{
	(void)key;
	ring_push_back(&((struct lru *)self)->ring, slot);
}

static void lru_touch(void *self, uint32_t slot)
{
	struct lru *l = self;
	ring_refresh(&l->ring, slot);
}

static inline void lru_soon(void *self, uint32_t node)
{
	policy_fetch(&((struct lru *)self)->link[node]);
}

static uint32_t lru_victim(void *self)
{
	struct lru *l = self;
	uint32_t slot = ring_take_first(&l->ring, l->env);
	fetch_leaving_links(&l->ring, l->env);
	return slot;
}

static void lru_leave(void *self, uint32_t slot)
{
	ring_remove(&((struct lru *)self)->ring, slot);
}

static const char *lru_flaw(const void *self)
{
	return ring_flaw(&((const struct lru *)self)->ring);
}

POLICY_DRIVE_DECLARE(lru)
const struct policy_ops policy_lru = {
	.name = "lru",
	.paper = "R. L. Mattson, J. Gecsei, D. R. Slutz and I. L. Traiger, 1970",
	.variant = "the exact order of last use, which no hardware shows a kernel",
	.sees = POLICY_SEES_RECENCY,
	.arrival_counts = true,
	.bytes = lru_bytes,
	.init = lru_init,
	.enter = lru_enter,
	.touch = lru_touch,
	.soon = lru_soon,
	.victim = lru_victim,
	.leave = lru_leave,
	.flaw = lru_flaw,
	.drive = lru_drive,
};
POLICY_DRIVE(lru)
