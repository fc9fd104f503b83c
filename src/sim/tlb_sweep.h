/* tlb_sweep.h - every TLB and page size at once, from one reading of a trace.
 *
 *   trace --items--> sweep --references--> tlb_spaces --log--> tlb_stack, one for each page size
 *                      |  <---- fault ------'
 *                      '--fault, map, fork, ...--> kernel
 *
 * What is counted is what `run` counts with a TLB of one level, LRU, unified: the same kernel, with memory without limit, decides what
 * is unmapped and copied, and so what TLBs lose.  Pages larger than the format's lose their translation when any part of them does. */
#pragma once
#include "run.h"
#include "tlb_result.h"

struct tlb_options {
	struct run_options run;        /* of it: format, cpu, personality, cold_files, cost, seed, limit, warmup */
	uint64_t page_bytes[TLB_SIZES];
	unsigned n_sizes;
	struct tlb_shape shape[TLB_SHAPES];
	unsigned n_shapes;
	unsigned threads;              /* 0: one for each CPU */
	bool tables_only;              /* no real CPUs and no ledger */
};

struct tlb_sweep;

/* => on error *ret is NULL and why explains. */
must_use enum pw_err tlb_sweep_create(const struct tlb_options *o, struct tlb_sweep **ret, struct pw_why *why);
/* Gives it its trace, once; the trace must outlive the sweep and is not closed by it. */
must_use enum pw_err tlb_sweep_begin(struct tlb_sweep *s, struct trace *t, struct pw_why *why);
void tlb_sweep_destroy(struct tlb_sweep *s);
/* Runs some more: one item of the trace, at most.  => FAILED: tlb_sweep_error explains. */
enum run_state tlb_sweep_step(struct tlb_sweep *s);
enum pw_err tlb_sweep_error(const struct tlb_sweep *s, struct pw_why *why);
/* References taken from the trace so far, warm-up included. */
uint64_t tlb_sweep_position(const struct tlb_sweep *s);
/* Everything that was found out until now.  Once, after the last step.  => on error ret is empty. */
must_use enum pw_err tlb_sweep_result(struct tlb_sweep *s, struct tlb_result *ret, struct pw_why *why);
