/* local_test.c - local replacement: a process with a share of the frames behaves as if it were alone with so many.
 *
 * Two processes take turns so short that both are there before either has used up its share.  From then on nothing that one does may
 * change a single fault of the other. */
#include "../src/sim/run.h"
#include "../src/base/inject.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum { FRAMES = 60, REFS = 6000 };

static const char *const small = "zipf:pages=200,s=0.8,refs=6000,writes=0.3,seed=3";
static const char *const large = "stack:pages=900,refs=6000,writes=0.5,seed=4";

static struct run_options options_of(const struct policy_ops *policy, uint64_t frames)
{
	struct run_options o;
	run_options_init(&o);
	o.policy = policy;
	o.page_frames = frames;
	return o;
}

static void run_whole(const struct run_options *o, const char *const spec[], unsigned n, struct result *ret)
{
	struct pw_why why = { "" };
	struct trace *part[4], *t;
	struct run *r;
	for (unsigned i = 0; i < n; i++)
		if (trace_open(spec[i], &part[i], &why) != PW_OK)
			fail_msg("%s", why.text);
	if (trace_mix(part, n, &t, &why) != PW_OK || run_create(o, &r, &why) != PW_OK || run_begin(r, t, &why) != PW_OK)
		fail_msg("%s", why.text);
	while (run_step(r) == RUN_GOING)
		;
	assert_int_equal(run_error(r, &why), PW_OK);
	assert_int_equal(run_result(r, ret, &why), PW_OK);
	if (ret->checks.n_failed)
		fail_msg("%s: %s", o->policy->name, ret->checks.failed[0]);
	run_destroy(r);
	trace_close(t);
}

static uint64_t alone(const struct policy_ops *policy, const char *spec, uint64_t frames)
{
	struct run_options o = options_of(policy, frames);
	struct result r;
	run_whole(&o, &spec, 1, &r);
	uint64_t faults = r.kernel.faults.total;
	result_fini(&r);
	return faults;
}

/* Whether an instance's decisions depend on nothing but what its own process does: not those that go by the machine's clock, or by lot, as
 * the first process has drawn some already when the second one comes; nor those that remember of a page how often it was used before it
 * moved to an instance of another size. */
static bool is_self_contained(const struct policy_ops *p)
{
	return !p->variable && p != &policy_s3_fifo && p != &policy_wsclock && p != &policy_nru && p != &policy_aging &&
	       p != &policy_random;
}

static void shares_are_memories_of_their_own(void **state)
{
	(void)state;
	for (unsigned i = 0; policy_at(i); i++) {
		const struct policy_ops *policy = policy_at(i);
		struct run_options o = options_of(policy, 2 * FRAMES);
		struct result r;
		o.replacement = REPLACEMENT_local;
		o.quantum = FRAMES / 2;
		run_whole(&o, (const char *const[]){ small, large }, 2, &r);
		assert_int_equal(r.n_processes, 2);
		assert_int_equal(r.process[0].share_pages, FRAMES); /* the other one is alone at the end */
		if (is_self_contained(policy) && (r.process[0].faults.total != alone(policy, small, FRAMES) ||
		                                  r.process[1].faults.total != alone(policy, large, FRAMES)))
			fail_msg("%s: %lu and %lu faults, alone %lu and %lu", policy->name, (unsigned long)r.process[0].faults.total,
			         (unsigned long)r.process[1].faults.total, (unsigned long)alone(policy, small, FRAMES),
			         (unsigned long)alone(policy, large, FRAMES));
		result_fini(&r);
	}
}

static void global_replacement_is_not_so(void **state)
{
	struct run_options o = options_of(&policy_lru, 2 * FRAMES);
	struct result r;
	(void)state;
	o.quantum = FRAMES / 2;
	run_whole(&o, (const char *const[]){ small, large }, 2, &r);
	assert_int_not_equal(r.process[0].faults.total, alone(&policy_lru, small, FRAMES));
	assert_int_equal(r.process[0].share_pages, 0);
	result_fini(&r);
}

/* Three loops of 20, 40 and 60 pages in 120 frames: in proportion each gets what it needs; in equal shares the last one never hits. */
static void shares_in_proportion(void **state)
{
	static const char *const loops[] = { "loop:pages=20,refs=6000", "loop:pages=40,refs=6000", "loop:pages=60,refs=6000" };
	struct run_options o = options_of(&policy_lru, 126);
	struct result r;
	(void)state;
	o.quantum = 100;
	o.replacement = REPLACEMENT_local;
	run_whole(&o, loops, 3, &r);
	assert_int_equal(r.process[0].faults.total, 20);
	assert_int_equal(r.process[1].faults.total, 40);
	assert_true(r.process[2].faults.total > 5900); /* some in frames that nobody had asked for yet */
	assert_int_equal(r.process[0].share_pages, 42);
	result_fini(&r);
	o.allocation = ALLOCATION_proportional;
	run_whole(&o, loops, 3, &r);
	assert_int_equal(r.process[0].faults.total + r.process[1].faults.total + r.process[2].faults.total, 20 + 40 + 60);
	assert_true(r.process[2].share_pages >= 60);
	result_fini(&r);
}

/* Two that make room in time, three in too little memory, page tables among it; and the one that is left gets all. */
static void shares_change_hands(void **state)
{
	static const char *const specs[] = { "loop:pages=60,refs=1000", "loop:pages=100,refs=9000", "random:pages=300,refs=5000" };
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct run_options o = options_of(&policy_arc, 0);
		struct result r;
		o.ram_bytes = 120 * 4096;
		o.replacement = REPLACEMENT_local;
		o.allocation = i ? ALLOCATION_proportional : ALLOCATION_equal;
		o.personality = i ? PERSONALITY_linux : PERSONALITY_textbook;
		o.quantum = 50;
		run_whole(&o, specs, 3, &r);
		assert_int_equal(r.n_processes, 3);
		result_fini(&r);
	}
}

static bool runs_with_failing(uint64_t k)
{
	struct run_options o = options_of(&policy_arc, 20);
	struct pw_why why = { "" };
	struct trace *part[2] = { NULL, NULL }, *t = NULL;
	struct run *r = NULL;
	o.quantum = 10;
	o.replacement = REPLACEMENT_local;
	o.allocation = ALLOCATION_proportional;
	assert_int_equal(trace_open("random:pages=50,refs=300", &part[0], &why), PW_OK);
	assert_int_equal(trace_open("random:pages=90,refs=300", &part[1], &why), PW_OK);
	assert_int_equal(trace_mix(part, 2, &t, &why), PW_OK);
	inject_arm(INJECT_ALLOC, k, INJECT_ONCE);
	enum pw_err err = run_create(&o, &r, &why);
	if (err == PW_OK)
		err = run_begin(r, t, &why);
	while (err == PW_OK && run_step(r) == RUN_GOING)
		;
	bool reached = inject_count(INJECT_ALLOC) >= k;
	inject_disarm();
	run_destroy(r);
	trace_close(t);
	return reached;
}

static void every_allocation_may_fail(void **state)
{
	uint64_t k = 1;
	(void)state;
	while (runs_with_failing(k))
		k++;
	assert_true(k > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_are_memories_of_their_own), cmocka_unit_test(global_replacement_is_not_so),
		cmocka_unit_test(shares_in_proportion),             cmocka_unit_test(shares_change_hands),
		cmocka_unit_test(every_allocation_may_fail),
	};
	return cmocka_run_group_tests_name("local", tests, NULL, NULL);
}
