/* ws.c - Denning's working set: what was used in the last tau references is in memory, and nothing else.
 *
 * Problem: how much memory does a program need?  A number of frames chosen beforehand is right for no phase of it.
 * Idea: keep exactly the pages used in the last tau references.  The resident set grows and shrinks with the program, and a
 * reference faults if and only if the one before it to the same page is more than tau references ago.
 *
 *      references   a b a c c c d        tau = 3: after d, the resident set is { c, d }
 *                           '---'
 *
 * 1. The ring is in order of last use as far as told, and used_at ascends along it.
 * 2. due() is when the first of the ring would be unused for tau: never later than the first page to expire.
 * 3. Frames are an upper bound: where they are fewer than the working set, the page unused for longest leaves before its time.
 * Time is counted in references of all programs together.
 * Source: P. J. Denning, "The working set model for program behavior", CACM 11 (1968). */
#include "drive.h"
#include "ghost.h"
#include "ring.h"

struct ws_policy {
	const struct policy_env *env;
	struct ring ring;
	struct ring_link *link;
	uint64_t *used_at;
	uint64_t tau;
};

static const struct policy_param ws_param[] = {
	{ "tau", POLICY_COUNT, 1 << 20, 1, 1e15, "the window in references" },
	{ 0 },
};

static size_t ws_layout(struct ws_policy *w, char *base, uint32_t n)
{
	struct block b = { .base = base, .used = (sizeof *w + 15) & ~15ul };
	w->link = block_take(&b, (size_t)n + 1, sizeof *w->link);
	w->used_at = block_take(&b, n, sizeof *w->used_at);
	return b.used;
}

static size_t ws_bytes(uint32_t n_slots, const struct policy_params *p)
{
	struct ws_policy w;
	(void)p;
	return ws_layout(&w, NULL, n_slots);
}

static void ws_init(void *self, uint32_t n_slots, const struct policy_env *env)
{
	struct ws_policy *w = self;
	ws_layout(w, self, n_slots);
	w->env = env;
	w->tau = (uint64_t)env->params.value[0];
	ring_init(&w->ring, w->link, n_slots);
}

static void ws_enter(void *self, uint32_t slot, uint64_t key)
{
	struct ws_policy *w = self;
	(void)key;
	w->used_at[slot] = w->env->now;
	ring_push_back(&w->ring, slot);
}

static inline void ws_touch(void *self, uint32_t slot)
{
	struct ws_policy *w = self;
	w->used_at[slot] = w->env->now;
	ring_refresh(&w->ring, slot);
}

static uint32_t ws_victim(void *self)
{
	struct ws_policy *w = self;
	return ring_take_first(&w->ring, w->env);
}

static void ws_leave(void *self, uint32_t slot)
{
	ring_remove(&((struct ws_policy *)self)->ring, slot);
}

static uint64_t ws_due(const void *self)
{
	const struct ws_policy *w = self;
	uint32_t first = ring_first(&w->ring);
	return (first == w->ring.head ? w->env->now : w->used_at[first]) + w->tau;
}

/* A page that may not go counts as used now. */
static uint32_t ws_wake(void *self)
{
	struct ws_policy *w = self;
	while (ws_due(w) <= w->env->now) {
		uint32_t slot = ring_first(&w->ring);
		if (policy_may_evict(w->env, slot)) {
			ring_remove(&w->ring, slot);
			return slot;
		}
		ws_touch(w, slot);
	}
	return POLICY_SLOT_NONE;
}

static const char *ws_flaw(const void *self)
{
	const struct ws_policy *w = self;
	uint64_t at = 0;
	for (uint32_t s = ring_first(&w->ring); s != w->ring.head; at = w->used_at[s], s = ring_next(&w->ring, s)) {
		if (w->used_at[s] < at)
			return "ws: the times of last use are not in order";
	}
	return ring_flaw(&w->ring);
}

POLICY_DRIVE_DECLARE(ws)
const struct policy_ops policy_ws = {
	.name = "ws",
	.paper = "P. J. Denning, 1968",
	.variant = "exact, over references of all programs together; frames are an upper bound",
	.sees = POLICY_SEES_RECENCY,
	.timed = true,
	.variable = true,
	.param = ws_param,
	.bytes = ws_bytes,
	.init = ws_init,
	.enter = ws_enter,
	.touch = ws_touch,
	.victim = ws_victim,
	.leave = ws_leave,
	.due = ws_due,
	.wake = ws_wake,
	.flaw = ws_flaw,
	.drive = ws_drive,
};
POLICY_DRIVE(ws)
