/* run_impl.h - what the files of a run share: run.c (the loop), run_events.c (address spaces), run_result.c (what came of it). */
#pragma once
#include "../base/htab.h"
#include "future.h"
#include "load.h"
#include "run.h"
#include "sched.h"
#include "ws.h"

#define RUN_CPUS_MAX 64

struct run_process {
	uint32_t pid, parent;
	struct process *process; /* NULL until it first needs one */
	bool gone;               /* ended, or killed for want of memory */
	bool killed;
	bool ended;
	int exit_status, signal;
	uint64_t references, refused, skipped;
};

/* Counts at the end of the warm-up, to be taken off. */
struct run_base {
	bool taken;
	struct machine_counts machine;
	struct kernel_counts kernel;
	struct result_nested nested;
	struct sched_counts sched;
	struct tlb_counts tlb[TLB_ARRAYS];
	uint64_t refused, skipped, lost, position;
	struct result_mapping *mapping;
	unsigned n_mappings;
	struct result_process *process;
	unsigned n_processes;
};

struct run {
	struct run_options opt;
	struct trace *trace;       /* the caller's, or that of: */
	struct sched *sched;       /* NULL: the trace's own order */
	struct load *load;         /* NULL: nobody is suspended */
	struct hypervisor *host;   /* the machine is its guest; or NULL */
	bool host_is_shared;       /* with other runs, and so not ours */
	unsigned guest;            /* which one it is there */
	uint64_t host_short;       /* an address of the guest that the host had no memory for; UINT64_MAX: none */
	unsigned cpu;              /* that runs, or ran last */
	struct machine *machine;
	struct pmap_sys *pmap;
	struct store *swap;
	struct kernel *kernel;
	struct future *future;
	struct ws *ws;
	uint64_t physical_frames;

	struct run_process *process;
	unsigned n_processes, recent;
	int on_cpu[RUN_CPUS_MAX];  /* index of the process whose space the CPU has loaded, or -1 */
	struct htab threads;       /* pid and tid -> CPU */
	unsigned n_threads;

	uint64_t policy_due;       /* when the policy wants to be woken, in the machine's time; later than now */
	uint64_t scan_due;         /* position at which pages are looked for that could be huge ones */
	bool in_fault;             /* the reference at position has faulted: the future begins after it */
	uint64_t position;         /* references taken from the trace */
	uint64_t refused, skipped, lost;
	uint64_t stuck;            /* references given up because they faulted without end: a bug of ours */
	uint64_t events_refused;   /* events that made no sense to the kernel */
	char events_why[RESULT_CHECK_TEXT];
	struct result_refusal refusal[RESULT_REFUSALS];
	unsigned n_refusals;
	struct run_base base;
	bool dumped;

	enum run_state state;
	enum pw_err error;
	struct pw_why why;
};

/* As run_create(), as a guest of this host, which outlives it; host NULL: of its own, if it is one. */
must_use enum pw_err run_create_guest(const struct run_options *o, struct hypervisor *host, unsigned guest, struct run **ret,
                                      struct pw_why *why);

/* run_events.c: => FAILED state is set in r when pageworks cannot go on. */
void run_event(struct run *r, uint32_t pid, const struct trace_event *e);
/* The process of this number, made when it is new.  => NULL: the run has failed. */
struct run_process *run_process_get(struct run *r, uint32_t pid);
/* Forgets on which CPUs the process is loaded, so that it is loaded again. */
void run_unload(struct run *r, const struct run_process *p);
/* A program's addresses have this many bits: half of the space where the other half is the kernel's. */
unsigned run_user_bits(const struct ptfmt *f);
/* How many frames a machine of these options has. */
uint64_t run_frames(const struct run_options *o);
/* Writes the image of physical memory, once. */
void run_dump(struct run *r);
/* A line of a dump's roots: where the page tables of a space begin. */
void run_dump_root(FILE *out, uint32_t pid, const struct ptfmt *f, const struct pmap *space);

/* run_result.c */
must_use enum pw_err run_base_take(struct run *r);
void run_base_drop(struct run_base *b);

enum run_state run_fail(struct run *r, enum pw_err err, const char *format, ...) __attribute__((format(printf, 3, 4)));
