/* vmin.c - the least memory for a given number of faults, by knowing the future.
 *
 * Problem: the yardstick for policies with a resident set of their own: what is the least memory, averaged over time, that causes no
 * more faults than the working set of window tau does?
 * Idea: after each reference look ahead.  If the page is used again within tau, keeping it is cheaper than a fault; otherwise it
 * leaves at once.  The faults are those of ws with the same tau, because the same references are far from the ones before; but
 * no page stays that will not be used in time.
 *
 * 1. The ring is in order of last use.  A page that will not be used within tau is in the other ring, until it leaves.
 * 2. The page used last never leaves: its use may be going on.
 * 3. Where references are told of late (RECENCY), nobody leaves later than tau references after its last use, which is before its
 *    next one: the faults stay exact, only the average of resident pages is larger.
 * Source: B. G. Prieve, R. S. Fabry, "VMIN - an optimal variable-space page replacement algorithm", CACM 19 (1976). */
#include "drive.h"
#include "ghost.h"
#include "ring.h"

struct vmin {
	const struct policy_env *env;
	struct ring keep, drop;
	struct ring_link *link;
	uint64_t *key;
	uint8_t *dropped;
	uint64_t tau, woken;
	uint32_t latest;
};

static const struct policy_param vmin_param[] = {
	{ "tau", POLICY_COUNT, 1 << 20, 1, 1e15, "a page whose next use is farther away leaves; in references" },
	{ 0 },
};

static size_t vmin_layout(struct vmin *v, char *base, uint32_t n)
{
	struct block b = { .base = base, .used = (sizeof *v + 15) & ~15ul };
	v->link = block_take(&b, (size_t)n + 2, sizeof *v->link);
	v->key = block_take(&b, n, sizeof *v->key);
	v->dropped = block_take(&b, n, 1);
	return b.used;
}

static size_t vmin_bytes(uint32_t n_slots, const struct policy_params *p)
{
	struct vmin v;
	(void)p;
	return vmin_layout(&v, NULL, n_slots);
}

static void vmin_init(void *self, uint32_t n_slots, const struct policy_env *env)
{
	struct vmin *v = self;
	vmin_layout(v, self, n_slots);
	v->env = env;
	v->tau = (uint64_t)env->params.value[0];
	v->latest = POLICY_SLOT_NONE;
	ring_init(&v->keep, v->link, n_slots);
	ring_init(&v->drop, v->link, n_slots + 1);
}

static inline void vmin_put(struct vmin *v, uint32_t slot)
{
	uint64_t next = policy_next_use(v->env, v->key[slot]);
	v->dropped[slot] = next == POLICY_NEVER || next > v->env->now + v->tau;
	v->latest = slot;
	ring_push_back(v->dropped[slot] ? &v->drop : &v->keep, slot);
}

static void vmin_leave(void *self, uint32_t slot)
{
	struct vmin *v = self;
	ring_remove(v->dropped[slot] ? &v->drop : &v->keep, slot);
	if (v->latest == slot)
		v->latest = POLICY_SLOT_NONE;
}

static void vmin_enter(void *self, uint32_t slot, uint64_t key)
{
	struct vmin *v = self;
	v->key[slot] = key;
	vmin_put(v, slot);
}

static inline void vmin_touch(void *self, uint32_t slot)
{
	struct vmin *v = self;
	vmin_leave(v, slot);
	vmin_put(v, slot);
}

static uint32_t vmin_wake(void *self)
{
	struct vmin *v = self;
	v->woken = v->env->now;
	for (uint32_t s = ring_first(&v->drop); s != v->drop.head; s = ring_next(&v->drop, s)) {
		if (s == v->latest || !policy_may_evict(v->env, s))
			continue;
		ring_remove(&v->drop, s);
		return s;
	}
	return POLICY_SLOT_NONE;
}

static uint64_t vmin_due(const void *self)
{
	const struct vmin *v = self;
	return v->woken + v->tau;
}

/* Frames are an upper bound. */
static uint32_t vmin_victim(void *self)
{
	struct vmin *v = self;
	uint32_t slot = vmin_wake(v);
	if (slot != POLICY_SLOT_NONE)
		return slot;
	slot = ring_take_first(&v->keep, v->env);
	if (slot == POLICY_SLOT_NONE)
		slot = ring_take_first(&v->drop, v->env);
	if (slot == v->latest)
		v->latest = POLICY_SLOT_NONE;
	return slot;
}

static const char *vmin_flaw(const void *self)
{
	const struct vmin *v = self;
	for (uint32_t s = ring_first(&v->keep); s != v->keep.head; s = ring_next(&v->keep, s))
		if (v->dropped[s])
			return "vmin: a page to be dropped is kept";
	const char *flaw = ring_flaw(&v->keep);
	return flaw ? flaw : ring_flaw(&v->drop);
}

POLICY_DRIVE_DECLARE(vmin)
const struct policy_ops policy_vmin = {
	.name = "vmin",
	.paper = "B. G. Prieve and R. S. Fabry, 1976",
	.variant = "a page leaves when the next one is referenced; frames are an upper bound, and then the page unused for longest leaves",
	.sees = POLICY_SEES_RECENCY,
	.timed = true,
	.wants_future = true,
	.variable = true,
	.param = vmin_param,
	.bytes = vmin_bytes,
	.init = vmin_init,
	.enter = vmin_enter,
	.touch = vmin_touch,
	.victim = vmin_victim,
	.leave = vmin_leave,
	.due = vmin_due,
	.wake = vmin_wake,
	.flaw = vmin_flaw,
	.drive = vmin_drive,
};
POLICY_DRIVE(vmin)
