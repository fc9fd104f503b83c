/* explain_test.c - the explainer against the walker, on tables that are right, wrong, and noise.
 *
 * The explainer must say of every address what the machine does.  Tables are filled with entries of which many are valid, some
 * large, some damaged, some point back to tables above them; then every walk is made by both. */
#include "../src/base/mem.h"
#include "../src/base/rng.h"
#include "../src/machine/explain.h"
#include "../src/machine/walk.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

enum { FRAMES = 64, TABLES = 16, ROUNDS = 60, ADDRESSES = 400 };

static uint64_t noisy_entry(const struct ptfmt *f, struct rng *r)
{
	unsigned level = (unsigned)rng_below(r, f->levels), what = (unsigned)rng_below(r, 16);
	if (what < 2)
		return rng_next(r);
	if (what < 3)
		return 0;
	if (what < 8)
		return ptfmt_make_leaf(f, level, pfn(rng_below(r, FRAMES + 8)), (unsigned)rng_below(r, 32)).v;
	return ptfmt_make_table(f, level, pfn(rng_below(r, TABLES))).v;
}

static void tables_fill(const struct ptfmt *f, struct physmem *mem, struct rng *r)
{
	uint64_t bytes = (uint64_t)TABLES << f->page_shift;
	for (uint64_t at = 0; at < bytes; at += f->entry_bytes)
		physmem_store(mem, paddr(at), noisy_entry(f, r), f->entry_bytes);
}

static vaddr_t noisy_address(const struct ptfmt *f, struct rng *r)
{
	uint64_t va = rng_next(r);
	return vaddr(rng_below(r, 20) == 0 ? va : ptfmt_extend(f, va));
}

static void compare(const struct ptfmt *f, struct physmem *mem, struct rng *r)
{
	struct memory_view view = memory_view_of(mem);
	struct explain_want want = { noisy_address(f, r), (enum access_kind)rng_below(r, ACCESS_KINDS), rng_below(r, 2) };
	struct walk_want same = { .va = want.va, .kind = want.kind, .user = want.user };
	struct explain e;
	struct walk w;
	pfn_t root = pfn(rng_below(r, TABLES));
	explain_walk(f, &view, pfn_addr(root, f->page_shift), &want, &e);
	walk_from_root(f, mem, root, &same, &w);
	assert_int_equal(e.fault, w.fault);
	assert_int_equal(e.n_steps, w.fault == MACHINE_FAULT_NONCANONICAL ? 0 : w.reads + (e.n_steps && !e.step[e.n_steps - 1].present) +
			 (f->top_in_registers && e.n_steps && e.step[0].present));
	if (e.n_steps && e.step[e.n_steps - 1].present) {
		assert_int_equal(e.step[e.n_steps - 1].entry.v, w.entry.v);
		assert_int_equal(e.step[e.n_steps - 1].entry_at.v, w.entry_at.v);
	}
	if (e.fault == MACHINE_FAULT_NONE) {
		assert_int_equal(e.rights, w.rights);
		assert_int_equal(e.pa.v >> f->page_shift, w.pfn.v + (vpn_of(want.va,
		                                                            f->page_shift).v & (ptfmt_level_pages(f, w.level) - 1)));
	}
	FILE *null = fopen("/dev/null", "w");
	assert_non_null(null);
	struct jsonw j;
	jsonw_init(&j, null);
	explain_print(&e, null);
	explain_json(&e, NULL, &j);
	assert_int_equal(jsonw_finish(&j), PW_OK);
	fclose(null);
}

static void test_as_the_walker(void **state)
{
	(void)state;
	struct rng r;
	rng_init(&r, 46);
	for (unsigned i = 0; ptfmt_at(i); i++) {
		const struct ptfmt *f = ptfmt_at(i);
		struct physmem mem;
		if (f->levels == 1)
			continue; /* its one table is larger than this memory */
		assert_int_equal(physmem_init(&mem, FRAMES, f->page_shift), PW_OK);
		for (unsigned round = 0; round < ROUNDS; round++) {
			tables_fill(f, &mem, &r);
			for (unsigned a = 0; a < ADDRESSES / 10; a++)
				compare(f, &mem, &r);
		}
		physmem_fini(&mem);
	}
}

/* ---- listing ---- */

struct listed {
	const struct ptfmt *f;
	struct physmem *mem;
	pfn_t root;
	uint64_t leaves, troubles[EXPLAIN_TROUBLES], most, last_va;
	bool any;
};

/* Every leaf that is listed is what a walk finds, and they rise. */
static bool leaf_check(void *ctx, const struct explain_leaf *leaf)
{
	struct listed *l = ctx;
	struct walk_want want = { .va = leaf->va };
	struct walk w;
	unsigned up = 64 - l->f->va_bits;
	uint64_t va = leaf->va.v << up;
	assert_true(!l->any || va > l->last_va);
	l->last_va = va;
	l->any = true;
	walk_from_root(l->f, l->mem, l->root, &want, &w);
	assert_int_equal(w.level, leaf->level);
	assert_int_equal(w.entry.v, leaf->entry.v);
	if (w.fault != MACHINE_FAULT_BADFRAME)
		assert_int_equal(w.rights, leaf->rights);
	return ++l->leaves < l->most;
}

static bool trouble_count(void *ctx, enum explain_trouble t, vaddr_t va, unsigned level, paddr_t at, pte_t e)
{
	struct listed *l = ctx;
	(void)va, (void)level, (void)at, (void)e;
	l->troubles[t]++;
	return true;
}

static struct listed list(const struct ptfmt *f, struct physmem *mem, pfn_t root, uint64_t most)
{
	struct listed l = { .f = f, .mem = mem, .root = root, .most = most };
	struct memory_view view = memory_view_of(mem);
	const struct explain_visitor v = { leaf_check, trouble_count, &l };
	explain_space(f, &view, pfn_addr(root, f->page_shift), &v);
	return l;
}

static void test_lists_noise(void **state)
{
	(void)state;
	struct rng r;
	rng_init(&r, 47);
	for (unsigned i = 0; ptfmt_at(i); i++) {
		const struct ptfmt *f = ptfmt_at(i);
		struct physmem mem;
		if (f->levels == 1)
			continue;
		assert_int_equal(physmem_init(&mem, FRAMES, f->page_shift), PW_OK);
		tables_fill(f, &mem, &r);
		struct listed l = list(f, &mem, pfn(0), 20000);
		assert_true(l.leaves > 0);
		physmem_fini(&mem);
	}
}

/* A table that maps itself, as some systems have: its pages are listed once, the loop is reported, and it ends. */
static void test_recursive_mapping(void **state)
{
	(void)state;
	const struct ptfmt *f = ptfmt_find("x86-64");
	struct physmem mem;
	assert_int_equal(physmem_init(&mem, FRAMES, f->page_shift), PW_OK);
	for (unsigned t = 0; t < 3; t++)
		physmem_store(&mem, paddr((uint64_t)t << 12), ptfmt_make_table(f, 3 - t, pfn(t + 1)).v, 8);
	physmem_store(&mem, paddr(3 << 12), ptfmt_make_leaf(f, 0, pfn(9), PT_READ | PT_WRITE | PT_USER).v, 8);
	physmem_store(&mem, paddr(510 * 8), ptfmt_make_table(f, 3, pfn(0)).v, 8);
	struct listed l = list(f, &mem, pfn(0), UINT64_MAX);
	/* The page, and each of the four tables as a page of the recursive slot. */
	assert_int_equal(l.leaves, 5);
	assert_true(l.troubles[EXPLAIN_LOOP] >= 1);
	physmem_fini(&mem);
}

/* Every entry of a table points to the table itself: 2^36 pages, if one believed it. */
static void test_endless_loop_ends(void **state)
{
	(void)state;
	const struct ptfmt *f = ptfmt_find("x86-64");
	struct physmem mem;
	assert_int_equal(physmem_init(&mem, FRAMES, f->page_shift), PW_OK);
	for (unsigned i = 0; i < 512; i++)
		physmem_store(&mem, paddr(i * 8), ptfmt_make_table(f, 3, pfn(0)).v, 8);
	struct listed l = list(f, &mem, pfn(0), UINT64_MAX);
	assert_true(l.leaves >= EXPLAIN_LOOP_LEAVES && l.leaves < EXPLAIN_LOOP_LEAVES + 512);
	physmem_fini(&mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_the_walker), cmocka_unit_test(test_lists_noise), cmocka_unit_test(test_recursive_mapping),
		cmocka_unit_test(test_endless_loop_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
