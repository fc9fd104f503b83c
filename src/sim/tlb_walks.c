/* tlb_walks.c - walk caches of many shapes.
 *
 * Problem.  There is no inclusion among walk caches behind TLBs of different shapes, so each shape must have its own; there may be
 * hundreds of shapes, and a miss in a small TLB is frequent.
 *
 * Idea.  What an entry of a table level covers is a region, and regions are numbered.  For each region and shape: in which slot of the
 * shape's cache the region is.  So a hit is one look-up and one store of the time, without a search; a search, for the oldest, is made
 * only when a cache misses.  Walks that begin at the lowest level are not even counted: they are the misses less the others.
 *
 * Invariants.
 *   1. place[region][shape] - 1 is the slot whose region it is, or place is 0.
 *   2. stamp is 0 exactly for empty slots, so the oldest is an empty one if there is any; time begins at 1.
 *
 * Source: Intel SDM 3A, 4.10.3, of which mmu.c is the model. */
#include "tlb_walks.h"
#include "../base/mem.h"
#include "../machine/tlb_bank.h"
#include <string.h>

struct slot {
	uint32_t region, space;
};

struct level {
	uint32_t n;            /* entries of one cache; 0: there is none */
	uint32_t stride;       /* from cache to cache: n, rounded up to whole vectors */
	uint32_t regions;      /* that place has room for */
	uint16_t *place;       /* [region * n_shapes + shape] */
	uint64_t *stamp;       /* [shape * stride + i]: time of last use, 0: empty; those that pad are never the least */
	struct slot *slot;     /* likewise */
};

struct tlb_walks {
	const struct tlb_pages *pages;
	unsigned n_shapes, leaf, top, lowest;
	uint64_t now;
	struct level level[PTFMT_LEVELS];
	uint64_t (*from)[PTFMT_LEVELS]; /* [shape] */
	enum pw_err error;
};

static bool level_init(struct level *l, unsigned n_shapes)
{
	l->stride = (l->n + SCAN_LANES - 1) / SCAN_LANES * SCAN_LANES;
	l->stamp = mem_zalloc((size_t)n_shapes * l->stride, sizeof *l->stamp);
	l->slot = mem_zalloc((size_t)n_shapes * l->stride, sizeof *l->slot);
	for (size_t i = 0; l->stamp && i < (size_t)n_shapes * l->stride; i++)
		l->stamp[i] = i % l->stride < l->n ? 0 : SCAN_PAD_TIME;
	return l->stamp && l->slot;
}

enum pw_err tlb_walks_create(const struct tlb_pages *pages, const struct cpu_model *cpu, unsigned leaf, unsigned n_shapes,
			     struct tlb_walks **ret)
{
	*ret = NULL;
	unsigned top = pages->levels - 1, lowest = leaf + 1;
	while (lowest <= top && cpu->pwc_entries[lowest] == 0)
		lowest++;
	if (lowest > top)
		return PW_OK;
	struct tlb_walks *w = mem_zalloc(1, sizeof *w);
	if (!w)
		return PW_NOMEM;
	*w = (struct tlb_walks){ .pages = pages, .n_shapes = n_shapes, .leaf = leaf, .top = top, .lowest = lowest - 1 };
	w->from = mem_zalloc(n_shapes, sizeof *w->from);
	bool whole = w->from != NULL;
	for (unsigned n = lowest; n <= top && whole; n++) {
		w->level[n].n = cpu->pwc_entries[n];
		whole = w->level[n].n == 0 || level_init(&w->level[n], n_shapes);
	}
	if (!whole) {
		tlb_walks_destroy(w);
		return PW_NOMEM;
	}
	*ret = w;
	return PW_OK;
}

void tlb_walks_destroy(struct tlb_walks *w)
{
	if (!w)
		return;
	for (unsigned n = 0; n < PTFMT_LEVELS; n++) {
		mem_free(w->level[n].place);
		mem_free(w->level[n].stamp);
		mem_free(w->level[n].slot);
	}
	mem_free(w->from);
	mem_free(w);
}

static bool level_grow(struct tlb_walks *w, struct level *l, uint32_t region)
{
	uint32_t regions = l->regions ? l->regions : 64;
	while (regions <= region)
		regions *= 2;
	uint16_t *grown = mem_realloc(l->place, (size_t)regions * w->n_shapes, sizeof *grown);
	if (!grown) {
		w->error = PW_NOMEM;
		return false;
	}
	memset(grown + (size_t)l->regions * w->n_shapes, 0, (size_t)(regions - l->regions) * w->n_shapes * sizeof *grown);
	l->place = grown;
	l->regions = regions;
	return true;
}

/* Makes sure that every cache has room to tell where the regions of a page are. */
static inline bool page_known(struct tlb_walks *w, uint32_t page)
{
	for (unsigned n = w->lowest + 1; n <= w->top; n++) {
		uint32_t region = w->pages->region[n][page];
		if (w->level[n].n && region >= w->level[n].regions && !level_grow(w, &w->level[n], region))
			return false;
	}
	return true;
}

/* As tlb_bank.h scans a set; longer caches in pieces. */
static inline uint32_t cache_oldest(const uint64_t *stamp, uint32_t stride)
{
	uint32_t best = 0;
	for (uint32_t at = 0; at < stride; at += SCAN_MOST) {
		uint32_t n = stride - at < SCAN_MOST ? stride - at : SCAN_MOST;
		uint32_t oldest = at + scan_slot(scan_set(stamp + at, stamp + at, n, UINT64_MAX));
		best = at == 0 || stamp[oldest] < stamp[best] ? oldest : best;
	}
	return best;
}

static inline void level_fill(struct tlb_walks *w, struct level *l, unsigned shape, uint32_t region, uint32_t space)
{
	size_t first = (size_t)shape * l->stride;
	const uint64_t *stamp = l->stamp + first;
	size_t at = first + cache_oldest(stamp, l->stride);
	if (l->stamp[at])
		l->place[(size_t)l->slot[at].region * w->n_shapes + shape] = 0;
	l->stamp[at] = w->now;
	l->slot[at] = (struct slot){ region, space };
	l->place[(size_t)region * w->n_shapes + shape] = (uint16_t)(at - first + 1);
}

/* => the level that the walk begins at; the cache that said so has been used. */
static inline unsigned shape_look(struct tlb_walks *w, unsigned shape, uint32_t page)
{
	for (unsigned n = w->lowest + 1; n <= w->top; n++) {
		struct level *l = &w->level[n];
		uint16_t place = l->n ? l->place[(size_t)w->pages->region[n][page] * w->n_shapes + shape] : 0;
		if (place) {
			l->stamp[(size_t)shape * l->stride + place - 1] = w->now;
			return n - 1;
		}
	}
	return w->top;
}

static inline void shape_walk(struct tlb_walks *w, unsigned shape, uint32_t page)
{
	unsigned from = shape_look(w, shape, page);
	if (from == w->lowest)
		return;
	w->from[shape][from]++;
	for (unsigned n = w->lowest + 1; n <= from; n++)
		if (w->level[n].n)
			level_fill(w, &w->level[n], shape, w->pages->region[n][page], tlb_key_space(w->pages->key[page]));
}

__attribute__((target_clones("avx2", "default"), flatten))
void tlb_walks_walk(struct tlb_walks *w, const struct tlb_shape_set *who, uint32_t page)
{
	if (!page_known(w, page))
		return;
	w->now++;
	for (unsigned i = 0; i * 64 < w->n_shapes; i++)
		for (uint64_t bits = who->bits[i]; bits; bits &= bits - 1)
			shape_walk(w, i * 64 + (unsigned)__builtin_ctzll(bits), page);
}

void tlb_walks_touch(struct tlb_walks *w, const struct tlb_shape_set *who_not, uint32_t page)
{
	if (!page_known(w, page))
		return;
	w->now++;
	for (unsigned shape = 0; shape < w->n_shapes; shape++)
		if (!(who_not->bits[shape / 64] >> shape % 64 & 1))
			shape_look(w, shape, page);
}

void tlb_walks_flush(struct tlb_walks *w, const uint32_t *space)
{
	for (unsigned n = w->lowest + 1; n <= w->top; n++) {
		struct level *l = &w->level[n];
		for (size_t i = 0; l->n && i < (size_t)l->stride * w->n_shapes; i++) {
			if (!l->stamp[i] || i % l->stride >= l->n || (space && l->slot[i].space != *space))
				continue;
			l->place[(size_t)l->slot[i].region * w->n_shapes + i / l->stride] = 0;
			l->stamp[i] = 0;
		}
	}
}

void tlb_walks_reset(struct tlb_walks *w) { memset(w->from, 0, w->n_shapes * sizeof *w->from); }
uint64_t tlb_walks_from(const struct tlb_walks *w, unsigned shape, unsigned level) { return w->from[shape][level]; }
unsigned tlb_walks_lowest(const struct tlb_walks *w) { return w->lowest; }
enum pw_err tlb_walks_error(const struct tlb_walks *w) { return w->error; }
