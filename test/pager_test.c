/* pager_test.c - memory of this process, paged by our own kernel: it holds what was written, whatever is done to it. */
#include "../src/live/pager.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

enum { PAGES = 2000, RAM_PAGES = 256 };

static struct pager *pager_of(struct store **swap, const char *policy)
{
	struct pw_why why = { "" };
	struct pager *p;
	struct pager_config c = { .ram_bytes = (uint64_t)RAM_PAGES * PAGER_PAGE, .ram_most = (uint64_t)PAGES * PAGER_PAGE,
	                          .personality = PERSONALITY_linux, .ahead = 16, .seed = 1 };
	assert_int_equal(policy_parse(policy, &c.policy, &c.params, &why), PW_OK);
	assert_int_equal(store_open("ram", PAGER_PAGE, 1 << 20, swap, &why), PW_OK);
	c.swap = *swap;
	if (pager_open(&c, &p, &why) == PW_OK)
		return p;
	store_close(*swap);
	print_message("SKIP: %s\n", why.text);
	skip();
	return NULL;
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_what_was_written),
	};
	return cmocka_run_group_tests_name("pager", tests, NULL, NULL);
}
