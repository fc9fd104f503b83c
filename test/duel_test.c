/* duel_test.c - policies alone over dense page numbers: the same figures as plainly written policies, whatever the threads. */
#include "../src/base/rng.h"
#include "../src/sim/duel.h"
#include "../src/sim/run.h"
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

/* Every policy as it comes, and those whose windows would be too wide to see anything with narrow ones. */
static const char *const narrow[] = {
	"ws:tau=1", "ws:tau=7", "ws:tau=60", "pff:interval=2", "pff:interval=9", "vmin:tau=1", "vmin:tau=7", "vmin:tau=60",
};

static const char *spec_at(unsigned i)
{
	unsigned n = 0;
	while (policy_at(n))
		n++;
	if (i < n)
		return policy_at(i)->name;
	return i - n < sizeof narrow / sizeof *narrow ? narrow[i - n] : NULL;
}

static struct duel_cell cell_of(const char *spec, uint32_t frames)
{
	struct duel_cell cell = { .seed = 1, .frames = frames };
	assert_int_equal(policy_parse(spec, &cell.policy, &cell.params, NULL), PW_OK);
	return cell;
}

static void compare_plainly(const struct stream *s, const char *spec, uint32_t frames, uint64_t seed)
{
	struct duel_cell cell = cell_of(spec, frames);
	struct reference_result want;
	if (!reference_policy_run(spec, s->page, s->store, s->n, s->n_pages, frames, &want)) {
		assert_string_equal(spec, "random"); /* every other one has been written twice */
		return;
	}
	struct duel *d = duel_over(s, &cell, 1, 1, 700);
	struct duel_result got;
	duel_result(d, 0, &got);
	if (got.faults != want.faults || got.written_back != want.write_backs)
		fail_msg("%s, %u frames, %u pages, seed %lu: %lu faults and %lu written back, plainly %lu and %lu", spec, frames,
		         s->n_pages, (unsigned long)seed, (unsigned long)got.faults, (unsigned long)got.written_back,
		         (unsigned long)want.faults, (unsigned long)want.write_backs);
	duel_destroy(d);
}

static void as_plainly_written(void **state)
{
	static struct stream s;
	(void)state;
	for (uint64_t seed = 1; seed <= 24; seed++) {
		struct rng r;
		rng_init(&r, seed);
		uint32_t n_pages = seed == 1 ? 1 : 2 + (uint32_t)rng_below(&r, 100), frames = 1 + (uint32_t)(seed % 20);
		stream_mixed(&s, 2000, n_pages, seed);
		for (unsigned i = 0; spec_at(i); i++)
			compare_plainly(&s, spec_at(i), frames, seed);
	}
	stream_mixed(&s, 7000, 390, 77); /* enough frames for shares of a hundredth to be more than one */
	for (unsigned i = 0; spec_at(i); i++) {
		compare_plainly(&s, spec_at(i), 210, 77);
		compare_plainly(&s, spec_at(i), 390, 77);
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

/* A trace as a stream: pages by number in order of first use. */
static void stream_of_trace(struct stream *s, const char *spec)
{
	static uint64_t seen[PAGES_MAX];
	struct pw_why why = { "" };
	struct trace *t;
	struct trace_item item;
	struct rng unused = { { 0 } };
	uint32_t n = 0, n_pages = 0;
	assert_int_equal(trace_open(spec, &t, &why), PW_OK);
	for (trace_next(t, &item); item.kind != TRACE_ITEM_END; trace_next(t, &item)) {
		for (uint64_t i = 0; item.kind == TRACE_ITEM_REFS && i < item.n_refs; i++) {
			uint32_t id = 0;
			while (id < n_pages && seen[id] != vpn_of(ref_va(item.refs[i]), 12).v)
				id++;
			assert_true(id < PAGES_MAX && n < REFS);
			if (id == n_pages)
				seen[n_pages++] = vpn_of(ref_va(item.refs[i]), 12).v;
			s->store[n] = ref_kind(item.refs[i]) == ACCESS_STORE;
			s->page[n++] = id;
		}
	}
	trace_close(t);
	bool store[REFS];
	memcpy(store, s->store, sizeof store);
	stream_finish(s, n, n_pages, &unused);
	for (uint32_t i = 0; i < n; i++) {
		s->store[i] = store[i];
		s->ref[i] = duel_ref(s->page[i], store[i]);
	}
}

static struct kernel_counts counts_of_run(const char *spec, const struct duel_cell *cell, enum refbits bits, uint64_t *ret_touched)
{
	struct pw_why why = { "" };
	struct run_options o;
	struct trace *t;
	struct run *r;
	struct result result;
	run_options_init(&o);
	o.policy = cell->policy;
	o.policy_params = cell->params;
	o.page_frames = cell->frames;
	o.seed = cell->seed;
	o.refbits = bits;
	assert_int_equal(trace_open(spec, &t, &why), PW_OK);
	assert_int_equal(run_create(&o, &r, &why), PW_OK);
	assert_int_equal(run_begin(r, t, &why), PW_OK);
	while (run_step(r) == RUN_GOING)
		;
	assert_int_equal(run_error(r, &why), PW_OK);
	assert_int_equal(run_result(r, &result, &why), PW_OK);
	if (result.checks.n_failed)
		fail_msg("%s, %s: %s", spec, cell->policy->name, result.checks.failed[0]);
	struct kernel_counts counts = result.kernel;
	*ret_touched = result.kernel.touched_pages;
	result_fini(&result);
	run_destroy(r);
	trace_close(t);
	return counts;
}

static const char *const specs[] = {
	"zipf:pages=300,s=0.8,refs=12000,seed=4,writes=0.2", "phases:pages=300,set=30,length=3000,refs=9000,seed=2",
	"loop:pages=31,refs=3000", "random:pages=60,refs=6000,seed=3", "test/data/sort.pwt",
};

/* 38,000 references of a recorded sort. */
static void as_plainly_on_a_program(void **state)
{
	static struct stream s;
	static const uint32_t frames[] = { 3, 30 };
	(void)state;
	stream_of_trace(&s, "test/data/sort.pwt");
	assert_true(s.n == 38000 && s.n_pages > 20);
	for (unsigned f = 0; f < sizeof frames / sizeof *frames; f++)
		for (unsigned i = 0; spec_at(i); i++)
			compare_plainly(&s, spec_at(i), frames[f], 0);
}

/* The machine, its TLBs, the kernel and its restarts of references show a policy exactly what the bare stream shows it. */
static void duel_is_run(void **state)
{
	static struct stream s;
	static const uint32_t frames[] = { 1, 2, 7, 30, 150 };
	(void)state;
	for (unsigned k = 0; k < sizeof specs / sizeof *specs; k++) {
		stream_of_trace(&s, specs[k]);
		for (unsigned i = 0; spec_at(i); i++) {
			for (unsigned f = 0; f < sizeof frames / sizeof *frames; f++) {
				struct duel_cell cell = cell_of(spec_at(i), frames[f]);
				struct duel *d = duel_over(&s, &cell, 1, 1, 5000);
				struct duel_result got;
				uint64_t touched;
				duel_result(d, 0, &got);
				duel_destroy(d);
				struct kernel_counts want = counts_of_run(specs[k], &cell, REFBITS_EXACT, &touched);
				if (got.faults != want.faults.total || got.written_back != want.written_back)
					fail_msg("%s, %s, %u frames: alone %lu faults and %lu written back, in a machine %lu and %lu",
					         specs[k], spec_at(i), frames[f], (unsigned long)got.faults,
					         (unsigned long)got.written_back, (unsigned long)want.faults.total,
					         (unsigned long)want.written_back);
			}
		}
	}
}

/* With nothing but accessed bits a policy does what it can: each page faults at least once, and the books balance. */
static void hardware_bits_suffice(void **state)
{
	(void)state;
	for (unsigned i = 0; policy_at(i); i++) {
		struct duel_cell cell = { .policy = policy_at(i), .seed = 9, .frames = 30 };
		uint64_t touched;
		struct kernel_counts c = counts_of_run(specs[0], &cell, REFBITS_HARDWARE, &touched);
		assert_true(c.faults.total >= touched);
	}
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
		cmocka_unit_test(as_plainly_written), cmocka_unit_test(as_plainly_on_a_program),
		cmocka_unit_test(threads_change_nothing), cmocka_unit_test(pages_that_cease),
		cmocka_unit_test(duel_is_run), cmocka_unit_test(hardware_bits_suffice),
		cmocka_unit_test(bad_cells_are_refused),
	};
	return cmocka_run_group_tests_name("duel", tests, NULL, NULL);
}
