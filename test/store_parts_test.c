/* store_parts_test.c - the parts that stores are made of: slabs, the log in a file, memory that is lent.
 *
 * Slabs waste little, whatever sizes come and go; the log's books stay right under random use, it cleans rather than grows, gives
 * space back, and finds pages in one piece that are read together.  Who is lent pages touches none that he was not given, and spoils
 * none when he fails. */
#include "../src/base/inject.h"
#include "../src/base/rng.h"
#include "../src/store/log.h"
#include "../src/store/slab.h"
#include "../src/store/store.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

enum { PAGE = 4096, OBJECTS = 20000, SEED = 5 };

/* ---- slabs */

struct object {
	slab_ref ref;
	uint32_t bytes;
};
static struct object object[OBJECTS];

static void object_fill(struct slab_pool *p, uint32_t i)
{
	memset(slab_bytes(p, object[i].ref), (int)(i * 31 + object[i].bytes), object[i].bytes);
}

static void object_check(const struct slab_pool *p, uint32_t i)
{
	const uint8_t *at = slab_bytes(p, object[i].ref);
	for (uint32_t k = 0; k < object[i].bytes; k += 97)
		assert_int_equal(at[k], (uint8_t)(i * 31 + object[i].bytes));
}

static void tidy(struct slab_pool *p)
{
	uint32_t owner;
	slab_ref from, to;
	while (slab_move(p, &owner, &from, &to)) {
		assert_int_equal(object[owner].ref, from);
		object[owner].ref = to;
		slab_give(p, from);
	}
}

static void object_put(struct slab_pool *p, uint32_t i, uint32_t bytes)
{
	bool nomem;
	object[i] = (struct object){ slab_take(p, bytes, i, &nomem), bytes };
	assert_true(object[i].ref);
	object_fill(p, i);
}

static void object_drop(struct slab_pool *p, uint32_t i)
{
	slab_give(p, object[i].ref);
	object[i].ref = 0;
	tidy(p);
}

static uint64_t bytes_in_use(void)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < OBJECTS; i++)
		sum += object[i].ref ? object[i].bytes : 0;
	return sum;
}

/* Sizes such as LZ4 makes of memory: most around a third of a page, some whole pages. */
static uint32_t size_like_lz4(struct rng *r)
{
	if (rng_below(r, 8) == 0)
		return PAGE;
	return 200 + (uint32_t)(rng_below(r, 1200) + rng_below(r, 1200));
}

static void test_slab_waste(void **state)
{
	struct slab_pool *p = slab_create(PAGE, UINT64_MAX);
	struct rng r;
	(void)state;
	rng_init(&r, SEED);
	memset(object, 0, sizeof object);
	for (uint32_t i = 0; i < OBJECTS; i++)
		object_put(p, i, size_like_lz4(&r));
	assert_null(slab_flaw(p));
	double fresh = (double)slab_held_bytes(p) / (double)bytes_in_use();
	for (int i = 0; i < 6 * OBJECTS; i++) { /* everything replaced several times, one third gone */
		uint32_t k = (uint32_t)rng_below(&r, OBJECTS);
		if (object[k].ref)
			object_drop(p, k);
		if (rng_below(&r, 3))
			object_put(p, k, size_like_lz4(&r));
	}
	assert_null(slab_flaw(p));
	double used = (double)slab_held_bytes(p) / (double)bytes_in_use();
	for (uint32_t i = 0; i < OBJECTS; i++) {
		if (object[i].ref)
			object_check(p, i);
	}
	print_message("# slabs take %.3f of their contents when filled, %.3f after replacing at random\n", fresh, used);
	assert_true(fresh < 1.12 && used < 1.25);
	for (uint32_t i = 0; i < OBJECTS; i++) {
		if (object[i].ref)
			object_drop(p, i);
	}
	assert_int_equal(slab_held_bytes(p), 0);
	assert_null(slab_flaw(p));
	slab_destroy(p);
}

/* Sizes of one kind go, others come: what the first held is given to the second. */
static void test_slab_capacity(void **state)
{
	struct slab_pool *p = slab_create(PAGE, 4 << 20);
	bool nomem;
	uint32_t n = 0;
	(void)state;
	memset(object, 0, sizeof object);
	for (slab_ref ref; n < OBJECTS && (ref = slab_take(p, 1000, n, &nomem)); n++)
		object[n] = (struct object){ ref, 1000 };
	assert_false(nomem);
	assert_in_range(n, 4000, 4194); /* 4 MiB in places of 1024 bytes and their words */
	assert_int_equal(slab_take(p, 64, n, &nomem), 0); /* no place of any size */
	slab_give(p, object[7].ref);
	object[7].ref = slab_take(p, 64, 7, &nomem);
	assert_true(object[7].ref); /* rather one too large than none */
	for (uint32_t i = 0; i < n; i += 2)
		object_drop(p, i);
	uint32_t pages = 0;
	for (slab_ref ref; (ref = slab_take(p, PAGE, n + pages, &nomem)); pages++)
		object[n + pages] = (struct object){ ref, PAGE };
	assert_in_range(pages, 440, 512);
	assert_null(slab_flaw(p));
	slab_destroy(p);
}

static void test_slab_sizes(void **state)
{
	(void)state;
	for (uint32_t page = 16; page <= 2 << 20; page *= 4) {
		struct slab_pool *p = slab_create(page, UINT64_MAX);
		memset(object, 0, sizeof object);
		for (uint32_t i = 0; i < 40; i++)
			object_put(p, i, i < 20 ? page : page / 3 + 1);
		for (uint32_t i = 0; i < 40; i++)
			object_check(p, i);
		assert_null(slab_flaw(p));
		slab_destroy(p);
	}
}

/* ---- the log */

enum { SLOTS = 4000 };
static uint64_t version[SLOTS];
static uint8_t *bytes;

static struct log *log_make(uint64_t file_bytes, bool direct)
{
	char path[300];
	const char *tmp = getenv("TMPDIR");
	struct aio *a;
	struct log *l;
	struct pw_why why;
	snprintf(path, sizeof path, "%s/pageworks-log-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	unlink(path);
	if (direct && fcntl(fd, F_SETFL, O_DIRECT))
		direct = false;
	assert_int_equal(aio_create(fd, direct, PAGE, &a), PW_OK);
	const struct log_limits limits = { .page_bytes = PAGE, .n_slots = SLOTS, .file_bytes = file_bytes, .can_allocate = true };
	if (log_create(a, &limits, "file:test", &l, &why))
		fail_msg("%s", why.text);
	memset(version, 0, sizeof version);
	return l;
}

static void page_make(uint8_t *page, uint64_t slot, uint64_t v)
{
	uint64_t words[PAGE / 8], seed = slot << 32 ^ v;
	for (unsigned i = 0; i < PAGE / 8; i++)
		words[i] = v ? splitmix64(&seed) : 0;
	memcpy(page, words, PAGE);
}

static enum pw_err put(struct log *l, uint64_t slot)
{
	const void *page[] = { bytes };
	struct pw_why why;
	page_make(bytes, slot, version[slot] + 1);
	enum pw_err err = log_write(l, 1, &slot, page, &why);
	version[slot] += !err;
	return err;
}

static void check(struct log *l, uint64_t first, uint32_t n)
{
	uint64_t slot[STORE_BATCH] = { first };
	void *page[STORE_BATCH] = { bytes };
	uint8_t expected[PAGE];
	struct pw_why why = { "" };
	for (uint32_t i = 0; i < n; i++) {
		slot[i] = first + i;
		page[i] = bytes + (size_t)i * PAGE;
	}
	if (log_read(l, n, slot, page, &why))
		fail_msg("%s", why.text);
	for (uint32_t i = 0; i < n; i++) {
		page_make(expected, slot[i], version[slot[i]]);
		assert_memory_equal(expected, page[i], PAGE);
	}
}

static void check_all(struct log *l)
{
	for (uint64_t i = 0; i < SLOTS; i += 250)
		check(l, i, 250);
}

static struct store_stats stats(struct log *l)
{
	struct store_stats sum = { 0 };
	log_stats(l, &sum);
	return sum;
}

/* Rewritten at random for long: it must clean, and stay within its bound; what was read together lies together. */
static void test_log_cleans(void **state)
{
	struct rng r;
	(void)state;
	for (int direct = 0; direct < 2; direct++) {
		struct log *l = log_make(UINT64_MAX, direct);
		rng_init(&r, SEED);
		for (uint64_t i = 0; i < SLOTS; i++)
			assert_int_equal(put(l, i), PW_OK);
		for (int i = 0; i < 30000; i++)
			assert_int_equal(put(l, rng_below(&r, SLOTS)), PW_OK);
		assert_int_equal(log_flush(l, NULL), PW_OK);
		assert_null(log_flaw(l));
		struct store_stats before = stats(l);
		assert_true(before.cleaned > 0);
		assert_in_range(before.file_bytes, SLOTS * PAGE, (SLOTS * 3ull / 2 + 2 * 64 * 64) * PAGE);
		check_all(l);
		assert_int_equal(log_flush(l, NULL), PW_OK);
		struct store_stats scattered = stats(l);
		check_all(l);
		struct store_stats after = stats(l);
		assert_null(log_flaw(l));
		assert_true(scattered.reclustered > SLOTS / 2);
		uint64_t first = scattered.io_reads - before.io_reads, second = after.io_reads - scattered.io_reads;
		print_message("# %d pages in %d transfers, the second time in %d; %d cleaned\n", SLOTS, (int)first, (int)second,
		              (int)before.cleaned);
		assert_true(second * 4 < first);
		log_discard(l, 0, SLOTS - 100);
		for (int i = 0; i < 60; i++)
			log_discard(l, 0, 1); /* gives back a little each time */
		assert_null(log_flaw(l));
		log_destroy(l);
	}
}

/* As much as fits, rewritten for ever; more is refused, and then nothing is lost. */
static void test_log_full(void **state)
{
	struct log *l = log_make(4 << 20, true); /* 16 clusters, 6 of them kept for the cleaner */
	struct rng r;
	uint64_t n = 0, refused = 0;
	(void)state;
	rng_init(&r, SEED);
	while (n < SLOTS && !put(l, n))
		n++;
	assert_in_range(n, 600, 1024);
	version[n] = 0;
	log_discard(l, n, 1);
	assert_null(log_flaw(l));
	log_discard(l, 0, 200);
	memset(version, 0, 200 * sizeof *version);
	for (int i = 0; i < 5000; i++)
		refused += put(l, 200 + rng_below(&r, n - 200)) != PW_OK;
	assert_int_equal(refused, 0);
	check_all(l);
	assert_null(log_flaw(l));
	assert_in_range(stats(l).file_bytes, 1, 4 << 20);
	log_destroy(l);
}

/* The device refuses writes behind: said, nothing lost, and all is well once it takes them again. */
static void test_log_write_behind_fails(void **state)
{
	struct log *l = log_make(UINT64_MAX, true);
	enum pw_err err = PW_OK;
	struct pw_why why = { "" };
	(void)state;
	inject_arm(INJECT_STORE_DEVICE, 2, INJECT_FROM_THEN_ON);
	uint64_t n = 0;
	while (n < SLOTS && !(err = put(l, n)))
		n++;
	assert_int_equal(err, PW_IO);
	assert_in_range(n, 128, 64 * 10);
	assert_int_equal(log_flush(l, &why), PW_IO);
	assert_non_null(strstr(why.text, "slot"));
	inject_disarm();
	check(l, 0, 100);
	for (uint64_t i = 0; i < n; i += 50)
		check(l, i, n - i < 50 ? (uint32_t)(n - i) : 50);
	assert_int_equal(log_flush(l, NULL), PW_OK);
	while (n < SLOTS && !put(l, n))
		n++;
	assert_int_equal(n, SLOTS);
	check_all(l);
	assert_null(log_flaw(l));
	log_destroy(l);
}

static int make_bytes(void **state)
{
	(void)state;
	bytes = aligned_alloc(PAGE, (size_t)STORE_BATCH * PAGE);
	return bytes ? 0 : -1;
}

static int free_bytes(void **state)
{
	(void)state;
	free(bytes);
	return 0;
}

/* ---- pages that are lent */

enum { LENT_SLOTS = 3000, LENT_PAGES = 1200, LENT_RUN = 40, LENT_ROUNDS = 4000 };

/* A claimed page cannot be touched before it is filled, and a page that was taken holds garbage. */
static bool lent_claim(void *ctx, void *at, size_t size)
{
	++*(unsigned *)ctx;
	return mprotect(at, size, PROT_NONE) == 0;
}

static void lent_fill(void *ctx, void *to, uint32_t n, const void *const pages[])
{
	(void)ctx;
	assert_int_equal(mprotect(to, (size_t)n * PAGE, PROT_READ | PROT_WRITE), 0);
	for (uint32_t i = 0; i < n; i++) {
		memcpy((uint8_t *)to + (size_t)i * PAGE, pages[i], PAGE);
		memset((void *)(uintptr_t)pages[i], 0x5a, PAGE);
	}
}

/* A run is written, with pages that end up undefined, or does not fit and leaves them as they were. */
static void lent_write(struct store *s, uint64_t first, uint32_t n, uint32_t versions[LENT_SLOTS], uint32_t v)
{
	static uint8_t lent[LENT_RUN][PAGE], want[PAGE];
	const void *pages[LENT_RUN];
	struct pw_why why = { "" };
	for (uint32_t i = 0; i < n; i++) {
		page_make(lent[i], first + i, v);
		pages[i] = lent[i];
	}
	enum pw_err err = store_write(s, first, n, pages, &why);
	assert_true(err == PW_OK || err == PW_NOSPACE);
	for (uint32_t i = 0; i < n; i++) {
		versions[first + i] = err ? 0 : v;
		page_make(want, first + i, v);
		if (err)
			assert_memory_equal(lent[i], want, PAGE);
	}
	if (err)
		store_discard(s, first, n);
}

static void lent_check(struct store *s, const uint32_t versions[LENT_SLOTS])
{
	static uint8_t got[PAGE], want[PAGE];
	void *const pages[] = { got };
	struct pw_why why = { "" };
	for (uint64_t slot = 0; slot < LENT_SLOTS; slot++) {
		if (!versions[slot])
			continue;
		page_make(want, slot, versions[slot]);
		assert_int_equal(store_read(s, slot, 1, pages, &why), PW_OK);
		assert_memory_equal(got, want, PAGE);
	}
}

static void test_lent_pages(void **state)
{
	(void)state;
	static uint32_t versions[LENT_SLOTS];
	unsigned claims = 0;
	const struct store_memory memory = { &claims, lent_claim, lent_fill };
	struct store *s;
	struct rng r;
	struct pw_why why = { "" };
	char spec[40];
	rng_init(&r, SEED);
	snprintf(spec, sizeof spec, "ram=%u", LENT_PAGES * PAGE);
	assert_int_equal(store_open(spec, PAGE, LENT_SLOTS, &s, &why), PW_OK);
	store_lend(s, &memory);
	for (uint32_t round = 1; round <= LENT_ROUNDS; round++) {
		uint32_t n = 1 + (uint32_t)rng_below(&r, LENT_RUN);
		uint64_t first = rng_below(&r, LENT_SLOTS - n);
		if (rng_below(&r, 5) < 2) {
			store_discard(s, first, n);
			memset(versions + first, 0, n * sizeof *versions);
		} else {
			lent_write(s, first, n, versions, round);
		}
	}
	lent_check(s, versions);
	assert_true(claims > 1);
	store_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slab_waste),
		cmocka_unit_test(test_slab_capacity),
		cmocka_unit_test(test_slab_sizes),
		cmocka_unit_test(test_log_cleans),
		cmocka_unit_test(test_log_full),
		cmocka_unit_test(test_log_write_behind_fails),
		cmocka_unit_test(test_lent_pages),
	};
	return cmocka_run_group_tests_name("store parts", tests, make_bytes, free_bytes);
}
