/* kernel_test.c - the kernel over the specification of a pmap: the books' counts, equality with independent reference policies,
 * the causes of faults, and what each call does to memory. */
#include "../src/base/rng.h"
#include "reference_policies.h"
#include "rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#define assert_sound(r)                                                                  \
	do {                                                                             \
		const char *flaw_ = kernel_flaw((r)->kernel);                            \
		if (flaw_)                                                               \
			fail_msg("line %d: %s", __LINE__, flaw_);                        \
	} while (0)

/* Books. */

static uint64_t book_faults(const char *policy, const uint32_t *page, uint64_t n, uint64_t frames)
{
	struct rig r;
	const struct rig_want want = { .policy = policy, .n_frames = frames + 64, .page_frames = frames, .page = page, .n_refs = n };
	assert_int_equal(rig_open(&r, &want), PW_OK);
	assert_true(rig_run_trace(&r, page, NULL, n));
	assert_sound(&r);
	struct kernel_counts c = rig_counts(&r);
	assert_int_equal(c.faults.total, c.faults.major);
	assert_int_equal(c.faults.total - c.evicted, frames < c.touched_pages ? frames : c.touched_pages);
	assert_int_equal(c.written_back, 0);
	rig_close(&r);
	return c.faults.total;
}

static void test_silberschatz(void **state)
{
	static const uint32_t page[] = { 7, 0, 1, 2, 0, 3, 0, 4, 2, 3, 0, 3, 2, 1, 2, 0, 1, 7, 0, 1 };
	enum { N = sizeof page / sizeof *page };
	(void)state;
	assert_int_equal(book_faults("fifo", page, N, 3), 15);
	assert_int_equal(book_faults("lru", page, N, 3), 12);
	assert_int_equal(book_faults("opt", page, N, 3), 9);
}

static void test_belady(void **state)
{
	static const uint32_t page[] = { 1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5 };
	enum { N = sizeof page / sizeof *page };
	(void)state;
	assert_int_equal(book_faults("fifo", page, N, 3), 9);
	assert_int_equal(book_faults("fifo", page, N, 4), 10);
}

/* A program of a million references: a hot set that moves, a loop slightly too large, and noise. */
static void program_make(uint32_t *page, bool *is_store, uint64_t n, uint32_t n_pages, uint64_t seed)
{
	struct rng g;
	rng_init(&g, seed);
	for (uint64_t i = 0; i < n; i++) {
		uint64_t phase = i / 50000, kind = rng_below(&g, 10);
		if (kind < 5)
			page[i] = (uint32_t)((phase * 37 + rng_below(&g, 60) * rng_below(&g, 60) / 20) % n_pages);
		else if (kind < 8)
			page[i] = (uint32_t)((i / 8 + phase * 11) % 260);
		else
			page[i] = (uint32_t)rng_below(&g, n_pages);
		is_store[i] = rng_below(&g, 4) == 0;
	}
}

static void test_reference_policies(void **state)
{
	enum { N = 1000000, PAGES = 1000 };
	static const char *const policy[] = { "fifo", "lru", "clock", "opt" };
	static const uint32_t frames[] = { 3, 100, 250 };
	uint32_t *page = malloc(N * sizeof *page);
	bool *is_store = malloc(N * sizeof *is_store);
	(void)state;
	assert_non_null(page);
	assert_non_null(is_store);
	program_make(page, is_store, N, PAGES, 12345);
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned j = 0; j < 3; j++) {
			uint64_t n = frames[j] == 3 ? N / 10 : N;
			struct reference_result expected;
			struct rig r;
			const struct rig_want want = {
				.policy = policy[i], .n_frames = frames[j] + 64, .page_frames = frames[j], .page = page, .n_refs = n,
			};
			assert_true(reference_policy_run(policy[i], page, is_store, n, PAGES, frames[j], &expected));
			assert_int_equal(rig_open(&r, &want), PW_OK);
			assert_true(rig_run_trace(&r, page, is_store, n));
			assert_sound(&r);
			struct kernel_counts c = rig_counts(&r);
			print_message("%s, %u frames: %lu faults, %lu written back\n", policy[i], frames[j],
			              (unsigned long)expected.faults, (unsigned long)expected.write_backs);
			assert_int_equal(c.faults.total, expected.faults);
			assert_int_equal(c.written_back, expected.write_backs);
			rig_close(&r);
		}
	}
	free(page);
	free(is_store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silberschatz),
		cmocka_unit_test(test_belady),
		cmocka_unit_test(test_reference_policies),
	};
	return cmocka_run_group_tests_name("kernel", tests, NULL, NULL);
}
