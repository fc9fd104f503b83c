/* isolation_test.c - one process tries to read another's bytes through every path there is, and fails to.
 *
 * One process writes a secret into every word of its pages; then, path by path, its frames, slots, page tables and translations fall
 * into other hands.  The other reads all it may read, as the CPU reads, and must find none of it.  Each path runs over the array and
 * over the simulated machine, with both personalities and few ASIDs; each says first that the secret really was there. */
#include "kernel_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

enum { RW = PMAP_READ | PMAP_WRITE, PAGES = 24 };
#define SECRET 0x5ec7e75ec7e75ec7ull

static struct world w;

static struct process *person(uint32_t pid)
{
	struct process *p;
	assert_int_equal(process_create(w.kernel, pid, "person", &p), PW_OK);
	return p;
}

static void map_pages(struct process *p, uint64_t page, uint64_t n, struct process_mapping how)
{
	vaddr_t at;
	how.start = world_address(page);
	how.bytes = n * WORLD_PAGE;
	how.fixed = true;
	how.prot = RW;
	assert_int_equal(process_map(p, &how, &at), PW_OK);
}
static void map_private(struct process *p, uint64_t page, uint64_t n)
{
	map_pages(p, page, n, (struct process_mapping){ .anonymous = true });
}
static void map_file(struct process *p, uint64_t page, uint64_t n, bool shared)
{
	map_pages(p, page, n, (struct process_mapping){ .file_id = 0, .file_bytes = WORLD_FILE_BYTES, .shared = shared });
}

/* The secret into every word of n pages, by the CPU, and it can be read there. */
static void hide(struct process *p, uint64_t page, uint64_t n)
{
	struct model_words seen;
	for (uint64_t i = page; i < page + n; i++) {
		for (unsigned word = 0; word < MODEL_WORDS; word++)
			assert_int_equal(world_write(&w, p, 0, i, word, SECRET + i), PW_OK);
		assert_int_equal(world_read(&w, p, 0, i, &seen), PW_OK);
		assert_true(seen.word[0] == SECRET + i);
	}
}

/* Everything in n pages is zero: no secret, and nothing else that nobody wrote. */
static void search_cpu(struct process *p, unsigned cpu, uint64_t page, uint64_t n)
{
	static const struct model_words zeros;
	struct model_words seen;
	for (uint64_t i = page; i < page + n; i++) {
		assert_int_equal(world_read(&w, p, cpu, i, &seen), PW_OK);
		assert_memory_equal(&seen, &zeros, sizeof seen);
	}
}
static void search(struct process *p, uint64_t page, uint64_t n)
{
	search_cpu(p, 0, page, n);
	search_cpu(p, 1, page, n);
}

static void refused(struct process *p, unsigned cpu, uint64_t page)
{
	struct model_words seen;
	assert_int_equal(world_read(&w, p, cpu, page, &seen), PW_ACCESS);
	assert_int_equal(world_write(&w, p, cpu, page, 0, 1), PW_ACCESS);
}

static void pageout(struct process *p, uint64_t page, uint64_t n)
{
	assert_int_equal(process_advise(p, world_address(page), n * WORLD_PAGE, ADVICE_PAGEOUT), PW_OK);
}

/* Frames of a process that ended, its page tables among them. */
static void path_exit(void)
{
	struct process *a = person(1), *b = person(2);
	map_private(a, 0, PAGES);
	for (uint64_t far = 1; far < 8; far++)
		map_private(a, far * 4096, 1); /* many page tables */
	hide(a, 0, PAGES);
	for (uint64_t far = 1; far < 8; far++)
		hide(a, far * 4096, 1);
	process_exit(a);
	map_private(b, 100, 40);
	search(b, 100, 40);
}

static void path_exec(void)
{
	struct process *a = person(1);
	map_private(a, 0, PAGES);
	hide(a, 0, PAGES);
	assert_int_equal(process_exec(a, "another"), PW_OK);
	refused(a, 0, 3);
	map_private(a, 0, PAGES);
	search(a, 0, PAGES);
}

static void path_unmap_and_advice(void)
{
	struct process *a = person(1), *b = person(2);
	map_private(a, 0, PAGES);
	hide(a, 0, PAGES);
	assert_int_equal(process_advise(a, world_address(0), 8 * WORLD_PAGE, MADV_DONTNEED), PW_OK);
	assert_int_equal(process_unmap(a, world_address(8), 8 * WORLD_PAGE), PW_OK);
	map_private(b, 0, 16);
	search(b, 0, 16);
	search(a, 0, 8);
	refused(a, 0, 9);
}

/* Slots and frames that swap gave back; read ahead may bring neighbours of another owner. */
static void path_swap(void)
{
	struct process *a = person(1), *b = person(2);
	map_private(a, 0, PAGES);
	hide(a, 0, PAGES);
	pageout(a, 0, PAGES);
	map_private(b, 0, PAGES);
	search(b, 0, PAGES);
	process_exit(a);
	for (unsigned i = 0; i < PAGES; i++)
		assert_int_equal(world_write(&w, b, 0, i, 1, 0), PW_OK);
	pageout(b, 0, PAGES);
	search(b, 0, PAGES);
	map_private(b, 40, 60); /* more than there are frames: everything is evicted */
	search(b, 40, 60);
	search(b, 0, PAGES);
}

static void path_copy_on_write(void)
{
	struct process *a = person(1), *b;
	map_private(a, 0, 8);
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(world_write(&w, a, 0, i, 2, 0), PW_OK);
	assert_int_equal(process_fork(a, 2, &b), PW_OK);
	hide(a, 0, 4);
	search(b, 0, 8);
	hide(b, 4, 4);
	search(a, 4, 4);
	pageout(a, 0, 8);
	search(b, 0, 4);
	process_exit(a);
	map_private(b, 20, 60);
	search(b, 20, 60);
}

/* A private store to a file's page is nobody else's; the cache is shared, the copy is not. */
static void path_file_cache(void)
{
	struct process *a = person(1), *b = person(2);
	map_file(a, 0, 8, false);
	map_file(b, 0, 8, true);
	search(b, 0, 8);
	hide(a, 0, 8);
	search(b, 0, 8);
	pageout(a, 0, 8);
	search(b, 0, 8);
	for (size_t i = 0; i < sizeof w.file[0]; i++)
		assert_int_equal(w.file[0][i], 0);
}

/* Shared memory that ended, and a mapping that grew. */
static void path_shared_and_grown(void)
{
	struct process *a = person(1), *b = person(2);
	map_pages(a, 0, 8, (struct process_mapping){ .anonymous = true, .shared = true });
	hide(a, 0, 8);
	assert_int_equal(process_unmap(a, world_address(0), 8 * WORLD_PAGE), PW_OK);
	map_pages(b, 0, 8, (struct process_mapping){ .anonymous = true, .shared = true });
	search(b, 0, 8);
	map_private(a, 0, 4);
	hide(a, 0, 4);
	assert_int_equal(process_remap(a, world_address(0), 4 * WORLD_PAGE, world_address(50), 8 * WORLD_PAGE), PW_OK);
	search(a, 54, 4);
	refused(a, 0, 1);
	assert_int_equal(process_remap(a, world_address(50), 8 * WORLD_PAGE, world_address(50), 2 * WORLD_PAGE), PW_OK);
	map_private(b, 20, 20);
	search(b, 20, 20);
}

/* Translations in the TLB of a CPU, of both CPUs, and under an ASID that another process gets. */
static void path_stale_translation(void)
{
	struct process *a = person(1), *b = person(2);
	struct model_words seen;
	map_private(a, 0, 4);
	hide(a, 0, 4);
	assert_int_equal(world_read(&w, a, 1, 0, &seen), PW_OK); /* now both CPUs know it */
	assert_int_equal(process_unmap(a, world_address(0), WORLD_PAGE), PW_OK);
	refused(a, 0, 0);
	refused(a, 1, 0);
	assert_int_equal(process_protect(a, world_address(1), WORLD_PAGE, PMAP_READ), PW_OK);
	assert_int_equal(world_write(&w, a, 1, 1, 0, 1), PW_ACCESS);
	assert_int_equal(process_protect(a, world_address(1), WORLD_PAGE, 0), PW_OK);
	refused(a, 0, 1);
	pageout(a, 2, 1);
	map_private(b, 0, 60);
	search(b, 0, 60); /* all frames are b's now */
	assert_int_equal(world_read(&w, a, 1, 2, &seen), PW_OK);
	assert_true(seen.word[0] == SECRET + 2);
	for (uint32_t pid = 10; pid < 30; pid++) { /* every ASID changes hands, again and again */
		struct process *c = person(pid);
		map_private(c, 2, 1);
		search(c, 2, 1);
		hide(c, 2, 1);
		process_exit(c);
	}
}

static const struct path {
	const char *name;
	void (*go)(void);
} paths[] = {
	{ "frames and page tables of a process that ended", path_exit },
	{ "frames of a program before exec", path_exec },
	{ "unmapped and unwanted pages", path_unmap_and_advice },
	{ "swap", path_swap },
	{ "copy-on-write", path_copy_on_write },
	{ "the cache of a file", path_file_cache },
	{ "shared memory that ended, mappings that moved and grew", path_shared_and_grown },
	{ "stale translations", path_stale_translation },
};

static void nobody_reads_anothers_bytes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof paths / sizeof *paths * 8; i++) {
		const struct path *path = &paths[i / 8];
		const struct world_want want = {
			.machine = i & 1, .asid_bits = i & 2 ? 0 : 2, .policy = "clock", .swap = "ram", .n_frames = 120, .page_frames = 48,
			.personality = i & 4 ? PERSONALITY_linux : PERSONALITY_textbook, .cold_files = true,
		};
		if (i % 8 == 0)
			print_message("%s\n", path->name);
		assert_int_equal(world_open(&w, &want), PW_OK);
		path->go();
		const char *flaw = kernel_flaw(w.kernel);
		if (flaw)
			fail_msg("%s", flaw);
		world_close(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(nobody_reads_anothers_bytes) };
	return cmocka_run_group_tests_name("isolation", tests, NULL, NULL);
}
