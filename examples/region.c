/* region.c - a table of a quarter of a gigabyte in eight megabytes, of which nothing exists until it is looked at.
 *
 * The region is paged by a pager of ours: a page of numbers is computed when it is first touched.  Two threads read it through ordinary
 * pointers, a system call reads it as well, and what is stored in it comes back.  Where userfaultfd is not allowed, it says so.
 *
 *     cc region.c $(pkg-config --cflags --libs pageworks) -pthread && ./a.out */
#define _GNU_SOURCE
#include <pageworks.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BYTES (256ull << 20)
#define RAM   (8ull << 20)
enum { NUMBERS = BYTES / sizeof(uint64_t), PAGE = 4096, STORED = 1000 };

/* The pages that were stored to and had to leave: kept by us. */
static unsigned char kept[STORED][PAGE];
static bool is_kept[STORED];
static uint64_t made, back;

static uint64_t number(uint64_t n) { return n * 0x9e3779b97f4a7c15ull; }

static int numbers_read(void *ctx, uint64_t offset, void *bytes, size_t n)
{
	uint64_t *to = bytes, page = offset / PAGE;
	(void)ctx;
	if (page < STORED && is_kept[page] && n == PAGE) {
		memcpy(bytes, kept[page], n);
		return 0;
	}
	for (size_t i = 0; i < n / sizeof *to; i++)
		to[i] = number(offset / sizeof *to + i);
	made++;
	return 0;
}

static int numbers_write(void *ctx, uint64_t offset, const void *bytes, size_t n)
{
	uint64_t page = offset / PAGE;
	(void)ctx;
	if (page >= STORED || n != PAGE)
		return 5;
	memcpy(kept[page], bytes, n);
	is_kept[page] = true;
	back++;
	return 0;
}

static void *reader(void *arg)
{
	const uint64_t *table = arg;
	uint64_t wrong = 0;
	for (uint64_t n = NUMBERS / 2; n < NUMBERS; n += 1009)
		wrong += table[n] != number(n);
	return (void *)(uintptr_t)wrong;
}

int main(void)
{
	static const struct pw_pager pager = { .read = numbers_read, .write = numbers_write };
	const struct pw_region_backing backing = { .pager = &pager };
	struct pw_region *r;
	char *why;
	enum pw_status status = pw_region_create(BYTES, RAM, "fifo", &backing, &r, &why);
	if (status != PW_SUCCESS) {
		printf("no region: %s\n", why);
		pw_free(why);
		return status == PW_E_REFUSED ? 77 : 1;
	}
	uint64_t *table = pw_region_memory(r), wrong = 0;
	pthread_t thread;
	void *of_thread;
	if (pthread_create(&thread, NULL, reader, table) != 0)
		return 1;
	for (uint64_t n = 0; n < NUMBERS / 2; n += 997)
		wrong += table[n] != number(n);
	pthread_join(thread, &of_thread);
	wrong += (uintptr_t)of_thread;

	/* A system call reads what has not been touched yet. */
	FILE *null = fopen("/dev/null", "w");
	if (!null || fwrite(table + NUMBERS / 2, 1, 1 << 20, null) != 1 << 20 || fclose(null) != 0)
		return 1;

	for (uint64_t page = 0; page < STORED; page++)
		table[page * PAGE / 8] = page;
	for (uint64_t n = 0; n < NUMBERS; n += PAGE / 8) /* so that all of them leave */
		wrong += n / (PAGE / 8) >= STORED && table[n] != number(n);
	for (uint64_t page = 0; page < STORED; page++)
		wrong += table[page * PAGE / 8] != page || table[page * PAGE / 8 + 1] != number(page * PAGE / 8 + 1);

	double faults, resident;
	if (pw_region_figure(r, "faults.total", &faults) != PW_SUCCESS || pw_region_figure(r, "memory.resident_pages", &resident) != PW_SUCCESS)
		return 1;
	printf("256 MiB in 8: %llu wrong numbers, %.0f faults, %llu pages made, %llu came back to us, %.0f are resident\n",
	       (unsigned long long)wrong, faults, (unsigned long long)made, (unsigned long long)back, resident);
	pw_region_destroy(r);
	return wrong == 0 && back >= STORED && resident * PAGE <= (double)RAM ? 0 : 1;
}
