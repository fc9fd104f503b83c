/* store_laws_test.c - what every store that keeps bytes must do, whatever it is made of.
 *
 * A store is compared with the plainest one, an array of versions, under random reads, writes and discards; by one thread and by
 * several; with every allocation and every transfer of a device failing in turn; with failures and wrong bits planted.  Page
 * contents follow from slot and version, in shapes that compress well, hardly, not at all, and that are one word repeated. */
#include "../src/base/inject.h"
#include "../src/base/rng.h"
#include "../src/store/store.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { PAGE = 4096, SLOTS = 2048, BATCH = 300, SEED = 20261121 };

static char folder[200];

static int make_folder(void **state)
{
	const char *tmp = getenv("TMPDIR");
	(void)state;
	snprintf(folder, sizeof folder, "%s/pageworks-laws-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

/* Every kind that keeps bytes, alone and on others; %s is a file of the test's folder. */
static const char *const specs[] = {
	"ram", "lz4", "zstd", "lz4:level=8", "file:%s", "file=64M:%s", "crypt:ram", "crypt:file:%s", "tier:lz4=256K,ram",
	"tier:ram=1M,file:%s", "tier:lz4=256K,crypt:file:%s", "tier:ram=256K,tier:zstd=512K,file:%s", "fault:slow=100000,lz4",
};
enum { N_SPECS = sizeof specs / sizeof *specs };

static struct store *open_store(const char *form, uint64_t n_slots)
{
	char path[300], spec[400];
	struct store *s = NULL;
	struct pw_why why = { "" };
	snprintf(path, sizeof path, "%s/swap", folder);
	snprintf(spec, sizeof spec, form, path);
	if (store_open(spec, PAGE, n_slots, &s, &why))
		fail_msg("%s: %s", spec, why.text);
	return s;
}

/* The bytes of a slot's version; version 0 is what a discarded slot reads as. */
static void page_make(uint8_t *page, uint64_t slot, uint64_t version)
{
	struct rng r;
	uint64_t words[PAGE / 8];
	rng_init(&r, slot << 32 ^ version);
	uint64_t shape = rng_below(&r, 8), fixed = rng_next(&r);
	for (unsigned i = 0; i < PAGE / 8; i++) {
		if (!version || shape == 0)
			words[i] = version ? fixed : 0;
		else if (shape == 1)
			words[i] = rng_next(&r); /* does not compress */
		else
			words[i] = i % shape ? fixed + i / 16 : rng_next(&r) >> 8 * shape;
	}
	memcpy(page, words, PAGE);
}

/* A store beside its model, for one thread: the slots first, first + step, ... */
struct pair {
	struct store *s;
	struct rng r;
	uint64_t first, step, n;
	uint64_t version[SLOTS]; /* what the slot holds for certain */
	uint64_t tried[SLOTS];   /* the last version that was written, perhaps in vain */
	uint64_t doubts[SLOTS];  /* so many of the last versions tried may be there as well */
	uint8_t *pages, *expected;
	bool may_fail;        /* failures are planted */
	uint64_t refused, corrupt;
};

static void pair_init(struct pair *p, struct store *s, uint64_t seed, uint64_t first, uint64_t step)
{
	memset(p, 0, sizeof *p);
	p->s = s;
	p->first = first;
	p->step = step;
	p->n = SLOTS / step;
	rng_init(&p->r, seed);
	p->pages = aligned_alloc(PAGE, (size_t)BATCH * PAGE + PAGE);
	p->expected = aligned_alloc(PAGE, PAGE);
	assert_non_null(p->pages);
	assert_non_null(p->expected);
}

static void pair_fini(struct pair *p)
{
	free(p->pages);
	free(p->expected);
}

/* Some different slots: a run, or a scattered handful. */
static uint32_t slots_pick(struct pair *p, uint64_t slot[BATCH], uint64_t index[BATCH])
{
	uint32_t n = 1 + (uint32_t)rng_below(&p->r, rng_below(&p->r, 10) ? 12 : BATCH);
	uint64_t stride = rng_below(&p->r, 2) ? 1 : 1 + 2 * rng_below(&p->r, 40); /* odd, so it visits all of a power of two */
	uint64_t from = rng_below(&p->r, p->n);
	if (n > p->n)
		n = (uint32_t)p->n;
	for (uint32_t i = 0; i < n; i++) {
		index[i] = (from + i * stride) % p->n;
		slot[i] = p->first + index[i] * p->step;
	}
	return n;
}

/* Addresses of pages in no order; sometimes not aligned to anything. */
static void pages_place(struct pair *p, void *at[BATCH], uint32_t n)
{
	size_t shift = rng_below(&p->r, 4) ? 0 : 8;
	for (uint32_t i = 0; i < n; i++)
		at[i] = p->pages + shift + (size_t)((i * 7 + 3) % BATCH) * PAGE;
}

static void do_write(struct pair *p)
{
	uint64_t slot[BATCH], index[BATCH];
	void *at[BATCH];
	struct pw_why why = { "" };
	uint32_t n = slots_pick(p, slot, index);
	pages_place(p, at, n);
	for (uint32_t i = 0; i < n; i++)
		page_make(at[i], slot[i], ++p->tried[index[i]]);
	enum pw_err err = store_write_slots(p->s, n, slot, (const void *const *)at, &why);
	if (err && !p->may_fail)
		fail_msg("write of %u slots from %llu: %s", n, (unsigned long long)slot[0], why.text);
	assert_true(!err || *why.text);
	p->refused += err != PW_OK;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t k = index[i];
		p->version[k] = err ? p->version[k] : p->tried[k];
		p->doubts[k] = err ? p->doubts[k] + 1 : 0;
	}
}

static bool holds(struct pair *p, uint64_t slot, uint64_t version, const void *page)
{
	page_make(p->expected, slot, version);
	return !memcmp(page, p->expected, PAGE);
}

static void check_page(struct pair *p, uint64_t index, const void *page)
{
	uint64_t slot = p->first + index * p->step;
	bool right = holds(p, slot, p->version[index], page);
	for (uint64_t k = 0; !right && k < p->doubts[index]; k++)
		right = holds(p, slot, p->tried[index] - k, page);
	if (!right)
		fail_msg("slot %llu does not hold its version %llu", (unsigned long long)slot, (unsigned long long)p->version[index]);
}

static void do_read(struct pair *p)
{
	uint64_t slot[BATCH], index[BATCH];
	void *at[BATCH];
	struct pw_why why = { "" };
	uint32_t n = slots_pick(p, slot, index);
	pages_place(p, at, n);
	bool lost = false;
	for (uint32_t i = 0; i < n; i++)
		lost = lost || p->doubts[index[i]];
	enum pw_err err = store_read_slots(p->s, n, slot, at, &why);
	if (err) {
		if (!p->may_fail && !lost)
			fail_msg("read of %u slots from %llu: %s", n, (unsigned long long)slot[0], why.text);
		assert_true(err == PW_IO || err == PW_CORRUPT || err == PW_NOMEM);
		assert_non_null(strstr(why.text, "slot"));
		p->refused++;
		p->corrupt += err == PW_CORRUPT;
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		check_page(p, index[i], at[i]);
}

static void do_discard(struct pair *p)
{
	uint64_t slot[BATCH], index[BATCH];
	uint32_t n = slots_pick(p, slot, index);
	for (uint32_t i = 0; i < n; i++) {
		store_discard(p->s, slot[i], 1);
		p->version[index[i]] = p->doubts[index[i]] = 0;
	}
}

static void do_borrow(struct pair *p)
{
	uint64_t i = rng_below(&p->r, p->n), slot = p->first + i * p->step;
	const void *page = store_borrow(p->s, slot);
	if (page)
		check_page(p, i, page);
}

static void work(struct pair *p, int steps)
{
	for (int i = 0; i < steps; i++) {
		switch (rng_below(&p->r, 16)) {
		case 0: do_discard(p); break;
		case 1: case 2: case 3: case 4: case 5: case 6: do_write(p); break;
		case 7: do_borrow(p); break;
		case 8:
			if (store_flush(p->s, NULL) && !p->may_fail)
				fail_msg("a flush fails");
			break;
		default: do_read(p); break;
		}
	}
}

/* Everything as it should be at the end, one slot after another. */
static void read_all(struct pair *p)
{
	for (uint64_t i = 0; i < p->n; i++) {
		uint64_t slot = p->first + i * p->step;
		void *at[] = { p->pages };
		enum pw_err err = store_read(p->s, slot, 1, at, NULL);
		if (err && !p->may_fail && !p->doubts[i])
			fail_msg("slot %llu cannot be read", (unsigned long long)slot);
		if (!err)
			check_page(p, i, p->pages);
	}
}

static void test_random(void **state)
{
	static struct pair p;
	(void)state;
	print_message("# seed %d\n", SEED);
	for (int i = 0; i < N_SPECS; i++) {
		struct store_stats sum;
		struct store *s = open_store(specs[i], SLOTS);
		pair_init(&p, s, SEED + (uint64_t)i, 0, 1);
		work(&p, 700);
		read_all(&p);
		store_stats(s, &sum);
		assert_true(sum.pages_written && sum.pages_read && sum.filled && sum.stored);
		assert_true(sum.filled + sum.stored <= SLOTS);
		assert_int_equal(sum.mismatches + sum.failures, 0);
		if (!strncmp(specs[i], "tier", 4))
			assert_true(sum.demoted && sum.promoted);
		store_discard(s, 0, SLOTS);
		store_stats(s, &sum);
		assert_int_equal(sum.stored + sum.filled + sum.packed_bytes + sum.raw, 0);
		memset(p.version, 0, sizeof p.version);
		read_all(&p);
		pair_fini(&p);
		store_close(s);
	}
}

static void *thread_work(void *arg)
{
	work(arg, 250);
	return NULL;
}

/* Threads with slots of their own, side by side in every table. */
static void test_threads(void **state)
{
	enum { THREADS = 4 };
	static struct pair pair[THREADS];
	(void)state;
	for (int i = 0; i < N_SPECS; i++) {
		pthread_t thread[THREADS];
		struct store *s = open_store(specs[i], SLOTS);
		for (uint64_t t = 0; t < THREADS; t++) {
			pair_init(&pair[t], s, SEED + t, t, THREADS);
			assert_int_equal(pthread_create(&thread[t], NULL, thread_work, &pair[t]), 0);
		}
		for (int t = 0; t < THREADS; t++)
			pthread_join(thread[t], NULL);
		for (int t = 0; t < THREADS; t++) {
			read_all(&pair[t]);
			pair_fini(&pair[t]);
		}
		store_close(s);
	}
}

struct reader {
	struct store *s;
	uint64_t seed;
	bool wrong;
};

static void *thread_read(void *arg)
{
	struct reader *r = arg;
	static _Thread_local uint8_t page[32][PAGE], expected[PAGE];
	struct rng rng;
	void *at[32];
	rng_init(&rng, r->seed);
	for (int i = 0; i < 32; i++)
		at[i] = page[i];
	for (int i = 0; i < 300; i++) {
		uint64_t slot = rng_below(&rng, SLOTS - 32);
		r->wrong |= store_read(r->s, slot, 32, at, NULL) != PW_OK;
		for (uint64_t k = 0; k < 32; k++) {
			page_make(expected, slot + k, 1);
			r->wrong |= memcmp(page[k], expected, PAGE) != 0;
		}
	}
	return NULL;
}

/* The same slots, read by all: whatever moves below must not be seen to move. */
static void test_readers(void **state)
{
	static uint8_t page[PAGE];
	(void)state;
	for (int i = 0; i < N_SPECS; i++) {
		struct store *s = open_store(specs[i], SLOTS);
		pthread_t thread[3];
		struct reader reader[3];
		const void *at[] = { page };
		for (uint64_t slot = 0; slot < SLOTS; slot++) {
			uint64_t scattered = slot * 1031 % SLOTS;
			page_make(page, scattered, 1);
			assert_int_equal(store_write(s, scattered, 1, at, NULL), PW_OK);
		}
		for (int t = 0; t < 3; t++) {
			reader[t] = (struct reader){ s, SEED + (uint64_t)t, false };
			assert_int_equal(pthread_create(&thread[t], NULL, thread_read, &reader[t]), 0);
		}
		for (int t = 0; t < 3; t++) {
			pthread_join(thread[t], NULL);
			assert_false(reader[t].wrong);
		}
		store_close(s);
	}
}

/* A scenario under injected failures: nothing leaks, nothing is wrong, and when they end all is well. */
static bool scenario(const char *form, enum inject_site site, uint64_t k, enum inject_mode mode)
{
	static struct pair p;
	char path[300], spec[400];
	struct store *s = NULL;
	snprintf(path, sizeof path, "%s/swap", folder);
	snprintf(spec, sizeof spec, form, path);
	inject_arm(site, k, mode);
	enum pw_err err = store_open(spec, PAGE, SLOTS, &s, NULL);
	if (err) {
		assert_int_equal(err, PW_NOMEM);
		assert_null(s);
	} else {
		pair_init(&p, s, SEED, 0, 1);
		p.may_fail = true;
		work(&p, 12);
	}
	bool reached = inject_count(site) >= k;
	inject_disarm();
	unlink(path);
	if (!err) {
		work(&p, 6);
		read_all(&p);
		pair_fini(&p);
		store_close(s);
	}
	return reached;
}

static void test_injected(void **state)
{
	static const enum inject_site sites[] = { INJECT_ALLOC, INJECT_STORE_DEVICE, INJECT_STORE_SHORT, INJECT_STORE_WRITE };
	(void)state;
	for (int i = 0; i < N_SPECS; i++) {
		for (unsigned j = 0; j < sizeof sites / sizeof *sites; j++) {
			uint64_t k = 1;
			while (k < 60 && scenario(specs[i], sites[j], k, k % 2 ? INJECT_ONCE : INJECT_FROM_THEN_ON))
				k += 1 + k / 6;
		}
	}
}

/* Planted failures: refused or right, never wrong; wrong bits are noticed every time. */
static void test_planted(void **state)
{
	static const char *const forms[] = {
		"fault:read_eio=20,write_eio=20,ram", "fault:short=15,nospace=30,seed=7,lz4", "fault:flip=200,lz4",
		"fault:flip=200,file:%s", "tier:ram=256K,fault:flip=200,write_eio=9,file:%s", "crypt:fault:flip=200,ram",
		"fault:slow=50,slow_ns=1000,after=100,read_eio=40,zstd",
	};
	static struct pair p;
	(void)state;
	for (unsigned i = 0; i < sizeof forms / sizeof *forms; i++) {
		struct store_stats sum;
		struct store *s = open_store(forms[i], SLOTS);
		pair_init(&p, s, SEED + i, 0, 1);
		p.may_fail = true;
		work(&p, 600);
		read_all(&p);
		store_stats(s, &sum);
		assert_true(sum.planted && p.refused);
		assert_true(sum.mismatches + sum.failures >= p.refused);
		if (strstr(forms[i], "flip"))
			assert_true(p.corrupt);
		pair_fini(&p);
		store_close(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_readers),
		cmocka_unit_test(test_injected),
		cmocka_unit_test(test_planted),
	};
	return cmocka_run_group_tests_name("store laws", tests, make_folder, remove_folder);
}
