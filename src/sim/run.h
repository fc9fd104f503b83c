/* run.h - drives a machine and a kernel from a trace.
 *
 *   trace --items--> run --references--> machine
 *                     |  <---- fault ----'
 *                     '--fault, map, fork, ...--> kernel
 *
 * The run is stepped from outside, so whoever steps it shows progress, watches for signals and stops it when it likes: no callback
 * reaches back into the command. */
#pragma once
#include "../trace/trace.h"
#include "result.h"

struct run;

/* Zeroed by run_options_init, except for what it sets; strings belong to the caller and must outlive the run. */
struct run_options {
	struct ptfmt format;
	struct cpu_model cpu;
	const char *cpu_name;
	const char *tlb_spec;      /* what replaced the preset's TLBs, or NULL */
	unsigned n_cpus;
	const struct ptfmt *nested;/* the machine is a guest, whose memory this format translates again; NULL: it is not */
	uint32_t nested_tlb;       /* entries of the TLB for that, 0: none */
	uint64_t host_ram_bytes;   /* all of the host's memory; 0: enough */
	uint64_t page_frames;      /* this many frames for programs' pages; 0: not limited so */
	uint64_t ram_bytes;        /* all of physical memory; 0: not limited so.  At most one of the two is set */
	const struct policy_ops *policy;
	struct policy_params policy_params;
	enum refbits refbits;
	enum personality personality;
	enum overcommit overcommit;
	enum replacement replacement;
	enum allocation allocation;
	enum huge_when huge;
	unsigned fragment;         /* percent */
	uint64_t scan;             /* references between looks for pages to promote; 0: never */
	bool cold_files;           /* linux: file pages begin on disk, not in memory */
	const char *swap;          /* store spec, or "none" */
	struct cost_model cost;
	uint64_t seed;
	uint64_t limit;            /* references; 0: all */
	uint64_t warmup;           /* references that are run but not counted */
	uint64_t tau;              /* window of the working set, in references */
	uint64_t quantum;          /* references of a turn; 0: processes run as the trace says */
	bool load_control;         /* with a quantum: processes are suspended while memory thrashes */
	FILE *dump;                /* where the image of physical memory goes at the end, or NULL */
	FILE *dump_roots;          /* and its spaces, one line each */
};

/* log2 of the base pages of this machine's huge page, if it was asked for and the format has one; 0: it was not. */
unsigned run_huge_shift(const struct run_options *o);

/* The default machine: x86-64, the first CPU preset, memory without limit, lru with exact reference bits, textbook. */
void run_options_init(struct run_options *o);

/* Builds machine and kernel, and so finds out whether the options can be met before a program is started.
 * => on error *ret is NULL and why explains. */
must_use enum pw_err run_create(const struct run_options *o, struct run **ret, struct pw_why *why);
#define RUN_QUANTUM 10000 /* for several traces, where nothing else was said */

/* Gives it its trace, once; the trace must outlive the run and is not closed by it.  A policy that needs the future reads the trace
 * through first: PW_UNSUPPORTED when it can be read only once. */
must_use enum pw_err run_begin(struct run *r, struct trace *t, struct pw_why *why);
void run_destroy(struct run *r);

enum run_state { RUN_GOING, RUN_ENDED, RUN_FAILED };

/* The machine and the seed as they will stand in the result, known before anything has run: fills those two members. */
void run_describe(const struct run *r, struct result *ret);

/* Runs some more: one item of the trace, at most.  => FAILED: pageworks itself cannot go on, run_error explains. */
enum run_state run_step(struct run *r);
enum pw_err run_error(const struct run *r, struct pw_why *why);

/* References taken from the trace so far, warm-up included. */
uint64_t run_position(const struct run *r);

/* Everything that was found out, self-checked.  Once, after the last step.
 * => on error ret is empty. */
must_use enum pw_err run_result(struct run *r, struct result *ret, struct pw_why *why);
