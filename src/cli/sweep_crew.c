/* sweep_crew.c - cells handed out to workers, results taken in.
 *
 * Problem.  Cells take from milliseconds to hours, may fail each in its own way, and somebody is waiting who wants to know how long yet.
 *
 * Idea.  One loop: hand out cells while there is room, otherwise wait for a worker to end or for a fifth of a second.  Workers say
 * how far they are in memory that is shared with them, so the estimate is good before the first cell is finished.
 *
 * 1. A cell that failed leaves its reason in the directory; a cell whose result could not be written stops the crew, as the next one
 *    could not be written either.
 * 2. On return no worker runs, and nothing half written is left.
 *
 * Rejected: the longest cells first (nobody knows which they are). */
#include "sweep_crew.h"
#include "interrupt.h"
#include "progress.h"
#include "../base/mem.h"
#include "../sim/sweep_pool.h"
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { WAIT_MS = 200 };

struct crew {
	const struct sweep_crew *of;
	struct pool *pool;
	unsigned *cell;            /* those to be run, in order */
	unsigned n_cells, started, ended;
	_Atomic float *fraction;   /* how much of each cell is done, written by its worker; NULL: not known */
	struct progress progress;
	enum pw_err err;           /* why no more cells are started */
	struct pw_why why;
};

static void crew_progress(struct crew *c)
{
	char text[160];
	double done = c->ended, seconds = progress_seconds(&c->progress);
	if (!c->progress.on)
		return;
	int n = snprintf(text, sizeof text, "%u of %u cells, %u running", c->ended, c->n_cells, pool_running(c->pool));
	for (unsigned i = 0; c->fraction && i < c->of->sheet->n_cells; i++)
		done += c->fraction[i];
	if (done > 0 && n > 0)
		snprintf(text + n, sizeof text - (size_t)n, ", about %.0f s left", seconds / done * (c->n_cells - done));
	progress_say(&c->progress, text);
}

static enum pw_err crew_work(void *ctx, unsigned cell, struct pw_why *why)
{
	const struct crew *c = ctx;
	return sweep_run_cell(c->of->sweep, cell, c->of->dir, c->fraction ? &c->fraction[cell] : NULL, why);
}

/* Writes down why a cell failed. */
static void crew_failed(struct crew *c, const char *id, const struct pool_end *end)
{
	char path[SWEEP_PATH], line[sizeof end->why.text + 2];
	int n = snprintf(line, sizeof line, "%s\n", *end->why.text ? end->why.text : pw_err_text(end->err));
	c->err = sweep_dir_write(sweep_dir_failure(c->of->dir, id, path), line, (size_t)n, &c->why);
}

/* A cell is over. */
static void crew_take(struct crew *c, const struct pool_end *end)
{
	char path[SWEEP_PATH];
	struct sheet *sheet = c->of->sheet;
	const char *id = c->of->sweep->cell[end->piece].id;
	c->ended++;
	if (c->fraction)
		c->fraction[end->piece] = 0;
	if (end->died)
		sweep_dir_clean(c->of->dir, end->pid);
	if (end->err == PW_OK) {
		unlink(sweep_dir_failure(c->of->dir, id, path));
	} else if (!end->died && (end->err == PW_IO || end->err == PW_NOSPACE)) {
		c->err = end->err;
		c->why = end->why;
	} else {
		crew_failed(c, id, end);
	}
	for (unsigned i = end->piece; i < sheet->n_cells; i++)
		if (sheet->cell[i].id && strcmp(sheet->cell[i].id, id) == 0)
			sheet_cell_load(sheet, c->of->dir, i);
}

static void crew_loop(struct crew *c)
{
	struct pool_end end;
	while (!interrupt_seen() && c->err == PW_OK && (c->started < c->n_cells || pool_running(c->pool))) {
		crew_progress(c);
		if (c->started < c->n_cells && pool_has_room(c->pool)) {
			c->err = pool_start(c->pool, crew_work, c, c->cell[c->started], &c->why);
			c->started += c->err == PW_OK;
		} else if (pool_wait(c->pool, WAIT_MS, &end)) {
			crew_take(c, &end);
		}
	}
	/* What still runs is let go; what it wrote is removed with it, unless it was whole by then. */
	while (pool_kill(c->pool, &end)) {
		sweep_dir_clean(c->of->dir, end.pid);
		sheet_cell_load(c->of->sheet, c->of->dir, end.piece);
	}
}

static bool crew_wants(const struct sweep_crew *of, const struct sheet_cell *c)
{
	return !c->repeated && (c->state == SHEET_MISSING || c->state == SHEET_DAMAGED || (c->state == SHEET_FAILED && of->retry));
}

static unsigned crew_jobs(const struct sweep_crew *of)
{
	cpu_set_t cpus;
	if (of->jobs)
		return of->jobs;
	return sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? (unsigned)CPU_COUNT(&cpus) : 1;
}

enum pw_err sweep_crew_run(const struct sweep_crew *of, struct pw_why *why)
{
	struct crew c = { .of = of };
	size_t bytes = (of->sheet->n_cells + 1) * sizeof *c.fraction;
	c.cell = mem_zalloc(of->sheet->n_cells + 1, sizeof *c.cell);
	if (!c.cell || pool_create(crew_jobs(of), &c.pool) != PW_OK) {
		mem_free(c.cell);
		return pw_fail(why, PW_NOMEM, "out of memory for the workers");
	}
	for (unsigned i = 0; i < of->sheet->n_cells; i++)
		if (crew_wants(of, &of->sheet->cell[i]))
			c.cell[c.n_cells++] = i;
	void *shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	c.fraction = shared == MAP_FAILED ? NULL : shared;
	interrupt_watch();
	progress_begin(&c.progress, of->show_progress);
	crew_loop(&c);
	progress_end(&c.progress);
	interrupt_unwatch();
	if (c.fraction)
		munmap(c.fraction, bytes);
	pool_destroy(c.pool);
	mem_free(c.cell);
	return c.err == PW_OK ? PW_OK : pw_fail(why, c.err, "%s", *c.why.text ? c.why.text : pw_err_text(c.err));
}
