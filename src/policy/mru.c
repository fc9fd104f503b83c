/* mru.c - most recently used leaves first.
 *
 * Problem: a program that goes round a loop one page larger than memory needs next the page it has not used for longest: the very
 * page lru gives up.
 * Idea: give up the page used last.  Of such a loop all but one page stay.  Anywhere else it is about the worst choice there is,
 * so it serves database scans that know what they are, and as a warning.
 *
 * 1. The ring is in order of last use as far as told: arrival counts as a use.  The last that may go is the victim.
 * Source: H.-T. Chou, D. J. DeWitt, "An evaluation of buffer management strategies for relational database systems", VLDB (1985). */
#include "drive.h"
#include "ring.h"

struct mru {
	const struct policy_env *env;
	struct ring ring;
	struct ring_link link[];
};

static size_t mru_bytes(uint32_t n_slots, const struct policy_params *p)
{
	(void)p;
	return sizeof(struct mru) + ring_bytes(n_slots);
}

static void mru_init(void *self, uint32_t n_slots, const struct policy_env *env)
{
	struct mru *m = self;
	m->env = env;
	ring_init(&m->ring, m->link, n_slots);
}

static void mru_enter(void *self, uint32_t slot, uint64_t key)
{
	(void)key;
	ring_push_back(&((struct mru *)self)->ring, slot);
}

static void mru_touch(void *self, uint32_t slot)
{
	ring_refresh(&((struct mru *)self)->ring, slot);
}

static uint32_t mru_victim(void *self)
{
	struct mru *m = self;
	for (uint32_t s = ring_prev(&m->ring, m->ring.head); s != m->ring.head; s = ring_prev(&m->ring, s)) {
		if (policy_may_evict(m->env, s)) {
			ring_remove(&m->ring, s);
			return s;
		}
	}
	return POLICY_SLOT_NONE;
}

static void mru_leave(void *self, uint32_t slot)
{
	ring_remove(&((struct mru *)self)->ring, slot);
}

static const char *mru_flaw(const void *self)
{
	return ring_flaw(&((const struct mru *)self)->ring);
}

POLICY_DRIVE_DECLARE(mru)
const struct policy_ops policy_mru = {
	.name = "mru",
	.paper = "H.-T. Chou and D. J. DeWitt, 1985",
	.variant = "the page used last leaves; one that has just come in counts as used",
	.sees = POLICY_SEES_RECENCY,
	.arrival_counts = true,
	.bytes = mru_bytes,
	.init = mru_init,
	.enter = mru_enter,
	.touch = mru_touch,
	.victim = mru_victim,
	.leave = mru_leave,
	.flaw = mru_flaw,
	.drive = mru_drive,
};
POLICY_DRIVE(mru)
