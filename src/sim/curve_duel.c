/* curve_duel.c - policies that are no stack algorithms, at many sizes at once, over the log of uses.
 *
 * Problem.  Such a policy must be simulated at each size; sizes given as shares of the footprint are known only when the trace has been
 * read; policies that count must see every reference.
 * Idea.  The log of uses, in which further references of a use stand as a number, is played to a duel (duel.h), which has a cell for
 * each policy and size and runs them on all cores.  The trace is read once, also when it is a running program.
 *
 * A trace with mappings has faults that no policy can avoid (a copy on write of a page in memory is one).  They are counted as in the
 * curve of lru: a use whose fault the kernel served is one fault everywhere, all others fault where the page is not there.  Where such
 * a page is not there either, and where a page has several translations, a run may count a few more or less.
 *
 * 1. A page's birth, its first use or the first after its death, is a miss in every cell, and was served. */
#include "curve_impl.h"
#include "duel.h"
#include <string.h>

enum { FEED = 1 << 14 };

struct curve_duel {
	struct duel *duel;
	struct duel_result *base;    /* of each cell at the end of the warm-up */
	uint64_t *size;
	unsigned n_sizes, n_cells;
	uint64_t at, births, base_births;
	uint8_t *alive;              /* by page */
	uint32_t buffer[FEED];
	uint64_t n_buffered;
};

bool curve_duel_wanted(const struct curve_policy *p) { return p->ops != &policy_lru && p->ops != &policy_opt; }

static enum pw_err cells_make(struct curve *c, struct curve_duel *d, struct pw_why *why)
{
	unsigned n = 0;
	struct duel_cell *cell = mem_zalloc((uint64_t)c->opt.n_policies * d->n_sizes + 1, sizeof *cell);
	if (!cell)
		return pw_fail(why, PW_NOMEM, "out of memory for policies");
	for (unsigned p = 0; p < c->opt.n_policies; p++)
		for (unsigned i = 0; curve_duel_wanted(&c->opt.policy[p]) && i < d->n_sizes; i++)
			cell[n++] = (struct duel_cell){ .policy = c->opt.policy[p].ops, .params = c->opt.policy[p].params,
			                                .frames = (uint32_t)d->size[i], .seed = c->opt.seed };
	d->n_cells = n;
	enum pw_err err = duel_create(cell, n, 0, &d->duel, why);
	mem_free(cell);
	return err;
}

enum pw_err curve_duel_create(struct curve *c, uint64_t footprint, struct curve_duel **ret, struct pw_why *why)
{
	struct curve_duel *d = mem_zalloc(1, sizeof *d);
	*ret = d;
	if (!d)
		return pw_fail(why, PW_NOMEM, "out of memory for policies");
	d->size = curve_sizes_make(c, footprint, true, &d->n_sizes);
	d->alive = mem_zalloc(c->log.n_pages + 1, 1);
	if (!d->size || !d->alive)
		return pw_fail(why, PW_NOMEM, "out of memory for policies");
	enum pw_err err = cells_make(c, d, why);
	if (err != PW_OK)
		return err;
	d->base = mem_zalloc(d->n_cells + 1, sizeof *d->base);
	return d->base ? PW_OK : pw_fail(why, PW_NOMEM, "out of memory for policies");
}

void curve_duel_destroy(struct curve_duel *d)
{
	if (!d)
		return;
	duel_destroy(d->duel);
	mem_free(d->base);
	mem_free(d->size);
	mem_free(d->alive);
	mem_free(d);
}

static enum pw_err feed_flush(struct curve_duel *d)
{
	enum pw_err err = duel_feed(d->duel, d->buffer, NULL, d->n_buffered);
	d->n_buffered = 0;
	return err;
}

static enum pw_err feed_one(struct curve_duel *d, uint32_t ref)
{
	d->buffer[d->n_buffered++] = ref;
	return d->n_buffered == FEED ? feed_flush(d) : PW_OK;
}

/* The n-th entry, and what is counted at it. */
static enum pw_err play(struct curve_duel *d, uint32_t entry, uint32_t before)
{
	uint32_t page = use_log_page(entry);
	enum pw_err err = PW_OK;
	if (use_log_is_repeat(entry)) {
		for (uint32_t n = use_log_repeats(entry); n > 0 && err == PW_OK; n--)
			err = feed_one(d, duel_ref(use_log_page(before), false));
		return err;
	}
	if (entry & USE_LOG_DEATH) {
		err = feed_flush(d);
		d->alive[page] = 0;
		return err == PW_OK ? duel_gone(d->duel, page) : err;
	}
	d->births += !d->alive[page];
	d->alive[page] = 1;
	return feed_one(d, duel_ref(page, entry & 1));
}

static enum pw_err base_take(struct curve_duel *d)
{
	enum pw_err err = feed_flush(d);
	for (unsigned i = 0; err == PW_OK && i < d->n_cells; i++)
		duel_result(d->duel, i, &d->base[i]);
	d->base_births = d->births;
	return err;
}

enum pw_err curve_duel_step(struct curve *c, struct curve_duel *d, uint64_t n, bool *ret_going)
{
	const struct use_log *log = &c->log;
	enum pw_err err = PW_OK;
	for (; n > 0 && d->at < log->n && err == PW_OK; n--, d->at++) {
		if (d->at == log->counted_from)
			err = base_take(d);
		if (err == PW_OK)
			err = play(d, use_log_at(log, d->at), d->at ? use_log_at(log, d->at - 1) : 0);
	}
	*ret_going = err == PW_OK && d->at < log->n;
	return err == PW_OK && !*ret_going ? feed_flush(d) : err;
}

double curve_duel_progress(const struct curve *c, const struct curve_duel *d)
{
	return c->log.n ? (double)d->at / (double)c->log.n : 1;
}

/* always: faults that happen in every memory. */
void curve_duel_line(const struct curve *c, struct curve_duel *d, unsigned which, uint64_t always, struct curve_line *l)
{
	unsigned first = 0;
	for (unsigned p = 0; p < which; p++)
		first += curve_duel_wanted(&c->opt.policy[p]) ? d->n_sizes : 0;
	for (unsigned i = 0; i < l->n_points; i++) {
		struct duel_result r;
		duel_result(d->duel, first + i, &r);
		const struct duel_result *b = &d->base[first + i];
		uint64_t misses = r.faults - b->faults - (d->births - d->base_births);
		l->point[i] = (struct curve_point){ .frames = d->size[i], .faults = misses + always,
		                                    .written_back = r.written_back - b->written_back };
	}
}

unsigned curve_duel_sizes(const struct curve_duel *d) { return d->n_sizes; }
