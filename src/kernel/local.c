/* local.c - a policy made of policies.
 *
 * Problem: under global replacement a process that wants much takes it from the others, and how often one faults depends on who runs
 * beside it.
 * Idea: frames are divided; each process has an instance of the policy that sees only its pages, and as many slots as its share.  Towards
 * the kernel all of them together are one policy, which asks the right one:
 *
 *      kernel:   enter(slot)   touch(slot)   victim()              slots of the kernel
 *                    |             |            |
 *                 whose turn    pool_of      share used up? -- yes --> one's own
 *                    |             |            no, but no frame is free: nobody's, then who has most beyond its share
 *                    v             v            v
 *      pool 1 [ . . . . ]   pool 2 [ . . ]   nobody [ ]            slots of their own, from 0
 *
 * Shares are divided when a process comes or goes, and, in proportion to what each has touched, when that has grown by a 64th in all.  A
 * share that shrinks takes nothing away at once: who has more than its share gives a page when another one needs it.
 *
 * 1. A listed slot is in one pool, under one inner slot; back and inner_slot lead to each other.
 * 2. A pool's instance is made for its share, or for what it held when that was divided, whichever is more.
 * 3. What was taken out and is listed again with the same key is in the pool it was in: an eviction that failed changes no owner.
 * Rejected: a share taken away at once (a process that comes for a moment would cost the others their pages); pools inside every policy.
 * Source: shares equal and proportional: the textbooks (Silberschatz, Galvin, Gagne, "Operating System Concepts", virtual memory). */
#include "local.h"
#include "../base/mem.h"
#include "space.h"
#include "state.h"
#include <string.h>

#define NO_SLOT UINT32_MAX
#define FREE_SLOT (1u << 31)

struct pool {
	struct local *local;
	struct process *process; /* NULL: nobody's */
	bool moving;             /* its pages go to another instance: what is asked of them changes nothing */
	void *self;              /* of the policy */
	size_t self_bytes;
	struct policy_env env;
	uint32_t n_slots;        /* the instance was made for */
	uint32_t *back;          /* inner slot -> slot; free ones: FREE_SLOT, and the next free one plus one */
	uint32_t fresh, free;
	uint64_t pages, share;
};

struct local {
	struct kernel *kernel;
	const struct policy_ops *inner;
	struct policy_ops ops;   /* what the kernel sees */
	struct pool **pool;      /* [0]: nobody's; [n + 1]: that of process n, or NULL */
	uint32_t n_pools;
	uint32_t n_slots;
	uint32_t *pool_of;       /* of each slot: pool it is in or was in last */
	uint32_t *inner_slot;    /* plus one; 0: not listed */
	uint64_t *key;           /* what was in it last */
	bool due;                /* shares are to be divided */
	uint64_t sizes;          /* of all processes when they were */
};

/* ---- what an instance asks, in slots of its own ---- */

static struct policy_env *outer(const struct pool *p) { return &p->local->kernel->policy_env; }

static bool pool_test_clear_ref(void *ctx, uint32_t slot)
{
	const struct pool *p = ctx;
	return !p->moving && outer(p)->test_clear_ref(outer(p)->ctx, p->back[slot]);
}

static bool pool_may_evict(void *ctx, uint32_t slot)
{
	const struct pool *p = ctx;
	return p->moving || outer(p)->may_evict(outer(p)->ctx, p->back[slot]);
}

static bool pool_modified(void *ctx, uint32_t slot)
{
	const struct pool *p = ctx;
	return outer(p)->modified(outer(p)->ctx, p->back[slot]);
}

static uint64_t pool_next_use(void *ctx, uint64_t key)
{
	const struct pool *p = ctx;
	return outer(p)->next_use(outer(p)->ctx, key);
}

/* ---- instances ---- */

static void pool_destroy(struct pool *p)
{
	if (!p)
		return;
	mem_unreserve(p->self, p->self_bytes);
	mem_unreserve(p->back, p->n_slots * sizeof *p->back);
	mem_free(p);
}

/* => NULL: no memory */
static struct pool *pool_create(struct local *l, struct process *process, uint64_t n_slots)
{
	struct pool *p = mem_zalloc(1, sizeof *p);
	if (!p)
		return NULL;
	*p = (struct pool){ .local = l, .process = process, .n_slots = (uint32_t)(n_slots < l->n_slots ? n_slots : l->n_slots) };
	p->env = *outer(p);
	p->env.ctx = p;
	p->env.test_clear_ref = pool_test_clear_ref;
	p->env.may_evict = pool_may_evict;
	p->env.modified = pool_modified;
	p->env.next_use = pool_next_use;
	p->self_bytes = l->inner->bytes(p->n_slots, &p->env.params);
	p->self = mem_reserve(p->self_bytes);
	p->back = mem_reserve(p->n_slots * sizeof *p->back);
	if (!p->self || !p->back) {
		pool_destroy(p);
		return NULL;
	}
	l->inner->init(p->self, p->n_slots, &p->env);
	return p;
}

static struct pool *pool_at(const struct local *l, const struct process *process)
{
	return process && process->number + 1 < l->n_pools ? l->pool[process->number + 1] : NULL;
}

static void pool_enter(struct local *l, uint32_t number, uint32_t slot, uint64_t key)
{
	struct pool *p = l->pool[number];
	if (!p || p->pages == p->n_slots)
		p = l->pool[number = 0]; /* which has room for all */
	uint32_t inner = p->free ? p->free - 1 : p->fresh;
	if (p->free)
		p->free = p->back[inner] & ~FREE_SLOT;
	else
		p->fresh++;
	p->back[inner] = slot;
	p->pages++;
	l->inner_slot[slot] = inner + 1;
	l->pool_of[slot] = number;
	l->key[slot] = key;
	p->env.now = outer(p)->now;
	l->inner->enter(p->self, inner, key);
}

/* The instance has let go of it.  => the kernel's slot */
static uint32_t pool_forgot(struct pool *p, uint32_t inner)
{
	uint32_t slot = p->back[inner];
	p->back[inner] = FREE_SLOT | p->free;
	p->free = inner + 1;
	p->pages--;
	p->local->inner_slot[slot] = 0;
	return slot;
}

static uint32_t pool_victim(struct pool *p)
{
	if (!p || !p->pages)
		return POLICY_SLOT_NONE;
	p->env.now = outer(p)->now;
	uint32_t inner = p->local->inner->victim(p->self);
	return inner == POLICY_SLOT_NONE ? inner : pool_forgot(p, inner);
}

/* All pages of a pool into another, in the order in which they would leave; and as they are: their reference bits stay. */
static void pool_empty(struct local *l, struct pool *from, uint32_t to)
{
	uint32_t slot;
	from->moving = true;
	while ((slot = pool_victim(from)) != POLICY_SLOT_NONE)
		pool_enter(l, to, slot, l->key[slot]);
	for (uint32_t inner = 0; from->pages && inner < from->fresh; inner++) {
		if (from->back[inner] & FREE_SLOT)
			continue;
		l->inner->leave(from->self, inner);
		slot = pool_forgot(from, inner);
		pool_enter(l, to, slot, l->key[slot]);
	}
}

/* ---- shares ---- */

static uint64_t size_of(const struct pool *p)
{
	uint64_t touched = p->process->map.layer.count;
	touched = touched > p->pages ? touched : p->pages;
	return touched ? touched : 1;
}

static uint64_t sizes_of_all(const struct local *l)
{
	uint64_t sizes = 0;
	for (uint32_t i = 1; i < l->n_pools; i++)
		sizes += l->pool[i] ? size_of(l->pool[i]) : 0;
	return sizes;
}

/* Frames that pages can have, about: page tables take theirs from the same memory. */
static uint64_t frames_to_divide(const struct kernel *k)
{
	uint64_t frames = k->frames.n_pages + k->frames.n_free, kept = kernel_is_linux(k) ? k->high_pages : 0;
	frames = frames < k->frames.page_limit ? frames : k->frames.page_limit;
	return frames > kept ? frames - kept : 1;
}

/* The pool gets an instance for its share.  Without memory for one it keeps the one it has. */
static void pool_fit(struct local *l, uint32_t number)
{
	struct pool *old = l->pool[number];
	uint64_t want = old->share > old->pages ? old->share : old->pages;
	if (want == old->n_slots)
		return;
	struct pool *fresh = pool_create(l, old->process, want);
	if (!fresh)
		return;
	fresh->share = old->share;
	l->pool[number] = fresh;
	pool_empty(l, old, number);
	pool_destroy(old);
}

/* The frames are divided anew; what the division leaves over goes to the first ones, one each. */
static void divide(struct local *l)
{
	bool equal = l->kernel->config.allocation == ALLOCATION_equal;
	uint64_t frames = frames_to_divide(l->kernel), given = 0, n = 0;
	reclaim_drain(l->kernel); /* pages change instances in the order of their use */
	l->due = false;
	l->sizes = sizes_of_all(l);
	for (uint32_t i = 1; i < l->n_pools; i++)
		n += l->pool[i] != NULL;
	for (uint32_t i = 1; i < l->n_pools; i++) {
		struct pool *p = l->pool[i];
		if (p)
			given += p->share = equal ? frames / n : (uint64_t)((unsigned __int128)frames * size_of(p) / l->sizes);
	}
	for (uint32_t i = 1; i < l->n_pools; i++) {
		struct pool *p = l->pool[i];
		if (!p)
			continue;
		bool more = given < frames || !p->share;
		p->share += more;
		given += more;
		p->process->share_pages = p->share;
		pool_fit(l, i);
	}
}

static enum pw_err pool_add(struct local *l, struct process *process)
{
	uint32_t n = process->number + 2;
	if (n > l->n_pools) {
		struct pool **grown = mem_realloc(l->pool, n, sizeof *grown);
		if (!grown)
			return PW_NOMEM;
		l->pool = grown;
		while (l->n_pools < n)
			l->pool[l->n_pools++] = NULL;
	}
	l->pool[n - 1] = pool_create(l, process, 1);
	l->due = true;
	return l->pool[n - 1] ? PW_OK : PW_NOMEM;
}

enum pw_err local_prepare(struct kernel *k)
{
	struct local *l = k->local;
	if (!l || !k->working || !k->working->alive || k->working->killed)
		return PW_OK;
	enum pw_err err = pool_at(l, k->working) ? PW_OK : pool_add(l, k->working);
	if (err)
		return err;
	if (k->config.allocation == ALLOCATION_proportional && !l->due)
		l->due = sizes_of_all(l) > l->sizes + l->sizes / 64;
	if (l->due)
		divide(l);
	return PW_OK;
}

bool local_is_full(const struct kernel *k)
{
	const struct pool *p = k->local ? pool_at(k->local, k->working) : NULL;
	return p && p->pages >= p->share;
}

void local_leave(struct process *process)
{
	struct local *l = process->kernel->local;
	struct pool *p = l ? pool_at(l, process) : NULL;
	if (!p)
		return;
	l->pool[process->number + 1] = NULL;
	l->due = true;
	pool_empty(l, p, 0);
	pool_destroy(p);
}

/* ---- as one policy ---- */

static struct local *local_of(const void *self) { return *(struct local *const *)self; }

static size_t local_bytes(uint32_t n_slots, const struct policy_params *params)
{
	(void)n_slots, (void)params;
	return sizeof(struct local *);
}

static void local_init(void *self, uint32_t n_slots, const struct policy_env *env)
{
	(void)n_slots;
	*(struct local **)self = ((struct kernel *)env->ctx)->local;
}

static void local_miss(void *self, uint64_t key)
{
	struct local *l = local_of(self);
	struct pool *p = pool_at(l, l->kernel->working);
	if (!p)
		return;
	p->env.now = outer(p)->now;
	l->inner->miss(p->self, key);
}

static void local_enter(void *self, uint32_t slot, uint64_t key)
{
	struct local *l = local_of(self);
	bool again = l->key[slot] == key && l->pool_of[slot] < l->n_pools && l->pool[l->pool_of[slot]];
	const struct process *who = l->kernel->working;
	pool_enter(l, again ? l->pool_of[slot] : who ? who->number + 1 < l->n_pools ? who->number + 1 : 0 : 0, slot, key);
}

static void local_touch(void *self, uint32_t slot)
{
	struct local *l = local_of(self);
	struct pool *p = l->pool[l->pool_of[slot]];
	p->env.now = outer(p)->now;
	l->inner->touch(p->self, l->inner_slot[slot] - 1);
}

static void local_leave_slot(void *self, uint32_t slot)
{
	struct local *l = local_of(self);
	struct pool *p = l->pool[l->pool_of[slot]];
	uint32_t inner = l->inner_slot[slot] - 1;
	l->inner->leave(p->self, inner);
	pool_forgot(p, inner);
}

static void local_forget(void *self, uint64_t key)
{
	struct local *l = local_of(self);
	for (uint32_t i = 0; i < l->n_pools; i++)
		if (l->pool[i])
			l->inner->forget(l->pool[i]->self, key);
}

/* Who has most beyond its share, or simply most. */
static struct pool *pool_largest(const struct local *l, bool beyond)
{
	struct pool *largest = NULL;
	uint64_t most = 0;
	for (uint32_t i = 1; i < l->n_pools; i++) {
		struct pool *p = l->pool[i];
		uint64_t has = !p ? 0 : !beyond ? p->pages : p->pages > p->share ? p->pages - p->share : 0;
		if (has > most) {
			most = has;
			largest = p;
		}
	}
	return largest;
}

static uint32_t local_victim(void *self)
{
	struct local *l = local_of(self);
	struct pool *own = pool_at(l, l->kernel->working);
	bool full = own && own->pages >= own->share;
	struct pool *const order[] = { full ? own : l->pool[0], full ? NULL : pool_largest(l, true), own, l->pool[0] };
	for (unsigned i = 0; i < sizeof order / sizeof *order; i++) {
		uint32_t slot = pool_victim(order[i]);
		if (slot != POLICY_SLOT_NONE)
			return slot;
	}
	return pool_victim(pool_largest(l, false)); /* rather than kill somebody */
}

static uint64_t local_due(const void *self)
{
	const struct local *l = local_of(self);
	uint64_t due = POLICY_NEVER;
	for (uint32_t i = 0; i < l->n_pools; i++) {
		uint64_t one = l->pool[i] ? l->inner->due(l->pool[i]->self) : POLICY_NEVER;
		due = one < due ? one : due;
	}
	return due;
}

static uint32_t local_wake(void *self)
{
	struct local *l = local_of(self);
	for (uint32_t i = 0; i < l->n_pools; i++) {
		struct pool *p = l->pool[i];
		if (!p)
			continue;
		p->env.now = outer(p)->now;
		uint32_t inner = l->inner->wake(p->self);
		if (inner != POLICY_SLOT_NONE)
			return pool_forgot(p, inner);
	}
	return POLICY_SLOT_NONE;
}

static const char *pool_flaw(const struct local *l, uint32_t number)
{
	const struct pool *p = l->pool[number];
	uint64_t pages = 0;
	for (uint32_t inner = 0; inner < p->fresh; inner++) {
		uint32_t slot = p->back[inner];
		if (slot & FREE_SLOT)
			continue;
		pages++;
		if (l->pool_of[slot] != number || l->inner_slot[slot] != inner + 1)
			return "local: a slot and the pool it is in do not lead to each other";
	}
	if (p->process && (!p->process->alive || p->process->killed))
		return "local: a process that has ended has a share of the frames";
	if (pages != p->pages)
		return "local: a pool's count of pages is not how many it holds";
	return l->inner->flaw ? l->inner->flaw(p->self) : NULL;
}

static const char *local_flaw(const void *self)
{
	const struct local *l = local_of(self);
	for (uint32_t i = 0; i < l->n_pools; i++) {
		const char *flaw = l->pool[i] ? pool_flaw(l, i) : NULL;
		if (flaw)
			return flaw;
	}
	return NULL;
}

enum pw_err local_create(struct kernel *k)
{
	struct local *l = k->local = mem_zalloc(1, sizeof *l);
	const struct policy_ops *inner = k->config.policy;
	if (!l)
		return PW_NOMEM;
	*l = (struct local){ .kernel = k, .inner = inner, .ops = *inner, .n_slots = k->frames.n_slots };
	l->ops.bytes = local_bytes;
	l->ops.init = local_init;
	l->ops.miss = inner->miss ? local_miss : NULL;
	l->ops.enter = local_enter;
	l->ops.touch = inner->touch ? local_touch : NULL;
	l->ops.victim = local_victim;
	l->ops.leave = local_leave_slot;
	l->ops.forget = inner->forget ? local_forget : NULL;
	l->ops.due = inner->due ? local_due : NULL;
	l->ops.wake = inner->wake ? local_wake : NULL;
	l->ops.flaw = local_flaw;
	l->pool_of = mem_reserve(l->n_slots * sizeof *l->pool_of);
	l->inner_slot = mem_reserve(l->n_slots * sizeof *l->inner_slot);
	l->key = mem_reserve(l->n_slots * sizeof *l->key);
	l->pool = mem_zalloc(1, sizeof *l->pool);
	k->config.policy = &l->ops;
	return l->pool_of && l->inner_slot && l->key && l->pool ? PW_OK : PW_NOMEM;
}

enum pw_err local_begin(struct kernel *k)
{
	struct local *l = k->local;
	l->pool[0] = pool_create(l, NULL, l->n_slots);
	l->n_pools = 1;
	return l->pool[0] ? PW_OK : PW_NOMEM;
}

void local_destroy(struct kernel *k)
{
	struct local *l = k->local;
	if (!l)
		return;
	for (uint32_t i = 0; i < l->n_pools; i++)
		pool_destroy(l->pool[i]);
	mem_unreserve(l->pool_of, l->n_slots * sizeof *l->pool_of);
	mem_unreserve(l->inner_slot, l->n_slots * sizeof *l->inner_slot);
	mem_unreserve(l->key, l->n_slots * sizeof *l->key);
	mem_free(l->pool);
	mem_free(l);
	k->local = NULL;
}
