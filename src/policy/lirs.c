/* lirs.c - low inter-reference recency set.
 *
 * Problem: lru judges a page by when it was used last.  In a loop larger than memory, or during a scan, that is the wrong question.
 * Idea: judge it by how many other pages were used between its last two uses.  Pages for which that is low (LIR) own nearly all of
 * memory; all others (HIR) share a small queue Q and leave from its front.  The stack S holds LIR pages and those HIR pages, in
 * memory or not, that were used more recently than the LIR page used longest ago: one of these used again while it is still in S
 * has shown an inter-reference recency lower than that LIR page's, and changes places with it.
 *
 *      S   top    h  L  h' L  L  h' L    bottom, always LIR         L: LIR    h: HIR in memory    h': HIR not in memory
 *      Q   front  h  h    back           HIR pages in memory, whether in S or not
 *
 * 1. The bottom of S is LIR while there is any: what lies below the lowest LIR page is pruned.
 * 2. At most lir_most pages are LIR; a page in memory that is not LIR is in Q.
 * 3. Pages not in memory are in S, and at most as many as parameter ghosts says: then the one that left first is forgotten.  (The
 *    paper sets no limit; without one a scan would be remembered whole.)
 * Every reference matters, also the second in a row: the first puts a HIR page on S, the second finds it there.
 * Source: S. Jiang, X. Zhang, "LIRS: an efficient low inter-reference recency set replacement policy to improve buffer cache
 * performance", SIGMETRICS (2002). */
#include "drive.h"
#include "fetch.h"

struct lirs {
	const struct policy_env *env;
	struct ring stack;        /* first: the bottom.  Slots, and ghosts at index + n_slots */
	struct ring queue, left;  /* Q; ghosts in the order in which they left.  They share an array */
	struct ring_link *stack_link, *queue_link;
	struct ghosts ghosts;
	uint64_t *key;
	uint8_t *is_lir;
	uint32_t n_slots, n_lir, lir_most;
	uint64_t coming;          /* the page that missed, if S knew it */
	bool coming_known;
};

static const struct policy_param lirs_param[] = {
	{ "hir", POLICY_SHARE, 0.01, 0, 1, "the part of memory that HIR pages share; at least one frame" },
	{ "ghosts", POLICY_SHARE, 2, 0, 64, "pages remembered after they have left, as a part of memory" },
	{ 0 },
};

static size_t lirs_layout(struct lirs *l, char *base, uint32_t n, const struct policy_params *p)
{
	struct block b = { .base = base, .used = (sizeof *l + 15) & ~15ul };
	double ghosts = p->value[1] * n;
	ghosts_layout(&l->ghosts, &b, ghosts < GHOST_MOST ? (uint32_t)ghosts : GHOST_MOST);
	l->stack_link = block_take(&b, (size_t)n + l->ghosts.cap + 1, sizeof *l->stack_link);
	l->queue_link = block_take(&b, (size_t)n + l->ghosts.cap + 2, sizeof *l->queue_link);
	l->key = block_take(&b, n, sizeof *l->key);
	l->is_lir = block_take(&b, n, 1);
	return b.used;
}

static size_t lirs_bytes(uint32_t n_slots, const struct policy_params *p)
{
	struct lirs l;
	return lirs_layout(&l, NULL, n_slots, p);
}

static void lirs_init(void *self, uint32_t n_slots, const struct policy_env *env)
{
	struct lirs *l = self;
	lirs_layout(l, self, n_slots, &env->params);
	l->env = env;
	l->ghosts.memo = &env->memo;
	l->n_slots = n_slots;
	uint32_t hir = (uint32_t)(env->params.value[0] * n_slots), heads = n_slots + l->ghosts.cap;
	l->lir_most = n_slots - (hir ? hir : 1);
	ring_init(&l->stack, l->stack_link, heads);
	ring_init(&l->queue, l->queue_link, heads);
	ring_init(&l->left, l->queue_link, heads + 1);
}

static inline void lirs_ghost_drop(struct lirs *l, uint32_t ghost)
{
	ring_remove(&l->stack, l->n_slots + ghost);
	ring_remove(&l->left, l->n_slots + ghost);
	ghosts_drop(&l->ghosts, ghost);
}

static void lirs_prune(struct lirs *l)
{
	uint32_t bottom;
	while ((bottom = ring_first(&l->stack)) != l->stack.head && (bottom >= l->n_slots || !l->is_lir[bottom])) {
		if (bottom >= l->n_slots)
			lirs_ghost_drop(l, bottom - l->n_slots);
		else
			ring_remove(&l->stack, bottom);
	}
}

/* LIR pages beyond what there may be: the lowest becomes HIR. */
static void lirs_demote(struct lirs *l)
{
	while (l->n_lir > l->lir_most) {
		lirs_prune(l);
		uint32_t bottom = ring_first(&l->stack);
		ring_remove(&l->stack, bottom);
		ring_push_back(&l->queue, bottom);
		l->is_lir[bottom] = false;
		l->n_lir--;
	}
	lirs_prune(l);
}

static void lirs_miss(void *self, uint64_t key)
{
	struct lirs *l = self;
	uint32_t ghost = ghosts_find(&l->ghosts, key);
	l->coming = key;
	l->coming_known = ghost != GHOST_NONE;
	if (ghost != GHOST_NONE)
		lirs_ghost_drop(l, ghost);
}

static void lirs_forget(void *self, uint64_t key)
{
	struct lirs *l = self;
	uint32_t ghost = ghosts_find(&l->ghosts, key);
	if (ghost != GHOST_NONE)
		lirs_ghost_drop(l, ghost);
}

static void lirs_enter(void *self, uint32_t slot, uint64_t key)
{
	struct lirs *l = self;
	bool known = l->coming_known && l->coming == key;
	if (!known)
		lirs_forget(l, key); /* it could not leave after all */
	l->coming_known = false;
	l->key[slot] = key;
	ring_push_back(&l->stack, slot);
	l->is_lir[slot] = known || l->n_lir < l->lir_most;
	if (l->is_lir[slot]) {
		l->n_lir++;
		lirs_demote(l);
	} else {
		ring_push_back(&l->queue, slot);
	}
}

static void lirs_touch_hir(struct lirs *l, uint32_t slot)
{
	if (!ring_has(&l->stack, slot)) {
		ring_push_back(&l->stack, slot);
		ring_refresh(&l->queue, slot);
		return;
	}
	ring_refresh(&l->stack, slot);
	ring_remove(&l->queue, slot);
	l->is_lir[slot] = true;
	l->n_lir++;
	lirs_demote(l);
}

static inline void lirs_touch(void *self, uint32_t slot)
{
	struct lirs *l = self;
	if (!l->is_lir[slot]) {
		lirs_touch_hir(l, slot);
		return;
	}
	bool was_bottom = ring_first(&l->stack) == slot;
	ring_refresh(&l->stack, slot);
	if (was_bottom)
		lirs_prune(l);
}

static inline void lirs_soon(void *self, uint32_t node)
{
	struct lirs *l = self;
	fetch_node(&l->ghosts, l->stack_link, l->is_lir, l->n_slots, node);
}

static void lirs_leave(void *self, uint32_t slot)
{
	struct lirs *l = self;
	if (ring_has(&l->stack, slot))
		ring_remove(&l->stack, slot);
	if (l->is_lir[slot])
		l->n_lir--;
	else
		ring_remove(&l->queue, slot);
	l->is_lir[slot] = false;
	lirs_prune(l);
}

/* A HIR page that was in S stays there without its slot. */
static void lirs_remember(struct lirs *l, uint32_t slot)
{
	if (l->ghosts.cap && ghosts_full(&l->ghosts))
		lirs_ghost_drop(l, ring_first(&l->left) - l->n_slots);
	fetch_forgotten(&l->left, &l->ghosts, l->n_slots);
	if (!l->ghosts.cap) {
		ring_remove(&l->stack, slot);
		return;
	}
	uint32_t node = l->n_slots + ghosts_add(&l->ghosts, l->key[slot], 0);
	ring_replace(&l->stack, slot, node);
	ring_push_back(&l->left, node);
}

static uint32_t lirs_victim(void *self)
{
	struct lirs *l = self;
	uint32_t slot = ring_take_first(&l->queue, l->env);
	fetch_leaving(&l->queue, l->env, l->key, l->is_lir);
	if (slot != POLICY_SLOT_NONE) {
		if (ring_has(&l->stack, slot))
			lirs_remember(l, slot);
		return slot;
	}
	for (slot = ring_first(&l->stack); slot != l->stack.head; slot = ring_next(&l->stack, slot)) {
		if (slot < l->n_slots && l->is_lir[slot] && policy_may_evict(l->env, slot)) {
			lirs_leave(l, slot);
			return slot;
		}
	}
	return POLICY_SLOT_NONE;
}

static const char *lirs_flaw(const void *self)
{
	const struct lirs *l = self;
	uint32_t bottom = ring_first(&l->stack), lir = 0, ghosts = 0;
	if (l->n_lir > l->lir_most)
		return "lirs: more LIR pages than there may be";
	if (l->n_lir && (bottom >= l->n_slots || !l->is_lir[bottom]))
		return "lirs: the bottom of the stack is not LIR";
	for (uint32_t s = bottom; s != l->stack.head; s = ring_next(&l->stack, s)) {
		lir += s < l->n_slots && l->is_lir[s];
		ghosts += s >= l->n_slots;
	}
	if (lir != l->n_lir)
		return "lirs: a LIR page is not in the stack";
	if (ghosts != l->ghosts.count || ghosts != l->left.count)
		return "lirs: a page that has left is not in the stack";
	const char *flaw = ring_flaw(&l->stack);
	flaw = flaw ? flaw : ring_flaw(&l->queue);
	return flaw ? flaw : ghosts_flaw(&l->ghosts);
}

POLICY_DRIVE_DECLARE(lirs)
const struct policy_ops policy_lirs = {
	.name = "lirs",
	.paper = "S. Jiang and X. Zhang, 2002",
	.variant = "as in the paper; pages that have left are remembered up to a limit, and then the one that left first is forgotten",
	.sees = POLICY_SEES_EVERY,
	.param = lirs_param,
	.bytes = lirs_bytes,
	.init = lirs_init,
	.miss = lirs_miss,
	.enter = lirs_enter,
	.touch = lirs_touch,
	.soon = lirs_soon,
	.victim = lirs_victim,
	.leave = lirs_leave,
	.forget = lirs_forget,
	.flaw = lirs_flaw,
	.drive = lirs_drive,
};
POLICY_DRIVE(lirs)
