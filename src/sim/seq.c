/* seq.c - an unrolled sequence with summaries by place.
 *
 * Problem: entries are found by page, by rank, by the first time not smaller and by the first descent, and move across the whole
 * sequence, two or three of them for each use of a page.
 * Idea: blocks small enough to be shifted and searched by vectors; arrays over the blocks in their order, which vectors search, too; a
 * page knows the number of its block, a number its place.  A full block is cut in two, an empty one goes; both shift the arrays, which
 * happens once in some dozens of moves.
 *
 * Invariants.
 *   1. No block in the order is empty.  Entries are page[0 .. count), the rest is time 0 and SEQ_HOLE.
 *   2. high is the greatest time of a block; descent's bit is set iff a time in it is greater than the one after it, which may be the
 *      first of the next block.
 *   3. home[page] = id and place[id] = b  <=>  the page stands in block[b].
 * Rejected: trees (a dependent miss of the host's cache for each level, and rotations), skip lists likewise. */
#include "seq.h"
#include "../base/mem.h"
#include <string.h>

enum { FILL = SEQ_BLOCK / 4 };
#define VECTORS __attribute__((target_clones("avx2", "default"), optimize("O3")))

/* ---- vectors over one block or group ---- */

VECTORS static uint32_t block_high(const uint32_t *v)
{
	uint32_t most = 0;
	for (unsigned i = 0; i < SEQ_BLOCK; i++)
		most = v[i] > most ? v[i] : most;
	return most;
}

VECTORS static bool block_descends(const uint32_t *v, unsigned n)
{
	uint32_t any = 0;
	for (unsigned i = 0; i + 1 < SEQ_BLOCK; i++)
		any |= (i + 1 < n) & (v[i] > v[i + 1]);
	return any;
}

VECTORS static unsigned block_find(const uint32_t *page, uint32_t want)
{
	unsigned at = 0;
	for (unsigned i = 0; i < SEQ_BLOCK; i++)
		at |= page[i] == want ? i : 0;
	return at;
}

/* The first place from b on whose high is at least least; end: none. */
static uint32_t blocks_not_below(const struct seq *s, uint32_t b, uint32_t end, uint32_t least)
{
	while (b + 16 <= end) {
		uint32_t any = 0;
		for (unsigned i = 0; i < 16; i++)
			any |= s->high[b + i] >= least;
		if (any)
			break;
		b += 16;
	}
	while (b < end && s->high[b] < least)
		b++;
	return b;
}

/* ---- summaries ---- */

static void mark(struct seq *s, uint32_t b, bool descends)
{
	s->descent[b / 64] = (s->descent[b / 64] & ~(1ull << b % 64)) | (uint64_t)descends << b % 64;
}

static void summarize_descent(struct seq *s, uint32_t b)
{
	const struct seq_block *k = s->block[b];
	if (!s->count[b]) /* about to go */
		return;
	bool descends = block_descends(k->time, s->count[b]);
	if (!descends && b + 1 < s->n_blocks)
		descends = k->time[s->count[b] - 1] > s->block[b + 1]->time[0];
	mark(s, b, descends);
}

/* Block b has changed. */
static void summarize(struct seq *s, uint32_t b)
{
	s->high[b] = block_high(s->block[b]->time);
	summarize_descent(s, b);
	if (b)
		summarize_descent(s, b - 1);
}

/* Blocks from b on have other places. */
static void renumber(struct seq *s, uint32_t b)
{
	for (uint32_t g = b / SEQ_GROUP; g <= s->n_blocks / SEQ_GROUP; g++)
		s->group_count[g] = 0;
	for (uint32_t i = b / SEQ_GROUP * SEQ_GROUP; i < s->n_blocks; i++) {
		s->place[s->id[i]] = i;
		s->group_count[i / SEQ_GROUP] += s->count[i];
	}
}

static void descents_shift(struct seq *s, uint32_t b, int by)
{
	if (by > 0)
		for (uint32_t i = s->n_blocks - 1; i > b; i--)
			mark(s, i, s->descent[(i - 1) / 64] >> (i - 1) % 64 & 1);
	else
		for (uint32_t i = b; i < s->n_blocks; i++)
			mark(s, i, s->descent[(i + 1) / 64] >> (i + 1) % 64 & 1);
}

#define SHIFT(array, to, from, n) memmove(&s->array[to], &s->array[from], (n) * sizeof *s->array)

/* An empty block at place b. */
static void block_insert(struct seq *s, uint32_t b)
{
	uint32_t n = s->n_blocks - b;
	SHIFT(block, b + 1, b, n);
	SHIFT(id, b + 1, b, n);
	SHIFT(count, b + 1, b, n);
	SHIFT(holes, b + 1, b, n);
	SHIFT(high, b + 1, b, n);
	s->n_blocks++;
	descents_shift(s, b, 1);
	s->n_free--;
	s->block[b] = s->free_block[s->n_free];
	s->id[b] = s->free_id[s->n_free];
	s->count[b] = s->holes[b] = s->high[b] = 0;
	memset(s->block[b]->time, 0, sizeof s->block[b]->time);
	memset(s->block[b]->page, 0xff, sizeof s->block[b]->page);
}

static void block_remove(struct seq *s, uint32_t b)
{
	uint32_t n = --s->n_blocks - b;
	s->free_block[s->n_free] = s->block[b];
	s->free_id[s->n_free++] = s->id[b];
	SHIFT(block, b, b + 1, n);
	SHIFT(id, b, b + 1, n);
	SHIFT(count, b, b + 1, n);
	SHIFT(holes, b, b + 1, n);
	SHIFT(high, b, b + 1, n);
	descents_shift(s, b, -1);
	renumber(s, b);
	if (b && b <= s->n_blocks)
		summarize_descent(s, b - 1);
}

/* Moves the upper entries, from i on, of block b to the front of block b + 1, which has room. */
static void entries_move(struct seq *s, uint32_t b, uint32_t i)
{
	struct seq_block *from = s->block[b], *to = s->block[b + 1];
	uint32_t n = s->count[b] - i, holes = 0;
	memmove(to->time + n, to->time, s->count[b + 1] * sizeof *to->time);
	memmove(to->page + n, to->page, s->count[b + 1] * sizeof *to->page);
	memcpy(to->time, from->time + i, n * sizeof *to->time);
	memcpy(to->page, from->page + i, n * sizeof *to->page);
	memset(from->time + i, 0, n * sizeof *from->time);
	memset(from->page + i, 0xff, n * sizeof *from->page);
	for (uint32_t k = 0; k < n; k++) {
		if (to->page[k] == SEQ_HOLE)
			holes++;
		else
			s->home[to->page[k]] = s->id[b + 1];
	}
	s->count[b] -= n;
	s->count[b + 1] += n;
	s->holes[b] -= holes;
	s->holes[b + 1] += holes;
}

static void block_split(struct seq *s, uint32_t b)
{
	block_insert(s, b + 1);
	entries_move(s, b, SEQ_BLOCK / 2);
	renumber(s, b);
	summarize(s, b + 1);
	summarize(s, b);
}

/* ---- the contract ---- */

enum pw_err seq_init(struct seq *s, uint64_t n_pages)
{
	/* Two neighbours hold more than FILL together, or they are joined. */
	uint64_t room = n_pages * 2 / FILL + 4;
	*s = (struct seq){ .room = (uint32_t)room, .n_pages = n_pages };
	s->memory = mem_alloc(room * sizeof *s->memory);
	s->block = mem_alloc(room * sizeof *s->block);
	s->free_block = mem_alloc(room * sizeof *s->free_block);
	s->free_id = mem_alloc(room * sizeof *s->free_id);
	s->id = mem_alloc(room * sizeof *s->id);
	s->count = mem_alloc(room * sizeof *s->count);
	s->holes = mem_alloc(room * sizeof *s->holes);
	s->high = mem_alloc(room * sizeof *s->high);
	s->place = mem_alloc(room * sizeof *s->place);
	s->descent = mem_zalloc(room / 64 + 1, sizeof *s->descent);
	s->group_count = mem_zalloc(room / SEQ_GROUP + 1, sizeof *s->group_count);
	s->home = mem_alloc((n_pages + 1) * sizeof *s->home);
	if (!s->memory || !s->block || !s->free_block || !s->free_id || !s->id || !s->count || !s->holes || !s->high || !s->place ||
	    !s->descent || !s->group_count || !s->home) {
		seq_fini(s);
		return PW_NOMEM;
	}
	memset(s->home, 0xff, (n_pages + 1) * sizeof *s->home);
	for (uint32_t i = 0; i < s->room; i++) {
		s->free_block[i] = &s->memory[s->room - 1 - i];
		s->free_id[i] = s->room - 1 - i;
	}
	s->n_free = s->room;
	return PW_OK;
}

void seq_fini(struct seq *s)
{
	mem_free(s->memory);
	mem_free(s->block);
	mem_free(s->free_block);
	mem_free(s->free_id);
	mem_free(s->id);
	mem_free(s->count);
	mem_free(s->holes);
	mem_free(s->high);
	mem_free(s->place);
	mem_free(s->descent);
	mem_free(s->group_count);
	mem_free(s->home);
	*s = (struct seq){ 0 };
}

struct seq_at seq_find(const struct seq *s, uint32_t page)
{
	uint32_t b = s->place[s->home[page]];
	const uint32_t *v = s->block[b]->page;
	return (struct seq_at){ b, block_find(v, page) };
}

VECTORS uint64_t seq_rank(const struct seq *s, struct seq_at at)
{
	uint64_t sum = at.i;
	uint32_t g = at.block / SEQ_GROUP;
	for (uint32_t i = 0; i < g; i++)
		sum += s->group_count[i];
	for (uint32_t i = g * SEQ_GROUP; i < at.block; i++)
		sum += s->count[i];
	return sum;
}

static struct seq_at seq_at_rank(const struct seq *s, uint64_t rank)
{
	uint32_t g = 0, b;
	while (g * SEQ_GROUP < s->n_blocks && s->group_count[g] <= rank)
		rank -= s->group_count[g++];
	for (b = g * SEQ_GROUP; b < s->n_blocks && s->count[b] <= rank; b++)
		rank -= s->count[b];
	return b < s->n_blocks ? (struct seq_at){ b, (uint32_t)rank } : seq_end(s);
}

struct seq_at seq_first_hole(const struct seq *s)
{
	if (!s->n_holes)
		return seq_end(s);
	uint32_t b = 0;
	while (!s->holes[b])
		b++;
	uint32_t i = 0;
	while (s->block[b]->page[i] != SEQ_HOLE)
		i++;
	return (struct seq_at){ b, i };
}

/* => the block has room */
static void put_at(struct seq *s, uint32_t b, uint32_t i, uint32_t page, uint32_t time)
{
	struct seq_block *k = s->block[b];
	memmove(k->time + i + 1, k->time + i, (s->count[b] - i) * sizeof *k->time);
	memmove(k->page + i + 1, k->page + i, (s->count[b] - i) * sizeof *k->page);
	k->time[i] = time;
	k->page[i] = page;
	s->home[page] = s->id[b];
	s->count[b]++;
	s->group_count[b / SEQ_GROUP]++;
	summarize(s, b);
}

/* Before the entry at (b, i), or behind the last one of b. */
static void put_before(struct seq *s, uint32_t b, uint32_t i, uint32_t page, uint32_t time)
{
	if (s->count[b] == SEQ_BLOCK) {
		block_split(s, b);
		if (i > s->count[b]) {
			i -= s->count[b];
			b++;
		}
	}
	put_at(s, b, i, page, time);
}

static void seq_put(struct seq *s, struct seq_at at, uint32_t page, uint32_t time)
{
	if (seq_is_end(s, at))
		put_before(s, s->n_blocks - 1, s->count[s->n_blocks - 1], page, time);
	else
		put_before(s, at.block, at.i, page, time);
}

void seq_put_first(struct seq *s, uint32_t page, uint32_t time)
{
	if (!s->n_blocks) {
		block_insert(s, 0);
		renumber(s, 0);
	}
	put_before(s, 0, 0, page, time);
}

void seq_take(struct seq *s, struct seq_at at)
{
	uint32_t b = at.block;
	struct seq_block *k = s->block[b];
	uint32_t page = k->page[at.i], n = --s->count[b] - at.i;
	if (page == SEQ_HOLE) {
		s->holes[b]--;
		s->n_holes--;
	} else {
		s->home[page] = SEQ_NONE;
	}
	memmove(k->time + at.i, k->time + at.i + 1, n * sizeof *k->time);
	memmove(k->page + at.i, k->page + at.i + 1, n * sizeof *k->page);
	k->time[s->count[b]] = 0;
	k->page[s->count[b]] = SEQ_HOLE;
	s->group_count[b / SEQ_GROUP]--;
	if (b + 1 < s->n_blocks && s->count[b] && s->count[b] + s->count[b + 1] <= FILL) {
		entries_move(s, b, 0);
		summarize(s, b + 1);
	}
	if (s->count[b])
		summarize(s, b);
	else
		block_remove(s, b);
}

void seq_open(struct seq *s, struct seq_at at)
{
	struct seq_block *k = s->block[at.block];
	s->home[k->page[at.i]] = SEQ_NONE;
	k->page[at.i] = SEQ_HOLE;
	k->time[at.i] = 0;
	s->holes[at.block]++;
	s->n_holes++;
	summarize(s, at.block);
}

void seq_time(struct seq *s, uint32_t page, uint32_t time)
{
	struct seq_at at = seq_find(s, page);
	s->block[at.block]->time[at.i] = time;
	summarize(s, at.block);
}

/* The first descent at or after at whose page stands before end.  => false: there is none */
static bool descent_find(const struct seq *s, struct seq_at *at, struct seq_at end)
{
	uint32_t b = at->block, i = at->i;
	while (b < s->n_blocks && b <= end.block) {
		uint64_t bits = s->descent[b / 64] >> b % 64;
		if (!bits) {
			b = (b / 64 + 1) * 64;
			i = 0;
			continue;
		}
		uint32_t skip = (uint32_t)__builtin_ctzll(bits);
		i = skip ? 0 : i;
		b += skip;
		if (b >= s->n_blocks || b > end.block)
			return false;
		const uint32_t *v = s->block[b]->time;
		for (; i + 1 < s->count[b]; i++)
			if (v[i] > v[i + 1]) {
				*at = (struct seq_at){ b, i };
				return seq_before(s, *at, end);
			}
		if (b + 1 < s->n_blocks && v[s->count[b] - 1] > s->block[b + 1]->time[0]) {
			*at = (struct seq_at){ b, s->count[b] - 1 };
			return seq_before(s, *at, end);
		}
		b++;
		i = 0;
	}
	return false;
}

/* The first entry after at and before end whose time is not below; end: there is none. */
static struct seq_at not_below(const struct seq *s, struct seq_at at, struct seq_at end, uint32_t time)
{
	uint32_t b = at.block, i = at.i + 1;
	for (;;) {
		const uint32_t *v = s->block[b]->time;
		uint32_t n = b == end.block ? end.i : s->count[b];
		while (i < n && v[i] < time)
			i++;
		if (i < n)
			return (struct seq_at){ b, i };
		uint32_t last = end.block < s->n_blocks ? end.block + 1 : s->n_blocks;
		b = b == end.block ? last : blocks_not_below(s, b + 1, last, time);
		i = 0;
		if (b >= last)
			return end;
	}
}

/* The end stays where it is in the sequence: every page before it that moves stays before it. */
void seq_settle(struct seq *s, struct seq_at end)
{
	struct seq_at at = { 0, 0 };
	uint64_t end_rank = seq_rank(s, end);
	while (descent_find(s, &at, end)) {
		struct seq_at after = seq_after(s, at);
		if (!seq_before(s, after, end)) /* the descent is over the end */
			return;
		uint32_t page = seq_page(s, at), time = s->block[at.block]->time[at.i];
		struct seq_at to = not_below(s, at, end, time);
		uint64_t to_rank = seq_rank(s, to) - 1;
		seq_take(s, at);
		at = seq_at_rank(s, to_rank);
		seq_put(s, at, page, time);
		at = seq_at_rank(s, to_rank + 1);
		end = seq_at_rank(s, end_rank);
	}
}

static const char *block_flaw(const struct seq *s, uint32_t b)
{
	const struct seq_block *k = s->block[b];
	bool descends = false;
	uint32_t high = 0, n = s->count[b];
	for (uint32_t i = 0; i < n; i++) {
		uint32_t next = i + 1 < n ? k->time[i + 1] : b + 1 < s->n_blocks ? s->block[b + 1]->time[0] : UINT32_MAX;
		descends |= k->time[i] > next;
		high = k->time[i] > high ? k->time[i] : high;
		if (k->page[i] != SEQ_HOLE && s->home[k->page[i]] != s->id[b])
			return "seq: a page does not know its block";
	}
	if (!n || high != s->high[b])
		return "seq: a block is empty, or does not know its greatest time";
	if (descends != (s->descent[b / 64] >> b % 64 & 1))
		return "seq: a block does not know whether there is a descent in it";
	return s->place[s->id[b]] == b ? NULL : "seq: a block does not know its place";
}

const char *seq_flaw(const struct seq *s)
{
	for (uint32_t b = 0; b < s->n_blocks; b++) {
		const char *flaw = block_flaw(s, b);
		if (flaw)
			return flaw;
	}
	return NULL;
}
