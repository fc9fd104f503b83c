/* second_chance.c - fifo, but a page used since it was last looked at goes to the end of the queue once more.
 *
 * Problem: fifo throws out a page however often it is used.
 * Idea: look at the oldest.  If its bit is set, clear it and put the page at the end of the queue as if it had just come in;
 * otherwise it leaves.  Clock is the same policy with a hand instead of moving pages about, and has the same victims: the laws in
 * test/ hold the two together.
 *
 * 1. The ring is the queue; a round and one more step suffice, because the round clears every bit.
 * Source: P. J. Denning, "Virtual memory", Computing Surveys 2 (1970); the name: A. S. Tanenbaum, "Modern operating systems". */
#include "drive.h"
#include "ring.h"

struct second_chance {
	const struct policy_env *env;
	struct ring ring;
	struct ring_link link[];
};

static size_t second_chance_bytes(uint32_t n_slots, const struct policy_params *p)
{
	(void)p;
	return sizeof(struct second_chance) + ring_bytes(n_slots);
}

static void second_chance_init(void *self, uint32_t n_slots, const struct policy_env *env)
{
	struct second_chance *c = self;
	c->env = env;
	ring_init(&c->ring, c->link, n_slots);
}

static void second_chance_enter(void *self, uint32_t slot, uint64_t key)
{
	(void)key;
	ring_push_back(&((struct second_chance *)self)->ring, slot);
}

/* A page that may not go keeps its bit: it has not had its chance. */
static uint32_t second_chance_victim(void *self)
{
	struct second_chance *c = self;
	for (uint64_t left = 2ull * c->ring.count; left; left--) {
		uint32_t slot = ring_first(&c->ring);
		if (policy_may_evict(c->env, slot) && !policy_was_used(c->env, slot)) {
			ring_remove(&c->ring, slot);
			return slot;
		}
		ring_refresh(&c->ring, slot);
	}
	return POLICY_SLOT_NONE;
}

static void second_chance_leave(void *self, uint32_t slot)
{
	ring_remove(&((struct second_chance *)self)->ring, slot);
}

static const char *second_chance_flaw(const void *self)
{
	return ring_flaw(&((const struct second_chance *)self)->ring);
}

POLICY_DRIVE_DECLARE(second_chance)
const struct policy_ops policy_second_chance = {
	.name = "second-chance",
	.paper = "P. J. Denning, 1970; A. S. Tanenbaum, Modern Operating Systems",
	.variant = "the bit is set on load and on each reference; a page with its bit set goes to the end of the queue",
	.sees = POLICY_SEES_BITS,
	.arrival_counts = true,
	.bytes = second_chance_bytes,
	.init = second_chance_init,
	.enter = second_chance_enter,
	.victim = second_chance_victim,
	.leave = second_chance_leave,
	.flaw = second_chance_flaw,
	.drive = second_chance_drive,
};
POLICY_DRIVE(second_chance)
