/* process_test.c - what processes cost and what they may: figures of fork, of switching with and without ASIDs. */
#include "kernel_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum { RW = PMAP_READ | PMAP_WRITE };

/* A kernel over a machine that carries no data, for many pages. */
struct big {
	struct machine *m;
	struct pmap_sys *pmap;
	struct kernel *kernel;
	uint64_t copies;
};

static void count_copy(void *ctx, pfn_t from)
{
	(void)from;
	((struct big *)ctx)->copies++;
}

static void big_open(struct big *b, uint64_t frames, unsigned asid_bits)
{
	struct cpu_model cpu = *cpu_at(0);
	cpu.asid_bits = asid_bits;
	const struct machine_config c = { .format = ptfmt_find("x86-64"), .frames = frames, .n_cpus = 1, .cpu = &cpu };
	struct pw_why why = { "" };
	*b = (struct big){ 0 };
	assert_int_equal(machine_create(&c, &b->m, &why), PW_OK);
	assert_int_equal(pmap_machine_create(b->m, &b->pmap), PW_OK);
	const struct kernel_config k = {
		.pmap = b->pmap, .memory = machine_physmem(b->m), .n_frames = frames, .page_shift = 12, .policy = policy_find("clock"),
		.cost = &cost_default, .copied = count_copy, .ctx = b,
	};
	assert_int_equal(kernel_create(&k, &b->kernel, &why), PW_OK);
}

static void big_close(struct big *b)
{
	kernel_destroy(b->kernel);
	pmap_sys_destroy(b->pmap);
	machine_destroy(b->m);
}

static void map_at(struct process *p, uint64_t page, uint64_t n)
{
	const struct process_mapping m = { .start = vaddr(page << 12), .bytes = n << 12, .fixed = true, .prot = RW, .anonymous = true };
	vaddr_t at;
	assert_int_equal(process_map(p, &m, &at), PW_OK);
}

static void touch(struct big *b, struct process *p, uint64_t page, enum access_kind kind)
{
	ref_t r = ref_make(vaddr(page << 12), kind);
	process_activate(p, 0);
	for (int i = 0; i < 4; i++) {
		if (machine_run(b->m, 0, &r, 1).why == MACHINE_DONE)
			return;
		assert_int_equal(process_fault(p, 0, vaddr(page << 12), kind).outcome, FAULT_OUTCOME_RESOLVED);
	}
	fail_msg("page %lu faults for ever", (unsigned long)page);
}

static void a_fork_copies_no_page(void **state)
{
	enum { PAGES = 1 << 20, BASE = 1 << 20 };
	struct big b;
	struct process *parent, *child;
	struct kernel_counts before, after;
	(void)state;
	big_open(&b, PAGES + PAGES / 64, 12);
	assert_int_equal(process_create(b.kernel, 1, "large", &parent), PW_OK);
	map_at(parent, BASE, PAGES);
	for (uint64_t i = 0; i < PAGES; i++)
		touch(&b, parent, BASE + i, ACCESS_STORE);
	kernel_counts(b.kernel, &before);
	assert_int_equal(before.resident_pages, PAGES);
	assert_int_equal(process_fork(parent, 2, &child), PW_OK);
	kernel_counts(b.kernel, &after);
	assert_int_equal(b.copies, 0);
	assert_int_equal(after.resident_pages, PAGES);
	touch(&b, child, BASE + 5, ACCESS_LOAD);
	assert_int_equal(b.copies, 0);
	touch(&b, parent, BASE + 77777, ACCESS_STORE);
	kernel_counts(b.kernel, &after);
	assert_int_equal(b.copies, 1);
	assert_int_equal(after.resident_pages, PAGES + 1);
	assert_int_equal(after.faults.by_cause[FAULT_copy_on_write], 1);
	touch(&b, child, BASE + 77777, ACCESS_STORE); /* the other is alone with the old page: it takes it over */
	assert_int_equal(b.copies, 1);
	print_message("fork of %u resident pages: no page copied, %lu KiB of page tables; one store after it: one page copied\n", PAGES,
	              (unsigned long)((after.table_bytes - before.table_bytes) >> 10));
	big_close(&b);
}

/* Two processes that take turns, each going round its own pages. */
static uint64_t walks_of_two(unsigned asid_bits)
{
	enum { PAGES = 24, QUANTUM = 200, TURNS = 400, BASE = 1 << 16 };
	struct big b;
	struct process *p[2];
	struct machine_counts before, after;
	big_open(&b, 4096, asid_bits);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(process_create(b.kernel, i + 1, "turn", &p[i]), PW_OK);
		map_at(p[i], BASE, PAGES);
		for (unsigned j = 0; j < PAGES; j++)
			touch(&b, p[i], BASE + j, ACCESS_STORE);
	}
	machine_counts(b.m, &before);
	for (unsigned turn = 0; turn < TURNS; turn++)
		for (unsigned i = 0; i < QUANTUM; i++)
			touch(&b, p[turn % 2], BASE + i % PAGES, ACCESS_LOAD);
	machine_counts(b.m, &after);
	big_close(&b);
	return after.walks - before.walks;
}

static void asids_save_misses(void **state)
{
	(void)state;
	uint64_t with = walks_of_two(12), without = walks_of_two(0);
	print_message("400 turns of 200 references, 24 pages each: %lu walks with ASIDs, %lu without\n", (unsigned long)with,
	              (unsigned long)without);
	assert_int_equal(without, 24 * 400); /* each turn begins with an empty TLB */
	assert_true(with <= 2 * 24);         /* the first time round, at most */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fork_copies_no_page),
		cmocka_unit_test(asids_save_misses),
	};
	return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
