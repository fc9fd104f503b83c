/* curve_result.c - what came of a curve: the sizes that were asked for, the working set, checks.
 *
 * Problem.  The engine knows every size; a person wants some, and wants to be told when figures contradict each other.
 * Idea.  Sizes are chosen once the number of pages is known; each line is filled at them.  Laws that hold for any curve are checked.
 *
 * Invariants.
 *   1. A line's points ascend, without doubles.
 *   2. On error everything in the result is released. */
#include "curve_space.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static uint64_t curve_at(const struct lru_totals *t, const uint64_t *of, uint64_t frames)
{
	return of && t->n_sizes ? of[frames < t->n_sizes ? frames : t->n_sizes] : 0;
}

static void check(struct curve_result *r, bool ok, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void check(struct curve_result *r, bool ok, const char *format, ...)
{
	if (ok) {
		r->checks_passed++;
		return;
	}
	va_list args;
	va_start(args, format);
	if (r->checks_failed++ == 0)
		vsnprintf(r->check_text, sizeof r->check_text, format, args);
	va_end(args);
}

static int size_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static uint64_t size_frames(const struct curve_size *s, uint64_t pages)
{
	uint64_t n = s->milli_percent ? (pages * s->milli_percent + 50000) / 100000 : s->frames;
	return n ? n : 1;
}

uint64_t *curve_sizes_make(const struct curve *c, uint64_t pages, bool few, unsigned *ret_n)
{
	unsigned n = 0, kept = 0;
	uint64_t most = c->opt.n_sizes ? c->opt.n_sizes : c->opt.all ? pages : SCALE_CELLS;
	uint64_t *size = mem_alloc((most + 2) * sizeof *size);
	if (!size)
		return NULL;
	for (unsigned i = 0; i < c->opt.n_sizes; i++)
		size[n++] = size_frames(&c->opt.size[i], pages);
	for (uint64_t i = 1; !c->opt.n_sizes && c->opt.all && i <= pages; i++)
		size[n++] = i;
	for (unsigned i = 0; !c->opt.n_sizes && !c->opt.all && i < SCALE_CELLS && scale_size(i) < pages; i++)
		if (!few || !(scale_size(i) & (scale_size(i) - 1)))
			size[n++] = scale_size(i);
	if (!c->opt.n_sizes)
		size[n++] = pages ? pages : 1;
	qsort(size, n, sizeof *size, size_compare);
	for (unsigned i = 0; i < n; i++)
		if (!kept || size[kept - 1] != size[i])
			size[kept++] = size[i];
	*ret_n = kept;
	return size;
}

/* => a line with room for n points, NULL: out of memory */
static struct curve_line *line_add(struct curve_result *r, const char *policy, unsigned n)
{
	struct curve_line *grown = mem_realloc(r->line, r->n_lines + 1, sizeof *grown);
	if (!grown)
		return NULL;
	r->line = grown;
	struct curve_line *l = &r->line[r->n_lines];
	*l = (struct curve_line){ .policy = policy, .point = mem_zalloc(n, sizeof *l->point), .n_points = n };
	if (!l->point)
		return NULL;
	r->n_lines++;
	return l;
}

static enum pw_err line_stack(struct curve_result *r, const char *policy, const struct lru_totals *t, const struct lru_totals *base,
                              const uint64_t *size, unsigned n)
{
	struct curve_line *l = line_add(r, policy, n);
	if (!l)
		return PW_NOMEM;
	l->stack = true;
	for (unsigned i = 0; i < n; i++)
		l->point[i] = (struct curve_point){ .frames = size[i], .faults = curve_at(t, t->faults, size[i]),
			.written_back = curve_at(t, t->written, size[i]) - curve_at(base, base->written, size[i]) };
	return PW_OK;
}

static void totals_drop(struct lru_totals *t)
{
	mem_free(t->faults);
	mem_free(t->written);
}

static enum pw_err advise_all_sizes(struct curve_result *r, const struct lru_totals *t)
{
	uint64_t *frames = mem_alloc((t->n_sizes + 1) * sizeof *frames);
	if (!frames)
		return PW_NOMEM;
	for (uint64_t i = 0; i <= t->n_sizes; i++)
		frames[i] = i;
	curve_advise(r, &(struct curve_sizes){ t->n_sizes, frames + 1, t->faults + 1 });
	mem_free(frames);
	return PW_OK;
}

static enum pw_err line_lru(struct curve *c, struct curve_result *r, const uint64_t *size, unsigned n)
{
	struct lru_totals t;
	if (lru_curve_totals(&c->lru, &t) != PW_OK)
		return PW_NOMEM;
	enum pw_err err = c->wants_lru ? line_stack(r, "lru", &t, &c->base, size, n) : PW_OK;
	if (err == PW_OK)
		err = advise_all_sizes(r, &t);
	totals_drop(&t);
	return err;
}

static uint64_t faults_everywhere(const struct curve *c)
{
	uint64_t always = 0;
	for (unsigned i = 0; i < c->lru.n_classes; i++)
		always += c->lru.class[i].always;
	return always;
}

static enum pw_err line_opt(struct curve *c, struct curve_result *r, const uint64_t *size, unsigned n)
{
	struct lru_totals t;
	enum pw_err err = opt_curve_totals(c->opt_curve, faults_everywhere(c), &t);
	if (err != PW_OK)
		return err;
	err = line_stack(r, "opt", &t, &c->opt_base, size, n);
	totals_drop(&t);
	return err;
}

static enum pw_err line_duel(struct curve *c, struct curve_result *r, unsigned which)
{
	struct curve_line *l = line_add(r, c->opt.policy[which].name, curve_duel_sizes(c->duel));
	if (!l)
		return PW_NOMEM;
	curve_duel_line(c, c->duel, which, faults_everywhere(c), l);
	return PW_OK;
}

/* After an interrupt while reading, what was read is gone through here; one in the second pass leaves out what was not done. */
static enum pw_err second_lines(struct curve *c, struct curve_result *r, const uint64_t *size, unsigned n)
{
	enum pw_err err = PW_OK;
	if (!c->wants_opt && !c->wants_duel)
		return PW_OK;
	if (!c->opt_curve && !c->duel) {
		err = curve_second_begin(c);
		while (err == PW_OK && (c->opt_going || c->duel_going))
			err = curve_second_step(c, UINT64_MAX);
	}
	if (err == PW_OK && c->opt_curve && !c->opt_going)
		err = line_opt(c, r, size, n);
	for (unsigned i = 0; err == PW_OK && c->duel && !c->duel_going && i < c->opt.n_policies; i++)
		if (curve_duel_wanted(&c->opt.policy[i]))
			err = line_duel(c, r, i);
	return err;
}

static enum pw_err working_sets(const struct curve *c, struct curve_result *r)
{
	unsigned n = 0;
	while (n < SCALE_CELLS && scale_size(n) < r->references)
		n++;
	r->ws = mem_alloc((n + 1) * sizeof *r->ws);
	r->window = mem_alloc((c->n_windows + 1) * sizeof *r->window);
	if (!r->ws || !r->window)
		return PW_NOMEM;
	for (unsigned i = 0; i < n; i++)
		if (i < 16 ? (i & (i + 1)) == 0 : (i - 15) % 4 == 0) /* powers of two, later also their middles */
			r->ws[r->n_ws++] = (struct curve_working_set){ .tau = scale_size(i),
			                                               .mean_pages = lru_curve_working_set(&c->lru, scale_size(i)) };
	memcpy(r->window, c->window, c->n_windows * sizeof *r->window);
	r->n_windows = c->n_windows;
	return PW_OK;
}

/* Mappings, processes and intervals each add up to the whole. */
static void check_parts(struct curve *c, struct curve_result *r)
{
	struct lru_totals t;
	uint64_t wrong = 0;
	if (c->shards || lru_curve_totals(&c->lru, &t) != PW_OK)
		return;
	for (unsigned k = 0; k < r->n_scale; k++) {
		uint64_t mappings = 0, processes = 0, intervals = 0, whole = curve_at(&t, t.faults, scale_size(k));
		for (unsigned i = 0; i < r->n_mappings; i++)
			mappings += r->mapping[i].faults[k];
		for (unsigned i = 0; i < r->n_processes; i++)
			processes += r->process[i].faults[k];
		for (unsigned i = 0; i < r->n_intervals; i++)
			intervals += r->interval[i].faults[k];
		wrong += mappings != whole || processes != whole || intervals != whole;
	}
	check(r, !wrong, "at %" PRIu64 " sizes mappings, processes or intervals do not add up to the whole", wrong);
	totals_drop(&t);
}

static void check_all(const struct curve *c, struct curve_result *r)
{
	uint64_t references = 0;
	for (unsigned i = 0; i < c->lru.n_classes; i++)
		references += c->lru.class[i].references;
	check(r, c->shards || references == r->references, "the classes made %" PRIu64 " references, the trace %" PRIu64, references, r->references);
	for (unsigned i = 0; i < r->n_lines; i++) {
		const struct curve_line *l = &r->line[i];
		uint64_t wrong = 0;
		for (unsigned k = 1; l->stack && k < l->n_points; k++)
			wrong += l->point[k].faults > l->point[k - 1].faults;
		check(r, !wrong, "%s: %" PRIu64 " sizes have more faults than a smaller one", l->policy, wrong);
		check(r, !l->n_points || l->point[0].faults <= r->references + r->pages, "%s: more faults than references", l->policy);
	}
	const char *flaw = c->space ? curve_space_flaw(c->space) : NULL;
	check(r, !flaw, "kernel: %s", flaw ? flaw : "");
	flaw = lru_curve_flaw(&c->lru);
	check(r, !flaw, "%s", flaw ? flaw : "");
}

static void result_input(const struct curve *c, struct curve_result *r)
{
	struct trace_info info = trace_describe(c->trace);
	struct pw_why why = { "" };
	r->source = mem_strdup(info.source);
	r->format = info.format;
	r->records = info.records;
	r->rejected = info.rejected;
	r->rejected_at = info.rejected_at;
	r->input_error = trace_error(c->trace, &why);
	memcpy(r->input_error_text, why.text, sizeof why.text);
	r->page_bytes = 1ull << c->opt.page_shift;
	r->limit = c->opt.limit;
	r->warmup = c->opt.warmup;
	r->tau = c->opt.tau;
	r->seed = c->opt.seed;
	r->refused = curve_refused(c) - c->base_refused;
	r->skipped = c->skipped_refs - c->base_skipped;
	r->references = c->position - c->base_position - r->refused - r->skipped;
	r->lost = c->lost;
	r->footprint = curve_footprint(c, &r->pages);
	r->host_bytes = lru_curve_bytes(&c->lru) + (c->space ? curve_space_bytes(c->space) : 0);
}

static enum pw_err result_sampled(struct curve *c, struct curve_result *r)
{
	struct shards_result *s = mem_alloc(sizeof *s);
	enum pw_err err = s ? shards_result(c->shards, s) : PW_NOMEM;
	uint64_t *size = NULL;
	unsigned n = 0;
	if (err == PW_OK) {
		r->estimated = true;
		r->sample_rate = s->rate;
		r->sampled_references = s->sampled;
		r->pages = r->footprint = (uint64_t)(s->pages + 0.5);
		r->host_bytes = shards_bytes(c->shards);
		size = curve_sizes_make(c, r->footprint, false, &n);
	}
	struct curve_line *l = size ? line_add(r, "lru", n) : NULL;
	if (l) {
		curve_sample_line(s, l, size, r->references);
		curve_sample_advise(r, s);
	} else if (err == PW_OK) {
		err = PW_NOMEM;
	}
	mem_free(size);
	mem_free(s);
	return err;
}

static enum pw_err result_exact(struct curve *c, struct curve_result *r)
{
	unsigned n;
	uint64_t *size = curve_sizes_make(c, r->footprint, false, &n);
	enum pw_err err = size ? line_lru(c, r, size, n) : PW_NOMEM;
	if (err == PW_OK)
		err = second_lines(c, r, size, n);
	if (err == PW_OK)
		err = working_sets(c, r);
	if (err == PW_OK)
		err = curve_parts_result(c, r);
	mem_free(size);
	return err;
}

enum pw_err curve_result(struct curve *c, struct curve_result *ret, struct pw_why *why)
{
	*ret = (struct curve_result){ 0 };
	result_input(c, ret);
	enum pw_err err = !ret->source ? PW_NOMEM : c->shards ? result_sampled(c, ret) : result_exact(c, ret);
	if (err != PW_OK) {
		curve_result_fini(ret);
		return pw_fail(why, err, "out of memory for the result");
	}
	check_all(c, ret);
	check_parts(c, ret);
	return PW_OK;
}

void curve_result_fini(struct curve_result *r)
{
	for (unsigned i = 0; i < r->n_lines; i++)
		mem_free(r->line[i].point);
	for (unsigned i = 0; i < r->n_command; i++)
		mem_free(r->command[i]);
	mem_free(r->command);
	curve_parts_drop(r);
	mem_free(r->line);
	mem_free(r->ws);
	mem_free(r->window);
	mem_free(r->source);
	*r = (struct curve_result){ 0 };
}
