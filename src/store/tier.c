/* tier.c - a fast store of limited size above a slow one.
 *
 * Problem: compressed memory is fast and small, a disk large and slow; what is wanted soon should be in the first, and nobody knows
 * what that is.
 * Idea: what is written goes to the fast tier.  When that is full, the coldest of it moves down in clusters, ordered by slot, so that
 * a disk gets long writes and finds them together later.  Cold is what stands longest in a queue; a page that was read while it
 * stood there gets a second round.  A page read from the slow tier for the second time has a rhythm: it is copied up, if room can be
 * made by one cluster, and its copy below stays good: should it sink again unchanged, nothing is written.
 *
 *     write ---> [ youngest ......... oldest ] ---> slow        flags:  FAST  SLOW (both: a copy in each)
 *                 ^                      | read meanwhile                READ  since it was queued, or once from below
 *                 +----------------------+                              BUSY  in somebody's hands
 *
 * 1. A slot with contents is FAST, SLOW or both; both only if they are equal.
 * 2. Exactly the FAST slots are in the queue.
 * 3. Who moves a slot has made it BUSY; callers take all slots of a batch at once or wait, so nobody waits while holding one
 *    (who makes room holds a batch, but only takes slots that are free).
 * Rejected: demotion in the background (no threads in other people's programs), promotion at the first read (a scan of the slow
 * tier would push everything out of the fast one).
 * Source: F. Corbato, "A paging experiment with the Multics system", 1968, for the second round. */
#include "../base/mem.h"
#include "kind.h"
#include "lane.h"
#include <string.h>

enum { FAST = 1, SLOW = 2, READ = 4, BUSY = 8 };
enum { CLUSTER = 64, LOOK_MAX = 4096, ROOM_TRIES = 64 };
#define END UINT32_MAX

struct tier_leaf {
	uint8_t flags[SLOTS_LEAF];
	uint32_t next[SLOTS_LEAF], prev[SLOTS_LEAF]; /* towards younger, towards older */
};
struct tier {
	struct store store, *fast, *slow;
	struct slots slots;
	pthread_mutex_t lock; /* of all below and of the leaves */
	pthread_cond_t freed;
	uint32_t youngest, oldest;
	uint64_t demoted, dropped, promoted;
	struct lane mover;    /* one cluster moves at a time, through these pages */
	uint8_t *pages;
	size_t pages_bytes;
};

/* ---- flags and queue.  => the lock is held */

static struct tier_leaf *leaf_of(const struct tier *t, uint64_t slot)
{
	return slots_leaf(&t->slots, slot);
}

static uint8_t *flags_of(const struct tier *t, uint64_t slot)
{
	struct tier_leaf *leaf = leaf_of(t, slot);
	return leaf ? &leaf->flags[slot % SLOTS_LEAF] : NULL;
}

static void queue_push(struct tier *t, uint32_t slot)
{
	struct tier_leaf *leaf = leaf_of(t, slot);
	leaf->next[slot % SLOTS_LEAF] = END;
	leaf->prev[slot % SLOTS_LEAF] = t->youngest;
	if (t->youngest == END)
		t->oldest = slot;
	else
		leaf_of(t, t->youngest)->next[t->youngest % SLOTS_LEAF] = slot;
	t->youngest = slot;
}

static void queue_remove(struct tier *t, uint32_t slot)
{
	const struct tier_leaf *leaf = leaf_of(t, slot);
	uint32_t next = leaf->next[slot % SLOTS_LEAF], prev = leaf->prev[slot % SLOTS_LEAF];
	if (next == END)
		t->youngest = prev;
	else
		leaf_of(t, next)->prev[next % SLOTS_LEAF] = prev;
	if (prev == END)
		t->oldest = next;
	else
		leaf_of(t, prev)->next[prev % SLOTS_LEAF] = next;
}

/* Changes where a slot is. */
static void slot_become(struct tier *t, uint64_t slot, uint8_t where)
{
	uint8_t *flags = flags_of(t, slot);
	if (*flags & FAST)
		queue_remove(t, (uint32_t)slot);
	if (where & FAST)
		queue_push(t, (uint32_t)slot);
	*flags = (uint8_t)((*flags & BUSY) | where);
}

/* Makes all slots of a batch ours; slots without a leaf have no contents and need not be. */
static void batch_take(struct tier *t, uint32_t n, const uint64_t slot[])
{
	pthread_mutex_lock(&t->lock);
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *flags = flags_of(t, slot[i]);
		if (!flags || !(*flags & BUSY))
			continue;
		pthread_cond_wait(&t->freed, &t->lock);
		i = UINT32_MAX; /* look at all of them again */
	}
	for (uint32_t i = 0; i < n; i++) {
		uint8_t *flags = flags_of(t, slot[i]);
		if (flags)
			*flags |= BUSY;
	}
	pthread_mutex_unlock(&t->lock);
}

static void batch_leave(struct tier *t, uint32_t n, const uint64_t slot[])
{
	pthread_mutex_lock(&t->lock);
	for (uint32_t i = 0; i < n; i++) {
		uint8_t *flags = flags_of(t, slot[i]);
		if (flags)
			*flags &= (uint8_t)~BUSY;
	}
	pthread_cond_broadcast(&t->freed);
	pthread_mutex_unlock(&t->lock);
}

static void batch_become(struct tier *t, uint32_t n, const uint64_t slot[], uint8_t where)
{
	pthread_mutex_lock(&t->lock);
	for (uint32_t i = 0; i < n; i++)
		slot_become(t, slot[i], where);
	pthread_mutex_unlock(&t->lock);
}

static void fast_discard(struct tier *t, uint32_t n, const uint64_t slot[])
{
	for (uint32_t i = 0; i < n; i++)
		t->fast->ops->discard(t->fast, slot[i], 1);
}

/* ---- making room */

/* The coldest slots, made BUSY: first those to be written, then those whose copy below is good.  => *ret_write of the former;
 * *ret_none: there is none in the whole queue (0 may also mean that all looked at so far go round again) */
static uint32_t victims_take(struct tier *t, uint64_t slot[CLUSTER], uint32_t *ret_write, bool *ret_none)
{
	uint64_t clean[CLUSTER];
	uint32_t n_dirty = 0, n_clean = 0, at = t->oldest;
	for (int looked = 0; at != END && n_dirty + n_clean < CLUSTER && looked < LOOK_MAX; looked++) {
		uint32_t next = leaf_of(t, at)->next[at % SLOTS_LEAF];
		uint8_t *flags = flags_of(t, at);
		if (*flags & READ && !(*flags & BUSY)) {
			*flags &= (uint8_t)~READ;
			queue_remove(t, at);
			queue_push(t, at);
		} else if (!(*flags & BUSY)) {
			*flags |= BUSY;
			if (*flags & SLOW)
				clean[n_clean++] = at;
			else
				slot[n_dirty++] = at;
		}
		at = next;
	}
	memcpy(slot + n_dirty, clean, n_clean * sizeof *slot);
	*ret_write = n_dirty;
	*ret_none = at == END && !n_dirty && !n_clean;
	return n_dirty + n_clean;
}

static void slots_sort(uint64_t slot[], uint32_t n)
{
	for (uint32_t i = 1; i < n; i++) {
		uint64_t key = slot[i];
		uint32_t k = i;
		for (; k && slot[k - 1] > key; k--)
			slot[k] = slot[k - 1];
		slot[k] = key;
	}
}

/* Moves one cluster down.  => PW_NOSPACE with *ret_none: there was nothing to move; otherwise the slow tier's error */
static enum pw_err demote(struct tier *t, bool *ret_none, struct pw_why *why)
{
	uint64_t slot[CLUSTER];
	void *pages[CLUSTER];
	uint32_t n_dirty;
	enum pw_err err = PW_OK;
	pthread_mutex_lock(&t->mover.busy);
	pthread_mutex_lock(&t->lock);
	uint32_t n = victims_take(t, slot, &n_dirty, ret_none);
	pthread_mutex_unlock(&t->lock);
	slots_sort(slot, n_dirty);
	for (uint32_t i = 0; i < n_dirty; i++)
		pages[i] = t->pages + (size_t)i * t->store.page_bytes;
	if (n_dirty)
		err = t->fast->ops->read(t->fast, n_dirty, slot, pages, why);
	if (!err && n_dirty)
		err = t->slow->ops->write(t->slow, n_dirty, slot, (const void *const *)pages, why);
	pthread_mutex_unlock(&t->mover.busy);
	for (uint32_t i = 0; err && i < n_dirty; i++)
		t->slow->ops->discard(t->slow, slot[i], 1);
	uint32_t first = err ? n_dirty : 0; /* what could not be written stays where it is */
	batch_become(t, n - first, slot + first, SLOW);
	fast_discard(t, n - first, slot + first);
	pthread_mutex_lock(&t->lock);
	t->demoted += n_dirty - first;
	t->dropped += n - n_dirty;
	pthread_mutex_unlock(&t->lock);
	batch_leave(t, n, slot);
	return err;
}

/* ---- transfers.  The batch's slots are BUSY. */

/* One page to the fast tier, making room if need be; to the slow one when no room can be made. */
static enum pw_err write_one(struct tier *t, uint64_t slot, const void *page, struct pw_why *why)
{
	enum pw_err err = t->fast->ops->write(t->fast, 1, &slot, &page, why);
	bool none = false;
	for (int tries = 0; err == PW_NOSPACE && !none && tries < ROOM_TRIES; tries++) {
		enum pw_err down = demote(t, &none, why);
		if (down)
			return down;
		if (!none)
			err = t->fast->ops->write(t->fast, 1, &slot, &page, why);
	}
	if (err == PW_NOSPACE) {
		fast_discard(t, 1, &slot);
		err = t->slow->ops->write(t->slow, 1, &slot, &page, why);
		batch_become(t, 1, &slot, err ? 0 : SLOW);
		return err;
	}
	batch_become(t, 1, &slot, err ? 0 : FAST);
	return err;
}

static enum pw_err tier_write(struct store *s, uint32_t n, const uint64_t slot[], const void *const pages[], struct pw_why *why)
{
	struct tier *t = (struct tier *)s;
	enum pw_err err = PW_OK;
	for (uint32_t i = 0; !err && i < n; i++) {
		if (!slots_make(&t->slots, slot[i]))
			err = pw_fail(why, PW_NOMEM, "store tier: slot %llu: out of memory for its place", (unsigned long long)slot[i]);
	}
	if (err)
		return err;
	batch_take(t, n, slot);
	for (uint32_t i = 0; !err && i < n; i++) {
		bool below = *flags_of(t, slot[i]) & SLOW;
		err = write_one(t, slot[i], pages[i], why);
		if (below && !err && !(*flags_of(t, slot[i]) & SLOW))
			t->slow->ops->discard(t->slow, slot[i], 1);
	}
	batch_leave(t, n, slot);
	return err;
}

/* A batch by tiers. */
struct split {
	uint32_t n;
	uint64_t slot[STORE_BATCH];
	void *page[STORE_BATCH];
};

static void split_add(struct split *p, uint64_t slot, void *page)
{
	p->slot[p->n] = slot;
	p->page[p->n++] = page;
}

/* Marks what is read, and says which of the slow ones are read for the second time.  => the lock is not held */
static void split_make(struct tier *t, uint32_t n, const uint64_t slot[], void *const pages[], struct split *fast,
                       struct split *slow, bool again[STORE_BATCH])
{
	pthread_mutex_lock(&t->lock);
	for (uint32_t i = 0; i < n; i++) {
		uint8_t *flags = flags_of(t, slot[i]);
		if (!flags || !(*flags & (FAST | SLOW))) {
			memset(pages[i], 0, t->store.page_bytes);
			continue;
		}
		if (!(*flags & FAST))
			again[slow->n] = *flags & READ;
		split_add(*flags & FAST ? fast : slow, slot[i], pages[i]);
		*flags |= READ;
	}
	pthread_mutex_unlock(&t->lock);
}

/* Copies up what has been read from below before.  Makes room for it at most once; whatever fails, the copy below is good. */
static void promote(struct tier *t, const struct split *slow, const bool again[STORE_BATCH])
{
	bool tried = false, none = false;
	for (uint32_t i = 0; i < slow->n; i++) {
		const void *page = slow->page[i];
		if (!again[i])
			continue;
		enum pw_err err = t->fast->ops->write(t->fast, 1, &slow->slot[i], &page, NULL);
		if (err == PW_NOSPACE && !tried && (tried = true) && !demote(t, &none, NULL) && !none)
			err = t->fast->ops->write(t->fast, 1, &slow->slot[i], &page, NULL);
		if (err) {
			fast_discard(t, 1, &slow->slot[i]);
			return;
		}
		batch_become(t, 1, &slow->slot[i], FAST | SLOW);
		__atomic_fetch_add(&t->promoted, 1, __ATOMIC_RELAXED);
	}
}

static enum pw_err tier_read(struct store *s, uint32_t n, const uint64_t slot[], void *const pages[], struct pw_why *why)
{
	struct tier *t = (struct tier *)s;
	struct split fast, slow;
	bool again[STORE_BATCH];
	fast.n = slow.n = 0;
	batch_take(t, n, slot);
	split_make(t, n, slot, pages, &fast, &slow, again);
	enum pw_err err = fast.n ? t->fast->ops->read(t->fast, fast.n, fast.slot, fast.page, why) : PW_OK;
	if (!err && slow.n)
		err = t->slow->ops->read(t->slow, slow.n, slow.slot, slow.page, why);
	if (!err)
		promote(t, &slow, again);
	batch_leave(t, n, slot);
	return err;
}

static void tier_discard(struct store *s, uint64_t slot, uint32_t n)
{
	struct tier *t = (struct tier *)s;
	for (uint64_t i = slot; i < slot + n; i++) {
		if (!leaf_of(t, i))
			continue;
		batch_take(t, 1, &i);
		uint8_t was = *flags_of(t, i);
		batch_become(t, 1, &i, 0);
		if (was & FAST)
			fast_discard(t, 1, &i);
		if (was & SLOW)
			t->slow->ops->discard(t->slow, i, 1);
		batch_leave(t, 1, &i);
	}
}

static enum pw_err tier_flush(struct store *s, struct pw_why *why)
{
	struct store *slow = ((struct tier *)s)->slow;
	return slow->ops->flush ? slow->ops->flush(slow, why) : PW_OK;
}

static void tier_stats(struct store *s, struct store_stats *sum)
{
	struct tier *t = (struct tier *)s;
	pthread_mutex_lock(&t->lock);
	sum->demoted += t->demoted;
	sum->dropped += t->dropped;
	sum->promoted += __atomic_load_n(&t->promoted, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&t->lock);
	if (t->fast->ops->stats)
		t->fast->ops->stats(t->fast, sum);
	if (t->slow->ops->stats)
		t->slow->ops->stats(t->slow, sum);
}

/* Of the tier where the slot is; the fast one when the run carries no bytes, and nothing ever sinks. */
static uint64_t tier_cost_ns(struct store *s, enum store_direction d, uint64_t slot, uint32_t n)
{
	const struct tier *t = (struct tier *)s;
	const uint8_t *flags = slot < s->n_slots ? flags_of(t, slot) : NULL;
	struct store *at = d == STORE_READ && flags && (*flags & (FAST | SLOW)) == SLOW ? t->slow : t->fast;
	return at->ops->cost_ns(at, d, slot, n);
}

static void tier_close(struct store *s)
{
	struct tier *t = (struct tier *)s;
	store_close_inner(t->fast);
	store_close_inner(t->slow);
	slots_fini(&t->slots);
	mem_unreserve(t->pages, t->pages_bytes);
	lane_fini(&t->mover);
	pthread_mutex_destroy(&t->lock);
	pthread_cond_destroy(&t->freed);
	mem_free(t);
}

static const struct store_ops tier_ops = {
	.name = "tier",
	.summary = "a fast store of limited size above a slow one: tier:lz4=1G,file:PATH",
	.read = tier_read,
	.write = tier_write,
	.discard = tier_discard,
	.flush = tier_flush,
	.stats = tier_stats,
	.cost_ns = tier_cost_ns,
	.close = tier_close,
};

static enum pw_err tier_build(struct tier *t, const struct store_spec *spec, const struct store *like, struct pw_why *why)
{
	const char *comma = strchr(spec->args, ',');
	if (!comma || comma == spec->args || !comma[1])
		return pw_fail(why, PW_INVALID, "store tier: write tier:FAST=SIZE,SLOW, such as tier:lz4=1G,file:PATH");
	char *fast = mem_printf("%.*s", (int)(comma - spec->args), spec->args);
	t->pages_bytes = CLUSTER * (size_t)like->page_bytes;
	t->pages = mem_reserve(t->pages_bytes);
	enum pw_err err = fast && t->pages ? store_open_inner(fast, like, &t->fast, why)
	                                   : pw_fail(why, PW_NOMEM, "store tier: %s", pw_err_text(PW_NOMEM));
	if (!err && !strchr(fast, '='))
		err = pw_fail(why, PW_INVALID, "store tier: the fast tier needs a size; write tier:%s=1G,%s", fast, comma + 1);
	mem_free(fast);
	if (!err)
		err = store_open_inner(comma + 1, like, &t->slow, why);
	if (!err && !(t->fast->keeps_data && t->slow->keeps_data))
		err = pw_fail(why, PW_INVALID, "store tier: a model of a device cannot be a tier; use ram, lz4, zstd or file");
	if (err)
		return err;
	t->store = store_of_kind(t->slow, &tier_ops);
	if (slots_init(&t->slots, t->store.n_slots, SLOTS_LEAF, sizeof(struct tier_leaf)))
		return PW_OK;
	return pw_fail(why, PW_NOMEM, "store tier: %s", pw_err_text(PW_NOMEM));
}

static enum pw_err tier_open(const struct store_spec *spec, const struct store *like, struct store **ret, struct pw_why *why)
{
	struct tier *t = mem_zalloc(1, sizeof *t);
	if (!t)
		return pw_fail(why, PW_NOMEM, "store tier: %s", pw_err_text(PW_NOMEM));
	t->youngest = t->oldest = END;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->freed, NULL);
	lane_init(&t->mover);
	enum pw_err err = tier_build(t, spec, like, why);
	if (err)
		tier_close(&t->store);
	else
		*ret = &t->store;
	return err;
}

const struct store_kind store_kind_tier = { .ops = &tier_ops, .form = "tier:FAST=SIZE,SLOW", .open = tier_open };
