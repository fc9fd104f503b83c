/* log_read.c - the log's reading side: batches from the device, the cleaner, and writing anew what was read together.
 *
 * Problem: the pages of a batch lie wherever their last write went, and both the reader and the cleaner must get many of them at the
 * price of a few.
 * Idea: a batch is ordered by place; neighbours become one transfer, and all transfers are in flight at once.  The clusters read from
 * are pinned meanwhile, so no lock is held while the device works.
 *
 * 1. Every pin taken in gather is given back in release, whatever happened between.
 * Rejected: reading over gaps of a few pages (the bytes of dead places; measured no faster with 64 transfers in flight). */
#include "log_state.h"
#include "../base/mem.h"
#include <errno.h>
#include <string.h>

/* A batch's pages that must come from the device, in the order of their places. */
struct gather {
	uint32_t n, n_ops;
	uint64_t place[STORE_BATCH];  /* as found */
	uint32_t index[STORE_BATCH];  /* of the page in the caller's batch */
	uint32_t order[STORE_BATCH];
};

static void gather_take(struct log *l, struct gather *g, uint32_t n, const uint64_t slot[], void *const pages[])
{
	g->n = g->n_ops = 0;
	pthread_mutex_lock(&l->lock);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t place = place_of_slot(l, slot[i]);
		struct cluster *c = place ? cluster_at(l, cluster_of(l, place)) : NULL;
		if (!c) {
			memset(pages[i], 0, l->page_bytes);
		} else if (c->buffer != NO_BUFFER) {
			uint32_t at = (place - 1) % l->cluster_pages;
			memcpy(pages[i], l->buffer[c->buffer].bytes + (size_t)at * l->page_bytes, l->page_bytes);
		} else {
			c->pins++;
			g->place[g->n] = place;
			g->index[g->n++] = i;
		}
	}
	pthread_mutex_unlock(&l->lock);
	slots_order(g->place, g->n, g->order);
}

static void gather_release(struct log *l, const struct gather *g)
{
	pthread_mutex_lock(&l->lock);
	for (uint32_t i = 0; i < g->n; i++)
		log_unpin(l, cluster_of(l, (uint32_t)g->place[i]));
	pthread_mutex_unlock(&l->lock);
}

/* Where the k-th page in order of places is to be read to: its own place, or one that the device can reach. */
static uint8_t *gather_target(const struct log *l, const struct gather *g, uint32_t k, void *const pages[], struct aio_batch *b)
{
	uint8_t *page = pages[g->index[g->order[k]]];
	return aio_is_direct(l->aio) && (uintptr_t)page % AIO_ALIGN ? b->bounce + (size_t)k * l->page_bytes : page;
}

/* Neighbours become one transfer. */
static void gather_plan(const struct log *l, struct gather *g, void *const pages[], struct aio_batch *b)
{
	for (uint32_t k = 0; k < g->n; k++) {
		uint64_t place = g->place[g->order[k]];
		b->vector[k] = (struct iovec){ gather_target(l, g, k, pages, b), l->page_bytes };
		if (k && place == g->place[g->order[k - 1]] + 1) {
			b->op[g->n_ops - 1].n_vectors++;
			continue;
		}
		b->first[g->n_ops] = k;
		b->op[g->n_ops++] = (struct aio_op){
			.offset = (place - 1) * l->page_bytes, .vector = &b->vector[k], .n_vectors = 1,
		};
	}
}

/* => the failure of the first transfer that failed, or 0 with all pages read */
static int gather_read(struct log *l, struct gather *g, void *const pages[], uint32_t *ret_index)
{
	struct aio_lane *lane = aio_enter(l->aio);
	struct aio_batch *b = aio_batch(lane);
	int error = 0;
	bool direct = aio_is_direct(l->aio); /* it may end meanwhile: the plan counts */
	gather_plan(l, g, pages, b);
	if (!aio_run(l->aio, lane, b->op, g->n_ops)) {
		uint32_t i = 0;
		while (!b->op[i].error)
			i++;
		error = b->op[i].error;
		*ret_index = g->index[g->order[b->first[i]]];
	}
	for (uint32_t k = 0; !error && direct && k < g->n; k++) {
		uint8_t *page = pages[g->index[g->order[k]]];
		if ((uintptr_t)page % AIO_ALIGN)
			memcpy(page, b->bounce + (size_t)k * l->page_bytes, l->page_bytes);
	}
	aio_leave(lane);
	return error;
}

/* Were these slots, neighbours mostly, so scattered that they are better written anew? */
static bool worth_reclustering(const struct gather *g, uint32_t n, const uint64_t slot[])
{
	uint64_t low = UINT64_MAX, high = 0;
	if (g->n < RECLUSTER_MIN || g->n_ops <= g->n / 4)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		low = slot[i] < low ? slot[i] : low;
		high = slot[i] > high ? slot[i] : high;
	}
	return high - low < 2ull * n;
}

static void recluster(struct log *l, const struct gather *g, uint32_t n, const uint64_t slot[], void *const pages[])
{
	uint32_t order[STORE_BATCH], place[STORE_BATCH] = { 0 };
	if (pthread_mutex_trylock(&l->writer))
		return; /* somebody writes: a reader does not wait for that */
	for (uint32_t i = 0; i < g->n; i++)
		place[g->index[i]] = (uint32_t)g->place[i];
	slots_order(slot, n, order);
	int error = 0;
	for (uint32_t i = 0; !error && i < n; i++) {
		if (place[order[i]])
			error = log_append(l, slot[order[i]], pages[order[i]], place[order[i]], false);
	}
	if (!error)
		__atomic_fetch_add(&l->reclustered, g->n, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&l->writer);
}

enum pw_err log_read(struct log *l, uint32_t n, const uint64_t slot[], void *const pages[], struct pw_why *why)
{
	struct gather g;
	uint32_t index = 0;
	gather_take(l, &g, n, slot, pages);
	int error = g.n ? gather_read(l, &g, pages, &index) : 0;
	if (!error && worth_reclustering(&g, n, slot))
		recluster(l, &g, n, slot, pages);
	if (g.n)
		gather_release(l, &g);
	return error ? log_fail(l, "read", slot[index], error, why) : PW_OK;
}

/* ---- cleaning */

/* The thinnest of the next clusters, at most CLEAN_TAKE.  => how many; their live pages in *ret_live.  lock is held */
static uint32_t victims_find(struct log *l, uint32_t victim[CLEAN_TAKE], uint32_t *ret_live)
{
	uint32_t n = 0, look = l->n_clusters < CLEAN_LOOK ? l->n_clusters : CLEAN_LOOK;
	const uint32_t last = CLEAN_TAKE - 1;
	for (uint32_t i = 0; i < look; i++, l->clean_hand++) {
		l->clean_hand %= l->n_clusters;
		const struct cluster *c = cluster_at(l, l->clean_hand);
		if (c->state != CLUSTER_STORED || !c->live || c->pins || c->live == l->cluster_pages)
			continue;
		if (n == CLEAN_TAKE && cluster_at(l, victim[last])->live <= c->live)
			continue;
		uint32_t k = n < CLEAN_TAKE ? n++ : last;
		for (; k && cluster_at(l, victim[k - 1])->live > c->live; k--)
			victim[k] = victim[k - 1];
		victim[k] = l->clean_hand;
	}
	*ret_live = 0;
	for (uint32_t i = 0; i < n; i++)
		*ret_live += cluster_at(l, victim[i])->live;
	return n;
}

/* The slots that live in the thinnest clusters, if emptying those gains one.  => 0: nothing to gain */
static uint32_t victims_slots(struct log *l, uint64_t slot[STORE_BATCH])
{
	uint32_t victim[CLEAN_TAKE], n = 0, live = 0, n_victims = 0;
	pthread_mutex_lock(&l->lock);
	for (uint64_t looked = 0; looked < l->n_clusters; looked += CLEAN_LOOK) {
		n_victims = victims_find(l, victim, &live);
		if (n_victims && live <= (n_victims - 1) * l->cluster_pages)
			break;
		n_victims = 0;
	}
	for (uint32_t i = 0; i < n_victims; i++) {
		const struct cluster *c = cluster_at(l, victim[i]);
		for (uint32_t k = 0; k < l->cluster_pages; k++) {
			if (place_of_slot(l, c->owner[k]) == victim[i] * l->cluster_pages + k + 1)
				slot[n++] = c->owner[k];
		}
	}
	pthread_mutex_unlock(&l->lock);
	return n;
}

int log_clean(struct log *l)
{
	struct gather g;
	uint64_t slot[STORE_BATCH];
	void *pages[STORE_BATCH];
	uint32_t index, n = victims_slots(l, slot), order[STORE_BATCH], place[STORE_BATCH] = { 0 };
	if (!n)
		return ENOSPC;
	for (uint32_t i = 0; i < n; i++)
		pages[i] = l->cleaning + (size_t)i * l->page_bytes;
	gather_take(l, &g, n, slot, pages);
	int error = g.n ? gather_read(l, &g, pages, &index) : 0;
	for (uint32_t i = 0; i < g.n; i++)
		place[g.index[i]] = (uint32_t)g.place[i];
	slots_order(slot, n, order);
	for (uint32_t i = 0; !error && i < n; i++) {
		if (place[order[i]])
			error = log_append(l, slot[order[i]], pages[order[i]], place[order[i]], true);
	}
	if (!error)
		__atomic_fetch_add(&l->cleaned, g.n, __ATOMIC_RELAXED);
	if (g.n)
		gather_release(l, &g);
	return error;
}
