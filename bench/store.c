/* store.c - what a page costs in each store, beside what the memory and the device cost alone.
 *
 *     store kind SPEC PAGES       a store: written in order, read at random, rewritten at random, read in order twice
 *     store memory PAGES          copying pages that are in no cache
 *     store device FILE PAGES     the file alone, page cache bypassed: single pages, 64 in flight, a megabyte at a time
 *
 * Prints one line of "name value" pairs: nanoseconds a page, wall time; cpu_*: processor time.  Pages are like memory full of pointers
 * and small numbers.  Order at random is that of a fixed generator. */
#include "../src/base/rng.h"
#include "../src/base/text.h"
#include "../src/store/aio.h"
#include "../src/store/store.h"
#include "clock.h"
#include <errno.h>
#include <fcntl.h>
#include <lz4.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAGE = 4096, WINDOW = 256, RANDOM_READS = 20000 };

static uint8_t *pages; /* STORE_BATCH of them */

static int complain(const char *what)
{
	fprintf(stderr, "bench/store: %s\n", what);
	return 1;
}

/* Pointers into a heap, small counters, zeros: LZ4 makes two thirds of it. */
static void page_make(void *page, uint64_t seed)
{
	uint64_t words[PAGE / 8];
	for (unsigned i = 0; i < PAGE / 8; i++) {
		uint64_t x = splitmix64(&seed);
		words[i] = i % 4 == 0 ? 0x7f1200000000 + (x & 0xfffff0) : i % 4 == 1 ? x & 0xffff : i % 4 == 2 ? x >> 24 : 0;
	}
	memcpy(page, words, PAGE);
}

static bool write_pass(struct store *s, uint64_t n, bool random, struct pw_why *why)
{
	struct rng r;
	rng_init(&r, 3);
	for (uint64_t i = 0; i < n; i += WINDOW) {
		uint64_t slot[WINDOW], from = random ? rng_below(&r, n) : 0;
		const void *at[WINDOW];
		for (uint32_t k = 0; k < WINDOW; k++) {
			slot[k] = random ? (from + k * 7919ull) % n : i + k; /* different ones, all over the store */
			at[k] = pages + (size_t)k * PAGE;
			memcpy(pages + (size_t)k * PAGE + 8, &slot[k], 8);
		}
		if (store_write_slots(s, WINDOW, slot, at, why))
			return false;
	}
	return true;
}

static bool read_pass(struct store *s, uint64_t n, struct pw_why *why)
{
	void *at[WINDOW];
	for (uint32_t k = 0; k < WINDOW; k++)
		at[k] = pages + (size_t)k * PAGE;
	for (uint64_t i = 0; i + WINDOW <= n; i += WINDOW) {
		if (store_read(s, i, WINDOW, at, why))
			return false;
	}
	return true;
}

static bool read_random(struct store *s, uint64_t n, uint64_t count, struct pw_why *why)
{
	struct rng r;
	void *at[] = { pages };
	rng_init(&r, 4);
	for (uint64_t i = 0; i < count; i++) {
		if (store_read(s, rng_below(&r, n), 1, at, why))
			return false;
	}
	return true;
}

static int bench_kind(const char *spec, uint64_t n)
{
	struct store *s;
	struct store_stats sum;
	struct pw_why why = { "" };
	if (store_open(spec, PAGE, n, &s, &why))
		return complain(why.text);
	for (uint32_t k = 0; k < WINDOW; k++)
		page_make(pages + (size_t)k * PAGE, k);
	struct clock t = now();
	bool ok = write_pass(s, n, false, &why);
	report("write", t, n);
	t = now();
	ok = ok && !store_flush(s, &why);
	uint64_t some = strstr(spec, "file:") ? RANDOM_READS / 10 : RANDOM_READS;
	t = now();
	ok = ok && read_random(s, n, some, &why);
	report("random_read", t, some);
	t = now();
	ok = ok && read_pass(s, n, &why);
	report("read", t, n);
	t = now();
	ok = ok && write_pass(s, n, true, &why);
	report("rewrite", t, n);
	ok = ok && !store_flush(s, &why);
	t = now();
	ok = ok && read_pass(s, n, &why);
	report("read_scattered", t, n);
	t = now();
	ok = ok && read_pass(s, n, &why);
	report("read_again", t, n);
	store_stats(s, &sum);
	printf("memory_bytes %.0f\n", (double)sum.memory_bytes / (double)n);
	store_close(s);
	return ok ? 0 : complain(why.text);
}

/* Expanding pages alone, with nothing around it, from places that are in no cache. */
static int bench_lz4(uint64_t n)
{
	uint8_t page[PAGE], *packed = aligned_alloc(PAGE, n * PAGE);
	struct rng r;
	int bytes = 0;
	if (!packed)
		return complain("out of memory");
	for (uint64_t i = 0; i < n; i++) {
		page_make(page, i);
		bytes = LZ4_compress_default((const char *)page, (char *)packed + i * PAGE, PAGE, PAGE);
	}
	rng_init(&r, 4);
	struct clock t = now();
	for (uint64_t i = 0; i < RANDOM_READS; i++)
		LZ4_decompress_safe_partial((char *)packed + rng_below(&r, n) * PAGE, (char *)pages, bytes, PAGE, PAGE);
	report("lz4_random", t, RANDOM_READS);
	t = now();
	for (uint64_t i = 0; i < n; i++)
		LZ4_decompress_safe_partial((char *)packed + i * PAGE, (char *)pages, bytes, PAGE, PAGE);
	report("lz4", t, n);
	printf("\n");
	free(packed);
	return 0;
}

static int bench_memory(uint64_t n)
{
	uint8_t *from = aligned_alloc(PAGE, n * PAGE);
	struct rng r;
	if (!from)
		return complain("out of memory");
	memset(from, 1, n * PAGE);
	rng_init(&r, 4);
	struct clock t = now();
	for (uint64_t i = 0; i < RANDOM_READS; i++)
		memcpy(pages, from + rng_below(&r, n) * PAGE, PAGE);
	report("copy_random", t, RANDOM_READS);
	t = now();
	for (uint64_t i = 0; i < n; i++)
		memcpy(pages, from + i * PAGE, PAGE);
	report("copy", t, n);
	free(from);
	return bench_lz4(n);
}

/* count transfers of width pages, depth of them at once, at random places or one after another. */
static bool device_pass(struct aio *a, const char *name, bool write, uint64_t n, uint32_t width, uint32_t depth, uint64_t count)
{
	struct rng r;
	struct aio_lane *lane = aio_enter(a);
	struct aio_batch *b = aio_batch(lane);
	bool ok = true;
	rng_init(&r, 5);
	struct clock t = now();
	for (uint64_t i = 0; ok && i < count; i += depth) {
		for (uint32_t k = 0; k < depth; k++) {
			uint64_t at = width == 1 ? rng_below(&r, n) : (i + k) * width % (n - width + 1);
			b->vector[k] = (struct iovec){ pages + (size_t)(k * width % STORE_BATCH) * PAGE, (size_t)width * PAGE };
			b->op[k] = (struct aio_op){ .write = write, .offset = at * PAGE, .vector = &b->vector[k], .n_vectors = 1 };
		}
		ok = aio_run(a, lane, b->op, depth);
	}
	report(name, t, count * width);
	aio_leave(lane);
	return ok;
}

static int bench_device(const char *path, uint64_t n)
{
	struct aio *a;
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_DIRECT | O_CLOEXEC, 0600);
	if (fd < 0)
		return complain(strerror(errno));
	unlink(path);
	if (posix_fallocate(fd, 0, (off_t)(n * PAGE)) || aio_create(fd, true, PAGE, &a))
		return complain("no room for the file");
	bool ok = device_pass(a, "write_1M", true, n, 256, 1, n / 256) && device_pass(a, "rewrite_1M", true, n, 256, 1, n / 256) &&
	          device_pass(a, "read_1M", false, n, 256, 1, n / 256) && device_pass(a, "read_256K", false, n, 64, 1, n / 64) &&
	          device_pass(a, "read_1", false, n, 1, 1, 2000) && device_pass(a, "read_64", false, n, 1, 64, 12800);
	printf("\n");
	aio_destroy(a);
	return ok ? 0 : complain("a transfer fails");
}

int main(int argc, char **argv)
{
	uint64_t n = 0;
	struct pw_why why = { "" };
	pages = aligned_alloc(PAGE, (size_t)STORE_BATCH * PAGE);
	if (!pages || argc < 3 || text_size(argv[argc - 1], &n, &why) || n < STORE_BATCH)
		return complain("usage: store kind SPEC PAGES | store memory PAGES | store device FILE PAGES");
	memset(pages, 1, (size_t)STORE_BATCH * PAGE);
	n = n / STORE_BATCH * STORE_BATCH;
	if (!strcmp(argv[1], "kind") && argc == 4)
		return bench_kind(argv[2], n);
	if (!strcmp(argv[1], "memory") && argc == 3)
		return bench_memory(n);
	if (!strcmp(argv[1], "device") && argc == 4)
		return bench_device(argv[2], n);
	return complain("usage: store kind SPEC PAGES | store memory PAGES | store device FILE PAGES");
}
