/* load_test.c - load control: whatever it does, every reference is made, sums agree, and it ends.
 *
 * Machines of every kind thrash under mixes of loops, random and moving working sets; what matters of each run is checked by the run
 * itself.  Where the answer is known it is asked for. */
#include "../src/base/inject.h"
#include "../src/base/rng.h"
#include "../src/sim/run.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

enum { SPECS = 5, SPEC = 80 };

static struct run_options options_of(const char *policy, uint64_t frames, uint64_t quantum)
{
	struct run_options o;
	run_options_init(&o);
	o.policy = policy_find(policy);
	o.page_frames = frames;
	o.quantum = quantum;
	o.load_control = true;
	return o;
}

/* => PW_OK with *ret, to be released */
static enum pw_err run_whole(const struct run_options *o, char spec[][SPEC], unsigned n, struct result *ret)
{
	struct pw_why why = { "" };
	struct trace *part[SPECS], *t = NULL;
	struct run *r = NULL;
	unsigned opened = 0;
	enum pw_err err = PW_OK;
	while (!err && opened < n && !(err = trace_open(spec[opened], &part[opened], &why)))
		opened++;
	if (!err)
		err = trace_mix(part, n, &t, &why);
	else
		while (opened-- > 0)
			trace_close(part[opened]);
	if (!err)
		err = run_create(o, &r, &why);
	if (!err)
		err = run_begin(r, t, &why);
	while (!err && run_step(r) == RUN_GOING)
		;
	if (!err)
		err = run_error(r, &why);
	if (!err)
		err = run_result(r, ret, &why);
	run_destroy(r);
	if (t)
		trace_close(t);
	return err;
}

/* Three loops, two of which fit: whoever runs does not fault but for coming in. */
static void those_that_run_fit(void **state)
{
	char specs[SPECS][SPEC] = { "loop:pages=60,refs=100K", "loop:pages=60,refs=100K", "loop:pages=60,refs=100K" };
	struct run_options o = options_of("lru", 128, 300);
	struct result r;
	(void)state;
	assert_int_equal(run_whole(&o, specs, 3, &r), PW_OK);
	assert_int_equal(r.load.detections, 1);
	assert_int_equal(r.load.suspensions, r.load.resumptions);
	assert_int_equal(r.load.suspended_now, 0);
	/* 16 turns that bring everything back, then the pages of whoever is let in. */
	assert_true(r.kernel.faults.total <= 60 * 16 + 60 * (r.load.resumptions + 1));
	assert_true(r.load.resumptions < 10);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(r.process[i].references, 100 << 10);
	result_fini(&r);
}

/* Faults alone are no reason: one that reads through memory once faults always, and takes nothing that comes back. */
static void a_scan_is_not_thrashing(void **state)
{
	char specs[SPECS][SPEC] = { "loop:pages=20,refs=100K", "seq:pages=50K" };
	struct run_options o = options_of("lru", 1000, 300);
	struct result r;
	(void)state;
	assert_int_equal(run_whole(&o, specs, 2, &r), PW_OK);
	assert_int_equal(r.load.suspensions, 0);
	result_fini(&r);
}

static void some_spec(struct rng *g, char *ret)
{
	unsigned pages = 5 + (unsigned)rng_below(g, 120), refs = 500 + (unsigned)rng_below(g, 6000);
	static const char *const kinds[] = { "loop", "random", "zipf", "phases", "stack", "seq" };
	const char *kind = kinds[rng_below(g, 6)];
	if (!strcmp(kind, "seq"))
		snprintf(ret, SPEC, "seq:pages=%u", pages);
	else
		snprintf(ret, SPEC, "%s:pages=%u,refs=%u,writes=0.5,seed=%u", kind, pages, refs, pages);
}

static struct run_options some_options(struct rng *g)
{
	static const char *const policies[] = { "lru", "clock", "fifo", "arc", "wsclock", "random" };
	struct run_options o = options_of(policies[rng_below(g, 6)], 10 + rng_below(g, 150), 1 + rng_below(g, 400));
	o.replacement = rng_below(g, 3) ? REPLACEMENT_global : REPLACEMENT_local;
	o.allocation = (enum allocation)rng_below(g, ALLOCATION_KINDS);
	o.personality = rng_below(g, 3) ? PERSONALITY_textbook : PERSONALITY_linux;
	o.refbits = rng_below(g, 3) ? REFBITS_EXACT : REFBITS_HARDWARE;
	o.n_cpus = 1 + (unsigned)rng_below(g, 3);
	if (rng_below(g, 4) == 0) {
		o.ram_bytes = (o.page_frames + 30) << 12;
		o.page_frames = 0;
	}
	return o;
}

static void it_always_ends(void **state)
{
	uint64_t suspensions = 0, kills = 0;
	(void)state;
	for (uint64_t seed = 1; seed <= 150; seed++) {
		char specs[SPECS][SPEC];
		struct rng g;
		struct result r;
		rng_init(&g, seed);
		struct run_options o = some_options(&g);
		unsigned n = 1 + (unsigned)rng_below(&g, SPECS);
		for (unsigned i = 0; i < n; i++)
			some_spec(&g, specs[i]);
		enum pw_err err = run_whole(&o, specs, n, &r);
		if (err == PW_NOFRAMES)
			continue; /* not even tables for all of them */
		if (err || r.checks.n_failed)
			fail_msg("seed %lu: %s", (unsigned long)seed, err ? pw_err_text(err) : r.checks.failed[0]);
		suspensions += r.load.suspensions;
		kills += r.kernel.oom_kills;
		assert_int_equal(r.load.suspended_now, 0);
		for (unsigned i = 0; i < r.n_processes; i++)
			assert_true(r.process[i].ended);
		result_fini(&r);
	}
	print_message("# %lu suspensions, %lu killed\n", (unsigned long)suspensions, (unsigned long)kills);
	assert_true(suspensions > 100);
}

static void every_allocation_may_fail(void **state)
{
	char specs[SPECS][SPEC] = { "loop:pages=20,refs=1000", "loop:pages=20,refs=1000", "loop:pages=20,refs=1000" };
	struct run_options o = options_of("lru", 50, 40);
	(void)state;
	for (uint64_t k = 1, reached = 1; reached; k++) {
		struct result r = { 0 };
		inject_arm(INJECT_ALLOC, k, INJECT_ONCE);
		enum pw_err err = run_whole(&o, specs, 3, &r);
		reached = inject_count(INJECT_ALLOC) >= k;
		inject_disarm();
		assert_true(reached || (err == PW_OK && r.load.suspensions > 0));
		result_fini(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(those_that_run_fit), cmocka_unit_test(a_scan_is_not_thrashing), cmocka_unit_test(it_always_ends),
		cmocka_unit_test(every_allocation_may_fail),
	};
	return cmocka_run_group_tests_name("load", tests, NULL, NULL);
}
