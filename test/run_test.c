/* run_test.c - whole runs: the books' counts, plain reference implementations, the working set, warm-up, refusals, the checks that
 * check the checks, and what happens when memory runs out in the middle. */
#include "../src/base/inject.h"
#include "../src/sim/check.h"
#include "../src/sim/future.h"
#include "../src/sim/run.h"
#include "reference_policies.h"
#include "reference_tlb.h"
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* The references of a trace as an array. */
struct refs {
	ref_t *at;
	uint64_t n;
};

static struct refs refs_of(const char *spec)
{
	struct pw_why why = { "" };
	struct trace *t;
	struct trace_item item;
	struct refs r = { NULL, 0 };
	if (trace_open(spec, &t, &why) != PW_OK)
		fail_msg("%s: %s", spec, why.text);
	for (trace_next(t, &item); item.kind != TRACE_ITEM_END; trace_next(t, &item)) {
		assert_int_equal(item.kind, TRACE_ITEM_REFS);
		r.at = realloc(r.at, (r.n + item.n_refs) * sizeof *r.at);
		assert_non_null(r.at);
		memcpy(r.at + r.n, item.refs, item.n_refs * sizeof *r.at);
		r.n += item.n_refs;
	}
	trace_close(t);
	return r;
}

/* Runs a trace to its end.  => the result, to be finished by the caller. */
static struct result result_of(const char *spec, const struct run_options *o)
{
	struct pw_why why = { "" };
	struct trace *t;
	struct run *r;
	struct result result;
	if (trace_open(spec, &t, &why) != PW_OK || run_create(o, &r, &why) != PW_OK || run_begin(r, t, &why) != PW_OK)
		fail_msg("%s: %s", spec, why.text);
	while (run_step(r) == RUN_GOING)
		;
	if (run_error(r, &why) != PW_OK || run_result(r, &result, &why) != PW_OK)
		fail_msg("%s: %s", spec, why.text);
	run_destroy(r);
	trace_close(t);
	if (result.checks.n_failed)
		fail_msg("%s: %s", spec, result.checks.failed[0]);
	return result;
}

static struct run_options options_with(const char *policy, uint64_t frames)
{
	struct run_options o;
	run_options_init(&o);
	o.policy = policy_find(policy);
	o.page_frames = frames;
	assert_non_null(o.policy);
	return o;
}

/* A file with one page number on each line. */
static void pages_file(char path[], const char *string)
{
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	FILE *f = fdopen(fd, "w");
	for (const char *c = string; *c; c++)
		if (*c != ' ')
			fprintf(f, "%c\n", *c);
	assert_int_equal(fclose(f), 0);
}

static uint64_t faults_in_book(const char *string, const char *policy, uint64_t frames)
{
	char path[200];
	const char *tmp = getenv("TMPDIR");
	snprintf(path, sizeof path, "%s/pages.XXXXXX", tmp ? tmp : "/tmp");
	pages_file(path, string);
	struct run_options o = options_with(policy, frames);
	struct result r = result_of(path, &o);
	unlink(path);
	uint64_t faults = r.kernel.faults.total;
	result_fini(&r);
	return faults;
}

static void books(void **state)
{
	(void)state;
	const char *silberschatz = "7 0 1 2 0 3 0 4 2 3 0 3 2 1 2 0 1 7 0 1", *belady = "1 2 3 4 1 2 5 1 2 3 4 5";
	assert_int_equal(faults_in_book(silberschatz, "fifo", 3), 15);
	assert_int_equal(faults_in_book(silberschatz, "lru", 3), 12);
	assert_int_equal(faults_in_book(silberschatz, "opt", 3), 9);
	assert_int_equal(faults_in_book(belady, "fifo", 3), 9);
	assert_int_equal(faults_in_book(belady, "fifo", 4), 10);
}

/* The arrays that the reference implementations take. */
static struct reference_result policy_reference(const char *name, const struct refs *refs, uint32_t frames)
{
	struct reference_result want;
	uint32_t *page = calloc(refs->n, sizeof *page), n_pages = 0;
	bool *is_store = calloc(refs->n, sizeof *is_store);
	assert_true(page && is_store);
	for (uint64_t i = 0; i < refs->n; i++) {
		page[i] = (uint32_t)(ref_va(refs->at[i]).v >> 12);
		is_store[i] = ref_kind(refs->at[i]) == ACCESS_STORE;
		n_pages = page[i] >= n_pages ? page[i] + 1 : n_pages;
	}
	assert_true(reference_policy_run(name, page, is_store, refs->n, n_pages, frames, &want));
	free(page);
	free(is_store);
	return want;
}

static void compare_policy(const char *spec, const char *name, const struct refs *refs, uint32_t frames)
{
	struct reference_result want = policy_reference(name, refs, frames);
	struct run_options o = options_with(name, frames);
	struct result got = result_of(spec, &o);
	if (got.kernel.faults.total != want.faults || got.kernel.written_back != want.write_backs)
		fail_msg("%s, %s: %llu faults, %llu written back; plainly %llu and %llu", spec, name,
		         (unsigned long long)got.kernel.faults.total, (unsigned long long)got.kernel.written_back,
		         (unsigned long long)want.faults, (unsigned long long)want.write_backs);
	assert_int_equal(got.refs.total, refs->n);
	result_fini(&got);
}

static void policies_as_plainly_written(void **state)
{
	(void)state;
	static const char *const specs[] = {
		"zipf:pages=2000,s=0.8,refs=1000000,seed=3,writes=0.3",
		"phases:pages=3000,set=150,length=20000,refs=300000,seed=4,writes=0.2",
		"loop:pages=130,refs=20000,writes=0.5",
		"random:pages=5,refs=2000,seed=9,writes=0.5",
	};
	static const char *const names[] = { "fifo", "lru", "clock", "opt" };
	for (unsigned s = 0; s < 4; s++) {
		struct refs refs = refs_of(specs[s]);
		for (unsigned p = 0; p < 4; p++)
			compare_policy(specs[s], names[p], &refs, s == 3 ? 3 : 120);
		free(refs.at);
	}
}

static void compare_tlb(const char *spec, const struct refs *refs, const char *text, const unsigned entries[2], const unsigned ways[2])
{
	struct pw_why why = { "" };
	struct run_options o = options_with("lru", 0);
	struct reference_level level[2];
	for (unsigned i = 0; i < 2; i++)
		level[i] = reference_level_make(entries[i], ways[i], REFERENCE_RECENCY);
	for (uint64_t i = 0; i < refs->n; i++)
		reference_access(&level[0], &level[1], ref_va(refs->at[i]).v >> 12);
	assert_int_equal(tlb_parse(text, o.cpu.tlb, &o.cpu.n_tlbs, &why), PW_OK);
	struct result got = result_of(spec, &o);
	assert_int_equal(got.n_tlbs, 2);
	for (unsigned i = 0; i < 2; i++) {
		if (got.tlb[i].misses != level[i].misses)
			fail_msg("%s: level %u missed %llu times, plainly %llu", text, i + 1, (unsigned long long)got.tlb[i].misses,
			         (unsigned long long)level[i].misses);
		reference_level_free(&level[i]);
	}
	assert_int_equal(got.mach.walks, got.tlb[1].misses);
	result_fini(&got);
}

static void tlb_as_plainly_written(void **state)
{
	(void)state;
	static const struct { const char *text; unsigned entries[2], ways[2]; } shapes[] = {
		{ "l1=64/4,l2=1536/12", { 64, 1536 }, { 4, 12 } }, { "l1=48/fa,l2=1152/9", { 48, 1152 }, { 48, 9 } },
		{ "l1=36/4,l2=600/12", { 36, 600 }, { 4, 12 } },   { "l1=2/fa,l2=6/2", { 2, 6 }, { 2, 2 } },
		{ "l1=1/1,l2=4/1", { 1, 4 }, { 1, 1 } },
	};
	const char *spec = "zipf:pages=20000,s=0.9,refs=1000000,seed=5,writes=0.2";
	struct refs refs = refs_of(spec);
	for (unsigned i = 0; i < sizeof shapes / sizeof *shapes; i++)
		compare_tlb(spec, &refs, shapes[i].text, shapes[i].entries, shapes[i].ways);
	free(refs.at);
}

/* Distinct pages among the last tau of the first "end" references. */
static uint64_t working_set_plainly(const struct refs *refs, uint64_t end, uint64_t tau)
{
	enum { PAGES = 1 << 16 };
	bool *seen = calloc(PAGES, sizeof *seen);
	uint64_t pages = 0;
	assert_non_null(seen);
	for (uint64_t i = end > tau ? end - tau : 0; i < end; i++) {
		uint64_t page = ref_va(refs->at[i]).v >> 12;
		assert_true(page < PAGES);
		pages += !seen[page];
		seen[page] = true;
	}
	free(seen);
	return pages;
}

/* Also where frames are reused within one window: pages are counted, not frames. */
static void working_set_is_dennings(void **state)
{
	(void)state;
	static const struct { const char *spec, *policy; uint64_t frames; } cases[] = {
		{ "zipf:pages=3000,s=0.7,refs=300000,seed=6", "lru", 40 }, { "zipf:pages=3000,s=0.7,refs=300000,seed=6", "random", 25 },
		{ "phases:pages=3000,set=100,length=9000,refs=200000,seed=2", "clock", 30 }, { "loop:pages=50,refs=30000", "fifo", 7 },
		{ "zipf:pages=60,s=0.2,refs=30000,seed=6", "lru", 0 },
	};
	for (unsigned c = 0; c < sizeof cases / sizeof *cases; c++) {
		struct refs refs = refs_of(cases[c].spec);
		struct run_options o = options_with(cases[c].policy, cases[c].frames);
		o.tau = 10000;
		o.limit = refs.n - refs.n % o.tau; /* the last sample is taken at the very end */
		struct result r = result_of(cases[c].spec, &o);
		uint64_t want = working_set_plainly(&refs, o.limit, o.tau);
		assert_true(r.ws.samples > 0 && r.ws.peak_pages >= r.ws.last_pages);
		if (r.ws.last_pages != want)
			fail_msg("%s in %llu frames: %llu pages, plainly %llu", cases[c].spec, (unsigned long long)cases[c].frames,
			         (unsigned long long)r.ws.last_pages, (unsigned long long)want);
		result_fini(&r);
		free(refs.at);
	}
}

static void future_is_what_comes(void **state)
{
	(void)state;
	const char *spec = "zipf:pages=300,s=0.5,refs=20000,seed=8";
	struct refs refs = refs_of(spec);
	struct pw_why why = { "" };
	struct trace *t;
	struct future *f;
	assert_int_equal(trace_open(spec, &t, &why), PW_OK);
	struct trace_item item;
	trace_next(t, &item);
	uint32_t pid = item.pid;
	assert_int_equal(trace_rewind(t, &why), PW_OK);
	assert_int_equal(future_create(t, 12, 0, 1 << 30, &f, &why), PW_OK);
	for (uint64_t now = 0; now < refs.n; now += 7) {
		vpn_t page = vpn_of(ref_va(refs.at[(now * 31 + 11) % refs.n]), 12);
		uint64_t want = now;
		while (want < refs.n && (vpn_of(ref_va(refs.at[want]), 12).v != page.v ||
		                         (want && vpn_of(ref_va(refs.at[want - 1]), 12).v == page.v)))
			want++; /* a run of references to one page counts where it begins */
		assert_int_equal(future_next(f, pid, page, now), want < refs.n ? want : UINT64_MAX);
	}
	assert_int_equal(future_next(f, pid, vpn(1ull << 40), 0), UINT64_MAX);
	assert_int_equal(future_next(f, pid + 1, vpn(0), 0), UINT64_MAX);
	future_destroy(f);
	assert_int_equal(future_create(t, 12, 0, 1000, &f, &why), PW_LIMIT);
	assert_null(f);
	trace_close(t);
	free(refs.at);
}

/* What is counted after a warm-up is the whole minus the warm-up. */
static void warm_up_is_taken_off(void **state)
{
	(void)state;
	const char *spec = "zipf:pages=4000,s=0.8,refs=400000,seed=11,writes=0.1";
	struct run_options o = options_with("clock", 300);
	struct result whole = result_of(spec, &o);
	o.limit = 150000;
	struct result first = result_of(spec, &o);
	o.limit = 0;
	o.warmup = 150000;
	struct result rest = result_of(spec, &o);
	assert_int_equal(rest.refs.total, whole.refs.total - first.refs.total);
	assert_int_equal(rest.kernel.faults.total, whole.kernel.faults.total - first.kernel.faults.total);
	assert_int_equal(rest.kernel.written_back, whole.kernel.written_back - first.kernel.written_back);
	assert_int_equal(rest.mach.walks, whole.mach.walks - first.mach.walks);
	for (unsigned i = 0; i < rest.n_tlbs; i++)
		assert_int_equal(rest.tlb[i].misses, whole.tlb[i].misses - first.tlb[i].misses);
	assert_int_equal(rest.process[0].references, rest.refs.total);
	result_fini(&whole);
	result_fini(&first);
	result_fini(&rest);
}

/* Addresses that no page table can hold are refused, counted, and the run goes on. */
static void impossible_addresses_are_refused(void **state)
{
	(void)state;
	const char *spec = "seq:pages=64,refs=64,start=0x7ffffffe0000";
	struct run_options o = options_with("lru", 0);
	struct result r = result_of(spec, &o);
	assert_int_equal(r.refs.total, 32);
	assert_int_equal(r.refs.refused, 32);
	assert_int_equal(r.kernel.faults.protection, 32);
	assert_int_equal(r.n_refusals, RESULT_REFUSALS);
	assert_int_equal(r.refusal[0].address, 0x800000000000);
	assert_true(strlen(r.refusal[0].why) > 0);
	result_fini(&r);
}

static char *json_of(const struct result *r)
{
	char *text = NULL;
	size_t bytes;
	FILE *f = open_memstream(&text, &bytes);
	assert_int_equal(result_write_json(r, f), PW_OK);
	assert_int_equal(fclose(f), 0);
	return text;
}

static void json_is_whole_and_repeatable(void **state)
{
	(void)state;
	struct run_options o = options_with("random", 50);
	struct result a = result_of("zipf:pages=500,refs=50000", &o), b = result_of("zipf:pages=500,refs=50000", &o);
	char *x = json_of(&a), *y = json_of(&b);
	assert_string_equal(x, y);
	json_t *tree = json_loads(x, JSON_REJECT_DUPLICATES, NULL);
	static const char *const members[] = { "pageworks", "schema", "kind", "command", "seed", "machine", "input", "references", "faults",
		"reclaim", "memory", "tlb", "walks", "modelled", "processes", "mappings", "program", "checks" };
	for (unsigned i = 0; i < sizeof members / sizeof *members; i++)
		if (!json_object_get(tree, members[i]))
			fail_msg("the result has no member %s", members[i]);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(tree, "faults"), "total")), a.kernel.faults.total);
	json_decref(tree);
	free(x);
	free(y);
	result_fini(&a);
	result_fini(&b);
}

/* A check that cannot fail checks nothing: each figure is bent once. */
static void checks_notice(void **state)
{
	(void)state;
	struct run_options o = options_with("lru", 20);
	struct result r = result_of("zipf:pages=500,refs=5000", &o);
	uint64_t *const bent[] = {
		&r.tlb[0].hits, &r.refs.total, &r.refs.kind[ACCESS_LOAD], &r.refs.refused, &r.kernel.faults.total, &r.kernel.faults.minor,
		&r.kernel.faults.by_cause[FAULT_swap_in], &r.kernel.faults.protection, &r.process[0].references,
		&r.process[0].faults.total, &r.mapping[0].faults.total, &r.mach.walk_level[0], &r.mapping[0].tlb_misses,
		&r.kernel.resident_peak_pages,
	};
	for (unsigned i = 0; i < sizeof bent / sizeof *bent; i++) {
		uint64_t true_value = *bent[i];
		*bent[i] += 1000000;
		r.checks = (struct result_checks){ 0 };
		check_result(&r, 5000, NULL, NULL);
		if (r.checks.n_failed == 0)
			fail_msg("figure %u can be wrong and nobody notices", i);
		*bent[i] = true_value;
	}
	r.checks = (struct result_checks){ 0 };
	check_result(&r, 5000, "a frame is lost", NULL);
	assert_int_equal(r.checks.n_failed, 1);
	assert_string_equal(r.checks.failed[0], "kernel: a frame is lost");
	result_fini(&r);
}

/* One whole run in which the k-th allocation fails.  => true when it was reached. */
static bool run_with_failing(uint64_t k, const char *spec, const struct run_options *o)
{
	struct pw_why why = { "" };
	struct trace *t = NULL;
	struct run *r = NULL;
	struct result result = { 0 };
	inject_arm(INJECT_ALLOC, k, INJECT_ONCE);
	enum pw_err err = trace_open(spec, &t, &why);
	if (err == PW_OK)
		err = run_create(o, &r, &why);
	if (err == PW_OK)
		err = run_begin(r, t, &why);
	while (err == PW_OK && run_step(r) == RUN_GOING)
		;
	if (err == PW_OK)
		err = run_error(r, &why);
	if (err == PW_OK)
		err = run_result(r, &result, &why);
	bool reached = inject_count(INJECT_ALLOC) >= k;
	inject_disarm();
	if (err != PW_OK && why.text[0] == '\0')
		fail_msg("allocation %llu failed and nobody said so", (unsigned long long)k);
	result_fini(&result);
	run_destroy(r);
	if (t)
		trace_close(t);
	return reached;
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	static const char *const policies[] = { "lru", "opt" };
	for (unsigned p = 0; p < 2; p++) {
		struct run_options o = options_with(policies[p], 10);
		uint64_t k = 1;
		while (run_with_failing(k, "zipf:pages=3000,refs=6000,writes=0.5", &o))
			k++;
		assert_true(k > 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(books), cmocka_unit_test(policies_as_plainly_written), cmocka_unit_test(tlb_as_plainly_written),
		cmocka_unit_test(working_set_is_dennings), cmocka_unit_test(future_is_what_comes), cmocka_unit_test(warm_up_is_taken_off),
		cmocka_unit_test(impossible_addresses_are_refused), cmocka_unit_test(json_is_whole_and_repeatable),
		cmocka_unit_test(checks_notice), cmocka_unit_test(every_allocation_may_fail),
	};
	return cmocka_run_group_tests_name("run", tests, NULL, NULL);
}
