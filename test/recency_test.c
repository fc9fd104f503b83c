/* recency_test.c - the structures below curves alone, each against its definition: the LRU stack with holes, the sequence of the optimal
 * policy, the scale of sizes. */
#include "../src/base/rng.h"
#include "../src/sim/recency.h"
#include "../src/sim/scale.h"
#include "../src/sim/seq.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum { NUMBERS = 300, PLACES = 4096 };

/* The definition: an array of places from the top, RECENCY_HOLE where nobody is. */
struct plain {
	uint32_t at[PLACES];
	unsigned n;
};

static unsigned plain_find(const struct plain *p, uint32_t number)
{
	unsigned i = 0;
	while (i < p->n && p->at[i] != number)
		i++;
	return i;
}

/* What every memory of n frames does: places above the lesser of the page's own and the topmost hole move down. */
static unsigned plain_use(struct plain *p, uint32_t number)
{
	unsigned d = plain_find(p, number), hole = plain_find(p, RECENCY_HOLE), end = d < hole ? d : hole;
	if (d < p->n && hole < d)
		p->at[d] = RECENCY_HOLE;
	if (end == p->n)
		p->n++;
	memmove(p->at + 1, p->at, end * sizeof *p->at);
	p->at[0] = number;
	return d + 1;
}

struct compare {
	const struct plain *plain;
	unsigned n;
};

static void compare_place(void *ctx, uint32_t number, uint64_t depth)
{
	struct compare *c = ctx;
	assert_int_equal(depth, ++c->n);
	while (c->plain->at[c->n - 1] != number)
		fail_msg("at depth %u lies %u, not %u", c->n, number, c->plain->at[c->n - 1]);
}

static void stack_and_plain(uint64_t seed, bool with_deaths)
{
	static struct plain plain;
	struct rng rng;
	struct recency r;
	plain.n = 0;
	rng_init(&rng, seed);
	assert_int_equal(recency_init(&r), PW_OK);
	assert_int_equal(recency_cover(&r, NUMBERS), PW_OK);
	for (unsigned i = 0; i < 120000; i++) {
		uint32_t number = (uint32_t)(rng_below(&rng, 4) ? rng_below(&rng, 40) : rng_below(&rng, NUMBERS));
		unsigned at = plain_find(&plain, number);
		if (with_deaths && at < plain.n && plain.n < PLACES - 2 && rng_below(&rng, 16) == 0) {
			plain.at[at] = RECENCY_HOLE;
			assert_int_equal(recency_die(&r, number), PW_OK);
			continue;
		}
		uint64_t depth = recency_depth(&r, number);
		assert_int_equal(depth, at < plain.n ? at + 1 : 0);
		assert_int_equal(recency_lift(&r, number), depth);
		assert_int_equal(recency_push(&r, number), PW_OK);
		plain_use(&plain, number);
		assert_int_equal(r.held, plain.n);
		if (i % 5000 == 0) {
			struct compare c = { &plain, 0 };
			recency_each(&r, compare_place, &c);
			assert_int_equal(c.n, plain.n);
			const char *flaw = recency_flaw(&r);
			if (flaw)
				fail_msg("seed %llu: %s", (unsigned long long)seed, flaw);
		}
	}
	recency_fini(&r);
}

static void test_stack(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++) {
		stack_and_plain(seed, false);
		stack_and_plain(seed, true);
	}
}

/* The sequence of opt: settling is a pass of bubble sort, whatever the blocks. */
static void test_seq(void **state)
{
	enum { N = 1500 };
	static uint32_t page[N], time[N];
	struct seq s;
	struct rng rng;
	unsigned n = 0;
	(void)state;
	rng_init(&rng, 4);
	assert_int_equal(seq_init(&s, N), PW_OK);
	for (unsigned round = 0; round < 4000; round++) {
		uint32_t x = (uint32_t)rng_below(&rng, N), t = (uint32_t)rng_below(&rng, 1000000), i = 0;
		if (seq_has(&s, x)) {
			struct seq_at at = seq_find(&s, x);
			while (page[i] != x)
				i++;
			assert_int_equal(seq_rank(&s, at), i);
			seq_take(&s, at);
			n--;
			memmove(page + i, page + i + 1, (n - i) * sizeof *page);
			memmove(time + i, time + i + 1, (n - i) * sizeof *time);
		}
		memmove(page + 1, page, n * sizeof *page);
		memmove(time + 1, time, n * sizeof *time);
		page[0] = x;
		time[0] = t;
		n++;
		seq_put_first(&s, x, t);
		seq_settle(&s, seq_end(&s));
		for (i = 0; i + 1 < n; i++)
			if (time[i] > time[i + 1]) {
				uint32_t p = page[i], q = time[i];
				page[i] = page[i + 1];
				time[i] = time[i + 1];
				page[i + 1] = p;
				time[i + 1] = q;
			}
		if (round % 100)
			continue;
		if (seq_flaw(&s))
			fail_msg("round %u: %s", round, seq_flaw(&s));
		i = 0;
		for (struct seq_at at = seq_begin(&s); !seq_is_end(&s, at); at = seq_after(&s, at))
			assert_int_equal(seq_page(&s, at), page[i++]);
		assert_int_equal(i, n);
	}
	seq_fini(&s);
}

static void test_scale(void **state)
{
	(void)state;
	for (unsigned i = 0; i + 1 < SCALE_CELLS; i++) {
		assert_int_equal(scale_cell(scale_size(i)), i);
		assert_int_equal(scale_cell(scale_size(i) + 1), i + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_stack), cmocka_unit_test(test_scale), cmocka_unit_test(test_seq) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
