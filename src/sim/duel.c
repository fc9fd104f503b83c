/* duel.c - cells fed in batches, on all cores.
 *
 * Problem: reading a trace costs about as much as one fast policy; a hundred cells must share one read, use all cores, and give the
 * same figures whatever the number of threads.
 * Idea: references gather in a batch.  A full batch is handed to the workers, each of which takes the next cell nobody has taken
 * and runs it over the whole batch, so that a cell's state stays in one core's caches; meanwhile the caller fills the other batch.
 *
 *      feed -> [ batch A ]   full: swap when the workers are idle    worker 1: cell 0, cell 2 ...
 *              [ batch B ] ---------------------------------------> worker 2: cell 1, cell 3 ...
 *
 * With one thread the caller is the worker.  Pages that cease to exist are notes in the batch: before which reference, which page.
 *
 * 1. Only the caller allocates; a cell's table of pages covers every page of a batch before the batch is handed over.
 * 2. Between batches nobody but the caller touches a cell.
 * 3. Within a batch a cell is run by one worker, in the order of the references: figures do not depend on threads.
 * Rejected: a queue of batches (memory, and workers drift apart: cells would need ordering), one thread per cell. */
#include "duel.h"
#include "../base/mem.h"
#include "../policy/drive.h"
#include <pthread.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 1 << 15, NOTES = 1 << 10, THREADS_MAX = 64 };

/* The page is gone before the at-th reference. */
struct note {
	uint32_t at, page;
};
struct batch {
	uint32_t refs[BATCH + DRIVE_AHEAD];
	uint64_t *next;            /* BATCH of them, or NULL */
	struct note note[NOTES];
	uint32_t n, n_notes, highest; /* page in it, plus one */
};
struct cell {
	struct drive drive;
	const struct policy_ops *ops;
	size_t self_bytes;
	uint64_t n_pages;          /* its table has room for */
};
struct duel {
	struct cell *cell;
	unsigned n_cells, n_threads;
	bool wants_future, broken;
	struct batch *filling, *running;
	uint32_t n_pages;          /* every table covers at least these */
	/* Shared with the workers, under lock; running and the cells are theirs while busy > 0. */
	pthread_mutex_t lock;
	pthread_cond_t work, idle;
	pthread_t thread[THREADS_MAX];
	unsigned n_started, taken, busy;
	bool ending;
};

/* ---- one cell ---- */

static bool cell_modified(void *ctx, uint32_t slot)
{
	const struct drive *d = ctx;
	return d->page[d->owner[slot]] & DRIVE_WRITTEN;
}

static enum pw_err cell_init(struct cell *c, const struct duel_cell *want)
{
	struct drive *d = &c->drive;
	c->ops = want->policy;
	d->n_slots = want->frames;
	d->env.params = policy_params_of(c->ops, &want->params);
	c->self_bytes = c->ops->bytes(d->n_slots, &d->env.params);
	d->self = mem_reserve(c->self_bytes);
	d->owner = mem_reserve(d->n_slots * sizeof *d->owner);
	if (c->ops->sees == POLICY_SEES_BITS)
		d->env.ref = mem_reserve(d->n_slots);
	if (!d->self || !d->owner || (c->ops->sees == POLICY_SEES_BITS && !d->env.ref))
		return PW_NOMEM;
	d->env.ctx = d;
	d->env.modified = cell_modified;
	d->env.next = &d->next;
	d->env.owner = d->owner;
	d->env.seed = want->seed;
	c->ops->init(d->self, d->n_slots, &d->env);
	return PW_OK;
}

static void cell_fini(struct cell *c)
{
	mem_unreserve(c->drive.self, c->self_bytes);
	mem_unreserve(c->drive.owner, c->drive.n_slots * sizeof *c->drive.owner);
	mem_unreserve(c->drive.env.ref, c->drive.n_slots);
	mem_free(c->drive.page);
}

/* Room for pages below n. */
static enum pw_err cell_cover(struct cell *c, uint32_t n)
{
	if (n <= c->n_pages)
		return PW_OK;
	uint64_t room = c->n_pages * 2 > n ? c->n_pages * 2 : n;
	uint32_t *grown = mem_realloc(c->drive.page, room, sizeof *grown);
	if (!grown)
		return PW_NOMEM;
	memset(grown + c->n_pages, 0, (room - c->n_pages) * sizeof *grown);
	c->drive.page = c->drive.env.memo = grown;
	c->n_pages = room;
	return PW_OK;
}

static void cell_gone(struct cell *c, uint32_t page)
{
	struct drive *d = &c->drive;
	if (drive_has(d->page[page])) {
		uint32_t slot = (d->page[page] & DRIVE_SLOT) - 1;
		c->ops->leave(d->self, slot);
		d->page[page] = 0;
		drive_free(d, slot);
	}
	if (c->ops->forget)
		c->ops->forget(d->self, page);
}

/* References between two notes.  A policy that wants to be woken is run up to that time. */
static void cell_refs(struct cell *c, const uint32_t *refs, const uint64_t *next, uint64_t n)
{
	struct drive *d = &c->drive;
	while (n > 0) {
		uint64_t piece = n, due = c->ops->due ? c->ops->due(d->self) : POLICY_NEVER;
		if (due <= d->env.now) {
			drive_wake(d, c->ops);
			due = c->ops->due(d->self);
		}
		if (due > d->env.now && due - d->env.now < piece)
			piece = due - d->env.now;
		c->ops->drive(d, refs, next, piece);
		refs += piece;
		next += next ? piece : 0;
		n -= piece;
	}
	if (c->ops->due && c->ops->due(d->self) <= d->env.now)
		drive_wake(d, c->ops);
}

static void cell_run(struct cell *c, const struct batch *b)
{
	uint32_t at = 0;
	for (uint32_t i = 0; i <= b->n_notes; i++) {
		uint32_t end = i < b->n_notes ? b->note[i].at : b->n;
		cell_refs(c, b->refs + at, b->next ? b->next + at : NULL, end - at);
		at = end;
		if (i < b->n_notes)
			cell_gone(c, b->note[i].page);
	}
}

/* ---- workers ---- */

static void *worker(void *arg)
{
	struct duel *d = arg;
	pthread_mutex_lock(&d->lock);
	while (!d->ending) {
		if (d->taken >= d->n_cells) {
			pthread_cond_wait(&d->work, &d->lock);
			continue;
		}
		struct cell *c = &d->cell[d->taken++];
		pthread_mutex_unlock(&d->lock);
		cell_run(c, d->running);
		pthread_mutex_lock(&d->lock);
		if (--d->busy == 0)
			pthread_cond_signal(&d->idle);
	}
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

static void workers_wait(struct duel *d)
{
	if (!d->n_started)
		return;
	pthread_mutex_lock(&d->lock);
	while (d->busy)
		pthread_cond_wait(&d->idle, &d->lock);
	pthread_mutex_unlock(&d->lock);
}

static void workers_start(struct duel *d)
{
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->work, NULL);
	pthread_cond_init(&d->idle, NULL);
	d->taken = d->n_cells;
	/* With fewer threads than wanted, or none, it is only slower. */
	while (d->n_threads > 1 && d->n_started < d->n_threads && !pthread_create(&d->thread[d->n_started], NULL, worker, d))
		d->n_started++;
}

static void workers_end(struct duel *d)
{
	pthread_mutex_lock(&d->lock);
	d->ending = true;
	pthread_cond_broadcast(&d->work);
	pthread_mutex_unlock(&d->lock);
	for (unsigned i = 0; i < d->n_started; i++)
		pthread_join(d->thread[i], NULL);
	pthread_cond_destroy(&d->idle);
	pthread_cond_destroy(&d->work);
	pthread_mutex_destroy(&d->lock);
}

/* ---- batches ---- */

static void batch_run(struct duel *d)
{
	struct batch *b = d->running;
	if (!d->n_started) {
		for (unsigned i = 0; i < d->n_cells; i++)
			cell_run(&d->cell[i], b);
		return;
	}
	pthread_mutex_lock(&d->lock);
	d->taken = 0;
	d->busy = d->n_cells;
	pthread_cond_broadcast(&d->work);
	pthread_mutex_unlock(&d->lock);
}

/* Hands over what was gathered. */
static enum pw_err batch_flush(struct duel *d)
{
	struct batch *b = d->filling;
	if (d->broken)
		return PW_NOMEM;
	if (!b->n && !b->n_notes)
		return PW_OK;
	workers_wait(d);
	for (unsigned i = 0; i < d->n_cells; i++) {
		if (cell_cover(&d->cell[i], b->highest)) {
			d->broken = true;
			return PW_NOMEM;
		}
	}
	d->filling = d->running;
	d->running = b;
	d->filling->n = d->filling->n_notes = 0;
	d->filling->highest = b->highest;
	memset(b->refs + b->n, 0, DRIVE_AHEAD * sizeof *b->refs);
	batch_run(d);
	return PW_OK;
}

enum pw_err duel_feed(struct duel *d, const uint32_t *refs, const uint64_t *next, uint64_t n)
{
	while (n > 0) {
		struct batch *b = d->filling;
		uint64_t piece = BATCH - b->n < n ? BATCH - b->n : n;
		uint32_t highest = b->highest;
		for (uint64_t i = 0; i < piece; i++) {
			b->refs[b->n + i] = refs[i];
			highest = highest > refs[i] >> 1 ? highest : (refs[i] >> 1) + 1;
		}
		b->highest = highest;
		if (b->next)
			memcpy(b->next + b->n, next, piece * sizeof *next);
		b->n += (uint32_t)piece;
		refs += piece;
		next += next ? piece : 0;
		n -= piece;
		enum pw_err err = b->n == BATCH ? batch_flush(d) : PW_OK;
		if (err)
			return err;
	}
	return d->broken ? PW_NOMEM : PW_OK;
}

enum pw_err duel_gone(struct duel *d, uint32_t page)
{
	enum pw_err err = d->filling->n_notes == NOTES ? batch_flush(d) : PW_OK;
	if (err)
		return err;
	struct batch *b = d->filling;
	b->note[b->n_notes++] = (struct note){ .at = b->n, .page = page };
	if (b->highest <= page)
		b->highest = page + 1;
	return d->broken ? PW_NOMEM : PW_OK;
}

/* ---- the whole ---- */

static struct batch *batch_create(bool with_next)
{
	struct batch *b = mem_zalloc(1, sizeof *b);
	if (!b || !with_next)
		return b;
	b->next = mem_alloc(BATCH * sizeof *b->next);
	if (b->next)
		return b;
	mem_free(b);
	return NULL;
}

static void batch_destroy(struct batch *b)
{
	if (b)
		mem_free(b->next);
	mem_free(b);
}

static enum pw_err cells_init(struct duel *d, const struct duel_cell *cells, unsigned n, struct pw_why *why)
{
	d->cell = mem_zalloc(n ? n : 1, sizeof *d->cell);
	if (!d->cell)
		return pw_fail(why, PW_NOMEM, "out of memory for %u policies", n);
	for (unsigned i = 0; i < n; i++) {
		if (cells[i].frames == 0 || cells[i].frames > DUEL_FRAMES_MAX)
			return pw_fail(why, PW_INVALID, "%s: frames must be from 1 to %u", cells[i].policy->name, DUEL_FRAMES_MAX);
		d->n_cells++;
		d->wants_future |= cells[i].policy->wants_future;
		if (cell_init(&d->cell[i], &cells[i]) != PW_OK)
			return pw_fail(why, PW_NOMEM, "out of memory for %s with %u frames", cells[i].policy->name, cells[i].frames);
	}
	d->filling = batch_create(d->wants_future);
	d->running = batch_create(d->wants_future);
	return d->filling && d->running ? PW_OK : pw_fail(why, PW_NOMEM, "out of memory for the references of a duel");
}

enum pw_err duel_create(const struct duel_cell *cells, unsigned n_cells, unsigned n_threads, struct duel **ret, struct pw_why *why)
{
	*ret = NULL;
	struct duel *d = mem_zalloc(1, sizeof *d);
	if (!d)
		return pw_fail(why, PW_NOMEM, "out of memory for a duel");
	long cores = n_threads ? (long)n_threads : sysconf(_SC_NPROCESSORS_ONLN);
	unsigned most = n_cells < THREADS_MAX ? n_cells : THREADS_MAX;
	d->n_threads = cores < 1 ? 1 : cores < (long)most ? (unsigned)cores : most;
	enum pw_err err = cells_init(d, cells, n_cells, why);
	workers_start(d);
	if (err != PW_OK) {
		duel_destroy(d);
		return err;
	}
	*ret = d;
	return PW_OK;
}

void duel_destroy(struct duel *d)
{
	if (!d)
		return;
	workers_wait(d);
	workers_end(d);
	for (unsigned i = 0; i < d->n_cells; i++)
		cell_fini(&d->cell[i]);
	batch_destroy(d->filling);
	batch_destroy(d->running);
	mem_free(d->cell);
	mem_free(d);
}

bool duel_wants_future(const struct duel *d) { return d->wants_future; }

void duel_result(struct duel *d, unsigned i, struct duel_result *ret)
{
	*ret = (struct duel_result){ 0 };
	if (batch_flush(d) != PW_OK)
		return;
	workers_wait(d);
	const struct drive *v = &d->cell[i].drive;
	double sum = v->resident_sum + (double)v->resident * (double)(v->env.now - v->since);
	*ret = (struct duel_result){
		.references = v->env.now, .faults = v->faults, .evicted = v->evicted, .written_back = v->written_back,
		.resident = v->resident, .resident_peak = v->resident_peak,
		.resident_mean = v->env.now ? sum / (double)v->env.now : 0,
	};
}

uint64_t duel_bytes(const struct duel *d)
{
	uint64_t bytes = 0;
	for (unsigned i = 0; i < d->n_cells; i++) {
		const struct cell *c = &d->cell[i];
		bytes += c->self_bytes + c->drive.n_slots * (sizeof *c->drive.owner + (c->drive.env.ref ? 1u : 0u)) +
		         c->n_pages * sizeof *c->drive.page;
	}
	return bytes;
}

const char *duel_flaw(struct duel *d)
{
	struct duel_result r;
	for (unsigned i = 0; i < d->n_cells; i++) {
		duel_result(d, i, &r);
		const struct cell *c = &d->cell[i];
		if (r.resident > c->drive.n_slots)
			return "duel: more pages are resident than there are frames";
		const char *flaw = c->ops->flaw(c->drive.self);
		if (flaw)
			return flaw;
	}
	return NULL;
}
