/* arc.c - adaptive replacement cache.
 *
 * Problem: 2Q must be told how much memory newcomers deserve, and the right share changes with the program.
 * Idea: two lists, T1 of pages referenced once since they came in and T2 of those referenced again, each continued by the keys of
 * pages that left it lately.  A page wanted again that had left T1 says that T1 should have been longer; one that had left T2
 * says the opposite.  p, T1's target, follows what they say.
 *
 *      [  B1 keys  |  T1 pages  ]        [  T2 pages  |  B2 keys  ]
 *       oldest            newest          newest            oldest
 *          hit in B1: p grows                hit in B2: p shrinks
 *
 * 1. |T1| + |B1| <= c and |T1| + |T2| + |B1| + |B2| <= 2c, where c is the number of slots, while the driver evicts only for a page
 *    that misses, when every slot is in use; otherwise |B1| + |B2| <= c still holds.
 * 2. A slot is in T1 or in T2; in B1 and B2 are keys that have no slot.
 * 3. 0 <= p <= c; p is a real number, so that a share less than one is not lost.
 * The state depends on the order of last references alone: to T1's pages the first one after arrival means all.
 * Source: N. Megiddo, D. S. Modha, "ARC: a self-tuning, low overhead replacement cache", FAST (2003), figure 4. */
#include "drive.h"
#include "fetch.h"

enum arc_place { ARC_NOWHERE, ARC_ONCE, ARC_AGAIN }; /* not known; T1 or B1; T2 or B2 */

struct arc {
	const struct policy_env *env;
	struct ring t1, t2, b1, b2;   /* b1, b2: ghosts, at index + n_slots */
	struct ring_link *link;
	struct ghosts ghosts;
	uint64_t *key;
	uint8_t *again;               /* by slot: is it in T2? */
	uint32_t n_slots;
	double p;
	uint64_t coming;              /* the page that missed, and where its ghost was */
	enum arc_place coming_from;
	bool is_coming;
};

static size_t arc_layout(struct arc *a, char *base, uint32_t n)
{
	struct block b = { .base = base, .used = (sizeof *a + 15) & ~15ul };
	ghosts_layout(&a->ghosts, &b, n);
	a->link = block_take(&b, 2 * (size_t)n + 4, sizeof *a->link);
	a->key = block_take(&b, n, sizeof *a->key);
	a->again = block_take(&b, n, 1);
	return b.used;
}

static size_t arc_bytes(uint32_t n_slots, const struct policy_params *p)
{
	struct arc a;
	(void)p;
	return arc_layout(&a, NULL, n_slots);
}

static void arc_init(void *self, uint32_t n_slots, const struct policy_env *env)
{
	struct arc *a = self;
	arc_layout(a, self, n_slots);
	a->env = env;
	a->ghosts.memo = &env->memo;
	a->n_slots = n_slots;
	struct ring *const rings[] = { &a->t1, &a->t2, &a->b1, &a->b2 };
	for (unsigned i = 0; i < 4; i++)
		ring_init(rings[i], a->link, 2 * n_slots + i);
}

static inline void arc_ghost_drop(struct arc *a, uint32_t ghost)
{
	ring_remove(a->ghosts.at[ghost].note == ARC_ONCE ? &a->b1 : &a->b2, a->n_slots + ghost);
	ghosts_drop(&a->ghosts, ghost);
}

static inline void arc_oldest_drop(struct arc *a, struct ring *ghosts)
{
	if (ghosts->count)
		arc_ghost_drop(a, ring_first(ghosts) - a->n_slots);
	fetch_forgotten(ghosts, &a->ghosts, a->n_slots);
}

static inline void arc_remember(struct arc *a, uint32_t slot, enum arc_place from)
{
	if (ghosts_full(&a->ghosts))
		arc_oldest_drop(a, a->b2.count ? &a->b2 : &a->b1);
	ring_push_back(from == ARC_ONCE ? &a->b1 : &a->b2, a->n_slots + ghosts_add(&a->ghosts, a->key[slot], from));
}

/* Cases II and III: the ghost says which list was too short. */
static void arc_adapt(struct arc *a, enum arc_place from)
{
	double once = a->b1.count, again = a->b2.count, most = a->n_slots;
	if (from == ARC_ONCE) {
		a->p += again > once ? again / once : 1;
		a->p = a->p < most ? a->p : most;
	} else {
		a->p -= once > again ? once / again : 1;
		a->p = a->p > 0 ? a->p : 0;
	}
}

static void arc_miss(void *self, uint64_t key)
{
	struct arc *a = self;
	uint32_t ghost = ghosts_find(&a->ghosts, key);
	a->is_coming = true;
	a->coming = key;
	a->coming_from = ARC_NOWHERE;
	if (ghost == GHOST_NONE)
		return;
	a->coming_from = a->ghosts.at[ghost].note;
	arc_adapt(a, a->coming_from);
	arc_ghost_drop(a, ghost);
}

/* A page that enters without having missed was given up and could not leave after all. */
static void arc_enter(void *self, uint32_t slot, uint64_t key)
{
	struct arc *a = self;
	bool missed = a->is_coming && a->coming == key;
	uint32_t ghost = missed ? GHOST_NONE : ghosts_find(&a->ghosts, key);
	enum arc_place from = missed ? a->coming_from : ARC_NOWHERE;
	if (ghost != GHOST_NONE) {
		from = a->ghosts.at[ghost].note == ARC_AGAIN ? ARC_AGAIN : ARC_NOWHERE;
		arc_ghost_drop(a, ghost);
	}
	a->is_coming = false;
	a->key[slot] = key;
	a->again[slot] = from != ARC_NOWHERE;
	ring_push_back(a->again[slot] ? &a->t2 : &a->t1, slot);
}

static inline void arc_touch(void *self, uint32_t slot)
{
	struct arc *a = self;
	if (a->again[slot]) {
		ring_refresh(&a->t2, slot);
		return;
	}
	ring_remove(&a->t1, slot);
	a->again[slot] = true;
	ring_push_back(&a->t2, slot);
}

static inline void arc_soon(void *self, uint32_t node)
{
	struct arc *a = self;
	fetch_node(&a->ghosts, a->link, a->again, a->n_slots, node);
}

static inline void arc_leave(void *self, uint32_t slot)
{
	struct arc *a = self;
	ring_remove(a->again[slot] ? &a->t2 : &a->t1, slot);
}

/* REPLACE of the paper. */
static uint32_t arc_replace(struct arc *a)
{
	bool favour = a->is_coming && a->coming_from == ARC_AGAIN;
	bool once = a->t1.count && (a->t1.count > a->p || (favour && a->t1.count == a->p));
	struct ring *first = once || !a->t2.count ? &a->t1 : &a->t2;
	uint32_t slot = ring_take_first(first, a->env);
	if (slot == POLICY_SLOT_NONE)
		slot = ring_take_first(first == &a->t1 ? &a->t2 : &a->t1, a->env);
	if (slot != POLICY_SLOT_NONE)
		arc_remember(a, slot, a->again[slot] ? ARC_AGAIN : ARC_ONCE);
	fetch_leaving(&a->t1, a->env, a->key, a->again);
	fetch_leaving(&a->t2, a->env, a->key, a->again);
	return slot;
}

static uint32_t arc_victim(void *self)
{
	struct arc *a = self;
	uint32_t c = a->n_slots;
	if (!a->is_coming || a->coming_from != ARC_NOWHERE)
		return arc_replace(a);
	/* Case IV: no list knows the page that is coming. */
	if (a->t1.count + a->b1.count >= c) {
		if (!a->b1.count) {
			uint32_t slot = ring_take_first(&a->t1, a->env);
			return slot == POLICY_SLOT_NONE ? arc_replace(a) : slot;
		}
		arc_oldest_drop(a, &a->b1);
	} else if ((uint64_t)a->t1.count + a->t2.count + a->ghosts.count >= 2ull * c) {
		arc_oldest_drop(a, &a->b2);
	}
	return arc_replace(a);
}

static void arc_forget(void *self, uint64_t key)
{
	struct arc *a = self;
	uint32_t ghost = ghosts_find(&a->ghosts, key);
	if (ghost != GHOST_NONE)
		arc_ghost_drop(a, ghost);
}

static const char *arc_flaw(const void *self)
{
	const struct arc *a = self;
	if (a->b1.count + a->b2.count != a->ghosts.count)
		return "arc: B1 and B2 are not the ghosts";
	if (!(a->p >= 0 && a->p <= a->n_slots))
		return "arc: the target of T1 is out of range";
	for (uint32_t s = ring_first(&a->t1); s != a->t1.head; s = ring_next(&a->t1, s))
		if (s >= a->n_slots || a->again[s])
			return "arc: something is in T1 that belongs elsewhere";
	const struct ring *const rings[] = { &a->t1, &a->t2, &a->b1, &a->b2 };
	const char *flaw = ghosts_flaw(&a->ghosts);
	for (unsigned i = 0; !flaw && i < 4; i++)
		flaw = ring_flaw(rings[i]);
	return flaw;
}

POLICY_DRIVE_DECLARE(arc)
const struct policy_ops policy_arc = {
	.name = "arc",
	.paper = "N. Megiddo and D. S. Modha, 2003",
	.variant = "figure 4 of the paper, with a real-valued target",
	.sees = POLICY_SEES_RECENCY,
	.bytes = arc_bytes,
	.init = arc_init,
	.miss = arc_miss,
	.enter = arc_enter,
	.touch = arc_touch,
	.soon = arc_soon,
	.victim = arc_victim,
	.leave = arc_leave,
	.forget = arc_forget,
	.flaw = arc_flaw,
	.drive = arc_drive,
};
POLICY_DRIVE(arc)
