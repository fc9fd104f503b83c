/* lru_curve.c - Mattson's stack, with the top of it apart.
 *
 * Problem.  The LRU stack gives the faults of every memory size at once: a page found at depth d is missed by all memories of fewer
 * than d frames.  Programs make hundreds of millions of references a second, of which nearly all find their page among the last few.
 *
 * Idea.  The newest eight pages stand in the front, found by comparing eight tags at once; their order is eight bytes of one word, so
 * that moving one to the front is a few shifts.  Whatever leaves the front goes on the stack proper (recency.h).
 *
 *      use --> front: 8 tags ------- there, at place i: depth i + 1
 *                 |    not there
 *                 v
 *              table: key -> word -- none, or not allowed: the owner's turn
 *                 |
 *                 v
 *              stack: depth below the front; the page enters the front, the oldest of the front goes on the stack
 *
 * Write-backs.  A page is dirty in the memories of at least D frames, for one D: a store makes it dirty everywhere, D = 1; a load that
 * finds it at depth d had it fetched again, clean, by all memories below d, so D becomes the larger of D and d.  Between two uses a
 * page only sinks, so at a use at depth d all memories below d have evicted it since the last, and those from D on wrote it.  That is
 * counted when it is known, at the next use, at its death or at the end, never earlier.
 *
 * Invariants.
 *   1. A page is in the front or on the stack, never in both; the front's n newest are full, the rest carry no tag of any page.
 *   2. page[x] is current for pages on the stack; of those in the front, the front's copy is.
 *   3. Depths up to LRU_FRONT are counted by class alone.
 * Rejected: a list in an array as long as the front that is searched and shifted (its branch is mispredicted at every second use).
 * Source: R. L. Mattson, J. Gecsei, D. R. Slutz, I. L. Traiger, IBM Systems Journal 9 (1970); the threshold of dirtiness: J. G. Thompson
 * and A. J. Smith, "Efficient (stack) algorithms for analysis of write-back and sector memories", ACM TOCS 7 (1989). */
#include "lru_curve.h"
#include "../base/mem.h"
#include <string.h>

#define ORDER_START 0x0706050403020100ull
#define BYTES_OF(x) ((x) * 0x0101010101010101ull)
enum { FAR_PAGES = 1 << 14, AHEAD_TABLE = 24, AHEAD_PLACE = 16, AHEAD_STACK = 8 };

/* ---- room ---- */

static void front_clear(struct lru_front *f)
{
	f->order = ORDER_START;
	f->n = 0;
	for (unsigned i = 0; i < LRU_FRONT; i++)
		f->tag[i / 4][i % 4] = UINT64_MAX - i;
}

enum pw_err lru_curve_init(struct lru_curve *l)
{
	*l = (struct lru_curve){ 0 };
	front_clear(&l->front);
	enum pw_err err = dense_init(&l->table);
	if (err == PW_OK)
		err = recency_init(&l->stack);
	if (err == PW_OK)
		err = lru_curve_cover(l, 0);
	if (err != PW_OK)
		lru_curve_fini(l);
	return err;
}

void lru_curve_fini(struct lru_curve *l)
{
	dense_fini(&l->table);
	recency_fini(&l->stack);
	mem_free(l->page);
	mem_free(l->depth);
	mem_free(l->written);
	mem_free(l->class);
	mem_free(l->record);
	*l = (struct lru_curve){ 0 };
}

enum pw_err lru_curve_class(struct lru_curve *l, uint32_t *ret)
{
	struct lru_class *grown = mem_realloc(l->class, l->n_classes + 1, sizeof *grown);
	if (!grown)
		return PW_NOMEM;
	l->class = grown;
	l->class[l->n_classes] = (struct lru_class){ 0 };
	*ret = l->n_classes++;
	return PW_OK;
}

enum pw_err lru_curve_log(struct lru_curve *l, struct use_log *log)
{
	l->record = mem_alloc(LRU_RECORD * sizeof *l->record);
	l->log = log;
	return l->record ? PW_OK : PW_NOMEM;
}

enum pw_err lru_curve_log_flush(struct lru_curve *l)
{
	enum pw_err err = l->record ? use_log_add(l->log, l->record, l->n_recorded) : PW_OK;
	if (err == PW_OK)
		l->n_recorded = 0;
	return err;
}

static enum pw_err log_one(struct lru_curve *l, uint32_t entry)
{
	if (!l->record)
		return PW_OK;
	enum pw_err err = l->n_recorded == LRU_RECORD ? lru_curve_log_flush(l) : PW_OK;
	if (err == PW_OK)
		l->record[l->n_recorded++] = entry;
	return err;
}

static enum pw_err depths_cover(struct lru_curve *l, uint64_t n)
{
	if (n <= l->depths_room)
		return PW_OK;
	uint64_t room = l->depths_room * 2 > n ? l->depths_room * 2 : n;
	uint64_t *depth = mem_realloc(l->depth, room, sizeof *depth);
	if (!depth)
		return PW_NOMEM;
	l->depth = depth;
	int64_t *written = mem_realloc(l->written, room, sizeof *written);
	if (!written)
		return PW_NOMEM;
	l->written = written;
	memset(depth + l->depths_room, 0, (room - l->depths_room) * sizeof *depth);
	memset(written + l->depths_room, 0, (room - l->depths_room) * sizeof *written);
	l->depths_room = room;
	return PW_OK;
}

/* The stack is never deeper than there were pages, for a hole is made where a page was; room for two more depths than that. */
enum pw_err lru_curve_cover(struct lru_curve *l, uint32_t page)
{
	if (page >= l->pages_room) {
		uint64_t room = l->pages_room ? l->pages_room * 2 : 1024;
		room = room > page ? room : page + 1ull;
		struct lru_page *grown = mem_realloc(l->page, room, sizeof *grown);
		if (!grown)
			return PW_NOMEM;
		for (uint64_t i = l->pages_room; i < room; i++)
			grown[i] = (struct lru_page){ .dirty = LRU_CLEAN };
		l->page = grown;
		l->pages_room = room;
	}
	enum pw_err err = recency_cover(&l->stack, page + 1ull);
	if (err == PW_OK)
		err = depths_cover(l, l->stack.held + LRU_FRONT + 4);
	if (err == PW_OK && page >= l->n_pages)
		l->n_pages = page + 1ull;
	return err;
}

/* ---- one use ---- */

RECENCY_HOT void count_interval(struct lru_intervals *v, uint64_t before, uint64_t at)
{
	uint64_t interval = at - before, counts = before > v->counted_from;
	unsigned cell = scale_cell(interval);
	v->count[cell] += counts;
	v->sum[cell] += interval & -counts;
	v->window_pages += before <= v->window_began;
}

/* The page was found at depth: in memories below it the page had left, written back where it was dirty. */
RECENCY_HOT void use_dirty(struct lru_curve *l, struct lru_page *p, uint64_t depth, bool store)
{
	if (p->dirty < depth) {
		l->written[p->dirty]++;
		l->written[depth]--;
		p->dirty = (uint32_t)depth;
	}
	if (store)
		p->dirty = 1;
}

/* Which entry has the tag: its number, LRU_FRONT when none has. */
RECENCY_HOT unsigned front_find(const struct lru_front *f, uint64_t tag)
{
	const lru_tags want = { tag, tag, tag, tag }, low = { 1, 2, 3, 4 }, high = { 5, 6, 7, 8 };
	lru_tags found = ((lru_tags)(f->tag[0] == want) & low) | ((lru_tags)(f->tag[1] == want) & high);
	return (unsigned)((found[0] | found[1] | found[2] | found[3]) - 1) & 15;
}

/* Written as whole vectors, because the next search loads them so. */
RECENCY_HOT void front_tag(struct lru_front *f, unsigned entry, uint64_t tag)
{
	const lru_tags low = { 0, 1, 2, 3 }, high = { 4, 5, 6, 7 }, here = { entry, entry, entry, entry }, new = { tag, tag, tag, tag };
	lru_tags in_low = (lru_tags)(low == here), in_high = (lru_tags)(high == here);
	f->tag[0] = (in_low & new) | (~in_low & f->tag[0]);
	f->tag[1] = (in_high & new) | (~in_high & f->tag[1]);
}

/* Moves an entry to the front of the order.  => the place it had */
RECENCY_HOT unsigned front_lift(struct lru_front *f, unsigned entry)
{
	uint64_t x = f->order ^ BYTES_OF((uint64_t)entry);
	unsigned at = (unsigned)__builtin_ctzll((x - BYTES_OF(1ull)) & ~x & BYTES_OF(0x80ull)) & ~7u; /* in bits */
	uint64_t upto = UINT64_MAX >> (56 - at);
	f->order = (f->order & ~upto) | (f->order & upto >> 8) << 8 | entry;
	return at >> 3;
}

/* The page enters the front: the oldest there makes room. */
RECENCY_HOT enum pw_err front_enter(struct lru_curve *l, uint64_t tag, uint32_t page, unsigned allow, const struct lru_page *state)
{
	struct lru_front *f = &l->front;
	unsigned entry = (unsigned)(f->order >> 56);
	if (f->n == LRU_FRONT) {
		enum pw_err err = recency_push(&l->stack, f->id[entry]);
		if (err != PW_OK)
			return err;
		l->page[f->id[entry]] = f->page[entry];
	} else {
		f->n++;
	}
	f->order = f->order << 8 | entry;
	front_tag(f, entry, tag);
	f->id[entry] = page;
	f->allow[entry] = allow;
	f->page[entry] = *state;
	return PW_OK;
}

RECENCY_HOT void count_fault(struct lru_curve *l, uint32_t class, uint64_t depth)
{
	l->class[class].cell[scale_cell(depth)]++;
	if (depth > LRU_FRONT) { /* the counter of a depth is far away: it is asked for now and counted a little later */
		uint64_t *later = &l->pending[l->n_pending++ % LRU_PENDING];
		l->depth[*later]++;
		*later = depth;
		__builtin_prefetch(&l->depth[depth], 1);
	}
}

/* A use that the front has, at its place there. */
RECENCY_HOT void use_in_front(struct lru_curve *l, unsigned entry, uint64_t at, uint64_t n, unsigned kinds)
{
	struct lru_page *p = &l->front.page[entry];
	struct lru_class *c = &l->class[p->class];
	unsigned place = front_lift(&l->front, entry);
	c->references += n;
	c->cell[place]++;
	count_interval(&l->intervals, p->at, at);
	p->at = at + n - 1;
	use_dirty(l, p, place + 1, kinds & USE_STORE);
}

/* A use of a page that the front does not have, but somebody knows. */
RECENCY_HOT enum pw_err use_from_stack(struct lru_curve *l, uint64_t tag, uint32_t page, uint64_t at, uint64_t n, unsigned kinds,
                                         unsigned allow)
{
	struct lru_page p = l->page[page];
	struct lru_class *c = &l->class[p.class];
	uint64_t depth = recency_lift(&l->stack, page) + l->front.n;
	c->references += n;
	count_fault(l, p.class, depth);
	count_interval(&l->intervals, p.at, at);
	p.at = at + n - 1;
	use_dirty(l, &p, depth, kinds & USE_STORE);
	return front_enter(l, tag, page, allow, &p);
}

RECENCY_HOT void run_prefetch(const struct lru_curve *l, const struct uses *u, uint64_t i)
{
	const uint32_t *word = dense_get(&l->table, u->key[i + AHEAD_TABLE]);
	if (word)
		__builtin_prefetch(word);
	word = dense_get(&l->table, u->key[i + AHEAD_PLACE]);
	if (word && *word) {
		recency_prefetch_place(&l->stack, lru_word_page(*word));
		__builtin_prefetch(&l->page[lru_word_page(*word)], 1);
	}
	word = dense_get(&l->table, u->key[i + AHEAD_STACK]);
	if (word && *word)
		recency_prefetch(&l->stack, lru_word_page(*word));
}

RECENCY_HOT void record(struct lru_curve *l, uint32_t page, unsigned kinds, uint64_t n)
{
	l->record[l->n_recorded++] = page << 1 | (kinds & USE_STORE ? 1 : 0);
	l->record[l->n_recorded] = USE_LOG_REPEAT | (uint32_t)(n - 1);
	l->n_recorded += l->log->repeats && n > 1;
}

/* One instance looks ahead, for streams that seldom find their page in the front. */
RECENCY_HOT uint64_t run_uses(struct lru_curve *l, const struct uses *u, uint64_t i, bool ahead,
                                                               enum pw_err *ret_err)
{
	uint64_t begin = use_begin(u, i), misses = 0, n = u->n;
	for (; i < n; i++) {
		uint64_t key = u->key[i], end = use_end(u, i);
		unsigned kinds = use_kinds(u, i), entry = front_find(&l->front, key);
		if (ahead && i + AHEAD_TABLE < n)
			run_prefetch(l, u, i);
		if (entry < LRU_FRONT) {
			if (kinds & ~l->front.allow[entry])
				break;
			if (l->record)
				record(l, l->front.id[entry], kinds, end - begin);
			use_in_front(l, entry, l->now + begin + 1, end - begin, kinds);
		} else {
			const uint32_t *word = dense_get(&l->table, key);
			if (!word || (kinds & ~*word) || *word & LRU_WORD_SHARED)
				break;
			misses++;
			if (l->record)
				record(l, lru_word_page(*word), kinds, end - begin);
			*ret_err = use_from_stack(l, key, lru_word_page(*word), l->now + begin + 1, end - begin, kinds,
			                          *word & LRU_WORD_ALLOW);
			if (*ret_err != PW_OK)
				break;
		}
		begin = end;
	}
	l->misses_front += misses;
	return i;
}

__attribute__((target_clones("arch=x86-64-v3", "default"), optimize("O3"))) static uint64_t
run_near(struct lru_curve *l, const struct uses *u, uint64_t first, enum pw_err *ret_err)
{
	return run_uses(l, u, first, false, ret_err);
}

__attribute__((target_clones("arch=x86-64-v3", "default"), optimize("O3"))) static uint64_t
run_far(struct lru_curve *l, const struct uses *u, uint64_t first, enum pw_err *ret_err)
{
	return run_uses(l, u, first, true, ret_err);
}

uint64_t lru_curve_run(struct lru_curve *l, const struct uses *u, uint64_t first, enum pw_err *ret_err)
{
	*ret_err = PW_OK;
	if (first >= u->n)
		return first;
	if (l->n_recorded >= LRU_RECORD - 2 * USES_MAX)
		*ret_err = lru_curve_log_flush(l);
	if (*ret_err != PW_OK)
		return first;
	if (first == 0) {
		l->far = l->misses_front * 4 > u->n && l->n_pages > FAR_PAGES;
		l->misses_front = 0;
	}
	return l->far ? run_far(l, u, first, ret_err) : run_near(l, u, first, ret_err);
}

/* ---- what the owner does ---- */

enum pw_err lru_curve_use(struct lru_curve *l, const struct lru_use *use, uint64_t *ret_depth)
{
	unsigned entry = front_find(&l->front, use->tag);
	struct lru_class *c = &l->class[use->class];
	c->references += use->n;
	enum pw_err err = log_one(l, use->page << 1 | (use->kinds & USE_STORE ? 1 : 0) | (use->served ? USE_LOG_SERVED : 0));
	if (err == PW_OK && use->n > 1 && l->log && l->log->repeats)
		err = log_one(l, USE_LOG_REPEAT | (uint32_t)(use->n - 1));
	if (err != PW_OK)
		return err;
	if (entry < LRU_FRONT) {
		struct lru_page *p = &l->front.page[entry];
		*ret_depth = front_lift(&l->front, entry) + 1;
		count_interval(&l->intervals, p->at, use->at);
		use_dirty(l, p, *ret_depth, use->kinds & USE_STORE);
		p->at = use->at + use->n - 1;
		p->class = use->class;
		l->front.allow[entry] = use->allow;
		return PW_OK;
	}
	struct lru_page p = l->page[use->page];
	uint64_t below = recency_lift(&l->stack, use->page);
	*ret_depth = below ? below + l->front.n : LRU_NEW;
	if (below && use->n)
		count_interval(&l->intervals, p.at, use->at);
	else if (use->n)
		l->intervals.window_pages++;
	p = (struct lru_page){ .dirty = below ? p.dirty : LRU_CLEAN, .class = use->class, .at = use->at + use->n - 1 };
	if (!use->n)
		p.at = below ? l->page[use->page].at : 0;
	use_dirty(l, &p, *ret_depth, use->kinds & USE_STORE);
	return front_enter(l, use->tag, use->page, use->allow, &p);
}

void lru_curve_fault(struct lru_curve *l, uint32_t class, uint64_t depth)
{
	if (depth == LRU_NEW)
		l->class[class].always++;
	else
		count_fault(l, class, depth);
}

enum pw_err lru_curve_flush(struct lru_curve *l)
{
	struct lru_front *f = &l->front;
	for (unsigned i = 0; i < LRU_PENDING; i++) {
		l->depth[l->pending[i]]++; /* that of 0 means nothing */
		l->pending[i] = 0;
	}
	while (f->n) {
		unsigned entry = (unsigned)(f->order >> (8 * (f->n - 1))) & 255;
		enum pw_err err = recency_push(&l->stack, f->id[entry]);
		if (err != PW_OK)
			return err;
		l->page[f->id[entry]] = f->page[entry];
		f->tag[entry / 4][entry % 4] = UINT64_MAX - entry;
		f->n--;
	}
	return PW_OK;
}

enum pw_err lru_curve_die(struct lru_curve *l, uint32_t page)
{
	lru_curve_clean(l, page);
	enum pw_err err = log_one(l, page << 1 | USE_LOG_DEATH);
	return err == PW_OK ? recency_die(&l->stack, page) : err;
}

void lru_curve_clean(struct lru_curve *l, uint32_t page)
{
	struct lru_page *p = &l->page[page];
	if (p->dirty == LRU_CLEAN)
		return;
	uint64_t depth = recency_depth(&l->stack, page);
	if (depth)
		use_dirty(l, p, depth + l->front.n, false);
	p->dirty = LRU_CLEAN;
}

void lru_curve_forget(struct lru_curve *l)
{
	memset(l->pending, 0, sizeof l->pending);
	memset(l->class, 0, l->n_classes * sizeof *l->class);
	memset(l->depth, 0, l->depths_room * sizeof *l->depth);
	l->intervals = (struct lru_intervals){ .counted_from = l->now, .window_began = l->now };
}

/* ---- what came of it ---- */

double lru_curve_working_set(const struct lru_curve *l, uint64_t tau)
{
	const struct lru_intervals *v = &l->intervals;
	double sum = (double)v->repeats;
	for (unsigned i = 0; i < SCALE_CELLS; i++)
		sum += scale_size(i) <= tau ? (double)v->sum[i] : (double)v->count[i] * (double)tau;
	for (uint64_t i = 0; i < l->n_pages; i++) {
		uint64_t left = l->now + 1 - l->page[i].at;
		if (l->page[i].at > v->counted_from)
			sum += (double)(left < tau ? left : tau);
	}
	return l->now > v->counted_from ? sum / (double)(l->now - v->counted_from) : 0;
}

struct totals_walk {
	const struct lru_curve *l;
	int64_t *written;
};

/* A page that nobody used again was evicted, and written, by the memories that do not reach it. */
static void totals_page(void *ctx, uint32_t number, uint64_t depth)
{
	struct totals_walk *w = ctx;
	if (number == RECENCY_HOLE || w->l->page[number].dirty >= depth)
		return;
	w->written[w->l->page[number].dirty]++;
	w->written[depth]--;
}

static void totals_sum(const struct lru_curve *l, const int64_t *written, struct lru_totals *t)
{
	uint64_t faults = 0, front[LRU_FRONT + 1] = { 0 };
	for (unsigned c = 0; c < l->n_classes; c++) {
		faults += l->class[c].always;
		for (unsigned i = 0; i < LRU_FRONT; i++)
			front[i + 1] += l->class[c].cell[i];
	}
	for (uint64_t n = t->n_sizes; n > 0; n--) {
		t->faults[n] = faults;
		faults += n <= LRU_FRONT ? front[n] : l->depth[n];
	}
	int64_t sum = 0;
	for (uint64_t n = 1; n <= t->n_sizes; n++) {
		sum += written[n];
		t->written[n] = (uint64_t)sum;
	}
}

enum pw_err lru_curve_totals(struct lru_curve *l, struct lru_totals *ret)
{
	*ret = (struct lru_totals){ 0 };
	enum pw_err err = lru_curve_flush(l);
	if (err == PW_OK)
		err = depths_cover(l, l->stack.held + LRU_FRONT + 4);
	if (err != PW_OK)
		return err;
	uint64_t n = l->depths_room - 1;
	while (n > LRU_FRONT && n > l->stack.held && !l->depth[n] && !l->written[n])
		n--;
	int64_t *written = mem_alloc((n + 2) * sizeof *written);
	*ret = (struct lru_totals){ .n_sizes = n, .faults = mem_zalloc(n + 1, sizeof(uint64_t)),
	                            .written = mem_zalloc(n + 1, sizeof(uint64_t)) };
	if (!written || !ret->faults || !ret->written) {
		mem_free(written);
		mem_free(ret->faults);
		mem_free(ret->written);
		*ret = (struct lru_totals){ 0 };
		return PW_NOMEM;
	}
	memcpy(written, l->written, (n + 1) * sizeof *written);
	written[n + 1] = 0;
	struct totals_walk w = { l, written };
	recency_each(&l->stack, totals_page, &w);
	totals_sum(l, written, ret);
	mem_free(written);
	return PW_OK;
}

uint64_t lru_curve_bytes(const struct lru_curve *l)
{
	return dense_bytes(&l->table) + recency_bytes(&l->stack) + l->pages_room * sizeof *l->page + l->depths_room * 16 +
	       l->n_classes * sizeof *l->class;
}

const char *lru_curve_flaw(const struct lru_curve *l)
{
	unsigned full = 0;
	for (unsigned i = 0; i < LRU_FRONT; i++)
		full += l->front.tag[i / 4][i % 4] < UINT64_MAX - LRU_FRONT;
	if (full != l->front.n)
		return "lru curve: the front does not count its entries";
	return recency_flaw(&l->stack);
}
