/* car.c - clock with adaptive replacement: arc without moving anything at a hit.
 *
 * Problem: arc moves a page at each hit, which no kernel can do that only sees bits.
 * Idea: arc's two lists of pages become clocks.  A hit sets a bit; the hand of T1 moves pages with their bit set to T2, the hand of T2
 * gives them another round.  The lists of keys and the adaptation of T1's target p stay as in arc.
 *
 *      T1 clock --bit clear--> B1 keys        T2 clock --bit clear--> B2 keys
 *          '------bit set----> T2                 '------bit set----> once more round T2
 *
 * 1. As in arc: |T1| + |B1| <= c and all four together <= 2c, while the driver evicts only for a page that misses, when every slot
 *    is in use; there are never more than c + 1 keys.
 * 2. The first of a ring is what its hand points at; the place behind the hand is its end.
 * Source: S. Bansal, D. S. Modha, "CAR: clock with adaptive replacement", FAST (2004), figure 2. */
#include "drive.h"
#include "fetch.h"

enum car_place { CAR_NOWHERE, CAR_ONCE, CAR_AGAIN }; /* not known; T1 or B1; T2 or B2 */

struct car {
	const struct policy_env *env;
	struct ring t1, t2, b1, b2;   /* b1, b2: ghosts, at index + n_slots */
	struct ring_link *link;
	struct ghosts ghosts;
	uint64_t *key;
	uint8_t *again;               /* by slot: is it in T2? */
	uint32_t n_slots;
	double p;
	bool missed, replaced;        /* a miss was announced; room was made for it */
};

static size_t car_layout(struct car *c, char *base, uint32_t n)
{
	struct block b = { .base = base, .used = (sizeof *c + 15) & ~15ul };
	ghosts_layout(&c->ghosts, &b, n + 1);
	c->link = block_take(&b, 2 * (size_t)n + 5, sizeof *c->link);
	c->key = block_take(&b, n, sizeof *c->key);
	c->again = block_take(&b, n, 1);
	return b.used;
}

static size_t car_bytes(uint32_t n_slots, const struct policy_params *p)
{
	struct car c;
	(void)p;
	return car_layout(&c, NULL, n_slots);
}

static void car_init(void *self, uint32_t n_slots, const struct policy_env *env)
{
	struct car *c = self;
	car_layout(c, self, n_slots);
	c->env = env;
	c->ghosts.memo = &env->memo;
	c->n_slots = n_slots;
	struct ring *const rings[] = { &c->t1, &c->t2, &c->b1, &c->b2 };
	for (unsigned i = 0; i < 4; i++)
		ring_init(rings[i], c->link, 2 * n_slots + 1 + i);
}

static void car_ghost_drop(struct car *c, uint32_t ghost)
{
	ring_remove(c->ghosts.at[ghost].note == CAR_ONCE ? &c->b1 : &c->b2, c->n_slots + ghost);
	ghosts_drop(&c->ghosts, ghost);
}

static void car_oldest_drop(struct car *c, struct ring *ghosts)
{
	if (ghosts->count)
		car_ghost_drop(c, ring_first(ghosts) - c->n_slots);
	fetch_forgotten(ghosts, &c->ghosts, c->n_slots);
}

static void car_remember(struct car *c, uint32_t slot, enum car_place from)
{
	if (ghosts_full(&c->ghosts))
		car_oldest_drop(c, c->b2.count ? &c->b2 : &c->b1);
	ring_push_back(from == CAR_ONCE ? &c->b1 : &c->b2, c->n_slots + ghosts_add(&c->ghosts, c->key[slot], from));
}

static void car_adapt(struct car *c, enum car_place from)
{
	double once = c->b1.count, again = c->b2.count, most = c->n_slots;
	if (from == CAR_ONCE) {
		c->p += again > once ? again / once : 1;
		c->p = c->p < most ? c->p : most;
	} else {
		c->p -= once > again ? once / again : 1;
		c->p = c->p > 0 ? c->p : 0;
	}
}

static void car_miss(void *self, uint64_t key)
{
	struct car *c = self;
	(void)key;
	c->missed = true;
	c->replaced = false;
}

/* The directory makes room for a page it did not know. */
static void car_directory_trim(struct car *c)
{
	if (c->t1.count + c->b1.count >= c->n_slots)
		car_oldest_drop(c, &c->b1);
	else if ((uint64_t)c->t1.count + c->t2.count + c->ghosts.count >= 2ull * c->n_slots)
		car_oldest_drop(c, &c->b2);
}

static void car_enter(void *self, uint32_t slot, uint64_t key)
{
	struct car *c = self;
	uint32_t ghost = ghosts_find(&c->ghosts, key);
	enum car_place from = ghost == GHOST_NONE ? CAR_NOWHERE : c->ghosts.at[ghost].note;
	if (ghost == GHOST_NONE && c->missed && c->replaced)
		car_directory_trim(c);
	if (ghost != GHOST_NONE && c->missed)
		car_adapt(c, from);
	if (ghost != GHOST_NONE)
		car_ghost_drop(c, ghost);
	if (!c->missed && from == CAR_ONCE)
		from = CAR_NOWHERE; /* it could not leave after all: back to where it was */
	c->missed = c->replaced = false;
	c->key[slot] = key;
	c->again[slot] = from != CAR_NOWHERE;
	ring_push_back(c->again[slot] ? &c->t2 : &c->t1, slot);
}

static inline void car_soon(void *self, uint32_t node)
{
	struct car *c = self;
	fetch_ghost(&c->ghosts, c->link, c->n_slots, node);
}

static void car_leave(void *self, uint32_t slot)
{
	struct car *c = self;
	ring_remove(c->again[slot] ? &c->t2 : &c->t1, slot);
}

/* What a hand points at: the page leaves, or goes round (T2) once more, or goes over to T2. */
static bool car_hand(struct car *c, struct ring *clock, uint32_t slot)
{
	ring_remove(clock, slot);
	fetch_leaving(clock, c->env, c->key, c->again);
	if (!policy_may_evict(c->env, slot)) {
		ring_push_back(clock, slot);
		return false;
	}
	if (policy_was_used(c->env, slot)) {
		c->again[slot] = true;
		ring_push_back(&c->t2, slot);
		return false;
	}
	car_remember(c, slot, c->again[slot] ? CAR_AGAIN : CAR_ONCE);
	return true;
}

/* A page passes a hand three times at most; pages that may not go do not, so both clocks are tried to the end. */
static uint32_t car_victim(void *self)
{
	struct car *c = self;
	uint64_t rounds = 8ull * (c->t1.count + c->t2.count) + 8;
	c->replaced = true;
	for (uint64_t i = 0; i < rounds; i++) {
		bool once = c->t1.count && (c->t1.count >= (c->p > 1 ? c->p : 1) || !c->t2.count);
		if (i > rounds / 2) /* everything in the clock that should give a page up may be busy */
			once = c->t1.count && (i & 1 || !c->t2.count);
		struct ring *clock = once ? &c->t1 : &c->t2;
		uint32_t slot = ring_first(clock);
		if (slot != clock->head && car_hand(c, clock, slot))
			return slot;
	}
	return POLICY_SLOT_NONE;
}

static void car_forget(void *self, uint64_t key)
{
	struct car *c = self;
	uint32_t ghost = ghosts_find(&c->ghosts, key);
	if (ghost != GHOST_NONE)
		car_ghost_drop(c, ghost);
}

static const char *car_flaw(const void *self)
{
	const struct car *c = self;
	if (c->b1.count + c->b2.count != c->ghosts.count)
		return "car: B1 and B2 are not the ghosts";
	if (!(c->p >= 0 && c->p <= c->n_slots))
		return "car: the target of T1 is out of range";
	for (uint32_t s = ring_first(&c->t1); s != c->t1.head; s = ring_next(&c->t1, s))
		if (s >= c->n_slots || c->again[s])
			return "car: something is in T1 that belongs elsewhere";
	const struct ring *const rings[] = { &c->t1, &c->t2, &c->b1, &c->b2 };
	const char *flaw = ghosts_flaw(&c->ghosts);
	for (unsigned i = 0; !flaw && i < 4; i++)
		flaw = ring_flaw(rings[i]);
	return flaw;
}

POLICY_DRIVE_DECLARE(car)
const struct policy_ops policy_car = {
	.name = "car",
	.paper = "S. Bansal and D. S. Modha, 2004",
	.variant = "figure 2 of the paper, with a real-valued target; the bit is clear on load",
	.sees = POLICY_SEES_BITS,
	.bytes = car_bytes,
	.init = car_init,
	.miss = car_miss,
	.enter = car_enter,
	.soon = car_soon,
	.victim = car_victim,
	.leave = car_leave,
	.forget = car_forget,
	.flaw = car_flaw,
	.drive = car_drive,
};
POLICY_DRIVE(car)
