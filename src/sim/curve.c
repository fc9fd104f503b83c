/* curve.c - the loop of a curve: items of a trace become uses of pages, in pieces that end where something is due.
 *
 * Problem.  The engines below want uses of numbered pages and know nothing of processes, warm-ups, limits and windows; the trace gives
 * items of any length.
 * Idea.  As a run does: a piece of an item goes to the engine up to the next boundary; the engine stops at what it cannot do alone,
 * which for a trace without mappings is the first use of a page, and goes on after it.
 *
 * Invariants.
 *   1. position = references done + refused.
 *   2. The number of a page is its rank in the order of first use; every page has one key.
 *   3. A boundary (end of the warm-up, limit, window of the working set) is never inside a piece.
 * Rejected: engines that read the trace themselves (each would repeat the reading). */
#include "curve_space.h"
#include "../base/text.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CURVE_TAU (1 << 20)
enum { CURVE_OPT_STEP = 1 << 16 };

void curve_options_init(struct curve_options *o)
{
	*o = (struct curve_options){ .page_shift = 12, .tau = CURVE_TAU, .seed = 1 };
}

enum curve_state curve_fail(struct curve *c, enum pw_err err, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(c->why.text, sizeof c->why.text, format, args);
	va_end(args);
	c->error = err;
	return c->state = CURVE_FAILED;
}

/* One size of a list: "100" or "2.5%". */
static enum pw_err size_parse(const char *word, struct curve_size *ret, struct pw_why *why)
{
	size_t n = strlen(word);
	char *end;
	*ret = (struct curve_size){ 0 };
	if (n > 1 && word[n - 1] == '%') {
		double percent = strtod(word, &end);
		if (end != word + n - 1 || !(percent >= 0.001 && percent <= 100))
			return pw_fail(why, PW_INVALID, "--frames %s: a percentage of the pages touched is from 0.001%% to 100%%", word);
		ret->milli_percent = (uint32_t)(percent * 1000 + 0.5);
		return PW_OK;
	}
	if (text_size(word, &ret->frames, NULL) != PW_OK || !ret->frames || ret->frames > 1ull << 31)
		return pw_fail(why, PW_INVALID, "--frames: '%s' is no number of frames; write numbers or percentages of the pages "
		               "touched: 100,1%%,10%%", word);
	return PW_OK;
}

enum pw_err curve_sizes_parse(const char *text, struct curve_size **ret, unsigned *ret_n, struct pw_why *why)
{
	unsigned n = 1, at = 0;
	for (const char *c = text; *c; c++)
		n += *c == ',';
	char *copy = mem_strdup(text), *rest = copy;
	*ret = mem_zalloc(n, sizeof **ret);
	enum pw_err err = copy && *ret ? PW_OK : pw_fail(why, PW_NOMEM, "out of memory for --frames");
	while (err == PW_OK && rest && at < n)
		err = size_parse(strsep(&rest, ","), &(*ret)[at++], why);
	mem_free(copy);
	if (err != PW_OK) {
		mem_free(*ret);
		*ret = NULL;
		return err;
	}
	*ret_n = n;
	return PW_OK;
}

enum pw_err curve_create(const struct curve_options *o, struct trace *t, struct curve **ret, struct pw_why *why)
{
	struct trace_info info = trace_describe(t);
	*ret = NULL;
	if (o->page_shift < info.granule_shift)
		return pw_fail(why, PW_UNSUPPORTED, "%s: its addresses are exact only to %llu bytes, too coarse for pages of %llu; "
		               "record it with --granule 1", info.source, 1ull << info.granule_shift, 1ull << o->page_shift);
	bool wants_opt = false, wants_lru = !o->n_policies, wants_duel = false;
	for (unsigned i = 0; i < o->n_policies; i++) {
		const struct curve_policy *p = &o->policy[i];
		wants_opt |= p->ops == &policy_opt;
		wants_lru |= p->ops == &policy_lru;
		wants_duel |= curve_duel_wanted(p);
		if (o->sampled && p->ops != &policy_lru)
			return pw_fail(why, PW_UNSUPPORTED, "--sample: only the curve of lru is estimated from a sample, not that of %s",
			               p->name);
		if (p->ops->wants_future && p->ops != &policy_opt)
			return pw_fail(why, PW_UNSUPPORTED, "--policy %s: its future is known only to 'pageworks run --policy %s'", p->name,
			               p->name);
	}
	struct curve *c = mem_zalloc(1, sizeof *c);
	if (!c)
		return pw_fail(why, PW_NOMEM, "out of memory for the curve");
	*c = (struct curve){ .opt = *o, .trace = t, .every = 1, .warm = !o->warmup, .wants_opt = wants_opt, .wants_lru = wants_lru,
	                     .wants_duel = wants_duel, .log.repeats = wants_duel };
	curve_parts_restart(c);
	if (lru_curve_init(&c->lru) != PW_OK) {
		mem_free(c);
		return pw_fail(why, PW_NOMEM, "out of memory for the curve");
	}
	enum pw_err err = info.has_events && !o->sampled ? curve_space_create(c, &c->space, why) : PW_OK;
	if (err == PW_OK && o->sampled && curve_sample_create(c) != PW_OK)
		err = pw_fail(why, PW_NOMEM, "out of memory for the sample");
	if (err == PW_OK && (wants_opt || wants_duel) && lru_curve_log(&c->lru, &c->log) != PW_OK)
		err = pw_fail(why, PW_NOMEM, "out of memory for the curve");
	if (err == PW_OK)
		*ret = c;
	else
		curve_destroy(c);
	return err;
}

void curve_destroy(struct curve *c)
{
	if (!c)
		return;
	shards_destroy(c->shards);
	curve_space_destroy(c->space);
	curve_duel_destroy(c->duel);
	opt_curve_destroy(c->opt_curve);
	use_log_fini(&c->log);
	mem_free(c->opt_base.faults);
	mem_free(c->opt_base.written);
	lru_curve_fini(&c->lru);
	mem_free(c->class);
	mem_free(c->process);
	mem_free(c->base.faults);
	mem_free(c->base.written);
	mem_free(c);
}

uint32_t curve_process_get(struct curve *c, uint32_t pid)
{
	if (c->recent < c->n_processes && c->process[c->recent].pid == pid)
		return c->recent;
	for (c->recent = 0; c->recent < c->n_processes; c->recent++)
		if (c->process[c->recent].pid == pid)
			return c->recent;
	struct curve_process *grown = mem_realloc(c->process, c->n_processes + 1, sizeof *grown);
	struct curve_class_info *info = mem_realloc(c->class, c->n_processes + 1, sizeof *info);
	uint32_t class;
	if (grown)
		c->process = grown;
	if (info)
		c->class = info;
	if (!grown || !info || lru_curve_class(&c->lru, &class) != PW_OK) {
		curve_fail(c, PW_NOMEM, "out of memory for process %u", pid);
		return UINT32_MAX;
	}
	c->class[class] = (struct curve_class_info){ .pid = pid, .name = "" };
	c->process[c->n_processes] = (struct curve_process){ .pid = pid, .class = class };
	return c->n_processes++;
}

/* The first use of a page: it gets a number, and every size has a fault. */
static enum pw_err curve_first_use(struct curve *c, uint64_t i)
{
	struct lru_curve *l = &c->lru;
	const struct uses *u = &c->uses;
	uint32_t *word = dense_put(&l->table, u->key[i]), class = c->process[dense_space(u->key[i])].class;
	struct lru_use use = {
		.tag = u->key[i], .at = l->now + use_begin(u, i) + 1, .n = use_end(u, i) - use_begin(u, i), .page = (uint32_t)c->n_pages,
		.class = class, .kinds = use_kinds(u, i), .allow = LRU_WORD_ALLOW, .served = true,
	};
	uint64_t depth;
	if (c->n_pages >= LRU_PAGES_MAX)
		return PW_LIMIT;
	enum pw_err err = word ? lru_curve_cover(l, use.page) : PW_NOMEM;
	if (err == PW_OK)
		err = lru_curve_use(l, &use, &depth);
	if (err != PW_OK)
		return err;
	lru_curve_fault(l, class, LRU_NEW);
	*word = lru_word(use.page, false, LRU_WORD_ALLOW);
	c->n_pages++;
	return PW_OK;
}

static void curve_uses(struct curve *c, const ref_t *refs)
{
	enum pw_err err = PW_OK;
	uint64_t i = 0;
	while (err == PW_OK && (i = lru_curve_run(&c->lru, &c->uses, i, &err)) < c->uses.n)
		if (err == PW_OK)
			err = c->space ? curve_space_use(c, i++, refs) : curve_first_use(c, i++);
	if (err == PW_LIMIT)
		curve_fail(c, err, "more pages than can be numbered: use --sample, or a larger --page");
	else if (err != PW_OK)
		curve_fail(c, err, "out of memory after %llu pages; --sample needs little", (unsigned long long)c->n_pages);
}

/* References of which some cannot be of a program: those are refused, as a run refuses them, the others are done. */
uint64_t curve_sift(struct curve *c, const ref_t *refs, uint64_t n, ref_t *ret)
{
	uint64_t kept = 0;
	for (uint64_t i = 0; i < n; i++)
		if (ref_va(refs[i]).v >> CURVE_VA_BITS == 0)
			ret[kept++] = refs[i];
	c->refused += n - kept;
	return kept;
}

static void curve_piece(struct curve *c, uint32_t space, const ref_t *refs, uint64_t n)
{
	ref_t sifted[USES_MAX];
	uint64_t done = n;
	if (!uses_gather(&c->uses, refs, n, space, c->opt.page_shift, CURVE_VA_BITS)) {
		done = curve_sift(c, refs, n, sifted);
		if (done)
			uses_gather(&c->uses, sifted, done, space, c->opt.page_shift, CURVE_VA_BITS);
		else
			c->uses.n = 0;
	}
	curve_uses(c, done == n ? refs : sifted);
	lru_curve_advance(&c->lru, done, c->uses.n);
	c->position += n;
}

/* How many references may pass before something is due. */
static uint64_t curve_due(const struct curve *c, uint64_t n)
{
	uint64_t window = c->lru.intervals.window_began + c->opt.tau - c->lru.now;
	n = n < USES_MAX ? n : USES_MAX;
	n = n < window ? n : window;
	n = n < curve_parts_due(c) ? n : curve_parts_due(c);
	if (c->opt.limit && n > c->opt.limit - c->position)
		n = c->opt.limit - c->position;
	if (!c->warm && n > c->opt.warmup - c->position)
		n = c->opt.warmup - c->position;
	return n;
}

/* A sample of the working set.  When there are too many, every second one is forgotten and from now on left out. */
static void curve_window_end(struct curve *c)
{
	struct lru_intervals *v = &c->lru.intervals;
	if (c->warm && ++c->skipped >= c->every) {
		c->skipped = 0;
		if (c->n_windows == CURVE_WINDOWS_MAX) {
			for (unsigned i = 0; i < CURVE_WINDOWS_MAX / 2; i++)
				c->window[i] = c->window[2 * i + 1];
			c->n_windows /= 2;
			c->every *= 2;
		}
		c->window[c->n_windows++] = (struct curve_window){ .at = c->lru.now, .pages = v->window_pages };
	}
	v->window_began = c->lru.now;
	v->window_pages = 0;
}

uint64_t curve_refused(const struct curve *c) { return c->refused + (c->space ? curve_space_refused(c->space) : 0); }

/* What was counted is forgotten; the stack stays as it is.  Write-backs are known late, so those until now are taken off in the end. */
static void curve_warm(struct curve *c)
{
	c->warm = true;
	if (lru_curve_totals(&c->lru, &c->base) != PW_OK || lru_curve_log_flush(&c->lru) != PW_OK) {
		curve_fail(c, PW_NOMEM, "out of memory at the end of the warm-up");
		return;
	}
	c->base_position = c->position;
	c->base_refused = curve_refused(c);
	c->base_skipped = c->skipped_refs;
	c->log.counted_from = c->log.n;
	lru_curve_forget(&c->lru);
	curve_parts_restart(c);
}

static void curve_boundary(struct curve *c)
{
	if (c->lru.now - c->lru.intervals.window_began == c->opt.tau)
		curve_window_end(c);
	if (curve_parts_due(c) == 0)
		curve_parts_cut(c);
	if (!c->warm && c->position >= c->opt.warmup)
		curve_warm(c);
	if (c->opt.limit && c->position >= c->opt.limit && c->state == CURVE_GOING)
		c->state = CURVE_ENDED;
}

/* References of a process that has ended. */
static void curve_skip(struct curve *c, uint64_t n)
{
	if (c->state != CURVE_GOING)
		return;
	if (c->opt.limit && n > c->opt.limit - c->position)
		n = c->opt.limit - c->position;
	c->position += n;
	c->skipped_refs += n;
	curve_boundary(c);
}

static void curve_refs(struct curve *c, const struct trace_item *item)
{
	uint32_t space = 0;
	if (c->shards) {
		curve_sample_refs(c, item);
		return;
	}
	if (c->space && !curve_space_enter(c, item->pid, &space)) {
		curve_skip(c, item->n_refs);
		return;
	}
	if (!c->space)
		space = curve_process_get(c, item->pid);
	for (uint64_t at = 0; at < item->n_refs && c->state == CURVE_GOING;) {
		uint64_t n = curve_due(c, item->n_refs - at);
		curve_piece(c, space, item->refs + at, n);
		at += n;
		if (c->state == CURVE_GOING)
			curve_boundary(c);
	}
}

static enum pw_err opt_begin(struct curve *c)
{
	enum pw_err err = opt_curve_create(&c->log, &c->opt_curve);
	if (err == PW_OK && c->log.counted_from) {
		opt_curve_step(c->opt_curve, c->log.counted_from);
		err = opt_curve_totals(c->opt_curve, 0, &c->opt_base);
	}
	c->opt_going = err == PW_OK;
	if (err == PW_LIMIT)
		return pw_fail(&c->why, err, "--policy opt: the trace is longer than 2^32 uses; use --limit");
	return err == PW_OK ? err : pw_fail(&c->why, err, "out of memory for knowing the future; use --limit, or leave opt out");
}

enum pw_err curve_second_begin(struct curve *c)
{
	uint64_t touched, footprint = curve_footprint(c, &touched);
	if (lru_curve_log_flush(&c->lru) != PW_OK)
		return pw_fail(&c->why, PW_NOMEM, "out of memory for the log of uses; use --limit");
	c->log.n_pages = c->lru.n_pages;
	enum pw_err err = c->wants_opt ? opt_begin(c) : PW_OK;
	if (err == PW_OK && c->wants_duel)
		err = curve_duel_create(c, footprint, &c->duel, &c->why);
	c->duel_going = err == PW_OK && c->wants_duel;
	return err;
}

enum pw_err curve_second_step(struct curve *c, uint64_t n)
{
	enum pw_err err = PW_OK;
	if (c->opt_going)
		c->opt_going = opt_curve_step(c->opt_curve, n);
	else if (c->duel_going)
		err = curve_duel_step(c, c->duel, n, &c->duel_going);
	return err == PW_OK ? err : pw_fail(&c->why, err, "out of memory for policies; ask for fewer sizes");
}

static enum curve_state curve_second(struct curve *c)
{
	c->error = curve_second_step(c, CURVE_OPT_STEP);
	if (c->error != PW_OK)
		return c->state = CURVE_FAILED;
	return c->state = c->opt_going || c->duel_going ? CURVE_GOING : CURVE_ENDED;
}

/* The trace has been read; what needs to know its end begins. */
static void curve_ended(struct curve *c)
{
	if (c->state != CURVE_ENDED || !(c->wants_opt || c->wants_duel))
		return;
	c->error = curve_second_begin(c);
	c->state = c->error == PW_OK ? CURVE_GOING : CURVE_FAILED;
}

enum curve_state curve_step(struct curve *c)
{
	struct trace_item item;
	if (c->state != CURVE_GOING)
		return c->state;
	if (c->opt_going || c->duel_going)
		return curve_second(c);
	trace_next(c->trace, &item);
	if (item.kind == TRACE_ITEM_REFS)
		curve_refs(c, &item);
	else if (item.kind == TRACE_ITEM_END)
		c->state = CURVE_ENDED;
	else if (item.event.kind == TRACE_LOST)
		c->lost += item.event.count;
	else if (c->shards)
		curve_sample_event(c, item.pid, &item.event);
	else if (c->space)
		curve_space_event(c, item.pid, &item.event);
	curve_ended(c);
	return c->state;
}

enum pw_err curve_error(const struct curve *c, struct pw_why *why)
{
	if (why)
		*why = c->why;
	return c->error;
}

uint64_t curve_footprint(const struct curve *c, uint64_t *ret_touched)
{
	uint64_t footprint = *ret_touched = c->n_pages;
	if (c->space)
		curve_space_pages(c->space, ret_touched, &footprint);
	return footprint;
}

double curve_second_pass(const struct curve *c)
{
	if (!c->opt_curve && !c->duel)
		return -1;
	double opt = c->opt_curve ? opt_curve_progress(c->opt_curve) : 1, duel = c->duel ? curve_duel_progress(c, c->duel) : 1;
	return c->opt_curve && c->duel ? (opt + duel) / 2 : opt < duel ? opt : duel;
}
uint64_t curve_position(const struct curve *c) { return c->position; }
