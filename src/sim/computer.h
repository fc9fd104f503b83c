/* computer.h - a small computer to take apart: one machine, one kernel over it, files, and programs that are driven by hand.
 *
 * Unlike a run it carries bytes: what a program writes it reads back, through page tables, swap and copy-on-write.  Every access is
 * made like any reference of a run (looked up in the TLBs, walked for, faulted for), and what happened on the way is told. */
#pragma once
#include "run.h"

struct computer;

/* The options of a run; what is about traces (limit, warm-up, the future) must not be asked for.  Behind the memory that the kernel
 * owns there are spare_frames more, which only translations made by hand reach.
 * => PW_INVALID with why, PW_NOMEM; *ret is NULL then */
must_use enum pw_err computer_create(const struct run_options *o, uint64_t spare_frames, struct computer **ret, struct pw_why *why);
void computer_destroy(struct computer *c);
struct kernel *computer_kernel(struct computer *c);
struct machine *computer_machine(struct computer *c);
const struct run_options *computer_options(const struct computer *c);
const struct physmem *computer_memory(struct computer *c);
uint64_t computer_kernel_frames(const struct computer *c); /* the spare ones come behind these */

/* A file of these bytes (copied), which mappings name by its number: 1, 2, ...  => PW_NOMEM */
must_use enum pw_err computer_file(struct computer *c, const void *bytes, uint64_t n, uint64_t *ret_id);
/* The bytes of a file as they are on its disk now.  => NULL: there is no such file */
const uint8_t *computer_file_bytes(const struct computer *c, uint64_t id, uint64_t *n);

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
	unsigned n_faults;
	enum machine_fault trap; /* the first one: what the machine said */
	struct fault_report fault; /* the last one: what the kernel did */
	struct computer_eviction eviction[COMPUTER_EVICTIONS];
	unsigned n_evictions;    /* may be more than are listed */
};

/* One access by a process on a CPU, faults served.  With bytes it moves n of them, from or to; they must not reach beyond the page.
 * => the access may be refused all the same: see done */
void computer_access(struct computer *c, struct process *p, unsigned cpu, vaddr_t va, enum access_kind kind, void *bytes, uint64_t n,
                     struct computer_access *ret);

/* Before anything else that may evict, to learn of it afterwards. */
void computer_forget_evictions(struct computer *c);
unsigned computer_evictions(const struct computer *c, const struct computer_eviction **ret);

/* All of physical memory as a raw image, and where the page tables of each process begin, a line each, as a run dumps them.
 * => PW_IO with why */
must_use enum pw_err computer_dump(struct computer *c, FILE *image, FILE *roots, struct pw_why *why);
