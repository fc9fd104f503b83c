/* tlb_team.c - two batches, one being filled while the other is worked through.
 *
 * Problem.  A dozen models read the same log; each must see all of it in order, and none depends on another.
 *
 * Idea.  Workers are taken one after the other by whichever thread is free, batch by batch: a barrier at the end of each batch keeps
 * their order, and a batch is large enough for that to cost nothing.
 *
 * Invariants.
 *   1. A batch is changed only by its producer, and only between tlb_team_hand_on giving it and taking it.
 *   2. taken counts workers of the current round begun, done those finished; a round is over when done is n_workers.
 *
 * Rejected: a thread for each worker (more threads than CPUs), a queue of more batches (nothing is gained, the slowest decides). */
#include "tlb_team.h"
#include "../base/mem.h"
#include <pthread.h>
#include <signal.h>
#include <string.h>

enum { BATCHES = 2, THREADS_MAX = 64 };

struct tlb_team {
	struct tlb_worker *worker;
	unsigned n_workers, n_threads;
	struct tlb_batch batch[BATCHES];
	const struct tlb_batch *current;
	unsigned taken, done;
	bool stop;
	pthread_t thread[THREADS_MAX];
	pthread_mutex_t lock;
	pthread_cond_t begun, finished;
};

static void *thread_main(void *ctx)
{
	struct tlb_team *t = ctx;
	pthread_mutex_lock(&t->lock);
	while (!t->stop) {
		if (!t->current || t->taken == t->n_workers) {
			pthread_cond_wait(&t->begun, &t->lock);
			continue;
		}
		const struct tlb_worker *w = &t->worker[t->taken++];
		pthread_mutex_unlock(&t->lock);
		w->eat(w->self, t->current);
		pthread_mutex_lock(&t->lock);
		if (++t->done == t->n_workers)
			pthread_cond_signal(&t->finished);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

/* Signals are for the thread that runs the command.  A thread that cannot be had is done without. */
static void threads_start(struct tlb_team *t, unsigned n)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (t->n_threads < n && pthread_create(&t->thread[t->n_threads], NULL, thread_main, t) == 0)
		t->n_threads++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

enum pw_err tlb_team_create(const struct tlb_worker *worker, unsigned n_workers, unsigned n_threads, struct tlb_team **ret)
{
	*ret = NULL;
	struct tlb_team *t = mem_zalloc(1, sizeof *t);
	if (!t)
		return PW_NOMEM;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->begun, NULL);
	pthread_cond_init(&t->finished, NULL);
	t->worker = mem_zalloc(n_workers, sizeof *t->worker);
	bool whole = t->worker != NULL;
	for (unsigned i = 0; i < BATCHES && whole; i++) {
		t->batch[i].page = mem_zalloc(TLB_BATCH_ROOM, sizeof *t->batch[i].page);
		t->batch[i].ref = mem_zalloc(TLB_BATCH_ROOM, sizeof *t->batch[i].ref);
		whole = t->batch[i].page && t->batch[i].ref;
	}
	if (!whole) {
		tlb_team_destroy(t);
		return PW_NOMEM;
	}
	memcpy(t->worker, worker, n_workers * sizeof *worker);
	t->n_workers = n_workers;
	n_threads = n_threads < n_workers ? n_threads : n_workers;
	if (n_threads > 1)
		threads_start(t, n_threads < THREADS_MAX ? n_threads : THREADS_MAX);
	*ret = t;
	return PW_OK;
}

void tlb_team_destroy(struct tlb_team *t)
{
	if (!t)
		return;
	tlb_team_wait(t);
	pthread_mutex_lock(&t->lock);
	t->stop = true;
	pthread_cond_broadcast(&t->begun);
	pthread_mutex_unlock(&t->lock);
	for (unsigned i = 0; i < t->n_threads; i++)
		pthread_join(t->thread[i], NULL);
	for (unsigned i = 0; i < BATCHES; i++) {
		mem_free(t->batch[i].page);
		mem_free(t->batch[i].ref);
	}
	pthread_cond_destroy(&t->begun);
	pthread_cond_destroy(&t->finished);
	pthread_mutex_destroy(&t->lock);
	mem_free(t->worker);
	mem_free(t);
}

struct tlb_batch *tlb_team_batch(struct tlb_team *t) { return &t->batch[0]; }

void tlb_team_wait(struct tlb_team *t)
{
	pthread_mutex_lock(&t->lock);
	while (t->current && t->done < t->n_workers)
		pthread_cond_wait(&t->finished, &t->lock);
	t->current = NULL;
	pthread_mutex_unlock(&t->lock);
}

static struct tlb_batch *emptied(struct tlb_batch *b)
{
	b->n_pages = b->n_refs = 0;
	return b;
}

struct tlb_batch *tlb_team_hand_on(struct tlb_team *t, struct tlb_batch *full)
{
	if (t->n_threads == 0) {
		for (unsigned i = 0; i < t->n_workers; i++)
			t->worker[i].eat(t->worker[i].self, full);
		return emptied(full);
	}
	tlb_team_wait(t);
	pthread_mutex_lock(&t->lock);
	t->current = full;
	t->taken = t->done = 0;
	pthread_cond_broadcast(&t->begun);
	pthread_mutex_unlock(&t->lock);
	return emptied(full == &t->batch[0] ? &t->batch[1] : &t->batch[0]);
}
