/* s3_fifo.c - three queues, none of which is ever reordered.
 *
 * Problem: most pages that come in are not used again before they leave, and lists in order of use cost something at each hit.
 * Idea: a small queue S through which newcomers pass quickly, a main queue M for those used more than once meanwhile, and a queue G
 * of the keys of those that were not.  A hit only counts, to three.
 *
 *      new ---> S (10 %) ---- used twice or more ----> M (90 %) ---+---> out, not remembered
 *                 |                                     ^          |
 *                 v used less                           +----------+ used: once more round, with a count one less
 *                 G (keys) ---- wanted again ---------> M
 *
 * 1. A slot is in S or in M; what G holds has no slot.  G holds as many keys as M may have pages; the oldest is forgotten.
 * 2. S gives a page up when it holds its share or more; otherwise M does.  If pages that move from S fill M beyond its share, M
 *    gives one up instead.
 * 3. A count lies between 0 and 3, begins at 0 and is 0 again when the page moves to M.
 * Source: J. Yang, Y. Zhang, Z. Qiu, Y. Yue, R. Vinayak, "FIFO queues are all you need for cache eviction", SOSP (2023),
 * algorithm 1. */
#include "drive.h"
#include "fetch.h"

enum { COUNT_MOST = 3, IN_MAIN = 4 };

struct s3_fifo {
	const struct policy_env *env;
	struct ring small, main, out; /* out: G, ghosts at index + n_slots */
	struct ring_link *link;
	struct ghosts ghosts;
	uint64_t *key;
	uint8_t *state;               /* the count, and IN_MAIN */
	uint32_t n_slots, small_share, main_share;
	uint64_t coming;              /* what missed and was in G: making room may forget it */
	bool coming_known;
};

static const struct policy_param s3_fifo_param[] = {
	{ "small", POLICY_SHARE, 0.1, 0, 1, "S's part of memory" },
	{ 0 },
};

static size_t s3_fifo_layout(struct s3_fifo *f, char *base, uint32_t n, const struct policy_params *p)
{
	struct block b = { .base = base, .used = (sizeof *f + 15) & ~15ul };
	uint32_t small = (uint32_t)(p->value[0] * n);
	f->small_share = small ? small : 1;
	f->main_share = n - f->small_share;
	ghosts_layout(&f->ghosts, &b, f->main_share);
	f->link = block_take(&b, (size_t)n + f->main_share + 3, sizeof *f->link);
	f->key = block_take(&b, n, sizeof *f->key);
	f->state = block_take(&b, n, 1);
	return b.used;
}

static size_t s3_fifo_bytes(uint32_t n_slots, const struct policy_params *p)
{
	struct s3_fifo f;
	return s3_fifo_layout(&f, NULL, n_slots, p);
}

static void s3_fifo_init(void *self, uint32_t n_slots, const struct policy_env *env)
{
	struct s3_fifo *f = self;
	s3_fifo_layout(f, self, n_slots, &env->params);
	f->env = env;
	f->ghosts.memo = &env->memo;
	f->n_slots = n_slots;
	uint32_t heads = n_slots + f->main_share;
	ring_init(&f->small, f->link, heads);
	ring_init(&f->main, f->link, heads + 1);
	ring_init(&f->out, f->link, heads + 2);
}

static inline void s3_fifo_ghost_drop(struct s3_fifo *f, uint32_t ghost)
{
	ring_remove(&f->out, f->n_slots + ghost);
	ghosts_drop(&f->ghosts, ghost);
}

static inline void s3_fifo_remember(struct s3_fifo *f, uint64_t key)
{
	if (!f->ghosts.cap)
		return;
	if (ghosts_full(&f->ghosts))
		s3_fifo_ghost_drop(f, ring_first(&f->out) - f->n_slots);
	fetch_forgotten(&f->out, &f->ghosts, f->n_slots);
	ring_push_back(&f->out, f->n_slots + ghosts_add(&f->ghosts, key, 0));
}

static void s3_fifo_miss(void *self, uint64_t key)
{
	struct s3_fifo *f = self;
	f->coming = key;
	f->coming_known = ghosts_find(&f->ghosts, key) != GHOST_NONE;
}

static void s3_fifo_enter(void *self, uint32_t slot, uint64_t key)
{
	struct s3_fifo *f = self;
	uint32_t ghost = ghosts_find(&f->ghosts, key);
	bool known = ghost != GHOST_NONE || (f->coming_known && f->coming == key);
	if (ghost != GHOST_NONE)
		s3_fifo_ghost_drop(f, ghost);
	f->coming_known = false;
	f->key[slot] = key;
	f->state[slot] = known ? IN_MAIN : 0;
	ring_push_back(known ? &f->main : &f->small, slot);
}

static inline void s3_fifo_touch(void *self, uint32_t slot)
{
	struct s3_fifo *f = self;
	f->state[slot] += (f->state[slot] & COUNT_MOST) < COUNT_MOST;
}

static inline void s3_fifo_soon(void *self, uint32_t node)
{
	struct s3_fifo *f = self;
	fetch_node(&f->ghosts, f->link, f->state, f->n_slots, node);
}

static void s3_fifo_leave(void *self, uint32_t slot)
{
	struct s3_fifo *f = self;
	ring_remove(f->state[slot] & IN_MAIN ? &f->main : &f->small, slot);
}

/* Goes round M until a page is found that was not used; a page that may not go is passed over with its count. */
static uint32_t s3_fifo_from_main(struct s3_fifo *f)
{
	for (uint64_t left = 4ull * f->main.count; left; left--) {
		uint32_t slot = ring_first(&f->main);
		fetch_leaving(&f->main, f->env, f->key, f->state);
		if (!policy_may_evict(f->env, slot)) {
			ring_refresh(&f->main, slot);
		} else if (f->state[slot] & COUNT_MOST) {
			f->state[slot]--;
			ring_refresh(&f->main, slot);
		} else {
			ring_remove(&f->main, slot);
			return slot;
		}
	}
	return POLICY_SLOT_NONE;
}

static uint32_t s3_fifo_from_small(struct s3_fifo *f)
{
	for (uint64_t left = f->small.count; left; left--) {
		uint32_t slot = ring_first(&f->small);
		ring_remove(&f->small, slot);
		fetch_leaving(&f->small, f->env, f->key, f->state);
		if ((f->state[slot] & COUNT_MOST) > 1) {
			f->state[slot] = IN_MAIN;
			ring_push_back(&f->main, slot);
			uint32_t victim = f->main.count > f->main_share ? s3_fifo_from_main(f) : POLICY_SLOT_NONE;
			if (victim != POLICY_SLOT_NONE)
				return victim;
		} else if (policy_may_evict(f->env, slot)) {
			s3_fifo_remember(f, f->key[slot]);
			return slot;
		} else {
			ring_push_back(&f->small, slot);
		}
	}
	return POLICY_SLOT_NONE;
}

static uint32_t s3_fifo_victim(void *self)
{
	struct s3_fifo *f = self;
	bool small = f->small.count >= f->small_share;
	uint32_t slot = small ? s3_fifo_from_small(f) : s3_fifo_from_main(f);
	if (slot == POLICY_SLOT_NONE)
		slot = small ? s3_fifo_from_main(f) : s3_fifo_from_small(f);
	return slot == POLICY_SLOT_NONE ? s3_fifo_from_main(f) : slot;
}

static void s3_fifo_forget(void *self, uint64_t key)
{
	struct s3_fifo *f = self;
	uint32_t ghost = ghosts_find(&f->ghosts, key);
	if (ghost != GHOST_NONE)
		s3_fifo_ghost_drop(f, ghost);
}

static const char *s3_fifo_flaw(const void *self)
{
	const struct s3_fifo *f = self;
	if (f->out.count != f->ghosts.count)
		return "s3-fifo: G and its keys differ";
	for (uint32_t s = ring_first(&f->small); s != f->small.head; s = ring_next(&f->small, s))
		if (s >= f->n_slots || f->state[s] & IN_MAIN)
			return "s3-fifo: something is in S that belongs elsewhere";
	const char *flaw = ring_flaw(&f->small);
	flaw = flaw ? flaw : ring_flaw(&f->main);
	flaw = flaw ? flaw : ring_flaw(&f->out);
	return flaw ? flaw : ghosts_flaw(&f->ghosts);
}

POLICY_DRIVE_DECLARE(s3_fifo)
const struct policy_ops policy_s3_fifo = {
	.name = "s3-fifo",
	.paper = "J. Yang, Y. Zhang, Z. Qiu, Y. Yue and R. Vinayak, 2023",
	.variant = "algorithm 1 of the paper; used twice or more in S moves to M; G remembers as many keys as M has pages",
	.sees = POLICY_SEES_EVERY,
	.param = s3_fifo_param,
	.bytes = s3_fifo_bytes,
	.init = s3_fifo_init,
	.miss = s3_fifo_miss,
	.enter = s3_fifo_enter,
	.touch = s3_fifo_touch,
	.soon = s3_fifo_soon,
	.victim = s3_fifo_victim,
	.leave = s3_fifo_leave,
	.forget = s3_fifo_forget,
	.flaw = s3_fifo_flaw,
	.drive = s3_fifo_drive,
};
POLICY_DRIVE(s3_fifo)
