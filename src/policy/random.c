/* random.c - any page, with equal chance.
 *
 * Problem: how good is a policy that knows nothing at all?  Better than its name: it has no worst case that a program can run
 * into by its pattern, and a loop slightly larger than memory, which costs fifo and lru every page, costs it only some.
 * Idea: the slots in use, packed in an array; take one at a seeded random index and move the last into its place.
 *
 * 1. member[0 .. count-1] are the slots in use; place[member[i]] == i + 1, and place is 0 for every other slot.
 * 2. One seed gives one sequence of victims.
 * Source: L. A. Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems Journal 5 (1966). */
#include "../base/rng.h"
#include "drive.h"
#include "ring.h"

struct random_entry {
	uint32_t member, place;
};
struct random_policy {
	const struct policy_env *env;
	struct rng rng;
	uint32_t count;
	struct random_entry at[];
};

static size_t random_bytes(uint32_t n_slots, const struct policy_params *p)
{
	(void)p;
	return sizeof(struct random_policy) + n_slots * sizeof(struct random_entry);
}

static void random_init(void *self, uint32_t n_slots, const struct policy_env *env)
{
	struct random_policy *r = self;
	(void)n_slots;
	r->env = env;
	rng_init(&r->rng, env->seed);
}

static void random_enter(void *self, uint32_t slot, uint64_t key)
{
	struct random_policy *r = self;
	(void)key;
	r->at[r->count].member = slot;
	r->at[slot].place = ++r->count;
}

static void random_leave(void *self, uint32_t slot)
{
	struct random_policy *r = self;
	uint32_t i = r->at[slot].place - 1, last = r->at[--r->count].member;
	r->at[i].member = last;
	r->at[last].place = i + 1;
	r->at[slot].place = 0;
}

/* Draws once, then goes on from there past the slots that may not go, so that it ends even when only one may. */
static uint32_t random_victim(void *self)
{
	struct random_policy *r = self;
	if (!r->count)
		return POLICY_SLOT_NONE;
	uint32_t start = (uint32_t)rng_below(&r->rng, r->count);
	for (uint32_t i = 0; i < r->count; i++) {
		uint32_t slot = r->at[(start + (uint64_t)i) % r->count].member;
		if (policy_may_evict(r->env, slot)) {
			random_leave(r, slot);
			return slot;
		}
	}
	return POLICY_SLOT_NONE;
}

static const char *random_flaw(const void *self)
{
	const struct random_policy *r = self;
	for (uint32_t i = 0; i < r->count; i++) {
		if (r->at[r->at[i].member].place != i + 1)
			return "random: a slot does not know its place among the members";
	}
	return NULL;
}

POLICY_DRIVE_DECLARE(random)
const struct policy_ops policy_random = {
	.name = "random",
	.paper = "L. A. Belady, 1966",
	.variant = "uniform, from the run's seed",
	.sees = POLICY_SEES_NOTHING,
	.bytes = random_bytes,
	.init = random_init,
	.enter = random_enter,
	.victim = random_victim,
	.leave = random_leave,
	.flaw = random_flaw,
	.drive = random_drive,
};
POLICY_DRIVE(random)
