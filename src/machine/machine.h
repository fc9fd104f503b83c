/* machine.h - CPUs, their MMUs, and memory: the hardware half.
 *
 * The machine knows no kernel.  It runs references until something needs one, then returns the reason; whoever drives it
 * decides and runs it again.  So the arrow points one way and the inner loop has no callback.  A fault leaves the reference that
 * caused it not done: running again from there restarts that very reference.
 *
 * Time is counted in references: machine_now() is the number done so far on all CPUs together. */
#pragma once
#include "../base/err.h"
#include "access.h"
#include "cpu.h"
#include "physmem.h"
#include "ptfmt.h"
#include "tlb.h"

struct machine;

#define MACHINE_FAULT_LIST(X) \
	X(NOT_PRESENT, "not present", "no valid entry on the walk") \
	X(WRITE, "write protection", "a store to a page that is not writable") \
	X(EXEC, "execute protection", "a fetch from a page that is not executable") \
	X(READ, "read protection", "a load from a page that is not readable") \
	X(PRIVILEGE, "privilege", "a user access to a supervisor page") \
	X(RESERVED, "reserved bit", "an entry has a reserved bit set, or an illegal combination") \
	X(NONCANONICAL, "non-canonical address", "the upper bits are not copies of the sign bit") \
	X(BADFRAME, "frame beyond memory", "an entry points outside physical memory") \
	X(ACCESSED, "accessed bit clear", "the format leaves setting the accessed bit to software") \
	X(DIRTY, "dirty bit clear", "the format leaves setting the dirty bit to software") \
	X(HOST, "host fault", "what a guest takes for memory is not mapped by its host: an EPT violation, a guest-page fault")

enum machine_fault {
	MACHINE_FAULT_NONE,
#define X(name, word, text) MACHINE_FAULT_##name,
	MACHINE_FAULT_LIST(X)
#undef X
	MACHINE_FAULT_KINDS
};
const char *machine_fault_text(enum machine_fault f);

enum machine_why { MACHINE_DONE, MACHINE_FAULTED };
struct machine_stop {
	enum machine_why why;
	uint64_t done;           /* references of the batch that are finished */
	vaddr_t va;              /* FAULTED: of the next one */
	enum access_kind kind;
	enum machine_fault fault;
	/* fault HOST: where in the guest's physical memory, for what, and why the host's tables do not give it. */
	paddr_t host_at;
	enum access_kind host_kind;
	enum machine_fault host_fault;
};

#define MACHINE_LOG (1u << 16)

struct machine_config {
	const struct ptfmt *format;
	uint64_t frames;         /* of physical memory, each of one base page */
	unsigned n_cpus;
	const struct cpu_model *cpu; /* TLBs and walk caches; copied */
	bool log_touches;        /* keep the order of last use: machine_touched() */
	bool log_every;          /* keep every single reference instead, at most MACHINE_LOG of them */
	uint64_t seed;
	/* The machine is a guest: its physical memory is the address space that the host has loaded, CPU n here being CPU
	 * host_cpu + n there.  NULL: it is not.  The host outlives it, and has base pages of the same size. */
	struct machine *host;
	unsigned host_cpu;
};

must_use enum pw_err machine_create(const struct machine_config *c, struct machine **ret, struct pw_why *why);
void machine_destroy(struct machine *m);

/* Runs the batch on a CPU until its end or the first fault, or (log_every) until the log is full. */
struct machine_stop machine_run(struct machine *m, unsigned cpu, const ref_t *refs, uint64_t n);

/* One reference: where it leads.  => *ret when DONE */
struct machine_stop machine_translate(struct machine *m, unsigned cpu, vaddr_t va, enum access_kind kind, paddr_t *ret);

/* Moves bytes as the CPU would, through its MMU, page by page.  => stops before the first byte that faults. */
struct machine_stop machine_read(struct machine *m, unsigned cpu, vaddr_t va, void *bytes, uint64_t n);
struct machine_stop machine_write(struct machine *m, unsigned cpu, vaddr_t va, const void *bytes, uint64_t n);

/* The root register (CR3, satp, TTBR).  Without ASID tags, or with flush set, the CPU's translations go. */
void machine_load_space(struct machine *m, unsigned cpu, pfn_t root, uint16_t asid);
/* The second root (TTBR1), of addresses of the upper half, where the format has one; PFN_NONE: walks of it are disabled.  Nothing is
 * flushed: what was translated by another is told apart by the ASID, or went with it. */
void machine_load_upper(struct machine *m, unsigned cpu, pfn_t root);
void machine_set_supervisor(struct machine *m, unsigned cpu, bool on);

/* Translations go, from those CPUs that may hold some of the ASID: bit n of cpus is CPU n.  The kernel, which has changed the tables,
 * runs on one CPU and empties its own TLBs; any other that has the space loaded must be interrupted for it: a TLB shootdown.  One that
 * has it loaded no longer does it before it loads the space again, and is only counted. */
#define MACHINE_CPUS_ALL UINT64_MAX
void machine_flush_range(struct machine *m, uint64_t cpus, uint16_t asid, struct vpn_range r);
void machine_flush_asid(struct machine *m, uint64_t cpus, uint16_t asid);
void machine_flush_all(struct machine *m);
/* The kernel runs on this CPU until machine_run() is called on another. */
void machine_kernel_on(struct machine *m, unsigned cpu);

/* Per frame: when it was last referenced (0: never), and how many walks ended there since last taken. */
uint64_t machine_frame_last_use(struct machine *m, pfn_t f);
uint64_t machine_frame_take_walks(struct machine *m, pfn_t f);

/* The next reference, which is to f, has been told of already: it is kept out of the logs. */
void machine_expect(struct machine *m, pfn_t f);

/* The frames referenced since they were last asked for: each once, ordered by last reference (log_touches); or (log_every) the
 * frame of each single reference, in order.  They come in portions: to be called until it gives 0, before the machine runs on.
 * => *ret is valid until the next call on m. */
uint64_t machine_touched(struct machine *m, const pfn_t **ret);

uint64_t machine_now(const struct machine *m);
struct physmem *machine_physmem(struct machine *m);
const struct ptfmt *machine_format(const struct machine *m);
unsigned machine_n_cpus(const struct machine *m);
const struct cpu_model *machine_cpu_model(const struct machine *m);
bool machine_software_ad(const struct machine *m); /* accessed and dirty bits are left to software */

/* Counts since creation, all CPUs together. */
struct machine_counts {
	uint64_t references[ACCESS_KINDS];
	uint64_t walks;                 /* walks that found a translation no TLB had; those that fault are in faults */
	uint64_t walk_references;       /* page-table entries they read */
	uint64_t walk_level[PTFMT_LEVELS]; /* of those, at this level */
	uint64_t pwc_hits[PTFMT_LEVELS];/* walks that began below this level thanks to a walk cache */
	uint64_t dirty_updates;         /* a store through a clean translation: the entry is written again */
	uint64_t faults[MACHINE_FAULT_KINDS];
	uint64_t context_switches, flushes;
	uint64_t shootdowns;            /* flushes for which other CPUs had to be interrupted */
	uint64_t shootdown_interrupts;  /* CPUs interrupted for them */
	uint64_t shootdown_deferred;    /* CPUs that had to forget something too, but not now */
	uint64_t shootdown_entries;     /* TLB entries that CPUs lost to flushes of others */
};
void machine_counts(const struct machine *m, struct machine_counts *ret);
/* A guest's walks, both stages together.  The host's own counts say how its half was done. */
struct machine_nested {
	uint64_t translations;          /* physical addresses given to the host by walks that were completed */
	uint64_t host_references;       /* entries of the host's tables that they read */
	uint64_t most;                  /* entries that one walk read, both stages: at most (g + 1)(h + 1) - 1 for g and h levels */
	uint64_t fractured;             /* translations kept smaller than the guest's page, because the host's was smaller */
};
void machine_nested(const struct machine *m, struct machine_nested *ret);
unsigned machine_n_tlbs(const struct machine *m);
struct tlb_counts machine_tlb_counts(const struct machine *m, unsigned i); /* summed over CPUs; name as configured */

/* What a TLB holds, slot by slot, for whoever looks inside. */
struct machine_tlb_slot {
	const char *name;        /* of the TLB */
	uint32_t set, way;
	bool used;               /* otherwise nothing below means anything */
	vaddr_t va;              /* of the page */
	unsigned level;          /* of the leaf: 0 is a base page */
	pfn_t pfn;               /* its first frame */
	unsigned rights;         /* PT_* */
	bool dirty, global;
	uint16_t asid;
	uint64_t last_use;       /* in references; exact for TLBs that are looked up first */
};
/* => false: the CPU has no slot of this number; they count from 0 without gaps */
bool machine_tlb_slot(const struct machine *m, unsigned cpu, uint32_t slot, struct machine_tlb_slot *ret);

/* No TLB entry contradicts the page tables, stamps are in order, counts add up. */
const char *machine_flaw(struct machine *m);
