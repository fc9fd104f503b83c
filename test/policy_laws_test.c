/* policy_laws_test.c - what theorems and papers say of policies: inclusion, optimality, loops, scans, pages used once. */
#include "../src/base/rng.h"
#include "../src/sim/duel.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { REFS_MAX = 30000, PAGES_MAX = 3000 };

struct string {
	uint32_t ref[REFS_MAX], n;
	uint64_t next[REFS_MAX];
};

static void say(struct string *s, uint32_t page)
{
	assert_true(s->n < REFS_MAX && page < PAGES_MAX);
	s->ref[s->n++] = duel_ref(page, false);
}

static void foresee(struct string *s)
{
	uint64_t soonest[PAGES_MAX];
	for (uint32_t i = 0; i < PAGES_MAX; i++)
		soonest[i] = POLICY_NEVER;
	for (uint32_t i = s->n; i-- > 0;) {
		s->next[i] = soonest[s->ref[i] >> 1];
		soonest[s->ref[i] >> 1] = i + 1;
	}
}

static struct duel *duel_of(const char *spec, uint32_t frames)
{
	struct duel_cell cell = { .frames = frames, .seed = 5 };
	struct duel *d;
	assert_int_equal(policy_parse(spec, &cell.policy, &cell.params, NULL), PW_OK);
	assert_int_equal(duel_create(&cell, 1, 1, &d, NULL), PW_OK);
	return d;
}

static uint64_t faults_between(struct duel *d, const struct string *s, uint32_t from, uint32_t to)
{
	struct duel_result before, after;
	duel_result(d, 0, &before);
	assert_int_equal(duel_feed(d, s->ref + from, s->next + from, to - from), PW_OK);
	duel_result(d, 0, &after);
	return after.faults - before.faults;
}

static uint64_t faults_of(const char *spec, const struct string *s, uint32_t frames)
{
	struct duel *d = duel_of(spec, frames);
	uint64_t faults = faults_between(d, s, 0, s->n);
	assert_null(duel_flaw(d));
	duel_destroy(d);
	return faults;
}

/* Popular pages, with stretches of loops. */
static void random_string(struct string *s, uint32_t n, uint32_t pages, uint64_t seed)
{
	struct rng r;
	rng_init(&r, seed);
	s->n = 0;
	while (s->n < n) {
		uint32_t length = 1 + (uint32_t)rng_below(&r, 2 * pages), span = 1 + (uint32_t)rng_below(&r, pages);
		bool loops = rng_below(&r, 3) == 0;
		for (uint32_t i = 0; i < length && s->n < n; i++) {
			double u = rng_unit(&r);
			say(s, loops ? i % span : (uint32_t)(u * u * u * pages));
		}
	}
	foresee(s);
}

/* Mattson and others: what n frames hold is held by n + 1 frames, so a hit in n is a hit in n + 1. */
static void lru_includes(void **state)
{
	static struct string s;
	(void)state;
	random_string(&s, 4000, 40, 3);
	for (uint32_t frames = 1; frames < 20; frames += 3) {
		struct duel *few = duel_of("lru", frames), *more = duel_of("lru", frames + 1);
		for (uint32_t i = 0; i < s.n; i++) {
			bool missed = faults_between(few, &s, i, i + 1);
			if (faults_between(more, &s, i, i + 1) && !missed)
				fail_msg("reference %u hits with %u frames and misses with one more", i, frames);
		}
		duel_destroy(few);
		duel_destroy(more);
	}
}

/* Belady: no policy with the same number of frames has fewer faults; and nobody has fewer than there are pages. */
static void opt_is_least(void **state)
{
	static struct string s;
	(void)state;
	for (uint64_t seed = 1; seed <= 6; seed++) {
		random_string(&s, 6000, 20 + 60 * (uint32_t)seed, seed);
		for (uint32_t frames = 1; frames < 200; frames = frames * 2 + 1) {
			uint64_t least = faults_of("opt", &s, frames);
			for (unsigned i = 0; policy_at(i); i++) {
				uint64_t faults = faults_of(policy_at(i)->name, &s, frames);
				if (faults < least)
					fail_msg("%s has %lu faults in %u frames, opt %lu", policy_at(i)->name,
					         (unsigned long)faults, frames, (unsigned long)least);
			}
		}
	}
}

/* Where everything fits, each page faults once, whoever decides; windows are wider than the string. */
static void everything_fits(void **state)
{
	static struct string s;
	(void)state;
	random_string(&s, 5000, 60, 9);
	uint64_t pages = faults_of("lru", &s, 60);
	for (unsigned i = 0; policy_at(i); i++) {
		assert_int_equal(faults_of(policy_at(i)->name, &s, 60), pages);
		assert_int_equal(faults_of(policy_at(i)->name, &s, 1000), pages);
	}
}

/* The same references, each so many times in a row. */
static void stutter(struct string *to, const struct string *s, uint32_t most)
{
	struct rng r;
	rng_init(&r, 11);
	to->n = 0;
	for (uint32_t i = 0; i < s->n; i++) {
		uint32_t times = rng_below(&r, 3) ? 1 : 2 + (uint32_t)rng_below(&r, 9);
		for (uint32_t k = 0; k < times && k < most; k++)
			say(to, s->ref[i] >> 1);
	}
	foresee(to);
}

/* Who does not count cannot tell two references in a row from ten; some of those who count can. */
static void who_counts(void **state)
{
	static struct string s, two, ten;
	unsigned differ = 0;
	(void)state;
	random_string(&s, 9000, 200, 4);
	stutter(&two, &s, 2);
	stutter(&ten, &s, 10);
	assert_true(ten.n > two.n + s.n);
	for (unsigned i = 0; policy_at(i); i++) {
		for (uint32_t frames = 2; frames < 150; frames = frames * 2 + 1) {
			bool same = faults_of(policy_at(i)->name, &two, frames) == faults_of(policy_at(i)->name, &ten, frames);
			if (!same && !policy_counts(policy_at(i)))
				fail_msg("%s counts references in a row, in %u frames", policy_at(i)->name, frames);
			differ += !same;
		}
	}
	assert_true(differ > 0);
}

/* A loop one page larger than memory: who goes by recency or arrival misses always; mru loses one page a round; lirs and clock-pro keep
 * what they hold as LIR or hot (Jiang and Zhang, section 1). */
static void loops(void **state)
{
	enum { FRAMES = 200, ROUNDS = 100 };
	static struct string s;
	static const char *const lost[] = { "fifo", "lru", "clock", "clock-0", "second-chance", "ws:tau=200" };
	(void)state;
	s.n = 0;
	for (uint32_t i = 0; i < ROUNDS * (FRAMES + 1); i++)
		say(&s, i % (FRAMES + 1));
	foresee(&s);
	for (unsigned i = 0; i < sizeof lost / sizeof *lost; i++)
		assert_int_equal(faults_of(lost[i], &s, FRAMES), s.n);
	uint64_t least = faults_of("opt", &s, FRAMES);
	assert_int_equal(faults_of("mru", &s, FRAMES), least);
	assert_in_range(faults_of("lirs", &s, FRAMES), least, s.n / 10);
	assert_in_range(faults_of("clock-pro", &s, FRAMES), least, s.n / 5);
}

/* Pages used again and again, then a scan of many used once: papers promise that the former survive it. */
static uint64_t faults_after_scan(const char *spec)
{
	enum { FRAMES = 200, HOT = 60 };
	static struct string s;
	s.n = 0;
	for (uint32_t round = 0; round < 12; round++) {
		for (uint32_t i = 0; i < HOT; i++)
			say(&s, i);
		for (uint32_t i = 0; i < 25; i++) /* others between, so that 2Q and S3-FIFO see the hot ones again */
			say(&s, HOT + round * 25 + i);
	}
	for (uint32_t i = 0; i < 1500; i++)
		say(&s, 1000 + i);
	uint32_t scanned = s.n;
	for (uint32_t i = 0; i < HOT; i++)
		say(&s, i);
	foresee(&s);
	struct duel *d = duel_of(spec, FRAMES);
	faults_between(d, &s, 0, scanned);
	uint64_t faults = faults_between(d, &s, scanned, s.n);
	duel_destroy(d);
	return faults;
}

static void scans(void **state)
{
	static const char *const resist[] = { "arc", "car", "lirs", "lfu", "s3-fifo", "opt" };
	static const char *const forget[] = { "fifo", "lru", "clock", "clock-0", "second-chance" };
	(void)state;
	for (unsigned i = 0; i < sizeof resist / sizeof *resist; i++)
		if (faults_after_scan(resist[i]))
			fail_msg("%s lost %lu pages to the scan", resist[i], (unsigned long)faults_after_scan(resist[i]));
	for (unsigned i = 0; i < sizeof forget / sizeof *forget; i++)
		assert_int_equal(faults_after_scan(forget[i]), 60);
	assert_int_equal(faults_after_scan("clock-pro"), 0);
}

/* SIEVE, section 3: survivors keep their places, newcomers are looked at next.  Seven frames hold A to G (0 to 6), of which B, E and G
 * have been used again; then H, A, D, I, B, J come. */
static void sieve_by_hand(void **state)
{
	static const uint32_t first[] = { 0, 1, 2, 3, 4, 5, 6, 1, 4, 6 };
	/*                                   H     A     D      I     B      J */
	static const uint32_t then[] = { 7, 0, 3, 8, 1, 9 };
	static const bool misses[] = { true, true, false, true, false, true };
	static struct string s;
	(void)state;
	s.n = 0;
	for (unsigned i = 0; i < sizeof first / sizeof *first; i++)
		say(&s, first[i]);
	for (unsigned i = 0; i < sizeof then / sizeof *then; i++)
		say(&s, then[i]);
	foresee(&s);
	struct duel *d = duel_of("sieve", 7);
	assert_int_equal(faults_between(d, &s, 0, 10), 7);
	/* H: A is unused and leaves, the hand is at B.  A: B is spared, C leaves.  D: used.  I: D is spared, E is spared, F leaves.
	 * B: still there, its bit is set again.  J: G is spared, H, the next in order, leaves. */
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(faults_between(d, &s, 10 + i, 11 + i), misses[i]);
	duel_destroy(d);
}

/* Denning: a reference faults if the one before it to the same page is more than tau ago.  Prieve and Fabry: vmin faults as often, and
 * holds less. */
static void working_sets(void **state)
{
	static struct string s;
	static const char *const pairs[][2] = { { "ws:tau=5", "vmin:tau=5" }, { "ws:tau=80", "vmin:tau=80" } };
	static const uint64_t tau[] = { 5, 80 };
	(void)state;
	random_string(&s, 9000, 90, 4);
	for (unsigned i = 0; i < 2; i++) {
		uint64_t far = 0;
		struct duel_result ws, vmin;
		for (uint32_t k = 0; k < s.n; k++)
			far += s.next[k] != POLICY_NEVER && s.next[k] - (k + 1) > tau[i];
		struct duel *a = duel_of(pairs[i][0], 90), *b = duel_of(pairs[i][1], 90);
		uint64_t faults = faults_between(a, &s, 0, s.n), pages = faults_of("lru", &s, 90);
		assert_int_equal(faults, far + pages);
		assert_int_equal(faults_between(b, &s, 0, s.n), faults);
		duel_result(a, 0, &ws);
		duel_result(b, 0, &vmin);
		assert_true(vmin.resident_mean < ws.resident_mean && ws.resident_peak <= tau[i] + 1);
		duel_destroy(a);
		duel_destroy(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lru_includes), cmocka_unit_test(opt_is_least), cmocka_unit_test(everything_fits),
		cmocka_unit_test(who_counts),
		cmocka_unit_test(loops), cmocka_unit_test(scans), cmocka_unit_test(sieve_by_hand), cmocka_unit_test(working_sets),
	};
	return cmocka_run_group_tests_name("policy_laws", tests, NULL, NULL);
}
