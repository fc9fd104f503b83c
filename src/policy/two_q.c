/* two_q.c - 2Q: what is used only once in a while must not push out what is used again and again.
 *
 * Problem: lru gives each page that comes in the whole length of its list, though most are used once, or a few times in a row.
 * Idea: newcomers pass through a short queue, in which further references mean nothing.  Who leaves it is remembered for a while,
 * and only if it is wanted again during that while does it enter the main list, which is lru.
 *
 *      new ---> A1in (fifo, 25 % of memory) ---> A1out (fifo of keys only, as many as 50 % of memory)
 *                                                  |  wanted again
 *                                                  v
 *                                                 Am (lru) ---> out, not remembered
 *
 * 1. A slot is in A1in or in Am; key A1out holds has no slot.
 * 2. A1in gives a page up when it holds more than its share; otherwise Am does.
 * 3. |A1out| <= its share; the oldest is forgotten.
 * Source: T. Johnson, D. Shasha, "2Q: a low overhead high performance buffer management replacement algorithm", VLDB (1994): the
 * full version. */
#include "drive.h"
#include "fetch.h"

struct two_q {
	const struct policy_env *env;
	struct ring in, main, out;   /* out: ghosts, at index + n_slots */
	struct ring_link *link;
	struct ghosts ghosts;
	uint64_t *key;
	uint8_t *in_main;
	uint32_t n_slots, in_most;
	uint64_t coming;             /* the page that is about to enter, if A1out knew it: making room may forget it */
	bool coming_known;
};

static const struct policy_param two_q_param[] = {
	{ "in", POLICY_SHARE, 0.25, 0, 1, "A1in's part of memory" },
	{ "out", POLICY_SHARE, 0.5, 0, 4, "keys remembered in A1out, as a part of memory" },
	{ 0 },
};

static size_t two_q_layout(struct two_q *q, char *base, uint32_t n, const struct policy_params *p)
{
	struct block b = { .base = base, .used = (sizeof *q + 15) & ~15ul };
	double out = p->value[1] * n;
	ghosts_layout(&q->ghosts, &b, out < GHOST_MOST ? (uint32_t)out : GHOST_MOST);
	q->link = block_take(&b, (size_t)n + q->ghosts.cap + 3, sizeof *q->link);
	q->key = block_take(&b, n, sizeof *q->key);
	q->in_main = block_take(&b, n, 1);
	return b.used;
}

static size_t two_q_bytes(uint32_t n_slots, const struct policy_params *p)
{
	struct two_q q;
	return two_q_layout(&q, NULL, n_slots, p);
}

static void two_q_init(void *self, uint32_t n_slots, const struct policy_env *env)
{
	struct two_q *q = self;
	two_q_layout(q, self, n_slots, &env->params);
	q->env = env;
	q->ghosts.memo = &env->memo;
	q->n_slots = n_slots;
	q->in_most = (uint32_t)(env->params.value[0] * n_slots);
	uint32_t heads = n_slots + q->ghosts.cap;
	ring_init(&q->in, q->link, heads);
	ring_init(&q->main, q->link, heads + 1);
	ring_init(&q->out, q->link, heads + 2);
}

static inline void two_q_forget_ghost(struct two_q *q, uint32_t ghost)
{
	ring_remove(&q->out, q->n_slots + ghost);
	ghosts_drop(&q->ghosts, ghost);
}

static inline void two_q_remember(struct two_q *q, uint64_t key)
{
	if (!q->ghosts.cap)
		return;
	if (ghosts_full(&q->ghosts))
		two_q_forget_ghost(q, ring_first(&q->out) - q->n_slots);
	fetch_forgotten(&q->out, &q->ghosts, q->n_slots);
	ring_push_back(&q->out, q->n_slots + ghosts_add(&q->ghosts, key, 0));
}

static void two_q_miss(void *self, uint64_t key)
{
	struct two_q *q = self;
	q->coming = key;
	q->coming_known = ghosts_find(&q->ghosts, key) != GHOST_NONE;
}

static void two_q_enter(void *self, uint32_t slot, uint64_t key)
{
	struct two_q *q = self;
	uint32_t ghost = ghosts_find(&q->ghosts, key);
	q->key[slot] = key;
	q->in_main[slot] = ghost != GHOST_NONE || (q->coming_known && q->coming == key);
	q->coming_known = false;
	if (ghost != GHOST_NONE)
		two_q_forget_ghost(q, ghost);
	ring_push_back(q->in_main[slot] ? &q->main : &q->in, slot);
}

static inline void two_q_touch(void *self, uint32_t slot)
{
	struct two_q *q = self;
	if (q->in_main[slot])
		ring_refresh(&q->main, slot);
}

static inline void two_q_soon(void *self, uint32_t node)
{
	struct two_q *q = self;
	fetch_node(&q->ghosts, q->link, q->in_main, q->n_slots, node);
}

static void two_q_leave(void *self, uint32_t slot)
{
	struct two_q *q = self;
	ring_remove(q->in_main[slot] ? &q->main : &q->in, slot);
}

static uint32_t two_q_victim(void *self)
{
	struct two_q *q = self;
	struct ring *first = q->in.count > q->in_most || !q->main.count ? &q->in : &q->main;
	uint32_t slot = ring_take_first(first, q->env);
	if (slot == POLICY_SLOT_NONE)
		slot = ring_take_first(first == &q->in ? &q->main : &q->in, q->env);
	if (slot != POLICY_SLOT_NONE && !q->in_main[slot])
		two_q_remember(q, q->key[slot]);
	fetch_leaving(&q->in, q->env, q->key, q->in_main);
	fetch_leaving(&q->main, q->env, q->key, q->in_main);
	return slot;
}

static void two_q_forget(void *self, uint64_t key)
{
	struct two_q *q = self;
	uint32_t ghost = ghosts_find(&q->ghosts, key);
	if (ghost != GHOST_NONE)
		two_q_forget_ghost(q, ghost);
}

static const char *two_q_flaw(const void *self)
{
	const struct two_q *q = self;
	if (q->out.count != q->ghosts.count)
		return "2q: A1out and its keys differ";
	for (uint32_t s = ring_first(&q->in); s != q->in.head; s = ring_next(&q->in, s))
		if (s >= q->n_slots || q->in_main[s])
			return "2q: something is in A1in that belongs elsewhere";
	const char *flaw = ring_flaw(&q->in);
	flaw = flaw ? flaw : ring_flaw(&q->main);
	flaw = flaw ? flaw : ring_flaw(&q->out);
	return flaw ? flaw : ghosts_flaw(&q->ghosts);
}

POLICY_DRIVE_DECLARE(two_q)
const struct policy_ops policy_two_q = {
	.name = "2q",
	.paper = "T. Johnson and D. Shasha, 1994",
	.variant = "the full version: references in A1in change nothing; what leaves the main list is not remembered",
	.sees = POLICY_SEES_RECENCY,
	.param = two_q_param,
	.bytes = two_q_bytes,
	.init = two_q_init,
	.miss = two_q_miss,
	.enter = two_q_enter,
	.touch = two_q_touch,
	.soon = two_q_soon,
	.victim = two_q_victim,
	.leave = two_q_leave,
	.forget = two_q_forget,
	.flaw = two_q_flaw,
	.drive = two_q_drive,
};
POLICY_DRIVE(two_q)
