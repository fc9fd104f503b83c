/* huge_test.c - blocks of frames, and the huge pages made of them.
 *
 * The buddy allocator against random demands; then, page by page, when a huge page is given, promoted, split, evicted, and what each
 * of that counts.  Huge pages here have eight base pages (kernel_world.h); what they are for, TLB reach, is shown on x86-64. */
#include "../src/base/mem.h"
#include "../src/base/rng.h"
#include "../src/kernel/frame.h"
#include "kernel_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

enum { RW = PMAP_READ | PMAP_WRITE, N = WORLD_HUGE_PAGES };

/* ---- blocks ---- */

struct demand {
	struct frames fs;
	uint32_t taken[4096];
	unsigned n;
};

static void demand_take(struct demand *d, struct rng *g)
{
	uint32_t f = 0;
	unsigned n = 1, what = (unsigned)rng_below(g, 6);
	if (what == 1)
		n = 1 + (unsigned)rng_below(g, 5);
	enum pw_err err = what == 0   ? frame_take_block(&d->fs, &f)
	                  : what == 1 ? frame_take_tables(&d->fs, n, &f)
	                  : what == 2 ? frame_take_held(&d->fs, &f)
	                              : frame_take_page(&d->fs, &f);
	if (what == 0 && !err) {
		n = 1u << d->fs.order;
		assert_int_equal(f % n, 0);
	}
	for (unsigned i = 0; !err && i < n; i++)
		d->taken[d->n++] = f + i;
}

static void demand_move(struct demand *d, struct rng *g)
{
	uint32_t to, from = d->taken[rng_below(g, d->n)];
	if (d->fs.at[from].state != FRAME_BUSY || frame_take_held(&d->fs, &to))
		return;
	uint32_t slot = slot_of_frame(&d->fs, from);
	frame_move(&d->fs, from, to);
	assert_int_equal(slot_of_frame(&d->fs, to), slot);
	d->taken[d->n++] = to;
}

/* A frame of one's choice, as compaction takes it. */
static void demand_hold(struct demand *d, struct rng *g)
{
	uint32_t f = (uint32_t)rng_below(g, d->fs.n);
	if (d->fs.at[f].state != FRAME_FREE)
		return;
	frame_hold(&d->fs, f);
	d->taken[d->n++] = f;
}

static void blocks_are_kept(void **state)
{
	static struct demand d;
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct rng g;
		rng_init(&g, seed);
		uint64_t n = 1 + rng_below(&g, 900);
		unsigned order = (unsigned)rng_below(&g, 6);
		d.n = 0;
		assert_int_equal(frames_init(&d.fs, n, order ? n : n / 2, order), PW_OK);
		for (unsigned step = 0; step < 3000; step++) {
			unsigned what = (unsigned)rng_below(&g, 9);
			if (what < 4) {
				demand_take(&d, &g);
			} else if (what == 4 && order && d.n) {
				demand_move(&d, &g);
			} else if (what == 5) {
				demand_hold(&d, &g);
			} else if (d.n) {
				unsigned i = (unsigned)rng_below(&g, d.n);
				frame_give(&d.fs, d.taken[i]);
				d.taken[i] = d.taken[--d.n];
			}
			const char *flaw = frames_flaw(&d.fs);
			if (flaw)
				fail_msg("seed %lu, step %u: %s", (unsigned long)seed, step, flaw);
		}
		while (d.n)
			frame_give(&d.fs, d.taken[--d.n]);
		assert_null(frames_flaw(&d.fs));
		assert_true(d.fs.n_free == n);
		double lost = (double)(n % (1u << order)) / (double)n; /* all that is left in pieces is the end of memory */
		assert_true(frames_fragmentation(&d.fs) <= lost + 1e-9 && frames_fragmentation(&d.fs) >= lost - 1e-9);
		frames_fini(&d.fs);
	}
}

/* ---- huge pages ---- */

static struct world w;

static struct process *begin(enum huge_when huge, uint64_t frames, unsigned fragment)
{
	const struct world_want want = { .machine = true, .asid_bits = 4, .policy = "lru", .swap = "ram", .n_frames = frames,
		                         .huge = huge, .fragment = fragment, .seed = 5 };
	struct process *p;
	assert_int_equal(world_open(&w, &want), PW_OK);
	assert_int_equal(process_create(w.kernel, 1, "huge", &p), PW_OK);
	return p;
}

static struct kernel_counts counts(void)
{
	struct kernel_counts c;
	const char *flaw = kernel_flaw(w.kernel);
	if (flaw)
		fail_msg("%s", flaw);
	kernel_counts(w.kernel, &c);
	return c;
}

static void map_at(struct process *p, uint64_t page, uint64_t n)
{
	const struct process_mapping m = { .start = world_address(page), .bytes = n * WORLD_PAGE, .fixed = true, .prot = RW,
		                           .anonymous = true };
	vaddr_t at;
	assert_int_equal(process_map(p, &m, &at), PW_OK);
}

static void store(struct process *p, uint64_t page, uint64_t value)
{
	assert_int_equal(world_write(&w, p, 0, page, 1, value), PW_OK);
}

static void holds(struct process *p, uint64_t page, uint64_t value)
{
	struct model_words seen;
	assert_int_equal(world_read(&w, p, 1, page, &seen), PW_OK);
	assert_true(seen.word[1] == value && !seen.word[0]);
}

static unsigned level_at(struct process *p, uint64_t page)
{
	struct pmap_mapping m;
	return pmap_extract(process_pmap(p), vpn(WORLD_BASE + page), &m) ? m.level : 9;
}

static void given_at_a_fault(void **state)
{
	(void)state;
	struct process *p = begin(HUGE_always, 400, 0);
	map_at(p, 3, 5 * N);
	store(p, 3, 30); /* before the first whole range: a base page */
	store(p, N + 2, 10);
	assert_int_equal(level_at(p, 3), 0);
	assert_int_equal(level_at(p, N), 1);
	holds(p, N + 2, 10);
	holds(p, N + 7, 0);
	struct kernel_counts c = counts();
	assert_int_equal(c.huge.faults, 1);
	assert_int_equal(c.huge.filled_pages, N - 1);
	assert_int_equal(c.huge_pages, N);
	assert_int_equal(c.resident_pages, N + 1);
	assert_int_equal(c.faults.total, 2);
	world_close(&w);

	p = begin(HUGE_madvise, 400, 0);
	map_at(p, 0, 4 * N);
	store(p, 0, 1);
	assert_int_equal(level_at(p, 0), 0);
	assert_int_equal(process_advise(p, world_address(N), N * WORLD_PAGE, MADV_HUGEPAGE), PW_OK);
	store(p, N, 2);
	store(p, 2 * N, 3);
	assert_int_equal(level_at(p, N), 1);
	assert_int_equal(level_at(p, 2 * N), 0);
	world_close(&w);
}

/* Whatever happens to a part makes it base pages, and no byte changes. */
static void split_when_a_part_is_meant(void **state)
{
	(void)state;
	struct process *p = begin(HUGE_always, 400, 0), *child;
	map_at(p, 0, 8 * N);
	for (uint64_t i = 0; i < 8 * N; i++)
		store(p, i, 100 + i);
	assert_int_equal(counts().huge_pages, 8 * N);
	assert_int_equal(process_protect(p, world_address(2), 3 * WORLD_PAGE, PMAP_READ), PW_OK);
	assert_int_equal(level_at(p, 0), 0);
	assert_int_equal(world_write(&w, p, 0, 3, 1, 0), PW_ACCESS);
	assert_int_equal(process_unmap(p, world_address(N + 7), 2 * WORLD_PAGE), PW_OK); /* two are cut */
	assert_int_equal(level_at(p, N), 0);
	assert_int_equal(level_at(p, 2 * N + 1), 0);
	assert_int_equal(process_advise(p, world_address(3 * N + 1), WORLD_PAGE, MADV_DONTNEED), PW_OK);
	assert_int_equal(process_protect(p, world_address(4 * N), N * WORLD_PAGE, PMAP_READ), PW_OK);
	assert_int_equal(level_at(p, 4 * N), 1); /* the whole of it */
	assert_int_equal(world_write(&w, p, 0, 4 * N + 1, 1, 0), PW_ACCESS);
	assert_int_equal(process_advise(p, world_address(5 * N + 1), WORLD_PAGE, ADVICE_PAGEOUT), PW_OK);
	assert_int_equal(counts().huge_pages, 3 * N);
	assert_int_equal(counts().huge.split, 5);
	assert_int_equal(process_fork(p, 2, &child), PW_OK);
	assert_int_equal(counts().huge_pages, 0);
	store(child, 6 * N, 1);
	for (uint64_t i = 0; i < 8 * N; i++) {
		if (i != N + 7 && i != 2 * N)
			holds(p, i, i == 3 * N + 1 ? 0 : 100 + i);
		if (i != N + 7 && i != 2 * N && i != 6 * N)
			holds(child, i, i == 3 * N + 1 ? 0 : 100 + i);
	}
	assert_null(kernel_flaw(w.kernel));
	world_close(&w);
}

static void evicted_as_one(void **state)
{
	(void)state;
	struct process *p = begin(HUGE_always, 100, 0);
	map_at(p, 0, 30 * N);
	for (uint64_t i = 0; i < 30 * N; i++)
		store(p, i, 7 * i);
	struct kernel_counts c = counts();
	assert_true(c.evicted >= 10 * N && c.oom_kills == 0);
	for (uint64_t i = 0; i < 30 * N; i++)
		holds(p, i, 7 * i);
	counts();
	world_close(&w);
}

static void made_by_a_scan_and_by_advice(void **state)
{
	(void)state;
	struct process *p = begin(HUGE_always, 400, 0);
	map_at(p, 0, 4 * N);
	assert_int_equal(process_advise(p, world_address(0), 4 * N * WORLD_PAGE, MADV_NOHUGEPAGE), PW_OK);
	for (uint64_t i = 0; i < 3 * N; i += 2)
		store(p, i, i + 1);
	assert_int_equal(counts().huge_pages, 0);
	kernel_promote(w.kernel, 1000);
	assert_int_equal(counts().huge_pages, 0);
	assert_int_equal(process_advise(p, world_address(0), WORLD_PAGE * N, MADV_HUGEPAGE), PW_OK);
	kernel_promote(w.kernel, 1000);
	assert_int_equal(level_at(p, 0), 1);
	assert_int_equal(counts().huge.promoted, 1);
	assert_int_equal(counts().huge.filled_pages, N / 2);
	assert_int_equal(process_advise(p, world_address(N), 2 * WORLD_PAGE * N, ADVICE_COLLAPSE), PW_OK);
	assert_int_equal(counts().huge.promoted, 3);
	assert_int_equal(counts().huge.moved_pages, 3 * N / 2);
	for (uint64_t i = 0; i < 3 * N; i++)
		holds(p, i, i % 2 ? 0 : i + 1);
	world_close(&w);
}

static uint64_t frames_of_role(enum frame_role role)
{
	struct frame_info info;
	uint64_t n = 0;
	for (uint64_t f = 0; kernel_frame_describe(w.kernel, pfn(f), &info); f++)
		n += info.role == role;
	return n;
}

/* Memory in which every block has a frame that is not free: pages move until one is whole. */
static void compacted(void **state)
{
	(void)state;
	struct process *p = begin(HUGE_always, 40 * N, 100);
	assert_true(kernel_fragmentation(w.kernel) > 0.99);
	assert_int_equal(frames_of_role(FRAME_ROLE_HELD), 40);
	map_at(p, 0, 30 * N);
	for (uint64_t i = 0; i < 20 * N; i++)
		store(p, i, 9 * i);
	struct kernel_counts c = counts();
	assert_true(c.huge.compactions > 0);
	assert_true(c.huge_pages >= 10 * N);
	for (uint64_t i = 0; i < 20 * N; i++)
		holds(p, i, 9 * i);
	world_close(&w);
}

static void explicit_or_none(void **state)
{
	(void)state;
	struct process *p = begin(HUGE_madvise, 64, 0), *other;
	struct process_mapping m = { .start = world_address(0), .bytes = 4 * N * WORLD_PAGE, .fixed = true, .prot = RW, .anonymous = true,
		                     .huge = true };
	vaddr_t at;
	m.bytes -= WORLD_PAGE;
	assert_int_equal(process_map(p, &m, &at), PW_INVALID);
	m.bytes += WORLD_PAGE;
	assert_int_equal(process_map(p, &m, &at), PW_OK);
	for (uint64_t i = 0; i < 4 * N; i++)
		store(p, i, i);
	assert_int_equal(counts().huge_pages, 4 * N);
	assert_int_equal(process_unmap(p, world_address(1), WORLD_PAGE), PW_INVALID);
	assert_int_equal(process_protect(p, world_address(0), WORLD_PAGE, PMAP_READ), PW_INVALID);
	assert_int_equal(process_create(w.kernel, 2, "small", &other), PW_OK);
	map_at(other, 0, 200);
	for (uint64_t i = 0; i < 200; i++)
		store(other, i, i);
	assert_int_equal(counts().huge_pages, 4 * N); /* never evicted */
	m.start = world_address(8 * N);
	assert_int_equal(process_map(p, &m, &at), PW_OK);
	unsigned given = 0;
	enum pw_err err = PW_OK;
	for (; given < 4 && !err; given += !err)
		err = world_write(&w, p, 0, 8 * N + given * N, 0, 1);
	assert_true(err == PW_IO && given < 4); /* SIGBUS: no more can be had */
	for (uint64_t i = 0; i < 4 * N; i++)
		holds(p, i, i);
	assert_int_equal(process_unmap(p, world_address(0), 4 * N * WORLD_PAGE), PW_OK);
	counts();
	world_close(&w);
}

/* What they are for: the same references, 64 MiB at random, over x86-64. */
static uint64_t walks_with(enum huge_when huge)
{
	enum { PAGES = 1 << 14, REFS = 200000, BASE = 1 << 18 };
	const struct machine_config mc = { .format = ptfmt_find("x86-64"), .frames = PAGES * 2, .n_cpus = 1, .cpu = cpu_at(0) };
	struct machine *m;
	struct pmap_sys *pmap;
	struct kernel *k;
	struct process *p;
	struct rng g;
	vaddr_t at;
	assert_int_equal(machine_create(&mc, &m, NULL), PW_OK);
	assert_int_equal(pmap_machine_create(m, &pmap), PW_OK);
	const struct kernel_config kc = {
		.pmap = pmap, .memory = machine_physmem(m), .n_frames = PAGES * 2, .page_shift = 12, .policy = policy_find("clock"),
		.cost = &cost_default, .huge_shift = 9, .huge = huge,
	};
	assert_int_equal(kernel_create(&kc, &k, NULL), PW_OK);
	assert_int_equal(process_create(k, 1, "random", &p), PW_OK);
	const struct process_mapping all = { .start = vaddr((uint64_t)BASE << 12), .bytes = (uint64_t)PAGES << 12, .fixed = true,
		                             .prot = RW, .anonymous = true };
	assert_int_equal(process_map(p, &all, &at), PW_OK);
	process_activate(p, 0);
	rng_init(&g, 3);
	for (unsigned i = 0; i < REFS;) {
		ref_t r = ref_make(vaddr((BASE + rng_below(&g, PAGES)) << 12), ACCESS_STORE);
		while (machine_run(m, 0, &r, 1).why == MACHINE_FAULTED)
			assert_int_equal(process_fault(p, 0, ref_va(r), ACCESS_STORE).outcome, FAULT_OUTCOME_RESOLVED);
		i++;
	}
	struct machine_counts c;
	machine_counts(m, &c);
	assert_null(kernel_flaw(k));
	kernel_destroy(k);
	pmap_sys_destroy(pmap);
	machine_destroy(m);
	return c.walks;
}

static void reach(void **state)
{
	(void)state;
	uint64_t base = walks_with(HUGE_never), huge = walks_with(HUGE_always);
	print_message("200000 stores at random to 64 MiB: %lu walks with base pages, %lu with huge ones\n", (unsigned long)base,
	              (unsigned long)huge);
	assert_true(base > 100000 && huge <= 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_kept),
		cmocka_unit_test(given_at_a_fault),
		cmocka_unit_test(split_when_a_part_is_meant),
		cmocka_unit_test(evicted_as_one),
		cmocka_unit_test(made_by_a_scan_and_by_advice),
		cmocka_unit_test(compacted),
		cmocka_unit_test(explicit_or_none),
		cmocka_unit_test(reach),
	};
	return cmocka_run_group_tests_name("huge", tests, NULL, NULL);
}
