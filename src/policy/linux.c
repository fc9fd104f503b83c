/* linux.c - Linux's active and inactive lists, with refault distance.
 *
 * Problem: tell pages used again from those used once with two lists and a bit, and notice when the inactive list is too short for
 * its pages to show that they are used again.
 * Idea: newcomers are inactive.  A page found used at the end of the inactive list gets another round, and becomes active if that
 * happens twice.  A page that leaves takes the time with it, counted in evictions and activations; when it comes back, the time
 * that has passed is how many more inactive frames it would have needed.  If the active list has that many, the page takes a place
 * there at once.
 *
 *      new ---> inactive ---unused---> out, remembered          refault, and the distance <= active pages: active at once
 *                 |   ^
 *     used twice  v   | oldest, whenever inactive pages are too few
 *               active
 *
 * 1. A slot is in one of two rings, ACTIVE says which; SEEN: found used once at the end of the inactive one.
 * 2. The clock counts evictions and activations; a ghost's note is the clock at which its page left.
 * 3. At most as many departures are remembered as there are frames; the one longest ago is forgotten.
 * Pages are treated as Linux treats anonymous ones: what it does for files and program text alone is left out.
 * Source: J. Weiner, "mm: thrash detection-based file cache sizing", Linux 3.15 (2014), mm/workingset.c; mm/vmscan.c as of Linux
 * 6.1 (page_check_references, inactive_is_low). */
#include "drive.h"
#include "fetch.h"

enum { ACTIVE = 1, SEEN = 2 };

struct linux_lists {
	const struct policy_env *env;
	struct ring inactive, active, left; /* left: ghosts, at index + n_slots */
	struct ring_link *link;
	struct ghosts ghosts;
	uint64_t *key;
	uint8_t *state;
	uint32_t n_slots, ratio, clock;
};

static const struct policy_param linux_param[] = {
	{ "ratio", POLICY_COUNT, 1, 1, 1000, "active pages for each inactive one; Linux: 1 below 1 GiB, then the root of 10 x GiB" },
	{ 0 },
};

static size_t linux_layout(struct linux_lists *l, char *base, uint32_t n)
{
	struct block b = { .base = base, .used = (sizeof *l + 15) & ~15ul };
	ghosts_layout(&l->ghosts, &b, n);
	l->link = block_take(&b, 2 * (size_t)n + 3, sizeof *l->link);
	l->key = block_take(&b, n, sizeof *l->key);
	l->state = block_take(&b, n, 1);
	return b.used;
}

static size_t linux_bytes(uint32_t n_slots, const struct policy_params *p)
{
	struct linux_lists l;
	(void)p;
	return linux_layout(&l, NULL, n_slots);
}

static void linux_init(void *self, uint32_t n_slots, const struct policy_env *env)
{
	struct linux_lists *l = self;
	linux_layout(l, self, n_slots);
	l->env = env;
	l->ghosts.memo = &env->memo;
	l->n_slots = n_slots;
	l->ratio = (uint32_t)env->params.value[0];
	ring_init(&l->inactive, l->link, 2 * n_slots);
	ring_init(&l->active, l->link, 2 * n_slots + 1);
	ring_init(&l->left, l->link, 2 * n_slots + 2);
}

static struct ring *linux_ring(struct linux_lists *l, uint32_t slot)
{
	return l->state[slot] & ACTIVE ? &l->active : &l->inactive;
}

static void linux_ghost_drop(struct linux_lists *l, uint32_t ghost)
{
	ring_remove(&l->left, l->n_slots + ghost);
	ghosts_drop(&l->ghosts, ghost);
}

static void linux_remember(struct linux_lists *l, uint64_t key)
{
	if (ghosts_full(&l->ghosts))
		linux_ghost_drop(l, ring_first(&l->left) - l->n_slots);
	fetch_forgotten(&l->left, &l->ghosts, l->n_slots);
	ring_push_back(&l->left, l->n_slots + ghosts_add(&l->ghosts, key, l->clock++));
}

static void linux_enter(void *self, uint32_t slot, uint64_t key)
{
	struct linux_lists *l = self;
	uint32_t ghost = ghosts_find(&l->ghosts, key);
	l->key[slot] = key;
	l->state[slot] = 0;
	if (ghost != GHOST_NONE) {
		if (l->clock - l->ghosts.at[ghost].note <= l->active.count) {
			l->state[slot] = ACTIVE;
			l->clock++;
		}
		linux_ghost_drop(l, ghost);
	}
	ring_push_back(linux_ring(l, slot), slot);
}

static void linux_leave(void *self, uint32_t slot)
{
	struct linux_lists *l = self;
	ring_remove(linux_ring(l, slot), slot);
}

static inline void linux_soon(void *self, uint32_t node)
{
	struct linux_lists *l = self;
	fetch_ghost(&l->ghosts, l->link, l->n_slots, node);
}

static void linux_move(struct linux_lists *l, uint32_t slot, uint8_t state)
{
	linux_leave(l, slot);
	l->state[slot] = state;
	ring_push_back(linux_ring(l, slot), slot);
}

/* While inactive pages are too few, the oldest active ones join them; that they were used is forgotten. */
static void linux_balance(struct linux_lists *l)
{
	while (l->active.count && (uint64_t)l->inactive.count * l->ratio < l->active.count) {
		uint32_t slot = ring_first(&l->active);
		policy_was_used(l->env, slot);
		linux_move(l, slot, 0);
		fetch_leaving(&l->active, l->env, l->key, l->state);
	}
}

/* The oldest inactive page: out, once more round, or active. */
static bool linux_look(struct linux_lists *l, uint32_t slot)
{
	if (!policy_may_evict(l->env, slot)) {
		linux_move(l, slot, l->state[slot]);
		return false;
	}
	if (policy_was_used(l->env, slot)) {
		bool twice = l->state[slot] & SEEN;
		linux_move(l, slot, twice ? ACTIVE : SEEN);
		l->clock += twice;
		return false;
	}
	linux_leave(l, slot);
	linux_remember(l, l->key[slot]);
	return true;
}

static uint32_t linux_victim(void *self)
{
	struct linux_lists *l = self;
	uint32_t busy = 0;
	for (uint64_t left = 6ull * (l->inactive.count + l->active.count); left; left--) {
		linux_balance(l);
		uint32_t slot = ring_first(&l->inactive);
		busy = policy_may_evict(l->env, slot) ? 0 : busy + 1;
		bool leaves = linux_look(l, slot);
		fetch_leaving(&l->inactive, l->env, l->key, l->state);
		if (leaves)
			return slot;
		if (busy >= l->inactive.count && l->active.count) /* no inactive page may go */
			linux_move(l, ring_first(&l->active), 0);
	}
	return POLICY_SLOT_NONE;
}

static void linux_forget(void *self, uint64_t key)
{
	struct linux_lists *l = self;
	uint32_t ghost = ghosts_find(&l->ghosts, key);
	if (ghost != GHOST_NONE)
		linux_ghost_drop(l, ghost);
}

static const char *linux_flaw(const void *self)
{
	const struct linux_lists *l = self;
	if (l->left.count != l->ghosts.count)
		return "linux: departures and their order differ";
	for (uint32_t s = ring_first(&l->active); s != l->active.head; s = ring_next(&l->active, s))
		if (s >= l->n_slots || !(l->state[s] & ACTIVE))
			return "linux: something is active that is not";
	const char *flaw = ring_flaw(&l->inactive);
	flaw = flaw ? flaw : ring_flaw(&l->active);
	flaw = flaw ? flaw : ring_flaw(&l->left);
	return flaw ? flaw : ghosts_flaw(&l->ghosts);
}

POLICY_DRIVE_DECLARE(linux_lists)
const struct policy_ops policy_linux_lists = {
	.name = "linux",
	.paper = "J. Weiner, Linux 3.15, 2014",
	.variant = "active and inactive lists with refault distance, as for anonymous pages; a newcomer's bit is set, as a fault sets it",
	.sees = POLICY_SEES_BITS,
	.arrival_counts = true,
	.param = linux_param,
	.bytes = linux_bytes,
	.init = linux_init,
	.enter = linux_enter,
	.soon = linux_soon,
	.victim = linux_victim,
	.leave = linux_leave,
	.forget = linux_forget,
	.flaw = linux_flaw,
	.drive = linux_lists_drive,
};
POLICY_DRIVE(linux_lists)
