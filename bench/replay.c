/* replay.c - rates inside one process: how fast a trace is read, and how fast it is simulated.
 *
 *     replay floor TRACE              reading the trace and doing nothing
 *     replay run TRACE POLICY [TLB]   the whole machine and kernel, memory without limit
 *     replay memory PAGES             host memory for each touched page, beside the page tables
 *
 * Each prints one line of "name value" pairs.  Times are the best of three passes over a trace that has been read once before, so
 * that the file is in memory. */
#include "../src/base/text.h"
#include "../src/sim/run.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PASSES = 3 };

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int complain(const struct pw_why *why)
{
	fprintf(stderr, "bench/replay: %s\n", why->text);
	return 1;
}

/* The sum keeps the compiler from leaving the reading out. */
static uint64_t read_through(struct trace *t, uint64_t *sum)
{
	struct trace_item item;
	uint64_t refs = 0;
	for (trace_next(t, &item); item.kind != TRACE_ITEM_END; trace_next(t, &item)) {
		if (item.kind != TRACE_ITEM_REFS)
			continue;
		refs += item.n_refs;
		*sum += item.refs[item.n_refs - 1].word;
	}
	return refs;
}

static int floor_of(const char *spec)
{
	struct pw_why why = { "" };
	struct trace *t;
	double best = 1e9;
	uint64_t refs = 0, sum = 0;
	if (trace_open(spec, &t, &why) != PW_OK)
		return complain(&why);
	for (int i = 0; i <= PASSES; i++) {
		double began = now_s();
		refs = read_through(t, &sum);
		double took = now_s() - began;
		if (i > 0 && took < best)
			best = took;
		if (trace_rewind(t, &why) != PW_OK)
			return complain(&why);
	}
	trace_close(t);
	printf("refs %" PRIu64 " seconds %.6f sum %" PRIu64 "\n", refs, best, sum & 1);
	return 0;
}

static int run_once(const char *spec, const struct run_options *o, double *took, struct result *ret)
{
	struct pw_why why = { "" };
	struct trace *t;
	struct run *r;
	if (trace_open(spec, &t, &why) != PW_OK || run_create(o, &r, &why) != PW_OK || run_begin(r, t, &why) != PW_OK)
		return complain(&why);
	double began = now_s();
	while (run_step(r) == RUN_GOING)
		;
	*took = now_s() - began;
	if (run_error(r, &why) != PW_OK || run_result(r, ret, &why) != PW_OK)
		return complain(&why);
	run_destroy(r);
	trace_close(t);
	if (ret->checks.n_failed)
		fprintf(stderr, "bench/replay: %s\n", ret->checks.failed[0]);
	return ret->checks.n_failed != 0;
}

static int replay(const char *spec, const char *policy, const char *tlb)
{
	struct pw_why why = { "" };
	struct run_options o;
	struct result r = { 0 };
	double best = 1e9, took;
	run_options_init(&o);
	o.policy = policy_find(policy);
	if (!o.policy || (tlb && tlb_parse(tlb, o.cpu.tlb, &o.cpu.n_tlbs, &why) != PW_OK)) {
		snprintf(why.text, sizeof why.text, "%s %s: no such policy or TLB", policy, tlb ? tlb : "");
		return complain(&why);
	}
	for (int i = 0; i < PASSES; i++) {
		result_fini(&r);
		if (run_once(spec, &o, &took, &r) != 0)
			return 1;
		best = took < best ? took : best;
	}
	printf("refs %" PRIu64 " seconds %.6f walks %" PRIu64 " faults %" PRIu64 "\n", r.refs.total, best, r.mach.walks,
	       r.kernel.faults.total);
	result_fini(&r);
	return 0;
}

/* Resident bytes of this process. */
static uint64_t resident(void)
{
	unsigned long long pages = 0, total = 0;
	FILE *f = fopen("/proc/self/statm", "re");
	if (!f || fscanf(f, "%llu %llu", &total, &pages) != 2)
		pages = 0;
	if (f)
		fclose(f);
	return pages * 4096;
}

static int memory(const char *pages)
{
	struct pw_why why = { "" };
	char spec[100];
	struct run_options o;
	struct trace *t;
	struct run *r;
	struct result result;
	run_options_init(&o);
	snprintf(spec, sizeof spec, "loop:pages=%s,refs=%s", pages, pages);
	if (trace_open(spec, &t, &why) != PW_OK)
		return complain(&why);
	uint64_t before = resident();
	if (run_create(&o, &r, &why) != PW_OK || run_begin(r, t, &why) != PW_OK)
		return complain(&why);
	while (run_step(r) == RUN_GOING)
		;
	uint64_t after = resident();
	if (run_result(r, &result, &why) != PW_OK)
		return complain(&why);
	printf("touched_pages %" PRIu64 " host_bytes %" PRIu64 " page_table_bytes %" PRIu64 "\n", result.kernel.touched_pages,
	       after - before, result.kernel.table_peak_bytes);
	result_fini(&result);
	run_destroy(r);
	trace_close(t);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "floor") == 0)
		return floor_of(argv[2]);
	if ((argc == 4 || argc == 5) && strcmp(argv[1], "run") == 0)
		return replay(argv[2], argv[3], argv[4]);
	if (argc == 3 && strcmp(argv[1], "memory") == 0)
		return memory(argv[2]);
	fprintf(stderr, "usage: replay floor TRACE | run TRACE POLICY [TLB] | memory PAGES\n");
	return 2;
}
