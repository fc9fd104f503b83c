/* tlb_stack_build.c - making the stacks of one page size, and reading off them.
 *
 * Problem.  Shapes are asked for as entries and ways; what is followed are numbers of sets, each as deep as its largest shape.
 *
 * Idea.  Shapes of as many sets share one list and one histogram; the misses of w ways are the references at a distance of w and more,
 * and those that no TLB avoids.
 *
 * 1. set[] has powers of two first, in rising order: as the sets grow, distances only fall, and the first zero ends a loop. */
#include "tlb_stack_impl.h"
#include "../base/mem.h"
#include <string.h>

static enum pw_err near_fill(struct tlb_stack *s)
{
	s->near_usable = s->n_powers == s->n_sets;
	s->near_miss = mem_zalloc(NEAR_PATTERNS, sizeof *s->near_miss);
	for (unsigned i = 0; s->near_miss && i < NEAR_PATTERNS; i++) {
		tlb_stack_pattern(s, i, 0, &s->near_miss[i]);
		for (unsigned w = 0; w < s->shape_words; w++)
			s->near_any[i] |= s->near_miss[i].bits[w] != 0;
	}
	return s->near_miss ? PW_OK : PW_NOMEM;
}

/* ---- making and unmaking ---- */

static struct sets *sets_find(struct tlb_stack *s, uint32_t sets)
{
	for (unsigned i = 0; i < s->n_sets; i++)
		if (s->set[i].sets == sets)
			return &s->set[i];
	return NULL;
}

/* Powers of two in rising order first. */
static bool sets_before(const struct sets *a, const struct sets *b)
{
	bool power_a = a->mask != 0, power_b = b->mask != 0;
	return power_a != power_b ? power_a : a->sets < b->sets;
}

static enum pw_err sets_add(struct tlb_stack *s, const struct tlb_shape *shape)
{
	uint32_t sets = shape->entries / shape->ways;
	struct sets *known = sets_find(s, sets);
	if (known) {
		known->ways = known->ways > shape->ways ? known->ways : shape->ways;
		return PW_OK;
	}
	if (s->n_sets == SETS_MAX)
		return PW_LIMIT;
	struct sets fresh = { .sets = sets, .ways = shape->ways };
	if ((sets & (sets - 1)) == 0 && sets <= 1u << LOW_BITS) {
		fresh.mask = sets - 1;
		fresh.bits = (unsigned)__builtin_ctz(sets);
	}
	unsigned at = s->n_sets++;
	for (; at > 0 && sets_before(&fresh, &s->set[at - 1]); at--)
		s->set[at] = s->set[at - 1];
	s->set[at] = fresh;
	s->n_powers += fresh.mask != 0;
	return PW_OK;
}

static enum pw_err sets_fill(struct sets *set)
{
	set->length = (set->ways + LINE - 1) / LINE * LINE;
	set->list = mem_zalloc((size_t)set->sets * set->length, sizeof *set->list);
	set->distance = mem_zalloc(set->ways + 1u, sizeof *set->distance);
	set->miss = mem_zalloc(set->ways + 1u, sizeof *set->miss);
	return set->list && set->distance && set->miss ? PW_OK : PW_NOMEM;
}

static void shape_bit(struct tlb_shape_set *set, unsigned shape) { set->bits[shape / 64] |= 1ull << shape % 64; }

/* A shape misses at every distance from its ways on. */
static void shape_place(struct tlb_stack *s, unsigned i)
{
	uint32_t sets = s->shape[i].entries / s->shape[i].ways;
	shape_bit(&s->all, i);
	if (sets == 1) {
		for (uint32_t d = s->shape[i].ways; d <= s->order.depth; d++)
			shape_bit(&s->depth_miss[d], i);
		return;
	}
	struct sets *set = sets_find(s, sets);
	for (uint32_t d = s->shape[i].ways; d <= set->ways; d++)
		shape_bit(&set->miss[d], i);
}

static enum pw_err stack_fill(struct tlb_stack *s, const struct tlb_stack_config *c)
{
	uint32_t depth = WINDOW;
	enum pw_err err = PW_OK;
	for (unsigned i = 0; i < c->n_shapes && err == PW_OK; i++) {
		depth = depth > c->shape[i].entries ? depth : c->shape[i].entries; /* for the conflict misses of every shape */
		if (c->shape[i].entries > c->shape[i].ways)
			err = sets_add(s, &c->shape[i]);
	}
	if (err == PW_OK)
		err = tlb_order_init(&s->order, depth);
	for (unsigned i = 0; i < s->n_sets && err == PW_OK; i++)
		err = sets_fill(&s->set[i]);
	s->depth = mem_zalloc(depth + 1u, sizeof *s->depth);
	s->depth_miss = mem_zalloc(depth + 1u, sizeof *s->depth_miss);
	s->state = mem_reserve((size_t)TLB_PAGES_MAX * sizeof *s->state);
	if (err == PW_OK && (!s->depth || !s->depth_miss || !s->state))
		err = PW_NOMEM;
	for (unsigned i = 0; i < c->n_shapes && err == PW_OK; i++)
		shape_place(s, i);
	err = err == PW_OK ? near_fill(s) : err;
	return err == PW_OK ? tlb_walks_create(c->pages, c->cpu, c->leaf, c->n_shapes, &s->walks) : err;
}

enum pw_err tlb_stack_create(const struct tlb_stack_config *c, struct tlb_stack **ret)
{
	*ret = NULL;
	struct tlb_stack *s = mem_zalloc(1, sizeof *s);
	if (!s)
		return PW_NOMEM;
	s->pages = c->pages;
	s->group = c->pages->group[c->size];
	s->key = c->pages->group_key[c->size];
	s->leaf = c->leaf;
	s->epoch = 1;
	s->n_shapes = c->n_shapes;
	s->shape_words = (c->n_shapes + 63) / 64;
	memcpy(s->shape, c->shape, c->n_shapes * sizeof *c->shape);
	for (unsigned common = 0; common <= LOW_BITS; common++)
		for (unsigned bits = 0; bits <= common; bits++)
			s->shared[common][bits >> 3] |= 1ull << (bits & 7) * 8;
	enum pw_err err = stack_fill(s, c);
	if (err != PW_OK) {
		tlb_stack_destroy(s);
		return err;
	}
	*ret = s;
	return PW_OK;
}

void tlb_stack_destroy(struct tlb_stack *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->n_sets; i++) {
		mem_free(s->set[i].list);
		mem_free(s->set[i].distance);
		mem_free(s->set[i].miss);
	}
	tlb_order_fini(&s->order);
	tlb_walks_destroy(s->walks);
	mem_free(s->depth);
	mem_free(s->depth_miss);
	mem_free(s->near_miss);
	mem_unreserve(s->state, (size_t)TLB_PAGES_MAX * sizeof *s->state);
	mem_free(s);
}

/* ---- what came of it ---- */

enum pw_err tlb_stack_error(const struct tlb_stack *s) { return s->walks ? tlb_walks_error(s->walks) : PW_OK; }
struct tlb_stack_counts tlb_stack_counts(const struct tlb_stack *s) { return s->counts; }

uint64_t tlb_stack_misses(const struct tlb_stack *s, uint32_t sets, uint32_t ways)
{
	uint64_t n = s->counts.cold + s->counts.flushed;
	if (sets == 1) {
		for (uint32_t d = ways; d <= s->order.depth; d++)
			n += s->depth[d];
		return n;
	}
	for (unsigned i = 0; i < s->n_sets; i++)
		for (uint32_t d = ways; s->set[i].sets == sets && d <= s->set[i].ways; d++)
			n += s->set[i].distance[d];
	return n;
}

void tlb_stack_all_misses(const struct tlb_stack *s, uint32_t sets, uint32_t ways, uint64_t *ret)
{
	const uint64_t *at = s->depth;
	for (unsigned i = 0; i < s->n_sets; i++)
		if (s->set[i].sets == sets)
			at = s->set[i].distance;
	ret[ways - 1] = tlb_stack_misses(s, sets, ways);
	for (uint32_t w = ways - 1; w > 0; w--)
		ret[w - 1] = ret[w] + at[w];
}

bool tlb_stack_sets(const struct tlb_stack *s, unsigned i, uint32_t *ret_sets, uint32_t *ret_ways)
{
	if (i > s->n_sets)
		return false;
	*ret_sets = i == 0 ? 1 : s->set[i - 1].sets;
	*ret_ways = i == 0 ? s->order.depth : s->set[i - 1].ways;
	return true;
}

uint64_t tlb_stack_reads(const struct tlb_stack *s, unsigned shape, uint64_t by_level[PTFMT_LEVELS])
{
	uint64_t walks = tlb_stack_misses(s, s->shape[shape].entries / s->shape[shape].ways, s->shape[shape].ways), sum = 0;
	unsigned top = s->pages->levels - 1, lowest = s->walks ? tlb_walks_lowest(s->walks) : top;
	memset(by_level, 0, PTFMT_LEVELS * sizeof *by_level);
	for (unsigned level = s->leaf; level <= top; level++) {
		if (level <= lowest)
			by_level[level] = walks;
		for (unsigned from = level; from <= top && level > lowest; from++)
			by_level[level] += tlb_walks_from(s->walks, shape, from);
		sum += by_level[level];
	}
	return sum;
}
