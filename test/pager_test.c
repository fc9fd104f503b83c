/* pager_test.c - memory of this process, paged by our own kernel: it holds what was written, whatever is done to it. */
#include "../src/base/inject.h"
#include "../src/live/board.h"
#include "../src/live/pager.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

enum { PAGES = 2000, RAM_PAGES = 256 };

/* Where the program runs, when a test says so. */
static struct board_pins *pins;

static void where(void *ctx, cpu_set_t *ret)
{
	(void)ctx;
	*ret = pins->here;
}

static struct pager *pager_with(struct store **swap, const char *policy, const char *protect)
{
	struct pw_why why = { "" };
	struct pager *p;
	struct pager_config c = { .ram_bytes = (uint64_t)RAM_PAGES * PAGER_PAGE, .ram_most = (uint64_t)PAGES * PAGER_PAGE,
	                          .personality = PERSONALITY_linux, .ahead = 16, .seed = 1, .protect = protect };
	assert_int_equal(policy_parse(policy, &c.policy, &c.params, &why), PW_OK);
	assert_int_equal(store_open("ram", PAGER_PAGE, 1 << 20, swap, &why), PW_OK);
	c.swap = *swap;
	c.where = pins ? where : NULL;
	c.turn = pins ? &pins->turn : NULL;
	if (pager_open(&c, &p, &why) == PW_OK)
		return p;
	store_close(*swap);
	print_message("SKIP: %s\n", why.text);
	skip();
	return NULL;
}

static struct pager *pager_of(struct store **swap, const char *policy)
{
	return pager_with(swap, policy, NULL);
}

static void fill(uint64_t at, uint64_t pages, uint64_t mark)
{
	for (uint64_t i = 0; i < pages; i++)
		*(uint64_t *)(uintptr_t)(at + i * PAGER_PAGE) = mark + i;
}

static void expect(uint64_t at, uint64_t pages, uint64_t mark)
{
	for (uint64_t i = 0; i < pages; i++)
		assert_int_equal(*(volatile uint64_t *)(uintptr_t)(at + i * PAGER_PAGE), mark + i);
}

static void sound(struct pager *p)
{
	struct pager_counts c;
	const char *flaw = pager_flaw(p);
	if (flaw)
		fail_msg("%s", flaw);
	pager_counts(p, &c);
	assert_true(c.kernel.resident_pages * PAGER_PAGE <= c.ram_bytes);
}

static void holds_what_was_written(void **state)
{
	(void)state;
	static const char *const policies[] = { "fifo", "clock", "lru", "2q", "arc" };
	for (unsigned i = 0; i < sizeof policies / sizeof *policies; i++) {
		struct store *swap;
		struct pager *p = pager_of(&swap, policies[i]);
		uint64_t at, there;
		assert_int_equal(pager_map(p, 0, PAGES * PAGER_PAGE, 1 << 21, PROT_READ | PROT_WRITE, "test", &at), PW_OK);
		assert_int_equal(at % (1 << 21), 0);
		fill(at, PAGES, 1000);
		expect(at, PAGES, 1000);
		assert_int_equal(pager_resize(p, 64 * PAGER_PAGE), PW_OK);
		sound(p);
		expect(at, PAGES, 1000);
		assert_int_equal(pager_resize(p, 1000 * PAGER_PAGE), PW_OK);
		assert_int_equal(pager_resize(p, (PAGES + 1) * PAGER_PAGE), PW_LIMIT);
		assert_int_equal(pager_resize(p, PAGER_RAM_LEAST - PAGER_PAGE), PW_INVALID);
		struct pager_counts c;
		pager_counts(p, &c);
		assert_int_equal(c.ram_bytes, 1000 * PAGER_PAGE);
		assert_int_equal(c.ram_peak_bytes, 1000 * PAGER_PAGE);
		fill(at, PAGES, 5000);
		sound(p);
		expect(at, PAGES, 5000);
		assert_int_equal(pager_remap(p, at, PAGES * PAGER_PAGE, 2 * PAGES * PAGER_PAGE, 0, true, &there), PW_OK);
		expect(there, PAGES, 5000);
		assert_int_equal(*(volatile uint64_t *)(uintptr_t)(there + PAGES * PAGER_PAGE), 0);
		assert_int_equal(pager_protect(p, there, 100 * PAGER_PAGE, PROT_NONE), PW_OK);
		assert_int_equal(pager_protect(p, there, 100 * PAGER_PAGE, PROT_READ), PW_OK);
		expect(there, PAGES, 5000);
		assert_int_equal(pager_advise(p, there, 10 * PAGER_PAGE, MADV_DONTNEED), PW_OK);
		assert_int_equal(*(volatile uint64_t *)(uintptr_t)there, 0);
		expect(there + 10 * PAGER_PAGE, PAGES - 10, 5010);
		sound(p);
		assert_int_equal(pager_unmap(p, there, 2 * PAGES * PAGER_PAGE), PW_OK);
		sound(p);
		pager_close(p);
		store_close(swap);
	}
}

/* ---- several threads, while memory comes and goes ---- */

enum { CROWD = 3, ROUNDS = 12 };
struct worker {
	struct pager *pager;
	uint64_t at, mark;
	bool wrong;
};

/* Its own pages through everything a program does with them: who sees a wrong byte says so. */
static void *work(void *arg)
{
	struct worker *w = arg;
	for (uint64_t round = 0; round < ROUNDS; round++) {
		uint64_t extra;
		fill(w->at, PAGES / 2, w->mark + round);
		if (pager_map(w->pager, 0, 50 * PAGER_PAGE, 0, PROT_READ | PROT_WRITE, "extra", &extra) != PW_OK)
			w->wrong = true;
		fill(extra, 50, w->mark);
		for (uint64_t i = 0; i < PAGES / 2; i++)
			w->wrong |= *(volatile uint64_t *)(uintptr_t)(w->at + i * PAGER_PAGE) != w->mark + round + i;
		for (uint64_t i = 0; i < 50; i++)
			w->wrong |= *(volatile uint64_t *)(uintptr_t)(extra + i * PAGER_PAGE) != w->mark + i;
		w->wrong |= pager_unmap(w->pager, extra, 50 * PAGER_PAGE) != PW_OK;
	}
	return NULL;
}

static void crowd_begin(struct pager *p, struct worker w[CROWD], pthread_t thread[CROWD])
{
	for (unsigned i = 0; i < CROWD; i++) {
		w[i] = (struct worker){ .pager = p, .mark = 1000000 * (i + 1) };
		assert_int_equal(pager_map(p, 0, PAGES / 2 * PAGER_PAGE, 0, PROT_READ | PROT_WRITE, "work", &w[i].at), PW_OK);
		assert_int_equal(pthread_create(&thread[i], NULL, work, &w[i]), 0);
	}
}

static void crowd_end(struct worker w[CROWD], pthread_t thread[CROWD])
{
	for (unsigned i = 0; i < CROWD; i++) {
		pthread_join(thread[i], NULL);
		assert_false(w[i].wrong);
	}
}

static void threads_while_memory_changes(void **state)
{
	(void)state;
	struct store *swap;
	struct pager *p = pager_of(&swap, "clock");
	struct worker w[CROWD];
	pthread_t thread[CROWD];
	crowd_begin(p, w, thread);
	for (unsigned i = 0; i < 40; i++) {
		struct pager_counts c;
		assert_int_equal(pager_resize(p, (i % 2 ? 40 + i : 900) * (uint64_t)PAGER_PAGE), PW_OK);
		pager_counts(p, &c);
		assert_true(c.kernel.resident_pages * PAGER_PAGE <= c.ram_bytes);
		usleep(2000);
	}
	crowd_end(w, thread);
	sound(p);
	pager_close(p);
	store_close(swap);
}

/* The program runs on one processor, on several, on more than there are servers or processors: it notices nothing. */
static void servers_come_and_go(void **state)
{
	(void)state;
	static const unsigned counts[] = { 2, 1, 3, 2, CPU_SETSIZE, 1, 0, 4 };
	static struct board_pins here = { .turn = 1 }; /* outlives a test that is skipped */
	struct store *swap;
	struct worker w[CROWD];
	pthread_t thread[CROWD];
	pins = &here;
	CPU_SET(0, &here.here);
	struct pager *p = pager_of(&swap, "fifo");
	crowd_begin(p, w, thread);
	for (unsigned i = 0; i < 40; i++) {
		CPU_ZERO(&here.here);
		for (unsigned cpu = 0; cpu < counts[i % (sizeof counts / sizeof *counts)]; cpu++)
			CPU_SET(cpu, &here.here);
		board_turn(&here);
		usleep(3000);
	}
	crowd_end(w, thread);
	sound(p);
	pager_close(p);
	store_close(swap);
	pins = NULL;
}

/* ---- what must stay ---- */

static uint64_t evictions_of(struct pager *p, uint64_t at, uint64_t pages)
{
	struct pager_counts before, after;
	pager_counts(p, &before);
	for (uint64_t i = 0; i < pages; i++)
		(void)*(volatile uint64_t *)(uintptr_t)(at + i * PAGER_PAGE);
	pager_counts(p, &after);
	return after.kernel.faults.total - before.kernel.faults.total;
}

static void what_is_protected_stays(void **state)
{
	(void)state;
	struct store *swap;
	uint64_t keep, other, more;
	struct pager *p = pager_with(&swap, "fifo", "key*,none");
	assert_int_equal(pager_map(p, 0, 50 * PAGER_PAGE, 0, PROT_READ | PROT_WRITE, "keys", &keep), PW_OK);
	assert_int_equal(pager_map(p, 0, PAGES * PAGER_PAGE, 0, PROT_READ | PROT_WRITE, "other", &other), PW_OK);
	fill(keep, 50, 7);
	fill(other, PAGES, 9);
	assert_int_equal(evictions_of(p, keep, 50), 0);
	assert_true(evictions_of(p, other, 50) > 0);
	pager_name(p, other, 20 * PAGER_PAGE, "key of another");
	expect(other, PAGES, 9);
	assert_int_equal(evictions_of(p, other, 20), 0);
	assert_int_equal(pager_advise(p, keep, 10 * PAGER_PAGE, MADV_DONTNEED), PW_OK);
	assert_int_equal(pager_advise(p, keep, 50 * PAGER_PAGE, MADV_PAGEOUT), PW_OK);
	assert_int_equal(pager_advise(p, keep, 50 * PAGER_PAGE, MADV_FREE), PW_OK);
	expect(keep + 10 * PAGER_PAGE, 40, 17);
	struct pager_counts c;
	pager_counts(p, &c);
	assert_int_equal(c.protected_bytes, 70 * PAGER_PAGE);
	assert_int_equal(c.refused_bytes, 0);
	assert_int_equal(pager_map(p, 0, 200 * PAGER_PAGE, 0, PROT_READ | PROT_WRITE, "keys", &more), PW_OK);
	assert_int_equal(pager_remap(p, keep, 50 * PAGER_PAGE, 500 * PAGER_PAGE, 0, true, &keep), PW_OK);
	fill(more, 200, 3);
	fill(keep, 500, 4);
	expect(more, 200, 3);
	expect(keep, 500, 4);
	pager_counts(p, &c);
	assert_int_equal(c.protected_bytes, 20 * PAGER_PAGE);
	assert_int_equal(c.refused_bytes, 700 * PAGER_PAGE);
	assert_int_equal(pager_resize(p, PAGER_RAM_LEAST), PW_NOFRAMES);
	pager_counts(p, &c);
	assert_int_equal(c.ram_bytes, RAM_PAGES * PAGER_PAGE);
	sound(p);
	pager_close(p);
	store_close(swap);
}

/* ---- memory of the host runs out ---- */

/* Every call, with every allocation failing once: what fails has changed nothing. */
static void no_memory_is_no_damage(void **state)
{
	(void)state;
	struct store *swap;
	struct pager *p = pager_of(&swap, "fifo");
	uint64_t at, there;
	bool reached = true;
	unsigned n = 0;
	assert_int_equal(pager_map(p, 0, 100 * PAGER_PAGE, 0, PROT_READ | PROT_WRITE, "first", &at), PW_OK);
	fill(at, 100, 11);
	for (uint64_t k = 1; reached && k < 200; k++, n++) {
		uint64_t more = 0;
		inject_arm(INJECT_ALLOC, k, INJECT_ONCE);
		enum pw_err err = pager_map(p, 0, 30 * PAGER_PAGE, 1 << 16, PROT_READ | PROT_WRITE, "more", &more);
		if (!err) {
			pager_name(p, more, 3 * PAGER_PAGE, "name");
			err = pager_protect(p, at + 10 * PAGER_PAGE, 10 * PAGER_PAGE, PROT_READ);
			err = err ? err : pager_protect(p, at + 10 * PAGER_PAGE, 10 * PAGER_PAGE, PROT_READ | PROT_WRITE);
			err = err ? err : pager_remap(p, at, 100 * PAGER_PAGE, 110 * PAGER_PAGE, 0, true, &there);
			at = err ? at : there;
			err = err ? err : pager_remap(p, at, 110 * PAGER_PAGE, 100 * PAGER_PAGE, 0, true, &there);
			err = err ? err : pager_resize(p, 300 * PAGER_PAGE);
			err = err ? err : pager_resize(p, RAM_PAGES * PAGER_PAGE);
		}
		reached = inject_count(INJECT_ALLOC) >= k;
		inject_disarm();
		assert_true(err == PW_OK || err == PW_NOMEM);
		if (more)
			assert_int_equal(pager_unmap(p, more, 30 * PAGER_PAGE), PW_OK);
		assert_int_equal(pager_protect(p, at, 100 * PAGER_PAGE, PROT_READ | PROT_WRITE), PW_OK);
		expect(at, 100, 11);
		sound(p);
	}
	assert_false(reached);
	print_message("%u allocations\n", n);
	pager_close(p);
	store_close(swap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_what_was_written),
		cmocka_unit_test(threads_while_memory_changes),
		cmocka_unit_test(servers_come_and_go),
		cmocka_unit_test(what_is_protected_stays),
		cmocka_unit_test(no_memory_is_no_damage),
	};
	return cmocka_run_group_tests_name("pager", tests, NULL, NULL);
}
