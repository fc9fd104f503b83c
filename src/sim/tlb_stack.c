/* tlb_stack.c - all associativities in one pass.
 *
 * Problem.  How often does a TLB of E entries in S sets miss, for every E and S of interest?  A run for each would take as long as
 * there are shapes.
 *
 * Idea.  With LRU, a set of w ways holds the w pages of that set asked for last: a reference hits exactly when fewer than w other pages
 * of its set were asked for since.  That number, the distance, is counted for each number of sets; each w is then a sum.
 *
 * Programs ask for the same few pages again and again.  The last sixteen, the window, lie in one array for all numbers of sets:
 *
 *      window          p0 p1 p2 ... p15       most recent first, all valid
 *                      |  pages above the one asked for that share its set: for 2, 4, 8... sets, those whose number has
 *                      v  1, 2, 3... low bits in common with it (Hill and Smith)
 *      deep, per set   [ a b . c ... ]        what left the window, holes included; for each number of sets
 *      deep, order     tlb_order              the same for one set, of any depth
 *
 * A reference inside the window touches nothing else.  One outside takes the page out of each deep list, where its index plus the
 * window's pages of its set is the distance, and the page that leaves the window goes in front of the lists of its own sets.
 *
 * A translation that is taken away leaves a hole.  A miss fills the highest hole above its page instead of pushing anything out; if the
 * page was below the hole, its own place becomes one (a TLB large enough to hit it still has an empty entry).  A deep list that loses
 * an entry closes up: with the page now in the window, all positions below stay what they were.
 *
 * Invariants.
 *   1. A page is in the window, or in the order and in the deep lists as far as they reach, or has no translation.
 *   2. Position in a set = pages of the window in that set + index in its deep list.
 *   3. A list's entries at index i with i + pages of the window in that set >= its ways say nothing.
 *
 * Rejected: a stack for each number of sets without the window (each reference would touch them all); a tree for each set (sets are
 * short); sampling sets (the tables must be exact).
 * Source: R. L. Mattson, J. Gecsei, D. R. Slutz, I. L. Traiger, "Evaluation techniques for storage hierarchies", IBM Systems Journal 9
 * (1970); M. D. Hill and A. J. Smith, "Evaluating associativity in CPU caches", IEEE Trans. Computers 38 (1989). */
#include "tlb_stack.h"
#include "../base/mem.h"
#include "tlb_order.h"
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { WINDOW = 32, LINE = 16, SETS_MAX = 64, LOW_BITS = 15 };
enum { NEAR = 3, NEAR_PATTERNS = 16 + 16 * 16 + 16 * 16 * 16 }; /* hits at most this deep are counted by pattern */

/* What is kept for one number of sets above one. */
struct sets {
	uint32_t sets, ways;         /* ways: distances from here on are all the same */
	uint32_t length;             /* of a list: ways, rounded up to whole lines */
	uint32_t mask;               /* sets - 1 for a power of two, else 0 */
	unsigned bits;               /* log2 of a power of two */
	uint32_t *list;              /* [set * length + index]: a page, 0: a hole */
	uint64_t *distance;          /* [0 .. ways]: references at that distance, from 1 on */
	struct tlb_shape_set *miss;  /* [distance]: shapes of so many sets that miss there */
	uint32_t in_window[WINDOW];  /* the set of each page of the window, unless a power of two */
};

enum { PAGE_NEW, PAGE_KNOWN, PAGE_FLUSHED };

struct tlb_stack {
	const struct tlb_pages *pages;
	const uint32_t *group;       /* base page -> page; NULL: the same */
	const uint64_t *key;         /* page -> its number in the address space */
	uint32_t n;                  /* pages in the window */
	uint32_t window[WINDOW];
	uint16_t low[WINDOW];        /* low bits of their page numbers */
	uint64_t shared[LOW_BITS + 1][2]; /* [common low bits]: a byte for each power of two up to there */
	struct sets set[SETS_MAX];   /* powers of two in order, then the others */
	unsigned n_sets, n_powers;
	bool near_usable;            /* all numbers of sets are powers of two */
	uint64_t near[NEAR_PATTERNS];/* hits by the common low bits with each page above; not yet in depth and distance */
	struct tlb_shape_set *near_miss;
	bool near_any[NEAR_PATTERNS];
	struct tlb_order order;
	uint64_t *depth;             /* [0 .. order.depth]: references at that distance with one set */
	struct tlb_shape_set *depth_miss;
	struct tlb_shape_set all;
	struct tlb_shape shape[TLB_SHAPES];
	unsigned n_shapes, shape_words, leaf;
	struct tlb_walks *walks;
	uint32_t *state;             /* of each page: epoch << 2 | PAGE_* */
	uint32_t epoch;              /* raised when everything is flushed */
	struct tlb_stack_counts counts;
};

/* ---- lists ---- */

/* Bit i: a[i] == page. */
static inline unsigned line_match(const uint32_t *a, uint32_t page)
{
#ifdef __SSE2__
	const __m128i want = _mm_set1_epi32((int)page), *v = (const __m128i *)(const void *)a;
	__m128i low = _mm_packs_epi32(_mm_cmpeq_epi32(_mm_loadu_si128(v), want), _mm_cmpeq_epi32(_mm_loadu_si128(v + 1), want));
	__m128i high = _mm_packs_epi32(_mm_cmpeq_epi32(_mm_loadu_si128(v + 2), want), _mm_cmpeq_epi32(_mm_loadu_si128(v + 3), want));
	return (unsigned)_mm_movemask_epi8(_mm_packs_epi16(low, high));
#else
	unsigned match = 0;
	for (unsigned i = 0; i < LINE; i++)
		match |= (unsigned)(a[i] == page) << i;
	return match;
#endif
}

/* The first index at which the page stands, or length. */
static inline uint32_t list_find(const uint32_t *list, uint32_t length, uint32_t page)
{
	if (length == LINE)
		return (uint32_t)__builtin_ctz(line_match(list, page) | 1u << LINE);
	for (uint32_t i = 0; i < length; i += LINE) {
		unsigned match = line_match(list + i, page);
		if (match)
			return i + (uint32_t)__builtin_ctz(match);
	}
	return length;
}

typedef uint32_t four __attribute__((vector_size(16), aligned(4), may_alias));

/* Whole lines move in vectors: what is after the place comes one nearer. */
static inline void line_delete(uint32_t *line, uint32_t at)
{
	static const uint32_t ones[2 * LINE] = { [0 ... LINE - 1] = ~0u };
	const uint32_t *stay = ones + LINE - at; /* ones for indices below at */
	for (unsigned i = 0; i < LINE - 4; i += 4) {
		four keep = *(const four *)(stay + i);
		*(four *)(line + i) = (*(const four *)(line + i) & keep) | (*(const four *)(line + i + 1) & ~keep);
	}
	four last = *(const four *)(line + 12), keep = *(const four *)(stay + 12);
	four nearer = { last[1], last[2], last[3], 0 };
	*(four *)(line + 12) = (last & keep) | (nearer & ~keep);
}

static inline void line_push(uint32_t *line, uint32_t page)
{
	four a = *(const four *)line, b = *(const four *)(line + 4), c = *(const four *)(line + 8), d = *(const four *)(line + 11);
	*(four *)(line + 1) = a;
	*(four *)(line + 5) = b;
	*(four *)(line + 9) = c;
	*(four *)(line + 12) = d;
	line[0] = page;
}

static inline void list_delete(uint32_t *list, uint32_t length, uint32_t at)
{
	if (length == LINE) {
		line_delete(list, at);
		return;
	}
	memmove(list + at, list + at + 1, (length - at - 1) * sizeof *list);
	list[length - 1] = 0;
}

static inline void list_push(uint32_t *list, uint32_t length, uint32_t page)
{
	if (length == LINE) {
		line_push(list, page);
		return;
	}
	memmove(list + 1, list, (length - 1) * sizeof *list);
	list[0] = page;
}

/* Takes a page that was asked for out of a list.  => its index, or length */
static inline uint32_t list_take(uint32_t *list, uint32_t length, uint32_t page)
{
	uint32_t at = list_find(list, length, page), hole = list_find(list, length, 0);
	if (hole < at) {
		if (at < length)
			list[at] = 0;
		list_delete(list, length, hole);
	} else if (at < length) {
		list_delete(list, length, at);
	}
	return at;
}

static inline uint32_t set_of(const struct sets *s, uint64_t number)
{
	return s->mask ? (uint32_t)number & s->mask : (uint32_t)(number % s->sets);
}

static inline uint32_t *list_of(const struct sets *s, uint64_t number) { return s->list + (size_t)set_of(s, number) * s->length; }

/* ---- the window ---- */

/* For each power of two: how many of the first n pages of the window are in the same set; a byte each. */
struct neighbours {
	uint64_t byte[2];
};

static inline struct neighbours neighbours_of(const struct tlb_stack *s, uint32_t n, uint16_t low)
{
	struct neighbours c = { { 0, 0 } };
	for (uint32_t i = 0; i < n; i++) {
		const uint64_t *shared = s->shared[__builtin_ctz((unsigned)(s->low[i] ^ low) | 1u << LOW_BITS)];
		c.byte[0] += shared[0];
		c.byte[1] += shared[1];
	}
	return c;
}

static inline uint32_t neighbours_in(const struct tlb_stack *s, const struct neighbours *c, const struct sets *set, uint32_t n,
				     uint32_t where)
{
	if (set->mask)
		return (uint32_t)(c->byte[set->bits >> 3] >> (set->bits & 7) * 8) & 255;
	uint32_t count = 0;
	for (uint32_t i = 0; i < n; i++)
		count += set->in_window[i] == where;
	(void)s;
	return count;
}

static inline void count_distance(struct sets *set, uint32_t distance, struct tlb_shape_set *miss, unsigned words)
{
	if (distance > set->ways)
		distance = set->ways;
	set->distance[distance]++;
	for (unsigned i = 0; i < words; i++)
		miss->bits[i] |= set->miss[distance].bits[i];
}

static inline void count_depth(struct tlb_stack *s, uint32_t depth, struct tlb_shape_set *miss)
{
	s->depth[depth]++;
	for (unsigned i = 0; i < s->shape_words; i++)
		miss->bits[i] |= s->depth_miss[depth].bits[i];
}

/* The page at index k comes to the front; what was above it moves down. */
static inline void window_raise(struct tlb_stack *s, uint32_t k, uint32_t page, uint16_t low)
{
	for (uint32_t i = k; i > 0; i--) {
		s->window[i] = s->window[i - 1];
		s->low[i] = s->low[i - 1];
	}
	s->window[0] = page;
	s->low[0] = low;
	for (unsigned i = s->n_powers; i < s->n_sets; i++) {
		uint32_t *in = s->set[i].in_window, mine = in[k];
		for (uint32_t j = k; j > 0; j--)
			in[j] = in[j - 1];
		in[0] = mine;
	}
}

static inline unsigned low_common(uint16_t a, uint16_t b) { return (unsigned)__builtin_ctz((unsigned)(a ^ b) | 1u << LOW_BITS); }

/* A hit close to the top: which sets it shares with the pages above says all, so that is counted.  => 1 <= k <= NEAR */
static inline unsigned near_pattern(const struct tlb_stack *s, uint32_t k)
{
	static const unsigned first[NEAR + 1] = { 0, 0, 16, 16 + 16 * 16 };
	uint16_t low = s->low[k];
	unsigned pattern = low_common(s->low[0], low) << 8 | low_common(s->low[1], low) << 4 | low_common(s->low[2], low);
	return first[k] + (pattern >> 4 * (NEAR - k));
}

/* As window_raise, without a loop: how deep hits are cannot be predicted. */
static inline void near_raise(struct tlb_stack *s, uint32_t k)
{
	uint32_t page = s->window[k], w0 = s->window[0], w1 = s->window[1], w2 = s->window[2], w3 = s->window[3];
	uint16_t low = s->low[k], l0 = s->low[0], l1 = s->low[1], l2 = s->low[2], l3 = s->low[3];
	s->window[0] = page;
	s->window[1] = w0;
	s->window[2] = k >= 2 ? w1 : w2;
	s->window[3] = k >= 3 ? w2 : w3;
	s->low[0] = low;
	s->low[1] = l0;
	s->low[2] = k >= 2 ? l1 : l2;
	s->low[3] = k >= 3 ? l2 : l3;
}

/* Where a page stands among those near the top, from 1 on; 0: nowhere.  One by one: they were written a moment ago, and a vector of
 * them would wait for the writes. */
static inline uint32_t near_find(const struct tlb_stack *s, uint32_t page)
{
	unsigned match = (unsigned)(s->window[1] == page) << 1 | (unsigned)(s->window[2] == page) << 2 |
			 (unsigned)(s->window[3] == page) << 3;
	return match ? (uint32_t)__builtin_ctz(match) : 0;
}

static inline void window_hit(struct tlb_stack *s, uint32_t k, struct tlb_shape_set *miss)
{
	struct neighbours c = neighbours_of(s, k, s->low[k]);
	count_depth(s, k, miss);
	for (unsigned i = 0; i < s->n_powers; i++) { /* the more sets, the fewer neighbours */
		uint32_t distance = neighbours_in(s, &c, &s->set[i], k, 0);
		if (distance == 0)
			break;
		count_distance(&s->set[i], distance, miss, s->shape_words);
	}
	for (unsigned i = s->n_powers; i < s->n_sets; i++) {
		uint32_t distance = neighbours_in(s, &c, &s->set[i], k, s->set[i].in_window[k]);
		if (distance)
			count_distance(&s->set[i], distance, miss, s->shape_words);
	}
	window_raise(s, k, s->window[k], s->low[k]);
}

static inline uint64_t number_of(const struct tlb_stack *s, uint32_t page) { return tlb_key_page(s->key[page]); }

/* The last page of the window goes on top of the deep lists. */
static inline void window_shed(struct tlb_stack *s)
{
	uint32_t page = s->window[--s->n];
	uint64_t number = number_of(s, page);
	tlb_order_push(&s->order, page);
	for (unsigned i = 0; i < s->n_sets; i++)
		list_push(list_of(&s->set[i], number), s->set[i].length, page);
}

static void window_empty(struct tlb_stack *s)
{
	while (s->n > 0)
		window_shed(s);
}

/* A page that is not in the window. */
static inline void window_miss(struct tlb_stack *s, uint32_t page, struct tlb_shape_set *miss)
{
	uint64_t number = number_of(s, page);
	uint16_t low = (uint16_t)(number & ((1u << LOW_BITS) - 1));
	uint32_t state = s->state[page], n = s->n;
	bool known = state == (s->epoch << 2 | PAGE_KNOWN);
	struct neighbours c = neighbours_of(s, n, low);
	uint32_t position = tlb_order_take(&s->order, page) + n, where[SETS_MAX];
	if (known) {
		count_depth(s, position < s->order.depth ? position : s->order.depth, miss);
	} else {
		s->counts.cold += state == 0;
		s->counts.flushed += state != 0;
		s->counts.pages += state == 0;
		s->state[page] = s->epoch << 2 | PAGE_KNOWN;
		*miss = s->all;
	}
	for (unsigned i = 0; i < s->n_sets; i++) {
		struct sets *set = &s->set[i];
		where[i] = set_of(set, number);
		uint32_t index = list_take(set->list + (size_t)where[i] * set->length, set->length, page);
		if (!known)
			continue;
		uint32_t distance = index < set->length ? index + neighbours_in(s, &c, set, n, where[i]) : set->ways;
		if (distance)
			count_distance(set, distance, miss, s->shape_words);
	}
	if (s->n == WINDOW)
		window_shed(s);
	uint32_t at = s->n++;
	for (unsigned i = s->n_powers; i < s->n_sets; i++)
		s->set[i].in_window[at] = where[i];
	window_raise(s, at, page, low);
}

static void walk(struct tlb_stack *s, uint32_t base, const struct tlb_shape_set *miss, bool first_store)
{
	uint64_t any = 0;
	for (unsigned i = 0; i < s->shape_words; i++)
		any |= miss->bits[i];
	if (first_store)
		tlb_walks_touch(s->walks, miss, base);
	if (any)
		tlb_walks_walk(s->walks, miss, base);
}

static inline void reference(struct tlb_stack *s, uint32_t base, uint32_t page, bool first_store)
{
	uint32_t near = s->n > NEAR && s->near_usable && !first_store ? near_find(s, page) : 0;
	if (near) {
		unsigned pattern = near_pattern(s, near);
		s->near[pattern]++;
		near_raise(s, near);
		if (s->near_any[pattern] && s->walks)
			tlb_walks_walk(s->walks, &s->near_miss[pattern], base);
		return;
	}
	struct tlb_shape_set miss = { { 0 } };
	uint64_t match = (line_match(s->window, page) | (uint64_t)line_match(s->window + LINE, page) << LINE) & ((1ull << s->n) - 1);
	uint32_t k = match ? (uint32_t)__builtin_ctzll(match) : WINDOW;
	if (!match)
		window_miss(s, page, &miss);
	else if (k > 0)
		window_hit(s, k, &miss);
	if (s->walks)
		walk(s, base, &miss, first_store);
}

/* What the pages above have in common with the one asked for, out of the number of a pattern.  => how deep it lies */
static uint32_t pattern_common(unsigned pattern, unsigned common[NEAR])
{
	uint32_t k = pattern < 16 ? 1 : pattern < 16 + 16 * 16 ? 2 : 3;
	pattern -= k == 1 ? 0 : k == 2 ? 16 : 16 + 16 * 16;
	for (uint32_t i = 0; i < k; i++)
		common[i] = pattern >> 4 * i & 15;
	return k;
}

/* Puts n hits of a pattern where hits are counted; miss (may be NULL) gathers who misses. */
static void pattern_count(struct tlb_stack *s, unsigned pattern, uint64_t n, struct tlb_shape_set *miss)
{
	unsigned common[NEAR];
	uint32_t k = pattern_common(pattern, common);
	struct tlb_shape_set none = { { 0 } };
	miss = miss ? miss : &none;
	s->depth[k] += n;
	for (unsigned w = 0; w < s->shape_words; w++)
		miss->bits[w] |= s->depth_miss[k].bits[w];
	for (unsigned i = 0; i < s->n_powers; i++) {
		struct sets *set = &s->set[i];
		uint32_t distance = 0;
		for (uint32_t j = 0; j < k; j++)
			distance += common[j] >= set->bits;
		distance = distance < set->ways ? distance : set->ways;
		if (distance == 0)
			break;
		set->distance[distance] += n;
		for (unsigned w = 0; w < s->shape_words; w++)
			miss->bits[w] |= set->miss[distance].bits[w];
	}
}

static void near_settle(struct tlb_stack *s)
{
	for (unsigned i = 0; i < NEAR_PATTERNS; i++)
		if (s->near[i]) {
			pattern_count(s, i, s->near[i], NULL);
			s->near[i] = 0;
		}
}

static enum pw_err near_fill(struct tlb_stack *s)
{
	s->near_usable = s->n_powers == s->n_sets;
	s->near_miss = mem_zalloc(NEAR_PATTERNS, sizeof *s->near_miss);
	for (unsigned i = 0; s->near_miss && i < NEAR_PATTERNS; i++) {
		pattern_count(s, i, 0, &s->near_miss[i]);
		for (unsigned w = 0; w < s->shape_words; w++)
			s->near_any[i] |= s->near_miss[i].bits[w] != 0;
	}
	return s->near_miss ? PW_OK : PW_NOMEM;
}

/* ---- what takes translations away ---- */

static void page_hole(struct tlb_stack *s, uint32_t page)
{
	if (s->state[page] != (s->epoch << 2 | PAGE_KNOWN))
		return;
	s->state[page] = s->epoch << 2 | PAGE_FLUSHED;
	window_empty(s);
	tlb_order_hole(&s->order, page);
	for (unsigned i = 0; i < s->n_sets; i++) {
		uint32_t *list = list_of(&s->set[i], number_of(s, page)), at = list_find(list, s->set[i].length, page);
		if (at < s->set[i].length)
			list[at] = 0;
	}
}

static void flush_all(struct tlb_stack *s)
{
	s->n = 0;
	s->epoch++;
	tlb_order_clear(&s->order);
	for (unsigned i = 0; i < s->n_sets; i++)
		memset(s->set[i].list, 0, (size_t)s->set[i].sets * s->set[i].length * sizeof *s->set[i].list);
	if (s->walks)
		tlb_walks_flush(s->walks, NULL);
}

static void reset(struct tlb_stack *s)
{
	near_settle(s);
	s->counts.cold = s->counts.flushed = 0;
	memset(s->depth, 0, (s->order.depth + 1) * sizeof *s->depth);
	for (unsigned i = 0; i < s->n_sets; i++)
		memset(s->set[i].distance, 0, (s->set[i].ways + 1) * sizeof *s->set[i].distance);
	if (s->walks)
		tlb_walks_reset(s->walks);
}

/* One word that is no page, and what follows it.  => how many words they were */
static unsigned command(struct tlb_stack *s, const uint32_t *word)
{
	static const struct tlb_shape_set none;
	switch ((enum tlb_log_word)word[0]) {
	case TLB_LOG_HOLE:
		page_hole(s, s->group ? s->group[word[1]] : word[1]);
		return 2;
	case TLB_LOG_TOUCH:
		if (s->walks)
			tlb_walks_touch(s->walks, &none, word[1]);
		return 2;
	case TLB_LOG_CACHES:
		if (s->walks)
			tlb_walks_flush(s->walks, &word[1]);
		return 2;
	case TLB_LOG_ALL:
		flush_all(s);
		return 1;
	case TLB_LOG_RESET:
		reset(s);
		return 1;
	}
	return 1;
}

__attribute__((target_clones("avx2", "default"), flatten))
void tlb_stack_eat(struct tlb_stack *s, const struct tlb_batch *batch)
{
	const uint32_t *at = batch->page, *end = at + batch->n_pages;
	while (at < end) {
		uint32_t word = *at;
		if (word & 1u << 31) {
			at += command(s, at);
			continue;
		}
		uint32_t base = word & (TLB_LOG_FIRST_STORE - 1), page = s->group ? s->group[base] : base;
		if (page != s->window[0] || s->n == 0 || word & TLB_LOG_FIRST_STORE)
			reference(s, base, page, word & TLB_LOG_FIRST_STORE);
		at++;
	}
	near_settle(s);
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
