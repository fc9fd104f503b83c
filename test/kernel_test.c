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


/* Laws over many sizes: opt is never worse than another, and more memory never hurts the stack algorithms. */
static void test_policy_laws(void **state)
{
	enum { N = 20000, PAGES = 120 };
	static uint32_t page[N];
	static bool is_store[N];
	static const char *const policy[] = { "opt", "lru", "fifo", "clock", "random" };
	uint64_t before[2] = { UINT64_MAX, UINT64_MAX };
	(void)state;
	program_make(page, is_store, N, PAGES, 99);
	for (uint64_t frames = 1; frames <= PAGES; frames += 1 + frames / 4) {
		uint64_t best = book_faults("opt", page, N, frames);
		for (unsigned i = 0; i < 5; i++) {
			uint64_t faults = book_faults(policy[i], page, N, frames);
			assert_true(faults >= best);
			if (i < 2) {
				assert_true(faults <= before[i]);
				before[i] = faults;
			}
		}
	}
}

/* Cases. */

enum { PAGE = 4096, RW = PMAP_READ | PMAP_WRITE, RX = PMAP_READ | PMAP_EXEC };

struct stage {
	struct rig rig;
	struct process *p;
};

static void stage_open(struct stage *s, const struct rig_want *want)
{
	assert_int_equal(rig_open(&s->rig, want), PW_OK);
	assert_int_equal(process_create(s->rig.kernel, 1, "program", &s->p), PW_OK);
}

static void stage_close(struct stage *s)
{
	assert_sound(&s->rig);
	rig_close(&s->rig);
}

static void map_pages(struct process *p, uint64_t page, uint64_t n, struct process_mapping m)
{
	vaddr_t at;
	m.start = vaddr(page * PAGE);
	m.bytes = n * PAGE;
	m.fixed = true;
	m.name = m.name ? m.name : "";
	assert_int_equal(process_map(p, &m, &at), PW_OK);
	assert_int_equal(at.v, page * PAGE);
}

static void map_anon(struct process *p, uint64_t page, uint64_t n)
{
	map_pages(p, page, n, (struct process_mapping){ .prot = RW, .anonymous = true });
}

static void map_file(struct process *p, uint64_t page, uint64_t n, unsigned prot, bool shared)
{
	map_pages(p, page, n, (struct process_mapping){ .prot = prot, .shared = shared, .file_id = 1, .file_bytes = RIG_FILE_BYTES });
}

enum { NO_FAULT = -1, REFUSED = -2, BUS = -3, KILLED = -4 };

/* What one access leads to: a cause, or one of the above.  More than one fault is a failure of the test. */
static int access_once(struct stage *s, struct process *p, uint64_t page, enum access_kind kind)
{
	pfn_t frame;
	process_activate(p, 0);
	if (pmap_model_access(s->rig.pmap, 0, vpn(page), kind, &frame))
		return NO_FAULT;
	struct fault_report r = process_fault(p, 0, vaddr(page * PAGE + 123), kind);
	if (r.outcome != FAULT_OUTCOME_RESOLVED) {
		assert_non_null(r.why);
		return r.outcome == FAULT_OUTCOME_REFUSED ? REFUSED : r.outcome == FAULT_OUTCOME_BUS ? BUS : KILLED;
	}
	assert_true(pmap_model_access(s->rig.pmap, 0, vpn(page), kind, &frame));
	assert_sound(&s->rig);
	return (int)r.cause;
}

#define assert_access(s, p, page, kind, expected) assert_int_equal(access_once(s, p, page, ACCESS_##kind), expected)

static void test_textbook_causes(void **state)
{
	struct stage s;
	struct process *other;
	(void)state;
	stage_open(&s, &(struct rig_want){ .policy = "fifo", .swap = "ssd", .n_frames = 64, .page_frames = 3 });
	map_anon(s.p, 100, 10);
	assert_access(&s, s.p, 100, LOAD, FAULT_demand_zero);
	assert_access(&s, s.p, 100, STORE, NO_FAULT);
	assert_access(&s, s.p, 101, LOAD, FAULT_demand_zero);
	assert_access(&s, s.p, 102, STORE, FAULT_demand_zero);
	assert_access(&s, s.p, 103, STORE, FAULT_demand_zero); /* 100 leaves, written */
	assert_access(&s, s.p, 100, LOAD, FAULT_swap_in);      /* 101 leaves, never written */
	assert_access(&s, s.p, 101, LOAD, FAULT_demand_zero);
	assert_access(&s, s.p, 99, LOAD, REFUSED);
	assert_access(&s, s.p, 110, STORE, REFUSED);
	struct kernel_counts c = rig_counts(&s.rig);
	assert_int_equal(c.faults.total, 6);
	assert_int_equal(c.faults.major, 1);
	assert_int_equal(c.faults.protection, 2);
	assert_int_equal(c.refaults, 2); /* 100 from swap, 101 as zeros again */
	assert_int_equal(c.evicted, 3);
	assert_int_equal(c.written_back, 2);

	map_file(s.p, 200, 20, RX, false);
	assert_int_equal(process_create(s.rig.kernel, 2, "other", &other), PW_OK);
	map_file(other, 300, 20, RW, false);
	assert_access(&s, s.p, 200, FETCH, FAULT_file_read);
	assert_access(&s, other, 300, LOAD, FAULT_file_cached);
	assert_access(&s, other, 300, STORE, FAULT_copy_on_write);
	assert_access(&s, s.p, 200, STORE, REFUSED);
	assert_access(&s, other, 301, STORE, FAULT_file_read);
	assert_access(&s, other, 316, LOAD, BUS); /* the file has 16 pages */
	stage_close(&s);
}

static struct rig_want linux_rig(void)
{
	return (struct rig_want){ .swap = "ssd", .n_frames = 4096, .personality = PERSONALITY_linux };
}

static void test_linux_anonymous(void **state)
{
	struct stage s;
	struct rig_want want = linux_rig();
	(void)state;
	stage_open(&s, &want);
	map_anon(s.p, 100, 10);
	assert_access(&s, s.p, 100, LOAD, FAULT_zero_page);
	assert_access(&s, s.p, 101, LOAD, FAULT_zero_page);
	assert_access(&s, s.p, 100, LOAD, NO_FAULT);
	assert_access(&s, s.p, 100, STORE, FAULT_copy_on_write);
	assert_access(&s, s.p, 102, STORE, FAULT_demand_zero);
	assert_access(&s, s.p, 102, LOAD, NO_FAULT);
	assert_int_equal(rig_counts(&s.rig).resident_pages, 2);

	/* DONTNEED forgets; the next touch is a first one. */
	assert_int_equal(process_advise(s.p, vaddr(100 * PAGE), 3 * PAGE, MADV_DONTNEED), PW_OK);
	assert_int_equal(rig_counts(&s.rig).resident_pages, 0);
	assert_access(&s, s.p, 100, LOAD, FAULT_zero_page);
	assert_access(&s, s.p, 102, STORE, FAULT_demand_zero);

	/* Rights taken from a page and given back cost nothing; what was never writable must fault. */
	assert_int_equal(process_protect(s.p, vaddr(100 * PAGE), 3 * PAGE, PMAP_READ), PW_OK);
	assert_access(&s, s.p, 102, STORE, REFUSED);
	assert_int_equal(process_protect(s.p, vaddr(100 * PAGE), 3 * PAGE, RW), PW_OK);
	assert_access(&s, s.p, 102, STORE, NO_FAULT);
	assert_access(&s, s.p, 100, STORE, FAULT_copy_on_write);
	assert_int_equal(process_protect(s.p, vaddr(100 * PAGE), 3 * PAGE, 0), PW_OK);
	assert_access(&s, s.p, 102, LOAD, REFUSED);
	assert_int_equal(process_protect(s.p, vaddr(100 * PAGE), 3 * PAGE, RW), PW_OK);
	assert_access(&s, s.p, 102, STORE, NO_FAULT);

	/* Pages that come back with their rights count for the peak. */
	assert_int_equal(process_protect(s.p, vaddr(100 * PAGE), 3 * PAGE, 0), PW_OK);
	for (uint64_t i = 103; i < 106; i++)
		assert_access(&s, s.p, i, STORE, FAULT_demand_zero);
	assert_int_equal(process_protect(s.p, vaddr(100 * PAGE), 3 * PAGE, RW), PW_OK);
	assert_sound(&s.rig);

	/* mremap moves translations. */
	vaddr_t to = vaddr(5000 * PAGE);
	assert_int_equal(process_remap(s.p, vaddr(100 * PAGE), 10 * PAGE, to, 20 * PAGE), PW_OK);
	assert_access(&s, s.p, 102, LOAD, REFUSED);
	assert_access(&s, s.p, 5002, STORE, NO_FAULT);
	assert_access(&s, s.p, 5015, STORE, FAULT_demand_zero);
	stage_close(&s);
}

static void test_linux_files(void **state)
{
	struct stage s;
	struct rig_want want = linux_rig();
	(void)state;
	stage_open(&s, &want);
	map_file(s.p, 163, 16, RX, false); /* 64 KiB windows begin at 160 and 176 */
	assert_access(&s, s.p, 170, FETCH, FAULT_file_cached);
	assert_int_equal(rig_counts(&s.rig).faulted_around, 15); /* from the start of the mapping on, 16 pages */
	assert_access(&s, s.p, 163, FETCH, NO_FAULT);
	assert_access(&s, s.p, 178, FETCH, NO_FAULT);
	assert_int_equal(rig_counts(&s.rig).faults.total, 1);

	map_file(s.p, 1000, 40, RW, false);
	assert_access(&s, s.p, 1001, STORE, FAULT_copy_on_write); /* one fault, nothing around */
	assert_access(&s, s.p, 1002, LOAD, FAULT_file_cached);
	assert_int_equal(rig_counts(&s.rig).faulted_around, 15 + 14); /* 16 pages, but for those two */
	assert_access(&s, s.p, 1003, STORE, FAULT_copy_on_write);
	assert_access(&s, s.p, 1016, LOAD, BUS);

	map_file(s.p, 2000, 16, RW, true);
	assert_access(&s, s.p, 2000, LOAD, FAULT_file_cached);
	assert_access(&s, s.p, 2001, STORE, FAULT_write_upgrade);
	assert_access(&s, s.p, 2001, STORE, NO_FAULT);
	stage_close(&s);
}

static void test_linux_cold_files(void **state)
{
	struct stage s;
	struct rig_want want = linux_rig();
	(void)state;
	want.file_cache_cold = true;
	stage_open(&s, &want);
	map_file(s.p, 160, 16, RX, false);
	assert_access(&s, s.p, 163, LOAD, FAULT_file_read);
	assert_int_equal(rig_counts(&s.rig).readahead, 15);
	assert_access(&s, s.p, 164, LOAD, FAULT_file_cached); /* and now the others are mapped around it */
	assert_access(&s, s.p, 175, LOAD, NO_FAULT);
	assert_int_equal(rig_counts(&s.rig).faults.major, 1);

	map_pages(s.p, 300, 10, (struct process_mapping){ .prot = RX, .file_id = 2, .file_bytes = RIG_FILE_BYTES });
	assert_int_equal(process_advise(s.p, vaddr(300 * PAGE), 10 * PAGE, MADV_WILLNEED), PW_OK);
	assert_access(&s, s.p, 309, LOAD, FAULT_file_cached);
	stage_close(&s);
}

static void test_fork(void **state)
{
	struct stage s;
	struct process *child;
	struct rig_want want = linux_rig();
	(void)state;
	stage_open(&s, &want);
	map_anon(s.p, 100, 10);
	map_pages(s.p, 120, 2, (struct process_mapping){ .prot = RW, .shared = true, .anonymous = true });
	map_file(s.p, 160, 16, RX, false);
	assert_access(&s, s.p, 100, STORE, FAULT_demand_zero);
	assert_access(&s, s.p, 101, STORE, FAULT_demand_zero);
	assert_access(&s, s.p, 120, STORE, FAULT_demand_zero);
	assert_access(&s, s.p, 160, LOAD, FAULT_file_cached);
	assert_int_equal(process_fork(s.p, 2, &child), PW_OK);
	assert_sound(&s.rig);
	assert_access(&s, child, 100, LOAD, NO_FAULT);             /* translations of private pages are copied */
	assert_access(&s, child, 160, LOAD, FAULT_file_cached);    /* those of pure file mappings are not */
	assert_access(&s, child, 120, STORE, FAULT_remapped);      /* nor those of shared memory */
	assert_access(&s, child, 100, STORE, FAULT_copy_on_write);
	assert_access(&s, s.p, 100, STORE, FAULT_write_upgrade);   /* alone again: no copy */
	assert_access(&s, s.p, 101, LOAD, NO_FAULT);
	process_exit(child);
	assert_sound(&s.rig);
	assert_access(&s, s.p, 101, STORE, FAULT_write_upgrade);
	struct process_info info;
	process_describe(child, &info);
	assert_false(info.alive);
	assert_int_equal(info.faults.total, 3);
	assert_int_equal(info.resident_pages, 0);
	assert_int_equal(info.parent, 1);
	assert_ptr_equal(kernel_process_at(s.rig.kernel, 1), child);
	assert_null(kernel_process_at(s.rig.kernel, 2));
	stage_close(&s);
}

static void test_stack_and_heap(void **state)
{
	struct stage s;
	(void)state;
	stage_open(&s, &(struct rig_want){ .n_frames = 8192 });
	uint64_t top = 0x7ffff0;
	map_pages(s.p, top - 4, 4, (struct process_mapping){ .prot = RW, .anonymous = true, .stack = true, .name = "[stack]" });
	assert_access(&s, s.p, top - 1, STORE, FAULT_demand_zero);
	assert_access(&s, s.p, top - 6, STORE, FAULT_stack_growth);
	assert_access(&s, s.p, top - 5, STORE, FAULT_demand_zero);
	assert_access(&s, s.p, top - 2048, STORE, FAULT_stack_growth); /* 8 MiB */
	assert_access(&s, s.p, top - 2049, STORE, REFUSED);

	assert_int_equal(process_brk(s.p, vaddr(500 * PAGE), 10000), PW_OK);
	assert_access(&s, s.p, 502, STORE, FAULT_demand_zero);
	assert_access(&s, s.p, 503, STORE, REFUSED);
	assert_int_equal(process_brk(s.p, vaddr(500 * PAGE), 5 * PAGE), PW_OK);
	assert_access(&s, s.p, 503, STORE, FAULT_demand_zero);
	assert_int_equal(process_brk(s.p, vaddr(500 * PAGE), PAGE), PW_OK);
	assert_access(&s, s.p, 502, STORE, REFUSED);
	assert_int_equal(process_exec(s.p, "next"), PW_OK);
	assert_sound(&s.rig);
	assert_access(&s, s.p, top - 1, STORE, REFUSED);
	assert_int_equal(rig_counts(&s.rig).resident_pages, 0);
	stage_close(&s);
}

/* Without swap nothing anonymous can leave: whoever holds most is ended, and the other goes on. */
static void test_out_of_memory(void **state)
{
	struct stage s;
	struct process *small;
	struct process_info info;
	(void)state;
	stage_open(&s, &(struct rig_want){ .n_frames = 12 });
	assert_int_equal(process_create(s.rig.kernel, 2, "small", &small), PW_OK);
	map_anon(s.p, 100, 20);
	map_anon(small, 100, 20);
	assert_access(&s, small, 100, STORE, FAULT_demand_zero);
	for (uint64_t i = 0; i < 8; i++)
		assert_access(&s, s.p, 100 + i, STORE, FAULT_demand_zero);
	for (uint64_t i = 1; i < 4; i++)
		assert_access(&s, small, 100 + i, STORE, FAULT_demand_zero); /* for the last one the other had to go */
	process_describe(s.p, &info);
	assert_non_null(info.killed);
	assert_access(&s, s.p, 100, LOAD, KILLED);
	for (uint64_t i = 4; i < 11; i++)
		assert_access(&s, small, 100 + i, STORE, FAULT_demand_zero);
	assert_access(&s, small, 111, STORE, KILLED); /* nobody else is left */
	assert_int_equal(rig_counts(&s.rig).oom_kills, 2);
	process_exit(s.p);
	process_exit(small);
	assert_int_equal(rig_counts(&s.rig).resident_pages, 0);
	stage_close(&s);
}

/* Under --ram page tables compete with pages, and come back with their process. */
static void test_page_tables_compete(void **state)
{
	struct stage s;
	(void)state;
	stage_open(&s, &(struct rig_want){ .swap = "ssd", .n_frames = 16 });
	map_anon(s.p, 0, 512 * 64);
	for (uint64_t i = 0; i < 14; i++)
		assert_access(&s, s.p, 512 * i, STORE, FAULT_demand_zero); /* each needs a table of its own */
	struct kernel_counts c = rig_counts(&s.rig);
	assert_true(c.table_bytes > PAGE);
	assert_int_equal(c.table_bytes / PAGE + c.resident_pages + c.free_frames, 16);
	assert_true(c.evicted > 0);
	process_exit(s.p);
	struct process *other;
	assert_int_equal(process_create(s.rig.kernel, 2, "other", &other), PW_OK);
	process_activate(other, 0);
	c = rig_counts(&s.rig);
	assert_int_equal(c.table_bytes, 0);
	assert_int_equal(c.free_frames, 16);
	stage_close(&s);
}

/* A page of another process's bytes must never be seen. */
static void test_frames_are_zeroed(void **state)
{
	struct stage s;
	struct process *other;
	uint8_t secret[PAGE], seen[PAGE];
	(void)state;
	memset(secret, 0xa5, sizeof secret);
	stage_open(&s, &(struct rig_want){ .n_frames = 8, .carries_data = true });
	map_anon(s.p, 10, 4);
	for (uint64_t i = 0; i < 4; i++)
		assert_int_equal(process_copy_in(s.p, vaddr((10 + i) * PAGE), secret, PAGE, NULL), PW_OK);
	process_exit(s.p);
	assert_int_equal(process_create(s.rig.kernel, 2, "other", &other), PW_OK);
	map_anon(other, 10, 6);
	for (uint64_t i = 0; i < 6; i++) {
		assert_int_equal(process_copy_out(other, vaddr((10 + i) * PAGE), seen, PAGE, NULL), PW_OK);
		assert_true(seen[0] == 0 && !memcmp(seen, seen + 1, PAGE - 1));
	}
	stage_close(&s);
}

/* Linux evicts ahead of need, in clusters, and brings neighbours back. */
static void test_linux_swap(void **state)
{
	enum { PAGES = 3000 };
	struct stage s;
	(void)state;
	stage_open(&s, &(struct rig_want){ .swap = "hdd", .n_frames = 2200, .page_frames = 2000, .personality = PERSONALITY_linux });
	map_anon(s.p, 512, PAGES);
	for (uint64_t i = 0; i < PAGES; i++) {
		unsigned faults;
		assert_int_equal(rig_touch(&s.rig, s.p, 512 + i, ACCESS_STORE, &faults), FAULT_OUTCOME_RESOLVED);
		assert_int_equal(faults, 1);
	}
	struct kernel_counts c = rig_counts(&s.rig);
	assert_true(c.resident_pages < 2000); /* some room is always kept */
	assert_int_equal(c.evicted, c.written_back);
	assert_int_equal(c.evicted, PAGES - c.resident_pages);
	assert_int_equal(c.swap_used_slots, c.evicted);
	for (uint64_t i = 0; i < 900; i++) {
		unsigned faults;
		assert_int_equal(rig_touch(&s.rig, s.p, 512 + i, ACCESS_LOAD, &faults), FAULT_OUTCOME_RESOLVED);
	}
	struct kernel_counts after = rig_counts(&s.rig);
	uint64_t major = after.faults.major, cached = after.faults.by_cause[FAULT_swap_cached];
	print_message("900 pages in order back from swap: %lu major faults, %lu minor\n", (unsigned long)major, (unsigned long)cached);
	assert_int_equal(major + cached, 900);
	assert_true(major < 200);
	stage_close(&s);
}

/* Every walk the driver reports ends up with the mapping whose page it found. */
static uint64_t walks_of_frame[64];
static uint64_t take_walks(void *ctx, pfn_t frame)
{
	uint64_t n = walks_of_frame[frame.v];
	(void)ctx;
	walks_of_frame[frame.v] = 0;
	return n;
}

struct gathered {
	uint64_t walks[3], faults[3], resident[3], n;
};

static void gather(void *ctx, const struct mapping_info *m)
{
	struct gathered *g = ctx;
	unsigned i = !strcmp(m->name, "a") ? 0 : !strcmp(m->name, "b") ? 1 : 2;
	g->walks[i] += m->walks;
	g->faults[i] += m->faults.total;
	g->resident[i] += m->resident_pages;
	g->n++;
}

static void test_mappings_are_accounted(void **state)
{
	struct stage s;
	struct gathered g = { 0 };
	(void)state;
	stage_open(&s, &(struct rig_want){ .policy = "fifo", .swap = "ssd", .n_frames = 64, .page_frames = 4 });
	kernel_set_walk_source(s.rig.kernel, take_walks, NULL);
	map_pages(s.p, 100, 4, (struct process_mapping){ .prot = RW, .anonymous = true, .name = "a" });
	map_pages(s.p, 200, 4, (struct process_mapping){ .prot = RW, .anonymous = true, .name = "b" });
	for (uint64_t i = 0; i < 400; i++) {
		uint64_t page = i % 3 ? 100 + i % 4 : 200 + i % 4;
		pfn_t frame;
		unsigned faults;
		assert_int_equal(rig_touch(&s.rig, s.p, page, ACCESS_STORE, &faults), FAULT_OUTCOME_RESOLVED);
		assert_true(pmap_model_access(s.rig.pmap, 0, vpn(page), ACCESS_STORE, &frame));
		walks_of_frame[frame.v]++;
		if (i == 200) /* cut in two, and half of it goes */
			assert_int_equal(process_unmap(s.p, vaddr(202 * PAGE), 2 * PAGE), PW_OK);
		if (i == 200)
			map_pages(s.p, 202, 2, (struct process_mapping){ .prot = RW, .anonymous = true, .name = "b" });
	}
	kernel_mappings(s.rig.kernel, gather, &g);
	assert_int_equal(g.walks[0], 266);
	assert_int_equal(g.walks[1], 134);
	assert_int_equal(g.faults[0] + g.faults[1], rig_counts(&s.rig).faults.total);
	assert_int_equal(g.resident[0] + g.resident[1], 4);
	stage_close(&s);
}

/* The promise: at most 64 bytes of the simulator's own for each simulated frame or touched page. */
static void test_memory_of_the_simulator(void **state)
{
	enum { FRAMES = 60000, PAGES = 100000 };
	static const char *const policy[] = { "fifo", "lru", "clock", "random" };
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct stage s;
		stage_open(&s, &(struct rig_want){ .policy = policy[i], .swap = "ssd", .n_frames = FRAMES });
		uint64_t before = kernel_host_bytes(s.rig.kernel);
		map_anon(s.p, 4096, PAGES);
		for (uint64_t page = 0; page < PAGES; page++) {
			unsigned faults;
			assert_int_equal(rig_touch(&s.rig, s.p, 4096 + page, ACCESS_STORE, &faults), FAULT_OUTCOME_RESOLVED);
		}
		uint64_t bytes = kernel_host_bytes(s.rig.kernel) - before;
		print_message("%s: %lu bytes for %u frames and %u pages touched: %.1f a frame if pages cost nothing, %.1f for each\n",
		              policy[i], (unsigned long)bytes, FRAMES, PAGES, (double)bytes / FRAMES,
		              (double)bytes / (FRAMES + PAGES));
		assert_true(bytes <= 64ull * (FRAMES + PAGES));
		stage_close(&s);
	}
}

static void test_wrong_configurations(void **state)
{
	struct rig r;
	(void)state;
	assert_int_equal(rig_open(&r, &(struct rig_want){ .n_frames = 0 }), PW_INVALID);
	assert_int_equal(rig_open(&r, &(struct rig_want){ .n_frames = 10, .policy = "opt" }), PW_INVALID);
	assert_int_equal(rig_open(&r, &(struct rig_want){ .n_frames = 10, .swap = "ssd", .carries_data = true }), PW_UNSUPPORTED);
	struct stage s;
	vaddr_t at;
	struct process *again;
	stage_open(&s, &(struct rig_want){ .n_frames = 10 });
	assert_int_equal(process_create(s.rig.kernel, 1, "again", &again), PW_EXISTS);
	struct process_mapping m = { .start = vaddr(PAGE), .bytes = 0, .anonymous = true, .fixed = true };
	assert_int_equal(process_map(s.p, &m, &at), PW_INVALID);
	m.bytes = UINT64_MAX;
	assert_int_equal(process_map(s.p, &m, &at), PW_INVALID);
	assert_int_equal(process_unmap(s.p, vaddr(5), PAGE), PW_INVALID);
	assert_int_equal(process_protect(s.p, vaddr(PAGE), PAGE, RW), PW_NOTMAPPED);
	assert_int_equal(process_remap(s.p, vaddr(PAGE), PAGE, vaddr(9 * PAGE), PAGE), PW_NOTMAPPED);
	assert_int_equal(process_copy_in(s.p, vaddr(PAGE), "x", 1, NULL), PW_UNSUPPORTED);
	/* The kernel chooses: from the top down, and never twice the same. */
	m = (struct process_mapping){ .bytes = 3 * PAGE, .anonymous = true, .prot = RW };
	assert_int_equal(process_map(s.p, &m, &at), PW_OK);
	assert_int_equal(at.v, (1ull << 47) - 3 * PAGE);
	assert_int_equal(process_map(s.p, &m, &at), PW_OK);
	assert_int_equal(at.v, (1ull << 47) - 6 * PAGE);
	stage_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silberschatz),
		cmocka_unit_test(test_belady),
		cmocka_unit_test(test_reference_policies),
		cmocka_unit_test(test_policy_laws),
		cmocka_unit_test(test_textbook_causes),
		cmocka_unit_test(test_linux_anonymous),
		cmocka_unit_test(test_linux_files),
		cmocka_unit_test(test_linux_cold_files),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_stack_and_heap),
		cmocka_unit_test(test_out_of_memory),
		cmocka_unit_test(test_page_tables_compete),
		cmocka_unit_test(test_frames_are_zeroed),
		cmocka_unit_test(test_linux_swap),
		cmocka_unit_test(test_mappings_are_accounted),
		cmocka_unit_test(test_memory_of_the_simulator),
		cmocka_unit_test(test_wrong_configurations),
	};
	return cmocka_run_group_tests_name("kernel", tests, NULL, NULL);
}
