/* live.c - what touching a page costs: paged by pageworks, when run under it, and what the host's own part of that is.
 *
 *     live touch PAGES              first touch, then reads and writes in order and at random, of anonymous memory of so many pages
 *     live cycle PAGES TIMES        reads in order over all of it, so often
 *     live threads PAGES THREADS    threads that read at random, each in its own part
 *     live warm PAGES               touches so many pages and gives them back
 *     live floor PAGES              the raw round trip: a fault of one thread, answered by another on the same processor
 *
 * Prints one line of "name value" pairs: nanoseconds a page of wall time, cpu_* of processor time.  Each page carries its number; a
 * page with another one ends the program with status 1. */
#include "../src/base/rng.h"
#include "../src/base/text.h"
#include "../src/pmap/uffd.h"
#include "clock.h"
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, THREADS_MOST = 64 };

static uint8_t *memory;
static uint64_t n_pages;

static int complain(const char *what)
{
	fprintf(stderr, "bench/live: %s\n", what);
	return 1;
}

static uint64_t *word_of(uint64_t page) { return (uint64_t *)(void *)(memory + page * PAGE); }

static void page_check(uint64_t page)
{
	if (*word_of(page) != page + 1)
		exit(complain("a page has another page's contents"));
}

static void page_make(uint64_t page)
{
	*word_of(page) = page + 1;
	word_of(page)[1]++;
}

static void touches(const char *name, bool random, bool store)
{
	struct rng rng;
	rng_init(&rng, 7);
	struct clock since = now();
	for (uint64_t i = 0; i < n_pages; i++) {
		uint64_t page = random ? rng_below(&rng, n_pages) : i;
		page_check(page);
		if (store)
			word_of(page)[1]++;
	}
	report(name, since, n_pages);
}

static bool memory_map(void)
{
	memory = mmap(NULL, n_pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return false;
	return !madvise(memory, n_pages * PAGE, MADV_NOHUGEPAGE);
}

static void touch_all(void)
{
	for (uint64_t i = 0; i < n_pages; i++)
		page_make(i);
}

static int bench_touch(void)
{
	struct clock since = now();
	touch_all();
	report("first", since, n_pages);
	touches("read", false, false);
	touches("random_read", true, false);
	touches("random_write", true, true);
	touches("write", false, true);
	puts("");
	return 0;
}

static int bench_cycle(uint64_t times)
{
	touch_all();
	struct clock since = now();
	for (uint64_t i = 0; i < times * n_pages; i++)
		page_check(i % n_pages);
	report("cycle", since, times * n_pages);
	puts("");
	return 0;
}

/* ---- threads ---- */

struct part {
	pthread_t thread;
	uint64_t first, n;
};

static void *part_read(void *arg)
{
	const struct part *p = arg;
	struct rng rng;
	rng_init(&rng, p->first);
	for (uint64_t i = 0; i < p->n; i++)
		page_check(p->first + rng_below(&rng, p->n));
	return NULL;
}

static int bench_threads(uint64_t n_threads)
{
	struct part part[THREADS_MOST];
	if (!n_threads || n_threads > THREADS_MOST)
		return complain("1 to 64 threads");
	touch_all();
	struct clock since = now();
	for (uint64_t i = 0; i < n_threads; i++) {
		part[i] = (struct part){ .first = n_pages / n_threads * i, .n = n_pages / n_threads };
		if (pthread_create(&part[i].thread, NULL, part_read, &part[i]))
			return complain("no thread");
	}
	for (uint64_t i = 0; i < n_threads; i++)
		pthread_join(part[i].thread, NULL);
	report("random_read", since, n_pages / n_threads * n_threads);
	puts("");
	return 0;
}

/* ---- the floor ---- */

static void *floor_serve(void *arg)
{
	static uint8_t page[PAGE];
	const struct uffd *u = arg;
	for (uint64_t served = 0; served < n_pages;) {
		struct uffd_fault fault[16];
		int n = uffd_read(u, fault, 16);
		for (int i = 0; i < n; i++, served++) {
			if (uffd_copy(u, fault[i].address & ~(uint64_t)(PAGE - 1), page, PAGE, 0))
				exit(complain("the host would not copy a page"));
		}
	}
	return NULL;
}

static int bench_floor(void)
{
	struct uffd u;
	struct pw_why why = { "" };
	pthread_t thread;
	cpu_set_t here;
	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	sched_setaffinity(0, sizeof here, &here);
	if (uffd_open(&u, &why))
		return complain(why.text);
	if (uffd_register(&u, (uintptr_t)memory, n_pages * PAGE) || pthread_create(&thread, NULL, floor_serve, &u))
		return complain("no memory");
	struct clock since = now();
	for (uint64_t i = 0; i < n_pages; i++)
		*(volatile uint64_t *)word_of(i) = i;
	report("fault", since, n_pages);
	puts("");
	pthread_join(thread, NULL);
	uffd_close(&u);
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t more = 0;
	struct pw_why why = { "" };
	if (argc < 3 || text_size(argv[2], &n_pages, &why) || !n_pages || (argc > 3 && text_size(argv[3], &more, &why)))
		return complain("live touch PAGES | cycle PAGES TIMES | threads PAGES THREADS | warm PAGES | floor PAGES");
	if (!memory_map())
		return complain("no memory");
	if (!strcmp(argv[1], "touch"))
		return bench_touch();
	if (!strcmp(argv[1], "warm")) {
		touch_all();
		return 0;
	}
	if (!strcmp(argv[1], "cycle"))
		return bench_cycle(more);
	if (!strcmp(argv[1], "threads"))
		return bench_threads(more);
	return bench_floor();
}
