/* opt_curve.c - Mattson's stack of the optimal policy.
 *
 * Problem.  The optimal policy evicts the page used farthest in the future.  It is a stack algorithm, too, but its stack does not keep
 * an order of use: a page pushed out of n frames may stay in n + 1, if another is used even later, so each use rearranges the stack.
 *
 * Idea.  The used page x goes to the top; what stood there is carried downwards.  At each place the one used sooner stays, the other is
 * carried on, down to the place that x left.  In a sequence where taking out and putting in shift the rest by themselves, that is:
 * wherever a page is followed by one used sooner (a descent), it moves to just before the next that is used as late or later.
 *
 *      next use     x 30 12 55 40 70 80       the used page was at place 7; it and its time go to the top
 *      after       90 12 30 40 55 70 80       30 and 55 had followers used sooner, and moved; 70 and 80 are where they were
 *
 * Such moves are rare, two or three a use on most traces, where the pages that change their place are hundreds.  The sequence (seq.h) is
 * cut into blocks that know their greatest time and whether there is a descent in them.
 *
 * A page that is no more leaves a hole, as in recency.c: the carrying ends in the topmost hole if that comes before x's place, and x's
 * place then is a hole.
 *
 * Rejected: one simulation for each size (log n sizes already cost more); an array by place, in which every page on the way is moved
 * (fifty microseconds a use with a million pages).
 * Source: R. L. Mattson, J. Gecsei, D. R. Slutz, I. L. Traiger, IBM Systems Journal 9 (1970), section on OPT. */
#include "opt_curve.h"
#include "../base/mem.h"
#include "seq.h"
#include <string.h>

#define TIME_NEVER UINT32_MAX

struct opt_curve {
	const struct use_log *log;
	uint32_t *next;              /* of each entry: the entry that uses its page next */
	uint64_t at;                 /* the next entry */
	uint64_t room;               /* depths there can be */
	struct seq stack;
	uint32_t *dirty;             /* by page */
	uint64_t *faults;            /* by depth */
	int64_t *written;
};

/* From the end to the beginning: when is each page used next? */
static enum pw_err future_make(struct opt_curve *o)
{
	const struct use_log *log = o->log;
	uint32_t *last = mem_alloc((log->n_pages + 1) * sizeof *last);
	if (!last)
		return PW_NOMEM;
	memset(last, 0xff, (log->n_pages + 1) * sizeof *last);
	for (uint64_t i = log->n; i-- > 0;) {
		uint32_t entry = use_log_at(log, i), page = use_log_page(entry);
		if (use_log_is_repeat(entry))
			continue;
		o->next[i] = last[page];
		last[page] = entry & USE_LOG_DEATH ? TIME_NEVER : (uint32_t)i;
	}
	mem_free(last);
	return PW_OK;
}

enum pw_err opt_curve_create(const struct use_log *log, struct opt_curve **ret)
{
	*ret = NULL;
	if (log->n >= TIME_NEVER)
		return PW_LIMIT;
	struct opt_curve *o = mem_zalloc(1, sizeof *o);
	if (!o)
		return PW_NOMEM;
	uint64_t room = log->n_pages + 2;
	*o = (struct opt_curve){ .log = log, .room = room, .next = mem_alloc((log->n + 1) * sizeof *o->next),
		.dirty = mem_alloc(room * sizeof *o->dirty), .faults = mem_zalloc(room + 2, sizeof *o->faults),
		.written = mem_zalloc(room + 2, sizeof *o->written) };
	if (!o->next || !o->dirty || !o->faults || !o->written || future_make(o) != PW_OK ||
	    seq_init(&o->stack, log->n_pages) != PW_OK) {
		opt_curve_destroy(o);
		return PW_NOMEM;
	}
	memset(o->dirty, 0xff, room * sizeof *o->dirty);
	*ret = o;
	return PW_OK;
}

void opt_curve_destroy(struct opt_curve *o)
{
	if (!o)
		return;
	seq_fini(&o->stack);
	mem_free(o->next);
	mem_free(o->dirty);
	mem_free(o->faults);
	mem_free(o->written);
	mem_free(o);
}

/* The used page goes to the top.  What is carried ends where it was, or in a hole above, or at the end. */
static inline void carry(struct opt_curve *o, uint32_t page, uint32_t time)
{
	struct seq *s = &o->stack;
	struct seq_at end = seq_has(s, page) ? seq_find(s, page) : seq_end(s), hole = seq_first_hole(s);
	if (seq_before(s, hole, end)) {
		if (seq_has(s, page))
			seq_open(s, end);
		seq_settle(s, hole);
		seq_take(s, seq_first_hole(s)); /* the moves may have shifted it */
	} else {
		seq_settle(s, end);
		if (seq_has(s, page))
			seq_take(s, seq_find(s, page));
	}
	seq_put_first(s, page, time);
}

/* As in lru_curve.c: memories below the depth have evicted the page since its last use. */
static inline void dirty_until(struct opt_curve *o, uint32_t page, uint64_t depth)
{
	if (o->dirty[page] >= depth)
		return;
	o->written[o->dirty[page]]++;
	o->written[depth]--;
	o->dirty[page] = (uint32_t)depth;
}

static inline void step_one(struct opt_curve *o, uint64_t i)
{
	uint32_t entry = use_log_at(o->log, i), page = use_log_page(entry);
	if (use_log_is_repeat(entry))
		return;
	uint64_t depth = seq_has(&o->stack, page) ? seq_rank(&o->stack, seq_find(&o->stack, page)) + 1 : 0;
	dirty_until(o, page, depth);
	if (entry & USE_LOG_DEATH) {
		o->dirty[page] = LRU_CLEAN;
		if (depth)
			seq_open(&o->stack, seq_find(&o->stack, page));
		return;
	}
	if (depth && !(entry & USE_LOG_SERVED))
		o->faults[depth] += i >= o->log->counted_from;
	if (entry & 1)
		o->dirty[page] = 1;
	if (depth == 1)
		seq_time(&o->stack, page, o->next[i]);
	else
		carry(o, page, o->next[i]);
}

__attribute__((target_clones("avx2", "default"), optimize("O3"))) static void steps(struct opt_curve *o, uint64_t end)
{
	for (; o->at < end; o->at++)
		step_one(o, o->at);
}

bool opt_curve_step(struct opt_curve *o, uint64_t n)
{
	uint64_t left = o->log->n - o->at;
	steps(o, o->at + (n < left ? n : left));
	return o->at < o->log->n;
}

double opt_curve_progress(const struct opt_curve *o)
{
	return o->log->n ? (double)o->at / (double)o->log->n : 1;
}

enum pw_err opt_curve_totals(const struct opt_curve *o, uint64_t always, struct lru_totals *ret)
{
	uint64_t n = o->room, faults = always;
	int64_t sum = 0;
	*ret = (struct lru_totals){ .n_sizes = n, .faults = mem_zalloc(n + 1, sizeof *ret->faults),
	                            .written = mem_zalloc(n + 1, sizeof *ret->written) };
	int64_t *written = mem_alloc((o->room + 2) * sizeof *written);
	if (!ret->faults || !ret->written || !written) {
		mem_free(ret->faults);
		mem_free(ret->written);
		mem_free(written);
		*ret = (struct lru_totals){ 0 };
		return PW_NOMEM;
	}
	memcpy(written, o->written, (o->room + 2) * sizeof *written);
	uint64_t depth = 0;
	for (struct seq_at p = seq_begin(&o->stack); !seq_is_end(&o->stack, p); p = seq_after(&o->stack, p)) {
		uint32_t page = seq_page(&o->stack, p);
		if (page == SEQ_HOLE || o->dirty[page] >= ++depth + (page == SEQ_HOLE))
			continue;
		written[o->dirty[page]]++;
		written[depth]--;
	}
	for (uint64_t i = n; i > 0; i--) {
		ret->faults[i] = faults;
		faults += o->faults[i];
	}
	for (uint64_t i = 1; i <= n; i++)
		ret->written[i] = (uint64_t)(sum += written[i]);
	mem_free(written);
	return PW_OK;
}
