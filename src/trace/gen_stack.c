/* gen_stack.c - the LRU-stack model of program behaviour.
 *
 * Problem: a stream with a known distribution of LRU-stack distances has a known miss-ratio curve: it is what curves are
 * tested with.
 * Idea: keep all pages in a stack; each reference draws a depth d (1 = the page just referenced) with probability proportional
 * to 1/d^s, takes the page at that depth and puts it on top.  The stack is an array by time of last use with holes where
 * pages have left, and a binary indexed tree over the array counts pages, so the d-th from the top is found in log time.
 *
 * 1. Exactly pages slots are occupied, all below next; the tree counts them.
 * 2. When next reaches the end the pages are moved together at the front, in order: once in at least pages references.
 * Rejected: a linked list (linear time in d).
 * Source: Spirn, "Program Behavior: Models and Measurements" (1977), the LRU stack model; Fenwick, Software Practice and
 * Experience 24 (1994), for the tree. */
#include "../base/mem.h"
#include "zipf.h"
#include <string.h>

enum { EMPTY = 0xffffffff };

struct stack {
	struct zipf zipf;
	uint64_t slots;     /* a power of two */
	uint64_t next;      /* where the next top goes */
	uint32_t *page;     /* by slot; EMPTY: a hole */
	uint32_t *count;    /* the tree: count[i] covers the low-bit-of-i slots that end with slot i - 1 */
};

static void tree_add(struct stack *st, uint64_t slot, uint32_t change)
{
	for (uint64_t i = slot + 1; i <= st->slots; i += i & -i)
		st->count[i] += change;
}

/* The slot of the k-th occupied one from the bottom, k from 1, while leaving it: one way down the tree. */
static uint64_t tree_take(struct stack *st, uint64_t k)
{
	uint64_t at = 0;
	if (st->count[st->slots] >= k)
		st->count[st->slots]--;
	for (uint64_t step = st->slots / 2; step; step /= 2) {
		if (st->count[at + step] < k) {
			at += step;
			k -= st->count[at];
		} else {
			st->count[at + step]--;
		}
	}
	return at;
}

/* Counts everything anew, in linear time. */
static void tree_build(struct stack *st)
{
	for (uint64_t i = 1; i <= st->slots; i++)
		st->count[i] = st->page[i - 1] != EMPTY;
	for (uint64_t i = 1; i <= st->slots; i++) {
		uint64_t up = i + (i & -i);
		if (up <= st->slots)
			st->count[up] += st->count[i];
	}
}

static void move_together(struct stack *st)
{
	uint64_t to = 0;
	for (uint64_t i = 0; i < st->slots; i++) {
		if (st->page[i] != EMPTY)
			st->page[to++] = st->page[i];
	}
	st->next = to;
	memset(st->page + to, 0xff, (st->slots - to) * sizeof *st->page);
	tree_build(st);
}

static uint32_t take(struct stack *st, uint64_t pages, uint64_t depth)
{
	if (st->next == st->slots)
		move_together(st);
	uint64_t slot = tree_take(st, pages - depth + 1);
	uint32_t page = st->page[slot];
	st->page[slot] = EMPTY;
	st->page[st->next] = page;
	tree_add(st, st->next++, 1);
	return page;
}

static void stack_fill(struct gen *g, uint64_t *page, unsigned n)
{
	struct stack *st = g->state;
	zipf_fill(&st->zipf, &g->rng, page, n);
	for (unsigned i = 0; i < n; i++)
		page[i] = take(st, g->pages, page[i]);
}

static void stack_start(struct gen *g)
{
	struct stack *st = g->state;
	memset(st->page, 0xff, st->slots * sizeof *st->page);
	zipf_permute(st->page, g->pages, &g->rng);
	move_together(st);
}

static void stack_fini(struct gen *g)
{
	struct stack *st = g->state;
	if (!st)
		return;
	mem_free(st->page);
	mem_free(st->count);
	mem_free(st);
}

static enum pw_err stack_init(struct gen *g, struct spec *spec, struct pw_why *why)
{
	double s;
	enum pw_err err = zipf_keys(spec, g->pages, &s, why);
	if (err)
		return err;
	struct stack *st = g->state = mem_zalloc(1, sizeof *st);
	if (!st)
		return pw_fail(why, PW_NOMEM, "stack: out of memory");
	zipf_init(&st->zipf, g->pages, s);
	st->slots = 1024;
	while (st->slots < 2 * g->pages)
		st->slots *= 2;
	st->page = mem_zalloc(st->slots, sizeof *st->page);
	st->count = mem_zalloc(st->slots + 1, sizeof *st->count);
	if (!st->page || !st->count)
		return pw_fail(why, PW_NOMEM, "stack: out of memory for %llu pages", (unsigned long long)g->pages);
	return PW_OK;
}

const struct gen_kind gen_stack = {
	.name = "stack", .keys = GEN_KEYS ", s", .init = stack_init, .start = stack_start, .fill = stack_fill, .fini = stack_fini,
};
