/* result.h - what a run found out, as one object that every view renders.
 *
 * The engine fills a struct result; the report, the JSON, `diff` and --fail-on only read it, so they cannot disagree.  All counts
 * are of the part of the run after the warm-up.  Memory of the lists belongs to the result. */
#pragma once
#include "../kernel/kernel.h"
#include "../machine/machine.h"
#include "sched.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define RESULT_SCHEMA 1
#define RESULT_CHECK_TEXT 256

enum refbits { REFBITS_EXACT, REFBITS_HARDWARE };

/* The resolved machine and kernel: what really ran, presets expanded. */
struct result_machine {
	struct ptfmt format;
	struct cpu_model cpu;
	const char *cpu_name;      /* the preset */
	const char *tlb_spec;      /* what replaced its TLBs, or NULL */
	unsigned n_cpus;
	const struct ptfmt *nested;/* NULL: no guest */
	uint32_t nested_tlb;
	uint64_t host_ram_bytes;
	uint64_t page_frames;      /* --frames, or 0 */
	uint64_t ram_bytes;        /* --ram, or 0: no limit was asked for */
	uint64_t physical_frames;  /* what the machine was built with */
	const struct policy_ops *policy;
	char policy_spec[POLICY_SPEC_MAX]; /* its name, and the parameters that were chosen */
	enum refbits refbits;
	enum personality personality;
	bool cold_files;
	enum overcommit overcommit;
	enum replacement replacement;
	enum allocation allocation;
	enum huge_when huge;
	unsigned fragment;
	uint64_t scan;
	const char *swap;          /* spec, or "none" */
	struct cost_model cost;
	uint64_t limit, warmup, tau;
	uint64_t quantum;          /* 0: as recorded */
	bool load_control;
};

struct result_refs {
	uint64_t total;                  /* done by the machine */
	uint64_t kind[ACCESS_KINDS];
	uint64_t refused;                /* skipped: the kernel refused them (protection faults) */
	uint64_t skipped;                /* skipped: their process had been killed for want of memory */
	uint64_t lost;                   /* said by the trace to be missing from it */
};

/* Denning's W(t, tau): the pages referenced in the last tau references, sampled every tau references. */
struct result_working_set {
	uint64_t tau, samples;
	uint64_t sum_pages, peak_pages, last_pages;
};

struct result_tlb {
	char name[16];
	uint64_t accesses, hits, misses;
};

struct result_process {
	uint32_t pid, parent;
	char *command;
	uint64_t references, refused, skipped;
	struct fault_counts faults;
	uint64_t resident_peak_pages, share_pages; /* share: of the frames, with local replacement: its last */
	bool killed;               /* for want of simulated memory */
	char *killed_why;          /* in words; NULL: it was not */
	bool ended;
	int exit_status, signal;   /* as the trace says */
};

struct result_mapping {
	uint32_t pid;
	uint64_t start, bytes;
	char *name;                /* "[heap]", "libc.so.6 text", "anonymous" */
	char *file;                /* path, or NULL */
	unsigned prot;
	struct fault_counts faults;
	uint64_t tlb_misses;       /* walks that ended in its pages */
	uint64_t resident_pages;
	bool alive;                /* at the end of the run */
};

/* One of the first accesses the kernel refused, kept to be shown. */
struct result_refusal {
	uint32_t pid;
	uint64_t address, at;      /* at: position in the trace, counted in references */
	enum access_kind kind;
	const char *why;           /* static */
};
#define RESULT_REFUSALS 8

struct result_program {
	bool present;              /* a command was run: else only wall_s means something */
	bool ended;
	int exit_status, signal;
	double wall_s;             /* host time of the run, from its start to its end */
};

/* Modelled, in cycles of the cost model's clock: what the references cost by themselves, what finding their frames added, what the
 * kernel added. */
struct result_times {
	uint64_t reference, translation, fault, context_switch, shootdown, total;
};

/* What the host below a guest did. */
struct result_nested {
	bool present;
	struct machine_counts mach; /* of the host's half: a reference is one of the guest's physical addresses */
	struct kernel_counts kernel;
	uint64_t tlb_accesses, tlb_hits; /* of the nested TLB */
	struct machine_nested both;
};

/* Load control: what was seen and done. */
#define RESULT_LOADS 16
struct result_load {
	bool present;
	uint64_t detections, suspensions, resumptions;
	uint64_t swapped_pages;    /* that left with processes that were suspended */
	unsigned suspended_now;    /* at the end */
	unsigned n_events;         /* may be more than are kept */
	struct result_load_event {
		uint64_t at;           /* position in the trace, in references */
		char text[RESULT_CHECK_TEXT];
	} event[RESULT_LOADS];
};

#define RESULT_CHECKS_FAILED 8
struct result_checks {
	unsigned passed, n_failed;                               /* n_failed may exceed what is kept */
	char failed[RESULT_CHECKS_FAILED][RESULT_CHECK_TEXT];
};

struct result {
	char **command;            /* n_command strings: the words that were typed */
	unsigned n_command;
	uint64_t seed;
	struct result_machine machine;

	char *source;
	const char *format;
	uint64_t records, rejected, rejected_at;
	double fragmentation;      /* at the end: share of free memory in pieces too small for a huge page */
	uint64_t events_refused;   /* events of the trace that the kernel could not make sense of */
	char events_why[RESULT_CHECK_TEXT]; /* the first of them */
	enum pw_err input_error;   /* the trace ended early */
	char input_error_text[480];
	bool interrupted;          /* the person stopped it */

	struct result_refs refs;
	struct kernel_counts kernel;
	struct machine_counts mach;
	struct sched_counts sched; /* with a quantum */
	struct result_load load;   /* of the whole run */
	struct result_tlb tlb[TLB_ARRAYS];
	unsigned n_tlbs;
	struct result_working_set ws;
	struct result_times times;
	struct result_nested nested;

	struct result_process *process;
	unsigned n_processes;
	struct result_mapping *mapping;
	unsigned n_mappings;
	struct result_refusal refusal[RESULT_REFUSALS];
	unsigned n_refusals;       /* kept: at most RESULT_REFUSALS; refs.refused has them all */

	struct result_program program;
	struct result_checks checks;
};

void result_fini(struct result *r);

/* Keeps a copy of the words that were typed.  => PW_NOMEM: what was copied is released by result_fini. */
must_use enum pw_err result_set_command(struct result *r, char *const argv[], unsigned n);

/* => appends a finding to the checks: passed when ok, else the sentence is kept. */
void result_check(struct result *r, bool ok, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Modelled nanoseconds of n cycles under this result's clock. */
double result_ns(const struct result *r, uint64_t cycles);

/* Writes the versioned object (DESIGN: the result object).  => PW_IO when it could not be written. */
must_use enum pw_err result_write_json(const struct result *r, FILE *out);

struct jsonw;
/* Its member "faults", which a run, a process and a mapping have alike. */
void result_json_faults(const struct fault_counts *f, struct jsonw *j);

/* Its member "machine" alone, as {"machine": {...}} on one line: equal machines give equal texts. */
must_use enum pw_err result_write_machine(const struct result *r, FILE *out);

/* What a mapping is called in the kernel: a file's path and what it holds ("/lib/libc.so.6 text"), so that the parts of a file stay
 * apart; anything else as it is.  => into buf, returned. */
const char *result_mapping_label(const char *raw, unsigned prot, char *buf, size_t size);
/* From a label, the name a person knows ("[heap]", "libc.so.6 text", "anonymous") and the file's path (NULL: none).
 * => PW_NOMEM: both are NULL. */
must_use enum pw_err result_mapping_name(const char *label, char **ret_name, char **ret_file);
