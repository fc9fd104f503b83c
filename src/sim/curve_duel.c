/* curve_duel.c - policies that are no stack algorithms, at many sizes at once, over the log of uses.
 *
 * Problem.  Such a policy must be simulated at each size; sizes given as shares of the footprint are known only when the trace has been
 * read; policies that count must see every reference.
 * Idea.  The log of uses, in which further references of a use stand as a number, is played to a duel (duel.h), which has a cell for
 * each policy and size and runs them on all cores.  The trace is read once, also when it is a running program.  Most policies cannot
 * tell whether a page was referenced twice in a row or a hundred times, and programs do that all the time: those have a duel of their
 * own, which is told of two.
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

/* Policies of one kind: whether they count (policy_counts) or not. */
struct curve_side {
	struct duel *duel;           /* NULL: there are none */
	unsigned n_cells;
	struct duel_result *base;    /* of each cell at the end of the warm-up */
	uint32_t buffer[FEED];
	uint64_t n_buffered;
};
struct curve_duel {
	struct curve_side side[2];   /* by policy_counts */
	uint64_t *size;
	unsigned n_sizes;
	uint64_t at, births, base_births;
	uint8_t *alive;              /* by page */
};

bool curve_duel_wanted(const struct curve_policy *p) { return p->ops != &policy_lru && p->ops != &policy_opt; }

static enum pw_err side_create(struct curve *c, const struct curve_duel *d, bool counts, struct curve_side *s, struct pw_why *why)
{
	struct duel_cell *cell = mem_zalloc((uint64_t)c->opt.n_policies * d->n_sizes + 1, sizeof *cell);
	if (!cell)
		return pw_fail(why, PW_NOMEM, "out of memory for policies");
	for (unsigned p = 0; p < c->opt.n_policies; p++) {
		const struct curve_policy *policy = &c->opt.policy[p];
		for (unsigned i = 0; curve_duel_wanted(policy) && policy_counts(policy->ops) == counts && i < d->n_sizes; i++)
			cell[s->n_cells++] = (struct duel_cell){ .policy = policy->ops, .params = policy->params,
			                                         .frames = (uint32_t)d->size[i], .seed = c->opt.seed };
	}
	enum pw_err err = s->n_cells ? duel_create(cell, s->n_cells, 0, &s->duel, why) : PW_OK;
	mem_free(cell);
	if (err)
		return err;
	s->base = mem_zalloc(s->n_cells + 1, sizeof *s->base);
	return s->base ? PW_OK : pw_fail(why, PW_NOMEM, "out of memory for policies");
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
	enum pw_err err = side_create(c, d, false, &d->side[false], why);
	return err ? err : side_create(c, d, true, &d->side[true], why);
}

void curve_duel_destroy(struct curve_duel *d)
{
	if (!d)
		return;
	for (unsigned i = 0; i < 2; i++) {
		duel_destroy(d->side[i].duel);
		mem_free(d->side[i].base);
	}
	mem_free(d->size);
	mem_free(d->alive);
	mem_free(d);
}

static enum pw_err feed_flush(struct curve_side *s)
{
	enum pw_err err = s->duel ? duel_feed(s->duel, s->buffer, NULL, s->n_buffered) : PW_OK;
	s->n_buffered = 0;
	return err;
}

/* n references. */
static enum pw_err feed(struct curve_side *s, uint32_t ref, uint32_t n)
{
	enum pw_err err = PW_OK;
	for (; s->duel && n > 0 && err == PW_OK; n--) {
		s->buffer[s->n_buffered++] = ref;
		if (s->n_buffered == FEED)
			err = feed_flush(s);
	}
	return err;
}

static enum pw_err feed_gone(struct curve_side *s, uint32_t page)
{
	enum pw_err err = feed_flush(s);
	return err || !s->duel ? err : duel_gone(s->duel, page);
}

/* The n-th entry, and what is counted at it. */
static enum pw_err play(struct curve_duel *d, uint32_t entry, uint32_t before)
{
	struct curve_side *brief = &d->side[false], *full = &d->side[true];
	uint32_t page = use_log_page(entry);
	if (use_log_is_repeat(entry)) {
		uint32_t ref = duel_ref(use_log_page(before), false), n = use_log_repeats(entry);
		enum pw_err err = feed(brief, ref, n > 0);
		return err ? err : feed(full, ref, n);
	}
	if (entry & USE_LOG_DEATH) {
		d->alive[page] = 0;
		enum pw_err err = feed_gone(brief, page);
		return err ? err : feed_gone(full, page);
	}
	d->births += !d->alive[page];
	d->alive[page] = 1;
	enum pw_err err = feed(brief, duel_ref(page, entry & 1), 1);
	return err ? err : feed(full, duel_ref(page, entry & 1), 1);
}

static enum pw_err feed_end(struct curve_duel *d)
{
	enum pw_err err = feed_flush(&d->side[false]);
	return err ? err : feed_flush(&d->side[true]);
}

static enum pw_err base_take(struct curve_duel *d)
{
	enum pw_err err = feed_end(d);
	for (unsigned k = 0; err == PW_OK && k < 2; k++)
		for (unsigned i = 0; i < d->side[k].n_cells; i++)
			duel_result(d->side[k].duel, i, &d->side[k].base[i]);
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
	return err == PW_OK && !*ret_going ? feed_end(d) : err;
}

double curve_duel_progress(const struct curve *c, const struct curve_duel *d)
{
	return c->log.n ? (double)d->at / (double)c->log.n : 1;
}

/* always: faults that happen in every memory. */
void curve_duel_line(const struct curve *c, struct curve_duel *d, unsigned which, uint64_t always, struct curve_line *l)
{
	bool counts = policy_counts(c->opt.policy[which].ops);
	struct curve_side *s = &d->side[counts];
	unsigned first = 0;
	for (unsigned p = 0; p < which; p++)
		if (curve_duel_wanted(&c->opt.policy[p]) && policy_counts(c->opt.policy[p].ops) == counts)
			first += d->n_sizes;
	for (unsigned i = 0; i < l->n_points; i++) {
		struct duel_result r;
		duel_result(s->duel, first + i, &r);
		const struct duel_result *b = &s->base[first + i];
		uint64_t misses = r.faults - b->faults - (d->births - d->base_births);
		l->point[i] = (struct curve_point){ .frames = d->size[i], .faults = misses + always,
		                                    .written_back = r.written_back - b->written_back };
	}
}

unsigned curve_duel_sizes(const struct curve_duel *d) { return d->n_sizes; }
