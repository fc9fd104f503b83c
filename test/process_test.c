/* process_test.c - what processes cost and what they may: fork, switching with and without ASIDs; locks, limits, write-back. */
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

/* ---- what they may ---- */

static struct world w;

static struct process *begin(struct world_want want)
{
	struct process *p;
	want.policy = "lru";
	want.n_frames = want.n_frames ? want.n_frames : 200;
	want.swap = want.swap ? want.swap : "ram";
	assert_int_equal(world_open(&w, &want), PW_OK);
	assert_int_equal(process_create(w.kernel, 1, "one", &p), PW_OK);
	return p;
}

static enum pw_err map_small(struct process *p, uint64_t page, uint64_t n, struct process_mapping m)
{
	vaddr_t at;
	m.start = world_address(page);
	m.bytes = n * WORLD_PAGE;
	m.fixed = true;
	m.prot = RW;
	return process_map(p, &m, &at);
}
static const struct process_mapping private_memory = { .anonymous = true };
static const struct process_mapping shared_file = { .shared = true, .file_id = 1, .file_bytes = WORLD_FILE_BYTES };

static bool resident(struct process *p, uint64_t page)
{
	struct pmap_mapping m;
	return pmap_extract(process_pmap(p), vpn(WORLD_BASE + page), &m);
}

static void finish(void)
{
	const char *flaw = kernel_flaw(w.kernel);
	if (flaw)
		fail_msg("%s", flaw);
	world_close(&w);
}

static void locked_pages_stay(void **state)
{
	(void)state;
	for (int machine = 0; machine < 2; machine++) {
		struct process *p = begin((struct world_want){ .machine = machine, .page_frames = 20, .asid_bits = 2 }), *child;
		assert_int_equal(map_small(p, 0, 100, private_memory), PW_OK);
		assert_int_equal(map_small(p, 100, 4, shared_file), PW_OK);
		process_limit(p, PROCESS_LIMIT_lock, 8 * WORLD_PAGE);
		assert_int_equal(process_lock(p, world_address(10), 9 * WORLD_PAGE, true), PW_LIMIT);
		assert_int_equal(process_lock(p, world_address(10), 6 * WORLD_PAGE, true), PW_OK);
		assert_int_equal(process_lock(p, world_address(101), 2 * WORLD_PAGE, true), PW_OK);
		assert_int_equal(process_lock(p, world_address(98), 10 * WORLD_PAGE, true), PW_NOTMAPPED);
		for (uint64_t i = 20; i < 100; i++)
			assert_int_equal(world_write(&w, p, 0, i, 1, i), PW_OK);
		for (uint64_t i = 10; i < 16; i++)
			assert_true(resident(p, i));
		assert_true(resident(p, 101) && resident(p, 102));
		assert_int_equal(process_advise(p, world_address(10), WORLD_PAGE, ADVICE_PAGEOUT), PW_INVALID);
		assert_int_equal(process_advise(p, world_address(10), WORLD_PAGE, ADVICE_DONTNEED), PW_INVALID);
		assert_int_equal(process_fork(p, 2, &child), PW_OK); /* which locks nothing */
		assert_int_equal(world_write(&w, p, 0, 10, 1, 7), PW_OK);
		assert_int_equal(process_lock(p, world_address(10), 6 * WORLD_PAGE, false), PW_OK);
		assert_int_equal(process_unmap(p, world_address(100), 4 * WORLD_PAGE), PW_OK);
		for (uint64_t i = 20; i < 100; i++)
			assert_int_equal(world_write(&w, child, 0, i, 1, i), PW_OK);
		for (uint64_t i = 10; i < 16; i++)
			assert_false(resident(p, i));
		finish();
	}
}

/* What is not there is not brought in, and stays once it comes; names tell mappings apart. */
static void locked_on_fault(void **state)
{
	(void)state;
	struct mapping_info info;
	struct process *p = begin((struct world_want){ .page_frames = 20 });
	assert_int_equal(map_small(p, 0, 100, private_memory), PW_OK);
	process_limit(p, PROCESS_LIMIT_lock, 12 * WORLD_PAGE);
	assert_int_equal(world_write(&w, p, 0, 10, 1, 10), PW_OK);
	assert_int_equal(process_lock_onfault(p, world_address(10), 13 * WORLD_PAGE), PW_LIMIT);
	assert_int_equal(process_lock_onfault(p, world_address(10), 12 * WORLD_PAGE), PW_OK);
	assert_int_equal(process_locked_bytes(p), 12 * WORLD_PAGE);
	assert_true(resident(p, 10) && !resident(p, 11));
	assert_int_equal(world_write(&w, p, 0, 11, 1, 11), PW_OK);
	for (uint64_t i = 22; i < 100; i++)
		assert_int_equal(world_write(&w, p, 0, i, 1, i), PW_OK);
	assert_true(resident(p, 10) && resident(p, 11) && !resident(p, 12));
	assert_int_equal(process_name(p, world_address(50), 2 * WORLD_PAGE, "cache"), PW_OK);
	assert_int_equal(process_name(p, world_address(99), 2 * WORLD_PAGE, "cache"), PW_NOTMAPPED);
	assert_true(process_mapping_at(p, world_address(51), &info));
	assert_string_equal(info.name, "cache");
	assert_int_equal(info.bytes, 2 * WORLD_PAGE);
	assert_true(process_mapping_at(p, world_address(11), &info) && info.locked);
	assert_int_equal(process_advise(p, world_address(10), WORLD_PAGE, ADVICE_DONTNEED_LOCKED), PW_OK);
	assert_false(resident(p, 10));
	finish();
}

/* Nothing can be evicted: somebody is ended, and told why. */
static void out_of_memory_says_why(void **state)
{
	(void)state;
	struct process *p = begin((struct world_want){ .page_frames = 20 });
	assert_int_equal(map_small(p, 0, 100, private_memory), PW_OK);
	assert_int_equal(process_lock(p, world_address(0), 30 * WORLD_PAGE, true), PW_NOFRAMES);
	struct process_info info;
	process_describe(p, &info);
	assert_non_null(info.killed);
	print_message("%s\n", info.killed);
	assert_non_null(strstr(info.killed, "of 1 process this one held most: 20 pages resident"));
	assert_non_null(strstr(info.killed, "30 locked"));
	finish();
}

static void limits_refuse(void **state)
{
	(void)state;
	struct process *p = begin((struct world_want){ .swap_slots = 50, .overcommit = OVERCOMMIT_never }), *child;
	assert_int_equal(map_small(p, 0, 151, private_memory), PW_LIMIT); /* half of 200 frames, and 50 slots */
	assert_int_equal(map_small(p, 0, 100, private_memory), PW_OK);
	assert_int_equal(map_small(p, 200, 8, shared_file), PW_OK); /* it has somewhere to go */
	assert_int_equal(process_fork(p, 2, &child), PW_LIMIT);
	assert_int_equal(process_remap(p, world_address(0), 100 * WORLD_PAGE, world_address(0), 151 * WORLD_PAGE), PW_LIMIT);
	assert_int_equal(process_unmap(p, world_address(50), 50 * WORLD_PAGE), PW_OK);
	assert_int_equal(process_fork(p, 2, &child), PW_OK);
	process_limit(child, PROCESS_LIMIT_space, 60 * WORLD_PAGE);
	assert_int_equal(map_small(child, 300, 3, private_memory), PW_LIMIT);
	assert_int_equal(map_small(child, 300, 2, private_memory), PW_OK);
	assert_int_equal(map_small(child, 299, 3, private_memory), PW_LIMIT); /* one more than it replaces */
	assert_int_equal(process_protect(child, world_address(0), 10 * WORLD_PAGE, PMAP_READ), PW_OK);
	assert_int_equal(map_small(p, 400, 50, private_memory), PW_OK);
	assert_int_equal(process_protect(child, world_address(0), 10 * WORLD_PAGE, RW), PW_LIMIT);
	finish();
	p = begin((struct world_want){ .swap_slots = 50, .overcommit = OVERCOMMIT_heuristic });
	assert_int_equal(map_small(p, 0, 251, private_memory), PW_LIMIT);
	assert_int_equal(map_small(p, 0, 250, private_memory), PW_OK);
	assert_int_equal(map_small(p, 300, 250, private_memory), PW_OK);
	finish();
}

static void a_stack_ends_at_its_limit(void **state)
{
	(void)state;
	struct process *p = begin((struct world_want){ .n_frames = 300 });
	struct process_mapping stack = { .anonymous = true, .stack = true };
	assert_int_equal(map_small(p, 1000, 2, stack), PW_OK);
	process_limit(p, PROCESS_LIMIT_stack, 10 * WORLD_PAGE);
	assert_int_equal(world_write(&w, p, 0, 993, 0, 1), PW_OK);
	assert_int_equal(world_write(&w, p, 0, 991, 0, 1), PW_ACCESS);
	finish();
}

static void written_back_when_asked(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct process *p = begin((struct world_want){ .machine = i & 1, .personality = i & 2 ? PERSONALITY_linux
		                                                                                       : PERSONALITY_textbook });
		uint64_t seen = 0;
		assert_int_equal(map_small(p, 0, 8, shared_file), PW_OK);
		assert_int_equal(world_write(&w, p, 0, 3, 1, 77), PW_OK);
		assert_int_equal(process_sync(p, world_address(0), 9 * WORLD_PAGE), PW_NOTMAPPED);
		memcpy(&seen, w.file[1] + 3 * WORLD_PAGE + 8, 8);
		assert_int_equal(seen, 0);
		assert_int_equal(process_sync(p, world_address(0), 8 * WORLD_PAGE), PW_OK);
		memcpy(&seen, w.file[1] + 3 * WORLD_PAGE + 8, 8);
		assert_int_equal(seen, 77);
		struct kernel_counts c;
		kernel_counts(w.kernel, &c);
		assert_int_equal(c.synced, 1);
		assert_int_equal(world_write(&w, p, 0, 3, 1, 78), PW_OK); /* noticed again */
		assert_int_equal(process_sync(p, world_address(0), 8 * WORLD_PAGE), PW_OK);
		memcpy(&seen, w.file[1] + 3 * WORLD_PAGE + 8, 8);
		assert_int_equal(seen, 78);
		finish();
	}
}

static void populated_and_guarded(void **state)
{
	(void)state;
	struct process *p = begin((struct world_want){ .machine = true }), *child;
	struct process_mapping m = { .anonymous = true, .populate = true };
	assert_int_equal(map_small(p, 0, 10, m), PW_OK);
	for (uint64_t i = 0; i < 10; i++)
		assert_true(resident(p, i));
	assert_int_equal(world_write(&w, p, 0, 4, 1, 5), PW_OK);
	assert_int_equal(process_advise(p, world_address(4), WORLD_PAGE, ADVICE_GUARD_INSTALL), PW_OK);
	assert_int_equal(world_write(&w, p, 0, 4, 1, 5), PW_ACCESS);
	assert_int_equal(process_advise(p, world_address(0), 10 * WORLD_PAGE, ADVICE_DONTNEED), PW_OK);
	assert_int_equal(world_write(&w, p, 0, 3, 1, 5), PW_OK);
	assert_int_equal(process_fork(p, 2, &child), PW_OK);
	assert_int_equal(world_write(&w, child, 0, 4, 1, 5), PW_ACCESS);
	assert_int_equal(process_advise(p, world_address(0), 10 * WORLD_PAGE, ADVICE_GUARD_REMOVE), PW_OK);
	assert_int_equal(world_write(&w, p, 0, 4, 1, 6), PW_OK);
	assert_int_equal(process_advise(p, world_address(0), WORLD_PAGE, 77), PW_INVALID);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(locked_pages_stay),
		cmocka_unit_test(locked_on_fault),
		cmocka_unit_test(out_of_memory_says_why),
		cmocka_unit_test(limits_refuse),
		cmocka_unit_test(a_stack_ends_at_its_limit),
		cmocka_unit_test(written_back_when_asked),
		cmocka_unit_test(populated_and_guarded),
		cmocka_unit_test(a_fork_copies_no_page),
		cmocka_unit_test(asids_save_misses),
	};
	return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
