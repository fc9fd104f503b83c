/* seq.h - a sequence of pages with a time each, in which pages move far at little cost.
 *
 * Blocks of up to 128 entries stand in order; of each its greatest time, the number of its entries and holes, and whether a page in it
 * is followed by one with a smaller time, are known by its place in that order.
 *
 * Host memory: about 20 bytes a page. */
#pragma once
#include "../base/err.h"
#include <stdbool.h>
#include <stdint.h>

#define SEQ_HOLE UINT32_MAX
#define SEQ_NONE UINT32_MAX
enum { SEQ_BLOCK = 128, SEQ_GROUP = 64 };

struct seq_block {
	uint32_t time[SEQ_BLOCK]; /* a hole's is 0; unused ones, too */
	uint32_t page[SEQ_BLOCK];
};
/* By place in the order. */
struct seq {
	struct seq_block **block;
	uint32_t *id;             /* its number, which never changes */
	uint32_t *count, *holes, *high;
	uint64_t *descent;        /* a bit: a page in the block is followed by a smaller time, in it or in the next */
	uint32_t *group_count;    /* entries of SEQ_GROUP blocks */
	uint32_t n_blocks, room;
	uint32_t *place;          /* of each number: place in the order */
	uint32_t *free_id;
	struct seq_block **free_block;
	uint32_t n_free, n_ids;
	uint32_t *home;           /* of each page: number of its block, SEQ_NONE: not in the sequence */
	uint64_t n_pages, n_holes;
	struct seq_block *memory;
};
struct seq_at {
	uint32_t block, i;        /* place in the order, entry; the end is the place after the last block */
};

/* Pages are below n_pages, and never more than that many entries are in it.  => nothing after it can fail */
must_use enum pw_err seq_init(struct seq *s, uint64_t n_pages);
void seq_fini(struct seq *s);

static inline bool seq_has(const struct seq *s, uint32_t page) { return s->home[page] != SEQ_NONE; }
struct seq_at seq_find(const struct seq *s, uint32_t page);
uint64_t seq_rank(const struct seq *s, struct seq_at at);   /* entries before it */
struct seq_at seq_first_hole(const struct seq *s);          /* the end when there is none */
static inline struct seq_at seq_begin(const struct seq *s) { (void)s; return (struct seq_at){ 0, 0 }; }
static inline struct seq_at seq_end(const struct seq *s) { return (struct seq_at){ s->n_blocks, 0 }; }
static inline bool seq_is_end(const struct seq *s, struct seq_at at) { return at.block >= s->n_blocks; }
static inline bool seq_before(const struct seq *s, struct seq_at a, struct seq_at b)
{
	(void)s;
	return a.block != b.block ? a.block < b.block : a.i < b.i;
}
static inline uint32_t seq_page(const struct seq *s, struct seq_at at) { return s->block[at.block]->page[at.i]; }
static inline struct seq_at seq_after(const struct seq *s, struct seq_at at)
{
	return at.i + 1 < s->count[at.block] ? (struct seq_at){ at.block, at.i + 1 } : (struct seq_at){ at.block + 1, 0 };
}

void seq_put_first(struct seq *s, uint32_t page, uint32_t time);
void seq_take(struct seq *s, struct seq_at at);
void seq_open(struct seq *s, struct seq_at at);             /* its page is no more: a hole */
void seq_time(struct seq *s, uint32_t page, uint32_t time); /* the page has another time now */
/* Before end, every page followed by a smaller time moves to just before the next time that is not smaller, or to the end: one pass from
 * the front, as a bubble sort makes. */
void seq_settle(struct seq *s, struct seq_at end);
const char *seq_flaw(const struct seq *s);
