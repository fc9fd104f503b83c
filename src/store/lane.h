/* lane.h - a few sets of working memory that threads take in turn.
 *
 * Buffers and tables that a transfer needs are too large for the stack and may not come from the heap in a fault.  A store has LANES
 * of them; a thread takes one that is free, or waits for one, and leaves it.  struct lane is the first member of what is taken. */
#pragma once
#include <pthread.h>

enum { LANES = 4 };

struct lane {
	pthread_mutex_t busy;
};

static inline void lane_init(struct lane *l) { pthread_mutex_init(&l->busy, NULL); }
static inline void lane_fini(struct lane *l) { pthread_mutex_destroy(&l->busy); }
static inline void lane_leave(struct lane *l) { pthread_mutex_unlock(&l->busy); }

static inline struct lane *lane_take(struct lane *const all[LANES])
{
	static unsigned turn;
	for (int i = 0; i < LANES; i++) {
		if (!pthread_mutex_trylock(&all[i]->busy))
			return all[i];
	}
	struct lane *l = all[__atomic_fetch_add(&turn, 1, __ATOMIC_RELAXED) % LANES];
	pthread_mutex_lock(&l->busy);
	return l;
}
