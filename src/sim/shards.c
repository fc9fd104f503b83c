/* shards.c - sampling pages by hash.
 *
 * Problem.  Ten billion references to more pages than there is memory to number: an exact curve cannot be had, but nearly one can.
 * Idea.  A page is in the sample if the hash of its number is at most a threshold.  The filter sees every reference and nothing else, in
 * vectors; what passes is numbered and goes to an LRU curve.  A page found at depth d of the sample lies, on average, at depth
 * (d - 1/2) / rate, somewhere between the pages of the sample above and below it, and stands for 1 / rate pages.  Only faults are
 * scaled: a reference that was not sampled counts as itself in the number of all references, so a hot page that happens to be in the
 * sample or not does no harm where it is never missed.
 *
 *      refs --hash <= threshold?--> number --> whole (lru_curve)          estimate
 *                                          '-> part 0 ... part 7          its error
 *
 * When the sample is full the threshold is halved: what was counted so far is folded into the estimate with the old rate, pages above the
 * threshold leave, and counting begins anew.  While the rate is 1 the estimate is exact and the parts are not needed; they begin with
 * what the whole has at the first halving.
 *
 * Invariants.
 *   1. index[x] is the number of a page in the sample iff its hash is at most the threshold and it was seen; key[index] leads back.
 *   2. At most pages numbers are in use, if the size is fixed.
 *   3. Every part's pages are in the whole, in the same order.
 * Rejected: evicting one page at a time as the paper does (counts must then be rescaled with every eviction), a fixed rate alone (with
 * few pages it is wrong by anything).
 * Source: C. Waldspurger, N. Park, A. Garthwaite, I. Ahmad, "Efficient MRC construction with SHARDS", FAST 2015. */
#include "shards.h"
#include "../base/htab.h"
#include "../base/mem.h"
#include "../base/rng.h"
#include <math.h>
#include <string.h>

enum { PARTS = 8, FILTER = 1024, CACHE = 256 };
#define T_95 2.365 /* Student's t for 7 degrees of freedom */

struct estimate {
	double low[SCALE_CELLS];       /* faults in sizes below, if nothing lay between two pages of the sample */
	double high[SCALE_CELLS];      /* if everything did */
	double written[SCALE_CELLS];   /* change from the size before */
	double always;
};
/* A curve of its own: the whole sample, or a part of it. */
struct sample {
	struct lru_curve lru;
	struct estimate sum;           /* of earlier rates */
};
struct cached {
	uint64_t key;
	uint32_t index;
};
struct shards {
	struct shards_options opt;
	uint32_t threshold, mix;
	double scale;                  /* 1 / rate */
	bool parted;                   /* the parts are in use */
	struct sample whole, part[PARTS];
	struct htab index;             /* key -> number */
	uint64_t *key;                 /* of each number, plus one; 0: free */
	uint32_t *hash, *free;
	uint32_t n_keys, keys_room, n_free;
	struct cached cache[CACHE];
	uint64_t sampled;
	struct uses uses, part_uses;
};

static inline uint32_t page_hash(uint64_t page, uint32_t mix)
{
	uint32_t h = (uint32_t)page ^ (uint32_t)(page >> 32) * 0x9e3779b1u ^ mix;
	h = (h ^ h >> 16) * 0x7feb352du;
	h = (h ^ h >> 15) * 0x846ca68bu;
	return h ^ h >> 16;
}

static uint32_t space_mix(const struct shards *s, uint32_t space) { return s->mix ^ space * 0x9e3779b1u; }

/* The one loop that sees every reference. */
__attribute__((target_clones("avx2", "default"), optimize("O3"))) static void
filter(const ref_t *refs, unsigned n, unsigned shift, uint32_t mix, uint32_t threshold, uint8_t *keep)
{
	for (unsigned i = 0; i < n; i++)
		keep[i] = page_hash(refs[i].word >> shift, mix) <= threshold;
}

static enum pw_err sample_init(struct sample *m)
{
	uint32_t class;
	enum pw_err err = lru_curve_init(&m->lru);
	return err == PW_OK ? lru_curve_class(&m->lru, &class) : err;
}

enum pw_err shards_create(const struct shards_options *o, struct shards **ret)
{
	struct shards *s = mem_zalloc(1, sizeof *s);
	uint64_t seed = o->seed;
	*ret = NULL;
	if (!s)
		return PW_NOMEM;
	*s = (struct shards){ .opt = *o, .threshold = UINT32_MAX, .mix = (uint32_t)splitmix64(&seed), .scale = 1 };
	if (!o->pages && o->rate < 1) {
		s->threshold = (uint32_t)(o->rate * 0x1p32 - 1);
		s->scale = 0x1p32 / ((double)s->threshold + 1);
		s->parted = true;
	}
	enum pw_err err = htab_init(&s->index, 1024);
	if (err == PW_OK)
		err = sample_init(&s->whole);
	for (unsigned i = 0; err == PW_OK && i < PARTS; i++)
		err = sample_init(&s->part[i]);
	if (err == PW_OK)
		*ret = s;
	else
		shards_destroy(s);
	return err;
}

void shards_destroy(struct shards *s)
{
	if (!s)
		return;
	lru_curve_fini(&s->whole.lru);
	for (unsigned i = 0; i < PARTS; i++)
		lru_curve_fini(&s->part[i].lru);
	htab_fini(&s->index);
	mem_free(s->key);
	mem_free(s->hash);
	mem_free(s->free);
	mem_free(s);
}

/* ---- folding and halving ---- */

static uint64_t scaled(uint64_t depth, double scale) { return (uint64_t)((double)(depth - 1) * scale) + 1; }
static uint64_t scaled_up(uint64_t depth, double scale) { return (uint64_t)((double)depth * scale); }

static void estimate_add(struct estimate *e, const struct lru_curve *l, double scale)
{
	const struct lru_class *c = &l->class[0];
	e->always += (double)c->always * scale;
	for (uint64_t d = 1; d < l->depths_room; d++) {
		uint64_t faults = d <= LRU_FRONT ? c->cell[d - 1] : l->depth[d];
		unsigned cell = scale_cell(scaled(d, scale));
		e->low[cell] += (double)faults * scale;
		e->high[scale_cell(scaled_up(d, scale))] += (double)faults * scale;
		e->written[cell] += (double)l->written[d] * scale;
	}
}

/* What was counted at this rate goes to the sum. */
static enum pw_err sample_fold(struct sample *m, double scale)
{
	enum pw_err err = lru_curve_flush(&m->lru);
	if (err != PW_OK)
		return err;
	estimate_add(&m->sum, &m->lru, scale);
	lru_curve_forget(&m->lru);
	memset(m->lru.written, 0, m->lru.depths_room * sizeof *m->lru.written);
	return PW_OK;
}

/* Only while the front is empty. */
static void sample_remove(struct lru_curve *l, uint32_t index)
{
	uint32_t *word = dense_get(&l->table, index);
	if (!word || !*word)
		return;
	*word = 0;
	lru_curve_clean(l, index);
	recency_remove(&l->stack, index);
}

static void number_free(struct shards *s, uint32_t index)
{
	sample_remove(&s->whole.lru, index);
	if (s->parted)
		sample_remove(&s->part[s->hash[index] % PARTS].lru, index);
	htab_delete(&s->index, s->key[index] - 1);
	s->key[index] = 0;
	s->free[s->n_free++] = index;
}

static enum pw_err sample_use(struct lru_curve *l, uint32_t index, unsigned kinds, bool count);

struct copy {
	uint32_t *order;
	uint64_t n;
};

static void copy_page(void *ctx, uint32_t number, uint64_t depth)
{
	struct copy *c = ctx;
	(void)depth;
	c->order[c->n++] = number;
}

/* The parts begin with the pages of the whole, from the one used longest ago. */
static enum pw_err parts_begin(struct shards *s)
{
	struct copy c = { mem_alloc((s->whole.lru.stack.held + 1) * sizeof *c.order), 0 };
	enum pw_err err = c.order ? PW_OK : PW_NOMEM;
	if (err == PW_OK)
		recency_each(&s->whole.lru.stack, copy_page, &c);
	while (err == PW_OK && c.n-- > 0) {
		uint32_t index = c.order[c.n];
		struct lru_curve *l = &s->part[s->hash[index] % PARTS].lru;
		err = sample_use(l, index, USE_LOAD, false);
	}
	for (unsigned i = 0; err == PW_OK && i < PARTS; i++) {
		s->part[i].sum = s->whole.sum;
		err = lru_curve_flush(&s->part[i].lru);
	}
	s->parted = true;
	mem_free(c.order);
	return err;
}

static void dirty_halve(struct lru_curve *l)
{
	for (uint64_t i = 0; i < l->n_pages; i++)
		if (l->page[i].dirty != LRU_CLEAN)
			l->page[i].dirty = (l->page[i].dirty - 1) / 2 + 1;
}

static enum pw_err halve(struct shards *s)
{
	enum pw_err err = sample_fold(&s->whole, s->scale);
	for (unsigned i = 0; err == PW_OK && s->parted && i < PARTS; i++)
		err = sample_fold(&s->part[i], s->scale * PARTS);
	s->threshold /= 2;
	s->scale = 0x1p32 / ((double)s->threshold + 1);
	memset(s->cache, 0xff, sizeof s->cache);
	for (uint32_t i = 0; i < s->n_keys; i++)
		if (s->key[i] && s->hash[i] > s->threshold)
			number_free(s, i);
	dirty_halve(&s->whole.lru);
	for (unsigned i = 0; s->parted && i < PARTS; i++)
		dirty_halve(&s->part[i].lru);
	if (err == PW_OK && !s->parted)
		err = parts_begin(s);
	return err;
}

/* ---- references ---- */

static enum pw_err numbers_cover(struct shards *s)
{
	if (s->n_keys < s->keys_room)
		return PW_OK;
	uint32_t room = s->keys_room ? s->keys_room * 2 : 1024;
	uint64_t *key = mem_realloc(s->key, room, sizeof *key);
	s->key = key ? key : s->key;
	uint32_t *hash = mem_realloc(s->hash, room, sizeof *hash);
	s->hash = hash ? hash : s->hash;
	uint32_t *freed = mem_realloc(s->free, room, sizeof *freed);
	s->free = freed ? freed : s->free;
	if (!key || !hash || !freed)
		return PW_NOMEM;
	s->keys_room = room;
	return PW_OK;
}

/* A page seen for the first time since it came into the sample. */
static enum pw_err number_new(struct shards *s, uint64_t key, uint32_t hash, uint32_t *ret)
{
	enum pw_err err = s->n_free ? PW_OK : numbers_cover(s);
	uint64_t *index = err == PW_OK ? htab_put(&s->index, key) : NULL;
	if (!index)
		return PW_NOMEM;
	uint32_t i = s->n_free ? s->free[--s->n_free] : s->n_keys++;
	*index = *ret = i;
	s->key[i] = key + 1;
	s->hash[i] = hash;
	return PW_OK;
}

/* One use that the curve cannot do alone: a page that is new to it. */
static enum pw_err sample_use(struct lru_curve *l, uint32_t index, unsigned kinds, bool count)
{
	uint32_t *word = dense_put(&l->table, index);
	struct lru_use use = { .tag = index, .n = 1, .at = l->now + 1, .page = index, .kinds = kinds, .allow = LRU_WORD_ALLOW };
	uint64_t depth;
	enum pw_err err = word ? lru_curve_cover(l, index) : PW_NOMEM;
	if (err == PW_OK)
		err = lru_curve_use(l, &use, &depth);
	if (err != PW_OK)
		return err;
	if (count)
		lru_curve_fault(l, 0, LRU_NEW);
	*word = lru_word(index, false, LRU_WORD_ALLOW);
	return PW_OK;
}

static enum pw_err sample_feed(struct lru_curve *l, const struct uses *u)
{
	enum pw_err err = PW_OK;
	uint64_t i = 0;
	while (err == PW_OK && (i = lru_curve_run(l, u, i, &err)) < u->n && err == PW_OK) {
		err = sample_use(l, (uint32_t)u->key[i], use_kinds(u, i), true);
		i++;
	}
	lru_curve_advance(l, u->n, u->n);
	return err;
}

static void uses_add(struct uses *u, uint64_t index, unsigned kinds)
{
	u->key[u->n] = index;
	u->end[u->n] = (uint32_t)(u->n + 1) << USE_KIND_BITS | kinds;
	u->n++;
}

/* What was gathered goes to the curves. */
static enum pw_err feed_uses(struct shards *s)
{
	enum pw_err err = sample_feed(&s->whole.lru, &s->uses);
	for (unsigned p = 0; s->parted && err == PW_OK && p < PARTS; p++) {
		s->part_uses.n = 0;
		for (uint64_t i = 0; i < s->uses.n; i++)
			if (s->hash[s->uses.key[i]] % PARTS == p)
				uses_add(&s->part_uses, s->uses.key[i], use_kinds(&s->uses, i));
		err = sample_feed(&s->part[p].lru, &s->part_uses);
	}
	s->uses.n = 0;
	return err;
}

static inline enum pw_err number_of(struct shards *s, uint64_t key, uint32_t mix, uint32_t *ret)
{
	struct cached *c = &s->cache[key % CACHE];
	if (c->key == key + 1) {
		*ret = c->index;
		return PW_OK;
	}
	const uint64_t *index = htab_get(&s->index, key);
	if (index) {
		*c = (struct cached){ key + 1, *ret = (uint32_t)*index };
		return PW_OK;
	}
	return number_new(s, key, page_hash(dense_page(key), mix), ret);
}

/* A reference that passed the filter. */
static enum pw_err feed_one(struct shards *s, uint64_t key, unsigned kind, uint32_t mix)
{
	uint32_t index;
	enum pw_err err = number_of(s, key, mix, &index);
	if (err != PW_OK)
		return err;
	s->sampled++;
	struct uses *u = &s->uses;
	if (u->n && u->key[u->n - 1] == index) {
		u->end[u->n - 1] |= 1u << kind;
		return PW_OK;
	}
	uses_add(u, index, 1u << kind);
	if (s->opt.pages && s->index.count > s->opt.pages) {
		err = feed_uses(s);
		while (err == PW_OK && s->index.count > s->opt.pages && s->threshold)
			err = halve(s);
		return err;
	}
	return u->n == USES_MAX ? feed_uses(s) : PW_OK;
}

static enum pw_err feed_batch(struct shards *s, const ref_t *refs, unsigned n, uint32_t space)
{
	_Alignas(64) uint8_t keep[FILTER + 8] = { 0 };
	unsigned shift = s->opt.page_shift + REF_KIND_BITS;
	uint32_t mix = space_mix(s, space);
	enum pw_err err = PW_OK;
	filter(refs, n, shift, mix, s->threshold, keep);
	for (unsigned i = 0; i < n && err == PW_OK; i += 8) {
		uint64_t eight;
		memcpy(&eight, keep + i, sizeof eight);
		for (; eight && err == PW_OK; eight &= eight - 1) {
			const ref_t *r = &refs[i + (unsigned)__builtin_ctzll(eight) / 8];
			/* The threshold may have been halved since the filter looked. */
			if (page_hash(r->word >> shift, mix) <= s->threshold)
				err = feed_one(s, dense_key(space, r->word >> shift), r->word & 3, mix);
		}
	}
	return err;
}

enum pw_err shards_feed(struct shards *s, const ref_t *refs, uint64_t n, uint32_t space)
{
	enum pw_err err = PW_OK;
	for (uint64_t at = 0; at < n && err == PW_OK; at += FILTER)
		err = feed_batch(s, refs + at, n - at < FILTER ? (unsigned)(n - at) : FILTER, space);
	return err == PW_OK ? feed_uses(s) : err;
}

void shards_drop(struct shards *s, uint32_t space, uint64_t first, uint64_t count)
{
	memset(s->cache, 0xff, sizeof s->cache);
	enum pw_err err = lru_curve_flush(&s->whole.lru);
	for (unsigned i = 0; err == PW_OK && i < PARTS; i++)
		err = lru_curve_flush(&s->part[i].lru);
	for (uint32_t i = 0; err == PW_OK && i < s->n_keys; i++)
		if (s->key[i] && dense_space(s->key[i] - 1) == space && dense_page(s->key[i] - 1) - first < count)
			number_free(s, i);
}

enum pw_err shards_forget(struct shards *s)
{
	enum pw_err err = sample_fold(&s->whole, s->scale);
	s->whole.sum = (struct estimate){ 0 };
	for (unsigned i = 0; i < PARTS && err == PW_OK; i++) {
		err = sample_fold(&s->part[i], s->scale);
		s->part[i].sum = (struct estimate){ 0 };
	}
	s->sampled = 0;
	return err;
}

/* ---- what came of it ---- */

struct pending {
	const struct lru_curve *lru;
	struct estimate *e;
	double scale;
};

static void pending_page(void *ctx, uint32_t number, uint64_t depth)
{
	struct pending *p = ctx;
	uint32_t dirty = p->lru->page[number].dirty;
	if (dirty >= depth)
		return;
	p->e->written[scale_cell(scaled(dirty, p->scale))] += p->scale;
	p->e->written[scale_cell(scaled(depth, p->scale))] -= p->scale;
}

/* Faults at each scale size, between the lowest and the highest they can be with these depths. */
static enum pw_err sample_totals(struct sample *m, double scale, double *faults, double *written, double *unsure)
{
	struct estimate e = m->sum;
	enum pw_err err = lru_curve_flush(&m->lru);
	if (err != PW_OK)
		return err;
	estimate_add(&e, &m->lru, scale);
	recency_each(&m->lru.stack, pending_page, &(struct pending){ &m->lru, &e, scale });
	double low = e.always, high = e.always, sum = 0;
	for (unsigned i = SCALE_CELLS; i-- > 0;) {
		faults[i] = (low + high) / 2;
		unsure[i] = (high - low) / 2;
		low += e.low[i];
		high += e.high[i];
	}
	for (unsigned i = 0; written && i < SCALE_CELLS; i++)
		written[i] = sum += e.written[i];
	return PW_OK;
}

static void errors(struct shards_result *r, double part[PARTS][SCALE_CELLS], const double *unsure, double scale)
{
	for (unsigned i = 0; i < SCALE_CELLS; i++) {
		double mean = 0, square = 0;
		for (unsigned p = 0; p < PARTS; p++)
			mean += part[p][i] / PARTS;
		for (unsigned p = 0; p < PARTS; p++)
			square += (part[p][i] - mean) * (part[p][i] - mean);
		/* The mean of the parts is another estimate of the same: how far it is off is part of the error, and so is one page. */
		double deviation = sqrt(square / (PARTS - 1) / PARTS) * T_95;
		r->error[i] = sqrt(deviation * deviation + (mean - r->faults[i]) * (mean - r->faults[i])) + unsure[i] + scale;
	}
}

/* Where the curve is steep a little error in size is a large one in faults: a cell's error is the largest of its neighbours'. */
static void errors_widen(struct shards_result *r)
{
	double before = r->error[0];
	for (unsigned i = 0; i < SCALE_CELLS; i++) {
		double here = r->error[i], after = i + 1 < SCALE_CELLS ? r->error[i + 1] : here;
		r->error[i] = fmax(here, fmax(before, after));
		before = here;
	}
}

enum pw_err shards_result(struct shards *s, struct shards_result *ret)
{
	double part[PARTS][SCALE_CELLS], unsure[SCALE_CELLS], part_unsure[SCALE_CELLS];
	*ret = (struct shards_result){ .rate = 1 / s->scale, .sampled = s->sampled };
	enum pw_err err = sample_totals(&s->whole, s->scale, ret->faults, ret->written, unsure);
	for (unsigned i = 0; s->parted && err == PW_OK && i < PARTS; i++)
		err = sample_totals(&s->part[i], s->scale * PARTS, part[i], NULL, part_unsure);
	if (err == PW_OK && s->parted)
		errors(ret, part, unsure, s->scale);
	errors_widen(ret);
	ret->pages = ret->faults[SCALE_CELLS - 1];
	return err;
}

uint64_t shards_bytes(const struct shards *s)
{
	uint64_t bytes = sizeof *s + s->keys_room * 16ull + (17ull << s->index.bits) + lru_curve_bytes(&s->whole.lru);
	for (unsigned i = 0; i < PARTS; i++)
		bytes += lru_curve_bytes(&s->part[i].lru);
	return bytes;
}
