/* clock_pro.c - what lirs does, with bits.
 *
 * Problem: lirs needs to see every reference; a kernel sees a bit for each page.
 * Idea: one circle of all pages, hot ones, cold ones in memory, and cold ones that have left but are still in their test period, and
 * three hands.  A cold page used while it is in its test period has a short reuse distance and becomes hot; the hot page that has
 * been unused longest makes way for it.  How many frames cold pages get adapts to whether tests succeed.
 *
 *                       newcomers and pages moved to the head of the list are put behind HAND_hot
 *             c  H  c'  |
 *         H               v HAND_hot:  hot, bit clear: becomes cold; ends the test of every cold page it passes
 *        c'               H
 *         c              c   HAND_cold: cold, bit clear: leaves memory; stays in the circle if it is in its test period
 *             H  c'  H       HAND_test: ends tests when more pages that have left are remembered than there are frames
 *
 * 1. Each hand points at a node of the circle, unless that is empty.
 * 2. hot + cold = slots in use; 1 <= cold_target <= frames; hot pages are at most frames - cold_target after each fault.
 * 3. A test that succeeds raises cold_target by one, one that ends without a reference lowers it by one.
 * 4. A page that has left is in its test period; at most as many are remembered as there are frames.
 * The paper leaves open where cold_target begins: here with a hundredth of the frames, at least one.
 * Source: S. Jiang, F. Chen, X. Zhang, "CLOCK-Pro: an effective improvement of the CLOCK replacement", USENIX ATC (2005). */
#include "drive.h"
#include "ghost.h"

enum { HAND_HOT, HAND_COLD, HAND_TEST, HANDS };
enum { IS_HOT = 1, IN_TEST = 2 };
#define NODE_NONE UINT32_MAX

struct node {
	uint32_t next, prev; /* of the circle */
};
struct clock_pro {
	const struct policy_env *env;
	struct node *node;   /* slots, then ghosts */
	struct ghosts ghosts;
	uint64_t *key;
	uint8_t *state;
	uint32_t n_slots, hot, cold, cold_target;
	uint32_t hand[HANDS];
	uint32_t count;      /* nodes in the circle */
	uint64_t coming;     /* the page that missed, if it was in its test period */
	bool coming_known;
};

static size_t clock_pro_layout(struct clock_pro *c, char *base, uint32_t n)
{
	struct block b = { .base = base, .used = (sizeof *c + 15) & ~15ul };
	ghosts_layout(&c->ghosts, &b, n + 1);
	c->node = block_take(&b, 2 * (size_t)n + 1, sizeof *c->node);
	c->key = block_take(&b, n, sizeof *c->key);
	c->state = block_take(&b, n, 1);
	return b.used;
}

static size_t clock_pro_bytes(uint32_t n_slots, const struct policy_params *p)
{
	struct clock_pro c;
	(void)p;
	return clock_pro_layout(&c, NULL, n_slots);
}

static void clock_pro_init(void *self, uint32_t n_slots, const struct policy_env *env)
{
	struct clock_pro *c = self;
	clock_pro_layout(c, self, n_slots);
	c->env = env;
	c->ghosts.memo = &env->memo;
	c->n_slots = n_slots;
	c->cold_target = n_slots / 100 ? n_slots / 100 : 1;
	for (unsigned i = 0; i < HANDS; i++)
		c->hand[i] = NODE_NONE;
}

/* ---- the circle ---- */

static void circle_insert(struct clock_pro *c, uint32_t node)
{
	uint32_t at = c->hand[HAND_HOT];
	if (!c->count++) {
		c->node[node] = (struct node){ node, node };
		c->hand[HAND_HOT] = c->hand[HAND_COLD] = c->hand[HAND_TEST] = node;
		return;
	}
	c->node[node] = (struct node){ .next = at, .prev = c->node[at].prev };
	c->node[c->node[at].prev].next = node;
	c->node[at].prev = node;
}

static void circle_remove(struct clock_pro *c, uint32_t node)
{
	struct node n = c->node[node];
	c->count--;
	for (unsigned i = 0; i < HANDS; i++) {
		if (c->hand[i] == node)
			c->hand[i] = c->count ? n.next : NODE_NONE;
	}
	c->node[n.prev].next = n.next;
	c->node[n.next].prev = n.prev;
}

static void circle_replace(struct clock_pro *c, uint32_t old, uint32_t new)
{
	struct node n = c->node[old];
	bool alone = n.next == old;
	c->node[new] = alone ? (struct node){ new, new } : n;
	if (!alone) {
		c->node[n.prev].next = new;
		c->node[n.next].prev = new;
	}
	for (unsigned i = 0; i < HANDS; i++) {
		if (c->hand[i] == old)
			c->hand[i] = new;
	}
}

static void circle_to_head(struct clock_pro *c, uint32_t node)
{
	circle_remove(c, node);
	circle_insert(c, node);
}

/* ---- the hands ---- */

static void ghost_end(struct clock_pro *c, uint32_t node)
{
	circle_remove(c, node);
	ghosts_drop(&c->ghosts, node - c->n_slots);
}

static void target_change(struct clock_pro *c, bool success)
{
	if (success && c->cold_target < c->n_slots)
		c->cold_target++;
	else if (!success && c->cold_target > 1)
		c->cold_target--;
}

/* The test period of a cold page ends without success.  => false: it was in none */
static bool test_end(struct clock_pro *c, uint32_t node)
{
	bool ghost = node >= c->n_slots;
	if (!ghost && !(c->state[node] & IN_TEST))
		return false;
	target_change(c, false);
	if (ghost)
		ghost_end(c, node);
	else
		c->state[node] &= (uint8_t)~IN_TEST;
	return true;
}

/* Until a hot page has become cold.  => there is one */
static void hand_hot_run(struct clock_pro *c)
{
	for (;;) {
		uint32_t node = c->hand[HAND_HOT];
		c->hand[HAND_HOT] = c->node[node].next;
		if (node >= c->n_slots || !(c->state[node] & IS_HOT)) {
			test_end(c, node);
		} else if (!policy_was_used(c->env, node)) {
			c->state[node] = 0;
			c->hot--;
			c->cold++;
			return;
		}
	}
}

static void hot_limit(struct clock_pro *c)
{
	while (c->hot > c->n_slots - c->cold_target)
		hand_hot_run(c);
}

static void hand_test_run(struct clock_pro *c)
{
	while (c->ghosts.count > c->n_slots) {
		uint32_t node = c->hand[HAND_TEST];
		c->hand[HAND_TEST] = c->node[node].next;
		if (node >= c->n_slots || !(c->state[node] & IS_HOT))
			test_end(c, node);
	}
}

/* A cold page that was used: hot if in its test period, otherwise it gets one. */
static void cold_used(struct clock_pro *c, uint32_t slot)
{
	circle_to_head(c, slot);
	if (!(c->state[slot] & IN_TEST)) {
		c->state[slot] = IN_TEST;
		return;
	}
	target_change(c, true);
	c->state[slot] = IS_HOT;
	c->cold--;
	c->hot++;
	hot_limit(c);
}

static void cold_leave(struct clock_pro *c, uint32_t slot)
{
	c->cold--;
	if (c->state[slot] & IN_TEST) {
		circle_replace(c, slot, c->n_slots + ghosts_add(&c->ghosts, c->key[slot], 0));
		hand_test_run(c);
	} else {
		circle_remove(c, slot);
	}
}

/* ---- what the driver tells ---- */

static void clock_pro_miss(void *self, uint64_t key)
{
	struct clock_pro *c = self;
	uint32_t ghost = ghosts_find(&c->ghosts, key);
	c->coming = key;
	c->coming_known = ghost != GHOST_NONE;
	if (ghost == GHOST_NONE)
		return;
	target_change(c, true);
	ghost_end(c, c->n_slots + ghost);
}

static void clock_pro_forget(void *self, uint64_t key)
{
	struct clock_pro *c = self;
	uint32_t ghost = ghosts_find(&c->ghosts, key);
	if (ghost != GHOST_NONE)
		ghost_end(c, c->n_slots + ghost);
}

static void clock_pro_enter(void *self, uint32_t slot, uint64_t key)
{
	struct clock_pro *c = self;
	bool known = c->coming_known && c->coming == key;
	c->coming_known = false;
	if (!known)
		clock_pro_forget(c, key); /* it could not leave after all */
	c->key[slot] = key;
	circle_insert(c, slot);
	c->state[slot] = known ? IS_HOT : IN_TEST;
	c->hot += known;
	c->cold += !known;
	hot_limit(c);
}

static void clock_pro_leave(void *self, uint32_t slot)
{
	struct clock_pro *c = self;
	if (c->state[slot] & IS_HOT)
		c->hot--;
	else
		c->cold--;
	circle_remove(c, slot);
}

static uint32_t clock_pro_victim(void *self)
{
	struct clock_pro *c = self;
	for (uint64_t left = 6ull * c->count + 6; left && c->hot + c->cold; left--) {
		if (!c->cold)
			hand_hot_run(c);
		uint32_t node = c->hand[HAND_COLD];
		c->hand[HAND_COLD] = c->node[node].next;
		if (node >= c->n_slots || c->state[node] & IS_HOT || !policy_may_evict(c->env, node)) {
			/* Nothing cold may go, it seems: let hot pages cool. */
			if (left < c->count * 3ull && c->hot)
				hand_hot_run(c);
			continue;
		}
		if (policy_was_used(c->env, node)) {
			cold_used(c, node);
			continue;
		}
		cold_leave(c, node);
		return node;
	}
	return POLICY_SLOT_NONE;
}

static const char *clock_pro_flaw(const void *self)
{
	const struct clock_pro *c = self;
	uint32_t hot = 0, cold = 0, ghosts = 0, node = c->hand[HAND_HOT], hands = 0;
	for (uint32_t i = 0; i < c->count; i++, node = c->node[node].next) {
		if (c->node[c->node[node].next].prev != node)
			return "clock-pro: the circle is broken";
		ghosts += node >= c->n_slots;
		hot += node < c->n_slots && c->state[node] & IS_HOT;
		cold += node < c->n_slots && !(c->state[node] & IS_HOT);
		for (unsigned h = 0; h < HANDS; h++)
			hands += c->hand[h] == node;
	}
	if (node != c->hand[HAND_HOT] || (c->count && hands != HANDS))
		return "clock-pro: a hand points out of the circle";
	if (hot != c->hot || cold != c->cold || ghosts != c->ghosts.count)
		return "clock-pro: hot, cold and remembered pages are not those of the circle";
	if (c->cold_target < 1 || c->cold_target > c->n_slots || ghosts > c->n_slots)
		return "clock-pro: a limit is exceeded";
	return ghosts_flaw(&c->ghosts);
}

POLICY_DRIVE_DECLARE(clock_pro)
const struct policy_ops policy_clock_pro = {
	.name = "clock-pro",
	.paper = "S. Jiang, F. Chen and X. Zhang, 2005",
	.variant = "adaptive, as in the paper; the target of cold pages begins with 1 %; the bit is clear on load",
	.sees = POLICY_SEES_BITS,
	.bytes = clock_pro_bytes,
	.init = clock_pro_init,
	.miss = clock_pro_miss,
	.enter = clock_pro_enter,
	.victim = clock_pro_victim,
	.leave = clock_pro_leave,
	.forget = clock_pro_forget,
	.flaw = clock_pro_flaw,
	.drive = clock_pro_drive,
};
POLICY_DRIVE(clock_pro)
