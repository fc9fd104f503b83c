/* duel_test.c - policies alone over dense page numbers: the same figures as plainly written policies, whatever the threads. */
#include "../src/base/rng.h"
#include "../src/sim/duel.h"
#include "reference_policies.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { REFS = 40000, PAGES_MAX = 400 };

/* A stream: what the references are, and when each page comes again. */
struct stream {
	uint32_t page[REFS], ref[REFS];
	bool store[REFS];
	uint64_t next[REFS];
	uint32_t n, n_pages;
};

static void stream_finish(struct stream *s, uint32_t n, uint32_t n_pages, struct rng *r)
{
	uint64_t soonest[PAGES_MAX];
	s->n = n;
	s->n_pages = n_pages;
	for (uint32_t i = 0; i < n_pages; i++)
		soonest[i] = POLICY_NEVER;
	for (uint32_t i = n; i-- > 0;) {
		s->store[i] = rng_below(r, 5) == 0;
		s->ref[i] = duel_ref(s->page[i], s->store[i]);
		s->next[i] = soonest[s->page[i]];
		soonest[s->page[i]] = i + 1;
	}
}

/* Some pages more than others, some loops, some repeats. */
static void stream_mixed(struct stream *s, uint32_t n, uint32_t n_pages, uint64_t seed)
{
	struct rng r;
	rng_init(&r, seed);
	for (uint32_t i = 0; i < n;) {
		uint32_t kind = (uint32_t)rng_below(&r, 4), length = 1 + (uint32_t)rng_below(&r, 3 * n_pages);
		uint32_t from = (uint32_t)rng_below(&r, n_pages), span = 1 + (uint32_t)rng_below(&r, n_pages);
		for (uint32_t k = 0; k < length && i < n; k++, i++) {
			double u = rng_unit(&r);
			uint32_t page = kind == 0 ? k % span : kind == 1 ? (uint32_t)(u * span) : (uint32_t)(u * u * u * n_pages);
			s->page[i] = kind == 3 && k % 3 ? s->page[i - 1] : (from + page) % n_pages;
		}
	}
	stream_finish(s, n, n_pages, &r);
}

static struct duel *duel_over(const struct stream *s, const struct duel_cell *cells, unsigned n, unsigned threads, uint32_t piece)
{
	struct duel *d;
	struct pw_why why = { "" };
	assert_int_equal(duel_create(cells, n, threads, &d, &why), PW_OK);
	for (uint32_t at = 0; at < s->n; at += piece) {
		uint32_t count = s->n - at < piece ? s->n - at : piece;
		assert_int_equal(duel_feed(d, s->ref + at, s->next + at, count), PW_OK);
	}
	const char *flaw = duel_flaw(d);
	if (flaw)
		fail_msg("%s", flaw);
	return d;
}

static void as_plainly_written(void **state)
{
	static struct stream s;
	(void)state;
	for (uint64_t seed = 1; seed <= 30; seed++) {
		struct rng r;
		rng_init(&r, seed);
		uint32_t n_pages = seed == 1 ? 1 : 2 + (uint32_t)rng_below(&r, 100);
		stream_mixed(&s, 3000, n_pages, seed);
		for (unsigned i = 0; policy_at(i); i++) {
			struct duel_cell cell = { .policy = policy_at(i), .seed = 1, .frames = 1 + (uint32_t)rng_below(&r, 24) };
			struct reference_result want;
			if (!reference_policy_run(cell.policy->name, s.page, s.store, s.n, s.n_pages, cell.frames, &want))
				continue;
			struct duel *d = duel_over(&s, &cell, 1, 1, 700);
			struct duel_result got;
			duel_result(d, 0, &got);
			if (got.faults != want.faults || got.written_back != want.write_backs)
				fail_msg("%s, %u frames, %u pages, seed %lu: %lu faults and %lu written back, plainly %lu and %lu",
				         cell.policy->name, cell.frames, n_pages, (unsigned long)seed, (unsigned long)got.faults,
				         (unsigned long)got.written_back, (unsigned long)want.faults, (unsigned long)want.write_backs);
			duel_destroy(d);
		}
	}
}

/* The number of threads and the size of the pieces change nothing. */
static void threads_change_nothing(void **state)
{
	static struct stream s;
	struct duel_cell cell[64];
	unsigned n = 0;
	(void)state;
	stream_mixed(&s, REFS, PAGES_MAX, 5);
	for (unsigned i = 0; policy_at(i) && n < 60; i++)
		for (uint32_t frames = 10; frames <= 200; frames *= 19)
			cell[n++] = (struct duel_cell){ .policy = policy_at(i), .seed = 3, .frames = frames };
	struct duel *a = duel_over(&s, cell, n, 1, REFS), *b = duel_over(&s, cell, n, 3, 999);
	for (unsigned i = 0; i < n; i++) {
		struct duel_result x, y;
		duel_result(a, i, &x);
		duel_result(b, i, &y);
		assert_memory_equal(&x, &y, sizeof x);
		assert_int_equal(x.references, REFS);
		assert_int_equal(x.faults - x.evicted, x.resident);
		assert_true(x.resident_mean <= x.resident_peak);
	}
	duel_destroy(a);
	duel_destroy(b);
}

/* A page that is gone leaves its frame without an eviction, and is new when its number comes again. */
static void pages_that_cease(void **state)
{
	(void)state;
	for (unsigned i = 0; policy_at(i); i++) {
		struct duel_cell cell = { .policy = policy_at(i), .seed = 1, .frames = 4 };
		struct duel *d;
		struct duel_result r;
		struct rng g;
		rng_init(&g, i);
		assert_int_equal(duel_create(&cell, 1, 2, &d, NULL), PW_OK);
		for (unsigned k = 0; k < 3000; k++) {
			uint32_t page = (uint32_t)rng_below(&g, 9), ref = duel_ref(page, k & 1);
			uint64_t next = POLICY_NEVER;
			assert_int_equal(duel_feed(d, &ref, &next, 1), PW_OK);
			assert_int_equal(duel_gone(d, page), PW_OK);
		}
		assert_null(duel_flaw(d));
		duel_result(d, 0, &r);
		assert_int_equal(r.faults, 3000);
		assert_int_equal(r.evicted, 0);
		assert_int_equal(r.written_back, 0);
		assert_int_equal(r.resident, 0);
		duel_destroy(d);
	}
}

static void bad_cells_are_refused(void **state)
{
	struct duel *d;
	struct pw_why why = { "" };
	struct duel_cell cell = { .policy = policy_at(0) };
	(void)state;
	assert_int_equal(duel_create(&cell, 1, 1, &d, &why), PW_INVALID);
	assert_null(d);
	assert_non_null(strstr(why.text, "frames"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_plainly_written), cmocka_unit_test(threads_change_nothing), cmocka_unit_test(pages_that_cease),
		cmocka_unit_test(bad_cells_are_refused),
	};
	return cmocka_run_group_tests_name("duel", tests, NULL, NULL);
}
