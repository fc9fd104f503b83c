/* curve_test.c - curves against runs of every size, and against implementations as plain as can be: write-backs, working
 * sets, warm-up, samples, and what happens when memory runs out in the middle. */
#include "../src/base/inject.h"
#include "../src/base/rng.h"
#include "../src/sim/curve.h"
#include "../src/sim/run.h"
#include "../src/base/mem.h"
#include "reference_policies.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* ---- whole curves ---- */

static struct curve_result curve_over(struct trace *t, const struct curve_options *o)
{
	struct pw_why why = { "" };
	struct curve *c;
	struct curve_result result;
	const char *name = trace_describe(t).source;
	if (curve_create(o, t, &c, &why) != PW_OK)
		fail_msg("%s: %s", name, why.text);
	while (curve_step(c) == CURVE_GOING)
		;
	if (curve_error(c, &why) != PW_OK || curve_result(c, &result, &why) != PW_OK)
		fail_msg("%s: %s", name, why.text);
	curve_destroy(c);
	if (result.checks_failed)
		fail_msg("%s: %s", name, result.check_text);
	return result;
}

static struct trace *open_spec(const char *spec)
{
	struct pw_why why = { "" };
	struct trace *t;
	if (trace_open(spec, &t, &why) != PW_OK)
		fail_msg("%s: %s", spec, why.text);
	return t;
}

static struct curve_result curve_of(const char *spec, const struct curve_options *o)
{
	struct trace *t = open_spec(spec);
	struct curve_result result = curve_over(t, o);
	trace_close(t);
	return result;
}

/* A run of the same machine at one size.  => faults and write-backs */
static struct curve_point run_over(struct trace *t, const struct curve_options *o, const char *policy, uint64_t frames)
{
	struct pw_why why = { "" };
	struct run_options ro;
	struct run *r;
	struct result result;
	run_options_init(&ro);
	ro.page_frames = frames;
	ro.limit = o->limit;
	ro.warmup = o->warmup;
	ro.policy = policy_find(policy);
	if (trace_rewind(t, &why) != PW_OK || run_create(&ro, &r, &why) != PW_OK || run_begin(r, t, &why) != PW_OK)
		fail_msg("%s", why.text);
	while (run_step(r) == RUN_GOING)
		;
	if (run_error(r, &why) != PW_OK || run_result(r, &result, &why) != PW_OK)
		fail_msg("%s", why.text);
	struct curve_point p = { frames, result.kernel.faults.total, result.kernel.written_back };
	result_fini(&result);
	run_destroy(r);
	return p;
}

static void same_over(struct trace *t, const struct curve_options *o)
{
	struct curve_result r = curve_over(t, o);
	for (unsigned i = 0; i < r.n_lines; i++)
		for (unsigned k = 0; k < r.line[i].n_points; k++) {
			struct curve_point p = r.line[i].point[k], q = run_over(t, o, r.line[i].policy, p.frames);
			if (strcmp(r.line[i].policy, "opt") == 0)
				q.written_back = p.written_back; /* depends on which of the never used again leaves first */
			if (p.faults != q.faults || p.written_back != q.written_back)
				fail_msg("%s: %s in %llu frames: the curve has %llu faults, %llu written back, a run %llu and %llu",
				         trace_describe(t).source, r.line[i].policy, (unsigned long long)p.frames,
				         (unsigned long long)p.faults, (unsigned long long)p.written_back,
				         (unsigned long long)q.faults, (unsigned long long)q.written_back);
		}
	curve_result_fini(&r);
}

static void same_points(const char *spec, const struct curve_options *o)
{
	struct trace *t = open_spec(spec);
	same_over(t, o);
	trace_close(t);
}

static struct curve_options options_at(struct curve_size *size, unsigned n_sizes)
{
	struct curve_options o;
	curve_options_init(&o);
	o.size = size;
	o.n_sizes = n_sizes;
	return o;
}

static void test_lru_is_runs(void **state)
{
	static const char *const specs[] = {
		"random:pages=3000,refs=60K,writes=0.3,seed=5", "zipf:pages=5000,s=0.9,refs=80K,writes=0.2,seed=2",
		"loop:pages=1000,refs=20K,writes=0.5", "stack:pages=2000,s=1.2,refs=60K,writes=0.3",
		"phases:pages=4000,refs=60K,writes=0.1",
		"seq:pages=500,writes=1", "loop:pages=1,refs=100",
	};
	struct curve_size size[] = { { 1, 0 }, { 2, 0 }, { 7, 0 }, { 8, 0 }, { 9, 0 }, { 100, 0 }, { 999, 0 }, { 1000, 0 }, { 0, 50000 },
	                             { 5001, 0 } };
	(void)state;
	for (unsigned i = 0; i < sizeof specs / sizeof *specs; i++) {
		struct curve_options o = options_at(size, 10);
		same_points(specs[i], &o);
	}
	struct curve_options o = options_at(size, 10);
	o.warmup = 20001;
	o.limit = 50003;
	same_points(specs[0], &o);
	same_points(specs[3], &o);
}

/* Every size of small memories, by an implementation that shares nothing. */
static void test_lru_is_the_book(void **state)
{
	enum { N = 3000, PAGES = 24 };
	static uint32_t page[N];
	static bool store[N];
	(void)state;
	for (unsigned seed = 1; seed <= 12; seed++) {
		char spec[100];
		struct pw_why why;
		struct trace *t;
		struct trace_item item;
		uint64_t n = 0;
		snprintf(spec, sizeof spec, "%s:pages=%u,refs=%u,writes=0.3,seed=%u", seed & 1 ? "random" : "zipf", PAGES, N, seed);
		assert_int_equal(trace_open(spec, &t, &why), PW_OK);
		for (trace_next(t, &item); item.kind == TRACE_ITEM_REFS; trace_next(t, &item))
			for (uint64_t i = 0; i < item.n_refs; i++, n++) {
				page[n] = (uint32_t)(ref_va(item.refs[i]).v >> 12);
				store[n] = ref_kind(item.refs[i]) == ACCESS_STORE;
			}
		trace_close(t);
		struct curve_options o = options_at(NULL, 0);
		o.all = true;
		struct curve_result r = curve_of(spec, &o);
		assert_int_equal(r.line[0].n_points, r.pages);
		for (unsigned k = 0; k < r.line[0].n_points; k++) {
			struct reference_result want;
			assert_true(reference_policy_run("lru", page, store, n, PAGES, k + 1, &want));
			assert_int_equal(r.line[0].point[k].frames, k + 1);
			assert_int_equal(r.line[0].point[k].faults, want.faults);
			assert_int_equal(r.line[0].point[k].written_back, want.write_backs);
		}
		curve_result_fini(&r);
	}
}

static void test_opt_is_runs(void **state)
{
	static const struct curve_policy policies[] = { { &policy_lru, .name = "lru" }, { &policy_opt, .name = "opt" } };
	static const char *const specs[] = {
		"random:pages=300,refs=20K,writes=0.3,seed=3", "zipf:pages=2000,s=0.9,refs=30K,writes=0.2,seed=8",
		"loop:pages=300,refs=10K,writes=0.5", "stack:pages=700,s=1.2,refs=30K,writes=0.3", "phases:pages=4000,refs=30K,writes=0.1",
	};
	struct curve_size size[] = { { 1, 0 }, { 2, 0 }, { 3, 0 }, { 8, 0 }, { 50, 0 }, { 127, 0 }, { 300, 0 }, { 999, 0 }, { 0, 70000 } };
	(void)state;
	for (unsigned i = 0; i < sizeof specs / sizeof *specs; i++) {
		struct curve_options o = options_at(size, 9);
		o.policy = policies;
		o.n_policies = 2;
		o.warmup = i == 1 ? 7777 : 0;
		same_points(specs[i], &o);
	}
}

/* Of any two policies on any stream: no size has more faults than a smaller one, and opt never more than lru. */
static void test_opt_is_best(void **state)
{
	static const struct curve_policy policies[] = { { &policy_lru, .name = "lru" }, { &policy_opt, .name = "opt" } };
	struct curve_options o = options_at(NULL, 0);
	char spec[100];
	(void)state;
	o.all = true;
	o.policy = policies;
	o.n_policies = 2;
	for (unsigned seed = 1; seed <= 4; seed++) {
		snprintf(spec, sizeof spec, "%s:pages=5000,refs=40K,seed=%u", seed & 1 ? "zipf" : "stack", seed);
		struct curve_result r = curve_of(spec, &o);
		assert_int_equal(r.n_lines, 2);
		for (unsigned k = 0; k < r.line[0].n_points; k++) {
			assert_true(r.line[1].point[k].faults <= r.line[0].point[k].faults);
			assert_true(!k || r.line[1].point[k].faults <= r.line[1].point[k - 1].faults);
			assert_true(r.line[1].point[k].faults >= r.pages);
		}
		curve_result_fini(&r);
	}
}

/* Policies that are no stack algorithms, at sizes given as numbers and shares. */
static void test_policies_are_runs(void **state)
{
	static const struct curve_policy policies[] = {
		{ .ops = &policy_clock, .name = "clock" }, { .ops = &policy_lfu, .name = "lfu" }, { .ops = &policy_two_q, .name = "2q" },
		{ .ops = &policy_random, .name = "random" }, { .ops = &policy_lru, .name = "lru" }, { .ops = &policy_opt, .name = "opt" },
	};
	static const char *const specs[] = { "zipf:pages=1500,s=0.8,refs=20K,writes=0.2", "stack:pages=700,s=1.2,refs=20K,writes=0.3" };
	struct curve_size size[] = { { 3, 0 }, { 50, 0 }, { 0, 40000 } };
	(void)state;
	for (unsigned i = 0; i < sizeof specs / sizeof *specs; i++) {
		struct curve_options o = options_at(size, 3);
		o.policy = policies;
		o.n_policies = sizeof policies / sizeof *policies;
		o.warmup = i ? 3333 : 0;
		same_points(specs[i], &o);
	}
}

/* ---- samples ---- */

/* How many of the points are within their error, of all; the same trace exactly and from a sample. */
static void sample_hits(const char *spec, struct curve_options *o, unsigned *hits, unsigned *all)
{
	o->sampled = false;
	struct curve_result exact = curve_of(spec, o);
	o->sampled = true;
	struct curve_result r = curve_of(spec, o);
	assert_true(r.estimated);
	for (unsigned i = 0, k = 0; i < r.line[0].n_points; i++) {
		const struct curve_point *p = &r.line[0].point[i];
		while (k + 1 < exact.line[0].n_points && exact.line[0].point[k].frames < p->frames)
			k++;
		const struct curve_point *q = &exact.line[0].point[k];
		if (q->frames != p->frames)
			continue;
		double off = (double)p->faults - (double)q->faults;
		*hits += (off < 0 ? -off : off) <= p->error + 1;
		++*all;
	}
	curve_result_fini(&exact);
	curve_result_fini(&r);
}

static void test_sample_is_honest(void **state)
{
	static const char *const specs[] = { "zipf:pages=60K,s=0.9,refs=400K", "random:pages=40K,refs=300K",
	                                     "stack:pages=40K,s=1.1,refs=300K", "loop:pages=20K,refs=150K",
	                                     "phases:pages=100K,refs=400K" };
	(void)state;
	for (unsigned i = 0; i < sizeof specs / sizeof *specs; i++) {
		unsigned hits = 0, all = 0;
		for (uint64_t seed = 1; seed <= 4; seed++) {
			struct curve_options o = options_at(NULL, 0);
			char spec[100];
			o.seed = seed;
			o.sample_pages = seed & 1 ? 1024 : 0;
			o.sample_rate = seed & 1 ? 0 : 0.04;
			snprintf(spec, sizeof spec, "%s,seed=%llu", specs[i], (unsigned long long)seed);
			sample_hits(spec, &o, &hits, &all);
		}
		if (hits * 100 < all * 85)
			fail_msg("%s: only %u of %u points are within their error", specs[i], hits, all);
	}
}

/* Memory does not grow with the trace; a footprint that fits in the sample is not sampled. */
static void test_sample_is_bounded(void **state)
{
	struct curve_options o = options_at(NULL, 0);
	uint64_t bytes[2];
	(void)state;
	o.sampled = true;
	o.sample_pages = 512;
	for (unsigned i = 0; i < 2; i++) {
		struct curve_result r = curve_of(i ? "random:pages=3M,refs=2M" : "random:pages=30K,refs=200K", &o);
		bytes[i] = r.host_bytes;
		assert_true(r.sample_rate < 1.0 / 32);
		curve_result_fini(&r);
	}
	if (bytes[1] > 2 * bytes[0] || bytes[1] > 512 * 400 + (2 << 20))
		fail_msg("%llu bytes for 30 K pages, %llu for 2 M", (unsigned long long)bytes[0], (unsigned long long)bytes[1]);
	unsigned hits = 0, all = 0;
	o.sample_pages = 4096;
	o.sampled = false;
	struct curve_result exact = curve_of("zipf:pages=4000,refs=100K,writes=0.3", &o);
	o.sampled = true;
	struct curve_result r = curve_of("zipf:pages=4000,refs=100K,writes=0.3", &o);
	for (unsigned i = 0; i < r.line[0].n_points; i++, all++)
		hits += r.line[0].point[i].faults == exact.line[0].point[i].faults &&
		        r.line[0].point[i].written_back == exact.line[0].point[i].written_back;
	assert_int_equal(hits, all);
	assert_int_equal(exact.line[0].n_points, all);
	curve_result_fini(&exact);
	curve_result_fini(&r);
}

/* ---- programs: mappings, copies, forks, exits, at random ---- */

enum { SCRIPT_REFS = 6000, SCRIPT_ARENA = 48, SCRIPT_BASE = 256, SCRIPT_PROCESSES = 4, SCRIPT_BATCH = 16 };

struct script {
	struct trace trace;
	struct rng rng;
	uint64_t seed, done;
	bool alive[SCRIPT_PROCESSES], begun;
	uint32_t next_pid, pid[SCRIPT_PROCESSES];
	ref_t refs[SCRIPT_BATCH];
};

static uint64_t script_page(struct script *s) { return SCRIPT_BASE + rng_below(&s->rng, SCRIPT_ARENA); }

static struct trace_event script_map(struct script *s)
{
	uint64_t kind = rng_below(&s->rng, 4), pages = 1 + rng_below(&s->rng, 12);
	struct trace_event e = { .kind = TRACE_MAP, .start = vaddr(script_page(s) << 12), .bytes = pages << 12, .name = "anonymous",
	                         .prot = TRACE_PROT_READ | (rng_below(&s->rng, 4) ? TRACE_PROT_WRITE : 0) };
	if (kind < 2) {
		e.flags = TRACE_MAP_ANON | (rng_below(&s->rng, 4) == 0 ? TRACE_MAP_SHARED : 0);
	} else {
		e.flags = kind == 3 ? TRACE_MAP_SHARED : 0;
		e.file_id = 1 + rng_below(&s->rng, 3);
		e.file_bytes = 20 << 12;
		e.offset = rng_below(&s->rng, 8) << 12;
		e.name = "/a/file";
	}
	return e;
}

static struct trace_event script_change(struct script *s)
{
	struct trace_event e = { .start = vaddr(script_page(s) << 12), .bytes = (1 + rng_below(&s->rng, 8)) << 12, .name = "" };
	switch (rng_below(&s->rng, 6)) {
	case 0:
	case 1:
		e.kind = TRACE_UNMAP;
		break;
	case 2:
	case 3:
		e.kind = TRACE_PROTECT;
		e.prot = TRACE_PROT_READ | (rng_below(&s->rng, 3) ? TRACE_PROT_WRITE : 0);
		break;
	case 4:
		e.kind = TRACE_ADVISE;
		e.count = rng_below(&s->rng, 2) ? 4 : 8; /* DONTNEED, FREE */
		break;
	default:
		e.kind = TRACE_REMAP;
		e.to = vaddr((SCRIPT_BASE + SCRIPT_ARENA + 64 + rng_below(&s->rng, 8)) << 12);
		e.to_bytes = e.bytes;
	}
	return e;
}

/* Somebody is always alive: slot 0 never ends. */
static struct trace_event script_process(struct script *s, unsigned *slot)
{
	unsigned other = 1 + (unsigned)rng_below(&s->rng, SCRIPT_PROCESSES - 1);
	struct trace_event e = { .kind = TRACE_FORK, .name = "" };
	if (s->alive[other]) {
		*slot = other;
		e.kind = rng_below(&s->rng, 4) ? TRACE_EXIT : TRACE_EXEC;
		s->alive[other] = e.kind == TRACE_EXEC;
		return e;
	}
	s->alive[other] = true;
	e.other = s->pid[other] = s->next_pid++;
	return e;
}

static void script_next(struct trace *t, struct trace_item *ret)
{
	struct script *s = (struct script *)t;
	unsigned slot = (unsigned)rng_below(&s->rng, SCRIPT_PROCESSES);
	while (!s->alive[slot])
		slot = (unsigned)rng_below(&s->rng, SCRIPT_PROCESSES);
	*ret = (struct trace_item){ .kind = TRACE_ITEM_END };
	if (s->done >= SCRIPT_REFS)
		return;
	uint64_t what = rng_below(&s->rng, 24);
	if (what < 4 || !s->begun) {
		*ret = (struct trace_item){ .kind = TRACE_ITEM_EVENT };
		ret->event = what < 2 || !s->begun ? script_map(s) : what < 3 ? script_change(s) : script_process(s, &slot);
		s->begun = true;
		ret->pid = ret->tid = s->pid[slot];
		return;
	}
	unsigned n = 1 + (unsigned)rng_below(&s->rng, SCRIPT_BATCH);
	uint64_t near = script_page(s);
	for (unsigned i = 0; i < n; i++) {
		uint64_t page = rng_below(&s->rng, 3) ? near + rng_below(&s->rng, 3) : script_page(s);
		s->refs[i] = ref_make(vaddr(page << 12 | rng_below(&s->rng, 4096)), rng_below(&s->rng, 3) ? ACCESS_LOAD : ACCESS_STORE);
	}
	s->done += n;
	*ret = (struct trace_item){ .kind = TRACE_ITEM_REFS, .pid = s->pid[slot], .tid = s->pid[slot], .refs = s->refs, .n_refs = n };
}

static enum pw_err script_rewind(struct trace *t, struct pw_why *why)
{
	struct script *s = (struct script *)t;
	(void)why;
	rng_init(&s->rng, s->seed);
	s->done = 0;
	s->begun = false;
	for (unsigned i = 0; i < SCRIPT_PROCESSES; i++)
		s->alive[i] = !i;
	s->pid[0] = 1;
	s->next_pid = 2;
	return PW_OK;
}

static void script_close(struct trace *t) { (void)t; }

static const struct trace_ops script_ops = { .format = "script", .next = script_next, .rewind = script_rewind, .close = script_close };

static struct trace *script_open(uint64_t seed, const char *name)
{
	static struct script s;
	s = (struct script){ .trace = { .ops = &script_ops, .info = { .format = "script", .source = name, .has_events = true } },
	                     .seed = seed };
	assert_int_equal(script_rewind(&s.trace, NULL), PW_OK);
	return &s.trace;
}

static void test_programs_are_runs(void **state)
{
	static struct curve_size size[] = { { 2, 0 }, { 3, 0 }, { 4, 0 }, { 5, 0 }, { 7, 0 }, { 8, 0 }, { 9, 0 }, { 10, 0 }, { 12, 0 },
	                                    { 16, 0 }, { 20, 0 }, { 25, 0 }, { 32, 0 }, { 40, 0 }, { 50, 0 }, { 64, 0 }, { 80, 0 },
	                                    { 100, 0 }, { 150, 0 }, { 0, 100000 } };
	struct curve_options o = options_at(size, sizeof size / sizeof *size);
	char name[32];
	(void)state;
	for (uint64_t seed = 1; seed <= 12; seed++) {
		snprintf(name, sizeof name, "script %llu", (unsigned long long)seed);
		o.warmup = seed % 3 == 0 ? 1500 : 0;
		same_over(script_open(seed, name), &o);
	}
}

/* ---- working sets ---- */

static void test_working_set(void **state)
{
	enum { N = 4000, PAGES = 60 };
	static uint32_t page[N];
	static const char spec[] = "stack:pages=60,s=0.8,refs=4000,seed=9";
	struct pw_why why;
	struct trace *t;
	struct trace_item item;
	uint64_t n = 0;
	(void)state;
	assert_int_equal(trace_open(spec, &t, &why), PW_OK);
	for (trace_next(t, &item); item.kind == TRACE_ITEM_REFS; trace_next(t, &item))
		for (uint64_t i = 0; i < item.n_refs; i++)
			page[n++] = (uint32_t)(ref_va(item.refs[i]).v >> 12);
	trace_close(t);
	struct curve_options o = options_at(NULL, 0);
	o.tau = 500;
	for (o.warmup = 0; o.warmup <= 1500; o.warmup += 1500) {
		struct curve_result r = curve_of(spec, &o);
		assert_true(r.n_ws > 8);
		for (unsigned i = 0; i < r.n_ws; i++) {
			uint64_t sum = 0;
			for (uint64_t end = o.warmup; end < n; end++) {
				bool seen[PAGES] = { false };
				for (uint64_t k = end; k + r.ws[i].tau > end && k + 1 > o.warmup; k--) {
					sum += !seen[page[k]];
					seen[page[k]] = true;
					if (!k)
						break;
				}
			}
			double mean = (double)sum / (double)(n - o.warmup), off = mean - r.ws[i].mean_pages;
			if (off > 1e-9 || off < -1e-9)
				fail_msg("tau %llu: %f pages, not %f", (unsigned long long)r.ws[i].tau, r.ws[i].mean_pages, mean);
		}
		assert_int_equal(r.n_windows, (n - o.warmup) / o.tau);
		for (unsigned i = 0; i < r.n_windows; i++) {
			bool seen[PAGES] = { false };
			uint64_t pages = 0;
			for (uint64_t k = r.window[i].at - o.tau; k < r.window[i].at; k++) {
				pages += !seen[page[k]];
				seen[page[k]] = true;
			}
			assert_int_equal(r.window[i].pages, pages);
		}
		curve_result_fini(&r);
	}
}

/* ---- refusals and failures ---- */

static void test_sizes(void **state)
{
	struct curve_size *size;
	struct pw_why why;
	unsigned n;
	(void)state;
	assert_int_equal(curve_sizes_parse("100,1%,12.5%,4K", &size, &n, &why), PW_OK);
	assert_int_equal(n, 4);
	assert_int_equal(size[0].frames, 100);
	assert_int_equal(size[1].milli_percent, 1000);
	assert_int_equal(size[2].milli_percent, 12500);
	assert_int_equal(size[3].frames, 4096);
	mem_free(size);
	static const char *const wrong[] = { "", "0", "x", "1,,2", "%", "0%", "101%", "1%%", "4294967296" };
	for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		assert_int_equal(curve_sizes_parse(wrong[i], &size, &n, &why), PW_INVALID);
		assert_null(size);
	}
}

static bool whole_curve(struct trace *t, const struct curve_options *o)
{
	struct pw_why why = { "" };
	struct curve *c = NULL;
	struct curve_result result;
	enum pw_err err;
	assert_int_equal(trace_rewind(t, &why), PW_OK);
	inject_arm(INJECT_ALLOC, o->seed, INJECT_ONCE);
	err = curve_create(o, t, &c, &why);
	while (err == PW_OK && curve_step(c) == CURVE_GOING)
		;
	if (err == PW_OK)
		err = curve_error(c, &why);
	if (err == PW_OK)
		err = curve_result(c, &result, &why);
	inject_disarm();
	if (err == PW_OK)
		curve_result_fini(&result);
	else
		assert_true(err == PW_NOMEM && *why.text);
	curve_destroy(c);
	return err == PW_OK;
}

/* The k-th allocation fails, for every k: an error with a reason, and nothing leaks (the sanitizer looks). */
static void test_no_memory(void **state)
{
	static const struct curve_policy policies[] = { { &policy_lru, .name = "lru" }, { &policy_opt, .name = "opt" } };
	struct curve_options o;
	(void)state;
	curve_options_init(&o);
	o.warmup = 5000;
	o.policy = policies;
	o.n_policies = 2;
	struct trace *t = open_spec("zipf:pages=3000,refs=20K,writes=0.5");
	for (o.seed = 1; !whole_curve(t, &o); o.seed++)
		assert_true(o.seed < 1000);
	assert_true(o.seed > 10);
	trace_close(t);
	t = script_open(5, "script");
	for (o.seed = 1; !whole_curve(t, &o); o.seed += 5)
		assert_true(o.seed < 100000);
	assert_true(o.seed > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lru_is_runs),
		cmocka_unit_test(test_lru_is_the_book), cmocka_unit_test(test_programs_are_runs),
		cmocka_unit_test(test_opt_is_runs), cmocka_unit_test(test_opt_is_best), cmocka_unit_test(test_policies_are_runs),
		cmocka_unit_test(test_sample_is_honest), cmocka_unit_test(test_sample_is_bounded),
		cmocka_unit_test(test_working_set), cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
