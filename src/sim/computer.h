/* computer.h - a small computer to take apart: one machine, one kernel over it, files, and programs that are driven by hand.
 *
 * Unlike a run it carries bytes: what a program writes it reads back, through page tables, swap and copy-on-write.  Every access is
 * made like any reference of a run (looked up in the TLBs, walked for, faulted for), and what happened on the way is told. */
#pragma once
#include "run.h"
#include "../kernel/exec.h"
#include <jansson.h>

struct computer;
struct hypervisor;

/* What may be different from the options.  Zeros: nothing. */
struct computer_parts {
	uint64_t spare_frames;   /* memory behind the kernel's, which only translations made by hand reach */
	const struct policy_ops *policy; /* instead of that of the options, with what goes into its env: */
	void *policy_custom;
	struct hypervisor *host; /* of a guest: that of others too, and the number of this one; NULL: one of its own, if it is a guest */
	unsigned guest;
	struct store *swap;      /* likewise; owned by the computer from then on, also when it cannot be made */
	void (*faulted)(void *ctx, struct process *p, vaddr_t va, const struct fault_report *f); /* told of as they happen */
	void (*evicting)(void *ctx, uint32_t pid, vpn_t page, pfn_t from, bool dirty);
	void *ctx;
};

/* The options of a run; what is about traces (limit, warm-up, the future) must not be asked for.  parts may be NULL.
 * => PW_INVALID with why, PW_NOMEM; *ret is NULL then */
must_use enum pw_err computer_create(const struct run_options *o, const struct computer_parts *parts, struct computer **ret,
                                     struct pw_why *why);
void computer_destroy(struct computer *c);
struct kernel *computer_kernel(struct computer *c);
struct machine *computer_machine(struct computer *c);
struct hypervisor *computer_host(struct computer *c); /* NULL: it is no guest */
const struct run_options *computer_options(const struct computer *c);
const struct physmem *computer_memory(struct computer *c);
/* Empties the TLBs and walk caches of all CPUs, those of a guest's host too. */
void computer_flush(struct computer *c);
uint64_t computer_kernel_frames(const struct computer *c); /* the spare ones come behind these */

/* A file of these bytes (copied), which mappings name by its number: 1, 2, ...  => PW_NOMEM */
must_use enum pw_err computer_file(struct computer *c, const void *bytes, uint64_t n, uint64_t *ret_id);
/* A file of n bytes that others provide; pager is copied.  What they answer other than 0 is an I/O error. */
struct computer_pager {
	int (*read)(void *ctx, uint64_t offset, void *bytes, size_t n);
	int (*write)(void *ctx, uint64_t offset, const void *bytes, size_t n); /* NULL: stores are dropped with their page */
	void *ctx;
};
must_use enum pw_err computer_file_paged(struct computer *c, const struct computer_pager *pager, uint64_t n, uint64_t *ret_id);
/* A file of this computer here, read whole; the same one, unchanged, keeps its number.  => PW_NOTFOUND, PW_ACCESS, PW_IO, PW_INVALID (no
 * regular file, or larger than a GiB), PW_NOMEM with why */
must_use enum pw_err computer_file_open(struct computer *c, const char *path, uint64_t *ret_id, struct pw_why *why);
/* => false: there is no such file */
bool computer_file_size(const struct computer *c, uint64_t id, uint64_t *n);

enum { COMPUTER_EVICTIONS = 16 };

struct computer_eviction {
	uint32_t pid;
	vpn_t page;
	pfn_t frame;
	bool dirty;
};

/* What came of one access. */
struct computer_access {
	vaddr_t va;
	enum access_kind kind;
	bool done;               /* otherwise fault says why not */
	paddr_t pa;              /* done */
	const char *tlb;         /* the TLB that had the translation; NULL: it was walked for */
	uint64_t walk_reads;     /* page-table entries read, all tries together */
	uint64_t host_reads;     /* a guest: of those of its host that they needed, all tries together */
	unsigned n_faults, n_host_faults;
	enum machine_fault trap; /* the first one: what the machine said */
	struct fault_report fault; /* the last one: what the kernel did */
	struct computer_eviction eviction[COMPUTER_EVICTIONS];
	unsigned n_evictions;    /* may be more than are listed */
};

/* One access by a process on a CPU, faults served.  With bytes it moves n of them, from or to; they must not reach beyond the page.
 * => the access may be refused all the same: see done */
void computer_access(struct computer *c, struct process *p, unsigned cpu, vaddr_t va, enum access_kind kind, void *bytes, uint64_t n,
                     struct computer_access *ret);

/* A program of this computer here in a process, with the interpreter it names; without a slash in its name it is looked for where a shell
 * would.  Lists end with NULL; argv NULL: the path alone, envp NULL: nothing.  => as process_exec_file(), computer_file_open() */
must_use enum pw_err computer_exec(struct computer *c, struct process *p, const char *path, const char *const *argv,
                                   const char *const *envp, struct process_begin *ret, struct pw_why *why);

/* Figures of machine and kernel, named as in a result object, counted from base on; what is a state is as it is now. */
struct computer_base {
	struct machine_counts machine;
	struct kernel_counts kernel;
	struct tlb_counts tlb[TLB_ARRAYS];
};
void computer_base_take(struct computer *c, struct computer_base *ret);
/* Adds them to an object.  base NULL: from the beginning.  Of a NULL object or without memory, some or all are missing. */
void computer_figures(struct computer *c, const struct computer_base *base, json_t *root);
void machine_figures(const struct machine *m, const struct computer_base *base, json_t *root);
json_t *fault_figures(const struct fault_counts *f, const struct fault_counts *base);
uint64_t computer_free_frames(struct computer *c); /* for pages of programs */

/* All of physical memory as a raw image, and where the page tables of each process begin, a line each, as a run dumps them.
 * => PW_IO with why */
must_use enum pw_err computer_dump(struct computer *c, FILE *image, FILE *roots, struct pw_why *why);
