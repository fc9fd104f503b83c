/* hashed_test.c - the hashed page table: its arithmetic against figures worked out by hand from the manual, what happens when groups
 * are full, and spaces that share one table. */
#include "table_frames.h"
#include "../src/base/rng.h"
#include "../src/machine/explain.h"
#include "../src/machine/hashed.h"
#include "../src/pmap/pmap.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#define RW (PMAP_READ | PMAP_WRITE | PMAP_EXEC | PMAP_USER)

/* VSID 0x53 (context 5, segment 3), page index 0xabcd: hash 0xab9e, its complement 0x75461. */
static void worked_by_hand(void **state)
{
	(void)state;
	vaddr_t va = vaddr(0x3abcd123);
	pfn_t small = hashed_root(pfn(0x200), 64 << 10, 5), large = hashed_root(pfn(0x200), 256 << 10, 5);
	assert_int_equal(hashed_group(small, va, false).v, 0x20e780);
	assert_int_equal(hashed_group(large, va, false).v, 0x22e780);
	assert_int_equal(hashed_group(small, va, true).v, 0x201840);
	assert_int_equal(hashed_group(large, va, true).v, 0x211840);
	assert_int_equal(hashed_name(large, va, false) >> 32, 0x800029aa);
	assert_int_equal(hashed_name(large, va, true) >> 32, 0x800029ea);
	assert_int_equal(hashed_table_bytes(8 << 20), 64 << 10);
	assert_int_equal(hashed_table_bytes(64 << 20), 512 << 10);
	assert_int_equal(hashed_table_bytes(4ull << 30), 32 << 20);
}

static void names_tell_the_page(void **state)
{
	(void)state;
	struct rng r;
	rng_init(&r, 71);
	for (unsigned i = 0; i < 20000; i++) {
		uint32_t context = (uint32_t)rng_below(&r, HASHED_CONTEXTS), found;
		uint64_t bytes = (uint64_t)HASHED_BYTES_LEAST << rng_below(&r, 10);
		pfn_t root = hashed_root(pfn(rng_below(&r, 8) * (HASHED_BYTES_MOST >> 12)), bytes, context);
		vaddr_t va = vaddr(rng_below(&r, 1ull << 32) & ~4095ull);
		bool second = rng_below(&r, 2);
		paddr_t at = paddr_add(hashed_group(root, va, second), 8 * rng_below(&r, HASHED_GROUP));
		assert_in_range(at.v, (root.v & 0xfffff) << 12, ((root.v & 0xfffff) << 12) + bytes - 8);
		assert_int_equal(hashed_page(root, at, pte(hashed_name(root, va, second)), &found).v, va.v);
		assert_int_equal(found, context);
	}
}

/* ---- tables in a machine ---- */

struct bed {
	struct machine *m;
	struct pmap_sys *sys;
	struct pmap *space[3];
	struct table_frames tables;
};

/* The frames for tables begin off every boundary. */
static void bed_make(struct bed *b)
{
	struct cpu_model cpu = { .name = "test", .asid_bits = 3 };
	struct pw_why why = { "" };
	assert_int_equal(tlb_parse("l1=4/2,l2=16/4", cpu.tlb, &cpu.n_tlbs, &why), PW_OK);
	struct machine_config c = { .format = ptfmt_find("hashed"), .frames = 2000, .n_cpus = 1, .cpu = &cpu, .seed = 1 };
	*b = (struct bed){ .tables.next = 1501 };
	assert_int_equal(machine_create(&c, &b->m, &why), PW_OK);
	assert_int_equal(pmap_machine_create(b->m, &b->sys), PW_OK);
	b->tables.machine = b->m;
	b->sys->env = table_frames_env(&b->tables);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pmap_create(b->sys, &b->space[i]), PW_OK);
	pmap_activate(b->space[0], 0);
}

static void bed_clear(struct bed *b)
{
	for (unsigned i = 0; i < 3; i++)
		assert_null(pmap_flaw(b->space[i]));
	for (unsigned i = 0; i < 3; i++)
		pmap_unref(b->space[i]);
	assert_int_equal(b->tables.taken, 0);
	pmap_sys_destroy(b->sys);
	machine_destroy(b->m);
}

static void map(struct pmap *p, uint64_t page, uint64_t frame, bool wired)
{
	const struct pmap_mapping m = { .vpn = vpn(page), .pfn = pfn(frame), .prot = RW, .cause = ACCESS_LOAD, .wired = wired };
	assert_int_equal(pmap_enter(p, &m), PW_OK);
}

static enum machine_fault touch(struct bed *b, uint64_t page, enum access_kind kind)
{
	ref_t r = ref_make(vaddr(page << 12), kind);
	return machine_run(b->m, 0, &r, 1).fault;
}

static void explain_as_the_machine(struct bed *b, uint64_t page, enum machine_fault fault, uint64_t frame)
{
	struct memory_view view = memory_view_of(machine_physmem(b->m));
	const struct explain_want want = { .va = vaddr(page << 12 | 0x123), .user = true };
	struct explain e;
	explain_walk(ptfmt_find("hashed"), &view, pfn_addr(pmap_machine_root(b->space[0]), 12), &want, &e);
	assert_int_equal(e.fault, fault);
	if (fault == MACHINE_FAULT_NONE)
		assert_int_equal(e.pa.v, frame << 12 | 0x123);
}

struct list {
	uint64_t n, last;
};

static bool list_leaf(void *ctx, const struct explain_leaf *leaf)
{
	struct list *l = ctx;
	assert_true(l->n++ == 0 || leaf->va.v > l->last);
	l->last = leaf->va.v;
	return true;
}

static bool list_trouble(void *ctx, enum explain_trouble t, vaddr_t va, unsigned level, paddr_t at, pte_t e)
{
	(void)ctx, (void)t, (void)va, (void)level, (void)at, (void)e;
	fail_msg("nothing is damaged");
	return false;
}

/* 64 pages whose hashes differ only above the ten bits that pick a group of the smallest table. */
static void full_groups_forget(void **state)
{
	(void)state;
	struct bed b;
	unsigned here = 0;
	bed_make(&b);
	for (uint64_t i = 0; i < 64; i++) {
		map(b.space[0], i << 10 | 5, 100 + i, i < 15);
		assert_int_equal(touch(&b, i << 10 | 5, ACCESS_STORE), MACHINE_FAULT_NONE);
		assert_null(pmap_flaw(b.space[0]));
	}
	for (uint64_t i = 0; i < 64; i++) {
		enum machine_fault fault = touch(&b, i << 10 | 5, ACCESS_LOAD);
		assert_true(fault == MACHINE_FAULT_NONE || (fault == MACHINE_FAULT_NOT_PRESENT && i >= 15));
		here += fault == MACHINE_FAULT_NONE;
		explain_as_the_machine(&b, i << 10 | 5, fault, 100 + i);
		assert_int_equal(pmap_page_test(b.sys, pfn(100 + i), PMAP_MODIFIED), PMAP_MODIFIED);
	}
	assert_int_equal(here, 16);
	struct list l = { 0, 0 };
	struct memory_view view = memory_view_of(machine_physmem(b.m));
	const struct explain_visitor v = { list_leaf, list_trouble, &l };
	assert_true(explain_space(ptfmt_find("hashed"), &view, pfn_addr(pmap_machine_root(b.space[0]), 12), &v));
	assert_int_equal(l.n, 16);
	assert_int_equal(pmap_resident_pages(b.space[0]), 16);
	bed_clear(&b);
}

/* What lies beyond the last page is not the first page again. */
static void the_end_does_not_wrap(void **state)
{
	(void)state;
	struct bed b;
	bed_make(&b);
	map(b.space[0], 0, 100, false);
	map(b.space[0], (1 << 20) - 1, 101, false);
	pmap_remove(b.space[0], vpn_range(vpn((1 << 20) - 1), 5));
	assert_int_equal(touch(&b, (1 << 20) - 1, ACCESS_LOAD), MACHINE_FAULT_NOT_PRESENT);
	assert_int_equal(touch(&b, 0, ACCESS_LOAD), MACHINE_FAULT_NONE);
	assert_int_equal(touch(&b, 1 << 20, ACCESS_LOAD), MACHINE_FAULT_NONCANONICAL);
	bed_clear(&b);
}

/* A walk is as long as the entries it had to look at. */
static void walks_read_what_they_compare(void **state)
{
	(void)state;
	struct bed b;
	struct machine_counts before, after;
	bed_make(&b);
	for (uint64_t i = 0; i < 12; i++)
		map(b.space[0], i << 10 | 5, 100 + i, false);
	for (uint64_t i = 0; i < 12; i++) {
		machine_counts(b.m, &before);
		assert_int_equal(touch(&b, i << 10 | 5, ACCESS_LOAD), MACHINE_FAULT_NONE);
		machine_counts(b.m, &after);
		assert_int_equal(after.walk_references - before.walk_references, i + 1);
		assert_int_equal(after.walk_level[0], after.walk_references);
	}
	bed_clear(&b);
}

/* One table for all: the same pages of three spaces, in a random history.  What is mapped may be forgotten, never confused. */
static void spaces_share_a_table(void **state)
{
	(void)state;
	struct bed b;
	struct rng r;
	uint64_t model[3][64] = { { 0 } };
	rng_init(&r, 72);
	bed_make(&b);
	for (unsigned step = 0; step < 20000; step++) {
		unsigned who = (unsigned)rng_below(&r, 3), n = (unsigned)rng_below(&r, 64), far;
		uint64_t page = (uint64_t)n << 14 | 77, got = 0, frame = 100 + rng_below(&r, 1000);
		pmap_activate(b.space[who], 0);
		switch (rng_below(&r, 5)) {
		case 0:
			map(b.space[who], page, frame, false);
			model[who][n] = frame;
			break;
		case 1:
			far = rng_below(&r, 2) ? n + 16 : n + 1;
			far = far < 64 ? far : 64;
			pmap_remove(b.space[who], vpn_range(vpn(page), far > n + 1 ? ((uint64_t)far << 14) - page : 1));
			for (unsigned i = n; i < far; i++)
				model[who][i] = 0;
			break;
		default:
			if (machine_read(b.m, 0, vaddr(page << 12), &got, 8).why == MACHINE_DONE) {
				struct pmap_mapping m;
				assert_true(pmap_extract(b.space[who], vpn(page), &m));
				assert_int_equal(m.pfn.v, model[who][n]);
			}
		}
		if (step % 500 == 0)
			for (unsigned i = 0; i < 3; i++) {
				const char *flaw = pmap_flaw(b.space[i]);
				assert_string_equal(flaw ? flaw : "", "");
			}
	}
	bed_clear(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(worked_by_hand),
		cmocka_unit_test(names_tell_the_page),
		cmocka_unit_test(full_groups_forget),
		cmocka_unit_test(the_end_does_not_wrap),
		cmocka_unit_test(walks_read_what_they_compare),
		cmocka_unit_test(spaces_share_a_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
