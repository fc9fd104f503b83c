/* sieve.c - clock whose survivors stay where they are.
 *
 * Problem: in clock a page that is spared mixes with newcomers, of which most are used once and never again.
 * Idea: a queue in order of arrival and a hand that moves from the old end towards the new.  A page whose bit is set is spared and
 * stays in its place; newcomers always come in at the new end, ahead of the hand, where it soon finds those that were used only
 * once, while what survived lies behind it and is not looked at again until the next round.
 *
 *      old  S S S S | ? ? ? ? ? N N  new        S: spared this round   ?: not looked at yet   N: newcomers
 *                   hand ->
 *
 * 1. The ring is in order of arrival; nothing but a departure changes it.
 * 2. The hand is a slot of the ring, or its head when the next round begins at the oldest.
 * 3. A round and a half suffice: what was passed once is clear.
 * Source: Y. Zhang, J. Yang, Y. Yue, Y. Vigfusson, K. V. Rashmi, "SIEVE is simpler than LRU", NSDI (2024). */
#include "drive.h"
#include "ring.h"

struct sieve {
	const struct policy_env *env;
	struct ring ring;
	uint32_t hand;
	struct ring_link link[];
};

static size_t sieve_bytes(uint32_t n_slots, const struct policy_params *p)
{
	(void)p;
	return sizeof(struct sieve) + ring_bytes(n_slots);
}

static void sieve_init(void *self, uint32_t n_slots, const struct policy_env *env)
{
	struct sieve *v = self;
	v->env = env;
	ring_init(&v->ring, v->link, n_slots);
	v->hand = v->ring.head;
}

static void sieve_enter(void *self, uint32_t slot, uint64_t key)
{
	(void)key;
	ring_push_back(&((struct sieve *)self)->ring, slot);
}

static void sieve_leave(void *self, uint32_t slot)
{
	struct sieve *v = self;
	if (v->hand == slot)
		v->hand = ring_next(&v->ring, slot);
	ring_remove(&v->ring, slot);
}

static uint32_t sieve_victim(void *self)
{
	struct sieve *v = self;
	for (uint64_t left = 2ull * v->ring.count; left; left--) {
		uint32_t slot = v->hand == v->ring.head ? ring_first(&v->ring) : v->hand;
		if (policy_may_evict(v->env, slot) && !policy_was_used(v->env, slot)) {
			v->hand = slot;
			sieve_leave(v, slot);
			return slot;
		}
		v->hand = ring_next(&v->ring, slot);
	}
	return POLICY_SLOT_NONE;
}

static const char *sieve_flaw(const void *self)
{
	const struct sieve *v = self;
	if (!ring_has(&v->ring, v->hand))
		return "sieve: the hand points at a slot that is not in the queue";
	return ring_flaw(&v->ring);
}

POLICY_DRIVE_DECLARE(sieve)
const struct policy_ops policy_sieve = {
	.name = "sieve",
	.paper = "Y. Zhang, J. Yang, Y. Yue, Y. Vigfusson and K. V. Rashmi, 2024",
	.variant = "the bit is clear on load; the hand goes from the oldest to the newest, and then begins again",
	.sees = POLICY_SEES_BITS,
	.bytes = sieve_bytes,
	.init = sieve_init,
	.enter = sieve_enter,
	.victim = sieve_victim,
	.leave = sieve_leave,
	.flaw = sieve_flaw,
	.drive = sieve_drive,
};
POLICY_DRIVE(sieve)
