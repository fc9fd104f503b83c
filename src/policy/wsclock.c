/* wsclock.c - clock over working sets.
 *
 * Problem: keep working sets in memory without looking at every page at each tick.
 * Idea: each page notes when it was last found used.  The hand goes round; a page whose bit is set was used just now, one that has
 * been unused for longer than tau is in no working set and may go, clean ones first, because writing takes time.
 *
 *      bit set              note the time, clear the bit, go on
 *      unused <= tau        it belongs to a working set: go on
 *      unused >  tau        clean: the victim.  Modified: the victim if none of the next 32 is old and clean
 *      a whole round, none  everything belongs to a working set: the first page met whose bit was clear, or else the first met
 *
 * 1. The ring is the circle; a newcomer is inserted just before the hand, and counts as used when it comes in.
 * 2. used_at[slot] is the latest time at which the page is known to have been used.
 * 3. A whole round that found nobody old is not repeated before none_until: before that nobody can be old, or fewer references have
 *    been made than there are frames.  Until then the first page met whose bit is clear leaves, which is how a round would end.
 *    (Without this each fault could look at all of memory.)
 * The original starts writing a modified page and goes on; here writing takes no time that could pass meanwhile, so the modified page
 * is evicted, and written, if there is no clean one near.
 * Source: R. W. Carr, J. L. Hennessy, "WSCLOCK - a simple and effective algorithm for virtual memory management", SOSP (1981). */
#include "drive.h"
#include "ghost.h"
#include "ring.h"

enum { SPARE_MODIFIED = 32 };

struct wsclock {
	const struct policy_env *env;
	struct ring ring;
	struct ring_link *link;
	uint64_t *used_at;
	uint64_t tau, none_until;
	uint32_t hand;
};

static const struct policy_param wsclock_param[] = {
	{ "tau", POLICY_COUNT, 0, 0, 1e15, "the working set's window in references; 0: one for each frame" },
	{ 0 },
};

static size_t wsclock_layout(struct wsclock *w, char *base, uint32_t n)
{
	struct block b = { .base = base, .used = (sizeof *w + 15) & ~15ul };
	w->link = block_take(&b, (size_t)n + 1, sizeof *w->link);
	w->used_at = block_take(&b, n, sizeof *w->used_at);
	return b.used;
}

static size_t wsclock_bytes(uint32_t n_slots, const struct policy_params *p)
{
	struct wsclock w;
	(void)p;
	return wsclock_layout(&w, NULL, n_slots);
}

static void wsclock_init(void *self, uint32_t n_slots, const struct policy_env *env)
{
	struct wsclock *w = self;
	wsclock_layout(w, self, n_slots);
	w->env = env;
	w->tau = env->params.value[0] > 0 ? (uint64_t)env->params.value[0] : n_slots;
	ring_init(&w->ring, w->link, n_slots);
	w->hand = w->ring.head;
}

static void wsclock_enter(void *self, uint32_t slot, uint64_t key)
{
	struct wsclock *w = self;
	(void)key;
	w->used_at[slot] = w->env->now;
	ring_insert_before(&w->ring, w->hand, slot);
}

static void wsclock_leave(void *self, uint32_t slot)
{
	struct wsclock *w = self;
	if (w->hand == slot)
		w->hand = ring_next(&w->ring, slot);
	ring_remove(&w->ring, slot);
}

static uint32_t wsclock_step(struct wsclock *w)
{
	if (w->hand == w->ring.head)
		w->hand = ring_first(&w->ring);
	uint32_t slot = w->hand;
	w->hand = ring_next(&w->ring, slot);
	return slot;
}

/* The hand stops behind the place of whoever leaves. */
static uint32_t wsclock_take(struct wsclock *w, uint32_t slot)
{
	if (slot == POLICY_SLOT_NONE)
		return slot;
	w->hand = slot;
	wsclock_leave(w, slot);
	return slot;
}

/* What a round has found so far. */
struct round {
	uint32_t old_modified, unused, first;
	uint64_t earliest; /* use of any page */
};

/* => true: this one leaves */
static bool wsclock_look(struct wsclock *w, struct round *r, uint32_t slot)
{
	uint64_t now = w->env->now;
	bool used = policy_was_used(w->env, slot);
	if (used)
		w->used_at[slot] = now;
	if (r->first == POLICY_SLOT_NONE)
		r->first = slot;
	if (!used && r->unused == POLICY_SLOT_NONE)
		r->unused = slot;
	if (w->used_at[slot] < r->earliest)
		r->earliest = w->used_at[slot];
	if (now < w->none_until)
		return !used;
	if (now - w->used_at[slot] <= w->tau)
		return false;
	if (!w->env->modified || !w->env->modified(w->env->ctx, slot))
		return true;
	if (r->old_modified == POLICY_SLOT_NONE)
		r->old_modified = slot;
	return false;
}

static uint32_t wsclock_victim(void *self)
{
	struct wsclock *w = self;
	struct round r = { POLICY_SLOT_NONE, POLICY_SLOT_NONE, POLICY_SLOT_NONE, POLICY_NEVER - w->tau - 1 };
	bool all = true;
	unsigned patience = SPARE_MODIFIED;
	for (uint32_t left = w->ring.count; left && patience; left--) {
		uint32_t slot = wsclock_step(w);
		patience -= r.old_modified != POLICY_SLOT_NONE;
		if (!policy_may_evict(w->env, slot))
			all = false;
		else if (wsclock_look(w, &r, slot))
			return wsclock_take(w, slot);
	}
	if (r.old_modified != POLICY_SLOT_NONE)
		return wsclock_take(w, r.old_modified);
	if (all) {
		uint64_t soonest = r.earliest + w->tau + 1, again = w->env->now + w->ring.count;
		w->none_until = soonest > again ? soonest : again;
	}
	return wsclock_take(w, r.unused != POLICY_SLOT_NONE ? r.unused : r.first);
}

static const char *wsclock_flaw(const void *self)
{
	const struct wsclock *w = self;
	if (!ring_has(&w->ring, w->hand))
		return "wsclock: the hand points at a slot that is not in the circle";
	return ring_flaw(&w->ring);
}

POLICY_DRIVE_DECLARE(wsclock)
const struct policy_ops policy_wsclock = {
	.name = "wsclock",
	.paper = "R. W. Carr and J. L. Hennessy, 1981",
	.variant = "over a fixed number of frames; an old modified page leaves if none of the next 32 is old and clean; if nobody is old, "
	           "the first unused page met leaves",
	.sees = POLICY_SEES_BITS,
	.timed = true,
	.param = wsclock_param,
	.bytes = wsclock_bytes,
	.init = wsclock_init,
	.enter = wsclock_enter,
	.victim = wsclock_victim,
	.leave = wsclock_leave,
	.flaw = wsclock_flaw,
	.drive = wsclock_drive,
};
POLICY_DRIVE(wsclock)
