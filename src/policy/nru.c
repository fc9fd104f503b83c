/* nru.c - not recently used: four classes from two bits.
 *
 * Problem: prefer to evict pages that were not used lately, and among them those that need not be written.
 * Idea: at each tick of a clock every used bit is cleared.  A page's class is 2 x used + modified; a victim is taken from the
 * lowest class that has a page.
 *
 *      class 0: neither      1: modified, used before the last tick      2: used, clean      3: used and modified
 *
 * 1. A page is in the ring of a class at most its own: between ticks a class only rises, so the rings below the first page
 *    whose class is that of its ring are empty, and each page moves at most three times between ticks.
 * 2. A tick puts the pages in order of arrival again.
 * Rejected: looking at all pages at each eviction, which is what the definition says.
 * Books take a page of the class at random; here it is the first found in it, so that a run can be repeated and explained.
 * Source: A. S. Tanenbaum, "Modern operating systems"; VMS and early Macintosh systems used it. */
#include "drive.h"
#include "ghost.h"
#include "ring.h"

enum { CLASSES = 4, USED = 2 };

struct nru {
	const struct policy_env *env;
	struct ring all;             /* in order of arrival */
	struct ring_link *all_link, *link;
	uint8_t *class;
	uint64_t tick, due;
	uint32_t n_slots;
};

static const struct policy_param nru_param[] = {
	{ "tick", POLICY_COUNT, 0, 0, 1e15, "references between clearings of the used bits; 0: four for each frame" },
	{ 0 },
};

static size_t nru_layout(struct nru *v, char *base, uint32_t n)
{
	struct block b = { .base = base, .used = (sizeof *v + 15) & ~15ul };
	v->all_link = block_take(&b, (size_t)n + 1, sizeof *v->link);
	v->link = block_take(&b, (size_t)n + CLASSES, sizeof *v->link);
	v->class = block_take(&b, n, 1);
	return b.used;
}

static size_t nru_bytes(uint32_t n_slots, const struct policy_params *p)
{
	struct nru v;
	(void)p;
	return nru_layout(&v, NULL, n_slots);
}

static struct ring nru_ring(const struct nru *v, unsigned class)
{
	return (struct ring){ .link = v->link, .head = v->n_slots + class };
}

static void nru_init(void *self, uint32_t n_slots, const struct policy_env *env)
{
	struct nru *v = self;
	nru_layout(v, self, n_slots);
	v->env = env;
	v->n_slots = n_slots;
	v->due = v->tick = env->params.value[0] > 0 ? (uint64_t)env->params.value[0] : 4ull * n_slots;
	ring_init(&v->all, v->all_link, n_slots);
	for (unsigned i = 0; i < CLASSES; i++) {
		struct ring r = nru_ring(v, i);
		ring_init(&r, v->link, r.head);
	}
}

static void nru_put(struct nru *v, uint32_t slot, unsigned class)
{
	struct ring r = nru_ring(v, class);
	v->class[slot] = (uint8_t)class;
	ring_push_back(&r, slot);
}

static void nru_take(struct nru *v, uint32_t slot)
{
	struct ring r = nru_ring(v, v->class[slot]);
	ring_remove(&r, slot);
}

static void nru_enter(void *self, uint32_t slot, uint64_t key)
{
	struct nru *v = self;
	(void)key;
	ring_push_back(&v->all, slot);
	nru_put(v, slot, USED);
}

static void nru_leave(void *self, uint32_t slot)
{
	struct nru *v = self;
	ring_remove(&v->all, slot);
	nru_take(v, slot);
}

static unsigned nru_class(const struct nru *v, uint32_t slot, bool used)
{
	return (used ? USED : 0u) + (v->env->modified && v->env->modified(v->env->ctx, slot));
}

static uint32_t nru_victim(void *self)
{
	struct nru *v = self;
	for (unsigned i = 0; i < CLASSES; i++) {
		struct ring r = nru_ring(v, i);
		for (uint32_t s = ring_first(&r), next; s != r.head; s = next) {
			next = ring_next(&r, s);
			if (!policy_may_evict(v->env, s))
				continue;
			unsigned class = nru_class(v, s, policy_was_used(v->env, s) || i >= USED);
			if (class <= i) {
				nru_leave(v, s);
				return s;
			}
			nru_take(v, s);
			nru_put(v, s, class);
		}
	}
	return POLICY_SLOT_NONE;
}

static uint64_t nru_due(const void *self)
{
	return ((const struct nru *)self)->due;
}

static uint32_t nru_wake(void *self)
{
	struct nru *v = self;
	if (v->env->now < v->due)
		return POLICY_SLOT_NONE;
	v->due = (v->env->now / v->tick + 1) * v->tick;
	for (uint32_t s = ring_first(&v->all); s != v->all.head; s = ring_next(&v->all, s)) {
		policy_was_used(v->env, s);
		nru_take(v, s);
		nru_put(v, s, nru_class(v, s, false));
	}
	return POLICY_SLOT_NONE;
}

static const char *nru_flaw(const void *self)
{
	const struct nru *v = self;
	uint32_t n = 0;
	for (unsigned i = 0; i < CLASSES; i++) {
		struct ring r = nru_ring(v, i);
		for (uint32_t s = ring_first(&r); s != r.head; s = ring_next(&r, s)) {
			if (v->class[s] != i || ++n > v->all.count)
				return "nru: a slot is not in the ring of its class";
		}
	}
	return n == v->all.count ? ring_flaw(&v->all) : "nru: a slot has no class";
}

POLICY_DRIVE_DECLARE(nru)
const struct policy_ops policy_nru = {
	.name = "nru",
	.paper = "A. S. Tanenbaum, Modern Operating Systems",
	.variant = "of the lowest class, the page found first to be in it leaves; a newcomer counts as used until the next tick",
	.sees = POLICY_SEES_BITS,
	.timed = true,
	.param = nru_param,
	.bytes = nru_bytes,
	.init = nru_init,
	.enter = nru_enter,
	.victim = nru_victim,
	.leave = nru_leave,
	.due = nru_due,
	.wake = nru_wake,
	.flaw = nru_flaw,
	.drive = nru_drive,
};
POLICY_DRIVE(nru)
