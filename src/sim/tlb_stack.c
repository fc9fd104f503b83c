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
#include "tlb_stack_impl.h"
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

static inline unsigned low_common(uint32_t a, uint32_t b) { return (unsigned)__builtin_ctz((a ^ b) | 1u << LOW_BITS); }

static inline struct neighbours neighbours_of(const struct tlb_stack *s, uint32_t n, uint32_t low)
{
	struct neighbours c = { { 0, 0 } };
	for (uint32_t i = 0; i < n; i += 4)
		for (uint32_t j = i; j < i + 4; j++) { /* those past n add nothing: a loop of exact length is mispredicted */
			const uint64_t *shared = s->shared[low_common(s->low[j], low) | (unsigned)(j >= n) << 4];
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

static inline void count_depth(struct tlb_stack *s, uint32_t depth, struct tlb_shape_set *miss, unsigned words)
{
	s->depth[depth]++;
	for (unsigned i = 0; i < words; i++)
		miss->bits[i] |= s->depth_miss[depth].bits[i];
}

/* What is above index k moves down.  The first few are written one by one, the others in vectors, as they will be read. */
static inline void words_raise(uint32_t *word, uint32_t k, uint32_t first)
{
	uint32_t i = k;
	for (; i >= TOP + 4; i -= 4)
		*(four *)(word + i - 3) = *(const four *)(word + i - 4);
	for (; i > 0; i--)
		word[i] = word[i - 1];
	word[0] = first;
}

/* The page at index k comes to the front. */
static inline void window_raise(struct tlb_stack *s, uint32_t k, uint32_t page, uint32_t low)
{
	words_raise(s->window, k, page);
	words_raise(s->low, k, low);
	for (unsigned i = s->n_powers; i < s->n_sets; i++) {
		uint32_t *in = s->set[i].in_window, mine = in[k];
		for (uint32_t j = k; j > 0; j--)
			in[j] = in[j - 1];
		in[0] = mine;
	}
}

/* The top of the window while it is in registers. */
struct top {
	uint32_t page[TOP], low[TOP];
};

static inline void top_load(const struct tlb_stack *s, struct top *t)
{
	for (unsigned i = 0; i < TOP; i++) {
		t->page[i] = s->window[i];
		t->low[i] = s->low[i];
	}
}

static inline void top_store(struct tlb_stack *s, const struct top *t)
{
	for (unsigned i = 0; i < TOP; i++) {
		s->window[i] = t->page[i];
		s->low[i] = t->low[i];
	}
}

/* A hit close to the top: which sets it shares with the pages above says all, so that is counted.  Without branches, because how deep
 * hits are cannot be predicted.  => the pattern; the page is one of t->page[1 .. NEAR] */
static inline unsigned near_hit(struct tlb_stack *s, struct top *t, uint32_t page)
{
	bool is_1 = page == t->page[1], is_3 = page == t->page[3];
	uint32_t low = is_1 ? t->low[1] : is_3 ? t->low[3] : t->low[2];
	unsigned first = is_1 ? 0 : is_3 ? 16 + 16 * 16 : 16, shift = is_1 ? 8 : is_3 ? 0 : 4;
	unsigned all = low_common(t->low[0], low) << 8 | low_common(t->low[1], low) << 4 | low_common(t->low[2], low);
	unsigned pattern = first + (all >> shift);
	s->near[pattern]++;
	t->page[3] = is_3 ? t->page[2] : t->page[3];
	t->low[3] = is_3 ? t->low[2] : t->low[3];
	t->page[2] = is_1 ? t->page[2] : t->page[1];
	t->low[2] = is_1 ? t->low[2] : t->low[1];
	t->page[1] = t->page[0];
	t->low[1] = t->low[0];
	t->page[0] = page;
	t->low[0] = low;
	return pattern;
}

/* Where a page stands in the window, or WINDOW.  The top is looked at one by one: it was written a moment ago, and a vector of it
 * would wait for the writes. */
static inline uint32_t top_find(const struct tlb_stack *s, uint32_t page)
{
	unsigned match = (unsigned)(s->window[0] == page) | (unsigned)(s->window[1] == page) << 1 |
			 (unsigned)(s->window[2] == page) << 2 | (unsigned)(s->window[3] == page) << 3;
	return match ? (uint32_t)__builtin_ctz(match) : WINDOW;
}

static inline uint32_t below_find(const struct tlb_stack *s, uint32_t page)
{
	if (s->n <= TOP)
		return WINDOW;
	uint64_t match = (line_match(s->window + TOP, page) | (uint64_t)line_match(s->window + TOP + LINE, page) << LINE) &
			 ((1ull << (s->n - TOP)) - 1);
	return match ? TOP + (uint32_t)__builtin_ctzll(match) : WINDOW;
}

static inline __attribute__((always_inline)) void window_hit(struct tlb_stack *s, uint32_t k, struct tlb_shape_set *miss,
							      unsigned words)
{
	struct neighbours c = neighbours_of(s, k, s->low[k]);
	count_depth(s, k, miss, words);
	for (unsigned i = 0; i < s->n_powers; i++) { /* the more sets, the fewer neighbours */
		uint32_t distance = neighbours_in(s, &c, &s->set[i], k, 0);
		if (distance == 0)
			break;
		count_distance(&s->set[i], distance, miss, words);
	}
	for (unsigned i = s->n_powers; i < s->n_sets; i++) {
		uint32_t distance = neighbours_in(s, &c, &s->set[i], k, s->set[i].in_window[k]);
		if (distance)
			count_distance(&s->set[i], distance, miss, words);
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
	memset(s->window, 0, TOP * sizeof *s->window); /* no page: nothing is found there */
}

/* A page that is not in the window. */
static inline void window_miss(struct tlb_stack *s, uint32_t page, struct tlb_shape_set *miss)
{
	uint64_t number = number_of(s, page);
	uint32_t low = (uint32_t)number & ((1u << LOW_BITS) - 1);
	uint32_t state = s->state[page], n = s->n;
	bool known = state == (s->epoch << 2 | PAGE_KNOWN);
	struct neighbours c = neighbours_of(s, n, low);
	uint32_t position = tlb_order_take(&s->order, page) + n, where[SETS_MAX];
	if (known) {
		count_depth(s, position < s->order.depth ? position : s->order.depth, miss, s->shape_words);
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

__attribute__((target_clones("avx2", "default"), flatten))
static void reference(struct tlb_stack *s, uint32_t base, bool first_store)
{
	uint32_t page = s->group ? s->group[base] : base;
	uint32_t k = top_find(s, page);
	struct tlb_shape_set miss;
	for (unsigned i = 0; i < s->shape_words; i++)
		miss.bits[i] = 0;
	k = k < WINDOW ? k : below_find(s, page);
	if (k == WINDOW)
		window_miss(s, page, &miss);
	else if (k > 0 && s->shape_words == 1)
		window_hit(s, k, &miss, 1);
	else if (k > 0)
		window_hit(s, k, &miss, s->shape_words);
	if (s->walks && (first_store || s->shape_words > 1 || miss.bits[0]))
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

void tlb_stack_pattern(struct tlb_stack *s, unsigned pattern, uint64_t n, struct tlb_shape_set *miss)
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
			tlb_stack_pattern(s, i, s->near[i], NULL);
			s->near[i] = 0;
		}
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
	memset(s->window, 0, TOP * sizeof *s->window);
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

__attribute__((target_clones("avx2", "default")))
void tlb_stack_eat(struct tlb_stack *s, const struct tlb_batch *batch)
{
	const uint32_t *at = batch->page, *end = at + batch->n_pages, *group = s->group;
	struct top t;
	top_load(s, &t);
	for (; at < end; at++) {
		uint32_t word = *at;
		if (!(word & ~(TLB_LOG_FIRST_STORE - 1))) {
			uint32_t page = group ? group[word] : word;
			if (page == t.page[0])
				continue;
			if (s->near_usable && (page == t.page[1] || page == t.page[2] || page == t.page[3])) {
				unsigned pattern = near_hit(s, &t, page);
				if (s->near_any[pattern] && s->walks)
					tlb_walks_walk(s->walks, &s->near_miss[pattern], word);
				continue;
			}
		}
		top_store(s, &t);
		if (word & 1u << 31)
			at += command(s, at) - 1;
		else
			reference(s, word & (TLB_LOG_FIRST_STORE - 1), word & TLB_LOG_FIRST_STORE);
		top_load(s, &t);
	}
	top_store(s, &t);
	near_settle(s);
}
