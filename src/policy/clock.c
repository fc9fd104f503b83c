/* clock.c - second chance: recency from one bit per page.
 *
 * Problem: exact recency costs work at every reference; hardware gives one bit, "was referenced".
 * Idea: the pages stand in a circle and a hand goes round.  A page whose bit is set has it cleared and is passed over once; the
 * first page found with a clear bit is the victim.  A page used once a revolution never leaves.
 *
 *            A1  B0              the hand at A: A is referenced, its bit is cleared, the hand moves on; B is not: B leaves,
 *        H1        C1            and the hand stays behind the place B had, which is where the newcomer goes, so it is the
 *     -> ...                     last to be looked at
 *
 * 1. The ring is the circle; a newcomer is inserted just before the hand.
 * 2. The hand is a slot of the ring, or its head (which it steps over) when the next one to look at is the first.
 * 3. Two revolutions suffice: the first clears every bit.
 * Books differ on three choices; these are made here: the bit is set when a page is loaded and when it is referenced, and the
 * hand stays behind the frame it replaced rather than going back to the start.  clock-0 leaves the bit clear on load.
 * Source: F. J. Corbato, "A paging experiment with the Multics system", MIT Project MAC (1968). */
#include "drive.h"
#include "ring.h"

struct clock {
	const struct policy_env *env;
	struct ring ring;
	uint32_t hand;
	struct ring_link link[];
};

static size_t clock_bytes(uint32_t n_slots, const struct policy_params *p)
{
	(void)p;
	return sizeof(struct clock) + ring_bytes(n_slots);
}

static void clock_init(void *self, uint32_t n_slots, const struct policy_env *env)
{
	struct clock *c = self;
	c->env = env;
	ring_init(&c->ring, c->link, n_slots);
	c->hand = c->ring.head;
}

static void clock_enter(void *self, uint32_t slot, uint64_t key)
{
	struct clock *c = self;
	(void)key;
	ring_insert_before(&c->ring, c->hand, slot);
}

static void clock_leave(void *self, uint32_t slot)
{
	struct clock *c = self;
	if (c->hand == slot)
		c->hand = ring_next(&c->ring, slot);
	ring_remove(&c->ring, slot);
}

/* Is this the one?  A page that may not go keeps its bit: it has not had its chance. */
static bool clock_chooses(struct clock *c, uint32_t slot)
{
	return policy_may_evict(c->env, slot) && !policy_was_used(c->env, slot);
}

static uint32_t clock_victim(void *self)
{
	struct clock *c = self;
	for (uint64_t left = 2ull * c->ring.count + 1; left; left--) {
		if (c->hand == c->ring.head)
			c->hand = ring_first(&c->ring);
		uint32_t slot = c->hand;
		if (slot == c->ring.head)
			break;
		if (clock_chooses(c, slot)) {
			clock_leave(c, slot);
			return slot;
		}
		c->hand = ring_next(&c->ring, slot);
	}
	return POLICY_SLOT_NONE;
}

static const char *clock_flaw(const void *self)
{
	const struct clock *c = self;
	if (!ring_has(&c->ring, c->hand))
		return "clock: the hand points at a slot that is not in the circle";
	return ring_flaw(&c->ring);
}

POLICY_DRIVE_DECLARE(clock)
const struct policy_ops policy_clock = {
	.name = "clock",
	.paper = "F. J. Corbato, 1968",
	.variant = "the bit is set on load and on each reference; the hand stays behind the frame it replaced",
	.sees = POLICY_SEES_BITS,
	.arrival_counts = true,
	.bytes = clock_bytes,
	.init = clock_init,
	.enter = clock_enter,
	.victim = clock_victim,
	.leave = clock_leave,
	.flaw = clock_flaw,
	.drive = clock_drive,
};
POLICY_DRIVE(clock)

POLICY_DRIVE_DECLARE(clock_0)
const struct policy_ops policy_clock_0 = {
	.name = "clock-0",
	.paper = "F. J. Corbato, 1968; libCacheSim's Clock, also called FIFO-reinsertion",
	.variant = "the bit is clear on load and set by each further reference; otherwise clock",
	.sees = POLICY_SEES_BITS,
	.bytes = clock_bytes,
	.init = clock_init,
	.enter = clock_enter,
	.victim = clock_victim,
	.leave = clock_leave,
	.flaw = clock_flaw,
	.drive = clock_0_drive,
};
POLICY_DRIVE(clock_0)
